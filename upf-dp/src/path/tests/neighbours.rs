//! Packets and the neighbours that they are sent to.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    clippy::type_complexity,
    clippy::wildcard_imports,
    reason = "tests: small numbers, long tables"
)]

use std::net::Ipv4Addr;

use session::{Teid, UrrId};

use super::payload_length;
use crate::reason::Reason;
use crate::testbed::*;
use crate::wire;

#[test]
fn packets_wait_for_a_neighbour_and_go_when_it_answers() {
    let mut bed = Testbed::new(1, 8);
    let peer: Ipv4Addr = "10.0.3.9".parse().unwrap();
    let tunnel = bed.tunnel(N3, peer.into(), Teid(0x44));
    let session = bed.install(0, |rules| {
        rules.fars[1]
            .forwarding
            .as_mut()
            .unwrap()
            .outer_header_creation = Some(tunnel);
    });
    let frames: Vec<_> = (0..6)
        .map(|n| downlink(&user_v4(HOST, session.ue, n)))
        .collect();
    let sent = bed.receive(1, &frames);
    // One ARP request; four packets wait.
    assert_eq!(sent.len(), 1);
    let (port, request) = &sent[0];
    assert_eq!(
        (*port, &request[..6], &request[12..22]),
        (0, &[0xff; 6][..], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1][..])
    );
    assert_eq!(request[38..42], peer.octets());
    assert_eq!(bed.drops(), [(Reason::NeighbourUnresolved, 2)]);
    // What cannot wait is taken back.
    let volume = || session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!(volume().downlink_packets, 4);
    assert_eq!(volume().downlink_octets, 4 * 28 + 1 + 2 + 3);
    let mac = [2, 0, 0, 0, 3, 9];
    let mut reply = vec![0, 1, 8, 0, 6, 4, 0, 2];
    reply.extend(mac);
    reply.extend(peer.octets());
    reply.extend(MAC_N3);
    reply.extend(N3_ADDRESS.octets());
    assert_eq!(
        bed.one(0, &ethernet(MAC_N3, mac, None, wire::ARP, &reply)),
        None
    );
    // What comes now does not overtake them.
    let next = downlink(&user_v4(HOST, session.ue, 6));
    let sent: Vec<_> = bed
        .receive(1, &[next])
        .into_iter()
        .filter(|(_, frame)| frame[..6] == mac)
        .collect();
    assert_eq!(
        sent.iter().map(payload_length).collect::<Vec<_>>(),
        [0, 1, 2, 3, 6]
    );
    assert_eq!(volume().downlink_packets, 5);
    bed.check();
}

#[test]
fn packets_for_a_silent_neighbour_are_dropped_in_the_end() {
    let mut bed = Testbed::new(1, 8);
    let host: Ipv4Addr = "10.0.6.77".parse().unwrap();
    let session = bed.install(0, |_| {});
    let frame = uplink(session.teid, &user_v4(session.ue, host, 4));
    let is_question = |(port, frame): &(u16, Vec<u8>)| {
        *port == 1 && frame[12..14] == [8, 6] && frame[38..42] == host.octets()
    };
    assert_eq!(
        bed.receive(0, std::slice::from_ref(&frame))
            .iter()
            .filter(|f| is_question(f))
            .count(),
        1
    );
    let mut questions = 0;
    for _ in 0..4000 {
        bed.pass_ms(1);
        bed.tend();
        questions += bed.sent(0).iter().filter(|f| is_question(f)).count();
    }
    // After 1 and 3 seconds.
    assert_eq!(questions, 2);
    assert_eq!(bed.dropped(Reason::NeighbourUnresolved), 1);
    let volume = session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!((volume.uplink_packets, volume.uplink_octets), (0, 0));
}

#[test]
fn made_up_neighbours_have_a_bound() {
    let mut bed = Testbed::new(1, 8);
    let tunnel = bed.tunnel(N3, GNB.into(), Teid(1));
    let session = bed.install(0, |rules| {
        rules.fars[1]
            .forwarding
            .as_mut()
            .unwrap()
            .outer_header_creation = Some(tunnel);
    });
    let mut frames = Vec::new();
    for n in 2..=253_u8 {
        let host = Ipv4Addr::new(10, 0, 6, n);
        frames.push(uplink(session.teid, &user_v4(session.ue, host, 4)));
    }
    bed.receive(0, &frames);
    assert_eq!(bed.dropped(Reason::NeighboursFull), 0);
    assert!(bed.neighbours.all().count() <= 252 + 8);
}

/// A bed with two gateways to everywhere, and a session of both families.
fn two_gateways() -> (Testbed, TestSession) {
    let mut bed = Testbed::connected(1, |topology| {
        for (to, via) in [("0.0.0.0/0", "10.0.6.253"), ("::/0", "2001:db8:6::fd")] {
            topology.interfaces[2]
                .routes
                .push(session::topology::Route {
                    to: to.parse().unwrap(),
                    via: via.parse().unwrap(),
                });
        }
    });
    let session = bed.install(0, |rules| {
        rules.ue.ipv6 = "2001:db8:45::/64".parse().ok();
        let ue = rules.ue;
        rules.pdrs.iter_mut().for_each(|pdr| pdr.pdi.ue = Some(ue));
    });
    (bed, session)
}

const OTHER_GATEWAY: [u8; 6] = [2, 0, 0, 0, 6, 0xfd];

