//! `upf run` between real hosts: what the API and the client commands tell is what was sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

mod network;

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use network::{GNB, Network, SERVER4, Setup, UE4};
use serde_json::Value;
use simulator::Flavour;
use test_harness::process::upf_program;
use test_harness::skip;

/// A UPF with an API and a session, whose UE has been heard; `None` without the privileges for it.
fn attached() -> Option<(Network, u32)> {
    let mut network = skip::is_root().then(|| {
        Network::with(Setup {
            api: true,
            ..Setup::default()
        })
    })?;
    let session = network.attach(Flavour::Open5gs);
    // The first packets may wait for a neighbour.
    network.ping(UE4, SERVER4, 2, &[]);
    Some((network, session))
}

/// What a command of the client prints, and its exit code.
fn upf(network: &Network, arguments: &[&str]) -> (String, Option<i32>) {
    let socket = network.socket();
    let output = std::process::Command::new(upf_program().unwrap())
        .args(arguments)
        .args(["--socket", socket.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        text + &String::from_utf8_lossy(&output.stderr),
        output.status.code(),
    )
}

fn json(network: &Network, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let (text, code) = upf(network, &all);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The value of a series of the metrics.
fn metric(text: &str, series: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {series} in {text}"));
    line.parse().unwrap()
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// What the URR of a session has counted: packets and octets to the UE, which is what Open5GS asks for.
fn usage(network: &Network, seid: &str) -> (u64, u64) {
    let detail = json(network, &["session", seid]);
    let of = |key: &str| number(&detail["urrs"][0][key]);
    (of("downlink_packets"), of("downlink_octets"))
}

/// A session is found by all that people know of it, and by nothing else.
fn is_found(network: &Network, seid: &str, teid: u32) {
    let teid = format!("{teid:x}");
    for (key, value, found) in [
        ("--ue", UE4, 1),
        ("--ue", "10.45.0.99", 0),
        ("--teid", &teid, 1),
        ("--teid", "1234567", 0),
        ("--dnn", "INTERNET", 1),
        ("--seid", seid, 1),
        ("--peer", "10.10.4.2", 1),
        ("--peer", "10.10.4.3", 0),
    ] {
        let shown = json(network, &["sessions", key, value]);
        let shown = shown["sessions"].as_array().unwrap().len();
        assert_eq!(shown, found, "{key} {value}");
    }
}

/// Metrics say what ports and sessions say.
fn metrics_agree(network: &Network) {
    let ports = json(network, &["ports"]);
    let metrics = network.metrics();
    for (port, name) in [(&ports[0], "ran"), (&ports[1], "core")] {
        assert_eq!(port["name"], name);
        assert_eq!(port["link_up"], true);
        for key in ["received_packets", "sent_packets"] {
            let series = format!("upf_port_{key}_total{{port=\"{name}\"}}");
            let (shown, scraped) = (number(&port[key]), metric(&metrics, &series));
            // The network may have said something meanwhile.
            assert!(shown >= 22, "{series}: {shown}");
            let meanwhile = shown..shown + 20;
            assert!(meanwhile.contains(&scraped), "{series}: {scraped}, {shown}");
        }
    }
    for (series, value) in [
        ("upf_sessions", 1),
        ("upf_peer_sessions{peer=\"10.10.4.2\"}", 1),
        ("upf_peer_up{peer=\"10.10.4.2\"}", 1),
        (
            "upf_pfcp_received_messages_total{message=\"Session Establishment Request\"}",
            1,
        ),
        // Association, establishment, modification.
        ("upf_pfcp_answers_total{cause=\"REQUEST_ACCEPTED\"}", 3),
        ("upf_pfcp_answers_total{cause=\"SYSTEM_FAILURE\"}", 0),
    ] {
        assert_eq!(metric(&metrics, series), value, "{series}");
    }
}

/// What is dropped is told with its reason: packets for a UE that is nobody's.
fn drops_are_told(network: &Network) {
    let strays = || {
        let drops = json(network, &["drops"]);
        let mut all = drops.as_array().unwrap().iter();
        let found = all.find(|drop| drop["reason"] == "unknown_ue").unwrap();
        number(&found["packets"])
    };
    let before = strays();
    Network::ask(&network.core, &["10.45.0.99"]);
    assert_eq!(strays(), before + 1);
    let (text, code) = upf(network, &["drops"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("unknown_ue"), "{text}");
}

#[test]
fn what_is_told_is_what_was_sent() {
    let Some((mut network, session)) = attached() else {
        return;
    };
    let all = json(&network, &["sessions"]);
    assert_eq!(all["total"], 1);
    assert_eq!(all["sessions"][0]["ue_ipv4"], UE4);
    let seid = all["sessions"][0]["seid"].as_str().unwrap();
    let (packets, octets) = usage(&network, seid);
    assert_eq!(network.ping(UE4, SERVER4, 20, &["-s", "100"]), 20);
    // 100 octets in an ICMP echo of 8 in an IPv4 packet of 20.
    assert_eq!(usage(&network, seid), (packets + 20, octets + 20 * 128));

    let teid = network.smf.sessions().get(session).unwrap().uplink.teid;
    is_found(&network, seid, teid);
    let (text, _) = upf(&network, &["session", seid]);
    assert!(text.contains(GNB) && text.contains(UE4), "{text}");
    metrics_agree(&network);
    drops_are_told(&network);

    // Clients that stand still are no burden for the others, nor for N4 and packets.
    let mut still = Vec::new();
    for _ in 0..40 {
        let mut stream = UnixStream::connect(network.socket()).unwrap();
        stream.write_all(b"GET /v1/sessions HTTP/1.1\r\n").unwrap();
        still.push(stream);
    }
    assert_eq!(network.ping(UE4, SERVER4, 5, &[]), 5);
    network.smf.heartbeat().unwrap();
    assert_eq!(json(&network, &["peers"])[0]["sessions"], 1);
    drop(still);

    network.smf.delete(session).unwrap();
    let (text, code) = upf(&network, &["session", seid]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there is no session"), "{text}");
    assert_eq!(json(&network, &["sessions"])["total"], 0);
    let socket = network.socket();
    network.finish();
    assert!(!socket.exists());
}

/// What can change while the UPF runs does so while packets flow: none is lost, and none of the
/// sessions is touched.
#[test]
fn packets_flow_while_the_configuration_is_read_again() {
    let Some((mut network, session)) = attached() else {
        return;
    };
    let file = network.folder.path().join("upf.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let limits = |pdrs: u32| format!("{text}limits: {{ pdrs_per_session: {pdrs} }}\n");
    let answered = std::thread::scope(|scope| {
        let pings = scope.spawn(|| network.ran.ping(UE4, SERVER4, 100, &["-i", "0.02"]));
        let mut pdrs = 50;
        while !pings.is_finished() {
            std::fs::write(&file, limits(pdrs)).unwrap();
            let told = json(&network, &["reload"]);
            assert_eq!(told["outcome"], "applied", "{told}");
            pdrs += 1;
        }
        assert!(pdrs > 55, "{pdrs}");
        pings.join().unwrap()
    });
    assert_eq!(answered, 100, "{}", network.upf.log());
    // What was changed counts: two PDRs are one too many.
    std::fs::write(&file, limits(1)).unwrap();
    assert_eq!(json(&network, &["reload"])["outcome"], "applied");
    assert_eq!(json(&network, &["sessions"])["total"], 1);
    let spec = simulator::SessionSpec {
        ue_ipv4: Some("10.45.0.77".parse().unwrap()),
        ..Default::default()
    };
    let refused = network.smf.establish(spec).unwrap_err().to_string();
    assert!(refused.to_lowercase().contains("resources"), "{refused}");
    network.smf.delete(session).unwrap();
    network.finish();
}
