//! The help text, laid out from the tables of options and commands.

use crate::commands::{Command, SECTIONS};
use crate::options::{OPTIONS, OptionRow};

/// Between a name and its description; names longer than the column push theirs aside.
const NAME_WIDTH: usize = 40;

const INTRODUCTION: &str = "\
orchestrator-client: see and change MySQL and MariaDB topologies through orchestrator's API

Usage:
  orchestrator-client -c <command> [options]

Examples:
  orchestrator-client -c topology --alias orders
  orchestrator-client -c relocate -i db3.example.com:3306 -d db2.example.com:3306
  orchestrator-client -c begin-downtime -i db3.example.com --reason 'new disks' --duration 2h
  orchestrator-client -c api -P audit-recovery

Options, also as --word=value:";

const SURROUNDINGS: &str = "
Environment, and assignments in /etc/profile.d/orchestrator-client.sh, which go first:
  ORCHESTRATOR_API               as -U; with several addresses the leader is found; http://localhost:3000
  ORCHESTRATOR_INSTANCE          as -i, for commands that need an instance
  ORCHESTRATOR_AUTH_USER         with ORCHESTRATOR_AUTH_PASSWORD, as -b
  ORCHESTRATOR_AUTH_USER_HEADER  as -e
  ORCHESTRATOR_CA_FILE           as --cacert, before CURL_CA_BUNDLE and SSL_CERT_FILE
  ORCHESTRATOR_CERT_FILE         with ORCHESTRATOR_KEY_FILE, as --cert and --key

Exit codes:
  0  done, also when there was nothing to print
  1  refused, by the server or for want of an argument, or no access to it
  5  the answer was not of the expected shape

Commands, where the word slave stands for replica:";

/// The lines of the help text.
pub(crate) fn text() -> Vec<String> {
    let mut lines: Vec<String> = INTRODUCTION.lines().map(str::to_owned).collect();
    lines.extend(OPTIONS.iter().map(option_line));
    lines.push(row("-h, --help", "print this text"));
    lines.extend(SURROUNDINGS.lines().map(str::to_owned));
    for section in SECTIONS {
        lines.push(String::new());
        lines.push(format!(" {}", section.title));
        lines.extend(section.commands.iter().map(command_line));
    }
    lines
}

fn option_line(option: &OptionRow) -> String {
    let word = option.word.map(|word| format!(", --{word}")).unwrap_or_default();
    row(&format!("-{}{word} <{}>", option.letter, option.value), option.about)
}

fn command_line(command: &Command) -> String {
    row(command.name, command.about)
}

fn row(name: &str, about: &str) -> String {
    format!("  {name:<NAME_WIDTH$} {about}")
}
