//! Every command against the path it calls and the lines it prints.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect, expect_file};

use super::*;
use crate::answer::Answer;
use crate::invocation::{Invocation, Screen};
use crate::options;
use crate::settings::Settings;
use crate::template;
use crate::transport::Limits;

/// All options, with values that need encoding wherever a value may.
const ALL: &str = "-i db1:3307|-d db2|-a a/b c|-o ada|-r disk #1/2 ñ|-u 2h|-R prefer|-t k=v&x|-l p 1|-H node/1|-n \
                   mysql-bin.000012|-q stop slave; x=1|-S 60|-P /audit?x=1&y=a b";

fn settings(line: &str, environment: &[(&str, &str)]) -> Settings {
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let invocation = Invocation {
        program: "orchestrator-client".to_owned(),
        process_id: 1,
        arguments: line.split('|').flat_map(option_and_value).collect(),
        environment,
        user: "grace".to_owned(),
        limits: Limits::default(),
        screen: Screen::default(),
    };
    Settings::new(&options::parse(&invocation.arguments), &invocation).unwrap()
}

fn option_and_value(text: &str) -> Vec<String> {
    text.splitn(2, ' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn path_of(name: &str, settings: &Settings) -> String {
    match find(name.to_owned()).map(|command| command.action) {
        Ok(Action::Get { path, at, .. }) => {
            let at = if matches!(at, At::Leader) { "  (at the leader)" } else { "" };
            template::fill(path, settings).map_or_else(|failure| failure.to_string(), |path| path + at)
        }
        Ok(Action::Help | Action::WhichApi | Action::Watch) => "-".to_owned(),
        Err(failure) => failure.to_string(),
    }
}

fn all() -> impl Iterator<Item = &'static Command> {
    SECTIONS.iter().flat_map(|section| section.commands)
}

fn paths_with(line: &str) -> String {
    let settings = settings(line, &[]);
    let mut names: Vec<&str> = all().map(|command| command.name).collect();
    names.sort_unstable();
    names.iter().map(|name| format!("{name:<40} {}\n", path_of(name, &settings))).collect()
}

#[test]
fn every_command_calls_its_path() {
    expect_file!["golden/paths.txt"].assert_eq(&paths_with(ALL));
}

#[test]
fn every_command_calls_its_path_with_an_instance_alone() {
    expect_file!["golden/paths_with_an_instance_alone.txt"].assert_eq(&paths_with("-i db1"));
}

#[test]
fn every_command_says_what_it_needs() {
    expect_file!["golden/needs.txt"].assert_eq(&paths_with("-o "));
}

/// Commands that the original's client does not have.
const OURS: [&str; 5] = ["raft-add-peer", "raft-peers", "raft-remove-peer", "raft-status", "raft-watch"];

#[test]
fn all_names_of_the_original_are_here_once() {
    let names: BTreeSet<&str> = all().map(|command| command.name).collect();
    assert_eq!((names.len(), all().count()), (106 + OURS.len(), 106 + OURS.len()));
    assert!(OURS.iter().all(|name| names.contains(name)));
}

#[test]
fn the_first_slave_of_a_name_is_a_replica() {
    let command = |name: &str| settings(&format!("-c {name}"), &[]).command().unwrap();
    assert_eq!(command("stop-slave"), "stop-replica");
    assert_eq!(command("relocate-slaves"), "relocate-replicas");
    assert_eq!(command("enslave-slaves"), "enreplica-slaves");
}

fn check_path(name: &str, line: &str, environment: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&path_of(name, &settings(line, environment)));
}

#[test]
fn the_environment_names_an_instance_but_narrows_no_list() {
    let environment = [("ORCHESTRATOR_INSTANCE", "db7:3307")];
    check_path("stop-replica", "", &environment, expect!["stop-replica/db7/3307"]);
    check_path("topology", "", &environment, expect!["topology/db7:3307"]);
    check_path("downtimed", "", &environment, expect!["downtimed"]);
    check_path("downtimed", "-i db1", &environment, expect!["downtimed/db1"]);
    check_path("tagged", "-t a", &environment, expect!["tagged?tag=a"]);
}

#[test]
fn a_cluster_is_named_by_its_alias_before_an_instance() {
    check_path("topology", "-i db1|-a orders", &[], expect!["topology/orders"]);
    check_path("topology", "", &[], expect!["instance|alias must be provided"]);
}

#[test]
fn the_owner_is_the_user_unless_told() {
    check_path("begin-downtime", "-i db1|-r x", &[], expect!["begin-downtime/db1/3306/grace/x/10m"]);
    check_path("begin-downtime", "-i db1|-r x|-o ada", &[], expect!["begin-downtime/db1/3306/ada/x/10m"]);
}

