//! The pods of one raft group, and what each says of itself.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use orchestrator_wire::MemberStatus;

use super::space::Space;
use crate::api::Reply;
use crate::until::until_every;

/// Port of the API in a pod.
const API: u16 = 3000;
/// Port for probes in a pod.
const PROBE: u16 = 3001;
/// Pause between two looks at a whole group: each is a list of pods and a request to each of them.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One pod of a group, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub pod: String,
    /// Which one of that name it is.
    pub uid: String,
    /// Its address; `None` before it has one.
    pub ip: Option<String>,
    /// The node of Kubernetes on which it runs; `None` before it is scheduled.
    pub node: Option<String>,
    /// Kubernetes takes it for ready.
    pub ready: bool,
    /// It is being ended.
    pub ending: bool,
    /// How often its container was started again.
    pub restarts: i32,
    /// Of which template it was made.
    pub revision: String,
    /// The image that it runs.
    pub image: String,
    namespace: String,
}

impl Member {
    fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let containers = status.container_statuses.unwrap_or_default();
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let spec = pod.spec.clone().unwrap_or_default();
        Self {
            pod: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            ip: status.pod_ip,
            node: spec.node_name,
            ready: conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"),
            ending: pod.metadata.deletion_timestamp.is_some(),
            restarts: containers.iter().map(|c| c.restart_count).sum(),
            revision: labels.get("controller-revision-hash").cloned().unwrap_or_default(),
            image: spec.containers.first().and_then(|c| c.image.clone()).unwrap_or_default(),
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        }
    }

    /// Number of the pod: what stands after the last hyphen.
    #[must_use]
    pub fn ordinal(&self) -> Option<usize> {
        self.pod.rsplit_once('-')?.1.parse().ok()
    }
}

/// The pods of one group.
#[derive(Clone, Copy)]
pub struct Members<'s> {
    space: &'s Space,
    /// The StatefulSet, whose name is the group's.
    group: &'s str,
}

impl<'s> Members<'s> {
    /// Those of the StatefulSet `group`.
    #[must_use]
    pub fn of(space: &'s Space, group: &'s str) -> Self {
        Self { space, group }
    }

    /// All that are there, by number.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn all(&self) -> Result<Vec<Member>> {
        let pods = self.space.list::<Pod>(&format!("app.kubernetes.io/instance={}", self.group))?;
        let mut members: Vec<Member> = pods.iter().map(Member::of).collect();
        members.sort_by_key(Member::ordinal);
        Ok(members)
    }

    /// `GET path` of a member's API.
    ///
    /// # Errors
    /// No address, or no answer in time; any status is an answer.
    pub fn ask(&self, member: &Member, path: &str) -> Result<Reply> {
        self.ask_at(member, API, path)
    }

    fn ask_at(&self, member: &Member, port: u16, path: &str) -> Result<Reply> {
        let ip = member.ip.as_deref().with_context(|| format!("{} has no address", member.pod))?;
        self.space.cluster.ask_pod(&member.namespace, &member.pod, ip, port, path)
    }

    /// `raft-status` of a member.
    ///
    /// # Errors
    /// When it does not answer it.
    pub fn status(&self, member: &Member) -> Result<MemberStatus> {
        let body = self.ask(member, "/api/raft-status")?.raw()?;
        serde_json::from_value(body).context("raft-status has a known shape")
    }

    /// `raft-health` at the listener for probes says 200: what readiness asks.
    #[must_use]
    pub fn healthy(&self, member: &Member) -> bool {
        self.ask_at(member, PROBE, "/api/raft-health").is_ok_and(|reply| reply.status == 200)
    }

    /// It answers at all.
    #[must_use]
    pub fn lives(&self, member: &Member) -> bool {
        self.ask_at(member, PROBE, "/livez").is_ok_and(|reply| reply.status == 200)
    }

    /// The member that says at this moment that it leads; whoever leads is not the last to know.
    ///
    /// # Errors
    /// When nobody says so.
    pub fn leader(&self) -> Result<Member> {
        let leads = |m: &Member| self.ask(m, "/api/leader-check").is_ok_and(|reply| reply.status == 200);
        self.all()?.into_iter().find(leads).context("nobody leads")
    }

    /// Waits until there are `wanted` members, all of them healthy voters of one group with one leader; these.
    ///
    /// # Errors
    /// After `limit`, with what each member says.
    pub fn settled(&self, wanted: usize, limit: Duration) -> Result<Vec<Member>> {
        until_every(LOOK_EVERY, &format!("{wanted} healthy members of {}", self.group), limit, || {
            let members = self.all().map_err(|error| format!("{error:#}"))?;
            let statuses: Vec<MemberStatus> = members.iter().filter_map(|m| self.status(m).ok()).collect();
            let voters = |s: &MemberStatus| s.membership.voters.len() == wanted && !s.membership.joint;
            let leaders = statuses.iter().filter(|s| s.status.state == "Leader").count();
            let whole = statuses.len() == wanted && members.len() == wanted;
            if whole && leaders == 1 && statuses.iter().all(|s| voters(s) && s.reason.is_empty()) {
                return Ok(members);
            }
            Err(self.told())
        })
    }

    /// One line for each member, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let mut text = String::new();
        for member in self.all().unwrap_or_default() {
            let said = match self.status(&member) {
                Ok(s) => format!(
                    "{} node {} term {} voters {:?} {} {:?}",
                    s.status.state,
                    s.node_id,
                    s.term,
                    s.membership.voters.iter().map(|v| v.node_id).collect::<Vec<_>>(),
                    s.reason,
                    s.waiting_for
                ),
                Err(error) => format!("{error:#}"),
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} on {:?}, ready {}: {said}", member.pod, member.node, member.ready);
        }
        text
    }

    /// Numbers by which the group knows its voters, as the leader says.
    ///
    /// # Errors
    /// When nobody leads.
    pub fn voters(&self) -> Result<Vec<u64>> {
        let status = self.status(&self.leader()?)?;
        Ok(status.membership.voters.iter().map(|voter| voter.node_id).collect())
    }

    /// Which pods there are, by uid: a pod that was restarted has another one.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn uids(&self) -> Result<Vec<(String, String)>> {
        Ok(self.all()?.into_iter().map(|m| (m.pod, m.uid)).collect())
    }
}
