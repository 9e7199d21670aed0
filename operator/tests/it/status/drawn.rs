//! Groups as pictures: a line for each member, with what it is and what is special about it.
//!
//! `main-0 leader`, `main-1 follower lag=500 node=a version=1.0.0 old unread`, `main-2 silent` (ready, and does not answer the
//! operator), `starting`, `down`, `unpulled` (its image), `pending`, `gone` (no pod), `empty`, `corrupt`, `foreign`, `stale`, `lost` (its volume), `learner`,
//! `candidate` (answers, and hears no leader); an address instead of a pod is an external member.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use expect_test::Expect;
use jiff::{SignedDuration, Timestamp};
use orchestrator_crds::{OperationType, OrchestratorClusterSpec, OrchestratorClusterStatus};
use orchestrator_operator::{
    names,
    observation::{
        Answer, Delivery, Memory, Observation, Pod, Seat, Set, Trouble, Verbs, Volume, VolumeState,
    },
    plan::{Plan, Underway},
    status::{Applied, memory, status},
};
use orchestrator_wire::{DataState, MemberName, MemberStatus, Members, Replication};

/// The group of the pictures.
pub(super) const GROUP: &str = "7d0c";

const LAST_INDEX: u64 = 10_000;

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("it is in range")
}

struct Line<'l> {
    name: &'l str,
    role: &'l str,
    flags: Vec<&'l str>,
}

impl<'l> Line<'l> {
    fn read(line: &'l str) -> Self {
        let mut words = line.split_whitespace();
        let (name, role) = (words.next().expect("a name"), words.next().expect("a role"));
        Self { name, role, flags: words.collect() }
    }

    fn ordinal(&self) -> Option<u32> {
        names::ordinal_of("main", self.name)
    }

    fn flag(&self, key: &str) -> Option<&'l str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    fn votes(&self) -> bool {
        !matches!(self.role, "learner" | "foreign" | "stale")
    }

    fn address(&self, spec: &OrchestratorClusterSpec) -> String {
        self.ordinal()
            .map_or_else(|| self.name.to_owned(), |ordinal| names::address("main", "db", spec, ordinal))
    }
}

