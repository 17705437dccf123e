//! Counting: what was sent, came, came twice, came late, came wrong, or never came.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::mismatch::Mismatch;
use crate::tag::{Direction, Tag};

/// How many packets of one session and direction are told apart, from the first that is missing on.
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
    first_late: Option<Tag>,
    seen: BTreeMap<(Direction, u32), Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// One more than the highest that came.
    next: u64,
    /// All of that many words came, and are not kept any more.
    whole: u64,
    /// A bit for each packet, from there on.
    words: VecDeque<u64>,
}

impl Seen {
    /// Marks a sequence number; whether it was marked before. `None` if it is too far ahead.
    fn mark(&mut self, sequence: u64) -> Option<bool> {
        let Some(ahead) = (sequence / 64).checked_sub(self.whole) else {
            return Some(true);
        };
        if ahead >= SEQUENCES_MAX / 64 {
            return None;
        }
        let at = usize::try_from(ahead).ok()?;
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        let word = self.words.get_mut(at)?;
        let bit = 1 << (sequence % 64);
        let was = *word & bit != 0;
        *word |= bit;
        while self.words.pop_front_if(|word| *word == u64::MAX).is_some() {
            self.whole += 1;
        }
        self.next = self.next.max(sequence + 1);
        Some(was)
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
        let seen = self.seen.entry((tag.direction, tag.session)).or_default();
        let is_late = tag.sequence < seen.next;
        let Some(is_duplicate) = seen.mark(tag.sequence) else {
            return self.wrong(Mismatch::Untagged);
        };
        let counts = self.counts_mut(tag.direction);
        if is_duplicate {
            counts.duplicated += 1;
            return;
        }
        counts.received += 1;
        counts.received_octets += u64::try_from(inner_octets).unwrap_or(u64::MAX);
        counts.reordered += u64::from(is_late);
        if is_late {
            self.first_late.get_or_insert(*tag);
        }
    }

    /// Forgets which packets of a session came: none will come any more. The counts stay.
    pub fn forget(&mut self, session: u32) {
        for direction in [Direction::Uplink, Direction::Downlink] {
            self.seen.remove(&(direction, session));
        }
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

    /// The first packet that came behind a later one of its session.
    pub const fn first_late(&self) -> Option<&Tag> {
        self.first_late.as_ref()
    }

    /// Whether all that was sent came out right, once and in order.
    pub fn is_clean(&self) -> bool {
        self.mismatches.is_empty()
            && [&self.uplink, &self.downlink]
                .into_iter()
                .all(|counts| counts.lost() == 0 && counts.duplicated == 0 && counts.reordered == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Ports;

    fn tag(sequence: u64) -> Tag {
        Tag {
            direction: Direction::Uplink,
            session: 7,
            sequence,
            ports: Ports {
                ue: 40_000,
                server: 9000,
            },
            payload_octets: Tag::OCTETS,
        }
    }

    #[test]
    fn packets_are_told_apart_however_many_came_and_little_is_kept_of_them() {
        let mut tally = Tally::default();
        for sequence in (0..100_000).filter(|sequence| *sequence != 90_000) {
            tally.sent(Direction::Uplink, 52);
            tally.received(&tag(sequence), 52);
        }
        let words = |tally: &Tally| {
            tally
                .seen
                .values()
                .map(|seen| seen.words.len())
                .sum::<usize>()
        };
        // What comes behind the gap.
        assert_eq!(words(&tally), (100_000 - 90_000) / 64 + 1);
        for again in [3, 89_999, 99_999] {
            tally.received(&tag(again), 52);
        }
        tally.sent(Direction::Uplink, 52);
        tally.received(&tag(90_000), 52);
        assert_eq!(tally.first_late().map(|tag| tag.sequence), Some(90_000));
        let counts = *tally.counts(Direction::Uplink);
        assert_eq!((counts.sent, counts.received), (100_000, 100_000));
        assert_eq!(
            (counts.duplicated, counts.reordered, counts.lost()),
            (3, 1, 0)
        );
        assert_eq!(words(&tally), 1);
        tally.forget(7);
        assert_eq!(words(&tally), 0);
        tally.received(&tag(SEQUENCES_MAX), 52);
        assert_eq!(tally.mismatches().len(), 1, "too far ahead");
    }
}
