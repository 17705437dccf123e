//! Any frame: with or without a VLAN tag, IPv4 options, IPv6 extension headers.

use gtpu::{ParseError, PduType};
use session::{Qfi, SessionIndex, Teid};

use crate::links::{CompiledPort, Links, Local, Segment};
use crate::path::meta::{Fate, Key, Meta, Punt};
use crate::reason::Reason;
use crate::wire;

/// How many IPv6 extension headers in front of UDP are walked.
const EXTENSION_HEADERS_MAX: usize = 4;

const fn drop(reason: Reason) -> Fate {
    Fate::Drop(reason)
}

/// Where the user packet is and what it is looked up by.
///
/// # Errors
/// What becomes of the frame when it goes no further.
#[inline(never)]
pub(super) fn frame(links: &Links, frame: &[u8], meta: &mut Meta<'_>) -> Result<(), Fate> {
    let header: &[u8; 14] = frame.first_chunk().ok_or(drop(Reason::Truncated))?;
    let port = links.compiled(meta.port).ok_or(drop(Reason::UnknownVlan))?;
    let mut segment = port.untagged();
    let [to @ .., _, _, _, _, _, _, high, low] = *header;
    let mut ether_type = u16::from_be_bytes([high, low]);
    meta.network_at = 14;
    if ether_type == wire::VLAN {
        let tag = wire::u32_at(frame, 14)
            .ok_or(drop(Reason::Truncated))?
            .to_be_bytes();
        segment = links.segment(meta.port, wire::vlan(frame));
        ether_type = u16::from_be_bytes([tag[2], tag[3]]);
        meta.network_at = 18;
    }
    let Some(segment) = segment else {
        return ethernet(port, frame, meta);
    };
    if to != port.mac() {
        return Err(not_to_us(frame, to, ether_type, meta));
    }
    match ether_type {
        wire::IPV4 => ipv4(segment, frame, meta),
        wire::IPV6 => ipv6(segment, frame, meta),
        wire::ARP => Err(Fate::Punt(Punt::Arp)),
        _ => Err(drop(Reason::UnknownEtherType)),
    }
}

/// All frames are an Ethernet network's, whoever they are for: a user frame begins behind the tag of
/// the network, with its addresses in front of that.
#[inline(never)]
fn ethernet(port: &CompiledPort, frame: &[u8], meta: &mut Meta<'_>) -> Result<(), Fate> {
    let vlan = wire::vlan(frame);
    let (interface, tagged) = port.bridge(vlan).ok_or(drop(Reason::UnknownVlan))?;
    let length = u16::try_from(frame.len()).map_err(|_| drop(Reason::Scattered))?;
    meta.interface = interface;
    meta.user_at = if tagged { 4 } else { 0 };
    meta.user_length = length - meta.user_at;
    meta.key = match meta.to {
        SessionIndex(0) => Key::Station,
        session => Key::Session(session),
    };
    Ok(())
}

/// To a group of Ethernet addresses only neighbours ask; all else is not for us.
#[cold]
fn not_to_us(frame: &[u8], to: [u8; 6], ether_type: u16, meta: &Meta<'_>) -> Fate {
    let next_header = || frame.get(usize::from(meta.network_at) + 6).copied();
    match ether_type {
        _ if to[0] & 1 == 0 => drop(Reason::ForeignMac),
        wire::ARP => Fate::Punt(Punt::Arp),
        wire::IPV6 if next_header() == Some(wire::ICMPV6) => Fate::Punt(Punt::Icmpv6),
        _ => drop(Reason::Multicast),
    }
}

#[inline]
fn ipv4(segment: &Segment, frame: &[u8], meta: &mut Meta<'_>) -> Result<(), Fate> {
    let at = usize::from(meta.network_at);
    let packet = frame.get(at..).unwrap_or_default();
    let header: &[u8; 20] = packet.first_chunk().ok_or(drop(Reason::Truncated))?;
    let header_length = usize::from(header[0] & 0xf) * 4;
    let total_length = u16::from_be_bytes([header[2], header[3]]);
    let packet = packet
        .get(..usize::from(total_length))
        .ok_or(drop(Reason::Truncated))?;
    if header[0] >> 4 != 4 || header_length < 20 || header_length > packet.len() {
        return Err(drop(Reason::OuterHeader));
    }
    let right = if header_length == 20 {
        wire::ipv4_header_is_right(header)
    } else {
        wire::fold(wire::sum(packet.get(..header_length).unwrap_or_default())) == 0xffff
    };
    if !right {
        return Err(drop(Reason::OuterChecksum));
    }
    let destination = u32::from_be_bytes([header[16], header[17], header[18], header[19]]);
    let Some(local) = segment.local_v4(destination) else {
        meta.interface = segment.n6.ok_or(drop(Reason::NotOurAddress))?;
        meta.key = Key::Ipv4(destination);
        meta.user_at = u16::from(meta.network_at);
        meta.user_length = total_length;
        return Ok(());
    };
    meta.interface = local.interface;
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(fragment(*local));
    }
    let payload = packet.get(header_length..).unwrap_or_default();
    match header[9] {
        wire::UDP => udp(*local, payload, at + header_length, meta),
        wire::ICMP => Err(Fate::Punt(Punt::Icmp)),
        _ => Err(drop(Reason::UnexpectedProtocol)),
    }
}