/// The group that `picture` shows, formed, with what people wish being what is there.
pub(super) fn group(picture: &str) -> Observation {
    let lines: Vec<Line<'_>> =
        picture.lines().map(str::trim).filter(|line| !line.is_empty()).map(Line::read).collect();
    let here = lines.iter().filter(|line| line.ordinal().is_some());
    let mut spec =
        OrchestratorClusterSpec { replicas: i32::try_from(here.count()).expect("few"), ..Default::default() };
    let outside = lines.iter().filter(|line| line.ordinal().is_none());
    spec.raft.external_members = outside.clone().map(|line| line.name.to_owned()).collect();
    let numbered: Vec<(u64, &Line<'_>)> = (1..).zip(&lines).collect();
    let answers: BTreeMap<String, Answer> = numbered
        .iter()
        .map(|(node, line)| (line.address(&spec), answer(*node, line, &numbered, &spec)))
        .collect();
    let seats = numbered.iter().filter_map(|(_, line)| {
        let address = line.address(&spec);
        let answer = answers[&address].clone();
        Some((line.ordinal()?, Seat { pod: pod(line), volume: Some(volume(line)), answer, address }))
    });
    let peers = names::addresses("main", "db", &spec);
    Observation {
        now: now(),
        name: "main".into(),
        namespace: "db".into(),
        deleting: false,
        seats: seats.collect(),
        external: outside.map(|line| (line.name.to_owned(), answers[line.name].clone())).collect(),
        verbs: Verbs::default(),
        memory: Memory { cluster_id: Some(GROUP.into()), ..Memory::default() },
        set: Some(set(&spec)),
        invalid: Vec::new(),
        delivery: Delivery { peers_hash: orchestrator_operator::build::peers_hash(&peers), peers },
        may_roll: true,
        fresh_id: "fresh".into(),
        spec: Arc::new(spec),
    }
}

fn set(spec: &OrchestratorClusterSpec) -> Set {
    Set {
        uid: "set".into(),
        resource_version: "1".into(),
        replicas: u32::try_from(spec.replicas).expect("it is positive"),
        update_revision: "new".into(),
        image: "orchestrator:1.0.0".into(),
        observed: true,
        storage: 1 << 30,
        terminating: false,
    }
}

fn pod(line: &Line<'_>) -> Option<Pod> {
    let ready = matches!(line.role, "leader" | "follower" | "silent" | "blind");
    let trouble = match line.role {
        "down" => Some(Trouble::Waiting("CrashLoopBackOff".into(), "back-off 40s restarting".into())),
        "unpulled" => Some(Trouble::Waiting(
            "ImagePullBackOff".into(),
            "image example/orchestrator:9 is not there".into(),
        )),
        "pending" | "lost" => Some(Trouble::Unschedulable("0/3 nodes are available".into())),
        _ => None,
    };
    (line.role != "gone").then(|| Pod {
        name: line.name.to_owned(),
        uid: format!("uid-{}", line.name),
        resource_version: "1".into(),
        created: now() - SignedDuration::from_hours(2),
        revision: if line.has("old") { "old".into() } else { "new".into() },
        ready_since: ready.then(|| now() - SignedDuration::from_hours(1)),
        terminating: false,
        trouble,
        node: Some(line.flag("node").unwrap_or(line.name).to_owned()),
        node_problem: None,
        config_hash: Some(if line.has("unread") { "newer".into() } else { "hash".into() }),
        replace: false,
    })
}

fn volume(line: &Line<'_>) -> Volume {
    let state = match line.role {
        "lost" => VolumeState::Lost(now() - SignedDuration::from_mins(10)),
        _ => VolumeState::Bound,
    };
    Volume {
        name: format!("data-{}", line.name),
        uid: format!("volume-{}", line.name),
        resource_version: "1".into(),
        created: now() - SignedDuration::from_hours(2),
        terminating: false,
        state,
        group: Some(GROUP.into()),
        requested: 1 << 30,
        capacity: 1 << 30,
        class: None,
        expands: None,
    }
}

fn answer(node: u64, line: &Line<'_>, all: &[(u64, &Line<'_>)], spec: &OrchestratorClusterSpec) -> Answer {
    if matches!(line.role, "silent" | "starting" | "down" | "unpulled" | "pending" | "gone" | "lost") {
        return if line.role == "gone" {
            Answer::NotAsked
        } else {
            Answer::Silent("connection refused".into())
        };
    }
    let led = all.iter().any(|(_, line)| line.role == "leader");
    let names = |votes: bool| -> Vec<MemberName> {
        let of =
            all.iter().filter(|(_, line)| line.votes() == votes && !matches!(line.role, "foreign" | "stale"));
        of.map(|(node_id, line)| MemberName { node_id: *node_id, addr: line.address(spec) }).collect()
    };
    let mut status = MemberStatus {
        cluster_id: GROUP.into(),
        node_id: node,
        epoch: 1,
        initialized: true,
        data_state: DataState::Present,
        term: 4,
        last_log_index: Some(LAST_INDEX),
        membership_log_index: Some(12),
        membership: Members { joint: false, committed: true, voters: names(true), learners: names(false) },
        config_hash: "hash".into(),
        raft_nodes_hash: orchestrator_operator::build::peers_hash(&names::addresses("main", "db", spec)),
        version: line.flag("version").unwrap_or("1.0.0").into(),
        ..MemberStatus::default()
    };
    status.status.healthy = led && line.votes();
    status.status.state = "Follower".into();
    match line.role {
        "leader" => lead(&mut status, node, all),
        "empty" => {
            status = MemberStatus {
                version: "1.0.0".into(),
                config_hash: "hash".into(),
                ..MemberStatus::default()
            };
        }
        "corrupt" => {
            status.data_state = DataState::Corrupt;
            status.reason = "raft.db: database disk image is malformed".into();
        }
        "foreign" => status.cluster_id = "another".into(),
        "stale" => status.node_id = 99,
        "candidate" => status.reason = "no leader is known".into(),
        _ => {}
    }
    Answer::Status(Box::new(status))
}

