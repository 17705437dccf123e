//! What the SMFs that people run send over N4: rules and their oddities.
//!
//! Open5GS is as recorded from it (a test compares with the recording); free5GC, SD-Core and OAI
//! are as their sources say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pfcp::{
    ApnDnn, ApplyAction, BarId, CreateBar, CreateFar, CreatePdr, CreateQer, CreateUrr,
    DestinationInterface, FSeid, FTeid, FarId, ForwardingParameters, GateStatus, InterfaceType,
    Kbps, Mbr, MeasurementInformation, MeasurementMethod, MeasurementPeriod, NetworkInstance,
    NodeId, Octets, OuterHeaderCreation, OuterHeaderRemoval, Pdi, PdnType, PdrId, PfcpSmReqFlags,
    Precedence, QerId, Qfi, RemoveFar, RemovePdr, ReportingTriggers, SNssai, SdfFilter,
    SessionDeletionRequest, SessionEstablishmentRequest, SessionModificationRequest,
    SourceInterface, TimeThreshold, U24, UeIpAddress, UpFunctionFeatures, Update, UpdateFar,
    UpdateForwardingParameters, UrrId, VolumeThreshold,
};
use serde::{Deserialize, Serialize};

use crate::session::{Session, Tunnel};

/// Whose habits the simulated SMF has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// Nobody's: two PDRs, two FARs, a QER and a URR.
    #[default]
    Simple,
    /// Open5GS 2.8.
    Open5gs,
    /// free5GC's smf 1.4.
    Free5gc,
    /// SD-Core's smf 4.2 (omec-project).
    SdCore,
    /// The `oai-cn5g-smf` of `OpenAirInterface`.
    Oai,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Simple,
        Self::Open5gs,
        Self::Free5gc,
        Self::SdCore,
        Self::Oai,
    ];
}

/// What a PDU session is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSpec {
    /// Whose habits to have.
    pub flavour: Flavour,
    /// The DNN, which is also the network instance.
    pub dnn: String,
    /// The UE's IPv4 address. With no address at all the UPF is asked to choose one.
    pub ue_ipv4: Option<Ipv4Addr>,
    /// The UE's IPv6 address, interface identifier and all.
    pub ue_ipv6: Option<Ipv6Addr>,
    /// The QoS flow.
    pub qfi: u8,
    /// The uplink session AMBR.
    pub ambr_uplink_kbps: u64,
    /// The downlink session AMBR.
    pub ambr_downlink_kbps: u64,
    /// Report after this many octets. Open5GS always asks for a report per 100 MiB.
    pub volume_threshold: Option<u64>,
    /// The UPF's N3 address, for SMFs that choose the F-TEIDs themselves (free5GC).
    pub n3_address: Ipv4Addr,
    /// The gNB's tunnel, if it is known from the start (`Flavour::Simple` alone).
    pub gnb: Option<Tunnel>,
}

impl Default for SessionSpec {
    fn default() -> Self {
        Self {
            flavour: Flavour::Simple,
            dnn: "internet".to_owned(),
            ue_ipv4: None,
            ue_ipv6: None,
            qfi: 1,
            ambr_uplink_kbps: 100_000_000,
            ambr_downlink_kbps: 100_000_000,
            volume_threshold: None,
            n3_address: Ipv4Addr::UNSPECIFIED,
            gnb: None,
        }
    }
}

/// What the SMF itself adds to a request.
#[derive(Clone, Debug)]
pub(crate) struct Sender<'a> {
    pub(crate) node_id: &'a NodeId,
    pub(crate) address: IpAddr,
    pub(crate) features: UpFunctionFeatures,
}

/// A request, and what its header says beside the sequence number.
#[derive(Clone, Debug)]
pub(crate) struct Outline<T> {
    pub(crate) body: T,
    pub(crate) seid: u64,
    pub(crate) priority: Option<u8>,
}

const HUNDRED_MIB: u64 = 104_857_600;
const BUFFER_AND_NOTIFY: ApplyAction = ApplyAction::BUFF.union(ApplyAction::NOCP);

