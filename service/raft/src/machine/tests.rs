use std::path::Path;
use std::time::Duration;

use orchestrator_backend::{BackendHandle, NodeIdentity, SqliteBackend, SqliteOptions};
use orchestrator_core::instance::PromotionRule;
use orchestrator_core::{InstanceKey, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::*;
use crate::command::{
    Acknowledge, BeginRecovery, DeclareDowntime, EndRecovery, Expire, RecoveryProgress, RegisterDetection,
    Selector, Step,
};

const EPOCH: i64 = 1_767_323_045_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(EPOCH + seconds * 1000 + 7)
}

fn open(path: &Path) -> Box<dyn Backend> {
    let node = NodeIdentity { hostname: "orc-0".into(), token: "t".into() };
    Box::new(SqliteBackend::open(path, &SqliteOptions::new(node, "1", at(0))).unwrap())
}

fn machine() -> (BackendMachine, MachineNews) {
    BackendMachine::owning(open(Path::new(":memory:"))).unwrap()
}

/// The replicated state of a machine as text.
fn state(machine: &mut BackendMachine) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("snapshot");
    machine.write_snapshot(&file).unwrap();
    std::fs::read_to_string(file).unwrap()
}

fn run(machine: &mut BackendMachine, first: u64, commands: &[Command]) -> Vec<Reply> {
    let numbered: Vec<(u64, &Command)> = (first..).zip(commands).collect();
    let mark = (first + commands.len() as u64).to_be_bytes();
    machine.apply(&mark, &numbered).unwrap()
}

/// Commands over few instances, so that they meet; times rise as a leader's clock does.
struct Leader {
    random: StdRng,
    now: i64,
}

