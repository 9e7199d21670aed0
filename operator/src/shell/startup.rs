//! Before anything is done: the definition is there, and is one that we can read.

use std::{sync::Arc, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use orchestrator_crds::{CRD_NAME, VERSION, annotation};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    apply::{ApiFailure, within},
    metrics::Metrics,
};

/// For how long a definition may be missing or too old: whoever installs both needs seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two looks while it is used.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// The oldest definition that this operator works with: every field that it writes is in it.
const OLDEST: &str = "0.1.0";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// It is there. `same`: of the same version as this operator.
    Usable {
        /// Of the same version as this operator.
        same: bool,
    },
    /// It may not be read: whether its objects can be listed tells the same.
    Hidden,
}

/// The definition is not what it must be. `Display` is the last line of the log.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is not there.
    #[error(
        "the definition {CRD_NAME} is not installed: apply crds/generated/orchestratorclusters.yaml, or install the chart with crds.install=true"
    )]
    Missing,
    /// It is there, and not served.
    #[error("the definition {CRD_NAME} is not established: kubectl describe crd {CRD_NAME} says why")]
    NotEstablished,
    /// It is too old.
    #[error(
        "the definition {CRD_NAME} is of version {0}, and this operator needs {OLDEST} or newer: apply the definition that belongs to it"
    )]
    TooOld(String),
    /// Nobody answers.
    #[error("the definition {CRD_NAME} cannot be read: {0}")]
    Unreadable(ApiFailure),
}

/// Waits until the definition can be used, for a minute.
///
/// # Errors
/// It cannot by then.
pub async fn definition(client: &Client) -> Result<Definition, StartError> {
    let until = Instant::now() + PATIENCE;
    let mut told = String::new();
    loop {
        let error = match look(client).await {
            Ok(found) => {
                if found == Definition::Hidden {
                    info!("the definition may not be read here; its objects are listed instead");
                }
                return Ok(found);
            }
            Err(error) => error,
        };
        if Instant::now() >= until {
            return Err(error);
        }
        if told != error.to_string() {
            told = error.to_string();
            warn!("{told}; waiting for {PATIENCE:?}");
        }
        sleep(PAUSE).await;
    }
}

/// Tells the numbers, now and then, whether the definition is still of another version: whoever upgrades it alone restarts
/// no operator.
pub async fn follow(client: Client, metrics: Arc<Metrics>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep(LOOK_AGAIN) => {}
        }
        if let Ok(found) = look(&client).await {
            metrics.set_crd_mismatch(found == Definition::Usable { same: false });
        }
    }
}

async fn look(client: &Client) -> Result<Definition, StartError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    match within(api.get_opt(CRD_NAME)).await {
        Ok(Some(definition)) => judge(&definition),
        Ok(None) => Err(StartError::Missing),
        Err(error) if error.code() == Some(403) => Ok(Definition::Hidden),
        Err(error) => Err(StartError::Unreadable(error)),
    }
}

fn judge(definition: &CustomResourceDefinition) -> Result<Definition, StartError> {
    let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_deref());
    let established =
        conditions.unwrap_or_default().iter().any(|of| of.type_ == "Established" && of.status == "True");
    let served = definition.spec.versions.iter().any(|version| version.name == VERSION && version.served);
    if !established || !served {
        return Err(StartError::NotEstablished);
    }
    let annotations = definition.metadata.annotations.as_ref();
    // One without a version was written by hand: whether it fits will show.
    let Some(version) = annotations.and_then(|all| all.get(annotation::CRD_VERSION)) else {
        return Ok(Definition::Usable { same: false });
    };
    if parts(version) < parts(OLDEST) {
        return Err(StartError::TooOld(version.clone()));
    }
    Ok(Definition::Usable { same: version == env!("CARGO_PKG_VERSION") })
}

/// Numbers between dots, up to a suffix.
fn parts(version: &str) -> Vec<u64> {
    let plain = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    plain.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(version: Option<&str>, established: &str) -> Result<Definition, StartError> {
        let mut definition = orchestrator_crds::definition();
        let annotations = definition.metadata.annotations.get_or_insert_default();
        match version {
            Some(version) => annotations.insert(annotation::CRD_VERSION.to_owned(), version.to_owned()),
            None => annotations.remove(annotation::CRD_VERSION),
        };
        let status = json!({ "conditions": [{ "type": "Established", "status": established }] });
        definition.status = Some(serde_json::from_value(status).expect("it is a status"));
        judge(&definition)
    }

    #[test]
    fn a_definition_must_be_served_and_not_too_old() {
        let own = judged(Some(env!("CARGO_PKG_VERSION")), "True").expect("it is ours");
        assert_eq!(own, Definition::Usable { same: true });
        assert_eq!(judged(Some("99.0.0"), "True").ok(), Some(Definition::Usable { same: false }));
        assert_eq!(judged(None, "True").ok(), Some(Definition::Usable { same: false }));
        assert!(matches!(judged(Some("0.0.9"), "True"), Err(StartError::TooOld(_))));
        assert!(matches!(judged(None, "False"), Err(StartError::NotEstablished)));
    }
}
