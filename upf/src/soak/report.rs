//! What a soak has seen, for people and for files.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// What one slice has seen.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Slice {
    /// Which, from 1.
    pub(super) number: u32,
    #[serde(rename = "load_s", serialize_with = "seconds")]
    pub(super) load: Duration,
    pub(super) incidents: Vec<String>,
    /// Packets that came out, of both directions.
    pub(super) packets: u64,
    pub(super) created: u32,
    pub(super) modified: u32,
    pub(super) deleted: u32,
    pub(super) usage_reports: u64,
    pub(super) pages: u32,
    /// Packets that were dropped, of sessions that come and go.
    pub(super) dropped: u64,
    /// Packets that were held when the load had stopped.
    pub(super) held: u64,
    #[serde(rename = "packet_median_us", serialize_with = "microseconds")]
    pub(super) packet_median: Duration,
    #[serde(rename = "packet_p99_us", serialize_with = "microseconds")]
    pub(super) packet_p99: Duration,
    #[serde(rename = "modification_median_us", serialize_with = "microseconds")]
    pub(super) modification_median: Duration,
    #[serde(rename = "modification_p99_us", serialize_with = "microseconds")]
    pub(super) modification_p99: Duration,
    pub(super) resident_kib: u64,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) good: bool,
    pub(super) seed: u64,
    pub(super) workers: usize,
    pub(super) faults: Vec<String>,
    pub(super) drops: BTreeMap<&'static str, u64>,
    pub(super) slices: Vec<Slice>,
}

impl Report {
    pub(super) fn new(seed: u64, workers: usize) -> Self {
        Self {
            good: false,
            seed,
            workers,
            faults: Vec::new(),
            drops: BTreeMap::new(),
            slices: Vec::new(),
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde wants"
)]
fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde wants"
)]
fn microseconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64() * 1e6)
}

/// So many a second.
#[allow(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a rate for people to read"
)]
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE)
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            f,
            "{:>4}  {:.0} packets/s (median {:.2} ms, p99 {:.1} ms), {:.0} sessions/s, {:.0} changes/s \
             (p99 {:.1} ms)",
            self.number,
            rate(self.packets, self.load),
            ms(self.packet_median),
            ms(self.packet_p99),
            rate(self.created.into(), self.load),
            rate(self.modified.into(), self.load),
            ms(self.modification_p99),
        )?;
        write!(
            f,
            "      {} usage reports, {} pages, {} packets held, {} dropped, {} MiB resident",
            self.usage_reports,
            self.pages,
            self.held,
            self.dropped,
            self.resident_kib / 1024,
        )?;
        let mut incidents = self.incidents.iter();
        incidents.try_for_each(|incident| write!(f, "\n      {incident}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&Slice) -> u64| self.slices.iter().map(of).sum::<u64>();
        let load: Duration = self.slices.iter().map(|slice| slice.load).sum();
        writeln!(
            f,
            "\n{} slices, {:.0} s of load, {} workers, seed {}: {} packets, {} sessions created, {} \
             modifications, {} usage reports",
            self.slices.len(),
            load.as_secs_f64(),
            self.workers,
            self.seed,
            sum(|slice| slice.packets),
            sum(|slice| slice.created.into()),
            sum(|slice| slice.modified.into()),
            sum(|slice| slice.usage_reports),
        )?;
        writeln!(f, "\nDrops by reason")?;
        for (reason, count) in &self.drops {
            writeln!(f, "  {count:>9} {reason}")?;
        }
        for fault in &self.faults {
            writeln!(f, "NOT SO: {fault}")?;
        }
        Ok(())
    }
}
