//! Where a value came from.

use std::fmt;

/// Where a value came from. A later one wins over an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The key is not given anywhere.
    Default,
    /// The configuration file. Lines and columns count from 1.
    File {
        /// Line in the file.
        line: u64,
        /// Column of the value's first character.
        column: u64,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A flag `--set key=value`.
    Flag {
        /// The flag's text.
        text: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line, column } => write!(f, "line {line}, column {column}"),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag { text } => write!(f, "flag --set {text}"),
        }
    }
}

/// One key with its value in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Dotted path, list indexes as numbers: `ports.0.device`.
    pub key: String,
    /// The value as it would stand in the file.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.key, self.value, self.origin)
    }
}
