//! Which words a server understands. Pure: from a version to statements.
//!
//! The words are chosen by number, never by comparing version texts, and corrected by experience: a server
//! that calls a statement a syntax error is asked once with the other word (see [`Dialect::without`]).
//! What is not decided here but by looking: variables, semi-sync names, tables.

use std::fmt::Write as _;

use orchestrator_core::{
    InstanceKey,
    instance::{BinlogCoordinates, Flavor, Identity},
};

use crate::{contract::Credentials, quote::Literal};

/// Clears modes that change how literals and quotes are read.
pub const CLEAR_SQL_MODE: &str = "SET SESSION sql_mode = ''";

/// The words of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// MariaDB's statements, variables and GTIDs.
    pub mariadb: bool,
    /// `REPLICA` instead of `SLAVE` in SHOW, START, STOP, RESET.
    pub replica_words: bool,
    /// `CHANGE REPLICATION SOURCE TO SOURCE_…` instead of `CHANGE MASTER TO MASTER_…`.
    pub source_words: bool,
    /// `SHOW BINARY LOG STATUS` instead of `SHOW MASTER STATUS`.
    pub binary_log_words: bool,
    /// The process list is in `performance_schema` (which may be switched off).
    pub performance_schema_processlist: bool,
}

/// A choice that may turn out wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// [`Dialect::replica_words`].
    Replica,
    /// [`Dialect::source_words`].
    Source,
    /// [`Dialect::binary_log_words`].
    BinaryLog,
    /// [`Dialect::performance_schema_processlist`].
    Processlist,
}

/// One of the two replication threads, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Both.
    Both,
    /// The one that receives.
    Receiver,
    /// The one that applies.
    Applier,
}

/// The place in the source's log, as a change of source words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Not named: the server keeps the mode it has.
    Unnamed,
    /// By GTID: MySQL's auto position, MariaDB's `slave_pos`.
    Gtid,
    /// By GTID after own writes: MariaDB's `current_pos`; on MySQL the same as `Gtid`.
    GtidAfterOwnWrites,
    /// File and position, GTID off.
    At(BinlogCoordinates),
}

impl Dialect {
    /// The words of a server of this identity. An unreadable version is taken for an old MySQL, and mended by
    /// [`Dialect::without`].
    pub fn of(identity: &Identity) -> Self {
        let mariadb = identity.flavor() == Flavor::MariaDb;
        let version = identity.full_version();
        let mysql_since = |since| !mariadb && version >= since;
        Self {
            mariadb,
            replica_words: mysql_since((8, 0, 22)),
            source_words: mysql_since((8, 0, 23)),
            binary_log_words: mysql_since((8, 2, 0)),
            performance_schema_processlist: mysql_since((8, 0, 22)),
        }
    }

    /// The words of a server of this version.
    pub fn of_version(version: &str) -> Self {
        Self::of(&Identity { version: version.into(), ..Identity::default() })
    }

    /// The dialect with the other word, after the server did not understand this one.
    #[must_use]
    pub fn without(mut self, wording: Wording) -> Self {
        let word = match wording {
            Wording::Replica => &mut self.replica_words,
            Wording::Source => &mut self.source_words,
            Wording::BinaryLog => &mut self.binary_log_words,
            Wording::Processlist => &mut self.performance_schema_processlist,
        };
        *word = !*word;
        self
    }

