//! What the workers count: plain relaxed atomics with one writer each, readable from outside.
//!
//! Nothing disappears: for every worker and at any pause
//!
//! ```text
//! received + made + taken over = sent + consumed + handed over + held + Σ dropped
//! ```
//! where *made* are packets of our own (ARP requests, end markers), *consumed* those that the slow
//! path read and needed no more, and *held* those waiting for a UE or for a neighbour.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Reason;

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one worker counts of one port.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct PortCells {
    pub(crate) received_packets: Counter,
    pub(crate) received_octets: Counter,
    pub(crate) sent_packets: Counter,
    pub(crate) sent_octets: Counter,
    pub(crate) made: Counter,
    pub(crate) consumed: Counter,
    pub(crate) handed_over: Counter,
    pub(crate) taken_over: Counter,
    pub(crate) turned_back: Counter,
    dropped: [Counter; Reason::COUNT],
}

/// What one worker counts.
#[derive(Debug)]
pub struct WorkerCells {
    ports: Box<[PortCells]>,
    /// For packets of no port that is known.
    nowhere: PortCells,
    pub(crate) held: Counter,
    pub(crate) bursts: Counter,
    pub(crate) busy_cycles: Counter,
    pub(crate) idle_polls: Counter,
    pub(crate) hold_episodes: Counter,
}

impl PortCells {
    fn new() -> Self {
        Self {
            received_packets: Counter::default(),
            received_octets: Counter::default(),
            sent_packets: Counter::default(),
            sent_octets: Counter::default(),
            made: Counter::default(),
            consumed: Counter::default(),
            handed_over: Counter::default(),
            taken_over: Counter::default(),
            turned_back: Counter::default(),
            dropped: std::array::from_fn(|_| Counter::default()),
        }
    }

    #[inline]
    pub(crate) fn drop(&self, reason: Reason, packets: u64) {
        if let Some(counter) = self.dropped.get(reason.index()) {
            counter.add(packets);
        }
    }

    fn read(&self) -> PortCounts {
        PortCounts {
            received_packets: self.received_packets.get(),
            received_octets: self.received_octets.get(),
            sent_packets: self.sent_packets.get(),
            sent_octets: self.sent_octets.get(),
            made: self.made.get(),
            consumed: self.consumed.get(),
            handed_over: self.handed_over.get(),
            taken_over: self.taken_over.get(),
            turned_back: self.turned_back.get(),
            dropped: std::array::from_fn(|at| self.dropped.get(at).map_or(0, Counter::get)),
        }
    }
}

impl WorkerCells {
    /// Counters of a worker with that many ports.
    pub fn new(ports: usize) -> Self {
        Self {
            ports: (0..ports).map(|_| PortCells::new()).collect(),
            nowhere: PortCells::new(),
            held: Counter::default(),
            bursts: Counter::default(),
            busy_cycles: Counter::default(),
            idle_polls: Counter::default(),
            hold_episodes: Counter::default(),
        }
    }

    #[inline]
    pub(crate) fn port(&self, port: u16) -> &PortCells {
        self.ports.get(usize::from(port)).unwrap_or(&self.nowhere)
    }

    /// What has been counted.
    pub fn read(&self) -> WorkerCounts {
        WorkerCounts {
            ports: self.ports.iter().map(PortCells::read).collect(),
            held: self.held.get(),
            bursts: self.bursts.get(),
            busy_cycles: self.busy_cycles.get(),
            idle_polls: self.idle_polls.get(),
            hold_episodes: self.hold_episodes.get(),
        }
    }
}

/// What one worker has counted of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortCounts {
    /// Frames received.
    pub received_packets: u64,
    /// Octets of these.
    pub received_octets: u64,
    /// Frames that the port took to send.
    pub sent_packets: u64,
    /// Octets of these.
    pub sent_octets: u64,
    /// Packets of our own making.
    pub made: u64,
    /// Packets that the slow path read and needed no more.
    pub consumed: u64,
    /// Packets given to the worker that owns their session.
    pub handed_over: u64,
    /// Packets taken over from other workers.
    pub taken_over: u64,
    /// Packets from one UE to another that stayed inside. They are no part of the balance.
    pub turned_back: u64,
    /// Packets dropped, by [`Reason::index`].
    pub dropped: [u64; Reason::COUNT],
}

impl PortCounts {
    /// Packets dropped for this reason.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.dropped.get(reason.index()).copied().unwrap_or(0)
    }
}

/// What one worker has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerCounts {
    /// By port.
    pub ports: Vec<PortCounts>,
    /// Packets that wait now: for their UE, or for the address of a neighbour.
    pub held: u64,
    /// Bursts with at least one packet.
    pub bursts: u64,
    /// Time stamp cycles spent on these.
    pub busy_cycles: u64,
    /// Polls that found nothing.
    pub idle_polls: u64,
    /// How often a session began to hold packets.
    pub hold_episodes: u64,
}

impl WorkerCounts {
    /// Packets dropped for this reason, of all ports.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.ports.iter().map(|port| port.dropped(reason)).sum()
    }

    /// What came in and is accounted for nowhere: 0, when nothing is under way.
    pub fn missing(&self) -> i128 {
        let sum = |of: fn(&PortCounts) -> u64| -> i128 {
            self.ports.iter().map(|port| i128::from(of(port))).sum()
        };
        let dropped: i128 = self
            .ports
            .iter()
            .flat_map(|port| port.dropped)
            .map(i128::from)
            .sum();
        let came = sum(|p| p.received_packets) + sum(|p| p.made) + sum(|p| p.taken_over);
        let went = sum(|p| p.sent_packets) + sum(|p| p.consumed) + sum(|p| p.handed_over);
        came - went - i128::from(self.held) - dropped
    }
}
