//! GTP-U paths: who is asked, what failure and recovery are told to whom, and how long echoes take.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::net::IpAddr;

use pfcp::{Cause, Message, NodeReportRequest, NodeReportResponse, NodeReportType};
use session::report::Command;
use session::{InterfaceId, WorkerId};
use support::*;
use upf_cp::{Echo, NodeConfig, PathStatus, WorkerReport};

const GNB: &str = "10.10.3.101";

fn config() -> NodeConfig {
    let mut config = NodeConfig::new(ip(UPF));
    config.heartbeat_interval_ms = 0;
    config.echo = Echo {
        interval_ms: 60_000,
        t3_ms: 3_000,
        n3: 3,
    };
    config
}

/// A world with an activated session of UE 9, and its SEID.
fn world() -> (World, u64) {
    let mut world = World::with(config());
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(7, GNB));
    world.commands.clear();
    (world, seid)
}

/// The sequence numbers of the Echo Requests to a peer, taken.
fn asked(world: &mut World, peer: &str) -> Vec<u16> {
    let mut numbers = vec![];
    world.commands.retain(|(worker, command)| match command {
        Command::Echo {
            peer: to, sequence, ..
        } if *to == ip(peer) => {
            assert_eq!(*worker, WorkerId(0));
            numbers.push(*sequence);
            false
        }
        _ => true,
    });
    numbers
}

fn answer(world: &mut World, peer: &str, sequence: u16, (sent, came): (u64, u64)) {
    let peer = ip(peer);
    world.report(WorkerReport::EchoSent {
        peer,
        sequence,
        at: sent,
    });
    world.report(WorkerReport::EchoAnswered {
        peer,
        sequence,
        at: came,
    });
}

fn status(world: &World, peer: &str) -> Option<PathStatus> {
    let paths = world.node.path_statuses();
    paths.into_iter().find(|path| path.peer == ip(peer))
}

/// The node report that was sent last, and is not answered yet.
fn node_report(world: &World) -> Option<NodeReportRequest> {
    let last = world.requests.last()?;
    let Message::NodeReportRequest(report) = &last.message else {
        panic!("{last:?}")
    };
    let failed = report.user_plane_path_failure_report.iter();
    let back = report.user_plane_path_recovery_report.iter();
    let mut peers: Vec<_> = failed
        .flat_map(|report| &report.remote_gtp_u_peers)
        .collect();
    peers.extend(back.flat_map(|report| &report.remote_gtp_u_peers));
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].ipv4.map(IpAddr::V4), Some(ip(GNB)));
    Some(report.clone())
}

#[test]
fn a_peer_is_asked_while_a_tunnel_leads_to_it() {
    let (mut world, seid) = world();
    world.pass(1_000);
    let hop = world
        .commands
        .iter()
        .find_map(|(_, command)| match command {
            Command::Echo {
                peer,
                source,
                next_hop,
                ..
            } if *peer == ip(GNB) => Some((*source, world.neighbours.hop(*next_hop).unwrap())),
            _ => None,
        })
        .unwrap();
    assert_eq!(hop.0, ip(N3));
    assert_eq!((hop.1.interface, hop.1.address), (InterfaceId(0), ip(GNB)));
    let first = asked(&mut world, GNB);
    assert_eq!(first.len(), 1);
    // Answered: the next one is due after the interval, under another number.
    answer(&mut world, GNB, first[0], (10_000_000, 10_350_000));
    world.pass(59_000);
    assert!(asked(&mut world, GNB).is_empty());
    world.pass(1_000);
    let second = asked(&mut world, GNB);
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    answer(&mut world, GNB, second[0], (0, 1_000_000));
    let path = status(&world, GNB).unwrap();
    let times = path.round_trip;
    assert_eq!((path.failed, path.lost, times.count), (false, 0, 2));
    // 350 and 1000 µs, to two digits.
    assert!((345..=350).contains(&times.min_us), "{times:?}");
    assert!((1000..=1008).contains(&times.max_us), "{times:?}");
    assert!((1000..=1008).contains(&times.p99_us), "{times:?}");
    assert!((670.0..=680.0).contains(&times.mean_us), "{times:?}");
    // The session ends, and with it the supervision.
    world.delete(seid);
    world.pass(300_000);
    assert!(asked(&mut world, GNB).is_empty());
    assert_eq!(world.node.path_statuses(), []);
    assert_eq!(world.node.counters().paths_failed, 0);
}

