//! Tunnels over IPv6: what F-TEIDs are given, and where Outer Header Creation leads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pfcp::{
    Addresses, Cause, FTeid, OuterHeader, OuterHeaderCreation, UpdateFar,
    UpdateForwardingParameters,
};
use session::InterfaceId;
use session::neighbour::NextHop;
use session::report::Command;
use session::topology::{Route, RouterAdvertisements, Topology};
use support::*;
use upf_cp::NodeConfig;

const N3_V6: &str = "2001:db8:3::7";
const GNB_V6: &str = "2001:db8:3::101";

/// The usual network, with these addresses on N3.
fn n3_at(addresses: &[&str]) -> Topology {
    let mut topology = topology();
    let parse = |text: &&str| text.parse().unwrap();
    topology.interfaces[0].addresses = addresses.iter().map(parse).collect();
    topology
}

fn world(addresses: &[&str]) -> World {
    let mut world = World::seeded(NodeConfig::new(ip(UPF)), n3_at(addresses), 1, 64);
    world.associate();
    world
}

/// The addresses of the uplink F-TEID that an SMF gets which asks for one of those families.
fn chosen(addresses: &[&str], (v4, v6): (bool, bool)) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
    let mut world = world(addresses);
    let mut request = open5gs(9);
    // Without the tunnel to the SMF, which is over IPv4.
    request.create_pdrs = pfcp::NonEmpty::new(request.create_pdrs.into_iter().take(2)).unwrap();
    request.create_fars = pfcp::NonEmpty::new(request.create_fars.into_iter().take(2)).unwrap();
    request.create_pdrs[1].pdi.local_f_teid = Some(FTeid::Choose {
        ipv4: v4,
        ipv6: v6,
        choose_id: None,
    });
    let (_, answer) = world.establish(&request);
    let created = answer
        .created_pdrs
        .iter()
        .find(|pdr| pdr.pdr_id == 2.into());
    match created.unwrap().local_f_teids[0] {
        FTeid::Given { addresses, .. } => (addresses.ipv4(), addresses.ipv6()),
        FTeid::Choose { .. } => panic!("an answer that asks"),
    }
}

#[test]
fn an_f_teid_has_an_address_of_each_family_that_is_asked_for_and_there() {
    let (v4, v6) = (N3.parse().ok(), N3_V6.parse().ok());
    let both = ["10.10.3.7/24", "2001:db8:3::7/64"];
    assert_eq!(chosen(&both, (true, true)), (v4, v6));
    assert_eq!(chosen(&both, (true, false)), (v4, None));
    assert_eq!(chosen(&both, (false, true)), (None, v6));
    assert_eq!(chosen(&both[..1], (true, true)), (v4, None));
    assert_eq!(chosen(&both[1..], (true, true)), (None, v6));
}

#[test]
fn a_family_that_the_interface_lacks_is_refused() {
    let mut world = world(&["10.10.3.7/24"]);
    let mut request = open5gs(9);
    request.create_pdrs[1].pdi.local_f_teid = Some(FTeid::Choose {
        ipv4: false,
        ipv6: true,
        choose_id: None,
    });
    let answer = world.ask(Some(0), &request);
    let pfcp::Message::SessionEstablishmentResponse(answer) = answer else {
        panic!("{answer}")
    };
    assert_eq!(answer.cause, Cause::INVALID_F_TEID_ALLOCATION_OPTION);
}

/// Where the downlink of a session goes after that Outer Header Creation: peer, our address, hop.
fn tunnel(world: &mut World, creation: OuterHeaderCreation) -> Option<(IpAddr, IpAddr, NextHop)> {
    let (seid, _) = world.establish(&open5gs(9));
    let mut request = activate(7, "10.10.3.101");
    let to = request.update_fars[0].update_forwarding_parameters.as_mut();
    to.unwrap().outer_header_creation = creation.into();
    let answer = world.modify(seid, &request);
    if answer.cause != Cause::REQUEST_ACCEPTED {
        return None;
    }
    let rules = world.rules(seid);
    let far = rules.fars.iter().find(|far| far.id.0 == 1).unwrap();
    let made = far.forwarding.unwrap().outer_header_creation.unwrap();
    let hop = world.neighbours.hop(made.next_hop?)?;
    Some((made.peer, made.source, hop))
}

fn hop(address: &str) -> NextHop {
    NextHop {
        interface: InterfaceId(0),
        address: ip(address),
    }
}

fn both() -> OuterHeaderCreation {
    OuterHeaderCreation::of(OuterHeader::GtpU {
        teid: 7,
        addresses: Addresses::new("10.99.3.101".parse().ok(), GNB_V6.parse().ok()).unwrap(),
    })
}

