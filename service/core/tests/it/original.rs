//! Every combination of small facts, against the original's table written out flat.
//!
//! The table below is on purpose not built from our rules: it is copied by hand from the description of the
//! original, in its order, with its abbreviations. Where we differ on purpose, a test of its own says so.

use orchestrator_core::analysis::{AnalysisCode, Facts, ReplicaCounts, SemiSyncFacts, Sight, classify};

/// What the original says.
fn original(f: &Facts) -> &'static str {
    let (m, v, p, cm) = (f.primary, f.sight.valid, f.sight.partial, f.co_primary);
    let ReplicaCounts {
        all: r,
        valid: vr,
        replicating: vrr,
        failing_to_connect: fc,
        lagging: lr,
        delayed: dr,
        ..
    } = f.replicas;
    let SemiSyncFacts { enabled: e, status: s, wait_count: w, clients: c, stale, wants_exact, .. } =
        f.semi_sync;
    if f.group_member {
        return if !v && r > 0 && vrr == 0 { "DeadReplicationGroupMemberWithReplicas" } else { "NoProblem" };
    }
    let table = [
        (m && !v && r == 0, "DeadMasterWithoutReplicas"),
        (m && !v && vr == r && vrr == 0, "DeadMaster"),
        (m && !v && r > 0 && vr == 0 && vrr == 0, "DeadMasterAndReplicas"),
        (m && !v && 0 < vr && vr < r && vrr == 0, "DeadMasterAndSomeReplicas"),
        (m && !v && lr == r && dr < r && vrr > 0, "UnreachableMasterWithLaggingReplicas"),
        (m && !v && !p && vr > 0 && vrr > 0, "UnreachableMaster"),
        (m && !v && p && fc > 0 && vr > 0 && vrr > 0, "UnreachableMaster"),
        (m && e && s && w > 0 && c < w && stale, "LockedSemiSyncMaster"),
        (m && e && s && w > 0 && c < w && !stale, "LockedSemiSyncMasterHypothesis"),
        (wants_exact && m && e && s && w > 0 && c > w, "MasterWithTooManySemiSyncReplicas"),
        (f.wants_writeable && m && v && f.read_only && vrr > 0, "NoWriteableMasterStructureWarning"),
        (m && v && r == 1 && vr == 1 && vrr == 0, "MasterSingleReplicaNotReplicating"),
        (m && v && r == 1 && vr == 0, "MasterSingleReplicaDead"),
        (m && v && r > 1 && vr == r && vrr == 0, "AllMasterReplicasNotReplicating"),
        (m && v && r > 1 && 0 < vr && vr < r && vrr == 0, "AllMasterReplicasNotReplicatingOrDead"),
        (cm && !v && r > 0 && vr == r && vrr == 0, "DeadCoMaster"),
        (cm && !v && r > 0 && 0 < vr && vr < r && vrr == 0, "DeadCoMasterAndSomeReplicas"),
        (cm && !v && !p && vr > 0 && vrr > 0, "UnreachableCoMaster"),
        (cm && v && r > 0 && vrr == 0, "AllCoMasterReplicasNotReplicating"),
        (
            !m && !v && r == 1 && vr == 1 && fc == 1 && vrr == 0,
            "DeadIntermediateMasterWithSingleReplicaFailingToConnect",
        ),
        (!m && !v && r == 1 && vr == 1 && vrr == 0, "DeadIntermediateMasterWithSingleReplica"),
        (!m && !v && r > 1 && vr == r && vrr == 0, "DeadIntermediateMaster"),
        (!m && !v && 0 < vr && vr < r && vrr == 0, "DeadIntermediateMasterAndSomeReplicas"),
        (!m && !v && r > 0 && vr == 0, "DeadIntermediateMasterAndReplicas"),
        (!m && !v && lr == r && dr < r && vrr > 0, "UnreachableIntermediateMasterWithLaggingReplicas"),
        (!m && !v && !p && vr > 0 && vrr > 0, "UnreachableIntermediateMaster"),
        (
            !m && v && r > 1 && vrr == 0 && fc > 0 && fc == vr,
            "AllIntermediateMasterReplicasFailingToConnectOrDead",
        ),
        (!m && v && r > 0 && vr > 0 && vrr == 0, "AllIntermediateMasterReplicasNotReplicating"),
        (f.binlog_server && f.failing_to_connect, "BinlogServerFailingToConnectToMaster"),
        (f.depth == 1 && f.failing_to_connect, "FirstTierReplicaFailingToConnectToMaster"),
    ];
    table.iter().find(|(holds, _)| *holds).map_or("NoProblem", |(_, name)| name)
}

