//! Deadlines. Entries are never taken out: one that comes up is checked against what it is about.

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

/// All deadlines, soonest first; equal ones in the order in which they were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, u64, Timer)>>,
    set: u64,
}

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
}
