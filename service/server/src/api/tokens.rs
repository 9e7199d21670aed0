//! Access tokens (`AuthenticationMethod` `token`), kept by the group so that every leader knows them.

use futures::FutureExt;
use orchestrator_config::Secret;
use orchestrator_core::Timestamp;
use orchestrator_http::ports::{AccessToken, Answer, PortError, StoredSecret, Tokens};
use orchestrator_raft::command::Command;

use super::{LIST_DEADLINE, NodeApi, failed};
use crate::{clock, process};

/// The half of a token that its holder alone will know, and what is kept of it.
fn secret_half() -> (Secret<String>, String) {
    let secret = Secret::new(process::token());
    let stored = StoredSecret::digest_of(&secret);
    (secret, stored)
}

impl Tokens for NodeApi {
    fn issue(&self, owner: String, forget_before: Timestamp) -> Answer<'_, String> {
        async move {
            let public = process::token();
            // Nobody learns this one: until the token is redeemed it lets nobody in.
            let (_, secret) = secret_half();
            self.audit.note("access-token", None, "", &format!("issued for {owner:?}"));
            let at = clock::now();
            let issue =
                Command::IssueAccessToken { public: public.clone(), secret, owner, at, forget_before };
            self.propose(issue).await.map(|_| public)
        }
        .boxed()
    }

    fn find(&self, public: String) -> Answer<'_, Option<AccessToken>> {
        async move {
            let read = move |backend: &mut dyn orchestrator_backend::Backend| backend.access_token(&public);
            let found = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            Ok(found.map(|row| AccessToken {
                secret: StoredSecret::from_stored(row.secret),
                generated_at: row.generated_at,
                is_reentrant: row.is_reentrant,
            }))
        }
        .boxed()
    }

    fn redeem(&self, public: String, not_before: Timestamp) -> Answer<'_, Option<Secret<String>>> {
        async move {
            // A token that a person wrote to be used by many: they share the secret that was written.
            let shared = self.find(public.clone()).await?.filter(|token| token.is_reentrant);
            if let Some(secret) = shared.and_then(|token| token.secret.reveal_plain()) {
                return Ok(Some(secret));
            }
            let (secret, stored) = secret_half();
            let redeem = Command::RedeemAccessToken { public, secret: stored, not_before, at: clock::now() };
            match self.propose(redeem).await {
                Ok(_) => Ok(Some(secret)),
                Err(PortError::Refused(_)) => Ok(None),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }
}
