//! Signalling messages (TS 29.281, clause 7), owned: they are rare.
//!
//! Reading is forgiving, as every peer may send these unasked: what is not understood is skipped,
//! an element that is given twice counts once, and a message is refused only for lack of what it
//! is about.

use std::net::IpAddr;

use thiserror::Error;

use crate::encode::tunnel_header;
use crate::header::{FLAG_EXTENSION, FLAG_SEQUENCE, VERSION_1};
use crate::ie::{self, Ie, Ies, kind};
use crate::{
    ExtensionType, Header, MessageType, ParseError, PduSessionContainer, PrivateExtension, TooLong,
    set_length,
};

/// How many Private Extensions of a message are kept.
const PRIVATE_EXTENSIONS_MAX: usize = 8;

/// A signalling message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Is the path alive?
    EchoRequest(EchoRequest),
    /// It is.
    EchoResponse(EchoResponse),
    /// A packet came for a tunnel that does not exist.
    ErrorIndication(ErrorIndication),
    /// An extension header was not understood.
    SupportedExtensionHeaders(SupportedExtensionHeadersNotification),
    /// The last packet of a tunnel has been sent.
    EndMarker(EndMarker),
    /// Something about a tunnel that is no packet.
    TunnelStatus(TunnelStatus),
}

/// Echo Request (7.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EchoRequest {
    /// Comes back in the response.
    pub sequence_number: u16,
    /// When the sender started, in seconds as NTP counts them (R17).
    pub recovery_time_stamp: Option<u32>,
    /// What vendors add.
    pub private_extensions: Vec<PrivateExtension>,
}

/// Echo Response (7.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EchoResponse {
    /// That of the request.
    pub sequence_number: u16,
    /// Recovery: 0 to send, and of no meaning to the receiver. `None` if the peer left it out.
    pub recovery: Option<u8>,
    /// When the sender started, in seconds as NTP counts them (R17).
    pub recovery_time_stamp: Option<u32>,
    /// What vendors add.
    pub private_extensions: Vec<PrivateExtension>,
}

/// Error Indication (7.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorIndication {
    /// Of no meaning to the receiver.
    pub sequence_number: u16,
    /// TEID Data I: the tunnel that the packet was sent to.
    pub teid: u32,
    /// GTP-U Peer Address: the address that the packet was sent to.
    pub peer_address: IpAddr,
    /// UDP Port: the port that the packet came from.
    pub udp_port: Option<u16>,
    /// When the sender started, in seconds as NTP counts them (R17).
    pub recovery_time_stamp: Option<u32>,
    /// What vendors add.
    pub private_extensions: Vec<PrivateExtension>,
}

/// Supported Extension Headers Notification (7.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SupportedExtensionHeadersNotification {
    /// Of no meaning to the receiver.
    pub sequence_number: u16,
    /// The types that the sender understands.
    pub types: Vec<ExtensionType>,
}

/// End Marker (7.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndMarker {
    /// The tunnel that ends.
    pub teid: u32,
    /// The QoS flow that leaves the tunnel; without one, all.
    pub container: Option<PduSessionContainer>,
    /// What vendors add.
    pub private_extensions: Vec<PrivateExtension>,
}

/// Tunnel Status (7.3.3, R17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelStatus {
    /// The tunnel it is about.
    pub teid: u32,
    /// Start Pause of Charging.
    pub start_pause_of_charging: bool,
}

/// Why a datagram is not a signalling message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The header cannot be used.
    #[error(transparent)]
    Header(#[from] ParseError),
    /// Not a signalling message of N3 or N9.
    #[error("{0} is no signalling message of GTP-U")]
    Type(MessageType),
    /// What the message is about is not in it.
    #[error("the mandatory information element {0} is missing")]
    Missing(u8),
}

