//! What SMFs do that is easy to get wrong, each point with the test that holds it. The names before
//! `::` are files of this directory; those without are in this one.
//!
//! What Open5GS relies on:
//!
//! | # | Must | Test |
//! |---|---|---|
//! | 1 | A CHOOSE ID is one TEID over several requests | `choose_ids_are_one_f_teid_over_several_requests` |
//! | 2 | Uplink PDRs of one TEID are told apart by QFI and filter; other QFIs are dropped | `uplink_packets_without_a_pdr_of_their_qfi_match_none` |
//! | 3 | A filter by its id alone is the one that another PDR defines | `captures::extra_flows_share_the_uplink_tunnel_and_filters`, `smfs::a_filter_changes_for_all_that_refer_to_it_and_outlives_its_first_pdr` |
//! | 4 | Downlink PDRs without UE address have the session's | `a_downlink_pdr_without_ue_address_has_the_sessions` |
//! | 5 | Update PDR merges | `smfs::a_partial_pdi_keeps_the_rest_and_a_whole_one_replaces_it`, `captures::extra_flows_share_the_uplink_tunnel_and_filters` |
//! | 6 | What the SMF sends to the UE leaves by the downlink FAR | `what_the_smf_sends_to_the_ue_leaves_by_the_downlink_far` |
//! | 7 | An IPv6 UE is found by its /64 | `an_ipv6_ue_is_found_by_its_prefix`, `smfs::ipv6_prefixes_of_any_length` |
//! | 8 | What the SMF sends while the FAR buffers is downlink data | `what_the_smf_sends_to_an_idle_ue_is_downlink_data` |
//! | 9 | A QER per flow, no session-wide one | `captures::extra_flows_share_the_uplink_tunnel_and_filters` |
//! | 10 | Apply Action, Reporting Triggers of more octets; Outer Header Removal 6 | `apply_actions_of_one_and_two_octets`, `reporting_triggers_of_two_and_three_octets`, `outer_header_removal_0_and_6` |
//! | 11 | Network Instance and DNN in labels, or plain | `smfs::networks_are_told_apart_by_name` |
//! | 12 | Modifications that can be carried out are accepted | `captures::procedures_on_a_session_that_is_there` |
//! | 13 | `permit out ip from A 9002 to assigned` | `a_filter_with_a_port_of_any_protocol` |
//!
//! What others do otherwise:
//!
//! | Point | Test |
//! |---|---|
//! | CHOOSE without a family (SD-Core) | `smfs::sd_core_asks_for_an_f_teid_without_a_family_and_names_no_network_downlink` |
//! | CHOOSE of IPv4 alone (OAI) | `choose_ids_are_one_f_teid_over_several_requests`, `ipv6::an_f_teid_has_an_address_of_each_family_that_is_asked_for_and_there` |
//! | F-TEIDs of the SMF although FTUP (free5GC) | `smfs::free5gc_chooses_f_teids_and_forwards_before_it_knows_where` |
//! | Network Instance of no length (SD-Core) | `smfs::sd_core_asks_for_an_f_teid_without_a_family_and_names_no_network_downlink` |
//! | UE address without S/D, in both PDRs | the same, `smfs::free5gc_chooses_f_teids_and_forwards_before_it_knows_where` |
//! | Outer Header Removal 0 and 6 | `outer_header_removal_0_and_6` |
//! | Several QERs for a PDR; the QFI in any of them | `flow_and_session_qers_on_one_pdr`, `the_qfi_is_that_of_whichever_qer_has_one` |
//! | No QER (OAI) | `without_qers_nothing_is_marked` |
//! | FORW without a tunnel (free5GC) | `smfs::free5gc_chooses_f_teids_and_forwards_before_it_knows_where` |
//! | BUFF with and without Update Forwarding Parameters | `smfs::sd_core_asks_for_an_f_teid_without_a_family_and_names_no_network_downlink`, `session::open5gs_establishes_activates_idles_and_releases` |
//! | Rules removed when idle, and back with precedence + 1 (OAI) | `smfs::oai_comes_with_its_own_seid_and_removes_rules_when_idle` |
//! | PERIO and VOLTH with three volumes (free5GC) | `a_threshold_of_three_volumes` |
//! | Query URR (free5GC) | `usage::usage_is_given_when_asked_for_and_when_a_rule_goes` |
//! | End marker in Update Forwarding Parameters | `session::a_handover_sends_an_end_marker_into_the_old_tunnel` |
//! | CP F-SEID in modifications and deletions | `smfs::free5gc_chooses_f_teids_and_forwards_before_it_knows_where`, `smfs::sd_core_asks_for_an_f_teid_without_a_family_and_names_no_network_downlink` |
//! | A SEID in the header of an establishment | `smfs::oai_comes_with_its_own_seid_and_removes_rules_when_idle` |
//! | Message priority 0 and 12 | `an_answer_has_the_priority_of_its_request` |
//! | Node ID in every answer, in rejections too | `every_answer_that_has_a_node_id_has_ours` |
//! | Restoration with old SEID, RESTI and old TEIDs | `captures::after_our_restart_sessions_come_back_with_their_teids`, `teids_that_came_back_are_not_given_to_others` |
//! | Two associations in a row after a restart of the UPF | `two_associations_in_a_row_after_our_restart` |
//! | Numbers used again after a restart of the SMF | `peers::a_restarted_smf_uses_its_numbers_again` |
//! | A new stamp in each heartbeat (OAI) | `peers::oai_stamps_each_heartbeat_anew_and_keeps_its_sessions` |
//! | Heartbeats of strangers are answered | `peers::every_heartbeat_is_answered_with_the_same_stamp` |
//! | Association answered under number 1 (free5GC, SD-Core) | `association::an_answer_under_number_one_ends_the_asking_and_no_more` |
//! | Association updates and releases that nobody answers (Open5GS) | `association::an_smf_that_does_not_answer_is_let_go` |
//! | Node reports that nobody answers (Open5GS) | `a_node_report_that_nobody_answers_is_given_up` |
//! | Reports answered under the SMF's own SEID (SD-Core) | `reports::downlink_data_is_reported_until_it_is_answered` |
//! | Cause 64 with DROBU (SD-Core) | `reports::a_refused_report_with_drobu_discards_the_buffer` |
//! | Answers are kept for 15 s | `an_answer_is_kept_for_fifteen_seconds` |
//! | Datagrams of 2048 octets at most | `the_longest_answers_fit_in_2048_octets` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;

