//! The whole packet path on DPDK ports: two pairs of ring ports, workers of their own, a gNB and a
//! gateway played by the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::wildcard_imports,
    missing_docs,
    reason = "tests"
)]

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dpdk::{Burst, Eal, EalConfig, Pool, PoolConfig, PortConfig, Rx, Tx, ring_pair};
use session::neighbour::{Neighbours, NextHop};
use session::plan::Installed;
use session::report::{Command, ControlEnd, Report, queues};
use session::rule::{Action, OuterHeaderCreation, UeAddress};
use session::{Context, Publisher, Rules, Sizes, Tables, Teid, WorkerId};
use upf_dp::testbed::*;
use upf_dp::{DataPath, DataPathConfig, HoldConfig, Idle, Reason, SlowConfig};

fn pool() -> (Eal, &'static Pool) {
    static POOL: OnceLock<(Eal, &'static Pool)> = OnceLock::new();
    *POOL.get_or_init(|| {
        let config = EalConfig {
            memory_mib: 256,
            telemetry: false,
            ..EalConfig::default()
        };
        let eal = Eal::start(config).expect("the EAL starts");
        let pool = PoolConfig {
            mbufs: 16383,
            ..PoolConfig::named("packets")
        };
        (eal, Pool::create(eal, &pool).expect("a pool"))
    })
}

/// The far end of a port.
struct Wire {
    rx: Vec<Rx>,
    tx: Vec<Tx>,
    pool: &'static Pool,
    burst: Burst<64>,
}

impl Wire {
    fn send(&mut self, frame: &[u8]) {
        let mut burst = Burst::<64>::new();
        burst
            .push(self.pool.packet(frame).expect("a buffer"))
            .expect("room");
        assert_eq!(self.tx[0].send(&mut burst), 1);
    }

    /// The next frame that `wanted` says so of; others are passed over.
    fn next(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if let Some(packet) = self.burst.take(0) {
                if wanted(packet.data()) {
                    return Some(packet.data().to_vec());
                }
                continue;
            }
            for rx in &mut self.rx {
                rx.receive(&mut self.burst);
            }
            std::thread::yield_now();
        }
        None
    }
}

struct Upf {
    path: DataPath,
    publisher: Publisher,
    neighbours: Arc<Neighbours>,
    controls: Vec<ControlEnd>,
    n3: Wire,
    n6: Wire,
    mac: [u8; 6],
}

fn start(name: &str, workers: u8) -> Upf {
    let pool = pool().1;
    start_with(name, workers, pool, HoldConfig::of_packets(128), NAPS)
}

/// Sleeps that a test hardly notices.
const NAPS: Idle = Idle {
    spin_us: 20,
    sleep_us: 50,
};

fn start_with(name: &str, workers: u8, pool: &'static Pool, hold: HoldConfig, idle: Idle) -> Upf {
    let eal = Eal::get().expect("the EAL is up");
    let config = PortConfig {
        mtu: Some(1600),
        tx_queues: u16::from(workers),
        rx_queues: u16::from(workers),
        ..PortConfig::new(pool)
    };
    let (mut ports, mut wires) = (Vec::new(), Vec::new());
    for side in ["3", "6"] {
        let (ours, mut theirs) = ring_pair(eal, &format!("{name}{side}"), 256, &config).unwrap();
        let queues = theirs.start().unwrap();
        wires.push(Wire {
            rx: queues.rx,
            tx: queues.tx,
            pool,
            burst: Burst::new(),
        });
        ports.push(ours);
    }
    let sizes = Sizes {
        sessions: 64,
        tunnels: 64,
        workers,
        seed: 3,
    };
    let (publisher, readers) = Tables::create(sizes);
    let neighbours = Arc::new(Neighbours::default());
    let (ends, controls) = (0..workers).map(|_| queues(64)).unzip();
    let config = DataPathConfig {
        ports,
        pool,
        topology: Arc::new(topology()),
        neighbours: Arc::clone(&neighbours),
        own_addresses: vec![N4_ADDRESS.into()],
        workers: vec![None; usize::from(workers)],
        more_pools: vec![],
        hold,
        slow: SlowConfig::default(),
        idle,
        ring_packets: 256,
    };
    let path = DataPath::start(eal, config, readers, ends).unwrap();
    let mac = path.links()[0].mac;
    let n6 = wires.pop().unwrap();
    let n3 = wires.pop().unwrap();
    Upf {
        path,
        publisher,
        neighbours,
        controls,
        n3,
        n6,
        mac,
    }
}

struct Session {
    teid: Teid,
    ue: Ipv4Addr,
    owner: WorkerId,
    index: session::SessionIndex,
    installed: Installed,
}

