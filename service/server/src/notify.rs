//! Telling the service manager how far we are: systemd's `Type=notify`.
//!
//! One datagram per change, to the socket that `NOTIFY_SOCKET` names; without it nothing is done.
//! Ready means that the API answers. Whether the node belongs to a group is `raft-health`'s to say: a manager that
//! waited for a quorum would give up on the first node of a group before the second one is started.

use std::{
    ffi::OsStr,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use tracing::debug;

/// The variable by which the manager names its socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// The API answers.
pub(crate) fn ready() {
    tell("READY=1");
}

/// The process is about to end, in order.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    // A manager that does not listen is not told; what it makes of the silence is its own affair.
    if let Err(error) = send(&socket, state) {
        debug!(%error, state, "the service manager was not told");
    }
}

fn send(socket: &OsStr, state: &str) -> std::io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // Never waits: a manager whose queue is full must not hold up the node.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(state.as_bytes(), &address(socket)?).map(drop)
}

/// A path, or a name in the abstract namespace behind an `@`.
fn address(socket: &OsStr) -> std::io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(at: &UnixDatagram) -> String {
        let mut text = [0; 64];
        let length = at.recv(&mut text).expect("a datagram waits");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn a_state_reaches_a_socket_in_the_file_system() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        send(path.as_os_str(), "READY=1").expect("somebody listens");
        assert_eq!(heard(&manager), "READY=1");
    }

    #[test]
    fn a_state_reaches_an_abstract_socket() {
        let name = format!("orchestrator-notify-{}", std::process::id());
        let at = SocketAddr::from_abstract_name(&name).expect("a name");
        let manager = UnixDatagram::bind_addr(&at).expect("a socket");
        send(OsStr::new(&format!("@{name}")), "STOPPING=1").expect("somebody listens");
        assert_eq!(heard(&manager), "STOPPING=1");
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error_and_no_more() {
        assert!(send(OsStr::new("/nowhere/notify"), "READY=1").is_err());
    }
}
