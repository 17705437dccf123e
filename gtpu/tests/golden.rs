//! Octets of other implementations, read and written again. See `golden/README.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use gtpu::{
    DlPduSessionInformation, EchoRequest, EchoResponse, EndMarker, ErrorIndication, ExtensionType,
    Header, Message, MessageType, ParseError, PduSessionContainer, PduType, PrivateExtension,
    SupportedExtensionHeadersNotification, UlPduSessionInformation, UlTimeStamps, gpdu_header,
    parse_gpdu, set_length,
};
use serde_json::Value;

const VECTORS: &str = include_str!("golden/vectors.jsonl");
const CAPTURES: &str = include_str!("golden/captures.jsonl");
const CONTAINERS: &str = include_str!("golden/containers.jsonl");
const MESSAGES: &str = include_str!("golden/messages.jsonl");

fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn octets(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::new(), |mut out, octet| {
        write!(out, "{octet:02x}").unwrap();
        out
    })
}

/// A number as tshark prints it.
fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

// ===== vectors of other implementations =====

#[test]
fn vectors_mean_what_other_dissectors_say() {
    let mut facts = 0;
    for row in rows(VECTORS) {
        let name = row["name"].as_str().unwrap();
        let datagram = octets(row["hex"].as_str().unwrap());
        if name.ends_with("ExtFlagSetButMissingExt") {
            assert_eq!(
                Header::parse(&datagram).unwrap_err(),
                ParseError::ExtensionCut
            );
            continue;
        }
        let header = Header::parse(&datagram).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut extensions = header.extensions();
        let mut extension = None;
        for fact in row["meaning"].as_array().unwrap() {
            let (field, value) = (fact[0].as_str().unwrap(), fact[1].as_str().unwrap());
            let context = format!("{name}: {field} = {value}");
            facts += usize::from(check(&header, extension.as_ref(), field, value, &context));
            if field == "gtp.ext_hdr.next" && number(value) != 0 {
                extension = extensions.next();
                assert_eq!(
                    u64::from(extension.unwrap().kind.0),
                    number(value),
                    "{context}"
                );
            }
        }
        assert!(extensions.next().is_none(), "{name}");
    }
    assert!(facts > 100, "{facts}");
}

/// Compares one fact; whether it is one that this test knows.
fn check(
    header: &Header<'_>,
    extension: Option<&gtpu::Extension<'_>>,
    field: &str,
    value: &str,
    context: &str,
) -> bool {
    let message = || Message::decode(&whole(header)).unwrap();
    let container = || header.pdu_session_container().unwrap();
    let found = match field {
        "gtp.message" => u64::from(header.message_type().0),
        "gtp.length" => header.payload_offset() as u64 + header.payload().len() as u64 - 8,
        "gtp.teid" => u64::from(header.teid()),
        "gtp.seq_number" => u64::from(header.sequence_number().unwrap()),
        "gtp.npdu_number" => u64::from(header.n_pdu_number().unwrap()),
        "gtp.flags.s" => u64::from(header.sequence_number().is_some()),
        "gtp.flags.pn" => u64::from(header.n_pdu_number().is_some()),
        "gtp.ext_hdr.length" => (extension.unwrap().content.len() as u64 + 2) / 4,
        "gtp.ext_hdr.udp_port" | "gtp.ext_hdr.pdcp_sn" => {
            let content = extension.unwrap().content;
            u64::from(u16::from_be_bytes([content[0], content[1]]))
        }
        "gtp.ext_hdr.pdu_ses_con.pdu_type" => {
            u64::from(header.flow().unwrap().pdu_type == PduType::Ul)
        }
        "gtp.ext_hdr.pdu_ses_con.qos_flow_id" => u64::from(header.flow().unwrap().qfi),
        "gtp.ext_hdr.pdu_ses_cont.rqi" => u64::from(header.flow().unwrap().rqi),
        "gtp.ext_hdr.pdu_ses_cont.ppp" => match container().unwrap() {
            PduSessionContainer::Dl(dl) => u64::from(dl.ppi.is_some()),
            PduSessionContainer::Ul(_) => panic!("{context}"),
        },
        "gtp.ext_hdr.pdu_ses_cont.ppi" => match container().unwrap() {
            PduSessionContainer::Dl(dl) => u64::from(dl.ppi.unwrap()),
            PduSessionContainer::Ul(_) => panic!("{context}"),
        },
        "gtp.recovery" => match message() {
            Message::EchoResponse(echo) => u64::from(echo.recovery.unwrap()),
            other => panic!("{context}: {other:?}"),
        },
        "gtp.teid_data" => match message() {
            Message::ErrorIndication(error) => u64::from(error.teid),
            other => panic!("{context}: {other:?}"),
        },
        "gtp.gsn_ipv6" | "gtp.gsn_ipv4" => match message() {
            Message::ErrorIndication(error) => {
                assert_eq!(error.peer_address.to_string(), value, "{context}");
                return true;
            }
            other => panic!("{context}: {other:?}"),
        },
        "gtp.tpdu_data" => {
            assert_eq!(hex(header.payload()), value.replace(':', ""), "{context}");
            return true;
        }
        _ => return false,
    };
    assert_eq!(found, number(value), "{context}");
    true
}

