//! Asking the members: where they are, what lets us in, and whether whoever answers is whom we asked.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::ClientConfig;
use tracing::warn;

use super::Pass;
use crate::{
    build::{ReferenceKind, digest},
    names,
    observation::{Answer, Seat},
    shell::{
        act::Doors,
        index::Key,
        members::{Door, Place, client_config, place},
        observe::{ORDINALS_MAX, Surroundings},
    },
};

impl Pass<'_> {
    /// How each member with an address is reached.
    pub(super) async fn doors(
        &self,
        surroundings: &Surroundings<'_>,
        seats: &BTreeMap<u32, Seat>,
        prefix: &str,
    ) -> Doors {
        let (token, tls) = (self.token().await, self.trust().await);
        let https = self.spec.tls.as_ref().is_some_and(|tls| tls.http);
        let port = u16::try_from(self.spec.api.port).unwrap_or_default();
        let mut doors = Doors::default();
        for (ordinal, seat) in seats {
            let Some(pod) = &seat.pod else { continue };
            let place = match &self.operator.settings.member_url_template {
                Some(template) => place(&filled(template, self.key, &pod.name, port)),
                None => {
                    let ip = surroundings.pod_facts(*ordinal, None).and_then(|pod| pod.ip);
                    let host = seat.address.rsplit_once(':').map_or(seat.address.as_str(), |(host, _)| host);
                    ip.map(|ip| Place::of_pod(ip, port, host, https, prefix))
                }
            };
            if let Some(place) = place {
                let door = Door { place, tls: tls.clone(), token: token.clone() };
                doors.seats.insert(*ordinal, (pod.name.clone(), door));
            }
        }
        doors
    }

    /// The token with which the operator is let in, once it was made.
    async fn token(&self) -> Option<Arc<str>> {
        let key = self.key.beside(names::token_secret(&self.key.name));
        let found = self.operator.secrets.get(ReferenceKind::Secret, &key).await;
        found.ok().flatten().and_then(|contents| contents.token())
    }

    async fn trust(&self) -> Option<Arc<ClientConfig>> {
        let tls = self.spec.tls.as_ref().filter(|tls| tls.http)?;
        let key = self.key.beside(tls.secret_ref.name.as_str());
        let found = self.operator.secrets.get(ReferenceKind::Secret, &key).await.ok().flatten()?;
        self.operator.trusts.of(found.authorities()?)
    }

    pub(super) async fn ask(&self, door: &Door) -> Answer {
        match door.status().await {
            Ok(status) => Answer::Status(Box::new(status)),
            Err(error) => {
                self.operator.metrics.member_error(error.reason());
                if error.is_forbidden() {
                    // The Secret may have been written anew.
                    let key = self.key.beside(names::token_secret(&self.key.name));
                    self.operator.secrets.forget(ReferenceKind::Secret, &key);
                }
                Answer::Silent(error.told())
            }
        }
    }

    /// Members outside: those of the spec, then those that the group had when it was seen last.
    fn externals(&self) -> Vec<String> {
        let mut externals = self.spec.raft.external_members.clone();
        let known = self.object.status.as_ref().and_then(|status| status.membership.as_ref());
        for member in known.into_iter().flat_map(|known| known.voters.iter().chain(&known.learners)) {
            let is_here = (0..ORDINALS_MAX).any(|ordinal| {
                member.address == names::address(&self.key.name, &self.key.namespace, &self.spec, ordinal)
            });
            if !is_here && !externals.contains(&member.address) {
                externals.push(member.address.clone());
            }
        }
        externals
    }

    /// Members that somebody else runs are known by their raft address alone; where one answers HTTP is known while it
    /// leads, and that is when its answer is needed.
    pub(super) async fn ask_external(&self, answers: &[&Answer], doors: &Doors) -> Vec<(String, Answer)> {
        let externals = self.externals();
        let statuses = answers.iter().filter_map(|answer| answer.status());
        let led = statuses
            .map(|of| (&of.status.leader, &of.status.leader_uri))
            .find(|(leader, uri)| externals.contains(leader) && !uri.is_empty());
        let Some((leader, uri)) = led else {
            return externals.into_iter().map(|address| (address, Answer::NotAsked)).collect();
        };
        let known = doors.seats.values().next().map(|(_, door)| door);
        let answer = match place(uri) {
            None => Answer::NotAsked,
            Some(place) => {
                let door = Door { place, tls: known.and_then(|door| door.tls.clone()), token: None };
                let answered = door.open_status().await;
                answered.map_or_else(
                    |error| Answer::Silent(error.told()),
                    |status| Answer::Status(Box::new(status)),
                )
            }
        };
        let of = |address: &String| {
            if address == leader { rightful(answer.clone(), address) } else { Answer::NotAsked }
        };
        externals.iter().map(|address| (address.clone(), of(address))).collect()
    }
}

