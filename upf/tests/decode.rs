//! `upf pfcp decode` on captures of every kind, whole and broken, and the way there and back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use simulator::capture;
use simulator::net;

const HEARTBEAT: &str = "2001000c0000bd0000600004e42eaecf";
const SMF: &str = "10.10.4.2";
const UPF: &str = "10.10.4.7";

/// Runs `upf pfcp` with this on standard input.
fn upf(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_upf"))
        .arg("pfcp")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // Who was asked wrongly does not read.
    let _ = writer.join().unwrap();
    output
}

fn decoded(input: &[u8]) -> (String, String, i32) {
    let output = upf(&["decode", "-"], input);
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code().unwrap(),
    )
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A packet with a heartbeat in it.
fn packet(source: &str, destination: &str) -> Vec<u8> {
    carrying(source, destination, &unhex(HEARTBEAT))
}

fn carrying(source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let end = |address: &str| (address.parse().unwrap(), 8805);
    net::udp(end(source), end(destination), payload)
}

#[derive(Clone, Copy)]
struct Kind {
    is_little: bool,
    is_nano: bool,
}

const LITTLE: Kind = Kind {
    is_little: true,
    is_nano: false,
};

impl Kind {
    fn put(self, fields: &[u32]) -> Vec<u8> {
        let octets = |field: &u32| {
            if self.is_little {
                field.to_le_bytes()
            } else {
                field.to_be_bytes()
            }
        };
        fields.iter().flat_map(octets).collect()
    }

    /// A pcap file; of each packet so many octets were captured.
    fn pcap(self, link_type: u32, packets: &[(&[u8], usize)]) -> Vec<u8> {
        let magic = if self.is_nano {
            0xa1b2_3c4d
        } else {
            0xa1b2_c3d4
        };
        let mut file = self.put(&[magic, 0x0004_0002, 0, 0, 65_535, link_type]);
        for (octets, captured) in packets {
            let original = u32::try_from(octets.len()).unwrap();
            file.extend(self.put(&[1, 2, u32::try_from(*captured).unwrap(), original]));
            file.extend(&octets[..*captured]);
        }
        file
    }

    /// A pcapng file of one interface, by blocks of this type.
    fn pcapng(self, link_type: u16, block: u32, packets: &[&[u8]]) -> Vec<u8> {
        let block_of = |kind: u32, body: &[u8]| {
            let length = u32::try_from(body.len() + 12).unwrap();
            [
                self.put(&[kind, length]),
                body.to_vec(),
                self.put(&[length]),
            ]
            .concat()
        };
        let section = [
            self.put(&[0x1a2b_3c4d]),
            if self.is_little {
                vec![1, 0, 0, 0]
            } else {
                vec![0, 1, 0, 0]
            },
            vec![0xff; 8],
        ]
        .concat();
        let link = if self.is_little {
            link_type.to_le_bytes()
        } else {
            link_type.to_be_bytes()
        };
        let interface = [&link[..], &[0; 6]].concat();
        let mut file = block_of(0x0a0d_0d0a, &section);
        file.extend(block_of(1, &interface));
        for octets in packets {
            let length = u32::try_from(octets.len()).unwrap();
            let head = match block {
                3 => vec![length],
                _ => vec![0, 0, 0, length, length],
            };
            let mut body = [self.put(&head), octets.to_vec()].concat();
            body.resize(body.len().next_multiple_of(4), 0);
            file.extend(block_of(block, &body));
        }
        file
    }
}

fn ethernet(tags: &[u8], packet: &[u8]) -> Vec<u8> {
    let ethertype: &[u8] = match packet[0] >> 4 {
        4 => &[0x08, 0x00],
        _ => &[0x86, 0xdd],
    };
    [&[0; 12][..], tags, ethertype, packet].concat()
}

fn is_heartbeat(input: &[u8], what: &str) {
    let (out, said, code) = decoded(input);
    assert_eq!(code, 0, "{what}: {said}");
    assert!(out.contains("Heartbeat Request"), "{what}: {out}");
    assert!(out.contains("Recovery Time Stamp"), "{what}: {out}");
    assert!(said.contains("1 datagrams of PFCP"), "{what}: {said}");
}