impl Upf {
    fn install(&mut self, number: u32, change: impl FnOnce(&mut Rules)) -> Session {
        let (index, owner) = self.publisher.reserve().unwrap();
        let teid = self.publisher.choose_teid(owner).unwrap();
        let ue = Ipv4Addr::from_bits(0x0a2d_0002 + number);
        let hop = NextHop {
            interface: N3,
            address: GNB.into(),
        };
        let tunnel = OuterHeaderCreation {
            teid: Teid(0x1000 + number),
            peer: GNB.into(),
            interface: N3,
            source: N3_ADDRESS.into(),
            next_hop: self.neighbours.id(hop),
        };
        let mut rules = usual_rules(
            teid,
            UeAddress {
                ipv4: Some(ue),
                ipv6: None,
            },
            tunnel,
        );
        change(&mut rules);
        let mut session = Session {
            teid,
            ue,
            owner,
            index,
            installed: Installed::default(),
        };
        self.put(&mut session, rules);
        session
    }

    fn put(&mut self, session: &mut Session, rules: Rules) {
        let context = Context {
            session: session.index,
            owner: session.owner,
            hz: 2_000_000_000,
            burst: session::meter::Burst::of_ms(100),
            buffer_packets: 32,
            ..Context::default()
        };
        let compiled = session
            .installed
            .compile(rules, &context, |_| true)
            .unwrap();
        let publisher = &mut self.publisher;
        publisher
            .publish(session.index, compiled.plan, &compiled.keys)
            .unwrap();
        session.installed = compiled.installed;
    }

    /// The gNB and the gateway tell their Ethernet addresses when they are asked.
    fn answer_arp(&mut self) {
        for (wire, address, mac) in [
            (&mut self.n3, GNB, MAC_GNB),
            (&mut self.n6, Ipv4Addr::new(10, 0, 6, 254), MAC_GATEWAY),
        ] {
            let asked = wire.next(|frame| {
                frame[12..14] == [8, 6]
                    && frame[20..22] == [0, 1]
                    && frame[38..42] == address.octets()
            });
            let asked = asked.unwrap_or_else(|| panic!("nobody asks for {address}"));
            let mut reply = vec![0, 1, 8, 0, 6, 4, 0, 2];
            reply.extend(mac);
            reply.extend(address.octets());
            reply.extend(&asked[22..32]);
            wire.send(&ethernet(self.mac, mac, None, 0x0806, &reply));
        }
        // Until both are known.
        let end = Instant::now() + Duration::from_secs(5);
        while self
            .neighbours
            .all()
            .filter(|(_, hop)| hop.address.is_ipv4())
            .any(|(id, _)| self.neighbours.ethernet(id).is_none())
        {
            assert!(Instant::now() < end, "an answer was not learnt");
            std::thread::yield_now();
        }
    }

    fn uplink(&self, session: &Session, payload: usize) -> Vec<u8> {
        let user = user_v4(session.ue, HOST, payload);
        let message = gpdu(session.teid, Some(9), &user);
        frame(
            self.mac,
            MAC_GNB,
            None,
            &datagram_v4(GNB, N3_ADDRESS, &message),
        )
    }

    fn downlink(&self, session: &Session, payload: usize) -> Vec<u8> {
        frame(
            self.mac,
            MAC_GATEWAY,
            None,
            &user_v4(HOST, session.ue, payload),
        )
    }

    /// Stops, and accounts for every packet.
    fn stop(self) -> Vec<upf_dp::WorkerCounts> {
        let stopped = self.path.stop().unwrap();
        let missing: i128 = stopped
            .counts
            .iter()
            .map(upf_dp::WorkerCounts::missing)
            .sum();
        assert_eq!(missing, 0, "{:?}", stopped.counts);
        for port in stopped.ports {
            port.close().unwrap();
        }
        stopped.counts
    }
}

/// One hop less, as a router leaves it.
fn hopped(mut user: Vec<u8>) -> Vec<u8> {
    user[8] -= 1;
    let checksum = u16::from_be_bytes([user[10], user[11]]);
    let (sum, carry) = checksum.overflowing_add(0x100);
    user[10..12].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
    user
}

