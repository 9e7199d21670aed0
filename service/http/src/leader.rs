//! Who answers what is for the leader to answer, also while one leader follows another.
//!
//! A hand-over takes milliseconds and an election about a second. Whoever asks for a change meanwhile waits for it
//! here instead of being told that nobody leads, and what a leader that is gone did not take is sent to the next one.
//! Only what certainly was not begun is sent again.

use std::time::Duration;

use http::{Response, StatusCode};
use tokio::time::{Instant, sleep};

use crate::{
    app::App,
    proxy::{Body, ForwardError},
    table::{Access, Class},
};

/// How long a request waits for a leader: two elections.
pub(crate) const LEADER_WAIT: Duration = Duration::from_secs(2);
/// Pause between two looks at the health, which costs less than a microsecond.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// This node.
    Here,
    /// The leader, whose API is at this URI.
    At(String),
    /// The leader, and nobody is known to lead.
    Unknown,
}

/// Who answers a request of this class now.
fn place(app: &App, class: Class) -> Place {
    if class == Class::Local || app.ports.raft.is_none() {
        return Place::Here;
    }
    let health = app.health();
    let own = app.settings.identity.own_uri.trim_end_matches('/');
    match health.leader_uri.trim_end_matches('/') {
        _ if health.is_leader => Place::Here,
        // It led until a moment ago.
        uri if uri.is_empty() || uri == own => Place::Unknown,
        _ => Place::At(health.leader_uri.clone()),
    }
}

/// As [`place`]; until `deadline` it waits for another leader than `gone`, and, for what changes something, for any.
/// What only reads is answered here while nobody leads, as well as this node can.
pub(crate) async fn find(
    app: &App,
    class: Class,
    access: Access,
    gone: Option<&str>,
    deadline: Instant,
) -> Place {
    loop {
        let place = place(app, class);
        let waits = match &place {
            Place::Here => false,
            Place::At(uri) => Some(uri.as_str()) == gone,
            Place::Unknown => access == Access::Act,
        };
        if !waits || Instant::now() >= deadline {
            return place;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The request certainly was not begun: nobody listens there, or whoever does knows of another leader.
pub(crate) fn is_untouched(answer: &Result<Response<Body>, ForwardError>) -> bool {
    match answer {
        Ok(response) => response.status() == StatusCode::LOOP_DETECTED,
        Err(ForwardError::Broken(error)) => error.is_connect(),
        Err(ForwardError::BadLeader(_) | ForwardError::Timeout(_)) => false,
    }
}
