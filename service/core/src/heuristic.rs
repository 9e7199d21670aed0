//! Lists of instances that suit a purpose, by rules of thumb.

use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::{key::InstanceKey, policy::Filters, topology::Topology, view::TopologyView};

/// Most instances that are taken of one tier in one data center, and of the replicas of one instance:
/// enough to notice lag, few enough to ask them all the time.
const TAKEN_MAX: usize = 2;

/// Instances of a cluster whose lag tells whether an online schema change may go on; none of an unknown cluster.
///
/// First, of each data center up to two of those directly below the top; then up to two replicas of each of
/// these; then up to two of each data center at depth three. Those with most replicas come first; of those
/// without any, the most lagging, where unknown lag counts as none. Left out are instances whose last check
/// failed, that do not apply what they serve, or that a filter names. Data centers are in descending order
/// of their names, as people know the list.
pub fn schema_change_controls<'t>(
    view: &TopologyView,
    topology: &'t Topology,
    filters: &dyn Filters,
    cluster: &str,
) -> Vec<&'t InstanceKey> {
    let members = topology.members(cluster).iter().filter(|key| !filters.ignores_for_osc(key));
    let suitable: Vec<_> = members.filter_map(|key| Control::of(view, topology, key)).collect();
    let tier = |depth| suitable.iter().filter(move |control| control.depth == depth).copied();
    let first = best_of_data_centers(tier(1).collect());
    let second = first.iter().flat_map(|above| {
        best(tier(2).filter(|control| control.source == Some(above.key)).collect()).into_iter()
    });
    let third = best_of_data_centers(tier(3).collect());
    first.iter().copied().chain(second).chain(third).map(|control| control.key).collect()
}

/// One instance that could be asked, with what it is chosen by.
#[derive(Clone, Copy)]
struct Control<'t, 'v> {
    key: &'t InstanceKey,
    source: Option<&'t InstanceKey>,
    depth: u32,
    data_center: &'v str,
    replicas: usize,
    lag_seconds: u64,
}

impl<'t, 'v> Control<'t, 'v> {
    fn of(view: &'v TopologyView, topology: &'t Topology, key: &'t InstanceKey) -> Option<Self> {
        let (place, record) = (topology.place(key)?, view.get(key)?);
        let instance = &record.instance;
        let control = Self {
            key,
            source: place.source.as_ref(),
            depth: place.depth,
            data_center: &instance.labels.data_center,
            replicas: place.replicas.len(),
            lag_seconds: instance.lag_seconds.unwrap_or(0),
        };
        (record.checks.is_valid() && !instance.is_binlog_server()).then_some(control)
    }

    /// Smaller is taken earlier. Lag counts only where nothing is below; names make the order total.
    fn rank(&self) -> impl Ord + use<'t> {
        let lag = if self.replicas == 0 { self.lag_seconds } else { 0 };
        (Reverse(self.replicas), Reverse(lag), self.key)
    }
}

fn best<'t, 'v>(mut controls: Vec<Control<'t, 'v>>) -> Vec<Control<'t, 'v>> {
    controls.sort_by_key(Control::rank);
    controls.truncate(TAKEN_MAX);
    controls
}

fn best_of_data_centers<'t, 'v>(mut controls: Vec<Control<'t, 'v>>) -> Vec<Control<'t, 'v>> {
    controls.sort_by_key(|control| Reverse(control.data_center));
    controls
        .chunk_by(|one, next| one.data_center == next.data_center)
        .map(<[_]>::to_vec)
        .flat_map(best)
        .collect()
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;
    use crate::{picture, policy::NoFilters};

    /// Ignores hosts that begin with `ignored`.
    struct ByName;

    impl Filters for ByName {
        fn recovers_primaries(&self, _: &str, _: &str) -> bool {
            false
        }
        fn recovers_intermediate_primaries(&self, _: &str, _: &str) -> bool {
            false
        }
        fn bans_promotion(&self, _: &InstanceKey) -> bool {
            false
        }
        fn ignores_in_analysis(&self, _: &InstanceKey) -> bool {
            false
        }
        fn ignores_problems(&self, _: &InstanceKey) -> bool {
            false
        }
        fn ignores_for_osc(&self, key: &InstanceKey) -> bool {
            key.hostname.starts_with("ignored")
        }
    }

    fn filtered(drawing: &str, filters: &dyn Filters) -> String {
        let drawn = picture::draw(drawing);
        let topology = Topology::of(&drawn.view);
        let keys = schema_change_controls(&drawn.view, &topology, filters, "a:3306");
        keys.iter().map(|key| key.hostname.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn controls(drawing: &str) -> String {
        filtered(drawing, &NoFilters)
    }

    #[test]
    fn a_primary_is_no_control_of_itself() {
        assert_eq!(controls("a"), "");
        assert_eq!(controls("b"), "", "the cluster is not known");
    }

    #[test]
    fn the_busiest_of_the_first_tier_bring_two_replicas_each() {
        let drawing = "
            a
              b
                b1
              c
                c1
                c2
                c3
              d
                d1
                d2
              e";
        assert_eq!(controls(drawing), "c d c1 c2 d1 d2");
    }

    #[test]
    fn of_leaves_the_most_lagging_are_taken() {
        assert_eq!(controls("a\n  b lag=1\n  c lag=7\n  d lag=null\n  e lag=3"), "c e");
        assert_eq!(controls("a\n  b lag=null\n  c\n  d"), "b c", "unknown lag is none");
        let below = "a\n  b\n    b1\n    b2 lag=5\n    b3\n      x\n  c lag=9\n  d lag=8";
        assert_eq!(controls(below), "b c b3 b2 x");
    }

    #[test]
    fn an_intermediate_primary_comes_before_any_lagging_leaf() {
        assert_eq!(controls("a\n  b lag=50\n  c lag=60\n  d lag=0\n    d1"), "d c d1");
        assert_eq!(controls("a\n  b lag=0\n    b1\n  c lag=9\n    c1\n  d\n    d1"), "b c b1 c1");
    }

    #[test]
    fn every_data_center_has_its_two() {
        let drawing = "
            a dc=east
              b dc=east
              c dc=east lag=1
              d dc=east lag=2
              e dc=west
              f dc=west
                f1 dc=east
              g";
        assert_eq!(controls(drawing), "f e d c g f1");
    }

    #[test]
    fn the_third_tier_is_taken_by_data_center_whatever_is_above() {
        let drawing = "
            a
              b
                b1
                  x1
                  x2
                    deep
                b2
                b3
                  y1 dc=west
                  y2 lag=4";
        assert_eq!(controls(drawing), "b b1 b3 y1 x2 y2");
    }

    #[test]
    fn what_cannot_tell_lag_is_left_out() {
        let drawing = "
            a
              b unreachable
                b1
              c maxscale
                c1
              ignored
                i1
              d
                ignored-d
                d1";
        assert_eq!(filtered(drawing, &ByName), "d d1");
    }

    #[test]
    fn a_ring_is_not_walked_around() {
        assert_eq!(controls("a source=b\n  b\n    c"), "b c");
    }
}
