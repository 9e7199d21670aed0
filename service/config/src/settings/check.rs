//! Turning a key's plain value into one that cannot be wrong.

use std::path::PathBuf;
use std::time::Duration;

use crate::filter::Compiler;
use crate::keys::File;
use crate::problem::Report;
use crate::secret::Secret;
use crate::value::Field;

/// A hundred years: a longer time is a mistake, and sums of times must not overflow.
const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What stands for "no deadline", since nothing here waits for ever: the longest of the defaults.
const DEADLINE_MAX: Duration = Duration::from_secs(600);

/// The units in which keys give times, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Milliseconds = 1,
    Seconds = 1000,
    Minutes = 60_000,
    Hours = 3_600_000,
    Days = 86_400_000,
}

/// The file and the remarks on it, while settings are built.
pub(super) struct Check<'c> {
    pub(super) file: &'c File,
    pub(super) report: &'c mut Report,
}

impl Check<'_> {
    pub(super) fn error<T>(&mut self, field: &Field<T>, text: impl Into<String>) {
        self.report.error(field.place.as_ref(), field.name, text);
    }

    /// `field` must be written because `cause` is; reported where `cause` stands if `field` is absent.
    pub(super) fn missing<T, C>(&mut self, field: &Field<T>, cause: &Field<C>, text: &str) {
        self.report.error(field.place.as_ref().or(cause.place.as_ref()), field.name, text);
    }

    pub(super) fn warn<T>(&mut self, field: &Field<T>, text: impl Into<String>) {
        self.report.warn(field.place.as_ref(), field.name, text);
    }

    /// A time from 0 to a hundred years; 0 after an error.
    pub(super) fn duration<T>(&mut self, field: &Field<T>, unit: Unit) -> Duration
    where
        T: Copy + TryInto<u64>,
    {
        let Ok(count) = field.value.try_into() else {
            self.error(field, "a time cannot be negative; write 0 or more");
            return Duration::ZERO;
        };
        let duration = Duration::from_millis(count.saturating_mul(unit as u64));
        if duration > DURATION_MAX {
            self.error(
                field,
                format!("{count} {unit:?} are more than a hundred years; write less").to_lowercase(),
            );
            return Duration::ZERO;
        }
        duration
    }

    /// A time above 0.
    pub(super) fn positive_duration<T>(&mut self, field: &Field<T>, unit: Unit) -> Duration
    where
        T: Copy + TryInto<u64> + PartialEq + From<u8>,
    {
        if field.value == T::from(0) {
            self.error(field, "cannot be 0; write 1 or more");
        }
        self.duration(field, unit)
    }

    /// A deadline; 0, which stands for none with the original, becomes the longest.
    pub(super) fn deadline<T>(&mut self, field: &Field<T>) -> Duration
    where
        T: Copy + TryInto<u64> + PartialEq + From<u8>,
    {
        if field.value == T::from(0) {
            self.warn(
                field,
                format!("there is always a deadline; 0 means {} seconds", DEADLINE_MAX.as_secs()),
            );
            return DEADLINE_MAX;
        }
        self.duration(field, Unit::Seconds)
    }

    /// A time where 0 means "off".
    pub(super) fn optional_duration<T>(&mut self, field: &Field<T>, unit: Unit) -> Option<Duration>
    where
        T: Copy + TryInto<u64>,
    {
        Some(self.duration(field, unit)).filter(|duration| !duration.is_zero())
    }

    /// A count from 1 to `max`; 1 after an error.
    pub(super) fn count<T>(&mut self, field: &Field<T>, max: usize) -> usize
    where
        T: Copy + TryInto<usize>,
    {
        match field.value.try_into() {
            Ok(count) if (1..=max).contains(&count) => count,
            _ => {
                self.error(field, format!("write a number from 1 to {max}"));
                1
            }
        }
    }

    /// A TCP port; 1 after an error.
    pub(super) fn port<T>(&mut self, field: &Field<T>) -> u16
    where
        T: Copy + TryInto<u16>,
    {
        match field.value.try_into() {
            Ok(port) if port > 0 => port,
            _ => {
                self.error(field, "is no port; write a number from 1 to 65535");
                1
            }
        }
    }

    /// Compiles something of `field`; what does not compile is warned about.
    pub(super) fn compile<T, R>(
        &mut self,
        field: &Field<T>,
        compile: impl FnOnce(&mut Compiler<'_>, &T) -> R,
    ) -> R {
        let report = &mut *self.report;
        let mut warn = |text| report.warn(field.place.as_ref(), field.name, text);
        compile(&mut Compiler(&mut warn), &field.value)
    }
}

/// A text that may be left out.
pub(super) fn optional(field: &Field<String>) -> Option<String> {
    Some(field.value.clone()).filter(|text| !text.is_empty())
}

/// A path that may be left out.
pub(super) fn optional_path(field: &Field<String>) -> Option<PathBuf> {
    optional(field).map(PathBuf::from)
}

/// A secret as its owner wants it.
pub(super) fn secret(field: &Field<Secret<String>>) -> Secret<String> {
    field.value.clone()
}
