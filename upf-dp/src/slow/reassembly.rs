//! Outer fragments put together (RFC 791, 3.2; RFC 8200, 4.5), bounded in number, octets and time.
//!
//! The fragments themselves are kept, in the buffers that they came in, until the last one has
//! come; then they become one packet that goes through the path from the start. Fragments that
//! overlap end their packet (RFC 5722), as do fragments within fragments: nobody sends such in good
//! faith. A fragment that is all of its packet has to do with no other (RFC 6946).

use arrayvec::ArrayVec;
use session::meter::Now;

use crate::outlet::Outlet;
use crate::packet::Packet;
use crate::path::{Meta, Metas, Own, Path, Turn};
use crate::reason::Reason;
use crate::wire;

/// Fragments of one packet: a peer that cuts 1500 octets smaller than this does not mean well.
const FRAGMENTS_MAX: usize = 8;
/// Next header of IPv6: a fragment header.
const FRAGMENT_HEADER: u8 = 44;

/// How much is put together.
#[derive(Clone, Copy, Debug)]
pub struct ReassemblyLimits {
    /// Packets that are incomplete at once, for each worker.
    pub packets: usize,
    /// Octets of their fragments, for each worker.
    pub octets: usize,
    /// How long a packet waits for its last fragment, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for ReassemblyLimits {
    fn default() -> Self {
        Self {
            packets: 256,
            octets: 256 * 2048,
            timeout_ms: 2000,
        }
    }
}

/// What fragments of one packet have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    addresses: [u8; 32],
    v6: bool,
    identification: u32,
    protocol: u8,
    port: u16,
    /// Where the IP header is in the frame.
    network_at: u8,
}

impl Key {
    /// The first half of an IPv6 packet's addresses, the first eighth of them for IPv4.
    const fn sender(&self) -> (&[u8], bool) {
        let (v6, _) = self.addresses.split_at(16);
        let (v4, _) = v6.split_at(4);
        if self.v6 { (v6, true) } else { (v4, false) }
    }
}

/// A fragment: where its part is in its frame, and in the payload of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    /// Where the fragment's payload starts in its frame.
    at: usize,
    length: usize,
    offset: usize,
    last: bool,
}

/// A packet whose fragments are not all here.
#[derive(Debug)]
struct Incomplete<P> {
    key: Key,
    since: Now,
    fragments: ArrayVec<(P, Part), FRAGMENTS_MAX>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Reassembly<P> {
    packets: Vec<Incomplete<P>>,
    octets: usize,
    limits: ReassemblyLimits,
    timeout: u64,
    /// What was put together is on its way through the path.
    is_joining: bool,
}

/// What became of a fragment.
enum Kept<P> {
    /// It waits for others.
    Waits,
    /// It was the missing one: here are all, in order.
    Whole(ArrayVec<(P, Part), FRAGMENTS_MAX>),
    /// It cannot be used, nor can those that came before it.
    Useless(P, ArrayVec<(P, Part), FRAGMENTS_MAX>, Reason),
}

impl<P: Packet> Reassembly<P> {
    pub(crate) fn new(limits: ReassemblyLimits, hz: u64) -> Self {
        Self {
            packets: Vec::with_capacity(limits.packets),
            octets: 0,
            limits,
            timeout: hz / 1000 * limits.timeout_ms,
            is_joining: false,
        }
    }

    /// How many fragments wait.
    pub(crate) fn len(&self) -> usize {
        self.packets
            .iter()
            .map(|packet| packet.fragments.len())
            .sum()
    }

    fn take(&mut self, place: usize) -> ArrayVec<(P, Part), FRAGMENTS_MAX> {
        let Incomplete { fragments, .. } = self.packets.swap_remove(place);
        let octets: usize = fragments.iter().map(|(_, part)| part.length).sum();
        self.octets = self.octets.saturating_sub(octets);
        fragments
    }

    /// Takes the fragments of one packet that has waited too long.
    fn expired(&mut self, now: Now) -> Option<(u16, ArrayVec<(P, Part), FRAGMENTS_MAX>)> {
        let oldest = now.0.saturating_sub(self.timeout);
        let is_old = |packet: &Incomplete<P>| packet.since.0 < oldest;
        let place = self.packets.iter().position(is_old)?;
        let port = self.packets.get(place)?.key.port;
        Some((port, self.take(place)))
    }

    /// How many packets one sender may have incomplete: it leaves room for others.
    fn share(&self) -> usize {
        (self.limits.packets / 4).max(1)
    }

