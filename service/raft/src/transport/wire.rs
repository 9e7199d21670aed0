//! The bytes between nodes.
//!
//! A connection begins with a preamble (magic and protocol version), then carries frames: a length, the
//! length of the header, the header in JSON, the body. Each header names the group, the sender and the
//! node that it is meant for, so that a stale name that leads to another node can do no harm.

use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::MAX_COMMAND_BYTES;
use crate::member::{MemberInfo, NodeId, PeerName};
use crate::types::{LogId, Vote};

/// The version of everything in this module. Nodes of different versions refuse each other.
pub(crate) const PROTOCOL: u16 = 1;
const MAGIC: &[u8; 8] = b"ORCHRAFT";
/// The most log entries in one message; with the limit of a command it bounds a frame.
pub(crate) const MAX_ENTRIES: usize = 32;
const MAX_HEADER: usize = 4 * 1024;
/// 32 of the largest commands, and room for what surrounds them.
pub(crate) const MAX_FRAME: usize = (MAX_ENTRIES + 1) * MAX_COMMAND_BYTES;
/// Before a peer said who it is, it gets no more memory than this.
pub(crate) const MAX_HELLO: usize = 64 * 1024;
/// The rest of a frame follows its first byte within this time, also on a slow link.
const FRAME_LIMIT: Duration = Duration::from_secs(10);
/// A buffer grows from here with what really arrives, not with what was announced.
const FIRST_BUFFER: usize = 64 * 1024;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// First frame of the connecting side: [`Hello`].
    Hello,
    /// Its answer: [`NodeReport`].
    Welcome,
    /// Not with us, and why: text. The connection ends.
    Refused,
    /// Takes part in a new group: [`Assign`].
    Assign,
    /// The state that a new group begins with: [`super::Founding`]. [`Wanted`](super::Wanted) is the answer.
    Founding,
    AppendEntries,
    Vote,
    PreVote,
    TransferLeader,
    SnapshotBegin,
    SnapshotChunk,
    SnapshotEnd,
    /// A question for the application: opaque.
    Ask,
    /// What both know of the group: [`NodeReport`] in both directions.
    Report,
    /// The answer to any of these.
    Reply,
    /// The peer tried and failed: text. The connection goes on.
    Failed,
}

/// On every frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(rename = "v")]
    pub(crate) version: u16,
    /// The group, empty while there is none. An answer leaves out what its question said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) cluster: String,
    /// The epoch of the group; most have never left the first.
    #[serde(default = "first_epoch", skip_serializing_if = "is_first_epoch")]
    pub(crate) epoch: u64,
    #[serde(default, skip_serializing_if = "is_nobody")]
    pub(crate) from: NodeId,
    /// Who it is meant for, 0 while numbers are not known.
    #[serde(default, skip_serializing_if = "is_nobody")]
    pub(crate) to: NodeId,
    pub(crate) kind: Kind,
    /// From a leader: for how many milliseconds no quorum has acknowledged it; 0 below `election_min`.
    #[serde(rename = "unheard", default, skip_serializing_if = "is_nothing")]
    pub(crate) unheard_ms: u64,
}

/// The epoch of a group that was never forced.
pub(super) const FIRST_EPOCH: u64 = 1;

fn first_epoch() -> u64 {
    FIRST_EPOCH
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_first_epoch(epoch: &u64) -> bool {
    *epoch == FIRST_EPOCH
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_nobody(node_id: &NodeId) -> bool {
    *node_id == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_nothing(count: &u64) -> bool {
    *count == 0
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
}

/// Why somebody connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// To find out what the other is; allowed to anybody.
    Probe,
    /// As a member of the group.
    Member,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) purpose: Purpose,
    pub(crate) report: NodeReport,
}

/// What a node says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeReport {
    pub(crate) name: PeerName,
    pub(crate) info: MemberInfo,
    /// The group it belongs to and its number, once assigned.
    pub(crate) cluster: Option<String>,
    pub(crate) node_id: Option<NodeId>,
    /// 0: has never voted. Then the epoch of its group.
    pub(crate) epoch: u64,
    /// Its `RaftNodes`, sorted.
    pub(crate) nodes: Vec<PeerName>,
    /// What it has on disk.
    pub(crate) vote: Option<Vote>,
    pub(crate) last_log: Option<LogId>,
    /// The committed members, as far as it knows them.
    pub(crate) members: Option<Members>,
}

impl NodeReport {
    /// Whether it has never voted, and may get a number.
    pub(crate) fn is_empty(&self) -> bool {
        self.epoch == 0
    }
}

/// Voters and learners as of one entry of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Members {
    pub(crate) index: u64,
    pub(crate) ids: Vec<NodeId>,
}

/// From the node that forms a group to each other one, and from a leader to a node that joins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assign {
    pub(crate) cluster: String,
    pub(crate) node_id: NodeId,
    pub(crate) by: PeerName,
    pub(crate) nodes: Vec<PeerName>,
    /// The epoch of the running group to join; `None` while the group forms.
    #[serde(default)]
    pub(crate) joins: Option<u64>,
}

/// The preamble of the connecting side.
pub(crate) fn preamble() -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..].copy_from_slice(&PROTOCOL.to_be_bytes());
    bytes
}

/// As many bytes as tell a peer from everybody else.
pub(crate) type Beginning = [u8; 8];

/// What a connection turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    Raft,
    Tls,
    Foreign,
}

pub(crate) fn spoken(beginning: &Beginning) -> Spoken {
    match beginning {
        MAGIC => Spoken::Raft,
        // A record of a handshake, of any version of TLS.
        [0x16, 0x03, ..] => Spoken::Tls,
        _ => Spoken::Foreign,
    }
}

