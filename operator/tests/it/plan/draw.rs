//! A group, drawn: one line for each member, and what the planner makes of it.
//!
//! ```text
//! 0 leader
//! 1 voter old
//! 2 empty
//! x1 voter
//! ```
//!
//! A line begins with the ordinal, or `x` and a number for an external member. Then what it is: `leader`, `voter`,
//! `learner`, `empty` (its disk), `stale`, `foreign`, `corrupt`, `silent` (a voter that does not answer), `none` (no
//! member, no answer). Then, in any order: `old` (template), `lag=n`, `unread` (its files), `going` (being deleted),
//! `unready`, `nopod`, `novolume`, `lost=seconds`, `wiping` (its volume is being deleted), `dead=reason`, `replace`,
//! `removed` (it knows that the group let it go), `small` (volume), `fixed` (its class lets no volume grow), `recoveries=n`, `was=id` (empty now, that voter before), `id=n`, `fresh` (ready just now).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use orchestrator_crds::{OperationStatus, OperationType, OrchestratorClusterSpec};
use orchestrator_operator::observation::{
    Answer, Delivery, Memory, Observation, Pod, Seat, Set, Trouble, Verbs, Volume, VolumeState,
};
use orchestrator_operator::plan::{Action, Change, Plan, plan};
use orchestrator_wire::{DataState, MemberName, MemberStatus, Members, Replication};

/// The group of every picture.
pub(super) const GROUP: &str = "c0ffee";

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("a year that exists")
}

pub(super) fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn address(name: &str) -> String {
    match name.strip_prefix('x') {
        Some(number) => format!("x{number}.example.net:10008"),
        None => format!("main-{name}.main-raft.test.svc:10008"),
    }
}

/// One line of a picture.
struct Line<'a> {
    name: &'a str,
    is: &'a str,
    words: Vec<&'a str>,
}

impl Line<'_> {
    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    fn number(&self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number")))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn id(&self) -> u64 {
        let own = self
            .name
            .strip_prefix('x')
            .map_or_else(|| self.name.parse::<u64>().map(|n| n + 1), |n| n.parse::<u64>().map(|n| n + 100));
        self.number("id").unwrap_or_else(|| own.expect("a line begins with an ordinal or x and a number"))
    }

    fn votes(&self) -> bool {
        matches!(self.is, "leader" | "voter" | "silent") || self.has("member")
    }

    fn is_heard(&self) -> bool {
        matches!(self.is, "leader" | "voter" | "learner")
    }
}

/// A drawn group, all of whose facts can be changed before it is judged.
pub(super) fn draw(picture: &str) -> Observation {
    let lines: Vec<Line<'_>> = picture
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let (name, is) =
                (words.next().expect("not empty"), words.next().expect("a line says what it is"));
            Line { name, is, words: words.collect() }
        })
        .collect();
    let members = members(&lines);
    let leader = lines.iter().find(|line| line.is == "leader");
    let external: Vec<_> = lines.iter().filter(|line| line.name.starts_with('x')).collect();
    let mut spec = OrchestratorClusterSpec::default();
    let pods = lines.iter().filter(|line| !line.name.starts_with('x'));
    spec.replicas = i32::try_from(pods.clone().count()).expect("few");
    spec.raft.external_members = external.iter().map(|line| address(line.name)).collect();
    let peers: Vec<String> = lines.iter().map(|line| address(line.name)).collect();
    Observation {
        now: now(),
        name: "main".into(),
        namespace: "test".into(),
        deleting: false,
        verbs: Verbs::default(),
        memory: Memory {
            cluster_id: Some(GROUP.into()),
            leader: leader.map(|leader| (leader.id(), 7, ago(60))),
            quorum_lost_since: leader.is_none().then(|| ago(900)),
            ..Memory::default()
        },
        set: Some(Set {
            uid: "set".into(),
            resource_version: "1".into(),
            replicas: u32::try_from(spec.replicas).expect("few"),
            update_revision: "new".into(),
            image: "orchestrator:0.1.0".into(),
            observed: true,
            storage: 1 << 30,
            terminating: false,
        }),
        seats: pods
            .map(|line| (line.name.parse().expect("an ordinal"), seat(line, &members, &lines)))
            .collect(),
        external: external.iter().map(|line| (address(line.name), answer(line, &members, &lines))).collect(),
        invalid: Vec::new(),
        delivery: Delivery { peers, peers_hash: "peers".into() },
        may_roll: true,
        fresh_id: "fresh".into(),
        spec: Arc::new(spec),
    }
}

