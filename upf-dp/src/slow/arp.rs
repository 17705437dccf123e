//! ARP (RFC 826): answers for our addresses and, on N6, for those of UEs.
//!
//! ```text
//! 0: 00 01 | 2: 08 00 | 4: 6 | 5: 4 | 6: operation | 8: sender MAC | 14: sender IP | 18: target MAC | 24: target IP
//! ```

use std::net::IpAddr;

use session::meter::Now;

use super::{BROKEN, Outcome, TOO_MANY, UNANSWERED, turn_round};
use crate::packet::Packet;
use crate::path::{Meta, Path};
use crate::wire;

/// Octets of an ARP packet for IPv4 over Ethernet.
pub(super) const LENGTH: usize = 28;
pub(super) const REQUEST: u16 = 1;
const REPLY: u16 = 2;

impl<P: Packet> Path<P> {
    pub(super) fn arp(&mut self, packet: &mut P, meta: &Meta<'_>, now: Now) -> Option<Outcome> {
        let at = usize::from(meta.network_at);
        let vlan = wire::vlan(packet.data());
        let arp: &[u8; LENGTH] = packet.data().get(at..)?.first_chunk()?;
        if wire::array(arp, 0) != Some([0, 1, 8, 0, 6, 4]) {
            return Some(BROKEN);
        }
        let operation = wire::u16_at(arp, 6)?;
        let sender_mac: [u8; 6] = wire::array(arp, 8)?;
        let sender: [u8; 4] = wire::array(arp, 14)?;
        let target: [u8; 4] = wire::array(arp, 24)?;
        self.learn(meta, vlan, IpAddr::from(sender), sender_mac);
        match operation {
            REQUEST => {}
            REPLY => return Some(Outcome::Consumed),
            _ => return Some(BROKEN),
        }
        let asked = IpAddr::from(target);
        let is_probe = sender == [0; 4];
        if sender == target || !self.answers_for(meta, vlan, asked, is_probe) {
            return Some(UNANSWERED);
        }
        // What others are asked, and what we have asked, is read without a bound.
        if !self.may_answer_neighbour(meta.port, now) {
            return Some(TOO_MANY);
        }
        let mac = self.links.port(meta.port)?.mac;
        let frame = packet.data_mut();
        turn_round(frame, mac)?;
        wire::put(frame, 0, sender_mac)?;
        let answer = frame.get_mut(at..)?;
        put(answer, REPLY, (mac, target), (sender_mac, sender))?;
        Some(Outcome::Answered)
    }
}

/// Writes an ARP packet.
pub(super) fn put(
    arp: &mut [u8],
    operation: u16,
    (sender_mac, sender): ([u8; 6], [u8; 4]),
    (target_mac, target): ([u8; 6], [u8; 4]),
) -> Option<()> {
    wire::put(arp, 0, [0, 1, 8, 0, 6, 4])?;
    wire::put(arp, 6, operation.to_be_bytes())?;
    wire::put(arp, 8, sender_mac)?;
    wire::put(arp, 14, sender)?;
    wire::put(arp, 18, target_mac)?;
    wire::put(arp, 24, target)
}
