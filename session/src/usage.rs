//! Usage counters of URRs (TS 29.244, 5.2.2): one writer.
//!
//! Counters only grow; the control side remembers what it has reported and takes the difference,
//! so that nothing is lost or counted twice when a report races with traffic. It *arms* a counter
//! with the totals at which it wants to hear; the worker reports once and disarms it. Of these, each
//! packet compares one number: the octets before which none of them can have been reached.

use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::rule::Direction;

/// The counters of one URR of one session: first what each packet touches.
#[derive(Debug)]
#[repr(C)]
pub struct Usage {
    uplink_octets: AtomicU64,
    downlink_octets: AtomicU64,
    uplink_packets: AtomicU64,
    downlink_packets: AtomicU64,
    /// Octets of both directions at which to look at the armed totals; `u64::MAX` is never.
    look_at_octets: AtomicU64,
    /// The quota is used up: packets stop.
    exhausted: AtomicBool,
    /// Whether the armed totals are a quota, at which packets stop.
    alarm_is_quota: AtomicBool,
    /// Uplink octets at which to report; `u64::MAX` is never.
    uplink_alarm_octets: AtomicU64,
    /// Downlink octets at which to report.
    downlink_alarm_octets: AtomicU64,
    /// Octets of both directions at which to report.
    total_alarm_octets: AtomicU64,
}

/// What has been counted, octets of user packets (inner IP, no tunnel headers) and packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// From the UE.
    pub uplink_octets: u64,
    /// To the UE.
    pub downlink_octets: u64,
    /// Packets from the UE.
    pub uplink_packets: u64,
    /// Packets to the UE.
    pub downlink_packets: u64,
}

impl Volume {
    /// Octets of both directions.
    pub const fn total_octets(&self) -> u64 {
        self.uplink_octets.saturating_add(self.downlink_octets)
    }
    /// Packets of both directions.
    pub const fn total_packets(&self) -> u64 {
        self.uplink_packets.saturating_add(self.downlink_packets)
    }
    /// What was counted since `earlier`.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            uplink_octets: self.uplink_octets.saturating_sub(earlier.uplink_octets),
            downlink_octets: self.downlink_octets.saturating_sub(earlier.downlink_octets),
            uplink_packets: self.uplink_packets.saturating_sub(earlier.uplink_packets),
            downlink_packets: self
                .downlink_packets
                .saturating_sub(earlier.downlink_packets),
        }
    }
}

/// Totals since the counter was made, in octets, at which a report is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    /// Of both directions.
    pub total_octets: Option<u64>,
    /// Uplink.
    pub uplink_octets: Option<u64>,
    /// Downlink.
    pub downlink_octets: Option<u64>,
    /// Stop the packets when one of them is reached (Volume Quota).
    pub is_quota: bool,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            uplink_octets: AtomicU64::new(0),
            downlink_octets: AtomicU64::new(0),
            uplink_packets: AtomicU64::new(0),
            downlink_packets: AtomicU64::new(0),
            look_at_octets: AtomicU64::new(u64::MAX),
            exhausted: AtomicBool::new(false),
            alarm_is_quota: AtomicBool::new(false),
            uplink_alarm_octets: AtomicU64::new(u64::MAX),
            downlink_alarm_octets: AtomicU64::new(u64::MAX),
            total_alarm_octets: AtomicU64::new(u64::MAX),
        }
    }
}

impl Usage {
    /// How many octets of it each packet touches.
    pub(crate) const COUNTED: usize = offset_of!(Self, uplink_alarm_octets);

    /// Counts one packet; `true` when the control side has to be told. For the owning worker only.
    #[inline]
    pub fn count(&self, direction: Direction, octets: u16) -> bool {
        let (octet_counter, packet_counter, other) = match direction {
            Direction::Uplink => (
                &self.uplink_octets,
                &self.uplink_packets,
                &self.downlink_octets,
            ),
            Direction::Downlink => (
                &self.downlink_octets,
                &self.downlink_packets,
                &self.uplink_octets,
            ),
        };
        // One writer: a load and a store, no locked instruction.
        let counted = octet_counter.load(Relaxed).wrapping_add(octets.into());
        octet_counter.store(counted, Relaxed);
        packet_counter.store(packet_counter.load(Relaxed).wrapping_add(1), Relaxed);
        let total = counted.wrapping_add(other.load(Relaxed));
        total >= self.look_at_octets.load(Relaxed) && self.look()
    }

