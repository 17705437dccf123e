//! Rules as the packet path needs them (TS 29.244, 5.2). The control side makes them from PFCP and
//! refuses there what cannot be carried out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use smallvec::SmallVec;

use crate::ethernet::{EthernetFilter, EthernetFilters, Stations};
use crate::id::{
    BarId, FarId, InterfaceId, NextHopId, PdrId, Precedence, QerId, Qfi, Seid, Teid, UrrId,
};
use crate::sdf::SdfFilter;

/// Everything an SMF has installed for one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Our SEID for the session.
    pub seid: Seid,
    /// What the session carries.
    pub pdn: Pdn,
    /// The UE's addresses, gathered from all PDIs.
    pub ue: UeAddress,
    /// PDRs without a URR count, too, so that [`Installed::packets`](crate::plan::Installed::packets)
    /// tells whether packets flow.
    pub watched: bool,
    /// Packet detection rules, in no order; an id and a [`part`](Pdr::part) are there once.
    pub pdrs: Vec<Pdr>,
    /// Tunnels that stay the session's, whether or not a PDR uses them now.
    pub held: Option<Box<HeldTunnels>>,
    /// Forwarding action rules; ids are unique.
    pub fars: Vec<Far>,
    /// QoS enforcement rules; ids are unique.
    pub qers: Vec<Qer>,
    /// Usage reporting rules; ids are unique.
    pub urrs: Vec<Urr>,
    /// Buffering action rules; ids are unique.
    pub bars: Vec<Bar>,
}

/// PDN Type (TS 29.244, 8.2.79): what a session carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pdn {
    /// IPv4, IPv6, or both.
    #[default]
    Ip,
    /// Ethernet frames, of these stations.
    Ethernet(Box<Stations>),
}

impl Pdn {
    /// The same, whose stations are heard apart from these.
    #[must_use]
    pub fn apart(&self) -> Self {
        match self {
            Self::Ip => Self::Ip,
            Self::Ethernet(stations) => Self::Ethernet(Box::new(stations.apart())),
        }
    }

    /// The stations of an Ethernet session.
    pub fn stations(&self) -> Option<&Stations> {
        match self {
            Self::Ip => None,
            Self::Ethernet(stations) => Some(stations),
        }
    }
}

/// Which way a packet goes, as seen from the UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the UE.
    Uplink,
    /// To the UE.
    Downlink,
}

/// Source Interface (TS 29.244, 8.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceInterface {
    /// From the radio side: N3, or N9 from the side of the UE.
    #[default]
    Access,
    /// From the data network: N6, or N9 from the side of the anchor.
    Core,
    /// From an N6-LAN; treated as [`Core`](Self::Core) by this UPF.
    SgiLan,
    /// From the SMF, over N4-u.
    CpFunction,
}

/// Destination Interface (TS 29.244, 8.2.24).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DestinationInterface {
    /// Towards the radio side.
    #[default]
    Access,
    /// Towards the data network.
    Core,
    /// Towards an N6-LAN; treated as [`Core`](Self::Core) by this UPF.
    SgiLan,
    /// To the SMF, over N4-u.
    CpFunction,
}

/// A local F-TEID (TS 29.244, 8.2.3): a TEID at one of our GTP-U entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalFTeid {
    /// The endpoint.
    pub teid: Teid,
    /// The N3 or N9 interface at whose addresses it listens.
    pub interface: InterfaceId,
}

/// UE IP Address (TS 29.244, 8.2.62), without the direction flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UeAddress {
    /// The UE's IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// The UE's IPv6 prefix; /64 unless the SMF says otherwise.
    pub ipv6: Option<Ipv6Net>,
}

/// The tunnels of a session's traffic endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldTunnels(pub Vec<LocalFTeid>);

/// Framed-Route and Framed-IPv6-Route (TS 29.244, 8.2.109 and 8.2.111): networks behind the UE, each
/// once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FramedRoutes(pub Vec<IpNet>);

impl FramedRoutes {
    /// Whether `address` lies behind the UE.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|route| route.contains(&address))
    }
}

impl UeAddress {
    /// Whether `address` belongs to the UE.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4 == Some(address),
            IpAddr::V6(address) => self.ipv6.is_some_and(|prefix| prefix.contains(&address)),
        }
    }
    /// Whether neither family is present.
    pub const fn is_empty(&self) -> bool {
        self.ipv4.is_none() && self.ipv6.is_none()
    }
}

