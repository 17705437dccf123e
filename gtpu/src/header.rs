//! The header as a view over the datagram (TS 29.281, 5.1).

use std::fmt;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::container::{PduSessionContainer, flow_of};
use crate::{ContainerError, Extension, ExtensionType, Extensions, Flow, ParseError};

/// The eight octets that every header has.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fixed {
    flags: u8,
    message_type: u8,
    length: U16,
    teid: U32,
}

/// The four octets that follow if E, S or PN is set.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Optional {
    sequence_number: U16,
    n_pdu_number: u8,
    next_extension: u8,
}

pub(crate) const FLAG_EXTENSION: u8 = 0b100;
pub(crate) const FLAG_SEQUENCE: u8 = 0b010;
pub(crate) const FLAG_N_PDU: u8 = 0b001;
const FLAGS_OPTIONAL: u8 = FLAG_EXTENSION | FLAG_SEQUENCE | FLAG_N_PDU;
/// Version 1, protocol type GTP.
pub(crate) const VERSION_1: u8 = 0b0011_0000;

/// The message type (TS 29.281, table 6.1-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageType(pub u8);

impl MessageType {
    /// Echo Request.
    pub const ECHO_REQUEST: Self = Self(1);
    /// Echo Response.
    pub const ECHO_RESPONSE: Self = Self(2);
    /// Error Indication.
    pub const ERROR_INDICATION: Self = Self(26);
    /// Supported Extension Headers Notification.
    pub const SUPPORTED_EXTENSION_HEADERS: Self = Self(31);
    /// Tunnel Status.
    pub const TUNNEL_STATUS: Self = Self(253);
    /// End Marker.
    pub const END_MARKER: Self = Self(254);
    /// G-PDU: a packet of a user.
    pub const G_PDU: Self = Self(255);
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ECHO_REQUEST => f.write_str("Echo Request"),
            Self::ECHO_RESPONSE => f.write_str("Echo Response"),
            Self::ERROR_INDICATION => f.write_str("Error Indication"),
            Self::SUPPORTED_EXTENSION_HEADERS => {
                f.write_str("Supported Extension Headers Notification")
            }
            Self::TUNNEL_STATUS => f.write_str("Tunnel Status"),
            Self::END_MARKER => f.write_str("End Marker"),
            Self::G_PDU => f.write_str("G-PDU"),
            Self(other) => write!(f, "message type {other}"),
        }
    }
}

/// A header whose framing has been checked: the length lies within the datagram, the optional
/// octets are there, the chain of extension headers ends. Octets after the length are no part of
/// it. Whether the extension headers are *understood* is another question:
/// [`Header::unknown_extension`].
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    fixed: &'a Fixed,
    optional: Option<&'a Optional>,
    /// After the fixed and optional fields, up to the length: extension headers and payload.
    body: &'a [u8],
    /// What follows the extension headers.
    payload: &'a [u8],
    /// Octets before the payload.
    payload_offset: usize,
}

impl<'a> Header<'a> {
    /// Checks the header at the start of a UDP payload.
    ///
    /// # Errors
    ///
    /// What is wrong with the framing.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let (fixed, rest) = Fixed::ref_from_prefix(datagram).map_err(|_| ParseError::TooShort)?;
        if fixed.flags >> 5 != 1 {
            return Err(ParseError::Version);
        }
        if fixed.flags & 0b0001_0000 == 0 {
            return Err(ParseError::ProtocolType);
        }
        let rest = rest
            .get(..usize::from(fixed.length))
            .ok_or(ParseError::LengthBeyondEnd)?;
        let (optional, body) = if fixed.flags & FLAGS_OPTIONAL == 0 {
            (None, rest)
        } else {
            let (optional, body) =
                Optional::ref_from_prefix(rest).map_err(|_| ParseError::OptionalFieldsCut)?;
            (Some(optional), body)
        };
        let mut chain = Extensions::new(first_extension(fixed, optional), body);
        while chain.step()?.is_some() {}
        let payload = chain.rest();
        let payload_offset = size_of::<Fixed>() + rest.len() - payload.len();
        Ok(Self {
            fixed,
            optional,
            body,
            payload,
            payload_offset,
        })
    }

    /// The message type.
    pub fn message_type(&self) -> MessageType {
        MessageType(self.fixed.message_type)
    }

    /// The tunnel endpoint identifier.
    pub fn teid(&self) -> u32 {
        self.fixed.teid.get()
    }

    /// The sequence number, if S is set.
    pub fn sequence_number(&self) -> Option<u16> {
        let optional = self
            .optional
            .filter(|_| self.fixed.flags & FLAG_SEQUENCE != 0)?;
        Some(optional.sequence_number.get())
    }

    /// The N-PDU number, if PN is set.
    pub fn n_pdu_number(&self) -> Option<u8> {
        let optional = self
            .optional
            .filter(|_| self.fixed.flags & FLAG_N_PDU != 0)?;
        Some(optional.n_pdu_number)
    }

    /// The extension headers.
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions::new(first_extension(self.fixed, self.optional), self.body)
    }

    /// The first extension header that must be understood, and is not.
    pub fn unknown_extension(&self) -> Option<ExtensionType> {
        self.extensions()
            .map(|extension| extension.kind)
            .find(|kind| kind.forbids_the_packet())
    }

    /// The T-PDU, or the information elements of a signalling message.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Where the payload starts, counted from the start of the header.
    pub fn payload_offset(&self) -> usize {
        self.payload_offset
    }

    /// QoS flow and direction of the first PDU Session Container; a second one is nobody's. `None`
    /// without one, or if its PDU type is neither DL nor UL.
    pub fn flow(&self) -> Option<Flow> {
        let content = self.container_content()?;
        flow_of(*content.first_chunk()?)
    }

    /// The first PDU Session Container in full.
    ///
    /// # Errors
    ///
    /// The container is cut, or has an unknown PDU type.
    pub fn pdu_session_container(&self) -> Result<Option<PduSessionContainer>, ContainerError> {
        self.container_content()
            .map(PduSessionContainer::decode)
            .transpose()
    }

    fn container_content(&self) -> Option<&'a [u8]> {
        let container =
            |extension: &Extension<'_>| extension.kind == ExtensionType::PDU_SESSION_CONTAINER;
        self.extensions()
            .find(container)
            .map(|extension| extension.content)
    }
}

fn first_extension(fixed: &Fixed, optional: Option<&Optional>) -> ExtensionType {
    match optional {
        Some(optional) if fixed.flags & FLAG_EXTENSION != 0 => {
            ExtensionType(optional.next_extension)
        }
        _ => ExtensionType::NONE,
    }
}
