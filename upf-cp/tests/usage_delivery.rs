//! How usage reaches the SMF (TS 29.244, 5.2.2.3 and 6.3.5): nothing is lost or told twice when it
//! is slow, silent or gone for a while, and nothing is too long for a datagram.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use pfcp::{
    AdditionalUsageReportsInformation, Bits16, Cause, CpFunctionFeatures, Decoded,
    MeasurementInformation, MeasurementMethod, Message, PfcpSdRspFlags, PfcpSmReqFlags,
    PfcpSrReqFlags, ReportingTriggers, SessionModificationRequest, SessionReportResponse,
    UsageReport, UsageReportTrigger,
};
use session::rule::Direction;
use session::usage::Moment;
use session::{Ledger, SessionIndex};
use support::*;
use upf_cp::{NodeConfig, WorkerReport};

type T = ReportingTriggers;
type Why = UsageReportTrigger;

/// What fits into an Ethernet frame with IPv4 and UDP headers.
const DATAGRAM_MAX: usize = 1_472;

fn world(outstanding: usize, sessions: u32) -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.heartbeat_interval_ms = 0;
    config.limits.sessions = sessions;
    config.limits.outstanding_requests_per_peer = outstanding;
    config.limits.waiting_reports_per_peer = 0;
    config.limits.messages_per_second_per_peer = u32::MAX;
    let mut world = World::seeded(config, topology(), 1, sessions);
    world.associate();
    world
}

fn with_features(features: CpFunctionFeatures) -> World {
    let mut world = World::default();
    let setup = pfcp::AssociationSetupRequest {
        cp_function_features: Some(features),
        ..association()
    };
    world.ask(None, &setup);
    world
}

/// A session with these URRs, the first of them on the downlink PDR, and the counters of that.
fn measured(
    world: &mut World,
    n: u32,
    urrs: Vec<pfcp::CreateUrr>,
) -> (u64, SessionIndex, Arc<Ledger>) {
    let mut request = load::establishment(n);
    request.create_urrs = urrs;
    let (seid, _) = world.establish(&request);
    let (index, _) = world
        .node
        .sessions()
        .find(|(_, rules)| rules.seid.0 == seid)
        .unwrap();
    let plan = world.readers[0].snapshot().session(index).unwrap();
    let ledger = plan.steps().flat_map(session::plan::Step::ledgers).next();
    (seid, index, Arc::clone(ledger.unwrap().1))
}

/// Counts packets as a worker does, and tells the node when it is to be told.
fn traffic(world: &mut World, (index, ledger): (SessionIndex, &Ledger), packets: u32, octets: u16) {
    let usage = ledger.usage();
    for _ in 0..packets {
        let now = Moment::of_ms(world.now.elapsed_ms);
        if usage.count(Direction::Uplink, octets, now) {
            usage.disarm();
            let session = index.0;
            world.report(WorkerReport::Usage { session, urr: 1 });
        }
    }
}

fn periodic(seconds: u32) -> pfcp::CreateUrr {
    pfcp::CreateUrr {
        measurement_period: Some(pfcp::MeasurementPeriod(seconds)),
        ..urr(1, T::PERIO)
    }
}

fn by_threshold(octets: u64) -> pfcp::CreateUrr {
    pfcp::CreateUrr {
        volume_threshold: Some(pfcp::VolumeThreshold::of_total(octets)),
        ..urr(1, T::VOLTH)
    }
}

fn accepted() -> SessionReportResponse {
    SessionReportResponse {
        cause: Cause::REQUEST_ACCEPTED,
        ..Default::default()
    }
}

/// An SMF's books: each report once, by the session and the number it has.
#[derive(Default)]
struct Books {
    octets: u64,
    seen: BTreeSet<(u64, u32, u32)>,
}

impl Books {
    fn enter(&mut self, cp_seid: u64, reports: &[UsageReport]) {
        for report in reports {
            let key = (cp_seid, report.urr_id.0, report.ur_seqn.0);
            if self.seen.insert(key) {
                self.octets += total(report);
            }
        }
    }