    /// Whether an armed total has been reached; if not, when to look again.
    #[cold]
    #[inline(never)]
    fn look(&self) -> bool {
        self.look_at_octets.swap(u64::MAX, AcqRel);
        let left = self.octets_left();
        let next = match left {
            0 => 0,
            _ => self.volume().total_octets().saturating_add(left),
        };
        // Has the control side armed since the swap, then the next packet looks again.
        let _ = self
            .look_at_octets
            .compare_exchange(u64::MAX, next, Relaxed, Relaxed);
        left == 0
    }

    /// How many octets have to be counted at least before an armed total is reached.
    fn octets_left(&self) -> u64 {
        let counted = self.volume();
        let left = |alarm: &AtomicU64, octets| alarm.load(Relaxed).saturating_sub(octets);
        left(&self.total_alarm_octets, counted.total_octets())
            .min(left(&self.uplink_alarm_octets, counted.uplink_octets))
            .min(left(&self.downlink_alarm_octets, counted.downlink_octets))
    }

    /// Whether an armed total has been reached.
    pub fn is_due(&self) -> bool {
        self.octets_left() == 0
    }

    /// Called once [`count`](Self::count) was `true`, before the report: no further report until the
    /// control side arms again; stops the packets if the alarm was a quota.
    #[cold]
    pub fn disarm(&self) {
        self.total_alarm_octets.store(u64::MAX, Relaxed);
        self.uplink_alarm_octets.store(u64::MAX, Relaxed);
        self.downlink_alarm_octets.store(u64::MAX, Relaxed);
        if self.alarm_is_quota.load(Acquire) {
            self.exhausted.store(true, Relaxed);
        }
    }

    /// Whether packets have to stop.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Relaxed)
    }

    /// Sets the totals of the next report, and lets packets pass again. For the control side.
    ///
    /// A total that is already passed reports with the next packet.
    pub fn arm(&self, alarm: Alarm) {
        self.alarm_is_quota.store(alarm.is_quota, Release);
        self.exhausted.store(false, Relaxed);
        self.uplink_alarm_octets
            .store(alarm.uplink_octets.unwrap_or(u64::MAX), Relaxed);
        self.downlink_alarm_octets
            .store(alarm.downlink_octets.unwrap_or(u64::MAX), Relaxed);
        self.total_alarm_octets
            .store(alarm.total_octets.unwrap_or(u64::MAX), Relaxed);
        // The worker looks with the next packet, and then sees the totals above.
        self.look_at_octets.store(0, Release);
    }

    /// Stops the packets at once (a quota of zero). For the control side.
    pub fn exhaust(&self) {
        self.exhausted.store(true, Relaxed);
    }

    /// What has been counted so far.
    pub fn volume(&self) -> Volume {
        Volume {
            uplink_octets: self.uplink_octets.load(Relaxed),
            downlink_octets: self.downlink_octets.load(Relaxed),
            uplink_packets: self.uplink_packets.load(Relaxed),
            downlink_packets: self.downlink_packets.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_with_the_packet_that_reaches_an_armed_total() {
        let usage = Usage::default();
        let mut state = 1_u64;
        let mut random = |most: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % most
        };
        let (mut alarm, mut alarms) = (Alarm::default(), 0);
        for _ in 0..100_000 {
            if random(50) == 0 {
                let now = usage.volume();
                let mut armed = |counted: u64| (random(2) == 0).then(|| counted + random(20_000));
                alarm = Alarm {
                    total_octets: armed(now.total_octets()),
                    uplink_octets: armed(now.uplink_octets),
                    downlink_octets: armed(now.downlink_octets),
                    is_quota: false,
                };
                usage.arm(alarm);
            }
            let direction = [Direction::Uplink, Direction::Downlink][usize::from(random(2) == 0)];
            let due = usage.count(direction, u16::try_from(random(1500)).unwrap());
            let counted = usage.volume();
            let reached = |alarm: Option<u64>, octets| alarm.is_some_and(|alarm| octets >= alarm);
            let expected = reached(alarm.total_octets, counted.total_octets())
                || reached(alarm.uplink_octets, counted.uplink_octets)
                || reached(alarm.downlink_octets, counted.downlink_octets);
            assert_eq!(due, expected, "{counted:?} {alarm:?}");
            // A report that found no room is tried again; one that did is the last.
            if due && random(3) > 0 {
                usage.disarm();
                alarm = Alarm::default();
                alarms += 1;
            }
        }
        assert!(alarms > 100, "{alarms}");
    }
}
