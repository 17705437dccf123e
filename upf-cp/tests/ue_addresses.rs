//! UE addresses that are left to the UPF (TS 29.244, 5.21.3): chosen, told, kept, given back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pfcp::wire::Long;
use pfcp::{
    Cause, CreateTrafficEndpoint, Message, OffendingIe, Pdi, PfcpSeReqFlags, Prefix, RemovePdr,
    SessionEstablishmentRequest, SessionEstablishmentResponse, SessionModificationRequest,
    SourceInterface, TrafficEndpointId, UeIpAddress, UeIpAddressPoolIdentity, UpFunctionFeatures,
    Wanted,
};
use session::InterfaceId;
use simulator::{Flavour, Sender, SessionSpec, requests};
use support::*;
use upf_cp::{NodeConfig, UePool};

/// Both pools are on N6 of `internet`: six IPv4 addresses and sixteen /64, and by name two
/// addresses.
fn config() -> NodeConfig {
    let pool = |ranges: &[&str], identity: Option<&str>| UePool {
        network: "internet".to_owned(),
        vrf: InterfaceId(2),
        ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        identity: identity.map(str::to_owned),
        slices: vec![],
    };
    NodeConfig {
        ue_pools: vec![
            pool(&["10.45.0.8/29", "2001:db8:45::/60"], None),
            pool(&["10.45.1.0/30"], Some("gold")),
        ],
        ue_reserved: vec!["10.45.0.9/16".parse().unwrap()],
        ..NodeConfig::new(ip(UPF))
    }
}

fn world() -> World {
    let mut world = World::with(config());
    world.associate();
    world
}

fn chosen_ipv4(destination: bool) -> UeIpAddress {
    UeIpAddress {
        destination,
        ipv4: Some(Wanted::Choose),
        ..Default::default()
    }
}

/// Open5GS' rules, with the address left to us both ways.
fn leaving(n: u8, address: impl Fn(bool) -> UeIpAddress) -> SessionEstablishmentRequest {
    let mut request = open5gs(n);
    for pdr in &mut request.create_pdrs[..2] {
        let from_core = pdr.pdi.source_interface == SourceInterface::CORE;
        pdr.pdi.ue_ip_addresses = vec![address(from_core)];
    }
    request
}

fn removal(id: u16) -> RemovePdr {
    RemovePdr {
        pdr_id: id.into(),
        ..Default::default()
    }
}

fn refused(
    world: &mut World,
    request: &SessionEstablishmentRequest,
) -> SessionEstablishmentResponse {
    let before = world.snapshot();
    let held = world.node.ue_addresses_in_use();
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), request) else {
        panic!()
    };
    assert!(!answer.cause.is_accepted(), "{answer}");
    assert_eq!(world.node.ue_addresses_in_use(), held);
    assert_same(&world.snapshot(), &before, "refused");
    answer
}

/// The address that all PDRs and endpoints of an answer were given.
fn told(answer: &SessionEstablishmentResponse) -> UeIpAddress {
    let pdrs = answer
        .created_pdrs
        .iter()
        .map(|created| &created.ue_ip_addresses);
    let endpoints = answer.created_traffic_endpoints.iter();
    let endpoints = endpoints.map(|created| &created.ue_ip_addresses);
    let mut all: Vec<UeIpAddress> = pdrs.chain(endpoints).flatten().copied().collect();
    for address in &mut all {
        address.destination = false;
    }
    all.dedup();
    assert_eq!(all.len(), 1, "{answer}");
    all.remove(0)
}

fn told_ipv4(answer: &SessionEstablishmentResponse) -> Ipv4Addr {
    told(answer).given_ipv4().unwrap()
}

