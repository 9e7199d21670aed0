//! What stays as it is: whatever would restart members without anybody wishing it.

use expect_test::expect;
use k8s_openapi::api::apps::v1::StatefulSet;
use orchestrator_crds::{OrchestratorCluster, annotation, verb};
use orchestrator_operator::{
    build::{Context, Seen, config_hash, digest, peers_hash, peers_of, render},
    names,
};
use serde_json::{Value, json};

use super::{cluster, context, put_secret, refusal, rendered, seen};

fn set(cluster: &OrchestratorCluster, context: &Context, seen: &Seen) -> StatefulSet {
    let peers = names::addresses("main", "db", &cluster.spec);
    render(cluster, context, seen).expect("it makes sense").children(3, &peers).stateful_set
}

fn template(spec: &str) -> Value {
    let cluster = cluster(spec);
    json!(set(&cluster, &context(), &seen(&cluster)))["spec"]["template"].clone()
}

#[test]
fn the_same_spec_gives_the_same_objects_to_the_letter() {
    let spec = "config: {ClusterNameToAlias: {b: '1', a: '2'}, InstancePollSeconds: 3}";
    let peers = ["a:1".to_owned()];
    assert_eq!(rendered(spec).children(3, &peers), rendered(spec).children(3, &peers));
}

#[test]
fn what_reaches_a_running_member_makes_no_new_revision() {
    assert_eq!(template("{}"), template("config: {ReadOnly: true, PowerAuthUsers: [a]}"));
    assert_eq!(template("{}"), template("{replicas: 5, paused: true, update: {minReadySeconds: 60}}"));
    assert_ne!(template("{}"), template("config: {InstancePollSeconds: 6}"));
}

/// Members were made from it: whoever upgrades the operator must not restart them.
#[test]
fn a_template_that_was_released_never_changes() {
    let released = "8a6b6aea2d0020514c616add1b174acc82b20c895ce0bdbc4a906c6a68544ba5";
    let now = digest(template("image: 'orchestrator:1'").to_string().as_bytes());
    assert_eq!(now, released, "give the change a new number in `TEMPLATES`, and leave number 1 as it is");
}

