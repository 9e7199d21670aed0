//! Puts a node together: checks, files, port, then the tasks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use crate::error::StartError;
use crate::events::Standing;
use crate::fatal::Fatal;
use crate::files::OwnFiles;
use crate::formation::{Formation, Order};
use crate::health::{Facts, Health, assess};
use crate::identity::Identity;
use crate::local::Local;
use crate::log::OpenLog;
use crate::member::Member;
use crate::membership::{Changer, Keeper, Wish};
use crate::node::{Inner, RaftNode};
use crate::observer::Observer;
use crate::own_loop::OwnLoop;
use crate::port::{Answerer, Machine};
use crate::settings::{Checked, Policy, RaftSettings, Timings};
use crate::state::{FoundingState, MachineThread, StateMachine};
use crate::transport::{
    Acceptor, Complaints, Dialer, Installing, Links, MAX_ENTRIES, Room, Server, TcpAcceptor, TcpDialer, Tls,
    TlsSettings,
};
use crate::types::Raft;
use crate::work::{Disk, Work};

/// The raft library waits so long for a raft snapshot to arrive; our own limits are shorter.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(600);
/// First pauses between attempts to reach a peer that is away, and the longest one.
const BACKOFF: &str = "50ms 100ms 200ms ..500ms";

/// The network of a node: TCP in production, simulated in a simulator.
pub struct Wire {
    /// Connects to peers.
    pub dialer: Arc<dyn Dialer>,
    /// Accepts them.
    pub acceptor: Box<dyn Acceptor>,
}

impl RaftNode {
    /// Starts a node on TCP and returns at once; the group forms in the background.
    ///
    /// Raft gets threads of its own. Questions of peers are answered on the caller's event loop.
    ///
    /// Errors are what a person must mend: see [`StartError`]. Peers that are away are not an error;
    /// [`Health::waiting_for`] names them.
    pub async fn start(
        settings: RaftSettings,
        machine: Box<dyn Machine>,
        answerer: Arc<dyn Answerer>,
    ) -> Result<Self, StartError> {
        Self::start_with(settings, Policy::default(), machine, answerer).await
    }

    /// Like [`start`](Self::start), where others than the nodes themselves may decide on the members.
    pub async fn start_with(
        settings: RaftSettings,
        policy: Policy,
        machine: Box<dyn Machine>,
        answerer: Arc<dyn Answerer>,
    ) -> Result<Self, StartError> {
        Self::start_secured(settings, policy, None, machine, answerer).await
    }

    /// Like [`start_with`](Self::start_with); with `tls`, peers must prove by a certificate who they are.
    pub async fn start_secured(
        settings: RaftSettings,
        policy: Policy,
        tls: Option<TlsSettings>,
        machine: Box<dyn Machine>,
        answerer: Arc<dyn Answerer>,
    ) -> Result<Self, StartError> {
        let mut checked = settings.check(policy)?;
        if let Some(tls) = tls {
            checked.tls = Some(Arc::new(Tls::load(tls, checked.name.clone()).await?));
        }
        let own_loop = own_loop(&checked)?;
        let handle = own_loop.handle().clone();
        let program = Program { answerer, handle: Handle::current() };
        let dir = checked.data_dir.clone();
        let starting = handle.spawn(async move {
            let files = open(checked.clone(), machine, &Work::Threads).await?;
            let acceptor = Box::new(TcpAcceptor::bind(&checked.bind).await?);
            let wire = Wire { dialer: Arc::new(TcpDialer::default()), acceptor };
            Self::assemble(checked, files, program, wire, Home::Own(own_loop))
        });
        starting.await.map_err(|error| StartError::DataDir { dir, source: std::io::Error::other(error) })?
    }

    /// Starts a node on a network and an event loop of the caller's.
    pub async fn start_on(
        settings: RaftSettings,
        policy: Policy,
        machine: Box<dyn Machine>,
        answerer: Arc<dyn Answerer>,
        wire: Wire,
    ) -> Result<Self, StartError> {
        Self::start_with_work(settings, policy, machine, answerer, wire, Work::Threads).await
    }

