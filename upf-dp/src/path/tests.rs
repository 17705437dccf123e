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

use std::net::{IpAddr, Ipv4Addr};

use session::report::{Command, Report};
use session::rule::{Action, DestinationInterface, Forwarding, Gate};
use session::usage::Alarm;
use session::{Far, FarId, PdrId, Qfi, Rules, Teid, UrrId, WorkerId};

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
    let mut datagram = user_v6(GNB_V6, N3_ADDRESS_V6, message.len());
    datagram[40..44].copy_from_slice(&[8, 0x68, 8, 0x68]);
    datagram[48..].copy_from_slice(&message);
    let expected = frame(MAC_GATEWAY, MAC_N6, None, &hopped(user));
    assert_eq!(
        bed.one(0, &frame(MAC_N3, MAC_GNB, None, &datagram)),
        Some((1, expected))
    );
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
    let mut packet = crate::TestPacket::new(&frame);
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

#[test]
fn a_quota_is_reported_once_and_stops_packets() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let usage = session.installed.usage(UrrId(1)).unwrap();
    usage.arm(Alarm {
        total_octets: Some(300),
        is_quota: true,
        ..Alarm::default()
    });
    let frame = downlink(&user_v4(HOST, session.ue, 72));
    assert_eq!(bed.receive(1, &vec![frame; 10]).len(), 3);
    assert_eq!(bed.drops(), [(Reason::QuotaExhausted, 7)]);
    let report = Report::Usage {
        session: session.index,
        urr: UrrId(1),
    };
    assert_eq!(bed.workers[0].control.report(), Some(report));
    assert_eq!(bed.workers[0].control.report(), None);
}

#[test]
fn a_usage_report_that_finds_the_queue_full_comes_with_a_later_packet() {
    let mut bed = Testbed::new(1, 128);
    let sessions: Vec<_> = (0..100).map(|n| bed.install(n, |_| {})).collect();
    for session in &sessions {
        let usage = session.installed.usage(UrrId(1)).unwrap();
        usage.arm(Alarm {
            total_octets: Some(1),
            ..Alarm::default()
        });
    }
    let frames: Vec<_> = sessions
        .iter()
        .map(|session| downlink(&user_v4(HOST, session.ue, 8)))
        .collect();
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..2 {
        assert_eq!(bed.receive(1, &frames).len(), 100);
        while let Some(Report::Usage { session, .. }) = bed.workers[0].control.report() {
            assert!(told.insert(session), "{session} twice");
        }
    }
    assert_eq!(told.len(), 100);
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

// ===== holding =====

fn payload_length(frame: &(u16, Vec<u8>)) -> usize {
    frame.1.len() - 14 - 44 - 28
}

#[test]
fn held_packets_are_told_of_once_and_released_in_order() {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, |rules| buffer(rules, true));
    let frames: Vec<_> = (0..20)
        .map(|n| downlink(&user_v4(HOST, session.ue, n)))
        .collect();
    assert_eq!(bed.receive(1, &frames), []);
    let report = Report::DownlinkData {
        session: session.index,
        pdr: PdrId(2),
        far: FarId(2),
        qfi: Qfi::new(9),
        tos: 0,
    };
    assert_eq!(bed.workers[0].control.report(), Some(report));
    assert_eq!(bed.workers[0].control.report(), None);
    assert_eq!(
        session
            .installed
            .usage(UrrId(1))
            .unwrap()
            .volume()
            .total_packets(),
        0
    );
    bed.modify(&mut session, |rules| rules.fars[1].action = Action::Forward);
    let release = Command::Release {
        session: session.index,
    };
    bed.workers[0].control.command(release).unwrap();
    bed.tend();
    let lengths: Vec<usize> = bed.sent(0).iter().map(payload_length).collect();
    assert_eq!(lengths, (0..20).collect::<Vec<_>>());
    assert_eq!(
        session
            .installed
            .usage(UrrId(1))
            .unwrap()
            .volume()
            .downlink_packets,
        20
    );
    assert_eq!(bed.workers[0].cells.read().held, 0);
}

