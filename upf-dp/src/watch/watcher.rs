//! The control side's end: who begins to watch, and reads what was seen.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpdk::ring::{Consumer, Note, Producer, spsc};

use super::{Filter, Sample, TAPS_MAX, Tap, WatchEnd};

/// How much is kept between the worker and who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Packets, of each worker.
    pub packets: usize,
    /// Octets of each: half for the packet as it was received, the rest for what is sent.
    pub octets: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            packets: 256,
            octets: 4096,
        }
    }
}

/// As many watch as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{TAPS_MAX} traces and captures are running already; more are not allowed at a time")]
pub struct Busy;

/// The way to the workers for those who want to watch.
#[derive(Clone, Debug, Default)]
pub struct Watcher(Arc<Mutex<Vec<Door>>>);

#[derive(Debug)]
struct Door {
    bell: Arc<AtomicBool>,
    new: Producer<Note<Box<Tap>>>,
    back: Consumer<Note<Box<Tap>>>,
    /// Taps that the worker has.
    out: usize,
}

/// Somebody who watches. Ends when it is dropped.
#[derive(Debug)]
pub struct Watching {
    stop: Arc<AtomicBool>,
    taps: Vec<TapEnd>,
}

#[derive(Debug)]
struct TapEnd {
    missed: Arc<AtomicU64>,
    empty: Producer<Note<Box<Sample>>>,
    filled: Consumer<Note<Box<Sample>>>,
}

impl Watcher {
    /// The ends of one more worker.
    pub(crate) fn add_worker(&self) -> WatchEnd {
        let bell = Arc::new(AtomicBool::new(false));
        let (new, worker_new) = spsc(TAPS_MAX);
        let (worker_back, back) = spsc(TAPS_MAX);
        self.doors().push(Door {
            bell: Arc::clone(&bell),
            new,
            back,
            out: 0,
        });
        WatchEnd {
            bell,
            new: worker_new,
            back: worker_back,
        }
    }

    /// Begins to watch.
    ///
    /// # Errors
    /// When too many do.
    pub fn watch(&self, filter: &Filter, room: Room) -> Result<Watching, Busy> {
        let mut doors = self.doors();
        for door in &mut *doors {
            while door.back.pop().is_some() {
                door.out = door.out.saturating_sub(1);
            }
        }
        if doors.iter().any(|door| door.out >= TAPS_MAX) {
            return Err(Busy);
        }
        let mut watching = Watching::new();
        for door in &mut *doors {
            let (tap, end) = tap(filter, room, &watching.stop);
            watching.taps.push(end);
            // There is room for as many as may be out.
            if door.new.push(Note(Box::new(tap))).is_ok() {
                door.out += 1;
            }
            door.bell.store(true, Release);
        }
        Ok(watching)
    }

    /// Held by the control side alone, and not for long.
    fn doors(&self) -> MutexGuard<'_, Vec<Door>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tap, and the other end of it.
fn tap(filter: &Filter, room: Room, stop: &Arc<AtomicBool>) -> (Tap, TapEnd) {
    let packets = room.packets.max(1);
    let (mut give, empty) = spsc(packets);
    let (filled, read) = spsc(packets);
    for _ in 0..packets {
        let sample = Note(Box::new(Sample::with_room(room.octets)));
        if give.push(sample).is_err() {
            break;
        }
    }
    let missed = Arc::<AtomicU64>::default();
    let tap = Tap {
        filter: filter.clone(),
        stop: Arc::clone(stop),
        missed: Arc::clone(&missed),
        empty,
        spare: Vec::with_capacity(packets),
        filled,
    };
    let end = TapEnd {
        missed,
        empty: give,
        filled: read,
    };
    (tap, end)
}

impl Watching {
    fn new() -> Self {
        Self {
            stop: Arc::default(),
            taps: Vec::new(),
        }
    }

    /// Somebody who watches a path of their own.
    pub(crate) fn alone(filter: &Filter, room: Room) -> (Self, Box<Tap>) {
        let mut watching = Self::new();
        let (tap, end) = tap(filter, room, &watching.stop);
        watching.taps.push(end);
        (watching, Box::new(tap))
    }

    /// Reads what was seen meanwhile: worker by worker, each in order, at most so many.
    pub fn read(&mut self, most: usize, mut see: impl FnMut(&Sample)) -> usize {
        let mut seen = 0;
        for tap in &mut self.taps {
            while seen < most
                && let Some(Note(sample)) = tap.filled.pop()
            {
                see(&sample);
                seen += 1;
                // It came from there.
                drop(tap.empty.push(Note(sample)));
            }
        }
        seen
    }

    /// How many packets were not noted, because they came faster than they were read.
    pub fn missed(&self) -> u64 {
        self.taps.iter().map(|tap| tap.missed.load(Relaxed)).sum()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}
