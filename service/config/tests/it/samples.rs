//! Files as users have them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use expect_test::expect;
use orchestrator_config::{BackendSettings, BehindPolicy, HttpAuth, InstanceNaming, Plan, TlsMode};

use crate::{load_with, loaded, messages};

const MINIMAL: &str = include_str!("minimal.conf.json");
const REALISTIC: &str = include_str!("realistic.conf.json");

#[test]
fn the_minimal_sample_is_a_raft_group_of_three_on_sqlite() {
    let loaded = loaded(MINIMAL);
    assert_eq!(loaded.warnings, []);
    let settings = loaded.settings;
    assert_eq!(
        settings.backend,
        BackendSettings::Sqlite { file: PathBuf::from("/var/lib/orchestrator/backend.sqlite3") }
    );
    let raft = settings.raft.expect("raft is on");
    assert_eq!(raft.advertise, "orc-0.orc.example.net:10008");
    assert_eq!(raft.nodes.len(), 3);
    assert_eq!(raft.http_advertise, "http://orc-0.orc.example.net:3000");
    let everywhere: [SocketAddr; 2] = [([0u16; 8], 10008).into(), ([0u8; 4], 10008).into()];
    assert_eq!(raft.listen, everywhere, "a name is not an address to listen on");
    assert_eq!(settings.topology.user, "orc");
    assert_eq!(settings.topology.password.reveal(), "s3cret");
    assert!(settings.recovery.primary_clusters.is_empty(), "nothing is recovered unless asked for");
}