    fn of_sender(&self, key: &Key) -> usize {
        let same = |other: &&Incomplete<P>| other.key.sender() == key.sender();
        self.packets.iter().filter(same).count()
    }

    fn keep(&mut self, key: Key, part: Part, packet: P, now: Now) -> Kept<P> {
        let known = self.packets.iter().position(|other| other.key == key);
        let full = known.is_none()
            && (self.packets.len() >= self.limits.packets || self.of_sender(&key) >= self.share());
        if full || self.octets + part.length > self.limits.octets {
            return Kept::Useless(packet, ArrayVec::new(), Reason::ReassemblyFull);
        }
        let place = known.unwrap_or(self.packets.len());
        if known.is_none() {
            self.packets.push(Incomplete {
                key,
                since: now,
                fragments: ArrayVec::new(),
            });
        }
        let Some(there) = self.packets.get_mut(place) else {
            return Kept::Useless(packet, ArrayVec::new(), Reason::ReassemblyFull);
        };
        let after = there
            .fragments
            .iter()
            .take_while(|(_, other)| other.offset < part.offset);
        let position = after.count();
        if there.fragments.is_full() || !part.fits_between(&there.fragments, position) {
            return Kept::Useless(packet, self.take(place), Reason::FragmentOverlap);
        }
        there.fragments.insert(position, (packet, part));
        self.octets += part.length;
        if is_whole(&there.fragments) {
            Kept::Whole(self.take(place))
        } else {
            Kept::Waits
        }
    }
}

impl Part {
    /// Whether it is all of its packet.
    const fn is_all(&self) -> bool {
        self.offset == 0 && self.last
    }

    const fn end(&self) -> usize {
        self.offset + self.length
    }

    /// Whether it overlaps neither neighbour, and nothing follows a last one.
    fn fits_between<P>(&self, others: &[(P, Self)], position: usize) -> bool {
        let before = position.checked_sub(1).and_then(|place| others.get(place));
        let behind = others.get(position);
        before.is_none_or(|(_, other)| other.end() <= self.offset && !other.last)
            && behind.is_none_or(|(_, other)| self.end() <= other.offset && !self.last)
    }
}

fn is_whole<P>(fragments: &[(P, Part)]) -> bool {
    let mut reached = 0;
    for (_, part) in fragments {
        if part.offset != reached {
            return false;
        }
        reached = part.end();
    }
    fragments.last().is_some_and(|(_, part)| part.last)
}

impl<P: Packet> Path<P> {
    /// A fragment of a packet to one of our GTP-U addresses.
    pub(crate) fn fragment<O: Outlet<P>>(
        &mut self,
        packet: P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) {
        let read = read(packet.data(), meta).filter(|_| !self.reassembly.is_joining);
        let Some((key, part)) = read else {
            return self.dropped(meta.port, Reason::OuterFragment);
        };
        if part.is_all() {
            return self.put_together([(packet, part)].into_iter().collect(), meta, turn);
        }
        match self.reassembly.keep(key, part, packet, turn.now) {
            Kept::Waits => {}
            Kept::Whole(fragments) => self.put_together(fragments, meta, turn),
            Kept::Useless(_packet, others, reason) => {
                let lost = u64::try_from(1 + others.len()).unwrap_or(1);
                self.watch.note_drop(reason);
                self.cells.port(meta.port).drop(reason, lost);
            }
        }
    }

    /// Makes one packet of fragments, in the first one's buffer, and takes it through the path.
    fn put_together<O: Outlet<P>>(
        &mut self,
        fragments: ArrayVec<(P, Part), FRAGMENTS_MAX>,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) {
        let count = u64::try_from(fragments.len()).unwrap_or(0);
        let mut fragments = fragments.into_iter();
        let whole = fragments.next().and_then(|(mut whole, first)| {
            whole.forget_offloads();
            // What the network added behind the packet goes.
            let end = first.at + first.length;
            let mut fits = whole.resize(end);
            for (packet, part) in fragments {
                let at = whole.data().len();
                fits = fits && whole.append(part.length);
                let octets = packet.data().get(part.at..)?.get(..part.length)?;
                if fits {
                    whole.data_mut().get_mut(at..)?.copy_from_slice(octets);
                }
            }
            fits.then_some(())?;
            finish(&mut whole, meta).map(|()| whole)
        });
        let cells = self.cells.port(meta.port);
        let Some(whole) = whole else {
            self.watch.note_drop(Reason::Scattered);
            return cells.drop(Reason::Scattered, count);
        };
        cells.consumed.add(count.saturating_sub(1));
        let mut batch = Own::<P>::new();
        let mut metas = Metas::new();
        batch.push(whole);
        metas.push(Meta::received(meta.port));
        // A fragment in it would lead here again, and so on: as deep as a frame is long.
        self.reassembly.is_joining = true;
        self.run(&mut batch, &mut metas, turn);
        self.reassembly.is_joining = false;
    }

