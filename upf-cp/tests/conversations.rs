//! Whole conversations on N4, a folder each in `n4/`: what comes (`input.jsonl`: one line each, at
//! that virtual time), what the node sends (`output.txt`, but for its features) and what it has in
//! the end (`state.txt`). SEIDs and TEIDs are those of one seed.
//!
//! `UPDATE=1 cargo test -p upf-cp --test conversations` writes outputs and states anew, and where a
//! folder has a file `recordings` (names in `captures/`, in order) the input too: the SMF's
//! requests, 100 ms apart, with this node's SEIDs in place of the recorded ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pfcp::{Decoded, Message};
use serde::{Deserialize, Serialize};
use support::*;
use upf_cp::Input;

/// Something that comes to the node.
#[derive(Serialize, Deserialize)]
struct Line {
    at_ms: u64,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// A message, and who sends it.
    Says(SocketAddr, Box<Decoded>),
    /// Octets of a datagram in hexadecimal: what cannot be read as a message.
    Sends(SocketAddr, String),
    /// Something that is not a datagram.
    Happens(Input),
}

impl What {
    fn input(&self) -> Input {
        match self {
            Self::Says(from, message) => {
                let mut octets = vec![];
                pfcp::encode(&message.header, &message.message, &mut octets).unwrap();
                Input::Datagram {
                    from: *from,
                    octets,
                }
            }
            Self::Sends(from, text) => {
                let pairs = (0..text.len()).step_by(2);
                let octets = pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap());
                Input::Datagram {
                    from: *from,
                    octets: octets.collect(),
                }
            }
            Self::Happens(input) => input.clone(),
        }
    }
}

/// Plays an input from 1 s on; gives what the node sent, and what is there in the end.
fn play(input: &str) -> (String, String) {
    let mut world = World::seeded(upf_cp::NodeConfig::new(ip(UPF)), topology(), 1, 64);
    let mut output = String::new();
    for line in input.lines() {
        let line: Line =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        // What is due before this, at its own time.
        while let Some(at) = world.node.deadline_ms().filter(|at| *at < line.at_ms) {
            world.pass(at - world.now.elapsed_ms);
            tell(&mut world, &mut output);
        }
        world.pass(line.at_ms - world.now.elapsed_ms);
        world.input(line.what.input());
        tell(&mut world, &mut output);
    }
    (output, state(&world))
}

/// Writes down what the node has sent since.
fn tell(world: &mut World, output: &mut String) {
    let at_ms = world.now.elapsed_ms;
    for (worker, command) in world.commands.drain(..) {
        writeln!(output, "{at_ms} ms, to worker {}: {command:?}\n", worker.0).unwrap();
    }
    for (to, octets) in world.sent.drain(..) {
        let mut decoded = pfcp::decode(&octets).unwrap();
        // What grows with every version would change all cases.
        if let Message::AssociationSetupResponse(answer) = &mut decoded.message {
            answer.up_function_features = None;
        }
        writeln!(output, "{at_ms} ms, to {to}: {decoded}").unwrap();
    }
}

/// Peers, sessions and their rules.
fn state(world: &World) -> String {
    let mut text = String::new();
    for peer in world.node.peer_statuses() {
        let (id, at, features) = (&peer.node_id, peer.address, peer.features);
        writeln!(text, "peer {id} at {at}, features {features:?}").unwrap();
    }
    for session in world.node.session_statuses() {
        let (seid, cp) = (session.seid.0, session.cp_seid);
        writeln!(
            text,
            "session {seid:#x}, of the SMF {cp:#x} at {}",
            session.cp_address
        )
        .unwrap();
        let rules = session.rules;
        rules
            .pdrs
            .iter()
            .for_each(|rule| writeln!(text, "  {rule:?}").unwrap());
        rules
            .fars
            .iter()
            .for_each(|rule| writeln!(text, "  {rule:?}").unwrap());
        rules
            .qers
            .iter()
            .for_each(|rule| writeln!(text, "  {rule:?}").unwrap());
        rules
            .urrs
            .iter()
            .for_each(|rule| writeln!(text, "  {rule:?}").unwrap());
        rules
            .bars
            .iter()
            .for_each(|rule| writeln!(text, "  {rule:?}").unwrap());
    }
    let places = world.node.publisher().sessions();
    writeln!(text, "{places} places taken in the tables").unwrap();
    text
}

/// The SMF's requests of recordings, as an input.
fn import(recordings: &str) -> String {
    let mut world = World::seeded(upf_cp::NodeConfig::new(ip(UPF)), topology(), 1, 64);
    // Our SEIDs: by sequence number until the recorded answer comes, then by the recorded one.
    let (mut asked, mut seids) = (BTreeMap::new(), BTreeMap::new());
    let mut input = String::new();
    let mut at_ms = 1_000;
    for name in recordings.split_whitespace() {
        let path = format!("{}/tests/captures/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
        for (from, octets) in datagrams(path.as_ref()) {
            let mut decoded = pfcp::decode(&octets).unwrap();
            let sequence = decoded.header.sequence;
            if from.ip() != ip(SMF) {
                if let Message::SessionEstablishmentResponse(answer) = &decoded.message
                    && let (Some(f_seid), Some(ours)) = (&answer.up_f_seid, asked.get(&sequence))
                {
                    seids.insert(f_seid.seid, *ours);
                }
                continue;
            }
            if !decoded.message.is_request() {
                continue;
            }
            let recorded = decoded.header.seid.unwrap_or(0);
            if recorded != 0 && !matches!(decoded.message, Message::SessionEstablishmentRequest(_))
            {
                decoded.header.seid = seids.get(&recorded).copied().or(decoded.header.seid);
            }
            at_ms += 100;
            let line = Line {
                at_ms,
                what: What::Says(from, Box::new(decoded)),
            };
            writeln!(input, "{}", serde_json::to_string(&line).unwrap()).unwrap();
            world.pass(at_ms - world.now.elapsed_ms);
            for answer in world.input(line.what.input()) {
                if let Message::SessionEstablishmentResponse(answer) = answer.message
                    && let Some(f_seid) = answer.up_f_seid
                {
                    asked.insert(sequence, f_seid.seid);
                }
            }
        }
    }
    input
}

/// Compares a file with what it should be, or writes it.
fn compare(path: &Path, should: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, should).unwrap();
    }
    let is = fs::read_to_string(path).unwrap_or_default();
    let mut lines = is.lines().zip(should.lines());
    let differing = lines.find(|(is, should)| is != should);
    assert!(
        is == should,
        "{} is not what comes of its input (UPDATE=1 writes it): {differing:?}",
        path.display()
    );
}

#[test]
fn conversations_go_as_they_did() {
    let directory: PathBuf = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/n4").into();
    let mut cases: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 10);
    for case in cases {
        if let Ok(recordings) = fs::read_to_string(case.join("recordings")) {
            compare(&case.join("input.jsonl"), &import(&recordings));
        }
        let (output, state) = play(&fs::read_to_string(case.join("input.jsonl")).unwrap());
        compare(&case.join("output.txt"), &output);
        compare(&case.join("state.txt"), &state);
    }
}
