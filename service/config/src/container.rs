//! The configuration of a container that has no file: the environment variables that people know from the
//! original's images, written down as a document like any other.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::file::Source;

/// Under this name messages mention it, before the name of a key: which variable is behind which.
const NAME: &str = "environment (BIND is RaftBind, NODE1… are RaftNodes, RAFT is RaftEnabled)";

/// What is kept by a container lies here; a volume belongs there.
const DATA_DIR: &str = "/var/lib/orchestrator";

/// Variables whose value becomes the value of a key as it is; what it is otherwise, in each of the two set-ups.
const TEXTS: [(&str, &str, [&str; 2]); 6] = [
    ("BIND", "RaftBind", ["", ""]),
    ("ORC_TOPOLOGY_USER", "MySQLTopologyUser", ["orc_client_user", "orchestrator"]),
    ("ORC_TOPOLOGY_PASSWORD", "MySQLTopologyPassword", ["orc_client_password", "orchestrator"]),
    ("ORC_DB_NAME", "MySQLOrchestratorDatabase", ["orchestrator", "orchestrator"]),
    ("ORC_USER", "MySQLOrchestratorUser", ["orc_server_user", "orc_server_user"]),
    ("ORC_PASSWORD", "MySQLOrchestratorPassword", ["orc_server_password", "orc_server_password"]),
];

/// Any of these says that the environment is meant to configure this process.
const SIGNS: [&str; 7] =
    ["BIND", "RAFT", "RAFT_NODES", "NODE1", "MYSQL_HOST", "ORC_DB_HOST", "ORC_TOPOLOGY_USER"];

/// `NODE1` to this; more voters than that make a group slower and not safer.
const NODES_MAX: usize = 15;

/// The document that the environment stands for; `None` when it says nothing about us.
///
/// Two set-ups are known: members of a raft group (`PORT`, `BIND`, `RAFT`, `NODE1` to `NODEn` or `RAFT_NODES`,
/// `MYSQL_HOST`, `MYSQL_PORT`), and one node on a database (`ORC_DB_HOST`, `ORC_DB_PORT`, and no `BIND`). The other
/// `ORC_*` hold for both. Only for a process that found no file: a file alone decides where there is one.
pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Option<Source> {
    let set = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    SIGNS.iter().find_map(|name| set(name))?;
    let nodes = nodes(&set);
    let group = set("BIND").is_some() || set("MYSQL_HOST").is_some() || !nodes.is_empty();
    let alone = !group && set("ORC_DB_HOST").is_some();
    let mut keys = Map::new();
    for (name, key, otherwise) in TEXTS {
        let otherwise = otherwise[usize::from(alone)];
        keys.insert(key.into(), json!(set(name).unwrap_or_else(|| otherwise.into())));
    }
    // An image may say that raft is on by default; it does not know that somebody wants one node.
    let raft = set("RAFT").filter(|_| !alone).unwrap_or_else(|| (!alone).to_string());
    keys.insert("ListenAddress".into(), json!(format!(":{}", set("PORT").unwrap_or_else(|| "3000".into()))));
    keys.insert("RaftEnabled".into(), token(&raft));
    keys.insert("RaftDataDir".into(), json!(DATA_DIR));
    keys.insert("RaftNodes".into(), json!(nodes));
    keys.insert("DiscoverByShowSlaveHosts".into(), json!(true));
    backend(&set, &mut keys);
    // A line for each key, so that a message points at one.
    let lines: Vec<String> = keys.iter().map(|(key, value)| format!("{}: {value}", json!(key))).collect();
    Some(Source { path: PathBuf::from(NAME), text: format!("{{\n{}\n}}\n", lines.join(",\n")) })
}

/// What is each member's own where all share their files, as in a StatefulSet: read over them.
const OWN_ADDRESSES: [(&str, &str); 3] = [
    ("ORCHESTRATOR_RAFT_ADVERTISE", "RaftAdvertise"),
    ("ORCHESTRATOR_HTTP_ADVERTISE", "HTTPAdvertise"),
    // With the backend MySQL each member has a database of its own.
    ("ORCHESTRATOR_MYSQL_HOST", "MySQLOrchestratorHost"),
];

/// The document that this node's own addresses in the environment stand for, to be read after all files; `None` when
/// there are none.
pub fn addresses_from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Option<Source> {
    let set = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let given = OWN_ADDRESSES.iter().filter_map(|(name, key)| Some((name, key, set(name)?)));
    let (names, keys): (Vec<&str>, Map<String, Value>) =
        given.map(|(name, key, value)| (*name, ((*key).to_owned(), json!(value)))).unzip();
    let path = PathBuf::from(format!("environment ({})", names.join(", ")));
    (!keys.is_empty()).then(|| Source { path, text: Value::Object(keys).to_string() })
}

/// A host of MySQL chooses the backend.
fn backend(set: &dyn Fn(&str) -> Option<String>, keys: &mut Map<String, Value>) {
    let Some(host) = set("MYSQL_HOST").or_else(|| set("ORC_DB_HOST")) else {
        keys.insert("BackendDB".into(), json!("sqlite"));
        keys.insert("SQLite3DataFile".into(), json!(format!("{DATA_DIR}/orchestrator.sqlite3")));
        return;
    };
    let port = set("MYSQL_PORT").or_else(|| set("ORC_DB_PORT")).unwrap_or_else(|| "3306".into());
    keys.insert("BackendDB".into(), json!("mysql"));
    keys.insert("MySQLOrchestratorHost".into(), json!(host));
    keys.insert("MySQLOrchestratorPort".into(), token(&port));
}

