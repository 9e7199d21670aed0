//! Detections, recoveries, and what people say about them.

use orchestrator_wire::{BlockedRecovery, ClusterInfo, Key, RecoveryStep, TopologyRecovery};

use crate::{
    call::Call,
    error::ApiError,
    ports::{AckScope, DetectionFilter, Picture, RecoverOutcome, RecoverWish, RecoveryFilter},
    reply::{Outcome, ok, ok_key, raw},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    P_ "audit-failure-detection" => detections,
    P_ "audit-failure-detection/:page" => detections,
    P_ "audit-failure-detection/id/:id" => detection_by_id,
    P_ "audit-failure-detection/alias/:clusterAlias" => detections_by_alias,
    P_ "audit-failure-detection/alias/:clusterAlias/:page" => detections_by_alias,
    P_ "audit-recovery" => recoveries,
    P_ "audit-recovery/:page" => recoveries,
    P_ "audit-recovery/id/:id" => recovery_by_id,
    P_ "audit-recovery/uid/:uid" => recovery_by_uid,
    P_ "audit-recovery/cluster/:clusterName" => recoveries_by_cluster,
    P_ "audit-recovery/cluster/:clusterName/:page" => recoveries_by_cluster,
    P_ "audit-recovery/alias/:clusterAlias" => recoveries_by_alias,
    P_ "audit-recovery/alias/:clusterAlias/:page" => recoveries_by_alias,
    P_ "audit-recovery-steps/:uid" => steps,
    P_ "blocked-recoveries" => blocked,
    P_ "blocked-recoveries/cluster/:clusterName" => blocked_by_cluster,
    PA "recover/:host/:port" => recover,
    PA "recover/:host/:port/:candidateHost/:candidatePort" => recover,
    PA "recover-lite/:host/:port" => recover_lite,
    PA "recover-lite/:host/:port/:candidateHost/:candidatePort" => recover_lite,
    PA "ack-recovery/cluster/:clusterHint" => ack_cluster,
    PA "ack-recovery/cluster/alias/:clusterAlias" => ack_cluster_by_alias,
    PA "ack-recovery/instance/:host/:port" => ack_instance,
    PA "ack-recovery/:recoveryId" => ack_by_id,
    PA "ack-recovery/uid/:uid" => ack_by_uid,
    PA "ack-all-recoveries" => ack_all,
    PA "disable-global-recoveries" => disable_global,
    PA "enable-global-recoveries" => enable_global,
    P_ "check-global-recoveries" => check_global,
];

/// `audit-failure-detection[/:page]`.
async fn detections(call: Call) -> Outcome {
    list_detections(&call, DetectionFilter::All).await
}

/// `audit-failure-detection/id/:id`.
async fn detection_by_id(call: Call) -> Outcome {
    list_detections(&call, DetectionFilter::Id(call.id("id")?)).await
}

/// `audit-failure-detection/alias/:clusterAlias[/:page]`.
async fn detections_by_alias(call: Call) -> Outcome {
    list_detections(&call, DetectionFilter::Alias(call.param("clusterAlias").into())).await
}

async fn list_detections(call: &Call, filter: DetectionFilter) -> Outcome {
    let records = call.app.ports.history.detections(filter, call.page()).await?;
    let describe = describer(call);
    let list: Vec<_> =
        records.into_iter().map(|record| TopologyRecovery::detected(record, &describe)).collect();
    raw(&list)
}

/// What the configuration of this node says of a cluster that may be gone.
fn describer(call: &Call) -> impl Fn(&str, &str) -> ClusterInfo {
    let picture = call.picture();
    let filters = call.app.ports.filters.clone();
    move |cluster: &str, alias: &str| {
        orchestrator_wire::Clusters { topology: &picture.topology, filters: &*filters }
            .recorded(cluster, alias)
    }
}

/// `audit-recovery[/:page]`.
async fn recoveries(call: Call) -> Outcome {
    list_recoveries(&call, RecoveryFilter::All).await
}

