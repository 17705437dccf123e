//! What the UPF answers itself, frame by frame.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    clippy::wildcard_imports,
    reason = "tests: small numbers, long tables"
)]

mod rates;
mod reassembly;
mod router;
mod undeliverable;

use std::net::{IpAddr, Ipv6Addr};

use session::neighbour::NextHop;
use session::report::{Command, Report};
use session::{Teid, WorkerId};

use crate::reason::Reason;
use crate::testbed::*;
use crate::wire;

fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, operation];
    arp.extend(MAC_GATEWAY);
    arp.extend(sender);
    arp.extend([0; 6]);
    arp.extend(target);
    arp
}

fn broadcast(packet: &[u8]) -> Vec<u8> {
    ethernet([0xff; 6], MAC_GATEWAY, None, wire::ARP, packet)
}

#[test]
fn arp_is_answered_for_us_and_for_ues_on_n6() {
    let mut bed = Testbed::new(1, 8);
    for target in [[10, 0, 6, 1], [10, 45, 3, 4]] {
        let (port, sent) = bed
            .one(1, &broadcast(&arp(1, [10, 0, 6, 254], target)))
            .unwrap();
        assert_eq!(port, 1);
        let mut reply = vec![0, 1, 8, 0, 6, 4, 0, 2];
        reply.extend(MAC_N6);
        reply.extend(target);
        reply.extend(MAC_GATEWAY);
        reply.extend([10, 0, 6, 254]);
        assert_eq!(sent, ethernet(MAC_GATEWAY, MAC_N6, None, wire::ARP, &reply));
    }
    // Others' addresses, UEs on N3, announcements.
    assert_eq!(
        bed.one(1, &broadcast(&arp(1, [10, 0, 6, 254], [10, 0, 6, 9]))),
        None
    );
    assert_eq!(
        bed.one(0, &broadcast(&arp(1, [10, 0, 3, 2], [10, 45, 3, 4]))),
        None
    );
    assert_eq!(
        bed.one(1, &broadcast(&arp(1, [10, 45, 3, 4], [10, 45, 3, 4]))),
        None
    );
    assert_eq!(bed.drops(), [(Reason::SlowPathUnanswered, 3)]);
    // Cut, and of another kind.
    assert_eq!(bed.one(1, &broadcast(&arp(1, [0; 4], [0; 4])[..27])), None);
    assert_eq!(bed.one(1, &broadcast(&arp(9, [0; 4], [0; 4]))), None);
    assert_eq!(bed.dropped(Reason::SlowPathBroken), 2);
}

#[test]
fn arp_in_a_vlan_is_answered_there() {
    let mut bed = Testbed::new(1, 8);
    let request = ethernet(
        [0xff; 6],
        MAC_GNB,
        Some(9),
        wire::ARP,
        &arp(1, [10, 0, 9, 2], N9_ADDRESS.octets()),
    );
    let (_, sent) = bed.one(0, &request).unwrap();
    assert_eq!(sent[12..18], [0x81, 0, 0, 9, 8, 6]);
    // The same question outside the VLAN, and in one that is not configured.
    let request = ethernet(
        [0xff; 6],
        MAC_GNB,
        None,
        wire::ARP,
        &arp(1, [10, 0, 9, 2], N9_ADDRESS.octets()),
    );
    assert_eq!(bed.one(0, &request), None);
    let request = ethernet(
        [0xff; 6],
        MAC_GNB,
        Some(8),
        wire::ARP,
        &arp(1, [10, 0, 9, 2], N9_ADDRESS.octets()),
    );
    assert_eq!(bed.one(0, &request), None);
    assert_eq!(
        bed.drops(),
        [(Reason::UnknownVlan, 1), (Reason::SlowPathUnanswered, 1)]
    );
}

#[test]
fn an_address_of_ours_is_not_learnt_from_others() {
    let mut bed = Testbed::new(1, 8);
    let ours = bed.name(N6, "10.0.6.1".parse().unwrap(), None);
    bed.one(1, &broadcast(&arp(2, [10, 0, 6, 1], [10, 0, 6, 254])));
    assert_eq!(bed.neighbours.ethernet(ours), None);
}

