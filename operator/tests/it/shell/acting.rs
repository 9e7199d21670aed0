//! Actions say upon what they were decided.

use std::sync::Arc;

use kube::Config;
use orchestrator_crds::{OrchestratorCluster, verb};
use orchestrator_operator::{
    observation::{Delivery, Memory, Observation, Verbs},
    plan::{Action, Target},
    shell::{
        act::{ActError, Actor, Doors},
        apply::{Memo, Owner},
        clients::Clients,
        index::Key,
        metrics::Metrics,
        stores::Stores,
    },
};
use serde_json::json;
use tokio::task::JoinSet;

use super::fake::FakeApi;

const POD: &str = "/api/v1/namespaces/db/pods/main-1";
const CLUSTER: &str = "/apis/orchestrator.rs/v1alpha1/namespaces/db/orchestratorclusters/main";

fn observation(object: &OrchestratorCluster) -> Observation {
    Observation {
        now: jiff::Timestamp::UNIX_EPOCH,
        name: "main".into(),
        namespace: "db".into(),
        deleting: false,
        spec: Arc::new(object.spec.clone()),
        verbs: Verbs::default(),
        memory: Memory::default(),
        set: None,
        seats: Default::default(),
        external: Vec::new(),
        invalid: Vec::new(),
        delivery: Delivery::default(),
        may_roll: true,
        fresh_id: "id".into(),
    }
}

async fn act(api: &FakeApi, action: Action) -> Result<Option<OrchestratorCluster>, ActError> {
    let object = api.get(CLUSTER).unwrap_or_else(|| {
        json!({ "apiVersion": "orchestrator.rs/v1alpha1",
        "kind": "OrchestratorCluster", "metadata": { "name": "main", "namespace": "db" }, "spec": {} })
    });
    let object: OrchestratorCluster = serde_json::from_value(object).expect("it is one");
    let (client, key) = (api.client(), Key::new("db", "main"));
    let (stores, metrics, memo) = (Stores::default(), Metrics::default(), Memo::default());
    let owner =
        Owner { client: &client, stores: &stores, metrics: &metrics, memo: &memo, key: &key, uid: "u" };
    let (seen, doors) = (observation(&object), Doors::default());
    let actor =
        Actor { owner, object: &object, seen: &seen, doors: &doors, live_digest: None, once: &client };
    actor.act(&action).await
}

fn target(uid: &str, version: &str) -> Target {
    Target { pod: "main-1".into(), uid: uid.into(), resource_version: version.into() }
}

fn with_pod() -> FakeApi {
    let api = FakeApi::default();
    api.put(POD, json!({ "kind": "Pod", "metadata": { "name": "main-1", "namespace": "db", "uid": "new" } }));
    api
}

#[tokio::test]
async fn a_pod_of_the_same_name_is_not_evicted_for_its_predecessor() {
    let api = with_pod();
    let error = act(&api, Action::Evict(target("old", "1"))).await.expect_err("it is another one");
    assert!(error.is_passing(), "{error}");
    assert!(api.get(POD).is_some());
    act(&api, Action::Evict(target("new", "1"))).await.expect("it is this one");
    assert!(api.get(POD).is_none());
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_told_as_such() {
    let api = with_pod();
    api.use_up_budget();
    let error = act(&api, Action::Evict(target("new", "1"))).await.expect_err("nobody may go");
    assert!(matches!(&error, ActError::Budget(pod) if pod == "main-1"), "{error}");
}

#[tokio::test]
async fn an_eviction_that_is_not_allowed_now_is_asked_for_once() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (api, mut tasks) = (with_pod(), JoinSet::new());
    api.use_up_budget();
    let clients = Clients::new(Config::new(api.serve(&mut tasks).await)).expect("it is a configuration");
    let object: OrchestratorCluster =
        serde_json::from_value(json!({ "apiVersion": "orchestrator.rs/v1alpha1",
        "kind": "OrchestratorCluster", "metadata": { "name": "main", "namespace": "db" }, "spec": {} }))
        .expect("it is one");
    let (client, key) = (&clients.patient, Key::new("db", "main"));
    let (stores, metrics, memo) = (Stores::default(), Metrics::default(), Memo::default());
    let owner = Owner { client, stores: &stores, metrics: &metrics, memo: &memo, key: &key, uid: "u" };
    let (seen, doors, once) = (observation(&object), Doors::default(), &clients.once);
    let actor = Actor { owner, object: &object, seen: &seen, doors: &doors, live_digest: None, once };
    let error = actor.act(&Action::Evict(target("new", "1"))).await.expect_err("nobody may go");
    assert!(matches!(&error, ActError::Budget(_)), "{error}");
    assert_eq!(api.writes().len(), 1, "a client that asks again would ask until its time is over");
}

