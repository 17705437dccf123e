//! Predefined rules (TS 29.244, 5.19) and configured applications: what the configuration knows and
//! SMFs name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use pfcp::{
    ActivatePredefinedRules, ApplicationId, Cause, CpFunctionFeatures, CreatePdr,
    DeactivatePredefinedRules, FailedRuleId, Message, OffendingIe, SdfFilter,
    SessionEstablishmentRequest, SessionModificationRequest, UpFunctionFeatures, Update, UpdatePdr,
    UsageReportTrigger,
};
use session::InterfaceId;
use session::inner::Inner;
use session::plan::Arrival;
use session::sdf::FlowDescription;
use support::*;
use upf_cp::{
    Application, NodeConfig, PredefinedAction, PredefinedFar, PredefinedQer, PredefinedRule,
    PredefinedRules, PredefinedUrr,
};

const N6: InterfaceId = InterfaceId(2);
/// On N4, numbers of predefined rules have the highest bit set.
const BIT: u32 = 0x8000_0000;
const ACTIVATE: u16 = 106;
const DEACTIVATE: u16 = 107;

fn flow(text: &str) -> FlowDescription {
    FlowDescription::parse(text).unwrap()
}

/// Rules `video` and `dns`, both of the group `family`, and `all`; with a FAR each for forwarding and
/// dropping, a QER with a closed uplink gate, and a URR.
fn config() -> NodeConfig {
    let rule = |name: &str| PredefinedRule {
        name: name.to_owned(),
        precedence: 100,
        ..Default::default()
    };
    let group = Some("family".to_owned());
    let rules = vec![
        rule("all"),
        PredefinedRule {
            group: group.clone(),
            application: Some("video".to_owned()),
            far: Some(1),
            urrs: vec![1],
            ..rule("video")
        },
        PredefinedRule {
            group,
            precedence: 50,
            flows: vec![flow("permit out 17 from any 53 to assigned")],
            far: Some(2),
            qers: vec![1],
            ..rule("dns")
        },
    ];
    let forward = PredefinedAction::Forward {
        network: Some("internet".to_owned()),
    };
    let far = |number, does| PredefinedFar { number, does };
    NodeConfig {
        applications: vec![Application {
            id: "video".to_owned(),
            flows: vec![flow("permit out 17 from 192.0.2.0/24 443 to assigned")],
        }],
        predefined: PredefinedRules {
            rules,
            fars: vec![far(1, forward), far(2, PredefinedAction::Drop)],
            qers: vec![PredefinedQer {
                number: 1,
                downlink_open: true,
                downlink_kbps: Some(64),
                qfi: Some(7),
                ..Default::default()
            }],
            urrs: vec![PredefinedUrr {
                number: 1,
                volume_threshold_octets: Some(1_000),
                period_s: Some(60),
            }],
        },
        ..NodeConfig::new(ip(UPF))
    }
}

fn world() -> World {
    let mut world = World::with(config());
    world.associate();
    world
}

fn activate_ie(name: &str) -> ActivatePredefinedRules {
    ActivatePredefinedRules(name.into())
}

/// A downlink PDR before all others, with rules of that name, and its own FAR or none.
fn with_rules(n: u8, names: &[&str], far: Option<u32>) -> SessionEstablishmentRequest {
    let mut request = open5gs(n);
    request.create_pdrs.push(CreatePdr {
        far_id: far.map(Into::into),
        activate_predefined_rules: names.iter().map(|name| activate_ie(name)).collect(),
        ..pdr(9, 10, 0, downlink_pdi(n))
    });
    request
}

/// Which PDR, FAR and QFI a downlink packet from there finds.
fn downlink(world: &mut World, from: &str, port: u16) -> (u16, u32, Option<u8>) {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    let std::net::IpAddr::V4(from) = ip(from) else {
        panic!()
    };
    packet.extend(from.octets());
    packet.extend(ue(9).octets());
    packet.extend(port.to_be_bytes());
    packet.extend([0x10, 0, 0, 8, 0, 0]);
    let snapshot = world.readers[0].snapshot();
    let handle = snapshot.ipv4(N6, ue(9)).unwrap();
    let arrival = Arrival {
        inner: Inner::parse(&packet).unwrap(),
        qfi: None,
    };
    let entrance = handle.entrance().unwrap();
    let step = entrance.classify(&arrival);
    let step = step.unwrap();
    (step.pdr.0, step.far.0, step.qfi.map(session::Qfi::get))
}

fn update(pdr: UpdatePdr) -> SessionModificationRequest {
    SessionModificationRequest {
        update_pdrs: vec![pdr],
        ..Default::default()
    }
}

fn on(name: &str) -> SessionModificationRequest {
    update(UpdatePdr {
        pdr_id: 9.into(),
        activate_predefined_rules: vec![activate_ie(name)],
        ..Default::default()
    })
}