    /// Takes and answers up to so many of the reports that have come.
    fn take(&mut self, world: &mut World, most: usize) -> usize {
        let mut taken = 0;
        while taken < most
            && let Some(request) = world.requests.first()
        {
            let Message::SessionReportRequest(report) = &request.message else {
                panic!("{request}")
            };
            let (sequence, seid) = (request.header.sequence, request.header.seid.unwrap());
            self.enter(seid, &report.usage_reports);
            world.reply(&accepted(), None);
            // What was sent again meanwhile counts once.
            world
                .requests
                .retain(|request| request.header.sequence != sequence);
            taken += 1;
        }
        taken
    }
}

fn total(report: &UsageReport) -> u64 {
    let volume = report.volume_measurement.as_ref();
    volume.map_or(0, |volume| volume.total.unwrap())
}

/// Reports of requests, oldest first; and the flags of the last.
fn sent(requests: &[Decoded]) -> (Vec<UsageReport>, Option<PfcpSrReqFlags>) {
    let reports = requests.iter().map(|request| match &request.message {
        Message::SessionReportRequest(report) => report,
        other => panic!("{other}"),
    });
    let flags = reports.clone().next_back().and_then(|report| report.flags);
    let reports = reports.flat_map(|report| report.usage_reports.clone());
    (reports.collect(), flags)
}

// ===== a slow SMF =====

/// Many periods end at once, and the SMF takes its time: reports go as it answers, with all that
/// was used until then, and the next periods end one by one.
#[test]
fn periods_that_end_together_are_paced_and_lose_nothing() {
    const SESSIONS: u32 = 3_000;
    let mut world = world(20, SESSIONS);
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|n| measured(&mut world, n, vec![periodic(10)]))
        .collect();
    for (_, _, ledger) in &sessions {
        let _ = ledger.usage().count(Direction::Uplink, 100, Moment(10));
    }
    let mut books = Books::default();
    world.pass(10_500);
    assert_eq!(world.requests.len(), 20);
    // The SMF answers ten in a millisecond.
    let mut most = 0;
    while books.take(&mut world, 10) > 0 {
        most = most.max(world.requests.len());
        world.pass(1);
    }
    assert!(most <= 20);
    assert_eq!(books.seen.len(), SESSIONS as usize);
    assert_eq!(books.octets, u64::from(SESSIONS) * 100);
    for (_, _, ledger) in &sessions {
        let _ = ledger.usage().count(Direction::Uplink, 10, Moment(10));
    }
    // A whole period later they come at the pace at which they were taken: none has to wait.
    world.pass(9_500);
    assert_eq!(
        books.take(&mut world, usize::MAX),
        20,
        "those that did not wait"
    );
    let mut most = 0;
    for _ in 0..800 {
        world.pass(1);
        most = most.max(world.requests.len());
        books.take(&mut world, usize::MAX);
    }
    assert_eq!(most, 10);
    assert_eq!(books.octets, u64::from(SESSIONS) * 110);
    assert_eq!(world.node.counters().reports_shed, 0);
}

#[test]
fn what_waits_to_be_reported_is_told_when_the_session_ends() {
    let mut world = world(1, 8);
    let (seid, index, ledger) = measured(&mut world, 1, vec![by_threshold(100)]);
    traffic(&mut world, (index, &ledger), 3, 100);
    assert_eq!(world.requests.len(), 1);
    let answer = world.delete(seid);
    // One hundred are on their way, and told of as such.
    assert_eq!(answer.flags, Some(PfcpSdRspFlags::PURU));
    let last: Vec<_> = answer.usage_reports.iter().map(total).collect();
    assert_eq!(last, [200]);
    assert_eq!(
        answer.usage_reports[0].usage_report_trigger,
        Why::TERMR,
        "and no threshold"
    );
    let (before, _) = sent(&world.requests);
    assert_eq!(before.iter().map(total).sum::<u64>(), 100);
    // Acknowledged, it is not pending.
    let (seid, index, ledger) = measured(&mut world, 2, vec![by_threshold(100)]);
    Books::default().take(&mut world, 1);
    traffic(&mut world, (index, &ledger), 1, 100);
    Books::default().take(&mut world, 1);
    assert_eq!(world.delete(seid).flags, None);
}

