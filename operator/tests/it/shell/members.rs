//! Calls of members: by address, believed by name, let in by token.

use std::{net::SocketAddr, sync::Arc};

use orchestrator_operator::{
    plan::Change,
    shell::members::{CallError, Door, Place, client_config},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Answers one request, and tells it as it came.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: &str, body: &str) -> String {
    let mut heard = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).await.unwrap_or(0);
        heard.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&heard);
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let (_, rest) = text.split_once("\r\n\r\n").unwrap_or_default();
        if read == 0 || (text.contains("\r\n\r\n") && rest.len() >= length.unwrap_or(0)) {
            break;
        }
    }
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
    String::from_utf8(heard).expect("it is text")
}

async fn plain(status: &'static str, body: &'static str) -> (SocketAddr, impl Future<Output = String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let heard = async move {
        let (stream, _) = listener.accept().await.expect("somebody comes");
        answer(stream, status, body).await
    };
    (address, heard)
}

fn door(address: SocketAddr, tls: bool) -> Door {
    let place = Place::of_pod(address.ip(), address.port(), "m-0.m-raft.a.svc", tls, "/orc");
    Door { place, tls: None, token: Some("secret".into()) }
}

#[tokio::test]
async fn a_status_is_asked_with_the_token_below_the_prefix() {
    let (address, heard) = plain("200 OK", r#"{"RaftAdvertise":"m-0:1","Term":7,"RaftBind":"","State":"Leader","Healthy":true,"IsPartOfQuorum":true,"Leader":"","LeaderURI":"","Peers":[]}"#).await;
    let door = door(address, false);
    let (status, heard) = tokio::join!(door.status(), heard);
    let status = status.expect("it answers");
    assert_eq!((status.term, status.status.raft_advertise.as_str()), (7, "m-0:1"));
    let heard = heard.to_lowercase();
    assert!(heard.starts_with("post /orc/api/operator/status http/1.1\r\n"), "{heard}");
    assert!(
        heard.contains("authorization: bearer secret\r\n") && heard.contains("host: m-0.m-raft.a.svc\r\n"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_change_carries_what_it_was_decided_upon() {
    let (address, heard) = plain("409 Conflict", r#"{"Code":"ERROR","Message":"the members changed"}"#).await;
    let (door, change) = (door(address, false), Change::Voters(vec![1, 2]));
    let (changed, heard) = tokio::join!(door.change(&change, 7, "g"), heard);
    assert_eq!(changed.expect_err("it is refused").to_string(), "409: the members changed");
    let (_, body) = heard.split_once("\r\n\r\n").expect("it has a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("it is JSON");
    let expected = serde_json::json!({ "Op": "Change", "Voters": [1, 2], "ExpectMembershipLogIndex": 7, "ClusterID": "g" });
    assert_eq!(body, expected);
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let error = door(address, false).status().await.expect_err("nobody answers");
    assert!(matches!(error, CallError::Late(limit) if limit.as_secs() == 2), "{error}");
}

/// An authority, and a certificate of it for `name`.
fn certificates(name: &str) -> (String, Arc<ServerConfig>) {
    let ca_key = KeyPair::generate().expect("keys can be made");
    let mut ca = CertificateParams::new(Vec::new()).expect("it is fine");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = ca.self_signed(&ca_key).expect("it is signed");
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("keys can be made");
    let own = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
    let certificate = own.signed_by(&key, &issuer).expect("it is signed");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("they fit");
    (authority.pem(), Arc::new(config))
}

async fn called_by_tls(certified: &str, trusted: Option<&str>) -> Result<u64, CallError> {
    let (authority, config) = certificates(certified);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let server = async move {
        let (stream, _) = listener.accept().await.expect("somebody comes");
        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
            answer(stream, "200 OK", r#"{"RaftBind":"","RaftAdvertise":"","State":"","Healthy":false,"IsPartOfQuorum":false,"Leader":"","LeaderURI":"","Peers":[],"Term":3}"#).await;
        }
    };
    let tls = client_config(trusted.unwrap_or(&authority).as_bytes()).expect("it is an authority");
    let door = Door { tls: Some(tls), ..door(address, true) };
    let (status, ()) = tokio::join!(door.status(), server);
    status.map(|status| status.term)
}

#[tokio::test]
async fn a_member_is_believed_by_its_name_whatever_its_address() {
    assert_eq!(called_by_tls("*.m-raft.a.svc", None).await.expect("it is good for the name"), 3);
    let other_name = called_by_tls("*.other-raft.a.svc", None).await.expect_err("it is of another group");
    assert!(matches!(other_name, CallError::Tls(_)), "{}", other_name.told());
    let (stranger, _) = certificates("x");
    let other_authority =
        called_by_tls("*.m-raft.a.svc", Some(&stranger)).await.expect_err("nobody knows it");
    assert!(matches!(other_authority, CallError::Tls(_)), "{}", other_authority.told());
}
