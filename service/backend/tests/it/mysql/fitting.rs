use std::sync::Arc;

use orchestrator_backend::{
    BackendError, BeginRecovery, DowntimeRow, KeyValueRow, NodeHealthRow, RecoveryFilter,
};
use orchestrator_core::Timestamp;

use super::{impatient, open};
use crate::servers::{Flavor, fresh};
use crate::support::{after, begin, instance_row, key, node};

#[test]
fn rows_count_when_they_are_met_also_when_nothing_changes() {
    for flavor in Flavor::ALL {
        let mut backend = fresh(flavor);
        let health = NodeHealthRow {
            node: node("t"),
            version: "1.0".into(),
            mode: "HttpMode".into(),
            command: String::new(),
            database: "db".into(),
            first_seen: after(0),
            last_seen: after(0),
        };
        backend.write_node_health(&health).unwrap();
        for _ in 0..2 {
            let sql = "update node_health set app_version = 'same' where token = ?";
            assert_eq!(backend.execute(sql, &["t".into()]).unwrap(), 1, "{flavor:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_cut_and_stops_nobody() {
    for flavor in Flavor::ALL {
        let mut backend = fresh(flavor);
        let long = "h".repeat(200);
        backend.set_cluster_alias(&long, Some("naïve")).unwrap();
        let aliases = backend.declared_aliases().unwrap();
        assert_eq!(aliases[&long[..128]], "na?ve", "{flavor:?}");
        // Asked for as it was declared, it is found as it was stored.
        backend
            .begin_recovery(&BeginRecovery { cluster_alias: "naïve".into(), ..begin("1:a", "a", after(0)) })
            .unwrap();
        let named = backend.recoveries(&RecoveryFilter::Alias("naïve".into()), false, 0).unwrap();
        assert_eq!(named.len(), 1, "{flavor:?}");
        // The same within a transaction, whose other statements stay.
        backend
            .in_transaction(|backend| {
                backend.set_recoveries_disabled(true)?;
                backend.set_cluster_alias(&long, Some("x"))
            })
            .unwrap();
        assert!(backend.recoveries_disabled().unwrap());
        // Strictness is back afterwards.
        let sql = "select count(*) from dual where @@session.sql_mode like '%STRICT_ALL_TABLES%'";
        assert_eq!(backend.query_int(sql, &[]).unwrap(), 1, "{flavor:?}");
    }
}

#[test]
fn one_large_instance_does_not_keep_a_batch_from_being_written() {
    for flavor in Flavor::ALL {
        let mut backend = fresh(flavor);
        let mut rows: Vec<_> = (0..300).map(|n| instance_row(&format!("h{n:03}"), after(0))).collect();
        rows[150].errant_gtid = "00000011-0000-0000-0000-000000000000:1-9,".repeat(4000);
        Arc::make_mut(&mut rows[150].record).instance.labels.semi_sync_priority = 1000;
        backend.write_instances(&rows).unwrap();
        let read = backend.instances().unwrap();
        assert_eq!(read.len(), 300, "{flavor:?}");
        assert_eq!(read[150].record.instance.labels.semi_sync_priority, 255, "{flavor:?}");
        assert_eq!(read[299].record.instance.key, key("h299"));
    }
}

#[test]
fn what_people_write_keeps_every_character() {
    for flavor in Flavor::ALL {
        let mut backend = fresh(flavor);
        let (owner, reason) = ("Zoë".to_owned(), "disk 💥 \\ ' \" ? :name\n\0".to_owned());
        let downtime = DowntimeRow { key: key("a"), owner, reason, begins_at: after(0), ends_at: after(60) };
        backend.begin_downtime(&downtime).unwrap();
        assert_eq!(backend.downtimes().unwrap(), [downtime], "{flavor:?}");
        let pair = KeyValueRow { key: "k".into(), value: "日本".into() };
        backend.put_key_value(&pair, after(0)).unwrap();
        assert_eq!(backend.key_values().unwrap(), [pair], "{flavor:?}");
    }
}

#[test]
fn times_outside_of_what_the_tables_hold_become_the_nearest_ones() {
    for flavor in Flavor::ALL {
        let mut backend = fresh(flavor);
        let late = Timestamp::from_millis(2_500_000_000_000);
        let (owner, reason) = ("dba".to_owned(), "for ever".to_owned());
        let downtime = DowntimeRow { key: key("a"), owner, reason, begins_at: after(0), ends_at: late };
        backend.begin_downtime(&downtime).unwrap();
        assert_eq!(backend.downtimes().unwrap()[0].ends_at.as_secs(), i64::from(i32::MAX), "{flavor:?}");
        backend.write_instances(&[instance_row("never", Timestamp::default())]).unwrap();
        assert_eq!(backend.instances().unwrap().len(), 1, "{flavor:?}");
    }
}

#[test]
fn names_that_differ_in_case_are_two_as_in_sqlite() {
    for flavor in Flavor::ALL {
        let mut backend = fresh(flavor);
        for host in ["db", "DB"] {
            backend.add_discovered(&key(host), after(0)).unwrap();
        }
        assert_eq!(backend.discovered().unwrap(), [key("DB"), key("db")], "{flavor:?}");
    }
}

#[test]
fn settings_of_the_server_change_nothing() {
    const STRANGE: [&str; 6] = [
        "set global time_zone = '+05:30'",
        "set global sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_ALL_TABLES'",
        "set global autocommit = 0",
        "set global transaction isolation level read uncommitted, read only",
        "set global wait_timeout = 2",
        "set global max_allowed_packet = 65536",
    ];
    const USUAL: [&str; 6] = [
        "set global time_zone = 'SYSTEM'",
        "set global sql_mode = default",
        "set global autocommit = 1",
        "set global transaction isolation level repeatable read, read write",
        "set global wait_timeout = default",
        "set global max_allowed_packet = default",
    ];
    for flavor in Flavor::ALL {
        let victim = flavor.victim();
        victim.server.admin(&STRANGE);
        let result = std::panic::catch_unwind(|| {
            let options = impatient(victim.server.options("t"));
            let mut backend = open(&options);
            backend.add_discovered(&key("a"), after(0)).unwrap();
            let rows: Vec<_> = (0..500).map(|n| instance_row(&format!("h{n:03}"), after(n))).collect();
            backend.write_instances(&rows).unwrap();
            let read = backend.instances().unwrap();
            assert_eq!(read[499].record.checks.last_seen, Some(after(499)), "{flavor:?}");
            let sql = format!(
                "select unix_timestamp(discovered_at) from {}.orchestrator_discovered",
                options.database
            );
            let stored = victim.server.admin(&[&sql]);
            let huge = KeyValueRow { key: "k".into(), value: "v".repeat(100_000) };
            let refused = backend.put_key_value(&huge, after(0));
            assert!(matches!(refused, Err(BackendError::Constraint(_))), "no packet holds it: {refused:?}");
            assert_eq!(stored, [[after(0).as_secs().to_string()]], "{flavor:?}");
        });
        victim.server.admin(&USUAL);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }
}
