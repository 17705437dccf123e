//! Sets of sessions: deleted together, and taken over by another SMF.
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
    AlternativeSmfIpAddress, Cause, CpIpAddress, CsidNode, FSeid, FqCsid, GroupId, Message, NodeId,
    SessionChangeInfo, SessionEstablishmentRequest, SessionModificationRequest,
    SessionReportRequest, SessionReportResponse, SessionSetDeletionRequest,
    SessionSetModificationRequest,
};
use support::*;
use upf_cp::{NodeConfig, WorkerReport};

const OTHER: &str = "10.10.4.3";

fn other() -> SocketAddr {
    SocketAddr::new(ip(OTHER), 8805)
}

fn csid(csids: &[u16]) -> FqCsid {
    FqCsid {
        node: CsidNode::Ipv4(SMF.parse().unwrap()),
        csids: pfcp::Several::new(csids.to_vec()).unwrap(),
        node_type: pfcp::Bits::new(2),
    }
}

fn in_set(n: u8, csids: &[u16]) -> SessionEstablishmentRequest {
    let mut request = open5gs(n);
    request.fq_csids = vec![csid(csids)];
    request
}

/// The SMF, and another one that has a session of its own, in a set of the same name.
fn two_smfs() -> World {
    let mut world = World::associated();
    let mut second = association();
    second.node_id = ip(OTHER).into();
    world.ask_from(other(), None, &second);
    let mut theirs = in_set(99, &[7]);
    theirs.node_id = ip(OTHER).into();
    theirs.cp_f_seid = FSeid::new(0x999, ip(OTHER));
    world.ask_from(other(), Some(0), &theirs);
    assert_eq!(world.node.session_count(), 1);
    world
}

fn cause_of(message: &Message) -> (Cause, Option<u16>) {
    match message {
        Message::SessionSetDeletionResponse(answer) => {
            (answer.cause, answer.offending_ie.map(|ie| ie.0))
        }
        Message::SessionSetModificationResponse(answer) => {
            (answer.cause, answer.offending_ie.map(|ie| ie.0))
        }
        other => panic!("{other}"),
    }
}

fn delete_sets(csids: &[u16]) -> SessionSetDeletionRequest {
    SessionSetDeletionRequest {
        node_id: ip(SMF).into(),
        fq_csids: vec![csid(csids)],
        ..Default::default()
    }
}

// ===== bounds, and who waits for whom =====

/// So many sessions of the SMF, each in the set.
fn many_in_set(count: u32, csid: u16) -> World {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    let mut world = World::seeded(config, topology(), 1, count + 8);
    world.associate();
    for n in 0..count {
        let mut request = in_set(1, &[csid]);
        request.cp_f_seid.seid = u64::from(n) + 1;
        let address = std::net::Ipv4Addr::from(0x0a2d_0100 + n);
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(address, true)];
        world.establish(&request);
    }
    world
}

/// Sends a request that is not answered at once.
fn begin(world: &mut World, from: SocketAddr, sequence: u32, request: &impl pfcp::Encode) {
    let answers = world.octets(from, &encode(None, sequence, request));
    assert!(answers.is_empty(), "{answers:?}");
}

fn tick_until_answer(world: &mut World) -> Message {
    loop {
        if let Some(answer) = world.input(upf_cp::Input::Tick).pop() {
            return answer.message;
        }
    }
}

#[test]
fn a_set_up_is_answered_when_all_that_was_before_has_ended() {
    let mut world = many_in_set(2_000, 7);
    begin(&mut world, smf(), 70_000, &delete_sets(&[7]));
    assert!(world.node.session_count() > 0);
    begin(&mut world, smf(), 70_001, &association());
    let answer = tick_until_answer(&mut world);
    assert!(
        matches!(answer, Message::AssociationSetupResponse(_)),
        "{answer}"
    );
    assert_eq!(world.node.session_count(), 0);
    assert!(world.input(upf_cp::Input::Tick).is_empty());
}

#[test]
fn another_smf_does_not_wait_for_what_one_has_much_of() {
    let mut world = many_in_set(3_000, 7);
    let mut theirs = association();
    theirs.node_id = ip(OTHER).into();
    world.ask_from(other(), None, &theirs);
    begin(&mut world, smf(), 70_000, &delete_sets(&[7]));
    let mut request = delete_sets(&[7]);
    request.node_id = ip(OTHER).into();
    let answer = world.ask_from(other(), None, &request);
    assert_eq!(cause_of(&answer.message), (Cause::REQUEST_ACCEPTED, None));
    assert!(world.node.session_count() > 1_000);
}

