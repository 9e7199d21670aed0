//! What the API server refuses, with the sentence that says what to write instead.
//!
//! Rules read fields as the API server sees them: after defaults. Those that mention `oldSelf` hold for changes only.
//! What no rule can see, such as keys of `config` in another case, is said by the admission policy and by the
//! condition `ConfigValid`.

use kube::core::{Reason, Rule as CelRule};
use schemars::Schema;

use crate::{RESERVED, Reserved};

/// One rule, where it stands, and what it says.
struct Rule {
    /// In CEL; true is fine.
    rule: &'static str,
    /// Path of the field to blame, from where the rule stands.
    field: &'static str,
    /// What to write instead.
    message: &'static str,
}

const ROOT: &[Rule] = &[Rule {
    rule: "self.metadata.name.size() <= 48 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    field: ".metadata.name",
    message: "metadata.name becomes a part of the names of Services and pods: write at most 48 lower case letters, \
        digits and '-', with a letter at the beginning and a letter or digit at the end",
}];

const SPEC: &[Rule] = &[
    Rule {
        rule: "(self.replicas + size(self.raft.externalMembers)) in [1, 3, 5, 7] || \
            (self.unsafeFlags.evenReplicas && (self.replicas + size(self.raft.externalMembers)) in [4, 6])",
        field: ".replicas",
        message: "an even number of members tolerates no more failures than one less, and more than 7 only wait for each \
            other: make spec.replicas and spec.raft.externalMembers together 1, 3, 5 or 7, or set \
            spec.unsafeFlags.evenReplicas for 4 or 6",
    },
    Rule {
        rule: "!self.storage.ephemeral || self.replicas >= 3 || self.unsafeFlags.ephemeralStorage",
        field: ".storage.ephemeral",
        message: "with spec.storage.ephemeral a member that moves has lost its data: set spec.replicas to 3 or more, \
            or spec.unsafeFlags.ephemeralStorage to true",
    },
    Rule {
        rule: "self.raft.port != self.api.port && self.raft.port != self.api.probePort",
        field: ".raft.port",
        message: "spec.raft.port, spec.api.port and spec.api.probePort are three different ports: change one of them",
    },
    Rule {
        rule: "!oldSelf.stopped || (self.replicas == oldSelf.replicas && \
            self.raft.externalMembers == oldSelf.raft.externalMembers)",
        field: ".replicas",
        message: "members that do not run cannot agree on a change of members: set spec.stopped to false first, and \
            change spec.replicas or spec.raft.externalMembers when the cluster is Ready",
    },
    Rule {
        rule: "oldSelf.stopped || (has(self.tls) && self.tls.raft) == (has(oldSelf.tls) && oldSelf.tls.raft)",
        field: ".tls",
        message: "members that use TLS between them and members that do not cannot talk: set spec.stopped to true \
            first, change spec.tls or spec.tls.raft, then set spec.stopped to false",
    },
    Rule {
        rule: "has(self.clusterDomain) == has(oldSelf.clusterDomain) && \
            (!has(self.clusterDomain) || self.clusterDomain == oldSelf.clusterDomain)",
        field: ".clusterDomain",
        message: "spec.clusterDomain is part of each member's name and cannot be changed: create a new \
            OrchestratorCluster for it",
    },
];

const RAFT: &[Rule] = &[
    Rule {
        rule: "self.port == oldSelf.port",
        field: ".port",
        message: "spec.raft.port is part of each member's name and cannot be changed: create a new \
            OrchestratorCluster for it",
    },
    Rule {
        rule: "self.externalMembers.all(m, m.matches('^[a-z0-9.-]*[a-z][a-z0-9.-]*:[0-9]{1,5}$'))",
        field: ".externalMembers",
        message: "members are known by name, not by address: write each of spec.raft.externalMembers as name:port in \
            lower case, for example orc-9.example.net:10008",
    },
];

const API: &[Rule] = &[
    Rule {
        rule: "self.port != self.probePort",
        field: ".probePort",
        message: "spec.api.port and spec.api.probePort are two different ports: change one of them",
    },
    Rule {
        rule: "self.port == oldSelf.port && self.probePort == oldSelf.probePort",
        field: ".port",
        message: "spec.api.port and spec.api.probePort cannot be changed: change spec.service.port, which is what \
            clients see, or create a new OrchestratorCluster",
    },
];

const AUTHENTICATION: &[Rule] = &[
    Rule {
        rule: "!(self.method in ['Basic', 'Multi']) || has(self.secretRef)",
        field: ".secretRef",
        message: "spec.api.authentication.method Basic and Multi need spec.api.authentication.secretRef: name a \
            Secret with the keys username and password",
    },
    Rule {
        rule: "self.method in ['Basic', 'Multi'] || !has(self.secretRef)",
        field: ".secretRef",
        message: "spec.api.authentication.secretRef is for the methods Basic and Multi: set \
            spec.api.authentication.method to one of them, or leave secretRef out",
    },
];