/// Addresses are given out again: whoever answers must be whom we asked.
pub(super) fn rightful(answer: Answer, address: &str) -> Answer {
    match answer {
        Answer::Status(status) if status.status.raft_advertise != address => {
            Answer::Silent(format!("{:?} answers at its address", status.status.raft_advertise))
        }
        other => other,
    }
}

/// The member that says of itself that it leads; of two, the one of the later term.
pub(super) fn leader(seats: &BTreeMap<u32, Seat>, doors: &Doors) -> Option<(String, Door)> {
    let leading = seats.iter().filter_map(|(ordinal, seat)| {
        let status = seat.answer.status()?;
        (status.status.state == "Leader").then_some((status.term, *ordinal))
    });
    let (_, ordinal) = leading.max()?;
    doors.seats.get(&ordinal).cloned()
}

/// Whether a member does not answer although kubelet says that it is well.
pub(super) fn is_silent(seats: &BTreeMap<u32, Seat>) -> bool {
    seats.values().any(|seat| {
        let is_well = seat.pod.as_ref().is_some_and(|pod| pod.ready_since.is_some() && !pod.terminating);
        is_well && matches!(seat.answer, Answer::Silent(_))
    })
}

/// Objects with members that were silent in the last pass: one call that is lost on the way is no news.
#[derive(Debug, Default)]
pub struct Silences(Mutex<HashSet<Key>>);

impl Silences {
    /// Keeps whether somebody `is` silent now. Whether nobody was in the last pass: never twice in a row, so that a pass
    /// in two goes on whoever is silent.
    pub(super) fn begin(&self, key: &Key, is: bool) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is {
            return known.insert(key.clone());
        }
        known.remove(key);
        false
    }

    /// The object is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// A URL template with the member's place in it.
fn filled(template: &str, key: &Key, pod: &str, port: u16) -> String {
    let filled = template.replace("{port}", &port.to_string()).replace("{namespace}", &key.namespace);
    filled.replace("{pod}", pod)
}

/// What members' certificates are compared with, kept by the authorities' text: building it costs more than a call.
#[derive(Debug, Default)]
pub struct Trusts(Mutex<HashMap<String, Option<Arc<ClientConfig>>>>);

/// A handful of authorities in a cluster; renewed ones push out the old.
const TRUSTS_MAX: usize = 256;

impl Trusts {
    fn of(&self, pem: &[u8]) -> Option<Arc<ClientConfig>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TRUSTS_MAX {
            known.clear();
        }
        known
            .entry(digest(pem))
            .or_insert_with(|| client_config(pem).map_err(|error| warn!(error, "ca.crt cannot be used")).ok())
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_at_a_members_address_is_not_believed() {
        let mut status = orchestrator_wire::MemberStatus::default();
        status.status.raft_advertise = "b-0.b-raft.x.svc:10008".to_owned();
        let answer = rightful(Answer::Status(Box::new(status.clone())), "a-0.a-raft.x.svc:10008");
        assert!(matches!(answer, Answer::Silent(why) if why.contains("b-0.b-raft")));
        let own = rightful(Answer::Status(Box::new(status)), "b-0.b-raft.x.svc:10008");
        assert!(own.status().is_some());
    }

    #[test]
    fn templates_are_filled() {
        let url = filled("http://127.0.0.1:{port}/{namespace}/{pod}", &Key::new("a", "main"), "main-0", 3000);
        assert_eq!(url, "http://127.0.0.1:3000/a/main-0");
    }
}
