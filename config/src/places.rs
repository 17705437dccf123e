//! Values that say where something is: files and sockets.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Problem;
use crate::json_schema::pattern;
use crate::reader::{Environment, Scalar};
use crate::types::invalid;

/// A file, by a path from the root: the program's directory is no matter of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(PathBuf);

impl FilePath {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Scalar for FilePath {
    const EXPECTED: &'static str = "a path that begins with /";

    fn shape() -> Value {
        pattern("^/.+$")
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        let is_whole = text.starts_with('/') && text.len() > 1 && !text.contains('\0');
        is_whole
            .then(|| Self(text.into()))
            .ok_or_else(|| invalid(text, Self::EXPECTED))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// A Unix socket, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPath(Option<FilePath>);

impl SocketPath {
    /// What the kernel takes: the path with the 0 at its end has 108 octets.
    const OCTETS_MAX: usize = 107;

    /// The path.
    pub fn path(&self) -> Option<&Path> {
        self.0.as_ref().map(FilePath::path)
    }
}

impl Scalar for SocketPath {
    const EXPECTED: &'static str =
        "a path that begins with /, of no more than 107 octets, or `none`";

    fn shape() -> Value {
        pattern("^(none|/.{1,106})$")
    }

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        if text == "none" {
            return Ok(Self(None));
        }
        let path = FilePath::parse(text, environment).ok();
        let path = path.filter(|_| text.len() <= Self::OCTETS_MAX);
        path.map(|path| Self(Some(path)))
            .ok_or_else(|| invalid(text, Self::EXPECTED))
    }
}

impl Scalar for SocketAddr {
    const EXPECTED: &'static str = "an address with a port, such as 127.0.0.1:9090 or [::1]:9090";

    fn shape() -> Value {
        json!({ "type": "string" })
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        text.parse().map_err(|_| invalid(text, Self::EXPECTED))
    }
}