fn off(name: &str) -> SessionModificationRequest {
    update(UpdatePdr {
        pdr_id: 9.into(),
        deactivate_predefined_rules: vec![DeactivatePredefinedRules(name.into())],
        ..Default::default()
    })
}

/// The predefined FARs, QERs and URRs that the session has now, by number.
fn predefined(world: &World, seid: u64) -> [Vec<u32>; 3] {
    let rules = world.rules(seid);
    let numbers = |ids: Vec<u32>| {
        ids.iter()
            .filter(|id| **id >= BIT)
            .map(|id| id - BIT)
            .collect()
    };
    [
        numbers(rules.fars.iter().map(|far| far.id.0).collect()),
        numbers(rules.qers.iter().map(|qer| qer.id.0).collect()),
        numbers(rules.urrs.iter().map(|urr| urr.id.0).collect()),
    ]
}

#[test]
fn packets_match_the_pdr_and_one_of_its_predefined_rules() {
    let mut world = world();
    let seid = world.establish(&with_rules(9, &["family"], None)).0;
    // The rule's own FAR and QER; other packets find the next PDR.
    assert_eq!(downlink(&mut world, "192.0.2.7", 443), (9, BIT | 1, None));
    assert_eq!(downlink(&mut world, "192.0.2.7", 53), (9, BIT | 2, Some(7)));
    assert_eq!(downlink(&mut world, "192.0.2.7", 80), (1, 1, Some(1)));
    assert_eq!(predefined(&world, seid), [vec![1, 2], vec![1], vec![1]]);
    let rules = world.rules(seid);
    let qer = rules.qers.iter().find(|qer| qer.id.0 == BIT | 1).unwrap();
    assert_eq!(qer.uplink_gate, session::rule::Gate::Closed);
    assert_eq!(qer.mbr.unwrap().downlink_kbps, 64);
    world.delete(seid);
    assert_eq!(world.node.sessions().count(), 0);
}

#[test]
fn the_pdrs_own_far_wins_and_qers_come_together() {
    let mut world = world();
    let mut request = with_rules(9, &["dns"], Some(3));
    request.create_pdrs[4].qer_ids = vec![1.into()];
    let seid = world.establish(&request).0;
    assert_eq!(downlink(&mut world, "192.0.2.7", 53), (9, 3, Some(1)));
    let rules = world.rules(seid);
    let pdr = rules.pdrs.iter().find(|pdr| pdr.id.0 == 9).unwrap();
    let qers: Vec<u32> = pdr.qers.iter().map(|qer| qer.0).collect();
    assert_eq!(qers, [1, BIT | 1]);
    // What nothing names is not there.
    assert_eq!(predefined(&world, seid), [vec![], vec![1], vec![]]);
}

#[test]
fn rules_are_activated_and_deactivated_one_by_one() {
    let mut world = world();
    let seid = world.establish(&with_rules(9, &["video"], Some(1))).0;
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).0, 9);
    assert_eq!(downlink(&mut world, "192.0.2.7", 53).0, 1);
    assert_eq!(
        world.modify(seid, &on("dns")).cause,
        Cause::REQUEST_ACCEPTED
    );
    // What is active may be activated again.
    assert_eq!(
        world.modify(seid, &on("family")).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).0, 9);
    assert_eq!(downlink(&mut world, "192.0.2.7", 53), (9, 1, Some(7)));
    let answer = world.modify(seid, &off("video"));
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    // Its URR goes with it, and reports for the last time if anything was counted.
    assert!(answer.usage_reports.is_empty());
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).0, 1);
    assert_eq!(downlink(&mut world, "192.0.2.7", 53).0, 9);
    assert_eq!(predefined(&world, seid), [vec![], vec![1], vec![]]);
    // Without any rule, the PDR is what the rest of it says.
    assert_eq!(
        world.modify(seid, &off("family")).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(downlink(&mut world, "192.0.2.7", 80).0, 9);
    assert_eq!(predefined(&world, seid), [vec![], vec![], vec![]]);
}

