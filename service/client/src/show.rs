//! What each command prints of its answer: small functions from an answer to lines.
//!
//! `body_…` look at the answer itself, `details_…` at the `Details` of its envelope.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::answer::Answer;
use crate::failure::Failure;
use crate::jq::{Mismatch, field, items, key, raw, text};
use crate::session::no_raft_leader;

/// The lines of stdout.
pub(crate) type Lines = Result<Vec<String>, Failure>;

/// How an answer is printed.
pub(crate) type Show = fn(&Answer) -> Lines;

fn one(line: String) -> Lines {
    Ok(vec![line])
}

fn each(list: &Value, line: impl Fn(&Value) -> Result<String, Mismatch>) -> Lines {
    Ok(items(list)?.iter().map(line).collect::<Result<_, _>>()?)
}

/// `host:port` of the `Key` of each element that is wanted.
fn keys_where(list: &Value, wanted: impl Fn(&Value) -> Result<bool, Mismatch>) -> Lines {
    let mut keys = Vec::new();
    for element in items(list)? {
        if wanted(element)? {
            keys.push(key(field(element, "Key")?)?);
        }
    }
    Ok(keys)
}

pub(crate) fn nothing(_: &Answer) -> Lines {
    Ok(Vec::new())
}

/// The answer names no instance, so the one asked for is printed.
pub(crate) fn asked_instance(answer: &Answer) -> Lines {
    one(answer.asked.clone())
}

pub(crate) fn body_json(answer: &Answer) -> Lines {
    one(answer.body_line())
}

pub(crate) fn body_text(answer: &Answer) -> Lines {
    one(raw(&answer.body))
}

pub(crate) fn body_texts(answer: &Answer) -> Lines {
    each(&answer.body, |element| Ok(raw(element)))
}

/// The elements are keys.
pub(crate) fn body_keys(answer: &Answer) -> Lines {
    each(&answer.body, key)
}

/// The elements are instances.
pub(crate) fn body_instances(answer: &Answer) -> Lines {
    keys_where(&answer.body, |_| Ok(true))
}

pub(crate) fn body_instance(answer: &Answer) -> Lines {
    one(key(field(&answer.body, "Key")?)?)
}

pub(crate) fn body_source(answer: &Answer) -> Lines {
    one(key(field(&answer.body, "MasterKey")?)?)
}

pub(crate) fn body_cluster_name(answer: &Answer) -> Lines {
    one(raw(field(&answer.body, "ClusterName")?))
}

pub(crate) fn body_cluster_alias(answer: &Answer) -> Lines {
    one(raw(field(&answer.body, "ClusterAlias")?))
}

pub(crate) fn body_errant_gtid(answer: &Answer) -> Lines {
    one(raw(field(&answer.body, "GtidErrant")?))
}

pub(crate) fn body_cluster_names(answer: &Answer) -> Lines {
    each(&answer.body, |cluster| Ok(raw(field(cluster, "ClusterName")?)))
}

pub(crate) fn body_cluster_names_and_aliases(answer: &Answer) -> Lines {
    each(&answer.body, |cluster| {
        Ok(format!("{},{}", text(field(cluster, "ClusterName")?)?, text(field(cluster, "ClusterAlias")?)?))
    })
}

/// Replicas with a thread that is not running, and an error that says why.
pub(crate) fn body_broken_replicas(answer: &Answer) -> Lines {
    keys_where(&answer.body, |replica| {
        let [sql, io] = threads_running(replica)?;
        let errors = [field(replica, "LastSQLError")?, field(replica, "LastIOError")?];
        Ok((*sql == false || *io == false) && errors.iter().any(|error| **error != ""))
    })
}

pub(crate) fn body_running_replicas(answer: &Answer) -> Lines {
    keys_where(&answer.body, |replica| Ok(threads_running(replica)?.iter().all(|running| **running == true)))
}

fn threads_running(replica: &Value) -> Result<[&Value; 2], Mismatch> {
    // sic
    Ok([field(replica, "ReplicationSQLThreadRuning")?, field(replica, "ReplicationIOThreadRuning")?])
}

pub(crate) fn body_if_replicating(answer: &Answer) -> Lines {
    if_threads_are(answer, 1)
}