use pfcp::{
    Cause, CreateQer, Decoded, FTeid, Header, Message, NodeId, OuterHeaderRemoval, Pdi,
    RecoveryTimeStamp, SdfFilter, SessionEstablishmentRequest, SessionModificationRequest,
    SourceInterface,
};
use session::inner::Inner;
use session::plan::{Act, Arrival};
use session::rule::{Action, Direction};
use session::usage::Moment;
use session::{InterfaceId, Ledger, Qfi, Seid, Teid};
use support::*;
use upf_cp::{NodeConfig, WorkerReport};

const N6: InterfaceId = InterfaceId(2);

// ===== octets as other encoders write them =====

fn ie(r#type: u16, value: &[u8]) -> Vec<u8> {
    let mut octets = r#type.to_be_bytes().to_vec();
    octets.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    octets.extend(value);
    octets
}

/// A modification with that body; gives the cause.
fn modify_with(world: &mut World, seid: u64, sequence: u32, body: &[u8]) -> Cause {
    let mut octets = vec![0x21, 52];
    octets.extend(u16::try_from(12 + body.len()).unwrap().to_be_bytes());
    octets.extend(seid.to_be_bytes());
    octets.extend(&sequence.to_be_bytes()[1..]);
    octets.push(0);
    octets.extend(body);
    let Message::SessionModificationResponse(answer) =
        world.octets(smf(), &octets).remove(0).message
    else {
        panic!()
    };
    answer.cause
}

#[test]
fn apply_actions_of_one_and_two_octets() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let actions: [(&[u8], Action); 4] = [
        (&[0x02], Action::Forward),
        (&[0x0c], Action::Buffer { notify: true }),
        (&[0x02, 0x00], Action::Forward),
        (&[0x0c, 0x00], Action::Buffer { notify: true }),
    ];
    for (sequence, (action, is)) in (100..).zip(actions) {
        let far = [ie(108, &[0, 0, 0, 1]), ie(44, action)].concat();
        let cause = modify_with(&mut world, seid, sequence, &ie(10, &far));
        assert_eq!(cause, Cause::REQUEST_ACCEPTED, "{action:?}");
        let fars = world.rules(seid).fars;
        let far = fars.iter().find(|far| far.id.0 == 1).unwrap();
        assert_eq!(far.action, is, "{action:?}");
    }
}

