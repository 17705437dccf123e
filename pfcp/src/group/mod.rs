//! Grouped IEs (TS 29.244, clause 7), by the rule that they make up.

use std::fmt;

use crate::error::IeError;
use crate::in_place::Members;
use crate::rules::Ruled;

mod bar;
mod endpoint;
mod far;
mod mar;
mod node;
mod pdr;
mod qer;
mod session;
mod srr;
mod urr;

pub use bar::*;
pub use endpoint::*;
pub use far::*;
pub use mar::*;
pub use node::*;
pub use pdr::*;
pub use qer::*;
pub use session::*;
pub use srr::*;
pub use urr::*;

/// Whether an IE has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Always there.
    Mandatory,
    /// There when a condition holds. A malformed one is refused.
    Conditional,
    /// May be there. A malformed one is refused, because it decides what happens to packets.
    Optional,
    /// May be there. A malformed one is as good as absent.
    Lenient,
    /// May be there, and with length zero to remove what was.
    Update,
}

/// One row of a table of IEs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The IE type.
    pub r#type: u16,
    /// The field of the Rust type.
    pub field: &'static str,
    /// Whether it has to be there.
    pub presence: Presence,
    /// Whether there may be several.
    pub repeats: bool,
}

/// A list of IEs by the rows of a table: what a grouped IE and a message have in common.
#[allow(
    private_bounds,
    reason = "how it is read and checked is this crate's own"
)]
pub trait Group: Default + Members + Ruled {
    /// The rows of the table.
    const ROWS: &'static [Row];

    /// Reads IEs until the end of `octets`.
    ///
    /// # Errors
    /// When an IE is malformed, or a mandatory one is missing.
    #[inline]
    fn decode_members(octets: &[u8]) -> Result<Self, IeError> {
        let mut group = Self::blank_members();
        group.decode_members_into(octets)?;
        Ok(group)
    }
    /// Appends the IEs in the order of the rows, unknown ones last.
    fn encode_members(&self, out: &mut Vec<u8>);
    /// Writes the IEs as lines of a tree.
    ///
    /// # Errors
    /// When `f` does.
    fn show_members(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result;
}
