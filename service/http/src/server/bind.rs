//! Addresses and sockets, bound.

use std::{
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::auth::InvalidAuth;

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not an address, or it does not resolve.
    #[error("listen address {address:?} cannot be used")]
    Address {
        /// As configured.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nobody could be told from anybody.
    #[error("the API cannot be guarded as configured")]
    Auth(#[from] InvalidAuth),
    /// The socket's file is there and is no socket, or a process listens on it.
    #[error("unix socket {path:?} cannot be used")]
    Socket {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

pub(super) async fn tcp(address: &str) -> Result<TcpListener, BindError> {
    let explain = |source| BindError::Address { address: address.to_owned(), source };
    // `:3000` means all addresses, of both families where there are two.
    let candidates = match address.strip_prefix(':') {
        Some(port) => vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")],
        None => vec![address.to_owned()],
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in candidates {
        match TcpListener::bind(&candidate).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(explain(error)),
            Err(error) => last = error,
        }
    }
    Err(explain(last))
}

pub(super) async fn unix(path: &Path) -> Result<UnixListener, BindError> {
    let explain = |source| BindError::Socket { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(explain(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(explain(io::ErrorKind::AlreadyExists.into()));
        }
        // A process that was killed leaves its socket behind; one that runs answers.
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(explain(io::ErrorKind::AddrInUse.into()));
        }
        Ok(_) => std::fs::remove_file(path).map_err(explain)?,
    }
    UnixListener::bind(path).map_err(explain)
}
