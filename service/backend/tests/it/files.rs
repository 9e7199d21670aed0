//! What can be wrong with a file, and what a node says about it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use orchestrator_backend::{
    AuditRow, Backend, BackendError, KeyValueRow, NodeHealthRow, OpenError, SqliteBackend, SqliteOptions,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::suite;
use crate::support::{after, intent, key, node, options};

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.sqlite3");
    (dir, path)
}

fn open(path: &Path) -> Result<Box<dyn Backend>, OpenError> {
    SqliteBackend::open(path, &options("t")).map(|backend| Box::new(backend) as Box<dyn Backend>)
}

fn refused(path: &Path) -> OpenError {
    match open(path) {
        Ok(_) => panic!("opened {}", path.display()),
        Err(error) => error,
    }
}

#[test]
fn a_missing_file_is_made_and_keeps_what_it_is_given() {
    let (_dir, path) = place();
    open(&path).unwrap().add_discovered(&key("a"), after(0)).unwrap();
    assert_eq!(open(&path).unwrap().discovered().unwrap(), [key("a")]);
}

#[test]
fn a_snapshot_holds_nobody_up_and_is_of_one_moment() {
    let (_dir, path) = place();
    suite::snapshot::a_snapshot_holds_nobody_up_and_is_of_one_moment(open(&path).unwrap());
}

#[test]
fn an_empty_file_is_a_new_database() {
    let (_dir, path) = place();
    fs::write(&path, "").unwrap();
    assert!(open(&path).unwrap().discovered().unwrap().is_empty());
}

#[test]
fn a_missing_directory_is_named() {
    let (dir, _) = place();
    let error = refused(&dir.path().join("no/o.sqlite3"));
    assert!(matches!(&error, OpenError::DirectoryMissing { path } if path.ends_with("no")), "{error:?}");
    assert!(error.to_string().contains("create it"), "{error}");
}

#[test]
fn a_directory_is_no_database() {
    let (dir, _) = place();
    assert!(matches!(refused(dir.path()), OpenError::NotAFile { .. }));
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let (_dir, path) = place();
    let text = "#!/bin/sh\n# ".to_owned() + &"x".repeat(5000);
    fs::write(&path, &text).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_file_is_named_and_left_alone() {
    let (_dir, path) = place();
    let mut backend = open(&path).unwrap();
    for n in 0..500 {
        backend.add_audit(&audit_line(n)).unwrap();
    }
    drop(backend);
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    for page in 5..pages {
        bytes[page * 4096..page * 4096 + 64].fill(0xAA);
    }
    fs::write(&path, &bytes).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "a repair tool finds what was there");
}