#[test]
fn ueip_and_pools_are_told_if_there_are_any() {
    let mut world = World::with(config());
    let Message::AssociationSetupResponse(answer) = world.ask(None, &association()) else {
        panic!()
    };
    assert!(
        answer
            .up_function_features
            .unwrap()
            .contains(UpFunctionFeatures::UEIP)
    );
    let [pool] = answer.ue_ip_address_pool_informations.as_slice() else {
        panic!("{answer}")
    };
    assert_eq!(pool.pool_identities[0].0.as_str(), Some("gold"));
    assert_eq!(
        pool.network_instance.as_ref().unwrap().name().as_deref(),
        Some("internet")
    );
    let Message::AssociationSetupResponse(answer) = World::default().ask(None, &association())
    else {
        panic!()
    };
    assert!(
        !answer
            .up_function_features
            .unwrap()
            .contains(UpFunctionFeatures::UEIP)
    );
    assert_eq!(answer.ue_ip_address_pool_informations, []);
    // Without pools a choice is refused as what it is.
    let mut world = World::associated();
    let answer = refused(&mut world, &leaving(1, chosen_ipv4));
    assert_eq!(answer.cause, Cause::SERVICE_NOT_SUPPORTED);
    assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
}

#[test]
fn all_pdrs_of_a_session_have_the_address_that_is_told() {
    let mut world = world();
    let (seid, answer) = world.establish(&leaving(1, chosen_ipv4));
    let address = told_ipv4(&answer);
    // .8 is the network, .9 the kernel's end.
    assert_eq!(address, Ipv4Addr::new(10, 45, 0, 10));
    let told = answer.created_pdrs.iter();
    assert_eq!(
        told.filter(|created| !created.ue_ip_addresses.is_empty())
            .count(),
        2
    );
    let rules = world.rules(seid);
    assert!(
        rules.pdrs[..2]
            .iter()
            .all(|pdr| pdr.pdi.ue.unwrap().ipv4 == Some(address))
    );
    assert_eq!(rules.ue.ipv4, Some(address));
    // A PDR that comes later has the same, and downlink packets find the session by it.
    let pdi = Pdi {
        ue_ip_addresses: vec![chosen_ipv4(true)],
        ..downlink_pdi(1)
    };
    let more = SessionModificationRequest {
        create_pdrs: vec![pdr(9, 9, 1, pdi)],
        ..Default::default()
    };
    let answer = world.modify(seid, &more);
    assert_eq!(
        answer.created_pdrs[0].ue_ip_addresses[0].given_ipv4(),
        Some(address)
    );
    let session = world.node.session_statuses()[0].index;
    for reader in &mut world.readers {
        let snapshot = reader.snapshot();
        let found = snapshot.ipv4(InterfaceId(2), address).unwrap();
        assert_eq!(found.session(), session);
    }
}

#[test]
fn every_address_is_given_once_and_then_there_are_none() {
    let mut world = world();
    let idle = world.node.ue_addresses_in_use();
    let mut sessions = vec![];
    let mut given = BTreeSet::new();
    // .10 to .14, then .1 and .2 of the second pool.
    for n in 1..=7 {
        let (seid, answer) = world.establish(&leaving(n, chosen_ipv4));
        assert!(given.insert(told_ipv4(&answer)));
        sessions.push((seid, told_ipv4(&answer)));
    }
    assert_eq!(given.first(), Some(&Ipv4Addr::new(10, 45, 0, 10)));
    assert_eq!(given.last(), Some(&Ipv4Addr::new(10, 45, 1, 2)));
    let answer = refused(&mut world, &leaving(8, chosen_ipv4));
    assert_eq!(answer.cause, Cause::ALL_DYNAMIC_ADDRESSES_ARE_OCCUPIED);
    assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
    // What was given back first is given first.
    for at in [3, 1] {
        world.delete(sessions[at].0);
    }
    for (n, at) in [(8, 3), (9, 1)] {
        let (seid, answer) = world.establish(&leaving(n, chosen_ipv4));
        assert_eq!(told_ipv4(&answer), sessions[at].1);
        sessions[at].0 = seid;
    }
    for (seid, _) in sessions {
        world.delete(seid);
    }
    assert_eq!(world.node.ue_addresses_in_use(), idle);
}

