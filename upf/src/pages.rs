//! `upf completions` and `upf man`: made from the command line's own description.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::Shell;

/// Prints the script that completes `upf` in `shell`.
pub(crate) fn completions(shell: Shell, mut command: Command) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "upf", &mut script);
    // Whoever reads it may have had enough.
    let _closed = std::io::stdout().write_all(&script);
}

/// Writes `upf.1`, `upf-run.1` and so on.
pub(crate) fn man(command: Command, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .with_context(|| format!("cannot write to {}", directory.display()))
}
