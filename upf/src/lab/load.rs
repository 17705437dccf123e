//! Load without end, in both directions: what the lab does while nobody asks for anything else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use simulator::{Direction, Session, Tag};

use super::{BURST, now};

/// Packets of sessions that may lose some, in a turn.
const BESIDE: usize = BURST / 4;
/// Of how many packets of a session one is timed.
const TIMED: u64 = 64;

/// Whose packets are sent, and in which turn.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) payload_octets: u16,
    /// Whose packets all have to come out again.
    certain: Rota,
    /// Whose packets may be lost, for a reason that the UPF counts.
    beside: Rota,
}

/// Sessions that take turns.
#[derive(Debug, Default)]
struct Rota {
    /// In the order of their numbers.
    sessions: Vec<Arc<Session>>,
    next: usize,
}

impl Rota {
    fn turn(&mut self, most: usize) -> Vec<Arc<Session>> {
        let count = most.min(self.sessions.len());
        let turn = self.sessions.iter().cycle().skip(self.next).take(count);
        let turn = turn.map(Arc::clone).collect();
        self.next = (self.next + count) % self.sessions.len().max(1);
        turn
    }

    fn put(&mut self, session: Session) {
        let number = session.number;
        match self.sessions.binary_search_by_key(&number, |of| of.number) {
            Ok(at) => {
                if let Some(of) = self.sessions.get_mut(at) {
                    *of = Arc::new(session);
                }
            }
            Err(at) => self.sessions.insert(at, Arc::new(session)),
        }
    }

    fn take_out(&mut self, number: u32) {
        if let Ok(at) = self.sessions.binary_search_by_key(&number, |of| of.number) {
            self.sessions.remove(at);
        }
    }
}

impl Load {
    pub(super) fn new(payload_octets: u16) -> Self {
        Self {
            payload_octets,
            ..Self::default()
        }
    }

    pub(super) fn put(&mut self, session: Session, is_certain: bool) {
        if is_certain {
            self.certain.put(session);
        } else {
            self.beside.put(session);
        }
    }

    pub(super) fn take_out(&mut self, number: u32) {
        self.certain.take_out(number);
        self.beside.take_out(number);
    }

    /// Whose turn it is.
    pub(super) fn certain(&mut self) -> Vec<Arc<Session>> {
        let turns = BURST.div_ceil(self.certain.sessions.len().max(1));
        (0..turns)
            .flat_map(|_| self.certain.turn(BURST / turns))
            .collect()
    }

    /// Whose turn it is besides.
    pub(super) fn beside(&mut self) -> Vec<Arc<Session>> {
        self.beside.turn(BESIDE)
    }
}

/// How long packets were under way, from when they were made until they were looked at: of one of
/// 64 of each session.
#[derive(Debug)]
pub(super) struct Stopwatch {
    started: BTreeMap<(Direction, u32, u64), Instant>,
    took_ns: Histogram<u64>,
}

impl Stopwatch {
    /// Three digits of anything up to a minute.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            started: BTreeMap::new(),
            took_ns: Histogram::new_with_bounds(100, 60_000_000_000, 3)?,
        })
    }

    pub(super) fn sent(&mut self, direction: Direction, session: u32, sequence: u64) {
        if sequence.is_multiple_of(TIMED) {
            self.started.insert((direction, session, sequence), now());
        }
    }

    pub(super) fn received(&mut self, tag: &Tag) {
        if tag.sequence.is_multiple_of(TIMED)
            && let Some(sent) = self
                .started
                .remove(&(tag.direction, tag.session, tag.sequence))
        {
            let took = now().saturating_duration_since(sent);
            let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.took_ns.saturating_record(took_ns);
        }
    }

    /// What half and 99 of 100 packets took at most since this was asked for last.
    pub(super) fn lap(&mut self) -> (Duration, Duration) {
        let at = |share| Duration::from_nanos(self.took_ns.value_at_quantile(share));
        let lap = (at(0.5), at(0.99));
        self.took_ns.reset();
        self.started.clear();
        lap
    }
}
