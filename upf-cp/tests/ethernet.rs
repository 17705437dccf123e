//! Ethernet sessions: their rules and what cannot be said of them, stations learned, moved and
//! forgotten, and what the SMF hears of that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "tests"
)]

mod support;

use std::fmt::Write as _;

use pfcp::{
    Cause, CreateUrr, EthernetFilterId, EthernetPacketFilter,
    EthernetPduSessionInformation as Information, Ethertype, FailedRuleId, MacAddress, OffendingIe,
    Pdi, ReportingTriggers, SdfFilter, SessionEstablishmentRequest, SessionModificationRequest,
    SourceInterface, UpdatePdr, UpdateUrr, VlanTag,
};
use session::ethernet::{MacFilter, MacRange, Station, TagFilter};
use session::{InterfaceId, Key, Seid, SessionIndex};
use support::*;
use upf_cp::{NodeConfig, WorkerReport};

const LAN: InterfaceId = InterfaceId(4);
const DEVICE: [u8; 6] = [2, 0, 0, 0, 0xd, 1];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0xd, 2];

/// Nothing is sent but what is looked for, and once.
fn config() -> NodeConfig {
    let mut config = NodeConfig::new(ip(UPF));
    config.heartbeat_interval_ms = 0;
    config.t1_ms = 600_000;
    config.echo.interval_ms = 0;
    config
}

fn world() -> World {
    let mut world = World::with(config());
    world.associate();
    world
}

/// Tells of stations: URR 1.
fn of_stations(inactivity_s: Option<u32>) -> CreateUrr {
    CreateUrr {
        ethernet_inactivity_timer: inactivity_s.map(pfcp::EthernetInactivityTimer),
        ..urr(1, ReportingTriggers::MACAR)
    }
}

fn index(world: &World, seid: u64) -> u32 {
    let statuses = world.node.session_statuses();
    let mut statuses = statuses.iter();
    let status = statuses.find(|status| status.seid == Seid(seid));
    status.unwrap().index.0
}

/// A worker hears a station behind the UE of a session, or outside.
fn hear(world: &mut World, session: u32, mac: [u8; 6], vlan: u16, outside: bool) {
    world.report(WorkerReport::Station {
        session,
        vlan,
        mac,
        s_tag: None,
        c_tag: (vlan > 0).then_some(0xe000 | vlan),
        outside,
    });
}

/// The session that has a station.
fn holder(world: &mut World, mac: [u8; 6], vlan: u16) -> Option<u32> {
    let view = world.readers[0].snapshot();
    let handle = view.station(LAN, Station::new(vlan, mac));
    handle.map(|handle| handle.session().0)
}

fn seids(world: &World, seids: &[u64]) -> Vec<u32> {
    seids.iter().map(|seid| index(world, *seid)).collect()
}

