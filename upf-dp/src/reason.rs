//! Why a packet was dropped: one enum, one counter per reason, worker and port.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $about:literal])+ $variant:ident = $name:literal, $cause:literal, $remedy:literal;)+) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $about])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in metrics and traces.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What happened.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($about),+).trim_start(),)+ }
            }

            /// What mostly lies behind it.
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)+ }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }
    };
}

reasons! {
    // ----- parse -----
    /// The frame or a header in front of the tunnel is cut.
    Truncated = "truncated", "a broken sender, or a port that cuts frames", "compare the MTU of port and network";
    /// The frame is spread over several buffers.
    Scattered = "scattered", "a frame larger than a buffer", "lower the MTU of the port";
    /// The frame is for another Ethernet address.
    ForeignMac = "foreign_mac", "a promiscuous port, or a switch that floods", "none, unless the count grows fast";
    /// A multicast or broadcast packet that nobody here listens to.
    Multicast = "multicast", "the usual chatter of a network", "none";
    /// No interface is configured in this VLAN.
    UnknownVlan = "unknown_vlan", "the switch sends a VLAN that the configuration lacks", "compare interfaces[].vlan with the switch";
    /// Neither IPv4, IPv6 nor ARP.
    UnknownEtherType = "unknown_ether_type", "other protocols on the same wire, such as LLDP", "none";
    /// The outer IP header contradicts itself.
    OuterHeader = "outer_header", "a broken sender or an attack", "capture at the port";
    /// The checksum of the IPv4 header is wrong, or that of UDP over IPv6 wrong or missing.
    OuterChecksum = "outer_checksum", "damage on the way, or a virtual port whose sender leaves checksums to hardware", "look at the error counters of the link; turn transmit checksum offload off at the other end of a veth";
    /// A fragment that contradicts itself, lies in another, or is of a packet that is no tunnel's.
    OuterFragment = "outer_fragment", "a broken sender or an attack", "capture at the port";
    /// More packets in fragments than are put together at once, or more of their octets.
    ReassemblyFull = "reassembly_full", "an MTU on N3 too small for the tunnel's headers, or an attack", "raise the MTU between gNB and UPF, lower the UE's, or raise gtpu.reassembly";
    /// The other fragments of its packet did not come in time.
    ReassemblyTimeout = "reassembly_timeout", "loss between gNB and UPF, or an attack", "look at the error counters of the link";
    /// Its octets are in another fragment of the same packet, too (RFC 5722), or there are too many.
    FragmentOverlap = "fragment_overlap", "an attack, or identifications used again too soon", "capture at the port";
    /// The packet is for none of our addresses, and the interface is not N6.
    NotOurAddress = "not_our_address", "a peer uses an address that the UPF does not have", "compare interfaces[].addresses with the F-TEIDs of the SMF";
    /// For one of our addresses, but no protocol that is spoken there.
    UnexpectedProtocol = "unexpected_protocol", "a port scan, or PFCP sent to N3", "none";
    /// Not version 1 of GTP-U.
    GtpuVersion = "gtpu_version", "GTP' or GTPv2-C sent to port 2152", "look at the peer";
    /// The GTP-U header is cut, or longer than its datagram.
    GtpuLength = "gtpu_length", "a broken peer or an attack", "capture at the port";
    /// The GTP-U extension headers are cut, endless or too many.
    GtpuExtension = "gtpu_extension", "a broken peer or an attack", "capture at the port";
    /// A GTP-U extension header that has to be understood, and is not.
    GtpuExtensionUnknown = "gtpu_extension_unknown", "a newer feature of the peer", "turn it off at the peer";
    /// A G-PDU without a user packet.
    GtpuEmpty = "gtpu_empty", "delay measurement by the peer, or an attack", "none";
    /// A GTP-U message of a type that does not belong here.
    GtpuType = "gtpu_type", "GTP-C sent to port 2152", "look at the peer";

    // ----- look up -----
    /// No session has this TEID here. The peer gets an Error Indication (rate-limited).
    UnknownTeid = "unknown_teid", "the session is gone, the peer has not heard; or guessing", "compare the peer's sessions with the SMF's";
    /// No session has this UE address in the data network.
    UnknownUe = "unknown_ue", "the UE has left, or a scan from the data network", "none, unless a UE complains";

    // ----- classify -----
    /// What the tunnel carries is not a whole IP packet.
    UserPacket = "user_packet", "a PDU session type other than IP, or a broken UE", "look at the PDU session type";
    /// No PDR of the session matches.
    NoPdr = "no_pdr", "an unknown QFI, or SDF filters that leave it out", "run `upf explain` on the session";
    /// The source address is not the UE's (TS 33.501, 5.9.3.4).
    SourceSpoofed = "source_spoofed", "tethering without NAT, or an attack", "look at the UE";
    /// User traffic to an address of the UPF itself.
    ToOwnAddress = "to_own_address", "an attack on N3 or N4 from a UE", "look at the UE";
    /// A source that no packet may have.
    MartianSource = "martian_source", "a broken host or an attack", "look at the sender";
    /// A destination that no packet may have here.
    MartianDestination = "martian_destination", "a broken UE or an attack", "look at the UE";
    /// Multicast of a UE, which is not forwarded.
    UserMulticast = "user_multicast", "service discovery of UEs", "none";
    /// A frame to an address that bridges keep to themselves (IEEE 802.1Q, 8.6.3).
    ReservedGroup = "reserved_group", "spanning tree, LLDP or link aggregation of a switch", "none";
    /// A frame whose source is a station that is heard elsewhere.
    StationElsewhere = "station_elsewhere", "a loop, a device that has moved a moment ago, or an attack", "look for a loop when it grows fast; lower networks[].ethernet.move_after_s for devices that move often";
    /// A frame of a station more than the session may have.
    TooManyStations = "too_many_stations", "a switch behind the UE, or an attack", "raise networks[].ethernet.stations_per_session";
    /// A frame to all sessions of an Ethernet network, with no copies left for this second.
    FloodRate = "flood_rate", "a storm of broadcasts in the data network", "look for a loop, or raise networks[].ethernet.copies_per_second";
    /// A frame of the data network to a station that is in the data network itself.
    StationOutside = "station_outside", "a switch that floods", "none";
    /// A source route, of IPv4 or (type 0) of IPv6.
    SourceRoute = "source_route", "an attack", "look at the sender";
    /// The hop limit has run out.
    HopLimit = "hop_limit", "traceroute, or a loop of routes", "look for a loop when it grows fast";

    // ----- gate and police -----
    /// The FAR says DROP.
    FarDrop = "far_drop", "the SMF wants it so", "look at the FAR";
    /// A QER's gate is closed.
    GateClosed = "gate_closed", "the SMF wants it so", "look at the QER";
    /// Faster than a QER's maximum bitrate.
    RateExceeded = "rate_exceeded", "more traffic than was subscribed", "look at the QER";
    /// Faster than the operator allows the session, or all sessions of its network or slice.
    LimitExceeded = "limit_exceeded", "more traffic than the limits of the configuration", "look at networks[].limits and slices";
    /// A volume quota is used up.
    QuotaExhausted = "quota_exhausted", "the charging function has granted no more", "look at the URR";
    /// The FAR forwards to Access but has no tunnel yet.
    NoTunnel = "no_tunnel", "downlink before the gNB has given its F-TEID", "none, unless it lasts";
    /// No route leads there.
    NoRoute = "no_route", "a route is missing", "look at interfaces[].routes";

    /// From one UE to another, which the network's configuration forbids.
    UeToUe = "ue_to_ue", "UEs of one data network that may not talk to each other", "set networks[].ue_to_ue to n6 or local, if they may";

    // ----- rewrite and transmit -----
    /// Larger than the port's MTU once it has its new headers.
    TooBig = "too_big", "the MTU of N3 is less than the UE's and the tunnel's headers", "raise the port's MTU, or lower networks[].mtu";
    /// No buffers for the pieces of a packet that is larger than its way allows.
    NoBuffer = "no_buffer", "more packets on their way and held than there are buffers for", "raise memory.buffers, or the MTU so that fewer packets are cut";
    /// No room in front of the packet for its new headers.
    NoHeadroom = "no_headroom", "buffers made with too little headroom", "report it";
    /// The neighbour does not answer ARP or neighbour solicitations.
    NeighbourUnresolved = "neighbour_unresolved", "a gateway that is down or in another network", "look at the routes and the neighbour";
    /// More neighbours than there is room for.
    NeighboursFull = "neighbours_full", "UEs scan an on-link network", "route the network by a gateway";
    /// The transmit queue was full.
    TransmitFull = "transmit_full", "the port is slower than the traffic", "more transmit descriptors or a faster port";
    /// The ring to the worker that owns the session was full.
    HandOverFull = "hand_over_full", "one worker has more to do than it can", "more workers, or a port that spreads sessions";

    // ----- hold -----
    /// The session already holds as many packets as it may.
    HoldSessionFull = "hold_session_full", "much downlink traffic for an idle UE", "raise buffering.packets_per_session or buffering.octets_per_session, unless a BAR of the SMF says how many";
    /// The sessions of an SMF hold as many packets as they may together.
    HoldSmfFull = "hold_smf_full", "many idle UEs of one SMF with downlink traffic", "raise buffering.packets_per_smf or buffering.octets_per_smf";
    /// As many packets are held as may be in all.
    HoldFull = "hold_full", "many idle UEs with downlink traffic", "raise buffering.packets_total, buffering.octets_total or memory.buffers";
    /// Buffers ran low: what was held for the UE that got nothing for longest went first.
    HoldPoolLow = "hold_pool_low", "more packets on their way and held than there are buffers for", "raise memory.buffers, or lower buffering.packets_total";
    /// The SMF had held packets dropped.
    HoldDiscarded = "hold_discarded", "paging failed, or the session ended", "none";
    /// Held too long.
    HoldExpired = "hold_expired", "paging took too long", "raise buffering.expiry_s";
    /// The session ended while its packets were held.
    HoldSessionGone = "hold_session_gone", "the session ended", "none";

    // ----- slow path -----
    /// More packets for the UPF itself than it answers in a second.
    SlowPathRate = "slow_path_rate", "a flood of ARP, ICMP or GTP-U signalling", "look at the senders";
    /// A packet for the UPF itself that is broken.
    SlowPathBroken = "slow_path_broken", "a broken peer or an attack", "capture at the port";
    /// A packet for the UPF itself that it has no answer to.
    SlowPathUnanswered = "slow_path_unanswered", "ARP for other hosts, replies nobody asked for", "none";
    /// The packet path was stopped while the packet was held or waiting.
    Stopped = "stopped", "the UPF ended", "none";
    /// No stage decided about the packet: a fault of the path itself.
    Undecided = "undecided", "a fault of the UPF", "report it";
}

impl Reason {
    /// Its number, below [`Reason::COUNT`].
    #[allow(
        clippy::as_conversions,
        reason = "the discriminant of a fieldless enum"
    )]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_list_and_names_are_unique() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(
                reason
                    .name()
                    .bytes()
                    .all(|c| c == b'_' || c.is_ascii_lowercase())
            );
            let texts = [reason.description(), reason.cause(), reason.remedy()];
            assert!(texts.iter().all(|text| !text.is_empty()), "{reason}");
        }
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::COUNT);
    }
}
