//! Reads the assignments of `/etc/profile.d/orchestrator-client.sh` without a shell.
//!
//! Understood is what such files hold: `NAME=value`, `export NAME="value"`, several on a line, comments.
//! A value that only a shell can work out (`$…`, backquotes) is left out, and so the environment keeps its say.

/// Only these names are of interest; a file may set others for other programs.
const PREFIX: &str = "ORCHESTRATOR_";

/// The assignments of `ORCHESTRATOR_*` variables in a shell file, in the order they stand.
pub(crate) fn assignments(file: &str) -> Vec<(String, String)> {
    file.lines().flat_map(words).filter_map(assignment).collect()
}

fn assignment(word: Word) -> Option<(String, String)> {
    let (name, value) = word.text.split_once('=')?;
    (word.literal && name.starts_with(PREFIX)).then(|| (name.to_owned(), value.to_owned()))
}

/// A word of a line, quotes removed.
#[derive(Default)]
struct Word {
    text: String,
    /// False if a shell would have put something else in place of a part of it.
    literal: bool,
}

fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            '#' => break,
            ' ' | '\t' | ';' => _ = rest.next(),
            _ => words.push(word(&mut rest)),
        }
    }
    words
}

fn word(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Word {
    let mut word = Word { literal: true, ..Word::default() };
    let mut quote = None;
    while let Some(next) = rest.next_if(|c| quote.is_some() || !matches!(c, ' ' | '\t' | ';')) {
        match (next, quote) {
            ('\'' | '"', None) => quote = Some(next),
            (_, Some(open)) if next == open => quote = None,
            ('$' | '`', None | Some('"')) => word.literal = false,
            ('\\', None | Some('"')) => word.text.extend(rest.next()),
            _ => word.text.push(next),
        }
    }
    word.literal &= quote.is_none();
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(file: &str, expected: Expect) {
        let lines: Vec<String> =
            assignments(file).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn plain_and_exported_assignments_are_read() {
        check(
            r#"
            # ORCHESTRATOR_API=http://commented
            ORCHESTRATOR_API="http://a:3000/api http://b:3000/api" # two of them
            export ORCHESTRATOR_AUTH_USER=ada ORCHESTRATOR_AUTH_PASSWORD='p$ss #1'; PATH=/tmp
            "#,
            expect![[r#"
                ORCHESTRATOR_API=http://a:3000/api http://b:3000/api
                ORCHESTRATOR_AUTH_USER=ada
                ORCHESTRATOR_AUTH_PASSWORD=p$ss #1"#]],
        );
    }

    #[test]
    fn what_needs_a_shell_is_left_out() {
        check(
            "export ORCHESTRATOR_INSTANCE=`hostname`\nORCHESTRATOR_API=\"$X\"\nORCHESTRATOR_API=\"unclosed",
            expect![""],
        );
    }
}
