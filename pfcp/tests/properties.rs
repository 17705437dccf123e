//! What holds for every row of every table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use pfcp::generate::{Source, generated};
use pfcp::group::{Group, Presence};
use pfcp::*;
use proptest::prelude::*;

#[macro_use]
mod common;
use common::{join, split};

fn headers() -> impl Strategy<Value = Header> {
    (any::<u64>(), 0..1_u32 << 24, proptest::option::of(0..16_u8)).prop_map(
        |(seid, sequence, priority)| Header {
            seid: Some(seid),
            sequence: Sequence::new(sequence),
            priority: priority.and_then(Priority::new),
            follow_on: false,
        },
    )
}

/// The header as it comes back: what its form has no place for is gone.
fn as_sent(header: Header, message: &Message) -> Header {
    if message.is_session() {
        header
    } else {
        Header::node(header.sequence.get())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Encoding and decoding undo each other, for every message; so do JSON and back.
    #[test]
    fn messages_round_trip(header in headers(), message in generated::<Message>()) {
        let mut octets = Vec::new();
        encode(&header, &message, &mut octets).unwrap();
        let decoded = decode(&octets).unwrap();
        prop_assert_eq!(decoded.header, as_sent(header, &message));
        prop_assert_eq!(&decoded.message, &message);
        let json = serde_json::to_string(&decoded).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Decoded>(&json).unwrap(), &decoded);
        prop_assert!(!decoded.to_string().is_empty());
        // What is encoded twice is the same twice.
        let mut again = Vec::new();
        encode(&decoded.header, &decoded.message, &mut again).unwrap();
        prop_assert_eq!(again, octets);
    }

    /// The same for every row of the catalogue.
    #[test]
    fn ies_round_trip(at in 0..CATALOGUE.len(), seed: Vec<u8>) {
        let entry = CATALOGUE[at];
        let ie = AnyIe::generate_type(entry.r#type, &mut Source::new(&seed));
        let mut octets = Vec::new();
        ie.encode(&mut octets).unwrap();
        prop_assert_eq!(u16::from_be_bytes([octets[0], octets[1]]), entry.r#type);
        prop_assert_eq!(ie.r#type(), entry.r#type);
        prop_assert_eq!(&AnyIe::decode(entry.r#type, &octets[4..]).unwrap(), &ie, "{}", entry.name);
    }

    /// No octets make the decoder panic: any, and any behind a sound header.
    #[test]
    fn octets_never_panic(octets: Vec<u8>, r#type: u8, seid: [u8; 12]) {
        let _ = decode(&octets);
        let _ = messages(&octets).count();
        let mut message = vec![if r#type < 50 { 0x20 } else { 0x21 }, r#type, 0, 0];
        message.extend(&seid[..if r#type < 50 { 4 } else { 12 }]);
        message.extend(&octets);
        let length = u16::try_from(message.len() - 4).unwrap();
        message[2..4].copy_from_slice(&length.to_be_bytes());
        if let Ok(decoded) = decode(&message) {
            let _ = decoded.to_string();
        }
    }

    /// Nor do values of any length, under any type; and what is read is written and read alike.
    #[test]
    fn values_never_panic(at in 0..CATALOGUE.len(), octets: Vec<u8>) {
        let r#type = CATALOGUE[at].r#type;
        if let Ok(ie) = AnyIe::decode(r#type, &octets) {
            let mut again = Vec::new();
            ie.encode(&mut again).unwrap();
            prop_assert_eq!(AnyIe::decode(r#type, &again[4..]).unwrap(), ie);
        }
    }

    /// A sound message with octets overwritten, cut or moved does not panic.
    #[test]
    fn mutations_never_panic(message in generated::<Message>(), changes: Vec<(u16, u8)>, cut: u16) {
        let mut octets = Vec::new();
        encode(&Header::session(1, 1), &message, &mut octets).unwrap();
        for (at, octet) in changes {
            let at = usize::from(at) % octets.len();
            octets[at] = octet;
        }
        let _ = decode(&octets);
        octets.truncate(usize::from(cut) % octets.len());
        let _ = messages(&octets).count();
    }
}

/// Takes each row's IEs out of a group in turn: exactly where the row is mandatory the group is
/// refused, and the answer names the row.
fn mandatory_is_mandatory<T: Group + generate::Generate + PartialEq + std::fmt::Debug>(name: &str) {
    for seed in 0..16_u8 {
        let seed: Vec<u8> = (0..=255_u8)
            .chain(0..144)
            .map(|at| at.wrapping_mul(seed).rotate_left(3))
            .collect();
        let mut octets = Vec::new();
        T::generate(&mut Source::new(&seed)).encode_members(&mut octets);
        T::decode_members(&octets).unwrap();
        for row in T::ROWS {
            let kept = split(&octets)
                .into_iter()
                .filter(|(r#type, _)| *r#type != row.r#type);
            let result = T::decode_members(&join(kept));
            if row.presence == Presence::Mandatory {
                let error = result.expect_err(name);
                assert_eq!(error.fault, Fault::Missing(row.r#type), "{name}");
                assert_eq!(error.cause(), Cause::MANDATORY_IE_MISSING);
            } else if let Err(error) = result {
                // A response may tie one IE to another.
                assert_eq!(error.fault, Fault::Missing(row.r#type), "{name}");
                assert_eq!(name, "AssociationSetupResponse");
            }
        }
    }
}

#[test]
fn mandatory_rows_of_messages() {
    every_message!(mandatory_is_mandatory);
}

#[test]
fn mandatory_rows_of_groups() {
    every_group!(mandatory_is_mandatory);
}

/// The faults of an IE in a message name the way to it.
#[test]
fn errors_name_the_way() {
    let mut request = SessionEstablishmentRequest {
        cp_f_seid: FSeid::new(1, [127, 0, 0, 1].into()),
        ..Default::default()
    };
    // An F-TEID that cannot be: an unknown IE is written as it is.
    request.create_pdrs[0].pdi.unknown = vec![Unknown {
        r#type: 21,
        value: [1_u8][..].into(),
    }];
    let mut octets = Vec::new();
    encode_unchecked(&Header::session(0, 5), &request, &mut octets).unwrap();
    let Err(DecodeError::Message {
        message_type,
        header,
        error,
    }) = decode(&octets)
    else {
        panic!()
    };
    assert_eq!((message_type, header.sequence.get()), (50, 5));
    assert_eq!(error.path.iter().collect::<Vec<_>>(), [1, 2, 21]);
    assert_eq!(error.cause(), Cause::INVALID_LENGTH);
    assert_eq!(error.offending_ie(), Some(21));
    assert!(Message::is_request_type(message_type));
    assert_eq!(
        decode(&octets).unwrap_err().to_string(),
        "Session Establishment Request: Create PDR (1) > PDI (2) > F-TEID (21): ends too early, or \
         claims more octets than there are"
    );
}

/// Types of message and of IE stand in ascending order, once each; rows name types that exist.
#[test]
fn tables_are_sound() {
    assert!(CATALOGUE.is_sorted_by(|a, b| a.r#type < b.r#type));
    assert!(MESSAGES.is_sorted_by(|a, b| a.r#type < b.r#type));
    assert_eq!(MESSAGES.len(), 25);
    for message in MESSAGES {
        for row in message.rows {
            assert!(
                CATALOGUE.iter().any(|entry| entry.r#type == row.r#type),
                "{row:?}"
            );
        }
    }
    // All of Release 17 that is assigned; 116 and 273 are not any more.
    for r#type in (1..=321).filter(|r#type| ![116, 273].contains(r#type)) {
        assert!(
            CATALOGUE.iter().any(|entry| entry.r#type == r#type),
            "{type}"
        );
    }
}
