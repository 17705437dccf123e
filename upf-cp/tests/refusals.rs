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
fn a_pause_of_charging_is_refused() {
    for information in [
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

/// What is known is carried out, and stays until it is taken away; all else is refused.
#[test]
fn forwarding_policies_are_known_by_name() {
    let mut world = World::associated();
    let policy = |name| pfcp::ForwardingPolicy(pfcp::wire::Short::new(name).unwrap());
    let refused = (
        Cause::INVALID_FORWARDING_POLICY,
        Some(OffendingIe(41)),
        Some(FailedRuleId::Far(2.into())),
    );
    let with = |name| {
        let mut request = open5gs(9);
        let far = request
            .create_fars
            .iter_mut()
            .find(|far| far.far_id == 2.into());
        let to = far.unwrap().forwarding_parameters.as_mut().unwrap();
        to.forwarding_policy = Some(policy(name));
        request
    };
    let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &with("gold"))
    else {
        panic!()
    };
    let says = (answer.cause, answer.offending_ie, answer.failed_rule_id);
    assert_eq!(says, refused);
    let (seid, _) = world.establish(&with("cache"));
    let leads = |world: &World| {
        let rules = world.rules(seid);
        let far = rules.fars.iter().find(|far| far.id.0 == 2).unwrap();
        far.forwarding.unwrap().policy
    };
    assert_eq!(leads(&world), Some(session::InterfaceId(3)));
    let update = |change: fn(&mut pfcp::UpdateForwardingParameters)| {
        let mut to = pfcp::UpdateForwardingParameters::default();
        change(&mut to);
        modification(pfcp::UpdateFar {
            far_id: 2.into(),
            update_forwarding_parameters: Some(to),
            ..Default::default()
        })
    };
    // Not into a tunnel.
    let before = world.rules(seid);
    let changes: [fn(&mut pfcp::UpdateForwardingParameters); 3] = [
        |to| {
            let policy = pfcp::wire::Short::new("gold").unwrap();
            to.forwarding_policy = pfcp::ForwardingPolicy(policy).into();
        },
        |to| to.destination_interface = Some(pfcp::DestinationInterface::ACCESS),
        |to| {
            to.outer_header_creation =
                pfcp::OuterHeaderCreation::gtp_u(7, ip("10.10.3.101")).into();
        },
    ];
    for change in changes {
        let answer = world.modify(seid, &update(change));
        let says = (answer.cause, answer.offending_ie, answer.failed_rule_id);
        assert_eq!(says, refused);
        assert_eq!(world.rules(seid), before);
    }
    let answer = world.modify(
        seid,
        &update(|to| to.forwarding_policy = pfcp::Update::Remove),
    );
    assert_eq!(
        (answer.cause, leads(&world)),
        (Cause::REQUEST_ACCEPTED, None)
    );
}

// ===== lists inside rules =====

#[test]
fn a_urr_is_linked_to_no_more_others_than_a_session_may_have() {
    let mut world = World::associated();
    let linked = |ids: Vec<u32>| {
        let mut request = open5gs(9);
        request.create_urrs = vec![pfcp::CreateUrr {
            linked_urr_ids: ids.into_iter().map(pfcp::LinkedUrrId).collect(),
            ..urr(1, pfcp::ReportingTriggers::LIUSA)
        }];
        request
    };
    let request = linked((1..102).collect());
    let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    let says = (answer.cause, answer.failed_rule_id, answer.offending_ie);
    let rule = Some(FailedRuleId::Urr(1.into()));
    let expected = (Cause::NO_RESOURCES_AVAILABLE, rule, Some(OffendingIe(82)));
    assert_eq!(says, expected);
    assert_eq!(world.node.counters().limit(upf_cp::Limit::Rules), 1);
    // The same one over and over is one.
    world.establish(&linked([2, 3].repeat(2_000)));
}

#[test]
fn a_qfi_that_is_listed_over_and_over_is_one() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    let qfi = |qfi| pfcp::Qfi::new(qfi).unwrap();
    request.create_pdrs[1].pdi.qfis = [qfi(9), qfi(5)].repeat(2_000);
    let (seid, _) = world.establish(&request);
    let rules = world.rules(seid);
    let qfis: Vec<u8> = rules.pdrs[1].pdi.qfis.iter().map(|qfi| qfi.get()).collect();
    assert_eq!(qfis, [5, 9]);
}