fn members(lines: &[Line<'_>]) -> Members {
    let name = |line: &Line<'_>| MemberName {
        node_id: line.number("was").unwrap_or_else(|| line.id()),
        addr: address(line.name),
    };
    let before = |line: &&Line<'_>| line.number("was").is_some();
    let learner = |line: &Line<'_>| MemberName { node_id: line.id(), addr: address(line.name) };
    Members {
        joint: lines.iter().any(|line| line.has("joint")),
        committed: !lines.iter().any(|line| line.has("uncommitted")),
        voters: lines.iter().filter(|line| line.votes() || before(line)).map(name).collect(),
        learners: lines.iter().filter(|line| line.is == "learner").map(learner).collect(),
    }
}

fn seat(line: &Line<'_>, members: &Members, lines: &[Line<'_>]) -> Seat {
    let state = match line.number("lost") {
        Some(seconds) => VolumeState::Lost(ago(i64::try_from(seconds).expect("small"))),
        None => VolumeState::Bound,
    };
    let volume = (!line.has("novolume")).then(|| Volume {
        name: format!("data-main-{}", line.name),
        uid: format!("volume-{}", line.name),
        resource_version: "5".into(),
        created: ago(9000),
        terminating: line.has("wiping"),
        state,
        group: line.text("label").map(str::to_owned),
        requested: if line.has("small") { 1 << 29 } else { 1 << 30 },
        capacity: if line.has("small") { 1 << 29 } else { 1 << 30 },
        class: Some("standard".into()),
        expands: Some(!line.has("fixed")),
    });
    Seat {
        address: address(line.name),
        pod: (!line.has("nopod")).then(|| pod(line)),
        volume,
        answer: answer(line, members, lines),
    }
}

fn pod(line: &Line<'_>) -> Pod {
    let is_ready = matches!(line.is, "leader" | "voter") || line.has("ready");
    let is_ready = is_ready && !line.has("unready");
    let trouble = line.text("dead").map(|why| match why {
        "Pending" => Trouble::Unschedulable("0/3 nodes are available".into()),
        why => Trouble::Waiting(why.into(), String::new()),
    });
    Pod {
        name: format!("main-{}", line.name),
        uid: format!("pod-{}", line.name),
        resource_version: "9".into(),
        created: ago(600),
        revision: if line.has("old") { "old" } else { "new" }.into(),
        ready_since: is_ready.then(|| ago(if line.has("fresh") { 3 } else { 500 })),
        terminating: line.has("going"),
        trouble,
        node: Some("node-a".into()),
        node_problem: line.has("nodedown").then(|| "is NotReady for 12m".into()),
        config_hash: Some("files".into()),
        replace: line.has("replace"),
    }
}

fn answer(line: &Line<'_>, members: &Members, lines: &[Line<'_>]) -> Answer {
    let mut status = MemberStatus {
        cluster_id: GROUP.into(),
        node_id: line.id(),
        epoch: 1,
        initialized: true,
        data_state: DataState::Present,
        term: 7,
        last_log_index: Some(5000),
        membership_log_index: Some(40),
        membership: members.clone(),
        raft_nodes_hash: if line.has("unlisted") { "other" } else { "peers" }.into(),
        config_hash: if line.has("unread") { "other" } else { "files" }.into(),
        min_version: "0.1.0".into(),
        active_recoveries: line.number("recoveries").unwrap_or(0),
        removed: line.has("removed"),
        ..MemberStatus::default()
    };
    status.status.state = "Follower".into();
    match line.is {
        "silent" | "none" => return Answer::Silent("connection refused".into()),
        "empty" => {
            let (raft_nodes_hash, config_hash) = (status.raft_nodes_hash, status.config_hash);
            return Answer::Status(Box::new(MemberStatus {
                raft_nodes_hash,
                config_hash,
                ..MemberStatus::default()
            }));
        }
        "stale" => status.node_id = line.number("id").unwrap_or(77),
        "foreign" => status.cluster_id = "another".into(),
        "corrupt" => {
            (status.data_state, status.reason) = (DataState::Corrupt, "the database is malformed".into())
        }
        "leader" => {
            status.status.state = "Leader".into();
            status.replication = replication(lines);
        }
        _ => {}
    }
    let is_led = lines.iter().any(|line| line.is == "leader");
    status.status.healthy = is_led && matches!(line.is, "leader" | "voter");
    if let Some(last) = line.number("last") {
        status.last_log_index = Some(last);
    }
    Answer::Status(Box::new(status))
}

