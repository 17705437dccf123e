//! Associations, heartbeats, restarts, and messages that get lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use pfcp::{Cause, Message, RecoveryTimeStamp, UpFunctionFeatures};
use support::*;
use upf_cp::{Input, NodeConfig, Operator};

fn heartbeat(stamp: u32) -> pfcp::HeartbeatRequest {
    pfcp::HeartbeatRequest {
        recovery_time_stamp: RecoveryTimeStamp(stamp),
        ..Default::default()
    }
}

fn beat(stamp: u32) -> pfcp::HeartbeatResponse {
    pfcp::HeartbeatResponse {
        recovery_time_stamp: RecoveryTimeStamp(stamp),
        ..Default::default()
    }
}

#[test]
fn an_association_is_answered_with_who_we_are_and_what_we_do() {
    let mut world = World::default();
    let Message::AssociationSetupResponse(answer) = world.ask(None, &association()) else {
        panic!()
    };
    assert_eq!(answer.node_id, ip(UPF).into());
    assert_eq!(
        answer.recovery_time_stamp,
        Some(RecoveryTimeStamp(3_900_000_000))
    );
    let features = answer.up_function_features.unwrap();
    assert!(features.contains(UpFunctionFeatures::FTUP | UpFunctionFeatures::EMPU));
    // Open5GS sends framed routes; SD-Core would leave UE addresses to us.
    assert!(features.contains(UpFunctionFeatures::FRRT));
    assert!(!features.contains(UpFunctionFeatures::UEIP));
    let peers = world.node.peer_statuses();
    assert_eq!((peers.len(), &peers[0].node_id), (1, &ip(SMF).into()));
}

#[test]
fn update_and_release() {
    let mut world = World::associated();
    let update = pfcp::AssociationUpdateRequest {
        node_id: ip(SMF).into(),
        cp_function_features: Some(pfcp::CpFunctionFeatures::LOAD),
        ..Default::default()
    };
    let Message::AssociationUpdateResponse(answer) = world.ask(None, &update) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(
        world.node.peer_statuses()[0].features,
        pfcp::CpFunctionFeatures::LOAD
    );

    world.establish(&open5gs(9));
    let release = pfcp::AssociationReleaseRequest {
        node_id: ip(SMF).into(),
        ..Default::default()
    };
    let octets = encode(None, 500, &release);
    let answers = world.octets(smf(), &octets);
    let Message::AssociationReleaseResponse(answer) = &answers[0].message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(
        (
            world.node.session_count(),
            world.node.publisher().sessions()
        ),
        (0, 0)
    );
    // The answer was lost: it is the same again.
    assert_eq!(world.octets(smf(), &octets), answers);
    let answer = world.ask_from(smf(), Some(0), &open5gs(9));
    let Message::SessionEstablishmentResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::NO_ESTABLISHED_ASSOCIATION);
}

#[test]
fn every_heartbeat_is_answered_with_the_same_stamp() {
    let mut world = World::default();
    for _ in 0..3 {
        let Message::HeartbeatResponse(answer) = world.ask(None, &heartbeat(1)) else {
            panic!()
        };
        assert_eq!(answer.recovery_time_stamp.0, 3_900_000_000);
        world.pass(20_000);
    }
}

#[test]
fn oai_stamps_each_heartbeat_anew_and_keeps_its_sessions() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    for second in 0..30 {
        world.ask(None, &heartbeat(3_900_000_000 + 10 * second));
    }
    assert_eq!(
        (
            world.node.session_count(),
            world.node.counters().peer_restarts
        ),
        (1, 0)
    );
}

#[test]
fn a_steady_peer_with_a_newer_stamp_has_restarted() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    for stamp in [100, 100, 100] {
        world.pass(10_000);
        let Message::HeartbeatRequest(_) = world.requests[0].message else {
            panic!()
        };
        world.reply(&beat(stamp), None);
    }
    assert_eq!(world.node.session_count(), 1);
    world.pass(10_000);
    world.reply(&beat(160), None);
    assert_eq!(
        (
            world.node.session_count(),
            world.node.counters().peer_restarts
        ),
        (0, 1)
    );
    assert_eq!(world.node.publisher().sessions(), 0);
}

