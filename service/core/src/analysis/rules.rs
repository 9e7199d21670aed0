//! The rules that name a failure, in the order in which they are tried: the first that matches wins.
//!
//! A rule is a list of named conditions, so that one can be shown why a code was found, and which
//! condition kept a worse one away.

use alloc::vec::Vec;

use super::{AnalysisCode, Facts};

/// A condition with a name.
#[derive(Debug, Clone, Copy)]
pub struct Conjunct {
    /// The condition in words, as a statement about the instance.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: fn(&Facts) -> bool,
}

/// A code and the conditions that must all hold for it.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The code.
    pub code: AnalysisCode,
    /// The conditions.
    pub when: &'static [Conjunct],
}

/// A rule with what became of its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The code.
    pub code: AnalysisCode,
    /// All conditions hold.
    pub matches: bool,
    /// Each condition in words, and whether it holds.
    pub conjuncts: Vec<(&'static str, bool)>,
}

impl Rule {
    /// All conditions hold.
    pub fn matches(&self, facts: &Facts) -> bool {
        self.when.iter().all(|conjunct| (conjunct.holds)(facts))
    }

    fn explain(&self, facts: &Facts) -> Explanation {
        let conjuncts = self.when.iter().map(|conjunct| (conjunct.name, (conjunct.holds)(facts))).collect();
        Explanation { code: self.code, matches: self.matches(facts), conjuncts }
    }
}

/// What is wrong.
pub fn classify(facts: &Facts) -> AnalysisCode {
    rules(facts).iter().find(|rule| rule.matches(facts)).map_or(AnalysisCode::NoProblem, |rule| rule.code)
}

/// The rules that were tried, in order, up to the one that matched; all of them when none did.
pub fn explain(facts: &Facts) -> Vec<Explanation> {
    let rules = rules(facts);
    let tried = rules.iter().position(|rule| rule.matches(facts)).map_or(rules.len(), |at| at + 1);
    rules[..tried].iter().map(|rule| rule.explain(facts)).collect()
}

/// The rules for such an instance: a member of a replication group has its own.
pub fn rules(facts: &Facts) -> &'static [Rule] {
    if facts.group_member { GROUP_RULES } else { RULES }
}

macro_rules! conjuncts {
    ($($ident:ident: $name:literal = $holds:expr;)*) => {
        $(const $ident: Conjunct = Conjunct { name: $name, holds: $holds };)*
    };
}

