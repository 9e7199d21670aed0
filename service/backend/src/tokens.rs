//! Access tokens of people who change things in the web UI.
//!
//! They are replicated: production writes them only while applying commands. A token that was issued is redeemed
//! once, by its public half, for a secret one; only a digest of that is kept (see [`AccessTokenRow::secret`]).

use orchestrator_core::Timestamp;

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::value::Row;

/// One token.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessTokenRow {
    /// The half by which it is redeemed.
    pub public: String,
    /// What is kept of the other half: a digest with its name before it, or, in rows that the original or a person
    /// wrote, the secret itself.
    pub secret: String,
    /// When it was issued.
    pub generated_at: Timestamp,
    /// For whom.
    pub generated_by: String,
    /// It was redeemed.
    pub is_acquired: bool,
    /// It can be redeemed again and again and never grows old; only ever set by hand.
    pub is_reentrant: bool,
}

impl std::fmt::Debug for AccessTokenRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokenRow").field("generated_by", &self.generated_by).finish_non_exhaustive()
    }
}

impl dyn Backend + '_ {
    /// The token of this public half.
    pub fn access_token(&mut self, public: &str) -> Result<Option<AccessTokenRow>, BackendError> {
        let sql = "select public_token, secret_token, generated_at, generated_by, is_acquired, is_reentrant \
                   from access_token where public_token = ?";
        let read = |mut row: Row| AccessTokenRow {
            public: row.text(),
            secret: row.text(),
            generated_at: row.time().unwrap_or_default(),
            generated_by: row.text(),
            is_acquired: row.int() != 0,
            is_reentrant: row.int() != 0,
        };
        Ok(self.query_first(sql, &[public.into()])?.map(read))
    }

    /// Adds a token that nobody redeemed yet; those issued before `forget_before` go, unless they never grow old.
    pub fn issue_access_token(
        &mut self,
        token: &AccessTokenRow,
        forget_before: Timestamp,
    ) -> Result<(), BackendError> {
        self.in_transaction(|backend| {
            let sql = "delete from access_token where generated_at < ? and is_reentrant = 0";
            backend.execute(sql, &[forget_before.into()])?;
            let row = vec![
                ("public_token", (&token.public).into()),
                ("secret_token", (&token.secret).into()),
                ("generated_at", token.generated_at.into()),
                ("generated_by", (&token.generated_by).into()),
                ("is_acquired", i64::from(token.is_acquired).into()),
                ("is_reentrant", i64::from(token.is_reentrant).into()),
            ];
            // Names are random: there is no second one, and were there, applying the log must not fail.
            backend.insert("access_token", OnConflict::Ignore, row)
        })
    }

    /// Redeems a token that was issued at `not_before` or later and not redeemed before, or that can be redeemed
    /// again and again: from now on `secret` is kept of its other half. `false`: there is none.
    pub fn redeem_access_token(
        &mut self,
        public: &str,
        secret: &str,
        not_before: Timestamp,
        at: Timestamp,
    ) -> Result<bool, BackendError> {
        let sql = "update access_token set secret_token = ?, is_acquired = 1, acquired_at = ? \
                   where public_token = ? and (is_reentrant = 1 or (is_acquired = 0 and generated_at >= ?))";
        Ok(self.execute(sql, &[secret.into(), at.into(), public.into(), not_before.into()])? > 0)
    }
}
