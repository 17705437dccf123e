//! Requests as recorded, damaged at random: no panic, one answer at most, and a refusal changes
//! nothing.

use std::path::Path;

use crate::support::dice::Dice;
use crate::support::tree::{Body, Ie, Tree};
use crate::support::*;

/// The requests of all recordings.
fn recorded() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut requests = vec![];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pcap")
        {
            let datagrams = datagrams(&path);
            let asked = datagrams.into_iter().filter(|(from, octets)| {
                from.ip() == ip(SMF)
                    && pfcp::decode(octets).is_ok_and(|decoded| decoded.message.is_request())
            });
            requests.extend(asked.map(|(_, octets)| octets));
        }
    }
    requests.sort();
    requests.dedup();
    assert!(requests.len() > 50, "{}", requests.len());
    requests
}

/// One change of the structure: what belongs where.
fn change(tree: &mut Tree, dice: &mut Dice) {
    let paths = tree.paths();
    let Some(path) = dice.pick(&paths).cloned() else {
        return;
    };
    let Some(other) = dice.pick(&paths).map(|path| tree.at(path).clone()) else {
        return;
    };
    let (place, parents) = path.split_last().unwrap();
    let siblings = tree.siblings_mut(parents);
    match dice.roll(8) {
        0 => drop(siblings.remove(*place)),
        1 => siblings.insert(*place, other),
        2 => siblings[*place] = other,
        3 => siblings[*place].r#type = dice.roll(400) as u16,
        4 => siblings[*place].lie = dice.roll(9).cast_signed() - 4,
        5 => {
            // Any sound IE of any type.
            let source: Vec<u8> = (0..64).map(|_| dice.roll(256) as u8).collect();
            let r#type = dice.roll(360) as u16;
            let ie = pfcp::AnyIe::generate_type(r#type, &mut pfcp::generate::Source::new(&source));
            let mut octets = vec![];
            ie.encode(&mut octets).unwrap();
            siblings.insert(*place, Ie::leaf(r#type, octets.get(4..).unwrap_or(&[])));
        }
        _ => match &mut siblings[*place].body {
            Body::Leaf(value) => harm(dice, value),
            Body::Group(_, behind) => {
                behind.extend((0..dice.roll(4)).map(|_| dice.roll(256) as u8));
            }
        },
    }
}

fn harm(dice: &mut Dice, octets: &mut Vec<u8>) {
    let length = octets.len() as u32;
    match dice.roll(4) {
        0 => octets.truncate(dice.roll(length) as usize),
        1 => octets.extend((0..dice.roll(9)).map(|_| dice.roll(256) as u8)),
        _ => {
            if let Some(octet) = octets.get_mut(dice.roll(length) as usize) {
                *octet = if dice.percent(50) {
                    dice.roll(256) as u8
                } else {
                    *octet ^ 1 << dice.roll(8)
                };
            }
        }
    }
}

/// How many damaged requests a test plays.
const MUTATIONS: u32 = 24_000;
/// How many a world gets.
const PER_WORLD: u32 = 400;

#[test]
fn recorded_requests_damaged_at_random_change_nothing_when_refused() {
    let requests = recorded();
    let trees: Vec<Tree> = requests
        .iter()
        .filter_map(|octets| Tree::of(octets))
        .collect();
    assert_eq!(trees.len(), requests.len());
    let (mut accepted, mut refused, mut silent) = (0, 0, 0);
    for batch in 0..MUTATIONS / PER_WORLD {
        let mut dice = Dice::new(7, batch.into());
        let (mut world, mut victim) = with_victim();
        let mut before = world.snapshot();
        for number in 0..PER_WORLD {
            let mut tree = dice.pick(&trees).unwrap().clone();
            for _ in 0..=dice.roll(3) {
                change(&mut tree, &mut dice);
            }
            let mut octets = tree.write(victim, 1000 + number);
            if dice.percent(20) {
                harm(&mut dice, &mut octets);
            }
            let answers = world.octets(smf(), &octets);
            assert!(
                answers.len() <= pfcp::messages(&octets).count(),
                "{octets:02x?}"
            );
            let good = answers
                .iter()
                .any(|answer| cause(&answer.message) == Some(1));
            if good {
                accepted += 1;
                before = world.snapshot();
            } else {
                refused += usize::from(!answers.is_empty());
                silent += usize::from(answers.is_empty());
                assert_same(
                    &world.snapshot(),
                    &before,
                    &format!("batch {batch}, {number}: {octets:02x?}"),
                );
            }
            // It has been released, or the world is full: once more from the start.
            let gone = world.node.rules(session::Seid(victim)).is_none();
            if gone || world.node.session_count() > 5 {
                world.associate();
                world.snapshot();
                world.pass(1_000);
                (victim, _) = world.establish(&open5gs(9));
                before = world.snapshot();
            }
        }
        let peers = world.node.peer_statuses();
        for peer in peers {
            world.node.handle(
                world.now,
                upf_cp::Input::Operator(upf_cp::Operator::Drop(peer.node_id)),
            );
        }
        world.snapshot();
        world.pass(20_000);
        world.snapshot();
        assert_eq!(world.node.publisher().sessions(), 0, "batch {batch}");
        assert_eq!(world.teids_free(), 32, "batch {batch}: TEIDs leak");
    }
    assert!(
        accepted > 2_000 && refused > 5_000 && silent > 500,
        "{accepted} {refused} {silent}"
    );
}
