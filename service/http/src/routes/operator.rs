//! What only the operator of the group may ask for: posted, with a token of its own; and the one of these that people
//! ask for as well.

use std::sync::Arc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    call::Call,
    error::ApiError,
    operator::{BootstrapWish, MembersChange, MembersWish, OperatorError},
    ports::{Raft, Reloaded},
    reply::{Outcome, ok, raw},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    PT "raft-membership" => membership,
    LT "raft-bootstrap" => bootstrap,
    LT "raft-force-new-cluster" => force,
    LT "operator/reload" => reload,
    LT "operator/status" => status,
    LT "operator/transfer" => transfer,
    LA "reload-configuration" => reload_configuration,
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct MembershipBody {
    op: Op,
    addr: Option<String>,
    voters: Option<Vec<u64>>,
    remove_nodes: Option<Vec<u64>>,
    expect_membership_log_index: u64,
    #[serde(rename = "ClusterID")]
    cluster_id: String,
}

#[derive(Deserialize)]
enum Op {
    AddLearner,
    Change,
    RemoveLearner,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MembershipAnswer {
    membership_log_index: u64,
    #[serde(rename = "NodeID", skip_serializing_if = "Option::is_none")]
    node_id: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BootstrapBody {
    /// Tells repetitions of one request from every other request; none is a token as well.
    #[serde(default)]
    token: String,
    #[serde(rename = "ClusterID")]
    cluster_id: String,
    members: Vec<FirstMember>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct FirstMember {
    #[serde(rename = "NodeID")]
    node_id: u64,
    addr: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ForceBody {
    #[serde(rename = "ClusterID")]
    cluster_id: String,
    epoch: u64,
}

/// A group and its epoch.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupAnswer {
    #[serde(rename = "ClusterID")]
    cluster_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReloadAnswer {
    config_hash: String,
    raft_nodes_hash: String,
    taken_over: Vec<String>,
    needs_restart: Vec<String>,
    problems: Vec<String>,
}

fn group(call: &Call, name: &'static str) -> Result<Arc<dyn Raft>, ApiError> {
    call.app.ports.raft.clone().ok_or(ApiError::NoRaft(name))
}

fn body<T: DeserializeOwned>(call: &Call) -> Result<T, ApiError> {
    Ok(serde_json::from_slice(&call.body).map_err(OperatorError::BadBody)?)
}

/// `raft-membership`: one change with compare-and-set, at the leader.
async fn membership(call: Call) -> Outcome {
    let group = group(&call, "raft-membership")?;
    let wish = wish(body(&call)?)?;
    let done = group.change_members(wish).await.map_err(OperatorError::from)?;
    raw(&MembershipAnswer { membership_log_index: done.index, node_id: done.node_id })
}

fn wish(body: MembershipBody) -> Result<MembersWish, OperatorError> {
    let change = match (body.op, body.addr, body.voters, body.remove_nodes.as_deref()) {
        (Op::AddLearner, Some(addr), None, None) => MembersChange::AddLearner(addr),
        (Op::Change, None, Some(voters), None) => MembersChange::Voters(voters.into_iter().collect()),
        (Op::RemoveLearner, None, None, Some(&[node])) => MembersChange::RemoveLearner(node),
        _ => {
            return Err(OperatorError::BadRequest(
                "AddLearner takes Addr, Change takes Voters, RemoveLearner takes one number in RemoveNodes",
            ));
        }
    };
    Ok(MembersWish { cluster_id: body.cluster_id, expected_index: body.expect_membership_log_index, change })
}

/// `raft-bootstrap`: forms the group out of empty nodes; the same again answers the same, any other is refused.
async fn bootstrap(call: Call) -> Outcome {
    let group = group(&call, "raft-bootstrap")?;
    let BootstrapBody { token, cluster_id, members } = body(&call)?;
    let members = members.into_iter().map(|member| (member.node_id, member.addr)).collect();
    let wish = BootstrapWish { token, cluster_id: cluster_id.clone(), members };
    group.bootstrap(wish).await.map_err(OperatorError::from)?;
    raw(&GroupAnswer { cluster_id, epoch: None })
}

/// `raft-force-new-cluster`: this node alone goes on, in a new epoch, after a restart that it begins itself.
async fn force(call: Call) -> Outcome {
    let group = group(&call, "raft-force-new-cluster")?;
    let ForceBody { cluster_id, epoch } = body(&call)?;
    let epoch = group.force_new_cluster(cluster_id.clone(), epoch).await.map_err(OperatorError::from)?;
    raw(&GroupAnswer { cluster_id, epoch: Some(epoch) })
}

/// `operator/reload`: on this node, leader or not; answers what holds now and what waits for a restart.
async fn reload(call: Call) -> Outcome {
    let read = call.app.ports.node.reload("an operator".into()).await.map_err(OperatorError::from)?;
    let Reloaded { config_hash, raft_nodes_hash, taken_over, needs_restart, problems } = read;
    raw(&ReloadAnswer { config_hash, raft_nodes_hash, taken_over, needs_restart, problems })
}

/// `operator/status`: `raft-status`, whoever else is let in.
async fn status(call: Call) -> Outcome {
    raw(&group(&call, "raft-state")?.status())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TransferBody {
    to: String,
}

/// `operator/transfer`: asks this node to hand leadership over to a member, as `raft-yield` does, and does not wait.
async fn transfer(call: Call) -> Outcome {
    let group = group(&call, "raft-yield")?;
    let TransferBody { to } = body(&call)?;
    group.yield_to(to);
    ok("Asynchronously yielded", &())
}

/// `reload-configuration`: the same for people; as in the original, followers refuse.
async fn reload_configuration(call: Call) -> Outcome {
    call.app.ports.node.reload(call.actor()).await?;
    ok("Config reloaded", &"")
}
