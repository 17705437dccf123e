//! At which totals the control side wants to hear.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Volume;

/// Totals since the counter was made, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of both directions.
    pub total: Option<u64>,
    /// Uplink.
    pub uplink: Option<u64>,
    /// Downlink.
    pub downlink: Option<u64>,
}

/// What the control side wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    /// Report when one of these is reached.
    pub report_at: Totals,
    /// Report, and stop the packets, when one of these is reached (Volume Quota).
    pub stop_at: Totals,
}

/// Armed totals; `u64::MAX` is never.
#[derive(Debug)]
pub(super) struct Armed {
    total: AtomicU64,
    uplink: AtomicU64,
    downlink: AtomicU64,
}

impl Default for Armed {
    fn default() -> Self {
        let never = || AtomicU64::new(u64::MAX);
        Self {
            total: never(),
            uplink: never(),
            downlink: never(),
        }
    }
}

impl Armed {
    pub(super) fn set(&self, totals: Totals) {
        let store = |slot: &AtomicU64, at: Option<u64>| slot.store(at.unwrap_or(u64::MAX), Relaxed);
        store(&self.total, totals.total);
        store(&self.uplink, totals.uplink);
        store(&self.downlink, totals.downlink);
    }

    /// How many octets have to be counted at least before one of them is reached.
    pub(super) fn left(&self, counted: &Volume) -> u64 {
        let left = |at: &AtomicU64, octets| match at.load(Relaxed) {
            u64::MAX => u64::MAX,
            at => at.saturating_sub(octets),
        };
        left(&self.total, counted.total_octets())
            .min(left(&self.uplink, counted.uplink_octets))
            .min(left(&self.downlink, counted.downlink_octets))
    }
}
