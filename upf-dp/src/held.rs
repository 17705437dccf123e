//! Packets held while their FAR says BUFF: a queue per session, all from one slab made at start.

use session::meter::Now;
use session::{FarId, SessionIndex};

use crate::reason::Reason;

/// How much may be held.
#[derive(Clone, Copy, Debug)]
pub struct HeldLimits {
    /// Packets in all, of one worker.
    pub packets: u32,
    /// How long, in time stamp cycles.
    pub expiry_cycles: u64,
}

/// No slot.
const NONE: u32 = u32::MAX;

/// The packets that one worker holds.
#[derive(Debug)]
pub struct Held<P> {
    slots: Box<[Slot<P>]>,
    free: u32,
    queues: Box<[Queue]>,
    packets: u32,
    expiry_cycles: u64,
    /// Where the search for old packets goes on.
    cursor: usize,
}

#[derive(Debug)]
struct Slot<P> {
    held: Option<HeldPacket<P>>,
    next: u32,
}

/// A packet that is held.
#[derive(Debug)]
pub struct HeldPacket<P> {
    /// It, as it was received.
    pub packet: P,
    /// The port it was received on.
    pub port: u16,
    /// Since when.
    pub since: Now,
}

/// The packets of one session. Those of all sessions make up a hash table with linear probing.
#[derive(Clone, Copy, Debug)]
struct Queue {
    /// 0 for an empty place.
    session: SessionIndex,
    far: FarId,
    first: u32,
    last: u32,
    packets: u16,
    notified: bool,
}

const EMPTY: Queue = Queue {
    session: SessionIndex(0),
    far: FarId(0),
    first: NONE,
    last: NONE,
    packets: 0,
    notified: false,
};

impl<P> Held<P> {
    /// Room for as many as `limits` say.
    pub fn new(limits: HeldLimits) -> Self {
        let packets = limits.packets.min(1 << 24);
        let slots = (0..packets).map(|slot| Slot {
            held: None,
            next: if slot + 1 < packets { slot + 1 } else { NONE },
        });
        let places = index(packets.max(1)) * 2;
        Self {
            slots: slots.collect(),
            free: if packets > 0 { 0 } else { NONE },
            queues: vec![EMPTY; places.next_power_of_two()].into(),
            packets: 0,
            expiry_cycles: limits.expiry_cycles,
            cursor: 0,
        }
    }

