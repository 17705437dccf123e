//! Usage (TS 29.244, 5.2.2): what is measured, when it is reported, and what stops at a quota.
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
    Cause, MeasurementInformation, MeasurementMethod, Message, ReportType, ReportingTriggers,
    SessionReportRequest, SessionReportResponse, UsageInformation, UsageReport, UsageReportTrigger,
};
use session::rule::Direction;
use session::usage::Moment;
use session::{Ledger, SessionIndex, Usage};
use support::*;
use upf_cp::{NodeConfig, WorkerReport};

type T = ReportingTriggers;
type Why = UsageReportTrigger;
type Measure = MeasurementInformation;

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
    let now = Moment::of_ms(world.now.elapsed_ms);
    for _ in 0..packets {
        if usage.is_exhausted() {
            if usage.knock() {
                world.report(WorkerReport::Usage { session, urr: 1 });
            }
            return;
        }
        if usage.count(direction, octets, now) {
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

// ===== what few SMFs ask for =====

fn update(world: &mut World, seid: u64, update: pfcp::UpdateUrr) -> Vec<UsageReport> {
    let request = pfcp::SessionModificationRequest {
        update_urrs: vec![pfcp::UpdateUrr {
            urr_id: 1.into(),
            ..update
        }],
        ..Default::default()
    };
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    answer.usage_reports
}

fn quota(total: u64) -> pfcp::VolumeQuota {
    pfcp::VolumeQuota::of_total(total)
}

fn threshold(total: u64) -> pfcp::VolumeThreshold {
    pfcp::VolumeThreshold::of_total(total)
}

/// Trigger, total, and which part it is.
fn told(reports: &[UsageReport]) -> Vec<(Why, u64, UsageInformation)> {
    let told = reports.iter().map(|report| {
        let part = report.usage_information.unwrap_or_default();
        (report.usage_report_trigger, total(report), part)
    });
    told.collect()
}

/// free5GC: volumes before QoS enforcement besides those after it, in reports of their own.
#[test]
fn usage_before_qos_enforcement_is_a_report_of_its_own() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        volume_threshold: Some(threshold(1000)),
        measurement_information: Some(Measure::MBQE | Measure::MNOP),
        ..urr(1, T::VOLTH)
    });
    let before = |packets: u32| {
        (0..packets).for_each(|_| usage.count_before(Direction::Downlink, 100));
    };
    before(15);
    traffic(&mut world, &usage, Direction::Downlink, 10, 100);
    let got = reports(&mut world);
    let (uae, ube) = (UsageInformation::UAE, UsageInformation::UBE);
    assert_eq!(
        told(&got),
        [(Why::VOLTH, 1000, uae), (Why::VOLTH, 1500, ube)]
    );
    let packets = |report: &UsageReport| report.volume_measurement.as_ref()?.downlink_packets;
    assert_eq!([&got[0], &got[1]].map(packets), [Some(10), Some(15)]);
    assert_eq!(got[1].ur_seqn.0, 1);
    // What is not wanted any more is neither counted nor reported.
    before(1);
    let none = pfcp::UpdateUrr {
        measurement_information: Measure::MNOP.into(),
        ..Default::default()
    };
    update(&mut world, seid, none);
    assert!(world.rules(seid).urrs.iter().all(|urr| !urr.before));
    let last = world.delete(seid).usage_reports;
    assert_eq!(told(&last), [(Why::TERMR, 0, UsageInformation::empty())]);
}

#[test]
fn a_paused_measurement_keeps_what_it_had_and_nothing_of_the_pause() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        volume_threshold: Some(threshold(1000)),
        volume_quota: Some(quota(2000)),
        measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
        ..urr(1, T::VOLTH | T::VOLQU)
    });
    traffic(&mut world, &usage, Direction::Uplink, 4, 100);
    world.pass(5_000);
    let pause = |information: Measure| pfcp::UpdateUrr {
        measurement_information: information.into(),
        ..Default::default()
    };
    assert!(update(&mut world, seid, pause(Measure::INAM)).is_empty());
    traffic(&mut world, &usage, Direction::Uplink, 50, 100);
    world.pass(60_000);
    assert!(reports(&mut world).is_empty() && !usage.is_exhausted());
    update(&mut world, seid, pause(Measure::empty()));
    traffic(&mut world, &usage, Direction::Uplink, 5, 100);
    assert!(reports(&mut world).is_empty());
    world.pass(2_000);
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    let got = reports(&mut world);
    assert_eq!(told(&got), [(Why::VOLTH, 1000, UsageInformation::empty())]);
    assert_eq!(
        got[0].duration_measurement,
        Some(pfcp::DurationMeasurement(7))
    );
}

