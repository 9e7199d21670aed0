//! The raft library's own storage suite, on our log and our state adapter.

use openraft::storage::{RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, StorageError};
use tempfile::TempDir;

use super::{LogStore, LogThread, OpenLog};
use crate::fatal::Fatal;
use crate::state::{StateMachine, memory::MemoryMachine};
use crate::types::{Entry, LogId, TypeConfig};
use crate::work::Work;

fn serve(dir: &TempDir) -> (LogStore, LogThread) {
    OpenLog::open(dir.path()).unwrap().serve(Fatal::of("n"), &Work::Threads).unwrap()
}

struct OnDisk;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let (log, _thread) = serve(&dir);
        let machine = Box::new(MemoryMachine::default());
        let (state, _thread) =
            StateMachine::open(dir.path(), machine, None, Fatal::of("n"), &Work::Threads).unwrap();
        Ok((dir, log, state))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_suite_passes() {
    Suite::test_all(OnDisk).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_read_back_from_disk_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let count = super::KEEP_ENTRIES as u64 * 2;
    let entry = |index| Entry { log_id: LogId::new_term_index(1, index), payload: EntryPayload::Blank };
    let (mut log, thread) = serve(&dir);
    log.blocking_append((0..count).map(entry)).await.unwrap();
    for range in [0..10, 500..1500, count - 5..count + 5] {
        let found = log.try_get_log_entries(range.clone()).await.unwrap();
        let expected: Vec<u64> = (range.start..range.end.min(count)).collect();
        assert_eq!(found.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), expected);
    }
    log.close().await;
    thread.join().await;
    assert!(log.try_get_log_entries(0..10).await.is_err(), "closed");
    let (mut log, _thread) = serve(&dir);
    assert_eq!(log.try_get_log_entries(0..count).await.unwrap().len() as u64, count);
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_log_id, Some(LogId::new_term_index(1, count - 1)));
}
