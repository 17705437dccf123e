//! C: sessions and rules.

use pfcp::{Cause, FTeid, Message};

use crate::support::*;
use crate::*;

entries! { cases:
    c01_an_establishment_without_rules_is_refused "C01";
    c02_a_pdr_without_far_is_refused "C02";
    c03_a_pdi_without_source_interface_is_refused "C03";
    c04_an_outer_header_creation_of_no_octets_is_refused "C04";
    c05_an_outer_header_creation_that_is_cut_is_refused "C05";
    c07_f_teids_are_read_with_care "C07";
    c08_an_f_teid_of_a_family_that_n3_has_not_is_refused "C08";
    c11_pdn_types_are_those_that_are_carried "C11";
    c14_rules_that_nobody_created_are_not_made_up "C14";
    c15_destinations_are_those_that_are_known "C15";
    c17_thresholds_are_whole_and_zero_does_not_spin "C17";
    c21_one_id_is_one_rule "C21";
    c32_f_seids_are_read_with_care "C32";
    what_is_not_done_is_refused "not done here:";
}

fn cases() -> Vec<Case> {
    let access = || source(0);
    let far = |to: Vec<u8>| create_far(1, &[ie(44, &[2]), ie(4, &to)]);
    let tunnel = |value: &[u8]| with_far(far([ie(42, &[0]), ie(84, value)].concat()));
    let f_teid_of = |value: &[u8]| with_pdi(&[access(), ie(21, value)]);
    let urr = |ies: &[Vec<u8>]| with(ie(6, &[&[ie(81, &[0, 0, 0, 1])], ies].concat().concat()));
    let volume = || [ie(62, &[2]), ie(37, &[2, 0, 0])].concat();
    let f_seid_of =
        |value: &[u8]| establishment(&[node_id(), ie(57, value), good_pdr(), good_far()]);
    let bad = |r#type| Refuse(&[68, 69, 71, 73], Some(r#type));
    let wrong_length = |r#type| Refuse(&[68], Some(r#type));
    let mut cases = vec![
        ("C01 nothing", establishment(&[]), Refuse(&[66], None)),
        (
            "C01 no rules",
            establishment(&[node_id(), f_seid()]),
            Refuse(&[66], Some(1)),
        ),
        (
            "C01 no FAR",
            establishment(&[node_id(), f_seid(), good_pdr()]),
            Refuse(&[66], Some(3)),
        ),
        (
            "C01 no F-SEID",
            establishment(&[node_id(), good_pdr(), good_far()]),
            Refuse(&[66], Some(57)),
        ),
        (
            "C01 no Node ID",
            establishment(&[f_seid(), good_pdr(), good_far()]),
            Refuse(&[66], Some(60)),
        ),
        (
            "C02 PDR without FAR",
            with_pdr(create_pdr(1, pdi(&[access(), f_teid()]), &[])),
            Refuse(&[66, 67], Some(108)),
        ),
        (
            "C03 PDI without source",
            with_pdi(&[f_teid()]),
            Refuse(&[66], Some(20)),
        ),
        ("C04 OHC of no octets", tunnel(&[]), wrong_length(84)),
        (
            "C08 IPv6 alone",
            f_teid_of(&[6]),
            Refuse(&[71, 75], Some(21)),
        ),
        (
            "C11 PDN type 0",
            with(ie(113, &[0])),
            Refuse(&[69, 76], Some(113)),
        ),
        (
            "C11 PDN type 7",
            with(ie(113, &[7])),
            Refuse(&[69, 76], Some(113)),
        ),
        (
            "C11 PDN type Ethernet of what has a UE IP address",
            with(ie(113, &[5])),
            Refuse(&[73], None),
        ),
        (
            "C11 PDN type Non-IP",
            with(ie(113, &[4])),
            Refuse(&[76], Some(113)),
        ),
        (
            "C11 PDN type of no octets",
            with(ie(113, &[])),
            wrong_length(113),
        ),
        (
            "C14 QER that is not there",
            with_pdr(create_pdr(
                1,
                pdi(&[access(), f_teid()]),
                &[far_id(1), ie(109, &[0, 0, 0, 8])],
            )),
            Refuse(&[73, 69], Some(109)),
        ),
        (
            "C14 URR that is not there",
            with_pdr(create_pdr(
                1,
                pdi(&[access(), f_teid()]),
                &[far_id(1), ie(81, &[0, 0, 0, 8])],
            )),
            Refuse(&[73, 69], Some(81)),
        ),
        (
            "C14 FAR that is not there",
            with_pdr(create_pdr(1, pdi(&[access(), f_teid()]), &[far_id(9)])),
            Refuse(&[73, 69], Some(108)),
        ),
        (
            "C17 threshold cut",
            urr(&[volume(), ie(31, &[7, 0, 0])]),
            wrong_length(31),
        ),
        (
            "C17 threshold of no octets",
            urr(&[volume(), ie(31, &[])]),
            wrong_length(31),
        ),
        (
            "C17 quota cut",
            urr(&[volume(), ie(73, &[1, 0])]),
            wrong_length(73),
        ),
        (
            "C17 time threshold cut",
            urr(&[volume(), ie(32, &[1])]),
            wrong_length(32),
        ),
        (
            "C17 period of no octets",
            urr(&[volume(), ie(64, &[])]),
            wrong_length(64),
        ),
        (
            "C17 triggers of one octet",
            urr(&[ie(62, &[2]), ie(37, &[2])]),
            wrong_length(37),
        ),
        (
            "C17 method of no octets",
            urr(&[ie(62, &[]), ie(37, &[2, 0])]),
            wrong_length(62),
        ),
        (
            "C17 period and threshold of zero",
            urr(&[
                ie(62, &[3]),
                ie(37, &[7, 0, 0]),
                ie(64, &[0; 4]),
                ie(32, &[0; 4]),
                ie(31, &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ]),
            Accept,
        ),
        (
            "C21 one PDR twice",
            with(good_pdr()),
            Refuse(&[69, 73], Some(56)),
        ),
        (
            "C21 one FAR twice",
            with(good_far()),
            Refuse(&[69, 73], Some(108)),
        ),
        (
            "C32 no address",
            f_seid_of(&[0, 0, 0, 0, 0, 0, 0, 0, 1]),
            bad(57),
        ),
        (
            "C32 SEID 0",
            f_seid_of(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 10, 10, 4, 2]),
            bad(57),
        ),
        ("C32 one octet", f_seid_of(&[2]), bad(57)),
        ("C32 empty", f_seid_of(&[]), bad(57)),
        (
            "C32 foreign Node ID",
            establishment(&[ie(60, &[0, 9, 9, 9, 9]), f_seid(), good_pdr(), good_far()]),
            Refuse(&[72, 69], None),
        ),
        (
            "not done here: no network",
            with_far(far([ie(42, &[1]), ie(22, b"nowhere")].concat())),
            Refuse(&[73], Some(22)),
        ),
        (
            "not done here: loop to ourselves",
            tunnel(&hex("0100000000010a0a0307")),
            Refuse(&[69], Some(84)),
        ),
        (
            "not done here: IPv6 tunnel",
            tunnel(&hex("02000000000120010db8000000000000000000000001")),
            Refuse(&[73], Some(84)),
        ),
        (
            "not done here: application",
            with_pdi(&[access(), f_teid(), ie(24, b"voice")]),
            Refuse(&[73], Some(24)),
        ),
        (
            "not done here: traffic endpoint",
            with(ie(127, &[&ie(131, &[1])[..], &ie(142, &[1])].concat())),
            Refuse(&[73], Some(142)),
        ),
        (
            "not done here: framed route",
            with_pdi(&[access(), f_teid(), ie(153, b"all of it")]),
            Refuse(&[73], Some(153)),
        ),
        (
            "not done here: UE address to choose",
            with_pdi(&[access(), f_teid(), ie(93, &[0x10])]),
            Refuse(&[76], Some(93)),
        ),
        (
            "not done here: time quota mechanism",
            urr(&[volume(), ie(115, &[0, 0, 0, 0, 1])]),
            Refuse(&[73], Some(115)),
        ),
        (
            "not done here: event trigger",
            urr(&[ie(62, &[2]), ie(37, &[0, 0x10])]),
            Refuse(&[73], Some(37)),
        ),
        (
            "not done here: forwarding policy",
            with_far(far(
                [ie(42, &[1]), ie(22, b"internet"), ie(41, &[1, b'x'])].concat()
            )),
            Refuse(&[70], Some(41)),
        ),
    ];
    for value in [
        "0100",
        "010000000001",
        "0100000000010a0000",
        "02000000000120010db8",
        "0000",
        "ffff00000001",
        "04007f000001",
    ] {
        cases.push((
            "C05 OHC cut",
            tunnel(&hex(value)),
            Refuse(&[68, 69], Some(84)),
        ));
    }
    for value in [
        "",
        "01",
        "01000000",
        "01000000010a",
        "0000000001",
        "0800000001",
        "0d",
    ] {
        cases.push(("C07 F-TEID", f_teid_of(&hex(value)), bad(21)));
    }
    for interface in [0x0f, 6, 4, 5] {
        cases.push((
            "C15 destination",
            with_far(far(ie(42, &[interface]))),
            Refuse(&[69, 73], Some(42)),
        ));
    }
    // Duplication, multicast, contradictions and nothing at all.
    for action in [
        &[0x10][..],
        &[0x12],
        &[0x20],
        &[0],
        &[3],
        &[6],
        &[0x0a],
        &[8],
        &[2, 1],
        &[2, 2],
    ] {
        let far = create_far(1, &[ie(44, action)]);
        cases.push((
            "not done here: apply action",
            with_far(far),
            Refuse(&[69, 73], Some(44)),
        ));
    }
    cases
}

