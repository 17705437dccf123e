//! What has broken other UPFs over N4: malformed messages, forged ones, contradictory rules. Each
//! case says what the answer is; after each, the victim's session is as it was and the node serves
//! the next honest request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::too_many_lines,
    reason = "tests"
)]

mod support;

use pfcp::{Cause, Decoded, FTeid, Message, SdfFilter};
use support::*;

const EST: u8 = 50;
const MOD: u8 = 52;

fn ie(r#type: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&r#type.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

/// An IE that claims another length than it has.
fn lying(r#type: u16, length: u16, value: &[u8]) -> Vec<u8> {
    [&r#type.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

fn hex(digits: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(octet).collect()
}

/// A node message of these IEs.
fn node(r#type: u8, sequence: u32, ies: &[Vec<u8>]) -> Vec<u8> {
    let body = ies.concat();
    let length = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    let [_, a, b, c] = sequence.to_be_bytes();
    [&[0x20, r#type], &length[..], &[a, b, c, 0], &body].concat()
}

/// A session message of these IEs.
fn session(r#type: u8, seid: u64, sequence: u32, ies: &[Vec<u8>]) -> Vec<u8> {
    let body = ies.concat();
    let length = u16::try_from(body.len() + 12).unwrap().to_be_bytes();
    let [_, a, b, c] = sequence.to_be_bytes();
    [
        &[0x21, r#type],
        &length[..],
        &seid.to_be_bytes(),
        &[a, b, c, 0],
        &body,
    ]
    .concat()
}

// IEs of a plain establishment, to be exchanged one by one.
fn node_id() -> Vec<u8> {
    ie(60, &[0, 10, 10, 4, 2])
}
fn f_seid() -> Vec<u8> {
    ie(57, &[2, 0, 0, 0, 0, 0, 0, 0, 77, 10, 10, 4, 2])
}
fn source(interface: u8) -> Vec<u8> {
    ie(20, &[interface])
}
fn f_teid() -> Vec<u8> {
    ie(21, &[5])
}
fn pdi(ies: &[Vec<u8>]) -> Vec<u8> {
    ie(2, &ies.concat())
}
fn create_pdr(id: u8, pdi: Vec<u8>, far: &[Vec<u8>]) -> Vec<u8> {
    ie(
        1,
        &[
            ie(56, &[0, id]),
            ie(29, &[0, 0, 0, 1]),
            pdi,
            ie(95, &[0]),
            far.concat(),
        ]
        .concat(),
    )
}
fn far_id(id: u8) -> Vec<u8> {
    ie(108, &[0, 0, 0, id])
}
fn create_far(id: u8, more: &[Vec<u8>]) -> Vec<u8> {
    ie(3, &[far_id(id), more.concat()].concat())
}
fn good_pdr() -> Vec<u8> {
    create_pdr(1, pdi(&[source(0), f_teid()]), &[far_id(1)])
}
fn good_far() -> Vec<u8> {
    create_far(
        1,
        &[
            ie(44, &[2]),
            ie(4, &[ie(42, &[1]), ie(22, b"internet")].concat()),
        ],
    )
}
fn establishment(ies: &[Vec<u8>]) -> Vec<u8> {
    session(EST, 0, 900, ies)
}
fn with_pdr(pdr: Vec<u8>) -> Vec<u8> {
    establishment(&[node_id(), f_seid(), pdr, good_far()])
}
fn with_pdi(ies: &[Vec<u8>]) -> Vec<u8> {
    with_pdr(create_pdr(1, pdi(ies), &[far_id(1)]))
}
fn with_far(far: Vec<u8>) -> Vec<u8> {
    establishment(&[node_id(), f_seid(), good_pdr(), far])
}
fn with(more: Vec<u8>) -> Vec<u8> {
    establishment(&[node_id(), f_seid(), good_pdr(), good_far(), more])
}

/// What the node has to say to it.
#[derive(Clone, Debug)]
enum Must {
    Silence,
    Refuse(&'static [u8], Option<u16>),
    Accept,
}
use Must::{Accept, Refuse, Silence};

fn cause_of(answer: &Decoded) -> (u8, Option<u16>) {
    let offending = |ie: &Option<pfcp::OffendingIe>| ie.map(|ie| ie.0);
    match &answer.message {
        Message::SessionEstablishmentResponse(a) => (a.cause.0, offending(&a.offending_ie)),
        Message::SessionModificationResponse(a) => (a.cause.0, offending(&a.offending_ie)),
        Message::SessionDeletionResponse(a) => (a.cause.0, offending(&a.offending_ie)),
        Message::PfdManagementResponse(a) => (a.cause.0, offending(&a.offending_ie)),
        Message::SessionSetDeletionResponse(a) => (a.cause.0, offending(&a.offending_ie)),
        Message::AssociationSetupResponse(a) => (a.cause.0, unlisted(&a.unknown)),
        Message::AssociationUpdateResponse(a) => (a.cause.0, unlisted(&a.unknown)),
        Message::AssociationReleaseResponse(a) => (a.cause.0, unlisted(&a.unknown)),
        other => panic!("{other}"),
    }
}

fn unlisted(ies: &[pfcp::wire::Unknown]) -> Option<u16> {
    let ie = ies.iter().find(|ie| ie.r#type == 40)?;
    Some(u16::from_be_bytes([ie.value[0], ie.value[1]]))
}

/// Plays the cases, each to a world of its own with a victim's session in it.
fn play(cases: Vec<(&str, Vec<u8>, Must)>) {
    for (name, octets, must) in cases {
        let mut world = World::associated();
        let (seid, _) = world.establish(&open5gs(9));
        world.modify(seid, &activate(0x0101, "10.10.3.101"));
        let before = world.rules(seid);
        let answers = world.octets(smf(), &octets);
        match (&must, answers.as_slice()) {
            (Silence, []) => {}
            (Refuse(causes, offending), [answer]) => {
                let (cause, ie) = cause_of(answer);
                assert!(causes.contains(&cause), "{name}: cause {cause}");
                assert!(
                    offending.is_none() || *offending == ie,
                    "{name}: offending {ie:?}"
                );
            }
            (Accept, [answer]) => assert_eq!(cause_of(answer).0, 1, "{name}"),
            _ => panic!("{name}: {must:?}, but {answers:?}"),
        }
        if !matches!(must, Accept) {
            assert_eq!(world.node.session_count(), 1, "{name}");
            assert_eq!(
                world.node.publisher().sessions(),
                1,
                "{name}: nothing leaks"
            );
        }
        assert_eq!(world.rules(seid), before, "{name}");
        let (seid, _) = world.establish(&open5gs(10));
        assert_eq!(world.delete(seid).cause, Cause::REQUEST_ACCEPTED, "{name}");
    }
}

#[test]
fn framing() {
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
    play(cases);
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

#[test]
fn associations() {
    let stamp = || ie(96, &[0xe8, 1, 2, 3]);
    let setup = |id: &[u8]| node(5, 1, &[ie(60, id), stamp()]);
    let named = |labels: Vec<u8>| setup(&[vec![2], labels].concat());
    let label = |length: usize| [vec![u8::try_from(length).unwrap()], vec![b'a'; length]].concat();
    let bad = || Refuse(&[68, 69], Some(60));
    play(vec![
        (
            "B01 no Node ID",
            node(5, 1, &[stamp()]),
            Refuse(&[66], Some(60)),
        ),
        (
            "B02 no stamp",
            node(5, 1, &[node_id()]),
            Refuse(&[66], Some(96)),
        ),
        ("B03 label past the end", named(vec![0xff, 1, 2]), bad()),
        ("B03 a thousand ones", named(vec![1; 1000]), bad()),
        ("B03 five labels of 63", named(label(63).repeat(5)), bad()),
        ("B03 empty", setup(&[]), bad()),
        ("B03 type only", setup(&[2]), bad()),
        ("B03 three octets of IPv4", setup(&[0, 1, 2, 3]), bad()),
        ("B03 four octets of IPv6", setup(&[1, 1, 2, 3, 4]), bad()),
        ("B03 type 3", setup(&[3, 1, 2, 3, 4]), bad()),
        ("B03 type 0xf3", setup(&[0xf3, 1, 2, 3, 4]), bad()),
        ("B03 3000 octets", named(vec![b'a'; 3000]), bad()),
        ("PFD management", node(3, 1, &[]), Accept),
        (
            "session set deletion",
            node(14, 1, &[node_id()]),
            Refuse(&[67], Some(65)),
        ),
        (
            "update of nobody",
            node(7, 1, &[ie(60, &[0, 9, 9, 9, 9])]),
            Refuse(&[72], None),
        ),
        (
            "node report from an SMF",
            node(12, 1, &[node_id(), ie(101, &[1])]),
            Silence,
        ),
        (
            "report from an SMF",
            session(56, 1, 1, &[ie(39, &[1])]),
            Silence,
        ),
    ]);
}

#[test]
fn b08_strangers_change_nothing() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let stranger = "10.10.4.66:8805".parse().unwrap();
    for octets in [
        node(7, 1, &[node_id(), ie(89, &[1])]),
        node(9, 2, &[node_id()]),
        node(14, 3, &[node_id()]),
        node(3, 4, &[]),
        establishment(&[node_id(), f_seid(), good_pdr(), good_far()]),
        session(EST, 0, 5, &[]),
        session(MOD, seid, 6, &[ie(15, &ie(56, &[0, 1]))]),
        session(54, seid, 7, &[]),
    ] {
        let answers = world.octets(stranger, &octets);
        assert_eq!(cause_of(&answers[0]).0, 72);
        assert_eq!(answers[0].header.seid.unwrap_or(0) & !0x4d, 0);
    }
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn b05_only_who_is_allowed_associates() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.allow = vec!["10.10.4.0/30".parse().unwrap()];
    let mut world = World::with(config);
    let stranger = "10.10.4.66:8805".parse().unwrap();
    let answer = world.ask_from(stranger, None, &association());
    assert_eq!(cause_of(&answer).0, 64);
    let answer = world.ask_from(stranger, Some(0), &open5gs(9));
    assert_eq!(cause_of(&answer).0, 72);
    world.associate();
}

#[test]
fn rules() {
    let access = || source(0);
    let far = |to: Vec<u8>| create_far(1, &[ie(44, &[2]), ie(4, &to)]);
    let tunnel = |value: &[u8]| with_far(far([ie(42, &[0]), ie(84, value)].concat()));
    let f_teid_of = |value: &[u8]| with_pdi(&[access(), ie(21, value)]);
    let urr = |ies: &[Vec<u8>]| with(ie(6, &[&[ie(81, &[0, 0, 0, 1])], ies].concat().concat()));
    let volume = || [ie(62, &[2]), ie(37, &[2, 0, 0])].concat();
    let f_seid_of =
        |value: &[u8]| establishment(&[node_id(), ie(57, value), good_pdr(), good_far()]);
    let bad = |r#type| Refuse(&[68, 69, 71, 73], Some(r#type));
    let wrong_length = |r#type| Refuse(&[68], Some(r#type));
    let mut cases = vec![
        ("C01 nothing", establishment(&[]), Refuse(&[66], None)),
        (
            "C01 no rules",
            establishment(&[node_id(), f_seid()]),
            Refuse(&[66], Some(1)),
        ),
        (
            "C01 no FAR",
            establishment(&[node_id(), f_seid(), good_pdr()]),
            Refuse(&[66], Some(3)),
        ),
        (
            "C01 no F-SEID",
            establishment(&[node_id(), good_pdr(), good_far()]),
            Refuse(&[66], Some(57)),
        ),
        (
            "C01 no Node ID",
            establishment(&[f_seid(), good_pdr(), good_far()]),
            Refuse(&[66], Some(60)),
        ),
        (
            "C02 PDR without FAR",
            with_pdr(create_pdr(1, pdi(&[access(), f_teid()]), &[])),
            Refuse(&[66, 67], Some(108)),
        ),
        (
            "C03 PDI without source",
            with_pdi(&[f_teid()]),
            Refuse(&[66], Some(20)),
        ),
        ("C04 OHC of no octets", tunnel(&[]), wrong_length(84)),
        (
            "C08 IPv6 alone",
            f_teid_of(&[6]),
            Refuse(&[71, 75], Some(21)),
        ),
        (
            "C11 PDN type 0",
            with(ie(113, &[0])),
            Refuse(&[69, 76], Some(113)),
        ),
        (
            "C11 PDN type 7",
            with(ie(113, &[7])),
            Refuse(&[69, 76], Some(113)),
        ),
        (
            "C11 PDN type Ethernet",
            with(ie(113, &[5])),
            Refuse(&[76], Some(113)),
        ),
        (
            "C11 PDN type of no octets",
            with(ie(113, &[])),
            wrong_length(113),
        ),
        (
            "C14 QER that is not there",
            with_pdr(create_pdr(
                1,
                pdi(&[access(), f_teid()]),
                &[far_id(1), ie(109, &[0, 0, 0, 8])],
            )),
            Refuse(&[73, 69], Some(109)),
        ),
        (
            "C14 URR that is not there",
            with_pdr(create_pdr(
                1,
                pdi(&[access(), f_teid()]),
                &[far_id(1), ie(81, &[0, 0, 0, 8])],
            )),
            Refuse(&[73, 69], Some(81)),
        ),
        (
            "C14 FAR that is not there",
            with_pdr(create_pdr(1, pdi(&[access(), f_teid()]), &[far_id(9)])),
            Refuse(&[73, 69], Some(108)),
        ),
        (
            "C17 threshold cut",
            urr(&[volume(), ie(31, &[7, 0, 0])]),
            wrong_length(31),
        ),
        (
            "C17 threshold of no octets",
            urr(&[volume(), ie(31, &[])]),
            wrong_length(31),
        ),
        (
            "C17 quota cut",
            urr(&[volume(), ie(73, &[1, 0])]),
            wrong_length(73),
        ),
        (
            "C17 time threshold cut",
            urr(&[volume(), ie(32, &[1])]),
            wrong_length(32),
        ),
        (
            "C17 period of no octets",
            urr(&[volume(), ie(64, &[])]),
            wrong_length(64),
        ),
        (
            "C17 triggers of one octet",
            urr(&[ie(62, &[2]), ie(37, &[2])]),
            wrong_length(37),
        ),
        (
            "C17 method of no octets",
            urr(&[ie(62, &[]), ie(37, &[2, 0])]),
            wrong_length(62),
        ),
        (
            "C17 period and threshold of zero",
            urr(&[
                ie(62, &[3]),
                ie(37, &[7, 0, 0]),
                ie(64, &[0; 4]),
                ie(32, &[0; 4]),
                ie(31, &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ]),
            Accept,
        ),
        (
            "C21 one PDR twice",
            with(good_pdr()),
            Refuse(&[69, 73], Some(56)),
        ),
        (
            "C21 one FAR twice",
            with(good_far()),
            Refuse(&[69, 73], Some(108)),
        ),
        (
            "C32 no address",
            f_seid_of(&[0, 0, 0, 0, 0, 0, 0, 0, 1]),
            bad(57),
        ),
        (
            "C32 SEID 0",
            f_seid_of(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 10, 10, 4, 2]),
            bad(57),
        ),
        ("C32 one octet", f_seid_of(&[2]), bad(57)),
        ("C32 empty", f_seid_of(&[]), bad(57)),
        (
            "C32 foreign Node ID",
            establishment(&[ie(60, &[0, 9, 9, 9, 9]), f_seid(), good_pdr(), good_far()]),
            Refuse(&[72, 69], None),
        ),
        (
            "no network",
            with_far(far([ie(42, &[1]), ie(22, b"nowhere")].concat())),
            Refuse(&[73], Some(22)),
        ),
        (
            "loop to ourselves",
            tunnel(&hex("0100000000010a0a0307")),
            Refuse(&[69], Some(84)),
        ),
        (
            "IPv6 tunnel",
            tunnel(&hex("02000000000120010db8000000000000000000000001")),
            Refuse(&[73], Some(84)),
        ),
        (
            "application",
            with_pdi(&[access(), f_teid(), ie(24, b"voice")]),
            Refuse(&[73], Some(24)),
        ),
        (
            "traffic endpoint",
            with(ie(127, &[&ie(131, &[1])[..], &ie(142, &[1])].concat())),
            Refuse(&[73], Some(142)),
        ),
        (
            "framed route",
            with_pdi(&[access(), f_teid(), ie(153, b"all of it")]),
            Refuse(&[73], Some(153)),
        ),
        (
            "UE address to choose",
            with_pdi(&[access(), f_teid(), ie(93, &[0x10])]),
            Refuse(&[76], Some(93)),
        ),
        (
            "quota holding time",
            urr(&[volume(), ie(71, &[0, 0, 0, 1])]),
            Refuse(&[73], Some(71)),
        ),
        (
            "event trigger",
            urr(&[ie(62, &[2]), ie(37, &[0, 0x10])]),
            Refuse(&[73], Some(37)),
        ),
        (
            "forwarding policy",
            with_far(far(
                [ie(42, &[1]), ie(22, b"internet"), ie(41, &[1, b'x'])].concat()
            )),
            Refuse(&[70], Some(41)),
        ),
    ];
    for value in [
        "0100",
        "010000000001",
        "0100000000010a0000",
        "02000000000120010db8",
        "0000",
        "ffff00000001",
        "04007f000001",
    ] {
        cases.push((
            "C05 OHC cut",
            tunnel(&hex(value)),
            Refuse(&[68, 69], Some(84)),
        ));
    }
    for value in [
        "",
        "01",
        "01000000",
        "01000000010a",
        "0000000001",
        "0800000001",
        "0d",
    ] {
        cases.push(("C07 F-TEID", f_teid_of(&hex(value)), bad(21)));
    }
    for interface in [0x0f, 6, 4, 5] {
        cases.push((
            "C15 destination",
            with_far(far(ie(42, &[interface]))),
            Refuse(&[69, 73], Some(42)),
        ));
    }
    // Duplication, multicast, contradictions and nothing at all.
    for action in [
        &[0x10][..],
        &[0x12],
        &[0x20],
        &[0],
        &[3],
        &[6],
        &[0x0a],
        &[8],
        &[2, 1],
        &[2, 2],
    ] {
        let far = create_far(1, &[ie(44, action)]);
        cases.push(("apply action", with_far(far), Refuse(&[69, 73], Some(44))));
    }
    play(cases);
}

#[test]
fn c18_flow_descriptions_are_understood_whole_or_refused() {
    let long = format!("permit out ip from any{} to any", " x".repeat(500));
    let texts = [
        " ",
        "xxx",
        "permit",
        "permit out",
        "permit out ip from any to",
        "deny out ip from any to any",
        "permit out ip from any to any established",
        &long,
        "permit out ip from 1.2.3.4/99 to any",
        "permit out 999 from any to any",
        "permit out 17 from any 99999-1 to any",
        "permit out ip from 2001:db8::/200 to any",
        "%s%n",
        "permit out ip from 1.2.3 to any",
        "permit out ip from 10.0.0.1 to 2001:db8::1",
        "permit in ip from any to any",
    ];
    let mut world = World::associated();
    for text in texts {
        let mut request = open5gs(9);
        request.create_pdrs[1].pdi.sdf_filters = vec![SdfFilter::flow(text)];
        let answer = world.ask_from(smf(), Some(0), &request);
        let (cause, offending) = cause_of(&answer);
        assert!(
            [69, 73].contains(&cause) && offending == Some(23),
            "{text}: {cause} {offending:?}"
        );
    }
    for value in [
        "0100ffff",
        "0100003061",
        "01000005616263",
        "0200",
        "0400ff",
        "080001",
        "1000",
        "1000000000",
        "0000",
    ] {
        let octets = with_pdi(&[source(0), f_teid(), ie(23, &hex(value))]);
        let answers = world.octets(smf(), &octets);
        let (cause, offending) = cause_of(&answers[0]);
        assert!(
            [68, 69, 73].contains(&cause) && offending == Some(23),
            "{value}: {cause} {offending:?}"
        );
    }
    assert_eq!(world.node.publisher().sessions(), 0);
}

#[test]
fn c09_an_f_teid_belongs_to_its_session() {
    let mut world = World::associated();
    let (victim, answer) = world.establish(&open5gs(9));
    let FTeid::Given { teid, .. } = answer.created_pdrs[0].local_f_teids[0] else {
        panic!()
    };
    let before = world.rules(victim);
    let mut thief = open5gs(10);
    thief.create_pdrs[1].pdi.local_f_teid = Some(FTeid::given(teid, ip(N3)));
    let answer = world.ask_from(smf(), Some(0), &thief);
    assert!([69, 73].contains(&cause_of(&answer).0));
    assert_eq!(cause_of(&answer).1, Some(21));
    // Nor one that an SMF chose, nor the victim's address.
    let mut first = open5gs(11);
    first.create_pdrs[1].pdi.local_f_teid = Some(FTeid::given(0x7777, ip(N3)));
    world.establish(&first);
    first.cp_f_seid.seid += 50;
    first.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(ue(12), true)];
    assert_eq!(
        cause_of(&world.ask_from(smf(), Some(0), &first)).1,
        Some(21)
    );
    let mut same_address = open5gs(9);
    same_address.cp_f_seid.seid += 50;
    assert_eq!(
        cause_of(&world.ask_from(smf(), Some(0), &same_address)),
        (73, Some(93))
    );
    // When restoring, the cause says so.
    same_address.flags = Some(pfcp::PfcpSeReqFlags::RESTI);
    assert_eq!(
        cause_of(&world.ask_from(smf(), Some(0), &same_address)).0,
        86
    );
    assert_eq!(world.rules(victim), before);
    assert_eq!(world.node.session_count(), 2);
    let snapshot = world.readers[0].snapshot();
    let tunnel = before
        .pdrs
        .iter()
        .find_map(|pdr| pdr.pdi.local_f_teid)
        .unwrap();
    let owner = snapshot.plan(snapshot.tunnel(tunnel).unwrap()).unwrap();
    assert_eq!(owner.seid, session::Seid(victim));
}

#[test]
fn c22_rules_that_are_not_there() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let before = world.rules(seid);
    let id = |r#type: u16| match r#type {
        56 => ie(56, &[3, 9]),
        88 => ie(88, &[99]),
        other => ie(other, &[0, 0, 3, 9]),
    };
    // Update, Remove and Query, and the type of the id in each.
    for (group, rule) in [
        (9, 56),
        (10, 108),
        (13, 81),
        (14, 109),
        (86, 88),
        (15, 56),
        (16, 108),
        (17, 81),
        (18, 109),
        (87, 88),
        (77, 81),
    ] {
        // A change that would be fine comes first.
        let drop = ie(10, &[far_id(1), ie(44, &[1])].concat());
        let answers = world.octets(
            smf(),
            &session(
                MOD,
                seid,
                1000 + u32::from(group),
                &[drop, ie(group, &id(rule))],
            ),
        );
        let Message::SessionModificationResponse(answer) = &answers[0].message else {
            panic!()
        };
        assert_eq!(
            answer.cause,
            Cause::RULE_CREATION_MODIFICATION_FAILURE,
            "{group}"
        );
        assert!(answer.failed_rule_id.is_some(), "{group}");
        assert_eq!(world.rules(seid), before, "{group}");
    }
}

#[test]
fn c27_seids_and_teids_cannot_be_guessed() {
    let mut world = World::associated();
    let mut seids = vec![];
    let mut teids = vec![];
    for n in 0..24 {
        let (seid, answer) = world.establish(&open5gs(n + 1));
        let FTeid::Given { teid, .. } = answer.created_pdrs[0].local_f_teids[0] else {
            panic!()
        };
        seids.push(seid >> 24);
        teids.push(teid);
    }
    for pair in seids.windows(2) {
        assert!(pair[0].abs_diff(pair[1]) > 1 << 16, "{seids:x?}");
    }
    let steps: std::collections::BTreeSet<_> =
        teids.windows(2).map(|p| p[1].wrapping_sub(p[0])).collect();
    assert!(steps.len() > 20, "{teids:x?}");
}

#[test]
fn c30_answers_to_nothing_are_ignored() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.delete(seid);
    let answer = pfcp::SessionReportResponse {
        cause: Cause::SESSION_CONTEXT_NOT_FOUND,
        ..Default::default()
    };
    assert!(
        world
            .octets(smf(), &encode(Some(seid), 1, &answer))
            .is_empty()
    );
    assert_eq!(world.node.counters().dropped(upf_cp::Dropped::Unmatched), 1);
}

#[test]
fn c33_a_full_table_is_an_answer() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.limits.sessions = 8;
    let mut world = World::with(config);
    world.associate();
    let seids: Vec<_> = (1..=8).map(|n| world.establish(&open5gs(n)).0).collect();
    for n in 9..40 {
        assert_eq!(cause_of(&world.ask_from(smf(), Some(0), &open5gs(n))).0, 75);
    }
    for seid in seids {
        assert_eq!(world.delete(seid).cause, Cause::REQUEST_ACCEPTED);
    }
    assert_eq!(world.node.publisher().sessions(), 0);
    world.establish(&open5gs(9));
}

#[test]
fn messages_beyond_a_rate_are_dropped() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = 10;
    let mut world = World::with(config);
    world.associate();
    let heartbeat = |n| node(1, n, &[ie(96, &[1, 2, 3, 4])]);
    let answered = (0..100)
        .filter(|n| !world.octets(smf(), &heartbeat(*n)).is_empty())
        .count();
    assert_eq!(answered, 10);
    // Strangers share one allowance, of which the association took one.
    let stranger =
        |n: u32| std::net::SocketAddr::new(std::net::Ipv4Addr::from(0x0a0a_0500 + n).into(), 1);
    let answered = (0..100)
        .filter(|n| !world.octets(stranger(*n), &heartbeat(*n)).is_empty())
        .count();
    assert_eq!(answered, 9);
    world.pass(1_000);
    assert!(!world.octets(smf(), &heartbeat(200)).is_empty());
}
