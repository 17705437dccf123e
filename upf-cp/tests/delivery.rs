//! How messages travel: together, by priority, under load, from several ports, behind a NAT.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::net::SocketAddr;

use pfcp::{
    Cause, CpFunctionFeatures, Header, LoadControlInformation, Message, OverloadControlInformation,
    Priority, ReportingTriggers, SessionDeletionRequest,
};
use session::Epoch;
use support::*;
use upf_cp::{Input, Limit, NodeConfig, Output};

fn with_features(config: NodeConfig, features: CpFunctionFeatures) -> World {
    let mut world = World::with(config);
    let mut request = association();
    request.cp_function_features = Some(features);
    world.ask(None, &request);
    world
}

/// Requests of one session each, in one datagram.
fn bundle(requests: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = vec![];
    for (n, request) in requests.iter().enumerate() {
        let start = octets.len();
        octets.extend(request);
        if n + 1 < requests.len() {
            octets[start] |= 4;
        }
    }
    octets
}

type Sent = (SocketAddr, Vec<u8>, Option<Epoch>);

fn send(world: &mut World, from: SocketAddr, octets: &[u8]) -> Vec<Sent> {
    let input = Input::Datagram {
        from,
        octets: octets.to_vec(),
    };
    outputs(world, input)
}

fn outputs(world: &mut World, input: Input) -> Vec<Sent> {
    let outputs = world.node.handle(world.now, input).into_iter();
    let sent = outputs.filter_map(|output| match output {
        Output::Send { to, octets, after } => Some((to, octets.to_vec(), after)),
        Output::Worker { .. } => None,
    });
    sent.collect()
}

fn causes(datagram: &[u8]) -> Vec<(u32, Cause)> {
    let cause = |message: Message| match message {
        Message::SessionEstablishmentResponse(answer) => answer.cause,
        Message::SessionDeletionResponse(answer) => answer.cause,
        other => panic!("{other}"),
    };
    pfcp::messages(datagram)
        .map(|message| message.unwrap())
        .map(|message| (message.header.sequence.get(), cause(message.message)))
        .collect()
}

fn establishments(count: u8) -> Vec<Vec<u8>> {
    let request = |n| encode(Some(0), 100 + u32::from(n), &open5gs(n));
    (1..=count).map(request).collect()
}

// ===== bundling =====

#[test]
fn a_bundle_is_answered_by_a_bundle_and_each_request_can_be_repeated_alone() {
    let mut world = with_features(NodeConfig::new(ip(UPF)), CpFunctionFeatures::BUNDL);
    let requests = establishments(3);
    let sent = send(&mut world, smf(), &bundle(&requests));
    assert_eq!(sent.len(), 1);
    let (to, octets, after) = &sent[0];
    assert_eq!(*to, smf());
    let accepted = |n| (n, Cause::REQUEST_ACCEPTED);
    assert_eq!(
        causes(octets),
        [accepted(101), accepted(102), accepted(103)]
    );
    // It leaves when the last of the three is in force.
    assert!(after.is_some());
    assert_eq!(world.node.session_count(), 3);
    // The second comes again, alone and then in other company: no new session.
    let again = send(&mut world, smf(), &requests[1]);
    assert_eq!(causes(&again[0].1), [accepted(102)]);
    let delete = encode(Some(77), 200, &SessionDeletionRequest::default());
    let again = send(&mut world, smf(), &bundle(&[requests[1].clone(), delete]));
    let both: Vec<_> = again.iter().flat_map(|sent| causes(&sent.1)).collect();
    assert!(both.contains(&accepted(102)));
    assert!(both.contains(&(200, Cause::SESSION_CONTEXT_NOT_FOUND)));
    assert_eq!(
        (world.node.session_count(), world.node.counters().duplicates),
        (3, 2)
    );
}

#[test]
fn who_did_not_announce_bundles_gets_none() {
    for (features, octets, datagrams) in [
        (CpFunctionFeatures::empty(), 1_400, 3),
        (CpFunctionFeatures::BUNDL, 0, 3),
        // Two answers fit.
        (CpFunctionFeatures::BUNDL, 300, 2),
    ] {
        let mut config = NodeConfig::new(ip(UPF));
        config.bundle_octets = octets;
        let mut world = with_features(config, features);
        let sent = send(&mut world, smf(), &bundle(&establishments(3)));
        assert_eq!(sent.len(), datagrams, "{features:?} {octets}");
        assert!(octets == 0 || sent.iter().all(|sent| sent.1.len() <= octets));
        let answered: usize = sent.iter().map(|sent| causes(&sent.1).len()).sum();
        assert_eq!(answered, 3);
    }
}

