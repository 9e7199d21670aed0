//! Over real sockets: old clients, limits, the end.

use std::{net::SocketAddr, path::Path, time::Duration};

use orchestrator_http::{BindError, Listen, Server, Settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::fake::{FakeNode, World};

/// A server that is stopped at the end of a test.
pub(crate) struct Running {
    pub(crate) world: World,
    pub(crate) address: Option<SocketAddr>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(listen: Listen) -> Self {
        Self::with(World::with(FakeNode::default(), Settings { listen, ..Settings::default() })).await
    }

    async fn with(world: World) -> Self {
        let server = Server::bind(world.api.clone()).await.unwrap();
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(server.run(stop.clone()));
        let task = tokio::task::LocalSet::new();
        drop(task);
        let runtime = tokio::runtime::Handle::current();
        let task = runtime.spawn(async move { tasks.join_all().await }.map_to_unit());
        Self { world, address, stop, task }
    }

    pub(crate) async fn tcp() -> Self {
        Self::start(Listen::Tcp("127.0.0.1:0".into())).await
    }

    /// Sends bytes and reads until the other side closes.
    pub(crate) async fn send(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address.unwrap()).await.unwrap();
        converse(&mut stream, text).await
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
