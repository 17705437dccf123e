//! What one core does of N4: octets in, octets out, without sockets.
//!
//! `cargo bench -p upf-cp --bench node` prints the best time of each procedure over some rounds;
//! `-- rounds=1 only=modify` is for callgrind with `--toggle-collect='node::measured*'`.
//! `-- drop=200000` ends an association with so many sessions instead, slice by slice.
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
use support::{UPF, World, association, encode, ip, smf, topology};
use upf_cp::{Input, NodeConfig, Output};

const SESSIONS: u32 = 10_000;

/// A node that lets one SMF do as it pleases, with as many sessions.
fn world(sessions: u32) -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    config.limits.messages_per_second = u32::MAX;
    config.limits.sessions = sessions;
    let mut topology = topology();
    topology.networks[0].ue_pools = vec!["10.0.0.0/8".parse().unwrap()];
    let mut world = World::seeded(config, topology, 1, sessions);
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

/// Gives the node all requests, while workers keep up; what it answers is kept, so that freeing it is
/// not measured.
#[inline(never)]
fn measured(world: &mut World, inputs: Vec<Input>, outputs: &mut Vec<Vec<Output>>) -> Duration {
    let started = Instant::now();
    for input in inputs {
        for reader in &mut world.readers {
            reader.snapshot();
        }
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

fn establish(n: u32) -> Vec<u8> {
    encode(Some(0), n + 100, &establishment(n))
}

/// What is called for each slice while an association ends.
#[inline(never)]
fn slice(world: &mut World, input: Input) -> (Duration, usize) {
    let started = Instant::now();
    let outputs = black_box(world.node.handle(world.now, input));
    let count = outputs.len();
    world.node.recycle(outputs);
    (started.elapsed(), count)
}

/// Ends an association with so many sessions, by slices, while workers pass every `lag` of them:
/// how long that takes, and the longest call.
fn drop_association(sessions: u32, lag: u32) {
    let mut world = world(sessions);
    for octets in (0..sessions).map(establish) {
        black_box(world.octets(smf(), &octets));
    }
    assert_eq!(world.node.session_count(), sessions as usize);
    let release = encode(
        None,
        1,
        &pfcp::AssociationReleaseRequest {
            node_id: association().node_id,
            ..Default::default()
        },
    );
    let mut inputs = datagrams(std::iter::once(release));
    let (mut total, mut longest, mut slices, mut outputs) = (Duration::ZERO, Duration::ZERO, 0, 0);
    let mut times = Vec::new();
    while world.node.session_count() > 0 || slices < 2 {
        let input = inputs.pop().unwrap_or(Input::Tick);
        if slices % lag == 0 {
            for reader in &mut world.readers {
                reader.snapshot();
            }
        }
        let (time, count) = slice(&mut world, input);
        times.push(time);
        total += time;
        longest = longest.max(time);
        slices += 1;
        outputs += count;
    }
    times.sort_unstable();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "drop of {sessions}, workers pass every {lag}: {:.2} µs a session, {slices} calls, p50 {:.0} µs, longest {:.0} µs, {outputs} outputs",
        us(total) / f64::from(sessions),
        us(times[times.len() / 2]),
        us(longest),
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |key: &str| {
        let mut values = arguments.iter().filter_map(|given| given.strip_prefix(key));
        values.next().map(str::to_owned)
    };
    if let Some(sessions) = value("drop=") {
        let sessions = sessions.parse().unwrap();
        for lag in [1, 64, u32::MAX] {
            drop_association(sessions, lag);
        }
        return;
    }
    let rounds: u32 = value("rounds=").map_or(7, |rounds| rounds.parse().unwrap());
    let only = value("only=");
    let mut best = [
        ("establish", Duration::MAX),
        ("modify", Duration::MAX),
        ("delete", Duration::MAX),
    ];
    for _ in 0..rounds {
        let mut world = world(SESSIONS);
        let mut seids: Vec<u64> = Vec::new();
        for (name, best) in &mut best {
            let inputs = match *name {
                "establish" => datagrams((0..SESSIONS).map(establish)),
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