#[test]
fn a_file_that_was_cut_short_is_damaged() {
    let (_dir, path) = place();
    drop(open(&path).unwrap());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_second_process_of_ours_is_refused() {
    let (_dir, path) = place();
    let first = open(&path).unwrap();
    assert!(matches!(refused(&path), OpenError::Locked { .. }));
    drop(first);
    open(&path).unwrap();
}

#[test]
fn a_file_that_another_program_locks_is_refused_after_the_busy_timeout() {
    let (_dir, path) = place();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("create table t (x); begin exclusive").unwrap();
    assert!(matches!(refused(&path), OpenError::Locked { .. }));
    other.execute_batch("rollback").unwrap();
    open(&path).unwrap();
}

#[test]
fn a_write_while_another_program_writes_fails_as_locked_and_works_later() {
    let (_dir, path) = place();
    let mut backend = open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let error = backend.add_discovered(&key("a"), after(0)).unwrap_err();
    assert!(matches!(error, BackendError::Locked(_)), "{error:?}");
    other.execute_batch("commit").unwrap();
    backend.add_discovered(&key("a"), after(0)).unwrap();
}

fn audit_line(n: i64) -> AuditRow {
    let message = "x".repeat(500);
    AuditRow { id: 0, at: after(n), kind: "fill".into(), key: None, cluster: String::new(), message }
}

#[test]
fn a_full_disk_fails_the_write_and_loses_nothing() {
    let (_dir, path) = place();
    let mut backend = open(&path).unwrap();
    backend.add_discovered(&key("a"), after(0)).unwrap();
    let pages = backend.query_int("pragma page_count", &[]).unwrap();
    backend.query_int(&format!("pragma max_page_count = {}", pages + 2), &[]).unwrap();
    let before = intent(&mut *backend);
    let error = backend
        .in_transaction(|backend| {
            let pair = KeyValueRow { key: "k".into(), value: "v".into() };
            backend.put_key_value(&pair, after(0))?;
            (0..1000).try_for_each(|n| backend.add_audit(&audit_line(n)))
        })
        .unwrap_err();
    assert!(matches!(error, BackendError::Full(_)), "{error:?}");
    assert!(!backend.is_in_transaction());
    assert_eq!(intent(&mut *backend), before, "nothing of the failed transaction remains");
    backend.query_int("pragma max_page_count = 100000", &[]).unwrap();
    backend.add_audit(&audit_line(1)).unwrap();
    assert_eq!(backend.audit(None, 0).unwrap().len(), 1);
}

#[test]
fn a_reader_sees_what_was_committed_and_cannot_write() {
    let (_dir, path) = place();
    let mut backend = open(&path).unwrap();
    let mut reader = backend.reader().unwrap().unwrap();
    backend.add_discovered(&key("a"), after(0)).unwrap();
    assert_eq!(reader.discovered().unwrap(), [key("a")]);
    let error = reader.add_discovered(&key("b"), after(0)).unwrap_err();
    assert!(matches!(error, BackendError::ReadOnly(_)), "{error:?}");
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let (_dir, path) = place();
    drop(open(&path).unwrap());
    let sql = "update orchestrator_backend_meta set meta_value = '2' where meta_key = 'layout'";
    Connection::open(&path).unwrap().execute(sql, []).unwrap();
    assert!(matches!(refused(&path), OpenError::Newer { found: 2, known: 1 }));
}

fn lives(backend: &mut dyn Backend, token: &str, mode: &str, at: i64) {
    let health = NodeHealthRow {
        node: node(token),
        version: "3.2.6".into(),
        mode: mode.into(),
        command: String::new(),
        database: String::new(),
        first_seen: after(at),
        last_seen: after(at),
    };
    backend.write_node_health(&health).unwrap();
}

#[test]
fn a_living_process_of_the_original_keeps_us_out() {
    let (_dir, path) = place();
    lives(&mut *open(&path).unwrap(), "theirs", "HttpMode", -2);
    let error = refused(&path);
    assert!(
        matches!(&error, OpenError::OldProcess { hostname, age } if hostname == "orc-0" && age.as_secs() == 2),
        "{error:?}"
    );
    let later = SqliteOptions { now: after(4), ..options("t") };
    SqliteBackend::open(&path, &later).unwrap();
}

#[test]
fn our_own_predecessor_and_command_line_tools_do_not_keep_us_out() {
    let (_dir, path) = place();
    let mut backend = open(&path).unwrap();
    lives(&mut *backend, "t", "HttpMode", 0);
    lives(&mut *backend, "tool", "CLIMode", 0);
    drop(backend);
    // Nor does the one before, when processes follow each other within seconds.
    drop(SqliteBackend::open(&path, &options("next")).unwrap());
    SqliteBackend::open(&path, &options("next but one")).unwrap();
}

/// Tests of permissions mean nothing to root, whom nothing stops: root runs them again as nobody.
const AS_NOBODY: &str = "BACKEND_TEST_AS_NOBODY";

fn as_nobody(test: &str, body: fn(&Path)) {
    if let Some(dir) = std::env::var_os(AS_NOBODY) {
        return body(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let probe = dir.path().join("probe");
    fs::write(&probe, "").unwrap();
    fs::set_permissions(&probe, Permissions::from_mode(0o444)).unwrap();
    if fs::File::options().write(true).open(&probe).is_err() {
        return body(dir.path());
    }
    let program = dir.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let own = dir.path().join("own");
    fs::create_dir(&own).unwrap();
    for path in [dir.path(), &own] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", test, "--nocapture"])
        .env(AS_NOBODY, &own)
        .output()
        .expect("setpriv is part of every Debian");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{:?}", output.stderr);
}

#[test]
fn a_read_only_file_is_named() {
    as_nobody("files::a_read_only_file_is_named", |dir| {
        let path = dir.join("o.sqlite3");
        drop(open(&path).unwrap());
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    });
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    as_nobody("files::a_directory_that_cannot_be_written_is_named", |dir| {
        let directory = dir.join("frozen");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o555)).unwrap();
        let error = refused(&directory.join("o.sqlite3"));
        assert!(
            matches!(&error, OpenError::DirectoryNotWritable { path } if path.ends_with("frozen")),
            "{error:?}"
        );
    });
}

#[test]
fn a_database_that_is_removed_under_its_process_is_missed() {
    let (dir, path) = place();
    let backend = open(&path).unwrap();
    backend.check_files().unwrap();
    for name in ["o.sqlite3", "o.sqlite3-wal"] {
        let (file, aside) = (dir.path().join(name), dir.path().join("aside"));
        fs::rename(&file, &aside).unwrap();
        let error = backend.check_files().unwrap_err();
        assert!(matches!(error, BackendError::Lost(_)), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
        fs::rename(&aside, &file).unwrap();
        backend.check_files().unwrap();
    }
    drop(dir);
    assert!(backend.check_files().is_err());
}
