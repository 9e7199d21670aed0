//! The listening side: admits peers, refuses everybody else with a reason, serves one frame at a time.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::AppendEntriesRequest;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tracing::{error, warn};

use super::complaints::{Complaints, printable};
use super::dial::{Acceptor, ByteStream};
use super::link::other_epoch;
use super::places::{Place, Places};
use super::plausible::{self, Speaker};
use super::session::{Room, Session};
use super::snapshot::Installing;
use super::tls::{self, Shown};
use super::wire::{
    self, Assign, Beginning, FIRST_EPOCH, Frame, Header, Hello, Kind, MAX_HELLO, NodeReport, PROTOCOL,
    Purpose, Spoken,
};
use crate::events::Round;
use crate::guard::message;
use crate::identity::Identity;
use crate::local::Local;
use crate::member::{Member, NodeId, PeerName};
use crate::port::Answerer;
use crate::settings::Bootstrap;
use crate::state::FoundingState;
use crate::types::{Raft, TypeConfig};

/// A peer says who it is within this time, or is closed.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// The raft core starts within this time once the group calls.
const START_LIMIT: Duration = Duration::from_secs(3);
/// No request takes longer, the installation of a raft snapshot included.
const SERVE_LIMIT: Duration = Duration::from_secs(60);
/// Writing an answer to a peer that does not read is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// A pause when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the listening side needs.
pub(crate) struct Server {
    pub(crate) local: Arc<Local>,
    /// Set when the raft core runs.
    pub(crate) raft: watch::Receiver<Option<Raft>>,
    /// Rung when a member calls a node that is assigned and has not started yet.
    pub(crate) called: Arc<Notify>,
    pub(crate) answerer: Arc<dyn Answerer>,
    /// The event loop of the program, which answers questions so that heartbeats need not wait for that.
    pub(crate) program: Handle,
    pub(crate) founding: FoundingState,
    pub(crate) installing: Installing,
    pub(crate) complaints: Complaints,
    pub(crate) room: Room,
}

