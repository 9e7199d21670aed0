//! The command table: name, path, output and a line of help for each. The table is the documentation.

mod information;
mod recovery;
mod refactoring;
mod replication;

use crate::failure::Failure;
use crate::show::{self, Show};

/// One command.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) action: Action,
}

/// What a command does.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// Prints the help text.
    Help,
    /// Prints the URL that commands would be sent to.
    WhichApi,
    /// Shows what happens to the members of a raft group; see [`crate::watch`].
    Watch,
    /// Asks the server; see [`crate::template`] for the form of `path`.
    Get { path: &'static str, at: At, show: Show },
}

/// Who is asked.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// The server that was given or found; it passes on to its leader what only the leader may do.
    Endpoint,
    /// The raft leader itself, since the route is never passed on.
    Leader,
}

/// A heading of the help text.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) commands: &'static [Command],
}

/// All commands, in the order of the help text.
pub(crate) const SECTIONS: &[Section] = &[
    Section { title: "This client", commands: META },
    Section { title: "Instances and clusters", commands: information::INSTANCES },
    Section { title: "Tags and pools", commands: information::TAGS_AND_POOLS },
    Section { title: "Moving replicas", commands: refactoring::MOVING },
    Section { title: "Replication", commands: replication::REPLICATION },
    Section { title: "Questions about replication", commands: replication::QUESTIONS },
    Section { title: "GTID, semi-sync, binary logs", commands: replication::GTID_AND_LOGS },
    Section { title: "Downtime, maintenance, registration", commands: recovery::DECLARATIONS },
    Section { title: "Recovery", commands: recovery::RECOVERY },
    Section { title: "Raft", commands: RAFT },
];

const META: &[Command] = &[
    Command { name: "help", about: "print this text", action: Action::Help },
    Command { name: "which-api", about: "print the API that commands are sent to", action: Action::WhichApi },
    Command::get(API, "{path}", show::body_json, "call any API path, given with -P, and print its JSON"),
];

const RAFT: &[Command] = &[
    Command::get("raft-leader", "raft-leader", show::body_raft_leader, "print the leader's raft address"),
    Command::get("raft-leader-hostname", "status", show::details_hostname, "print the leader's host name")
        .at_leader(),
    Command::get("raft-health", "raft-health", show::body_text, "tell whether the node sees a live leader"),
    Command::get("raft-peers", "raft-peers", show::body_texts, "list the members' raft addresses"),
    Command::get("raft-status", "raft-status", show::body_json, "print all that the node knows of its group"),
    Command {
        name: "raft-watch",
        about: "show all members side by side, elections as they happen, for -u or until Ctrl-C",
        action: Action::Watch,
    },
    Command::get(
        "raft-add-peer",
        "raft-add-peer/{hostname}",
        show::body_text,
        "take the node -H, host[:port] of its raft port, into the group",
    ),
    Command::get(
        "raft-remove-peer",
        "raft-remove-peer/{hostname}",
        show::body_text,
        "remove the node -H, host[:port] of its raft port, from the group",
    ),
    Command::get(
        "raft-elect-leader",
        "raft-yield-hint/{hostname}",
        show::details,
        "hand leadership to a node whose host name contains -H",
    )
    .at_leader(),
];

const API: &str = "api";

impl Command {
    const fn get(name: &'static str, path: &'static str, show: Show, about: &'static str) -> Self {
        Self { name, about, action: Action::Get { path, at: At::Endpoint, show } }
    }

    const fn at_leader(self) -> Self {
        match self.action {
            Action::Get { path, show, .. } => {
                Self { action: Action::Get { path, at: At::Leader, show }, ..self }
            }
            Action::Help | Action::WhichApi | Action::Watch => self,
        }
    }

    /// `-c api` prints whatever comes, refusals included.
    pub(crate) fn prints_refusals_whole(&self) -> bool {
        self.name == API
    }
}

/// Rows of the table: the line of help, then name, path and what is printed.
macro_rules! commands {
    ($( #[doc = $about:literal] $name:literal $path:literal $show:ident; )*) => {
        &[ $(
            $crate::commands::Command::get($name, $path, $crate::show::$show, $about.trim_ascii_start())
        ),* ]
    };
}
use commands;

/// # Errors
/// There is no such command.
pub(crate) fn find(name: String) -> Result<&'static Command, Failure> {
    let found = SECTIONS.iter().flat_map(|section| section.commands).find(|command| command.name == name);
    found.ok_or_else(|| Failure::plain(format!("Unsupported command {name}")))
}

#[cfg(test)]
mod tests;
