//! Packets, built and taken apart octet by octet.
//!
//! The packet path has its own code for all this; that the simulator shares none of it is the
//! point: a mistake would have to be made twice to go unseen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A MAC address.
pub type Mac = [u8; 6];

/// The MAC address of all stations.
pub const BROADCAST: Mac = [0xff; 6];

/// Ethertype of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// Ethertype of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// Ethertype of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Ethertype of a C-TAG.
const ETHERTYPE_VLAN: u16 = 0x8100;

/// Protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;
/// Protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// Protocol number of `ICMPv6`.
pub const PROTOCOL_ICMPV6: u8 = 58;

/// The hop limit (TTL) that simulated hosts send with.
pub const HOP_LIMIT: u8 = 64;

/// The length of something that never exceeds 65,535 octets here.
pub(crate) fn length16(octets: usize) -> u16 {
    u16::try_from(octets).unwrap_or(u16::MAX)
}

fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk().copied()
}

pub(crate) fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    array(octets, at).map(u16::from_be_bytes)
}

pub(crate) fn read_u32(octets: &[u8], at: usize) -> Option<u32> {
    array(octets, at).map(u32::from_be_bytes)
}

pub(crate) fn read_mac(octets: &[u8], at: usize) -> Option<Mac> {
    array(octets, at)
}

pub(crate) fn read_ipv4(octets: &[u8], at: usize) -> Option<Ipv4Addr> {
    array::<4>(octets, at).map(Ipv4Addr::from)
}

pub(crate) fn read_ipv6(octets: &[u8], at: usize) -> Option<Ipv6Addr> {
    array::<16>(octets, at).map(Ipv6Addr::from)
}

/// Overwrites octets that are known to be there.
pub(crate) fn patch(octets: &mut [u8], at: usize, value: &[u8]) {
    if let Some(slot) = octets.get_mut(at..at + value.len()) {
        slot.copy_from_slice(value);
    }
}

/// A running Internet checksum (RFC 1071).
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum(u64);

impl Checksum {
    /// Adds octets; an odd number of them only at the end.
    #[must_use]
    pub fn with(mut self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks::<2>();
        self.0 += words
            .iter()
            .map(|word| u64::from(u16::from_be_bytes(*word)))
            .sum::<u64>();
        if let [last] = rest {
            self.0 += u64::from(*last) << 8;
        }
        self
    }

    /// Adds the pseudo header of RFC 768 or RFC 8200.
    #[must_use]
    pub fn pseudo_header(
        self,
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        length: usize,
    ) -> Self {
        let with_addresses = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.with(&source.octets()).with(&destination.octets())
            }
            (source, destination) => self.with(&octets6(source)).with(&octets6(destination)),
        };
        with_addresses
            .with(&[0, protocol])
            .with(&length16(length).to_be_bytes())
    }

    /// The checksum over what was added.
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let [.., high, low] = sum.to_be_bytes();
        !u16::from_be_bytes([high, low])
    }
}

fn octets6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Builds an Ethernet frame.
pub fn ethernet(
    destination: Mac,
    source: Mac,
    vlan: Option<u16>,
    ethertype: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(18 + payload.len());
    frame.extend_from_slice(&destination);
    frame.extend_from_slice(&source);
    if let Some(vlan) = vlan {
        frame.extend_from_slice(&ETHERTYPE_VLAN.to_be_bytes());
        frame.extend_from_slice(&vlan.to_be_bytes());
    }
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Builds the Ethernet frame of an IP packet.
pub fn ethernet_ip(destination: Mac, source: Mac, vlan: Option<u16>, packet: &[u8]) -> Vec<u8> {
    let is_ipv6 = packet.first().is_some_and(|first| first >> 4 == 6);
    let ethertype = if is_ipv6 {
        ETHERTYPE_IPV6
    } else {
        ETHERTYPE_IPV4
    };
    ethernet(destination, source, vlan, ethertype, packet)
}

/// Builds an IP packet. Addresses of unlike families make an IPv6 packet of mapped addresses.
pub fn ip(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = Vec::with_capacity(40 + payload.len());
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&length16(20 + payload.len()).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 0, hop_limit, protocol, 0, 0]);
            packet.extend_from_slice(&source.octets());
            packet.extend_from_slice(&destination.octets());
            let checksum = Checksum::default().with(&packet).finish();
            patch(&mut packet, 10, &checksum.to_be_bytes());
        }
        (source, destination) => {
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&length16(payload.len()).to_be_bytes());
            packet.extend_from_slice(&[protocol, hop_limit]);
            packet.extend_from_slice(&octets6(source));
            packet.extend_from_slice(&octets6(destination));
        }
    }
    packet.extend_from_slice(payload);
    packet
}

/// One end of a UDP flow.
pub type Endpoint = (IpAddr, u16);

