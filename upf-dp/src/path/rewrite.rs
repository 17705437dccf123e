//! Rewrite: off with the old headers, on with the new, and where the frame goes.

use std::net::IpAddr;

use session::inner::Inner;
use session::neighbour::{Neighbours, NextHop};
use session::plan::{Act, Encapsulation, Step};
use session::{InterfaceId, NextHopId};

use super::Path;
use super::classify::entropy;
use super::meta::{Came, Fate, Meta};
use crate::links::{EthernetHeader, InterfaceLink, Links, Target};
use crate::packet::Packet;
use crate::reason::Reason;
use crate::wire;

/// What gets new headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// Packets as they were received.
    Received,
    /// A piece of one.
    Piece,
    /// One that may be larger than the MTU once it is in its tunnel, where it is cut.
    Oversize,
}

/// The way out.
#[derive(Debug)]
struct Exits<'a> {
    links: &'a Links,
    neighbours: &'a Neighbours,
    /// Of outer IPv4 headers.
    identification: &'a mut u16,
    /// How many more on-link neighbours this worker may name.
    names_left: &'a mut u16,
    /// Packets may be larger than the MTU once they are in their tunnel.
    oversize: bool,
}

/// Why there is no next hop.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The way goes back, to another UE.
    Back,
    /// It goes nowhere.
    None(Reason),
}

impl<P: Packet> Path<P> {
    /// Sixth stage: new headers. A received packet that cannot leave was counted in vain.
    #[inline(never)]
    pub(crate) fn rewrite(&mut self, packets: &mut [P], metas: &mut [Meta<'_>], what: Rewritten) {
        let mut exits = Exits {
            links: &self.links,
            neighbours: &self.neighbours,
            identification: &mut self.identification,
            names_left: &mut self.names_left,
            oversize: what == Rewritten::Oversize,
        };
        for (packet, meta) in packets.iter_mut().zip(metas) {
            if let Some((step, _)) = meta.goes_on()
                && let Err(reason) = exits.rewrite(packet, meta, step)
            {
                meta.fate = Fate::Drop(reason);
                // One that is too big may yet go in pieces.
                if what == Rewritten::Received && reason != Reason::TooBig {
                    step.void(meta.user_length);
                }
            }
        }
    }
}

impl Exits<'_> {
    /// Why it cannot leave, if so; else its fate is where it leaves.
    #[inline]
    fn rewrite<P: Packet>(
        &mut self,
        packet: &mut P,
        meta: &mut Meta<'_>,
        step: &Step,
    ) -> Result<(), Reason> {
        match step.act {
            Act::Tunnel {
                next_hop,
                interface,
            } => self.tunnel(packet, meta, step, (next_hop, interface)),
            Act::Route { vrf } => self.onto_network(packet, meta, vrf),
            Act::Bridge { vrf } => {
                meta.fate = Fate::Bridge(vrf);
                Ok(())
            }
            _ => Err(Reason::Undecided),
        }
    }

    /// Downlink, and from tunnel to tunnel.
    #[inline]
    fn tunnel<P: Packet>(
        &mut self,
        packet: &mut P,
        meta: &mut Meta<'_>,
        step: &Step,
        (next_hop, interface): (NextHopId, InterfaceId),
    ) -> Result<(), Reason> {
        let link = self.links.interface(interface).ok_or(Reason::NoRoute)?;
        let (outer, ethernet) = (step.encapsulation.length(), link.ethernet.length());
        let length = meta.user_length.saturating_add(outer);
        if length > link.mtu && !self.oversize {
            return Err(Reason::TooBig);
        }
        let whole = length.saturating_add(ethernet);
        reframe(packet, meta, ethernet + outer, whole)?;
        *self.identification = self.identification.wrapping_add(1);
        let (frame, numbers) = (packet.data_mut(), (meta.source_port, *self.identification));
        meta.fate = self.leave(link, next_hop);
        let mac = self.neighbours.ethernet(next_hop).unwrap_or_default();
        // What downlink packets get nearly always: everything at a fixed place.
        if let (Some(template), Some(head), Some(tail)) = (
            step.encapsulation.usual(),
            frame.first_chunk_mut::<78>(),
            link.ethernet.usual(false),
        ) {
            put_usual_outer(head, length, (mac, tail), template, numbers);
            let user = head.last_chunk_mut::<20>().ok_or(Reason::Undecided)?;
            if meta.routed {
                count_down(user);
            }
            return Ok(());
        }
        let v6 = step.encapsulation.is_v6();
        put_any_outer(
            frame,
            meta.routed,
            (link.ethernet, mac, v6),
            &step.encapsulation,
            numbers,
        )
        .ok_or(Reason::UserPacket)
    }

