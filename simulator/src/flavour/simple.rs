//! Nobody's rules: the least that a PDU session needs, and a report.

use pfcp::{
    ApplyAction, CreateFar, CreatePdr, CreateUrr, DestinationInterface,
    EthernetPduSessionInformation, FTeid, FarId, ForwardingParameters, OuterHeaderRemoval, Pdi,
    PdrId, Precedence, QerId, ReportingTriggers, SessionEstablishmentRequest, SourceInterface,
    UeIpAddress, UrrId,
};

use super::{
    BUFFER_AND_NOTIFY, DOWNLINK, HUNDRED_MIB, SessionSpec, UPLINK, ambr, pdn_type, qer, to_core,
    towards, ue_ip, volume_urr,
};

pub(super) fn establish(spec: &SessionSpec, body: &mut SessionEstablishmentRequest) {
    let instance = || Some(spec.flavour.network_instance(&spec.dnn));
    let pdr = |id: u16, pdi: Pdi| CreatePdr {
        pdr_id: PdrId(id),
        precedence: Precedence(255),
        pdi,
        far_id: Some(FarId(id.into())),
        urr_ids: vec![UrrId(1)],
        qer_ids: vec![QerId(1)],
        ..Default::default()
    };
    let choose = FTeid::Choose {
        ipv4: true,
        ipv6: true,
        choose_id: None,
    };
    let uplink = Pdi {
        source_interface: SourceInterface::ACCESS,
        local_f_teid: Some(choose),
        network_instance: instance(),
        ..Default::default()
    };
    let removal = Some(OuterHeaderRemoval::GTP_U_UDP_IP);
    let downlink = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: instance(),
        // From the next UPF by a tunnel, from the data network to the UE's address.
        local_f_teid: spec.anchor.map(|_| choose),
        ue_ip_addresses: ues(spec),
        ethernet_pdu_session_information: spec
            .ethernet
            .then_some(EthernetPduSessionInformation::ETHI),
        ..Default::default()
    };
    body.create_pdrs = [
        CreatePdr {
            outer_header_removal: removal,
            ..pdr(UPLINK, uplink)
        },
        CreatePdr {
            outer_header_removal: removal.filter(|_| spec.anchor.is_some()),
            ..pdr(DOWNLINK, downlink)
        },
    ]
    .into();
    let to_gnb = CreateFar {
        far_id: FarId(DOWNLINK.into()),
        apply_action: if spec.gnb.is_some() {
            ApplyAction::FORW
        } else {
            BUFFER_AND_NOTIFY
        },
        forwarding_parameters: spec.gnb.map(|tunnel| ForwardingParameters {
            destination_interface: DestinationInterface::ACCESS,
            network_instance: instance(),
            outer_header_creation: Some(towards(tunnel)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut onwards = to_core(UPLINK.into(), instance());
    if let Some(to) = &mut onwards.forwarding_parameters {
        to.outer_header_creation = spec.anchor.map(towards);
    }
    body.create_fars = [onwards, to_gnb].into();
    body.create_qers = vec![qer(1, spec, Some(ambr(spec)))];
    body.create_urrs = vec![urr(spec)];
    body.pdn_type = Some(pdn_type(spec));
}

/// The UE's addresses: frames have none of these.
fn ues(spec: &SessionSpec) -> Vec<UeIpAddress> {
    let packets = (!spec.ethernet).then(|| ue_ip(spec, true));
    packets.into_iter().collect()
}

fn urr(spec: &SessionSpec) -> CreateUrr {
    let mut urr = volume_urr(1, spec.volume_threshold.unwrap_or(HUNDRED_MIB));
    if spec.ethernet {
        urr.reporting_triggers |= ReportingTriggers::MACAR;
    }
    urr
}
