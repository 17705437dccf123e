//! The attack catalogue, groups D (GTP-U), E (from the UE) and F (from the data network), as one
//! table: what arrives, and what becomes of it.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    clippy::wildcard_imports,
    reason = "tests: small numbers, long tables"
)]

mod classes;

use std::net::Ipv4Addr;

use session::Teid;

use crate::reason::Reason;
use crate::testbed::*;

/// What a case must come to.
#[derive(Debug, PartialEq)]
enum Must {
    /// Dropped for that reason, nothing sent.
    Drop(Reason),
    /// One packet of that many octets leaves.
    Pass(usize),
    /// Dropped for that reason, and its sender told.
    Told(Reason),
    /// Read, nothing sent.
    Consume,
}
use Must::{Consume, Drop, Pass, Told};

struct Case {
    name: &'static str,
    port: u16,
    frame: Vec<u8>,
    must: Must,
}

fn n3(datagram: &[u8]) -> Vec<u8> {
    frame(MAC_N3, MAC_GNB, None, datagram)
}

fn gtp(message: &[u8]) -> Vec<u8> {
    n3(&datagram_v4(GNB, N3_ADDRESS, message))
}

/// A G-PDU whose header is `head` up to the TEID, then `tail`.
fn raw(flags: u8, kind: u8, length: u16, teid: Teid, tail: &[u8]) -> Vec<u8> {
    let mut message = vec![flags, kind];
    message.extend(length.to_be_bytes());
    message.extend(teid.0.to_be_bytes());
    message.extend(tail);
    gtp(&message)
}

fn chain(teid: Teid, kinds: &[(u8, u8)], user: &[u8]) -> Vec<u8> {
    let mut tail = vec![0, 0, 0, kinds.first().map_or(0, |kind| kind.0)];
    for (at, (_, units)) in kinds.iter().enumerate() {
        tail.push(*units);
        tail.extend(vec![0; usize::from(*units) * 4 - 2]);
        tail.push(kinds.get(at + 1).map_or(0, |next| next.0));
    }
    tail.extend(user);
    raw(0x34, 255, tail.len() as u16, teid, &tail)
}

fn with_source(ue: Ipv4Addr, source: Ipv4Addr) -> Vec<u8> {
    assert_ne!(ue, source);
    user_v4(source, HOST, 8)
}

fn edited(mut octets: Vec<u8>, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    edit(&mut octets);
    if octets[0] >> 4 == 4 {
        let length = usize::from(octets[0] & 0xf) * 4;
        let whole = length.clamp(20, octets.len());
        crate::wire::set_ipv4_checksum(&mut octets[..whole]);
    }
    octets
}

