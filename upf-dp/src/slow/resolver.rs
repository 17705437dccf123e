//! Asks for the Ethernet addresses of neighbours: at once when a packet needs one, and from time
//! to time for all that are named, so that they are known before packets come, and known no longer
//! when they are gone.

use std::net::{IpAddr, Ipv6Addr};

use session::NextHopId;
use session::WorkerId;
use session::meter::Now;
use session::neighbour::{NEXT_HOPS_MAX, NextHop};

use super::{arp, nd};
use crate::links::{InterfaceLink, Links};
use crate::outlet::Outlet;
use crate::packet::Packet;
use crate::path::{Path, Turn};
use crate::wire;

/// How many next hops are looked at in one go.
const STEP: u16 = 64;
/// How long a neighbour that is known has to answer.
const ANSWER_S: u8 = 1;
/// Between two questions about a neighbour that does not answer: doubled each time up to this.
const BACK_OFF_S_MAX: u8 = 32;
/// After this time a neighbour that is known is asked again: it may have moved, or be gone.
const REFRESH_S: u8 = 60;
/// The same for one that routes lead to: others may take its place.
const REFRESH_GATEWAY_S: u8 = 5;

/// How a neighbour stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unknown,
    /// It was asked whether it is still there, and not heard since.
    Doubted,
    Known,
}

/// When which neighbour was asked.
#[derive(Debug)]
pub(crate) struct Resolver {
    hz: u64,
    asked: Box<[Asked]>,
    next_look: u64,
    cursor: u16,
    announced: bool,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Not to be looked at again before.
    not_before: u64,
    /// Seconds until the next question, while it is not known.
    wait_s: u8,
    /// Seconds until the next question, while it is known.
    refresh_s: u8,
    /// It was asked while it was known, and its answer is looked for.
    awaited: bool,
}

impl Resolver {
    pub(super) fn new(links: &Links, hz: u64) -> Self {
        let never = Asked {
            not_before: 0,
            wait_s: 0,
            refresh_s: REFRESH_S,
            awaited: false,
        };
        let mut asked: Box<[Asked]> = vec![never; NEXT_HOPS_MAX].into();
        for gateway in links
            .interfaces()
            .flat_map(|(_, link)| link.routes.gateways())
        {
            if let Some(asked) = asked.get_mut(usize::from(gateway.0)) {
                asked.refresh_s = REFRESH_GATEWAY_S;
            }
        }
        Self {
            hz,
            asked,
            next_look: 0,
            cursor: 0,
            announced: false,
        }
    }

    /// Whether to ask now; the pause until the next look is set.
    fn take(&mut self, hop: NextHopId, standing: Standing, now: Now) -> bool {
        let Some(asked) = self.asked.get_mut(usize::from(hop.0)) else {
            return false;
        };
        if asked.not_before > now.0 {
            return false;
        }
        let has_answered = asked.awaited && standing == Standing::Known;
        let wait_s = match standing {
            Standing::Unknown => {
                asked.wait_s = asked.wait_s.saturating_mul(2).clamp(1, BACK_OFF_S_MAX);
                asked.wait_s
            }
            _ if has_answered => asked.refresh_s - ANSWER_S,
            _ => ANSWER_S,
        };
        asked.awaited = standing != Standing::Unknown && !has_answered;
        if standing != Standing::Unknown {
            asked.wait_s = 0;
        }
        let pause = self.hz.saturating_mul(wait_s.into());
        asked.not_before = now.0.saturating_add(pause);
        !has_answered
    }
}

impl<P: Packet> Path<P> {
    /// Asks for the address of a neighbour that a packet waits for.
    pub(crate) fn ask<O: Outlet<P>>(&mut self, hop: NextHopId, turn: &mut Turn<'_, '_, O>) {
        // With a packet at hand the pause never is longer than a second.
        if let Some(asked) = self.slow.resolver.asked.get_mut(usize::from(hop.0)) {
            let soonest = turn.now.0.saturating_add(self.slow.resolver.hz);
            asked.not_before = asked.not_before.min(soonest);
        }
        if self.slow.resolver.take(hop, Standing::Unknown, turn.now) {
            self.solicit(hop, turn.out);
        }
    }

