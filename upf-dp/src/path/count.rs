//! Count: the volume of what passed, per URR, in octets of the user packet; and what few URRs ask
//! for besides: what there was before QoS enforcement, and what was dropped.

use session::UrrId;
use session::plan::{Plan, Step};
use session::report::{Report, WorkerEnd};
use session::rule::Direction;
use session::usage::{Moment, Usage};

/// How much? Only what passed is counted.
#[inline]
pub(super) fn count(plan: &Plan, step: &Step, octets: u16, at: Moment, end: &mut WorkerEnd) {
    let mut due = step
        .usage()
        .is_some_and(|usage| usage.count(step.direction, octets, at));
    if step.has_more() {
        due |= count_more(step, octets, at);
    }
    if due {
        alarm(plan, step, end);
    }
}

#[inline(never)]
fn count_more(step: &Step, octets: u16, at: Moment) -> bool {
    let count = |due, usage: &Usage| usage.count(step.direction, octets, at) || due;
    step.more_usages().fold(false, count)
}

/// Counts a packet for the URRs that want to know of it before QoS enforcement.
#[inline(never)]
pub(super) fn count_before(step: &Step, octets: u16) {
    for usage in step.before() {
        usage.count_before(step.direction, octets);
    }
}

/// Counts a downlink packet that is dropped.
#[inline(never)]
pub(super) fn count_dropped(plan: &Plan, step: &Step, octets: u16, end: &mut WorkerEnd) {
    if step.direction != Direction::Downlink {
        return;
    }
    for (urr, usage) in step.dropped() {
        if usage.count_dropped(step.direction, octets) {
            tell(plan, urr, usage, Usage::disarm_dropped, end);
        }
    }
}

/// Tells the control side of the first packet that a used up quota stops, if it wants to know.
#[inline(never)]
pub(super) fn knock(plan: &Plan, step: &Step, end: &mut WorkerEnd) {
    for (urr, usage) in step.usages() {
        if usage.is_guarded() {
            tell(plan, urr, usage, |usage| _ = usage.knock(), end);
        }
    }
}

#[cold]
#[inline(never)]
fn alarm(plan: &Plan, step: &Step, end: &mut WorkerEnd) {
    for (urr, usage) in step.usages() {
        if usage.is_due() {
            tell(plan, urr, usage, Usage::disarm, end);
        }
    }
}

/// Tells the control side. A counter whose report finds the queue full stays armed, so that the
/// next packet tries again; a quota that is used up stops packets all the same. Disarmed is before
/// the report, not after: the control side arms anew when it has read it.
fn tell(plan: &Plan, urr: UrrId, usage: &Usage, disarm: impl Fn(&Usage), end: &mut WorkerEnd) {
    if end.has_room() {
        disarm(usage);
    } else {
        usage.stop_untold();
    }
    end.report(Report::Usage {
        session: plan.session,
        urr,
    });
}
