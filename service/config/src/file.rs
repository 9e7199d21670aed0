//! The document as a whole: reading it from files, showing it, comparing two of them.

use std::path::{Path, PathBuf};

use crate::json::{Document, Entry};
use crate::keys::{File, KEYS, KeySpec, Plan, Reload};
use crate::obsolete;
use crate::problem::{Place, Problem, Report};

/// Files read when none is named, in this order; a later one overrides key by key.
///
/// Relative ones count from the current directory; those that are missing are passed over.
pub const SEARCH_PATH: [&str; 3] =
    ["/etc/orchestrator.conf.json", "conf/orchestrator.conf.json", "orchestrator.conf.json"];

/// A configuration file that was read; it cannot be printed, since it may hold passwords.
#[derive(Clone)]
pub struct Source {
    /// The name under which messages mention it.
    pub path: PathBuf,
    /// Its whole content.
    pub text: String,
}

/// Keys whose values differ between two configurations, in the order of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Take effect at once.
    pub live: Vec<&'static str>,
    /// Take effect at the next start, wholly or in part.
    pub restart: Vec<&'static str>,
}

impl File {
    /// Reads `sources` in order over the defaults; what cannot be read stays as it was.
    pub(crate) fn read(sources: &[Source], report: &mut Report) -> Self {
        let mut file = Self::default();
        for source in sources {
            file.read_source(&source.path, &source.text, report);
        }
        file
    }

    fn read_source(&mut self, path: &Path, text: &str, report: &mut Report) {
        let document = Document::new(path, text);
        let (entries, syntax_problem) = document.entries();
        let mut seen: Vec<&'static str> = Vec::new();
        for entry in entries {
            let Ok(key) = serde_json::from_str::<String>(entry.key.get()) else {
                report.error(
                    Some(&document.place(entry.key)),
                    entry.key.get(),
                    "write the key in plain letters",
                );
                continue;
            };
            if is_comment(&key) {
                continue;
            }
            match find(&key) {
                Some(index) => {
                    self.read_entry(index, entry, &document, report);
                    warn_if_repeated(&mut seen, KEYS[index].name, entry, &document, report);
                }
                None => warn_unknown(&key, entry, &document, report),
            }
        }
        report.errors.extend(syntax_problem);
    }

    fn read_entry(&mut self, index: usize, entry: Entry<'_>, document: &Document<'_>, report: &mut Report) {
        let field = self.fields_mut().swap_remove(index);
        if let Err(errors) = field.read(entry.value, document.place(entry.key)) {
            for error in errors {
                report.error(Some(&document.place(error.at)), KEYS[index].name, error.text);
            }
        }
    }

    /// The effective values as one line of JSON, in the order of the table; secrets are `***`.
    pub fn dump(&self) -> String {
        let fields = self.fields();
        let entries =
            KEYS.iter().zip(fields).map(|(key, field)| format!("\"{}\":{}", key.name, field.shown()));
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    }

    /// What a reload from `self` to `new` changes.
    pub fn changes(&self, new: &File) -> Changes {
        let mut changes = Changes::default();
        for ((key, old), new) in KEYS.iter().zip(self.fields()).zip(new.fields()) {
            match key.reload {
                _ if old.json() == new.json() => {}
                Reload::Live => changes.live.push(key.name),
                Reload::Restart | Reload::Partly => changes.restart.push(key.name),
                // Without any effect in the original, but with one here.
                Reload::Never if key.plan == Plan::Now => changes.restart.push(key.name),
                Reload::Never => {}
            }
        }
        changes
    }

    /// One warning for all keys whose effect is still to come, one for all that will never have one.
    ///
    /// Only keys that a file sets to something else than the default: complete samples spell out
    /// every default, and such a key asks for nothing. `defaults` are adjusted as `self` is.
    pub(crate) fn warn_without_effect(&self, defaults: &File, report: &mut Report) {
        for (plan, meaning) in [
            (Plan::Later, "known keys without an effect in this version yet"),
            (Plan::Obsolete, "obsolete keys, without any effect"),
        ] {
            let named = self.deviating(defaults, plan);
            if !named.is_empty() {
                report.warnings.push(Problem {
                    place: None,
                    key: None,
                    text: format!("{meaning}: {}", list(&named)),
                });
            }
        }
    }

    /// The keys of `plan` that a file sets to something else than their default.
    fn deviating(&self, defaults: &File, plan: Plan) -> Vec<(&'static str, &Place)> {
        let rows = KEYS.iter().zip(self.fields()).zip(defaults.fields());
        rows.filter(|((key, field), default)| key.plan == plan && field.json() != default.json())
            .filter_map(|((key, field), _)| Some((key.name, field.place()?)))
            .collect()
    }
}

/// `KeyA (line 3), KeyB (line 7) of conf.json`; with several files each key names its own.
fn list(named: &[(&'static str, &Place)]) -> String {
    let first = named.first().map(|(_, place)| &place.file);
    let same_file = named.iter().all(|(_, place)| Some(&place.file) == first);
    let keys = named.iter().map(|(name, place)| match same_file {
        true => format!("{name} (line {})", place.line),
        false => format!("{name} ({}:{})", place.file.display(), place.line),
    });
    let keys = keys.collect::<Vec<_>>().join(", ");
    match first {
        Some(file) if same_file => format!("{keys} of {}", file.display()),
        _ => keys,
    }
}

/// The row of a key: its exact name first, then any case.
fn find(name: &str) -> Option<usize> {
    let exact = KEYS.iter().position(|key: &KeySpec| key.name == name);
    exact.or_else(|| KEYS.iter().position(|key| key.name.eq_ignore_ascii_case(name)))
}

/// Files carry remarks as entries, since JSON has no comments.
fn is_comment(key: &str) -> bool {
    key.starts_with(['#', '_']) || key.starts_with("//")
}

fn warn_if_repeated(
    seen: &mut Vec<&'static str>,
    name: &'static str,
    entry: Entry<'_>,
    document: &Document<'_>,
    report: &mut Report,
) {
    if seen.contains(&name) {
        report.warn(Some(&document.place(entry.key)), name, "the key is given again; the last value counts");
    } else {
        seen.push(name);
    }
}

fn warn_unknown(key: &str, entry: Entry<'_>, document: &Document<'_>, report: &mut Report) {
    let text = match (obsolete::removed(key), obsolete::nearest_key(key)) {
        (Some((_, reason)), _) => format!("obsolete key, ignored: {reason}"),
        (None, Some(near)) => format!("unknown key, ignored; did you mean {near}?"),
        (None, None) => "unknown key, ignored".to_owned(),
    };
    report.warn(Some(&document.place(entry.key)), key, text);
}
