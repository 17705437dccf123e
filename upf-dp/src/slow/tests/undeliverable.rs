//! Packets that are too big or have come too far: fragments, and what their senders are told.

use std::net::Ipv4Addr;

use session::Teid;
use session::rule::{DestinationInterface, Forwarding};

use crate::reason::Reason;
use crate::testbed::*;
use crate::{Fragmentation, SlowConfig, wire};

/// Octets of the outer headers over IPv4, with a container, and over IPv6.
const OUTER_V4: usize = 44;
const OUTER_V6: usize = 64;
/// The test bed's MTU.
const MTU: usize = 1600;

fn bed(fragmentation: Fragmentation) -> Testbed {
    let slow = SlowConfig {
        fragmentation,
        ..SlowConfig::default()
    };
    Testbed::with(1, 8, slow, 256)
}

/// Session 1 with IPv4 and IPv6, its downlink over either.
fn dual(bed: &mut Testbed, over_v6: bool) -> TestSession {
    let tunnel = bed.tunnel(N3, GNB_V6.into(), Teid(0x66));
    bed.install(1, |rules| {
        rules.ue.ipv6 = Some("2001:db8:45:1::/64".parse().unwrap());
        let ue = rules.ue;
        rules.pdrs.iter_mut().for_each(|pdr| pdr.pdi.ue = Some(ue));
        if over_v6 {
            let to = rules.fars[1].forwarding.as_mut().unwrap();
            to.outer_header_creation = Some(tunnel);
        }
    })
}

/// A packet with that TTL, and whether it may be fragmented.
fn packet_v4(from: Ipv4Addr, to: Ipv4Addr, length: usize, (ttl, dont): (u8, bool)) -> Vec<u8> {
    let mut packet = user_v4(from, to, length - 28);
    packet[8] = ttl;
    packet[6] = if dont { 0x40 } else { 0 };
    wire::set_ipv4_checksum(&mut packet[..20]);
    packet
}

fn expect_notice_v4(ip: &[u8], (own, to): (Ipv4Addr, Ipv4Addr), head: [u8; 8], about: &[u8]) {
    assert!(wire::ipv4_header_is_right(ip.first_chunk().unwrap()));
    assert_eq!(ip[9], wire::ICMP);
    assert_eq!(ip[12..20], [own.octets(), to.octets()].concat());
    assert_eq!(wire::fold(wire::sum(&ip[20..])), 0xffff, "checksum");
    assert_eq!((&ip[20..22], &ip[24..28]), (&head[..2], &head[4..]));
    let quote = about.len().min(548);
    assert_eq!(ip[28..], about[..quote]);
}

const N6_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 6, 1);

#[test]
fn who_sends_too_far_is_told() {
    let mut bed = bed(Fragmentation::Inner);
    let session = dual(&mut bed, false);
    let expired = [11, 0, 0, 0, 0, 0, 0, 0];
    // A host: back by the neighbour that it came by.
    let user = packet_v4(HOST, session.ue, 100, (1, false));
    let (port, sent) = bed.one(1, &downlink(&user)).unwrap();
    assert_eq!(
        (port, &sent[..12]),
        (1, &[MAC_GATEWAY, MAC_N6].concat()[..])
    );
    expect_notice_v4(&sent[14..], (N6_V4, HOST), expired, &user);
    // A UE: by its tunnel.
    let user = packet_v4(session.ue, HOST, 900, (1, false));
    let (port, sent) = bed.one(0, &uplink(session.teid, &user)).unwrap();
    assert_eq!((port, &sent[..12]), (0, &[MAC_GNB, MAC_N3].concat()[..]));
    assert_eq!(wire::u32_at(&sent, 14 + 32), Some(0x1001));
    expect_notice_v4(&sent[14 + OUTER_V4..], (N6_V4, session.ue), expired, &user);
    assert_eq!(bed.drops(), [(Reason::HopLimit, 2)]);
    // The same over IPv6.
    let mut user = user_v6(session.ue_v6, HOST_V6, 1400);
    user[7] = 1;
    let (_, sent) = bed.one(0, &uplink(session.teid, &user)).unwrap();
    let ip = &sent[14 + OUTER_V4..];
    let own: std::net::Ipv6Addr = "2001:db8:6::1".parse().unwrap();
    assert_eq!(ip[8..40], [own.octets(), session.ue_v6.octets()].concat());
    assert_eq!((ip.len(), &ip[40..42]), (1280, &[3, 0][..]));
    assert_eq!(ip[48..], user[..1232]);
    assert_eq!(
        wire::transport_checksum(&ip[8..40], wire::ICMPV6, &ip[40..]),
        0
    );
}

