//! The path from frame to frame, over the real tables. Every test also holds the conservation of
//! packets, which [`Testbed`] checks after each burst.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    clippy::type_complexity,
    clippy::wildcard_imports,
    reason = "tests: small numbers, long tables"
)]

mod ethernet;
mod hold;
mod neighbours;
mod ue_to_ue;
mod usage;

use std::net::Ipv4Addr;
use std::sync::Arc;

use session::limit::{Aggregate, Limits, Rates};
use session::meter::Burst;
use session::rule::{Action, BitRate, DestinationInterface, Forwarding, Gate};
use session::{Qfi, Rules, Teid, UrrId, WorkerId};

use crate::reason::Reason;
use crate::testbed::*;
use crate::wire;

const USER: usize = 36;

fn buffer(rules: &mut Rules, notify: bool) {
    rules.fars[1].action = Action::Buffer { notify };
}

/// What a router leaves of a packet: one hop less.
fn hopped(mut user: Vec<u8>) -> Vec<u8> {
    if user[0] >> 4 == 6 {
        user[7] -= 1;
    } else {
        user[8] -= 1;
        wire::set_ipv4_checksum(&mut user[..20]);
    }
    user
}

/// Octets of payload in a frame that was encapsulated.
fn payload_length(frame: &(u16, Vec<u8>)) -> usize {
    frame.1.len() - 14 - 44 - 28
}

// ===== both ways =====

#[test]
fn uplink_is_decapsulated_and_routed() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let user = user_v4(session.ue, HOST, USER);
    let expected = frame(MAC_GATEWAY, MAC_N6, None, &hopped(user.clone()));
    assert_eq!(
        bed.one(0, &uplink(session.teid, &user)),
        Some((1, expected.clone()))
    );
    // Octets behind the Length of GTP-U and padding of the frame are not user data (D04).
    let mut surplus = gpdu(session.teid, Some(9), &user);
    surplus.extend([0xee; 20]);
    let mut padded = frame(
        MAC_N3,
        MAC_GNB,
        None,
        &datagram_v4(GNB, N3_ADDRESS, &surplus),
    );
    padded.extend([0xdd; 8]);
    assert_eq!(bed.one(0, &padded), Some((1, expected)));
    let volume = session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!((volume.uplink_octets, volume.uplink_packets), (128, 2));
}

#[test]
fn downlink_is_encapsulated() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(3, |_| {});
    let user = user_v4(HOST, session.ue, USER);
    let (port, sent) = bed.one(1, &downlink(&user)).unwrap();
    assert_eq!(port, 0);
    let inner = hopped(user);
    assert_eq!(sent[..14], ethernet(MAC_GNB, MAC_N3, None, wire::IPV4, &[]));
    let outer: [u8; 20] = sent[14..34].try_into().unwrap();
    assert!(wire::ipv4_header_is_right(&outer));
    assert_eq!(wire::u16_at(&outer, 2), Some(44 + inner.len() as u16));
    assert_eq!(outer[12..20], [N3_ADDRESS.octets(), GNB.octets()].concat());
    let udp = &sent[34..42];
    assert!(wire::u16_at(udp, 0).unwrap() >= 49152);
    assert_eq!(udp[2..], [8, 0x68, 0, 24 + inner.len() as u8, 0, 0]);
    let length = 8 + inner.len() as u8;
    assert_eq!(sent[42..50], [0x34, 255, 0, length, 0, 0, 0x10, 3]);
    assert_eq!(sent[50..58], [0, 0, 0, 0x85, 1, 0, 9, 0]);
    assert_eq!(sent[58..], inner);
    let volume = session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!((volume.downlink_octets, volume.uplink_octets), (64, 0));
}

