//! Associations: who may have one, how it begins, how it ends, and what is told before.
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
    AssociationReleaseIndication, AssociationSetupResponse, AssociationUpdateRequest,
    AssociationUpdateResponse, Cause, CpFunctionFeatures, Message, NodeId, PfcpAuReqFlags,
    PfcpSrReqFlags, RecoveryTimeStamp, ReportType, ReportingTriggers, SessionReportRequest,
    SessionReportResponse, UsageReportTrigger,
};
use session::rule::Direction;
use session::usage::Moment;
use support::*;
use upf_cp::{Input, Move, NodeConfig, Operator};

fn cause_of(message: &Message) -> Cause {
    match message {
        Message::AssociationSetupResponse(answer) => answer.cause,
        Message::AssociationUpdateResponse(answer) => answer.cause,
        Message::AssociationReleaseResponse(answer) => answer.cause,
        other => panic!("{other}"),
    }
}

fn set_up(stamp: u32) -> AssociationSetupResponse {
    AssociationSetupResponse {
        node_id: ip(SMF).into(),
        cause: Cause::REQUEST_ACCEPTED,
        recovery_time_stamp: Some(RecoveryTimeStamp(stamp)),
        ..Default::default()
    }
}

fn configured_smf() -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.smf = vec![smf()];
    let mut world = World::with(config);
    world.input(Input::Operator(Operator::Start));
    world
}

fn setups(world: &World) -> usize {
    let setups = world.sent.iter().filter(|(_, octets)| octets[1] == 5);
    setups.count()
}

// ===== set-up =====

#[test]
fn attempts_to_associate_grow_rarer() {
    let mut world = configured_smf();
    let mut at = vec![];
    let mut before = 0;
    for second in 0..400 {
        if setups(&world) > before {
            before = setups(&world);
            at.push(second);
        }
        world.pass(1_000);
    }
    // Three transmissions, 3 s apart, 9 s until given up; then 10, 20, 40, 60, 60 s of pause.
    let begun: Vec<i32> = at.chunks(3).map(|attempt| attempt[0]).collect();
    let pauses: Vec<i32> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..5], [19, 29, 49, 69, 69]);
}

/// free5GC and SD-Core answer under number 1 and take no notice: they associate themselves.
#[test]
fn an_answer_under_number_one_ends_the_asking_and_no_more() {
    let mut world = configured_smf();
    assert_eq!(setups(&world), 1);
    assert_ne!(world.requests[0].header.sequence, 1);
    world.octets(smf(), &encode(None, 1, &set_up(1)));
    assert!(world.node.peer_statuses().is_empty());
    world.pass(9_000);
    assert_eq!(setups(&world), 1, "no retransmission");
    // It comes by itself, and we do not ask again.
    world.associate();
    world.pass(60_000);
    assert_eq!(setups(&world), 1);
}

#[test]
fn an_smf_that_refuses_is_asked_later() {
    let mut world = configured_smf();
    let refusal = AssociationSetupResponse {
        cause: Cause::NO_RESOURCES_AVAILABLE,
        ..set_up(1)
    };
    world.reply(&refusal, None);
    assert!(world.node.peer_statuses().is_empty());
    world.pass(10_000);
    assert_eq!(setups(&world), 2);
    world.reply(&set_up(1), None);
    assert_eq!(world.node.peer_statuses().len(), 1);
}

#[test]
fn an_smf_that_may_not_associate_does_not_get_in_by_its_answer() {
    let mut config = NodeConfig::new(ip(UPF));
    config.smf = vec![smf()];
    config.allow_nodes = vec![NodeId::fqdn("smf.example.net").unwrap()];
    let mut world = World::with(config);
    world.input(Input::Operator(Operator::Start));
    world.reply(&set_up(1), None);
    assert!(world.node.peer_statuses().is_empty());
}

// ===== who may =====

#[test]
fn only_listed_node_ids_associate() {
    let mut config = NodeConfig::new(ip(UPF));
    config.allow_nodes = vec![ip(SMF).into()];
    let mut world = World::with(config);
    let mut other = association();
    other.node_id = NodeId::fqdn("smf.example.net").unwrap();
    assert_eq!(cause_of(&world.ask(None, &other)), Cause::REQUEST_REJECTED);
    world.associate();
}

