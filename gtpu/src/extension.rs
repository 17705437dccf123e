//! Extension headers (TS 29.281, 5.2).
//!
//! ```text
//!  length n, in units of 4 octets | content: 4n - 2 octets | next extension header type
//! ```

use std::fmt;

use crate::ParseError;

/// How many extension headers a packet may have: no procedure uses more than a few.
pub const EXTENSIONS_MAX: usize = 16;

/// The type of an extension header (TS 29.281, figure 5.2.1-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionType(pub u8);

/// What the receiver owes an extension header that it does not know (figure 5.2.1-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comprehension {
    /// Bits 8–7 are 00: may be skipped; an intermediate node forwards it.
    ForwardIfUnknown,
    /// Bits 8–7 are 01: may be skipped; an intermediate node leaves it out.
    DiscardIfUnknown,
    /// Bits 8–7 are 10: the endpoint must understand it.
    RequiredByEndpoint,
    /// Bits 8–7 are 11: every receiver must understand it.
    RequiredByAll,
}

impl ExtensionType {
    /// Ends the chain.
    pub const NONE: Self = Self(0x00);
    /// Long PDCP PDU Number (5.2.2.2A), for data forwarding at handover.
    pub const LONG_PDCP_PDU_NUMBER: Self = Self(0x03);
    /// PDU Set Information Container (R18).
    pub const PDU_SET_INFORMATION: Self = Self(0x04);
    /// Service Class Indicator (5.2.2.3).
    pub const SERVICE_CLASS_INDICATOR: Self = Self(0x20);
    /// UDP Port (5.2.2.1).
    pub const UDP_PORT: Self = Self(0x40);
    /// RAN Container (5.2.2.4).
    pub const RAN_CONTAINER: Self = Self(0x81);
    /// Long PDCP PDU Number with the value of older releases.
    pub const LONG_PDCP_PDU_NUMBER_OLD: Self = Self(0x82);
    /// Xw RAN Container (5.2.2.5).
    pub const XW_RAN_CONTAINER: Self = Self(0x83);
    /// NR RAN Container (5.2.2.6).
    pub const NR_RAN_CONTAINER: Self = Self(0x84);
    /// PDU Session Container (5.2.2.7).
    pub const PDU_SESSION_CONTAINER: Self = Self(0x85);
    /// PDU Set Information Container with the value of an earlier text of R18.
    pub const PDU_SET_INFORMATION_OLD: Self = Self(0x86);
    /// PDCP PDU Number (5.2.2.2), for data forwarding at handover.
    pub const PDCP_PDU_NUMBER: Self = Self(0xc0);

    /// The types of which a UPF knows the meaning; the list in its Supported Extension Headers
    /// Notification. The RAN containers are between RAN nodes.
    pub const UNDERSTOOD: [Self; 8] = [
        Self::LONG_PDCP_PDU_NUMBER,
        Self::PDU_SET_INFORMATION,
        Self::SERVICE_CLASS_INDICATOR,
        Self::UDP_PORT,
        Self::LONG_PDCP_PDU_NUMBER_OLD,
        Self::PDU_SESSION_CONTAINER,
        Self::PDU_SET_INFORMATION_OLD,
        Self::PDCP_PDU_NUMBER,
    ];

    /// What its two most significant bits ask of a receiver that does not know it.
    pub fn comprehension(self) -> Comprehension {
        match self.0 >> 6 {
            0 => Comprehension::ForwardIfUnknown,
            1 => Comprehension::DiscardIfUnknown,
            2 => Comprehension::RequiredByEndpoint,
            _ => Comprehension::RequiredByAll,
        }
    }

    /// Whether a UPF knows its meaning.
    pub fn is_understood(self) -> bool {
        Self::UNDERSTOOD.contains(&self)
    }

    /// Whether a packet with it has to be discarded.
    pub fn forbids_the_packet(self) -> bool {
        self.0 & 0x80 != 0 && !self.is_understood()
    }
}

impl fmt::Display for ExtensionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// One extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its type, from the octet before it.
    pub kind: ExtensionType,
    /// What lies between its length and the type of the next.
    pub content: &'a [u8],
}

/// The extension headers of a packet, in order.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    kind: ExtensionType,
    rest: &'a [u8],
    seen: usize,
}

impl<'a> Extensions<'a> {
    /// Starts with the type in octet 12 of the header and the octets after it.
    pub(crate) fn new(kind: ExtensionType, rest: &'a [u8]) -> Self {
        Self {
            kind,
            rest,
            seen: 0,
        }
    }

    /// What follows the headers that were taken so far.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next header, or what is wrong with it.
    pub(crate) fn step(&mut self) -> Result<Option<Extension<'a>>, ParseError> {
        if self.kind == ExtensionType::NONE {
            return Ok(None);
        }
        if self.seen == EXTENSIONS_MAX {
            return Err(ParseError::ExtensionsTooMany);
        }
        let (&units, after_length) = self.rest.split_first().ok_or(ParseError::ExtensionCut)?;
        if units == 0 {
            return Err(ParseError::ExtensionLengthZero);
        }
        let content_length = usize::from(units) * 4 - 2;
        let (content, after) = after_length
            .split_at_checked(content_length)
            .ok_or(ParseError::ExtensionCut)?;
        let (&next, after) = after.split_first().ok_or(ParseError::ExtensionCut)?;
        let extension = Extension {
            kind: self.kind,
            content,
        };
        *self = Self {
            kind: ExtensionType(next),
            rest: after,
            seen: self.seen + 1,
        };
        Ok(Some(extension))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        self.step().ok().flatten()
    }
}
