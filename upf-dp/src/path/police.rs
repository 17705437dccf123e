//! Gate and police: what the FAR wants, open gates, quotas, rates.

use session::meter::Now;
use session::plan::{Act, Step};
use session::usage::Usage;

use crate::reason::Reason;

/// What the rules let a packet do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Go on.
    Go,
    /// Wait.
    Wait,
}

/// Fourth stage: may it pass? All policers have to agree before any is charged.
///
/// # Errors
/// Why it may not.
#[inline]
pub(super) fn police(step: &Step, octets: u16, now: Now) -> Result<Leave, Reason> {
    match step.act {
        Act::Tunnel { .. } | Act::Route { .. } => {}
        Act::Buffer { .. } => return Ok(Leave::Wait),
        Act::Drop => return Err(Reason::FarDrop),
        Act::GateClosed => return Err(Reason::GateClosed),
        Act::NoTunnel => return Err(Reason::NoTunnel),
        Act::NoRoute => return Err(Reason::NoRoute),
    }
    if step.has_more() {
        return police_all(step, octets, now);
    }
    if step.usage().is_some_and(Usage::is_exhausted) {
        return Err(Reason::QuotaExhausted);
    }
    match step.meter() {
        Some(meter) if !meter.pass(step.direction, octets, now) => Err(Reason::RateExceeded),
        _ => Ok(Leave::Go),
    }
}

#[inline(never)]
fn police_all(step: &Step, octets: u16, now: Now) -> Result<Leave, Reason> {
    let direction = step.direction;
    if step.usages().any(|(_, usage)| usage.is_exhausted()) {
        return Err(Reason::QuotaExhausted);
    }
    if !step.meters().all(|meter| meter.conforms(direction, now)) {
        return Err(Reason::RateExceeded);
    }
    for meter in step.meters() {
        meter.charge(direction, octets, now);
    }
    Ok(Leave::Go)
}
