//! Partial success (PSUCC): which rules failed, and the rest in force.
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
    ApplicationId, ApplyAction, Cause, CpFunctionFeatures, CreateFar, CreateMar,
    DestinationInterface, FailedRuleId as F, ForwardingPolicy, Message, PartialFailureInformation,
    RemoveFar, SessionEstablishmentRequest, SessionEstablishmentResponse,
    SessionModificationRequest, UpdateFar, UpdatePdr,
};
use support::*;
use upf_cp::NodeConfig;

const FAR_ID: u16 = 108;
const FRAMED_ROUTE: u16 = 153;
const FORWARDING_POLICY: u16 = 41;

/// A world with an SMF that takes what can be applied.
fn world() -> World {
    let mut world = World::with(NodeConfig::new(ip(UPF)));
    let mut request = association();
    request.cp_function_features = Some(CpFunctionFeatures::PSUCC);
    world.ask(None, &request);
    world
}

fn ask(world: &mut World, request: &SessionEstablishmentRequest) -> SessionEstablishmentResponse {
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), request) else {
        panic!()
    };
    answer
}

/// A FAR by a policy that there is not.
fn bad_far(id: u32) -> CreateFar {
    let mut parameters = to(DestinationInterface::CORE, None);
    parameters.forwarding_policy = Some(ForwardingPolicy(pfcp::wire::Short::new("gold").unwrap()));
    far(id, ApplyAction::FORW, Some(parameters))
}

/// Rule, cause and type of the Offending IE.
fn told(failures: &[PartialFailureInformation]) -> Vec<(F, Cause, u16)> {
    let told = |failure: &PartialFailureInformation| {
        let [offending] = &*failure.offending_ie_informations else {
            panic!("{failure:?}")
        };
        let (rule, cause) = (failure.failed_rule_id, failure.failure_cause);
        (rule, cause, offending.offending_type)
    };
    failures.iter().map(told).collect()
}

/// With a FAR that fails, a PDR that needs it, and a PDR for an application nobody knows.
fn with_failures(n: u8) -> SessionEstablishmentRequest {
    let mut request = open5gs(n);
    request.create_fars.push(bad_far(30));
    request.create_pdrs.push(pdr(30, 10, 30, downlink_pdi(n)));
    let mut pdi = downlink_pdi(n);
    pdi.application_id = Some(ApplicationId(b"nobody's".as_slice().into()));
    request.create_pdrs.push(pdr(31, 11, 1, pdi));
    request
}

#[test]
fn what_failed_is_told_and_the_rest_is_in_force() {
    let mut world = world();
    let (seid, answer) = {
        let answer = ask(&mut world, &with_failures(1));
        (answer.up_f_seid.as_ref().unwrap().seid, answer)
    };
    assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    let rule_failed = Cause::RULE_CREATION_MODIFICATION_FAILURE;
    let mut failures = told(&answer.partial_failure_informations);
    failures.sort_by_key(|(rule, ..)| format!("{rule:?}"));
    assert_eq!(
        failures,
        [
            (
                F::Far(30.into()),
                Cause::INVALID_FORWARDING_POLICY,
                FORWARDING_POLICY
            ),
            (F::Pdr(30.into()), rule_failed, FAR_ID),
            (F::Pdr(31.into()), Cause::UNKNOWN_APPLICATION_ID, 24),
        ]
    );
    assert_eq!(answer.offending_ie, None);
    assert_eq!(answer.failed_rule_id, None);

    // As if they had never been asked for.
    let mut other = World::associated();
    let (plain, expected) = other.establish(&open5gs(1));
    let mut rules = other.rules(plain);
    rules.seid = session::Seid(seid);
    assert_eq!(answer.created_pdrs.len(), expected.created_pdrs.len());
    let now = world.rules(seid);
    assert_eq!(now.pdrs.len(), rules.pdrs.len());
    assert_eq!(now.fars, rules.fars);
    assert_eq!(now.ue, rules.ue);
    assert_eq!(
        world
            .node
            .counters()
            .cause(Cause::REQUEST_PARTIALLY_ACCEPTED.get()),
        1
    );
}