#[test]
fn ping_is_answered_on_ipv4() {
    let mut bed = Testbed::new(1, 8);
    let mut ping = user_v4(GNB, N3_ADDRESS, 24);
    ping[9] = wire::ICMP;
    wire::set_ipv4_checksum(&mut ping[..20]);
    ping[20..28].copy_from_slice(&[8, 0, 0, 0, 1, 2, 3, 4]);
    let checksum = !wire::fold(wire::sum(&ping[20..]));
    ping[22..24].copy_from_slice(&checksum.to_be_bytes());
    let (_, sent) = bed.one(0, &frame(MAC_N3, MAC_GNB, None, &ping)).unwrap();
    assert_eq!(sent[..14], ethernet(MAC_GNB, MAC_N3, None, wire::IPV4, &[]));
    let header: [u8; 20] = sent[14..34].try_into().unwrap();
    assert!(wire::ipv4_header_is_right(&header));
    assert_eq!(header[12..], [N3_ADDRESS.octets(), GNB.octets()].concat());
    assert_eq!((sent[34], &sent[38..42]), (0, &[1, 2, 3, 4][..]));
    assert_eq!(sent[42..], ping[28..]);
    assert_eq!(wire::fold(wire::sum(&sent[34..])), 0xffff);
    ping[30] ^= 1;
    assert_eq!(bed.one(0, &frame(MAC_N3, MAC_GNB, None, &ping)), None);
    assert_eq!(bed.drops(), [(Reason::SlowPathBroken, 1)]);
}

fn icmpv6(source: Ipv6Addr, to: Ipv6Addr, hop_limit: u8, message: &[u8]) -> Vec<u8> {
    let mut packet = user_v6(source, to, message.len() - 8);
    (packet[6], packet[7]) = (wire::ICMPV6, hop_limit);
    packet[40..].copy_from_slice(message);
    packet[42..44].copy_from_slice(&[0; 2]);
    let checksum = wire::transport_checksum(&packet[8..40], wire::ICMPV6, &packet[40..]);
    packet[42..44].copy_from_slice(&checksum.to_be_bytes());
    packet
}

fn discovery(kind: u8, target: Ipv6Addr, option: u8, mac: [u8; 6]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    message.extend([option, 1]);
    message.extend(mac);
    message
}

#[test]
fn ping_and_neighbour_solicitations_are_answered_on_ipv6() {
    let mut bed = Testbed::new(1, 8);
    let ping = icmpv6(GNB_V6, N3_ADDRESS_V6, 3, &[128, 0, 0, 0, 1, 2, 3, 4, 5]);
    let (_, sent) = bed.one(0, &frame(MAC_N3, MAC_GNB, None, &ping)).unwrap();
    assert_eq!((sent[54], &sent[58..]), (129, &[1, 2, 3, 4, 5][..]));
    assert_eq!(
        wire::transport_checksum(&sent[22..54], wire::ICMPV6, &sent[54..]),
        0
    );
    let group: Ipv6Addr = "ff02::1:ff00:1".parse().unwrap();
    let ask = |target: Ipv6Addr, hop_limit| {
        let packet = icmpv6(
            GNB_V6,
            group,
            hop_limit,
            &discovery(135, target, 1, MAC_GNB),
        );
        frame([0x33, 0x33, 0xff, 0, 0, 1], MAC_GNB, None, &packet)
    };
    let (_, sent) = bed.one(0, &ask(N3_ADDRESS_V6, 255)).unwrap();
    assert_eq!(sent[..14], ethernet(MAC_GNB, MAC_N3, None, wire::IPV6, &[]));
    assert_eq!(
        sent[22..54],
        [N3_ADDRESS_V6.octets(), GNB_V6.octets()].concat()
    );
    assert_eq!(sent[54..56], [136, 0]);
    assert_eq!(
        sent[58..],
        [
            &[0xe0, 0, 0, 0][..],
            &N3_ADDRESS_V6.octets(),
            &[2, 1],
            &MAC_N3
        ]
        .concat()
    );
    assert_eq!(
        wire::transport_checksum(&sent[22..54], wire::ICMPV6, &sent[54..]),
        0
    );
    // From beyond a router, for another host, and for a UE (which N3 knows nothing of).
    let ue: Ipv6Addr = "2001:db8:45::5".parse().unwrap();
    assert_eq!(bed.one(0, &ask(N3_ADDRESS_V6, 254)), None);
    assert_eq!(bed.one(0, &ask(GNB_V6, 255)), None);
    assert_eq!(bed.one(0, &ask(ue, 255)), None);
    let on_n6 = icmpv6(HOST_V6, group, 255, &discovery(135, ue, 1, MAC_GATEWAY));
    let on_n6 = frame([0x33, 0x33, 0xff, 0, 0, 1], MAC_GATEWAY, None, &on_n6);
    assert_eq!(bed.one(1, &on_n6).unwrap().1[62..78], ue.octets());
}

