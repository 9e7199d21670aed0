#![doc = include_str!("../DESIGN.md")]

mod address;
mod adjust;
mod consequences;
mod container;
mod credentials;
mod file;
mod filter;
mod json;
mod keys;
mod obsolete;
mod problem;
mod secret;
mod settings;
mod value;

pub use container::{addresses_from_environment, from_environment};
pub use credentials::Outside;
pub use file::{Changes, SEARCH_PATH, Source};
pub use filter::{ClusterAliases, ClusterFilter, HostPattern, InstanceFilter, Patterns};
pub use keys::{File, KEYS, KeySpec, Plan, RELOADABLE, Reload};
pub use problem::{Invalid, Place, Problem};
pub use secret::Secret;
pub use settings::*;

use problem::Report;

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The document with the adjustments applied: for [`File::dump`] and [`File::changes`].
    pub file: File,
    /// What components are started with.
    pub settings: Settings,
    /// To be logged once; ordered by file and line.
    pub warnings: Vec<Problem>,
}

/// Reads `sources` in order over the defaults and checks the result.
///
/// No source at all is fine and gives the defaults.
///
/// # Errors
/// All errors of all sources at once; a caller that reloads keeps what it has.
pub fn load(sources: &[Source], outside: &Outside<'_>) -> Result<Loaded, Invalid> {
    let mut report = Report::default();
    let mut file = File::read(sources, &mut report);
    adjust::adjust(&mut file, outside, &mut report);
    let settings = Settings::build(&file, &mut report);
    consequences::warn(&file, &mut report);
    file.warn_without_effect(&adjust::adjusted_defaults(outside), &mut report);
    adjust::complete(&mut file);
    let Report { errors, warnings } = report.sorted(sources);
    if errors.is_empty() {
        Ok(Loaded { file, settings, warnings })
    } else {
        Err(Invalid { errors, warnings })
    }
}
