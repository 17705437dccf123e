//! ICMP echo to our own IPv4 addresses (RFC 792).

use session::meter::Now;

use super::{BROKEN, Outcome, TOO_MANY, turn_round};
use crate::packet::Packet;
use crate::path::{Meta, Path};
use crate::wire;

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

impl<P: Packet> Path<P> {
    pub(super) fn icmp(&mut self, packet: &mut P, meta: &Meta<'_>, now: Now) -> Option<Outcome> {
        if !self.may_answer_ping(meta.port, now) {
            return Some(TOO_MANY);
        }
        let at = usize::from(meta.network_at);
        let header: [u8; 20] = wire::array(packet.data(), at)?;
        let header_length = usize::from(header[0] & 0xf) * 4;
        let total_length = usize::from(wire::u16_at(&header, 2)?);
        let source: [u8; 4] = wire::array(&header, 12)?;
        let message = packet.data().get(at + header_length..at + total_length)?;
        if wire::fold(wire::sum(message)) != 0xffff || message.len() < 8 {
            return Some(BROKEN);
        }
        // Errors about our own packets and what else there is end here.
        if message.first() != Some(&ECHO_REQUEST) {
            return Some(Outcome::Consumed);
        }
        if !crate::path::is_host(source.into()) {
            return Some(BROKEN);
        }
        let surplus = packet.data().len().checked_sub(at + total_length)?;
        let mac = self.links.port(meta.port)?.mac;
        packet.forget_offloads();
        if !packet.trim_back(surplus) {
            return Some(BROKEN);
        }
        let frame = packet.data_mut();
        turn_round(frame, mac)?;
        let ip = frame.get_mut(at..)?;
        wire::put(ip, 8, [64])?;
        wire::put(ip, 12, wire::array::<4>(&header, 16)?)?;
        wire::put(ip, 16, source)?;
        wire::set_ipv4_checksum(ip.get_mut(..header_length)?);
        let message = ip.get_mut(header_length..)?;
        wire::put(message, 0, [ECHO_REPLY])?;
        wire::put(message, 2, [0; 2])?;
        let checksum = !wire::fold(wire::sum(message));
        wire::put(message, 2, checksum.to_be_bytes())?;
        Some(Outcome::Answered)
    }
}
