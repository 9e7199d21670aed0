//! What TLS says, in words that tell a person which of two nodes to mend.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The reason behind a failed handshake or a broken connection.
///
/// The same for each attempt: what varies, such as the time of day, would make each line in the log a new one.
pub(crate) fn reason_of(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(tls) => in_words(tls),
        None if is_hang_up(error.kind()) => "it hung up on the TLS handshake".into(),
        None => error.to_string(),
    }
}

/// The same for who dials: a node that speaks plain does not answer to TLS.
pub(super) fn reason_of_silence(error: &io::Error) -> String {
    let reason = reason_of(error);
    if is_hang_up(error.kind()) {
        format!("{reason}: perhaps it has no RaftTLSCertFile, or refuses this node")
    } else {
        reason
    }
}

fn is_hang_up(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(certificate) => format!("its certificate {}", of_certificate(certificate)),
        Error::NoCertificatesPresented => "it shows no certificate".into(),
        Error::AlertReceived(alert) => match of_alert(*alert) {
            Some(reason) => format!("it refuses this node's certificate: {reason}"),
            None => format!("it ended the TLS handshake: {alert:?}"),
        },
        Error::InvalidMessage(_) => "it does not speak TLS: perhaps it has no RaftTLSCertFile".into(),
        other => other.to_string(),
    }
}

/// Follows "its certificate".
pub(super) fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as C;
    let text = match error {
        C::Expired | C::ExpiredContext { .. } => "has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "is not valid yet: compare the clocks",
        C::UnknownIssuer => "is not of the authority in RaftTLSCAFile",
        C::BadSignature => "is not of the authority in RaftTLSCAFile: the signature differs",
        C::NotValidForName => "does not name the node",
        C::NotValidForNameContext { expected, .. } => {
            return format!("does not name {}", expected.to_str());
        }
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "must be good for clients and for servers, if it limits its use at all"
        }
        other => return format!("is not accepted: {other}"),
    };
    text.into()
}

/// What the other side objects to; it sends no more than a number.
fn of_alert(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match alert {
        A::CertificateExpired => "it has expired, or is not valid yet by the clock there",
        A::UnknownCA => "it is not of the authority in RaftTLSCAFile there",
        A::BadCertificate => "it does not name this node as the peer calls it, or is damaged",
        A::UnsupportedCertificate => "it is not good for clients and for servers",
        A::CertificateRequired => "none was shown",
        A::DecryptError => "its signature is not that of the authority in RaftTLSCAFile there",
        A::CertificateUnknown | A::CertificateRevoked | A::AccessDenied => "see its log",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_is_told_whose_certificate_is_meant() {
        let ours = in_words(&Error::AlertReceived(AlertDescription::UnknownCA));
        assert_eq!(
            ours,
            "it refuses this node's certificate: it is not of the authority in RaftTLSCAFile there"
        );
        let theirs = in_words(&Error::InvalidCertificate(CertificateError::Expired));
        assert_eq!(theirs, "its certificate has expired");
    }

    #[test]
    fn a_plain_peer_is_told_from_a_bad_certificate() {
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
            let error = io::Error::from(kind);
            assert_eq!(reason_of(&error), "it hung up on the TLS handshake");
            assert!(reason_of_silence(&error).contains("perhaps it has no RaftTLSCertFile"));
        }
        assert_eq!(reason_of(&io::Error::other("disk")), "disk");
    }
}
