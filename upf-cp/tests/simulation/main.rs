//! A seeded simulation of N4: SMFs of all flavours, which bundle at times; a network that loses,
//! repeats, overtakes and damages, restarts of either side, workers that tell things and workers
//! that are slow, strangers that guess; against the real node and the real tables, in virtual time.
//!
//! After every datagram the sessions of the node are those that follow from the answers it gave
//! (`truth`, by a second reading of the specification, `model`), and each SMF's picture of its
//! sessions is the truth; every request is answered or dropped once, and carried out at most once.
//! After every step every key leads to its session in each worker's eyes, and no other key
//! anywhere. In the end all is released and nothing is left: no place, no address, no TEID.
//!
//! A failure names the seed and the fewest steps that show it:
//! `cargo xtask sim --seed S --steps N` repeats it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    clippy::too_many_arguments,
    unreachable_pub,
    missing_debug_implementations,
    reason = "tests"
)]

mod changes;
mod model;
mod network;
mod run;
mod smf;
#[path = "../support/mod.rs"]
mod support;
mod truth;

use std::panic::{AssertUnwindSafe, catch_unwind};

use run::{Done, Run};

/// Why a run failed, and after which of its steps.
struct Failure {
    at: usize,
    why: String,
    trace: Vec<String>,
}

impl Failure {
    /// What went wrong, whatever it was about.
    fn kind(&self) -> String {
        let first = self.why.lines().next().unwrap_or_default();
        first
            .chars()
            .filter(|c| c.is_alphabetic() && !c.is_ascii_hexdigit())
            .collect()
    }
}

/// Plays these steps of a seed's run.
fn play(seed: u64, steps: &[u64]) -> Result<Done, Failure> {
    let mut run = Run::new(seed);
    let mut at = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for (place, step) in steps.iter().enumerate() {
            at = place;
            run.step(*step)?;
        }
        at = steps.len();
        run.end()
    }));
    let why = match outcome {
        Ok(Ok(())) => return Ok(run.done),
        Ok(Err(why)) => why,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            format!("panicked: {}", text.unwrap_or_default())
        }
    };
    Err(Failure {
        at,
        why,
        trace: run.trace().cloned().collect(),
    })
}

/// How many runs finding the fewest steps may take.
const TRIES: usize = 60;

/// Leaves out steps for as long as the run still fails.
fn shrink(seed: u64, mut steps: Vec<u64>, mut failure: Failure) -> (Vec<u64>, Failure) {
    steps.truncate(failure.at + 1);
    let mut tries = 0;
    let mut chunk = steps.len() / 2;
    while chunk > 0 && tries < TRIES {
        let mut from = 0;
        while from < steps.len() && tries < TRIES {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + chunk).min(steps.len()));
            tries += 1;
            match play(seed, &fewer) {
                Err(other) if other.kind() == failure.kind() => {
                    fewer.truncate(other.at + 1);
                    (steps, failure) = (fewer, other);
                }
                _ => from += chunk,
            }
        }
        chunk /= 2;
    }
    (steps, failure)
}

fn simulate(seed: u64, steps: u64) -> Done {
    let all: Vec<u64> = (0..steps).collect();
    match play(seed, &all) {
        Ok(done) => done,
        Err(failure) => {
            let length = failure.at + 1;
            let (fewest, failure) = shrink(seed, all, failure);
            let list: Vec<String> = fewest.iter().map(ToString::to_string).collect();
            panic!(
                "{}\n\n{}\n\nseed {seed}, step {length}; to repeat:\n  \
                 cargo xtask sim --seed {seed} --steps {length}\nthe fewest steps that fail:\n  \
                 cargo xtask sim --seed {seed} --only {}\n",
                failure.trace.join("\n"),
                failure.why,
                list.join(","),
            );
        }
    }
}

#[test]
fn whatever_comes_the_node_and_the_tables_are_right() {
    let random = std::collections::hash_map::RandomState::new();
    let random = std::hash::BuildHasher::hash_one(&random, 0);
    for seed in [1, 2, 3, random] {
        let done = simulate(seed, 1_500);
        // Enough happened to mean something.
        assert!(
            done.established > 100 && done.accepted > 300 && done.refused > 30,
            "{done:?}"
        );
        assert!(
            done.duplicates > 10 && done.damaged > 10 && done.bundles > 10 && done.reports > 10,
            "{done:?}"
        );
    }
}

/// One run as asked for by `cargo xtask sim`.
#[test]
#[ignore = "run by `cargo xtask sim`"]
fn as_asked_for() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let seed = number("SIM_SEED").unwrap_or(1);
    if let Ok(only) = std::env::var("SIM_ONLY") {
        let steps: Vec<u64> = only
            .split(',')
            .map(|step| step.trim().parse().unwrap())
            .collect();
        if let Err(failure) = play(seed, &steps) {
            panic!("{}\n\n{}", failure.trace.join("\n"), failure.why);
        }
        return;
    }
    let steps = number("SIM_STEPS").unwrap_or(100_000);
    eprintln!("seed {seed}, {steps} steps: {:?}", simulate(seed, steps));
}