    /// Between bursts: the first worker looks after all neighbours.
    pub(crate) fn tend_neighbours<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        let resolver = &mut self.slow.resolver;
        if self.worker != WorkerId(0) || turn.now.0 < resolver.next_look {
            return;
        }
        // Everything is looked at every 64 ms; where there are very many next hops, every 128.
        resolver.next_look = turn.now.0 + resolver.hz / 1000;
        if !resolver.announced {
            resolver.announced = true;
            self.announce(turn.out);
        }
        for _ in 0..STEP {
            let id = NextHopId(self.slow.resolver.cursor);
            let next = usize::from(id.0) + 1;
            self.slow.resolver.cursor = u16::try_from(next)
                .ok()
                .filter(|_| next < self.neighbours.span())
                .unwrap_or(0);
            let Some(hop) = self.neighbours.hop(id) else {
                continue;
            };
            let standing = match self.neighbours.ethernet(id) {
                None => Standing::Unknown,
                Some(_) if self.neighbours.is_doubted(id) => Standing::Doubted,
                Some(_) => Standing::Known,
            };
            if !hop.address.is_unspecified() && self.slow.resolver.take(id, standing, turn.now) {
                self.solicit(id, turn.out);
            }
        }
    }

    /// Sends an ARP request or a neighbour solicitation. What is known is doubted until it is
    /// answered.
    fn solicit<O: Outlet<P>>(&mut self, id: NextHopId, out: &mut O) {
        let Some(NextHop { interface, address }) = self.neighbours.hop(id) else {
            return;
        };
        let Some(link) = self.links.interface(interface) else {
            return;
        };
        // Without an address of ours there is nobody to answer to.
        let Some(own) = link.address_towards(address) else {
            return;
        };
        let Some(mut packet) = out.buffer() else {
            return;
        };
        if question(&mut packet, link, own, address).is_some() {
            self.cells.port(link.port).made.add(1);
            out.send(link.port, packet);
            self.neighbours.doubt(id);
        }
    }

    /// Tells the neighbours our Ethernet address, in case they remember another.
    fn announce<O: Outlet<P>>(&self, out: &mut O) {
        for (_, link) in self.links.interfaces() {
            for own in &link.addresses {
                let Some(mut packet) = out.buffer() else {
                    return;
                };
                if announcement(&mut packet, link, own.addr()).is_some() {
                    self.cells.port(link.port).made.add(1);
                    out.send(link.port, packet);
                }
            }
        }
    }
}

const BROADCAST: [u8; 6] = [0xff; 6];

fn question<P: Packet>(
    packet: &mut P,
    link: &InterfaceLink,
    own: IpAddr,
    neighbour: IpAddr,
) -> Option<()> {
    let mac = link.ethernet.source;
    match (own, neighbour) {
        (IpAddr::V4(own), IpAddr::V4(neighbour)) => {
            let frame = framed(packet, link, BROADCAST, wire::ARP, arp::LENGTH)?;
            arp::put(
                frame,
                arp::REQUEST,
                (mac, own.octets()),
                ([0; 6], neighbour.octets()),
            )
        }
        (IpAddr::V6(own), IpAddr::V6(neighbour)) => {
            let [.., a, b, c] = neighbour.octets();
            // The solicited-node group (RFC 4291, 2.7.1).
            let group = Ipv6Addr::from_bits(
                0xff02_0000_0000_0000_0000_0001_ff00_0000 | neighbour.to_bits() & 0xff_ffff,
            );
            let group_mac = [0x33, 0x33, 0xff, a, b, c];
            let ip = framed(packet, link, group_mac, wire::IPV6, 40 + nd::LENGTH)?;
            let kind = (nd::SOLICITATION, 0);
            nd::put(ip, (own, group), kind, neighbour, (nd::SOURCE_MAC, mac))
        }
        _ => None,
    }
}

fn announcement<P: Packet>(packet: &mut P, link: &InterfaceLink, own: IpAddr) -> Option<()> {
    let mac = link.ethernet.source;
    match own {
        IpAddr::V4(own) => {
            let frame = framed(packet, link, BROADCAST, wire::ARP, arp::LENGTH)?;
            arp::put(
                frame,
                arp::REQUEST,
                (mac, own.octets()),
                ([0; 6], own.octets()),
            )
        }
        IpAddr::V6(own) => {
            let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            let all_mac = [0x33, 0x33, 0, 0, 0, 1];
            let ip = framed(packet, link, all_mac, wire::IPV6, 40 + nd::LENGTH)?;
            nd::put(
                ip,
                (own, all),
                (nd::ADVERTISEMENT, 0xa0),
                own,
                (nd::TARGET_MAC, mac),
            )
        }
    }
}

/// Writes the Ethernet header of a packet of our own; what follows is to be filled in.
fn framed<'p, P: Packet>(
    packet: &'p mut P,
    link: &InterfaceLink,
    to: [u8; 6],
    ether_type: u16,
    length: usize,
) -> Option<&'p mut [u8]> {
    let ethernet = usize::from(link.ethernet.length());
    if !packet.resize(ethernet + length) {
        return None;
    }
    let frame = packet.data_mut();
    link.ethernet.write(frame, to, ether_type)?;
    frame.get_mut(ethernet..)
}
