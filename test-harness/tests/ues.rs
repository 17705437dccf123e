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

use std::net::Ipv6Addr;
use std::time::Duration;

use network::{
    Network, SECOND_UE4, SECOND_UE6, SERVER4, SERVER6, Setup, UE4, UE6, fetch, is_router, serve,
};
use simulator::Flavour;
use simulator::gtp::{self, Gtp};
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
    let session = network.attach_unaware(Flavour::Simple);
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

/// A Router Advertisement for everybody on the link (RFC 4861, 4.2), with a prefix.
fn advertisement(prefix: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 48, 58, 255];
    packet.extend("fe80::1".parse::<Ipv6Addr>().unwrap().octets());
    packet.extend("ff02::1".parse::<Ipv6Addr>().unwrap().octets());
    packet.extend([134, 0, 0, 0, 64, 0, 2, 0x58, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend([
        3, 4, 64, 0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    packet.extend([0; 4]);
    packet.extend(prefix.octets());
    let words = packet[8..].chunks(2);
    let sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let sum = sum + 48 + 58;
    let checksum = u16::try_from(((sum & 0xffff) + (sum >> 16)) ^ 0xffff).unwrap();
    packet[42..44].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// The UE's question goes to the SMF by N4-u and its answer comes back, both through the UPF.
#[test]
fn an_smf_tells_a_ue_of_its_router_through_the_upf() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::with(Setup::default());
    // The SMF's user plane is somewhere behind N3.
    network.ran.address("lo", "10.10.4.2/32").unwrap();
    let smf = network.ran.udp("10.10.4.2:2152").unwrap();
    smf.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let session = network.attach_unaware(Flavour::Open5gs);
    let down = network
        .smf
        .sessions()
        .get(session)
        .unwrap()
        .cp_tunnel
        .unwrap();
    let mut buffer = vec![0; 2048];
    loop {
        let (length, from) = smf.recv_from(&mut buffer).unwrap();
        assert_eq!(from.ip().to_string(), "10.10.3.7");
        let asked = Gtp::parse(&buffer[..length]).unwrap();
        assert_eq!(asked.teid, session + 1);
        // The filter of Open5GS takes more than Router Solicitations.
        if asked.payload[40] == 133 {
            break;
        }
    }
    let answer = advertisement("2001:db8:cafe:1::".parse().unwrap());
    let message = gtp::message(gtp::G_PDU, down.teid, None, &answer);
    smf.send_to(&message, ("10.10.3.7", 2152)).unwrap();
    let has = |what: &[&str], text: &str| network.ran.ip(what).unwrap().contains(text);
    network.wait("address", |_| {
        has(&["-6", "address", "show", "dev", "ue0"], "2001:db8:cafe:1:")
    });
    assert!(has(&["-6", "route"], "default via fe80::1 dev ue0"));
    network.ping("ue0", SERVER6, 2, &[]);
    assert_eq!(
        network.ping("ue0", SERVER6, 5, &[]),
        5,
        "{}",
        network.upf.log()
    );
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
