//! Packets: what is asked about them, and what is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

said! {
    /// A packet that is asked about.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct Packet {
        /// Its octets, in hexadecimal: an Ethernet frame.
        #[schema(pattern = "^([0-9a-fA-F]{2})+$", max_length = 19000)]
        pub octets: String,
        /// Where it comes in: an interface, `n3`, `n6`, `n9` or a port. Unless said, the port whose
        /// Ethernet address it goes to, or the interface that has its IP destination.
        #[serde(default)]
        #[schema(max_length = 64)]
        pub at: Option<String>,
        /// The octets are an IP packet, which somebody sends us in a frame.
        #[serde(default)]
        pub ip: bool,
        /// When it comes, in nanoseconds after the first packet: an hour at most.
        #[serde(default, deserialize_with = "whole")]
        #[schema(maximum = 3_600_000_000_000_u64)]
        pub after_ns: u64,
    }

    /// Packets that are asked about.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct Packets {
        /// From 1 to 32, in order.
        #[schema(min_items = 1, max_items = 32)]
        pub packets: Vec<Packet>,
    }

    /// What happened to a packet, or would.
    #[derive(Default)]
    pub struct Explanation {
        /// When, in nanoseconds since 1970; absent where it was only asked about.
        pub time_ns: Option<u64>,
        /// Whose packet it was.
        pub worker: u8,
        /// How it came: `in`, `over` (from another worker), `released` (it was held for its UE) or
        /// `back` (from another UE).
        pub came: String,
        /// The port that it was received on.
        pub port: String,
        /// The interface that it came in by, once that was known.
        pub interface: Option<String>,
        /// SEID of its session.
        pub seid: Option<String>,
        /// The PDR that it matched.
        pub pdr: Option<u16>,
        /// The FAR that was applied.
        pub far: Option<u32>,
        /// What became of it: `sent`, `sent_in_pieces`, `waits`, `held`, `handed_over`, `turned_back`, `copied`,
        /// `answered`, `consumed`, `gathered` or `dropped`.
        pub outcome: String,
        /// Why it was dropped.
        pub reason: Option<String>,
        /// What became of it, in a few words.
        pub verdict: String,
        /// How it came to that.
        pub stages: Vec<Stage>,
        /// The packet as it was received, in hexadecimal.
        pub received: String,
        /// The frames that were sent because of it.
        pub sent: Vec<SentFrame>,
    }

    /// What a stage of the path found out.
    pub struct Stage {
        /// Its name.
        pub name: String,
        /// What it found out.
        pub lines: Vec<String>,
    }

    /// A frame that was sent.
    pub struct SentFrame {
        /// The port that it left by.
        pub port: String,
        /// Its octets, in hexadecimal.
        pub octets: String,
        /// Whether it has left; otherwise it waits for the Ethernet address of its next hop.
        pub left: bool,
    }

    /// Which packets are watched: those that have all of what is given.
    #[derive(Default)]
    #[serde(deny_unknown_fields)]
    pub struct Watch {
        /// Of the session with that SEID of this UPF, in hexadecimal.
        #[serde(default)]
        #[schema(pattern = "^(0x)?[0-9a-fA-F]{1,16}$")]
        pub seid: Option<String>,
        /// Of the sessions that this subscriber has now.
        #[serde(default)]
        #[schema(max_length = 256)]
        pub user: Option<String>,
        /// From or to that user address, or one of that network.
        #[serde(default)]
        #[schema(max_length = 64)]
        pub ue: Option<String>,
        /// Of a tunnel with that TEID, at either end, in hexadecimal.
        #[serde(default)]
        #[schema(pattern = "^(0x)?[0-9a-fA-F]{1,8}$")]
        pub teid: Option<String>,
        /// Received on that port.
        #[serde(default)]
        #[schema(max_length = 64)]
        pub port: Option<String>,
        /// Dropped ones alone.
        #[serde(default)]
        pub dropped: bool,
        /// Those alone that were dropped for that reason.
        #[serde(default)]
        #[schema(max_length = 64)]
        pub reason: Option<String>,
        /// It ends after so many packets: 10 unless said; of a capture 10000.
        #[serde(default)]
        #[schema(minimum = 1, maximum = 1_000_000)]
        pub packets: Option<u32>,
        /// It ends after so many seconds: 60 unless said.
        #[serde(default)]
        #[schema(minimum = 1, maximum = 3600)]
        pub seconds: Option<u32>,
        /// A capture ends after so many octets: 64 MiB unless said.
        #[serde(default)]
        #[schema(minimum = 1)]
        pub octets: Option<u64>,
    }

    /// How a trace ended.
    #[derive(Default)]
    pub struct TraceEnd {
        /// Packets that were told of.
        pub packets: u64,
        /// Packets that were not, since they came faster than they were read.
        pub missed: u64,
    }
}

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Traced {
    /// A packet.
    Packet(Box<Explanation>),
    /// The last line.
    End(TraceEnd),
}

/// A number without a fraction, however it is written: `1.0` is an integer of JSON Schema.
fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let written = number.to_string();
    let digits = written.strip_suffix(".0").unwrap_or(&written);
    let refused = || serde::de::Error::custom(format!("{written} is no whole number from 0 on"));
    digits.parse().map_err(|_| refused())
}

/// How long after the first packet one may come, in nanoseconds.
pub(crate) const AFTER_NS_MAX: u64 = 3_600_000_000_000;
/// Packets of one question.
pub(crate) const PACKETS_MAX: usize = 32;
/// What a [`Watch`] may ask for.
pub(crate) const WATCHED_PACKETS_MAX: u32 = 1_000_000;
/// For how long.
pub(crate) const WATCHED_SECONDS_MAX: u32 = 3_600;
