//! Ethernet networks: which station is heard where, and which way frames go.
//!
//! A station is where it was heard first, until it has been silent there: behind the UE of a session,
//! which the control side decides when it is told, or in the data network, which all workers note
//! for themselves. So neither a UE nor a loop takes frames away from whom they are for.

use arrayvec::ArrayVec;
use session::ethernet::{Frame, Station, is_group, is_reserved, is_station};
use session::meter::Now;
use session::plan::{Act, Entrance, Heard, Plan};
use session::report::Report;
use session::tables::Handle;
use session::topology::UeToUe;
use session::usage::Moment;
use session::{InterfaceId, SessionIndex, WorkerId};

use super::frames::frame;
use super::{Came, Fate, Key, Meta, Metas, Own, Path, Turn};
use crate::links::{Links, Way};
use crate::outlet::Outlet;
use crate::packet::Packet;
use crate::reason::Reason;
use crate::slow::Limiter;
use crate::wire;

/// What a worker tells of stations in a second at most.
const TELLINGS_PPS: u32 = 1000;
/// Stations that were told of a moment ago. Two that share a place are told of more often.
const TOLD: usize = 64;
/// How often a second one that is heard on and on is told of at most.
const TELLINGS_OF_ONE_PPS: u64 = 5;

/// Frames for all of one burst: as many as it has.
const FOR_ALL_MAX: usize = crate::packet::BURST;

/// What a worker remembers of what it has done for Ethernet networks.
#[derive(Debug)]
pub(super) struct Bridging<P> {
    /// Frames for all, until the burst is settled.
    pub(super) for_all: ArrayVec<(P, Audience), FOR_ALL_MAX>,
    tellings: Limiter,
    told: [(Option<Station>, Now); TOLD],
    /// Of the networks, in the order of the links.
    copies: Box<[Limiter]>,
    hz: u64,
}

impl<P> Bridging<P> {
    pub(super) fn new(links: &Links, hz: u64) -> Self {
        let networks = links.bridges().iter();
        let limiters = networks.map(|(_, bridge)| Limiter::new(bridge.copies_per_second, hz));
        Self {
            for_all: ArrayVec::new(),
            tellings: Limiter::new(TELLINGS_PPS, hz),
            told: [(None, Now(0)); TOLD],
            copies: limiters.collect(),
            hz,
        }
    }

    /// Whether the control side is to be told of a station now.
    fn may_tell(&mut self, station: Station, now: Now) -> bool {
        let hash = station.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        let place = usize::try_from(hash).unwrap_or(0);
        let Some(told) = self.told.get_mut(place) else {
            return false;
        };
        let pause = self.hz / TELLINGS_OF_ONE_PPS;
        if told.0 == Some(station) && now.0.wrapping_sub(told.1.0) < pause {
            return false;
        }
        let may = self.tellings.take(now);
        if may {
            *told = (Some(station), now);
        }
        may
    }
}

/// When a station of a session was heard last; `None` if it is none of it.
fn last_heard(plan: &Plan, station: Station) -> Option<Moment> {
    match plan.heard(station) {
        Heard::Own(learned) => Some(learned.heard()),
        Heard::New | Heard::TooMany => None,
    }
}

/// What no bridge passes on.
fn check_addresses(frame: &Frame<'_>) -> Result<(), Reason> {
    if !is_station(frame.source()) {
        return Err(Reason::MartianSource);
    }
    if is_reserved(frame.destination()) {
        return Err(Reason::ReservedGroup);
    }
    Ok(())
}

