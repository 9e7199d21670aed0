//! A Chromium that a story drives through `service/web/test/browser/driven.mjs`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::repository;
use serde_json::{Value, json};

/// One browser with one page. Dropping it ends both.
pub(crate) struct Browser {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    /// Without Node, or without the packages of `service/web`.
    pub(crate) fn start() -> Result<Self> {
        let web = repository().join("service/web");
        let installed = web.join("node_modules/playwright-core").is_dir();
        ensure!(installed, "playwright-core is not installed: run `npm install --no-save` in service/web");
        let mut process = Command::new("node")
            .arg("test/browser/driven.mjs")
            .current_dir(web)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node is not installed: apt-get install nodejs")?;
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("stdout is piped")?);
        Ok(Self { process, commands, answers })
    }

    fn command(&mut self, command: &Value) -> Result<()> {
        let commands = self.commands.as_mut().context("the browser was ended")?;
        writeln!(commands, "{command}").with_context(|| format!("the browser took {command}"))?;
        let mut answer = String::new();
        // Each command has its own limit on the other side.
        self.answers.read_line(&mut answer)?;
        ensure!(!answer.is_empty(), "the browser ended at {command}");
        let answer: Value = serde_json::from_str(&answer)?;
        match answer["error"].as_str() {
            None => Ok(()),
            Some(error) => bail!("{command}: {error}"),
        }
    }

    /// Goes to an address.
    pub(crate) fn open(&mut self, url: &str) -> Result<()> {
        self.command(&json!({ "open": url }))
    }

    /// Follows the first link of that name.
    pub(crate) fn click(&mut self, name: &str) -> Result<()> {
        self.command(&json!({ "click": name }))
    }

    /// Waits until all of these texts are on the page.
    pub(crate) fn sees(&mut self, texts: &[&str]) -> Result<()> {
        self.command(&json!({ "see": texts }))
    }

    /// Waits until none of these texts is on the page.
    pub(crate) fn misses(&mut self, texts: &[&str]) -> Result<()> {
        self.command(&json!({ "miss": texts }))
    }

    /// No error, no report of the content policy, no foreign request, no barrier to anybody so far.
    pub(crate) fn is_sound(&mut self, name: &str) -> Result<()> {
        self.command(&json!({ "sound": name }))
    }

    /// Console messages with these parts are expected from here on.
    pub(crate) fn allow(&mut self, parts: &[&str]) -> Result<()> {
        self.command(&json!({ "allow": parts }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input ends it, and the browser with it.
        drop(self.commands.take());
        let _ = self.process.wait();
    }
}
