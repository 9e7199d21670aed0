//! Transactions that a replica has and its source has not: it can never be followed, nor promoted without
//! carrying them into the cluster.

use alloc::vec::Vec;

use super::{GtidSet, Gtids, Positions, Uuid};
use crate::{
    instance::{Flavor, Instance},
    key::InstanceKey,
    topology::{Place, Topology},
    view::TopologyView,
};

/// What `key` has that its source has not, as far as the last look at both can tell; `None` when there is
/// nothing, or no telling: no known source, nothing executed there, text that is not a GTID set.
pub fn errant(view: &TopologyView, topology: &Topology, key: &InstanceKey) -> Option<Gtids> {
    let place = topology.place(key)?;
    let source = view.get(place.upstream.as_ref()?)?;
    errant_below(&view.get(key)?.instance, place, &source.instance)
}

/// What `replica`, which stands at `place`, has that `source` above it has not; see [`errant`].
pub(crate) fn errant_below(replica: &Instance, place: &Place, source: &Instance) -> Option<Gtids> {
    if replica.gtid.executed.is_empty() || source.gtid.executed.is_empty() {
        return None;
    }
    let errant = match (replica.identity.flavor(), source.identity.flavor()) {
        (Flavor::MariaDb, Flavor::MariaDb) if !place.is_co_primary => {
            Gtids::MariaDb(errant_of_positions(replica, source)?)
        }
        (Flavor::MariaDb, _) | (_, Flavor::MariaDb) => return None,
        _ => Gtids::Oracle(errant_of_sets(replica, source, place)?),
    };
    (!errant.is_empty()).then_some(errant)
}

fn errant_of_positions(replica: &Instance, source: &Instance) -> Option<Positions> {
    let own: Positions = replica.gtid.binlog_pos.parse().ok()?;
    let theirs: Positions = source.gtid.executed.parse().ok()?;
    let logged: Positions = source.gtid.binlog_pos.parse().ok()?;
    Some(errant_mariadb(&own, replica.identity.server_id, &theirs.union(&logged)))
}

fn errant_of_sets(replica: &Instance, source: &Instance, place: &Place) -> Option<GtidSet> {
    if replica.gtid.executed == source.gtid.executed {
        return None;
    }
    let own: Uuid = replica.identity.server_uuid.parse().ok()?;
    let ancestors: Vec<Uuid> = place.ancestry_uuid.split(',').filter_map(|uuid| uuid.parse().ok()).collect();
    let foreign = |uuid: Uuid| if uuid == own { place.is_co_primary } else { ancestors.contains(&uuid) };
    let executed: GtidSet = replica.gtid.executed.parse().ok()?;
    if executed.servers().all(foreign) {
        return None;
    }
    Some(errant_oracle(&executed, foreign, &source.gtid.executed.parse().ok()?))
}

/// MySQL: what `executed` has beyond the source's, apart from what was committed on servers that are
/// `expected` to be ahead.
///
/// The source may have been read before the replica, so whatever was first committed above the replica is
/// expected, and among co-primaries the replica's own as well.
pub fn errant_oracle(executed: &GtidSet, expected: impl Fn(Uuid) -> bool, source: &GtidSet) -> GtidSet {
    executed.without(expected).subtract(source)
}

/// MariaDB: what `server_id` wrote into its own binary log that its source does not have.
///
/// `own` is `gtid_binlog_pos` or, better, `gtid_binlog_state` of the replica; `source` is the same of the
/// source, together with its `gtid_current_pos`.
/// When the source names the replica's server in a domain, what is beyond that is errant. When it does not,
/// only a number that the source reached through another server, or did not reach, is: from a position
/// alone nobody can tell who committed what lies before it.
pub fn errant_mariadb(own: &Positions, server_id: u32, source: &Positions) -> Positions {
    own.iter()
        .filter(|(domain, server, sequence)| {
            *server == server_id
                && match (source.sequence_of(*domain, server_id), source.head(*domain)) {
                    (Some(reached), _) => *sequence > reached,
                    (None, Some((_, head))) => *sequence >= head,
                    (None, None) => true,
                }
        })
        .collect()
}
