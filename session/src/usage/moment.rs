//! When packets came.

/// A time as packets note it, in tenths of a second since the control side began; wraps around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(pub u32);

impl Moment {
    /// The moment that many milliseconds after the control side began.
    pub fn of_ms(elapsed_ms: u64) -> Self {
        Self(u32::try_from((elapsed_ms / 100) & u64::from(u32::MAX)).unwrap_or_default())
    }

    /// The moment as milliseconds, not later than `now_ms`.
    pub fn to_ms(self, now_ms: u64) -> u64 {
        let ago = Self::of_ms(now_ms).0.wrapping_sub(self.0);
        // A worker may have seen the time a little before the control side says it.
        let ago = if ago > u32::MAX / 2 { 0 } else { ago };
        (now_ms / 100).saturating_sub(ago.into()) * 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_whatever_wraps() {
        for now_ms in [
            0,
            99,
            12_345,
            429_496_729_600,
            429_496_729_650,
            1_000_000_000_000,
        ] {
            assert_eq!(Moment::of_ms(now_ms).to_ms(now_ms), now_ms / 100 * 100);
            let earlier = now_ms - now_ms.min(70_000);
            assert_eq!(Moment::of_ms(earlier).to_ms(now_ms), earlier / 100 * 100);
            // From a worker that is ahead.
            assert_eq!(
                Moment::of_ms(now_ms + 100).to_ms(now_ms),
                now_ms / 100 * 100
            );
        }
    }
}
