//! PDRs that wake and fall asleep by the clock (TS 29.244, 5.4.14): nobody asks, and nobody is
//! answered.

use session::{Seid, SessionIndex};

use super::draft::{compile, publish};
use crate::node::Node;
use crate::refusal::Refusal;
use crate::timer::{Deadline, Timer};
use crate::translate::Draft;

impl Node {
    /// Sets the timer for the PDR of a session that wakes or falls asleep next.
    pub(crate) fn arm_activation(&mut self, index: SessionIndex) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let seid = session.seid;
        if let Some(at_ms) = session.details.next_activation_ms(now) {
            self.timers
                .set(at_ms, Timer::Session(index, seid, Deadline::Activation));
        }
    }

    /// Puts in force what the time says of a session's PDRs.
    pub(crate) fn activation_due(&mut self, index: SessionIndex, seid: Seid) {
        let session = self.sessions.get_mut(index);
        let Some(session) = session.filter(|session| session.seid == seid) else {
            return;
        };
        session.details.activation_came();
        let mut draft = Draft {
            rules: session.installed.rules.clone(),
            details: session.details.clone(),
            ..Draft::default()
        };
        match self.put_in_force(index, &mut draft) {
            Ok(()) => self.commit(index, None, &mut draft, false),
            Err(refusal) => {
                self.give_up(&mut draft);
                tracing::error!(%seid, %refusal, "a PDR could not be activated in time");
            }
        }
    }

    /// Compiles and publishes a draft that no request asked for, if it changes a rule.
    pub(super) fn put_in_force(
        &mut self,
        index: SessionIndex,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        let gone = Refusal::new(pfcp::Cause::SESSION_CONTEXT_NOT_FOUND);
        let session = self.sessions.get(index).ok_or(gone)?;
        let (worker, peer) = (session.worker, session.peer);
        self.translator((worker, peer), draft).settle()?;
        let context = self.context(index, (worker, peer));
        let old = self.sessions.get(index).ok_or(gone)?;
        if draft.rules == old.installed.rules {
            return Ok(());
        }
        compile(&old.installed, draft, &context)?;
        publish(&mut self.publisher, index, draft, false)
    }
}
