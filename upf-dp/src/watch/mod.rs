//! Watching packets: what the stages found out about some of them goes to the control side, for
//! explanations, traces and captures.
//!
//! ```text
//!  control side                                   worker
//!  Watcher ── Tap: a filter and its rings ──────► Watch: asks every packet of its taps' filters
//!  Watching ─ empty Samples ────────────────────► filled in: frame received, rule, fate, frames sent
//!           ◄──────────────────────── Samples ──┘ missed, and counted, when there is no empty one
//! ```
//! Nothing is allocated, freed or waited for on the worker: samples go round, and a tap that has
//! ended goes back to where it came from. While nobody watches, a turn of the worker looks at one
//! flag, and a burst at the number of taps.

mod filter;
mod sample;
#[cfg(test)]
mod tests;
mod watcher;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64};

use arrayvec::{ArrayVec, CapacityError};
use dpdk::ring::{Consumer, Note, Producer};
use session::WorkerId;
use session::meter::Now;

use crate::packet::Packet;
use crate::path::{Fate, Meta};
use crate::reason::Reason;

pub use filter::{Filter, Kind};
pub use sample::{Frame, Outcome, Rule, Sample};
pub use watcher::{Busy, Room, Watcher, Watching};

/// How many may watch at a time.
pub const TAPS_MAX: usize = 4;

/// How many samples of one worker may be under way: those of a burst, for all taps.
const OPEN_MAX: usize = TAPS_MAX * crate::packet::BURST;

/// What somebody watches.
#[derive(Debug)]
pub(crate) struct Tap {
    filter: Filter,
    /// Set by whoever watches: no more.
    stop: Arc<AtomicBool>,
    /// Packets that found no empty sample.
    missed: Arc<AtomicU64>,
    empty: Consumer<Note<Box<Sample>>>,
    /// Empty ones that were taken in vain.
    spare: Vec<Note<Box<Sample>>>,
    filled: Producer<Note<Box<Sample>>>,
}

/// The worker's ends of what leads to a [`Watcher`].
#[derive(Debug)]
pub(crate) struct WatchEnd {
    /// There are taps to be taken in, or to be given back.
    bell: Arc<AtomicBool>,
    new: Consumer<Note<Box<Tap>>>,
    back: Producer<Note<Box<Tap>>>,
}

/// What a worker is asked to watch.
#[derive(Debug)]
pub(crate) struct Watch {
    worker: WorkerId,
    end: Option<WatchEnd>,
    taps: ArrayVec<Box<Tap>, TAPS_MAX>,
    /// Samples of packets that are on their way: a burst that comes up while another one is settled
    /// has its own behind those of the other.
    open: Vec<Open>,
    /// Where those of the burst begin that is on its way.
    base: usize,
    /// Those of the packet that is being settled.
    current: Range<usize>,
}

#[derive(Debug)]
struct Open {
    /// The packet's place in its burst.
    place: usize,
    tap: usize,
    sample: Box<Sample>,
}

impl Watch {
    /// Nobody watches.
    pub(crate) fn new(worker: WorkerId, end: Option<WatchEnd>) -> Self {
        Self {
            worker,
            end,
            taps: ArrayVec::new(),
            open: Vec::with_capacity(OPEN_MAX),
            base: 0,
            current: 0..0,
        }
    }

    /// Whether anybody watches.
    #[inline]
    pub(crate) const fn is_on(&self) -> bool {
        !self.taps.is_empty()
    }

    /// Takes a tap in, unless there are too many.
    pub(crate) fn take_in(&mut self, tap: Box<Tap>) -> Result<(), Box<Tap>> {
        self.taps.try_push(tap).map_err(CapacityError::element)
    }

    // ===== between bursts =====

    /// Takes in what is new, and gives back what has ended.
    #[inline]
    pub(crate) fn attend(&mut self) {
        if let Some(end) = &self.end
            && end.bell.load(Relaxed)
        {
            self.attend_now();
        }
    }

