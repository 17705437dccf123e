//! What was counted and timed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::process::CpuTimes;

/// Times in nanoseconds; what takes longer counts as a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// Answer times.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        // Two digits are within one per cent; the bounds are constants that hdrhistogram takes.
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 2);
        #[allow(clippy::expect_used, reason = "constants that the test below tries")]
        Self(histogram.expect("bounds that hdrhistogram takes"))
    }
}

impl Times {
    pub(super) fn record(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS);
        self.0.saturating_record(ns.max(1));
    }

    fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    pub(super) fn summary(&self) -> TimesSummary {
        let us = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e6;
        let at = |quantile| us(self.0.value_at_quantile(quantile));
        TimesSummary {
            count: self.0.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: us(self.0.max()),
        }
    }
}

/// Percentiles in microseconds, within one per cent.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs, reason = "percentiles")]
pub struct TimesSummary {
    /// How many were timed.
    pub count: u64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p99_9_us: f64,
    pub max_us: f64,
}

/// What became of the requests of a phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// How many were sent, each counted once.
    pub(super) requests: u64,
    pub(super) accepted: u64,
    /// By cause.
    pub(super) refused: BTreeMap<u8, u64>,
    /// Requests that nobody answered.
    pub(super) lost: u64,
    /// Requests that were sent once more.
    pub(super) retransmissions: u64,
    /// Answers to nothing that was under way, or with another SEID than the session's.
    pub(super) strays: u64,
    pub(super) elapsed: Duration,
    /// From when the request was due until its answer.
    pub(super) answered_after: Times,
    /// From when a request was due until it was sent: the generator's own fault.
    pub(super) sent_after: Times,
    /// What the observed process spent.
    pub(super) cpu: CpuTimes,
    /// What this process spent.
    pub(super) own_cpu_ns: u64,
}

impl Outcome {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.accepted += other.accepted;
        for (cause, count) in &other.refused {
            *self.refused.entry(*cause).or_default() += count;
        }
        self.lost += other.lost;
        self.retransmissions += other.retransmissions;
        self.strays += other.strays;
        self.elapsed += other.elapsed;
        self.answered_after.add(&other.answered_after);
        self.sent_after.add(&other.sent_after);
        for (name, time) in &other.cpu {
            *self.cpu.entry(name.clone()).or_default() += time;
        }
        self.own_cpu_ns += other.own_cpu_ns;
    }

    pub(super) fn accepted_per_second(&self) -> f64 {
        float(self.accepted) / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    pub(super) fn summary(&self, name: String, paced: bool) -> PhaseSummary {
        let each = |ns: u64| float(ns) / 1000.0 / float(self.requests.max(1));
        PhaseSummary {
            name,
            requests: self.requests,
            accepted: self.accepted,
            refused: self.refused.clone(),
            lost: self.lost,
            retransmissions: self.retransmissions,
            strays: self.strays,
            seconds: self.elapsed.as_secs_f64(),
            accepted_per_second: self.accepted_per_second(),
            answered_after: self.answered_after.summary(),
            sent_after: paced.then(|| self.sent_after.summary()),
            cpu_us_per_request: self
                .cpu
                .iter()
                .map(|(name, ns)| (name.clone(), each(*ns)))
                .collect(),
            generator_cpu_us_per_request: each(self.own_cpu_ns),
        }
    }
}

#[allow(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts far below 2⁵³"
)]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// One kind of request at one pace, over all rounds.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseSummary {
    /// As on the command line.
    pub name: String,
    /// How many were sent, each counted once.
    pub requests: u64,
    /// How many were accepted.
    pub accepted: u64,
    /// How many were refused, by cause (TS 29.244, 8.2.1).
    pub refused: BTreeMap<u8, u64>,
    /// How many nobody answered.
    pub lost: u64,
    /// How many were sent once more.
    pub retransmissions: u64,
    /// Answers to nothing that was asked, or with another SEID than the session's.
    pub strays: u64,
    /// How long all took.
    pub seconds: f64,
    /// Accepted ones a second.
    pub accepted_per_second: f64,
    /// Answer times: from when a request was to be sent.
    pub answered_after: TimesSummary,
    /// How late the generator itself was, if it kept a pace.
    pub sent_after: Option<TimesSummary>,
    /// CPU time of the observed process, by thread.
    pub cpu_us_per_request: BTreeMap<String, f64>,
    /// CPU time of the generator.
    pub generator_cpu_us_per_request: f64,
}

impl PhaseSummary {
    /// Whether every request was accepted at the first try.
    pub const fn is_clean(&self) -> bool {
        self.accepted == self.requests && self.retransmissions == 0 && self.strays == 0
    }
}

impl fmt::Display for PhaseSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = &self.answered_after;
        write!(
            f,
            "{:<16} {:>9} accepted {:>8.0}/s  p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0} µs",
            self.name,
            self.accepted,
            self.accepted_per_second,
            times.p50_us,
            times.p99_us,
            times.p99_9_us,
            times.max_us,
        )?;
        for (cause, count) in &self.refused {
            write!(f, "  {count} refused with cause {cause}")?;
        }
        for (what, count) in [
            ("lost", self.lost),
            ("sent again", self.retransmissions),
            ("strays", self.strays),
        ] {
            if count > 0 {
                write!(f, "  {count} {what}")?;
            }
        }
        if let Some(late) = &self.sent_after {
            write!(f, "  (generator late p99 {:.0} µs)", late.p99_us)?;
        }
        if !self.cpu_us_per_request.is_empty() {
            write!(f, "\n{:<16} CPU µs each:", "")?;
            for (name, us) in &self.cpu_us_per_request {
                write!(f, " {name} {us:.2}")?;
            }
            write!(f, ", generator {:.2}", self.generator_cpu_us_per_request)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_within_one_per_cent() {
        let mut times = Times::default();
        for us in 1..=1000 {
            times.record(Duration::from_micros(us));
        }
        times.record(Duration::from_secs(1000));
        let summary = times.summary();
        assert!((summary.p50_us - 500.0).abs() < 5.0 * 2.0, "{summary:?}");
        assert!(summary.max_us >= 59e6, "{summary:?}");
    }
}
