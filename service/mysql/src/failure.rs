//! From the driver's errors to what they mean for the server behind them.
//!
//! The distinction that matters: an error that the server itself sent proves that it is alive.

use std::{io, panic::AssertUnwindSafe};

use futures::FutureExt as _;
use mysql_async::{DriverError, Error, IoError, ServerError};
use orchestrator_core::observation::{Failure, FailureKind};

/// `ER_SERVER_SHUTDOWN`: the last words of a server that stops now.
const SERVER_SHUTDOWN: u16 = 1053;
/// MariaDB `ER_CONNECTION_KILLED`.
const CONNECTION_KILLED: u16 = 1927;
/// MySQL `ER_CLIENT_INTERACTION_TIMEOUT`: this connection idled for too long.
const INTERACTION_TIMEOUT: u16 = 4031;

/// A failure of the given kind that happened before the server told who it is.
pub(crate) fn failure(kind: FailureKind, error: impl Into<String>) -> Failure {
    Failure { kind, error: error.into(), partial: false }
}

/// The driver indexes into packets without looking (an empty packet in answer to a statement suffices): its
/// panic is an answer that could not be read, not the end of anything else. Needs a build that unwinds.
pub(crate) async fn guarded<T>(driver: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match AssertUnwindSafe(driver).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(Error::Other("the driver could not read a packet".into())),
    }
}

/// What an error of the driver says about the server.
pub(crate) fn classify(error: &Error) -> Failure {
    let kind = match error {
        Error::Server(server) => of_server(server),
        Error::Io(IoError::Io(io)) => of_io(io),
        // Somebody answered in TLS or refused it: alive, though not to us.
        Error::Io(IoError::Tls(_)) => FailureKind::AnsweredError,
        Error::Driver(driver) => of_driver(driver),
        Error::Other(_) | Error::Url(_) => FailureKind::Nonsense,
    };
    let words = match error {
        Error::Server(ServerError { code, state, message }) => format!("{code} ({state}): {message}"),
        Error::Io(IoError::Io(io)) => io.to_string(),
        Error::Io(IoError::Tls(tls)) => tls.to_string(),
        Error::Driver(driver) => driver.to_string(),
        other => other.to_string(),
    };
    failure(kind, words)
}

fn of_server(error: &ServerError) -> FailureKind {
    match error.code {
        SERVER_SHUTDOWN | CONNECTION_KILLED | INTERACTION_TIMEOUT => FailureKind::Broken,
        _ => FailureKind::AnsweredError,
    }
}

fn of_driver(error: &DriverError) -> FailureKind {
    match error {
        DriverError::ConnectionClosed => FailureKind::Broken,
        // It speaks the protocol, but not a kind of login or encryption that we do.
        DriverError::UnknownAuthPlugin { .. }
        | DriverError::NoClientSslFlagFromServer
        | DriverError::CleartextPluginDisabled
        | DriverError::MysqlOldPasswordDisabled
        | DriverError::NoKeyFound => FailureKind::AnsweredError,
        _ => FailureKind::Nonsense,
    }
}

/// What the codec says when the stream ends inside a packet.
const CUT_INSIDE_A_PACKET: &str = "bytes remaining on stream";

/// What an error of the network says about the server.
pub(crate) fn of_io(error: &io::Error) -> FailureKind {
    use io::ErrorKind as Kind;
    match error.kind() {
        // A packet shorter than its own fields: read whole, so the network did its part. The end of the
        // stream has the same kind, but words of the driver's own.
        Kind::UnexpectedEof if error.get_ref().is_none() => FailureKind::Nonsense,
        Kind::Other if error.to_string() == CUT_INSIDE_A_PACKET => FailureKind::Broken,
        Kind::ConnectionRefused => FailureKind::Refused,
        Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable
        | Kind::PermissionDenied => FailureKind::Unreachable,
        Kind::TimedOut => FailureKind::ConnectTimeout,
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::UnexpectedEof
        | Kind::NotConnected => FailureKind::Broken,
        // The driver wraps packets that it cannot read in these.
        _ => FailureKind::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Error {
        Error::Server(ServerError { code, message: "words".into(), state: "HY000".into() })
    }

    #[test]
    fn an_error_from_the_server_proves_that_it_lives() {
        for code in [1040, 1045, 1129, 1130, 3032, 3159, 65535] {
            assert!(classify(&server(code)).kind.proves_alive(), "{code}");
        }
    }

    #[test]
    fn the_last_words_of_a_server_do_not() {
        assert_eq!(classify(&server(SERVER_SHUTDOWN)).kind, FailureKind::Broken);
    }

    #[test]
    fn network_errors_keep_their_meaning() {
        let kind = |kind| of_io(&io::Error::from(kind));
        assert_eq!(kind(io::ErrorKind::ConnectionRefused), FailureKind::Refused);
        assert_eq!(kind(io::ErrorKind::HostUnreachable), FailureKind::Unreachable);
        assert_eq!(kind(io::ErrorKind::ConnectionReset), FailureKind::Broken);
        assert_eq!(kind(io::ErrorKind::InvalidData), FailureKind::Nonsense);
        assert_eq!(kind(io::ErrorKind::UnexpectedEof), FailureKind::Nonsense);
        assert_eq!(of_io(&io::Error::other(CUT_INSIDE_A_PACKET)), FailureKind::Broken);
    }
}
