//! Recoveries of a small fleet in memory: stories drawn as text, and properties over random fleets in
//! which actions fail and leaders die between any two of them.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

mod again;
mod limits;

const PRIMARY: &str = "00000000-0000-0000-0000-000000000001";

/// One server of the fleet. Transactions of the failed primary are numbered from 1.
#[derive(Debug, Clone)]
struct Server {
    received: u64,
    executed: u64,
    source: Option<String>,
    receiving: bool,
    read_only: bool,
    reachable: bool,
    slow: bool,
    stuck: bool,
    detached: bool,
    unopenable: bool,
    /// It refuses to stop: a privilege is missing.
    denied: bool,
    /// It restarts once after it was stopped, and receives up to here.
    restarts_with: u64,
}

/// A replica of the failed primary as drawn: `b received=10 executed=8 rule=prefer dc=x unreachable`.
fn parse_line(line: &str) -> (Replica, Server) {
    let mut words = line.split_whitespace();
    let name = words.next().expect("a line names a replica");
    let words: Vec<&str> = words.collect();
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let has = |word: &str| words.contains(&word);
    let received = value("received").map_or(10, |text| text.parse().expect("a number"));
    let server = Server {
        received,
        executed: value("executed").map_or(received, |text| text.parse().expect("a number")),
        source: Some("a".into()),
        receiving: true,
        read_only: true,
        reachable: !has("unreachable") && !has("lost"),
        slow: has("slow"),
        stuck: has("stuck"),
        detached: false,
        unopenable: has("unopenable"),
        denied: has("denied"),
        restarts_with: value("restarts").map_or(0, |text| text.parse().expect("a number")),
    };
    let replica = Replica {
        key: InstanceKey::new(name, 3306),
        valid: !has("unreachable"),
        rule: value("rule")
            .map_or(PromotionRule::Neutral, |rule| PromotionRule::parse(rule).expect("a rule")),
        left_behind: has("behind"),
        banned: has("banned"),
        unopenable: has("nogrant"),
        downtimed: has("downtimed"),
        logs_updates: !has("nolog"),
        binlog_server: has("binlogserver"),
        version: value("version").map_or((8, 4), |text| (text.parse().expect("a number"), 0)),
        binlog_format: Some(BinlogFormat::Row),
        place: Locality { data_center: value("dc").unwrap_or("x").into(), ..Locality::default() },
        gtid: if has("positional") { ReplicationGtid::None } else { ReplicationGtid::Oracle },
        errant: has("errant"),
        delay_seconds: if has("delayed") { 3600 } else { 0 },
        lag_seconds: Some(0),
        semi_sync: has("semisync"),
        semi_sync_priority: 0,
        origin: (String::new(), 0),
        position: set(received),
        applied: server.received == server.executed,
    };
    (replica, server)
}

fn set(upto: u64) -> Gtids {
    if upto == 0 { Gtids::default() } else { Gtids::parse_oracle(&format!("{PRIMARY}:1-{upto}")).unwrap() }
}

/// The servers, and everything that was done to them.
struct Fleet {
    servers: BTreeMap<String, Server>,
    hooks_fail: bool,
    /// The furthest position that anybody told after it was stopped.
    told: u64,
}

impl Fleet {
    fn draw(picture: &str) -> (Vec<Replica>, Self) {
        let (replicas, servers): (Vec<_>, Vec<_>) =
            picture.lines().map(str::trim).filter(|line| !line.is_empty()).map(parse_line).unzip();
        let names = replicas.iter().map(|replica: &Replica| replica.key.hostname.to_string());
        let servers = names.zip(servers).collect();
        (replicas, Self { servers, hooks_fail: false, told: 0 })
    }

    fn server(&mut self, key: &InstanceKey) -> Result<&mut Server, String> {
        let server = self.servers.get_mut(&*key.hostname).filter(|server| server.reachable);
        server.ok_or_else(|| "out of reach".to_string())
    }

