//! `upf run` between real hosts: handovers under load, a chain of two UPFs, and gateways that go.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

mod network;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use network::{
    COMMON, Capture, GNB, N6, Network, OTHER_GNB, Ran, SERVER4, SERVER6, Setup, UE4, UE6,
    associated, fetch, is_data_network, serve, tunnel, turn,
};
use simulator::gtp::{self, Gtp};
use simulator::{Flavour, SessionSpec, Smf, Tunnel};
use test_harness::folder::Folder;
use test_harness::namespace::Namespace;
use test_harness::process::{Process, run_upf};
use test_harness::skip;

/// How often the UE moves.
const HANDOVERS: u32 = 20;
/// How many packets there are in a second.
const PACKETS_PER_S: u64 = 4000;

/// What a gNB was sent, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Packet { teid: u32, number: u32 },
    EndMarker { teid: u32 },
}

fn watch(gnb: &UdpSocket, until: &AtomicBool) -> Vec<Seen> {
    gnb.set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let (mut buffer, mut seen) = (vec![0; 2048], Vec::new());
    loop {
        let Ok((length, _)) = gnb.recv_from(&mut buffer) else {
            if until.load(Ordering::Relaxed) {
                return seen;
            }
            continue;
        };
        let gtp = Gtp::parse(&buffer[..length]).unwrap();
        let teid = gtp.teid;
        match gtp.message_type {
            // IPv4 and UDP, then its number.
            gtp::G_PDU => seen.push(Seen::Packet {
                teid,
                number: u32::from_be_bytes(gtp.payload[28..32].try_into().unwrap()),
            }),
            gtp::END_MARKER => seen.push(Seen::EndMarker { teid }),
            _ => {}
        }
    }
}

