//! The configuration as users meet it: texts in, settings or messages out.

mod credentials;
mod filters;
mod raft;
mod reload;
mod rules;
mod samples;
mod syntax;
mod table;
mod types;

use std::io;
use std::path::{Path, PathBuf};

use orchestrator_config::{Invalid, Loaded, Outside, Problem, Source, load};

/// Environment variables and files that tests know.
const VARIABLES: [(&str, &str); 2] = [("ORC_TOPOLOGY_PASSWORD", "s3cret"), ("ORC_USER", "orc")];
const FILES: [(&str, &str); 1] =
    [("/etc/orchestrator/topology.cnf", "[client]\nuser = orc\npassword = ${ORC_TOPOLOGY_PASSWORD}\n")];

fn variable(name: &str) -> Option<String> {
    VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

fn source(path: &str, text: &str) -> Source {
    Source { path: PathBuf::from(path), text: text.to_owned() }
}

fn load_with(sources: &[Source], files: &[(&str, &str)]) -> Result<Loaded, Invalid> {
    let read = |path: &Path| {
        let found = files.iter().find(|(known, _)| Path::new(known) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or(io::Error::from(io::ErrorKind::NotFound))
    };
    load(sources, &Outside { variable: &variable, read: &read })
}

fn load_text(text: &str) -> Result<Loaded, Invalid> {
    load_with(&[source("conf.json", text)], &FILES)
}

/// Loads what must be valid.
fn loaded(text: &str) -> Loaded {
    load_text(text).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// All messages of a text, errors first.
fn messages(text: &str) -> String {
    show(load_text(text))
}

fn show(outcome: Result<Loaded, Invalid>) -> String {
    let (errors, warnings) = match outcome {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(Invalid { errors, warnings }) => (errors, warnings),
    };
    let lines = |kind: &'static str, problems: Vec<Problem>| {
        problems.into_iter().map(move |problem| format!("{kind} {problem}\n"))
    };
    lines("error", errors).chain(lines("warning", warnings)).collect()
}

/// One key of the dump.
fn dumped(loaded: &Loaded, key: &str) -> serde_json::Value {
    let dump: serde_json::Value = serde_json::from_str(&loaded.file.dump()).expect("the dump is JSON");
    dump[key].clone()
}
