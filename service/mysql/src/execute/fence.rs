//! Making a server read-only that may be unable to answer.

use std::{pin::pin, time::Duration};

use orchestrator_core::{InstanceKey, observation::FailureKind};
use tokio::time::{Instant, timeout};

use crate::{
    contract::Fenced,
    dialect::set_global,
    fleet::{Fleet, Slot},
    session::{QueryError, Session},
};

/// How long an unanswered fence is kept in its socket. Longer than any failover; then TCP has long given up
/// on a machine that is gone.
const HOLD: Duration = Duration::from_secs(600);

/// Sends the fence over the connection in reserve, else over the probe's, else over a new one.
pub(super) async fn fence(fleet: &Fleet, key: &InstanceKey, patience: Duration) -> Fenced {
    let slot = fleet.slot(key);
    if slot.memory().fencing {
        return Fenced::Queued;
    }
    let held = slot.take_reserve().or_else(|| slot.take_idle());
    if let Some(session) = held {
        match send(fleet, &slot, session, patience).await {
            Fenced::NotReached(failure) if failure.kind == FailureKind::Broken => {}
            fenced => return fenced,
        }
    }
    match fleet.connect(key, Instant::now() + patience).await {
        Ok(session) => send(fleet, &slot, session, patience).await,
        Err(failure) => Fenced::NotReached(failure),
    }
}

async fn send(fleet: &Fleet, slot: &std::sync::Arc<Slot>, session: Session, patience: Duration) -> Fenced {
    let mut fencing = Box::pin(make_read_only(slot.clone(), session));
    match timeout(patience, pin!(&mut fencing)).await {
        Ok(fenced) => fenced,
        Err(_) => {
            let slot = slot.clone();
            slot.memory().fencing = true;
            fleet.hold(async move {
                let _ = timeout(HOLD, fencing).await;
                slot.memory().fencing = false;
            });
            Fenced::Queued
        }
    }
}

/// `super_read_only` wherever it exists: a fence that privileged clients pass is none.
async fn make_read_only(slot: std::sync::Arc<Slot>, mut session: Session) -> Fenced {
    let server = session.server.clone().or_else(|| slot.memory().server.clone());
    let with_super = server.is_some_and(|server| server.known.super_read_only);
    let mut result = Ok(());
    if with_super {
        result = session.wait(&set_global("super_read_only", true)).await.map(drop);
    }
    if !with_super || matches!(result, Err(QueryError::Server(_))) {
        result = session.wait(&set_global("read_only", true)).await.map(drop);
    }
    slot.keep_reserve(session);
    match result {
        Ok(()) => Fenced::Done,
        Err(QueryError::Server(error)) => Fenced::Refused(error.code, error.message),
        Err(QueryError::Failure(failure)) => Fenced::NotReached(failure),
    }
}
