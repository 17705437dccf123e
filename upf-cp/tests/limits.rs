//! What an operator limits sessions to: which limits a session has, and that a QER's averaging window
//! bounds what its policer lets through at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use pfcp::{SNssai, SessionModificationRequest, UpdateQer};
use session::SessionIndex;
use session::meter::{Burst, Now};
use session::rule::BitRate;
use support::*;
use upf_cp::{NetworkLimits, NodeConfig, Slice, SliceLimits};

const MBIT: BitRate = BitRate {
    uplink_kbps: 0,
    downlink_kbps: 1_000,
};

fn limited() -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.burst = Burst::of_ms(100);
    config.network_limits = vec![NetworkLimits {
        network: "internet".to_owned(),
        session: MBIT,
        all: BitRate {
            downlink_kbps: 1_500,
            ..MBIT
        },
    }];
    config.slice_limits = vec![
        SliceLimits {
            slice: Slice {
                sst: 1,
                sd: Some(0xa),
            },
            all: MBIT,
        },
        SliceLimits {
            slice: Slice { sst: 1, sd: None },
            all: MBIT,
        },
        SliceLimits {
            slice: Slice { sst: 2, sd: None },
            all: BitRate::default(),
        },
    ];
    let mut world = World::with(config);
    world.associate();
    world
}

fn establish(world: &mut World, number: u8, dnn: &str, slice: Option<(u8, u32)>) -> SessionIndex {
    let mut request = open5gs(number);
    request.apn_dnn = Some(pfcp::ApnDnn(pfcp::Octets::labels(dnn)));
    request.s_nssai = slice.map(|(sst, sd)| SNssai {
        sst,
        sd: pfcp::U24::of_lower(sd),
    });
    let (seid, _) = world.establish(&request);
    let mut sessions = world.node.sessions();
    sessions.find(|(_, rules)| rules.seid.0 == seid).unwrap().0
}

/// How many packets of 1250 octets the levels above the QER of the downlink PDR let through at once.
fn at_once(world: &mut World, session: SessionIndex) -> Option<u32> {
    let plan = world.readers[0].snapshot().session(session).unwrap();
    let levels = plan.steps().find_map(session::plan::Step::levels)?;
    let now = Now(1_000_000_000);
    let mut passed = 0;
    while levels.admit(1250, now) {
        levels.charge(1250, now);
        passed += 1;
    }
    Some(passed)
}

/// 100 ms of 1 Mbit/s are 10 of these packets, and one that finds the last octet left.
#[test]
fn a_session_has_the_limits_of_its_network_and_of_its_slice() {
    let mut world = limited();
    let here = Some((1, 0xa));
    let first = establish(&mut world, 1, "internet", here);
    assert_eq!(at_once(&mut world, first), Some(11));
    // Its slice has passed what it may.
    let second = establish(&mut world, 2, "internet", here);
    assert_eq!(at_once(&mut world, second), Some(0));
    // Another slice, and what the network has left: 15 packets and one for all.
    let third = establish(&mut world, 3, "internet", Some((1, 0xb)));
    assert_eq!(at_once(&mut world, third), Some(5));
    // A network without limits, in slices with, without, and of which nothing is known.
    let ims = establish(&mut world, 4, "ims", Some((1, 0x00ff_ffff)));
    assert_eq!(at_once(&mut world, ims), Some(6));
    for (number, slice) in [(5, Some((2, 1))), (6, Some((3, 1))), (7, None)] {
        let free = establish(&mut world, number, "ims", slice);
        assert_eq!(at_once(&mut world, free), None, "{slice:?}");
    }
}

/// What a session's own limit remembers outlives a change of its rules.
#[test]
fn limits_stay_when_rules_change() {
    let mut world = limited();
    let session = establish(&mut world, 1, "internet", None);
    assert_eq!(at_once(&mut world, session), Some(11));
    let seid = world.node.sessions().next().unwrap().1.seid;
    world.modify(seid.0, &activate(1, "10.10.3.101"));
    assert_eq!(at_once(&mut world, session), Some(0));
}

#[test]
fn an_averaging_window_bounds_what_passes_at_once() {
    let mut world = limited();
    let mut request = open5gs(9);
    let qer = &mut request.create_qers[0];
    qer.maximum_bitrate = Some(pfcp::Mbr {
        uplink: pfcp::Kbps::saturating(1_000),
        downlink: pfcp::Kbps::saturating(1_000),
    });
    qer.averaging_window = Some(pfcp::AveragingWindow(50));
    let (seid, _) = world.establish(&request);
    let at_once = |world: &mut World| {
        let session = world.node.sessions().next().unwrap().0;
        let plan = world.readers[0].snapshot().session(session).unwrap();
        let meter = plan.steps().find_map(session::plan::Step::meter).unwrap();
        // A second between two tries fills the bucket.
        let now = Now(1_000_000_000 + world.now.elapsed_ms * 1_000_000);
        (0..100).take_while(|_| meter.pass(1250, now)).count()
    };
    assert_eq!(at_once(&mut world), 6);
    world.pass(1_000);
    let update = |window: pfcp::Update<pfcp::AveragingWindow>| SessionModificationRequest {
        update_qers: vec![UpdateQer {
            qer_id: 1.into(),
            averaging_window: window,
            ..Default::default()
        }],
        ..Default::default()
    };
    world.modify(
        seid,
        &update(pfcp::Update::Set(pfcp::AveragingWindow(2_000))),
    );
    assert_eq!(at_once(&mut world), 11);
    world.pass(1_000);
    world.modify(seid, &update(pfcp::Update::Set(pfcp::AveragingWindow(20))));
    assert_eq!(at_once(&mut world), 3);
    world.pass(1_000);
    world.modify(seid, &update(pfcp::Update::Remove));
    assert_eq!(at_once(&mut world), 11);
}
