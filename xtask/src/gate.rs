//! The gate of instructions: callgrind counts what benches execute, and a case that takes more than
//! 3 % above what is recorded fails.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::bench::build_bench;
use crate::setup;

/// A bench whose instructions are recorded, one case a line: its options, `=`, instructions per unit.
struct Gate {
    package: &'static str,
    bench: &'static str,
    record: &'static str,
    /// The functions that count.
    measured: &'static str,
    /// Options of every case.
    options: &'static str,
    /// What is counted by, and how many of it a case has.
    unit: &'static str,
    units: u32,
}

/// By how much a case may exceed its record, in percent.
const TOLERANCE: f64 = 3.0;

/// callgrind makes everything some fifty times slower: few rounds of a burst of 64.
const PACKETS: Gate = Gate {
    package: "upf-dp",
    bench: "path",
    record: "upf-dp/benches/instructions.txt",
    measured: "upf_dp::path::Path*::run",
    options: "1 rounds=50",
    unit: "packet",
    units: 50 * 64,
};

const REQUESTS: Gate = Gate {
    package: "upf-cp",
    bench: "node",
    record: "upf-cp/benches/instructions.txt",
    measured: "node::measured*",
    options: "rounds=1",
    unit: "request",
    units: 10_000,
};

const MESSAGES: Gate = Gate {
    package: "pfcp",
    bench: "codec",
    record: "pfcp/benches/instructions.txt",
    measured: "codec::measured*",
    options: "count=200",
    unit: "message",
    units: 200,
};

/// Compares with the records, or writes them anew.
pub(crate) fn gate(record: bool) -> Result<()> {
    setup::require("valgrind")?;
    let mut worse = Vec::new();
    for gate in [PACKETS, REQUESTS, MESSAGES] {
        worse.extend(gate.compare(record)?);
    }
    ensure!(
        record || worse.is_empty(),
        "more than {TOLERANCE} % above the record: {}. If it has to be, record it with \
         `cargo xtask gate record` and say why in the commit.",
        worse.join(", ")
    );
    Ok(())
}

impl Gate {
    /// Counts all cases; gives those that are over the record.
    fn compare(&self, record: bool) -> Result<Vec<String>> {
        let bench = build_bench(self.package, self.bench)?;
        let text = std::fs::read_to_string(self.record).with_context(|| self.record.to_owned())?;
        let mut lines = Vec::new();
        let mut worse = Vec::new();
        for line in text.lines() {
            let Some((case, recorded)) = line.rsplit_once('=').filter(|_| !line.starts_with('#'))
            else {
                lines.push(line.to_owned());
                continue;
            };
            let (case, recorded) = (case.trim(), recorded.trim().parse::<f64>()?);
            let counted = self.count(&bench, case)?;
            let change = (counted / recorded - 1.0) * 100.0;
            let unit = self.unit;
            println!("{case:<36} {counted:>8.1} instructions per {unit}, {change:>+5.1} %");
            if change > TOLERANCE {
                worse.push(case.to_owned());
            }
            lines.push(format!("{case:<36} = {counted:.1}"));
        }
        if record {
            std::fs::write(self.record, lines.join("\n") + "\n")?;
        }
        Ok(worse)
    }

    /// Instructions per unit in one case, such as `way=uplink pdrs=20`.
    fn count(&self, bench: &Path, case: &str) -> Result<f64> {
        let directory = std::env::temp_dir().join(format!("upf-gate-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let profile = directory.join("callgrind.out");
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--collect-atstart=no"])
            .arg(format!("--toggle-collect={}", self.measured))
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(bench)
            .args(self.options.split_whitespace())
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
        ensure!(
            instructions > 0.0,
            "{case}: callgrind saw nothing of {}",
            self.measured
        );
        Ok(instructions / f64::from(self.units))
    }
}