/// `audit-recovery/id/:id`.
async fn recovery_by_id(call: Call) -> Outcome {
    list_recoveries(&call, RecoveryFilter::Id(call.id("id")?)).await
}

/// `audit-recovery/uid/:uid`.
async fn recovery_by_uid(call: Call) -> Outcome {
    list_recoveries(&call, RecoveryFilter::Uid(call.param("uid").into())).await
}

/// `audit-recovery/cluster/:clusterName[/:page]`: by name, else by alias, which one operator passes here.
async fn recoveries_by_cluster(call: Call) -> Outcome {
    let name = call.param("clusterName");
    let by_name = read_recoveries(&call, RecoveryFilter::Cluster(name.into())).await?;
    if by_name.is_empty() {
        return list_recoveries(&call, RecoveryFilter::Alias(name.into())).await;
    }
    raw(&by_name)
}

/// `audit-recovery/alias/:clusterAlias[/:page]`.
async fn recoveries_by_alias(call: Call) -> Outcome {
    list_recoveries(&call, RecoveryFilter::Alias(call.param("clusterAlias").into())).await
}

async fn list_recoveries(call: &Call, filter: RecoveryFilter) -> Outcome {
    raw(&read_recoveries(call, filter).await?)
}

async fn read_recoveries(call: &Call, filter: RecoveryFilter) -> Result<Vec<TopologyRecovery>, ApiError> {
    let unacknowledged = call.query.is_true("unacknowledged");
    let records = call.app.ports.history.recoveries(filter, unacknowledged, call.page()).await?;
    let describe = describer(call);
    Ok(records.into_iter().map(|record| TopologyRecovery::stored(record, &describe)).collect())
}

/// `audit-recovery-steps/:uid`: oldest first.
async fn steps(call: Call) -> Outcome {
    let steps = call.app.ports.history.steps(call.param("uid").into()).await?;
    raw(&steps.into_iter().map(RecoveryStep::from).collect::<Vec<_>>())
}

/// `blocked-recoveries`.
async fn blocked(call: Call) -> Outcome {
    list_blocked(&call, None).await
}

/// `blocked-recoveries/cluster/:clusterName`.
async fn blocked_by_cluster(call: Call) -> Outcome {
    list_blocked(&call, Some(call.param("clusterName").into())).await
}

async fn list_blocked(call: &Call, cluster: Option<String>) -> Outcome {
    let blocked = call.app.ports.history.blocked(cluster).await?;
    raw(&blocked.into_iter().map(BlockedRecovery::from).collect::<Vec<_>>())
}

/// `recover/…`: `skipProcesses=true` leaves external processes out.
async fn recover(call: Call) -> Outcome {
    let skip_hooks = call.query.is_true("skipProcesses");
    recover_with(&call, skip_hooks).await
}

/// `recover-lite/…`: without external processes.
async fn recover_lite(call: Call) -> Outcome {
    recover_with(&call, true).await
}

async fn recover_with(call: &Call, skip_hooks: bool) -> Outcome {
    let picture = call.picture();
    let failed = call.known_key(&picture)?;
    let candidate = match call.param("candidateHost") {
        "" => None,
        _ => Some(picture.find(call.key_of("candidateHost", "candidatePort")?)),
    };
    let wish = RecoverWish { failed: failed.clone(), candidate, skip_hooks, by: call.actor() };
    let refused = |message: String| ApiError::NotRecovered { message, failed: failed.clone() };
    let or = |text: String, default: &str| if text.is_empty() { default.into() } else { text };
    match call.app.ports.commands.recover(wish).await {
        Ok(RecoverOutcome::Promoted(successor)) => {
            ok_key(format!("Recovery executed on {failed}"), &successor)
        }
        Ok(RecoverOutcome::NotAttempted(text)) => Err(refused(or(text, "Recovery not attempted"))),
        Ok(RecoverOutcome::NobodyPromoted(text)) => {
            Err(refused(or(text, "Recovery attempted but no instance promoted")))
        }
        Err(error) => Err(refused(ApiError::from(error).to_string())),
    }
}

