//! Thresholds and quotas of volume.

use session::usage::{Totals, Volume};

/// Volumes, each of which may be absent. There are several in each session, so an absent one is
/// [`ABSENT`], which no counter reaches, and not an `Option` of twice the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Octets {
    total: u64,
    uplink: u64,
    downlink: u64,
}

const ABSENT: u64 = u64::MAX;

impl Default for Octets {
    fn default() -> Self {
        Self::new(None, None, None)
    }
}

impl Octets {
    /// What each volume reaches.
    pub(super) const NOTHING: Self = Self::new(Some(0), None, None);

    pub(crate) const fn new(
        total: Option<u64>,
        uplink: Option<u64>,
        downlink: Option<u64>,
    ) -> Self {
        const fn word(value: Option<u64>) -> u64 {
            match value {
                Some(value) => value,
                None => ABSENT,
            }
        }
        Self {
            total: word(total),
            uplink: word(uplink),
            downlink: word(downlink),
        }
    }
    pub(super) fn total(self) -> Option<u64> {
        Some(self.total).filter(|total| *total != ABSENT)
    }
    pub(super) fn uplink(self) -> Option<u64> {
        Some(self.uplink).filter(|uplink| *uplink != ABSENT)
    }
    pub(super) fn downlink(self) -> Option<u64> {
        Some(self.downlink).filter(|downlink| *downlink != ABSENT)
    }
    pub(super) fn each(
        self,
        other: Self,
        merge: impl Fn(Option<u64>, Option<u64>) -> Option<u64>,
    ) -> Self {
        Self::new(
            merge(self.total(), other.total()),
            merge(self.uplink(), other.uplink()),
            merge(self.downlink(), other.downlink()),
        )
    }
    pub(super) const fn of(volume: &Volume) -> Self {
        Self {
            total: volume.total_octets(),
            uplink: volume.uplink_octets,
            downlink: volume.downlink_octets,
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    /// Whether `used` reaches one of these.
    pub(super) const fn is_reached(self, used: &Volume) -> bool {
        used.total_octets() >= self.total
            || used.uplink_octets >= self.uplink
            || used.downlink_octets >= self.downlink
    }
    /// What is left after `used`.
    pub(super) fn less(self, used: &Volume) -> Self {
        self.each(Self::of(used), |left, used| {
            Some(left?.saturating_sub(used?))
        })
    }
    /// What is used up becomes the full value again.
    pub(super) fn refilled(self, full: Self) -> Self {
        self.each(full, |left, full| if left == Some(0) { full } else { left })
    }

    /// As totals of a counter that stood at `base`.
    pub(super) fn from(self, base: &Volume) -> Totals {
        let at = self.each(Self::of(base), |left, base| {
            Some(left?.saturating_add(base?))
        });
        Totals {
            total: at.total(),
            uplink: at.uplink(),
            downlink: at.downlink(),
        }
    }
}
