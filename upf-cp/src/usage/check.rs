//! What is due, and why (TS 29.244, 5.2.2.3).

use pfcp::{ReportingTriggers, UsageReportTrigger};
use session::UrrId;
use session::usage::Volume;

use super::{Granted, Octets, Reading, UrrControl, ms};
use crate::event::Now;

impl UrrControl {
    /// Finds out what there is to report, now that the counters stand at `reading`; whether that is
    /// anything.
    pub(crate) fn check(&mut self, now: Now, reading: &Reading) -> bool {
        let mut due = self.check_monitoring(now, reading);
        due |= self.check_activity(now, reading);
        due |= self.check_totals(now, reading);
        due |= self.check_timers(now);
        due |= self.check_quiet(now, reading);
        if !self.is_over() {
            self.due |= due;
        }
        !self.due.is_empty()
    }

    /// What there is to report, to be reported now. What had to wait for its turn begins a new period
    /// with that: those that had to wait for each other come one by one from then on.
    pub(crate) fn take_due(&mut self, has_waited: bool, now: Now) -> UsageReportTrigger {
        let due = std::mem::take(&mut self.due);
        if has_waited && due.contains(UsageReportTrigger::PERIO) {
            self.period_at_ms = self.wanted.period_s.map(|s| now.elapsed_ms + ms(s));
        }
        due
    }

    /// Closes a part at each Monitoring Time that has passed.
    fn check_monitoring(&mut self, now: Now, reading: &Reading) -> UsageReportTrigger {
        while let Some(next) = self.wanted.rare.as_mut().and_then(|rare| {
            let next = rare.monitoring.first()?;
            (next.seconds_from(now.ntp_s) <= 0).then(|| rare.monitoring.remove(0))
        }) {
            self.split(now, reading);
            if let Some(threshold) = next.volume_threshold {
                self.wanted.volume_threshold = threshold;
                self.threshold_left = threshold;
            }
            if let Some(seconds) = next.time_threshold_s {
                self.wanted.time_threshold_s = Some(seconds);
                self.time_threshold_left_ms = Some(ms(seconds));
            }
            let granted = Granted {
                volume: next.volume_quota.is_some(),
                time: next.time_quota_s.is_some(),
            };
            if granted.volume || granted.time {
                self.wanted.volume_quota = next.volume_quota.or(self.wanted.volume_quota);
                self.wanted.time_quota_s = next.time_quota_s.or(self.wanted.time_quota_s);
                self.quota_granted(granted, now);
            }
        }
        if self
            .rare
            .as_ref()
            .is_some_and(|rare| !rare.parts.is_empty())
        {
            UsageReportTrigger::MONIT
        } else {
            UsageReportTrigger::empty()
        }
    }

    /// Whether packets came, after there were none.
    fn check_activity(&mut self, now: Now, reading: &Reading) -> UsageReportTrigger {
        let packets = reading.volume.total_packets();
        let mut seen = self.base.total_packets();
        if let Some(rare) = &mut self.rare {
            rare.last_ms = rare.last_ms.max(reading.last_ms);
            rare.told_idle &= packets <= rare.seen;
            seen = seen.max(rare.seen);
        }
        let starts = self.wanted.reports_on(ReportingTriggers::START);
        let came = if self.exhausted {
            // None is counted: somebody came to the shut gate.
            self.idle && starts && !reading.guarded
        } else {
            packets > seen
        };
        if !came || self.is_paused() {
            return UsageReportTrigger::empty();
        }
        if self.wanted.measures_time() && !self.exhausted {
            self.clock.start(now.elapsed_ms);
        }
        if std::mem::take(&mut self.idle) && starts {
            return UsageReportTrigger::START;
        }
        UsageReportTrigger::empty()
    }

    fn check_totals(&mut self, now: Now, reading: &Reading) -> UsageReportTrigger {
        type T = UsageReportTrigger;
        let measured = self.measured(reading);
        let used = measured.volume.since(&self.base);
        let passed_ms = self.clock.measured_ms(now.elapsed_ms);
        let is_over = |left: Option<u64>| left.is_some_and(|left| left <= passed_ms);
        let mut due = T::empty();
        let on = |trigger| self.wanted.reports_on(trigger);
        if on(ReportingTriggers::VOLTH) && self.threshold_left.is_reached(&used) {
            due |= T::VOLTH;
        }
        if !self.exhausted && self.clock.has_begun() {
            if on(ReportingTriggers::TIMTH) && is_over(self.time_threshold_left_ms) {
                due |= T::TIMTH;
            }
            due |= self.check_time_quota(is_over(self.time_quota_left_ms));
        }
        due |= self.check_quota(&used);
        due | self.check_dropped(&measured)
    }

    /// "Threshold trigger only: report at threshold, stop silently at quota. Both: report at each.
    /// Quota with no threshold: report at quota."
    fn check_quota(&mut self, used: &Volume) -> UsageReportTrigger {
        let reached = self.quota_left.is_some_and(|quota| quota.is_reached(used));
        if self.exhausted || !reached {
            return UsageReportTrigger::empty();
        }
        self.exhaust();
        let alone = self.wanted.volume_threshold.is_empty();
        if alone || self.wanted.reports_on(ReportingTriggers::VOLQU) {
            return UsageReportTrigger::VOLQU;
        }
        UsageReportTrigger::empty()
    }

