//! Gate and police: what the FAR wants, open gates, quotas, rates. What passes is counted at once:
//! the next packet of the burst may be the one that a quota stops.

use session::meter::Now;
use session::plan::{Act, Plan, Step};
use session::report::WorkerEnd;
use session::usage::{Moment, Usage};

use super::count::{count, count_before, count_dropped, knock};
use super::meta::{Fate, Meta};
use crate::reason::Reason;

/// Fifth stage: may it pass, and how much is it?
#[inline(never)]
pub(super) fn police(metas: &mut [Meta<'_>], (now, at): (Now, Moment), end: &mut WorkerEnd) {
    for meta in metas {
        let Some((step, plan)) = meta.goes_on() else {
            continue;
        };
        let octets = meta.user_length;
        match may_pass(step, octets, now) {
            Ok(()) => count(plan, step, octets, at, end),
            Err(fate) => {
                meta.fate = fate;
                if step.has_more() || fate == Fate::Drop(Reason::QuotaExhausted) {
                    stopped(meta, (step, plan), (now, at), end);
                }
            }
        }
    }
}

/// What few rules want of a packet that may not pass: another FAR now that a quota is used up, and
/// that it is counted or told of.
#[cold]
#[inline(never)]
fn stopped<'a>(
    meta: &mut Meta<'a>,
    (step, plan): (&'a Step, &Plan),
    (now, at): (Now, Moment),
    end: &mut WorkerEnd,
) {
    let octets = meta.user_length;
    if let Fate::Drop(Reason::QuotaExhausted) = meta.fate {
        knock(plan, step, end);
        let Some(instead) = step.spent() else { return };
        meta.step = Some(instead);
        meta.fate = Fate::Pending;
        match may_pass(instead, octets, now) {
            Ok(()) => count(plan, instead, octets, at, end),
            Err(fate) => meta.fate = fate,
        }
    } else if !step.act.forwards() && !matches!(step.act, Act::Buffer { .. }) {
        // Those that may go on were counted, and what is held will be when its turn has come.
        count_before(step, octets);
    }
    if let Fate::Drop(Reason::FarDrop) = meta.fate {
        count_dropped(plan, step, octets, end);
    }
}

/// All policers have to agree before any is charged.
#[inline]
fn may_pass(step: &Step, octets: u16, now: Now) -> Result<(), Fate> {
    if !step.act.forwards() {
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
        Act::Tunnel { .. } | Act::Route { .. } | Act::Bridge { .. } => Reason::Undecided,
    })
}

#[inline(never)]
fn all_may_pass(step: &Step, octets: u16, now: Now) -> Result<(), Fate> {
    count_before(step, octets);
    if step.usages().any(|(_, usage)| usage.is_exhausted()) {
        return Err(Fate::Drop(Reason::QuotaExhausted));
    }
    if !step.meters().all(|meter| meter.conforms(now)) {
        return Err(Fate::Drop(Reason::RateExceeded));
    }
    if let Some(levels) = step.levels() {
        if !levels.admit(octets, now) {
            return Err(Fate::Drop(Reason::LimitExceeded));
        }
        levels.charge(octets, now);
    }
    for meter in step.meters() {
        meter.charge(octets, now);
    }
    Ok(())
}
