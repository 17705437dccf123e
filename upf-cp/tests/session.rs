//! Session establishment, modification and deletion, as a conversation with the node.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use pfcp::{ApplyAction, Cause, FTeid, Message, SessionModificationRequest};
use session::report::Command;
use session::rule::Action;
use support::*;
use upf_cp::NodeConfig;

#[test]
fn open5gs_establishes_activates_idles_and_releases() {
    let mut world = World::associated();
    let (seid, answer) = world.establish(&open5gs(9));
    // Node ID, UP F-SEID, and an F-TEID of N3 for each CHOOSE.
    assert_eq!(answer.node_id, ip(UPF).into());
    assert_eq!(answer.up_f_seid.unwrap().addresses, ip(UPF).into());
    let teids: Vec<_> = answer
        .created_pdrs
        .iter()
        .map(|created| match created.local_f_teids.as_slice() {
            [FTeid::Given { teid, addresses }] if *addresses == ip(N3).into() => {
                (created.pdr_id.0, *teid)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        teids.iter().map(|(pdr, _)| *pdr).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    // CHOOSE ID 5 is one F-TEID, the one without an id another.
    assert_eq!(teids[0].1, teids[2].1);
    assert_ne!(teids[0].1, teids[1].1);

    let answer = world.modify(seid, &activate(0x0101, "10.10.3.101"));
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
    let index = world.node.sessions().next().unwrap().0;
    assert!(
        world
            .commands
            .iter()
            .any(|(_, c)| *c == Command::Release { session: index })
    );
    let rules = world.rules(seid);
    let far = rules.fars.iter().find(|far| far.id.0 == 1).unwrap();
    assert_eq!(far.action, Action::Forward);
    assert!(
        far.forwarding
            .unwrap()
            .outer_header_creation
            .unwrap()
            .next_hop
            .is_some()
    );

    assert_eq!(world.modify(seid, &idle()).cause, Cause::REQUEST_ACCEPTED);
    let rules = world.rules(seid);
    let far = rules.fars.iter().find(|far| far.id.0 == 1).unwrap();
    assert_eq!(far.action, Action::Buffer { notify: true });
    // "Forwarding parameters may stay in the FAR while it buffers."
    assert!(far.forwarding.unwrap().outer_header_creation.is_some());

    let answer = world.delete(seid);
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(answer.usage_reports.len(), 1);
    assert_eq!(
        answer.usage_reports[0].usage_report_trigger,
        pfcp::UsageReportTrigger::TERMR
    );
    assert_eq!(world.delete(seid).cause, Cause::SESSION_CONTEXT_NOT_FOUND);
    assert_eq!(
        (
            world.node.session_count(),
            world.node.publisher().sessions()
        ),
        (0, 0)
    );
}

#[test]
fn a_refused_modification_changes_nothing() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    let before = world.rules(seid);
    let mut request = modification(pfcp::UpdateFar {
        far_id: 1.into(),
        apply_action: Some(ApplyAction::DROP),
        ..Default::default()
    });
    request.remove_pdrs = vec![pfcp::RemovePdr {
        pdr_id: 1.into(),
        ..Default::default()
    }];
    request.update_pdrs = vec![pfcp::UpdatePdr {
        pdr_id: 777.into(),
        ..Default::default()
    }];
    let answer = world.modify(seid, &request);
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(
        answer.failed_rule_id,
        Some(pfcp::FailedRuleId::Pdr(777.into()))
    );
    assert_eq!(world.rules(seid), before);
}

#[test]
fn a_handover_sends_an_end_marker_into_the_old_tunnel() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    world.commands.clear();
    let mut request = activate(0x0202, "10.10.3.102");
    let to = request.update_fars[0]
        .update_forwarding_parameters
        .as_mut()
        .unwrap();
    to.flags = Some(pfcp::PfcpSmReqFlags::SNDEM);
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
    let [(_, Command::EndMarker { tunnel, next_hop })] = world.commands.as_slice() else {
        panic!("{:?}", world.commands)
    };
    assert_eq!(
        tunnel.peer(),
        Some((session::Teid(0x0101), ip("10.10.3.101")))
    );
    assert_eq!(
        world.neighbours.hop(*next_hop).unwrap().address,
        ip("10.10.3.101")
    );
    // The same tunnel again: nothing to end.
    world.commands.clear();
    world.modify(seid, &request);
    assert!(world.commands.is_empty());
}

/// However many flows leave a tunnel at once, it ends once.
#[test]
fn a_tunnel_of_several_flows_gets_one_end_marker() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    let flow = SessionModificationRequest {
        create_pdrs: vec![pdr(7, 10, 7, downlink_pdi(9))],
        create_fars: vec![far(
            7,
            ApplyAction::FORW,
            Some(to(
                pfcp::DestinationInterface::ACCESS,
                Some((0x0101, "10.10.3.101")),
            )),
        )],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &flow).cause, Cause::REQUEST_ACCEPTED);
    world.commands.clear();
    let mut request = activate(0x0202, "10.10.3.102");
    let to = &mut request.update_fars[0].update_forwarding_parameters;
    to.as_mut().unwrap().flags = Some(pfcp::PfcpSmReqFlags::SNDEM);
    let mut other = request.update_fars[0].clone();
    other.far_id = 7.into();
    request.update_fars.push(other);
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
    let [(_, Command::EndMarker { tunnel, .. })] = world.commands.as_slice() else {
        panic!("{:?}", world.commands)
    };
    let peer = Some((session::Teid(0x0101), ip("10.10.3.101")));
    assert_eq!(tunnel.peer(), peer);
}