/// Which gateway each of 64 flows takes.
fn taken(bed: &mut Testbed, session: &TestSession, v6: bool) -> Vec<[u8; 6]> {
    let frames = (0..64_u8).map(|flow| {
        let mut user = if v6 {
            user_v6(session.ue_v6, HOST_V6, super::USER)
        } else {
            user_v4(session.ue, HOST, super::USER)
        };
        let at = if v6 { 41 } else { 21 };
        user[at] = flow;
        uplink(session.teid, &user)
    });
    let sent = bed.receive(0, &frames.collect::<Vec<_>>());
    sent.iter()
        .map(|(_, frame)| frame[..6].try_into().unwrap())
        .collect()
}

/// Several gateways to one destination share its flows; one that does not answer gets none.
#[test]
fn flows_are_shared_by_gateways() {
    let (mut bed, session) = two_gateways();
    for v6 in [false, true] {
        assert_eq!(
            taken(&mut bed, &session, v6),
            [MAC_GATEWAY; 64],
            "the other one is not known"
        );
    }
    bed.name(N6, "10.0.6.253".parse().unwrap(), Some(OTHER_GATEWAY));
    bed.name(N6, "2001:db8:6::fd".parse().unwrap(), Some(OTHER_GATEWAY));
    for v6 in [false, true] {
        let first = taken(&mut bed, &session, v6);
        let again = taken(&mut bed, &session, v6);
        assert_eq!(again, first, "a flow stays where it is");
        let share = first.iter().filter(|mac| **mac == OTHER_GATEWAY).count();
        assert!((16..=48).contains(&share), "{share} of 64");
    }
}

/// Lets some seconds pass, in which gateways with these last octets answer ARP. How many questions
/// there were.
fn pass(bed: &mut Testbed, seconds: u32, live: &[u8]) -> usize {
    let mut questions = 0;
    for _ in 0..seconds * 500 {
        bed.pass_ms(2);
        bed.tend();
        for (port, frame) in bed.sent(0) {
            let asked = frame.get(38..42).map(|address| [address[0], address[3]]);
            let Some([10, last]) = asked.filter(|_| port == 1 && frame[12..14] == [8, 6]) else {
                continue;
            };
            questions += 1;
            if !live.contains(&last) {
                continue;
            }
            let mac = if last == 253 {
                OTHER_GATEWAY
            } else {
                MAC_GATEWAY
            };
            let mut reply = vec![0, 1, 8, 0, 6, 4, 0, 2];
            reply.extend(mac);
            reply.extend([10, 0, 6, last]);
            reply.extend(&frame[22..32]);
            let reply = ethernet(MAC_N6, mac, None, wire::ARP, &reply);
            assert_eq!(bed.one(1, &reply), None);
        }
    }
    questions
}

#[test]
fn a_gateway_that_falls_silent_is_left_out_until_it_answers() {
    let (mut bed, session) = two_gateways();
    let shares = |bed: &mut Testbed| {
        let all = taken(bed, &session, false);
        [MAC_GATEWAY, OTHER_GATEWAY].map(|mac| all.iter().filter(|own| **own == mac).count())
    };
    bed.name(N6, "10.0.6.253".parse().unwrap(), Some(OTHER_GATEWAY));
    let questions = pass(&mut bed, 60, &[253, 254]);
    // Each every five seconds and a little, and once more at the start.
    assert!((18..=26).contains(&questions), "{questions} questions");
    let both = shares(&mut bed);
    assert!(both.iter().all(|share| *share >= 16), "{both:?}");
    pass(&mut bed, 9, &[254]);
    assert_eq!(shares(&mut bed), [64, 0]);
    pass(&mut bed, 60, &[254]);
    assert_eq!(shares(&mut bed), [64, 0]);
    // It is asked less and less often meanwhile.
    pass(&mut bed, 33, &[253, 254]);
    assert_eq!(shares(&mut bed), both, "every flow is where it was");
    // None of them: what comes waits, and is dropped in the end.
    pass(&mut bed, 9, &[]);
    assert_eq!(shares(&mut bed), [0, 0]);
    pass(&mut bed, 4, &[]);
    assert_eq!(bed.drops(), [(Reason::NeighbourUnresolved, 64)]);
    bed.check();
}

/// A policy is another way out of the same network: downlink comes in as ever.
#[test]
fn a_policy_has_gateways_of_its_own() {
    const POLICY: session::InterfaceId = session::InterfaceId(3);
    let mut bed = Testbed::connected(1, |topology| {
        let mut interface = topology.interfaces[2].clone();
        interface.id = POLICY;
        interface.routes = vec![session::topology::Route {
            to: "0.0.0.0/0".parse().unwrap(),
            via: "10.0.6.9".parse().unwrap(),
        }];
        topology.interfaces.push(interface);
    });
    let cache = [2, 0, 0, 0, 6, 9];
    bed.name(POLICY, "10.0.6.9".parse().unwrap(), Some(cache));
    let mut session = bed.install(0, |_| {});
    let up = uplink(session.teid, &user_v4(session.ue, HOST, super::USER));
    assert_eq!(bed.one(0, &up).unwrap().1[..6], MAC_GATEWAY);
    bed.modify(&mut session, |rules| {
        rules.fars[0].forwarding.as_mut().unwrap().policy = Some(POLICY);
    });
    let (port, sent) = bed.one(0, &up).unwrap();
    assert_eq!((port, &sent[..6]), (1, &cache[..]));
    assert!(
        bed.one(1, &downlink(&user_v4(HOST, session.ue, super::USER)))
            .is_some()
    );
}
