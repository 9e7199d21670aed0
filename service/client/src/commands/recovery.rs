//! What people declare, and what happens when a server fails.

use super::{Command, commands};

pub(super) const DECLARATIONS: &[Command] = commands! {
    /// keep automatic recovery away from an instance for a while
    "begin-downtime"                "begin-downtime/{instance}/{owner}/{reason}/{duration}" details_key;
    /// end a downtime
    "end-downtime"                  "end-downtime/{instance}"                        details_key;
    /// lock an instance against being moved
    "begin-maintenance"             "begin-maintenance/{instance}/{owner}/{reason}"  details_key;
    /// end a maintenance
    "end-maintenance"               "end-maintenance/{instance}"                     details_key;
    /// say how willingly an instance is promoted
    "register-candidate"            "register-candidate/{instance}/{promotion-rule}" details_key;
    /// give an instance the name its replicas are to use
    "register-hostname-unresolve"   "register-hostname-unresolve/{instance}/{hostname}" details_key;
    /// take that name away
    "deregister-hostname-unresolve" "deregister-hostname-unresolve/{instance}"       details_key;
};

pub(super) const RECOVERY: &[Command] = commands! {
    /// list what is wrong, and where
    "replication-analysis"          "replication-analysis"                            details_findings;
    /// recover from the failure of an instance, block period or not
    "recover"                       "recover/{instance}[/{destination}]"              details_key;
    /// change the primary as planned; -d names the new one
    "graceful-master-takeover"      "graceful-master-takeover/{hint}[/{destination}]" details_successor;
    /// the same, picking the replica, and starting the old primary as one
    "graceful-master-takeover-auto" "graceful-master-takeover-auto/{hint}[/{destination}]" details_successor;
    /// give the primary up, healthy or not, and let a replica be picked
    "force-master-failover"         "force-master-failover/{hint}"                    details_successor;
    /// give the primary up, healthy or not, for the replica in -d
    "force-master-takeover"         "force-master-takeover/{hint}/{destination}"      details_successor;
    /// acknowledge the recoveries of a cluster, which ends their block
    "ack-cluster-recoveries"        "ack-recovery/cluster/{hint}?comment={reason}"    details;
    /// acknowledge all recoveries
    "ack-all-recoveries"            "ack-all-recoveries?comment={reason}"             details;
    /// stop automatic recovery everywhere
    "disable-global-recoveries"     "disable-global-recoveries"                       details;
    /// allow automatic recovery again
    "enable-global-recoveries"      "enable-global-recoveries"                        details;
    /// tell whether automatic recovery is allowed
    "check-global-recoveries"       "check-global-recoveries"                         details;
};
