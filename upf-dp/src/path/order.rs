//! Order: a packet does not overtake those that its session still holds.
//!
//! When the SMF has the buffered packets sent, the new plan is in force a moment before the worker
//! reads the command to release. A packet that arrives in between lines up behind the held ones
//! and sets them going.

use session::plan::{Act, Plan, Step};

use super::meta::Meta;
use crate::held::Held;

/// Whether a packet has to line up behind others of its session. Costs nothing while nobody holds
/// packets.
#[inline]
pub(super) fn has_to_line_up<P>(held: &Held<P>, plan: &Plan, step: &Step, meta: &Meta<'_>) -> bool {
    !held.is_empty() && !meta.released && lines_up(held, plan, step)
}

#[inline(never)]
fn lines_up<P>(held: &Held<P>, plan: &Plan, step: &Step) -> bool {
    let goes = matches!(step.act, Act::Tunnel { .. } | Act::Route { .. });
    goes && held.far(plan.session) == Some(step.far)
}
