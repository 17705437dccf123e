//! Rewrite: off with the old headers, on with the new, and where the frame goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use session::neighbour::{Neighbours, NextHop};
use session::plan::{Act, Encapsulation, Entry, Step};
use session::{InterfaceId, NextHopId};

use super::classify::is_routed;
use super::meta::{Fate, Meta};
use crate::links::{InterfaceLink, Links, Target};
use crate::packet::Packet;
use crate::reason::Reason;
use crate::wire;

/// The way out.
#[derive(Debug)]
pub(super) struct Exits<'a> {
    pub(super) links: &'a Links,
    pub(super) neighbours: &'a Neighbours,
    /// Of outer IPv4 headers.
    pub(super) identification: &'a mut u16,
    /// How many more on-link neighbours this worker may name.
    pub(super) names_left: &'a mut u16,
}

impl Exits<'_> {
    /// Sixth stage: new headers.
    ///
    /// # Errors
    /// Why it cannot leave.
    #[inline]
    pub(super) fn rewrite<P: Packet>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        entry: Entry,
        step: &Step,
    ) -> Result<Fate, Reason> {
        match step.act {
            Act::Tunnel {
                next_hop,
                interface,
            } => self.tunnel(
                packet,
                meta,
                is_routed(entry, step),
                step,
                (next_hop, interface),
            ),
            Act::Route { vrf } => self.onto_network(packet, meta, vrf),
            _ => Err(Reason::Undecided),
        }
    }

    /// Downlink, and from tunnel to tunnel.
    #[inline]
    fn tunnel<P: Packet>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        routed: bool,
        step: &Step,
        (next_hop, interface): (NextHopId, InterfaceId),
    ) -> Result<Fate, Reason> {
        let link = self.links.interface(interface).ok_or(Reason::NoRoute)?;
        let (outer, ethernet) = (step.encapsulation.length(), link.ethernet.length());
        let length = meta.user_length.saturating_add(outer);
        if length > link.mtu {
            return Err(Reason::TooBig);
        }
        let source_port = entropy(meta.user(packet.data()));
        reframe(
            packet,
            meta,
            ethernet + outer,
            length.saturating_add(ethernet),
        )?;
        let frame = packet.data_mut();
        let (header, tunnel) = frame
            .split_at_mut_checked(usize::from(ethernet))
            .ok_or(Reason::Undecided)?;
        let v6 = step.encapsulation.is_v6();
        let fate = self.address(header, link, next_hop, v6)?;
        if routed {
            let user = tunnel.get_mut(usize::from(outer)..).unwrap_or_default();
            count_down(user).ok_or(Reason::UserPacket)?;
        }
        *self.identification = self.identification.wrapping_add(1);
        let written = put_outer(
            tunnel,
            &step.encapsulation,
            source_port,
            *self.identification,
        );
        written.ok_or(Reason::Undecided)?;
        Ok(fate)
    }

    /// Uplink: out on N6.
    #[inline]
    fn onto_network<P: Packet>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        vrf: InterfaceId,
    ) -> Result<Fate, Reason> {
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
        let v6 = user.first().is_some_and(|first| first >> 4 == 6);
        let next_hop = self.next_hop(link, vrf, user, v6)?;
        count_down(user).ok_or(Reason::UserPacket)?;
        self.address(header, link, next_hop, v6)
    }

    /// The neighbour on the way to the packet's destination.
    #[inline]
    fn next_hop(
        &mut self,
        link: &InterfaceLink,
        vrf: InterfaceId,
        user: &[u8],
        v6: bool,
    ) -> Result<NextHopId, Reason> {
        if v6 {
            let to = wire::array(user, 24).map_or(0, u128::from_be_bytes);
            match link.route_v6(to).ok_or(Reason::NoRoute)? {
                Target::Via(next_hop) => Ok(next_hop),
                Target::OnLink => self.on_link(vrf, Ipv6Addr::from_bits(to).into()),
            }
        } else {
            let to = wire::u32_at(user, 16).unwrap_or(0);
            match link.route_v4(to).ok_or(Reason::NoRoute)? {
                Target::Via(next_hop) => Ok(next_hop),
                Target::OnLink => self.on_link(vrf, Ipv4Addr::from_bits(to).into()),
            }
        }
    }

    /// Writes the Ethernet header.
    #[inline]
    fn address(
        &self,
        frame: &mut [u8],
        link: &InterfaceLink,
        next_hop: NextHopId,
        v6: bool,
    ) -> Result<Fate, Reason> {
        let ether_type = if v6 { wire::IPV6 } else { wire::IPV4 };
        let mac = self.neighbours.ethernet(next_hop);
        let written = link
            .ethernet
            .write(frame, mac.unwrap_or_default(), ether_type);
        written.ok_or(Reason::Undecided)?;
        Ok(if mac.is_some() {
            Fate::Send(link.port)
        } else {
            Fate::Await(next_hop)
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

/// Takes one off TTL (with its checksum, RFC 1141) or hop limit.
#[inline]
fn count_down(user: &mut [u8]) -> Option<()> {
    let header: &mut [u8; 20] = user.first_chunk_mut()?;
    if header[0] >> 4 == 6 {
        header[7] = header[7].wrapping_sub(1);
        return Some(());
    }
    header[8] = header[8].wrapping_sub(1);
    let checksum = u16::from_be_bytes([header[10], header[11]]);
    let (sum, carry) = checksum.overflowing_add(0x0100);
    [header[10], header[11]] = sum.wrapping_add(u16::from(carry)).to_be_bytes();
    Some(())
}

/// A UDP source port that is the same for all packets of a flow: 49152 to 65535.
#[inline]
fn entropy(user: &[u8]) -> u16 {
    let hash = match user.first_chunk::<24>() {
        Some(header) if header[0] >> 4 == 4 => {
            let words = u64::from_be_bytes([
                header[12], header[13], header[14], header[15], header[16], header[17], header[18],
                header[19],
            ]);
            // Neither an offset nor more fragments.
            let whole = (header[6] & 0x3f) | header[7] == 0;
            let ports = header[0] == 0x45 && matches!(header[9], 6 | 17 | 132) && whole;
            let ports = if ports {
                u32::from_be_bytes([header[20], header[21], header[22], header[23]])
            } else {
                0
            };
            words ^ u64::from(ports).wrapping_mul(0x9e37_79b9)
        }
        _ => entropy_v6(user),
    };
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    0xc000 | u16::from_be_bytes([mixed[0], mixed[1]])
}

#[inline(never)]
fn entropy_v6(user: &[u8]) -> u64 {
    let Some(header) = user.first_chunk::<40>() else {
        return 0;
    };
    let word = |at: usize| wire::array(header, at).map_or(0, u64::from_be_bytes);
    let ports = if matches!(header[6], 6 | 17 | 132) {
        wire::u32_at(user, 40).unwrap_or(0)
    } else {
        0
    };
    let addresses = word(8) ^ word(16).rotate_left(17) ^ word(24).rotate_left(31) ^ word(32);
    addresses ^ u64::from(ports).wrapping_mul(0x9e37_79b9)
}

/// Writes the outer header at the start of `packet`, which ends with the user packet.
#[inline]
pub(crate) fn put_outer(
    packet: &mut [u8],
    template: &Encapsulation,
    source_port: u16,
    identification: u16,
) -> Option<()> {
    let octets = template.octets();
    // What downlink packets get nearly always, copied in one piece: IPv4 with a QoS flow.
    match octets.first_chunk::<44>() {
        Some(usual) if octets.len() == 44 => *packet.first_chunk_mut()? = *usual,
        _ => packet.get_mut(..octets.len())?.copy_from_slice(octets),
    }
    let length = u16::try_from(packet.len()).ok()?;
    if template.is_v6() {
        return finish_v6(packet, length, source_port);
    }
    let header: &mut [u8; 36] = packet.first_chunk_mut()?;
    [header[2], header[3]] = length.to_be_bytes();
    [header[4], header[5]] = identification.to_be_bytes();
    let sum = u64::from(u16::from_be_bytes([header[10], header[11]]));
    let checksum = !wire::fold(sum + u64::from(length) + u64::from(identification));
    [header[10], header[11]] = checksum.to_be_bytes();
    [header[20], header[21]] = source_port.to_be_bytes();
    [header[24], header[25]] = length.checked_sub(20)?.to_be_bytes();
    [header[30], header[31]] = length.checked_sub(36)?.to_be_bytes();
    Some(())
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