#[test]
fn reporting_triggers_of_two_and_three_octets() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    // VOLTH, 1000 octets.
    let triggers: [&[u8]; 2] = [&[0x02, 0x00], &[0x02, 0x00, 0x00]];
    for (id, triggers) in (2..).zip(triggers) {
        let urr = [
            ie(81, &[0, 0, 0, id]),
            ie(62, &[0x02]),
            ie(37, triggers),
            ie(31, &[0x01, 0, 0, 0, 0, 0, 0, 0x03, 0xe8]),
        ];
        let pdr = [ie(56, &[0, 1]), ie(81, &[0, 0, 0, id])].concat();
        let body = [ie(6, &urr.concat()), ie(9, &pdr)].concat();
        let cause = modify_with(&mut world, seid, u32::from(id), &body);
        assert_eq!(cause, Cause::REQUEST_ACCEPTED, "{triggers:?}");
        let session = world.node.sessions().next().unwrap().0;
        let ledger = {
            let plan = world.readers[0].snapshot().session(session).unwrap();
            let step = plan.steps().find(|step| step.pdr.0 == 1).unwrap();
            let mut ledgers = step.ledgers();
            ledgers
                .find(|(urr, _)| urr.0 == u32::from(id))
                .unwrap()
                .1
                .clone()
        };
        let usage = ledger.usage();
        while !usage.count(Direction::Downlink, 500, Moment(0)) {}
        usage.disarm();
        world.report(WorkerReport::Usage {
            session: session.0,
            urr: id.into(),
        });
        let Message::SessionReportRequest(report) = world.requests.pop().unwrap().message else {
            panic!()
        };
        let report = &report.usage_reports[0];
        assert_eq!(report.urr_id.0, u32::from(id));
        assert_eq!(report.usage_report_trigger, pfcp::UsageReportTrigger::VOLTH);
    }
}

// ===== F-TEIDs =====

fn f_teid(created: &pfcp::CreatedPdr) -> (u32, Option<IpAddr>) {
    let [FTeid::Given { teid, addresses }] = created.local_f_teids[..] else {
        panic!("{created:?}")
    };
    assert_eq!(addresses.ipv6(), None, "{created:?}");
    (teid, addresses.of_family(true))
}

