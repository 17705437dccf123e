//! Cycles per packet from end to end: a real worker between two DPDK ring ports, with its own
//! counters, polls and sends; beside it what the ports alone cost.
//!
//! `cargo bench -p upf-dp --bench rings [-- SESSIONS… windows=N ms=N search=0 trial=MS]`. The worker is pinned to
//! CPU 1; on CPU 0 a generator plays gNB and gateway: it fills buffers, sends bursts of 64 while few are
//! under way, and takes back and checks every packet. A figure is the worker's busy cycles over
//! the packets it received in a window of 0.2 s, or shorter where others use the machine; time without packets does not count. The floor is
//! a loop on CPU 1 that receives the same bursts and sends them by the other port: as they are, or
//! having read a cache line of each.
//!
//! A window is rejected when bursts were not full, when a loop of fixed work on CPU 0 took 5 %
//! longer than at best, or when the worker waited for CPU 1 for over 1 % of the window.
//!
//! Then, unless `search=0`, the highest rate without loss, and how long packets take at shares of it:
//! see `search.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_imports,
    missing_docs,
    reason = "a benchmark prints"
)]

mod search;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use dpdk::{Burst, Eal, EalConfig, Mbuf, Pool, PoolConfig, Port, PortConfig, Rx, Tx, ring_pair};
use session::neighbour::{Neighbours, NextHop};
use session::plan::Installed;
use session::report::queues;
use session::rule::{OuterHeaderCreation, UeAddress};
use session::{Context, Publisher, Sizes, Tables, Teid};
use upf_dp::testbed::*;
use upf_dp::{BURST, Counters, DataPath, DataPathConfig, HoldConfig, Idle, SlowConfig};

/// Good windows that are wanted, unless `windows=N` says otherwise.
const WINDOWS: usize = 8;
/// Windows that are tried for each good one.
const TRIES: usize = 4;
/// Length of a window in milliseconds, unless `ms=N` says otherwise.
const WINDOW_MS: u64 = 200;
const WARM_UP: Duration = Duration::from_millis(200);
/// Packets under way at most; the rings hold more.
const UNDER_WAY: usize = 4 * BURST;
const RING: u32 = 1024;
/// Octets of a user packet: 64 with its headers.
const PAYLOAD: usize = 36;

/// What the loop on CPU 1 has counted.
#[derive(Clone, Copy, Default)]
struct Counted {
    cycles: u64,
    packets: u64,
    bursts: u64,
}

/// The far ends of both ports.
struct Wires {
    ports: Vec<Port>,
    rx: Vec<Rx>,
    tx: Vec<Tx>,
}

/// What is sent, and what is to come of it.
#[derive(Clone)]
struct Traffic {
    uplink: bool,
    teids: Arc<[Teid]>,
    /// Our Ethernet addresses on N3 and N6.
    macs: [[u8; 6]; 2],
    /// Whether the packets come out as they went in.
    floor: bool,
}

struct Window {
    per_packet: f64,
    per_burst: f64,
    full: bool,
    steady: bool,
    /// Whether the worker had CPU 1 for itself.
    alone: bool,
}

impl Window {
    const fn good(&self) -> bool {
        self.full && self.steady && self.alone
    }
}

/// The result of a generator's run.
struct Run {
    windows: Vec<Window>,
    sent: u64,
    returned: u64,
}

/// Whether rates and times are looked for, too.
fn is_searched() -> bool {
    !std::env::args().any(|text| text == "search=0")
}

/// How long a window is.
fn window() -> Duration {
    let wanted = std::env::args().find_map(|text| text.strip_prefix("ms=")?.parse().ok());
    Duration::from_millis(wanted.unwrap_or(WINDOW_MS))
}

fn ue(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0002 + (1 << 22) + number)
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

/// How long the thread of that name has waited for a CPU, in nanoseconds.
fn waited_ns(thread: &str) -> Option<u64> {
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let task = task.ok()?.path();
        if std::fs::read_to_string(task.join("comm")).ok()?.trim() == thread {
            let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
            return text.split_whitespace().nth(1)?.parse().ok();
        }
    }
    None
}

