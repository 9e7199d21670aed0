//! A node whose files cannot be read, where an operator looks after the group: it stays and says so.
//!
//! For people it ends, and its last line says what to do. An operator would see a process that ends again and again, for
//! which there are many reasons; this one takes a new disk, and only a person or an order may give it.

use std::sync::Arc;

use futures::FutureExt;
use orchestrator_backend::OpenError;
use orchestrator_config::{MembershipSource, RaftSettings, Settings};
use orchestrator_core::{
    InstanceKey, TopologyView, instance::PromotionRule, policy::Filters, view::InstanceRecord,
};
use orchestrator_http::{
    Api, Metrics, Server,
    ports::{
        AckScope, Answer, BootstrapWish, Commands, DetectionFilter, DowntimeWish, HealthView, History,
        InstanceOperation, MembersChanged, MembersWish, Node, Page, Picture, PoolMember, PortError, Ports,
        Raft, Reads, RecoverOutcome, RecoverWish, RecoveryFilter, Reloaded,
    },
};
use orchestrator_raft::StartError;
use orchestrator_wire::{
    AuditRecord, BlockedRecord, ChangelogRecord, DataState, DetectionRecord, MemberStatus, NodeHealth,
    RaftEvents, RaftStatus, RecoveryRecord, StepRecord,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

use crate::{
    components::{self, ConfiguredFilters},
    picture::Pictures,
    process,
    reload::list_hash,
    signals::{Asked, Signals},
    wiring,
};

/// Whether `error` is one of files that cannot be read as what they should be, and an operator is there to be told.
pub(crate) fn is_told(error: &anyhow::Error, settings: &Settings) -> bool {
    let from_outside =
        settings.raft.as_ref().is_some_and(|raft| raft.membership_source == MembershipSource::Api);
    let backend = matches!(
        error.downcast_ref::<OpenError>(),
        Some(OpenError::Corrupt { .. } | OpenError::NotADatabase { .. })
    );
    let raft = matches!(
        error.downcast_ref::<StartError>(),
        Some(StartError::Corrupt { .. } | StartError::LogLost { .. } | StartError::ForeignLog { .. })
    );
    from_outside && (backend || raft)
}

/// Answers until it is told to stop: `raft-status` with what is wrong, no health, and an error to everything else.
///
/// # Errors
/// The API cannot be served.
pub(crate) async fn tell(
    settings: &Settings,
    config_hash: &str,
    problem: &anyhow::Error,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let reason = format!("{problem:#}");
    error!(error = reason, "this node can do nothing; it answers raft-status until it is told to stop");
    let tls = components::api_tls(&settings.tls).await?;
    let node = process::identity();
    let http = wiring::http_settings(settings, &node, tls)?;
    let filters = Arc::new(ConfiguredFilters { settings: settings.clone() });
    let policy = components::analysis_policy(settings);
    let out = Arc::new(OutOfService {
        picture: Pictures::new(TopologyView::default(), policy, filters.clone()).current(),
        status: status(settings.raft.as_ref(), config_hash, &reason),
        reason,
    });
    let api = Api::new(http, out.ports(filters), Arc::new(Metrics::new()));
    let server = Server::bind(api).await?;
    let (stop, serving) = (CancellationToken::new(), TaskTracker::new());
    serving.spawn(server.run(stop.clone()));
    while matches!(signals.next().await, Asked::Reload) {}
    stop.cancel();
    serving.close();
    serving.wait().await;
    Ok(())
}

fn status(raft: Option<&RaftSettings>, config_hash: &str, reason: &str) -> MemberStatus {
    let mut nodes = raft.map_or_else(Vec::new, |raft| raft.nodes.clone());
    nodes.sort();
    let status = RaftStatus {
        raft_bind: raft.map_or_else(String::new, |raft| raft.bind.clone()),
        raft_advertise: raft.map_or_else(String::new, |raft| raft.advertise.clone()),
        state: "Shutdown".into(),
        ..RaftStatus::default()
    };
    MemberStatus {
        status,
        data_state: DataState::Corrupt,
        reason: reason.into(),
        raft_nodes_hash: list_hash(&nodes),
        config_hash: config_hash.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..MemberStatus::default()
    }
}

struct OutOfService {
    picture: Arc<Picture>,
    status: MemberStatus,
    reason: String,
}

impl OutOfService {
    fn ports(self: &Arc<Self>, filters: Arc<dyn Filters + Send + Sync>) -> Ports {
        Ports {
            reads: self.clone(),
            history: self.clone(),
            commands: self.clone(),
            node: self.clone(),
            raft: Some(self.clone()),
            tokens: None,
            filters,
        }
    }

    fn refuse<T: Send + 'static>(&self) -> Answer<'_, T> {
        let reason = self.reason.clone();
        async move { Err(PortError::Failed(reason)) }.boxed()
    }
}

/// Methods that all answer what is wrong.
macro_rules! refused {
    ($($name:ident($($of:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $(_: $of),*) -> Answer<'_, $answer> {
            self.refuse()
        })*
    };
}

impl Reads for OutOfService {
    fn picture(&self) -> Arc<Picture> {
        self.picture.clone()
    }
}

impl History for OutOfService {
    refused! {
        audit(Option<InstanceKey>, Page) -> Vec<AuditRecord>;
        detections(DetectionFilter, Page) -> Vec<DetectionRecord>;
        recoveries(RecoveryFilter, bool, Page) -> Vec<RecoveryRecord>;
        steps(String) -> Vec<StepRecord>;
        blocked(Option<String>) -> Vec<BlockedRecord>;
        changelog() -> Vec<ChangelogRecord>;
        pool_members(Option<String>) -> Vec<PoolMember>;
    }
}

impl Commands for OutOfService {
    refused! {
        discover(InstanceKey) -> Option<Arc<InstanceRecord>>;
        discover_later(InstanceKey) -> ();
        refresh(InstanceKey) -> ();
        forget(InstanceKey) -> ();
        forget_cluster(String) -> ();
        begin_downtime(DowntimeWish) -> ();
        end_downtime(InstanceKey) -> ();
        register_candidate(InstanceKey, PromotionRule) -> ();
        acknowledge(AckScope, String, String) -> u64;
        set_global_recoveries(bool) -> ();
        operate(InstanceKey, InstanceOperation) -> Arc<InstanceRecord>;
        recover(RecoverWish) -> RecoverOutcome;
    }
}

impl Node for OutOfService {
    fn health(&self) -> Arc<HealthView> {
        Arc::new(HealthView {
            reasons: vec![self.reason.clone()],
            backend_error: self.reason.clone(),
            ..HealthView::default()
        })
    }

    fn available_nodes(&self) -> Option<Vec<NodeHealth>> {
        None
    }

    fn healthy_members(&self) -> Option<Vec<String>> {
        None
    }

    refused! { reload(String) -> Reloaded; }
}

impl Raft for OutOfService {
    fn status(&self) -> MemberStatus {
        self.status.clone()
    }

    fn events(&self, _: u64) -> RaftEvents {
        RaftEvents::default()
    }

    fn peers(&self) -> Vec<String> {
        Vec::new()
    }

    fn yield_to(&self, _: String) {}

    fn yield_to_hint(&self, _: String) {}

    refused! {
        snapshot() -> ();
        add_peer(String) -> String;
        change_members(MembersWish) -> MembersChanged;
        bootstrap(BootstrapWish) -> ();
        force_new_cluster(String, u64) -> u64;
        remove_peer(String) -> String;
    }
}
