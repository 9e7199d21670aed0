//! Files of the tree that tests write: with `UPDATE_EXPECT=1` they do, else they compare.

use std::env;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::repository;

use crate::tools::text;

/// `path` holds `wanted`, from now on or already.
pub(crate) fn holds(path: &str, wanted: &str) -> Result<()> {
    if env::var_os("UPDATE_EXPECT").is_some() {
        return std::fs::write(repository().join(path), wanted).with_context(|| path.to_owned());
    }
    ensure!(
        text(path).unwrap_or_default() == wanted,
        "{path} is old: run `make generate` and look at the diff"
    );
    Ok(())
}

/// `path` holds `wanted` between the lines `<!-- mark -->` and `<!-- end of mark -->`.
pub(crate) fn holds_between(path: &str, mark: &str, wanted: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->\n"));
    let whole = text(path)?;
    let (head, rest) = whole.split_once(&begin).with_context(|| format!("{path}: no line {begin}"))?;
    let (_, tail) = rest.split_once(&end).with_context(|| format!("{path}: no line {end}"))?;
    holds(path, &format!("{head}{begin}{wanted}{end}{tail}"))
}
