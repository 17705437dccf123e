//! What this crate writes, read by Wireshark: the same IEs, and nothing malformed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::io::Write as _;
use std::process::Command;

use pfcp::generate::Source;
use pfcp::{AnyIe, CATALOGUE};

mod common;
use common::{is_group, is_here, split};

/// The last IE type that Wireshark 4.0 reads.
const KNOWN_TO: u16 = 320;

/// IEs of which Wireshark 4.0.17 is no judge, nor of groups with them: it wants other lengths of
/// what is opaque to us (152, 297), has a layout of its own where go-pfcp agrees with us (192, 193,
/// 229), has that of an older release (243, 248, 306), or has no spare octet (293). One of its own
/// of IE 230 shows where there is no IP address.
const MISREAD: &[u16] = &[152, 192, 193, 229, 243, 248, 293, 297, 306];

fn has_misread(r#type: u16, value: &[u8]) -> bool {
    MISREAD.contains(&r#type)
        || r#type == 230 && value[0].trailing_zeros() >= 2
        || r#type > KNOWN_TO
        || is_group(r#type)
            && split(value)
                .iter()
                .any(|(child, value)| has_misread(*child, value))
}

/// The types of an IE and of all in it, in the order of the wire.
fn types(r#type: u16, value: &[u8], into: &mut Vec<u16>) {
    into.push(r#type);
    if is_group(r#type) {
        for (child, value) in split(value) {
            types(child, value, into);
        }
    }
}

/// A few values of every IE, as this crate writes them.
fn samples() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in CATALOGUE.iter().filter(|entry| entry.r#type <= KNOWN_TO) {
        let mut left = 4;
        for seed in 1..=16_u32 {
            let mut state = seed.wrapping_mul(2_654_435_761) ^ u32::from(entry.r#type);
            let octets: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .take(160)
            .collect();
            let mut ie = Vec::new();
            AnyIe::generate_type(entry.r#type, &mut Source::new(&octets))
                .encode(&mut ie)
                .unwrap();
            if left > 0 && !has_misread(entry.r#type, &ie[4..]) {
                all.push(ie);
                left -= 1;
            }
        }
    }
    all
}

/// A capture file of one datagram each: Ethernet, IPv4, UDP, a modification request with the IE.
fn capture(ies: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 1] {
        file.extend(word.to_ne_bytes());
    }
    // Version 2.4 as two 16-bit numbers.
    file[4..6].copy_from_slice(&2_u16.to_ne_bytes());
    file[6..8].copy_from_slice(&4_u16.to_ne_bytes());
    for ie in ies {
        let mut message = vec![0x21, 52];
        message.extend(u16::try_from(12 + ie.len()).unwrap().to_be_bytes());
        message.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0]);
        message.extend(ie);
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(u16::try_from(28 + message.len()).unwrap().to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        frame.extend([0x22, 0x65, 0x22, 0x65]);
        frame.extend(u16::try_from(8 + message.len()).unwrap().to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(message);
        let length = u32::try_from(frame.len()).unwrap();
        for word in [0, 0, length, length] {
            file.extend(word.to_ne_bytes());
        }
        file.extend(frame);
    }
    file
}

#[test]
fn wireshark_reads_what_we_write() {
    if !is_here("tshark", "What we write was NOT read by Wireshark.") {
        return;
    }
    let ies = samples();
    assert!(ies.len() > 1_000, "{}", ies.len());
    let path = std::env::temp_dir().join(format!("pfcp-{}.pcap", std::process::id()));
    std::fs::File::create(&path)
        .unwrap()
        .write_all(&capture(&ies))
        .unwrap();
    let output = Command::new("tshark")
        .args([
            "-r",
            path.to_str().unwrap(),
            "-T",
            "fields",
            "-E",
            "occurrence=a",
        ])
        .args(["-e", "_ws.malformed", "-e", "pfcp.ie_type"])
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines.len(),
        ies.len(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut faults = Vec::new();
    for (ie, line) in ies.iter().zip(lines) {
        let (malformed, theirs) = line.split_once('\t').unwrap();
        let mut ours = Vec::new();
        for (r#type, value) in split(ie) {
            types(r#type, value, &mut ours);
        }
        let theirs: Vec<u16> = theirs
            .split(',')
            .filter_map(|number| number.parse().ok())
            .collect();
        if !malformed.is_empty() || theirs != ours {
            faults.push(format!(
                "{}: {malformed} {theirs:?}, ours {ours:?}",
                common::hex(ie)
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {}\n{}",
        faults.len(),
        ies.len(),
        faults.join("\n")
    );
}