#[test]
fn reports_that_are_due_together_go_together() {
    let mut world = with_features(NodeConfig::new(ip(UPF)), CpFunctionFeatures::BUNDL);
    for n in [9, 10] {
        let mut request = open5gs(n);
        request.create_urrs = vec![pfcp::CreateUrr {
            measurement_period: Some(pfcp::MeasurementPeriod(5)),
            ..urr(1, ReportingTriggers::PERIO)
        }];
        world.establish(&request);
    }
    world.now.elapsed_ms += 5_000;
    let sent = outputs(&mut world, Input::Tick);
    assert_eq!(sent.len(), 1);
    let reports: Vec<_> = pfcp::messages(&sent[0].1)
        .map(|message| message.unwrap().header)
        .collect();
    assert_eq!(reports.len(), 2);
    assert_ne!(reports[0].sequence, reports[1].sequence);
    // Retransmitted one by one, or together: either way both, with the same numbers.
    world.now.elapsed_ms += 3_000;
    let again = outputs(&mut world, Input::Tick);
    assert_eq!(again, sent);
}

#[test]
fn a_bundle_counts_as_so_many_messages() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = 3;
    let mut world = with_features(config, CpFunctionFeatures::BUNDL);
    send(&mut world, smf(), &bundle(&establishments(5)));
    assert_eq!(world.node.session_count(), 3);
    assert_eq!(world.node.counters().dropped(upf_cp::Dropped::PeerRate), 1);
}

/// What is behind the last message that a datagram may bundle is counted, and once.
#[test]
fn a_bundle_without_end_is_cut_and_counted() {
    for (more, dropped) in [(0, 0), (1, 1), (9, 1)] {
        let mut config = NodeConfig::new(ip(UPF));
        config.limits.messages_per_second_per_peer = 1_000;
        let mut world = with_features(config, CpFunctionFeatures::BUNDL);
        let delete = encode(Some(77), 200, &SessionDeletionRequest::default());
        let requests = vec![delete; pfcp::BUNDLE_MAX + more];
        send(&mut world, smf(), &bundle(&requests));
        let counters = world.node.counters();
        assert_eq!(counters.received(54), 64, "{more}");
        let cut = counters.dropped(upf_cp::Dropped::BundleTooLong);
        assert_eq!(cut, dropped, "{more}");
    }
}

// ===== repeated requests =====

#[test]
fn a_request_from_another_port_is_another_request() {
    let mut world = World::associated();
    let request = encode(Some(0), 7, &open5gs(9));
    let other = SocketAddr::new(ip(SMF), 40_000);
    let first = send(&mut world, smf(), &request);
    let second = send(&mut world, other, &request);
    assert_eq!((first[0].0, second[0].0), (smf(), other));
    assert_ne!(first[0].1, second[0].1);
    // Each port gets its own answer again.
    assert_eq!(send(&mut world, other, &request)[0].1, second[0].1);
    assert_eq!(send(&mut world, smf(), &request)[0].1, first[0].1);
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn answers_are_kept_within_octets() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.held_answer_octets_per_peer = 500;
    let mut world = World::with(config);
    world.associate();
    for n in 1..=30 {
        world.establish(&open5gs(n));
    }
    let kept = world.node.transactions().1;
    let length = world.sent.last().unwrap().1.len();
    assert_eq!(kept, 500 / length);
}

// ===== priority, load and overload =====

fn with_priority(n: u8, priority: Option<u8>) -> Vec<u8> {
    let header = Header {
        priority: priority.and_then(Priority::new),
        ..Header::session(0, 1_000 + u32::from(n))
    };
    let mut octets = vec![];
    pfcp::encode(&header, &open5gs(n), &mut octets).unwrap();
    octets
}

#[test]
fn an_answer_has_the_priority_of_its_request() {
    let mut world = World::associated();
    let answer = world.octets(smf(), &with_priority(9, Some(3))).remove(0);
    assert_eq!(answer.header.priority, Priority::new(3));
    let answer = world.octets(smf(), &with_priority(10, None)).remove(0);
    assert_eq!(answer.header.priority, None);
}