fn group_d(teid: Teid, ue: Ipv4Addr) -> Vec<Case> {
    let user = user_v4(ue, HOST, 8);
    let routed = 14 + user.len();
    let case = |name, frame, must| Case {
        name,
        port: 0,
        frame,
        must,
    };
    let mut cases = vec![
        case(
            "D02 version 0",
            raw(0x10, 255, 36, teid, &user),
            Told(Reason::GtpuVersion),
        ),
        case(
            "D02 version 2",
            raw(0x50, 255, 36, teid, &user),
            Told(Reason::GtpuVersion),
        ),
        case(
            "D02 GTP'",
            raw(0x20, 255, 36, teid, &user),
            Drop(Reason::GtpuVersion),
        ),
        case(
            "D04 length beyond",
            raw(0x30, 255, 37, teid, &user),
            Drop(Reason::GtpuLength),
        ),
        case(
            "D04 length 0",
            raw(0x30, 255, 0, teid, &user),
            Drop(Reason::GtpuEmpty),
        ),
        case(
            "D04 length cuts the user packet",
            raw(0x30, 255, 30, teid, &user),
            Drop(Reason::UserPacket),
        ),
        case(
            "D05 optional fields cut",
            raw(0x32, 255, 3, teid, &[0; 3]),
            Drop(Reason::GtpuLength),
        ),
        case(
            "D07 extension type only",
            raw(0x34, 255, 4, teid, &[0, 0, 0, 0x85]),
            Drop(Reason::GtpuExtension),
        ),
        case(
            "D07 extension of length 0",
            raw(0x36, 255, 8, teid, &[0, 0, 0, 0x85, 0, 0, 0, 0]),
            Drop(Reason::GtpuExtension),
        ),
        case(
            "D07 extension beyond the end",
            raw(0x34, 255, 8, teid, &[0, 0, 0, 0x85, 0xff, 0, 0, 0]),
            Drop(Reason::GtpuExtension),
        ),
        case(
            "D08 two extensions",
            chain(teid, &[(0x85, 1), (0xc0, 1)], &user),
            Pass(routed),
        ),
        case(
            "D08 64 extensions",
            chain(teid, &[(0x40, 1); 64], &user),
            Drop(Reason::GtpuExtension),
        ),
        case(
            "D09 container of 8 octets",
            chain(teid, &[(0x85, 2)], &user),
            Pass(routed),
        ),
        case(
            "D09 extension of 1020 octets",
            chain(teid, &[(0x40, 255)], &user),
            Pass(routed),
        ),
        case("D11 0x01", chain(teid, &[(0x01, 1)], &user), Pass(routed)),
        case("D11 0x3f", chain(teid, &[(0x3f, 1)], &user), Pass(routed)),
        case("D11 0x7e", chain(teid, &[(0x7e, 1)], &user), Pass(routed)),
        case(
            "D18 type 0",
            raw(0x30, 0, 36, teid, &user),
            Drop(Reason::GtpuType),
        ),
        case("D18 type 2", raw(0x32, 2, 4, Teid(0), &[0; 4]), Consume),
        case(
            "D18 type 3",
            raw(0x30, 3, 0, teid, &[]),
            Drop(Reason::GtpuType),
        ),
        case(
            "D18 type 240",
            raw(0x30, 240, 0, teid, &[]),
            Drop(Reason::GtpuType),
        ),
        case(
            "D18 type 253",
            raw(0x30, 253, 4, teid, &[230, 0, 1, 1]),
            Consume,
        ),
        case(
            "D20 empty",
            raw(0x32, 26, 4, Teid(0), &[0; 4]),
            Drop(Reason::SlowPathBroken),
        ),
        case(
            "D20 cut",
            raw(0x32, 26, 7, Teid(0), &[0, 0, 0, 0, 16, 0, 0]),
            Drop(Reason::SlowPathBroken),
        ),
        case(
            "D20 length 0xffff",
            raw(0x32, 26, 8, Teid(0), &[0, 0, 0, 0, 133, 0xff, 0xff, 1]),
            Drop(Reason::SlowPathBroken),
        ),
        case(
            "D20 50 addresses",
            raw(0x32, 26, 4 + 350, Teid(0), &{
                let mut elements = vec![0; 4];
                (0..50).for_each(|n| elements.extend([133, 0, 4, 10, 0, 3, n]));
                elements
            }),
            Drop(Reason::SlowPathBroken),
        ),
        case(
            "D20 foreign TV",
            raw(0x32, 26, 7, Teid(0), &[0, 0, 0, 0, 99, 1, 2]),
            Drop(Reason::SlowPathBroken),
        ),
        case(
            "D21 end marker with payload",
            raw(0x30, 254, 36, teid, &user),
            Consume,
        ),
        case(
            "D21 end marker of TEID 0",
            raw(0x30, 254, 0, Teid(0), &[]),
            Drop(Reason::SlowPathUnanswered),
        ),
        case(
            "D24 empty user packet",
            raw(0x30, 255, 1, teid, &[0x45]),
            Drop(Reason::UserPacket),
        ),
        case(
            "D28 jumbo",
            gtp(&gpdu(
                teid,
                None,
                &edited(user_v4(ue, HOST, 1700), |user| user[6] = 0x40),
            )),
            Told(Reason::TooBig),
        ),
    ];
    for length in 0..12 {
        let mut message = gpdu(teid, Some(9), &user);
        message.truncate(length);
        cases.push(case("D01 short", gtp(&message), Drop(Reason::GtpuLength)));
    }
    for version in [0_u8, 5, 7, 15] {
        let wrong = edited(user.clone(), |user| user[0] = version << 4 | 5);
        let frame = gtp(&gpdu(teid, None, &wrong));
        cases.push(case("D24 version", frame, Drop(Reason::UserPacket)));
    }
    // A first fragment whose length is no multiple of eight, and one that reaches too far.
    let whole = datagram_v4(GNB, N3_ADDRESS, &gpdu(teid, None, &user[..35]));
    for (high, low) in [(0x20, 0), (0x1f, 0xff)] {
        let fragment = edited(whole.clone(), |d| (d[6], d[7]) = (high, low));
        cases.push(case(
            "D25 broken fragment",
            n3(&fragment),
            Drop(Reason::OuterFragment),
        ));
    }
    cases
}

