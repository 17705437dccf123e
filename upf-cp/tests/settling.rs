//! Last reports (TS 29.244, 5.2.2.3): what was used is told when no worker counts by the old rules
//! any more, and neither sooner nor twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::sync::Arc;

use pfcp::{
    Cause, CpFunctionFeatures, Decoded, Message, PfcpSmReqFlags, PfcpSrReqFlags, ReportingTriggers,
    SessionDeletionRequest, SessionModificationRequest, UsageReport, UsageReportTrigger,
};
use session::Ledger;
use session::rule::Direction;
use session::usage::Moment;
use support::*;

type T = ReportingTriggers;
type Why = UsageReportTrigger;

/// A session with the URRs 1 (of the downlink PDR) and 2 (of the uplink PDR), and their counters.
fn measured(world: &mut World, n: u8) -> (u64, [Arc<Ledger>; 2]) {
    let mut request = open5gs(n);
    request.create_urrs = vec![urr(1, T::VOLTH), urr(2, T::VOLTH)];
    request.create_pdrs[0].urr_ids = vec![1.into()];
    request.create_pdrs[1].urr_ids = vec![2.into()];
    let (seid, _) = world.establish(&request);
    let statuses = world.node.session_statuses();
    let status = statuses.iter().find(|status| status.seid.0 == seid);
    let index = status.unwrap().index;
    let plan = world.readers[0].snapshot().session(index).unwrap();
    let ledgers = [1, 2].map(|urr| {
        let mut all = plan.steps().flat_map(session::plan::Step::ledgers);
        let (_, ledger) = all.find(|(id, _)| id.0 == urr).unwrap();
        Arc::clone(ledger)
    });
    (seid, ledgers)
}

fn count(ledger: &Ledger, octets: u16) {
    let _ = ledger
        .usage()
        .count(Direction::Uplink, octets, Moment::of_ms(1_000));
}

fn usage(answer: &Message) -> &[UsageReport] {
    match answer {
        Message::SessionDeletionResponse(answer) => &answer.usage_reports,
        Message::SessionModificationResponse(answer) => &answer.usage_reports,
        other => panic!("{other}"),
    }
}

/// URR ID, why, UR-SEQN and octets.
fn told(answer: &Message) -> Vec<(u32, Why, u32, u64)> {
    let reports = usage(answer).iter().map(|report| {
        let volume = report.volume_measurement.as_ref().unwrap();
        let (urr, number) = (report.urr_id.0, report.ur_seqn.0);
        (
            urr,
            report.usage_report_trigger,
            number,
            volume.total.unwrap(),
        )
    });
    reports.collect()
}

fn only(mut answers: Vec<Decoded>) -> Decoded {
    assert_eq!(answers.len(), 1, "one answer");
    answers.remove(0)
}

/// A world whose workers are in the midst of a burst from now on.
fn in_a_burst(world: &mut World) {
    for reader in &mut world.readers {
        reader.snapshot();
    }
    world.busy = true;
}

fn modification(world: &mut World, seid: u64, request: &SessionModificationRequest) -> Vec<u8> {
    in_a_burst(world);
    encode(Some(seid), 501, request)
}

#[test]
fn packets_under_way_at_deletion_are_in_the_last_report() {
    let mut world = World::associated();
    let (seid, [down, up]) = measured(&mut world, 9);
    count(&down, 1000);
    in_a_burst(&mut world);
    let request = encode(Some(seid), 501, &SessionDeletionRequest::default());
    assert!(world.octets(smf(), &request).is_empty());
    // The workers still have the old plan.
    count(&down, 100);
    // Asked again, it is neither answered nor done again.
    assert!(world.octets(smf(), &request).is_empty());
    assert_eq!(world.node.counters().duplicates, 1);
    count(&up, 10);
    assert_eq!(world.node.session_count(), 0);
    let answer = only(world.go_on());
    assert_eq!(answer.header.sequence, 501);
    let expected = [(1, Why::TERMR, 0, 1100), (2, Why::TERMR, 0, 10)];
    assert_eq!(told(&answer.message), expected);
    // From now on the answer is there to be repeated, the same to the octet.
    assert_eq!(only(world.octets(smf(), &request)), answer);
    assert_eq!(world.node.unsettled(), 0);
}

#[test]
fn nobody_else_waits_meanwhile() {
    let mut world = World::associated();
    let (seid, _) = measured(&mut world, 9);
    let (other, [down, _]) = measured(&mut world, 10);
    in_a_burst(&mut world);
    let request = encode(Some(seid), 501, &SessionDeletionRequest::default());
    assert!(world.octets(smf(), &request).is_empty());
    // A new session, and a question about another one.
    world.establish(&open5gs(11));
    count(&down, 70);
    let query = SessionModificationRequest {
        flags: Some(PfcpSmReqFlags::QAURR),
        ..Default::default()
    };
    let answer = Message::SessionModificationResponse(world.modify(other, &query));
    assert_eq!(told(&answer)[0], (1, Why::IMMER, 0, 70));
    // Time alone has it looked at again.
    world.busy = false;
    for reader in &mut world.readers {
        reader.offline();
    }
    let until = world.node.deadline_ms().unwrap();
    assert!(until <= world.now.elapsed_ms + 1);
    world.pass(2);
    assert_eq!(world.node.unsettled(), 0);
}

