//! A Docker engine of our own, and the commands that stories give it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::{Api, repository, until};
use serde_json::Value;

/// What to say to whoever has no engine, or no image.
const HOW: &str = "run `make test-docker`: it builds the image and starts an engine in namespaces of its own; \
                   it needs root and Debian's docker.io";
/// The image under the name that the known texts give it.
pub(crate) const IMAGE: &str = "orchestrator-raft:latest";
/// The user network of the known texts.
pub(crate) const NETWORK: &str = "orchnet";
/// Three containers on two busy cores.
pub(crate) const FORMED_WITHIN: Duration = Duration::from_secs(30);
/// So long after SIGTERM comes SIGKILL.
const KILLED_AFTER: Duration = Duration::from_secs(10);
/// `docker exec` and friends answer in a tenth of this.
const ENGINE_WITHIN_S: &str = "60";

/// Runs `docker` and returns its standard output without the last line end.
///
/// # Errors
/// With the words of the engine.
pub(crate) fn docker(args: &[&str]) -> Result<String> {
    let out = run(args)?;
    ensure!(
        out.status.success(),
        "docker {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&out.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&out.stdout).trim_end().to_owned())
}

fn run(args: &[&str]) -> Result<Output> {
    let mut command = Command::new("timeout");
    command.arg(ENGINE_WITHIN_S).arg("docker").args(args).stdin(Stdio::null());
    command.output().context("docker is not here")
}

/// The engine, empty but for images, until this is dropped.
pub(crate) struct Engine {
    _turn: MutexGuard<'static, ()>,
}

impl Engine {
    /// Waits for its turn, and makes sure that the image is there.
    ///
    /// # Errors
    /// Outside of `make test-docker`.
    pub(crate) fn take() -> Result<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        // A story that failed has spoilt nothing: what it started is removed here as well.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // Never an engine that belongs to somebody: these stories remove every container they find.
        ensure!(std::env::var_os("DOCKER_LAB").is_some(), "{HOW}");
        let context = repository().join("target/container/context");
        ensure!(context.join("Dockerfile").is_file(), "there is no image: {HOW}");
        let engine = Self { _turn: turn };
        engine.clear();
        docker(&["build", "--quiet", "--tag", IMAGE, &context.display().to_string()])?;
        Ok(engine)
    }

    /// The user network of the known texts.
    ///
    /// # Errors
    /// With the engine's words.
    pub(crate) fn network(&self) -> Result<()> {
        docker(&["network", "create", "--subnet", "172.20.0.0/16", NETWORK]).map(drop)
    }

    fn clear(&self) {
        for (list, remove) in [
            (&["ps", "--all", "--quiet"][..], &["rm", "--force"][..]),
            (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
            (&["network", "ls", "--quiet", "--filter", "type=custom"], &["network", "rm"]),
        ] {
            let found = docker(list).unwrap_or_default();
            let found: Vec<&str> = found.lines().collect();
            if !found.is_empty() {
                // What cannot be removed makes the next story fail with its own words.
                let _ = docker(&[remove, &found].concat());
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// One container of a story.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) name: String,
    /// Its API at the port that is published for it.
    pub(crate) api: Api,
}

impl Container {
    /// `docker run -d --name NAME` with its port 3000 published as `port`, and `args` that end with an image.
    ///
    /// # Errors
    /// With the engine's words.
    pub(crate) fn run(name: &str, port: u16, args: &[&str]) -> Result<Self> {
        let publish = format!("{port}:3000");
        docker(&[&["run", "-d", "--name", name, "-p", &publish], args].concat())?;
        Ok(Self { name: name.to_owned(), api: Api::new(&format!("http://127.0.0.1:{port}")) })
    }

    /// Everything that it said.
    ///
    /// # Errors
    /// When it was removed.
    pub(crate) fn said(&self) -> Result<String> {
        let out = run(&["logs", &self.name])?;
        ensure!(out.status.success(), "no logs of {}", self.name);
        Ok(String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    }

    /// A field of `docker inspect`, by its template.
    ///
    /// # Errors
    /// When it was removed.
    pub(crate) fn inspect(&self, template: &str) -> Result<String> {
        docker(&["inspect", "--format", template, &self.name])
    }

    /// Its address in the user network; empty when it is cut off.
    ///
    /// # Errors
    /// When it was removed.
    pub(crate) fn address(&self) -> Result<String> {
        self.inspect(&format!(
            "{{{{with index .NetworkSettings.Networks {NETWORK:?}}}}}{{{{.IPAddress}}}}{{{{end}}}}"
        ))
    }

    /// Waits for the end; the exit status.
    ///
    /// # Errors
    /// When it runs on.
    pub(crate) fn ended(&self, limit: Duration) -> Result<i32> {
        until(&format!("end of {}", self.name), limit, || {
            let state = self.inspect("{{.State.Status}} {{.State.ExitCode}}").map_err(|e| e.to_string())?;
            state.strip_prefix("exited ").and_then(|code| code.parse().ok()).ok_or(state)
        })
    }

    /// SIGTERM, as `docker stop` sends it; the exit status, and how long the process took to end.
    ///
    /// `docker stop` itself takes seconds more while the engine's own resolver waits for an answer.
    ///
    /// # Errors
    /// When it does not end before the engine would kill it.
    pub(crate) fn stop(&self) -> Result<(i32, Duration)> {
        let process = PathBuf::from(format!("/proc/{}", self.inspect("{{.State.Pid}}")?));
        let began = Instant::now();
        docker(&["kill", "--signal", "TERM", &self.name])?;
        until(&format!("end of the process of {}", self.name), KILLED_AFTER, || {
            if process.exists() { Err("it runs") } else { Ok(()) }
        })?;
        let took = began.elapsed();
        Ok((self.ended(FORMED_WITHIN)?, took))
    }

    /// `GET path` from inside of its network, where no cut of the outside matters: status and body.
    ///
    /// # Errors
    /// When it does not run, or does not answer.
    pub(crate) fn asks_itself(&self, path: &str) -> Result<(u16, String)> {
        let namespace = format!("--net=/proc/{}/ns/net", self.inspect("{{.State.Pid}}")?);
        let url = format!("http://127.0.0.1:3000{path}");
        let out = Command::new("nsenter")
            .args([&namespace, "curl", "--silent", "--max-time", "2", "--write-out", "\n%{http_code}", &url])
            .output()?;
        let text = String::from_utf8_lossy(&out.stdout);
        match text.rsplit_once('\n') {
            Some((body, status)) if out.status.success() => Ok((status.parse()?, body.to_owned())),
            _ => bail!("{} does not answer itself: {}", self.name, out.status),
        }
    }

    /// `leader-check` as load balancers see it: status and body, `None` without an answer.
    pub(crate) fn leader_check(&self) -> Option<(u16, Value)> {
        let reply = self.api.get_within("/api/leader-check", Duration::from_secs(1)).ok()?;
        Some((reply.status, reply.body))
    }
}

/// Waits until exactly one says 200 and all others `Not leader`, as the check of the known images wants it; its index.
///
/// # Errors
/// With what everybody says.
pub(crate) fn one_leader(containers: &[Container]) -> Result<usize> {
    until("exactly one leader-check 200, the others `Not leader`", FORMED_WITHIN, || {
        let said: Vec<_> = containers.iter().map(Container::leader_check).collect();
        let leaders: Vec<usize> =
            (0..said.len()).filter(|&i| said[i].as_ref().is_some_and(|s| s.0 == 200)).collect();
        let others = said.iter().flatten().filter(|s| s.0 == 404 && s.1 == "Not leader").count();
        match leaders[..] {
            [leader] if others + 1 == containers.len() => Ok(leader),
            _ => Err(format!("{said:?}\n{}", last_words(containers))),
        }
    })
}

/// The end of everybody's log.
pub(crate) fn last_words(containers: &[Container]) -> String {
    let tail = |c: &Container| {
        let said = c.said().unwrap_or_else(|e| e.to_string());
        let lines: Vec<&str> = said.lines().collect();
        format!("--- {} ---\n{}\n", c.name, lines[lines.len().saturating_sub(15)..].join("\n"))
    };
    containers.iter().map(tail).collect()
}
