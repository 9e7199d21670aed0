//! Nodes of one group with different databases.

use std::path::Path;

use orchestrator_backend::{Backend, BeginRecovery, DowntimeRow, KeyValueRow};

use crate::servers::{self, Flavor, fresh};
use crate::suite;
use crate::support::{after, begin, detection, end, in_memory, intent, key, progress};

/// Commands as each node applies them.
fn apply(backend: &mut dyn Backend) {
    for host in ["b", "B", "a_", "a-", "a"] {
        backend.add_discovered(&key(host), after(0)).unwrap();
        let (owner, reason) = ("dba".to_owned(), format!("Zoë \u{1f4a5} {host}"));
        let downtime = DowntimeRow { key: key(host), owner, reason, begins_at: after(0), ends_at: after(60) };
        backend.begin_downtime(&downtime).unwrap();
        let pair = KeyValueRow { key: format!("k/{host}"), value: host.into() };
        backend.put_key_value(&pair, after(0)).unwrap();
    }
    backend.register_detection(&detection("z", after(0)), after(-60)).unwrap();
    backend.begin_recovery(&begin("1:z", "z", after(0))).unwrap();
    backend.end_recovery(&end("1:z", 0, "y", after(3))).unwrap();
    backend.register_detection(&detection("x", after(5)), after(-60)).unwrap();
    backend.begin_recovery(&BeginRecovery { forced: true, ..begin("2:x", "x", after(5)) }).unwrap();
    backend.progress_recovery(&progress("2:x", 0, "promote", after(6))).unwrap();
}

#[test]
fn the_same_commands_make_the_same_state_on_every_database() {
    let mut sqlite = in_memory();
    apply(&mut *sqlite);
    let expected = intent(&mut *sqlite);
    for flavor in Flavor::ALL {
        let mut server = fresh(flavor);
        apply(&mut *server);
        assert_eq!(intent(&mut *server), expected, "{flavor:?}");
    }
}

fn moves(from: &mut dyn Backend, to: &mut dyn Backend, file: &Path) {
    from.write_snapshot(file).unwrap();
    to.install_snapshot(file, b"mark").unwrap();
    assert_eq!(intent(to), intent(from));
}

#[test]
fn a_snapshot_of_one_database_installs_on_every_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = in_memory();
    apply(&mut *first);
    let (mut second, mut third, mut last) = (servers::mysql(), servers::mariadb(), in_memory());
    moves(&mut *first, &mut *second, &dir.path().join("1"));
    moves(&mut *second, &mut *third, &dir.path().join("2"));
    moves(&mut *third, &mut *last, &dir.path().join("3"));
    assert_eq!(intent(&mut *last), intent(&mut *first));
}

#[test]
fn a_snapshot_holds_nobody_up_and_is_of_one_moment() {
    for flavor in Flavor::ALL {
        suite::snapshot::a_snapshot_holds_nobody_up_and_is_of_one_moment(fresh(flavor));
    }
}

/// Tables of the original keep their collation.
#[test]
fn keys_that_an_adopted_table_takes_for_one_give_way_to_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sent");
    let put = |backend: &mut dyn Backend, key: &str| {
        let pair = KeyValueRow { key: key.into(), value: "v".into() };
        backend.put_key_value(&pair, after(0)).unwrap();
    };
    let mut source = in_memory();
    put(&mut *source, "key");
    source.write_snapshot(&file).unwrap();
    for flavor in Flavor::ALL {
        let options = flavor.server().options("t");
        let mut target = super::open(&options);
        let sql = "alter table kv_store convert to character set utf8mb4 collate utf8mb4_general_ci";
        target.execute(sql, &[]).unwrap();
        put(&mut *target, "KEY");
        target.install_snapshot(&file, b"m").unwrap();
        assert_eq!(intent(&mut *target), intent(&mut *source), "{flavor:?}");
    }
}
