//! Requests that have in them all that is carried out.

use pfcp::{
    ApplyAction, GateStatus, Pdi, SdfFilter, SessionEstablishmentRequest,
    SessionModificationRequest,
};

use super::tree::Tree;
use super::{
    SMF, activate, association, choose, encode, ethernet, far, ip, labels, open5gs, pdr, qer,
    uplink_pdi, urr,
};

/// Sound requests with all kinds of rules in them, and the SEID that they are about.
pub fn requests(victim: u64) -> Vec<(Tree, u64)> {
    let octets = |seid, request: &dyn Fn() -> Vec<u8>| (Tree::of(&request()).unwrap(), seid);
    let update = pfcp::AssociationUpdateRequest {
        node_id: ip(SMF).into(),
        cp_function_features: Some(pfcp::CpFunctionFeatures::empty()),
        ..Default::default()
    };
    let release = pfcp::AssociationReleaseRequest {
        node_id: ip(SMF).into(),
        ..Default::default()
    };
    let csid = pfcp::FqCsid {
        node: pfcp::CsidNode::Ipv4(SMF.parse().unwrap()),
        csids: pfcp::Several::new(vec![7]).unwrap(),
        node_type: pfcp::Bits::new(2),
    };
    let delete_set = pfcp::SessionSetDeletionRequest {
        node_id: ip(SMF).into(),
        fq_csids: vec![csid.clone()],
        ..Default::default()
    };
    let move_set = pfcp::SessionSetModificationRequest {
        node_id: ip(SMF).into(),
        session_change_infos: [pfcp::SessionChangeInfo {
            pgw_c_smf_fq_csids: vec![csid],
            alternative_smf_pgw_c_ip_address: pfcp::AlternativeSmfIpAddress {
                ipv4: Some(SMF.parse().unwrap()),
                ..Default::default()
            },
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    };
    // Not beside the removal of that BAR.
    let update_bar = SessionModificationRequest {
        update_bar: Some(pfcp::UpdateBar {
            bar_id: pfcp::BarId(1),
            suggested_buffering_packets_count: pfcp::Update::Set(
                pfcp::SuggestedBufferingPacketsCount(9),
            ),
            ..Default::default()
        }),
        ..Default::default()
    };
    vec![
        octets(0, &|| encode(None, 1, &association())),
        octets(0, &|| encode(None, 1, &pfds())),
        octets(0, &|| encode(None, 1, &delete_set)),
        octets(0, &|| encode(None, 1, &move_set)),
        octets(0, &|| encode(None, 1, &update)),
        octets(0, &|| encode(None, 1, &release)),
        octets(0, &|| encode(Some(0), 1, &whole_establishment())),
        octets(0, &|| encode(Some(0), 1, &ethernet_establishment())),
        octets(victim, &|| encode(Some(victim), 1, &whole_modification())),
        octets(victim, &|| encode(Some(victim), 1, &update_bar)),
    ]
}

/// A sound modification of the victim's FAR towards the data network, for what only such a FAR has.
pub fn towards_core(victim: u64) -> Tree {
    let request = SessionModificationRequest {
        update_fars: vec![pfcp::UpdateFar {
            far_id: 1.into(),
            update_forwarding_parameters: Some(pfcp::UpdateForwardingParameters {
                network_instance: pfcp::Update::Set(labels("internet")),
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    };
    Tree::of(&encode(Some(victim), 1, &request)).unwrap()
}

/// What the application `video` is.
pub fn pfds() -> pfcp::PfdManagementRequest {
    let text = "permit out 17 from 192.0.2.0/24 443 to assigned";
    let contents = pfcp::PfdContents {
        flow_description: pfcp::wire::Long::new(text),
        ..Default::default()
    };
    let context = pfcp::PfdContext {
        pfd_contents: [contents].into(),
        ..Default::default()
    };
    let application = pfcp::ApplicationIdsPfds {
        application_id: pfcp::ApplicationId("video".into()),
        pfd_contexts: vec![context],
        ..Default::default()
    };
    pfcp::PfdManagementRequest {
        applications: vec![application],
        node_id: Some(ip(SMF).into()),
        ..Default::default()
    }
}

/// A tunnel's end by itself.
pub fn endpoint(id: u8) -> pfcp::CreateTrafficEndpoint {
    pfcp::CreateTrafficEndpoint {
        traffic_endpoint_id: pfcp::TrafficEndpointId(id),
        local_f_teid: Some(choose(None)),
        network_instance: Some(labels("internet")),
        ..Default::default()
    }
}

/// An establishment that has all that is carried out.
pub fn whole_establishment() -> SessionEstablishmentRequest {
    let mut request = open5gs(11);
    request.create_pdrs[1].pdi.sdf_filters = vec![
        SdfFilter::new(pfcp::SdfConditions {
            flow_description: pfcp::FlowDescription::new(
                "permit out 17 from 10.0.0.0/8 53 to assigned",
            ),
            tos_traffic_class: Some(pfcp::TosTrafficClass {
                value: 0x20,
                mask: 0xfc,
            }),
            filter_id: Some(7),
            ..Default::default()
        })
        .unwrap(),
    ];
    request.create_pdrs[0].pdi.framed_routes = vec![pfcp::FramedRoute("10.46.7.0/24".into())];
    request.create_traffic_endpoints = vec![endpoint(1)];
    let at_endpoint = Pdi {
        traffic_endpoint_ids: vec![pfcp::TrafficEndpointId(1)],
        ..Default::default()
    };
    request.create_pdrs.push(pfcp::CreatePdr {
        activate_predefined_rules: vec![pfcp::ActivatePredefinedRules("gold".into())],
        ..pdr(9, 9, 2, at_endpoint)
    });
    let urr = &mut request.create_urrs[0];
    urr.measurement_period = Some(pfcp::MeasurementPeriod(60));
    urr.time_threshold = Some(pfcp::TimeThreshold(60));
    urr.volume_quota = Some(pfcp::VolumeQuota::of_total(1 << 40));
    request
        .create_bar
        .as_mut()
        .unwrap()
        .suggested_buffering_packets_count = Some(pfcp::SuggestedBufferingPacketsCount(9));
    request
}

/// An establishment of an Ethernet session that has all that is carried out.
pub fn ethernet_establishment() -> SessionEstablishmentRequest {
    let mut request = ethernet(12);
    let mac = |last| Some(pfcp::Mac([2, 0, 0, 0, 0, last]));
    let tag = pfcp::VlanTag {
        vid: pfcp::Bits16::new(5),
        ..pfcp::VlanTag::default()
    };
    request.create_pdrs[0].pdi.ethernet_packet_filters = vec![pfcp::EthernetPacketFilter {
        ethernet_filter_id: Some(pfcp::EthernetFilterId(3)),
        ethernet_filter_properties: Some(pfcp::EthernetFilterProperties::BIDE),
        mac_addresses: vec![pfcp::MacAddress {
            source: mac(1),
            upper_source: mac(2),
            ..pfcp::MacAddress::default()
        }],
        ethertype: Some(pfcp::Ethertype(0x0800)),
        c_tag: Some(pfcp::CTag(tag)),
        s_tag: Some(pfcp::STag(tag)),
        sdf_filters: SdfFilter::flow("permit out 17 from any 53 to any")
            .into_iter()
            .collect(),
        ..Default::default()
    }];
    request.create_urrs[0].ethernet_inactivity_timer = Some(pfcp::EthernetInactivityTimer(60));
    request.create_traffic_endpoints = vec![pfcp::CreateTrafficEndpoint {
        traffic_endpoint_id: pfcp::TrafficEndpointId(1),
        network_instance: Some(labels("lan")),
        ethernet_pdu_session_information: Some(pfcp::EthernetPduSessionInformation::ETHI),
        ..Default::default()
    }];
    request
}

fn update_pdr() -> pfcp::UpdatePdr {
    pfcp::UpdatePdr {
        pdr_id: 4.into(),
        precedence: Some(77.into()),
        far_id: pfcp::Update::Set(2.into()),
        activate_predefined_rules: vec![pfcp::ActivatePredefinedRules("gold".into())],
        deactivate_predefined_rules: vec![pfcp::DeactivatePredefinedRules("silver".into())],
        pdi: Some(Pdi {
            sdf_filters: vec![SdfFilter::flow("permit out 58 from any to assigned").unwrap()],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A modification of the victim with an operation of every kind.
pub fn whole_modification() -> SessionModificationRequest {
    let update_qer = pfcp::UpdateQer {
        qer_id: 1.into(),
        gate_status: Some(GateStatus::OPEN),
        ..Default::default()
    };
    let update_urr = pfcp::UpdateUrr {
        urr_id: 1.into(),
        reporting_triggers: Some(pfcp::ReportingTriggers::VOLTH),
        ..Default::default()
    };
    let remove_pdr = pfcp::RemovePdr {
        pdr_id: 3.into(),
        ..Default::default()
    };
    let query = pfcp::QueryUrr {
        urr_id: 1.into(),
        ..Default::default()
    };
    SessionModificationRequest {
        remove_pdrs: vec![remove_pdr],
        remove_fars: vec![pfcp::RemoveFar {
            far_id: 3.into(),
            ..Default::default()
        }],
        remove_qers: vec![pfcp::RemoveQer {
            qer_id: 2.into(),
            ..Default::default()
        }],
        remove_urrs: vec![pfcp::RemoveUrr {
            urr_id: 2.into(),
            ..Default::default()
        }],
        remove_traffic_endpoints: vec![pfcp::RemoveTrafficEndpoint {
            traffic_endpoint_id: pfcp::TrafficEndpointId(4),
            ..Default::default()
        }],
        create_traffic_endpoints: vec![endpoint(5)],
        update_traffic_endpoints: vec![pfcp::UpdateTrafficEndpoint {
            traffic_endpoint_id: pfcp::TrafficEndpointId(3),
            network_instance: pfcp::Update::Set(labels("internet")),
            ..Default::default()
        }],
        remove_bar: Some(pfcp::RemoveBar {
            bar_id: pfcp::BarId(1),
            ..Default::default()
        }),
        create_bar: Some(pfcp::CreateBar {
            bar_id: pfcp::BarId(2),
            ..Default::default()
        }),
        create_pdrs: vec![pdr(20, 10, 20, uplink_pdi())],
        create_fars: vec![far(20, ApplyAction::DROP, None)],
        create_qers: vec![qer(20)],
        create_urrs: vec![urr(20, pfcp::ReportingTriggers::VOLTH)],
        update_pdrs: vec![update_pdr()],
        update_qers: vec![update_qer],
        update_urrs: vec![update_urr],
        query_urrs: vec![query],
        ..activate(0x0202, "10.10.3.102")
    }
}
