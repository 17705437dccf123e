//! Peers that ask for too much, and strangers that would have others pay: all is bounded, refused with
//! its cause, and counted.

use std::net::SocketAddr;

use pfcp::{Cause, FailedRuleId, FlowDescription, Message, SdfFilter};
use upf_cp::NodeConfig;

use crate::support::*;
use crate::*;

fn establishment_answer(answer: &Message) -> &pfcp::SessionEstablishmentResponse {
    let Message::SessionEstablishmentResponse(answer) = answer else {
        panic!("{answer}")
    };
    answer
}

/// An establishment with so many rules of a kind more.
fn with_more(rules: u32, push: impl Fn(&mut pfcp::SessionEstablishmentRequest, u32)) -> Message {
    let mut request = open5gs(9);
    (0..rules).for_each(|n| push(&mut request, 1_000 + n));
    request.into()
}

#[test]
fn thousands_of_rules_are_refused_before_anything_is_done_about_them() {
    let mut world = World::associated();
    let before = world.snapshot();
    let many = [
        with_more(600, |request, n| {
            let id = u16::try_from(n).unwrap();
            request.create_pdrs.push(pdr(id, 9, 1, uplink_pdi()));
        }),
        with_more(1_000, |request, n| {
            request
                .create_fars
                .push(far(n, pfcp::ApplyAction::DROP, None));
        }),
        with_more(1_000, |request, n| request.create_qers.push(qer(n))),
        with_more(1_000, |request, n| {
            request
                .create_urrs
                .push(urr(n, pfcp::ReportingTriggers::VOLTH));
        }),
    ];
    for (request, counted) in many.iter().zip(1..) {
        let Message::SessionEstablishmentRequest(request) = request else {
            panic!()
        };
        let answer = world.ask(Some(0), request);
        let answer = establishment_answer(&answer);
        assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
        assert_eq!(world.node.counters().limit(upf_cp::Limit::Rules), counted);
    }
    assert_eq!(world.snapshot(), before);
}

#[test]
fn a_pdi_with_more_filters_than_are_matched_is_refused_and_leaves_nothing() {
    let mut world = World::associated();
    let before = world.snapshot();
    let mut request = open5gs(9);
    let filter = |port: u32| {
        let text = format!("permit out 17 from 192.0.2.0/24 {port} to assigned");
        SdfFilter::new(pfcp::SdfConditions {
            flow_description: FlowDescription::new(&*text),
            ..Default::default()
        })
        .unwrap()
    };
    request.create_pdrs[1].pdi.sdf_filters = (1..=800).map(filter).collect();
    let pdr = request.create_pdrs[1].pdr_id;
    let answer = world.ask(Some(0), &request);
    let answer = establishment_answer(&answer);
    assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
    assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(pdr)));
    assert_eq!(world.snapshot(), before);
}

#[test]
fn teids_that_run_out_are_refused_and_come_back() {
    // So few tunnels that one session takes most of them.
    let mut world = World::seeded(NodeConfig::new(ip(UPF)), topology(), 1, 2);
    world.associate();
    let greedy = |n: u8| {
        let mut request = open5gs(n);
        for id in 0..40 {
            request.create_pdrs.push(pdr(100 + id, 9, 1, uplink_pdi()));
        }
        request
    };
    let mut held = vec![];
    let refused = loop {
        let n = u8::try_from(held.len() + 1).unwrap();
        let answer = world.ask(Some(0), &greedy(n));
        let answer = establishment_answer(&answer).clone();
        match answer.up_f_seid {
            Some(f_seid) => held.push(f_seid.seid),
            None => break answer,
        }
        assert!(held.len() < 4, "there is no end of TEIDs");
    };
    assert_eq!(refused.cause, Cause::NO_RESOURCES_AVAILABLE);
    for seid in held {
        world.ask(Some(seid), &pfcp::SessionDeletionRequest::default());
    }
    world.pass(2_000);
    world.establish(&open5gs(9));
}

#[test]
fn a_peer_that_associates_again_and_again_is_one_peer() {
    let mut world = World::associated();
    for round in 0..300 {
        world.establish(&open5gs(9));
        let mut request = association();
        request.recovery_time_stamp = pfcp::RecoveryTimeStamp(1_000 + round % 3);
        let answer = world.ask(None, &request);
        assert_eq!(cause(&answer), Some(1));
        assert_eq!(world.node.peer_statuses().len(), 1);
        assert_eq!(world.node.session_count(), 0);
        let (outgoing, held) = world.node.transactions();
        assert!(outgoing <= 2 && held <= 2, "{outgoing} {held}");
    }
}

