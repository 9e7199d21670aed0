//! The reference's drawings.

use orchestrator_wire::{Instance, Key, Limits, tree};

fn named(host: &str, version: &str) -> Instance {
    Instance {
        key: Key { hostname: host.into(), port: 3306 },
        version: version.into(),
        log_bin_enabled: true,
        log_replica_updates: true,
        binlog_format: "ROW".into(),
        supports_oracle_gtid: true,
        is_last_check_valid: true,
        is_recently_checked: true,
        ..Instance::default()
    }
}

fn below(source: &str, host: &str, version: &str, lag: i64) -> Instance {
    let mut instance = named(host, version);
    instance.source = Key { hostname: source.into(), port: 3306 };
    instance.using_oracle_gtid = true;
    instance.io_running = true;
    instance.sql_running = true;
    instance.read_only = true;
    instance.seconds_behind.value = lag;
    instance.seconds_behind.valid = true;
    instance.lag = instance.seconds_behind;
    instance
}

fn production() -> Vec<Instance> {
    let (db1, db2) = ("db1.example.com", "db2.example.com");
    let mut primary = named(db1, "8.0.36");
    primary.instance_alias = "prod-a".into();
    primary.semi_sync_source_enabled = true;
    let mut second = below(db1, db2, "8.0.36", 0);
    second.semi_sync_replica_enabled = true;
    let mut stopped = below(db1, "db4.example.com", "8.0.36", 0);
    stopped.sql_running = false;
    stopped.gtid_errant = "x:1".into();
    stopped.is_downtimed = true;
    vec![primary, second, below(db2, "db3.example.com", "8.0.36", 31), stopped]
}

#[test]
fn a_cluster_is_drawn_as_a_tree() {
    let expected = "\
db1.example.com:3306 (prod-a) [0s,ok,8.0.36,rw,ROW,>>,GTID,semi:master]
+ db2.example.com:3306        [0s,ok,8.0.36,ro,ROW,>>,GTID,semi:replica]
  + db3.example.com:3306      [31s,lag,8.0.36,ro,ROW,>>,GTID]
- db4.example.com:3306        [null,nonreplicating,8.0.36,ro,ROW,>>,GTID:errant,downtimed]";
    assert_eq!(tree::plain(&production(), &Limits::default()), expected);
}

#[test]
fn a_cluster_is_drawn_as_a_table() {
    let expected = "\
db1.example.com:3306 (prod-a)|  0s|ok            |8.0.36|rw|ROW|>>,GTID,semi:master     
+ db2.example.com:3306       |  0s|ok            |8.0.36|ro|ROW|>>,GTID,semi:replica    
  + db3.example.com:3306     | 31s|lag           |8.0.36|ro|ROW|>>,GTID                 
- db4.example.com:3306       |null|nonreplicating|8.0.36|ro|ROW|>>,GTID:errant,downtimed";
    assert_eq!(tree::tabulated(&production(), &Limits::default()), expected);
}

#[test]
fn co_primaries_stand_side_by_side() {
    let version = "5.7.44-log";
    let mut m1 = below("m2", "m1", version, 0);
    let mut m2 = below("m1", "m2", version, 0);
    (m1.read_only, m1.is_co_primary, m2.is_co_primary) = (false, true, true);
    let mut r1 = below("m1", "r1", version, 0);
    r1.log_bin_enabled = false;
    r1.is_last_check_valid = false;
    (r1.supports_oracle_gtid, r1.using_oracle_gtid) = (false, false);
    let expected = "\
+ m1:3306   [0s,ok,5.7.44-log,rw,ROW,>>,GTID]
  - r1:3306 [unknown,invalid,5.7.44-log,ro,nobinlog]
+ m2:3306   [0s,ok,5.7.44-log,ro,ROW,>>,GTID]";
    assert_eq!(tree::plain(&[m1, m2, r1], &Limits::default()), expected);
}

#[test]
fn group_secondaries_have_their_own_mark() {
    let mut primary = named("gr1", "8.0.36");
    primary.replication_group_name = "g".into();
    primary.replication_group_member_role = "PRIMARY".into();
    let mut secondary = named("gr2", "8.0.36");
    secondary.replication_group_name = "g".into();
    secondary.replication_group_member_role = "SECONDARY".into();
    secondary.replication_group_primary_instance_key = primary.key.clone();
    secondary.read_only = true;
    let external = below("gr1", "ext", "8.0.36", 2);
    let expected = "\
gr1:3306     [0s,ok,8.0.36,rw,ROW,>>,GTID]
+ ext:3306   [2s,ok,8.0.36,ro,ROW,>>,GTID]
‡ gr2:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID]";
    assert_eq!(tree::plain(&[external, primary, secondary], &Limits::default()), expected);
}

#[test]
fn rings_and_nothing_at_all_are_drawn_too() {
    assert_eq!(tree::plain(&[], &Limits::default()), "");
    assert_eq!(tree::tabulated(&[], &Limits::default()), "");
    let mut head = below("b", "a", "8.4.0", 0);
    head.replication_depth = 0;
    let mut ring = vec![head, below("c", "b", "8.4.0", 0), below("a", "c", "8.4.0", 0)];
    ring[1].replication_depth = 2;
    ring[2].replication_depth = 1;
    let drawn = tree::plain(&ring, &Limits::default());
    assert_eq!(drawn.lines().count(), 3, "{drawn}");
    let mut narcissus = below("a", "a", "8.4.0", 0);
    narcissus.replication_depth = 0;
    assert_eq!(tree::plain(&[narcissus], &Limits::default()).lines().count(), 1);
}
