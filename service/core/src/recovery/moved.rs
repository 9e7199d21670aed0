//! What follows from recoveries that ended, for a view that has not seen it yet.
//!
//! The end of a recovery is committed, and so known to every node; what it did to servers each node must look at.
//! Between the two a server may die that nobody looked at again, and the old picture of it would be believed: a
//! dead successor would pass for a replica, and a dead replica would not count among those that may have
//! acknowledged what the successor took.

use alloc::{string::ToString, sync::Arc};

use crate::{
    gtid::Gtids,
    instance::{Instance, ThreadState},
    key::InstanceKey,
    time::Timestamp,
    view::{ActiveRecovery, Declared, InstanceRecord, TopologyView},
};

impl TopologyView {
    /// Takes what is declared now, and moves the instances that an ended recovery touched and nobody has seen since:
    /// the successor is a primary, all others follow it, or the failed one again where there is no successor. That
    /// holds also for those that the recovery counts as lost, since a statement without an answer may have been
    /// obeyed. The next look at each replaces it.
    pub fn declare(&mut self, declared: Arc<Declared>) {
        for recovery in &declared.active_recoveries {
            if let Some(ended_at) = recovery.ended_at {
                self.follow_recovery(recovery, ended_at);
            }
        }
        self.declared = declared;
    }

    fn follow_recovery(&mut self, recovery: &ActiveRecovery, ended_at: Timestamp) {
        let source = recovery.successor.as_ref().unwrap_or(&recovery.failed);
        for key in &recovery.touched {
            let unseen =
                self.get(key).filter(|record| record.checks.last_seen.is_none_or(|at| at < ended_at));
            let is_successor = self.canonical(key) == self.canonical(source);
            let moved =
                unseen.and_then(|record| if is_successor { opened(record) } else { moved(record, source) });
            if let Some(record) = moved {
                self.insert(record);
            }
        }
    }
}

/// A successor executed all that it received before it was opened.
fn opened(record: &InstanceRecord) -> Option<InstanceRecord> {
    record.instance.replication.as_ref()?;
    let mut instance = Instance { replication: None, ..record.instance.clone() };
    if let Ok(received) = Gtids::received(&record.instance) {
        instance.gtid.executed = received.to_string();
    }
    instance.settings.read_only = false;
    instance.settings.super_read_only = instance.settings.super_read_only.map(|_| false);
    Some(InstanceRecord { instance, source_contact_at: None, ..record.clone() })
}

/// One whose source was spoiled while the recovery ran was seen after whatever it was told.
fn moved(record: &InstanceRecord, source: &InstanceKey) -> Option<InstanceRecord> {
    let replication = record.instance.replication.as_ref()?;
    if replication.source == *source || replication.source.is_detached() {
        return None;
    }
    let mut record = InstanceRecord { source_contact_at: None, ..record.clone() };
    let replication = record.instance.replication.as_mut()?;
    replication.source = source.clone();
    replication.source_uuid.clear();
    replication.contact = Default::default();
    replication.io_thread = ThreadState::Running;
    Some(record)
}
