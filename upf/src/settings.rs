//! Where the configuration comes from: a file, the environment, flags.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use config::{Loaded, Mistake, Overrides};

use crate::rules;

/// Variables of the environment that the program itself reads.
const OWN_VARIABLES: &[&str] = &["UPF_CONFIG", "UPF_REQUIRE_ROOT", "UPF_REQUIRE_TSHARK"];

/// A configuration that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}", .rendered.join("\n"))]
pub struct Refused {
    /// Every mistake, sorted by place.
    pub mistakes: Vec<Mistake>,
    /// The same, ready to print.
    pub rendered: Vec<String>,
}

/// A configuration file, and the flags that are laid over it; the environment is that of the process.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    /// Values of `--set`.
    pub flags: Vec<String>,
}

impl Source {
    /// Reads it, as [`load`] does.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self) -> Result<Loaded> {
        load(&self.file, &self.flags)
    }
}

/// Reads `file`, lays the environment and `flags` over it.
///
/// # Errors
/// When the file cannot be read, or with [`Refused`] when something in it is wrong.
pub fn load(file: &Path, flags: &[String]) -> Result<Loaded> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the configuration {}", file.display()))?;
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()))
        .collect();
    let overrides = Overrides {
        environment: &environment,
        flags,
    };
    let refuse = |mistakes: Vec<Mistake>| {
        let name = file.display().to_string();
        let rendered = mistakes.iter().map(|mistake| mistake.render(&name, &text));
        Refused {
            rendered: rendered.collect(),
            mistakes,
        }
    };
    let loaded = config::load(&text, &overrides).map_err(refuse)?;
    match rules::mistakes(&loaded) {
        mistakes if mistakes.is_empty() => Ok(loaded),
        mistakes => Err(refuse(mistakes).into()),
    }
}