#[test]
fn c09_an_f_teid_belongs_to_its_session() {
    let mut world = World::associated();
    let (victim, answer) = world.establish(&open5gs(9));
    let FTeid::Given { teid, .. } = answer.created_pdrs[0].local_f_teids[0] else {
        panic!()
    };
    let before = world.rules(victim);
    let mut thief = open5gs(10);
    thief.create_pdrs[1].pdi.local_f_teid = Some(FTeid::given(teid, ip(N3)));
    let answer = world.ask_from(smf(), Some(0), &thief);
    assert!([69, 73].contains(&cause_of(&answer).0));
    assert_eq!(cause_of(&answer).1, Some(21));
    // Nor one that an SMF chose, nor the victim's address.
    let mut first = open5gs(11);
    first.create_pdrs[1].pdi.local_f_teid = Some(FTeid::given(0x7777, ip(N3)));
    world.establish(&first);
    first.cp_f_seid.seid += 50;
    first.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(ue(12), true)];
    assert_eq!(
        cause_of(&world.ask_from(smf(), Some(0), &first)).1,
        Some(21)
    );
    let mut same_address = open5gs(9);
    same_address.cp_f_seid.seid += 50;
    assert_eq!(
        cause_of(&world.ask_from(smf(), Some(0), &same_address)),
        (73, Some(93))
    );
    // When restoring, the cause says so.
    same_address.flags = Some(pfcp::PfcpSeReqFlags::RESTI);
    assert_eq!(
        cause_of(&world.ask_from(smf(), Some(0), &same_address)).0,
        86
    );
    assert_eq!(world.rules(victim), before);
    assert_eq!(world.node.session_count(), 2);
    let snapshot = world.readers[0].snapshot();
    let tunnel = before
        .pdrs
        .iter()
        .find_map(|pdr| pdr.pdi.local_f_teid)
        .unwrap();
    let owner = snapshot.tunnel(tunnel).unwrap().plan();
    assert_eq!(owner.seid, session::Seid(victim));
}