#[test]
fn who_sends_too_much_is_told_how_much_there_may_be() {
    let mut bed = bed(Fragmentation::Inner);
    let session = dual(&mut bed, false);
    let room = MTU - OUTER_V4;
    let fits = packet_v4(HOST, session.ue, room, (64, true));
    assert!(bed.one(1, &downlink(&fits)).is_some());
    let user = packet_v4(HOST, session.ue, room + 1, (64, true));
    let (_, sent) = bed.one(1, &downlink(&user)).unwrap();
    let [high, low] = (room as u16).to_be_bytes();
    expect_notice_v4(
        &sent[14..],
        (N6_V4, HOST),
        [3, 4, 0, 0, 0, 0, high, low],
        &user,
    );
    let user = user_v6(HOST_V6, session.ue_v6, room - 47);
    let (_, sent) = bed.one(1, &downlink(&user)).unwrap();
    let ip = &sent[14..];
    assert_eq!(ip[40..42], [2, 0]);
    assert_eq!(ip[44..48], [0, 0, high, low]);
    // Uplink: the MTU of N6.
    let user = packet_v4(session.ue, HOST, MTU + 1, (64, true));
    let (_, sent) = bed.one(0, &uplink(session.teid, &user)).unwrap();
    let [high, low] = (MTU as u16).to_be_bytes();
    expect_notice_v4(
        &sent[14 + OUTER_V4..],
        (N6_V4, session.ue),
        [3, 4, 0, 0, 0, 0, high, low],
        &user,
    );
    assert_eq!(bed.drops(), [(Reason::TooBig, 3)]);
}

/// Puts IPv4 fragments together, in the order in which they came.
fn together(fragments: &[&[u8]]) -> Vec<u8> {
    let mut whole = Vec::new();
    for (number, fragment) in fragments.iter().enumerate() {
        assert!(wire::ipv4_header_is_right(fragment.first_chunk().unwrap()));
        let field = wire::u16_at(fragment, 6).unwrap();
        assert_eq!(usize::from(field & 0x1fff) * 8, whole.len());
        assert_eq!(field & 0x2000 != 0, number + 1 < fragments.len());
        whole.extend(&fragment[20..]);
    }
    whole
}

#[test]
fn an_ipv4_packet_that_may_be_fragmented_is() {
    let mut bed = bed(Fragmentation::Inner);
    let session = dual(&mut bed, false);
    // Into the tunnel: fragments of the user's packet.
    let user = packet_v4(HOST, session.ue, 1700, (64, false));
    let sent = bed.receive(1, &[downlink(&user)]);
    assert_eq!(sent.len(), 2);
    let inner: Vec<&[u8]> = sent.iter().map(|(_, f)| &f[14 + OUTER_V4..]).collect();
    assert!(sent.iter().all(|(_, frame)| frame.len() <= 14 + MTU));
    assert!(inner.iter().all(|fragment| fragment[8] == 63), "a hop each");
    assert_eq!(together(&inner), user[20..]);
    // Onto N6.
    let user = packet_v4(session.ue, HOST, 1700, (64, false));
    let sent = bed.receive(0, &[uplink(session.teid, &user)]);
    let plain: Vec<&[u8]> = sent.iter().map(|(_, frame)| &frame[14..]).collect();
    assert_eq!(together(&plain), user[20..]);
    assert_eq!(bed.drops(), []);
    let ports = bed.workers[0].cells.read().ports;
    assert_eq!((ports[0].consumed, ports[1].consumed), (1, 1));
}