const BACKEND: &[Rule] = &[
    Rule {
        rule: "self.type == oldSelf.type",
        field: ".type",
        message: "spec.backend.type cannot be changed, since members would lose what they know: create a new \
            OrchestratorCluster with the other type",
    },
    Rule {
        rule: "self.type != 'mysql' || has(self.mysql)",
        field: ".mysql",
        message: "spec.backend.type mysql needs spec.backend.mysql: write hostTemplate and credentialsSecretRef \
            there, or set spec.backend.type to sqlite",
    },
    Rule {
        rule: "self.type == 'mysql' || !has(self.mysql)",
        field: ".mysql",
        message: "spec.backend.mysql is for spec.backend.type mysql: set the type to mysql, or leave \
            spec.backend.mysql out",
    },
];

const MYSQL_BACKEND: &[Rule] = &[Rule {
    rule: "self.hostTemplate.contains('{ordinal}')",
    field: ".hostTemplate",
    message: "each member needs a database of its own: write {ordinal} into spec.backend.mysql.hostTemplate, for \
        example backend-{ordinal}.databases.svc",
}];

const STORAGE: &[Rule] = &[
    Rule {
        rule: "isQuantity(self.size) && quantity(self.size).isGreaterThan(quantity('0'))",
        field: ".size",
        message: "spec.storage.size is no size: write a number with a unit, for example 1Gi",
    },
    Rule {
        rule: "!isQuantity(self.size) || !isQuantity(oldSelf.size) || \
            quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
        field: ".size",
        message: "volumes cannot shrink: leave spec.storage.size as it was or make it larger",
    },
    Rule {
        rule: "has(self.storageClassName) == has(oldSelf.storageClassName) && \
            (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
        field: ".storageClassName",
        message: "spec.storage.storageClassName cannot be changed: create a new OrchestratorCluster with the other \
            class",
    },
    Rule {
        rule: "self.accessMode == oldSelf.accessMode && self.ephemeral == oldSelf.ephemeral",
        field: ".accessMode",
        message: "spec.storage.accessMode and spec.storage.ephemeral cannot be changed: create a new \
            OrchestratorCluster",
    },
];

const SERVICE: &[Rule] = &[
    Rule {
        rule: "self.type != 'ClusterIP' || (!has(self.nodePort) && !has(self.externalTrafficPolicy))",
        field: ".type",
        message: "spec.service.nodePort and spec.service.externalTrafficPolicy are for the types NodePort and \
            LoadBalancer: set spec.service.type to one of them, or leave them out",
    },
    Rule {
        rule: "self.type == 'LoadBalancer' || (!has(self.loadBalancerClass) && \
            !has(self.loadBalancerSourceRanges))",
        field: ".type",
        message: "spec.service.loadBalancerClass and spec.service.loadBalancerSourceRanges are for the type \
            LoadBalancer: set spec.service.type to it, or leave them out",
    },
    Rule {
        rule: "!has(self.labels) || self.labels.all(key, !key.startsWith('orchestrator.rs/') && \
            !key.startsWith('app.kubernetes.io/'))",
        field: ".labels",
        message: "labels under orchestrator.rs/ and app.kubernetes.io/ are the operator's: use another prefix in \
            spec.service.labels",
    },
];

const POD: &[Rule] = &[
    Rule {
        rule: "!has(self.labels) || self.labels.all(key, !key.startsWith('orchestrator.rs/') && \
            !key.startsWith('app.kubernetes.io/'))",
        field: ".labels",
        message: "labels under orchestrator.rs/ and app.kubernetes.io/ are the operator's: use another prefix in \
            spec.pod.labels",
    },
    Rule {
        rule: "!has(self.annotations) || self.annotations.all(key, !key.startsWith('orchestrator.rs/'))",
        field: ".annotations",
        message: "annotations under orchestrator.rs/ are the operator's: use another prefix in spec.pod.annotations",
    },
];

const POD_MONITOR: &[Rule] = &[Rule {
    rule: "self.interval.matches('^([0-9]+(ms|s|m|h))+$')",
    field: ".interval",
    message: "spec.monitoring.podMonitor.interval is no duration: write a number with ms, s, m or h, for example 30s",
}];

macro_rules! transforms {
    ($($name:ident: $rules:ident;)*) => {
        $(pub(crate) fn $name(schema: &mut Schema) { add(schema, $rules); })*
    };
}

transforms! {
    spec: SPEC; raft: RAFT; api: API; authentication: AUTHENTICATION; backend: BACKEND; mysql_backend: MYSQL_BACKEND;
    storage: STORAGE; service: SERVICE; pod: POD; pod_monitor: POD_MONITOR; root: ROOT;
}

fn add(schema: &mut Schema, rules: &[Rule]) {
    for Rule { rule, field, message } in rules {
        refuse_unless(schema, CelRule::new(*rule).message(*message).field_path(*field));
    }
}

/// Reserved keys in their documented spelling; the admission policy sees the others.
pub(crate) fn config(schema: &mut Schema) {
    for Reserved { key, instead, .. } in RESERVED {
        let message = format!("spec.config may not contain {key}: {instead}");
        refuse_unless(schema, CelRule::new(format!("!has(self.{key})")).message(message.as_str()));
    }
}

fn refuse_unless(schema: &mut Schema, rule: CelRule) {
    let rule = rule.reason(Reason::FieldValueInvalid);
    kube::core::validate(schema, rule).expect("a rule is plain text, so it becomes JSON");
}
