//! The nodes' own log lines, in the story, with simulated time.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::truth::Truth;

/// Takes what the raft crate says at `info` and above.
pub(crate) struct Journal {
    truth: Truth,
}

impl Journal {
    pub(crate) fn of(truth: Truth) -> Self {
        Self { truth }
    }
}

impl Subscriber for Journal {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.target().starts_with("orchestrator_raft") && *about.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.truth.tell(&format!("  {} {}{}", line.node, line.message, line.fields));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    node: String,
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "node" => write!(self.node, "{value:?}"),
            // Random, and the same for everybody.
            "group" => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.expect("writing to a string cannot fail");
    }
}
