//! Requests that are well formed and contradict themselves, each other or the network: what cannot
//! be meant is refused whole, what is said twice counts once.

use pfcp::{
    FTeid, FailedRuleId, OffendingIe, Pdi, QerId, RemoveFar, RemovePdr, RemoveTrafficEndpoint,
    SdfFilter, SessionEstablishmentRequest, SessionModificationRequest, SourceInterface,
    TrafficEndpointId, UeIpAddress, Update, UpdatePdr, UrrId,
};

use crate::support::*;

fn establish(world: &mut World, request: &SessionEstablishmentRequest) -> (u8, Option<u16>) {
    let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), request) else {
        panic!()
    };
    (answer.cause.get(), answer.offending_ie.map(|ie| ie.0))
}

/// Refused with that cause and Offending IE, and nothing has changed.
#[track_caller]
fn refused(world: &mut World, request: &SessionEstablishmentRequest, cause: u8, offending: u16) {
    let before = world.snapshot();
    assert_eq!(establish(world, request), (cause, Some(offending)));
    assert_same(&world.snapshot(), &before, "refused");
}

fn pdr_update(pdr: UpdatePdr) -> SessionModificationRequest {
    SessionModificationRequest {
        update_pdrs: vec![pdr],
        ..Default::default()
    }
}

/// A QER that polices twice halves its rate; a URR that counts twice is charged twice.
#[test]
fn rules_that_a_pdr_lists_twice_count_once() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_pdrs[0].qer_ids = vec![QerId(1), QerId(1)];
    request.create_pdrs[0].urr_ids = vec![UrrId(1), UrrId(1), UrrId(1)];
    let (seid, _) = world.establish(&request);
    let counts = |world: &World| {
        let rules = world.rules(seid);
        let pdr = rules.pdrs.iter().find(|pdr| pdr.id.0 == 1).unwrap().clone();
        (pdr.qers.len(), pdr.urrs.len())
    };
    assert_eq!(counts(&world), (1, 1));
    let update = pdr_update(UpdatePdr {
        pdr_id: 1.into(),
        qer_ids: Update::Set([QerId(1), QerId(1)].into()),
        urr_ids: Update::Set([UrrId(1), UrrId(1)].into()),
        ..Default::default()
    });
    assert_eq!(world.modify(seid, &update).cause.get(), 1);
    assert_eq!(counts(&world), (1, 1));
}

fn named(id: u32, text: &str) -> SdfFilter {
    SdfFilter::new(pfcp::SdfConditions {
        flow_description: pfcp::FlowDescription::new(text),
        filter_id: Some(id),
        ..Default::default()
    })
    .unwrap()
}

/// An SDF Filter ID is one filter of the session: which of two is meant, nobody knows.
#[test]
fn a_filter_that_is_defined_twice_is_one_filter() {
    let mut world = World::associated();
    let (dns, web) = (
        "permit out 17 from any 53 to assigned",
        "permit out 6 from any 80 to assigned",
    );
    let with = |first: &str, second: &str| {
        let mut request = open5gs(9);
        request.create_pdrs[0].pdi.sdf_filters = vec![named(7, first)];
        request.create_pdrs[1].pdi.sdf_filters = vec![named(7, second)];
        request
    };
    refused(&mut world, &with(dns, web), 73, 23);
    // The same in both directions is what SMFs do.
    let (seid, _) = world.establish(&with(dns, dns));
    // In a later message it is a new definition, for all.
    let update = pdr_update(UpdatePdr {
        pdr_id: 1.into(),
        pdi: Some(Pdi {
            source_interface: SourceInterface::CORE,
            sdf_filters: vec![named(7, web)],
            ..Default::default()
        }),
        ..Default::default()
    });
    assert_eq!(world.modify(seid, &update).cause.get(), 1);
    let rules = world.rules(seid);
    let protocols = rules.pdrs.iter().filter(|pdr| pdr.id.0 <= 2);
    let protocols = protocols.map(|pdr| pdr.pdi.sdf_filters[0].flow.as_ref().unwrap().protocol);
    assert_eq!(protocols.collect::<Vec<_>>(), [Some(6), Some(6)]);
}

