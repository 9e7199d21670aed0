//! Liveness, readiness, and the listener that serves nothing else.

use std::net::SocketAddr;

use http::StatusCode;
use orchestrator_config::{HttpAuth, Secret};
use orchestrator_http::{Auth, Listen, Settings, Tls, TlsSettings, ports::HealthView};
use tokio::net::TcpStream;

use crate::{
    fake::{World, isolated},
    pki::{Authority, Files},
    socket::{Running, converse},
};

#[tokio::test]
async fn liveness_does_not_depend_on_raft_nor_on_the_backend() {
    for health in [isolated(), HealthView::default()] {
        let world = World::default().health(health);
        world.get("/livez").await.is(StatusCode::OK, "ok\n");
        assert_eq!(world.get("/readyz").await.status(), 503);
    }
}

#[tokio::test]
async fn a_node_that_only_a_restart_would_help_says_so() {
    let world = World::default();
    *world.node.stuck.lock().unwrap() = Some("the health loop has not turned for 31 s".into());
    world
        .get("/livez")
        .await
        .is(StatusCode::SERVICE_UNAVAILABLE, "the health loop has not turned for 31 s\n");
}

/// A node as closed as can be, with a listener for probes.
async fn closed() -> Running {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair(""), &ca.pem);
    let auth = HttpAuth::Basic { user: "dba".into(), password: Secret::new("secret".into()) };
    let settings = Settings {
        listen: Listen::Tcp("127.0.0.1:0".into()),
        probes: Some("127.0.0.1:0".into()),
        auth: Auth::new(&auth).unwrap(),
        tls: Tls::load(TlsSettings { valid_units: Vec::new(), ..files.mutual() }).await.unwrap(),
        url_prefix: "/orc".into(),
        ..Settings::default()
    };
    Running::with(settings).await
}

async fn probe(at: SocketAddr, request: &str) -> String {
    let stream = TcpStream::connect(at).await.unwrap();
    converse(stream, &format!("{request} HTTP/1.0\r\n\r\n")).await
}

#[tokio::test]
async fn probes_are_answered_without_tls_and_without_a_password() {
    let server = closed().await;
    let at = server.probes.unwrap();
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/api/leader-check",
        "/api/leader-check/503/",
        "/api/raft-health",
        "/api/lb-check",
        "/api/_ping",
        "/orc/api/raft-health",
    ] {
        let answer = probe(at, &format!("GET {path}")).await;
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{path} {answer}");
    }
    assert!(probe(at, "HEAD /readyz").await.ends_with("\r\n\r\n"));
    *server.world.node.health.lock().unwrap() = isolated().into();
    let answer = probe(at, "GET /api/leader-check/503").await;
    assert!(answer.starts_with("HTTP/1.0 503 ") && answer.ends_with("\"Not leader\""), "{answer}");
    for (path, status) in [("/livez", 200), ("/readyz", 503), ("/api/raft-health", 500)] {
        let answer = probe(at, &format!("GET {path}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.0 {status} ")), "{path} {answer}");
    }
}

#[tokio::test]
async fn nothing_else_is_answered_there() {
    let server = closed().await;
    for request in [
        "GET /",
        "GET /api/clusters",
        "GET /api/health",
        "GET /api/status",
        "GET /api/routed-leader-check",
        "GET /api/forget/db2/3306",
        "GET /web/access-token?publicToken=abc",
        "GET /api/%zz",
        "POST /livez",
    ] {
        let answer = probe(server.probes.unwrap(), request).await;
        assert!(answer.starts_with("HTTP/1.0 404 Not Found\r\n"), "{request} {answer}");
    }
    assert!(server.world.node.asked().is_empty());
}

#[tokio::test]
async fn a_stop_ends_both_listeners() {
    let server = closed().await;
    let (api, probes) = (server.address(), server.probes.unwrap());
    server.stop().await;
    for address in [api, probes] {
        assert!(TcpStream::connect(address).await.is_err());
    }
}