/// An SMF that names itself by a domain name, at its own address and at another.
fn named_smf(moves: Move) -> (World, SocketAddr, pfcp::AssociationSetupRequest) {
    let mut config = NodeConfig::new(ip(UPF));
    config.moves = moves;
    let mut world = World::with(config);
    let mut request = association();
    request.node_id = NodeId::fqdn("smf.example.net").unwrap();
    world.ask(None, &request);
    let mut session = open5gs(9);
    session.node_id = request.node_id.clone();
    world.establish(&session);
    (world, "10.10.4.66:8805".parse().unwrap(), request)
}

#[test]
fn a_node_id_is_bound_to_its_address() {
    for (moves, silent, may) in [
        (Move::Never, false, false),
        (Move::Never, true, false),
        (Move::WhenSilent, false, false),
        (Move::WhenSilent, true, true),
        (Move::Always, false, true),
    ] {
        let (mut world, elsewhere, request) = named_smf(moves);
        if silent {
            world.pass(30_000);
        }
        let answer = world.ask_from(elsewhere, None, &request).message;
        assert_eq!(
            cause_of(&answer) == Cause::REQUEST_ACCEPTED,
            may,
            "{moves:?}"
        );
        assert_eq!(world.node.session_count(), usize::from(!may));
        assert_eq!(world.node.counters().takeovers_refused, u64::from(!may));
        let at = world.node.peer_statuses()[0].address;
        assert_eq!(at == elsewhere.ip(), may);
    }
}

/// Somebody was quicker, under the name of another's address: its owner gets it back.
#[test]
fn an_address_is_the_node_id_of_who_sends_from_it() {
    let mut config = NodeConfig::new(ip(UPF));
    config.moves = Move::Never;
    let mut world = World::with(config);
    let thief = "10.10.4.66:8805".parse().unwrap();
    world.ask_from(thief, None, &association());
    world.associate();
    assert_eq!(world.node.peer_statuses()[0].address, ip(SMF));
    let answer = world.ask_from(thief, None, &association()).message;
    assert_eq!(cause_of(&answer), Cause::REQUEST_REJECTED);
}

// ===== silence =====

#[test]
fn sessions_of_a_silent_smf_end_when_the_operator_says_so() {
    let mut config = NodeConfig::new(ip(UPF));
    config.delete_silent_after_ms = 60_000;
    let mut world = World::with(config);
    world.associate();
    world.establish(&open5gs(9));
    // Silent from 19 s on (10 s, and three times T1); heard of at 70 s.
    world.pass(70_000);
    assert_eq!(world.node.session_count(), 1);
    let beat = pfcp::HeartbeatRequest::default();
    world.ask(None, &beat);
    assert!(world.node.peer_statuses()[0].reachable);
    world.pass(60_000);
    assert_eq!(world.node.session_count(), 1);
    world.pass(20_000);
    assert_eq!(world.node.session_count(), 0);
    assert!(world.node.peer_statuses().is_empty());
    assert_eq!(world.node.counters().peers_given_up, 1);
}

// ===== release =====

fn accept_update(world: &mut World) {
    let answer = AssociationUpdateResponse {
        node_id: ip(SMF).into(),
        cause: Cause::REQUEST_ACCEPTED,
        ..Default::default()
    };
    world.reply(&answer, None);
}

fn next_update(world: &World) -> AssociationUpdateRequest {
    match &world.requests.first().expect("a request").message {
        Message::AssociationUpdateRequest(update) => update.clone(),
        other => panic!("{other}"),
    }
}

fn next_report(world: &World) -> SessionReportRequest {
    match &world.requests.first().expect("a request").message {
        Message::SessionReportRequest(report) => report.clone(),
        other => panic!("{other}"),
    }
}

fn acknowledge(world: &mut World) {
    let answer = SessionReportResponse {
        cause: Cause::REQUEST_ACCEPTED,
        ..Default::default()
    };
    world.reply(&answer, Some(1));
}

fn release() -> pfcp::AssociationReleaseRequest {
    pfcp::AssociationReleaseRequest {
        node_id: ip(SMF).into(),
        ..Default::default()
    }
}

