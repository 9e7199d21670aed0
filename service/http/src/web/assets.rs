//! What `service/web` built, as it is in the binary.

use std::{fmt::Write, sync::LazyLock};

use sha2::{Digest, Sha256};

/// One file.
pub(crate) struct Asset {
    /// Its name in the folder of its build.
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:literal) => {
        Asset {
            name: $name,
            content_type: $content_type,
            body: include_bytes!(concat!("../../../web/dist/", $name)),
        }
    };
}

/// All of them. A test compares this with what was built.
pub(crate) static ASSETS: [Asset; 3] = [
    asset!("app.js", "text/javascript; charset=UTF-8"),
    asset!("icon.svg", "image/svg+xml"),
    asset!("style.css", "text/css; charset=UTF-8"),
];

/// Enough of the hash that two builds never share a name.
const BUILD_BYTES: usize = 8;

/// Name of the folder that the assets are in: a hash over all of them.
///
/// One for all, so that they can name one another without knowing it.
pub(crate) fn build() -> &'static str {
    static BUILD: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        for asset in &ASSETS {
            hash.update(asset.body.len().to_le_bytes());
            hash.update(asset.body);
        }
        hash.finalize().iter().take(BUILD_BYTES).fold(String::new(), |mut name, byte| {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
    });
    &BUILD
}

/// The asset of a path `build/name`. Another build's are not here: its page must not run with our script.
pub(crate) fn find(path: &str) -> Option<usize> {
    let (folder, name) = path.split_once('/')?;
    (folder == build()).then(|| ASSETS.iter().position(|asset| asset.name == name))?
}
