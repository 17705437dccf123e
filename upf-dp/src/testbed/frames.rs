//! Frames and packets to feed the test bed with.

use std::net::{Ipv4Addr, Ipv6Addr};

use session::Teid;

use super::{GNB, MAC_GATEWAY, MAC_GNB, MAC_N3, MAC_N6, N3_ADDRESS};
use crate::wire;

/// Writes the checksum of an IPv4 header, which `header` is the whole of.
pub fn set_ipv4_checksum(header: &mut [u8]) {
    wire::set_ipv4_checksum(header);
}

/// A UDP packet with a payload of that length.
pub fn user_v4(source: Ipv4Addr, destination: Ipv4Addr, payload: usize) -> Vec<u8> {
    let total = (28 + payload) as u16;
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, wire::UDP, 0, 0];
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet.extend(source.octets());
    packet.extend(destination.octets());
    wire::set_ipv4_checksum(&mut packet);
    packet.extend([0x30, 0x39, 0, 80]);
    packet.extend(((8 + payload) as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend((0..payload).map(|n| n as u8));
    packet
}

/// An IPv6 UDP packet with a payload of that length.
pub fn user_v6(source: Ipv6Addr, destination: Ipv6Addr, payload: usize) -> Vec<u8> {
    let length = ((8 + payload) as u16).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], wire::UDP, 64];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend([0x30, 0x39, 0, 80, length[0], length[1], 0, 0]);
    packet.extend((0..payload).map(|n| n as u8));
    packet
}

/// A UDP datagram to port 2152.
pub fn datagram_v4(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = user_v4(source, destination, payload.len());
    packet[20..24].copy_from_slice(&[0x08, 0x68, 0x08, 0x68]);
    packet[28..].copy_from_slice(payload);
    packet
}

/// The same over IPv6, with its checksum.
pub fn datagram_v6(source: Ipv6Addr, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = user_v6(source, destination, payload.len());
    packet[40..44].copy_from_slice(&[0x08, 0x68, 0x08, 0x68]);
    packet[48..].copy_from_slice(payload);
    let checksum = wire::transport_checksum(&packet[8..40], wire::UDP, &packet[40..]);
    packet[46..48].copy_from_slice(&wire::udp_checksum_field(checksum));
    packet
}

/// A G-PDU, with a PDU session container of the uplink when a QFI is given.
pub fn gpdu(teid: Teid, qfi: Option<u8>, user: &[u8]) -> Vec<u8> {
    let options = qfi.map_or(Vec::new(), |qfi| vec![0, 0, 0, 0x85, 1, 0x10, qfi, 0]);
    let mut message = vec![if qfi.is_some() { 0x34 } else { 0x30 }, 255];
    message.extend(((options.len() + user.len()) as u16).to_be_bytes());
    message.extend(teid.0.to_be_bytes());
    message.extend(options);
    message.extend(user);
    message
}

/// An Ethernet frame.
pub fn frame(to: [u8; 6], from: [u8; 6], vlan: Option<u16>, packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet.first().is_some_and(|first| first >> 4 == 6) {
        wire::IPV6
    } else {
        wire::IPV4
    };
    ethernet(to, from, vlan, ether_type, packet)
}

/// An Ethernet frame of that type.
pub fn ethernet(
    to: [u8; 6],
    from: [u8; 6],
    vlan: Option<u16>,
    ether_type: u16,
    packet: &[u8],
) -> Vec<u8> {
    let mut frame = [to, from].concat();
    if let Some(vlan) = vlan {
        frame.extend(wire::VLAN.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(packet);
    frame
}

/// A frame of the gNB with a G-PDU.
pub fn uplink(teid: Teid, user: &[u8]) -> Vec<u8> {
    frame(
        MAC_N3,
        MAC_GNB,
        None,
        &datagram_v4(GNB, N3_ADDRESS, &gpdu(teid, Some(9), user)),
    )
}

/// A frame of the N6 gateway with a user packet.
pub fn downlink(user: &[u8]) -> Vec<u8> {
    frame(MAC_N6, MAC_GATEWAY, None, user)
}
