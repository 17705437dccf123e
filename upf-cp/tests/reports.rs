//! Session reports: downlink data, error indications, usage.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::sync::Arc;

use pfcp::{
    Cause, FTeid, MeasurementMethod, Message, ReportType, ReportingTriggers, SessionReportRequest,
    SessionReportResponse, UsageReport, UsageReportTrigger,
};
use session::report::Command;
use session::rule::Direction;
use session::{Ledger, SessionIndex, Usage};
use support::*;
use upf_cp::{NodeConfig, WorkerReport};

type T = ReportingTriggers;
type Why = UsageReportTrigger;

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
    assert_eq!(world.requests.len(), 2);
    assert_eq!(world.node.counters().reports_shed, 3);
    for left in (0..5_usize).rev() {
        world.reply(&accepted(), None);
        assert_eq!(world.requests.len(), left.min(2));
    }
    let peer = &world.node.peer_statuses()[0];
    assert_eq!((peer.outstanding_reports, peer.waiting_reports), (0, 0));
}

// ===== usage =====

/// The counters of a URR, whichever plan is in force.
struct Counted(Arc<Ledger>);

impl std::ops::Deref for Counted {
    type Target = Usage;
    fn deref(&self) -> &Usage {
        self.0.usage()
    }
}

/// A session with one URR on the downlink PDR, and its counters as the worker sees them.
fn measured(urr: pfcp::CreateUrr) -> (World, u64, Counted) {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_urrs = vec![urr];
    let (seid, _) = world.establish(&request);
    let usage = usage(&mut world);
    (world, seid, usage)
}

fn usage(world: &mut World) -> Counted {
    let index = index(world);
    let plan = world.readers[0].snapshot().session(index).unwrap();
    let ledger = plan.steps().flat_map(session::plan::Step::ledgers).next();
    Counted(Arc::clone(ledger.unwrap().1))
}

/// Counts packets as a worker does, and tells the node when it is to be told.
fn traffic(world: &mut World, usage: &Usage, direction: Direction, packets: u32, octets: u16) {
    let session = index(world).0;
    for _ in 0..packets {
        if usage.is_exhausted() {
            return;
        }
        if usage.count(direction, octets) {
            usage.disarm();
            world.report(WorkerReport::Usage { session, urr: 1 });
        }
    }
}

/// Takes all usage reports, and answers them. What was sent again meanwhile counts once.
fn reports(world: &mut World) -> Vec<UsageReport> {
    let mut taken = vec![];
    let is_report = |message: &Message| matches!(message, Message::SessionReportRequest(_));
    world.requests.retain(|request| is_report(&request.message));
    while let Some(first) = world.requests.first() {
        let sequence = first.header.sequence;
        let report = take_report(world);
        assert_eq!(report.report_type, ReportType::USAR);
        taken.extend(report.usage_reports);
        world.reply(&accepted(), None);
        world
            .requests
            .retain(|request| request.header.sequence != sequence);
    }
    taken
}

fn total(report: &UsageReport) -> u64 {
    report.volume_measurement.as_ref().unwrap().total.unwrap()
}

#[test]
fn a_volume_threshold_is_reported_each_time_it_is_reached() {
    let threshold = pfcp::VolumeThreshold::of_total(1000);
    let urr = pfcp::CreateUrr {
        volume_threshold: Some(threshold),
        ..urr(1, T::VOLTH)
    };
    let (mut world, _, usage) = measured(urr);
    traffic(&mut world, &usage, Direction::Downlink, 9, 100);
    assert!(reports(&mut world).is_empty());
    traffic(&mut world, &usage, Direction::Uplink, 16, 100);
    let reports = reports(&mut world);
    assert_eq!(reports.iter().map(total).collect::<Vec<_>>(), [1000, 1000]);
    assert_eq!(
        reports.iter().map(|r| r.ur_seqn.0).collect::<Vec<_>>(),
        [0, 1]
    );
    assert!(
        reports
            .iter()
            .all(|report| report.usage_report_trigger == Why::VOLTH)
    );
    let volume = reports[0].volume_measurement.as_ref().unwrap();
    assert_eq!((volume.downlink, volume.uplink), (Some(900), Some(100)));
    assert_eq!(
        (volume.total_packets, volume.downlink_packets),
        (Some(10), Some(9))
    );
    assert!(reports[0].start_time.is_some() && reports[0].end_time.is_some());
}

