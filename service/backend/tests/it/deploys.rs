//! `SkipOrchestratorDatabaseUpdate` and `PanicIfDifferentDatabaseDeploy`: whose schema a node accepts.

use std::path::Path;

use orchestrator_backend::{
    MySqlBackend, MySqlOpenError, MySqlOptions, OpenError, SchemaPolicy, SqliteBackend, SqliteOptions,
};
use rusqlite::Connection;

use crate::servers::Flavor;
use crate::support::options;

const AS_IT_IS: SchemaPolicy = SchemaPolicy { complete: false, only_own: false };
const ONLY_OWN: SchemaPolicy = SchemaPolicy { complete: true, only_own: true };

fn open(path: &Path, version: &str, schema: SchemaPolicy) -> Result<(), OpenError> {
    let options = SqliteOptions { version: version.into(), schema, ..options("t") };
    SqliteBackend::open(path, &options).map(drop)
}

fn versions(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let sql = "select deployed_version from orchestrator_db_deployments order by 1";
    let mut query = connection.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_schema_that_lacks_something_is_refused_instead_of_completed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    let error = open(&path, "1", AS_IT_IS).unwrap_err();
    assert!(matches!(&error, OpenError::Incomplete { what, .. } if what.starts_with("table ")), "{error:?}");
    assert!(error.to_string().contains("-enable-database-update"), "{error}");
    let tables = Connection::open(&path).unwrap();
    let count: i64 = tables.query_row("select count(*) from sqlite_master", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0, "nothing was made");
    drop(tables);

    open(&path, "1", SchemaPolicy::default()).unwrap();
    open(&path, "2", AS_IT_IS).unwrap();
    assert_eq!(versions(&path), ["1"], "who added nothing deployed nothing");
    let damaged = Connection::open(&path).unwrap();
    damaged.execute_batch("alter table audit drop column cluster_name").unwrap();
    drop(damaged);
    let error = open(&path, "2", AS_IT_IS).unwrap_err();
    let named = "column cluster_name of table audit";
    assert!(matches!(&error, OpenError::Incomplete { what, .. } if what == named), "{error:?}");
}

#[test]
fn a_schema_that_other_versions_deployed_is_refused_and_an_empty_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    open(&path, "1", ONLY_OWN).unwrap();
    open(&path, "1", ONLY_OWN).unwrap();
    let error = open(&path, "2", ONLY_OWN).unwrap_err();
    assert!(
        matches!(&error, OpenError::OtherDeploy { found, own, .. } if found == "1" && own == "2"),
        "{error:?}"
    );
    open(&path, "2", SchemaPolicy::default()).unwrap();
    assert_eq!(versions(&path), ["1", "2"]);
    open(&path, "2", ONLY_OWN).unwrap();
}

#[test]
fn servers_are_held_to_the_same() {
    for flavor in Flavor::ALL {
        let fresh = flavor.server().options("t");
        let with = |version: &str, schema| MySqlOptions { version: version.into(), schema, ..fresh.clone() };
        let refused = |options: &MySqlOptions| MySqlBackend::open(options).map(drop).unwrap_err();
        let error = refused(&with("1", AS_IT_IS));
        let missing = matches!(&error, MySqlOpenError::Incomplete { .. } | MySqlOpenError::NoDatabase { .. });
        assert!(missing, "{flavor:?}: {error:?}");
        for (version, schema) in [("1", ONLY_OWN), ("1", ONLY_OWN), ("2", AS_IT_IS)] {
            drop(MySqlBackend::open(&with(version, schema)).unwrap());
        }
        let error = refused(&with("2", ONLY_OWN));
        let by_one = matches!(&error, MySqlOpenError::OtherDeploy { found, .. } if found == "1");
        assert!(by_one, "{flavor:?}: {error:?}");
    }
}
