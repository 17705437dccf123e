//! Which prefix lengths are in use, so that a look-up tries no others.

use std::sync::atomic::{AtomicU64, Ordering};

use Ordering::{Acquire, Relaxed, Release};

/// Bit `length % 64` of word `length / 64` says that a prefix of that length is there.
#[derive(Debug, Default)]
pub(super) struct Lengths([AtomicU64; 3]);

impl Lengths {
    /// Whether there is no prefix at all.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Relaxed) == 0)
    }

    /// Whether there is a longer prefix.
    #[inline]
    pub(super) fn has_longer_than(&self, length: u8) -> bool {
        let (word, bit) = (usize::from(length / 64), length % 64);
        let mut words = self.0.iter().skip(word);
        let above = |word: &AtomicU64| word.load(Acquire) >> bit >> 1 != 0;
        words.next().is_some_and(above) || words.any(|word| word.load(Acquire) != 0)
    }

    /// The lengths in use, longest first.
    #[inline]
    pub(super) fn longest_first(&self) -> impl Iterator<Item = u8> + '_ {
        let words = [128_u8, 64, 0].into_iter().zip(self.0.iter().rev());
        words.flat_map(|(base, word)| {
            let mut bits = word.load(Acquire);
            std::iter::from_fn(move || {
                let bit = bits.checked_ilog2()?;
                bits &= !(1 << bit);
                Some(base + u8::try_from(bit).unwrap_or_default())
            })
        })
    }

    fn set(&self, length: u8, used: bool) {
        if let Some(word) = self.0.get(usize::from(length / 64)) {
            let bit = 1 << (length % 64);
            let bits = word.load(Relaxed);
            word.store(if used { bits | bit } else { bits & !bit }, Release);
        }
    }
}

/// How many prefixes there are of each length: the writer's side of [`Lengths`].
#[derive(Debug)]
pub(super) struct LengthCounts([u32; 129]);

impl Default for LengthCounts {
    fn default() -> Self {
        Self([0; 129])
    }
}

impl LengthCounts {
    /// One prefix of that length more, or one less.
    pub(super) fn count(&mut self, lengths: &Lengths, length: u8, more: bool) {
        let Some(count) = self.0.get_mut(usize::from(length)) else {
            return;
        };
        *count = if more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        lengths.set(length, *count > 0);
    }
}