/// With a traffic endpoint that can be, and one that leads to no network.
fn with_bad_endpoint(n: u8) -> SessionEstablishmentRequest {
    let mut request = open5gs(n);
    let mut bad = whole::endpoint(2);
    bad.framed_routes = vec![pfcp::FramedRoute("everywhere".into())];
    request.create_traffic_endpoints = vec![whole::endpoint(1), bad];
    request
}

fn at_endpoint(id: u8) -> pfcp::Pdi {
    pfcp::Pdi {
        traffic_endpoint_ids: vec![pfcp::TrafficEndpointId(id)],
        ..Default::default()
    }
}

#[test]
fn pdrs_fail_with_their_traffic_endpoint() {
    let mut world = world();
    let mut request = with_bad_endpoint(1);
    for (id, endpoint) in [(30, 2), (31, 1), (32, 2)] {
        request
            .create_pdrs
            .push(pdr(id, 10, 1, at_endpoint(endpoint)));
    }
    let answer = ask(&mut world, &request);
    assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    let failed = |id: u16| {
        let cause = Cause::RULE_CREATION_MODIFICATION_FAILURE;
        (F::Pdr(id.into()), cause, FRAMED_ROUTE)
    };
    let failures = told(&answer.partial_failure_informations);
    assert_eq!(failures, [failed(30), failed(32)]);
    let created = answer.created_traffic_endpoints;
    let ids: Vec<u8> = created.iter().map(|ie| ie.traffic_endpoint_id.0).collect();
    assert_eq!(ids, [1]);

    // The same later.
    let seid = answer.up_f_seid.unwrap().seid;
    let before = world.rules(seid);
    let request = SessionModificationRequest {
        create_traffic_endpoints: with_bad_endpoint(1).create_traffic_endpoints.split_off(1),
        create_pdrs: vec![
            pdr(40, 10, 1, at_endpoint(2)),
            pdr(41, 10, 1, at_endpoint(1)),
        ],
        ..Default::default()
    };
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    assert_eq!(told(&answer.partial_failure_informations), [failed(40)]);
    assert_eq!(world.rules(seid).pdrs.len(), before.pdrs.len() + 1);
}

/// There is no rule to tell it by.
#[test]
fn a_traffic_endpoint_that_fails_alone_fails_all() {
    let mut world = world();
    let before = world.snapshot();
    let answer = ask(&mut world, &with_bad_endpoint(1));
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie.map(|ie| ie.0), Some(FRAMED_ROUTE));
    assert_eq!(answer.failed_rule_id, None);
    assert_eq!(world.snapshot(), before);
}

#[test]
fn a_modification_does_what_it_can() {
    let mut world = world();
    let (seid, _) = world.establish(&open5gs(1));
    let before = world.rules(seid);
    let mut request = activate(0x0101, "10.10.3.101");
    request.create_fars.push(bad_far(30));
    request.create_pdrs.push(pdr(30, 10, 30, downlink_pdi(1)));
    // A FAR that a PDR needs, and one that is not there.
    let remove = |id: u32| RemoveFar {
        far_id: id.into(),
        ..Default::default()
    };
    request.remove_fars = vec![remove(2), remove(99)];
    request.update_pdrs.push(UpdatePdr {
        pdr_id: 98.into(),
        ..Default::default()
    });
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    let mut rules: Vec<_> = told(&answer.partial_failure_informations);
    rules.sort_by_key(|(rule, ..)| format!("{rule:?}"));
    let rules: Vec<F> = rules.into_iter().map(|(rule, ..)| rule).collect();
    assert_eq!(
        rules,
        [
            F::Far(2.into()),
            F::Far(30.into()),
            F::Far(99.into()),
            F::Pdr(30.into()),
            F::Pdr(98.into()),
        ]
    );
    let mut other = World::associated();
    let (plain, _) = other.establish(&open5gs(1));
    let update = activate(0x0101, "10.10.3.101");
    assert_eq!(other.modify(plain, &update).cause, Cause::REQUEST_ACCEPTED);
    let now = world.rules(seid);
    assert_eq!(now.fars, other.rules(plain).fars);
    assert_ne!(now.fars, before.fars);
    assert_eq!(now.pdrs, before.pdrs);
    // Nothing failed: nothing is told.
    let answer = world.modify(seid, &update);
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert!(answer.partial_failure_informations.is_empty());
}