fn lead(status: &mut MemberStatus, own: u64, all: &[(u64, &Line<'_>)]) {
    status.status.state = "Leader".into();
    status.last_quorum_ack_ms = (all.len() > 1).then_some(20);
    let others = all.iter().filter(|(node, line)| *node != own && !matches!(line.role, "foreign" | "stale"));
    status.replication = others
        .map(|(node, line)| {
            let lag = line.flag("lag").map_or(0, |lag| lag.parse().expect("a number"));
            let heard = matches!(line.role, "follower" | "silent" | "learner");
            let last_ack_ms = Some(if heard { 20 } else { 900_000 });
            (*node, Replication { matched_index: Some(LAST_INDEX - lag), last_ack_ms })
        })
        .collect();
}

/// A plan that has nothing to do.
pub(super) fn idle() -> Plan {
    Plan {
        replicas: 3,
        peers: Vec::new(),
        action: None,
        operation: None,
        findings: Vec::new(),
        events: Vec::new(),
        again: Duration::from_secs(30),
        row: "steady",
    }
}

/// A plan with something under way.
pub(super) fn underway(operation: OperationType, targets: &[&str], step: &str, stalled: bool) -> Plan {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    Plan { operation: Some(Underway { operation, targets, step: step.to_owned(), stalled }), ..idle() }
}

pub(super) fn applied() -> Applied {
    Applied {
        generation: 2,
        image: Some("orchestrator:1.0.0".into()),
        template_version: Some("1".into()),
        config_hash: Some("hash".into()),
        ..Applied::default()
    }
}

/// The status of a group before which nothing was known but its id.
pub(super) fn formed() -> OrchestratorClusterStatus {
    OrchestratorClusterStatus { cluster_id: Some(GROUP.into()), ..OrchestratorClusterStatus::default() }
}

/// The status of `seen` with nothing to do, after `previous`.
pub(super) fn after(previous: &OrchestratorClusterStatus, seen: &Observation) -> OrchestratorClusterStatus {
    let seen = Observation { memory: memory(previous), ..seen.clone() };
    status(&seen, &idle(), &applied(), previous)
}

/// Phase, and each condition that says anything but that all is well.
pub(super) fn told(status: &OrchestratorClusterStatus) -> String {
    const WELL: [&str; 9] = [
        "QuorumHealthy",
        "AllMembersHealthy",
        "Idle",
        "NotDegraded",
        "QuorumPresent",
        "Adopted",
        "Reachable",
        "Valid",
        "Updated",
    ];
    let phase = status.phase.map_or("none", |phase| phase.as_str());
    let mut text = format!("{phase}\n");
    let special = status
        .conditions
        .iter()
        .filter(|one| !WELL.contains(&one.reason.as_str()) && one.reason != "NotPaused");
    for one in special {
        text.push_str(&format!("{}={} {}: {}\n", one.type_, one.status, one.reason, one.message));
    }
    text
}

/// A group in which all is well.
pub(super) const THREE: &str = "
    main-0 follower
    main-1 leader
    main-2 follower
";

/// What is told of `seen` at the first look.
pub(super) fn check(seen: &Observation, wanted: Expect) {
    wanted.assert_eq(&told(&after(&formed(), seen)));
}

/// The same group with another wish.
pub(super) fn with(seen: &Observation, change: impl FnOnce(&mut OrchestratorClusterSpec)) -> Observation {
    let mut spec = (*seen.spec).clone();
    change(&mut spec);
    Observation { spec: Arc::new(spec), ..seen.clone() }
}

/// The status of `seen` at the first look, with this plan and what came of it.
pub(super) fn planned(seen: &Observation, plan: &Plan, applied: &Applied) -> OrchestratorClusterStatus {
    status(seen, plan, applied, &formed())
}
