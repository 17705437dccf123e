//! Batches over real loopback sockets.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::net::{SocketAddr, UdpSocket};

use datagram::{BATCH, Inbox, Outbox};

fn socket(address: &str) -> UdpSocket {
    UdpSocket::bind((address, 0)).unwrap()
}

/// Everything that waits at a socket.
fn drain(socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut inbox = Inbox::default();
    let mut all = Vec::new();
    while let Ok(count) = inbox.receive(socket) {
        assert_eq!(inbox.datagrams().count(), count);
        all.extend(
            inbox
                .datagrams()
                .map(|(from, octets)| (from, octets.to_vec())),
        );
    }
    all
}

/// Sends datagrams of these lengths, to the receivers in turn, and looks at what arrives.
fn round_trip(address: &str, lengths: &[usize], receivers: usize) {
    let sender = socket(address);
    let receivers: Vec<_> = (0..receivers).map(|_| socket(address)).collect();
    let mut outbox = Outbox::default();
    let mut expected = vec![Vec::new(); receivers.len()];
    for (number, length) in lengths.iter().enumerate() {
        let octets = vec![number as u8; *length];
        let to = number % receivers.len();
        outbox.push(receivers[to].local_addr().unwrap(), &octets);
        expected[to].push((sender.local_addr().unwrap(), octets));
    }
    assert_eq!(outbox.len(), lengths.len());
    assert_eq!(outbox.flush(&sender).unwrap(), 0);
    assert!(outbox.is_empty());
    for (receiver, expected) in receivers.iter().zip(expected) {
        assert_eq!(drain(receiver), expected);
    }
}

#[test]
fn runs_of_one_length_arrive_as_they_were() {
    for address in ["127.0.0.1", "::1"] {
        round_trip(address, &[300; BATCH], 1);
        round_trip(address, &[1200; 100], 1);
    }
}

#[test]
fn lengths_and_receivers_may_change_at_any_place() {
    for address in ["127.0.0.1", "::1"] {
        round_trip(address, &[9, 9, 9, 9, 10, 9, 9, 0, 0, 0, 0, 7, 7, 7], 1);
        round_trip(address, &[20; 150], 3);
        round_trip(address, &[1, 2, 3], 2);
    }
}

#[test]
fn long_datagrams_go_on_their_own() {
    round_trip("127.0.0.1", &[9000; 5], 1);
    round_trip("127.0.0.1", &[65_507, 1, 1, 1, 65_507], 1);
}

#[test]
fn what_cannot_be_sent_does_not_hold_up_the_rest() {
    let (sender, receiver) = (socket("127.0.0.1"), socket("127.0.0.1"));
    let mut outbox = Outbox::default();
    // An address of the other family.
    outbox.push("[::1]:9".parse().unwrap(), b"lost");
    outbox.push(receiver.local_addr().unwrap(), b"kept");
    assert_eq!(outbox.flush(&sender).unwrap(), 1);
    assert_eq!(drain(&receiver)[0].1, b"kept");
}

#[test]
fn an_empty_socket_would_block() {
    let mut inbox = Inbox::default();
    let error = inbox.receive(socket("127.0.0.1")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(inbox.datagrams().count(), 0);
}