/// The PDR and FAR of the uplink, in all flavours but Open5GS.
const UPLINK: u16 = 1;
/// The PDR and FAR of the downlink, in all flavours but Open5GS.
const DOWNLINK: u16 = 2;

impl Flavour {
    /// The PDR whose F-TEID the gNB is told.
    pub(crate) const fn uplink_pdr(self) -> PdrId {
        match self {
            Self::Open5gs => PdrId(2),
            _ => PdrId(UPLINK),
        }
    }

    /// The FAR that leads to the gNB.
    pub(crate) const fn downlink_far(self) -> FarId {
        match self {
            Self::Open5gs => FarId(1),
            _ => FarId(2),
        }
    }

    /// The PDR for what the SMF itself sends to the UE.
    pub(crate) const fn cp_pdr(self) -> Option<PdrId> {
        match self {
            Self::Open5gs => Some(PdrId(3)),
            _ => None,
        }
    }

    /// Whether downlink rules tell the UPF a QFI.
    pub(crate) const fn marks_downlink(self) -> bool {
        !matches!(self, Self::Oai)
    }

    fn network_instance(self, dnn: &str) -> NetworkInstance {
        NetworkInstance(match self {
            Self::Simple | Self::Open5gs => Octets::labels(dnn),
            Self::Free5gc | Self::SdCore | Self::Oai => dnn.into(),
        })
    }
}

/// The F-TEID that an SMF which chooses itself gives a session.
pub(crate) fn own_f_teid(flavour: Flavour, number: u32, n3_address: Ipv4Addr) -> Option<FTeid> {
    (flavour == Flavour::Free5gc).then(|| FTeid::given(number.wrapping_add(1), n3_address.into()))
}

/// The Session Establishment Request.
pub(crate) fn establishment(
    spec: &SessionSpec,
    number: u32,
    cp_seid: u64,
    sender: &Sender<'_>,
) -> Outline<SessionEstablishmentRequest> {
    let (ipv4, ipv6) = match sender.address {
        IpAddr::V4(address) => (Some(address), None),
        IpAddr::V6(address) => (None, Some(address)),
    };
    let mut body = SessionEstablishmentRequest {
        node_id: sender.node_id.clone(),
        cp_f_seid: FSeid {
            seid: cp_seid,
            ipv4,
            ipv6,
        },
        ..Default::default()
    };
    match spec.flavour {
        Flavour::Simple => simple(spec, &mut body),
        Flavour::Open5gs => open5gs(spec, number, sender, &mut body),
        Flavour::Free5gc => free5gc(spec, number, &mut body),
        Flavour::SdCore => sd_core(spec, sender, &mut body),
        Flavour::Oai => oai(spec, &mut body),
    }
    let priority = matches!(spec.flavour, Flavour::Free5gc | Flavour::SdCore).then_some(0);
    // OAI sends its own SEID where there is none yet.
    let seid = if spec.flavour == Flavour::Oai {
        cp_seid
    } else {
        0
    };
    Outline {
        body,
        seid,
        priority,
    }
}

fn pdn_type(spec: &SessionSpec) -> PdnType {
    match (spec.ue_ipv4, spec.ue_ipv6) {
        (_, None) => PdnType::IPV4,
        (None, Some(_)) => PdnType::IPV6,
        (Some(_), Some(_)) => PdnType::IPV4V6,
    }
}

fn ue_ip(spec: &SessionSpec, destination: bool) -> UeIpAddress {
    let nothing = spec.ue_ipv4.is_none() && spec.ue_ipv6.is_none();
    UeIpAddress {
        destination,
        choose_ipv4: nothing,
        ipv4: spec.ue_ipv4,
        ipv6: spec.ue_ipv6,
        ..Default::default()
    }
}

fn ambr(spec: &SessionSpec) -> Mbr {
    Mbr {
        uplink: Kbps(spec.ambr_uplink_kbps),
        downlink: Kbps(spec.ambr_downlink_kbps),
    }
}

fn qer(id: u32, spec: &SessionSpec, maximum_bitrate: Option<Mbr>) -> CreateQer {
    CreateQer {
        qer_id: QerId(id),
        gate_status: GateStatus(0),
        maximum_bitrate,
        qfi: Some(Qfi(spec.qfi)),
        ..Default::default()
    }
}