#[test]
fn usage_of_a_predefined_urr_is_reported_under_its_number() {
    let mut world = world();
    let seid = world.establish(&with_rules(9, &["video"], Some(1))).0;
    let count = |world: &mut World| {
        let index = world.node.sessions().next().unwrap().0;
        let snapshot = world.readers[0].snapshot();
        let plan = snapshot.session(index).unwrap();
        let step = plan.steps().find(|step| step.pdr.0 == 9).unwrap();
        let ledger = step.ledgers().find(|(urr, _)| urr.0 == BIT | 1).unwrap().1;
        ledger.usage().count(
            session::rule::Direction::Downlink,
            300,
            session::usage::Moment(0),
        );
    };
    count(&mut world);
    let answer = world.modify(seid, &off("video"));
    let [report] = answer.usage_reports.as_slice() else {
        panic!("{answer}")
    };
    assert_eq!(report.urr_id.0, BIT | 1);
    assert_eq!(report.usage_report_trigger, UsageReportTrigger::TERMR);
    assert_eq!(report.volume_measurement.as_ref().unwrap().total, Some(300));
    // Activated anew, it starts anew; and its period is kept.
    world.modify(seid, &on("video"));
    count(&mut world);
    world.pass(60_000);
    let reports = world
        .requests
        .iter()
        .filter_map(|request| match &request.message {
            Message::SessionReportRequest(report) => report.usage_reports.first(),
            _ => None,
        });
    let reports: Vec<_> = reports.collect();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].urr_id.0, BIT | 1);
    assert_eq!(reports[0].usage_report_trigger, UsageReportTrigger::PERIO);
}

#[test]
fn an_unknown_rule_is_refused_and_nothing_has_changed() {
    let mut world = world();
    let seid = world.establish(&with_rules(9, &["video"], None)).0;
    let before = world.snapshot();
    for (request, offending) in [
        (on("gold"), ACTIVATE),
        (off("dns"), DEACTIVATE),
        (off(""), DEACTIVATE),
    ] {
        let answer = world.modify(seid, &request);
        assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
        assert_eq!(answer.offending_ie, Some(OffendingIe(offending)));
        assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(9.into())));
        assert_same(&world.snapshot(), &before, "refused");
    }
    let Message::SessionEstablishmentResponse(answer) =
        world.ask(Some(0), &with_rules(8, &["video", "gold"], None))
    else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(ACTIVATE)));
    assert_same(&world.snapshot(), &before, "refused");
}

/// "Unknown pre-defined rule" is said of one rule among others.
#[test]
fn an_smf_that_takes_a_part_is_told_which_rule_is_unknown() {
    let mut world = World::with(config());
    let mut request = association();
    request.cp_function_features = Some(CpFunctionFeatures::PSUCC);
    world.ask(None, &request);
    let (_, answer) = {
        let request = with_rules(9, &["gold"], None);
        let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
            panic!()
        };
        (request, answer)
    };
    assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    let [failure] = answer.partial_failure_informations.as_slice() else {
        panic!("{answer}")
    };
    assert_eq!(failure.failed_rule_id, FailedRuleId::Pdr(9.into()));
    assert_eq!(failure.failure_cause, Cause::UNKNOWN_PRE_DEFINED_RULE);
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).0, 1);
}

#[test]
fn some_far_must_say_what_is_done() {
    let mut world = world();
    // `all` has none.
    for names in [&["all"][..], &["all", "video"], &[]] {
        let Message::SessionEstablishmentResponse(answer) =
            world.ask(Some(0), &with_rules(9, names, None))
        else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::CONDITIONAL_IE_MISSING, "{names:?}");
        assert_eq!(answer.offending_ie, Some(OffendingIe(108)));
    }
    let seid = world.establish(&with_rules(9, &["video"], None)).0;
    // The last one that has it cannot go; a FAR may be given and taken away.
    let answer = world.modify(seid, &off("video"));
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(108)));
    let far = |far| {
        update(UpdatePdr {
            pdr_id: 9.into(),
            far_id: far,
            ..Default::default()
        })
    };
    let given = world.modify(seid, &far(Update::Set(1.into())));
    assert_eq!(given.cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).1, 1);
    assert_eq!(predefined(&world, seid)[0], Vec::<u32>::new());
    assert_eq!(
        world.modify(seid, &far(Update::Remove)).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).1, BIT | 1);
}

#[test]
fn filters_of_the_pdr_and_of_its_rules_cannot_both_be_asked_for() {
    let mut world = world();
    let mut request = with_rules(9, &["video"], Some(1));
    request.create_pdrs[4].pdi.sdf_filters =
        vec![SdfFilter::flow("permit out 17 from any to assigned").unwrap()];
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(OffendingIe(ACTIVATE)));
    // A rule without filters leaves it to those of the PDR.
    request.create_pdrs[4].activate_predefined_rules = vec![activate_ie("all")];
    world.establish(&request);
    assert_eq!(downlink(&mut world, "192.0.2.7", 80).0, 9);
}

