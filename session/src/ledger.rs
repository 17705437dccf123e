//! What a packet writes of its session: one cache line for a policer and a counter.
//!
//! Most sessions have a QER with a rate and a URR, which are made together and meet in every
//! packet. They share a ledger, so that a packet brings one line instead of two. What is made alone
//! has a ledger to itself.

use crate::meter::Arrivals;
use crate::usage::Usage;

/// The state of one QER, of one URR, or of one of each; plans come and go around it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Ledger {
    arrivals: Arrivals,
    usage: Usage,
}

// What each packet touches is the first line.
const _: () = assert!(size_of::<Arrivals>() + Usage::COUNTED <= 64);

impl Ledger {
    /// Of the policer.
    #[inline]
    pub(crate) const fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// The counters.
    #[inline]
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }
}
