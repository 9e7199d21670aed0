//! [`Execute`] on real servers: what it takes to make each change, and to make it again.

mod change;
mod fence;
mod source;
mod wait;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use mysql_async::Row;
use orchestrator_core::{
    InstanceKey,
    instance::Replication,
    observation::{Failure, FailureKind},
};
use tokio::time::Instant;

use crate::{
    cells::Cells,
    contract::{Applied, Change, Credentials, ExecError, Execute, Fenced, Received},
    dialect::{CLEAR_SQL_MODE, Dialect, Wording},
    fleet::Fleet,
    reader::{is_misworded, learn},
    session::{QueryError, Server, Session},
    status::{default_channel, replication},
};

impl Execute for Fleet {
    fn change<'a>(
        &'a self,
        key: &'a InstanceKey,
        change: Change,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ExecError>> {
        Box::pin(
            async move { Operation::begin(self, key, change.purpose(), deadline).await?.make(change).await },
        )
    }

    fn received<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Received, ExecError>> {
        let purpose = "read what was received";
        Box::pin(async move {
            let mut operation = Operation::begin(self, key, purpose, deadline).await?;
            // The status first: what is applied between the two is then in both, not in neither.
            let replication = operation.status().await?;
            Ok(Received { executed_gtid: operation.executed().await?, replication })
        })
    }

    fn wait_applied<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Applied, ExecError>> {
        let purpose = "wait until all received transactions are applied";
        Box::pin(async move { Operation::begin(self, key, purpose, deadline).await?.wait_applied().await })
    }

    fn wait_for_gtid<'a>(
        &'a self,
        key: &'a InstanceKey,
        gtid: &'a str,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ExecError>> {
        let purpose = "wait until transactions are executed";
        Box::pin(
            async move { Operation::begin(self, key, purpose, deadline).await?.wait_executed(gtid).await },
        )
    }

    fn fence<'a>(&'a self, key: &'a InstanceKey, patience: Duration) -> BoxFuture<'a, Fenced> {
        Box::pin(fence::fence(self, key, patience))
    }

    fn replication_credentials<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Option<Credentials>, ExecError>> {
        let purpose = "read replication credentials";
        Box::pin(async move { Operation::begin(self, key, purpose, deadline).await?.credentials(self).await })
    }
}

/// One change in progress: its connection, its deadline, and what it is for.
struct Operation {
    session: Session,
    server: Arc<Server>,
    purpose: &'static str,
    began: Instant,
    deadline: Instant,
    use_super_read_only: bool,
}

impl Operation {
    async fn begin(
        fleet: &Fleet,
        key: &InstanceKey,
        purpose: &'static str,
        deadline: Duration,
    ) -> Result<Self, ExecError> {
        let config = fleet.config();
        let settings = &config.settings;
        let began = Instant::now();
        let deadline = began + deadline.min(settings.operation_timeout);
        let connected_by = deadline.min(began + settings.connect_timeout);
        let failed = |failure| ExecError::Failure { purpose, failure };
        let mut session = fleet.connect(key, connected_by).await.map_err(failed)?;
        let slot = fleet.slot(key);
        session.server.clone_from(&slot.memory().server);
        let server = learn(&mut session, &slot, deadline).await.map_err(failed)?;
        let use_super_read_only = settings.use_super_read_only;
        Ok(Self { session, server, purpose, began, deadline, use_super_read_only })
    }

    fn dialect(&self) -> Dialect {
        self.server.dialect
    }

    /// Runs a statement that is the same everywhere.
    async fn run(&mut self, sql: &str) -> Result<(), ExecError> {
        let result = self.session.run(sql, self.deadline).await;
        result.map_err(|error| self.error(error))
    }