#[test]
fn a_new_association_replaces_the_old_one_whatever_its_stamp() {
    for stamp in [3_800_000_000, 3_800_000_100, 5] {
        let mut world = World::associated();
        world.establish(&open5gs(9));
        let mut again = association();
        again.recovery_time_stamp = RecoveryTimeStamp(stamp);
        world.ask(None, &again);
        assert_eq!(world.node.session_count(), 0);
        assert_eq!(world.node.peer_statuses().len(), 1);
        world.establish(&open5gs(9));
    }
}

#[test]
fn sessions_are_retained_if_the_peer_says_so() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let mut again = association();
    again.session_retention_information = Some(pfcp::SessionRetentionInformation::default());
    let Message::AssociationSetupResponse(answer) = world.ask(None, &again) else {
        panic!()
    };
    assert_eq!(answer.flags, Some(pfcp::PfcpAsRspFlags::PSREI));
    assert_eq!(
        world.modify(seid, &activate(1, "10.10.3.101")).cause,
        Cause::REQUEST_ACCEPTED
    );
}

/// "If it is back within the UPF's answer-holding time, its new requests carry the numbers of old
/// ones."
#[test]
fn a_restarted_smf_uses_its_numbers_again() {
    let mut world = World::default();
    let ask = |world: &mut World, seid, sequence, request: &dyn Fn(u32) -> Vec<u8>| {
        let _: Option<u64> = seid;
        world.octets(smf(), &request(sequence)).remove(0).message
    };
    let setup = |stamp| {
        move |sequence| {
            let mut request = association();
            request.recovery_time_stamp = RecoveryTimeStamp(stamp);
            encode(None, sequence, &request)
        }
    };
    let session = |n| move |sequence| encode(Some(0), sequence, &open5gs(n));
    ask(&mut world, None, 1, &setup(100));
    let Message::SessionEstablishmentResponse(first) = ask(&mut world, Some(0), 2, &session(9))
    else {
        panic!()
    };
    // The same request again is the same answer …
    let Message::SessionEstablishmentResponse(again) = ask(&mut world, Some(0), 2, &session(9))
    else {
        panic!()
    };
    assert_eq!(first, again);
    assert_eq!(world.node.counters().duplicates, 1);
    // … another request under the same number is another request …
    let Message::SessionEstablishmentResponse(other) = ask(&mut world, Some(0), 2, &session(10))
    else {
        panic!()
    };
    assert_ne!(first.up_f_seid, other.up_f_seid);
    // … and after a restart even the same octets are.
    ask(&mut world, None, 1, &setup(160));
    assert_eq!(world.node.session_count(), 0);
    let Message::SessionEstablishmentResponse(new) = ask(&mut world, Some(0), 2, &session(9))
    else {
        panic!()
    };
    assert_ne!(first.up_f_seid, new.up_f_seid);
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn answers_are_forgotten_in_time_and_beyond_a_bound() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.held_answers_per_peer = 10;
    let mut world = World::with(config);
    world.associate();
    for n in 1..=30 {
        world.establish(&open5gs(n));
    }
    assert_eq!(world.node.transactions().1, 10);
    world.pass(16_000);
    assert_eq!(world.node.transactions().1, 0);
}

#[test]
fn we_associate_with_configured_smfs_until_one_answers() {
    let mut config = NodeConfig::new(ip(UPF));
    config.smf = vec![smf()];
    let mut world = World::with(config);
    world.input(Input::Operator(Operator::Start));
    let first = world.sent.clone();
    assert!(matches!(
        world.requests[0].message,
        Message::AssociationSetupRequest(_)
    ));
    // T1 is 3 s and N1 is 3: the same octets, three times in all.
    world.pass(8_999);
    assert_eq!(world.sent, vec![first[0].clone(); 3]);
    world.pass(2_000);
    assert_eq!((world.sent.len(), world.node.counters().timeouts), (3, 1));
    // Then anew, under a new number.
    world.pass(8_500);
    assert_eq!(world.sent.len(), 4);
    assert_ne!(world.sent[3], first[0]);
    world.requests.drain(..3);
    let answer = pfcp::AssociationSetupResponse {
        node_id: ip(SMF).into(),
        cause: Cause::REQUEST_ACCEPTED,
        recovery_time_stamp: Some(RecoveryTimeStamp(1)),
        ..Default::default()
    };
    world.reply(&answer, None);
    assert_eq!(world.node.peer_statuses().len(), 1);
    world.establish(&open5gs(9));
    assert_eq!(world.node.transactions().0, 0);
}