#[test]
fn a_tunnel_can_be_cut_instead_of_what_is_in_it() {
    for over_v6 in [false, true] {
        let mut bed = bed(Fragmentation::Outer);
        let session = dual(&mut bed, over_v6);
        let user = packet_v4(HOST, session.ue, 1700, (64, true));
        let sent = bed.receive(1, &[downlink(&user)]);
        assert_eq!(sent.len(), 2, "over IPv6: {over_v6}");
        assert!(sent.iter().all(|(_, frame)| frame.len() <= 14 + MTU));
        let outer: Vec<&[u8]> = sent.iter().map(|(_, frame)| &frame[14..]).collect();
        let datagram = if over_v6 {
            assert!(outer.iter().all(|fragment| fragment[6] == 44));
            assert_eq!(outer[0][44..48], outer[1][44..48], "one identification");
            let parts: Vec<u8> = outer.iter().flat_map(|f| f[48..].to_vec()).collect();
            let checksum = wire::transport_checksum(&outer[0][8..40], wire::UDP, &parts);
            assert_eq!(checksum, 0);
            parts
        } else {
            assert_eq!(outer[0][4..6], outer[1][4..6], "one identification");
            together(&outer)
        };
        let headers = if over_v6 {
            OUTER_V6 - 40
        } else {
            OUTER_V4 - 20
        };
        assert_eq!(datagram[headers + 20..], user[20..]);
        assert_eq!(bed.drops(), []);
    }
}

#[test]
fn nothing_is_cut_when_it_must_not_be() {
    let mut bed = bed(Fragmentation::Never);
    let session = dual(&mut bed, false);
    let user = packet_v4(HOST, session.ue, 1700, (64, false));
    let (_, sent) = bed.one(1, &downlink(&user)).unwrap();
    assert_eq!(sent[14 + 20..14 + 22], [3, 4]);
    assert_eq!(bed.drops(), [(Reason::TooBig, 1)]);
}

/// An intermediate UPF is no router: nobody is told, and its own tunnel is cut.
#[test]
fn from_tunnel_to_tunnel_the_outer_packet_is_cut() {
    let mut bed = bed(Fragmentation::Inner);
    let tunnel = bed.tunnel(N9, PEER_UPF.into(), Teid(0x77));
    let session = bed.install(0, |rules| {
        rules.fars[0].forwarding = Some(Forwarding {
            destination: DestinationInterface::Core,
            outer_header_creation: Some(tunnel),
            ..Forwarding::default()
        });
    });
    let user = packet_v4(session.ue, HOST, 1590, (1, true));
    let sent = bed.receive(0, &[uplink(session.teid, &user)]);
    assert_eq!(sent.len(), 2);
    let outer: Vec<&[u8]> = sent.iter().map(|(_, frame)| &frame[18..]).collect();
    assert_eq!(together(&outer)[24..], user);
}

