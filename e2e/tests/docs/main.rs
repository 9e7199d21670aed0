//! The pages for people who run this, done as they say: every file is written, every command given, on machines with
//! systemd, a network and databases, and what is printed is compared with what the page shows.
//!
//! A binary of its own: it needs root, and control groups for systemd. How blocks are marked is told in `page.rs`.

mod page;
mod run;
mod stage;

use std::path::Path;

use anyhow::{Result, ensure};

/// One test for each page, and the list of all.
macro_rules! pages {
    ($($claim:ident: $page:literal;)*) => {
        /// Pages that are followed.
        const FOLLOWED: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $claim() -> Result<()> {
                run::follow($page)
            }
        )*
    };
}

pages! {
    a_node_is_installed: "install.md";
    a_group_with_sqlite_is_deployed: "deploy-sqlite.md";
    a_group_with_mysql_is_deployed: "deploy-mysql.md";
    a_group_elects_grows_and_shrinks: "raft.md";
    a_node_is_replaced: "replace-node.md";
    a_node_is_backed_up_cloned_and_restored: "backup.md";
    a_group_is_upgraded: "upgrade.md";
    a_node_runs_under_systemd: "systemd.md";
    a_group_is_closed_to_strangers: "security.md";
    a_group_is_watched: "monitoring.md";
}

/// Followed on a Kubernetes cluster instead, which machines are not; read like the others.
const ELSEWHERE: &[&str] = &["kubernetes.md"];

/// Nothing is to be done there.
const INDEX: &str = "README.md";

#[test]
fn every_page_is_followed() -> Result<()> {
    for entry in std::fs::read_dir(run::folder())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let page = name.ends_with(".md") && name != INDEX;
        let followed = FOLLOWED.contains(&&*name) || ELSEWHERE.contains(&&*name);
        ensure!(!page || followed, "nobody follows docs/{name}");
    }
    Ok(())
}

#[test]
fn every_block_is_run_or_says_why_not() -> Result<()> {
    for name in FOLLOWED.iter().chain(ELSEWHERE).chain(&[INDEX, "../README.md"]) {
        let page = run::read(name)?;
        for (line, reason) in &page.not_run {
            ensure!(reason.split_whitespace().count() > 3, "docs/{name}:{line}: hardly a reason: {reason}");
        }
        ensure!(name.ends_with(INDEX) || !page.steps.is_empty(), "docs/{name}: nothing to do");
        ensure!(!name.ends_with(INDEX) || page.steps.is_empty(), "docs/{name}: commands that nobody runs");
    }
    Ok(())
}

#[test]
fn links_between_pages_lead_somewhere() -> Result<()> {
    for name in FOLLOWED.iter().chain(ELSEWHERE).chain(&[INDEX, "../README.md"]) {
        let at = run::folder().join(name);
        let text = std::fs::read_to_string(&at)?;
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") {
                ensure!(leads_somewhere(&at, link), "docs/{name}: nothing is at {link}");
            }
        }
    }
    Ok(())
}

/// `link` of the page `from`: a file, with a heading in it after `#`.
fn leads_somewhere(from: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let to = if file.is_empty() { from.to_owned() } else { from.with_file_name(file) };
    let Ok(text) = std::fs::read_to_string(&to) else { return to.exists() && heading.is_empty() };
    heading.is_empty() || text.lines().any(|line| line.starts_with('#') && anchor(line) == heading)
}

/// The name by which browsers know a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    words.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}