    fn execute(&mut self, action: &Action) -> Result<Reply, String> {
        match action {
            Action::RunHooks(_) if self.hooks_fail => return Err("exit status 1".into()),
            Action::RunHooks(_) => {}
            Action::Fence(_) | Action::Unfence(_) => return Err("refused".into()),
            Action::StopReceiving(key) => {
                let server = self.server(key)?;
                if server.denied {
                    return Ok(Reply::Refused { why: "error 1227".into() });
                }
                server.receiving = false;
                return Ok(Reply::Position { gtids: set(server.received), slow: server.slow });
            }
            Action::KeepStopped(key) => {
                let server = self.server(key)?;
                server.receiving = false;
                server.received = server.received.max(core::mem::take(&mut server.restarts_with));
                let received = server.received;
                self.told = self.told.max(received);
                return Ok(Reply::Position { gtids: set(received), slow: false });
            }
            Action::ResumeReceiving(key) => self.server(key)?.receiving = true,
            Action::Follow { replica, source } => self.follow(replica, source)?,
            Action::CatchUp { replica, until } => {
                let source = self.server(replica)?.source.clone().expect("it follows somebody");
                let has = self.servers.get(&source).ok_or("its source gives nothing")?.executed;
                let server = self.server(replica)?;
                server.received = server.received.max(has);
                server.executed = server.received;
                if !set(server.executed).contains(until) {
                    return Ok(Reply::Progressing);
                }
            }
            Action::Drain(key) => {
                let server = self.server(key)?;
                if server.stuck && server.executed < server.received {
                    return Err("duplicate key".into());
                }
                server.executed = server.received;
            }
            Action::Promote { replica, .. } => {
                let server = self.server(replica)?;
                if server.unopenable {
                    return Err("cannot open".into());
                }
                assert_eq!(
                    server.executed, server.received,
                    "opened with received transactions not executed"
                );
                (server.source, server.read_only) = (None, false);
            }
            Action::Detach(key) => self.server(key)?.detached = true,
        }
        Ok(Reply::Done)
    }

    /// Changing the source drops what was received and not executed, unless the server executes it first.
    fn follow(&mut self, replica: &InstanceKey, source: &InstanceKey) -> Result<(), String> {
        let server = self.server(replica)?;
        if server.stuck && server.executed < server.received {
            return Err("would drop received transactions".into());
        }
        server.executed = server.received;
        server.source = Some(source.hostname.to_string());
        server.receiving = true;
        Ok(())
    }

    fn writable(&self) -> Vec<&str> {
        self.servers.iter().filter(|(_, server)| !server.read_only).map(|(name, _)| name.as_str()).collect()
    }
}

fn case(replicas: Vec<Replica>, acknowledgements: u32) -> Case {
    Case {
        code: AnalysisCode::DeadPrimary,
        failed: InstanceKey::new("a", 3306),
        cluster: "a:3306".into(),
        alias: "main".into(),
        place: Locality { data_center: "x".into(), ..Locality::default() },
        origin: (PRIMARY.into(), 1),
        acknowledgements,
        requested: None,
        forced: false,
        skip_hooks: false,
        replicas,
        owed: Gtids::default(),
        seen: Gtids::default(),
    }
}

fn begun(case: Case) -> Recovery {
    Recovery { case, stage: Stage::PreHooks, progress: Progress::default() }
}

/// Drives to the end. `interrupt` says, for the n-th action executed, whether the leader dies right after it:
/// then the next one begins the stage again from the committed record.
fn drive(
    mut recovery: Recovery,
    fleet: &mut Fleet,
    mut interrupt: impl FnMut(u32) -> bool,
) -> (Recovery, Vec<String>) {
    let policy = RecoveryPolicy::default();
    let (mut story, mut executed) = (Vec::new(), 0);
    for _ in 0..200 {
        if recovery.stage == Stage::Finished {
            return (recovery, story);
        }
        let mut results = Vec::new();
        let mut died = false;
        for action in recovery.actions(&policy) {
            let result = fleet.execute(&action);
            story.extend(describe(&action, &result));
            results.push((action, result));
            executed += 1;
            if interrupt(executed) {
                died = true;
                break;
            }
        }
        if !died {
            story.extend(recovery.advance(results, &policy));
        }
    }
    panic!("the recovery does not end: {recovery:?}");
}

#[track_caller]
fn check(picture: &str, expected: Expect) {
    check_case(picture, |_| {}, |_| {}, expected);
}

#[track_caller]
fn check_case(picture: &str, change: impl Fn(&mut Case), arrange: impl Fn(&mut Fleet), expected: Expect) {
    let (replicas, mut fleet) = Fleet::draw(picture);
    arrange(&mut fleet);
    let mut case = case(replicas, 0);
    change(&mut case);
    let (recovery, story) = drive(begun(case), &mut fleet, |_| false);
    let report = recovery.report().expect("it ended");
    let mut text = story.join("\n");
    text += &format!("\n=> {:?}, lost {:?}, writable {:?}", report.successor, report.lost, fleet.writable());
    for error in report.errors {
        text += &format!("\n!! {error}");
    }
    expected.assert_eq(&text);
}

#[test]
fn the_one_that_received_most_is_promoted_after_it_executed_that() {
    check(
        "
        b received=9
        c received=10 executed=7
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-9
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            chose c:3306: it received most
            not b:3306: c:3306 is better: it received most
            a:3306 cannot be fenced: refused
            c:3306 executed all that it received
            c:3306 is open for writes
            b:3306 follows c:3306
            => Some(c:3306), lost {}, writable ["c"]"#]],
    );
}

