//! What free5GC, SD-Core and OAI send otherwise than Open5GS; and rules that the recordings lack.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::too_many_lines,
    reason = "tests"
)]

mod support;

use pfcp::{
    ApplyAction, Cause, DestinationInterface, FTeid, Header, MeasurementInformation,
    MeasurementMethod, Message, NetworkInstance, NonEmpty, OuterHeaderRemoval, Pdi, Prefix,
    ReportingTriggers, SdfFilter, SessionEstablishmentRequest, SessionModificationRequest,
    SourceInterface, Update, UpdatePdr,
};
use session::rule::{Action, Gate};
use session::{InterfaceId, PdrId, Qfi};
use support::*;

fn plain(name: &str) -> NetworkInstance {
    NetworkInstance(name.into())
}

fn request(pdrs: Vec<pfcp::CreatePdr>, fars: Vec<pfcp::CreateFar>) -> SessionEstablishmentRequest {
    SessionEstablishmentRequest {
        node_id: ip(SMF).into(),
        cp_f_seid: pfcp::FSeid::new(1, ip(SMF)),
        create_pdrs: NonEmpty::new(pdrs).unwrap(),
        create_fars: NonEmpty::new(fars).unwrap(),
        pdn_type: Some(pfcp::PdnType::IPV4),
        ..Default::default()
    }
}

fn far_of(world: &World, seid: u64, id: u32) -> session::Far {
    world
        .rules(seid)
        .fars
        .into_iter()
        .find(|far| far.id.0 == id)
        .unwrap()
}

fn pdr_of(world: &World, seid: u64, id: u16) -> session::Pdr {
    world
        .rules(seid)
        .pdrs
        .into_iter()
        .find(|pdr| pdr.id.0 == id)
        .unwrap()
}

#[test]
fn free5gc_chooses_f_teids_and_forwards_before_it_knows_where() {
    let mut world = World::associated();
    let access = Pdi {
        local_f_teid: Some(FTeid::given(1, ip(N3))),
        network_instance: Some(plain("internet")),
        ue_ip_addresses: vec![ue_ip(ue(1), false)],
        ..Default::default()
    };
    let core = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: Some(plain("internet")),
        ue_ip_addresses: vec![ue_ip(ue(1), true)],
        ..Default::default()
    };
    let mut uplink = pdr(1, 255, 1, access);
    uplink.outer_header_removal = Some(OuterHeaderRemoval::GTP_U_UDP_IPV4);
    uplink.qer_ids = vec![2.into(), 1.into()];
    uplink.urr_ids = vec![1.into(), 2.into()];
    let mut downlink = pdr(2, 255, 2, core);
    downlink.qer_ids = vec![2.into(), 1.into()];
    downlink.urr_ids = vec![1.into(), 2.into()];
    let mut bare = to(DestinationInterface::ACCESS, None);
    bare.network_instance = None;
    let mut request = request(
        vec![uplink, downlink],
        vec![
            far(
                1,
                ApplyAction::FORW,
                Some(to(DestinationInterface::CORE, None)),
            ),
            far(2, ApplyAction::FORW, Some(bare)),
        ],
    );
    request.create_qers = vec![
        qer(1),
        pfcp::CreateQer {
            maximum_bitrate: None,
            ..qer(2)
        },
    ];
    let usage = |id, before| pfcp::CreateUrr {
        measurement_period: Some(pfcp::MeasurementPeriod(10)),
        measurement_information: Some(before),
        volume_threshold: pfcp::VolumeThreshold::new(pfcp::Volumes {
            uplink: Some(1000),
            downlink: Some(1000),
            ..Default::default()
        }),
        ..urr(id, ReportingTriggers::PERIO | ReportingTriggers::VOLTH)
    };
    request.create_urrs = vec![
        usage(1, MeasurementInformation::MBQE),
        usage(2, MeasurementInformation::empty()),
    ];
    let (seid, answer) = world.establish(&request);
    assert!(answer.created_pdrs.is_empty());
    // The packets have nowhere to go yet, and must not leave without a tunnel.
    let index = world.node.sessions().next().unwrap().0;
    let snapshot = world.readers[0].snapshot();
    let plan = snapshot.session(index).unwrap();
    let step = plan.steps().find(|step| step.pdr == PdrId(2)).unwrap();
    assert_eq!(step.act, session::plan::Act::NoTunnel);
    assert_eq!(
        (step.meters().count(), step.usages().count(), step.qfi),
        (1, 2, Qfi::new(1))
    );
    let tunnel = pdr_of(&world, seid, 1).pdi.local_f_teid.unwrap();
    assert_eq!((tunnel.teid.0, tunnel.interface), (1, InterfaceId(0)));

    // The CP F-SEID comes with each modification, flags with each FAR, priority with each message.
    let mut update = activate(7, "10.10.3.101");
    update.update_fars[0].far_id = 2.into();
    let parameters = update.update_fars[0]
        .update_forwarding_parameters
        .as_mut()
        .unwrap();
    parameters.flags = Some(pfcp::PfcpSmReqFlags::empty());
    update.cp_f_seid = Some(pfcp::FSeid::new(1, ip(SMF)));
    let header = Header {
        seid: Some(seid),
        sequence: pfcp::Sequence::new(77),
        priority: pfcp::Priority::new(12),
        follow_on: false,
    };
    let mut octets = vec![];
    pfcp::encode(&header, &update, &mut octets).unwrap();
    let answer = world.octets(smf(), &octets).remove(0);
    assert_eq!(
        answer.header,
        Header {
            seid: Some(1),
            ..header
        }
    );
    let Message::SessionModificationResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert!(
        world
            .commands
            .iter()
            .all(|(_, c)| !matches!(c, session::report::Command::EndMarker { .. }))
    );
}

