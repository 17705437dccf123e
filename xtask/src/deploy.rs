//! What deploys the UPF: the chart by Helm's own engine, the unit by systemd's own check; and what it
//! is made of, by cargo-deny.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::{cargo, run, target_directory};
use crate::setup;

/// The most exposure of the service, in tenths, that is let pass (`systemd-analyze security`).
const EXPOSURE_MAX: &str = "30";

/// Checks the unit, the chart and the JSON Schema with the binary of this build, and writes the
/// bills of materials.
pub(crate) fn deploy() -> Result<()> {
    cargo(&["build", "--package", "upf"])?;
    let binary = std::path::absolute(target_directory().join("debug/upf"))?;
    unit(&binary)?;
    let tools = setup::python("deploy-venv", "deploy/requirements.txt")?;
    dependencies(&tools)?;
    let target = std::path::absolute(target_directory())?;
    run(Command::new(tools.join("python"))
        .arg("deploy/check.py")
        .arg(binary)
        .arg(target))
}

/// Licences, banned crates, sources (`deny.toml`). Advisories would need their database.
fn dependencies(tools: &Path) -> Result<()> {
    run(Command::new(tools.join("cargo-deny"))
        .args([
            "--locked",
            "--log-level",
            "error",
            "check",
            "--hide-inclusion-graph",
        ])
        .args(["licenses", "bans", "sources"]))
}

/// systemd understands every line of the unit, and counts it as little exposed.
fn unit(binary: &Path) -> Result<()> {
    setup::require("systemd")?;
    let text = std::fs::read_to_string("deploy/systemd/upf.service")?;
    let unit = target_directory().join("upf.service");
    // The check wants the program to be there.
    std::fs::write(
        &unit,
        text.replace("/usr/bin/upf", &binary.display().to_string()),
    )?;
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&unit)
        .output()
        .context("could not start systemd-analyze")?;
    // What it does not understand it only complains about.
    let complaints = String::from_utf8_lossy(&verified.stderr).into_owned();
    ensure!(
        verified.status.success() && !complaints.contains("upf.service"),
        "systemd does not take deploy/systemd/upf.service:\n{complaints}"
    );
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    run(Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true", &threshold])
        .arg(&unit)
        .stdout(std::process::Stdio::null()))?;
    println!("systemd takes the unit, and sees less than {EXPOSURE_MAX} tenths of exposure");
    Ok(())
}