#[test]
fn every_link_and_file_format_is_read() {
    let v4 = packet(SMF, UPF);
    let v6 = packet("2001:db8::2", "2001:db8::7");
    let mut both = Vec::new();
    for packet in [&v4, &v6] {
        let ethertype = &ethernet(&[], packet)[12..14];
        both.extend([
            (1, ethernet(&[], packet)),
            (1, ethernet(&[0x81, 0, 0, 7], packet)),
            (1, ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8], packet)),
            (113, [&[0; 14], ethertype, packet].concat()),
            (276, [ethertype, &[0; 18], packet].concat()),
            (0, [&[2, 0, 0, 0], packet.as_slice()].concat()),
            (108, [&[0, 0, 0, 24], packet.as_slice()].concat()),
            (101, packet.clone()),
        ]);
    }
    for is_little in [true, false] {
        for is_nano in [true, false] {
            let kind = Kind { is_little, is_nano };
            for (link_type, octets) in &both {
                let file = kind.pcap(*link_type, &[(octets, octets.len())]);
                is_heartbeat(&file, &format!("pcap {link_type}"));
            }
        }
        let kind = Kind {
            is_little,
            ..LITTLE
        };
        for block in [2, 3, 6] {
            let file = kind.pcapng(101, block, &[&v4]);
            is_heartbeat(&file, &format!("pcapng block {block}"));
        }
    }
}

/// An IPv4 packet in fragments of at most so many octets behind their headers.
fn fragments(packet: &[u8], octets: usize) -> Vec<Vec<u8>> {
    let (head, payload) = packet.split_at(20);
    let count = payload.len().div_ceil(octets);
    let of = |(number, part): (usize, &[u8])| {
        let mut head = head.to_vec();
        head[2..4].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
        head[4..6].copy_from_slice(&[0x12, 0x34]);
        let more = if number + 1 < count { 0x2000 } else { 0 };
        let offset = u16::try_from(number * octets / 8).unwrap() | more;
        head[6..8].copy_from_slice(&offset.to_be_bytes());
        [&head, part].concat()
    };
    payload.chunks(octets).enumerate().map(of).collect()
}

/// The first session establishment of an SMF.
fn establishment() -> Vec<u8> {
    let line = messages()
        .lines()
        .find(|line| line.starts_with("open5gs/est_ipv4 ") && line.contains(" 2132"));
    unhex(line.unwrap().rsplit(' ').next().unwrap())
}

fn messages() -> &'static str {
    include_str!("../../pfcp/tests/golden/messages.txt")
}

#[test]
fn fragments_are_put_together_in_any_order_and_what_is_missing_is_said() {
    let mut parts = fragments(&carrying(SMF, UPF, &establishment()), 240);
    assert!(parts.len() > 2);
    let file = |parts: &[Vec<u8>]| {
        let parts: Vec<_> = parts.iter().map(|part| (&part[..], part.len())).collect();
        LITTLE.pcap(101, &parts)
    };
    let (in_order, _, code) = decoded(&file(&parts));
    assert_eq!(code, 0);
    assert!(in_order.contains("Session Establishment Request"));
    parts.reverse();
    let (out, said, code) = decoded(&file(&parts));
    assert_eq!((out, code), (in_order, 0));
    assert!(
        said.contains(&format!("{} fragments", parts.len())),
        "{said}"
    );
    // One is missing: beside others that are read, and alone.
    parts.remove(1);
    let (_, said, code) = decoded(&file(&parts));
    assert_eq!(code, 1);
    assert!(
        said.contains("1 packets came in fragments of which not all are here"),
        "{said}"
    );
    parts.push(packet(SMF, UPF));
    let (out, said, code) = decoded(&file(&parts));
    assert_eq!(code, 3);
    assert!(
        out.contains("Heartbeat") && said.contains("not all are here"),
        "{said}"
    );
}