    fn replica(self) -> &'static str {
        if self.replica_words { "REPLICA" } else { "SLAVE" }
    }

    fn source(self) -> &'static str {
        if self.source_words { "SOURCE" } else { "MASTER" }
    }

    /// Status of replication. On MariaDB the form with more columns, heartbeats among them.
    pub fn replica_status(self) -> &'static str {
        match (self.mariadb, self.replica_words) {
            (true, true) => "SHOW ALL REPLICAS STATUS",
            (true, false) => "SHOW ALL SLAVES STATUS",
            (false, true) => "SHOW REPLICA STATUS",
            (false, false) => "SHOW SLAVE STATUS",
        }
    }

    /// Position of the server's own binary log.
    pub fn binary_log_status(self) -> &'static str {
        if self.binary_log_words { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" }
    }

    /// Replicas that registered.
    pub fn replicas(self) -> &'static str {
        match (self.mariadb, self.replica_words) {
            (false, true) => "SHOW REPLICAS",
            (true, true) => "SHOW REPLICA HOSTS",
            (_, false) => "SHOW SLAVE HOSTS",
        }
    }

    /// Hosts of connections that send a binary log.
    pub fn dump_threads(self) -> &'static str {
        if self.performance_schema_processlist {
            "SELECT host AS host FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'"
        } else {
            "SELECT host AS host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"
        }
    }

    /// Starts threads.
    pub fn start(self, threads: Threads) -> String {
        format!("START {}{}", self.replica(), threads.suffix())
    }

    /// Stops threads.
    pub fn stop(self, threads: Threads) -> String {
        format!("STOP {}{}", self.replica(), threads.suffix())
    }

    /// Forgets the source.
    pub fn reset_all(self) -> String {
        format!("RESET {} ALL", self.replica())
    }

    /// Names another source. Options that are not named keep their values, on every server.
    pub fn change_source(self, to: &InstanceKey, place: &Place, credentials: Option<&Credentials>) -> String {
        let word = self.source();
        let statement = if self.source_words { "CHANGE REPLICATION SOURCE TO" } else { "CHANGE MASTER TO" };
        let mut sql = format!("{statement} {word}_HOST={}, {word}_PORT={}", Literal(&to.hostname), to.port);
        if let Some(Credentials { user, password }) = credentials {
            let (user, password) = (Literal(user), Literal(password.expose()));
            write!(sql, ", {word}_USER={user}, {word}_PASSWORD={password}").expect("a String takes all");
        }
        self.write_place(&mut sql, place);
        sql
    }

    fn write_place(self, sql: &mut String, place: &Place) {
        let word = self.source();
        let by_gtid = |on: bool| match (self.mariadb, on) {
            (false, true) => format!(", {word}_AUTO_POSITION=1"),
            (false, false) => format!(", {word}_AUTO_POSITION=0"),
            (true, true) => format!(", {word}_USE_GTID=slave_pos"),
            (true, false) => format!(", {word}_USE_GTID=no"),
        };
        match place {
            Place::Unnamed => {}
            Place::GtidAfterOwnWrites if self.mariadb => {
                write!(sql, ", {word}_USE_GTID=current_pos").expect("a String takes all");
            }
            Place::Gtid | Place::GtidAfterOwnWrites => sql.push_str(&by_gtid(true)),
            Place::At(BinlogCoordinates { file, position }) => {
                let file = Literal(file);
                write!(sql, ", {word}_LOG_FILE={file}, {word}_LOG_POS={position}")
                    .expect("a String takes all");
                sql.push_str(&by_gtid(false));
            }
        }
    }

    /// Waits until a GTID set is executed. One row, one number: 0 = done, else the time is over.
    pub fn wait_for_gtid(self, gtid: &str, seconds: f64) -> String {
        let gtid = Literal(gtid);
        if self.mariadb {
            format!("SELECT MASTER_GTID_WAIT({gtid}, {seconds:.3}) AS result")
        } else {
            format!("SELECT WAIT_FOR_EXECUTED_GTID_SET({gtid}, {seconds:.3}) AS result")
        }
    }
}

impl Threads {
    fn suffix(self) -> &'static str {
        match self {
            Self::Both => "",
            Self::Receiver => " IO_THREAD",
            Self::Applier => " SQL_THREAD",
        }
    }
}

/// Sets a global variable to a truth value. `name` is ours, never a user's.
pub fn set_global(name: &'static str, on: bool) -> String {
    format!("SET GLOBAL {name} = {}", u8::from(on))
}

#[cfg(test)]
mod tests;
