//! What the API says, as it goes over the wire. Names are those of the specifications, units stand
//! last; a SEID is a string of 16 hexadecimal digits, because numbers of browsers end at 2⁵³.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

/// Declares what the API says: all of it can be written, read, compared and described.
macro_rules! said {
    ($($(#[$meta:meta])* pub struct $Name:ident { $($fields:tt)* })+) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
        $(#[$meta])*
        pub struct $Name { $($fields)* }
    )+};
}

mod packets;
mod reload;

pub use packets::*;
pub use reload::*;

said! {
    /// Which program this is.
    pub struct Version {
        /// Its version.
        pub version: String,
        /// The version of DPDK that it runs on.
        pub dpdk: String,
        /// Seconds since it started.
        pub uptime_s: u64,
    }

    /// Whether the UPF serves.
    pub struct Health {
        /// It does.
        pub healthy: bool,
        /// Why not; empty when it does.
        pub reasons: Vec<String>,
    }

    /// A session at a glance.
    pub struct Session {
        /// The SEID of this UPF.
        pub seid: String,
        /// The SEID of the CP function.
        pub cp_seid: String,
        /// Where its session reports go.
        #[schema(value_type = String)]
        pub cp_address: IpAddr,
        /// Node ID of its SMF.
        pub peer: Option<String>,
        /// The UE's IPv4 address.
        #[schema(value_type = Option<String>)]
        pub ue_ipv4: Option<std::net::Ipv4Addr>,
        /// The UE's IPv6 prefix.
        pub ue_ipv6: Option<String>,
        /// DNN or APN.
        pub dnn: Option<String>,
        /// The subscriber, such as `imsi-001010000000001`; masked, `imsi-00101********01`, for those who
        /// are not told in full (`api.identities`).
        pub user: Option<String>,
        /// The worker that forwards its packets.
        pub worker: u8,
    }

    /// A part of all sessions.
    #[derive(Default)]
    pub struct Sessions {
        /// Those that were found, in the order of their places.
        pub sessions: Vec<Session>,
        /// How many sessions there are in all, whatever the filter.
        pub total: u64,
        /// Ask again with `from` set to this for the rest; absent at the end. A page can be short, or
        /// empty, and not be the last: a request looks at a bounded number of sessions.
        pub next: Option<u32>,
    }

    /// A session with rules and counters.
    pub struct SessionDetail {
        /// What it is.
        pub session: Session,
        /// Packet detection rules, in the order in which they are tried.
        pub pdrs: Vec<Pdr>,
        /// Forwarding action rules.
        pub fars: Vec<Far>,
        /// QoS enforcement rules.
        pub qers: Vec<Qer>,
        /// Usage reporting rules.
        pub urrs: Vec<Urr>,
        /// Networks behind the UE.
        pub framed_routes: Vec<String>,
    }

    /// A packet detection rule.
    pub struct Pdr {
        /// Its id.
        pub id: u16,
        /// Which part of it this is: a PDR that names several traffic endpoints or predefined rules
        /// has more than one.
        pub part: u8,
        /// When it is tried: lowest first.
        pub precedence: u32,
        /// Where its packets come from: `access`, `core`, `sgi_lan` or `cp_function`.
        pub source_interface: String,
        /// TEID of the tunnel that they come in, in hexadecimal.
        pub teid: Option<String>,
        /// The interface of that tunnel; without one, that of the data network.
        pub interface: Option<String>,
        /// The UE's addresses.
        pub ue: Vec<String>,
        /// QFIs; empty: all.
        pub qfis: Vec<u8>,
        /// How many SDF filters it has; none: all packets match.
        pub sdf_filters: u32,
        /// Whether the outer header goes.
        pub outer_header_removal: bool,
        /// Whether it matches nothing for the time being.
        pub dormant: bool,
        /// Its FAR.
        pub far: u32,
        /// Its QERs.
        pub qers: Vec<u32>,
        /// Its URRs.
        pub urrs: Vec<u32>,
    }

    /// A forwarding action rule.
    pub struct Far {
        /// Its id.
        pub id: u32,
        /// `forward`, `drop`, `buffer` or `buffer_notify`.
        pub action: String,
        /// `access`, `core`, `sgi_lan` or `cp_function`.
        pub destination: Option<String>,
        /// The interface that packets leave by.
        pub interface: Option<String>,
        /// The node that the tunnel leads to.
        #[schema(value_type = Option<String>)]
        pub peer: Option<IpAddr>,
        /// TEID of that tunnel, in hexadecimal.
        pub teid: Option<String>,
        /// ToS octet of the outer header.
        pub tos: Option<u8>,
    }

    /// A QoS enforcement rule.
    pub struct Qer {
        /// Its id.
        pub id: u32,
        /// Whether uplink packets pass.
        pub uplink_open: bool,
        /// Whether downlink packets pass.
        pub downlink_open: bool,
        /// Maximum bitrate of the uplink; absent: none.
        pub mbr_uplink_kbps: Option<u64>,
        /// Maximum bitrate of the downlink; absent: none.
        pub mbr_downlink_kbps: Option<u64>,
        /// Guaranteed bitrate of the uplink; absent: none.
        pub gbr_uplink_kbps: Option<u64>,
        /// Guaranteed bitrate of the downlink; absent: none.
        pub gbr_downlink_kbps: Option<u64>,
        /// The QFI that is written into packets.
        pub qfi: Option<u8>,
    }

    /// A usage reporting rule and what it has counted since it was made.
    pub struct Urr {
        /// Its id.
        pub id: u32,
        /// Octets of user packets from the UE.
        pub uplink_octets: u64,
        /// Octets of user packets to the UE.
        pub downlink_octets: u64,
        /// Packets from the UE.
        pub uplink_packets: u64,
        /// Packets to the UE.
        pub downlink_packets: u64,
    }

    /// An associated SMF.
    pub struct Peer {
        /// Its Node ID.
        pub node_id: String,
        /// Where it is.
        #[schema(value_type = String)]
        pub address: IpAddr,
        /// Whether it answered the last heartbeat.
        pub reachable: bool,
        /// What it can do: the names of its feature bits (TS 29.244, 8.2.58).
        pub features: Vec<String>,
        /// Its sessions.
        pub sessions: u64,
        /// Session reports that it has not answered yet.
        pub outstanding_reports: u64,
        /// Session reports that wait for fewer to be outstanding.
        pub waiting_reports: u64,
    }

    /// A port.
    #[derive(Default)]
    pub struct Port {
        /// Its name in the configuration.
        pub name: String,
        /// The device, as configured.
        pub device: String,
        /// The driver.
        pub driver: String,
        /// Its Ethernet address.
        pub mac: String,
        /// Largest IP packet, in octets.
        pub mtu: u16,
        /// Whether its link is up; absent when the device does not say.
        pub link_up: Option<bool>,
        /// Speed of the link, where known.
        pub speed_mbps: Option<u32>,
        /// The NUMA node that it hangs on, where known.
        pub numa_node: Option<u32>,
        /// Frames that the workers received.
        pub received_packets: u64,
        /// Octets of these.
        pub received_octets: u64,
        /// Frames that the port took to send.
        pub sent_packets: u64,
        /// Octets of these.
        pub sent_octets: u64,
        /// Packets that came by this port and were dropped.
        pub dropped_packets: u64,
        /// Packets that the device lost, because no worker took them in time. This and what follows is
        /// absent when the device does not say.
        pub missed_packets: Option<u64>,
        /// Packets that the device received damaged.
        pub receive_errors: Option<u64>,
        /// Packets that the device could not send.
        pub send_errors: Option<u64>,
        /// Packets that found no buffer.
        pub without_buffer: Option<u64>,
    }

    /// A worker.
    pub struct Worker {
        /// Its number.
        pub worker: u8,
        /// The CPU that it is pinned to.
        pub cpu: Option<u32>,
        /// Bursts with at least one packet.
        pub bursts: u64,
        /// Nanoseconds that it spent on these.
        pub busy_ns: u64,
        /// Polls that found nothing.
        pub idle_polls: u64,
        /// Packets that wait now: for their UE, or for the address of a neighbour.
        pub held_packets: u64,
        /// How often a session began to hold packets.
        pub hold_episodes: u64,
        /// Frames received.
        pub received_packets: u64,
        /// Frames sent.
        pub sent_packets: u64,
        /// Packets dropped.
        pub dropped_packets: u64,
    }

    /// A route.
    pub struct Route {
        /// The interface.
        pub interface: String,
        /// Where to.
        pub to: String,
        /// By which neighbour; absent for what is on the link.
        #[schema(value_type = Option<String>)]
        pub via: Option<IpAddr>,
    }

    /// A next hop.
    pub struct Neighbour {
        /// The interface.
        pub interface: String,
        /// Its address.
        #[schema(value_type = String)]
        pub address: IpAddr,
        /// Its Ethernet address; absent while it is not known.
        pub mac: Option<String>,
    }

    /// The path to a GTP-U peer that is supervised.
    pub struct GtpuPeer {
        /// Its address.
        #[schema(value_type = String)]
        pub address: IpAddr,
        /// Whether it answers.
        pub reachable: bool,
        /// Echo Requests that it did not answer in time.
        pub lost_echoes: u64,
        /// How many round trips were measured.
        pub round_trips: u64,
        /// The shortest, in microseconds.
        pub rtt_min_us: u64,
        /// Their mean, in microseconds.
        pub rtt_mean_us: f64,
        /// What 99 of 100 stayed within, in microseconds.
        pub rtt_p99_us: u64,
        /// The longest, in microseconds.
        pub rtt_max_us: u64,
    }

    /// A pool of addresses that UEs are given here.
    pub struct UePool {
        /// The data network.
        pub network: String,
        /// UE IP address Pool Identity.
        pub identity: Option<String>,
        /// Its ranges.
        pub ranges: Vec<String>,
        /// IPv4 addresses in use, with those that no UE is given.
        pub ipv4_in_use: u64,
        /// IPv4 addresses in all.
        pub ipv4_size: u64,
        /// IPv6 prefixes in use, with those that no UE is given.
        pub ipv6_in_use: u64,
        /// IPv6 prefixes of 64 bits in all.
        pub ipv6_size: u64,
    }

    /// A reason for which packets are dropped.
    pub struct Drop {
        /// Its name, in metrics too.
        pub reason: String,
        /// Packets dropped.
        pub packets: u64,
        /// What happened.
        pub meaning: String,
        /// What mostly lies behind it.
        pub cause: String,
        /// What to do about it.
        pub remedy: String,
    }

    /// A bound on what a peer could let grow.
    pub struct Limit {
        /// Its key in the configuration.
        pub key: String,
        /// The bound.
        pub most: u64,
        /// What there is now, where that is counted.
        pub now: Option<u64>,
        /// How often it was reached, where that is counted.
        pub reached: Option<u64>,
    }

    /// A pool of packet buffers.
    pub struct BufferPool {
        /// Its name.
        pub name: String,
        /// The NUMA node that it lies on, where it was asked for one.
        pub numa_node: Option<u32>,
        /// Buffers in all.
        pub size: u32,
        /// Buffers in use.
        pub in_use: u32,
    }

    /// A key of the configuration in effect.
    pub struct Setting {
        /// The key.
        pub key: String,
        /// Its value.
        pub value: String,
        /// Where it came from.
        pub origin: String,
    }
}

/// How important a message must be to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is.
    Off,
    /// What does not work.
    Error,
    /// What may not work.
    Warn,
    /// What changed.
    #[default]
    Info,
    /// What was decided, and why.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    const ALL: [(&str, Self); 6] = [
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, level)| level == self);
        f.write_str(found.map_or("", |(word, _)| word))
    }
}

