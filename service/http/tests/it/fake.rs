//! A node that remembers what it was asked and answers what it was told.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use orchestrator_core::{InstanceKey, instance::PromotionRule, policy::NoFilters, view::InstanceRecord};
use orchestrator_http::{
    Api, Identity, Metrics, Origin, Settings,
    ports::{
        AckScope, Answer, BootstrapWish, Commands, DetectionFilter, DowntimeWish, HealthView, History,
        InstanceOperation, MembersChanged, MembersWish, Node, Page, Picture, PoolMember, PortError, Ports,
        Raft, Reads, RecoverOutcome, RecoverWish, RecoveryFilter, Reloaded, Role,
    },
};
use orchestrator_wire::{
    AuditRecord, BlockedRecord, CaseRecord, ChangelogRecord, DetectionRecord, MemberStatus, NodeHealth,
    ProcessingNode, RaftEvent, RaftEvents, RaftStatus, RecoveryRecord, StepRecord,
};
use serde_json::Value;

use crate::fleet::{NOW, key, picture, record};

/// The result that a command gives next.
type Next = Mutex<Option<PortError>>;

pub(crate) struct FakeNode {
    pub(crate) health: Mutex<Arc<HealthView>>,
    pub(crate) picture: Mutex<Arc<Picture>>,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) fails: Next,
    pub(crate) outcome: Mutex<RecoverOutcome>,
    pub(crate) stuck: Mutex<Option<String>>,
    pub(crate) has_history: bool,
}

impl Default for FakeNode {
    fn default() -> Self {
        Self {
            health: Mutex::new(Arc::new(leader())),
            picture: Mutex::new(Arc::new(picture())),
            asked: Mutex::default(),
            fails: Mutex::default(),
            outcome: Mutex::new(RecoverOutcome::Promoted(key("db2"))),
            stuck: Mutex::default(),
            has_history: true,
        }
    }
}

pub(crate) fn leader() -> HealthView {
    HealthView {
        healthy: true,
        is_leader: true,
        role: Role::Leader,
        leader: "orc-0:10008".into(),
        leader_uri: "http://orc-0:3000".into(),
        backend_writable: true,
        ready: true,
        ..HealthView::default()
    }
}

pub(crate) fn follower_of(uri: &str) -> HealthView {
    HealthView { is_leader: false, role: Role::Follower, leader_uri: uri.into(), ..leader() }
}

pub(crate) fn isolated() -> HealthView {
    HealthView {
        reasons: vec!["no leader for 2.1 s".into()],
        backend_writable: true,
        ..HealthView::default()
    }
}

impl FakeNode {
    fn note(&self, what: String) -> Result<(), PortError> {
        self.asked.lock().unwrap().push(what);
        self.fails.lock().unwrap().take().map_or(Ok(()), Err)
    }

    fn answer<T: Send + 'static>(&self, what: String, value: impl FnOnce() -> T) -> Answer<'_, T> {
        let result = self.note(what).map(|()| value());
        async move { result }.boxed()
    }

    fn list<T: Send + 'static>(&self, what: String, value: impl FnOnce() -> T) -> Answer<'_, Vec<T>> {
        let some = self.has_history;
        self.answer(what, || if some { vec![value()] } else { Vec::new() })
    }

    fn known(&self, key: &InstanceKey) -> Arc<InstanceRecord> {
        let picture = self.picture.lock().unwrap().clone();
        picture.view.get(key).cloned().unwrap_or_else(|| Arc::new(record(&key.hostname, 1, None)))
    }

    /// What was asked for since the last look.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Reads for FakeNode {
    fn picture(&self) -> Arc<Picture> {
        self.picture.lock().unwrap().clone()
    }
}

impl Node for FakeNode {
    fn health(&self) -> Arc<HealthView> {
        self.health.lock().unwrap().clone()
    }
    fn stuck(&self) -> Option<String> {
        self.stuck.lock().unwrap().clone()
    }
    fn available_nodes(&self) -> Option<Vec<NodeHealth>> {
        Some(vec![NodeHealth { hostname: "orc-0".into(), ..NodeHealth::default() }])
    }
    fn healthy_members(&self) -> Option<Vec<String>> {
        self.health().is_leader.then(|| vec!["orc-0".into()])
    }
    fn reload(&self, by: String) -> Answer<'_, Reloaded> {
        self.answer(format!("reload by {by}"), || Reloaded {
            config_hash: "c0ffee".into(),
            taken_over: vec!["RaftNodes".into()],
            needs_restart: vec!["RaftBind".into()],
            ..Reloaded::default()
        })
    }
}

