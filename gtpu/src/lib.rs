//! GTP-U (TS 29.281) and the PDU session container (TS 38.415). No I/O, no clock.
//!
//! A packet on N3 is not turned into structs: [`Header`] is a *view* over the octets of the UDP
//! payload, checked once, and [`parse_gpdu`] is the packet path's short way to the few facts it
//! needs. Only what is rare is owned: the signalling messages ([`Message`]).
//!
//! ```text
//!  8 7 6 | 5  | 4 | 3 | 2 | 1  |
//!  ------+----+---+---+---+----+
//!  ver=1 | PT | * | E | S | PN |  octet 1
//!  message type                |  octet 2
//!  length of all after octet 8 |  octets 3-4
//!  TEID                        |  octets 5-8
//!  sequence number             |  octets 9-10   } present together
//!  N-PDU number                |  octet 11      } if E, S or PN is 1
//!  next extension header type  |  octet 12      }
//!  extension headers, T-PDU or information elements …
//! ```
#![forbid(unsafe_code)]

mod container;
mod encode;
mod error;
mod extension;
mod gpdu;
mod header;
mod ie;
mod message;

pub use container::{
    ContainerError, DlPduSessionInformation, PduSessionContainer, PduType, UlPduSessionInformation,
    UlTimeStamps,
};
pub use encode::{
    GPDU_HEADER_LENGTH_MAX, GpduHeader, gpdu_header, gpdu_header_dl, gpdu_header_plain, set_length,
};
pub use error::{ParseError, TooLong};
pub use extension::{Comprehension, EXTENSIONS_MAX, Extension, ExtensionType, Extensions};
pub use gpdu::{Flow, GPdu, Glance, glance, parse_gpdu};
pub use header::{Header, MessageType};
pub use ie::PrivateExtension;
pub use message::{
    EchoRequest, EchoResponse, EndMarker, ErrorIndication, Message, MessageError,
    SupportedExtensionHeadersNotification, TunnelStatus,
};

/// The registered UDP port of GTP-U (TS 29.281, 4.4.2).
pub const UDP_PORT: u16 = 2152;
