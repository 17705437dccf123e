//! Dashboard and alerts ask for nothing that is not served: compared with `/metrics` of `upf run`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use upf_dp::Reason;

const DASHBOARD: &str = include_str!("../../deploy/monitoring/dashboard.json");
const ALERTS: &str = include_str!("../../deploy/monitoring/alerts.yaml");

/// What a UPF without peers and sessions tells Prometheus.
fn served() -> String {
    let folder = std::env::temp_dir().join(format!("upf-monitoring-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, socket) = (folder.join("upf.yaml"), folder.join("api.sock"));
    let config = format!(
        "
pfcp: {{ address: 127.0.0.1, port: 18807, allow: [127.0.0.0/8] }}
memory: {{ hugepages: none, buffers: 16384 }}
api: {{ socket: {} }}
ports: [{{ name: ran, device: \"null:\" }}]
interfaces: [{{ name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }}]
",
        socket.display()
    );
    std::fs::write(&file, config).unwrap();
    let mut upf = Command::new(env!("CARGO_BIN_EXE_upf"))
        .arg("run")
        .arg(&file)
        .env("NO_COLOR", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(upf.stderr.take().unwrap()).lines();
    let ready = log.by_ref().any(|line| line.unwrap().contains(" ready "));
    assert!(ready, "it has ended");
    let text = scrape(&socket);
    upf.kill().unwrap();
    upf.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    text
}

fn scrape(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The names that queries may use: with `_total` for counters.
fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let name = |line: &str| {
        let (name, kind) = line.split_once(' ').unwrap();
        let total = if kind == "counter" { "_total" } else { "" };
        format!("{name}{total}")
    };
    types.map(name).collect()
}

/// Words that begin like our metrics.
fn asked(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = words.filter(|word| word.starts_with("upf_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_served() {
    let text = served();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let names = names(&text);
    assert!(names.len() > 45, "{names:?}");
    for (file, content, least) in [("dashboard", DASHBOARD, 20), ("alerts", ALERTS, 12)] {
        let asked = asked(content);
        assert!(asked.len() >= least, "{file}: {asked:?}");
        let missing: Vec<_> = asked.difference(&names).collect();
        assert!(missing.is_empty(), "{file}: {missing:?} is not served");
    }
    // Every reason of a drop is there from zero.
    for reason in Reason::ALL {
        let series = format!(
            "upf_dropped_packets_total{{port=\"ran\",reason=\"{}\"}} ",
            reason.name()
        );
        assert!(text.contains(&series), "no {series}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(panel["targets"][0]["expr"].is_string(), "{panel}");
    }
    let count = |what: &str| ALERTS.matches(what).count();
    assert_eq!(count("- alert:"), count("summary:"));
    assert_eq!(count("- alert:"), count("action:"));
}