#[test]
fn usage_before_and_after_a_monitoring_time_is_told_apart() {
    let (bef, aft) = (UsageInformation::BEF, UsageInformation::AFT);
    let later = |seconds: u32| 3_900_000_000 + seconds;
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        volume_threshold: Some(threshold(1000)),
        monitoring_time: Some(pfcp::MonitoringTime(later(60))),
        subsequent_volume_threshold: Some(pfcp::SubsequentVolumeThreshold::of_total(300)),
        subsequent_volume_quota: Some(pfcp::SubsequentVolumeQuota::of_total(500)),
        additional_monitoring_times: vec![pfcp::AdditionalMonitoringTime {
            monitoring_time: pfcp::MonitoringTime(later(120)),
            ..Default::default()
        }],
        ..urr(1, T::VOLTH | T::VOLQU)
    });
    traffic(&mut world, &usage, Direction::Uplink, 7, 100);
    world.pass(59_000);
    assert!(reports(&mut world).is_empty());
    world.pass(1_000);
    let got = reports(&mut world);
    assert_eq!(told(&got), [(Why::MONIT, 700, bef), (Why::MONIT, 0, aft)]);
    assert_eq!(got[0].end_time, Some(pfcp::EndTime(later(60))));
    assert_eq!(
        got[0].time_of_last_packet,
        Some(pfcp::TimeOfLastPacket(later(0)))
    );
    assert_eq!(got[1].start_time, Some(pfcp::StartTime(later(60))));
    // The subsequent threshold and quota are in force.
    traffic(&mut world, &usage, Direction::Uplink, 9, 100);
    let none = UsageInformation::empty();
    assert_eq!(
        told(&reports(&mut world)),
        [(Why::VOLTH, 300, none), (Why::VOLQU, 200, none)]
    );
    assert!(usage.is_exhausted());
    let more = pfcp::UpdateUrr {
        volume_quota: quota(10_000).into(),
        ..Default::default()
    };
    update(&mut world, seid, more);
    traffic(&mut world, &usage, Direction::Uplink, 1, 40);
    // Without a subsequent threshold what remains of the old one is left.
    world.pass(60_000);
    assert_eq!(
        told(&reports(&mut world)),
        [(Why::MONIT, 40, bef), (Why::MONIT, 0, aft)]
    );
    traffic(&mut world, &usage, Direction::Uplink, 1, 60);
    assert_eq!(told(&reports(&mut world)), [(Why::VOLTH, 60, none)]);
    assert_eq!(
        told(&world.delete(seid).usage_reports),
        [(Why::TERMR, 0, none)]
    );
}

#[test]
fn a_quota_is_not_held_for_longer_than_wanted_and_traffic_after_it_is_told() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        volume_quota: Some(quota(100_000)),
        quota_holding_time: Some(pfcp::QuotaHoldingTime(30)),
        ..urr(1, T::VOLQU | T::QUHTI | T::START)
    });
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    assert_eq!(reports(&mut world)[0].usage_report_trigger, Why::START);
    world.pass(20_000);
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    // Thirty seconds from the last packet, not from the first.
    world.pass(29_000);
    assert!(reports(&mut world).is_empty());
    world.pass(2_000);
    let got = reports(&mut world);
    assert_eq!(told(&got), [(Why::QUHTI, 200, UsageInformation::empty())]);
    assert!(usage.is_exhausted());
    // "Generate a new usage report upon any subsequent packets", once.
    traffic(&mut world, &usage, Direction::Uplink, 3, 100);
    traffic(&mut world, &usage, Direction::Uplink, 3, 100);
    let got = reports(&mut world);
    assert_eq!((got.len(), got[0].usage_report_trigger), (1, Why::START));
    let more = pfcp::UpdateUrr {
        volume_quota: quota(1_000).into(),
        ..Default::default()
    };
    update(&mut world, seid, more);
    assert!(!usage.is_exhausted());
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    assert_eq!(total(&world.delete(seid).usage_reports[0]), 100);
}

