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
        self.traffic(f)?;
        self.procedures(f)?;
        writeln!(f, "\nScenes")?;
        for scene in &self.scenes {
            let verdict = if scene.good { "ok  " } else { "FAIL" };
            writeln!(f, "  {verdict} {}", scene.what)?;
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

impl Report {
    fn traffic(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nUser packets, each checked octet by octet")?;
        let [a, b, c, d, e] = ["sent", "right", "lost", "packets/s", "Mbit/s"];
        writeln!(f, "  {:<9} {a:>10} {b:>10} {c:>6} {d:>10} {e:>9}", "")?;
        for traffic in &self.summary.traffic {
            let name = match traffic.direction {
                Direction::Uplink => "uplink",
                Direction::Downlink => "downlink",
            };
            let (sent, right) = (traffic.counts.sent, traffic.counts.received);
            let (lost, rate) = (traffic.lost, traffic.packets_per_second);
            let megabits = traffic.megabits_per_second;
            writeln!(
                f,
                "  {name:<9} {sent:>10} {right:>10} {lost:>6} {rate:>10.0} {megabits:>9.1}"
            )?;
        }
        for (kind, count) in &self.summary.mismatches {
            writeln!(f, "  WRONG: {count} packets, {kind}")?;
        }
        let (cycles, ghz) = (self.cycles_per_packet, ghz(self.cycles_hz));
        let pages = &self.pages;
        writeln!(
            f,
            "  {cycles:.0} cycles a packet in the worker, ports included ({ghz:.2} GHz, {pages})."
        )?;
        writeln!(
            f,
            "  The simulators share the machine: the rate is theirs, not the UPF's."
        )
    }

    fn procedures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nPFCP, over UDP on loopback (µs)")?;
        let [a, b, c, d] = ["count", "minimum", "median", "p99"];
        writeln!(f, "  {:<22} {a:>7} {b:>9} {c:>9} {d:>9}", "")?;
        for procedure in &self.summary.procedures {
            let (name, count) = (format!("{:?}", procedure.procedure), procedure.count);
            let (minimum, median) = (procedure.minimum_us, procedure.median_us);
            let p99 = procedure.p99_us;
            writeln!(
                f,
                "  {name:<22} {count:>7} {minimum:>9.0} {median:>9.0} {p99:>9.0}"
            )?;
        }
        Ok(())
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