/// Packet detection rule (TS 29.244, 5.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pdr {
    /// Its id.
    pub id: PdrId,
    /// Which part of the PDR this is: one that names several traffic endpoints or predefined rules
    /// matches when any of its parts does, the lowest first.
    pub part: u8,
    /// Matches nothing for the time being, but keeps what it is found by: before its Activation
    /// Time, after its Deactivation Time.
    pub dormant: bool,
    /// When it is tried: lowest first.
    pub precedence: Precedence,
    /// What it matches.
    pub pdi: Pdi,
    /// Which outer header goes.
    pub outer_header_removal: Option<OuterHeaderRemoval>,
    /// What happens to the packet.
    pub far: FarId,
    /// QoS enforcement, all applied.
    pub qers: SmallVec<[QerId; 2]>,
    /// Usage measurement, all counted.
    pub urrs: SmallVec<[UrrId; 2]>,
}

/// Packet detection information (TS 29.244, 7.5.2.2-2): different fields are ANDed, several values
/// of one field ORed, an absent field matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pdi {
    /// Where the packet comes from.
    pub source_interface: SourceInterface,
    /// The tunnel it arrives in. Required when it arrives in one.
    pub local_f_teid: Option<LocalFTeid>,
    /// The N6 interface (VRF) that the Network Instance names; needed where the packet is found by
    /// its UE address.
    pub vrf: Option<InterfaceId>,
    /// The UE's address: the source of uplink packets, the destination of downlink ones.
    pub ue: Option<UeAddress>,
    /// Networks behind the UE, whose addresses match besides the UE's own. Where the PDI names no UE
    /// address they restrict nothing.
    pub framed: Option<Box<FramedRoutes>>,
    /// QFIs in the PDU session container; empty matches every packet.
    pub qfis: Vec<Qfi>,
    /// SDF filters, written for downlink; empty matches every packet.
    pub sdf_filters: Vec<SdfFilter>,
    /// Ethernet packet filters, in place of SDF filters; empty matches every frame.
    pub frames: Option<Box<EthernetFilters>>,
}

impl Pdi {
    /// Its Ethernet packet filters.
    pub fn ethernet_filters(&self) -> &[EthernetFilter] {
        self.frames.as_deref().map_or(&[], |filters| &filters.0)
    }
}

impl Rules {
    /// Tunnels that are the session's even while no PDR uses them.
    pub fn held(&self) -> &[LocalFTeid] {
        self.held.as_ref().map_or(&[], |held| &held.0)
    }

    /// All networks behind the UE that PDRs name.
    pub fn framed(&self) -> impl Iterator<Item = &IpNet> {
        self.pdrs
            .iter()
            .filter_map(|pdr| pdr.pdi.framed.as_deref())
            .flat_map(|framed| &framed.0)
    }

    /// Whether a packet may come from that address: the UE's, or one of a network behind it.
    pub fn is_ue(&self, address: IpAddr) -> bool {
        self.ue.contains(address) || self.framed().any(|route| route.contains(&address))
    }
}

/// Outer Header Removal (TS 29.244, 8.2.64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OuterHeaderRemoval {
    /// GTP-U/UDP/IPv4.
    GtpUdpIpv4,
    /// GTP-U/UDP/IPv6.
    GtpUdpIpv6,
    /// GTP-U/UDP over either.
    GtpUdpIp,
}

/// Forwarding action rule (TS 29.244, 5.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Far {
    /// Its id.
    pub id: FarId,
    /// What to do.
    pub action: Action,
    /// Where to; kept while the action is not to forward.
    pub forwarding: Option<Forwarding>,
    /// The buffering rule that applies while packets are held.
    pub bar: Option<BarId>,
}

/// Apply Action (TS 29.244, 8.2.26), the combinations that this UPF carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// DROP.
    Drop,
    /// FORW.
    Forward,
    /// BUFF, with NOCP if `notify`.
    Buffer {
        /// Tell the control side of the first packet held.
        notify: bool,
    },
}

