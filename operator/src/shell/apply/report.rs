//! What came of making the children.

use std::collections::BTreeSet;

use super::ApiFailure;
use crate::status::Trouble;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// What could not be done, to be told.
    pub troubles: Vec<Trouble>,
    /// Kind and name of what was not done for a reason that may pass by itself: told when it is so in the next pass too,
    /// a second later. Otherwise a server that is busy for a moment would be told of, by writes that it has to take.
    pub refused: BTreeSet<(String, String)>,
    /// The same in the pass before.
    refused_before: BTreeSet<(String, String)>,
    /// Children that somebody had changed or deleted: kind and name.
    pub drifted: Vec<(String, String)>,
    /// How many writes it took.
    pub writes: usize,
    /// Whether one of them is what members are made from or read.
    pub rewritten: bool,
}

impl Report {
    /// Of a pass that follows one in which this was refused.
    pub(super) fn after(refused_before: BTreeSet<(String, String)>) -> Self {
        Self { refused_before, ..Self::default() }
    }

    /// Notes what was not done, and why.
    pub fn failed(&mut self, kind: &str, name: String, error: &ApiFailure) {
        if error.may_pass() {
            let what = (kind.to_owned(), name.clone());
            let again = self.refused_before.contains(&what);
            self.refused.insert(what);
            if !again {
                return;
            }
        }
        let problem = error.problem();
        self.troubles.push(Trouble { kind: kind.to_owned(), name, problem, message: error.to_string() });
    }

    /// Whether something was refused that may be granted a moment later, after a pass in which nothing was: never twice in
    /// a row.
    #[must_use]
    pub fn awaits_another_look(&self) -> bool {
        !self.refused.is_empty() && self.refused_before.is_empty()
    }

    /// Whether something of a kind that `is` meant is not as it should be.
    #[must_use]
    pub(super) fn lacks(&self, is: fn(&str) -> bool) -> bool {
        self.troubles.iter().any(|trouble| is(&trouble.kind)) || self.refused.iter().any(|(kind, _)| is(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> ApiFailure {
        ApiFailure::Refused(Box::new(kube::core::Status { code, ..kube::core::Status::default() }))
    }

    #[test]
    fn what_passes_by_itself_is_told_when_it_did_not_and_all_else_at_once() {
        for error in
            [ApiFailure::Late, ApiFailure::Broken(String::new()), refused(409), refused(429), refused(500)]
        {
            let mut first = Report::default();
            first.failed("Service", "main".to_owned(), &error);
            assert!(first.troubles.is_empty() && first.awaits_another_look(), "{error}");
            assert!(first.lacks(|kind| kind == "Service"), "{error}");
            let mut second = Report::after(first.refused);
            second.failed("Service", "main".to_owned(), &error);
            assert_eq!((second.troubles.len(), second.refused.len()), (1, 1), "{error}");
            assert!(!second.awaits_another_look(), "{error}");
            let mut other = Report::after(second.refused);
            other.failed("Service", "other".to_owned(), &error);
            assert!(other.troubles.is_empty(), "{error}");
        }
        let mut report = Report::default();
        report.failed("Service", "main".to_owned(), &refused(403));
        assert_eq!((report.troubles.len(), report.refused.len()), (1, 0));
    }
}
