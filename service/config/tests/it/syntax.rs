//! Texts that are no JSON, keys that are none of ours, and keys given twice.

use expect_test::{Expect, expect};

use crate::{dumped, load_text, load_with, loaded, messages, show, source};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&messages(text));
}

#[test]
fn a_comma_after_the_last_entry_is_pointed_at() {
    check(
        "{\n  \"Debug\": true,\n}",
        expect![[r#"
        error conf.json:3:1: nothing may follow the last comma but an entry; remove that comma
    "#]],
    );
    check(
        "{\"RaftNodes\": [\"a\", ]}",
        expect![[r#"
            error conf.json:1:21: remove the comma before the closing bracket
        "#]],
    );
}

#[test]
fn a_comment_is_pointed_at() {
    check(
        "{\n  // remark\n  \"Debug\": true\n}",
        expect![[r##"
        error conf.json:2:3: JSON has no comments; remove this, or write it as an entry named "#"
    "##]],
    );
    check(
        "{\n  \"Debug\": true # remark\n}",
        expect![[r##"
        error conf.json:2:17: JSON has no comments; remove this, or write it as an entry named "#"
    "##]],
    );
}

#[test]
fn a_missing_comma_colon_quote_or_brace_is_pointed_at() {
    check(
        "{\n  \"Debug\": true\n  \"ReadOnly\": true\n}",
        expect![[r#"
        error conf.json:3:3: write a comma between two entries
    "#]],
    );
    check(
        "{\n  \"Debug\" true\n}",
        expect![[r#"
        error conf.json:2:11: write a colon between the key and its value
    "#]],
    );
    check(
        "{\n  Debug: true\n}",
        expect![[r#"
        error conf.json:2:3: write the key in double quotes
    "#]],
    );
    check(
        "{\n  \"Debug\": true\n",
        expect![[r#"
        error conf.json:3:1: the file ends too early; close every { [ and " that is open
    "#]],
    );
    check(
        "{\n  \"ListenAddress\": \":3000\n}",
        expect![[r#"
        error conf.json:2:25: a text ends on the line where it begins; close it with a double quote
    "#]],
    );
    check(
        "{\n  \"Debug\": yes\n}",
        expect![[r#"
        error conf.json:2:12: this is no JSON value; write a text in double quotes, a number, true, false, a [list] or an {object}
    "#]],
    );
}

#[test]
fn what_is_no_object_is_refused() {
    check(
        "",
        expect![[r#"
        error conf.json:1:1: the file is empty; write at least {}
    "#]],
    );
    check(
        "[1]",
        expect![[r#"
        error conf.json:1:1: the file must hold one JSON object; write { "Key": value, ... }
    "#]],
    );
    check(
        "null",
        expect![[r#"
        error conf.json:1:4: the file must hold one JSON object; write { "Key": value, ... }
    "#]],
    );
}

#[test]
fn errors_before_a_syntax_error_are_reported_too() {
    check(
        "{\n  \"Debug\": \"true\",\n  \"ReadOnly\": 1,,\n}",
        expect![[r#"
        error conf.json:2:12: Debug: write true without quotes
        error conf.json:3:15: ReadOnly: a number is not possible; write true or false, without quotes
        error conf.json:3:17: write the key in double quotes
    "#]],
    );
}

#[test]
fn what_follows_the_first_value_is_ignored() {
    check("{\"Debug\": true} and {so on", expect![""]);
}

#[test]
fn a_byte_order_mark_is_ignored() {
    assert!(loaded("\u{feff}{\"Debug\": true}").settings.debug);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    check(
        r#"{
  "RecoverMasterClusterFilter": ["*"],
  "raftnode": [],
  "MysqlTopologyUsr": "x",
  "CompletelyDifferent": 1,
  "StatusSimpleHealth": true,
  "maintenanceowner": "x"
}"#,
        expect![[r#"
            warning conf.json:2:3: RecoverMasterClusterFilter: unknown key, ignored; did you mean RecoverMasterClusterFilters?
            warning conf.json:3:3: raftnode: unknown key, ignored; did you mean RaftNodes?
            warning conf.json:4:3: MysqlTopologyUsr: unknown key, ignored; did you mean MySQLTopologyUser?
            warning conf.json:5:3: CompletelyDifferent: unknown key, ignored
            warning conf.json:6:3: StatusSimpleHealth: obsolete key, ignored: status is always simple
            warning conf.json:7:3: maintenanceowner: obsolete key, ignored: the owner is fixed
        "#]],
    );
}

#[test]
fn remarks_as_entries_are_tolerated_again_and_again() {
    check(r##"{"#": "one", "#": "two", "//": "three", "_comment": 4}"##, expect![""]);
}

#[test]
fn of_a_key_given_twice_the_last_value_counts() {
    check(
        "{\n \"Debug\": true,\n \"debug\": false\n}",
        expect![[r#"
            warning conf.json:3:2: Debug: the key is given again; the last value counts
        "#]],
    );
    assert!(!loaded("{\"Debug\": true, \"debug\": false}").settings.debug);
}

#[test]
fn a_later_file_overrides_key_by_key() {
    let sources = [
        source(
            "a.json",
            r#"{"Debug": true, "RaftNodes": ["a"], "ClusterNameToAlias": {"x": "1", "y": "2"}}"#,
        ),
        source(
            "b.json",
            r#"{"RaftNodes": ["b"], "ClusterNameToAlias": {"y": "3", "z": "4"}, "Debug": null}"#,
        ),
    ];
    let loaded = load_with(&sources, &[]).expect("both are valid");
    assert!(loaded.settings.debug, "null leaves a scalar as it was");
    assert_eq!(dumped(&loaded, "RaftNodes"), serde_json::json!(["b"]));
    assert_eq!(dumped(&loaded, "ClusterNameToAlias"), serde_json::json!({"x": "1", "y": "3", "z": "4"}));
}

#[test]
fn null_empties_lists_and_maps() {
    let loaded =
        loaded(r#"{"PowerAuthUsers": null, "ClusterNameToAlias": {"x": "y"}, "clusternametoalias": null}"#);
    assert_eq!(dumped(&loaded, "PowerAuthUsers"), serde_json::json!([]));
    assert_eq!(dumped(&loaded, "ClusterNameToAlias"), serde_json::json!({}));
}

#[test]
fn errors_of_several_files_are_reported_in_their_order() {
    let sources = [
        source("/etc/orchestrator.conf.json", "{\"Debug\": 1, \"WebMessage\": \"hi\"}"),
        source("conf/orchestrator.conf.json", "{\n\"ReadOnly\": \"no\", \"InstancePoolExpiryMinutes\": 7}"),
    ];
    expect![[r#"
        error /etc/orchestrator.conf.json:1:11: Debug: a number is not possible; write true or false, without quotes
        error conf/orchestrator.conf.json:2:13: ReadOnly: a text is not possible; write true or false, without quotes
        warning known keys without an effect in this version yet: WebMessage (/etc/orchestrator.conf.json:1), InstancePoolExpiryMinutes (conf/orchestrator.conf.json:2)
    "#]].assert_eq(&show(load_with(&sources, &[])));
}

#[test]
fn no_torn_file_is_taken_for_a_whole_one() {
    let sample = include_str!("realistic.conf.json").trim_end();
    for end in (0..sample.len()).filter(|&end| sample.is_char_boundary(end)) {
        assert!(load_text(&sample[..end]).is_err(), "the first {end} bytes");
    }
}

#[test]
fn columns_count_characters() {
    check(
        "\u{feff}{\"WebMessage\": \"äöü\", \"Debug\": 1, é}",
        expect![[r#"
        error conf.json:1:32: Debug: a number is not possible; write true or false, without quotes
        error conf.json:1:35: write the key in double quotes
        warning known keys without an effect in this version yet: WebMessage (line 1) of conf.json
    "#]],
    );
}
