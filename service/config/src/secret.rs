//! Values that must never be printed.

use std::fmt;

/// A value that is used, but never shown: `Debug` and `Display` print `***`.
///
/// Nothing serializes it; whoever needs the value says so with [`Secret::reveal`],
/// which is the word to search for in a review.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value` from now on.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for a connection or a comparison, never for a log line or an answer.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