/// What the gNB pages by (TS 38.415, 5.5.2.1), over both families; the longest header is that over
/// IPv6.
#[test]
fn the_container_tells_the_paging_policy() {
    let mut bed = Testbed::new(1, 8);
    for (number, peer, outer) in [(0, GNB.into(), 20), (1, GNB_V6.into(), 40)] {
        let tunnel = bed.tunnel(N3, peer, Teid(0x66));
        let session = bed.install(number, |rules| {
            rules.qers[0].ppi = Some(5);
            rules.qers[0].rqi = true;
            let to = rules.fars[1].forwarding.as_mut().unwrap();
            to.outer_header_creation = Some(tunnel);
        });
        let user = user_v4(HOST, session.ue, USER);
        let (_, sent) = bed.one(1, &downlink(&user)).unwrap();
        let packet = &sent[14..];
        let gtpu = &packet[outer + 8..];
        let length = (gtpu.len() - 8) as u8;
        assert_eq!(gtpu[..8], [0x34, 255, 0, length, 0, 0, 0, 0x66]);
        let container = [2, 0, 0x80 | 0x40 | 9, 5 << 5, 0, 0, 0, 0];
        assert_eq!(gtpu[8..20], [&[0, 0, 0, 0x85][..], &container].concat());
        assert_eq!(gtpu[20..], hopped(user));
        if outer == 40 {
            let sum = wire::transport_checksum(&packet[8..40], wire::UDP, &packet[40..]);
            assert_eq!(sum, 0);
        }
        let parsed = gtpu::parse_gpdu(gtpu).unwrap();
        assert_eq!(parsed.flow.map(|flow| flow.qfi), Some(9));
    }
}

#[test]
fn one_flow_keeps_its_source_port_and_flows_differ() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let port_of = |bed: &mut Testbed, source_port: u16| {
        let mut user = user_v4(HOST, session.ue, USER);
        user[20..22].copy_from_slice(&source_port.to_be_bytes());
        let (_, sent) = bed.one(1, &downlink(&user)).unwrap();
        wire::u16_at(&sent, 34).unwrap()
    };
    let ports: Vec<u16> = (0..64).map(|flow| port_of(&mut bed, flow)).collect();
    let again: Vec<u16> = (0..64).map(|flow| port_of(&mut bed, flow)).collect();
    assert_eq!(ports, again);
    let mut different = ports;
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 60, "{}", different.len());
}

#[test]
fn ipv6_inside_and_outside() {
    let mut bed = Testbed::new(1, 8);
    let tunnel = bed.tunnel(N3, GNB_V6.into(), Teid(0x66));
    let session = bed.install(1, |rules| {
        let prefix = ipnet::Ipv6Net::new("2001:db8:45:1::".parse().unwrap(), 64).unwrap();
        rules.ue.ipv6 = Some(prefix);
        rules
            .pdrs
            .iter_mut()
            .for_each(|pdr| pdr.pdi.ue = Some(rules.ue));
        rules.fars[1]
            .forwarding
            .as_mut()
            .unwrap()
            .outer_header_creation = Some(tunnel);
    });
    let user = user_v6(HOST_V6, session.ue_v6, USER);
    let (_, sent) = bed.one(1, &downlink(&user)).unwrap();
    assert_eq!(sent[12..14], [0x86, 0xdd]);
    assert_eq!(sent[14 + 56 + 8..], hopped(user));
    let outer = &sent[14..];
    assert_eq!(wire::u16_at(outer, 4), Some(outer.len() as u16 - 40));
    let checksum = wire::transport_checksum(&outer[8..40], wire::UDP, &outer[40..]);
    assert_eq!((checksum, wire::u16_at(outer, 46) == Some(0)), (0, false));
    // And back: IPv6 outside and inside.
    let user = user_v6(session.ue_v6, HOST_V6, USER);
    let message = gpdu(session.teid, Some(9), &user);
    let datagram = datagram_v6(GNB_V6, N3_ADDRESS_V6, &message);
    let expected = frame(MAC_GATEWAY, MAC_N6, None, &hopped(user));
    assert_eq!(
        bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)),
        Some((1, expected))
    );
    // Nothing but the UDP checksum guards its addresses and the TEID: none, a wrong one, an octet
    // changed on the way, a length of less than the header.
    let mut broken = [const { Vec::new() }; 4];
    broken.fill(datagram);
    broken[0][46..48].fill(0);
    broken[1][46] ^= 0x10;
    broken[2][55] ^= 1;
    broken[3][44..46].copy_from_slice(&[0, 7]);
    for datagram in broken {
        assert_eq!(bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)), None);
    }
    assert_eq!(bed.drops(), [(Reason::OuterChecksum, 4)]);
}