impl Raft for FakeNode {
    fn status(&self) -> MemberStatus {
        let status = RaftStatus {
            raft_bind: "orc-0:10008".into(),
            state: self.health().role.as_str().into(),
            ..Default::default()
        };
        MemberStatus { status, ..MemberStatus::default() }
    }
    fn events(&self, since: u64) -> RaftEvents {
        let happened = [5, 7].map(|unix_microseconds| RaftEvent {
            unix_microseconds,
            kind: "candidate".into(),
            ..RaftEvent::default()
        });
        let events = happened.into_iter().filter(|event| event.unix_microseconds > since).collect();
        RaftEvents { node: "orc-0:10008".into(), events, ..RaftEvents::default() }
    }
    fn peers(&self) -> Vec<String> {
        vec!["orc-0:10008".into(), "orc-1:10008".into()]
    }
    fn yield_to(&self, node: String) {
        self.asked.lock().unwrap().push(format!("yield {node}"));
    }
    fn yield_to_hint(&self, hint: String) {
        self.asked.lock().unwrap().push(format!("yield hint {hint}"));
    }
    fn snapshot(&self) -> Answer<'_, ()> {
        self.answer("snapshot".into(), || ())
    }
    fn add_peer(&self, address: String) -> Answer<'_, String> {
        self.answer(format!("add peer {address}"), || format!("{address}:10008"))
    }
    fn change_members(&self, wish: MembersWish) -> Answer<'_, MembersChanged> {
        self.answer(format!("{wish:?}"), || MembersChanged { index: 12, node_id: Some(65_547) })
    }
    fn bootstrap(&self, wish: BootstrapWish) -> Answer<'_, ()> {
        self.answer(format!("{wish:?}"), || ())
    }
    fn force_new_cluster(&self, cluster_id: String, epoch: u64) -> Answer<'_, u64> {
        self.answer(format!("force {cluster_id} {epoch}"), || epoch + 1)
    }
    fn remove_peer(&self, address: String) -> Answer<'_, String> {
        self.answer(format!("remove peer {address}"), || format!("{address}:10008"))
    }
}

fn case() -> CaseRecord {
    CaseRecord {
        failed: key("db1"),
        analysis: "DeadMaster".into(),
        cluster: "db1:3306".into(),
        alias: "prod-a".into(),
        count_replicas: 2,
        replicas: vec![key("db2"), key("db3")],
    }
}

impl History for FakeNode {
    fn audit(&self, instance: Option<InstanceKey>, page: Page) -> Answer<'_, Vec<AuditRecord>> {
        self.list(format!("audit {instance:?} from {} size {}", page.offset(), page.size), || AuditRecord {
            id: 3,
            at: NOW,
            kind: "recover".into(),
            instance: None,
            message: "done".into(),
        })
    }
    fn detections(&self, filter: DetectionFilter, page: Page) -> Answer<'_, Vec<DetectionRecord>> {
        self.list(format!("detections {filter:?} page {}", page.number), || DetectionRecord {
            id: 9,
            case: case(),
            is_active: true,
            detected_at: NOW,
            processing_node: ProcessingNode::default(),
            related_recovery_id: 7,
        })
    }
    fn recoveries(&self, filter: RecoveryFilter, open: bool, page: Page) -> Answer<'_, Vec<RecoveryRecord>> {
        self.list(format!("recoveries {filter:?} open {open} page {}", page.number), || RecoveryRecord {
            id: 7,
            uid: "1:ab".into(),
            case: case(),
            successor: Some(key("db2")),
            successor_alias: String::new(),
            is_active: false,
            is_successful: true,
            lost_replicas: Vec::new(),
            participants: Vec::new(),
            errors: Vec::new(),
            started_at: NOW,
            ended_at: None,
            processing_node: ProcessingNode::default(),
            acknowledged: None,
            last_detection_id: 9,
        })
    }
    fn steps(&self, recovery_uid: String) -> Answer<'_, Vec<StepRecord>> {
        self.list(format!("steps {recovery_uid}"), || StepRecord {
            id: 1,
            recovery_uid: "1:ab".into(),
            at: NOW,
            message: "stop".into(),
        })
    }
    fn blocked(&self, cluster: Option<String>) -> Answer<'_, Vec<BlockedRecord>> {
        self.list(format!("blocked {cluster:?}"), || BlockedRecord {
            failed: key("db1"),
            cluster: "db1:3306".into(),
            analysis: "DeadMaster".into(),
            last_blocked_at: NOW,
            blocking_recovery_id: 7,
        })
    }
    fn changelog(&self) -> Answer<'_, Vec<ChangelogRecord>> {
        self.list("changelog".into(), || ChangelogRecord {
            instance: key("db1"),
            changes: vec![(NOW, "DeadMaster".into())],
        })
    }
    fn pool_members(&self, pool: Option<String>) -> Answer<'_, Vec<PoolMember>> {
        let mut members = Vec::new();
        if self.has_history {
            let placed =
                [("web", "db3"), ("web", "db2"), ("web", "solo10"), ("batch", "db3"), ("batch", "gone")];
            members.extend(placed.map(|(pool, host)| PoolMember { pool: pool.into(), key: key(host) }));
        }
        members.retain(|member| pool.as_ref().is_none_or(|pool| *pool == member.pool));
        self.answer(format!("pools {pool:?}"), || members)
    }
}