fn remove_pdr(id: u16) -> SessionModificationRequest {
    SessionModificationRequest {
        remove_pdrs: vec![pfcp::RemovePdr {
            pdr_id: id.into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn choose_ids_are_one_f_teid_over_several_requests() {
    let mut world = World::associated();
    let (seid, first) = world.establish(&open5gs(9));
    let five = f_teid(&first.created_pdrs[0]);
    let mut others = BTreeSet::from([five.0, f_teid(&first.created_pdrs[1]).0]);
    let choose = |id, ipv6| Pdi {
        local_f_teid: Some(FTeid::Choose {
            ipv4: true,
            ipv6,
            choose_id: Some(id),
        }),
        qfis: vec![pfcp::Qfi::new(2).unwrap()],
        ..uplink_pdi()
    };
    let mut next = 10;
    let mut ask = |world: &mut World, id, ipv6| {
        next += 1;
        let request = SessionModificationRequest {
            create_pdrs: vec![pdr(next, 9, 2, choose(id, ipv6))],
            ..Default::default()
        };
        let answer = world.modify(seid, &request);
        assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
        (next, f_teid(&answer.created_pdrs[0]))
    };
    for (id, ipv6) in [(42, false), (10, true)] {
        let (held, given) = ask(&mut world, id, ipv6);
        assert_eq!(given.1, Some(ip(N3)));
        assert!(others.insert(given.0), "an F-TEID of its own");
        for _ in 0..3 {
            let (again, same) = ask(&mut world, id, ipv6);
            assert_eq!(same, given, "CHOOSE ID {id}");
            assert_eq!(ask(&mut world, 5, true).1, five);
            // It stays while any PDR has it.
            world.modify(seid, &remove_pdr(again));
        }
        world.modify(seid, &activate(7, "10.10.3.101"));
        world.modify(seid, &idle());
        assert_eq!(ask(&mut world, id, ipv6).1, given);
        world.modify(seid, &remove_pdr(held));
        assert_eq!(ask(&mut world, id, ipv6).1, given);
    }
    assert_eq!(ask(&mut world, 5, false).1, five);
}

#[test]
fn teids_that_came_back_are_not_given_to_others() {
    // What a node gives first, and would give first again after a restart.
    let taken: Vec<_> = {
        let mut world = World::associated();
        let (_, answer) = world.establish(&open5gs(9));
        answer
            .created_pdrs
            .iter()
            .map(|created| f_teid(created).0)
            .collect()
    };
    let mut world = World::associated();
    let mut restored = open5gs(9);
    restored.flags = Some(pfcp::PfcpSeReqFlags::RESTI);
    for (pdr, teid) in restored.create_pdrs[1..].iter_mut().zip(&taken) {
        pdr.pdi.local_f_teid = Some(FTeid::given(*teid, ip(N3)));
    }
    // "Header SEID = old UP SEID."
    let answer = world.ask_from(smf(), Some(0x1234_5678), &restored);
    let Message::SessionEstablishmentResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
    let seid = answer.up_f_seid.unwrap().seid;
    let mine = |world: &World| {
        let pdrs = world.rules(seid).pdrs.into_iter();
        pdrs.filter_map(|pdr| pdr.pdi.local_f_teid)
            .collect::<Vec<_>>()
    };
    let before = mine(&world);
    assert_eq!(
        before
            .iter()
            .map(|tunnel| tunnel.teid.0)
            .collect::<Vec<_>>(),
        taken
    );
    for n in 10..60 {
        let (_, answer) = world.establish(&open5gs(n));
        for created in &answer.created_pdrs {
            assert!(!taken.contains(&f_teid(created).0), "{created:?}");
        }
    }
    let snapshot = world.readers[0].snapshot();
    for tunnel in before {
        let plan = snapshot.tunnel(tunnel).unwrap().plan();
        assert_eq!(plan.seid, Seid(seid));
    }
}

// ===== packets =====

fn udp(source: &str, destination: &str, ports: (u16, u16)) -> Vec<u8> {
    let mut packet = match (ip(source), ip(destination)) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let head = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
            [&head[..], &source.octets(), &destination.octets()].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let head = [0x60, 0, 0, 0, 0, 8, 17, 64];
            [&head[..], &source.octets(), &destination.octets()].concat()
        }
        _ => panic!("two families"),
    };
    packet.extend(ports.0.to_be_bytes());
    packet.extend(ports.1.to_be_bytes());
    packet.extend([0, 8, 0, 0]);
    packet
}

/// The PDR and FAR for a packet from the network, and what becomes of it.
fn downlink(world: &mut World, packet: &[u8], to: &str) -> Option<(u16, u32, Act)> {
    let snapshot = world.readers[0].snapshot();
    let handle = match ip(to) {
        IpAddr::V4(address) => snapshot.ipv4(N6, address),
        IpAddr::V6(address) => snapshot.ipv6(N6, address),
    }?;
    let arrival = Arrival {
        inner: Inner::parse(packet).unwrap(),
        qfi: None,
    };
    let step = handle.entrance()?.classify(&arrival)?;
    Some((step.pdr.0, step.far.0, step.act))
}

/// The PDR for a packet that comes with that QFI in the tunnel of PDR `through`.
fn tunnelled(world: &mut World, seid: u64, through: u16, packet: &[u8], qfi: u8) -> Option<u16> {
    let rules = world.rules(seid);
    let pdr = rules.pdrs.iter().find(|pdr| pdr.id.0 == through).unwrap();
    let snapshot = world.readers[0].snapshot();
    let handle = snapshot.tunnel(pdr.pdi.local_f_teid.unwrap()).unwrap();
    let arrival = Arrival {
        inner: Inner::parse(packet).unwrap(),
        qfi: Qfi::new(qfi),
    };
    let step = handle.entrance().unwrap().classify(&arrival)?;
    Some(step.pdr.0)
}

#[test]
fn uplink_packets_without_a_pdr_of_their_qfi_match_none() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let flow = Pdi {
        qfis: vec![pfcp::Qfi::new(2).unwrap()],
        sdf_filters: vec![SdfFilter::flow("permit out 17 from any 53 to assigned").unwrap()],
        ..uplink_pdi()
    };
    let more = SessionModificationRequest {
        create_pdrs: vec![pdr(6, 10, 2, flow)],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &more).cause, Cause::REQUEST_ACCEPTED);
    let query = udp("10.45.0.9", "192.0.2.1", (5000, 53));
    let web = udp("10.45.0.9", "192.0.2.1", (5000, 443));
    for (packet, qfi, pdr) in [
        (&query, 1, Some(2)),
        (&query, 2, Some(6)),
        (&web, 1, Some(2)),
        (&web, 2, None),
        (&web, 3, None),
    ] {
        assert_eq!(
            tunnelled(&mut world, seid, 2, packet, qfi),
            pdr,
            "QFI {qfi}"
        );
    }
}

#[test]
fn a_downlink_pdr_without_ue_address_has_the_sessions() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let flow = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: Some(labels("internet")),
        sdf_filters: vec![SdfFilter::flow("permit out 17 from 192.0.2.1 53 to assigned").unwrap()],
        ..Default::default()
    };
    let more = SessionModificationRequest {
        create_pdrs: vec![pdr(6, 10, 1, flow)],
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &more).cause, Cause::REQUEST_ACCEPTED);
    world.establish(&open5gs(10));
    let pdr_for = |world: &mut World, port, to| {
        let packet = udp("192.0.2.1", to, (port, 5000));
        downlink(world, &packet, to).map(|(pdr, ..)| pdr)
    };
    assert_eq!(pdr_for(&mut world, 53, "10.45.0.9"), Some(6));
    assert_eq!(pdr_for(&mut world, 54, "10.45.0.9"), Some(1));
    assert_eq!(pdr_for(&mut world, 53, "10.45.0.10"), Some(1), "another UE");
    assert_eq!(pdr_for(&mut world, 53, "10.45.0.11"), None);
}

