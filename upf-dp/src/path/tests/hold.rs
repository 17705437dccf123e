//! Holding packets, letting them go, and end markers.

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
use session::rule::{
    Action, Bar, DestinationInterface, ExtendedBuffering, Forwarding, OuterHeaderCreation,
};
use session::sdf::{FlowDescription, SdfFilter};
use session::{BarId, Far, FarId, Pdr, PdrId, Precedence, Qer, QerId, Qfi, Rules, Teid, UrrId};

use super::{buffer, payload_length};
use crate::reason::Reason;
use crate::testbed::*;
use crate::wire;

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

/// A session whose downlink goes by three rules: QFI 9 and, for two hosts, QFI 5 by the same FAR and
/// QFI 6 by another one. All of them hold.
fn with_flows(rules: &mut Rules) {
    buffer(rules, true);
    let (qer, far, pdr) = (
        rules.qers[0].clone(),
        rules.fars[1].clone(),
        rules.pdrs[1].clone(),
    );
    for (id, host) in [(5_u8, 5), (6, 6)] {
        rules.qers.push(Qer {
            id: QerId(id.into()),
            qfi: Qfi::new(id),
            ..qer.clone()
        });
        let mut pdr = Pdr {
            id: PdrId(id.into()),
            precedence: Precedence(1),
            qers: [QerId(id.into())].into_iter().collect(),
            far: if id == 5 { FarId(2) } else { FarId(6) },
            ..pdr.clone()
        };
        pdr.pdi.sdf_filters = vec![SdfFilter {
            flow: FlowDescription::parse(&format!("permit out ip from 198.51.100.{host} to any"))
                .ok(),
            ..SdfFilter::default()
        }];
        rules.pdrs.push(pdr);
    }
    rules.fars.push(Far {
        id: FarId(6),
        ..far
    });
}

#[test]
fn each_flow_of_each_far_is_told_of_once_until_its_far_lets_go() {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, with_flows);
    let host = |last| Ipv4Addr::new(198, 51, 100, last);
    let ue = session.ue;
    let to_ue = |host, tos| {
        let mut user = user_v4(host, ue, 8);
        user[1] = tos;
        set_ipv4_checksum(&mut user[..20]);
        downlink(&user)
    };
    let round = [
        to_ue(HOST, 0),
        to_ue(host(5), 0xb8),
        to_ue(host(6), 0x28),
        to_ue(HOST, 0xb8),
    ];
    let reports = |bed: &mut Testbed| -> Vec<(u32, u8, u8)> {
        let control = &mut bed.workers[0].control;
        std::iter::from_fn(|| control.report())
            .map(|report| match report {
                Report::DownlinkData { far, qfi, tos, .. } => (far.0, qfi.unwrap().get(), tos),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    for expected in [&[(2, 9, 0), (2, 5, 0xb8), (6, 6, 0x28)][..], &[]] {
        bed.receive(1, &round);
        assert_eq!(reports(&mut bed), expected);
    }
    // One FAR lets go, the other goes on holding: for that one nothing begins anew.
    let release = Command::Release {
        session: session.index,
    };
    bed.modify(&mut session, |rules| rules.fars[1].action = Action::Forward);
    // A packet that comes before the command sets those before it going.
    assert_eq!(bed.receive(1, &round[..1]).len(), 7);
    bed.workers[0].control.command(release).unwrap();
    bed.tend();
    assert_eq!(bed.workers[0].cells.read().held, 2);
    bed.receive(1, &round);
    assert_eq!(reports(&mut bed), []);
    bed.sent(0);
    // It holds again: that is another episode of its own.
    bed.modify(&mut session, |rules| {
        rules.fars[1].action = Action::Buffer { notify: true }
    });
    bed.receive(1, &round);
    assert_eq!(reports(&mut bed), [(2, 9, 0), (2, 5, 0xb8)]);
}

#[test]
fn extended_buffering_keeps_packets_for_longer_and_tells_nobody() {
    let mut bed = Testbed::new(1, 8);
    let extended = ExtendedBuffering {
        seconds: 300,
        packets: Some(3),
        until_ms: 0,
    };
    let mut session = bed.install(0, |rules| {
        buffer(rules, true);
        rules.fars[1].bar = Some(BarId(1));
        rules.bars = vec![Bar {
            id: BarId(1),
            extended: Some(extended),
            ..Bar::default()
        }];
    });
    let frame = downlink(&user_v4(HOST, session.ue, 8));
    bed.receive(1, &vec![frame.clone(); 4]);
    assert_eq!(bed.workers[0].control.report(), None);
    assert_eq!(bed.drops(), [(Reason::HoldSessionFull, 1)]);
    bed.pass_ms(300_000);
    (0..64).for_each(|_| bed.tend());
    assert_eq!(bed.workers[0].cells.read().held, 3);
    // When it ends, so does what it kept.
    bed.modify(&mut session, |rules| rules.bars[0].extended = None);
    (0..64).for_each(|_| bed.tend());
    assert_eq!(bed.dropped(Reason::HoldExpired), 3);
    bed.receive(1, &[frame]);
    assert!(bed.workers[0].control.report().is_some());
}

#[test]
fn while_buffers_are_short_the_longest_idle_give_way() {
    let mut bed = Testbed::new(1, 128);
    let sessions: Vec<_> = (0..100)
        .map(|n| bed.install(n, |rules| buffer(rules, false)))
        .collect();
    for session in &sessions {
        bed.receive(1, &vec![downlink(&user_v4(HOST, session.ue, 8)); 2]);
    }
    // The first one is no longer the one that got nothing for longest.
    bed.receive(1, &[downlink(&user_v4(HOST, sessions[0].ue, 8))]);
    bed.workers[0].out.is_short = true;
    bed.tend();
    assert_eq!(bed.drops(), [(Reason::HoldPoolLow, 128)]);
    bed.workers[0].out.is_short = false;
    (0..64).for_each(|_| bed.tend());
    assert_eq!(bed.drops(), [(Reason::HoldPoolLow, 128)]);
    let held = |bed: &Testbed, of: usize| bed.workers[0].path.held.of(sessions[of].index);
    let held = [0, 1, 64, 65, 99].map(|of| held(&bed, of));
    assert_eq!(held, [3, 0, 0, 2, 2]);
}

/// What is lost while it waits, for whatever reason, is told at a Dropped DL Traffic Threshold, and was
/// there before QoS enforcement.
#[test]
fn what_was_held_in_vain_counts_as_dropped() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| {
        buffer(rules, false);
        (rules.urrs[0].before, rules.urrs[0].dropped) = (true, true);
    });
    let user = user_v4(HOST, session.ue, 8);
    let dropped = || {
        let usage = session.installed.usage(UrrId(1)).unwrap();
        let volume = usage.volume_dropped();
        assert_eq!(usage.volume_before(), volume);
        (volume.downlink_packets, volume.downlink_octets)
    };
    let octets = user.len() as u64;
    // More than it may hold.
    bed.receive(1, &vec![downlink(&user); 33]);
    assert_eq!(dropped(), (1, octets));
    // Nobody came for them.
    bed.pass_ms(60_001);
    (0..64).for_each(|_| bed.tend());
    assert_eq!(bed.dropped(Reason::HoldExpired), 32);
    assert_eq!(dropped(), (33, 33 * octets));
    // The SMF does not want them.
    bed.receive(1, &vec![downlink(&user); 2]);
    let discard = Command::Discard {
        session: session.index,
    };
    bed.workers[0].control.command(discard).unwrap();
    bed.tend();
    assert_eq!(dropped(), (35, 35 * octets));
    // Others need the room more.
    bed.receive(1, &vec![downlink(&user); 3]);
    bed.workers[0].out.is_short = true;
    bed.tend();
    assert_eq!(bed.dropped(Reason::HoldPoolLow), 3);
    assert_eq!(dropped(), (38, 38 * octets));
    // None of them was forwarded, and so none was used.
    let used = session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!(used.total_packets(), 0);
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
    let mut bed = Testbed::with(1, 8, crate::SlowConfig::default(), 40);
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
            burst: session::meter::Burst::of_ms(100),
            buffer_packets: 1,
            ..session::Context::default()
        },
        |_| true,
    );
    let plan = plan.unwrap().plan;
    let step = plan.steps().find(|step| step.pdr == PdrId(2)).unwrap();
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

