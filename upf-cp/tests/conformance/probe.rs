//! Asks the real node: what becomes of a sound request when one more IE is in it?

use std::collections::BTreeSet;

use pfcp::catalogue::Entry;
use pfcp::group::{Presence, Row};
use pfcp::{AnyIe, UpFunctionFeatures};

use crate::support::dice::Dice;
use crate::support::tree::{Body, Ie, Path, Tree, rows};
use crate::support::*;

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) enum Came {
    Accepted,
    /// With these causes, for all values that were tried.
    Refused(BTreeSet<u8>),
}

/// A row of a table, and what became of it.
#[derive(Debug)]
pub(crate) struct Probe {
    /// The message or group.
    pub(crate) within: String,
    pub(crate) ie: &'static Entry,
    pub(crate) came: Came,
}

impl Probe {
    pub(crate) fn name(&self) -> String {
        format!("{} ({}) in {}", self.ie.name, self.ie.r#type, self.within)
    }
}

/// How many values of an IE are tried.
const VALUES: u64 = 12;

/// Values where those made at random would be refused for what they say.
fn sample(r#type: u16) -> Option<&'static [u8]> {
    Some(match r#type {
        // Network Instance and DNN, UE IP Address, F-TEID to choose, F-SEID, Node ID.
        22 | 159 => b"internet",
        93 => &[2, 10, 45, 0, 9],
        21 => &[5],
        57 => &[2, 0, 0, 0, 0, 0, 0, 0, 99, 10, 10, 4, 2],
        60 => &[0, 10, 10, 4, 2],
        // GTP-U over IPv4 to a gNB.
        84 => &[1, 0, 0, 0, 1, 2, 10, 10, 3, 102],
        23 => b"\x01\0\0\x1dpermit out ip from any to any",
        // Forwarding Policy; Application ID; framed routes.
        41 => b"\x05cache",
        24 => b"video",
        153 => b"10.46.8.0/24",
        155 => b"2001:db8:46::/48",
        // Rules that are there.
        108 | 109 | 81 => &[0, 0, 0, 1],
        56 => &[0, 1],
        // BAR ID, Traffic Endpoint ID, QFI, Source and Destination Interface, PDN Type; DROBU.
        49 | 88 | 124 | 20 | 42 | 113 | 131 => &[1],
        // Apply Action, Measurement Method; Reporting Triggers.
        44 | 62 => &[2],
        37 => &[2, 0, 0],
        // Gate Status, Measurement Information; Outer Header Removal; Transport Level Marking.
        25 | 100 => &[0],
        95 => &[6],
        30 => &[0x28, 0xfc],
        _ => return None,
    })
}