impl Message {
    /// Reads a message from a UDP payload.
    ///
    /// # Errors
    ///
    /// It is not a signalling message, or lacks what it is about.
    pub fn decode(datagram: &[u8]) -> Result<Self, MessageError> {
        let header = Header::parse(datagram)?;
        let elements = Elements::collect(header.payload());
        let sequence_number = header.sequence_number().unwrap_or_default();
        match header.message_type() {
            MessageType::ECHO_REQUEST => Ok(Self::EchoRequest(EchoRequest {
                sequence_number,
                recovery_time_stamp: elements.recovery_time_stamp,
                private_extensions: elements.private_extensions,
            })),
            MessageType::ECHO_RESPONSE => Ok(Self::EchoResponse(EchoResponse {
                sequence_number,
                recovery: elements.recovery,
                recovery_time_stamp: elements.recovery_time_stamp,
                private_extensions: elements.private_extensions,
            })),
            MessageType::ERROR_INDICATION => {
                let missing = MessageError::Missing;
                Ok(Self::ErrorIndication(ErrorIndication {
                    sequence_number,
                    teid: elements.teid.ok_or(missing(kind::TEID_DATA_I))?,
                    peer_address: elements.peer_address.ok_or(missing(kind::PEER_ADDRESS))?,
                    udp_port: udp_port(&header),
                    recovery_time_stamp: elements.recovery_time_stamp,
                    private_extensions: elements.private_extensions,
                }))
            }
            MessageType::SUPPORTED_EXTENSION_HEADERS => {
                let missing = MessageError::Missing(kind::EXTENSION_HEADER_TYPE_LIST);
                let types = elements.types.ok_or(missing)?;
                let message = SupportedExtensionHeadersNotification {
                    sequence_number,
                    types,
                };
                Ok(Self::SupportedExtensionHeaders(message))
            }
            MessageType::END_MARKER => Ok(Self::EndMarker(EndMarker {
                teid: header.teid(),
                container: header.pdu_session_container().unwrap_or_default(),
                private_extensions: elements.private_extensions,
            })),
            MessageType::TUNNEL_STATUS => {
                let missing = MessageError::Missing(kind::TUNNEL_STATUS_INFORMATION);
                let flags = elements.tunnel_status.ok_or(missing)?;
                let start_pause_of_charging = flags & SPOC != 0;
                Ok(Self::TunnelStatus(TunnelStatus {
                    teid: header.teid(),
                    start_pause_of_charging,
                }))
            }
            other => Err(MessageError::Type(other)),
        }
    }

    /// Writes the message as a UDP payload.
    ///
    /// # Errors
    ///
    /// The Private Extensions or the list of types are too long for a message.
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        let mut out = match self {
            Self::EchoRequest(echo) => {
                let mut out = path_header(MessageType::ECHO_REQUEST, echo.sequence_number, None);
                ie::write_recovery_time_stamp(&mut out, echo.recovery_time_stamp);
                ie::write_private(&mut out, &echo.private_extensions)?;
                out
            }
            Self::EchoResponse(echo) => {
                let mut out = path_header(MessageType::ECHO_RESPONSE, echo.sequence_number, None);
                if let Some(counter) = echo.recovery {
                    ie::write_recovery(&mut out, counter);
                }
                ie::write_recovery_time_stamp(&mut out, echo.recovery_time_stamp);
                ie::write_private(&mut out, &echo.private_extensions)?;
                out
            }
            Self::ErrorIndication(error) => {
                let kind = MessageType::ERROR_INDICATION;
                let mut out = path_header(kind, error.sequence_number, error.udp_port);
                ie::write_teid(&mut out, error.teid);
                ie::write_address(&mut out, error.peer_address);
                ie::write_recovery_time_stamp(&mut out, error.recovery_time_stamp);
                ie::write_private(&mut out, &error.private_extensions)?;
                out
            }
            Self::SupportedExtensionHeaders(supported) => {
                let kind = MessageType::SUPPORTED_EXTENSION_HEADERS;
                let mut out = path_header(kind, supported.sequence_number, None);
                ie::write_types(&mut out, &supported.types)?;
                out
            }
            Self::EndMarker(EndMarker {
                teid,
                container,
                private_extensions,
            }) => {
                let header = tunnel_header(MessageType::END_MARKER, *teid, container.as_ref());
                let mut out = header.to_vec();
                ie::write_private(&mut out, private_extensions)?;
                out
            }
            Self::TunnelStatus(status) => {
                let header = tunnel_header(MessageType::TUNNEL_STATUS, status.teid, None);
                let mut out = header.to_vec();
                ie::write_tunnel_status(&mut out, u8::from(status.start_pause_of_charging) * SPOC);
                out
            }
        };
        set_length(&mut out, 0)?;
        Ok(out)
    }
}