#[test]
fn packets_under_way_when_a_rule_goes_are_in_its_last_report() {
    let mut world = World::associated();
    let (seid, [down, up]) = measured(&mut world, 9);
    let request = SessionModificationRequest {
        remove_urrs: vec![pfcp::RemoveUrr {
            urr_id: 1.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    count(&down, 1000);
    let request = modification(&mut world, seid, &request);
    assert!(world.octets(smf(), &request).is_empty());
    count(&down, 100);
    count(&up, 10);
    assert!(world.octets(smf(), &request).is_empty());
    // What is asked of the same session meanwhile is answered after it.
    let query = SessionModificationRequest {
        flags: Some(PfcpSmReqFlags::QAURR),
        ..Default::default()
    };
    let outputs = world.node.handle(
        world.now,
        upf_cp::Input::Datagram {
            from: smf(),
            octets: encode(Some(seid), 502, &query),
        },
    );
    let [upf_cp::Output::Send { octets, after, .. }] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert!(after.is_some_and(|after| !world.node.publisher().tables().is_past(after)));
    let answer = pfcp::decode(octets).unwrap().message;
    assert_eq!(told(&answer), [(2, Why::IMMER, 0, 10)]);
    let answer = only(world.go_on());
    assert_eq!(told(&answer.message), [(1, Why::TERMR, 0, 1100)]);
    // The other one goes on.
    count(&up, 5);
    let answer = Message::SessionDeletionResponse({
        world.busy = false;
        world.delete(seid)
    });
    assert_eq!(told(&answer), [(2, Why::TERMR, 1, 5)]);
}

/// "Report, keep the URR, reset counts and quota."
#[test]
fn a_rule_that_loses_its_last_pdr_is_reported_and_begins_anew() {
    let mut world = World::associated();
    let (seid, [down, _]) = measured(&mut world, 9);
    let quota = SessionModificationRequest {
        update_urrs: vec![pfcp::UpdateUrr {
            urr_id: 1.into(),
            reporting_triggers: Some(T::VOLQU),
            volume_quota: pfcp::VolumeQuota::of_total(2000).into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    world.modify(seid, &quota);
    let urrs = |ids: Vec<pfcp::UrrId>| SessionModificationRequest {
        update_pdrs: vec![pfcp::UpdatePdr {
            pdr_id: 1.into(),
            urr_ids: pfcp::NonEmpty::new(ids).map_or(pfcp::Update::Remove, pfcp::Update::Set),
            ..Default::default()
        }],
        ..Default::default()
    };
    count(&down, 1000);
    let request = modification(&mut world, seid, &urrs(vec![]));
    assert!(world.octets(smf(), &request).is_empty());
    count(&down, 100);
    let answer = only(world.go_on());
    assert_eq!(told(&answer.message), [(1, Why::TERMR, 0, 1100)]);
    world.busy = false;
    world.modify(seid, &urrs(vec![1.into()]));
    // The whole quota, not the 900 octets that were left of it.
    count(&down, 1900);
    assert!(!down.usage().is_due());
    count(&down, 100);
    assert!(down.usage().is_due());
    let answer = Message::SessionDeletionResponse(world.delete(seid));
    assert_eq!(told(&answer)[0], (1, Why::TERMR, 1, 2000));
}

#[test]
fn packets_under_way_at_an_orderly_end_are_in_the_last_report() {
    let mut world = World::default();
    let setup = pfcp::AssociationSetupRequest {
        cp_function_features: Some(CpFunctionFeatures::EPFAR),
        ..association()
    };
    world.ask(None, &setup);
    let (_, [down, _]) = measured(&mut world, 9);
    count(&down, 1000);
    in_a_burst(&mut world);
    let asks = pfcp::AssociationUpdateRequest {
        node_id: ip(SMF).into(),
        flags: Some(pfcp::PfcpAuReqFlags::PARPS),
        ..Default::default()
    };
    world.ask(None, &asks);
    world.pass(10);
    assert!(world.requests.is_empty());
    assert_eq!(world.node.session_count(), 0);
    count(&down, 100);
    world.go_on();
    let Message::SessionReportRequest(report) = &world.requests[0].message else {
        panic!()
    };
    assert_eq!(report.flags, Some(PfcpSrReqFlags::PSDBU));
    let volume = report.usage_reports[0].volume_measurement.as_ref();
    assert_eq!(volume.unwrap().total, Some(1100));
}

/// Fractions of a second are told with a later report.
#[test]
fn times_add_up() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_urrs = vec![pfcp::CreateUrr {
        measurement_method: pfcp::MeasurementMethod::DURAT,
        measurement_information: Some(pfcp::MeasurementInformation::ISTM),
        ..urr(1, T::PERIO)
    }];
    let (seid, _) = world.establish(&request);
    let all = SessionModificationRequest {
        flags: Some(PfcpSmReqFlags::QAURR),
        ..Default::default()
    };
    let mut seconds = vec![];
    for _ in 0..4 {
        world.pass(1_400);
        let answer = world.modify(seid, &all);
        assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
        seconds.push(answer.usage_reports[0].duration_measurement.unwrap().0);
    }
    assert_eq!(seconds, [1, 1, 2, 1]);
}
