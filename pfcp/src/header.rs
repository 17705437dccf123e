//! The header of a message (TS 29.244, 7.2.2).
//!
//! ```text
//! octet 1     version (1) 3 bits | spare 2 | FO | MP | S
//! octet 2     message type
//! octet 3-4   length of what follows
//! S = 1:      octet 5-12 SEID, 13-15 sequence number, 16 priority 4 bits | spare 4
//! S = 0:      octet 5-7 sequence number, 8 spare
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Illegal;
use crate::wire::Wire as _;

/// The version of PFCP that this crate speaks.
pub const VERSION: u8 = 1;

const FLAG_FOLLOW_ON: u8 = 1 << 2;
const FLAG_PRIORITY: u8 = 1 << 1;
const FLAG_SEID: u8 = 1;

/// A sequence number: 24 bits, which follow each other in a ring.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct Sequence(u32);

impl Sequence {
    /// The sequence number with the lower 24 bits of `number`.
    pub const fn new(number: u32) -> Self {
        Self(number & 0x00ff_ffff)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Sequence> for u32 {
    fn from(sequence: Sequence) -> Self {
        sequence.0
    }
}

impl TryFrom<u32> for Sequence {
    type Error = Illegal;

    fn try_from(number: u32) -> Result<Self, Illegal> {
        let sequence = Self::new(number);
        let fits = (sequence.0 == number).then_some(sequence);
        fits.ok_or(Illegal("a sequence number of 24 bits"))
    }
}

impl PartialEq<u32> for Sequence {
    fn eq(&self, number: &u32) -> bool {
        self.0 == *number
    }
}

/// A message priority (TS 29.244, 7.2.2.3): 0 (the highest) to 15.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

impl Priority {
    /// The lowest.
    pub const LOWEST: Self = Self(15);

    /// The priority of that number, if it is one.
    pub const fn new(number: u8) -> Option<Self> {
        if number <= Self::LOWEST.0 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl TryFrom<u8> for Priority {
    type Error = Illegal;

    fn try_from(number: u8) -> Result<Self, Illegal> {
        Self::new(number).ok_or(Illegal("a priority of 0 to 15"))
    }
}

/// The part of a header that the message itself does not give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Header {
    /// The receiver's session endpoint identifier: on session messages, and only there. Zero when
    /// it is not known.
    pub seid: Option<u64>,
    /// The sequence number.
    pub sequence: Sequence,
    /// The priority, if the MP flag is set.
    pub priority: Option<Priority>,
    /// Another message follows in the same datagram (the FO flag).
    pub follow_on: bool,
}

impl Header {
    /// The header of a node message; of the sequence number the lower 24 bits count.
    pub const fn node(sequence: u32) -> Self {
        Self {
            seid: None,
            sequence: Sequence::new(sequence),
            priority: None,
            follow_on: false,
        }
    }

    /// The header of a session message; of the sequence number the lower 24 bits count.
    pub const fn session(seid: u64, sequence: u32) -> Self {
        Self {
            seid: Some(seid),
            sequence: Sequence::new(sequence),
            priority: None,
            follow_on: false,
        }
    }

    /// The header of the answer: the same sequence number and priority, and the peer's SEID.
    #[must_use]
    pub const fn answer(&self, seid: Option<u64>) -> Self {
        Self {
            seid,
            sequence: self.sequence,
            priority: self.priority,
            follow_on: false,
        }
    }

    /// Appends the header, with zero for its length; gives where that stands.
    pub(crate) fn emit(&self, message_type: u8, session: bool, out: &mut Vec<u8>) -> usize {
        let mut flags = VERSION << 5;
        if session {
            flags |= FLAG_SEID;
            flags |= if self.follow_on { FLAG_FOLLOW_ON } else { 0 };
            flags |= if self.priority.is_some() {
                FLAG_PRIORITY
            } else {
                0
            };
        }
        let length_at = out.len() + 2;
        out.extend_from_slice(&[flags, message_type, 0, 0]);
        if session {
            self.seid.unwrap_or(0).emit(out);
        }
        let [_, sequence @ ..] = self.sequence.get().to_be_bytes();
        out.extend_from_slice(&sequence);
        out.push(if session {
            self.priority.map_or(0, Priority::get) << 4
        } else {
            0
        });
        length_at
    }
}

/// A header as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) version: u8,
    pub(crate) message_type: u8,
    pub(crate) has_seid: bool,
    pub(crate) header: Header,
    /// What the length claims beyond the header; negative if less than the header itself.
    pub(crate) claims: i32,
    /// All octets behind the header, to the end of the datagram.
    pub(crate) rest: &'a [u8],
}

impl<'a> Received<'a> {
    /// Reads a header; `None` if there is not a whole one.
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let ([flags, message_type, l1, l2], rest) = datagram.split_first_chunk()?;
        let claims = i32::from(u16::from_be_bytes([*l1, *l2]));
        let has_seid = flags & FLAG_SEID != 0;
        let (seid, rest) = if has_seid {
            let (seid, rest) = rest.split_first_chunk()?;
            (Some(u64::from_be_bytes(*seid)), rest)
        } else {
            (None, rest)
        };
        let ([s1, s2, s3, last], rest) = rest.split_first_chunk()?;
        // "If S = 0, the MP and FO flags are not used."
        let header = Header {
            seid,
            sequence: Sequence::new(u32::from_be_bytes([0, *s1, *s2, *s3])),
            priority: (has_seid && flags & FLAG_PRIORITY != 0).then_some(Priority(last >> 4)),
            follow_on: has_seid && flags & FLAG_FOLLOW_ON != 0,
        };
        Some(Self {
            version: flags >> 5,
            message_type: *message_type,
            has_seid,
            header,
            claims: claims - if has_seid { 12 } else { 4 },
            rest,
        })
    }
}
