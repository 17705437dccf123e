//! Volumes, as they are counted and as they are read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::rule::Direction;

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
    /// This and that.
    #[must_use]
    pub const fn plus(&self, more: &Self) -> Self {
        Self {
            uplink_octets: self.uplink_octets.saturating_add(more.uplink_octets),
            downlink_octets: self.downlink_octets.saturating_add(more.downlink_octets),
            uplink_packets: self.uplink_packets.saturating_add(more.uplink_packets),
            downlink_packets: self.downlink_packets.saturating_add(more.downlink_packets),
        }
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

/// Octets and packets of each direction, with one writer.
#[derive(Debug, Default)]
pub(super) struct Counts {
    uplink_octets: AtomicU64,
    downlink_octets: AtomicU64,
    uplink_packets: AtomicU64,
    downlink_packets: AtomicU64,
}

impl Counts {
    pub(super) fn count(&self, direction: Direction, octets: u16) {
        let (octet_counter, packet_counter) = match direction {
            Direction::Uplink => (&self.uplink_octets, &self.uplink_packets),
            Direction::Downlink => (&self.downlink_octets, &self.downlink_packets),
        };
        add(octet_counter, octets.into());
        add(packet_counter, 1);
    }

    pub(super) fn volume(&self) -> Volume {
        Volume {
            uplink_octets: self.uplink_octets.load(Relaxed),
            downlink_octets: self.downlink_octets.load(Relaxed),
            uplink_packets: self.uplink_packets.load(Relaxed),
            downlink_packets: self.downlink_packets.load(Relaxed),
        }
    }
}

/// One writer: a load and a store, no locked instruction.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}