impl Server {
    /// Accepts connections until the node stops.
    pub(crate) async fn run(self: Arc<Self>, mut acceptor: Box<dyn Acceptor>) {
        let places = Arc::<Places>::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.local.stop.cancelled() => return,
                accepted = acceptor.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(node = self.local.name(), %error, "cannot accept a raft connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match places.take() {
                Some(place) => drop(self.local.spawn(self.clone().visit(stream, from, place))),
                None => self.complain(host_of(&from), "too many raft connections, one is closed"),
            }
        }
    }

    /// Serves a connection until its end, this node's, or that of its place.
    async fn visit(self: Arc<Self>, stream: Box<dyn ByteStream>, from: String, place: Place) {
        let served = async {
            tokio::select! {
                biased;
                () = self.local.stop.cancelled() => {}
                () = place.is_needed() => {
                    self.complain(host_of(&from), "too many raft connections, the longest silent one is closed");
                }
                () = self.serve(stream, &from, &place) => {}
            }
        };
        // Whatever a peer sends must not end this node.
        if let Err(panic) = AssertUnwindSafe(served).catch_unwind().await {
            let panic = message(&*panic);
            error!(node = self.local.name(), %from, error = panic, "a raft connection was given up");
        }
    }

    /// Says in the log that a peer was not served, and why; once, not at each of its attempts.
    fn complain(&self, peer: &str, reason: &str) {
        let (peer, reason) = (printable(peer), printable(reason));
        if self.complaints.is_new(&peer, &reason) {
            warn!(node = self.local.name(), peer, error = reason, "refused a peer");
        }
    }

    async fn serve(&self, stream: Box<dyn ByteStream>, from: &str, place: &Place) {
        let admitted = wire::in_time(HANDSHAKE_LIMIT, self.open(stream)).await;
        let (mut stream, mut session) = match admitted {
            Ok(Some(admitted)) => admitted,
            Ok(None) => return,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                if self.complaints.is_new(host_of(from), &error.to_string()) {
                    let error = printable(&error.to_string());
                    warn!(node = self.local.name(), %from, %error, "closed a connection to the raft port");
                }
                return;
            }
            // A peer that hangs up again is a port check, or gone.
            Err(_) => return,
        };
        if session.peer.is_some() && !place.admit() {
            return self.complain(host_of(from), "too many connections of members, one is closed");
        }
        while let Some((frame, _room)) = session.next(&mut stream, &self.room).await {
            place.serve();
            let answer = tokio::time::timeout(SERVE_LIMIT, self.answer(&mut session, frame)).await;
            let (kind, body) = match answer {
                Ok(Ok(body)) => (Kind::Reply, body),
                Ok(Err(Problem::Failed(text))) => (Kind::Failed, text.into_bytes()),
                Ok(Err(Problem::Refused(text))) => {
                    self.complain(session.name.as_str(), &text);
                    (Kind::Refused, text.into_bytes())
                }
                Err(_) => (Kind::Failed, b"it took too long".to_vec()),
            };
            let written = self.write(&mut stream, kind, &body).await;
            if kind == Kind::Refused || written.is_err() {
                return;
            }
            place.served();
        }
    }

    /// Finds out what the peer speaks and who it is; `None` if it was refused.
    async fn open(
        &self,
        mut stream: Box<dyn ByteStream>,
    ) -> io::Result<Option<(Box<dyn ByteStream>, Session)>> {
        let beginning = wire::read_beginning(&mut stream).await?;
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let (mut stream, version, shown) = match (&self.local.settings.tls, wire::spoken(&beginning)) {
            (None, Spoken::Raft) => {
                let version = stream.read_u16().await?;
                (stream, version, None)
            }
            (Some(tls), Spoken::Tls) => {
                let (mut stream, shown) = tls.accept(replay(beginning, stream)).await.map_err(invalid)?;
                let version = wire::read_preamble(&mut stream).await.map_err(said_in_words)?;
                (stream, version, Some(shown))
            }
            (Some(_), Spoken::Raft) => return self.refuse_plain(stream).await.map(|()| None),
            (None, Spoken::Tls) => {
                let text = "a peer that speaks TLS, and this node does not: RaftTLSCertFile is empty";
                return Err(invalid(text.into()));
            }
            (_, Spoken::Foreign) => return Err(wire::not_a_peer(&beginning)),
        };
        let session = self.handshake(&mut stream, version, shown).await?;
        Ok(session.map(|session| (stream, session)))
    }

    /// Tells a peer without TLS in its own language that it needs it.
    async fn refuse_plain(&self, mut stream: Box<dyn ByteStream>) -> io::Result<()> {
        stream.read_u16().await?;
        // Read to its end: to close on unread bytes would take the answer back.
        let frame = wire::read_frame(&mut stream, MAX_HELLO, HANDSHAKE_LIMIT).await?;
        let name = wire::decode::<Hello>(&frame.body).map(|hello| hello.report.name.to_string());
        let text = "this node takes raft connections with TLS only: write RaftTLSCertFile, RaftTLSPrivateKeyFile and \
                    RaftTLSCAFile on both sides";
        self.refuse(&mut stream, name.as_deref().unwrap_or("a peer"), text).await.map(drop)
    }

    /// `None` if the peer was refused.
    async fn handshake(
        &self,
        stream: &mut Box<dyn ByteStream>,
        version: u16,
        shown: Option<Shown>,
    ) -> io::Result<Option<Session>> {
        if version != PROTOCOL {
            let text = format!("this node speaks raft protocol {PROTOCOL}, not {version}");
            return self.refuse(stream, "a peer", &text).await;
        }
        let frame = wire::read_frame(stream, MAX_HELLO, HANDSHAKE_LIMIT).await?;
        let hello: Hello = wire::decode(&frame.body)?;
        if let Err(reason) = plausible::check_report(&hello.report, plausible::own_term(&self.local)) {
            return self.refuse(stream, "a peer", &reason).await;
        }
        if frame.header.kind != Kind::Hello {
            return self.refuse(stream, hello.report.name.as_str(), "a handshake comes first").await;
        }
        if let Some(shown) = &shown
            && let Err(reason) = self.check_name(&shown.certificate, &frame.header, &hello)
        {
            return self.refuse(stream, hello.report.name.as_str(), &reason).await;
        }
        if hello.purpose == Purpose::Member
            && let Err(reason) = self.admit(&frame.header, &hello).await
        {
            return self.refuse(stream, hello.report.name.as_str(), &reason).await;
        }
        if hello.purpose == Purpose::Probe && hello.report.is_empty() {
            self.local.knocked(&hello.report.name);
        }
        if hello.purpose == Purpose::Member {
            self.local.hear_members(frame.header.from, &hello.report);
        }
        self.write(stream, Kind::Welcome, &wire::encode(&self.local.report())?).await?;
        let peer = (hello.purpose == Purpose::Member)
            .then(|| self.local.member(frame.header.from, &hello.report.info));
        let name = hello.report.name;
        let (proven, vintage) = shown.map(|shown| (name.clone(), shown.vintage)).unzip();
        Ok(Some(Session { peer, name, proven, vintage, incoming: None }))
    }

    /// The certificate must name the host that the peer says it is, and the one that the group knows it by.
    fn check_name(
        &self,
        certificate: &CertificateDer<'_>,
        header: &Header,
        hello: &Hello,
    ) -> Result<(), String> {
        let NodeReport { name, info, .. } = &hello.report;
        tls::names(certificate, name.host())?;
        if info.raft_addr != name.as_str() {
            return Err(format!("it calls itself {name}, and {} as well", info.raft_addr));
        }
        let known = if hello.purpose == Purpose::Member { self.known_name(header.from) } else { None };
        let Some(known) = known else { return Ok(()) };
        tls::names(certificate, known.host())
            .map_err(|reason| format!("node {} is {known}: {reason}", header.from))
    }

    async fn refuse(
        &self,
        stream: &mut Box<dyn ByteStream>,
        peer: &str,
        reason: &str,
    ) -> io::Result<Option<Session>> {
        self.complain(peer, reason);
        self.write(stream, Kind::Refused, reason.as_bytes()).await?;
        Ok(None)
    }

    async fn admit(&self, header: &Header, hello: &Hello) -> Result<(), String> {
        let identity =
            self.local.identity().ok_or("this node has no identity yet: its directory is empty")?;
        self.check_addressee(&identity, header)?;
        if header.from == identity.node_id {
            return Err(format!(
                "both nodes are node {}: one data directory is a copy of the other",
                identity.node_id
            ));
        }
        self.check_own_name(header.from, &hello.report.name)?;
        if hello.report.node_id != Some(header.from) {
            return Err(format!("it calls itself node {}, and another one as well", header.from));
        }
        self.local.meet(&hello.report)?;
        // The group calls, so it was formed with this assignment.
        self.called.notify_one();
        let mut raft = self.raft.clone();
        let running = tokio::time::timeout(START_LIMIT, raft.wait_for(Option::is_some)).await;
        match running {
            Ok(Ok(_)) => Ok(()),
            _ => Err("this node is still starting".into()),
        }
    }

    /// A number belongs to one name: under another one it is a copy of a data directory, whose two owners could vote
    /// twice in a term, or a directory that was moved to where nobody calls it.
    fn check_own_name(&self, node_id: NodeId, name: &PeerName) -> Result<(), String> {
        match self.known_name(node_id).filter(|known| known != name) {
            None => Ok(()),
            Some(known) => Err(format!(
                "node {node_id} is {known}, not {name}: the RaftDataDir of {name} is a copy of that node's, or was moved; \
                 move it away so that {name} joins as a new node"
            )),
        }
    }

    /// By what name the group knows a member.
    fn known_name(&self, node_id: NodeId) -> Option<PeerName> {
        let raft = self.raft.borrow().clone()?;
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        PeerName::parse(&metrics.membership_config.membership().get_node(&node_id)?.raft_addr)
    }

    fn check_addressee(&self, identity: &Identity, header: &Header) -> Result<(), String> {
        if header.version != PROTOCOL {
            return Err(format!("this node speaks raft protocol {PROTOCOL}, not {}", header.version));
        }
        if header.cluster != identity.cluster_id {
            return Err(format!(
                "this node belongs to group {}, not {}",
                identity.cluster_id, header.cluster
            ));
        }
        if header.epoch != identity.group_epoch() {
            return Err(other_epoch("the caller", header.epoch, identity.group_epoch()));
        }
        if header.to != identity.node_id {
            return Err(format!("this is node {}, not node {}", identity.node_id, header.to));
        }
        Ok(())
    }

    /// Answers on the connection of the question, which said whom it is about.
    async fn write(&self, stream: &mut Box<dyn ByteStream>, kind: Kind, body: &[u8]) -> io::Result<()> {
        let header = Header {
            version: PROTOCOL,
            cluster: String::new(),
            epoch: FIRST_EPOCH,
            from: 0,
            to: 0,
            kind,
            unheard_ms: 0,
        };
        wire::in_time(WRITE_LIMIT, wire::write_frame(stream, &header, body)).await
    }

    async fn answer(&self, session: &mut Session, frame: Frame) -> Answer {
        if frame.header.kind == Kind::Assign {
            let assign: Assign = read(&frame.body)?;
            if session.proven.as_ref().is_some_and(|name| *name != assign.by) {
                return Err(Problem::Refused(format!("its certificate is not that of {}", assign.by)));
            }
            return self.assign(assign).await;
        }
        let begins = matches!(frame.header.kind, Kind::SnapshotChunk | Kind::SnapshotEnd);
        if frame.header.kind == Kind::Founding || (begins && session.peer.is_none()) {
            return self.founding(session, frame).await;
        }
        let Some(peer) = session.peer.clone() else {
            return Err(Problem::Refused("only members may ask this".into()));
        };
        let identity = self.local.identity().ok_or_else(|| Problem::Refused("no identity".into()))?;
        self.check_addressee(&identity, &frame.header).map_err(Problem::Refused)?;
        if frame.header.from != peer.node_id {
            let text = format!("this is a connection of node {}, not {}", peer.node_id, frame.header.from);
            return Err(Problem::Refused(text));
        }
        if frame.header.kind == Kind::Ask {
            let answering = self.answerer.answer(peer, frame.body);
            let answer = self.local.tasks.spawn_on(answering, &self.program).await;
            return answer.map_err(|error| Problem::Failed(format!("it cannot answer: {error}")));
        }
        if frame.header.kind == Kind::Report {
            let report: NodeReport = read(&frame.body)?;
            plausible::check_report(&report, plausible::own_term(&self.local)).map_err(Problem::Refused)?;
            self.local.note_list(frame.header.from, report.nodes.clone());
            self.local.hear_members(frame.header.from, &report);
            return wire::encode(&self.local.report()).map_err(|error| Problem::Failed(error.to_string()));
        }
        let raft = self.raft.borrow().clone().ok_or_else(|| Problem::Failed("not started".into()))?;
        match frame.header.kind {
            Kind::AppendEntries => self.append(&raft, &peer, &frame).await,
            Kind::Vote => self.vote(&raft, &peer, Round::Vote, &frame.body).await,
            Kind::PreVote => self.vote(&raft, &peer, Round::Trial, &frame.body).await,
            Kind::TransferLeader => {
                let wish = read(&frame.body)?;
                self.speaker(&raft, &peer).transfer(&wish).map_err(Problem::Refused)?;
                reply(raft.handle_transfer_leader(wish).await)
            }
            Kind::SnapshotBegin | Kind::SnapshotChunk | Kind::SnapshotEnd => {
                self.snapshot(&raft, session, &peer, frame).await
            }
            other => Err(Problem::Refused(format!("{other:?} is no request"))),
        }
    }

    /// Who speaks on a connection of `peer`, and what this node judges it by.
    pub(super) fn speaker(&self, raft: &Raft, peer: &Member) -> Speaker {
        let committed = raft.metrics().borrow_watched().local_committed;
        Speaker { from: peer.node_id, own_term: plausible::own_term(&self.local), committed }
    }

    async fn append(&self, raft: &Raft, peer: &Member, frame: &Frame) -> Answer {
        let speaker = self.speaker(raft, peer);
        let unreadable = match read(&frame.body) {
            Ok(request) => {
                speaker.append(&request).map_err(Problem::Refused)?;
                return self.append_to(raft, peer, frame.header.unheard_ms, request).await;
            }
            Err(unreadable) => unreadable,
        };
        let newer = plausible::newer_command(&frame.body)
            .filter(|request| speaker.append(request).is_ok() && continues(raft, request));
        if newer.is_none() {
            return Err(unreadable);
        }
        // To skip it would let this node's state differ from the others'.
        self.local.fail(format!(
            "the leader {} sent a command that this version does not know: install the leader's version here",
            peer.raft_addr
        ));
        Err(Problem::Failed("it has a command that this node does not know".into()))
    }

    /// Accepts a number in a group, as long as this node never voted.
    async fn assign(&self, assign: Assign) -> Answer {
        // Where somebody orders the group about, that one decides who is in it.
        let ordered = self.local.settings.policy.bootstrap == Bootstrap::External;
        let objection = objection(&self.local.settings.name, &self.local.nodes(), &assign);
        if let Some(reason) = objection.filter(|_| !ordered) {
            return Err(Problem::Failed(reason));
        }
        let local = self.local.clone();
        let identity =
            Identity { cluster_id: assign.cluster, node_id: assign.node_id, epoch: 0, joins: assign.joins };
        let assigned = self.local.work.blocking(move || local.assign(identity)).await;
        assigned.map(|()| Vec::new()).map_err(|error| Problem::Failed(error.to_string()))
    }
}

