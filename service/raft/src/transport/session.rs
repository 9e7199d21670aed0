//! One admitted connection, and the memory that its requests may take.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::IDLE_LIMIT;
use super::dial::ByteStream;
use super::incoming::Incoming;
use super::tls::Vintage;
use super::wire::{self, Frame, MAX_FRAME};
use crate::member::{Member, PeerName};

/// A frame of at most this size costs no more than its connection; chunks of raft snapshots fit.
const SMALL_FRAME: usize = 1024 * 1024;
/// Larger ones that are read and carried out at once: each may take 33 MB, and more once it is understood.
const LARGE_FRAMES: usize = 2;
/// A large frame waits so long for others to be done with.
const ROOM_LIMIT: Duration = Duration::from_secs(5);

/// Room for large frames, of all connections together.
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_FRAMES)))
    }
}

impl Room {
    /// What a frame of `bytes` takes up until it is dropped; nothing for a small one.
    async fn take(&self, bytes: usize) -> io::Result<Option<OwnedSemaphorePermit>> {
        if bytes <= SMALL_FRAME {
            return Ok(None);
        }
        let free = async { self.0.clone().acquire_owned().await.map_err(io::Error::other) };
        wire::in_time(ROOM_LIMIT, free).await.map(Some)
    }
}

/// One admitted connection.
pub(super) struct Session {
    /// `None`: a stranger's.
    pub(super) peer: Option<Member>,
    /// What it calls itself.
    pub(super) name: PeerName,
    /// The name that its certificate proved; `None` without TLS, where a name is a claim.
    pub(super) proven: Option<PeerName>,
    /// The files that proved it; `None` without TLS.
    pub(super) vintage: Option<Vintage>,
    pub(super) incoming: Option<Incoming>,
}

impl Session {
    /// The next request and the room that it takes up; `None` when there is none any more, or the peer must prove anew
    /// who it is.
    pub(super) async fn next(
        &mut self,
        stream: &mut Box<dyn ByteStream>,
        room: &Room,
    ) -> Option<(Frame, Option<OwnedSemaphorePermit>)> {
        let Self { vintage, peer, .. } = self;
        let outdated = async {
            match vintage {
                Some(vintage) => vintage.passes().await,
                None => std::future::pending().await,
            }
        };
        // A stranger has nothing large to say.
        let limit = if peer.is_some() { MAX_FRAME } else { SMALL_FRAME };
        let frame = async {
            let bytes = wire::read_length(stream, limit, IDLE_LIMIT).await?;
            let room = room.take(bytes).await?;
            Ok::<_, io::Error>((wire::read_body(stream, bytes).await?, room))
        };
        tokio::select! {
            biased;
            () = outdated => None,
            frame = frame => frame.ok(),
        }
    }
}
