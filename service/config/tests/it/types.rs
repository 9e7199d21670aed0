//! Values of the wrong type: strict, each with its line and what to write.

use expect_test::expect;

use crate::{loaded, messages};

#[test]
fn every_wrong_type_is_reported_at_once_with_line_and_advice() {
    expect![[r#"
        error conf.json:2:12: Debug: write true without quotes
        error conf.json:3:15: ReadOnly: a number is not possible; write true or false, without quotes
        error conf.json:4:13: UseSSL: a text is not possible; write true or false, without quotes
        error conf.json:5:20: ListenAddress: write it in double quotes: "3000"
        error conf.json:6:16: URLPrefix: a list is not possible; write a text in double quotes
        error conf.json:7:26: InstancePollSeconds: a text is not possible; write a whole number from 0, without quotes
        error conf.json:8:30: DiscoveryMaxConcurrency: -1 is not possible; write a whole number from 0
        error conf.json:9:38: ReasonableReplicationLagSeconds: 1.5 is not possible; write a whole number
        error conf.json:10:32: UnseenInstanceForgetHours: 1e3 is not possible; write a whole number from 0
        error conf.json:11:37: MaxConcurrentReplicaOperations: 99999999999999999999 is too large; write a smaller one
        error conf.json:12:36: MySQLTopologyMaxAllowedPacket: 2147483648 is too large; write a smaller one
        error conf.json:13:44: DeadInstancePollSecondsMultiplyFactor: a text is not possible; write a number, without quotes
        error conf.json:14:28: MySQLTopologyPassword: a number is not possible; write it in quotes
        error conf.json:15:16: RaftNodes: write a list: ["a:10008"]
        error conf.json:18:5: DiscoverySeeds: entry 2: write it in double quotes: "3306"
        error conf.json:19:5: DiscoverySeeds: entry 3: null is not possible; write a text in double quotes
        error conf.json:23:10: ClusterNameToAlias: write it in double quotes: "1"
        error conf.json:25:19: HTTPAuthUser: the text holds an invalid \u escape; write the character itself
    "#]].assert_eq(&messages(
        r#"{
  "Debug": "true",
  "ReadOnly": 1,
  "UseSSL": "yes",
  "ListenAddress": 3000,
  "URLPrefix": ["x"],
  "InstancePollSeconds": "5",
  "DiscoveryMaxConcurrency": -1,
  "ReasonableReplicationLagSeconds": 1.5,
  "UnseenInstanceForgetHours": 1e3,
  "MaxConcurrentReplicaOperations": 99999999999999999999,
  "MySQLTopologyMaxAllowedPacket": 2147483648,
  "DeadInstancePollSecondsMultiplyFactor": "1.5",
  "MySQLTopologyPassword": 123456,
  "RaftNodes": "a:10008",
  "DiscoverySeeds": [
    "a:3306",
    3306,
    null
  ],
  "ClusterNameToAlias": {
    "a": "b",
    "c": 1
  },
  "HTTPAuthUser": "\ud800"
}"#,
    ));
}

#[test]
fn a_float_may_be_written_as_a_whole_number() {
    assert_eq!(
        loaded(r#"{"DeadInstancePollSecondsMultiplyFactor": 2}"#).settings.discovery.dead_poll_factor,
        2.0
    );
    expect![[r#"
        error conf.json:1:43: DeadInstancePollSecondsMultiplyFactor: 1e39 is too large; write a number below 3e38
    "#]].assert_eq(&messages(r#"{"DeadInstancePollSecondsMultiplyFactor": 1e39}"#));
}

#[test]
fn values_out_of_range_are_reported_with_what_is_possible() {
    expect![[r#"
        error conf.json:2:3: InstancePollSeconds: cannot be 0; write 1 or more
        error conf.json:3:3: DiscoveryMaxConcurrency: write a number from 1 to 100000
        error conf.json:4:3: MaxConcurrentReplicaOperations: write a number from 1 to 100000
        error conf.json:5:3: DefaultInstancePort: is no port; write a number from 1 to 65535
        error conf.json:6:3: ReasonableReplicationLagSeconds: a time cannot be negative; write 0 or more
        error conf.json:7:3: UnseenInstanceForgetHours: 18446744073709551615 hours are more than a hundred years; write less
        error conf.json:9:3: PrimaryPulseMilliseconds: write 10 or more
        error conf.json:10:3: PrimaryPulseTimeoutMilliseconds: is shorter than PrimaryPulseMilliseconds; write 1 or more
        error conf.json:11:3: ListenAddress: "3000" has no port; write :port, host:port or [v6]:port
        error conf.json:12:3: StatusEndpoint: write a path that begins with /
        error conf.json:13:3: AuditPurgeDays: 100000 days are more than a hundred years; write less
        warning conf.json:8:3: MySQLConnectTimeoutSeconds: there is always a deadline; 0 means 600 seconds
    "#]].assert_eq(&messages(
        r#"{
  "InstancePollSeconds": 0,
  "DiscoveryMaxConcurrency": 0,
  "MaxConcurrentReplicaOperations": 0,
  "DefaultInstancePort": 70000,
  "ReasonableReplicationLagSeconds": -1,
  "UnseenInstanceForgetHours": 18446744073709551615,
  "MySQLConnectTimeoutSeconds": 0,
  "PrimaryPulseMilliseconds": 1,
  "PrimaryPulseTimeoutMilliseconds": 0,
  "ListenAddress": "3000",
  "StatusEndpoint": "status",
  "AuditPurgeDays": 100000
}"#,
    ));
}

#[test]
fn words_that_are_none_are_reported_with_those_that_are() {
    expect![[r#"
        error conf.json:2:3: AuthenticationMethod: "basci" is no method; did you mean basic?
        error conf.json:3:3: BackendDB: "postgres" is no backend; write sqlite or mysql
        warning conf.json:4:3: PrependMessagesWithOrcIdentity: "name" is not known and means none; write FQDN, hostname or custom
    "#]].assert_eq(&messages(
        r#"{
  "AuthenticationMethod": "basci",
  "BackendDB": "postgres",
  "PrependMessagesWithOrcIdentity": "name"
}"#,
    ));
    expect![[r#"
        error conf.json:1:2: AuthenticationMethod: oauth was never implemented; write basic, multi, proxy or token
        error conf.json:1:35: BackendDB: "mysqld" is no backend; did you mean mysql?
    "#]].assert_eq(&messages(r#"{"AuthenticationMethod": "oauth", "BackendDB": "mysqld"}"#));
    expect![[r#"
        error conf.json:1:2: AuthenticationMethod: needs a user; write HTTPAuthUser
    "#]]
    .assert_eq(&messages(r#"{"AuthenticationMethod": "Multi"}"#));
    expect![[r#"
        error conf.json:1:35: SSLCertFile: UseSSL needs a certificate; write the path of a PEM file
        error conf.json:1:35: SSLPrivateKeyFile: UseSSL needs a private key; write the path of a PEM file
        warning conf.json:1:2: AuthenticationMethod: the user is empty; write HTTPAuthUser
    "#]]
    .assert_eq(&messages(r#"{"AuthenticationMethod": "basic", "UseSSL": true}"#));
}
