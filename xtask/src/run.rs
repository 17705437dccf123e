//! The two doors, and the simulation.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{deploy, image, setup, tidy};

/// Everything that is to hold on every commit.
pub(crate) fn test() -> Result<()> {
    setup::install(true)?;
    setup::require_dpdk()?;
    tidy::check()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])?;
    // The binary that the namespace tests start.
    cargo(&["build", "--package", "upf"])?;
    image::test()?;
    deploy::deploy()?;
    cargo(&["test", "--workspace", "--no-fail-fast"])
}

/// The UPF at work.
pub(crate) fn demo(arguments: &[String]) -> Result<()> {
    setup::install(false)?;
    setup::require_dpdk()?;
    cargo(&["build", "--release", "--package", "upf"])?;
    let status = Command::new(target_directory().join("release/upf"))
        .arg("demo")
        .args(arguments)
        .status()
        .context("could not start upf")?;
    ensure!(status.success(), "the demonstration failed: {status}");
    Ok(())
}

/// A run of the simulation of N4 (`upf-cp/tests/simulation`).
pub(crate) fn sim(arguments: &[String]) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([
        "test",
        "--release",
        "--package",
        "upf-cp",
        "--test",
        "simulation",
        "--",
    ]);
    command.args(["--ignored", "--exact", "as_asked_for", "--nocapture"]);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let variable = match word.as_str() {
            "--seed" => "SIM_SEED",
            "--steps" => "SIM_STEPS",
            "--only" => "SIM_ONLY",
            other => bail!("sim does not know {other:?}: see `cargo xtask help`"),
        };
        let value = words
            .next()
            .with_context(|| format!("{word} wants a value"))?;
        command.env(variable, value);
    }
    let status = command.status().context("could not start cargo")?;
    ensure!(status.success(), "the simulation failed: {status}");
    Ok(())
}

pub(crate) fn target_directory() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), Into::into)
}

pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    println!("+ cargo {}", arguments.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(arguments)
        .status()
        .context("could not start cargo")?;
    ensure!(
        status.success(),
        "cargo {} failed: {status}",
        arguments.join(" ")
    );
    Ok(())
}

/// Runs something to its end, which has to be a good one.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