#[test]
fn new_packets_do_not_overtake_held_ones() {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, |rules| buffer(rules, false));
    let frames: Vec<_> = (0..40)
        .map(|n| downlink(&user_v4(HOST, session.ue, n)))
        .collect();
    bed.receive(1, &frames[..30]);
    // The plan is in force, the command has not been read.
    bed.modify(&mut session, |rules| rules.fars[1].action = Action::Forward);
    let sent = bed.receive(1, &frames[30..]);
    let lengths: Vec<usize> = sent.iter().map(payload_length).collect();
    assert_eq!(lengths, (0..40).collect::<Vec<_>>());
    bed.workers[0]
        .control
        .command(Command::Release {
            session: session.index,
        })
        .unwrap();
    bed.tend();
    assert_eq!(bed.sent(0), []);
}

#[test]
fn a_release_into_rules_that_still_hold_keeps_order_and_silence() {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, |rules| buffer(rules, true));
    let frames: Vec<_> = (0..30)
        .map(|n| downlink(&user_v4(HOST, session.ue, n)))
        .collect();
    bed.receive(1, &frames);
    assert!(bed.workers[0].control.report().is_some());
    bed.workers[0]
        .control
        .command(Command::Release {
            session: session.index,
        })
        .unwrap();
    bed.tend();
    assert_eq!(bed.workers[0].control.report(), None);
    assert_eq!(bed.workers[0].cells.read().held, 30);
    bed.modify(&mut session, |rules| rules.fars[1].action = Action::Forward);
    bed.workers[0]
        .control
        .command(Command::Release {
            session: session.index,
        })
        .unwrap();
    bed.tend();
    let lengths: Vec<usize> = bed.sent(0).iter().map(payload_length).collect();
    assert_eq!(lengths, (0..30).collect::<Vec<_>>());
}

#[test]
fn a_full_report_queue_loses_no_notification() {
    let mut bed = Testbed::new(1, 128);
    let sessions: Vec<_> = (0..100)
        .map(|n| bed.install(n, |rules| buffer(rules, true)))
        .collect();
    let frames: Vec<_> = sessions
        .iter()
        .map(|session| downlink(&user_v4(HOST, session.ue, 8)))
        .collect();
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..2 {
        bed.receive(1, &frames);
        while let Some(Report::DownlinkData { session, .. }) = bed.workers[0].control.report() {
            assert!(told.insert(session), "{session} twice");
        }
    }
    assert_eq!(told.len(), 100);
}

#[test]
fn holding_has_bounds_and_ends() {
    let mut bed = Testbed::with(1, 8, crate::Rates::default(), 40);
    let sessions: Vec<_> = (0..3)
        .map(|n| bed.install(n, |rules| buffer(rules, false)))
        .collect();
    for session in &sessions[..2] {
        let frames = vec![downlink(&user_v4(HOST, session.ue, 8)); 35];
        bed.receive(1, &frames);
    }
    // 32 for one session, 40 for all.
    assert_eq!(
        bed.drops(),
        [(Reason::HoldSessionFull, 3), (Reason::HoldFull, 27)]
    );
    assert_eq!(bed.workers[0].cells.read().held, 40);
    bed.workers[0]
        .control
        .command(Command::Discard {
            session: sessions[0].index,
        })
        .unwrap();
    bed.tend();
    assert_eq!(bed.dropped(Reason::HoldDiscarded), 32);
    bed.withdraw(&sessions[1]);
    bed.receive(1, &[downlink(&user_v4(HOST, sessions[2].ue, 8))]);
    (0..64).for_each(|_| bed.tend());
    assert_eq!(bed.dropped(Reason::HoldSessionGone), 8);
    bed.pass_ms(60_001);
    (0..64).for_each(|_| bed.tend());
    assert_eq!(bed.dropped(Reason::HoldExpired), 1);
    assert_eq!(bed.workers[0].cells.read().held, 0);
    bed.receive(1, &[downlink(&user_v4(HOST, sessions[2].ue, 8))]);
    bed.workers[0].path.stop();
    bed.check();
    assert_eq!(bed.dropped(Reason::Stopped), 1);
}

