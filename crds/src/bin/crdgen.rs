//! Writes the generated files of `crds/generated`: with a folder as its argument into that, else into this crate's.

use std::{error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/generated");
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| own.to_owned()));
    std::fs::create_dir_all(&folder)?;
    for (name, text) in orchestrator_crds::generated()? {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
