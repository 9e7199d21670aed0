//! Volumes are lost: of one member, of two, of all; or they are kept, and their object is gone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim as Claim, Pod};
use orchestrator_crds::{EventReason, OrchestratorCluster, Reason, verb};
use orchestrator_e2e::k8s::{Members, Orc, Story};
use orchestrator_e2e::{holds, until};

use crate::support::{BACK_WITHIN, everybody_knows, smallest};

/// A new volume, a new member that catches up, one change of the members.
const REPLACED_WITHIN: Duration = Duration::from_secs(120);
/// So long the operator is watched while it must not do anything.
const REFUSES_FOR: Duration = Duration::from_secs(30);
/// The operator says that a quorum is lost after seconds, and lets a person act on it after ten minutes at the latest.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// Deletes the volume of this pod and the pod; answers when both are others.
fn lose(story: &Story, pods: &[&str]) -> Result<()> {
    let claim = |pod: &str| format!("data-{pod}");
    let old: Vec<_> = pods
        .iter()
        .map(|pod| Ok((claim(pod), story.space.get::<Claim>(&claim(pod))?.and_then(|c| c.metadata.uid))))
        .collect::<Result<_>>()?;
    for pod in pods {
        story.space.delete::<Claim>(&claim(pod))?;
    }
    for pod in pods {
        story.space.delete::<Pod>(pod)?;
    }
    for (name, uid) in old {
        story.space.until::<Claim, ()>("another volume", &name, REPLACED_WITHIN, |claim| {
            let now = claim.and_then(|c| c.metadata.uid.clone());
            let bound = claim.and_then(|c| c.status.clone()).and_then(|s| s.phase);
            if now.is_some() && now != uid && bound.as_deref() == Some("Bound") {
                return Ok(());
            }
            Err(format!("{now:?} {bound:?}"))
        })?;
    }
    Ok(())
}

#[test]
fn e07_a_member_whose_volume_is_gone_is_replaced_while_the_others_run_on() -> Result<()> {
    let story = Story::begin("E07", "volume and pod of each member in turn, the leader's too")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    members.ask(&members.leader()?, "/api/disable-global-recoveries")?.details()?;
    let leader = members.leader()?.pod;
    let mut pods: Vec<String> =
        members.all()?.into_iter().map(|m| m.pod).filter(|pod| *pod != leader).collect();
    pods.push(leader);
    for pod in pods {
        let (before, voters) = (members.uids()?, members.voters()?);
        lose(&story, &[&pod])?;
        members.settled(3, REPLACED_WITHIN)?;
        orc.wait_ready(REPLACED_WITHIN)?;
        let now = members.voters()?;
        let kept = voters.iter().filter(|id| now.contains(id)).count();
        ensure!(now.len() == 3 && kept == 2, "voters {now:?}, before {voters:?}");
        let others = |pods: &[(String, String)]| {
            pods.iter().filter(|(name, _)| *name != pod).cloned().collect::<Vec<_>>()
        };
        ensure!(others(&members.uids()?) == others(&before), "other pods were restarted");
        story.note(&format!("{pod}: voters {voters:?} became {now:?}"));
    }
    everybody_knows(&members, "disabled")?;
    ensure!(orc.events()?.contains(&EventReason::MemberReplaced.to_string()), "{:?}", orc.events()?);
    story.done();
    Ok(())
}

/// Nothing is deleted and no member changes while the quorum is lost.
fn stays_as_it_is(story: &Story, members: &Members<'_>) -> Result<()> {
    let volumes = || -> Result<Vec<_>> {
        Ok(story.space.list::<Claim>("")?.into_iter().map(|c| (c.metadata.name, c.metadata.uid)).collect())
    };
    let before = (members.uids()?, volumes()?);
    holds("pods and volumes stay as they are", REFUSES_FOR, || {
        let now = members.uids().and_then(|pods| Ok((pods, volumes()?))).map_err(|e| format!("{e:#}"))?;
        if now == before { Ok(()) } else { Err(format!("{now:?}, before {before:?}")) }
    })
}

