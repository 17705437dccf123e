//! The rules of free5GC, which gives the F-TEID itself.

use pfcp::{
    ApplyAction, CreateFar, CreatePdr, CreateUrr, DestinationInterface, FarId,
    ForwardingParameters, MeasurementInformation, MeasurementMethod, MeasurementPeriod,
    OuterHeaderRemoval, Pdi, PdnType, PdrId, Precedence, QerId, ReportingTriggers,
    SessionEstablishmentRequest, SourceInterface, UrrId, VolumeThreshold, Volumes,
};

use super::{DOWNLINK, SessionSpec, UPLINK, ambr, own_f_teid, qer, to_core, ue_ip};

pub(super) fn establish(spec: &SessionSpec, number: u32, body: &mut SessionEstablishmentRequest) {
    let instance = || Some(spec.flavour.network_instance(&spec.dnn));
    let urr_ids = if spec.volume_threshold.is_some() {
        vec![UrrId(1), UrrId(2)]
    } else {
        Vec::new()
    };
    let pdr = |id: u16, pdi: Pdi| CreatePdr {
        pdr_id: PdrId(id),
        precedence: Precedence(255),
        pdi,
        far_id: Some(FarId(id.into())),
        urr_ids: urr_ids.clone(),
        qer_ids: vec![QerId(1), QerId(2)],
        ..Default::default()
    };
    let uplink = Pdi {
        source_interface: SourceInterface::ACCESS,
        local_f_teid: own_f_teid(spec.flavour, number, spec.n3_address),
        network_instance: instance(),
        ue_ip_addresses: vec![ue_ip(spec, false)],
        ..Default::default()
    };
    let downlink = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: instance(),
        ue_ip_addresses: vec![ue_ip(spec, true)],
        ..Default::default()
    };
    let removal = Some(OuterHeaderRemoval::GTP_U_UDP_IPV4);
    body.create_pdrs = [
        CreatePdr {
            outer_header_removal: removal,
            ..pdr(UPLINK, uplink)
        },
        pdr(DOWNLINK, downlink),
    ]
    .into();
    // Forwards, but does not yet say where to: nothing may leave.
    let nowhere = CreateFar {
        far_id: FarId(DOWNLINK.into()),
        apply_action: ApplyAction::FORW,
        forwarding_parameters: Some(ForwardingParameters {
            destination_interface: DestinationInterface::ACCESS,
            ..Default::default()
        }),
        ..Default::default()
    };
    body.create_fars = [to_core(UPLINK.into(), instance()), nowhere].into();
    body.create_qers = vec![qer(1, spec, None), qer(2, spec, Some(ambr(spec)))];
    if let Some(octets) = spec.volume_threshold {
        let urr = |id, information| CreateUrr {
            urr_id: UrrId(id),
            measurement_method: MeasurementMethod::VOLUM,
            reporting_triggers: ReportingTriggers::PERIO | ReportingTriggers::VOLTH,
            measurement_period: Some(MeasurementPeriod(10)),
            volume_threshold: VolumeThreshold::new(Volumes {
                uplink: Some(octets),
                downlink: Some(octets),
                ..Default::default()
            }),
            measurement_information: Some(information),
            ..Default::default()
        };
        body.create_urrs = vec![
            urr(1, MeasurementInformation::MBQE),
            urr(2, MeasurementInformation::default()),
        ];
    }
    body.pdn_type = Some(PdnType::IPV4);
}
