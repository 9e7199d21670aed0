//! Reading the configuration's files.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use orchestrator_config::{Invalid, Loaded, Outside, SEARCH_PATH, Source, from_environment};
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

/// Reads the file named on the command line, or those of the search path that are there, or, where there is none,
/// the environment of a container.
///
/// # Errors
/// The named file cannot be read, or the configuration is not valid; all its errors at once.
pub(crate) fn load(only: Option<&Path>) -> Result<Loaded, ConfigurationError> {
    let variable = |name: &str| std::env::var(name).ok();
    let sources = match only {
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| ConfigurationError::Unreadable { path: path.into(), error })?;
            vec![Source { path: path.into(), text }]
        }
        None => {
            let found = SEARCH_PATH
                .iter()
                .filter_map(|path| Some(Source { path: path.into(), text: fs::read_to_string(path).ok()? }));
            let found: Vec<Source> = found.collect();
            if found.is_empty() { from_environment(&variable).into_iter().collect() } else { found }
        }
    };
    let read = |path: &Path| fs::read_to_string(path);
    let outside = Outside { variable: &variable, read: &read };
    orchestrator_config::load(&sources, &outside).map_err(ConfigurationError::Invalid)
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
