//! Every IE against octets that this crate did not make.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use pfcp::{AnyIe, CATALOGUE};
use serde_json::Value;

mod common;
use common::{hex, sorted, unhex};

struct Golden {
    r#type: u16,
    value: Vec<u8>,
    meaning: Vec<&'static str>,
    source: &'static str,
}

fn golden() -> impl Iterator<Item = Golden> {
    let lines = include_str!("golden/ies.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (head, source) = line.split_once(" # ").unwrap();
        let (ie, meaning) = head.split_once(" =").unwrap();
        let (r#type, value) = ie.split_once(' ').unwrap();
        let value = if value == "-" { "" } else { value };
        Golden {
            r#type: r#type.parse().unwrap(),
            value: unhex(value),
            meaning: meaning.split_whitespace().collect(),
            source,
        }
    })
}

/// Decodes, and encodes back to the same octets, up to the order of IEs in a group; also by way of
/// JSON.
#[test]
fn every_sample_round_trips() {
    for Golden {
        r#type,
        value,
        source,
        ..
    } in golden()
    {
        let ie = AnyIe::decode(r#type, &value).unwrap_or_else(|e| panic!("{type} {source}: {e}"));
        assert!(!matches!(ie, AnyIe::Unknown(_)), "{type}");
        let mut octets = Vec::new();
        ie.encode(&mut octets).unwrap();
        assert_eq!(octets[..2], r#type.to_be_bytes());
        assert_eq!(
            usize::from(u16::from_be_bytes([octets[2], octets[3]])),
            octets.len() - 4
        );
        assert_eq!(
            hex(&sorted(r#type, &octets[4..])),
            hex(&sorted(r#type, &value)),
            "{type} {source}: {ie}"
        );
        let json = serde_json::to_string(&ie).unwrap();
        assert_eq!(serde_json::from_str::<AnyIe>(&json).unwrap(), ie, "{json}");
    }
}

/// What Wireshark reads from the octets is in what we read: each field's value among our values,
/// and of bit sets exactly the same names.
#[test]
fn every_sample_means_what_wireshark_says() {
    let mut compared = 0;
    let mut differ = Vec::new();
    for Golden {
        r#type,
        value,
        meaning,
        source,
    } in golden()
    {
        let ie = AnyIe::decode(r#type, &value).unwrap();
        let json = serde_json::to_value(&ie).unwrap();
        let form = CATALOGUE
            .iter()
            .find(|entry| entry.r#type == r#type)
            .unwrap()
            .form;
        if form == "flags" {
            if source.contains("unread")
                || source.contains("rs-pfcp")
                || FLAGS_UNREAD.contains(&r#type)
            {
                continue;
            }
            let theirs: BTreeSet<_> = meaning
                .iter()
                .map(|name| rename(r#type, &name[1..]))
                .collect();
            let mut ours = Vec::new();
            leaves(&json, &mut ours);
            let ours: BTreeSet<_> = ours
                .iter()
                .filter_map(|leaf| leaf.as_str().map(str::to_owned))
                .collect();
            if ours != theirs {
                differ.push(format!("{type}: {ours:?}, Wireshark {theirs:?}, {source}"));
            }
            compared += 1;
            continue;
        }
        let mut ours = Vec::new();
        leaves(&json, &mut ours);
        for field in meaning {
            let field = unhex(field);
            // The type of an address to redirect to is that of our value, not a number in it.
            if r#type == 38 && field.len() == 1 {
                continue;
            }
            if !ours.iter().any(|leaf| is(leaf, &field)) {
                let (value, field) = (hex(&value), hex(&field));
                differ.push(format!("{type} {value}: {field} not in {json}, {source}"));
            }
            compared += 1;
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(compared > 500, "{compared}");
}

/// Rows of Release 19 that no implementation reads or writes: their octets are from the layout of
/// TS 29.244 alone. pycrate 0.8.1 ends at 275, Wireshark 4.6.9 at 353, rs-pfcp 0.5.0 at 353 but for
/// 389; go-pfcp, free5gc/pfcp and scapy before that. packet-dissector-pfcp 0.6.1 has the names, and
/// splits groups into IEs, but reads no value.
const UNREAD: &[RangeInclusive<u16>] = &[354..=380, 382..=388, 390..=402];

/// No row without octets of another's making or reading, save those that no other reads.
#[test]
fn every_row_has_a_sample() {
    let read: BTreeSet<u16> = golden()
        .filter(|g| !g.source.starts_with("by hand unread"))
        .map(|g| g.r#type)
        .collect();
    let all: BTreeSet<u16> = golden().map(|g| g.r#type).collect();
    for entry in CATALOGUE {
        let (r#type, name) = (entry.r#type, entry.name);
        assert!(all.contains(&r#type), "{type} {name} has no sample");
        let excused = UNREAD.iter().any(|types| types.contains(&r#type));
        assert_ne!(
            read.contains(&r#type),
            excused,
            "{type} {name}: a sample unread, or read although it is said that none is"
        );
    }
}

fn leaves<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => map.values().for_each(|value| leaves(value, into)),
        Value::Array(list) => {
            into.push(value);
            for value in list {
                leaves(value, into);
            }
        }
        _ => into.push(value),
    }
}

/// Whether a value of ours has these octets.
fn is(leaf: &Value, octets: &[u8]) -> bool {
    let number = (octets.len() <= 8).then(|| {
        octets
            .iter()
            .fold(0_u64, |number, octet| number << 8 | u64::from(*octet))
    });
    match leaf {
        Value::Number(ours) => {
            ours.as_u64() == number
                || ours
                    .as_i64()
                    .is_some_and(|ours| ours < 0 && ours.to_be_bytes()[..] == *octets)
        }
        Value::String(ours) => {
            ours.as_bytes() == octets
                || ours.eq_ignore_ascii_case(&hex(octets))
                || ours.parse::<IpAddr>().is_ok_and(|address| match address {
                    IpAddr::V4(address) => address.octets()[..] == *octets,
                    IpAddr::V6(address) => address.octets()[..] == *octets,
                })
        }
        Value::Array(list) => {
            let ours: Option<Vec<u8>> = list
                .iter()
                .map(|one| one.as_u64().and_then(|one| one.try_into().ok()))
                .collect();
            ours.is_some_and(|ours| ours == octets)
        }
        Value::Bool(ours) => number == Some(u64::from(*ours)),
        Value::Null | Value::Object(_) => false,
    }
}

/// Wireshark 4.0.17's name of a flag, where it is not that of the specification.
fn rename(r#type: u16, name: &str) -> String {
    let name = match (r#type, name) {
        (43, "MTEDT") => "MT_EDT",
        (43, "MTE_N4") => "MTE",
        (43, "TSCU") => "TSN",
        (62, "VOLUME") => "VOLUM",
        (63, "TERM") => "TERMR",
        (100, "FD") => "MBQE",
        (243, "DL") => "DLPD",
        (243, "UL") => "ULPD",
        (243, "RP") => "RPPD",
        (265, "MAI") => "MTAI",
        (289, "REUIA") => "ALBI",
        (289, "REDSA") => "UEAI",
        (319, "IQFIS") => "IQFISN",
        _ => name,
    };
    name.to_owned()
}

/// Bit sets of which Wireshark 4.0.17 shows bits under other IEs' names, or not at all.
const FLAGS_UNREAD: &[u16] = &[111, 237, 258];
