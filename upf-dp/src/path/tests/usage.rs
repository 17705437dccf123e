//! What is counted, and what a used up quota does.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::wildcard_imports,
    reason = "tests: small numbers"
)]

use std::net::Ipv4Addr;

use session::report::{Command, Report};
use session::rule::{Action, Gate};
use session::usage::{Alarm, Totals, Volume};
use session::{Far, FarId, Urr, UrrId};

use crate::reason::Reason;
use crate::slow::SlowConfig;
use crate::testbed::*;
use crate::wire;

fn stop_at(total: u64) -> Alarm {
    Alarm {
        stop_at: Totals {
            total: Some(total),
            ..Totals::default()
        },
        ..Alarm::default()
    }
}

fn usage_reports(bed: &mut Testbed) -> Vec<UrrId> {
    let control = &mut bed.workers[0].control;
    let reports = std::iter::from_fn(|| control.report());
    let urrs = reports.filter_map(|report| match report {
        Report::Usage { urr, .. } => Some(urr),
        _ => None,
    });
    urrs.collect()
}

/// A downlink packet of that many octets for the session's UE.
fn to_ue(session: &TestSession, octets: usize) -> Vec<u8> {
    downlink(&user_v4(HOST, session.ue, octets - 28))
}

#[test]
fn a_quota_is_reported_once_and_stops_packets() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let usage = session.installed.usage(UrrId(1)).unwrap();
    usage.arm(stop_at(300));
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
            report_at: Totals {
                total: Some(1),
                ..Totals::default()
            },
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

#[test]
fn a_quota_stops_packets_though_its_report_finds_no_room() {
    let mut bed = Testbed::new(1, 128);
    let fillers: Vec<_> = (0..100).map(|n| bed.install(n, |_| {})).collect();
    let measured = bed.install(100, |_| {});
    for filler in &fillers {
        let total = Some(1);
        let usage = filler.installed.usage(UrrId(1)).unwrap();
        let report_at = Totals {
            total,
            ..Totals::default()
        };
        usage.arm(Alarm {
            report_at,
            ..Alarm::default()
        });
    }
    let frames: Vec<_> = fillers
        .iter()
        .map(|filler| downlink(&user_v4(HOST, filler.ue, 8)))
        .collect();
    bed.receive(1, &frames);
    let usage = measured.installed.usage(UrrId(1)).unwrap();
    usage.arm(stop_at(300));
    let frame = to_ue(&measured, 100);
    let passed: usize = (0..5)
        .map(|_| bed.receive(1, &vec![frame.clone(); 10]).len())
        .sum();
    assert_eq!(passed, 3, "of a quota of three");
    while bed.workers[0].control.report().is_some() {}
    // Told of once there is room.
    bed.receive(1, &[frame.clone(), frame]);
    assert_eq!(usage_reports(&mut bed), [UrrId(1)]);
}

/// Rules whose second URR is counted before QoS enforcement as well.
fn counted_before(rules: &mut session::Rules) {
    rules.urrs.push(Urr {
        id: UrrId(2),
        before: true,
        ..Urr::default()
    });
    rules
        .pdrs
        .iter_mut()
        .for_each(|pdr| pdr.urrs.push(UrrId(2)));
}

#[test]
fn before_qos_enforcement_all_is_counted_that_comes_for_the_rule() {
    let cases: [fn(&mut session::Rules); 3] = [
        |rules| rules.qers[0].mbr.as_mut().unwrap().downlink_kbps = 1000,
        |rules| rules.qers[0].downlink_gate = Gate::Closed,
        |rules| rules.fars[1].action = Action::Drop,
    ];
    for change in cases {
        let mut bed = Testbed::new(1, 8);
        let session = bed.install(0, |rules| {
            counted_before(rules);
            change(rules);
        });
        let frame = to_ue(&session, 128);
        let sent = bed.receive(1, &vec![frame; 200]).len() as u64;
        assert!(sent < 100);
        let usage = session.installed.usage(UrrId(2)).unwrap();
        let (before, after) = (usage.volume_before(), usage.volume());
        assert_eq!(
            (before.downlink_packets, before.downlink_octets),
            (200, 200 * 128)
        );
        assert_eq!(
            (after.downlink_packets, after.downlink_octets),
            (sent, sent * 128)
        );
        // The other one did not ask for it.
        let other = session.installed.usage(UrrId(1)).unwrap();
        assert_eq!(
            (other.volume_before(), other.volume()),
            (Volume::default(), after)
        );
    }
}