#[test]
fn what_is_cut_or_no_pfcp_is_told_apart() {
    let heartbeat = packet(SMF, UPF);
    let long = carrying(SMF, UPF, &establishment());
    let end = |port| (SMF.parse().unwrap(), port);
    let dns = net::udp(end(53), end(53), b"a question");
    let arp = b"no IP";
    // The snap length cuts a PFCP datagram, and one of DNS.
    let file = LITTLE.pcap(
        101,
        &[
            (&heartbeat, heartbeat.len()),
            (&long, 96),
            (&dns, 30),
            (&dns, dns.len()),
            (arp, arp.len()),
        ],
    );
    let (out, said, code) = decoded(&file);
    assert_eq!(code, 3, "{said}");
    assert_eq!(out.matches("Request").count(), 1, "{out}");
    let cut = format!("packet 2: 96 of its {} octets were captured", long.len());
    assert!(said.contains(&cut), "{said}");
    assert!(
        said.contains("5 packets: 1 datagrams of PFCP, 3 packets that are not PFCP, 0 fragments"),
        "{said}"
    );
    // Another port is another protocol, unless it is said to be the one.
    let output = upf(&["decode", "-", "--port", "53"], &file);
    assert_eq!(output.status.code(), Some(1), "the questions are no PFCP");
    // A link that is not known is named.
    let (_, said, code) = decoded(&LITTLE.pcap(105, &[(&heartbeat, heartbeat.len())]));
    assert_eq!(code, 1);
    assert!(
        said.contains("link types [105] are not known here"),
        "{said}"
    );
    assert!(said.contains("holds no UDP to or from port 8805"), "{said}");
}

#[test]
fn broken_files_give_what_is_before_the_break_and_say_where_it_is() {
    let heartbeat = packet(SMF, UPF);
    let whole = LITTLE.pcap(101, &[(heartbeat.as_slice(), heartbeat.len()); 2]);
    for cut in 1..heartbeat.len() + 16 {
        let (out, said, code) = decoded(&whole[..whole.len() - cut]);
        assert_eq!((code, out.lines().count()), (3, 2), "{said}");
        let at = 24 + 16 + heartbeat.len();
        let expected = format!("what starts at octet {at} is not all there");
        assert!(said.contains(&expected), "{said}");
    }
    let mut pcapng = LITTLE.pcapng(101, 6, &[heartbeat.as_slice(); 2]);
    let last = pcapng.len() - 32 - heartbeat.len().next_multiple_of(4);
    pcapng[last + 4..last + 8].copy_from_slice(&[7, 0, 0, 0]);
    let (out, said, code) = decoded(&pcapng);
    assert_eq!((code, out.lines().count()), (3, 2), "{said}");
    assert!(
        said.contains(&format!("malformed at octet {last}")),
        "{said}"
    );
    for (input, words) in [
        (&b""[..], "neither a capture nor hexadecimal octets"),
        (b"\xff\xfe\xfd\xfc", "it is no text"),
        (b"\x1f\x8b\x08\x00....", "compressed with gzip"),
        (
            b"2001\n20x1\n",
            "line 2: 'x', character 3, is no hexadecimal digit",
        ),
        (b"200", "3 hexadecimal digits: an odd number"),
    ] {
        let (_, said, code) = decoded(input);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(words), "{words} not in {said}");
    }
}