/// A host sends to the UE all the time, in order.
fn send_numbers(host: &UdpSocket, until: &AtomicBool) -> u32 {
    let mut number = 0_u32;
    while !until.load(Ordering::Relaxed) {
        for _ in 0..PACKETS_PER_S / 500 {
            host.send_to(&number.to_be_bytes(), (UE4, 9000)).unwrap();
            number += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    number
}

/// Every tunnel gets its packets in order and one end marker behind them, the next one goes on
/// where it ended, and no packet is lost.
#[test]
fn a_handover_loses_nothing_and_changes_no_order() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    let gnbs = [GNB, OTHER_GNB].map(|gnb| network.ran.udp(&format!("{gnb}:2152")).unwrap());
    let spec = SessionSpec {
        ue_ipv4: Some(UE4.parse().unwrap()),
        ..Default::default()
    };
    let session = network.smf.establish(spec).unwrap();
    let place = |number: u32| Tunnel {
        address: [GNB, OTHER_GNB][number as usize % 2].parse().unwrap(),
        teid: 0x100 + number,
    };
    network.smf.activate(session, place(0)).unwrap();
    // Neighbours are known before it begins.
    Network::ask(&network.core, &[UE4]);
    network.smf.path_switch(session, place(1)).unwrap();
    Network::ask(&network.core, &[UE4]);
    let host = network.core.udp("10.10.6.1:9000").unwrap();
    let (sent_all, seen_all) = (AtomicBool::new(false), AtomicBool::new(false));
    let smf = &mut network.smf;
    let (sent, seen) = std::thread::scope(|scope| {
        let watching = gnbs
            .each_ref()
            .map(|gnb| scope.spawn(|| watch(gnb, &seen_all)));
        let sending = scope.spawn(|| send_numbers(&host, &sent_all));
        for number in 2..2 + HANDOVERS {
            std::thread::sleep(Duration::from_millis(50));
            smf.path_switch(session, place(number)).unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
        sent_all.store(true, Ordering::Relaxed);
        let sent = sending.join().unwrap();
        seen_all.store(true, Ordering::Relaxed);
        (sent, watching.map(|gnb| gnb.join().unwrap()))
    });
    let mut next = 0;
    for number in 1..2 + HANDOVERS {
        let teid = 0x100 + number;
        let here = seen[number as usize % 2].iter().filter(|seen| match seen {
            Seen::Packet { teid: own, .. } | Seen::EndMarker { teid: own } => *own == teid,
        });
        // The ping was no number.
        let here: Vec<Seen> = here
            .copied()
            .filter(|seen| !matches!(seen, Seen::Packet { number, .. } if *number > sent))
            .collect();
        let is_last = number == 1 + HANDOVERS;
        let packets = here.len() - usize::from(!is_last);
        for seen in &here[..packets] {
            assert_eq!(*seen, Seen::Packet { teid, number: next });
            next += 1;
        }
        if !is_last {
            assert_eq!(here.last(), Some(&Seen::EndMarker { teid }));
        }
    }
    assert_eq!(next, sent, "{}", network.upf.log());
    assert!(u64::from(sent) > PACKETS_PER_S / 4, "{sent} packets");
    network.finish();
}

// ===== a chain =====

/// What is said of an intermediate UPF.
const INTERMEDIATE: &str = r#"
ports:
  - { name: ran, device: "af_packet:n3", mtu: 1600 }
  - { name: next, device: "af_packet:n9", mtu: 1600 }
interfaces:
  - { name: n3, role: n3, port: ran, addresses: [10.10.3.7/24, "2001:db8:3::7/64"] }
  - { name: n9, role: n9, port: next, addresses: [10.10.9.7/24, "2001:db8:9::7/64"] }
"#;

/// And of the anchor behind it.
const ANCHOR: &str = r#"
ports:
  - { name: next, device: "af_packet:n9", mtu: 1600 }
  - { name: core, device: "af_packet:n6" }
interfaces:
  - { name: n9, role: n9, port: next, addresses: [10.10.9.8/24, "2001:db8:9::8/64"] }
  - { name: n6, role: n6, port: core, addresses: [10.10.6.7/24, "2001:db8:6::7/64"] }
networks:
  - { name: internet, interface: n6, ue_pools: [10.45.0.0/16, "2001:db8:cafe::/48"], mtu: 1400 }
"#;

/// A UPF with its SMF beside it, in a namespace of its own.
struct Node {
    smf: Smf,
    upf: Process,
    _namespace: Namespace,
    folder: Folder,
}

impl Node {
    fn start(namespace: Namespace, configuration: &str) -> Self {
        for address in ["10.10.4.7/32", "10.10.4.2/32"] {
            namespace.address("lo", address).unwrap();
        }
        let folder = Folder::new("chain").unwrap();
        let text = format!("pfcp: {{ address: 10.10.4.7 }}{COMMON}{configuration}");
        let mut upf = run_upf(&namespace, folder.path(), &text).unwrap();
        Self {
            smf: associated(&namespace, &mut upf),
            upf,
            _namespace: namespace,
            folder,
        }
    }
}

/// gNB, UPF, UPF, data network; N3 over IPv4, and N9 over both families.
#[test]
fn two_upfs_in_a_row_carry_traffic() {
    if !skip::is_root() {
        return;
    }
    let _turn = turn();
    let [first, last, ran, core] =
        ["iupf", "psa", "ran", "core"].map(|label| Namespace::new(label).unwrap());
    first.cable("n3", &ran, "ran0").unwrap();
    first.cable("n9", &last, "n9").unwrap();
    last.cable("n6", &core, "core0").unwrap();
    for (at, interface) in [(&first, "n3"), (&first, "n9"), (&last, "n9"), (&last, "n6")] {
        at.hands_off(interface).unwrap();
    }
    for gnb in [GNB, OTHER_GNB] {
        ran.address("ran0", &format!("{gnb}/24")).unwrap();
    }
    is_data_network(&core, "core0");
    serve(&core, &[SERVER4, SERVER6], "internet");
    let (mut first, mut last) = (Node::start(first, INTERMEDIATE), Node::start(last, ANCHOR));
    let capture = Capture::start(&ran, "ran0", first.folder.path().join("n3.pcap"));
    let mut ran = Ran::new(ran);
    for v6 in [false, true] {
        let spec = SessionSpec {
            ue_ipv4: Some(UE4.parse().unwrap()),
            ue_ipv6: Some(UE6.parse().unwrap()),
            ..Default::default()
        };
        let outer = |tunnel: simulator::UplinkTunnel| Tunnel {
            address: if v6 {
                tunnel.ipv6.unwrap().into()
            } else {
                tunnel.ipv4.unwrap().into()
            },
            teid: tunnel.teid,
        };
        let at_last = last.smf.establish(spec.clone()).unwrap();
        let there = last.smf.sessions().get(at_last).unwrap().uplink;
        let anchor = Some(outer(there));
        let at_first = first.smf.establish(SessionSpec { anchor, ..spec }).unwrap();
        let known = first.smf.sessions().get(at_first).unwrap();
        let (uplink, back) = (known.uplink, outer(known.core_tunnel.unwrap()));
        first.smf.activate(at_first, tunnel(GNB)).unwrap();
        last.smf.activate(at_last, back).unwrap();
        ran.start(GNB, "10.10.3.7", uplink.teid, first.folder.path());
        ran.connect(&[UE4, UE6]);
        for (ue, server) in [(UE4, SERVER4), (UE6, SERVER6)] {
            // The first packet may wait for neighbours.
            ran.ping(ue, server, 3, &[]);
            let log = || format!("{}\n{}", first.upf.log(), last.upf.log());
            assert_eq!(ran.ping(ue, server, 10, &[]), 10, "{}", log());
            assert_eq!(ran.ping(ue, server, 5, &["-s", "1300"]), 5, "{}", log());
            assert_eq!(fetch(&ran, server, ue), "internet");
            // One hop, not two: from tunnel to tunnel no packet is routed.
            assert_eq!(ran.ping(ue, server, 1, &["-t", "2"]), 1);
        }
        // The anchor moves the session away from the first UPF, which passes the end marker on.
        last.smf.path_switch(at_last, tunnel(OTHER_GNB)).unwrap();
        network::wait(
            "end marker",
            || ran.log(),
            || ran.log().contains("message 254"),
        );
        ran.stop();
        first.smf.delete(at_first).unwrap();
        last.smf.delete(at_last).unwrap();
    }
    first.upf.stop().unwrap();
    last.upf.stop().unwrap();
    if let Some(capture) = capture {
        capture.check();
    }
}

/// Makes a host a gateway to 198.51.100.0/24, which is behind it.
fn is_gateway(host: &Namespace, interface: &str, address: &str) {
    host.address(interface, address).unwrap();
    host.up(interface).unwrap();
    let here = ["route", "add", "local", "198.51.100.0/24", "dev", "lo"];
    host.ip(&here).unwrap();
}

/// Of two gateways to a destination one goes: its flows take the other one before long.
#[test]
fn a_gateway_that_is_gone_is_left_out() {
    /// Each destination is a flow.
    const FLOWS: u32 = 12;
    /// From the last answer of a gateway until it is left out, and a second.
    const NOTICED_S: u64 = 9;
    if !skip::is_root() {
        return;
    }
    let mut network = Network::with(Setup {
        n6_routes: "      - { to: 198.51.100.0/24, via: 10.10.6.3 }
      - { to: 198.51.100.0/24, via: 10.10.6.4 }\n",
        ..Setup::default()
    });
    let gateways = [("gw3", "10.10.6.3/24"), ("gw4", "10.10.6.4/24")].map(|(name, address)| {
        let host = Namespace::new(name).unwrap();
        let mac_vlan = [
            "link", "add", "link", "core0", "name", name, "type", "macvlan",
        ];
        network
            .core
            .ip(&[&mac_vlan[..], &["mode", "bridge"]].concat())
            .unwrap();
        network
            .core
            .ip(&["link", "set", name, "netns", host.name()])
            .unwrap();
        is_gateway(&host, name, address);
        host.ip(&["route", "add", "10.45.0.0/16", "via", "10.10.6.7"])
            .unwrap();
        host
    });
    network.attach(Flavour::Open5gs);
    let to_them = ["route", "add", "198.51.100.0/24", "dev", "ue0"];
    network.ran.ip(&to_them).unwrap();
    let answered = |network: &Network| -> u32 {
        let flows = (1..=FLOWS).map(|flow| format!("198.51.100.{flow}"));
        flows
            .map(|to| network.ping(UE4, &to, 1, &["-W", "1"]))
            .sum()
    };
    network.wait("both gateways", |network| answered(network) == FLOWS);
    gateways[0].ip(&["link", "set", "gw3", "down"]).unwrap();
    let some = answered(&network);
    assert!(
        (1..FLOWS).contains(&some),
        "{some} flows go by the other one"
    );
    std::thread::sleep(Duration::from_secs(NOTICED_S));
    assert_eq!(answered(&network), FLOWS, "{}", network.upf.log());
    network.finish();
}
