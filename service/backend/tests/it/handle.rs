//! The threads that own the database.

use std::sync::mpsc;
use std::time::Duration;

use orchestrator_backend::{Backend, BackendError, BackendHandle, HandleError, SqliteBackend};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{after, in_memory, key, options};

const SOON: Duration = Duration::from_secs(10);

fn on_disk() -> (tempfile::TempDir, Box<dyn Backend>) {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(&dir.path().join("o.db"), &options("t")).unwrap();
    (dir, Box::new(backend))
}

/// Keeps the writer busy until the returned sender is dropped; returns once it is.
async fn occupy(handle: &BackendHandle) -> (mpsc::SyncSender<()>, JoinHandle<Result<(), HandleError>>) {
    let (release, wait) = mpsc::sync_channel(0);
    let (begun, begins) = oneshot::channel();
    let busy = handle.clone();
    let task = tokio::task::spawn_blocking(move || {
        busy.call_blocking(move |_| {
            let _ = begun.send(());
            let _ = wait.recv();
            Ok::<_, BackendError>(())
        })
        .map(|result| result.expect("waiting cannot fail"))
    });
    begins.await.unwrap();
    (release, task)
}

#[tokio::test]
async fn a_read_sees_what_was_written_before() {
    let (_dir, backend) = on_disk();
    let (handle, thread) = BackendHandle::start(backend).unwrap();
    handle.call(SOON, |backend| backend.add_discovered(&key("a"), after(0))).await.unwrap();
    let found = handle.read(SOON, |backend| backend.discovered()).await.unwrap();
    assert_eq!(found, [key("a")]);
    drop(handle);
    thread.join();
}

#[tokio::test]
async fn reading_does_not_wait_for_writing() {
    let (_dir, backend) = on_disk();
    let (handle, _thread) = BackendHandle::start(backend).unwrap();
    let (release, task) = occupy(&handle).await;
    handle.read(SOON, |backend| backend.discovered()).await.unwrap();
    drop(release);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_long_read_keeps_neither_writing_nor_other_reads_waiting() {
    let (_dir, backend) = on_disk();
    let (handle, _thread) = BackendHandle::start(backend).unwrap();
    handle.call(SOON, |backend| backend.add_discovered(&key("a"), after(0))).await.unwrap();
    let asking = handle.clone();
    let reader = tokio::task::spawn_blocking(move || asking.long_reader()).await.unwrap().unwrap();
    let mut reader = reader.expect("a file allows another connection");
    reader.begin().unwrap();
    assert_eq!(reader.discovered().unwrap(), [key("a")]);
    handle.call(SOON, |backend| backend.add_discovered(&key("b"), after(0))).await.unwrap();
    assert_eq!(handle.read(SOON, |backend| backend.discovered()).await.unwrap().len(), 2);
    assert_eq!(reader.discovered().unwrap(), [key("a")], "its transaction goes on");
    let refused = reader.add_discovered(&key("c"), after(0));
    assert!(matches!(refused, Err(BackendError::ReadOnly(_))), "{refused:?}");
}

#[tokio::test]
async fn a_database_in_memory_is_read_through_its_only_connection() {
    let (handle, _thread) = BackendHandle::start(in_memory()).unwrap();
    handle.call(SOON, |backend| backend.add_discovered(&key("a"), after(0))).await.unwrap();
    assert_eq!(handle.read(SOON, |backend| backend.discovered()).await.unwrap(), [key("a")]);
}

#[tokio::test]
async fn a_call_that_timed_out_in_the_queue_never_takes_effect() {
    let (_dir, backend) = on_disk();
    let (handle, _thread) = BackendHandle::start(backend).unwrap();
    let (release, task) = occupy(&handle).await;
    let late =
        handle.call(Duration::from_millis(5), |backend| backend.add_discovered(&key("a"), after(0))).await;
    assert!(matches!(late, Err(HandleError::Timeout { .. })), "{late:?}");
    drop(release);
    task.await.unwrap().unwrap();
    assert!(handle.call(SOON, |backend| backend.discovered()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_error_of_the_database_reaches_the_caller() {
    let (_dir, backend) = on_disk();
    let (handle, _thread) = BackendHandle::start(backend).unwrap();
    let error = handle.read(SOON, |backend| backend.add_discovered(&key("a"), after(0))).await.unwrap_err();
    assert!(matches!(error, HandleError::Failed(BackendError::ReadOnly(_))), "{error:?}");
}
