//! Whole classes of bad requests, made from the tables: every IE of every request, one at a time.

use pfcp::group::Presence;

use crate::support::tree::{Body, Ie, Path, Tree};
use crate::support::whole::requests;
use crate::support::*;
use crate::*;

/// What a damaged request came to.
enum Came {
    Accepted,
    Refused(u8, Option<u16>),
}

/// Sends it to a world of its own; a refusal has changed nothing.
fn send(tree: &Tree, seid_of_victim: bool, name: &str) -> Came {
    let (mut world, victim) = with_victim();
    let before = world.snapshot();
    let count = counted(&world);
    let seid = if seid_of_victim { victim } else { 0 };
    let answers = world.octets(smf(), &tree.write(seid, 900));
    let [answer] = answers.as_slice() else {
        panic!("{name}: {answers:?}")
    };
    assert!(counted(&world) > count, "{name}: counted");
    let (cause, offending) = cause_of(answer);
    if cause == 1 {
        return Came::Accepted;
    }
    assert_same(
        &world.snapshot(),
        &before,
        &format!("{name}: cause {cause} has changed something"),
    );
    Came::Refused(cause, offending)
}

/// Plays a damage to every IE of every request.
fn each(
    damage: impl Fn(&Tree, &Path) -> Vec<(String, Tree)>,
    judge: impl Fn(&Tree, &Path, &str, Came),
) {
    let (_, victim) = with_victim();
    let mut played = 0;
    for (tree, seid) in requests(victim) {
        for path in tree.paths() {
            for (what, damaged) in damage(&tree, &path) {
                let name = format!("{}: {what}", tree.name(&path));
                judge(&tree, &path, &name, send(&damaged, seid != 0, &name));
                played += 1;
            }
        }
    }
    assert!(played > 50, "{played} are few");
}

#[test]
fn the_requests_are_sound_as_they_are() {
    let (_, victim) = with_victim();
    for (tree, seid) in requests(victim) {
        let came = send(&tree, seid != 0, "sound");
        assert!(matches!(came, Came::Accepted), "message {}", tree.message);
    }
}

