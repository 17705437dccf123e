//! `docs/conformance.md`: what becomes of every message, IE, cause and feature bit. The page is
//! written from what the node does when it is asked, so it cannot say otherwise; `table` adds which
//! test shows what is done, and why something is ignored, and the tests here see that it says so of
//! all that is accepted and of nothing else.
//!
//! `UPDATE=1 cargo test -p upf-cp --test conformance` writes the page.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod probe;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pfcp::{CpFunctionFeatures, UpFunctionFeatures};
use probe::{Came, Probe};
use table::Says;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// All Rust sources below a directory, as one text.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}

/// What a row of the page says of an IE that was probed.
fn outcome(probe: &Probe) -> Result<String, String> {
    let says = table::of(&probe.within, probe.ie.r#type);
    match (&probe.came, says) {
        (Came::Accepted, Some(Says::Done(test))) => Ok(format!("done | `{test}`")),
        (Came::Accepted, Some(Says::Ignored(why))) => Ok(format!("ignored: {why} | ")),
        (Came::Accepted, None) => Err(format!("{} is accepted: done or ignored?", probe.name())),
        (Came::Refused(causes), None | Some(_)) => {
            let causes: Vec<String> = causes.iter().map(u8::to_string).collect();
            Ok(format!(
                "refused: cause {} | `{REFUSED}`",
                causes.join(", ")
            ))
        }
    }
}

/// What shows refusals: the probes of the page itself.
const REFUSED: &str = "the_page_is_what_the_node_does";

fn ies(page: &mut String, faults: &mut Vec<String>) {
    *page += "\n## Information elements of requests\n\n\
              What happens to a request that is sound but for this IE being in it.\n\n\
              | message or group | type | IE | what becomes of it | shown by |\n|---|---|---|---|---|\n";
    for probe in probe::all() {
        match outcome(&probe) {
            Ok(text) => {
                let (r#type, name) = (probe.ie.r#type, probe.ie.name);
                let _ = writeln!(page, "| {} | {type} | {name} | {text} |", probe.within);
            }
            Err(fault) => faults.push(fault),
        }
    }
}

fn messages(page: &mut String, faults: &mut Vec<String>) {
    *page +=
        "\n## Messages\n\n| type | message | what becomes of it | shown by |\n|---|---|---|---|\n";
    for entry in pfcp::MESSAGES {
        let came = probe::message(entry.r#type);
        let says = table::MESSAGES
            .iter()
            .find(|(r#type, _)| *r#type == entry.r#type);
        let text = match (&came, says.map(|(_, test)| *test)) {
            (None, None) => "dropped, not for a UP function | ".to_owned(),
            (None, Some(test)) => format!("sent or taken by the UPF | `{test}`"),
            (Some(1), Some(test)) => format!("done | `{test}`"),
            (Some(cause), None) if *cause != 1 => format!("refused: cause {cause} | `{REFUSED}`"),
            (came, says) => {
                faults.push(format!("{}: {came:?}, but {says:?}", entry.name));
                continue;
            }
        };
        let _ = writeln!(page, "| {} | {} | {text} |", entry.r#type, entry.name);
    }
}

fn causes(page: &mut String, faults: &mut Vec<String>, code: &str) {
    *page += "\n## Causes\n\n| cause | name | given | shown by |\n|---|---|---|---|\n";
    for cause in 1..=92_u8 {
        let name = pfcp::Cause::new(cause).unwrap().to_string();
        if name.parse::<u8>().is_ok() {
            continue;
        }
        // What the codec finds wrong comes with its cause as a number.
        let by_codec = (66..=69).contains(&cause);
        let used = by_codec || code.contains(&format!("Cause::{name}"));
        let says = table::CAUSES.iter().find(|(known, _)| *known == cause);
        let text = match (used, says) {
            (true, Some((_, test))) => format!("yes | `{test}`"),
            (false, None) => "no | ".to_owned(),
            (used, says) => {
                faults.push(format!("cause {name}: used {used}, but {says:?}"));
                continue;
            }
        };
        let _ = writeln!(page, "| {cause} | {name} | {text} |");
    }
}

fn features(page: &mut String, faults: &mut Vec<String>, code: &str) {
    *page += "\n## UP function features\n\nUEIP is announced where `networks[].ue_allocation` lists addresses, ADPDP where `predefined.rules` \
              has any.\n\n| bit | announced | shown by |\n|---|---|---|\n";
    let announced = probe::announced();
    for (flag, name) in UpFunctionFeatures::FLAGS {
        let says = table::UP_FEATURES.iter().find(|(known, _)| known == name);
        match (announced.contains(*flag), says) {
            (true, Some((_, test))) => _ = writeln!(page, "| {name} | yes | `{test}` |"),
            (false, None) => _ = writeln!(page, "| {name} | no | |"),
            (is, says) => faults.push(format!("feature {name}: announced {is}, but {says:?}")),
        }
    }
    *page += "\n## CP function features\n\n| bit | minded | shown by |\n|---|---|---|\n";
    for (_, name) in CpFunctionFeatures::FLAGS {
        let minded = code.contains(&format!("CpFunctionFeatures::{name}"));
        let says = table::CP_FEATURES.iter().find(|(known, _)| known == name);
        match (minded, says) {
            (true, Some((_, test))) => _ = writeln!(page, "| {name} | yes | `{test}` |"),
            (false, None) => _ = writeln!(page, "| {name} | no | |"),
            (is, says) => faults.push(format!("CP feature {name}: minded {is}, but {says:?}")),
        }
    }
}

#[test]
fn the_page_is_what_the_node_does() {
    let code = sources(&repository().join("upf-cp/src"));
    let mut faults = vec![];
    let mut page = "# Conformance\n\n\
                    What this UPF does with PFCP (TS 29.244, Release 17), as the node itself \
                    answered when the tests asked it. `UPDATE=1 cargo test -p upf-cp --test \
                    conformance` writes this page; the test compares. Names in the last column \
                    are tests.\n"
        .to_owned();
    messages(&mut page, &mut faults);
    ies(&mut page, &mut faults);
    causes(&mut page, &mut faults, &code);
    features(&mut page, &mut faults, &code);
    assert!(
        faults.is_empty(),
        "upf-cp/tests/conformance/table.rs:\n{}",
        faults.join("\n")
    );
    let path = repository().join("docs/conformance.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "run: UPDATE=1 cargo test -p upf-cp --test conformance"
    );
}

#[test]
fn every_test_that_is_named_exists() {
    let mut code = String::new();
    for directory in ["upf-cp", "session", "upf-dp", "test-harness", "upf", "pfcp"] {
        code += &sources(&repository().join(directory));
    }
    let named: BTreeSet<&str> = table::tests().chain([REFUSED]).collect();
    // A function, or a line of a table of cases.
    let exists = |test: &str| {
        code.contains(&format!("fn {test}(")) || code.contains(&format!("    {test} \""))
    };
    let absent = named.iter().filter(|test| !exists(test));
    let absent: Vec<_> = absent.collect();
    assert!(absent.is_empty(), "no such tests: {absent:#?}");
}

/// What the table says of IEs that are refused, or that there are not, says nothing.
#[test]
fn the_table_says_nothing_in_vain() {
    let probes = probe::all();
    let vain = table::IES.iter().filter(|(within, r#type, _)| {
        !probes.iter().any(|probe| {
            probe.ie.r#type == *r#type
                && (within.is_empty() || probe.within == *within)
                && matches!(probe.came, Came::Accepted)
        })
    });
    let vain: Vec<_> = vain
        .map(|(within, r#type, _)| format!("{within} {type}"))
        .collect();
    assert!(vain.is_empty(), "{vain:#?}");
}