#[test]
fn errors_about_errors_fragments_and_groups_are_not_sent() {
    let mut bed = bed(Fragmentation::Inner);
    let session = dual(&mut bed, false);
    let last = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut user = packet_v4(session.ue, HOST, 100, (1, false));
        change(&mut user);
        wire::set_ipv4_checksum(&mut user[..20]);
        uplink(session.teid, &user)
    };
    let silent = [
        // An ICMP error, a redirect, a later fragment.
        last(&|user| (user[9], user[20]) = (wire::ICMP, 3)),
        last(&|user| (user[9], user[20]) = (wire::ICMP, 5)),
        last(&|user| user[7] = 9),
    ];
    for frame in &silent {
        assert_eq!(bed.one(0, frame), None);
    }
    let mut error = user_v6(session.ue_v6, HOST_V6, 40);
    (error[6], error[7], error[40]) = (wire::ICMPV6, 1, 1);
    assert_eq!(bed.one(0, &uplink(session.teid, &error)), None);
    assert_eq!(bed.drops(), [(Reason::HopLimit, 4)]);
    // An echo, and the first fragment, are told of.
    for frame in [
        last(&|user| (user[9], user[20]) = (wire::ICMP, 8)),
        last(&|user| user[6] = 0x20),
    ] {
        assert!(bed.one(0, &frame).is_some());
    }
    // Not more often than the rate for one sender.
    bed.pass_ms(10_000);
    let flood = vec![last(&|_| {}); 500];
    let sent = bed.receive(0, &flood).len();
    assert_eq!(sent, 20);
    assert_eq!(bed.dropped(Reason::HopLimit), 6 + 500);
}

/// IPv6 has to get 1280 octets through whatever the MTU of N3 is.
#[test]
fn the_least_of_ipv6_gets_through_a_small_tunnel() {
    let mut bed = Testbed::with_mtu(1, 8, SlowConfig::default(), 1300);
    let session = dual(&mut bed, true);
    let user = user_v6(HOST_V6, session.ue_v6, 1280 - 48);
    let sent = bed.receive(1, &[downlink(&user)]);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|(_, frame)| frame.len() <= 14 + 1300));
    let user = user_v6(HOST_V6, session.ue_v6, 1281 - 48);
    let (_, sent) = bed.one(1, &downlink(&user)).unwrap();
    assert_eq!((sent[54], &sent[58..62]), (2, &[0, 0, 5, 0][..]));
}

/// A part of a packet is of no use: all pieces leave, or none, and nobody is told a wrong reason.
#[test]
fn a_packet_leaves_in_all_its_pieces_or_not_at_all() {
    for fragmentation in [Fragmentation::Inner, Fragmentation::Outer] {
        let slow = SlowConfig {
            fragmentation,
            ..SlowConfig::default()
        };
        let mut bed = Testbed::with_mtu(1, 8, slow, 500);
        let session = bed.install(1, |_| {});
        let user = packet_v4(HOST, session.ue, 1000, (64, false));
        bed.workers[0].out.buffers = 2;
        assert_eq!(bed.receive(1, &[downlink(&user)]), []);
        assert_eq!(bed.drops(), [(Reason::NoBuffer, 1)]);
        let urr = session::UrrId(1);
        let counted = session.installed.usage(urr).unwrap().volume();
        assert_eq!(counted.total_packets(), 0);
        bed.workers[0].out.buffers = 8;
        assert!(bed.receive(1, &[downlink(&user)]).len() > 2);
        assert_eq!(bed.drops(), [(Reason::NoBuffer, 1)]);
    }
}

/// A fragment at the end of what an IP packet may be: its pieces would be somewhere else.
#[test]
fn a_fragment_beyond_the_end_of_all_packets_is_not_cut() {
    let mut bed = Testbed::with_mtu(1, 8, SlowConfig::default(), 500);
    let session = bed.install(1, |_| {});
    let mut user = packet_v4(HOST, session.ue, 1000, (64, false));
    (user[6], user[7]) = (0x1f, 0xff);
    wire::set_ipv4_checksum(&mut user[..20]);
    assert_eq!(bed.receive(1, &[downlink(&user)]), []);
    assert_eq!(bed.drops(), [(Reason::UserPacket, 1)]);
    // The last that is left of one is.
    (user[6], user[7]) = (0x1f, 0x85);
    wire::set_ipv4_checksum(&mut user[..20]);
    let sent = bed.receive(1, &[downlink(&user)]);
    let fields: Vec<_> = sent
        .iter()
        .map(|(_, frame)| wire::u16_at(frame, 14 + OUTER_V4 + 6).unwrap())
        .collect();
    assert_eq!(fields, [0x3f85, 0x3fbb, 0x1ff1]);
}