    /// Uplink: out on N6.
    #[inline]
    fn onto_network<P: Packet>(
        &mut self,
        packet: &mut P,
        meta: &mut Meta<'_>,
        vrf: InterfaceId,
    ) -> Result<(), Reason> {
        let link = self.links.interface(vrf).ok_or(Reason::NoRoute)?;
        if meta.user_length > link.mtu {
            return Err(Reason::TooBig);
        }
        let ethernet = link.ethernet.length();
        reframe(
            packet,
            meta,
            ethernet,
            meta.user_length.saturating_add(ethernet),
        )?;
        let (header, user) = packet
            .data_mut()
            .split_at_mut_checked(usize::from(ethernet))
            .ok_or(Reason::Undecided)?;
        let fixed: &mut [u8; 20] = user.first_chunk_mut().ok_or(Reason::UserPacket)?;
        let v6 = fixed[0] >> 4 == 6;
        let target = if v6 {
            route_v6(link, user)
        } else {
            let to = u32::from_be_bytes([fixed[16], fixed[17], fixed[18], fixed[19]]);
            link.routes.v4(to)
        };
        let next_hop = match target {
            Some(Target::Via(next_hop)) => next_hop,
            None => return Err(Reason::NoRoute),
            Some(other) => match self.unusual(other, (link, vrf), user) {
                Ok(next_hop) => next_hop,
                Err(Way::Back) => return turn_back(meta, link, header, v6),
                Err(Way::None(reason)) => return Err(reason),
            },
        };
        if let Some(fixed) = user.first_chunk_mut() {
            count_down(fixed);
        }
        meta.fate = self.leave(link, next_hop);
        let mac = self.neighbours.ethernet(next_hop).unwrap_or_default();
        match (header.first_chunk_mut(), link.ethernet.usual(v6)) {
            (Some(header), Some(tail)) => put_usual_ethernet(header, mac, tail),
            _ => link
                .ethernet
                .write(header, mac, if v6 { wire::IPV6 } else { wire::IPV4 })
                .ok_or(Reason::Undecided)?,
        }
        Ok(())
    }

    /// Where to, if not by a gateway.
    #[inline(never)]
    fn unusual(
        &mut self,
        target: Target,
        (link, vrf): (&InterfaceLink, InterfaceId),
        user: &[u8],
    ) -> Result<NextHopId, Way> {
        let inner = Inner::parse(user).map_err(|_| Way::None(Reason::UserPacket))?;
        let to = inner.destination();
        match target {
            Target::Via(next_hop) => Ok(next_hop),
            Target::AnyOf(number) => self
                .one_of(link.routes.group(number), &inner)
                .ok_or(Way::None(Reason::NoRoute)),
            // All hosts of the network at once (RFC 2644).
            Target::OnLink if self.is_directed_broadcast(vrf, to) => {
                Err(Way::None(Reason::MartianDestination))
            }
            Target::OnLink => self.on_link(vrf, to).map_err(Way::None),
            Target::Ue => Err(Way::Back),
            Target::Forbidden => Err(Way::None(Reason::UeToUe)),
        }
    }

    /// Sent at once, or when the neighbour is known.
    #[inline]
    fn leave(&self, link: &InterfaceLink, next_hop: NextHopId) -> Fate {
        if self.neighbours.ethernet(next_hop).is_some() {
            Fate::Send(link.port)
        } else {
            Fate::Await(next_hop)
        }
    }

