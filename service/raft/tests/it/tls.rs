//! Mutual TLS between nodes: a certificate of the authority that names the node, or nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use orchestrator_raft::{Policy, RaftNode, RaftSettings, StartError, TlsError, TlsSettings};
use orchestrator_tls::FileError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::group::{Echo, Group, PATIENCE, free_address, wait_health};
use crate::machine::DiskMachine;

/// Who signs certificates of a group.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        Self::named("nodes")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key for `host`.
    fn signed(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Writes the files of the node on `host`.
    fn provide(&self, dir: &Path, host: &str) -> TlsSettings {
        let (certificate, key) = self.signed(host, |_| {});
        write(dir, &certificate, &key, &self.pem)
    }
}

fn write(dir: &Path, certificate: &str, key: &str, authority: &str) -> TlsSettings {
    let file = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name)
    };
    TlsSettings {
        certificate: file("tls.crt", certificate),
        private_key: file("tls.key", key),
        authority: file("ca.crt", authority),
    }
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').unwrap().0
}

async fn start(settings: RaftSettings, tls: Option<TlsSettings>) -> Result<RaftNode, StartError> {
    let machine = Box::new(DiskMachine(Default::default()));
    RaftNode::start_secured(settings, Policy::default(), tls, machine, Arc::new(Echo::default())).await
}

/// Starts the nodes of `group` with certificates of `authority`.
async fn secured(size: usize, authority: &Authority) -> Group {
    let mut group = Group::of(size);
    for index in 0..size {
        let (dir, name) = (group.places[index].dir.path(), group.places[index].name.clone());
        let tls = authority.provide(dir, host(&name));
        group.places[index].node = Some(start(group.settings(index), Some(tls)).await.unwrap());
    }
    group
}