/// Indirect data forwarding: from the radio side back to it.
fn forward(rules: &mut Rules, tunnel: OuterHeaderCreation) {
    rules.pdrs.truncate(1);
    rules.fars[0] = Far {
        forwarding: Some(Forwarding {
            destination: DestinationInterface::Access,
            outer_header_creation: Some(tunnel),
            ..Forwarding::default()
        }),
        ..rules.fars[0].clone()
    };
}

fn marker(teid: Teid) -> Vec<u8> {
    let mut message = gpdu(teid, None, &[]);
    message[1] = 254;
    frame(
        MAC_N3,
        MAC_GNB,
        None,
        &datagram_v4(GNB, N3_ADDRESS, &message),
    )
}

/// The rules say to send what is held, the worker has not read so yet: the marker is the last.
#[test]
fn an_end_marker_does_not_overtake_what_is_held() {
    let mut bed = Testbed::new(1, 8);
    let tunnel = bed.tunnel(N3, GNB.into(), Teid(0x99));
    let mut session = bed.install(1, |rules| {
        forward(rules, tunnel);
        rules.fars[0].action = Action::Buffer { notify: true };
    });
    let packet = |n| uplink(session.teid, &user_v4(session.ue, HOST, n));
    assert_eq!(bed.receive(0, &[packet(0), packet(1), packet(2)]), []);
    let late = [packet(3), marker(session.teid)];
    bed.modify(&mut session, |rules| rules.fars[0].action = Action::Forward);
    let sent = bed.receive(0, &late);
    let kinds: Vec<u8> = sent.iter().map(|(_, frame)| frame[43]).collect();
    assert_eq!(kinds, [255, 255, 255, 255, 254]);
    assert_eq!(bed.workers[0].cells.read().held, 0);
}

#[test]
fn an_end_marker_goes_on_through_a_forwarding_tunnel_and_ends_elsewhere() {
    let mut bed = Testbed::new(1, 8);
    let old = bed.install(0, |_| {});
    let tunnel = bed.tunnel(N3, GNB.into(), Teid(0x99));
    let forwarding = bed.install(1, |rules| {
        forward(rules, tunnel);
        // What packets it wants does not matter to a marker, which has none.
        rules.pdrs[0].pdi.qfis = vec![Qfi::new(7).unwrap()];
    });
    let (_, sent) = bed.one(0, &marker(forwarding.teid)).unwrap();
    assert_eq!(sent[42..50], [0x34, 254, 0, 8, 0, 0, 0, 0x99]);
    assert_eq!(bed.one(0, &marker(old.teid)), None);
    assert_eq!(bed.workers[0].cells.read().ports[0].consumed, 1);
    assert_eq!(bed.one(0, &marker(Teid(1))), None);
    assert_eq!(bed.drops(), [(Reason::SlowPathUnanswered, 1)]);
}