#[test]
fn time_stands_still_while_nothing_happens() {
    let (mut world, _, usage) = measured(pfcp::CreateUrr {
        measurement_method: MeasurementMethod::DURAT,
        time_threshold: Some(pfcp::TimeThreshold(25)),
        inactivity_detection_time: Some(pfcp::InactivityDetectionTime(10)),
        ..urr(1, T::TIMTH | T::ENVCL)
    });
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    world.pass(6_000);
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    world.pass(60_000);
    // Six seconds, and ten until it was clear that there was no more.
    let time = |report: &UsageReport| report.duration_measurement.unwrap().0;
    let got = reports(&mut world);
    assert_eq!(got.iter().map(time).collect::<Vec<_>>(), [16]);
    assert_eq!(got[0].usage_report_trigger, Why::ENVCL);
    // Nine more until the threshold: it counts from the first packet after the pause.
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    world.pass(8_000);
    assert!(reports(&mut world).is_empty());
    world.pass(1_000);
    let got = reports(&mut world);
    assert_eq!(
        (time(&got[0]), got[0].usage_report_trigger),
        (9, Why::TIMTH)
    );
}

#[test]
fn a_linked_rule_is_reported_with_what_it_is_linked_to() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    let linked = |id: u32, to: u32| pfcp::CreateUrr {
        linked_urr_ids: vec![pfcp::LinkedUrrId(to)],
        ..urr(id, T::LIUSA)
    };
    request.create_urrs = vec![
        // The third is linked to the second, which is linked to the first.
        linked(3, 2),
        linked(2, 1),
        pfcp::CreateUrr {
            volume_threshold: Some(threshold(100)),
            ..urr(1, T::VOLTH)
        },
        urr(4, T::LIUSA),
    ];
    let (seid, _) = world.establish(&request);
    world.modify(
        seid,
        &pfcp::SessionModificationRequest {
            update_pdrs: vec![pfcp::UpdatePdr {
                pdr_id: 1.into(),
                urr_ids: pfcp::Update::Set([pfcp::UrrId(1), pfcp::UrrId(2)].into()),
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    let index = index(&world);
    let ledgers: Vec<Arc<Ledger>> = {
        let plan = world.readers[0].snapshot().session(index).unwrap();
        let step = plan
            .steps()
            .find(|step| step.ledgers().count() == 2)
            .unwrap();
        step.ledgers()
            .map(|(_, ledger)| Arc::clone(ledger))
            .collect()
    };
    for ledger in &ledgers {
        let _ = ledger.usage().count(Direction::Downlink, 150, Moment(0));
    }
    world.report(WorkerReport::Usage {
        session: index.0,
        urr: 1,
    });
    let told: Vec<_> = reports(&mut world)
        .iter()
        .map(|report| (report.urr_id.0, report.usage_report_trigger, total(report)))
        .collect();
    assert_eq!(
        told,
        [
            (3, Why::LIUSA, 0),
            (2, Why::LIUSA, 150),
            (1, Why::VOLTH, 150)
        ]
    );
    // Also when the other one is asked for.
    let query = pfcp::SessionModificationRequest {
        query_urrs: vec![pfcp::QueryUrr {
            urr_id: 1.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let got = world.modify(seid, &query).usage_reports;
    let got: Vec<_> = got
        .iter()
        .map(|report| (report.urr_id.0, report.usage_report_trigger))
        .collect();
    assert_eq!(got, [(3, Why::LIUSA), (2, Why::LIUSA), (1, Why::IMMER)]);
}

#[test]
fn no_more_reports_are_made_than_wanted() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        volume_threshold: Some(threshold(100)),
        measurement_period: Some(pfcp::MeasurementPeriod(10)),
        number_of_reports: Some(pfcp::NumberOfReports(2)),
        ..urr(1, T::VOLTH | T::PERIO)
    });
    traffic(&mut world, &usage, Direction::Uplink, 9, 100);
    world.pass(30_000);
    let got = reports(&mut world);
    let none = UsageInformation::empty();
    assert_eq!(
        told(&got),
        [(Why::VOLTH, 100, none), (Why::VOLTH, 100, none)]
    );
    let more = pfcp::UpdateUrr {
        number_of_reports: pfcp::NumberOfReports(1).into(),
        ..Default::default()
    };
    update(&mut world, seid, more);
    // What came while the rule was inactive was not measured.
    traffic(&mut world, &usage, Direction::Uplink, 3, 60);
    assert_eq!(told(&reports(&mut world)), [(Why::VOLTH, 120, none)]);
    let without_end = pfcp::UpdateUrr {
        number_of_reports: pfcp::Update::Remove,
        ..Default::default()
    };
    update(&mut world, seid, without_end);
    traffic(&mut world, &usage, Direction::Uplink, 5, 100);
    assert_eq!(reports(&mut world).len(), 5);
}

#[test]
fn dropped_downlink_packets_and_silence_are_reported() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        dropped_dl_traffic_threshold: Some(pfcp::DroppedDlTrafficThreshold {
            packets: Some(5),
            octets: Some(10_000),
        }),
        user_plane_inactivity_timer: Some(pfcp::UserPlaneInactivityTimer(20)),
        ..urr(1, T::DROTH | T::UPINT)
    });
    let session = index(&world).0;
    let drop = |world: &mut World, packets: u32, octets: u16| {
        for _ in 0..packets {
            if usage.count_dropped(Direction::Downlink, octets) {
                usage.disarm_dropped();
                world.report(WorkerReport::Usage { session, urr: 1 });
            }
        }
    };
    let triggers = |world: &mut World| -> Vec<Why> {
        let reports = reports(world);
        reports
            .iter()
            .map(|report| report.usage_report_trigger)
            .collect()
    };
    drop(&mut world, 4, 100);
    assert!(triggers(&mut world).is_empty());
    drop(&mut world, 1, 100);
    drop(&mut world, 5, 100);
    drop(&mut world, 1, 10_000);
    assert_eq!(triggers(&mut world), [Why::DROTH; 3]);
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    world.pass(19_000);
    assert!(triggers(&mut world).is_empty());
    world.pass(60_000);
    assert_eq!(triggers(&mut world), [Why::UPINT]);
    // Once more after the next packets.
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    world.pass(60_000);
    assert_eq!(triggers(&mut world), [Why::UPINT]);
    let last = world.delete(seid).usage_reports;
    assert_eq!(told(&last), [(Why::TERMR, 0, UsageInformation::empty())]);
}

