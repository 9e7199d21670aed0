//! Gives the former's state to the nodes that form a group with it.
//!
//! Nodes may bring states of their own, adopted databases for example. The log begins behind them, so what differs
//! then would differ for ever.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;

use futures::future::join_all;

use super::{ANSWER_LIMIT, Formation};
use crate::identity::Identity;
use crate::member::PeerName;
use crate::state::{Part, SnapshotFile};
use crate::transport::{
    CHUNK_BYTES, CHUNK_LIMIT, Founding, INSTALL_LIMIT, Kind, LinkError, Probed, Wanted, decode, encode,
};

/// Whoever takes a state over may be long silent, and is asked so often whether it is still there: a machine that lost its
/// power breaks no connection.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

impl Formation {
    /// Has everybody begin with the state of this node; why not, for each that does not.
    pub(super) async fn share_state(
        &self,
        identity: &Identity,
        others: &mut [(PeerName, Probed)],
    ) -> io::Result<Vec<String>> {
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let state = self.founding.write().await?;
        let founding = Founding::of(&identity.cluster_id, &self.local.settings.name, &state.0);
        let founding = encode(&founding)?;
        // One that may have voted in this group took its state before.
        let unbound = others.iter_mut().filter(|(_, probed)| probed.report.epoch == 0);
        let sent = unbound.map(|(name, probed)| {
            let (founding, file) = (&founding, &state.0);
            async move {
                let given = tokio::select! {
                    biased;
                    given = self.give(probed, founding, file) => given,
                    error = self.loss_of(name) => Err(error),
                };
                given.map_err(|error| format!("{name}: {error}"))
            }
        });
        let refused = join_all(sent).await.into_iter().filter_map(Result::err).collect();
        drop::<Part>(state);
        Ok(refused)
    }

    /// Resolves once nobody answers under `name` any more.
    async fn loss_of(&self, name: &PeerName) -> LinkError {
        loop {
            tokio::time::sleep(LOOK_PAUSE).await;
            if let Err(error) = self.links.probe(name.as_str(), ANSWER_LIMIT).await {
                return error;
            }
        }
    }

    async fn give(&self, probed: &mut Probed, founding: &[u8], file: &SnapshotFile) -> Result<(), LinkError> {
        let failed = |error: io::Error| LinkError::Failed(error.to_string());
        let wanted = call(probed, Kind::Founding, founding, INSTALL_LIMIT).await?;
        if decode::<Wanted>(&wanted).map_err(failed)? == Wanted::Same {
            return Ok(());
        }
        let path = file.path.clone();
        let mut at = 0;
        while at < file.bytes {
            let path = path.clone();
            let chunk = self.local.work.blocking(move || read_chunk(&path, at)).await.map_err(failed)?;
            at += chunk.len() as u64;
            call(probed, Kind::SnapshotChunk, &chunk, CHUNK_LIMIT).await?;
        }
        call(probed, Kind::SnapshotEnd, &[], INSTALL_LIMIT).await.map(drop)
    }
}

/// The chunk that begins at a byte.
fn read_chunk(path: &std::path::Path, at: u64) -> io::Result<Vec<u8>> {
    use std::io::Seek as _;
    let mut file = File::open(path)?;
    file.seek(io::SeekFrom::Start(at))?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    file.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    if chunk.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(chunk) }
}

async fn call(probed: &mut Probed, kind: Kind, body: &[u8], limit: Duration) -> Result<Vec<u8>, LinkError> {
    let answer = probed.call(kind, body, limit).await?;
    match answer.header.kind {
        Kind::Reply => Ok(answer.body),
        _ => Err(LinkError::Failed(String::from_utf8_lossy(&answer.body).into_owned())),
    }
}