#[test]
fn sd_core_asks_for_an_f_teid_without_a_family_and_names_no_network_downlink() {
    let mut world = World::associated();
    let access = Pdi {
        local_f_teid: Some(FTeid::Choose {
            ipv4: false,
            ipv6: false,
            choose_id: None,
        }),
        network_instance: Some(plain("internet")),
        ue_ip_addresses: vec![ue_ip(ue(1), false)],
        ..Default::default()
    };
    let core = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: Some(plain("")),
        ue_ip_addresses: vec![ue_ip(ue(1), false)],
        ..Default::default()
    };
    let mut sgi = to(DestinationInterface::SGI_LAN, None);
    sgi.network_instance = Some(plain(""));
    let request = request(
        vec![pdr(1, 255, 1, access), pdr(2, 255, 2, core)],
        vec![
            far(1, ApplyAction::FORW, Some(sgi)),
            far(2, ApplyAction::DROP, None),
        ],
    );
    let (seid, answer) = world.establish(&request);
    let FTeid::Given { addresses, .. } = answer.created_pdrs[0].local_f_teids[0] else {
        panic!()
    };
    assert_eq!(addresses, ip(N3).into());
    assert_eq!(
        far_of(&world, seid, 1).forwarding.unwrap().vrf,
        Some(InterfaceId(2))
    );
    assert_eq!(pdr_of(&world, seid, 2).pdi.vrf, Some(InterfaceId(2)));
    // Idle: forwarding parameters without a tunnel leave the tunnel as it was.
    world.modify(seid, &{
        let mut update = activate(7, "10.10.3.101");
        update.update_fars[0].far_id = 2.into();
        update
    });
    let mut idle = idle();
    idle.update_fars[0].far_id = 2.into();
    idle.update_fars[0].bar_id = Update::Keep;
    idle.update_fars[0].update_forwarding_parameters = Some(pfcp::UpdateForwardingParameters {
        destination_interface: Some(DestinationInterface::ACCESS),
        ..Default::default()
    });
    assert_eq!(world.modify(seid, &idle).cause, Cause::REQUEST_ACCEPTED);
    let far = far_of(&world, seid, 2);
    assert_eq!(far.action, Action::Buffer { notify: true });
    assert!(far.forwarding.unwrap().outer_header_creation.is_some());
    // The deletion carries a CP F-SEID.
    let deletion = pfcp::SessionDeletionRequest {
        cp_f_seid: Some(pfcp::FSeid::new(1, ip(SMF))),
        ..Default::default()
    };
    let Message::SessionDeletionResponse(answer) = world.ask(Some(seid), &deletion) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
}

