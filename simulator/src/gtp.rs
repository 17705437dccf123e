//! GTP-U (TS 29.281) as gNBs speak it: built, and read back strictly.

use crate::net::{length16, read_u16, read_u32};

/// The UDP port of GTP-U.
pub const PORT: u16 = 2152;

/// Message type of an Echo Request.
pub const ECHO_REQUEST: u8 = 1;
/// Message type of an Echo Response.
pub const ECHO_RESPONSE: u8 = 2;
/// Message type of an Error Indication.
pub const ERROR_INDICATION: u8 = 26;
/// Message type of an End Marker.
pub const END_MARKER: u8 = 254;
/// Message type of a G-PDU.
pub const G_PDU: u8 = 255;

/// Extension header type of the PDU Session Container.
const PDU_SESSION_CONTAINER: u8 = 0x85;

const FLAG_EXTENSION: u8 = 1 << 2;
const FLAG_SEQUENCE: u8 = 1 << 1;
const FLAG_NPDU: u8 = 1;

/// The PDU Session Container (TS 38.415): what every N3 packet has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// Zero: downlink, one: uplink.
    pub pdu_type: u8,
    /// The QoS flow.
    pub qfi: u8,
}

impl Container {
    /// That of an uplink packet.
    pub const fn uplink(qfi: u8) -> Self {
        Self { pdu_type: 1, qfi }
    }

    /// That of a downlink packet.
    pub const fn downlink(qfi: u8) -> Self {
        Self { pdu_type: 0, qfi }
    }
}

/// Why octets are not a GTP-U message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum GtpError {
    /// Cut short.
    #[error("shorter than its header")]
    Short,
    /// Not version 1.
    #[error("version {0}")]
    Version(u8),
    /// GTP', the charging protocol.
    #[error("GTP'")]
    Prime,
    /// The length runs past the end.
    #[error("length {0} runs past the end")]
    Length(u16),
    /// An extension header of length zero or past the end.
    #[error("extension header {0:#04x} is malformed")]
    Extension(u8),
}

/// A GTP-U message, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gtp<'a> {
    /// The message type.
    pub message_type: u8,
    /// The tunnel.
    pub teid: u32,
    /// The sequence number, if the S flag is set.
    pub sequence: Option<u16>,
    /// The PDU Session Container, if there is one.
    pub container: Option<Container>,
    /// The types of all extension headers, in their order.
    pub extensions: Vec<u8>,
    /// What follows the headers.
    pub payload: &'a [u8],
}

impl<'a> Gtp<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// When it is not GTP-U version 1, or malformed.
    pub fn parse(octets: &'a [u8]) -> Result<Self, GtpError> {
        let [flags, message_type, ..] = *octets else {
            return Err(GtpError::Short);
        };
        match flags >> 5 {
            1 => {}
            version => return Err(GtpError::Version(version)),
        }
        if flags & 0x10 == 0 {
            return Err(GtpError::Prime);
        }
        let length = read_u16(octets, 2).ok_or(GtpError::Short)?;
        let teid = read_u32(octets, 4).ok_or(GtpError::Short)?;
        let end = 8 + usize::from(length);
        let body = octets.get(8..end).ok_or(GtpError::Length(length))?;
        let mut gtp = Self {
            message_type,
            teid,
            sequence: None,
            container: None,
            extensions: Vec::new(),
            payload: body,
        };
        if flags & (FLAG_EXTENSION | FLAG_SEQUENCE | FLAG_NPDU) != 0 {
            let ([s1, s2, _npdu, next], rest) =
                body.split_first_chunk().ok_or(GtpError::Length(length))?;
            gtp.sequence = (flags & FLAG_SEQUENCE != 0).then(|| u16::from_be_bytes([*s1, *s2]));
            gtp.payload = rest;
            if flags & FLAG_EXTENSION != 0 {
                gtp.parse_extensions(*next)?;
            }
        }
        Ok(gtp)
    }

    fn parse_extensions(&mut self, first: u8) -> Result<(), GtpError> {
        let mut next = first;
        while next != 0 {
            let malformed = GtpError::Extension(next);
            let units = *self.payload.first().ok_or(malformed)?;
            let (header, rest) = self
                .payload
                .split_at_checked(usize::from(units) * 4)
                .ok_or(malformed)?;
            let [_, content @ .., after] = header else {
                return Err(malformed);
            };
            if next == PDU_SESSION_CONTAINER
                && let [kind, flow, ..] = content
            {
                self.container = Some(Container {
                    pdu_type: kind >> 4,
                    qfi: flow & 0x3f,
                });
            }
            self.extensions.push(next);
            self.payload = rest;
            next = *after;
        }
        Ok(())
    }
}

/// Builds a message: header, container, payload.
pub fn message(
    message_type: u8,
    teid: u32,
    container: Option<Container>,
    payload: &[u8],
) -> Vec<u8> {
    let mut octets = Vec::with_capacity(16 + payload.len());
    let extra = if container.is_some() { 8 } else { 0 };
    octets.push(
        0x30 | if container.is_some() {
            FLAG_EXTENSION
        } else {
            0
        },
    );
    octets.push(message_type);
    octets.extend_from_slice(&length16(extra + payload.len()).to_be_bytes());
    octets.extend_from_slice(&teid.to_be_bytes());
    if let Some(Container { pdu_type, qfi }) = container {
        octets.extend_from_slice(&[0, 0, 0, PDU_SESSION_CONTAINER]);
        octets.extend_from_slice(&[1, pdu_type << 4, qfi & 0x3f, 0]);
    }
    octets.extend_from_slice(payload);
    octets
}