#[test]
fn c22_rules_that_are_not_there() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let before = world.rules(seid);
    let id = |r#type: u16| match r#type {
        56 => ie(56, &[3, 9]),
        88 => ie(88, &[99]),
        other => ie(other, &[0, 0, 3, 9]),
    };
    // Update, Remove and Query, and the type of the id in each.
    for (group, rule) in [
        (9, 56),
        (10, 108),
        (13, 81),
        (14, 109),
        (86, 88),
        (15, 56),
        (16, 108),
        (17, 81),
        (18, 109),
        (87, 88),
        (77, 81),
    ] {
        // A change that would be fine comes first.
        let drop = ie(10, &[far_id(1), ie(44, &[1])].concat());
        let answers = world.octets(
            smf(),
            &session(
                MOD,
                seid,
                1000 + u32::from(group),
                &[drop, ie(group, &id(rule))],
            ),
        );
        let Message::SessionModificationResponse(answer) = &answers[0].message else {
            panic!()
        };
        assert_eq!(
            answer.cause,
            Cause::RULE_CREATION_MODIFICATION_FAILURE,
            "{group}"
        );
        assert!(answer.failed_rule_id.is_some(), "{group}");
        assert_eq!(world.rules(seid), before, "{group}");
    }
}

#[test]
fn c27_seids_and_teids_cannot_be_guessed() {
    let mut world = World::associated();
    let mut seids = vec![];
    let mut teids = vec![];
    for n in 0..24 {
        let (seid, answer) = world.establish(&open5gs(n + 1));
        let FTeid::Given { teid, .. } = answer.created_pdrs[0].local_f_teids[0] else {
            panic!()
        };
        seids.push(seid >> 24);
        teids.push(teid);
    }
    for pair in seids.windows(2) {
        assert!(pair[0].abs_diff(pair[1]) > 1 << 16, "{seids:x?}");
    }
    let steps: std::collections::BTreeSet<_> =
        teids.windows(2).map(|p| p[1].wrapping_sub(p[0])).collect();
    assert!(steps.len() > 20, "{teids:x?}");
}

