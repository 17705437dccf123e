//! The rules of SD-Core.

use pfcp::{
    ApplyAction, CreateFar, CreatePdr, DestinationInterface, FTeid, FarId, NetworkInstance,
    OuterHeaderRemoval, Pdi, PdnType, PdrId, Precedence, QerId, SessionEstablishmentRequest,
    SourceInterface, UeIpAddress, UpFunctionFeatures, Wanted,
};

use super::{DOWNLINK, Sender, SessionSpec, UPLINK, ambr, qer, to_core};

pub(super) fn establish(
    spec: &SessionSpec,
    sender: &Sender<'_>,
    body: &mut SessionEstablishmentRequest,
) {
    let instance = || Some(spec.flavour.network_instance(&spec.dnn));
    let nothing = || Some(NetworkInstance::default());
    // It asks the UPF for an address as soon as the UPF says that it can.
    let choose_ipv4 = sender.features.contains(UpFunctionFeatures::UEIP) || spec.ue_ipv4.is_none();
    let ue = UeIpAddress {
        ipv4: if choose_ipv4 {
            Some(Wanted::Choose)
        } else {
            spec.ue_ipv4.map(Wanted::Given)
        },
        ..Default::default()
    };
    let pdr = |id: u16, pdi: Pdi| CreatePdr {
        pdr_id: PdrId(id),
        precedence: Precedence(255),
        pdi,
        far_id: Some(FarId(id.into())),
        qer_ids: vec![QerId(1), QerId(2)],
        ..Default::default()
    };
    let uplink = Pdi {
        source_interface: SourceInterface::ACCESS,
        local_f_teid: Some(FTeid::Choose {
            ipv4: false,
            ipv6: false,
            choose_id: None,
        }),
        network_instance: instance(),
        ue_ip_addresses: vec![ue],
        ..Default::default()
    };
    let downlink = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: nothing(),
        ue_ip_addresses: vec![ue],
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
    let mut core = to_core(UPLINK.into(), instance());
    if let Some(parameters) = &mut core.forwarding_parameters {
        parameters.destination_interface = DestinationInterface::SGI_LAN;
    }
    let closed = CreateFar {
        far_id: FarId(DOWNLINK.into()),
        apply_action: ApplyAction::DROP,
        ..Default::default()
    };
    body.create_fars = [core, closed].into();
    body.create_qers = vec![qer(1, spec, None), qer(2, spec, Some(ambr(spec)))];
    body.pdn_type = Some(PdnType::IPV4);
}
