//! From a command to rows: a function of the state and the command, and of nothing else.

use orchestrator_backend::{
    AccessTokenRow, Backend, BackendError, BeginOutcome, Block, CandidateRow, EndOutcome, KeyValueRow,
    ProgressOutcome,
};

use orchestrator_core::{InstanceKey, Timestamp};

use crate::command::{BeginRecovery, BlockedBy, Command, RegisterDetection, Reply};

use super::Effect;

type Applied = Result<(Reply, Vec<Effect>), BackendError>;

/// Carries `command` out on the state in `backend`, inside the caller's transaction.
///
/// Asks no clock, no network and no random numbers: everything that varies was filled in by the leader.
///
/// # Errors
/// The backend failed; the transaction must be taken back.
pub fn apply(backend: &mut dyn Backend, command: &Command) -> Applied {
    match command {
        Command::Heartbeat {} => Ok((Reply::Done, vec![])),
        Command::Discover { key, at } => {
            backend.add_discovered(key, *at)?;
            Ok((Reply::Done, vec![Effect::Probe(key.clone())]))
        }
        Command::Forget { key } => forget(backend, std::slice::from_ref(key)),
        Command::ForgetCluster { keys, .. } => forget(backend, keys),
        Command::BeginDowntime(downtime) if downtime.ends_at <= downtime.begins_at => {
            Ok((Reply::Refused { reason: "the downtime ends before it begins".into() }, vec![]))
        }
        Command::BeginDowntime(downtime) => declared(backend.begin_downtime(&downtime.into())),
        Command::EndDowntime { key } => end_downtime(backend, key),
        Command::RegisterCandidate { key, rule, at } => {
            let row = CandidateRow { key: key.clone(), rule: *rule, declared_at: *at };
            declared(backend.register_candidate(&row))
        }
        Command::DisableGlobalRecoveries { .. } => declared(backend.set_recoveries_disabled(true)),
        Command::EnableGlobalRecoveries { .. } => declared(backend.set_recoveries_disabled(false)),
        Command::SetClusterAlias { cluster, alias } => {
            declared(backend.set_cluster_alias(cluster, alias.as_deref()))
        }
        Command::PutKeyValue { key, value, at } => {
            let pair = KeyValueRow { key: key.clone(), value: value.clone() };
            backend.put_key_value(&pair, *at)?;
            Ok((Reply::Done, vec![Effect::KeyValue { key: pair.key, value: pair.value }]))
        }
        Command::Expire(expire) => declared(backend.expire(&expire.into())),
        Command::RegisterDetection(found) => detect(backend, found),
        Command::BeginRecovery(begin) => begin_recovery(backend, begin),
        Command::RecoveryProgress(progress) => match backend.progress_recovery(&progress.into())? {
            ProgressOutcome::Accepted { seq } => Ok((Reply::Progressed { seq }, changed(&progress.uid))),
            ProgressOutcome::Stale { seq } => Ok((Reply::Stale { seq }, vec![])),
        },
        Command::EndRecovery(end) => match backend.end_recovery(&end.into())? {
            EndOutcome::Ended { id } => Ok((Reply::Ended { id }, changed(&end.uid))),
            EndOutcome::Stale { seq } => Ok((Reply::Stale { seq }, vec![])),
        },
        Command::AckRecovery(ack) => {
            let ids = backend.acknowledge_recoveries(&ack.into())?;
            Ok((Reply::Acknowledged { ids }, changed("")))
        }
        Command::IssueAccessToken { public, secret, owner, at, forget_before } => {
            let token = AccessTokenRow {
                public: public.clone(),
                secret: secret.clone(),
                generated_at: *at,
                generated_by: owner.clone(),
                is_acquired: false,
                is_reentrant: false,
            };
            backend.issue_access_token(&token, *forget_before)?;
            Ok((Reply::Done, vec![]))
        }
        Command::RedeemAccessToken { public, secret, not_before, at } => {
            redeem(backend, public, secret, *not_before, *at)
        }
    }
}

fn redeem(
    backend: &mut dyn Backend,
    public: &str,
    secret: &str,
    not_before: Timestamp,
    at: Timestamp,
) -> Applied {
    let reply = if backend.redeem_access_token(public, secret, not_before, at)? {
        Reply::Done
    } else {
        Reply::Refused {
            reason: "there is no such access token, or it was redeemed, or it is too late".into(),
        }
    };
    Ok((reply, vec![]))
}

fn detect(backend: &mut dyn Backend, found: &RegisterDetection) -> Applied {
    let id = backend.register_detection(&found.into(), found.active_since)?;
    Ok((Reply::Detected { id }, id.map(|id| Effect::Detected { id }).into_iter().collect()))
}

fn begin_recovery(backend: &mut dyn Backend, begin: &BeginRecovery) -> Applied {
    match backend.begin_recovery(&begin.into())? {
        BeginOutcome::Accepted { id } => Ok((Reply::Accepted { id }, changed(&begin.uid))),
        BeginOutcome::Blocked(block) => Ok((Reply::Blocked(blocked_by(block)), vec![])),
    }
}

fn declared(result: Result<(), BackendError>) -> Applied {
    result.map(|()| (Reply::Done, vec![Effect::DeclaredChanged]))
}

fn changed(uid: &str) -> Vec<Effect> {
    vec![Effect::RecoveryChanged { uid: uid.into() }]
}

fn forget(backend: &mut dyn Backend, keys: &[InstanceKey]) -> Applied {
    let count = backend.forget_instances(keys)?;
    Ok((Reply::Forgotten { count }, vec![Effect::Forgotten(keys.to_vec())]))
}

/// Ending what is not there is no error, as in the original.
fn end_downtime(backend: &mut dyn Backend, key: &InstanceKey) -> Applied {
    let ended = backend.end_downtime(key)?;
    Ok((Reply::Done, ended.then_some(Effect::DeclaredChanged).into_iter().collect()))
}

fn blocked_by(block: Block) -> BlockedBy {
    let Block { reason, id, uid } = block;
    BlockedBy { code: reason.as_str().into(), reason: reason.to_string(), id, uid }
}
