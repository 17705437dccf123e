//! `upf run` between real hosts: two UEs, in one data network or in two.
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

use network::{
    Network, SECOND_UE4, SECOND_UE6, SERVER4, SERVER6, Setup, UE4, UE6, fetch, is_router, serve,
};
use simulator::Flavour;
use test_harness::skip;

/// Two UEs of one data network.
fn two_ues(network: &'static str) -> Network {
    let mut network = Network::with(Setup {
        network,
        ..Setup::default()
    });
    network.attach(Flavour::Open5gs);
    network.attach_second("internet", SECOND_UE4, SECOND_UE6);
    for (ue, second, server) in [(UE4, SECOND_UE4, SERVER4), (UE6, SECOND_UE6, SERVER6)] {
        // The first packet may wait for a neighbour.
        network.ping(ue, server, 2, &[]);
        network.second.ping(second, server, 2, &[]);
    }
    network
}

#[test]
fn ues_reach_each_other_inside() {
    if !skip::is_root() {
        return;
    }
    let network = two_ues("    ue_to_ue: local");
    // Nobody passes it on outside.
    for (ue, other) in [(UE4, SECOND_UE4), (UE6, SECOND_UE6)] {
        assert_eq!(network.ping(ue, other, 5, &[]), 5, "{}", network.upf.log());
        assert_eq!(network.second.ping(other, ue, 5, &["-s", "1300"]), 5);
        // The UPF is the one hop between them.
        let text = Network::ask(&network.ran, &["-t", "1", "-I", ue, other]);
        assert!(text.contains("exceeded"), "{text}");
        assert_eq!(network.ping(ue, other, 1, &["-t", "2"]), 1);
    }
    serve(&network.second, &[SECOND_UE4, SECOND_UE6], "a UE");
    for (ue, other) in [(UE4, SECOND_UE4), (UE6, SECOND_UE6)] {
        assert_eq!(fetch(&network.ran, other, ue), "a UE");
    }
    network.finish();
}

#[test]
fn ues_reach_each_other_by_the_data_network() {
    if !skip::is_root() {
        return;
    }
    let network = two_ues("");
    for (ue, other) in [(UE4, SECOND_UE4), (UE6, SECOND_UE6)] {
        assert_eq!(network.ping(ue, other, 3, &[]), 0, "no router, no way");
    }
    is_router(&network.core);
    for (ue, other) in [(UE4, SECOND_UE4), (UE6, SECOND_UE6)] {
        network.ping(ue, other, 1, &[]);
        assert_eq!(network.ping(ue, other, 5, &[]), 5, "{}", network.upf.log());
    }
    network.finish();
}

#[test]
fn ues_do_not_reach_each_other_where_that_is_forbidden() {
    if !skip::is_root() {
        return;
    }
    let network = two_ues("    ue_to_ue: drop");
    is_router(&network.core);
    for (ue, other, server) in [(UE4, SECOND_UE4, SERVER4), (UE6, SECOND_UE6, SERVER6)] {
        assert_eq!(network.ping(ue, other, 3, &[]), 0);
        assert_eq!(network.ping(ue, server, 3, &[]), 3);
    }
    network.finish();
}

/// The UE's kernel makes its address of what the UPF tells it, and finds its way.
#[test]
fn a_ue_makes_its_address_of_what_the_upf_tells_it() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::with(Setup {
        network: "    router_advertisements: { lifetime_s: 600, dns: [\"2001:db8:6::1\"] }",
        ..Setup::default()
    });
    // Its SMF tells nobody of routers.
    let session = network.attach_unaware();
    let has = |what: &[&str], text: &str| network.ran.ip(what).unwrap().contains(text);
    network.wait("address", |_| {
        has(&["-6", "address", "show", "dev", "ue0"], "2001:db8:cafe:1:")
    });
    assert!(has(&["-6", "route"], "default via fe80::1 dev ue0"));
    let mtu = ["/proc/sys/net/ipv6/conf/ue0/mtu"];
    assert_eq!(network.ran.run("cat", &mtu).unwrap().trim(), "1400");
    network.ping("ue0", SERVER6, 2, &[]);
    assert_eq!(
        network.ping("ue0", SERVER6, 5, &[]),
        5,
        "{}",
        network.upf.log()
    );
    network.smf.delete(session).unwrap();
    network.finish();
}

/// The data networks, each in a VRF, give their UEs and hosts the same addresses.
#[test]
fn two_data_networks_with_the_same_addresses_do_not_meet() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::with(Setup {
        overlapping: true,
        ..Setup::default()
    });
    network.attach(Flavour::Open5gs);
    network.attach_second("ims", UE4, UE6);
    serve(&network.core, &[SERVER4, SERVER6], "internet");
    let ims = network.ims.as_ref().unwrap();
    serve(ims, &[SERVER4, SERVER6], "ims");
    for (ue, server) in [(UE4, SERVER4), (UE6, SERVER6)] {
        network.ping(ue, server, 2, &[]);
        network.second.ping(ue, server, 2, &[]);
        assert_eq!(network.ping(ue, server, 5, &[]), 5, "{}", network.upf.log());
        assert_eq!(network.second.ping(ue, server, 5, &["-s", "1300"]), 5);
        assert_eq!(fetch(&network.ran, server, ue), "internet");
        assert_eq!(fetch(&network.second, server, ue), "ims");
    }
    // One data network goes, and the other one's UE of that address stays.
    ims.ip(&["link", "set", "core0", "down"]).unwrap();
    assert_eq!(network.ping(UE4, SERVER4, 3, &[]), 3);
    assert_eq!(network.second.ping(UE4, SERVER4, 3, &[]), 0);
    network.finish();
}