fn to_core(id: u32, network_instance: Option<NetworkInstance>) -> CreateFar {
    CreateFar {
        far_id: FarId(id),
        apply_action: ApplyAction::FORW,
        forwarding_parameters: Some(ForwardingParameters {
            destination_interface: DestinationInterface::CORE,
            network_instance,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn towards(tunnel: Tunnel) -> OuterHeaderCreation {
    OuterHeaderCreation::gtp_u(tunnel.teid, tunnel.address)
}

fn simple(spec: &SessionSpec, body: &mut SessionEstablishmentRequest) {
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
    let downlink = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: instance(),
        ue_ip_addresses: vec![ue_ip(spec, true)],
        ..Default::default()
    };
    let removal = Some(OuterHeaderRemoval::GTP_U_UDP_IP);
    body.create_pdrs = vec![
        CreatePdr {
            outer_header_removal: removal,
            ..pdr(UPLINK, uplink)
        },
        pdr(DOWNLINK, downlink),
    ];
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
    body.create_fars = vec![to_core(UPLINK.into(), instance()), to_gnb];
    body.create_qers = vec![qer(1, spec, Some(ambr(spec)))];
    body.create_urrs = vec![volume_urr(1, spec.volume_threshold.unwrap_or(HUNDRED_MIB))];
    body.pdn_type = Some(pdn_type(spec));
}

fn volume_urr(id: u32, total: u64) -> CreateUrr {
    CreateUrr {
        urr_id: UrrId(id),
        measurement_method: MeasurementMethod::VOLUM,
        reporting_triggers: ReportingTriggers::VOLTH,
        volume_threshold: Some(VolumeThreshold {
            total: Some(total),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn open5gs(
    spec: &SessionSpec,
    number: u32,
    sender: &Sender<'_>,
    body: &mut SessionEstablishmentRequest,
) {
    body.create_pdrs = open5gs_pdrs(spec);
    body.create_fars = open5gs_fars(spec, number, sender);
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
        sd: U24(0x00ff_ffff),
    });
}

fn open5gs_pdrs(spec: &SessionSpec) -> Vec<CreatePdr> {
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
    let uplink = n3(Vec::new(), vec![Qfi(spec.qfi)]);
    let solicitation = SdfFilter::flow("permit out 58 from ff02::2/128 to assigned");
    let to_cp = n3(vec![solicitation], Vec::new());
    let (urr_ids, qer_ids) = (vec![UrrId(1)], vec![QerId(1)]);
    vec![
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
}

fn open5gs_fars(spec: &SessionSpec, number: u32, sender: &Sender<'_>) -> Vec<CreateFar> {
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
    vec![to_gnb, core, to_cp]
}

fn free5gc(spec: &SessionSpec, number: u32, body: &mut SessionEstablishmentRequest) {
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
    body.create_pdrs = vec![
        CreatePdr {
            outer_header_removal: removal,
            ..pdr(UPLINK, uplink)
        },
        pdr(DOWNLINK, downlink),
    ];
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
    body.create_fars = vec![to_core(UPLINK.into(), instance()), nowhere];
    body.create_qers = vec![qer(1, spec, None), qer(2, spec, Some(ambr(spec)))];
    if let Some(octets) = spec.volume_threshold {
        let urr = |id, information| CreateUrr {
            urr_id: UrrId(id),
            measurement_method: MeasurementMethod::VOLUM,
            reporting_triggers: ReportingTriggers::PERIO | ReportingTriggers::VOLTH,
            measurement_period: Some(MeasurementPeriod(10)),
            volume_threshold: Some(VolumeThreshold {
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

fn sd_core(spec: &SessionSpec, sender: &Sender<'_>, body: &mut SessionEstablishmentRequest) {
    let instance = || Some(spec.flavour.network_instance(&spec.dnn));
    let nothing = || Some(NetworkInstance::default());
    // It asks the UPF for an address as soon as the UPF says that it can.
    let choose_ipv4 = sender.features.contains(UpFunctionFeatures::UEIP) || spec.ue_ipv4.is_none();
    let ue = UeIpAddress {
        choose_ipv4,
        ipv4: spec.ue_ipv4.filter(|_| !choose_ipv4),
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
        ue_ip_addresses: vec![ue.clone()],
        ..Default::default()
    };
    let downlink = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: nothing(),
        ue_ip_addresses: vec![ue],
        ..Default::default()
    };
    let removal = Some(OuterHeaderRemoval::GTP_U_UDP_IPV4);
    body.create_pdrs = vec![
        CreatePdr {
            outer_header_removal: removal,
            ..pdr(UPLINK, uplink)
        },
        pdr(DOWNLINK, downlink),
    ];
    let mut core = to_core(UPLINK.into(), instance());
    if let Some(parameters) = &mut core.forwarding_parameters {
        parameters.destination_interface = DestinationInterface::SGI_LAN;
    }
    let closed = CreateFar {
        far_id: FarId(DOWNLINK.into()),
        apply_action: ApplyAction::DROP,
        ..Default::default()
    };
    body.create_fars = vec![core, closed];
    body.create_qers = vec![qer(1, spec, None), qer(2, spec, Some(ambr(spec)))];
    body.pdn_type = Some(PdnType::IPV4);
}

fn oai(spec: &SessionSpec, body: &mut SessionEstablishmentRequest) {
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
        sdf_filters: vec![SdfFilter::flow("permit out ip from any to assigned")],
        qfis: vec![Qfi(spec.qfi)],
        source_interface_type: Some(InterfaceType::N3),
        ..Default::default()
    };
    body.create_pdrs = vec![CreatePdr {
        pdr_id: PdrId(UPLINK),
        precedence: Precedence(1),
        pdi: uplink,
        outer_header_removal: Some(OuterHeaderRemoval::GTP_U_UDP_IPV4),
        far_id: Some(FarId(UPLINK.into())),
        urr_ids,
        ..Default::default()
    }];
    body.create_fars = vec![to_core(
        UPLINK.into(),
        Some(spec.flavour.network_instance(&spec.dnn)),
    )];
    if spec.volume_threshold.is_some() {
        let triggers =
            ReportingTriggers::PERIO | ReportingTriggers::VOLTH | ReportingTriggers::TIMTH;
        body.create_urrs = vec![CreateUrr {
            urr_id: UrrId(1),
            measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
            reporting_triggers: triggers,
            measurement_period: Some(MeasurementPeriod(10)),
            volume_threshold: Some(VolumeThreshold {
                downlink: Some(1000),
                ..Default::default()
            }),
            time_threshold: Some(TimeThreshold(5)),
            ..Default::default()
        }];
    }
}

/// A Session Modification Request with what each flavour puts around its content.
pub(crate) fn modification(
    session: &Session,
    sender: &Sender<'_>,
    mut body: SessionModificationRequest,
) -> Outline<SessionModificationRequest> {
    if matches!(session.flavour, Flavour::Free5gc | Flavour::SdCore) {
        let (ipv4, ipv6) = match sender.address {
            IpAddr::V4(address) => (Some(address), None),
            IpAddr::V6(address) => (None, Some(address)),
        };
        body.cp_f_seid = Some(FSeid {
            seid: session.cp_seid,
            ipv4,
            ipv6,
        });
    }
    let priority = (session.flavour == Flavour::Free5gc).then_some(12);
    Outline {
        body,
        seid: session.up_seid,
        priority,
    }
}

/// What opens the way to the gNB.
pub(crate) fn activation(session: &Session, tunnel: Tunnel) -> SessionModificationRequest {
    if session.flavour == Flavour::Oai {
        return oai_downlink(session, tunnel);
    }
    forward(session, tunnel, PfcpSmReqFlags::default())
}

/// What moves the way to another gNB, with an end marker on the old one if `end_marker`. OAI never
/// asks for one.
pub(crate) fn path_switch(
    session: &Session,
    tunnel: Tunnel,
    end_marker: bool,
) -> SessionModificationRequest {
    let flags = match session.flavour {
        Flavour::Oai => PfcpSmReqFlags::default(),
        _ if end_marker => PfcpSmReqFlags::SNDEM,
        _ => PfcpSmReqFlags::default(),
    };
    forward(session, tunnel, flags)
}

fn forward(session: &Session, tunnel: Tunnel, flags: PfcpSmReqFlags) -> SessionModificationRequest {
    let instance = match session.flavour {
        Flavour::SdCore => NetworkInstance::default(),
        flavour => flavour.network_instance(&session.dnn),
    };
    // free5GC always sends the flags, the others only set ones.
    let is_sent = session.flavour == Flavour::Free5gc || flags != PfcpSmReqFlags::default();
    let parameters = UpdateForwardingParameters {
        destination_interface: Some(DestinationInterface::ACCESS),
        // A length of zero would remove the instance; SD-Core leaves the IE out here.
        network_instance: if instance.0.is_empty() {
            Update::Keep
        } else {
            Update::Set(instance)
        },
        outer_header_creation: Update::Set(towards(tunnel)),
        flags: is_sent.then_some(flags),
        destination_interface_type: match session.flavour {
            Flavour::Open5gs => Update::Set(InterfaceType::N3),
            _ => Update::Keep,
        },
        ..Default::default()
    };
    let far = UpdateFar {
        far_id: session.flavour.downlink_far(),
        apply_action: Some(ApplyAction::FORW),
        update_forwarding_parameters: Some(parameters),
        ..Default::default()
    };
    SessionModificationRequest {
        update_fars: vec![far],
        ..Default::default()
    }
}

/// OAI has no downlink rules but while there is a tunnel.
fn oai_downlink(session: &Session, tunnel: Tunnel) -> SessionModificationRequest {
    let address = UeIpAddress {
        destination: true,
        ipv4: session.ue_ipv4,
        ipv6: session.ue_ipv6,
        ..Default::default()
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

/// What makes the UE idle.
pub(crate) fn idle(session: &Session) -> SessionModificationRequest {
    if session.flavour == Flavour::Oai {
        return SessionModificationRequest {
            remove_pdrs: vec![RemovePdr {
                pdr_id: PdrId(DOWNLINK),
                ..Default::default()
            }],
            remove_fars: vec![RemoveFar {
                far_id: FarId(DOWNLINK.into()),
                ..Default::default()
            }],
            ..Default::default()
        };
    }
    let parameters = || UpdateForwardingParameters {
        destination_interface: Some(DestinationInterface::ACCESS),
        ..Default::default()
    };
    let update_forwarding_parameters = match session.flavour {
        Flavour::Free5gc => Some(UpdateForwardingParameters {
            network_instance: Update::Set(session.flavour.network_instance(&session.dnn)),
            outer_header_creation: session
                .gnb
                .map_or(Update::Keep, |tunnel| Update::Set(towards(tunnel))),
            flags: Some(PfcpSmReqFlags::default()),
            ..parameters()
        }),
        Flavour::SdCore => Some(parameters()),
        _ => None,
    };
    let far = UpdateFar {
        far_id: session.flavour.downlink_far(),
        apply_action: Some(BUFFER_AND_NOTIFY),
        update_forwarding_parameters,
        bar_id: match session.flavour {
            Flavour::Open5gs => Update::Set(BarId(1)),
            _ => Update::Keep,
        },
        ..Default::default()
    };
    SessionModificationRequest {
        update_fars: vec![far],
        ..Default::default()
    }
}

/// The Session Deletion Request.
pub(crate) fn deletion(session: &Session, sender: &Sender<'_>) -> Outline<SessionDeletionRequest> {
    let mut body = SessionDeletionRequest::default();
    if session.flavour == Flavour::SdCore {
        let (ipv4, ipv6) = match sender.address {
            IpAddr::V4(address) => (Some(address), None),
            IpAddr::V6(address) => (None, Some(address)),
        };
        body.cp_f_seid = Some(FSeid {
            seid: session.cp_seid,
            ipv4,
            ipv6,
        });
    }
    let priority = matches!(session.flavour, Flavour::Free5gc | Flavour::SdCore).then_some(12);
    Outline {
        body,
        seid: session.up_seid,
        priority,
    }
}