/// An SMF with EPFAR, a session that used something and one that used nothing.
fn used() -> World {
    used_with(NodeConfig::new(ip(UPF)))
}

fn used_with(config: NodeConfig) -> World {
    let mut world = World::with(config);
    let mut request = association();
    request.cp_function_features = Some(CpFunctionFeatures::EPFAR);
    world.ask(None, &request);
    for n in [9, 10] {
        let mut session = open5gs(n);
        session.create_urrs = vec![urr(1, ReportingTriggers::VOLTH)];
        world.establish(&session);
    }
    let (index, rules) = world.node.sessions().next().unwrap();
    assert_eq!(rules.ue.ipv4, Some(ue(9)));
    let snapshot = world.readers[0].snapshot();
    let plan = snapshot.session(index).unwrap();
    let usage = plan.steps().find_map(session::plan::Step::usage);
    let usage = usage.unwrap();
    usage.count(Direction::Downlink, 1_000, Moment(0));
    world
}

#[test]
fn what_sessions_used_is_reported_before_a_release() {
    let mut world = used();
    world.input(Input::Operator(Operator::Release(ip(SMF).into())));
    let ask = next_update(&world);
    assert_eq!(
        ask.association_release,
        Some(AssociationReleaseIndication::SARR)
    );
    assert_eq!(ask.flags, Some(PfcpAuReqFlags::PARPS));
    assert_eq!(ask.graceful_release_period.unwrap().0.seconds(), Some(10));
    accept_update(&mut world);
    check_last_reports(&mut world);
    let answer = world.ask(None, &release());
    assert_eq!(cause_of(&answer), Cause::REQUEST_ACCEPTED);
    assert!(world.node.peer_statuses().is_empty());
}

/// Also where no time is to be lost with releases that the UPF itself wants.
#[test]
fn the_smf_may_ask_for_last_reports_too() {
    for release_grace_ms in [10_000, 0] {
        check_that_the_smf_may_ask(NodeConfig {
            release_grace_ms,
            ..NodeConfig::new(ip(UPF))
        });
    }
}

fn check_that_the_smf_may_ask(config: NodeConfig) {
    let mut world = used_with(config);
    let update = AssociationUpdateRequest {
        node_id: ip(SMF).into(),
        flags: Some(PfcpAuReqFlags::PARPS),
        ..Default::default()
    };
    assert_eq!(cause_of(&world.ask(None, &update)), Cause::REQUEST_ACCEPTED);
    check_last_reports(&mut world);
    // It never releases: the association ends all the same.
    world.pass(11_000);
    assert!(world.node.peer_statuses().is_empty());
}

/// One report for each session, with PSDBU; when both are acknowledged, URSS.
fn check_last_reports(world: &mut World) {
    assert_eq!((world.node.session_count(), world.requests.len()), (0, 2));
    let (mut with_usage, mut without) = (0, 0);
    for _ in 0..2 {
        let report = next_report(world);
        assert_eq!(report.flags, Some(PfcpSrReqFlags::PSDBU));
        match report.usage_reports.as_slice() {
            [] => {
                assert_eq!(report.report_type, ReportType::UISR);
                without += 1;
            }
            [usage] => {
                assert_eq!(report.report_type, ReportType::USAR);
                assert_eq!(usage.usage_report_trigger, UsageReportTrigger::TEBUR);
                let volume = usage.volume_measurement.as_ref().unwrap();
                assert_eq!(volume.downlink, Some(1_000));
                with_usage += 1;
            }
            more => panic!("{more:?}"),
        }
        acknowledge(world);
    }
    assert_eq!((with_usage, without), (1, 1));
    let done = next_update(world);
    assert_eq!(
        done.association_release,
        Some(AssociationReleaseIndication::URSS)
    );
    accept_update(world);
    assert_eq!(world.node.peer_statuses().len(), 1);
}