impl Leader {
    fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), now: 0 }
    }

    fn commands(&mut self, count: usize) -> Vec<Command> {
        (0..count).map(|_| self.command()).collect()
    }

    fn host(&mut self) -> InstanceKey {
        InstanceKey::new(*["a", "b", "c"].choose(&mut self.random).unwrap(), 3306)
    }

    fn uid(&mut self) -> String {
        format!("{}:x", self.random.random_range(0..6))
    }

    fn steps(&mut self) -> Vec<Step> {
        let message = format!("at {}", self.now);
        vec![Step { at: at(self.now), message }]
    }

    fn command(&mut self) -> Command {
        self.now += self.random.random_range(0..40);
        let now = at(self.now);
        match self.random.random_range(0..16) {
            0 => Command::Discover { key: self.host(), at: now },
            1 => Command::Forget { key: self.host() },
            2 => Command::BeginDowntime(self.downtime()),
            3 => Command::EndDowntime { key: self.host() },
            4 => {
                let rule = *PromotionRule::ALL.choose(&mut self.random).unwrap();
                Command::RegisterCandidate { key: self.host(), rule, at: now }
            }
            5 if self.random.random_bool(0.2) => {
                Command::DisableGlobalRecoveries { by: "me".into(), at: now }
            }
            5 => Command::EnableGlobalRecoveries { by: "me".into(), at: now },
            6 => {
                let alias = self.random.random_bool(0.7).then(|| "main".to_owned());
                Command::SetClusterAlias { cluster: self.host().to_string(), alias }
            }
            7 => Command::PutKeyValue { key: self.uid(), value: self.now.to_string(), at: now },
            8 => Command::RegisterDetection(self.detection()),
            9 => Command::BeginRecovery(self.begin()),
            10 => Command::RecoveryProgress(self.progress()),
            11 => Command::EndRecovery(self.end()),
            12 => Command::AckRecovery(self.acknowledge()),
            13 => Command::IssueAccessToken {
                public: self.uid(),
                secret: self.now.to_string(),
                owner: "dba".into(),
                at: now,
                forget_before: at(self.now - 100),
            },
            14 => {
                let (public, secret) = (self.uid(), self.now.to_string());
                Command::RedeemAccessToken { public, secret, not_before: at(self.now - 30), at: now }
            }
            _ => Command::Expire(self.expire()),
        }
    }

    fn downtime(&mut self) -> DeclareDowntime {
        let ends_at = at(self.now + self.random.random_range(-5..200));
        let (owner, reason) = ("dba".into(), "disk".into());
        DeclareDowntime { key: self.host(), owner, reason, begins_at: at(self.now), ends_at }
    }

    fn detection(&mut self) -> RegisterDetection {
        let key = self.host();
        RegisterDetection {
            at_least_id: self.random.random_range(0..5),
            cluster: key.to_string(),
            key,
            analysis: "DeadMaster".into(),
            cluster_alias: "main".into(),
            replica_count: 1,
            replicas: vec![self.host()],
            actionable: self.random.random_bool(0.5),
            node_hostname: "orc-0".into(),
            node_token: "t".into(),
            at: at(self.now),
            active_since: at(self.now - 100),
        }
    }

    fn begin(&mut self) -> BeginRecovery {
        let failed = self.host();
        BeginRecovery {
            // Unique, as a leader makes them.
            uid: format!("{}:x", self.random.random::<u64>() % 1_000_000 + 6),
            at_least_id: self.random.random_range(0..5),
            cluster: self.host().to_string(),
            failed,
            analysis: "DeadMaster".into(),
            cluster_alias: "main".into(),
            replica_count: 1,
            replicas: vec![self.host()],
            node_hostname: "orc-0".into(),
            node_token: "t".into(),
            at: at(self.now),
            active_since: at(self.now - 100),
            forced: self.random.random_bool(0.5),
            stage: "begun".into(),
            record: "{}".into(),
        }
    }

    fn progress(&mut self) -> RecoveryProgress {
        RecoveryProgress {
            uid: self.uid(),
            expected_seq: self.random.random_range(0..3),
            stage: "promote".into(),
            record: self.now.to_string(),
            successor: self.random.random_bool(0.5).then(|| self.host()),
            steps: self.steps(),
            at: at(self.now),
        }
    }

    fn end(&mut self) -> EndRecovery {
        EndRecovery {
            uid: self.uid(),
            expected_seq: self.random.random_range(0..3),
            success: self.random.random_bool(0.7),
            successor: Some(self.host()),
            successor_alias: String::new(),
            lost_replicas: vec![self.host()],
            participants: vec![],
            errors: vec!["e".into()],
            steps: self.steps(),
            downtimes: vec![self.downtime()],
            end_downtimes: vec![self.host()],
            aliases: vec![(self.host().to_string(), "main".into())],
            at: at(self.now),
        }
    }

    fn acknowledge(&mut self) -> Acknowledge {
        let selector = match self.random.random_range(0..5) {
            0 => Selector::All {},
            1 => Selector::Id(self.random.random_range(1..9)),
            2 => Selector::Uid(self.uid()),
            3 => Selector::Cluster("main".into()),
            _ => Selector::Instance(self.host()),
        };
        Acknowledge { selector, by: "me".into(), comment: "seen".into(), at: at(self.now) }
    }

    fn expire(&mut self) -> Expire {
        let before = at(self.now - 300);
        Expire {
            at: at(self.now),
            lost_until: at(self.now + 1000),
            candidates_before: before,
            recoveries_before: before,
            detections_before: before,
        }
    }
}

/// Makes progress and ends meet recoveries that are really there.
fn adopted(commands: Vec<Command>) -> Vec<Command> {
    let mut running: Vec<String> = Vec::new();
    let mut turn = 0;
    let mut next = |running: &[String]| {
        turn += 1;
        running.get(turn % running.len().max(1)).cloned()
    };
    let mut adopt = |mut command: Command| {
        match &mut command {
            Command::BeginRecovery(begin) => running.push(begin.uid.clone()),
            Command::RecoveryProgress(progress) => progress.uid = next(&running).unwrap_or_default(),
            Command::EndRecovery(end) => end.uid = next(&running).unwrap_or_default(),
            _ => {}
        }
        if running.len() > 3 {
            running.remove(0);
        }
        command
    };
    commands.into_iter().map(&mut adopt).collect()
}

#[test]
fn the_same_commands_make_the_same_state_however_they_are_batched() {
    let mut ended = 0;
    for seed in 0..20 {
        let commands = adopted(Leader::new(seed).commands(120));
        let ((mut one, _), (mut other, _)) = (machine(), machine());
        let replies = run(&mut one, 1, &commands);
        let mut again = Vec::new();
        for (n, chunk) in commands.chunks(7).enumerate() {
            again.extend(run(&mut other, n as u64 * 7 + 1, chunk));
        }
        assert_eq!(replies, again, "seed {seed}");
        assert_eq!(state(&mut one), state(&mut other), "seed {seed}");
        ended += replies.iter().filter(|reply| matches!(reply, Reply::Ended { .. })).count();
    }
    assert!(ended > 0, "the generator must end some recoveries");
}

