//! Installs the Debian and Ubuntu packages that are missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run::{run, target_directory};

/// To build: DPDK, and what bindgen and the linker need.
pub(crate) const BUILD: &[&str] = &[
    "gcc",
    "libc6-dev",
    "pkg-config",
    "clang",
    "libclang-dev",
    "libdpdk-dev",
];

/// Drivers, without the version that ends their package names: virtual ports first.
const DRIVERS: &[&str] = &[
    "librte-net-ring",
    "librte-net-null",
    "librte-net-pcap",
    "librte-net-af-packet",
    "librte-net-af-xdp",
    "librte-net-tap",
    "librte-net-memif",
    "librte-net-vhost",
    "librte-net-virtio",
    "librte-mempool-ring",
];

/// To test: namespaces, real traffic, independent dissectors, a counter of allocations.
const TEST: &[&str] = &[
    "iproute2",
    "iputils-ping",
    "iputils-arping",
    "iperf3",
    "ethtool",
    "tshark",
    "valgrind",
];

/// Installs what is missing.
pub(crate) fn install(for_tests: bool) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        println!(
            "This is neither Debian nor Ubuntu: nothing is installed. Needed: DPDK 22.11 or later \
             with development files, pkg-config, gcc, clang and libclang."
        );
        return Ok(());
    }
    let mut wanted: Vec<String> = BUILD.iter().map(ToString::to_string).collect();
    if for_tests {
        wanted.extend(TEST.iter().map(ToString::to_string));
    }
    let mut missing: Vec<String> = wanted
        .into_iter()
        .filter(|name| !is_installed(name))
        .collect();
    let drivers_missing = DRIVERS.iter().any(|driver| !any_version_installed(driver));
    if missing.is_empty() && !drivers_missing {
        return Ok(());
    }
    apt(&["update", "-q"])?;
    if drivers_missing {
        let versioned = DRIVERS
            .iter()
            .filter(|driver| !any_version_installed(driver));
        missing.extend(versioned.filter_map(|driver| newest(driver)));
    }
    println!("Installing: {}", missing.join(" "));
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(missing.iter().map(String::as_str));
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else {
        let mut command = Command::new("sudo");
        command.args(["--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        command
    };
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(arguments);
    let status = command
        .status()
        .context("could not start apt-get (or sudo)")?;
    ensure!(
        status.success(),
        "apt-get {} failed: {status}",
        arguments.join(" ")
    );
    Ok(())
}

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    output("id", &["-u"]).is_some_and(|id| id.trim() == "0")
}

fn is_installed(package: &str) -> bool {
    output("dpkg-query", &["-W", "-f", "${Status}", package])
        .is_some_and(|status| status.contains("install ok installed"))
}

fn any_version_installed(prefix: &str) -> bool {
    let pattern = format!("{prefix}[0-9]*");
    output("dpkg-query", &["-W", "-f", "${Status}\n", &pattern])
        .is_some_and(|status| status.contains("install ok installed"))
}

/// The package of that prefix with the highest version in its name.
fn newest(prefix: &str) -> Option<String> {
    let names = output("apt-cache", &["pkgnames", prefix])?;
    let version = |name: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
    let named = names
        .lines()
        .filter_map(|name| Some((version(name)?, name)));
    named.max().map(|(_, name)| name.to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// Installs one package if it is missing.
pub(crate) fn require(package: &str) -> Result<()> {
    if is_installed(package) || !Path::new("/usr/bin/apt-get").exists() {
        return Ok(());
    }
    apt(&["update", "-q"])?;
    println!("Installing: {package}");
    apt(&["install", "-y", "-q", "--no-install-recommends", package])
}

/// The programs that a list of Python packages names, in an environment of that name, made once for
/// each list.
pub(crate) fn python(name: &str, requirements: &str) -> Result<PathBuf> {
    let place = target_directory().join(name);
    let tools = place.join("bin");
    let wanted = std::fs::read_to_string(requirements)?;
    let mark = place.join("requirements.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(tools);
    }
    require("python3-venv")?;
    run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    run(Command::new(tools.join("python"))
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(requirements))?;
    std::fs::write(mark, wanted)?;
    Ok(tools)
}

/// Fails with the command that helps when libdpdk cannot be found.
pub(crate) fn require_dpdk() -> Result<()> {
    let version = output("pkg-config", &["--modversion", "libdpdk"]).unwrap_or_default();
    if version.trim().is_empty() {
        bail!("libdpdk was not found by pkg-config: run `cargo xtask setup`");
    }
    Ok(())
}
