//! The recorded Open5GS SMF, played to the node: every request of it is accepted, and answered with
//! what that SMF demands.
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
use std::net::SocketAddr;

use pfcp::{Cause, CreatePdr, Decoded, FTeid, Message, Sequence};
use support::*;
use upf_cp::WorkerReport;

/// The PFCP datagrams of a recording.
fn datagrams(name: &str) -> Vec<(SocketAddr, Vec<u8>)> {
    let path = format!("{}/tests/captures/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
    support::datagrams(path.as_ref())
}

/// A node, and what its SEIDs were called in the recordings.
struct Replay {
    world: World,
    /// Recorded SEIDs of the UPF, and what they are now.
    seids: BTreeMap<u64, u64>,
    /// CP SEIDs of establishments without an answer yet, by sequence number.
    established: BTreeMap<Sequence, u64>,
    causes: Vec<(u8, Cause)>,
}

impl Replay {
    fn new() -> Self {
        Self {
            world: World::seeded(upf_cp::NodeConfig::new(ip(UPF)), topology(), 1, 1024),
            seids: BTreeMap::new(),
            established: BTreeMap::new(),
            causes: vec![],
        }
    }

    /// Plays the SMF's side of a recording.
    fn play(&mut self, name: &str) -> &mut Self {
        for (from, octets) in datagrams(name) {
            let decoded = pfcp::decode(&octets).unwrap_or_else(|error| panic!("{name}: {error}"));
            if from.ip() == ip(SMF) {
                self.ask_as_smf(name, from, &octets, &decoded);
            } else if let Message::SessionEstablishmentResponse(answer) = decoded.message {
                let ours = self.established.get(&decoded.header.sequence);
                if let (Some(recorded), Some(ours)) = (answer.up_f_seid, ours) {
                    self.seids.insert(recorded.seid, *ours);
                }
            }
        }
        self
    }

    fn ask_as_smf(&mut self, name: &str, from: SocketAddr, octets: &[u8], decoded: &Decoded) {
        if !decoded.message.is_request() {
            return;
        }
        let mut octets = octets.to_vec();
        if let Message::SessionModificationRequest(_) | Message::SessionDeletionRequest(_) =
            decoded.message
        {
            let recorded = decoded.header.seid.unwrap();
            // A recording that begins in the middle is about the one session there is.
            let only = self.seids.values().next().copied();
            let seid = self
                .seids
                .get(&recorded)
                .copied()
                .or(only)
                .expect("a session");
            octets[4..12].copy_from_slice(&seid.to_be_bytes());
        }
        let mut answers = self.world.octets(from, &octets);
        assert_eq!(answers.len(), 1, "{name}: {decoded}");
        let answer = answers.pop().unwrap();
        assert_eq!(answer.header.sequence, decoded.header.sequence);
        self.check(name, decoded, &answer);
    }

    fn check(&mut self, name: &str, request: &Decoded, answer: &Decoded) {
        let about = || format!("{name}: {request}\n{answer}");
        match (&request.message, &answer.message) {
            (Message::HeartbeatRequest(_), Message::HeartbeatResponse(_)) => {}
            (Message::AssociationSetupRequest(_), Message::AssociationSetupResponse(answer)) => {
                assert_eq!(answer.node_id, ip(UPF).into());
                let features = answer.up_function_features.unwrap();
                assert!(features.contains(pfcp::UpFunctionFeatures::FTUP));
                self.causes.push((6, answer.cause));
            }
            (
                Message::SessionEstablishmentRequest(asked),
                Message::SessionEstablishmentResponse(given),
            ) => {
                assert_eq!(answer.header.seid, Some(asked.cp_f_seid.seid));
                assert_eq!(given.node_id, ip(UPF).into());
                self.causes.push((51, given.cause));
                if given.cause == Cause::REQUEST_ACCEPTED {
                    let seid = given
                        .up_f_seid
                        .as_ref()
                        .unwrap_or_else(|| panic!("{}", about()))
                        .seid;
                    self.established.insert(request.header.sequence, seid);
                    check_created(&asked.create_pdrs, &given.created_pdrs);
                }
            }
            (
                Message::SessionModificationRequest(asked),
                Message::SessionModificationResponse(given),
            ) => {
                assert_ne!(answer.header.seid, Some(0), "{}", about());
                assert_eq!(given.cause, Cause::REQUEST_ACCEPTED, "{}", about());
                self.causes.push((53, given.cause));
                check_created(&asked.create_pdrs, &given.created_pdrs);
            }
            (Message::SessionDeletionRequest(_), Message::SessionDeletionResponse(given)) => {
                assert_eq!(given.cause, Cause::REQUEST_ACCEPTED, "{}", about());
                assert!(!given.usage_reports.is_empty());
                self.causes.push((55, given.cause));
            }
            _ => panic!("{}", about()),
        }
    }

    fn accepted(&self) -> usize {
        self.causes
            .iter()
            .filter(|(_, cause)| *cause == Cause::REQUEST_ACCEPTED)
            .count()
    }
}

/// Every CHOOSE is answered, and equal CHOOSE IDs alike.
fn check_created(asked: &[CreatePdr], given: &[pfcp::CreatedPdr]) {
    let mut by_id: BTreeMap<u8, u32> = BTreeMap::new();
    for pdr in asked {
        let created = given.iter().find(|created| created.pdr_id == pdr.pdr_id);
        let Some(FTeid::Choose { choose_id, .. }) = pdr.pdi.local_f_teid else {
            assert!(created.is_none());
            continue;
        };
        let [FTeid::Given { teid, addresses }] = created.unwrap().local_f_teids[..] else {
            panic!("{created:?}")
        };
        assert_eq!(addresses, ip(N3).into());
        if let Some(id) = choose_id {
            assert_eq!(*by_id.entry(id).or_insert(teid), teid);
        }
    }
}

#[test]
fn whole_lives_of_sessions() {
    for (name, accepted) in [
        ("est_ipv4", 2),
        ("est_ipv4v6", 2),
        ("est_ipv6_ra", 3),
        ("error_indication", 4),
        ("pcf_terminate", 3),
        ("two_sessions_one_ue", 3),
        ("ue_requested_release", 3),
        ("usage_report", 3),
        ("many_sessions", 0),
    ] {
        let mut replay = Replay::new();
        replay.play("association").play(name);
        let all = replay
            .causes
            .iter()
            .filter(|(r#type, _)| *r#type != 6)
            .count();
        assert_eq!(replay.accepted(), replay.causes.len(), "{name}");
        assert!(all >= accepted, "{name}: {all}");
    }
}

#[test]
fn ue_of_both_families_is_found_by_both() {
    let mut replay = Replay::new();
    replay.play("association").play("est_ipv4v6");
    let (_, rules) = replay.world.node.sessions().next().unwrap();
    assert!(rules.ue.ipv4.is_some());
    assert_eq!(rules.ue.ipv6.unwrap().prefix_len(), 64);
}

#[test]
fn procedures_on_a_session_that_is_there() {
    for name in [
        "deactivate_buffer_report_activate",
        "path_switch_endmarker",
        "release_ipv4",
    ] {
        let mut replay = Replay::new();
        replay.play("association").play("est_ipv4");
        if name == "release_ipv4" {
            // Two sessions go: the second is not in this recording.
            let mut datagrams = datagrams(name);
            datagrams.retain(|(from, _)| from.ip() == ip(SMF));
            let (from, octets) = datagrams.remove(0);
            let decoded = pfcp::decode(&octets).unwrap();
            replay.ask_as_smf(name, from, &octets, &decoded);
            assert_eq!(replay.world.node.session_count(), 0);
        } else {
            replay.play(name);
        }
    }
}

#[test]
fn extra_flows_share_the_uplink_tunnel_and_filters() {
    let mut replay = Replay::new();
    replay
        .play("association")
        .play("est_ipv4")
        .play("qos_flows");
    let (_, rules) = replay.world.node.sessions().next().unwrap();
    let uplink: Vec<_> = rules
        .pdrs
        .iter()
        .filter(|pdr| pdr.pdi.source_interface == session::rule::SourceInterface::Access)
        .collect();
    assert!(uplink.len() > 2);
    assert!(
        uplink
            .iter()
            .all(|pdr| pdr.pdi.local_f_teid == uplink[0].pdi.local_f_teid)
    );
    // BID only: the uplink PDR has what the downlink PDR defined.
    let filters = |source| {
        let pdr = rules
            .pdrs
            .iter()
            .filter(|pdr| pdr.pdi.source_interface == source);
        pdr.filter(|pdr| pdr.id.0 > 4)
            .map(|pdr| pdr.pdi.sdf_filters.clone())
            .collect::<Vec<_>>()
    };
    let down = filters(session::rule::SourceInterface::Core);
    assert!(!down[0].is_empty());
    assert_eq!(down, filters(session::rule::SourceInterface::Access));

    replay.play("qos_flow_modify_remove");
}

#[test]
fn a_lost_answer_is_given_again() {
    for name in ["n4_loss", "pfcp_duplicate_request"] {
        let mut replay = Replay::new();
        replay.play("association").play(name);
        assert_eq!(replay.world.node.counters().established, 1, "{name}");
    }
}

#[test]
fn after_our_restart_sessions_come_back_with_their_teids() {
    let mut replay = Replay::new();
    replay.play("association").play("upf_restart");
    let rules: Vec<_> = replay.world.node.sessions().collect();
    assert_eq!(rules.len(), 2);
    for (_, rules) in rules {
        let tunnels = rules
            .pdrs
            .iter()
            .filter(|pdr| pdr.pdi.local_f_teid.is_some())
            .count();
        assert_eq!(tunnels, 3);
    }
}

#[test]
fn after_a_restart_of_the_smf_its_old_sessions_are_gone() {
    let mut replay = Replay::new();
    replay.play("smf_restart");
    let counters = replay.world.node.counters();
    // The first ended with the second association, the second was deleted.
    assert_eq!((counters.established, counters.ended), (2, 2));
    assert_eq!(replay.world.node.publisher().sessions(), 0);
}

/// "Without FTUP: explicit F-TEID whose IP is the UPF's N4 address." That is not where tunnels end.
#[test]
fn an_f_teid_at_the_n4_address_is_refused() {
    let mut replay = Replay::new();
    let mut seen = 0;
    replay.play("association");
    for (from, octets) in datagrams("noftup_est_ipv4") {
        if octets[1] != 50 {
            continue;
        }
        let answer = replay.world.octets(from, &octets).pop().unwrap();
        let Message::SessionEstablishmentResponse(answer) = answer.message else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::MANDATORY_IE_INCORRECT);
        assert_eq!(answer.offending_ie, Some(pfcp::OffendingIe(21)));
        seen += 1;
    }
    assert_eq!(seen, 1);
    assert_eq!(replay.world.node.publisher().sessions(), 0);
}

/// The recorded report of downlink data, and ours, have the same IEs.
#[test]
fn downlink_data_is_reported_as_open5gs_reports_it() {
    let mut replay = Replay::new();
    replay.play("association").play("est_ipv4");
    let idle = datagrams("deactivate_buffer_report_activate").remove(0);
    let decoded = pfcp::decode(&idle.1).unwrap();
    replay.ask_as_smf("idle", idle.0, &idle.1, &decoded);
    let index = replay.world.node.sessions().next().unwrap().0;
    replay.world.report(WorkerReport::DownlinkData {
        session: index.0,
        pdr: 1,
        far: 1,
        qfi: Some(1),
        tos: 0,
    });
    let recorded = datagrams("deactivate_buffer_report_activate");
    let recorded = recorded.iter().find(|(_, octets)| octets[1] == 56).unwrap();
    let Message::SessionReportRequest(recorded) = pfcp::decode(&recorded.1).unwrap().message else {
        panic!()
    };
    let Message::SessionReportRequest(ours) = replay.world.requests.remove(0).message else {
        panic!()
    };
    assert_eq!(ours, recorded);
}
