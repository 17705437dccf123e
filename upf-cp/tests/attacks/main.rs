//! What has broken other UPFs over N4, as a catalogue: A framing, B associations, C sessions and
//! rules, G what takes long. A test is named by the entry that it is about. Each case says what the
//! answer is; after each, nothing has changed, something was counted, nothing has leaked, and the
//! node serves the next honest request. `systematic` and `mutations` build whole classes of such
//! requests from the tables and from recordings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod abuse;
mod association;
mod contradictions;
mod endurance;
mod filters;
mod framing;
mod mutations;
mod rules;
#[path = "../support/mod.rs"]
mod support;
mod systematic;

use pfcp::{Cause, Decoded, Message};
use support::*;

pub(crate) const EST: u8 = 50;
pub(crate) const MOD: u8 = 52;

pub(crate) fn ie(r#type: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&r#type.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

/// An IE that claims another length than it has.
pub(crate) fn lying(r#type: u16, length: u16, value: &[u8]) -> Vec<u8> {
    [&r#type.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(octet).collect()
}

/// A node message of these IEs.
pub(crate) fn node(r#type: u8, sequence: u32, ies: &[Vec<u8>]) -> Vec<u8> {
    let body = ies.concat();
    let length = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    let [_, a, b, c] = sequence.to_be_bytes();
    [&[0x20, r#type], &length[..], &[a, b, c, 0], &body].concat()
}

/// A session message of these IEs.
pub(crate) fn session(r#type: u8, seid: u64, sequence: u32, ies: &[Vec<u8>]) -> Vec<u8> {
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
pub(crate) fn node_id() -> Vec<u8> {
    ie(60, &[0, 10, 10, 4, 2])
}
pub(crate) fn f_seid() -> Vec<u8> {
    ie(57, &[2, 0, 0, 0, 0, 0, 0, 0, 77, 10, 10, 4, 2])
}
pub(crate) fn source(interface: u8) -> Vec<u8> {
    ie(20, &[interface])
}
pub(crate) fn f_teid() -> Vec<u8> {
    ie(21, &[5])
}
pub(crate) fn pdi(ies: &[Vec<u8>]) -> Vec<u8> {
    ie(2, &ies.concat())
}
pub(crate) fn create_pdr(id: u8, pdi: Vec<u8>, far: &[Vec<u8>]) -> Vec<u8> {
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
pub(crate) fn far_id(id: u8) -> Vec<u8> {
    ie(108, &[0, 0, 0, id])
}
pub(crate) fn create_far(id: u8, more: &[Vec<u8>]) -> Vec<u8> {
    ie(3, &[far_id(id), more.concat()].concat())
}
pub(crate) fn good_pdr() -> Vec<u8> {
    create_pdr(1, pdi(&[source(0), f_teid()]), &[far_id(1)])
}
pub(crate) fn good_far() -> Vec<u8> {
    create_far(
        1,
        &[
            ie(44, &[2]),
            ie(4, &[ie(42, &[1]), ie(22, b"internet")].concat()),
        ],
    )
}
pub(crate) fn establishment(ies: &[Vec<u8>]) -> Vec<u8> {
    session(EST, 0, 900, ies)
}
pub(crate) fn with_pdr(pdr: Vec<u8>) -> Vec<u8> {
    establishment(&[node_id(), f_seid(), pdr, good_far()])
}
pub(crate) fn with_pdi(ies: &[Vec<u8>]) -> Vec<u8> {
    with_pdr(create_pdr(1, pdi(ies), &[far_id(1)]))
}
pub(crate) fn with_far(far: Vec<u8>) -> Vec<u8> {
    establishment(&[node_id(), f_seid(), good_pdr(), far])
}
pub(crate) fn with(more: Vec<u8>) -> Vec<u8> {
    establishment(&[node_id(), f_seid(), good_pdr(), good_far(), more])
}

/// What the node has to say to it.
#[derive(Clone, Debug)]
pub(crate) enum Must {
    Silence,
    Refuse(&'static [u8], Option<u16>),
    Accept,
}
pub(crate) use Must::{Accept, Refuse, Silence};

pub(crate) fn cause_of(answer: &Decoded) -> (u8, Option<u16>) {
    let offending = |ie: &Option<pfcp::OffendingIe>| ie.map(|ie| ie.0);
    match &answer.message {
        Message::SessionEstablishmentResponse(a) => (a.cause.get(), offending(&a.offending_ie)),
        Message::SessionModificationResponse(a) => (a.cause.get(), offending(&a.offending_ie)),
        Message::SessionDeletionResponse(a) => (a.cause.get(), offending(&a.offending_ie)),
        Message::PfdManagementResponse(a) => (a.cause.get(), offending(&a.offending_ie)),
        Message::SessionSetDeletionResponse(a) => (a.cause.get(), offending(&a.offending_ie)),
        Message::SessionSetModificationResponse(a) => (a.cause.get(), offending(&a.offending_ie)),
        Message::AssociationSetupResponse(a) => (a.cause.get(), unlisted(&a.unknown)),
        Message::AssociationUpdateResponse(a) => (a.cause.get(), unlisted(&a.unknown)),
        Message::AssociationReleaseResponse(a) => (a.cause.get(), unlisted(&a.unknown)),
        other => panic!("{other}"),
    }
}

pub(crate) fn unlisted(ies: &[pfcp::wire::Unknown]) -> Option<u16> {
    let ie = ies.iter().find(|ie| ie.r#type == 40)?;
    Some(u16::from_be_bytes([ie.value[0], ie.value[1]]))
}

/// A case: its name, which begins with the entry it belongs to; what is sent; what has to come.
pub(crate) type Case = (&'static str, Vec<u8>, Must);

/// A test for each entry of a table of cases.
macro_rules! entries {
    ($table:ident: $($test:ident $entry:literal;)*) => {$(
        #[test]
        fn $test() {
            let cases: Vec<Case> = $table()
                .into_iter()
                .filter(|(name, ..)| name.starts_with($entry))
                .collect();
            assert!(!cases.is_empty());
            play(cases);
        }
    )*};
}
pub(crate) use entries;

/// All that the node has counted.
pub(crate) fn counted(world: &World) -> u64 {
    let counters = world.node.counters();
    let received = counters.by_type().map(|(_, received, _)| received);
    let dropped = upf_cp::Dropped::ALL
        .iter()
        .map(|why| counters.dropped(*why));
    let causes = counters.by_cause().map(|(_, count)| count);
    received.chain(dropped).chain(causes).sum()
}

/// The same message under another sequence number.
pub(crate) fn renumbered(octets: &[u8], sequence: u32) -> Vec<u8> {
    let mut octets = octets.to_vec();
    let at = if octets.first().is_some_and(|flags| flags & 1 != 0) {
        12
    } else {
        4
    };
    if let Some(place) = octets.get_mut(at..at + 3) {
        place.copy_from_slice(&sequence.to_be_bytes()[1..]);
    }
    octets
}

/// How often a refused request is sent again, as a new one: more often than there are TEIDs.
const AGAIN: u32 = 40;

/// Plays the cases, each to a world of its own.
pub(crate) fn play(cases: Vec<Case>) {
    for (name, octets, must) in cases {
        let (mut world, victim) = with_victim();
        let (before, count) = (world.snapshot(), counted(&world));
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
        assert!(counted(&world) > count, "{name}: counted");
        if !matches!(must, Accept) {
            assert_same(
                &world.snapshot(),
                &before,
                &format!("{name}: nothing changes"),
            );
            for sequence in 0..AGAIN {
                world.octets(smf(), &renumbered(&octets, 0x00aa_0000 + sequence));
            }
            assert_same(
                &world.snapshot(),
                &before,
                &format!("{name}: nothing ever changes"),
            );
        }
        let (seid, _) = world.establish(&open5gs(10));
        assert_eq!(world.delete(seid).cause, Cause::REQUEST_ACCEPTED, "{name}");
        assert_eq!(
            world.delete(victim).cause,
            Cause::REQUEST_ACCEPTED,
            "{name}"
        );
    }
}