/// The lower its priority, the sooner a request is shed; deletions never are.
#[test]
fn requests_beyond_the_rate_are_shed_by_priority() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second = 64;
    let mut world = World::with(config);
    world.associate();
    let seid = world.establish(&open5gs(100)).0;
    let mut accepted = [0; 3];
    for n in 0..60 {
        let kind = usize::from(n % 3);
        let priority = [Some(0), Some(12), None][kind];
        let answer = world
            .octets(smf(), &with_priority(n + 1, priority))
            .remove(0);
        let Message::SessionEstablishmentResponse(answer) = answer.message else {
            panic!()
        };
        match answer.cause {
            Cause::REQUEST_ACCEPTED => accepted[kind] += 1,
            cause => assert_eq!(cause, Cause::ENTITY_IN_CONGESTION),
        }
    }
    // Half of the burst for all, then for those with priority alone.
    assert_eq!(accepted, [20, 12, 10]);
    assert_eq!(world.node.counters().messages_shed, 18);
    assert_eq!(world.node.counters().cause(74), 18);
    assert_eq!(world.delete(seid).cause, Cause::REQUEST_ACCEPTED);
    // A second later there is time again.
    world.pass(1_000);
    world.establish(&open5gs(101));
}

type Told = (
    Option<LoadControlInformation>,
    Option<OverloadControlInformation>,
);

fn told(world: &mut World, n: u8) -> Told {
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &open5gs(n)) else {
        panic!()
    };
    (
        answer.load_control_information,
        answer.overload_control_information,
    )
}

fn loaded(features: CpFunctionFeatures) -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.sessions = 20;
    config.limits.messages_per_second = 1_000;
    with_features(config, features)
}

#[test]
fn the_load_is_told_once_for_each_change_of_five_points() {
    let mut world = loaded(CpFunctionFeatures::LOAD);
    let first = told(&mut world, 1).0.expect("the load as it is");
    assert_eq!(first.metric.0, 0);
    world.pass(1_000);
    // One session of 20: 5 %.
    let second = told(&mut world, 2).0.unwrap();
    assert_eq!(second.metric.0, 5);
    assert_eq!(second.sequence_number.0, first.sequence_number.0 + 1);
    assert_eq!(told(&mut world, 3), (None, None), "told already");
    world.pass(1_000);
    assert_eq!(told(&mut world, 4).0.unwrap().metric.0, 15);
    // A node message later, without a change of the load: nothing.
    let seid = world.node.session_statuses()[0].seid.0;
    world.delete(seid);
    world.pass(1_000);
    assert_eq!(told(&mut world, 5), (None, None));
    // Reports carry it as well as answers.
    world.pass(1_000);
    world.establish(&open5gs(6));
    world.establish(&open5gs(7));
    world.pass(1_000);
    let index = world.node.sessions().next().unwrap().0;
    world.report(upf_cp::WorkerReport::DownlinkData {
        session: index.0,
        pdr: 1,
        far: 1,
        qfi: None,
        tos: 0,
    });
    let Message::SessionReportRequest(report) = &world.requests.last().unwrap().message else {
        panic!()
    };
    assert_eq!(
        report.load_control_information.as_ref().unwrap().metric.0,
        30
    );
}

#[test]
fn an_overload_is_told_and_taken_back() {
    let mut world = loaded(CpFunctionFeatures::OVRL);
    assert_eq!(told(&mut world, 1), (None, None), "none to tell of");
    let beat = encode(None, 5, &pfcp::HeartbeatRequest::default());
    for _ in 0..2_000 {
        world.octets(smf(), &beat);
    }
    world.pass(1_000);
    let overload = told(&mut world, 2).1.expect("an overload");
    assert_eq!(overload.reduction_metric.0, 50);
    assert_eq!(overload.period_of_validity.0.seconds(), Some(30));
    assert_eq!(overload.flags, Some(pfcp::OciFlags::AOCI));
    assert_eq!(told(&mut world, 3), (None, None));
    world.pass(1_000);
    let over = told(&mut world, 4).1.expect("the end of it");
    assert_eq!(over.reduction_metric.0, 0);
    assert_eq!(over.sequence_number.0, overload.sequence_number.0 + 1);
}