#[test]
fn a_node_that_joins_by_snapshot_holds_the_same_state_ever_after() {
    for seed in 100..115 {
        let mut leader = Leader::new(seed);
        let (before, after) = {
            let mut commands = adopted(leader.commands(120));
            let after = commands.split_off(60);
            (commands, after)
        };
        let ((mut old, _), (mut new, mut news)) = (machine(), machine());
        run(&mut old, 1, &before);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("snapshot");
        old.write_snapshot(&file).unwrap();
        // A past of its own, which must not shine through.
        run(&mut new, 1, &Leader::new(seed + 1000).commands(30));
        new.install_snapshot(&file, b"m").unwrap();
        assert_eq!(new.applied().unwrap().as_deref(), Some(&b"m"[..]));
        run(&mut old, 61, &after);
        run(&mut new, 61, &after);
        assert_eq!(state(&mut old), state(&mut new), "seed {seed}");
        assert!(std::iter::from_fn(|| news.effects.take()).any(|effect| effect == Effect::Everything));
    }
}

#[test]
fn a_node_that_joins_from_the_start_of_the_log_holds_the_same_state_whatever_it_held_before() {
    for seed in 200..215 {
        let commands = adopted(Leader::new(seed).commands(120));
        let ((mut old, _), (mut new, _)) = (machine(), machine());
        run(&mut old, 1, &commands);
        // A clone of the group's own state, or what is left of another one.
        match seed % 2 {
            0 => run(&mut new, 1, &commands),
            _ => run(&mut new, 1, &Leader::new(seed + 1000).commands(60)),
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("empty");
        new.write_empty(&file).unwrap();
        new.install_snapshot(&file, b"m").unwrap();
        run(&mut new, 1, &commands);
        assert_eq!(state(&mut old), state(&mut new), "seed {seed}");
    }
}

fn on_disk() -> (TempDir, Box<dyn Backend>) {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(&dir.path().join("o.db"));
    (dir, backend)
}

#[test]
fn a_batch_that_fails_leaves_state_and_mark_and_can_be_applied_again() {
    let (_dir, mut backend) = on_disk();
    let commands: Vec<Command> = (0..200)
        .map(|n| Command::PutKeyValue { key: format!("k{n}"), value: "v".repeat(500), at: at(n) })
        .collect();
    let pages = backend.query_int("pragma page_count", &[]).unwrap();
    backend.query_int(&format!("pragma max_page_count = {}", pages + 3), &[]).unwrap();
    let (mut machine, mut news) = BackendMachine::owning(backend).unwrap();
    run(&mut machine, 1, &commands[..1]);
    let before = state(&mut machine);
    let numbered: Vec<(u64, &Command)> = (2..).zip(&commands[1..]).collect();
    let error = machine.apply(b"late", &numbered).unwrap_err();
    assert!(error.to_string().contains("backend"), "{error}");
    assert_eq!(state(&mut machine), before);
    assert_eq!(machine.applied().unwrap().as_deref(), Some(&2_u64.to_be_bytes()[..]));
    assert_eq!(std::iter::from_fn(|| news.effects.take()).count(), 1, "no effect without a commit");

    let Access::Own(backend) = &mut machine.access else { panic!("it is ours") };
    backend.query_int("pragma max_page_count = 100000", &[]).unwrap();
    machine.apply(b"late", &numbered).unwrap();
    let (mut straight, _) = self::machine();
    run(&mut straight, 1, &commands);
    assert_eq!(state(&mut machine), state(&mut straight));
}

#[test]
fn what_was_applied_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    let commands = adopted(Leader::new(7).commands(50));
    let (mut first, _) = BackendMachine::owning(open(&path)).unwrap();
    assert_eq!(first.applied().unwrap(), None);
    run(&mut first, 1, &commands);
    let before = state(&mut first);
    drop(first);
    let (mut second, news) = BackendMachine::owning(open(&path)).unwrap();
    assert_eq!(state(&mut second), before);
    assert_eq!(second.applied().unwrap().as_deref(), Some(&51_u64.to_be_bytes()[..]));
    assert_eq!(**news.declared.borrow(), open_declared(&mut second));
}

