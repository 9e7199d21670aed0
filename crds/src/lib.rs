#![doc = include_str!("../DESIGN.md")]

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_version_is_group_and_version() {
        assert_eq!(API_VERSION, format!("{GROUP}/{VERSION}"));
    }

    #[test]
    fn plural_is_the_lower_case_kind() {
        assert_eq!(PLURAL, format!("{}s", KIND.to_lowercase()));
    }
}
