//! What a worker does when there is nothing to do: it polls, then sleeps, each time for longer.

use std::time::Duration;

/// The first sleep after a while without packets; each that follows is twice as long.
const FIRST_SLEEP_US: u32 = 10;

/// How long a worker that finds nothing goes on to look, and how long it sleeps then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// For how long after the last packet it polls without a break, in microseconds.
    pub spin_us: u32,
    /// Its longest sleep between two polls, in microseconds; 0: it never sleeps.
    pub sleep_us: u32,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            spin_us: 100,
            sleep_us: 200,
        }
    }
}

/// A time without packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lull {
    idle: Idle,
    spin_cycles: u64,
    /// When there was a packet last, in time stamp cycles.
    since: u64,
    next_us: u32,
}

/// What to do before the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Next to nothing.
    Pause,
    /// Sleep.
    Sleep(Duration),
}

impl Lull {
    pub(crate) fn new(idle: Idle, hz: u64, now: u64) -> Self {
        Self {
            idle,
            spin_cycles: hz.saturating_mul(idle.spin_us.into()) / 1_000_000,
            since: now,
            next_us: FIRST_SLEEP_US,
        }
    }

    /// There were packets.
    #[inline]
    pub(crate) const fn end(&mut self, now: u64) {
        self.since = now;
        self.next_us = FIRST_SLEEP_US;
    }

    /// There were none.
    #[inline]
    pub(crate) fn next(&mut self, now: u64) -> Next {
        let most_us = self.idle.sleep_us;
        if most_us == 0 || now.wrapping_sub(self.since) < self.spin_cycles {
            return Next::Pause;
        }
        let sleep_us = self.next_us.min(most_us);
        self.next_us = sleep_us.saturating_mul(2);
        Next::Sleep(Duration::from_micros(sleep_us.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u64 = 1_000_000_000;

    #[test]
    fn sleeps_begin_late_and_short_and_end_with_a_packet() {
        let idle = Idle {
            spin_us: 50,
            sleep_us: 70,
        };
        let mut lull = Lull::new(idle, HZ, 1_000);
        assert_eq!(lull.next(1_000), Next::Pause);
        assert_eq!(lull.next(50_999), Next::Pause);
        let sleep = |us| Next::Sleep(Duration::from_micros(us));
        for us in [10, 20, 40, 70, 70] {
            assert_eq!(lull.next(51_000), sleep(us));
        }
        lull.end(60_000);
        assert_eq!(lull.next(60_001), Next::Pause);
        assert_eq!(lull.next(110_000), sleep(10));
    }

    #[test]
    fn whoever_is_not_to_sleep_does_not() {
        let idle = Idle {
            spin_us: 0,
            sleep_us: 0,
        };
        assert_eq!(Lull::new(idle, HZ, 0).next(u64::MAX / 2), Next::Pause);
    }
}
