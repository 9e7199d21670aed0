//! Requests and answers: credentials, refusals, and servers that misbehave.

use std::time::Duration;

use expect_test::expect;

use crate::Client;
use crate::fake_server::{FakeServer, hang_up_once, refusing, silent};

#[tokio::test]
async fn a_refusal_goes_to_stderr_and_its_details_to_stdout() {
    let body =
        r#"{"Code":"ERROR","Message":"Recovery 'not'  attempted","Details":{"Port":3306,"Hostname":"db1"}}"#;
    let server = FakeServer::start(&[("/api/recover/db1/3306", 500, body)]).await;
    let outcome = Client::new("-c recover -i db1").env("ORCHESTRATOR_API", &server.url()).run().await;
    outcome.check(
        &[],
        expect![[r#"
            exit 1
            -- stdout
            { "Port": 3306, "Hostname": "db1" }
            -- stderr
            Recovery not attempted
        "#]],
    );
    assert_eq!(server.paths(), ["/api/recover/db1/3306"], "asked once");
}

#[tokio::test]
async fn an_api_call_prints_a_refusal_whole() {
    let body = r#"{"Code":"ERROR","Message":"Unable to do it","Details":null}"#;
    let server = FakeServer::start(&[("/api/master/x", 500, body)]).await;
    let outcome = Client::new(&format!("-c api -P /master/x -U {}", server.url())).run().await;
    outcome.check(
        &[],
        expect![[r#"
            exit 1
            -- stdout
            { "Code": "ERROR", "Message": "Unable to do it", "Details": null }
            -- stderr
        "#]],
    );
}

#[tokio::test]
async fn json_counts_whatever_the_status() {
    let server = FakeServer::start(&[("/api/leader-check", 404, r#""Not leader""#)]).await;
    let outcome = Client::new(&format!("-c api --path=leader-check -U {}", server.url())).run().await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "\"Not leader\"\n"));
}

#[tokio::test]
async fn wrong_credentials_are_said_to_be_wrong_and_never_shown() {
    let server = FakeServer::start(&[("/api/clusters-info", 401, "Not Authorized\n")]).await;
    let url = server.url().replace("//", "//ada:secret@");
    let outcome = Client::new("-c clusters").env("ORCHESTRATOR_API", &url).run().await;
    outcome.check(
        &[(&server.url()[7..], "server")],
        expect![[r#"
            exit 1
            -- stdout
            -- stderr
            orchestrator-client[7]: Cannot access orchestrator at http://ada:<REMOVED>@server/api.  Check ORCHESTRATOR_API is configured correctly and orchestrator is running
            orchestrator-client[7]:   401 Unauthorized: user or password missing or wrong
        "#]],
    );
    assert_eq!(server.requests()[0].headers["authorization"], "Basic YWRhOnNlY3JldA==");
}

#[tokio::test]
async fn credentials_come_from_options_before_the_environment() {
    let server = FakeServer::start(&[("/api/clusters-info", 200, "[]")]).await;
    let client = |line: &str| {
        Client::new(&format!("-c clusters -U {}{line}", server.url()))
            .env("ORCHESTRATOR_AUTH_USER", "ada")
            .env("ORCHESTRATOR_AUTH_PASSWORD", "secret")
            .env("ORCHESTRATOR_AUTH_USER_HEADER", "X-Forwarded-User:ada")
    };
    client("").run().await;
    client(" -b bob:pw --headers-auth=X-User:bob").run().await;
    client(" -b :").run().await;
    let seen = server.requests();
    let header = |at: usize, name: &str| seen[at].headers.get(name).map(String::as_str);
    assert_eq!(header(0, "authorization"), Some("Basic YWRhOnNlY3JldA=="));
    assert_eq!(header(0, "x-forwarded-user"), Some("ada"));
    assert_eq!(header(1, "authorization"), Some("Basic Ym9iOnB3"));
    assert_eq!(header(1, "x-user"), Some("bob"));
    assert_eq!(header(2, "authorization"), None);
}

#[tokio::test]
async fn a_command_that_the_server_lacks_is_named() {
    let server = FakeServer::start(&[]).await;
    let outcome = Client::new(&format!("-c match-up -i db1 -U {}", server.url())).run().await;
    outcome.check(
        &[(&server.url(), "http://server")],
        expect![[r#"
            exit 1
            -- stdout
            -- stderr
            orchestrator-client[7]: orchestrator at http://server/api does not know the request match-up/db1/3306
            orchestrator-client[7]:   404: this server lacks the command, or does not take these arguments for it
        "#]],
    );
}

#[tokio::test]
async fn what_is_no_json_is_shown_in_part_and_not_asked_for_again() {
    let server = FakeServer::start(&[("/api/clusters-info", 502, "<html>\n bad   gateway")]).await;
    let outcome = Client::new(&format!("-c clusters -U {}", server.url())).run().await;
    assert_eq!(
        outcome.stderr.lines().last(),
        Some("orchestrator-client[7]:   502 Bad Gateway, and no JSON: <html> bad gateway")
    );
    assert_eq!((outcome.code, server.requests().len()), (1, 1));
}

#[tokio::test]
async fn an_answer_of_another_shape_ends_with_five() {
    let server = FakeServer::start(&[("/api/masters", 200, "null")]).await;
    let outcome = Client::new(&format!("-c all-clusters-masters -U {}", server.url())).run().await;
    outcome.check(
        &[],
        expect![[r#"
            exit 5
            -- stdout
            -- stderr
            orchestrator-client[7]: unexpected answer: cannot list the elements of null
        "#]],
    );
}

#[tokio::test]
async fn a_server_that_is_not_up_yet_is_waited_for() {
    let (socket, url) = refusing();
    let client = Client::new(&format!("-c clusters -U {url}"))
        .limits(|limits| limits.retry_pauses = vec![Duration::from_millis(20); 200]);
    let (outcome, _server) = tokio::join!(client.run(), async {
        FakeServer::on(socket.listen(8).unwrap(), &[("/api/clusters-info", 200, "[]")])
    });
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn a_server_that_stays_down_is_given_up() {
    let (_held, url) = refusing();
    let client = Client::new(&format!("-c clusters -U {url}"))
        .limits(|limits| limits.retry_pauses = vec![Duration::from_millis(1); 7]);
    client.run().await.check(
        &[(&url, "http://server")],
        expect![[r#"
            exit 1
            -- stdout
            -- stderr
            orchestrator-client[7]: Cannot access orchestrator at http://server/api.  Check ORCHESTRATOR_API is configured correctly and orchestrator is running
            orchestrator-client[7]:   cannot connect: Connection refused (os error 111)
        "#]],
    );
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_sent_again() {
    let (listener, url) = silent().await;
    let client = Client::new(&format!("-c recover -i db1 -U {url}"))
        .limits(|limits| limits.retry_pauses = vec![Duration::from_millis(1); 7]);
    let (outcome, listener) = tokio::join!(client.run(), hang_up_once(listener));
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("the connection broke before the whole answer came"),
        "{}",
        outcome.stderr
    );
    let again = tokio::time::timeout(Duration::ZERO, listener.unwrap().accept()).await;
    assert!(again.is_err(), "a second connection was waiting");
}

#[tokio::test]
async fn a_silent_server_is_left_after_the_deadline() {
    let (_listener, url) = silent().await;
    let client = Client::new(&format!("-c clusters -U {url}"))
        .limits(|limits| limits.answer = Duration::from_millis(50));
    let outcome = client.run().await;
    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.stderr.lines().last(), Some("orchestrator-client[7]:   no answer within 50ms"));
}

#[tokio::test]
async fn mistakes_in_the_arguments_are_found_before_any_server_is_asked() {
    for (line, message) in [
        ("-c topology", "instance|alias must be provided"),
        ("-c nonsuch", "Unsupported command nonsuch"),
        ("-c relocate -i db1", "destination must be provided"),
        ("-c clusters -e nocolon", "headers-auth must be <header>:<value>"),
        ("-c clusters -U http://x:70000", "Invalid address of orchestrator: http://x:70000"),
    ] {
        let outcome =
            Client::new(line).env("ORCHESTRATOR_API", "http://192.0.2.1:1 http://192.0.2.2:1").run().await;
        assert_eq!(
            (outcome.code, outcome.stderr),
            (1, format!("orchestrator-client[7]: {message}\n")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn an_unknown_option_is_named_and_skipped() {
    let server = FakeServer::start(&[("/api/clusters-info", 200, "[]")]).await;
    let outcome = Client::new(&format!("-x -c clusters -U {}", server.url())).run().await;
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, "/usr/bin/orchestrator-client: illegal option -- x\n")
    );
}