impl EchoRequest {
    /// The answer: the same sequence number, and Recovery 0.
    pub fn response(&self, recovery_time_stamp: Option<u32>) -> EchoResponse {
        EchoResponse {
            sequence_number: self.sequence_number,
            recovery: Some(0),
            recovery_time_stamp,
            private_extensions: Vec::new(),
        }
    }
}

impl SupportedExtensionHeadersNotification {
    /// What a UPF tells the sender of an extension header that it must understand and does not.
    pub fn of_upf() -> Self {
        Self {
            sequence_number: 0,
            types: ExtensionType::UNDERSTOOD.to_vec(),
        }
    }
}

/// The most elements of an Error Indication that [`ErrorIndication::subject`] looks at.
const SUBJECT_WITHIN: usize = 16;

impl ErrorIndication {
    /// What an Error Indication is about, from its information elements alone: the first TEID
    /// Data I and GTP-U Peer Address among the first few. Takes no memory.
    pub fn subject(elements: &[u8]) -> Option<(u32, IpAddr)> {
        let (mut teid, mut peer) = (None, None);
        for element in Ies(elements).take(SUBJECT_WITHIN) {
            match element {
                Ie::TeidDataI(number) => _ = teid.get_or_insert(number),
                Ie::PeerAddress(address) => _ = peer.get_or_insert(address),
                _ => {}
            }
        }
        teid.zip(peer)
    }
}

const SPOC: u8 = 0b1;

/// What the elements of a message say, the first of each counting.
#[derive(Default)]
struct Elements {
    recovery: Option<u8>,
    teid: Option<u32>,
    peer_address: Option<IpAddr>,
    types: Option<Vec<ExtensionType>>,
    tunnel_status: Option<u8>,
    recovery_time_stamp: Option<u32>,
    private_extensions: Vec<PrivateExtension>,
}

impl Elements {
    fn collect(payload: &[u8]) -> Self {
        let mut all = Self::default();
        for element in Ies(payload) {
            match element {
                Ie::Recovery(counter) => _ = all.recovery.get_or_insert(counter),
                Ie::TeidDataI(teid) => _ = all.teid.get_or_insert(teid),
                Ie::PeerAddress(address) => _ = all.peer_address.get_or_insert(address),
                Ie::ExtensionHeaderTypes(types) => {
                    let types = || types.iter().map(|&kind| ExtensionType(kind)).collect();
                    all.types.get_or_insert_with(types);
                }
                Ie::TunnelStatus(flags) => _ = all.tunnel_status.get_or_insert(flags),
                Ie::RecoveryTimeStamp(seconds) => {
                    all.recovery_time_stamp.get_or_insert(seconds);
                }
                Ie::PrivateExtension { enterprise, value } => {
                    if all.private_extensions.len() < PRIVATE_EXTENSIONS_MAX {
                        let value = value.to_vec();
                        all.private_extensions
                            .push(PrivateExtension { enterprise, value });
                    }
                }
                Ie::Skipped => {}
            }
        }
        all
    }
}

fn udp_port(header: &Header<'_>) -> Option<u16> {
    let port = header
        .extensions()
        .find(|extension| extension.kind == ExtensionType::UDP_PORT)?;
    port.content
        .first_chunk()
        .map(|&octets| u16::from_be_bytes(octets))
}

/// The header of a message about the path, not a tunnel: TEID 0, and a sequence number.
fn path_header(kind: MessageType, sequence_number: u16, udp_port: Option<u16>) -> Vec<u8> {
    let flags = VERSION_1 | FLAG_SEQUENCE;
    let flags = if udp_port.is_some() {
        flags | FLAG_EXTENSION
    } else {
        flags
    };
    let mut out = vec![flags, kind.0, 0, 0, 0, 0, 0, 0];
    out.extend(sequence_number.to_be_bytes());
    out.push(0);
    if let Some(port) = udp_port {
        out.extend([ExtensionType::UDP_PORT.0, 1]);
        out.extend(port.to_be_bytes());
    }
    out.push(ExtensionType::NONE.0);
    out
}
