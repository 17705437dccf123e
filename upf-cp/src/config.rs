//! What the N4 node has to know, as plain values. The binary fills it from the configuration.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pfcp::NodeId;
use session::InterfaceId;
use session::meter::Burst;
use session::rule::BitRate;
use session::sdf::FlowDescription;

/// UDP port of PFCP (TS 29.244, 4.2.2).
pub const PFCP_PORT: u16 = 8805;

/// Everything that steers the node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Who we are in node messages (TS 29.244, 8.2.38).
    pub node_id: NodeId,
    /// Our N4 address, to which the socket is bound.
    pub address: IpAddr,
    /// Our N4 port.
    pub port: u16,
    /// The address in our F-SEIDs: another than `address` behind a NAT.
    pub advertise: IpAddr,
    /// The port that requests go to at peers.
    pub peer_port: u16,
    /// SMFs to which we start the association.
    pub smf: Vec<SocketAddr>,
    /// From where SMFs may associate, and their F-SEIDs may be; empty is from everywhere.
    pub allow: Vec<IpNet>,
    /// The Node IDs that may associate; empty is any.
    pub allow_nodes: Vec<NodeId>,
    /// Whether an associated Node ID may begin anew from another address.
    pub moves: Move,
    /// The pause before the second try to associate with an SMF; it doubles with each.
    pub associate_again_ms: u64,
    /// The longest such pause.
    pub associate_again_most_ms: u64,
    /// How long the sessions of an SMF that answers no heartbeat stay; 0 is for ever.
    pub delete_silent_after_ms: u64,
    /// How long an SMF may take to release an association when asked to.
    pub release_grace_ms: u64,
    /// Tell the DSCP of the first packet that is held (Paging Policy Indication; TS 29.244, 5.36).
    pub paging_policy: bool,
    /// How long to wait for an answer before the request is sent again (TS 29.244, 6.4).
    pub t1_ms: u64,
    /// How often a request is sent in all.
    pub n1: u32,
    /// The longest datagram that several messages share; 0 sends each by itself.
    pub bundle_octets: usize,
    /// The pause between heartbeats to an associated peer; 0 sends none.
    pub heartbeat_interval_ms: u64,
    /// How long answers are kept for requests that come again.
    pub response_hold_ms: u64,
    /// Bounds on all that a peer could let grow.
    pub limits: Limits,
    /// Packets that a session may hold when no BAR says otherwise.
    pub buffer_packets: u16,
    /// How far an SMF may extend that.
    pub extended_most: ExtendedMost,
    /// Cycles per second of the workers' clock.
    pub hz: u64,
    /// How much of its rate a policer lets through at once.
    pub burst: Burst,
    /// Limits of data networks.
    pub network_limits: Vec<NetworkLimits>,
    /// Limits of slices.
    pub slice_limits: Vec<SliceLimits>,
    /// How GTP-U peers are supervised.
    pub echo: Echo,
    /// The addresses that UEs are given here; without any, UEIP is not announced.
    pub ue_pools: Vec<UePool>,
    /// Addresses that no UE is given, with their networks: the kernel's ends of TAP ports.
    pub ue_reserved: Vec<IpNet>,
    /// Bounds on the addresses that SMFs give.
    pub ue_bounds: Vec<UeBounds>,
    /// Applications that are known without PFDs, which take their place.
    pub applications: Vec<Application>,
    /// Rules that SMFs activate by name; without any, ADPDP is not announced.
    pub predefined: PredefinedRules,
    /// What lines of the log say of who subscribers are.
    pub identities: Identities,
}

/// What is told of who a subscriber is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identities {
    /// All.
    Full,
    /// The network or realm, and the last two digits: enough to tell some from others.
    #[default]
    Masked,
    /// Nothing.
    None,
}

/// An application that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Application ID (TS 29.244, 8.2.6).
    pub id: String,
    /// Its packets match any of these.
    pub flows: Vec<FlowDescription>,
}

/// Predefined rules (TS 29.244, 5.19), and what they refer to: each number once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PredefinedRules {
    /// The rules; each name once.
    pub rules: Vec<PredefinedRule>,
    /// Forwarding action rules.
    pub fars: Vec<PredefinedFar>,
    /// QoS enforcement rules.
    pub qers: Vec<PredefinedQer>,
    /// Usage reporting rules.
    pub urrs: Vec<PredefinedUrr>,
}