impl Traffic {
    fn frame(&self) -> Vec<u8> {
        let mut frame = if self.uplink {
            uplink(Teid(0), &user_v4(ue(0), HOST, PAYLOAD))
        } else {
            downlink(&user_v4(HOST, ue(0), PAYLOAD))
        };
        frame[..6].copy_from_slice(&self.macs[usize::from(!self.uplink)]);
        frame
    }

    /// Makes `frame` one of that session.
    fn address(&self, frame: &mut [u8], number: u32) {
        let address = ue(number).octets();
        if self.uplink {
            frame[46..50].copy_from_slice(&self.teids[number as usize].0.to_be_bytes());
            frame[70..74].copy_from_slice(&address);
            set_ipv4_checksum(&mut frame[58..78]);
        } else {
            frame[30..34].copy_from_slice(&address);
            set_ipv4_checksum(&mut frame[14..34]);
        }
    }

    /// Checks that a packet is of that session: its address, and its TEID when it has one.
    fn check(&self, packet: &[u8], number: u32) {
        let address = ue(number).octets();
        if self.floor {
            let at = if self.uplink { 70 } else { 30 };
            assert_eq!(packet[at..at + 4], address);
        } else if self.uplink {
            assert_eq!(packet[26..30], address);
        } else {
            assert_eq!(packet[46..50], number.to_be_bytes());
            assert_eq!(packet[74..78], address);
        }
    }

    /// Checks all of a packet that was forwarded.
    fn check_all(&self, packet: &[u8], number: u32) {
        if self.floor {
            return;
        }
        let (mut user, to, port) = if self.uplink {
            (user_v4(ue(number), HOST, PAYLOAD), MAC_GATEWAY, 1)
        } else {
            (user_v4(HOST, ue(number), PAYLOAD), MAC_GNB, 0)
        };
        user[8] -= 1;
        set_ipv4_checksum(&mut user[..20]);
        assert_eq!(packet[..6], to);
        assert_eq!(packet[6..12], self.macs[port]);
        let inner = if self.uplink { 14 } else { 58 };
        assert_eq!(packet.len(), inner + 28 + PAYLOAD);
        assert_eq!(packet[inner..], user);
        if !self.uplink {
            // Flags, type and length, and the PDU session container with QFI 9.
            assert_eq!(packet[42..46], [0x34, 255, 0, 72]);
            assert_eq!(packet[50..58], [0, 0, 0, 0x85, 1, 0, 9, 0]);
        }
    }
}

/// Sends, takes back, checks.
struct Generator {
    pool: &'static Pool,
    wires: Wires,
    traffic: Traffic,
    frame: Vec<u8>,
    random: u64,
    /// Sessions of the packets under way, in order.
    under_way: VecDeque<u32>,
    ready: Burst<BURST>,
    numbers: [u32; BURST],
    back: Burst<BURST>,
    sent: u64,
    returned: u64,
}

impl Generator {
    fn new(pool: &'static Pool, wires: Wires, traffic: Traffic) -> Self {
        Self {
            pool,
            wires,
            frame: traffic.frame(),
            traffic,
            random: 1,
            under_way: VecDeque::with_capacity(2 * UNDER_WAY),
            ready: Burst::new(),
            numbers: [0; BURST],
            back: Burst::new(),
            sent: 0,
            returned: 0,
        }
    }

    fn prepare(&mut self) {
        assert!(
            self.pool.fill(&mut self.ready, BURST),
            "the pool has run dry"
        );
        for at in 0..BURST {
            self.numbers[at] = self.any_session();
        }
        for (packet, number) in self.ready.iter_mut().zip(self.numbers) {
            self.traffic.address(&mut self.frame, number);
            assert!(packet.extend_from_slice(&self.frame), "a frame fits");
        }
    }

