//! What is wrong with a configuration, where, and what to write instead.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::file::Source;

/// A place in a file: both numbers count from 1, the column in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named in the search path.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// One remark about a configuration, as an error or as a warning.
///
/// Shape of its text: `file:line:column: Key: what is wrong and what to write`; parts that do not
/// apply are left out. It never contains the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` when no file mentions the key.
    pub place: Option<Place>,
    /// The key under its documented name, or as written if it is unknown.
    pub key: Option<String>,
    /// What is wrong and what to write: lower case, no full stop.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// Why a configuration cannot be used: every error at once, and the warnings met on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// At least one; ordered by file and line.
    pub errors: Vec<Problem>,
    /// An unknown key may explain a missing one, so they are worth showing beside the errors.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => f.write_str("the configuration has an error")?,
            count => write!(f, "the configuration has {count} errors")?,
        }
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// Collects what is found while a configuration is read; nothing stops at the first error.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Report {
    pub(crate) fn error(&mut self, place: Option<&Place>, key: &str, text: impl Into<String>) {
        self.errors.push(Problem { place: place.cloned(), key: Some(key.to_owned()), text: text.into() });
    }

    pub(crate) fn warn(&mut self, place: Option<&Place>, key: &str, text: impl Into<String>) {
        self.warnings.push(Problem { place: place.cloned(), key: Some(key.to_owned()), text: text.into() });
    }

    /// Orders by file, as the sources are, and line; what has no place comes last. A key that is used
    /// by two settings is reported once.
    pub(crate) fn sorted(mut self, sources: &[Source]) -> Self {
        for list in [&mut self.errors, &mut self.warnings] {
            list.sort_by_key(|problem| {
                let place = problem.place.as_ref();
                let file = place.map(|place| sources.iter().position(|source| *source.path == *place.file));
                (
                    place.is_none(),
                    file.map(|at| at.unwrap_or(sources.len())),
                    place.map(|at| (at.line, at.column)),
                )
            });
            list.dedup();
        }
        self
    }
}
