//! Reading the configuration's files.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use orchestrator_config::{
    Invalid, Loaded, Outside, SEARCH_PATH, Source, addresses_from_environment, from_environment,
};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    /// `-config` names a file that cannot be read.
    #[error("cannot read config file {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What the files say makes no sense.
    #[error("the configuration cannot be used:{}", Lines(.0))]
    Invalid(Invalid),
}

/// Each error on a line of its own.
struct Lines<'i>(&'i Invalid);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))?;
        // An unknown key may be what is missing.
        self.0.warnings.iter().try_for_each(|warning| write!(f, "\n  (warning) {warning}"))
    }
}

/// A configuration and which texts it was read from.
pub(crate) struct Read {
    /// What it says.
    pub(crate) loaded: Loaded,
    /// SHA-256 of the files, one after the other in the order in which they were read: `cat a b | sha256sum`.
    pub(crate) hash: String,
}

/// Reads the files named on the command line, or those of the search path that are there, or, where there is none,
/// the environment of a container; a later one overrides key by key. Addresses that the environment gives to this
/// node alone come last.
///
/// # Errors
/// A named file cannot be read, or the configuration is not valid; all its errors at once.
pub(crate) fn load(named: &[PathBuf]) -> Result<Read, ConfigurationError> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut sources = if named.is_empty() { searched(&variable)? } else { named_files(named)? };
    let texts: Vec<&str> = sources.iter().map(|source| source.text.as_str()).collect();
    let hash = hex(&Sha256::digest(texts.concat()));
    sources.extend(addresses_from_environment(&variable));
    let read = |path: &Path| fs::read_to_string(path);
    let outside = Outside { variable: &variable, read: &read };
    let loaded = orchestrator_config::load(&sources, &outside).map_err(ConfigurationError::Invalid)?;
    Ok(Read { loaded, hash })
}

fn named_files(named: &[PathBuf]) -> Result<Vec<Source>, ConfigurationError> {
    let read = |path: &PathBuf| match fs::read_to_string(path) {
        Ok(text) => Ok(Source { path: path.clone(), text }),
        Err(error) => Err(ConfigurationError::Unreadable { path: path.clone(), error }),
    };
    named.iter().map(read).collect()
}

fn searched(variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Source>, ConfigurationError> {
    let found = present(SEARCH_PATH.iter().map(Path::new))?;
    Ok(if found.is_empty() { from_environment(variable).into_iter().collect() } else { found })
}

/// Those of `paths` that are there. One that is there and cannot be read is what somebody wants to be read: without it
/// this node would run on defaults.
fn present<'p>(paths: impl Iterator<Item = &'p Path>) -> Result<Vec<Source>, ConfigurationError> {
    let absent =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let read = |path: &Path| match fs::read_to_string(path) {
        Ok(text) => Some(Ok(Source { path: path.into(), text })),
        Err(error) if absent(&error) => None,
        Err(error) => Some(Err(ConfigurationError::Unreadable { path: path.into(), error })),
    };
    paths.filter_map(read).collect()
}

/// Hexadecimal digits of a digest.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says what was read and what of it has no effect.
pub(crate) fn warn(loaded: &Loaded, ignored_flags: &[String]) {
    info!(version = env!("CARGO_PKG_VERSION"), "orchestrator starts");
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    if !ignored_flags.is_empty() {
        warn!(flags = ignored_flags.join(", "), "these flags have no effect in this version");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_are_not_there_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("a.json"), dir.path().join("b.json"));
        fs::write(&file, "{}").unwrap();
        fs::create_dir(&folder).unwrap();
        let (none, below) = (dir.path().join("none"), file.join("below"));
        let read = |paths: &[&PathBuf]| present(paths.iter().map(|path| path.as_path()));
        let found = read(&[&none, &file, &below]).map_err(|error| error.to_string()).unwrap();
        assert_eq!(found.iter().map(|source| &source.path).collect::<Vec<_>>(), [&file]);
        let refused = read(&[&file, &folder]).err().expect("a folder is no file").to_string();
        assert!(refused.starts_with("cannot read config file") && refused.contains("b.json"), "{refused}");
    }

    /// The hash is what `cat a.json b.json | sha256sum` says.
    #[test]
    fn a_second_named_file_is_read_over_the_first_and_both_are_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let files = [dir.path().join("a.json"), dir.path().join("b.json")];
        fs::write(&files[0], r#"{"BackendDB": "sqlite", "SQLite3DataFile": "/x", "ReadOnly": false}"#)
            .unwrap();
        fs::write(&files[1], r#"{"ReadOnly": true}"#).unwrap();
        let Ok(both) = load(&files) else { panic!("both are valid") };
        let Ok(first) = load(&files[..1]) else { panic!("it is valid") };
        assert!(both.loaded.settings.listen.read_only && !first.loaded.settings.listen.read_only);
        assert_ne!(both.hash, first.hash);
        let text = [&files[0], &files[1]].map(|file| fs::read(file).unwrap()).concat();
        assert_eq!(both.hash, hex(&Sha256::digest(text)));
        let missing = load(&[files[0].clone(), dir.path().join("c.json")]);
        assert!(missing.is_err_and(|error| error.to_string().contains("c.json")));
    }
}
