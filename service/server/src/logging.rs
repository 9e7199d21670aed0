//! Lines on standard error, one per event, for people or for programs.

use std::backtrace::Backtrace;
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;

use orchestrator_config::LogFormat;
use tracing::{Subscriber, error, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::args::Verbosity;

/// `text` or `json`; wins over the configuration, so that a container's logs can be changed without its file.
const FORMAT: &str = "ORC_LOG_FORMAT";
/// Set to anything but nothing, it forbids colour, as <https://no-color.org> asks.
const NO_COLOR: &str = "NO_COLOR";

/// Starts logging. `RUST_LOG`, where set, wins over the command line.
///
/// Levels by the reaction they ask for: an error wakes somebody, a warning is unexpected yet survived,
/// info is a change of state, debug is each probe and request.
pub(crate) fn start(verbosity: Verbosity, configured: LogFormat, stack: bool) {
    let level = match verbosity {
        Verbosity::Quiet => "error",
        Verbosity::Normal => "info",
        Verbosity::Debug => "debug",
    };
    // Libraries speak of their own workings; what that means is said by our own crates. The raft library calls
    // its own orderly end an error.
    let default = format!("{level},hyper=warn,mysql_async=warn,openraft=off");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let wished = wished();
    let format = wished.as_deref().map_or(Some(configured), LogFormat::parse);
    let color = io::stderr().is_terminal() && std::env::var_os(NO_COLOR).is_none_or(|text| text.is_empty());
    let lines = lines(format.unwrap_or(configured), color, io::stderr);
    tracing_subscriber::registry().with(filter).with(lines).init();
    if format.is_none() {
        warn!("{FORMAT} is neither text nor json: {:?}", wished.unwrap_or_default());
    }
    std::panic::set_hook(Box::new(move |panic| tell(panic, stack)));
}

fn wished() -> Option<String> {
    std::env::var(FORMAT).ok().filter(|text| !text.trim().is_empty())
}

/// Says why there is nothing to start with, before there is a log: as text, or as a line of JSON where the environment
/// asks for that. Written by whoever reads neither configuration nor log any more, so it fails in silence.
pub(crate) fn last_words(why: &str) {
    let json = wished().as_deref().and_then(LogFormat::parse) == Some(LogFormat::Json);
    if json {
        let lines = lines(LogFormat::Json, false, io::stderr);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || error!("{why}"));
    } else {
        // A reader that went away is not our problem.
        let _ = writeln!(io::stderr(), "orchestrator: {why}");
    }
}

/// How an event becomes a line.
fn lines<S, W>(format: LogFormat, color: bool, to: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(to).with_target(false);
    match format {
        LogFormat::Text => lines.with_ansi(color).boxed(),
        // The message and the fields of an event stand beside its time and level, under their own names.
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// A panic is a line of the log like any other, so that whoever reads only that learns of it.
fn tell(panic: &PanicHookInfo<'_>, stack: bool) {
    let said = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let stack = stack.then(|| Backtrace::force_capture().to_string());
    error!(place, stack, "panic: {said}");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::info;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of `say` in `format`.
    fn written(format: LogFormat, color: bool, say: impl FnOnce()) -> String {
        let to = Written::default();
        let writer = to.clone();
        let lines = lines(format, color, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
        let bytes = to.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn vote() {
        let (term, peer) = (Some(4), None::<&str>);
        info!(node = "o1:10008", term, peer, "became candidate: {} votes needed", "2 of 3");
    }

    #[test]
    fn json_is_an_object_a_line_with_every_field_under_its_own_name() {
        let text = written(LogFormat::Json, true, || {
            vote();
            warn!(error = "a\nb\"\u{1b}[31m", "peer unreachable");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let fields: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 5, "{fields:?}");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "became candidate: 2 of 3 votes needed");
        assert_eq!((&lines[0]["node"], &lines[0]["term"]), (&Value::from("o1:10008"), &Value::from(4)));
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(lines[1]["error"], "a\nb\"\u{1b}[31m");
    }

    #[test]
    fn text_says_the_same_and_is_colored_on_a_terminal_only() {
        let plain = written(LogFormat::Text, false, vote);
        let line = plain.split_once(' ').unwrap().1.trim();
        assert_eq!(line, r#"INFO became candidate: 2 of 3 votes needed node="o1:10008" term=4"#);
        assert!(written(LogFormat::Text, true, vote).contains("\u{1b}["));
    }
}