/// Builds an IP packet with a UDP datagram and a right checksum.
pub fn udp(source: Endpoint, destination: Endpoint, payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len();
    let mut datagram = Vec::with_capacity(length);
    datagram.extend_from_slice(&source.1.to_be_bytes());
    datagram.extend_from_slice(&destination.1.to_be_bytes());
    datagram.extend_from_slice(&length16(length).to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    let sum = Checksum::default().pseudo_header(source.0, destination.0, PROTOCOL_UDP, length);
    // Zero would say that there is none.
    let checksum = match sum.with(&datagram).finish() {
        0 => u16::MAX,
        checksum => checksum,
    };
    patch(&mut datagram, 6, &checksum.to_be_bytes());
    ip(source.0, destination.0, PROTOCOL_UDP, HOP_LIMIT, &datagram)
}

/// Takes a hop off an IP packet, as a router does: TTL or hop limit, and the header's checksum by
/// the difference (RFC 1624), so that a wrong one stays wrong.
pub fn take_hop(packet: &mut [u8]) {
    match packet.first().map(|first| first >> 4) {
        Some(4) => {
            let (Some(before), Some(checksum)) = (read_u16(packet, 8), read_u16(packet, 10)) else {
                return;
            };
            if let Some(ttl) = packet.get_mut(8) {
                *ttl = ttl.saturating_sub(1);
            }
            let after = read_u16(packet, 8).unwrap_or(before);
            let sum = Checksum::default()
                .with(&(!checksum).to_be_bytes())
                .with(&(!before).to_be_bytes())
                .with(&after.to_be_bytes());
            patch(packet, 10, &sum.finish().to_be_bytes());
        }
        Some(6) => {
            if let Some(hop_limit) = packet.get_mut(7) {
                *hop_limit = hop_limit.saturating_sub(1);
            }
        }
        _ => {}
    }
}

/// An Ethernet frame, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet<'a> {
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// The VLAN identifier, if there is a tag.
    pub vlan: Option<u16>,
    /// What follows.
    pub ethertype: u16,
    /// What follows.
    pub payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    /// Reads a frame.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let outer = read_u16(frame, 12)?;
        let tagged = outer == ETHERTYPE_VLAN;
        let vlan = if tagged {
            Some(read_u16(frame, 14)? & 0x0fff)
        } else {
            None
        };
        let at = if tagged { 16 } else { 12 };
        Some(Self {
            destination: read_mac(frame, 0)?,
            source: read_mac(frame, 6)?,
            vlan,
            ethertype: read_u16(frame, at)?,
            payload: frame.get(at + 2..)?,
        })
    }
}

impl<'a> Ethernet<'a> {
    /// The IP packet, if there is one of the version that the ethertype says.
    pub fn ip(&self) -> Option<Ip<'a>> {
        let ip = Ip::parse(self.payload)?;
        let ethertype = if ip.source.is_ipv4() {
            ETHERTYPE_IPV4
        } else {
            ETHERTYPE_IPV6
        };
        (ethertype == self.ethertype).then_some(ip)
    }
}

/// An IP packet, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip<'a> {
    /// From whom.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// The protocol behind the header and, for IPv6, its extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Whether this is not the whole packet.
    pub is_fragment: bool,
    /// All of the packet, without what pads the frame behind it.
    pub packet: &'a [u8],
    /// What follows the headers.
    pub payload: &'a [u8],
}

impl<'a> Ip<'a> {
    /// Reads a packet; `None` if it is not IP or is cut short.
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        match octets.first()? >> 4 {
            4 => Self::parse_ipv4(octets),
            6 => Self::parse_ipv6(octets),
            _ => None,
        }
    }

    fn parse_ipv4(octets: &'a [u8]) -> Option<Self> {
        let header_octets = usize::from(octets.first()? & 0x0f) * 4;
        let packet = octets.get(..usize::from(read_u16(octets, 2)?))?;
        if header_octets < 20 {
            return None;
        }
        Some(Self {
            source: read_ipv4(packet, 12)?.into(),
            destination: read_ipv4(packet, 16)?.into(),
            protocol: *packet.get(9)?,
            hop_limit: *packet.get(8)?,
            is_fragment: read_u16(packet, 6)? & 0x3fff != 0,
            packet,
            payload: packet.get(header_octets..)?,
        })
    }

    fn parse_ipv6(octets: &'a [u8]) -> Option<Self> {
        let packet = octets.get(..40 + usize::from(read_u16(octets, 4)?))?;
        let mut protocol = *packet.get(6)?;
        let mut payload = packet.get(40..)?;
        let mut is_fragment = false;
        // Hop-by-hop, routing, fragment, destination options.
        while matches!(protocol, 0 | 43 | 44 | 60) {
            let octets = if protocol == 44 {
                is_fragment |= read_u16(payload, 2)? & 0xfff9 != 0;
                8
            } else {
                8 + usize::from(*payload.get(1)?) * 8
            };
            protocol = *payload.first()?;
            payload = payload.get(octets..)?;
        }
        Some(Self {
            source: read_ipv6(packet, 8)?.into(),
            destination: read_ipv6(packet, 24)?.into(),
            protocol,
            hop_limit: *packet.get(7)?,
            is_fragment,
            packet,
            payload,
        })
    }

    /// Whether the header checksum of an IPv4 packet is right. IPv6 has none.
    pub fn has_valid_checksum(&self) -> bool {
        let header_octets = self.packet.len() - self.payload.len();
        self.source.is_ipv6()
            || self
                .packet
                .get(..header_octets)
                .is_some_and(|header| Checksum::default().with(header).finish() == 0)
    }
}

