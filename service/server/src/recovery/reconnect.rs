//! Making replicas connect anew, to learn whether their primary lives; whose and when, core says.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use orchestrator_core::{InstanceKey, analysis::Finding};
use orchestrator_mysql::Change;
use tracing::warn;

use super::{Mandate as _, Recoveries, Term};

/// How long a receiving thread may take to stop: inside a read, as here, it takes milliseconds.
const STOP_DEADLINE: Duration = Duration::from_millis(300);

/// How long starting it may take.
const START_DEADLINE: Duration = Duration::from_secs(3);

impl Recoveries {
    /// Stops and starts the receiving threads of `replicas`. Ends when all were told to start.
    pub(crate) async fn reconnect(self: &Arc<Self>, finding: &Finding, replicas: &[InstanceKey]) {
        let term = self.raft.leadership().term;
        let restarts = replicas.iter().map(|replica| {
            let text = format!("its source {} is {}: does it still hear it?", finding.key, finding.code);
            self.audit.note("restart-replica-io-thread", Some(replica), &finding.cluster, &text);
            let (this, replica) = (self.clone(), replica.clone());
            // A task of its own: a replica that was stopped is started again, whatever becomes of who asked for it.
            self.tasks.spawn(async move { this.restart_receiver(&replica, term).await })
        });
        join_all(restarts).await;
    }

    async fn restart_receiver(&self, replica: &InstanceKey, term: u64) {
        let mandate = Term { raft: self.raft.clone(), term };
        if !mandate.holds() {
            return;
        }
        let stopped = self.fleet.change(replica, Change::StopReceiver, STOP_DEADLINE).await;
        // One that was stopped in time is started even if another node leads by now. One that takes long may have
        // been stopped by the recovery of that other node, and stays so.
        if stopped.is_err() && !mandate.holds() {
            return;
        }
        if let Err(error) = self.fleet.change(replica, Change::StartReceiver, START_DEADLINE).await {
            warn!(instance = %replica, %error, "its receiving thread was stopped and could not be started again");
        }
    }
}