#[test]
fn what_is_held_is_counted_before_qos_enforcement_when_its_turn_has_come() {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, |rules| {
        counted_before(rules);
        super::buffer(rules, true);
    });
    let frame = to_ue(&session, 100);
    assert_eq!(bed.receive(1, &vec![frame; 5]), []);
    let before = |session: &TestSession| {
        let usage = session.installed.usage(UrrId(2)).unwrap();
        usage.volume_before().downlink_octets
    };
    assert_eq!(before(&session), 0);
    bed.modify(&mut session, |rules| rules.fars[1].action = Action::Forward);
    let release = Command::Release {
        session: session.index,
    };
    bed.workers[0].control.command(release).unwrap();
    bed.tend();
    assert_eq!((bed.sent(0).len(), before(&session)), (5, 500));
}

#[test]
fn a_used_up_quota_puts_another_far_in_the_place_of_the_rules_own() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| {
        rules.urrs[0].quota_far = Some(FarId(9));
        let far = &rules.fars[1];
        rules.fars.push(Far {
            id: FarId(9),
            action: Action::Buffer { notify: true },
            ..far.clone()
        });
    });
    let usage = session.installed.usage(UrrId(1)).unwrap();
    usage.arm(stop_at(300));
    let frame = to_ue(&session, 100);
    assert_eq!(bed.receive(1, &vec![frame.clone(); 10]).len(), 3);
    let control = &mut bed.workers[0].control;
    assert!(matches!(control.report(), Some(Report::Usage { .. })));
    let told = control.report();
    assert!(
        matches!(told, Some(Report::DownlinkData { far: FarId(9), .. })),
        "{told:?}"
    );
    assert_eq!(bed.receive(1, std::slice::from_ref(&frame)), []);
    assert_eq!(bed.workers[0].cells.read().held, 8);
    // There is more: what was held goes first, and counts.
    usage.arm(stop_at(100_000));
    let late = to_ue(&session, 111);
    let sent = bed.receive(1, &[late]);
    let lengths: Vec<usize> = sent.iter().map(super::payload_length).collect();
    assert_eq!(lengths, [[72; 8].as_slice(), &[83]].concat());
    assert_eq!(usage.volume().downlink_octets, 11 * 100 + 111);
    assert_eq!(bed.workers[0].cells.read().held, 0);
}

#[test]
fn a_quota_that_forwards_elsewhere_does_not_go_on_counting_for_its_rule() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| {
        rules.urrs[0].quota_far = Some(FarId(9));
        rules.urrs.push(Urr {
            id: UrrId(2),
            ..Urr::default()
        });
        rules.pdrs[1].urrs.push(UrrId(2));
        let far = rules.fars[1].clone();
        rules.fars.push(Far {
            id: FarId(9),
            ..far
        });
    });
    let (one, other) = (UrrId(1), UrrId(2));
    let [usage, all] = [one, other].map(|urr| session.installed.usage(urr).unwrap());
    usage.arm(stop_at(300));
    let frame = to_ue(&session, 100);
    assert_eq!(bed.receive(1, &vec![frame.clone(); 10]).len(), 10);
    assert_eq!(
        (usage.volume().downlink_octets, all.volume().downlink_octets),
        (300, 1000)
    );
    // The other quota has no such FAR.
    all.exhaust(false);
    assert_eq!(bed.receive(1, &[frame]), []);
    assert_eq!(bed.drops(), [(Reason::QuotaExhausted, 1)]);
}

