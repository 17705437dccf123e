//! The command line, as a user meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn upf(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upf"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// A file that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("upf-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_demonstration_shows_packets_and_accounts_for_all_of_them() {
    let capture = Scratch::new("demo.pcapng", "");
    let output = upf(&[
        "demo",
        "--json",
        "--sessions",
        "16",
        "--seconds",
        "1",
        "--capture",
        capture.path(),
    ]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["good"], true, "{out}");
    for direction in shown["summary"]["traffic"].as_array().unwrap() {
        assert!(direction["received"].as_u64().unwrap() > 100, "{out}");
        assert_eq!(direction["lost"], 0);
    }
    assert!(shown["scenes"].as_array().unwrap().len() >= 4);
    let packets = simulator::capture::read(&std::fs::read(&capture.0).unwrap()).unwrap();
    assert!(
        packets.len() > 20,
        "a packet of every kind, not {}",
        packets.len()
    );
}

/// Four slices: with this seed a gNB falls silent, buffers run low, and a second SMF comes, restarts,
/// dies and leaves.
#[test]
fn a_soak_accounts_for_everything_that_its_seed_brings() {
    let output = upf(&[
        "soak",
        "--json",
        "--seconds",
        "20",
        "--rate",
        "50",
        "--seed",
        "257",
    ]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let seen: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(seen["good"], true, "{out}");
    assert_eq!(seen["seed"], 257);
    let slices = seen["slices"].as_array().unwrap();
    let incidents: Vec<&str> = slices
        .iter()
        .flat_map(|slice| slice["incidents"].as_array().unwrap())
        .filter_map(serde_json::Value::as_str)
        .collect();
    for incident in [
        "buffers left",
        "silent",
        "forgets",
        "comes",
        "restarts",
        "dies",
        "leaves",
    ] {
        assert!(
            incidents.iter().any(|seen| seen.contains(incident)),
            "{incident}: {incidents:?}"
        );
    }
    let sum = |key: &str| {
        slices
            .iter()
            .map(|slice| slice[key].as_u64().unwrap())
            .sum::<u64>()
    };
    for key in [
        "packets",
        "created",
        "modified",
        "deleted",
        "usage_reports",
        "pages",
    ] {
        assert!(sum(key) > 10, "{key}: {out}");
    }
    assert!(
        seen["drops"]["hold_pool_low"].as_u64().unwrap() > 0,
        "{out}"
    );
}

#[test]
fn the_example_is_good_and_check_says_what_is_in_force() {
    let example = upf(&["config", "example"]);
    let file = Scratch::new("example.yaml", &text(&example.stdout));
    let output = upf(&["check", file.path(), "--set", "pfcp.port=8806"]);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        out.contains("pfcp.port = 8806 (flag --set pfcp.port=8806)"),
        "{out}"
    );
    assert!(out.contains("pfcp.retransmission.n1 = 3"), "{out}");
}