/// "PDRs that refer to a removed endpoint go with it": those that still do.
#[test]
fn a_pdr_may_leave_an_endpoint_with_the_message_that_removes_it() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_traffic_endpoints = vec![whole::endpoint(1), whole::endpoint(2)];
    let at = |id| Pdi {
        source_interface: SourceInterface::ACCESS,
        traffic_endpoint_ids: vec![TrafficEndpointId(id)],
        ..Default::default()
    };
    request.create_pdrs.push(pdr(9, 9, 2, at(1)));
    request.create_pdrs.push(pdr(10, 9, 2, at(1)));
    let (seid, _) = world.establish(&request);
    let leave = SessionModificationRequest {
        remove_traffic_endpoints: vec![RemoveTrafficEndpoint {
            traffic_endpoint_id: TrafficEndpointId(1),
            ..Default::default()
        }],
        ..pdr_update(UpdatePdr {
            pdr_id: 9.into(),
            pdi: Some(at(2)),
            ..Default::default()
        })
    };
    assert_eq!(world.modify(seid, &leave).cause.get(), 1);
    let rules = world.rules(seid);
    let mut ids: Vec<u16> = rules.pdrs.iter().map(|pdr| pdr.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 9]);
}

#[test]
fn a_choose_id_is_of_one_family() {
    let mut world = World::associated();
    let choose = |ipv4, ipv6| FTeid::Choose {
        ipv4,
        ipv6,
        choose_id: Some(5),
    };
    let mut request = open5gs(9);
    request.create_pdrs[1].pdi.local_f_teid = Some(choose(true, false));
    request.create_pdrs[3].pdi.local_f_teid = Some(choose(false, true));
    refused(&mut world, &request, 71, 21);
}

/// The UPF's own addresses, and those of the kernel's side of a TAP, are no UE's: a UE that had one
/// would take or send what is not its own.
#[test]
fn a_ue_has_none_of_the_upfs_addresses() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.ue_reserved = vec!["10.45.0.1/16".parse().unwrap()];
    let mut world = World::with(config);
    world.associate();
    for address in [
        "10.10.3.7",
        "10.10.6.7",
        "10.10.9.7",
        "10.10.4.7",
        "10.45.0.1",
    ] {
        let mut request = open5gs(9);
        let std::net::IpAddr::V4(own) = ip(address) else {
            panic!()
        };
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(own, true)];
        refused(&mut world, &request, 73, 93);
        // Nor as the source of its packets.
        let mut request = open5gs(9);
        request.create_pdrs[1].pdi.ue_ip_addresses = vec![ue_ip(own, false)];
        refused(&mut world, &request, 73, 93);
    }
}

#[test]
fn a_ue_has_one_address_of_each_family() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.create_pdrs[1].pdi.ue_ip_addresses = vec![ue_ip(ue(10), false)];
    refused(&mut world, &request, 73, 93);
    let mut request = open5gs(9);
    request.create_pdrs[0]
        .pdi
        .ue_ip_addresses
        .push(ue_ip(ue(10), true));
    refused(&mut world, &request, 73, 93);
    // A prefix of no length is none.
    let mut request = open5gs(9);
    request.create_pdrs[0].pdi.ue_ip_addresses = vec![UeIpAddress {
        ipv6: Some(pfcp::Wanted::Given("2001:db8::1".parse().unwrap())),
        prefix: Some(pfcp::Prefix::Length(0)),
        ..Default::default()
    }];
    refused(&mut world, &request, 69, 93);
}

