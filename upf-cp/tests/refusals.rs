//! What is not done is refused, with the IE that asks for it, and changes nothing; what a removal
//! leaves behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use pfcp::{
    Cause, FailedRuleId, MeasurementInformation, OffendingIe, PfcpSeReqFlags, PfcpSmReqFlags,
    SessionModificationRequest,
};
use support::*;

#[test]
fn flags_of_what_is_not_done_are_refused() {
    let mut world = World::associated();
    for flags in [
        PfcpSeReqFlags::SUMPC,
        PfcpSeReqFlags::HRSBOM,
        PfcpSeReqFlags::EPRI | PfcpSeReqFlags::RESTI,
    ] {
        let mut request = open5gs(9);
        request.flags = Some(flags);
        let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request)
        else {
            panic!()
        };
        let says = (answer.cause, answer.offending_ie);
        assert_eq!(says, (Cause::SERVICE_NOT_SUPPORTED, Some(OffendingIe(186))));
    }
    let (seid, _) = world.establish(&open5gs(9));
    let before = world.rules(seid);
    for flags in [
        PfcpSmReqFlags::SUMPC,
        PfcpSmReqFlags::RUMUC | PfcpSmReqFlags::QAURR,
        PfcpSmReqFlags::DETEID,
        PfcpSmReqFlags::HRSBOM,
    ] {
        let mut request = activate(0x0101, "10.10.3.101");
        request.flags = Some(flags);
        let answer = world.modify(seid, &request);
        let says = (answer.cause, answer.offending_ie);
        assert_eq!(says, (Cause::SERVICE_NOT_SUPPORTED, Some(OffendingIe(49))));
        assert_eq!(world.rules(seid), before);
    }
}

#[test]
fn all_reports_and_some_are_not_asked_for_at_once() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let before = world.snapshot();
    let mut request = activate(0x0101, "10.10.3.101");
    request.flags = Some(PfcpSmReqFlags::QAURR);
    request.query_urrs = vec![pfcp::QueryUrr {
        urr_id: 1.into(),
        ..Default::default()
    }];
    let answer = world.modify(seid, &request);
    let says = (answer.cause, answer.offending_ie);
    assert_eq!(says, (Cause::MANDATORY_IE_INCORRECT, Some(OffendingIe(49))));
    assert!(answer.usage_reports.is_empty());
    assert_eq!(world.snapshot(), before);
    request.flags = None;
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(answer.usage_reports.len(), 1);
}

#[test]
fn pausing_a_measurement_is_refused() {
    for information in [
        MeasurementInformation::INAM,
        MeasurementInformation::SSPOC,
        MeasurementInformation::ASPOC,
        MeasurementInformation::CIAM,
    ] {
        let mut world = World::associated();
        let mut request = open5gs(9);
        request.create_urrs[0].measurement_information = Some(information);
        let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request)
        else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
        assert_eq!(answer.offending_ie, Some(OffendingIe(100)));
        assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Urr(1.into())));
    }
}

#[test]
fn a_session_is_not_handed_over_in_passing() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let mut request = activate(0x0101, "10.10.3.101");
    request.node_id = Some(ip("10.10.4.99").into());
    let answer = world.modify(seid, &request);
    let says = (answer.cause, answer.offending_ie);
    assert_eq!(says, (Cause::SERVICE_NOT_SUPPORTED, Some(OffendingIe(60))));
    request.node_id = Some(ip(SMF).into());
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
}

#[test]
fn two_operations_on_one_bar_are_refused() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let request = SessionModificationRequest {
        remove_bar: Some(pfcp::RemoveBar {
            bar_id: pfcp::BarId(1),
            ..Default::default()
        }),
        create_bar: Some(pfcp::CreateBar {
            bar_id: pfcp::BarId(1),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(88)));
    assert_eq!(
        answer.failed_rule_id,
        Some(FailedRuleId::Bar(pfcp::BarId(1)))
    );
}

/// "Removing a QER, URR or BAR also clears references to it"; a PDR cannot do without its FAR.
#[test]
fn a_removed_rule_is_not_referred_to_any_more() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let request = SessionModificationRequest {
        remove_qers: vec![pfcp::RemoveQer {
            qer_id: 1.into(),
            ..Default::default()
        }],
        remove_urrs: vec![pfcp::RemoveUrr {
            urr_id: 1.into(),
            ..Default::default()
        }],
        remove_bar: Some(pfcp::RemoveBar {
            bar_id: pfcp::BarId(1),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
    let rules = world.rules(seid);
    assert!(rules.qers.is_empty() && rules.urrs.is_empty() && rules.bars.is_empty());
    let mut pdrs = rules.pdrs.iter();
    assert!(pdrs.all(|pdr| pdr.qers.is_empty() && pdr.urrs.is_empty()));
    assert!(rules.fars.iter().all(|far| far.bar.is_none()));
    let request = SessionModificationRequest {
        remove_fars: vec![pfcp::RemoveFar {
            far_id: 2.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(108)));
    assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(2.into())));
    assert_eq!(world.rules(seid), rules);
}
