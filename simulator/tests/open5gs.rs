//! The Open5GS flavour against recordings of Open5GS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use pfcp::{Message, OuterHeaderCreation};
use simulator::net::Udp;
use simulator::{Flavour, SessionSpec, Smf, SmfConfig, Tunnel, capture};

fn recorded(name: &str) -> Vec<Message> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test-harness/captures/open5gs-smf");
    let file = std::fs::read(folder.join(name)).unwrap();
    let packets = capture::read(&file).unwrap();
    let message = |packet: &capture::Packet| {
        let ip = simulator::net::Ip::parse(packet.ip()?)?;
        Some(
            pfcp::decode(Udp::parse(ip.payload)?.payload)
                .expect("Open5GS sends sound messages")
                .message,
        )
    };
    packets.iter().filter_map(message).collect()
}

/// The requests that the simulated SMF sends for a session and its activation, with somebody who
/// answers what the recorded UPF answered.
fn simulated(spec: SessionSpec, tunnel: Tunnel, recorded: &[Message]) -> Vec<Message> {
    let upf = UdpSocket::bind("127.0.0.1:0").unwrap();
    upf.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut config = SmfConfig::new(IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 1]));
    config.local.set_port(0);
    config.upf = upf.local_addr().unwrap();
    config.node_id = Some(pfcp::NodeId::Ipv4(Ipv4Addr::new(10, 10, 4, 2)));
    let mut smf = Smf::bind(config).unwrap();
    let answers: Vec<_> = recorded
        .iter()
        .filter(|message| !message.is_request())
        .cloned()
        .collect();
    let peer = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let mut buffer = [0; 4096];
            let (length, from) = upf.recv_from(&mut buffer).unwrap();
            let request = pfcp::decode(&buffer[..length]).unwrap();
            let mut octets = Vec::new();
            pfcp::encode(&request.header.answer(Some(1)), &answer, &mut octets).unwrap();
            upf.send_to(&octets, from).unwrap();
            requests.push(request.message);
        }
        requests
    });
    let number = smf.establish(spec).unwrap();
    smf.activate(number, tunnel).unwrap();
    peer.join().unwrap()
}

#[test]
fn establishment_and_activation_are_those_of_the_recording() {
    let recorded = recorded("est_ipv4.pcap");
    let [
        Message::SessionEstablishmentRequest(want),
        _,
        Message::SessionModificationRequest(activation),
        _,
    ] = recorded.as_slice()
    else {
        panic!("{} messages", recorded.len())
    };
    let parameters = activation.update_fars[0]
        .update_forwarding_parameters
        .as_ref()
        .unwrap();
    let header = parameters
        .outer_header_creation
        .set()
        .and_then(|creation| creation.header);
    let Some(pfcp::OuterHeader::GtpU {
        teid,
        addresses: pfcp::Addresses::Ipv4(gnb),
    }) = header
    else {
        panic!()
    };
    let tunnel = Tunnel {
        address: gnb.into(),
        teid,
    };
    let spec = SessionSpec {
        flavour: Flavour::Open5gs,
        ue_ipv4: Some(Ipv4Addr::new(10, 45, 0, 2)),
        ..Default::default()
    };
    let simulated = simulated(spec, tunnel, &recorded);
    let Message::SessionEstablishmentRequest(got) = &simulated[0] else {
        panic!()
    };
    let mut want = want.clone();
    // Who the subscriber is, and numbers that are the SMF's own.
    want.user_id = None;
    want.cp_f_seid.seid = got.cp_f_seid.seid;
    let to_cp = want.create_fars[2].forwarding_parameters.as_mut().unwrap();
    assert_eq!(
        to_cp.outer_header_creation,
        Some(OuterHeaderCreation::gtp_u(1, IpAddr::from([10, 10, 4, 2])))
    );
    assert_eq!(got.to_string(), want.to_string());
    assert_eq!(simulated[1], recorded[2]);
}
