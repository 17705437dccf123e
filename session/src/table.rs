//! A hash table of cache-line buckets: one writer, any number of readers that take no lock.
//!
//! A key of `W` words has `S` slots in a bucket of 64 octets. A full bucket spills into the next
//! ones, and counts how often it did, so that a reader stops at the first bucket that never
//! spilled. Values are handles; 0 is an empty slot. A removed slot rests and may be written again
//! only once every reader has passed a quiescent point (see `publish.rs`), so that a reader never
//! pairs an old key with a new value.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use Ordering::{Acquire, Relaxed, Release};
use zerocopy::{FromZeros, KnownLayout};

use crate::id::index;
use crate::publish::prefetch;
use crate::zeroed::zeroed;

/// An empty slot, as memory comes.
const EMPTY: u32 = 0;
/// The bits of a bucket's state that count keys; those above say which slots rest.
const SPILLED_BITS: u32 = 24;
const SPILLED: u32 = (1 << SPILLED_BITS) - 1;
/// How many buckets a key may lie behind its own.
const PROBE_MAX: usize = 16;

/// One cache line of keys and values; empty when it is all zeros.
#[derive(FromZeros, KnownLayout)]
#[repr(C, align(64))]
struct Bucket<const W: usize, const S: usize> {
    keys: [[AtomicU64; W]; S],
    values: [AtomicU32; S],
    /// How many keys passed this bucket by because it was full, and a bit for each slot that was
    /// emptied and that readers may still be looking at.
    state: AtomicU32,
}

/// The table. `W` words a key, `S` slots a bucket, sized so that a bucket fills a cache line.
pub(crate) struct Table<const W: usize, const S: usize> {
    buckets: Box<[Bucket<W, S>]>,
    seed: u64,
}

impl<const W: usize, const S: usize> Bucket<W, S> {
    /// The value of `key` in this bucket. All slots are compared before one is chosen: in which a
    /// key lies cannot be predicted.
    #[inline]
    fn get(&self, key: &[u64; W]) -> Option<NonZeroU32> {
        let mut found = EMPTY;
        for (words, value) in self.keys.iter().zip(&self.values) {
            // Acquire: the words below are those that were written before the value.
            let value = value.load(Acquire);
            found |= if is(words, key) { value } else { EMPTY };
        }
        NonZeroU32::new(found)
    }

    /// Whether a key that is not here may lie in the buckets behind.
    #[inline]
    fn has_spilled(&self) -> bool {
        self.state.load(Acquire) & SPILLED != 0
    }

    /// A slot that may be written.
    fn free_slot(&self) -> Option<u32> {
        let resting = self.state.load(Relaxed) >> SPILLED_BITS;
        let mut slots = (0..).zip(&self.values);
        slots
            .find(|(slot, value)| value.load(Relaxed) == EMPTY && resting >> slot & 1 == 0)
            .map(|(slot, _)| slot)
    }

    /// The slot of a key that is in use.
    fn slot_of(&self, key: &[u64; W]) -> Option<u32> {
        let mut slots = (0..).zip(self.keys.iter().zip(&self.values));
        slots
            .find(|(_, (words, value))| value.load(Relaxed) != EMPTY && is(words, key))
            .map(|(slot, _)| slot)
    }
}

#[inline]
fn is<const W: usize>(words: &[AtomicU64; W], key: &[u64; W]) -> bool {
    let differs = words
        .iter()
        .zip(key)
        .fold(0, |bits, (word, key)| bits | (word.load(Relaxed) ^ key));
    differs == 0
}

/// Why a key was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsertError {
    /// It is there already.
    Taken,
    /// No slot is free within reach.
    Full,
}

/// A slot that becomes free after a grace period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freed {
    bucket: usize,
    slot: u32,
}

impl<const W: usize, const S: usize> Table<W, S> {
    /// A table for `capacity` keys, at most half full then: the longest run of full buckets stays
    /// far below [`PROBE_MAX`].
    pub(crate) fn new(capacity: usize, seed: u64) -> Self {
        const {
            assert!(
                size_of::<Bucket<W, S>>() == 64,
                "a bucket is one cache line"
            );
        }
        let count = (capacity * 2 / S + 1).next_power_of_two().max(4);
        Self {
            buckets: zeroed(count),
            seed,
        }
    }