#[test]
fn fields_that_are_said_to_take_effect_at_once_restart_nobody_and_the_others_do() {
    let at_once = [
        "replicas: 5",
        "storage: {size: 9Gi, retention: {whenDeleted: Delete, whenScaled: Retain}}",
        "config: {ReadOnly: true, AuthUserHeader: X, PowerAuthGroups: [a]}",
        "service: {type: NodePort, port: 81, labels: {a: b}}",
        "update: {strategy: Manual, minReadySeconds: 1, recoveryHoldSeconds: 1, memberTimeoutSeconds: 99}",
        "replacement: {policy: Manual, storageLostAfterSeconds: 1}",
        "podDisruptionBudget: {enabled: false}",
        "networkPolicy: {enabled: true}",
        "monitoring: {podMonitor: {enabled: true}}",
        "{paused: true, stopped: true, deletionProtection: true, unsafeFlags: {evenReplicas: true}}",
        "raft: {externalMembers: ['a.example:1', 'b.example:1']}",
    ];
    let restarting = [
        "image: other",
        "imagePullPolicy: Always",
        "imagePullSecrets: [{name: a}]",
        "api: {authentication: {method: Proxy}}",
        "config: {InstancePollSeconds: 7}",
        "topology: {credentialsSecretRef: {name: a}}",
        "topology: {tlsSecretRef: {name: a}}",
        "hooks: {configMapRef: {name: a}}",
        "hooks: {secretRefs: [{name: a}]}",
        "tls: {secretRef: {name: a}}",
        "tls: {secretRef: {name: a}, raft: false}",
        "pod: {labels: {a: b}}",
        "pod: {resources: {requests: {cpu: '1'}}}",
        "pod: {antiAffinity: Disabled}",
        "pod: {terminationGracePeriodSeconds: 90}",
    ];
    let before = template("{}");
    let changed = |specs: &[&'static str], wanted: bool| -> Vec<&'static str> {
        specs.iter().copied().filter(|spec| (template(spec) != before) != wanted).collect()
    };
    assert_eq!(changed(&at_once, false), [""; 0], "these restart members");
    assert_eq!(changed(&restarting, true), [""; 0], "these never reach members");
}

#[test]
fn an_image_stays_what_it_was_unless_the_operator_is_to_be_followed() {
    let upgraded = Context { default_image: Some("orchestrator:2".to_owned()), ..context() };
    let image =
        |spec: &str, seen: &Seen| render(&cluster(spec), &upgraded, seen).expect("it makes sense").image;
    let status = Seen { resolved_image: Some("orchestrator:1".to_owned()), ..Seen::default() };
    assert_eq!(image("{}", &Seen::default()), "orchestrator:2");
    assert_eq!(image("{}", &status), "orchestrator:1");
    assert_eq!(image("update: {followOperator: true}", &status), "orchestrator:2");
    assert_eq!(image("{image: own, update: {followOperator: true}}", &status), "own");
    // The status was lost; the StatefulSet was not.
    let before = cluster("image: 'orchestrator:1'");
    let live = Seen { live: Some(set(&before, &context(), &Seen::default())), ..Seen::default() };
    assert_eq!(image("{}", &live), "orchestrator:1");
}

#[test]
fn a_template_of_a_newer_operator_is_not_taken_back_unasked() {
    let newer = Seen { template_version: Some("99".to_owned()), ..Seen::default() };
    expect![[r#"
        CannotBeRendered: members were made from template 99 of a newer operator, and this one knows up to 1: upgrade the operator, or set spec.update.followOperator to true to make them from template 1.
    "#]].assert_eq(&refusal(render(&cluster("{}"), &context(), &newer)));
    let followed = render(&cluster("update: {followOperator: true}"), &context(), &newer);
    assert_eq!(followed.expect("it is wished").template_version, "1");
}

#[test]
fn a_changed_secret_restarts_members_only_where_they_cannot_read_it_again() {
    let hash = |spec: &str, name: &str, keys: &[(&str, &str)]| {
        let cluster = cluster(spec);
        let mut seen = seen(&cluster);
        put_secret(&mut seen, name, keys);
        let set = set(&cluster, &context(), &seen);
        let annotations = json!(set)["spec"]["template"]["metadata"]["annotations"].clone();
        annotations[annotation::RESTART_HASH].as_str().map(str::to_owned)
    };
    let fleet = "topology: {credentialsSecretRef: {name: fleet}}";
    let one = hash(fleet, "fleet", &[("username", "a"), ("password", "b")]);
    assert!(one.is_some());
    assert_eq!(one, hash(fleet, "fleet", &[("username", "a"), ("password", "b"), ("other", "c")]));
    assert_ne!(one, hash(fleet, "fleet", &[("username", "a"), ("password", "c")]));
    let tls = [("tls.crt", "a"), ("tls.key", "b"), ("ca.crt", "c")];
    assert_eq!(hash("tls: {secretRef: {name: t}}", "t", &tls), None);
}

#[test]
fn claims_of_the_stateful_set_stay_as_they_are() {
    let small = cluster("storage: {size: 1Gi}");
    let mut live = json!(set(&small, &context(), &Seen::default()));
    live["spec"]["volumeClaimTemplates"][0]["status"] = json!({ "phase": "Pending" });
    live["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] = json!("Filesystem");
    let live: StatefulSet = serde_json::from_value(live).expect("it is one");
    let large = cluster("storage: {size: 5Gi}");
    let size = |set: &StatefulSet| {
        json!(set)["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"].clone()
    };
    let seen = Seen { live: Some(live), ..Seen::default() };
    let kept = set(&large, &context(), &seen);
    assert_eq!(size(&kept), "1Gi");
    let claim = &json!(kept)["spec"]["volumeClaimTemplates"][0];
    assert_eq!((&claim["status"], &claim["spec"]["volumeMode"]), (&Value::Null, &json!("Filesystem")));
    assert_eq!(size(&set(&large, &context(), &Seen::default())), "5Gi");
}

#[test]
fn a_person_restarts_all_members_by_annotation() {
    let mut cluster = cluster("{}");
    let before = set(&cluster, &context(), &Seen::default());
    let asked = [(verb::RESTARTED_AT.to_owned(), "2026-01-01T00:00:00Z".to_owned())];
    cluster.metadata.annotations = Some(asked.into());
    let after = set(&cluster, &context(), &Seen::default());
    assert_ne!(before, after);
    assert_eq!(
        json!(after)["spec"]["template"]["metadata"]["annotations"][verb::RESTARTED_AT],
        "2026-01-01T00:00:00Z"
    );
}

#[test]
fn a_pod_template_cannot_change_what_members_need() {
    let own = template("{}");
    let changed = template(
        "
pod:
  template:
    metadata:
      labels: {app.kubernetes.io/name: other, orchestrator.rs/cluster: other}
      annotations: {orchestrator.rs/template-version: '7'}
    spec:
      terminationGracePeriodSeconds: 1
      volumes: [{name: config, emptyDir: {}, configMap: null}, {name: live, $patch: delete}]
      containers:
      - name: orchestrator
        image: other
        command: [sh]
        args: [-c, 'true']
        env:
        - {name: ORCHESTRATOR_RAFT_ADVERTISE, value: other}
        - {name: POD_NAME, $patch: delete}
        ports: [{containerPort: 3000, name: other}, {containerPort: 9, name: raft}]
        volumeMounts: [{mountPath: /var/lib/orchestrator, name: other}]
        readinessProbe: {httpGet: {path: /, port: 1}}
        livenessProbe: {$patch: replace, exec: {command: ['true']}}
        startupProbe: null
",
    );
    let container = |template: &Value, field: &str| template["spec"]["containers"][0][field].clone();
    assert_eq!(own["metadata"], changed["metadata"]);
    for field in ["image", "command", "args", "env", "ports", "volumeMounts", "startupProbe"] {
        assert_eq!(container(&own, field), container(&changed, field), "{field}");
    }
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(container(&own, probe)["httpGet"], container(&changed, probe)["httpGet"], "{probe}");
        assert_eq!(container(&changed, probe)["exec"], Value::Null, "{probe}");
    }
    assert_eq!(
        own["spec"]["terminationGracePeriodSeconds"],
        changed["spec"]["terminationGracePeriodSeconds"]
    );
    for name in ["config", "live", "operator"] {
        let volume = |template: &Value| {
            let volumes = template["spec"]["volumes"].as_array().expect("a list").clone();
            volumes.into_iter().filter(|volume| volume["name"] == name).collect::<Vec<_>>()
        };
        assert_eq!(volume(&own), volume(&changed), "{name}");
    }
}

#[test]
fn the_expected_hashes_are_of_the_texts_that_are_mounted() {
    let rendering = rendered("config: {ReadOnly: true}");
    let peers = ["main-0.main-raft.db.svc:10008".to_owned()];
    let children = rendering.children(1, &peers);
    let of = |map: &k8s_openapi::api::core::v1::ConfigMap, key: &str| {
        map.data.as_ref().and_then(|data| data.get(key).cloned()).expect("the key is there")
    };
    let (config, live) = (of(&children.config, names::CONFIG_KEY), of(&children.live, names::LIVE_KEY));
    assert_eq!(rendering.config_hash(&peers), config_hash(&[&config, &live]));
    assert_eq!(peers_of(&live), peers);
    assert_eq!(peers_hash(&peers_of(&live)), peers_hash(&peers));
    let name = children.config.metadata.name.clone().expect("it has one");
    assert_eq!(name, names::config("main", &config_hash(&[&config])));
}
