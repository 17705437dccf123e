//! gNB and data network against a UPF of a few lines: what it does right is accepted, and every
//! way to do it wrong is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv4Addr};

use simulator::gtp::{self, Container, Gtp};
use simulator::net::{self, Ethernet, Ip, Udp};
use simulator::{
    DataNetwork, Direction, Flavour, Gnb, Mismatch, N3, N6, Session, Sessions, Tally, Tunnel,
    UplinkTunnel,
};

const UPF_MAC: net::Mac = [2, 0, 0, 0, 3, 7];
const GNB_MAC: net::Mac = [2, 0, 0, 0, 3, 0x65];
const DN_MAC: net::Mac = [2, 0, 0, 0, 6, 1];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

struct Scene {
    gnb: Gnb,
    network: DataNetwork,
    sessions: Sessions,
}

fn scene(upf: &str, gnb: &str) -> Scene {
    let servers = vec![ip("10.10.6.1"), ip("2001:db8:6::1")];
    let mut gnb = Gnb::new(GNB_MAC, None, ip(gnb), ip(upf), servers.clone());
    gnb.station().learn(ip(upf), UPF_MAC);
    let upf6 = vec![ip("10.10.6.7"), ip("2001:db8:6::7")];
    let mut network = DataNetwork::new(DN_MAC, None, servers, Vec::new(), upf6.clone());
    for upf in upf6 {
        network.station().learn(upf, UPF_MAC);
    }
    let mut sessions = Sessions::default();
    let (ipv4, ipv6) = match ip(upf) {
        IpAddr::V4(address) => (Some(address), None),
        IpAddr::V6(address) => (None, Some(address)),
    };
    for number in 0..2 {
        sessions.insert(Session {
            gnb: Some(Tunnel {
                address: gnb.address(),
                teid: 0x100 + number,
            }),
            ue_ipv4: (number == 0).then_some(Ipv4Addr::new(10, 45, 0, 2)),
            ue_ipv6: Some("2001:db8:cafe:1::2".parse().unwrap()),
            ..Session::new(
                number,
                Flavour::Simple,
                UplinkTunnel {
                    teid: 0x900 + number,
                    ipv4,
                    ipv6,
                },
            )
        });
    }
    Scene {
        gnb,
        network,
        sessions,
    }
}

/// What a UPF makes of an uplink frame.
fn decapsulate(frame: &[u8]) -> Vec<u8> {
    let outer = Ip::parse(Ethernet::parse(frame).unwrap().payload).unwrap();
    let message = Gtp::parse(Udp::parse(outer.payload).unwrap().payload).unwrap();
    assert_eq!(message.container, Some(Container::uplink(1)));
    let mut inner = message.payload.to_vec();
    net::take_hop(&mut inner);
    net::ethernet_ip(DN_MAC, UPF_MAC, None, &inner)
}

/// What a UPF makes of a downlink frame of a session.
fn encapsulate(frame: &[u8], session: &Session, qfi: Option<u8>, teid: u32) -> Vec<u8> {
    let mut inner = Ethernet::parse(frame).unwrap().payload.to_vec();
    net::take_hop(&mut inner);
    let message = gtp::message(gtp::G_PDU, teid, qfi.map(Container::downlink), &inner);
    let to = session.gnb.unwrap().address;
    let from = session.uplink.address(to).unwrap();
    net::ethernet_ip(
        GNB_MAC,
        UPF_MAC,
        None,
        &net::udp((from, 50_123), (to, gtp::PORT), &message),
    )
}

