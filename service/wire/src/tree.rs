//! A cluster as text: the tree, and the same as a table.

use std::collections::{BTreeMap, BTreeSet};

use crate::{instance::Instance, key::Key, lens::Limits};

/// Replication as indentation, descriptions aligned at the first bracket. Lines are joined by `\n`,
/// without one at the end. `instances` are those of one cluster in the order of their names.
pub fn plain(instances: &[Instance], limits: &Limits) -> String {
    let lines: Vec<_> = lines(instances)
        .iter()
        .map(|line| {
            let tokens: Vec<_> =
                tokens(line.instance, limits).into_iter().filter(|token| !token.is_empty()).collect();
            (line.entry(), format!("[{}]", tokens.join(",")))
        })
        .collect();
    // Bytes, not characters, as the original: a line with the mark of a group secondary looks shorter.
    let width = lines.iter().map(|(entry, _)| entry.len()).max().unwrap_or(0);
    let aligned = lines
        .iter()
        .map(|(entry, description)| format!("{entry}{} {description}", " ".repeat(width - entry.len())));
    aligned.collect::<Vec<_>>().join("\n")
}

/// The tree and its description as seven columns separated by `|`.
pub fn tabulated(instances: &[Instance], limits: &Limits) -> String {
    let rows: Vec<Vec<String>> = lines(instances)
        .iter()
        .map(|line| std::iter::once(line.entry()).chain(tokens(line.instance, limits)).collect())
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let pad = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            LAG_COLUMN => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("|")
    };
    rows.iter().map(pad).collect::<Vec<_>>().join("\n")
}

/// The only column whose text stands at the right.
const LAG_COLUMN: usize = 1;

struct Line<'a> {
    instance: &'a Instance,
    depth: usize,
}

impl Line<'_> {
    fn entry(&self) -> String {
        let Instance { key, instance_alias, .. } = self.instance;
        let prefix = match self.depth {
            0 => String::new(),
            depth => format!("{}{} ", "  ".repeat(depth - 1), mark(self.instance)),
        };
        let name = orchestrator_core::InstanceKey::new(key.hostname.as_str(), key.port);
        match instance_alias.as_str() {
            "" => format!("{prefix}{name}"),
            alias => format!("{prefix}{name} ({alias})"),
        }
    }
}

fn mark(instance: &Instance) -> char {
    if is_group_secondary(instance) {
        '‡'
    } else if is_replicating(instance) && instance.is_last_check_valid && instance.is_recently_checked {
        '+'
    } else {
        '-'
    }
}

fn is_group_secondary(instance: &Instance) -> bool {
    !instance.replication_group_name.is_empty() && instance.replication_group_member_role == "SECONDARY"
}

fn is_replica(instance: &Instance) -> bool {
    let Instance { source, read_binlog_coordinates, using_oracle_gtid, using_mariadb_gtid, .. } = instance;
    has_source(source)
        && (!read_binlog_coordinates.file.is_empty() || *using_oracle_gtid || *using_mariadb_gtid)
}

fn has_source(source: &Key) -> bool {
    !source.hostname.is_empty() && source.hostname != "_" && source.port != 0
}

fn is_replicating(instance: &Instance) -> bool {
    is_replica(instance) && instance.io_running && instance.sql_running
}

/// Depth first. With several roots only the last one is drawn, with none the co-primaries
/// side by side (in a longer ring the one that names it).
/// Each instance is drawn once, whatever ring it is in.
fn lines(instances: &[Instance]) -> Vec<Line<'_>> {
    let known: BTreeSet<&Key> = instances.iter().map(|instance| &instance.key).collect();
    let mut below: BTreeMap<&Key, Vec<&Instance>> = BTreeMap::new();
    let mut root = None;
    for instance in instances {
        match parent(instance).filter(|parent| known.contains(parent)) {
            Some(parent) => below.entry(parent).or_default().push(instance),
            None => root = Some(instance),
        }
    }
    let mut lines = Vec::with_capacity(instances.len());
    let mut stack: Vec<Line<'_>> = match root {
        Some(instance) => vec![Line { instance, depth: 0 }],
        None => {
            let co_primaries = instances.iter().any(|instance| instance.is_co_primary);
            let on_top = |instance: &&Instance| {
                if co_primaries { instance.is_co_primary } else { instance.replication_depth == 0 }
            };
            instances.iter().rev().filter(on_top).map(|instance| Line { instance, depth: 1 }).collect()
        }
    };
    let mut drawn = BTreeSet::new();
    while let Some(line) = stack.pop() {
        let Line { instance, depth } = line;
        if (depth > 1 && instance.is_co_primary) || !drawn.insert(&instance.key) {
            continue;
        }
        let children = below.get(&instance.key).into_iter().flatten().rev();
        stack.extend(children.map(|child| Line { instance: child, depth: depth + 1 }));
        lines.push(line);
    }
    lines
}

fn parent(instance: &Instance) -> Option<&Key> {
    if is_group_secondary(instance) {
        return Some(&instance.replication_group_primary_instance_key);
    }
    let is_group_primary = instance.replication_group_member_role == "PRIMARY";
    (!is_group_primary || is_replica(instance)).then_some(&instance.source)
}

fn tokens(instance: &Instance, limits: &Limits) -> [String; 6] {
    let binlog = if instance.log_bin_enabled { instance.binlog_format.as_str() } else { "nobinlog" };
    [
        lag(instance),
        status(instance, limits).into(),
        instance.version.clone(),
        if instance.read_only { "ro" } else { "rw" }.into(),
        binlog.into(),
        extras(instance).join(","),
    ]
}

fn lag(instance: &Instance) -> String {
    if instance.is_detached {
        "detached".into()
    } else if !instance.is_last_check_valid || !instance.is_recently_checked {
        "unknown".into()
    } else if is_replica(instance) && (!is_replicating(instance) || !instance.seconds_behind.valid) {
        "null".into()
    } else {
        format!("{}s", instance.lag.value)
    }
}

fn status(instance: &Instance, limits: &Limits) -> &'static str {
    if !instance.is_last_check_valid {
        "invalid"
    } else if !instance.is_recently_checked {
        "unchecked"
    } else if is_replica(instance) && !is_replicating(instance) {
        "nonreplicating"
    } else if is_replica(instance) && lags(instance, limits) {
        "lag"
    } else {
        "ok"
    }
}

fn lags(instance: &Instance, limits: &Limits) -> bool {
    let off = instance.seconds_behind.value.unsigned_abs().abs_diff(instance.sql_delay);
    off > limits.maintenance_lag.as_secs()
}

fn extras(instance: &Instance) -> Vec<&'static str> {
    let gtid = instance.using_oracle_gtid || instance.using_mariadb_gtid || instance.supports_oracle_gtid;
    let errant = !instance.gtid_errant.is_empty();
    [
        (instance.log_bin_enabled && instance.log_replica_updates).then_some(">>"),
        gtid.then_some(if errant { "GTID:errant" } else { "GTID" }),
        instance.using_pseudo_gtid.then_some("P-GTID"),
        instance.semi_sync_source_enabled.then_some("semi:master"),
        instance.semi_sync_replica_enabled.then_some("semi:replica"),
        instance.is_downtimed.then_some("downtimed"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