/// Whether these entries go on with this node's log, and come from the leader that it follows.
fn continues(raft: &Raft, request: &AppendEntriesRequest<TypeConfig>) -> bool {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    metrics.vote == request.vote && request.prev_log_id.map(|id| id.index) <= metrics.last_log_index
}

/// The host of an address.
fn host_of(from: &str) -> &str {
    from.rsplit_once(':').map_or(from, |(host, _)| host)
}

/// Why a node `me`, whose list is `nodes`, does not take the number that `assign` gives it.
fn objection(me: &PeerName, nodes: &[PeerName], assign: &Assign) -> Option<String> {
    if assign.joins.is_some() {
        // A leader that the new list leaves out takes in whom that list names.
        let known = nodes.contains(&assign.by) || nodes == assign.nodes;
        return (!known).then(|| format!("its RaftNodes do not name {}", assign.by));
    }
    if assign.nodes != nodes || nodes.first() != Some(&assign.by) {
        return Some("its RaftNodes differ from this node's".into());
    }
    let place = nodes.iter().zip(1..).find(|(node, _)| *node == me).map(|(_, number)| number);
    (place != Some(assign.node_id)).then(|| format!("{me} is not node {}", assign.node_id))
}

/// The stream as it was before its beginning was read.
fn replay(beginning: Beginning, stream: Box<dyn ByteStream>) -> impl ByteStream + 'static {
    let (reader, writer) = tokio::io::split(stream);
    tokio::io::join(io::Cursor::new(beginning).chain(reader), writer)
}

