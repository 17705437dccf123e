//! The headers of a frame in words.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use session::inner::Inner;

use crate::wire;

/// The headers of an Ethernet frame, one a line, the user packet's last.
pub fn summary(frame: &[u8]) -> Vec<String> {
    let Some((header, mut rest)) = frame.split_first_chunk::<14>() else {
        return vec![format!("{} octets, no Ethernet header", frame.len())];
    };
    let [to @ .., _, _, _, _, _, _, _, _] = *header;
    let from = wire::array(header, 6).unwrap_or_default();
    let mut ether_type = wire::u16_at(header, 12).unwrap_or(0);
    let mut line = format!("Ethernet {} → {}", mac(from), mac(to));
    if ether_type == wire::VLAN
        && let Some((tag, behind)) = rest.split_first_chunk::<4>()
    {
        let [high, low, t1, t2] = *tag;
        let vlan = u16::from_be_bytes([high & 0xf, low]);
        let _ = write!(line, ", VLAN {vlan}");
        ether_type = u16::from_be_bytes([t1, t2]);
        rest = behind;
    }
    let mut lines = vec![line];
    match ether_type {
        wire::IPV4 | wire::IPV6 => packet(rest, &mut lines),
        wire::ARP => lines.push(arp(rest)),
        other => lines.push(format!("EtherType {other:#06x}, {} octets", rest.len())),
    }
    lines
}

/// An Ethernet address as people write it.
pub(super) fn mac(octets: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = octets;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

fn arp(body: &[u8]) -> String {
    let address = |at| wire::array(body, at).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from_octets);
    let (sender, target) = (address(14), address(24));
    match wire::u16_at(body, 6) {
        Some(1) => format!("ARP: who has {target}? Tell {sender}"),
        Some(2) => format!(
            "ARP: {sender} is at {}",
            mac(wire::array(body, 8).unwrap_or_default())
        ),
        _ => "ARP of another kind".to_owned(),
    }
}

/// An IP packet, and the one in its tunnel.
fn packet(octets: &[u8], lines: &mut Vec<String>) {
    let inner = match Inner::parse(octets) {
        Ok(inner) => inner,
        Err(error) => return lines.push(format!("{} octets, {error}", octets.len())),
    };
    let transport = inner.transport();
    let (source, destination) = (inner.source(), inner.destination());
    let family = if inner.is_v6() { "IPv6" } else { "IPv4" };
    let upper = match (protocol(transport.protocol), transport.ports) {
        (Some(name), Some((from, to))) => format!("{name} {from} → {to}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => format!("protocol {}", transport.protocol),
    };
    let (length, hops) = (inner.length(), inner.hop_limit());
    let hops = if inner.is_v6() {
        format!("hop limit {hops}")
    } else {
        format!("TTL {hops}")
    };
    lines.push(format!(
        "{family} {source} → {destination}, {upper}, {length} octets, {hops}{}",
        fragment(&inner)
    ));
    let is_gtpu = transport.protocol == wire::UDP
        && transport.ports.is_some_and(|(_, to)| to == gtpu::UDP_PORT);
    if is_gtpu {
        let end = octets.len().min(usize::from(length));
        let payload = udp_payload(octets.get(..end).unwrap_or_default(), inner.is_v6());
        tunnel(payload, lines);
    }
}

fn fragment(inner: &Inner<'_>) -> String {
    let field = wire::u16_at(inner.header(), 6).unwrap_or(0) & 0x3fff;
    if inner.is_v6() || field == 0 {
        return String::new();
    }
    format!(", fragment at {}", (field & 0x1fff) * 8)
}

/// What is behind the UDP header, if that follows the fixed header or IPv4 options.
fn udp_payload(packet: &[u8], v6: bool) -> &[u8] {
    let header = if v6 {
        40
    } else {
        usize::from(packet.first().copied().unwrap_or(0) & 0xf) * 4
    };
    packet.get(header + 8..).unwrap_or_default()
}

fn tunnel(message: &[u8], lines: &mut Vec<String>) {
    let header = match gtpu::Header::parse(message) {
        Ok(header) => header,
        Err(error) => return lines.push(format!("GTP-U: {error}")),
    };
    let (kind, teid) = (header.message_type(), header.teid());
    let flow = gtpu::parse_gpdu(message)
        .ok()
        .and_then(|packet| packet.flow);
    let flow = flow.map(|flow| {
        let way = match flow.pdu_type {
            gtpu::PduType::Dl => "DL",
            gtpu::PduType::Ul => "UL",
        };
        format!(", PDU session container {way} QFI {}", flow.qfi)
    });
    lines.push(format!(
        "GTP-U {kind}, TEID {teid:#010x}{}",
        flow.unwrap_or_default()
    ));
    if kind == gtpu::MessageType::G_PDU {
        user(header.payload(), lines);
    }
}

/// What a tunnel carries. A tunnel in a tunnel is not looked into.
fn user(octets: &[u8], lines: &mut Vec<String>) {
    let mut inner = Vec::new();
    packet(octets, &mut inner);
    lines.extend(
        inner
            .into_iter()
            .next()
            .map(|line| format!("user packet {line}")),
    );
}

const fn protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        wire::ICMP => "ICMP",
        6 => "TCP",
        wire::UDP => "UDP",
        50 => "ESP",
        51 => "AH",
        wire::ICMPV6 => "ICMPv6",
        132 => "SCTP",
        _ => return None,
    })
}
