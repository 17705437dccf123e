//! Count: the volume of what passed, per URR, in octets of the user packet.

use session::plan::{Plan, Step};
use session::report::{Report, WorkerEnd};

/// Fifth stage: how much? Only what passed is counted.
#[inline]
pub(super) fn count(plan: &Plan, step: &Step, octets: u16, end: &mut WorkerEnd) {
    let mut due = step
        .usage()
        .is_some_and(|usage| usage.count(step.direction, octets));
    if step.has_more() {
        for (_, usage) in step.usages().skip(1) {
            due |= usage.count(step.direction, octets);
        }
    }
    if due {
        alarm(plan, step, end);
    }
}

/// Tells the control side. A counter whose report found the queue full stays armed, so that the
/// next packet tries again.
#[cold]
fn alarm(plan: &Plan, step: &Step, end: &mut WorkerEnd) {
    for (urr, usage) in step.usages() {
        if usage.is_due()
            && end.report(Report::Usage {
                session: plan.session,
                urr,
            })
        {
            usage.disarm();
        }
    }
}