conjuncts! {
    PRIMARY: "it is a primary" = |f| f.primary;
    CO_PRIMARY: "it is a co-primary" = |f| f.co_primary;
    BELOW: "it is not a primary" = |f| !f.primary;
    SEEN: "it can be reached" = |f| f.sight.valid;
    UNSEEN: "it cannot be reached" = |f| !f.sight.valid;
    NOTHING_SAYS_ALIVE: "nothing proves it alive" = |f| !f.sight.proven_alive;
    ALIVE: "its answer proves it alive" = |f| f.sight.proven_alive;
    // A name that does not resolve is no sign of death. Replicas that lost their source are.
    WITNESSED: "its name resolves, or a reachable replica bears witness"
        = |f| !f.sight.unresolved || f.replicas.valid > 0;
    UNRESOLVED: "its name does not resolve" = |f| f.sight.unresolved;
    NOT_PARTLY_SEEN: "it did not even partly answer" = |f| !f.sight.partial;
    PARTLY_SEEN: "it partly answered" = |f| f.sight.partial;
    NO_REPLICAS: "it has no replicas" = |f| f.replicas.all == 0;
    HAS_REPLICAS: "it has replicas" = |f| f.replicas.all > 0;
    ONE_REPLICA: "it has one replica" = |f| f.replicas.all == 1;
    SEVERAL_REPLICAS: "it has several replicas" = |f| f.replicas.all > 1;
    ALL_VALID: "all its replicas can be reached" = |f| f.replicas.valid == f.replicas.all;
    SOME_VALID: "some of its replicas can be reached, and some cannot"
        = |f| 0 < f.replicas.valid && f.replicas.valid < f.replicas.all;
    ANY_VALID: "a replica can be reached" = |f| f.replicas.valid > 0;
    NONE_VALID: "no replica can be reached" = |f| f.replicas.valid == 0;
    NONE_REPLICATING: "no replica replicates from it" = |f| f.replicas.replicating == 0;
    ANY_REPLICATING: "a replica replicates from it" = |f| f.replicas.replicating > 0;
    ALL_LAGGING: "all its replicas lag" = |f| f.replicas.lagging == f.replicas.all;
    NOT_ALL_DELAYED: "not all its replicas are delayed on purpose" = |f| f.replicas.delayed < f.replicas.all;
    ANY_FAILING: "a replica fails to connect to it" = |f| f.replicas.failing_to_connect > 0;
    THE_ONE_FAILING: "its replica fails to connect to it" = |f| f.replicas.failing_to_connect == 1;
    ALL_VALID_FAILING: "all reachable replicas fail to connect to it"
        = |f| f.replicas.failing_to_connect == f.replicas.valid;
    SEMI_SYNC: "semi-sync is in force and waits for acknowledgements"
        = |f| f.semi_sync.enabled && f.semi_sync.status && f.semi_sync.wait_count > 0;
    SHORT_OF_ACKNOWLEDGEMENTS: "it has too few semi-synchronous replicas, or commits are blocked"
        = |f| f.semi_sync.clients < f.semi_sync.wait_count || f.semi_sync.blocked;
    STALE: "its binary log has not moved for too long" = |f| f.semi_sync.stale;
    WANTS_EXACT: "the configuration wants an exact number of semi-synchronous replicas"
        = |f| f.semi_sync.wants_exact;
    TOO_MANY_CLIENTS: "it has too many semi-synchronous replicas"
        = |f| f.semi_sync.clients > f.semi_sync.wait_count;
    WANTS_WRITEABLE: "the configuration wants read-only primaries mended" = |f| f.wants_writeable;
    READ_ONLY: "it is read-only" = |f| f.read_only;
    BINLOG_SERVER: "it is a binary log server" = |f| f.binlog_server;
    FIRST_TIER: "its source is on top" = |f| f.depth == 1;
    FAILS_TO_CONNECT: "it fails to connect to its source" = |f| f.failing_to_connect;
}