/// The datagram under a header, put together again from what the view shows.
fn whole(header: &Header<'_>) -> Vec<u8> {
    let mut flags = 0x30;
    let sequence = header.sequence_number();
    let extensions: Vec<_> = header.extensions().collect();
    flags |= u8::from(!extensions.is_empty()) << 2;
    flags |= u8::from(sequence.is_some()) << 1;
    flags |= u8::from(header.n_pdu_number().is_some());
    let mut out = vec![flags, header.message_type().0, 0, 0];
    out.extend(header.teid().to_be_bytes());
    if flags & 7 != 0 {
        out.extend(sequence.unwrap_or_default().to_be_bytes());
        out.push(header.n_pdu_number().unwrap_or_default());
        for extension in &extensions {
            out.push(extension.kind.0);
            out.push(u8::try_from(extension.content.len().div_ceil(4)).unwrap());
            out.extend(extension.content);
        }
        out.push(0);
    }
    set_length(&mut out, header.payload().len()).unwrap();
    out.extend(header.payload());
    out
}

// ===== captures =====

#[test]
fn captures_mean_what_tshark_says() {
    let rows = rows(CAPTURES);
    assert!(rows.len() > 120, "{}", rows.len());
    for row in rows {
        let text = |field: &str| row.get(field).map(|value| value.as_str().unwrap());
        let datagram = octets(text("payload").unwrap());
        let header = Header::parse(&datagram).unwrap_or_else(|error| panic!("{row}: {error}"));
        let told = |field: &str| text(field).map(number);
        assert_eq!(
            Some(u64::from(header.message_type().0)),
            told("message"),
            "{row}"
        );
        assert_eq!(Some(u64::from(header.teid())), told("teid"), "{row}");
        assert_eq!(
            header.sequence_number().map(u64::from),
            told("sequence"),
            "{row}"
        );
        let length = (header.payload_offset() - 8 + header.payload().len()) as u64;
        assert_eq!(Some(length), told("length"), "{row}");
        let next = header
            .extensions()
            .next()
            .map(|extension| u64::from(extension.kind.0));
        assert_eq!(next, told("next"), "{row}");
        let flow = header.flow();
        assert_eq!(flow.map(|flow| u64::from(flow.qfi)), told("qfi"), "{row}");
        let pdu_type = flow.map(|flow| u64::from(flow.pdu_type == PduType::Ul));
        assert_eq!(pdu_type, told("pdu_type"), "{row}");
        if header.message_type() == MessageType::G_PDU {
            let gpdu = parse_gpdu(&datagram).unwrap();
            assert_eq!((gpdu.teid, gpdu.flow), (header.teid(), flow), "{row}");
            let range = gpdu.payload_offset..gpdu.payload_offset + gpdu.payload_length;
            assert_eq!(&datagram[range], header.payload(), "{row}");
        } else {
            check_signalling(&datagram, &row);
        }
    }
}

