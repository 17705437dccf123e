//! Outer headers made ready at install time: per packet, only lengths are filled in.
//!
//! ```text
//! IPv4 (20) or IPv6 (40) | UDP (8) | GTP-U (8) [ | 0 0 0 0x85 | 1, type|…, PPP|RQI|QFI, 0 ]
//!                                          or [ | 0 0 0 0x85 | 2, type|…, PPP|RQI|QFI, PPI, 0 0 0, 0 ]
//! ```
//! The optional part is the PDU session container (TS 38.415, 5.5.2), written when a QER marks
//! with a QFI.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::id::{Qfi, Teid};
use crate::rule::{Direction, OuterHeaderCreation};

/// UDP port of GTP-U (TS 29.281, 4.4.2).
const GTPU_PORT: u16 = 2152;

/// What a QER writes into the PDU session container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marking {
    pub(super) qfi: Qfi,
    pub(super) rqi: bool,
    pub(super) ppi: Option<u8>,
    pub(super) direction: Option<Direction>,
}

/// An outer header as octets, with lengths of 0. What does not find room is 0, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Encapsulation {
    length: u8,
    octets: [u8; 64],
}

impl Default for Encapsulation {
    fn default() -> Self {
        Self {
            length: 0,
            octets: [0; 64],
        }
    }
}

impl Encapsulation {
    /// A GTP-U header for `creation`, DSCP from `tos`.
    ///
    /// The IPv4 checksum field holds the ones' complement sum (not inverted) of the header with
    /// length and identification 0; the sender adds these and inverts.
    pub(super) fn new(creation: &OuterHeaderCreation, tos: u8, marking: Option<Marking>) -> Self {
        let mut octets = [0; 64];
        let mut length = 0;
        let mut put = |part: &[u8]| {
            for (to, from) in octets.iter_mut().skip(length).zip(part) {
                *to = *from;
            }
            length += part.len();
        };
        match (creation.source, creation.peer) {
            (IpAddr::V4(source), IpAddr::V4(peer)) => put(&ipv4(source, peer, tos)),
            (IpAddr::V6(source), IpAddr::V6(peer)) => put(&ipv6(source, peer, tos)),
            // The control side pairs families; a mixed pair encapsulates nothing.
            _ => return Self::default(),
        }
        let [port_high, port_low] = GTPU_PORT.to_be_bytes();
        put(&[port_high, port_low, port_high, port_low, 0, 0, 0, 0]);
        let flags = if marking.is_some() { 0x34 } else { 0x30 };
        put(&[flags, 0xff, 0, 0]);
        put(&creation.teid.0.to_be_bytes());
        if let Some(marking) = marking {
            let r#type = match marking.direction {
                Some(Direction::Uplink) => 0x10,
                _ => 0,
            };
            let downlink = r#type == 0;
            let rqi = if marking.rqi && downlink { 0x40 } else { 0 };
            let flow = rqi | marking.qfi.get();
            match marking.ppi.filter(|_| downlink) {
                None => put(&[0, 0, 0, 0x85, 1, r#type, flow, 0]),
                Some(ppi) => put(&[0, 0, 0, 0x85, 2, r#type, 0x80 | flow, ppi << 5, 0, 0, 0, 0]),
            }
        }
        Self {
            octets,
            length: u8::try_from(length).unwrap_or(0),
        }
    }

    /// The header; empty when there is none to put in front. What its [`length`](Self::length) is
    /// more, is 0.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        let stored = usize::from(self.length).min(self.octets.len());
        self.octets.get(..stored).unwrap_or_default()
    }

    /// The header if it is IPv4 with a PDU session container.
    #[inline]
    pub fn usual(&self) -> Option<&[u8; 44]> {
        self.octets.first_chunk().filter(|_| self.length == 44)
    }

    /// How long the header is.
    #[inline]
    pub const fn length(&self) -> u16 {
        // Lossless, and `From` is not const.
        u16::from_be_bytes([0, self.length])
    }

    /// Its last octet, which lies in another cache line than what comes before it in a step.
    #[inline]
    pub(super) const fn last(&self) -> &u8 {
        let [.., last] = &self.octets;
        last
    }

    /// Whether the outer header is IPv6.
    #[inline]
    pub const fn is_v6(&self) -> bool {
        self.octets[0] >> 4 == 6
    }

    /// How long the IP header is: UDP begins there.
    #[inline]
    pub const fn ip_length(&self) -> usize {
        if self.is_v6() { 40 } else { 20 }
    }

    /// The peer's TEID and address.
    pub const fn peer(&self) -> Option<(Teid, IpAddr)> {
        if self.length == 0 {
            return None;
        }
        let (_, rest) = self.octets.split_at(if self.is_v6() { 24 } else { 16 });
        let (_, gtp) = self.octets.split_at(self.ip_length() + 12);
        let (Some(teid), Some(v4), Some(v6)) = (
            gtp.first_chunk::<4>(),
            rest.first_chunk::<4>(),
            rest.first_chunk::<16>(),
        ) else {
            return None;
        };
        let address = if self.is_v6() {
            IpAddr::V6(Ipv6Addr::from_octets(*v6))
        } else {
            IpAddr::V4(Ipv4Addr::from_octets(*v4))
        };
        Some((Teid(u32::from_be_bytes(*teid)), address))
    }
}

fn ipv4(source: Ipv4Addr, peer: Ipv4Addr, tos: u8) -> [u8; 20] {
    let mut header = [0; 20];
    let fixed = [0x45, tos, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    let parts = fixed
        .into_iter()
        .chain(source.octets())
        .chain(peer.octets());
    header
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = from);
    let sum: u32 = header
        .chunks_exact(2)
        .map(|word| {
            word.iter()
                .fold(0, |value, octet| value << 8 | u32::from(*octet))
        })
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let [.., high, low] = ((folded & 0xffff) + (folded >> 16)).to_be_bytes();
    (header[10], header[11]) = (high, low);
    header
}

fn ipv6(source: Ipv6Addr, peer: Ipv6Addr, tos: u8) -> [u8; 40] {
    let mut header = [0; 40];
    let fixed = [0x60 | tos >> 4, tos << 4, 0, 0, 0, 0, 17, 64];
    let parts = fixed
        .into_iter()
        .chain(source.octets())
        .chain(peer.octets());
    header
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = from);
    header
}