#[test]
fn a_quota_stops_packets_until_there_is_more() {
    let urr = pfcp::CreateUrr {
        volume_threshold: Some(pfcp::VolumeThreshold::of_total(800)),
        volume_quota: Some(pfcp::VolumeQuota::of_total(1000)),
        ..urr(1, T::VOLTH | T::VOLQU)
    };
    let (mut world, seid, usage) = measured(urr);
    traffic(&mut world, &usage, Direction::Downlink, 20, 100);
    let got: Vec<_> = reports(&mut world)
        .iter()
        .map(|r| (r.usage_report_trigger, total(r)))
        .collect();
    assert_eq!(got, [(Why::VOLTH, 800), (Why::VOLQU, 200)]);
    assert!(usage.is_exhausted());
    // A change of something else does not open it.
    world.modify(seid, &activate(1, "10.10.3.101"));
    assert!(usage.is_exhausted());
    let update = pfcp::UpdateUrr {
        urr_id: 1.into(),
        volume_quota: pfcp::VolumeQuota::of_total(500).into(),
        ..Default::default()
    };
    let request = pfcp::SessionModificationRequest {
        update_urrs: vec![update],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
    assert!(!usage.is_exhausted());
    traffic(&mut world, &usage, Direction::Downlink, 20, 100);
    let got: Vec<_> = reports(&mut world)
        .iter()
        .map(|r| (r.usage_report_trigger, total(r)))
        .collect();
    assert_eq!(got, [(Why::VOLQU, 500)]);
}

#[test]
fn a_quota_of_nothing_stops_at_once_and_a_validity_ends() {
    let quota = |total| Some(pfcp::VolumeQuota::of_total(total));
    let (_, _, usage) = measured(pfcp::CreateUrr {
        volume_quota: quota(0),
        ..urr(1, T::VOLQU)
    });
    assert!(usage.is_exhausted());
    let (mut world, _, usage) = measured(pfcp::CreateUrr {
        volume_quota: quota(1_000_000),
        quota_validity_time: Some(pfcp::QuotaValidityTime(60)),
        ..urr(1, T::VOLQU | T::QUVTI)
    });
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    world.pass(59_000);
    assert!(reports(&mut world).is_empty() && !usage.is_exhausted());
    world.pass(2_000);
    let reports = reports(&mut world);
    assert_eq!(
        (reports[0].usage_report_trigger, total(&reports[0])),
        (Why::QUVTI, 100)
    );
    assert!(usage.is_exhausted());
}

/// OAI: volume and time, every ten seconds, time threshold 5 s.
#[test]
fn periods_and_time_thresholds() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
        measurement_period: Some(pfcp::MeasurementPeriod(10)),
        time_threshold: Some(pfcp::TimeThreshold(4)),
        ..urr(1, T::PERIO | T::TIMTH)
    });
    // Time counts from the first packet.
    world.pass(3_000);
    assert!(reports(&mut world).is_empty());
    traffic(&mut world, &usage, Direction::Uplink, 3, 100);
    world.pass(7_000);
    let got = reports(&mut world);
    let why: Vec<_> = got
        .iter()
        .map(|report| report.usage_report_trigger)
        .collect();
    assert_eq!(why, [Why::TIMTH, Why::PERIO]);
    let seconds: Vec<_> = got
        .iter()
        .map(|report| report.duration_measurement.unwrap().0)
        .collect();
    assert_eq!(seconds, [4, 3]);
    assert_eq!(got.iter().map(total).collect::<Vec<_>>(), [300, 0]);
    world.pass(10_000);
    assert!(
        reports(&mut world)
            .iter()
            .any(|report| report.usage_report_trigger.contains(Why::PERIO))
    );
    world.delete(seid);
    world.pass(60_000);
    assert!(reports(&mut world).is_empty());
}

#[test]
fn start_is_reported_with_the_first_packet_and_holds_no_measurement() {
    let (mut world, _, usage) = measured(urr(1, T::START));
    traffic(&mut world, &usage, Direction::Downlink, 5, 100);
    let reports = reports(&mut world);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].usage_report_trigger, Why::START);
    assert_eq!(reports[0].volume_measurement, None);
}