    /// Drops what has waited too long.
    pub(crate) fn tend_fragments(&mut self, now: Now) {
        while let Some((port, fragments)) = self.reassembly.expired(now) {
            let lost = u64::try_from(fragments.len()).unwrap_or(0);
            self.cells.port(port).drop(Reason::ReassemblyTimeout, lost);
        }
    }

    /// Drops all that waits, at the end.
    pub(crate) fn stop_fragments(&mut self) {
        while !self.reassembly.packets.is_empty() {
            let port = self
                .reassembly
                .packets
                .first()
                .map_or(0, |one| one.key.port);
            let lost = u64::try_from(self.reassembly.take(0).len()).unwrap_or(0);
            self.cells.port(port).drop(Reason::Stopped, lost);
        }
    }
}

/// What a fragment says of itself; `None` when it contradicts itself.
fn read(frame: &[u8], meta: &Meta<'_>) -> Option<(Key, Part)> {
    let start = usize::from(meta.network_at);
    let ip = frame.get(start..)?;
    let mut addresses = [0; 32];
    let (key, part) = if ip.first()? >> 4 == 4 {
        let header = usize::from(ip.first()? & 0xf) * 4;
        let field = wire::u16_at(ip, 6)?;
        addresses
            .first_chunk_mut::<8>()?
            .copy_from_slice(&wire::array::<8>(ip, 12)?);
        let total = usize::from(wire::u16_at(ip, 2)?);
        let key = Key {
            addresses,
            v6: false,
            identification: wire::u16_at(ip, 4)?.into(),
            protocol: *ip.get(9)?,
            port: meta.port,
            network_at: meta.network_at,
        };
        let part = Part {
            at: start + header,
            length: total.checked_sub(header)?,
            offset: usize::from(field & 0x1fff) * 8,
            last: field & 0x2000 == 0,
        };
        (key, part)
    } else {
        // Right behind the fixed header, as tunnels send them; others are dropped.
        if *ip.get(6)? != FRAGMENT_HEADER {
            return None;
        }
        addresses.copy_from_slice(&wire::array::<32>(ip, 8)?);
        let [next, _, high, low] = wire::array(ip, 40)?;
        let field = u16::from_be_bytes([high, low]);
        let key = Key {
            addresses,
            v6: true,
            identification: wire::u32_at(ip, 44)?,
            protocol: next,
            port: meta.port,
            network_at: meta.network_at,
        };
        let part = Part {
            at: start + 48,
            length: usize::from(wire::u16_at(ip, 4)?).checked_sub(8)?,
            offset: usize::from(field & 0xfff8),
            last: field & 1 == 0,
        };
        (key, part)
    };
    let fits = part.length > 0
        && (part.last || part.length.is_multiple_of(8))
        && part.end() <= usize::from(u16::MAX) - 60
        && frame.len() >= part.at + part.length;
    fits.then_some((key, part))
}

/// Makes the header of the first fragment that of the whole.
fn finish<P: Packet>(whole: &mut P, meta: &Meta<'_>) -> Option<()> {
    let start = usize::from(meta.network_at);
    let v6 = whole.data().get(start)? >> 4 == 6;
    if v6 {
        let frame = whole.data_mut();
        let next: [u8; 1] = wire::array(frame, start + 40)?;
        wire::put(frame, start + 6, next)?;
        frame.copy_within(start + 48.., start + 40);
        let length = frame.len().checked_sub(8)?;
        let payload = u16::try_from(length.checked_sub(start + 40)?).ok()?;
        wire::put(frame, start + 4, payload.to_be_bytes())?;
        return whole.trim_back(8).then_some(());
    }
    let ip = whole.data_mut().get_mut(start..)?;
    let total = u16::try_from(ip.len()).ok()?;
    wire::put(ip, 2, total.to_be_bytes())?;
    wire::put(ip, 6, [0; 2])?;
    let header = usize::from(ip.first()? & 0xf) * 4;
    wire::set_ipv4_checksum(ip.get_mut(..header)?);
    Some(())
}
