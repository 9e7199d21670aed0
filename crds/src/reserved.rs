//! Keys of the configuration that are not the user's under `spec.config`: the operator or a Secret decides them.

/// A key, and what to write instead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// As the documentation spells it; files may use any case.
    pub key: &'static str,
    /// Its type as JSON schema calls it. The API server's rules see only keys whose type they know.
    pub kind: &'static str,
    /// Completes "spec.config may not contain KEY: ".
    pub instead: &'static str,
}

macro_rules! reserved {
    ($($instead:literal: $($key:ident: $kind:ident),+;)*) => {
        &[$($(Reserved { key: stringify!($key), kind: stringify!($kind), instead: $instead }),+),*]
    };
}

/// All of them. The operator sets each, so that members find one another and their data;
/// what is a secret does not belong into an object that many can read.
pub const RESERVED: &[Reserved] = reserved! {
    "set spec.api.port": ListenAddress: string, ListenSocket: string;
    "set spec.api.probePort": ProbeListenAddress: string;
    "the operator sets it for each member": HTTPAdvertise: string, RaftEnabled: boolean, RaftAdvertise: string,
        RaftDataDir: string, RaftBootstrap: string, RaftMembershipSource: string, OperatorTokenFile: string,
        StatusEndpoint: string;
    "set spec.raft.port": RaftBind: string, DefaultRaftPort: integer;
    "set spec.replicas, and spec.raft.externalMembers for members outside of Kubernetes": RaftNodes: array;
    "set spec.backend.type": BackendDB: string, SQLite3DataFile: string;
    "set spec.backend.mysql": MySQLOrchestratorHost: string, MySQLOrchestratorPort: integer,
        MySQLOrchestratorDatabase: string, MySQLOrchestratorUser: string, MySQLOrchestratorPassword: string,
        MySQLOrchestratorCredentialsConfigFile: string;
    "set spec.topology.credentialsSecretRef": MySQLTopologyUser: string, MySQLTopologyPassword: string,
        MySQLTopologyCredentialsConfigFile: string;
    "set spec.topology.tlsSecretRef": MySQLTopologyUseMutualTLS: boolean, MySQLTopologySSLPrivateKeyFile: string,
        MySQLTopologySSLCertFile: string, MySQLTopologySSLCAFile: string;
    "set spec.tls": UseSSL: boolean, UseMutualTLS: boolean, SSLPrivateKeyFile: string, SSLCertFile: string,
        SSLCAFile: string, RaftTLSCertFile: string, RaftTLSPrivateKeyFile: string, RaftTLSCAFile: string;
    "set spec.api.authentication": AuthenticationMethod: string, HTTPAuthUser: string, HTTPAuthPassword: string;
};

/// Who decides `key` instead of the user; `None` when it is the user's. Any case, as the service reads it.
#[must_use]
pub fn reserved(key: &str) -> Option<&'static Reserved> {
    RESERVED.iter().find(|reserved| reserved.key.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_key_is_reserved_once_and_in_any_case() {
        let distinct: BTreeSet<String> = RESERVED.iter().map(|r| r.key.to_lowercase()).collect();
        assert_eq!(distinct.len(), RESERVED.len());
        assert_eq!(reserved("raftnodes").map(|r| r.key), Some("RaftNodes"));
        assert_eq!(reserved("RecoverMasterClusterFilters"), None);
    }
}
