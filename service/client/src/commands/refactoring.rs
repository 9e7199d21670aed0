//! Changing who replicates from whom.

use super::{Command, commands};

pub(super) const MOVING: &[Command] = commands! {
    /// move a replica below another instance, by whatever means fit
    "relocate"           "relocate/{instance}/{destination}"            details_moved;
    /// move all replicas of an instance below another one
    "relocate-replicas"  "relocate-replicas/{instance}/{destination}"   details_instances;
    /// make the siblings of a replica its replicas
    "take-siblings"      "take-siblings/{instance}"                     details_moved;
    /// let a replica and its source change places
    "take-master"        "take-master/{instance}"                       details_moved;
    /// let a primary replicate from its replica as well
    "make-co-master"     "make-co-master/{instance}"                    details_moved;
    /// name a new source, keeping the binary log position
    "repoint"            "repoint/{instance}/{destination}"             details_moved;
    /// let all replicas of an instance name it as their source again
    "repoint-replicas"   "repoint-replicas/{instance}[/{destination}]"  details_instances;
    /// move a replica below another instance, by GTID
    "move-gtid"          "move-below-gtid/{instance}/{destination}"     details_moved;
    /// move all replicas of an instance, by GTID
    "move-replicas-gtid" "move-replicas-gtid/{instance}/{destination}"  details_moved_replicas;
    /// move a replica one level up
    "move-up"            "move-up/{instance}"                           details_moved;
    /// move the replicas of an instance one level up
    "move-up-replicas"   "move-up-replicas/{instance}[/{destination}]"  details_instances;
    /// move a replica below its sibling
    "move-below"         "move-below/{instance}/{destination}"          details_moved;
    /// move a replica by positions recorded as equivalent
    "move-equivalent"    "move-equivalent/{instance}/{destination}"     details_moved;
    /// move a replica below another instance, by Pseudo-GTID
    "match"              "match/{instance}/{destination}"               details_moved;
    /// move a replica one level up, by Pseudo-GTID
    "match-up"           "match-up/{instance}"                          details_moved;
    /// move the replicas of an instance one level up, by Pseudo-GTID
    "match-up-replicas"  "match-up-replicas/{instance}[/{destination}]" details_moved_replicas;
};
