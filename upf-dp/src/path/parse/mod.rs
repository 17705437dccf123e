//! Parse: Ethernet, VLAN, the outer IP header, UDP, GTP-U. On N6 the outer IP header is the user's.
//!
//! What is for the UPF itself is punted to the slow path. Over IPv4 the UDP checksum of a G-PDU is
//! not looked at: what it covers beyond the headers is the user packet, which has its own. Over
//! IPv6 nothing else guards addresses and TEID: there it must be there, and right (RFC 8200, 8.1).

mod general;
mod usual;

use session::tables::Snapshot;

use super::look_up;
use super::meta::{Fate, Meta};
use crate::links::Links;
use crate::packet::Packet;
use crate::reason::Reason;
use crate::wire;

/// First stage: where is the user packet, and what is it looked up by?
#[inline(never)]
pub(super) fn parse<P: Packet>(
    links: &Links,
    view: Snapshot<'_>,
    packets: &mut [P],
    metas: &mut [Meta<'_>],
) {
    for packet in &*packets {
        packet.prefetch();
    }
    for (packet, meta) in packets.iter_mut().zip(metas) {
        if let Some(vlan) = packet.stripped_vlan() {
            put_back(packet, vlan);
        }
        if !packet.is_whole() {
            meta.fate = Fate::Drop(Reason::Scattered);
        } else if let Err(fate) = frame(links, packet.data(), meta) {
            meta.fate = fate;
        } else {
            look_up::seek(view, packet, meta);
        }
    }
}

#[inline]
fn frame(links: &Links, frame: &[u8], meta: &mut Meta<'_>) -> Result<(), Fate> {
    match usual::usual(links, frame, meta) {
        Some(()) => Ok(()),
        None => general::frame(links, frame, meta),
    }
}

/// Puts a VLAN header back that the port took off, so that there is one way to see it.
#[cold]
fn put_back<P: Packet>(packet: &mut P, vlan: u16) {
    packet.forget_offloads();
    if packet.data().len() >= 12 && packet.prepend(4) {
        let frame = packet.data_mut();
        frame.copy_within(4..16, 0);
        let ([a, b], [c, d]) = (wire::VLAN.to_be_bytes(), vlan.to_be_bytes());
        let _ = wire::put(frame, 12, [a, b, c, d]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use session::Teid;

    use super::*;
    use crate::path::Meta;
    use crate::testbed::{
        self, GNB, GNB_V6, HOST, HOST_V6, MAC_GNB, MAC_N3, N3_ADDRESS, Testbed, datagram_v4,
        downlink, gpdu, set_ipv4_checksum, user_v4, user_v6,
    };

    /// A frame of those that go the short way, before it is damaged.
    fn whole(kind: u8) -> (u16, Vec<u8>) {
        let user = user_v4(GNB, HOST, 20);
        let tunnel = |qfi| {
            let message = gpdu(Teid(0x1234_5678), qfi, &user);
            testbed::frame(
                MAC_N3,
                MAC_GNB,
                None,
                &datagram_v4(GNB, N3_ADDRESS, &message),
            )
        };
        match kind {
            0 => (0, tunnel(None)),
            1 => (0, tunnel(Some(9))),
            2 => (1, downlink(&user)),
            3 => (1, downlink(&user_v4(HOST, GNB, 0))),
            4 => (1, downlink(&user_v6(HOST_V6, GNB_V6, 20))),
            _ => (1, downlink(&user_v6(HOST_V6, GNB_V6, 0))),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 4000 }))]

        /// The short way finds what the long way finds, whatever octets are wrong.
        #[test]
        fn the_short_way_leads_where_the_long_one_does(
            kind in 0_u8..6,
            damage in prop::collection::vec((0_usize..70, any::<u8>()), 0..3),
            length in prop::option::of(0_usize..100),
            right_checksum in any::<bool>(),
        ) {
            let bed = Testbed::new(1, 8);
            let (port, mut octets) = whole(kind);
            for (at, value) in damage {
                if let Some(octet) = octets.get_mut(at) {
                    *octet = value;
                }
            }
            octets.resize(length.unwrap_or(octets.len()), 0);
            if let (true, Some(header)) = (right_checksum, octets.get_mut(14..34)) {
                set_ipv4_checksum(header);
            }
            let (mut short, mut long) = (Meta::received(port), Meta::received(port));
            let (found, expected) = (
                frame(&bed.links, &octets, &mut short),
                general::frame(&bed.links, &octets, &mut long),
            );
            prop_assert_eq!(found, expected);
            if found.is_ok() {
                prop_assert_eq!(format!("{short:?}"), format!("{long:?}"));
            }
        }
    }

    #[test]
    fn what_is_usual_goes_the_short_way() {
        let bed = Testbed::new(1, 8);
        for kind in 0..6 {
            let (port, octets) = whole(kind);
            let found = usual::usual(&bed.links, &octets, &mut Meta::received(port));
            assert_eq!(found, Some(()), "kind {kind}");
        }
    }
}
