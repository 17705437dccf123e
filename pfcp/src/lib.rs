//! PFCP (TS 29.244): octets to messages and back. No I/O, no clock.
//!
//! # In short
//!
//! * [`decode`] reads a datagram into [`Decoded`] `{ header, message }`; [`messages`] reads all of
//!   a bundle. A [`DecodeError`] says what to answer: nothing ([`DecodeError::Discard`]), a
//!   Version Not Supported Response ([`DecodeError::Version`]), or a cause and Offending IE
//!   ([`DecodeError::Message`], which has the header to answer by).
//! * [`encode`] appends a message to a `Vec<u8>`. It takes a body (`&HeartbeatRequest { .. }`) or a
//!   [`Message`].
//! * [`Message`] has a variant per message type, all in [`message`]: fields are the rows of the
//!   message's table. [`Request`] ties a request to its `Response`.
//! * [`group`] has the grouped IEs, [`ie`] the others and [`ie::AnyIe`]; all are re-exported here
//!   (`pfcp::CreatePdr`, `pfcp::PdrId`). All have `Default`, so that building one is short.
//! * Presence is the type: mandatory `T`, optional `Option<T>`, list `Vec<T>`, list of at least one
//!   [`NonEmpty<T>`] (`[a, b].into()`), and in updates [`Update<T>`] (`Keep`, `Remove`, `Set`). What
//!   is unknown stays in the fields `unknown` and `extended`.
//! * Numbers are newtypes (`PdrId(1)`; `Qfi::new(9)` where not every number is one), bits are sets
//!   (`ApplyAction::FORW | ApplyAction::DUPL`, `contains`), names are [`Octets`] that do not allocate
//!   while short. Of what the specification rules out there is no value: see "Legal values".
//! * All messages are `Display` (a tree as Wireshark draws it) and serde (JSON round-trips).
//! * Features: `generate` makes values from octets, `proptest` makes strategies of that.
//!
//! ```
//! use pfcp::{CreateFar, ApplyAction, FarId, Header, HeartbeatRequest, RecoveryTimeStamp};
//!
//! let beat = HeartbeatRequest { recovery_time_stamp: RecoveryTimeStamp(7), ..Default::default() };
//! let mut octets = Vec::new();
//! pfcp::encode(&Header::node(1), &beat, &mut octets)?;
//! assert_eq!(pfcp::decode(&octets)?.message, beat.into());
//!
//! let far = CreateFar { far_id: FarId(1), apply_action: ApplyAction::DROP, ..Default::default() };
//! assert_eq!(far.to_string(), "FAR ID: 1\nApply Action: DROP\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Legal values
//!
//! Every value of an IE can be written, and is read again as the same value. So a number that does
//! not fit its bits has no value, nor has an address that is both given and to be chosen ([`Wanted`]),
//! a list longer than its count ([`Several`]), or a filter without a condition ([`Checked`]).
//! What no type can say by itself is a rule: bits that exclude each other (an Apply Action of DROP and
//! FORW), a bit that has to be set, a bit or cause that asks for an IE, and [`Update::Set`] of no
//! octets, which would be read as [`Update::Remove`]. [`encode`] refuses what breaks one, and says what
//! was expected ([`Breach`]). [`decode`] reads it: who acts on a message knows which of its rules is at
//! fault and what was there before, and has the better answer; [`Message::check`] tells.
//!
//! What is legal all the same:
//!
//! * A Measurement Information without a bit, as free5GC sends it, says what its absence says.
//! * Reserved numbers that a receiver is to read as another or to ignore (a gate of 3, a rule of type
//!   9) are read as the specification says.
//! * An acceptance of an association may lack its Recovery Time Stamp while it is made: then
//!   [`encode`] refuses it.
//! * What stands in `unknown` is written as it is, whatever its type.
//!
//! Octets that are read are written as they came, save that spare bits become zero, bit sets get
//! their full known length, and a few IEs have two forms for the same, of which one is written
//! (`tests/canonical.rs` lists them).
//!
//! # Choices
//!
//! * Octets behind what this release knows of an extendable IE are ignored, and kept: the IE
//!   stands beside its field in `extended` ([`Extended`]) and is written as it came, unless the
//!   field was changed. Bit sets that grow by octets are written at their full known length, also
//!   where fewer came. A value alone ([`AnyIe`]) is written as it is known here.
//! * A single IE that comes twice: the first counts, the rest are dropped (7.6).
//! * An optional IE that cannot be read is dropped into `unknown` where ignoring it is harmless;
//!   where it would change which packets pass or how they are counted, it is refused.
#![forbid(unsafe_code)]

#[macro_use]
mod table;

pub mod catalogue;
mod checked;
mod codec;
mod error;
mod extended;
mod flags;
#[cfg(feature = "generate")]
pub mod generate;
#[allow(clippy::wildcard_imports, reason = "tables that name most IEs")]
pub mod group;
mod header;
pub mod ie;
mod in_place;
mod locate;
#[allow(clippy::wildcard_imports, reason = "tables that name most IEs")]
pub mod message;
mod name;
mod non_empty;
mod octets;
#[allow(clippy::wildcard_imports, reason = "rules of most IEs")]
mod rules;
mod slot;
pub mod wire;

#[cfg(feature = "generate")]
pub use codec::encode_unchecked;
pub use codec::{BUNDLE_MAX, Bundle, Decoded, decode, encode, messages, split_first};
pub use error::{
    Breach, DecodeError, Discard, EncodeError, Fault, IeError, Illegal, Path, TooLong,
};
pub use group::*;
pub use header::{Header, Priority, Sequence, VERSION};
pub use ie::*;
pub use locate::{Place, locate};
pub use message::*;
pub use name::Name;
pub use non_empty::NonEmpty;
pub use octets::Octets;
pub use slot::Update;
pub use wire::{Check, Checked, Extended, Kbps, Mac, Unknown};