#[test]
fn c30_answers_to_nothing_are_ignored() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    world.delete(seid);
    let answer = pfcp::SessionReportResponse {
        cause: Cause::SESSION_CONTEXT_NOT_FOUND,
        ..Default::default()
    };
    assert!(
        world
            .octets(smf(), &encode(Some(seid), 1, &answer))
            .is_empty()
    );
    assert_eq!(world.node.counters().dropped(upf_cp::Dropped::Unmatched), 1);
}

#[test]
fn c33_a_full_table_is_an_answer() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.limits.sessions = 8;
    let mut world = World::with(config);
    world.associate();
    let seids: Vec<_> = (1..=8).map(|n| world.establish(&open5gs(n)).0).collect();
    for n in 9..40 {
        assert_eq!(cause_of(&world.ask_from(smf(), Some(0), &open5gs(n))).0, 75);
    }
    for seid in seids {
        assert_eq!(world.delete(seid).cause, Cause::REQUEST_ACCEPTED);
    }
    assert_eq!(world.node.publisher().sessions(), 0);
    world.establish(&open5gs(9));
}

/// Remove PDR 1, set FAR 1 to drop, update a PDR that is not there: the session goes on as before.
#[test]
fn c23_a_rejected_modification_is_none() {
    let (mut world, seid) = with_victim();
    let before = world.snapshot();
    let remove = ie(15, &ie(56, &[0, 1]));
    let drop = ie(10, &[far_id(1), ie(44, &[1])].concat());
    let create = create_pdr(30, pdi(&[source(0), f_teid()]), &[far_id(2)]);
    let update = ie(9, &ie(56, &[3, 9]));
    let commands = world.commands.len();
    for sequence in 0..100 {
        let ies = [remove.clone(), drop.clone(), create.clone(), update.clone()];
        let answers = world.octets(smf(), &session(MOD, seid, 900 + sequence, &ies));
        assert_eq!(cause_of(&answers[0]), (73, Some(56)));
    }
    assert_same(&world.snapshot(), &before, "refused");
    assert_eq!(world.commands.len(), commands, "workers are told nothing");
}

