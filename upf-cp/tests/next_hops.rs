//! Next hops of tunnels: who uses one up, who gives one back, and who is told that there are no more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use pfcp::{
    ApplyAction, Cause, CreateFar, DestinationInterface, FailedRuleId, Message,
    SessionEstablishmentRequest, SessionEstablishmentResponse,
};
use support::*;
use upf_cp::{Limit, NodeConfig};

/// A world whose N3 network is a large one, with an SMF.
fn world(config: NodeConfig) -> World {
    let mut topology = topology();
    let wide = "172.16.0.7/12".parse().unwrap();
    topology.interfaces[0].addresses.push(wide);
    let mut world = World::seeded(config, topology, 1, 64);
    world.associate();
    world
}

fn gnb(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xac10_0100 + n)
}

/// A FAR to a gNB of its own.
fn towards(id: u32, n: u32) -> CreateFar {
    let to = to(
        DestinationInterface::ACCESS,
        Some((n + 1, &gnb(n).to_string())),
    );
    far(id, ApplyAction::FORW, Some(to))
}

/// A session of UE `n` with so many FARs to gNBs from `first` on.
fn session(n: u8, first: u32, fars: u32) -> SessionEstablishmentRequest {
    let mut request = open5gs(n);
    let mut all = request.create_fars.to_vec();
    all.extend((0..fars).map(|far| towards(10 + far, first + far)));
    request.create_fars = all.try_into().unwrap();
    request
}

fn establish(
    world: &mut World,
    request: &SessionEstablishmentRequest,
) -> SessionEstablishmentResponse {
    match world.ask(Some(0), request) {
        Message::SessionEstablishmentResponse(answer) => answer,
        other => panic!("{other}"),
    }
}

/// Which gNBs are named.
fn named(world: &World) -> Vec<IpAddr> {
    let gnbs = world.neighbours.all().map(|(_, hop)| hop.address);
    let mut gnbs: Vec<_> = gnbs.filter(|hop| *hop >= IpAddr::from(gnb(0))).collect();
    gnbs.sort_unstable();
    gnbs
}

#[test]
fn refused_requests_use_no_next_hops_up() {
    let mut world = world(NodeConfig::new(ip(UPF)));
    for n in 0..45 {
        let mut request = session(9, 95 * n, 95);
        request.create_pdrs = [pdr(1, 1, 999, uplink_pdi())].into();
        let answer = establish(&mut world, &request);
        assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    }
    assert!(named(&world).is_empty());
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(7, "172.20.0.1"));
    let forwarding = world.rules(seid).fars.iter().find_map(|far| {
        let to = far.forwarding?.outer_header_creation?;
        (to.peer == ip("172.20.0.1")).then_some(to)
    });
    let next_hop = forwarding.unwrap().next_hop.unwrap();
    let hop = world.neighbours.hop(next_hop).unwrap();
    assert_eq!(hop.address, ip("172.20.0.1"));
}

#[test]
fn one_peer_has_a_share_and_is_told_which_rule_goes_beyond_it() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.next_hops_per_peer = 5;
    let mut world = world(config);
    // One of them is the gateway to the SMF.
    let answer = establish(&mut world, &session(1, 0, 5));
    assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
    assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Far(14.into())));
    assert_eq!(world.node.counters().limit(Limit::NextHops), 1);
    assert!(named(&world).is_empty());

    let accepted = establish(&mut world, &session(1, 0, 4));
    assert_eq!(accepted.cause, Cause::REQUEST_ACCEPTED);
    // What is there already is nobody's share once more.
    let accepted = establish(&mut world, &session(2, 0, 4));
    assert_eq!(accepted.cause, Cause::REQUEST_ACCEPTED);
    let refused = establish(&mut world, &session(3, 4, 1));
    assert_eq!(refused.cause, Cause::NO_RESOURCES_AVAILABLE);
    assert_eq!(named(&world).len(), 4);
}

#[test]
fn next_hops_go_a_while_after_the_last_session() {
    let mut world = world(NodeConfig::new(ip(UPF)));
    let seids = [1, 2].map(|n| world.establish(&session(n, 0, 3)).0);
    assert_eq!(named(&world).len(), 3);
    world.delete(seids[0]);
    world.pass(60_000);
    assert_eq!(named(&world).len(), 3);

    world.delete(seids[1]);
    world.pass(5_000);
    assert_eq!(named(&world).len(), 3, "packets may wait for them");
    // One is in use again, and is let go again.
    let (seid, _) = world.establish(&session(3, 0, 1));
    world.pass(5_000);
    world.delete(seid);
    world.pass(4_000);
    assert_eq!(named(&world), [IpAddr::from(gnb(0))]);
    world.pass(12_000);
    assert!(named(&world).is_empty());
}

#[test]
fn next_hops_stay_while_a_worker_may_know_them() {
    let mut world = world(NodeConfig::new(ip(UPF)));
    let (seid, _) = world.establish(&session(1, 0, 1));
    world.go_on();
    world.busy = true;
    let deletion = pfcp::SessionDeletionRequest::default();
    world.octets(smf(), &encode(Some(seid), 77, &deletion));
    world.pass(60_000);
    assert_eq!(named(&world).len(), 1);
    world.busy = false;
    world.go_on();
    world.pass(2_000);
    assert!(named(&world).is_empty());
}

#[test]
fn any_number_of_gnbs_may_come_and_go() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.next_hops_per_peer = 200;
    let mut world = world(config);
    for n in 0..60 {
        let (seid, _) = world.establish(&session(1, 95 * n, 95));
        world.delete(seid);
        world.pass(12_000);
    }
    assert!(named(&world).is_empty());
}
