//! `cargo xtask bench`: the packet path, a worker, N4 and the codec, measured in one run, as JSON and
//! as a report with plots.
#![allow(
    clippy::indexing_slicing,
    reason = "a key that a JSON value has not is null, not a panic"
)]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

mod chart;
mod control;
mod machine;
mod path;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::run::{cargo, target_directory};
use crate::setup;

/// What can be measured, in this order.
const PARTS: &[&str] = &["path", "rings", "n4", "codec"];

/// How the benchmark is run.
#[derive(Clone, Debug)]
struct Options {
    depth: Depth,
    /// Where the report goes.
    directory: PathBuf,
    parts: Vec<String>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// To see that everything runs: a few minutes, figures that are not to be quoted.
    Quick,
    Usual,
    /// Up to 4 000 000 sessions.
    Full,
}

/// Measures, and writes `results.json`, `report.md` and the plots.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    let options = Options::from_arguments(arguments)?;
    setup::install(false)?;
    setup::require_dpdk()?;
    fs::create_dir_all(&options.directory)
        .with_context(|| options.directory.display().to_string())?;
    let before = machine::Stolen::read();
    let mut results = json!({ "machine": machine::describe(), "depth": options.depth.name() });
    for part in &options.parts {
        println!("--- {part}");
        let measured = match part.as_str() {
            "path" => path::measure(options.depth)?,
            "rings" => rings(options.depth)?,
            "n4" => control::measure(options.depth)?,
            _ => text_of_bench("pfcp", "codec", &[])?,
        };
        put(&mut results, part, measured);
        // What is measured is kept, should something later fail.
        write_results(&options.directory, &results)?;
    }
    put(&mut results, "stolen_percent", before.percent_since());
    write_results(&options.directory, &results)?;
    report::write(&options.directory, &results)?;
    println!("written: {}", options.directory.join("report.md").display());
    Ok(())
}

fn put(results: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(object) = results.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}

fn write_results(directory: &Path, results: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(results)? + "\n";
    fs::write(directory.join("results.json"), text).context("results.json")
}

/// A worker between ring ports, as the bench prints it.
fn rings(depth: Depth) -> Result<Value> {
    let windows = match depth {
        Depth::Quick => "windows=3",
        _ => "windows=10",
    };
    text_of_bench("upf-dp", "rings", &[windows])
}

/// What a bench prints, for the report as it is.
fn text_of_bench(package: &str, bench: &str, options: &[&str]) -> Result<Value> {
    let output = Command::new(build_bench(package, bench)?)
        .args(options)
        .output()
        .with_context(|| format!("could not start the bench {bench}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    ensure!(
        output.status.success(),
        "the bench {bench} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text.into())
}

/// Builds a bench, and says where its executable is.
pub(crate) fn build_bench(package: &str, bench: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["bench", "--package", package, "--bench", bench, "--no-run"])
        .args(["--message-format", "json"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    ensure!(output.status.success(), "the bench {bench} was not built");
    String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == bench)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo does not say where the bench is")
}

/// Builds programs of the workspace in release, and says where they are.
fn build_programs(packages: &[&str]) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--release"];
    for package in packages {
        arguments.extend(["--package", package]);
    }
    cargo(&arguments)?;
    Ok(target_directory().join("release"))
}

impl Depth {
    const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Usual => "usual",
            Self::Full => "full",
        }
    }
}

impl Options {
    fn from_arguments(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            depth: Depth::Usual,
            directory: target_directory().join("bench"),
            parts: PARTS.iter().copied().map(str::to_owned).collect(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .with_context(|| format!("{word} wants a value"))
            };
            match word.as_str() {
                "--quick" => options.depth = Depth::Quick,
                "--full" => options.depth = Depth::Full,
                "--out" => options.directory = value()?.into(),
                "--only" => options.parts = value()?.split(',').map(str::to_owned).collect(),
                other => bail!("bench does not know {other:?}: see `cargo xtask help`"),
            }
        }
        for part in &options.parts {
            ensure!(
                PARTS.contains(&part.as_str()),
                "--only knows {}, not {part:?}",
                PARTS.join(", ")
            );
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<Options> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::from_arguments(&words)
    }

    #[test]
    fn options_are_understood_or_named() -> Result<()> {
        let some = options("--quick --only path,n4 --out /somewhere")?;
        assert_eq!((some.depth, some.parts.len()), (Depth::Quick, 2));
        for wrong in ["--only paths", "--out", "--fast"] {
            let said = options(wrong).map_err(|error| error.to_string());
            assert!(
                said.is_err_and(|text| text.contains(wrong.split(' ').next_back().unwrap_or("")))
            );
        }
        Ok(())
    }
}