// ===== what hostile or careless SMFs ask for =====

/// A time threshold whose trigger is not wanted must not keep the node busy.
#[test]
fn time_threshold_without_its_trigger_does_not_spin() {
    let (mut world, _, usage) = measured(pfcp::CreateUrr {
        measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
        time_threshold: Some(pfcp::TimeThreshold(2)),
        measurement_period: Some(pfcp::MeasurementPeriod(3600)),
        ..urr(1, T::PERIO)
    });
    traffic(&mut world, &usage, Direction::Uplink, 3, 100);
    let until = world.now.elapsed_ms + 5_000;
    let mut ticks = 0;
    while let Some(at) = world.node.deadline_ms().filter(|at| *at <= until) {
        world.now.elapsed_ms = at.max(world.now.elapsed_ms);
        world.input(upf_cp::Input::Tick);
        ticks += 1;
        assert!(ticks < 1000, "spins at {} ms", world.now.elapsed_ms);
    }
}

/// A volume threshold whose trigger is not wanted must not have each packet tell the node.
#[test]
fn volume_threshold_without_its_trigger_does_not_tell_per_packet() {
    let (mut world, _, usage) = measured(pfcp::CreateUrr {
        volume_threshold: Some(threshold(100)),
        measurement_period: Some(pfcp::MeasurementPeriod(3600)),
        ..urr(1, T::PERIO)
    });
    let session = index(&world).0;
    let mut told = 0;
    for _ in 0..100 {
        if usage.count(Direction::Uplink, 100, Moment(0)) {
            usage.disarm();
            told += 1;
            world.report(WorkerReport::Usage { session, urr: 1 });
        }
    }
    assert!(told <= 2, "{told} of 100 packets told the node");
}

/// A grant of volume is none of time.
#[test]
fn a_volume_quota_does_not_grant_time_again() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
        volume_quota: Some(quota(10_000)),
        time_quota: Some(pfcp::TimeQuota(60)),
        measurement_period: Some(pfcp::MeasurementPeriod(30)),
        ..urr(1, T::VOLQU | T::TIMQU | T::PERIO)
    });
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    world.pass(31_000);
    reports(&mut world);
    update(
        &mut world,
        seid,
        pfcp::UpdateUrr {
            volume_quota: quota(20_000).into(),
            ..Default::default()
        },
    );
    world.pass(35_000);
    assert!(usage.is_exhausted(), "66 s on a time quota of 60 s");
}