fn group_e(teid: Teid, ue: Ipv4Addr) -> Vec<Case> {
    let up = |user: &[u8]| gtp(&gpdu(teid, Some(9), user));
    let case = |name, frame, must| Case {
        name,
        port: 0,
        frame,
        must,
    };
    let mut cases = Vec::new();
    for source in [
        "10.45.0.99",
        "198.51.100.7",
        "10.0.3.1",
        "0.0.0.0",
        "255.255.255.255",
        "127.0.0.1",
        "224.0.0.1",
    ] {
        let user = with_source(ue, source.parse().unwrap());
        cases.push(case("E01 spoofed source", up(&user), Drop(Reason::NoPdr)));
    }
    for own in [
        N3_ADDRESS,
        N9_ADDRESS,
        N4_ADDRESS,
        Ipv4Addr::new(10, 0, 6, 1),
    ] {
        let inside = datagram_v4(ue, own, &gpdu(teid, None, &user_v4(ue, HOST, 0)));
        cases.push(case(
            "E03 GTP-U in GTP-U",
            up(&inside),
            Drop(Reason::ToOwnAddress),
        ));
        let inside = datagram_v4(ue, own, &gpdu(teid, None, &[]));
        cases.push(case(
            "E03 of length 0",
            up(&inside),
            Drop(Reason::ToOwnAddress),
        ));
        let pfcp = edited(user_v4(ue, own, 16), |user| {
            user[22..24].copy_from_slice(&[0x22, 0x65]);
        });
        cases.push(case(
            "E04 PFCP from the UE",
            up(&pfcp),
            Drop(Reason::ToOwnAddress),
        ));
        let tunnelled = edited(user_v4(ue, own, 40), |user| user[9] = 4);
        cases.push(case(
            "E07 IP in IP to us",
            up(&tunnelled),
            Drop(Reason::ToOwnAddress),
        ));
    }
    let other_ue = user_v4(ue, Ipv4Addr::new(10, 45, 0, 99), 8);
    cases.push(case("E06 UE to UE by N6", up(&other_ue), Pass(14 + 36)));
    let gre = edited(user_v4(ue, HOST, 40), |user| user[9] = 47);
    cases.push(case("E07 GRE to a host", up(&gre), Pass(14 + 68)));
    for ttl in [0, 1] {
        let last = edited(user_v4(ue, HOST, 8), |user| user[8] = ttl);
        cases.push(case("E08 TTL", up(&last), Told(Reason::HopLimit)));
    }
    for kind in [131, 137] {
        let routed = edited(user_v4(ue, HOST, 8), |user| {
            user[0] = 0x47;
            user[3] += 8;
            user.splice(20..20, [1, kind, 7, 4, 10, 0, 3, 1]);
        });
        cases.push(case(
            "E08 source route",
            up(&routed),
            Drop(Reason::SourceRoute),
        ));
    }
    let recorded = edited(user_v4(ue, HOST, 8), |user| {
        user[0] = 0x47;
        user[3] += 8;
        user.splice(20..20, [7, 7, 4, 0, 0, 0, 0, 0]);
    });
    cases.push(case("E08 record route", up(&recorded), Pass(14 + 44)));
    let long = edited(user_v4(ue, HOST, 8), |user| user[0] = 0x4f);
    cases.push(case(
        "E08 IHL 15 past the end",
        up(&long),
        Drop(Reason::UserPacket),
    ));
    let fragment = edited(user_v4(ue, HOST, 8), |user| user[7] = 9);
    cases.push(case(
        "E10 fragment without SDF filters",
        up(&fragment),
        Pass(14 + 36),
    ));
    for to in ["127.0.0.1", "0.0.0.0", "240.0.0.1", "255.255.255.255"] {
        let user = user_v4(ue, to.parse().unwrap(), 8);
        cases.push(case(
            "martian destination",
            up(&user),
            Drop(Reason::MartianDestination),
        ));
    }
    let user = user_v4(ue, Ipv4Addr::new(224, 0, 0, 251), 8);
    cases.push(case(
        "multicast of a UE",
        up(&user),
        Drop(Reason::UserMulticast),
    ));
    cases
}

