//! What one core does of N4: octets in, octets out, without sockets.
//!
//! `cargo bench -p upf-cp --bench node` prints the best time of each procedure over some rounds;
//! `-- rounds=1 only=modify` is for callgrind with `--toggle-collect='node::measured*'`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use support::load::{deletion, establishment, tunnel};
use support::{UPF, World, encode, ip, smf, topology};
use upf_cp::{Input, NodeConfig, Output};

const SESSIONS: u32 = 10_000;

/// A node that lets one SMF do as it pleases.
fn world() -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    config.limits.messages_per_second = u32::MAX;
    config.limits.sessions = SESSIONS;
    let mut world = World::seeded(config, topology(), 1, SESSIONS);
    world.associate();
    world
}

fn datagrams(octets: impl Iterator<Item = Vec<u8>>) -> Vec<Input> {
    let datagram = |octets| Input::Datagram {
        from: smf(),
        octets,
    };
    octets.map(datagram).collect()
}

/// Gives the node all requests; what it answers is kept, so that freeing it is not measured.
#[inline(never)]
fn measured(world: &mut World, inputs: Vec<Input>, outputs: &mut Vec<Vec<Output>>) -> Duration {
    let started = Instant::now();
    for input in inputs {
        outputs.push(black_box(world.node.handle(world.now, input)));
    }
    started.elapsed()
}

/// The same, not to be collected.
#[inline(never)]
fn prepared(world: &mut World, inputs: Vec<Input>, outputs: &mut Vec<Vec<Output>>) -> Duration {
    for input in inputs {
        outputs.push(world.node.handle(world.now, input));
    }
    Duration::ZERO
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |key: &str| {
        let mut values = arguments.iter().filter_map(|given| given.strip_prefix(key));
        values.next().map(str::to_owned)
    };
    let rounds: u32 = value("rounds=").map_or(7, |rounds| rounds.parse().unwrap());
    let only = value("only=");
    let mut best = [
        ("establish", Duration::MAX),
        ("modify", Duration::MAX),
        ("delete", Duration::MAX),
    ];
    for _ in 0..rounds {
        let mut world = world();
        let mut seids: Vec<u64> = Vec::new();
        for (name, best) in &mut best {
            let inputs = match *name {
                "establish" => {
                    datagrams((0..SESSIONS).map(|n| encode(Some(0), n + 100, &establishment(n))))
                }
                "modify" => datagrams((0..).zip(&seids).map(|(n, seid)| tunnel(n, *seid, 0))),
                _ => datagrams((0..).zip(&seids).map(|(n, seid)| deletion(n, *seid))),
            };
            let mut outputs = Vec::with_capacity(inputs.len());
            let time = if only.as_deref().is_none_or(|only| only == *name) {
                measured(&mut world, inputs, &mut outputs)
            } else {
                prepared(&mut world, inputs, &mut outputs)
            };
            *best = time.min(*best);
            if *name == "establish" {
                assert_eq!(world.node.session_count(), SESSIONS as usize);
                seids = world
                    .node
                    .sessions()
                    .map(|(_, rules)| rules.seid.0)
                    .collect();
            }
        }
        assert_eq!(world.node.session_count(), 0);
    }
    for (name, time) in best {
        let us = time.as_secs_f64() * 1e6 / f64::from(SESSIONS);
        println!("{name:<10} {us:.2} µs, {:.0} a second", 1e6 / us);
    }
}