impl Commands for FakeNode {
    fn discover(&self, key: InstanceKey) -> Answer<'_, Option<Arc<InstanceRecord>>> {
        let record = self.known(&key);
        self.answer(format!("discover {key}"), || Some(record))
    }
    fn discover_later(&self, key: InstanceKey) -> Answer<'_, ()> {
        self.answer(format!("discover later {key}"), || ())
    }
    fn refresh(&self, key: InstanceKey) -> Answer<'_, ()> {
        self.answer(format!("refresh {key}"), || ())
    }
    fn forget(&self, key: InstanceKey) -> Answer<'_, ()> {
        self.answer(format!("forget {key}"), || ())
    }
    fn forget_cluster(&self, cluster: String) -> Answer<'_, ()> {
        self.answer(format!("forget cluster {cluster}"), || ())
    }
    fn begin_downtime(&self, wish: DowntimeWish) -> Answer<'_, ()> {
        let DowntimeWish { key, owner, reason, duration } = wish;
        self.answer(format!("downtime {key} by {owner} for {reason:?} {duration:?}"), || ())
    }
    fn end_downtime(&self, key: InstanceKey) -> Answer<'_, ()> {
        self.answer(format!("end downtime {key}"), || ())
    }
    fn register_candidate(&self, key: InstanceKey, rule: PromotionRule) -> Answer<'_, ()> {
        self.answer(format!("candidate {key} {}", rule.as_str()), || ())
    }
    fn acknowledge(&self, scope: AckScope, by: String, comment: String) -> Answer<'_, u64> {
        self.answer(format!("ack {scope:?} by {by}: {comment}"), || 1)
    }
    fn set_global_recoveries(&self, enabled: bool) -> Answer<'_, ()> {
        self.answer(format!("global recoveries {enabled}"), || ())
    }
    fn operate(&self, key: InstanceKey, operation: InstanceOperation) -> Answer<'_, Arc<InstanceRecord>> {
        let record = self.known(&key);
        self.answer(format!("{operation:?} {key}"), || record)
    }
    fn recover(&self, wish: RecoverWish) -> Answer<'_, RecoverOutcome> {
        let RecoverWish { failed, candidate, skip_hooks, by } = wish;
        let outcome = self.outcome.lock().unwrap().clone();
        self.answer(format!("recover {failed} to {candidate:?} skip {skip_hooks} by {by}"), || outcome)
    }
}

/// An API over a fake node.
pub(crate) struct World {
    pub(crate) node: Arc<FakeNode>,
    pub(crate) api: Api,
}

impl Default for World {
    fn default() -> Self {
        Self::with(FakeNode::default(), Settings::default())
    }
}

impl World {
    pub(crate) fn with(node: FakeNode, settings: Settings) -> Self {
        Self::build(node, settings, true)
    }

    pub(crate) fn without_raft(node: FakeNode) -> Self {
        Self::build(node, Settings::default(), false)
    }

    /// A node that goes by an identity of its own.
    pub(crate) fn named(node: FakeNode, identity: Identity) -> Self {
        Self::build_as(node, Settings { identity, ..Settings::default() }, true)
    }

    fn build(node: FakeNode, settings: Settings, raft: bool) -> Self {
        let identity = Identity {
            hostname: "orc-0".into(),
            token: "ef56".into(),
            raft_advertise: "orc-0".into(),
            own_uri: "http://orc-0:3000".into(),
        };
        Self::build_as(node, Settings { identity, ..settings }, raft)
    }

    fn build_as(node: FakeNode, settings: Settings, raft: bool) -> Self {
        let node = Arc::new(node);
        let ports = Ports {
            reads: node.clone(),
            history: node.clone(),
            commands: node.clone(),
            node: node.clone(),
            raft: raft.then(|| node.clone() as Arc<dyn Raft>),
            filters: Arc::new(NoFilters),
            tokens: None,
        };
        Self { api: Api::new(settings, ports, Arc::new(Metrics::new())), node }
    }

    pub(crate) fn health(self, health: HealthView) -> Self {
        *self.node.health.lock().unwrap() = Arc::new(health);
        self
    }

    pub(crate) async fn request(&self, request: Request<()>) -> Answered {
        self.send(request.map(|()| String::new())).await
    }

    /// As [`World::request`], with a body.
    pub(crate) async fn send(&self, request: Request<String>) -> Answered {
        let (parts, body) = self.api.handle(request, Origin::default()).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answered {
            response: Response::from_parts(parts, ()),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.request(Request::builder().uri(path).body(()).unwrap()).await
    }

    pub(crate) async fn method(&self, method: Method, path: &str) -> Answered {
        self.request(Request::builder().method(method).uri(path).body(()).unwrap()).await
    }

    /// Asks below `/api/`, and expects an error with this message.
    pub(crate) async fn fails(&self, route: &str, message: &str) {
        let answer = self.get(&format!("/api/{route}")).await;
        let json = answer.json();
        assert_eq!(
            (answer.status(), &json["Code"], &json["Message"]),
            (500, &Value::from("ERROR"), &Value::from(message)),
            "{route}"
        );
    }
}

pub(crate) struct Answered {
    pub(crate) response: Response<()>,
    pub(crate) body: String,
}

impl Answered {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Status and body are exactly these.
    pub(crate) fn is(&self, status: StatusCode, body: &str) {
        assert_eq!((self.response.status(), self.body.as_str()), (status, body));
    }
}
