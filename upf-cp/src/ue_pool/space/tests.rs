use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

fn unit(unit: u64) -> Run {
    Run::around(unit, 0)
}

/// Everything by a look at every unit.
struct Naive {
    units: BTreeMap<u64, Unit>,
    clock: u64,
}

#[derive(Default)]
struct Unit {
    holders: u32,
    /// When it was last released.
    released: u64,
}

impl Naive {
    fn new(ranges: &[Run]) -> Self {
        let units = ranges.iter().flat_map(|range| range.first..=range.last);
        Self {
            units: units.map(|unit| (unit, Unit::default())).collect(),
            clock: 0,
        }
    }

    fn of(&mut self, run: Run) -> impl Iterator<Item = &mut Unit> {
        self.units
            .range_mut(run.first..=run.last)
            .map(|(_, unit)| unit)
    }

    fn hold(&mut self, run: Run) {
        self.of(run).for_each(|unit| unit.holders += 1);
    }

    fn release(&mut self, run: Run) {
        self.clock += 1;
        let clock = self.clock;
        for unit in self.of(run) {
            unit.holders -= 1;
            unit.released = clock;
        }
    }

    fn has_free(&self, bits: u32) -> bool {
        self.units.iter().any(|(first, _)| {
            let run = Run::around(*first, bits);
            let mut all = self.units.range(run.first..=run.last);
            let count = self.units.range(run.first..=run.last).count();
            run.first == *first && count == 1 << bits && all.all(|(_, unit)| unit.holders == 0)
        })
    }
}

/// Single units: never one that is held, always one if there is one, and always one of those that
/// were released longest ago.
#[test]
fn what_was_released_first_is_used_again_first() {
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let ranges = vec![Run::around(64, 4), Run::around(80, 2), Run::around(1000, 3)];
        let mut space = Space::new(ranges.clone());
        let mut naive = Naive::new(&ranges);
        let mut taken: Vec<Run> = vec![];
        for _ in 0..2_000 {
            if random.random_range(0..5) < 3 {
                let free = naive.units.values().filter(|unit| unit.holders == 0);
                let oldest = free.map(|unit| unit.released).min();
                let run = space.take(0);
                assert_eq!(run.is_some(), oldest.is_some(), "seed {seed}");
                if let Some(run) = run {
                    let there = &naive.units[&run.first];
                    assert_eq!(
                        (there.holders, Some(there.released)),
                        (0, oldest),
                        "seed {seed}"
                    );
                    naive.hold(run);
                    taken.push(run);
                }
            } else if !taken.is_empty() {
                let run = taken.swap_remove(random.random_range(0..taken.len()));
                space.release(run);
                naive.release(run);
            }
            assert_eq!(space.held(), taken.len());
        }
    }
}

/// Runs of all widths, and holds of any run by several: nothing that is held is given away, and
/// what is free is found.
#[test]
fn nothing_held_is_given_away() {
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let ranges = vec![Run::around(64, 5), Run::around(128, 3)];
        let rest = random.random_range(0..8);
        let mut space = Space::with_rest(ranges.clone(), rest);
        let mut naive = Naive::new(&ranges);
        let mut taken: Vec<Run> = vec![];
        for _ in 0..2_000 {
            match random.random_range(0..6) {
                0..=1 => {
                    let bits = random.random_range(0..4);
                    let run = space.take(bits);
                    assert_eq!(run.is_some(), naive.has_free(bits), "seed {seed}");
                    if let Some(run) = run {
                        assert!(naive.of(run).all(|unit| unit.holders == 0), "seed {seed}");
                        naive.hold(run);
                        taken.push(run);
                    }
                }
                2 => {
                    let run = Run::around(random.random_range(50..140), random.random_range(0..7));
                    space.hold(run);
                    naive.hold(run);
                    taken.push(run);
                }
                _ if !taken.is_empty() => {
                    let run = taken.swap_remove(random.random_range(0..taken.len()));
                    space.release(run);
                    naive.release(run);
                }
                _ => {}
            }
        }
        for run in taken {
            space.release(run);
        }
        assert_eq!((space.held(), space.wide), (0, 0));
    }
}

#[test]
fn memory_follows_use_and_not_the_range() {
    let all = Run::around(0x2001_0db8 << 32, 32);
    let mut space = Space::with_rest(vec![all], 100);
    let taken: Vec<Run> = (0..1_000).map(|_| space.take(0).unwrap()).collect();
    assert_eq!(space.blocked.len(), 2, "what is taken in a row is one run");
    for run in taken {
        space.release(run);
    }
    assert_eq!((space.resting.len(), space.held.len()), (100, 0));
    assert!(space.blocked.len() < 110);
    assert_eq!(
        space.take(0),
        Some(unit(all.first + 1_000)),
        "on it goes after the last"
    );
    assert!(space.take(32).is_none(), "something of it is held");
    assert!(space.fits(32) && !space.fits(33));
}

#[test]
fn a_range_may_reach_to_either_end() {
    let mut space = Space::new(vec![Run::around(0, 64)]);
    assert_eq!(space.take(0), Some(unit(0)));
    space.hold(unit(u64::MAX));
    space.cursor = u64::MAX;
    assert_eq!(space.take(0), Some(unit(1)));
    assert!(Space::new(vec![]).take(0).is_none());
}
