//! GTP-U other than G-PDUs of known tunnels (TS 29.281, 7): echo, Error Indications both ways, end
//! markers, unknown extension headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;
use gtpu::{ExtensionType, Header, MessageType};
use session::plan::Act;
use session::report::Report;
use session::rule::LocalFTeid;
use session::{NextHopId, Qfi, Teid};

use super::{BROKEN, Outcome, TOO_MANY, UNANSWERED, turn_round};
use crate::outlet::Outlet;
use crate::packet::Packet;
use crate::path::{Fate, Key, Meta, Path, Turn, has_to_line_up, is_host};
use crate::reason::Reason;
use crate::wire;

/// Recovery (8.2): TV, always 0.
const RECOVERY: u8 = 14;
/// Tunnel Endpoint Identifier Data I (8.3): TV.
const TEID_DATA_I: u8 = 16;
/// GTP-U Peer Address (8.4): TLV.
const PEER_ADDRESS: u8 = 133;
/// Extension Header Type List (8.5): TLV with one octet of length.
const EXTENSION_HEADER_TYPES: u8 = 141;

/// Version Not Supported (TS 29.060, 7.2.3).
const VERSION_NOT_SUPPORTED: MessageType = MessageType(3);

/// A message of ours: none is longer than an Error Indication with an IPv6 address.
type Message = ArrayVec<u8, 64>;

/// Where a datagram came from and went to.
#[derive(Clone, Copy, Debug)]
struct Way {
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
}

