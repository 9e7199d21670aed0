#![doc = include_str!("../DESIGN.md")]

mod error;
mod facts;
mod file;
mod fingerprint;
mod pair;
mod system;
mod watch;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use error::FileError;
pub use facts::Facts;
pub use file::PemFile;
pub use fingerprint::Fingerprint;
pub use pair::Pair;
pub use system::system_authorities;
pub use watch::{Watched, watch};

/// The one crypto provider of this program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