#[test]
fn a_worker_hears_only_of_the_end_of_sessions_that_may_hold_packets() {
    let mut world = World::associated();
    let (holds, _) = world.establish(&open5gs(8));
    let session = world.node.sessions().next().unwrap().0;
    let (forwards, _) = world.establish(&open5gs(9));
    world.modify(forwards, &activate(0x0101, "10.10.3.101"));
    world.commands.clear();
    for seid in [forwards, holds] {
        world.ask(Some(seid), &pfcp::SessionDeletionRequest::default());
    }
    let commands: Vec<_> = world.commands.iter().map(|(_, command)| *command).collect();
    assert_eq!(commands, [Command::Discard { session }]);
}

#[test]
fn discarding_is_not_releasing() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let mut request = activate(0x0101, "10.10.3.101");
    request.flags = Some(pfcp::PfcpSmReqFlags::DROBU);
    world.modify(seid, &request);
    let index = world.node.sessions().next().unwrap().0;
    let commands: Vec<_> = world.commands.iter().map(|(_, command)| *command).collect();
    assert_eq!(commands, [Command::Discard { session: index }]);
}

#[test]
fn an_unknown_session_is_not_found_and_a_foreign_one_neither() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    for unknown in [0, 1, 1 << 63, u64::MAX, seid ^ 1] {
        let answer = world.ask_from(smf(), Some(unknown), &SessionModificationRequest::default());
        assert_eq!(answer.header.seid, Some(0));
        let Message::SessionModificationResponse(answer) = answer.message else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::SESSION_CONTEXT_NOT_FOUND);
    }
    // From an address that never associated.
    let stranger = "10.10.4.66:8805".parse().unwrap();
    let answer = world.ask_from(
        stranger,
        Some(seid),
        &pfcp::SessionDeletionRequest::default(),
    );
    assert_eq!(answer.header.seid, Some(0));
    let Message::SessionDeletionResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::NO_ESTABLISHED_ASSOCIATION);
    // From another SMF.
    let mut other = association();
    other.node_id = ip("10.10.4.3").into();
    let from = "10.10.4.3:8805".parse().unwrap();
    world.ask_from(from, None, &other);
    let answer = world.ask_from(from, Some(seid), &pfcp::SessionDeletionRequest::default());
    let Message::SessionDeletionResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::SESSION_CONTEXT_NOT_FOUND);
    assert_eq!(world.node.session_count(), 1);
}

/// The F-SEID of one session, the UE's address of another: refused, and both live on.
#[test]
fn a_refused_establishment_does_not_end_the_session_it_would_replace() {
    let mut world = World::associated();
    let (one, _) = world.establish(&open5gs(9));
    let (two, _) = world.establish(&open5gs(10));
    let mut request = open5gs(10);
    request.cp_f_seid = open5gs(9).cp_f_seid;
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(world.rules(one).ue.ipv4, Some(ue(9)));
    assert_eq!(world.rules(two).ue.ipv4, Some(ue(10)));
    // Its own address is no hindrance: the session is replaced.
    let (three, _) = world.establish(&open5gs(9));
    assert_ne!(one, three);
    assert_eq!(world.node.session_count(), 2);
}

/// What finds no room in the place of a session that was lost leaves it as it is.
#[test]
fn a_new_session_that_finds_no_room_does_not_end_the_one_of_its_f_seid() {
    let mut world = World::seeded(NodeConfig::new(ip(UPF)), topology(), 1, 8);
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    let before = world.snapshot();
    let mut request = open5gs(9);
    let tunnels = (1..=96).map(|n| {
        let pdi = pfcp::Pdi {
            local_f_teid: Some(FTeid::given(n, ip(N3))),
            ..uplink_pdi()
        };
        pdr(100 + u16::try_from(n).unwrap(), 10, 2, pdi)
    });
    request.create_pdrs.extend(tunnels);
    for _ in 0..3 {
        assert_eq!(cause(&world.ask(Some(0), &request)), Some(75));
        assert_same(&world.snapshot(), &before, "sessions");
    }
    let (new, _) = world.establish(&open5gs(9));
    assert_ne!(new, seid);
    assert_eq!(world.node.session_count(), 1);
    assert_eq!(world.rules(new).seid.0, new);
    world.delete(new);
    assert_eq!(world.node.session_count(), 0);
    assert_eq!(world.node.publisher().sessions(), 0);
}

/// A session comes in the place of the one that was lost, also where there is no room for one more;.
#[test]
fn a_session_that_was_lost_is_replaced_where_all_places_are_taken() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.sessions = 2;
    let mut world = World::seeded(config, topology(), 1, 2);
    world.associate();
    let (old, _) = world.establish(&open5gs(9));
    world.establish(&open5gs(10));
    let (new, answer) = world.establish(&open5gs(9));
    assert_ne!(old, new);
    assert!(!answer.created_pdrs.is_empty());
    assert_eq!(world.node.session_count(), 2);
    let counters = world.node.counters();
    assert_eq!((counters.established, counters.ended), (3, 1));
    assert_eq!(world.delete(new).cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(world.node.publisher().sessions(), 1);
}
