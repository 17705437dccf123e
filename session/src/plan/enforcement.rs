//! What QERs come down to in one direction.

use super::Context;
use crate::meter::Rate;
use crate::rule::{BitRate, Direction, Gate, Qer};

/// A rate of a QER. What it lets through at once is no more than that of its averaging window.
pub(super) fn rate(qer: &Qer, rate: BitRate, direction: Direction, context: &Context) -> Rate {
    let kbps = match direction {
        Direction::Uplink => rate.uplink_kbps,
        Direction::Downlink => rate.downlink_kbps,
    };
    let window_ms = qer.averaging_window_ms.unwrap_or(u32::MAX);
    Rate::new(kbps, context.hz, context.burst.within(window_ms))
}

pub(super) fn gate(qers: &[&Qer], direction: Direction) -> Gate {
    let closed = qers.iter().any(|qer| match direction {
        Direction::Uplink => qer.uplink_gate == Gate::Closed,
        Direction::Downlink => qer.downlink_gate == Gate::Closed,
    });
    if closed { Gate::Closed } else { Gate::Open }
}
