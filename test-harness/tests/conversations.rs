//! The rewriting of recorded conversations, against a UPF that is the recorded one with other
//! numbers: nothing to complain about; and with every kind of mistake: each is found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::net::IpAddr;
use std::path::Path;

use pfcp::{Cause, Decoded, FTeid, Message, Sequence};
use simulator::capture;
use test_harness::conversation::{
    Consequence, Conversation, Discrepancy, Event, RecordedUpf, Rewriter,
};

const UPF: RecordedUpf = RecordedUpf {
    n4: IpAddr::V4(std::net::Ipv4Addr::new(10, 10, 4, 7)),
    n3: N3,
};
const N3: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 10, 3, 7));

fn conversation(name: &str) -> Conversation {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/open5gs-smf");
    let read = |name: String| {
        std::fs::read(folder.join(name))
            .map(|file| capture::read(&file).unwrap())
            .unwrap_or_default()
    };
    let conversation = Conversation::read(
        &read(format!("{name}.pcap")),
        &read(format!("{name}.n3.pcap")),
        UPF,
    );
    assert!(!conversation.steps.is_empty(), "{name}");
    conversation
}

/// The recorded answer of a UPF whose SEIDs and TEIDs are others.
fn renumbered(answer: &Decoded) -> Decoded {
    let mut answer = answer.clone();
    match &mut answer.message {
        Message::SessionEstablishmentResponse(body) => {
            body.up_f_seid.as_mut().unwrap().seid += 0x10_0000;
            renumber(&mut body.created_pdrs);
        }
        Message::SessionModificationResponse(body) => renumber(&mut body.created_pdrs),
        _ => {}
    }
    answer
}

fn renumber(created: &mut [pfcp::CreatedPdr]) {
    for f_teid in created
        .iter_mut()
        .flat_map(|created| &mut created.local_f_teids)
    {
        if let FTeid::Given { teid, .. } = f_teid {
            *teid ^= 0x5555_0000;
        }
    }
}

/// Holds a conversation; what there is to complain about.
fn hold(
    name: &str,
    rewriter: &mut Rewriter,
    upf: impl Fn(&Decoded) -> Decoded,
) -> Vec<Discrepancy> {
    let mut found = Vec::new();
    for step in conversation(name).steps {
        let Event::Request {
            request,
            answer: Some(answer),
        } = step.event
        else {
            continue;
        };
        let rewritten = rewriter.request(&request);
        if let Some(seid) = request.header.seid.filter(|seid| *seid != 0) {
            let is_known = rewritten.header.seid != Some(seid) || !found.is_empty();
            assert!(is_known, "{name}: SEID {seid:#x} is not rewritten");
        }
        found.extend(rewriter.answer(&request, &answer, &upf(&answer)));
    }
    found
}

const CHAIN: [&str; 18] = [
    "association",
    "est_ipv4",
    "est_ipv6_ra",
    "est_ipv4v6",
    "pfcp_duplicate_request",
    "n4_loss",
    "two_sessions_one_ue",
    "deactivate_buffer_report_activate",
    "path_switch_endmarker",
    "qos_flows",
    "qos_flow_modify_remove",
    "error_indication",
    "usage_report",
    "ue_requested_release",
    "pcf_terminate",
    "many_sessions",
    "upf_restart",
    "release_ipv4",
];

#[test]
fn a_upf_that_differs_in_numbers_alone_is_right() {
    let mut rewriter = Rewriter::new(N3);
    for name in CHAIN {
        let found = hold(name, &mut rewriter, renumbered);
        assert_eq!(found, [], "{name}");
    }
    for name in ["smf_restart", "noftup_est_ipv4"] {
        assert_eq!(hold(name, &mut Rewriter::new(N3), renumbered), [], "{name}");
    }
}

#[test]
fn every_mistake_in_an_answer_is_found() {
    type Mistake = fn(&mut Decoded);
    type Is = fn(&Discrepancy) -> bool;
    let mistakes: [(Mistake, Is); 6] = [
        (
            |answer| answer.header.sequence = Sequence::new(answer.header.sequence.get() + 1),
            |found| matches!(found, Discrepancy::Sequence { .. }),
        ),
        (
            |answer| answer.header.seid = Some(0),
            |found| matches!(found, Discrepancy::Seid { .. }),
        ),
        (
            |answer| {
                if let Message::SessionEstablishmentResponse(body) = &mut answer.message {
                    body.cause = Cause::NO_RESOURCES_AVAILABLE;
                }
            },
            |found| matches!(found, Discrepancy::Cause { .. }),
        ),
        (
            |answer| {
                if let Message::SessionEstablishmentResponse(body) = &mut answer.message {
                    body.created_pdrs.pop();
                }
            },
            |found| *found == Discrepancy::NoFTeid(4),
        ),
        (
            |answer| {
                if let Message::SessionEstablishmentResponse(body) = &mut answer.message {
                    body.created_pdrs[2].local_f_teids = vec![FTeid::given(99, N3)];
                }
            },
            |found| matches!(found, Discrepancy::TeidSplit { second: 99, .. }),
        ),
        (
            |answer| {
                if let Message::SessionEstablishmentResponse(body) = &mut answer.message {
                    body.created_pdrs[1].local_f_teids = body.created_pdrs[0].local_f_teids.clone();
                }
            },
            |found| matches!(found, Discrepancy::TeidShared { .. }),
        ),
    ];
    for (index, (mistake, is_it)) in mistakes.iter().enumerate() {
        let found = hold("est_ipv4", &mut Rewriter::new(N3), |answer| {
            let mut answer = renumbered(answer);
            mistake(&mut answer);
            answer
        });
        assert!(found.iter().any(is_it), "mistake {index}: {found:?}");
    }
}

#[test]
fn tunnels_are_rewritten_and_have_the_right_consequences() {
    let mut rewriter = Rewriter::new(N3);
    for name in ["est_ipv4", "est_ipv4v6"] {
        hold(name, &mut rewriter, renumbered);
    }
    let mut seen = Vec::new();
    for name in [
        "est_ipv4",
        "est_ipv4v6",
        "unknown_teid",
        "ul_spoof_drop",
        "gtpu_echo",
    ] {
        for step in conversation_of_n3(name).steps {
            if let Event::GtpIn { message, .. } = step.event {
                let (rewritten, consequence) = rewriter.gtp_in(&message);
                seen.push((
                    name,
                    match consequence {
                        Consequence::Plain(_) => {
                            assert_ne!(rewritten, message);
                            "plain"
                        }
                        Consequence::ToSmf(_) => "to smf",
                        Consequence::ErrorIndication(_) => "error",
                        Consequence::EchoResponse(_) => "echo",
                        Consequence::Nothing => "nothing",
                    },
                ));
            }
        }
    }
    assert_eq!(
        seen,
        [
            ("est_ipv4", "plain"),
            ("est_ipv4", "plain"),
            ("est_ipv4", "plain"),
            ("est_ipv4v6", "plain"),
            ("est_ipv4v6", "to smf"),
            ("est_ipv4v6", "plain"),
            ("unknown_teid", "error"),
            ("ul_spoof_drop", "nothing"),
            ("ul_spoof_drop", "plain"),
            ("gtpu_echo", "echo"),
        ]
    );
}

fn conversation_of_n3(name: &str) -> Conversation {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/open5gs-smf");
    let file = std::fs::read(folder.join(format!("{name}.n3.pcap"))).unwrap();
    Conversation::read(&[], &capture::read(&file).unwrap(), UPF)
}