#[test]
fn an_ipv6_ue_is_found_by_its_prefix() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    request.pdn_type = Some(pfcp::PdnType::IPV6);
    request.create_pdrs[0].pdi.ue_ip_addresses = vec![pfcp::UeIpAddress::destination(
        "2001:db8:cafe:9:7:6:5:4".parse().unwrap(),
    )];
    world.establish(&request);
    for (to, pdr) in [
        ("2001:db8:cafe:9:7:6:5:4", Some(1)),
        ("2001:db8:cafe:9::1", Some(1)),
        ("2001:db8:cafe:9:ffff:ffff:ffff:ffff", Some(1)),
        ("2001:db8:cafe:a::1", None),
        ("2001:db8:cafe:8:7:6:5:4", None),
    ] {
        let packet = udp("2001:db8:1::1", to, (443, 5000));
        let found = downlink(&mut world, &packet, to);
        assert_eq!(found.map(|(pdr, ..)| pdr), pdr, "{to}");
    }
}

#[test]
fn a_filter_with_a_port_of_any_protocol() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    let filter = SdfFilter::flow("permit out ip from 192.0.2.1 9002 to assigned").unwrap();
    request.create_pdrs[0].pdi.sdf_filters = vec![filter];
    world.establish(&request);
    for (source, port, matches) in [
        ("192.0.2.1", 9002, true),
        ("192.0.2.1", 9003, false),
        ("192.0.2.2", 9002, false),
    ] {
        let packet = udp(source, "10.45.0.9", (port, 5000));
        let found = downlink(&mut world, &packet, "10.45.0.9");
        assert_eq!(found.is_some(), matches, "{source} {port}");
    }
}

/// The steps of the session's PDRs, for what a test wants to know of one.
fn step<T>(world: &mut World, pdr: u16, ask: impl Fn(&session::plan::Step) -> T) -> T {
    let session = world.node.sessions().next().unwrap().0;
    let plan = world.readers[0].snapshot().session(session).unwrap();
    ask(plan.steps().find(|step| step.pdr.0 == pdr).unwrap())
}

#[test]
fn what_the_smf_sends_to_the_ue_leaves_by_the_downlink_far() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    let (far, tunnel, qfi) = step(&mut world, 3, |step| (step.far.0, step.tunnel(), step.qfi));
    assert_eq!((far, tunnel), (1, Some((Teid(0x0101), ip("10.10.3.101")))));
    assert_eq!(qfi, None, "it has no QER");
    let packet = udp("192.0.2.1", "10.45.0.9", (1, 2));
    assert_eq!(tunnelled(&mut world, seid, 3, &packet, 0), Some(3));
}

#[test]
fn what_the_smf_sends_to_an_idle_ue_is_downlink_data() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let act = step(&mut world, 3, |step| step.act);
    assert_eq!(act, Act::Buffer { notify: true });
    world.modify(seid, &activate(0x0101, "10.10.3.101"));
    world.modify(seid, &idle());
    let act = step(&mut world, 3, |step| step.act);
    assert_eq!(act, Act::Buffer { notify: true });
    let session = world.node.sessions().next().unwrap().0.0;
    world.report(WorkerReport::DownlinkData {
        session,
        pdr: 3,
        far: 1,
        qfi: None,
        tos: 0,
    });
    let Message::SessionReportRequest(report) = world.requests.remove(0).message else {
        panic!()
    };
    assert_eq!(report.report_type, pfcp::ReportType::DLDR);
    assert_eq!(report.downlink_data_report.unwrap().pdr_ids, [3.into()]);
}

#[test]
fn outer_header_removal_0_and_6() {
    for removal in [
        OuterHeaderRemoval::GTP_U_UDP_IPV4,
        OuterHeaderRemoval::GTP_U_UDP_IP,
    ] {
        let mut world = World::associated();
        let mut request = open5gs(9);
        for pdr in &mut request.create_pdrs[1..] {
            pdr.outer_header_removal = Some(removal);
        }
        world.establish(&request);
        assert!(step(&mut world, 2, |step| step.removal.is_some()));
        assert!(!step(&mut world, 1, |step| step.removal.is_some()));
    }
}

// ===== QERs and URRs =====

fn with_qers(qers: Vec<CreateQer>) -> SessionEstablishmentRequest {
    let mut request = open5gs(9);
    for pdr in &mut request.create_pdrs[..2] {
        pdr.qer_ids = qers.iter().map(|qer| qer.qer_id).collect();
    }
    request.create_qers = qers;
    request
}