    #[cold]
    #[inline(never)]
    fn attend_now(&mut self) {
        let Some(end) = &mut self.end else { return };
        let mut at = 0;
        while let Some(tap) = self.taps.get(at) {
            if tap.stop.load(Relaxed) {
                let tap = self.taps.swap_remove(at);
                // There is room for every tap there is.
                drop(end.back.push(Note(tap)));
            } else {
                at += 1;
            }
        }
        while !self.taps.is_full()
            && let Some(Note(tap)) = end.new.pop()
        {
            self.taps.push(tap);
        }
        // What is rung for between the two looks is seen by the second.
        if self.taps.is_empty() && end.bell.swap(false, AcqRel) && end.new.waiting() > 0 {
            end.bell.store(true, Relaxed);
        }
    }

    // ===== a burst =====

    /// Opens samples of the packets that somebody wants to see, once their session is known.
    #[cold]
    #[inline(never)]
    pub(crate) fn open<P: Packet>(&mut self, packets: &[P], metas: &[Meta<'_>], now: Now) {
        self.base = self.open.len();
        for (place, (packet, meta)) in packets.iter().zip(metas).enumerate() {
            let frame = packet.data();
            for (number, tap) in self.taps.iter_mut().enumerate() {
                if tap.stop.load(Relaxed) || !tap.filter.admits(frame, meta) {
                    continue;
                }
                let has_room = self.open.len() < OPEN_MAX;
                match has_room.then(|| tap.take()).flatten() {
                    Some(mut sample) => {
                        sample.begin(self.worker, now, frame, meta);
                        self.open.push(Open {
                            place,
                            tap: number,
                            sample,
                        });
                    }
                    None => tap.miss(),
                }
            }
        }
    }

    /// Before the packets of a burst are settled; hand what is returned to [`close`](Self::close).
    pub(crate) fn begin_to_settle(&mut self) -> (usize, Range<usize>) {
        (self.base, std::mem::replace(&mut self.current, 0..0))
    }

    /// The packet at that place of its burst is settled next.
    pub(crate) fn turn_to(&mut self, base: usize, place: usize, meta: &Meta<'_>) {
        let first = self.open.iter().skip(base);
        let before = first.take_while(|open| open.place < place).count();
        let start = base + before;
        let own = self.open.iter_mut().skip(start);
        let own = own.take_while(|open| open.place == place);
        let count = own.map(|open| open.sample.decide(meta)).count();
        self.current = start..start + count;
    }

    /// All packets of the burst are settled.
    pub(crate) fn close(&mut self, (base, outer): (usize, Range<usize>)) {
        self.current = outer;
        for Open { tap, sample, .. } in self.open.drain(base..) {
            // Taps come and go between bursts alone.
            let Some(tap) = self.taps.get_mut(tap) else {
                continue;
            };
            if tap.filter.wants(&sample) {
                tap.give(sample);
            } else {
                tap.spare.push(Note(sample));
            }
        }
    }

    // ===== what becomes of the packet that is being settled =====

    /// It is dropped.
    #[inline]
    pub(crate) fn note_drop(&mut self, reason: Reason) {
        if !self.current.is_empty() {
            self.note(|sample| sample.dropped = sample.dropped.or(Some(reason)));
        }
    }

    /// Something else becomes of it than was thought.
    #[inline]
    pub(crate) fn note_fate(&mut self, fate: Fate) {
        if !self.current.is_empty() {
            self.note(|sample| sample.fate = fate);
        }
    }

    /// A frame is sent because of it; not `now`, when a neighbour has to be found first.
    #[inline]
    pub(crate) fn note_frame(&mut self, port: u16, frame: &[u8], now: bool) {
        if !self.current.is_empty() {
            self.note(|sample| sample.add(port, frame, now));
        }
    }

    #[cold]
    #[inline(never)]
    fn note(&mut self, mut note: impl FnMut(&mut Sample)) {
        let current = self.open.get_mut(self.current.clone());
        for open in current.unwrap_or_default() {
            note(&mut open.sample);
        }
    }
}

impl Tap {
    fn take(&mut self) -> Option<Box<Sample>> {
        let empty = self.spare.pop().or_else(|| self.empty.pop());
        empty.map(|Note(sample)| sample)
    }

    fn give(&mut self, sample: Box<Sample>) {
        if let Err(sample) = self.filled.push(Note(sample)) {
            self.spare.push(sample);
            self.miss();
        }
    }

    fn miss(&self) {
        // One tap, one worker: there is no other writer.
        self.missed.store(self.missed.load(Relaxed) + 1, Relaxed);
    }
}
