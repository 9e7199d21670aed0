#![doc = include_str!("../DESIGN.md")]

/// What somebody who starts the operator of this release has to know.
pub const NOTICE: &str = "orchestrator-operator: reconciling OrchestratorCluster comes in a later release; \
    this one runs raft groups without it: see the section about configuration in the README";

/// Exit code of a command that this release does not carry out.
///
/// Distinct from 1 (something failed), so that a supervisor can tell "cannot" from "went wrong".
pub const EXIT_NOT_AVAILABLE: u8 = 2;

/// One line for `--version`.
#[must_use]
pub fn version_line() -> String {
    format!("orchestrator-operator {}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn version_line_names_the_package() {
        assert!(super::version_line().starts_with("orchestrator-operator 0."));
    }
}