/// What is no [`Level`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: expected off, error, warn, info, debug or trace")]
pub struct NoLevel(String);

impl FromStr for Level {
    type Err = NoLevel;

    fn from_str(text: &str) -> Result<Self, NoLevel> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(word, _)| text.eq_ignore_ascii_case(word));
        found
            .map(|(_, level)| level)
            .ok_or_else(|| NoLevel(text.to_owned()))
    }
}

/// What is written to the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevels {
    /// The least important messages that are written.
    pub level: Level,
    /// The same for parts of the program: `upf_cp` (N4), `upf_dp` (packets), `upf`, `api`. At most 64,
    /// with names of at most 100 letters, digits, `_` and `:`.
    #[serde(default)]
    #[schema(schema_with = targets)]
    pub targets: BTreeMap<String, Level>,
}

impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.level)?;
        let mut targets = self.targets.iter();
        targets.try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

/// Targets that levels can be set for at once.
pub(crate) const TARGETS_MAX: usize = 64;
/// Characters of the name of a target.
pub(crate) const TARGET_LENGTH_MAX: usize = 100;

fn targets() -> Schema {
    let name = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some("^[A-Za-z0-9_:]+$"))
        .max_length(Some(TARGET_LENGTH_MAX));
    let level = utoipa::openapi::RefOr::Ref(utoipa::openapi::Ref::from_schema_name("Level"));
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Object))
        .property_names(Some(name))
        .max_properties(Some(TARGETS_MAX))
        .additional_properties(Some(level))
        .into()
}