#[test]
fn one_smf_may_have_so_much_done_at_once() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.long_requests_per_peer = 2;
    config.limits.messages_per_second_per_peer = u32::MAX;
    let mut world = World::seeded(config, topology(), 1, 1_000);
    world.associate();
    for n in 0..1_000_u32 {
        let mut request = in_set(1, &[7]);
        request.cp_f_seid.seid = u64::from(n) + 1;
        let address = std::net::Ipv4Addr::from(0x0a2d_0100 + n);
        request.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(address, true)];
        world.establish(&request);
    }
    begin(&mut world, smf(), 70_000, &delete_sets(&[7]));
    begin(&mut world, smf(), 70_001, &delete_sets(&[8]));
    // What comes again is not more of it.
    begin(&mut world, smf(), 70_001, &delete_sets(&[8]));
    let refused = world.octets(smf(), &encode(None, 70_002, &delete_sets(&[9])));
    let expected = (Cause::ENTITY_IN_CONGESTION, None);
    assert_eq!(cause_of(&refused[0].message), expected);
    let refused = world.octets(smf(), &encode(None, 70_003, &association()));
    let Message::AssociationSetupResponse(answer) = &refused[0].message else {
        panic!("{refused:?}")
    };
    assert_eq!(answer.cause, Cause::ENTITY_IN_CONGESTION);
    assert_eq!(world.node.counters().long_requests_refused, 2);
    for _ in 0..2 {
        let answer = tick_until_answer(&mut world);
        assert_eq!(cause_of(&answer), (Cause::REQUEST_ACCEPTED, None));
    }
    let answer = world.ask(None, &delete_sets(&[9]));
    assert_eq!(cause_of(&answer), (Cause::REQUEST_ACCEPTED, None));
}

/// The same sets over and over are no more work than once, and too many are refused.
#[test]
fn a_request_names_so_many_sets() {
    let mut world = many_in_set(600, 7);
    let mut request = delete_sets(&[7]);
    request.fq_csids = vec![csid(&[7; 15]); 1_600];
    begin(&mut world, smf(), 70_000, &request);
    let answer = tick_until_answer(&mut world);
    assert_eq!(cause_of(&answer), (Cause::REQUEST_ACCEPTED, None));
    assert_eq!(world.node.session_count(), 0);
    let sets: Vec<u16> = (0..257).collect();
    request.fq_csids = sets.chunks(15).map(csid).collect();
    let answer = world.ask(None, &request);
    let expected = (Cause::NO_RESOURCES_AVAILABLE, Some(65));
    assert_eq!(cause_of(&answer), expected);
    let change = SessionChangeInfo {
        pgw_c_smf_fq_csids: request.fq_csids,
        alternative_smf_pgw_c_ip_address: AlternativeSmfIpAddress {
            ipv4: Some(OTHER.parse().unwrap()),
            ..Default::default()
        },
        ..Default::default()
    };
    let request = SessionSetModificationRequest {
        node_id: ip(SMF).into(),
        session_change_infos: [change].into(),
        ..Default::default()
    };
    let answer = world.ask(None, &request);
    assert_eq!(cause_of(&answer).0, Cause::NO_RESOURCES_AVAILABLE);
}

// ===== deletion =====

#[test]
fn a_set_is_deleted_and_nothing_else() {
    let mut world = two_smfs();
    let _seven = world.establish(&in_set(1, &[7])).0;
    let eight = world.establish(&in_set(2, &[8])).0;
    let nine = world.establish(&in_set(3, &[9])).0;
    let none = world.establish(&open5gs(4)).0;
    // One changes its set, another one leaves all.
    let to = |fq_csids: pfcp::Update<pfcp::NonEmpty<FqCsid>>| SessionModificationRequest {
        fq_csids,
        ..Default::default()
    };
    world.modify(nine, &to(pfcp::Update::Set([csid(&[8])].into())));
    world.modify(eight, &to(pfcp::Update::Remove));
    let answer = world.ask(None, &delete_sets(&[7, 8]));
    assert_eq!(cause_of(&answer), (Cause::REQUEST_ACCEPTED, None));
    // What is left: the one without a set, the one that left, and that of the other SMF.
    let left: Vec<u64> = world
        .node
        .sessions()
        .map(|(_, rules)| rules.seid.0)
        .collect();
    assert_eq!(left.len(), 3);
    assert!(left.contains(&eight) && left.contains(&none));
    // Again: nothing is left of it, and that is no mistake.
    let answer = world.ask(None, &delete_sets(&[7, 8]));
    assert_eq!(cause_of(&answer), (Cause::REQUEST_ACCEPTED, None));
    assert_eq!(world.node.session_count(), 3);
}

