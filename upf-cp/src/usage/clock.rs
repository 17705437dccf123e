//! Time that is measured: it may stand still for a while.

/// How long there was traffic, in the current report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// Measured before it stopped last.
    used_ms: u64,
    /// Since when it runs, or [`STOPPED`].
    since_ms: u64,
}

const STOPPED: u64 = u64::MAX;

impl Default for Clock {
    fn default() -> Self {
        Self {
            used_ms: 0,
            since_ms: STOPPED,
        }
    }
}

impl Clock {
    pub(super) const fn runs(&self) -> bool {
        self.since_ms != STOPPED
    }

    /// Whether it runs, or has run in this report.
    pub(super) const fn has_begun(&self) -> bool {
        self.runs() || self.used_ms > 0
    }

    pub(super) const fn start(&mut self, now_ms: u64) {
        if !self.runs() {
            self.since_ms = now_ms;
        }
    }

    /// Stops as of a moment that is not later than now.
    pub(super) const fn stop(&mut self, at_ms: u64) {
        self.used_ms = self.measured_ms(at_ms);
        self.since_ms = STOPPED;
    }

    /// What is measured by then.
    pub(super) const fn measured_ms(&self, now_ms: u64) -> u64 {
        if self.runs() {
            self.used_ms + now_ms.saturating_sub(self.since_ms)
        } else {
            self.used_ms
        }
    }

    /// A new report begins.
    pub(super) const fn begin_anew(&mut self, now_ms: u64) {
        self.used_ms = 0;
        if self.runs() {
            self.since_ms = now_ms;
        }
    }

    /// When it will have measured so much, if it goes on.
    pub(super) fn reaches_at(&self, ms: u64) -> Option<u64> {
        let left = ms.saturating_sub(self.used_ms);
        self.runs().then(|| self.since_ms.saturating_add(left))
    }

    /// When it is to stop for want of packets, if the last one was at `last_ms`.
    pub(super) fn stands_still_at(&self, last_ms: u64, quiet_ms: u64) -> Option<u64> {
        self.runs().then(|| self.since_ms.max(last_ms) + quiet_ms)
    }
}
