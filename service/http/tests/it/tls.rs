//! HTTPS over real sockets, with certificates made here.

use std::{error::Error, sync::Arc};

use http::StatusCode;
use orchestrator_http::{Listen, Settings, Tls, TlsSettings};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    fake::{World, follower_of},
    pki::{Authority, Files, Pair},
    socket::Running,
};

async fn serve(settings: TlsSettings) -> (Running, Arc<Tls>) {
    let tls = Tls::load(settings).await.unwrap();
    let settings =
        Settings { listen: Listen::Tcp("127.0.0.1:0".into()), tls: tls.clone(), ..Settings::default() };
    (Running::with(settings).await, tls)
}

async fn connect(server: &Running, client: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address()).await?;
    TlsConnector::from(client.clone()).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// One request; an error of the handshake, which with TLS 1.3 comes with the first answer, is the text.
async fn get(server: &Running, client: &Arc<ClientConfig>, path: &str) -> String {
    let exchange = async {
        let mut stream = connect(server, client).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    exchange.await.unwrap_or_else(|error| error.to_string())
}

#[tokio::test]
async fn https_is_served_and_no_certificate_asked_for() {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair(""), &ca.pem);
    let (server, tls) = serve(files.https()).await;
    let answer = get(&server, &ca.client(None), "/api/leader-check").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\"OK\""), "{answer}");
    assert_eq!(tls.expires_at(), Some(4_102_358_400), "2099-12-31");
    let page = get(&server, &ca.client(None), "/metrics").await;
    assert!(page.contains("orchestrator_tls_certificate_expiry_timestamp_seconds 4102358400\n"), "{page}");
    let answer = get(&server, &Authority::new("other").client(None), "/api/leader-check").await;
    assert!(answer.contains("UnknownIssuer") || answer.contains("BadSignature"), "{answer}");
}

#[tokio::test]
async fn units_decide_with_mutual_tls_and_probes_need_none() {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair("dba"), &ca.pem);
    let (server, _) = serve(files.mutual()).await;
    let (dba, web, other) = (ca.pair("dba"), ca.pair("web"), Authority::new("other").pair("dba"));
    let ask = async |shows: Option<&Pair>, path: &str| get(&server, &ca.client(shows), path).await;
    assert!(ask(Some(&dba), "/api/clusters").await.starts_with("HTTP/1.1 200 OK\r\n"));
    for shows in [None, Some(&web)] {
        for path in ["/api/clusters", "/api/forget/db2/3306?x=/api/status", "/metrics", "/api/nosuch"] {
            let answer = ask(shows, path).await;
            assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{path} {answer}");
            assert!(answer.ends_with("\r\n\r\nInvalid OU\n"), "{path} {answer}");
        }
        for path in
            ["/api/status", "/api/raft-health", "/api/leader-check", "/api/lb-check", "/livez", "/readyz"]
        {
            let answer = ask(shows, path).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path} {answer}");
        }
    }
    let answer = ask(Some(&other), "/api/leader-check").await;
    assert!(answer.contains("UnknownCA"), "a certificate of another authority ends the handshake: {answer}");
    assert!(server.world.node.asked().is_empty());
}

#[tokio::test]
async fn the_status_check_can_ask_for_a_certificate_too() {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair("dba"), &ca.pem);
    let (server, _) = serve(TlsSettings { status_needs_certificate: true, ..files.mutual() }).await;
    let answer = get(&server, &ca.client(None), "/api/status").await;
    assert!(answer.ends_with("\r\n\r\nInvalid OU\n"), "{answer}");
}

#[tokio::test]
async fn mutual_tls_without_tls_turns_away_all_but_probes() {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair("dba"), &ca.pem);
    let tls = Tls::load(TlsSettings { serve: false, ..files.mutual() }).await.unwrap();
    let world = World::with(Default::default(), Settings { tls, ..Settings::default() });
    world.get("/api/clusters").await.is(StatusCode::UNAUTHORIZED, "No TLS\n");
    world.get("/api/leader-check").await.is(StatusCode::OK, "\"OK\"");
}

#[tokio::test]
async fn plain_http_to_the_https_port_is_told_so() {
    let ca = Authority::new("ours");
    let (server, _) = serve(Files::new(&ca.pair(""), &ca.pem).https()).await;
    let answer = server.send("GET /api/clusters HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"), "{answer}");
}

