//! Writes the generated files of `crds/generated` and what charts and manifests have of them: with a folder as its
//! argument the first alone, into that.

use std::{error::Error, fs, path::PathBuf};

use orchestrator_crds::{VALUES_SCHEMA, copies, generated, values_schema};

fn main() -> Result<(), Box<dyn Error>> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/generated");
    let elsewhere = std::env::args().nth(1);
    let folder = PathBuf::from(elsewhere.clone().unwrap_or_else(|| own.to_owned()));
    fs::create_dir_all(&folder)?;
    for (name, text) in generated()? {
        fs::write(folder.join(name), text)?;
    }
    if elsewhere.is_some() {
        return Ok(());
    }
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (path, text) in copies()? {
        fs::write(root.join(path), text)?;
    }
    let schema = root.join(VALUES_SCHEMA);
    let current = fs::read_to_string(&schema)?;
    fs::write(&schema, values_schema(&current)?)?;
    Ok(())
}
