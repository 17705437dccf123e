//! Order: a packet does not overtake those that its session still holds.
//!
//! When the SMF has the buffered packets sent, the new plan is in force a moment before the worker
//! reads the command to release. A packet that arrives in between lines up behind the held ones
//! and sets them going.

use session::plan::{Plan, Step};

use super::meta::{Came, Fate, Meta};
use crate::held::Held;

/// Fourth stage: which packets have to line up behind others of their session? Costs nothing while
/// nobody holds packets.
#[inline]
pub(super) fn line_up<P>(held: &Held<P>, metas: &mut [Meta<'_>]) {
    if held.is_empty() {
        return;
    }
    for meta in metas {
        if meta.came != Came::Released
            && let Some((step, plan)) = meta.goes_on()
            && has_to_line_up(held, plan, step)
        {
            meta.releases = true;
            meta.fate = Fate::Hold;
        }
    }
}

/// Whether what follows that rule goes behind others of the session that are still held.
pub(crate) fn has_to_line_up<P>(held: &Held<P>, plan: &Plan, step: &Step) -> bool {
    let may_hold = |far| held.may_hold(plan.session, far);
    // What a used up quota had held goes first, once there is more.
    step.act.forwards() && (may_hold(step.far) || step.granted().is_some_and(may_hold))
}
