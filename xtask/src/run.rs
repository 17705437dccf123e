//! The two doors, and the bench.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{setup, tidy};

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

/// Cycles per packet, of the path alone and from end to end; then the codecs, PFCP's beside another.
pub(crate) fn bench() -> Result<()> {
    setup::install(false)?;
    setup::require_dpdk()?;
    for bench in ["path", "rings"] {
        cargo(&["bench", "--package", "upf-dp", "--bench", bench])?;
    }
    cargo(&[
        "bench",
        "--package",
        "gtpu",
        "--bench",
        "parse",
        "--",
        "--quick",
    ])?;
    cargo(&["bench", "--package", "pfcp", "--bench", "codec"])?;
    Ok(())
}

fn target_directory() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), Into::into)
}

fn cargo(arguments: &[&str]) -> Result<()> {
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