#[test]
fn a_network_behind_the_ue_is_reached_and_may_send() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(1, |rules| {
        let routes = vec!["10.46.7.0/24".parse().unwrap()];
        let framed = Box::new(session::rule::FramedRoutes(routes));
        rules
            .pdrs
            .iter_mut()
            .for_each(|pdr| pdr.pdi.framed = Some(framed.clone()));
    });
    let behind = Ipv4Addr::new(10, 46, 7, 200);
    let user = user_v4(HOST, behind, USER);
    let (port, sent) = bed.one(1, &downlink(&user)).unwrap();
    assert_eq!((port, &sent[14 + 44..]), (0, &hopped(user)[..]));
    for (source, sent) in [
        (behind, true),
        (session.ue, true),
        (Ipv4Addr::new(10, 46, 8, 1), false),
    ] {
        let user = user_v4(source, HOST, USER);
        let out = bed.one(0, &uplink(session.teid, &user));
        assert_eq!(out.is_some(), sent, "{source}");
    }
    // Nobody's.
    let user = user_v4(HOST, Ipv4Addr::new(10, 46, 8, 1), USER);
    assert_eq!(bed.one(1, &downlink(&user)), None);
}

#[test]
fn n9_to_n3_in_a_vlan_keeps_the_user_packet_as_it_is() {
    let mut bed = Testbed::new(1, 8);
    let tunnel = bed.tunnel(N9, PEER_UPF.into(), Teid(0x77));
    let session = bed.install(0, |rules| {
        // Uplink of an intermediate UPF: from N3 on to the anchor.
        rules.fars[0].forwarding = Some(Forwarding {
            destination: DestinationInterface::Core,
            outer_header_creation: Some(tunnel),
            ..Forwarding::default()
        });
    });
    let user = user_v4(session.ue, HOST, USER);
    let (port, sent) = bed.one(0, &uplink(session.teid, &user)).unwrap();
    assert_eq!(port, 0);
    assert_eq!(sent[12..18], [0x81, 0, 0, 9, 8, 0]);
    // TEID, then a container of the uplink with its QFI; the hop limit stays.
    assert_eq!(
        sent[18 + 32..18 + 44],
        [0, 0, 0, 0x77, 0, 0, 0, 0x85, 1, 0x10, 9, 0]
    );
    assert_eq!(sent[18 + 44..], user);
    // A frame in that VLAN whose tag the port took off is seen like any other.
    let message = gpdu(session.teid, Some(9), &user);
    let frame = frame(
        MAC_N3,
        MAC_GNB,
        None,
        &datagram_v4(PEER_UPF, N9_ADDRESS, &message),
    );
    let mut packet = crate::PlainPacket::new(&frame);
    packet.stripped_vlan = Some(9);
    bed.receive_at(0, vec![(0, packet)], true);
    // The TEID belongs to N3: at N9 it is unknown.
    assert_eq!(bed.dropped(Reason::UnknownTeid), 1);
}

// ===== rules =====

#[test]
fn gates_far_and_missing_tunnels_drop_with_their_reason() {
    let cases: [(Reason, fn(&mut Rules)); 4] = [
        (Reason::FarDrop, |rules| rules.fars[1].action = Action::Drop),
        (Reason::GateClosed, |rules| {
            rules.qers[0].downlink_gate = Gate::Closed;
        }),
        (Reason::NoTunnel, |rules| {
            rules.fars[1]
                .forwarding
                .as_mut()
                .unwrap()
                .outer_header_creation = None;
        }),
        (Reason::NoRoute, |rules| {
            let to = rules.fars[1].forwarding.as_mut().unwrap();
            to.outer_header_creation.as_mut().unwrap().next_hop = None;
        }),
    ];
    for (reason, change) in cases {
        let mut bed = Testbed::new(1, 8);
        let session = bed.install(0, change);
        assert_eq!(
            bed.one(1, &downlink(&user_v4(HOST, session.ue, USER))),
            None
        );
        assert_eq!(bed.drops(), [(reason, 1)]);
        let volume = session.installed.usage(UrrId(1)).unwrap().volume();
        assert_eq!(volume.total_packets(), 0);
    }
}

