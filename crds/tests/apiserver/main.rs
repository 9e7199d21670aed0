//! The same cases on a real API server: `KUBECONFIG` names it, `KUBECTL` the program if it is not on the path.
//!
//! Not a part of `cargo test`, since it needs a cluster: `cargo test -p orchestrator-crds --test apiserver`. It
//! installs the definition and the policies and leaves them there, works in namespaces of its own, and takes these
//! away. With `-- --nocapture` it prints what people see. A rule that no server has judged is not proven.

#[path = "../cases/mod.rs"]
mod cases;

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use orchestrator_crds::{
    API_VERSION, CRD_NAME, ConditionType, KIND, LeaderStatus, OperationStatus, OperationType,
    OrchestratorClusterStatus, Phase, Reason, STATUS_MANAGER, generated,
};
use serde_json::{Value, json};

use cases::{Case, Judge, accepted, refused, remarked};

/// A server takes policies into account some seconds after they were applied.
const POLICIES_HOLD_WITHIN: Duration = Duration::from_secs(30);

/// So often a write is tried beside an operator that writes as well.
const ATTEMPTS: usize = 20;

/// Cases work here.
struct Namespace(String);

impl Namespace {
    fn new(of: &str) -> Self {
        let namespace = Self(format!("crd-{of}-{}", std::process::id()));
        done(&kubectl(&["create", "namespace", &namespace.0], ""));
        namespace
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        kubectl(&[&["--namespace", &self.0], arguments].concat(), input)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Protected objects would keep the namespace.
        let open = json!({ "spec": { "deletionProtection": false } }).to_string();
        self.kubectl(&["patch", "orc", "main", "--type=merge", "--patch", &open], "");
        kubectl(&["delete", "namespace", &self.0, "--wait=false"], "");
    }
}

fn kubectl(arguments: &[&str], input: &str) -> Output {
    let program = std::env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    let mut command = Command::new(&program);
    command.args(["--request-timeout=20s"]).args(arguments).stdin(Stdio::piped());
    let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("kubectl reads");
    child.wait_with_output().expect("kubectl ends")
}

/// What it said; it must have gone well.
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn install() {
    // The cluster of somebody's daily work is no place for this.
    assert!(std::env::var_os("KUBECONFIG").is_some(), "set KUBECONFIG to that of a cluster for tests");
    for (_, text) in generated().expect("it can be written") {
        done(&kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &text));
    }
    done(&kubectl(&["wait", "--for=condition=Established", &format!("crd/{CRD_NAME}"), "--timeout=30s"], ""));
}

/// Creates what was there before, tries the wish without carrying it out, and says what the server said.
fn try_out(namespace: &Namespace, case: &Case) -> Output {
    let text = |object: &Value| object.to_string();
    let Some(before) = &case.before else {
        return namespace.kubectl(&["create", "--dry-run=server", "-f", "-"], &text(&case.wished()));
    };
    done(&namespace.kubectl(&["create", "-f", "-"], &text(&case.object(Some(before)))));
    let output = match case.scale {
        _ if case.delete => namespace.kubectl(&["delete", "orc", &case.name, "--dry-run=server"], ""),
        // It has no dry run on the server; the object goes away anyway.
        Some(replicas) => {
            namespace.kubectl(&["scale", "orc", &case.name, &format!("--replicas={replicas}")], "")
        }
        None => replaced(namespace, &text(&case.wished())),
    };
    let open = json!({ "spec": { "deletionProtection": false } }).to_string();
    done(&namespace.kubectl(&["patch", "orc", &case.name, "--type=merge", "--patch", &open], ""));
    done(&namespace.kubectl(&["delete", "orc", &case.name], ""));
    output
}

/// What the server says of this object in place of what is there; an operator may write to that at the same time.
fn replaced(namespace: &Namespace, object: &str) -> Output {
    let mut output = namespace.kubectl(&["replace", "--dry-run=server", "-f", "-"], object);
    for _ in 1..ATTEMPTS {
        if !String::from_utf8_lossy(&output.stderr).contains("the object has been modified") {
            break;
        }
        output = namespace.kubectl(&["replace", "--dry-run=server", "-f", "-"], object);
    }
    output
}

