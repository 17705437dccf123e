//! The wrapper against a real EAL: buffers, rings, ports that need no privilege, lcores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{eal, pool};
use dpdk::{
    Burst, Checksum, Eal, EalConfig, Errno, Error, HEADROOM, Lcore, Mbuf, Pages, Pool, PoolConfig,
    Port, PortConfig, PortSpec, RingSide, Rss, RxOffloads, TxOffloads, cycles, cycles_hz, qsbr,
    ring, ring_pair,
};

// ===== the environment =====

#[test]
fn starts_once_and_says_on_what() {
    let eal = eal();
    assert!(matches!(
        Eal::start(EalConfig::default()),
        Err(Error::AlreadyStarted)
    ));
    assert!(Eal::get().is_some());
    match eal.pages() {
        Pages::Huge { page_kib, free } => assert!(page_kib >= 2048 && free > 0),
        Pages::Ordinary { reserved_mib } => assert_eq!(reserved_mib, 256),
    }
    assert_eq!(eal.lcores(), [0, 1]);
    assert!(dpdk::version().starts_with("DPDK "), "{}", dpdk::version());
    let socket = eal.runtime_directory().join("dpdk_telemetry.v2");
    assert!(socket.exists(), "{}", socket.display());
}

#[test]
fn counts_cycles() {
    let hz = cycles_hz(eal());
    let before = cycles();
    thread::sleep(Duration::from_millis(50));
    let ms = (cycles() - before) * 1000 / hz;
    assert!((45..5000).contains(&ms), "{ms} ms at {hz} Hz");
}

/// Starting the EAL leaves the CPUs of the caller, and so of its children, alone.
#[test]
fn leaves_the_callers_thread_alone() {
    let before = common::allowed_cpus();
    let eal = eal();
    assert_eq!(common::allowed_cpus(), before);
    // Not an lcore yet; registering makes it one for as long as the value lives.
    let first = Lcore::register(eal).unwrap();
    assert!(first.id() > 1);
    let again = Lcore::register(eal).unwrap();
    assert_eq!(again.id(), first.id());
    drop(first);
    // Still one, while any of the two is held.
    assert_eq!(Lcore::register(eal).unwrap().id(), again.id());
}

// ===== lcores =====

