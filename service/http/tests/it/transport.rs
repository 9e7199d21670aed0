//! What holds for all routes: methods, slashes, escapes, prefix, authentication, compression.

use http::{Method, Request, StatusCode};
use orchestrator_http::{Access, Settings, rows};

use crate::fake::{FakeNode, World};

const NOT_FOUND: &str = "404 page not found\n";

/// A path that the template matches.
fn example(template: &str) -> String {
    let segments = template.split('/').map(|segment| match segment {
        ":port" | ":candidatePort" => "3306",
        ":host" => "db1",
        ":candidateHost" => "db2",
        ":clusterHint" | ":clusterAlias" | ":clusterName" => "prod-a",
        ":promotionRule" => "prefer",
        ":duration" => "5m",
        ":errorStatusCode" => "503",
        value if value.starts_with(':') => "7",
        literal => literal,
    });
    segments.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_answers_under_both_names_with_and_without_a_slash() {
    let world = World::default();
    // What operators post is asked in `operator`.
    for row in rows().filter(|row| row.access != Access::Operator) {
        for name in [Some(row.template.to_owned()), row.synonym()].into_iter().flatten() {
            for slash in ["", "/"] {
                let path = format!("/api/{}{slash}?comment=x", example(&name));
                let answer = world.get(&path).await;
                assert_eq!(answer.status(), 200, "{path}: {}", answer.body);
                assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8", "{path}");
                answer.json();
            }
        }
    }
}

#[tokio::test]
async fn head_is_answered_as_get_and_everything_else_not_found() {
    let world = World::default();
    assert_eq!(world.method(Method::HEAD, "/api/clusters").await.status(), 200);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        world.method(method, "/api/clusters").await.is(StatusCode::NOT_FOUND, NOT_FOUND);
    }
}

#[tokio::test]
async fn what_is_not_a_route_is_plain_text() {
    let world = World::default();
    for path in [
        "/api",
        "/api/",
        "/api/nosuch",
        "/api/instance",
        "/api/instance/db1",
        "/api/Clusters",
        "/api//clusters",
        "/api/clusters//",
        "/api/instance/db1/3306/x",
        "/api/instance//3306",
        "/web",
        "/api/cluster/",
    ] {
        let answer = world.get(path).await;
        answer.is(StatusCode::NOT_FOUND, NOT_FOUND);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{path}");
    }
}

#[tokio::test]
async fn paths_are_matched_decoded() {
    let world = World::default();
    assert_eq!(world.get("/api/%69nstance/db%31/3306").await.status(), 200);
    // An encoded slash separates; an encoded `?` or `#` ends nothing, and belongs to no value.
    assert_eq!(world.get("/api/instance/db1%2F3306").await.status(), 200);
    for path in ["/api/cluster/prod%2Fa", "/api/cluster/prod%3Fa", "/api/cluster/prod%23a"] {
        world.get(path).await.is(StatusCode::NOT_FOUND, NOT_FOUND);
    }
    world.fails("cluster/a+b", "Unable to determine cluster name. clusterHint=a+b").await;
    world.fails("cluster/a%20b", "Unable to determine cluster name. clusterHint=a b").await;
}

#[tokio::test]
async fn what_people_say_may_hold_what_separates() {
    let world = World::default();
    for said in ["disk%20a%2Fb", "why%3F", "%231", "a%2Fb%2Fc%2Fd"] {
        for path in ["/api/begin-downtime/db1/3306/ann/", "/api/begin-downtime/db1/3306/a%2Fb/"] {
            for end in ["", "/", "/1h", "/1h/"] {
                let answer = world.get(&format!("{path}{said}{end}")).await;
                assert_eq!(answer.status(), 200, "{path}{said}{end}");
            }
        }
    }
    world.get("/api/begin-downtime/db1/3306/ann/a/b/1h").await.is(StatusCode::NOT_FOUND, NOT_FOUND);
}