/// With what is wrong: the octet, how many there are and how many there should be.
#[test]
fn errors_say_where() {
    let cases = [
        // A heartbeat that is cut, or claims too much, or is too long for what it claims.
        (
            "2001000c0000bd",
            "too short for a header of 8 octets, or of 16 with a SEID (at octet 0: 7 octets, expected at least 8)",
        ),
        (
            "2001000c0000bd0000600004e42eae",
            "(at octet 2: 15 octets, expected at least 16)",
        ),
        (
            "2001000c0000bd0000600004e42eaecfff",
            "(at octet 2: 17 octets, expected 16)",
        ),
        // Of less than its header, without and with a SEID.
        (
            "200100010000bd00",
            "(at octet 2: 5 octets, expected at least 8)",
        ),
        (
            "2134000300000000000000010000010000000000",
            "(at octet 2: 7 octets, expected at least 16)",
        ),
        // A Recovery Time Stamp of three octets, of no octets, with half a length, and none.
        (
            "2001000b0000bd0000600003e42eae",
            "Recovery Time Stamp (96): ends too early, or claims more octets than there are (at octet 8: 3 octets, expected at least 4)",
        ),
        (
            "200100080000bd0000600000",
            "(at octet 8: 0 octets, expected at least 4)",
        ),
        (
            "200100070000bd00006000",
            "(at octet 8: 3 octets, expected at least 4)",
        ),
        (
            "200100040000bd00",
            "lacks the mandatory Recovery Time Stamp (96) (at octet 8)",
        ),
        // A length that runs past the message.
        (
            "2001000c0000bd0000600009e42eaecf",
            "(at octet 8: 4 octets, expected at least 9)",
        ),
        // Create FAR > Apply Action without an octet; and its list cut within.
        (
            "2134001c0000000000000001000001000003000c006c000400000001002c0000",
            "Create FAR (3) > Apply Action (44): ends too early, or claims more octets than there are (at octet 28: 0 octets, expected at least 1)",
        ),
        // PFD contents with a list that ends within an entry: no octets behind it would help.
        (
            "2003001c00000100003a00140018000176003b000b003d000720000003000961",
            "PFD contents (61): ends too early, or claims more octets than there are (at octet 21)",
        ),
        // A second message of a bundle, behind a good one.
        (
            "2534000c0000000000000001000001002134000d000000000000000100000200ff",
            "of the message that starts at octet 16 of the datagram: 1 octets, expected at least 4)",
        ),
    ];
    for (octets, expected) in cases {
        let (_, said, code) = decoded(octets.as_bytes());
        assert!(said.contains(expected), "{octets}: {said}");
        assert!(code == 1 || octets.starts_with("25") && code == 3, "{said}");
    }
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test-harness/captures/open5gs-smf");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| !path.to_str().unwrap().contains(".n3."))
        .filter(|path| path.extension().is_some_and(|it| it == "pcap"))
        .collect();
    all.sort();
    all
}

