//! Lines on standard error, one per event, for people or for programs.

use std::io::{self, IsTerminal};

use orchestrator_config::LogFormat;
use tracing::{Level, Subscriber, error};
use tracing_subscriber::{
    EnvFilter, Layer, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

/// Set to anything but nothing, it forbids colour, as <https://no-color.org> asks.
const NO_COLOR: &str = "NO_COLOR";

/// Starts logging. `RUST_LOG`, where set, wins over the level.
pub fn start(level: Level, format: LogFormat) {
    // Libraries speak of their own workings; what that means is said by us.
    let default =
        format!("{level},hyper=warn,hyper_util=warn,tower=warn,kube=warn,kube_client=warn,kube_runtime=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let color = io::stderr().is_terminal() && std::env::var_os(NO_COLOR).is_none_or(|text| text.is_empty());
    tracing_subscriber::registry().with(filter).with(lines(format, color, io::stderr)).init();
    // A panic is a line of the log like any other, so that whoever reads only that learns of it.
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(place, "panic: {said}");
    }));
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