#[test]
fn ipv6_and_the_default_port_work() {
    check_path(
        "relocate",
        "-i [fe80::1]:3307|-d fe80::2|-D 33",
        &[],
        expect!["relocate/fe80::1/3307/fe80::2/33"],
    );
    check_path("relocate", "-i db1:|-d db2", &[], expect!["Invalid instance: db1:"]);
}

/// Runs the output of a command on an answer; `!` marks a shape that cannot be shown.
fn check_output(name: &str, answer: &str, expected: Expect) {
    let Ok(Command { action: Action::Get { show, .. }, .. }) = find(name.to_owned()) else {
        panic!("{name}")
    };
    let answer = Answer::parse(answer.to_owned()).unwrap();
    let shown = show(&answer).map(|lines| lines.join("\n")).unwrap_or_else(|failure| match failure {
        Failure::Shape(mismatch) => format!("! {mismatch}"),
        other => format!("! {other}"),
    });
    expected.assert_eq(&shown);
}

const DB1: &str = r#"{"Key":{"Hostname":"db1","Port":3306},"MasterKey":{"Hostname":"db0","Port":3307},
    "ClusterName":"db0:3307","DataCenter":"dc1","GtidErrant":"","LastSQLError":"","LastIOError":"gone",
    "ReplicationSQLThreadRuning":true,"ReplicationIOThreadRuning":false,
    "ReplicationSQLThreadState":1,"ReplicationIOThreadState":0}"#;
const DB2: &str = r#"{"Key":{"Hostname":"db2","Port":3306},"MasterKey":{"Hostname":"","Port":0},
    "ClusterName":"db2:3306","DataCenter":"dc2","GtidErrant":"u:1-3","LastSQLError":"","LastIOError":"",
    "ReplicationSQLThreadRuning":true,"ReplicationIOThreadRuning":true,
    "ReplicationSQLThreadState":1,"ReplicationIOThreadState":1}"#;

fn list() -> String {
    format!("[{DB1},{DB2}]")
}

