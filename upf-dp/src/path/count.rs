//! Count: the volume of what passed, per URR, in octets of the user packet.

use session::plan::{Plan, Step};
use session::report::{Report, WorkerEnd};
use session::usage::Usage;

/// How much? Only what passed is counted.
#[inline]
pub(super) fn count(plan: &Plan, step: &Step, octets: u16, end: &mut WorkerEnd) {
    let mut due = step
        .usage()
        .is_some_and(|usage| usage.count(step.direction, octets));
    if step.has_more() {
        due |= count_more(step, octets);
    }
    if due {
        alarm(plan, step, end);
    }
}

#[inline(never)]
fn count_more(step: &Step, octets: u16) -> bool {
    let count = |due, usage: &Usage| usage.count(step.direction, octets) || due;
    step.more_usages().fold(false, count)
}

/// Tells the control side. A counter whose report finds the queue full stays armed, so that the
/// next packet tries again. Disarmed is before the report, not after: the control side arms anew
/// when it has read it.
#[cold]
#[inline(never)]
fn alarm(plan: &Plan, step: &Step, end: &mut WorkerEnd) {
    for (urr, usage) in step.usages() {
        if usage.is_due() {
            if end.has_room() {
                usage.disarm();
            }
            end.report(Report::Usage {
                session: plan.session,
                urr,
            });
        }
    }
}