#[test]
fn predefined_rules_are_named_by_id_but_not_changed_by_smfs() {
    let mut world = world();
    // A PDR that refers to a predefined FAR, QER and URR directly.
    let mut request = open5gs(9);
    request.create_pdrs.push(CreatePdr {
        qer_ids: vec![(BIT | 1).into()],
        urr_ids: vec![(BIT | 1).into()],
        ..pdr(9, 10, BIT | 2, downlink_pdi(9))
    });
    let seid = world.establish(&request).0;
    assert_eq!(downlink(&mut world, "192.0.2.7", 80), (9, BIT | 2, Some(7)));
    assert_eq!(predefined(&world, seid), [vec![2], vec![1], vec![1]]);
    let before = world.snapshot();
    for id in [BIT | 1, BIT | 2] {
        let mut update = modification(pfcp::UpdateFar {
            far_id: id.into(),
            ..Default::default()
        });
        let remove = SessionModificationRequest {
            remove_fars: vec![pfcp::RemoveFar {
                far_id: id.into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let create = SessionModificationRequest {
            create_fars: vec![far(id, pfcp::ApplyAction::DROP, None)],
            ..Default::default()
        };
        update.update_fars[0].apply_action = Some(pfcp::ApplyAction::DROP);
        for request in [update, remove, create] {
            let answer = world.modify(seid, &request);
            assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
            assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Far(id.into())));
        }
    }
    let others = SessionModificationRequest {
        create_qers: vec![qer(BIT | 1)],
        ..Default::default()
    };
    let answer = world.modify(seid, &others);
    assert_eq!(
        answer.failed_rule_id,
        Some(FailedRuleId::Qer((BIT | 1).into()))
    );
    let others = SessionModificationRequest {
        remove_urrs: vec![pfcp::RemoveUrr {
            urr_id: (BIT | 1).into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = world.modify(seid, &others);
    assert_eq!(
        answer.failed_rule_id,
        Some(FailedRuleId::Urr((BIT | 1).into()))
    );
    assert_same(&world.snapshot(), &before, "refused");
    // One that there is not is refused as any other.
    let mut request = open5gs(8);
    request.create_pdrs[0].far_id = Some((BIT + 77).into());
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
}

#[test]
fn pfds_take_the_place_of_a_configured_application() {
    let mut world = world();
    let mut request = with_rules(9, &["video"], Some(1));
    let mut pdi = downlink_pdi(9);
    pdi.application_id = Some(ApplicationId("video".into()));
    request.create_pdrs.push(pdr(10, 20, 3, pdi));
    let seid = world.establish(&request).0;
    // Both the predefined rule and a PDR that names the application.
    let pdrs = |world: &mut World, seid: u64, port: u16| {
        let first = downlink(world, "192.0.2.7", port).0;
        world.modify(seid, &off("video"));
        let rules = world.rules(seid);
        let named = rules.pdrs.iter().find(|pdr| pdr.id.0 == 10).unwrap();
        let flows = named.pdi.sdf_filters.len();
        world.modify(seid, &on("video"));
        (first, flows)
    };
    assert_eq!(pdrs(&mut world, seid, 443), (9, 1));
    // By PDFs, video is what comes from port 443 over TCP.
    let mut pfds = whole::pfds();
    pfds.applications[0].pfd_contexts[0].pfd_contents[0].flow_description =
        pfcp::wire::Long::new("permit out 17 from 203.0.113.0/24 to assigned");
    world.ask(None, &pfds);
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).0, 1);
    assert_eq!(downlink(&mut world, "203.0.113.7", 80).0, 9);
    // Without PFDs it is again what the configuration says.
    pfds.applications.clear();
    world.ask(None, &pfds);
    assert_eq!(downlink(&mut world, "192.0.2.7", 443).0, 9);
    assert_eq!(downlink(&mut world, "203.0.113.7", 80).0, 1);
}

#[test]
fn adpdp_is_announced_where_there_are_rules() {
    let features = |config| {
        let mut world = World::with(config);
        let Message::AssociationSetupResponse(answer) = world.ask(None, &association()) else {
            panic!()
        };
        answer.up_function_features.unwrap()
    };
    assert!(features(config()).contains(UpFunctionFeatures::ADPDP));
    assert!(!features(NodeConfig::new(ip(UPF))).contains(UpFunctionFeatures::ADPDP));
}

/// A PDR stands for at most 256 others; more is an answer.
#[test]
fn a_pdr_with_more_rules_than_it_can_stand_for_is_refused() {
    let mut config = config();
    config.limits.pdrs_per_session = 1_000;
    config.predefined.rules = (0..300)
        .map(|n| PredefinedRule {
            name: format!("rule-{n}"),
            group: Some("all".to_owned()),
            flows: vec![flow("permit out 17 from any 53 to assigned")],
            ..Default::default()
        })
        .collect();
    let mut world = World::with(config);
    world.associate();
    let Message::SessionEstablishmentResponse(answer) =
        world.ask(Some(0), &with_rules(9, &["all"], Some(1)))
    else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
    assert_eq!(world.node.sessions().count(), 0);
}
