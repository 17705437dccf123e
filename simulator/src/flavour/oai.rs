//! The rules of OAI, which has none for the downlink but while there is a tunnel.

use pfcp::{
    ApplyAction, CreateFar, CreatePdr, CreateUrr, DestinationInterface, FTeid, FarId,
    ForwardingParameters, InterfaceType, MeasurementMethod, MeasurementPeriod, OuterHeaderRemoval,
    Pdi, PdrId, Precedence, Qfi, RemoveFar, RemovePdr, ReportingTriggers, SdfFilter,
    SessionEstablishmentRequest, SessionModificationRequest, SourceInterface, TimeThreshold,
    UeIpAddress, UrrId, VolumeThreshold, Volumes, Wanted,
};

use super::{DOWNLINK, SessionSpec, UPLINK, to_core, towards, ue_ip};
use crate::session::{Session, Tunnel};

pub(super) fn establish(spec: &SessionSpec, body: &mut SessionEstablishmentRequest) {
    let urr_ids = if spec.volume_threshold.is_some() {
        vec![UrrId(1)]
    } else {
        Vec::new()
    };
    let uplink = Pdi {
        source_interface: SourceInterface::ACCESS,
        local_f_teid: Some(FTeid::Choose {
            ipv4: true,
            ipv6: false,
            choose_id: Some(42),
        }),
        network_instance: Some(spec.flavour.network_instance(&spec.dnn)),
        ue_ip_addresses: vec![ue_ip(spec, false)],
        sdf_filters: SdfFilter::flow("permit out ip from any to assigned")
            .into_iter()
            .collect(),
        qfis: Qfi::new(spec.qfi).into_iter().collect(),
        source_interface_type: Some(InterfaceType::N3),
        ..Default::default()
    };
    body.create_pdrs = [CreatePdr {
        pdr_id: PdrId(UPLINK),
        precedence: Precedence(1),
        pdi: uplink,
        outer_header_removal: Some(OuterHeaderRemoval::GTP_U_UDP_IPV4),
        far_id: Some(FarId(UPLINK.into())),
        urr_ids,
        ..Default::default()
    }]
    .into();
    body.create_fars = [to_core(
        UPLINK.into(),
        Some(spec.flavour.network_instance(&spec.dnn)),
    )]
    .into();
    if spec.volume_threshold.is_some() {
        let triggers =
            ReportingTriggers::PERIO | ReportingTriggers::VOLTH | ReportingTriggers::TIMTH;
        body.create_urrs = vec![CreateUrr {
            urr_id: UrrId(1),
            measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
            reporting_triggers: triggers,
            measurement_period: Some(MeasurementPeriod(10)),
            volume_threshold: VolumeThreshold::new(Volumes {
                downlink: Some(1000),
                ..Default::default()
            }),
            time_threshold: Some(TimeThreshold(5)),
            ..Default::default()
        }];
    }
}

/// What opens the way to the gNB: the downlink rules come.
pub(super) fn activation(session: &Session, tunnel: Tunnel) -> SessionModificationRequest {
    let address = UeIpAddress {
        destination: true,
        ipv4: session.ue_ipv4.map(Wanted::Given),
        ipv6: session.ue_ipv6.map(Wanted::Given),
        prefix: None,
    };
    let pdr = CreatePdr {
        pdr_id: PdrId(DOWNLINK),
        precedence: Precedence(1 + session.generation),
        pdi: Pdi {
            source_interface: SourceInterface::CORE,
            network_instance: Some(session.flavour.network_instance(&session.dnn)),
            ue_ip_addresses: vec![address],
            source_interface_type: Some(InterfaceType::N6),
            ..Default::default()
        },
        far_id: Some(FarId(DOWNLINK.into())),
        ..Default::default()
    };
    let far = CreateFar {
        far_id: FarId(DOWNLINK.into()),
        apply_action: ApplyAction::FORW,
        forwarding_parameters: Some(ForwardingParameters {
            destination_interface: DestinationInterface::ACCESS,
            network_instance: Some(session.flavour.network_instance(&session.dnn)),
            outer_header_creation: Some(towards(tunnel)),
            ..Default::default()
        }),
        ..Default::default()
    };
    SessionModificationRequest {
        create_pdrs: vec![pdr],
        create_fars: vec![far],
        ..Default::default()
    }
}

/// What makes the UE idle: the downlink rules go.
pub(super) fn idle() -> SessionModificationRequest {
    SessionModificationRequest {
        remove_pdrs: vec![RemovePdr {
            pdr_id: PdrId(DOWNLINK),
            ..Default::default()
        }],
        remove_fars: vec![RemoveFar {
            far_id: FarId(DOWNLINK.into()),
            ..Default::default()
        }],
        ..Default::default()
    }
}
