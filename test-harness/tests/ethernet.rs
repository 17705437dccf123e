//! `upf run` between real hosts: devices that send Ethernet frames, behind gNBs, and a host on the
//! other side of N6. The kernels' ARP, IP and TCP are theirs; the UPF carries frames.
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

use std::time::Duration;

use network::{GNB, N6, Network, SECOND_GNB, SERVER4, Setup, iperf3, number, tunnel};
use simulator::{Event, SessionSpec};
use test_harness::skip;

const DEVICE: &str = "10.10.6.50";
const DEVICE_MAC: &str = "02:00:00:00:0d:01";
const OTHER: &str = "10.10.6.51";
const OTHER_MAC: &str = "02:00:00:00:0d:02";
const UPF: &str = "10.10.3.7";

fn start(network: &'static str) -> Network {
    Network::with(Setup {
        n6: N6::Ethernet,
        network,
        ..Setup::default()
    })
}

fn establish(network: &mut Network, gnb: &str) -> (u32, u32) {
    let spec = SessionSpec {
        ethernet: true,
        ..Default::default()
    };
    let number = network.smf.establish(spec).unwrap();
    network.smf.activate(number, tunnel(gnb)).unwrap();
    let teid = network.smf.sessions().get(number).unwrap().uplink.teid;
    (number, teid)
}

/// A session, with its device behind the first gNB.
fn attach(network: &mut Network) -> u32 {
    let (number, teid) = establish(network, GNB);
    let device = (DEVICE_MAC, "10.10.6.50/24");
    let folder = network.folder.path();
    network.ran.start_device((GNB, UPF), teid, folder, device);
    number
}

/// Another one behind the second gNB.
fn attach_second(network: &mut Network, (mac, address): (&str, &str)) -> u32 {
    let (number, teid) = establish(network, SECOND_GNB);
    let device = (mac, &*format!("{address}/24"));
    let folder = network.folder.path();
    let ends = (SECOND_GNB, UPF);
    network.second.start_device(ends, teid, folder, device);
    number
}

/// What the SMF has been told of stations within so many seconds, until it is this much.
fn told(network: &mut Network, seconds: u64, most: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..seconds * 10 {
        let event = network.smf.wait_event(Duration::from_millis(100)).unwrap();
        let Some(Event::Usage { session, reports }) = event else {
            continue;
        };
        for report in reports {
            let Some(information) = report.ethernet_traffic_information else {
                continue;
            };
            let detected = information.mac_addresses_detecteds.iter();
            let removed = information.mac_addresses_removeds.iter();
            let lists = detected
                .map(|list| ('+', &list.0.addresses))
                .chain(removed.map(|list| ('-', &list.0.addresses)));
            for (sign, addresses) in lists {
                all.extend(addresses.iter().map(|mac| {
                    let octets: Vec<String> =
                        mac.0.iter().map(|octet| format!("{octet:02x}")).collect();
                    format!("{session} {sign}{}", octets.join(":"))
                }));
            }
        }
        if all.len() >= most {
            break;
        }
    }
    all
}

#[test]
fn an_ethernet_session_carries_frames_and_its_stations_are_told_of() {
    if !skip::is_root() {
        return;
    }
    let mut network = start("    ethernet: { aging_s: 4 }");
    let session = attach(&mut network);
    // ARP goes through the tunnel as everything does.
    network.ping(DEVICE, SERVER4, 2, &[]);
    let log = network.upf.log();
    assert_eq!(network.ping(DEVICE, SERVER4, 20, &[]), 20, "{log}");
    assert_eq!(network.ping(DEVICE, SERVER4, 5, &["-s", "1300"]), 5);
    let detected = format!("{session} +{DEVICE_MAC}");
    assert_eq!(told(&mut network, 3, 1), std::slice::from_ref(&detected));
    if skip::has_iperf3() {
        for (name, extra) in [("uplink", &[][..]), ("downlink", &["-R"])] {
            let report = iperf3(&network, (DEVICE, SERVER4), extra);
            let rate = number(&report, "/end/sum_received/bits_per_second");
            eprintln!("TCP {name}: {:.1} Mbit/s", rate / 1e6);
            assert!(rate > 1e6, "TCP {name}: {rate} bit/s");
        }
    }
    // The host finds the device, too.
    let text = Network::ask(&network.core, &[DEVICE]);
    assert!(text.contains("1 received"), "{text}");
    // It is silent for long (the kernel's IPv6 is, too), and is forgotten; then it is back.
    let [on, off] = [0, 1].map(|off| format!("net.ipv6.conf.ue0.disable_ipv6={off}"));
    network.ran.run("sysctl", &["-qw", &off]).unwrap();
    network
        .core
        .ip(&["neigh", "flush", "dev", "core0"])
        .unwrap();
    let removed = format!("{session} -{DEVICE_MAC}");
    assert_eq!(told(&mut network, 20, 1), [removed]);
    assert_eq!(network.ping(DEVICE, SERVER4, 5, &[]), 5);
    assert_eq!(told(&mut network, 3, 1), [detected]);
    network.ran.run("sysctl", &["-qw", &on]).unwrap();
    network.smf.delete(session).unwrap();
    assert_eq!(network.ping(DEVICE, SERVER4, 3, &[]), 0);
    network.finish();
}

#[test]
fn a_device_that_moves_takes_its_station_along() {
    if !skip::is_root() {
        return;
    }
    let mut network = start("    ethernet: { move_after_s: 2 }");
    let first = attach(&mut network);
    network.ping(DEVICE, SERVER4, 2, &[]);
    assert_eq!(network.ping(DEVICE, SERVER4, 5, &[]), 5);
    assert_eq!(told(&mut network, 3, 1), [format!("{first} +{DEVICE_MAC}")]);
    // Out of one machine, into another.
    network.ran.stop();
    std::thread::sleep(Duration::from_secs(3));
    let second = attach_second(&mut network, (DEVICE_MAC, DEVICE));
    network.second.ping(DEVICE, SERVER4, 4, &["-i", "0.3"]);
    assert_eq!(network.second.ping(DEVICE, SERVER4, 10, &[]), 10);
    let told = told(&mut network, 3, 2);
    let expected = [
        format!("{first} -{DEVICE_MAC}"),
        format!("{second} +{DEVICE_MAC}"),
    ];
    assert_eq!(told, expected);
    network.finish();
}

#[test]
fn devices_reach_each_other_inside_the_upf_where_that_is_wanted() {
    if !skip::is_root() {
        return;
    }
    for (configuration, together) in [
        ("    ue_to_ue: local\n    ethernet: {}", true),
        ("    ethernet: {}", false),
    ] {
        let mut network = start(configuration);
        attach(&mut network);
        attach_second(&mut network, (OTHER_MAC, OTHER));
        for (host, from) in [(&network.ran, DEVICE), (&network.second, OTHER)] {
            host.ping(from, SERVER4, 2, &[]);
            assert_eq!(host.ping(from, SERVER4, 5, &[]), 5);
        }
        network.ping(DEVICE, OTHER, 2, &[]);
        let answered = network.ping(DEVICE, OTHER, 10, &[]);
        assert_eq!(answered, if together { 10 } else { 0 }, "{configuration}");
        network.finish();
    }
}
