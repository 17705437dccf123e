//! PFDs: what applications look like, and the sessions that name them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use pfcp::wire::Long;
use pfcp::{
    ApplicationId, ApplicationIdsPfds, Cause, CpFunctionFeatures, FailedRuleId, Message, NonEmpty,
    PfdContents, PfdContext, PfdManagementRequest, PfdManagementResponse, SdfFilter,
    SessionEstablishmentRequest, UpFunctionFeatures, UpdatePdr,
};
use session::Seid;
use session::sdf::FlowDescription;
use support::*;
use upf_cp::{Input, Limit, NodeConfig};

const VIDEO: &str = "permit out 17 from 192.0.2.0/24 443 to assigned";
const OTHER: &str = "permit out 6 from 203.0.113.0/24 to assigned";
const MORE: &str = "permit out 6 from 198.51.100.7 80 to assigned";

fn id(name: &str) -> ApplicationId {
    ApplicationId(name.as_bytes().into())
}

fn text(text: &str) -> Long {
    Long::new(text).unwrap()
}

fn flow(description: &str) -> PfdContents {
    PfdContents {
        flow_description: Some(text(description)),
        ..Default::default()
    }
}

fn application(name: &str, contents: Vec<PfdContents>) -> ApplicationIdsPfds {
    let context = PfdContext {
        pfd_contents: NonEmpty::new(contents).unwrap(),
        ..Default::default()
    };
    ApplicationIdsPfds {
        application_id: id(name),
        pfd_contexts: vec![context],
        ..Default::default()
    }
}

fn removed(name: &str) -> ApplicationIdsPfds {
    ApplicationIdsPfds {
        application_id: id(name),
        ..Default::default()
    }
}

fn ask(world: &mut World, applications: Vec<ApplicationIdsPfds>) -> PfdManagementResponse {
    let request = PfdManagementRequest {
        applications,
        node_id: Some(ip(SMF).into()),
        ..Default::default()
    };
    let Message::PfdManagementResponse(answer) = world.ask(None, &request) else {
        panic!()
    };
    answer
}

fn accepted(world: &mut World, applications: Vec<ApplicationIdsPfds>) {
    assert_eq!(ask(world, applications).cause, Cause::REQUEST_ACCEPTED);
}

/// A session with a PDR of higher precedence for an application's downlink.
fn naming(n: u8, name: &str) -> SessionEstablishmentRequest {
    let mut request = open5gs(n);
    let mut pdi = downlink_pdi(n);
    pdi.application_id = Some(id(name));
    request.create_pdrs.push(pdr(9, 10, 1, pdi));
    request
}

/// The flow descriptions that PDR 9 matches now.
fn flows(world: &World, seid: u64) -> Vec<FlowDescription> {
    let rules = world.rules(seid);
    let pdr = rules.pdrs.iter().find(|pdr| pdr.id.0 == 9).unwrap();
    let filters = pdr.pdi.sdf_filters.iter();
    filters.map(|filter| filter.flow.clone().unwrap()).collect()
}

fn parsed(texts: &[&str]) -> Vec<FlowDescription> {
    let parse = |text: &&str| FlowDescription::parse(text).unwrap();
    texts.iter().map(parse).collect()
}

