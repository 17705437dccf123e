//! User packets that do not fit where they have to go, or have come too far: cut into fragments
//! where that is allowed, else dropped, and their sender told by ICMP (RFC 1812, 4.3; RFC 4443, 3).

use std::net::{IpAddr, Ipv4Addr};
use std::slice::from_mut;

use arrayvec::ArrayVec;
use session::InterfaceId;
use session::inner::Inner;
use session::plan::{Act, Arrival, Entrance, Step};
use session::tables::EntryId;

use super::fragment::Whole;
use super::{nd, turn_round};
use crate::outlet::Outlet;
use crate::packet::{BURST, Packet};
use crate::path::{Came, Fate, Meta, Path, Rewritten, Turn, is_host};
use crate::reason::Reason;
use crate::waiting::Counted;
use crate::wire;

/// How packets that are larger than a tunnel's MTU allows are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragmentation {
    /// The user packet, if it is IPv4 and may be fragmented; else its sender is told.
    #[default]
    Inner,
    /// The tunnel's packet, whatever is in it.
    Outer,
    /// Not at all: the sender is told.
    Never,
}

/// The smallest MTU of IPv6 (RFC 8200, 5): smaller packets cannot be asked for.
const MTU_V6_MIN: u16 = 1280;
/// An ICMP message is no longer than this (RFC 1812, 4.3.2.3) …
const NOTICE_V4_MAX: usize = 576;
/// … and an ICMPv6 message than this (RFC 4443, 2.4).
const NOTICE_V6_MAX: usize = 1280;
/// Stands for a router that has no IPv4 address of its own to tell (RFC 7600, 4.8).
const DUMMY_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
/// An IPv4 packet may not be fragmented.
const DO_NOT_FRAGMENT: u8 = 0x40;

/// The pieces of one packet, and where they go.
type Pieces<P> = ArrayVec<(P, Fate), BURST>;

/// What a sender is told: type and code, and the four octets that follow the checksum.
#[derive(Clone, Copy, Debug)]
struct Notice {
    kind: u8,
    code: u8,
    rest: [u8; 4],
}

impl<P: Packet> Path<P> {
    /// Takes a packet that is too big, or whose hop limit has run out.
    #[cold]
    pub(crate) fn undeliverable<O: Outlet<P>>(
        &mut self,
        packet: &P,
        meta: &Meta<'_>,
        reason: Reason,
        turn: &mut Turn<'_, '_, O>,
    ) {
        let mut reason = reason;
        if reason == Reason::TooBig {
            match self.send_in_pieces(packet, meta, turn) {
                Ok(()) => return self.cells.port(meta.port).consumed.add(1),
                Err(other) => reason = other,
            }
            if let Some(step) = meta.step {
                // It was counted, since it might have gone in pieces.
                step.void(meta.user_length);
            }
        }
        self.dropped(meta.port, reason);
        if matches!(reason, Reason::TooBig | Reason::HopLimit) {
            // Whoever cannot be told finds out by waiting.
            let _ = self.tell_sender(packet, meta, reason, turn);
        }
    }

    /// The largest user packet that may go where this one is going.
    fn room(&self, step: &Step) -> Option<u16> {
        match step.act {
            Act::Tunnel { interface, .. } => {
                let link = self.links.interface(interface)?;
                link.mtu.checked_sub(step.encapsulation.length())
            }
            Act::Route { vrf } => Some(self.links.interface(vrf)?.mtu),
            _ => None,
        }
    }

