//! Traffic endpoints (TS 29.244, 5.2.1A.1): said once, referred to by PDRs.
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
    ApplyAction, Cause, CreateTrafficEndpoint, CreatedTrafficEndpoint, DestinationInterface, FTeid,
    FailedRuleId, OffendingIe, Pdi, RemoveTrafficEndpoint, SessionEstablishmentRequest,
    SessionModificationRequest, SourceInterface, TrafficEndpointId, UpdatePdr,
    UpdateTrafficEndpoint,
};
use session::rule::LocalFTeid;
use session::{InterfaceId, Teid};
use support::*;

const TRAFFIC_ENDPOINT_ID: u16 = 131;

/// The UE's tunnel, its endpoint 1.
fn tunnel() -> CreateTrafficEndpoint {
    CreateTrafficEndpoint {
        traffic_endpoint_id: TrafficEndpointId(1),
        local_f_teid: Some(choose(None)),
        network_instance: Some(labels("internet")),
        ..Default::default()
    }
}

/// The UE's address, its endpoint 2.
fn address(n: u8) -> CreateTrafficEndpoint {
    CreateTrafficEndpoint {
        traffic_endpoint_id: TrafficEndpointId(2),
        network_instance: Some(labels("internet")),
        ue_ip_addresses: vec![ue_ip(ue(n), true)],
        ..Default::default()
    }
}

fn at(source_interface: SourceInterface, endpoints: &[u8]) -> Pdi {
    Pdi {
        source_interface,
        traffic_endpoint_ids: endpoints.iter().map(|id| TrafficEndpointId(*id)).collect(),
        ..Default::default()
    }
}

/// Two uplink PDRs, told apart by a filter, and a downlink PDR.
fn session(n: u8) -> SessionEstablishmentRequest {
    let filtered = Pdi {
        sdf_filters: vec![pfcp::SdfFilter::flow("permit out 17 from any 53 to assigned").unwrap()],
        ..at(SourceInterface::ACCESS, &[1])
    };
    SessionEstablishmentRequest {
        node_id: ip(SMF).into(),
        cp_f_seid: pfcp::FSeid::new(0x200 + u64::from(n), ip(SMF)),
        create_traffic_endpoints: vec![tunnel(), address(n)],
        create_pdrs: [
            pdr(1, 200, 1, at(SourceInterface::ACCESS, &[1])),
            pdr(2, 100, 1, filtered),
            pdr(3, 100, 2, at(SourceInterface::CORE, &[2])),
        ]
        .into(),
        create_fars: [
            far(
                1,
                ApplyAction::FORW,
                Some(to(DestinationInterface::CORE, None)),
            ),
            far(2, ApplyAction::DROP, None),
        ]
        .into(),
        ..Default::default()
    }
}

fn tunnel_of(created: &[CreatedTrafficEndpoint], id: u8) -> LocalFTeid {
    let created = created
        .iter()
        .find(|created| created.traffic_endpoint_id == TrafficEndpointId(id));
    match created.unwrap().local_f_teids.as_slice() {
        [FTeid::Given { teid, addresses }] => {
            assert_eq!(*addresses, ip(N3).into());
            LocalFTeid {
                teid: Teid(*teid),
                interface: InterfaceId(0),
            }
        }
        other => panic!("{other:?}"),
    }
}

/// How many PDRs a tunnel leads to; `None` if it is not known at all.
fn behind(world: &mut World, tunnel: LocalFTeid) -> Option<usize> {
    let snapshot = world.readers[0].snapshot();
    let handle = snapshot.tunnel(tunnel)?;
    let Some(entrance) = handle.entrance() else {
        return Some(0);
    };
    assert_eq!(entrance.interface(), Some(tunnel.interface));
    Some(handle.plan().steps().count())
}

