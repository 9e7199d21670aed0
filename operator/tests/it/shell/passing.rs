//! Whole passes, on an API server that refuses and members that fall silent.

#[path = "../../../examples/bench/group.rs"]
#[allow(dead_code, reason = "the bench asks more of it")]
mod group;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kube::{ResourceExt, runtime::watcher::Event};
use orchestrator_crds::label;
use orchestrator_operator::{
    names,
    shell::{
        Operator, Settings,
        clients::Clients,
        index::{Facts, Index, Key, Listing},
        metrics::{Metrics, PassResult},
        pass::Passed,
        stores::Stores,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::group::Groups;
use super::fake::{FakeApi, Fault, Refusal};

const CLUSTER: &str = "/apis/orchestrator.rs/v1alpha1/namespaces/db/orchestratorclusters/main";
const SET: &str = "/apis/apps/v1/namespaces/db/statefulsets/main";
/// Passes that a group needs at most until it is as wished.
const PASSES: usize = 40;
/// Longer than what was read of a Secret is good enough.
const SECRETS_ARE_OLD: Duration = Duration::from_secs(61);

thread_local! {
    /// Each test has its own: they are threads.
    static NOW: Cell<i64> = const { Cell::new(1_800_000_000) };
}

fn clock() -> Timestamp {
    Timestamp::from_second(NOW.get()).expect("it is a time")
}

/// A cluster with one object, and everybody who works there beside the operator.
struct World {
    api: FakeApi,
    stores: Arc<Stores>,
    operator: Operator,
    groups: Arc<Groups>,
    key: Key,
    /// A pod whose member does not answer.
    mute: RefCell<Option<String>>,
    /// They end with it.
    _members: JoinSet<anyhow::Result<()>>,
}

impl World {
    async fn new() -> Self {
        let (api, stores, groups) =
            (FakeApi::default(), Arc::new(Stores::default()), Arc::new(Groups::default()));
        let mut members = JoinSet::new();
        let port = group::serve(groups.clone(), &mut members).await.expect("there is a port");
        let settings = Settings {
            default_image: Some("orchestrator:1".to_owned()),
            member_url_template: Some(format!("http://127.0.0.1:{port}/{{namespace}}/{{pod}}")),
            steady_interval: Duration::from_secs(30),
            concurrency: 1,
            max_concurrent_rollouts: 1,
            rollout_delay: Duration::ZERO,
            pod_name: None,
            clock,
            operator_pods: None,
        };
        let clients = Clients { patient: api.client(), once: api.client() };
        let operator = Operator::new(clients, stores.clone(), Arc::new(Metrics::default()), settings);
        api.put(
            CLUSTER,
            json!({
                "apiVersion": "orchestrator.rs/v1alpha1", "kind": "OrchestratorCluster",
                "metadata": { "name": "main", "namespace": "db", "uid": "u", "generation": 1 },
                "spec": { "storage": { "ephemeral": true } },
            }),
        );
        let key = Key::new("db", "main");
        let world = Self { api, stores, operator, groups, key, mute: RefCell::default(), _members: members };
        world.everybody_else();
        world
    }

    /// One pass, and then time for everybody else.
    async fn pass(&self) -> Passed {
        let passed = self.operator.pass(&self.key).await;
        self.everybody_else();
        NOW.set(NOW.get() + 5);
        passed
    }

    /// Until it is as wished and nothing is left to write; what is told meanwhile goes through `look`.
    async fn form(&self, look: impl Fn(&Value)) {
        for _ in 0..PASSES {
            let passed = self.pass().await;
            look(&self.status());
            if passed.result == PassResult::Steady && self.condition("Ready").0 == "True" {
                return;
            }
        }
        panic!("it does not become ready: {:#}", self.status());
    }

    fn status(&self) -> Value {
        self.api.get(CLUSTER).expect("it is there")["status"].clone()
    }

    /// Status and message.
    fn condition(&self, of: &str) -> (String, String) {
        let status = self.status();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|condition| condition["type"] == of).unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("message"))
    }

    /// Paths of everything that was made, events left out.
    fn made(&self) -> BTreeSet<String> {
        self.api.objects().into_keys().filter(|path| !path.contains("/events/")).collect()
    }

    /// The controllers of Kubernetes, kubelet, and the watches.
    fn everybody_else(&self) {
        if let Some(set) = self.api.get(SET) {
            self.run(set);
        }
        let objects: Vec<Value> = self.api.objects().into_values().collect();
        for object in objects.iter().filter(|object| object["kind"] == "ConfigMap") {
            let data = &object["data"];
            let text = [names::CONFIG_KEY, names::LIVE_KEY].iter().find_map(|key| data[*key].as_str());
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            self.groups.configured(name.to_owned(), text.unwrap_or_default().to_owned());
        }
        relist(&self.stores.clusters, &objects, "OrchestratorCluster");
        relist(&self.stores.sets, &objects, "StatefulSet");
        relist(&self.stores.pods, &objects, "Pod");
        relist(&self.stores.services, &objects, "Service");
        relist(&self.stores.config_maps, &objects, "ConfigMap");
        relist(&self.stores.budgets, &objects, "PodDisruptionBudget");
        relist(&self.stores.accounts, &objects, "ServiceAccount");
        relist(&self.stores.policies, &objects, "NetworkPolicy");
    }

    /// Pods of the set, which run at once.
    fn run(&self, mut set: Value) {
        set["status"] = json!({ "updateRevision": "main-1" });
        let set = self.api.put(SET, set);
        let template = &set["spec"]["template"];
        let volumes = template["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let config = volumes.iter().find(|volume| volume["name"] == names::CONFIG_VOLUME).cloned();
        let config = config.unwrap_or_default()["configMap"]["name"].as_str().unwrap_or_default().to_owned();
        for ordinal in 0..set["spec"]["replicas"].as_u64().unwrap_or_default() {
            let name = format!("main-{ordinal}");
            let mounts = if *self.mute.borrow() == Some(name.clone()) { "nothing" } else { &config };
            self.groups.placed(name.clone(), mounts.to_owned());
            let path = format!("/api/v1/namespaces/db/pods/{name}");
            if self.api.get(&path).is_none() {
                let mut metadata = template["metadata"].clone();
                metadata["name"] = json!(name);
                metadata["namespace"] = json!("db");
                metadata["labels"]["controller-revision-hash"] = json!("main-1");
                metadata["labels"][label::CLUSTER] = json!("main");
                metadata["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet",
                    "name": "main", "uid": set["metadata"]["uid"], "controller": true }]);
                let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": clock() });
                let status = json!({ "phase": "Running", "podIP": "127.0.0.1", "conditions": [ready] });
                let spec = template["spec"].clone();
                let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status });
                self.api.put(&path, pod);
            }
        }
    }
}