#[test]
fn end_markers_follow_the_old_tunnel() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let plan = session.installed.compile(
        session.installed.rules.clone(),
        &session::Context {
            session: session.index,
            owner: session.owner,
            hz: HZ,
            burst_ms: 100,
            buffer_packets: 1,
        },
        |_| true,
    );
    let plan = plan.unwrap().plan;
    let step = plan
        .steps()
        .iter()
        .find(|step| step.pdr == PdrId(2))
        .unwrap();
    let tunnel = step.encapsulation;
    let next_hop = bed.name(N3, IpAddr::V4(GNB), None);
    bed.workers[0]
        .control
        .command(Command::EndMarker { tunnel, next_hop })
        .unwrap();
    bed.tend();
    let sent = bed.sent(0);
    let marker = sent
        .iter()
        .find(|(_, frame)| frame.len() == 58 && frame[43] == 254)
        .unwrap();
    assert_eq!(
        marker.1[42..],
        [0x34, 254, 0, 8, 0, 0, 0x10, 0, 0, 0, 0, 0x85, 1, 0, 9, 0]
    );
    let header: [u8; 20] = marker.1[14..34].try_into().unwrap();
    assert!(wire::ipv4_header_is_right(&header));
}

#[test]
fn an_end_marker_goes_on_through_a_forwarding_tunnel_and_ends_elsewhere() {
    let mut bed = Testbed::new(1, 8);
    let old = bed.install(0, |_| {});
    let tunnel = bed.tunnel(N3, GNB.into(), Teid(0x99));
    let forwarding = bed.install(1, |rules| {
        // Indirect data forwarding: from the radio side back to it.
        rules.pdrs.truncate(1);
        rules.pdrs[0].pdi.ue = None;
        rules.fars[0] = Far {
            forwarding: Some(Forwarding {
                destination: DestinationInterface::Access,
                outer_header_creation: Some(tunnel),
                ..Forwarding::default()
            }),
            ..rules.fars[0].clone()
        };
    });
    let marker = |teid: Teid| {
        let mut message = gpdu(teid, None, &[]);
        message[1] = 254;
        frame(
            MAC_N3,
            MAC_GNB,
            None,
            &datagram_v4(GNB, N3_ADDRESS, &message),
        )
    };
    let (_, sent) = bed.one(0, &marker(forwarding.teid)).unwrap();
    assert_eq!(sent[42..50], [0x34, 254, 0, 8, 0, 0, 0, 0x99]);
    assert_eq!(bed.one(0, &marker(old.teid)), None);
    assert_eq!(bed.workers[0].cells.read().ports[0].consumed, 1);
    assert_eq!(bed.one(0, &marker(Teid(1))), None);
    assert_eq!(bed.drops(), [(Reason::SlowPathUnanswered, 1)]);
}

// ===== neighbours =====

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
    bed.tend();
    let sent: Vec<_> = bed
        .sent(0)
        .into_iter()
        .filter(|(_, frame)| frame[..6] == mac)
        .collect();
    assert_eq!(
        sent.iter().map(payload_length).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
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

#[test]
fn too_big_for_the_port() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    assert!(
        bed.one(1, &downlink(&user_v4(HOST, session.ue, 1600 - 44 - 28)))
            .is_some()
    );
    assert_eq!(
        bed.one(1, &downlink(&user_v4(HOST, session.ue, 1600 - 44 - 27))),
        None
    );
    assert_eq!(bed.drops(), [(Reason::TooBig, 1)]);
}
