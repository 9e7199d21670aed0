//! A page as what a reader does with it: files to write, commands to give, answers to see.
//!
//! The first word after a fence is the language, as everywhere; the words after it are for this test and are not
//! shown to readers:
//!
//! | Fence | What happens |
//! |---|---|
//! | `sh HOST…` | the block runs in a shell on each host, one after the other; without a host on `admin` |
//! | `sql HOST…` | the block goes to the database server of each host, as root |
//! | `LANGUAGE file=/path HOST…` | the block is written to that file |
//! | `json merge=/path HOST…` | its keys are put into that JSON file |
//! | `text` | what the commands before it print: `…` is any text, a line of its own with `…` any lines |
//!
//! `until=SECONDS` repeats a block until it prints that, `fails` wants a status other than 0.
//! Comments: `<!-- after: PAGE -->` (what was done before), `<!-- on HOST: COMMAND -->` (what befalls the reader),
//! `<!-- carry FILE: HOST to HOST… -->` (what the reader copies), `<!-- not run: REASON -->` (before a block that
//! nothing runs).

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What a block is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A script for a shell.
    Shell,
    /// Statements for a database server.
    Sql,
    /// The content of a file.
    Write(String),
    /// Keys for a JSON file.
    Merge(String),
    /// What befalls the reader: a script that the page only tells of.
    Event,
    /// A file is copied from the first host to the others.
    Carry(String),
}

/// One thing that is done, and what it is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// What is done.
    pub(crate) deed: Deed,
    /// Where.
    pub(crate) hosts: Vec<String>,
    /// Line of the page on which the text begins.
    pub(crate) line: usize,
    /// The text.
    pub(crate) text: String,
    /// What it prints.
    pub(crate) shows: Option<String>,
    /// It ends with a status other than 0.
    pub(crate) fails: bool,
    /// How long it may be repeated.
    pub(crate) until: Option<Duration>,
}

impl Step {
    /// Nobody sees what it prints.
    fn is_event(&self) -> bool {
        matches!(self.deed, Deed::Event | Deed::Carry(_))
    }
}

/// One page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Pages whose steps come first.
    pub(crate) after: Vec<String>,
    /// What is done, in order.
    pub(crate) steps: Vec<Step>,
    /// Reasons of the blocks that are not run, with their lines.
    pub(crate) not_run: Vec<(usize, String)>,
}

/// Where a reader sits who was not told otherwise.
const DESK: &str = "admin";

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// With the line of what makes no sense.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut page = Self::default();
        let mut excuse = None;
        let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
        while let Some((line, first)) = lines.next() {
            if let Some(comment) = first.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
                page.remark(line, comment, &mut excuse)?;
            } else if let Some(info) = first.strip_prefix("```") {
                let block: Vec<&str> = lines.by_ref().map(|(_, l)| l).take_while(|l| *l != "```").collect();
                let fence = Fence { line, info, text: block.join("\n") + "\n", excuse: excuse.take() };
                page.block(fence).with_context(|| format!("line {line}"))?;
            } else if let Some(reason) = excuse.as_ref().filter(|_| !first.trim().is_empty()) {
                bail!("line {line}: no block after `not run: {reason}`");
            }
        }
        ensure!(excuse.is_none(), "no block after the last `not run`");
        Ok(page)
    }

    fn remark(&mut self, line: usize, comment: &str, excuse: &mut Option<String>) -> Result<()> {
        match comment.split_once(": ") {
            Some(("after", pages)) => self.after.extend(pages.split(", ").map(str::to_owned)),
            Some(("not run", reason)) => *excuse = Some(reason.to_owned()),
            Some((on, script)) if on.starts_with("on ") => {
                self.event(line, Deed::Event, on.split_whitespace().skip(1), script);
            }
            Some((carry, hosts)) if carry.starts_with("carry ") => {
                let file = carry.trim_start_matches("carry ").to_owned();
                self.event(
                    line,
                    Deed::Carry(file),
                    hosts.split_whitespace().filter(|word| *word != "to"),
                    "",
                );
            }
            _ => bail!("line {line}: a comment that nobody understands: {comment}"),
        }
        Ok(())
    }

    fn event<'a>(&mut self, line: usize, deed: Deed, hosts: impl Iterator<Item = &'a str>, script: &str) {
        let (hosts, text) = (hosts.map(str::to_owned).collect(), script.to_owned());
        self.steps.push(Step { deed, hosts, line, text, shows: None, fails: false, until: None });
    }

    fn block(&mut self, fence: Fence<'_>) -> Result<()> {
        if let Some(reason) = fence.excuse {
            self.not_run.push((fence.line, reason));
            return Ok(());
        }
        if fence.info == "text" {
            let step = self.steps.last_mut().filter(|step| step.shows.is_none() && !step.is_event());
            step.context("a text without a command before it")?.shows = Some(fence.text);
            return Ok(());
        }
        self.steps.push(fence.step()?);
        Ok(())
    }
}