#[test]
fn a_set_deletion_that_is_wrong_changes_nothing() {
    let mut world = two_smfs();
    world.establish(&in_set(1, &[7]));
    let mut nothing = delete_sets(&[]);
    nothing.fq_csids.clear();
    assert_eq!(
        cause_of(&world.ask(None, &nothing)),
        (Cause::CONDITIONAL_IE_MISSING, Some(65))
    );
    // In the name of the SMF, from elsewhere.
    let forged = world.ask_from(other(), None, &delete_sets(&[7])).message;
    assert_eq!(cause_of(&forged).0, Cause::NO_ESTABLISHED_ASSOCIATION);
    assert_eq!(world.node.session_count(), 2);
}

// ===== another SMF takes over =====

fn move_to(address: &str, change: SessionChangeInfo) -> SessionSetModificationRequest {
    SessionSetModificationRequest {
        node_id: ip(SMF).into(),
        session_change_infos: [SessionChangeInfo {
            alternative_smf_pgw_c_ip_address: AlternativeSmfIpAddress {
                ipv4: Some(address.parse().unwrap()),
                ..Default::default()
            },
            ..change
        }]
        .into(),
        ..Default::default()
    }
}

fn report(world: &mut World, seid: u64) -> (SocketAddr, u64, SessionReportRequest) {
    let mut sessions = world.node.sessions();
    let index = sessions.find(|(_, rules)| rules.seid.0 == seid).unwrap().0;
    drop(sessions);
    world.requests.clear();
    world.report(WorkerReport::DownlinkData {
        session: index.0,
        pdr: 1,
        far: 1,
        qfi: None,
        tos: 0,
    });
    last_report(world)
}

fn last_report(world: &World) -> (SocketAddr, u64, SessionReportRequest) {
    let request = world.requests.last().expect("a report");
    let Message::SessionReportRequest(report) = &request.message else {
        panic!("{request}")
    };
    let to = world.sent.last().unwrap().0;
    (to, request.header.seid.unwrap(), report.clone())
}

fn answer_from(world: &mut World, from: SocketAddr, answer: &SessionReportResponse) {
    let sequence = world.requests.last().unwrap().header.sequence.get();
    let octets = encode(Some(1), sequence, answer);
    assert!(world.octets(from, &octets).is_empty());
}

fn owner(world: &World, seid: u64) -> Option<NodeId> {
    let sessions = world.node.session_statuses();
    let session = sessions.into_iter().find(|session| session.seid.0 == seid);
    session?.peer
}

#[test]
fn sessions_of_a_set_go_over_to_another_smf() {
    let by_csid = SessionChangeInfo {
        pgw_c_smf_fq_csids: vec![csid(&[7])],
        ..Default::default()
    };
    let by_group = SessionChangeInfo {
        group_ids: vec![GroupId(b"group".as_slice().into())],
        ..Default::default()
    };
    let by_address = SessionChangeInfo {
        cp_ip_addresses: vec![CpIpAddress {
            ipv4: Some("10.10.4.5".parse().unwrap()),
            ..Default::default()
        }],
        ..Default::default()
    };
    for change in [by_csid, by_group, by_address] {
        let mut world = two_smfs();
        let mut request = in_set(1, &[7]);
        request.group_id = Some(GroupId(b"group".as_slice().into()));
        request.cp_f_seid = FSeid::new(0x101, ip("10.10.4.5"));
        let moved = world.establish(&request).0;
        let stays = world.establish(&open5gs(2)).0;
        let answer = world.ask(None, &move_to(OTHER, change));
        assert_eq!(cause_of(&answer), (Cause::REQUEST_ACCEPTED, None));

        // Its reports go to the other one, with the F-SEID that the session had.
        let (to, seid, first) = report(&mut world, moved);
        assert_eq!((to, seid), (other(), 0));
        assert_eq!(
            first.old_cp_f_seid,
            Some(FSeid::new(0x101, ip("10.10.4.5")))
        );
        let (to, seid, _) = report(&mut world, stays);
        assert_eq!((to, seid), (smf(), 0x102));
        assert_eq!(owner(&world, moved), Some(ip(OTHER).into()));
        // The SMF that gave it away cannot touch it any more.
        assert_eq!(world.delete(moved).cause, Cause::SESSION_CONTEXT_NOT_FOUND);

        // The other one says how it calls the session: from then on as usual.
        report(&mut world, moved);
        answer_from(
            &mut world,
            other(),
            &SessionReportResponse {
                cause: Cause::REQUEST_ACCEPTED,
                cp_f_seid: Some(FSeid::new(0x777, ip(OTHER))),
                ..Default::default()
            },
        );
        let (to, seid, later) = report(&mut world, moved);
        assert_eq!((to, seid, later.old_cp_f_seid), (other(), 0x777, None));
        let answer = world.ask_from(other(), Some(moved), &activate(1, "10.10.3.101"));
        assert_eq!(answer.header.seid, Some(0x777));
        let Message::SessionModificationResponse(answer) = answer.message else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
        // The first SMF begins anew: what it gave away stays.
        world.associate();
        assert_eq!(world.node.session_count(), 2);
        assert!(owner(&world, stays).is_none());
    }
}