    fn any_session(&mut self) -> u32 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.random >> 33) % self.traffic.teids.len() as u64) as u32
    }

    fn take_back(&mut self) {
        let out = usize::from(self.traffic.uplink);
        // What the UPF asks of its neighbours.
        self.wires.rx[1 - out].receive(&mut self.back);
        self.back.clear();
        self.wires.rx[out].receive(&mut self.back);
        for packet in &*self.back {
            let data = packet.data();
            if data[12..14] != [8, 0] {
                continue;
            }
            let number = self.under_way.pop_front().expect("more came than went");
            self.traffic.check(data, number);
            if self.returned.is_multiple_of(BURST as u64) {
                self.traffic.check_all(data, number);
            }
            self.returned += 1;
        }
        self.back.clear();
    }

    fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.prepare();
            while self.under_way.len() + BURST > UNDER_WAY {
                self.take_back();
                std::hint::spin_loop();
            }
            self.under_way.extend(self.numbers);
            let port = usize::from(!self.traffic.uplink);
            assert_eq!(
                self.wires.tx[port].send(&mut self.ready),
                BURST,
                "the ring is full"
            );
            self.sent += BURST as u64;
            self.take_back();
        }
    }

    fn run(mut self, thread: &str, windows: usize, count: impl Fn() -> Counted) -> (Run, Self) {
        let calm = (0..200).map(|_| calibration()).min().unwrap();
        self.run_for(WARM_UP);
        let mut results = Vec::new();
        while results.len() < TRIES * windows
            && results.iter().filter(|w: &&Window| w.good()).count() < windows
        {
            let window = window();
            let fixed = (0..3).map(|_| calibration()).min().unwrap();
            let (before, waited) = (count(), waited_ns(thread));
            self.run_for(window);
            let (after, waited_then) = (count(), waited_ns(thread));
            let fixed = fixed.max((0..3).map(|_| calibration()).min().unwrap());
            let wait = waited_then.unwrap_or(0) - waited.unwrap_or(0);
            let packets = (after.packets - before.packets) as f64;
            let per_burst = packets / (after.bursts - before.bursts) as f64;
            results.push(Window {
                per_packet: (after.cycles - before.cycles) as f64 / packets,
                per_burst,
                full: per_burst > BURST as f64 - 2.0,
                steady: fixed * 100 <= calm * 105,
                alone: u128::from(wait) * 100 <= window.as_nanos(),
            });
        }
        let end = Instant::now() + Duration::from_secs(1);
        while !self.under_way.is_empty() && Instant::now() < end {
            self.take_back();
        }
        let run = Run {
            windows: results,
            sent: self.sent,
            returned: self.returned,
        };
        (run, self)
    }
}

fn report(what: &str, run: &Run) {
    assert_eq!(run.sent, run.returned, "packets were lost");
    let good: Vec<&Window> = run.windows.iter().filter(|window| window.good()).collect();
    if good.is_empty() {
        let best = run.windows.iter().map(|window| window.per_packet);
        let number = |of: fn(&Window) -> bool| run.windows.iter().filter(|w| of(w)).count();
        println!(
            "{what}: no window of {} was good: full {}, steady {}, alone on its CPU {}; the best of them {:.1}",
            run.windows.len(),
            number(|window| window.full),
            number(|window| window.steady),
            number(|window| window.alone),
            best.fold(f64::INFINITY, f64::min)
        );
        return;
    }
    let mut figures: Vec<f64> = good.iter().map(|window| window.per_packet).collect();
    figures.sort_unstable_by(f64::total_cmp);
    let bursts: f64 = good.iter().map(|window| window.per_burst).sum::<f64>() / good.len() as f64;
    println!(
        "{what}: {:>6.1} cycles per packet at best, {:>6.1} in the middle, {:>6.1} at worst; {} windows of {} good, {bursts:.1} packets a burst, {} packets in and out",
        figures[0],
        figures[figures.len() / 2],
        figures[figures.len() - 1],
        good.len(),
        run.windows.len(),
        run.sent,
    );
}

/// Two pairs of ring ports: ours, not started, and the far ends.
fn open(eal: Eal, pool: &'static Pool, name: &str) -> (Vec<Port>, Wires) {
    let config = PortConfig {
        mtu: Some(1600),
        ..PortConfig::new(pool)
    };
    let mut ours = Vec::new();
    let mut wires = Wires {
        ports: Vec::new(),
        rx: Vec::new(),
        tx: Vec::new(),
    };
    for side in ["3", "6"] {
        let (near, mut far) = ring_pair(eal, &format!("{name}{side}"), RING, &config).unwrap();
        let queues = far.start().unwrap();
        wires.rx.extend(queues.rx);
        wires.tx.extend(queues.tx);
        wires.ports.push(far);
        ours.push(near);
    }
    (ours, wires)
}

