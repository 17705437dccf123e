//! `upf run` between real hosts: what `upf explain`, `upf trace` and `upf capture` tell is what
//! happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod network;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use network::{Network, SERVER4, Setup, UE4};
use serde_json::Value;
use simulator::{Flavour, net};
use test_harness::process::upf_program;
use test_harness::{skip, tshark};

/// A command of the client, at work.
fn begin(network: &Network, arguments: &[&str]) -> Child {
    let socket = network.socket();
    Command::new(upf_program().unwrap())
        .args(arguments)
        .args(["--socket", socket.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child) -> (String, Option<i32>) {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = String::from_utf8(stdout).unwrap();
    (text + &String::from_utf8_lossy(&stderr), status.code())
}

fn json(network: &Network, arguments: &[&str]) -> Value {
    let (text, code) = end(begin(network, arguments));
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Lets `happen` happen until the command has seen enough.
fn until_it_ends(mut child: Child, mut happen: impl FnMut()) -> String {
    for _ in 0..40 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        happen();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (text, code) = end(child);
    assert_eq!(code, Some(0), "{text}");
    text
}

/// The packets of a trace, and how it ended.
fn traced(text: &str) -> (Vec<Value>, Value) {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut lines: Vec<Value> = lines.collect();
    let last = lines.pop().unwrap();
    let packets = lines.iter().map(|line| line["packet"].clone());
    (packets.collect(), last["end"].clone())
}

/// What tshark reads in a capture: interface, direction, comment of each frame.
fn read(file: &Path) -> Vec<[String; 3]> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields"]);
    for field in [
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.comment",
    ] {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        std::array::from_fn(|_| fields.next().unwrap_or_default())
    };
    text.lines().map(row).collect()
}

/// A frame without what each packet has of its own: the identification and its checksum.
fn alike(frame: &Value) -> String {
    let mut octets = frame.as_str().unwrap().as_bytes().to_vec();
    octets[36..40].fill(b'x');
    octets[48..52].fill(b'x');
    String::from_utf8(octets).unwrap()
}

fn follow(network: &mut Network, seid: &str, folder: &Path) {
    let file: PathBuf = folder.join("session.pcapng");
    let name = file.to_str().unwrap();
    let watched = ["--ue", UE4, "--packets", "6", "--seconds", "30"];
    let capture = begin(
        network,
        &[&["capture", "--write", name][..], &watched[..]].concat(),
    );
    let trace = [
        "trace",
        "--json",
        "--seid",
        seid,
        "--packets",
        "4",
        "--seconds",
        "30",
    ];
    let trace = begin(network, &trace);
    let (packets, ended) = traced(&until_it_ends(trace, || {
        network.ping(UE4, SERVER4, 1, &[]);
    }));
    until_it_ends(capture, || {
        network.ping(UE4, SERVER4, 1, &[]);
    });
    assert_eq!(
        (packets.len(), &ended["packets"], &ended["missed"]),
        (4, &4.into(), &0.into())
    );
    for packet in &packets {
        assert_eq!(
            (&packet["outcome"], &packet["seid"]),
            (&"sent".into(), &seid.into())
        );
        let up = packet["port"] == "ran";
        let ways = if up { ("n3", "core") } else { ("n6", "ran") };
        assert_eq!(
            (
                packet["interface"].as_str(),
                packet["sent"][0]["port"].as_str()
            ),
            (Some(ways.0), Some(ways.1)),
            "{packet}"
        );
        // The same packet once more would go the same way.
        let received = packet["received"].as_str().unwrap();
        let told = &json(network, &["explain", "--json", received])[0];
        for key in ["outcome", "seid", "pdr", "far", "interface", "verdict"] {
            assert_eq!(told[key], packet[key], "{key}");
        }
        let frame = |told: &Value| alike(&told["sent"][0]["octets"]);
        assert_eq!(frame(told), frame(packet));
    }
    let ways: Vec<_> = packets
        .iter()
        .map(|packet| packet["port"].as_str())
        .collect();
    assert!(ways.contains(&Some("ran")) && ways.contains(&Some("core")));
    in_pairs(&file, seid);
}

/// The session's packets in a capture: each as it was received and as it was sent.
fn in_pairs(file: &Path, seid: &str) {
    if skip::has_tshark() {
        let frames = read(file);
        assert_eq!(frames.len(), 12, "{frames:?}");
        for pair in frames.chunks(2) {
            let [[from, _, received], [to, _, sent]] = pair else {
                panic!("{pair:?}");
            };
            assert_ne!(from, to);
            let whose = format!("session {seid}, PDR ");
            assert!(received.starts_with(&whose) && received.ends_with(": forwarded"));
            assert!(
                sent.starts_with(&whose) && sent.ends_with(": sent"),
                "{sent}"
            );
        }
        let complaints = tshark::complaints(file, tshark::Depth::All).unwrap();
        assert!(complaints.is_empty(), "{complaints:?}");
    }
}

/// Packets for a UE that is nobody's.
fn drops(network: &Network, folder: &Path) {
    let route = ["route", "replace", "10.45.0.99/32", "via", "10.10.6.7"];
    network.core.ip(&route).unwrap();
    let file: PathBuf = folder.join("drops.pcapng");
    let name = file.to_str().unwrap();
    let watched = [
        "--reason",
        "unknown_ue",
        "--packets",
        "1",
        "--seconds",
        "30",
    ];
    let capture = begin(
        network,
        &[&["capture", "-w", name][..], &watched[..]].concat(),
    );
    let trace = begin(network, &[&["trace", "--json"][..], &watched[..]].concat());
    let stray = || drop(Network::ask(&network.core, &["10.45.0.99"]));
    let (packets, _) = traced(&until_it_ends(trace, stray));
    until_it_ends(capture, stray);
    let packet = &packets[0];
    assert_eq!(
        (&packet["reason"], &packet["verdict"]),
        (&"unknown_ue".into(), &"dropped: unknown_ue".into())
    );
    let received = packet["received"].as_str().unwrap();
    let (text, code) = end(begin(network, &["explain", received]));
    assert_eq!(code, Some(0), "{text}");
    let (_, from_address) = text.split_once("look up").unwrap();
    assert_eq!(
        from_address,
        "   UE address 10.45.0.99 at n6: no session
result    dropped: unknown_ue
          No session has this UE address in the data network.
          likely cause: the UE has left, or a scan from the data network
          remedy: none, unless a UE complains

"
    );
    if skip::has_tshark() {
        let frames = read(&file);
        assert_eq!(frames.len(), 1);
        let [on, _, comment] = &frames[0];
        assert_eq!(on, "core");
        assert!(
            comment.contains("dropped: unknown_ue") && comment.contains("remedy"),
            "{comment}"
        );
    }
}

#[test]
fn what_is_told_of_packets_is_what_happens_to_them() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::with(Setup {
        api: true,
        ..Setup::default()
    });
    network.attach(Flavour::Open5gs);
    // The first packets may wait for a neighbour.
    network.ping(UE4, SERVER4, 2, &[]);
    let sessions = json(&network, &["sessions", "--json"]);
    let seid = sessions["sessions"][0]["seid"].as_str().unwrap().to_owned();
    let folder = network.socket().parent().unwrap().to_owned();
    follow(&mut network, &seid, &folder);
    drops(&network, &folder);

    // A packet that nobody has sent yet: IP alone, and in a capture.
    let ends = [(SERVER4, 53), (UE4, 4711)];
    let [from, to] = ends.map(|(address, port)| (address.parse().unwrap(), port));
    let packet = net::udp(from, to, b"hello");
    let hex: Vec<_> = packet.iter().map(|octet| format!("{octet:02x}")).collect();
    let hex = hex.concat();
    let told = json(&network, &["explain", "--json", "--ip", &hex]);
    assert_eq!(
        (&told[0]["outcome"], &told[0]["seid"], &told[0]["port"]),
        (&"sent".into(), &seid.as_str().into(), &"core".into())
    );
    let capture = folder.join("session.pcapng");
    let name = capture.to_str().unwrap();
    let told = json(&network, &["explain", "--json", name]);
    // Half of its frames were sent by the UPF, and are for others.
    let outcome = |told: &&Value| told["outcome"] == "sent";
    let sent = told.as_array().unwrap().iter().filter(outcome).count();
    assert_eq!((told.as_array().unwrap().len(), sent), (12, 6), "{told}");

    // What cannot be is said.
    for (arguments, code, what) in [
        (&["trace", "--user", "imsi-1"][..], 1, "no session"),
        (&["trace", "--port", "n4"], 1, "there are ran, core"),
        (&["capture", "-w", name, "--reason", "bad"], 1, "no_pdr"),
        (&["explain", "zz"], 1, "neither a file nor hexadecimal"),
        (&["explain", "--at", "n5", "00"], 1, "interfaces are n3"),
        (&["trace", "--packets", "0"], 2, "1..="),
    ] {
        let (text, exit) = end(begin(&network, arguments));
        assert!(exit == Some(code) && text.contains(what), "{exit:?} {text}");
    }
    network.finish();
}
