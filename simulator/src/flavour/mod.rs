//! What the SMFs that people run send over N4: rules and their oddities.
//!
//! Open5GS is as recorded from it (a test compares with the recording); free5GC, SD-Core and OAI
//! are as their sources say.

mod change;
mod free5gc;
mod oai;
mod open5gs;
mod sd_core;
mod simple;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pfcp::{
    ApplyAction, CreateFar, CreateQer, CreateUrr, DestinationInterface, FSeid, FTeid, FarId,
    ForwardingParameters, GateStatus, Kbps, Mbr, MeasurementMethod, NetworkInstance, NodeId,
    Octets, OuterHeaderCreation, PdnType, PdrId, QerId, Qfi, ReportingTriggers,
    SessionEstablishmentRequest, UeIpAddress, UpFunctionFeatures, UrrId, VolumeThreshold, Wanted,
};
use serde::{Deserialize, Serialize};

use crate::session::Tunnel;

pub use self::change::{activation, deletion, idle, modification, path_switch};

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
    /// The tunnel to the next UPF: this one is an intermediate UPF (`Flavour::Simple` alone).
    pub anchor: Option<Tunnel>,
    /// It carries Ethernet frames, and the UPF is asked to tell of stations behind the UE
    /// (`Flavour::Simple` alone).
    pub ethernet: bool,
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
            anchor: None,
            ethernet: false,
        }
    }
}

/// What the SMF itself adds to a request.
#[derive(Clone, Debug)]
pub struct Sender<'a> {
    /// Who it is.
    pub node_id: &'a NodeId,
    /// The address in its F-SEIDs.
    pub address: IpAddr,
    /// What the UPF has announced.
    pub features: UpFunctionFeatures,
}

/// A request, and what its header says beside the sequence number.
#[derive(Clone, Debug)]
pub struct Outline<T> {
    /// The request.
    pub body: T,
    /// The SEID in the header.
    pub seid: u64,
    /// The message priority, if the header has one.
    pub priority: Option<u8>,
}

const HUNDRED_MIB: u64 = 104_857_600;
const BUFFER_AND_NOTIFY: ApplyAction = ApplyAction::BUFF.union(ApplyAction::NOCP);

/// The PDR and FAR of the uplink, in all flavours but Open5GS.
const UPLINK: u16 = 1;
/// The PDR and FAR of the downlink, in all flavours but Open5GS.
const DOWNLINK: u16 = 2;
pub(crate) const DOWNLINK_PDR: PdrId = PdrId(DOWNLINK);

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
pub fn establishment(
    spec: &SessionSpec,
    number: u32,
    cp_seid: u64,
    sender: &Sender<'_>,
) -> Outline<SessionEstablishmentRequest> {
    let mut body = SessionEstablishmentRequest {
        node_id: sender.node_id.clone(),
        cp_f_seid: FSeid::new(cp_seid, sender.address),
        ..Default::default()
    };
    match spec.flavour {
        Flavour::Simple => simple::establish(spec, &mut body),
        Flavour::Open5gs => open5gs::establish(spec, number, sender, &mut body),
        Flavour::Free5gc => free5gc::establish(spec, number, &mut body),
        Flavour::SdCore => sd_core::establish(spec, sender, &mut body),
        Flavour::Oai => oai::establish(spec, &mut body),
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
        _ if spec.ethernet => PdnType::ETHERNET,
        (_, None) => PdnType::IPV4,
        (None, Some(_)) => PdnType::IPV6,
        (Some(_), Some(_)) => PdnType::IPV4V6,
    }
}

fn ue_ip(spec: &SessionSpec, destination: bool) -> UeIpAddress {
    let nothing = spec.ue_ipv4.is_none() && spec.ue_ipv6.is_none();
    UeIpAddress {
        destination,
        ipv4: if nothing {
            Some(Wanted::Choose)
        } else {
            spec.ue_ipv4.map(Wanted::Given)
        },
        ipv6: spec.ue_ipv6.map(Wanted::Given),
        prefix: None,
    }
}

fn ambr(spec: &SessionSpec) -> Mbr {
    Mbr {
        uplink: Kbps::saturating(spec.ambr_uplink_kbps),
        downlink: Kbps::saturating(spec.ambr_downlink_kbps),
    }
}

fn qer(id: u32, spec: &SessionSpec, maximum_bitrate: Option<Mbr>) -> CreateQer {
    CreateQer {
        qer_id: QerId(id),
        gate_status: GateStatus::OPEN,
        maximum_bitrate,
        qfi: Qfi::new(spec.qfi),
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

fn volume_urr(id: u32, total: u64) -> CreateUrr {
    CreateUrr {
        urr_id: UrrId(id),
        measurement_method: MeasurementMethod::VOLUM,
        reporting_triggers: ReportingTriggers::VOLTH,
        volume_threshold: Some(VolumeThreshold::of_total(total)),
        ..Default::default()
    }
}
