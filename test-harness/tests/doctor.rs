//! `upf doctor` on a host made for it: real interfaces, a real socket on N4, an SMF that answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::net::UdpSocket;
use std::time::Duration;

use pfcp::{Header, HeartbeatResponse, Message, RecoveryTimeStamp};
use serde_json::Value;
use test_harness::folder::Folder;
use test_harness::namespace::Namespace;
use test_harness::process::upf_program;
use test_harness::skip;

const CONFIG: &str = "
pfcp: { address: 10.10.4.7, allow: [10.10.4.0/24], smf: [10.10.4.1, 10.10.4.2] }
ports:
  - { name: ran, device: af_packet:eth1, mtu: 1600 }
  - { name: core, device: tap:upf0 }
interfaces:
  - { name: n3, role: n3, port: ran, addresses: [10.10.3.7/24], routes: [{ to: 172.16.0.0/24, via: 10.10.3.1 }, { to: 172.16.1.0/24, via: 10.10.3.99 }] }
  - { name: n6, role: n6, port: core, kernel: { addresses: [10.45.0.1/16] } }
networks:
  - { name: internet, interface: n6, ue_pools: [10.45.0.0/16] }
";

/// The findings of `upf doctor` inside, and whether it found all well.
fn doctor(host: &Namespace, file: &str) -> (Vec<Value>, bool) {
    let program = upf_program().unwrap();
    let mut command = host.command(program.to_str().unwrap());
    let output = command.args(["doctor", "--json", file]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let well = json["well"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!well)));
    (json["findings"].as_array().unwrap().clone(), well)
}

fn level<'a>(findings: &'a [Value], id: &str, words: &str) -> &'a str {
    let found = findings
        .iter()
        .find(|finding| finding["id"] == id && finding["what"].as_str().unwrap().contains(words));
    let found = found.unwrap_or_else(|| panic!("no {id} with {words:?} in {findings:#?}"));
    found["level"].as_str().unwrap()
}

/// Answers heartbeats until nothing has come for a while.
fn answer_heartbeats(smf: &UdpSocket) -> u32 {
    smf.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut room = [0; 2048];
    let mut answered = 0;
    while let Ok((length, from)) = smf.recv_from(&mut room) {
        let asked = pfcp::decode(&room[..length]).unwrap();
        assert!(matches!(asked.message, Message::HeartbeatRequest(_)));
        assert_eq!(from.to_string(), "10.10.4.7:8805");
        let answer = HeartbeatResponse {
            recovery_time_stamp: RecoveryTimeStamp(7),
            ..Default::default()
        };
        let mut octets = Vec::new();
        let header = Header {
            sequence: asked.header.sequence,
            ..Header::node(0)
        };
        pfcp::encode(&header, &answer, &mut octets).unwrap();
        smf.send_to(&octets, from).unwrap();
        answered += 1;
    }
    answered
}

#[test]
fn a_host_is_mended_by_what_the_doctor_says() {
    if !skip::is_root() {
        return;
    }
    let host = Namespace::new("doctor").unwrap();
    let peer = Namespace::new("ran").unwrap();
    host.cable("eth1", &peer, "eth0").unwrap();
    host.address("eth1", "10.10.3.7/24").unwrap();
    host.cable("ogstun", &peer, "eth1").unwrap();
    host.address("ogstun", "10.45.0.1/16").unwrap();
    host.run("ethtool", &["-K", "eth1", "gro", "on"]).unwrap();
    host.run("sysctl", &["-qw", "net.ipv4.ip_forward=0"])
        .unwrap();
    let folder = Folder::new("doctor").unwrap();
    let file = folder.path().join("upf.yaml");
    std::fs::write(&file, CONFIG).unwrap();
    let file = file.to_str().unwrap();

    let (ill, well) = doctor(&host, file);
    assert!(!well);
    for (id, words) in [
        ("n4.socket", "no address 10.10.4.7"),
        ("links.kernel_address", "10.10.3.7"),
        ("links.mtu", "eth1 takes 1500"),
        ("n6.pool", "10.45.0.0/16 on ogstun"),
        ("n6.forwarding", "net.ipv4.ip_forward = 0"),
    ] {
        assert_eq!(level(&ill, id, words), "problem", "{id}");
    }

    assert_eq!(
        level(&ill, "links.joined", "eth1 joins packets (gro)"),
        "warning"
    );

    // What it says, done.
    host.run("ethtool", &["-K", "eth1", "gro", "off"]).unwrap();
    host.address("lo", "10.10.4.7/32").unwrap();
    host.ip(&["address", "flush", "dev", "eth1"]).unwrap();
    host.hands_off("eth1").unwrap();
    host.ip(&["link", "set", "eth1", "mtu", "1600"]).unwrap();
    host.ip(&["link", "delete", "ogstun"]).unwrap();
    host.run("sysctl", &["-qw", "net.ipv4.ip_forward=1"])
        .unwrap();
    // One SMF that answers, one that is off.
    for smf in ["10.10.4.1/32", "10.10.4.2/32"] {
        host.address("lo", smf).unwrap();
    }
    peer.address("eth0", "10.10.3.1/24").unwrap();
    let smf = host.udp("10.10.4.1:8805").unwrap();
    let smf = std::thread::spawn(move || answer_heartbeats(&smf));
    let (mended, well) = doctor(&host, file);
    assert_eq!(level(&mended, "n4.socket", "here and free"), "good");
    assert_eq!(level(&mended, "n4.smf", "10.10.4.1:8805 answers"), "good");
    assert_eq!(
        level(&mended, "n4.smf", "10.10.4.2:8805: nobody"),
        "problem"
    );
    assert_eq!(level(&mended, "links.state", "eth1 is up"), "good");
    assert_eq!(level(&mended, "links.joined", "does not join"), "good");
    // Asked on the wire, by an interface without an address.
    assert_eq!(level(&mended, "n6.gateway", "10.10.3.1 answers"), "good");
    assert_eq!(
        level(&mended, "n6.gateway", "10.10.3.99 answered no ARP"),
        "warning"
    );
    assert_eq!(smf.join().unwrap(), 1);
    let problems = mended
        .iter()
        .filter(|finding| finding["level"] == "problem");
    assert_eq!((problems.count(), well), (1, false), "{mended:#?}");
}
