//! Connections to one peer for one purpose: held, reused, made anew when they break.
//!
//! A connection carries one exchange at a time. It is taken out of the pool for an exchange and put
//! back only when that was answered, so an exchange that was given up never confuses the next one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use openraft::async_runtime::WatchReceiver;
use tokio::io::AsyncWriteExt;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::complaints::printable;
use super::dial::{ByteStream, Dialer};
use super::plausible;
use super::tls::{Vintage, reason_of};
use super::wire::{self, Frame, Header, Hello, Kind, MAX_FRAME, MAX_HELLO, NodeReport, PROTOCOL, Purpose};
use crate::local::{Local, lock};
use crate::member::NodeId;
use crate::types::Raft;

/// Idle connections kept per peer and lane; more are only made by parallel questions.
const MAX_IDLE: usize = 4;
/// Connection and handshake together. Longer than one heartbeat: a slow resolver must not keep a
/// peer away for ever, so the attempt goes on when the caller has given up.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// How old at most the addresses are by which peers are found when nobody answers for names, and what is said of peers
/// that could not be reached.
const TOUCH_EVERY: Duration = Duration::from_secs(10);

/// Separate connections, so that a heartbeat never waits behind entries or a raft snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Election,
    Heartbeat,
    Entries,
    Snapshot,
    Ask,
}

/// Why an exchange failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("unreachable: {0}")]
    Unreachable(String),
    #[error("refused: {0}")]
    Refused(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("no answer in time")]
    Timeout,
    /// The peer tried and failed.
    #[error("{0}")]
    Failed(String),
}

/// All connections of this node.
pub(crate) struct Links {
    local: Arc<Local>,
    dialer: Arc<dyn Dialer>,
    links: Mutex<HashMap<(NodeId, String, Lane), Arc<Link>>>,
}

impl Links {
    pub(crate) fn new(local: Arc<Local>, dialer: Arc<dyn Dialer>) -> Self {
        Self { local, dialer, links: Mutex::default() }
    }

    pub(crate) fn local(&self) -> &Arc<Local> {
        &self.local
    }

    /// The link to `node_id` under `name`.
    pub(crate) fn to(&self, node_id: NodeId, name: &str, lane: Lane) -> Arc<Link> {
        let mut links = lock(&self.links);
        let link = links.entry((node_id, name.to_owned(), lane)).or_insert_with(|| {
            Arc::new(Link {
                local: self.local.clone(),
                dialer: self.dialer.clone(),
                node_id,
                name: name.to_owned(),
                lane,
                state: Mutex::default(),
                dialled: watch::Sender::new(None),
            })
        });
        link.clone()
    }

    /// Keeps what is known of the peers from growing old: where they are, so that an election finds them when nobody
    /// answers for names; and who cannot be reached, also on a node that has nothing to say to them.
    pub(crate) async fn keep_in_touch(self: Arc<Self>, raft: watch::Receiver<Option<Raft>>) {
        loop {
            let members = self.members_of(raft.borrow().as_ref());
            let round = async {
                let names = self.names_of_peers(&members);
                join_all(names.into_iter().map(|name| self.dialer.look_up(name))).await;
                join_all(members.iter().map(|(id, name)| self.ask_again(*id, name))).await;
                tokio::time::sleep(TOUCH_EVERY).await;
            };
            tokio::select! {
                biased;
                () = self.local.stop.cancelled() => return,
                () = round => {}
            }
        }
    }

    /// The members of the group and under which names they are found; nobody before there is one.
    fn members_of(&self, raft: Option<&Raft>) -> BTreeMap<NodeId, String> {
        let Some(raft) = raft else { return BTreeMap::new() };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.nodes();
        nodes.map(|(id, info)| (*id, self.local.member(*id, info).raft_addr)).collect()
    }

    /// The members of the group, and those that this node's list names.
    fn names_of_peers(&self, members: &BTreeMap<NodeId, String>) -> BTreeSet<String> {
        let listed = self.local.nodes();
        let listed = listed.iter().map(|name| name.as_str().to_owned());
        let mut names: BTreeSet<String> = listed.chain(members.values().cloned()).collect();
        names.remove(self.local.name());
        names
    }

