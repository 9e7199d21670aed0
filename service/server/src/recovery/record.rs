//! How a recovery lies in the raft log and in the backend between two of its stages.
//!
//! A form of its own, apart from the core's types: a node of another version must be able to carry on.
//! Unknown fields are an error, since a stage repeated without them could be another one.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator_core::{
    InstanceKey,
    analysis::AnalysisCode,
    gtid::Gtids,
    instance::{BinlogFormat, PromotionRule, ReplicationGtid},
    recovery::{Case, Locality, Progress, Recovery, Replica, Stage},
};
use serde::{Deserialize, Serialize};

/// The record cannot be carried on by this version.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// Not the text that this version writes.
    #[error("the record of the recovery cannot be read")]
    Text(#[from] serde_json::Error),
    /// A word in it that this version does not know.
    #[error("the record of the recovery has an unknown {what}: {word:?}")]
    Word {
        /// What kind of word.
        what: &'static str,
        /// Which.
        word: String,
    },
}

/// Writes a recovery down.
pub(crate) fn to_text(recovery: &Recovery) -> String {
    serde_json::to_string(&Record::from(recovery)).expect("plain values always serialize")
}

/// Reads a recovery back.
///
/// # Errors
/// Another version wrote it, in words that this one does not know.
pub(crate) fn from_text(text: &str) -> Result<Recovery, RecordError> {
    serde_json::from_str::<Record>(text)?.try_into()
}

type Key = (String, u16);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    code: String,
    failed: Key,
    cluster: String,
    alias: String,
    place: Place,
    origin: (String, u32),
    acknowledgements: u32,
    requested: Option<Key>,
    forced: bool,
    skip_hooks: bool,
    replicas: Vec<ReplicaRecord>,
    owed: Set,
    seen: Set,
    stage: String,
    positions: Vec<(Key, Set)>,
    refused: Vec<(Key, String)>,
    slow: Vec<Key>,
    lost: Vec<Key>,
    moved: Vec<Key>,
    successor: Option<Key>,
    donor: Option<Key>,
    rejected: Vec<Key>,
    strayed: Vec<Key>,
    fenced: bool,
    promoted: bool,
    attempts: u32,
    errors: Vec<String>,
}

/// The version of [`Record`]; a change of its fields raises it.
const VERSION: u32 = 3;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    data_center: String,
    region: String,
    environment: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicaRecord {
    key: Key,
    valid: bool,
    rule: String,
    left_behind: bool,
    banned: bool,
    unopenable: bool,
    downtimed: bool,
    logs_updates: bool,
    binlog_server: bool,
    version: (u32, u32),
    binlog_format: Option<String>,
    place: Place,
    gtid: String,
    errant: bool,
    delay_seconds: u32,
    lag_seconds: Option<u64>,
    semi_sync: bool,
    semi_sync_priority: u32,
    origin: (String, u32),
    position: Set,
    applied: bool,
}

/// A set of transactions with the flavor that its text is in.
#[derive(Debug, Serialize, Deserialize)]
enum Set {
    Oracle(String),
    MariaDb(String),
}

fn key(key: &InstanceKey) -> Key {
    (key.hostname.to_string(), key.port)
}

fn unkey((host, port): Key) -> InstanceKey {
    InstanceKey::new(host, port)
}

fn keys<'k>(keys: impl IntoIterator<Item = &'k InstanceKey>) -> Vec<Key> {
    keys.into_iter().map(key).collect()
}

fn unkeys(keys: Vec<Key>) -> BTreeSet<InstanceKey> {
    keys.into_iter().map(unkey).collect()
}

impl From<&Gtids> for Set {
    fn from(gtids: &Gtids) -> Self {
        match gtids {
            Gtids::Oracle(set) => Self::Oracle(set.to_string()),
            Gtids::MariaDb(positions) => Self::MariaDb(positions.to_string()),
        }
    }
}

impl TryFrom<Set> for Gtids {
    type Error = RecordError;
    fn try_from(set: Set) -> Result<Self, RecordError> {
        let (parsed, text) = match set {
            Set::Oracle(text) => (Self::parse_oracle(&text), text),
            Set::MariaDb(text) => (Self::parse_mariadb(&text), text),
        };
        parsed.map_err(|_| RecordError::Word { what: "set of transactions", word: text })
    }
}

impl From<&Locality> for Place {
    fn from(locality: &Locality) -> Self {
        let Locality { data_center, region, environment } = locality.clone();
        Self { data_center, region, environment }
    }
}

