//! IEs of later releases: octets behind the known ones change nothing and survive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

use pfcp::generate::{Generate, Source};
use pfcp::group::Group;
use pfcp::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

#[macro_use]
mod common;
use common::{hex, is_group, join, sorted_list, split, unhex};

const SURPLUS: [u8; 3] = [0xa5, 0x00, 0x5a];

/// IEs whose last field takes all that follows, so that no octet is behind it.
const OPEN_ENDED: &[u16] = &[180, 274, 317];

fn is_extendable(r#type: u16) -> bool {
    let entry = CATALOGUE.iter().find(|entry| entry.r#type == r#type);
    entry.is_some_and(|entry| !matches!(entry.form, "octets" | "group" | "alias"))
        && !OPEN_ENDED.contains(&r#type)
}

/// The value in the full length that this release knows; `None` where it has no end.
fn at_full_length(r#type: u16, value: &[u8]) -> Option<Vec<u8>> {
    let mut full = value.to_vec();
    let least = match r#type {
        // A domain name; media that an SDF filter describes.
        60 if value[0] & 0x0f == 2 => return None,
        23 if value[0] & 0x20 != 0 => return None,
        // Sets of which zero octets at the end are not written; octets that may be left out.
        43 => 12,
        89 => 3,
        48 | 95 | 243 => 2,
        65 | 144 | 145 => {
            full.clear();
            0
        }
        _ => 0,
    };
    let form = CATALOGUE.iter().find(|entry| entry.r#type == r#type)?.form;
    if form == "flags" && least == 0 || full.is_empty() {
        full.clear();
        AnyIe::decode(r#type, value)
            .unwrap()
            .encode(&mut full)
            .unwrap();
        full.drain(..4);
    }
    // Of FQ-CSID, which may end before the kind of node.
    if r#type == 65 {
        let address = [4, 16, 4][usize::from(full[0] >> 4)];
        full.resize(1 + address + 2 * usize::from(full[0] & 0x0f) + 1, 0);
    }
    full.resize(full.len().max(least), 0);
    Some(full)
}

fn samples() -> Vec<(u16, Vec<u8>)> {
    let lines = include_str!("golden/ies.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (ie, _) = line.split_once(" =").unwrap();
            let (r#type, value) = ie.split_once(' ').unwrap();
            let r#type = r#type.parse().unwrap();
            if value == "-" || !is_extendable(r#type) {
                return None;
            }
            Some((r#type, at_full_length(r#type, &unhex(value))?))
        })
        .collect()
}

struct Seen {
    samples: Vec<(u16, Vec<u8>)>,
    types: BTreeSet<u16>,
    count: usize,
}

/// Each row in turn, with each sample of its type and one to three octets more.
fn surplus_survives<T>(name: &str, seen: &mut Seen)
where
    T: Group + Generate + PartialEq + Debug + Display + Serialize + DeserializeOwned,
{
    let mut least = Vec::new();
    T::generate(&mut Source::new(&[])).encode_members(&mut least);
    for row in T::ROWS {
        let mut others: Vec<_> = split(&least)
            .into_iter()
            .filter(|(r#type, _)| *r#type != row.r#type)
            .map(|(r#type, value)| (r#type, value.to_vec()))
            .collect();
        // An acceptance without it is refused.
        if name == "AssociationSetupResponse" && row.r#type != 96 {
            others.push((96, vec![0; 4]));
        }
        for (r#type, value) in seen.samples.iter().filter(|(t, _)| *t == row.r#type) {
            let plain = |value: &[u8]| {
                let mut ies = others.clone();
                // Of several, the last one is extended.
                if row.repeats {
                    ies.push((
                        *r#type,
                        at_full_length(*r#type, &seen_first(&seen.samples, *r#type)).unwrap(),
                    ));
                }
                ies.push((*r#type, value.to_vec()));
                join(ies)
            };
            let known = T::decode_members(&plain(value)).unwrap();
            for surplus in 1..=SURPLUS.len() {
                let longer = [value, &SURPLUS[..surplus]].concat();
                let octets = plain(&longer);
                let group =
                    T::decode_members(&octets).unwrap_or_else(|e| panic!("{name} {type}: {e}"));
                survives(&group, &octets, &known, name);
                let mut tree = serde_json::to_value(&group).unwrap();
                let extended = tree.as_object_mut().unwrap().remove("extended");
                let entry = json!([{ "type": r#type, "index": u16::from(row.repeats), "value": Octets::from(&*longer) }]);
                assert_eq!(extended, Some(entry), "{name} {type}");
                let mut plain = serde_json::to_value(&known).unwrap();
                plain.as_object_mut().unwrap().remove("extended");
                assert_eq!(tree, plain, "{name} {type}");
                seen.count += 1;
            }
            seen.types.insert(*r#type);
        }
    }
}

fn seen_first(samples: &[(u16, Vec<u8>)], r#type: u16) -> Vec<u8> {
    samples
        .iter()
        .find(|(t, _)| *t == r#type)
        .unwrap()
        .1
        .clone()
}

/// The group is written as it came, also by way of JSON, and its tree shows the octets.
fn survives<T>(group: &T, octets: &[u8], known: &T, name: &str)
where
    T: Group + PartialEq + Debug + Display + Serialize + DeserializeOwned,
{
    let mut again = Vec::new();
    group.encode_members(&mut again);
    assert_eq!(
        hex(&sorted_list(&again)),
        hex(&sorted_list(octets)),
        "{name}: {group}"
    );
    assert_ne!(group, known, "{name}");
    let text = serde_json::to_string(group).unwrap();
    let back: T = serde_json::from_str(&text).unwrap();
    assert_eq!(&back, group, "{text}");
    again.clear();
    back.encode_members(&mut again);
    assert_eq!(
        hex(&sorted_list(&again)),
        hex(&sorted_list(octets)),
        "{text}"
    );
    let tree = group.to_string();
    assert!(tree.contains(" as it came: "), "{tree}");
}

#[test]
fn every_extendable_ie_keeps_what_is_behind_it() {
    let mut seen = Seen {
        samples: samples(),
        types: BTreeSet::new(),
        count: 0,
    };
    every_message!(surplus_survives, &mut seen);
    every_group!(surplus_survives, &mut seen);
    let missed: Vec<_> = CATALOGUE
        .iter()
        .filter(|entry| is_extendable(entry.r#type) && !seen.types.contains(&entry.r#type))
        .map(|entry| entry.name)
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert!(seen.count > 3_000, "{}", seen.count);
}

/// The list with every extendable IE in it made longer, however deep.
fn extended(octets: &[u8], count: &mut usize) -> Vec<u8> {
    join(split(octets).into_iter().map(|(r#type, value)| {
        let full = (is_extendable(r#type) && !value.is_empty())
            .then(|| at_full_length(r#type, value))
            .flatten();
        let value = match full {
            _ if is_group(r#type) => extended(value, count),
            Some(mut full) => {
                *count += 1;
                full.extend(&SURPLUS[..=*count % SURPLUS.len()]);
                full
            }
            None => value.to_vec(),
        };
        (r#type, value)
    }))
}

/// Whole messages of others as if of a later release: at every depth.
#[test]
fn messages_of_a_later_release_round_trip() {
    let mut count = 0;
    for line in include_str!("golden/messages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let octets = unhex(line.rsplit(' ').next().unwrap());
        let body = if octets[0] & 1 == 0 { 8 } else { 16 };
        let longer = extended(&octets[body..], &mut count);
        let mut datagram = [&octets[..body], &longer].concat();
        let length = u16::try_from(datagram.len() - 4).unwrap();
        datagram[2..4].copy_from_slice(&length.to_be_bytes());
        let decoded = decode(&datagram).unwrap_or_else(|error| panic!("{line}: {error}"));
        let text = serde_json::to_string(&decoded).unwrap();
        for decoded in [serde_json::from_str(&text).unwrap(), decoded] {
            let mut again = Vec::new();
            encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
            assert_eq!(
                hex(&sorted_list(&again[body..])),
                hex(&sorted_list(&longer)),
                "{line}"
            );
        }
    }
    assert!(count > 1_000, "{count}");
}

/// A field that was changed is written as it is known here: what is behind might contradict it.
#[test]
fn a_changed_field_is_written_as_known() {
    let octets = unhex("006c000400000001002c000302007f");
    let mut far = CreateFar::decode_members(&octets).unwrap();
    assert_eq!(far.apply_action, ApplyAction::FORW);
    assert_eq!(far.extended.get(44, 0), Some(&[2, 0, 0x7f][..]));
    let mut again = Vec::new();
    far.encode_members(&mut again);
    assert_eq!(again, octets);
    far.apply_action = ApplyAction::BUFF | ApplyAction::NOCP;
    again.clear();
    far.encode_members(&mut again);
    assert_eq!(hex(&again), "006c000400000001002c00020c00");
}

/// The bits and octets that are unknown within the known length survive with what is behind it;
/// so do zero octets that would not be written.
#[test]
fn extended_ies_come_back_bit_for_bit() {
    for (r#type, value) in [
        (44, "e2ff01"),
        (37, "0000fffe"),
        (43, "100000"),
        (43, "10000000"),
        (89, "0100"),
    ] {
        let ies = [
            (60, unhex("000a000001")),
            (96, unhex("00000001")),
            (r#type, unhex(value)),
        ];
        let octets = match r#type {
            44 => join([(108, unhex("00000001")), (44, unhex(value))]),
            37 => join([
                (81, unhex("00000001")),
                (62, unhex("02")),
                (37, unhex(value)),
            ]),
            _ => join(ies),
        };
        let mut again = Vec::new();
        match r#type {
            44 => CreateFar::decode_members(&octets)
                .unwrap()
                .encode_members(&mut again),
            37 => CreateUrr::decode_members(&octets)
                .unwrap()
                .encode_members(&mut again),
            _ => AssociationSetupRequest::decode_members(&octets)
                .unwrap()
                .encode_members(&mut again),
        }
        assert_eq!(hex(&again), hex(&octets));
    }
}
