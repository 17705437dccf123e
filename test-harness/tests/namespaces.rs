//! `upf run` between real hosts: what a session carries, paging, handover, every SMF.
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

use std::path::PathBuf;
use std::time::Duration;

use network::{
    DOWNLINK_TEID, N6, Network, OTHER_GNB, Outer, SERVER4, SERVER6, Setup, UE4, UE6, iperf3, number,
};
use simulator::{Event, Flavour, Tunnel};
use test_harness::process::Process;
use test_harness::skip;

/// What a session must carry, whatever N6 is made of.
fn carries_traffic(n6: N6) {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(n6);
    let session = network.attach(Flavour::Open5gs);
    // The first packet may wait for a neighbour.
    network.ping(UE4, SERVER4, 2, &[]);
    network.ping(UE6, SERVER6, 2, &[]);
    assert_eq!(
        network.ping(UE4, SERVER4, 20, &[]),
        20,
        "{}",
        network.upf.log()
    );
    assert_eq!(
        network.ping(UE6, SERVER6, 20, &[]),
        20,
        "{}",
        network.upf.log()
    );
    assert_eq!(network.ping(UE4, SERVER4, 5, &["-s", "1300"]), 5);

    if skip::has_iperf3() {
        for (name, extra) in [("uplink", &[][..]), ("downlink", &["-R"])] {
            let report = iperf3(&network, (UE4, SERVER4), extra);
            let rate = number(&report, "/end/sum_received/bits_per_second");
            eprintln!("TCP {name}: {:.1} Mbit/s", rate / 1e6);
            assert!(rate > 1e6, "TCP {name}: {rate} bit/s");
        }
        let report = iperf3(&network, (UE4, SERVER4), &["-u", "-b", "10M", "-l", "1200"]);
        let lost = number(&report, "/end/sum/lost_percent");
        eprintln!("UDP: {lost} % lost at 10 Mbit/s");
        assert!(lost < 5.0, "{lost} % of UDP lost");
    }
    network.smf.delete(session).unwrap();
    assert_eq!(
        network.ping(UE4, SERVER4, 3, &[]),
        0,
        "a session that is gone carries nothing"
    );
    network.wait("error indication", |network| {
        network.gnb_log().contains("message 26")
    });
    network.finish();
}

#[test]
fn a_session_carries_traffic_over_packet_sockets() {
    carries_traffic(N6::AfPacket);
}

#[test]
fn a_session_carries_traffic_through_the_kernel() {
    carries_traffic(N6::Tap);
}

/// TCP reaches what it may have, and no more: by a QER in one direction, by the operator's limit of
/// the network in the other.
#[test]
fn tcp_gets_its_rate_through_a_policer() {
    if !skip::is_root() || !skip::has_iperf3() {
        return;
    }
    let mut network = Network::with(Setup {
        network: "    limits: { uplink_kbps: 30000 }",
        ..Setup::default()
    });
    network.ambr_downlink_kbps = 50_000;
    network.attach(Flavour::Open5gs);
    network.ping(UE4, SERVER4, 2, &[]);
    for (name, kbps, extra) in [("downlink", 50e3, &["-R"][..]), ("uplink", 30e3, &[])] {
        // What every kernel has, and most hosts come near.
        let arguments = [extra, &["-C", "reno", "-t", "5", "-O", "1"]].concat();
        let report = iperf3(&network, (UE4, SERVER4), &arguments);
        let rate = number(&report, "/end/sum_received/bits_per_second") / 1e3 / kbps;
        eprintln!("TCP {name}: {:.1} % of {kbps} kbit/s", rate * 100.0);
        // What TCP counts is less than the IP packets that the rate is of, and a burst is more.
        assert!(rate > 0.9, "TCP {name}: {rate} of {kbps} kbit/s");
        assert!(rate < 1.06, "TCP {name}: {rate} of {kbps} kbit/s");
    }
    // Of twice the rate of UDP a half is lost, and a little on the way to and from the policer.
    let udp = ["-R", "-u", "-b", "100M", "-l", "1172", "-t", "5", "-O", "2"];
    let report = iperf3(&network, (UE4, SERVER4), &udp);
    let rate = number(&report, "/end/sum_received/bits_per_second") / 1e3;
    // 1200 octets of IP carry 1172.
    let rate = rate * 1200.0 / 1172.0 / 50e3;
    eprintln!("UDP: {:.2} % of 50 Mbit/s", rate * 100.0);
    assert!((0.9..1.01).contains(&rate), "{rate}");
    network.finish();
}

