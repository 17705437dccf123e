//! The header of a message (TS 29.244, 7.2.2).
//!
//! ```text
//! octet 1     version (1) 3 bits | spare 2 | FO | MP | S
//! octet 2     message type
//! octet 3-4   length of what follows
//! S = 1:      octet 5-12 SEID, 13-15 sequence number, 16 priority 4 bits | spare 4
//! S = 0:      octet 5-7 sequence number, 8 spare
//! ```

use serde::{Deserialize, Serialize};

use crate::wire::Wire as _;

/// The version of PFCP that this crate speaks.
pub const VERSION: u8 = 1;

const FLAG_FOLLOW_ON: u8 = 1 << 2;
const FLAG_PRIORITY: u8 = 1 << 1;
const FLAG_SEID: u8 = 1;

/// The part of a header that the message itself does not give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Header {
    /// The receiver's session endpoint identifier: on session messages, and only there. Zero when
    /// it is not known.
    pub seid: Option<u64>,
    /// The sequence number, 24 bits.
    pub sequence: u32,
    /// The priority, 0 (highest) to 15, if the MP flag is set.
    pub priority: Option<u8>,
    /// Another message follows in the same datagram (the FO flag).
    pub follow_on: bool,
}

impl Header {
    /// The header of a node message.
    pub const fn node(sequence: u32) -> Self {
        Self {
            seid: None,
            sequence,
            priority: None,
            follow_on: false,
        }
    }

    /// The header of a session message.
    pub const fn session(seid: u64, sequence: u32) -> Self {
        Self {
            seid: Some(seid),
            sequence,
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
        let [_, sequence @ ..] = self.sequence.to_be_bytes();
        out.extend_from_slice(&sequence);
        out.push(if session {
            self.priority.unwrap_or(0) << 4
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
            sequence: u32::from_be_bytes([0, *s1, *s2, *s3]),
            priority: (has_seid && flags & FLAG_PRIORITY != 0).then_some(last >> 4),
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
