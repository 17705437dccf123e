//! What the specification rules out is not written, whoever builds it; and is told when it is read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;

use pfcp::generate::Source;
use pfcp::group::{Presence, Row};
use pfcp::*;
use serde_json::{Value, json};

mod common;
use common::unhex;

/// Values that break the rule of their IE, and values near them that keep it.
const VALUES: &[(u16, &[&str], &[&str])] = &[
    (39, &["00"], &["08", "7f"]),
    (
        44,
        &[
            "0000", "0300", "0600", "0700", "0900", "0a00", "0101", "0401", "0202", "6000", "3000",
            "8100", "8400", "0204", "0408", "2008", "0804", "1000",
        ],
        &[
            "0100", "0200", "0201", "0400", "0c00", "1100", "1200", "1c00", "2000", "4000", "8200",
            "8201", "9201", "0402", "0406", "0104", "0008", "0010", "0018",
        ],
    ),
    (49, &["18", "1f"], &["00", "08", "17"]),
    (62, &["00"], &["01", "07"]),
    (63, &["000000"], &["800000", "000020"]),
    (
        84,
        &["01040000000a0a000001", "10040a000001"],
        &["0004", "01010000000a0a000001", "0003"],
    ),
    (
        93,
        &["0804", "4020", "420a00000140"],
        &["00", "6040", "020a000001"],
    ),
    (101, &["00"], &["01"]),
    (103, &["00", "04000100"], &["020a000001"]),
    (178, &["00", "04"], &["060a000001"]),
    (185, &["00"], &["020a000001"]),
    (192, &["00", "0418"], &["020a000001"]),
    (292, &["00"], &["020a000001"]),
    (349, &["0103"], &["0101", "0102", "0000"]),
    (358, &["00"], &["010a000001"]),
    (387, &["00"], &["020a000001"]),
];

