//! Rules, judged without a server. Who proves them is `tests/apiserver`: it tries the same cases on a real one.

use std::collections::BTreeSet;

use kube::core::cel::{CompiledSchema, Validator, apply_defaults, compile_schema};
use orchestrator_crds::OrchestratorCluster;
use serde_json::Value;

use crate::{
    cases::{Case, Judge, accepted, refused, remarked},
    definition::{schema, walk},
};

/// An object as rules see it: without nulls, with defaults.
fn filled(schema: &Value, mut object: Value) -> Value {
    prune(&mut object);
    apply_defaults(schema, &object)
}

fn prune(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(prune);
    }
}

/// What rules say to a case; empty if nothing.
fn judge(schema: &Value, rules: &CompiledSchema, case: &Case) -> String {
    let filled = |object: Value| filled(schema, object);
    let before = case.before.as_ref().map(|spec| filled(case.object(Some(spec))));
    match Validator::new().validate_compiled(rules, &filled(case.wished()), before.as_ref()) {
        Ok(()) => String::new(),
        Err(errors) => errors.to_string(),
    }
}

/// All sentences of rules.
fn sentences(schema: &Value) -> BTreeSet<String> {
    let mut found = Vec::new();
    walk("", schema, &mut found);
    let rules = found.iter().filter_map(|(_, part)| part["x-kubernetes-validations"].as_array()).flatten();
    rules.filter_map(|rule| rule["message"].as_str().map(str::to_owned)).collect()
}

#[test]
fn no_rule_refuses_what_is_accepted() {
    let schema = schema();
    let rules = compile_schema(&schema);
    for case in accepted().iter().chain(&remarked()) {
        assert_eq!(judge(&schema, &rules, case), "", "{}", case.title);
    }
}

#[test]
fn rules_refuse_with_the_sentence_that_says_what_to_write() {
    let schema = schema();
    let rules = compile_schema(&schema);
    for case in refused().iter().filter(|case| case.by == Some(Judge::Rule)) {
        let said = judge(&schema, &rules, case);
        let expected = case.refused.as_deref().expect("it is refused with a sentence");
        assert!(said.contains(expected), "{}: {said:?}", case.title);
    }
}

#[test]
fn every_rule_is_tried() {
    let refused = refused();
    let tried: Vec<&str> = refused.iter().filter_map(|case| case.refused.as_deref()).collect();
    let untried: Vec<String> = sentences(&schema())
        .into_iter()
        .filter(|said| !tried.iter().any(|part| said.contains(part)))
        .collect();
    assert!(untried.is_empty(), "{untried:#?}");
}

#[test]
fn each_case_is_one_of_its_table() {
    let all = [accepted(), refused(), remarked()].concat();
    let titles: BTreeSet<&str> = all.iter().map(|case| case.title.as_str()).collect();
    assert_eq!(titles.len(), all.len(), "a title stands twice");
    for case in &all {
        let changes = case.scale.is_some() || case.delete;
        assert!(!changes || case.before.is_some() && case.spec.is_none(), "{}", case.title);
        assert_eq!(case.by.is_some(), case.refused.is_some(), "{}", case.title);
    }
    assert!(accepted().iter().all(|case| case.refused.is_none() && case.remark.is_none()));
    assert!(refused().iter().all(|case| case.refused.is_some()));
    assert!(remarked().iter().all(|case| case.remark.is_some()));
}

#[test]
fn what_is_accepted_can_be_read_and_written_without_loss() {
    let schema = schema();
    for case in accepted() {
        let read = serde_json::from_value(filled(&schema, case.wished()));
        let read: OrchestratorCluster = read.expect("it is the resource");
        let written = serde_json::to_value(&read).expect("JSON");
        let again: OrchestratorCluster = serde_json::from_value(written.clone()).expect("it is the resource");
        assert_eq!(read, again, "{}", case.title);
        assert_eq!(written, apply_defaults(&schema, &written), "{}", case.title);
    }
}
