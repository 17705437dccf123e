//! What comes of a configuration that is read again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It says what is in force already.
    Unchanged,
    /// It would be put in force: this was a dry run.
    Possible,
    /// It is in force.
    Applied,
    /// What can change while the UPF runs is in force; the rest waits for a restart.
    Partial,
    /// Nothing has changed, because some of it needs a restart.
    NeedsRestart,
    /// Nothing has changed, because there are mistakes in it.
    Mistaken,
}

impl Outcome {
    /// Whether the configuration was refused, and nothing has changed.
    pub const fn is_refused(self) -> bool {
        matches!(self, Self::NeedsRestart | Self::Mistaken)
    }
}

said! {
    /// What came of reading the configuration again.
    pub struct Reload {
        /// What became of it.
        pub outcome: Outcome,
        /// What it changes.
        pub changes: Vec<Change>,
        /// What is wrong with it.
        pub mistakes: Vec<Mistake>,
        /// What is allowed in it, but seldom meant.
        pub warnings: Vec<String>,
    }

    /// A key that differs from what is in force.
    pub struct Change {
        /// The key.
        pub key: String,
        /// What is in force; absent if there is no such key.
        pub from: Option<String>,
        /// What takes its place; absent if the key goes.
        pub to: Option<String>,
        /// Where that comes from.
        pub origin: String,
        /// Whether it can change while the UPF runs.
        pub live: bool,
    }

    /// A mistake in a configuration.
    pub struct Mistake {
        /// The key; empty where it is the file as a whole.
        pub key: String,
        /// Where it stands.
        pub origin: String,
        /// What is wrong.
        pub problem: String,
        /// What to do about it.
        pub advice: Option<String>,
    }
}
