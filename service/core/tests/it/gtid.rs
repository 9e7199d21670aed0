//! GTIDs as servers write them.

use orchestrator_core::{
    InstanceKey,
    gtid::{Comparison, GtidSet, Gtids, Positions, errant, errant_mariadb},
    picture::{draw, uuid},
    topology::Topology,
};

const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

fn set(text: &str) -> GtidSet {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn positions(text: &str) -> Positions {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_set_is_written_in_one_way() {
    for (given, written) in [
        (String::new(), String::new()),
        (format!("{A}:1"), format!("{A}:1")),
        (format!(" {B}:3-5:1 ,\n{}:1-2:4:3 ", A.to_uppercase()), format!("{A}:1-4,{B}:1:3-5")),
        (format!("{A}:1-6:Blue:1,{A}:7:blue:2-3"), format!("{A}:1-7:blue:1-3")),
        (format!("{A}:red:1:blue:4,{A}:9"), format!("{A}:9:blue:4:red:1")),
        (format!("{A}:1-2,,{A}:2-9"), format!("{A}:1-9")),
    ] {
        assert_eq!(set(&given).to_string(), written, "{given:?}");
    }
}

#[test]
fn nonsense_is_no_set() {
    for text in [
        "x".to_owned(),
        A.to_owned(),
        format!("{A}:"),
        format!("{A}:0"),
        format!("{A}:5-3"),
        format!("{A}:+1"),
        format!("{A}:1-"),
        format!("{A}:1:blue"),
        format!("{A}:blue:red:1"),
        format!("{A}:9223372036854775807"),
        format!("{A}:1:{}:1", "t".repeat(33)),
        format!("{}:1", A.replace('-', "")),
        "0-1-5".to_owned(),
    ] {
        assert!(text.parse::<GtidSet>().is_err(), "{text}");
    }
}

#[test]
fn sets_are_counted_by_transaction() {
    assert_eq!(set(&format!("{A}:1-5:7,{B}:2:blue:1-3")).count(), 10);
    assert_eq!(set(&format!("{A}:1-9223372036854775806,{B}:1-9223372036854775806")).count(), u64::MAX - 3);
}

#[test]
fn the_same_number_under_another_tag_is_another_transaction() {
    let (plain, tagged) = (set(&format!("{A}:1-5")), set(&format!("{A}:blue:1-5")));
    assert!(!plain.contains(&tagged));
    assert_eq!(plain.union(&tagged).subtract(&plain), tagged);
}

#[test]
fn a_position_is_written_in_one_way() {
    for (given, written) in [
        ("", ""),
        ("0-101-4", "0-101-4"),
        ("7-101-1,\n0-104-5,0-101-4", "0-101-4,0-104-5,7-101-1"),
        ("0-9-5,0-1-6", "0-9-5,0-1-6"),
    ] {
        assert_eq!(positions(given).to_string(), written, "{given:?}");
    }
    assert_eq!(positions("0-101-4,0-104-5,7-101-1").position(), positions("0-104-5,7-101-1"));
    for text in ["0-1", "0-1-2-3", "a-b-c", "0-+1-2", "0--1-2", "4294967296-1-1", &format!("{A}:1")] {
        assert!(text.parse::<Positions>().is_err(), "{text}");
    }
}

fn compare(one: &str, other: &str) -> Comparison {
    Gtids::parse_mariadb(one).unwrap().compare(&Gtids::parse_mariadb(other).unwrap())
}

#[test]
fn mariadb_compares_numbers_within_a_domain() {
    assert_eq!(compare("0-101-5", "0-101-5"), Comparison::Equal);
    assert_eq!(compare("0-101-6", "0-101-5"), Comparison::Ahead);
    assert_eq!(compare("0-104-6", "0-101-5"), Comparison::Ahead);
    assert_eq!(compare("0-101-5", "0-101-5,7-1-1"), Comparison::Behind);
    assert_eq!(compare("0-101-6", "0-101-5,7-1-1"), Comparison::Diverged);
    assert_eq!(compare("0-101-6,7-1-1", "0-101-5,7-1-2"), Comparison::Diverged);
    assert_eq!(compare("", ""), Comparison::Equal);
}

#[test]
fn one_number_by_two_servers_is_a_divergence() {
    assert_eq!(compare("0-101-5", "0-104-5"), Comparison::Diverged);
}

#[test]
fn flavors_cannot_be_compared_unless_one_is_empty() {
    let (oracle, mariadb) = (Gtids::Oracle(set(&format!("{A}:1"))), Gtids::MariaDb(positions("0-1-1")));
    assert_eq!(oracle.compare(&mariadb), Comparison::Diverged);
    assert_eq!(oracle.compare(&Gtids::MariaDb(Positions::default())), Comparison::Ahead);
    assert_eq!(Gtids::default().compare(&mariadb), Comparison::Behind);
    assert_eq!(Gtids::default().union(&mariadb), mariadb);
}

#[test]
fn distance_is_counted_per_domain() {
    let behind = |one: &str, other: &str| {
        Gtids::parse_mariadb(one).unwrap().behind(&Gtids::parse_mariadb(other).unwrap())
    };
    assert_eq!(behind("0-101-5", "0-101-9,7-1-2"), 6);
    assert_eq!(behind("0-101-9", "0-101-5"), 0);
}

#[test]
fn candidates_are_compared_by_what_they_received() {
    let drawn = draw("a\n  b gtid=#1:1-5 received=#1:4-9\n  c gtid=#1:1-7 received=#1:6-7");
    let of =
        |host| Gtids::received(&drawn.view.get(&InstanceKey::new(host, 3306)).unwrap().instance).unwrap();
    assert_eq!(of("b").to_string(), format!("{}:1-9", uuid(1)));
    assert_eq!(of("b").compare(&of("c")), Comparison::Ahead);
    assert_eq!(of("c").behind(&of("b")), 2);
}

fn errant_of(picture: &str, host: &str) -> Option<String> {
    let drawn = draw(picture);
    errant(&drawn.view, &Topology::of(&drawn.view), &InstanceKey::new(host, 3306))
        .map(|errant| errant.to_string())
}

#[test]
fn what_a_replica_wrote_itself_is_errant() {
    assert_eq!(errant_of("a gtid=#1:1-9\n  b gtid=#1:1-9,#2:1-2", "b"), Some(format!("{}:1-2", uuid(2))));
    assert_eq!(errant_of("a gtid=#1:1-9,#2:1-2\n  b gtid=#1:1-9,#2:1-2", "b"), None);
}

#[test]
fn a_source_that_was_read_earlier_makes_nothing_errant() {
    assert_eq!(errant_of("a gtid=#1:1-9\n  b gtid=#1:1-12", "b"), None);
    assert_eq!(errant_of("a gtid=#1:1-9\n  b gtid=#1:1-12,#2:1\n    c gtid=#1:1-15,#2:1-4", "c"), None);
}

#[test]
fn a_stranger_among_the_transactions_is_errant() {
    let strange = format!("a gtid=#1:1-9\n  b gtid=#1:1-9,{A}:1");
    assert_eq!(errant_of(&strange, "b"), Some(format!("{A}:1")));
}

#[test]
fn co_primaries_may_write() {
    assert_eq!(errant_of("a source=b gtid=#1:1-9\n  b gtid=#1:1-9,#2:1-5", "b"), None);
}

#[test]
fn nothing_is_errant_where_nothing_is_known() {
    assert_eq!(errant_of("a\n  b gtid=#2:1", "b"), None);
    assert_eq!(errant_of("a gtid=nonsense\n  b gtid=#2:1", "b"), None);
    assert_eq!(errant_of("a gtid=#1:1", "a"), None);
}

#[test]
fn mariadb_tells_errant_writes_by_the_server_that_logged_them() {
    let errant =
        |own: &str, source: &str| errant_mariadb(&positions(own), 104, &positions(source)).to_string();
    assert_eq!(errant("0-104-5", "0-101-4"), "0-104-5");
    assert_eq!(errant("0-104-4", "0-101-4"), "0-104-4", "one number, two servers");
    assert_eq!(errant("0-104-4", "0-101-9"), "", "a position does not tell who came before");
    assert_eq!(errant("0-104-4", "0-104-3,0-101-9"), "0-104-4", "the state of the log does");
    assert_eq!(errant("0-104-3", "0-104-3,0-101-9"), "");
    assert_eq!(errant("0-101-9", "0-101-4"), "", "replicated, not written");
    assert_eq!(errant("7-104-1", "0-101-4"), "7-104-1");
}

#[test]
fn errant_writes_show_on_mariadb() {
    let picture = "a mariadb gtid=0-1-9 logged=0-1-9\n  b mariadb gtid=0-2-10 logged=0-2-10";
    assert_eq!(errant_of(picture, "b"), Some("0-2-10".into()));
}
