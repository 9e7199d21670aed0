use std::time::Duration;

use orchestrator_backend::{Backend, BackendError, BackendHandle, MySqlBackend, MySqlOptions, SnapshotError};

use super::proxy::Proxy;
use super::{impatient, open};
use crate::servers::{Flavor, Lease};
use crate::support::{after, in_memory, key, node};

const SOON: Duration = Duration::from_secs(10);

/// How long the backends of these tests bear silence: with databases that exist nothing takes long.
const SILENCE: Duration = Duration::from_secs(1);

/// A backend behind a proxy, and the database behind both, which outlives them.
fn behind_a_proxy(flavor: Flavor) -> (Lease, Proxy, Box<dyn Backend>) {
    let lease = Lease::of(flavor);
    let proxy = Proxy::to(&lease.options());
    let options =
        MySqlOptions { connect_timeout: SILENCE, read_timeout: SILENCE, ..impatient(lease.options()) };
    let backend = open(&proxy.route(options));
    (lease, proxy, backend)
}

fn discovered(options: &MySqlOptions, flavor: Flavor) -> usize {
    let sql = format!("select hostname from {}.orchestrator_discovered", options.database);
    flavor.server().admin(&[&sql]).len()
}

#[test]
fn an_idle_connection_that_broke_is_made_anew_before_a_transaction() {
    for flavor in Flavor::ALL {
        let (_lease, proxy, mut backend) = behind_a_proxy(flavor);
        proxy.cut();
        let seen = backend.in_transaction(|backend| {
            backend.add_discovered(&key("a"), after(0))?;
            backend.discovered()
        });
        assert_eq!(seen.unwrap(), [key("a")], "{flavor:?}");
    }
}

#[test]
fn a_transaction_that_lost_its_connection_leaves_nothing_and_does_not_go_on() {
    for flavor in Flavor::ALL {
        let (_lease, proxy, mut backend) = behind_a_proxy(flavor);
        let result: Result<(), BackendError> = backend.in_transaction(|backend| {
            backend.add_discovered(&key("a"), after(0))?;
            proxy.cut();
            let first = backend.add_discovered(&key("b"), after(0));
            assert!(matches!(first, Err(BackendError::Away(_))), "{first:?}");
            // Whoever does not look at the error must not write outside of the transaction.
            let second = backend.add_discovered(&key("c"), after(0));
            assert!(matches!(second, Err(BackendError::Away(_))), "{second:?}");
            Ok(())
        });
        assert!(matches!(result, Err(BackendError::Away(_))), "{flavor:?}: {result:?}");
        assert!(!backend.is_in_transaction());
        assert!(backend.discovered().unwrap().is_empty(), "{flavor:?}");
        backend.add_discovered(&key("d"), after(0)).unwrap();
    }
}

#[test]
fn a_server_that_is_gone_is_away_until_it_is_back() {
    for flavor in Flavor::ALL {
        let (_lease, proxy, mut backend) = behind_a_proxy(flavor);
        proxy.refuse(true);
        proxy.cut();
        for _ in 0..3 {
            let result = backend.add_discovered(&key("a"), after(0));
            assert!(matches!(result, Err(BackendError::Away(_))), "{flavor:?}: {result:?}");
        }
        proxy.refuse(false);
        backend.add_discovered(&key("a"), after(0)).unwrap();
        assert_eq!(backend.discovered().unwrap(), [key("a")]);
    }
}

#[test]
fn a_silent_connection_is_given_up_and_what_it_holds_is_taken_back() {
    for flavor in Flavor::ALL {
        let (lease, proxy, mut backend) = behind_a_proxy(flavor);
        let result: Result<(), BackendError> = backend.in_transaction(|backend| {
            backend.add_discovered(&key("a"), after(0))?;
            // The server hears and answers; the answers get lost, and so does our end.
            proxy.swallow_answers();
            backend.add_discovered(&key("b"), after(0))
        });
        assert!(matches!(result, Err(BackendError::Away(_))), "{flavor:?}: {result:?}");
        // The old connection still lives at the server, with its transaction and with the lock.
        assert!(backend.discovered().unwrap().is_empty(), "{flavor:?}");
        backend.add_discovered(&key("a"), after(0)).unwrap();
        assert_eq!(discovered(&lease.options(), flavor), 1);
    }
}

#[test]
fn a_commit_whose_answer_never_came_is_found_by_its_mark() {
    for flavor in Flavor::ALL {
        let (_lease, proxy, mut backend) = behind_a_proxy(flavor);
        backend.begin().unwrap();
        backend.add_discovered(&key("a"), after(0)).unwrap();
        backend.set_applied_mark(b"one").unwrap();
        proxy.swallow_answers();
        let committed = backend.commit();
        assert!(matches!(committed, Err(BackendError::Away(_))), "{flavor:?}: {committed:?}");
        backend.rollback().unwrap();
        assert_eq!(backend.applied_mark().unwrap().as_deref(), Some(&b"one"[..]), "{flavor:?}");
        assert_eq!(backend.discovered().unwrap(), [key("a")], "{flavor:?}");
    }
}

#[test]
fn work_that_must_be_done_outlasts_a_lost_connection() {
    for flavor in Flavor::ALL {
        let (_lease, proxy, mut backend) = behind_a_proxy(flavor);
        let mut times = 0;
        let result = backend.apply_with_mark(b"one", SOON, |backend| {
            times += 1;
            backend.add_discovered(&key("a"), after(0))?;
            if times == 1 {
                proxy.cut();
            }
            backend.add_discovered(&key("b"), after(0))
        });
        assert!(result.is_ok(), "{flavor:?}: {result:?}");
        assert_eq!((times, backend.discovered().unwrap().len()), (2, 2), "{flavor:?}");
    }
}

