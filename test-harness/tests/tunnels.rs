//! `upf run` between real hosts: tunnels over IPv4 and IPv6, with either inside.
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

use network::{N6, Network, Outer, SERVER4, SERVER6, UE4, UE6, fetch, iperf3, number, serve};
use simulator::Flavour;
use test_harness::skip;

/// Both families of user packets pass, small and large, and TCP both ways.
fn carries_both(network: &Network, name: &str) {
    serve(&network.core, &[SERVER4, SERVER6], "internet");
    for (ue, server) in [(UE4, SERVER4), (UE6, SERVER6)] {
        // The first packet may wait for a neighbour.
        network.ping(ue, server, 2, &[]);
        let answered = network.ping(ue, server, 10, &[]);
        assert_eq!(answered, 10, "{ue} {name}: {}", network.upf.log());
        let answered = network.ping(ue, server, 5, &["-s", "1300"]);
        assert_eq!(answered, 5, "{ue} {name}, large: {}", network.upf.log());
        if skip::has_iperf3() {
            for (direction, extra) in [("uplink", &[][..]), ("downlink", &["-R"])] {
                let report = iperf3(network, (ue, server), extra);
                let rate = number(&report, "/end/sum_received/bits_per_second");
                eprintln!("{ue} {name}, TCP {direction}: {:.1} Mbit/s", rate / 1e6);
                assert!(rate > 1e6, "{ue} {name}, TCP {direction}: {rate} bit/s");
            }
        }
        // Names and pages, by the kernel's resolver and TCP.
        assert_eq!(fetch(&network.ran, server, ue), "internet", "{ue} {name}");
    }
}

#[test]
fn both_families_inside_ipv6() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    let session = network.attach_over(Flavour::Open5gs, Outer::V6);
    carries_both(&network, "over IPv6");
    // And the peer is told, over IPv6, of a tunnel that is gone.
    network.smf.delete(session).unwrap();
    assert_eq!(network.ping(UE6, SERVER6, 3, &[]), 0);
    network.wait("error indication", |network| {
        network.gnb_log().contains("message 26")
    });
    network.finish();
}

#[test]
fn both_families_inside_ipv4() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    network.attach_over(Flavour::Open5gs, Outer::V4);
    carries_both(&network, "over IPv4");
    network.finish();
}

/// Dual stack: a UE goes from a gNB that is reached over IPv4 to one that is reached over IPv6,
/// and back.
#[test]
fn a_handover_changes_the_family_of_the_tunnel() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    let session = network.attach_over(Flavour::Open5gs, Outer::V4);
    for outer in [Outer::V4, Outer::V6, Outer::V4] {
        network.move_to(session, outer);
        for (ue, server) in [(UE4, SERVER4), (UE6, SERVER6)] {
            network.ping(ue, server, 2, &[]);
            let answered = network.ping(ue, server, 10, &[]);
            assert_eq!(answered, 10, "{ue} over {outer:?}: {}", network.upf.log());
        }
    }
    network.finish();
}

/// The UPF is a hop that traceroute sees, from either side.
#[test]
fn the_upf_tells_of_packets_that_came_too_far() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    network.attach_over(Flavour::Open5gs, Outer::V4);
    for (ue, server, upf) in [(UE4, SERVER4, "10.10.6.7"), (UE6, SERVER6, "2001:db8:6::7")] {
        network.ping(ue, server, 2, &[]);
        let from = format!("From {upf}");
        let told = |text: &str| text.contains(&from) && text.contains("exceeded");
        let text = Network::ask(&network.ran, &["-t", "1", "-I", ue, server]);
        assert!(told(&text), "UE: {text}");
        let text = Network::ask(&network.core, &["-t", "1", ue]);
        assert!(told(&text), "host: {text}");
        let text = Network::ask(&network.core, &["-t", "2", ue]);
        assert!(text.contains("1 received"), "two hops are enough: {text}");
    }
    network.finish();
}

/// N3 takes less than the data network: hosts find out how much, or their packets are cut.
#[test]
fn large_packets_get_through_a_small_n3() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::with_mtu(N6::AfPacket, 1400);
    network.attach_over(Flavour::Open5gs, Outer::V4);
    network
        .ran
        .ip(&["link", "set", "ue0", "mtu", "1356"])
        .unwrap();
    network.ping(UE4, SERVER4, 2, &[]);
    network.ping(UE6, SERVER6, 2, &[]);
    // Not to be fragmented: 1400 octets less the headers of the tunnel fit.
    let text = Network::ask(&network.core, &["-M", "do", "-s", "1328", UE4]);
    assert!(text.contains("1 received"), "1356 octets: {text}");
    let text = Network::ask(&network.core, &["-M", "do", "-s", "1329", UE4]);
    assert!(text.contains("mtu = 1356"), "1357 octets: {text}");
    // The host keeps it in mind, and fragments. (The kernel puts IPv4 fragments together before a
    // packet socket sees them; then what the UPF gets has to fit into its buffers.)
    for (ue, size) in [(UE4, "1400"), (UE6, "1400"), (UE4, "1900"), (UE6, "4000")] {
        Network::ask(&network.core, &["-s", size, ue]);
        let text = Network::ask(&network.core, &["-s", size, ue]);
        assert!(text.contains("1 received"), "{size} octets to {ue}: {text}");
    }
    // Without path MTU discovery its fragments are cut once more on the way.
    let text = Network::ask(&network.core, &["-M", "dont", "-s", "1900", UE4]);
    assert!(text.contains("1 received"), "cut on the way: {text}");
    if skip::has_iperf3() {
        for (ue, server) in [(UE4, SERVER4), (UE6, SERVER6)] {
            let report = iperf3(&network, (ue, server), &["-R"]);
            let rate = number(&report, "/end/sum_received/bits_per_second");
            eprintln!(
                "{ue}, TCP downlink over a small N3: {:.1} Mbit/s",
                rate / 1e6
            );
            assert!(rate > 1e6, "{ue}: {rate} bit/s");
        }
    }
    network.finish();
}

/// The gNB's link takes less than the UE's packets in their tunnel: its kernel cuts the tunnel's
/// packets, and the UPF puts them together.
#[test]
fn fragments_of_a_gnb_are_put_together() {
    if !skip::is_root() {
        return;
    }
    for outer in [Outer::V6, Outer::V4] {
        let mut network = Network::with_mtu(N6::AfPacket, 1400);
        network
            .ran
            .ip(&["link", "set", "ran0", "mtu", "1400"])
            .unwrap();
        network.attach_over(Flavour::Open5gs, outer);
        for (ue, server) in [(UE4, SERVER4), (UE6, SERVER6)] {
            let size = if ue == UE4 { "1370" } else { "1350" };
            // 1398 octets, and the tunnel's headers.
            network.ping(ue, server, 3, &["-s", size]);
            let answered = network.ping(ue, server, 10, &["-s", size]);
            assert_eq!(answered, 10, "{ue} over {outer:?}: {}", network.upf.log());
        }
        network.finish();
    }
}
