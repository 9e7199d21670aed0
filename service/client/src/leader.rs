//! Which of several servers to talk to. A single one is used as it is: something may stand in front of a group.

use std::sync::Arc;

use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::endpoint::{Endpoint, redacted};
use crate::failure::{Failure, chain};
use crate::settings::Settings;
use crate::transport::{self, Credentials, Limits};

/// A leader says 200 to the first; a follower that passes requests on to its leader says 200 to the second.
const CHECKS: [&str; 2] = ["leader-check", "routed-leader-check"];

/// The server to send commands to.
///
/// All are asked at the same time, and the first that says 200 is it, so dead ones cost nothing while one leads.
///
/// # Errors
/// None of them leads nor knows who does; the reasons say what each answered.
pub(crate) async fn find(settings: &Settings, limits: &Limits) -> Result<Endpoint, Failure> {
    if let [endpoint] = settings.endpoints.as_slice() {
        return Ok(endpoint.clone());
    }
    let shared = Arc::new((settings.credentials.clone(), limits.clone()));
    let mut reasons = Vec::new();
    for check in CHECKS {
        match first_to_agree(check, &settings.endpoints, &shared).await {
            Ok(leader) => return Ok(leader),
            Err(answers) => reasons = answers,
        }
    }
    Err(Failure::Client {
        text: format!("Cannot determine leader from {}", redacted(&settings.api)),
        reasons,
    })
}

async fn first_to_agree(
    check: &'static str,
    endpoints: &[Endpoint],
    shared: &Arc<(Credentials, Limits)>,
) -> Result<Endpoint, Vec<String>> {
    let mut asked = JoinSet::new();
    for endpoint in endpoints {
        let (endpoint, shared) = (endpoint.clone(), Arc::clone(shared));
        asked.spawn(async move { ask(endpoint, check, &shared.0, &shared.1).await });
    }
    let mut reasons = Vec::new();
    while let Some(answer) = asked.join_next().await {
        match answer.expect("asking does not panic and is not cancelled") {
            Ok(leader) => return Ok(leader),
            Err(reason) => reasons.push(reason),
        }
    }
    reasons.sort();
    Err(reasons)
}

async fn ask(
    endpoint: Endpoint,
    check: &str,
    who: &Credentials,
    limits: &Limits,
) -> Result<Endpoint, String> {
    let reason = match timeout(limits.leader_check, transport::get(&endpoint, check, who, limits)).await {
        Ok(Ok(reply)) if reply.status == StatusCode::OK => return Ok(endpoint),
        Ok(Ok(reply)) => format!("{check} says {}", reply.status),
        Ok(Err(error)) => chain(&error),
        Err(_) => format!("no answer to {check} within {:?}", limits.leader_check),
    };
    Err(format!("{}: {reason}", endpoint.shown()))
}