/// A predefined rule. FARs, QERs and URRs are named by their numbers, without the highest bit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PredefinedRule {
    /// Predefined Rules Name (TS 29.244, 8.2.72).
    pub name: String,
    /// Another name, which activates all rules that have it.
    pub group: Option<String>,
    /// Which of several rules of a PDR is tried first: the lowest.
    pub precedence: u32,
    /// Its packets match any of these, or all do if there are none.
    pub flows: Vec<FlowDescription>,
    /// Its packets are those of the application, instead.
    pub application: Option<String>,
    /// What is done with them where the PDR names no FAR.
    pub far: Option<u32>,
    /// Besides those of the PDR.
    pub qers: Vec<u32>,
    /// Besides those of the PDR.
    pub urrs: Vec<u32>,
}

/// A predefined FAR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredefinedFar {
    /// Its number.
    pub number: u32,
    /// What it does.
    pub does: PredefinedAction,
}

/// What a predefined FAR does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PredefinedAction {
    /// Away with the packet.
    Drop,
    /// On to a data network: the one of that name, or the session's.
    Forward {
        /// The name of the network.
        network: Option<String>,
    },
}

/// A predefined QER.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PredefinedQer {
    /// Its number.
    pub number: u32,
    /// Whether uplink packets pass.
    pub uplink_open: bool,
    /// Whether downlink packets pass.
    pub downlink_open: bool,
    /// Maximum bitrate of the uplink, in kilobits per second.
    pub uplink_kbps: Option<u64>,
    /// Maximum bitrate of the downlink, in kilobits per second.
    pub downlink_kbps: Option<u64>,
    /// QFI, 1 to 63.
    pub qfi: Option<u8>,
}

/// A predefined URR: volume, reported at the latest when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PredefinedUrr {
    /// Its number.
    pub number: u32,
    /// Octets of both directions after which there is a report.
    pub volume_threshold_octets: Option<u64>,
    /// Seconds between reports.
    pub period_s: Option<u32>,
}

/// Addresses that UEs of a data network are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UePool {
    /// The name of the network, as the topology has it.
    pub network: String,
    /// Its N6 interface.
    pub vrf: InterfaceId,
    /// IPv4 networks, and IPv6 networks of which each UE has a /64; no two of an interface overlap.
    pub ranges: Vec<IpNet>,
    /// The UE IP address Pool Identity by which SMFs may ask for it (TS 29.244, 8.2.128).
    pub identity: Option<String>,
    /// The slices whose sessions have addresses of it; empty is for all.
    pub slices: Vec<Slice>,
}

/// A network slice (S-NSSAI; TS 23.003, 28.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Slice/Service Type.
    pub sst: u8,
    /// Slice Differentiator, 24 bits.
    pub sd: Option<u32>,
}

/// Where SMFs may give UEs addresses of some networks alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UeBounds {
    /// The N6 interface.
    pub vrf: InterfaceId,
    /// The networks.
    pub networks: Vec<IpNet>,
}

/// Bounds on extended buffering (DL Buffering Duration and Suggested Packet Count; TS 29.244,
/// 5.2.4.1): an SMF that wants more has so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedMost {
    /// How long packets are held.
    pub seconds: u32,
    /// How many of a session.
    pub packets: u16,
}

impl Default for ExtendedMost {
    fn default() -> Self {
        Self {
            seconds: 3_600,
            packets: 256,
        }
    }
}

/// Limits of a data network, above those of QERs. A rate of zero is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Its name in the topology.
    pub network: String,
    /// Of each session.
    pub session: BitRate,
    /// Of all sessions together.
    pub all: BitRate,
}

/// Limits of a slice, above those of QERs. A rate of zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceLimits {
    /// Without a Slice Differentiator it is every one of its type that has no limits of its own.
    pub slice: Slice,
    /// Of all its sessions together.
    pub all: BitRate,
}

/// Path supervision (TS 29.281, 7.2; TS 23.527, 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The pause between two Echo Requests to a peer; 0 sends none.
    pub interval_ms: u64,
    /// How long to wait for an Echo Response before the request is sent again.
    pub t3_ms: u64,
    /// How often a request is sent in all before the path counts as failed.
    pub n3: u32,
}

impl Default for Echo {
    fn default() -> Self {
        Self {
            interval_ms: 60_000,
            t3_ms: 3_000,
            n3: 3,
        }
    }
}