#[test]
fn a_preferred_one_that_is_behind_fetches_what_it_lacks_first() {
    check(
        "
        b received=10
        c received=8 rule=prefer
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-8
            chose c:3306: promotion rule
            not b:3306: c:3306 is better: promotion rule
            it fetches what it lacks from b:3306 first
            b:3306 executed all that it received
            c:3306 follows b:3306
            c:3306 has what it lacked
            chose c:3306: promotion rule
            not b:3306: c:3306 is better: promotion rule
            a:3306 cannot be fenced: refused
            c:3306 executed all that it received
            c:3306 is open for writes
            b:3306 follows c:3306
            => Some(c:3306), lost {}, writable ["c"]"#]],
    );
}

#[test]
fn the_data_center_of_the_failed_primary_comes_before_position() {
    check(
        "
        b received=10 dc=y
        c received=10 dc=x
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            chose c:3306: data center of the failed primary
            not b:3306: c:3306 is better: data center of the failed primary
            a:3306 cannot be fenced: refused
            c:3306 executed all that it received
            c:3306 is open for writes
            b:3306 follows c:3306
            => Some(c:3306), lost {}, writable ["c"]"#]],
    );
}

#[test]
fn must_not_is_never_promoted_and_gives_what_it_has() {
    check(
        "
        b received=10 rule=must_not
        c received=9
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-9
            chose c:3306: the only candidate
            not b:3306: its promotion rule is must_not
            it fetches what it lacks from b:3306 first
            b:3306 executed all that it received
            c:3306 follows b:3306
            c:3306 has what it lacked
            chose c:3306: the only candidate
            not b:3306: its promotion rule is must_not
            a:3306 cannot be fenced: refused
            c:3306 executed all that it received
            c:3306 is open for writes
            b:3306 follows c:3306
            => Some(c:3306), lost {}, writable ["c"]"#]],
    );
}

#[test]
fn when_only_a_banned_one_has_it_all_and_cannot_give_it_nobody_is_promoted() {
    check(
        "
        b received=10 nolog rule=must_not
        c received=9
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-9
            nobody is promoted: no candidate has all received transactions, nor a replica that it could fetch them from (data-loss)
            b:3306 receives again
            c:3306 receives again
            => None, lost {}, writable []
            !! no candidate has all received transactions, nor a replica that it could fetch them from (data-loss)"#]],
    );
}

#[test]
fn a_replica_that_is_slow_to_stop_is_moved_at_the_end() {
    check(
        "
        b received=10
        c received=10 slow
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving (its receiving thread does not stop yet), has 00000000-0000-0000-0000-000000000001:1-10
            chose b:3306: its receiving thread stopped at once
            not c:3306: b:3306 is better: its receiving thread stopped at once
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            c:3306 follows b:3306
            => Some(b:3306), lost {}, writable ["b"]"#]],
    );
}

#[test]
fn a_replica_out_of_reach_is_lost() {
    check(
        "
        b received=10
        c received=10 lost
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 is lost: out of reach
            chose b:3306: the only candidate
            not c:3306: cannot be reached
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            c:3306 could not be detached: out of reach
            => Some(b:3306), lost {c:3306}, writable ["b"]"#]],
    );
}

#[test]
fn a_candidate_that_cannot_execute_what_it_received_gives_way() {
    check(
        "
        b received=10 executed=8 stuck
        c received=10
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            chose b:3306: first by name
            not c:3306: b:3306 is better: first by name
            a:3306 cannot be fenced: refused
            b:3306 does not execute what it received: duplicate key
            chose c:3306: the only candidate
            not b:3306: failed as a candidate
            a:3306 cannot be fenced: refused
            c:3306 executed all that it received
            c:3306 is open for writes
            b:3306 is lost: would drop received transactions
            b:3306 was detached
            => Some(c:3306), lost {b:3306}, writable ["c"]"#]],
    );
}

#[test]
fn with_semi_sync_nobody_is_promoted_when_all_that_acknowledged_may_be_out_of_reach() {
    check_case(
        "
        b received=10 semisync
        c received=10 semisync lost
        ",
        |case| case.acknowledgements = 1,
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            asking again, since nobody can be promoted: acknowledged transactions may exist only on c:3306, which cannot be reached (data-loss)
            c:3306 is lost: out of reach
            nobody is promoted: acknowledged transactions may exist only on c:3306, which cannot be reached (data-loss)
            b:3306 receives again
            => None, lost {c:3306}, writable []
            !! acknowledged transactions may exist only on c:3306, which cannot be reached (data-loss)"#]],
    );
}