/// Builds an Echo Request, or the response to one.
pub fn echo(message_type: u8, sequence: u16) -> Vec<u8> {
    let recovery: &[u8] = if message_type == ECHO_RESPONSE {
        &[14, 0]
    } else {
        &[]
    };
    let mut octets = vec![0x30 | FLAG_SEQUENCE, message_type];
    octets.extend_from_slice(&length16(4 + recovery.len()).to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(&sequence.to_be_bytes());
    octets.extend_from_slice(&[0, 0]);
    octets.extend_from_slice(recovery);
    octets
}

/// Builds an Error Indication: somebody sent to `teid` at `address`, and there is no such tunnel.
pub fn error_indication(teid: u32, address: std::net::IpAddr) -> Vec<u8> {
    let mut elements = vec![16];
    elements.extend_from_slice(&teid.to_be_bytes());
    elements.push(133);
    match address {
        std::net::IpAddr::V4(address) => {
            elements.extend_from_slice(&[0, 4]);
            elements.extend_from_slice(&address.octets());
        }
        std::net::IpAddr::V6(address) => {
            elements.extend_from_slice(&[0, 16]);
            elements.extend_from_slice(&address.octets());
        }
    }
    let mut octets = vec![0x30 | FLAG_SEQUENCE, ERROR_INDICATION];
    octets.extend_from_slice(&length16(4 + elements.len()).to_be_bytes());
    octets.extend_from_slice(&[0; 8]);
    octets.extend_from_slice(&elements);
    octets
}

/// What an Error Indication says: the TEID that is not known, and at which address.
pub fn read_error_indication(gtp: &Gtp<'_>) -> Option<(u32, std::net::IpAddr)> {
    let [16, t1, t2, t3, t4, 133, rest @ ..] = gtp.payload else {
        return None;
    };
    let teid = u32::from_be_bytes([*t1, *t2, *t3, *t4]);
    let address = match rest {
        [0, 4, rest @ ..] => crate::net::read_ipv4(rest, 0)?.into(),
        [0, 16, rest @ ..] => crate::net::read_ipv6(rest, 0)?.into(),
        _ => return None,
    };
    Some((teid, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back() {
        for container in [
            None,
            Some(Container::uplink(9)),
            Some(Container::downlink(63)),
        ] {
            let octets = message(G_PDU, 0x0001_881d, container, b"inner");
            let gtp = Gtp::parse(&octets).unwrap();
            assert_eq!(
                (gtp.message_type, gtp.teid, gtp.container),
                (G_PDU, 0x0001_881d, container)
            );
            assert_eq!(gtp.payload, b"inner");
            for short in 0..octets.len() - 1 {
                assert!(Gtp::parse(&octets[..short]).is_err(), "{short}");
            }
        }
    }

    #[test]
    fn a_recorded_header_reads_as_wireshark_reads_it() {
        // G-PDU, QFI 1, uplink: captures/open5gs-smf/est_ipv4.n3.pcap, frame 3.
        let octets = [
            0x34, 0xff, 0, 8, 0, 1, 0x88, 0x1d, 0, 0, 0, 0x85, 1, 0x10, 1, 0,
        ];
        let gtp = Gtp::parse(&octets).unwrap();
        assert_eq!(
            (gtp.teid, gtp.container),
            (0x1881d, Some(Container::uplink(1)))
        );
        assert_eq!(
            message(G_PDU, 0x1881d, Some(Container::uplink(1)), b""),
            octets
        );
    }

    #[test]
    fn what_is_not_gtp_u_says_why() {
        assert_eq!(
            Gtp::parse(&[0x48, 1, 0, 0, 0, 0, 0, 0]),
            Err(GtpError::Version(2))
        );
        assert_eq!(
            Gtp::parse(&[0x0e, 1, 0, 0, 0, 0, 0, 0]),
            Err(GtpError::Version(0))
        );
        assert_eq!(
            Gtp::parse(&[0x2e, 1, 0, 0, 0, 0, 0, 0]),
            Err(GtpError::Prime)
        );
        assert_eq!(
            Gtp::parse(&[0x30, 255, 0, 9, 0, 0, 0, 0]),
            Err(GtpError::Length(9))
        );
        let loops = [0x34, 255, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0x85, 0, 0, 0, 0];
        assert_eq!(Gtp::parse(&loops), Err(GtpError::Extension(0x85)));
    }

    #[test]
    fn an_error_indication_reads_back() {
        for address in ["10.10.3.7", "2001:db8:3::7"] {
            let address = address.parse().unwrap();
            let octets = error_indication(7, address);
            let gtp = Gtp::parse(&octets).unwrap();
            assert_eq!(read_error_indication(&gtp), Some((7, address)));
        }
    }
}
