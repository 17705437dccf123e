//! The report: Markdown beside its plots.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::chart::{self, Line};

/// Cycles per packet that are aimed at, by number of sessions.
const TARGETS: &[(f64, f64)] = &[
    (1.0, 80.0),
    (1e3, 90.0),
    (1e4, 105.0),
    (1e5, 130.0),
    (1e6, 170.0),
    (4e6, 220.0),
];

/// Writes `report.md` and the plots.
pub(super) fn write(directory: &Path, results: &Value) -> Result<()> {
    let mut text = String::from(
        "# Benchmark report\n\nMade by `cargo xtask bench`; raw figures are in `results.json`, what \
         each means in docs/performance.md.\n\n",
    );
    machine(&mut text, results);
    if results["path"].is_object() {
        path(&mut text, &results["path"]);
        let plot = plot(&results["path"]);
        fs::write(directory.join("cycles.svg"), plot).context("cycles.svg")?;
    }
    verbatim(
        &mut text,
        "A worker from end to end over ring ports",
        &results["rings"],
    );
    if results["n4"].is_object() {
        n4(&mut text, &results["n4"]);
    }
    verbatim(&mut text, "PFCP codec beside rs-pfcp", &results["codec"]);
    fs::write(directory.join("report.md"), text).context("report.md")
}

fn machine(text: &mut String, results: &Value) {
    text.push_str("## Machine and conditions\n\n| | |\n|---|---|\n");
    for (key, value) in results["machine"].as_object().into_iter().flatten() {
        let value = match value {
            Value::Null => "not told by the system".to_owned(),
            Value::String(said) => said.replace('|', "\\|"),
            other => other.to_string(),
        };
        let _ = writeln!(text, "| {} | {value} |", key.replace('_', " "));
    }
    let stolen = results["stolen_percent"].as_f64().unwrap_or_default();
    let _ = writeln!(text, "| time stolen by the host | {stolen:.2} % |");
    let depth = results["depth"].as_str().unwrap_or_default();
    let _ = writeln!(text, "| depth | {depth} |\n");
    if depth == "quick" {
        text.push_str("**A quick run shows that everything runs. Do not quote its figures.**\n\n");
    }
}

fn path(text: &mut String, path: &Value) {
    let calm = path["calibration_cycles"].as_f64().unwrap_or_default();
    let _ = writeln!(
        text,
        "## The path alone\n\n\
         Cycles of the time stamp counter per packet, bursts of 64, port I/O not in it; 64 octets of \
         user packet, one PDR each way, QER with an MBR, volume URR, IPv4 inside and outside unless \
         said otherwise. One core, pinned. Every 64th burst was compared octet by octet. A run \
         counts if a loop of fixed work took at most 5 % more than {calm:.0} cycles, its best; \
         runs of all cases took turns. \"Best\" is the best burst, \"middle\" the median of the \
         runs' medians, \"from … to\" the lowest and highest of these.\n\n\
         ![Cycles by sessions](cycles.svg)\n\n\
         | case | sessions | way | best | middle | from … to | runs that count |\n\
         |---|---|---|---|---|---|---|"
    );
    for row in path["rows"].as_array().into_iter().flatten() {
        let cycles = |key: &str| {
            row[key]
                .as_f64()
                .map_or("–".to_owned(), |n| format!("{n:.1}"))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} … {} | {} of {} |",
            row["case"].as_str().unwrap_or_default(),
            row["sessions"],
            row["way"].as_str().unwrap_or_default(),
            cycles("best"),
            cycles("middle"),
            cycles("lowest_middle"),
            cycles("highest_middle"),
            row["steady_runs"],
            row["runs"],
        );
    }
    text.push('\n');
}

fn plot(path: &Value) -> String {
    let rows = || path["rows"].as_array().into_iter().flatten();
    let series = |case: &str, way: &str| -> Vec<(f64, f64)> {
        rows()
            .filter(|row| row["case"] == case && row["way"] == way)
            .filter_map(|row| row["sessions"].as_f64().zip(row["middle"].as_f64()))
            .collect()
    };
    let line = |name: &str, colour, points| Line {
        name: name.to_owned(),
        colour,
        points,
    };
    let lines = [
        line("uplink", "#1f77b4", series("plain", "uplink")),
        line("downlink", "#d62728", series("plain", "downlink")),
        line("uplink, Zipf", "#9ecae1", series("Zipf", "uplink")),
        line("downlink, Zipf", "#fc9272", series("Zipf", "downlink")),
        line("target", "#2ca02c", TARGETS.to_vec()),
    ];
    chart::draw(
        "The path alone, middle",
        "sessions",
        "cycles per packet",
        &lines,
    )
}

fn n4(text: &mut String, n4: &Value) {
    let number = |key: &str| n4[key].as_f64().unwrap_or_default();
    let _ = writeln!(
        text,
        "## N4\n\n\
         A UPF with two ports that lead nowhere, and a generator over loopback UDP on the same \
         machine; on few CPUs they take time from each other. From start to the first answered \
         heartbeat: {:.0} ms. CPU use without sessions or packets: {:.1} % of one CPU.\n",
        number("start_ms"),
        number("idle_cpu_percent")
    );
    for load in n4["loads"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "{} sessions held besides, {} requests in flight at most. Session: {}.\n\n\
             | request | accepted | a second | p50 µs | p99 µs | p99.9 µs | max µs | sent again | lost |\n\
             |---|---|---|---|---|---|---|---|---|",
            load["held"], load["window"], load["shape"]
        );
        for phase in load["phases"].as_array().into_iter().flatten() {
            let times = &phase["answered_after"];
            let us = |key: &str| times[key].as_f64().unwrap_or_default();
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} |",
                phase["name"].as_str().unwrap_or_default(),
                phase["accepted"],
                phase["accepted_per_second"].as_f64().unwrap_or_default(),
                us("p50_us"),
                us("p99_us"),
                us("p99_9_us"),
                us("max_us"),
                phase["retransmissions"],
                phase["lost"],
            );
        }
        let _ = writeln!(
            text,
            "\nResident memory, octets: {}.\n",
            load["resident_octets"]
        );
    }
}

fn verbatim(text: &mut String, title: &str, printed: &Value) {
    if let Some(printed) = printed.as_str() {
        let _ = writeln!(text, "## {title}\n\n```text\n{}\n```\n", printed.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_measured_is_not_in_the_report() -> Result<()> {
        let directory = std::env::temp_dir().join(format!("upf-report-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let row = json!({
            "case": "plain", "sessions": 1, "way": "uplink", "best": 88.0, "middle": null,
            "lowest_middle": null, "highest_middle": null, "steady_runs": 0, "runs": 1,
        });
        let results = json!({
            "machine": { "cpu": "one", "governor": null }, "depth": "quick",
            "path": { "calibration_cycles": 25_000, "rows": [row] },
        });
        write(&directory, &results)?;
        let text = fs::read_to_string(directory.join("report.md"))?;
        assert!(
            text.contains("| plain | 1 | uplink | 88.0 | – | – … – | 0 of 1 |"),
            "{text}"
        );
        assert!(
            text.contains("Do not quote") && !text.contains("## N4"),
            "{text}"
        );
        assert!(directory.join("cycles.svg").exists());
        fs::remove_dir_all(&directory)?;
        Ok(())
    }
}
