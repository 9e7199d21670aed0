//! Doing what a page says.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::repository;
use serde_json::{Map, Value};

use crate::page::{Deed, Page, Step, matches};
use crate::stage::{Answer, Stage};

/// Pause between two tries of a block that is repeated.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// With this variable set, all that is printed is shown, for those who write pages.
const SHOW: &str = "DOCS_SHOW";

/// The folder of the pages.
pub(crate) fn folder() -> PathBuf {
    repository().join("docs")
}

/// Reads one page of the folder, or `../README.md`.
///
/// # Errors
/// With the name of the page.
pub(crate) fn read(name: &str) -> Result<Page> {
    let text = std::fs::read_to_string(folder().join(name)).with_context(|| name.to_owned())?;
    Page::read(&text).with_context(|| name.to_owned())
}

/// A page and those that come before it, in their order, each once.
fn with_those_before(name: &str, found: &mut Vec<(String, Page)>) -> Result<()> {
    if found.iter().any(|(known, _)| known == name) {
        return Ok(());
    }
    let page = read(name)?;
    for before in &page.after {
        with_those_before(before, found)?;
    }
    found.push((name.to_owned(), page));
    Ok(())
}

/// Does all that a page says, after all that the pages before it say.
///
/// # Errors
/// With page and line of what did not go as the page says.
pub(crate) fn follow(name: &str) -> Result<()> {
    let mut pages = Vec::new();
    with_those_before(name, &mut pages)?;
    let began = Instant::now();
    act(&pages)?;
    eprintln!("{name}: done after {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn act(pages: &[(String, Page)]) -> Result<()> {
    let hosts = needed(pages);
    let stage = Stage::set(&hosts)?;
    for (page, step) in
        pages.iter().flat_map(|(page, content)| content.steps.iter().map(move |step| (page, step)))
    {
        let mut there = step.hosts.iter().filter(|host| hosts.contains(*host));
        if let Err(error) = there.try_for_each(|host| perform(&stage, host, step)) {
            eprintln!("{}", stage.last_words());
            return Err(error.context(format!("docs/{page}:{}", step.line)));
        }
    }
    Ok(())
}

/// The hosts that a page is about, with those before it. Where the first of several pages, which is about machines
/// of every kind, has more, they are left out.
fn needed(pages: &[(String, Page)]) -> BTreeSet<String> {
    let all = |pages: &[(String, Page)]| -> Vec<Step> {
        pages.iter().flat_map(|(_, page)| page.steps.iter().cloned()).collect()
    };
    let later = all(&pages[usize::from(pages.len() > 1)..]);
    let mut hosts: BTreeSet<String> = all(pages).into_iter().flat_map(|step| step.hosts).collect();
    hosts.retain(|host| later.iter().any(|step| step.hosts.contains(host) || step.text.contains(host)));
    hosts
}

fn perform(stage: &Stage, host: &str, step: &Step) -> Result<()> {
    let began = Instant::now();
    loop {
        let outcome = once(stage, host, step)?;
        let patient = step.until.is_some_and(|limit| began.elapsed() < limit);
        match judge(step, &outcome) {
            Ok(()) => {
                if std::env::var_os(SHOW).is_some() {
                    eprintln!("{host}$ {}{}", step.text, outcome.text);
                }
                return Ok(());
            }
            Err(_) if patient => std::thread::sleep(AGAIN_AFTER),
            Err(error) => return Err(error.context(format!("on {host}:\n{}", step.text))),
        }
    }
}

fn once(stage: &Stage, host: &str, step: &Step) -> Result<Answer> {
    match &step.deed {
        Deed::Shell | Deed::Event => stage.run(host, &step.text, ""),
        Deed::Sql => stage.run(host, "mysql --table -u root", &step.text),
        Deed::Write(path) => write(stage, host, path, &step.text),
        Deed::Merge(path) => merge(stage, host, path, &step.text),
        Deed::Carry(path) => carry(stage, &step.hosts[0], host, path),
    }
}

/// Puts the keys of a fragment into a JSON file, as a person with an editor would.
fn merge(stage: &Stage, host: &str, path: &str, fragment: &str) -> Result<Answer> {
    let before = stage.run(host, &format!("cat '{path}'"), "")?;
    ensure!(before.good, "{path}: {}", before.text);
    let mut file: Map<String, Value> = serde_json::from_str(&before.text).context("the file before")?;
    let keys: Map<String, Value> = serde_json::from_str(fragment).context("the keys to be added")?;
    file.extend(keys);
    write(stage, host, path, &serde_json::to_string_pretty(&file)?)
}

/// Copies a file between hosts; the first host keeps what it has.
fn carry(stage: &Stage, from: &str, to: &str, path: &str) -> Result<Answer> {
    let file = stage.run(from, &format!("base64 '{path}'"), "")?;
    ensure!(file.good, "{path} of {from}: {}", file.text);
    if from == to {
        return Ok(Answer { text: String::new(), ..file });
    }
    stage.run(to, &format!("mkdir -p \"$(dirname '{path}')\"; base64 --decode > '{path}'"), &file.text)
}

fn write(stage: &Stage, host: &str, path: &str, text: &str) -> Result<Answer> {
    stage.run(host, &format!("mkdir -p \"$(dirname '{path}')\"; cat > '{path}'"), text)
}

fn judge(step: &Step, answer: &Answer) -> Result<()> {
    if answer.good == step.fails {
        let how = if answer.good { "it worked, and was not to" } else { "it failed" };
        let line = answer.line.map(|line| format!(" at line {} of the page", step.line + line - 1));
        bail!("{how}{}: {}", line.unwrap_or_default(), answer.text);
    }
    let Some(shown) = &step.shows else { return Ok(()) };
    ensure!(matches(shown, &answer.text), "the page shows\n{shown}--- and it printed\n{}", answer.text);
    Ok(())
}

#[test]
fn a_page_that_is_wrong_is_told_with_the_line() {
    let told = |text: &str| {
        let page = Page::read(text).expect("it makes sense");
        format!("{:#}", act(&[("page.md".to_owned(), page)]).expect_err("it is wrong"))
    };
    let failed = told("# A page\n\n```sh\ntrue\nfalse\ntrue\n```\n");
    assert!(
        failed.contains("docs/page.md:4") && failed.contains("it failed at line 5 of the page"),
        "{failed}"
    );
    let other = told("```sh\nhostname\n```\n\n```text\norc-0.example.net\n```\n");
    assert!(other.contains("it printed\nadmin.example.net"), "{other}");
    let good = told("```sh fails\ntrue\n```\n");
    assert!(good.contains("it worked, and was not to"), "{good}");
}