#[test]
fn a_rate_lets_its_octets_through_and_what_is_dropped_is_not_counted() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| {
        rules.qers[0].mbr.as_mut().unwrap().downlink_kbps = 1000;
    });
    // 1 Mbit/s is 12 500 octets in the 100 ms that pass at once: 97 packets of 128 octets and one.
    let frames = vec![downlink(&user_v4(HOST, session.ue, 100)); 200];
    let sent = bed.receive(1, &frames).len() as u64;
    assert!((97..=99).contains(&sent), "{sent}");
    assert_eq!(bed.dropped(Reason::RateExceeded), 200 - sent);
    let volume = session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!(
        (volume.downlink_packets, volume.downlink_octets),
        (sent, 128 * sent)
    );
}

/// The session's QER, its own limit, and that of all sessions: each level counts a packet once, and
/// what one refuses is charged nowhere.
#[test]
fn a_packet_is_metered_once_at_each_level() {
    let rates = |downlink_kbps| {
        let most = BitRate {
            uplink_kbps: 0,
            downlink_kbps,
        };
        Rates::new(most, HZ, Burst::of_ms(100))
    };
    let aggregate = Arc::new(Aggregate::new(rates(3_000)));
    let limits = Arc::new(Limits {
        session: rates(1_800),
        aggregates: [aggregate].into_iter().collect(),
    });
    let mut bed = Testbed::new(1, 8);
    let mut install = |number, kbps| {
        bed.install_limited(number, Some(Arc::clone(&limits)), |rules| {
            rules.qers[0].mbr.as_mut().unwrap().downlink_kbps = kbps;
        })
    };
    let sessions = [install(0, 1_000), install(1, 10_000), install(2, 10_000)];
    let mut passed = sessions.each_ref().map(|session| {
        let frames = vec![downlink(&user_v4(HOST, session.ue, 100)); 400];
        bed.receive(1, &frames).len()
    });
    // 100 ms of 1, 1.8 and 3 Mbit/s are 12 500, 22 500 and 37 500 octets, of packets of 128 octets:
    // the QER bounds the first session, its own limit the second, what these two left the last.
    assert_eq!(passed, [98, 176, 19]);
    assert_eq!(
        bed.drops(),
        [
            (Reason::RateExceeded, 302),
            (Reason::LimitExceeded, 224 + 381)
        ]
    );
    // 10 ms later there is room for 1 250, 2 250 and 3 750 octets more.
    bed.pass_ms(10);
    passed = sessions.each_ref().map(|session| {
        let frames = vec![downlink(&user_v4(HOST, session.ue, 100)); 400];
        bed.receive(1, &frames).len()
    });
    assert_eq!(passed, [10, 18, 2]);
    // Uplink has no limits.
    let frames = vec![uplink(sessions[0].teid, &user_v4(sessions[0].ue, HOST, 100)); 400];
    assert_eq!(bed.receive(0, &frames).len(), 400);
}

// ===== look-up =====

#[test]
fn unknown_teids_are_told_to_the_sender_but_not_too_often() {
    let mut bed = Testbed::new(1, 8);
    let user = user_v4(HOST, HOST, USER);
    let (port, sent) = bed.one(0, &uplink(Teid(0xdead_beef), &user)).unwrap();
    assert_eq!(port, 0);
    let mut message = vec![
        0x32, 26, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0xde, 0xad, 0xbe, 0xef,
    ];
    message.extend([133, 0, 4]);
    message.extend(N3_ADDRESS.octets());
    assert_eq!(sent[..14], ethernet(MAC_GNB, MAC_N3, None, wire::IPV4, &[]));
    assert_eq!(
        sent[14 + 12..14 + 20],
        [N3_ADDRESS.octets(), GNB.octets()].concat()
    );
    assert_eq!(sent[14 + 28..], message);
    assert_eq!(
        wire::transport_checksum(&sent[26..34], wire::UDP, &sent[34..]),
        0
    );
    let frames = vec![uplink(Teid(0xdead_beef), &user); 3000];
    assert!(bed.receive(0, &frames).len() <= 10);
    assert_eq!(bed.dropped(Reason::UnknownTeid), 3001);
}