#[test]
fn a_snapshot_is_installed_and_written_all_the_same_when_a_connection_is_lost() {
    for flavor in Flavor::ALL {
        let (_lease, proxy, mut backend) = behind_a_proxy(flavor);
        let dir = tempfile::tempdir().unwrap();
        let sent = dir.path().join("sent");
        in_memory().write_snapshot(&sent).unwrap();
        backend.add_discovered(&key("a"), after(0)).unwrap();
        let mut times = 0;
        let installed = backend.outlast(SOON, |backend| {
            times += 1;
            backend.in_transaction(|backend| {
                if times == 1 {
                    proxy.cut();
                }
                backend.install_snapshot(&sent, b"one")
            })
        });
        assert!(installed.is_ok(), "{flavor:?}: {installed:?}");
        assert_eq!((times, backend.discovered().unwrap().len()), (2, 0), "{flavor:?}");
        let mark = backend.outlast(Duration::ZERO, |backend| {
            backend.in_transaction(|backend| {
                proxy.cut();
                backend.write_snapshot(&dir.path().join("written"))
            })
        });
        let away = matches!(mark, Err(SnapshotError::Backend(BackendError::Away(_))));
        assert!(away, "{flavor:?}: {mark:?}: patience has an end");
    }
}

#[test]
fn an_answer_that_was_late_is_never_taken_for_another() {
    for flavor in Flavor::ALL {
        let (_lease, _proxy, mut backend) = behind_a_proxy(flavor);
        let slow = backend.query("select sleep(2)", &[]);
        assert!(matches!(slow, Err(BackendError::Away(_))), "{flavor:?}: {slow:?}");
        assert_eq!(backend.query_int("select 7", &[]).unwrap(), 7, "{flavor:?}");
    }
}

#[test]
fn a_database_that_another_process_took_over_meanwhile_is_not_used() {
    for flavor in Flavor::ALL {
        let (lease, proxy, mut first) = behind_a_proxy(flavor);
        proxy.refuse(true);
        proxy.cut();
        let second = MySqlOptions { node: node("second"), takeover_patience: SOON, ..lease.options() };
        let second = open(&second);
        proxy.refuse(false);
        let mut write = || first.in_transaction(|first| first.add_discovered(&key("a"), after(0)));
        let held = write();
        assert!(matches!(held, Err(BackendError::Locked(_))), "{flavor:?}: {held:?}");
        drop(second);
        let taken = write();
        assert!(matches!(taken, Err(BackendError::Locked(_))), "{flavor:?}: {taken:?}");
    }
}

#[tokio::test]
async fn both_connections_of_a_handle_find_the_server_again() {
    for flavor in Flavor::ALL {
        let (_lease, proxy, backend) = behind_a_proxy(flavor);
        let (handle, thread) = BackendHandle::start(backend).unwrap();
        for host in ["a", "b"] {
            handle
                .call(SOON, move |backend| backend.in_transaction(|b| b.add_discovered(&key(host), after(0))))
                .await
                .unwrap();
            let read = handle.read(SOON, |backend| backend.in_transaction(|b| b.discovered())).await.unwrap();
            assert!(read.contains(&key(host)), "{flavor:?}");
            proxy.cut();
        }
        drop(handle);
        tokio::task::spawn_blocking(move || thread.join()).await.unwrap();
    }
}

#[tokio::test]
async fn the_reading_connection_cannot_write() {
    for flavor in Flavor::ALL {
        let (_lease, _proxy, backend) = behind_a_proxy(flavor);
        let (handle, _thread) = BackendHandle::start(backend).unwrap();
        let error =
            handle.read(SOON, |backend| backend.add_discovered(&key("a"), after(0))).await.unwrap_err();
        assert!(
            matches!(error, orchestrator_backend::HandleError::Failed(BackendError::ReadOnly(_))),
            "{flavor:?}: {error:?}"
        );
    }
}

#[test]
fn a_connection_that_outlived_its_time_is_made_anew_and_stays_the_owner() {
    for flavor in Flavor::ALL {
        let lease = Lease::of(flavor);
        let options = MySqlOptions { connection_lifetime: Some(Duration::ZERO), ..lease.options() };
        let mut backend = open(&options);
        let mut connection = || backend.query_int("select connection_id()", &[]).unwrap();
        assert_ne!(connection(), connection(), "{flavor:?}");
        let whole = backend.in_transaction(|backend| {
            let first = backend.query_int("select connection_id()", &[])?;
            Ok::<_, BackendError>(first == backend.query_int("select connection_id()", &[])?)
        });
        assert!(whole.unwrap(), "{flavor:?}: never in the middle of a transaction");
        let rival = MySqlOptions { node: node("rival"), ..impatient(lease.options()) };
        assert!(MySqlBackend::open(&rival).is_err(), "{flavor:?}");
    }
}

#[test]
fn one_connection_is_enough_when_no_more_are_allowed() {
    let lease = Lease::of(Flavor::MariaDb);
    let options = MySqlOptions { max_connections: 1, ..lease.options() };
    assert!(open(&options).reader().unwrap().is_none());
}

#[test]
fn further_connections_are_made_up_to_the_limit_and_again_when_one_has_ended() {
    let lease = Lease::of(Flavor::MariaDb);
    let options = MySqlOptions { max_connections: 3, ..lease.options() };
    let backend = open(&options);
    let reader = || backend.reader().unwrap();
    let (first, second) = (reader().unwrap(), reader());
    assert!(second.is_some() && reader().is_none());
    drop(first);
    assert!(reader().is_some());
}
