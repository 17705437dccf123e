//! MSS: TCP connections are kept to segments that fit through the tunnel, where a network wants it.
//! Only SYNs are looked at, and only their own option changes, with the checksum.

use session::plan::Act;

use super::meta::Meta;
use crate::links::Links;
use crate::packet::Packet;
use crate::wire;

/// The stage before the last, where a network wants it: packets between N6 and a tunnel.
#[inline(never)]
pub(super) fn clamp<P: Packet>(links: &Links, packets: &mut [P], metas: &[Meta<'_>]) {
    for (packet, meta) in packets.iter_mut().zip(metas) {
        let vrf = match meta.goes_on().map(|(step, _)| step.act) {
            Some(Act::Route { vrf }) => vrf,
            Some(Act::Tunnel { .. }) if meta.routed => meta.interface,
            _ => continue,
        };
        let Some(mss) = links.interface(vrf).and_then(|link| link.mss) else {
            continue;
        };
        let user = packet.data_mut().get_mut(usize::from(meta.user_at)..);
        if let Some(user) = user.and_then(|user| user.get_mut(..usize::from(meta.user_length))) {
            mss.clamp(user);
        }
    }
}

/// The option of the maximum segment size (RFC 9293, 3.7.1).
const MSS: u8 = 2;
const TCP: u8 = 6;
const SYN: u8 = 0x02;

/// The largest segments of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mss {
    /// Over IPv4.
    pub(crate) v4: u16,
    /// Over IPv6.
    pub(crate) v6: u16,
}

impl Mss {
    /// For packets of up to `mtu` octets: IP and TCP headers without options come off.
    pub(crate) const fn of_mtu(mtu: u16) -> Self {
        Self {
            v4: mtu.saturating_sub(40),
            v6: mtu.saturating_sub(60),
        }
    }

    /// Lowers the MSS that a SYN announces.
    #[inline]
    fn clamp(self, user: &mut [u8]) {
        let (start, most) = match user.first_chunk::<20>() {
            // Neither an offset nor more fragments.
            Some(header) if header[0] >> 4 == 4 => {
                let whole = (header[6] & 0x3f) | header[7] == 0;
                if header[9] != TCP || !whole {
                    return;
                }
                (usize::from(header[0] & 0xf) * 4, self.v4)
            }
            Some(header) if header[6] == TCP => (40, self.v6),
            _ => return,
        };
        if user.get(start + 13).is_some_and(|flags| flags & SYN != 0)
            && let Some(tcp) = user.get_mut(start..)
        {
            // One that is cut or broken is the receiver's to judge.
            let _ = clamp_syn(tcp, most);
        }
    }
}

#[cold]
fn clamp_syn(tcp: &mut [u8], most: u16) -> Option<()> {
    let header = usize::from(*tcp.get(12)? >> 4) * 4;
    let mut at = 20;
    while at + 1 < header {
        let [kind, length] = wire::array(tcp, at)?;
        match kind {
            0 => return None,
            1 => at += 1,
            MSS if length == 4 && at + 4 <= header => return lower(tcp, at + 2, most),
            _ if length < 2 => return None,
            _ => at += usize::from(length),
        }
    }
    None
}

