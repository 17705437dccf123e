//! Deadlines. An entry is not taken out when what it is about goes, or has an earlier one: one that
//! comes up is checked. When many of them may be of no use any more, all are looked through.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use session::{Seid, SessionIndex};

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
    /// A URR of the session has something to do.
    Usage(SessionIndex, Seid),
    /// A PDR of the session wakes or falls asleep.
    Activation(SessionIndex, Seid),
    /// The UE of the session is told of its router once more.
    Advertise(SessionIndex, Seid),
    /// Packets of the session have been held for as long as the CP function did not want to hear.
    Notice(SessionIndex, Seid),
    /// Extended buffering of the session is over.
    Extended(SessionIndex, Seid),
    /// Whether packets of the session flow is to be looked at.
    Inactivity(SessionIndex, Seid),
    /// A station of the session may have fallen silent.
    Stations(SessionIndex, Seid),
    /// The path to that GTP-U peer has something to do.
    Path(IpAddr),
    /// Old answers are forgotten.
    Housekeeping,
    /// Retired plans are freed.
    Reclaim,
}

/// All deadlines, soonest first; equal ones in the order in which they were set. Setting one and taking
/// one out costs the logarithm of their number.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, u64, Timer)>>,
    set: u64,
    /// How many there were when all were looked through last.
    useful: usize,
}

/// Fewer than these are not looked through.
const FEW: usize = 4096;

impl Timers {
    /// Sets a deadline.
    pub(crate) fn set(&mut self, at_ms: u64, timer: Timer) {
        self.set += 1;
        self.heap.push(Reverse((at_ms, self.set, timer)));
    }

    /// The soonest deadline.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ms, ..))| *at_ms)
    }

    /// Takes the soonest deadline that has passed.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<Timer> {
        let Reverse((at_ms, ..)) = self.heap.peek()?;
        if *at_ms > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse((.., timer))| timer)
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there are so many more than at the last [`sift`](Self::sift) that half of them may be of
    /// no use.
    pub(crate) fn is_crowded(&self) -> bool {
        self.heap.len() > 2 * self.useful.max(FEW)
    }

    /// Takes out those that are of no use, by their moments and what they are about.
    pub(crate) fn sift(&mut self, is_useful: impl Fn(u64, &Timer) -> bool) {
        self.heap
            .retain(|Reverse((at_ms, _, timer))| is_useful(*at_ms, timer));
        self.useful = self.heap.len();
        self.heap.shrink_to(2 * self.useful.max(FEW));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million periods, each of which comes up at its moment and is set again: in order, and with room
    /// for no more than there are.
    #[test]
    fn a_million_deadlines_come_in_their_order() {
        const PERIOD_MS: u64 = 60_000;
        const SET: u32 = 1_000_000;
        let mut timers = Timers::default();
        for n in 0..SET {
            let at_ms = 1 + u64::from(n.wrapping_mul(0x9e37_79b9)) % PERIOD_MS;
            timers.set(at_ms, Timer::Usage(SessionIndex(n), Seid(at_ms)));
        }
        let mut last_ms = 0;
        for _ in 0..SET {
            let next_ms = timers.next_ms().unwrap();
            assert_eq!(timers.due(next_ms - 1), None);
            let Some(Timer::Usage(index, Seid(at_ms))) = timers.due(next_ms) else {
                panic!("another timer");
            };
            assert!(at_ms == next_ms && at_ms >= last_ms, "{at_ms} {last_ms}");
            last_ms = at_ms;
            timers.set(at_ms + PERIOD_MS, Timer::Usage(index, Seid(at_ms)));
        }
        assert_eq!(timers.len(), 1_000_000);
        assert!(timers.heap.capacity() <= 1 << 20);
        // No more than 40 MB.
        assert!(size_of::<Reverse<(u64, u64, Timer)>>() <= 40);
    }
}
