//! What people ask for. Called at the leader only.

use std::{collections::BTreeSet, sync::Arc};

use futures::FutureExt;
use orchestrator_core::{InstanceKey, aftermath, instance::PromotionRule, lookup, view::InstanceRecord};
use orchestrator_http::ports::{
    AckScope, Answer, Commands, DowntimeWish, InstanceOperation, PortError, RecoverOutcome, RecoverWish,
};
use orchestrator_mysql::{Change, ExecError};
use orchestrator_raft::command::{Acknowledge, Command, DeclareDowntime, Reply, Selector};

use super::NodeApi;
use crate::clock;

impl NodeApi {
    async fn probed(&self, key: InstanceKey) -> Result<Arc<InstanceRecord>, PortError> {
        let probed = self.discovery.probe(key.clone(), self.probe_timeout).await;
        let record = probed.map_err(|error| PortError::Failed(error.to_string()))?;
        match &record.checks.failure {
            Some(failure) => Err(PortError::Instance(key, failure.clone())),
            None => Ok(record),
        }
    }

    /// A misspelt name would stay in the lists for ever. One that some replica names as its source stays.
    async fn drop_never_seen(&self, key: &InstanceKey) {
        let picture = self.pictures.fresh();
        let key = picture.view.canonical(key);
        if lookup::is_only_a_name(&picture.view, &picture.topology, key) {
            self.discovery.forget(key.clone()).await;
            self.pictures.forget(key);
        }
    }

    /// What a recovery left behind is made read-only again: opening it would last for a second.
    fn check_opening(&self, key: &InstanceKey) -> Result<(), PortError> {
        let picture = self.pictures.current();
        let declared = &picture.view.declared;
        if self.closes_old_primaries
            && aftermath::is_left_behind(declared, picture.view.canonical(key), picture.now)
        {
            return Err(PortError::Failed(format!(
                "{key} was left behind by a recovery and would be made read-only again: \
                 end its downtime first (end-downtime)"
            )));
        }
        Ok(())
    }

    fn cluster_of(&self, key: &InstanceKey) -> String {
        let picture = self.pictures.current();
        picture.topology.place(key).map_or_else(String::new, |place| place.cluster.to_string())
    }

    fn note(&self, kind: &str, key: &InstanceKey, message: &str) {
        self.audit.note(kind, Some(key), &self.cluster_of(key), message);
    }

    async fn change(&self, key: &InstanceKey, change: Change) -> Result<(), PortError> {
        let changed = self.fleet.change(key, change, self.operation_timeout).await;
        changed.map_err(|error| match error {
            ExecError::Failure { failure, .. } => PortError::Instance(key.clone(), failure),
            other => PortError::Failed(other.to_string()),
        })
    }
}

