//! Names that stand in the Kubernetes API: once released, they can never change.

/// API group of every custom resource of this project.
pub const GROUP: &str = "orchestrator.rs";

/// The one served and stored version.
///
/// A new version is added beside it, never in place of it, as long as objects of this one may exist in a cluster.
pub const VERSION: &str = "v1alpha1";

/// Kind of the custom resource from which the operator builds a raft group.
pub const KIND: &str = "OrchestratorCluster";

/// Plural name, as in `kubectl get orchestratorclusters`.
pub const PLURAL: &str = "orchestratorclusters";

/// `group/version` as it stands in the `apiVersion` of a manifest.
pub const API_VERSION: &str = "orchestrator.rs/v1alpha1";

/// Name of the definition of [`KIND`].
pub const CRD_NAME: &str = "orchestratorclusters.orchestrator.rs";

/// Owns the fields of children in server-side apply, and reports events.
pub const MANAGER: &str = "orchestrator-operator";

/// Owns the status in server-side apply.
pub const STATUS_MANAGER: &str = "orchestrator.rs/status";

/// Labels of objects.
pub mod label {
    /// The [`crate::OrchestratorCluster`] to which an object belongs.
    pub const CLUSTER: &str = "orchestrator.rs/cluster";

    /// On a member's pod, for people: see [`crate::Role`]. Nothing routes on it.
    pub const RAFT_ROLE: &str = "orchestrator.rs/raft-role";

    /// On a volume that outlives its group: of which group its data is.
    pub const CLUSTER_ID: &str = "orchestrator.rs/cluster-id";

    /// The labels that Kubernetes recommends, with the values that never depend on a version: changing a label of a
    /// selector or of a volume's template makes a StatefulSet that cannot be updated.
    pub const FIXED: [(&str, &str); 4] = [
        ("app.kubernetes.io/name", "orchestrator"),
        ("app.kubernetes.io/component", "raft-member"),
        ("app.kubernetes.io/part-of", "orchestrator"),
        ("app.kubernetes.io/managed-by", super::MANAGER),
    ];

    /// Its value is the name of the [`crate::OrchestratorCluster`].
    pub const INSTANCE: &str = "app.kubernetes.io/instance";

    /// Only outside selectors and volume templates.
    pub const VERSION: &str = "app.kubernetes.io/version";
}

/// Annotations that the operator writes.
pub mod annotation {
    /// On the definition: of which version of this project it is.
    pub const CRD_VERSION: &str = "orchestrator.rs/crd-version";

    /// On the pod template: changes when a Secret changed that a member cannot read again while it runs.
    pub const RESTART_HASH: &str = "orchestrator.rs/restart-hash";

    /// On the pod template: which of the operator's templates it is.
    pub const TEMPLATE_VERSION: &str = "orchestrator.rs/template-version";

    /// On a child: the hash of what the operator applied. What differs from it was changed by somebody else.
    pub const APPLIED_HASH: &str = "orchestrator.rs/applied-hash";

    /// On a member's pod: the digest of the live configuration that its kubelet was told of.
    pub const LIVE_CONFIG: &str = "orchestrator.rs/live-config";
}

/// Annotations by which people ask for something, with `kubectl annotate`.
pub mod verb {
    /// On a member's pod: its storage and identity are replaced. Value `true`; taken away when begun.
    pub const REPLACE: &str = "orchestrator.rs/replace";

    /// On the resource: leadership goes to this pod. Taken away when done.
    pub const TRANSFER_LEADER_TO: &str = "orchestrator.rs/transfer-leader-to";

    /// On the resource: all members are restarted, the leader last; a new value restarts them again.
    pub const RESTARTED_AT: &str = "orchestrator.rs/restartedAt";

    /// On the resource: the value `paused` does the same as `spec.paused`.
    pub const RECONCILE: &str = "orchestrator.rs/reconcile";

    /// On the resource, when a majority of the disks is lost: `<clusterID>/<pod>` goes on alone, and what it does not
    /// hold is lost. Taken away when done or refused.
    pub const FORCE_NEW_CLUSTER: &str = "orchestrator.rs/force-new-cluster";

    /// On the resource, when all disks are lost: the value is the old `clusterID`; a new group begins with nothing.
    /// Taken away when done or refused.
    pub const ALLOW_REBOOTSTRAP: &str = "orchestrator.rs/allow-rebootstrap";

    /// On the resource: members may be taken back to this version.
    pub const ALLOW_DOWNGRADE: &str = "orchestrator.rs/allow-downgrade";

    /// All of them, in the order above.
    pub const ALL: [&str; 7] = [
        REPLACE,
        TRANSFER_LEADER_TO,
        RESTARTED_AT,
        RECONCILE,
        FORCE_NEW_CLUSTER,
        ALLOW_REBOOTSTRAP,
        ALLOW_DOWNGRADE,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_made_of_others_agree_with_them() {
        assert_eq!(API_VERSION, format!("{GROUP}/{VERSION}"));
        assert_eq!(CRD_NAME, format!("{PLURAL}.{GROUP}"));
        assert_eq!(PLURAL, format!("{}s", KIND.to_lowercase()));
    }

    #[test]
    fn our_keys_are_under_our_group() {
        let ours = [label::CLUSTER, label::RAFT_ROLE, label::CLUSTER_ID, annotation::CRD_VERSION];
        let more = [
            annotation::RESTART_HASH,
            annotation::TEMPLATE_VERSION,
            annotation::APPLIED_HASH,
            annotation::LIVE_CONFIG,
        ];
        for key in ours.into_iter().chain(more).chain(verb::ALL) {
            assert!(key.starts_with("orchestrator.rs/"), "{key}");
        }
    }
}