    fn check_time_quota(&mut self, is_over: bool) -> UsageReportTrigger {
        if !is_over {
            return UsageReportTrigger::empty();
        }
        self.exhaust();
        let alone = self.wanted.time_threshold_s.is_none();
        if alone || self.wanted.reports_on(ReportingTriggers::TIMQU) {
            return UsageReportTrigger::TIMQU;
        }
        UsageReportTrigger::empty()
    }

    const fn exhaust(&mut self) {
        self.exhausted = true;
    }

    fn check_dropped(&mut self, measured: &Reading) -> UsageReportTrigger {
        let wanted = self.wanted.rare().and_then(|rare| rare.dropped);
        let (Some(rare), Some(wanted)) = (&mut self.rare, wanted) else {
            return UsageReportTrigger::empty();
        };
        let dropped = measured.dropped.since(&rare.base.dropped);
        let reached = |at: Option<u64>, counted| at.is_some_and(|at| counted >= at);
        if rare.paused.is_none()
            && (reached(wanted.octets, dropped.total_octets())
                || reached(wanted.packets, dropped.total_packets()))
        {
            rare.base.dropped = measured.dropped;
            if self.wanted.reports_on(ReportingTriggers::DROTH) {
                return UsageReportTrigger::DROTH;
            }
        }
        UsageReportTrigger::empty()
    }

    fn check_timers(&mut self, now: Now) -> UsageReportTrigger {
        type T = UsageReportTrigger;
        let mut due = T::empty();
        let passed = |at: Option<u64>| at.is_some_and(|at| at <= now.elapsed_ms);
        if passed(self.period_at_ms) {
            self.next_period(now);
            if self.wanted.reports_on(ReportingTriggers::PERIO) {
                due |= T::PERIO;
            }
        }
        if passed(self.validity_at_ms) {
            self.validity_at_ms = None;
            // "The rest of the quota is void."
            if self.wanted.has_quota() {
                self.void_quota();
            }
            if self.wanted.reports_on(ReportingTriggers::QUVTI) {
                due |= T::QUVTI;
            }
        }
        due
    }

    fn next_period(&mut self, now: Now) {
        let Some(period) = self.wanted.period_s.map(ms).filter(|period| *period > 0) else {
            self.period_at_ms = None;
            return;
        };
        let at = self.period_at_ms.unwrap_or(now.elapsed_ms);
        let late = now.elapsed_ms.saturating_sub(at) / period;
        self.period_at_ms = Some(at + (late + 1) * period);
    }

    /// What is due because no packet has come for long.
    fn check_quiet(&mut self, now: Now, reading: &Reading) -> UsageReportTrigger {
        type T = UsageReportTrigger;
        let mut due = T::empty();
        let holds = self.holds();
        let mut is_held_too_long = false;
        let (Some(rare), Some(wanted)) = (&mut self.rare, self.wanted.rare()) else {
            return due;
        };
        let packets = reading.volume.total_packets();
        let quiet_since = rare.last_ms.max(rare.held_from_ms);
        let is_quiet =
            |seconds: Option<u32>| seconds.is_some_and(|s| quiet_since + ms(s) <= now.elapsed_ms);
        if holds && is_quiet(wanted.holding_s) {
            // "Any remaining quota is discarded."
            is_held_too_long = true;
            self.idle = true;
            rare.seen = packets;
            if self.wanted.reports_on(ReportingTriggers::QUHTI) {
                due |= T::QUHTI;
            }
        }
        if !rare.told_idle && is_quiet(wanted.idle_s) {
            rare.told_idle = true;
            rare.seen = packets;
            if self.wanted.reports_on(ReportingTriggers::UPINT) {
                due |= T::UPINT;
            }
        }
        if let Some(seconds) = wanted.inactivity_s
            && let Some(at) = self.clock.stands_still_at(rare.last_ms, ms(seconds))
            && at <= now.elapsed_ms
        {
            self.clock.stop(at);
            rare.seen = packets;
            if self.wanted.reports_on(ReportingTriggers::ENVCL) {
                due |= T::ENVCL;
            }
        }
        if is_held_too_long {
            self.void_quota();
        }
        due
    }

    /// Nothing is left, of volume and of time: each has to be granted anew.
    fn void_quota(&mut self) {
        self.exhaust();
        self.quota_left = self.quota_left.map(|_| Octets::NOTHING);
        self.time_quota_left_ms = self.time_quota_left_ms.map(|_| 0);
    }

    /// Whether a report of that one is one of this, too.
    pub(crate) fn is_linked_to(&self, reported: UrrId) -> bool {
        let linked = self.wanted.rare().map_or(&[][..], |rare| &rare.linked);
        self.wanted.reports_on(ReportingTriggers::LIUSA) && linked.binary_search(&reported).is_ok()
    }
}
