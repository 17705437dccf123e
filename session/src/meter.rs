//! Token buckets (QER MBR, TS 29.244, 5.4.3): one number of state per direction.
//!
//! Each direction keeps the *theoretical arrival time* of the next packet (the generic cell rate
//! algorithm): a packet conforms when that time lies no more than the burst tolerance ahead of
//! now, and then moves it on by what its octets cost. One writer, the worker that owns the session.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::rule::Direction;

/// Time in TSC cycles since some start, as the workers read it once per burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub u64);

/// Fractions of a cycle: times are kept in 1/256 cycle, 2⁵⁶ cycles of range.
const FRACTION_BITS: u32 = 8;
/// Further fraction bits of the cost of an octet.
const COST_BITS: u32 = 16;

/// What the policer of one QER remembers; zero is a full bucket.
#[derive(Debug, Default)]
pub struct Arrivals {
    uplink: Arrival,
    downlink: Arrival,
}

/// When the next packet would arrive at exactly the rate, in 1/256 cycle.
type Arrival = AtomicU64;

impl Arrivals {
    #[inline]
    const fn of(&self, direction: Direction) -> &Arrival {
        match direction {
            Direction::Uplink => &self.uplink,
            Direction::Downlink => &self.downlink,
        }
    }
}

/// How much of its rate a policer lets through at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    /// What takes so long at the rate, in milliseconds …
    pub ms: u32,
    /// … and no less than this.
    pub least_octets: u32,
}

impl Burst {
    /// What takes so long at the rate.
    pub const fn of_ms(ms: u32) -> Self {
        Self {
            ms,
            least_octets: 0,
        }
    }

    /// No more than that of an averaging window.
    #[must_use]
    pub fn within(self, window_ms: u32) -> Self {
        Self {
            ms: self.ms.min(window_ms),
            ..self
        }
    }
}

/// A rate in one direction. Belongs to the plan: another rate goes on where the last one stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Cost of an octet in 2⁻²⁴ cycles; zero is free, `u64::MAX` is closed.
    cost: u64,
    /// How far ahead of now the next arrival may lie, in 1/256 cycle.
    tolerance: u64,
}

impl Rate {
    /// A rate on a machine of `hz` cycles per second. A packet that finds anything left of `burst`
    /// passes whole.
    pub fn new(kbps: u64, hz: u64, burst: Burst) -> Self {
        let saturate = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        // hz cycles per second, kbps × 125 octets per second.
        let octets_per_second = u128::from(kbps) * 125;
        let cost = (u128::from(hz) << (FRACTION_BITS + COST_BITS))
            .checked_div(octets_per_second)
            .map_or(u64::MAX, saturate);
        let time = (u128::from(hz) << FRACTION_BITS) * u128::from(burst.ms) / 1000;
        let least = (u128::from(cost) * u128::from(burst.least_octets)) >> COST_BITS;
        Self {
            cost,
            tolerance: saturate(time.max(least)),
        }
    }
}

/// A policer: a rate, and what its QER remembers in that direction.
#[derive(Clone, Copy, Debug)]
pub struct Meter<'a> {
    rate: Rate,
    arrival: &'a Arrival,
}

impl<'a> Meter<'a> {
    /// The policer of a QER for one direction, whose rate is `rate`.
    #[inline]
    pub const fn new(rate: Rate, arrivals: &'a Arrivals, direction: Direction) -> Self {
        Self {
            rate,
            arrival: arrivals.of(direction),
        }
    }

    /// Whether a packet conforms. Takes nothing; one that does not finds out whether too much is
    /// remembered.
    #[inline]
    pub fn conforms(self, now: Now) -> bool {
        self.lets_pass(self.arrival.load(Relaxed), now)
    }

    /// Charges a packet of `octets` that passed.
    #[inline]
    pub fn charge(self, octets: u16, now: Now) {
        self.charge_from(self.arrival.load(Relaxed), octets, now);
    }

    /// Charges a packet of `octets` if it conforms, and says whether it does.
    #[inline]
    pub fn pass(self, octets: u16, now: Now) -> bool {
        let arrival = self.arrival.load(Relaxed);
        let passes = self.lets_pass(arrival, now);
        if passes {
            self.charge_from(arrival, octets, now);
        }
        passes
    }

    #[inline]
    fn lets_pass(self, arrival: u64, now: Now) -> bool {
        let ahead = arrival.saturating_sub(now.0 << FRACTION_BITS);
        let passes = ahead <= self.rate.tolerance && self.rate.cost != u64::MAX;
        if !passes {
            self.forgive(arrival, now);
        }
        passes
    }

    /// Of what is owed, no more is remembered than this rate lets come about: a full burst, and a
    /// packet. There is more when the rate was lower before, as the time that it would have taken
    /// then, and when packets were charged that passed whatever this policer says.
    #[inline(never)]
    fn forgive(self, arrival: u64, now: Now) {
        let most = self.rate.tolerance.saturating_add(self.cost_of(u16::MAX));
        let latest = (now.0 << FRACTION_BITS).saturating_add(most);
        if arrival > latest {
            self.arrival.fetch_min(latest, Relaxed);
        }
    }

    #[inline]
    fn cost_of(self, octets: u16) -> u64 {
        self.rate.cost.saturating_mul(u64::from(octets)) >> COST_BITS
    }