#[test]
fn an_error_indication_names_a_foreign_source_port_and_spares_bad_sources() {
    let mut bed = Testbed::new(1, 8);
    let user = user_v4(HOST, HOST, USER);
    let mut other_port = uplink(Teid(5), &user);
    other_port[34..36].copy_from_slice(&50000_u16.to_be_bytes());
    let (_, sent) = bed.one(0, &other_port).unwrap();
    assert_eq!(
        sent[42..58],
        [0x36, 26, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0xc3, 0x50, 0]
    );
    assert_eq!(sent[36..38], [8, 0x68]);
    for source in [
        "0.0.0.0",
        "224.0.0.1",
        "127.0.0.1",
        "255.255.255.255",
        "10.0.3.1",
        "10.0.4.1",
    ] {
        let source: Ipv4Addr = source.parse().unwrap();
        let datagram = datagram_v4(source, N3_ADDRESS, &gpdu(Teid(5), None, &user));
        assert_eq!(
            bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)),
            None,
            "{source}"
        );
    }
    // TEID 0, and messages other than G-PDUs.
    assert_eq!(bed.one(0, &uplink(Teid(0), &user)), None);
    for kind in [26, 31, 254] {
        let mut message = gpdu(Teid(5), None, &user);
        message[1] = kind;
        let datagram = datagram_v4(GNB, N3_ADDRESS, &message);
        assert_eq!(
            bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)),
            None,
            "type {kind}"
        );
    }
}

#[test]
fn a_wrong_qfi_is_no_unknown_tunnel() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| {
        rules.pdrs[0].pdi.qfis = vec![Qfi::new(5).unwrap()];
    });
    let user = user_v4(session.ue, HOST, USER);
    assert_eq!(bed.one(0, &uplink(session.teid, &user)), None);
    // Neither a container of the downlink nor an unknown type names the flow.
    for (kind, qfi) in [(0x00, 5), (0xf0, 5), (0x10, 9)] {
        let mut message = gpdu(session.teid, Some(qfi), &user);
        message[13] = kind;
        let datagram = datagram_v4(GNB, N3_ADDRESS, &message);
        assert_eq!(bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)), None);
    }
    assert_eq!(bed.drops(), [(Reason::NoPdr, 4)]);
}

#[test]
fn sessions_that_have_gone_are_unknown() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    bed.withdraw(&session);
    let user = user_v4(session.ue, HOST, USER);
    bed.one(0, &uplink(session.teid, &user));
    assert_eq!(
        bed.one(1, &downlink(&user_v4(HOST, session.ue, USER))),
        None
    );
    assert_eq!(
        bed.drops(),
        [(Reason::UnknownTeid, 1), (Reason::UnknownUe, 1)]
    );
}

#[test]
fn packets_of_other_workers_sessions_are_handed_over() {
    let mut bed = Testbed::new(2, 8);
    let sessions: Vec<_> = (0..4).map(|n| bed.install(n, |_| {})).collect();
    let frames: Vec<_> = sessions
        .iter()
        .map(|session| uplink(session.teid, &user_v4(session.ue, HOST, USER)))
        .collect();
    let own = sessions
        .iter()
        .filter(|session| session.owner == WorkerId(0))
        .count();
    assert_eq!((own, bed.receive(0, &frames).len()), (2, 2));
    assert!(
        bed.workers[0]
            .out
            .handed_over
            .iter()
            .all(|(to, port, _)| (to.0, *port) == (1, 0))
    );
    bed.carry_over();
    assert_eq!(bed.sent(1).len(), 2);
    assert_eq!(bed.workers[1].cells.read().ports[0].taken_over, 2);
    // A ring that is full.
    bed.workers[0].out.ring_room = 0;
    assert_eq!(bed.receive(0, &frames).len(), 2);
    assert_eq!(bed.drops(), [(Reason::HandOverFull, 2)]);
}