#[test]
fn flow_and_session_qers_on_one_pdr() {
    let mut world = World::associated();
    let flow = qer(2);
    let session = CreateQer {
        qfi: None,
        ..qer(1)
    };
    world.establish(&with_qers(vec![flow, session]));
    for pdr in [1, 2] {
        let asked = step(&mut world, pdr, |step| (step.meters().count(), step.qfi));
        assert_eq!(asked, (2, Qfi::new(1)), "both rates hold");
    }
    // One closed gate is enough.
    let mut world = World::associated();
    let closed = CreateQer {
        gate_status: pfcp::GateStatus::of(false, true),
        ..qer(1)
    };
    world.establish(&with_qers(vec![qer(2), closed]));
    assert_eq!(step(&mut world, 2, |step| step.act), Act::GateClosed);
    assert_ne!(step(&mut world, 1, |step| step.act), Act::GateClosed);
}

#[test]
fn the_qfi_is_that_of_whichever_qer_has_one() {
    for first in [true, false] {
        let mut world = World::associated();
        let with = CreateQer {
            qfi: Some(pfcp::Qfi::new(9).unwrap()),
            ..qer(1)
        };
        let without = CreateQer {
            qfi: None,
            ..qer(2)
        };
        let mut qers = vec![with, without];
        if !first {
            qers.reverse();
        }
        world.establish(&with_qers(qers));
        assert_eq!(step(&mut world, 1, |step| step.qfi), Qfi::new(9));
    }
}

#[test]
fn without_qers_nothing_is_marked() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&with_qers(vec![]));
    world.modify(seid, &activate(7, "10.10.3.101"));
    let asked = step(&mut world, 1, |step| {
        (
            step.qfi,
            step.meters().count(),
            matches!(step.act, Act::Tunnel { .. }),
        )
    });
    assert_eq!(asked, (None, 0, true));
}

#[test]
fn a_threshold_of_three_volumes() {
    let triggers = pfcp::ReportingTriggers::PERIO | pfcp::ReportingTriggers::VOLTH;
    let threshold = |total| {
        pfcp::VolumeThreshold::new(pfcp::Volumes {
            total,
            uplink: Some(1000),
            downlink: Some(2000),
        })
        .unwrap()
    };
    for (total, direction, octets) in [
        (None, Direction::Uplink, 1000),
        (None, Direction::Downlink, 2000),
        (Some(700), Direction::Uplink, 700),
        (Some(700), Direction::Downlink, 700),
    ] {
        let mut world = World::associated();
        let mut request = open5gs(9);
        request.create_urrs = vec![pfcp::CreateUrr {
            measurement_period: Some(pfcp::MeasurementPeriod(10)),
            volume_threshold: Some(threshold(total)),
            ..urr(1, triggers)
        }];
        world.establish(&request);
        let ledger: std::sync::Arc<Ledger> = step(&mut world, 1, |step| {
            step.ledgers().next().unwrap().1.clone()
        });
        let usage = ledger.usage();
        let mut counted = 0;
        while !usage.count(direction, 100, Moment(0)) {
            counted += 100;
        }
        assert_eq!(counted + 100, octets, "{total:?} {direction:?}");
        usage.disarm();
        let session = world.node.sessions().next().unwrap().0.0;
        world.report(WorkerReport::Usage { session, urr: 1 });
        let mut why = vec![];
        for _ in 0..2 {
            let is_report = |message: &Message| matches!(message, Message::SessionReportRequest(_));
            world.requests.retain(|request| is_report(&request.message));
            let Message::SessionReportRequest(report) = &world.requests[0].message else {
                unreachable!()
            };
            why.push(report.usage_reports[0].usage_report_trigger.to_string());
            let accepted = pfcp::SessionReportResponse {
                cause: Cause::REQUEST_ACCEPTED,
                ..Default::default()
            };
            world.reply(&accepted, None);
            world.pass(10_000);
        }
        assert_eq!(why, ["VOLTH", "PERIO"]);
    }
}

// ===== messages =====

