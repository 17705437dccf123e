//! Session reports: downlink data, error indications.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use pfcp::{Cause, FTeid, Message, ReportType, SessionReportRequest, SessionReportResponse};
use session::SessionIndex;
use session::report::Command;
use support::*;
use upf_cp::{NodeConfig, WorkerReport};

fn accepted() -> SessionReportResponse {
    SessionReportResponse {
        cause: Cause::REQUEST_ACCEPTED,
        ..Default::default()
    }
}

fn take_report(world: &mut World) -> SessionReportRequest {
    let request = world.requests.first().expect("a report").clone();
    let Message::SessionReportRequest(report) = request.message else {
        panic!("{request}")
    };
    report
}

fn index(world: &World) -> SessionIndex {
    world.node.sessions().next().unwrap().0
}

fn downlink_data(world: &World) -> WorkerReport {
    WorkerReport::DownlinkData {
        session: index(world).0,
        pdr: 1,
        far: 1,
        qfi: Some(1),
        tos: 0,
    }
}

/// Every session holds its first packet.
fn hold_for_all(world: &mut World) {
    let sessions: Vec<_> = world.node.sessions().map(|(index, _)| index.0).collect();
    for session in sessions {
        world.report(WorkerReport::DownlinkData {
            session,
            pdr: 1,
            far: 1,
            qfi: None,
            tos: 0,
        });
    }
}

#[test]
fn downlink_data_is_reported_until_it_is_answered() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.report(downlink_data(&world));
    let report = take_report(&mut world);
    assert_eq!(report.report_type, ReportType::DLDR);
    assert_eq!(world.requests[0].header.seid, Some(0x109));
    let data = report.downlink_data_report.unwrap();
    assert_eq!(data.pdr_ids, [1.into()]);
    assert_eq!(
        data.downlink_data_service_information.unwrap().qfi,
        Some(pfcp::Qfi::new(1).unwrap())
    );
    world.pass(3_500);
    let [.., (_, first), (_, again)] = world.sent.as_slice() else {
        panic!()
    };
    assert_eq!(first, again);
    world.requests.truncate(1);
    // SD-Core answers under its own SEID: the number is what counts.
    world.reply(&accepted(), Some(0x109));
    assert_eq!(world.node.transactions().0, 0);
    // What is not held (any more) is not reported.
    world.modify(seid, &activate(1, "10.10.3.101"));
    world.report(downlink_data(&world));
    assert!(world.requests.is_empty());
    assert_eq!(world.node.counters().reports_stale, 1);
}

#[test]
fn the_dscp_of_what_is_held_is_told_to_smfs_that_can_take_it() {
    for (paging_policy, qfi, told) in [
        (false, Some(1), Some((Some(1), None))),
        (false, None, None),
        (true, Some(1), Some((Some(1), Some(0x2e)))),
        (true, None, Some((None, Some(0x2e)))),
    ] {
        let mut config = NodeConfig::new(ip(UPF));
        config.paging_policy = paging_policy;
        let mut world = World::with(config);
        world.associate();
        world.establish(&open5gs(9));
        let session = index(&world).0;
        world.report(WorkerReport::DownlinkData {
            session,
            pdr: 1,
            far: 1,
            qfi,
            tos: 0xb9,
        });
        let data = take_report(&mut world).downlink_data_report.unwrap();
        let information = data.downlink_data_service_information;
        let got = information.map(|told| {
            let dscp = told.paging_policy_indication.map(pfcp::Bits::get);
            (told.qfi.map(pfcp::Qfi::get), dscp)
        });
        assert_eq!(got, told, "{paging_policy} {qfi:?}");
    }
}

#[test]
fn a_session_that_the_smf_does_not_know_is_dropped() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    world.report(downlink_data(&world));
    let answer = SessionReportResponse {
        cause: Cause::SESSION_CONTEXT_NOT_FOUND,
        ..Default::default()
    };
    world.reply(&answer, Some(0));
    assert_eq!(
        (
            world.node.session_count(),
            world.node.publisher().sessions()
        ),
        (0, 0)
    );
}

/// SD-Core: cause 64 and DROBU.
#[test]
fn a_refused_report_with_drobu_discards_the_buffer() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    world.report(downlink_data(&world));
    let answer = SessionReportResponse {
        cause: Cause::REQUEST_REJECTED,
        flags: Some(pfcp::PfcpSrRspFlags::DROBU),
        ..Default::default()
    };
    world.reply(&answer, Some(0x109));
    let session = index(&world);
    assert_eq!(
        world.commands.last().unwrap().1,
        Command::Discard { session }
    );
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn a_report_nobody_answers_is_given_up_and_the_session_stays() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    world.report(downlink_data(&world));
    world.pass(9_500);
    let reports = world
        .sent
        .iter()
        .filter(|(_, octets)| octets[1] == 56)
        .count();
    assert_eq!((reports, world.node.session_count()), (3, 1));
    assert_eq!(world.node.counters().timeouts, 1);
}