/// The kernel's end of a TAP has an address out of the UE pool: it must be able to take it.
#[test]
fn probes_for_addresses_of_the_ue_pool_are_not_answered() {
    let mut bed = Testbed::new(1, 8);
    assert_eq!(
        bed.one(1, &broadcast(&arp(1, [0; 4], [10, 45, 0, 1]))),
        None
    );
    let kernel: Ipv6Addr = "2001:db8:45::1".parse().unwrap();
    let group: Ipv6Addr = "ff02::1:ff00:1".parse().unwrap();
    let probe = |target| {
        let message = discovery(135, target, 14, [0; 6]);
        let packet = icmpv6(Ipv6Addr::UNSPECIFIED, group, 255, &message);
        frame([0x33, 0x33, 0xff, 0, 0, 1], MAC_GATEWAY, None, &packet)
    };
    assert_eq!(bed.one(1, &probe(kernel)), None);
    assert_eq!(bed.drops(), [(Reason::SlowPathUnanswered, 2)]);
    // Our own are defended, to everybody.
    assert!(
        bed.one(1, &broadcast(&arp(1, [0; 4], [10, 0, 6, 1])))
            .is_some()
    );
    let (_, sent) = bed
        .one(1, &probe("2001:db8:6::1".parse().unwrap()))
        .unwrap();
    assert_eq!(
        (&sent[..6], sent[54], sent[58]),
        (&[0x33, 0x33, 0, 0, 0, 1][..], 136, 0xa0)
    );
}

#[test]
fn an_advertisement_resolves_a_neighbour() {
    let mut bed = Testbed::new(1, 8);
    let peer: Ipv6Addr = "2001:db8:3::9".parse().unwrap();
    let id = bed.name(N3, peer.into(), None);
    bed.pass_ms(2000);
    (0..64).for_each(|_| {
        bed.pass_ms(1);
        bed.tend();
    });
    let asked = bed
        .sent(0)
        .into_iter()
        .find(|(_, frame)| frame.get(54) == Some(&135))
        .unwrap();
    assert_eq!(asked.1[..6], [0x33, 0x33, 0xff, 0, 0, 9]);
    let answer = icmpv6(
        peer,
        N3_ADDRESS_V6,
        255,
        &discovery(136, peer, 2, [2, 9, 9, 9, 9, 9]),
    );
    assert_eq!(bed.one(0, &frame(MAC_N3, MAC_GNB, None, &answer)), None);
    assert_eq!(bed.neighbours.ethernet(id), Some([2, 9, 9, 9, 9, 9]));
}

#[test]
fn an_error_indication_is_reported() {
    let mut bed = Testbed::new(1, 8);
    let mut message = vec![0x32, 26, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend([14, 0, 16, 0, 0, 0x10, 0, 133, 0, 4]);
    message.extend(GNB.octets());
    let datagram = datagram_v4(GNB, N3_ADDRESS, &message);
    assert_eq!(bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)), None);
    let report = Report::ErrorIndication {
        peer: GNB.into(),
        teid: Teid(0x1000),
        sender: GNB.into(),
    };
    assert_eq!(bed.workers[0].control.report(), Some(report));
    assert_eq!(bed.workers[0].cells.read().ports[0].consumed, 1);
}

/// The octets of an Echo Response with Recovery, from the gNB.
fn echo_response(number: u16) -> Vec<u8> {
    let mut message = vec![0x32, 2, 0, 6, 0, 0, 0, 0];
    message.extend(number.to_be_bytes());
    message.extend([0, 0, 14, 0]);
    frame(
        MAC_N3,
        MAC_GNB,
        None,
        &datagram_v4(GNB, N3_ADDRESS, &message),
    )
}