/// What a session waits to tell is asked for before its turn: it has its turn again the next time.
#[test]
fn what_was_asked_for_meanwhile_does_not_keep_later_usage_back() {
    let mut world = world(1, 8);
    let (_, slow, slows) = measured(&mut world, 1, vec![by_threshold(100)]);
    let (seid, index, ledger) = measured(&mut world, 2, vec![by_threshold(100)]);
    let mut books = Books::default();
    traffic(&mut world, (slow, &slows), 1, 100);
    traffic(&mut world, (index, &ledger), 1, 100);
    assert_eq!(world.requests.len(), 1);
    let query = SessionModificationRequest {
        flags: Some(PfcpSmReqFlags::QAURR),
        ..Default::default()
    };
    let answer = world.modify(seid, &query);
    assert_eq!(total(&answer.usage_reports[0]), 100);
    assert_eq!(books.take(&mut world, usize::MAX), 1);
    traffic(&mut world, (slow, &slows), 1, 100);
    traffic(&mut world, (index, &ledger), 1, 100);
    assert_eq!(books.take(&mut world, usize::MAX), 2);
    assert_eq!(books.octets, 300);
}

/// The SMF answers nothing for long: what was told is told again under the same numbers, and what
/// was used since then stays in its counters until it answers.
#[test]
fn a_silent_smf_loses_nothing() {
    let mut world = world(2, 64);
    let sessions: Vec<_> = (0..40)
        .map(|n| measured(&mut world, n, vec![by_threshold(1_000)]))
        .collect();
    let mut cp_seids: Vec<u64> = (1..=40).collect();
    let mut used = 0;
    for _ in 0..30 {
        for (_, index, ledger) in &sessions {
            traffic(&mut world, (*index, ledger), 5, 333);
            used += 5 * 333;
        }
        world.pass(1_000);
    }
    let first: BTreeSet<u32> = world
        .requests
        .iter()
        .map(|request| request.header.sequence.get())
        .collect();
    assert_eq!(first.len(), 2, "no more than may be outstanding");
    world.requests.clear();
    // An answer that comes late is an answer.
    let octets = encode(None, *first.first().unwrap(), &accepted());
    let mut books = Books::default();
    for (_, octets) in std::mem::take(&mut world.sent) {
        if let Message::SessionReportRequest(report) = pfcp::decode(&octets).unwrap().message {
            let header = pfcp::decode(&octets).unwrap().header;
            books.enter(header.seid.unwrap(), &report.usage_reports);
        }
    }
    world.octets(smf(), &octets);
    books.take(&mut world, usize::MAX);
    for (seid, ..) in &sessions {
        let last = world.delete(*seid);
        let cp_seid = cp_seids.remove(0);
        books.enter(cp_seid, &last.usage_reports);
    }
    assert_eq!(books.octets, used);
    assert_eq!(world.node.counters().reports_shed, 0);
}

/// A time threshold that waits to be told is no deadline that is due for ever.
#[test]
fn a_time_threshold_that_waits_does_not_keep_the_node_busy() {
    let mut world = world(1, 8);
    let timed = pfcp::CreateUrr {
        time_threshold: Some(pfcp::TimeThreshold(10)),
        measurement_information: Some(MeasurementInformation::ISTM),
        measurement_method: MeasurementMethod::DURAT,
        ..urr(1, T::TIMTH)
    };
    for n in 0..3 {
        measured(&mut world, n, vec![timed.clone()]);
    }
    world.pass(10_000);
    assert_eq!(world.requests.len(), 1);
    let now_ms = world.now.elapsed_ms;
    assert!(world.node.deadline_ms().is_some_and(|at| at > now_ms));
    let seconds = |world: &World| {
        let (reports, _) = sent(&world.requests);
        reports[0].duration_measurement.unwrap().0
    };
    assert_eq!(seconds(&world), 10);
    world.pass(2_000);
    world.requests.truncate(1);
    world.reply(&accepted(), None);
    // The next one says what there is by now.
    assert_eq!(seconds(&world), 12);
}

// ===== long answers =====

/// URRs of which each has two reports.
fn twofold(count: u32) -> Vec<pfcp::CreateUrr> {
    let urrs = (1..=count).map(|id| pfcp::CreateUrr {
        measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
        measurement_information: Some(MeasurementInformation::MBQE | MeasurementInformation::ISTM),
        ..urr(id, T::PERIO)
    });
    urrs.collect()
}

