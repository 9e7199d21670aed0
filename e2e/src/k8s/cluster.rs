//! The one cluster of a test run.

use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};

use super::machines::Machines;
use crate::api::{Api, Reply};

/// What to say to whoever has no cluster.
pub const HOW: &str = "run `make e2e-k8s`: it starts a Kubernetes of three nodes on this machine, or uses the cluster \
                       that KUBECONFIG names";
/// Watches and requests of all stories: they wait more than they work.
const WORKERS: usize = 2;
/// A look at a member; it answers in milliseconds or not at all.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// For each request of kubectl, not for its waits.
const KUBECTL_WITHIN: &str = "--request-timeout=30s";

/// A connection to the cluster, shared by all stories of this process.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
    kubectl: PathBuf,
    /// Helm: what `HELM` names, else the lab's, else that on the path.
    pub helm: PathBuf,
    machines: Option<Machines>,
}

impl Cluster {
    /// The cluster that `KUBECONFIG` names; its machines, when `KUBE_LAB` names one of our labs.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub fn get() -> Result<&'static Self> {
        static THE: OnceLock<Result<Cluster, String>> = OnceLock::new();
        let the = THE.get_or_init(|| Self::connect().map_err(|error| format!("{error:#}")));
        the.as_ref().map_err(|error| anyhow!("{error}"))
    }

    fn connect() -> Result<Self> {
        // The cluster of somebody's daily work is no place for this, so it must be named.
        ensure!(std::env::var_os("KUBECONFIG").is_some(), HOW);
        let machines = std::env::var("KUBE_LAB").ok().map(|lab| Machines::of(&lab)).transpose()?;
        let program = |variable: &str, name: &str, ours: fn(&Machines) -> &PathBuf| {
            let given = std::env::var_os(variable).map(PathBuf::from);
            given.or_else(|| machines.as_ref().map(ours).cloned()).unwrap_or_else(|| name.into())
        };
        let kubectl = program("KUBECTL", "kubectl", |machines| &machines.kubectl);
        let helm = program("HELM", "helm", |machines| &machines.helm);
        let workers =
            tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
        let runtime = workers.context("threads for the client")?;
        let client = runtime.block_on(async {
            let config = kube::Config::infer().await.context("KUBECONFIG cannot be used")?;
            let client = Client::try_from(config)?;
            client.apiserver_version().await.context("the cluster does not answer")?;
            anyhow::Ok(client)
        })?;
        Ok(Self { runtime, client, kubectl, helm, machines })
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs `future` to its end.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Where tasks of a story run.
    pub(super) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// The machines under the cluster.
    ///
    /// # Errors
    /// When it is not one of our labs.
    pub fn machines(&self) -> Result<&Machines> {
        self.machines.as_ref().context("this needs a cluster whose nodes may be broken: unset KUBECONFIG")
    }

    /// Whether pods and Services can be reached from here by their addresses.
    #[must_use]
    pub fn is_routed(&self) -> bool {
        self.machines.is_some()
    }

    /// Runs `kubectl`, with `input` for `-f -`; what it printed.
    ///
    /// # Errors
    /// With its own words.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.run(arguments, input)?.stdout).into_owned())
    }

    /// As [`Cluster::kubectl`]; what was remarked on the way: warnings of the API server.
    ///
    /// # Errors
    /// With its own words.
    pub fn remarks(&self, arguments: &[&str], input: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.run(arguments, input)?.stderr).into_owned())
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = Command::new(&self.kubectl);
        command.arg(KUBECTL_WITHIN).args(arguments).stdin(Stdio::piped());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("{} cannot be run", self.kubectl.display()))?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        // It may end without reading.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let out = child.wait_with_output()?;
        if !out.status.success() {
            bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(out)
    }

    /// `GET path` of a pod's port, straight where it is routed, else through the API server.
    ///
    /// # Errors
    /// No answer within two seconds; any status is an answer.
    pub fn ask_pod(&self, namespace: &str, pod: &str, ip: &str, port: u16, path: &str) -> Result<Reply> {
        if self.is_routed() {
            return Api::new(&format!("http://{ip}:{port}")).get_within(path, LOOK_WITHIN);
        }
        self.proxied(&format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}"))
    }

    /// `GET path` of a Service's port by its address, or through the API server.
    ///
    /// # Errors
    /// No answer within two seconds; any status is an answer.
    pub fn ask_service(&self, namespace: &str, name: &str, ip: &str, port: u16, path: &str) -> Result<Reply> {
        if self.is_routed() {
            return Api::new(&format!("http://{ip}:{port}")).get_within(path, LOOK_WITHIN);
        }
        self.proxied(&format!("/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy{path}"))
    }

    fn proxied(&self, path: &str) -> Result<Reply> {
        let began = Instant::now();
        let request = http::Request::get(path).body(Body::empty())?;
        let exchange = async {
            let response = self.client.send(request).await?;
            let status = response.status().as_u16();
            anyhow::Ok((status, response.into_body().collect_bytes().await?))
        };
        let answer = self.block_on(async { tokio::time::timeout(LOOK_WITHIN, exchange).await });
        let (status, bytes) =
            answer.context("no answer in time").flatten().with_context(|| path.to_owned())?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Ok(Reply { status, body, elapsed: began.elapsed() })
    }
}
