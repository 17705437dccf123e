//! TEIDs that the UPF chooses: an index into a table, a generation, scrambled by a keyed bijection
//! so that neighbours cannot be guessed (TS 33.513, TEID uniqueness; TS 29.281, 5.1).

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use Ordering::{Acquire, Release};

use crate::id::{Teid, WorkerId, index};
use crate::publish::prefetch;
use crate::zeroed::zeroed;

/// Index bits of an unscrambled TEID; the rest is the generation.
const INDEX_BITS: u32 = 24;

/// The most TEIDs that can be given out at once.
pub(crate) const CHOSEN_MAX: u32 = 1 << INDEX_BITS;

/// A bijection over 32 bits of a few cycles each way, keyed.
#[derive(Clone, Copy, Debug)]
struct Scrambler {
    before: u32,
    between: u32,
    after: u32,
}

const MULTIPLIER: u32 = 0x9e37_79b1;
const INVERSE: u32 = inverse(MULTIPLIER);

/// Inverse of an odd number modulo 2³² (Newton's iteration).
const fn inverse(odd: u32) -> u32 {
    let mut x = odd;
    let mut round = 0;
    while round < 5 {
        x = x.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

impl Scrambler {
    const fn new(key: [u32; 3]) -> Self {
        Self {
            before: key[0],
            between: key[1],
            after: key[2],
        }
    }
    #[inline]
    const fn scramble(self, plain: u32) -> u32 {
        let mut x = (plain ^ self.before).wrapping_mul(MULTIPLIER);
        x ^= x >> 16;
        x = (x ^ self.between).wrapping_mul(MULTIPLIER);
        x ^= x >> 16;
        x.wrapping_mul(MULTIPLIER) ^ self.after
    }
    #[inline]
    const fn unscramble(self, scrambled: u32) -> u32 {
        let mut x = (scrambled ^ self.after).wrapping_mul(INVERSE);
        x ^= x >> 16;
        x = x.wrapping_mul(INVERSE) ^ self.between;
        x ^= x >> 16;
        x.wrapping_mul(INVERSE) ^ self.before
    }
}

/// The table that chosen TEIDs index. Each entry holds the TEID it answers to and a handle, or 0.
#[derive(Debug)]
pub(crate) struct ChosenTeids {
    entries: Box<[AtomicU64]>,
    scrambler: Scrambler,
    workers: u32,
}

impl ChosenTeids {
    pub(crate) fn new(capacity: u32, workers: u8, key: [u32; 3]) -> Self {
        let capacity = capacity.clamp(1, CHOSEN_MAX);
        Self {
            entries: zeroed(index(capacity)),
            scrambler: Scrambler::new(key),
            workers: u32::from(workers).max(1),
        }
    }

    /// Where a TEID's entry would be.
    #[inline]
    pub(crate) const fn position(&self, teid: Teid) -> u32 {
        self.scrambler.unscramble(teid.0) & (CHOSEN_MAX - 1)
    }

    /// Brings an entry into the cache; `false` when there is none at that position.
    #[inline]
    pub(crate) fn prefetch(&self, position: u32) -> bool {
        let entry = self.entries.get(index(position));
        entry.map(prefetch).is_some()
    }

    /// The handle of a TEID that is in use, if this UPF chose it.
    #[inline]
    pub(crate) fn get(&self, teid: Teid) -> Option<NonZeroU32> {
        self.get_at(self.position(teid), teid)
    }

    /// The handle of a TEID whose [`position`](Self::position) is known.
    #[inline]
    pub(crate) fn get_at(&self, position: u32, teid: Teid) -> Option<NonZeroU32> {
        let entry = self.entries.get(index(position))?.load(Acquire);
        let handle = u32::try_from(entry & u64::from(u32::MAX)).unwrap_or(0);
        NonZeroU32::new(handle).filter(|_| entry >> 32 == u64::from(teid.0))
    }

    /// Points a TEID at a handle; 0 withdraws it. The handle before, 0 for none. For the one writer.
    pub(crate) fn set(&self, teid: Teid, handle: u32) -> u32 {
        let was = self.get(teid).map_or(0, NonZeroU32::get);
        if let Some(entry) = self.entries.get(index(self.position(teid))) {
            entry.store(u64::from(teid.0) << 32 | u64::from(handle), Release);
        }
        was
    }

    /// The worker that owns the session of a chosen TEID, without touching the table.
    #[inline]
    pub(crate) fn owner(&self, teid: Teid) -> WorkerId {
        WorkerId(u8::try_from(self.position(teid) % self.workers).unwrap_or(0))
    }
}

/// Gives out TEIDs and takes them back; the control side's half.
#[derive(Debug)]
pub(crate) struct TeidAllocator {
    /// Per worker: positions that were used before, longest ago first, with their next generation.
    free: Vec<VecDeque<(u32, u8)>>,
    /// Per worker: the lowest position that was never used.
    fresh: Vec<u32>,
    capacity: u32,
    scrambler: Scrambler,
}

impl TeidAllocator {
    pub(crate) fn new(table: &ChosenTeids) -> Self {
        let workers = table.workers;
        Self {
            free: (0..workers).map(|_| VecDeque::new()).collect(),
            fresh: (0..workers).collect(),
            capacity: u32::try_from(table.entries.len()).unwrap_or(CHOSEN_MAX),
            scrambler: table.scrambler,
        }
    }

    /// The next TEID for a session of `worker`; positions are used anew only when there are no
    /// fresh ones, and the one that rested longest comes first.
    pub(crate) fn allocate(&mut self, worker: WorkerId) -> Option<Teid> {
        let worker = usize::from(worker.0);
        let step = u32::try_from(self.free.len()).unwrap_or(1);
        let fresh = self.fresh.get_mut(worker)?;
        let (position, generation) = if *fresh < self.capacity {
            let position = *fresh;
            *fresh += step;
            (position, 0)
        } else {
            self.free.get_mut(worker)?.pop_front()?
        };
        Some(Teid(
            self.scrambler
                .scramble(u32::from(generation) << INDEX_BITS | position),
        ))
    }

    /// Takes a TEID back, once no reader can still be looking it up.
    pub(crate) fn release(&mut self, teid: Teid) {
        let plain = self.scrambler.unscramble(teid.0);
        let (position, [generation, ..]) = (plain & (CHOSEN_MAX - 1), plain.to_be_bytes());
        let workers = u32::try_from(self.free.len()).unwrap_or(1);
        if let Some(free) = self.free.get_mut(index(position % workers)) {
            free.push_back((position, generation.wrapping_add(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambling_is_a_bijection() {
        let scrambler = Scrambler::new([0x1234_5678, 0x9abc_def0, 0x0fed_cba9]);
        for plain in (0..u32::MAX).step_by(65_521).chain([0, 1, 2, u32::MAX]) {
            assert_eq!(scrambler.unscramble(scrambler.scramble(plain)), plain);
        }
    }

    #[test]
    fn neighbours_are_far_apart() {
        let scrambler = Scrambler::new([11, 22, 33]);
        let mut steps: Vec<_> = (0..1000_u32)
            .map(|i| {
                scrambler
                    .scramble(i + 1)
                    .wrapping_sub(scrambler.scramble(i))
            })
            .collect();
        steps.sort_unstable();
        steps.dedup();
        assert!(steps.len() > 900, "{} distinct steps", steps.len());
    }

    #[test]
    fn a_released_teid_returns_with_another_generation() {
        let table = ChosenTeids::new(2, 1, [1, 2, 3]);
        let mut allocator = TeidAllocator::new(&table);
        let first = allocator.allocate(WorkerId(0)).unwrap();
        let second = allocator.allocate(WorkerId(0)).unwrap();
        assert_eq!(allocator.allocate(WorkerId(0)), None);
        table.set(first, 77);
        assert_eq!(
            (table.get(first), table.get(second)),
            (NonZeroU32::new(77), None)
        );
        table.set(first, 0);
        allocator.release(first);
        let third = allocator.allocate(WorkerId(0)).unwrap();
        table.set(third, 78);
        assert_ne!(third, first);
        assert_eq!(
            (table.get(first), table.get(third)),
            (None, NonZeroU32::new(78))
        );
    }

    #[test]
    fn a_teid_names_its_owner() {
        let table = ChosenTeids::new(1000, 3, [7, 8, 9]);
        let mut allocator = TeidAllocator::new(&table);
        for worker in [0, 1, 2, 2, 1, 0] {
            let teid = allocator.allocate(WorkerId(worker)).unwrap();
            assert_eq!(table.owner(teid), WorkerId(worker));
        }
    }
}