/// A watch that begins anew.
fn relist<F>(index: &Index<F>, objects: &[Value], kind: &str)
where
    F: Facts,
    F::Object: DeserializeOwned + ResourceExt,
{
    let mut listing = Listing::new(None);
    index.take(Event::Init, &mut listing);
    for object in objects.iter().filter(|object| object["kind"] == kind) {
        let object = serde_json::from_value(object.clone()).expect("it is one of its kind");
        index.take(Event::InitApply(object), &mut listing);
    }
    index.take(Event::InitDone, &mut listing);
}

#[tokio::test]
async fn a_group_at_rest_is_looked_at_and_not_written_to() {
    let world = World::new().await;
    world.form(|_| {}).await;
    world.api.writes();
    for _ in 0..10 {
        NOW.set(NOW.get() + 60);
        assert_eq!(world.pass().await.result, PassResult::Steady);
    }
    assert_eq!(world.api.writes(), [], "with nothing to write");
    // Nor by an operator that begins with nothing in its memory.
    let clients = Clients { patient: world.api.client(), once: world.api.client() };
    let metrics = Arc::new(Metrics::default());
    let next = Operator::new(clients, world.stores.clone(), metrics, world.operator.settings.clone());
    assert_eq!(next.pass(&world.key).await.result, PassResult::Steady);
    assert_eq!(world.api.writes(), []);
}

#[tokio::test]
async fn whichever_call_fails_once_the_same_comes_of_it_and_nobody_is_told() {
    let world = World::new().await;
    world.form(|_| {}).await;
    let (calls, made) = (world.api.count(), world.made());
    let refusals = [
        Refusal::Status(500, "failed on purpose"),
        Refusal::Status(429, "failed on purpose"),
        Refusal::Status(409, "failed on purpose"),
        Refusal::Broken,
    ];
    for after in 0..calls {
        let refusal = refusals[after % refusals.len()];
        let world = World::new().await;
        world.api.set_fault(Some(Fault { path: "", after, times: 1, refusal }));
        world
            .form(|status| {
                let told = status["conditions"].to_string();
                let words = ["failed on purpose", "the connection broke", "is forbidden", "controlled by"];
                assert!(!words.iter().any(|word| told.contains(word)), "{refusal:?} at call {after}: {told}");
            })
            .await;
        assert_eq!(world.made(), made, "{refusal:?} at call {after}");
    }
}

