use std::net::TcpListener;
use std::time::Duration;

use orchestrator_backend::{Backend, MySqlBackend, MySqlOpenError, MySqlOptions, MySqlTls, Password};

use super::{impatient, open};
use crate::servers::{Flavor, Lease, Server};
use crate::support::{after, key};

fn refusal(options: &MySqlOptions) -> MySqlOpenError {
    MySqlBackend::open(options).map(drop).unwrap_err()
}

/// An account that may do only what is granted here, and options that use it. `{db}` is the database.
fn limited(server: &Server, grants: &[&str]) -> MySqlOptions {
    let options = impatient(server.options("t"));
    let user = format!("u_{}", options.database);
    let mut statements = vec![format!("create user {user} identified by 'limited'")];
    let grant = |grant: &&str| format!("grant {} to {user}", grant.replace("{db}", &options.database));
    statements.extend(grants.iter().map(grant));
    server.admin(&statements.iter().map(String::as_str).collect::<Vec<_>>());
    MySqlOptions { user, password: Password::new("limited"), ..options }
}

#[test]
fn nobody_there_and_nobody_who_answers_are_unreachable() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = impatient(Flavor::MySql.server().options("t"));
    let (host, port) = ("127.0.0.1".to_owned(), silent.local_addr().unwrap().port());
    let options = MySqlOptions { host, port, connect_timeout: Duration::from_millis(100), ..options };
    let error = refusal(&options);
    assert!(matches!(error, MySqlOpenError::Unreachable { .. }), "{error:?}");
    drop(silent);
    let error = refusal(&options);
    assert!(matches!(error, MySqlOpenError::Unreachable { .. }), "{error:?}");
    assert!(format!("{error}").contains("MySQLOrchestratorHost"), "{error}");
}

#[test]
fn a_wrong_password_is_named() {
    for flavor in Flavor::ALL {
        let options = flavor.server().options("t");
        let options = MySqlOptions { password: Password::new("wrong"), ..options };
        let error = refusal(&options);
        assert!(matches!(error, MySqlOpenError::AccessDenied { .. }), "{flavor:?}: {error:?}");
        assert!(!format!("{options:?}{error:?}").contains("wrong"), "passwords are never printed");
    }
}

#[test]
fn a_database_that_may_not_be_created_is_named() {
    for flavor in Flavor::ALL {
        for grants in [&[][..], &["select on `{db}`.*"]] {
            let error = refusal(&limited(flavor.server(), grants));
            assert!(matches!(error, MySqlOpenError::NoDatabase { .. }), "{flavor:?}: {error:?}");
        }
    }
}

#[test]
fn an_account_with_rights_on_its_database_alone_creates_it() {
    for flavor in Flavor::ALL {
        let mut backend = open(&limited(flavor.server(), &["all privileges on `{db}`.*"]));
        backend.add_discovered(&key("a"), after(0)).unwrap();
    }
}

#[test]
fn a_missing_right_shows_at_once() {
    for flavor in Flavor::ALL {
        let server = flavor.server();
        let rights = "select, insert, update, create, alter, index on `{db}`.*";
        let options = limited(server, &[rights]);
        let error = refusal(&options);
        assert!(matches!(error, MySqlOpenError::MissingPrivilege { .. }), "{flavor:?}: {error:?}");
        let told = format!("{error:?}");
        assert!(told.contains("DELETE"), "{told}");
    }
}

#[test]
fn a_read_only_server_is_named() {
    for flavor in Flavor::ALL {
        let victim = flavor.victim();
        let options = limited(&victim.server, &["all privileges on `{db}`.*"]);
        drop(open(&options));
        victim.server.admin(&["set global read_only = 1"]);
        let error = MySqlBackend::open(&options).map(drop);
        victim.server.admin(&["set global read_only = 0"]);
        let error = error.unwrap_err();
        assert!(matches!(error, MySqlOpenError::ReadOnly { .. }), "{flavor:?}: {error:?}");
    }
}

#[test]
fn a_second_process_is_refused_until_the_first_has_ended() {
    for flavor in Flavor::ALL {
        let lease = Lease::of(flavor);
        let options = impatient(lease.options());
        let first = open(&options);
        let second = MySqlOptions { node: crate::support::node("two"), ..options };
        let error = refusal(&second);
        assert!(matches!(error, MySqlOpenError::InUse { .. }), "{flavor:?}: {error:?}");
        drop(first);
        open(&MySqlOptions { takeover_patience: Duration::from_secs(5), ..second });
    }
}

#[test]
fn a_living_process_of_the_original_is_refused_and_a_dead_one_is_not() {
    for flavor in Flavor::ALL {
        let (server, lease) = (flavor.server(), Lease::of(flavor));
        let options = lease.options();
        let lives = |age: &str| {
            let sql = format!(
                "replace into {}.node_health (hostname, token, extra_info, command, last_seen_active) \
                 values ('old-host', 'old', 'HttpMode', '', now() - interval {age} second)",
                options.database
            );
            server.admin(&[&sql]);
        };
        lives("1");
        let error = refusal(&options);
        assert!(
            matches!(&error, MySqlOpenError::OldProcess { hostname, .. } if hostname == "old-host"),
            "{flavor:?}: {error:?}"
        );
        lives("6");
        open(&options);
    }
}

#[test]
fn a_newer_layout_is_refused() {
    let (server, lease) = (Flavor::MariaDb.server(), Lease::of(Flavor::MariaDb));
    let options = lease.options();
    drop(open(&options));
    let sql = format!(
        "update {}.orchestrator_backend_meta set meta_value = '99' where meta_key = 'layout'",
        options.database
    );
    server.admin(&[&sql]);
    let error = refusal(&options);
    assert!(matches!(error, MySqlOpenError::Newer { found: 99, .. }), "{error:?}");
}

#[test]
fn encryption_is_used_when_asked_for_and_never_given_up_in_silence() {
    let tls = || Some(MySqlTls { skip_verify: true, ..MySqlTls::default() });
    let (mysql, mariadb) = (Lease::of(Flavor::MySql), Lease::of(Flavor::MariaDb));
    let mut backend = open(&MySqlOptions { tls: tls(), ..mysql.options() });
    let mut row = backend.query_first("show session status like 'Ssl_cipher'", &[]).unwrap().unwrap();
    assert_eq!((row.text(), row.text().is_empty()), ("Ssl_cipher".into(), false));
    // Its self-made certificate names nobody.
    let verified = Some(MySqlTls::default());
    let error = refusal(&MySqlOptions { tls: verified, ..mysql.options() });
    assert!(matches!(error, MySqlOpenError::Unreachable { .. }), "{error:?}");
    let error = refusal(&MySqlOptions { tls: tls(), ..mariadb.options() });
    assert!(matches!(error, MySqlOpenError::Unreachable { .. }), "this server does not encrypt: {error:?}");
}

#[tokio::test]
async fn opening_inside_an_asynchronous_task_is_no_accident() {
    let database = tokio::task::spawn_blocking(|| Lease::of(Flavor::MariaDb)).await.unwrap();
    let backend = MySqlBackend::open(&database.options()).unwrap();
    assert!(backend.reader().unwrap().is_some());
    // Neither is closing it there.
    drop(backend);
}