    /// The next hop of a flow: one of those that answer, if any does.
    fn one_of(&self, group: &[NextHopId], inner: &Inner<'_>) -> Option<NextHopId> {
        let flow = usize::from(entropy(inner));
        let answers = |hop: &&NextHopId| self.neighbours.ethernet(**hop).is_some();
        let known = group.iter().filter(answers).count();
        let mut usable = group.iter().filter(|hop| known == 0 || answers(hop));
        let place = flow.checked_rem(if known == 0 { group.len() } else { known })?;
        usable.nth(place).copied()
    }

    fn is_directed_broadcast(&self, vrf: InterfaceId, to: IpAddr) -> bool {
        let link = self.links.interface(vrf);
        let mut nets = link.iter().flat_map(|link| &link.addresses);
        nets.any(|net| {
            let has_one = net.addr().is_ipv4() && net.prefix_len() < 31;
            has_one && (net.broadcast() == to || net.network() == to)
        })
    }

    /// The destination is the neighbour. UEs can make up any number of these, so naming new ones
    /// has a bound.
    fn on_link(&mut self, interface: InterfaceId, address: IpAddr) -> Result<NextHopId, Reason> {
        let hop = NextHop { interface, address };
        if let Some(known) = self.neighbours.find(hop) {
            return Ok(known);
        }
        *self.names_left = self
            .names_left
            .checked_sub(1)
            .ok_or(Reason::NeighboursFull)?;
        self.neighbours.id(hop).ok_or(Reason::NeighboursFull)
    }
}

/// The route of an IPv6 packet.
#[inline(never)]
fn route_v6(link: &InterfaceLink, user: &[u8]) -> Option<Target> {
    let to = wire::array(user, 24).map_or(0, u128::from_be_bytes);
    link.routes.v6(to)
}

/// Makes a packet for another UE look as if it came from the data network. One hop is counted for
/// both ways, when it leaves.
#[cold]
fn turn_back(
    meta: &mut Meta<'_>,
    link: &InterfaceLink,
    header: &mut [u8],
    v6: bool,
) -> Result<(), Reason> {
    // The other UE's rules send it back to where UEs are.
    if meta.came == Came::Back {
        return Err(Reason::NoRoute);
    }
    let ether_type = if v6 { wire::IPV6 } else { wire::IPV4 };
    let own = link.ethernet.source;
    link.ethernet
        .write(header, own, ether_type)
        .ok_or(Reason::Undecided)?;
    meta.fate = Fate::TurnBack(link.port);
    Ok(())
}

/// Leaves `front` octets before the user packet, and none behind it: `length` in all.
#[inline]
fn reframe<P: Packet>(
    packet: &mut P,
    meta: &Meta<'_>,
    front: u16,
    length: u16,
) -> Result<(), Reason> {
    packet.forget_offloads();
    if packet.reframe(i32::from(meta.user_at) - i32::from(front), length) {
        Ok(())
    } else {
        Err(Reason::NoHeadroom)
    }
}

/// Takes one off TTL or hop limit. The checksum becomes what a new computation would give, which is
/// never 0xffff (RFC 1624, 3).
#[inline]
fn count_down(header: &mut [u8; 20]) {
    if header[0] >> 4 == 6 {
        header[7] = header[7].wrapping_sub(1);
        return;
    }
    header[8] = header[8].wrapping_sub(1);
    let checksum = u16::from_be_bytes([header[10], header[11]]);
    let carry = u16::from(checksum >= 0xfeff);
    [header[10], header[11]] = checksum.wrapping_add(0x0100 + carry).to_be_bytes();
}

/// Writes an Ethernet header without a tag: `tail` is all behind the destination.
#[inline]
fn put_usual_ethernet(header: &mut [u8; 14], mac: [u8; 6], tail: [u8; 8]) {
    let [a, b, c, d, e, f] = mac;
    let [g, h, i, j, k, l, m, n] = tail;
    *header = [a, b, c, d, e, f, g, h, i, j, k, l, m, n];
}

/// Writes Ethernet, IPv4, UDP and GTP-U with its container in front of a user packet.
#[inline]
fn put_usual_outer(
    head: &mut [u8; 78],
    length: u16,
    (mac, tail): ([u8; 6], [u8; 8]),
    template: &[u8; 44],
    (source_port, identification): (u16, u16),
) {
    let Some((header, rest)) = head.split_first_chunk_mut::<14>() else {
        return;
    };
    put_usual_ethernet(header, mac, tail);
    let Some(outer) = rest.first_chunk_mut::<44>() else {
        return;
    };
    *outer = *template;
    fill_in_v4(outer, length, source_port, identification);
}