/// Whatever order its IEs are in, and whatever its spare bits: what `decode --json` prints, `encode`
/// turns into the very octets.
#[test]
fn json_gives_the_octets_back() {
    let mut lines = String::new();
    for line in messages().lines().filter(|line| !line.starts_with('#')) {
        writeln!(lines, "{}", line.rsplit(' ').next().unwrap()).unwrap();
    }
    let json = upf(&["decode", "--json", "-"], lines.as_bytes());
    assert!(json.status.success());
    let back = upf(&["encode"], &json.stdout);
    let back = String::from_utf8(back.stdout).unwrap();
    // Of a bundle each message is a line of its own.
    assert_eq!(back.replace('\n', ""), lines.replace('\n', ""));
    assert!(captures().len() > 15);
    let mut count = 0;
    for path in captures() {
        let json = upf(&["decode", "--json", path.to_str().unwrap()], b"");
        let back = upf(&["encode"], &json.stdout);
        let back = String::from_utf8(back.stdout).unwrap();
        let file = std::fs::read(&path).unwrap();
        let packets = capture::read(&file).unwrap();
        let datagrams = packets.iter().filter_map(|packet| {
            let ip = net::Ip::parse(packet.ip()?)?;
            let udp = net::Udp::parse(ip.payload)?;
            (udp.source == 8805 || udp.destination == 8805).then(|| udp.payload.to_vec())
        });
        for (came, back) in datagrams.zip(back.lines()) {
            assert_eq!(unhex(back), came, "{path:?}");
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

/// What is changed in the JSON is written as it says, not as it came.
#[test]
fn changed_json_is_written_as_it_says() {
    // Spare bits of the flags of a heartbeat's source address are set: not as we would write it.
    let came = "200100150000bd0000600004e42eaecf00c00005fa0a0a0402";
    let json = upf(&["decode", "--json", came], b"");
    let json = String::from_utf8(json.stdout).unwrap();
    assert!(
        json.contains(&format!("\"as_it_came\":\"{came}\"")),
        "{json}"
    );
    let encode = |json: &str| {
        let output = upf(&["encode"], json.as_bytes());
        let octets = String::from_utf8(output.stdout).unwrap();
        octets.trim().to_owned()
    };
    assert_eq!(encode(&json), came);
    let changed = json.replace("10.10.4.2", "10.10.4.3");
    assert_ne!(changed, json);
    assert_eq!(encode(&changed), came.replace("fa0a0a0402", "020a0a0403"));
    for (json, words) in [
        ("{}", "message 1 is none"),
        ("[", "message 1 is none"),
        ("", "no message to encode"),
        (&format!("{json}{{\"header\":7}}"), "message 2 is none"),
    ] {
        let output = upf(&["encode"], json.as_bytes());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{json}: {said}");
    }
}

/// A reader that has seen enough is no error.
#[test]
fn a_closed_pipe_is_no_error() {
    let many = format!("{HEARTBEAT}\n").repeat(20_000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_upf"))
        .args(["pfcp", "decode", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child
        .stdin
        .take()
        .unwrap()
        .write_all(many.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// So it is for the commands that show much.
#[test]
fn a_closed_pipe_is_no_panic() {
    for arguments in [
        &["config", "example"][..],
        &["config", "schema"],
        &[
            "check",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../upf.example.yaml"),
        ],
        &["explain", "--reason", "all"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_upf"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

/// Who listens to what is wrong may have heard enough, too.
#[test]
fn a_closed_standard_error_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_upf"))
        .args(["pfcp", "decode", "20010004"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_pipe_is_read_like_a_file() {
    let output = upf(&["decode", "/dev/stdin"], HEARTBEAT.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let output = upf(&["decode", "/"], b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot read /"), "{said}");
}

/// What has no end is not read to its end.
#[test]
fn what_has_no_end_is_refused() {
    for arguments in [["decode", "/dev/zero"], ["encode", "/dev/zero"]] {
        let output = upf(&arguments, b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("/dev/zero has more than 256 MiB"), "{said}");
        assert!(said.contains("tcpdump -r FILE"), "{said}");
    }
}

/// Fragments of which some are missing are a fault where they may be PFCP, and only there.
#[test]
fn missing_fragments_of_others_are_no_fault() {
    let dns = {
        let mut packet = carrying(SMF, UPF, &establishment());
        packet[20..24].copy_from_slice(&[0, 53, 0, 53]);
        packet
    };
    let tcp = {
        let mut packet = dns.clone();
        packet[9] = 6;
        packet
    };
    for other in [dns, tcp] {
        let parts = fragments(&other, 240);
        let [first, second, ..] = &parts[..] else {
            panic!("too few")
        };
        // The first comes first, comes last, or is all that comes.
        for some in [vec![first, second], vec![second, first], vec![first]] {
            let mut packets: Vec<Vec<u8>> = some.into_iter().cloned().collect();
            packets.push(packet(SMF, UPF));
            let whole: Vec<_> = packets.iter().map(|one| (&**one, one.len())).collect();
            let (out, said, code) = decoded(&LITTLE.pcap(101, &whole));
            assert_eq!(code, 0, "{said}");
            assert!(
                out.contains("Heartbeat") && said.contains("1 packets that"),
                "{said}"
            );
        }
    }
}

/// A message that no peer may send is shown, and what is wrong with it said.
#[test]
fn what_breaks_a_rule_is_shown_and_told() {
    // A report that says of nothing what it reports.
    let report = "21380011000000000000000100000100002700010b";
    let (out, said, code) = decoded(report.as_bytes());
    assert_eq!(code, 0, "{said}");
    assert!(out.contains("Report Type: DLDR USAR UPIR"), "{out}");
    assert!(
        said.contains("Session Report Request, against the rules: expected a Downlink Data Report, as DLDR is set"),
        "{said}"
    );
    // Its octets come back all the same; what it says is not written anew.
    let json = upf(&["decode", "--json", report], b"");
    assert_eq!(
        upf(&["encode"], &json.stdout).stdout,
        format!("{report}\n").into_bytes()
    );
    let json = String::from_utf8(json.stdout).unwrap();
    let changed = json.replace("\"UPIR\"", "\"ERIR\"");
    assert_ne!(changed, json);
    let refused = upf(&["encode"], changed.as_bytes());
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("expected a Downlink Data Report, as DLDR is set"),
        "{said}"
    );
}

/// More messages than one datagram may bundle are not passed over in silence.
#[test]
fn the_end_of_a_long_bundle_is_told() {
    let message = "2536000c000000000000000100000100";
    for (count, code, read) in [(64, 0, 64), (70, 3, 64)] {
        let (out, said, status) = decoded(message.repeat(count).as_bytes());
        assert_eq!(out.matches("Session Deletion Request").count(), read);
        assert_eq!(status, code, "{said}");
        let told = said.contains("more than 64 messages in one datagram: from octet 1024 on");
        assert_eq!(told, count > read, "{said}");
    }
}