#[tokio::test]
async fn what_is_refused_again_is_told_and_all_else_is_made() {
    let cases = [
        (
            Refusal::Status(403, r#"User "operator" cannot patch resource "services""#),
            "give the operator the rights",
        ),
        (Refusal::Status(403, "exceeded quota: small"), "raise the quota"),
        (Refusal::Status(500, "failed calling webhook"), "failed calling webhook"),
    ];
    for (refusal, words) in cases {
        let world = World::new().await;
        world.api.set_fault(Some(Fault { path: "/services/", after: 0, times: usize::MAX, refusal }));
        for _ in 0..3 {
            assert_eq!(world.pass().await.result, PassResult::Failed, "{refusal:?}");
        }
        let (_, told) = world.condition("Progressing");
        assert!(told.contains(words), "{refusal:?}: {told}");
        assert!(world.made().iter().any(|path| path.contains("/configmaps/main-live")));
        assert!(world.api.get(SET).is_none(), "its pods would not find one another");
        world.api.set_fault(None);
        world.form(|_| {}).await;
    }
}

#[tokio::test]
async fn an_api_that_was_away_for_a_minute_leaves_no_trace() {
    let world = World::new().await;
    world.form(|_| {}).await;
    world.api.writes();
    tokio::time::pause();
    tokio::time::advance(SECRETS_ARE_OLD).await;
    tokio::time::resume();
    let refusal = Refusal::Broken;
    world.api.set_fault(Some(Fault { path: "", after: 0, times: usize::MAX, refusal }));
    for _ in 0..3 {
        assert_eq!(world.pass().await.result, PassResult::Steady, "all that is needed is known");
    }
    world.api.set_fault(None);
    assert_eq!(world.pass().await.result, PassResult::Steady);
    assert_eq!(world.api.writes(), []);
}

#[tokio::test]
async fn nothing_is_rendered_before_it_is_known_what_is_installed() {
    let world = World::new().await;
    let refusal = Refusal::Status(503, "the server is starting");
    let path = "/apis/security.openshift.io/v1";
    world.api.set_fault(Some(Fault { path, after: 0, times: 3, refusal }));
    for _ in 0..3 {
        assert_eq!(world.pass().await.result, PassResult::Failed);
        assert_eq!(world.api.writes(), [], "members would be restarted by a wrong guess");
    }
    world.form(|_| {}).await;
}

#[tokio::test]
async fn a_member_that_is_silent_once_is_no_news_and_twice_is() {
    let world = World::new().await;
    world.form(|_| {}).await;
    world.api.writes();
    let mute = |pod: Option<&str>| {
        world.mute.replace(pod.map(str::to_owned));
        world.everybody_else();
    };
    mute(Some("main-1"));
    assert_eq!(world.pass().await.result, PassResult::Failed, "it is asked again soon");
    mute(None);
    assert_eq!(world.pass().await.result, PassResult::Steady);
    assert_eq!(world.api.writes(), []);
    mute(Some("main-1"));
    world.pass().await;
    world.pass().await;
    let (reachable, told) = world.condition("MembersReachable");
    assert!(reachable == "False" && told.contains("main-1"), "{told}");
    mute(None);
    world.form(|_| {}).await;
}

#[tokio::test]
async fn a_status_that_was_decided_on_an_older_object_is_not_written() {
    let world = World::new().await;
    world.form(|_| {}).await;
    // Somebody else wrote, and no watch has told so yet; what we see changes as well.
    let mut object = world.api.get(CLUSTER).expect("it is there");
    object["status"]["clusterID"] = json!("another");
    let before = world.stores.clusters.get(&world.key).expect("it is known");
    let stale = serde_json::to_value(before.object().expect("it can be read")).expect("it is JSON");
    world.mute.replace(Some("main-2".to_owned()));
    world.everybody_else();
    world.pass().await;
    world.api.put(CLUSTER, object);
    relist(&world.stores.clusters, &[stale], "OrchestratorCluster");
    assert_eq!(world.operator.pass(&world.key).await.result, PassResult::Failed);
    assert_eq!(world.status()["clusterID"], "another");
}