    /// Calls a member that could not be reached; the call itself notes whether it can be now.
    async fn ask_again(&self, node_id: NodeId, name: &str) {
        if self.local.problem_with(name).is_some() {
            self.report_to(node_id, name, DIAL_LIMIT).await;
        }
    }

    /// Exchanges what both know of the group with a member; answers whether it answered.
    pub(crate) async fn report_to(&self, node_id: NodeId, name: &str, limit: Duration) -> bool {
        let Ok(body) = wire::encode(&self.local.report()) else { return false };
        let answer =
            self.to(node_id, name, Lane::Ask).call(Kind::Report, &body, Instant::now() + limit).await;
        let report = answer.ok().and_then(|body| wire::decode::<NodeReport>(&body).ok());
        let own_term = plausible::own_term(&self.local);
        let report = report.filter(|report| plausible::check_report(report, own_term).is_ok());
        if let Some(report) = &report {
            self.local.note_list(node_id, report.nodes.clone());
            self.local.hear_members(node_id, report);
        }
        report.is_some()
    }

    /// Asks whoever answers under `name` what it is; a connection of its own.
    pub(crate) async fn probe(&self, name: &str, limit: Duration) -> Result<Probed, LinkError> {
        let connect = Connection::open(&self.local, self.dialer.as_ref(), name, 0, Purpose::Probe);
        let (connection, report) =
            tokio::time::timeout(limit, connect).await.map_err(|_| LinkError::Timeout)??;
        Ok(Probed { connection, report })
    }
}

/// A node that was asked what it is, and the connection on which to go on.
pub(crate) struct Probed {
    connection: Connection,
    pub(crate) report: NodeReport,
}

impl Probed {
    /// One more exchange with it.
    pub(crate) async fn call(
        &mut self,
        kind: Kind,
        body: &[u8],
        limit: Duration,
    ) -> Result<Frame, LinkError> {
        let exchange = self.connection.exchange(kind, body);
        tokio::time::timeout(limit, exchange).await.map_err(|_| LinkError::Timeout)?
    }
}

/// Held connections to one peer.
pub(crate) struct Link {
    local: Arc<Local>,
    dialer: Arc<dyn Dialer>,
    node_id: NodeId,
    name: String,
    lane: Lane,
    state: Mutex<LinkState>,
    /// The outcome of the last attempt to get a connection; changes at each.
    dialled: watch::Sender<Option<LinkError>>,
}

#[derive(Default)]
struct LinkState {
    idle: Vec<Connection>,
    dialling: bool,
    /// Exchanges that go on although nobody waits for their answer any more.
    late: usize,
}

impl LinkState {
    /// A held connection; those of former certificates are dropped.
    fn idle_one(&mut self) -> Option<Connection> {
        self.idle.retain(|connection| !connection.is_outdated());
        self.idle.pop()
    }
}

