//! An `OrchestratorCluster`, as people handle it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use orchestrator_crds::{API_VERSION, ConditionStatus, ConditionType, KIND, OrchestratorCluster};
use serde_json::{Value, json};

use super::members::Members;
use super::space::Space;

/// From an applied object to a ready group, on two busy cores.
pub const READY_WITHIN: Duration = Duration::from_secs(120);

/// One `OrchestratorCluster`.
pub struct Orc<'s> {
    space: &'s Space,
    /// Its name, and that of its StatefulSet and Service.
    pub name: String,
}

impl<'s> Orc<'s> {
    /// Applies one with this spec.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn apply(space: &'s Space, name: &str, spec: &Value) -> Result<Self> {
        let object =
            json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec});
        space.apply(&[object])?;
        Ok(Self::named(space, name))
    }

    /// The one of this name that is there already.
    #[must_use]
    pub fn named(space: &'s Space, name: &str) -> Self {
        Self { space, name: name.to_owned() }
    }

    /// As [`Orc::apply`], and waits until it is ready.
    ///
    /// # Errors
    /// When it is refused, or not ready in time.
    pub fn ready(space: &'s Space, name: &str, spec: &Value) -> Result<Self> {
        let orc = Self::apply(space, name, spec)?;
        orc.wait_ready(READY_WITHIN)?;
        Ok(orc)
    }

    /// The object as it is.
    ///
    /// # Errors
    /// When it is gone.
    pub fn object(&self) -> Result<OrchestratorCluster> {
        self.space.get(&self.name)?.with_context(|| format!("no orc/{}", self.name))
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        Members::of(self.space, &self.name)
    }

    /// Changes its spec, as `kubectl patch --type=merge` does.
    ///
    /// # Errors
    /// When the API server refuses it: with its words.
    pub fn set(&self, spec: &Value) -> Result<()> {
        self.space.merge::<OrchestratorCluster>(&self.name, &json!({"spec": spec})).map(drop)
    }

    /// Annotates it, as people do who want something done once.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn annotate(&self, key: &str, value: &str) -> Result<()> {
        let note = format!("{key}={value}");
        self.space.kubectl(&["annotate", "--overwrite", "orc", &self.name, &note]).map(drop)
    }

    /// Waits until `condition` has `status` for the present spec; the condition then.
    ///
    /// # Errors
    /// After `limit`, with all conditions.
    pub fn wait(
        &self,
        condition: ConditionType,
        status: ConditionStatus,
        limit: Duration,
    ) -> Result<Condition> {
        self.wait_for(&format!("{condition}={status}"), limit, |orc| {
            let found = condition_of(orc, condition).filter(|c| c.status == status.to_string());
            let present = found.filter(|c| c.observed_generation == orc.metadata.generation);
            present.cloned()
        })
    }

    /// Waits until it is ready at its present spec.
    ///
    /// # Errors
    /// After `limit`, with all conditions.
    pub fn wait_ready(&self, limit: Duration) -> Result<()> {
        self.wait(ConditionType::Ready, ConditionStatus::True, limit).map(drop)
    }

    /// Watches it until `look` finds what it looks for.
    ///
    /// # Errors
    /// After `limit`, with all conditions.
    pub fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&OrchestratorCluster) -> Option<T>,
    ) -> Result<T> {
        let what = format!("{what} of orc/{}", self.name);
        self.space.until::<OrchestratorCluster, T>(&what, &self.name, limit, |orc| {
            let orc = orc.ok_or("it is not there")?;
            look(orc).ok_or_else(|| told(orc))
        })
    }

    /// Its condition of this type.
    ///
    /// # Errors
    /// When it has none.
    pub fn condition(&self, condition: ConditionType) -> Result<Condition> {
        let orc = self.object()?;
        match condition_of(&orc, condition) {
            Some(condition) => Ok(condition.clone()),
            None => bail!("no condition {condition}: {}", told(&orc)),
        }
    }

    /// Reasons of the events about it so far, oldest first.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn events(&self) -> Result<Vec<String>> {
        let about = format!("regarding.name={},regarding.kind={KIND}", self.name);
        let arguments = ["get", "events.events.k8s.io", "-o", "json", "--field-selector", &about];
        let list: Value = serde_json::from_str(&self.space.kubectl(&arguments)?)?;
        let mut events: Vec<(String, String)> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|e| {
                let text = |key: &str| e[key].as_str().unwrap_or_default().to_owned();
                (text("eventTime"), text("reason"))
            })
            .collect();
        events.sort();
        Ok(events.into_iter().map(|(_, reason)| reason).collect())
    }
}

fn condition_of(orc: &OrchestratorCluster, condition: ConditionType) -> Option<&Condition> {
    orc.status.as_ref()?.conditions.iter().find(|c| c.type_ == condition.to_string())
}

/// All conditions in one text.
fn told(orc: &OrchestratorCluster) -> String {
    let Some(status) = &orc.status else { return "no status yet".into() };
    let conditions = status.conditions.iter();
    let lines: Vec<String> =
        conditions.map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message)).collect();
    let step =
        status.operation.as_ref().map(|o| format!("{} {}", o.operation_type, o.step)).unwrap_or_default();
    format!("{:?} {step}\n{}", status.phase, lines.join("\n"))
}