#[test]
fn what_leaves_nothing_to_apply_is_refused() {
    let mut world = world();
    let (seid, _) = world.establish(&open5gs(1));
    let before = world.snapshot();
    let update = |id: u32| UpdateFar {
        far_id: id.into(),
        ..Default::default()
    };
    let request = SessionModificationRequest {
        update_fars: vec![update(90), update(91)],
        ..Default::default()
    };
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.failed_rule_id, Some(F::Far(90.into())));
    assert!(answer.partial_failure_informations.is_empty());

    let mut request = open5gs(2);
    request.create_fars = [bad_far(90)].into();
    let answer = ask(&mut world, &request);
    assert_eq!(answer.cause, Cause::INVALID_FORWARDING_POLICY);
    assert_eq!(answer.failed_rule_id, Some(F::Far(90.into())));
    assert_eq!(answer.up_f_seid, None);
    assert_same(&world.snapshot(), &before, "nothing to apply");
}

#[test]
fn what_fails_for_other_reasons_is_refused() {
    let mut world = world();
    let (seid, _) = world.establish(&open5gs(1));
    let before = world.snapshot();
    let mut request = with_failures(2);
    request.create_mars = vec![CreateMar::default()];
    let answer = ask(&mut world, &request);
    assert_eq!(answer.cause, Cause::SERVICE_NOT_SUPPORTED);
    // More than is tried.
    let mut request = open5gs(3);
    request.create_fars.extend((100..133).map(bad_far));
    let answer = ask(&mut world, &request);
    assert_eq!(answer.cause, Cause::INVALID_FORWARDING_POLICY);
    let mut request = activate(0x0101, "10.10.3.101");
    request.create_fars.extend((100..133).map(bad_far));
    assert_eq!(
        world.modify(seid, &request).cause,
        Cause::INVALID_FORWARDING_POLICY
    );
    assert_same(&world.snapshot(), &before, "refused");
    // One less is.
    request.create_fars.pop();
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    assert_eq!(answer.partial_failure_informations.len(), 32);
}

#[test]
fn who_did_not_ask_for_a_part_gets_all_or_nothing() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(1));
    let before = world.snapshot();
    let answer = ask(&mut world, &with_failures(2));
    assert_eq!(answer.cause, Cause::INVALID_FORWARDING_POLICY);
    assert_eq!(answer.failed_rule_id, Some(F::Far(30.into())));
    assert!(answer.partial_failure_informations.is_empty());
    let mut request = activate(0x0101, "10.10.3.101");
    request.create_fars.push(bad_far(30));
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::INVALID_FORWARDING_POLICY);
    assert!(answer.partial_failure_informations.is_empty());
    assert_same(&world.snapshot(), &before, "refused");
}

/// Each try takes F-TEIDs; those of tries that came to nothing are free again.
#[test]
fn tries_leave_no_f_teids_behind() {
    let small = || {
        let mut world = World::seeded(NodeConfig::new(ip(UPF)), topology(), 1, 8);
        let mut request = association();
        request.cp_function_features = Some(CpFunctionFeatures::PSUCC);
        world.ask(None, &request);
        world
    };
    let free = small().teids_free();
    let mut world = small();
    for n in 1..6 {
        let answer = ask(&mut world, &with_failures(n));
        assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    }
    assert_eq!(world.teids_free(), free);
}