#[test]
fn usage_is_given_when_asked_for_and_when_a_rule_goes() {
    let (mut world, seid, usage) = measured(urr(1, T::VOLTH));
    traffic(&mut world, &usage, Direction::Uplink, 2, 100);
    let query = pfcp::SessionModificationRequest {
        query_urrs: vec![pfcp::QueryUrr {
            urr_id: 1.into(),
            ..Default::default()
        }],
        query_urr_reference: Some(pfcp::QueryUrrReference(5)),
        ..Default::default()
    };
    let answer = world.modify(seid, &query);
    assert_eq!(answer.usage_reports.len(), 1);
    assert_eq!(
        (
            answer.usage_reports[0].usage_report_trigger,
            total(&answer.usage_reports[0])
        ),
        (Why::IMMER, 200)
    );
    assert_eq!(
        answer.usage_reports[0].query_urr_reference,
        Some(pfcp::QueryUrrReference(5))
    );
    // Counted once: the next report begins where this one ended.
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    let all = pfcp::SessionModificationRequest {
        flags: Some(pfcp::PfcpSmReqFlags::QAURR),
        ..Default::default()
    };
    assert_eq!(total(&world.modify(seid, &all).usage_reports[0]), 100);
    traffic(&mut world, &usage, Direction::Uplink, 1, 50);
    let remove = pfcp::SessionModificationRequest {
        remove_urrs: vec![pfcp::RemoveUrr {
            urr_id: 1.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = world.modify(seid, &remove);
    assert_eq!(
        (
            answer.usage_reports[0].usage_report_trigger,
            total(&answer.usage_reports[0])
        ),
        (Why::TERMR, 50)
    );
    assert!(world.rules(seid).pdrs.iter().all(|pdr| pdr.urrs.is_empty()));
    assert!(world.delete(seid).usage_reports.is_empty());
}

#[test]
fn a_refused_modification_leaves_usage_as_it_was() {
    let (mut world, seid, usage) = measured(urr(1, T::VOLTH));
    traffic(&mut world, &usage, Direction::Uplink, 2, 100);
    let refused = pfcp::SessionModificationRequest {
        query_urrs: vec![pfcp::QueryUrr {
            urr_id: 1.into(),
            ..Default::default()
        }],
        remove_pdrs: vec![pfcp::RemovePdr {
            pdr_id: 777.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert!(world.modify(seid, &refused).usage_reports.is_empty());
    let report = &world.delete(seid).usage_reports[0];
    assert_eq!((report.ur_seqn.0, total(report)), (0, 200));
}

/// What was used is kept until the SMF has it: sent again under the same number once it is heard
/// of, and taken as acknowledged if the answer comes late.
#[test]
fn a_usage_report_outlasts_a_silent_smf() {
    let report_of = |world: &World| {
        let reports = world.sent.iter().filter(|(_, octets)| octets[1] == 56);
        reports
            .map(|(_, octets)| octets.clone())
            .collect::<Vec<_>>()
    };
    let silent = || {
        let mut config = NodeConfig::new(ip(UPF));
        config.heartbeat_interval_ms = 0;
        let mut world = World::with(config);
        world.associate();
        let mut request = open5gs(9);
        request.create_urrs = vec![pfcp::CreateUrr {
            measurement_period: Some(pfcp::MeasurementPeriod(1)),
            ..urr(1, T::PERIO)
        }];
        let (seid, _) = world.establish(&request);
        world.pass(1_000);
        // No more of them.
        let none = pfcp::UpdateUrr {
            urr_id: 1.into(),
            measurement_period: pfcp::MeasurementPeriod(3_600).into(),
            ..Default::default()
        };
        world.modify(
            seid,
            &pfcp::SessionModificationRequest {
                update_urrs: vec![none],
                ..Default::default()
            },
        );
        world.pass(30_000);
        assert_eq!(report_of(&world).len(), 3);
        assert_eq!(world.node.transactions().0, 1);
        world
    };
    let mut world = silent();
    world.ask(None, &pfcp::HeartbeatRequest::default());
    let reports = report_of(&world);
    assert_eq!(reports.len(), 4);
    assert!(reports.iter().all(|octets| *octets == reports[0]));
    world.requests.truncate(1);
    world.reply(&accepted(), Some(0x109));
    assert_eq!(world.node.transactions().0, 0);

    let mut late = silent();
    late.requests.truncate(1);
    late.reply(&accepted(), Some(0x109));
    assert_eq!(late.node.transactions().0, 0);
    late.ask(None, &pfcp::HeartbeatRequest::default());
    assert_eq!(report_of(&late).len(), 3);
}