/// As many packets as a queue has room for come at once while both workers sleep, the second of which
/// gets its own by way of the first.
#[test]
fn workers_that_sleep_wake_up_in_time_for_every_packet() {
    let idle = Idle {
        spin_us: 100,
        sleep_us: 4_000,
    };
    let hold = HoldConfig::of_packets(128);
    let mut upf = start_with("sleep", 2, pool().1, hold, idle);
    let sessions: Vec<Session> = (0..4).map(|number| upf.install(number, |_| {})).collect();
    upf.answer_arp();
    let polls = |upf: &Upf| -> u64 {
        let counts = upf.path.counters().read();
        counts.iter().map(|worker| worker.idle_polls).sum()
    };
    for round in 0..20 {
        let before = polls(&upf);
        std::thread::sleep(Duration::from_millis(40));
        // Sleeps of 10 µs, 20 µs and so on up to 4 ms; without sleep it would be thousands of polls.
        let polls = polls(&upf) - before;
        assert!(polls < 500, "round {round}: {polls} polls");
        for packet in 0..200 {
            let frame = upf.uplink(&sessions[packet % 4], packet);
            upf.n3.send(&frame);
        }
        for packet in 0..200 {
            let came = upf.n6.next(|frame| frame[12..14] == [8, 0]);
            assert!(
                came.is_some(),
                "round {round}: {packet} of 200 packets came"
            );
        }
    }
    let counts = upf.stop();
    let dropped: u64 = Reason::ALL
        .iter()
        .flat_map(|reason| counts.iter().map(|worker| worker.dropped(*reason)))
        .sum();
    assert_eq!(dropped, 0, "{counts:?}");
    let handed_over: u64 = counts
        .iter()
        .map(|worker| worker.ports[0].handed_over)
        .sum();
    assert!(handed_over > 0, "both workers had packets");
}

#[test]
fn packets_cross_both_ways_and_questions_are_answered() {
    let mut upf = start("cross", 1);
    let session = upf.install(0, |_| {});
    upf.answer_arp();
    // ARP for our address.
    let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1];
    request.extend(MAC_GNB);
    request.extend(GNB.octets());
    request.extend([0; 6]);
    request.extend(N3_ADDRESS.octets());
    upf.n3
        .send(&ethernet([0xff; 6], MAC_GNB, None, 0x0806, &request));
    let reply = upf
        .n3
        .next(|frame| frame[12..14] == [8, 6] && frame[20..22] == [0, 2])
        .unwrap();
    let mut expected = vec![0, 1, 8, 0, 6, 4, 0, 2];
    expected.extend(upf.mac);
    expected.extend(N3_ADDRESS.octets());
    expected.extend(MAC_GNB);
    expected.extend(GNB.octets());
    assert_eq!(reply, ethernet(MAC_GNB, upf.mac, None, 0x0806, &expected));
    // GTP-U echo.
    let echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0xab, 0xcd, 0, 0];
    upf.n3.send(&frame(
        upf.mac,
        MAC_GNB,
        None,
        &datagram_v4(GNB, N3_ADDRESS, &echo),
    ));
    let response = upf
        .n3
        .next(|frame| frame.len() == 42 + 14 && frame[43] == 2)
        .unwrap();
    assert_eq!(
        response[42..],
        [0x32, 2, 0, 6, 0, 0, 0, 0, 0xab, 0xcd, 0, 0, 14, 0]
    );
    // Uplink and downlink, to the octet.
    upf.n3.send(&upf.uplink(&session, 100));
    let got = upf.n6.next(|frame| frame[12..14] == [8, 0]).unwrap();
    assert_eq!(
        got,
        frame(
            MAC_GATEWAY,
            upf.mac,
            None,
            &hopped(user_v4(session.ue, HOST, 100))
        )
    );
    upf.n6.send(&upf.downlink(&session, 200));
    let got = upf
        .n3
        .next(|frame| frame[12..14] == [8, 0] && frame[43] == 255)
        .unwrap();
    assert_eq!(got[50..58], [0, 0, 0, 0x85, 1, 0, 9, 0]);
    assert_eq!(got[58..], hopped(user_v4(HOST, session.ue, 200)));
    let counts = upf.stop();
    assert_eq!(counts[0].ports[1].received_packets, 2);
    assert_eq!(
        counts[0]
            .ports
            .iter()
            .flat_map(|port| port.dropped)
            .sum::<u64>(),
        0
    );
}

#[test]
fn held_packets_go_in_order_through_real_workers() {
    let mut upf = start("held", 2);
    let mut session = upf.install(0, |rules| {
        rules.fars[1].action = Action::Buffer { notify: true }
    });
    upf.answer_arp();
    for payload in 0..20 {
        upf.n6.send(&upf.downlink(&session, payload));
    }
    let owner = usize::from(session.owner.0);
    let end = Instant::now() + Duration::from_secs(5);
    let report = loop {
        if let Some(report) = upf.controls[owner].report() {
            break report;
        }
        assert!(Instant::now() < end, "nobody tells of the packets");
        std::thread::yield_now();
    };
    assert!(
        matches!(report, Report::DownlinkData { session: about, .. } if about == session.index)
    );
    let mut rules = session.installed.rules.clone();
    rules.fars[1].action = Action::Forward;
    upf.put(&mut session, rules);
    upf.controls[owner]
        .command(Command::Release {
            session: session.index,
        })
        .unwrap();
    for payload in 0..20 {
        let got = upf
            .n3
            .next(|frame| frame[12..14] == [8, 0] && frame[43] == 255)
            .unwrap();
        assert_eq!(got[58..], hopped(user_v4(HOST, session.ue, payload)));
    }
    upf.stop();
}

