//! `upf check`: is this configuration good?

use std::path::Path;

use anyhow::Result;
use upf::settings;

/// Prints what is in force and where it came from; an error names every mistake.
pub(crate) fn check(file: &Path, flags: &[String]) -> Result<()> {
    let loaded = settings::load(file, flags)?;
    for setting in &loaded.origins {
        println!("{setting}");
    }
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    println!("{}: good", file.display());
    Ok(())
}
