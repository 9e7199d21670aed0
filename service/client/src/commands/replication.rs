//! One instance: its replication, its settings, its binary logs.

use super::{Command, commands};

pub(super) const REPLICATION: &[Command] = commands! {
    /// start replication
    "start-replica"                "start-replica/{instance}"                        details_instance;
    /// stop replication
    "stop-replica"                 "stop-replica/{instance}"                         details_instance;
    /// stop replication once all that was received is applied
    "stop-replica-nice"            "stop-replica-nice/{instance}"                    details_instance;
    /// stop and start replication
    "restart-replica"              "restart-replica/{instance}"                      details_instance;
    /// make a replica forget its source; use with care
    "reset-replica"                "reset-replica/{instance}"                        details_instance;
    /// spoil the name of a replica's source, reversibly
    "detach-replica"               "detach-replica/{instance}"                       details_instance;
    /// undo detach-replica
    "reattach-replica"             "reattach-replica/{instance}"                     details_instance;
    /// the same as detach-replica
    "detach-replica-master-host"   "detach-replica-master-host/{instance}"           details_instance;
    /// the same as reattach-replica
    "reattach-replica-master-host" "reattach-replica-master-host/{instance}"         details_instance;
    /// give a replica its replication user and password anew
    "change-master-credentials"    "change-master-credentials/{instance}"            details_instance;
    /// skip one statement or transaction on a replica
    "skip-query"                   "skip-query/{instance}"                           details_instance;
    /// make a replica lag by -S seconds on purpose
    "delay-replication"            "delay-replication/{instance}/{seconds}"          details_json;
    /// print -q with what stops and starts replication around it
    "restart-replica-statements"   "restart-replica-statements/{instance}?q={query}" details_json;
    /// make an instance read-only
    "set-read-only"                "set-read-only/{instance}"                        details_instance;
    /// make an instance writable
    "set-writeable"                "set-writeable/{instance}"                        details_instance;
};

pub(super) const QUESTIONS: &[Command] = commands! {
    /// print the destination if an instance could replicate from it
    "can-replicate-from"      "can-replicate-from/{instance}/{destination}"      details_if_true;
    /// the same, by GTID
    "can-replicate-from-gtid" "can-replicate-from-gtid/{instance}/{destination}" details_if_true;
    /// print the instance if both threads run
    "is-replicating"          "instance/{instance}"                              body_if_replicating;
    /// print the instance if both threads are stopped
    "is-replication-stopped"  "instance/{instance}"                              body_if_stopped;
    /// print the last Pseudo-GTID entry of an instance
    "last-pseudo-gtid"        "last-pseudo-gtid/{instance}"                      details;
};

pub(super) const GTID_AND_LOGS: &[Command] = commands! {
    /// print the errant GTID set, an empty line if there is none
    "which-gtid-errant"         "instance/{instance}"                   body_errant_gtid;
    /// list the binary logs with errant GTIDs
    "locate-gtid-errant"        "locate-gtid-errant/{instance}"         details_texts;
    /// remove errant GTIDs by resetting the binary logs
    "gtid-errant-reset-master"  "gtid-errant-reset-master/{instance}"   details_instance;
    /// write errant GTIDs as empty transactions on the primary
    "gtid-errant-inject-empty"  "gtid-errant-inject-empty/{instance}"   details_instance;
    /// turn semi-sync on as a source
    "enable-semi-sync-master"   "enable-semi-sync-master/{instance}"    details_instance;
    /// turn semi-sync off as a source
    "disable-semi-sync-master"  "disable-semi-sync-master/{instance}"   details_instance;
    /// turn semi-sync on as a replica
    "enable-semi-sync-replica"  "enable-semi-sync-replica/{instance}"   details_instance;
    /// turn semi-sync off as a replica
    "disable-semi-sync-replica" "disable-semi-sync-replica/{instance}"  details_instance;
    /// start a new binary log
    "flush-binary-logs"         "flush-binary-logs/{instance}"          details_instance;
    /// drop the binary logs before -n
    "purge-binary-logs"         "purge-binary-logs/{instance}/{binlog}" details_instance;
};