impl<P: Packet> Path<P> {
    pub(super) fn gtpu_signalling<O: Outlet<P>>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        let Some((way, datagram)) = way(packet.data(), meta) else {
            return BROKEN;
        };
        let Ok(header) = Header::parse(datagram) else {
            return BROKEN;
        };
        // Each kind has a bound of its own, so that a flood of one, or of a peer, does not drown the
        // rest. What costs no more than a G-PDU has none.
        match header.message_type() {
            MessageType::ECHO_REQUEST => {
                if !self.slow.echo_requests.take(way.source, turn.now) {
                    return TOO_MANY;
                }
                let number = header.sequence_number().unwrap_or(0);
                let message = message(MessageType::ECHO_RESPONSE, number, None, &[RECOVERY, 0]);
                self.reply(packet, meta, way, way.source_port, &message)
                    .unwrap_or(BROKEN)
            }
            MessageType::ERROR_INDICATION => {
                self.error_indication(way.source, header.payload(), turn)
            }
            MessageType::END_MARKER => {
                let teid = Teid(header.teid());
                let qfi = header.flow().and_then(|flow| Qfi::new(flow.qfi));
                self.end_marker_received(packet, meta, (teid, qfi), turn)
            }
            MessageType::SUPPORTED_EXTENSION_HEADERS | MessageType::TUNNEL_STATUS => {
                Outcome::Consumed
            }
            MessageType::ECHO_RESPONSE => self.echo_response(way.source, &header, turn),
            _ => Outcome::drop(Reason::GtpuType),
        }
    }

    /// A peer does not know a tunnel: the control side finds out whose it was.
    fn error_indication<O>(
        &mut self,
        sender: IpAddr,
        payload: &[u8],
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        let Some((teid, peer)) = gtpu::ErrorIndication::subject(payload) else {
            return BROKEN;
        };
        if !self.slow.error_indications.take(sender, turn.now) {
            return TOO_MANY;
        }
        let teid = Teid(teid);
        // When the queue is full, the next one of this tunnel tells it.
        turn.end
            .report(Report::ErrorIndication { peer, teid, sender });
        Outcome::Consumed
    }

    /// The control side knows whether it was asked for. A full queue loses it, as a network may.
    fn echo_response<O>(
        &mut self,
        peer: IpAddr,
        header: &Header<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        let Some(sequence) = header.sequence_number() else {
            return BROKEN;
        };
        if !self.slow.echoes.take(peer, turn.now) {
            return TOO_MANY;
        }
        let at = turn.now.0;
        turn.end.report(Report::EchoAnswered { peer, sequence, at });
        Outcome::Consumed
    }

    /// Sends an Echo Request (7.2.1), and tells the control side when.
    pub(crate) fn send_echo<O: Outlet<P>>(
        &mut self,
        (peer, source): (IpAddr, IpAddr),
        next_hop: NextHopId,
        sequence: u16,
        turn: &mut Turn<'_, '_, O>,
    ) {
        let message = message(MessageType::ECHO_REQUEST, sequence, None, &[]);
        let length = datagram_length(peer, &message);
        let is_v6 = peer.is_ipv6();
        let write = |ip: &mut [u8], _| put_datagram(ip, source, (peer, gtpu::UDP_PORT), &message);
        if self.launch(next_hop, is_v6, length, write, turn).is_some() {
            let at = turn.now.0;
            turn.end.report(Report::EchoSent { peer, sequence, at });
        }
    }

    /// An End Marker goes on where the tunnel's rule forwards, else it ends here (7.3.2).
    fn end_marker_received<O: Outlet<P>>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        (teid, qfi): (Teid, Option<Qfi>),
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        let tunnel = LocalFTeid {
            teid,
            interface: meta.interface,
        };
        let handle = turn.view.tunnel(tunnel);
        let entrance = handle.and_then(session::tables::Handle::entrance);
        let Some(entrance) = entrance else {
            return UNANSWERED;
        };
        if entrance.owner() != self.worker {
            return Outcome::Go(Fate::HandOver(entrance.owner()));
        }
        if entrance.interface() != Some(meta.interface) {
            return UNANSWERED;
        }
        let onwards = entrance.onwards(qfi).map(|step| (step, step.act));
        let Some((step, Act::Tunnel { next_hop, .. })) = onwards else {
            return Outcome::Consumed;
        };
        let plan = entrance.plan();
        if has_to_line_up(&self.held, plan, step) {
            // It says that it is the last.
            self.release(plan.session, turn);
        }
        self.pass_end_marker(packet, &step.encapsulation, next_hop)
            .unwrap_or(BROKEN)
    }

    fn pass_end_marker(
        &mut self,
        packet: &mut P,
        tunnel: &session::plan::Encapsulation,
        next_hop: NextHopId,
    ) -> Option<Outcome> {
        let hop = self.neighbours.hop(next_hop)?;
        let link = self.links.interface(hop.interface)?;
        let ethernet = usize::from(link.ethernet.length());
        packet.forget_offloads();
        if !packet.resize(ethernet + usize::from(tunnel.length())) {
            return None;
        }
        let mac = self.neighbours.ethernet(next_hop);
        let identification = self.next_identification();
        let link = self.links.interface(hop.interface)?;
        let frame = packet.data_mut();
        let ether_type = if tunnel.is_v6() {
            wire::IPV6
        } else {
            wire::IPV4
        };
        link.ethernet
            .write(frame, mac.unwrap_or_default(), ether_type)?;
        crate::path::put_end_marker(frame.get_mut(ethernet..)?, tunnel, identification)?;
        let fate = if mac.is_some() {
            Fate::Send(link.port)
        } else {
            Fate::Await(next_hop)
        };
        Some(Outcome::Go(fate))
    }

    /// A G-PDU of no session: its sender is told, not too often (7.3.1; TS 23.527, 5.3).
    pub(super) fn unknown_teid<O: Outlet<P>>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        const DROP: Outcome = Outcome::drop(Reason::UnknownTeid);
        let (Key::Tunnel(teid), Some((way, _))) = (meta.key, way(packet.data(), meta)) else {
            return DROP;
        };
        if teid == Teid(0) || !self.may_be_told(way, turn) {
            return DROP;
        }
        let mut elements = Message::new();
        elements.push(TEID_DATA_I);
        elements.extend(teid.0.to_be_bytes());
        elements.push(PEER_ADDRESS);
        match way.destination {
            IpAddr::V4(address) => elements.extend([0, 4].into_iter().chain(address.octets())),
            IpAddr::V6(address) => elements.extend([0, 16].into_iter().chain(address.octets())),
        }
        let port = Some(way.source_port).filter(|port| *port != gtpu::UDP_PORT);
        let message = message(MessageType::ERROR_INDICATION, 0, port, &elements);
        self.tell(packet, meta, way, Reason::UnknownTeid, &message)
    }

    /// An extension header that has to be understood: its sender is told which ones are (5.2.1).
    pub(super) fn unknown_extension<O: Outlet<P>>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        const REASON: Reason = Reason::GtpuExtensionUnknown;
        let Some((way, _)) = way(packet.data(), meta) else {
            return BROKEN;
        };
        if !self.may_be_told(way, turn) {
            return Outcome::drop(REASON);
        }
        let mut elements = Message::new();
        let types = ExtensionType::UNDERSTOOD;
        elements.extend([
            EXTENSION_HEADER_TYPES,
            u8::try_from(types.len()).unwrap_or(0),
        ]);
        elements.extend(types.iter().map(|kind| kind.0));
        let message = message(MessageType::SUPPORTED_EXTENSION_HEADERS, 0, None, &elements);
        self.tell(packet, meta, way, REASON, &message)
    }

    /// Another version of GTP: its sender is told which one is spoken here, by a message of that
    /// version with nothing in it (TS 29.060, 7.2.3; TS 29.281 has none of its own).
    pub(super) fn other_version<O: Outlet<P>>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        const REASON: Reason = Reason::GtpuVersion;
        let Some((way, _)) = way(packet.data(), meta) else {
            return BROKEN;
        };
        if !self.may_be_told(way, turn) {
            return Outcome::drop(REASON);
        }
        let message = message(VERSION_NOT_SUPPORTED, 0, None, &[]);
        self.tell(packet, meta, way, REASON, &message)
    }

    /// A forged source may make us talk to others: never to a group or to ourselves, and not often.
    fn may_be_told<O>(&mut self, way: Way, turn: &Turn<'_, '_, O>) -> bool {
        let is_own = self.links.own().has(way.source);
        is_host(way.source) && !is_own && self.slow.errors.take(way.source, turn.now)
    }

    /// Drops the packet for that reason, and sends a message of our own in its buffer.
    fn tell(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        way: Way,
        reason: Reason,
        message: &[u8],
    ) -> Outcome {
        match self.reply(packet, meta, way, gtpu::UDP_PORT, message) {
            Some(answered) => {
                self.dropped(meta.port, reason);
                self.cells.port(meta.port).made.add(1);
                answered
            }
            None => Outcome::drop(reason),
        }
    }

    /// Turns a packet into a datagram back to its sender.
    fn reply(
        &self,
        packet: &mut P,
        meta: &Meta<'_>,
        way: Way,
        to_port: u16,
        message: &[u8],
    ) -> Option<Outcome> {
        let at = usize::from(meta.network_at);
        packet.forget_offloads();
        if !packet.resize(at + datagram_length(way.source, message)) {
            return None;
        }
        let mac = self.links.port(meta.port)?.mac;
        let frame = packet.data_mut();
        turn_round(frame, mac)?;
        let ip = frame.get_mut(at..)?;
        put_datagram(ip, way.destination, (way.source, to_port), message)?;
        Some(Outcome::Answered)
    }
}