#[test]
fn the_new_smf_may_say_how_it_calls_a_session_by_modifying_it() {
    let mut world = two_smfs();
    let moved = world.establish(&in_set(1, &[7])).0;
    let change = SessionChangeInfo {
        pgw_c_smf_fq_csids: vec![csid(&[7])],
        ..Default::default()
    };
    world.ask(None, &move_to(OTHER, change));
    let mut request = idle();
    request.cp_f_seid = Some(FSeid::new(0x777, ip(OTHER)));
    world.ask_from(other(), Some(moved), &request);
    let (to, seid, report) = report(&mut world, moved);
    assert_eq!((to, seid, report.old_cp_f_seid), (other(), 0x777, None));
}

#[test]
fn a_set_modification_that_is_wrong_changes_nothing() {
    let mut config = NodeConfig::new(ip(UPF));
    config.allow = vec!["10.10.4.0/24".parse().unwrap()];
    let mut world = World::with(config);
    world.associate();
    let seid = world.establish(&in_set(1, &[7])).0;
    let change = || SessionChangeInfo {
        pgw_c_smf_fq_csids: vec![csid(&[7])],
        ..Default::default()
    };
    let mut second_is_bad = move_to(OTHER, change());
    second_is_bad
        .session_change_infos
        .extend(move_to("192.0.2.1", change()).session_change_infos);
    let mut too_many = move_to(OTHER, change());
    let one = too_many.session_change_infos[0].clone();
    too_many
        .session_change_infos
        .extend(std::iter::repeat_n(one, 32));
    let cases = [
        (
            move_to(OTHER, SessionChangeInfo::default()),
            (Cause::CONDITIONAL_IE_MISSING, Some(65)),
        ),
        (second_is_bad, (Cause::MANDATORY_IE_INCORRECT, Some(178))),
        (too_many, (Cause::NO_RESOURCES_AVAILABLE, Some(290))),
    ];
    for (request, expected) in cases {
        assert_eq!(cause_of(&world.ask(None, &request)), expected);
        assert_eq!(report(&mut world, seid).1, 0x101);
    }
}

/// "Cause 78: go where it says", once.
#[test]
fn a_report_is_redirected() {
    let redirection = |to: &str| SessionReportResponse {
        cause: Cause::REDIRECTION_REQUESTED,
        alternative_smf_ip_addresses: vec![AlternativeSmfIpAddress {
            ipv4: Some(to.parse().unwrap()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut world = two_smfs();
    let seid = world.establish(&open5gs(1)).0;
    let (_, _, first) = report(&mut world, seid);
    answer_from(&mut world, smf(), &redirection(OTHER));
    let (to, header, again) = last_report(&world);
    assert_eq!((to, header), (other(), 0));
    assert_eq!(again.old_cp_f_seid, Some(FSeid::new(0x101, ip(SMF))));
    assert_eq!(again.downlink_data_report, first.downlink_data_report);
    // Back to the first: no circles.
    let requests = world.requests.len();
    answer_from(&mut world, other(), &redirection(SMF));
    assert_eq!(world.requests.len(), requests);
    assert_eq!(world.node.transactions().0, 0);
}
