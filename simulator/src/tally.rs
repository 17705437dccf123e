//! Counting: what was sent, came, came twice, came late, came wrong, or never came.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::mismatch::Mismatch;
use crate::tag::{Direction, Tag};

/// How many packets of one session and direction are told apart.
const SEQUENCES_MAX: u64 = 1 << 26;

/// The counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Packets given to the UPF.
    pub sent: u64,
    /// Octets of inner packets given to the UPF.
    pub sent_octets: u64,
    /// Packets that came out right, each counted once.
    pub received: u64,
    /// Octets of inner packets that came out right.
    pub received_octets: u64,
    /// Packets that came out once more.
    pub duplicated: u64,
    /// Packets that came out behind a later one of their session.
    pub reordered: u64,
}

impl Counts {
    /// Packets that never came out.
    pub const fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }
}

/// The ledger of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    uplink: Counts,
    downlink: Counts,
    mismatches: BTreeMap<&'static str, u64>,
    first_mismatch: Option<Mismatch>,
    seen: BTreeMap<(Direction, u32), Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// One more than the highest that came.
    next: u64,
    bits: Vec<u64>,
}

impl Seen {
    /// Marks a sequence number; whether it was marked before.
    fn mark(&mut self, sequence: u64) -> bool {
        let Ok(word) = usize::try_from(sequence / 64) else {
            return true;
        };
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let Some(bits) = self.bits.get_mut(word) else {
            return true;
        };
        let bit = 1 << (sequence % 64);
        let was = *bits & bit != 0;
        *bits |= bit;
        was
    }
}

impl Tally {
    /// Counts a packet given to the UPF.
    pub fn sent(&mut self, direction: Direction, inner_octets: usize) {
        let counts = self.counts_mut(direction);
        counts.sent += 1;
        counts.sent_octets += u64::try_from(inner_octets).unwrap_or(u64::MAX);
    }

    /// Counts a packet that came out right.
    pub fn received(&mut self, tag: &Tag, inner_octets: usize) {
        if tag.sequence >= SEQUENCES_MAX {
            return self.wrong(Mismatch::Untagged);
        }
        let seen = self.seen.entry((tag.direction, tag.session)).or_default();
        let is_late = tag.sequence < seen.next;
        seen.next = seen.next.max(tag.sequence + 1);
        let is_duplicate = seen.mark(tag.sequence);
        let counts = self.counts_mut(tag.direction);
        if is_duplicate {
            counts.duplicated += 1;
            return;
        }
        counts.received += 1;
        counts.received_octets += u64::try_from(inner_octets).unwrap_or(u64::MAX);
        counts.reordered += u64::from(is_late);
    }

    /// Counts a packet that came out wrong.
    pub fn wrong(&mut self, mismatch: Mismatch) {
        *self.mismatches.entry(mismatch.kind()).or_default() += 1;
        self.first_mismatch.get_or_insert(mismatch);
    }

    /// The counts of a direction.
    pub const fn counts(&self, direction: Direction) -> &Counts {
        match direction {
            Direction::Uplink => &self.uplink,
            Direction::Downlink => &self.downlink,
        }
    }

    fn counts_mut(&mut self, direction: Direction) -> &mut Counts {
        match direction {
            Direction::Uplink => &mut self.uplink,
            Direction::Downlink => &mut self.downlink,
        }
    }

    /// How many packets came out wrong, by the kind of what was wrong.
    pub const fn mismatches(&self) -> &BTreeMap<&'static str, u64> {
        &self.mismatches
    }

    /// The first packet that came out wrong.
    pub const fn first_mismatch(&self) -> Option<&Mismatch> {
        self.first_mismatch.as_ref()
    }

    /// Whether all that was sent came out right, once and in order.
    pub fn is_clean(&self) -> bool {
        self.mismatches.is_empty()
            && [&self.uplink, &self.downlink]
                .into_iter()
                .all(|counts| counts.lost() == 0 && counts.duplicated == 0 && counts.reordered == 0)
    }
}
