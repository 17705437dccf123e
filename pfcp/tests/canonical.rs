//! What is read is written as it came, octet for octet; where not, it is said here, and why.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use pfcp::generate::Source;
use pfcp::{AnyIe, CATALOGUE};
use proptest::prelude::*;

mod common;
use common::{hex, unhex};

/// IEs that are not always written as they came, each with what is written instead. What they mean
/// does not change: octets that are read and octets that are written say the same.
const OTHERWISE: &[(u16, &str)] = &[
    (23, "spare bits of the flow label and of media"),
    (45, "spare bits of octets that may be absent"),
    (48, "a count below 256 in one octet"),
    (65, "spare bits behind the CSIDs"),
    (
        94,
        "spare bits beside units; APRC without a rate says nothing",
    ),
    (95, "a second octet that says nothing is left out"),
    (114, "types 7 to 31 are FARs"),
    (126, "with AURI set the number is zero"),
    (134, "parts that are not meant are zero"),
    (135, "parts that are not meant are zero"),
    (
        144,
        "lengths of tags that are not there; of a tag what is known",
    ),
    (
        145,
        "lengths of tags that are not there; of a tag what is known",
    ),
    (191, "any address, whatever else is said"),
    (193, "APR without a direction says nothing"),
    (317, "spare bits beside DSCPs"),
    (320, "an octet of which no bit has a meaning"),
];