#[test]
fn every_session_is_served_whichever_worker_receives() {
    const PACKETS: usize = 2000;
    let mut upf = start("over", 2);
    let sessions: Vec<_> = (0..8).map(|number| upf.install(number, |_| {})).collect();
    upf.answer_arp();
    let mut received = 0;
    for number in 0..PACKETS {
        let session = &sessions[number % sessions.len()];
        upf.n3.send(&upf.uplink(session, 10));
        // The gateway takes them from time to time, so that no ring overflows.
        if number % 32 == 31 || number + 1 == PACKETS {
            while received <= number {
                assert!(
                    upf.n6.next(|frame| frame[12..14] == [8, 0]).is_some(),
                    "{received}"
                );
                received += 1;
            }
        }
    }
    let counts = upf.stop();
    let handed: u64 = counts
        .iter()
        .flat_map(|c| &c.ports)
        .map(|p| p.handed_over)
        .sum();
    let taken: u64 = counts
        .iter()
        .flat_map(|c| &c.ports)
        .map(|p| p.taken_over)
        .sum();
    assert_eq!(handed, taken);
    // All arrived on the first queue, and half of the sessions belong to the other worker.
    assert_eq!(handed, PACKETS as u64 / 2);
    let drops: u64 = counts.iter().map(|c| c.dropped(Reason::HandOverFull)).sum();
    assert_eq!(drops, 0);
}

/// As many buffers as rings of a real port hold, all told: those that wait give way before those
/// that move have none.
#[test]
fn a_pool_of_128_buffers_runs_dry_and_recovers() {
    let (eal, _) = pool();
    let config = PoolConfig {
        mbufs: 128,
        cache: 0,
        ..PoolConfig::named("few")
    };
    let few = Pool::create(eal, &config).unwrap();
    let hold = HoldConfig {
        pool_share: 90,
        pool_reserve: 25,
        ..HoldConfig::default()
    };
    let mut upf = start_with("few", 1, few, hold, NAPS);
    let idle: Vec<_> = (1..9)
        .map(|number| {
            upf.install(number, |rules| {
                rules.fars[1].action = Action::Buffer { notify: false }
            })
        })
        .collect();
    let active = upf.install(0, |_| {});
    upf.answer_arp();
    let uplink = upf.uplink(&active, 10);
    let goes_through = |upf: &mut Upf| {
        upf.n3.send(&uplink);
        upf.n6.next(|frame| frame[12..14] == [8, 0]).is_some()
    };
    // More than the pool holds, many times over: no buffer is ever missing for what moves.
    for number in 0..600 {
        let frame = upf.downlink(&idle[number / 20 % idle.len()], 10);
        upf.n6.send(&frame);
        assert!(number % 4 != 3 || goes_through(&mut upf), "{number}");
    }
    let counts = upf.path.counters().read();
    let low = counts[0].dropped(Reason::HoldPoolLow);
    assert!(low > 400 && counts[0].held > 0, "{counts:?}");
    // Somebody takes all buffers that are left. What waits is given up for others, and the path goes
    // on with what it has.
    let mut taken = vec![];
    let end = Instant::now() + Duration::from_secs(5);
    while upf.path.counters().read()[0].held > 0 {
        taken.extend(few.alloc());
        assert!(Instant::now() < end, "{:?}", upf.path.counters().read());
    }
    taken.extend(std::iter::from_fn(|| few.alloc()));
    assert_eq!(few.available(), 0);
    drop(taken.pop());
    assert!(goes_through(&mut upf));
    // They come back, and packets wait again.
    drop(taken);
    for _ in 0..8 {
        let frame = upf.downlink(&idle[0], 10);
        upf.n6.send(&frame);
    }
    while upf.path.counters().read()[0].held < 8 {
        assert!(Instant::now() < end, "{:?}", upf.path.counters().read());
    }
    let counts = upf.stop();
    assert_eq!(counts[0].dropped(Reason::HoldPoolLow), 600);
    assert_eq!(counts[0].dropped(Reason::Stopped), 8);
    assert_eq!(few.available(), 128);
}