#[test]
fn values_that_break_a_rule_are_told() {
    for (r#type, broken, kept) in VALUES {
        for value in *broken {
            let ie = AnyIe::decode(*r#type, &unhex(value)).unwrap();
            let breach = ie.check().expect_err(value);
            assert_eq!(breach.path.iter().collect::<Vec<_>>(), [*r#type], "{value}");
            // Nor is it written in a message, wherever it stands.
            assert!(!is_written(*r#type, &ie), "{type} {value}");
        }
        for value in *kept {
            let ie = AnyIe::decode(*r#type, &unhex(value)).unwrap();
            assert_eq!(ie.check(), Ok(()), "{type} {value}");
        }
    }
}

/// Whether a group can be written that has the value. In messages alone stand two.
fn is_written(r#type: u16, ie: &AnyIe) -> bool {
    let value = serde_json::to_value(ie).unwrap();
    let value = value.as_object().unwrap().values().next().unwrap();
    let mut holders = 0;
    for entry in CATALOGUE.iter().filter(|entry| entry.form == "group") {
        for row in entry.rows.iter().filter(|row| row.r#type == r#type) {
            let least = AnyIe::generate_type(entry.r#type, &mut Source::new(&[]));
            assert_eq!(least.check(), Ok(()), "{}", entry.name);
            let mut group = serde_json::to_value(&least).unwrap();
            group[entry.rust][row.field] = if row.repeats {
                json!([value])
            } else {
                value.clone()
            };
            let group: AnyIe = serde_json::from_value(group).unwrap();
            if group.check().is_ok() {
                return true;
            }
            holders += 1;
        }
    }
    assert!(holders > 0 || [39, 101].contains(&r#type), "{type}");
    false
}

/// All rules of IEs are shown above: no other type has values that are read and not written.
#[test]
fn every_rule_is_shown() {
    let behind: Vec<u8> = (2..40).collect();
    let mut ruled = BTreeSet::new();
    let is_leaf = |entry: &&catalogue::Entry| entry.rows.is_empty();
    for entry in CATALOGUE.iter().filter(is_leaf) {
        for first in 0..=u8::MAX {
            for second in 0..8 {
                let value = [&[first, second], behind.as_slice()].concat();
                for length in [1, 2, 3, 40] {
                    let ie = AnyIe::decode(entry.r#type, &value[..length]);
                    if ie.is_ok_and(|ie| ie.check().is_err()) {
                        ruled.insert(entry.r#type);
                    }
                }
            }
        }
    }
    let shown: BTreeSet<u16> = VALUES.iter().map(|(r#type, ..)| *r#type).collect();
    assert_eq!(ruled, shown);
}

/// To set something to nothing would be read as its removal: of each row that can be updated.
#[test]
fn nothing_is_set_to_nothing() {
    let mut seen = 0;
    let mut types = BTreeSet::new();
    for entry in CATALOGUE.iter().filter(|entry| !entry.rows.is_empty()) {
        let updates = |row: &&Row| row.presence == Presence::Update;
        for row in entry.rows.iter().filter(updates) {
            if catalogue::entry(row.r#type).unwrap().form != "octets" {
                continue;
            }
            let of_row = AnyIe::generate_type(entry.r#type, &mut Source::new(&[]));
            let mut group = serde_json::to_value(&of_row).unwrap();
            let body = group.as_object_mut().unwrap().values_mut().next().unwrap();
            for (set, rule) in [
                (json!(""), Some("a value of some octets, or its removal")),
                (json!("x"), None),
                (Value::Null, None),
            ] {
                let sets_list = row.repeats && !set.is_null();
                body[row.field] = if sets_list { json!(["y", set]) } else { set };
                let group: AnyIe = serde_json::from_value(json!({ entry.rust: body })).unwrap();
                let breach = group.check().err();
                assert_eq!(breach.map(|breach| breach.rule.0), rule, "{}", row.field);
                seen += 1;
            }
            types.insert(row.r#type);
        }
    }
    assert!(seen > 20 && types.contains(&22), "{seen} {types:?}");
}

fn refused(message: &impl Encode, expected: &str) {
    let mut octets = vec![1, 2, 3];
    let error = encode(&Header::session(1, 2), message, &mut octets).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error, EncodeError::Illegal(_)), "{error:?}");
    assert_eq!(octets, [1, 2, 3], "nothing is written");
    // It is read, and told.
    octets.clear();
    encode_unchecked(&Header::session(1, 2), message, &mut octets).unwrap();
    let breach = decode(&octets).unwrap().message.check().unwrap_err();
    assert_eq!(breach.to_string(), expected);
}

fn establishment() -> SessionEstablishmentRequest {
    let mut request = SessionEstablishmentRequest::default();
    request.create_pdrs[0].far_id = Some(FarId(1));
    request.create_fars[0].apply_action = ApplyAction::DROP;
    encode(&Header::session(0, 2), &request, &mut Vec::new()).unwrap();
    request
}

/// A rule of each group, with the way to where it is broken.
#[test]
fn groups_that_lack_what_others_ask_for_are_refused() {
    let mut request = establishment();
    request.create_fars[0].apply_action = ApplyAction::FORW;
    refused(
        &request,
        "Create FAR (3): expected Forwarding Parameters, as FORW is set",
    );
    request.create_fars[0].apply_action = ApplyAction::FORW | ApplyAction::DROP;
    refused(
        &request,
        "Create FAR (3) > Apply Action (44): expected exactly one of DROP, FORW, BUFF, IPMA, IPMD and \
         (FSSM, MBSU), with NOCP and BDPN beside BUFF alone, DFRT and EDRT beside FORW alone, DUPL and \
         DDPN not beside IPMA, IPMD, FSSM and MBSU, DDPN not beside FORW",
    );
    let mut request = establishment();
    request.create_pdrs[0].far_id = None;
    refused(
        &request,
        "Create PDR (1): expected a FAR ID, a MAR ID or predefined rules",
    );
    let mut request = establishment();
    request.create_pdrs[0].pdi.traffic_endpoint_ids = vec![TrafficEndpointId(1)];
    request.create_pdrs[0].pdi.network_instance = Some("internet".into());
    refused(
        &request,
        "Create PDR (1) > PDI (2): expected a Traffic Endpoint ID, or an F-TEID, Network Instance and UE \
         IP address",
    );
    let mut request = establishment();
    request.create_urrs = vec![CreateUrr {
        measurement_method: MeasurementMethod::VOLUM,
        reporting_triggers: ReportingTriggers::VOLTH,
        ..CreateUrr::default()
    }];
    refused(
        &request,
        "Create URR (6): expected a Volume Threshold, as VOLTH is set",
    );
    let answer = SessionEstablishmentResponse {
        cause: Cause::REQUEST_ACCEPTED,
        ..SessionEstablishmentResponse::default()
    };
    refused(&answer, "expected a UP F-SEID, as the request is accepted");
}

/// A report has a type, and what its type says.
#[test]
fn reports_have_what_their_type_says() {
    refused(
        &SessionReportRequest::default(),
        "Report Type (39): expected at least one bit",
    );
    let error = encode(
        &Header::node(1),
        &NodeReportRequest::default(),
        &mut Vec::new(),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "Node Report Type (101): expected at least one bit"
    );
    for (bit, name) in ReportType::FLAGS {
        let report = SessionReportRequest {
            report_type: *bit,
            ..SessionReportRequest::default()
        };
        let alone = encode(&Header::session(1, 2), &report, &mut Vec::new());
        assert_eq!(alone.is_ok(), ["UPIR", "UISR"].contains(name), "{name}");
    }
    for (bit, name) in NodeReportType::FLAGS {
        let report = NodeReportRequest {
            node_report_type: *bit,
            ..NodeReportRequest::default()
        };
        let error = encode(&Header::node(1), &report, &mut Vec::new()).unwrap_err();
        let expected = format!(", as {name} is set");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}
