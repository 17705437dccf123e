//! What a capture asks of a UPF.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use simulator::capture::Packet;
use simulator::gtp::{self, Gtp, GtpError};
use simulator::net::{self, Ip, PROTOCOL_UDP, Udp};

/// The port of GTP-C.
const PORT_GTP_C: u16 = 2123;
/// The port of GTP' and of GTP version 0.
const PORT_GTP_PRIME: u16 = 3386;

/// What became of a packet of the capture. Every packet has exactly one fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Replayed towards the data network.
    Uplink,
    /// Replayed towards the gNB.
    Downlink,
    /// Not all of it was captured.
    Truncated,
    /// No IP.
    NotIp,
    /// A fragment of an outer packet; the last of them stands for the packet, if all are there.
    OuterFragment,
    /// Another protocol or port.
    OtherTraffic,
    /// GTP-C.
    GtpC,
    /// GTP' or GTP version 0.
    GtpPrime,
    /// On the port of GTP-U, but not GTP-U version 1.
    NotGtpU(GtpError),
    /// GTP-U, but not a G-PDU: Echo, Error Indication, End Marker …
    Signalling(u8),
    /// A G-PDU whose content is not an IP packet.
    InnerNotIp,
}

/// A session that the capture needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSession {
    /// The uplink tunnel in the capture.
    pub uplink: Option<(IpAddr, u32)>,
    /// The downlink tunnel in the capture.
    pub downlink: Option<(IpAddr, u32)>,
    /// The UE's IPv4 address.
    pub ue_ipv4: Option<Ipv4Addr>,
    /// The UE's IPv6 address.
    pub ue_ipv6: Option<Ipv6Addr>,
    /// The QoS flow.
    pub qfi: u8,
}

/// What must come out for a packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The packet, one hop further.
    Forwarded,
    /// Nothing: it has no hop left.
    HopLimit,
    /// Nothing: its source is not the UE's address.
    ForeignSource,
    /// Nothing: a destination that no router forwards to.
    NotRoutable,
}

/// A packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which packet of the capture.
    pub packet: usize,
    /// Whether it goes to the data network.
    pub is_uplink: bool,
    /// Which session.
    pub session: usize,
    /// Its QoS flow, if the capture says.
    pub qfi: Option<u8>,
    /// The inner packet as sent.
    pub inner: Vec<u8>,
    /// What must come out.
    pub expectation: Expectation,
}

/// What a capture asks of a UPF.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What sessions to set up.
    pub sessions: Vec<PlannedSession>,
    /// What to send, in order.
    pub steps: Vec<Step>,
    /// What became of each packet of the capture.
    pub fates: Vec<Fate>,
}

impl Plan {
    /// How many packets had which fate.
    pub fn count(&self) -> BTreeMap<Fate, usize> {
        let mut count = BTreeMap::new();
        for fate in &self.fates {
            *count.entry(*fate).or_default() += 1;
        }
        count
    }
}

/// A G-PDU of the capture.
#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    packet: usize,
    tunnel: Tunnel,
    pdu_type: Option<u8>,
    qfi: Option<u8>,
    inner: Ip<'a>,
}

/// A tunnel in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tunnel {
    from: IpAddr,
    to: IpAddr,
    teid: u32,
}