#[tokio::test]
async fn malformed_and_overlong_paths_are_named() {
    let world = World::default();
    for (path, message) in [
        ("/api/cluster/%zz", "invalid percent-encoding in path\n"),
        ("/api/cluster/a%2", "invalid percent-encoding in path\n"),
        ("/api/cluster/%ff%fe", "path is not UTF-8\n"),
    ] {
        world.get(path).await.is(StatusCode::BAD_REQUEST, message);
    }
    let long = "x".repeat(9 * 1024);
    world.get(&format!("/api/cluster/{long}")).await.is(StatusCode::URI_TOO_LONG, "URI too long\n");
    world.get(&format!("/api/clusters?{long}")).await.is(StatusCode::URI_TOO_LONG, "URI too long\n");
}

#[tokio::test]
async fn malformed_hosts_and_ports_are_named() {
    let world = World::default();
    for port in ["0", "65536", "-1", "x", "3306x", "99999999999999999999"] {
        world.fails(&format!("instance/db1/{port}"), &format!("Invalid port: {port}")).await;
    }
    for (host, shown) in [("a%20b", "\"a b\""), ("%C3%A9", "\"é\""), ("a;b", "\"a;b\""), ("[]", "\"[]\"")] {
        world.fails(&format!("instance/{host}/3306"), &format!("Invalid host: {shown}")).await;
    }
    let long = "x".repeat(256);
    world.fails(&format!("instance/{long}/3306"), &format!("Invalid host: {long:?}")).await;
    world.fails("instance/[2001:db8::7]/3306", "Cannot read instance: [2001:db8::7]:3306").await;
}

#[tokio::test]
async fn a_prefix_moves_the_api_and_not_the_probes() {
    let settings = Settings { url_prefix: "orc/".into(), ..Settings::default() };
    let world = World::with(FakeNode::default(), settings);
    assert_eq!(world.get("/orc/api/clusters").await.status(), 200);
    assert_eq!(world.get("/api/clusters").await.status(), 404);
    assert_eq!(world.get("/livez").await.status(), 200);
}

#[tokio::test]
async fn the_status_check_can_be_moved() {
    let settings =
        Settings { url_prefix: "/orc".into(), status_endpoint: "/my/status".into(), ..Settings::default() };
    let world = World::with(FakeNode::default(), settings);
    assert_eq!(world.get("/my/status").await.status(), 200);
    assert_eq!(world.get("/my/status/").await.status(), 200);
    assert_eq!(world.get("/orc/api/status").await.status(), 404);
    assert_eq!(world.get("/orc/api/health").await.status(), 200);
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_asks() {
    let world = World::default();
    let ask = |path: &str| Request::builder().uri(path).header("accept-encoding", "gzip").body(()).unwrap();
    let answer = world.request(ask("/api/all-instances")).await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("gzip", "Accept-Encoding"));
    let small = world.request(ask("/api/lb-check")).await;
    assert_eq!(small.header("content-encoding"), "");
    small.is(StatusCode::OK, "\"OK\"");
}

#[tokio::test]
async fn messages_can_begin_with_the_name_of_the_node() {
    let settings = Settings { message_prefix: "Orchestrator orc-0 says: ".into(), ..Settings::default() };
    let world = World::with(FakeNode::default(), settings);
    world.fails("instance/nosuch/3306", "Orchestrator orc-0 says: Cannot read instance: nosuch:3306").await;
    let answer = world.get("/api/check-global-recoveries").await;
    assert_eq!(answer.json()["Message"], "Orchestrator orc-0 says: Global recoveries enabled");
}

#[tokio::test]
async fn requests_are_counted_by_closed_labels() {
    let world = World::default();
    for path in ["/api/clusters", "/api/nosuch", "/api/instance/nosuch/1"] {
        world.get(path).await;
    }
    let page = world.get("/metrics").await;
    assert_eq!(page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "orchestrator_http_requests_total{class=\"local\",status=\"2xx\"} 1",
        "orchestrator_http_requests_total{class=\"local\",status=\"5xx\"} 1",
        "orchestrator_http_requests_total{class=\"unknown\",status=\"4xx\"} 1",
        "orchestrator_raft_is_leader 1",
        "orchestrator_raft_role{role=\"Leader\"} 1",
        "orchestrator_raft_role{role=\"Candidate\"} 0",
    ] {
        assert!(page.body.lines().any(|found| found == line), "{line}\n{}", page.body);
    }
}