#[tokio::test]
async fn a_pod_that_changed_since_is_not_deleted() {
    let api = with_pod();
    let error = act(&api, Action::DeletePod(target("new", "0"))).await.expect_err("it changed");
    assert!(error.is_passing(), "{error}");
    let version =
        api.get(POD).expect("it is there")["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    act(&api, Action::DeletePod(target("new", &version.expect("it has one")))).await.expect("it did not");
    act(&api, Action::DeletePod(target("new", "1"))).await.expect("gone is what was wished");
}

#[tokio::test]
async fn of_two_operators_one_writes_the_group_down() {
    let api = FakeApi::default();
    let cluster = json!({ "apiVersion": "orchestrator.rs/v1alpha1", "kind": "OrchestratorCluster",
        "metadata": { "name": "main", "namespace": "db", "uid": "u", "annotations": { verb::TRANSFER_LEADER_TO: "main-2" } }, "spec": {} });
    api.put(CLUSTER, cluster);
    let record = |id: &str| Action::RecordBootstrap {
        token: id.into(),
        cluster_id: id.into(),
        members: Default::default(),
    };
    let before = api.get(CLUSTER).expect("it is there");
    let written = act(&api, record("a")).await.expect("nobody was faster").expect("it is the object");
    assert_eq!(
        written.status.and_then(|status| status.bootstrap).map(|of| of.cluster_id).as_deref(),
        Some("a")
    );
    // The second one read it before that.
    let stale: OrchestratorCluster = serde_json::from_value(before).expect("it is one");
    let (client, key) = (api.client(), Key::new("db", "main"));
    let (stores, metrics, memo) = (Stores::default(), Metrics::default(), Memo::default());
    let owner =
        Owner { client: &client, stores: &stores, metrics: &metrics, memo: &memo, key: &key, uid: "u" };
    let (seen, doors) = (observation(&stale), Doors::default());
    let second =
        Actor { owner, object: &stale, seen: &seen, doors: &doors, live_digest: None, once: &client };
    let error = second.act(&record("b")).await.expect_err("the first was faster");
    assert!(error.is_passing(), "{error}");
}

#[tokio::test]
async fn a_wish_is_taken_away_only_if_it_is_still_the_same() {
    let api = FakeApi::default();
    let cluster = json!({ "apiVersion": "orchestrator.rs/v1alpha1", "kind": "OrchestratorCluster",
        "metadata": { "name": "main", "namespace": "db", "uid": "u", "annotations": { verb::TRANSFER_LEADER_TO: "main-2" } }, "spec": {} });
    api.put(CLUSTER, cluster);
    let _ = act(&api, Action::ClearVerb { key: verb::TRANSFER_LEADER_TO, pod: None }).await;
    let asked = api.writes().pop().expect("it was asked");
    let path = "/metadata/annotations/orchestrator.rs~1transfer-leader-to";
    let expected =
        json!([{ "op": "test", "path": path, "value": "main-2" }, { "op": "remove", "path": path }]);
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn a_set_is_recreated_without_its_pods() {
    let api = FakeApi::default();
    let path = "/apis/apps/v1/namespaces/db/statefulsets/main";
    let set = api.put(
        path,
        json!({ "kind": "StatefulSet", "metadata": { "name": "main", "namespace": "db", "uid": "s" } }),
    );
    let resource_version = set["metadata"]["resourceVersion"].as_str().expect("it has one").to_owned();
    act(&api, Action::RecreateSet { uid: "s".into(), resource_version }).await.expect("it is that one");
    let asked = api.writes().pop().expect("it was asked");
    assert_eq!(asked.body["propagationPolicy"], "Orphan");
    assert_eq!(asked.body["preconditions"]["uid"], "s");
}
