//! A leader that is to die at one stage of a recovery, and what must come of the recovery then.

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{LabPlan, Server, until};
use serde_json::Value;

use crate::support::{RECOVERED_WITHIN, Scene, recovered};

/// The node that leads, and dies.
const VICTIM: usize = 0;

/// A scene whose leader dies at a fault point.
pub(crate) struct Victim {
    pub(crate) scene: Scene,
    fault: String,
}

impl Victim {
    /// Sets the scene. `fault` is `exit-before:<stage>` or `exit-after:<stage>`.
    pub(crate) fn leads(tag: &str, plan: &LabPlan, keys: &[(&str, Value)], fault: &str) -> Result<Self> {
        let scene = Scene::set_with(tag, plan, keys, |group| {
            group.nodes[VICTIM].env = vec![("ORCHESTRATOR_FAULT".to_owned(), fault.to_owned())];
        })?;
        scene.group.lead_with(VICTIM)?;
        Ok(Self { scene, fault: fault.to_owned() })
    }

    /// Waits for its death.
    pub(crate) fn dies(&mut self) -> Result<()> {
        let node = &mut self.scene.group.nodes[VICTIM];
        until(&format!("the leader exits at {}", self.fault), RECOVERED_WITHIN, || {
            if node.runs() { Err("still runs") } else { Ok(()) }
        })
    }

    /// Another node ended the one recovery of `failed`, from the stage at which the leader died; returns it.
    pub(crate) fn finished_by_another(&self, failed: &Server) -> Result<Value> {
        let group = &self.scene.group;
        let recovery = recovered(group, failed)?;
        ensure!(group.leader()? != VICTIM, "the dead leader leads");
        let api = group.leader_api()?;
        let all = api.recoveries_of(failed)?;
        ensure!(all.len() == 1, "one failure, {} recoveries: {all:?}", all.len());
        let (_, stage) = self.fault.split_once(':').context("a fault names its stage")?;
        self.told(&recovery, &format!("carried on at stage {stage} by "))?;
        Ok(recovery)
    }

    /// Somebody wrote into the audit of `recovery` what contains `words`.
    pub(crate) fn told(&self, recovery: &Value, words: &str) -> Result<()> {
        let uid = recovery["UID"].as_str().context("a recovery has a UID")?;
        let steps = self.scene.group.leader_api()?.steps(uid)?;
        ensure!(steps.iter().any(|step| step.contains(words)), "not {words:?}: {steps:#?}");
        Ok(())
    }

    /// It comes back as an ordinary member; the end of the story.
    pub(crate) fn returns(mut self) -> Result<()> {
        let node = &mut self.scene.group.nodes[VICTIM];
        node.env.clear();
        node.start()?;
        self.scene.group.wait_healthy()?;
        self.scene.done();
        Ok(())
    }
}
