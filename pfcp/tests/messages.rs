//! Whole messages of others, faults and what comes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use pfcp::*;

#[macro_use]
mod common;
use common::{hex, join, sorted_list, split, unhex};

fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').collect())
}

fn messages_of_others() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    lines(include_str!("golden/messages.txt")).map(|line| (line[0], line))
}

/// A session establishment as an Open5GS SMF sends it.
fn establishment() -> Vec<u8> {
    let (_, line) = messages_of_others()
        .find(|(_, line)| line[0] == "open5gs/est_ipv4" && line[3].starts_with("2132"))
        .unwrap();
    unhex(line[3])
}

/// The same with its IEs changed.
fn changed(change: impl FnOnce(&mut Vec<(u16, Vec<u8>)>)) -> Vec<u8> {
    let octets = establishment();
    let mut ies: Vec<(u16, Vec<u8>)> = split(&octets[16..])
        .into_iter()
        .map(|(t, v)| (t, v.to_vec()))
        .collect();
    change(&mut ies);
    with_body(&octets[..16], &join(ies))
}

fn with_body(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut octets = header.to_vec();
    octets.extend(body);
    let length = u16::try_from(octets.len() - 4).unwrap();
    octets[2..4].copy_from_slice(&length.to_be_bytes());
    octets
}