impl Commands for NodeApi {
    fn discover(&self, key: InstanceKey) -> Answer<'_, Option<Arc<InstanceRecord>>> {
        async move {
            if self.filters.ignores(&key) {
                return Ok(None);
            }
            let record = match self.probed(key.clone()).await {
                Ok(record) => record,
                Err(error) => {
                    self.drop_never_seen(&key).await;
                    return Err(error);
                }
            };
            let key = record.instance.key.clone();
            self.propose(Command::Discover { key, at: clock::now() }).await?;
            self.pictures.fresh();
            Ok(Some(record))
        }
        .boxed()
    }

    fn discover_later(&self, key: InstanceKey) -> Answer<'_, ()> {
        async move { self.propose(Command::Discover { key, at: clock::now() }).await.map(drop) }.boxed()
    }

    fn refresh(&self, key: InstanceKey) -> Answer<'_, ()> {
        async move {
            self.probed(key).await?;
            self.pictures.fresh();
            Ok(())
        }
        .boxed()
    }

    fn forget(&self, key: InstanceKey) -> Answer<'_, ()> {
        async move {
            let Some(record) = self.pictures.record(&key) else {
                return Err(PortError::UnknownInstance(key));
            };
            let key = record.instance.key.clone();
            self.note("forget", &key, "");
            self.propose(Command::Forget { key }).await.map(drop)
        }
        .boxed()
    }

    fn forget_cluster(&self, cluster: String) -> Answer<'_, ()> {
        async move {
            let keys = self.pictures.current().topology.members(&cluster).to_vec();
            self.audit.note("forget-cluster", None, &cluster, "");
            self.propose(Command::ForgetCluster { cluster, keys }).await.map(drop)
        }
        .boxed()
    }

    fn begin_downtime(&self, wish: DowntimeWish) -> Answer<'_, ()> {
        async move {
            let DowntimeWish { key, owner, reason, duration } = wish;
            let begins_at = clock::now();
            self.note("begin-downtime", &key, &format!("owner: {owner}, reason: {reason}"));
            let downtime = DeclareDowntime { key, owner, reason, begins_at, ends_at: begins_at + duration };
            self.propose(Command::BeginDowntime(downtime)).await.map(drop)
        }
        .boxed()
    }

    fn end_downtime(&self, key: InstanceKey) -> Answer<'_, ()> {
        async move {
            self.note("end-downtime", &key, "");
            self.propose(Command::EndDowntime { key }).await.map(drop)
        }
        .boxed()
    }

    fn register_candidate(&self, key: InstanceKey, rule: PromotionRule) -> Answer<'_, ()> {
        async move {
            self.note("register-candidate", &key, rule.as_str());
            self.propose(Command::RegisterCandidate { key, rule, at: clock::now() }).await.map(drop)
        }
        .boxed()
    }

    fn acknowledge(&self, scope: AckScope, by: String, comment: String) -> Answer<'_, u64> {
        async move {
            let selectors = match scope {
                AckScope::All => vec![Selector::All {}],
                AckScope::Cluster { name, alias } if name == alias => vec![Selector::Cluster(name)],
                AckScope::Cluster { name, alias } => vec![Selector::Cluster(name), Selector::Cluster(alias)],
                AckScope::Instance(key) => vec![Selector::Instance(key)],
                AckScope::Id(id) => vec![Selector::Id(id)],
                AckScope::Uid(uid) => vec![Selector::Uid(uid)],
            };
            let mut closed = BTreeSet::new();
            for selector in selectors {
                let (by, comment, at) = (by.clone(), comment.clone(), clock::now());
                let acknowledge = Acknowledge { selector, by, comment, at };
                if let Reply::Acknowledged { ids } = self.propose(Command::AckRecovery(acknowledge)).await? {
                    closed.extend(ids);
                }
            }
            Ok(closed.len() as u64)
        }
        .boxed()
    }

    fn set_global_recoveries(&self, enabled: bool) -> Answer<'_, ()> {
        async move {
            let (by, at) = (self.node.hostname.clone(), clock::now());
            let (kind, command) = if enabled {
                ("enable-global-recoveries", Command::EnableGlobalRecoveries { by, at })
            } else {
                ("disable-global-recoveries", Command::DisableGlobalRecoveries { by, at })
            };
            self.audit.note(kind, None, "", "");
            self.propose(command).await.map(drop)
        }
        .boxed()
    }

    fn operate(&self, key: InstanceKey, operation: InstanceOperation) -> Answer<'_, Arc<InstanceRecord>> {
        async move {
            let (kind, change) = match operation {
                InstanceOperation::SetReadOnly => ("set-read-only", Change::SetReadOnly(true)),
                InstanceOperation::SetWriteable => ("set-writeable", Change::SetReadOnly(false)),
                InstanceOperation::StartReplica => ("start-replica", Change::StartReplication),
                InstanceOperation::StopReplica => ("stop-replica", Change::StopReplication),
                InstanceOperation::RestartReplica => ("restart-replica", Change::RestartReplication),
                InstanceOperation::ResetReplica => ("reset-replica", Change::ResetReplication),
            };
            if operation == InstanceOperation::SetWriteable {
                self.check_opening(&key)?;
            }
            self.change(&key, change).await?;
            self.note(kind, &key, "");
            let record = self.probed(key).await?;
            self.pictures.fresh();
            Ok(record)
        }
        .boxed()
    }

    fn recover(&self, wish: RecoverWish) -> Answer<'_, RecoverOutcome> {
        async move { self.recoveries.on_request(wish).await.map_err(PortError::Failed) }.boxed()
    }
}
