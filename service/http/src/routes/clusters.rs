//! Reading clusters.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use orchestrator_core::heuristic;
use orchestrator_wire::{Key, tree};

use crate::{
    call::Call,
    error::ApiError,
    ports::Picture,
    reply::{Outcome, ok, raw, raw_or_null},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    P_ "cluster/:clusterHint" => cluster,
    P_ "cluster/alias/:clusterAlias" => cluster_by_alias,
    P_ "cluster/instance/:host/:port" => cluster,
    P_ "cluster-info/:clusterHint" => info,
    P_ "cluster-info/alias/:clusterAlias" => info_by_alias,
    P_ "cluster-osc-slaves/:clusterHint" => schema_change_controls,
    PA "cluster-pool-instances/:clusterName" => pools,
    PA "cluster-pool-instances/:clusterName/:pool" => pools,
    P_ "clusters" => names,
    P_ "clusters-info" => infos,
    P_ "topology/:clusterHint" => topology,
    P_ "topology/:host/:port" => topology,
    P_ "topology-tabulated/:clusterHint" => topology_tabulated,
    P_ "topology-tabulated/:host/:port" => topology_tabulated,
];

/// `cluster/:clusterHint`, `cluster/instance/:host/:port`: its instances in the order of their names.
async fn cluster(call: Call) -> Outcome {
    let picture = call.picture();
    members(&call, &picture, call.cluster(&picture))
}

/// `cluster/alias/:clusterAlias`.
async fn cluster_by_alias(call: Call) -> Outcome {
    let picture = call.picture();
    members(&call, &picture, call.cluster_by_alias(&picture))
}

fn members(call: &Call, picture: &Picture, cluster: Result<Arc<str>, ApiError>) -> Outcome {
    raw(&call.lens(picture).list(picture.topology.members(&cluster?)))
}

/// `cluster-info/:clusterHint`.
async fn info(call: Call) -> Outcome {
    let picture = call.picture();
    raw(&call.clusters(&picture).info(&call.cluster(&picture)?))
}

/// `cluster-info/alias/:clusterAlias`.
async fn info_by_alias(call: Call) -> Outcome {
    let picture = call.picture();
    raw(&call.clusters(&picture).info(&call.cluster_by_alias(&picture)?))
}

/// `cluster-osc-replicas/:clusterHint`: whose lag an online schema change should look at.
async fn schema_change_controls(call: Call) -> Outcome {
    let picture = call.picture();
    let cluster = call.cluster(&picture)?;
    let filters = &*call.app.ports.filters;
    let keys = heuristic::schema_change_controls(&picture.view, &picture.topology, filters, &cluster);
    raw(&call.lens(&picture).list(keys))
}

/// `cluster-pool-instances/:clusterName[/:pool]`: its instances by pool; none of an unknown cluster.
async fn pools(call: Call) -> Outcome {
    let (cluster, pool) = (call.param("clusterName"), call.param("pool"));
    let pool = (!pool.is_empty()).then(|| pool.to_owned());
    let members = call.app.ports.history.pool_members(pool).await?;
    let picture = call.picture();
    let mut pools = BTreeMap::<_, BTreeSet<Key>>::new();
    for member in members {
        let key = picture.view.canonical(&member.key);
        if picture.topology.place(key).is_some_and(|place| *place.cluster == *cluster) {
            pools.entry(member.pool).or_default().insert(key.into());
        }
    }
    ok(format!("Read pool instances for cluster {cluster}"), &pools)
}

/// `clusters`: their names.
async fn names(call: Call) -> Outcome {
    let names: Vec<_> = call.picture().topology.clusters().map(|(name, _)| name.to_string()).collect();
    raw_or_null(&names)
}

/// `clusters-info`.
async fn infos(call: Call) -> Outcome {
    let picture = call.picture();
    let clusters = call.clusters(&picture);
    let infos: Vec<_> = picture.topology.clusters().map(|(name, _)| clusters.info(name)).collect();
    raw(&infos)
}

/// `topology/…`: the tree as text.
async fn topology(call: Call) -> Outcome {
    drawn(&call, tree::plain)
}

/// `topology-tabulated/…`: the tree as a table.
async fn topology_tabulated(call: Call) -> Outcome {
    drawn(&call, tree::tabulated)
}

type Draw = fn(&[orchestrator_wire::Instance], &orchestrator_wire::Limits) -> String;

fn drawn(call: &Call, draw: Draw) -> Outcome {
    let picture = call.picture();
    let cluster = call.cluster(&picture)?;
    let instances = call.lens(&picture).list(picture.topology.members(&cluster));
    ok(format!("Topology for cluster {cluster}"), &draw(&instances, &call.app.settings.limits))
}
