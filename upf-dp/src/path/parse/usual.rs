//! The usual frame: no VLAN tag, and an IPv4 header without options. Everything lies at a fixed
//! place then, and is read once.

use super::Fate;
use super::general::udp;
use crate::links::Links;
use crate::path::meta::{Key, Meta};
use crate::wire;

/// Where the IPv4 header starts.
const IP_AT: usize = 14;
/// Where the UDP header starts.
const UDP_AT: usize = IP_AT + 20;

/// What [`frame`](super::general::frame) finds out of such a frame; `None`, and nothing done, for
/// any other, and for most that go no further.
#[inline]
pub(super) fn usual(links: &Links, frame: &[u8], meta: &mut Meta<'_>) -> Option<Result<(), Fate>> {
    let (port, segment) = links.untagged(meta.port)?;
    let header: &[u8; UDP_AT] = frame.first_chunk()?;
    let ip: &[u8; 20] = header.last_chunk()?;
    if header[..6] != port.mac || [header[12], header[13], ip[0]] != [0x08, 0x00, 0x45] {
        return None;
    }
    let length = u16::from_be_bytes([ip[2], ip[3]]);
    let segment = segment?;
    if length < 20 || usize::from(length) > frame.len() - IP_AT || !wire::ipv4_header_is_right(ip) {
        return None;
    }
    let destination = u32::from_be_bytes([ip[16], ip[17], ip[18], ip[19]]);
    let Some(local) = segment.local_v4(destination) else {
        meta.interface = segment.n6?;
        meta.network_at = 14;
        meta.key = Key::Ipv4(destination);
        meta.user_at = 14;
        meta.user_length = length;
        return Some(Ok(()));
    };
    let is_fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
    if is_fragment || ip[9] != wire::UDP {
        return None;
    }
    let datagram = frame.get(UDP_AT..IP_AT + usize::from(length))?;
    meta.interface = local.interface;
    meta.network_at = 14;
    Some(udp(*local, datagram, UDP_AT, meta))
}