fn value(r#type: u16, seed: u64) -> Vec<u8> {
    if let (Some(sample), 0) = (sample(r#type), seed) {
        return sample.to_vec();
    }
    let mut dice = Dice::new(seed, r#type.into());
    let source: Vec<u8> = (0..256).map(|_| dice.roll(256) as u8).collect();
    let ie = AnyIe::generate_type(r#type, &mut pfcp::generate::Source::new(&source));
    let mut octets = vec![];
    ie.encode(&mut octets).unwrap();
    octets.split_off(4.min(octets.len()))
}

fn cause_of(tree: &Tree, of_victim: bool) -> Option<u8> {
    let (mut world, victim) = with_victim();
    let answers = world.octets(smf(), &tree.write(if of_victim { victim } else { 0 }, 900));
    cause(&answers.first()?.message)
}

/// What becomes of a row of the group at `parents` of a request.
fn row(tree: &Tree, of_victim: bool, parents: &Path, row: Row) -> Came {
    // In this group, or in another of its kind, it was sound already.
    let kind = |parents: &[usize]| (!parents.is_empty()).then(|| tree.at(parents).r#type);
    let here = kind(parents);
    let there = tree.paths().iter().any(|path| {
        let parents = &path[..path.len() - 1];
        kind(parents) == here && tree.at(path).r#type == row.r#type
    });
    if there {
        return Came::Accepted;
    }
    let mut causes = BTreeSet::new();
    for seed in 0..VALUES {
        let value = value(row.r#type, seed);
        // To remove what is not there does no harm, and says nothing.
        if value.is_empty() && row.presence == Presence::Update {
            continue;
        }
        let mut more = tree.clone();
        let ie = Ie::leaf(row.r#type, &value);
        more.siblings_mut(parents).push(ie);
        match cause_of(&more, of_victim) {
            Some(1) => return Came::Accepted,
            cause => causes.extend(cause),
        }
    }
    Came::Refused(causes)
}

/// The rows of a request, and those of the groups in it, each table once.
fn walk(tree: &Tree, of_victim: bool, parents: &Path, within: &str, all: &mut Vec<Probe>) {
    let (table, members) = if parents.is_empty() {
        (tree.rows(), &tree.ies[..])
    } else {
        let group = tree.at(parents);
        (rows(group.r#type), group.members())
    };
    if !all.iter().any(|probe| probe.within == within) {
        for line in table {
            let came = row(tree, of_victim, parents, *line);
            let ie = pfcp::catalogue::entry(line.r#type).unwrap();
            all.push(Probe {
                within: within.to_owned(),
                ie,
                came,
            });
        }
    }
    for (place, member) in members.iter().enumerate() {
        if matches!(member.body, Body::Group(..)) {
            let name = pfcp::catalogue::entry(member.r#type).map_or("", |entry| entry.name);
            let mut path = parents.clone();
            path.push(place);
            walk(tree, of_victim, &path, name, all);
        }
    }
}

/// Asks again for what was refused, in the groups of another request.
fn walk_again(tree: &Tree, of_victim: bool, all: &mut [Probe]) {
    for path in tree.paths() {
        let group = tree.at(&path);
        if !matches!(group.body, Body::Group(..)) {
            continue;
        }
        let name = pfcp::catalogue::entry(group.r#type).map_or("", |entry| entry.name);
        let refused =
            |probe: &&mut Probe| probe.within == name && matches!(probe.came, Came::Refused(_));
        for probe in all.iter_mut().filter(refused) {
            let mut table = rows(group.r#type).iter();
            let line = table.find(|line| line.r#type == probe.ie.r#type);
            let came = line.map(|line| row(tree, of_victim, &path, *line));
            if let Some(came @ Came::Accepted) = came {
                probe.came = came;
            }
        }
    }
}

/// Every row of every request that is carried out.
pub(crate) fn all() -> Vec<Probe> {
    let (_, victim) = with_victim();
    let mut all = vec![];
    let deletion = encode(Some(victim), 1, &pfcp::SessionDeletionRequest::default());
    let mut requests = whole::requests(victim);
    requests.push((Tree::of(&deletion).unwrap(), victim));
    for (tree, seid) in requests {
        let name = pfcp::MESSAGES
            .iter()
            .find(|entry| entry.r#type == tree.message);
        let name = name.unwrap().name;
        walk(&tree, seid != 0, &vec![], name, &mut all);
        // What one request has cannot always stand in another one of its kind.
        let members: BTreeSet<(&str, u16)> = tree
            .paths()
            .iter()
            .map(|path| {
                let parents = &path[..path.len() - 1];
                let group = (!parents.is_empty()).then(|| tree.at(parents).r#type);
                let group = group.and_then(pfcp::catalogue::entry);
                (group.map_or(name, |entry| entry.name), tree.at(path).r#type)
            })
            .collect();
        let there = |probe: &&mut Probe| members.contains(&(&probe.within, probe.ie.r#type));
        for probe in all.iter_mut().filter(there) {
            probe.came = Came::Accepted;
        }
    }
    walk_again(&whole::towards_core(victim), true, &mut all);
    all
}

/// The cause that a message of that type is answered with by a node that has what it is about: 1
/// where the answer has no cause, nothing where there is no answer.
pub(crate) fn message(r#type: u8) -> Option<u8> {
    let (mut world, victim) = with_victim();
    let entry = pfcp::MESSAGES
        .iter()
        .find(|entry| entry.r#type == r#type)
        .unwrap();
    let mut requests = whole::requests(victim);
    requests.retain(|(tree, _)| tree.message == r#type);
    let (tree, seid) = requests.pop().unwrap_or_else(|| {
        let mandatory = entry
            .rows
            .iter()
            .filter(|row| row.presence == Presence::Mandatory);
        let ies = mandatory.map(|row| Ie::leaf(row.r#type, &value(row.r#type, 0)));
        (
            Tree {
                message: r#type,
                session: entry.session,
                ies: ies.collect(),
            },
            victim,
        )
    });
    let answers = world.octets(smf(), &tree.write(seid, 900));
    let answer = answers.first()?;
    Some(cause(&answer.message).unwrap_or(1))
}

/// The features in the answer to an association, of a node with addresses to give and predefined
/// rules.
pub(crate) fn announced() -> UpFunctionFeatures {
    let mut config = with_predefined();
    config.ue_pools.push(upf_cp::UePool {
        network: "internet".to_owned(),
        vrf: session::InterfaceId(2),
        ranges: vec!["10.45.0.0/24".parse().unwrap()],
        identity: None,
        slices: vec![],
    });
    let mut world = World::with(config);
    let pfcp::Message::AssociationSetupResponse(answer) = world.ask(None, &association()) else {
        panic!("an association is answered with something else")
    };
    answer.up_function_features.unwrap()
}
