//! Gate and police: what the FAR wants, open gates, quotas and rates.

use session::meter::Now;
use session::plan::{Act, Step};

use super::meta::{Fate, Meta};
use crate::reason::Reason;

/// Fourth stage: may it pass? All policers have to agree before any is charged.
#[inline]
pub(super) fn police(metas: &mut [Meta<'_>], now: Now) {
    for meta in metas {
        let (true, Some(step)) = (meta.is_pending(), meta.step) else {
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
