//! What the UPF answers itself: ARP, neighbour discovery, ICMP echo, GTP-U signalling. Done by the
//! worker that received the packet, bounded per second, answered in the packet's own buffer.

mod arp;
mod fragment;
mod gtpu;
mod icmp;
mod launch;
mod nd;
mod rate;
mod reassembly;
mod resolver;
mod router;
#[cfg(test)]
mod tests;
mod undeliverable;

use std::net::IpAddr;

use session::meter::Now;
use session::neighbour::NextHop;

use crate::links::Links;
use crate::outlet::Outlet;
use crate::packet::Packet;
use crate::path::{Fate, Meta, Path, Punt, Turn, is_host};
use crate::reason::Reason;
use crate::wire;
pub(crate) use rate::Limiter;
use rate::PeerLimiter;
pub(crate) use reassembly::Reassembly;
pub use reassembly::ReassemblyLimits;
use resolver::Resolver;
pub(crate) use router::is_solicitation;
pub use undeliverable::Fragmentation;

/// What a worker does besides forwarding.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlowConfig {
    /// How much it answers.
    pub rates: Rates,
    /// What it does with packets that are too big for their tunnel.
    pub fragmentation: Fragmentation,
    /// How many fragments it puts together.
    pub reassembly: ReassemblyLimits,
}

/// How much one worker answers in a second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// ARP requests and neighbour solicitations for our addresses, on each port.
    pub neighbour_pps: u32,
    /// ICMP and ICMPv6 echo, on each port.
    pub icmp_pps: u32,
    /// GTP-U echo, a tenth of it for one peer.
    pub echo_pps: u32,
    /// Error Indications of peers that are passed on, a quarter of them from one peer.
    pub error_indication_received_pps: u32,
    /// Error Indications and notifications of extension headers, to all peers.
    pub error_indication_pps: u32,
    /// The same, to one peer.
    pub error_indication_per_peer_pps: u32,
    /// ICMP errors about user packets, to all senders.
    pub icmp_error_pps: u32,
    /// The same, to one sender.
    pub icmp_error_per_sender_pps: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            neighbour_pps: 1000,
            icmp_pps: 1000,
            echo_pps: 1000,
            error_indication_received_pps: 2000,
            error_indication_pps: 100,
            error_indication_per_peer_pps: 10,
            icmp_error_pps: 1000,
            icmp_error_per_sender_pps: 20,
        }
    }
}

/// What became of a punted packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is the answer now: send it by the port it came from.
    Answered,
    /// It has been read, and that was all.
    Consumed,
    /// Something else.
    Go(Fate),
}

impl Outcome {
    const fn drop(reason: Reason) -> Self {
        Self::Go(Fate::Drop(reason))
    }
}

const BROKEN: Outcome = Outcome::drop(Reason::SlowPathBroken);
const UNANSWERED: Outcome = Outcome::drop(Reason::SlowPathUnanswered);
const TOO_MANY: Outcome = Outcome::drop(Reason::SlowPathRate);

/// One peer's Echo Requests never use up more than this part of what is answered.
const ECHO_SHARES: u32 = 10;
/// Nor its Error Indications, of which one that was started anew sends many.
const ERROR_INDICATION_SHARES: u32 = 4;

/// How many Echo Responses are passed on in a second: of all peers, and of one.
const ECHO_RESPONSES_PPS: u32 = 4000;
const ECHO_RESPONSES_PER_PEER_PPS: u32 = 10;

/// What is answered on one port: a flood on it is not heard on others.
#[derive(Debug)]
struct PortLimiters {
    neighbour: Limiter,
    icmp: Limiter,
}

/// The slow path's state.
#[derive(Debug)]
pub(crate) struct SlowPath {
    ports: Box<[PortLimiters]>,
    error_indications: PeerLimiter,
    echo_requests: PeerLimiter,
    errors: PeerLimiter,
    echoes: PeerLimiter,
    notices: PeerLimiter,
    fragmentation: Fragmentation,
    pub(crate) resolver: Resolver,
}