impl Link {
    /// Sends `body` and waits for the answer until `deadline`.
    ///
    /// A held connection that turns out to be broken is replaced once, so the peer may see the same
    /// message twice.
    pub(crate) async fn call(
        self: &Arc<Self>,
        kind: Kind,
        body: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, LinkError> {
        let body: Arc<[u8]> = body.into();
        let mut result = self.try_call(kind, body.clone(), deadline).await;
        if matches!(result, Err(LinkError::Broken(_))) {
            lock(&self.state).idle.clear();
            result = self.try_call(kind, body, deadline).await;
        }
        match &result {
            Ok(_) | Err(LinkError::Failed(_)) => self.local.reached(&self.name),
            Err(LinkError::Timeout) => self.local.late(&self.name),
            Err(LinkError::Broken(_)) => {}
            Err(error) => self.local.not_reached(&self.name, &error.to_string()),
        }
        result
    }

    async fn try_call(
        self: &Arc<Self>,
        kind: Kind,
        body: Arc<[u8]>,
        deadline: Instant,
    ) -> Result<Vec<u8>, LinkError> {
        let connection = self.connection(deadline).await?;
        let (done, answer) = oneshot::channel();
        // A task of its own: an answer that comes too late for the caller still proves that the
        // connection works, and a new one would cost an overloaded peer more than the answer did.
        self.local.spawn(self.clone().exchange(connection, kind, body, done));
        let answer = timeout_at(deadline, answer).await.map_err(|_| LinkError::Timeout)?;
        let answer = answer.map_err(|_| LinkError::Unreachable("stopping".into()))??;
        match answer.header.kind {
            Kind::Failed => Err(LinkError::Failed(text(&answer.body))),
            _ => Ok(answer.body),
        }
    }

    /// One exchange, which goes on for a while when its caller has given up.
    async fn exchange(
        self: Arc<Self>,
        mut connection: Connection,
        kind: Kind,
        body: Arc<[u8]>,
        mut done: oneshot::Sender<Result<Frame, LinkError>>,
    ) {
        connection.header.unheard_ms = self.local.unheard_ms();
        let outcome = {
            let mut exchange = pin!(connection.exchange(kind, &body));
            tokio::select! {
                biased;
                () = self.local.stop.cancelled() => return,
                outcome = &mut exchange => outcome,
                () = done.closed() => {
                    lock(&self.state).late += 1;
                    let limit = self.local.settings.timings.silence_limit();
                    let outcome = tokio::select! {
                        biased;
                        () = self.local.stop.cancelled() => return,
                        outcome = tokio::time::timeout(limit, exchange) => outcome,
                    };
                    lock(&self.state).late -= 1;
                    if matches!(outcome, Ok(Ok(_))) {
                        self.local.reached(&self.name);
                    }
                    outcome.unwrap_or(Err(LinkError::Timeout))
                }
            }
        };
        if outcome.is_ok() {
            self.put_back(connection);
        }
        if done.send(outcome).is_err() {
            // Whoever waits for a connection looks again.
            self.dialled.send_replace(None);
        }
    }

    async fn connection(self: &Arc<Self>, deadline: Instant) -> Result<Connection, LinkError> {
        let mut dialled = self.dialled.subscribe();
        loop {
            {
                let mut state = lock(&self.state);
                if let Some(connection) = state.idle_one() {
                    return Ok(connection);
                }
                // What a peer answers at once, and is late, is about to come.
                if state.late == 0 || !matches!(self.lane, Lane::Heartbeat | Lane::Election) {
                    self.dial(&mut state);
                }
            }
            timeout_at(deadline, dialled.changed())
                .await
                .map_err(|_| LinkError::Timeout)?
                .map_err(|_| LinkError::Timeout)?;
            if let Some(error) = dialled.borrow_and_update().clone() {
                return Err(error);
            }
        }
    }

    /// Starts an attempt to connect unless one is under way.
    fn dial(self: &Arc<Self>, state: &mut LinkState) {
        if std::mem::replace(&mut state.dialling, true) {
            return;
        }
        let link = self.clone();
        self.local.spawn(async move {
            let connect = Connection::open(
                &link.local,
                link.dialer.as_ref(),
                &link.name,
                link.node_id,
                Purpose::Member,
            );
            let outcome = tokio::select! {
                biased;
                () = link.local.stop.cancelled() => Err(LinkError::Unreachable("stopping".into())),
                outcome = tokio::time::timeout(DIAL_LIMIT, connect) => {
                    outcome.unwrap_or_else(|_| Err(LinkError::Unreachable("connecting took too long".into())))
                }
            };
            let error = match outcome {
                Ok((connection, _)) => {
                    link.put_back(connection);
                    None
                }
                Err(error) => Some(error),
            };
            lock(&link.state).dialling = false;
            link.dialled.send_replace(error);
        });
    }

    fn put_back(&self, connection: Connection) {
        let mut state = lock(&self.state);
        if state.idle.len() < MAX_IDLE && !connection.is_outdated() {
            state.idle.push(connection);
        }
    }
}

/// A connection past its handshake.
struct Connection {
    stream: Box<dyn ByteStream>,
    header: Header,
    /// What it was made with; `None` without TLS.
    vintage: Option<Vintage>,
}

impl Connection {
    async fn open(
        local: &Local,
        dialer: &dyn Dialer,
        name: &str,
        to: NodeId,
        purpose: Purpose,
    ) -> Result<(Self, NodeReport), LinkError> {
        let unreachable = |error: io::Error| LinkError::Unreachable(error.to_string());
        let stream = dialer.dial(name.to_owned()).await.map_err(unreachable)?;
        let (mut stream, vintage) = match &local.settings.tls {
            Some(tls) => {
                let (stream, vintage) = tls.connect(name, stream).await.map_err(LinkError::Refused)?;
                (stream, Some(vintage))
            }
            None => (stream, None),
        };
        stream.write_all(&wire::preamble()).await.map_err(unreachable)?;
        let report = local.report();
        let header = Header {
            version: PROTOCOL,
            cluster: report.cluster.clone().unwrap_or_default(),
            epoch: local.identity().map_or(0, |identity| identity.group_epoch()),
            from: report.node_id.unwrap_or(0),
            to,
            kind: Kind::Hello,
            unheard_ms: 0,
        };
        let mut connection = Self { stream, header, vintage };
        let hello = wire::encode(&Hello { purpose, report }).map_err(unreachable)?;
        let answer = connection.exchange_limited(Kind::Hello, &hello, MAX_HELLO).await?;
        let report: NodeReport = match answer.header.kind {
            Kind::Welcome => wire::decode(&answer.body)
                .map_err(|error| LinkError::Refused(format!("its handshake cannot be read: {error}")))?,
            other => return Err(LinkError::Refused(format!("it answers a handshake with {other:?}"))),
        };
        plausible::check_report(&report, plausible::own_term(local)).map_err(LinkError::Refused)?;
        if purpose == Purpose::Member {
            check_welcome(&connection.header, &report).map_err(LinkError::Refused)?;
            local.meet(&report).map_err(LinkError::Refused)?;
        }
        local.hear_members(report.node_id.unwrap_or_default(), &report);
        Ok((connection, report))
    }

