//! Which instance or cluster people mean.

use alloc::{string::String, sync::Arc};

use crate::{key::InstanceKey, topology::Topology, view::TopologyView};

/// Why a hint names no cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCluster {
    /// The hint is empty.
    #[error("no cluster is meant by an empty hint")]
    EmptyHint,
    /// Neither a cluster, nor an alias of one, nor an instance of one.
    #[error("no cluster, alias or instance is called {0:?}")]
    Unknown(String),
}

/// `key` was never reached, and no instance names it as its source: somebody only wrote it.
pub fn is_only_a_name(view: &TopologyView, topology: &Topology, key: &InstanceKey) -> bool {
    let is_source = topology.place(key).is_some_and(|place| !place.replicas.is_empty());
    !is_source && view.get(key).is_some_and(|record| record.checks.last_seen.is_none())
}

/// The known instance that `key` means: itself under any of its names, else the only one of the same port
/// whose host name contains the given one, else the key as it is given.
///
/// Host names are compared without regard to case. An address is never completed: `10.0.0.1` must not
/// find `10.0.0.11`. A completed name may be another server than people meant, so nothing that destroys
/// should use this without showing the name that it found.
pub fn instance(view: &TopologyView, key: &InstanceKey) -> InstanceKey {
    if view.get(key).is_some() {
        return view.canonical(key).clone();
    }
    fuzzy(view, key).unwrap_or(key).clone()
}

fn fuzzy<'v>(view: &'v TopologyView, key: &InstanceKey) -> Option<&'v InstanceKey> {
    if key.hostname.is_empty() || is_address(&key.hostname) {
        return None;
    }
    let part = key.hostname.to_ascii_lowercase();
    let mut matching = view
        .records()
        .map(|(known, _)| known)
        .filter(|known| known.port == key.port && known.hostname.to_ascii_lowercase().contains(&part));
    matching.next().filter(|_| matching.next().is_none())
}

fn is_address(host: &str) -> bool {
    host.parse::<core::net::IpAddr>().is_ok()
}

/// The cluster that `hint` means: its name, else its alias, else `host[:port]` of one of its instances,
/// else that of the only instance that it completes to.
///
/// # Errors
/// It means none.
pub fn cluster(
    view: &TopologyView,
    topology: &Topology,
    hint: &str,
    default_port: u16,
) -> Result<Arc<str>, NoCluster> {
    let exactly = cluster_exactly(view, topology, hint, default_port);
    let Err(NoCluster::Unknown(_)) = exactly else { return exactly };
    InstanceKey::parse(hint, default_port)
        .ok()
        .and_then(|key| topology.place(&instance(view, &key)))
        .map(|place| place.cluster.clone())
        .ok_or_else(|| NoCluster::Unknown(hint.into()))
}

/// The cluster that `hint` names in full: by its name, its alias, or one of its instances. For what changes something.
///
/// # Errors
/// It means none.
pub fn cluster_exactly(
    view: &TopologyView,
    topology: &Topology,
    hint: &str,
    default_port: u16,
) -> Result<Arc<str>, NoCluster> {
    if hint.is_empty() {
        return Err(NoCluster::EmptyHint);
    }
    if let Some(name) = topology.named(hint).or_else(|| topology.by_alias(hint)) {
        return Ok(name.clone());
    }
    InstanceKey::parse(hint, default_port)
        .ok()
        .and_then(|key| topology.place(view.canonical(&key)))
        .map(|place| place.cluster.clone())
        .ok_or_else(|| NoCluster::Unknown(hint.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture;

    fn found(hint: &str) -> String {
        let drawn = picture::draw(
            "
            db10:3306  alias=shop
              db11:3306
            db20:3306
            10.0.0.11:3306
            ",
        );
        match cluster(&drawn.view, &Topology::of(&drawn.view), hint, 3306) {
            Ok(cluster) => String::from(&*cluster),
            Err(error) => alloc::format!("{error}"),
        }
    }

    #[test]
    fn a_cluster_is_found_by_name_alias_and_instance() {
        for hint in ["db10:3306", "shop", "db11:3306", "db11", "B11"] {
            assert_eq!(found(hint), "db10:3306", "{hint}");
        }
    }

    #[test]
    fn what_is_completed_is_not_named_in_full() {
        let drawn = picture::draw("db10:3306  alias=shop\n  db11:3306");
        let topology = Topology::of(&drawn.view);
        let is_named = |hint: &str| cluster_exactly(&drawn.view, &topology, hint, 3306).is_ok();
        assert!(["db10:3306", "shop", "db11:3306", "db11"].into_iter().all(is_named));
        assert!(!["b11", "db1", "nosuch", ""].into_iter().any(is_named));
    }

    #[test]
    fn a_hint_that_fits_several_or_none_finds_nothing() {
        assert_eq!(found(""), "no cluster is meant by an empty hint");
        for hint in ["db", "db11:3307", "10.0.0.1", "db1:x"] {
            assert_eq!(found(hint), alloc::format!("no cluster, alias or instance is called {hint:?}"));
        }
    }

    #[test]
    fn an_exact_name_wins_over_a_longer_one() {
        let drawn = picture::draw("db1:3306\ndb10:3306");
        let meant = InstanceKey::new("db1", 3306);
        assert_eq!(instance(&drawn.view, &meant), meant);
    }
}
