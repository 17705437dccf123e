//! Order: a packet does not overtake those that its session still holds.
//!
//! When the SMF has the buffered packets sent, the new plan is in force a moment before the worker
//! reads the command to release. A packet that arrives in between lines up behind the held ones
//! and sets them going.

use session::plan::Act;

use super::meta::{Fate, Meta};
use crate::held::Held;

/// Between classify and police; costs nothing while nobody holds packets.
#[inline]
pub(super) fn order<P>(held: &Held<P>, metas: &mut [Meta<'_>]) {
    if !held.is_empty() {
        line_up(held, metas);
    }
}

#[inline(never)]
fn line_up<P>(held: &Held<P>, metas: &mut [Meta<'_>]) {
    for meta in metas {
        let (true, false, Some(plan), Some(step)) =
            (meta.is_pending(), meta.released, meta.plan, meta.step)
        else {
            continue;
        };
        let goes = matches!(step.act, Act::Tunnel { .. } | Act::Route { .. });
        if goes && held.far(plan.session) == Some(step.far) {
            meta.fate = Fate::Hold;
            meta.releases = true;
        }
    }
}