/// `ack-recovery/cluster/:clusterHint`: a hint that only resembles the name of a cluster closes nothing.
async fn ack_cluster(call: Call) -> Outcome {
    comment(&call)?;
    let picture = call.picture();
    let hint = call.param("clusterHint");
    let cluster = picture.cluster_exactly(hint, call.app.settings.default_instance_port)?;
    acknowledge_cluster(&call, &picture, &cluster).await
}

/// `ack-recovery/cluster/alias/:clusterAlias`.
async fn ack_cluster_by_alias(call: Call) -> Outcome {
    comment(&call)?;
    let picture = call.picture();
    acknowledge_cluster(&call, &picture, &call.cluster_by_alias(&picture)?).await
}

async fn acknowledge_cluster(call: &Call, picture: &Picture, cluster: &str) -> Outcome {
    let alias = picture.topology.alias(cluster).unwrap_or(cluster);
    let scope = AckScope::Cluster { name: cluster.into(), alias: alias.into() };
    acknowledge(call, scope, "Acknowledged cluster recoveries", &cluster).await
}

/// `ack-recovery/instance/:host/:port`.
async fn ack_instance(call: Call) -> Outcome {
    let key = call.known_key(&call.picture())?;
    let details = Key::from(&key);
    acknowledge(&call, AckScope::Instance(key), "Acknowledged instance recoveries", &details).await
}

/// `ack-recovery/:recoveryId`: the details are the number as text.
async fn ack_by_id(call: Call) -> Outcome {
    let id = call.id("recoveryId")?;
    comment(&call)?;
    check_known(&call, RecoveryFilter::Id(id), &id.to_string()).await?;
    acknowledge(&call, AckScope::Id(id), "Acknowledged recovery", &id.to_string()).await
}

/// `ack-recovery/uid/:uid`.
async fn ack_by_uid(call: Call) -> Outcome {
    let uid = call.param("uid").to_owned();
    comment(&call)?;
    check_known(&call, RecoveryFilter::Uid(uid.clone()), &uid).await?;
    acknowledge(&call, AckScope::Uid(uid.clone()), "Acknowledged recovery", &uid).await
}

/// The original says of any number that it was acknowledged.
async fn check_known(call: &Call, filter: RecoveryFilter, name: &str) -> Result<(), ApiError> {
    let known = call.app.ports.history.recoveries(filter, false, call.page()).await?;
    if known.is_empty() { Err(ApiError::UnknownRecovery(name.into())) } else { Ok(()) }
}

/// `ack-all-recoveries`: the details are the comment.
async fn ack_all(call: Call) -> Outcome {
    let comment = comment(&call)?;
    acknowledge(&call, AckScope::All, "Acknowledged all recoveries", &comment).await
}

/// The comment that closing a recovery takes.
fn comment(call: &Call) -> Result<String, ApiError> {
    match call.query.get("comment").trim() {
        "" => Err(ApiError::NoComment),
        comment => Ok(comment.into()),
    }
}

async fn acknowledge(
    call: &Call,
    scope: AckScope,
    message: &str,
    details: &(impl serde::Serialize + Sync),
) -> Outcome {
    let comment = comment(call)?;
    call.app.ports.commands.acknowledge(scope, call.actor(), comment).await?;
    ok(message, details)
}

/// `disable-global-recoveries`.
async fn disable_global(call: Call) -> Outcome {
    call.app.ports.commands.set_global_recoveries(false).await?;
    ok("Globally disabled recoveries", &"disabled")
}

/// `enable-global-recoveries`.
async fn enable_global(call: Call) -> Outcome {
    call.app.ports.commands.set_global_recoveries(true).await?;
    ok("Globally enabled recoveries", &"enabled")
}

/// `check-global-recoveries`.
async fn check_global(call: Call) -> Outcome {
    let word = if call.picture().view.declared.recoveries_disabled { "disabled" } else { "enabled" };
    ok(format!("Global recoveries {word}"), &word)
}
