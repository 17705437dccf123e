//! Ports that meet the kernel or another process's memory. Those that need root make a network
//! namespace of their own, which goes with the thread; without root they say that they were
//! skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "tests"
)]

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{eal, pool};
use dpdk::{Burst, Error, MacAddress, MemifRole, Pool, Port, PortConfig, PortSpec, Queues, Rx, Tx};

/// A protocol number for experiments: what the kernel sends by itself is told apart.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

/// Runs `body` on a thread with a network namespace of its own.
fn in_namespace(name: &str, body: impl FnOnce() + Send) {
    // Started before, in the namespace that stays.
    let _ = eal();
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: Concerns this thread alone.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                let why = std::io::Error::last_os_error();
                skip(&format!(
                    "{name}: no network namespace without root ({why})"
                ));
                return;
            }
            ip("link set lo up");
            body();
        });
    });
}

/// Says so past the test harness, which would keep it to itself; where all is to be tested, fails.
fn skip(why: &str) {
    assert!(
        std::env::var_os("UPF_REQUIRE_ROOT").is_none(),
        "not to be skipped: {why}"
    );
    let mut screen = std::io::stderr().lock();
    writeln!(screen, "SKIPPED {why}").unwrap();
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("iproute2");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {arguments}: {error}");
}

fn veth() {
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
}

fn frame(number: usize, length: usize) -> Vec<u8> {
    let mut frame = vec![number as u8; length];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&ETHERTYPE);
    frame[14..18].copy_from_slice(&(number as u32).to_be_bytes());
    frame
}