/// The same for any headers, and one hop less in the user packet if the UPF is a router for it.
#[inline(never)]
fn put_any_outer(
    frame: &mut [u8],
    routed: bool,
    (ethernet, mac, v6): (EthernetHeader, [u8; 6], bool),
    template: &Encapsulation,
    (source_port, identification): (u16, u16),
) -> Option<()> {
    ethernet.write(frame, mac, if v6 { wire::IPV6 } else { wire::IPV4 })?;
    let tunnel = frame.get_mut(usize::from(ethernet.length())..)?;
    if routed {
        let user = tunnel.get_mut(usize::from(template.length())..)?;
        count_down(user.first_chunk_mut()?);
    }
    put_outer(tunnel, template, source_port, identification)
}

/// Writes the outer header at the start of `packet`, which ends with the user packet.
pub(crate) fn put_outer(
    packet: &mut [u8],
    template: &Encapsulation,
    source_port: u16,
    identification: u16,
) -> Option<()> {
    let length = u16::try_from(packet.len()).ok()?;
    let octets = template.octets();
    let (head, rest) = packet.split_at_mut_checked(octets.len())?;
    head.copy_from_slice(octets);
    // Of the longest headers the end is 0.
    let beyond = usize::from(template.length()).checked_sub(octets.len())?;
    rest.get_mut(..beyond)?.fill(0);
    if template.is_v6() {
        return finish_v6(packet, length, source_port);
    }
    fill_in_v4(
        packet.first_chunk_mut::<36>()?,
        length,
        source_port,
        identification,
    );
    Some(())
}

/// Fills in what differs from packet to packet: `length` is that of the IPv4 packet, headers
/// included.
#[inline]
fn fill_in_v4<const N: usize>(
    header: &mut [u8; N],
    length: u16,
    source_port: u16,
    identification: u16,
) {
    const { assert!(N >= 36, "IPv4, UDP and GTP-U without options") }
    let Some(header) = header.first_chunk_mut::<36>() else {
        return;
    };
    [header[2], header[3]] = length.to_be_bytes();
    [header[4], header[5]] = identification.to_be_bytes();
    let sum = u32::from(u16::from_be_bytes([header[10], header[11]]));
    let checksum = !wire::fold_few(sum + u32::from(length) + u32::from(identification));
    [header[10], header[11]] = checksum.to_be_bytes();
    [header[20], header[21]] = source_port.to_be_bytes();
    [header[24], header[25]] = length.wrapping_sub(20).to_be_bytes();
    [header[30], header[31]] = length.wrapping_sub(36).to_be_bytes();
}

/// Over IPv6 the UDP checksum is needed: few receivers take zero (RFC 6936).
#[inline(never)]
fn finish_v6(packet: &mut [u8], length: u16, source_port: u16) -> Option<()> {
    let header: &mut [u8; 56] = packet.first_chunk_mut()?;
    let payload_length = length.checked_sub(40)?;
    [header[4], header[5]] = payload_length.to_be_bytes();
    [header[40], header[41]] = source_port.to_be_bytes();
    [header[44], header[45]] = payload_length.to_be_bytes();
    [header[50], header[51]] = length.checked_sub(56)?.to_be_bytes();
    let addresses = packet.get(8..40)?;
    let checksum = wire::transport_checksum(addresses, wire::UDP, packet.get(40..)?);
    wire::put(packet, 46, wire::udp_checksum_field(checksum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hop_less_has_the_checksum_of_a_new_computation() {
        for identification in 0..=u16::MAX {
            let mut header = [
                0x45, 0, 0, 64, 0, 0, 0, 0, 64, 17, 0, 0, 198, 51, 100, 7, 10, 45, 0, 2,
            ];
            [header[4], header[5]] = identification.to_be_bytes();
            wire::set_ipv4_checksum(&mut header);
            count_down(&mut header);
            let mut expected = header;
            wire::set_ipv4_checksum(&mut expected);
            assert_eq!((header, header[8]), (expected, 63));
        }
    }
}
