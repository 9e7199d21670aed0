//! The command line, read as the original reads it: `-flag` and `--flag` are the same, flags come first.

use std::path::PathBuf;

/// What the process was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// `http`: the service.
    Serve(Flags),
    /// `--version`.
    Version,
    /// `-h`, `-help`, `help`, or nothing at all.
    Help,
    /// `-c access-token`: asked of the node that runs on this machine.
    AccessToken(Flags),
    /// `-c COMMAND`: the direct command line, which this version does not have.
    Command(String),
}

/// Flags that this version acts on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flags {
    /// `-config`: only this file, or these, each over the ones before.
    pub(crate) configs: Vec<PathBuf>,
    /// `-enable-database-update`: the schema is completed, whatever `SkipOrchestratorDatabaseUpdate` says.
    pub(crate) complete_schema: bool,
    /// `-debug`, `-verbose`, `-quiet`.
    pub(crate) verbosity: Verbosity,
    /// `-stack`: what goes wrong in this program is told with the calls that led there.
    pub(crate) stack: bool,
    /// `-discovery`: run discovery, recovery and raft, not only the API.
    pub(crate) discovery: bool,
    /// `-owner`: for whom an access token is.
    pub(crate) owner: Option<String>,
    /// Flags of the original that have no effect here, to be said once.
    pub(crate) ignored: Vec<String>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Verbosity {
    /// Errors only.
    Quiet,
    /// Changes of state.
    #[default]
    Normal,
    /// Each probe and request.
    Debug,
}

/// The command line makes no sense; the text says why. Exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsageError {
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    UnknownFlag(String),
    /// The flag takes a value.
    #[error("flag needs an argument: -{0}")]
    MissingValue(String),
    /// Not true or false.
    #[error("invalid boolean value {1:?} for -{0}: use -{0} or -{0}=false")]
    BadBoolean(String, String),
    /// No such word.
    #[error("unknown command {0:?}: expected http")]
    UnknownWord(String),
}

/// Flags with a value; `true` when this version acts on it.
const VALUE_FLAGS: &[(&str, bool)] = &[
    ("config", true),
    ("c", true),
    ("i", false),
    ("d", false),
    ("s", false),
    ("owner", false),
    ("reason", false),
    ("duration", false),
    ("pattern", false),
    ("alias", false),
    ("pool", false),
    ("hostname", false),
    ("tag", false),
    ("binlog", false),
    ("statement", false),
    ("promotion-rule", false),
];

/// Switches; `true` when this version acts on it.
const SWITCHES: &[(&str, bool)] = &[
    ("discovery", true),
    ("debug", true),
    ("verbose", true),
    ("quiet", true),
    ("version", true),
    ("h", true),
    ("help", true),
    ("stack", true),
    ("strict", false),
    ("noop", false),
    ("skip-binlog-search", false),
    ("skip-unresolve", false),
    ("skip-unresolve-check", false),
    ("grab-election", false),
    ("skip-continuous-registration", false),
    ("enable-database-update", true),
    ("ignore-raft-setup", false),
];

/// What a command line may say, for people.
pub(crate) const USAGE: &str = "\
orchestrator watches MySQL and MariaDB replication and replaces primaries that die.

Usage:
  orchestrator [flags] http          run the service: discovery, recovery, raft and the HTTP API
  orchestrator -c access-token       make an access token (AuthenticationMethod token), print its public half
  orchestrator --version             print the version

Flags (-x and --x are the same; they come before the word):
  -config FILE     read only this configuration file, or these, if given again, key by key; otherwise
                   /etc/orchestrator.conf.json, conf/orchestrator.conf.json, orchestrator.conf.json
  -debug           log each probe and request
  -quiet           log errors only
  -stack           log the calls that led to a panic
  -owner NAME      for whom an access token is; you, if not given
  -discovery=false serve the API of this node only: no discovery, no recovery, no raft

The command line of the service is orchestrator-client; it talks to any node over HTTP.
";