#[test]
fn an_address_goes_back_with_its_last_user() {
    let mut world = world();
    let idle = world.node.ue_addresses_in_use();
    let (seid, _) = world.establish(&leaving(1, chosen_ipv4));
    let remove = |id: u16| SessionModificationRequest {
        remove_pdrs: vec![removal(id)],
        ..Default::default()
    };
    assert_eq!(world.node.ue_addresses_in_use(), idle + 1);
    // A modification that is refused gives nothing back and takes nothing.
    let mut bad = remove(1);
    bad.remove_pdrs.push(removal(2));
    bad.remove_pdrs.push(removal(77));
    assert!(!world.modify(seid, &bad).cause.is_accepted());
    assert_eq!(world.node.ue_addresses_in_use(), idle + 1);
    assert!(world.modify(seid, &remove(1)).cause.is_accepted());
    assert_eq!(world.node.ue_addresses_in_use(), idle + 1);
    assert!(world.modify(seid, &remove(2)).cause.is_accepted());
    assert_eq!(world.node.ue_addresses_in_use(), idle);
    // A new beginning of the SMF ends sessions, too; and one with the same F-SEID replaces.
    world.establish(&leaving(2, chosen_ipv4));
    world.establish(&leaving(2, chosen_ipv4));
    assert_eq!(world.node.ue_addresses_in_use(), idle + 1);
    world.associate();
    assert_eq!(world.node.ue_addresses_in_use(), idle);
}

/// Refused at the last moment, when the address is chosen already.
#[test]
fn a_refused_session_leaves_no_address_behind() {
    let mut world = world();
    let mut request = leaving(1, chosen_ipv4);
    request.create_pdrs[1].far_id = Some(99.into());
    for _ in 0..20 {
        let answer = refused(&mut world, &request);
        assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    }
    let (_, answer) = world.establish(&leaving(1, chosen_ipv4));
    assert!(!told_ipv4(&answer).is_unspecified());
}

#[test]
fn what_an_smf_gives_out_of_a_pool_is_not_given_again() {
    let mut world = world();
    let idle = world.node.ue_addresses_in_use();
    let (given, _) = world.establish(&open5gs(10));
    assert_eq!(world.node.ue_addresses_in_use(), idle + 1);
    let mut last = None;
    for n in 1..=6 {
        let (seid, answer) = world.establish(&leaving(n, chosen_ipv4));
        assert_ne!(told_ipv4(&answer), ue(10));
        last = Some((seid, told_ipv4(&answer)));
    }
    let answer = refused(&mut world, &leaving(7, chosen_ipv4));
    assert_eq!(answer.cause, Cause::ALL_DYNAMIC_ADDRESSES_ARE_OCCUPIED);
    // Nor does another session get what was chosen.
    let taken = last.unwrap().1;
    let mut request = leaving(8, |destination| ue_ip(taken, destination));
    let answer = refused(&mut world, &request);
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
    request.flags = Some(PfcpSeReqFlags::RESTI);
    assert_eq!(
        refused(&mut world, &request).cause,
        Cause::RESTORATION_FAILURE
    );
    // One outside of all pools costs nothing.
    let held = world.node.ue_addresses_in_use();
    world.establish(&open5gs(200));
    assert_eq!(world.node.ue_addresses_in_use(), held);
    world.delete(given);
    assert_eq!(world.node.ue_addresses_in_use(), held - 1);
    let (_, answer) = world.establish(&leaving(7, chosen_ipv4));
    assert_eq!(told_ipv4(&answer), ue(10));
}

#[test]
fn a_pool_by_its_name() {
    let mut world = world();
    let asking = |n: u8, identity: &str| {
        let mut request = leaving(n, chosen_ipv4);
        for pdr in &mut request.create_pdrs {
            pdr.pool_identities = vec![UeIpAddressPoolIdentity(Long::new(identity).unwrap())];
        }
        request
    };
    let (_, answer) = world.establish(&asking(1, "gold"));
    assert_eq!(told_ipv4(&answer), Ipv4Addr::new(10, 45, 1, 1));
    let answer = refused(&mut world, &asking(2, "silver"));
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
    // A network without a pool.
    let mut request = leaving(3, chosen_ipv4);
    for pdr in &mut request.create_pdrs {
        pdr.pdi.network_instance = pdr.pdi.network_instance.as_ref().map(|_| labels("ims"));
    }
    request.apn_dnn = None;
    let answer = refused(&mut world, &request);
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
}

