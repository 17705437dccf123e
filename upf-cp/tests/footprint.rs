//! What a session costs: allocations of each procedure, octets while it is there, nothing after.
//!
//! These are counts, not times: they are the same on every machine, and a rise is a change of the
//! code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

mod support;

use allocation_counter::measure;
use pfcp::{Cause, Message};
use support::load::{deletion, establishment, tunnel};
use support::*;
use upf_cp::{Input, NodeConfig, Output};

/// The most allocations of a procedure, from the datagram to the answer.
const ESTABLISH_MAX: f64 = 23.5;
const MODIFY_MAX: f64 = 9.5;
const DELETE_MAX: f64 = 3.5;
/// The most octets of the heap that a session may take on both sides (tables, which are made for
/// all sessions at start, are not among them).
const OCTETS_MAX: f64 = 1700.0;
/// The most that may be left of one that is gone: its places in free lists and hash tables.
const LEFT_MAX: f64 = 220.0;

/// Sessions that are measured: their share of what grows by doubling is small.
const SESSIONS: u32 = 4_000;
/// Sessions before those, so that tables and heaps have been filled once.
const BEFORE: u32 = 100;

fn world() -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    config.limits.messages_per_second = u32::MAX;
    config.limits.sessions = SESSIONS + BEFORE;
    // Kept answers are bounded by themselves; here they would only blur the picture.
    config.limits.held_answers_per_peer = 16;
    let mut world = World::seeded(config, topology(), 1, SESSIONS + BEFORE);
    world.associate();
    world
}

/// What a procedure took.
#[derive(Debug)]
struct Cost {
    /// Allocations while the node handled it.
    allocations: f64,
    /// Octets that are there afterwards, and were not before.
    octets: f64,
    /// SEIDs of established sessions.
    seids: Vec<u64>,
}

/// Gives the node a request for each session, and counts per session.
fn run(world: &mut World, requests: impl Iterator<Item = Vec<u8>>) -> Cost {
    let mut seids = Vec::with_capacity((SESSIONS + BEFORE) as usize);
    let mut inputs: Vec<Input> = Vec::new();
    // Requests and answers come and go in here, so that only what the node keeps remains.
    let mut handled = None;
    let all = measure(|| {
        let datagram = |octets| Input::Datagram {
            from: smf(),
            octets,
        };
        inputs.extend(requests.map(datagram));
        let mut outputs: Vec<Vec<Output>> = Vec::with_capacity(inputs.len());
        handled = Some(measure(|| {
            for input in inputs.drain(..) {
                outputs.push(world.node.handle(world.now, input));
            }
        }));
        for output in outputs.iter().flatten() {
            if let Output::Send { octets, .. } = output {
                seids.extend(accepted(octets));
            }
        }
        inputs = Vec::new();
        // Whatever waited for a grace period is freed.
        world.pass(2_000);
    });
    let each = |total: i64| f64::from(i32::try_from(total).unwrap()) / f64::from(SESSIONS);
    Cost {
        allocations: each(handled.unwrap().count_total.try_into().unwrap()),
        octets: each(all.bytes_current),
        seids,
    }
}

/// The SEID in an answer, which has to say that all is well.
fn accepted(octets: &[u8]) -> Option<u64> {
    let (cause, seid) = match pfcp::decode(octets).unwrap().message {
        Message::SessionEstablishmentResponse(answer) => {
            (answer.cause, answer.up_f_seid.map(|f_seid| f_seid.seid))
        }
        Message::SessionModificationResponse(answer) => (answer.cause, None),
        Message::SessionDeletionResponse(answer) => (answer.cause, None),
        other => panic!("{other}"),
    };
    assert_eq!(cause, Cause::REQUEST_ACCEPTED);
    seid
}

fn establish(world: &mut World, from: u32, count: u32) -> Cost {
    let requests = from..from + count;
    run(
        world,
        requests.map(|n| encode(Some(0), n + 10, &establishment(n))),
    )
}

#[test]
fn procedures_allocate_little_and_sessions_stay_small() {
    let mut world = world();
    establish(&mut world, 0, BEFORE);
    let made = establish(&mut world, BEFORE, SESSIONS);
    assert_eq!(made.seids.len(), SESSIONS as usize);
    let seids = || (0..).zip(made.seids.iter().copied());
    let activated = run(&mut world, seids().map(|(n, seid)| tunnel(n, seid, 0)));
    let moved = run(&mut world, seids().map(|(n, seid)| tunnel(n, seid, 1)));
    let gone = run(&mut world, seids().map(|(n, seid)| deletion(n, seid)));
    let after_activation = made.octets + activated.octets;
    let left = after_activation + moved.octets + gone.octets;
    for (name, cost, most) in [
        ("establish", &made, ESTABLISH_MAX),
        ("activate", &activated, MODIFY_MAX),
        ("move", &moved, MODIFY_MAX),
        ("delete", &gone, DELETE_MAX),
    ] {
        let Cost {
            allocations,
            octets,
            ..
        } = cost;
        eprintln!("{name}: {allocations:.1} allocations, {octets:+.0} octets a session");
        assert!(
            *allocations <= most,
            "{name}: {allocations} allocations, more than {most}"
        );
    }
    eprintln!("{after_activation:.0} octets a session, {left:.0} left when it is gone");
    let largest = made.octets.max(after_activation);
    assert!(largest <= OCTETS_MAX, "{largest} octets a session");
    assert!(left <= LEFT_MAX, "{left} octets of a session that is gone");
}