/// Sends frames of all lengths one way, in order, and sees that they arrive as they were.
fn pass(pool: &'static Pool, tx: &mut Tx, rx: &mut Rx, longest: usize) {
    let lengths = (60..=longest).step_by(97).chain([longest]);
    let frames: Vec<_> = lengths
        .enumerate()
        .map(|(n, length)| frame(n, length))
        .collect();
    let mut burst = Burst::<32>::new();
    let mut got = Vec::new();
    for chunk in frames.chunks(8) {
        let mut out = Burst::<8>::new();
        for frame in chunk {
            out.push(pool.packet(frame).unwrap()).unwrap();
        }
        let wanted = got.len() + chunk.len();
        for _ in 0..2000 {
            tx.send(&mut out);
            rx.receive(&mut burst);
            for mbuf in burst.drain() {
                if mbuf.data()[12..14] == ETHERTYPE {
                    got.push(mbuf.data().to_vec());
                }
            }
            if got.len() >= wanted {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert!(out.is_empty());
    }
    assert_eq!(got.len(), frames.len());
    assert_eq!(got, frames);
}

fn open(spec: &PortSpec, config: &PortConfig) -> (Port, Queues) {
    let mut port = Port::open(eal(), spec, config).unwrap();
    let queues = port.start().unwrap();
    (port, queues)
}

fn close((mut port, queues): (Port, Queues)) {
    port.stop(queues).unwrap();
    port.close().unwrap();
}

fn both_ways(pool: &'static Pool, a: &mut Queues, b: &mut Queues, longest: usize) {
    pass(pool, &mut a.tx[0], &mut b.rx[0], longest);
    pass(pool, &mut b.tx[0], &mut a.rx[0], longest);
}

#[test]
fn af_packet_carries_whole_frames_over_veth() {
    in_namespace("af_packet", || {
        veth();
        let pool = pool("af_packet", 2047);
        let spec = |interface: &str| PortSpec::AfPacket {
            interface: interface.into(),
        };
        // A full inner packet and its tunnel: 1500 + 20 + 8 + 16.
        let config = PortConfig {
            mtu: Some(1600),
            ..PortConfig::new(pool)
        };
        let mut left = open(&spec("left"), &config);
        let mut right = open(&spec("right"), &config);
        assert_eq!(left.0.info().driver, "net_af_packet");
        assert_eq!(left.0.mtu().unwrap(), 1600);
        assert!(left.0.link().unwrap().up);
        both_ways(pool, &mut left.1, &mut right.1, 1614);
        let stats = left.0.stats().unwrap();
        assert!(
            stats.opackets > 0 && stats.ipackets > 0 && stats.oerrors == 0,
            "{stats:?}"
        );
        close(left);
        close(right);
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn af_packet_carries_jumbo_frames_when_buffers_do() {
    in_namespace("af_packet jumbo", || {
        veth();
        let config = dpdk::PoolConfig {
            mbufs: 1023,
            cache: 32,
            data_room: 9216,
            ..dpdk::PoolConfig::named("jumbo")
        };
        let pool = Pool::create(eal(), &config).unwrap();
        let spec = |interface: &str| PortSpec::AfPacket {
            interface: interface.into(),
        };
        let config = PortConfig {
            mtu: Some(9000),
            rx_queues: 2,
            tx_queues: 2,
            ..PortConfig::new(pool)
        };
        let left = open(&spec("left"), &config);
        let right = open(&spec("right"), &config);
        close(left);
        close(right);
        let config = PortConfig {
            mtu: Some(9000),
            ..PortConfig::new(pool)
        };
        let mut left = open(&spec("left"), &config);
        let mut right = open(&spec("right"), &config);
        both_ways(pool, &mut left.1, &mut right.1, 9014);
        close(left);
        close(right);
        assert_eq!(pool.in_use(), 0);
    });
}

/// The kernel spreads flows over as many sockets as there are transmit queues: one receive queue
/// has them all.
#[test]
fn one_receive_queue_reads_what_the_kernel_spreads() {
    in_namespace("af_packet fanout", || {
        veth();
        let pool = pool("fanout", 2047);
        let spec = |interface: &str| PortSpec::AfPacket {
            interface: interface.into(),
        };
        let config = PortConfig {
            tx_queues: 3,
            ..PortConfig::new(pool)
        };
        let mut left = open(&spec("left"), &config);
        let mut right = open(&spec("right"), &config);
        assert_eq!((left.1.rx.len(), left.1.tx.len()), (1, 3));
        // 64 flows of UDP, from each of the transmit queues.
        let mut got = std::collections::BTreeSet::new();
        for tx in &mut left.1.tx {
            for flow in 0..64 {
                let mut burst = Burst::<32>::new();
                burst
                    .push(pool.packet(&udp(flow, tx.queue())).unwrap())
                    .unwrap();
                tx.send(&mut burst);
            }
        }
        for _ in 0..2000 {
            let mut burst = Burst::<32>::new();
            right.1.rx[0].receive(&mut burst);
            let udp = burst.iter().filter(|mbuf| mbuf.data()[12..14] == [8, 0]);
            got.extend(udp.map(|mbuf| (mbuf.data()[29], mbuf.data()[35])));
            if got.len() == 192 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(got.len(), 192);
        close(left);
        close(right);
    });
}

/// An IPv4 packet of flow `flow`, by its source address and port.
fn udp(flow: u8, queue: u16) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17]);
    frame[26..34].copy_from_slice(&[192, 0, 2, flow, 192, 0, 2, 200]);
    frame[34..40].copy_from_slice(&[0x10, queue as u8, 0x08, 0x68, 0, 26]);
    frame
}

/// Every driver takes what a configuration says as a matter of course: an MTU, promiscuous mode,
/// more transmit than receive queues where it has them.
#[test]
fn common_settings_suit_every_driver() {
    in_namespace("settings", || {
        veth();
        let config = PortConfig {
            mtu: Some(1500),
            promiscuous: true,
            ..PortConfig::new(pool("settings", 8191))
        };
        let wide = PortConfig {
            tx_queues: 2,
            ..config.clone()
        };
        let (file, memif, vhost) = (scratch("out"), scratch("memif2"), scratch("vhost2"));
        let (left, tap) = (String::from("left"), String::from("settap"));
        let ring = PortSpec::Ring {
            name: "set".into(),
            side: dpdk::RingSide::A,
            size: 64,
        };
        let xdp = PortSpec::AfXdp {
            interface: left.clone(),
            queue: 0,
            force_copy: true,
        };
        suits(
            &PortSpec::Null {
                size: 64,
                copy: false,
            },
            &wide,
        );
        suits(&ring, &wide);
        suits(
            &PortSpec::Pcap {
                rx: None,
                tx: Some(file.clone()),
            },
            &config,
        );
        suits(&PortSpec::AfPacket { interface: left }, &wide);
        suits(&xdp, &config);
        suits(
            &PortSpec::Tap {
                name: tap,
                mac: None,
            },
            &wide,
        );
        suits(
            &PortSpec::Memif {
                socket: memif,
                id: 1,
                role: MemifRole::Server,
            },
            &wide,
        );
        suits(
            &PortSpec::VhostUser {
                path: vhost,
                client: false,
            },
            &wide,
        );
        drop(std::fs::remove_file(file));
    });
}

fn suits(spec: &PortSpec, config: &PortConfig) {
    let mut port = Port::open(eal(), spec, config).unwrap_or_else(|error| panic!("{error}"));
    let queues = port.start().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(queues.tx.len(), config.tx_queues.into());
    assert_eq!(port.info().mtu, 1500, "{spec}");
    close((port, queues));
}

/// A path that no other test, nor another run, uses.
fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dpdk-{name}-{}", std::process::id()))
}

/// Where the kernel has XDP sockets they work; where not, the error is clean.
#[test]
fn af_xdp_works_or_says_why_not() {
    in_namespace("af_xdp", || {
        veth();
        let pool = pool("af_xdp", 8191);
        let spec = |interface: &str| PortSpec::AfXdp {
            interface: interface.into(),
            queue: 0,
            force_copy: true,
        };
        let mut config = PortConfig::new(pool);
        config.rx_descriptors = 512;
        config.tx_descriptors = 512;
        let mut left = match Port::open(eal(), &spec("left"), &config) {
            Ok(port) => port,
            Err(error) => {
                assert!(matches!(error, Error::Call { .. }));
                skip(&format!("af_xdp: {error}"));
                return;
            }
        };
        let queues = left.start().unwrap();
        let mut left = (left, queues);
        let mut right = open(&spec("right"), &config);
        both_ways(pool, &mut left.1, &mut right.1, 1514);
        close(left);
        close(right);
    });
}

/// A full inner packet and its tunnel pass here too.
#[test]
fn af_xdp_carries_tunnelled_frames() {
    in_namespace("af_xdp mtu", || {
        veth();
        let pool = pool("af_xdp_mtu", 8191);
        let spec = |interface: &str| PortSpec::AfXdp {
            interface: interface.into(),
            queue: 0,
            force_copy: false,
        };
        let config = PortConfig {
            mtu: Some(1600),
            ..PortConfig::new(pool)
        };
        let mut left = match Port::open(eal(), &spec("left"), &config) {
            Ok(port) => port,
            Err(error) => return skip(&format!("af_xdp: {error}")),
        };
        let queues = left.start().unwrap();
        let mut left = (left, queues);
        let mut right = open(&spec("right"), &config);
        both_ways(pool, &mut left.1, &mut right.1, 1614);
        close(left);
        close(right);
    });
}

#[test]
fn tap_meets_the_kernel() {
    in_namespace("tap", || {
        let pool = pool("tap", 2047);
        let mac = MacAddress([2, 0, 0, 0, 0, 0x77]);
        let spec = PortSpec::Tap {
            name: "upftap".into(),
            mac: Some(mac),
        };
        let mut tap = open(&spec, &PortConfig::new(pool));
        assert_eq!(tap.0.mac().unwrap(), mac);
        ip("link set upftap up");
        let kernel = PortSpec::AfPacket {
            interface: "upftap".into(),
        };
        let mut kernel = open(&kernel, &PortConfig::new(pool));
        both_ways(pool, &mut tap.1, &mut kernel.1, 1514);
        close(kernel);
        close(tap);
        let output = Command::new("ip")
            .args(["link", "show", "upftap"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "the interface goes with the port");
        assert_eq!(pool.in_use(), 0);
    });
}

// ===== shared memory: no root needed =====

#[test]
fn memif_joins_two_ports() {
    let socket = scratch("memif");
    let pool = pool("memif", 4095);
    let spec = |role| PortSpec::Memif {
        socket: socket.clone(),
        id: 0,
        role,
    };
    let mut server = open(&spec(MemifRole::Server), &PortConfig::new(pool));
    let mut client = open(&spec(MemifRole::Client), &PortConfig::new(pool));
    wait_for_link(&server.0);
    wait_for_link(&client.0);
    both_ways(pool, &mut server.1, &mut client.1, 1514);
    close(client);
    close(server);
    drop(std::fs::remove_file(socket));
}

#[test]
fn vhost_and_virtio_user_join_two_ports() {
    let path = scratch("vhost");
    let pool = pool("vhost", 4095);
    let vhost = PortSpec::VhostUser {
        path: path.clone(),
        client: false,
    };
    let mut config = PortConfig::new(pool);
    config.rx_descriptors = 256;
    config.tx_descriptors = 256;
    config.mtu = Some(1500);
    config.promiscuous = true;
    let mut vhost = open(&vhost, &config);
    let mac = Some(MacAddress([2, 0, 0, 0, 0, 1]));
    let virtio = PortSpec::VirtioUser {
        path: path.clone(),
        server: false,
        mac,
    };
    let mut virtio = open(&virtio, &config);
    wait_for_link(&vhost.0);
    both_ways(pool, &mut virtio.1, &mut vhost.1, 1514);
    close(virtio);
    close(vhost);
    drop(std::fs::remove_file(path));
}

fn wait_for_link(port: &Port) {
    for _ in 0..500 {
        if port.link().unwrap().up {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{} has no link", port.name());
}