fn ie(r#type: u16, value: &str) -> Vec<u8> {
    join([(r#type, unhex(value))])
}

fn answer(octets: &[u8]) -> (Option<u8>, Option<u16>) {
    match decode(octets) {
        Ok(decoded) => panic!("{decoded}"),
        Err(error) => (error.cause().map(Cause::get), error.offending_ie()),
    }
}

#[test]
fn messages_of_others_round_trip() {
    let (mut count, mut of_networks) = (0, 0);
    for (name, line) in messages_of_others() {
        let octets = unhex(line[3]);
        let decoded = decode(&octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.header.sequence.to_string(), line[1], "{name}");
        assert_eq!(
            decoded
                .header
                .seid
                .map_or("-".to_owned(), |seid| seid.to_string()),
            line[2]
        );
        assert_eq!(decoded.message.message_type(), octets[1], "{name}");
        let mut again = Vec::new();
        encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
        let body = if octets[0] & 1 == 0 { 8 } else { 16 };
        assert_eq!(hex(&again[..body]), hex(&octets[..body]), "{name}");
        assert_eq!(
            hex(&sorted_list(&again[body..])),
            hex(&sorted_list(&octets[body..])),
            "{name}"
        );
        // What those send that others have to live with keeps all rules; random octets may not.
        if name.starts_with("open5gs/") {
            assert_eq!(decoded.message.check(), Ok(()), "{name}");
            of_networks += 1;
        }
        let json = serde_json::to_string(&decoded).unwrap();
        assert_eq!(
            serde_json::from_str::<Decoded>(&json).unwrap(),
            decoded,
            "{name}"
        );
        count += 1;
    }
    assert!(count > 150 && of_networks > 20, "{count} {of_networks}");
}

/// What Open5GS sends comes back octet for octet: its order of IEs is that of the tables.
#[test]
fn what_open5gs_sends_means_what_it_says() {
    let decoded = decode(&establishment()).unwrap();
    let Message::SessionEstablishmentRequest(request) = decoded.message else {
        panic!()
    };
    assert_eq!(request.create_pdrs.len(), 4);
    assert_eq!(request.create_fars.len(), 3);
    assert!(request.unknown.is_empty());
    let uplink = &request.create_pdrs[1];
    assert_eq!(uplink.pdi.source_interface, SourceInterface::ACCESS);
    assert_eq!(
        uplink.pdi.local_f_teid,
        Some(FTeid::Choose {
            ipv4: true,
            ipv6: true,
            choose_id: Some(5)
        })
    );
    assert_eq!(
        uplink.outer_header_removal,
        Some(OuterHeaderRemoval::GTP_U_UDP_IP)
    );
    assert_eq!(
        uplink
            .pdi
            .network_instance
            .as_ref()
            .unwrap()
            .name()
            .unwrap(),
        "internet"
    );
    assert_eq!(
        request.create_fars[0].apply_action,
        ApplyAction::BUFF | ApplyAction::NOCP
    );
    assert_eq!(
        request.create_urrs[0]
            .volume_threshold
            .as_ref()
            .unwrap()
            .total,
        Some(104_857_600)
    );
    assert_eq!(request.pdn_type, Some(PdnType::IPV4));
    assert_eq!(request.create_qers[0].gate_status, GateStatus::OPEN);
}

#[test]
fn the_tree_reads_well() {
    let decoded = decode(&establishment()).unwrap();
    let tree = decoded.to_string();
    for line in [
        "SEID 0x0, sequence 3: Session Establishment Request",
        "  Create PDR",
        "    PDR ID: 1",
        "    PDI",
        "      Source Interface: CORE",
        "      Network Instance: internet",
        "      Local F-TEID: choose, IPv4, IPv6, id 5",
    ] {
        let line = line.replace("Local F-TEID", "F-TEID").replace(
            "sequence 3",
            &format!("sequence {}", decoded.header.sequence),
        );
        assert!(tree.lines().any(|ours| ours == line), "{line} in\n{tree}");
    }
}

#[test]
fn faults_are_told_apart() {
    for line in lines(include_str!("golden/negative.txt")) {
        let (name, expected, octets) = (line[0], line[1], unhex(line[2]));
        let result = decode(&octets);
        match expected {
            "version" => {
                assert!(
                    matches!(result, Err(DecodeError::Version { .. })),
                    "{name}: {result:?}"
                );
            }
            "same" => {
                // Random content may be wrong elsewhere; the inserted IE must not be what is.
                if let Err(error) = result {
                    assert!(
                        !matches!(error.offending_ie(), Some(0x7abc | 0x8abc)),
                        "{name}"
                    );
                }
            }
            _ => {
                let error = result.expect_err(name);
                let cause = error.cause().map_or(0, Cause::get).to_string();
                let offending = error.offending_ie().unwrap_or(0);
                let fine = expected == format!("{cause}:{offending}")
                    || expected.split('/').any(|expected| expected == cause);
                assert!(fine, "{name}: {error}, expected {expected}");
                assert_eq!(
                    error.header().unwrap().sequence,
                    sequence(&octets),
                    "{name}"
                );
            }
        }
    }
}

fn sequence(octets: &[u8]) -> u32 {
    let at = if octets[0] & 1 == 0 { 4 } else { 12 };
    u32::from_be_bytes([0, octets[at], octets[at + 1], octets[at + 2]])
}

/// Attack catalogue, A: framing.
#[test]
fn framing() {
    let discarded = |octets: &[u8]| matches!(decode(octets), Err(DecodeError::Discard(_)));
    for short in [
        "",
        "20",
        "2132",
        "21320000",
        "2001",
        "200100",
        "20010004000001",
        "21320010000000",
    ] {
        assert!(discarded(&unhex(short)), "{short}");
    }
    for first in [0x00, 0x40, 0x60, 0xe0] {
        let octets = [&[first][..], &unhex("01000c0000020000600004e81fe7b4")[..]];
        let octets = octets.concat();
        let expected = DecodeError::Version {
            version: first >> 5,
            sequence: Sequence::new(2),
        };
        assert_eq!(decode(&octets), Err(expected));
    }
    // Two that do not speak the same version would answer each other without end.
    assert!(discarded(&unhex("400b000400000200")));
    // The S flag is fixed by the message type.
    assert!(discarded(&unhex("2032000400000100")));
    assert!(discarded(&unhex("2101000c000000000000000000000100")));
    for r#type in [0_u8, 18, 49, 58, 99, 255] {
        assert!(discarded(&[0x20, r#type, 0, 4, 0, 0, 1, 0]), "{type}");
        let session = [&[0x21, r#type, 0, 12][..], &[0; 12]].concat();
        assert!(discarded(&session), "{type}");
    }
    // Length and datagram differ.
    let mut longer = establishment();
    longer.extend([0; 8]);
    assert_eq!(answer(&longer), (Some(68), None));
    let mut says_more = establishment();
    says_more[3] = says_more[3].wrapping_add(40);
    assert_eq!(answer(&says_more).0, Some(68));
    assert_eq!(
        answer(&unhex("200100000000010000600004e81fe7b4")),
        (Some(68), None)
    );
    // One to three octets behind the last IE.
    for surplus in 1..4 {
        let octets = establishment();
        let body = [&octets[16..], &[0; 3][..surplus]].concat();
        assert_eq!(answer(&with_body(&octets[..16], &body)), (Some(68), None));
    }
    // Spare bits of the header are nobody's business.
    let mut spare = establishment();
    spare[0] |= 0x18;
    assert_eq!(decode(&spare).unwrap(), decode(&establishment()).unwrap());
}

/// Attack catalogue, A09 and A10: lengths that run past what holds them.
#[test]
fn lengths() {
    for r#type in [60_u16, 57, 1, 3, 96, 0x7abc] {
        let octets = establishment();
        let end = [&r#type.to_be_bytes()[..], &unhex("ffff61626364")].concat();
        let body = [&octets[16..], &end].concat();
        assert_eq!(
            answer(&with_body(&octets[..16], &body)),
            (Some(68), Some(r#type))
        );
    }
    let far = [ie(108, "00000009"), unhex("00047fff")].concat();
    assert_eq!(
        answer(&changed(|ies| ies.push((3, far)))),
        (Some(68), Some(4))
    );
    let pdr = [ie(56, "0009"), unhex("0000")].concat();
    assert_eq!(
        answer(&changed(|ies| ies.push((1, pdr)))),
        (Some(68), Some(1))
    );
    assert_eq!(
        answer(&changed(|ies| ies.push((6, vec![0])))),
        (Some(68), Some(6))
    );
    // A13: Recovery Time Stamp of length zero.
    assert_eq!(
        answer(&unhex("200100080000020000600000")),
        (Some(68), Some(96))
    );
    // A14: none at all.
    assert_eq!(answer(&unhex("2001000400000300")), (Some(66), Some(96)));
}

/// IE type, cause, values.
const MALFORMED: &[(u16, &str, &[&str])] = &[
    (
        84,
        "68",
        &[
            "",
            "0100",
            "010000000001",
            "0100000000010a0000",
            "0200000000010a0000",
            "04007f000001",
        ],
    ),
    (84, "69", &["0000", "ffff00000001"]),
    (
        21,
        "68",
        &["", "01", "01000000", "01000000010a", "0c", "0d"],
    ),
    (21, "69", &["0000000001", "0800000001"]),
    (
        23,
        "68",
        &[
            "",
            "01",
            "0100ffff61",
            "010000306162",
            "0200",
            "02001",
            "0400010203",
            "080001",
            "1000010203",
        ],
    ),
    (23, "69", &["0000", "01000000", "0100000280ff"]),
    (
        31,
        "68",
        &["", "01", "0700000000", "0700000000000000010000"],
    ),
    (73, "68", &["", "0100000000000000"]),
    (71, "68", &["", "01", "0300"]),
    (32, "68", &["01"]),
    (64, "68", &[""]),
    (93, "68", &["", "02", "020a0000", "0120010db8"]),
    (93, "69", &["120a000001"]),
    (95, "68", &[""]),
    (95, "69", &["09", "ff"]),
    (25, "68", &[""]),
    (26, "68", &["", "0000000001"]),
    (42, "69", &["06", "0f"]),
    (20, "69", &["05", "0f"]),
];

/// Attack catalogue, C: what decides on packets is refused if malformed, never dropped silently.
#[test]
fn malformed_rules() {
    for (r#type, cause, values) in MALFORMED {
        for value in *values {
            let value = value.get(..value.len() / 2 * 2).unwrap();
            let octets = changed(|ies| ies.extend(rule_with(*r#type, value)));
            assert_eq!(
                answer(&octets),
                (Some(cause.parse().unwrap()), Some(*r#type)),
                "{type} {value}"
            );
        }
    }
}

/// Attack catalogue, C03, C11, C17, C32.
#[test]
fn malformed_sessions() {
    let pdr = [
        ie(56, "0009"),
        ie(29, "000000ff"),
        join([(2, ie(22, "61"))]),
    ]
    .concat();
    assert_eq!(
        answer(&changed(|ies| ies.push((1, pdr)))),
        (Some(66), Some(20))
    );
    for (value, cause) in [("00", 69), ("07", 69), ("", 68)] {
        let octets = changed(|ies| {
            ies.retain(|(r#type, _)| *r#type != 113);
            ies.push((113, unhex(value)));
        });
        assert_eq!(answer(&octets), (Some(cause), Some(113)), "{value}");
    }
    for (r#type, value) in [(37, "02"), (62, "")] {
        let urr = changed(|ies| {
            let mut members = vec![
                (81, unhex("00000009")),
                (62, unhex("02")),
                (37, unhex("020000")),
            ];
            members.retain(|(kept, _)| *kept != r#type);
            members.push((r#type, unhex(value)));
            ies.push((6, join(members)));
        });
        assert_eq!(answer(&urr), (Some(68), Some(r#type)));
    }
    for (value, cause) in [
        ("", 68),
        ("02", 68),
        ("000000000000000001", 69),
        ("020000000000000001", 68),
    ] {
        let octets = changed(|ies| {
            ies.retain(|(r#type, _)| *r#type != 57);
            ies.push((57, unhex(value)));
        });
        assert_eq!(answer(&octets), (Some(cause), Some(57)), "{value}");
    }
}

/// A rule that is sound but for one IE.
fn rule_with(r#type: u16, value: &str) -> Option<(u16, Vec<u8>)> {
    let bad = ie(r#type, value);
    let pdi = |more: &[u8]| join([(2, [ie(20, "00"), more.to_vec()].concat())]);
    let pdr = |pdi: Vec<u8>, more: &[u8]| {
        [ie(56, "0009"), ie(29, "000000ff"), pdi, more.to_vec()].concat()
    };
    Some(match r#type {
        20 => (1, pdr(join([(2, bad)]), &[])),
        21 | 23 | 93 => (1, pdr(pdi(&bad), &[])),
        95 => (1, pdr(pdi(&[]), &bad)),
        42 => (
            3,
            [ie(108, "00000009"), ie(44, "02"), join([(4, bad)])].concat(),
        ),
        84 => (
            3,
            [
                ie(108, "00000009"),
                ie(44, "02"),
                join([(4, [ie(42, "00"), bad].concat())]),
            ]
            .concat(),
        ),
        31 | 73 | 71 | 32 | 64 => (
            6,
            [ie(81, "00000009"), ie(62, "02"), ie(37, "020000"), bad].concat(),
        ),
        26 => (7, [ie(109, "00000009"), ie(25, "00"), bad].concat()),
        25 => (7, [ie(109, "00000009"), bad].concat()),
        _ => return None,
    })
}

/// Attack catalogue, B: Node IDs.
#[test]
fn node_ids() {
    let mut names = Vec::new();
    let label = [&[63][..], &[b'a'; 63]].concat();
    names.push([&[2][..], &label.repeat(4)].concat());
    names.push(unhex("02ff6161"));
    names.push([&[2][..], &[1; 1000]].concat());
    names.push([&[2][..], &[b'a'; 3000]].concat());
    names.extend(["", "00", "000a0000", "0120010db8", "03", "f3", "02"].map(unhex));
    for name in names {
        let body = join([(60, name.clone()), (96, unhex("e81fe7b4"))]);
        let octets = with_body(&unhex("2005000000000100"), &body);
        let (cause, offending) = answer(&octets);
        assert!(matches!(cause, Some(68 | 69)), "{}", hex(&name));
        assert_eq!(offending, Some(60));
    }
    let body = join([(60, unhex("f20375706604636f7265"))]);
    let octets = with_body(&unhex("2009000000000100"), &body);
    let Message::AssociationReleaseRequest(request) = decode(&octets).unwrap().message else {
        panic!()
    };
    assert_eq!(request.node_id, NodeId::fqdn("upf.core").unwrap());
}

/// The first of a repeated IE counts; unknown ones are kept; harmless ones may be malformed.
#[test]
fn lenience() {
    let octets = changed(|ies| {
        ies.push((113, vec![2]));
        ies.push((0x7abc, b"hello".to_vec()));
        ies.push((0x8abc, unhex("28af0102")));
        ies.retain(|(r#type, _)| *r#type != 141);
        ies.push((141, vec![0xff, 0xff]));
        // Optional, and of no weight for packets: as good as absent (7.6.6).
        ies.retain(|(r#type, _)| *r#type != 257);
        ies.push((257, vec![]));
        ies.push((257, vec![1, 2]));
    });
    let decoded = decode(&octets).unwrap();
    let Message::SessionEstablishmentRequest(request) = &decoded.message else {
        panic!()
    };
    assert_eq!(request.pdn_type, Some(PdnType::IPV4));
    assert_eq!(request.user_id, None);
    let types: Vec<_> = request.unknown.iter().map(|ie| ie.r#type).collect();
    assert_eq!(types, [0x7abc, 0x8abc, 141, 257, 257]);
    assert!(request.s_nssai.is_none());
    assert_eq!(request.unknown[1].enterprise(), Some(0x28af));
    assert_eq!(request.unknown[0].enterprise(), None);
    let mut again = Vec::new();
    encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
    assert_eq!(decode(&again).unwrap(), decoded);
}

/// Length zero removes, and survives the way back.
#[test]
fn updates() {
    let pdr = [
        ie(56, "0001"),
        ie(95, ""),
        ie(81, ""),
        ie(109, "00000001"),
        ie(109, "00000002"),
    ]
    .concat();
    let parameters = [ie(84, ""), ie(22, ""), ie(42, "00")].concat();
    let far = [ie(108, "00000001"), join([(11, parameters)])].concat();
    let body = join([(9, pdr), (10, far)]);
    let octets = with_body(
        &unhex(
            "213400000000000000000001 00000100"
                .replace(' ', "")
                .as_str(),
        ),
        &body,
    );
    let decoded = decode(&octets).unwrap();
    let Message::SessionModificationRequest(request) = &decoded.message else {
        panic!()
    };
    let pdr = &request.update_pdrs[0];
    assert_eq!(pdr.outer_header_removal, Update::Remove);
    assert_eq!(pdr.urr_ids, Update::Remove);
    assert_eq!(pdr.qer_ids, Update::Set([QerId(1), QerId(2)].into()));
    assert_eq!(pdr.far_id, Update::Keep);
    let parameters = request.update_fars[0]
        .update_forwarding_parameters
        .as_ref()
        .unwrap();
    assert_eq!(parameters.outer_header_creation, Update::Remove);
    assert_eq!(parameters.network_instance, Update::Remove);
    let mut again = Vec::new();
    encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
    assert_eq!(
        hex(&sorted_list(&again[16..])),
        hex(&sorted_list(&octets[16..]))
    );
    let json = serde_json::to_value(&decoded).unwrap();
    assert!(json["message"]["SessionModificationRequest"]["update_pdrs"][0]["urr_ids"].is_null());
    assert_eq!(serde_json::from_value::<Decoded>(json).unwrap(), decoded);
    let mut far_id = Some(FarId(7));
    pdr.far_id.clone().apply(&mut far_id);
    assert_eq!(far_id, Some(FarId(7)));
    Update::Remove.apply(&mut far_id);
    assert_eq!(far_id, None);
}

/// A rejection has a cause and little more.
#[test]
fn rejections() {
    let mut octets = Vec::new();
    let cause = Cause::MANDATORY_IE_MISSING;
    let rejection = AssociationSetupResponse {
        cause,
        node_id: NodeId::default(),
        ..Default::default()
    };
    encode(&Header::node(7), &rejection, &mut octets).unwrap();
    assert_eq!(decode(&octets).unwrap().message, rejection.clone().into());
    // But an acceptance has a Recovery Time Stamp.
    let mut body = Vec::new();
    let acceptance = AssociationSetupResponse {
        cause: Cause::REQUEST_ACCEPTED,
        ..rejection
    };
    acceptance.encode_members(&mut body);
    let acceptance = with_body(&octets[..8], &body);
    assert_eq!(answer(&acceptance), (Some(66), Some(96)));

    octets.clear();
    let rejection = SessionEstablishmentResponse {
        cause: Cause::RULE_CREATION_MODIFICATION_FAILURE,
        failed_rule_id: Some(FailedRuleId::Pdr(PdrId(3))),
        ..Default::default()
    };
    encode(&Header::session(9, 1), &rejection, &mut octets).unwrap();
    assert_eq!(decode(&octets).unwrap().message, rejection.into());
}

/// TS 29.244, table 7.3-1, 7.2.2 and the clauses of each message: type, name, whether the header has
/// a SEID, who sends it, and the type of its answer.
const FORMS: &[(u8, &str, bool, Direction, Option<u8>)] = {
    use Direction::{ControlToUser as ToUp, Either, UserToControl as ToCp};
    &[
        (1, "Heartbeat Request", false, Either, Some(2)),
        (2, "Heartbeat Response", false, Either, None),
        (3, "PFD Management Request", false, ToUp, Some(4)),
        (4, "PFD Management Response", false, ToCp, None),
        (5, "Association Setup Request", false, Either, Some(6)),
        (6, "Association Setup Response", false, Either, None),
        (7, "Association Update Request", false, Either, Some(8)),
        (8, "Association Update Response", false, Either, None),
        (9, "Association Release Request", false, ToUp, Some(10)),
        (10, "Association Release Response", false, ToCp, None),
        (11, "Version Not Supported Response", false, Either, None),
        (12, "Node Report Request", false, ToCp, Some(13)),
        (13, "Node Report Response", false, ToUp, None),
        (14, "Session Set Deletion Request", false, Either, Some(15)),
        (15, "Session Set Deletion Response", false, Either, None),
        (
            16,
            "Session Set Modification Request",
            false,
            ToUp,
            Some(17),
        ),
        (17, "Session Set Modification Response", false, ToCp, None),
        (50, "Session Establishment Request", true, ToUp, Some(51)),
        (51, "Session Establishment Response", true, ToCp, None),
        (52, "Session Modification Request", true, ToUp, Some(53)),
        (53, "Session Modification Response", true, ToCp, None),
        (54, "Session Deletion Request", true, ToUp, Some(55)),
        (55, "Session Deletion Response", true, ToCp, None),
        (56, "Session Report Request", true, ToCp, Some(57)),
        (57, "Session Report Response", true, ToUp, None),
    ]
};

/// Every message has the header of its form, whatever it is given for one; and says who sends it.
fn has_its_form<T: Body>(name: &str, seen: &mut Vec<u8>) {
    let (r#type, text, session, direction, answer) =
        *FORMS.iter().find(|row| row.0 == T::TYPE).expect(name);
    seen.push(r#type);
    assert_eq!((T::NAME, T::SESSION), (text, session), "{name}");
    let header = Header {
        priority: Priority::new(9),
        follow_on: true,
        ..Header::session(0x0102_0304_0506_0708, 0x000a_0b0c)
    };
    let message: Message = T::default().into();
    assert_eq!(message.direction(), direction, "{name}");
    assert_eq!(message.is_request(), answer.is_some(), "{name}");
    let bare = Header::node(0x000a_0b0c);
    for (given, expected) in [
        (header, ["20", "0a0b0c00", "27", "01020304050607080a0b0c90"]),
        (bare, ["20", "0a0b0c00", "21", "00000000000000000a0b0c00"]),
    ] {
        let [flags, rest] = if session {
            [expected[2], expected[3]]
        } else {
            [expected[0], expected[1]]
        };
        let mut octets = Vec::new();
        encode_unchecked(&given, &message, &mut octets).unwrap();
        let head = [flags.to_owned(), format!("{type:02x}")].concat();
        assert_eq!(hex(&octets[..2]), head, "{name}");
        let body = 4 + rest.len() / 2;
        assert_eq!(hex(&octets[4..body]), rest, "{name}");
        // With the FO flag and nothing behind it: as if without.
        assert_eq!(decode(&octets).unwrap().message, message, "{name}");
        // Of the other form it is none.
        octets[0] ^= 1;
        octets.resize(octets.len().max(16), 0);
        let other = Discard::SeidFlag(r#type);
        assert_eq!(decode(&octets), Err(DecodeError::Discard(other)), "{name}");
    }
}

fn has_its_answer<T: Request>() {
    let row = FORMS.iter().find(|row| row.0 == T::TYPE).unwrap();
    assert_eq!(Some(T::Response::TYPE), row.4, "{}", T::NAME);
}

#[test]
fn every_message_has_its_form_and_direction() {
    let mut seen = Vec::new();
    every_message!(has_its_form, &mut seen);
    let all: Vec<u8> = FORMS.iter().map(|row| row.0).collect();
    assert_eq!((seen, all.len()), (all.clone(), 25));
    has_its_answer::<HeartbeatRequest>();
    has_its_answer::<PfdManagementRequest>();
    has_its_answer::<AssociationSetupRequest>();
    has_its_answer::<AssociationUpdateRequest>();
    has_its_answer::<AssociationReleaseRequest>();
    has_its_answer::<NodeReportRequest>();
    has_its_answer::<SessionSetDeletionRequest>();
    has_its_answer::<SessionSetModificationRequest>();
    has_its_answer::<SessionEstablishmentRequest>();
    has_its_answer::<SessionModificationRequest>();
    has_its_answer::<SessionDeletionRequest>();
    has_its_answer::<SessionReportRequest>();
}

/// Several messages in one datagram, each with a header of its own.
#[test]
fn bundles() {
    let mut datagram = Vec::new();
    for sequence in 1..=3 {
        let header = Header {
            follow_on: sequence < 3,
            priority: Priority::new(5),
            ..Header::session(u64::from(sequence), sequence)
        };
        encode(&header, &SessionDeletionRequest::default(), &mut datagram).unwrap();
    }
    let all: Vec<_> = messages(&datagram).map(Result::unwrap).collect();
    let sequences: Vec<_> = all.iter().map(|one| one.header.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert!(
        all.iter()
            .all(|one| one.header.priority == Priority::new(5))
    );
    // The flag with nothing behind it.
    let first = &datagram[..16];
    assert_eq!(messages(first).count(), 1);
    assert!(messages(first).all(|one| one.is_ok()));
    // A bundle without end stops at its bound.
    let header = Header {
        follow_on: true,
        ..Header::session(1, 1)
    };
    let mut many = Vec::new();
    for _ in 0..2 * BUNDLE_MAX {
        encode(&header, &SessionDeletionRequest::default(), &mut many).unwrap();
    }
    assert_eq!(messages(&many).count(), BUNDLE_MAX);
}

#[test]
fn a_message_that_does_not_fit_is_refused() {
    let node_id = NodeId::default();
    let value = Octets::from(vec![0_u8; 40_000].as_slice());
    let unknown = vec![
        Unknown {
            r#type: 0x7abc,
            value
        };
        2
    ];
    let request = AssociationReleaseRequest {
        node_id,
        unknown,
        ..Default::default()
    };
    let mut octets = vec![1, 2, 3];
    let error = encode(&Header::node(1), &request, &mut octets).unwrap_err();
    assert!(matches!(error, EncodeError::TooLong(TooLong { octets }) if octets > 65_535));
    assert_eq!(octets, [1, 2, 3]);
}

/// Attack catalogue, A16: many IEs cost no more each than few.
#[test]
#[allow(clippy::disallowed_methods, reason = "the test measures")]
fn floods_take_linear_time() {
    let flood = |count: usize, one: &[u8]| {
        let octets = establishment();
        let body = [&octets[16..], &one.repeat(count)].concat();
        with_body(&octets[..16], &body)
    };
    let unknown = flood(15_000, &ie(0x7a00, ""));
    let pdr = join([(
        1,
        [
            ie(56, "0009"),
            ie(29, "000000ff"),
            join([(2, ie(20, "00"))]),
        ]
        .concat(),
    )]);
    let pdrs = flood(2_000, &pdr);
    for octets in [unknown, pdrs] {
        let start = std::time::Instant::now();
        let decoded = decode(&octets).unwrap();
        let took = start.elapsed();
        assert!(took.as_millis() < 200, "{took:?}");
        drop(decoded);
    }
    // Empty ones are refused at the first, whatever their number.
    assert_eq!(answer(&flood(6_000, &ie(1, ""))), (Some(66), Some(56)));
}
