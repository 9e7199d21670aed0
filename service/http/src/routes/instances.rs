//! Reading instances.

use std::cmp::Reverse;

use orchestrator_core::{InstanceKey, view::InstanceRecord};
use orchestrator_wire::{Instance, cluster, key};

use crate::{
    call::Call,
    error::ApiError,
    ports::Picture,
    reply::{Outcome, raw, raw_or_null},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    P_ "instance/:host/:port" => instance,
    P_ "instance-replicas/:host/:port" => replicas,
    P_ "all-instances" => all,
    P_ "search" => search_by_query,
    P_ "search/:searchString" => search_by_path,
    P_ "problems" => problems,
    P_ "problems/:clusterName" => problems,
    P_ "downtimed" => downtimed,
    P_ "downtimed/:clusterHint" => downtimed_of_cluster,
    P_ "masters" => primaries,
    P_ "master/:clusterHint" => primary,
    PA "bulk-instances" => names,
    PA "bulk-promotion-rules" => promotion_rules,
];

/// `instance/:host/:port`.
async fn instance(call: Call) -> Outcome {
    let picture = call.picture();
    let key = call.known_key(&picture)?;
    raw(&call.lens(&picture).get(&key).ok_or(ApiError::UnknownInstance(key))?)
}

/// `instance-replicas/:host/:port`: those that replicate from it; none of an unknown one.
async fn replicas(call: Call) -> Outcome {
    let picture = call.picture();
    let key = call.known_key(&picture)?;
    let keys = picture.topology.place(&key).map_or(&[][..], |place| &place.replicas);
    raw(&call.lens(&picture).list(keys))
}

/// `all-instances`.
async fn all(call: Call) -> Outcome {
    search(&call, "")
}

/// `search?s=`.
async fn search_by_query(call: Call) -> Outcome {
    search(&call, call.query.get("s"))
}

/// `search/:searchString`.
async fn search_by_path(call: Call) -> Outcome {
    search(&call, call.param("searchString"))
}

/// The least deep first, then those with most replicas, then by cluster and name.
fn search(call: &Call, text: &str) -> Outcome {
    let picture = call.picture();
    let text = text.to_lowercase();
    let mut found: Vec<_> = picture
        .view
        .records()
        .filter(|(_, record)| matches(&picture, record, &text))
        .map(|(key, _)| key)
        .collect();
    found.sort_by_cached_key(|key| {
        let place = picture.topology.place(key);
        place.map(|place| (place.depth, Reverse(place.replicas.len()), place.cluster.clone()))
    });
    raw(&call.lens(&picture).list(found))
}

/// Part of one of its names or versions, or equal to its server id or port.
fn matches(picture: &Picture, record: &InstanceRecord, text: &str) -> bool {
    let instance = &record.instance;
    let place = picture.topology.place(&instance.key);
    let within = |field: &str| field.to_lowercase().contains(text);
    text.is_empty()
        || within(&instance.key.to_string())
        || within(&instance.identity.version)
        || within(&instance.identity.version_comment)
        || place.is_some_and(|place| within(&place.cluster) || within(&place.suggested_alias))
        || instance.identity.server_id.to_string() == text
        || instance.key.port.to_string() == text
}

/// `problems[/:clusterName]`: what is in downtime or named by a filter is left out. The name of the cluster
/// is a pattern with `%` and `_`.
async fn problems(call: Call) -> Outcome {
    let picture = call.picture();
    let lens = call.lens(&picture);
    let pattern = match call.param("clusterName") {
        "" => "%",
        pattern => pattern,
    };
    let problems: Vec<Instance> = picture
        .view
        .records()
        .filter(|(key, _)| !call.app.ports.filters.ignores_problems(key))
        .map(|(_, record)| lens.instance(record))
        .filter(|instance| !instance.problems.is_empty() && !instance.is_downtimed)
        .filter(|instance| like(pattern, &instance.cluster_name))
        .collect();
    raw_or_null(&problems)
}