/// Forwarding Parameters (TS 29.244, 7.5.2.3-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Which way out.
    pub destination: DestinationInterface,
    /// The N6 interface (VRF), for Core and SGi-LAN without an outer header.
    pub vrf: Option<InterfaceId>,
    /// The interface that a Forwarding Policy (8.2.23) names in place of the VRF.
    pub policy: Option<InterfaceId>,
    /// The tunnel to put the packet in.
    pub outer_header_creation: Option<OuterHeaderCreation>,
    /// DSCP of the outer header (Transport Level Marking, 8.2.12): the ToS octet, two low bits 0.
    pub tos: Option<u8>,
}

/// Outer Header Creation (TS 29.244, 8.2.56): GTP-U/UDP/IP, with all that the control side has
/// resolved about the way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OuterHeaderCreation {
    /// The peer's TEID.
    pub teid: Teid,
    /// The peer's address.
    pub peer: IpAddr,
    /// Our interface towards the peer, whose address becomes the outer source.
    pub interface: InterfaceId,
    /// Our address towards the peer.
    pub source: IpAddr,
    /// The next hop; `None` when no route leads there (such packets drop with a reason).
    pub next_hop: Option<NextHopId>,
}

/// Gate Status of one direction (TS 29.244, 8.2.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Packets pass.
    #[default]
    Open,
    /// Packets drop.
    Closed,
}

/// QoS enforcement rule (TS 29.244, 5.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qer {
    /// Its id.
    pub id: QerId,
    /// The uplink gate.
    pub uplink_gate: Gate,
    /// The downlink gate.
    pub downlink_gate: Gate,
    /// Maximum bitrate; `None` is unlimited.
    pub mbr: Option<BitRate>,
    /// Guaranteed bitrate: what is within it passes the operator's limits.
    pub gbr: Option<BitRate>,
    /// Averaging Window: over which the rates are meant.
    pub averaging_window_ms: Option<u32>,
    /// The QFI to write into the PDU session container.
    pub qfi: Option<Qfi>,
    /// Set the RQI bit on downlink packets (reflective QoS).
    pub rqi: bool,
    /// Paging policy indicator, 0 … 7.
    pub ppi: Option<u8>,
}

/// Bit rates of both directions, in kilobits (1000 bits) per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BitRate {
    /// Uplink.
    pub uplink_kbps: u64,
    /// Downlink.
    pub downlink_kbps: u64,
}

/// Usage reporting rule (TS 29.244, 5.2.2): what the packet path has to know of it.
///
/// Thresholds and triggers stay with the control side, which arms [`Usage`](crate::Usage).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Urr {
    /// Its id.
    pub id: UrrId,
    /// Count before QoS enforcement as well (MBQE).
    pub before: bool,
    /// Count downlink packets that are dropped.
    pub dropped: bool,
    /// The FAR that takes the place of the PDR's once the quota is used up (FAR ID for Quota
    /// Action); without one, packets are dropped then.
    pub quota_far: Option<FarId>,
}

impl Urr {
    /// Whether it asks for more than its counter.
    pub(crate) const fn asks_rarely(&self) -> bool {
        self.before || self.dropped || self.quota_far.is_some()
    }
}

/// Buffering action rule (TS 29.244, 5.2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bar {
    /// Its id.
    pub id: BarId,
    /// Suggested Buffering Packets Count: how many packets the session may hold.
    pub suggested_packets: Option<u8>,
    /// Downlink Data Notification Delay: how long the control side waits before it passes on that a
    /// packet is held.
    pub notification_delay_ms: u16,
    /// Extended buffering, while it lasts.
    pub extended: Option<ExtendedBuffering>,
}

/// Extended buffering of downlink packets (TS 29.244, 5.2.4.1): they are kept for longer, and nobody
/// is told of more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedBuffering {
    /// How long packets are kept.
    pub seconds: u32,
    /// How many; `None` is as many as without.
    pub packets: Option<u16>,
    /// When it ends, by the clock of the control side.
    pub until_ms: u64,
}

/// The `/64` around an IPv6 address, which is what PFCP means by a UE's IPv6 address without a
/// prefix length (TS 29.244, 5.21).
pub fn ue_prefix(address: Ipv6Addr) -> Ipv6Net {
    Ipv6Net::new(address, 64).map_or_else(|_| address.into(), |net| net.trunc())
}