#[test]
fn an_application_is_what_its_pfds_say_now() {
    let mut world = World::associated();
    accepted(&mut world, vec![application("video", vec![flow(VIDEO)])]);
    let seid = world.establish(&naming(1, "video")).0;
    let other = world.establish(&open5gs(2)).0;
    assert_eq!(flows(&world, seid), parsed(&[VIDEO]));
    let before = world.rules(other);

    // Replaced as a whole; several values of one kind are an OR (PFDE), and so are contents.
    let several = PfdContents {
        additional_flow_descriptions: Some(pfcp::Listed(vec![text(MORE)])),
        ..flow(VIDEO)
    };
    accepted(&mut world, vec![application("video", vec![several])]);
    assert_eq!(flows(&world, seid), parsed(&[VIDEO, MORE]));
    accepted(&mut world, vec![application("video", vec![flow(MORE)])]);
    assert_eq!(flows(&world, seid), parsed(&[MORE]));
    let both = vec![application("video", vec![flow(MORE), flow(VIDEO)])];
    accepted(&mut world, both);
    assert_eq!(flows(&world, seid), parsed(&[MORE, VIDEO]));

    // The plan in force is compiled from it.
    let index = world.node.sessions().next().unwrap().0;
    let plan = world.readers[0].snapshot().session(index).unwrap();
    assert_eq!(plan.seid, Seid(seid));

    // Removed: its packets are found by no filter, which is not the same as by no filters.
    accepted(&mut world, vec![removed("video")]);
    let nothing = flows(&world, seid);
    assert_eq!(nothing.len(), 1);
    assert_eq!(nothing[0].protocol, Some(255));
    assert_eq!(world.rules(other), before);
    // And there again.
    accepted(&mut world, vec![application("video", vec![flow(VIDEO)])]);
    assert_eq!(flows(&world, seid), parsed(&[VIDEO]));
}

#[test]
fn no_application_wipes_all() {
    let mut world = World::associated();
    for name in ["video", "voice"] {
        accepted(&mut world, vec![application(name, vec![flow(VIDEO)])]);
    }
    accepted(&mut world, vec![]);
    for name in ["video", "voice"] {
        let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &naming(1, name))
        else {
            panic!()
        };
        assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
        assert_eq!(answer.offending_ie, Some(pfcp::OffendingIe(24)));
        assert_eq!(answer.failed_rule_id, Some(FailedRuleId::Pdr(9.into())));
    }
}

#[test]
fn one_bad_application_and_nothing_has_changed() {
    let url = PfdContents {
        url: Some(text("https://example.net/")),
        ..Default::default()
    };
    let and = PfdContents {
        domain_name: Some(text("example.net")),
        ..flow(VIDEO)
    };
    let empty = PfdContents::default();
    let cases = [
        (url, Cause::SERVICE_NOT_SUPPORTED),
        (and, Cause::SERVICE_NOT_SUPPORTED),
        (empty, Cause::MANDATORY_IE_INCORRECT),
        (flow("permit in ip from any"), Cause::MANDATORY_IE_INCORRECT),
    ];
    for (contents, cause) in cases {
        let mut world = World::associated();
        accepted(&mut world, vec![application("video", vec![flow(VIDEO)])]);
        let seid = world.establish(&naming(1, "video")).0;
        let applications = vec![
            application("video", vec![flow(MORE)]),
            application("bad", vec![contents]),
        ];
        let answer = ask(&mut world, applications);
        assert_eq!(answer.cause, cause);
        assert_eq!(answer.offending_ie, Some(pfcp::OffendingIe(61)));
        assert_eq!(flows(&world, seid), parsed(&[VIDEO]));
    }
}

#[test]
fn who_can_be_told_of_it_gets_the_good_ones_in() {
    let mut world = World::default();
    let mut request = association();
    request.cp_function_features = Some(CpFunctionFeatures::PAPFD);
    let Message::AssociationSetupResponse(answer) = world.ask(None, &request) else {
        panic!()
    };
    let features = answer.up_function_features.unwrap();
    assert!(features.contains(UpFunctionFeatures::PAPFD | UpFunctionFeatures::PFDM));
    let applications = vec![
        application("good", vec![flow(VIDEO)]),
        application("bad", vec![flow("xxx")]),
    ];
    let answer = ask(&mut world, applications);
    assert_eq!(answer.cause, Cause::REQUEST_PARTIALLY_ACCEPTED);
    let failures = answer.pfd_partial_failure_informations;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].application_id, id("bad"));
    assert_eq!(failures[0].failure_cause, Cause::PFD_SYNTAX_ERROR);
    world.establish(&naming(1, "good"));
}