    /// Why it could not be sent, if so; "too big" when it must not be cut.
    fn send_in_pieces<O: Outlet<P>>(
        &mut self,
        packet: &P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Result<(), Reason> {
        let step = meta.step.ok_or(Reason::TooBig)?;
        let user = meta.user(packet.data());
        let routed = meta.routed;
        let [first, _, _, _, _, _, flags] = wire::array(user, 0).ok_or(Reason::TooBig)?;
        let v6 = !meta.is_frame() && first >> 4 == 6;
        // A router fragments IPv4 (RFC 1812, 4.2.2.7); from tunnel to tunnel this is none.
        let inner = routed && !v6 && flags & DO_NOT_FRAGMENT == 0;
        let into_tunnel = matches!(step.act, Act::Tunnel { .. });
        let least = v6 && meta.user_length <= MTU_V6_MIN;
        match self.slow.fragmentation {
            Fragmentation::Never if into_tunnel && !least => Err(Reason::TooBig),
            Fragmentation::Outer if into_tunnel => self.cut_outer(user, meta, step, turn),
            _ if inner => self.cut_inner(user, meta, step, turn),
            _ if into_tunnel && (least || !routed) => self.cut_outer(user, meta, step, turn),
            _ => Err(Reason::TooBig),
        }
    }

    /// Sends the user packet in fragments, each with headers of its own.
    fn cut_inner<O: Outlet<P>>(
        &mut self,
        user: &[u8],
        meta: &Meta<'_>,
        step: &Step,
        turn: &mut Turn<'_, '_, O>,
    ) -> Result<(), Reason> {
        let room = self.room(step).ok_or(Reason::TooBig)?;
        let whole = Whole::new(user).ok_or(Reason::UserPacket)?;
        let mut pieces = Pieces::new();
        for piece in whole.pieces(room) {
            let length = whole.length(piece);
            let mut fragment = buffer(length, turn)?;
            whole
                .write(piece, 0, fragment.data_mut())
                .ok_or(Reason::UserPacket)?;
            let length = u16::try_from(length).map_err(|_| Reason::TooBig)?;
            let fate = self.leave(&mut fragment, own(meta, length), Rewritten::Piece)?;
            pieces
                .try_push((fragment, fate))
                .map_err(|_| Reason::TooBig)?;
        }
        self.depart_all(pieces, meta, turn)
    }

    /// Puts the user packet into its tunnel, and sends the tunnel's packet in fragments.
    fn cut_outer<O: Outlet<P>>(
        &mut self,
        user: &[u8],
        meta: &Meta<'_>,
        step: &Step,
        turn: &mut Turn<'_, '_, O>,
    ) -> Result<(), Reason> {
        let Act::Tunnel { interface, .. } = step.act else {
            return Err(Reason::TooBig);
        };
        let mut packet = buffer(user.len(), turn)?;
        packet.data_mut().copy_from_slice(user);
        let fate = self.leave(
            &mut packet,
            own(meta, meta.user_length),
            Rewritten::Oversize,
        )?;
        let link = self.links.interface(interface).ok_or(Reason::TooBig)?;
        let (ethernet, mtu) = (usize::from(link.ethernet.length()), link.mtu);
        let split = packet.data().split_at_checked(ethernet);
        let (header, outer) = split.ok_or(Reason::UserPacket)?;
        let whole = Whole::new(outer).ok_or(Reason::UserPacket)?;
        let identification = self.next_identification();
        let mut pieces = Pieces::new();
        for piece in whole.pieces(mtu) {
            let mut fragment = buffer(ethernet + whole.length(piece), turn)?;
            let (front, rest) = fragment.data_mut().split_at_mut(ethernet);
            front.copy_from_slice(header);
            whole
                .write(piece, identification, rest)
                .ok_or(Reason::UserPacket)?;
            pieces
                .try_push((fragment, fate))
                .map_err(|_| Reason::TooBig)?;
        }
        self.depart_all(pieces, meta, turn)
    }

    /// Sends all pieces of a packet. They were made before the first one leaves: without the others
    /// it would be of no use.
    fn depart_all<O: Outlet<P>>(
        &mut self,
        pieces: Pieces<P>,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Result<(), Reason> {
        if pieces.is_empty() {
            return Err(Reason::TooBig);
        }
        // Together they were counted as one packet.
        let mut counted = Counted::of(meta);
        for (piece, fate) in pieces {
            self.depart(piece, meta.port, (fate, counted.take()), turn);
        }
        Ok(())
    }

    /// Gives a packet of our own the headers of its step; what becomes of it then.
    fn leave(
        &mut self,
        packet: &mut P,
        mut meta: Meta<'_>,
        what: Rewritten,
    ) -> Result<Fate, Reason> {
        self.rewrite(from_mut(packet), from_mut(&mut meta), what);
        match meta.fate {
            Fate::Send(_) | Fate::Await(_) => Ok(meta.fate),
            Fate::Drop(reason) => Err(reason),
            _ => Err(Reason::TooBig),
        }
    }

    /// Sends a packet of our own that has its headers, and may have been counted.
    fn depart<O: Outlet<P>>(
        &mut self,
        packet: P,
        port: u16,
        (fate, counted): (Fate, Option<Counted>),
        turn: &mut Turn<'_, '_, O>,
    ) {
        self.cells.port(port).made.add(1);
        match fate {
            Fate::Send(to) => self.send(to, packet, turn),
            Fate::Await(hop) => self.wait(packet, (port, counted), hop, turn),
            _ => self.dropped(port, Reason::Undecided),
        }
    }

    /// Tells the sender of a packet why it was dropped. `None` when it must not or cannot be told.
    fn tell_sender<O: Outlet<P>>(
        &mut self,
        packet: &P,
        meta: &Meta<'_>,
        reason: Reason,
        turn: &mut Turn<'_, '_, O>,
    ) -> Option<()> {
        let (entrance, step) = (meta.session.filter(|_| meta.routed)?, meta.step?);
        let user = meta.user(packet.data());
        let to = sender_to_tell(user).filter(|to| !self.links.own().has(*to))?;
        let from_core = entrance.interface().is_none();
        let vrf = match step.act {
            _ if from_core => meta.interface,
            Act::Route { vrf } => vrf,
            _ => return None,
        };
        let notice = match reason {
            Reason::HopLimit => Notice::time_exceeded(to),
            _ => Notice::too_big(to, self.room(step)?, from_core),
        };
        let own_address = self.address_on(vrf, to)?;
        if !self.slow.notices.take(to, turn.now) {
            return None;
        }
        let front = if from_core {
            usize::from(meta.network_at)
        } else {
            0
        };
        let mut answer = turn.out.buffer()?;
        let length = notice_length(to, user);
        if !answer.resize(front + length) {
            return None;
        }
        let ip = answer.data_mut().get_mut(front..)?;
        notice.put(ip, own_address, to, user)?;
        if !from_core {
            let core = meta.session?.plan().entrance(EntryId(0))?;
            let step = Self::way_to_ue(core, answer.data())?;
            return self.send_to_ue(answer, (core, step), meta.port, turn);
        }
        // Back to the neighbour that it came by.
        let header = packet.data().get(..front)?;
        let frame = answer.data_mut();
        frame.get_mut(..front)?.copy_from_slice(header);
        turn_round(frame, self.links.port(meta.port)?.mac)?;
        if meta.came == Came::Back {
            // Its sender is a UE of ours.
            self.cells.port(meta.port).made.add(1);
            self.turn_back(meta.port, answer);
            return Some(());
        }
        self.depart(answer, meta.port, (Fate::Send(meta.port), None), turn);
        Some(())
    }

    /// The rule by which a packet of ours goes to the UE of a session.
    pub(super) fn way_to_ue<'a>(core: Entrance<'a>, packet: &[u8]) -> Option<&'a Step> {
        let inner = Inner::parse(packet).ok()?;
        let step = core.classify(&Arrival { inner, qfi: None })?;
        matches!(step.act, Act::Tunnel { .. }).then_some(step)
    }

