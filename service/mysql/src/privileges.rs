//! Which privileges the account lacks, said while nobody needs them yet.
//!
//! A server refuses a statement only when it is made, and most of ours are made in the middle of a failover.

use std::collections::BTreeSet;
use std::time::Duration;

use mysql_async::Row;
use orchestrator_core::{
    instance::{Flavor, Identity},
    observation::{Failure, Part},
};
use tokio::time::Instant;

use crate::{
    cells::text_of,
    reader::{LabelsFrom, Reader},
    session::QueryError,
};

/// Asks for the account's own; needs no privilege.
const GRANTS: &str = "SHOW GRANTS";

/// Grants change when a person changes them, and who mends one wants to see that it helped.
const ASK_INTERVAL: Duration = Duration::from_secs(30);

/// A privilege, others that contain it, and what cannot be done without it.
struct Need {
    /// The name in the documentation.
    name: &'static str,
    /// Names under which a server may tell of it.
    held_as: &'static [&'static str],
    purpose: &'static str,
}

impl Need {
    const fn new(name: &'static str, held_as: &'static [&'static str], purpose: &'static str) -> Self {
        Self { name, held_as, purpose }
    }

    /// Nobody becomes a primary without it.
    fn promotes(&self) -> bool {
        [OPEN, RESET].contains(&self.purpose) || self.name == "SUPER"
    }
}

/// What our account lacks on one server, in words for people; empty = nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lacking {
    all: String,
    /// Of it, what a promotion takes.
    promotion: String,
}

impl Lacking {
    fn of(needs: &[&Need]) -> Self {
        let list = |needs: &mut dyn Iterator<Item = &&Need>| {
            let named = needs.map(|need| format!("{} ({})", need.name, need.purpose));
            named.collect::<Vec<_>>().join(", ")
        };
        let mut promoting = needs.iter().filter(|need| need.promotes());
        Self { all: list(&mut needs.iter()), promotion: list(&mut promoting) }
    }
}

const STATUS: &str = "seeing replication";
const LIST: &str = "listing replicas";
const POSITION: &str = "seeing the binary log's position";
const CONNECTED: &str = "finding connected replicas";
const MOVE: &str = "moving replicas";
const OPEN: &str = "opening and closing for writes";
const RESET: &str = "forgetting a source";
const END: &str = "ending connections";

const MYSQL: &[Need] = &[
    Need::new("REPLICATION CLIENT", &["REPLICATION CLIENT", "SUPER"], STATUS),
    Need::new("REPLICATION SLAVE", &["REPLICATION SLAVE"], LIST),
    Need::new("PROCESS", &["PROCESS"], CONNECTED),
    Need::new("RELOAD", &["RELOAD"], RESET),
    Need::new("REPLICATION_SLAVE_ADMIN", &["REPLICATION_SLAVE_ADMIN", "SUPER"], MOVE),
    Need::new("SYSTEM_VARIABLES_ADMIN", &["SYSTEM_VARIABLES_ADMIN", "SUPER"], OPEN),
    Need::new("CONNECTION_ADMIN", &["CONNECTION_ADMIN", "SUPER"], END),
];

/// Before privileges had names of their own.
const MYSQL_5: &[Need] = &[
    Need::new("REPLICATION CLIENT", &["REPLICATION CLIENT", "SUPER"], STATUS),
    Need::new("REPLICATION SLAVE", &["REPLICATION SLAVE"], LIST),
    Need::new("PROCESS", &["PROCESS"], CONNECTED),
    Need::new("RELOAD", &["RELOAD"], RESET),
    Need::new("SUPER", &["SUPER"], MOVE),
];

const MARIADB: &[Need] = &[
    Need::new("REPLICA MONITOR", &["SLAVE MONITOR", "REPLICA MONITOR"], STATUS),
    Need::new("BINLOG MONITOR", &["BINLOG MONITOR"], POSITION),
    Need::new("REPLICATION MASTER ADMIN", &["REPLICATION MASTER ADMIN"], LIST),
    Need::new("PROCESS", &["PROCESS"], CONNECTED),
    Need::new("RELOAD", &["RELOAD"], RESET),
    Need::new("REPLICATION SLAVE ADMIN", &["REPLICATION SLAVE ADMIN", "REPLICATION REPLICA ADMIN"], MOVE),
    Need::new("READ_ONLY ADMIN", &["READ_ONLY ADMIN"], OPEN),
    Need::new("CONNECTION ADMIN", &["CONNECTION ADMIN"], END),
];

/// What `SUPER` contained, until MariaDB took one after the other out of it.
const IN_SUPER_BEFORE: &[(&str, (u32, u32, u32))] = &[
    ("REPLICA MONITOR", (11, 0, 0)),
    ("BINLOG MONITOR", (11, 0, 0)),
    ("REPLICATION SLAVE ADMIN", (11, 0, 0)),
    ("CONNECTION ADMIN", (11, 0, 0)),
    ("READ_ONLY ADMIN", (10, 11, 0)),
];

