//! A: framing.

use pfcp::{Cause, Message};

use crate::support::*;
use crate::*;

entries! { cases:
    a01_tiny_datagrams_are_discarded "A01";
    a03_a_length_beyond_the_datagram_is_refused "A03";
    a04_octets_behind_the_length_are_not_read "A04";
    a05_the_s_flag_is_that_of_the_message "A05";
    a06_unknown_messages_are_discarded "A06";
    a08_spare_flags_are_ignored "A08";
    a09_an_ie_past_the_message_is_refused "A09";
    a10_a_child_past_its_parent_is_refused "A10";
    a11_octets_behind_the_last_ie_are_refused "A11";
    a13_a_time_stamp_of_no_octets_is_discarded "A13";
    a14_a_heartbeat_without_time_stamp_is_discarded "A14";
}

/// The refusal of a request with octets behind it is not the answer to the request without.
#[test]
fn a04_a_tail_does_not_spoil_the_request_that_it_hangs_on() {
    let (mut world, _) = with_victim();
    let good = establishment(&[node_id(), f_seid(), good_pdr(), good_far()]);
    let answers = world.octets(smf(), &[&good[..], &[0; 5]].concat());
    assert_eq!(cause_of(&answers[0]).0, 68);
    let answers = world.octets(smf(), &good);
    assert_eq!(cause_of(&answers[0]).0, Cause::REQUEST_ACCEPTED.get());
}

fn cases() -> Vec<Case> {
    let heartbeat = node(1, 7, &[ie(96, &[0xe8, 1, 2, 3])]);
    let flags = |mut octets: Vec<u8>, flags: u8| {
        octets[0] = flags;
        octets
    };
    let longer = |mut octets: Vec<u8>, by: i32| {
        let length = i32::from(u16::from_be_bytes([octets[2], octets[3]])) + by;
        octets[2..4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        octets
    };
    let good = establishment(&[node_id(), f_seid(), good_pdr(), good_far()]);
    let length = Refuse(&[68], None);
    let mut cases = vec![
        ("A01 nothing", vec![], Silence),
        ("A01 seven octets", vec![0x21, 50, 0, 3, 0, 0, 0], Silence),
        ("A01 cut header", hex("21320000"), Silence),
        ("A01 two octets", hex("2001"), Silence),
        (
            "A03 length too long",
            longer(good.clone(), 40),
            length.clone(),
        ),
        (
            "A04 length too short",
            longer(good.clone(), -30),
            length.clone(),
        ),
        (
            "A04 heartbeat with a tail",
            [heartbeat.clone(), vec![0; 8]].concat(),
            Silence,
        ),
        (
            "A05 establishment without SEID",
            flags(good.clone(), 0x20),
            Silence,
        ),
        (
            "A05 heartbeat with SEID",
            flags([&heartbeat[..], &[0; 8]].concat(), 0x21),
            Silence,
        ),
        (
            "A08 FO without a second message",
            flags(good.clone(), 0x25),
            Accept,
        ),
        ("A08 spare bits", flags(good.clone(), 0x39), Accept),
        (
            "A10 child past its parent",
            with_pdr(ie(1, &[ie(56, &[0, 1]), lying(2, 0x400, b"..")].concat())),
            length.clone(),
        ),
        (
            "A10 FAR with a lying child",
            with_far(ie(3, &[far_id(1), lying(4, 0x7fff, b"")].concat())),
            length.clone(),
        ),
        ("A10 URR of one octet", with(ie(6, &[0])), length.clone()),
        ("A11 one octet behind", with(vec![0]), length.clone()),
        (
            "A11 three octets behind",
            with(vec![0, 1, 0]),
            length.clone(),
        ),
        (
            "A13 heartbeat, stamp of no octets",
            hex("2001000c0000020000600000e81fe7b4"),
            Silence,
        ),
        (
            "A14 heartbeat without stamp",
            hex("2001000400000300"),
            Silence,
        ),
        (
            "A14 heartbeat response without stamp",
            hex("2002000400000300"),
            Silence,
        ),
    ];
    for r#type in [60, 57, 1, 3, 96, 0x7abc] {
        cases.push((
            "A09 IE past the message",
            with(lying(r#type, 0xffff, b"abcd")),
            length.clone(),
        ));
    }
    for r#type in [0, 18, 49, 58, 99, 255] {
        cases.push(("A06 unknown type", node(r#type, 1, &[]), Silence));
        cases.push(("A06 unknown type", session(r#type, 1, 1, &[]), Silence));
    }
    cases
}

#[test]
fn a02_another_version_gets_one_answer() {
    let mut world = World::default();
    for flags in [0x00, 0x40, 0x60, 0xe0] {
        let answers = world.octets(
            smf(),
            &[flags, 1, 0, 12, 0, 1, 2, 0, 0, 96, 0, 4, 1, 2, 3, 4],
        );
        let [answer] = answers.as_slice() else {
            panic!("{answers:?}")
        };
        assert!(matches!(
            answer.message,
            Message::VersionNotSupportedResponse(_)
        ));
        assert_eq!(answer.header.sequence, 0x0000_0102);
    }
}

#[test]
fn a16_floods_of_ies_are_answered() {
    let mut unknown = vec![node_id(), f_seid(), good_pdr(), good_far()];
    unknown.extend((0..15_000).map(|_| ie(0x7a00, &[])));
    let mut pdrs = vec![node_id(), f_seid(), good_far()];
    pdrs.extend((0..1_200).map(|_| good_pdr()));
    play(vec![
        ("A16 unknown IEs", establishment(&unknown), Accept),
        ("A16 PDRs", establishment(&pdrs), Refuse(&[75], None)),
    ]);
}

#[test]
fn a18_sequence_numbers_wrap() {
    let mut world = World::associated();
    for sequence in [0, 0x00ff_ffff, 0] {
        let answers = world.octets(smf(), &node(1, sequence, &[ie(96, &[1, 2, 3, 4])]));
        assert_eq!(answers[0].header.sequence, sequence);
    }
}