#[test]
fn what_a_right_upf_does_is_accepted_octet_by_octet() {
    for (upf, gnb) in [
        ("10.10.3.7", "10.10.3.101"),
        ("2001:db8:3::7", "2001:db8:3::101"),
    ] {
        let mut scene = scene(upf, gnb);
        let mut tally = Tally::default();
        for number in 0..2 {
            for (sequence, size) in [(0, 0), (1, 60), (2, 1300)] {
                let session = scene.sessions.get(number).unwrap();
                let uplink = scene.gnb.uplink(session, size, sequence).unwrap();
                tally.sent(Direction::Uplink, usize::from(size));
                match scene
                    .network
                    .receive(&decapsulate(&uplink), &scene.sessions)
                {
                    N6::Uplink(tag) => tally.received(&tag, usize::from(size)),
                    other => panic!("{other:?}"),
                }
                let downlink = scene.network.downlink(session, size, sequence).unwrap();
                let tunnelled = encapsulate(&downlink, session, Some(1), 0x100 + number);
                tally.sent(Direction::Downlink, usize::from(size));
                match scene.gnb.receive(&tunnelled, &scene.sessions) {
                    N3::Downlink(tag) => {
                        assert_eq!((tag.session, tag.sequence), (number, sequence));
                        tally.received(&tag, usize::from(size));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(tally.is_clean(), "{tally:?}");
        assert_eq!(tally.counts(Direction::Uplink).received, 6);
    }
}

#[test]
fn every_octet_of_an_uplink_packet_counts() {
    let scene = scene("10.10.3.7", "10.10.3.101");
    let session = scene.sessions.get(0).unwrap();
    let right = decapsulate(&scene.gnb.uplink(session, 40, 7).unwrap());
    scene
        .network
        .check_uplink(&right, &scene.sessions)
        .expect("the right one");
    // The source MAC address is the UPF's own affair.
    for at in (0..6).chain(12..right.len()) {
        let mut wrong = right.clone();
        wrong[at] ^= 0x10;
        let result = scene.network.check_uplink(&wrong, &scene.sessions);
        assert!(result.is_err(), "octet {at} may be anything");
    }
    let unhopped = net::ethernet_ip(
        DN_MAC,
        UPF_MAC,
        None,
        simulator::Tag::read(Ethernet::parse(&right).unwrap().payload)
            .unwrap()
            .inner(session, ip("10.10.6.1"))
            .unwrap()
            .as_slice(),
    );
    let result = scene.network.check_uplink(&unhopped, &scene.sessions);
    assert!(matches!(
        result,
        Err(Mismatch::Inner {
            at: 8,
            got: Some(64),
            want: Some(63)
        })
    ));
}

#[test]
fn every_octet_of_a_downlink_packet_counts() {
    for (upf, gnb) in [
        ("10.10.3.7", "10.10.3.101"),
        ("2001:db8:3::7", "2001:db8:3::101"),
    ] {
        let scene = scene(upf, gnb);
        let session = scene.sessions.get(1).unwrap();
        let downlink = scene.network.downlink(session, 40, 7).unwrap();
        let right = encapsulate(&downlink, session, Some(1), 0x101);
        scene
            .gnb
            .check_downlink(&right, &scene.sessions)
            .expect("the right one");
        for at in (0..6).chain(12..right.len()) {
            let mut wrong = right.clone();
            wrong[at] ^= 0x10;
            // Traffic class, flow label and hop limit of IPv6 stand under no checksum, and are
            // the UPF's affair.
            let is_free = upf.contains(':') && matches!(at, 15..18 | 21);
            let result = scene.gnb.check_downlink(&wrong, &scene.sessions);
            assert_eq!(result.is_ok(), is_free, "octet {at}: {result:?}");
        }
    }
}

#[test]
fn a_wrong_tunnel_or_flow_is_named() {
    let scene = scene("10.10.3.7", "10.10.3.101");
    let session = scene.sessions.get(0).unwrap();
    let downlink = scene.network.downlink(session, 40, 7).unwrap();
    let check = |qfi, teid| {
        let frame = encapsulate(&downlink, session, qfi, teid);
        scene
            .gnb
            .check_downlink(&frame, &scene.sessions)
            .unwrap_err()
    };
    assert_eq!(
        check(Some(1), 0x101),
        Mismatch::Teid {
            got: 0x101,
            want: 0x100
        }
    );
    assert_eq!(
        check(Some(2), 0x100),
        Mismatch::Qfi {
            got: Some(2),
            want: Some(1)
        }
    );
    assert_eq!(
        check(None, 0x100),
        Mismatch::Qfi {
            got: None,
            want: Some(1)
        }
    );
}

#[test]
fn loss_duplicates_and_late_packets_are_told_apart() {
    let scene = scene("10.10.3.7", "10.10.3.101");
    let session = scene.sessions.get(0).unwrap();
    let mut tally = Tally::default();
    let tags: Vec<_> = (0..5)
        .map(|sequence| {
            tally.sent(Direction::Uplink, 60);
            let frame = decapsulate(&scene.gnb.uplink(session, 60, sequence).unwrap());
            scene.network.check_uplink(&frame, &scene.sessions).unwrap()
        })
        .collect();
    for sequence in [0, 2, 1, 2, 4] {
        tally.received(&tags[sequence], 60);
    }
    let counts = tally.counts(Direction::Uplink);
    assert_eq!((counts.received, counts.lost()), (4, 1));
    assert_eq!((counts.duplicated, counts.reordered), (1, 1));
    assert!(!tally.is_clean());
}

#[test]
fn signalling_is_answered_and_recognised() {
    let mut scene = scene("10.10.3.7", "10.10.3.101");
    let to_gnb = |message: &[u8]| {
        let packet = net::udp((ip("10.10.3.7"), 2152), (ip("10.10.3.101"), 2152), message);
        net::ethernet_ip(GNB_MAC, UPF_MAC, None, &packet)
    };
    let marker = to_gnb(&gtp::message(
        gtp::END_MARKER,
        0x100,
        Some(Container::downlink(1)),
        b"",
    ));
    assert_eq!(
        scene.gnb.receive(&marker, &scene.sessions),
        N3::EndMarker(Tunnel {
            address: ip("10.10.3.101"),
            teid: 0x100
        })
    );
    let error = to_gnb(&gtp::error_indication(0x900, ip("10.10.3.7")));
    assert_eq!(
        scene.gnb.receive(&error, &scene.sessions),
        N3::ErrorIndication(Tunnel {
            address: ip("10.10.3.7"),
            teid: 0x900
        })
    );
    let answer = scene
        .gnb
        .on_frame(&to_gnb(&gtp::echo(gtp::ECHO_REQUEST, 99)))
        .expect("an answer");
    let outer = Ip::parse(Ethernet::parse(&answer).unwrap().payload).unwrap();
    let echo = Gtp::parse(Udp::parse(outer.payload).unwrap().payload).unwrap();
    assert_eq!(
        (echo.message_type, echo.sequence),
        (gtp::ECHO_RESPONSE, Some(99))
    );
}
