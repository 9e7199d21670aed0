//! What is known: instances, clusters, tags, pools.

use super::{Command, commands};

pub(super) const INSTANCES: &[Command] = commands! {
    /// probe an instance and add it to its topology
    "discover"                    "discover/{instance}"                   details_instance;
    /// the same, without waiting for the probe
    "async-discover"              "async-discover/{instance}"             asked_instance;
    /// forget an instance
    "forget"                      "forget/{instance}"                     nothing;
    /// forget all instances of a cluster
    "forget-cluster"              "forget-cluster/{hint}"                 nothing;
    /// draw the topology of a cluster
    "topology"                    "topology/{hint}"                       details;
    /// the same as a table
    "topology-tabulated"          "topology-tabulated/{hint}"             details;
    /// the same with the tags of each instance
    "topology-tags"               "topology-tags/{hint}"                  details;
    /// record who replicates from whom at this moment
    "snapshot-topologies"         "snapshot-topologies"                   details;
    /// list the names of all clusters
    "clusters"                    "clusters-info"                         body_cluster_names;
    /// list the names and aliases of all clusters
    "clusters-alias"              "clusters-info"                         body_cluster_names_and_aliases;
    /// list the instances that match the text in -i
    "search"                      "search?s={instances}"                  body_instances;
    /// print host and port of an instance, or an error if unknown
    "instance"                    "instance/{instance}"                   body_instance;
    /// the same
    "which-instance"              "instance/{instance}"                   body_instance;
    /// print the source of an instance
    "which-master"                "instance/{instance}"                   body_source;
    /// list the replicas of an instance
    "which-replicas"              "instance-replicas/{instance}"          body_instances;
    /// list its replicas that stopped with an error
    "which-broken-replicas"       "instance-replicas/{instance}"          body_broken_replicas;
    /// print the name of a cluster
    "which-cluster"               "cluster-info/{hint}"                   body_cluster_name;
    /// print the alias of a cluster
    "which-cluster-alias"         "cluster-info/{hint}"                   body_cluster_alias;
    /// print the primary of a cluster
    "which-cluster-master"        "master/{hint}"                         body_instance;
    /// list the instances of a cluster
    "which-cluster-instances"     "cluster/{hint}"                        body_instances;
    /// list control replicas for an online schema change
    "which-cluster-osc-replicas"  "cluster-osc-replicas/{hint}"           body_instances;
    /// list those of them that are replicating
    "which-cluster-osc-running-replicas" "cluster-osc-replicas/{hint}"           body_running_replicas;
    /// list the primaries, one per cluster
    "all-clusters-masters"        "masters"                               body_instances;
    /// list all instances
    "all-instances"               "all-instances"                         body_instances;
    /// list the instances in downtime
    "downtimed"                   "downtimed[/{hint}]"                    body_instances;
    /// print the data centre of most primaries
    "dominant-dc"                 "masters"                               body_dominant_data_center;
    /// write the primaries to the key-value stores
    "submit-masters-to-kv-stores" "submit-masters-to-kv-stores[/{alias}]" details_key_values;
};

pub(super) const TAGS_AND_POOLS: &[Command] = commands! {
    /// list the tags of an instance
    "tags"                  "tags/{instance}"                                  body_texts;
    /// print the value of a tag of an instance
    "tag-value"             "tag-value/{instance}?tag={tag}"                   body_text;
    /// tag an instance
    "tag"                   "tag/{instance}?tag={tag}"                         details_key;
    /// remove a tag from an instance
    "untag"                 "untag/{instance}?tag={tag}"                       details_keys;
    /// remove a tag, with its value, wherever it is
    "untag-all"             "untag-all?tag={tag}"                              details_keys;
    /// list the instances with all tags of a comma list
    "tagged"                "tagged[/{instance}]?tag={tag}"                    body_keys;
    /// declare which instances form a pool
    "submit-pool-instances" "submit-pool-instances/{pool}?instances={instances}" details;
    /// list instances of a cluster that are in a pool
    "which-heuristic-cluster-pool-instances" "heuristic-cluster-pool-instances/{hint}[/{pool}]" details_instances;
};