fn check_signalling(datagram: &[u8], row: &Value) {
    let message = Message::decode(datagram).unwrap();
    match &message {
        Message::ErrorIndication(error) => {
            let text = |field: &str| row[field].as_str().unwrap();
            assert_eq!(u64::from(error.teid), number(text("teid_data")), "{row}");
            assert_eq!(error.peer_address.to_string(), text("address"), "{row}");
        }
        Message::EchoResponse(echo) => {
            let told = row["recovery"].as_str().map(number);
            assert_eq!(echo.recovery.map(u64::from), told, "{row}");
        }
        _ => {}
    }
}

/// What Open5GS and its gNBs sent is what this crate would have sent.
#[test]
fn captured_headers_are_written_alike() {
    let mut counts = [0; 3];
    for row in rows(CAPTURES) {
        if !row["source"].as_str().unwrap().ends_with(".n3.pcap") {
            continue;
        }
        let datagram = octets(row["payload"].as_str().unwrap());
        let header = Header::parse(&datagram).unwrap();
        let container = header.pdu_session_container().unwrap();
        if header.message_type() == MessageType::G_PDU {
            let mut written = gpdu_header(header.teid(), container.as_ref());
            set_length(&mut written, header.payload().len()).unwrap();
            assert_eq!(
                written.as_slice(),
                &datagram[..header.payload_offset()],
                "{row}"
            );
            counts[usize::from(container.is_some())] += 1;
        } else if container.is_none() || header.message_type() == MessageType::END_MARKER {
            let message = Message::decode(&datagram).unwrap();
            assert_eq!(hex(&message.encode().unwrap()), hex(&datagram), "{row}");
            counts[2] += 1;
        }
    }
    assert!(
        counts[0] >= 3 && counts[1] >= 50 && counts[2] >= 4,
        "{counts:?}"
    );
}

// ===== containers =====

fn container_of(row: &Value) -> PduSessionContainer {
    let fields = &row["fields"];
    let u64 = |name: &str| fields.get(name).map(|value| value.as_u64().unwrap());
    let u32 = |name: &str| u64(name).map(|value| u32::try_from(value).unwrap());
    let u8 = |name: &str| u64(name).map(|value| u8::try_from(value).unwrap());
    let flag = |name: &str| fields.get(name).map(|value| value.as_bool().unwrap());
    if row["type"] == 0 {
        return PduSessionContainer::Dl(DlPduSessionInformation {
            qfi: u8("qfi").unwrap(),
            rqi: flag("rqi").unwrap(),
            ppi: u8("ppi"),
            sending_time_stamp: u64("sending_time_stamp"),
            qfi_sequence_number: u32("qfi_sequence_number"),
            mbs_qfi_sequence_number: None,
        });
    }
    PduSessionContainer::Ul(UlPduSessionInformation {
        qfi: u8("qfi").unwrap(),
        time_stamps: u64("dl_sending_repeated").map(|dl_sending_repeated| UlTimeStamps {
            dl_sending_repeated,
            dl_received: u64("dl_received").unwrap(),
            ul_sending: u64("ul_sending").unwrap(),
        }),
        dl_delay_result: u32("dl_delay_result"),
        ul_delay_result: u32("ul_delay_result"),
        qfi_sequence_number: u32("qfi_sequence_number"),
        n3_n9_delay_result: u32("n3_n9_delay_result"),
        d1_ul_pdcp_delay_included: flag("d1_ul_pdcp_delay_included"),
    })
}

#[test]
fn containers_are_read_and_written_as_pycrate_does() {
    let rows = rows(CONTAINERS);
    assert_eq!(rows.len(), 16 + 64);
    for row in rows {
        let content = octets(row["content"].as_str().unwrap());
        let expected = container_of(&row);
        assert_eq!(PduSessionContainer::decode(&content), Ok(expected), "{row}");
        let header = gpdu_header(1, Some(&expected));
        assert_eq!(
            header[12],
            u8::try_from((content.len() + 2) / 4).unwrap(),
            "{row}"
        );
        assert_eq!(hex(&header[13..header.len() - 1]), hex(&content), "{row}");
    }
}

// ===== messages =====

