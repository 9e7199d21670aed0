//! One HTTP connection that is kept.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A connection to `authority`; dropping it closes it.
pub(crate) struct Line {
    authority: String,
    sender: SendRequest<Empty<Bytes>>,
    /// Drives the connection for as long as the line lives.
    _driver: JoinSet<()>,
}

impl Line {
    /// Connects. The caller sets the deadline.
    pub(crate) async fn to(authority: &str) -> Result<Self> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        // How it ended is what the next request hears.
        driver.spawn(async move { drop(connection.await) });
        Ok(Self { authority: authority.to_owned(), sender, _driver: driver })
    }

    /// `GET path`: status and body. After an error the line is of no more use.
    pub(crate) async fn get(&mut self, path: &str) -> Result<(u16, Bytes)> {
        self.sender.ready().await?;
        let request =
            http::Request::get(path).header("host", self.authority.as_str()).body(Empty::<Bytes>::new())?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
