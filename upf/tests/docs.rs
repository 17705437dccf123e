//! What the documents name exists: commands and their flags, keys, configurations, findings, files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use config::{Overrides, reference};
use upf_dp::Reason;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every document for people, by its path from the root.
fn documents() -> BTreeMap<String, String> {
    let mut documents = BTreeMap::new();
    for folder in ["", "docs", "docs/how-to"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                documents.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(documents.len() > 12, "{:?}", documents.keys());
    documents
}

/// The fenced blocks of a language, without the indentation of the list that they stand in.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() == format!("```{language}") {
            let indent = line.len() - line.trim_start().len();
            let block = lines.by_ref().take_while(|line| line.trim() != "```");
            let block: Vec<&str> = block
                .map(|line| line.get(indent..).unwrap_or_default())
                .collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// What stands between backticks, outside of fenced blocks.
fn spans(text: &str) -> Vec<String> {
    let outside: Vec<&str> = text.split("```").step_by(2).collect();
    let spans = outside
        .iter()
        .flat_map(|text| text.split('`').skip(1).step_by(2));
    spans.map(|span| span.replace('\n', " ")).collect()
}

#[test]
fn configurations_are_good() {
    let environment = [
        (
            "PCIDEVICE_INTEL_COM_SRIOV_N3".to_owned(),
            "0000:03:02.0".to_owned(),
        ),
        (
            "PCIDEVICE_INTEL_COM_SRIOV_N6".to_owned(),
            "0000:03:02.1".to_owned(),
        ),
    ];
    let overrides = Overrides {
        environment: &environment,
        ..Overrides::default()
    };
    let mut read = 0;
    for (name, text) in documents() {
        for block in blocks(&text, "yaml") {
            if block.starts_with("# upf.yaml") {
                let loaded = config::load(&block, &overrides);
                let loaded =
                    loaded.unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}\n{block}"));
                let allowed = loaded.warnings.iter().map(ToString::to_string);
                // Of a chain's first part alone.
                let odd: Vec<String> = allowed
                    .filter(|told| !told.contains("no networks"))
                    .collect();
                assert_eq!(odd, Vec::<String>::new(), "{name}");
                read += 1;
            }
        }
    }
    assert!(read >= 5, "only {read} configurations");
}

/// The words of `upf` commands in a line of a shell: those after `upf` up to the end of the command.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default();
    let mut commands = Vec::new();
    for command in line.split([';', '|', '(', ')', '&']) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let at = words
            .iter()
            .position(|word| *word == "upf" || word.ends_with("/upf"));
        if let Some(at) = at
            && (at == 0 || words[at - 1] == "--")
        {
            commands.push(
                words[at + 1..]
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect(),
            );
        }
    }
    commands
}

/// Fails unless the subcommand and its long flags are known.
fn check_command(name: &str, words: &[String], helps: &mut BTreeMap<Vec<String>, String>) {
    const GROUPS: [&str; 2] = ["config", "pfcp"];
    let Some(first) = words
        .first()
        .filter(|first| first.starts_with(|initial: char| initial.is_ascii_lowercase()))
    else {
        return;
    };
    let mut path = vec![first.clone()];
    if GROUPS.contains(&first.as_str()) {
        path.extend(words.get(1).cloned());
    }
    let help = helps.entry(path.clone()).or_insert_with(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upf"));
        let output = command.args(&path).arg("--help").output().unwrap();
        assert!(
            output.status.success(),
            "{name}: there is no `upf {}`",
            path.join(" ")
        );
        String::from_utf8(output.stdout).unwrap()
    });
    for flag in words
        .iter()
        .filter(|word| word.starts_with("--") && word.len() > 2)
    {
        let flag = flag.split('=').next().unwrap();
        assert!(
            help.contains(flag),
            "{name}: `upf {}` has no {flag}",
            path.join(" ")
        );
    }
}

#[test]
fn commands_exist() {
    let mut helps = BTreeMap::new();
    for (name, text) in documents() {
        let lines = blocks(&text, "sh").join("\n");
        for words in lines.lines().flat_map(commands) {
            check_command(&name, &words, &mut helps);
        }
        for span in spans(&text).iter().filter(|span| span.starts_with("upf ")) {
            for words in commands(span) {
                check_command(&name, &words, &mut helps);
            }
        }
    }
    let shown: Vec<String> = helps.keys().map(|path| path.join(" ")).collect();
    for must in [
        "run",
        "check",
        "doctor",
        "demo",
        "config example",
        "config schema",
        "pfcp decode",
    ] {
        assert!(
            shown.iter().any(|path| path == must),
            "nothing tells of {must}: {shown:?}"
        );
    }
}

#[test]
fn keys_and_findings_exist() {
    let keys: Vec<String> = reference::keys().into_iter().map(|key| key.path).collect();
    let sections: Vec<&str> = keys
        .iter()
        .filter_map(|key| key.split('.').next())
        .collect();
    let source = std::fs::read_dir(root().join("upf/src/doctor")).unwrap();
    let source: String = source
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let plain = |part: &str| {
        part.bytes()
            .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_')
    };
    let (mut known, mut found) = (0, 0);
    for (name, text) in documents() {
        for span in spans(&text) {
            let path = span.split([':', '=', ' ']).next().unwrap();
            let path = path.replace("[]", ".N");
            let parts: Vec<&str> = path.split('.').collect();
            if parts.len() < 2 || !parts.iter().all(|part| *part == "N" || plain(part)) {
                continue;
            }
            if sections.contains(&parts[0]) && keys.contains(&path) {
                known += 1;
            } else if source.contains(&format!("\"{path}\"")) {
                found += 1;
            } else {
                let areas = [
                    "cpus",
                    "devices",
                    "links",
                    "privileges",
                    "n4",
                    "n6",
                    "time",
                    "memory",
                ];
                let named = sections.contains(&parts[0]) || areas.contains(&parts[0]);
                assert!(!named, "{name}: `{span}` is neither a key nor a finding");
            }
        }
    }
    assert!(known > 100 && found > 30, "{known} keys, {found} findings");
}

#[test]
fn drops_that_are_explained_exist() {
    let text = &documents()["docs/how-to/troubleshooting.md"];
    let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    let mut explained = 0;
    for line in text
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches('|').count() == 5)
    {
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in last.split('`').skip(1).step_by(2) {
            assert!(names.contains(&name), "{name} in {line}");
            explained += 1;
        }
    }
    assert!(explained >= 10, "{explained}");
}

#[test]
fn links_lead_somewhere() {
    for (name, text) in documents() {
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.starts_with("http") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() {
                root().join(&name)
            } else {
                folder.join(file)
            };
            assert!(file.exists(), "{name}: {link}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).unwrap();
                let heading = |line: &str| {
                    line.trim_start_matches('#')
                        .trim()
                        .to_lowercase()
                        .replace(' ', "-")
                };
                let mut headings = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(heading);
                assert!(headings.any(|heading| heading == anchor), "{name}: {link}");
            }
        }
    }
}