/// What the account with these grants lacks on a server of this version; nothing where roles may bring it.
fn lacking<'g>(version: &str, grants: impl IntoIterator<Item = &'g str>) -> Vec<&'static Need> {
    let identity = Identity { version: version.into(), ..Identity::default() };
    let (mariadb, version) = (identity.flavor() == Flavor::MariaDb, identity.full_version());
    let (mut held, mut has_role, mut told) = (BTreeSet::new(), false, false);
    for grant in grants {
        told |= grant.starts_with("GRANT ");
        match grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")) {
            Some((names, rest)) if rest.starts_with("*.* ") => held.extend(names.split(',').map(str::trim)),
            Some(_) => {}
            None => has_role |= grant.starts_with("GRANT "),
        }
    }
    // MySQL does not tell here what roles bring; MariaDB does, of the one in force.
    if held.contains("ALL PRIVILEGES") || (has_role && !mariadb) || !told {
        return Vec::new();
    }
    let needs = match (mariadb, version) {
        (true, _) => MARIADB,
        (false, (..8, ..)) => MYSQL_5,
        (false, _) => MYSQL,
    };
    let in_super = |need: &Need| {
        let until = IN_SUPER_BEFORE.iter().find(|(name, _)| mariadb && *name == need.name);
        held.contains("SUPER") && until.is_some_and(|(_, until)| version < *until)
    };
    let lacks = |need: &&Need| !need.held_as.iter().any(|name| held.contains(name)) && !in_super(need);
    needs.iter().filter(lacks).collect()
}

impl Reader<'_> {
    /// Notes what the account lacks. Probes in a hurry leave it out: it changes nothing about the server's state.
    pub(crate) async fn privileges(&mut self, hurry: LabelsFrom) -> Result<(), Failure> {
        let known = self.slot.memory().lacking.clone();
        let lacks = match known {
            Some((asked_at, lacks)) if hurry == LabelsFrom::Server || asked_at.elapsed() < ASK_INTERVAL => {
                lacks
            }
            None if hurry == LabelsFrom::Server => return Ok(()),
            _ => {
                let lacks = self.ask_privileges().await?;
                self.slot.memory().lacking = Some((Instant::now(), lacks.clone()));
                lacks
            }
        };
        for (part, lacks) in [(Part::Privileges, lacks.all), (Part::Promotion, lacks.promotion)] {
            if !lacks.is_empty() {
                self.cannot(part, lacks);
            }
        }
        Ok(())
    }

    /// A server that does not tell is not accused of anything.
    async fn ask_privileges(&mut self) -> Result<Lacking, Failure> {
        let rows = match self.session.query(GRANTS, self.deadline).await {
            Ok(rows) => rows,
            Err(QueryError::Server(_)) => return Ok(Lacking::default()),
            Err(QueryError::Failure(failure)) => return Err(failure),
        };
        let grants: Vec<_> = rows.iter().filter_map(grant).collect();
        Ok(Lacking::of(&lacking(&self.server.version, grants.iter().map(String::as_str))))
    }
}

fn grant(row: &Row) -> Option<String> {
    row.as_ref(0).map(|value| text_of(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of what is missing.
    fn names<'g>(version: &str, grants: impl IntoIterator<Item = &'g str>) -> Vec<&'static str> {
        lacking(version, grants).iter().map(|need| need.name).collect()
    }

    const USAGE: &str = "GRANT USAGE ON *.* TO `app`@`%`";

    #[test]
    fn the_documented_account_lacks_nothing() {
        let mysql = [
            "GRANT RELOAD, PROCESS, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `o`@`%`",
            "GRANT BINLOG_ADMIN,CONNECTION_ADMIN,REPLICATION_SLAVE_ADMIN,SYSTEM_VARIABLES_ADMIN ON *.* TO `o`@`%`",
            "GRANT SELECT ON `performance_schema`.* TO `o`@`%`",
        ];
        assert_eq!(names("9.7.4", mysql), [""; 0]);
        let mariadb = [
            "GRANT RELOAD, PROCESS, REPLICATION SLAVE, BINLOG MONITOR, CONNECTION ADMIN, READ_ONLY ADMIN, \
                        REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR ON *.* TO `o`@`%` IDENTIFIED BY \
                        PASSWORD '*'",
        ];
        assert_eq!(names("10.11.18-MariaDB", mariadb), [""; 0]);
        assert_eq!(names("8.4.0", ["GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION"]), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_named_with_what_it_is_for() {
        assert_eq!(names("9.7.4", [USAGE]).len(), 7);
        let most = "GRANT PROCESS, RELOAD, SLAVE MONITOR, BINLOG MONITOR, REPLICATION MASTER ADMIN, \
                    REPLICATION SLAVE ADMIN ON *.* TO `o`@`%`";
        let Lacking { all, promotion } = Lacking::of(&lacking("11.8.3-MariaDB", [most]));
        let open = "READ_ONLY ADMIN (opening and closing for writes)";
        assert_eq!(all, format!("{open}, CONNECTION ADMIN (ending connections)"));
        assert_eq!(promotion, open);
    }

    #[test]
    fn super_is_what_it_was_in_that_version() {
        let classic = "GRANT RELOAD, PROCESS, SUPER, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `o`@`%`";
        assert_eq!(names("5.7.44", [classic]), [""; 0]);
        assert_eq!(names("8.0.36", [classic]), [""; 0]);
        assert_eq!(names("10.6.2-MariaDB", [classic]), ["REPLICATION MASTER ADMIN"]);
        let later = names("10.11.2-MariaDB", [classic]);
        assert_eq!(later, ["REPLICATION MASTER ADMIN", "READ_ONLY ADMIN"]);
        assert!(names("11.4.2-MariaDB", [classic]).contains(&"REPLICATION SLAVE ADMIN"));
    }

    #[test]
    fn privileges_of_one_schema_do_not_count() {
        assert_eq!(names("9.7.4", ["GRANT ALL PRIVILEGES ON `app`.* TO `app`@`%`", USAGE]).len(), 7);
    }

    #[test]
    fn an_account_with_roles_is_not_accused_on_mysql() {
        assert_eq!(names("9.7.4", [USAGE, "GRANT `dba`@`%` TO `app`@`%`"]), [""; 0]);
        assert!(!names("11.8.3-MariaDB", [USAGE, "GRANT `dba` TO `app`@`%`"]).is_empty());
    }
}
