//! Writing to stdout and stderr. A reader that went away (`| head -1`) is no reason to fail.

use std::io::{self, ErrorKind, Write};

use crate::failure::Failure;
use crate::invocation::Invocation;

/// The exit code when stdout cannot be written for another reason than a closed pipe.
const OUTPUT_LOST: u8 = 1;

pub(crate) struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    program: &'a str,
    /// `name[pid]`, as the original signs its messages.
    signature: String,
}

impl<'a> Console<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, invocation: &'a Invocation) -> Self {
        let signature = format!("{}[{}]", invocation.program_name(), invocation.process_id);
        Self { out, err, program: &invocation.program, signature }
    }

    /// Says what is wrong with the options; the command goes on, as with the original.
    pub(crate) fn complain(&mut self, complaints: &[String]) {
        for complaint in complaints {
            self.say(&format!("{}: {complaint}", self.program));
        }
    }

    /// Prints a part of the result, at once.
    pub(crate) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Prints the result or the reason for none, and returns the exit code.
    pub(crate) fn finish(&mut self, outcome: Result<Vec<String>, Failure>) -> u8 {
        let (lines, code) = match outcome {
            Ok(lines) => (lines, 0),
            Err(failure) => (self.explain(&failure), failure.exit_code()),
        };
        match print(self.out, &lines) {
            Ok(()) => code,
            Err(error) => {
                self.sign(&format!("Cannot write the result: {error}"));
                OUTPUT_LOST
            }
        }
    }

    /// Says on stderr what went wrong; returns what belongs on stdout all the same.
    fn explain(&mut self, failure: &Failure) -> Vec<String> {
        match failure {
            Failure::Client { text, reasons } => {
                self.sign(text);
                reasons.iter().for_each(|reason| self.sign(&format!("  {reason}")));
                Vec::new()
            }
            Failure::Refused { message, details } => {
                self.say(&echoed(message));
                details.iter().cloned().collect()
            }
            Failure::RefusedWhole { answer } => vec![answer.clone()],
            Failure::Shape(mismatch) => {
                self.sign(&format!("{failure}: {mismatch}"));
                Vec::new()
            }
        }
    }

    fn sign(&mut self, text: &str) {
        self.say(&format!("{}: {text}", self.signature));
    }

    /// A message that cannot be delivered has nobody to be reported to.
    fn say(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }
}

fn print(out: &mut dyn Write, lines: &[String]) -> io::Result<()> {
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A server's message as it comes out of `tr -d "'" | xargs echo`: scripts look for such texts.
/// Quotes and the backslashes before other characters are gone, white space is one blank.
fn echoed(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut characters = message.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {}
            '\\' => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_quotes_and_runs_of_blanks() {
        assert_eq!(echoed("Cluster 'a'  has\n\"no\" al\\ias"), "Cluster a has no alias");
    }

    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        let lines = ["db1:3306".to_owned()];
        assert!(print(&mut Fails(ErrorKind::BrokenPipe), &lines).is_ok());
        assert!(print(&mut Fails(ErrorKind::StorageFull), &lines).is_err());
    }
}