/// How long an IP packet to `peer` with that message is.
fn datagram_length(peer: IpAddr, message: &[u8]) -> usize {
    let ip_length = if peer.is_ipv4() { 20 } else { 40 };
    ip_length + 8 + message.len()
}

/// Writes an IP packet with a message of ours; `ip` is as long as [`datagram_length`] says.
fn put_datagram(
    ip: &mut [u8],
    own: IpAddr,
    (peer, port): (IpAddr, u16),
    message: &[u8],
) -> Option<()> {
    let ip_length = if peer.is_ipv4() { 20 } else { 40 };
    let udp_length = u16::try_from(8 + message.len()).ok()?;
    let datagram = ip.get_mut(ip_length..)?;
    wire::put(datagram, 0, gtpu::UDP_PORT.to_be_bytes())?;
    wire::put(datagram, 2, port.to_be_bytes())?;
    wire::put(datagram, 4, udp_length.to_be_bytes())?;
    wire::put(datagram, 6, [0; 2])?;
    datagram.get_mut(8..)?.copy_from_slice(message);
    match (peer, own) {
        (IpAddr::V4(peer), IpAddr::V4(own)) => {
            let [high, low] = udp_length.checked_add(20)?.to_be_bytes();
            wire::put(ip, 0, [0x45, 0, high, low, 0, 0, 0, 0, 64, wire::UDP])?;
            wire::put(ip, 12, own.octets())?;
            wire::put(ip, 16, peer.octets())?;
            wire::set_ipv4_checksum(ip.get_mut(..20)?);
            let addresses: [u8; 8] = wire::array(ip, 12)?;
            finish_udp(ip.get_mut(20..)?, &addresses)
        }
        (IpAddr::V6(peer), IpAddr::V6(own)) => {
            let [high, low] = udp_length.to_be_bytes();
            wire::put(ip, 0, [0x60, 0, 0, 0, high, low, wire::UDP, 64])?;
            wire::put(ip, 8, own.octets())?;
            wire::put(ip, 24, peer.octets())?;
            let addresses: [u8; 32] = wire::array(ip, 8)?;
            finish_udp(ip.get_mut(40..)?, &addresses)
        }
        _ => None,
    }
}

