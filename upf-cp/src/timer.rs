//! Deadlines.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use session::{Seid, SessionIndex};

use smallvec::SmallVec;

use crate::association::PeerId;

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// T1 of the request with this sequence number.
    Request(u32),
    /// The next heartbeat to a peer.
    Heartbeat(PeerId),
    /// The next try to associate with the configured SMF of that place.
    Associate(usize),
    /// A peer has been silent for as long as its sessions may outlast.
    Silence(PeerId),
    /// The time for the release of an association is over.
    Release(PeerId),
    /// A session has something to do.
    Session(SessionIndex, Seid, Deadline),
    /// The path to that GTP-U peer has something to do.
    Path(IpAddr),
    /// Old answers are forgotten.
    Housekeeping,
    /// Retired plans are freed.
    Reclaim,
}

/// What a session has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// A URR has something to do.
    Usage,
    /// A PDR wakes or falls asleep.
    Activation,
    /// The UE is told of its router once more.
    Advertise,
    /// Packets have been held for as long as the CP function did not want to hear.
    Notice,
    /// Extended buffering is over.
    Extended,
    /// Whether packets flow is to be looked at.
    Inactivity,
    /// A station may have fallen silent.
    Stations,
}

/// All deadlines, soonest first.
///
/// Those of sessions, which SMFs may put off for years, go when the session does or another of their
/// kind is set: there are never more than there are things to do. The others are there until they
/// come up, which is soon, and are checked then against what they are about.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Equal ones in the order in which they were set.
    heap: BinaryHeap<Reverse<(u64, u64, Timer)>>,
    set: u64,
    of_sessions: BTreeSet<(u64, SessionIndex, Deadline, Seid)>,
    /// The same by sessions.
    by_session: FxHashMap<SessionIndex, OfSession>,
}

/// The deadlines of one session: of each kind one, when it is.
type OfSession = SmallVec<[(Deadline, Seid, u64); 1]>;

impl Timers {
    /// Sets a deadline. A session has one of each kind: it takes the place of the one that is set.
    pub(crate) fn set(&mut self, at_ms: u64, timer: Timer) {
        let Timer::Session(index, seid, kind) = timer else {
            self.set += 1;
            self.heap.push(Reverse((at_ms, self.set, timer)));
            return;
        };
        let deadlines = self.by_session.entry(index).or_default();
        match deadlines.iter_mut().find(|(there, ..)| *there == kind) {
            Some(there) => {
                let (_, seid, at_ms) = std::mem::replace(there, (kind, seid, at_ms));
                self.of_sessions.remove(&(at_ms, index, kind, seid));
            }
            None => deadlines.push((kind, seid, at_ms)),
        }
        self.of_sessions.insert((at_ms, index, kind, seid));
    }

    /// The session is no more.
    pub(crate) fn forget(&mut self, index: SessionIndex) {
        if self.by_session.is_empty() {
            return;
        }
        for (kind, seid, at_ms) in self.by_session.remove(&index).into_iter().flatten() {
            self.of_sessions.remove(&(at_ms, index, kind, seid));
        }
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.heap.len() + self.of_sessions.len()
    }

    /// The soonest deadline.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let of_session = self.of_sessions.first().map(|(at_ms, ..)| *at_ms);
        let other = self.heap.peek().map(|Reverse((at_ms, ..))| *at_ms);
        of_session.into_iter().chain(other).min()
    }

    /// Takes the soonest deadline that has passed.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<Timer> {
        let soonest = self.next_ms().filter(|at_ms| *at_ms <= now_ms)?;
        let other = self.heap.peek();
        if other.is_some_and(|Reverse((at_ms, ..))| *at_ms == soonest) {
            return self.heap.pop().map(|Reverse((.., timer))| timer);
        }
        let (_, index, kind, seid) = self.of_sessions.pop_first()?;
        if let Entry::Occupied(mut deadlines) = self.by_session.entry(index) {
            deadlines.get_mut().retain(|(there, ..)| *there != kind);
            if deadlines.get().is_empty() {
                deadlines.remove();
            }
        }
        Some(Timer::Session(index, seid, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEID: Seid = Seid(7);

    fn usage(n: u32) -> Timer {
        Timer::Session(SessionIndex(n), SEID, Deadline::Usage)
    }

    #[test]
    fn deadlines_come_in_their_order() {
        let mut timers = Timers::default();
        timers.set(30, usage(1));
        timers.set(20, Timer::Request(5));
        timers.set(20, Timer::Request(4));
        timers.set(10, usage(2));
        assert_eq!(timers.next_ms(), Some(10));
        assert_eq!(timers.due(9), None);
        let due: Vec<_> = std::iter::from_fn(|| timers.due(30)).collect();
        let expected = [usage(2), Timer::Request(5), Timer::Request(4), usage(1)];
        assert_eq!(due, expected);
        assert_eq!(timers.next_ms(), None);
        assert!(timers.by_session.is_empty());
    }

    #[test]
    fn what_a_session_puts_off_is_there_once_and_goes_with_it() {
        let mut timers = Timers::default();
        for n in 0..1_000 {
            timers.set(1_000_000 + n, usage(1));
            timers.set(
                500_000 + n,
                Timer::Session(SessionIndex(1), SEID, Deadline::Activation),
            );
        }
        assert_eq!(timers.of_sessions.len(), 2);
        assert_eq!(timers.next_ms(), Some(500_999));
        timers.forget(SessionIndex(2));
        timers.forget(SessionIndex(1));
        assert_eq!((timers.of_sessions.len(), timers.by_session.len()), (0, 0));
    }
}
