//! User plane inactivity (TS 29.244, 5.11): whether packets flow, by counters that workers keep
//! anyway. They are looked at now and then, so that a report is late by a part of the timer at the
//! most, and never early.

/// A timer of so many seconds is looked at so often while it runs, …
const LOOKS: u64 = 8;
/// … but not more often than this, …
const PAUSE_LEAST_MS: u64 = 1_000;
/// … and not more seldom.
const PAUSE_MOST_MS: u64 = 60_000;

/// A User Plane Inactivity Timer (TS 29.244, 8.2.83) that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inactivity {
    timeout_ms: u64,
    /// What had been counted at the last look.
    packets: u64,
    /// When packets were seen to flow last.
    active_ms: u64,
    /// The next look; `None` once the SMF has been told: "one report, then stop watching".
    pub(crate) look_ms: Option<u64>,
}

impl Inactivity {
    /// The timer as an SMF sets it now; `before` is the one that ran until now: "a new value takes
    /// effect at once". None for zero seconds.
    pub(crate) fn set(
        before: Option<Self>,
        timeout_s: u32,
        now_ms: u64,
        packets: u64,
    ) -> Option<Self> {
        let fresh = Self {
            timeout_ms: 0,
            packets,
            active_ms: now_ms,
            look_ms: None,
        };
        let mut timer = Self {
            timeout_ms: u64::from(timeout_s) * 1_000,
            ..before.unwrap_or(fresh)
        };
        timer.see(now_ms, packets);
        timer.look_ms = Some(now_ms);
        (timeout_s > 0).then_some(timer)
    }

    /// Takes notice of what has been counted by now.
    pub(crate) const fn see(&mut self, now_ms: u64, packets: u64) {
        if self.packets != packets {
            self.packets = packets;
            self.active_ms = now_ms;
        }
    }

    /// Counts from here on, without having seen a packet: counters come and go with rules.
    pub(crate) const fn rebase(&mut self, packets: u64) {
        self.packets = packets;
    }

    /// A look: whether the SMF has to be told, and when there is the next one if not.
    pub(crate) fn look(&mut self, now_ms: u64, packets: u64) -> bool {
        self.see(now_ms, packets);
        let ends_ms = self.active_ms + self.timeout_ms;
        let pause_ms = (self.timeout_ms / LOOKS).clamp(PAUSE_LEAST_MS, PAUSE_MOST_MS);
        let is_over = ends_ms <= now_ms;
        self.look_ms = (!is_over).then(|| ends_ms.min(now_ms + pause_ms));
        is_over
    }
}
