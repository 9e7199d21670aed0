//! What is said of a spec that makes no sense: before any member is restarted for it.

use expect_test::{Expect, expect};
use orchestrator_operator::build::{Context, ReferenceKind, render};

use super::{cluster, context, put_secret, refusal, rendered, seen};

fn check(spec: &str, wanted: Expect) {
    let cluster = cluster(spec);
    wanted.assert_eq(&refusal(render(&cluster, &context(), &seen(&cluster))));
}

#[test]
fn reserved_keys_in_any_case_are_refused_with_what_to_set_instead() {
    check(
        "config: {raftnodes: [], LISTENADDRESS: ':80', MySQLTopologyPassword: x}",
        expect![[r#"
            ReservedKey: spec.config may not contain LISTENADDRESS: set spec.api.port.
            ReservedKey: spec.config may not contain MySQLTopologyPassword: set spec.topology.credentialsSecretRef.
            ReservedKey: spec.config may not contain raftnodes: set spec.replicas, and spec.raft.externalMembers for members outside of Kubernetes.
        "#]],
    );
}

#[test]
fn what_the_service_would_refuse_at_its_start_is_said_in_its_words() {
    check(
        "config: {InstancePollSeconds: 0, DeadInstancePollSecondsMultiplyFactor: 0.5, ReadOnly: maybe}",
        expect![[r#"
            RejectedByMember: spec.config.DeadInstancePollSecondsMultiplyFactor: the delay must not shrink; write 1 or more.
            RejectedByMember: spec.config.InstancePollSeconds: cannot be 0; write 1 or more.
            RejectedByMember: spec.config.ReadOnly: a text is not possible; write true or false, without quotes.
        "#]],
    );
}

#[test]
fn a_variable_that_no_container_has_is_refused_and_one_that_the_template_sets_is_not() {
    check(
        "config: {ConsulAclToken: '${TOKEN}'}",
        expect![[r#"
        RejectedByMember: spec.config.ConsulAclToken: the environment variable TOKEN is not set; set it, or write ${NAME} of another one.
    "#]],
    );
    let env = |env: &str| {
        format!(
            "{{config: {{ConsulAclToken: '${{TOKEN}}'}}, pod: {{template: {{spec: {{containers: [{{name: orchestrator, {env}}}]}}}}}}}}"
        )
    };
    rendered(&env("env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: consul, key: token}}}]"));
    rendered(&env("envFrom: [{secretRef: {name: consul}}]"));
}

#[test]
fn a_document_beyond_the_limit_is_refused() {
    let long = format!("config: {{RecoverMasterClusterFilters: ['{}']}}", "x".repeat(300 << 10));
    check(
        &long,
        expect![[r#"
        TooLarge: spec.config is 307794 bytes as a file: 262144 are possible. Make it shorter.
    "#]],
    );
}

#[test]
fn a_pod_template_that_makes_no_pod_is_refused_with_the_place() {
    check(
        "pod: {template: {spec: {containers: [{image: x}]}}}",
        expect![[r#"
        CannotBeRendered: spec.pod.template.spec.containers[0] has no name, by which it is merged.
    "#]],
    );
    check(
        "pod: {template: {spec: {containers: x}}}",
        expect![[r#"
        CannotBeRendered: spec.pod.template takes the container orchestrator away: without it there is no member.
    "#]],
    );
    check(
        "pod: {template: {spec: {containers: [{name: orchestrator, $patch: delete}]}}}",
        expect![[r#"
            CannotBeRendered: spec.pod.template takes the container orchestrator away: without it there is no member.
        "#]],
    );
    check(
        "pod: {template: {spec: {terminationGracePeriodSeconds: 5, hostNetwork: maybe}}}",
        expect![[r#"
        CannotBeRendered: spec.pod.template does not make a pod template: invalid type: string "maybe", expected a boolean.
    "#]],
    );
}

#[test]
fn a_field_that_no_pod_has_is_remarked_and_left_out() {
    let rendering = rendered("pod: {template: {spec: {dnsPolcy: Default}}}");
    assert_eq!(rendering.remarks, ["spec.pod.template.spec.dnsPolcy: no field of a pod template, left out."]);
}

#[test]
fn a_key_that_nobody_knows_is_remarked_with_the_nearest_one() {
    let rendering = rendered("config: {RecoverMasterClusterFilter: ['.*']}");
    expect!["spec.config.RecoverMasterClusterFilter: unknown key, ignored; did you mean RecoverMasterClusterFilters?"].assert_eq(&rendering.remarks.join("\n"));
}

#[test]
fn a_secret_that_is_not_there_or_lacks_a_key_is_named_with_the_field() {
    let spec = "{topology: {credentialsSecretRef: {name: fleet}}, hooks: {configMapRef: {name: hooks}}}";
    let cluster = cluster(spec);
    let mut seen = seen(&cluster);
    seen.objects.insert((ReferenceKind::Secret, "fleet".to_owned()), None);
    seen.objects.remove(&(ReferenceKind::ConfigMap, "hooks".to_owned()));
    expect![[r#"
        SecretNotFound: Secret fleet, which spec.topology.credentialsSecretRef names, is not there: create it, or name another one.
        SecretNotFound: ConfigMap hooks, which spec.hooks.configMapRef names, cannot be read: allow the operator to get it.
    "#]].assert_eq(&refusal(render(&cluster, &context(), &seen)));
    put_secret(&mut seen, "fleet", &[("user", "x"), ("password", "y")]);
    expect![[r#"
        KeyNotFound: Secret fleet, which spec.topology.credentialsSecretRef names, has no key username: it has password, user.
        SecretNotFound: ConfigMap hooks, which spec.hooks.configMapRef names, cannot be read: allow the operator to get it.
    "#]].assert_eq(&refusal(render(&cluster, &context(), &seen)));
}

#[test]
fn without_any_image_nothing_is_rendered() {
    let cluster = cluster("{}");
    let context = Context { default_image: None, ..context() };
    expect![[r#"
        CannotBeRendered: spec.image is not set and the operator has no default: write the image of the service there, or start the operator with --default-image.
    "#]].assert_eq(&refusal(render(&cluster, &context, &seen(&cluster))));
}