#[test]
fn e17_with_two_of_three_volumes_lost_nothing_is_touched_until_a_person_names_the_survivor() -> Result<()> {
    let story = Story::begin("E17", "two of three volumes lost; force-new-cluster")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    members.ask(&members.leader()?, "/api/disable-global-recoveries")?.details()?;
    everybody_knows(&members, "disabled")?;
    let id = orc.object()?.status.unwrap_or_default().cluster_id.context("it has an id")?;
    lose(&story, &["main-1", "main-2"])?;
    // While the new pods start it is only that a majority is unreachable.
    let lost = orc.wait_for("MajorityStorageLost", TOLD_WITHIN, |orc| {
        let conditions = &orc.status.as_ref()?.conditions;
        conditions.iter().find(|c| c.reason == Reason::MajorityStorageLost.to_string()).cloned()
    })?;
    story.note(&format!("{} {}: {}", lost.type_, lost.reason, lost.message));
    stays_as_it_is(&story, &members)?;
    orc.annotate(verb::FORCE_NEW_CLUSTER, &format!("{id}/main-1"))?;
    orc.wait_for("the wrong survivor refused", TOLD_WITHIN, |orc| {
        let notes = orc.metadata.annotations.clone().unwrap_or_default();
        (!notes.contains_key(verb::FORCE_NEW_CLUSTER)).then_some(())
    })?;
    // It is reported after the annotation is taken away.
    until("the refusal in an event", TOLD_WITHIN, || {
        let told = orc.events().map_err(|error| format!("{error:#}"))?;
        let refused = told.contains(&EventReason::ForceNewClusterRefused.to_string());
        if refused { Ok(()) } else { Err(format!("{told:?}")) }
    })?;
    // A right wish may be refused until the quorum has been lost for long enough; people ask again.
    until("the survivor goes on alone and the others join it", Duration::from_secs(900), || {
        let wish = format!("{id}/main-0");
        orc.annotate(verb::FORCE_NEW_CLUSTER, &wish).map_err(|error| format!("{error:#}"))?;
        members.settled(3, Duration::from_secs(30)).map_err(|error| format!("{error:#}"))
    })?;
    orc.wait_ready(REPLACED_WITHIN)?;
    everybody_knows(&members, "disabled")?;
    let epochs: Vec<u64> =
        members.all()?.iter().filter_map(|m| Some(members.status(m).ok()?.epoch)).collect();
    ensure!(epochs == [2, 2, 2], "epochs {epochs:?}");
    story.done();
    Ok(())
}

#[test]
fn e18_with_all_volumes_lost_a_new_group_begins_only_when_a_person_says_so() -> Result<()> {
    let story = Story::begin("E18", "all volumes lost; allow-rebootstrap")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let id = orc.object()?.status.unwrap_or_default().cluster_id.context("it has an id")?;
    lose(&story, &["main-0", "main-1", "main-2"])?;
    orc.wait_for("AllDataLost", TOLD_WITHIN, |orc| {
        let conditions = &orc.status.as_ref()?.conditions;
        conditions
            .iter()
            .find(|c| c.reason == Reason::AllDataLost.to_string())
            .map(|c| println!("{}", c.message))
    })?;
    stays_as_it_is(&story, &orc.members())?;
    orc.annotate(verb::ALLOW_REBOOTSTRAP, "00000000000000000000000000000000")?;
    orc.wait_for("another id refused", TOLD_WITHIN, |orc| {
        let notes = orc.metadata.annotations.clone().unwrap_or_default();
        (!notes.contains_key(verb::ALLOW_REBOOTSTRAP)).then_some(())
    })?;
    orc.annotate(verb::ALLOW_REBOOTSTRAP, &id)?;
    orc.members().settled(3, REPLACED_WITHIN)?;
    orc.wait_ready(REPLACED_WITHIN)?;
    let now = orc.object()?.status.unwrap_or_default().cluster_id;
    ensure!(now.is_some() && now.as_deref() != Some(id.as_str()), "the id is {now:?}, it was {id}");
    story.done();
    Ok(())
}

#[test]
fn e19_an_object_deleted_and_made_again_adopts_the_volumes_and_the_group_on_them() -> Result<()> {
    let story = Story::begin("E19", "object deleted and made again on kept volumes")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    members.ask(&members.leader()?, "/api/disable-global-recoveries")?.details()?;
    everybody_knows(&members, "disabled")?;
    let (voters, id) = (members.voters()?, orc.object()?.status.unwrap_or_default().cluster_id);
    story.space.delete::<OrchestratorCluster>("main")?;
    until("everything but the volumes gone", BACK_WITHIN, || {
        let pods = members.uids().map_err(|error| format!("{error:#}"))?;
        if pods.is_empty() { Ok(()) } else { Err(format!("{pods:?}")) }
    })?;
    ensure!(story.space.list::<Claim>("")?.len() == 3, "volumes are gone");
    let again = Orc::ready(&story.space, "main", &smallest())?;
    again.members().settled(3, BACK_WITHIN)?;
    ensure!(again.object()?.status.unwrap_or_default().cluster_id == id, "another group");
    ensure!(again.members().voters()? == voters, "numbers changed: {:?}", again.members().voters()?);
    ensure!(again.events()?.contains(&EventReason::ClusterAdopted.to_string()), "{:?}", again.events()?);
    everybody_knows(&again.members(), "disabled")?;
    story.done();
    Ok(())
}