    #[inline]
    fn charge_from(self, arrival: u64, octets: u16, now: Now) {
        let arrival = arrival.max(now.0 << FRACTION_BITS);
        let cost = self.cost_of(octets);
        self.arrival.store(arrival.saturating_add(cost), Relaxed);
    }
}

/// A policer that several workers share.
#[derive(Clone, Copy, Debug)]
pub struct SharedMeter<'a>(Meter<'a>);

impl<'a> SharedMeter<'a> {
    /// The policer for one direction, whose rate is `rate`.
    pub const fn new(rate: Rate, arrivals: &'a Arrivals, direction: Direction) -> Self {
        Self(Meter::new(rate, arrivals, direction))
    }

    /// Whether a packet conforms. Takes nothing: of several workers that ask at once, each may pass
    /// one packet more than there is room for.
    pub fn conforms(self, now: Now) -> bool {
        self.0.conforms(now)
    }

    /// Charges a packet of `octets` that passed. None of several at once is lost.
    pub fn charge(self, octets: u16, now: Now) {
        let cost = self.0.cost_of(octets);
        self.0.arrival.fetch_max(now.0 << FRACTION_BITS, Relaxed);
        self.0.arrival.fetch_add(cost, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u64 = 2_600_000_000;

    /// Offers twice the rate in packets of 1000 octets for a second and counts what passes.
    fn passed_octets(kbps: u64) -> u64 {
        let arrivals = Arrivals::default();
        let meter = Meter::new(
            Rate::new(kbps, HZ, Burst::default()),
            &arrivals,
            Direction::Downlink,
        );
        let packets = (kbps * 125 * 2 / 1000).clamp(1, 200_000);
        let octets = (kbps * 125 * 2 / packets).min(60_000);
        let packets = (kbps * 125 * 2) / octets;
        (0..packets)
            .filter(|i| {
                let now = Now(
                    u64::try_from(u128::from(*i) * u128::from(HZ) / u128::from(packets)).unwrap(),
                );
                let pass = meter.conforms(now);
                if pass {
                    meter.charge(u16::try_from(octets).unwrap(), now);
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
        let arrivals = Arrivals::default();
        let meter = Meter::new(
            Rate::new(0, HZ, Burst::of_ms(100)),
            &arrivals,
            Direction::Uplink,
        );
        assert!(!meter.conforms(Now(0)));
    }

    #[test]
    fn directions_and_rates_share_no_more_than_they_should() {
        let arrivals = Arrivals::default();
        let fast = Rate::new(1_000_000, HZ, Burst::default());
        let meter = |rate, direction| Meter::new(rate, &arrivals, direction);
        assert!(meter(fast, Direction::Uplink).pass(1500, Now(0)));
        assert!(meter(fast, Direction::Downlink).conforms(Now(0)));
        // A new rate does not fill the bucket.
        let slow = Rate::new(1_000, HZ, Burst::default());
        assert!(!meter(slow, Direction::Uplink).conforms(Now(0)));
    }

    /// What a low rate has let through in one burst is paid for at the rate that there is now.
    #[test]
    fn a_higher_rate_is_not_made_to_wait_for_a_lower_one() {
        let arrivals = Arrivals::default();
        let meter = |kbps| {
            let rate = Rate::new(kbps, HZ, Burst::of_ms(100));
            Meter::new(rate, &arrivals, Direction::Downlink)
        };
        // Sixteen seconds and a half at this rate.
        (0..11).for_each(|_| meter(8).charge(1500, Now(HZ)));
        let ms = HZ / 1000;
        let at = |after_ms| Now(HZ + after_ms * ms);
        assert!(!meter(8).conforms(at(0)) && !meter(8).conforms(at(15_000)));
        assert!(!meter(100_000).conforms(at(0)));
        assert!(meter(100_000).conforms(at(10)));
        // No more than its burst, and what the time since has brought.
        let octets: u64 = (0..1000)
            .filter(|_| meter(100_000).pass(1500, at(100)))
            .map(|_| 1500)
            .sum();
        assert!(octets < 100 * 12_500 + 1500, "{octets}");
    }

    /// What passes whatever a limit says is charged, and no more remembered of it than the limit
    /// would have let through itself, and a packet.
    #[test]
    fn what_a_limit_must_let_pass_is_not_held_against_it_for_ever() {
        let arrivals = Arrivals::default();
        let rate = Rate::new(50_000, HZ, Burst::of_ms(100));
        let (own, shared) = (
            Meter::new(rate, &arrivals, Direction::Uplink),
            SharedMeter::new(rate, &arrivals, Direction::Downlink),
        );
        let ms = HZ / 1000;
        // 80 Mbit/s for a minute.
        for packet in 0..60_000 {
            let now = Now(packet * ms);
            own.charge(10_000, now);
            shared.charge(10_000, now);
        }
        let end = 60_000 * ms;
        assert!(!own.conforms(Now(end)) && !shared.conforms(Now(end)));
        assert!(!own.conforms(Now(end + 5 * ms)) && !shared.conforms(Now(end + 5 * ms)));
        assert!(own.conforms(Now(end + 20 * ms)));
        assert!(shared.conforms(Now(end + 20 * ms)));
    }
}
