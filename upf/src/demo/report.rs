//! The summary of a demonstration.

use std::fmt;
use std::path::PathBuf;

use serde_json::json;
use simulator::{Direction, Summary};
use upf::{Counts, Instance};

/// One scene and whether it went as it should.
#[derive(Debug)]
pub(super) struct Scene {
    what: &'static str,
    good: bool,
}

impl Scene {
    pub(super) const fn new(what: &'static str, good: bool) -> Self {
        Self { what, good }
    }
}

/// All that was measured.
#[derive(Debug)]
pub(super) struct Report {
    summary: Summary,
    scenes: Vec<Scene>,
    /// Cycles that the worker spent on a packet while there was load, receiving and sending
    /// included.
    cycles_per_packet: f64,
    cycles_hz: u64,
    pages: String,
    drops: Vec<(&'static str, u64)>,
    /// Received = sent + held + answered or consumed + dropped.
    pub(super) conserved: bool,
    pub(super) capture: PathBuf,
}

impl Report {
    pub(super) fn new(
        summary: Summary,
        before: &Counts,
        after: &Counts,
        instance: &Instance,
        scenes: Vec<Scene>,
    ) -> Self {
        Self {
            summary,
            scenes,
            cycles_per_packet: after.cycles_per_packet_since(before),
            cycles_hz: dpdk::cycles_hz(instance.eal()),
            pages: instance.eal().pages().to_string(),
            drops: instance.counts().drops_by_reason(),
            conserved: false,
            capture: PathBuf::new(),
        }
    }

    /// What went wrong; empty when the UPF did all it should.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for traffic in &self.summary.traffic {
            if traffic.counts.received == 0 {
                faults.push(format!("no {:?} packet came through", traffic.direction));
            }
        }
        if !self.summary.is_clean() {
            faults.push("packets were lost, wrong, doubled or out of order".to_owned());
        }
        if let Some(mismatch) = &self.summary.first_mismatch {
            faults.push(format!("the first wrong packet: {mismatch}"));
        }
        let scenes = self.scenes.iter().filter(|scene| !scene.good);
        faults.extend(scenes.map(|scene| format!("not so: {}", scene.what)));
        if !self.conserved {
            faults.push("the counters do not add up".to_owned());
        }
        faults
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let scenes = self.scenes.iter();
        let scenes = scenes.map(|scene| json!({ "what": scene.what, "good": scene.good }));
        json!({
            "good": self.faults().is_empty(),
            "faults": self.faults(),
            "summary": self.summary,
            "cycles_per_packet": self.cycles_per_packet,
            "cycles_hz": self.cycles_hz,
            "memory": self.pages,
            "drops": self.drops.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
            "counters_conserve": self.conserved,
            "scenes": scenes.collect::<Vec<_>>(),
            "capture": self.capture,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nUser packets, each checked octet by octet")?;
        writeln!(
            f,
            "  {:<9} {:>10} {:>10} {:>6} {:>6} {:>10} {:>9}",
            "", "sent", "right", "lost", "wrong", "packets/s", "Mbit/s"
        )?;
        let wrong: u64 = self.summary.mismatches.values().sum();
        for traffic in &self.summary.traffic {
            let name = match traffic.direction {
                Direction::Uplink => "uplink",
                Direction::Downlink => "downlink",
            };
            writeln!(
                f,
                "  {:<9} {:>10} {:>10} {:>6} {:>6} {:>10.0} {:>9.1}",
                name,
                traffic.counts.sent,
                traffic.counts.received,
                traffic.lost,
                wrong,
                traffic.packets_per_second,
                traffic.megabits_per_second,
            )?;
        }
        writeln!(
            f,
            "  {:.0} cycles a packet in the worker, ports included (TSC {:.2} GHz, {}).",
            self.cycles_per_packet,
            ghz(self.cycles_hz),
            self.pages
        )?;
        writeln!(
            f,
            "  The simulators share the machine: the rate is theirs, not the UPF's."
        )?;
        writeln!(f, "\nPFCP, over UDP on loopback (µs)")?;
        writeln!(
            f,
            "  {:<22} {:>7} {:>9} {:>9} {:>9}",
            "", "count", "minimum", "median", "p99"
        )?;
        for procedure in &self.summary.procedures {
            writeln!(
                f,
                "  {:<22} {:>7} {:>9.0} {:>9.0} {:>9.0}",
                format!("{:?}", procedure.procedure),
                procedure.count,
                procedure.minimum_us,
                procedure.median_us,
                procedure.p99_us,
            )?;
        }
        writeln!(f, "\nScenes")?;
        for scene in &self.scenes {
            writeln!(
                f,
                "  {} {}",
                if scene.good { "ok  " } else { "FAIL" },
                scene.what
            )?;
        }
        writeln!(f, "\nDrops by reason")?;
        for (reason, count) in &self.drops {
            writeln!(f, "  {count:>9} {reason}")?;
        }
        let adds_up = if self.conserved {
            "add up"
        } else {
            "DO NOT ADD UP"
        };
        writeln!(
            f,
            "  The counters {adds_up}: received = sent + held + consumed + dropped."
        )?;
        writeln!(
            f,
            "\nA packet of every kind is in {}.",
            self.capture.display()
        )
    }
}

#[allow(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a rate for people to read"
)]
fn ghz(hz: u64) -> f64 {
    hz as f64 / 1e9
}
