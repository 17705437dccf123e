//! Cycles per packet of the path alone: the matrix, in turns, and what to make of the readings.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Depth, build_bench};

/// What is measured: a name, options of the bench `path`, and whether the number of sessions is
/// varied.
const CASES: &[(&str, &str, bool)] = &[
    ("plain", "", true),
    ("Zipf", "spread=zipf", true),
    ("1 400 octets", "octets=1400", false),
    ("IMIX", "octets=imix", false),
    ("IPv6 inside", "inner=6", false),
    ("IPv6 tunnel", "outer=6", false),
    ("IPv6 in IPv6", "inner=6 outer=6", false),
    ("8 PDRs each way", "pdrs=8", false),
    ("20 PDRs each way", "pdrs=20", false),
    ("100 PDRs each way", "pdrs=100", false),
    ("no MBR", "mbr=0", false),
    ("no URR", "urr=0", false),
    ("neither MBR nor URR", "mbr=0 urr=0", false),
];

/// A reading counts when the fixed loop took at most this much longer than at best.
const STEADY: f64 = 1.05;

/// One run of the bench at one case, number of sessions and direction.
#[derive(Clone, Debug)]
struct Reading {
    case: &'static str,
    sessions: u64,
    way: String,
    calibration: f64,
    best: f64,
    middle: f64,
}

/// All cases, several times in turns.
pub(super) fn measure(depth: Depth) -> Result<Value> {
    let (repeats, rounds, varied): (_, _, &[&str]) = match depth {
        Depth::Quick => (1, 300, &["1", "1000", "100000"]),
        Depth::Usual => (3, 1000, &["1", "1000", "10000", "100000", "1000000"]),
        Depth::Full => (
            5,
            2000,
            &["1", "1000", "10000", "100000", "1000000", "4000000"],
        ),
    };
    let bench = build_bench("upf-dp", "path")?;
    let mut readings = Vec::new();
    for _ in 0..repeats {
        for (name, options, is_varied) in CASES {
            let counts = if *is_varied { varied.len() } else { 1 };
            let mut arguments: Vec<&str> = varied.iter().copied().take(counts).collect();
            arguments.extend(options.split_whitespace());
            readings.extend(run(&bench, name, rounds, &arguments)?);
        }
    }
    Ok(summary(&readings))
}

/// Runs the bench on the last CPU, where fewest others are.
fn run(bench: &Path, case: &'static str, rounds: u32, arguments: &[&str]) -> Result<Vec<Reading>> {
    let last = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    let output = Command::new("taskset")
        .args(["--cpu-list", &last.to_string()])
        .arg(bench)
        .args([&format!("rounds={rounds}"), "print=json"])
        .args(arguments)
        .output()
        .context("could not start taskset")?;
    ensure!(
        output.status.success(),
        "{case}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let readings = understood(case, &String::from_utf8(output.stdout)?)?;
    for reading in &readings {
        println!(
            "{case:<20} {:>8} sessions, {:<8} {:>6.1} at best, {:>6.1} in the middle",
            reading.sessions, reading.way, reading.best, reading.middle
        );
    }
    Ok(readings)
}

/// What the bench prints: of each reading, how long the loop of fixed work took beside it.
fn understood(case: &'static str, printed: &str) -> Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for line in printed.lines() {
        let Ok(said) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let number = |key: &str| {
            said[key]
                .as_f64()
                .with_context(|| format!("no {key}: {line}"))
        };
        readings.push(Reading {
            case,
            sessions: said["sessions"].as_u64().context("no sessions")?,
            way: said["way"].as_str().unwrap_or_default().to_owned(),
            calibration: number("calibration")?,
            best: number("best")?,
            middle: number("middle")?,
        });
    }
    Ok(readings)
}

/// Of the steady readings: the best, the middle of the middles, and from where to where they go.
fn summary(readings: &[Reading]) -> Value {
    let calm = readings
        .iter()
        .map(|reading| reading.calibration)
        .fold(f64::INFINITY, f64::min);
    let mut rows: Vec<Value> = Vec::new();
    let mut done: Vec<(&str, u64, &str)> = Vec::new();
    for first in readings {
        let key = (first.case, first.sessions, first.way.as_str());
        if done.contains(&key) {
            continue;
        }
        done.push(key);
        let all: Vec<&Reading> = readings
            .iter()
            .filter(|other| (other.case, other.sessions, other.way.as_str()) == key)
            .collect();
        let steady: Vec<&Reading> = all
            .iter()
            .copied()
            .filter(|reading| reading.calibration <= calm * STEADY)
            .collect();
        let mut middles: Vec<f64> = steady.iter().map(|reading| reading.middle).collect();
        middles.sort_unstable_by(f64::total_cmp);
        let best = steady
            .iter()
            .map(|reading| reading.best)
            .min_by(f64::total_cmp);
        rows.push(json!({
            "case": key.0, "sessions": key.1, "way": key.2,
            "best": best,
            "middle": middles.get(middles.len() / 2),
            "lowest_middle": middles.first(),
            "highest_middle": middles.last(),
            "steady_runs": steady.len(),
            "runs": all.len(),
        }));
    }
    json!({ "calibration_cycles": calm, "rows": rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(calibration: f64, middle: f64) -> Reading {
        Reading {
            case: "plain",
            sessions: 1,
            way: "uplink".to_owned(),
            calibration,
            best: middle - 1.0,
            middle,
        }
    }

    /// The machine may become busy while one run of the bench goes on.
    #[test]
    fn each_reading_has_the_fixed_loop_beside_it() -> Result<()> {
        let printed = "EAL: a word\n\
            {\"sessions\":1,\"way\":\"uplink\",\"best\":8,\"middle\":9,\"calibration\":100}\n\
            {\"sessions\":1,\"way\":\"downlink\",\"best\":8,\"middle\":9,\"calibration\":120}\n";
        let rows = &summary(&understood("plain", printed)?)["rows"];
        assert_eq!(rows[0]["steady_runs"], 1);
        assert_eq!(rows[1]["steady_runs"], 0);
        assert!(understood("plain", "{\"sessions\":1,\"way\":\"uplink\"}").is_err());
        Ok(())
    }

    #[test]
    fn readings_on_a_busy_machine_do_not_count() {
        let readings = [
            reading(100.0, 90.0),
            reading(104.0, 92.0),
            reading(106.0, 50.0),
            reading(100.0, 91.0),
        ];
        let row = &summary(&readings)["rows"][0];
        assert_eq!(row["middle"], 91.0);
        assert_eq!(row["best"], 89.0);
        assert_eq!((&row["steady_runs"], &row["runs"]), (&json!(3), &json!(4)));
    }
}