fn samples() -> Vec<Message> {
    let private = vec![PrivateExtension {
        enterprise: 10415,
        value: vec![1, 2, 3],
    }];
    let dl = DlPduSessionInformation {
        qfi: 9,
        rqi: true,
        ppi: Some(5),
        ..Default::default()
    };
    let error = ErrorIndication {
        sequence_number: 0,
        teid: 0xdead_beef,
        peer_address: "10.10.3.7".parse().unwrap(),
        udp_port: None,
        recovery_time_stamp: None,
        private_extensions: vec![],
    };
    vec![
        Message::EchoRequest(EchoRequest {
            sequence_number: 0x1234,
            ..Default::default()
        }),
        Message::EchoRequest(EchoRequest {
            sequence_number: 7,
            recovery_time_stamp: None,
            private_extensions: private.clone(),
        }),
        Message::EchoResponse(EchoRequest::default().response(None)),
        Message::EchoResponse(EchoResponse {
            sequence_number: 0xffff,
            recovery: Some(0),
            recovery_time_stamp: None,
            private_extensions: private,
        }),
        Message::ErrorIndication(error.clone()),
        Message::ErrorIndication(ErrorIndication {
            peer_address: "2001:db8:3::7".parse().unwrap(),
            udp_port: Some(51234),
            ..error
        }),
        Message::SupportedExtensionHeaders(SupportedExtensionHeadersNotification::of_upf()),
        Message::EndMarker(EndMarker {
            teid: 99,
            container: None,
            private_extensions: vec![],
        }),
        Message::EndMarker(EndMarker {
            teid: 0x0102_0304,
            container: Some(PduSessionContainer::Dl(dl)),
            private_extensions: vec![],
        }),
    ]
}

/// tshark has read these octets and found in them what was meant (`messages.py`).
#[test]
fn messages_are_written_as_tshark_reads_them() {
    let written: Vec<String> = samples()
        .iter()
        .map(|message| hex(&message.encode().unwrap()))
        .collect();
    if let Some(path) = std::env::var_os("WRITE_MESSAGES") {
        std::fs::write(path, written.join("\n")).unwrap();
    }
    let rows = rows(MESSAGES);
    assert_eq!(rows.len(), written.len());
    for ((row, written), message) in rows.iter().zip(&written).zip(samples()) {
        assert_eq!(row["hex"].as_str().unwrap(), written, "{message:?}");
        assert_eq!(Message::decode(&octets(written)), Ok(message.clone()));
        let told = |field: &str| row[field].as_str();
        assert_eq!(told("malformed"), None, "{row}");
        match message {
            Message::EchoRequest(echo) => {
                assert_eq!(told("message"), Some("0x01"));
                assert_eq!(
                    told("sequence").map(number),
                    Some(echo.sequence_number.into())
                );
                let enterprise = echo
                    .private_extensions
                    .first()
                    .map(|private| private.enterprise);
                assert_eq!(told("enterprise").map(number), enterprise.map(u64::from));
            }
            Message::EchoResponse(echo) => {
                assert_eq!(told("message"), Some("0x02"));
                assert_eq!(
                    told("sequence").map(number),
                    Some(echo.sequence_number.into())
                );
                assert_eq!(told("recovery").map(number), echo.recovery.map(u64::from));
            }
            Message::ErrorIndication(error) => {
                assert_eq!(told("message"), Some("0x1a"));
                assert_eq!(told("teid_data").map(number), Some(error.teid.into()));
                let address = told("ipv4").or(told("ipv6")).unwrap();
                assert_eq!(address, error.peer_address.to_string());
                assert_eq!(told("udp_port").map(number), error.udp_port.map(u64::from));
            }
            Message::SupportedExtensionHeaders(supported) => {
                assert_eq!(told("message"), Some("0x1f"));
                let types: Vec<String> = supported
                    .types
                    .iter()
                    .map(|kind| kind.0.to_string())
                    .collect();
                assert_eq!(told("types"), Some(types.join(",").as_str()));
                assert!(
                    supported
                        .types
                        .contains(&ExtensionType::PDU_SESSION_CONTAINER)
                );
            }
            Message::EndMarker(marker) => {
                assert_eq!(told("message"), Some("0xfe"));
                assert_eq!(told("teid").map(number), Some(marker.teid.into()));
                let qfi = marker.container.map(|container| container.qfi().into());
                assert_eq!(told("qfi").map(number), qfi);
            }
            Message::TunnelStatus(_) => panic!("tshark 4.0 does not know it"),
        }
    }
}