#[test]
fn last_reports_are_refused_to_whom_did_not_announce_them() {
    let mut world = World::associated();
    let update = AssociationUpdateRequest {
        node_id: ip(SMF).into(),
        flags: Some(PfcpAuReqFlags::PARPS),
        cp_function_features: Some(CpFunctionFeatures::LOAD),
        ..Default::default()
    };
    let answer = world.ask(None, &update);
    assert_eq!(cause_of(&answer), Cause::SERVICE_NOT_SUPPORTED);
    let features = world.node.peer_statuses()[0].features;
    assert_eq!(features, CpFunctionFeatures::empty(), "nothing has changed");
}

/// Open5GS answers no update.
#[test]
fn an_smf_that_does_not_answer_is_let_go() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    world.input(Input::Operator(Operator::Release(ip(SMF).into())));
    let ask = next_update(&world);
    assert_eq!((ask.flags, world.node.session_count()), (None, 1));
    world.pass(8_900);
    assert_eq!(world.node.session_count(), 1);
    world.pass(200);
    assert_eq!(world.node.session_count(), 0);
    assert!(world.node.peer_statuses().is_empty());
}

#[test]
fn the_node_ends_when_last_reports_are_out() {
    let mut world = used();
    let mut plain = association();
    plain.node_id = NodeId::fqdn("smf2.example.net").unwrap();
    let from = "10.10.4.3:8805".parse().unwrap();
    world.ask_from(from, None, &plain);
    world.input(Input::Operator(Operator::Shutdown));
    // The one that cannot take reports is let go at once; nobody comes in any more.
    assert_eq!(world.node.peer_statuses().len(), 1);
    assert_eq!(
        cause_of(&world.ask_from(from, None, &plain).message),
        Cause::REQUEST_REJECTED
    );
    assert!(!world.node.is_ended());
    accept_update(&mut world);
    check_last_reports(&mut world);
    world.ask(None, &release());
    assert!(world.node.is_ended());

    let mut silent = used();
    silent.input(Input::Operator(Operator::Shutdown));
    silent.pass(10_100);
    assert!(silent.node.is_ended());
    assert_eq!(silent.node.session_count(), 0);
}

// ===== many sessions =====

/// UEs that are more than one call may end.
fn many(count: u32) -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    let mut world = World::seeded(config, topology(), 1, count);
    world.associate();
    for n in 0..count {
        let mut request = open5gs(1);
        request.cp_f_seid.seid = u64::from(n) + 1;
        let address = std::net::Ipv4Addr::from(0x0a2d_0000 + n);
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(address, true)];
        world.establish(&request);
    }
    world
}

#[test]
fn a_large_association_ends_in_slices_and_heartbeats_are_answered_meanwhile() {
    let mut world = many(2_000);
    let octets = encode(None, 77_777, &release());
    assert!(world.octets(smf(), &octets).is_empty(), "not yet");
    let mut ticks = 0;
    let answer = loop {
        let left = world.node.session_count();
        assert!(left > 0);
        // Due at once, although no time passes.
        assert_eq!(world.node.deadline_ms(), Some(world.now.elapsed_ms));
        let beat = world.ask(None, &pfcp::HeartbeatRequest::default());
        assert!(matches!(beat, Message::HeartbeatResponse(_)));
        // The release again, while it is under way, is not answered twice.
        assert!(world.octets(smf(), &octets).is_empty());
        // Its sessions are not to be touched any more.
        let answers = world.input(Input::Tick);
        assert!(left - world.node.session_count() <= 512);
        ticks += 1;
        if let Some(answer) = answers.into_iter().next() {
            break answer;
        }
    };
    assert_eq!((ticks, world.node.session_count()), (3, 0));
    assert_eq!(answer.header.sequence, 77_777);
    assert_eq!(cause_of(&answer.message), Cause::REQUEST_ACCEPTED);
    assert_eq!(world.node.publisher().sessions(), 0);
    assert_eq!(world.octets(smf(), &octets), [answer]);
}

