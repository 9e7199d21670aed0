//! Takes the state of a group that forms from its former.

use serde::{Deserialize, Serialize};
use tracing::info;

use super::incoming::Incoming;
use super::network::SnapshotBegin;
use super::server::{Answer, Problem, Server, read};
use super::session::Session;
use super::wire::{Frame, Kind};
use crate::member::PeerName;
use crate::state::{Part, SNAPSHOT_FORMAT, SnapshotFile};

/// Announces the state of a group that forms.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Founding {
    /// The group.
    pub(crate) cluster: String,
    /// Its former.
    pub(crate) by: PeerName,
    pub(crate) format: u32,
    pub(crate) bytes: u64,
    /// Of the content, hexadecimal.
    pub(crate) sha256: String,
}

/// Whether the former must send what it announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wanted {
    /// This node's state is another one.
    Send,
    /// This node has the same already.
    Same,
}

impl Founding {
    pub(crate) fn of(cluster: &str, by: &PeerName, file: &SnapshotFile) -> Self {
        let (cluster, by) = (cluster.to_owned(), by.clone());
        Self { cluster, by, format: SNAPSHOT_FORMAT, bytes: file.bytes, sha256: file.sha256.clone() }
    }
}

impl Server {
    pub(super) async fn founding(&self, session: &mut Session, frame: Frame) -> Answer {
        let failed = |error: std::io::Error| Problem::Failed(error.to_string());
        let current = session.incoming.take();
        if frame.header.kind == Kind::Founding {
            return self.announced(session, read(&frame.body)?).await;
        }
        let current = current.ok_or_else(|| Problem::Failed("no state was announced".into()))?;
        self.check_unbound(None)?;
        let work = &self.local.work;
        if frame.header.kind == Kind::SnapshotChunk {
            session.incoming = Some(work.blocking(move || current.chunk(&frame.body)).await.map_err(failed)?);
            return Ok(Vec::new());
        }
        let (_, file) = work.blocking(move || current.finish()).await.map_err(failed)?;
        let (bytes, part) = (file.bytes, Part(file));
        self.founding.check(&part.0).await.map_err(|error| Problem::Refused(error.to_string()))?;
        self.founding.install(part).await.map_err(failed)?;
        info!(node = self.local.name(), bytes, "took over the state of the node that forms the group");
        Ok(Vec::new())
    }

    async fn announced(&self, session: &mut Session, founding: Founding) -> Answer {
        let failed = |error: std::io::Error| Problem::Failed(error.to_string());
        if session.proven.as_ref().is_some_and(|name| *name != founding.by) {
            return Err(Problem::Refused(format!("its certificate is not that of {}", founding.by)));
        }
        self.check_unbound(Some(&founding.cluster))?;
        let own = self.founding.write().await.map_err(failed)?;
        let same = (own.0.bytes, &own.0.sha256) == (founding.bytes, &founding.sha256);
        drop(own);
        if !same {
            let Founding { format, bytes, sha256, .. } = founding;
            let begin = SnapshotBegin::outside_a_log(format, bytes, sha256);
            let dir = self.founding.dir();
            let incoming = self.local.work.blocking(move || Incoming::begin(&dir, begin)).await;
            session.incoming = Some(incoming.map_err(failed)?);
        }
        super::server::reply(Ok::<_, std::io::Error>(if same { Wanted::Same } else { Wanted::Send }))
    }

    /// A node that may have voted has a state that a log led to; nobody replaces that.
    fn check_unbound(&self, cluster: Option<&str>) -> Result<(), Problem> {
        let identity =
            self.local.identity().filter(|identity| identity.epoch == 0 && identity.joins.is_none());
        let assigned = identity.filter(|identity| cluster.is_none_or(|wanted| identity.cluster_id == wanted));
        assigned
            .map(drop)
            .ok_or_else(|| Problem::Failed("it was not assigned to that group, or is in it".into()))
    }
}