#[test]
fn oai_comes_with_its_own_seid_and_removes_rules_when_idle() {
    let mut world = World::associated();
    let access = |precedence| {
        let pdi = Pdi {
            local_f_teid: Some(FTeid::Choose {
                ipv4: true,
                ipv6: false,
                choose_id: Some(42),
            }),
            network_instance: Some(plain("internet")),
            ue_ip_addresses: vec![ue_ip(ue(1), false)],
            qfis: vec![pfcp::Qfi::new(5).unwrap()],
            sdf_filters: vec![SdfFilter::flow("permit out ip from any to assigned").unwrap()],
            ..Default::default()
        };
        pdr(1, precedence, 1, pdi)
    };
    let core = |id, precedence| {
        let mut pdi = downlink_pdi(1);
        pdi.network_instance = None;
        pdr(id, precedence, 2, pdi)
    };
    let forward = || {
        far(
            1,
            ApplyAction::FORW,
            Some(to(DestinationInterface::CORE, None)),
        )
    };
    let mut request = request(vec![access(1)], vec![forward()]);
    request.create_urrs = vec![pfcp::CreateUrr {
        measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
        measurement_period: Some(pfcp::MeasurementPeriod(10)),
        time_threshold: Some(pfcp::TimeThreshold(5)),
        volume_threshold: pfcp::VolumeThreshold::new(pfcp::Volumes {
            downlink: Some(1000),
            ..Default::default()
        }),
        ..urr(
            1,
            ReportingTriggers::PERIO | ReportingTriggers::VOLTH | ReportingTriggers::TIMTH,
        )
    }];
    request.create_pdrs[0].urr_ids = vec![1.into()];
    // The header carries the SMF's own SEID, not zero.
    let answer = world.ask_from(smf(), Some(1), &request);
    let Message::SessionEstablishmentResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
    let seid = answer.up_f_seid.unwrap().seid;
    // The downlink comes with the N2 response …
    let tunnel = || {
        far(
            2,
            ApplyAction::FORW,
            Some(to(DestinationInterface::ACCESS, Some((9, "10.10.3.101")))),
        )
    };
    let add = SessionModificationRequest {
        create_pdrs: vec![core(2, 2)],
        create_fars: vec![tunnel()],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &add).cause, Cause::REQUEST_ACCEPTED);
    // … and goes when the UE is idle.
    let remove = SessionModificationRequest {
        remove_pdrs: vec![pfcp::RemovePdr {
            pdr_id: 2.into(),
            ..Default::default()
        }],
        remove_fars: vec![pfcp::RemoveFar {
            far_id: 2.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &remove).cause, Cause::REQUEST_ACCEPTED);
    let add = SessionModificationRequest {
        create_pdrs: vec![core(2, 3)],
        create_fars: vec![tunnel()],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &add).cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(pdr_of(&world, seid, 2).pdi.vrf, Some(InterfaceId(2)));
}

#[test]
fn indirect_forwarding_goes_from_access_to_access() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let forwarding = Pdi {
        local_f_teid: Some(choose(Some(10))),
        network_instance: Some(labels("internet")),
        qfis: vec![pfcp::Qfi::new(1).unwrap()],
        source_interface_type: Some(pfcp::InterfaceType::UPF_UL_FORWARDING),
        ..Default::default()
    };
    let mut pdr = pdr(5, 4096, 5, forwarding);
    pdr.qer_ids = vec![1.into()];
    let add = SessionModificationRequest {
        create_pdrs: vec![pdr],
        create_fars: vec![far(
            5,
            ApplyAction::FORW,
            Some(to(DestinationInterface::ACCESS, Some((9, "10.10.3.102")))),
        )],
        ..Default::default()
    };
    let answer = world.modify(seid, &add);
    assert_eq!(answer.created_pdrs.len(), 1);
    let index = world.node.sessions().next().unwrap().0;
    let snapshot = world.readers[0].snapshot();
    let plan = snapshot.session(index).unwrap();
    let step = plan.steps().find(|step| step.pdr == PdrId(5)).unwrap();
    assert_eq!(step.tunnel(), Some((session::Teid(9), ip("10.10.3.102"))));
    assert_eq!(
        (step.direction, step.check_source),
        (session::rule::Direction::Downlink, false)
    );
    let remove = SessionModificationRequest {
        remove_pdrs: vec![pfcp::RemovePdr {
            pdr_id: 5.into(),
            ..Default::default()
        }],
        remove_fars: vec![pfcp::RemoveFar {
            far_id: 5.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &remove).cause, Cause::REQUEST_ACCEPTED);
}

#[test]
fn a_choose_id_is_one_f_teid_over_messages() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let first = pdr_of(&world, seid, 2).pdi.local_f_teid;
    let add = SessionModificationRequest {
        create_pdrs: vec![pdr(6, 10, 2, uplink_pdi())],
        ..Default::default()
    };
    let answer = world.modify(seid, &add);
    let FTeid::Given { teid, .. } = answer.created_pdrs[0].local_f_teids[0] else {
        panic!()
    };
    assert_eq!(Some(teid), first.map(|tunnel| tunnel.teid.0));
    assert_eq!(pdr_of(&world, seid, 6).pdi.local_f_teid, first);
}

