//! Gate, police and count: what the FAR wants, open gates, quotas, rates, volumes.
//!
//! Done packet by packet, so that a quota that one packet uses up stops the next.

use session::meter::Now;
use session::plan::{Act, Step};
use session::report::WorkerEnd;

use super::count::count;
use super::meta::{Fate, Meta};
use crate::reason::Reason;

/// Fourth stage: may it pass? All policers have to agree before any is charged, and only what
/// passes is counted.
#[inline]
pub(super) fn police(metas: &mut [Meta<'_>], now: Now, end: &mut WorkerEnd) {
    for meta in metas {
        let (true, Some(step), Some(plan)) = (meta.is_pending(), meta.step, meta.plan) else {
            continue;
        };
        meta.fate = match step.act {
            Act::Tunnel { .. } | Act::Route { .. } => pass(step, meta.user_length, now),
            Act::Buffer { .. } => Fate::Hold,
            Act::Drop => Fate::Drop(Reason::FarDrop),
            Act::GateClosed => Fate::Drop(Reason::GateClosed),
            Act::NoTunnel => Fate::Drop(Reason::NoTunnel),
            Act::NoRoute => Fate::Drop(Reason::NoRoute),
        };
        if meta.is_pending() {
            count(plan, step, meta.user_length, end);
        }
    }
}

#[inline]
fn pass(step: &Step, octets: u16, now: Now) -> Fate {
    if step.usages.iter().any(|usage| usage.is_exhausted()) {
        return Fate::Drop(Reason::QuotaExhausted);
    }
    if !step.meters.iter().all(|meter| meter.conforms(step.direction, now)) {
        return Fate::Drop(Reason::RateExceeded);
    }
    for meter in &step.meters {
        meter.charge(step.direction, octets, now);
    }
    Fate::Pending
}
