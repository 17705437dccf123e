//! What one core does of N4: octets in, octets out, without sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::{UPF, World, activate, encode, ip, open5gs, smf, topology, ue_ip};
use upf_cp::{Input, NodeConfig};

const SESSIONS: u32 = 10_000;

fn world() -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    let mut world = World::seeded(config, topology(), 1, SESSIONS);
    world.associate();
    world
}

fn datagram(octets: Vec<u8>) -> Input {
    Input::Datagram {
        from: smf(),
        octets,
    }
}

/// Establishments as Open5GS sends them, of as many UEs.
fn establishments(count: u32) -> Vec<Input> {
    let request = |n: u32| {
        let mut request = open5gs(1);
        request.cp_f_seid.seid = u64::from(n) + 1;
        let address = std::net::Ipv4Addr::from(0x0a2d_0000 + n);
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(address, true)];
        datagram(encode(Some(0), n + 100, &request))
    };
    (0..count).map(request).collect()
}

fn establish(c: &mut Criterion) {
    let mut group = c.benchmark_group("node");
    group.throughput(criterion::Throughput::Elements(u64::from(SESSIONS)));
    group.sample_size(10);
    let inputs = establishments(SESSIONS);
    group.bench_function("establish", |b| {
        b.iter_batched(
            || (world(), inputs.clone()),
            |(mut world, inputs)| {
                for input in inputs {
                    black_box(world.node.handle(world.now, input));
                }
                assert_eq!(world.node.session_count(), SESSIONS as usize);
                world
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("activate", |b| {
        b.iter_batched(
            || {
                let mut world = world();
                for input in inputs.clone() {
                    world.node.handle(world.now, input);
                }
                let seids: Vec<u64> = world
                    .node
                    .sessions()
                    .map(|(_, rules)| rules.seid.0)
                    .collect();
                let activation = |(n, seid): (u32, &u64)| {
                    datagram(encode(
                        Some(*seid),
                        n + 100_000,
                        &activate(n + 1, "10.10.3.101"),
                    ))
                };
                let inputs: Vec<_> = (0..).zip(&seids).map(activation).collect();
                (world, inputs)
            },
            |(mut world, inputs)| {
                for input in inputs {
                    black_box(world.node.handle(world.now, input));
                }
                world
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, establish);
criterion_main!(benches);