/// Numbers and switches come as they would stand in a file; anything else is told as a value of the wrong type.
fn token(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => json!(text),
    }
}

/// Members of the group: `RAFT_NODES` as a list, quoted or plain or a JSON array, or else `NODE1`, `NODE2` and so on.
fn nodes(set: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    match set("RAFT_NODES") {
        Some(list) => {
            let list = list.trim_start_matches('[').trim_end_matches(']').to_owned();
            let names = list.split(',').map(|name| name.trim().trim_matches('"').trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        }
        None => (1..=NODES_MAX).filter_map(|number| set(&format!("NODE{number}"))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(variables: &[(&str, &str)]) -> Option<Value> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let source = from_environment(&variable)?;
        Some(serde_json::from_str(&source.text).expect("it is a document"))
    }

    fn members(variables: &[(&str, &str)]) -> Value {
        written(variables).expect("a sign is there")["RaftNodes"].clone()
    }

    #[test]
    fn an_environment_that_says_nothing_about_us_configures_nothing() {
        assert_eq!(written(&[("PATH", "/bin"), ("PORT", "3000"), ("BIND", "")]), None);
    }

    #[test]
    fn members_come_one_by_one_or_as_a_list_in_any_of_the_known_spellings() {
        let three = json!(["o1", "o2", "o3"]);
        assert_eq!(members(&[("NODE1", "o1"), ("NODE2", "o2"), ("NODE3", "o3")]), three);
        assert_eq!(members(&[("NODE1", "o1"), ("NODE2", " "), ("NODE3", "o3")]), json!(["o1", "o3"]));
        for list in [r#""o1","o2","o3""#, "o1,o2, o3", r#"["o1", "o2", "o3"]"#] {
            assert_eq!(members(&[("RAFT_NODES", list)]), three, "{list}");
        }
    }

    #[test]
    fn a_host_of_mysql_chooses_the_backend() {
        let sqlite = written(&[("BIND", "o1"), ("NODE1", "o1")]).expect("signs");
        assert_eq!(sqlite["BackendDB"], "sqlite");
        let mysql = written(&[("BIND", "o1"), ("MYSQL_HOST", "db1"), ("MYSQL_PORT", "3307")]).expect("signs");
        assert_eq!(mysql["BackendDB"], "mysql");
        assert_eq!(mysql["MySQLOrchestratorHost"], "db1");
        assert_eq!(mysql["MySQLOrchestratorPort"], 3307);
        assert_eq!(mysql["MySQLOrchestratorUser"], "orc_server_user");
    }

    #[test]
    fn a_database_alone_means_one_node_whatever_the_image_says_of_raft() {
        let alone = written(&[("ORC_DB_HOST", "db"), ("RAFT", "true")]).expect("signs");
        assert_eq!(alone["RaftEnabled"], false);
        assert_eq!(alone["MySQLTopologyUser"], "orchestrator");
        let member = written(&[("ORC_DB_HOST", "db"), ("BIND", "o1"), ("NODE1", "o1")]).expect("signs");
        assert_eq!(member["RaftEnabled"], true);
        assert_eq!(member["MySQLTopologyUser"], "orc_client_user");
    }

    #[test]
    fn a_member_without_its_own_name_stays_a_member_so_that_it_is_told_what_is_missing() {
        for variables in [vec![("RAFT", "true")], vec![("MYSQL_HOST", "db")], vec![("NODE1", "o1")]] {
            let member = written(&variables).expect("a sign");
            assert_eq!((&member["RaftEnabled"], &member["RaftBind"]), (&json!(true), &json!("")));
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_stays_what_it_is_and_is_told_with_its_key() {
        let odd = written(&[("RAFT", "maybe"), ("MYSQL_HOST", "db"), ("MYSQL_PORT", "many")]).expect("signs");
        assert_eq!((&odd["RaftEnabled"], &odd["MySQLOrchestratorPort"]), (&json!("maybe"), &json!("many")));
    }

    #[test]
    fn without_raft_nothing_is_asked_of_the_members() {
        let alone = written(&[("RAFT", "false"), ("PORT", "3001")]).expect("signs");
        assert_eq!((&alone["RaftEnabled"], &alone["ListenAddress"]), (&json!(false), &json!(":3001")));
    }

    #[test]
    fn own_addresses_of_the_environment_are_a_document_of_their_own() {
        let variable =
            |name: &str| (name == "ORCHESTRATOR_RAFT_ADVERTISE").then(|| " o-0.o-raft:10008 ".to_owned());
        let source = addresses_from_environment(&variable).expect("one is set");
        assert_eq!(source.text, r#"{"RaftAdvertise":"o-0.o-raft:10008"}"#);
        assert!(source.path.ends_with("environment (ORCHESTRATOR_RAFT_ADVERTISE)"), "{:?}", source.path);
        assert!(addresses_from_environment(&|_| None).is_none());
        let host = |name: &str| (name == "ORCHESTRATOR_MYSQL_HOST").then(|| "backend-0".to_owned());
        let source = addresses_from_environment(&host).expect("one is set");
        assert_eq!(source.text, r#"{"MySQLOrchestratorHost":"backend-0"}"#);
    }
}
