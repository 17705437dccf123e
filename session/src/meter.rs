//! Token buckets (QER MBR, TS 29.244, 5.4.3): one number of state per direction.
//!
//! Each direction keeps the *theoretical arrival time* of the next packet (the generic cell rate
//! algorithm): a packet conforms when that time lies no more than the burst tolerance ahead of
//! now, and then moves it on by what its octets cost. One writer, the worker that owns the session.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::rule::{BitRate, Direction};

/// Time in TSC cycles since some start, as the workers read it once per burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub u64);

/// Fractions of a cycle: times are kept in 1/256 cycle, 2⁵⁶ cycles of range.
const FRACTION_BITS: u32 = 8;
/// Further fraction bits of the cost of an octet.
const COST_BITS: u32 = 16;

/// A policer for both directions of one QER.
#[derive(Debug)]
#[repr(align(64))]
pub struct Meter {
    uplink: Bucket,
    downlink: Bucket,
}

#[derive(Debug)]
struct Bucket {
    /// When the next packet would arrive at exactly the rate, in 1/256 cycle.
    arrival: AtomicU64,
    /// Cost of an octet in 2⁻²⁴ cycles; zero is free, `u64::MAX` is closed.
    cost: u64,
    /// How far ahead of now `arrival` may lie, in 1/256 cycle.
    tolerance: u64,
}

impl Meter {
    /// A meter for `rate` on a machine of `hz` cycles per second, that lets `burst_ms` worth of the
    /// rate through at once (and never less than one packet of 64 kB).
    pub fn new(rate: BitRate, hz: u64, burst_ms: u32) -> Self {
        Self {
            uplink: Bucket::new(rate.uplink_kbps, hz, burst_ms),
            downlink: Bucket::new(rate.downlink_kbps, hz, burst_ms),
        }
    }

    /// Goes on where `other` stands, so that a change of rate does not refill the bucket.
    pub fn inherit(&self, other: &Self) {
        self.uplink
            .arrival
            .store(other.uplink.arrival.load(Relaxed), Relaxed);
        self.downlink
            .arrival
            .store(other.downlink.arrival.load(Relaxed), Relaxed);
    }

    /// Whether a packet conforms. Takes nothing.
    #[inline]
    pub fn conforms(&self, direction: Direction, now: Now) -> bool {
        let bucket = self.bucket(direction);
        bucket.lets_pass(bucket.arrival.load(Relaxed), now)
    }

    /// Charges a packet of `octets` that passed.
    #[inline]
    pub fn charge(&self, direction: Direction, octets: u16, now: Now) {
        let bucket = self.bucket(direction);
        bucket.charge(bucket.arrival.load(Relaxed), octets, now);
    }

    /// Charges a packet of `octets` if it conforms, and says whether it does.
    #[inline]
    pub fn pass(&self, direction: Direction, octets: u16, now: Now) -> bool {
        let bucket = self.bucket(direction);
        let arrival = bucket.arrival.load(Relaxed);
        let passes = bucket.lets_pass(arrival, now);
        if passes {
            bucket.charge(arrival, octets, now);
        }
        passes
    }

    #[inline]
    const fn bucket(&self, direction: Direction) -> &Bucket {
        match direction {
            Direction::Uplink => &self.uplink,
            Direction::Downlink => &self.downlink,
        }
    }
}

impl Bucket {
    #[inline]
    const fn lets_pass(&self, arrival: u64, now: Now) -> bool {
        let ahead = arrival.saturating_sub(now.0 << FRACTION_BITS);
        ahead <= self.tolerance && self.cost != u64::MAX
    }

    #[inline]
    fn charge(&self, arrival: u64, octets: u16, now: Now) {
        let cost = self.cost.saturating_mul(u64::from(octets)) >> COST_BITS;
        let arrival = arrival.max(now.0 << FRACTION_BITS);
        self.arrival.store(arrival.saturating_add(cost), Relaxed);
    }

    fn new(kbps: u64, hz: u64, burst_ms: u32) -> Self {
        let saturate = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        // hz cycles per second, kbps × 125 octets per second.
        let octets_per_second = u128::from(kbps) * 125;
        let cost = (u128::from(hz) << (FRACTION_BITS + COST_BITS))
            .checked_div(octets_per_second)
            .map_or(u64::MAX, saturate);
        let burst = saturate((u128::from(hz) << FRACTION_BITS) * u128::from(burst_ms) / 1000);
        // A packet is let through whole when anything is left, so zero tolerance still passes one.
        Self {
            arrival: AtomicU64::new(0),
            cost,
            tolerance: burst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u64 = 2_600_000_000;

    /// Offers twice the rate in packets of 1000 octets for a second and counts what passes.
    fn passed_octets(kbps: u64) -> u64 {
        let meter = Meter::new(
            BitRate {
                uplink_kbps: 0,
                downlink_kbps: kbps,
            },
            HZ,
            0,
        );
        let packets = (kbps * 125 * 2 / 1000).clamp(1, 200_000);
        let octets = (kbps * 125 * 2 / packets).min(60_000);
        let packets = (kbps * 125 * 2) / octets;
        (0..packets)
            .filter(|i| {
                let now = Now(
                    u64::try_from(u128::from(*i) * u128::from(HZ) / u128::from(packets)).unwrap(),
                );
                let pass = meter.conforms(Direction::Downlink, now);
                if pass {
                    meter.charge(Direction::Downlink, u16::try_from(octets).unwrap(), now);
                }
                pass
            })
            .map(|_| octets)
            .sum()
    }

    #[test]
    fn the_rate_holds_within_one_percent() {
        for kbps in [1_000, 8_000, 50_000, 1_000_000, 10_000_000] {
            let want = kbps * 125;
            let got = passed_octets(kbps);
            assert!(
                got.abs_diff(want) * 100 <= want,
                "{kbps} kbit/s: {got} of {want} octets"
            );
        }
    }

    #[test]
    fn a_rate_of_zero_is_closed() {
        let meter = Meter::new(BitRate::default(), HZ, 100);
        assert!(!meter.conforms(Direction::Uplink, Now(0)));
    }
}
