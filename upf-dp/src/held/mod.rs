//! Packets held while their FAR says BUFF: a queue per session, all from slots made at start.
//!
//! There is a bound for a session, for the sessions of an SMF, and for all together, in packets and
//! in octets. What gives way at a bound is configured: the packet that comes, or an older one.

mod queues;
#[cfg(test)]
mod tests;
mod told;

use session::meter::Now;
use session::{FarId, PdrId, Qfi, SessionIndex};

use crate::reason::Reason;
use queues::{Queue, Queues};
pub(crate) use told::Told;

/// How much may be held.
#[derive(Clone, Copy, Debug)]
pub struct HeldLimits {
    /// By one worker.
    pub total: Bound,
    /// Of the sessions of one SMF, by one worker.
    pub per_smf: Bound,
    /// How many SMFs are told apart.
    pub smfs: u16,
    /// Octets of one session. How many packets it may hold stands in its plan.
    pub session_octets: u64,
    /// What gives way at a bound.
    pub when_full: WhenFull,
    /// How long, in time stamp cycles.
    pub expiry_cycles: u64,
}

/// A bound on packets, and on their octets as they were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Packets.
    pub packets: u32,
    /// Octets.
    pub octets: u64,
}

/// What gives way when as much is held as may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The packet that comes.
    #[default]
    Newest,
    /// The oldest packet of its session; at the bound of all, that of the session that has been
    /// without a packet for longest.
    Oldest,
}

impl Bound {
    /// No bound.
    pub const NONE: Self = Self {
        packets: u32::MAX,
        octets: u64::MAX,
    };

    /// Whether a packet of so many octets may join those that are held.
    fn admits(self, held: Self, octets: u32) -> bool {
        let octets = held.octets.saturating_add(octets.into());
        held.packets < self.packets && octets <= self.octets
    }

    fn add(&mut self, octets: u32) {
        self.packets += 1;
        self.octets += u64::from(octets);
    }

    fn subtract(&mut self, octets: u32) {
        self.packets = self.packets.saturating_sub(1);
        self.octets = self.octets.saturating_sub(octets.into());
    }
}

/// No slot, no queue.
const NONE: u32 = u32::MAX;

/// The packets that one worker holds.
#[derive(Debug)]
pub struct Held<P> {
    slots: Box<[Slot<P>]>,
    free: u32,
    queues: Queues,
    limits: HeldLimits,
    sum: Bound,
    /// What the sessions of each SMF hold.
    of_smfs: Box<[Bound]>,
    /// Where the search for old packets goes on.
    cursor: u32,
}

#[derive(Debug)]
struct Slot<P> {
    held: Option<HeldPacket<P>>,
    next: u32,
}

/// A packet that is held.
#[derive(Debug, PartialEq, Eq)]
pub struct HeldPacket<P> {
    /// It, as it was received.
    pub packet: P,
    /// How long it is.
    pub octets: u32,
    /// Of that, the user packet.
    pub user_length: u16,
    /// Whose it is.
    pub session: SessionIndex,
    /// The PDR that it matched when it came.
    pub pdr: PdrId,
    /// The port it was received on.
    pub port: u16,
    /// Since when.
    pub since: Now,
}

/// For whom a packet is held.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// The session.
    pub session: SessionIndex,
    /// Its SMF's number.
    pub smf: u16,
    /// The FAR that says so.
    pub far: FarId,
    /// The most packets that the session may hold.
    pub most: u16,
}

impl<P> Held<P> {
    /// Room for as many as `limits` say.
    pub fn new(limits: HeldLimits) -> Self {
        let packets = limits.total.packets.min(1 << 24);
        let slots = (0..packets).map(|slot| Slot {
            held: None,
            next: if slot + 1 < packets { slot + 1 } else { NONE },
        });
        let nothing = Bound {
            packets: 0,
            octets: 0,
        };
        Self {
            slots: slots.collect(),
            free: if packets > 0 { 0 } else { NONE },
            queues: Queues::new(packets),
            sum: nothing,
            of_smfs: vec![nothing; usize::from(limits.smfs.max(1))].into(),
            limits,
            cursor: 0,
        }
    }