/// A UDP datagram, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp<'a> {
    /// From which port.
    pub source: u16,
    /// To which port.
    pub destination: u16,
    /// The checksum; zero if there is none.
    pub checksum: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> Udp<'a> {
    /// Reads a datagram; `None` if it is cut short.
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        let octets = octets.get(..usize::from(read_u16(octets, 4)?))?;
        Some(Self {
            source: read_u16(octets, 0)?,
            destination: read_u16(octets, 2)?,
            checksum: read_u16(octets, 6)?,
            payload: octets.get(8..)?,
        })
    }
}

/// Whether the UDP checksum inside an IP packet is right, or absent where it may be.
pub fn has_valid_udp_checksum(packet: &Ip<'_>) -> bool {
    match Udp::parse(packet.payload) {
        Some(Udp { checksum: 0, .. }) => packet.source.is_ipv4(),
        Some(udp) => {
            let length = 8 + udp.payload.len();
            let octets = packet.payload.get(..length).unwrap_or_default();
            let sum = Checksum::default().pseudo_header(
                packet.source,
                packet.destination,
                PROTOCOL_UDP,
                length,
            );
            sum.with(octets).finish() == 0
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: (IpAddr, IpAddr) = (
        IpAddr::V4(Ipv4Addr::new(10, 45, 0, 2)),
        IpAddr::V4(Ipv4Addr::new(10, 10, 6, 1)),
    );
    const V6: (IpAddr, IpAddr) = (
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 1, 0, 0, 0, 2)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1)),
    );

    #[test]
    fn what_is_built_is_what_etherparse_builds() {
        for payload in [&b"odd"[..], b"even", b""] {
            let (IpAddr::V4(source), IpAddr::V4(destination)) = V4 else {
                unreachable!()
            };
            let builder =
                etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64);
            let mut expected = Vec::new();
            builder
                .udp(5555, 9000)
                .write(&mut expected, payload)
                .unwrap();
            // etherparse sets DF; a host need not.
            expected[6] = 0;
            patch(&mut expected, 10, &[0, 0]);
            let sum = Checksum::default().with(&expected[..20]).finish();
            patch(&mut expected, 10, &sum.to_be_bytes());
            assert_eq!(udp((V4.0, 5555), (V4.1, 9000), payload), expected);

            let (IpAddr::V6(source), IpAddr::V6(destination)) = V6 else {
                unreachable!()
            };
            let builder =
                etherparse::PacketBuilder::ipv6(source.octets(), destination.octets(), 64);
            let mut expected = Vec::new();
            builder
                .udp(5555, 9000)
                .write(&mut expected, payload)
                .unwrap();
            assert_eq!(udp((V6.0, 5555), (V6.1, 9000), payload), expected);
        }
    }

    #[test]
    fn a_packet_reads_back_and_its_checksums_are_checked() {
        for (source, destination) in [V4, V6] {
            let mut packet = udp((source, 1), (destination, 2), b"payload");
            packet.extend_from_slice(b"padding");
            let ip = Ip::parse(&packet).unwrap();
            assert_eq!(
                (ip.source, ip.destination, ip.protocol),
                (source, destination, PROTOCOL_UDP)
            );
            assert!(!ip.is_fragment && ip.has_valid_checksum() && has_valid_udp_checksum(&ip));
            assert_eq!(Udp::parse(ip.payload).unwrap().payload, b"payload");

            let last = ip.packet.len() - 1;
            packet[last] ^= 1;
            assert!(!has_valid_udp_checksum(&Ip::parse(&packet).unwrap()));
        }
    }

    #[test]
    fn a_hop_costs_one_and_leaves_a_valid_header() {
        for (source, destination) in [V4, V6] {
            let mut packet = udp((source, 1), (destination, 2), b"payload");
            take_hop(&mut packet);
            let ip = Ip::parse(&packet).unwrap();
            assert_eq!(ip.hop_limit, HOP_LIMIT - 1);
            assert!(ip.has_valid_checksum() && has_valid_udp_checksum(&ip));
        }
        let mut wrong = udp((V4.0, 1), (V4.1, 2), b"payload");
        patch(&mut wrong, 10, &[0x12, 0x34]);
        take_hop(&mut wrong);
        assert!(
            !Ip::parse(&wrong).unwrap().has_valid_checksum(),
            "a router hides no damage"
        );
    }

    #[test]
    fn a_frame_with_and_without_a_tag_reads_back() {
        for vlan in [None, Some(109)] {
            let frame = ethernet_ip([1; 6], [2; 6], vlan, &udp((V6.0, 1), (V6.1, 2), b""));
            let ethernet = Ethernet::parse(&frame).unwrap();
            assert_eq!((ethernet.vlan, ethernet.ethertype), (vlan, ETHERTYPE_IPV6));
            assert!(Ip::parse(ethernet.payload).is_some());
        }
        assert_eq!(Ethernet::parse(&[0; 13]), None);
    }
}