/// Reads what a connection begins with.
pub(crate) async fn read_beginning(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Beginning> {
    let mut beginning = Beginning::default();
    stream.read_exact(&mut beginning).await?;
    Ok(beginning)
}

/// Reads a preamble and answers the peer's protocol version.
///
/// An error of kind `InvalidData` says what came instead.
pub(crate) async fn read_preamble(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<u16> {
    let beginning = read_beginning(stream).await?;
    if spoken(&beginning) != Spoken::Raft {
        return Err(not_a_peer(&beginning));
    }
    stream.read_u16().await
}

/// Says what came instead of a peer.
pub(crate) fn not_a_peer(beginning: &[u8]) -> io::Error {
    let what = match beginning {
        [0x16, 0x03, ..] => "a TLS handshake".to_owned(),
        [0x15, 0x03, ..] => "a TLS alert".to_owned(),
        other => format!("\"{}\"", other.escape_ascii()),
    };
    invalid(format!("not a raft peer: it began with {what}"))
}

/// Writes one frame and flushes.
pub(crate) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    header: &Header,
    body: &[u8],
) -> io::Result<()> {
    let header = encode(header)?;
    let total = 2 + header.len() + body.len();
    if total > MAX_FRAME {
        return Err(invalid(format!("frame of {total} bytes, the limit is {MAX_FRAME}")));
    }
    let mut bytes = Vec::with_capacity(4 + total);
    bytes.extend_from_slice(&u32::try_from(total).map_err(io::Error::other)?.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(header.len()).map_err(io::Error::other)?.to_be_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Reads one frame of at most `limit` bytes; waits at most `patience` for it to begin.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
    patience: Duration,
) -> io::Result<Frame> {
    let total = read_length(stream, limit, patience).await?;
    read_body(stream, total).await
}

/// Reads how many bytes the next frame has, at most `limit`; waits at most `patience` for it.
pub(crate) async fn read_length(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
    patience: Duration,
) -> io::Result<usize> {
    let total = in_time(patience, stream.read_u32()).await?;
    let (first, total) = (total.to_be_bytes(), total as usize);
    // No frame is so long that its length could be read as text, or as TLS.
    if first.iter().all(|byte| matches!(byte, b' '..=b'~')) || matches!(first, [0x15 | 0x16, 0x03, ..]) {
        return Err(not_a_peer(&first));
    }
    if total < 2 || total > limit {
        return Err(invalid(format!("frame of {total} bytes, the limit is {limit}")));
    }
    Ok(total)
}

/// Reads what follows the length of a frame.
pub(crate) async fn read_body(stream: &mut (impl AsyncRead + Unpin), total: usize) -> io::Result<Frame> {
    in_time(FRAME_LIMIT, read_rest(stream, total)).await
}

async fn read_rest(stream: &mut (impl AsyncRead + Unpin), total: usize) -> io::Result<Frame> {
    let header_len = usize::from(stream.read_u16().await?);
    let body_len = total - 2;
    if header_len > MAX_HEADER || header_len > body_len {
        return Err(invalid(format!("header of {header_len} bytes in a frame of {total}")));
    }
    let mut header = vec![0; header_len];
    stream.read_exact(&mut header).await?;
    let expected = body_len - header_len;
    let mut body = Vec::with_capacity(expected.min(FIRST_BUFFER));
    stream.take(expected as u64).read_to_end(&mut body).await?;
    if body.len() < expected {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Frame { header: decode(&header)?, body })
}

pub(crate) fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// `future`, or an error of kind `TimedOut` after `limit`.
pub(crate) async fn in_time<T>(
    limit: Duration,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::time::timeout(limit, future).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            version: PROTOCOL,
            cluster: "c".into(),
            epoch: 1,
            from: 1,
            to: 2,
            kind: Kind::Ask,
            unheard_ms: 0,
        }
    }

    #[tokio::test]
    async fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &header(), b"body").await.unwrap();
        let frame = read_frame(&mut bytes.as_slice(), 1000, FRAME_LIMIT).await.unwrap();
        assert_eq!((frame.header, frame.body.as_slice()), (header(), b"body".as_slice()));
    }

    #[tokio::test]
    async fn oversized_and_broken_frames_are_refused_without_memory() {
        let huge = u32::MAX.to_be_bytes();
        assert!(read_frame(&mut huge.as_slice(), MAX_FRAME, FRAME_LIMIT).await.is_err());
        let header_too_long = [0, 0, 0, 4, 0xff, 0xff, 1, 1];
        assert!(read_frame(&mut header_too_long.as_slice(), 100, FRAME_LIMIT).await.is_err());
        let mut cut = Vec::new();
        write_frame(&mut cut, &header(), b"body").await.unwrap();
        cut.truncate(cut.len() - 1);
        let error = read_frame(&mut cut.as_slice(), 1000, FRAME_LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn another_protocol_is_named_by_its_first_bytes() {
        let error = read_preamble(&mut b"GET / HTTP/1.1\r\n".as_slice()).await.unwrap_err();
        assert!(error.to_string().contains("GET / HT"), "{error}");
        assert_eq!(read_preamble(&mut preamble().as_slice()).await.unwrap(), PROTOCOL);
        for (answer, text) in [
            (&b"HTTP/1.1 400 Bad Request"[..], "not a raft peer: it began with \"HTTP\""),
            (b"\x15\x03\x03\x00\x02", "not a raft peer: it began with a TLS alert"),
            (b"\x16\x03\x01\x02\x00", "not a raft peer: it began with a TLS handshake"),
        ] {
            let error = read_frame(&mut &answer[..], MAX_FRAME, FRAME_LIMIT).await.unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
