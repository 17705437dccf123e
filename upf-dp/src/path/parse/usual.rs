//! The usual frame: no VLAN tag, an IPv4 header without options and, on N3 and N9, a G-PDU whose
//! GTP-U header a [`glance`] tells everything of; or, on N6, an IPv6 header. All lies at a fixed
//! place, and is read once.

use gtpu::{PduType, glance};
use session::{Qfi, Teid};

use crate::links::{CompiledPort, Links};
use crate::path::meta::{Key, Meta};
use crate::wire;

/// Where the IPv4 header starts.
const IP_AT: u8 = 14;
/// Where the GTP-U header starts.
const TUNNEL_AT: u16 = 42;

/// What [`frame`](super::general::frame) finds out of such a frame; `None`, and nothing done, for
/// any other, and for one that goes no further.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "a call for each packet, with what it finds handed over in memory, costs a tenth of it"
)]
pub(super) fn usual(links: &Links, frame: &[u8], meta: &mut Meta<'_>) -> Option<()> {
    let port = links.compiled(meta.port)?;
    let header: &[u8; 34] = frame.first_chunk()?;
    let ip: &[u8; 20] = header.last_chunk()?;
    // EtherType, version and header length in one.
    let kind = u32::from_be_bytes([header[12], header[13], header[14], header[15]]) >> 8;
    if !port.is_addressed(*header.first_chunk()?) {
        return None;
    }
    if kind != 0x08_0045 {
        return from_network_v6(port, frame, kind, meta);
    }
    let length = u16::from_be_bytes([ip[2], ip[3]]);
    let is_whole = length >= 20 && usize::from(length) + usize::from(IP_AT) <= frame.len();
    if !is_whole || !wire::ipv4_header_is_right(ip) {
        return None;
    }
    let segment = port.untagged()?;
    let destination = u32::from_be_bytes([ip[16], ip[17], ip[18], ip[19]]);
    let Some(local) = segment.local_v4(destination) else {
        meta.interface = segment.n6?;
        meta.network_at = IP_AT;
        meta.key = Key::Ipv4(destination);
        meta.user_at = IP_AT.into();
        meta.user_length = length;
        return Some(());
    };
    let is_fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
    let rest: &[u8; 24] = frame.get(header.len()..)?.first_chunk()?;
    let (udp, gtpu) = rest.split_first_chunk::<8>()?;
    let udp_port = u16::from_be_bytes([udp[2], udp[3]]);
    let udp_length = u16::from_be_bytes([udp[4], udp[5]]);
    if is_fragment || ip[9] != wire::UDP || local.gtpu_port != Some(udp_port) {
        return None;
    }
    let seen = glance(gtpu.first_chunk()?)?;
    // Each inside of what surrounds it, and something left.
    let fits = udp_length <= length - 20
        && u32::from(seen.length) + 16 <= u32::from(udp_length)
        && seen.length > seen.optional;
    if !fits {
        return None;
    }
    meta.interface = local.interface;
    meta.network_at = IP_AT;
    meta.tunnel_at = TUNNEL_AT;
    meta.key = Key::Tunnel(Teid(seen.teid));
    // On N3 only the radio side's own container says which QoS flow it is (TS 38.415, 5.5.2.2).
    let flow = seen
        .flow()
        .filter(|flow| !local.n3 || flow.pdu_type == PduType::Ul);
    meta.qfi = flow.and_then(|flow| Qfi::new(flow.qfi));
    meta.user_at = TUNNEL_AT + 8 + seen.optional;
    meta.user_length = seen.length - seen.optional;
    Some(())
}

/// An IPv6 packet that is not for us: a user's, from N6.
#[inline(never)]
fn from_network_v6(
    port: &CompiledPort,
    frame: &[u8],
    kind: u32,
    meta: &mut Meta<'_>,
) -> Option<()> {
    let header: &[u8; 54] = frame.first_chunk()?;
    let ip: &[u8; 40] = header.last_chunk()?;
    let length = u16::from_be_bytes([ip[4], ip[5]]).checked_add(40)?;
    let is_whole = usize::from(length) + usize::from(IP_AT) <= frame.len();
    if kind >> 4 != 0x86_dd6 || !is_whole {
        return None;
    }
    let segment = port.untagged()?;
    let destination = u128::from_be_bytes(*ip.last_chunk()?);
    if segment.local_v6(destination).is_some() {
        return None;
    }
    meta.interface = segment.n6?;
    meta.network_at = IP_AT;
    meta.key = Key::Ipv6;
    meta.user_at = IP_AT.into();
    meta.user_length = length;
    Some(())
}