/// Waits until policies hold.
fn policies_hold(namespace: &Namespace) {
    let refused = refused();
    let case = refused.iter().find(|case| case.by == Some(Judge::Policy)).expect("there is one");
    let begun = Instant::now();
    while try_out(namespace, case).status.success() {
        assert!(begun.elapsed() < POLICIES_HOLD_WITHIN, "policies do not hold");
    }
}

/// A status with what `kubectl get` shows.
fn status() -> OrchestratorClusterStatus {
    let now = Time(Timestamp::now());
    let condition = |condition: ConditionType, reason: Reason, message: &str| Condition {
        type_: condition.to_string(),
        status: condition.status(reason).expect("it is a reason of it").to_string(),
        reason: reason.to_string(),
        message: message.to_owned(),
        last_transition_time: now.clone(),
        observed_generation: Some(1),
    };
    OrchestratorClusterStatus {
        observed_generation: Some(1),
        phase: Some(Phase::Scaling),
        conditions: vec![
            condition(ConditionType::Available, Reason::QuorumHealthy, ""),
            condition(ConditionType::Ready, Reason::ScalingUp, "main-4 catches up"),
        ],
        replicas: Some(5),
        healthy_voters: Some(3),
        selector: Some("app.kubernetes.io/instance=main".to_owned()),
        leader: Some(LeaderStatus {
            pod: Some("main-1".to_owned()),
            node_id: 2,
            term: 7,
            since: now.clone(),
        }),
        operation: Some(OperationStatus {
            id: "1".to_owned(),
            operation_type: OperationType::ScaleUp,
            targets: vec!["main-3".to_owned(), "main-4".to_owned()],
            step: "2 of 2 learners".to_owned(),
            started_at: now.clone(),
            step_started_at: now,
            attempts: 1,
            last_error: None,
        }),
        ..OrchestratorClusterStatus::default()
    }
}

#[test]
fn kubectl_shows_what_the_operator_tells() {
    install();
    let namespace = Namespace::new("columns");
    let object = json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": { "name": "main" }, "spec": { "replicas": 5 } });
    done(&namespace.kubectl(&["create", "-f", "-"], &object.to_string()));
    let told = json!({ "status": status() }).to_string();
    let manager = format!("--field-manager={STATUS_MANAGER}");
    let tell = ["patch", "orc", "main", "--subresource=status", "--type=merge", &manager, "--patch", &told];
    let shown = |by: &str| {
        // Each time anew: an operator that sees the object tells what it thinks of it.
        done(&namespace.kubectl(&tell, ""));
        String::from_utf8(namespace.kubectl(&["get", by, "--no-headers"], "").stdout).expect("text")
    };
    let expected = ["main", "False", "Scaling", "2", "of", "2", "learners", "5", "3", "main-1"];
    for by in ["orc", "orcs", "orchestrator", "orchestratorclusters.orchestrator.rs"] {
        let as_told = |shown: &String| shown.split_whitespace().take(expected.len()).eq(expected);
        let mut attempts = (0..ATTEMPTS).map(|_| shown(by));
        assert!(attempts.any(|shown| as_told(&shown)), "{by}: {}", shown(by));
    }
    let selected = |selector: &str| {
        done(&namespace.kubectl(&tell, ""));
        let found = namespace.kubectl(&["get", "orc", "--no-headers", "--field-selector", selector], "");
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        !found.stdout.is_empty()
    };
    assert!((0..ATTEMPTS).any(|_| selected("spec.paused=false,status.phase=Scaling")));
    assert!(!selected("status.phase=Running"));
}

#[test]
fn a_real_api_server_decides_every_case() {
    install();
    let namespace = Namespace::new("cases");
    policies_hold(&namespace);
    let mut wrong = Vec::new();
    let cases = [accepted(), refused(), remarked()].concat();
    for case in &cases {
        let output = try_out(&namespace, case);
        let said = String::from_utf8_lossy(&output.stderr);
        println!("{}: {}", case.title, if said.is_empty() { "fine" } else { said.trim() });
        let fine = match (&case.refused, &case.remark) {
            (Some(sentence), _) => !output.status.success() && said.contains(sentence.as_str()),
            (None, Some(remark)) => output.status.success() && said.contains(remark.as_str()),
            (None, None) => output.status.success(),
        };
        if !fine {
            wrong.push(format!("{}: {}", case.title, said.trim()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases: {wrong:#?}", wrong.len(), cases.len());
}