/// Reads the arguments after the program's name.
///
/// # Errors
/// Names the first argument that makes no sense.
pub(crate) fn parse(arguments: &[String]) -> Result<Invocation, UsageError> {
    let mut flags = Flags { discovery: true, ..Flags::default() };
    let mut command = None;
    let (mut version, mut help) = (false, false);
    let (mut debug, mut quiet) = (false, false);
    let mut rest = arguments.iter();
    let mut word = None;
    while let Some(argument) = rest.next() {
        let Some(flag) =
            argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).filter(|f| !f.is_empty())
        else {
            word = Some(argument.as_str());
            break;
        };
        let (name, value) =
            flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        if let Some((_, used)) = VALUE_FLAGS.iter().find(|(known, _)| *known == name) {
            let value = match value {
                Some(value) => value,
                None => rest.next().cloned().ok_or_else(|| UsageError::MissingValue(name.into()))?,
            };
            match name {
                "config" if value.is_empty() => {}
                "config" => flags.configs.push(value.into()),
                "c" => command = Some(value),
                "owner" => {
                    note_ignored(&mut flags, name, *used);
                    flags.owner = Some(value);
                }
                _ => note_ignored(&mut flags, name, *used),
            }
        } else if let Some((_, used)) = SWITCHES.iter().find(|(known, _)| *known == name) {
            let on = switch(name, value)?;
            match name {
                "discovery" => flags.discovery = on,
                "enable-database-update" => flags.complete_schema = on,
                "debug" => debug = on,
                "quiet" => quiet = on,
                "stack" => flags.stack = on,
                "version" => version = on,
                "h" | "help" => help = on,
                _ if on => note_ignored(&mut flags, name, *used),
                _ => {}
            }
        } else {
            return Err(UsageError::UnknownFlag(name.into()));
        }
    }
    flags.verbosity = match (quiet, debug) {
        // Whatever else is asked for, and in whatever order: as in the original.
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Debug,
        (false, false) => Verbosity::Normal,
    };
    invocation(flags, command, word, version, help)
}

fn invocation(
    flags: Flags,
    command: Option<String>,
    word: Option<&str>,
    version: bool,
    help: bool,
) -> Result<Invocation, UsageError> {
    match word {
        _ if version => Ok(Invocation::Version),
        _ if help => Ok(Invocation::Help),
        Some("http") => Ok(Invocation::Serve(flags)),
        Some("help") => Ok(Invocation::Help),
        Some("cli") | None => Ok(match command {
            None => Invocation::Help,
            Some(command) if command == "access-token" => Invocation::AccessToken(flags),
            Some(command) => Invocation::Command(command),
        }),
        Some(other) => Err(UsageError::UnknownWord(other.into())),
    }
}

fn note_ignored(flags: &mut Flags, name: &str, used: bool) {
    if !used {
        flags.ignored.push(name.into());
    }
}

fn switch(name: &str, value: Option<String>) -> Result<bool, UsageError> {
    match value.as_deref() {
        None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
        Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(UsageError::BadBoolean(name.into(), other.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, UsageError> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn serving(line: &str) -> Flags {
        match parsed(line) {
            Ok(Invocation::Serve(flags)) => flags,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_service_starts_as_people_start_it() {
        let flags = serving("-config /etc/o.json -debug http");
        assert_eq!(flags.configs, [PathBuf::from("/etc/o.json")]);
        assert_eq!(flags.verbosity, Verbosity::Debug);
        assert!(flags.discovery);
        assert_eq!(serving("--config=/etc/o.json http").configs, [PathBuf::from("/etc/o.json")]);
        assert_eq!(serving("--config= http").configs, Vec::<PathBuf>::new());
        assert!(serving("-enable-database-update http").complete_schema);
    }

    #[test]
    fn a_second_file_is_read_over_the_first() {
        let flags = serving("--config /a.json --config /b.json http");
        assert_eq!(flags.configs, ["/a.json", "/b.json"].map(PathBuf::from));
    }

    #[test]
    fn an_access_token_is_for_its_owner() {
        let line = "-config /etc/o.json -c access-token -owner ann";
        let Ok(Invocation::AccessToken(flags)) = parsed(line) else { panic!("{line}") };
        assert_eq!((flags.owner.as_deref(), flags.configs.len()), (Some("ann"), 1));
        assert_eq!(serving("-owner ann http").ignored, ["owner"]);
    }

    #[test]
    fn discovery_can_be_switched_off() {
        assert!(!serving("-discovery=false http").discovery);
    }

    #[test]
    fn flags_without_effect_are_named() {
        assert_eq!(serving("-strict -noop http").ignored, ["strict", "noop"]);
    }

    #[test]
    fn quiet_wins_over_debug_in_any_order() {
        for line in ["-quiet -debug http", "-debug -quiet http", "-quiet -verbose http"] {
            assert_eq!(serving(line).verbosity, Verbosity::Quiet, "{line}");
        }
        assert_eq!(serving("-verbose -stack http").verbosity, Verbosity::Normal);
        assert!(serving("-verbose -stack http").stack);
    }

    #[test]
    fn nonsense_is_refused_with_its_name() {
        assert_eq!(parsed("-frobnicate http"), Err(UsageError::UnknownFlag("frobnicate".into())));
        assert_eq!(parsed("-config"), Err(UsageError::MissingValue("config".into())));
        assert_eq!(parsed("serve"), Err(UsageError::UnknownWord("serve".into())));
        assert!(matches!(parsed("-debug=maybe http"), Err(UsageError::BadBoolean(..))));
    }

    #[test]
    fn version_and_help_need_no_word() {
        assert_eq!(parsed("--version"), Ok(Invocation::Version));
        assert_eq!(parsed(""), Ok(Invocation::Help));
        assert_eq!(parsed("-c topology"), Ok(Invocation::Command("topology".into())));
    }
}
