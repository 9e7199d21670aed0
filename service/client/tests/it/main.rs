//! The client against servers that say what a test tells them to.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test as the test itself does")]

mod binary;
mod calls;
mod fake_server;
mod leader;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::Expect;
use orchestrator_client::{Invocation, Limits, Screen, run};

/// A run of the client: its arguments, and what surrounds it.
struct Client {
    invocation: Invocation,
}

/// What a run left behind.
#[derive(Debug)]
struct Outcome {
    code: u8,
    stdout: String,
    stderr: String,
}

impl Client {
    /// The words of `line` are separated by single blanks.
    fn new(line: &str) -> Self {
        let limits = Limits {
            connect: Duration::from_secs(5),
            leader_check: Duration::from_millis(500),
            answer: Duration::from_secs(5),
            retry_pauses: Vec::new(),
        };
        Self {
            invocation: Invocation {
                program: "/usr/bin/orchestrator-client".to_owned(),
                process_id: 7,
                arguments: line.split(' ').map(str::to_owned).collect(),
                environment: BTreeMap::new(),
                user: "grace".to_owned(),
                limits,
                screen: Screen::default(),
            },
        }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.invocation.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.invocation.limits);
        self
    }

    async fn run(self) -> Outcome {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&self.invocation, &mut out, &mut err).await;
        Outcome { code, stdout: String::from_utf8(out).unwrap(), stderr: String::from_utf8(err).unwrap() }
    }
}

impl Outcome {
    /// Compares code, stdout and stderr, with the servers' addresses replaced by their names.
    fn check(&self, servers: &[(&str, &str)], expected: Expect) {
        let Self { code, stdout, stderr } = self;
        let text = format!("exit {code}\n-- stdout\n{stdout}-- stderr\n{stderr}");
        expected.assert_eq(&servers.iter().fold(text, |text, (url, name)| text.replace(url, name)));
    }
}
