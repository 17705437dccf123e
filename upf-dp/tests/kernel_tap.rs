//! N6 through a TAP: the host of this test pings a UE, and gets its answer through the tunnel.
//! Runs in a network namespace of its own; skipped where none can be made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::wildcard_imports,
    missing_docs,
    reason = "tests"
)]

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dpdk::{Burst, Eal, EalConfig, Pool, PoolConfig, Port, PortConfig, PortSpec, ring_pair};
use session::neighbour::{Neighbours, NextHop};
use session::plan::Installed;
use session::report::queues;
use session::rule::{OuterHeaderCreation, UeAddress};
use session::{Context, Sizes, Tables, Teid};
use upf_dp::testbed::*;
use upf_dp::{DataPath, DataPathConfig, HoldConfig, Idle, SlowConfig};

#[test]
fn the_host_pings_a_ue() {
    let may = Command::new("unshare")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no network namespace can be made here");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .arg("-n")
        .arg(own)
        .args(["in_a_namespace", "--ignored", "--exact", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}");
}

#[test]
#[ignore = "run by the_host_pings_a_ue, in a namespace of its own"]
fn in_a_namespace() {
    let eal = Eal::start(EalConfig {
        memory_mib: 128,
        telemetry: false,
        ..EalConfig::default()
    })
    .unwrap();
    let pool = Pool::create(
        eal,
        &PoolConfig {
            mbufs: 8191,
            ..PoolConfig::named("packets")
        },
    );
    let pool = pool.unwrap();
    let config = PortConfig {
        mtu: Some(1600),
        ..PortConfig::new(pool)
    };
    let (n3, mut gnb) = ring_pair(eal, "tap3", 256, &config).unwrap();
    let spec = PortSpec::Tap {
        name: "upf0".into(),
        mac: None,
    };
    let n6 = Port::open(
        eal,
        &spec,
        &PortConfig {
            mtu: Some(1500),
            ..config
        },
    )
    .unwrap();
    let mut topology = topology();
    topology.interfaces[2].kernel = Some(vec![]);
    topology.interfaces[2].addresses.clear();
    topology.interfaces[2].routes.clear();
    let neighbours = Arc::new(Neighbours::default());
    let hop = NextHop {
        interface: N3,
        address: GNB.into(),
    };
    let next_hop = neighbours.id(hop);
    neighbours.fix(hop, MAC_GNB);
    let (mut publisher, readers) = Tables::create(Sizes {
        sessions: 4,
        tunnels: 4,
        workers: 1,
        seed: 3,
    });
    let ue = Ipv4Addr::new(10, 45, 0, 2);
    let (index, owner) = publisher.reserve().unwrap();
    let teid = publisher.choose_teid(owner).unwrap();
    let tunnel = OuterHeaderCreation {
        teid: Teid(7),
        peer: GNB.into(),
        interface: N3,
        source: N3_ADDRESS.into(),
        next_hop,
    };
    let rules = usual_rules(
        teid,
        UeAddress {
            ipv4: Some(ue),
            ipv6: None,
        },
        tunnel,
    );
    let context = Context {
        session: index,
        owner,
        hz: 2_000_000_000,
        burst: session::meter::Burst::of_ms(100),
        buffer_packets: 4,
        ..Context::default()
    };
    let compiled = Installed::default()
        .compile(rules, &context, |_| true)
        .unwrap();
    publisher
        .publish(index, compiled.plan, &compiled.keys)
        .unwrap();
    let (end, _control) = queues(16);
    let config = DataPathConfig {
        ports: vec![n3, n6],
        pool,
        topology: Arc::new(topology),
        neighbours,
        own_addresses: vec![N4_ADDRESS.into()],
        workers: vec![None],
        more_pools: vec![],
        hold: HoldConfig::of_packets(16),
        slow: SlowConfig::default(),
        idle: Idle::default(),
        ring_packets: 16,
    };
    let path = DataPath::start(eal, config, readers, vec![end]).unwrap();
    let mac = path.links()[0].mac;
    ip("addr add 10.45.0.1/16 dev upf0");
    ip("link set upf0 up");
    let ping = Command::new("ping")
        .args(["-c", "3", "-W", "3", "10.45.0.2"])
        .spawn();
    let mut ping = ping.unwrap();
    // The gNB and its UE: whatever is asked by ping is answered.
    let mut queues = gnb.start().unwrap();
    let (mut burst, mut answers) = (Burst::<64>::new(), 0);
    let end = Instant::now() + Duration::from_secs(15);
    let status = loop {
        queues.rx[0].receive(&mut burst);
        let asked: Vec<Vec<u8>> = burst.drain().map(|packet| packet.data().to_vec()).collect();
        for frame_in in asked
            .iter()
            .filter(|frame| frame.len() > 78 && frame[43] == 255)
        {
            let mut user = frame_in[58..].to_vec();
            if user[9] != 1 || user[20] != 8 {
                continue;
            }
            user.copy_within(12..16, 16);
            user[12..16].copy_from_slice(&ue.octets());
            user[20] = 0;
            let checksum = u16::from_be_bytes([user[22], user[23]]);
            let (sum, carry) = checksum.overflowing_add(0x800);
            user[22..24].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
            set_ipv4_checksum(&mut user[..20]);
            let message = gpdu(teid, Some(9), &user);
            let reply = frame(mac, MAC_GNB, None, &datagram_v4(GNB, N3_ADDRESS, &message));
            burst.push(pool.packet(&reply).unwrap()).unwrap();
            answers += 1;
        }
        queues.tx[0].send(&mut burst);
        if let Some(status) = ping.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "ping does not end");
        std::thread::yield_now();
    };
    let stopped = path.stop().unwrap();
    assert_eq!(stopped.counts[0].missing(), 0);
    assert!(
        status.success() && answers == 3,
        "{answers} answered: {:?}",
        stopped.counts
    );
}
