//! The table of routes: what exists, who answers it, who may ask. Everything else is derived from it.

use std::{borrow::Cow, collections::HashMap};

use futures::future::BoxFuture;
use http::Method;

use crate::{call::Call, path, reply::Outcome};

/// One route.
pub struct Row {
    /// Path below `/api/`; segments that begin with a colon take one segment of any text.
    pub template: &'static str,
    /// Who answers.
    pub class: Class,
    /// Who may ask.
    pub access: Access,
    /// What is done.
    pub(crate) run: Handler,
}

/// What is done for a request.
pub(crate) type Handler = fn(Call) -> BoxFuture<'static, Outcome>;

/// Who answers a route under raft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The leader; others forward to it.
    Proxied,
    /// The node that was asked.
    Local,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without authentication: load balancers and probes.
    Open,
    /// Whoever is let in.
    Read,
    /// Whoever is let in and may change things, at the leader.
    Act,
    /// Whoever holds the operator's token; posted, with a JSON body.
    Operator,
}

impl Row {
    /// POST for what an operator asks; GET and HEAD for everything else.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        match self.access {
            Access::Operator => *method == Method::POST,
            Access::Open | Access::Read | Access::Act => matches!(*method, Method::GET | Method::HEAD),
        }
    }

    /// The two letters of the reference: proxied or local, authorised or not; `T` for the operator's token.
    pub fn flags(&self) -> &'static str {
        match (self.class, self.access) {
            (Class::Proxied, Access::Act) => "PA",
            (Class::Proxied, Access::Operator) => "PT",
            (Class::Proxied, _) => "P-",
            (Class::Local, Access::Act) => "LA",
            (Class::Local, Access::Operator) => "LT",
            (Class::Local, _) => "L-",
        }
    }

    /// This route under its other name, if it has one.
    pub fn synonym(&self) -> Option<String> {
        let (first, rest) = match self.template.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (self.template, None),
        };
        let (_, synonym) = SYNONYMS.iter().find(|(name, _)| *name == first)?;
        Some(rest.map_or_else(|| (*synonym).into(), |rest| format!("{synonym}/{rest}")))
    }
}

/// First segments that go by two names. All are here, also those of routes that are not served yet.
pub const SYNONYMS: [(&str, &str); 25] = [
    ("relocate-slaves", "relocate-replicas"),
    ("regroup-slaves", "regroup-replicas"),
    ("move-up-slaves", "move-up-replicas"),
    ("repoint-slaves", "repoint-replicas"),
    ("enslave-siblings", "take-siblings"),
    ("enslave-master", "take-master"),
    ("regroup-slaves-bls", "regroup-replicas-bls"),
    ("move-slaves-gtid", "move-replicas-gtid"),
    ("regroup-slaves-gtid", "regroup-replicas-gtid"),
    ("match-slaves", "match-replicas"),
    ("match-up-slaves", "match-up-replicas"),
    ("regroup-slaves-pgtid", "regroup-replicas-pgtid"),
    ("detach-slave", "detach-replica"),
    ("reattach-slave", "reattach-replica"),
    ("detach-slave-master-host", "detach-replica-master-host"),
    ("reattach-slave-master-host", "reattach-replica-master-host"),
    ("cluster-osc-slaves", "cluster-osc-replicas"),
    ("start-slave", "start-replica"),
    ("restart-slave", "restart-replica"),
    ("stop-slave", "stop-replica"),
    ("stop-slave-nice", "stop-replica-nice"),
    ("reset-slave", "reset-replica"),
    ("restart-slave-statements", "restart-replica-statements"),
    ("enable-semi-sync-master", "enable-semi-sync-source"),
    ("disable-semi-sync-master", "disable-semi-sync-source"),
];

/// Values of the segments that a template leaves open, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The value of `name`; empty when the template has no such segment.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// Rows, ready to be found by path.
pub(crate) struct Table {
    by_first: HashMap<String, Vec<Entry>>,
}

struct Entry {
    row: &'static Row,
    /// Behind the first one.
    segments: Vec<Segment>,
}