#[test]
fn a_partial_pdi_keeps_the_rest_and_a_whole_one_replaces_it() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let before = pdr_of(&world, seid, 2);
    let update = |pdi: Pdi| SessionModificationRequest {
        update_pdrs: vec![UpdatePdr {
            pdr_id: 2.into(),
            pdi: Some(pdi),
            ..Default::default()
        }],
        ..Default::default()
    };
    let filter = SdfFilter::flow("permit out 17 from any 53 to assigned").unwrap();
    let partial = Pdi {
        sdf_filters: vec![filter],
        ..Default::default()
    };
    assert_eq!(
        world.modify(seid, &update(partial)).cause,
        Cause::REQUEST_ACCEPTED
    );
    let after = pdr_of(&world, seid, 2);
    assert_eq!(
        (&after.pdi.local_f_teid, &after.pdi.qfis),
        (&before.pdi.local_f_teid, &before.pdi.qfis)
    );
    assert_eq!(after.pdi.sdf_filters.len(), 1);
    // With the F-TEID it is whole: no filters any more, no QFI.
    let whole = Pdi {
        local_f_teid: Some(choose(Some(5))),
        ..Default::default()
    };
    assert_eq!(
        world.modify(seid, &update(whole)).cause,
        Cause::REQUEST_ACCEPTED
    );
    let after = pdr_of(&world, seid, 2);
    assert_eq!(after.pdi.local_f_teid, before.pdi.local_f_teid);
    assert!(after.pdi.sdf_filters.is_empty() && after.pdi.qfis.is_empty());
}