#[test]
fn a_tunnel_over_ipv6_has_both_ends_there() {
    let addresses = ["10.10.3.7/24", "2001:db8:3::7/64"];
    let to_gnb = OuterHeaderCreation::gtp_u(7, ip(GNB_V6));
    let there = (ip(GNB_V6), ip(N3_V6), hop(GNB_V6));
    assert_eq!(tunnel(&mut world(&addresses), to_gnb), Some(there));
    // Of two addresses the one that can be reached.
    assert_eq!(tunnel(&mut world(&addresses), both()), Some(there));
    // By a router.
    let mut topology = n3_at(&addresses);
    topology.interfaces[0].routes = vec![Route {
        to: "2001:db8:99::/48".parse().unwrap(),
        via: ip("2001:db8:3::1"),
    }];
    let mut world_v6 = World::seeded(NodeConfig::new(ip(UPF)), topology, 1, 64);
    world_v6.associate();
    let far = OuterHeaderCreation::gtp_u(7, ip("2001:db8:99::5"));
    let there = (ip("2001:db8:99::5"), ip(N3_V6), hop("2001:db8:3::1"));
    assert_eq!(tunnel(&mut world_v6, far), Some(there));
    // Without an address of that family nothing could be sent from.
    assert_eq!(tunnel(&mut world(&addresses[..1]), to_gnb), None);
}

/// How often the UE of a session was told of its router since the last time.
fn advertised(world: &mut World) -> usize {
    let commands = std::mem::take(&mut world.commands);
    let is_advertisement =
        |(_, command): &(_, Command)| matches!(command, Command::Advertise { .. });
    commands.iter().filter(|one| is_advertisement(one)).count()
}

/// A world whose data network tells UEs of their router every ten minutes, or not at all.
fn advertising(wanted: bool) -> World {
    let mut topology = topology();
    let network = &mut topology.networks[0];
    network.ue_pools.push("2001:db8:cafe::/48".parse().unwrap());
    network.router = wanted.then(|| RouterAdvertisements {
        interval_s: 600,
        ..RouterAdvertisements::default()
    });
    let mut world = World::seeded(NodeConfig::new(ip(UPF)), topology, 1, 64);
    world.associate();
    world
}

/// A session with an IPv6 prefix of that network.
fn with_prefix(prefix: &str) -> pfcp::SessionEstablishmentRequest {
    let mut request = open5gs(9);
    let ue = &mut request.create_pdrs[0].pdi.ue_ip_addresses[0];
    ue.ipv6 = prefix.parse().ok().map(pfcp::Wanted::Given);
    request
}

#[test]
fn a_ue_is_told_of_its_router_when_it_is_reached_first_and_from_time_to_time() {
    let mut world = advertising(true);
    let (seid, _) = world.establish(&with_prefix("2001:db8:cafe:9::1"));
    assert_eq!(advertised(&mut world), 0, "nothing leads to it yet");
    world.modify(seid, &activate(7, "10.10.3.101"));
    assert_eq!(advertised(&mut world), 1);
    // Not again when it wakes or moves.
    world.modify(seid, &idle());
    world.modify(seid, &activate(8, "10.10.3.102"));
    assert_eq!(advertised(&mut world), 0);
    world.pass(601_000);
    assert_eq!(advertised(&mut world), 1);
    world.pass(601_000);
    assert_eq!(advertised(&mut world), 1);
    world.delete(seid);
    world.pass(1_300_000);
    assert_eq!(advertised(&mut world), 0);
}

/// OAI removes the tunnel of a UE that is idle, and makes it anew.
#[test]
fn a_ue_that_is_reached_again_is_told_at_one_pace() {
    let mut world = advertising(true);
    let (seid, _) = world.establish(&with_prefix("2001:db8:cafe:9::1"));
    for n in 0..5 {
        world.modify(seid, &activate(7, "10.10.3.101"));
        let unreached = modification(UpdateFar {
            far_id: 1.into(),
            apply_action: Some(pfcp::ApplyAction::DROP),
            update_forwarding_parameters: Some(UpdateForwardingParameters {
                outer_header_creation: pfcp::Update::Remove,
                ..Default::default()
            }),
            ..Default::default()
        });
        if n < 4 {
            world.modify(seid, &unreached);
        }
    }
    assert_eq!(advertised(&mut world), 5);
    world.pass(601_000);
    assert_eq!(advertised(&mut world), 1);
}

#[test]
fn nobody_else_is_told_of_a_router() {
    for (wanted, prefix) in [
        (false, "2001:db8:cafe:9::1"),
        // Of no pool.
        (true, "2001:db8:beef:9::1"),
    ] {
        let mut world = advertising(wanted);
        let (seid, _) = world.establish(&with_prefix(prefix));
        world.modify(seid, &activate(7, "10.10.3.101"));
        assert_eq!(advertised(&mut world), 0, "{wanted} {prefix}");
    }
    let mut world = advertising(true);
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(7, "10.10.3.101"));
    assert_eq!(advertised(&mut world), 0, "no prefix");
}
