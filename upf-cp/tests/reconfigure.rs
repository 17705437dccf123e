//! Another configuration takes the place of the one that is in force.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use pfcp::{Cause, Message};
use support::*;
use upf_cp::{Echo, Input, NodeConfig, Operator};

fn config() -> NodeConfig {
    NodeConfig {
        heartbeat_interval_ms: 0,
        ..NodeConfig::new(ip(UPF))
    }
}

fn associate_from(world: &mut World) -> Option<u8> {
    cause(&world.ask(None, &association()))
}

#[test]
fn who_may_associate_changes_and_who_may_not_any_more_is_let_go() {
    let mut world = World::with(config());
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    let before = world.snapshot();
    // What admits the SMF leaves its sessions alone.
    let net = |text: &str| text.parse().unwrap();
    let allow = vec![net("10.10.4.0/24")];
    world.reconfigure(NodeConfig { allow, ..config() });
    assert_same(&world.snapshot(), &before, "sessions");
    assert!(!world.rules(seid).pdrs.is_empty());
    let allow = vec![net("192.0.2.0/24")];
    world.reconfigure(NodeConfig { allow, ..config() });
    world.go_on();
    assert_eq!(world.node.peer_statuses().len(), 0);
    assert_eq!(world.node.session_count(), 0);
    let setup = encode(None, 9_999, &association());
    assert!(world.octets(smf(), &setup).is_empty());
    // The same by Node ID.
    let allow_nodes = vec![ip("10.10.4.99").into()];
    world.reconfigure(NodeConfig {
        allow_nodes,
        ..config()
    });
    let rejected = Some(Cause::REQUEST_REJECTED.get());
    assert_eq!(associate_from(&mut world), rejected);
    world.reconfigure(config());
    world.associate();
}

#[test]
fn heartbeats_begin_and_end() {
    let beats = |world: &World| {
        let requests = world.requests.iter();
        let is_beat = |message: &Message| matches!(message, Message::HeartbeatRequest(_));
        requests.filter(|asked| is_beat(&asked.message)).count()
    };
    let mut world = World::with(config());
    world.associate();
    world.pass(60_000);
    assert_eq!(beats(&world), 0);
    world.reconfigure(NodeConfig {
        heartbeat_interval_ms: 5_000,
        ..config()
    });
    world.pass(4_000);
    assert_eq!(beats(&world), 0);
    world.pass(2_000);
    assert_eq!(beats(&world), 1);
}

#[test]
fn peers_of_tunnels_are_supervised_or_not() {
    let mut world = World::with(NodeConfig {
        echo: Echo {
            interval_ms: 0,
            ..Echo::default()
        },
        ..config()
    });
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(7, "10.10.3.101"));
    world.pass(2_000);
    assert_eq!(world.node.path_statuses().len(), 0);
    world.reconfigure(config());
    world.pass(2_000);
    assert_eq!(world.node.path_statuses().len(), 1);
    world.reconfigure(NodeConfig {
        echo: Echo {
            interval_ms: 0,
            ..Echo::default()
        },
        ..config()
    });
    world.pass(2_000);
    assert_eq!(world.node.path_statuses().len(), 0);
}

#[test]
fn the_bounds_of_a_session_count_for_the_next_request() {
    let mut world = World::with(config());
    world.associate();
    world.establish(&open5gs(9));
    let mut limits = config().limits;
    limits.pdrs_per_session = 1;
    world.reconfigure(NodeConfig { limits, ..config() });
    let refused = world.ask(Some(0), &open5gs(10));
    assert_eq!(cause(&refused), Some(Cause::NO_RESOURCES_AVAILABLE.get()));
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn the_rate_of_a_peer_counts_from_its_next_message() {
    let mut world = World::with(config());
    world.associate();
    let mut limits = config().limits;
    limits.messages_per_second_per_peer = 1;
    world.reconfigure(NodeConfig { limits, ..config() });
    let answered = (0..5_u32).filter(|n| {
        let octets = encode(Some(0), 700 + n, &open5gs(20));
        !world.octets(smf(), &octets).is_empty()
    });
    assert_eq!(answered.count(), 1);
}

#[test]
fn associations_are_begun_with_the_smfs_that_are_new() {
    let asked = |world: &World| {
        let sent = world.sent.iter();
        let setups = sent.filter(|(_, octets)| octets[1] == 5);
        setups.map(|(to, _)| to.ip()).collect::<Vec<_>>()
    };
    let to = |address: &str| std::net::SocketAddr::new(ip(address), 8805);
    let with = |smf| NodeConfig { smf, ..config() };
    let mut world = World::with(with(vec![to("10.10.4.20")]));
    world.input(Input::Operator(Operator::Start));
    assert_eq!(asked(&world), [ip("10.10.4.20")]);
    // It has not answered: the place is the other's from now on.
    world.sent.clear();
    world.reconfigure(with(vec![to("10.10.4.21")]));
    assert_eq!(asked(&world), [ip("10.10.4.21")]);
    world.sent.clear();
    world.pass(120_000);
    assert!(asked(&world).iter().all(|at| *at == ip("10.10.4.21")));
    // The same ones are not asked anew.
    world.sent.clear();
    world.reconfigure(with(vec![to("10.10.4.21")]));
    assert_eq!(asked(&world), [""; 0].map(ip));
}