impl<P: Packet> Path<P> {
    /// Where there are Ethernet networks: who is heard where, and may it be?
    #[inline(never)]
    pub(super) fn listen<O>(
        &mut self,
        packets: &[P],
        metas: &mut [Meta<'_>],
        turn: &mut Turn<'_, '_, O>,
    ) {
        for (packet, meta) in packets.iter().zip(metas) {
            let heard = match (meta.key, meta.goes_on()) {
                // What comes from another worker has been heard by that one.
                (Key::Station, _) if meta.came == Came::In => {
                    self.heard_outside(packet.data(), meta, turn)
                }
                (Key::Tunnel(_), Some((step, plan))) => match step.act {
                    Act::Bridge { vrf } => self.heard_inside(packet.data(), meta, plan, vrf, turn),
                    _ => continue,
                },
                _ => continue,
            };
            if let Err(reason) = heard {
                meta.fate = Fate::Drop(reason);
            }
        }
    }

    /// A frame of a UE, for the data network.
    fn heard_inside<O>(
        &mut self,
        octets: &[u8],
        meta: &Meta<'_>,
        plan: &Plan,
        vrf: InterfaceId,
        turn: &mut Turn<'_, '_, O>,
    ) -> Result<(), Reason> {
        let frame = frame(octets, meta).ok_or(Reason::UserPacket)?;
        check_addresses(&frame)?;
        let bridge = self.links.bridge(vrf).ok_or(Reason::NoRoute)?;
        let (station, now) = (frame.sender(), turn.view.moment());
        let known = plan.heard(station);
        if let Heard::Own(learned) = known {
            learned.hear(now);
            return Ok(());
        }
        let outside = bridge.heard_outside(station, now);
        if outside.is_some_and(|heard| !bridge.may_move(heard, now)) {
            return Err(Reason::StationElsewhere);
        }
        let holder = turn.view.station(vrf, station).map(Handle::plan);
        let holder = holder.filter(|holder| holder.session != plan.session);
        let may_come = holder.is_none_or(|holder| {
            last_heard(holder, station).is_none_or(|heard| bridge.may_move(heard, now))
        });
        if may_come && matches!(known, Heard::TooMany) {
            return Err(Reason::TooManyStations);
        }
        if may_come {
            self.tell_of(plan.session, &frame, false, turn);
        }
        // Its frames would be answered to the other.
        holder.map_or(Ok(()), |_| Err(Reason::StationElsewhere))
    }

    /// A frame of the data network.
    fn heard_outside<O>(
        &mut self,
        octets: &[u8],
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Result<(), Reason> {
        let frame = frame(octets, meta).ok_or(Reason::Truncated)?;
        check_addresses(&frame)?;
        let vrf = meta.interface;
        let bridge = self.links.bridge(vrf).ok_or(Reason::UnknownVlan)?;
        let (station, now) = (frame.sender(), turn.view.moment());
        if let Some(holder) = turn.view.station(vrf, station).map(Handle::plan) {
            let heard = last_heard(holder, station);
            // Our own frame that has come back, most likely.
            if heard.is_some_and(|heard| !bridge.may_move(heard, now)) {
                return Err(Reason::StationElsewhere);
            }
            self.tell_of(holder.session, &frame, true, turn);
        }
        let bridge = self.links.bridge(vrf).ok_or(Reason::UnknownVlan)?;
        bridge.hear(station, now);
        Ok(())
    }

    /// Tells the control side that a station is heard elsewhere than it is known to be.
    fn tell_of<O>(
        &mut self,
        session: SessionIndex,
        frame: &Frame<'_>,
        outside: bool,
        turn: &mut Turn<'_, '_, O>,
    ) {
        let station = frame.sender();
        if self.bridging.may_tell(station, turn.now) {
            // What a full queue has no room for is heard again.
            turn.end.report(Report::Station {
                session,
                station,
                tags: frame.tags(),
                outside,
            });
        }
    }

    // ===== settle =====

    /// Sends a frame of a UE where its network wants it: out, to another UE, or to all of them.
    #[cold]
    #[inline(never)]
    pub(super) fn bridge<O: Outlet<P>>(
        &mut self,
        mut packet: P,
        meta: &Meta<'_>,
        vrf: InterfaceId,
        turn: &mut Turn<'_, '_, O>,
    ) {
        match self.switch(&mut packet, meta, vrf, turn) {
            Ok(fate @ Fate::TurnBack(port)) => {
                self.watch.note_fate(fate);
                self.turn_back(port, packet);
            }
            Ok(_) => self.send(self.port_of(vrf), packet, turn),
            Err(reason) => {
                if let Some(step) = meta.step {
                    step.void(meta.user_length);
                }
                self.dropped(meta.port, reason);
            }
        }
    }

    fn port_of(&self, vrf: InterfaceId) -> u16 {
        let bridge = self.links.bridge(vrf);
        bridge.map_or(u16::MAX, |bridge| bridge.way.port)
    }

    /// Makes it a frame of the network's wire; where it goes.
    fn switch<O: Outlet<P>>(
        &mut self,
        packet: &mut P,
        meta: &Meta<'_>,
        vrf: InterfaceId,
        turn: &mut Turn<'_, '_, O>,
    ) -> Result<Fate, Reason> {
        let way = self.links.bridge(vrf).ok_or(Reason::NoRoute)?.way;
        let session = meta.session.ok_or(Reason::Undecided)?.plan().session;
        let view = Frame::parse(meta.user(packet.data())).ok_or(Reason::UserPacket)?;
        let receiver = view.receiver();
        if view.payload().len() > usize::from(way.mtu) {
            return Err(Reason::TooBig);
        }
        let to = turn.view.station(vrf, receiver);
        let to_other = to.is_some_and(|to| to.session() != session);
        if to_other && way.ue_to_ue == UeToUe::Drop {
            return Err(Reason::UeToUe);
        }
        put_on_wire(packet, meta, way)?;
        // What has come from the network goes back to it alone, however often a rule sends it there.
        if way.ue_to_ue != UeToUe::Local || meta.key.is_frame() {
            return Ok(Fate::Send(way.port));
        }
        if to_other {
            return Ok(Fate::TurnBack(way.port));
        }
        let bridge = self.links.bridge(vrf);
        let now = turn.view.moment();
        let is_outside = bridge.is_some_and(|it| it.heard_outside(receiver, now).is_some());
        if is_group(receiver.mac()) || !is_outside {
            let audience = Audience {
                vrf,
                port: way.port,
                except: Some(session),
                own_sessions_alone: false,
            };
            if let Some(copy) = self.copy(packet.data(), audience, turn) {
                self.for_all(copy, audience);
            }
        }
        Ok(Fate::Send(way.port))
    }

    /// Keeps a frame of the data network for all sessions, since it is for none alone.
    #[cold]
    #[inline(never)]
    pub(super) fn flood<O>(
        &mut self,
        packet: P,
        meta: &Meta<'_>,
        vrf: InterfaceId,
        turn: &Turn<'_, '_, O>,
    ) {
        let now = turn.view.moment();
        let receiver = frame(packet.data(), meta).map(|frame| frame.receiver());
        let bridge = self.links.bridge(vrf);
        let is_outside = receiver.zip(bridge).is_some_and(|(receiver, bridge)| {
            !is_group(receiver.mac()) && bridge.heard_outside(receiver, now).is_some()
        });
        if is_outside {
            return self.dropped(meta.port, Reason::StationOutside);
        }
        let audience = Audience {
            vrf,
            port: meta.port,
            except: None,
            own_sessions_alone: meta.came == Came::Over,
        };
        self.for_all(packet, audience);
    }

    /// Keeps a frame until the burst is settled.
    fn for_all(&mut self, frame: P, audience: Audience) {
        // There are at most as many as packets in a burst.
        if self.bridging.for_all.try_push((frame, audience)).is_err() {
            self.dropped(audience.port, Reason::Undecided);
        }
    }

    /// Takes copies of the frames that are for all through the path.
    #[cold]
    pub(super) fn go_to_all<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        for (frame, audience) in std::mem::take(&mut self.bridging.for_all) {
            // To look for those whom it is for takes long.
            if !self.may_copy(audience.vrf, turn.now) {
                self.dropped(audience.port, Reason::FloodRate);
            } else if self.copy_to_all(frame.data(), audience, turn) {
                self.cells.port(audience.port).consumed.add(1);
            } else {
                self.dropped(audience.port, Reason::UnknownUe);
            }
        }
    }

    /// Takes copies of a frame, as it is on the network's wire, through the path for all sessions of
    /// the network; whether there are any. Other workers get one for their sessions.
    fn copy_to_all<O: Outlet<P>>(
        &mut self,
        frame: &[u8],
        to: Audience,
        turn: &mut Turn<'_, '_, O>,
    ) -> bool {
        let (mut batch, mut metas) = (Own::<P>::new(), Metas::new());
        let mut workers = Workers::default();
        let mut any = false;
        let view = turn.view;
        for member in view.members(to.vrf) {
            let session = member.session();
            let Some(owner) = member.entrance().map(Entrance::owner) else {
                continue;
            };
            if to.except == Some(session) || (owner != self.worker && to.own_sessions_alone) {
                continue;
            }
            any = true;
            if owner == self.worker {
                // The others would get none, either.
                let Some(copy) = self.copy(frame, to, turn) else {
                    break;
                };
                batch.push(copy);
                metas.push(Meta {
                    to: session,
                    ..Meta::taken_over(to.port)
                });
            } else {
                workers.add(owner);
            }
            if batch.is_full() {
                self.run(&mut batch, &mut metas, turn);
            }
        }
        if !batch.is_empty() {
            self.run(&mut batch, &mut metas, turn);
        }
        for worker in workers.all() {
            let Some(copy) = self.copy(frame, to, turn) else {
                continue;
            };
            match turn.out.hand_over(worker, to.port, copy) {
                Ok(()) => self.cells.port(to.port).handed_over.add(1),
                Err(_copy) => self.dropped(to.port, Reason::HandOverFull),
            }
        }
        any
    }

    /// How many copies of its frames a network may have.
    fn copies(&mut self, vrf: InterfaceId) -> Option<&mut Limiter> {
        let mut bridges = self.links.bridges().iter();
        let place = bridges.position(|(own, _)| *own == vrf)?;
        self.bridging.copies.get_mut(place)
    }

    fn may_copy(&mut self, vrf: InterfaceId, now: Now) -> bool {
        self.copies(vrf).is_some_and(|copies| copies.has_one(now))
    }

    /// A copy of a frame; `None`, counted as one that was dropped, when there may be no more.
    fn copy<O: Outlet<P>>(
        &mut self,
        frame: &[u8],
        to: Audience,
        turn: &mut Turn<'_, '_, O>,
    ) -> Option<P> {
        self.cells.port(to.port).made.add(1);
        let copies = self.copies(to.vrf);
        let copy = if copies.is_some_and(|copies| copies.take(turn.now)) {
            turn.out.buffer().and_then(|mut copy| {
                copy.resize(frame.len()).then(|| {
                    copy.data_mut().copy_from_slice(frame);
                    copy
                })
            })
        } else {
            None
        };
        if copy.is_none() {
            // The copy: what it was made of goes on.
            self.cells.port(to.port).drop(Reason::FloodRate, 1);
        }
        copy
    }
}

/// Whom copies of a frame are for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Audience {
    vrf: InterfaceId,
    /// The port that counts them: the network's own.
    port: u16,
    /// Who has sent it.
    except: Option<SessionIndex>,
    /// Other workers have theirs.
    own_sessions_alone: bool,
}

