//! Children: made once, mended when somebody changes them, never taken from somebody else.

use kube::runtime::watcher::Event;
use orchestrator_operator::{
    shell::{
        apply::{Memo, Owner, Report},
        index::{Key, Listing},
        metrics::Metrics,
        stores::Stores,
    },
    status::Problem,
};
use serde_json::{Value, json};

use super::fake::FakeApi;

const SERVICE: &str = "/api/v1/namespaces/db/services/main";
const UID: &str = "cluster-1";

#[derive(Default)]
struct World {
    api: FakeApi,
    stores: Stores,
    metrics: Metrics,
    memo: Memo,
}

impl World {
    async fn apply(&self, documents: Vec<Value>) -> Report {
        let (client, key) = (self.api.client(), Key::new("db", "main"));
        let (stores, metrics, memo) = (&self.stores, &self.metrics, &self.memo);
        let mut report = Report::default();
        let owner = Owner { client: &client, stores, metrics, memo, key: &key, uid: UID };
        owner.apply(documents, &mut report).await;
        report
    }

    async fn collect(&self, wanted: &str) -> Report {
        let (client, key) = (self.api.client(), Key::new("db", "main"));
        let (stores, metrics, memo) = (&self.stores, &self.metrics, &self.memo);
        let mut report = Report::default();
        let owner = Owner { client: &client, stores, metrics, memo, key: &key, uid: UID };
        owner.collect_configs(Some(wanted), &mut report).await;
        report
    }

    /// What the watch says of the object at `path`.
    fn watch(&self, path: &str) {
        let object = self.api.get(path).expect("it is there");
        match object["kind"].as_str() {
            Some("Service") => {
                let object = serde_json::from_value(object).expect("it is a Service");
                self.stores.services.take(Event::Apply(object), &mut Listing::new(None));
            }
            Some("ConfigMap") => {
                let object = serde_json::from_value(object).expect("it is a ConfigMap");
                self.stores.config_maps.take(Event::Apply(object), &mut Listing::new(None));
            }
            Some("StatefulSet") => {
                let object = serde_json::from_value(object).expect("it is a StatefulSet");
                self.stores.sets.take(Event::Apply(object), &mut Listing::new(None));
            }
            kind => panic!("nobody watches {kind:?}"),
        }
    }
}

fn owned(kind: &str, version: &str, name: &str, mut rest: Value) -> Value {
    rest["apiVersion"] = json!(version);
    rest["kind"] = json!(kind);
    rest["metadata"]["name"] = json!(name);
    rest["metadata"]["namespace"] = json!("db");
    rest["metadata"]["ownerReferences"] = json!([{ "apiVersion": "orchestrator.rs/v1alpha1",
        "kind": "OrchestratorCluster", "name": "main", "uid": UID, "controller": true }]);
    rest
}

fn service(port: u16) -> Value {
    owned("Service", "v1", "main", json!({ "spec": { "ports": [{ "port": port }] } }))
}

fn set() -> Value {
    let volume = json!({ "name": "config", "configMap": { "name": "main-config-b" } });
    let spec = json!({ "serviceName": "main-raft", "selector": {}, "template": { "spec": { "containers": [], "volumes": [volume] } } });
    owned("StatefulSet", "apps/v1", "main", json!({ "spec": spec }))
}

#[tokio::test]
async fn what_is_as_it_should_be_is_not_written_again() {
    let world = World::default();
    assert_eq!(world.apply(vec![service(80)]).await.writes, 1);
    world.watch(SERVICE);
    world.api.writes();
    for _ in 0..3 {
        let report = world.apply(vec![service(80)]).await;
        assert_eq!((report.writes, report.troubles.len()), (0, 0));
    }
    assert!(world.api.writes().is_empty());
    // Another operator, with nothing in its memory, finds the same.
    let other = World { memo: Memo::default(), metrics: Metrics::default(), ..world };
    assert_eq!(other.apply(vec![service(80)]).await.writes, 0);
    assert_eq!(other.apply(vec![service(81)]).await.writes, 1);
}