/// free5GC and SD-Core answer under sequence number 1, and know nothing of the association after:
/// what counts is theirs.
#[test]
fn an_answer_under_the_wrong_number_is_none() {
    let mut config = NodeConfig::new(ip(UPF));
    config.smf = vec![smf()];
    let mut world = World::with(config);
    world.input(Input::Operator(Operator::Start));
    world.pass(30_000);
    let answer = pfcp::AssociationSetupResponse {
        node_id: ip(SMF).into(),
        cause: Cause::REQUEST_ACCEPTED,
        recovery_time_stamp: Some(RecoveryTimeStamp(1)),
        ..Default::default()
    };
    assert!(world.octets(smf(), &encode(None, 1, &answer)).is_empty());
    assert_eq!(world.node.peer_statuses().len(), 0);
    world.associate();
    let sent = world.sent.len();
    world.pass(9_000);
    let setups = world.sent[sent..]
        .iter()
        .filter(|(_, octets)| octets[1] == 5);
    assert!(
        setups.count() <= 2,
        "no new attempts, retransmissions at most"
    );
}

#[test]
fn heartbeats_go_on_when_nobody_answers_and_sessions_stay() {
    let mut world = World::associated();
    world.establish(&open5gs(9));
    world.pass(70_000);
    assert!(!world.node.peer_statuses()[0].reachable);
    assert_eq!(world.node.session_count(), 1);
    assert!(world.node.counters().timeouts >= 2);
    world.requests.drain(..world.requests.len() - 1);
    world.reply(&beat(1), None);
    assert!(world.node.peer_statuses()[0].reachable);
}

#[test]
fn two_smfs_have_sessions_of_their_own() {
    let mut world = World::associated();
    let mut other = association();
    other.node_id = pfcp::NodeId::fqdn("smf2.example.net").unwrap();
    let from = "10.10.4.3:8805".parse().unwrap();
    world.ask_from(from, None, &other);
    world.establish(&open5gs(9));
    let mut theirs = open5gs(10);
    theirs.node_id = other.node_id.clone();
    // The same SEID as the first SMF's, and an address of its own.
    theirs.cp_f_seid = pfcp::FSeid::new(0x109, ip("10.10.4.4"));
    let answer = world.ask_from(from, Some(0), &theirs);
    let Message::SessionEstablishmentResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    let seid = answer.up_f_seid.unwrap().seid;
    // Its session messages may come from the address in its F-SEID.
    let elsewhere = "10.10.4.4:8805".parse().unwrap();
    let answer = world.ask_from(elsewhere, Some(seid), &activate(7, "10.10.3.101"));
    let Message::SessionModificationResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    // The second restarts; the first keeps what it has.
    world.ask_from(from, None, &other);
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn an_f_seid_that_comes_again_replaces_its_session() {
    let mut world = World::associated();
    let (first, _) = world.establish(&open5gs(9));
    let (second, _) = world.establish(&open5gs(9));
    assert_ne!(first, second);
    assert_eq!(
        (
            world.node.session_count(),
            world.node.publisher().sessions()
        ),
        (1, 1)
    );
    assert_eq!(world.delete(first).cause, Cause::SESSION_CONTEXT_NOT_FOUND);
}

#[test]
fn inputs_can_be_recorded_and_played_again() {
    let play = |inputs: &[String]| {
        let mut world = World::default();
        for input in inputs {
            let input: Input = serde_json::from_str(input).unwrap();
            world.input(input);
        }
        world.sent
    };
    let datagram = |sequence, seid, message: &dyn Fn(u32) -> Vec<u8>| {
        let _: Option<u64> = seid;
        let input = Input::Datagram {
            from: smf(),
            octets: message(sequence),
        };
        serde_json::to_string(&input).unwrap()
    };
    let inputs = [
        datagram(1, None, &|sequence| encode(None, sequence, &association())),
        datagram(2, Some(0), &|sequence| {
            encode(Some(0), sequence, &open5gs(9))
        }),
        serde_json::to_string(&Input::Report {
            worker: 0,
            report: upf_cp::WorkerReport::DownlinkData {
                session: 1,
                pdr: 1,
                far: 1,
                qfi: None,
                tos: 0,
            },
        })
        .unwrap(),
    ];
    let once = play(&inputs);
    assert_eq!(once.len(), 3);
    assert_eq!(once, play(&inputs));
}
