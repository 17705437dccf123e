//! The sessions that hold packets: found by their index, and kept in the order in which they last
//! got a packet.

use session::{FarId, SessionIndex};

use super::told::Told;
use super::{NONE, index};

/// The packets of one session, as a list of slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    /// 0 for one that is free.
    pub(super) session: SessionIndex,
    /// Whose packets they count as.
    pub(super) smf: u16,
    pub(super) packets: u16,
    pub(super) octets: u64,
    pub(super) first: u32,
    pub(super) last: u32,
    /// A bit for each FAR that holds one of the packets, by its number modulo 64.
    pub(super) fars: u64,
    pub(super) told: Told,
    /// Its neighbours in the order of last arrivals; `newer` leads to the next free one.
    older: u32,
    newer: u32,
}

const FREE: Queue = Queue {
    session: SessionIndex(0),
    smf: 0,
    packets: 0,
    octets: 0,
    first: NONE,
    last: NONE,
    fars: 0,
    told: Told::NOTHING,
    older: NONE,
    newer: NONE,
};

impl Queue {
    /// The bit of a FAR.
    pub(super) const fn bit(far: FarId) -> u64 {
        1 << (far.0 % 64)
    }
}

/// All of them, and a hash table (linear probing, half empty at least) that leads to them.
#[derive(Debug)]
pub(super) struct Queues {
    all: Box<[Queue]>,
    table: Box<[u32]>,
    free: u32,
    /// The ends of the order of last arrivals.
    idlest: u32,
    newest: u32,
}

impl Queues {
    /// Room for so many sessions.
    pub(super) fn new(sessions: u32) -> Self {
        let next = |at: u32| if at + 1 < sessions { at + 1 } else { NONE };
        let free = (0..sessions).map(|at| Queue {
            newer: next(at),
            ..FREE
        });
        Self {
            all: free.collect(),
            table: vec![NONE; (index(sessions.max(1)) * 2).next_power_of_two()].into(),
            free: if sessions > 0 { 0 } else { NONE },
            idlest: NONE,
            newest: NONE,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, at: u32) -> Option<&Queue> {
        self.all.get(index(at))
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Queue> {
        self.all.get_mut(index(at))
    }

    /// The queue whose last packet came before those of all others.
    pub(super) fn idlest(&self) -> Option<&Queue> {
        self.get(self.idlest)
    }

    /// Where the queue of a session is.
    pub(super) fn find(&self, session: SessionIndex) -> Option<u32> {
        let place = self.place(session)?;
        self.table.get(place).copied().filter(|at| *at != NONE)
    }

    /// A queue for a session that has none, as the one that got a packet last.
    pub(super) fn open(&mut self, session: SessionIndex, smf: u16) -> Option<u32> {
        let at = self.free;
        let place = self.place(session)?;
        let queue = self.all.get_mut(index(at))?;
        self.free = queue.newer;
        *queue = Queue {
            session,
            smf,
            ..FREE
        };
        if let Some(leads_to) = self.table.get_mut(place) {
            *leads_to = at;
        }
        self.append(at);
        Some(at)
    }

    /// Frees a queue.
    pub(super) fn close(&mut self, at: u32) {
        self.detach(at);
        let Some(queue) = self.get(at) else { return };
        if let Some(place) = self.place(queue.session) {
            self.vacate(place);
        }
        let free = self.free;
        if let Some(queue) = self.get_mut(at) {
            *queue = Queue {
                newer: free,
                ..FREE
            };
        }
        self.free = at;
    }

    /// It got a packet: all others are idler.
    pub(super) fn touch(&mut self, at: u32) {
        if self.newest != at {
            self.detach(at);
            self.append(at);
        }
    }

    // ===== the order of last arrivals =====

    fn append(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        if let Some(queue) = self.get_mut(at) {
            (queue.older, queue.newer) = (before, NONE);
        }
        match self.get_mut(before) {
            Some(before) => before.newer = at,
            None => self.idlest = at,
        }
    }

    fn detach(&mut self, at: u32) {
        let Some((older, newer)) = self.get(at).map(|queue| (queue.older, queue.newer)) else {
            return;
        };
        match self.get_mut(older) {
            Some(queue) => queue.newer = newer,
            None => self.idlest = newer,
        }
        match self.get_mut(newer) {
            Some(queue) => queue.older = older,
            None => self.newest = older,
        }
    }

    // ===== the hash table =====

    fn home(&self, session: SessionIndex) -> usize {
        index(session.0.wrapping_mul(0x9e37_79b1).rotate_left(15)) & (self.table.len() - 1)
    }

    /// The session that a place of the table leads to.
    fn session_at(&self, place: usize) -> Option<SessionIndex> {
        let queue = self.get(*self.table.get(place)?)?;
        Some(queue.session)
    }

    /// The place of a session or, when it has none, the free place where it would go. There is
    /// always one.
    fn place(&self, session: SessionIndex) -> Option<usize> {
        let mask = self.table.len() - 1;
        let home = self.home(session);
        let mut places = (0..=mask).map(|step| (home + step) & mask);
        places.find(|place| self.session_at(*place).is_none_or(|there| there == session))
    }

    /// Empties a place; those behind it that had to step aside move up.
    fn vacate(&mut self, place: usize) {
        let mask = self.table.len() - 1;
        let (mut hole, mut next) = (place, (place + 1) & mask);
        while let Some(session) = self.session_at(next) {
            let home = self.home(session);
            // It may move to the hole unless its home lies between the hole and itself.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                self.table.swap(hole, next);
                hole = next;
            }
            next = (next + 1) & mask;
        }
        if let Some(leads_to) = self.table.get_mut(hole) {
            *leads_to = NONE;
        }
    }
}