#[tokio::test]
async fn what_somebody_changed_or_deleted_is_mended_and_told_once() {
    let world = World::default();
    world.apply(vec![service(80)]).await;
    let mut changed = world.api.get(SERVICE).expect("it was made");
    changed["spec"]["ports"] = json!([{ "port": 8080 }]);
    world.api.put(SERVICE, changed.clone());
    world.watch(SERVICE);
    let report = world.apply(vec![service(80)]).await;
    assert_eq!(report.drifted, [("Service".to_owned(), "main".to_owned())]);
    assert_eq!(world.api.get(SERVICE).expect("it is there")["spec"]["ports"][0]["port"], 80);
    world.api.put(SERVICE, changed);
    world.watch(SERVICE);
    let again = world.apply(vec![service(80)]).await;
    assert_eq!((again.writes, again.drifted.len()), (1, 0), "within the same minute");
}

#[tokio::test]
async fn nothing_of_somebody_else_is_written_and_the_set_waits_for_what_its_pods_need() {
    let world = World::default();
    world.api.put(
        SERVICE,
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "main", "namespace": "db" } }),
    );
    let report = world.apply(vec![service(80), set()]).await;
    assert!(world.api.writes().is_empty());
    let [trouble] = &report.troubles[..] else { panic!("{:?}", report.troubles) };
    assert_eq!((trouble.kind.as_str(), trouble.problem), ("Service", Problem::OwnershipConflict));
    // What a former object of this name left behind is not taken either, and goes by itself.
    let mut other = service(80);
    other["metadata"]["ownerReferences"][0]["uid"] = json!("cluster-0");
    world.api.put(SERVICE, other);
    world.watch(SERVICE);
    assert_eq!(world.apply(vec![service(80)]).await.troubles[0].problem, Problem::Other);
    assert!(world.api.writes().is_empty());
}

#[tokio::test]
async fn a_class_says_whether_its_volumes_grow_and_one_that_cannot_be_read_says_nothing() {
    let world = World::default();
    let class = |name: &str, rest: Value| {
        let mut object =
            json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "x" });
        object["metadata"] = json!({ "name": name });
        object["allowVolumeExpansion"] = rest;
        world.api.put(&format!("/apis/storage.k8s.io/v1/storageclasses/{name}"), object);
    };
    class("elastic", json!(true));
    class("fixed", json!(false));
    class("silent", Value::Null);
    let (client, key) = (world.api.client(), Key::new("db", "main"));
    let (stores, metrics, memo) = (&world.stores, &world.metrics, &world.memo);
    let owner = Owner { client: &client, stores, metrics, memo, key: &key, uid: UID };
    let mut told = Vec::new();
    for name in ["elastic", "fixed", "silent", "absent"] {
        told.push(owner.expands(name).await);
    }
    assert_eq!(told, [Some(true), Some(false), Some(false), None]);
}

#[tokio::test]
async fn configurations_go_when_nobody_refers_to_them() {
    let world = World::default();
    let map = |name: &str| owned("ConfigMap", "v1", name, json!({ "data": { "x": name } }));
    let names = ["main-config-a", "main-config-b", "main-config-c"];
    world.apply(names.map(map).to_vec()).await;
    world.apply(vec![set()]).await;
    let path = |name: &str| format!("/api/v1/namespaces/db/configmaps/{name}");
    names.iter().for_each(|name| world.watch(&path(name)));
    let foreign = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "main-config-d", "namespace": "db" } });
    world.api.put(&path("main-config-d"), foreign);
    world.watch(&path("main-config-d"));
    world.watch("/apis/apps/v1/namespaces/db/statefulsets/main");
    world.collect("main-config-c").await;
    let left = |name: &str| world.api.get(&path(name)).is_some();
    assert_eq!(["a", "b", "c", "d"].map(|n| left(&format!("main-config-{n}"))), [false, true, true, true]);
}
