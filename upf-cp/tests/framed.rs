//! Framed routes: networks behind UEs (TS 29.244, 5.16), as Open5GS sends them.
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

use pfcp::{Cause, FailedRuleId, FramedIpv6Route, FramedRoute, OffendingIe, UpdatePdr};
use session::inner::Inner;
use session::plan::Arrival;
use session::rule::SourceInterface;
use session::{InterfaceId, Seid};
use support::*;

const N6: InterfaceId = InterfaceId(2);

fn v4(text: &str) -> FramedRoute {
    FramedRoute(text.into())
}

fn v6(text: &str) -> FramedIpv6Route {
    FramedIpv6Route(text.into())
}

/// Routes in the UL and the DL PDR, as Open5GS puts them.
fn with_routes(n: u8, ipv4: &[&str], ipv6: &[&str]) -> pfcp::SessionEstablishmentRequest {
    let mut request = open5gs(n);
    for pdr in &mut request.create_pdrs[..2] {
        pdr.pdi.framed_routes = ipv4.iter().map(|text| v4(text)).collect();
        pdr.pdi.framed_ipv6_routes = ipv6.iter().map(|text| v6(text)).collect();
    }
    request
}

/// The session that downlink packets to an address belong to.
fn owner(world: &mut World, address: &str) -> Option<Seid> {
    let snapshot = world.readers[0].snapshot();
    let handle = match ip(address) {
        IpAddr::V4(address) => snapshot.ipv4(N6, address),
        IpAddr::V6(address) => snapshot.ipv6(N6, address),
    };
    Some(handle?.plan().seid)
}

fn packet(source: &str, destination: &str) -> Vec<u8> {
    let octets = |text| match ip(text) {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => panic!(),
    };
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(octets(source));
    packet.extend(octets(destination));
    packet.extend([0, 1, 0, 2, 0, 8, 0, 0]);
    packet
}

#[test]
fn downlink_packets_find_the_session_by_the_longest_route() {
    let mut world = World::associated();
    let (nine, _) = world.establish(&with_routes(9, &["10.46.7.0/24"], &["2001:db8:46::/48"]));
    let (ten, _) = world.establish(&with_routes(10, &["10.46.8.0/22 10.45.0.10 1"], &[]));
    for (address, seid) in [
        ("10.45.0.9", Some(nine)),
        ("10.46.7.1", Some(nine)),
        ("10.46.7.255", Some(nine)),
        ("2001:db8:46:ffff::1", Some(nine)),
        ("10.45.0.10", Some(ten)),
        ("10.46.8.1", Some(ten)),
        ("10.46.11.1", Some(ten)),
        ("10.46.12.1", None),
        ("10.46.6.1", None),
        ("2001:db8:47::1", None),
    ] {
        assert_eq!(owner(&mut world, address), seid.map(Seid), "{address}");
    }
    world.delete(nine);
    assert_eq!(owner(&mut world, "10.46.7.1"), None);
    assert_eq!(owner(&mut world, "10.46.8.1"), Some(Seid(ten)));
}

#[test]
fn packets_are_matched_and_checked_by_address_or_route() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&with_routes(9, &["10.46.7.0/24"], &[]));
    let rules = world.rules(seid);
    let uplink = rules.pdrs.iter().find(|pdr| pdr.id.0 == 2).unwrap();
    let tunnel = uplink.pdi.local_f_teid.unwrap();
    let snapshot = world.readers[0].snapshot();
    let up = snapshot.tunnel(tunnel).unwrap();
    let down = snapshot.ipv4(N6, ue(9)).unwrap();
    for (address, mine) in [
        ("10.45.0.9", true),
        ("10.46.7.77", true),
        ("10.46.8.1", false),
    ] {
        let octets = packet(address, "192.0.2.1");
        let arrival = Arrival {
            inner: Inner::parse(&octets).unwrap(),
            qfi: session::Qfi::new(1),
        };
        // The uplink PDR names no UE address: whatever comes is checked, and then dropped.
        let entrance = up.entrance().unwrap();
        let step = entrance.classify(&arrival);
        let step = step.unwrap();
        assert_eq!((step.pdr.0, step.check_source), (2, true));
        assert_eq!(entrance.source_is_ue(&arrival.inner), mine, "{address}");
        let octets = packet("192.0.2.1", address);
        let arrival = Arrival {
            inner: Inner::parse(&octets).unwrap(),
            qfi: None,
        };
        let step = down.entrance().unwrap().classify(&arrival);
        assert_eq!(step.map(|step| step.pdr.0), mine.then_some(1), "{address}");
    }
}