fn enveloped(details: &str) -> String {
    format!(r#"{{"Code":"OK","Message":"","Details":{details}}}"#)
}

#[test]
fn instances_print_as_host_and_port() {
    check_output("instance", DB1, expect!["db1:3306"]);
    check_output("which-master", DB1, expect!["db0:3307"]);
    check_output("which-master", DB2, expect![":0"]);
    check_output("which-cluster-master", DB2, expect!["db2:3306"]);
    check_output("all-instances", &list(), expect!["db1:3306\ndb2:3306"]);
    check_output("all-instances", "[]", expect![""]);
    check_output("all-clusters-masters", "null", expect!["! cannot list the elements of null"]);
    check_output("discover", &enveloped(DB1), expect!["db1:3306"]);
    check_output("discover", &enveloped("null"), expect![":null"]);
    check_output("relocate", &enveloped(DB1), expect!["db1:3306<db0:3307"]);
    check_output("relocate-replicas", &enveloped(&list()), expect!["db1:3306\ndb2:3306"]);
    check_output("begin-downtime", &enveloped(r#"{"Hostname":"db1","Port":3306}"#), expect!["db1:3306"]);
    check_output("untag", &enveloped(r#"[{"Hostname":"db1","Port":3306}]"#), expect!["db1:3306"]);
    check_output("tagged", r#"[{"Hostname":"db1","Port":3306}]"#, expect!["db1:3306"]);
}

#[test]
fn replicas_are_filtered_by_their_threads() {
    check_output("which-broken-replicas", &list(), expect!["db1:3306"]);
    check_output("which-cluster-osc-running-replicas", &list(), expect!["db2:3306"]);
    check_output("is-replicating", DB1, expect![""]);
    check_output("is-replicating", DB2, expect!["db2:3306"]);
    check_output("is-replication-stopped", DB2, expect![""]);
    check_output(
        "is-replication-stopped",
        r#"{"Key":{"Hostname":"a","Port":1},"ReplicationSQLThreadState":0,"ReplicationIOThreadState":0}"#,
        expect!["a:1"],
    );
}

#[test]
fn clusters_print_by_name_and_alias() {
    let clusters = r#"[{"ClusterName":"db1:3306","ClusterAlias":"orders"},{"ClusterName":"db2:3306"}]"#;
    check_output("clusters", clusters, expect!["db1:3306\ndb2:3306"]);
    check_output("clusters-alias", clusters, expect!["db1:3306,orders\ndb2:3306,"]);
    check_output("which-cluster", DB1, expect!["db0:3307"]);
    check_output("which-cluster-alias", r#"{"ClusterAlias":"orders"}"#, expect!["orders"]);
}

#[test]
fn the_dominant_data_center_is_the_most_frequent_then_the_last_by_name() {
    check_output("dominant-dc", &list(), expect!["dc2"]);
    check_output("dominant-dc", &format!("[{DB1},{DB2},{DB1}]"), expect!["dc1"]);
    check_output("dominant-dc", "[]", expect![""]);
}

#[test]
fn details_print_as_they_are() {
    check_output("topology", &enveloped(r#""a:1\n+ b:2 [0s,ok]""#), expect!["a:1\n+ b:2 [0s,ok]"]);
    check_output("check-global-recoveries", &enveloped(r#""enabled""#), expect!["enabled"]);
    check_output("delay-replication", &enveloped("60"), expect!["60"]);
    check_output("locate-gtid-errant", &enveloped(r#"["b.1","b.2"]"#), expect!["b.1\nb.2"]);
    check_output(
        "restart-replica-statements",
        &enveloped(r#"["stop slave;","x"]"#),
        expect![[r#"[ "stop slave;", "x" ]"#]],
    );
    check_output("tags", r#"["a=1","b="]"#, expect!["a=1\nb="]);
    check_output("tag-value", r#""""#, expect![""]);
    check_output("which-gtid-errant", DB2, expect!["u:1-3"]);
    check_output("forget", &enveloped("null"), expect![""]);
    check_output(
        "submit-masters-to-kv-stores",
        &enveloped(r#"[{"Key":"mysql/master/a","Value":"db1:3306"}]"#),
        expect!["mysql/master/a:db1:3306"],
    );
    check_output("api", r#"{"Z":1,"A":[]}"#, expect![[r#"{ "Z": 1, "A": [] }"#]]);
}

#[test]
fn a_question_is_answered_by_the_message() {
    let answer = |message: &str| {
        format!(r#"{{"Code":"OK","Message":"{message}","Details":{{"Hostname":"db2","Port":3306}}}}"#)
    };
    check_output("can-replicate-from", &answer("true"), expect!["db2:3306"]);
    check_output("can-replicate-from-gtid", &answer("false"), expect![""]);
}

#[test]
fn findings_name_the_analysis_or_the_first_warning() {
    let finding = |analysis: &str, warnings: &str| {
        format!(
            r#"{{"AnalyzedInstanceKey":{{"Hostname":"db1","Port":3306}},"ClusterDetails":{{"ClusterName":"c"}},
                 "Analysis":"{analysis}","StructureAnalysis":{warnings}}}"#
        )
    };
    let answer = enveloped(&format!(
        "[{},{},{}]",
        finding("DeadMaster", "null"),
        finding("NoProblem", r#"["ErrantGTIDStructureWarning","x"]"#),
        finding("NoProblem", "null")
    ));
    check_output(
        "replication-analysis",
        &answer,
        expect![[r#"
            db1:3306 (cluster c): DeadMaster
            db1:3306 (cluster c): ErrantGTIDStructureWarning
            db1:3306 (cluster c): "#]],
    );
}

#[test]
fn a_takeover_prints_the_successor() {
    let answer = enveloped(r#"{"SuccessorKey":{"Hostname":"db2","Port":3306}}"#);
    check_output("graceful-master-takeover", &answer, expect!["db2:3306"]);
    check_output("force-master-failover", &enveloped(r#"{"SuccessorKey":null}"#), expect![":null"]);
}

#[test]
fn servers_that_name_the_new_source_instead_of_the_moved_replicas_are_understood() {
    check_output("match-up-replicas", &enveloped(r#"{"Hostname":"db0","Port":3306}"#), expect![""]);
    check_output("move-replicas-gtid", &enveloped(&list()), expect!["db1:3306\ndb2:3306"]);
}

#[test]
fn raft_answers_are_plain() {
    check_output("raft-leader", r#""orc1:10008""#, expect!["orc1:10008"]);
    check_output("raft-leader", r#""""#, expect!["! Cannot determine raft state"]);
    check_output("raft-leader-hostname", &enveloped(r#"{"Hostname":"orc1"}"#), expect!["orc1"]);
    check_output("raft-health", r#""healthy""#, expect!["healthy"]);
}

#[test]
fn the_help_text_names_every_command_and_option() {
    expect_file!["golden/help.txt"].assert_eq(&(crate::help::text().join("\n") + "\n"));
}