enum Segment {
    Exactly(&'static str),
    Any(&'static str),
}

impl Table {
    /// Makes the table of some rows and their synonyms.
    pub(crate) fn new(rows: impl IntoIterator<Item = &'static Row>) -> Self {
        let mut by_first: HashMap<String, Vec<Entry>> = HashMap::new();
        for row in rows {
            let names = [Some(row.template.to_owned()), row.synonym()];
            for name in names.into_iter().flatten() {
                let first = name.split('/').next().unwrap_or_default().to_owned();
                by_first.entry(first).or_default().push(Entry { row, segments: segments(row.template) });
            }
        }
        Self { by_first }
    }

    /// The row of a decoded path below `/api/`, with or without one slash at its end.
    pub(crate) fn find(&self, path: &str) -> Option<(&'static Row, Params)> {
        let path = path.strip_suffix('/').unwrap_or(path);
        self.find_split(path.split('/').map(Cow::Borrowed), is_value)
    }

    /// The row of a path below `/api/` as it was written, if an encoded `/`, `?` or `#` is part of what a person
    /// says in it. The original has no route for these, so no client can depend on it.
    pub(crate) fn find_said(&self, path: &str) -> Option<(&'static Row, Params)> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let said =
            |name: &str, text: &str| is_value(name, text) || (SAID.contains(&name) && !text.is_empty());
        let decoded = path.split('/').map(path::decode).collect::<Result<Vec<_>, _>>().ok()?;
        self.find_split(decoded.into_iter(), said)
    }

    fn find_split<'p>(
        &self,
        mut given: impl Iterator<Item = Cow<'p, str>>,
        fits: impl Fn(&str, &str) -> bool,
    ) -> Option<(&'static Row, Params)> {
        let entries = self.by_first.get(&*given.next()?)?;
        let given: Vec<_> = given.collect();
        entries.iter().find_map(|entry| Some((entry.row, entry.matches(&given, &fits)?)))
    }
}

/// Segments that hold what people say.
const SAID: [&str; 2] = ["owner", "reason"];

fn segments(template: &'static str) -> Vec<Segment> {
    let segment = |text: &'static str| match text.strip_prefix(':') {
        Some(name) => Segment::Any(name),
        None => Segment::Exactly(text),
    };
    template.split('/').skip(1).map(segment).collect()
}

impl Entry {
    fn matches(&self, given: &[Cow<'_, str>], fits: impl Fn(&str, &str) -> bool) -> Option<Params> {
        if given.len() != self.segments.len() {
            return None;
        }
        let mut params = Vec::new();
        for (segment, text) in self.segments.iter().zip(given) {
            match segment {
                Segment::Exactly(expected) if expected == text => {}
                Segment::Any(name) if fits(name, text) => params.push((*name, text.to_string())),
                _ => return None,
            }
        }
        Some(Params(params))
    }
}

/// At least one character, none that would have ended a segment or the path.
fn is_value(_name: &str, text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '?', '#'])
}

/// Rows in the notation of the reference: `PA` proxied and authorised, `P_` proxied, `LA` and `L_` local,
/// `PO` and `LO` without authentication, `PT` and `LT` with the operator's token.
macro_rules! rows {
    ($($flags:ident $template:literal => $handler:path,)*) => {
        &[$($crate::table::Row {
            template: $template,
            class: rows!(@class $flags),
            access: rows!(@access $flags),
            run: |call| Box::pin($handler(call)),
        },)*]
    };
    (@class PA) => { $crate::table::Class::Proxied };
    (@class PT) => { $crate::table::Class::Proxied };
    (@class LT) => { $crate::table::Class::Local };
    (@access PT) => { $crate::table::Access::Operator };
    (@access LT) => { $crate::table::Access::Operator };
    (@class P_) => { $crate::table::Class::Proxied };
    (@class PO) => { $crate::table::Class::Proxied };
    (@class LA) => { $crate::table::Class::Local };
    (@class L_) => { $crate::table::Class::Local };
    (@class LO) => { $crate::table::Class::Local };
    (@access PA) => { $crate::table::Access::Act };
    (@access LA) => { $crate::table::Access::Act };
    (@access P_) => { $crate::table::Access::Read };
    (@access L_) => { $crate::table::Access::Read };
    (@access PO) => { $crate::table::Access::Open };
    (@access LO) => { $crate::table::Access::Open };
}
pub(crate) use rows;