impl SlowPath {
    pub(crate) fn new(config: &SlowConfig, links: &Links, hz: u64) -> Self {
        let rates = &config.rates;
        let shared = |rate: u32, shares| PeerLimiter::new(rate, rate.div_ceil(shares), hz);
        let port = || PortLimiters {
            neighbour: Limiter::new(rates.neighbour_pps, hz),
            icmp: Limiter::new(rates.icmp_pps, hz),
        };
        Self {
            ports: std::iter::repeat_with(port).take(links.ports()).collect(),
            error_indications: shared(rates.error_indication_received_pps, ERROR_INDICATION_SHARES),
            echo_requests: shared(rates.echo_pps, ECHO_SHARES),
            errors: PeerLimiter::new(
                rates.error_indication_pps,
                rates.error_indication_per_peer_pps,
                hz,
            ),
            echoes: PeerLimiter::new(ECHO_RESPONSES_PPS, ECHO_RESPONSES_PER_PEER_PPS, hz),
            notices: PeerLimiter::new(rates.icmp_error_pps, rates.icmp_error_per_sender_pps, hz),
            fragmentation: config.fragmentation,
            resolver: Resolver::new(links, hz),
        }
    }
}

impl<P: Packet> Path<P> {
    /// Answers a packet, or says what becomes of it.
    #[cold]
    pub(crate) fn punt<O: Outlet<P>>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        kind: Punt,
        turn: &mut Turn<'_, '_, O>,
    ) -> Outcome {
        let now = turn.now;
        let outcome = match kind {
            Punt::Arp => self.arp(packet, meta, now),
            Punt::Icmp => self.icmp(packet, meta, now),
            Punt::Icmpv6 => self.icmpv6(packet, meta, now),
            Punt::Gtpu => Some(self.gtpu_signalling(packet, meta, turn)),
            Punt::UnknownExtension => Some(self.unknown_extension(packet, meta, turn)),
            Punt::OtherVersion => Some(self.other_version(packet, meta, turn)),
            // Taken before.
            Punt::Fragment => None,
            Punt::UnknownTeid => Some(self.unknown_teid(packet, meta, turn)),
            Punt::RouterSolicitation(otherwise) => {
                self.router_solicitation(packet, meta, otherwise, turn)
            }
        };
        outcome.unwrap_or(BROKEN)
    }

    /// Remembers the Ethernet address of a neighbour that somebody wants to send to.
    fn learn(&self, meta: &Meta<'_>, vlan: Option<u16>, address: IpAddr, mac: [u8; 6]) {
        let segment = self.links.segment(meta.port, vlan);
        let is_ours = segment.is_some_and(|segment| segment.local(address).is_some());
        if mac[0] & 1 == 1 || mac == [0; 6] || is_ours || !is_host(address) {
            return;
        }
        for interface in segment.into_iter().flat_map(|segment| &segment.interfaces) {
            self.neighbours.learn(
                NextHop {
                    interface: *interface,
                    address,
                },
                mac,
            );
        }
    }

    /// Whether neighbours in that VLAN are to send packets for `address` to us: one of our own, or a
    /// UE's. A probe asks whether an address is free: UE pools hold addresses of the kernel and of
    /// routers, too, so only our own are defended.
    fn answers_for(
        &self,
        meta: &Meta<'_>,
        vlan: Option<u16>,
        address: IpAddr,
        is_probe: bool,
    ) -> bool {
        let Some(segment) = self.links.segment(meta.port, vlan) else {
            return false;
        };
        let is_ue = || {
            let link = segment.n6.and_then(|n6| self.links.interface(n6));
            link.is_some_and(|link| link.ue_pools.iter().any(|pool| pool.contains(&address)))
        };
        segment.local(address).is_some() || !is_probe && is_ue()
    }

    fn may_answer_neighbour(&mut self, port: u16, now: Now) -> bool {
        let port = self.slow.ports.get_mut(usize::from(port));
        port.is_some_and(|port| port.neighbour.take(now))
    }

    fn may_answer_ping(&mut self, port: u16, now: Now) -> bool {
        let port = self.slow.ports.get_mut(usize::from(port));
        port.is_some_and(|port| port.icmp.take(now))
    }
}

/// Sends a frame back to where it came from.
fn turn_round(frame: &mut [u8], our_mac: [u8; 6]) -> Option<()> {
    let sender: [u8; 6] = wire::array(frame, 6)?;
    wire::put(frame, 0, sender)?;
    wire::put(frame, 6, our_mac)
}