/// A fenced block as it stands on the page.
struct Fence<'a> {
    line: usize,
    info: &'a str,
    text: String,
    excuse: Option<String>,
}

impl Fence<'_> {
    fn step(self) -> Result<Step> {
        let mut words = self.info.split_whitespace();
        let mut deed = match words.next() {
            Some("sh") => Some(Deed::Shell),
            Some("sql") => Some(Deed::Sql),
            _ => None,
        };
        let mut step = Step {
            deed: Deed::Shell,
            hosts: Vec::new(),
            line: self.line + 1,
            text: self.text,
            shows: None,
            fails: false,
            until: None,
        };
        for word in words {
            match word.split_once('=') {
                Some(("file", path)) => deed = Some(Deed::Write(path.to_owned())),
                Some(("merge", path)) => deed = Some(Deed::Merge(path.to_owned())),
                Some(("until", seconds)) => step.until = Some(Duration::from_secs(seconds.parse()?)),
                Some(_) => bail!("a word that nobody understands: {word}"),
                None if word == "fails" => step.fails = true,
                None => step.hosts.push(word.to_owned()),
            }
        }
        step.deed = deed.with_context(|| format!("nobody runs a block of `{}`", self.info))?;
        if step.hosts.is_empty() {
            step.hosts.push(DESK.to_owned());
        }
        Ok(step)
    }
}

/// Whether `printed` is what a page says that it is.
///
/// Blanks at the ends of lines and empty lines at the end of the text do not count.
pub(crate) fn matches(shown: &str, printed: &str) -> bool {
    let lines =
        |text: &str| -> Vec<String> { text.trim_end().lines().map(|l| l.trim_end().into()).collect() };
    lines_match(&lines(shown), &lines(printed))
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "…" => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, more)| line_matches(first, line) && lines_match(rest, more)),
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut left) = printed.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return left.is_empty() };
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Title
<!-- after: a.md, b.md -->

```json file=/etc/x.json orc-0 orc-1
{}
```

```sh orc-0 until=5
one
two
```

```text
… 3
```

<!-- on orc-2: reboot -->
<!-- not run: a password is asked for -->
```sh
passwd
```
";

    #[test]
    fn a_page_is_read_in_the_order_of_its_deeds() {
        let page = Page::read(PAGE).expect("it makes sense");
        assert_eq!(page.after, ["a.md", "b.md"]);
        let deeds: Vec<&Deed> = page.steps.iter().map(|s| &s.deed).collect();
        assert_eq!(deeds, [&Deed::Write("/etc/x.json".into()), &Deed::Shell, &Deed::Event]);
        assert_eq!(page.steps[0].hosts, ["orc-0", "orc-1"]);
        assert_eq!(page.steps[1].text, "one\ntwo\n");
        assert_eq!((page.steps[1].line, page.steps[1].until), (9, Some(Duration::from_secs(5))));
        assert_eq!(page.steps[1].shows.as_deref(), Some("… 3\n"));
        assert_eq!(page.not_run, [(19, "a password is asked for".to_owned())]);
    }

    #[test]
    fn what_nobody_would_run_is_an_error() {
        for bad in ["```console\nls\n```\n", "```text\nx\n```\n", "<!-- remember -->\n", "```\nx\n```\n"] {
            assert!(Page::read(bad).is_err(), "{bad}");
        }
        assert!(Page::read("<!-- not run: because -->\n\nwords\n").is_err());
    }

    #[test]
    fn an_ellipsis_stands_for_text_and_for_lines() {
        assert!(matches("a … c\n…\nz", "a b c\nx\ny\nz\n"));
        assert!(matches("…", ""));
        assert!(matches("…x", "yx"));
        for (shown, printed) in [("a", "a\nb"), ("a\nb", "a"), ("a …", "b"), ("a…c", "abd"), ("…\nz", "z\ny")]
        {
            assert!(!matches(shown, printed), "{shown:?} is not {printed:?}");
        }
    }
}