#[test]
fn a_person_may_force_what_could_lose_data() {
    check_case(
        "
        b received=10 semisync
        c received=10 semisync lost
        ",
        |case| (case.acknowledgements, case.forced) = (1, true),
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 is lost: out of reach
            chose b:3306: the only candidate
            not c:3306: cannot be reached
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            c:3306 could not be detached: out of reach
            => Some(b:3306), lost {c:3306}, writable ["b"]"#]],
    );
}

#[test]
fn a_failing_pre_hook_ends_it_before_anything_is_touched() {
    check_case(
        "b\nc",
        |_| {},
        |fleet| fleet.hooks_fail = true,
        expect![[r#"

            => None, lost {}, writable []
            !! a PreFailoverProcesses hook failed: exit status 1
            !! exit status 1"#]],
    );
}

#[test]
fn a_successor_that_does_not_open_is_tried_again_and_then_told() {
    check(
        "b unopenable",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            chose b:3306: the only candidate
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 did not open: cannot open
            b:3306 did not open: cannot open
            b:3306 did not open: cannot open
            => None, lost {}, writable []
            !! the successor did not open: cannot open"#]],
    );
}

/// What an earlier recovery, or a restart during this one, makes of a replica.
const AGAIN: &[&str] = &["", "", "", "restarts=13", "behind"];

/// A random replica, drawn.
fn replica() -> impl Strategy<Value = String> {
    let words = proptest::collection::vec(
        proptest::sample::select(std::vec![
            "slow",
            "lost",
            "stuck",
            "nolog",
            "banned",
            "semisync",
            "errant",
            "downtimed",
            "unopenable",
        ]),
        0..3,
    );
    let rule = proptest::sample::select(std::vec!["prefer", "neutral", "prefer_not", "must_not"]);
    (5_u64..12, 0_u64..4, rule, words).prop_map(|(received, behind, rule, words)| {
        format!("received={received} executed={} rule={rule} {}", received - behind, words.join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever fails and whenever a leader dies: it ends, at most one server is writable, none that is
    /// banned or left behind, and nothing that a reachable replica received, also after it was stopped, or that one
    /// left behind was seen to have, is missing on the one that is.
    #[test]
    fn nothing_received_is_lost_and_never_two_are_writable(
        lines in proptest::collection::vec((replica(), proptest::sample::select(AGAIN)), 1..5),
        acknowledgements in 0_u32..3,
        deaths in proptest::collection::btree_set(1_u32..40, 0..6),
    ) {
        let lines = lines.iter().zip("bcdef".chars());
        let picture: Vec<String> = lines.map(|((line, again), name)| format!("{name} {line} {again}")).collect();
        let (replicas, mut fleet) = Fleet::draw(&picture.join("\n"));
        let (behind, following): (Vec<_>, Vec<_>) = replicas.iter().partition(|replica| replica.left_behind);
        let owed = behind.iter().map(|replica| fleet.servers[&*replica.key.hostname].received).max();
        let owed = owed.filter(|_| acknowledgements > 0).unwrap_or(0);
        let banned: BTreeSet<String> = replicas
            .iter()
            .filter(|replica| replica.banned || replica.left_behind || replica.rule == PromotionRule::MustNot)
            .map(|replica| replica.key.hostname.to_string())
            .collect();
        let following = following.iter().map(|replica| &fleet.servers[&*replica.key.hostname]);
        let reachable = following.filter(|server| server.reachable);
        let received = reachable.map(|server| server.received).max().unwrap_or(0).max(owed);
        let case = Case { owed: set(owed), ..case(replicas, acknowledgements) };
        let (recovery, _) = drive(begun(case), &mut fleet, |n| deaths.contains(&n));
        let writable = fleet.writable();
        prop_assert!(writable.len() <= 1, "{writable:?}");
        for name in writable {
            prop_assert!(!banned.contains(name), "{name} is banned");
            let needed = received.max(fleet.told);
            prop_assert!(fleet.servers[name].executed >= needed, "{name} lacks what was received");
            prop_assert_eq!(recovery.promoted().map(|key| key.hostname.to_string()), Some(name.to_string()));
        }
    }

    /// Records are values: what is read back from a committed one leads to the same end.
    #[test]
    fn a_death_between_stages_changes_nothing(lines in proptest::collection::vec(replica(), 1..5), death in 1_u32..12) {
        let picture: Vec<String> = lines.iter().zip("bcdef".chars()).map(|(line, name)| format!("{name} {line}")).collect();
        let run = |deaths: &dyn Fn(u32) -> bool| {
            let (replicas, mut fleet) = Fleet::draw(&picture.join("\n"));
            let (recovery, _) = drive(begun(case(replicas, 0)), &mut fleet, deaths);
            (recovery.report().map(|report| report.successor), fleet.writable().join(","))
        };
        prop_assert_eq!(run(&|_| false), run(&|n| n == death));
    }
}