    /// The certificates that it was made with are no longer those in use.
    fn is_outdated(&self) -> bool {
        self.vintage.as_ref().is_some_and(Vintage::is_past)
    }

    async fn exchange(&mut self, kind: Kind, body: &[u8]) -> Result<Frame, LinkError> {
        self.exchange_limited(kind, body, MAX_FRAME).await
    }

    async fn exchange_limited(&mut self, kind: Kind, body: &[u8], limit: usize) -> Result<Frame, LinkError> {
        self.header.kind = kind;
        wire::write_frame(&mut self.stream, &self.header, body).await.map_err(broken)?;
        // The caller holds the deadline; this one only bounds a caller without.
        let frame = wire::read_frame(&mut self.stream, limit, super::IDLE_LIMIT).await.map_err(broken)?;
        match frame.header.kind {
            Kind::Refused => Err(LinkError::Refused(text(&frame.body))),
            _ => Ok(frame),
        }
    }
}

/// What was answered and makes no sense, an objection of TLS included, is worth no second attempt.
fn broken(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::InvalidData => LinkError::Refused(reason_of(&error)),
        _ => LinkError::Broken(error.to_string()),
    }
}

/// Is the node that answered the one that was meant?
fn check_welcome(sent: &Header, report: &NodeReport) -> Result<(), String> {
    if report.cluster.as_deref() != Some(sent.cluster.as_str()) {
        return Err(format!("{} belongs to another group", report.name));
    }
    if report.epoch != 0 && report.epoch != sent.epoch {
        return Err(other_epoch(report.name.as_str(), report.epoch, sent.epoch));
    }
    if report.node_id != Some(sent.to) {
        let found = report.node_id.unwrap_or(0);
        return Err(format!("{} is node {found}, not node {}", report.name, sent.to));
    }
    Ok(())
}

/// Two nodes of one group that `force-new-cluster` put apart.
pub(super) fn other_epoch(name: &str, theirs: u64, ours: u64) -> String {
    let older = if theirs < ours { name } else { "this node" };
    format!(
        "{name} is of epoch {theirs} of the group, this node of epoch {ours}: {older} was left behind by \
         force-new-cluster; move its RaftDataDir away so that it joins as a new node"
    )
}

fn text(body: &[u8]) -> String {
    printable(&String::from_utf8_lossy(body))
}