/// For all but members of replication groups.
///
/// `if lost` adds "it may be dead": it cannot be reached, nothing proves it alive, and somebody has a say.
/// Rows marked + are ours: an instance with replicas that none follows, but that is proven alive or of which
/// nothing is known, must be shown, and must not be called dead.
const RULES: &[Rule] = {
    use AnalysisCode::*;
    macro_rules! rule {
        ($code:ident: $($conjunct:ident)*) => {
            Rule { code: $code, when: &[$($conjunct),*] }
        };
        ($code:ident if lost: $($conjunct:ident)*) => {
            Rule { code: $code, when: &[$($conjunct,)* UNSEEN, NOTHING_SAYS_ALIVE, WITNESSED] }
        };
    }
    &[
        rule!(DeadPrimaryWithoutReplicas if lost: PRIMARY NO_REPLICAS),
        rule!(DeadPrimary if lost: PRIMARY ALL_VALID NONE_REPLICATING),
        rule!(DeadPrimaryAndReplicas if lost: PRIMARY HAS_REPLICAS NONE_VALID NONE_REPLICATING),
        rule!(DeadPrimaryAndSomeReplicas if lost: PRIMARY SOME_VALID NONE_REPLICATING),
        rule!(UnreachablePrimaryWithLaggingReplicas:
            PRIMARY UNSEEN ALL_LAGGING NOT_ALL_DELAYED ANY_REPLICATING),
        rule!(UnreachablePrimary: PRIMARY UNSEEN NOT_PARTLY_SEEN ANY_VALID ANY_REPLICATING),
        rule!(UnreachablePrimary: PRIMARY UNSEEN PARTLY_SEEN ANY_FAILING ANY_VALID ANY_REPLICATING),
        rule!(UnreachablePrimary: PRIMARY UNSEEN ALIVE HAS_REPLICAS NONE_REPLICATING), // +
        rule!(UnreachablePrimary: PRIMARY UNSEEN UNRESOLVED HAS_REPLICAS NONE_VALID),  // +
        rule!(LockedSemiSyncPrimary: PRIMARY SEMI_SYNC SHORT_OF_ACKNOWLEDGEMENTS STALE),
        rule!(LockedSemiSyncPrimaryHypothesis: PRIMARY SEMI_SYNC SHORT_OF_ACKNOWLEDGEMENTS),
        rule!(PrimaryWithTooManySemiSyncReplicas: WANTS_EXACT PRIMARY SEMI_SYNC TOO_MANY_CLIENTS),
        rule!(NoWriteablePrimary: WANTS_WRITEABLE PRIMARY SEEN READ_ONLY ANY_REPLICATING),
        rule!(PrimarySingleReplicaNotReplicating: PRIMARY SEEN ONE_REPLICA ALL_VALID NONE_REPLICATING),
        rule!(PrimarySingleReplicaDead: PRIMARY SEEN ONE_REPLICA NONE_VALID),
        rule!(AllPrimaryReplicasNotReplicating: PRIMARY SEEN SEVERAL_REPLICAS ALL_VALID NONE_REPLICATING),
        rule!(AllPrimaryReplicasNotReplicatingOrDead:
            PRIMARY SEEN SEVERAL_REPLICAS SOME_VALID NONE_REPLICATING),
        rule!(DeadCoPrimary if lost: CO_PRIMARY HAS_REPLICAS ALL_VALID NONE_REPLICATING),
        rule!(DeadCoPrimaryAndSomeReplicas if lost: CO_PRIMARY HAS_REPLICAS SOME_VALID NONE_REPLICATING),
        rule!(UnreachableCoPrimary: CO_PRIMARY UNSEEN NOT_PARTLY_SEEN ANY_VALID ANY_REPLICATING),
        rule!(UnreachableCoPrimary: CO_PRIMARY UNSEEN ALIVE HAS_REPLICAS NONE_REPLICATING), // +
        rule!(UnreachableCoPrimary: CO_PRIMARY UNSEEN UNRESOLVED HAS_REPLICAS NONE_VALID),  // +
        rule!(AllCoPrimaryReplicasNotReplicating: CO_PRIMARY SEEN HAS_REPLICAS NONE_REPLICATING),
        rule!(DeadIntermediateWithSingleReplicaFailingToConnect if lost:
            BELOW ONE_REPLICA ALL_VALID THE_ONE_FAILING NONE_REPLICATING),
        rule!(DeadIntermediateWithSingleReplica if lost: BELOW ONE_REPLICA ALL_VALID NONE_REPLICATING),
        rule!(DeadIntermediate if lost: BELOW SEVERAL_REPLICAS ALL_VALID NONE_REPLICATING),
        rule!(DeadIntermediateAndSomeReplicas if lost: BELOW SOME_VALID NONE_REPLICATING),
        rule!(DeadIntermediateAndReplicas if lost: BELOW HAS_REPLICAS NONE_VALID),
        rule!(UnreachableIntermediateWithLaggingReplicas:
            BELOW UNSEEN ALL_LAGGING NOT_ALL_DELAYED ANY_REPLICATING),
        rule!(UnreachableIntermediate: BELOW UNSEEN NOT_PARTLY_SEEN ANY_VALID ANY_REPLICATING),
        rule!(UnreachableIntermediate: BELOW UNSEEN ALIVE HAS_REPLICAS NONE_REPLICATING), // +
        rule!(UnreachableIntermediate: BELOW UNSEEN UNRESOLVED HAS_REPLICAS NONE_VALID),  // +
        rule!(AllIntermediateReplicasFailingToConnectOrDead:
            BELOW SEEN SEVERAL_REPLICAS NONE_REPLICATING ANY_FAILING ALL_VALID_FAILING),
        rule!(AllIntermediateReplicasNotReplicating: BELOW SEEN HAS_REPLICAS ANY_VALID NONE_REPLICATING),
        rule!(BinlogServerFailingToConnect: BINLOG_SERVER FAILS_TO_CONNECT),
        rule!(FirstTierReplicaFailingToConnect: FIRST_TIER FAILS_TO_CONNECT),
    ]
};

/// For members of replication groups. The group chooses its primary by itself, so that a dead one is no
/// failure of ours to mend; its asynchronous replicas are.
const GROUP_RULES: &[Rule] = &[Rule {
    code: AnalysisCode::DeadGroupMemberWithReplicas,
    when: &[HAS_REPLICAS, NONE_REPLICATING, UNSEEN, NOTHING_SAYS_ALIVE, WITNESSED],
}];