#[test]
fn the_configuration_in_the_readme_is_good() {
    let readme = include_str!("../../README.md");
    let yaml = readme.split("```yaml\n").nth(1).unwrap();
    let file = Scratch::new("readme.yaml", yaml.split("```").next().unwrap());
    let output = upf(&["check", file.path()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn every_mistake_has_its_line_and_key() {
    let example = text(&upf(&["config", "example"]).stdout);
    let wrong = example
        .replace("role: n6", "role: n7")
        .replace("pdrs_per_session", "pdr_limit");
    let file = Scratch::new("wrong.yaml", &wrong);
    let output = upf(&["check", file.path()]);
    let err = text(&output.stderr);
    assert!(!output.status.success());
    let line = |needle: &str| {
        1 + wrong
            .lines()
            .position(|line| line.contains(needle))
            .unwrap()
    };
    for (needle, key) in [
        ("role: n7", "interfaces.2.role"),
        ("pdr_limit", "limits.pdr_limit"),
    ] {
        let place = format!("{}:{}:", file.path(), line(needle));
        assert!(
            err.contains(&place) && err.contains(key),
            "{place} {key} not in:\n{err}"
        );
    }
}

#[test]
fn run_refuses_what_check_refuses() {
    let file = Scratch::new("empty.yaml", "node: {}\n");
    let output = upf(&["run", file.path()]);
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("pfcp"),
        "{}",
        text(&output.stderr)
    );
    let output = upf(&["run", "/nowhere/upf.yaml"]);
    assert!(text(&output.stderr).contains("cannot read the configuration /nowhere/upf.yaml"));
}

/// The output of `upf` with this on its standard input.
fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_upf"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads all of its input before it writes.
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn pfcp_messages_are_shown_and_come_back_from_json() {
    let octets = "2001000c0000bd0000600004e42eaecf";
    let tree = upf(&["pfcp", "decode", octets]);
    assert!(
        text(&tree.stdout).contains("Recovery Time Stamp"),
        "{}",
        text(&tree.stdout)
    );
    let json = upf(&["pfcp", "decode", "--json", octets]);
    let back = fed(&["pfcp", "encode"], &json.stdout);
    assert_eq!(text(&back.stdout).trim(), octets);
    let nonsense = upf(&["pfcp", "decode", "xyz"]);
    assert!(!nonsense.status.success());
    assert!(text(&nonsense.stderr).contains("neither a file nor hexadecimal"));
}

#[test]
fn a_capture_of_an_smf_is_shown_whole() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../upf-cp/tests/captures");
    let file = captures.join("est_ipv4.pcap");
    let output = upf(&["pfcp", "decode", file.to_str().unwrap()]);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for name in [
        "Session Establishment Request",
        "Create PDR",
        "Outer Header Creation",
    ] {
        assert!(out.contains(name), "{name} not in:\n{out}");
    }
    let octets = std::fs::read(&file).unwrap();
    let piped = fed(&["pfcp", "decode", "-"], &octets);
    assert_eq!(text(&piped.stdout), out);
    // All its messages by way of JSON and of hexadecimal lines.
    let json = fed(&["pfcp", "decode", "--json", "-"], &octets);
    let lines = fed(&["pfcp", "encode"], &json.stdout);
    let again = fed(&["pfcp", "decode", "--json", "-"], &lines.stdout);
    assert!(text(&again.stdout).lines().count() > 2);
    assert_eq!(text(&again.stdout), text(&json.stdout));
}

#[test]
fn check_tells_programs_what_it_tells_people() {
    let example = text(&upf(&["config", "example"]).stdout);
    let file = Scratch::new("check.yaml", &example);
    let output = upf(&["check", "--json", file.path()]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!(shown["good"], true);
    let settings = shown["settings"].as_array().unwrap();
    let n1 = settings
        .iter()
        .find(|one| one["key"] == "pfcp.retransmission.n1")
        .unwrap();
    assert_eq!(n1["value"], "3");
    let wrong = Scratch::new("check-wrong.yaml", &example.replace("role: n6", "role: n7"));
    let output = upf(&["check", "--json", wrong.path()]);
    assert_eq!(output.status.code(), Some(1));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mistake = &shown["mistakes"][0];
    assert_eq!(
        (&shown["good"], &mistake["key"]),
        (&false.into(), &"interfaces.2.role".into())
    );
    assert!(mistake["line"].as_u64().unwrap() > 10, "{shown}");
    assert!(
        mistake["problem"]
            .as_str()
            .unwrap()
            .contains("one of n3, n9, n6"),
        "{shown}"
    );
}

#[test]
fn the_schema_is_printed() {
    let output = upf(&["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema, config::json_schema());
    assert_eq!(
        schema["required"],
        serde_json::json!(["pfcp", "ports", "interfaces"])
    );
}

#[test]
fn shells_complete_and_manuals_tell() {
    for (shell, words) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef upf"),
        ("fish", "complete -c upf"),
    ] {
        let script = text(&upf(&["completions", shell]).stdout);
        assert!(
            script.contains(words) && script.contains("doctor"),
            "{shell}: {script}"
        );
    }
    // Bash itself understands it, and completes with it.
    let script = Scratch::new(
        "complete.bash",
        &text(&upf(&["completions", "bash"]).stdout),
    );
    let ask = format!(
        "source {}; COMP_WORDS=(upf doc); COMP_CWORD=1; _upf upf doc upf; echo \"${{COMPREPLY[*]}}\"",
        script.path()
    );
    let output = Command::new("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(
        text(&output.stdout).trim(),
        "doctor",
        "{}",
        text(&output.stderr)
    );

    let folder = std::env::temp_dir().join(format!("upf-man-{}", std::process::id()));
    let output = upf(&["man", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for (page, words) in [
        ("upf.1", "doctor"),
        ("upf-run.1", "UPF_CONFIG"),
        ("upf-config-schema.1", "JSON"),
    ] {
        let page = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(page.starts_with(".ie") && page.contains(words), "{page}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