    /// Whether nothing is held.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.sum.packets == 0
    }

    /// How many packets are held.
    #[inline]
    pub const fn len(&self) -> u32 {
        self.sum.packets
    }

    /// How many octets these have.
    #[inline]
    pub const fn octets(&self) -> u64 {
        self.sum.octets
    }

    /// How many packets the session holds.
    pub fn of(&self, session: SessionIndex) -> u16 {
        self.queue(session).map_or(0, |queue| queue.packets)
    }

    /// Whether the FAR may hold packets of the session: never no when it does.
    pub fn may_hold(&self, session: SessionIndex, far: FarId) -> bool {
        let bit = Queue::bit(far);
        self.queue(session)
            .is_some_and(|queue| queue.fars & bit != 0)
    }

    /// Whether the control side need not be told of another packet of that flow.
    pub fn is_told(&self, session: SessionIndex, far: FarId, qfi: Option<Qfi>) -> bool {
        self.queue(session)
            .is_some_and(|queue| queue.told.covers(far, qfi))
    }

    /// Remembers that the control side has been told of a flow.
    pub fn set_told(&mut self, session: SessionIndex, far: FarId, qfi: Option<Qfi>) {
        let at = self.queues.find(session);
        if let Some(queue) = at.and_then(|at| self.queues.get_mut(at)) {
            queue.told.add(far, qfi);
        }
    }

    /// Of what the control side has been told.
    pub(crate) fn told(&self, session: SessionIndex) -> Told {
        self.queue(session)
            .map_or(Told::NOTHING, |queue| queue.told)
    }

    /// Holds a packet, behind those of its session. `true` when it is the first: an episode begins.
    /// What has to give way for it goes to `drop`.
    ///
    /// # Errors
    /// Gives it back when it is the one that has to give way.
    pub fn push(
        &mut self,
        holder: Holder,
        held: HeldPacket<P>,
        mut drop: impl FnMut(HeldPacket<P>, Reason),
    ) -> Result<bool, (HeldPacket<P>, Reason)> {
        let mut queue = self.queues.find(holder.session);
        let begins = queue.is_none();
        while let Some(reason) = self.full(&holder, queue, held.octets) {
            let victim = match self.limits.when_full {
                WhenFull::Newest => None,
                WhenFull::Oldest if reason == Reason::HoldFull => {
                    let idlest = self.queues.idlest().map(|queue| queue.session);
                    idlest.and_then(|session| self.queues.find(session))
                }
                WhenFull::Oldest => queue,
            };
            let Some(oldest) = victim.and_then(|victim| self.take_first(victim)) else {
                self.close_if_empty(queue);
                return Err((held, reason));
            };
            if victim != queue {
                self.close_if_empty(victim);
            }
            drop(oldest, reason);
        }
        queue = queue.or_else(|| self.queues.open(holder.session, holder.smf));
        match queue {
            Some(queue) => {
                self.append(queue, holder.far, held);
                Ok(begins)
            }
            None => Err((held, Reason::HoldFull)),
        }
    }

    /// The bound that stands against another packet.
    fn full(&self, holder: &Holder, queue: Option<u32>, octets: u32) -> Option<Reason> {
        let queue = queue.and_then(|queue| self.queues.get(queue));
        let of_session = queue.map_or(
            Bound {
                packets: 0,
                octets: 0,
            },
            |queue| Bound {
                packets: queue.packets.into(),
                octets: queue.octets,
            },
        );
        let session = Bound {
            packets: holder.most.into(),
            octets: self.limits.session_octets,
        };
        let smf = queue.map_or(holder.smf, |queue| queue.smf);
        let of_smf = self.of_smfs.get(usize::from(smf));
        if !session.admits(of_session, octets) {
            Some(Reason::HoldSessionFull)
        } else if of_smf.is_some_and(|held| !self.limits.per_smf.admits(*held, octets)) {
            Some(Reason::HoldSmfFull)
        } else if self.free == NONE || !self.limits.total.admits(self.sum, octets) {
            Some(Reason::HoldFull)
        } else {
            None
        }
    }

    /// Puts a packet behind those of a queue. There is a free slot.
    fn append(&mut self, at: u32, far: FarId, held: HeldPacket<P>) {
        let (slot_at, octets) = (self.free, held.octets);
        let (Some(slot), Some(queue)) =
            (self.slots.get_mut(index(slot_at)), self.queues.get_mut(at))
        else {
            return;
        };
        self.free = slot.next;
        *slot = Slot {
            held: Some(held),
            next: NONE,
        };
        let before = std::mem::replace(&mut queue.last, slot_at);
        queue.packets += 1;
        queue.octets += u64::from(octets);
        queue.fars |= Queue::bit(far);
        let smf = queue.smf;
        match self.slots.get_mut(index(before)) {
            Some(before) => before.next = slot_at,
            None => queue.first = slot_at,
        }
        self.sum.add(octets);
        if let Some(of_smf) = self.of_smfs.get_mut(usize::from(smf)) {
            of_smf.add(octets);
        }
        self.queues.touch(at);
    }

    /// Takes the packet out that the session has held longest.
    pub fn pop(&mut self, session: SessionIndex) -> Option<HeldPacket<P>> {
        let queue = self.queues.find(session)?;
        let held = self.take_first(queue);
        self.close_if_empty(Some(queue));
        held
    }

    fn take_first(&mut self, at: u32) -> Option<HeldPacket<P>> {
        let queue = self.queues.get_mut(at)?;
        let slot_at = queue.first;
        let slot = self.slots.get_mut(index(slot_at))?;
        let held = slot.held.take()?;
        queue.first = slot.next;
        if queue.first == NONE {
            queue.last = NONE;
        }
        queue.packets = queue.packets.saturating_sub(1);
        queue.octets = queue.octets.saturating_sub(held.octets.into());
        let smf = queue.smf;
        slot.next = self.free;
        self.free = slot_at;
        self.sum.subtract(held.octets);
        if let Some(of_smf) = self.of_smfs.get_mut(usize::from(smf)) {
            of_smf.subtract(held.octets);
        }
        Some(held)
    }

    fn close_if_empty(&mut self, queue: Option<u32>) {
        if let Some(at) = queue
            && self.queues.get(at).is_some_and(is_empty)
        {
            self.queues.close(at);
        }
    }

    /// Looks at a few sessions and names one whose first packet is too old, or that is gone: that
    /// `life` gives no time for. Zero is the usual time, in cycles.
    pub fn due(
        &mut self,
        now: Now,
        life: impl Fn(SessionIndex) -> Option<u64>,
    ) -> Option<(SessionIndex, Reason)> {
        const STEPS: usize = 16;
        let places = u32::try_from(self.queues.len()).unwrap_or(u32::MAX);
        for _ in 0..STEPS {
            self.cursor = self.cursor.wrapping_add(1);
            if self.cursor >= places {
                self.cursor = 0;
            }
            let session = self.queues.get(self.cursor)?.session;
            if session == SessionIndex(0) {
                continue;
            }
            let Some(life) = life(session) else {
                return Some((session, Reason::HoldSessionGone));
            };
            if self.is_expired(session, now, life) {
                return Some((session, Reason::HoldExpired));
            }
        }
        None
    }

    /// Whether the packet that the session has held longest is older than `life`, or than the usual
    /// time if that is zero.
    pub fn is_expired(&self, session: SessionIndex, now: Now, life: u64) -> bool {
        let life = if life == 0 {
            self.limits.expiry_cycles
        } else {
            life
        };
        let first = self
            .queue(session)
            .and_then(|queue| self.slots.get(index(queue.first)));
        let since = first
            .and_then(|slot| slot.held.as_ref())
            .map(|held| held.since);
        since.is_some_and(|since| now.0.saturating_sub(since.0) > life)
    }

    /// The session that holds packets and got none for longest.
    pub fn idlest(&self) -> Option<SessionIndex> {
        self.queues.idlest().map(|queue| queue.session)
    }

    fn queue(&self, session: SessionIndex) -> Option<&Queue> {
        if self.is_empty() {
            return None;
        }
        self.queues.get(self.queues.find(session)?)
    }
}

const fn is_empty(queue: &Queue) -> bool {
    queue.packets == 0
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
