//! Every list of every message and group takes one allocation when it is read, however long it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use allocation_counter::measure;
use pfcp::generate::{Generate, Source};
use pfcp::group::{Group, Presence};
use pfcp::*;

#[macro_use]
mod common;
use common::{join, split};

/// A small value of an IE, of some octets.
fn element(r#type: u16) -> Vec<u8> {
    let of_seed = |seed: u8| {
        let mut octets = Vec::new();
        let ie = AnyIe::generate_type(r#type, &mut Source::new(&[seed; 256]));
        ie.encode(&mut octets).unwrap();
        octets.split_off(4)
    };
    // Where nothing is mandatory, something has to be there all the same: none would say "removed".
    let small = of_seed(2);
    if small.is_empty() {
        of_seed(0xc8)
    } else {
        small
    }
}

/// Each list in turn, of none, one, two and many elements.
fn one_block_each<T: Group + Generate>(name: &str, lists: &mut u32) {
    const MANY: u64 = 100;
    let mut least = Vec::new();
    T::generate(&mut Source::new(&[])).encode_members(&mut least);
    for row in T::ROWS.iter().filter(|row| row.repeats) {
        let element = element(row.r#type);
        let blocks = |count: u64| {
            let others = split(&least).into_iter();
            let mut ies: Vec<_> = others
                .filter(|(r#type, _)| *r#type != row.r#type)
                .map(|(r#type, value)| (r#type, value.to_vec()))
                .collect();
            // An acceptance without it is refused.
            if name == "AssociationSetupResponse" {
                ies.push((96, vec![0; 4]));
            }
            ies.extend((0..count).map(|_| (row.r#type, element.clone())));
            let octets = join(ies);
            let taken = measure(|| {
                T::decode_members(&octets).unwrap();
            });
            taken.count_total
        };
        let [one, two, many] = [1, 2, MANY].map(blocks);
        let inside = two - one;
        assert_eq!(many - one, (MANY - 1) * inside, "{name}: {}", row.field);
        if row.presence != Presence::Mandatory {
            assert_eq!(one - blocks(0), 1 + inside, "{name}: {}", row.field);
        }
        *lists += 1;
    }
}

#[test]
fn every_list_is_one_block() {
    let mut lists = 0;
    every_message!(one_block_each, &mut lists);
    every_group!(one_block_each, &mut lists);
    assert!(lists > 150, "{lists}");
}
