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
//! * Presence is the type: mandatory `T`, optional `Option<T>`, list `Vec<T>`, and in updates
//!   [`Update<T>`] (`Keep`, `Remove`, `Set`). What is unknown stays in the fields `unknown` and
//!   `extended`.
//! * Numbers are newtypes (`PdrId(1)`), bits are sets (`ApplyAction::FORW | ApplyAction::DUPL`,
//!   `contains`), names are [`Octets`] that do not allocate while short.
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
#[allow(clippy::wildcard_imports, reason = "tables that name most IEs")]
pub mod message;
mod octets;
mod slot;
pub mod wire;

pub use codec::{BUNDLE_MAX, Bundle, Decoded, decode, encode, messages};
pub use error::{DecodeError, Discard, Fault, IeError, Path, TooLong};
pub use group::*;
pub use header::{Header, OutOfRange, Priority, Sequence, VERSION};
pub use ie::*;
pub use message::*;
pub use octets::Octets;
pub use slot::Update;
pub use wire::{Extended, Kbps, Mac, Unknown};