/// Both lcores, main and other, run, return, and report a panic as such. In one test, because
/// an lcore does one thing at a time.
#[test]
fn lcores_run_what_they_are_given() {
    let eal = eal();
    for lcore in eal.lcores() {
        for round in 0..20 {
            // An lcore is ready again a little after its result can be seen.
            let worker = loop {
                match eal.launch(lcore, move |here| (here.id(), round)) {
                    Ok(worker) => break worker,
                    Err(Error::LcoreBusy(_)) => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            };
            assert_eq!(worker.lcore(), Some(lcore));
            assert_eq!(worker.join().unwrap(), (lcore, round));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let busy = loop {
            let seen = Arc::clone(&seen);
            let spin = move |_: &Lcore| {
                while !seen.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            };
            match eal.launch(lcore, spin) {
                Ok(worker) => break worker,
                Err(Error::LcoreBusy(_)) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        assert!(matches!(
            eal.launch(lcore, |_| ()),
            Err(Error::LcoreBusy(_))
        ));
        stop.store(true, Ordering::Release);
        busy.join().unwrap();
        let failed = loop {
            match eal.launch(lcore, |_| {
                assert!(std::hint::black_box(false), "on purpose");
            }) {
                Ok(worker) => break worker,
                Err(_) => thread::yield_now(),
            }
        };
        assert!(failed.join().is_err());
    }
    assert!(matches!(eal.launch(99, |_| ()), Err(Error::NoLcore(99))));
}

#[test]
fn threads_become_lcores() {
    let eal = eal();
    let cpu = common::allowed_cpus()[0];
    let worker = eal
        .spawn("pinned", Some(cpu), |lcore| (lcore.id(), common_affinity()))
        .unwrap();
    let (id, cpus) = worker.join().unwrap();
    assert!(id > 1);
    assert_eq!(cpus, [cpu]);
    let refused = eal.spawn("nowhere", Some(1023), |_| ()).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno(libc::EINVAL)), "{refused}");
    // Numbers come back: far more threads than lcores, one after the other.
    for _ in 0..200 {
        eal.spawn("short", None, |_| ()).unwrap().join().unwrap();
    }
}

/// Affinity of this thread (`/proc/self` is the process).
fn common_affinity() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    list.trim()
        .split(',')
        .map(|cpu| cpu.parse().unwrap())
        .collect()
}

// ===== buffers =====

#[test]
fn a_buffer_grows_and_shrinks_within_itself() {
    let pool = pool("grow", 63);
    let mut mbuf = pool.packet(b"payload").unwrap();
    assert_eq!(mbuf.headroom(), usize::from(HEADROOM));
    assert_eq!(mbuf.tailroom(), 2048 - 7);
    mbuf.prepend_array::<8>()
        .unwrap()
        .copy_from_slice(b"gtpuhead");
    mbuf.append(3).unwrap().copy_from_slice(b"end");
    assert_eq!(mbuf.data(), b"gtpuheadpayloadend");
    assert_eq!((mbuf.len(), mbuf.total_len()), (18, 18));
    assert!(mbuf.trim_front(8));
    assert!(mbuf.trim_back(3));
    assert_eq!(mbuf.data(), b"payload");
    // What does not fit changes nothing.
    assert!(mbuf.prepend(usize::from(HEADROOM) + 1).is_none());
    assert!(mbuf.prepend(usize::MAX).is_none());
    assert!(mbuf.append(2048 - 7 + 1).is_none());
    assert!(mbuf.append(usize::MAX).is_none());
    assert!(!mbuf.trim_front(8));
    assert!(!mbuf.trim_back(usize::MAX));
    assert_eq!(mbuf.data(), b"payload");
    // To the last octet.
    assert_eq!(
        mbuf.prepend(usize::from(HEADROOM)).unwrap().len(),
        usize::from(HEADROOM)
    );
    assert_eq!((mbuf.headroom(), mbuf.len()), (0, 135));
    assert_eq!(mbuf.append(2048 - 7).unwrap().len(), 2041);
    assert_eq!((mbuf.tailroom(), mbuf.len()), (0, 2176));
    assert!(mbuf.is_contiguous() && mbuf.linearize());
    assert_eq!(mbuf.rss_hash(), None);
    assert_eq!(mbuf.ip_checksum(), Checksum::Unknown);
    assert_eq!(mbuf.l4_checksum(), Checksum::Unknown);
}

#[test]
fn a_copy_is_another_buffer() {
    let (one, other) = (pool("copy_from", 63), pool("copy_to", 63));
    let mut mbuf = one.packet(b"original").unwrap();
    let copy = mbuf.copy(other).unwrap();
    mbuf.data_mut().fill(0);
    assert_eq!(copy.data(), b"original");
    assert_eq!((one.in_use(), other.in_use()), (1, 1));
    drop((mbuf, copy));
    assert_eq!((one.in_use(), other.in_use()), (0, 0));
}

#[test]
fn an_empty_pool_says_so() {
    let pool = pool("exhausted", 63);
    let mut held: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(held.len(), 63);
    assert_eq!((pool.in_use(), pool.available()), (63, 0));
    assert!(pool.alloc().is_none());
    assert!(held[0].copy(pool).is_none());
    assert!(pool.packet(b"x").is_none());
    let mut burst = Burst::<32>::new();
    assert!(!pool.fill(&mut burst, 1));
    held.truncate(31);
    assert!(pool.fill(&mut burst, 32));
    assert_eq!(burst.len(), 32);
    // Full: none fits, and none is lost.
    assert!(!pool.fill(&mut burst, 1));
    drop((held, burst));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_pool_that_cannot_be_is_refused() {
    let eal = eal();
    let make = |config: PoolConfig| Pool::create(eal, &config).unwrap_err();
    pool("taken", 63);
    assert_eq!(
        make(PoolConfig::named("taken")).errno(),
        Some(Errno(libc::EEXIST))
    );
    let long = make(PoolConfig::named("a name longer than twenty-five octets"));
    assert_eq!(
        long.errno().and_then(Errno::name),
        Some("ENAMETOOLONG"),
        "{long}"
    );
    let huge = make(PoolConfig {
        mbufs: 50_000_000,
        ..PoolConfig::named("too_big")
    });
    assert!(huge.to_string().contains("memory_mib"), "{huge}");
    assert!(matches!(
        make(PoolConfig::named("nul\0")),
        Error::Argument { .. }
    ));
}

/// Every way to move buffers through bursts keeps each of them, once.
#[test]
fn every_buffer_has_one_owner() {
    let pool = pool("owners", 255);
    let mut burst = Burst::<16>::new();
    for number in 0..16 {
        burst.push(pool.packet(&[number]).unwrap()).unwrap();
    }
    let back = burst.push(pool.packet(&[99]).unwrap()).unwrap_err();
    assert_eq!(back.data(), [99]);
    drop(back);
    assert_eq!(numbers(&burst), (0..16).collect::<Vec<_>>());
    assert_eq!(burst.take(3).unwrap().data(), [3]);
    assert_eq!(burst.swap_take(0).unwrap().data(), [0]);
    assert!(burst.take(14).is_none() && burst.swap_take(14).is_none());
    assert_eq!(
        numbers(&burst),
        [15, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    );
    assert_eq!(burst.retain(|mbuf| mbuf.data()[0] % 2 == 0), 7);
    assert_eq!(numbers(&burst), [2, 4, 6, 8, 10, 12, 14]);
    assert_eq!(pool.in_use(), 7);
    let mut other = Burst::<4>::new();
    other.push(pool.packet(&[77]).unwrap()).unwrap();
    assert_eq!(other.append(&mut burst), 3);
    assert_eq!(numbers(&other), [77, 2, 4, 6]);
    assert_eq!(numbers(&burst), [8, 10, 12, 14]);
    assert_eq!(other.pop().unwrap().data(), [6]);
    // Left early, the iterator frees the rest.
    let mut drain = burst.drain();
    assert_eq!(drain.len(), 4);
    let first = drain.next().unwrap();
    drop(drain);
    assert!(burst.is_empty());
    assert_eq!(first.data(), [8]);
    assert_eq!(pool.in_use(), 4);
    drop((first, other));
    assert_eq!(pool.in_use(), 0);
    // A panic in the middle loses nothing either.
    assert!(pool.fill(&mut burst, 8));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        burst.retain(|_| panic!("on purpose"));
    }));
    assert!(caught.is_err());
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

fn numbers<const N: usize>(burst: &Burst<N>) -> Vec<u8> {
    burst.iter().map(|mbuf| mbuf.data()[0]).collect()
}

// ===== rings =====

#[test]
fn packets_cross_lcores_in_order_and_none_is_lost() {
    const COUNT: u32 = 300_000;
    let pool = pool("crossing", 1023);
    let (mut give, mut take) = ring::spsc(256);
    let giver = eal()
        .spawn("giver", None, move |_| {
            let mut burst = Burst::<32>::new();
            let mut next = 0_u32;
            while next < COUNT || !burst.is_empty() {
                while next < COUNT && !burst.is_full() {
                    let Some(mbuf) = pool.packet(&next.to_be_bytes()) else {
                        break;
                    };
                    burst.push(mbuf).unwrap();
                    next += 1;
                }
                if give.push_burst(&mut burst) == 0 {
                    thread::yield_now();
                }
            }
        })
        .unwrap();
    let mut burst = Burst::<64>::new();
    let mut next = 0_u32;
    while next < COUNT {
        if take.pop_burst(&mut burst) == 0 {
            thread::yield_now();
        }
        for mbuf in burst.drain() {
            assert_eq!(mbuf.data(), next.to_be_bytes());
            next += 1;
        }
    }
    giver.join().unwrap();
    assert_eq!(take.pop_burst(&mut burst), 0);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_ring_frees_what_it_still_holds() {
    let pool = pool("ring_rest", 63);
    let (mut give, take) = ring::spsc(16);
    let mut burst = Burst::<32>::new();
    assert!(pool.fill(&mut burst, 20));
    assert_eq!(give.push_burst(&mut burst), 16);
    assert_eq!(burst.len(), 4);
    drop((give, take));
    assert_eq!(pool.in_use(), 4);
    let (mut give, mut take) = ring::spsc(16);
    give.push((burst.pop().unwrap(), "note")).unwrap();
    assert_eq!(take.pop().unwrap().1, "note");
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

// ===== ports =====

#[test]
fn a_million_packets_pass_a_ring_pair() {
    const COUNT: u64 = 1_000_000;
    let eal = eal();
    let pool = pool("million", 2047);
    let (mut a, mut b) = ring_pair(eal, "million", 512, &PortConfig::new(pool)).unwrap();
    let (mut queues_a, mut queues_b) = (a.start().unwrap(), b.start().unwrap());
    assert!(matches!(a.start(), Err(Error::Started { .. })));
    assert_eq!(
        (a.info().driver.as_str(), a.link().unwrap().up),
        ("net_ring", true)
    );
    let mut rx = queues_b.rx.remove(0);
    let mut tx = queues_a.tx.remove(0);
    let sender = eal
        .spawn("sender", None, move |_| {
            let mut burst = Burst::<64>::new();
            let mut next = 0;
            while next < COUNT || !burst.is_empty() {
                while next < COUNT && !burst.is_full() {
                    let Some(mbuf) = pool.packet(&next.to_be_bytes()) else {
                        break;
                    };
                    burst.push(mbuf).unwrap();
                    next += 1;
                }
                if tx.send(&mut burst) == 0 {
                    thread::yield_now();
                }
            }
            tx
        })
        .unwrap();
    let mut burst = Burst::<64>::new();
    let mut next = 0_u64;
    while next < COUNT {
        if rx.receive(&mut burst) == 0 {
            thread::yield_now();
        }
        for mbuf in burst.drain() {
            assert_eq!(mbuf.data(), next.to_be_bytes());
            next += 1;
        }
    }
    let tx = sender.join().unwrap();
    assert_eq!(pool.in_use(), 0);
    assert_eq!(a.stats().unwrap().opackets, COUNT);
    assert_eq!(b.stats().unwrap().ipackets, COUNT);
    // Stops only with every queue back, and no other's.
    let (mut queues_b, refused) = b.stop(queues_b).unwrap_err();
    assert!(
        matches!(refused, Error::QueuesOut { missing: 1, .. }),
        "{refused}"
    );
    let swapped = std::mem::replace(&mut queues_b.tx, vec![tx]);
    queues_b.rx.push(rx);
    let (mut queues_b, refused) = b.stop(queues_b).unwrap_err();
    assert!(
        matches!(refused, Error::QueuesOut { missing: 0, .. }),
        "{refused}"
    );
    queues_a.tx = std::mem::replace(&mut queues_b.tx, swapped);
    b.stop(queues_b).unwrap();
    a.stop(queues_a).unwrap();
    a.close().unwrap();
    b.close().unwrap();
    // And the name is free again.
    let (a, b) = ring_pair(eal, "million", 512, &PortConfig::new(pool)).unwrap();
    a.close().unwrap();
    b.close().unwrap();
}

/// What a full queue does not take stays with the sender.
#[test]
fn a_full_queue_leaves_the_rest() {
    let eal = eal();
    let pool = pool("full", 255);
    let config = PortConfig {
        rx_queues: 2,
        tx_queues: 2,
        ..PortConfig::new(pool)
    };
    let (mut a, mut b) = ring_pair(eal, "full", 64, &config).unwrap();
    let (mut qa, mut qb) = (a.start().unwrap(), b.start().unwrap());
    let mut burst = Burst::<64>::new();
    assert!(pool.fill(&mut burst, 50));
    assert_eq!(qa.tx[1].send(&mut burst), 50);
    assert!(pool.fill(&mut burst, 50));
    // A ring of 64 holds 63.
    assert_eq!(qa.tx[1].send(&mut burst), 13);
    assert_eq!(burst.len(), 37);
    burst.clear();
    assert_eq!(qb.rx[0].receive(&mut burst), 0);
    assert_eq!(qb.rx[1].receive(&mut burst), 63);
    // It is appended to what the burst holds.
    assert!(pool.fill(&mut Burst::<4>::new(), 4));
    assert_eq!(burst.len(), 63);
    burst.clear();
    assert_eq!(pool.in_use(), 0);
    let same = PortSpec::Ring {
        name: "full".into(),
        side: RingSide::A,
        size: 64,
    };
    let taken = Port::open(eal, &same, &config).unwrap_err();
    assert!(
        matches!(
            taken,
            Error::Call {
                call: "rte_eth_from_rings",
                ..
            }
        ),
        "{taken}"
    );
}

/// However many queues each side has, and whoever opens first, what is sent is received.
#[test]
fn ring_ports_of_unequal_width_lose_nothing() {
    let eal = eal();
    let pool = pool("unequal", 511);
    let side = |name: &str, side, rx_queues, tx_queues| {
        let spec = PortSpec::Ring {
            name: name.into(),
            side,
            size: 256,
        };
        let config = PortConfig {
            rx_queues,
            tx_queues,
            ..PortConfig::new(pool)
        };
        let mut port = Port::open(eal, &spec, &config).unwrap();
        let queues = port.start().unwrap();
        (port, queues)
    };
    for (round, (a, b)) in [((1, 3), (1, 1)), ((1, 1), (2, 3)), ((3, 2), (2, 3))]
        .into_iter()
        .enumerate()
    {
        let name = format!("unequal{round}");
        let (_port, mut near) = side(&name, RingSide::A, a.0, a.1);
        let (_peer, mut far) = side(&name, RingSide::B, b.0, b.1);
        assert_eq!((near.rx.len(), near.tx.len()), (a.0.into(), a.1.into()));
        for (from, to) in [(&mut near.tx, &mut far.rx), (&mut far.tx, &mut near.rx)] {
            let mut sent = 0;
            for tx in from.iter_mut() {
                let mut burst = Burst::<32>::new();
                assert!(pool.fill(&mut burst, 20));
                sent += tx.send(&mut burst);
            }
            let mut burst = Burst::<128>::new();
            let received: usize = to.iter_mut().map(|rx| rx.receive(&mut burst)).sum();
            assert_eq!((received, received), (sent, burst.len()), "{name}");
        }
        assert_eq!(pool.in_use(), 0);
    }
}

#[test]
fn null_ports_give_and_take() {
    let pool = pool("null", 255);
    let spec = PortSpec::Null {
        size: 64,
        copy: false,
    };
    let config = PortConfig {
        rx_offloads: RxOffloads::RSS_HASH.with(RxOffloads::IPV4_CHECKSUM),
        tx_offloads: TxOffloads::UDP_CHECKSUM,
        ..PortConfig::new(pool)
    };
    let mut port = Port::open(eal(), &spec, &config).unwrap();
    // It can do none of this, and says so.
    assert_eq!(port.info().rx_offloads, RxOffloads::NONE);
    assert_eq!(port.info().tx_offloads, TxOffloads::NONE);
    assert_eq!(port.info().rss, Rss::NONE);
    let (mut rx, mut tx) = port.start().unwrap().into_pairs().remove(0);
    let mut burst = Burst::<32>::new();
    for _ in 0..100 {
        assert_eq!(rx.receive(&mut burst), 32);
        assert!(
            burst
                .iter()
                .all(|mbuf| mbuf.len() == 64 && mbuf.port() == port.id())
        );
        assert_eq!(rx.receive(&mut burst), 0);
        assert_eq!(tx.send(&mut burst), 32);
        assert!(burst.is_empty());
        assert_eq!(tx.send(&mut burst), 0);
    }
    let stats = port.stats().unwrap();
    assert_eq!((stats.ipackets, stats.opackets), (3200, 3200));
    let counters = port.counters().unwrap();
    assert!(
        counters.contains(&("rx_good_packets".into(), 3200)),
        "{counters:?}"
    );
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn silent_ports_bring_nothing_and_take_all() {
    let pool = pool("silent", 63);
    let mut port = Port::open(eal(), &PortSpec::Silent, &PortConfig::new(pool)).unwrap();
    let (mut rx, mut tx) = port.start().unwrap().into_pairs().remove(0);
    let mut burst = Burst::<32>::new();
    for _ in 0..100 {
        assert_eq!(rx.receive(&mut burst), 0);
    }
    assert!(pool.fill(&mut burst, 32));
    assert_eq!(tx.send(&mut burst), 32);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn ports_that_cannot_be_are_refused_and_leave_nothing() {
    let eal = eal();
    let pool = pool("refused", 63);
    let config = PortConfig::new(pool);
    let open = |spec: &PortSpec, config: &PortConfig| Port::open(eal, spec, config).unwrap_err();
    let null = PortSpec::Null {
        size: 64,
        copy: false,
    };
    let many = PortConfig {
        rx_queues: 10_000,
        ..config.clone()
    };
    assert!(matches!(
        open(&null, &many),
        Error::Queues { rx: 10_000, .. }
    ));
    let jumbo = PortConfig {
        mtu: Some(9000),
        ..config.clone()
    };
    assert!(matches!(
        open(&null, &jumbo),
        Error::BufferTooSmall { have: 2048, .. }
    ));
    let none = PortConfig {
        pools: Vec::new(),
        ..config.clone()
    };
    assert!(matches!(open(&null, &none), Error::Argument { .. }));
    for spec in [
        PortSpec::AfPacket {
            interface: "no-such-if".into(),
        },
        PortSpec::AfXdp {
            interface: "no-such-if".into(),
            queue: 0,
            force_copy: false,
        },
        PortSpec::Pcap {
            rx: Some("/no/such/file.pcap".into()),
            tx: None,
        },
        PortSpec::Pci {
            address: "ffff:ff:1f.7".into(),
        },
    ] {
        let error = open(&spec, &config);
        let text = error.to_string();
        assert!(
            matches!(error, Error::Call { .. }) && text.contains(&spec.to_string()),
            "{text}"
        );
    }
    // All of them closed again: many more attempts than there are port numbers.
    for _ in 0..40 {
        open(&null, &many);
        let port = Port::open(eal, &null, &config).unwrap();
        port.close().unwrap();
    }
}

#[test]
fn capture_files_are_read_and_written() {
    let eal = eal();
    let pool = pool("pcap", 511);
    let directory = std::env::temp_dir().join(format!("dpdk-pcap-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (input, output) = (directory.join("in.pcap"), directory.join("out.pcap"));
    let frames: Vec<Vec<u8>> = (0..100_u8)
        .map(|n| vec![n; 60 + usize::from(n) * 10])
        .collect();
    std::fs::write(&input, capture(&frames)).unwrap();
    let spec = PortSpec::Pcap {
        rx: Some(input),
        tx: Some(output.clone()),
    };
    let mut port = Port::open(eal, &spec, &PortConfig::new(pool)).unwrap();
    let mut queues = port.start().unwrap();
    let mut burst = Burst::<32>::new();
    let mut seen = Vec::new();
    for _ in 0..100 {
        queues.rx[0].receive(&mut burst);
        seen.extend(burst.iter().map(|mbuf| mbuf.data().to_vec()));
        for mbuf in &mut burst {
            mbuf.data_mut()[0] = 0xee;
        }
        queues.tx[0].send(&mut burst);
        assert!(burst.is_empty());
    }
    assert_eq!(seen, frames);
    assert_eq!(pool.in_use(), 0);
    port.stop(queues).unwrap();
    port.close().unwrap();
    let mut changed = frames;
    for frame in &mut changed {
        frame[0] = 0xee;
    }
    assert_eq!(payloads(&std::fs::read(output).unwrap()), changed);
    std::fs::remove_dir_all(directory).unwrap();
}

/// A capture file of Ethernet frames, in the old format.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (number, frame) in frames.iter().enumerate() {
        let length = frame.len() as u32;
        for word in [number as u32, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The frames of such a file.
fn payloads(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        frames.push(after[..length].to_vec());
        rest = &after[length..];
    }
    frames
}

// ===== reclamation =====

#[test]
fn a_grace_period_waits_for_online_readers() {
    let set = qsbr::Qsbr::create(eal(), 2).unwrap();
    let (mut one, mut two) = (set.reader().unwrap(), set.reader().unwrap());
    assert!(set.reader().is_none());
    assert!(set.check(set.start()));
    one.online();
    two.online();
    let token = set.start();
    assert!(!set.check(token));
    one.quiescent();
    assert!(!set.check(token));
    two.offline();
    assert!(set.check(token));
    drop((one, two));
    assert!(set.check(set.start()));
    assert!(set.reader().is_some());
    assert!(qsbr::Qsbr::create(eal(), 0).is_err());
}
