//! What is wrong.

use orchestrator_core::analysis::Finding;
use orchestrator_wire::{AnalysisChangelog, ProcessingNode, ReplicationAnalysis};

use crate::{
    call::Call,
    reply::{Outcome, ok, raw_or_null},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    P_ "replication-analysis" => all,
    P_ "replication-analysis/:clusterName" => of_cluster,
    P_ "replication-analysis/instance/:host/:port" => of_instance,
    P_ "replication-analysis-changelog" => changelog,
];

/// `replication-analysis`.
async fn all(call: Call) -> Outcome {
    list(&call, |_| true)
}

/// `replication-analysis/:clusterName`: name or alias; nothing of an unknown one.
async fn of_cluster(call: Call) -> Outcome {
    let name = call.param("clusterName");
    list(&call, |finding| *finding.cluster == *name || finding.alias == name)
}

/// `replication-analysis/instance/:host/:port`.
async fn of_instance(call: Call) -> Outcome {
    let key = call.known_key(&call.picture())?;
    list(&call, |finding| finding.key == key)
}

/// Entries with a problem or a weakness, those in downtime included.
fn list(call: &Call, wanted: impl Fn(&Finding) -> bool) -> Outcome {
    let identity = &call.app.settings.identity;
    let node = ProcessingNode { hostname: identity.hostname.clone(), token: identity.token.clone() };
    let picture = call.picture();
    let found: Vec<_> = picture
        .findings
        .iter()
        .filter(|finding| wanted(finding))
        .map(|finding| ReplicationAnalysis::new(finding, &node))
        .filter(|analysis| analysis.analysis != "NoProblem" || analysis.structure_analysis.is_some())
        .collect();
    ok("Analysis", &found)
}

/// `replication-analysis-changelog`.
async fn changelog(call: Call) -> Outcome {
    let records = call.app.ports.history.changelog().await?;
    raw_or_null(&records.into_iter().map(AnalysisChangelog::from).collect::<Vec<_>>())
}