#[test]
fn applications_are_bounded_and_for_peers_only() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.applications = 1;
    config.limits.flows_per_application = 2;
    let mut world = World::with(config);
    let stranger = ask(&mut world, vec![application("video", vec![flow(VIDEO)])]);
    assert_eq!(stranger.cause, Cause::NO_ESTABLISHED_ASSOCIATION);
    world.associate();
    accepted(&mut world, vec![application("video", vec![flow(VIDEO)])]);
    let too_many = [
        application("voice", vec![flow(VIDEO)]),
        application("video", vec![flow(VIDEO), flow(MORE), flow(VIDEO)]),
    ];
    for (n, one) in too_many.into_iter().enumerate() {
        let answer = ask(&mut world, vec![one]);
        assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
        let counted = world.node.counters().limit(Limit::Applications);
        assert_eq!(counted, n as u64 + 1);
    }
}

/// "Different IE types in the PDI are ANDed": filters and an application at once are more than the
/// packet path can do.
#[test]
fn an_application_beside_filters_is_refused() {
    let mut world = World::associated();
    accepted(&mut world, vec![application("video", vec![flow(VIDEO)])]);
    let mut request = naming(1, "video");
    let pdi = &mut request.create_pdrs[4].pdi;
    pdi.sdf_filters = vec![SdfFilter::flow(MORE).unwrap()];
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &request) else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::RULE_CREATION_MODIFICATION_FAILURE);
    assert_eq!(answer.offending_ie, Some(pfcp::OffendingIe(24)));
}

