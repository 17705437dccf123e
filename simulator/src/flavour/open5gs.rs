//! The rules of Open5GS: four PDRs, of which two are for router advertisements.

use pfcp::{
    ApnDnn, ApplyAction, BarId, CreateBar, CreateFar, CreatePdr, DestinationInterface, FTeid,
    FarId, ForwardingParameters, InterfaceType, NonEmpty, Octets, OuterHeaderRemoval, Pdi, PdrId,
    Precedence, QerId, Qfi, SNssai, SdfFilter, SessionEstablishmentRequest, SourceInterface, U24,
    UrrId,
};

use super::{
    BUFFER_AND_NOTIFY, HUNDRED_MIB, Sender, SessionSpec, ambr, pdn_type, qer, to_core, towards,
    ue_ip, volume_urr,
};
use crate::session::Tunnel;

pub(super) fn establish(
    spec: &SessionSpec,
    number: u32,
    sender: &Sender<'_>,
    body: &mut SessionEstablishmentRequest,
) {
    body.create_pdrs = pdrs(spec);
    body.create_fars = fars(spec, number, sender);
    body.create_urrs = vec![volume_urr(1, spec.volume_threshold.unwrap_or(HUNDRED_MIB))];
    body.create_qers = vec![qer(1, spec, Some(ambr(spec)))];
    body.create_bar = Some(CreateBar {
        bar_id: BarId(1),
        ..Default::default()
    });
    body.pdn_type = Some(pdn_type(spec));
    body.apn_dnn = Some(ApnDnn(Octets::labels(&spec.dnn)));
    body.s_nssai = Some(SNssai {
        sst: 1,
        sd: U24::MAX,
    });
}

fn pdrs(spec: &SessionSpec) -> NonEmpty<CreatePdr> {
    let instance = || Some(spec.flavour.network_instance(&spec.dnn));
    let choose = |choose_id| FTeid::Choose {
        ipv4: true,
        ipv6: true,
        choose_id,
    };
    let removal = Some(OuterHeaderRemoval::GTP_U_UDP_IP);
    let n3 = |filters: Vec<SdfFilter>, qfis: Vec<Qfi>| Pdi {
        source_interface: SourceInterface::ACCESS,
        local_f_teid: Some(choose(Some(5))),
        network_instance: instance(),
        sdf_filters: filters,
        qfis,
        source_interface_type: Some(InterfaceType::N3),
        ..Default::default()
    };
    let pdr = |id: u16, precedence: u32, far: u32, pdi: Pdi| CreatePdr {
        pdr_id: PdrId(id),
        precedence: Precedence(precedence),
        pdi,
        far_id: Some(FarId(far)),
        ..Default::default()
    };
    let downlink = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: instance(),
        ue_ip_addresses: vec![ue_ip(spec, true)],
        source_interface_type: Some(InterfaceType::N6),
        ..Default::default()
    };
    let from_cp = Pdi {
        source_interface: SourceInterface::CP_FUNCTION,
        local_f_teid: Some(choose(None)),
        ..Default::default()
    };
    let uplink = n3(Vec::new(), Qfi::new(spec.qfi).into_iter().collect());
    let solicitation = SdfFilter::flow("permit out 58 from ff02::2/128 to assigned");
    let to_cp = n3(solicitation.into_iter().collect(), Vec::new());
    let (urr_ids, qer_ids) = (vec![UrrId(1)], vec![QerId(1)]);
    [
        CreatePdr {
            urr_ids,
            qer_ids: qer_ids.clone(),
            ..pdr(1, 65_535, 1, downlink)
        },
        CreatePdr {
            outer_header_removal: removal,
            qer_ids,
            ..pdr(2, 65_535, 2, uplink)
        },
        CreatePdr {
            outer_header_removal: removal,
            ..pdr(3, 255, 1, from_cp)
        },
        CreatePdr {
            outer_header_removal: removal,
            ..pdr(4, 255, 3, to_cp)
        },
    ]
    .into()
}

fn fars(spec: &SessionSpec, number: u32, sender: &Sender<'_>) -> NonEmpty<CreateFar> {
    let mut core = to_core(2, Some(spec.flavour.network_instance(&spec.dnn)));
    if let Some(parameters) = &mut core.forwarding_parameters {
        parameters.destination_interface_type = Some(InterfaceType::N6);
    }
    let to_gnb = CreateFar {
        far_id: FarId(1),
        apply_action: BUFFER_AND_NOTIFY,
        bar_id: Some(BarId(1)),
        ..Default::default()
    };
    let cp_tunnel = Tunnel {
        address: sender.address,
        teid: number.wrapping_add(1),
    };
    let to_cp = CreateFar {
        far_id: FarId(3),
        apply_action: ApplyAction::FORW,
        forwarding_parameters: Some(ForwardingParameters {
            destination_interface: DestinationInterface::CP_FUNCTION,
            outer_header_creation: Some(towards(cp_tunnel)),
            ..Default::default()
        }),
        ..Default::default()
    };
    [to_gnb, core, to_cp].into()
}
