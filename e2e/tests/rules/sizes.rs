//! A ratchet, not a wall: functions of at most 70 lines, files of at most 600, a `DESIGN.md` in every crate.
//!
//! The code is formatted by rustfmt, so a function ends at the first `}` in the column of its `fn`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use orchestrator_e2e::repository;

/// Lines from `fn` to its closing brace, both included.
const FUNCTION_LINES: usize = 72;
/// Lines of one file, tests included.
const FILE_LINES: usize = 600;
/// Folders with sources of ours.
const SOURCES: [&str; 4] = ["crds", "e2e", "operator", "service"];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in SOURCES {
        rust_files(&repository().join(folder), &mut found);
    }
    found.sort();
    found.into_iter().filter_map(|p| std::fs::read_to_string(&p).ok().map(|text| (p, text))).collect()
}

fn begins_function(line: &str) -> bool {
    let words = line.trim_start().split('(').next().unwrap_or_default();
    let mut words = words.split_whitespace().take_while(|w| !w.contains("//") && !w.contains('"'));
    words.any(|w| w == "fn") && !line.trim_end().ends_with(';')
}

/// Lines from `fn` to the brace that closes it, or `None` for a declaration and for a function on one line.
fn length_of(lines: &[&str]) -> Option<usize> {
    let first = lines.first().filter(|l| !l.trim_end().ends_with('}'))?;
    let indent = &first[..first.len() - first.trim_start().len()];
    for (n, line) in lines.iter().enumerate().skip(1) {
        let Some(rest) = line.strip_prefix(indent).filter(|rest| !rest.starts_with(' ')) else { continue };
        if rest == "}" {
            return Some(n + 1);
        }
        // The end of a declaration, in a trait or before its `where`.
        if rest.ends_with(';') || begins_function(line) {
            return None;
        }
    }
    None
}

/// First line (from 1) and length of every function that is longer than allowed.
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let functions = lines.iter().enumerate().filter(|(_, l)| begins_function(l));
    let lengths = functions.filter_map(|(i, _)| Some((i + 1, length_of(&lines[i..])?)));
    lengths.filter(|(_, length)| *length > FUNCTION_LINES).collect()
}

#[test]
fn functions_fit_on_a_screen() -> Result<()> {
    let mut long = Vec::new();
    for (path, text) in sources() {
        let here = long_functions(&text);
        long.extend(here.into_iter().map(|(line, n)| format!("{}:{line}: {n} lines", path.display())));
    }
    ensure!(long.is_empty(), "longer than {FUNCTION_LINES} lines: {long:#?}");
    Ok(())
}

#[test]
fn files_can_be_read_in_one_go() -> Result<()> {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(path, lines)| format!("{}: {lines}", path.display()))
        .collect();
    ensure!(long.is_empty(), "longer than {FILE_LINES} lines: {long:#?}");
    Ok(())
}

#[test]
fn every_crate_explains_itself() -> Result<()> {
    let mut silent = Vec::new();
    for (path, text) in sources() {
        let Some(folder) = path.parent().and_then(Path::parent) else { continue };
        let root = path.ends_with("src/lib.rs")
            || (path.ends_with("src/main.rs") && !folder.join("src/lib.rs").exists());
        if root && !(folder.join("DESIGN.md").is_file() && text.contains("include_str!(\"../DESIGN.md\")")) {
            silent.push(folder.display().to_string());
        }
    }
    ensure!(silent.is_empty(), "without a DESIGN.md in their documentation: {silent:#?}");
    Ok(())
}

#[test]
fn nothing_unfinished_is_left_in_the_sources() -> Result<()> {
    // Written in two parts, so that this file does not accuse itself.
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimple", "mented!"), concat!("to", "do!(")];
    let mut left = Vec::new();
    for (path, text) in sources() {
        for (i, line) in text.lines().enumerate() {
            if words.iter().any(|w| line.contains(w)) {
                left.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}

#[test]
fn the_ratchet_catches_a_long_function_and_spares_a_short_one() {
    let short = "fn f() {\n    1;\n}\n";
    assert!(long_functions(short).is_empty());
    let long = format!("    async fn f() {{\n{}    }}\n", "        1;\n".repeat(71));
    assert_eq!(long_functions(&long), [(1, 73)]);
    let declared = format!("    fn f(\n        a: u8,\n    ) -> u8;\n{}    }}\n", "        1;\n".repeat(80));
    assert!(long_functions(&declared).is_empty());
}
