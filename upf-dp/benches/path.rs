//! Cycles per packet of the whole path, without port I/O: QER with a rate, URR, one PDR each way.
//!
//! `cargo bench -p upf-dp --bench path [-- SESSIONS… rounds=N]`. Packets are DPDK's own buffers,
//! filled outside the measured time; every burst has other sessions, at random. Printed
//! are the best and the middle of many rounds, beside a loop of fixed work that shows whether the
//! machine was quiet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::wildcard_imports,
    missing_docs,
    reason = "a benchmark prints"
)]

use std::sync::Arc;

use dpdk::{Burst, Eal, EalConfig, Mbuf, Pool, PoolConfig};
use session::meter::Now;
use session::neighbour::Neighbours;
use session::plan::Installed;
use session::report::queues;
use session::rule::{OuterHeaderCreation, UeAddress};
use session::{Context, Sizes, Tables, Teid, WorkerId};
use upf_dp::testbed::*;
use upf_dp::{
    BURST, HeldLimits, Links, Meta, Metas, Outlet, Path, PathConfig, PortLink, SlowConfig, Turn,
    WorkerCells,
};

/// What packets touch lies on huge pages where the system has them.
#[global_allocator]
static HEAP: dpdk::Heap = dpdk::Heap::new();

/// Bursts that are measured, unless `rounds=N` says otherwise.
const ROUNDS: usize = 4000;

/// Takes what is sent, as a port's queue does.
struct Sink(Burst<BURST>);

impl Outlet<Mbuf> for Sink {
    #[inline]
    fn send(&mut self, _: u16, packet: Mbuf) {
        drop(self.0.push(packet));
    }
    fn hand_over(&mut self, _: WorkerId, _: u16, packet: Mbuf) -> Result<(), Mbuf> {
        Err(packet)
    }
    fn buffer(&mut self) -> Option<Mbuf> {
        None
    }
    fn flush(&mut self) {}
}

/// A loop of fixed work: multiplications that wait for each other.
fn calibration() -> u64 {
    let start = dpdk::cycles();
    let mut value = std::hint::black_box(3_u64);
    for _ in 0..10_000 {
        value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 1;
    }
    std::hint::black_box(value);
    dpdk::cycles() - start
}

fn main() {
    let wanted: Vec<u32> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    let wanted = if wanted.is_empty() {
        vec![1, 1000, 10_000, 100_000]
    } else {
        wanted
    };
    let calm: u64 = (0..200).map(|_| calibration()).min().unwrap();
    println!("calibration: {calm} cycles for 10 000 dependent multiplications");
    let eal = Eal::start(EalConfig {
        telemetry: false,
        ..EalConfig::default()
    })
    .unwrap();
    let pool = Pool::create(eal, &PoolConfig::named("packets")).unwrap();
    let _lcore = dpdk::Lcore::register(eal).unwrap();
    let rounds = std::env::args().find_map(|text| text.strip_prefix("rounds=")?.parse().ok());
    for sessions in wanted {
        measure(pool, sessions, rounds.unwrap_or(ROUNDS));
    }
}

