//! What is answered and read in a second: floods of one kind, peer or port drown nothing else.

use super::*;
use crate::SlowConfig;
use crate::slow::Rates;

/// A GTP-U message from a gNB.
fn message(from: std::net::Ipv4Addr, octets: &[u8]) -> Vec<u8> {
    let datagram = datagram_v4(from, N3_ADDRESS, octets);
    frame(MAC_N3, MAC_GNB, None, &datagram)
}

fn error_indication(from: std::net::Ipv4Addr) -> Vec<u8> {
    let mut octets = vec![0x32, 26, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0];
    octets.extend([14, 0, 16, 0, 0, 0x10, 0, 133, 0, 4]);
    octets.extend(from.octets());
    message(from, &octets)
}

fn end_marker(teid: Teid) -> Vec<u8> {
    let mut octets = gpdu(teid, None, &[]);
    octets[1] = 254;
    message(GNB, &octets)
}

fn reports(bed: &mut Testbed) -> usize {
    std::iter::from_fn(|| bed.workers[0].control.report()).count()
}

fn consumed(bed: &Testbed) -> u64 {
    bed.workers[0].cells.read().ports[0].consumed
}

#[test]
fn nothing_but_echo_depends_on_the_rate_of_echo() {
    let rates = Rates {
        echo_pps: 0,
        ..Rates::default()
    };
    let slow = SlowConfig {
        rates,
        ..SlowConfig::default()
    };
    let mut bed = Testbed::with(1, 8, slow, 256);
    let session = bed.install(0, |_| {});
    bed.receive(0, &[end_marker(session.teid), error_indication(GNB)]);
    assert_eq!((consumed(&bed), reports(&mut bed)), (2, 1));
    let echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
    assert_eq!(bed.one(0, &message(GNB, &echo)), None);
    assert_eq!(bed.drops(), [(Reason::SlowPathRate, 1)]);
}

#[test]
fn junk_does_not_drown_signalling() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let unknown = [0x32, 240, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
    bed.receive(0, &vec![message(GNB, &unknown); 5000]);
    bed.receive(0, &vec![end_marker(Teid(1)); 5000]);
    // Nor do End Markers have a rate: they are as many as packets.
    bed.receive(0, &vec![end_marker(session.teid); 5000]);
    bed.receive(0, &[error_indication(GNB)]);
    assert_eq!((consumed(&bed), reports(&mut bed)), (5001, 1));
    assert_eq!(
        bed.drops(),
        [(Reason::GtpuType, 5000), (Reason::SlowPathUnanswered, 5000)]
    );
}

#[test]
fn error_indications_of_one_peer_leave_room_for_those_of_others() {
    let mut bed = Testbed::new(1, 8);
    let rates = Rates::default();
    let share = usize::try_from(rates.error_indication_received_pps / 4).unwrap();
    bed.receive(0, &vec![error_indication(GNB); 5000]);
    assert_eq!(consumed(&bed), share as u64);
    reports(&mut bed);
    bed.receive(0, &[error_indication([10, 0, 3, 3].into())]);
    assert_eq!(reports(&mut bed), 1);
    assert_eq!(bed.drops(), [(Reason::SlowPathRate, 5000 - share as u64)]);
}

fn arp_for(sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    broadcast(&arp(1, sender, target))
}

#[test]
fn a_flood_on_one_port_is_not_heard_on_another() {
    let mut bed = Testbed::new(1, 8);
    let gateway = [10, 0, 6, 254];
    let answered = bed.receive(1, &vec![arp_for(gateway, [10, 45, 3, 4]); 5000]);
    assert_eq!(answered.len(), 1000);
    let target: Ipv6Addr = "2001:db8:6::1".parse().unwrap();
    let solicitation = |port: usize, target: Ipv6Addr| {
        let from = [GNB_V6, HOST_V6][port];
        let group: Ipv6Addr = "ff02::1:ff00:1".parse().unwrap();
        let packet = icmpv6(from, group, 255, &discovery(135, target, 1, MAC_GNB));
        frame([0x33, 0x33, 0xff, 0, 0, 1], MAC_GNB, None, &packet)
    };
    assert_eq!(bed.one(1, &solicitation(1, target)), None);
    assert!(bed.one(0, &solicitation(0, N3_ADDRESS_V6)).is_some());
    let on_n3 = arp_for(GNB.octets(), N3_ADDRESS.octets());
    assert!(bed.one(0, &on_n3).is_some());
    assert_eq!(bed.drops(), [(Reason::SlowPathRate, 4001)]);
    // Pings are counted by port as well.
    let ping = |to, mac| {
        let packet = icmpv6(GNB_V6, to, 64, &[128, 0, 0, 0, 1, 2, 3, 4]);
        frame(mac, MAC_GNB, None, &packet)
    };
    let pings = vec![ping(target, MAC_N6); 2000];
    assert_eq!(bed.receive(1, &pings).len(), 1000);
    assert!(bed.one(0, &ping(N3_ADDRESS_V6, MAC_N3)).is_some());
}

/// Chatter of a large network, and a flood: neither hides what the UPF has asked for.
#[test]
fn questions_for_others_and_answers_to_ours_do_not_count() {
    let mut bed = Testbed::new(1, 8);
    let v4 = bed.name(N6, "10.0.6.77".parse().unwrap(), None);
    let host: Ipv6Addr = "2001:db8:6::77".parse().unwrap();
    let v6 = bed.name(N6, host.into(), None);
    bed.receive(1, &vec![arp_for([10, 0, 6, 8], [10, 0, 6, 9]); 5000]);
    assert_eq!(bed.drops(), [(Reason::SlowPathUnanswered, 5000)]);
    bed.receive(1, &vec![arp_for([10, 0, 6, 8], [10, 45, 3, 4]); 5000]);
    assert_eq!(bed.dropped(Reason::SlowPathRate), 4000);
    bed.one(1, &broadcast(&arp(2, [10, 0, 6, 77], [10, 0, 6, 1])));
    assert_eq!(bed.neighbours.ethernet(v4), Some(MAC_GATEWAY));
    let to: Ipv6Addr = "2001:db8:6::1".parse().unwrap();
    let packet = icmpv6(host, to, 255, &discovery(136, host, 2, MAC_GATEWAY));
    bed.one(1, &frame(MAC_N6, MAC_GATEWAY, None, &packet));
    assert_eq!(bed.neighbours.ethernet(v6), Some(MAC_GATEWAY));
}
