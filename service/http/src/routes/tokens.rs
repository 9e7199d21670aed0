//! Access tokens for people (`AuthenticationMethod` `token`), made by whoever holds the operator's token.

use serde::{Deserialize, Serialize};

use crate::{
    auth::Auth,
    call::Call,
    operator::OperatorError,
    reply::{Outcome, raw},
    table::{Row, rows},
};

/// Longest name of an owner; what the table holds.
const OWNER_MAX_CHARS: usize = 128;

pub(super) const ROWS: &[Row] = rows![
    PT "operator/access-token" => issue,
];

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IssueBody {
    #[serde(default)]
    owner: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IssueAnswer {
    public_token: String,
    /// Path and query at which a browser redeems it.
    path: String,
    /// Seconds until it is too late for that.
    redeem_within_seconds: u64,
}

/// `operator/access-token`: makes a token and answers its public half.
async fn issue(call: Call) -> Outcome {
    let IssueBody { owner } = if call.body.is_empty() {
        IssueBody::default()
    } else {
        serde_json::from_slice(&call.body).map_err(OperatorError::BadBody)?
    };
    if owner.chars().count() > OWNER_MAX_CHARS {
        return Err(OperatorError::BadRequest("Owner is longer than 128 characters").into());
    }
    let admission = call.app.admission();
    let Auth::Token(auth) = &admission.auth else {
        let reason = "nobody could use an access token: AuthenticationMethod is not token";
        return Err(OperatorError::Conflict(reason.into()).into());
    };
    let now = call.app.ports.reads.picture().now;
    let issued = auth.issue(&owner, now).await.map_err(OperatorError::from)?;
    let public_token =
        issued.ok_or_else(|| OperatorError::Conflict("there is no place to keep it".into()))?;
    let prefix = call.app.settings.prefix();
    let path = format!("{prefix}/web/access-token?publicToken={public_token}");
    raw(&IssueAnswer { public_token, path, redeem_within_seconds: auth.redeem_within().as_secs() })
}