#[test]
fn an_error_indication_names_the_tunnel() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    let gnb = ip("10.10.3.101");
    world.report(WorkerReport::ErrorIndication {
        peer: gnb,
        teid: 0x0102,
        sender: gnb,
    });
    assert!(world.requests.is_empty());
    world.report(WorkerReport::ErrorIndication {
        peer: gnb,
        teid: 0x0101,
        sender: gnb,
    });
    let report = take_report(&mut world);
    assert_eq!(report.report_type, ReportType::ERIR);
    let tunnels = report.error_indication_report.unwrap().remote_f_teids;
    assert_eq!(tunnels, [FTeid::given(0x0101, gnb)]);
    // The peer sends one for every packet; one report tells it.
    let error = WorkerReport::ErrorIndication {
        peer: gnb,
        teid: 0x0101,
        sender: gnb,
    };
    for _ in 0..50 {
        world.report(error);
    }
    assert_eq!(world.requests.len(), 1);
    // What is no longer sent there is no longer reported; a new attempt is.
    world.modify(seid, &idle());
    world.report(error);
    assert_eq!(world.requests.len(), 1);
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    world.report(error);
    world.report(error);
    assert_eq!(world.requests.len(), 2);
    world.requests.truncate(1);
    // After a handover the old tunnel is nobody's.
    world.modify(seid, &activate(0x0202, "10.10.3.102"));
    world.requests.clear();
    world.report(WorkerReport::ErrorIndication {
        peer: gnb,
        teid: 0x0101,
        sender: gnb,
    });
    assert!(world.requests.is_empty());
}

/// Somebody who knows a tunnel cannot end it for its peer.
#[test]
fn an_error_indication_of_another_sender_is_not_believed() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    world.report(WorkerReport::ErrorIndication {
        peer: ip("10.10.3.101"),
        teid: 0x0101,
        sender: ip("10.10.3.66"),
    });
    assert!(world.requests.is_empty());
    assert_eq!(world.node.counters().reports_stale, 1);
}

#[test]
fn reports_wait_while_too_many_are_unanswered() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.outstanding_requests_per_peer = 2;
    config.limits.waiting_reports_per_peer = 3;
    let mut world = World::with(config);
    world.associate();
    for n in 1..=8 {
        world.establish(&open5gs(n));
    }
    hold_for_all(&mut world);
    assert_eq!(world.requests.len(), 2);
    assert_eq!(world.node.counters().reports_shed, 3);
    // What was shed has its turn, too, once there is room.
    for left in (0..8_usize).rev() {
        world.reply(&accepted(), None);
        assert_eq!(world.requests.len(), left.min(2));
    }
    let peer = &world.node.peer_statuses()[0];
    assert_eq!((peer.outstanding_reports, peer.waiting_reports), (0, 0));
}

// ===== what an SMF did not hear of =====

fn heartbeat(world: &mut World) {
    let request = pfcp::HeartbeatRequest {
        recovery_time_stamp: pfcp::RecoveryTimeStamp(1),
        ..Default::default()
    };
    world.ask(None, &request);
}

fn silent() -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.heartbeat_interval_ms = 0;
    let mut world = World::with(config);
    world.associate();
    world
}

#[test]
fn packets_that_are_held_are_told_of_again_to_who_was_away() {
    for is_idle in [true, false] {
        let mut world = silent();
        let (seid, _) = world.establish(&open5gs(9));
        world.report(downlink_data(&world));
        world.pass(60_000);
        assert_eq!(world.node.transactions().0, 0, "given up");
        if !is_idle {
            world.modify(seid, &activate(1, "10.10.3.101"));
        }
        world.requests.clear();
        heartbeat(&mut world);
        assert_eq!(world.requests.len(), usize::from(is_idle));
        if is_idle {
            let data = take_report(&mut world).downlink_data_report.unwrap();
            assert_eq!(data.pdr_ids, [1.into()]);
            let information = data.downlink_data_service_information;
            assert_eq!(information.unwrap().qfi, pfcp::Qfi::new(1));
            world.reply(&accepted(), None);
        }
        heartbeat(&mut world);
        assert!(world.requests.is_empty(), "once");
    }
}

#[test]
fn what_there_was_no_room_to_tell_is_told_when_there_is() {
    let mut config = NodeConfig::new(ip(UPF));
    config.heartbeat_interval_ms = 0;
    config.limits.outstanding_requests_per_peer = 1;
    config.limits.waiting_reports_per_peer = 0;
    let mut world = World::with(config);
    world.associate();
    world.establish(&open5gs(9));
    world.establish(&open5gs(10));
    hold_for_all(&mut world);
    assert_eq!(world.node.counters().reports_shed, 1);
    let seid = |world: &World| world.requests[0].header.seid;
    assert_eq!((world.requests.len(), seid(&world)), (1, Some(0x109)));
    world.reply(&accepted(), None);
    assert_eq!((world.requests.len(), seid(&world)), (1, Some(0x10a)));
}

#[test]
fn an_error_indication_that_nobody_heard_of_is_told_again() {
    let mut world = silent();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(7, "10.10.3.101"));
    let gnb = ip("10.10.3.101");
    let error = WorkerReport::ErrorIndication {
        peer: gnb,
        teid: 7,
        sender: gnb,
    };
    world.report(error);
    assert_eq!(world.requests.len(), 1);
    world.report(error);
    assert_eq!(world.requests.len(), 1, "once");
    world.pass(60_000);
    world.requests.clear();
    world.report(error);
    assert_eq!(take_report(&mut world).report_type, ReportType::ERIR);
}

/// An SMF that names one tunnel in all its sessions hears of a part of them at a time.
#[test]
fn an_error_indication_is_about_so_many_sessions() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    let mut world = World::seeded(config, topology(), 1, 256);
    world.associate();
    for n in 1..=150 {
        let (seid, _) = world.establish(&open5gs(n));
        world.modify(seid, &activate(7, "10.10.3.101"));
    }
    let gnb = ip("10.10.3.101");
    let mut told = std::collections::BTreeSet::new();
    for most in [64, 64, 22, 0] {
        world.report(WorkerReport::ErrorIndication {
            peer: gnb,
            teid: 7,
            sender: gnb,
        });
        assert_eq!(world.requests.len(), most);
        told.extend(world.requests.iter().map(|request| request.header.seid));
        while !world.requests.is_empty() {
            world.reply(&accepted(), None);
        }
    }
    assert_eq!(told.len(), 150);
}
