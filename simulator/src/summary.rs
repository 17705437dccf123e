//! What a run amounts to, for people and for files.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::tag::Direction;
use crate::tally::{Counts, Tally};

/// An N4 procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// Association Setup.
    Associate,
    /// Heartbeat.
    Heartbeat,
    /// Session Establishment.
    Establish,
    /// Session Modification that opens the way to the gNB.
    Activate,
    /// Session Modification that makes the UE idle.
    Idle,
    /// Session Modification that moves the way to another gNB.
    PathSwitch,
    /// Another Session Modification.
    Modify,
    /// Session Deletion.
    Delete,
    /// Association Release.
    Release,
}

impl fmt::Display for Procedure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Associate => "associate",
            Self::Heartbeat => "heartbeat",
            Self::Establish => "establish",
            Self::Activate => "activate",
            Self::Idle => "idle",
            Self::PathSwitch => "path switch",
            Self::Modify => "modify",
            Self::Delete => "delete",
            Self::Release => "release",
        })
    }
}

/// How long the procedures took, request to response.
#[derive(Clone, Debug, Default)]
pub struct Timings {
    histograms: BTreeMap<Procedure, Histogram<u64>>,
}

impl Timings {
    /// Counts one.
    pub fn record(&mut self, procedure: Procedure, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(histogram) = self.histogram(procedure) {
            histogram.saturating_record(nanoseconds);
        }
    }

    fn histogram(&mut self, procedure: Procedure) -> Option<&mut Histogram<u64>> {
        use std::collections::btree_map::Entry;
        match self.histograms.entry(procedure) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            // From 100 ns to a minute, three digits: about 200 KiB.
            Entry::Vacant(entry) => {
                let histogram = Histogram::new_with_bounds(100, 60_000_000_000, 3).ok()?;
                Some(entry.insert(histogram))
            }
        }
    }

    /// Puts two records together.
    pub fn merge(&mut self, other: &Self) {
        for (procedure, theirs) in &other.histograms {
            if let Some(ours) = self.histogram(*procedure) {
                // Both have the same bounds, so nothing is out of range.
                let _ = ours.add(theirs);
            }
        }
    }

    /// The figures of each procedure.
    pub fn summary(&self) -> Vec<ProcedureSummary> {
        let figures = |(procedure, histogram): (&Procedure, &Histogram<u64>)| ProcedureSummary {
            procedure: *procedure,
            count: histogram.len(),
            minimum_us: microseconds(histogram.min()),
            median_us: microseconds(histogram.value_at_quantile(0.5)),
            p99_us: microseconds(histogram.value_at_quantile(0.99)),
            maximum_us: microseconds(histogram.max()),
        };
        self.histograms.iter().map(figures).collect()
    }
}

/// Microseconds with a fraction; exact up to 2^32 ns, and to 0.1 µs beyond.
fn microseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6
}

/// The figures of one procedure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcedureSummary {
    /// Which.
    pub procedure: Procedure,
    /// How many were answered.
    pub count: u64,
    /// The fastest.
    pub minimum_us: f64,
    /// Half were not slower.
    pub median_us: f64,
    /// 99 of 100 were not slower.
    pub p99_us: f64,
    /// The slowest.
    pub maximum_us: f64,
}

/// The figures of one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrafficSummary {
    /// Which.
    pub direction: Direction,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// Packets that never came out.
    pub lost: u64,
    /// Right packets a second.
    pub packets_per_second: f64,
    /// Megabit of right inner packets a second.
    pub megabits_per_second: f64,
}

/// All figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many sessions there were.
    pub sessions: usize,
    /// How long packets were sent.
    pub traffic_s: f64,
    /// Both directions.
    pub traffic: Vec<TrafficSummary>,
    /// How many packets came out wrong, by the kind of what was wrong.
    pub mismatches: BTreeMap<&'static str, u64>,
    /// The first of them in words.
    pub first_mismatch: Option<String>,
    /// The N4 procedures.
    pub procedures: Vec<ProcedureSummary>,
    /// Session reports that the UPF sent.
    pub reports: u64,
}

impl Summary {
    /// Puts the figures of a run together.
    pub fn new(
        sessions: usize,
        tally: &Tally,
        traffic: Duration,
        timings: &Timings,
        reports: u64,
    ) -> Self {
        let directions = [Direction::Uplink, Direction::Downlink];
        Self {
            sessions,
            traffic_s: traffic.as_secs_f64(),
            traffic: directions
                .map(|d| traffic_summary(d, tally.counts(d), traffic))
                .into(),
            mismatches: tally.mismatches().clone(),
            first_mismatch: tally.first_mismatch().map(ToString::to_string),
            procedures: timings.summary(),
            reports,
        }
    }

    /// Whether every packet that was sent came out right, once and in order.
    pub fn is_clean(&self) -> bool {
        self.mismatches.is_empty()
            && self.traffic.iter().all(|traffic| {
                traffic.lost == 0 && traffic.counts.duplicated == 0 && traffic.counts.reordered == 0
            })
    }
}

fn traffic_summary(direction: Direction, counts: &Counts, traffic: Duration) -> TrafficSummary {
    let seconds = traffic.as_secs_f64().max(f64::MIN_POSITIVE);
    TrafficSummary {
        direction,
        counts: *counts,
        lost: counts.lost(),
        packets_per_second: float(counts.received) / seconds,
        megabits_per_second: float(counts.received_octets) * 8e-6 / seconds,
    }
}

/// A count as a float, for rates.
fn float(count: u64) -> f64 {
    // Counts stay far below 2^52, where this would round.
    let [h1, h2, h3, h4, l1, l2, l3, l4] = count.to_be_bytes();
    f64::from(u32::from_be_bytes([h1, h2, h3, h4])) * 4_294_967_296.0
        + f64::from(u32::from_be_bytes([l1, l2, l3, l4]))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sessions, {:.3} s of traffic",
            self.sessions, self.traffic_s
        )?;
        for traffic in &self.traffic {
            let name = match traffic.direction {
                Direction::Uplink => "uplink",
                Direction::Downlink => "downlink",
            };
            writeln!(
                f,
                "{name:<9} {} sent, {} right, {} lost, {} twice, {} late; {:.0} packets/s, {:.1} Mbit/s",
                traffic.counts.sent,
                traffic.counts.received,
                traffic.lost,
                traffic.counts.duplicated,
                traffic.counts.reordered,
                traffic.packets_per_second,
                traffic.megabits_per_second,
            )?;
        }
        for (kind, count) in &self.mismatches {
            writeln!(f, "wrong     {count} ({kind})")?;
        }
        if let Some(first) = &self.first_mismatch {
            writeln!(f, "          first: {first}")?;
        }
        for p in &self.procedures {
            writeln!(
                f,
                "{:<12} {:>7}  min {:.1} µs, median {:.1} µs, p99 {:.1} µs, max {:.1} µs",
                p.procedure.to_string(),
                p.count,
                p.minimum_us,
                p.median_us,
                p.p99_us,
                p.maximum_us
            )?;
        }
        writeln!(f, "{} session reports", self.reports)
    }
}