#[test]
fn an_answer_has_the_priority_of_its_request() {
    let mut world = World::associated();
    for (n, priority) in [(50, Some(0)), (51, Some(12)), (52, None)] {
        let sequence = u32::from(n);
        let priority = priority.and_then(pfcp::Priority::new);
        let header = Header {
            priority,
            ..Header::session(0, sequence)
        };
        let mut octets = vec![];
        pfcp::encode(&header, &open5gs(n), &mut octets).unwrap();
        let answer = world.octets(smf(), &octets).remove(0);
        assert_eq!(answer.header.sequence, sequence);
        assert_eq!(answer.header.priority, priority);
        // In refusals, too.
        let header = Header {
            priority,
            ..Header::session(77, sequence + 10)
        };
        let mut octets = vec![];
        pfcp::encode(
            &header,
            &pfcp::SessionDeletionRequest::default(),
            &mut octets,
        )
        .unwrap();
        let answer = world.octets(smf(), &octets).remove(0);
        assert_eq!(
            cause(&answer.message),
            Some(Cause::SESSION_CONTEXT_NOT_FOUND.get())
        );
        assert_eq!(answer.header.priority, priority);
    }
}

fn node_id(message: &Message) -> Option<&NodeId> {
    match message {
        Message::AssociationSetupResponse(answer) => Some(&answer.node_id),
        Message::AssociationUpdateResponse(answer) => Some(&answer.node_id),
        Message::AssociationReleaseResponse(answer) => Some(&answer.node_id),
        Message::SessionEstablishmentResponse(answer) => Some(&answer.node_id),
        Message::SessionSetDeletionResponse(answer) => Some(&answer.node_id),
        Message::SessionSetModificationResponse(answer) => Some(&answer.node_id),
        _ => None,
    }
}

