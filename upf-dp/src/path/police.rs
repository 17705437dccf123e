//! Gate and police: what the FAR wants, open gates, quotas, rates. What passes is counted at once:
//! the next packet of the burst may be the one that a quota stops.

use session::meter::Now;
use session::plan::{Act, Step};
use session::report::WorkerEnd;
use session::usage::Usage;

use super::count::count;
use super::meta::{Fate, Meta};
use crate::reason::Reason;

/// Fifth stage: may it pass, and how much is it?
#[inline(never)]
pub(super) fn police(metas: &mut [Meta<'_>], now: Now, end: &mut WorkerEnd) {
    for meta in metas {
        let Some((step, plan)) = meta.goes_on() else {
            continue;
        };
        let octets = meta.user_length;
        match may_pass(step, octets, now) {
            Ok(()) => count(plan, step, octets, end),
            Err(fate) => meta.fate = fate,
        }
    }
}

/// All policers have to agree before any is charged.
#[inline]
fn may_pass(step: &Step, octets: u16, now: Now) -> Result<(), Fate> {
    if !matches!(step.act, Act::Tunnel { .. } | Act::Route { .. }) {
        return Err(without_way(step.act));
    }
    if step.has_more() {
        return all_may_pass(step, octets, now);
    }
    if step.usage().is_some_and(Usage::is_exhausted) {
        return Err(Fate::Drop(Reason::QuotaExhausted));
    }
    match step.meter() {
        Some(meter) if !meter.pass(octets, now) => Err(Fate::Drop(Reason::RateExceeded)),
        _ => Ok(()),
    }
}

#[inline(never)]
const fn without_way(act: Act) -> Fate {
    Fate::Drop(match act {
        Act::Buffer { .. } => return Fate::Hold,
        Act::Drop => Reason::FarDrop,
        Act::GateClosed => Reason::GateClosed,
        Act::NoTunnel => Reason::NoTunnel,
        Act::NoRoute => Reason::NoRoute,
        Act::Tunnel { .. } | Act::Route { .. } => Reason::Undecided,
    })
}

#[inline(never)]
fn all_may_pass(step: &Step, octets: u16, now: Now) -> Result<(), Fate> {
    if step.usages().any(|(_, usage)| usage.is_exhausted()) {
        return Err(Fate::Drop(Reason::QuotaExhausted));
    }
    if !step.meters().all(|meter| meter.conforms(now)) {
        return Err(Fate::Drop(Reason::RateExceeded));
    }
    for meter in step.meters() {
        meter.charge(octets, now);
    }
    Ok(())
}
