//! Bearing witness: looking at a primary for a peer that suspects it, and asking the peers in turn.
//!
//! A witness looks by itself, over new connections, at the suspect and at its replicas, so that its word
//! does not depend on anything that the asking node knows.

use std::time::Duration;

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join},
    stream::FuturesUnordered,
};
use orchestrator_core::{
    InstanceKey,
    observation::{Failure, FailureKind},
    verdict::{Evidence, Question, Sight},
};
use orchestrator_raft::{Answerer, Member, RaftNode};
use serde::{Deserialize, Serialize};

use crate::{clock, fleet::SharedFleet};

/// How long a witness looks. A living server answers within milliseconds; a frozen one is given this long.
pub(crate) const LOOK_DEADLINE: Duration = Duration::from_millis(800);

/// What a witness has beyond that to get its answer across.
const ANSWER_SLACK: Duration = Duration::from_millis(200);

/// What nodes say to one another, versioned by its tag. A node that does not understand a question says so
/// and thereby abstains.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    LookAt { primary: (String, u16), replicas: Vec<(String, u16)> },
    Saw { primary: Seen, replicas_reached: u32, replicas_missed: u32, at: i64 },
    NotUnderstood {},
}

#[derive(Debug, Serialize, Deserialize)]
enum Seen {
    Alive {},
    Failed { kind: String, error: String, partial: bool },
}

/// Kinds of failure by the names they have between nodes.
const KINDS: [(FailureKind, &str); 9] = [
    (FailureKind::Refused, "refused"),
    (FailureKind::Unreachable, "unreachable"),
    (FailureKind::NameUnresolved, "name-unresolved"),
    (FailureKind::ConnectTimeout, "connect-timeout"),
    (FailureKind::Silent, "silent"),
    (FailureKind::Broken, "broken"),
    (FailureKind::AnsweredError, "answered-error"),
    (FailureKind::Nonsense, "nonsense"),
    (FailureKind::IdentityChanged, "identity-changed"),
];

/// Answers the questions of peers.
pub(crate) struct Witness {
    pub(crate) fleet: SharedFleet,
}

impl Answerer for Witness {
    fn answer(&self, _from: Member, question: Vec<u8>) -> BoxFuture<'static, Vec<u8>> {
        let fleet = self.fleet.clone();
        async move {
            let answer = match serde_json::from_slice(&question) {
                Ok(Message::LookAt { primary, replicas }) => {
                    let key = |(host, port): (String, u16)| InstanceKey::new(host, port);
                    let replicas = replicas.into_iter().map(key).collect();
                    told(look(&fleet, &Question { primary: key(primary), replicas }, String::new()).await)
                }
                _ => Message::NotUnderstood {},
            };
            serde_json::to_vec(&answer).unwrap_or_default()
        }
        .boxed()
    }
}

/// Looks at the suspect and its replicas at the same time. Ends as soon as the suspect's state is known and
/// one replica was reached, since more replicas add nothing.
pub(crate) async fn look(fleet: &SharedFleet, question: &Question, observer: String) -> Evidence {
    let primary = fleet.touch_fresh(&question.primary, LOOK_DEADLINE);
    let replicas = async {
        let mut looks: FuturesUnordered<_> =
            question.replicas.iter().map(|key| fleet.touch_fresh(key, LOOK_DEADLINE)).collect();
        let mut missed = 0;
        while let Some(seen) = looks.next().await {
            match seen {
                Ok(_) => return (1, missed),
                Err(failure) if failure.kind.proves_alive() => return (1, missed),
                Err(_) => missed += 1,
            }
        }
        (0, missed)
    };
    let (primary, (replicas_reached, replicas_missed)) = join(primary, replicas).await;
    let primary = primary.map_or_else(Sight::Failed, |_| Sight::Alive);
    Evidence { observer, primary, replicas_reached, replicas_missed, at: clock::now() }
}

/// Looks, and has every peer look, at the same time.
pub(crate) async fn gather(raft: &RaftNode, fleet: &SharedFleet, question: Question) -> Vec<Evidence> {
    let key = |key: &InstanceKey| (key.hostname.to_string(), key.port);
    let message = Message::LookAt {
        primary: key(&question.primary),
        replicas: question.replicas.iter().map(key).collect(),
    };
    let payload = serde_json::to_vec(&message).unwrap_or_default();
    let own = look(fleet, &question, raft.health().me.raft_addr.clone());
    let (own, answers) = join(own, raft.ask_peers(payload, LOOK_DEADLINE + ANSWER_SLACK)).await;
    let heard = answers.into_iter().map(|(peer, answer)| {
        let answer = answer.map_err(|error| error.to_string());
        heard(peer.raft_addr, answer)
    });
    std::iter::once(own).chain(heard).collect()
}

/// How many nodes have a vote.
pub(crate) fn voters(raft: &RaftNode) -> usize {
    raft.health().peers.iter().filter(|peer| peer.voter).count().max(1)
}

fn told(evidence: Evidence) -> Message {
    let primary = match evidence.primary {
        Sight::Alive => Seen::Alive {},
        Sight::Failed(Failure { kind, error, partial }) => {
            let kind = KINDS.iter().find(|(known, _)| *known == kind).map_or("nonsense", |(_, name)| name);
            Seen::Failed { kind: kind.into(), error, partial }
        }
        Sight::NoAnswer(error) => Seen::Failed { kind: "name-unresolved".into(), error, partial: false },
    };
    Message::Saw {
        primary,
        replicas_reached: evidence.replicas_reached,
        replicas_missed: evidence.replicas_missed,
        at: evidence.at.as_millis(),
    }
}

fn heard(observer: String, answer: Result<Vec<u8>, String>) -> Evidence {
    let nothing = |why: String| Evidence {
        observer: observer.clone(),
        primary: Sight::NoAnswer(why),
        replicas_reached: 0,
        replicas_missed: 0,
        at: clock::now(),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return nothing(error),
    };
    let Ok(Message::Saw { primary, replicas_reached, replicas_missed, at }) = serde_json::from_slice(&answer)
    else {
        return nothing("did not understand the question".into());
    };
    let primary = match primary {
        Seen::Alive {} => Sight::Alive,
        Seen::Failed { kind, error, partial } => match KINDS.iter().find(|(_, name)| *name == kind) {
            Some((kind, _)) => Sight::Failed(Failure { kind: *kind, error, partial }),
            None => return nothing(format!("told of an unknown kind of failure: {kind}")),
        },
    };
    Evidence {
        observer,
        primary,
        replicas_reached,
        replicas_missed,
        at: orchestrator_core::Timestamp::from_millis(at),
    }
}