fn group_f(ue: Ipv4Addr) -> Vec<Case> {
    let case = |name, frame, must| Case {
        name,
        port: 1,
        frame,
        must,
    };
    let nobody = Ipv4Addr::new(10, 45, 200, 200);
    let mut cases = vec![
        case(
            "F01 no session",
            downlink(&user_v4(HOST, nobody, 8)),
            Drop(Reason::UnknownUe),
        ),
        case(
            "F01 port 2152 is user data",
            downlink(&datagram_v4(HOST, ue, &[0x30, 255])),
            Pass(14 + 44 + 30),
        ),
        case(
            "F03 UE as its own source",
            downlink(&user_v4(ue, ue, 8)),
            Drop(Reason::MartianSource),
        ),
        case(
            "F03 TTL 1",
            downlink(&edited(user_v4(HOST, ue, 8), |u| u[8] = 1)),
            Told(Reason::HopLimit),
        ),
        case(
            "F03 cut",
            downlink(&user_v4(HOST, ue, 8)[..30]),
            Drop(Reason::Truncated),
        ),
        case(
            "F03 IHL 4",
            downlink(&edited(user_v4(HOST, ue, 8), |u| u[0] = 0x44)),
            Drop(Reason::OuterHeader),
        ),
        case(
            "GTP-U to the N6 address",
            downlink(&datagram_v4(HOST, Ipv4Addr::new(10, 0, 6, 1), &[0x30, 255])),
            Drop(Reason::UnexpectedProtocol),
        ),
    ];
    for source in ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"] {
        let user = user_v4(source.parse().unwrap(), ue, 8);
        cases.push(case(
            "F03 martian source",
            downlink(&user),
            Drop(Reason::MartianSource),
        ));
    }
    let mut wrong = user_v4(HOST, ue, 8);
    wrong[10] ^= 1;
    cases.push(case(
        "F03 header checksum",
        downlink(&wrong),
        Drop(Reason::OuterChecksum),
    ));
    cases
}

#[test]
fn every_case_comes_to_what_it_must() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let cases = group_d(session.teid, session.ue)
        .into_iter()
        .chain(group_e(session.teid, session.ue))
        .chain(group_f(session.ue));
    hold(&mut bed, cases);
}

/// All frames of the catalogue, each with its port, for the first session of a test bed.
pub(crate) fn frames() -> Vec<(u16, Vec<u8>)> {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let cases = group_d(session.teid, session.ue)
        .into_iter()
        .chain(group_e(session.teid, session.ue))
        .chain(group_f(session.ue))
        .chain(classes::all())
        .chain(classes::not_for_us(&session));
    cases.map(|case| (case.port, case.frame)).collect()
}

/// Each case by itself, on a UPF that has time for all.
fn hold(bed: &mut Testbed, cases: impl IntoIterator<Item = Case>) {
    for Case {
        name,
        port,
        frame,
        must,
    } in cases
    {
        // Limits on what is answered are not the matter here.
        bed.pass_ms(10_000);
        let (before, consumed) = (bed.drops(), consumed(bed));
        let sent = bed.one(port, &frame);
        let reasons: Vec<_> = bed
            .drops()
            .into_iter()
            .filter(|now| !before.contains(now))
            .map(|(r, _)| r)
            .collect();
        let got = match (sent, reasons.as_slice()) {
            (Some((_, frame)), []) => Pass(frame.len()),
            (None, [reason]) => Drop(*reason),
            (Some(_), [reason]) => Told(*reason),
            (None, []) if consumed_since(bed, consumed) == 1 => Consume,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(got, must, "{name}");
    }
}

fn consumed(bed: &Testbed) -> u64 {
    bed.workers[0]
        .cells
        .read()
        .ports
        .iter()
        .map(|port| port.consumed)
        .sum()
}

fn consumed_since(bed: &Testbed, before: u64) -> u64 {
    consumed(bed) - before
}

/// E01 once more, where the PDI names no UE address and only the source check stands guard.
#[test]
fn the_source_check_holds_without_a_ue_address_in_the_pdi() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| rules.pdrs[0].pdi.ue = None);
    for source in [
        "10.45.0.99",
        "10.0.3.1",
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
    ] {
        let user = with_source(session.ue, source.parse().unwrap());
        assert_eq!(bed.one(0, &uplink(session.teid, &user)), None, "{source}");
    }
    assert_eq!(bed.drops(), [(Reason::SourceSpoofed, 5)]);
}

