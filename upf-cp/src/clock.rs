//! The only place where time comes from.

use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use crate::event::Now;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_OFFSET_S: u64 = 2_208_988_800;

/// Time, as the node wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    ntp_at_start: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "the shell is where time comes from"
        )]
        let since_1970 = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
        let ntp_at_start = since_1970.map_or(0, |since| since.as_secs()) + NTP_OFFSET_S;
        Self {
            start: Instant::now(),
            ntp_at_start,
        }
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = self.start.elapsed();
        // Era 0 of NTP ends in 2036; the stamp goes on modulo 2³².
        let ntp_s = (self.ntp_at_start + elapsed.as_secs()) & u64::from(u32::MAX);
        Now {
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            ntp_s: u32::try_from(ntp_s).unwrap_or(0),
        }
    }

    /// The moment at which so much time has passed.
    pub(crate) fn at(&self, elapsed_ms: u64) -> Instant {
        self.start + Duration::from_millis(elapsed_ms)
    }
}
