//! Which addresses of some ranges are free: memory grows with what is in use, not with the ranges.

use std::collections::{BTreeMap, VecDeque};

/// How many runs rest after they were released. Beyond, those that have rested longest are as good
/// as new.
const RESTING_MAX: usize = 65_536;

/// How many runs that are not free are stepped over in the search for a run of several units: in
/// between may be room for one unit, but not for all.
const STEPS_MAX: usize = 4_096;

/// Consecutive units: IPv4 addresses, or IPv6 /64 prefixes by their first 64 bits. Runs are
/// prefixes: one of 2ⁿ units begins at a multiple of that, and two of them are nested or disjoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Run {
    /// The run of 2^`bits` units in which `unit` is; all there are from 64 bits on.
    pub(crate) fn around(unit: u64, bits: u32) -> Self {
        let mask = 1_u64.checked_shl(bits).map_or(u64::MAX, |size| size - 1);
        Self {
            first: unit & !mask,
            last: unit | mask,
        }
    }

    const fn is_wide(self) -> bool {
        self.first != self.last
    }

    /// What two runs share: the inner of them, if they are nested.
    pub(crate) fn shared(self, other: Self) -> Option<Self> {
        let first = self.first.max(other.first);
        let last = self.last.min(other.last);
        (first <= last).then_some(Self { first, last })
    }
}

/// The units of some ranges. A unit that was released is given away again only when all others
/// have been: whoever still sends to its last UE does not reach the next one soon.
#[derive(Debug)]
pub(crate) struct Space {
    ranges: Vec<Run>,
    /// What cannot be given away now: outside of the ranges, held, or resting. By the first unit,
    /// to the last; no two of them touch.
    blocked: BTreeMap<u64, u64>,
    /// What is held, by how many.
    held: BTreeMap<Run, u32>,
    /// How many runs of `held` are of several units.
    wide: usize,
    /// What was released, in that order.
    resting: VecDeque<Run>,
    resting_max: usize,
    /// From where free units are searched.
    cursor: u64,
}

impl Space {
    /// The units of these ranges.
    pub(crate) fn new(ranges: Vec<Run>) -> Self {
        Self::with_rest(ranges, RESTING_MAX)
    }

    fn with_rest(ranges: Vec<Run>, resting_max: usize) -> Self {
        let mut space = Self {
            blocked: BTreeMap::from([(0, u64::MAX)]),
            held: BTreeMap::new(),
            wide: 0,
            resting: VecDeque::new(),
            resting_max,
            cursor: ranges.iter().map(|range| range.first).min().unwrap_or(0),
            ranges,
        };
        for at in 0..space.ranges.len() {
            if let Some(range) = space.ranges.get(at).copied() {
                space.unblock(range);
            }
        }
        space
    }

    /// Whether some range is as large as 2^`bits` units.
    pub(crate) fn fits(&self, bits: u32) -> bool {
        let fits = |range: &Run| {
            Run::around(range.first, bits)
                .shared(*range)
                .is_some_and(|shared| shared == Run::around(range.first, bits))
        };
        self.ranges.iter().any(fits)
    }

    /// Whether it has any units at all.
    pub(crate) const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// 2^`bits` units that nobody holds, held by the caller from now on.
    pub(crate) fn take(&mut self, bits: u32) -> Option<Run> {
        let mut found = self.find(bits);
        while found.is_none() {
            let oldest = self.resting.pop_front()?;
            self.wake(oldest);
            if bits > 0 {
                // Its room may be needed together with that of others.
                while let Some(next) = self.resting.pop_front() {
                    self.wake(next);
                }
            }
            found = self.find(bits);
        }
        let run = found?;
        self.cursor = run.last.wrapping_add(1);
        self.hold(run);
        Some(run)
    }

    /// Holds what is in the ranges of a run, however many others do.
    pub(crate) fn hold(&mut self, run: Run) {
        for at in 0..self.ranges.len() {
            let range = self.ranges.get(at).copied();
            if let Some(part) = range.and_then(|range| range.shared(run)) {
                let users = self.held.entry(part).or_default();
                *users += 1;
                self.wide += usize::from(*users == 1 && part.is_wide());
                self.block(part);
            }
        }
    }

    /// Undoes one [`take`](Self::take) or [`hold`](Self::hold) of the run.
    pub(crate) fn release(&mut self, run: Run) {
        for at in 0..self.ranges.len() {
            let range = self.ranges.get(at).copied();
            if let Some(part) = range.and_then(|range| range.shared(run)) {
                self.release_part(part);
            }
        }
    }

    fn release_part(&mut self, part: Run) {
        let Some(users) = self.held.get_mut(&part) else {
            return;
        };
        *users -= 1;
        if *users > 0 {
            return;
        }
        self.held.remove(&part);
        self.wide -= usize::from(part.is_wide());
        self.resting.push_back(part);
        if self.resting.len() > self.resting_max
            && let Some(oldest) = self.resting.pop_front()
        {
            self.wake(oldest);
        }
    }

    /// How many runs are held.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Frees what of a run that rested nobody holds again.
    fn wake(&mut self, run: Run) {
        if self.is_inside_held(run) {
            return;
        }
        let from = Run::around(run.first, 0);
        let inner = self.held.range(from..).map(|(inner, _)| *inner);
        let inner: Vec<Run> = inner.take_while(|inner| inner.first <= run.last).collect();
        self.unblock(run);
        for inner in inner {
            self.block(inner);
        }
    }

    /// Whether a run that is held contains it.
    fn is_inside_held(&self, run: Run) -> bool {
        self.held.contains_key(&run)
            || self.wide > 0
                && (1..=64).any(|bits| {
                    let outer = Run::around(run.first, bits);
                    let contains = outer.first <= run.first && run.last <= outer.last;
                    contains && self.held.contains_key(&outer)
                })
    }

    /// The next free run after the cursor.
    fn find(&self, bits: u32) -> Option<Run> {
        let next = |from: u64| {
            let run = Run::around(from, bits);
            if run.first == from {
                Some(run)
            } else {
                Some(Run::around(run.last.checked_add(1)?, bits))
            }
        };
        let mut run = next(self.cursor);
        let mut wrapped = false;
        for _ in 0..STEPS_MAX {
            let Some(there) = run else {
                if wrapped {
                    return None;
                }
                wrapped = true;
                run = next(0);
                continue;
            };
            if wrapped && there.first > self.cursor {
                return None;
            }
            let below = self.blocked.range(..=there.last).next_back();
            match below.filter(|(_, last)| **last >= there.first) {
                None => return Some(there),
                Some((_, last)) => run = last.checked_add(1).and_then(next),
            }
        }
        None
    }

    /// Joins a run and those that it touches.
    fn block(&mut self, run: Run) {
        let Run {
            mut first,
            mut last,
        } = run;
        let reach = last.saturating_add(1);
        while let Some((&from, &to)) = self.blocked.range(..=reach).next_back()
            && to.saturating_add(1) >= first
        {
            self.blocked.remove(&from);
            first = first.min(from);
            last = last.max(to);
        }
        self.blocked.insert(first, last);
    }

    fn unblock(&mut self, run: Run) {
        while let Some((&from, &to)) = self.blocked.range(..=run.last).next_back()
            && to >= run.first
        {
            self.blocked.remove(&from);
            if to > run.last {
                self.blocked.insert(run.last + 1, to);
            }
            if from < run.first {
                self.blocked.insert(from, run.first - 1);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