fn open_declared(machine: &mut BackendMachine) -> Declared {
    machine.access.run(|backend| backend.declared()).unwrap()
}

#[test]
fn effects_follow_commands_and_what_is_declared_is_there_first() {
    let (mut machine, mut news) = machine();
    let key = InstanceKey::new("a", 3306);
    let downtime = DeclareDowntime {
        key: key.clone(),
        owner: "dba".into(),
        reason: "disk".into(),
        begins_at: at(0),
        ends_at: at(9),
    };
    let backwards = DeclareDowntime { ends_at: at(-1), ..downtime.clone() };
    let commands = [
        Command::Discover { key: key.clone(), at: at(0) },
        Command::BeginDowntime(downtime),
        Command::BeginDowntime(backwards),
        Command::EndDowntime { key: InstanceKey::new("never", 1) },
        Command::Forget { key: key.clone() },
    ];
    let replies = run(&mut machine, 1, &commands);
    assert!(matches!(replies[2], Reply::Refused { .. }));
    assert_eq!(replies[3], Reply::Done, "ending what is not there is no error");
    let effects: Vec<_> = std::iter::from_fn(|| news.effects.take()).collect();
    let expected =
        [Effect::Probe(key.clone()), Effect::DeclaredChanged, Effect::Forgotten(vec![key.clone()])];
    assert_eq!(effects, expected);
    assert!(news.declared.borrow().downtimes.contains_key(&key));
}

#[test]
fn a_node_that_does_not_drain_is_told_to_reread_everything() {
    let (mut machine, mut news) = machine();
    for n in 0..3000 {
        let key = InstanceKey::new(format!("h{n}"), 1);
        run(&mut machine, n + 1, &[Command::Discover { key, at: at(0) }]);
    }
    let effects: Vec<_> = std::iter::from_fn(|| news.effects.take()).collect();
    assert_eq!(effects[0], Effect::Everything);
    assert!(effects.len() <= 1024, "{}", effects.len());
    assert_eq!(effects.last(), Some(&Effect::Probe(InstanceKey::new("h2999", 1))), "the newest is not lost");
}

#[tokio::test]
async fn effects_end_with_the_machine() {
    let (mut machine, mut news) = machine();
    let key = InstanceKey::new("a", 1);
    run(&mut machine, 1, &[Command::Discover { key: key.clone(), at: at(0) }]);
    drop(machine);
    assert_eq!(news.effects.next().await, Some(Effect::Probe(key)));
    assert_eq!(news.effects.next().await, None);
}

#[test]
fn a_machine_is_copied_while_the_backend_is_busy() {
    let (dir, backend) = on_disk();
    let (handle, threads) = BackendHandle::start(backend).unwrap();
    let (mut machine, news) = BackendMachine::shared(handle.clone()).unwrap();
    run(&mut machine, 1, &Leader::new(3).commands(50));
    let expected = state(&mut machine);
    let copier = machine.copier().unwrap().expect("a file allows another connection");
    let (busy, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let occupied = handle.clone();
    let occupying = std::thread::spawn(move || {
        let waits = move |_: &mut dyn Backend| Ok::<_, BackendError>(wait.recv().is_err());
        occupied.call_blocking(waits).unwrap()
    });
    let file = dir.path().join("copy");
    assert_eq!(copier(&file).unwrap().as_deref(), Some(&51_u64.to_be_bytes()[..]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
    drop(busy);
    assert!(occupying.join().unwrap().unwrap());
    drop((handle, machine, news));
    threads.join();
}

#[tokio::test]
async fn a_machine_shares_the_backend_with_the_rest_of_the_node() {
    let (_dir, backend) = on_disk();
    let (handle, _threads) = BackendHandle::start(backend).unwrap();
    let shared = handle.clone();
    let key = InstanceKey::new("a", 1);
    let command = Command::Discover { key: key.clone(), at: at(0) };
    let mut news = tokio::task::spawn_blocking(move || {
        let (mut machine, news) = BackendMachine::shared(shared).unwrap();
        run(&mut machine, 1, &[command]);
        news
    })
    .await
    .unwrap();
    assert_eq!(news.effects.next().await, Some(Effect::Probe(key.clone())));
    let found = handle.read(Duration::from_secs(10), |backend| backend.discovered()).await.unwrap();
    assert_eq!(found, [key]);
}