fn numbers(reports: &[UsageReport]) -> Vec<(u32, u32)> {
    let numbers = reports
        .iter()
        .map(|report| (report.urr_id.0, report.ur_seqn.0));
    numbers.collect()
}

fn longest(world: &World) -> usize {
    world
        .sent
        .iter()
        .map(|(_, octets)| octets.len())
        .max()
        .unwrap()
}

#[test]
fn what_does_not_fit_into_the_answer_to_a_deletion_follows_it() {
    let mut world = with_features(CpFunctionFeatures::ARDR);
    let (seid, ..) = measured(&mut world, 1, twofold(30));
    world.pass(1_000);
    let answer = world.delete(seid);
    assert_eq!(answer.cause, Cause::MORE_USAGE_REPORT_TO_SEND);
    let follow = AdditionalUsageReportsInformation::Number(Bits16::new(50).unwrap());
    assert_eq!(answer.additional_usage_reports_information, Some(follow));
    let (following, flags) = sent(&world.requests);
    assert_eq!(flags, Some(PfcpSrReqFlags::PSDBU));
    assert_eq!(world.requests.len(), 5);
    let mut all = answer.usage_reports;
    all.extend(following);
    let expected: Vec<_> = (1..=30).flat_map(|urr| [(urr, 0), (urr, 1)]).collect();
    assert_eq!(numbers(&all), expected);
    assert!(all.iter().all(|r| r.usage_report_trigger == Why::TERMR));
    assert!(longest(&world) <= DATAGRAM_MAX);
}

/// Who cannot be told that more follows gets what does not fit into the answer before it. (free5GC
/// reads 2 048 octets of a datagram.)
#[test]
fn who_did_not_announce_it_gets_what_does_not_fit_before_the_answer() {
    let mut world = with_features(CpFunctionFeatures::empty());
    let (seid, index, ledger) = measured(&mut world, 1, twofold(20));
    traffic(&mut world, (index, &ledger), 10, 100);
    world.pass(1_000);
    let answer = world.delete(seid);
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(answer.flags, Some(PfcpSdRspFlags::PURU));
    let (before, flags) = sent(&world.requests);
    assert_eq!((world.requests.len(), flags), (3, None));
    let mut all = answer.usage_reports;
    all.extend(before);
    let expected: Vec<_> = (1..=20).flat_map(|urr| [(urr, 0), (urr, 1)]).collect();
    assert_eq!(numbers(&all), expected);
    assert_eq!(all.iter().map(total).sum::<u64>(), 1_000);
    assert!(longest(&world) <= DATAGRAM_MAX);
}

/// Nor is one that does not answer reports asked to take more of them.
#[test]
fn who_answers_no_reports_has_all_in_one_answer() {
    let mut world = world(1, 64);
    let (_, index, ledger) = measured(&mut world, 1, vec![by_threshold(1_000)]);
    traffic(&mut world, (index, &ledger), 10, 100);
    assert_eq!(world.requests.len(), 1);
    let (seid, ..) = measured(&mut world, 2, twofold(20));
    let answer = world.delete(seid);
    assert_eq!(answer.usage_reports.len(), 40);
    assert_eq!(world.requests.len(), 1);
}

#[test]
fn what_does_not_fit_into_the_answer_to_a_query_follows_it() {
    let mut world = with_features(CpFunctionFeatures::empty());
    let (seid, ..) = measured(&mut world, 1, twofold(12));
    world.pass(1_000);
    let query = SessionModificationRequest {
        flags: Some(PfcpSmReqFlags::QAURR),
        query_urr_reference: Some(pfcp::QueryUrrReference(7)),
        ..Default::default()
    };
    let answer = world.modify(seid, &query);
    let follow = AdditionalUsageReportsInformation::Number(Bits16::new(14).unwrap());
    assert_eq!(answer.additional_usage_reports_information, Some(follow));
    let (following, flags) = sent(&world.requests);
    assert_eq!(flags, None);
    let reference = Some(pfcp::QueryUrrReference(7));
    assert!(following.iter().all(|r| r.query_urr_reference == reference));
    assert!(
        following
            .iter()
            .all(|r| r.usage_report_trigger == Why::IMMER)
    );
    let mut all = answer.usage_reports;
    all.extend(following);
    let expected: Vec<_> = (1..=12).flat_map(|urr| [(urr, 0), (urr, 1)]).collect();
    assert_eq!(numbers(&all), expected);
    assert!(longest(&world) <= DATAGRAM_MAX);
}

