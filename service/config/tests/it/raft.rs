//! The members of the raft group: distinct, named, this node among them.

use std::path::PathBuf;
use std::time::Duration;

use expect_test::{Expect, expect};
use orchestrator_config::{Bootstrap, MembershipSource, RaftSettings};

use crate::{loaded, messages};

fn file(keys: &str) -> String {
    format!("{{\"RaftEnabled\": true, \"RaftDataDir\": \"/x\",\n{keys}}}")
}

fn raft(keys: &str) -> RaftSettings {
    loaded(&file(keys)).settings.raft.expect("raft is on")
}

fn check(keys: &str, expected: Expect) {
    expected.assert_eq(&messages(&file(keys)));
}

#[test]
fn addresses_get_the_port_and_lower_case_and_stay_names() {
    let raft = raft(
        r#""RaftBind": "Orc-0.Example.NET", "RaftNodes": ["orc-0.example.net", "b:1", "::1", "[fd00::2]:9"]"#,
    );
    assert_eq!(raft.advertise, "orc-0.example.net:10008");
    assert_eq!(raft.nodes, ["orc-0.example.net:10008", "b:1", "[::1]:10008", "[fd00::2]:9"]);
}

#[test]
fn a_node_without_others_is_a_group_of_one() {
    let raft = raft(r#""RaftBind": "127.0.0.1:10108""#);
    assert_eq!(raft.nodes, ["127.0.0.1:10108"]);
    assert_eq!(raft.listen, ["127.0.0.1:10108".parse().expect("an address")]);
}

#[test]
fn the_url_of_the_leader_is_that_of_the_advertised_host() {
    let url = |keys| raft(keys).http_advertise;
    assert_eq!(url(r#""RaftBind": "a", "ListenAddress": "0.0.0.0:3001""#), "http://a:3001");
    assert_eq!(url(r#""RaftBind": "[::1]:1""#), "http://[::1]:3000");
    assert_eq!(url(r#""RaftBind": "a", "HTTPAdvertise": "http://b:1""#), "http://b:1");
}

#[test]
fn members_are_distinct_after_the_port_is_added() {
    check(
        r#""RaftBind": "a", "RaftNodes": ["a", "A:10008", "b"]"#,
        expect![[r#"
        error conf.json:2:18: RaftNodes: a:10008 is named twice; write each member once
    "#]],
    );
}

#[test]
fn this_node_is_one_of_the_members() {
    check(
        r#""RaftBind": "0.0.0.0", "RaftAdvertise": "d", "RaftNodes": ["a", "b", "c"]"#,
        expect![[r#"
        error conf.json:2:46: RaftNodes: this node is d:10008, which is not among a:10008, b:10008, c:10008; add it, or write one of them in RaftAdvertise
    "#]],
    );
    check(
        r#""RaftNodes": ["a", "b", "c"]"#,
        expect![[r#"
        error conf.json:2:1: RaftNodes: this node is 127.0.0.1:10008, which is not among a:10008, b:10008, c:10008; add it, or write one of them in RaftAdvertise
    "#]],
    );
}

#[test]
fn a_node_that_peers_know_by_the_bound_address_uses_that() {
    let keys = r#""RaftBind": "a", "RaftAdvertise": "10.0.0.1", "RaftNodes": ["a", "b", "c"]"#;
    check(
        keys,
        expect![[r#"
        warning conf.json:2:18: RaftAdvertise: 10.0.0.1:10008 is not in RaftNodes, a:10008 is: peers know this node by it
    "#]],
    );
    assert_eq!(raft(keys).advertise, "a:10008");
}

#[test]
fn a_wildcard_is_no_address_to_advertise() {
    check(
        r#""RaftBind": "0.0.0.0:10008""#,
        expect![[r#"
        error conf.json:2:1: RaftBind: peers cannot reach a wildcard address; write this node's own in RaftAdvertise
    "#]],
    );
    check(
        r#""RaftBind": "0.0.0.0:10008", "RaftNodes": ["a", "b", "c"]"#,
        expect![[r#"
        error conf.json:2:1: RaftBind: peers cannot reach a wildcard address; write this node's own in RaftAdvertise
    "#]],
    );
    assert_eq!(
        raft(r#""RaftBind": "0.0.0.0", "RaftAdvertise": "a", "RaftNodes": ["a"]"#).advertise,
        "a:10008"
    );
}

#[test]
fn malformed_addresses_are_all_reported() {
    check(
        r#""RaftBind": "a:b", "RaftAdvertise": "http://a", "RaftNodes": ["a b", "a:70000", "[::1", "", "a:1:2"], "DefaultRaftPort": -1"#,
        expect![[r#"
            error conf.json:2:1: RaftBind: "a:b" has no valid port; write host:port, a port from 1 to 65535
            error conf.json:2:20: RaftAdvertise: "http://a" has no valid port; write host:port, a port from 1 to 65535
            error conf.json:2:49: RaftNodes: "a b" is no host; write a host name or an IP address, and :port if needed
            error conf.json:2:49: RaftNodes: "a:70000" has no valid port; write host:port, a port from 1 to 65535
            error conf.json:2:49: RaftNodes: "[::1" is no address; write [v6]:port
            error conf.json:2:49: RaftNodes: "" is no host; write a host name or an IP address, and :port if needed
            error conf.json:2:49: RaftNodes: "a:1:2" has no valid port; write host:port, a port from 1 to 65535
            error conf.json:2:103: DefaultRaftPort: is no port; write a number from 0 to 65535
        "#]],
    );
    check(
        r#""RaftBind": "a", "DefaultRaftPort": 0"#,
        expect![[r#"
        error conf.json:2:1: RaftBind: "a" has no port; write host:port
    "#]],
    );
}

#[test]
fn a_node_that_serves_a_socket_needs_a_url_for_its_peers() {
    check(
        r#""RaftBind": "a", "ListenSocket": "/run/orc.sock", "ListenAddress": """#,
        expect![[r#"
        error conf.json:2:18: HTTPAdvertise: peers need a URL; write http://host:port
    "#]],
    );
}

#[test]
fn without_raft_its_keys_are_not_checked() {
    assert_eq!(messages(r#"{"RaftBind": "a:b", "RaftNodes": ["x", "x"], "DefaultRaftPort": -1}"#), "");
}

#[test]
fn tls_between_nodes_takes_three_files_or_none() {
    assert_eq!(raft(r#""RaftBind": "a""#).tls, None);
    let all =
        r#""RaftBind": "a", "RaftTLSCertFile": "/c", "RaftTLSPrivateKeyFile": "/k", "RaftTLSCAFile": "/a""#;
    let tls = raft(all).tls.expect("all three are there");
    assert_eq!([tls.certificate, tls.private_key, tls.authority], ["/c", "/k", "/a"].map(PathBuf::from));
    check(
        r#""RaftBind": "a", "RaftTLSCertFile": "/c""#,
        expect![[r#"
            error conf.json:2:18: RaftTLSPrivateKeyFile: is empty: TLS between nodes takes RaftTLSCertFile, RaftTLSPrivateKeyFile and RaftTLSCAFile
            error conf.json:2:18: RaftTLSCAFile: is empty: TLS between nodes takes RaftTLSCertFile, RaftTLSPrivateKeyFile and RaftTLSCAFile
        "#]],
    );
}

#[test]
fn who_decides_on_members_is_one_of_two_words_each() {
    let raft = raft(r#""RaftBind": "a", "RaftBootstrap": "external", "RaftMembershipSource": "api""#);
    assert_eq!((raft.bootstrap, raft.membership_source), (Bootstrap::External, MembershipSource::Api));
    check(
        r#""RaftBind": "a", "RaftBootstrap": "no", "RaftMembershipSource": "no""#,
        expect![[r#"
            error conf.json:2:18: RaftBootstrap: "no" is not known; write auto or external
            error conf.json:2:41: RaftMembershipSource: "no" is not known; write config or api
        "#]],
    );
}

#[test]
fn a_node_waits_for_its_group_for_ever_unless_told_otherwise() {
    assert_eq!(raft(r#""RaftBind": "a""#).join_timeout, None);
    let raft = raft(r#""RaftBind": "a", "RaftJoinTimeoutSeconds": 90"#);
    assert_eq!(raft.join_timeout, Some(Duration::from_secs(90)));
}

#[test]
fn addresses_of_calls_get_the_default_port() {
    let raft = raft(r#""RaftBind": "a:1", "DefaultRaftPort": 7000"#);
    assert_eq!(raft.address("Node-4").as_deref(), Ok("node-4:7000"));
    assert_eq!(raft.address("::1").as_deref(), Ok("[::1]:7000"));
    assert_eq!(raft.address("b:9").as_deref(), Ok("b:9"));
    assert!(raft.address("a b").is_err_and(|text| text.contains("is no host")));
}
