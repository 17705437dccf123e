//! What no compiler checks: which crate may use which, where `unsafe` may stand, how long a file
//! may be.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Which workspace crates each crate may depend on. `upf-cp` and `upf-dp` never see each other.
const ARROWS: &[(&str, &[&str])] = &[
    ("datagram", &[]),
    ("pfcp", &[]),
    ("gtpu", &[]),
    ("config", &[]),
    ("session", &[]),
    ("dpdk-sys", &[]),
    ("dpdk", &["dpdk-sys"]),
    ("upf-cp", &["datagram", "pfcp", "session"]),
    ("upf-dp", &["dpdk", "gtpu", "session"]),
    ("simulator", &["gtpu", "pfcp"]),
    ("api", &[]),
    (
        "upf",
        &[
            "api",
            "config",
            "dpdk",
            "pfcp",
            "session",
            "simulator",
            "upf-cp",
            "upf-dp",
        ],
    ),
    (
        "test-harness",
        &[
            "config",
            "datagram",
            "dpdk",
            "gtpu",
            "pfcp",
            "simulator",
            "upf",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that other libraries keep out of: codecs, contract and packet path know no runtime.
const NO_TOKIO: &[&str] = &[
    "datagram", "pfcp", "gtpu", "config", "session", "dpdk", "dpdk-sys", "upf-dp",
];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &["dpdk/", "dpdk-sys/", "session/src/publish.rs"];

/// The most lines of a source file; tables (one row a line), tests and benchmarks may be longer.
const LINES_MAX: usize = 500;

/// Files that are tables, and why they may be long is plain from looking at them.
const TABLES: &[&str] = &[
    "config/src/schema.rs",
    "pfcp/src/ie/",
    "pfcp/src/group/",
    "pfcp/src/message/",
    "pfcp/src/table",
    "upf-dp/src/path/catalogue.rs",
];

/// Checks everything and reports all that is wrong.
pub(crate) fn check() -> Result<()> {
    let root = root()?;
    let mut faults = Vec::new();
    for (name, allowed) in ARROWS {
        check_manifest(&root, name, allowed, &mut faults)?;
    }
    let mut files = Vec::new();
    for (name, _) in ARROWS {
        sources(&root.join(name), &mut files)?;
    }
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let path = file
            .strip_prefix(&root)
            .unwrap_or(file)
            .display()
            .to_string();
        check_file(&path, &text, &mut faults);
    }
    ensure!(faults.is_empty(), "not tidy:\n  {}", faults.join("\n  "));
    println!("tidy: {} crates, {} files", ARROWS.len(), files.len());
    Ok(())
}

fn root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest
        .parent()
        .context("xtask lies in the workspace")?
        .to_owned())
}

fn check_manifest(
    root: &Path,
    name: &str,
    allowed: &[&str],
    faults: &mut Vec<String>,
) -> Result<()> {
    let path = root.join(name).join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section == "dependencies" {
            let used = line.split(['.', ' ', '=']).next().unwrap_or_default();
            let ours = ARROWS.iter().any(|(crate_name, _)| *crate_name == used);
            if ours && !allowed.contains(&used) {
                faults.push(format!("{name} must not depend on {used}"));
            }
            if used == "tokio" && NO_TOKIO.contains(&name) {
                faults.push(format!("{name} must not depend on tokio"));
            }
        }
    }
    if !text.contains("[lints]\nworkspace = true") {
        faults.push(format!(
            "{name}/Cargo.toml: the workspace's lints are not taken over"
        ));
    }
    Ok(())
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn check_file(path: &str, text: &str, faults: &mut Vec<String>) {
    let code = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .count();
    let long = TABLES.iter().any(|table| path.starts_with(table))
        || ["/tests/", "/benches/"]
            .iter()
            .any(|place| path.contains(place));
    if code > LINES_MAX && !long {
        faults.push(format!("{path}: {code} lines, more than {LINES_MAX}"));
    }
    let unsafe_is_fine = UNSAFE.iter().any(|place| path.starts_with(place));
    for (number, line) in (1..).zip(text.lines()) {
        let place = format!("{path}:{number}");
        if line.ends_with([' ', '\t']) || line.contains('\t') {
            faults.push(format!("{place}: a tab or a blank at the end"));
        }
        let words = [
            "TO".to_owned() + "DO",
            "FIX".to_owned() + "ME",
            "X".repeat(3),
        ];
        if words.iter().any(|word| line.contains(word.as_str())) {
            faults.push(format!(
                "{place}: something left to do; do it or write it down elsewhere"
            ));
        }
        if !unsafe_is_fine && line.contains(&("allow(unsafe".to_owned() + "_code")) {
            faults.push(format!("{place}: unsafe code has no place here"));
        }
    }
    let crate_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
    if crate_root && !text.starts_with("//!") {
        faults.push(format!("{path}: says not what it is for (`//!`)"));
    }
    if !text.ends_with('\n') || text.ends_with("\n\n") {
        faults.push(format!("{path}: does not end with one newline"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        check().unwrap();
    }

    #[test]
    fn a_forbidden_arrow_and_a_stray_unsafe_are_found() {
        let mut faults = Vec::new();
        check_file(
            "upf-dp/src/x.rs",
            &format!("#![allow({}_code)]\nlet x; \n", "unsafe"),
            &mut faults,
        );
        assert_eq!(faults.len(), 2, "{faults:?}");
        let directory = std::env::temp_dir().join(format!("tidy-{}", std::process::id()));
        fs::create_dir_all(directory.join("upf-dp")).unwrap();
        let manifest = "[lints]\nworkspace = true\n[dependencies]\nupf-cp.workspace = true\n";
        fs::write(directory.join("upf-dp/Cargo.toml"), manifest).unwrap();
        let mut faults = Vec::new();
        check_manifest(&directory, "upf-dp", &["dpdk"], &mut faults).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(faults, ["upf-dp must not depend on upf-cp"]);
    }
}
