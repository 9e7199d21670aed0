//! One side of a simulated connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::net::Net;
use super::pipe::{End, Found, Pipe};

/// Reads from one pipe and writes to the other. Dropping it closes what it writes.
#[derive(Debug)]
pub(crate) struct Stream {
    net: Net,
    reads: Pipe,
    writes: Pipe,
    /// Until what is under way arrives.
    due: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(crate) fn new(net: Net, reads: Pipe, writes: Pipe) -> Self {
        Self { net, reads, writes, due: None }
    }

    /// A dead process neither reads nor writes, nor hears that it cannot.
    fn is_dead(&self) -> bool {
        self.writes.ends.sender.is_over()
    }

    fn is_broken(&self) -> bool {
        self.reads.is_reset()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.is_dead() {
                return Poll::Pending;
            }
            match self.reads.read(into, context.waker()) {
                Found::Bytes | Found::End(End::Closed) => return Poll::Ready(Ok(())),
                Found::End(End::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Found::Nothing => return Poll::Pending,
                Found::Due(at) => {
                    let due = self.due.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
                    if due.deadline() != at {
                        due.as_mut().reset(at);
                    }
                    if due.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_dead() {
            return Poll::Pending;
        }
        if self.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let due = self.net.due(self.writes.ends.from, self.writes.ends.to);
        self.writes.send(bytes, due);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_dead() {
            return;
        }
        let due = self.net.due(self.writes.ends.from, self.writes.ends.to);
        self.writes.finish(End::Closed, due);
    }
}