#[test]
fn c25_an_unknown_seid_is_nobodys() {
    let (mut world, live) = with_victim();
    let before = world.snapshot();
    let mut sequence = 900;
    let near = (0..64).map(|bit| live ^ 1 << bit);
    for seid in [0, 1, 1 << 63, u64::MAX].into_iter().chain(near) {
        for message in [MOD, 54] {
            sequence += 1;
            let answers = world.octets(smf(), &session(message, seid, sequence, &[]));
            assert_eq!(cause_of(&answers[0]).0, 65, "{seid:x}");
            assert_eq!(answers[0].header.seid, Some(0), "{seid:x}");
        }
    }
    assert_same(&world.snapshot(), &before, "refused");
}

#[test]
fn c29_what_is_deleted_stays_deleted() {
    let (mut world, seid) = with_victim();
    let tunnels: Vec<_> = world
        .rules(seid)
        .pdrs
        .iter()
        .filter_map(|pdr| pdr.pdi.local_f_teid)
        .collect();
    assert_eq!(world.delete(seid).cause, Cause::REQUEST_ACCEPTED);
    for reader in &mut world.readers {
        let snapshot = reader.snapshot();
        assert!(
            tunnels
                .iter()
                .all(|tunnel| snapshot.tunnel(*tunnel).is_none())
        );
    }
    for _ in 0..3 {
        assert_eq!(world.delete(seid).cause, Cause::SESSION_CONTEXT_NOT_FOUND);
    }
}

/// An establishment that takes the place of a session of its SMF, and is refused because a third
/// has what it wants: the old session stays.
#[test]
fn c09_a_refused_replacement_leaves_what_was() {
    let (mut world, victim) = with_victim();
    world.establish(&open5gs(10));
    let before = world.snapshot();
    let mut again = open5gs(9);
    again.create_pdrs[0].pdi.ue_ip_addresses = vec![ue_ip(ue(10), true)];
    let answer = world.ask_from(smf(), Some(0), &again);
    assert_eq!(cause_of(&answer), (73, Some(93)));
    assert_same(&world.snapshot(), &before, "refused");
    assert!(world.node.rules(session::Seid(victim)).is_some());
}

/// C35: however many packets a FAR holds, the SMF is told once until it answers with new rules.
#[test]
fn c35_one_report_for_what_is_held() {
    let (mut world, seid) = with_victim();
    world.modify(seid, &idle());
    let index = world.node.session_statuses()[0].index.0;
    for _ in 0..100 {
        let report = upf_cp::WorkerReport::DownlinkData {
            session: index,
            pdr: 1,
            far: 1,
            qfi: Some(1),
            tos: 0,
        };
        world.report(report);
    }
    let limit = upf_cp::Limits::default().outstanding_requests_per_peer;
    assert!(
        world.requests.len() <= limit,
        "bounded whatever the worker says"
    );
    let forward = world.modify(seid, &activate(7, "10.10.3.101"));
    assert_eq!(forward.cause, Cause::REQUEST_ACCEPTED);
    let requests = world.requests.len();
    world.report(upf_cp::WorkerReport::DownlinkData {
        session: index,
        pdr: 1,
        far: 1,
        qfi: None,
        tos: 0,
    });
    assert_eq!(world.requests.len(), requests, "it holds nothing any more");
}
