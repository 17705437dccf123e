//! The messages of a load: what a session is made of, encoded once, with the places that differ
//! from session to session.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use pfcp::{
    ApplyAction, CreateFar, CreatePdr, CreateQer, CreateUrr, DestinationInterface, Encode,
    EncodeError, FSeid, FTeid, FarId, ForwardingParameters, GateStatus, Header, Kbps, Mbr,
    MeasurementMethod, NetworkInstance, NodeId, NonEmpty, Octets, OuterHeaderCreation,
    OuterHeaderRemoval, Pdi, PdrId, Precedence, QerId, Qfi, ReportingTriggers, SdfFilter,
    SessionDeletionRequest, SessionEstablishmentRequest, SessionModificationRequest,
    SourceInterface, UeIpAddress, UpdateFar, UpdateForwardingParameters, UrrId, VolumeThreshold,
    Wanted,
};
use serde::Serialize;

/// Values that stand in a template for what differs; no other octets of it look like them.
const CP_SEID: u64 = 0xa5c3_5a3c_9669_7e81;
const UE: Ipv4Addr = Ipv4Addr::from_bits(0xa96b_d531);
const UPLINK_TEID: u32 = 0x9ad3_b5e7;
const DOWNLINK_TEID: u32 = 0xc96a_3d5b;

/// Where SEID and sequence number stand in a session message.
const SEID_AT: usize = 4;
const SEQUENCE_AT: usize = 12;

/// What a session is made of.
#[derive(Clone, Debug, Serialize)]
pub struct Shape {
    /// PDRs, at least one: the first for uplink, the next for downlink, and so on in turn. Those after the first
    /// two have an SDF filter of their own.
    pub pdrs: u16,
    /// FARs, at least one: the first to the core, the others to the access side.
    pub fars: u32,
    /// QERs, each with an MBR and a QFI; PDRs take them in turn.
    pub qers: u32,
    /// URRs, each with a volume threshold; PDRs take them in turn.
    pub urrs: u32,
    /// The data network.
    pub network_instance: String,
    /// The UPF's N3 address: then the SMF gives the F-TEIDs, otherwise it lets the UPF choose.
    pub given_f_teids: Option<Ipv4Addr>,
    /// The first UE address; the others follow.
    pub first_ue: Ipv4Addr,
    /// The gNB's address.
    pub gnb: IpAddr,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            pdrs: 2,
            fars: 2,
            qers: 1,
            urrs: 1,
            network_instance: "internet".to_owned(),
            given_f_teids: None,
            first_ue: Ipv4Addr::new(10, 64, 0, 1),
            gnb: Ipv4Addr::new(10, 10, 3, 101).into(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pdrs,
            fars,
            qers,
            urrs,
            ..
        } = self;
        let f_teids = if self.given_f_teids.is_some() {
            "given"
        } else {
            "CHOOSE"
        };
        write!(
            f,
            "{pdrs} PDR, {fars} FAR, {qers} QER, {urrs} URR, F-TEID {f_teids}"
        )
    }
}

/// What differs from session to session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variables {
    /// The number of the session, from 0.
    pub(super) session: u32,
    /// The UPF's SEID, 0 while there is none.
    pub(super) seid: u64,
    pub(super) sequence: u32,
    /// The gNB's TEID.
    pub(super) downlink_teid: u32,
}

/// The SMF's SEID of a session, never 0.
pub(super) fn cp_seid(session: u32) -> u64 {
    u64::from(session) + 1
}

/// A request of which only some octets differ from session to session.
#[derive(Clone, Debug)]
pub(super) struct Template {
    octets: Vec<u8>,
    patches: Vec<(usize, Patch)>,
    first_ue: u32,
    /// The type of the answer.
    pub(super) response_type: u8,
}

#[derive(Clone, Copy, Debug)]
enum Patch {
    CpSeid,
    Ue,
    UplinkTeid,
    DownlinkTeid,
}

impl Template {
    fn new(shape: &Shape, message: &impl Encode) -> Result<Self, EncodeError> {
        let mut octets = Vec::new();
        pfcp::encode(&Header::session(0, 0), message, &mut octets)?;
        let mut patches = Vec::new();
        let mut find = |pattern: &[u8], patch| {
            let places = octets.windows(pattern.len()).enumerate();
            let places = places.filter(|(_, window)| *window == pattern);
            patches.extend(places.map(|(at, _)| (at, patch)));
        };
        find(&CP_SEID.to_be_bytes(), Patch::CpSeid);
        find(&UE.octets(), Patch::Ue);
        find(&UPLINK_TEID.to_be_bytes(), Patch::UplinkTeid);
        find(&DOWNLINK_TEID.to_be_bytes(), Patch::DownlinkTeid);
        Ok(Self {
            octets,
            patches,
            first_ue: shape.first_ue.to_bits(),
            response_type: message.message_type() + 1,
        })
    }

    /// The request for one session; its octets are gone with the next one.
    pub(super) fn fill(&mut self, of: &Variables) -> &[u8] {
        let [_, sequence @ ..] = of.sequence.to_be_bytes();
        put(&mut self.octets, SEID_AT, &of.seid.to_be_bytes());
        put(&mut self.octets, SEQUENCE_AT, &sequence);
        for (at, patch) in &self.patches {
            match patch {
                Patch::CpSeid => put(&mut self.octets, *at, &cp_seid(of.session).to_be_bytes()),
                Patch::Ue => {
                    let ue = self.first_ue.wrapping_add(of.session);
                    put(&mut self.octets, *at, &ue.to_be_bytes());
                }
                Patch::UplinkTeid => put(&mut self.octets, *at, &(of.session + 1).to_be_bytes()),
                Patch::DownlinkTeid => put(&mut self.octets, *at, &of.downlink_teid.to_be_bytes()),
            }
        }
        &self.octets
    }
}

fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = octets.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// The requests of a session's life.
#[derive(Clone, Debug)]
pub(super) struct Templates {
    pub(super) establish: Template,
    pub(super) modify: Template,
    pub(super) delete: Template,
}

impl Templates {
    pub(super) fn new(shape: &Shape, local: IpAddr) -> Result<Self, EncodeError> {
        Ok(Self {
            establish: Template::new(shape, &establishment(shape, local))?,
            modify: Template::new(shape, &modification(shape))?,
            delete: Template::new(shape, &SessionDeletionRequest::default())?,
        })
    }
}

/// A PDU session as SMFs set it up before the gNB's tunnel is known: downlink is buffered.
fn establishment(shape: &Shape, local: IpAddr) -> SessionEstablishmentRequest {
    let mut create_pdrs = NonEmpty::from([create_pdr(shape, 1)]);
    create_pdrs.extend((2..=shape.pdrs).map(|id| create_pdr(shape, id)));
    let mut create_fars = NonEmpty::from([create_far(shape, 1)]);
    create_fars.extend((2..=shape.fars).map(|id| create_far(shape, id)));
    SessionEstablishmentRequest {
        node_id: NodeId::from(local),
        cp_f_seid: FSeid::new(CP_SEID, local),
        create_pdrs,
        create_fars,
        create_qers: (1..=shape.qers).map(create_qer).collect(),
        create_urrs: (1..=shape.urrs).map(create_urr).collect(),
        ..Default::default()
    }
}

/// The gNB's tunnel, for the downlink FAR: activation the first time, a handover afterwards.
fn modification(shape: &Shape) -> SessionModificationRequest {
    let parameters = UpdateForwardingParameters {
        destination_interface: Some(DestinationInterface::ACCESS),
        outer_header_creation: OuterHeaderCreation::gtp_u(DOWNLINK_TEID, shape.gnb).into(),
        ..Default::default()
    };
    SessionModificationRequest {
        update_fars: vec![UpdateFar {
            far_id: FarId(shape.fars.min(2)),
            apply_action: Some(ApplyAction::FORW),
            update_forwarding_parameters: Some(parameters),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn instance(shape: &Shape) -> NetworkInstance {
    NetworkInstance(Octets::labels(&shape.network_instance))
}

/// The one of `count` rules that falls to the PDR of that number.
fn turn(pdr: u16, count: u32) -> impl Iterator<Item = u32> {
    let rule = (u32::from(pdr) - 1).checked_rem(count);
    rule.into_iter().map(|rule| rule + 1)
}

fn create_pdr(shape: &Shape, id: u16) -> CreatePdr {
    let is_uplink = id % 2 == 1;
    let ue = UeIpAddress {
        destination: !is_uplink,
        ipv4: Some(Wanted::Given(UE)),
        ..Default::default()
    };
    let f_teid = shape.given_f_teids.map_or(
        FTeid::Choose {
            ipv4: true,
            ipv6: false,
            choose_id: Some(1),
        },
        |address| FTeid::given(UPLINK_TEID, address.into()),
    );
    let filter = format!("permit out ip from 192.0.2.{} to assigned", id % 256);
    let far = if is_uplink { 1 } else { shape.fars.min(2) };
    CreatePdr {
        pdr_id: PdrId(id),
        precedence: Precedence(1000 - u32::from(id).min(999)),
        pdi: Pdi {
            source_interface: if is_uplink {
                SourceInterface::ACCESS
            } else {
                SourceInterface::CORE
            },
            local_f_teid: is_uplink.then_some(f_teid),
            network_instance: Some(instance(shape)),
            ue_ip_addresses: vec![ue],
            sdf_filters: (id > 2)
                .then(|| SdfFilter::flow(&filter))
                .flatten()
                .into_iter()
                .collect(),
            ..Default::default()
        },
        outer_header_removal: is_uplink.then_some(OuterHeaderRemoval::GTP_U_UDP_IP),
        far_id: Some(FarId(far)),
        qer_ids: turn(id, shape.qers).map(QerId).collect(),
        urr_ids: turn(id, shape.urrs).map(UrrId).collect(),
        ..Default::default()
    }
}

fn create_far(shape: &Shape, id: u32) -> CreateFar {
    let to_core = ForwardingParameters {
        destination_interface: DestinationInterface::CORE,
        network_instance: Some(instance(shape)),
        ..Default::default()
    };
    CreateFar {
        far_id: FarId(id),
        apply_action: if id == 1 {
            ApplyAction::FORW
        } else {
            ApplyAction::BUFF | ApplyAction::NOCP
        },
        forwarding_parameters: (id == 1).then_some(to_core),
        ..Default::default()
    }
}

fn create_qer(id: u32) -> CreateQer {
    CreateQer {
        qer_id: QerId(id),
        gate_status: GateStatus::OPEN,
        maximum_bitrate: Some(Mbr {
            uplink: Kbps::saturating(1_000_000),
            downlink: Kbps::saturating(1_000_000),
        }),
        qfi: Qfi::new(9),
        ..Default::default()
    }
}

fn create_urr(id: u32) -> CreateUrr {
    CreateUrr {
        urr_id: UrrId(id),
        measurement_method: MeasurementMethod::VOLUM,
        reporting_triggers: ReportingTriggers::VOLTH,
        volume_threshold: Some(VolumeThreshold::of_total(1 << 30)),
        ..Default::default()
    }
}