#[inline]
fn ipv6(segment: &Segment, frame: &[u8], meta: &mut Meta<'_>) -> Result<(), Fate> {
    let at = usize::from(meta.network_at);
    let packet = frame.get(at..).unwrap_or_default();
    let header: &[u8; 40] = packet.first_chunk().ok_or(drop(Reason::Truncated))?;
    let total_length = u16::from_be_bytes([header[4], header[5]]).saturating_add(40);
    let packet = packet
        .get(..usize::from(total_length))
        .ok_or(drop(Reason::Truncated))?;
    if header[0] >> 4 != 6 {
        return Err(drop(Reason::OuterHeader));
    }
    let destination = wire::array(header, 24).map_or(0, u128::from_be_bytes);
    let Some(local) = segment.local_v6(destination) else {
        meta.interface = segment.n6.ok_or(drop(Reason::NotOurAddress))?;
        meta.key = Key::Ipv6;
        meta.user_at = u16::from(meta.network_at);
        meta.user_length = total_length;
        return Ok(());
    };
    meta.interface = local.interface;
    let (protocol, start) = if header[6] == wire::UDP {
        (wire::UDP, 40)
    } else {
        after_extension_headers(*local, packet, header[6])?
    };
    match protocol {
        wire::UDP => {
            let datagram = packet.get(start..).unwrap_or_default();
            check_udp_v6(header, datagram)?;
            udp(*local, datagram, at + start, meta)
        }
        wire::ICMPV6 if start == 40 => Err(Fate::Punt(Punt::Icmpv6)),
        _ => Err(drop(Reason::UnexpectedProtocol)),
    }
}

/// The checksum of a UDP datagram over IPv6.
#[inline(never)]
fn check_udp_v6(header: &[u8; 40], datagram: &[u8]) -> Result<(), Fate> {
    let length = wire::u16_at(datagram, 4).ok_or(drop(Reason::Truncated))?;
    let covered = datagram
        .get(..usize::from(length))
        .ok_or(drop(Reason::OuterHeader))?;
    let [_, _, _, _, _, _, _, _, addresses @ ..] = header;
    let is_there = wire::u16_at(covered, 6).is_some_and(|field| field != 0);
    if is_there && wire::transport_checksum(addresses, wire::UDP, covered) == 0 {
        Ok(())
    } else {
        Err(drop(Reason::OuterChecksum))
    }
}

/// Tunnels' packets are put together; nothing else comes to our addresses in pieces.
#[cold]
const fn fragment(local: Local) -> Fate {
    match local.gtpu_port {
        Some(_) => Fate::Punt(Punt::Fragment),
        None => drop(Reason::OuterFragment),
    }
}

/// Walks hop-by-hop, routing and destination options.
#[cold]
fn after_extension_headers(local: Local, packet: &[u8], first: u8) -> Result<(u8, usize), Fate> {
    let (mut protocol, mut at) = (first, 40);
    for _ in 0..EXTENSION_HEADERS_MAX {
        match protocol {
            0 | 43 | 60 => {
                let [next, units] = wire::array(packet, at).ok_or(drop(Reason::OuterHeader))?;
                protocol = next;
                at += (usize::from(units) + 1) * 8;
            }
            44 => return Err(fragment(local)),
            _ => break,
        }
    }
    Ok((protocol, at))
}

/// `datagram` starts with the UDP header and ends with the IP packet; `at` is its place.
#[inline]
fn udp(local: Local, datagram: &[u8], at: usize, meta: &mut Meta<'_>) -> Result<(), Fate> {
    let header: &[u8; 8] = datagram.first_chunk().ok_or(drop(Reason::Truncated))?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let payload = datagram.get(8..length).ok_or(drop(Reason::OuterHeader))?;
    if local.gtpu_port != Some(u16::from_be_bytes([header[2], header[3]])) {
        return Err(drop(Reason::UnexpectedProtocol));
    }
    let tunnel_at = at + 8;
    meta.tunnel_at = u16::try_from(tunnel_at).unwrap_or(u16::MAX);
    let packet = match gtpu::parse_gpdu(payload) {
        Ok(packet) => packet,
        Err(error) => return Err(refused(error, payload, meta)),
    };
    if packet.payload_length == 0 {
        return Err(drop(Reason::GtpuEmpty));
    }
    meta.key = Key::Tunnel(Teid(packet.teid));
    // On N3 only the radio side's own container says which QoS flow it is (TS 38.415, 5.5.2.2).
    let flow = packet
        .flow
        .filter(|flow| !local.n3 || flow.pdu_type == PduType::Ul);
    meta.qfi = flow.and_then(|flow| Qfi::new(flow.qfi));
    meta.user_at = u16::try_from(tunnel_at + packet.payload_offset).unwrap_or(u16::MAX);
    meta.user_length = u16::try_from(packet.payload_length).unwrap_or(u16::MAX);
    Ok(())
}

#[cold]
fn refused(error: ParseError, datagram: &[u8], meta: &mut Meta<'_>) -> Fate {
    match error {
        ParseError::NotGpdu => Fate::Punt(Punt::Gtpu),
        ParseError::ExtensionUnknown => {
            meta.key = Key::Tunnel(Teid(wire::u32_at(datagram, 4).unwrap_or(0)));
            Fate::Punt(Punt::UnknownExtension)
        }
        ParseError::Version => Fate::Punt(Punt::OtherVersion),
        ParseError::ProtocolType => drop(Reason::GtpuVersion),
        ParseError::TooShort | ParseError::LengthBeyondEnd | ParseError::OptionalFieldsCut => {
            drop(Reason::GtpuLength)
        }
        ParseError::ExtensionCut
        | ParseError::ExtensionLengthZero
        | ParseError::ExtensionsTooMany => drop(Reason::GtpuExtension),
    }
}