/// Publishes that many sessions: a QER with a rate, a URR, one PDR each way.
fn install(
    publisher: &mut Publisher,
    neighbours: &Neighbours,
    sessions: u32,
    hz: u64,
) -> Arc<[Teid]> {
    let hop = NextHop {
        interface: N3,
        address: GNB.into(),
    };
    let gnb = neighbours.id(hop).unwrap();
    let install = |number| {
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
        let context = Context {
            session,
            owner,
            hz,
            burst: session::meter::Burst::of_ms(100),
            buffer_packets: 8,
            ..Context::default()
        };
        let compiled = Installed::default()
            .compile(usual_rules(teid, ue, tunnel), &context, |_| true)
            .unwrap();
        publisher
            .publish(session, compiled.plan, &compiled.keys)
            .unwrap();
        teid
    };
    (0..sessions).map(install).collect()
}

/// What the only worker has counted.
fn counted(counters: &Counters) -> Counted {
    let worker = &counters.read()[0];
    Counted {
        cycles: worker.busy_cycles,
        packets: worker.ports.iter().map(|port| port.received_packets).sum(),
        bursts: worker.bursts,
    }
}

fn measure(eal: Eal, pool: &'static Pool, sessions: u32, windows: usize) {
    let (ports, mut wires) = open(eal, pool, &format!("s{sessions}_"));
    let (mut publisher, readers) = Tables::create(Sizes {
        sessions,
        tunnels: sessions + 8,
        workers: 1,
        seed: 7,
    });
    let neighbours = Arc::new(Neighbours::default());
    let hz = dpdk::cycles_hz(eal);
    let teids = install(&mut publisher, &neighbours, sessions, hz);
    let (end, _control) = queues(64);
    let config = DataPathConfig {
        ports,
        pool,
        topology: Arc::new(topology()),
        neighbours: Arc::clone(&neighbours),
        own_addresses: vec![N4_ADDRESS.into()],
        workers: vec![Some(1)],
        more_pools: vec![],
        hold: HoldConfig::of_packets(64),
        slow: SlowConfig::default(),
        idle: Idle {
            spin_us: 0,
            sleep_us: 0,
        },
        ring_packets: 64,
    };
    let path = DataPath::start(eal, config, readers, vec![end]).unwrap();
    let links = path.links();
    let macs = [links[0].mac, links[1].mac];
    let hop = |interface, address| NextHop { interface, address };
    neighbours.fix(hop(N3, GNB.into()), MAC_GNB);
    neighbours.fix(hop(N6, "10.0.6.254".parse().unwrap()), MAC_GATEWAY);
    for uplink in [true, false] {
        let traffic = Traffic {
            uplink,
            teids: Arc::clone(&teids),
            macs,
            floor: false,
        };
        let counters = path.counters().clone();
        let generate = move |_: &dpdk::Lcore| {
            let count = || counted(&counters);
            let generator = Generator::new(pool, wires, traffic);
            let (run, mut generator) = generator.run("upf-worker-0", windows, count);
            let found = is_searched().then(|| search::search(&mut generator, "upf-worker-0", hz));
            (run, found, generator.wires)
        };
        let (run, found);
        (run, found, wires) = eal
            .spawn("generator", Some(0), generate)
            .unwrap()
            .join()
            .expect("every packet is right");
        let way = if uplink { "uplink  " } else { "downlink" };
        report(&format!("{sessions:>8} sessions, {way}"), &run);
        if let Some(found) = found {
            println!("{found}");
        }
    }
    let stopped = path.stop().unwrap();
    let counts = &stopped.counts[0];
    assert_eq!(counts.missing(), 0, "a packet is accounted for nowhere");
    let dropped: u64 = counts.ports.iter().flat_map(|port| port.dropped).sum();
    // Who looks for the highest rate goes above it.
    assert!(dropped == 0 || is_searched(), "{counts:?}");
    close(stopped.ports, wires);
}

