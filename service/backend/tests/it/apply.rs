//! State and mark change together, whatever becomes of the answer to a commit.

use std::time::Duration;

use orchestrator_backend::{Backend, BackendError, Insert, Row, Value};

use crate::support::{after, in_memory, key, pass_on};

const SOON: Duration = Duration::from_secs(10);

/// A database that is away when it is asked to commit.
struct Leaving {
    inner: Box<dyn Backend>,
    /// How many commits fail.
    failures: u32,
    /// Whether they were carried out all the same.
    carries_out: bool,
}

impl Backend for Leaving {
    pass_on!(inner: execute query_each insert_all begin rollback is_in_transaction);

    fn commit(&mut self) -> Result<(), BackendError> {
        if self.failures == 0 {
            return self.inner.commit();
        }
        self.failures -= 1;
        if self.carries_out {
            self.inner.commit()?;
        } else {
            self.inner.rollback()?;
        }
        Err(BackendError::Away("no answer".into()))
    }

    fn reader(&self) -> Result<Option<Box<dyn Backend>>, BackendError> {
        Ok(None)
    }
}

/// How often the work was done, and what came of it.
fn apply(backend: &mut dyn Backend, patience: Duration) -> (u32, Result<u32, BackendError>) {
    let mut times = 0;
    let result = backend.apply_with_mark(b"mark", patience, |backend| {
        times += 1;
        backend.add_discovered(&key("a"), after(0))?;
        Ok(7)
    });
    (times, result)
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_done_twice() {
    let mut backend = Leaving { inner: in_memory(), failures: 1, carries_out: true };
    let (times, result) = apply(&mut backend, SOON);
    assert_eq!((times, result.unwrap()), (1, 7));
}

#[test]
fn a_commit_that_was_lost_is_done_again() {
    let mut backend = Leaving { inner: in_memory(), failures: 2, carries_out: false };
    let (times, result) = apply(&mut backend, SOON);
    assert_eq!((times, result.unwrap()), (3, 7));
    let backend: &mut dyn Backend = &mut backend;
    assert_eq!(backend.applied_mark().unwrap().as_deref(), Some(&b"mark"[..]));
}

#[test]
fn patience_ends() {
    let mut backend = Leaving { inner: in_memory(), failures: 1, carries_out: false };
    let (times, result) = apply(&mut backend, Duration::ZERO);
    assert!(matches!(result, Err(BackendError::Away(_))), "{result:?}");
    assert_eq!(times, 1);
}

#[test]
fn work_that_fails_leaves_neither_state_nor_mark() {
    let mut backend = in_memory();
    let result: Result<(), BackendError> = backend.apply_with_mark(b"mark", SOON, |backend| {
        backend.add_discovered(&key("a"), after(0))?;
        backend.execute("no statement", &[]).map(drop)
    });
    assert!(matches!(result, Err(BackendError::Statement(_))), "{result:?}");
    assert_eq!((backend.applied_mark().unwrap(), backend.discovered().unwrap()), (None, vec![]));
}
