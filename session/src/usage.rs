//! Usage counters of URRs (TS 29.244, 5.2.2): one cache line each, one writer.
//!
//! Counters only grow; the control side remembers what it has reported and takes the difference,
//! so that nothing is lost or counted twice when a report races with traffic. It *arms* a counter
//! with the totals at which it wants to hear; the worker reports once and disarms it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use Ordering::{Acquire, Relaxed, Release};

use crate::rule::Direction;

/// The counters of one URR of one session.
#[derive(Debug)]
#[repr(align(64))]
pub struct Usage {
    uplink_octets: AtomicU64,
    downlink_octets: AtomicU64,
    uplink_packets: AtomicU64,
    downlink_packets: AtomicU64,
    /// Uplink octets at which to report; `u64::MAX` is never.
    uplink_alarm_octets: AtomicU64,
    /// Downlink octets at which to report.
    downlink_alarm_octets: AtomicU64,
    /// Octets of both directions at which to report.
    total_alarm_octets: AtomicU64,
    /// The quota is used up: packets stop.
    exhausted: AtomicBool,
    /// Whether the armed totals are a quota, at which packets stop.
    alarm_is_quota: AtomicBool,
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
            uplink_alarm_octets: AtomicU64::new(u64::MAX),
            downlink_alarm_octets: AtomicU64::new(u64::MAX),
            total_alarm_octets: AtomicU64::new(u64::MAX),
            exhausted: AtomicBool::new(false),
            alarm_is_quota: AtomicBool::new(false),
        }
    }
}

impl Usage {
    /// Counts one packet; `true` when the control side has to be told. For the owning worker only.
    #[inline]
    pub fn count(&self, direction: Direction, octets: u16) -> bool {
        let (octet_counter, packet_counter) = match direction {
            Direction::Uplink => (&self.uplink_octets, &self.uplink_packets),
            Direction::Downlink => (&self.downlink_octets, &self.downlink_packets),
        };
        // One writer: a load and a store, no locked instruction.
        octet_counter.store(
            octet_counter.load(Relaxed).wrapping_add(octets.into()),
            Relaxed,
        );
        packet_counter.store(packet_counter.load(Relaxed).wrapping_add(1), Relaxed);
        self.is_due()
    }

    /// Whether an armed total has been reached.
    #[inline]
    pub fn is_due(&self) -> bool {
        let uplink = self.uplink_octets.load(Relaxed);
        let downlink = self.downlink_octets.load(Relaxed);
        uplink.wrapping_add(downlink) >= self.total_alarm_octets.load(Relaxed)
            || uplink >= self.uplink_alarm_octets.load(Relaxed)
            || downlink >= self.downlink_alarm_octets.load(Relaxed)
    }

    /// Called once [`count`](Self::count) was `true` and the report is on its way: no further
    /// report until the control side arms again; stops the packets if the alarm was a quota.
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
