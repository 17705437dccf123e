//! Cycles per packet of the whole path, without port I/O: QER with a rate, URR, one PDR each way.
//!
//! `cargo bench -p upf-dp --bench path [-- SESSIONS…]`. Packets live in plain memory and are put
//! back as they were outside the measured time; every burst has other sessions, at random. Printed
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
    missing_docs,
    reason = "a benchmark prints"
)]

use std::sync::Arc;

use arrayvec::ArrayVec;
use session::meter::Now;
use session::neighbour::Neighbours;
use session::plan::Installed;
use session::report::queues;
use session::rule::{OuterHeaderCreation, UeAddress};
use session::{Context, Sizes, Tables, Teid, WorkerId};
use upf_dp::testbed::*;
use upf_dp::{
    BURST, HeldLimits, Links, Meta, Metas, Outlet, Packet, Path, PathConfig, PortLink, Rates, Turn,
    WorkerCells,
};

const ROUNDS: usize = 4000;
/// Bursts whose packets lie ready: more than the caches of small levels hold.
const BURSTS: usize = 64;
const FRAME: usize = 256;
const HEADROOM: usize = 128;

/// A packet as DPDK has it: one flat buffer, an offset, a length.
#[derive(Debug)]
struct Flat {
    buffer: Box<[u8; FRAME + HEADROOM]>,
    start: u16,
    end: u16,
}

impl Flat {
    fn put(&mut self, frame: &[u8]) {
        self.start = HEADROOM as u16;
        self.end = (HEADROOM + frame.len()) as u16;
        self.buffer[HEADROOM..HEADROOM + frame.len()].copy_from_slice(frame);
    }
}

impl Packet for Flat {
    #[inline]
    fn data(&self) -> &[u8] {
        self.buffer.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
    #[inline]
    fn prepend(&mut self, octets: usize) -> bool {
        let start = self.start.checked_sub(octets as u16);
        self.start = start.unwrap_or(self.start);
        start.is_some()
    }
    fn append(&mut self, _: usize) -> bool {
        false
    }
    #[inline]
    fn trim_front(&mut self, octets: usize) -> bool {
        let fits = octets <= usize::from(self.end - self.start);
        self.start += if fits { octets as u16 } else { 0 };
        fits
    }
    #[inline]
    fn trim_back(&mut self, octets: usize) -> bool {
        let fits = octets <= usize::from(self.end - self.start);
        self.end -= if fits { octets as u16 } else { 0 };
        fits
    }
}

/// Takes what is sent, as a port's queue does.
struct Sink(ArrayVec<Flat, BURST>);

impl Outlet<Flat> for Sink {
    #[inline]
    fn send(&mut self, _: u16, packet: Flat) {
        let _ = self.0.try_push(packet);
    }
    fn hand_over(&mut self, _: WorkerId, _: u16, packet: Flat) -> Result<(), Flat> {
        Err(packet)
    }
    fn buffer(&mut self) -> Option<Flat> {
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
    let wanted: Vec<u32> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let wanted = if wanted.is_empty() { vec![1, 1000, 10_000, 100_000] } else { wanted };
    let calm: u64 = (0..200).map(|_| calibration()).min().unwrap();
    println!("calibration: {calm} cycles for 10 000 dependent multiplications");
    for sessions in wanted {
        measure(sessions);
    }
}

fn measure(sessions: u32) {
    let (mut publisher, mut readers) =
        Tables::create(Sizes { sessions, tunnels: sessions + 8, workers: 1, seed: 7 });
    let neighbours = Arc::new(Neighbours::default());
    let link = |mac| PortLink { mac, kernel_mac: None, mtu: 1600 };
    let ports = [link(MAC_N3), link(MAC_N6)];
    let links = Arc::new(Links::new(&topology(), &ports, &[N4_ADDRESS.into()], &neighbours));
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
            let ue = UeAddress { ipv4: Some(ue(number)), ipv6: None };
            let rules = usual_rules(teid, ue, tunnel);
            let context =
                Context { session, owner, hz: HZ, burst_ms: 100, buffer_packets: 8 };
            let compiled = Installed::default().compile(rules, &context, |_| true).unwrap();
            publisher.publish(session, compiled.plan, &compiled.add, &[]).unwrap();
            // What only the control side keeps is not part of what is measured.
            drop(compiled.installed);
            teid
        })
        .collect();
    let config = PathConfig {
        worker: WorkerId(0),
        workers: 1,
        hz: HZ,
        held: HeldLimits { packets: 64, expiry_cycles: HZ },
        rates: Rates::default(),
    };
    let cells = Arc::new(WorkerCells::new(2));
    let mut path = Path::<Flat>::new(&config, links, neighbours, Arc::clone(&cells));
    let (mut end, _control) = queues(64);
    let mut reader = readers.pop().unwrap();
    for uplink_way in [true, false] {
        let mut random = 1_u64;
        let mut frames = || -> Vec<Vec<u8>> {
            (0..BURST)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let number = ((random >> 33) % u64::from(sessions)) as u32;
                    // 64 octets of user packet.
                    if uplink_way {
                        uplink(teids[number as usize], &user_v4(ue(number), HOST, 36))
                    } else {
                        downlink(&user_v4(HOST, ue(number), 36))
                    }
                })
                .collect()
        };
        let port = u16::from(!uplink_way);
        let bursts = BURSTS.max(sessions as usize / BURST).min(4096);
        let all: Vec<Vec<Vec<u8>>> = (0..bursts).map(|_| frames()).collect();
        let mut spare: Vec<Vec<Flat>> = (0..BURSTS)
            .map(|_| {
                (0..BURST)
                    .map(|_| Flat { buffer: Box::new([0; FRAME + HEADROOM]), start: 0, end: 0 })
                    .collect()
            })
            .collect();
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let packets = &mut spare[round % BURSTS];
            let mut batch = ArrayVec::<Flat, BURST>::new();
            for (mut packet, frame) in packets.drain(..).zip(&all[round % bursts]) {
                packet.put(frame);
                batch.push(packet);
            }
            let mut out = Sink(ArrayVec::new());
            let start = dpdk::cycles();
            let mut metas = Metas::new();
            for _ in 0..BURST {
                metas.push(Meta::received(port));
            }
            // A meter's time in nanoseconds is as good as any.
            let now = Now(start);
            let mut turn = Turn { view: reader.snapshot(), now, out: &mut out, end: &mut end };
            path.run(&mut batch, &mut metas, &mut turn);
            rounds.push(dpdk::cycles() - start);
            let Sink(sent) = out;
            assert_eq!(sent.len(), BURST, "not all were forwarded");
            packets.extend(sent);
        }
        rounds.sort_unstable();
        let per_packet = |cycles: u64| cycles as f64 / BURST as f64;
        println!(
            "{:>8} sessions, {}: {:>6.1} cycles per packet at best, {:>6.1} in the middle, {:>6.1} at the 90th percentile",
            sessions,
            if uplink_way { "uplink  " } else { "downlink" },
            per_packet(rounds[0]),
            per_packet(rounds[ROUNDS / 2]),
            per_packet(rounds[ROUNDS * 9 / 10]),
        );
    }
}
