//! Over real sockets: old clients, slow ones, the end.

use std::{net::SocketAddr, path::Path};

use orchestrator_http::{BindError, Listen, Server, Settings};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::fake::{FakeNode, World};

/// A server over a fake node.
pub(crate) struct Running {
    pub(crate) world: World,
    address: Option<SocketAddr>,
    pub(crate) probes: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    pub(crate) async fn start(listen: Listen) -> Self {
        Self::with(Settings { listen, ..Settings::default() }).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let world = World::with(FakeNode::default(), settings);
        let server = Server::bind(world.api.clone()).await.unwrap();
        let (address, probes, stop) = (server.local_addr(), server.probe_addr(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(stop.clone()));
        Self { world, address, probes, stop, tasks }
    }

    pub(crate) async fn tcp() -> Self {
        Self::start(Listen::Tcp("127.0.0.1:0".into())).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.address.unwrap())
    }

    /// Sends text and reads until the other side closes.
    pub(crate) async fn send(&self, text: &str) -> String {
        converse(TcpStream::connect(self.address.unwrap()).await.unwrap(), text).await
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

pub(crate) async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn http_1_0_without_host_is_answered() {
    let server = Running::tcp().await;
    let answer = server.send("GET /api/leader-check HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n\"OK\""), "{answer}");
}

#[tokio::test]
async fn head_has_the_headers_and_no_body() {
    let server = Running::tcp().await;
    let answer = server.send("HEAD /api/lb-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.to_lowercase().contains("content-length: 4\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Running::tcp().await;
    let one = "GET /api/lb-check HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /api/nosuch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = server.send(&format!("{one}{one}{last}")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 404 Not Found").count(), 1, "{answers}");
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Running::tcp().await;
    let answer = server.send("\x16\x03\x01 hello\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = server.send(&format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000))).await;
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
}

#[tokio::test]
async fn a_unix_socket_serves_and_replaces_a_stale_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    drop(UnixListener::bind(&path).unwrap());
    let server = Running::start(Listen::Unix(path.clone())).await;
    let stream = UnixStream::connect(&path).await.unwrap();
    let answer = converse(stream, "GET /api/lb-check HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\"OK\""), "{answer}");
    server.stop().await;
    assert!(!path.exists());
}

async fn bind_error(listen: Listen) -> BindError {
    let world = World::with(FakeNode::default(), Settings { listen, ..Settings::default() });
    match Server::bind(world.api).await {
        Ok(_) => panic!("bound"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_port_or_socket_in_use_is_named() {
    let server = Running::tcp().await;
    let address = server.address.unwrap().to_string();
    let error = bind_error(Listen::Tcp(address.clone())).await;
    assert_eq!(error.to_string(), format!("listen address {address:?} cannot be used"));
    for address in ["nonsense", "127.0.0.1:99999", "256.0.0.1:1"] {
        assert!(matches!(bind_error(Listen::Tcp(address.into())).await, BindError::Address { .. }));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let _owner = UnixListener::bind(&path).unwrap();
    assert!(matches!(bind_error(Listen::Unix(path)).await, BindError::Socket { .. }));
    let file = folder.path().join("precious");
    std::fs::write(&file, "data").unwrap();
    assert!(matches!(bind_error(Listen::Unix(file.clone())).await, BindError::Socket { .. }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
    let missing = Path::new("/nonexistent/api.sock").to_owned();
    assert!(matches!(bind_error(Listen::Unix(missing)).await, BindError::Socket { .. }));
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_the_listener() {
    let server = Running::tcp().await;
    let address = server.address.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    // Answered once, so that the server knows of it.
    idle.write_all(b"GET /api/lb-check HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    server.stop().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_its_headers_is_dropped() {
    let server = Running::tcp().await;
    let answer = server.send("GET /api/lb-check HTTP/1.1\r\nHost:").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