/// Waits until `index` says about each other node that it is away for a reason like `text`.
async fn waits_because(group: &Group, index: usize, text: &str) {
    wait_health(group.node(index), text, |health| health.waiting_for.iter().any(|line| line.contains(text)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_certificates_form_a_group_and_nobody_can_listen() {
    let group = secured(3, &Authority::new()).await;
    group.everybody_healthy().await;
    let leader = group.leader().await;
    group.node(leader).propose(crate::group::put("key"), PATIENCE).await.unwrap();
    let answers = group.node(leader).ask_peers(b"alive?".to_vec(), PATIENCE).await;
    assert!(answers.len() == 2 && answers.iter().all(|(_, answer)| answer.is_ok()), "{answers:?}");
    let begun = Instant::now();
    for _ in 0..100 {
        group.node(leader).ask_peers(b"again".to_vec(), PATIENCE).await;
    }
    println!("one round of questions on held TLS connections: {} us", begun.elapsed().as_micros() / 100);
    // A stranger is told nothing.
    let mut stranger = TcpStream::connect(&group.places[0].name).await.unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stranger.read_to_end(&mut answer)).await.unwrap().unwrap_or(0);
    assert!(answer.is_empty(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_node_and_one_with_tls_tell_each_other_why_they_do_not_talk() {
    // The first by name asks.
    for (secured, text) in
        [(0, "perhaps it has no RaftTLSCertFile"), (1, "takes raft connections with TLS only")]
    {
        let mut group = Group::of(2);
        group.places.sort_by(|a, b| a.name.cmp(&b.name));
        for index in 0..2 {
            let place = &group.places[index];
            let tls = Authority::new().provide(place.dir.path(), host(&place.name));
            let tls = (index == secured).then_some(tls);
            group.places[index].node = Some(start(group.settings(index), tls).await.unwrap());
        }
        waits_because(&group, 0, text).await;
    }
}

/// Two nodes, of which one shows what `files` makes; what each says about the other.
async fn meeting(authority: &Authority, files: impl FnOnce(&Path, &str) -> TlsSettings, text: &str) {
    let mut group = Group::of(2);
    // The first by name asks; it has the good files.
    group.places.sort_by(|a, b| a.name.cmp(&b.name));
    let good = authority.provide(group.places[0].dir.path(), host(&group.places[0].name));
    let odd = files(group.places[1].dir.path(), host(&group.places[1].name));
    group.places[0].node = Some(start(group.settings(0), Some(good)).await.unwrap());
    group.places[1].node = Some(start(group.settings(1), Some(odd)).await.unwrap());
    waits_because(&group, 0, text).await;
    assert!(group.places.iter().all(|place| !place.node.as_ref().unwrap().health().healthy));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_authority_is_refused() {
    let foreign = |dir: &Path, host: &str| Authority::new().provide(dir, host);
    meeting(&Authority::new(), foreign, "its certificate is not of the authority in RaftTLSCAFile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_node_is_refused_by_who_dials() {
    let authority = Authority::new();
    let mut group = Group::of(2);
    group.places.sort_by(|a, b| a.name.cmp(&b.name));
    let good = authority.provide(group.places[0].dir.path(), host(&group.places[0].name));
    // Another node answers under the name: it listens there and calls itself otherwise.
    let impostor = free_address();
    let odd = authority.provide(group.places[1].dir.path(), host(&impostor));
    let mut settings = group.settings(1);
    (settings.advertise, settings.nodes) = (impostor.clone(), vec![group.places[0].name.clone(), impostor]);
    group.places[0].node = Some(start(group.settings(0), Some(good)).await.unwrap());
    group.places[1].node = Some(start(settings, Some(odd)).await.unwrap());
    let expected = format!("its certificate does not name {}", host(&group.places[1].name));
    waits_because(&group, 0, &expected).await;
}

/// The raw side of a peer: whatever certificate, whatever it says.
async fn dial(address: &str, files: &(String, String), authority: &Authority) -> TlsStream<TcpStream> {
    let (chain, key) = pair(files);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let host = ServerName::try_from(host(address).to_owned()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(host, stream).await.unwrap()
}

fn pair((certificate, key): &(String, String)) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    (chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
}

/// What comes back on a connection after a greeting in the name of `name`.
async fn hello(stream: impl AsyncRead + AsyncWrite + Unpin, name: &str) -> std::io::Result<String> {
    greet(stream, name, "Probe", json!({ "v": 1, "kind": "Hello" })).await
}

async fn greet(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    name: &str,
    purpose: &str,
    header: Value,
) -> std::io::Result<String> {
    let report = json!({
        "name": name, "info": { "raft_addr": name, "http_uri": "", "hostname": "" }, "cluster": null,
        "node_id": null, "epoch": 0, "nodes": [], "vote": null, "last_log": null,
    });
    let header = serde_json::to_vec(&header).unwrap();
    let body = serde_json::to_vec(&json!({ "purpose": purpose, "report": report })).unwrap();
    stream.write_all(b"ORCHRAFT\x00\x01").await?;
    stream.write_u32((2 + header.len() + body.len()) as u32).await?;
    stream.write_u16(header.len() as u16).await?;
    stream.write_all(&header).await?;
    stream.write_all(&body).await?;
    stream.flush().await?;
    let exchange = async {
        let mut answer = vec![0; stream.read_u32().await? as usize];
        stream.read_exact(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    timeout(PATIENCE, exchange).await.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_peer_is_told_to_use_tls_and_is_never_left_hanging() {
    let group = secured(1, &Authority::new()).await;
    let stream = TcpStream::connect(&group.places[0].name).await.unwrap();
    let answer = hello(stream, "stranger:1").await.unwrap();
    assert!(answer.contains("takes raft connections with TLS only"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_the_certificate_of_one_node_cannot_be_another() {
    let authority = Authority::new();
    let group = secured(1, &authority).await;
    let files = authority.signed("127.9.9.9", |_| {});
    let address = &group.places[0].name;
    let honest = hello(dial(address, &files, &authority).await, "127.9.9.9:1").await.unwrap();
    assert!(honest.contains("Welcome"), "{honest}");
    let liar = hello(dial(address, &files, &authority).await, "127.9.9.8:1").await.unwrap();
    assert!(liar.contains("its certificate does not name 127.9.9.8"), "{liar}");
    let any = authority.signed("*.example.org", |_| {});
    let wild = hello(dial(address, &any, &authority).await, "node1.example.org:1").await.unwrap();
    let told = "names every host of example.org, not node1.example.org alone: have one signed that names \
                node1.example.org and has no wildcard";
    assert!(wild.contains(told), "{wild}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_cannot_speak_for_another_by_its_number() {
    let authority = Authority::new();
    let group = secured(3, &authority).await;
    group.everybody_healthy().await;
    let (me, other) = (group.node(0).health(), group.node(1).health().me.node_id);
    let header = json!({
        "v": 1, "kind": "Hello", "cluster": me.cluster_id, "from": other, "to": me.me.node_id,
    });
    let (address, files) = (&group.places[0].name, authority.signed("127.9.9.9", |_| {}));
    let stream = dial(address, &files, &authority).await;
    let refused = greet(stream, "127.9.9.9:1", "Member", header).await.unwrap();
    let expected = format!("node {other} is {}: its certificate does not name", group.places[1].name);
    assert!(refused.contains("Refused") && refused.contains(&expected), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_foreign_certificates_of_callers_are_refused_by_name_of_the_fault() {
    let (authority, other, namesake) = (Authority::new(), Authority::named("others"), Authority::new());
    let group = secured(1, &authority).await;
    let expired = authority.signed("127.9.9.9", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let cases = [
        (expired, "CertificateExpired"),
        (other.signed("127.9.9.9", |_| {}), "UnknownCA"),
        (namesake.signed("127.9.9.9", |_| {}), "DecryptError"),
    ];
    for (files, alert) in cases {
        let stream = dial(&group.places[0].name, &files, &authority).await;
        let refused = hello(stream, "127.9.9.9:1").await.unwrap_err();
        assert!(refused.to_string().contains(alert), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_of_a_peer_is_refused_with_the_reason() {
    let authority = Authority::new();
    let mut group = Group::of(2);
    group.places.sort_by(|a, b| a.name.cmp(&b.name));
    let expired = authority.signed(host(&group.places[1].name), |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let (chain, key) = pair(&expired);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind(&group.places[1].name).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            acceptor.accept(stream).await.expect_err("nobody believes it");
        }
    });
    let good = authority.provide(group.places[0].dir.path(), host(&group.places[0].name));
    group.places[0].node = Some(start(group.settings(0), Some(good)).await.unwrap());
    waits_because(&group, 0, "its certificate has expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_are_taken_over_without_a_restart_and_bad_ones_are_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut group = Group::of(2);
    group.places.sort_by(|a, b| a.name.cmp(&b.name));
    for (index, authority) in [&old, &new].into_iter().enumerate() {
        let tls = authority.provide(group.places[index].dir.path(), host(&group.places[index].name));
        group.places[index].node = Some(start(group.settings(index), Some(tls)).await.unwrap());
    }
    waits_because(&group, 0, "is not of the authority").await;
    new.provide(group.places[0].dir.path(), host(&group.places[0].name));
    group.node(0).reload_tls().await.unwrap();
    group.everybody_healthy().await;
    std::fs::write(group.places[0].dir.path().join("tls.crt"), "no certificate").unwrap();
    let error = group.node(0).reload_tls().await.unwrap_err();
    assert!(matches!(error, TlsError::File(FileError::Pem { key: "RaftTLSCertFile", .. })), "{error}");
    let files = new.signed("127.9.9.9", |_| {});
    let answer = hello(dial(&group.places[0].name, &files, &new).await, "127.9.9.9:1").await.unwrap();
    assert!(answer.contains("Welcome"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn held_connections_end_when_files_are_read_again() {
    let authority = Authority::new();
    let group = secured(1, &authority).await;
    let files = authority.signed("127.9.9.9", |_| {});
    let mut held = dial(&group.places[0].name, &files, &authority).await;
    let answer = hello(&mut held, "127.9.9.9:1").await.unwrap();
    assert!(answer.contains("Welcome"), "{answer}");
    group.node(0).reload_tls().await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, held.read_to_end(&mut rest)).await.expect("it ends");
    assert!(rest.is_empty(), "{ended:?} {rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_authority_was_removed_is_shut_out_without_a_restart() {
    let (kept, removed) = (Authority::named("kept"), Authority::named("removed"));
    let both = format!("{}{}", kept.pem, removed.pem);
    let mut group = Group::of(3);
    for index in 0..3 {
        let (dir, name) = (group.places[index].dir.path(), group.places[index].name.clone());
        let of = if index == 2 { &removed } else { &kept };
        let (certificate, key) = of.signed(host(&name), |_| {});
        let tls = write(dir, &certificate, &key, &both);
        group.places[index].node = Some(start(group.settings(index), Some(tls)).await.unwrap());
    }
    group.everybody_healthy().await;
    for index in 0..2 {
        std::fs::write(group.places[index].dir.path().join("ca.crt"), &kept.pem).unwrap();
        group.node(index).reload_tls().await.unwrap();
    }
    wait_health(group.node(2), "shut out", |health| !health.healthy).await;
    for index in 0..2 {
        wait_health(group.node(index), "goes on", |health| health.healthy).await;
    }
    // Both sides say why, and the rest goes on.
    let shut_out = |health: &orchestrator_raft::Health| {
        health.peers.iter().any(|peer| {
            peer.problem
                .as_deref()
                .is_some_and(|text| text.contains("is not of the authority in RaftTLSCAFile"))
        })
    };
    let leads = |&index: &usize| group.node(index).leadership().is_me;
    let leader = (0..2).find(leads).expect("one of the majority leads");
    wait_health(group.node(leader), "the leader says why", shut_out).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_peers_would_refuse_does_not_start_and_the_error_names_key_and_file() {
    let (authority, other, dir) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let group = Group::of(1);
    let host = host(&group.places[0].name);
    let good = authority.signed(host, |_| {});
    let expired = authority.signed(host, |params| params.not_after = date_time_ymd(2020, 1, 1));
    let server_only = authority
        .signed(host, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let elsewhere = authority.signed("127.9.9.9", |_| {});
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    let cases = [
        (
            &expired,
            &expired.1,
            &authority.pem,
            "RaftTLSCertFile \"{}/tls.crt\" expired at 2020-01-01T00:00:00Z",
        ),
        (&server_only, &server_only.1, &authority.pem, "the certificate must be good for clients"),
        (&good, &good.1, &other.pem, "the certificate is not of the authority in RaftTLSCAFile"),
        (&elsewhere, &elsewhere.1, &authority.pem, "the certificate does not name 127."),
        (&good, &expired.1, &authority.pem, "RaftTLSPrivateKeyFile \"{}/tls.key\" is not the key of"),
        (&good, &locked.to_owned(), &authority.pem, "RaftTLSPrivateKeyFile \"{}/tls.key\" is encrypted"),
        (&good, &good.1, &String::new(), "RaftTLSCAFile \"{}/ca.crt\" holds no certificate in PEM"),
    ];
    for ((certificate, _), key, authority, text) in cases {
        let tls = write(dir.path(), certificate, key, authority);
        let error = start(group.settings(0), Some(tls)).await.err().expect(text).to_string();
        assert!(error.contains(&text.replace("{}", &dir.path().display().to_string())), "{error}");
    }
    std::fs::remove_file(dir.path().join("tls.crt")).unwrap();
    let tls = TlsSettings {
        certificate: dir.path().join("tls.crt"),
        private_key: dir.path().join("tls.key"),
        authority: dir.path().join("ca.crt"),
    };
    let error = start(group.settings(0), Some(tls)).await.err().expect("no such file");
    assert!(error.to_string().starts_with("RaftTLSCertFile "), "{error}");
}
