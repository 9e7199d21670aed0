//! What a reload changes.

use crate::loaded;

#[test]
fn changes_are_sorted_by_whether_they_need_a_restart() {
    let old = loaded(r#"{"MySQLTopologyPassword": "a", "RaftBind": "a", "InstancePollSeconds": 5}"#).file;
    let new = loaded(
        r#"{"MySQLTopologyPassword": "b", "RaftBind": "b", "InstancePollSeconds": 6, "OAuthClientId": "x"}"#,
    )
    .file;
    let changes = old.changes(&new);
    assert_eq!(changes.live, ["MySQLTopologyPassword"]);
    assert_eq!(changes.restart, ["RaftBind", "RaftAdvertise", "InstancePollSeconds"]);
}

#[test]
fn a_key_that_leaves_the_file_returns_to_its_default() {
    let old = loaded(r#"{"ReadOnly": true, "ClusterNameToAlias": {"a": "b"}}"#).file;
    assert_eq!(old.changes(&loaded("{}").file).live, ["ReadOnly", "ClusterNameToAlias"]);
}

#[test]
fn moving_a_key_in_the_file_changes_nothing() {
    let old = loaded(r#"{"ReadOnly": true, "Debug": true}"#).file;
    let new = loaded("{\n\"debug\": true,\n\"readonly\": true}").file;
    assert_eq!(old.changes(&new), Default::default());
}