#[test]
fn an_echo_request_is_sent_and_its_answer_passed_on() {
    let mut bed = Testbed::new(1, 8);
    for (peer, source, sequence) in [
        (IpAddr::from(GNB), IpAddr::from(N3_ADDRESS), 0x1234),
        (GNB_V6.into(), N3_ADDRESS_V6.into(), 0x1235),
    ] {
        let next_hop = bed.name(N3, peer, None);
        let command = Command::Echo {
            peer,
            source,
            next_hop,
            sequence,
        };
        bed.workers[0].control.command(command).unwrap();
        bed.tend();
        let (port, sent) = bed.sent(0).pop().unwrap();
        assert_eq!(port, 0);
        assert_eq!(sent[..12], [MAC_GNB, MAC_N3].concat());
        let udp = if peer.is_ipv4() { 34 } else { 54 };
        assert_eq!(sent[udp..udp + 4], [8, 0x68, 8, 0x68]);
        let mut message = vec![0x32, 1, 0, 4, 0, 0, 0, 0];
        message.extend(sequence.to_be_bytes());
        message.extend([0, 0]);
        assert_eq!(sent[udp + 8..], message);
        let addresses = if peer.is_ipv4() { 26..34 } else { 22..54 };
        assert_eq!(
            wire::transport_checksum(&sent[addresses], wire::UDP, &sent[udp..]),
            0
        );
        let report = bed.workers[0].control.report();
        let at = bed.now.0;
        assert_eq!(report, Some(Report::EchoSent { peer, sequence, at }));
        bed.pass_ms(3);
    }
    assert_eq!(bed.one(0, &echo_response(0x1234)), None);
    let answered = Report::EchoAnswered {
        peer: GNB.into(),
        sequence: 0x1234,
        at: bed.now.0,
    };
    assert_eq!(bed.workers[0].control.report(), Some(answered));
    assert_eq!(bed.workers[0].cells.read().ports[0].consumed, 1);
}

#[test]
fn echo_answers_nobody_waits_for_are_bounded_apart_from_requests() {
    let mut bed = Testbed::new(1, 8);
    let flood: Vec<_> = (0..50).map(echo_response).collect();
    assert!(bed.receive(0, &flood).is_empty());
    assert_eq!(bed.drops(), [(Reason::SlowPathRate, 40)]);
    let told = std::iter::from_fn(|| bed.workers[0].control.report()).count();
    assert_eq!(told, 10);
    // Without a number it answers nothing.
    let message = [0x30, 2, 0, 2, 0, 0, 0, 0, 14, 0];
    let datagram = datagram_v4(GNB, N3_ADDRESS, &message);
    assert_eq!(bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)), None);
    assert_eq!(bed.dropped(Reason::SlowPathBroken), 1);
}

#[test]
fn an_echo_waits_for_a_neighbour_as_all_packets_do() {
    let mut bed = Testbed::new(1, 8);
    let peer = IpAddr::from([10, 0, 3, 77]);
    let next_hop = bed.name(N3, peer, None);
    let command = Command::Echo {
        peer,
        source: N3_ADDRESS.into(),
        next_hop,
        sequence: 1,
    };
    bed.workers[0].control.command(command).unwrap();
    bed.tend();
    // The question for its Ethernet address alone.
    let sent = bed.sent(0);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1[12..14], wire::ARP.to_be_bytes());
    bed.neighbours.learn(
        NextHop {
            interface: N3,
            address: peer,
        },
        [2, 0, 0, 0, 3, 77],
    );
    bed.tend();
    assert_eq!(bed.sent(0)[0].1[..6], [2, 0, 0, 0, 3, 77]);
}

#[test]
fn the_first_worker_announces_our_addresses() {
    let mut bed = Testbed::new(2, 8);
    // The test bed has thrown away what was sent at the start; a new path announces again.
    assert_eq!(bed.workers[0].cells.read().ports[0].made, 3 + 3);
    assert_eq!(bed.workers[1].cells.read().ports[0].made, 0);
    bed.pass_ms(1);
    bed.tend();
    assert!(bed.sent(0).is_empty());
    assert_eq!(bed.workers[1].path.worker, WorkerId(1));
}