#[tokio::test]
async fn tls_to_a_plain_port_ends_and_harms_nobody() {
    let ca = Authority::new("ours");
    let server = Running::tcp().await;
    assert!(connect(&server, &ca.client(None)).await.is_err());
    let answer = server.send("GET /api/lb-check HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\"OK\""), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_in_the_handshake_is_dropped() {
    let ca = Authority::new("ours");
    let (server, _) = serve(Files::new(&ca.pair(""), &ca.pem).https()).await;
    for opening in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(opening).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{opening:?}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_old_connections_end() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::new(&old.pair("dba"), &old.pem);
    let (server, tls) = serve(files.mutual()).await;
    let client = old.client(Some(&old.pair("dba")));
    let mut kept = connect(&server, &client).await.unwrap();
    let one = b"GET /api/clusters HTTP/1.1\r\nHost: x\r\n\r\n";
    kept.write_all(one).await.unwrap();
    let mut first = [0; 15];
    kept.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");

    files.put(&new.pair("dba"));
    files.write("ca.pem", &new.pem);
    tls.reload().await.unwrap();
    let answer = get(&server, &new.client(Some(&new.pair("dba"))), "/api/clusters").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let answer = get(&server, &new.client(Some(&old.pair("dba"))), "/api/clusters").await;
    assert!(answer.contains("UnknownCA"), "{answer}");
    let mut rest = String::new();
    kept.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with(']'), "the rest of the first answer, then the end: {rest}");
}

/// The message of an error and of what is behind it.
fn story(error: &dyn Error) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// What is said when these files are loaded, with the folder left out.
async fn refusal(files: &Files, settings: TlsSettings) -> String {
    let error = Tls::load(settings).await.map(drop).unwrap_err();
    story(&error).replace(&format!("{}/", files.path("").display().to_string().trim_end_matches('/')), "")
}

