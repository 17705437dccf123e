//! Policers against a token bucket as the books have it, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::as_conversions,
    clippy::suboptimal_flops,
    reason = "tests"
)]

use proptest::prelude::*;
use session::meter::{Arrivals, Burst, Meter, Now, Rate};
use session::rule::Direction;

/// Tokens in octets × Hz, so that nothing is rounded: a packet passes when none are owed.
struct Bucket {
    octets_per_second: i128,
    depth: i128,
    tokens: i128,
    last: u64,
}

impl Bucket {
    fn new(kbps: u64, hz: u64, burst: Burst) -> Self {
        let octets_per_second = i128::from(kbps) * 125;
        let of_time = octets_per_second * i128::from(hz) * i128::from(burst.ms) / 1000;
        let depth = of_time.max(i128::from(burst.least_octets) * i128::from(hz));
        Self {
            octets_per_second,
            depth,
            tokens: depth,
            last: 0,
        }
    }

    fn pass(&mut self, octets: u16, now: u64, hz: u64) -> bool {
        self.tokens += i128::from(now - self.last) * self.octets_per_second;
        self.tokens = self.tokens.min(self.depth);
        self.last = now;
        let passes = self.tokens >= 0;
        if passes {
            self.tokens -= i128::from(octets) * i128::from(hz);
        }
        passes
    }
}

/// From 8 kbit/s to 100 Gbit/s, each decade as likely as another.
fn rate_kbps() -> impl Strategy<Value = u64> {
    (0.903_f64..8.0).prop_map(|exponent| 10_f64.powf(exponent).round() as u64)
}

fn burst() -> impl Strategy<Value = Burst> {
    (0_u32..2_000, 0_u32..100_000).prop_map(|(ms, least_octets)| Burst { ms, least_octets })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes when, the octets of any second differ from the model's by less than 1 %, or by
    /// less than the packet that is under way.
    #[test]
    fn a_policer_is_a_token_bucket(
        kbps in rate_kbps(),
        burst in burst(),
        hz in 1_000_000_000_u64..5_000_000_000,
        load in 0.2_f64..4.0,
        seed in any::<u64>(),
    ) {
        let arrivals = Arrivals::default();
        let meter = Meter::new(Rate::new(kbps, hz, burst), &arrivals, Direction::Downlink);
        let mut bucket = Bucket::new(kbps, hz, burst);
        let mut state = seed | 1;
        let mut random = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % most
        };
        // Small packets at small rates; no more than 20 000 of them in a second.
        let largest = (kbps * 125 / 5_000).clamp(200, 65_000);
        let gap = largest as f64 / 2.0 / (kbps as f64 * 125.0 * load) * hz as f64;
        let (mut now, mut second) = (0_u64, 0_u64);
        let (mut passed, mut expected) = (0_u64, 0_u64);
        while second < 3 {
            now += random((2.0 * gap) as u64 + 2);
            if now / hz > second {
                let slack = (kbps * 125 / 100).max(largest);
                prop_assert!(
                    passed.abs_diff(expected) <= slack,
                    "second {}: {} octets, not {}", second, passed, expected
                );
                (passed, expected, second) = (0, 0, now / hz);
            }
            let octets = random(largest) as u16 + 1;
            if meter.pass(octets, Now(now)) {
                passed += u64::from(octets);
            }
            if bucket.pass(octets, now, hz) {
                expected += u64::from(octets);
            }
        }
    }

    /// Once the burst is spent, what passes in a second is the rate, within 1 %.
    #[test]
    fn the_rate_holds_over_a_second(kbps in rate_kbps(), burst in burst()) {
        const HZ: u64 = 2_600_000_000;
        let arrivals = Arrivals::default();
        let meter = Meter::new(Rate::new(kbps, HZ, burst), &arrivals, Direction::Uplink);
        let want = kbps * 125;
        let octets = (want / 10_000).clamp(64, 65_000) as u16;
        // Twice the rate is offered for as long as the burst lasts, and for a second more.
        let burst_octets = (want * u64::from(burst.ms) / 1000).max(burst.least_octets.into());
        let before = burst_octets.div_ceil(octets.into()) * 2 + 4;
        let in_a_second = (2 * want).div_ceil(octets.into());
        let at = |packet: u64| {
            let now = u128::from(packet) * u128::from(octets) * u128::from(HZ);
            Now((now / u128::from(2 * want)) as u64)
        };
        let passes = |packet: &u64| meter.pass(octets, at(*packet));
        (0..before).filter(passes).count();
        let passed = (before..before + in_a_second).filter(passes).count() as u64;
        let passed = passed * u64::from(octets);
        let slack = (want / 100).max(octets.into());
        prop_assert!(passed.abs_diff(want) <= slack, "{} of {} octets", passed, want);
    }
}
