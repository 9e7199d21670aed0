//! The option letters and words of the original, read the way its shell script reads them.
//!
//! A long word counts only as a whole argument, with one dash or two; everything else goes by `getopts`:
//! a value may be glued to its letter, an unknown letter is named and skipped, the first plain word ends the options.
//! Beyond the original, `--word=value` and a lone `-h` work.

use std::collections::BTreeMap;

/// What an option sets. Two letters may set the same one; the last wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    Command,
    Instance,
    Destination,
    Alias,
    DefaultPort,
    Api,
    Owner,
    Reason,
    Duration,
    PromotionRule,
    Tag,
    Pool,
    Hostname,
    Path,
    Query,
    Auth,
    HeadersAuth,
    CaFile,
    CertFile,
    KeyFile,
    Binlog,
    Seconds,
}

/// One option: its letter, its word if it has one, and its two lines of help.
pub(crate) struct OptionRow {
    pub(crate) letter: char,
    pub(crate) word: Option<&'static str>,
    pub(crate) variable: Variable,
    pub(crate) value: &'static str,
    pub(crate) about: &'static str,
}

macro_rules! options {
    ($( $letter:literal $word:expr, $variable:ident $value:literal $about:literal; )*) => {
        &[ $( OptionRow { letter: $letter, word: $word, variable: Variable::$variable, value: $value, about: $about } ),* ]
    };
}

/// All options but `-h`, which takes no value.
pub(crate) const OPTIONS: &[OptionRow] = options! {
    'c' Some("command"), Command "command" "what to do; the list is below";
    'i' None, Instance "host[:port]" "the instance; a text for search, a comma list for submit-pool-instances";
    'd' None, Destination "host[:port]" "the destination: the new source, or the instance to promote";
    's' None, Destination "host[:port]" "the same as -d";
    'a' Some("alias"), Alias "alias" "a cluster by its alias or name, where -i may also name a member";
    'o' Some("owner"), Owner "name" "who asks for a downtime or maintenance; you, if not given";
    'r' Some("reason"), Reason "text" "why: of a downtime, maintenance or acknowledgement";
    'u' Some("duration"), Duration "time" "how long: a number and s, m, h, d or w; 10m if not given";
    'R' Some("promotion-rule"), PromotionRule "rule" "prefer, neutral, prefer_not or must_not";
    't' Some("tag"), Tag "tag" "name or name=value; tagged also takes ~name and a comma list";
    'l' Some("pool"), Pool "pool" "name of a pool";
    'H' Some("hostname"), Hostname "name" "a host name, or a part of one for raft-elect-leader";
    'n' Some("binlog"), Binlog "file" "a binary log file";
    'q' Some("query"), Query "sql" "the statement for restart-replica-statements";
    'S' Some("seconds"), Seconds "n" "seconds for delay-replication";
    'P' Some("path"), Path "path" "with -c api: the API path to call";
    'U' Some("api"), Api "urls" "the server's address, or several separated by blanks";
    'b' Some("auth"), Auth "user:password" "for a server with basic authentication";
    'e' Some("headers-auth"), HeadersAuth "header:value" "a header to send, for a server behind an authenticating proxy";
    'C' Some("cacert"), CaFile "file" "for https: the authorities that vouch for the server, in PEM; the system's if not given";
    'E' Some("cert"), CertFile "file" "for https: a certificate to show, in PEM";
    'K' Some("key"), KeyFile "file" "its key, in PEM";
    'D' None, DefaultPort "port" "port of instances named without one; 3306 if not given";
};

/// What the words of the command line say.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) values: BTreeMap<Variable, String>,
    pub(crate) help: bool,
    /// Lines for stderr about options that make no sense; none of them stops the command.
    pub(crate) complaints: Vec<String>,
}

/// Reads a command line, without the program's name.
pub(crate) fn parse(words: &[String]) -> Given {
    let mut given = Given::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match classify(word) {
            Form::Help => given.help = true,
            Form::Row(row, None) => given.take(row, words.next().cloned()),
            Form::Row(row, Some(value)) => given.take(row, Some(value.to_owned())),
            Form::Letters(letters) => given.letters(letters, || words.next().cloned()),
            Form::Plain => break,
        }
    }
    given
}