    /// Sends an IP packet of ours to the UE of a session by that rule. It is neither policed nor
    /// counted for the session; `port` counts it.
    pub(super) fn send_to_ue<O: Outlet<P>>(
        &mut self,
        mut packet: P,
        (core, step): (Entrance<'_>, &Step),
        port: u16,
        turn: &mut Turn<'_, '_, O>,
    ) -> Option<()> {
        let meta = Meta {
            source_port: gtpu::UDP_PORT,
            session: Some(core),
            step: Some(step),
            user_length: u16::try_from(packet.data().len()).ok()?,
            ..Meta::received(port)
        };
        let fate = self.leave(&mut packet, meta, Rewritten::Piece).ok()?;
        self.depart(packet, port, (fate, None), turn);
        Some(())
    }

    /// Our address on an interface, for `peer` to see.
    fn address_on(&self, interface: InterfaceId, peer: IpAddr) -> Option<IpAddr> {
        let address = self.links.interface(interface)?.address_towards(peer);
        address.or_else(|| peer.is_ipv4().then_some(DUMMY_V4.into()))
    }
}

/// A buffer of our own with room for so many octets.
fn buffer<P: Packet, O: Outlet<P>>(length: usize, turn: &mut Turn<'_, '_, O>) -> Result<P, Reason> {
    let mut packet = turn.out.buffer().ok_or(Reason::NoBuffer)?;
    packet
        .resize(length)
        .then_some(packet)
        .ok_or(Reason::NoBuffer)
}

/// What is known of a packet of our own: a user packet alone, that long.
const fn own<'a>(meta: &Meta<'a>, user_length: u16) -> Meta<'a> {
    Meta {
        fate: Fate::Pending,
        user_at: 0,
        user_length,
        ..*meta
    }
}