#[test]
fn a_filter_changes_for_all_that_refer_to_it_and_outlives_its_first_pdr() {
    let mut world = World::associated();
    let named = |text: Option<&str>| {
        SdfFilter::new(pfcp::SdfConditions {
            flow_description: text.and_then(pfcp::FlowDescription::new),
            filter_id: Some(1),
            ..Default::default()
        })
        .unwrap()
    };
    let mut request = open5gs(9);
    // The reference comes before the definition.
    request.create_pdrs.reverse();
    request.create_pdrs[2].pdi.sdf_filters = vec![named(None)];
    request.create_pdrs[3].pdi.sdf_filters = vec![named(Some("permit out 6 from any to assigned"))];
    let (seid, _) = world.establish(&request);
    let filters = |world: &World, id| pdr_of(world, seid, id).pdi.sdf_filters;
    assert_eq!(filters(&world, 1), filters(&world, 2));
    let update = SessionModificationRequest {
        update_pdrs: vec![UpdatePdr {
            pdr_id: 1.into(),
            pdi: Some(Pdi {
                source_interface: SourceInterface::CORE,
                sdf_filters: vec![named(Some("permit out 17 from any to assigned"))],
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &update).cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(
        filters(&world, 2)[0].flow.as_ref().unwrap().protocol,
        Some(17)
    );
    let remove = SessionModificationRequest {
        remove_pdrs: vec![pfcp::RemovePdr {
            pdr_id: 1.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    world.modify(seid, &remove);
    assert_eq!(
        filters(&world, 2)[0].flow.as_ref().unwrap().protocol,
        Some(17)
    );
    // A reference to what nobody defined matches nothing; it is refused.
    let mut request = open5gs(10);
    request.create_pdrs[1].pdi.sdf_filters = vec![
        SdfFilter::new(pfcp::SdfConditions {
            filter_id: Some(9),
            ..Default::default()
        })
        .unwrap(),
    ];
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.offending_ie, Some(pfcp::OffendingIe(23)));
}

#[test]
fn gates_rates_and_references_are_updated_and_removed() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let update = SessionModificationRequest {
        update_qers: vec![pfcp::UpdateQer {
            qer_id: 1.into(),
            gate_status: Some(pfcp::GateStatus::of(true, false)),
            maximum_bitrate: Update::Remove,
            guaranteed_bitrate: pfcp::Gbr {
                uplink: pfcp::Kbps::saturating(1),
                downlink: pfcp::Kbps::saturating(2),
            }
            .into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &update).cause, Cause::REQUEST_ACCEPTED);
    let qer = world.rules(seid).qers.remove(0);
    assert_eq!(
        (qer.uplink_gate, qer.downlink_gate),
        (Gate::Open, Gate::Closed)
    );
    assert_eq!(
        (qer.mbr, qer.gbr.unwrap().downlink_kbps, qer.qfi),
        (None, 2, Qfi::new(1))
    );
    // All URRs off PDR 1 by one IE of no length; QER 1 gone, and references to it.
    let update = SessionModificationRequest {
        remove_qers: vec![pfcp::RemoveQer {
            qer_id: 1.into(),
            ..Default::default()
        }],
        update_pdrs: vec![UpdatePdr {
            pdr_id: 1.into(),
            urr_ids: Update::Remove,
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &update).cause, Cause::REQUEST_ACCEPTED);
    assert!(
        world
            .rules(seid)
            .pdrs
            .iter()
            .all(|pdr| pdr.qers.is_empty() && pdr.urrs.is_empty())
    );
    // A FAR goes only with the PDRs that need it.
    let remove = SessionModificationRequest {
        remove_fars: vec![pfcp::RemoveFar {
            far_id: 2.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(
        world.modify(seid, &remove).cause,
        Cause::RULE_CREATION_MODIFICATION_FAILURE
    );
    // Two operations on one rule.
    let mut twice = idle();
    twice.remove_fars = vec![pfcp::RemoveFar {
        far_id: 1.into(),
        ..Default::default()
    }];
    let answer = world.modify(seid, &twice);
    assert_eq!(
        answer.failed_rule_id,
        Some(pfcp::FailedRuleId::Far(1.into()))
    );
}

#[test]
fn a_bar_bounds_what_is_held() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request
        .create_bar
        .as_mut()
        .unwrap()
        .suggested_buffering_packets_count = Some(pfcp::SuggestedBufferingPacketsCount(7));
    let (seid, _) = world.establish(&request);
    let index = world.node.sessions().next().unwrap().0;
    assert_eq!(
        world.readers[0]
            .snapshot()
            .session(index)
            .unwrap()
            .buffer_packets,
        7
    );
    let remove = SessionModificationRequest {
        remove_bar: Some(pfcp::RemoveBar {
            bar_id: pfcp::BarId(1),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &remove).cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(
        world.readers[0]
            .snapshot()
            .session(index)
            .unwrap()
            .buffer_packets,
        64
    );
}

#[test]
fn ipv6_prefixes_of_any_length() {
    let mut world = World::associated();
    for (n, (prefix, want)) in [
        (None, Some(64)),
        (Some(Prefix::Length(56)), Some(56)),
        (Some(Prefix::Delegation(4)), Some(60)),
        (Some(Prefix::Length(128)), Some(128)),
        (Some(Prefix::Length(0)), None),
        (Some(Prefix::Length(129)), None),
        (Some(Prefix::Delegation(64)), None),
    ]
    .into_iter()
    .enumerate()
    {
        let n = u8::try_from(n).unwrap();
        let mut request = open5gs(n + 1);
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![pfcp::UeIpAddress {
            prefix,
            ..pfcp::UeIpAddress::destination(format!("2001:db8:{n}::1").parse().unwrap())
        }];
        let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
            panic!()
        };
        match want {
            Some(length) => {
                let seid = answer.up_f_seid.unwrap().seid;
                assert_eq!(world.rules(seid).ue.ipv6.unwrap().prefix_len(), length);
            }
            None => assert_eq!(
                answer.offending_ie,
                Some(pfcp::OffendingIe(93)),
                "{prefix:?}"
            ),
        }
    }
}

#[test]
fn networks_are_told_apart_by_name() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    for pdr in &mut request.create_pdrs {
        pdr.pdi.network_instance = pdr.pdi.network_instance.as_ref().map(|_| plain("IMS"));
    }
    request.create_fars[1]
        .forwarding_parameters
        .as_mut()
        .unwrap()
        .network_instance = None;
    request.apn_dnn = Some(pfcp::ApnDnn(pfcp::Octets::labels("ims")));
    let (seid, _) = world.establish(&request);
    assert_eq!(pdr_of(&world, seid, 1).pdi.vrf, Some(InterfaceId(3)));
    assert_eq!(
        far_of(&world, seid, 2).forwarding.unwrap().vrf,
        Some(InterfaceId(3))
    );
    // A name that is not known here falls back to the DNN (OAI's list of network instances).
    let mut request = open5gs(10);
    request.create_pdrs[0].pdi.network_instance = Some(plain("core.oai.org"));
    let (seid, _) = world.establish(&request);
    assert_eq!(pdr_of(&world, seid, 1).pdi.vrf, Some(InterfaceId(2)));
}
