//! [`Probe`] on real servers.

use std::time::Duration;

use futures::future::BoxFuture;
use orchestrator_core::{
    InstanceKey,
    observation::{Failure, FailureKind, Observation, Outcome, Reading},
};
use tokio::time::Instant;

use crate::{
    cells::Cells,
    contract::{Alive, Pace, Probe},
    failure::failure,
    fleet::{Fleet, now},
    reader::{LabelsFrom, read},
    session::{QueryError, UNKNOWN_VARIABLE},
    watch::Watch,
};

/// The cheapest statement that tells who answers. `@@server_uuid` would fail on MariaDB.
const TOUCH: &str = "SELECT @@server_id AS server_id, @@read_only AS read_only";
/// The same where a UUID is known to exist.
const TOUCH_WITH_UUID: &str =
    "SELECT @@server_id AS server_id, @@server_uuid AS server_uuid, @@read_only AS read_only";

impl Probe for Fleet {
    fn probe<'a>(&'a self, key: &'a InstanceKey) -> BoxFuture<'a, Observation> {
        Box::pin(observe(key, self.read_held(key)))
    }

    fn probe_fresh<'a>(&'a self, key: &'a InstanceKey, deadline: Duration) -> BoxFuture<'a, Observation> {
        let deadline = Instant::now() + deadline;
        Box::pin(observe(key, self.read_anew(key, deadline, deadline, LabelsFrom::Server)))
    }

    fn touch_fresh<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Alive, Failure>> {
        Box::pin(self.touch(key, Instant::now() + deadline))
    }

    fn watch(&self, key: &InstanceKey, pace: Pace) -> Watch {
        let (fleet, key) = (self.clone(), key.clone());
        Watch::run(move |events| crate::pulse::keep_watching(fleet, key, pace, events))
    }

    fn forget(&self, key: &InstanceKey) {
        self.drop_slot(key);
    }
}

async fn observe(key: &InstanceKey, reading: impl Future<Output = Result<Reading, Failure>>) -> Observation {
    let started_at = now();
    let outcome = match reading.await {
        Ok(reading) => Outcome::Read(Box::new(reading)),
        Err(failure) => Outcome::Failed(failure),
    };
    Observation { key: key.clone(), started_at, finished_at: now(), outcome }
}

impl Fleet {
    /// Over the held connection; over a new one if there is none or it turns out to be broken, since a held
    /// one may have been broken for reasons of its own (killed, timed out, a restart long ago).
    async fn read_held(&self, key: &InstanceKey) -> Result<Reading, Failure> {
        let (config, slot) = (self.config(), self.slot(key));
        if let Some(mut session) = slot.take_idle() {
            let deadline = Instant::now() + config.settings.read_timeout;
            match read(&config, &slot, key, &mut session, deadline, LabelsFrom::Memory).await {
                Err(failure) if failure.kind == FailureKind::Broken => {}
                result => {
                    slot.keep_idle(session);
                    return result;
                }
            }
        }
        let connected_by = Instant::now() + config.settings.connect_timeout;
        self.read_anew(key, connected_by, connected_by + config.settings.read_timeout, LabelsFrom::Memory)
            .await
    }

    async fn read_anew(
        &self,
        key: &InstanceKey,
        connected_by: Instant,
        read_by: Instant,
        labels: LabelsFrom,
    ) -> Result<Reading, Failure> {
        let mut session = self.connect(key, connected_by).await?;
        let (config, slot) = (self.config(), self.slot(key));
        let result = read(&config, &slot, key, &mut session, read_by, labels).await;
        slot.keep_idle(session);
        result
    }

    async fn touch(&self, key: &InstanceKey, deadline: Instant) -> Result<Alive, Failure> {
        let mut session = self.connect(key, deadline).await?;
        let slot = self.slot(key);
        let has_uuid = slot.memory().who.as_ref().is_some_and(|who| !who.server_uuid.is_empty());
        let sql = if has_uuid { TOUCH_WITH_UUID } else { TOUCH };
        let row = match session.first(sql, deadline).await {
            // Another server than before.
            Err(QueryError::Server(error)) if error.code == UNKNOWN_VARIABLE => {
                session.first(TOUCH, deadline).await
            }
            result => result,
        };
        let row = row.map_err(QueryError::into_failure)?;
        let row = row.ok_or_else(|| failure(FailureKind::Nonsense, "no row"))?;
        let cells = Cells::new(&row);
        Ok(Alive {
            server_id: cells.small(&["server_id"]),
            server_uuid: cells.string(&["server_uuid"]),
            read_only: cells.truth(&["read_only"]) == Some(true),
        })
    }
}