/// Writes `most` if less stands there, and mends the checksum (RFC 1624, 3).
fn lower(tcp: &mut [u8], at: usize, most: u16) -> Option<()> {
    let old = wire::u16_at(tcp, at).filter(|old| *old > most)?;
    wire::put(tcp, at, most.to_be_bytes())?;
    // At an odd place its octets belong to two words, the other way round in each.
    let turn = |value: u16| {
        if at.is_multiple_of(2) {
            value
        } else {
            value.swap_bytes()
        }
    };
    let checksum = wire::u16_at(tcp, 16)?;
    let sum = u64::from(!checksum) + u64::from(!turn(old)) + u64::from(turn(most));
    wire::put(tcp, 16, (!wire::fold(sum)).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{HOST, HOST_V6, Testbed, downlink, uplink, user_v4, user_v6};

    /// A SYN with those options behind its header, its checksum right.
    fn syn(v6: bool, flags: u8, options: &[u8]) -> Vec<u8> {
        let length = 20 + options.len() + 3;
        let (mut packet, start) = if v6 {
            (
                user_v6("2001:db8:45::2".parse().unwrap(), HOST_V6, length - 8),
                40,
            )
        } else {
            (user_v4("10.45.0.2".parse().unwrap(), HOST, length - 8), 20)
        };
        packet[if v6 { 6 } else { 9 }] = TCP;
        if !v6 {
            wire::set_ipv4_checksum(&mut packet[..20]);
        }
        let offset = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
        packet[start + 12..start + 20].copy_from_slice(&[offset, flags, 0, 9, 0, 0, 0, 0]);
        packet[start + 20..start + 20 + options.len()].copy_from_slice(options);
        let checksum = checksum(&packet, start);
        packet[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    fn checksum(packet: &[u8], start: usize) -> u16 {
        let addresses = if start == 20 { 12..20 } else { 8..40 };
        wire::transport_checksum(&packet[addresses], TCP, &packet[start..])
    }

    #[test]
    fn a_syn_announces_no_more_than_fits() {
        let mss = Mss::of_mtu(1400);
        for v6 in [false, true] {
            let (start, most) = if v6 { (40, 1340) } else { (20, 1360_u16) };
            for (options, at) in [
                (&[2, 4, 0x05, 0xb4][..], 22),
                (&[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0x23, 0x00], 34),
                // At an odd place.
                (&[1, 2, 4, 0x05, 0xb4, 3, 3, 7], 23),
            ] {
                for flags in [SYN, SYN | 0x10] {
                    let mut packet = syn(v6, flags, options);
                    mss.clamp(&mut packet);
                    assert_eq!(wire::u16_at(&packet, start + at), Some(most));
                    assert_eq!(checksum(&packet, start), 0, "{options:?}");
                }
            }
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        let mss = Mss::of_mtu(1400);
        let large = [2, 4, 0x05, 0xb4];
        let mut packets = vec![
            syn(false, SYN, &[2, 4, 0x02, 0x18]),
            syn(false, 0x10, &large),
            syn(false, SYN, &[0, 0, 0, 0]),
            syn(false, SYN, &[2, 3, 0x05, 0xb4]),
            syn(false, SYN, &[8, 0, 2, 4]),
            syn(true, SYN, &[]),
            user_v4("10.45.0.2".parse().unwrap(), HOST, 40),
            vec![0x45; 8],
        ];
        let mut fragment = syn(false, SYN, &large);
        fragment[7] = 1;
        let mut cut = syn(false, SYN, &large);
        cut.truncate(42);
        packets.extend([fragment, cut]);
        for packet in packets {
            let mut after = packet.clone();
            mss.clamp(&mut after);
            assert_eq!(after, packet);
        }
    }
    /// Both ways through the path: N3 takes 1600 octets, 1536 with the headers of IPv6 tunnels.
    #[test]
    fn syns_of_a_network_that_wants_it_are_bounded_both_ways() {
        let large = [2, 4, 0x23, 0x28];
        for wanted in [false, true] {
            let mut bed = Testbed::connected(1, |topology| {
                topology.networks[0].clamp_mss = wanted;
            });
            let session = bed.install(0, |_| {});
            let most = if wanted { 1536 - 40 } else { 0x2328 };
            let mut up = syn(false, SYN, &large);
            assert_eq!(up[12..16], session.ue.octets());
            let (_, sent) = bed.one(0, &uplink(session.teid, &up)).unwrap();
            assert_eq!(wire::u16_at(&sent, 14 + 42), Some(most), "uplink");
            assert_eq!(checksum(&sent[14..], 20), 0);
            let (ue, host): ([u8; 4], [u8; 4]) = (wire::array(&up, 12).unwrap(), HOST.octets());
            wire::put(&mut up, 12, host).unwrap();
            wire::put(&mut up, 16, ue).unwrap();
            let (_, sent) = bed.one(1, &downlink(&up)).unwrap();
            assert_eq!(wire::u16_at(&sent, 14 + 44 + 42), Some(most), "downlink");
            assert_eq!(checksum(&sent[14 + 44..], 20), 0);
            assert!(wire::ipv4_header_is_right(
                sent[58..].first_chunk().unwrap()
            ));
        }
    }
}
