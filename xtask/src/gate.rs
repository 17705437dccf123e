//! The gate of instructions per packet: callgrind counts what the packet path's bench executes, and
//! a case that takes more than 3 % above what is recorded fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::setup;

/// What is recorded, one case a line: options of the bench, `=`, instructions per packet.
const RECORD: &str = "upf-dp/benches/instructions.txt";

/// By how much a case may exceed its record, in percent.
const TOLERANCE: f64 = 3.0;

/// Rounds of a burst each; callgrind makes everything some fifty times slower.
const ROUNDS: u32 = 50;

/// Packets of a burst.
const BURST: u32 = 64;

/// Compares with the record, or writes it anew.
pub(crate) fn gate(record: bool) -> Result<()> {
    setup::require("valgrind")?;
    let bench = build()?;
    let text = std::fs::read_to_string(RECORD).with_context(|| RECORD.to_owned())?;
    let mut lines = Vec::new();
    let mut worse = Vec::new();
    for line in text.lines() {
        let Some((case, recorded)) = line.rsplit_once('=').filter(|_| !line.starts_with('#'))
        else {
            lines.push(line.to_owned());
            continue;
        };
        let (case, recorded) = (case.trim(), recorded.trim().parse::<f64>()?);
        let counted = count(&bench, case)?;
        let change = (counted / recorded - 1.0) * 100.0;
        println!("{case:<28} {counted:>7.1} instructions per packet, {change:>+5.1} %");
        if change > TOLERANCE {
            worse.push(case.to_owned());
        }
        lines.push(format!("{case:<28} = {counted:.1}"));
    }
    if record {
        std::fs::write(RECORD, lines.join("\n") + "\n")?;
        return Ok(());
    }
    ensure!(
        worse.is_empty(),
        "more than {TOLERANCE} % above {RECORD}: {}. If it has to be, record it with \
         `cargo xtask gate record` and say why in the commit.",
        worse.join(", ")
    );
    Ok(())
}

/// Builds the bench and finds it.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "bench",
            "--package",
            "upf-dp",
            "--bench",
            "path",
            "--no-run",
        ])
        .args(["--message-format", "json"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    ensure!(output.status.success(), "the bench was not built");
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages
        .lines()
        .filter(|line| line.contains("\"name\":\"path\""))
        .find_map(|line| {
            line.split_once("\"executable\":\"")
                .and_then(|(_, rest)| rest.split_once('"'))
        });
    let (path, _) = executable.context("cargo does not say where the bench is")?;
    Ok(PathBuf::from(path))
}

/// Instructions per packet of `Path::run` in one case, such as `way=uplink pdrs=20`.
fn count(bench: &Path, case: &str) -> Result<f64> {
    let directory = std::env::temp_dir().join(format!("upf-gate-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let profile = directory.join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=upf_dp::path::Path*::run")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(bench)
        .args(["1", &format!("rounds={ROUNDS}")])
        .args(case.split_whitespace())
        .output()
        .context("could not start valgrind")?;
    if !output.status.success() {
        bail!("{case}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let profile = std::fs::read_to_string(&profile)?;
    std::fs::remove_dir_all(&directory)?;
    let total = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals:"))
        .context("callgrind wrote no totals")?;
    let instructions: f64 = total.trim().parse()?;
    ensure!(instructions > 0.0, "{case}: callgrind saw no Path::run");
    Ok(instructions / f64::from(ROUNDS * BURST))
}