#[test]
fn an_idle_ue_is_paged_and_goes_on() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    let session = network.attach(Flavour::Open5gs);
    network.ping(UE4, SERVER4, 2, &[]);
    assert_eq!(network.ping(UE4, SERVER4, 5, &[]), 5);
    network.smf.idle(session).unwrap();
    // The data network pings the UE, which has to be found first.
    let mut command = network.core.command("ping");
    command.args(["-n", "-c", "4", "-i", "0.2", "-W", "5", UE4]);
    let mut ping = Process::start(&mut command, &network.folder.path().join("ping.log")).unwrap();
    let event = network.smf.wait_event(Duration::from_secs(5)).unwrap();
    assert!(
        matches!(event, Some(Event::DownlinkData { session: paged, .. }) if paged == session),
        "{event:?}\n{}",
        network.upf.log()
    );
    network.smf.activate(session, Outer::V4.tunnel()).unwrap();
    network.wait("end of ping", |_| !ping.is_running());
    let text = ping.log();
    assert!(
        text.contains("4 packets transmitted, 4 received"),
        "held packets are lost: {text}"
    );
    network.finish();
}

#[test]
fn the_old_gnb_gets_an_end_marker() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    let session = network.attach(Flavour::Open5gs);
    network.ping(UE4, SERVER4, 2, &[]);
    let other = network.ran.udp(&format!("{OTHER_GNB}:2152")).unwrap();
    other
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let tunnel = Tunnel {
        address: OTHER_GNB.parse().unwrap(),
        teid: 0x66,
    };
    network.smf.path_switch(session, tunnel).unwrap();
    let marker = format!("message 254 teid {DOWNLINK_TEID:#x}");
    network.wait("end marker", |network| network.gnb_log().contains(&marker));
    // And downlink packets come to the new one.
    network
        .core
        .command("ping")
        .args(["-c", "1", "-W", "1", UE4])
        .output()
        .unwrap();
    let mut buffer = vec![0; 2048];
    let length = other.recv(&mut buffer).unwrap();
    let gtp = simulator::gtp::Gtp::parse(&buffer[..length]).unwrap();
    assert_eq!((gtp.message_type, gtp.teid), (simulator::gtp::G_PDU, 0x66));
    network.finish();
}

#[test]
fn every_smf_gets_its_ue_through() {
    if !skip::is_root() {
        return;
    }
    for flavour in [
        Flavour::Simple,
        Flavour::Free5gc,
        Flavour::SdCore,
        Flavour::Oai,
    ] {
        let mut network = Network::start(N6::AfPacket);
        let session = network.attach(flavour);
        network.ping(UE4, SERVER4, 2, &[]);
        assert_eq!(
            network.ping(UE4, SERVER4, 5, &[]),
            5,
            "{flavour:?}: {}",
            network.upf.log()
        );
        network.smf.idle(session).unwrap();
        network.smf.activate(session, Outer::V4.tunnel()).unwrap();
        assert_eq!(
            network.ping(UE4, SERVER4, 5, &[]),
            5,
            "{flavour:?}: {}",
            network.upf.log()
        );
        network.smf.delete(session).unwrap();
        network.finish();
    }
}

/// Where the program under test is; here so that a missing one is found before all else.
#[test]
fn the_program_is_there() {
    let program: PathBuf = test_harness::process::upf_program().unwrap();
    assert!(program.exists());
}