/// A QFI has six bits, and the others are spare: a list of such must not become an empty one, which
/// matches every packet.
#[test]
fn qfis_never_widen_a_pdr() {
    let mut world = World::associated();
    for (n, qfi, matched) in [(9, 0x41, 1), (10, 0xc9, 9), (11, 0, 0)] {
        let mut request = open5gs(n);
        let pdi = &mut request.create_pdrs[1].pdi;
        pdi.qfis.clear();
        pdi.unknown.push(pfcp::Unknown {
            r#type: 124,
            value: [qfi].as_slice().into(),
        });
        let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request)
        else {
            panic!()
        };
        if answer.cause.get() == 1 {
            let rules = world.rules(answer.up_f_seid.unwrap().seid);
            let pdr = rules.pdrs.iter().find(|pdr| pdr.id.0 == 2).unwrap();
            let qfis: Vec<u8> = pdr.pdi.qfis.iter().map(|qfi| qfi.get()).collect();
            assert_eq!(qfis, [matched], "{qfi:#x}");
        }
    }
}

/// An F-TEID of the session's own, said outright: the PDRs share it, and it stays with the last.
#[test]
fn an_f_teid_of_the_sessions_own_is_shared_by_whoever_says_it() {
    let (mut world, seid) = with_victim();
    let free = world.node.publisher().sessions();
    let rules = world.rules(seid);
    let pdr_2 = rules.pdrs.iter().find(|pdr| pdr.id.0 == 2).unwrap();
    let tunnel = pdr_2.pdi.local_f_teid.unwrap();
    let own = Pdi {
        local_f_teid: Some(FTeid::given(tunnel.teid.0, ip(N3))),
        ..uplink_pdi()
    };
    let more = SessionModificationRequest {
        create_pdrs: vec![pdr(20, 1, 2, own)],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &more).cause.get(), 1);
    let remove = |ids: &[u16]| SessionModificationRequest {
        remove_pdrs: ids
            .iter()
            .map(|id| RemovePdr {
                pdr_id: (*id).into(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &remove(&[2, 4])).cause.get(), 1);
    assert!(world.readers[0].snapshot().tunnel(tunnel).is_some());
    assert_eq!(world.modify(seid, &remove(&[20])).cause.get(), 1);
    assert!(world.readers[0].snapshot().tunnel(tunnel).is_none());
    assert_eq!(world.node.publisher().sessions(), free);
}

/// A session that has lost all its rules is still there, and can be filled again.
#[test]
fn an_emptied_session_can_be_filled_again() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let far = |id: u32| RemoveFar {
        far_id: id.into(),
        ..Default::default()
    };
    let pdr = |id: u16| RemovePdr {
        pdr_id: id.into(),
        ..Default::default()
    };
    let empty = SessionModificationRequest {
        remove_pdrs: (1..=4).map(pdr).collect(),
        remove_fars: (1..=3).map(far).collect(),
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
    assert_eq!(world.modify(seid, &empty).cause.get(), 1);
    assert!(world.rules(seid).pdrs.is_empty());
    // Its address is free for others meanwhile, but not for two.
    let again = open5gs(9);
    let fill = SessionModificationRequest {
        create_pdrs: again.create_pdrs.into_vec(),
        create_fars: again.create_fars.into_vec(),
        create_qers: again.create_qers,
        create_urrs: again.create_urrs,
        create_bar: again.create_bar,
        ..Default::default()
    };
    let other = SessionEstablishmentRequest {
        cp_f_seid: pfcp::FSeid::new(0x999, ip(SMF)),
        ..open5gs(9)
    };
    let (thief, _) = world.establish(&other);
    let answer = world.modify(seid, &fill);
    assert_eq!(answer.cause.get(), 73);
    assert_eq!(answer.offending_ie, Some(OffendingIe(93)));
    assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(1.into())));
    world.delete(thief);
    assert_eq!(world.modify(seid, &fill).cause.get(), 1);
    assert_eq!(world.delete(seid).cause.get(), 1);
}
