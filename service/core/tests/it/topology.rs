//! Places of instances, drawn from odd inputs.

use expect_test::{Expect, expect};
use orchestrator_core::{
    InstanceKey,
    picture::{draw, places},
    topology::{ANCESTRY_MAX_BYTES, Topology},
};

#[track_caller]
fn check(picture: &str, expected: Expect) {
    expected.assert_eq(&places(&draw(picture).view));
}

fn key(host: &str) -> InstanceKey {
    InstanceKey::new(host, 3306)
}

fn is_descendant(picture: &str, below: &str, above: &str) -> bool {
    Topology::of(&draw(picture).view).is_descendant(&key(below), &key(above))
}

#[test]
fn a_tree_is_a_cluster_named_after_its_top() {
    check(
        "b\n  a\n    d\n  c\nz",
        expect![[r#"
        [b:3306]
          b:3306
            a:3306 <- b:3306
              d:3306 <- a:3306
            c:3306 <- b:3306
        [z:3306]
          z:3306
    "#]],
    );
}

#[test]
fn an_unknown_source_leaves_a_replica_on_top() {
    check(
        "b source=gone:3306\n  c",
        expect![[r#"
        [b:3306]
          b:3306 <- gone:3306
            c:3306 <- b:3306
    "#]],
    );
}

#[test]
fn a_detached_replica_is_on_top() {
    check(
        "a\nb source=//a:3306\n  c",
        expect![[r#"
        [a:3306]
          a:3306
        [b:3306]
          b:3306
            c:3306 <- b:3306
    "#]],
    );
}

#[test]
fn a_pair_is_named_after_the_smaller_key() {
    check(
        "b source=a\n  a\n    c\n  d",
        expect![[r#"
        [a:3306]
          a:3306 co-primary <- b:3306
            b:3306 co-primary <- a:3306
              d:3306 <- b:3306
            c:3306 <- a:3306
    "#]],
    );
}

#[test]
fn a_ring_of_three_is_entered_at_the_smallest_key() {
    check(
        "c source=a\n  b\n    a\n      x",
        expect![[r#"
        [a:3306]
          a:3306 <- b:3306
            c:3306 <- a:3306
              b:3306 <- c:3306
            x:3306 <- a:3306
    "#]],
    );
}

#[test]
fn an_instance_that_names_itself_is_on_top() {
    check(
        "a source=a:3306\n  b",
        expect![[r#"
        [a:3306]
          a:3306
            b:3306 <- a:3306
    "#]],
    );
}

#[test]
fn group_secondaries_hang_on_the_group_primary() {
    check(
        "g1 group=g/PRIMARY/ONLINE\n  g2 group=g/SECONDARY/ONLINE\n    r\n  s",
        expect![[r#"
        [g1:3306]
          g1:3306
            s:3306 <- g1:3306
            g2:3306 <- g1:3306
              r:3306 <- g2:3306
    "#]],
    );
}

#[test]
fn a_group_secondary_is_no_replica() {
    let drawn = draw("g1 group=g/PRIMARY/ONLINE\n  g2 group=g/SECONDARY/ONLINE\n  s");
    let topology = Topology::of(&drawn.view);
    let place = topology.place(&key("g1")).unwrap();
    assert_eq!((&*place.replicas, &*place.secondaries), (&[key("s")][..], &[key("g2")][..]));
}

#[test]
fn a_source_is_found_under_its_other_names() {
    let mut drawn = draw("a\nb source=a.internal:3306");
    drawn.view.alias(key("a.internal"), key("a"));
    expect![[r#"
        [a:3306]
          a:3306
            b:3306 <- a:3306
    "#]]
    .assert_eq(&places(&drawn.view));
}

#[test]
fn descendants_are_told_by_edges() {
    let chain = "a mariadb\n  b mariadb\n    c mariadb\n  d mariadb";
    assert!(is_descendant(chain, "c", "a"));
    assert!(is_descendant(chain, "c", "b"));
    assert!(!is_descendant(chain, "b", "c"));
    assert!(!is_descendant(chain, "d", "b"));
    assert!(!is_descendant(chain, "a", "a"));
    let ring = "a source=b\n  b\n    c";
    assert!(is_descendant(ring, "a", "b") && is_descendant(ring, "b", "a") && is_descendant(ring, "c", "a"));
    assert!(!is_descendant(ring, "a", "c"));
    assert!(!is_descendant(ring, "c", "nobody"));
    assert!(is_descendant("a source=b\n  b\n  x", "x", "b"), "around the ring");
}

#[test]
fn ancestry_names_the_servers_above() {
    let drawn = draw("a\n  b\n    c group=g/PRIMARY/ONLINE");
    let topology = Topology::of(&drawn.view);
    let of = |host| {
        topology.place(&key(host)).unwrap().ancestry_uuid.replace("00000000-0000-0000-0000-00000000000", "#")
    };
    assert_eq!((of("a"), of("b"), of("c")), ("#1".into(), "#1,#2".into(), "#1,#2,#3,g".into()));
    let pair = draw("a source=b\n  b");
    let topology = Topology::of(&pair.view);
    let of = |host| {
        topology.place(&key(host)).unwrap().ancestry_uuid.replace("00000000-0000-0000-0000-00000000000", "#")
    };
    assert_eq!((of("a"), of("b")), ("#2,#1".into(), "#1,#2".into()));
}

#[test]
fn a_very_long_chain_keeps_the_lower_end_of_its_ancestry() {
    let chain: String = (0..300).map(|at| format!("{}n{at}\n", " ".repeat(at))).collect();
    let drawn = draw(&chain);
    let topology = Topology::of(&drawn.view);
    let place = topology.place(&key("n299")).unwrap();
    assert_eq!(place.depth, 299);
    assert!(place.ancestry_uuid.len() <= ANCESTRY_MAX_BYTES);
    assert!(place.ancestry_uuid.ends_with("300"));
    assert!(topology.is_descendant(&key("n299"), &key("n0")));
}

fn alias(picture: &str, cluster: &str) -> String {
    Topology::of(&draw(picture).view).alias(cluster).unwrap().into()
}

#[test]
fn an_alias_is_suggested_by_the_best_instance() {
    assert_eq!(alias("a alias=shop\n  b", "a:3306"), "shop");
    assert_eq!(alias("a\n  b alias=shop", "a:3306"), "shop");
    assert_eq!(alias("a\n  b", "a:3306"), "a:3306");
}

#[test]
fn of_two_clusters_the_better_one_gets_the_alias() {
    let split = "old unreachable alias=shop\nnew alias=shop\n  b";
    assert_eq!(alias(split, "new:3306"), "shop");
    assert_eq!(alias(split, "old:3306"), "old:3306");
}

#[test]
fn better_is_writable_then_more_replicas() {
    assert_eq!(alias("a ro alias=shop\n  x\nb alias=shop", "b:3306"), "shop");
    assert_eq!(alias("a alias=shop\nb alias=shop\n  x", "b:3306"), "shop");
}

#[test]
fn what_a_recovery_left_behind_suggests_nothing() {
    let returned = "old lost alias=shop\n  x\n  y\nnew ro alias=shop";
    assert_eq!(alias(returned, "new:3306"), "shop");
}

#[test]
fn a_declared_alias_wins() {
    let mut drawn = draw("a alias=shop\nb alias=shop\n  c");
    let declared = std::sync::Arc::make_mut(&mut drawn.view.declared);
    declared.cluster_aliases.insert("a:3306".into(), "mall".into());
    let topology = Topology::of(&drawn.view);
    assert_eq!(topology.alias("a:3306"), Some("mall"));
    assert_eq!(topology.by_alias("mall").map(|name| &**name), Some("a:3306"));
    assert_eq!(topology.by_alias("shop").map(|name| &**name), Some("b:3306"));
    assert_eq!(topology.by_alias("a:3306"), None);
}

#[test]
fn the_head_tells_the_domain() {
    let drawn = draw("a domain=shop.example\n  b domain=other.example");
    let topology = Topology::of(&drawn.view);
    assert_eq!(topology.domain("a:3306"), "shop.example");
    assert_eq!(topology.head("a:3306"), Some(&key("a")));
}