fn measure(pool: &Pool, sessions: u32, count: usize) {
    let (mut publisher, mut readers) = Tables::create(Sizes {
        sessions,
        tunnels: sessions + 8,
        workers: 1,
        seed: 7,
    });
    let neighbours = Arc::new(Neighbours::default());
    let link = |mac| PortLink {
        mac,
        kernel_mac: None,
        mtu: 1600,
    };
    let ports = [link(MAC_N3), link(MAC_N6)];
    let links = Arc::new(Links::new(
        &topology(),
        &ports,
        &[N4_ADDRESS.into()],
        &neighbours,
    ));
    let hop = |interface, address| session::neighbour::NextHop { interface, address };
    let gnb = neighbours.id(hop(N3, GNB.into())).unwrap();
    neighbours.learn(hop(N3, GNB.into()), MAC_GNB);
    neighbours.learn(hop(N6, "10.0.6.254".parse().unwrap()), MAC_GATEWAY);
    let ue = |number: u32| std::net::Ipv4Addr::from_bits(0x0a00_0002 + (1 << 22) + number);
    let teids: Vec<Teid> = (0..sessions)
        .map(|number| {
            let (session, owner) = publisher.reserve().unwrap();
            let teid = publisher.choose_teid(owner).unwrap();
            let tunnel = OuterHeaderCreation {
                teid: Teid(number),
                peer: GNB.into(),
                interface: N3,
                source: N3_ADDRESS.into(),
                next_hop: Some(gnb),
            };
            let ue = UeAddress {
                ipv4: Some(ue(number)),
                ipv6: None,
            };
            let rules = usual_rules(teid, ue, tunnel);
            let context = Context {
                session,
                owner,
                hz: HZ,
                burst_ms: 100,
                buffer_packets: 8,
            };
            let compiled = Installed::default()
                .compile(rules, &context, |_| true)
                .unwrap();
            publisher
                .publish(session, compiled.plan, &compiled.add, &[])
                .unwrap();
            // What only the control side keeps is not part of what is measured.
            drop(compiled.installed);
            teid
        })
        .collect();
    let config = PathConfig {
        worker: WorkerId(0),
        workers: 1,
        hz: HZ,
        held: HeldLimits {
            packets: 64,
            expiry_cycles: HZ,
        },
        slow: SlowConfig::default(),
    };
    let cells = Arc::new(WorkerCells::new(2));
    let mut path = Path::<Mbuf>::new(&config, links, neighbours, Arc::clone(&cells));
    let (mut end, _control) = queues(64);
    let mut reader = readers.pop().unwrap();
    for uplink_way in [true, false] {
        let mut random = 1_u64;
        let mut any_session = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((random >> 33) % u64::from(sessions)) as u32
        };
        // 64 octets of user packet.
        let mut frame = if uplink_way {
            uplink(Teid(0), &user_v4(ue(0), HOST, 36))
        } else {
            downlink(&user_v4(HOST, ue(0), 36))
        };
        let port = u16::from(!uplink_way);
        let mut rounds = Vec::new();
        for _ in 0..count {
            let mut batch = Burst::<BURST>::new();
            assert!(pool.fill(&mut batch, BURST), "the pool is empty");
            for packet in &mut *batch {
                let number = any_session();
                let address = ue(number).octets();
                if uplink_way {
                    frame[46..50].copy_from_slice(&teids[number as usize].0.to_be_bytes());
                    frame[70..74].copy_from_slice(&address);
                } else {
                    frame[30..34].copy_from_slice(&address);
                    set_ipv4_checksum(&mut frame[14..34]);
                }
                assert!(packet.extend_from_slice(&frame), "a buffer holds a frame");
            }
            let mut out = Sink(Burst::new());
            let start = dpdk::cycles();
            let mut metas = Metas::new();
            for _ in 0..BURST {
                metas.push(Meta::received(port));
            }
            // A meter's time in nanoseconds is as good as any.
            let now = Now(start);
            let mut turn = Turn {
                view: reader.snapshot(),
                now,
                out: &mut out,
                end: &mut end,
            };
            path.run(&mut batch, &mut metas, &mut turn);
            rounds.push(dpdk::cycles() - start);
            assert_eq!(out.0.len(), BURST, "not all were forwarded");
        }
        rounds.sort_unstable();
        let per_packet = |cycles: u64| cycles as f64 / BURST as f64;
        println!(
            "{:>8} sessions, {}: {:>6.1} cycles per packet at best, {:>6.1} in the middle, {:>6.1} at the 90th percentile",
            sessions,
            if uplink_way { "uplink  " } else { "downlink" },
            per_packet(rounds[0]),
            per_packet(rounds[count / 2]),
            per_packet(rounds[count * 9 / 10]),
        );
    }
}
