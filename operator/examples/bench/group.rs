//! Every member of every group, as one HTTP server. A group is formed when it is asked for, and healthy ever after.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use orchestrator_operator::build::{config_hash, peers_hash, peers_of};
use orchestrator_wire::{DataState, MemberName, MemberStatus, Members, Replication};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// The log of each group is this long.
const LOG: u64 = 10;
/// As reported by the service of this release.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is known of all groups.
pub(crate) struct Groups(Mutex<State>);

struct State {
    /// Name of the group → its id.
    formed: HashMap<String, String>,
    /// ConfigMap → its text.
    texts: HashMap<String, String>,
    /// Pod → the immutable ConfigMap that it mounts.
    mounts: HashMap<String, String>,
    placed: Instant,
}

impl Default for Groups {
    fn default() -> Self {
        let state = State {
            formed: HashMap::new(),
            texts: HashMap::new(),
            mounts: HashMap::new(),
            placed: Instant::now(),
        };
        Self(Mutex::new(state))
    }
}

impl Groups {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().expect("no holder of this lock panics"))
    }

    pub(crate) fn configured(&self, map: String, text: String) {
        self.with(|state| state.texts.insert(map, text));
    }

    pub(crate) fn placed(&self, pod: String, config: String) {
        self.with(|state| {
            state.mounts.insert(pod, config);
            state.placed = Instant::now();
        });
    }

    /// When the last pod began to run.
    pub(crate) fn last_placed(&self) -> Instant {
        self.with(|state| state.placed)
    }

    fn answer(&self, namespace: &str, pod: &str, route: &str, body: &Value) -> Option<Value> {
        let (name, ordinal) = pod.rsplit_once('-')?;
        let ordinal: u64 = ordinal.parse().ok()?;
        let (texts, formed) = self.with(|state| {
            let config = state.mounts.get(pod).and_then(|map| state.texts.get(map)).cloned();
            let live = state.texts.get(&format!("{name}-live")).cloned();
            if route == "raft-bootstrap" {
                let id = body["ClusterID"].as_str().unwrap_or_default().to_owned();
                state.formed.insert(name.to_owned(), id);
            }
            (config.zip(live), state.formed.get(name).cloned())
        });
        let (config, live) = texts?;
        let peers = peers_of(&live);
        match route {
            "operator/status" => {
                let host = format!("{pod}.{name}-raft.{namespace}.svc:10008");
                let mut status = formed.map_or_else(MemberStatus::default, |id| member(id, ordinal, &peers));
                status.status.raft_advertise = host;
                status.version = VERSION.to_owned();
                status.min_version = VERSION.to_owned();
                status.config_hash = config_hash(&[&config, &live]);
                status.raft_nodes_hash = peers_hash(&peers);
                Some(json!(status))
            }
            "operator/reload" => Some(json!({ "ConfigHash": config_hash(&[&config, &live]) })),
            "raft-bootstrap" => Some(body.clone()),
            _ => None,
        }
    }
}

/// A voter of a healthy group that the first one leads.
fn member(cluster_id: String, ordinal: u64, peers: &[String]) -> MemberStatus {
    let leads = ordinal == 0;
    let voters = (1..).zip(peers).map(|(node_id, addr)| MemberName { node_id, addr: addr.clone() });
    let voters: Vec<MemberName> = voters.collect();
    let others = voters.iter().filter(|voter| leads && voter.node_id != 1);
    let heard = Replication { matched_index: Some(LOG), last_ack_ms: Some(1) };
    let mut status = MemberStatus {
        cluster_id,
        node_id: ordinal + 1,
        epoch: 1,
        initialized: true,
        data_state: DataState::Present,
        term: 1,
        last_log_index: Some(LOG),
        applied_index: Some(LOG),
        membership_log_index: Some(1),
        last_quorum_ack_ms: leads.then_some(1),
        replication: others.map(|voter| (voter.node_id, heard)).collect(),
        membership: Members { joint: false, committed: true, voters, learners: Vec::new() },
        ..MemberStatus::default()
    };
    status.status.state = if leads { "Leader" } else { "Follower" }.to_owned();
    status.status.healthy = true;
    status.status.is_part_of_quorum = true;
    status.status.leader = peers.first().cloned().unwrap_or_default();
    status
}

/// Answers for every member, at the port that is returned.
pub(crate) async fn serve(
    groups: Arc<Groups>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, _) = listener.accept().await?;
            let groups = groups.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| respond(groups.clone(), request));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(port)
}

async fn respond(
    groups: Arc<Groups>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    // `/namespace/pod/api/route`
    let parts: Vec<&str> = path.splitn(5, '/').collect();
    let answer = match parts[..] {
        ["", namespace, pod, "api", route] => groups.answer(namespace, pod, route, &body),
        _ => None,
    };
    let (status, text) = match answer {
        Some(answer) => (StatusCode::OK, answer.to_string()),
        None => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    Ok(response)
}