impl From<Place> for Locality {
    fn from(place: Place) -> Self {
        let Place { data_center, region, environment } = place;
        Self { data_center, region, environment }
    }
}

const GTID_WORDS: [(ReplicationGtid, &str); 3] = [
    (ReplicationGtid::None, "none"),
    (ReplicationGtid::Oracle, "oracle"),
    (ReplicationGtid::MariaDb, "mariadb"),
];

impl From<&Replica> for ReplicaRecord {
    fn from(replica: &Replica) -> Self {
        // No `..`: a new field must be placed here.
        let Replica {
            key: name,
            valid,
            rule,
            left_behind,
            banned,
            unopenable,
            downtimed,
            logs_updates,
            binlog_server,
            version,
            binlog_format,
            place,
            gtid,
            errant,
            delay_seconds,
            lag_seconds,
            semi_sync,
            semi_sync_priority,
            origin,
            position,
            applied,
        } = replica;
        let gtid = GTID_WORDS.iter().find(|(known, _)| known == gtid).map_or("none", |(_, word)| word);
        Self {
            key: key(name),
            valid: *valid,
            rule: rule.as_str().into(),
            left_behind: *left_behind,
            banned: *banned,
            unopenable: *unopenable,
            downtimed: *downtimed,
            logs_updates: *logs_updates,
            binlog_server: *binlog_server,
            version: *version,
            binlog_format: binlog_format.map(|format| format.as_str().into()),
            place: place.into(),
            gtid: gtid.into(),
            errant: *errant,
            delay_seconds: *delay_seconds,
            lag_seconds: *lag_seconds,
            semi_sync: *semi_sync,
            semi_sync_priority: *semi_sync_priority,
            origin: origin.clone(),
            position: position.into(),
            applied: *applied,
        }
    }
}

impl TryFrom<ReplicaRecord> for Replica {
    type Error = RecordError;
    fn try_from(record: ReplicaRecord) -> Result<Self, RecordError> {
        let ReplicaRecord {
            key: name,
            valid,
            rule,
            left_behind,
            banned,
            unopenable,
            downtimed,
            logs_updates,
            binlog_server,
            version,
            binlog_format,
            place,
            gtid,
            errant,
            delay_seconds,
            lag_seconds,
            semi_sync,
            semi_sync_priority,
            origin,
            position,
            applied,
        } = record;
        let binlog_format = binlog_format
            .map(|word| {
                BinlogFormat::parse(&word).ok_or(RecordError::Word { what: "binary log format", word })
            })
            .transpose()?;
        let gtid = GTID_WORDS.iter().find(|(_, word)| *word == gtid).map(|(kind, _)| *kind);
        Ok(Self {
            key: unkey(name),
            valid,
            rule: PromotionRule::parse(&rule)
                .ok_or(RecordError::Word { what: "promotion rule", word: rule })?,
            left_behind,
            banned,
            unopenable,
            downtimed,
            logs_updates,
            binlog_server,
            version,
            binlog_format,
            place: place.into(),
            gtid: gtid.ok_or(RecordError::Word { what: "kind of GTID", word: String::new() })?,
            errant,
            delay_seconds,
            lag_seconds,
            semi_sync,
            semi_sync_priority,
            origin,
            position: position.try_into()?,
            applied,
        })
    }
}

impl From<&Recovery> for Record {
    fn from(recovery: &Recovery) -> Self {
        let Recovery { case, stage, progress } = recovery;
        let Case {
            code,
            failed,
            cluster,
            alias,
            place,
            origin,
            acknowledgements,
            requested,
            forced,
            skip_hooks,
            replicas,
            owed,
            seen,
        } = case;
        let Progress {
            positions,
            refused,
            slow,
            lost,
            moved,
            successor,
            donor,
            rejected,
            strayed,
            fenced,
            promoted,
            attempts,
            errors,
        } = progress;
        Self {
            version: VERSION,
            code: code.as_str().into(),
            failed: key(failed),
            cluster: cluster.clone(),
            alias: alias.clone(),
            place: place.into(),
            origin: origin.clone(),
            acknowledgements: *acknowledgements,
            requested: requested.as_ref().map(key),
            forced: *forced,
            skip_hooks: *skip_hooks,
            replicas: replicas.iter().map(ReplicaRecord::from).collect(),
            owed: owed.into(),
            seen: seen.into(),
            stage: stage.as_str().into(),
            positions: positions.iter().map(|(name, set)| (key(name), set.into())).collect(),
            refused: refused.iter().map(|(name, why)| (key(name), why.clone())).collect(),
            slow: keys(slow),
            lost: keys(lost),
            moved: keys(moved),
            successor: successor.as_ref().map(key),
            donor: donor.as_ref().map(key),
            rejected: keys(rejected),
            strayed: keys(strayed),
            fenced: *fenced,
            promoted: *promoted,
            attempts: *attempts,
            errors: errors.clone(),
        }
    }
}