    #[inline]
    #[allow(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "both halves of the product are wanted, and only the low bits of the hash"
    )]
    pub(crate) fn home(&self, key: &[u64; W]) -> u32 {
        let mut hash = self.seed;
        for word in key {
            let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
            hash = (product >> 64) as u64 ^ product as u64;
        }
        // The product's low bits are weak in the low key bits; mix once more.
        hash ^= hash >> 29;
        (hash as usize & (self.buckets.len() - 1)) as u32
    }

    /// Brings a key's bucket into the cache.
    #[inline]
    pub(crate) fn prefetch(&self, home: u32) {
        if let Some(bucket) = self.buckets.get(index(home)) {
            prefetch(bucket);
        }
    }

    /// The value of `key`.
    #[inline]
    pub(crate) fn get(&self, key: &[u64; W]) -> Option<NonZeroU32> {
        self.get_at(self.home(key), key)
    }

    /// The value of `key`, whose [`home`](Self::home) is known.
    #[inline]
    pub(crate) fn get_at(&self, home: u32, key: &[u64; W]) -> Option<NonZeroU32> {
        let bucket = self.buckets.get(index(home))?;
        match bucket.get(key) {
            None if bucket.has_spilled() => self.get_beyond(home, key),
            found => found,
        }
    }

    /// Goes on in the buckets behind the key's own.
    #[inline(never)]
    fn get_beyond(&self, home: u32, key: &[u64; W]) -> Option<NonZeroU32> {
        for step in 1..PROBE_MAX {
            let bucket = self.bucket(index(home) + step);
            let found = bucket.get(key);
            if found.is_some() || !bucket.has_spilled() {
                return found;
            }
        }
        None
    }

    /// Inserts a key. For the one writer.
    pub(crate) fn insert(&self, key: &[u64; W], value: u32) -> Result<(), InsertError> {
        if self.get(key).is_some() {
            return Err(InsertError::Taken);
        }
        let home = index(self.home(key));
        for step in 0..PROBE_MAX {
            let bucket = self.bucket(home + step);
            let Some((words, value_of_slot)) = bucket.free_slot().and_then(|free| {
                let free = index(free);
                bucket.keys.get(free).zip(bucket.values.get(free))
            }) else {
                continue;
            };
            for (word, key) in words.iter().zip(key) {
                word.store(*key, Relaxed);
            }
            value_of_slot.store(value, Release);
            for passed in 0..step {
                self.bucket(home + passed).state.fetch_add(1, Release);
            }
            return Ok(());
        }
        Err(InsertError::Full)
    }

    /// Gives a key that is there another value. The value before; 0 when it is not there. For the
    /// one writer.
    pub(crate) fn replace(&self, key: &[u64; W], value: u32) -> u32 {
        let home = index(self.home(key));
        for step in 0..PROBE_MAX {
            let bucket = self.bucket(home + step);
            let slot = bucket.slot_of(key);
            if let Some(there) = slot.and_then(|slot| bucket.values.get(index(slot))) {
                // One writer: a load and a store, no locked instruction.
                let was = there.load(Relaxed);
                there.store(value, Release);
                return was;
            }
            if !bucket.has_spilled() {
                break;
            }
        }
        EMPTY
    }

    /// Removes a key, and tells its value; its slot is to be given to [`free`](Self::free) after a grace period. For the
    /// one writer.
    pub(crate) fn remove(&self, key: &[u64; W]) -> Option<(Freed, u32)> {
        let home = index(self.home(key));
        for step in 0..PROBE_MAX {
            let at = (home + step) & (self.buckets.len() - 1);
            let bucket = self.bucket(at);
            if let Some(slot) = bucket.slot_of(key) {
                // Rests before it is empty: it is never to be seen as free.
                bucket.state.fetch_or(1 << (SPILLED_BITS + slot), Release);
                let mut was = EMPTY;
                if let Some(value) = bucket.values.get(index(slot)) {
                    was = value.load(Relaxed);
                    value.store(EMPTY, Release);
                }
                for passed in 0..step {
                    self.bucket(home + passed).state.fetch_sub(1, Release);
                }
                let freed = Freed { bucket: at, slot };
                return Some((freed, was));
            }
            if !bucket.has_spilled() {
                return None;
            }
        }
        None
    }

    /// Makes a removed slot usable again, once no reader can still be looking at it.
    pub(crate) fn free(&self, freed: Freed) {
        let resting = 1 << (SPILLED_BITS + freed.slot);
        self.bucket(freed.bucket).state.fetch_and(!resting, Release);
    }

    #[allow(clippy::indexing_slicing, reason = "the index is masked by the length")]
    fn bucket(&self, index: usize) -> &Bucket<W, S> {
        &self.buckets[index & (self.buckets.len() - 1)]
    }
}

impl<const W: usize, const S: usize> std::fmt::Debug for Table<W, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("buckets", &self.buckets.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_map_through_insertions_and_removals() {
        let table = Table::<1, 5>::new(2000, 7);
        let mut model = BTreeMap::new();
        let mut state = 1_u64;
        for round in 0..20_000_u32 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let key = (state >> 33) % 3000;
            if state & (1 << 20) == 0 && model.len() < 2000 {
                let inserted = table.insert(&[key], round + 1);
                assert_eq!(inserted.is_ok(), !model.contains_key(&key));
                if inserted.is_err() {
                    assert_eq!(table.replace(&[key], round + 1), model[&key]);
                }
                model.insert(key, round + 1);
            } else {
                let freed = table.remove(&[key]);
                let was = freed.map(|(_, value)| value);
                assert_eq!(was, model.remove(&key));
                if let Some((freed, _)) = freed {
                    table.free(freed);
                }
            }
        }
        for key in 0..3000 {
            assert_eq!(
                table.get(&[key]).map(NonZeroU32::get),
                model.get(&key).copied()
            );
        }
    }

    #[test]
    fn holds_what_it_was_sized_for() {
        for capacity in [1, 100, 10_000, 100_000] {
            let one = Table::<1, 5>::new(capacity, 3);
            let three = Table::<3, 2>::new(capacity, 3);
            for key in 0..u64::try_from(capacity).unwrap() {
                one.insert(&[key << 7], 1).unwrap();
                three.insert(&[key, 9, 2], 1).unwrap();
            }
        }
    }

    #[test]
    fn a_removed_slot_waits_for_its_grace_period() {
        let table = Table::<1, 5>::new(1, 0);
        table.insert(&[1], 1).unwrap();
        let (freed, _) = table.remove(&[1]).unwrap();
        assert_eq!(table.get(&[1]), None);
        table.insert(&[2], 2).unwrap();
        table.free(freed);
        assert_eq!(
            (table.get(&[1]), table.get(&[2])),
            (None, NonZeroU32::new(2))
        );
    }
}