/// Plans the replay of a capture.
pub fn plan(packets: &[Packet]) -> Plan {
    let mut found = Vec::new();
    let mut fates = Vec::with_capacity(packets.len());
    let whole = reassemble(packets);
    for (index, packet) in whole.iter().enumerate() {
        fates.push(
            match packet
                .as_deref()
                .map_err(|fate| *fate)
                .and_then(|packet| g_pdu(index, packet))
            {
                Ok(g_pdu) => {
                    found.push(g_pdu);
                    Fate::Uplink
                }
                Err(fate) => fate,
            },
        );
    }
    let directions = directions(&found);
    let mut plan = Plan {
        fates,
        ..Plan::default()
    };
    let mut book = Book::default();
    // All sessions first: the downlink of a UE may stand before its uplink.
    for uplinks in [true, false] {
        for g_pdu in &found {
            if directions.get(&g_pdu.tunnel).copied().unwrap_or(true) == uplinks {
                book.enter(&mut plan.sessions, g_pdu, uplinks);
            }
        }
    }
    for g_pdu in &found {
        let is_uplink = directions.get(&g_pdu.tunnel).copied().unwrap_or(true);
        if !is_uplink && let Some(fate) = plan.fates.get_mut(g_pdu.packet) {
            *fate = Fate::Downlink;
        }
        if let Some(session) = book.session_of(g_pdu, is_uplink) {
            let expectation = expect(g_pdu, is_uplink, plan.sessions.get(session));
            plan.steps.push(Step {
                packet: g_pdu.packet,
                is_uplink,
                session,
                qfi: g_pdu.qfi,
                inner: g_pdu.inner.packet.to_vec(),
                expectation,
            });
        }
    }
    plan
}

/// Bounds what fragments without their fellows may occupy.
const REASSEMBLIES_MAX: usize = 1024;

/// The pieces of a fragmented packet.
#[derive(Debug, Default)]
struct Pieces {
    header: Vec<u8>,
    by_offset: BTreeMap<usize, Vec<u8>>,
    length: Option<usize>,
}

impl Pieces {
    /// The packet, once it is whole.
    fn whole(&self) -> Option<Vec<u8>> {
        let length = self.length?;
        let mut payload = Vec::with_capacity(length);
        for (offset, piece) in &self.by_offset {
            if *offset != payload.len() {
                return None;
            }
            payload.extend_from_slice(piece);
        }
        let is_whole = payload.len() == length && self.header.len() >= 20;
        let mut packet = self.header.clone();
        packet.extend_from_slice(&payload);
        let total = u16::try_from(packet.len()).ok().filter(|_| is_whole)?;
        packet.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
        packet.get_mut(6..8)?.copy_from_slice(&[0, 0]);
        Some(packet)
    }
}

/// The IP packets of a capture; where there were fragments, the whole packet stands in the place
/// of the last of them.
fn reassemble(packets: &[Packet]) -> Vec<Result<Cow<'_, [u8]>, Fate>> {
    let mut waiting: BTreeMap<(IpAddr, IpAddr, u8, [u8; 2]), Pieces> = BTreeMap::new();
    let mut next = |packet: &'_ Packet| -> Result<Option<Vec<u8>>, Fate> {
        if !packet.is_whole() {
            return Err(Fate::Truncated);
        }
        let ip = packet.ip().and_then(Ip::parse).ok_or(Fate::NotIp)?;
        if !ip.is_fragment {
            return Ok(None);
        }
        let (id, flags) = match ip.packet {
            [_, _, _, _, i1, i2, f1, f2, ..] if ip.source.is_ipv4() => ([*i1, *i2], [*f1, *f2]),
            _ => return Err(Fate::OuterFragment),
        };
        if waiting.len() >= REASSEMBLIES_MAX {
            waiting.pop_first();
        }
        let key = (ip.source, ip.destination, ip.protocol, id);
        let pieces = waiting.entry(key).or_default();
        let offset = usize::from(u16::from_be_bytes(flags) & 0x1fff) * 8;
        if offset == 0 {
            let header = ip.packet.len() - ip.payload.len();
            pieces.header = ip.packet.get(..header).unwrap_or_default().to_vec();
        }
        if flags.first().is_some_and(|flags| flags & 0x20 == 0) {
            pieces.length = Some(offset + ip.payload.len());
        }
        pieces.by_offset.insert(offset, ip.payload.to_vec());
        let whole = pieces.whole().ok_or(Fate::OuterFragment)?;
        waiting.remove(&key);
        Ok(Some(whole))
    };
    let place = |packet| match next(packet) {
        Ok(None) => packet.ip().map(Cow::Borrowed).ok_or(Fate::NotIp),
        Ok(Some(whole)) => Ok(Cow::Owned(whole)),
        Err(fate) => Err(fate),
    };
    packets.iter().map(place).collect()
}