/// An objection of TLS as this side's log should have it.
fn said_in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidData => io::Error::new(io::ErrorKind::InvalidData, tls::reason_of(&error)),
        _ => error,
    }
}

/// Why there is no answer.
pub(super) enum Problem {
    /// The request failed; the connection goes on.
    Failed(String),
    /// The connection ends.
    Refused(String),
}

pub(super) type Answer = Result<Vec<u8>, Problem>;

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    wire::decode(body).map_err(|error| Problem::Refused(format!("the request cannot be read: {error}")))
}

pub(super) fn reply<T: Serialize, E: std::fmt::Display>(answer: Result<T, E>) -> Answer {
    let answer = answer.map_err(|error| Problem::Failed(error.to_string()))?;
    wire::encode(&answer).map_err(|error| Problem::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<PeerName> {
        names.iter().map(|name| PeerName::parse(name).expect("a name")).collect()
    }

    /// What node `c`, with the list a, b, c, says to `by`, who gives it number `node_id`.
    fn said(by: &str, node_id: u64, list: &[&str], joins: Option<u64>) -> Option<String> {
        let by = PeerName::parse(by).expect("a name");
        let assign = Assign { cluster: "g".into(), node_id, by, nodes: names(list), joins };
        objection(&names(&["c"])[0], &names(&["a", "b", "c"]), &assign)
    }

    #[test]
    fn a_number_in_a_new_group_comes_from_the_first_by_name_and_is_ones_own_place() {
        assert_eq!(said("a", 3, &["a", "b", "c"], None), None);
        assert_eq!(said("a", 2, &["a", "b", "c"], None).as_deref(), Some("c:10008 is not node 2"));
        for (by, list) in [("b", &["a", "b", "c"][..]), ("a", &["a", "c"])] {
            let said = said(by, 3, list, None);
            assert_eq!(said.as_deref(), Some("its RaftNodes differ from this node's"));
        }
    }

    #[test]
    fn a_newcomer_follows_whom_its_list_names_and_a_leader_that_the_same_list_leaves_out() {
        assert_eq!(said("b", 65600, &["b"], Some(1)), None, "an older list of a member's");
        assert_eq!(said("z", 65600, &["a", "b", "c"], Some(1)), None, "the list lets it go");
        let stranger = said("z", 65600, &["c", "z"], Some(1));
        assert_eq!(stranger.as_deref(), Some("its RaftNodes do not name z:10008"));
    }
}