enum Form<'a> {
    Help,
    Row(&'static OptionRow, Option<&'a str>),
    Letters(&'a str),
    Plain,
}

fn classify(argument: &str) -> Form<'_> {
    let Some(rest) = argument.strip_prefix('-').filter(|rest| !matches!(*rest, "" | "-")) else {
        return Form::Plain;
    };
    let word = rest.strip_prefix('-').unwrap_or(rest);
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    match OPTIONS.iter().find(|row| row.word == Some(name)) {
        Some(row) => Form::Row(row, value),
        None if word == "help" => Form::Help,
        None => Form::Letters(rest),
    }
}

impl Given {
    fn take(&mut self, row: &OptionRow, value: Option<String>) {
        match value {
            Some(value) => _ = self.values.insert(row.variable, value),
            None => self.complaints.push(format!("option requires an argument -- {}", row.letter)),
        }
    }

    /// One argument of short options. Each takes a value, so the first known letter ends it.
    fn letters(&mut self, letters: &str, next_word: impl FnOnce() -> Option<String>) {
        for (at, letter) in letters.char_indices() {
            if letter == 'h' {
                self.help = true;
                return;
            }
            let Some(row) = OPTIONS.iter().find(|row| row.letter == letter) else {
                self.complaints.push(format!("illegal option -- {letter}"));
                continue;
            };
            let glued = &letters[at + letter.len_utf8()..];
            let value = if glued.is_empty() { next_word() } else { Some(glued.to_owned()) };
            return self.take(row, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(line: &str, expected: Expect) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let Given { values, help, complaints } = parse(&words);
        let mut shown: Vec<String> = values.iter().map(|(name, value)| format!("{name:?}={value}")).collect();
        shown.extend(help.then(|| "help".to_owned()));
        shown.extend(complaints);
        expected.assert_eq(&shown.join(", "));
    }

    #[test]
    fn every_letter_takes_the_next_word_or_the_rest_of_its_own() {
        check("-c topology -i db1:3306", expect!["Command=topology, Instance=db1:3306"]);
        check("-ctopology -idb1:3306", expect!["Command=topology, Instance=db1:3306"]);
        check("-c relocate -i a -d b -s c", expect!["Command=relocate, Instance=a, Destination=c"]);
    }

    #[test]
    fn long_words_work_with_one_dash_with_two_and_with_an_equals_sign() {
        check("--promotion-rule prefer", expect!["PromotionRule=prefer"]);
        check("-promotion-rule prefer", expect!["PromotionRule=prefer"]);
        check("--promotion-rule=prefer -tag=a=b", expect!["PromotionRule=prefer, Tag=a=b"]);
        for row in OPTIONS {
            let Some(word) = row.word else { continue };
            let given = parse(&[format!("--{word}"), "x".to_owned()]);
            assert_eq!(given.values.get(&row.variable).map(String::as_str), Some("x"), "--{word}");
        }
    }

    #[test]
    fn unknown_letters_are_named_and_skipped() {
        check("-x -c clusters", expect!["Command=clusters, illegal option -- x"]);
        check("-Xcclusters", expect!["Command=clusters, illegal option -- X"]);
        check("--nonsuch", expect!["Binlog=onsuch, illegal option -- -"]);
        check("-c", expect!["option requires an argument -- c"]);
    }

    #[test]
    fn the_first_plain_word_ends_the_options() {
        check("-c clusters extra -i db1", expect!["Command=clusters"]);
        check("-c clusters -- -i db1", expect!["Command=clusters"]);
        check("-c clusters - -i db1", expect!["Command=clusters"]);
    }

    #[test]
    fn a_lone_h_asks_for_help() {
        for line in ["-h", "--help", "-help", "-hx"] {
            check(line, expect!["help"]);
        }
        check("-h -c topology", expect!["Command=topology, help"]);
    }
}