#[test]
fn a_network_behind_two_ues_is_refused() {
    let mut world = World::associated();
    let (nine, _) = world.establish(&with_routes(9, &["10.46.0.0/16"], &["2001:db8:46::/48"]));
    for (v4, v6, offending) in [
        (&["10.46.0.0/16"][..], &[][..], 153),
        (&["10.46.7.0/24"], &[], 153),
        (&["10.0.0.0/9"], &[], 153),
        (&[], &["2001:db8:46:7::/64"], 155),
        (&["10.99.0.0/16"], &["2001:db8::/32"], 155),
    ] {
        let pfcp::Message::SessionEstablishmentResponse(answer) =
            world.ask(Some(0), &with_routes(10, v4, v6))
        else {
            panic!()
        };
        assert_eq!(
            answer.cause,
            Cause::RULE_CREATION_MODIFICATION_FAILURE,
            "{answer}"
        );
        assert_eq!(answer.offending_ie, Some(OffendingIe(offending)));
        assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(1.into())));
        assert_eq!(owner(&mut world, "10.99.0.1"), None);
    }
    assert_eq!(owner(&mut world, "10.46.7.1"), Some(Seid(nine)));
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn routes_that_are_none_are_refused() {
    let many: Vec<String> = (0..17).map(|n| format!("10.46.{n}.0/24")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (v4, v6, cause, offending) in [
        (&["nonsense"][..], &[][..], 73, 153),
        (&[""], &[], 73, 153),
        (&["10.46.7.0/33"], &[], 73, 153),
        (&["2001:db8::/32"], &[], 73, 153),
        (&["0.0.0.0/0"], &[], 73, 153),
        (&["224.0.0.0/4"], &[], 73, 153),
        (&["127.0.0.0/8"], &[], 73, 153),
        // Our own address on N3.
        (&["10.10.3.0/24"], &[], 73, 153),
        (&[], &["10.46.7.0/24"], 73, 155),
        (&[], &["::/0"], 73, 155),
        (&many, &[], 75, 153),
    ] {
        let mut world = World::associated();
        let pfcp::Message::SessionEstablishmentResponse(answer) =
            world.ask(Some(0), &with_routes(10, v4, v6))
        else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::new(cause).unwrap(), "{answer}");
        assert_eq!(answer.offending_ie, Some(OffendingIe(offending)));
        assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(1.into())));
    }
}

#[test]
fn a_pdi_replaces_its_routes() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&with_routes(9, &["10.46.7.0/24"], &[]));
    let mut pdi = downlink_pdi(9);
    pdi.framed_routes = vec![v4("10.47.7.0/24"), v4("10.47.7.0/24")];
    let update = |pdi| pfcp::SessionModificationRequest {
        update_pdrs: vec![UpdatePdr {
            pdr_id: 1.into(),
            pdi: Some(pdi),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(
        world.modify(seid, &update(pdi)).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(owner(&mut world, "10.46.7.1"), None);
    assert_eq!(owner(&mut world, "10.47.7.1"), Some(Seid(seid)));
    // A part of a PDI leaves them.
    let part = pfcp::Pdi {
        source_interface: pfcp::SourceInterface::CORE,
        sdf_filters: vec![pfcp::SdfFilter::flow("permit out ip from any to assigned").unwrap()],
        ..Default::default()
    };
    assert_eq!(
        world.modify(seid, &update(part)).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(owner(&mut world, "10.47.7.1"), Some(Seid(seid)));
    assert_eq!(
        world.modify(seid, &update(downlink_pdi(9))).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(owner(&mut world, "10.47.7.1"), None);
    assert_eq!(owner(&mut world, "10.45.0.9"), Some(Seid(seid)));
}

/// A session that is found by a network alone: its UE has no address of its own.
#[test]
fn a_network_without_a_ue_address_is_enough() {
    let mut world = World::associated();
    let mut request = with_routes(9, &["10.46.7.0/24"], &[]);
    request.create_pdrs[0].pdi.ue_ip_addresses.clear();
    let (seid, _) = world.establish(&request);
    assert_eq!(owner(&mut world, "10.46.7.1"), Some(Seid(seid)));
    let rules = world.rules(seid);
    assert!(rules.is_ue(Ipv4Addr::new(10, 46, 7, 1).into()) && rules.ue.is_empty());
    let core = rules
        .pdrs
        .iter()
        .find(|pdr| pdr.pdi.source_interface == SourceInterface::Core);
    assert!(core.unwrap().pdi.framed.is_some());
}
