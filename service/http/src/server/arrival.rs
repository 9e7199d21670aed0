//! From a new connection to one that HTTP is spoken on: the first byte, the handshake.

use std::{io, sync::Arc, time::Duration};

use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    origin::Channel,
    tls::{self, Acceptor},
};

/// A client that does not say anything within this is dropped: as long as for its headers.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// A handshake takes two round trips and a millisecond of CPU, some more when many wait.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Handshakes at once: a millisecond of CPU each, so that all of them end in time on one core. More wait, in
/// the time that they have.
pub(super) const HANDSHAKES_MAX: usize = 256;

/// A record of TLS that begins a handshake; no request begins with it.
const HANDSHAKE_RECORD: u8 = 0x16;

/// What a connection turned out to be.
pub(super) enum Arrived {
    /// Plain, where plain is spoken.
    Plain(TcpStream),
    /// TLS, where TLS is spoken; by which generation of certificates.
    Tls(Box<TlsStream<TcpStream>>, Channel, u64),
    /// Plain, where TLS is spoken: told so by HTTP.
    PlainAtTls(TcpStream),
    /// TLS, where plain is spoken: answered as any nonsense, which its client calls a wrong version.
    TlsAtPlain(TcpStream),
    /// Nobody, or nothing in time.
    Nothing,
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The client stalls, or too many others came before it.
    #[error("handshake took longer than {HANDSHAKE_TIMEOUT:?}")]
    TooSlow,
    /// The certificate, the protocol or the network.
    #[error("handshake failed")]
    Failed(#[from] io::Error),
}

/// Finds out what a connection is. `acceptor`: how TLS is spoken here; `None` = plain.
pub(super) async fn meet(
    stream: TcpStream,
    acceptor: Option<Acceptor>,
    handshakes: &Semaphore,
) -> Result<Arrived, HandshakeError> {
    let first = match tokio::time::timeout(FIRST_BYTE_TIMEOUT, first_byte(&stream)).await {
        Ok(Ok(Some(first))) => first,
        // Gone or silent: a port scan, a client's spare connection.
        _ => return Ok(Arrived::Nothing),
    };
    match (acceptor, first == HANDSHAKE_RECORD) {
        (None, false) => Ok(Arrived::Plain(stream)),
        (None, true) => Ok(Arrived::TlsAtPlain(stream)),
        (Some(_), false) => Ok(Arrived::PlainAtTls(stream)),
        (Some(acceptor), true) => {
            let handshake = Box::pin(shake_hands(stream, acceptor, handshakes));
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
            Ok(shaken.map_err(|_| HandshakeError::TooSlow)??)
        }
    }
}

/// Looks at the first byte and leaves it there; `None` = the client closed.
async fn first_byte(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((stream.peek(&mut byte).await? == 1).then_some(byte[0]))
}

async fn shake_hands(stream: TcpStream, acceptor: Acceptor, limit: &Semaphore) -> io::Result<Arrived> {
    let _one = limit.acquire().await.map_err(io::Error::other)?;
    let stream = TlsAcceptor::from(acceptor.config).accept(stream).await?;
    let (_, connection) = stream.get_ref();
    let own = connection.peer_certificates().and_then(<[_]>::first);
    let units: Arc<[String]> = own.map(tls::units).unwrap_or_default().into();
    Ok(Arrived::Tls(Box::new(stream), Channel::Tls { units }, acceptor.generation))
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    fn acceptor() -> Acceptor {
        let made = generate_simple_self_signed(vec!["orc-0".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Acceptor { config: Arc::new(config), generation: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_waits_for_its_turn_no_longer_than_it_may_take() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(&[HANDSHAKE_RECORD]).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let begun = tokio::time::Instant::now();
        let met = meet(stream, Some(acceptor()), &Semaphore::new(0)).await;
        assert!(matches!(met, Err(HandshakeError::TooSlow)));
        assert!(begun.elapsed() >= HANDSHAKE_TIMEOUT);
    }
}