#[test]
fn whoever_knocks_at_a_shut_gate_is_told_of_once() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let usage = session.installed.usage(UrrId(1)).unwrap();
    usage.exhaust(true);
    let frame = to_ue(&session, 100);
    assert_eq!(bed.receive(1, &vec![frame; 3]), []);
    assert_eq!(usage_reports(&mut bed), [UrrId(1)]);
    assert_eq!(usage.volume(), Volume::default());
}

#[test]
fn downlink_packets_that_are_dropped_are_told_at_their_threshold() {
    let full: fn(&mut session::Rules) = |rules| {
        rules.fars[1].action = Action::Buffer { notify: false };
        rules.bars = vec![session::Bar {
            id: session::BarId(1),
            suggested_packets: Some(1),
            ..session::Bar::default()
        }];
        rules.fars[1].bar = Some(session::BarId(1));
    };
    let drops: fn(&mut session::Rules) = |rules| rules.fars[1].action = Action::Drop;
    for (change, lost) in [(drops, 6), (full, 5)] {
        let mut bed = Testbed::new(1, 8);
        let session = bed.install(0, |rules| {
            rules.urrs[0].dropped = true;
            change(rules);
        });
        let usage = session.installed.usage(UrrId(1)).unwrap();
        usage.arm_dropped(None, Some(5));
        let frame = to_ue(&session, 100);
        bed.receive(1, &vec![frame; 6]);
        assert_eq!(usage.volume_dropped().downlink_packets, lost);
        assert_eq!(usage_reports(&mut bed), [UrrId(1)]);
        assert_eq!(usage.volume(), Volume::default());
    }
}

/// What was counted and cannot leave after all was not used.
#[test]
fn a_packet_that_cannot_leave_is_not_counted() {
    let mut bed = Testbed::with_mtu(1, 8, SlowConfig::default(), 500);
    let session = bed.install(0, |_| {});
    let volume = |session: &TestSession| session.installed.usage(UrrId(1)).unwrap().volume();
    let mut last_hop = user_v4(HOST, session.ue, 72);
    last_hop[8] = 1;
    wire::set_ipv4_checksum(&mut last_hop[..20]);
    bed.receive(1, &[downlink(&last_hop)]);
    assert_eq!(bed.drops(), [(Reason::HopLimit, 1)]);
    assert_eq!(volume(&session), Volume::default());
    // Nowhere to go, uplink.
    let nowhere = user_v4(session.ue, Ipv4Addr::new(0, 0, 0, 1), 72);
    bed.receive(0, &[uplink(session.teid, &nowhere)]);
    let large = |flags: u8| {
        let mut user = user_v4(HOST, session.ue, 972);
        user[6] = flags;
        wire::set_ipv4_checksum(&mut user[..20]);
        downlink(&user)
    };
    // Too big, and not to be fragmented.
    let before = volume(&session);
    bed.receive(1, &[large(0x40)]);
    assert_eq!(volume(&session), before);
    // In pieces it goes, and counts as what it was.
    assert!(bed.receive(1, &[large(0)]).len() > 1);
    let (now, then) = (volume(&session), before);
    assert_eq!(now.downlink_octets - then.downlink_octets, 1000);
    assert_eq!(now.downlink_packets - then.downlink_packets, 1);
}

#[test]
fn pieces_that_wait_in_vain_are_one_packet() {
    let mut bed = Testbed::with_mtu(1, 8, SlowConfig::default(), 500);
    let silent = bed.tunnel(N3, Ipv4Addr::new(10, 0, 3, 77).into(), session::Teid(9));
    let session = bed.install(0, |rules| {
        let forwarding = rules.fars[1].forwarding.as_mut().unwrap();
        forwarding.outer_header_creation = Some(silent);
    });
    let ledger = session.installed.ledger(UrrId(1)).unwrap().clone();
    bed.receive(1, &[to_ue(&session, 1000)]);
    assert_eq!(ledger.usage().volume().downlink_octets, 1000);
    bed.pass_ms(3001);
    bed.tend();
    assert_eq!(bed.drops(), [(Reason::NeighbourUnresolved, 3)]);
    assert_eq!(ledger.usage().volume(), Volume::default());
}
