//! ICMPv6: neighbour discovery (RFC 4861) and echo (RFC 4443).
//!
//! ```text
//! NS, NA:  0: type | 1: 0 | 2: checksum | 4: flags | 8: target (16) | 24: option, 8 octets: 1 or 2 | 1 | MAC
//! ```

use std::net::Ipv6Addr;

use session::meter::Now;

use super::{BROKEN, Outcome, TOO_MANY, UNANSWERED, turn_round};
use crate::packet::Packet;
use crate::path::{Meta, Path, is_host};
use crate::wire;

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
pub(super) const SOLICITATION: u8 = 135;
pub(super) const ADVERTISEMENT: u8 = 136;
/// The option with the sender's Ethernet address.
pub(super) const SOURCE_MAC: u8 = 1;
/// The option with the target's Ethernet address.
pub(super) const TARGET_MAC: u8 = 2;
/// How many options are looked at.
const OPTIONS_MAX: usize = 8;
/// Octets of a solicitation or advertisement with its one option.
pub(super) const LENGTH: usize = 32;
/// Of an advertisement: from a router, and it overrides what was known.
const ROUTER_OVERRIDE: u8 = 0xa0;
const SOLICITED: u8 = 0x40;

/// Where from, where to.
pub(super) type Addresses = (Ipv6Addr, Ipv6Addr);

impl<P: Packet> Path<P> {
    pub(super) fn icmpv6(&mut self, packet: &mut P, meta: &Meta<'_>, now: Now) -> Option<Outcome> {
        let at = usize::from(meta.network_at);
        let header: [u8; 40] = wire::array(packet.data(), at)?;
        let length = usize::from(wire::u16_at(&header, 4)?);
        let message = packet.data().get(at + 40..at + 40 + length)?;
        let kind = *message.first()?;
        if kind == ECHO_REQUEST && !self.may_answer_ping(meta.port, now) {
            return Some(TOO_MANY);
        }
        if wire::transport_checksum(header.get(8..)?, wire::ICMPV6, message) != 0 {
            return Some(BROKEN);
        }
        match kind {
            ECHO_REQUEST => self.echo_v6(packet, meta, &header),
            SOLICITATION => self.solicitation(packet, meta, &header, now),
            ADVERTISEMENT => self.advertisement(packet, meta, &header),
            // Errors about our own packets, router advertisements and the like.
            _ => Some(Outcome::Consumed),
        }
    }

    fn echo_v6(&self, packet: &mut P, meta: &Meta<'_>, header: &[u8; 40]) -> Option<Outcome> {
        let (source, destination) = addresses(header)?;
        let at = usize::from(meta.network_at);
        let vlan = wire::vlan(packet.data());
        let segment = self.links.segment(meta.port, vlan)?;
        if segment.local(destination.into()).is_none() {
            return Some(UNANSWERED);
        }
        if !is_host(source.into()) {
            return Some(BROKEN);
        }
        let length = usize::from(wire::u16_at(header, 4)?);
        packet.forget_offloads();
        if !packet.resize(at + 40 + length) {
            return Some(BROKEN);
        }
        let mac = self.links.port(meta.port)?.mac;
        let frame = packet.data_mut();
        turn_round(frame, mac)?;
        let ip = frame.get_mut(at..)?;
        wire::put(ip, 40, [ECHO_REPLY])?;
        finish(ip, (destination, source), 64)?;
        Some(Outcome::Answered)
    }

