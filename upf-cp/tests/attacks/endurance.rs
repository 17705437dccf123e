//! G: what takes long, or goes wrong in time.

use upf_cp::{Input, NodeConfig, WorkerReport};

use crate::support::*;
use crate::*;

/// Remove FAR 7777, which is not there, then Create FAR: another session's stays its own.
#[test]
fn g01_a_far_that_is_removed_twice_is_nobody_elses() {
    let mut world = World::associated();
    let (first, _) = world.establish(&open5gs(1));
    let (second, _) = world.establish(&open5gs(2));
    world.modify(first, &activate(0x11, "10.10.3.101"));
    let before = world.rules(first);
    let far_id = 7777.into();
    let remove = pfcp::SessionModificationRequest {
        remove_fars: vec![pfcp::RemoveFar {
            far_id,
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = world.modify(second, &remove);
    assert_eq!(answer.failed_rule_id, Some(pfcp::FailedRuleId::Far(far_id)));
    let tunnel = to(
        pfcp::DestinationInterface::ACCESS,
        Some((0x22, "10.10.3.102")),
    );
    let create = pfcp::SessionModificationRequest {
        create_fars: vec![far(9, pfcp::ApplyAction::FORW, Some(tunnel))],
        ..Default::default()
    };
    assert_eq!(world.modify(second, &create).cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(world.rules(first), before);
    let index = world
        .node
        .session_statuses()
        .iter()
        .find(|s| s.seid.0 == first)
        .unwrap()
        .index;
    let snapshot = world.readers[0].snapshot();
    let mut steps = snapshot.session(index).unwrap().steps();
    let downlink = steps.find(|step| step.pdr.0 == 1).unwrap();
    assert_eq!(
        downlink.tunnel(),
        Some((session::Teid(0x11), ip("10.10.3.101")))
    );
}

#[test]
fn g02_sessions_that_come_and_go_leave_nothing() {
    let mut world = World::seeded(NodeConfig::new(ip(UPF)), topology(), 3, 8);
    world.associate();
    for round in 0..5_000_u32 {
        let (seid, _) = world.establish(&open5gs(1 + (round % 7) as u8));
        if round % 3 == 0 {
            world.modify(seid, &activate(round + 1, "10.10.3.101"));
        }
        assert_eq!(world.delete(seid).cause, Cause::REQUEST_ACCEPTED);
        world.snapshot();
        if round % 50 == 0 {
            world.pass(4_000);
            world.sent.clear();
            world.commands.clear();
        }
        assert!(
            world.node.publisher().retired() < 40,
            "{}",
            world.node.publisher().retired()
        );
    }
    world.requests.clear();
    world.pass(30_000);
    assert_eq!(
        (
            world.node.session_count(),
            world.node.publisher().sessions()
        ),
        (0, 0)
    );
    assert_eq!(world.node.publisher().retired(), 0);
    assert_eq!(world.node.transactions().1, 0);
    assert_eq!(world.teids_free(), 32);
}

/// Many idle UEs are paged at once: reports go at a pace, and N4 is served meanwhile.
#[test]
fn g03_a_storm_of_reports_is_paced_and_does_not_starve_n4() {
    const SESSIONS: u32 = 2_000;
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.sessions = SESSIONS;
    config.limits.outstanding_requests_per_peer = 50;
    config.limits.waiting_reports_per_peer = 1_000;
    let mut world = World::seeded(config, topology(), 3, SESSIONS);
    world.associate();
    for n in 0..SESSIONS {
        let mut request = open5gs(1);
        request.cp_f_seid.seid = 0x1_0000 + u64::from(n);
        let [.., high, low] = (n + 1).to_be_bytes();
        let address = std::net::Ipv4Addr::new(10, 45, high, low);
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(address, true)];
        world.establish(&request);
    }
    let indices: Vec<u32> = world.node.sessions().map(|(index, _)| index.0).collect();
    for session in indices {
        let report = WorkerReport::DownlinkData {
            session,
            pdr: 1,
            far: 1,
            qfi: Some(1),
            tos: 0,
        };
        world.input(Input::Report { worker: 0, report });
    }
    // Every one is on its way, waits, or was shed and counted: that is told once there is room.
    assert_eq!(world.requests.len(), 50);
    assert_eq!(
        world.node.counters().reports_shed,
        u64::from(SESSIONS) - 1_050
    );
    let answers = world.octets(smf(), &node(1, 7, &[ie(96, &[1, 2, 3, 4])]));
    assert_eq!(answers.len(), 1);
    let accepted = pfcp::SessionReportResponse {
        cause: Cause::REQUEST_ACCEPTED,
        ..Default::default()
    };
    let mut answered = 0;
    while !world.requests.is_empty() {
        world.reply(&accepted, Some(1));
        answered += 1;
        assert!(world.requests.len() <= 50);
    }
    assert_eq!(answered, SESSIONS);
}

/// T1 and N1 for each of many reports that nobody answers; the sessions stay.
#[test]
fn g04_reports_are_repeated_n1_times_and_the_sessions_stay() {
    let mut config = NodeConfig::new(ip(UPF));
    config.heartbeat_interval_ms = 0;
    let (t1_ms, n1) = (config.t1_ms, config.n1 as usize);
    let mut world = World::with(config);
    world.associate();
    for n in 1..=20 {
        world.establish(&open5gs(n));
    }
    let indices: Vec<u32> = world.node.sessions().map(|(index, _)| index.0).collect();
    for session in indices {
        let report = WorkerReport::DownlinkData {
            session,
            pdr: 1,
            far: 1,
            qfi: None,
            tos: 0,
        };
        world.input(Input::Report { worker: 0, report });
    }
    let mut seen = 20;
    for _ in 1..n1 {
        world.pass(t1_ms - 1);
        assert_eq!(world.requests.len(), seen);
        world.pass(1);
        seen += 20;
        assert_eq!(world.requests.len(), seen);
    }
    world.pass(10 * t1_ms);
    assert_eq!(world.requests.len(), 20 * n1);
    assert_eq!(world.node.counters().timeouts, 20);
    assert_eq!(world.node.transactions().0, 0);
    assert_eq!(world.node.session_count(), 20);
    // An answer that comes after all is ignored.
    let late = pfcp::SessionReportResponse {
        cause: Cause::SESSION_CONTEXT_NOT_FOUND,
        ..Default::default()
    };
    world.reply(&late, Some(1));
    assert_eq!(world.node.session_count(), 20);
}

/// An SMF restarts amid its establishments, with its numbers from the beginning: what came before
/// goes, what comes after stays, and nothing is answered from before.
#[test]
fn g05_a_restart_amid_establishments() {
    let mut world = World::seeded(NodeConfig::new(ip(UPF)), topology(), 3, 256);
    world.associate();
    for sequence in 1..=100_u32 {
        let n = sequence as u8;
        let answers = world.octets(smf(), &encode(Some(0), 100 + sequence, &open5gs(n)));
        assert_eq!(cause_of(&answers[0]).0, 1);
    }
    let old: Vec<u64> = world
        .node
        .sessions()
        .map(|(_, rules)| rules.seid.0)
        .collect();
    let mut again = association();
    again.recovery_time_stamp.0 += 30;
    let answers = world.octets(smf(), &encode(None, 1, &again));
    assert_eq!(cause_of(&answers[0]).0, 1);
    assert_eq!(world.node.session_count(), 0);
    world.snapshot();
    for sequence in 1..=100_u32 {
        let n = sequence as u8;
        // The very same octets as before the restart.
        let answers = world.octets(smf(), &encode(Some(0), 100 + sequence, &open5gs(n)));
        assert_eq!(cause_of(&answers[0]).0, 1);
    }
    assert_eq!(world.node.session_count(), 100);
    assert_eq!(world.node.counters().duplicates, 0);
    let new: Vec<u64> = world
        .node
        .sessions()
        .map(|(_, rules)| rules.seid.0)
        .collect();
    assert!(new.iter().all(|seid| !old.contains(seid)));
    for seid in old {
        assert_eq!(world.delete(seid).cause, Cause::SESSION_CONTEXT_NOT_FOUND);
    }
}

/// The era of NTP ends in 2036: a stamp that begins again is later.
#[test]
fn g06_a_time_stamp_that_wraps_is_later() {
    let mut world = World::associated();
    world.establish(&open5gs(1));
    let beat = |stamp: u32| pfcp::HeartbeatRequest {
        recovery_time_stamp: pfcp::RecoveryTimeStamp(stamp),
        ..Default::default()
    };
    for _ in 0..4 {
        world.ask(None, &beat(u32::MAX - 5));
        world.pass(4_000);
    }
    assert_eq!(world.node.session_count(), 1);
    world.ask(None, &beat(7));
    assert_eq!(world.node.session_count(), 0);
    assert_eq!(world.node.counters().peer_restarts, 1);
}

/// Our own clock passes the end of the era, and usage is measured across it.
#[test]
fn g06_our_clock_wraps() {
    let mut world = World::default();
    world.now.ntp_s = u32::MAX - 3;
    world.associate();
    let mut request = open5gs(1);
    request.create_urrs[0].reporting_triggers |= pfcp::ReportingTriggers::PERIO;
    request.create_urrs[0].measurement_period = Some(pfcp::MeasurementPeriod(10));
    world.establish(&request);
    world.pass(10_000);
    let report = world
        .requests
        .iter()
        .find_map(|request| match &request.message {
            Message::SessionReportRequest(report) => report.usage_reports.first(),
            _ => None,
        });
    let report = report.expect("a report");
    let (start, end) = (report.start_time.unwrap().0, report.end_time.unwrap().0);
    assert_eq!(end.wrapping_sub(start), 10);
}

/// A Monitoring Time of zero, and times in the past, do not spin.
#[test]
fn g06_times_in_the_past_do_not_spin() {
    for r#type in [33, 121, 122] {
        let (mut world, victim) = with_victim();
        let time = ie(r#type, &[0, 0, 0, 0]);
        let group = if r#type == 33 {
            ie(13, &[ie(81, &[0, 0, 0, 1]), time].concat())
        } else {
            ie(9, &[ie(56, &[0, 1]), time].concat())
        };
        let before = world.snapshot();
        let answers = world.octets(smf(), &session(MOD, victim, 900, &[group]));
        let (cause, offending) = cause_of(&answers[0]);
        if cause != 1 {
            assert_eq!((cause, offending), (73, Some(r#type)));
            assert_same(&world.snapshot(), &before, "refused");
        }
        let sent = world.sent.len();
        world.pass(5_000);
        assert!(world.sent.len() - sent < 10, "{type} spins");
    }
}
