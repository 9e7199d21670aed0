//! The table of keys against the documented one.

use expect_test::expect_file;
use orchestrator_config::{File, KEYS, KeySpec, Plan, RELOADABLE, Reload};

use crate::{dumped, load_with, loaded, messages};

const OURS: [&str; 16] = [
    "LogFormat",
    "FailureDetectionQuorum",
    "SharedProbing",
    "PrimaryPulseMilliseconds",
    "PrimaryPulseTimeoutMilliseconds",
    "FailedPrimaryReadOnly",
    "CrashGraceSeconds",
    "CleanShutdownGraceSeconds",
    "ProbeListenAddress",
    "RaftBootstrap",
    "RaftMembershipSource",
    "RaftJoinTimeoutSeconds",
    "OperatorTokenFile",
    "RaftTLSCertFile",
    "RaftTLSPrivateKeyFile",
    "RaftTLSCAFile",
];

fn legacy_keys() -> impl Iterator<Item = &'static KeySpec> {
    KEYS.iter().filter(|key| !OURS.contains(&key.name))
}

#[test]
fn names_types_defaults_and_reload_classes_are_the_documented_ones() {
    // Before any adjustment.
    let defaults: serde_json::Value =
        serde_json::from_str(&File::default().dump()).expect("the dump is JSON");
    let mut table = String::new();
    for key in legacy_keys() {
        let value = match key.kind {
            "float32" => defaults[key.name].as_f64().expect("a number").to_string(),
            _ => defaults[key.name].to_string(),
        };
        let reload = match key.reload {
            Reload::Live => "L",
            Reload::Restart => "S",
            Reload::Partly => "S/L",
            Reload::Never => "-",
        };
        table += &format!("{} {} {value} {reload}\n", key.name, key.kind);
    }
    expect_file!["keys.golden"].assert_eq(&table);
}

#[test]
fn there_are_201_keys_of_the_original_and_ours() {
    assert_eq!(legacy_keys().count(), 201);
    assert_eq!(KEYS.len(), 201 + OURS.len());
}

#[test]
fn no_two_keys_differ_by_case_only() {
    let mut names: Vec<String> = KEYS.iter().map(|key| key.name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), KEYS.len());
}

#[test]
fn every_default_can_be_written_into_a_file() {
    let defaults = load_with(&[], &[]).expect("the defaults are valid");
    for key in KEYS {
        let text = format!("{{\"{}\": {}}}", key.name, dumped(&defaults, key.name));
        let read = loaded(&text);
        assert_eq!(dumped(&read, key.name), dumped(&defaults, key.name), "{text}");
        assert!(read.warnings.is_empty(), "a default asks for nothing: {text}: {:?}", read.warnings);
    }
}

#[test]
fn the_dump_of_all_defaults_is_a_file_with_the_same_dump() {
    let dump = load_with(&[], &[]).expect("the defaults are valid").file.dump();
    assert_eq!(loaded(&dump).file.dump(), dump);
}

#[test]
fn every_key_is_read_in_any_case() {
    let defaults = load_with(&[], &[]).expect("the defaults are valid");
    for key in KEYS {
        let text = format!("{{\"{}\": {}}}", key.name.to_ascii_uppercase(), dumped(&defaults, key.name));
        assert_eq!(messages(&text), "", "{text}");
    }
}

#[test]
fn every_key_refuses_a_value_of_another_type() {
    for key in KEYS {
        let bad = if key.kind.starts_with("map") { "[]" } else { "{}" };
        let shown = messages(&format!("{{\n \"{}\": {bad}}}", key.name));
        assert!(
            shown.starts_with(&format!("error conf.json:2:{}: {}: ", key.name.len() + 6, key.name)),
            "{shown}"
        );
    }
}

#[test]
fn only_obsolete_keys_never_follow_a_reload() {
    // The one exception is a key whose effect upstream is a defect; ours will have one.
    let never = KEYS.iter().filter(|key| key.reload == Reload::Never && key.plan != Plan::Obsolete);
    assert_eq!(never.map(|key| key.name).collect::<Vec<_>>(), ["MySQLTopologyMaxAllowedPacket"]);
}

#[test]
fn what_is_taken_over_at_a_reload_is_a_key() {
    for name in RELOADABLE {
        assert!(KEYS.iter().any(|key| key.name == *name), "{name}");
    }
}
