//! User Plane Inactivity Reports (TS 29.244, 5.11 and 7.5.8).

use pfcp::{ReportType, SessionReportRequest, UserPlaneInactivityTimer};
use session::plan::Installed;
use session::{Seid, SessionIndex};

use crate::event::Now;
use crate::inactivity::Inactivity;
use crate::node::Node;
use crate::timer::{Deadline, Timer};
use crate::translate::Draft;

impl Draft {
    /// Starts, changes or stops the timer as a request says.
    pub(crate) fn watch(
        &mut self,
        timer: Option<UserPlaneInactivityTimer>,
        counted: &Installed,
        now: Now,
    ) {
        let Some(UserPlaneInactivityTimer(seconds)) = timer else {
            return;
        };
        let before = self.details.inactivity();
        let after = Inactivity::set(before, seconds, now.elapsed_ms, counted.packets());
        self.rules.watched = after.is_some();
        self.details.set_inactivity(after);
    }

    /// A timer that runs takes notice of what has been counted by now, before counters go.
    pub(crate) fn see_activity(&mut self, counted: &Installed, now: Now) {
        if let Some(mut timer) = self.details.inactivity() {
            timer.see(now.elapsed_ms, counted.packets());
            self.details.set_inactivity(Some(timer));
        }
    }
}

impl Node {
    /// Sets the deadline for the next look at a session whose rules or timer have changed.
    pub(crate) fn arm_inactivity(&mut self, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let Some(mut timer) = session.details.inactivity() else {
            return;
        };
        timer.rebase(session.installed.packets());
        session.details.set_inactivity(Some(timer));
        // Otherwise the deadline is there.
        if let Some(at_ms) = timer.look_ms.filter(|at_ms| *at_ms <= self.now.elapsed_ms) {
            self.timers.set(
                at_ms,
                Timer::Session(index, session.seid, Deadline::Inactivity),
            );
        }
    }

    /// Looks whether packets flow.
    pub(crate) fn inactivity_due(&mut self, index: SessionIndex, seid: Seid) {
        let now_ms = self.now.elapsed_ms;
        let session = self.sessions.get_mut(index);
        let Some(session) = session.filter(|session| session.seid == seid) else {
            return;
        };
        let Some(mut timer) = session.details.inactivity() else {
            return;
        };
        // Deadlines that were set before the last change are still there.
        if timer.look_ms.is_none_or(|at_ms| at_ms > now_ms) {
            return;
        }
        let is_over = timer.look(now_ms, session.installed.packets());
        session.details.set_inactivity(Some(timer));
        if let Some(at_ms) = timer.look_ms {
            self.timers
                .set(at_ms, Timer::Session(index, seid, Deadline::Inactivity));
        }
        if is_over {
            let report = SessionReportRequest {
                report_type: ReportType::UPIR,
                ..Default::default()
            };
            self.report(index, report);
        }
    }
}