/// D17: a flood of echo requests is answered up to a rate; broken elements do not stop an answer.
#[test]
fn echo_is_answered_up_to_a_rate() {
    let mut bed = Testbed::new(1, 8);
    let echo = |tail: &[u8]| {
        let mut tail = tail.to_vec();
        tail.splice(0..0, [0x12, 0x34, 0, 0]);
        raw(0x32, 1, tail.len() as u16, Teid(0), &tail)
    };
    for tail in [
        &[][..],
        &[255, 0, 4, 0, 1, 2, 3],
        &[255, 0xff, 0xff],
        &[14, 9],
    ] {
        let (_, sent) = bed.one(0, &echo(tail)).unwrap();
        assert_eq!(
            sent[42..],
            [0x32, 2, 0, 6, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 14, 0]
        );
        assert_eq!(sent[34..38], [8, 0x68, 8, 0x68]);
    }
    let sent = bed.receive(0, &vec![echo(&[]); 3000]).len();
    // A tenth of a thousand for one peer, and four have gone before.
    assert_eq!(sent, 96);
    assert_eq!(bed.dropped(Reason::SlowPathRate), 3000 - 96);
    // The others are answered all the same.
    let other = datagram_v4(
        PEER_UPF,
        N3_ADDRESS,
        &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 7, 0, 0],
    );
    assert!(bed.one(0, &n3(&other)).is_some());
}

/// D12: whose container it is decides whether its QFI counts, and the first one does.
#[test]
fn a_container_from_the_wrong_side_names_no_flow() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| {
        rules.pdrs[0].pdi.qfis = vec![session::Qfi::new(9).unwrap()];
    });
    let user = user_v4(session.ue, HOST, 8);
    let with = |containers: &[[u8; 2]]| {
        let mut tail = vec![0, 0, 0];
        for container in containers {
            tail.extend([0x85, 1]);
            tail.extend(container);
        }
        tail.push(0);
        tail.extend(&user);
        raw(0x34, 255, tail.len() as u16, session.teid, &tail)
    };
    let [up, down, strange] = [[0x10, 9], [0, 9], [0xf0, 9]];
    assert!(bed.one(0, &with(&[up])).is_some());
    assert!(bed.one(0, &with(&[up, [0x10, 5]])).is_some());
    for containers in [&[down][..], &[strange], &[[0x10, 5], up], &[down, up]] {
        assert_eq!(bed.one(0, &with(containers)), None, "{containers:?}");
    }
    assert_eq!(bed.drops(), [(Reason::NoPdr, 4)]);
}

/// D02: who speaks another version is told ours, not too often, and not by way of a forged source.
#[test]
fn another_version_is_answered_with_ours() {
    let mut bed = Testbed::new(1, 8);
    let strange = raw(0x52, 255, 4, Teid(7), &[0; 4]);
    let (_, sent) = bed.one(0, &strange).unwrap();
    assert_eq!(sent[42..], [0x32, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bed.receive(0, &vec![strange; 3000]).len(), 9);
    assert_eq!(bed.drops(), [(Reason::GtpuVersion, 3001)]);
    for source in [N3_ADDRESS, "224.0.0.9".parse().unwrap()] {
        bed.pass_ms(10_000);
        let datagram = datagram_v4(
            source,
            N3_ADDRESS,
            &[0x52, 255, 0, 4, 0, 0, 0, 7, 0, 0, 0, 0],
        );
        assert_eq!(bed.one(0, &n3(&datagram)), None, "{source}");
    }
}

/// D11 for headers that have to be understood: the sender is told which ones are.
#[test]
fn an_extension_header_that_must_be_understood_is_answered() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let user = user_v4(session.ue, HOST, 8);
    let (_, sent) = bed
        .one(0, &chain(session.teid, &[(0xbf, 1)], &user))
        .unwrap();
    let count = gtpu::ExtensionType::UNDERSTOOD.len();
    assert_eq!(sent[42..44], [0x32, 31]);
    assert_eq!(sent[54..56], [141, count as u8]);
    assert_eq!(bed.drops(), [(Reason::GtpuExtensionUnknown, 1)]);
}