    /// Runs a statement that has two wordings; the other one is tried when the first is not understood.
    async fn run_in_words(
        &mut self,
        wording: Wording,
        sql: impl Fn(Dialect) -> String,
    ) -> Result<(), ExecError> {
        match self.session.run(&sql(self.dialect()), self.deadline).await {
            Err(QueryError::Server(error)) if is_misworded(&error) => {
                let other = self.dialect().without(wording);
                match self.session.run(&sql(other), self.deadline).await {
                    // Neither is understood: the first answer is the one about the right words.
                    Err(QueryError::Server(second)) if is_misworded(&second) => {
                        Err(self.error(QueryError::Server(error)))
                    }
                    result => result.map_err(|error| self.error(error)),
                }
            }
            result => result.map_err(|error| self.error(error)),
        }
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ExecError> {
        let result = self.session.query(sql, self.deadline).await;
        result.map_err(|error| self.error(error))
    }

    /// First cell of the first row, as text.
    async fn text(&mut self, sql: &str) -> Result<String, ExecError> {
        let rows = self.query(sql).await?;
        let value = rows.first().and_then(|row| row.as_ref(0));
        Ok(value.map(|value| crate::cells::text_of(value).into_owned()).unwrap_or_default())
    }

    async fn status(&mut self) -> Result<Option<Replication>, ExecError> {
        let dialect = self.dialect();
        let rows = match self.session.query(dialect.replica_status(), self.deadline).await {
            Err(QueryError::Server(error)) if is_misworded(&error) => {
                self.query(dialect.without(Wording::Replica).replica_status()).await?
            }
            result => result.map_err(|error| self.error(error))?,
        };
        Ok(default_channel(&rows).and_then(|(row, _)| replication(row)))
    }

    /// Transactions executed so far; empty on a server without GTID.
    async fn executed(&mut self) -> Result<String, ExecError> {
        let variable = if self.dialect().mariadb { "gtid_current_pos" } else { "gtid_executed" };
        let text = self.text(&format!("SELECT @@global.{variable} AS executed")).await?;
        Ok(crate::variables::without_white_space(text))
    }

    /// Modes under which a literal could mean something else are off for what follows.
    async fn read_literals_as_written(&mut self) -> Result<(), ExecError> {
        self.run(CLEAR_SQL_MODE).await
    }

    fn error(&self, error: QueryError) -> ExecError {
        let purpose = self.purpose;
        match error {
            QueryError::Server(error) => {
                ExecError::Server { purpose, code: error.code, state: error.state, message: error.message }
            }
            QueryError::Failure(Failure { kind: FailureKind::Silent, .. }) => self.timeout(String::new()),
            QueryError::Failure(failure) => ExecError::Failure { purpose, failure },
        }
    }

    fn timeout(&self, progress: String) -> ExecError {
        ExecError::Timeout { purpose: self.purpose, waited: self.began.elapsed(), progress }
    }

    fn refused(&self, reason: impl Into<String>) -> ExecError {
        ExecError::Refused { purpose: self.purpose, reason: reason.into() }
    }

    async fn credentials(&mut self, fleet: &Fleet) -> Result<Option<Credentials>, ExecError> {
        const STORED: &str = "SELECT User_name AS user, User_password AS password \
             FROM mysql.slave_master_info WHERE Channel_name = ''";
        let config = fleet.config();
        let wanted = config.settings.queries.replication_credentials.as_deref();
        for sql in wanted.into_iter().chain((!self.dialect().mariadb).then_some(STORED)) {
            match self.session.first(sql, self.deadline).await {
                Ok(Some(row)) => {
                    let cell =
                        |index| row.as_ref(index).map(|value| crate::cells::text_of(value).into_owned());
                    let (user, password) = (cell(0).unwrap_or_default(), cell(1).unwrap_or_default());
                    if !user.is_empty() {
                        return Ok(Some(Credentials { user, password: crate::Secret::new(password) }));
                    }
                }
                // Not told: no right, no such table, nothing in it.
                Ok(None) | Err(QueryError::Server(_)) => {}
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(None)
    }
}

/// The truth in the first row's column `value`.
fn first_truth(rows: &[Row]) -> Option<bool> {
    Cells::new(rows.first()?).truth(&["value"])
}