fn finish_udp(datagram: &mut [u8], addresses: &[u8]) -> Option<()> {
    let checksum = wire::transport_checksum(addresses, wire::UDP, datagram);
    wire::put(datagram, 6, wire::udp_checksum_field(checksum))
}

/// A message about the path: TEID 0, a sequence number, perhaps the UDP Port extension header.
fn message(kind: MessageType, number: u16, port: Option<u16>, elements: &[u8]) -> Message {
    let mut out = Message::new();
    out.extend([
        if port.is_some() { 0x36 } else { 0x32 },
        kind.0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    out.extend(number.to_be_bytes());
    out.push(0);
    if let Some(port) = port {
        out.extend([ExtensionType::UDP_PORT.0, 1]);
        out.extend(port.to_be_bytes());
    }
    out.push(ExtensionType::NONE.0);
    // Bounded by the callers: 12 + 4 + 24 octets at the most.
    let fits = out.try_extend_from_slice(elements).is_ok();
    debug_assert!(fits, "a message outgrew its bound");
    let length = u16::try_from(out.len().saturating_sub(8)).unwrap_or(0);
    let _ = wire::put(&mut out, 2, length.to_be_bytes());
    out
}

/// Addresses and port of a datagram, and its payload.
fn way<'p>(frame: &'p [u8], meta: &Meta<'_>) -> Option<(Way, &'p [u8])> {
    let ip = frame.get(usize::from(meta.network_at)..)?;
    let tunnel_at = usize::from(meta.tunnel_at);
    let udp_at = tunnel_at.checked_sub(8)?;
    let source_port = wire::u16_at(frame, udp_at)?;
    let length = usize::from(wire::u16_at(frame, udp_at + 4)?);
    let payload = frame.get(tunnel_at..udp_at + length)?;
    let (source, destination) = if ip.first()? >> 4 == 4 {
        let address = |at| wire::u32_at(ip, at).map(Ipv4Addr::from_bits);
        (IpAddr::V4(address(12)?), IpAddr::V4(address(16)?))
    } else {
        let address = |at| wire::array(ip, at).map(Ipv6Addr::from_octets);
        (IpAddr::V6(address(8)?), IpAddr::V6(address(24)?))
    };
    Some((
        Way {
            source,
            destination,
            source_port,
        },
        payload,
    ))
}