#[tokio::test]
async fn a_bad_new_file_keeps_the_old_certificate() {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair(""), &ca.pem);
    let (server, tls) = serve(files.https()).await;
    let before = tls.expires_at();
    for (name, text) in [
        ("key.pem", ca.pair("").key),
        ("key.pem", "nonsense".to_owned()),
        ("cert.pem", ca.pair_valid("", 2001, 2002).certificate),
        ("ca.pem", String::new()),
    ] {
        let good = std::fs::read_to_string(files.path(name)).unwrap();
        files.write(name, &text);
        tls.reload().await.unwrap_err();
        files.write(name, &good);
        assert_eq!(tls.expires_at(), before);
        let answer = get(&server, &ca.client(None), "/api/lb-check").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    std::fs::remove_file(files.path("key.pem")).unwrap();
    tls.reload().await.unwrap_err();
    assert!(get(&server, &ca.client(None), "/api/lb-check").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn what_is_wrong_with_a_file_has_a_name() {
    let ca = Authority::new("ours");
    let good = ca.pair("");
    let files = Files::new(&good, &ca.pem);
    let mut said = Vec::new();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (name, text) in [
        ("cert.pem", ca.pair_valid("", 2001, 2002).certificate.as_str()),
        ("cert.pem", &ca.pair_valid("", 2098, 2099).certificate),
        ("cert.pem", &good.key),
        ("cert.pem", garbage),
        ("cert.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
        ("key.pem", &ca.pair("").key),
        ("key.pem", &good.certificate),
        ("key.pem", encrypted),
        ("key.pem", ""),
        ("ca.pem", ""),
        ("ca.pem", garbage),
        ("ca.pem", &Authority::until("gone", 2002).pem),
    ] {
        files.put(&good);
        files.write("ca.pem", &ca.pem);
        files.write(name, text);
        said.push(refusal(&files, files.mutual()).await);
    }
    files.put(&good);
    files.write("ca.pem", &ca.pem);
    for name in ["cert.pem", "key.pem", "ca.pem"] {
        let text = std::fs::read_to_string(files.path(name)).unwrap();
        std::fs::remove_file(files.path(name)).unwrap();
        said.push(refusal(&files, files.https()).await);
        files.write(name, &text);
    }
    said.push(refusal(&files, TlsSettings { certificate: None, ..files.https() }).await);
    said.push(refusal(&files, TlsSettings { private_key: None, ..files.https() }).await);
    expect_test::expect_file!["../golden/tls-errors.txt"].assert_eq(&(said.join("\n") + "\n"));
}

#[tokio::test]
async fn files_that_nobody_is_shown_need_not_be_there() {
    let gone = Some("/nonexistent/file".into());
    let settings = TlsSettings { certificate: gone.clone(), private_key: gone, ..TlsSettings::default() };
    assert_eq!(Tls::load(settings).await.unwrap().expires_at(), None);
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_found_without_a_signal() {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair(""), &ca.pem);
    let tls = Tls::load(files.https()).await.unwrap();
    let before = tls.expires_at();
    let changing = async {
        // First a key alone, as when somebody copies one file after the other.
        let renewed = ca.pair_valid("", 2001, 2098);
        files.write("key.pem", &renewed.key);
        tokio::time::sleep(std::time::Duration::from_secs(100)).await;
        assert_eq!(tls.expires_at(), before);
        files.put(&renewed);
        while tls.expires_at() == before {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = tls.watch_files() => unreachable!("it watches for ever"),
        () = changing => {}
    }
    assert!(tls.expires_at() < before);
}

/// A follower of an HTTPS leader.
async fn follower(leader: &Running, settings: TlsSettings) -> World {
    let tls = Tls::load(settings).await.unwrap();
    let uri = format!("https://localhost:{}", leader.address().port());
    World::with(Default::default(), Settings { tls, ..Settings::default() }).health(follower_of(&uri))
}

#[tokio::test]
async fn a_follower_forwards_over_tls_to_a_leader_that_it_believes() {
    let (ca, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new(&ca.pair(""), &ca.pem);
    let (leader, _) = serve(files.https()).await;
    let believing =
        follower(&leader, TlsSettings { authority: Some(files.path("ca.pem")), ..TlsSettings::default() });
    assert_eq!(believing.await.get("/api/forget/db2/3306").await.status(), 200);
    assert_eq!(leader.world.node.asked(), ["forget db2:3306"]);

    let strangers = Files::new(&other.pair(""), &other.pem);
    let wrong = TlsSettings { authority: Some(strangers.path("ca.pem")), ..TlsSettings::default() };
    follower(&leader, wrong.clone()).await.get("/api/forget/db2/3306").await.is(StatusCode::BAD_GATEWAY, "");
    assert!(leader.world.node.asked().is_empty());
    // Without an authority of one's own it is the system's, who never heard of ours.
    let by_system = TlsSettings::default();
    follower(&leader, by_system).await.get("/api/forget/db2/3306").await.is(StatusCode::BAD_GATEWAY, "");
    assert!(leader.world.node.asked().is_empty());
    let careless = TlsSettings { skip_verify: true, ..wrong };
    assert_eq!(follower(&leader, careless).await.get("/api/forget/db2/3306").await.status(), 200);
}

#[tokio::test]
async fn a_follower_does_not_keep_connections_to_a_leader_that_its_new_files_do_not_believe() {
    let (ca, other) = (Authority::new("ours"), Authority::new("other"));
    let (leader, _) = serve(Files::new(&ca.pair(""), &ca.pem).https()).await;
    let files = Files::new(&ca.pair(""), &ca.pem);
    let tls = Tls::load(TlsSettings { serve: false, ..files.https() }).await.unwrap();
    let uri = format!("https://localhost:{}", leader.address().port());
    let settings = Settings { tls: tls.clone(), ..Settings::default() };
    let node = World::with(Default::default(), settings).health(follower_of(&uri));
    assert_eq!(node.get("/api/forget/db2/3306").await.status(), 200);
    files.write("ca.pem", &other.pem);
    tls.reload().await.unwrap();
    node.get("/api/forget/db2/3306").await.is(StatusCode::BAD_GATEWAY, "");
    assert_eq!(leader.world.node.asked(), ["forget db2:3306"]);
}

#[tokio::test]
async fn with_mutual_tls_a_follower_shows_its_own_certificate() {
    let ca = Authority::new("ours");
    let files = Files::new(&ca.pair("dba"), &ca.pem);
    let (leader, _) = serve(files.mutual()).await;
    let origin = orchestrator_http::Origin {
        address: None,
        channel: orchestrator_http::Channel::Tls { units: ["dba".to_owned()].into() },
    };
    let node = follower(&leader, files.mutual()).await;
    let request = http::Request::builder().uri("/api/forget/db2/3306").body(String::new()).unwrap();
    assert_eq!(node.api.handle(request, origin.clone()).await.status(), StatusCode::OK);
    assert_eq!(leader.world.node.asked(), ["forget db2:3306"]);
    // A client without a certificate does not get as far as to borrow the follower's.
    node.get("/api/forget/db2/3306").await.is(StatusCode::UNAUTHORIZED, "No TLS\n");

    let outsider = Files::new(&ca.pair("web"), &ca.pem);
    let node = follower(&leader, outsider.mutual()).await;
    let request = http::Request::builder().uri("/api/forget/db2/3306").body(String::new()).unwrap();
    assert_eq!(node.api.handle(request, origin).await.status(), StatusCode::UNAUTHORIZED);
    assert!(leader.world.node.asked().is_empty());
}