#[test]
fn the_realistic_sample_loads_and_says_what_has_no_effect_yet() {
    expect![[r#"
        warning conf.json:87:3: ConsulAddress: this version does not publish primaries there; let a hook do it
        warning known keys without an effect in this version yet: WebMessage (line 7), RemoveTextFromHostnameDisplay (line 8), ReplicationCredentialsQuery (line 37), DeadInstanceDiscoveryMaxConcurrency (line 41), SnapshotTopologiesIntervalHours (line 48), RecoverIntermediateMasterClusterFilters (line 68), RecoverLockedSemiSyncMaster (line 75), PreGracefulTakeoverProcesses (line 80), PostGracefulTakeoverProcesses (line 84), ConsulAddress (line 87), ConsulAclToken (line 88), ConsulKVStoreProvider (line 89) of conf.json
    "#]]
    .assert_eq(&messages(REALISTIC));
}

#[test]
fn the_realistic_sample_reaches_every_component() {
    let settings = loaded(REALISTIC).settings;
    assert!(matches!(settings.auth, HttpAuth::Multi { ref user, .. } if user == "dba"));
    let raft = settings.raft.expect("raft is on");
    assert_eq!(raft.http_advertise, "http://orc-1.orc-headless.dba.svc.cluster.local:3000");
    assert_eq!(settings.topology.tls_mode, TlsMode::WhereRequired);
    assert_eq!(settings.topology.connect_timeout, Duration::from_secs(1));
    assert_eq!(settings.topology.password.reveal(), "s3cret");
    assert_eq!(settings.discovery.dead_poll_factor, 1.5);
    assert_eq!(settings.discovery.initial_instances[1], ("users-0.mysql.prod.example.net".to_owned(), 3306));
    assert_eq!(settings.discovery.instance_naming, InstanceNaming::ReportHost);
    assert_eq!(settings.discovery.forget_after, Duration::from_secs(72 * 3600));
    let region = settings.classification.region_pattern.expect("a pattern with a group");
    assert_eq!(region.capture("orders-0.eu-west-1.example.net"), Some("eu-west-1"));
    assert_eq!(settings.detection.block_period, Duration::from_secs(1800));
    assert_eq!(settings.detection.locked_semi_sync_after, Duration::from_secs(15));
    assert!(settings.detection.quorum, "on unless turned off");
    assert!(settings.recovery.primary_clusters.matches("x:3306", "orders"));
    assert!(!settings.recovery.primary_clusters.matches("x:3306", "billing"));
    assert_eq!(settings.recovery.behind, BehindPolicy::Wait);
    assert_eq!(settings.recovery.promotion_lag_max, Some(Duration::from_secs(300)));
    assert!(settings.recovery.detach_lost_replicas);
    assert_eq!(settings.hooks.shell_command, "sh");
    assert!(settings.audit.to_backend);
}

#[test]
fn no_file_at_all_gives_the_defaults_without_a_word() {
    let loaded = load_with(&[], &[]).expect("the defaults are valid");
    assert_eq!(loaded.warnings, []);
    assert!(loaded.settings.raft.is_none());
    assert_eq!(loaded.settings.listen.address, ":3000");
    assert!(matches!(loaded.settings.backend, BackendSettings::Mysql(_)));
}

#[test]
fn keys_of_the_mysql_backend_are_not_mentioned_beside_sqlite() {
    let text = r#"{
        "BackendDB": "sqlite3", "SQLite3DataFile": "/tmp/x", "MySQLOrchestratorHost": "127.0.0.1",
        "MySQLOrchestratorCredentialsConfigFile": "/absent.cnf", "MySQLOrchestratorPassword": "${ABSENT}"
    }"#;
    assert_eq!(messages(text), "");
}

#[test]
fn secrets_are_neither_dumped_nor_printed() {
    let loaded = loaded(
        r#"{
        "MySQLTopologyPassword": "hidden-1", "HTTPAuthPassword": "hidden-2", "ConsulAclToken": "hidden-3",
        "MySQLOrchestratorPassword": "hidden-4", "OAuthClientSecret": "hidden-5",
        "AuthenticationMethod": "basic", "HTTPAuthUser": "u"
    }"#,
    );
    let shown = format!("{}{loaded:?}{:?}", loaded.file.dump(), loaded.warnings);
    assert!(!shown.contains("hidden"), "{shown}");
    assert!(loaded.file.dump().contains(r#""MySQLTopologyPassword":"***""#));
}

#[test]
fn the_plan_of_a_key_is_part_of_the_table() {
    let count = |plan| orchestrator_config::KEYS.iter().filter(|key| key.plan == plan).count();
    let counts = [Plan::Now, Plan::Later, Plan::Mysql, Plan::Obsolete].map(count);
    expect!["[122, 42, 15, 38]"].assert_eq(&format!("{counts:?}"));
}

#[test]
fn what_somebody_relies_on_in_vain_gets_a_sentence_of_its_own() {
    expect![[r#"
        warning conf.json:2:3: ConsulAddress: this version does not publish primaries there; let a hook do it
        warning conf.json:3:3: ZkAddress: this version does not publish primaries there; let a hook do it
        warning conf.json:4:3: ServeAgentsHttp: agents are no longer served
        warning conf.json:5:3: PseudoGTIDPattern: Pseudo-GTID is not supported; match and regroup commands on it are unavailable
        warning conf.json:6:3: MySQLConnectTimeoutSeconds: there is always a deadline; 0 means 600 seconds
        warning known keys without an effect in this version yet: ConsulAddress (line 2), ZkAddress (line 3) of conf.json
        warning obsolete keys, without any effect: PseudoGTIDPattern (line 5), ServeAgentsHttp (line 4) of conf.json
    "#]].assert_eq(&messages(
        r#"{
  "ConsulAddress": "127.0.0.1:8500",
  "ZkAddress": "zk1,zk2",
  "ServeAgentsHttp": true,
  "PseudoGTIDPattern": "x",
  "MySQLConnectTimeoutSeconds": 0
}"#,
    ));
}

#[test]
fn who_asks_for_an_encrypted_api_must_name_what_it_needs() {
    expect![[r#"
        error conf.json:2:2: SSLCertFile: UseSSL needs a certificate; write the path of a PEM file
        error conf.json:2:2: SSLPrivateKeyFile: UseSSL needs a private key; write the path of a PEM file
        error conf.json:3:2: SSLCertFile: UseMutualTLS needs a certificate; write the path of a PEM file
        error conf.json:3:2: SSLPrivateKeyFile: UseMutualTLS needs a private key; write the path of a PEM file
    "#]]
    .assert_eq(&messages("{\n \"UseSSL\": true,\n \"UseMutualTLS\": true\n}"));
    expect![""].assert_eq(&messages("{\"UseSSL\": false, \"UseMutualTLS\": false}"));
}