#[test]
fn a_large_association_leaves_others_sessions_alone() {
    let mut world = many(1_200);
    let seids: Vec<u64> = world
        .node
        .sessions()
        .map(|(_, rules)| rules.seid.0)
        .collect();
    for seid in seids.into_iter().step_by(100) {
        world.delete(seid);
    }
    // In the midst of those of the first.
    let other = SocketAddr::new(ip("10.10.4.3"), 8805);
    let mut set_up = association();
    set_up.node_id = other.ip().into();
    world.ask_from(other, None, &set_up);
    for n in 0..12 {
        let mut request = open5gs(1);
        request.node_id = other.ip().into();
        request.cp_f_seid = pfcp::FSeid::new(n + 1, ip("10.10.4.3"));
        let address = std::net::Ipv4Addr::from(0x0a2d_8000 + u32::try_from(n).unwrap());
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(address, true)];
        world.ask_from(other, Some(0), &request);
    }
    assert_eq!(world.node.session_count(), 1_200);
    world.octets(smf(), &encode(None, 77_777, &release()));
    while world.node.deadline_ms() == Some(world.now.elapsed_ms) {
        world.input(Input::Tick);
    }
    assert_eq!(world.node.session_count(), 12);
    assert_eq!(world.node.publisher().sessions(), 12);
}

#[test]
fn a_new_beginning_is_answered_when_the_old_one_has_ended() {
    let mut world = many(2_000);
    let (first, second) = (association(), {
        let mut again = association();
        again.recovery_time_stamp = RecoveryTimeStamp(3_800_000_500);
        again
    });
    assert!(
        world
            .octets(smf(), &encode(None, 90_001, &first))
            .is_empty()
    );
    world.input(Input::Tick);
    // The SMF restarts once more meanwhile: only its last set-up is answered.
    assert!(
        world
            .octets(smf(), &encode(None, 90_002, &second))
            .is_empty()
    );
    let mut answers = vec![];
    while world.node.deadline_ms() == Some(world.now.elapsed_ms) {
        answers.extend(world.input(Input::Tick));
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].header.sequence, 90_002);
    assert_eq!(world.node.session_count(), 0);
    assert_eq!(world.node.peer_statuses().len(), 1);
    world.establish(&open5gs(9));
}

#[test]
fn sessions_that_are_kept_go_over_in_slices_too() {
    let mut world = many(1_500);
    let mut again = association();
    again.session_retention_information = Some(pfcp::SessionRetentionInformation::default());
    assert!(
        world
            .octets(smf(), &encode(None, 90_001, &again))
            .is_empty()
    );
    let mut answers = vec![];
    while world.node.deadline_ms() == Some(world.now.elapsed_ms) {
        answers.extend(world.input(Input::Tick));
    }
    let Message::AssociationSetupResponse(answer) = &answers[0].message else {
        panic!()
    };
    assert_eq!(answer.flags, Some(pfcp::PfcpAsRspFlags::PSREI));
    assert_eq!(world.node.session_count(), 1_500);
    assert_eq!(world.node.peer_statuses()[0].sessions, 1_500);
}

// ===== room for others =====

#[test]
fn the_peer_that_is_silent_for_longest_makes_room() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.peers = 2;
    config.heartbeat_interval_ms = 0;
    let mut world = World::with(config.clone());
    let at = |n: u8| SocketAddr::from(([10, 10, 4, n], 8805));
    let set_up = |world: &mut World, n: u8| {
        let mut request = association();
        request.node_id = at(n).ip().into();
        cause_of(&world.ask_from(at(n), None, &request).message)
    };
    assert_eq!(set_up(&mut world, 2), Cause::REQUEST_ACCEPTED);
    assert_eq!(set_up(&mut world, 3), Cause::REQUEST_ACCEPTED);
    world.establish(&open5gs(9));
    assert_eq!(set_up(&mut world, 4), Cause::NO_RESOURCES_AVAILABLE);

    // Both fall silent, the first one first.
    config.heartbeat_interval_ms = 10_000;
    let mut world = World::with(config);
    set_up(&mut world, 2);
    world.establish(&open5gs(9));
    world.pass(5_000);
    set_up(&mut world, 3);
    world.pass(60_000);
    assert_eq!(set_up(&mut world, 4), Cause::REQUEST_ACCEPTED);
    assert_eq!(world.node.counters().peers_given_up, 1);
    let left: Vec<_> = world
        .node
        .peer_statuses()
        .iter()
        .map(|it| it.address)
        .collect();
    assert!(!left.contains(&at(2).ip()), "{left:?}");
    assert_eq!((left.len(), world.node.session_count()), (2, 0));
}