/// All counts of up to three replicas that can occur.
fn counts() -> Vec<ReplicaCounts> {
    let mut found = Vec::new();
    for all in 0..=3_u32 {
        for valid in 0..=all {
            for replicating in 0..=valid {
                for failing_to_connect in 0..=valid - replicating {
                    for (lagging, delayed) in [(0, 0), (all, 0), (all, all), (all.saturating_sub(1), 1)] {
                        let counts = ReplicaCounts {
                            all,
                            valid,
                            replicating,
                            failing_to_connect,
                            ..ReplicaCounts::default()
                        };
                        found.push(ReplicaCounts { lagging, delayed, ..counts });
                    }
                }
            }
        }
    }
    found
}

fn semi_syncs() -> Vec<SemiSyncFacts> {
    let on =
        SemiSyncFacts { enabled: true, status: true, wait_count: 2, clients: 2, ..SemiSyncFacts::default() };
    vec![
        SemiSyncFacts::default(),
        on,
        SemiSyncFacts { clients: 1, ..on },
        SemiSyncFacts { clients: 1, stale: true, ..on },
        SemiSyncFacts { clients: 1, stale: true, status: false, ..on },
        SemiSyncFacts { clients: 1, stale: true, enabled: false, ..on },
        SemiSyncFacts { clients: 3, wants_exact: true, ..on },
        SemiSyncFacts { clients: 3, ..on },
        SemiSyncFacts { clients: 3, wait_count: 0, wants_exact: true, ..on },
    ]
}

/// The facts of a number: each bit is one of those that are true or false.
fn facts(bits: u32, replicas: ReplicaCounts, semi_sync: SemiSyncFacts) -> Facts {
    let bit = |at: u32| bits & (1 << at) != 0;
    Facts {
        primary: bit(0),
        co_primary: bit(1),
        group_member: bit(2),
        sight: Sight { valid: bit(3), partial: bit(4), ..Sight::default() },
        read_only: bit(5),
        wants_writeable: bit(5),
        binlog_server: bit(6),
        failing_to_connect: bit(7),
        depth: u32::from(bit(8)),
        replicas,
        semi_sync,
        ..Facts::default()
    }
}

#[test]
fn codes_are_those_of_the_original_where_nothing_is_known_beyond_its_facts() {
    let (counts, semi_syncs) = (counts(), semi_syncs());
    let mut seen = std::collections::BTreeSet::new();
    for bits in 0..1 << 9 {
        for replicas in &counts {
            for semi_sync in &semi_syncs {
                let facts = facts(bits, *replicas, *semi_sync);
                let code = classify(&facts);
                assert_eq!(code.as_str(), original(&facts), "{facts:#?}");
                seen.insert(code);
            }
        }
    }
    let never: Vec<_> = AnalysisCode::all().filter(|code| !seen.contains(code)).collect();
    assert_eq!(never, [AnalysisCode::PrimaryWithoutReplicas]);
}

#[test]
fn a_server_that_is_proven_alive_is_never_called_dead() {
    for bits in 0..1 << 9 {
        for replicas in counts() {
            let mut facts = facts(bits, replicas, SemiSyncFacts::default());
            facts.sight = Sight { proven_alive: true, partial: true, ..Sight::default() };
            let code = classify(&facts);
            assert!(!code.as_str().starts_with("Dead"), "{code:?}: {facts:#?}");
        }
    }
}

#[test]
fn a_name_that_does_not_resolve_is_called_dead_by_a_witness_only() {
    for bits in 0..1 << 9 {
        for replicas in counts() {
            let mut facts = facts(bits, replicas, SemiSyncFacts::default());
            facts.sight = Sight { unresolved: true, ..Sight::default() };
            let code = classify(&facts);
            let witnessed = replicas.valid > 0 && replicas.replicating == 0;
            assert!(!code.as_str().starts_with("Dead") || witnessed, "{code:?}: {facts:#?}");
        }
    }
}
