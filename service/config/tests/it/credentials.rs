//! Credentials: literal, from the environment, from a `.cnf` file, from a file.

use expect_test::{Expect, expect};

use crate::{load_with, loaded, messages, show, source};

const CNF: &str = r#"{"MySQLTopologyCredentialsConfigFile": "/a.cnf"}"#;

/// User and password from a credentials file, or the messages.
fn cnf(text: &str) -> Result<(String, String), String> {
    let outcome = load_with(&[source("conf.json", CNF)], &[("/a.cnf", text)]);
    match outcome {
        Ok(loaded) if loaded.warnings.is_empty() => {
            let access = loaded.settings.topology;
            Ok((access.user, access.password.reveal().clone()))
        }
        other => Err(show(other)),
    }
}

fn check_cnf(text: &str, expected: Expect) {
    expected.assert_eq(&cnf(text).expect_err("there is something to say"));
}

fn password(literal: &str) -> String {
    let loaded = loaded(&format!("{{\"MySQLTopologyPassword\": \"{literal}\"}}"));
    loaded.settings.topology.password.reveal().clone()
}

#[test]
fn a_literal_is_taken_as_it_is() {
    assert_eq!(password(" p$ss{w}rd "), " p$ss{w}rd ");
    assert_eq!(password("$ORC_USER"), "$ORC_USER");
}

#[test]
fn a_variable_replaces_the_whole_value() {
    assert_eq!(password("${ORC_TOPOLOGY_PASSWORD}"), "s3cret");
    expect![[r#"
        warning conf.json:1:2: MySQLTopologyPassword: the value of ${ORC_TOPOLOGY_PASSWORD} replaces the whole text, also what stands around it
    "#]].assert_eq(&messages(r#"{"MySQLTopologyPassword": "a${ORC_TOPOLOGY_PASSWORD}b"}"#));
    assert_eq!(loaded(r#"{"MySQLTopologyUser": "${ORC_USER}"}"#).settings.topology.user, "orc");
}

#[test]
fn a_variable_that_is_not_set_is_an_error() {
    expect![[r#"
        error conf.json:2:3: HTTPAuthPassword: the environment variable ABSENT is not set; set it, or write ${NAME} of another one
    "#]].assert_eq(&messages("{\n  \"HTTPAuthPassword\": \"${ABSENT}\"\n}"));
    expect![[r#"
        error conf.json:1:2: MySQLTopologyPassword: write one ${NAME} only, with the name of an environment variable
    "#]]
    .assert_eq(&messages(r#"{"MySQLTopologyPassword": "${ORC_USER}${ORC_USER}"}"#));
}

#[test]
fn a_password_that_looks_like_a_reference_is_not_repeated() {
    let shown = messages(r#"{"MySQLTopologyPassword": "x${hid-den}y"}"#);
    assert!(!shown.contains("hid"), "{shown}");
    expect![[r#"
        error conf.json:1:2: MySQLTopologyPassword: write one ${NAME} only, with the name of an environment variable
    "#]].assert_eq(&shown);
}

#[test]
fn a_file_gives_its_content_without_the_line_end() {
    let text = r#"{"MySQLTopologyPassword": "file:/run/secret", "MySQLTopologyUser": "orc"}"#;
    let loaded = load_with(&[source("c", text)], &[("/run/secret", "p w\r\n")]).expect("the file is there");
    assert_eq!(loaded.settings.topology.password.reveal(), "p w");
    expect![[r#"
        error conf.json:1:2: MySQLTopologyPassword: cannot read /run/secret: entity not found; name a file that this user may read
    "#]].assert_eq(&messages(text));
}

#[test]
fn a_credentials_file_wins_over_the_keys() {
    let text = r#"{"MySQLTopologyCredentialsConfigFile": "/etc/orchestrator/topology.cnf", "MySQLTopologyUser": "x"}"#;
    let access = loaded(text).settings.topology;
    assert_eq!((access.user.as_str(), access.password.reveal().as_str()), ("orc", "s3cret"));
    expect![[r#"
        error conf.json:1:2: MySQLTopologyCredentialsConfigFile: cannot read /absent.cnf: entity not found; name a file that this user may read
    "#]].assert_eq(&messages(r#"{"MySQLTopologyCredentialsConfigFile": "/absent.cnf"}"#));
}

#[test]
fn the_mysql_backend_has_its_own_credentials_file() {
    let text = r#"{"MySQLOrchestratorCredentialsConfigFile": "/etc/orchestrator/topology.cnf"}"#;
    let backend = loaded(text).settings.backend;
    let orchestrator_config::BackendSettings::Mysql(mysql) = backend else { panic!("{backend:?}") };
    assert_eq!((mysql.user.as_str(), mysql.password.reveal().as_str()), ("orc", "s3cret"));
}

#[test]
fn the_syntax_is_that_of_git_config() {
    let both = |user: &str, password: &str| Ok((user.to_owned(), password.to_owned()));
    assert_eq!(cnf("# c\n; c\n[ Client ]\nUSER=orc\npassword = a b # c\n"), both("orc", "a b"));
    assert_eq!(
        cnf("[client]\nuser = \"o # r\"\npassword = \"a\\\"b\\\\c;\" ; c\n"),
        both("o # r", "a\"b\\c;")
    );
    assert_eq!(cnf("[client]\r\nuser = orc\r\npassword = \"a\"b\" \"\r\n"), both("orc", "ab "));
    assert_eq!(cnf("[client]\npassword = 'x'\n"), both("", "'x'"));
}

#[test]
fn what_is_no_credential_is_named_and_ignored() {
    check_cnf(
        "[client]\nuser = orc\nhost = db\n[mysqld]\nport = 1\n",
        expect![[r#"
        warning /a.cnf:3:1: MySQLTopologyCredentialsConfigFile: host is ignored; user and password are read
        warning /a.cnf:4:1: MySQLTopologyCredentialsConfigFile: section [mysqld] is ignored; [client] is read
    "#]],
    );
}

#[test]
fn errors_of_a_credentials_file_have_its_line() {
    check_cnf(
        "user = orc\n",
        expect![[r#"
        error /a.cnf:1:1: MySQLTopologyCredentialsConfigFile: write [client] above the first variable
    "#]],
    );
    check_cnf(
        "[client]\nuser = \"orc\npassword = a\\b\nuser = \"\\x\"\n",
        expect![[r#"
        error /a.cnf:2:1: MySQLTopologyCredentialsConfigFile: close the double quote on the same line
        error /a.cnf:3:1: MySQLTopologyCredentialsConfigFile: put a value with a backslash in double quotes, and write it twice: \\
        error /a.cnf:4:1: MySQLTopologyCredentialsConfigFile: after a backslash write one of: \ " n t
    "#]],
    );
    check_cnf(
        "[client]\npassword = ${ABSENT}\n",
        expect![[r#"
        error /a.cnf:2:1: MySQLTopologyPassword: the environment variable ABSENT is not set; set it, or write ${NAME} of another one
    "#]],
    );
}