/// A set of workers.
#[derive(Debug, Default)]
struct Workers([u64; 4]);

impl Workers {
    fn add(&mut self, WorkerId(worker): WorkerId) {
        if let Some(word) = self.0.get_mut(usize::from(worker / 64)) {
            *word |= 1 << (worker % 64);
        }
    }

    fn all(&self) -> impl Iterator<Item = WorkerId> {
        let has = |worker: &u8| {
            let word = self.0.get(usize::from(worker / 64));
            word.is_some_and(|word| word >> (worker % 64) & 1 == 1)
        };
        (0..=u8::MAX).filter(has).map(WorkerId)
    }
}

/// Makes a user frame one of the network's wire: nothing in front but a tag.
fn put_on_wire<P: Packet>(packet: &mut P, meta: &Meta<'_>, way: Way) -> Result<(), Reason> {
    let front: u16 = if way.vlan.is_some() { 4 } else { 0 };
    packet.forget_offloads();
    let start = i32::from(meta.user_at) - i32::from(front);
    if !packet.reframe(start, meta.user_length.saturating_add(front)) {
        return Err(Reason::NoHeadroom);
    }
    if let Some(vlan) = way.vlan {
        let octets = packet.data_mut();
        if octets.len() < 16 {
            return Err(Reason::UserPacket);
        }
        octets.copy_within(4..16, 0);
        let ([a, b], [c, d]) = (wire::VLAN.to_be_bytes(), vlan.to_be_bytes());
        wire::put(octets, 12, [a, b, c, d]).ok_or(Reason::Undecided)?;
    }
    Ok(())
}