/// The sender of a packet, if it may be told of an error (RFC 1122, 3.2.2; RFC 4443, 2.4): not
/// about an error, not about a fragment that is not the first, and not when one packet would
/// bring on many messages.
fn sender_to_tell(user: &[u8]) -> Option<IpAddr> {
    let inner = Inner::parse(user).ok()?;
    let (source, destination) = (inner.source(), inner.destination());
    if !is_host(source) || !is_host(destination) {
        return None;
    }
    let (protocol, at) = upper(user)?;
    let kind = || user.get(at).copied();
    let is_error = match protocol {
        // Only what is surely a question or an answer.
        wire::ICMP => !kind().is_some_and(|kind| matches!(kind, 0 | 8..=10 | 13..=18)),
        wire::ICMPV6 => kind().is_none_or(|kind| kind < 128 || (133..=137).contains(&kind)),
        _ => false,
    };
    (!is_error).then_some(source)
}

/// The protocol above IP, and where it starts; `None` for a fragment other than the first.
fn upper(user: &[u8]) -> Option<(u8, usize)> {
    if user.first()? >> 4 == 4 {
        // Behind the three flags.
        let offset = wire::u16_at(user, 6)? << 3;
        return (offset == 0).then_some((*user.get(9)?, usize::from(user.first()? & 0xf) * 4));
    }
    let (mut protocol, mut at) = (*user.get(6)?, 40);
    for _ in 0..session::inner::EXTENSION_HEADERS_MAX {
        let [next, units] = match protocol {
            0 | 43 | 60 | 135 => wire::array(user, at)?,
            44 => {
                let [next, _, high, low] = wire::array(user, at)?;
                if u16::from_be_bytes([high, low]) & 0xfff8 != 0 {
                    return None;
                }
                [next, 0]
            }
            _ => break,
        };
        protocol = next;
        at += (usize::from(units) + 1) * 8;
    }
    Some((protocol, at))
}

/// How long the message about a packet is.
fn notice_length(to: IpAddr, user: &[u8]) -> usize {
    match to {
        IpAddr::V4(_) => NOTICE_V4_MAX.min(28 + user.len()),
        IpAddr::V6(_) => NOTICE_V6_MAX.min(48 + user.len()),
    }
}

impl Notice {
    const fn time_exceeded(to: IpAddr) -> Self {
        Self {
            kind: if to.is_ipv4() { 11 } else { 3 },
            code: 0,
            rest: [0; 4],
        }
    }

    /// Tunnels carry the least that IPv6 wants, in fragments of their own.
    fn too_big(to: IpAddr, room: u16, into_tunnel: bool) -> Self {
        let least = if to.is_ipv6() && into_tunnel {
            MTU_V6_MIN
        } else {
            0
        };
        let [high, low] = room.max(least).to_be_bytes();
        Self {
            kind: if to.is_ipv4() { 3 } else { 2 },
            code: if to.is_ipv4() { 4 } else { 0 },
            rest: [0, 0, high, low],
        }
    }

    /// Writes the message, and as much of the packet as there is room for.
    fn put(self, ip: &mut [u8], own: IpAddr, to: IpAddr, user: &[u8]) -> Option<()> {
        let at = if to.is_ipv4() { 20 } else { 40 };
        let [a, b, c, d] = self.rest;
        wire::put(ip, at, [self.kind, self.code, 0, 0, a, b, c, d])?;
        let quote = ip.get_mut(at + 8..)?;
        quote.copy_from_slice(user.get(..quote.len())?);
        match (own, to) {
            (IpAddr::V4(own), IpAddr::V4(to)) => put_v4(ip, own, to),
            (IpAddr::V6(own), IpAddr::V6(to)) => nd::finish(ip, (own, to), 64),
            _ => None,
        }
    }
}

/// Writes the IPv4 header in front of an ICMP message, and the message's checksum.
fn put_v4(ip: &mut [u8], own: Ipv4Addr, to: Ipv4Addr) -> Option<()> {
    let [high, low] = u16::try_from(ip.len()).ok()?.to_be_bytes();
    // Network control, as routers send (RFC 1812, 4.3.2.5).
    let header = [0x45, 0xc0, high, low, 0, 0, 0, 0, 64, wire::ICMP, 0, 0];
    wire::put(ip, 0, header)?;
    wire::put(ip, 12, own.octets())?;
    wire::put(ip, 16, to.octets())?;
    wire::set_ipv4_checksum(ip.get_mut(..20)?);
    let checksum = !wire::fold(wire::sum(ip.get(20..)?));
    wire::put(ip, 22, checksum.to_be_bytes())
}