/// A grant of time is none of volume.
#[test]
fn a_time_threshold_does_not_refill_the_volume_threshold() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
        volume_threshold: Some(threshold(1000)),
        measurement_period: Some(pfcp::MeasurementPeriod(30)),
        ..urr(1, T::VOLTH | T::PERIO | T::TIMTH)
    });
    traffic(&mut world, &usage, Direction::Uplink, 7, 100);
    world.pass(31_000);
    assert_eq!(told(&reports(&mut world)).len(), 1);
    update(
        &mut world,
        seid,
        pfcp::UpdateUrr {
            time_threshold: pfcp::TimeThreshold(3600).into(),
            ..Default::default()
        },
    );
    traffic(&mut world, &usage, Direction::Uplink, 3, 100);
    assert_eq!(
        told(&reports(&mut world)),
        [(Why::VOLTH, 300, UsageInformation::empty())]
    );
}

/// "Any report of Y produces one of X."
#[test]
fn a_linked_rule_is_reported_when_the_other_goes() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_urrs = vec![
        pfcp::CreateUrr {
            linked_urr_ids: vec![pfcp::LinkedUrrId(1)],
            ..urr(2, T::LIUSA)
        },
        urr(1, T::VOLTH),
    ];
    let (seid, _) = world.establish(&request);
    let usage = usage(&mut world);
    let _ = usage.count(Direction::Uplink, 100, Moment(0));
    let answer = world.modify(
        seid,
        &pfcp::SessionModificationRequest {
            remove_urrs: vec![pfcp::RemoveUrr {
                urr_id: 1.into(),
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    let got: Vec<_> = answer
        .usage_reports
        .iter()
        .map(|r| (r.urr_id.0, r.usage_report_trigger))
        .collect();
    assert!(got.contains(&(2, Why::LIUSA)), "{got:?}");
}

/// Two that are linked to each other do not go round and round.
#[test]
fn rules_linked_in_a_ring_report_once() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_urrs = vec![
        pfcp::CreateUrr {
            linked_urr_ids: vec![pfcp::LinkedUrrId(1)],
            ..urr(2, T::LIUSA)
        },
        pfcp::CreateUrr {
            linked_urr_ids: vec![pfcp::LinkedUrrId(2), pfcp::LinkedUrrId(1)],
            volume_threshold: Some(threshold(100)),
            ..urr(1, T::LIUSA | T::VOLTH)
        },
    ];
    world.establish(&request);
    let usage = usage(&mut world);
    traffic(&mut world, &usage, Direction::Uplink, 1, 100);
    let got: Vec<_> = reports(&mut world)
        .iter()
        .map(|r| (r.urr_id.0, r.ur_seqn.0))
        .collect();
    assert_eq!(got, [(2, 0), (1, 0)]);
    world.pass(100_000);
    assert!(reports(&mut world).is_empty());
}

/// A deletion that is asked for again gets the same reports, however many.
#[test]
fn a_long_deletion_answer_can_be_had_again() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_urrs = (1..=100)
        .map(|id| pfcp::CreateUrr {
            measurement_information: Some(Measure::MBQE),
            ..urr(id, T::PERIO)
        })
        .collect();
    let (seid, _) = world.establish(&request);
    let octets = encode(Some(seid), 4711, &pfcp::SessionDeletionRequest::default());
    let count = |world: &mut World| match &world.octets(smf(), &octets)[0].message {
        Message::SessionDeletionResponse(answer) => (answer.cause, answer.usage_reports.len()),
        _ => panic!(),
    };
    let first = count(&mut world);
    assert_eq!(first, (Cause::REQUEST_ACCEPTED, 10));
    assert_eq!(world.requests.len(), 19);
    assert_eq!(count(&mut world), first);
    assert_eq!(world.requests.len(), 19);
}

/// MBQE that comes and goes counts nothing twice, and nothing of the time without it.
#[test]
fn mbqe_again_begins_anew() {
    let (mut world, seid, usage) = measured(pfcp::CreateUrr {
        measurement_information: Some(Measure::MBQE),
        ..urr(1, T::VOLTH)
    });
    usage.count_before(Direction::Downlink, 100);
    for information in [Measure::empty(), Measure::MBQE] {
        update(
            &mut world,
            seid,
            pfcp::UpdateUrr {
                measurement_information: information.into(),
                ..Default::default()
            },
        );
    }
    usage.count_before(Direction::Downlink, 50);
    let last = world.delete(seid).usage_reports;
    let ube: u64 = last
        .iter()
        .filter(|r| r.usage_information == Some(UsageInformation::UBE))
        .map(total)
        .sum();
    assert!(ube == 50 || ube == 150, "{ube}");
}