#[test]
fn ipv6_prefixes_as_they_are_asked_for() {
    for (prefix, want, told_prefix) in [
        (None, Some(64), None),
        (Some(Prefix::Length(0)), Some(64), Some(Prefix::Length(64))),
        (Some(Prefix::Length(62)), Some(62), Some(Prefix::Length(62))),
        (
            Some(Prefix::Length(128)),
            Some(128),
            Some(Prefix::Length(128)),
        ),
        (
            Some(Prefix::Delegation(0)),
            Some(64),
            Some(Prefix::Delegation(0)),
        ),
        (
            Some(Prefix::Delegation(4)),
            Some(60),
            Some(Prefix::Delegation(4)),
        ),
        // Larger than the pool; and no length at all.
        (Some(Prefix::Length(59)), None, None),
        (Some(Prefix::Length(129)), None, None),
        (Some(Prefix::Delegation(64)), None, None),
    ] {
        let mut world = world();
        let idle = world.node.ue_addresses_in_use();
        let request = leaving(1, |destination| UeIpAddress {
            destination,
            ipv6: Some(Wanted::Choose),
            prefix,
            ..Default::default()
        });
        let Some(want) = want else {
            let answer = refused(&mut world, &request);
            assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
            continue;
        };
        let (seid, answer) = world.establish(&request);
        let told = told(&answer);
        let net = world.rules(seid).ue.ipv6.unwrap();
        assert_eq!(
            (told.given_ipv6(), net.prefix_len()),
            (Some(net.addr()), want)
        );
        assert_eq!(told.prefix, told_prefix);
        assert!(
            "2001:db8:45::/60"
                .parse::<ipnet::Ipv6Net>()
                .unwrap()
                .contains(&net)
        );
        world.delete(seid);
        assert_eq!(world.node.ue_addresses_in_use(), idle);
    }
}

#[test]
fn both_families_at_once_and_by_traffic_endpoint() {
    let mut world = world();
    let idle = world.node.ue_addresses_in_use();
    let both = UeIpAddress {
        destination: true,
        ipv4: Some(Wanted::Choose),
        ipv6: Some(Wanted::Choose),
        prefix: None,
    };
    let mut request = open5gs(1);
    request.create_traffic_endpoints = vec![CreateTrafficEndpoint {
        traffic_endpoint_id: TrafficEndpointId(2),
        network_instance: Some(labels("internet")),
        ue_ip_addresses: vec![both],
        ..Default::default()
    }];
    let downlink = request.create_pdrs.iter_mut();
    for pdr in downlink.filter(|pdr| pdr.pdi.source_interface == SourceInterface::CORE) {
        pdr.pdi = Pdi {
            source_interface: SourceInterface::CORE,
            traffic_endpoint_ids: vec![TrafficEndpointId(2)],
            ..Default::default()
        };
    }
    let (seid, answer) = world.establish(&request);
    let told = told(&answer);
    let ue = world.rules(seid).ue;
    assert_eq!(
        (told.ipv4, told.ipv6),
        (
            ue.ipv4.map(Wanted::Given),
            ue.ipv6.map(|net| Wanted::Given(net.addr()))
        )
    );
    assert!(ue.ipv4.is_some() && ue.ipv6.is_some());
    assert_eq!(world.node.ue_addresses_in_use(), idle + 2);
    world.delete(seid);
    assert_eq!(world.node.ue_addresses_in_use(), idle);
}

/// SD-Core asks as soon as it can, in both PDRs, and names no network downlink.
#[test]
fn sd_core_leaves_the_address_to_us() {
    let mut world = World::with(config());
    let Message::AssociationSetupResponse(answer) = world.ask(None, &association()) else {
        panic!()
    };
    let spec = SessionSpec {
        flavour: Flavour::SdCore,
        ue_ipv4: Some(ue(77)),
        ..SessionSpec::default()
    };
    let node_id = ip(SMF).into();
    let sender = Sender {
        node_id: &node_id,
        address: ip(SMF),
        features: answer.up_function_features.unwrap(),
    };
    let outline = requests::establishment(&spec, 1, 0x501, &sender);
    let (seid, answer) = world.establish(&outline.body);
    let address = told_ipv4(&answer);
    assert_ne!(address, ue(77));
    assert!(
        answer
            .created_pdrs
            .iter()
            .all(|created| created.ue_ip_addresses.len() == 1)
    );
    assert_eq!(world.rules(seid).ue.ipv4, Some(address));
}