/// SQL's `LIKE` without regard to case: `%` is any text, `_` any one character.
fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut of) = (0, 0);
    // Where the last `%` was, and how much of the text it takes.
    let mut retry = None;
    while at < text.len() {
        match pattern.get(of) {
            Some('%') => {
                retry = Some((at, of));
                of += 1;
            }
            Some(expected) if *expected == '_' || *expected == text[at] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((taken, percent)) = retry else { return false };
                retry = Some((taken + 1, percent));
                at = taken + 1;
                of = percent + 1;
            }
        }
    }
    pattern[of..].iter().all(|rest| *rest == '%')
}

/// `downtimed`.
async fn downtimed(call: Call) -> Outcome {
    let picture = call.picture();
    let keys: Vec<_> = picture.topology.clusters().flat_map(|(_, members)| members).collect();
    list_downtimed(&call, &picture, keys)
}

/// `downtimed/:clusterHint`.
async fn downtimed_of_cluster(call: Call) -> Outcome {
    let picture = call.picture();
    let cluster = call.cluster(&picture)?;
    list_downtimed(&call, &picture, picture.topology.members(&cluster).iter().collect())
}

fn list_downtimed(call: &Call, picture: &Picture, keys: Vec<&InstanceKey>) -> Outcome {
    let lens = call.lens(picture);
    raw(&lens.list(keys.into_iter().filter(|key| lens.downtime(key).is_some())))
}

/// `masters`: of each cluster the writable instance on top, in the order of the clusters' names.
async fn primaries(call: Call) -> Outcome {
    let picture = call.picture();
    let keys: Vec<_> = picture
        .topology
        .clusters()
        .filter_map(|(cluster, _)| on_top(&picture, cluster).into_iter().find(|(read_only, ..)| !read_only))
        .map(|(_, _, key)| key)
        .collect();
    raw_or_null(&call.lens(&picture).list(keys))
}

/// `master/:clusterHint`: the writable instance on top, else one that is read-only.
async fn primary(call: Call) -> Outcome {
    let picture = call.picture();
    let cluster = call.cluster(&picture)?;
    let (_, _, key) =
        *on_top(&picture, &cluster).first().ok_or_else(|| ApiError::NoPrimary(cluster.as_ref().into()))?;
    raw(&call.lens(&picture).get(key).ok_or_else(|| ApiError::UnknownInstance(key.clone()))?)
}

/// Instances on top of a cluster and co-primaries: writable ones first, then less deep ones.
fn on_top<'p>(picture: &'p Picture, cluster: &str) -> Vec<(bool, u32, &'p InstanceKey)> {
    let mut found: Vec<_> = picture
        .topology
        .members(cluster)
        .iter()
        .filter_map(|key| Some((key, picture.topology.place(key)?, picture.view.get(key)?)))
        .filter(|(_, place, _)| place.depth == 0 || place.is_co_primary)
        .map(|(key, place, record)| (record.instance.settings.read_only, place.depth, key))
        .collect();
    found.sort();
    found
}

/// `bulk-instances`: the names of all instances.
async fn names(call: Call) -> Outcome {
    raw_or_null(&key::sorted(call.picture().view.records().map(|(key, _)| key)))
}

/// `bulk-promotion-rules`: declared rules that still hold.
async fn promotion_rules(call: Call) -> Outcome {
    let picture = call.picture();
    let expiry = call.app.settings.limits.analysis.candidate_expiry;
    raw_or_null(&cluster::candidates(&picture.view.declared.candidates, expiry, picture.now))
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_as_in_sql() {
        for (pattern, text) in
            [("%", ""), ("", ""), ("db1:3306", "DB1:3306"), ("%b_:%", "db1:3306"), ("%a%b%", "xaab")]
        {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("_", ""), ("db", "db1"), ("%a_", "a"), ("a%b", "ac")] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_wildcards_takes_no_long_time() {
        assert!(!like(&"%a".repeat(200), &"a".repeat(199)));
    }
}