/// Whether an associated Node ID may begin anew from an address that is not known as its own: an
/// SMF that was moved does, and so does whoever wants to take its sessions away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// It may not.
    Never,
    /// It may once heartbeats to the old address are not answered.
    WhenSilent,
    /// It may.
    Always,
}

/// Bounds. Each has a counter and an answer of its own.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions of all peers.
    pub sessions: u32,
    /// Associations.
    pub peers: usize,
    /// PDRs of a session.
    pub pdrs_per_session: usize,
    /// FARs of a session.
    pub fars_per_session: usize,
    /// QERs of a session.
    pub qers_per_session: usize,
    /// URRs of a session.
    pub urrs_per_session: usize,
    /// Applications that are known by PFDs.
    pub applications: usize,
    /// Flow descriptions of one application.
    pub flows_per_application: usize,
    /// Messages of all peers in a second that there is time for: beyond, requests are refused by
    /// their priority.
    pub messages_per_second: u32,
    /// Traffic endpoints of a session.
    pub traffic_endpoints_per_session: usize,
    /// Framed routes of a PDR or traffic endpoint.
    pub framed_routes_per_pdr: usize,
    /// Messages that one peer may send in a second, and that all strangers together may.
    pub messages_per_second_per_peer: u32,
    /// Messages in a second that one host may send that is not associated.
    pub messages_per_second_per_stranger: u32,
    /// Session reports to one peer that may be unanswered at once.
    pub outstanding_requests_per_peer: usize,
    /// Session reports to one peer that may wait for their turn.
    pub waiting_reports_per_peer: usize,
    /// Answers that are kept for one peer.
    pub held_answers_per_peer: usize,
    /// Octets of those answers.
    pub held_answer_octets_per_peer: usize,
    /// GTP-U peers that are supervised.
    pub gtpu_peers: usize,
    /// Next hops on the way to GTP-U peers that one peer may have named.
    pub next_hops_per_peer: usize,
    /// Requests of one peer that concern many sessions, and wait for all of them to have their turn.
    pub long_requests_per_peer: usize,
    /// Sets and CP functions that one request may name.
    pub sets_per_request: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 65_536,
            peers: 64,
            pdrs_per_session: 100,
            fars_per_session: 100,
            qers_per_session: 100,
            urrs_per_session: 100,
            applications: 1_024,
            flows_per_application: 64,
            messages_per_second: 500_000,
            traffic_endpoints_per_session: 16,
            framed_routes_per_pdr: 16,
            messages_per_second_per_peer: 20_000,
            messages_per_second_per_stranger: 2_000,
            outstanding_requests_per_peer: 4_096,
            waiting_reports_per_peer: 65_536,
            held_answers_per_peer: 131_072,
            held_answer_octets_per_peer: 16 << 20,
            gtpu_peers: 1_024,
            next_hops_per_peer: 2_048,
            long_requests_per_peer: 16,
            sets_per_request: 256,
        }
    }
}

impl NodeConfig {
    /// The defaults for a node at `address`, which also names it.
    pub fn new(address: IpAddr) -> Self {
        Self {
            node_id: address.into(),
            address,
            port: PFCP_PORT,
            advertise: address,
            peer_port: PFCP_PORT,
            smf: Vec::new(),
            allow: Vec::new(),
            allow_nodes: Vec::new(),
            moves: Move::WhenSilent,
            associate_again_ms: 10_000,
            associate_again_most_ms: 60_000,
            delete_silent_after_ms: 0,
            release_grace_ms: 10_000,
            paging_policy: false,
            t1_ms: 3_000,
            n1: 3,
            bundle_octets: 1_400,
            heartbeat_interval_ms: 10_000,
            response_hold_ms: 15_000,
            limits: Limits::default(),
            buffer_packets: 64,
            extended_most: ExtendedMost::default(),
            hz: 1_000_000_000,
            burst: Burst {
                ms: 250,
                least_octets: 15_000,
            },
            network_limits: Vec::new(),
            slice_limits: Vec::new(),
            echo: Echo::default(),
            ue_pools: Vec::new(),
            ue_reserved: Vec::new(),
            ue_bounds: Vec::new(),
            applications: Vec::new(),
            predefined: PredefinedRules::default(),
            identities: Identities::default(),
        }
    }

    /// Whether a peer at `address` may associate.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|net| net.contains(&address))
    }

    /// Whether a node of that name may associate.
    pub(crate) fn allows_node(&self, node: &NodeId) -> bool {
        self.allow_nodes.is_empty() || self.allow_nodes.contains(node)
    }
}