#[test]
fn every_answer_that_has_a_node_id_has_ours() {
    let names: [NodeId; 3] = [
        ip(UPF).into(),
        ip("2001:db8::7").into(),
        NodeId::fqdn("upf.example.net").unwrap(),
    ];
    for name in names {
        let mut config = NodeConfig::new(ip(UPF));
        config.node_id = name.clone();
        config.limits.sessions = 1;
        let mut world = World::with(config);
        let mut seen = BTreeSet::new();
        let mut sequence = 0;
        let mut check = |world: &mut World, mut octets: Vec<u8>| {
            sequence += 1;
            let at = if octets[0] & 1 == 1 { 12 } else { 4 };
            octets[at..at + 3].copy_from_slice(&u32::to_be_bytes(sequence)[1..]);
            let answer: Decoded = world.octets(smf(), &octets).remove(0);
            assert_eq!(node_id(&answer.message), Some(&name), "{answer}");
            seen.insert((answer.message.name(), cause(&answer.message)));
        };
        let update = pfcp::AssociationUpdateRequest {
            node_id: ip(SMF).into(),
            ..Default::default()
        };
        let release = pfcp::AssociationReleaseRequest {
            node_id: ip(SMF).into(),
            ..Default::default()
        };
        let mut wrong = open5gs(9);
        wrong.create_pdrs[0].far_id = Some(77.into());
        // Without a CP F-SEID: Node ID alone.
        let mut bare = vec![0x21, 50, 0, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bare.extend(ie(60, &[0, 10, 10, 4, 2]));
        for _ in 0..2 {
            check(&mut world, encode(None, 1, &update));
            check(&mut world, encode(None, 1, &release));
            check(&mut world, encode(Some(0), 1, &open5gs(9)));
            check(&mut world, encode(None, 1, &association()));
            check(&mut world, encode(None, 1, &update));
            check(&mut world, bare.clone());
            check(&mut world, encode(Some(0), 1, &wrong));
            check(&mut world, encode(Some(0), 1, &open5gs(9)));
            check(&mut world, encode(Some(0), 1, &open5gs(10)));
            // An association without a recovery time stamp.
            let mut half = vec![0x20, 5, 0, 13, 0, 0, 0, 0];
            half.extend(ie(60, &[0, 10, 10, 4, 2]));
            check(&mut world, half);
            check(&mut world, encode(None, 1, &release));
        }
        let establishments = seen
            .iter()
            .filter(|(name, _)| name.contains("Establishment"));
        let causes: Vec<_> = establishments.filter_map(|(_, cause)| *cause).collect();
        // Accepted, mandatory IE missing, no association, rule failure, no resources.
        assert_eq!(causes, [1, 66, 72, 73, 75]);
        assert_eq!(seen.len(), 5 + 2 + 2 + 2);
    }
}

#[test]
fn two_associations_in_a_row_after_our_restart() {
    // A node that has just begun: Open5GS associates, beats, sees the newer stamp, associates again
    // and restores everything in one burst.
    let mut world = World::associated();
    let beat = pfcp::HeartbeatRequest {
        recovery_time_stamp: RecoveryTimeStamp(3_800_000_000),
        ..Default::default()
    };
    world.ask(None, &beat);
    world.associate();
    assert_eq!(world.node.peer_statuses().len(), 1);
    for n in 1..20 {
        let mut request = open5gs(n);
        request.flags = Some(pfcp::PfcpSeReqFlags::RESTI);
        for (pdr, teid) in request.create_pdrs[1..].iter_mut().zip(u32::from(n) * 8..) {
            pdr.pdi.local_f_teid = Some(FTeid::given(teid, ip(N3)));
        }
        let answer = world.ask_from(smf(), Some(0x100 + u64::from(n)), &request);
        assert_eq!(cause(&answer.message), Some(1), "{answer}");
    }
    world.pass(30_000);
    assert_eq!(
        (
            world.node.session_count(),
            world.node.counters().peer_restarts
        ),
        (19, 0)
    );
}

#[test]
fn a_node_report_that_nobody_answers_is_given_up() {
    let mut config = NodeConfig::new(ip(UPF));
    // Heartbeats would be counted, too.
    config.heartbeat_interval_ms = 0;
    let mut world = World::with(config);
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    world.modify(seid, &activate(7, "10.10.3.101"));
    // The gNB answers no echo: its path fails.
    world.pass(120_000);
    let reports = world.sent.iter().filter(|(_, octets)| octets[1] == 12);
    let reports: Vec<_> = reports.collect();
    assert_eq!(reports.len(), 3, "N1 is 3");
    assert_eq!(reports[0], reports[2]);
    assert_eq!(
        (world.node.transactions().0, world.node.counters().timeouts),
        (0, 1)
    );
    assert_eq!(world.node.session_count(), 1);
    assert_eq!(world.modify(seid, &idle()).cause, Cause::REQUEST_ACCEPTED);
}

#[test]
fn an_answer_is_kept_for_fifteen_seconds() {
    let mut world = World::associated();
    let octets = encode(Some(0), 77, &open5gs(9));
    let first = world.octets(smf(), &octets);
    for _ in 0..3 {
        world.pass(4_990);
        assert_eq!(world.octets(smf(), &octets), first);
    }
    let counters = world.node.counters();
    assert_eq!((counters.established, counters.duplicates), (1, 3));
}

#[test]
fn the_longest_answers_fit_in_2048_octets() {
    let mut world = World::associated();
    let mut request = open5gs(9);
    // What Open5GS can have of a session: sixteen PDRs and URRs.
    request.create_pdrs = [request.create_pdrs[0].clone()].into();
    request.create_urrs.clear();
    for n in 1..=16_u16 {
        let pdi = Pdi {
            local_f_teid: Some(choose(None)),
            ..uplink_pdi()
        };
        let id = u32::from(n);
        let mut uplink = pdr(10 + n, 10, 2, pdi);
        uplink.urr_ids = vec![id.into()];
        request.create_pdrs.push(uplink);
        request.create_urrs.push(pfcp::CreateUrr {
            measurement_method: pfcp::MeasurementMethod::VOLUM | pfcp::MeasurementMethod::DURAT,
            ..urr(id, pfcp::ReportingTriggers::VOLTH)
        });
    }
    request.create_pdrs[0].urr_ids.clear();
    for urr in &mut request.create_urrs {
        urr.volume_threshold = Some(pfcp::VolumeThreshold::of_total(1_000_000));
    }
    let (seid, answer) = world.establish(&request);
    assert_eq!(answer.created_pdrs.len(), 16);
    for pdr in 11..=26 {
        step(&mut world, pdr, |step| {
            let (_, usage) = step.usages().next().unwrap();
            usage.count(Direction::Uplink, 100, Moment(0));
        });
    }
    let answer = world.delete(seid);
    assert_eq!(answer.usage_reports.len(), 16);
    let longest = world.sent.iter().map(|(_, octets)| octets.len()).max();
    assert!(longest < Some(2048), "{longest:?}");
}

#[test]
fn the_tests_in_the_tables_are_there() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let read = |name: &str| std::fs::read_to_string(format!("{directory}/{name}.rs")).unwrap();
    let this = read("oddities");
    let rows: Vec<&str> = this
        .lines()
        .filter(|line| line.starts_with("//! |"))
        .collect();
    assert!(rows.len() > 40);
    let mut named = BTreeSet::new();
    // Two tables, two lines of head each.
    for row in &rows[2..] {
        let tests = row.rsplit('|').nth(1).unwrap();
        let names = tests.split('`').skip(1).step_by(2);
        for name in names {
            let (file, test) = name.split_once("::").unwrap_or(("oddities", name));
            let text = if file == "oddities" {
                this.clone()
            } else {
                read(file)
            };
            assert!(text.contains(&format!("#[test]\nfn {test}()")), "{name}");
            named.insert((file.to_owned(), test.to_owned()));
        }
    }
    // And all of this file are in the tables, save this one.
    let here = this.matches("\n#[test]\nfn ").count();
    assert_eq!(
        named.iter().filter(|(file, _)| file == "oddities").count(),
        here - 1
    );
}