#[test]
fn every_mandatory_ie_that_is_left_out_is_named() {
    let without = |tree: &Tree, path: &Path| {
        let row = tree.row(path);
        let mandatory = row.is_some_and(|row| row.presence == Presence::Mandatory);
        if !mandatory {
            return vec![];
        }
        let mut tree = tree.clone();
        let r#type = tree.at(path).r#type;
        let parents = &path[..path.len() - 1];
        tree.siblings_mut(parents).retain(|ie| ie.r#type != r#type);
        vec![("left out".to_owned(), tree)]
    };
    each(without, |tree, path, name, came| match came {
        Came::Accepted => assert!(tree.is_lenient(path), "{name}: accepted"),
        Came::Refused(cause, offending) => {
            assert_eq!(
                (cause, offending),
                (66, Some(tree.at(path).r#type)),
                "{name}"
            );
        }
    });
}

/// The least octets that an IE has (TS 29.244, clause 8), of those whose length is fixed or has a
/// fixed beginning.
const LEAST: &[(u16, usize)] = &[
    (20, 1),
    (21, 1),
    (23, 2),
    (25, 1),
    (26, 10),
    (27, 10),
    (29, 4),
    (31, 1),
    (32, 4),
    (37, 2),
    (42, 1),
    (44, 1),
    (56, 2),
    (57, 9),
    (60, 1),
    (62, 1),
    (64, 4),
    (73, 1),
    (81, 4),
    (84, 2),
    (88, 1),
    (93, 1),
    (95, 1),
    (96, 4),
    (108, 4),
    (109, 4),
    (113, 1),
    (124, 1),
    (140, 1),
];

#[test]
fn every_ie_that_is_too_short_is_named() {
    let cut = |tree: &Tree, path: &Path| {
        let Body::Leaf(value) = &tree.at(path).body else {
            return vec![];
        };
        let r#type = tree.at(path).r#type;
        let least = LEAST.iter().find(|(least, _)| *least == r#type);
        let least = least.map_or(0, |(_, length)| *length);
        let shorter = (0..value.len())
            .filter(|length| *length < least)
            .map(|length| {
                let mut tree = tree.clone();
                tree.at_mut(path).body = Body::Leaf(value[..length].to_vec());
                (format!("{length} octets"), tree)
            });
        shorter.collect()
    };
    each(cut, |tree, path, name, came| {
        let row = tree.row(path).unwrap();
        match came {
            Came::Refused(cause, offending) => {
                assert!([68, 69, 73].contains(&cause), "{name}: cause {cause}");
                assert_eq!(offending, Some(tree.at(path).r#type), "{name}");
                assert!(
                    cause != 73 || row.presence == Presence::Update,
                    "{name}: {cause}"
                );
            }
            // "Zero length is legal and means remove in updates."
            Came::Accepted => {
                assert!(
                    row.presence == Presence::Update || tree.is_lenient(path),
                    "{name}"
                );
            }
        }
    });
}

#[test]
fn no_child_reaches_past_its_parent() {
    let longer = |tree: &Tree, path: &Path| {
        let last = path[path.len() - 1] + 1
            == match path.split_last() {
                Some((_, [])) => tree.ies.len(),
                Some((_, parents)) => tree.at(parents).members().len(),
                None => 0,
            };
        if !last {
            return vec![];
        }
        let lies = [1, 2, 255, 0xffff].map(|lie| {
            let mut tree = tree.clone();
            tree.at_mut(path).lie = lie;
            (format!("{lie} octets beyond its parent"), tree)
        });
        lies.to_vec()
    };
    each(longer, |tree, path, name, came| match came {
        Came::Refused(cause, _) => assert_eq!(cause, 68, "{name}"),
        Came::Accepted => {
            let parents = &path[..path.len() - 1];
            assert!(!parents.is_empty() && tree.is_lenient(parents), "{name}");
        }
    });
}

#[test]
fn no_group_has_octets_behind_its_last_child() {
    let behind = |tree: &Tree, path: &Path| {
        let Body::Group(members, _) = &tree.at(path).body else {
            return vec![];
        };
        let tails = [&[0][..], &[0, 29], &[0, 29, 0]].map(|tail| {
            let mut tree = tree.clone();
            tree.at_mut(path).body = Body::Group(members.clone(), tail.to_vec());
            (format!("{} octets behind", tail.len()), tree)
        });
        tails.to_vec()
    };
    each(behind, |tree, path, name, came| match came {
        Came::Refused(cause, _) => assert_eq!(cause, 68, "{name}"),
        Came::Accepted => assert!(tree.is_lenient(path), "{name}"),
    });
}

/// "IE repeated where only one is allowed: the first counts, the rest is skipped."
#[test]
fn what_comes_again_does_not_count() {
    let again = |tree: &Tree, path: &Path| {
        let single = tree.row(path).is_some_and(|row| !row.repeats);
        let mut other = tree.at(path).clone();
        let Body::Leaf(value) = &mut other.body else {
            return vec![];
        };
        if !single {
            return vec![];
        }
        for octet in value {
            *octet ^= 0x55;
        }
        let mut tree = tree.clone();
        let (place, parents) = path.split_last().unwrap();
        tree.siblings_mut(parents).insert(place + 1, other);
        vec![("twice".to_owned(), tree)]
    };
    each(again, |_, _, name, came| {
        assert!(matches!(came, Came::Accepted), "{name}");
    });
}

#[test]
fn unknown_ies_are_skipped_wherever_they_are() {
    let strange = |tree: &Tree, path: &Path| {
        let (place, parents) = path.split_last().unwrap();
        // Of the future, a vendor's, one that belongs elsewhere, one without content.
        let strangers = [
            (0x7abc, &b"abc"[..]),
            (0x8001, &[0, 9, 1, 2]),
            (45, &[]),
            (0x7fff, &[]),
        ];
        let trees = strangers.map(|(r#type, value)| {
            let mut tree = tree.clone();
            tree.siblings_mut(parents)
                .insert(*place, Ie::leaf(r#type, value));
            (format!("IE {type} before it"), tree)
        });
        trees.to_vec()
    };
    each(strange, |_, _, name, came| {
        assert!(matches!(came, Came::Accepted), "{name}");
    });
}

/// A reference to a rule: the type of the id, and the group that makes such rules.
const REFERENCES: &[(u16, &[u16])] = &[
    (108, &[1, 9]),
    (109, &[1, 9]),
    (81, &[1, 9]),
    (88, &[3, 10]),
];

#[test]
fn every_reference_to_an_absent_rule_is_refused() {
    let absent = |tree: &Tree, path: &Path| {
        let ie = tree.at(path);
        let parent = path.len().checked_sub(1).filter(|length| *length > 0);
        let parent = parent.map(|length| tree.at(&path[..length]).r#type);
        let refers = REFERENCES.iter().any(|(r#type, groups)| {
            *r#type == ie.r#type && parent.is_some_and(|parent| groups.contains(&parent))
        });
        // The id of the group itself is no reference.
        let own = matches!((parent, ie.r#type), (Some(3 | 10), 108));
        let Body::Leaf(value) = &ie.body else {
            return vec![];
        };
        if !refers || own {
            return vec![];
        }
        let mut tree = tree.clone();
        tree.at_mut(path).body = Body::Leaf(vec![0x55; value.len()]);
        vec![("of a rule that is not there".to_owned(), tree)]
    };
    let (_, victim) = with_victim();
    let mut played = 0;
    for (tree, seid) in requests(victim) {
        for path in tree.paths() {
            for (_, damaged) in absent(&tree, &path) {
                let name = tree.name(&path);
                let Came::Refused(cause, offending) = send(&damaged, seid != 0, &name) else {
                    panic!("{name}: accepted")
                };
                assert_eq!(
                    (cause, offending),
                    (73, Some(tree.at(&path).r#type)),
                    "{name}"
                );
                played += 1;
            }
        }
    }
    assert!(played >= 8, "{played}");
}

/// C21: every rule of every request twice.
#[test]
fn c21_every_rule_that_comes_twice_is_refused() {
    let (_, victim) = with_victim();
    let mut played = 0;
    for (tree, seid) in requests(victim) {
        for place in 0..tree.ies.len() {
            let ie = tree.ies[place].clone();
            let rule = [1, 3, 6, 7, 9, 10, 13, 14, 15].contains(&ie.r#type);
            if !rule {
                continue;
            }
            let name = format!("{} twice", tree.name(&[place]));
            let mut twice = tree.clone();
            twice.ies.push(ie.clone());
            let Came::Refused(cause, offending) = send(&twice, seid != 0, &name) else {
                panic!("{name}: accepted")
            };
            let id = ie.members()[0].r#type;
            assert_eq!((cause, offending), (73, Some(id)), "{name}");
            played += 1;
        }
    }
    assert!(played > 12, "{played}");
}