impl TryFrom<Record> for Recovery {
    type Error = RecordError;
    fn try_from(record: Record) -> Result<Self, RecordError> {
        if record.version != VERSION {
            return Err(RecordError::Word { what: "version", word: record.version.to_string() });
        }
        let code: Result<AnalysisCode, _> = record.code.parse();
        let stage = Stage::parse(&record.stage);
        let positions: Result<BTreeMap<_, _>, RecordError> =
            record.positions.into_iter().map(|(name, set)| Ok((unkey(name), set.try_into()?))).collect();
        let replicas: Result<Vec<Replica>, _> = record.replicas.into_iter().map(Replica::try_from).collect();
        Ok(Self {
            case: Case {
                code: code.map_err(|_| RecordError::Word { what: "analysis code", word: record.code })?,
                failed: unkey(record.failed),
                cluster: record.cluster,
                alias: record.alias,
                place: record.place.into(),
                origin: record.origin,
                acknowledgements: record.acknowledgements,
                requested: record.requested.map(unkey),
                forced: record.forced,
                skip_hooks: record.skip_hooks,
                replicas: replicas?,
                owed: record.owed.try_into()?,
                seen: record.seen.try_into()?,
            },
            stage: stage.ok_or(RecordError::Word { what: "stage", word: record.stage })?,
            progress: Progress {
                positions: positions?,
                refused: record.refused.into_iter().map(|(name, why)| (unkey(name), why)).collect(),
                slow: unkeys(record.slow),
                lost: unkeys(record.lost),
                moved: unkeys(record.moved),
                successor: record.successor.map(unkey),
                donor: record.donor.map(unkey),
                rejected: unkeys(record.rejected),
                strayed: unkeys(record.strayed),
                fenced: record.fenced,
                promoted: record.promoted,
                attempts: record.attempts,
                errors: record.errors,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Recovery {
        let key = |host: &str| InstanceKey::new(host, 3306);
        let set = Gtids::parse_mariadb("0-1-7,1-2-9").unwrap();
        let replica = Replica {
            key: key("b"),
            valid: true,
            rule: PromotionRule::Prefer,
            left_behind: true,
            banned: false,
            unopenable: true,
            downtimed: true,
            logs_updates: true,
            binlog_server: false,
            version: (10, 11),
            binlog_format: Some(BinlogFormat::Row),
            place: Locality { data_center: "x".into(), ..Locality::default() },
            gtid: ReplicationGtid::MariaDb,
            errant: false,
            delay_seconds: 7,
            lag_seconds: None,
            semi_sync: true,
            semi_sync_priority: 3,
            origin: (String::new(), 7),
            position: set.clone(),
            applied: true,
        };
        let case = Case {
            code: AnalysisCode::DeadPrimary,
            failed: key("a"),
            cluster: "a:3306".into(),
            alias: "main".into(),
            place: Locality::default(),
            origin: ("u".into(), 1),
            acknowledgements: 1,
            requested: Some(key("b")),
            forced: true,
            skip_hooks: false,
            replicas: vec![replica],
            owed: Gtids::parse_mariadb("0-1-9").unwrap(),
            seen: Gtids::parse_mariadb("0-1-11").unwrap(),
        };
        let progress = Progress {
            positions: BTreeMap::from([(key("b"), set)]),
            refused: BTreeMap::from([(key("c"), "error 1227".into())]),
            lost: BTreeSet::from([key("c")]),
            strayed: BTreeSet::from([key("b")]),
            successor: Some(key("b")),
            promoted: true,
            attempts: 2,
            errors: vec!["x".into()],
            ..Progress::default()
        };
        Recovery { case, stage: Stage::Promote, progress }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(from_text(&to_text(&sample())).unwrap(), sample());
    }

    #[test]
    fn a_record_of_another_version_is_refused() {
        let text = to_text(&sample()).replace("\"version\":3", "\"version\":4");
        assert!(matches!(from_text(&text), Err(RecordError::Word { what: "version", .. })));
        let text = to_text(&sample()).replace("\"promote\"", "\"levitate\"");
        assert!(matches!(from_text(&text), Err(RecordError::Word { what: "stage", .. })));
    }
}
