//! This process: which machine it runs on, and a name of its own that changes with each start.

use orchestrator_backend::NodeIdentity;
use rand::RngCore;
use sha2::{Digest, Sha256};

/// Random bytes behind a token.
const SEED_BYTES: usize = 32;

/// The host name of this machine, as the system tells it; `localhost` where it does not.
pub(crate) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".into())
    } else {
        name.into()
    }
}

/// A new identity for this process.
pub(crate) fn identity() -> NodeIdentity {
    NodeIdentity { hostname: hostname(), token: token() }
}

/// 64 hexadecimal digits that nobody can guess.
pub(crate) fn token() -> String {
    let mut seed = [0_u8; SEED_BYTES];
    rand::rng().fill_bytes(&mut seed);
    Sha256::digest(seed).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_token_is_64_digits_and_never_the_same() {
        let (a, b) = (super::token(), super::token());
        assert_eq!(a.len(), 64);
        assert_ne!(a, b);
    }
}