/// Pools of slices: sessions of others have none of their addresses.
#[test]
fn a_slice_has_the_addresses_of_its_pools() {
    let mut config = config();
    let slice = |sst, sd| upf_cp::Slice { sst, sd };
    config.ue_pools[1].slices = vec![slice(1, None), slice(2, Some(0x00_a1_b2))];
    let mut gold = config.ue_pools[1].clone();
    gold.ranges = vec!["10.45.2.0/30".parse().unwrap()];
    gold.slices.clear();
    config.ue_pools = vec![config.ue_pools[1].clone(), gold];
    let mut world = World::with(config);
    let Message::AssociationSetupResponse(answer) = world.ask(None, &association()) else {
        panic!()
    };
    // SMFs are told of it.
    let information = &answer.ue_ip_address_pool_informations[0];
    let told: Vec<_> = information
        .s_nssais
        .iter()
        .map(|s| (s.sst, s.sd.get()))
        .collect();
    assert_eq!(told, [(1, 0xff_ffff), (2, 0x00_a1_b2)]);
    let mut of = |n: u8, slice: Option<(u8, u32)>| {
        let mut request = leaving(n, chosen_ipv4);
        request.s_nssai = slice.map(|(sst, sd)| pfcp::SNssai {
            sst,
            sd: pfcp::U24::of_lower(sd),
        });
        let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
            panic!()
        };
        let created = answer.created_pdrs.first();
        let given = created.and_then(|pdr| pdr.ue_ip_addresses.first()?.given_ipv4());
        (answer.cause.get(), given.map(|address| address.to_string()))
    };
    let at = |cause: u8, address: &str| (cause, Some(address.to_owned()));
    // A Slice Differentiator of all ones is none.
    assert_eq!(of(1, Some((1, 0xff_ffff))), at(1, "10.45.1.1"));
    assert_eq!(of(2, Some((2, 0x00_a1_b2))), at(1, "10.45.1.2"));
    // The slice's own are occupied: there are those of all.
    assert_eq!(of(3, Some((2, 0x00_a1_b2))), at(1, "10.45.2.1"));
    assert_eq!(of(4, Some((2, 0xff_ffff))), at(1, "10.45.2.2"));
    assert_eq!(of(5, None), (79, None));
}

/// Where the operator wants it so, SMFs give addresses of the pools alone.
#[test]
fn addresses_outside_the_bounds_are_refused() {
    let mut config = NodeConfig::new(ip(UPF));
    config.ue_bounds = vec![upf_cp::UeBounds {
        vrf: InterfaceId(2),
        networks: vec![
            "10.45.0.0/24".parse().unwrap(),
            "2001:db8:45::/48".parse().unwrap(),
        ],
    }];
    let mut world = World::with(config);
    world.associate();
    let with = |n: u8, address: UeIpAddress| {
        let mut request = open5gs(n);
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![address];
        request
    };
    let v4 = |text: &str| ue_ip(text.parse::<Ipv4Addr>().unwrap(), true);
    let v6 = |text: &str| UeIpAddress::destination(text.parse().unwrap());
    for address in [v4("10.45.1.9"), v6("2001:db8:46::1")] {
        let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &with(1, address))
        else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
        assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
        // Another interface has no bounds.
        let mut request = with(2, address);
        request.apn_dnn = Some(pfcp::ApnDnn(pfcp::Octets::labels("ims")));
        request.create_pdrs[0].pdi.network_instance = Some(labels("ims"));
        let (seid, _) = world.establish(&request);
        world.delete(seid);
    }
    for (n, address) in [(1, v4("10.45.0.9")), (2, v6("2001:db8:45:1::1"))] {
        world.establish(&with(n, address));
    }
}
