//! What a reader has to know of the machine.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// The machine, the compiler and the commit, as far as the system tells.
pub(super) fn describe() -> Value {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of_cpu = |key: &str| {
        let line = cpu.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    json!({
        "cpu": of_cpu("model name"),
        "microcode": of_cpu("microcode"),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "cache_kib": of_cpu("cache size"),
        "hypervisor": cpu.contains(" hypervisor"),
        "smt": file("/sys/devices/system/cpu/smt/control"),
        "governor": file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "isolated_cpus": file("/sys/devices/system/cpu/isolated"),
        "transparent_huge_pages": file("/sys/kernel/mm/transparent_hugepage/enabled"),
        "huge_pages_2m": file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
        "kernel": file("/proc/sys/kernel/osrelease"),
        "load": file("/proc/loadavg"),
        "compiler": said("rustc", &["--version"]),
        "dpdk": said("pkg-config", &["--modversion", "libdpdk"]),
        "commit": said("git", &["rev-parse", "HEAD"]),
        "changed_files": said("git", &["status", "--short"]).map(|text| text.lines().count()),
        "date": said("date", &["--iso-8601=seconds"]),
    })
}

fn file(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Time that the host gave to others, out of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stolen {
    stolen: u64,
    all: u64,
}

impl Stolen {
    pub(super) fn read() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        let times: Vec<u64> = first
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        Self {
            stolen: times.get(7).copied().unwrap_or(0),
            // What comes after is part of the first two.
            all: times.iter().take(8).sum(),
        }
    }

    #[allow(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "ticks far below 2⁵³"
    )]
    pub(super) fn percent_since(self) -> f64 {
        let now = Self::read();
        let all = (now.all - self.all).max(1);
        (now.stolen - self.stolen) as f64 * 100.0 / all as f64
    }
}