    /// Whether nothing is held.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.packets == 0
    }

    /// How many packets are held.
    #[inline]
    pub const fn len(&self) -> u32 {
        self.packets
    }

    /// How many packets the session holds.
    pub fn of(&self, session: SessionIndex) -> u16 {
        self.queue(session).map_or(0, |queue| queue.packets)
    }

    /// The FAR for which the session holds packets.
    pub fn far(&self, session: SessionIndex) -> Option<FarId> {
        self.queue(session).map(|queue| queue.far)
    }

    /// Whether the control side has been told of this episode.
    pub fn is_notified(&self, session: SessionIndex) -> bool {
        self.queue(session).is_some_and(|queue| queue.notified)
    }

    /// Remembers that the control side has been told.
    pub fn set_notified(&mut self, session: SessionIndex) {
        if let Some(queue) = self
            .place(session)
            .and_then(|place| self.queues.get_mut(place))
        {
            queue.notified = true;
        }
    }

    /// Holds a packet, behind those of its session. `true` when it is the first: an episode begins.
    ///
    /// # Errors
    /// Gives it back when the session or all together hold as many as they may.
    pub fn push(
        &mut self,
        session: SessionIndex,
        far: FarId,
        most: u16,
        held: HeldPacket<P>,
    ) -> Result<bool, (P, Reason)> {
        if self.of(session) >= most {
            return Err((held.packet, Reason::HoldSessionFull));
        }
        let at = self.free;
        let place = self.place_for(session);
        let (Some(slot), Some(queue)) = (self.slots.get_mut(index(at)), self.queues.get_mut(place))
        else {
            return Err((held.packet, Reason::HoldFull));
        };
        self.free = slot.next;
        *slot = Slot {
            held: Some(held),
            next: NONE,
        };
        let before = queue.last;
        let is_first = queue.session == SessionIndex(0);
        if is_first {
            *queue = Queue {
                session,
                far,
                first: at,
                ..EMPTY
            };
        }
        queue.last = at;
        queue.packets += 1;
        if let (false, Some(before)) = (is_first, self.slots.get_mut(index(before))) {
            before.next = at;
        }
        self.packets += 1;
        Ok(is_first)
    }

    /// Takes the packet out that the session has held longest.
    pub fn pop(&mut self, session: SessionIndex) -> Option<HeldPacket<P>> {
        let place = self.place(session)?;
        let queue = self.queues.get_mut(place)?;
        let at = queue.first;
        let slot = self.slots.get_mut(index(at))?;
        let held = slot.held.take();
        queue.first = slot.next;
        queue.packets = queue.packets.saturating_sub(1);
        let is_last = queue.first == NONE;
        slot.next = self.free;
        self.free = at;
        self.packets = self.packets.saturating_sub(1);
        if is_last {
            self.close(place);
        }
        held
    }

    /// Looks at a few sessions and names one whose first packet is too old, or that `is_gone`.
    pub fn due(
        &mut self,
        now: Now,
        is_gone: impl Fn(SessionIndex) -> bool,
    ) -> Option<(SessionIndex, Reason)> {
        const STEPS: usize = 16;
        for _ in 0..STEPS {
            self.cursor = (self.cursor + 1) % self.queues.len();
            let queue = *self.queues.get(self.cursor)?;
            if queue.session == SessionIndex(0) {
                continue;
            }
            if is_gone(queue.session) {
                return Some((queue.session, Reason::HoldSessionGone));
            }
            if self.is_expired(queue.session, now) {
                return Some((queue.session, Reason::HoldExpired));
            }
        }
        None
    }

    /// Whether the packet that the session has held longest is too old.
    pub fn is_expired(&self, session: SessionIndex, now: Now) -> bool {
        let first = self
            .queue(session)
            .and_then(|queue| self.slots.get(index(queue.first)));
        let since = first
            .and_then(|slot| slot.held.as_ref())
            .map(|held| held.since);
        since.is_some_and(|since| now.0.saturating_sub(since.0) > self.expiry_cycles)
    }

    /// Some session that holds packets.
    pub fn any(&self) -> Option<SessionIndex> {
        let queue = self
            .queues
            .iter()
            .find(|queue| queue.session != SessionIndex(0))?;
        Some(queue.session)
    }

    // ===== the hash table =====

    fn home(&self, session: SessionIndex) -> usize {
        index(session.0.wrapping_mul(0x9e37_79b1).rotate_left(15)) & (self.queues.len() - 1)
    }

    /// The place of a session or, when it has none, the free place where it would go. There is
    /// always one: half of the table stays empty.
    fn place_for(&self, session: SessionIndex) -> usize {
        let mask = self.queues.len() - 1;
        let home = self.home(session);
        let mut places = (0..=mask).map(|step| (home + step) & mask);
        let found = places.find(|place| {
            self.queues
                .get(*place)
                .is_some_and(|queue| queue.session == session || queue.session == SessionIndex(0))
        });
        found.unwrap_or(usize::MAX)
    }

    fn place(&self, session: SessionIndex) -> Option<usize> {
        let place = self.place_for(session);
        self.queues
            .get(place)
            .filter(|queue| queue.session == session)
            .map(|_| place)
    }

    fn queue(&self, session: SessionIndex) -> Option<&Queue> {
        if self.is_empty() {
            return None;
        }
        self.place(session).and_then(|place| self.queues.get(place))
    }

    /// Empties a place; those behind it that had to step aside move up.
    fn close(&mut self, place: usize) {
        let mask = self.queues.len() - 1;
        let (mut hole, mut next) = (place, (place + 1) & mask);
        while let Some(queue) = self.queues.get(next).copied()
            && queue.session != SessionIndex(0)
        {
            let home = self.home(queue.session);
            // It may move to the hole unless its home lies between the hole and itself.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                if let Some(to) = self.queues.get_mut(hole) {
                    *to = queue;
                }
                hole = next;
            }
            next = (next + 1) & mask;
        }
        if let Some(to) = self.queues.get_mut(hole) {
            *to = EMPTY;
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn limits(packets: u32) -> HeldLimits {
        HeldLimits {
            packets,
            expiry_cycles: 100,
        }
    }

    fn held(packet: u32, since: u64) -> HeldPacket<u32> {
        HeldPacket {
            packet,
            port: 0,
            since: Now(since),
        }
    }

    #[test]
    fn full_sessions_and_full_slabs_give_back() {
        let mut store = Held::new(limits(3));
        let (a, b) = (SessionIndex(1), SessionIndex(2));
        assert_eq!(store.push(a, FarId(1), 2, held(1, 0)), Ok(true));
        assert_eq!(store.push(a, FarId(1), 2, held(2, 0)), Ok(false));
        assert_eq!(
            store.push(a, FarId(1), 2, held(3, 0)),
            Err((3, Reason::HoldSessionFull))
        );
        assert_eq!(store.push(b, FarId(1), 2, held(4, 0)), Ok(true));
        assert_eq!(
            store.push(b, FarId(1), 2, held(5, 0)),
            Err((5, Reason::HoldFull))
        );
        assert_eq!(store.pop(a).unwrap().packet, 1);
        assert_eq!(store.push(b, FarId(1), 2, held(6, 0)), Ok(false));
        let mut none = Held::new(limits(0));
        assert_eq!(
            none.push(a, FarId(1), 2, held(7, 0)),
            Err((7, Reason::HoldFull))
        );
    }

    #[test]
    fn old_packets_and_gone_sessions_are_found() {
        let mut store = Held::new(limits(64));
        assert!(
            store
                .push(SessionIndex(9), FarId(1), 2, held(1, 50))
                .is_ok()
        );
        let search =
            |store: &mut Held<u32>, now, gone| (0..20).find_map(|_| store.due(Now(now), |_| gone));
        assert_eq!(search(&mut store, 150, false), None);
        let expired = Some((SessionIndex(9), Reason::HoldExpired));
        assert_eq!(search(&mut store, 151, false), expired);
        let gone = Some((SessionIndex(9), Reason::HoldSessionGone));
        assert_eq!(search(&mut store, 60, true), gone);
    }

    proptest! {
        #[test]
        fn behaves_as_a_map_of_queues(
            steps in prop::collection::vec((0_u32..40, any::<bool>()), 0..400)
        ) {
            let mut store = Held::new(limits(24));
            let mut model: BTreeMap<u32, VecDeque<u32>> = BTreeMap::new();
            for (number, (session, push)) in (0..).zip(steps) {
                let index = SessionIndex(session + 1);
                let total: usize = model.values().map(VecDeque::len).sum();
                let queue = model.entry(session).or_default();
                if push {
                    let pushed = store.push(index, FarId(1), 5, held(number, 0)).is_ok();
                    prop_assert_eq!(pushed, queue.len() < 5 && total < 24);
                    if pushed { queue.push_back(number); }
                } else {
                    prop_assert_eq!(store.pop(index).map(|held| held.packet), queue.pop_front());
                }
                prop_assert_eq!(usize::from(store.of(index)), queue.len());
            }
            for (session, mut queue) in model {
                while let Some(packet) = queue.pop_front() {
                    let popped = store.pop(SessionIndex(session + 1)).map(|held| held.packet);
                    prop_assert_eq!(popped, Some(packet));
                }
            }
            prop_assert!(store.is_empty() && store.any().is_none());
        }
    }
}