    /// Starts a node that has no thread at all, on disks, a network and a clock of the caller's: for simulations.
    ///
    /// Its files are real, and are read and written on the event loop whenever `disk` lets them be. Dropping the node
    /// is its crash, from the next access to disk or network on: those must not resolve any more.
    pub async fn start_simulated(
        settings: RaftSettings,
        policy: Policy,
        machine: Box<dyn Machine>,
        answerer: Arc<dyn Answerer>,
        wire: Wire,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, StartError> {
        Self::start_with_work(settings, policy, machine, answerer, wire, Work::Inline(disk)).await
    }

    async fn start_with_work(
        settings: RaftSettings,
        policy: Policy,
        machine: Box<dyn Machine>,
        answerer: Arc<dyn Answerer>,
        wire: Wire,
        work: Work,
    ) -> Result<Self, StartError> {
        let checked = settings.check(policy)?;
        let files = open(checked.clone(), machine, &work).await?;
        let program = Program { answerer, handle: Handle::current() };
        Self::assemble(checked, files, program, wire, Home::Caller(work))
    }

    fn assemble(
        settings: Checked,
        files: Files,
        program: Program,
        wire: Wire,
        home: Home,
    ) -> Result<Self, StartError> {
        let Files { identity, log, state: (state, machine_thread), wish, ordered, fatal, own } = files;
        let config = Arc::new(raft_config(&settings.timings)?);
        let (own_loop, work) = home.parts();
        let (log, log_thread) = log.serve(fatal.clone(), &work)?;
        let host = state.host();
        let under_way =
            ordered.as_ref().filter(|order| order.is_under_way(identity.as_ref())).map(Order::plan);
        let local = Arc::new(Local::new(settings, log, identity, wish, fatal, work));
        let links = Arc::new(Links::new(local.clone(), wire.dialer));
        let (raft, order) = (watch::Sender::new(None), watch::Sender::new(under_way));
        let (waiting, pending) = (watch::Sender::new(Vec::new()), watch::Sender::new(Vec::new()));
        let (called, refresh) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let backend = Arc::new(Mutex::new(None));
        let (health, leadership) = (watch::Sender::new(Arc::new(unformed(&local))), watch::Sender::default());
        let changer = Arc::new(Changer::new(links.clone(), raft.subscribe()));

        let server = program.serve(&local, &raft, &called, state.founding());
        let observer = Observer {
            local: local.clone(),
            raft: raft.subscribe(),
            waiting: waiting.subscribe(),
            pending: pending.subscribe(),
            backend: backend.clone(),
            refresh: refresh.clone(),
            health: health.clone(),
            leadership: leadership.clone(),
            told: Standing::default(),
        };
        let formation = Formation {
            local: local.clone(),
            links: links.clone(),
            config,
            founding: state.founding(),
            state: Some(state),
            called,
            raft: raft.clone(),
            waiting,
            order: order.subscribe(),
        };
        local.spawn(server.run(wire.acceptor));
        local.spawn(links.clone().keep_in_touch(raft.subscribe()));
        local.spawn(observer.run());
        local.spawn(formation.run());
        local.spawn(Keeper { changer: changer.clone(), pending }.run());
        Ok(Self::new(Inner {
            local,
            links,
            raft,
            health,
            leadership,
            backend,
            refresh,
            host,
            files: own,
            changer,
            order,
            ordered: tokio::sync::Mutex::new(ordered),
            threads: Mutex::new(Some((log_thread, machine_thread))),
            _own_loop: own_loop,
        }))
    }
}

/// Who answers questions, and where.
struct Program {
    answerer: Arc<dyn Answerer>,
    handle: Handle,
}

impl Program {
    /// The listening side, which has questions answered here.
    fn serve(
        self,
        local: &Arc<Local>,
        raft: &watch::Sender<Option<Raft>>,
        called: &Arc<Notify>,
        founding: FoundingState,
    ) -> Arc<Server> {
        Arc::new(Server {
            local: local.clone(),
            raft: raft.subscribe(),
            called: called.clone(),
            answerer: self.answerer,
            program: self.handle,
            founding,
            installing: Installing::default(),
            complaints: Complaints::default(),
            room: Room::default(),
        })
    }
}

/// Whose event loop a node runs on, and where it does what blocks.
enum Home {
    Own(OwnLoop),
    Caller(Work),
}

impl Home {
    fn parts(self) -> (Option<OwnLoop>, Work) {
        match self {
            Self::Own(own_loop) => (Some(own_loop), Work::Threads),
            Self::Caller(work) => (None, work),
        }
    }
}

fn own_loop(settings: &Checked) -> Result<OwnLoop, StartError> {
    OwnLoop::start().map_err(|source| StartError::DataDir { dir: settings.data_dir.clone(), source })
}

/// What lies on the disk, opened and checked.
struct Files {
    identity: Option<Identity>,
    log: OpenLog,
    state: (StateMachine, MachineThread),
    wish: Wish,
    /// The group that it was told to form.
    ordered: Option<Order>,
    fatal: Fatal,
    own: OwnFiles,
}

/// Opens the files beside the event loop: a check of the log reads all of it.
async fn open(settings: Checked, machine: Box<dyn Machine>, work: &Work) -> Result<Files, StartError> {
    let (dir, doing) = (settings.data_dir.clone(), work.clone());
    let opened = work.blocking(move || Ok(open_files(&settings, machine, &doing))).await;
    opened.map_err(|source| StartError::DataDir { dir, source })?
}

fn open_files(settings: &Checked, machine: Box<dyn Machine>, work: &Work) -> Result<Files, StartError> {
    let (dir, fatal) = (settings.data_dir.as_path(), Fatal::of(settings.name.as_str()));
    std::fs::create_dir_all(dir).map_err(|source| StartError::DataDir { dir: dir.to_owned(), source })?;
    let log = OpenLog::open(dir)?;
    let identity = Identity::load(dir)?;
    log.check_owner(identity.as_ref())?;
    let state = StateMachine::open(dir, machine, log.end()?, fatal.clone(), work)?;
    let wish = Wish::load(dir, settings.nodes.clone())?;
    let ordered = Order::load(dir)?;
    let own = OwnFiles::of(dir, &log);
    Ok(Files { identity, log, state, wish, ordered, fatal, own })
}

fn raft_config(timings: &Timings) -> Result<Config, StartError> {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: "orchestrator".into(),
        heartbeat_interval: ms(timings.answer_limit()),
        // Sent by `own_loop::beat`, more often than the raft library would.
        enable_heartbeat: false,
        election_timeout_min: ms(timings.election_min),
        election_timeout_max: ms(timings.election_max),
        install_snapshot_timeout: ms(SNAPSHOT_LIMIT),
        max_payload_entries: MAX_ENTRIES as u64,
        max_append_entries: Some(MAX_ENTRIES as u64),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(timings.snapshot_every),
        max_in_snapshot_log_to_keep: timings.keep_logs,
        // A peer that was away for less than this catches up by log.
        replication_lag_threshold: timings.snapshot_every.max(timings.keep_logs),
        backoff: BACKOFF.into(),
        enable_pre_vote: Some(true),
        // A restarted leader must be elected anew: its state may be behind what it committed.
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        ..Config::default()
    };
    if timings.heartbeat >= timings.answer_limit() {
        return Err(StartError::Timings { what: "the heartbeat is not shorter than election_min".into() });
    }
    config.validate().map_err(|error| StartError::Timings { what: error.to_string() })
}

/// The health before the first tick.
fn unformed(local: &Local) -> Health {
    let (state, is_part_of_quorum, reason) = assess(&Facts::default());
    let identity = local.identity();
    let me = identity.as_ref().map_or(0, |identity| identity.node_id);
    Health {
        state,
        healthy: false,
        reason,
        is_part_of_quorum,
        leader: None,
        me: Member::new(me, &local.settings.info),
        epoch: identity.as_ref().map_or(0, |identity| identity.epoch),
        cluster_id: identity.map(|identity| identity.cluster_id),
        membership_index: None,
        removed: false,
        term: 0,
        last_log_index: None,
        applied_index: None,
        snapshot_index: None,
        purged_index: None,
        leader_contact_ms: None,
        quorum_ack_ms: None,
        peers: Vec::new(),
        waiting_for: Vec::new(),
        differing: Vec::new(),
        draining: false,
        storage_error: None,
        backend_error: None,
    }
}