/// IEs of bits, by the octets that they are written in where they came with fewer or more.
fn is_flags(r#type: u16) -> bool {
    let entry = CATALOGUE.iter().find(|entry| entry.r#type == r#type);
    entry.is_some_and(|entry| entry.form == "flags")
}

fn is_group(r#type: u16) -> bool {
    common::is_group(r#type)
}

/// Spare bits of fixed octets by IE type.
fn spare() -> BTreeMap<u16, Vec<(usize, u8)>> {
    let mut all: BTreeMap<u16, Vec<(usize, u8)>> = BTreeMap::new();
    for line in include_str!("golden/spare.txt").lines().skip(1) {
        let [r#type, octet, mask] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let bits = (
            octet.parse().unwrap(),
            u8::from_str_radix(mask, 16).unwrap(),
        );
        all.entry(r#type.parse().unwrap()).or_default().push(bits);
    }
    all
}

/// Checks a value that may be one of this type; gives whether it was read.
fn check(r#type: u16, came: &[u8], spare: &BTreeMap<u16, Vec<(usize, u8)>>) -> bool {
    let Ok(ie) = AnyIe::decode(r#type, came) else {
        return false;
    };
    let mut written = Vec::new();
    ie.encode(&mut written).unwrap();
    let written = &written[4..];
    // It means what it did, also by way of JSON.
    assert_eq!(
        AnyIe::decode(r#type, written).unwrap(),
        ie,
        "{type} {}",
        hex(came)
    );
    let json = serde_json::to_string(&ie).unwrap();
    let back: AnyIe = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{json}: {e}"));
    assert_eq!(back, ie, "{json}");
    if OTHERWISE.iter().any(|(other, _)| *other == r#type) || is_group(r#type) {
        return true;
    }
    let mut expected = came.to_vec();
    for (octet, mask) in spare.get(&r#type).into_iter().flatten() {
        if let Some(octet) = expected.get_mut(*octet) {
            *octet &= !mask;
        }
    }
    // Octets of bits are added and left out where they are zero. What is behind those that are
    // known here is kept by the group, not by the value.
    let common = expected.len().min(written.len());
    if is_flags(r#type) {
        assert!(
            written[common..].iter().all(|octet| *octet == 0),
            "{type} {}",
            hex(came)
        );
    } else {
        assert!(
            written.len() <= expected.len(),
            "{type} {}: {}",
            hex(came),
            hex(written)
        );
    }
    assert_eq!(
        hex(&written[..common]),
        hex(&expected[..common]),
        "{type} {}",
        hex(came)
    );
    true
}

/// The samples of others.
fn samples() -> Vec<(u16, Vec<u8>)> {
    let lines = include_str!("golden/ies.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (ie, _) = line.split_once(" =").unwrap();
            let (r#type, value) = ie.split_once(' ').unwrap();
            let value = if value == "-" { "" } else { value };
            (r#type.parse().unwrap(), unhex(value))
        })
        .collect()
}

/// Every sample, with each octet in turn replaced by others, cut anywhere, or made longer.
#[test]
fn samples_and_their_like() {
    let spare = spare();
    let mut read: BTreeSet<u16> = BTreeSet::new();
    let mut count = 0;
    for (r#type, value) in samples() {
        let mut like = vec![value.clone()];
        like.extend((0..value.len()).map(|end| value[..end].to_vec()));
        like.push([&value[..], &[0xa5]].concat());
        like.push([&value[..], &[0; 3]].concat());
        for at in 0..value.len().min(48) {
            for bit in 0..8 {
                let mut other = value.clone();
                other[at] ^= 1 << bit;
                like.push(other);
            }
            for octet in [0, 0xff] {
                let mut other = value.clone();
                other[at] = octet;
                like.push(other);
            }
        }
        for came in like {
            if check(r#type, &came, &spare) {
                read.insert(r#type);
                count += 1;
            }
        }
    }
    assert_eq!(read.len(), CATALOGUE.len());
    assert!(count > 50_000, "{count}");
}

/// Short values of every octet that there is.
#[test]
fn one_octet_and_many_behind_it() {
    let spare = spare();
    let behind: Vec<u8> = (1..64).collect();
    for entry in CATALOGUE {
        for first in 0..=u8::MAX {
            check(entry.r#type, &[first], &spare);
            let value = [&[first], behind.as_slice()].concat();
            for length in [2, 3, 5, 9, 17, 40, 64] {
                check(entry.r#type, &value[..length], &spare);
            }
            // The same with a second octet of zero, as spare octets are.
            let mut value = value;
            value[1] = 0;
            check(entry.r#type, &value, &spare);
        }
    }
}

/// The reasons are all of use: each type that is said to be written otherwise sometimes is.
#[test]
fn what_is_said_to_be_written_otherwise_is() {
    let otherwise = [
        (23, "0800f12345", "0800012345"),
        (45, "03ffff", "033f3f"),
        (48, "0007", "07"),
        (65, "010a0000010007ff", "010a00000100070f"),
        (94, "01f80001", "01000001"),
        (94, "04", "00"),
        (95, "0000", "00"),
        (114, "0700000001", "0100000001"),
        (126, "ffff", "8000"),
        (134, "01ffff", "010700"),
        (135, "00ffff", "000000"),
        (144, "01000102030405", "010001020304050000"),
        (
            145,
            "01000102030405040102030400",
            "010001020304050301020000",
        ),
        (191, "0f", "08"),
        (193, "04", "00"),
        (317, "0fff", "073f"),
        (320, "28afff", "28af00"),
    ];
    for (r#type, came, written) in otherwise {
        let mut octets = Vec::new();
        let ie = AnyIe::decode(r#type, &unhex(came)).unwrap_or_else(|e| panic!("{type}: {e}"));
        ie.encode(&mut octets).unwrap();
        assert_eq!(hex(&octets[4..]), written, "{type} {came}");
    }
    let shown: BTreeSet<u16> = otherwise.iter().map(|(r#type, ..)| *r#type).collect();
    let said: BTreeSet<u16> = OTHERWISE.iter().map(|(r#type, _)| *r#type).collect();
    assert_eq!(shown, said);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Values of ours, and their octets changed.
    #[test]
    fn generated_values_and_their_like(
        at in 0..CATALOGUE.len(), seed: Vec<u8>, changes: Vec<(u16, u8)>, more: Vec<u8>,
    ) {
        let r#type = CATALOGUE[at].r#type;
        let mut octets = Vec::new();
        AnyIe::generate_type(r#type, &mut Source::new(&seed)).encode(&mut octets).unwrap();
        let mut value = octets.split_off(4);
        let spare = spare();
        prop_assert!(check(r#type, &value, &spare));
        for (at, octet) in changes.into_iter().take(3) {
            if let Some(length) = std::num::NonZeroUsize::new(value.len()) {
                value[usize::from(at) % length] = octet;
            }
        }
        check(r#type, &value, &spare);
        value.extend(more);
        check(r#type, &value, &spare);
    }
}