#[test]
fn an_old_number_with_new_octets_is_a_new_request_and_a_copy_is_not() {
    let mut world = World::associated();
    let request = |n: u8| encode(Some(0), 77, &open5gs(n));
    let seid_of = |answers: &[Decoded]| {
        establishment_answer(&answers[0].message)
            .up_f_seid
            .as_ref()
            .unwrap()
            .seid
    };
    let first = seid_of(&world.octets(smf(), &request(1)));
    let second = seid_of(&world.octets(smf(), &request(2)));
    assert_ne!(first, second);
    // Copies, in any order, have the answers that they had; nothing is established twice.
    for (n, seid) in [(2, second), (1, first), (1, first), (2, second)] {
        assert_eq!(seid_of(&world.octets(smf(), &request(n))), seid);
    }
    assert_eq!(world.node.session_count(), 2);
    assert_eq!(world.node.counters().duplicates, 4);
    // The number alone makes no copy of another message.
    let deletion = encode(Some(first), 77, &pfcp::SessionDeletionRequest::default());
    let gone = world.octets(smf(), &deletion);
    assert_eq!(cause_of(&gone[0]).0, 1);
    assert_eq!(world.node.session_count(), 1);
}

/// Node messages and session messages, as short as they may be.
fn short_requests(seid: u64) -> Vec<Vec<u8>> {
    let stamp = ie(96, &[1, 2, 3, 4]);
    vec![
        node(1, 1, std::slice::from_ref(&stamp)),
        node(3, 1, &[]),
        node(5, 1, &[node_id(), stamp]),
        node(7, 1, &[node_id()]),
        node(9, 1, &[node_id()]),
        node(14, 1, &[node_id()]),
        node(16, 1, &[node_id()]),
        session(EST, 0, 1, &[]),
        session(MOD, seid, 1, &[]),
        session(54, seid, 1, &[]),
        vec![0x40, 5, 0, 4, 0, 0, 1, 0],
    ]
}

#[test]
fn strangers_cannot_have_others_flooded() {
    let mut config = NodeConfig::new(ip(UPF));
    config.allow = vec!["10.10.4.2/32".parse().unwrap()];
    // Much to tell an SMF of.
    config.ue_pools = (0..60)
        .map(|n| upf_cp::UePool {
            network: "internet".to_owned(),
            vrf: session::InterfaceId(2),
            ranges: vec![format!("10.45.{n}.0/24").parse().unwrap()],
            identity: Some(format!("a-pool-with-a-long-name-{n}")),
            slices: vec![],
        })
        .collect();
    let mut world = World::with(config);
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    let stranger: SocketAddr = "10.10.4.66:8805".parse().unwrap();
    for request in short_requests(seid) {
        world.sent.clear();
        world.octets(stranger, &request);
        let answered: usize = world.sent.iter().map(|(_, octets)| octets.len()).sum();
        assert!(world.sent.iter().all(|(to, _)| *to == stranger));
        assert!(
            answered <= 2 * request.len() + 8,
            "{} octets for {}: {request:02x?}",
            answered,
            request.len()
        );
    }
    // Nor is anything said to them later.
    world.sent.clear();
    world.pass(60_000);
    assert!(world.sent.iter().all(|(to, _)| *to != stranger));
}

#[test]
fn who_names_anothers_address_gives_nothing_to_it_and_takes_nothing_from_it() {
    let mut world = World::associated();
    let other: SocketAddr = "10.10.4.3:8805".parse().unwrap();
    let mut theirs = association();
    theirs.node_id = other.ip().into();
    assert_eq!(cause_of(&world.ask_from(other, None, &theirs)).0, 1);
    // An F-SEID at the other's address.
    let mut request = open5gs(9);
    request.cp_f_seid = pfcp::FSeid::new(0x109, other.ip());
    let (seid, _) = world.establish(&request);
    for request in [
        encode(Some(seid), 500, &activate(0x0101, "10.10.3.101")),
        encode(Some(seid), 501, &pfcp::SessionDeletionRequest::default()),
    ] {
        let answers = world.octets(other, &request);
        let not_found = Cause::SESSION_CONTEXT_NOT_FOUND.get();
        assert_eq!(cause_of(&answers[0]).0, not_found);
    }
    assert_eq!(world.node.session_count(), 1);
    let gone = world.ask(Some(seid), &pfcp::SessionDeletionRequest::default());
    assert_eq!(cause(&gone), Some(1));
}

#[test]
fn an_address_that_was_learnt_is_its_owners_once_it_associates() {
    let mut world = World::associated();
    let other: SocketAddr = "10.10.4.3:8805".parse().unwrap();
    let mut request = open5gs(9);
    request.cp_f_seid = pfcp::FSeid::new(0x109, other.ip());
    let (seid, _) = world.establish(&request);
    // Nobody else's yet: the SMF may speak from there.
    let answers = world.octets(other, &encode(Some(seid), 500, &activate(1, "10.10.3.101")));
    assert_eq!(cause_of(&answers[0]).0, 1);
    let mut theirs = association();
    theirs.node_id = other.ip().into();
    assert_eq!(cause_of(&world.ask_from(other, None, &theirs)).0, 1);
    let deletion = encode(Some(seid), 501, &pfcp::SessionDeletionRequest::default());
    let answers = world.octets(other, &deletion);
    let not_found = Cause::SESSION_CONTEXT_NOT_FOUND.get();
    assert_eq!(cause_of(&answers[0]).0, not_found);
    assert_eq!(world.node.session_count(), 1);
}