    fn solicitation(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        header: &[u8; 40],
        now: Now,
    ) -> Option<Outcome> {
        let (source, _) = addresses(header)?;
        let at = usize::from(meta.network_at);
        let vlan = wire::vlan(packet.data());
        let message = packet.data().get(at + 40..)?;
        let target = Ipv6Addr::from_octets(wire::array(message, 8)?);
        if header[7] != 255 || target.is_multicast() {
            return Some(BROKEN);
        }
        let sender_mac: [u8; 6] = wire::array(packet.data(), 6)?;
        let mac_option = option(message.get(24..)?, SOURCE_MAC);
        if let Some(mac) = mac_option {
            self.learn(meta, vlan, source.into(), mac);
        }
        let is_probe = source.is_unspecified();
        if source == target || !self.answers_for(meta, vlan, target.into(), is_probe) {
            return Some(UNANSWERED);
        }
        if !self.may_answer_neighbour(meta.port, now) {
            return Some(TOO_MANY);
        }
        // A host that asks whether an address is free has none of its own yet.
        let (to, flags) = if is_probe {
            (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), ROUTER_OVERRIDE)
        } else {
            (source, ROUTER_OVERRIDE | SOLICITED)
        };
        let to_mac = if is_probe {
            [0x33, 0x33, 0, 0, 0, 1]
        } else {
            sender_mac
        };
        let mac = self.links.port(meta.port)?.mac;
        packet.forget_offloads();
        if !packet.resize(at + 40 + LENGTH) {
            return Some(BROKEN);
        }
        let frame = packet.data_mut();
        wire::put(frame, 0, to_mac)?;
        wire::put(frame, 6, mac)?;
        let ip = frame.get_mut(at..)?;
        put(
            ip,
            (target, to),
            (ADVERTISEMENT, flags),
            target,
            (TARGET_MAC, mac),
        )?;
        Some(Outcome::Answered)
    }

    fn advertisement(&self, packet: &P, meta: &Meta<'_>, header: &[u8; 40]) -> Option<Outcome> {
        let vlan = wire::vlan(packet.data());
        let message = packet.data().get(usize::from(meta.network_at) + 40..)?;
        let target = Ipv6Addr::from_octets(wire::array(message, 8)?);
        if header[7] != 255 {
            return Some(BROKEN);
        }
        if let Some(mac) = option(message.get(24..)?, TARGET_MAC) {
            self.learn(meta, vlan, target.into(), mac);
        }
        Some(Outcome::Consumed)
    }
}

fn addresses(header: &[u8; 40]) -> Option<Addresses> {
    let source = Ipv6Addr::from_octets(wire::array(header, 8)?);
    let destination = Ipv6Addr::from_octets(wire::array(header, 24)?);
    Some((source, destination))
}

/// The Ethernet address in an option.
fn option(mut options: &[u8], wanted: u8) -> Option<[u8; 6]> {
    for _ in 0..OPTIONS_MAX {
        let [kind, units] = wire::array(options, 0)?;
        let length = usize::from(units)
            .checked_mul(8)
            .filter(|length| *length > 0)?;
        if kind == wanted {
            return wire::array(options, 2);
        }
        options = options.get(length..)?;
    }
    None
}

/// Writes a solicitation or advertisement with its IPv6 header.
pub(super) fn put(
    ip: &mut [u8],
    addresses: Addresses,
    (kind, flags): (u8, u8),
    target: Ipv6Addr,
    (option, mac): (u8, [u8; 6]),
) -> Option<()> {
    wire::put(ip, 40, [kind, 0, 0, 0, flags, 0, 0, 0])?;
    wire::put(ip, 48, target.octets())?;
    wire::put(ip, 64, [option, 1])?;
    wire::put(ip, 66, mac)?;
    finish(ip, addresses, 255)
}

/// Writes the IPv6 header in front of an ICMPv6 message, and the message's checksum.
pub(super) fn finish(ip: &mut [u8], (source, to): Addresses, hop_limit: u8) -> Option<()> {
    let length = u16::try_from(ip.len().checked_sub(40)?).ok()?;
    let [high, low] = length.to_be_bytes();
    wire::put(ip, 0, [0x60, 0, 0, 0, high, low, wire::ICMPV6, hop_limit])?;
    wire::put(ip, 8, source.octets())?;
    wire::put(ip, 24, to.octets())?;
    wire::put(ip, 42, [0; 2])?;
    let checksum = wire::transport_checksum(ip.get(8..40)?, wire::ICMPV6, ip.get(40..)?);
    wire::put(ip, 42, checksum.to_be_bytes())
}
