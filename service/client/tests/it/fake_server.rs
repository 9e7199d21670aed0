//! An HTTP server on loopback with a fixed table of answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

/// Stops with the test that holds it.
pub(crate) struct FakeServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

type Answers = Arc<BTreeMap<String, (u16, String)>>;

impl FakeServer {
    /// Answers each path, given with its query, with a status and a body; any other with a 404 in plain text.
    pub(crate) async fn start(answers: &[(&str, u16, &str)]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answers)
    }

    pub(crate) fn on(listener: TcpListener, answers: &[(&str, u16, &str)]) -> Self {
        let answers: Answers = Arc::new(
            answers
                .iter()
                .map(|(path, code, body)| ((*path).to_owned(), (*code, (*body).to_owned())))
                .collect(),
        );
        let requests = Arc::default();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, answers, Arc::clone(&requests)));
        Self { address, requests, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|seen| seen.path).collect()
    }
}

async fn serve(listener: TcpListener, answers: Answers, requests: Arc<Mutex<Vec<Seen>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (answers, requests) = (Arc::clone(&answers), Arc::clone(&requests));
        let service = service_fn(move |request| {
            let response = answer(&request, &answers, &requests);
            async move { Ok::<_, Infallible>(response) }
        });
        connections.spawn(async move {
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    answers: &Answers,
    requests: &Mutex<Vec<Seen>>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query().unwrap().to_string();
    let headers = request.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let (code, body) = answers.get(&path).cloned().unwrap_or((404, "404 page not found\n".to_owned()));
    requests.lock().unwrap().push(Seen { path, headers });
    Response::builder().status(code).body(Full::new(body.into())).unwrap()
}

/// A port where nobody listens, and nobody else can while the socket is held.
pub(crate) fn refusing() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// A server that takes connections and never says a word.
pub(crate) async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Takes one connection, reads something from it and hangs up. Returns the listener, to see whether more come.
pub(crate) async fn hang_up_once(listener: TcpListener) -> io::Result<TcpListener> {
    let (stream, _) = listener.accept().await?;
    stream.readable().await?;
    Ok(listener)
}