/// What the SMF was told, and by which session: `1 +02:…`, `1 -02:… vlan 5`.
fn told(world: &mut World) -> Vec<String> {
    let mut all = vec![];
    while !world.requests.is_empty() {
        let pfcp::Message::SessionReportRequest(report) = &world.requests[0].message else {
            panic!("{}", world.requests[0].message);
        };
        let seid = world.requests[0].header.seid.unwrap() & 0xff;
        for report in &report.usage_reports {
            assert_eq!(report.usage_report_trigger, pfcp::UsageReportTrigger::MACAR);
            // "Shall not contain any measurement information."
            assert_eq!(
                (&report.volume_measurement, report.start_time),
                (&None, None)
            );
            let information = report.ethernet_traffic_information.as_ref().unwrap();
            let detected = information.mac_addresses_detecteds.iter();
            let removed = information.mac_addresses_removeds.iter();
            let lists = detected
                .map(|list| ('+', &list.0))
                .chain(removed.map(|list| ('-', &list.0)));
            for (sign, list) in lists {
                for mac in list.addresses.iter() {
                    let mut text = format!("{seid} {sign}{}", mac.0[5]);
                    if let Some(vid) = list.c_tag.and_then(|tag| tag.vid) {
                        write!(text, " vlan {}", vid.get()).unwrap();
                    }
                    all.push(text);
                }
            }
        }
        let answer = pfcp::SessionReportResponse {
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        let seid = world.requests[0].header.seid;
        world.reply(&answer, seid);
    }
    all.sort();
    all
}

// ===== rules =====

#[test]
fn an_ethernet_session_is_found_by_its_stations_and_by_frames_to_all() {
    let mut world = world();
    let (seid, answer) = world.establish(&ethernet(1));
    // Its tunnel is chosen as ever.
    assert_eq!(answer.created_pdrs.len(), 1);
    let rules = world.rules(seid);
    assert_eq!(rules.pdn.stations().unwrap().learned.len(), 0);
    let session = index(&world, seid);
    let members = |world: &mut World| world.readers[0].snapshot().members(LAN).count();
    assert_eq!(members(&mut world), 1);
    hear(&mut world, session, DEVICE, 0, false);
    assert_eq!(holder(&mut world, DEVICE, 0), Some(session));
    // Another F-TEID, another QoS flow: what is known of stations stays.
    let change = SessionModificationRequest {
        create_qers: vec![qer(4)],
        ..activate(0x77, "10.10.3.101")
    };
    assert_eq!(world.modify(seid, &change).cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(holder(&mut world, DEVICE, 0), Some(session));
    world.delete(seid);
    assert_eq!(holder(&mut world, DEVICE, 0), None);
    assert_eq!(members(&mut world), 0);
}

fn filter() -> EthernetPacketFilter {
    let mac = |last| pfcp::Mac([2, 0, 0, 0, 0, last]);
    EthernetPacketFilter {
        mac_addresses: vec![
            MacAddress {
                source: Some(mac(1)),
                destination: Some(mac(2)),
                upper_source: Some(mac(9)),
                upper_destination: None,
            },
            MacAddress {
                source: Some(mac(12)),
                ..MacAddress::default()
            },
        ],
        ethertype: Some(Ethertype(0x0800)),
        c_tag: Some(pfcp::CTag(VlanTag {
            pcp: pfcp::Bits::new(5),
            dei: Some(true),
            vid: None,
        })),
        s_tag: Some(pfcp::STag(VlanTag {
            vid: pfcp::Bits16::new(0x123),
            ..VlanTag::default()
        })),
        sdf_filters: SdfFilter::flow("permit out 17 from any 53 to any")
            .into_iter()
            .collect(),
        ..Default::default()
    }
}

fn shared(id: u32) -> EthernetPacketFilter {
    EthernetPacketFilter {
        ethernet_filter_id: Some(EthernetFilterId(id)),
        ..Default::default()
    }
}

/// What takes few octets to name is not copied as often as it is named.
#[test]
fn a_filter_that_is_named_again_is_there_once() {
    let mut world = world();
    let mut wanted = ethernet(1);
    let defined = EthernetPacketFilter {
        ethernet_filter_id: Some(EthernetFilterId(7)),
        ..filter()
    };
    wanted.create_pdrs[0].pdi.ethernet_packet_filters = vec![defined, shared(7), shared(7)];
    wanted.create_pdrs[1].pdi.ethernet_packet_filters = vec![shared(7); 1_000];
    let (seid, _) = world.establish(&wanted);
    let rules = world.node.rules(Seid(seid)).unwrap();
    let filters = |pdr: &session::rule::Pdr| pdr.pdi.ethernet_filters().len();
    assert_eq!(rules.pdrs.iter().map(filters).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn ethernet_packet_filters_are_taken_whole() {
    let mut world = world();
    let mut wanted = ethernet(1);
    wanted.create_pdrs[0].pdi.ethernet_packet_filters = vec![filter(), shared(7)];
    // The other direction brings the definition.
    wanted.create_pdrs[1].pdi.ethernet_packet_filters = vec![EthernetPacketFilter {
        ethernet_filter_properties: Some(pfcp::EthernetFilterProperties::BIDE),
        ethertype: Some(Ethertype(0x88b5)),
        ..shared(7)
    }];
    let (seid, _) = world.establish(&wanted);
    let filters = |world: &World, pdr: u16| {
        let rules = world.rules(seid);
        let pdr = rules.pdrs.iter().find(|there| there.id.0 == pdr).unwrap();
        pdr.pdi.ethernet_filters().to_vec()
    };
    let [first, second] = &filters(&world, 1)[..] else {
        panic!()
    };
    let mac = |last| [2, 0, 0, 0, 0, last];
    let range = |first, last| {
        let (first, last) = (mac(first), mac(last));
        Some(MacRange { first, last })
    };
    let macs = [(range(1, 9), range(2, 2)), (range(12, 12), None)];
    let macs = macs.map(|(source, destination)| MacFilter {
        source,
        destination,
    });
    assert_eq!(first.macs, macs);
    assert_eq!(first.ether_type, Some(0x0800));
    let c_tag = TagFilter {
        pcp: Some(5),
        dei: Some(true),
        vid: None,
    };
    assert_eq!(first.c_tag, Some(c_tag));
    assert_eq!(first.s_tag.unwrap().vid, Some(0x123));
    assert_eq!(first.sdf_filters.len(), 1);
    assert_eq!(second.ether_type, Some(0x88b5));
    assert_eq!(filters(&world, 2), std::slice::from_ref(second));
    // "A change of the definition acts on all PDRs of the session that use it", whether these are
    // in the message or not.
    let change = |ethertype: u16| SessionModificationRequest {
        update_pdrs: vec![UpdatePdr {
            pdr_id: 2.into(),
            pdi: Some(Pdi {
                ethernet_packet_filters: vec![EthernetPacketFilter {
                    ethertype: Some(Ethertype(ethertype)),
                    ..shared(7)
                }],
                ..uplink_pdi()
            }),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = world.modify(seid, &change(0x88b6));
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
    for pdr in [1, 2] {
        let filters = filters(&world, pdr);
        assert_eq!(
            filters.last().unwrap().ether_type,
            Some(0x88b6),
            "PDR {pdr}"
        );
    }
    // "Deleting one PDR leaves the filter for the others."
    let remove = SessionModificationRequest {
        remove_pdrs: vec![pfcp::RemovePdr {
            pdr_id: 1.into(),
            ..Default::default()
        }],
        create_pdrs: vec![pdr(
            3,
            9,
            1,
            Pdi {
                ethernet_packet_filters: vec![shared(7)],
                ..ethernet(1).create_pdrs[0].pdi.clone()
            },
        )],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &remove).cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(filters(&world, 3)[0].ether_type, Some(0x88b6));
}

#[test]
fn what_contradicts_an_ethernet_session_is_refused_and_leaves_nothing() {
    let filters = |filters: Vec<EthernetPacketFilter>| {
        move |request: &mut SessionEstablishmentRequest| {
            request.create_pdrs[0].pdi.ethernet_packet_filters = filters.clone();
        }
    };
    let mac = |source: Option<u8>, upper: Option<u8>| {
        let mac = |last| pfcp::Mac([2, 0, 0, 0, 0, last]);
        EthernetPacketFilter {
            mac_addresses: vec![MacAddress {
                source: source.map(mac),
                upper_source: upper.map(mac),
                ..MacAddress::default()
            }],
            ..Default::default()
        }
    };
    let sdf = |text: &str| SdfFilter::flow(text).into_iter().collect::<Vec<_>>();
    let reference = SdfFilter::new(pfcp::SdfConditions {
        filter_id: Some(3),
        ..Default::default()
    });
    let reference = reference.unwrap();
    let pdr_1 = Some(FailedRuleId::Pdr(1.into()));
    let failed = Cause::RULE_CREATION_MODIFICATION_FAILURE;
    let cases: Vec<(
        &str,
        Box<dyn Fn(&mut SessionEstablishmentRequest)>,
        Cause,
        u16,
        Option<FailedRuleId>,
    )> = vec![
        (
            "a UE address",
            Box::new(|request| {
                request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(ue(9), true)];
            }),
            failed,
            93,
            pdr_1,
        ),
        (
            "an SDF filter outside of a packet filter",
            Box::new(move |request| {
                request.create_pdrs[0].pdi.sdf_filters = sdf("permit out ip from any to any");
            }),
            failed,
            23,
            pdr_1,
        ),
        (
            "an application",
            Box::new(|request| {
                request.create_pdrs[0].pdi.application_id =
                    Some(pfcp::ApplicationId("video".into()));
            }),
            failed,
            24,
            pdr_1,
        ),
        (
            "a framed route",
            Box::new(|request| {
                request.create_pdrs[0].pdi.framed_routes =
                    vec![pfcp::FramedRoute("10.46.0.0/24".into())];
            }),
            failed,
            153,
            pdr_1,
        ),
        (
            "a network of packets to be found in",
            Box::new(|request| {
                request.create_pdrs[0].pdi.network_instance = Some(labels("ims"));
            }),
            failed,
            22,
            pdr_1,
        ),
        (
            "a network of packets to send to",
            Box::new(|request| {
                let to = request.create_fars[1].forwarding_parameters.as_mut();
                to.unwrap().network_instance = Some(labels("ims"));
            }),
            failed,
            22,
            Some(FailedRuleId::Far(2.into())),
        ),
        (
            "a policy about packets",
            Box::new(|request| {
                let to = request.create_fars[1].forwarding_parameters.as_mut();
                to.unwrap().forwarding_policy = Some(pfcp::ForwardingPolicy(
                    pfcp::wire::Short::new("cache").unwrap(),
                ));
            }),
            Cause::INVALID_FORWARDING_POLICY,
            41,
            Some(FailedRuleId::Far(2.into())),
        ),
        (
            "ports of what has none",
            Box::new(filters(vec![EthernetPacketFilter {
                ethertype: Some(Ethertype(0x0806)),
                ..filter()
            }])),
            failed,
            23,
            pdr_1,
        ),
        (
            "an SDF filter that is defined nowhere",
            Box::new(filters(vec![EthernetPacketFilter {
                sdf_filters: vec![reference],
                ..Default::default()
            }])),
            failed,
            23,
            pdr_1,
        ),
        (
            "an upper address alone",
            Box::new(filters(vec![mac(None, Some(4))])),
            failed,
            133,
            pdr_1,
        ),
        (
            "addresses backwards",
            Box::new(filters(vec![mac(Some(5), Some(4))])),
            failed,
            133,
            pdr_1,
        ),
        (
            "more addresses than a filter may list",
            Box::new(filters(vec![EthernetPacketFilter {
                mac_addresses: vec![MacAddress::default(); 17],
                ..Default::default()
            }])),
            failed,
            133,
            pdr_1,
        ),
        (
            "a filter that is defined nowhere",
            Box::new(filters(vec![shared(9)])),
            failed,
            138,
            pdr_1,
        ),
        (
            "a filter that is defined twice",
            Box::new(filters(vec![
                EthernetPacketFilter {
                    ethertype: Some(Ethertype(1)),
                    ..shared(9)
                },
                EthernetPacketFilter {
                    ethertype: Some(Ethertype(2)),
                    ..shared(9)
                },
            ])),
            failed,
            138,
            pdr_1,
        ),
        (
            "a filter to be shared, without an id",
            Box::new(filters(vec![EthernetPacketFilter {
                ethernet_filter_properties: Some(pfcp::EthernetFilterProperties::BIDE),
                ..Default::default()
            }])),
            Cause::CONDITIONAL_IE_MISSING,
            138,
            pdr_1,
        ),
        (
            "frames of a session of packets",
            Box::new(|request| {
                *request = open5gs(1);
                request.create_pdrs[1].pdi.ethernet_packet_filters = vec![filter()];
            }),
            failed,
            132,
            Some(FailedRuleId::Pdr(2.into())),
        ),
        (
            "all frames of a session of packets",
            Box::new(|request| {
                *request = open5gs(1);
                request.create_pdrs[0].pdi.ethernet_pdu_session_information =
                    Some(Information::ETHI);
            }),
            failed,
            142,
            pdr_1,
        ),
        (
            "packets of an Ethernet network",
            Box::new(|request| {
                *request = open5gs(1);
                request.create_pdrs[0].pdi.network_instance = Some(labels("lan"));
            }),
            failed,
            22,
            pdr_1,
        ),
        (
            "a UE address of a traffic endpoint",
            Box::new(|request| {
                request.create_traffic_endpoints = vec![pfcp::CreateTrafficEndpoint {
                    traffic_endpoint_id: pfcp::TrafficEndpointId(1),
                    ue_ip_addresses: vec![ue_ip(ue(9), true)],
                    ..Default::default()
                }];
            }),
            failed,
            93,
            None,
        ),
    ];
    for (about, change, cause, offending, rule) in cases {
        let mut world = world();
        let mut wanted = ethernet(1);
        change(&mut wanted);
        let answer = world.ask(Some(0), &wanted);
        let pfcp::Message::SessionEstablishmentResponse(answer) = answer else {
            panic!()
        };
        let got = (answer.cause, answer.offending_ie, answer.failed_rule_id);
        assert_eq!(got, (cause, Some(OffendingIe(offending)), rule), "{about}");
        assert_eq!(world.node.publisher().sessions(), 0, "{about}");
    }
}

#[test]
fn predefined_rules_are_about_packets() {
    let mut world = World::with(with_predefined());
    world.associate();
    let mut wanted = ethernet(1);
    wanted.create_pdrs[0].activate_predefined_rules =
        vec![pfcp::ActivatePredefinedRules("gold".into())];
    let answer = world.ask(Some(0), &wanted);
    let pfcp::Message::SessionEstablishmentResponse(answer) = answer else {
        panic!()
    };
    assert_eq!(answer.offending_ie, Some(OffendingIe(106)), "{answer}");
}

#[test]
fn a_traffic_endpoint_may_stand_for_all_frames() {
    let mut world = world();
    let mut wanted = ethernet(1);
    wanted.create_traffic_endpoints = vec![pfcp::CreateTrafficEndpoint {
        traffic_endpoint_id: pfcp::TrafficEndpointId(1),
        network_instance: Some(labels("lan")),
        ethernet_pdu_session_information: Some(Information::ETHI),
        ..Default::default()
    }];
    wanted.create_pdrs[0].pdi = Pdi {
        source_interface: SourceInterface::CORE,
        traffic_endpoint_ids: vec![pfcp::TrafficEndpointId(1)],
        ..Default::default()
    };
    let (seid, _) = world.establish(&wanted);
    let session = index(&world, seid);
    hear(&mut world, session, DEVICE, 0, false);
    assert_eq!(holder(&mut world, DEVICE, 0), Some(session));
}

// ===== stations =====

#[test]
fn stations_are_told_of_when_they_come_and_go() {
    let mut world = world();
    let mut wanted = ethernet(1);
    wanted.create_urrs = vec![of_stations(Some(20))];
    let (seid, _) = world.establish(&wanted);
    let session = index(&world, seid);
    hear(&mut world, session, DEVICE, 0, false);
    hear(&mut world, session, DEVICE, 5, false);
    // Once.
    hear(&mut world, session, DEVICE, 0, false);
    assert_eq!(told(&mut world), ["1 +1", "1 +1 vlan 5"]);
    // One of them is heard again and again.
    for _ in 0..4 {
        world.pass(9_000);
        let view = world.readers[0].snapshot();
        let plan = view.session(SessionIndex(session)).unwrap();
        let session::plan::Heard::Own(learned) = plan.heard(Station::new(0, DEVICE)) else {
            panic!()
        };
        learned.hear(view.moment());
    }
    assert_eq!(told(&mut world), ["1 -1 vlan 5"]);
    assert_eq!(holder(&mut world, DEVICE, 5), None);
    assert_eq!(holder(&mut world, DEVICE, 0), Some(session));
    // A shorter timer holds at once.
    let shorter = SessionModificationRequest {
        update_urrs: vec![UpdateUrr {
            urr_id: 1.into(),
            ethernet_inactivity_timer: pfcp::EthernetInactivityTimer(3).into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &shorter).cause, Cause::REQUEST_ACCEPTED);
    world.pass(4_000);
    assert_eq!(told(&mut world), ["1 -1"]);
    assert_eq!(holder(&mut world, DEVICE, 0), None);
}

#[test]
fn stations_are_forgotten_though_nobody_asks() {
    let mut world = world();
    let mut wanted = ethernet(1);
    wanted.create_urrs = vec![urr(1, ReportingTriggers::PERIO)];
    let (seid, _) = world.establish(&wanted);
    let session = index(&world, seid);
    hear(&mut world, session, DEVICE, 0, false);
    world.pass(59_000);
    assert_eq!(holder(&mut world, DEVICE, 0), Some(session));
    world.pass(2_000);
    assert_eq!(holder(&mut world, DEVICE, 0), None);
    assert_eq!(told(&mut world), [""; 0]);
}

#[test]
fn a_station_moves_when_it_has_been_silent() {
    let mut world = world();
    let [a, b] = [1, 2].map(|n| world.establish(&ethernet(n)).0);
    let [a, b] = seids(&world, &[a, b])[..] else {
        panic!()
    };
    hear(&mut world, a, DEVICE, 0, false);
    world.pass(4_000);
    // A worker that saw an older time.
    hear(&mut world, b, DEVICE, 0, false);
    hear(&mut world, a, DEVICE, 0, true);
    assert_eq!(holder(&mut world, DEVICE, 0), Some(a));
    assert_eq!(told(&mut world), ["1 +1"]);
    world.pass(2_000);
    hear(&mut world, b, DEVICE, 0, false);
    assert_eq!(holder(&mut world, DEVICE, 0), Some(b));
    assert_eq!(told(&mut world), ["1 -1", "2 +1"]);
    // Into the data network: then no session has it.
    world.pass(6_000);
    hear(&mut world, b, DEVICE, 0, true);
    assert_eq!(holder(&mut world, DEVICE, 0), None);
    assert_eq!(told(&mut world), ["2 -1"]);
}

#[test]
fn a_session_has_so_many_stations_and_no_more() {
    let mut world = world();
    let (seid, _) = world.establish(&ethernet(1));
    let session = index(&world, seid);
    for last in 1..6 {
        hear(&mut world, session, [2, 0, 0, 0, 0xd, last], 0, false);
    }
    assert_eq!(told(&mut world), ["1 +1", "1 +2", "1 +3"]);
    let stations = |world: &World| world.rules(seid).pdn.stations().unwrap().clone();
    assert!(stations(&world).full);
    assert_eq!(stations(&world).learned.len(), 3);
    // When they go there is room again.
    world.pass(61_000);
    assert!(!stations(&world).full);
    hear(&mut world, session, OTHER, 0, false);
    assert_eq!(holder(&mut world, OTHER, 0), Some(session));
}

/// What comes of a worker that is behind, or of a session that carries no frames.
#[test]
fn stale_reports_of_stations_do_no_harm() {
    let mut world = World::with(config());
    world.associate();
    let (seid, _) = world.establish(&open5gs(1));
    let ip_session = index(&world, seid);
    let (seid, _) = world.establish(&ethernet(2));
    let session = index(&world, seid);
    for (session, outside) in [(ip_session, false), (999, false), (session, true)] {
        hear(&mut world, session, DEVICE, 0, outside);
        assert_eq!(holder(&mut world, DEVICE, 0), None);
    }
    assert_eq!(world.node.counters().reports_stale, 2);
    assert_eq!(
        world
            .node
            .publisher()
            .owner(Key::Station(LAN, Station::new(0, DEVICE))),
        None
    );
    world.delete(seid);
    hear(&mut world, session, DEVICE, 0, false);
    assert_eq!(holder(&mut world, DEVICE, 0), None);
}
