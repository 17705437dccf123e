//! Gate and police: what the FAR wants, open gates, quotas, rates.

use session::meter::Now;
use session::plan::{Act, Step};

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
    if step.usages.iter().any(|usage| usage.is_exhausted()) {
        return Err(Reason::QuotaExhausted);
    }
    if !step
        .meters
        .iter()
        .all(|meter| meter.conforms(step.direction, now))
    {
        return Err(Reason::RateExceeded);
    }
    for meter in &step.meters {
        meter.charge(step.direction, octets, now);
    }
    Ok(Leave::Go)
}
