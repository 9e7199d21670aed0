//! The operator that is measured.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::sleep};

use crate::PATIENCE;

/// Where it answers.
const LISTEN: &str = "127.0.0.1:18089";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// What the name of each of its series begins with.
const PREFIX: &str = "orchestrator_operator_";
/// Ticks of a second in `/proc`, on every Linux.
const TICKS: f64 = 100.0;

/// One process.
pub(crate) struct Process {
    child: Child,
    began: Instant,
}

/// What it tells Prometheus.
pub(crate) struct Page(String);

impl Page {
    /// By how much each series grew whose name holds one of `names`, those that did not left out.
    pub(crate) fn since(&self, before: &Self, names: &[&str]) -> Vec<(String, f64)> {
        let read = |page: &Self| -> BTreeMap<String, f64> {
            let lines = page.0.lines().filter_map(|line| line.strip_prefix(PREFIX)?.rsplit_once(' '));
            let wanted = lines.filter(|(series, _)| names.iter().any(|name| series.contains(name)));
            wanted.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect()
        };
        let before = read(before);
        let grown = read(self).into_iter().map(|(series, now)| {
            let more = now - before.get(&series).copied().unwrap_or_default();
            (series, more)
        });
        grown.filter(|(_, more)| *more != 0.0).collect()
    }

    /// The sum of the series whose name, or whose name with labels, is this.
    pub(crate) fn get(&self, name: &str) -> f64 {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(PREFIX)?.rsplit_once(' '));
        let wanted = lines.filter(|(series, _)| *series == name || series.split('{').next() == Some(name));
        wanted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }
}

impl Process {
    pub(crate) fn start(operator: &str, members: u16) -> anyhow::Result<Self> {
        let template = format!("http://127.0.0.1:{members}/{{namespace}}/{{pod}}");
        let child = Command::new(operator)
            .args(["--leader-election", "false", "--default-image", "orchestrator:bench", "--listen", LISTEN])
            .args(["--log-level", "warn", "--member-url-template", &template])
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {operator}"))?;
        Ok(Self { child, began: Instant::now() })
    }

    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) async fn page(&self) -> anyhow::Result<Page> {
        let stream = TcpStream::connect(LISTEN).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = http::Request::get("/metrics").header("host", LISTEN).body(Empty::<Bytes>::new())?;
        let answer = async move {
            let response = sender.send_request(request).await?;
            let text = response.into_body().collect().await?.to_bytes();
            anyhow::Ok(Page(String::from_utf8_lossy(&text).into_owned()))
        };
        let (answer, _) = futures::future::join(answer, connection).await;
        answer
    }

    pub(crate) async fn wait(&mut self, is: impl Fn(&Page) -> bool, what: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("the operator ended: {status}");
            }
            if let Ok(page) = self.page().await
                && is(&page)
            {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            sleep(PAUSE).await;
        }
    }

    /// Resident memory, and how much of it is its own (the rest is the binary, shared with whoever runs it).
    pub(crate) fn memory(&self) -> anyhow::Result<String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let megabytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes =
                line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
            kilobytes.unwrap_or_default() * 1024.0 / 1e6
        };
        Ok(format!("{:.1} MB, {:.1} MB of it its own", megabytes("VmRSS:"), megabytes("RssAnon:")))
    }

    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("the name ends")?;
        let ticks: f64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS)
    }

    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(asked.success(), "it is gone already");
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None => sleep(PAUSE).await,
            }
        };
        ensure!(status.success(), "the operator ended: {status}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
