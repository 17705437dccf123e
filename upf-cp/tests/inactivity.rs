//! User Plane Inactivity Timer of a session (TS 29.244, 5.11): one report when no packet flows.
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
    Cause, Message, ReportType, SessionEstablishmentRequest, SessionModificationRequest,
    UserPlaneInactivityTimer,
};
use session::Ledger;
use session::rule::Direction;
use support::*;

const fn timer(seconds: u32) -> UserPlaneInactivityTimer {
    UserPlaneInactivityTimer(seconds)
}

/// A session with a timer. Its downlink PDR has a URR, the others have none.
fn watched(seconds: u32) -> SessionEstablishmentRequest {
    SessionEstablishmentRequest {
        user_plane_inactivity_timer: Some(timer(seconds)),
        ..open5gs(9)
    }
}

fn set(seconds: u32) -> SessionModificationRequest {
    SessionModificationRequest {
        user_plane_inactivity_timer: Some(timer(seconds)),
        ..Default::default()
    }
}

/// A world with such a session, and its SEID. Heartbeats are out of the way.
fn world(seconds: u32) -> (World, u64) {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.heartbeat_interval_ms = 0;
    let mut world = World::with(config);
    world.associate();
    let (seid, _) = world.establish(&watched(seconds));
    (world, seid)
}

/// Where the packets of a PDR are counted.
fn counter(world: &mut World, pdr: u16) -> Option<Arc<Ledger>> {
    let index = world.node.sessions().next().unwrap().0;
    let snapshot = world.readers[0].snapshot();
    let plan = snapshot.session(index).unwrap();
    let step = plan.steps().find(|step| step.pdr.0 == pdr).unwrap();
    step.ledgers().next().map(|(_, ledger)| Arc::clone(ledger))
}

fn packet(world: &mut World, pdr: u16) {
    let counter = counter(world, pdr).unwrap();
    let due = counter
        .usage()
        .count(Direction::Uplink, 100, session::usage::Moment(0));
    // It is counted for nothing else: there is no report of usage.
    assert!(!due);
}

/// How many inactivity reports there have been since the last call; all are answered.
fn told(world: &mut World) -> usize {
    let mut told = 0;
    while let Some(request) = world.requests.first() {
        let Message::SessionReportRequest(report) = &request.message else {
            panic!("{request}")
        };
        assert_eq!(report.report_type, ReportType::UPIR);
        assert!(report.usage_reports.is_empty());
        told += 1;
        let answer = pfcp::SessionReportResponse {
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        world.reply(&answer, Some(0x109));
    }
    told
}

#[test]
fn a_session_without_packets_is_reported_once() {
    let (mut world, _) = world(20);
    world.pass(19_900);
    assert_eq!(told(&mut world), 0);
    world.pass(200);
    assert_eq!(told(&mut world), 1);
    // "Then stop watching", whatever flows.
    packet(&mut world, 1);
    world.pass(100_000);
    assert_eq!(told(&mut world), 0);
}

#[test]
fn packets_of_any_pdr_put_the_report_off() {
    let (mut world, _) = world(20);
    // PDR 1 has a URR, the uplink PDR 2 none.
    for pdr in [1, 2, 1, 2] {
        world.pass(15_000);
        packet(&mut world, pdr);
        assert_eq!(told(&mut world), 0);
    }
    world.pass(19_900);
    assert_eq!(told(&mut world), 0, "never early");
    world.pass(2_600);
    assert_eq!(told(&mut world), 1, "late by an eighth at the most");
}

#[test]
fn a_new_value_takes_effect_at_once_and_zero_ends_it() {
    let (mut world, seid) = world(1_000);
    world.pass(100_000);
    // It has been exceeded already.
    assert_eq!(world.modify(seid, &set(60)).cause, Cause::REQUEST_ACCEPTED);
    world.pass(10);
    assert_eq!(told(&mut world), 1);
    // Set again, it is exceeded again.
    world.modify(seid, &set(60));
    world.pass(10);
    assert_eq!(told(&mut world), 1);
    world.modify(seid, &set(1_000));
    world.pass(10);
    packet(&mut world, 2);
    world.modify(seid, &set(30));
    world.pass(29_900);
    assert_eq!(told(&mut world), 0);
    // Nothing counts any more where nobody asks.
    assert!(counter(&mut world, 2).is_some());
    world.modify(seid, &set(0));
    assert!(counter(&mut world, 2).is_none());
    world.pass(10_000_000);
    assert_eq!(told(&mut world), 0);
    assert!(!world.rules(seid).watched);
}

#[test]
fn rules_that_come_and_go_are_no_packets() {
    let (mut world, seid) = world(20);
    packet(&mut world, 1);
    world.pass(10_000);
    // With the URR goes what it had counted; the packets that follow are counted elsewhere.
    let remove = SessionModificationRequest {
        remove_urrs: vec![pfcp::RemoveUrr {
            urr_id: 1.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &remove).cause, Cause::REQUEST_ACCEPTED);
    world.pass(12_600);
    assert_eq!(told(&mut world), 1);
    packet(&mut world, 1);
    world.modify(seid, &set(20));
    world.pass(15_000);
    assert_eq!(told(&mut world), 0);
    // A modification that asks for nothing of it does not start it anew.
    world.modify(seid, &activate(0x101, "10.10.3.101"));
    world.pass(7_600);
    assert_eq!(told(&mut world), 1);
}

#[test]
fn a_session_that_nobody_watches_counts_nothing_more() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    assert!(counter(&mut world, 2).is_none());
    assert!(counter(&mut world, 1).is_some());
}

#[test]
fn a_refused_modification_leaves_the_timer() {
    let (mut world, seid) = world(20);
    let bad = SessionModificationRequest {
        remove_fars: vec![pfcp::RemoveFar {
            far_id: 77.into(),
            ..Default::default()
        }],
        ..set(5)
    };
    assert_ne!(world.modify(seid, &bad).cause, Cause::REQUEST_ACCEPTED);
    world.pass(19_900);
    assert_eq!(told(&mut world), 0);
    world.pass(200);
    assert_eq!(told(&mut world), 1);
    world.delete(seid);
    world.pass(100_000);
    assert_eq!(told(&mut world), 0);
}