/// A session ends while the answer to its modification is still to come, and another one has its
/// place by then: that one is not told of what the first has used.
#[test]
fn what_a_session_used_is_not_told_of_the_next_one_in_its_place() {
    let mut world = world(100, 2);
    let (seid, index, _) = measured(&mut world, 1, twofold(30));
    world.pass(1_000);
    for reader in &mut world.readers {
        reader.snapshot();
    }
    let remove = (1..=30).map(|urr| pfcp::RemoveUrr {
        urr_id: urr.into(),
        ..Default::default()
    });
    let remove = SessionModificationRequest {
        remove_urrs: remove.collect(),
        ..Default::default()
    };
    let mut requests = vec![
        encode(Some(seid), 501, &remove),
        encode(Some(seid), 502, &pfcp::SessionDeletionRequest::default()),
    ];
    requests.extend((2..6).map(|n| encode(Some(0), 501 + n, &load::establishment(n))));
    // All of them come before it is looked whether workers have gone on, which they have.
    for octets in requests {
        let _ = world.node.handle_datagram(world.now, smf(), &octets);
        for reader in &mut world.readers {
            reader.offline();
        }
    }
    assert!(world.node.sessions().any(|(there, _)| there == index));
    let outputs = world.node.settle(world.now);
    let messages = outputs.iter().filter_map(|output| match output {
        upf_cp::Output::Send { octets, .. } => Some(pfcp::decode(octets).unwrap().message),
        upf_cp::Output::Worker { .. } => None,
    });
    let reports = messages.filter(|message| matches!(message, Message::SessionReportRequest(_)));
    assert_eq!(reports.count(), 0);
}

/// Sessions that come and go, and URRs whose periods become shorter and shorter, leave no more behind
/// than there is; and what is there goes on.
#[test]
fn deadlines_that_nobody_waits_for_are_cleared_away() {
    let mut world = world(16, 8);
    let (seid, _, _) = measured(&mut world, 0, vec![periodic(10_000)]);
    for round in 1..=9_000 {
        let change = SessionModificationRequest {
            update_urrs: vec![pfcp::UpdateUrr {
                urr_id: 1.into(),
                measurement_period: pfcp::MeasurementPeriod(10_000 - round).into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(world.modify(seid, &change).cause, Cause::REQUEST_ACCEPTED);
    }
    assert!(world.node.deadlines() < 10, "{}", world.node.deadlines());
    for n in 1..=9_000 {
        let mut request = load::establishment(n);
        request.create_urrs = vec![periodic(3_600)];
        let (gone, _) = world.establish(&request);
        world.delete(gone);
        if n % 4 == 0 {
            world.go_on();
            world.pass(1);
        }
    }
    world.pass(1_000);
    assert!(world.node.deadlines() < 10, "{}", world.node.deadlines());
    world.requests.clear();
    world.pass(990_000 - world.now.elapsed_ms);
    assert_eq!(world.requests.len(), 0);
    world.pass(60_000);
    let (reports, _) = sent(&world.requests);
    assert_eq!(reports[0].usage_report_trigger, Why::PERIO);
}

#[test]
fn a_long_chain_of_linked_urrs_is_reported_at_once() {
    let mut world = with_features(CpFunctionFeatures::empty());
    let mut urrs = vec![by_threshold(1_000)];
    urrs.extend((2..=100).map(|id| {
        pfcp::CreateUrr {
            // To the one before, and to those that follow.
            linked_urr_ids: [id - 1]
                .into_iter()
                .chain(id + 1..=100)
                .map(pfcp::LinkedUrrId)
                .collect(),
            ..urr(id, T::LIUSA)
        }
    }));
    let (_, index, ledger) = measured(&mut world, 1, urrs);
    traffic(&mut world, (index, &ledger), 10, 100);
    let (reports, _) = sent(&world.requests);
    let expected: Vec<_> = (1..=100).map(|urr| (urr, 0)).collect();
    assert_eq!(numbers(&reports), expected);
    assert!(
        reports[1..]
            .iter()
            .all(|r| r.usage_report_trigger == Why::LIUSA)
    );
}