#[test]
fn failure_and_recovery_are_told_once_each() {
    let (mut world, _) = world();
    world.pass(1_000);
    world.pass(6_500);
    let requests = asked(&mut world, GNB);
    assert_eq!(requests.len(), 3, "N3 requests, T3 apart");
    assert!(requests.iter().all(|number| *number == requests[0]));
    assert_eq!(node_report(&world), None, "T3 of the last is not over");
    world.pass(3_000);
    let report = node_report(&world).unwrap();
    assert_eq!(report.node_report_type, NodeReportType::UPFR);
    assert_eq!(report.node_id, ip(UPF).into());
    assert!(status(&world, GNB).unwrap().failed);
    // Sent again until it is answered, as all requests.
    let reports = |world: &World| {
        let sent = world.sent.iter().filter(|(_, octets)| octets[1] == 12);
        sent.count()
    };
    let before = reports(&world);
    world.pass(3_000);
    assert!(reports(&world) > before);
    // An answer that comes too late is none, and failure is not told again.
    let accepted = NodeReportResponse {
        node_id: ip(SMF).into(),
        cause: Cause::REQUEST_ACCEPTED,
        ..Default::default()
    };
    world.reply(&accepted, None);
    world.requests.clear();
    answer(&mut world, GNB, requests[0], (0, 1));
    assert!(status(&world, GNB).unwrap().failed);
    assert_eq!(world.node.counters().reports_stale, 1);
    world.pass(70_000);
    assert_eq!(asked(&mut world, GNB).len(), 3);
    assert_eq!(node_report(&world), None);
    world.pass(60_000);
    let number = asked(&mut world, GNB)[0];
    answer(&mut world, GNB, number, (0, 5_000));
    let report = node_report(&world).unwrap();
    assert_eq!(report.node_report_type, NodeReportType::UPRR);
    assert!(!status(&world, GNB).unwrap().failed);
    let counters = world.node.counters();
    assert_eq!((counters.paths_failed, counters.paths_recovered), (1, 1));
}

#[test]
fn an_answer_to_a_repeated_request_says_nothing_of_the_time() {
    let (mut world, _) = world();
    world.pass(1_000);
    world.pass(3_000);
    let requests = asked(&mut world, GNB);
    assert_eq!(requests.len(), 2);
    answer(&mut world, GNB, requests[0], (0, 5_000));
    let path = status(&world, GNB).unwrap();
    assert_eq!(
        (path.failed, path.lost, path.round_trip.count),
        (false, 1, 0)
    );
}

#[test]
fn answers_of_others_and_under_other_numbers_do_not_count() {
    let (mut world, _) = world();
    world.pass(1_000);
    let number = asked(&mut world, GNB)[0];
    answer(&mut world, "10.10.3.66", number, (0, 1));
    answer(&mut world, GNB, number.wrapping_add(1), (0, 1));
    assert_eq!(status(&world, GNB).unwrap().round_trip.count, 0);
    assert_eq!(world.node.counters().reports_stale, 2);
    world.pass(9_000);
    assert!(status(&world, GNB).unwrap().failed);
}

#[test]
fn a_node_report_that_is_refused_is_counted_and_not_sent_again() {
    let (mut world, _) = world();
    world.pass(12_000);
    node_report(&world).unwrap();
    let waiting = world.node.transactions().0;
    let refused = NodeReportResponse {
        node_id: ip(SMF).into(),
        cause: Cause::SERVICE_NOT_SUPPORTED,
        ..Default::default()
    };
    world.reply(&refused, None);
    assert_eq!(world.node.transactions().0, waiting - 1);
    assert_eq!(world.node.counters().node_reports_refused, 1);
}

#[test]
fn supervision_has_a_bound_and_a_switch() {
    let mut few = config();
    few.limits.gtpu_peers = 2;
    let mut world = World::with(few);
    world.associate();
    for n in 1..=4 {
        let (seid, _) = world.establish(&open5gs(n));
        world.modify(seid, &activate(7, &format!("10.10.3.{}", 100 + n)));
    }
    world.pass(1_000);
    assert_eq!(world.node.path_statuses().len(), 2);
    assert_eq!(world.node.counters().paths_unsupervised, 2);

    let mut off = config();
    off.echo.interval_ms = 0;
    let mut world = World::with(off);
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(7, GNB));
    world.pass(100_000);
    assert!(asked(&mut world, GNB).is_empty());
    assert_eq!(world.node.path_statuses(), []);
}

#[test]
fn only_those_who_send_there_are_told() {
    let (mut world, _) = world();
    // Another SMF, without sessions.
    let other = std::net::SocketAddr::new(ip("10.10.4.3"), 8805);
    let request = pfcp::AssociationSetupRequest {
        node_id: ip("10.10.4.3").into(),
        ..association()
    };
    world.ask_from(other, None, &request);
    world.pass(15_000);
    let told: Vec<_> = world
        .sent
        .iter()
        .filter(|(_, octets)| octets[1] == 12)
        .collect();
    assert!(!told.is_empty());
    assert!(told.iter().all(|(to, _)| *to == smf()), "{told:?}");
}
