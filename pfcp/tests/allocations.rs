//! What decoding allocates: one block for each list, and nothing for a list that is not there.
//!
//! The blocks are counted by valgrind, from outside: this binary is run again under it, to decode
//! the same message once and many times.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::process::Command;

use pfcp::wire::Ie as _;
use pfcp::*;

mod common;
use common::{is_here, join, split, unhex};

/// A session establishment as an Open5GS SMF sends it. Its blocks: the lists of PDRs, FARs, URRs
/// and QERs; in the PDRs one of URR IDs, two of QER IDs, one of QFIs, one of UE IP addresses and
/// one of SDF filters; and the text of the filter, too long to stand in place.
const OPEN5GS: (&str, u32) = ("open5gs", 4 + 6 + 1);

/// The same with each PDR and FAR many times over, PDRs and FARs in turn.
const LARGE: (&str, u32) = ("large", 4 + TIMES * (6 + 1));

const TIMES: u32 = 25;

/// Two lists of numbers and none of anything else.
const DELETION: (&str, u32) = ("report", 2);

/// PFDs: the lists of applications, contexts and contents; and in the contents those of flow
/// descriptions, URLs and domain names, each of many that stand in place.
const PFDS: (&str, u32) = ("pfds", 3 + 3);

/// Addresses that cannot be read and need not: the list that they were to be in, and that of what is
/// unknown, which grows to 512 from 4.
const UNREADABLE: (&str, u32) = ("unreadable", 1 + 8);

fn pfds() -> PfdManagementRequest {
    let short = |text: &str| wire::Long::new(text).unwrap();
    let names =
        |many: usize| -> Vec<wire::Long> { (0..many).map(|_| short("a.example")).collect() };
    let domain = || DomainNameAndProtocol {
        domain_name: short("a.example"),
        protocol: short("tls"),
    };
    let contents = PfdContents {
        additional_flow_descriptions: Some(Listed(names(40))),
        additional_urls: Some(Listed(names(70))),
        additional_domain_names: Some(Listed((0..30).map(|_| domain()).collect())),
        ..Default::default()
    };
    let context = PfdContext {
        pfd_contents: [contents].into(),
        ..Default::default()
    };
    PfdManagementRequest {
        applications: vec![ApplicationIdsPfds {
            application_id: ApplicationId("video".into()),
            pfd_contexts: vec![context],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn message(name: &str) -> Vec<u8> {
    let open5gs = || {
        let lines = include_str!("golden/messages.txt").lines();
        let mut octets = lines
            .filter(|line| line.starts_with("open5gs/est_ipv4 "))
            .map(|line| unhex(line.rsplit(' ').next().unwrap()));
        octets.find(|octets| octets[1] == 50).unwrap()
    };
    let with_body = |header: &[u8], body: &[u8]| {
        let mut octets = [header, body].concat();
        let length = u16::try_from(octets.len() - 4).unwrap();
        octets[2..4].copy_from_slice(&length.to_be_bytes());
        octets
    };
    match name {
        "open5gs" => open5gs(),
        "large" => {
            let octets = open5gs();
            let ies = split(&octets[16..]);
            let of = |wanted| ies.iter().filter(move |(r#type, _)| *r#type == wanted);
            let others = ies.iter().filter(|(r#type, _)| !matches!(r#type, 1 | 3));
            let mut body = join(others.copied());
            for _ in 0..TIMES {
                for (pdr, far) in of(1).zip(of(3).cycle()) {
                    body.extend(join([*pdr, *far]));
                }
            }
            with_body(&octets[..16], &body)
        }
        "pfds" => {
            let mut octets = Vec::new();
            encode(&Header::node(2), &pfds(), &mut octets).unwrap();
            octets
        }
        "unreadable" => {
            let mut octets = Vec::new();
            encode(
                &Header::node(2),
                &AssociationSetupRequest::default(),
                &mut octets,
            )
            .unwrap();
            let addresses = join([(AlternativeSmfIpAddress::TYPE, &[]); 512]);
            with_body(&octets[..8], &[&octets[8..], &addresses].concat())
        }
        "report" => {
            let report = SessionReportRequest {
                report_type: ReportType::DLDR,
                downlink_data_report: Some(DownlinkDataReport {
                    pdr_ids: NonEmpty::new((1..=40).map(PdrId)).unwrap(),
                    ..Default::default()
                }),
                session_reports: (1..=3)
                    .map(|id| SessionReport {
                        srr_id: SrrId(id),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            };
            let mut octets = Vec::new();
            encode(&Header::session(1, 2), &report, &mut octets).unwrap();
            octets
        }
        other => panic!("no message {other}"),
    }
}

/// Run under valgrind, by [`each_list_is_one_block`].
#[test]
#[ignore = "does nothing but decode"]
fn decode_often() {
    let octets = message(&std::env::var("PFCP_MESSAGE").unwrap());
    let count: u32 = std::env::var("PFCP_COUNT").unwrap().parse().unwrap();
    for _ in 0..count {
        let decoded = decode(std::hint::black_box(&octets)).unwrap();
        drop(std::hint::black_box(decoded));
    }
}

/// The blocks that the whole process takes from the heap.
fn blocks(name: &str, count: u32) -> u32 {
    let output = Command::new("valgrind")
        .args(["--leak-check=no", "--undef-value-errors=no"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "decode_often", "--ignored", "--test-threads=1"])
        .env("PFCP_MESSAGE", name)
        .env("PFCP_COUNT", count.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let (_, blocks) = text.split_once("total heap usage: ").expect("a summary");
    let (blocks, _) = blocks.split_once(" allocs").expect("a number");
    blocks.replace(',', "").parse().unwrap()
}

#[test]
fn each_list_is_one_block() {
    if !is_here("valgrind", "Allocations were NOT counted.") {
        return;
    }
    for (name, expected) in [OPEN5GS, LARGE, DELETION, PFDS, UNREADABLE] {
        const MORE: u32 = 40;
        let more = blocks(name, 1 + MORE) - blocks(name, 1);
        // What else the process allocates may differ by a few blocks from run to run.
        assert_eq!((more + MORE / 2) / MORE, expected, "{name}");
    }
}
