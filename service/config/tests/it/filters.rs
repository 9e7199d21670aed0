//! Filters: which instances, which clusters.

use expect_test::expect;
use orchestrator_config::{ClusterFilter, InstanceFilter};

use crate::{loaded, messages};

fn instances(entries: &str) -> InstanceFilter {
    loaded(&format!("{{\"DiscoveryIgnoreHostnameFilters\": {entries}}}")).settings.discovery.ignore
}

fn clusters(entries: &str) -> ClusterFilter {
    loaded(&format!("{{\"RecoverMasterClusterFilters\": {entries}}}")).settings.recovery.primary_clusters
}

#[test]
fn an_address_is_the_exact_host_on_any_port() {
    let filter = instances(r#"["10.0.0.1", "fd00::1"]"#);
    assert!(filter.matches("10.0.0.1", 3306) && filter.matches("fd00::1", 1));
    assert!(!filter.matches("10.0.0.11", 3306));
}

#[test]
fn anything_else_is_a_pattern_on_host_and_port() {
    let filter = instances(r#"["^cdc-", ":3307$"]"#);
    assert!(filter.matches("cdc-1", 3306) && filter.matches("db", 3307));
    assert!(!filter.matches("my-cdc-1", 3306));
    assert!(!instances("[]").matches("db", 3306), "an empty list means nobody");
}

#[test]
fn a_cluster_is_meant_by_name_alias_or_pattern() {
    let matches = |entries: &str, name: &str, alias: &str| clusters(entries).matches(name, alias);
    assert!(matches(r#"["db[1]:3306"]"#, "db[1]:3306", ""), "its name, though no pattern would find it");
    assert!(matches(r#"["orders"]"#, "db:3306", "orders"));
    assert!(matches(r#"["alias=orders"]"#, "db:3306", "orders"));
    assert!(!matches(r#"["alias=orders"]"#, "db:3306", "orders2"));
    assert!(matches(r#"["alias~=^ord"]"#, "db:3306", "orders2"));
    assert!(matches(r#"["*"]"#, "db:3306", ""));
    assert!(matches(r#"["db"]"#, "my-db:3306", "x"));
    assert!(!matches(r#"["ord"]"#, "db:3306", "orders"), "a pattern is not looked for in the alias");
    assert!(matches(r#"[""]"#, "db:3306", "") && !matches(r#"[""]"#, "db:3306", "x"));
    assert!(!matches("[]", "db:3306", "x"));
}

#[test]
fn recovery_ignores_by_the_host_name_alone() {
    let ignore =
        loaded(r#"{"RecoveryIgnoreHostnameFilters": ["^staging$"]}"#).settings.detection.ignore_hosts;
    assert!(ignore.matches("staging") && !ignore.matches("staging:3306"));
}

#[test]
fn aliases_are_tried_in_the_order_of_the_file() {
    let settings = loaded(r#"{"ClusterNameToAlias": {"^z": "first", "z": "second"}}"#).settings;
    assert_eq!(settings.classification.cluster_aliases.alias_of("zz:1"), Some("first"));
    assert_eq!(settings.classification.cluster_aliases.alias_of("az:1"), Some("second"));
    assert_eq!(settings.classification.cluster_aliases.alias_of("b:1"), None);
}

#[test]
fn a_pattern_that_does_not_compile_is_named_and_matches_nothing() {
    let text = r#"{
  "RecoverMasterClusterFilters": ["(x", "alias~=[", "*x"],
  "DiscoveryIgnoreHostnameFilters": ["a{2,1}", ""],
  "DataCenterPattern": "no-group",
  "RejectHostnameResolvePattern": "\\"
}"#;
    expect![[r#"
        warning conf.json:2:3: RecoverMasterClusterFilters: the pattern "(x" matches nothing: unclosed group
        warning conf.json:2:3: RecoverMasterClusterFilters: the pattern "[" matches nothing: unclosed character class
        warning conf.json:2:3: RecoverMasterClusterFilters: the pattern "*x" matches nothing: repetition operator missing expression
        warning conf.json:3:3: DiscoveryIgnoreHostnameFilters: the pattern "a{2,1}" matches nothing: invalid repetition count range, the start must be <= the end
        warning conf.json:3:3: DiscoveryIgnoreHostnameFilters: an empty entry matches everything; remove it, or write "." if that is meant
        warning conf.json:4:3: DataCenterPattern: the pattern "no-group" is ignored: put what it shall find in one (group)
        warning conf.json:5:3: RejectHostnameResolvePattern: the pattern "\\" matches nothing: incomplete escape sequence, reached end of pattern prematurely
        warning known keys without an effect in this version yet: RejectHostnameResolvePattern (line 5) of conf.json
    "#]].assert_eq(&messages(text));
    let settings = loaded(text).settings;
    assert!(!settings.recovery.primary_clusters.matches("x", "["));
    assert!(settings.classification.data_center_pattern.is_none());
}