#[test]
fn a_pdr_can_change_its_application_and_leave_it() {
    let mut world = World::associated();
    accepted(
        &mut world,
        vec![
            application("video", vec![flow(VIDEO)]),
            application("voice", vec![flow(MORE)]),
        ],
    );
    let seid = world.establish(&naming(1, "video")).0;
    let update = |pdi| pfcp::SessionModificationRequest {
        update_pdrs: vec![UpdatePdr {
            pdr_id: 9.into(),
            pdi: Some(pdi),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut voice = downlink_pdi(1);
    voice.application_id = Some(id("voice"));
    assert_eq!(
        world.modify(seid, &update(voice)).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(flows(&world, seid), parsed(&[MORE]));
    let mut filters = downlink_pdi(1);
    filters.sdf_filters = vec![SdfFilter::flow(VIDEO).unwrap()];
    assert_eq!(
        world.modify(seid, &update(filters)).cause,
        Cause::REQUEST_ACCEPTED
    );
    assert_eq!(flows(&world, seid), parsed(&[VIDEO]));
    // It is no application's any more.
    accepted(&mut world, vec![removed("voice")]);
    assert_eq!(flows(&world, seid), parsed(&[VIDEO]));
}

/// A PDR holds 255 filters: what an application may be here, and in a session may not.
#[test]
fn a_change_that_a_session_cannot_take_is_taken_back_for_all() {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.flows_per_application = 1_000;
    config.limits.messages_per_second_per_peer = u32::MAX;
    let mut world = World::with(config);
    world.associate();
    accepted(
        &mut world,
        vec![
            application("video", vec![flow(VIDEO)]),
            application("voice", vec![flow(VIDEO)]),
        ],
    );
    let seids: Vec<u64> = (1..=8)
        .map(|n| {
            let name = if n % 2 == 0 { "video" } else { "voice" };
            world.establish(&naming(n, name)).0
        })
        .collect();
    let before = world.snapshot();
    let many = vec![flow(MORE); 256];
    // The sessions of the first application take it, those of the second cannot; and the third is
    // new.
    let answer = ask(
        &mut world,
        vec![
            application("voice", vec![flow(MORE)]),
            application("video", many.clone()),
            application("new", vec![flow(MORE)]),
        ],
    );
    assert_eq!(answer.cause, Cause::NO_RESOURCES_AVAILABLE);
    assert_eq!(world.node.counters().limit(Limit::Applications), 1);
    assert_eq!(world.node.counters().recompiles_failed, 0);
    assert_eq!(world.snapshot(), before);
    for seid in &seids {
        assert_eq!(flows(&world, *seid), parsed(&[VIDEO]));
    }
    // Nor do sessions that come later see anything of it.
    let later = world.establish(&naming(9, "video")).0;
    assert_eq!(flows(&world, later), parsed(&[VIDEO]));
    let Message::SessionEstablishmentResponse(answer) = world.ask(Some(0), &naming(10, "new"))
    else {
        panic!()
    };
    assert_eq!(answer.offending_ie, Some(pfcp::OffendingIe(24)));
    // 255 are taken.
    let fit = vec![application("video", many[1..].to_vec())];
    accepted(&mut world, fit);
    assert_eq!(flows(&world, later).len(), 255);
}

/// A world with 1200 sessions, the first of which names one application and the others another: a
/// change takes several slices.
fn many_sessions() -> (World, Vec<u64>) {
    let mut config = NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = u32::MAX;
    config.limits.flows_per_application = 1_000;
    config.limits.sessions = 1_200;
    let mut world = World::seeded(config, topology(), 1, 1_200);
    world.associate();
    let both = ["voice", "video"].map(|name| application(name, vec![flow(VIDEO)]));
    accepted(&mut world, both.into());
    let mut seids = vec![];
    for n in 0..1_200_u32 {
        let mut request = naming(1, if n == 0 { "voice" } else { "video" });
        request.cp_f_seid.seid = u64::from(n) + 1;
        let address = std::net::Ipv4Addr::from(0x0a2d_0000 + n);
        for pdr in [0, 4] {
            request.create_pdrs[pdr].pdi.ue_ip_addresses = vec![ue_ip(address, true)];
        }
        seids.push(world.establish(&request).0);
    }
    (world, seids)
}

/// Asks for a change that is not answered at once.
fn begin(world: &mut World, sequence: u32, applications: Vec<ApplicationIdsPfds>) {
    let request = PfdManagementRequest {
        applications,
        ..Default::default()
    };
    let octets = encode(None, sequence, &request);
    assert!(world.octets(smf(), &octets).is_empty());
}

/// The causes of the answers that come when all is done.
fn causes(world: &mut World) -> Vec<Cause> {
    let mut answers = vec![];
    while world.node.deadline_ms() == Some(world.now.elapsed_ms) {
        answers.extend(world.input(Input::Tick));
    }
    let cause = |answer: &pfcp::Decoded| match &answer.message {
        Message::PfdManagementResponse(answer) => answer.cause,
        other => panic!("{other}"),
    };
    answers.iter().map(cause).collect()
}

#[test]
fn a_change_goes_through_many_sessions_in_slices() {
    let (mut world, seids) = many_sessions();
    begin(
        &mut world,
        70_000,
        vec![application("video", vec![flow(MORE)])],
    );
    let beat = world.ask(None, &pfcp::HeartbeatRequest::default());
    assert!(matches!(beat, Message::HeartbeatResponse(_)));
    assert_eq!(causes(&mut world), [Cause::REQUEST_ACCEPTED]);
    assert_eq!(flows(&world, seids[0]), parsed(&[VIDEO]));
    let mut others = seids[1..].iter();
    assert!(others.all(|seid| flows(&world, *seid) == parsed(&[MORE])));
}

/// Three changes at once, each of which would see the others' in the sessions that have had their
/// turn: the second fails, and takes back its own.
#[test]
fn changes_have_their_turn_one_after_the_other() {
    let (mut world, seids) = many_sessions();
    let one = |name, description| vec![application(name, vec![flow(description)])];
    begin(&mut world, 70_000, one("voice", MORE));
    let mut second = one("voice", OTHER);
    second.push(application("video", vec![flow(MORE); 256]));
    begin(&mut world, 70_001, second);
    begin(&mut world, 70_002, one("video", OTHER));
    assert_eq!(
        causes(&mut world),
        [
            Cause::REQUEST_ACCEPTED,
            Cause::NO_RESOURCES_AVAILABLE,
            Cause::REQUEST_ACCEPTED
        ]
    );
    assert_eq!(flows(&world, seids[0]), parsed(&[MORE]));
    let mut others = seids[1..].iter();
    assert!(others.all(|seid| flows(&world, *seid) == parsed(&[OTHER])));
    assert_eq!(world.node.counters().recompiles_failed, 0);
}
