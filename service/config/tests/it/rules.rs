//! The rules between keys, by their number in the configuration reference.

use std::time::Duration;

use expect_test::{Expect, expect};

use crate::{dumped, loaded, messages};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&messages(text));
}

// Rules 1 to 3 are in `credentials`.

#[test]
fn rule_4_minutes_count_where_seconds_are_zero_or_absent() {
    let period = |text| loaded(text).settings.recovery.block_period.as_secs();
    assert_eq!(period("{}"), 3600);
    assert_eq!(period(r#"{"RecoveryPeriodBlockMinutes": 10}"#), 600);
    assert_eq!(period(r#"{"RecoveryPeriodBlockMinutes": 10, "RecoveryPeriodBlockSeconds": 0}"#), 600);
    assert_eq!(period(r#"{"RecoveryPeriodBlockMinutes": 10, "RecoveryPeriodBlockSeconds": 30}"#), 30);
    assert_eq!(period(r#"{"RecoveryPeriodBlockMinutes": 0, "RecoveryPeriodBlockSeconds": 0}"#), 0);
}

#[test]
fn rule_5_the_old_lag_query_stands_in_for_the_new_one() {
    let loaded = loaded(r#"{"SlaveLagQuery": "select 1"}"#);
    assert_eq!(loaded.settings.classification.lag_query.as_deref(), Some("select 1"));
    assert_eq!(dumped(&loaded, "SlaveLagQuery"), "");
    check(
        r#"{"SlaveLagQuery": "select 1", "ReplicationLagQuery": "select 2"}"#,
        expect![[r#"
        error conf.json:1:2: SlaveLagQuery: contradicts ReplicationLagQuery, its newer name; write ReplicationLagQuery alone
    "#]],
    );
    check(r#"{"SlaveLagQuery": "select 1", "ReplicationLagQuery": "select 1"}"#, expect![""]);
}

#[test]
fn rule_6_an_explicit_new_name_wins_over_the_old_default() {
    let detach = |text| loaded(text).settings.recovery.detach_lost_replicas;
    assert!(detach("{}"));
    assert!(!detach(r#"{"DetachLostReplicasAfterMasterFailover": false}"#));
    assert!(!detach(r#"{"DetachLostSlavesAfterMasterFailover": false}"#));
    let both =
        r#"{"DetachLostReplicasAfterMasterFailover": true, "DetachLostSlavesAfterMasterFailover": false}"#;
    check(
        both,
        expect![[r#"
        error conf.json:1:49: DetachLostSlavesAfterMasterFailover: contradicts DetachLostReplicasAfterMasterFailover, its newer name; write DetachLostReplicasAfterMasterFailover alone
    "#]],
    );
}

#[test]
fn rule_7_the_old_name_switches_the_new_one_on() {
    assert!(loaded(r#"{"MasterFailoverDetachSlaveMasterHost": true}"#).settings.recovery.detach_promoted);
    assert!(!loaded("{}").settings.recovery.detach_promoted);
}

#[test]
fn rule_8_fail_and_delay_exclude_each_other() {
    check(
        r#"{"FailMasterPromotionIfSQLThreadNotUpToDate": true, "DelayMasterPromotionIfSQLThreadNotUpToDate": true}"#,
        expect![[r#"
            error conf.json:1:2: FailMasterPromotionIfSQLThreadNotUpToDate: cannot be true together with DelayMasterPromotionIfSQLThreadNotUpToDate; choose one
        "#]],
    );
}

#[test]
fn rule_9_a_lag_limit_needs_a_lag_query() {
    check(
        r#"{"FailMasterPromotionOnLagMinutes": 1}"#,
        expect![[r#"
        error conf.json:1:2: FailMasterPromotionOnLagMinutes: needs a measured lag; write ReplicationLagQuery as well
    "#]],
    );
    check(r#"{"FailMasterPromotionOnLagMinutes": 1, "SlaveLagQuery": "select 1"}"#, expect![""]);
}

#[test]
fn rule_10_the_old_postponed_lag_stands_in_for_the_new_one() {
    let settings = loaded(r#"{"PostponeSlaveRecoveryOnLagMinutes": 2}"#).settings;
    assert_eq!(settings.recovery.postpone_delay, Some(Duration::from_secs(120)));
    check(
        r#"{"PostponeSlaveRecoveryOnLagMinutes": 2, "PostponeReplicaRecoveryOnLagMinutes": 3}"#,
        expect![[r#"
            error conf.json:1:2: PostponeSlaveRecoveryOnLagMinutes: contradicts PostponeReplicaRecoveryOnLagMinutes, its newer name; write PostponeReplicaRecoveryOnLagMinutes alone
            warning known keys without an effect in this version yet: PostponeReplicaRecoveryOnLagMinutes (line 1), PostponeSlaveRecoveryOnLagMinutes (line 1) of conf.json
        "#]],
    );
}

#[test]
fn rule_11_the_prefix_has_one_slash_in_front() {
    let prefix = |text| loaded(text).settings.listen.url_prefix;
    assert_eq!(prefix(r#"{"URLPrefix": "//orc/x/"}"#), "/orc/x");
    assert_eq!(prefix(r#"{"URLPrefix": "/"}"#), "");
    assert_eq!(dumped(&loaded(r#"{"URLPrefix": "orc/"}"#), "URLPrefix"), "/orc");
}

#[test]
fn rule_12_sqlite_needs_a_file() {
    check(
        "{\n\"BackendDB\": \"sqlite\"}",
        expect![[r#"
        error conf.json:2:1: SQLite3DataFile: SQLite needs a file; write its path
    "#]],
    );
}

#[test]
fn rules_13_and_14_raft_needs_a_directory_and_an_address() {
    check(
        "{\n\"RaftEnabled\": true,\n\"RaftBind\": \"\"}",
        expect![[r#"
        error conf.json:2:1: RaftDataDir: raft needs a directory for its log; write one
        error conf.json:3:1: RaftBind: raft needs an address to listen on; write host or host:port
    "#]],
    );
}

#[test]
fn rule_15_the_bound_address_is_advertised() {
    let loaded = loaded(r#"{"RaftEnabled": true, "RaftDataDir": "/x", "RaftBind": "a"}"#);
    assert_eq!(dumped(&loaded, "RaftAdvertise"), "a");
    assert_eq!(loaded.settings.raft.expect("raft is on").advertise, "a:10008");
}

#[test]
fn rule_16_the_prefix_of_keys_ends_in_one_slash() {
    let prefix = |text| dumped(&loaded(text), "KVClusterMasterPrefix");
    assert_eq!(prefix("{}"), "mysql/master/");
    assert_eq!(prefix(r#"{"KVClusterMasterPrefix": "a/"}"#), "a/");
    assert_eq!(prefix(r#"{"KVClusterMasterPrefix": "/"}"#), "/");
}

#[test]
fn rule_17_automatic_pseudo_gtid_sets_its_keys() {
    let loaded = loaded(r#"{"AutoPseudoGTID": true}"#);
    assert_eq!(dumped(&loaded, "PseudoGTIDPattern"), "drop view if exists `_pseudo_gtid_`");
    assert_eq!(dumped(&loaded, "PseudoGTIDPatternIsFixedSubstring"), true);
    assert_eq!(dumped(&loaded, "PseudoGTIDMonotonicHint"), "asc:");
    assert_eq!(dumped(&loaded, "DetectPseudoGTIDQuery"), "select 1");
    check(
        r#"{"AutoPseudoGTID": true}"#,
        expect![[r#"
            warning conf.json:1:2: AutoPseudoGTID: Pseudo-GTID is not supported; match and regroup commands on it are unavailable
            warning obsolete keys, without any effect: AutoPseudoGTID (line 1) of conf.json
        "#]],
    );
}

#[test]
fn rule_18_the_advertised_url_has_scheme_host_and_port_only() {
    for bad in
        ["127.0.0.1:1234", "http://127.0.0.1", "http://h:1/x", "http://h:1/", "http://:1", "http://h:0"]
    {
        let shown = messages(&format!("{{\"HTTPAdvertise\": \"{bad}\"}}"));
        assert!(
            shown.starts_with("error conf.json:1:2: HTTPAdvertise: write scheme, host and port"),
            "{bad}: {shown}"
        );
    }
    check(
        r#"{"HTTPAdvertise": "http://h:1/x"}"#,
        expect![[r#"
        error conf.json:1:2: HTTPAdvertise: write scheme, host and port without a path: http://host:3000
    "#]],
    );
    for good in ["http://127.0.0.1:3000", "https://[::1]:3000", "http://orc-0.orc:80"] {
        assert_eq!(messages(&format!("{{\"HTTPAdvertise\": \"{good}\"}}")), "");
    }
}

#[test]
fn rule_19_a_buffer_without_size_is_off() {
    let loaded = loaded(r#"{"InstanceWriteBufferSize": 0, "BufferInstanceWrites": true}"#);
    assert_eq!(dumped(&loaded, "BufferInstanceWrites"), false);
}

#[test]
fn rule_20_the_size_of_transactions_is_clamped() {
    let max = |count: i32| {
        dumped(&loaded(&format!("{{\"ConsulMaxKVsPerTransaction\": {count}}}")), "ConsulMaxKVsPerTransaction")
    };
    assert_eq!([max(1), max(7), max(99)], [5, 7, 64]);
}

#[test]
fn rule_21_the_locked_primary_waits_as_long_as_lag_is_reasonable() {
    let settings = loaded(r#"{"ReasonableReplicationLagSeconds": 7}"#).settings;
    assert_eq!(settings.detection.locked_semi_sync_after, Duration::from_secs(7));
}

#[test]
fn rules_22_and_23_the_back_off_grows_from_the_poll_interval() {
    check(
        r#"{"DeadInstancePollSecondsMultiplyFactor": 0.5, "DeadInstancePollSecondsMax": 4}"#,
        expect![[r#"
        error conf.json:1:2: DeadInstancePollSecondsMultiplyFactor: the delay must not shrink; write 1 or more
        error conf.json:1:48: DeadInstancePollSecondsMax: is shorter than InstancePollSeconds; write 5 or more
    "#]],
    );
    check(
        r#"{"InstancePollSeconds": 301}"#,
        expect![[r#"
        error conf.json:1:2: DeadInstancePollSecondsMax: is shorter than InstancePollSeconds; write 301 or more
    "#]],
    );
}