fn g_pdu(index: usize, packet: &[u8]) -> Result<Found<'_>, Fate> {
    let outer = Ip::parse(packet).ok_or(Fate::NotIp)?;
    let udp = Some(&outer).filter(|outer| outer.protocol == PROTOCOL_UDP);
    let udp = udp
        .and_then(|outer| Udp::parse(outer.payload))
        .ok_or(Fate::OtherTraffic)?;
    match [udp.source, udp.destination] {
        ports if ports.contains(&gtp::PORT) => {}
        ports if ports.contains(&PORT_GTP_C) => return Err(Fate::GtpC),
        ports if ports.contains(&PORT_GTP_PRIME) => return Err(Fate::GtpPrime),
        _ => return Err(Fate::OtherTraffic),
    }
    let message = Gtp::parse(udp.payload).map_err(Fate::NotGtpU)?;
    if message.message_type != gtp::G_PDU {
        return Err(Fate::Signalling(message.message_type));
    }
    let inner = Ip::parse(message.payload).ok_or(Fate::InnerNotIp)?;
    Ok(Found {
        packet: index,
        tunnel: Tunnel {
            from: outer.source,
            to: outer.destination,
            teid: message.teid,
        },
        pdu_type: message.container.map(|container| container.pdu_type),
        qfi: message.container.map(|container| container.qfi),
        inner,
    })
}

/// What speaks for a tunnel being an uplink or a downlink.
#[derive(Clone, Debug, Default)]
struct Evidence {
    first: usize,
    pdu_type: Option<u8>,
    sources: Vec<IpAddr>,
    destinations: Vec<IpAddr>,
}

/// Which tunnels lead to the data network.
///
/// The PDU Session Container says so. Without one the UE is the end of which there is one, and
/// there may be many of the other; and where there is one of both, whoever speaks first is the
/// UE, for servers do not.
fn directions(found: &[Found<'_>]) -> BTreeMap<Tunnel, bool> {
    let mut evidence: BTreeMap<Tunnel, Evidence> = BTreeMap::new();
    for g_pdu in found {
        let of = evidence.entry(g_pdu.tunnel).or_insert_with(|| Evidence {
            first: g_pdu.packet,
            ..Evidence::default()
        });
        of.pdu_type = of.pdu_type.or(g_pdu.pdu_type);
        for (address, list) in [
            (g_pdu.inner.source, &mut of.sources),
            (g_pdu.inner.destination, &mut of.destinations),
        ] {
            if !list.contains(&address) && is_global(address) {
                list.push(address);
            }
        }
    }
    let mut order: Vec<_> = evidence.iter().collect();
    order.sort_by_key(|(_, evidence)| (own_word(evidence).is_none(), evidence.first));
    let mut directions = BTreeMap::new();
    for (tunnel, of) in order {
        let is_uplink = own_word(of).unwrap_or_else(|| {
            let mirror = evidence.iter().find(|(other, others)| {
                (other.from, other.to) == (tunnel.to, tunnel.from)
                    && others
                        .sources
                        .iter()
                        .any(|source| of.destinations.contains(source))
            });
            match mirror.and_then(|(other, _)| directions.get(other)) {
                Some(is_uplink) => !is_uplink,
                None => true,
            }
        });
        directions.insert(*tunnel, is_uplink);
    }
    directions
}

/// What a tunnel says of itself.
fn own_word(of: &Evidence) -> Option<bool> {
    match (of.pdu_type, of.sources.len(), of.destinations.len()) {
        (Some(pdu_type), _, _) => Some(pdu_type == 1),
        (None, 1, 2..) => Some(true),
        (None, 2.., 1) => Some(false),
        _ => None,
    }
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
        }
        IpAddr::V6(address) => {
            !address.is_unspecified() && !address.is_multicast() && !address.is_unicast_link_local()
        }
    }
}