pub(crate) fn body_if_stopped(answer: &Answer) -> Lines {
    if_threads_are(answer, 0)
}

/// States: 1 running, 0 stopped, -1 no such thread, 2 anything else.
fn if_threads_are(answer: &Answer, state: i64) -> Lines {
    let states =
        [field(&answer.body, "ReplicationSQLThreadState")?, field(&answer.body, "ReplicationIOThreadState")?];
    if states.iter().all(|thread| **thread == state) { body_instance(answer) } else { nothing(answer) }
}

/// The data centre of most primaries; of several, the last by name.
pub(crate) fn body_dominant_data_center(answer: &Answer) -> Lines {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for primary in items(&answer.body)? {
        *counts.entry(raw(field(primary, "DataCenter")?)).or_default() += 1;
    }
    let dominant = counts.into_iter().min_by_key(|(name, count)| Reverse((*count, name.clone())));
    Ok(dominant.map(|(name, _)| name).into_iter().collect())
}

/// An empty text means that there is none.
pub(crate) fn body_raft_leader(answer: &Answer) -> Lines {
    if answer.body == "" { Err(no_raft_leader()) } else { body_text(answer) }
}

pub(crate) fn details(answer: &Answer) -> Lines {
    one(raw(answer.details()))
}

pub(crate) fn details_json(answer: &Answer) -> Lines {
    one(answer.details_line().unwrap_or_else(|| "null".to_owned()))
}

pub(crate) fn details_texts(answer: &Answer) -> Lines {
    each(answer.details(), |element| Ok(raw(element)))
}

/// The details are a key.
pub(crate) fn details_key(answer: &Answer) -> Lines {
    one(key(answer.details())?)
}

/// The details are a list of keys.
pub(crate) fn details_keys(answer: &Answer) -> Lines {
    each(answer.details(), key)
}

/// The details are an instance.
pub(crate) fn details_instance(answer: &Answer) -> Lines {
    one(key(field(answer.details(), "Key")?)?)
}

/// The details are a list of instances.
pub(crate) fn details_instances(answer: &Answer) -> Lines {
    keys_where(answer.details(), |_| Ok(true))
}

/// Servers of the original name the new source instead of the replicas they moved: nothing to list then.
pub(crate) fn details_moved_replicas(answer: &Answer) -> Lines {
    if answer.details().is_object() { nothing(answer) } else { details_instances(answer) }
}

/// The moved instance, and below what it is now.
pub(crate) fn details_moved(answer: &Answer) -> Lines {
    let moved = answer.details();
    one(format!("{}<{}", key(field(moved, "Key")?)?, key(field(moved, "MasterKey")?)?))
}

pub(crate) fn details_successor(answer: &Answer) -> Lines {
    one(key(field(answer.details(), "SuccessorKey")?)?)
}

pub(crate) fn details_hostname(answer: &Answer) -> Lines {
    one(raw(field(answer.details(), "Hostname")?))
}

pub(crate) fn details_key_values(answer: &Answer) -> Lines {
    each(answer.details(), |pair| {
        Ok(format!("{}:{}", text(field(pair, "Key")?)?, text(field(pair, "Value")?)?))
    })
}

/// The answer to a question is in the message: the destination if it is yes, else nothing.
pub(crate) fn details_if_true(answer: &Answer) -> Lines {
    if answer.message().contains("true") { details_key(answer) } else { nothing(answer) }
}

pub(crate) fn details_findings(answer: &Answer) -> Lines {
    each(answer.details(), |finding| {
        let instance = key(field(finding, "AnalyzedInstanceKey")?)?;
        let cluster = text(field(field(finding, "ClusterDetails")?, "ClusterName")?)?;
        Ok(format!("{instance} (cluster {cluster}): {}", text(finding_code(finding)?)?))
    })
}

/// The analysis, or the first structure warning where there is no problem.
fn finding_code(finding: &Value) -> Result<&Value, Mismatch> {
    let analysis = field(finding, "Analysis")?;
    if analysis != "NoProblem" {
        return Ok(analysis);
    }
    match field(finding, "StructureAnalysis")? {
        Value::Null => Ok(&Value::Null),
        warnings => Ok(items(warnings)?.first().unwrap_or(&Value::Null)),
    }
}