fn remove(id: u8) -> SessionModificationRequest {
    SessionModificationRequest {
        remove_traffic_endpoints: vec![RemoveTrafficEndpoint {
            traffic_endpoint_id: TrafficEndpointId(id),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn update(change: UpdateTrafficEndpoint) -> SessionModificationRequest {
    SessionModificationRequest {
        update_traffic_endpoints: vec![change],
        ..Default::default()
    }
}

#[test]
fn pdrs_are_found_by_the_endpoints_they_refer_to() {
    let mut world = World::associated();
    let (seid, answer) = world.establish(&session(9));
    assert!(answer.created_pdrs.is_empty());
    assert_eq!(answer.created_traffic_endpoints.len(), 1);
    let tunnel = tunnel_of(&answer.created_traffic_endpoints, 1);
    assert_eq!(behind(&mut world, tunnel), Some(3));
    let rules = world.rules(seid);
    assert_eq!(rules.ue.ipv4, Some(ue(9)));
    let uplink = rules
        .pdrs
        .iter()
        .filter(|pdr| pdr.pdi.local_f_teid == Some(tunnel));
    assert_eq!(uplink.count(), 2);
    let snapshot = world.readers[0].snapshot();
    assert!(snapshot.ipv4(InterfaceId(2), ue(9)).is_some());
}

#[test]
fn an_endpoint_keeps_its_tunnel_while_no_pdr_refers_to_it() {
    let mut world = World::associated();
    let (seid, answer) = world.establish(&session(9));
    let tunnel = tunnel_of(&answer.created_traffic_endpoints, 1);
    let gone = |id: u16| pfcp::RemovePdr {
        pdr_id: id.into(),
        ..Default::default()
    };
    let request = SessionModificationRequest {
        remove_pdrs: vec![gone(1), gone(2)],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
    // Known: such a packet is dropped, not answered with an Error Indication.
    assert_eq!(behind(&mut world, tunnel), Some(0));
    let request = SessionModificationRequest {
        create_pdrs: vec![pdr(4, 200, 1, at(SourceInterface::ACCESS, &[1]))],
        ..Default::default()
    };
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
    assert!(answer.created_pdrs.is_empty() && answer.created_traffic_endpoints.is_empty());
    assert_eq!(behind(&mut world, tunnel), Some(2));
}

#[test]
fn removing_an_endpoint_removes_its_pdrs_and_gives_its_tunnel_back() {
    let mut world = World::associated();
    let (seid, answer) = world.establish(&session(9));
    let tunnel = tunnel_of(&answer.created_traffic_endpoints, 1);
    assert_eq!(
        world.modify(seid, &remove(1)).cause,
        Cause::REQUEST_ACCEPTED
    );
    let ids: Vec<_> = world.rules(seid).pdrs.iter().map(|pdr| pdr.id.0).collect();
    assert_eq!(ids, [3]);
    assert_eq!(behind(&mut world, tunnel), None);
    // The id is free again.
    let request = SessionModificationRequest {
        create_traffic_endpoints: vec![self::tunnel()],
        create_pdrs: vec![pdr(1, 200, 1, at(SourceInterface::ACCESS, &[1]))],
        ..Default::default()
    };
    let answer = world.modify(seid, &request);
    let tunnel = tunnel_of(&answer.created_traffic_endpoints, 1);
    assert_eq!(behind(&mut world, tunnel), Some(2));
    world.delete(seid);
    assert_eq!(behind(&mut world, tunnel), None);
    assert_eq!(world.node.publisher().sessions(), 0);
}

#[test]
fn all_pdrs_follow_an_updated_endpoint() {
    let mut world = World::associated();
    let (seid, answer) = world.establish(&session(9));
    let old = tunnel_of(&answer.created_traffic_endpoints, 1);
    let answer = world.modify(
        seid,
        &update(UpdateTrafficEndpoint {
            traffic_endpoint_id: TrafficEndpointId(1),
            local_f_teid: choose(None).into(),
            qfis: pfcp::Update::Set([pfcp::Qfi::new(7).unwrap()].into()),
            ..Default::default()
        }),
    );
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
    let new = tunnel_of(&answer.created_traffic_endpoints, 1);
    assert_ne!(old, new);
    assert_eq!(
        (behind(&mut world, old), behind(&mut world, new)),
        (None, Some(3))
    );
    let rules = world.rules(seid);
    let uplink = rules
        .pdrs
        .iter()
        .filter(|pdr| pdr.pdi.local_f_teid == Some(new));
    assert!(
        uplink
            .clone()
            .all(|pdr| pdr.pdi.qfis == [session::Qfi::new(7).unwrap()])
    );
    assert_eq!(uplink.count(), 2);
    // Only the address changes, then the QFIs go.
    let answer = world.modify(
        seid,
        &SessionModificationRequest {
            update_traffic_endpoints: vec![
                UpdateTrafficEndpoint {
                    traffic_endpoint_id: TrafficEndpointId(2),
                    ue_ip_addresses: pfcp::Update::Set([ue_ip(ue(10), true)].into()),
                    ..Default::default()
                },
                UpdateTrafficEndpoint {
                    traffic_endpoint_id: TrafficEndpointId(1),
                    qfis: pfcp::Update::Remove,
                    ..Default::default()
                },
            ],
            ..Default::default()
        },
    );
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
    let rules = world.rules(seid);
    assert_eq!(rules.ue.ipv4, Some(ue(10)));
    assert!(rules.pdrs.iter().all(|pdr| pdr.pdi.qfis.is_empty()));
    let snapshot = world.readers[0].snapshot();
    assert!(snapshot.ipv4(InterfaceId(2), ue(9)).is_none());
    assert!(snapshot.ipv4(InterfaceId(2), ue(10)).is_some());
}

#[test]
fn a_pdr_of_two_endpoints_is_found_by_either() {
    let mut world = World::associated();
    let mut request = session(9);
    let second = CreateTrafficEndpoint {
        traffic_endpoint_id: TrafficEndpointId(5),
        ..tunnel()
    };
    request.create_traffic_endpoints.push(second);
    request.create_pdrs[0].pdi = at(SourceInterface::ACCESS, &[1, 5]);
    let (seid, answer) = world.establish(&request);
    let one = tunnel_of(&answer.created_traffic_endpoints, 1);
    let five = tunnel_of(&answer.created_traffic_endpoints, 5);
    assert_ne!(one, five);
    for tunnel in [one, five] {
        let snapshot = world.readers[0].snapshot();
        let handle = snapshot.tunnel(tunnel).unwrap();
        assert!(handle.entrance().is_some());
    }
    // PDR 1 is two steps of the plan, and one rule of the SMF's.
    let rules = world.rules(seid);
    assert_eq!(rules.pdrs.iter().filter(|pdr| pdr.id.0 == 1).count(), 2);
    // It leaves one of them.
    let request = SessionModificationRequest {
        update_pdrs: vec![UpdatePdr {
            pdr_id: 1.into(),
            pdi: Some(at(SourceInterface::ACCESS, &[5])),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
    let rules = world.rules(seid);
    let of_one = |tunnel| {
        let pdrs = rules.pdrs.iter();
        let pdrs = pdrs.filter(|pdr| pdr.id.0 == 1 && pdr.pdi.local_f_teid == Some(tunnel));
        pdrs.count()
    };
    assert_eq!((of_one(one), of_one(five)), (0, 1));
    // "Removing a traffic endpoint removes the PDRs that refer to it."
    assert_eq!(
        world.modify(seid, &remove(5)).cause,
        Cause::REQUEST_ACCEPTED
    );
    let rules = world.rules(seid);
    assert!(rules.pdrs.iter().all(|pdr| pdr.id.0 != 1));
}

type Case<'a> = (
    &'a dyn Fn(&mut SessionEstablishmentRequest),
    u16,
    Option<FailedRuleId>,
);

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let pdr_1 = Some(FailedRuleId::Pdr(1.into()));
    let cases: [Case<'_>; 7] = [
        // Twice the same id.
        (
            &|request| request.create_traffic_endpoints.push(tunnel()),
            TRAFFIC_ENDPOINT_ID,
            None,
        ),
        // An id that is not there.
        (
            &|request| request.create_pdrs[0].pdi = at(SourceInterface::ACCESS, &[1, 9]),
            TRAFFIC_ENDPOINT_ID,
            pdr_1,
        ),
        // Said again in the PDI.
        (
            &|request| request.create_pdrs[0].pdi.local_f_teid = Some(choose(None)),
            21,
            pdr_1,
        ),
        (
            &|request| request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(ue(9), false)],
            93,
            pdr_1,
        ),
        (
            &|request| request.create_pdrs[0].pdi.network_instance = Some(labels("internet")),
            22,
            pdr_1,
        ),
        (
            &|request| {
                request.create_traffic_endpoints[0].qfis = vec![pfcp::Qfi::new(1).unwrap()];
                request.create_pdrs[0].pdi.qfis = vec![pfcp::Qfi::new(1).unwrap()];
            },
            124,
            pdr_1,
        ),
        // What is not done here.
        (
            &|request| {
                request.create_traffic_endpoints[0].ethernet_pdu_session_information =
                    Some(pfcp::EthernetPduSessionInformation::default());
            },
            142,
            None,
        ),
    ];
    for (change, offending, rule) in cases {
        let mut world = World::associated();
        let mut request = session(9);
        change(&mut request);
        let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request)
        else {
            panic!()
        };
        assert_eq!(
            answer.cause,
            Cause::RULE_CREATION_MODIFICATION_FAILURE,
            "{answer}"
        );
        assert_eq!(
            answer.offending_ie,
            Some(OffendingIe(offending)),
            "{answer}"
        );
        assert_eq!(answer.failed_rule_id, rule);
        assert_eq!(world.node.publisher().sessions(), 0);
    }
}

#[test]
fn a_change_that_does_not_fit_is_refused_and_changes_nothing() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&session(9));
    let before = world.rules(seid);
    let mut twice = remove(1);
    twice.create_traffic_endpoints = vec![tunnel()];
    let absent = update(UpdateTrafficEndpoint {
        traffic_endpoint_id: TrafficEndpointId(7),
        ..Default::default()
    });
    // Uplink packets have to come by a tunnel.
    let nowhere = update(UpdateTrafficEndpoint {
        traffic_endpoint_id: TrafficEndpointId(1),
        local_f_teid: pfcp::Update::Remove,
        ..Default::default()
    });
    for (request, cause) in [
        (twice, Cause::RULE_CREATION_MODIFICATION_FAILURE),
        (remove(7), Cause::RULE_CREATION_MODIFICATION_FAILURE),
        (absent, Cause::RULE_CREATION_MODIFICATION_FAILURE),
        (nowhere, Cause::CONDITIONAL_IE_MISSING),
    ] {
        let answer = world.modify(seid, &request);
        assert_eq!(answer.cause, cause, "{answer}");
        assert_eq!(answer.offending_ie, Some(OffendingIe(TRAFFIC_ENDPOINT_ID)));
        assert_eq!(world.rules(seid), before);
    }
}

#[test]
fn endpoints_are_bounded() {
    let mut world = World::associated();
    let mut request = session(9);
    request.create_traffic_endpoints = (1..=17)
        .map(|id| CreateTrafficEndpoint {
            traffic_endpoint_id: TrafficEndpointId(id),
            ..tunnel()
        })
        .collect();
    let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
    // All that was chosen is there again.
    for n in 0..100 {
        let (seid, _) = world.establish(&session(n));
        world.delete(seid);
    }
}

/// What a PDR stands for counts, not what it was written as: else a session could be established
/// that no modification could touch.
#[test]
fn pdrs_are_counted_as_they_are_unfolded() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.limits.pdrs_per_session = 3;
    let mut world = World::with(config);
    world.associate();
    let mut request = session(1);
    world.establish(&request);
    let before = world.snapshot();
    request = session(2);
    let mut second = tunnel();
    second.traffic_endpoint_id = TrafficEndpointId(3);
    request.create_traffic_endpoints.push(second);
    request.create_pdrs[0].pdi = at(SourceInterface::ACCESS, &[1, 3]);
    let pfcp::Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
    assert_eq!(world.node.counters().limit(upf_cp::Limit::Rules), 1);
    assert_eq!(world.snapshot(), before);
}