/// Which session a tunnel or a UE belongs to.
#[derive(Debug, Default)]
struct Book {
    uplinks: BTreeMap<(IpAddr, u32), usize>,
    downlinks: BTreeMap<(IpAddr, u32), usize>,
    ues: BTreeMap<IpAddr, usize>,
}

impl Book {
    fn enter(&mut self, sessions: &mut Vec<PlannedSession>, g_pdu: &Found<'_>, is_uplink: bool) {
        let tunnel = (g_pdu.tunnel.to, g_pdu.tunnel.teid);
        let ue = if is_uplink {
            g_pdu.inner.source
        } else {
            g_pdu.inner.destination
        };
        // A UE with several tunnels (EPC bearers) is one session.
        let known = if is_uplink {
            self.uplinks.get(&tunnel).or_else(|| self.ues.get(&ue))
        } else {
            self.ues.get(&ue).or_else(|| self.downlinks.get(&tunnel))
        };
        let index = known.copied().unwrap_or(sessions.len());
        if index == sessions.len() {
            sessions.push(PlannedSession {
                uplink: None,
                downlink: None,
                ue_ipv4: None,
                ue_ipv6: None,
                qfi: g_pdu.qfi.unwrap_or(1),
            });
        }
        let Some(session) = sessions.get_mut(index) else {
            return;
        };
        if is_uplink {
            session.uplink.get_or_insert(tunnel);
            self.uplinks.insert(tunnel, index);
        } else {
            session.downlink.get_or_insert(tunnel);
            self.downlinks.entry(tunnel).or_insert(index);
        }
        // An address belongs to the first session that uses it.
        if !is_global(ue) || self.ues.contains_key(&ue) {
            return;
        }
        let is_taken = match ue {
            IpAddr::V4(address) => *session.ue_ipv4.get_or_insert(address) == address,
            IpAddr::V6(address) => *session.ue_ipv6.get_or_insert(address) == address,
        };
        if is_taken {
            self.ues.insert(ue, index);
        }
    }

    fn session_of(&self, g_pdu: &Found<'_>, is_uplink: bool) -> Option<usize> {
        let tunnel = (g_pdu.tunnel.to, g_pdu.tunnel.teid);
        let by_ue = || self.ues.get(&g_pdu.inner.destination);
        let found = if is_uplink {
            self.uplinks.get(&tunnel)
        } else {
            by_ue().or_else(|| self.downlinks.get(&tunnel))
        };
        found.copied()
    }
}

fn expect(g_pdu: &Found<'_>, is_uplink: bool, session: Option<&PlannedSession>) -> Expectation {
    let inner = &g_pdu.inner;
    let is_own = session.is_some_and(|session| match inner.source {
        IpAddr::V4(source) => session.ue_ipv4 == Some(source),
        IpAddr::V6(source) => session.ue_ipv6.is_some_and(|ue| same_prefix(ue, source)),
    });
    if is_uplink && !is_own {
        Expectation::ForeignSource
    } else if !is_global(inner.destination) || !is_global(inner.source) {
        Expectation::NotRoutable
    } else if inner.hop_limit <= 1 {
        Expectation::HopLimit
    } else {
        Expectation::Forwarded
    }
}

/// A UE has all of its /64.
fn same_prefix(a: Ipv6Addr, b: Ipv6Addr) -> bool {
    a.segments().iter().take(4).eq(b.segments().iter().take(4))
}

impl Step {
    /// The packet that must come out, if one must.
    pub fn expected(&self) -> Option<Vec<u8>> {
        (self.expectation == Expectation::Forwarded).then(|| {
            let mut packet = self.inner.clone();
            net::take_hop(&mut packet);
            packet
        })
    }
}
