//! A host on an Ethernet link: answers ARP, neighbour solicitations and pings, and learns who else
//! is there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::net::{
    self, BROADCAST, ETHERTYPE_ARP, Ethernet, Ip, Mac, PROTOCOL_ICMP, PROTOCOL_ICMPV6, read_ipv4,
    read_ipv6, read_mac, read_u16,
};

/// How many neighbours are kept.
const NEIGHBOURS_MAX: usize = 4096;

const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const ICMP_ECHO_REQUEST: u8 = 8;
const ICMPV6_ECHO_REQUEST: u8 = 128;
const ND_SOLICITATION: u8 = 135;
const ND_ADVERTISEMENT: u8 = 136;
/// An IPv6 source or target link-layer address option of one unit.
const ND_OPTION_SOURCE: [u8; 2] = [1, 1];
const ND_OPTION_TARGET: [u8; 2] = [2, 1];
/// The flags of an advertisement: solicited, override.
const SOLICITED_OVERRIDE: u8 = 0x60;
/// Neighbour discovery does not pass routers: RFC 4861.
const ND_HOP_LIMIT: u8 = 255;

/// A host on an Ethernet link.
#[derive(Clone, Debug)]
pub struct Station {
    mac: Mac,
    vlan: Option<u16>,
    /// What it answers for.
    addresses: Vec<IpNet>,
    neighbours: BTreeMap<IpAddr, Mac>,
}

impl Station {
    /// A host that answers for these addresses. A prefix stands for all hosts of a network.
    pub fn new(mac: Mac, vlan: Option<u16>, addresses: Vec<IpNet>) -> Self {
        Self {
            mac,
            vlan,
            addresses,
            neighbours: BTreeMap::new(),
        }
    }

    /// Its MAC address.
    pub const fn mac(&self) -> Mac {
        self.mac
    }

    /// Its VLAN.
    pub const fn vlan(&self) -> Option<u16> {
        self.vlan
    }

    /// Whether it answers for an address.
    pub fn answers_for(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|net| net.contains(&address))
    }

    /// The MAC address of a neighbour, once it is known.
    pub fn neighbour(&self, address: IpAddr) -> Option<Mac> {
        self.neighbours.get(&address).copied()
    }

    /// Takes the MAC address of a neighbour as known.
    pub fn learn(&mut self, address: IpAddr, mac: Mac) {
        if self.neighbours.len() < NEIGHBOURS_MAX || self.neighbours.contains_key(&address) {
            self.neighbours.insert(address, mac);
        }
    }

    /// Builds the frame of an IP packet to a neighbour; to everybody while it is not known.
    pub fn frame_to(&self, neighbour: IpAddr, packet: &[u8]) -> Vec<u8> {
        let destination = self.neighbour(neighbour).unwrap_or(BROADCAST);
        net::ethernet_ip(destination, self.mac, self.vlan, packet)
    }

    /// Builds the question who has an address, asked as `from`.
    pub fn who_has(&self, from: IpAddr, target: IpAddr) -> Vec<u8> {
        match (from, target) {
            (IpAddr::V4(from), IpAddr::V4(target)) => {
                let arp = arp(ARP_REQUEST, (self.mac, from), ([0; 6], target));
                net::ethernet(BROADCAST, self.mac, self.vlan, ETHERTYPE_ARP, &arp)
            }
            (from, target) => self.solicitation(from, target),
        }
    }

    fn solicitation(&self, from: IpAddr, target: IpAddr) -> Vec<u8> {
        let IpAddr::V6(target) = target else {
            return Vec::new();
        };
        let [.., a, b, c] = target.octets();
        let group = Ipv6Addr::new(
            0xff02,
            0,
            0,
            0,
            0,
            1,
            u16::from_be_bytes([0xff, a]),
            u16::from_be_bytes([b, c]),
        );
        let octets = nd(ND_SOLICITATION, 0, target, ND_OPTION_SOURCE, self.mac);
        let packet = icmpv6(from, group.into(), ND_HOP_LIMIT, octets);
        net::ethernet_ip([0x33, 0x33, 0xff, a, b, c], self.mac, self.vlan, &packet)
    }

    /// Takes a frame; the answer, if it wants one.
    pub fn on_frame(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let ethernet = Ethernet::parse(frame)?;
        if ethernet.vlan != self.vlan {
            return None;
        }
        if ethernet.ethertype == ETHERTYPE_ARP {
            return self.on_arp(ethernet.payload);
        }
        let ip = ethernet.ip()?;
        let (kind, _) = ip.payload.split_first()?;
        match (ip.protocol, *kind) {
            (PROTOCOL_ICMPV6, ND_SOLICITATION) => self.on_solicitation(&ip, ethernet.source),
            (PROTOCOL_ICMPV6, ND_ADVERTISEMENT) => {
                let mac = read_mac(ip.payload, 26).unwrap_or(ethernet.source);
                self.learn(read_ipv6(ip.payload, 8)?.into(), mac);
                None
            }
            (PROTOCOL_ICMP, ICMP_ECHO_REQUEST) | (PROTOCOL_ICMPV6, ICMPV6_ECHO_REQUEST)
                if self.answers_for(ip.destination) && ethernet.destination == self.mac =>
            {
                let reply = echo_reply(&ip);
                Some(net::ethernet_ip(
                    ethernet.source,
                    self.mac,
                    self.vlan,
                    &reply,
                ))
            }
            _ => None,
        }
    }

    fn on_arp(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let operation = read_u16(payload, 6)?;
        let sender = (read_mac(payload, 8)?, read_ipv4(payload, 14)?);
        let target = read_ipv4(payload, 24)?;
        self.learn(sender.1.into(), sender.0);
        if operation != ARP_REQUEST || !self.answers_for(target.into()) || target == sender.1 {
            return None;
        }
        let reply = arp(ARP_REPLY, (self.mac, target), sender);
        Some(net::ethernet(
            sender.0,
            self.mac,
            self.vlan,
            ETHERTYPE_ARP,
            &reply,
        ))
    }

    fn on_solicitation(&mut self, ip: &Ip<'_>, source: Mac) -> Option<Vec<u8>> {
        let target = read_ipv6(ip.payload, 8)?;
        if ip.hop_limit != ND_HOP_LIMIT || !self.answers_for(target.into()) {
            return None;
        }
        // From the unspecified address it is duplicate detection; nobody here moves in.
        if ip.source != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            self.learn(ip.source, source);
        }
        let octets = nd(
            ND_ADVERTISEMENT,
            SOLICITED_OVERRIDE,
            target,
            ND_OPTION_TARGET,
            self.mac,
        );
        let packet = icmpv6(target.into(), ip.source, ND_HOP_LIMIT, octets);
        Some(net::ethernet_ip(source, self.mac, self.vlan, &packet))
    }
}

fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut octets = vec![0, 1, 8, 0, 6, 4];
    octets.extend_from_slice(&operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        octets.extend_from_slice(&mac);
        octets.extend_from_slice(&address.octets());
    }
    octets
}

fn nd(kind: u8, flags: u8, target: Ipv6Addr, option: [u8; 2], mac: Mac) -> Vec<u8> {
    let mut octets = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    octets.extend_from_slice(&target.octets());
    octets.extend_from_slice(&option);
    octets.extend_from_slice(&mac);
    octets
}

fn icmpv6(source: IpAddr, destination: IpAddr, hop_limit: u8, mut octets: Vec<u8>) -> Vec<u8> {
    net::patch(&mut octets, 2, &[0, 0]);
    let sum = net::Checksum::default()
        .pseudo_header(source, destination, PROTOCOL_ICMPV6, octets.len())
        .with(&octets)
        .finish();
    net::patch(&mut octets, 2, &sum.to_be_bytes());
    net::ip(source, destination, PROTOCOL_ICMPV6, hop_limit, &octets)
}

/// Builds an echo request of ICMP or `ICMPv6`.
pub fn echo_request(
    source: IpAddr,
    destination: IpAddr,
    id: u16,
    sequence: u16,
    payload: &[u8],
) -> Vec<u8> {
    let kind = if source.is_ipv4() {
        ICMP_ECHO_REQUEST
    } else {
        ICMPV6_ECHO_REQUEST
    };
    let mut octets = vec![kind, 0, 0, 0];
    octets.extend_from_slice(&id.to_be_bytes());
    octets.extend_from_slice(&sequence.to_be_bytes());
    octets.extend_from_slice(payload);
    icmp(source, destination, octets)
}

/// Answers an echo request: `ip` must be one.
pub fn echo_reply(ip: &Ip<'_>) -> Vec<u8> {
    let mut octets = ip.payload.to_vec();
    net::patch(
        &mut octets,
        0,
        &[if ip.source.is_ipv4() {
            0
        } else {
            ICMPV6_ECHO_REQUEST + 1
        }],
    );
    icmp(ip.destination, ip.source, octets)
}

fn icmp(source: IpAddr, destination: IpAddr, mut octets: Vec<u8>) -> Vec<u8> {
    if source.is_ipv6() {
        return icmpv6(source, destination, net::HOP_LIMIT, octets);
    }
    net::patch(&mut octets, 2, &[0, 0]);
    let sum = net::Checksum::default().with(&octets).finish();
    net::patch(&mut octets, 2, &sum.to_be_bytes());
    net::ip(source, destination, PROTOCOL_ICMP, net::HOP_LIMIT, &octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = [2, 0, 0, 0, 0, 0xa];
    const B: Mac = [2, 0, 0, 0, 0, 0xb];

    fn station(mac: Mac, addresses: &[&str]) -> Station {
        Station::new(
            mac,
            None,
            addresses.iter().map(|net| net.parse().unwrap()).collect(),
        )
    }

    #[test]
    fn two_stations_find_each_other_and_ping() {
        for (a, b) in [
            ("10.10.3.7", "10.10.3.101"),
            ("2001:db8:3::7", "2001:db8:3::101"),
        ] {
            let (a, b): (IpAddr, IpAddr) = (a.parse().unwrap(), b.parse().unwrap());
            let mut alice = Station::new(A, None, vec![a.into()]);
            let mut bob = Station::new(B, None, vec![b.into()]);
            let answer = bob.on_frame(&alice.who_has(a, b)).expect("an answer");
            assert_eq!(bob.neighbour(a), Some(A), "the question says who asks");
            assert_eq!(alice.on_frame(&answer), None);
            assert_eq!(alice.neighbour(b), Some(B));

            let ping = alice.frame_to(b, &echo_request(a, b, 1, 2, b"hello"));
            let pong = bob.on_frame(&ping).expect("a reply");
            let ethernet = Ethernet::parse(&pong).unwrap();
            let ip = ethernet.ip().unwrap();
            assert_eq!((ethernet.destination, ip.source, ip.destination), (A, b, a));
            assert!(ip.payload.ends_with(b"hello") && ip.has_valid_checksum());
        }
    }

    #[test]
    fn a_question_for_somebody_else_is_not_answered() {
        let mut bob = station(B, &["10.10.6.0/24"]);
        let alice = station(A, &["10.10.3.7/32"]);
        let (from, other) = ("10.10.3.7".parse().unwrap(), "10.10.3.9".parse().unwrap());
        assert_eq!(bob.on_frame(&alice.who_has(from, other)), None);
        let within = "10.10.6.77".parse().unwrap();
        assert!(bob.on_frame(&alice.who_has(from, within)).is_some());
    }
}