#[test]
fn load_is_told_to_who_asked_for_it() {
    let mut world = loaded(CpFunctionFeatures::empty());
    assert_eq!(told(&mut world, 1), (None, None));
    world.pass(1_000);
    assert_eq!(told(&mut world, 2), (None, None));
}

// ===== bounds =====

#[test]
fn every_bound_has_a_count() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.sessions = 1;
    config.limits.peers = 1;
    config.limits.fars_per_session = 3;
    let mut world = World::with(config);
    world.associate();
    world.establish(&open5gs(9));
    let cause = |message: Message| match message {
        Message::SessionEstablishmentResponse(answer) => answer.cause,
        Message::AssociationSetupResponse(answer) => answer.cause,
        other => panic!("{other}"),
    };
    let mut other = association();
    other.node_id = pfcp::NodeId::fqdn("smf.example.net").unwrap();
    let mut many = open5gs(9);
    many.create_fars.push(far(9, pfcp::ApplyAction::DROP, None));
    let answers = [
        (Limit::Peers, world.ask(None, &other)),
        (Limit::Sessions, world.ask(Some(0), &open5gs(10))),
        (Limit::Rules, world.ask(Some(0), &many)),
    ];
    for (limit, answer) in answers {
        assert_eq!(cause(answer), Cause::NO_RESOURCES_AVAILABLE);
        assert_eq!(world.node.counters().limit(limit), 1, "{limit}");
    }
}

#[test]
fn reports_are_not_sent_to_whom_may_not_be_a_peer() {
    let mut config = NodeConfig::new(ip(UPF));
    config.allow = vec!["10.10.4.0/24".parse().unwrap()];
    let mut world = World::with(config);
    world.associate();
    let mut request = open5gs(9);
    request.cp_f_seid = pfcp::FSeid::new(1, ip("192.0.2.1"));
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::MANDATORY_IE_INCORRECT);
    assert_eq!(answer.offending_ie, Some(pfcp::OffendingIe(57)));
}

// ===== behind a NAT =====

#[test]
fn a_node_behind_a_nat_says_where_it_is() {
    for (advertise, says) in [(UPF, None), ("192.0.2.7", Some(UPF))] {
        let mut config = NodeConfig::new(ip(UPF));
        config.advertise = ip(advertise);
        let mut world = World::with(config);
        world.associate();
        world.pass(10_000);
        let Message::HeartbeatRequest(beat) = &world.requests[0].message else {
            panic!()
        };
        let source = beat.source_ip_address.as_ref();
        let says = says.map(|address| address.parse().unwrap());
        assert_eq!(source.and_then(|source| source.ipv4), says);
    }
}

/// Two SMFs come from one address: each restarts for itself.
#[test]
fn peers_behind_one_address_are_told_apart() {
    let mut world = World::default();
    let nat = SocketAddr::new(ip("10.10.4.1"), 8805);
    let names = ["10.20.0.1", "10.20.0.2"];
    for (n, name) in names.iter().enumerate() {
        let mut request = association();
        request.node_id = ip(name).into();
        world.ask_from(nat, None, &request);
        let mut session = open5gs(9 + u8::try_from(n).unwrap());
        session.node_id = request.node_id.clone();
        session.cp_f_seid = pfcp::FSeid::new(5, ip(name));
        world.ask_from(nat, Some(0), &session);
    }
    assert_eq!(world.node.session_count(), 2);
    let beat = |name: &str, stamp| pfcp::HeartbeatRequest {
        recovery_time_stamp: pfcp::RecoveryTimeStamp(stamp),
        source_ip_address: Some(pfcp::SourceIpAddress {
            ipv4: Some(name.parse().unwrap()),
            ..Default::default()
        }),
        ..Default::default()
    };
    for _ in 0..4 {
        world.ask_from(nat, None, &beat(names[0], 100));
        world.ask_from(nat, None, &beat(names[1], 200));
        world.pass(4_000);
    }
    assert_eq!(world.node.counters().peer_restarts, 0);
    world.ask_from(nat, None, &beat(names[1], 300));
    assert_eq!(world.node.counters().peer_restarts, 1);
    let left = world.node.peer_statuses();
    assert_eq!((left.len(), &left[0].node_id), (1, &ip(names[0]).into()));
}