/// What the ports cost: received by one, sent by the other.
fn floor(eal: Eal, pool: &'static Pool, touch: bool, windows: usize) {
    let name = if touch { "touch" } else { "floor" };
    let (mut ports, wires) = open(eal, pool, name);
    let stop = Arc::new(AtomicBool::new(false));
    let cells: Arc<[AtomicU64; 3]> = Arc::default();
    let mut near = ports[0].start().unwrap();
    let mut far = ports[1].start().unwrap();
    let (flag, counters) = (Arc::clone(&stop), Arc::clone(&cells));
    let forward = move |_: &dpdk::Lcore| {
        let mut burst = Burst::<BURST>::new();
        let add = |at: usize, more: u64| {
            counters[at].store(counters[at].load(Relaxed) + more, Relaxed);
        };
        let mut busy_since = None;
        while !flag.load(Relaxed) {
            let now = dpdk::cycles();
            if let Some(since) = busy_since.take() {
                add(0, now - since);
            }
            let count = near.rx[0].receive(&mut burst);
            if count == 0 {
                std::hint::spin_loop();
                continue;
            }
            if touch {
                let read = |packet: &Mbuf| u64::from(packet.data()[12]);
                std::hint::black_box(burst.iter().map(read).sum::<u64>());
            }
            far.tx[0].send(&mut burst);
            assert!(burst.is_empty(), "the ring is full");
            add(1, count as u64);
            add(2, 1);
            busy_since = Some(now);
        }
        (near, far)
    };
    let worker = eal.spawn(name, Some(1), forward).unwrap();
    let traffic = Traffic {
        uplink: true,
        teids: [Teid(1)].into(),
        macs: [MAC_N3, MAC_N6],
        floor: true,
    };
    let generate = move |_: &dpdk::Lcore| {
        let count = || Counted {
            cycles: cells[0].load(Relaxed),
            packets: cells[1].load(Relaxed),
            bursts: cells[2].load(Relaxed),
        };
        let (run, generator) = Generator::new(pool, wires, traffic).run(name, windows, count);
        (run, generator.wires)
    };
    let (run, wires) = eal
        .spawn("generator", Some(0), generate)
        .unwrap()
        .join()
        .expect("every packet is right");
    stop.store(true, Relaxed);
    let (near, far) = worker.join().expect("the floor has room");
    let what = if touch {
        "floor, one cache line read"
    } else {
        "floor, ports alone        "
    };
    report(what, &run);
    ports[0].stop(near).unwrap();
    ports[1].stop(far).unwrap();
    close(ports, wires);
}

/// Closes both sides.
fn close(ours: Vec<Port>, wires: Wires) {
    let Wires {
        ports,
        mut rx,
        mut tx,
    } = wires;
    for mut port in ports {
        let queues = dpdk::Queues {
            rx: vec![rx.remove(0)],
            tx: vec![tx.remove(0)],
        };
        port.stop(queues).unwrap();
        port.close().unwrap();
    }
    for port in ours {
        port.close().unwrap();
    }
}

fn main() {
    let wanted: Vec<u32> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    let wanted = if wanted.is_empty() {
        vec![1, 100_000]
    } else {
        wanted
    };
    let windows = std::env::args().find_map(|text| text.strip_prefix("windows=")?.parse().ok());
    let windows = windows.unwrap_or(WINDOWS);
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("rings: two CPUs are needed, one for the worker and one for the traffic");
        return;
    }
    let eal = Eal::start(EalConfig {
        memory_mib: 256,
        telemetry: false,
        ..EalConfig::default()
    })
    .unwrap();
    println!(
        "memory: {}; time stamp counter: {} Hz",
        eal.pages(),
        dpdk::cycles_hz(eal)
    );
    let pool = PoolConfig {
        mbufs: 16_383,
        ..PoolConfig::named("packets")
    };
    let pool = Pool::create(eal, &pool).unwrap();
    floor(eal, pool, false, windows);
    floor(eal, pool, true, windows);
    for sessions in wanted {
        measure(eal, pool, sessions, windows);
    }
}