fn replication(lines: &[Line<'_>]) -> BTreeMap<u64, Replication> {
    let others = lines.iter().filter(|line| line.is != "leader");
    let progress = |line: &Line<'_>| {
        let id = line.number("was").unwrap_or_else(|| line.id());
        let lag = line.number("lag").unwrap_or(0);
        let heard = Replication { matched_index: Some(5000 - lag), last_ack_ms: Some(40) };
        let silent = Replication { matched_index: Some(10), last_ack_ms: Some(90_000) };
        (id, if line.is_heard() && line.number("was").is_none() { heard } else { silent })
    };
    let mut progress: BTreeMap<u64, Replication> = others.clone().map(progress).collect();
    for line in others.filter(|line| line.is == "learner" && line.number("was").is_some()) {
        let lag = line.number("lag").unwrap_or(0);
        progress.insert(line.id(), Replication { matched_index: Some(5000 - lag), last_ack_ms: Some(40) });
    }
    progress
}

/// What was under way so many seconds ago.
pub(super) fn under_way(
    operation: OperationType,
    target: &str,
    step: &str,
    seconds: i64,
    attempts: i32,
) -> OperationStatus {
    OperationStatus {
        id: "1".into(),
        operation_type: operation,
        targets: vec![target.into()],
        step: step.into(),
        started_at: Time(ago(seconds)),
        step_started_at: Time(ago(seconds)),
        attempts,
        last_error: None,
    }
}

/// The same in the next pass, in which nothing changed but what the status remembers of this one.
pub(super) fn looked_at_again(mut seen: Observation) -> Observation {
    seen.memory.operation = plan(&seen)
        .operation
        .map(|now| OperationStatus { targets: now.targets, ..under_way(now.operation, "", &now.step, 2, 0) });
    seen
}

/// What is done, in a few words: `evict main-2`, or `-`.
pub(super) fn deed(plan: &Plan) -> String {
    let Some(action) = &plan.action else { return "-".into() };
    match action {
        Action::RecordBootstrap { cluster_id, members, .. } => {
            format!("record {cluster_id} of {}", members.len())
        }
        Action::Bootstrap => "bootstrap".into(),
        Action::RecordGroup { cluster_id, adopted } => {
            format!("{} {cluster_id}", if *adopted { "adopt" } else { "formed" })
        }
        Action::Membership { change: Change::AddLearner(at), .. } => format!("add {}", short(at)),
        Action::Membership { change: Change::Voters(voters), .. } => format!("voters {voters:?}"),
        Action::Membership { change: Change::RemoveLearner(node), .. } => format!("drop {node}"),
        Action::Transfer { to } => format!("transfer {}", short(to)),
        Action::Reload { ordinal } => format!("reload {ordinal}"),
        Action::Evict(target) => format!("evict {}", target.pod),
        Action::DeletePod(target) => format!("delete {}", target.pod),
        Action::DeleteVolume { name, .. } => format!("delete {name}"),
        Action::GrowVolume { name, bytes } => format!("grow {name} {bytes}"),
        Action::RecreateSet { .. } => "recreate set".into(),
        Action::ForceNewCluster { ordinal, epoch, .. } => format!("alone {ordinal} epoch {epoch}"),
        Action::ClearVerb { key, pod } => {
            let key = key.rsplit('/').next().unwrap_or_default();
            format!("clear {key}{}", pod.as_ref().map(|pod| format!(" of {}", pod.pod)).unwrap_or_default())
        }
        Action::ForgetGroup => "forget".into(),
    }
}

fn short(address: &str) -> &str {
    address.split('.').next().unwrap_or_default()
}

/// What is done for a picture.
pub(super) fn decide(picture: &str) -> String {
    deed(&plan(&draw(picture)))
}

/// The observation with another wish.
pub(super) fn wishing(mut seen: Observation, wish: impl FnOnce(&mut OrchestratorClusterSpec)) -> Observation {
    wish(Arc::make_mut(&mut seen.spec));
    seen
}
