//! The paths to GTP-U peers: which are supervised, whether they answer, and how fast (TS 29.281,
//! 7.2.1; TS 23.527, 5.4).
//!
//! A peer is supervised while a tunnel leads to it. One worker sends the Echo Requests that are
//! asked for here; whichever worker gets the answers passes them on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hdrhistogram::Histogram;
use smallvec::SmallVec;

use crate::association::PeerId;
use crate::config::Echo;

/// The longest round-trip time that is told apart from longer ones, in microseconds.
const RTT_US_MAX: u64 = 60_000_000;
/// Decimal places that round-trip times keep.
const RTT_DIGITS: u8 = 2;

/// How long echoes to a peer took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RoundTrip {
    /// How many were measured.
    pub count: u64,
    /// The shortest.
    pub min_us: u64,
    /// All of them, evened out.
    pub mean_us: f64,
    /// The longest.
    pub max_us: u64,
    /// What 99 of 100 stayed within.
    pub p99_us: u64,
}

/// All supervised paths.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    paths: BTreeMap<IpAddr, GtpuPath>,
    /// The generation of the peers in use that was looked at last.
    seen: u64,
}

/// The path to one peer.
#[derive(Debug)]
pub(crate) struct GtpuPath {
    /// When something is to be done next; timers of before are stale.
    pub(crate) due_ms: u64,
    asked: Option<Asked>,
    failed: bool,
    /// Who was told of the failure.
    pub(crate) told: SmallVec<[PeerId; 2]>,
    /// Requests that nobody answered, repetitions included.
    lost: u64,
    round_trips: Histogram<u32>,
}

/// An Echo Request that waits for its answer.
#[derive(Debug)]
struct Asked {
    sequence: u16,
    /// How often it may be sent again.
    left: u32,
    /// When it was sent, in the workers' cycles; `None` when that is not known, or when it was sent
    /// more than once: an answer does not say to which.
    sent_at: Option<u64>,
    repeated: bool,
}

/// What to do about a path now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send a request of that sequence number, and wait T3.
    Ask(u16),
    /// Nobody answered: wait for the next interval.
    Lost {
        /// The path has just failed.
        failed: bool,
    },
}

impl GtpuPath {
    fn new(due_ms: u64) -> Option<Self> {
        Some(Self {
            due_ms,
            asked: None,
            failed: false,
            told: SmallVec::new(),
            lost: 0,
            round_trips: Histogram::new_with_bounds(1, RTT_US_MAX, RTT_DIGITS).ok()?,
        })
    }

    /// The interval or T3 is over.
    pub(crate) fn step(&mut self, echo: Echo, now_ms: u64, random: u16) -> Step {
        let step = match &mut self.asked {
            None => {
                self.asked = Some(Asked {
                    sequence: random,
                    left: echo.n3.saturating_sub(1),
                    sent_at: None,
                    repeated: false,
                });
                Step::Ask(random)
            }
            Some(asked) if asked.left > 0 => {
                asked.left -= 1;
                asked.repeated = true;
                self.lost += 1;
                Step::Ask(asked.sequence)
            }
            Some(_) => {
                self.asked = None;
                self.lost += 1;
                let failed = !std::mem::replace(&mut self.failed, true);
                Step::Lost { failed }
            }
        };
        let pause_ms = match step {
            Step::Ask(_) => echo.t3_ms,
            Step::Lost { .. } => echo.interval_ms,
        };
        self.due_ms = now_ms.saturating_add(pause_ms);
        step
    }

    /// Whether the peer answers.
    pub(crate) const fn is_failed(&self) -> bool {
        self.failed
    }

    /// Requests that nobody answered.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// How long its echoes took.
    pub(crate) fn round_trip(&self) -> RoundTrip {
        if self.round_trips.is_empty() {
            return RoundTrip::default();
        }
        RoundTrip {
            count: self.round_trips.len(),
            min_us: self.round_trips.min(),
            mean_us: self.round_trips.mean(),
            max_us: self.round_trips.max(),
            p99_us: self.round_trips.value_at_quantile(0.99),
        }
    }
}

impl Paths {
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, &GtpuPath)> {
        self.paths.iter().map(|(peer, path)| (*peer, path))
    }

    pub(crate) fn get_mut(&mut self, peer: IpAddr) -> Option<&mut GtpuPath> {
        self.paths.get_mut(&peer)
    }

    /// Whether the peers in use have changed since the last time.
    pub(crate) fn is_outdated(&mut self, generation: u64) -> bool {
        std::mem::replace(&mut self.seen, generation) != generation
    }

    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        self.paths.contains_key(&peer)
    }

    pub(crate) fn retain(&mut self, is_used: impl Fn(IpAddr) -> bool) {
        self.paths.retain(|peer, _| is_used(*peer));
    }

    /// Supervises a peer from now on; the timer for it is the caller's to set.
    pub(crate) fn insert(&mut self, peer: IpAddr, due_ms: u64) {
        if let Some(path) = GtpuPath::new(due_ms) {
            self.paths.insert(peer, path);
        }
    }

    pub(crate) fn echo_sent(&mut self, peer: IpAddr, sequence: u16, at: u64) {
        let asked = self
            .paths
            .get_mut(&peer)
            .and_then(|path| path.asked.as_mut());
        if let Some(asked) = asked.filter(|asked| asked.sequence == sequence) {
            asked.sent_at = (!asked.repeated).then_some(at);
        }
    }

    /// A peer answers: whether it was asked and, if so, whether its path had failed. The next
    /// request is due after the interval.
    pub(crate) fn echo_answered(
        &mut self,
        peer: IpAddr,
        sequence: u16,
        (at, hz): (u64, u64),
        due_ms: u64,
    ) -> Option<bool> {
        let path = self.paths.get_mut(&peer)?;
        let asked = path.asked.take_if(|asked| asked.sequence == sequence)?;
        if let Some(sent_at) = asked.sent_at {
            let cycles = u128::from(at.saturating_sub(sent_at));
            let us = cycles * 1_000_000 / u128::from(hz.max(1));
            let us = u64::try_from(us).unwrap_or(u64::MAX).clamp(1, RTT_US_MAX);
            path.round_trips.saturating_record(us);
        }
        path.due_ms = due_ms;
        Some(std::mem::replace(&mut path.failed, false))
    }
}
