//! Deferred PDRs (TS 29.244, 5.4.14): Activation and Deactivation Time.
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
    ActivationTime, Cause, DeactivationTime, FTeid, FailedRuleId, SessionModificationRequest,
    Update, UpdatePdr,
};
use session::rule::LocalFTeid;
use session::{InterfaceId, Teid};
use support::*;

/// Open5GS' session with times on its uplink PDR, in seconds from now.
fn deferred(
    world: &World,
    wakes: Option<i64>,
    sleeps: Option<i64>,
) -> pfcp::SessionEstablishmentRequest {
    let at = |seconds: i64| u32::try_from(i64::from(world.now.ntp_s) + seconds).unwrap();
    let mut request = open5gs(9);
    request.create_pdrs[1].activation_time = wakes.map(|s| ActivationTime(at(s)));
    request.create_pdrs[1].deactivation_time = sleeps.map(|s| DeactivationTime(at(s)));
    request
}

/// Whether the plan in force has a step for the uplink PDR.
fn is_awake(world: &mut World) -> bool {
    let index = world.node.sessions().next().unwrap().0;
    let snapshot = world.readers[0].snapshot();
    let plan = snapshot.session(index).unwrap();
    plan.steps().any(|step| step.pdr.0 == 2)
}

#[test]
fn times_past_and_future_decide_together() {
    // Awake now, and after 10, 30 and 50 seconds.
    for (wakes, sleeps, awake) in [
        (None, None, [true, true, true, true]),
        (Some(20), None, [false, false, true, true]),
        (Some(-20), None, [true, true, true, true]),
        (None, Some(20), [true, true, false, false]),
        (None, Some(-20), [false, false, false, false]),
        (Some(20), Some(40), [false, false, true, false]),
        (Some(40), Some(20), [true, true, false, true]),
        (Some(-20), Some(20), [true, true, false, false]),
        (Some(20), Some(-20), [false, false, true, true]),
        (Some(-40), Some(-20), [false, false, false, false]),
        (Some(-20), Some(-40), [true, true, true, true]),
    ] {
        let mut world = World::associated();
        let request = deferred(&world, wakes, sleeps);
        world.establish(&request);
        let mut seen = vec![is_awake(&mut world)];
        for pass in [10, 20, 20] {
            world.pass(pass * 1000);
            seen.push(is_awake(&mut world));
        }
        assert_eq!(seen, awake, "{wakes:?} {sleeps:?}");
    }
}

#[test]
fn a_pdr_wakes_on_time_and_keeps_its_tunnel_while_it_sleeps() {
    let mut world = World::associated();
    let mut request = deferred(&world, Some(20), None);
    // Its tunnel is its own.
    request.create_pdrs[1].pdi.local_f_teid = Some(choose(None));
    let (seid, answer) = world.establish(&request);
    let created = answer
        .created_pdrs
        .iter()
        .find(|created| created.pdr_id.0 == 2);
    let [FTeid::Given { teid, .. }] = created.unwrap().local_f_teids[..] else {
        panic!()
    };
    let tunnel = LocalFTeid {
        teid: Teid(teid),
        interface: InterfaceId(0),
    };
    let found = |world: &mut World| {
        let snapshot = world.readers[0].snapshot();
        let handle = snapshot.tunnel(tunnel)?;
        Some(handle.entrance().is_some())
    };
    // "Behave as deleted, but keep it": known, and nothing matches.
    assert_eq!(found(&mut world), Some(false));
    world.pass(19_000);
    assert_eq!(found(&mut world), Some(false));
    world.pass(1_000);
    assert_eq!(found(&mut world), Some(true));
    // The SMF is told nothing.
    let mut requests = world.requests.iter();
    assert!(requests.all(|request| request.header.seid.is_none()));
    world.delete(seid);
    assert_eq!(found(&mut world), None);
    world.pass(60_000);
    assert_eq!(world.node.session_count(), 0);
}

#[test]
fn times_are_changed_and_removed() {
    let mut world = World::associated();
    let request = deferred(&world, Some(1000), None);
    let (seid, _) = world.establish(&request);
    let change = |update| SessionModificationRequest {
        update_pdrs: vec![update],
        ..Default::default()
    };
    let update = UpdatePdr {
        pdr_id: 2.into(),
        activation_time: ActivationTime(world.now.ntp_s + 10).into(),
        deactivation_time: DeactivationTime(world.now.ntp_s + 20).into(),
        ..Default::default()
    };
    let answer = world.modify(seid, &change(update));
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert!(!is_awake(&mut world));
    world.pass(10_000);
    assert!(is_awake(&mut world));
    world.pass(10_000);
    assert!(!is_awake(&mut world));
    // "An IE of length 0 removes": always awake, and a plain PDR again.
    let update = UpdatePdr {
        pdr_id: 2.into(),
        activation_time: Update::Remove,
        deactivation_time: Update::Remove,
        ..Default::default()
    };
    let answer = world.modify(seid, &change(update));
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert!(is_awake(&mut world));
    world.pass(2_000_000);
    assert!(is_awake(&mut world));
    assert!(world.rules(seid).pdrs.iter().all(|pdr| !pdr.dormant));
}

#[test]
fn a_sleeping_pdr_that_could_not_wake_is_refused() {
    let mut world = World::associated();
    let mut request = deferred(&world, Some(20), None);
    request.create_pdrs[1].far_id = Some(99.into());
    let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(2.into())));
}

/// 255 PDRs are in force at once at most. More than that may not even sleep: nobody could be told
/// that they do not wake.
#[test]
fn no_more_pdrs_sleep_than_can_be_awake() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.limits.pdrs_per_session = 1_000;
    let mut world = World::with(config);
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    let wakes = ActivationTime(world.now.ntp_s + 20);
    let sleepers = |ids: std::ops::Range<u16>| SessionModificationRequest {
        create_pdrs: ids
            .map(|id| pfcp::CreatePdr {
                activation_time: Some(wakes),
                ..pdr(id, 9, 2, uplink_pdi())
            })
            .collect(),
        ..Default::default()
    };
    // Four are there.
    let before = world.snapshot();
    let answer = world.modify(seid, &sleepers(100..352));
    assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
    assert_same(&world.snapshot(), &before, "refused");
    let answer = world.modify(seid, &sleepers(100..351));
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    world.pass(21_000);
    let index = world.node.sessions().next().unwrap().0;
    let snapshot = world.readers[0].snapshot();
    assert_eq!(snapshot.session(index).unwrap().steps().count(), 255);
}
