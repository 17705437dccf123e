//! Usage reports (TS 29.244, 5.2.2.3 and 7.5.8.3).

use pfcp::{
    MeasurementInformation, MeasurementMethod, UsageInformation, UsageReport, UsageReportTrigger,
};
use session::usage::Volume;

use super::{Reading, UrrControl, ms};
use crate::event::Now;

/// What was used between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    since: Now,
    until: Now,
    used: Reading,
    /// Whole seconds; what is over goes into the next part.
    seconds: u32,
}

impl UrrControl {
    /// Puts in reports for `trigger`; the next ones count from here. There are several when Monitoring
    /// Times have passed, and two of each when usage is measured before QoS enforcement as well.
    pub(crate) fn report(
        &mut self,
        trigger: UsageReportTrigger,
        now: Now,
        reading: &Reading,
        reports: &mut Vec<UsageReport>,
    ) {
        type T = UsageReportTrigger;
        // "Shall not contain any measurement information."
        if trigger.without(T::START | T::DROTH | T::MACAR).is_empty() {
            let report = self.numbered(trigger);
            reports.push(report);
        } else {
            // This one says all that was to be said of what was used.
            let usage = self.due.without(T::START | T::DROTH);
            self.due = self.due.without(usage);
            let parts = self
                .rare
                .as_mut()
                .map(|rare| std::mem::take(&mut rare.parts));
            let parts = parts.unwrap_or_default();
            let last = self.close(trigger, now, reading);
            let is_after = !parts.is_empty();
            for part in parts {
                self.report_part(T::MONIT, UsageInformation::BEF, &part, reports);
            }
            let information = if is_after {
                UsageInformation::AFT
            } else {
                UsageInformation::empty()
            };
            self.report_part(trigger, information, &last, reports);
        }
        self.count_report(trigger, now, reading);
    }

    /// "The number of usage reports generated according to the reporting triggers shall not be more."
    fn count_report(&mut self, trigger: UsageReportTrigger, now: Now, reading: &Reading) {
        type T = UsageReportTrigger;
        let wanted = self.wanted.rare().and_then(|rare| rare.reports);
        let (Some(rare), Some(wanted)) = (&mut self.rare, wanted) else {
            return;
        };
        if trigger.intersects(T::IMMER | T::TERMR | T::TEBUR) || rare.is_over {
            return;
        }
        rare.reports_made = rare.reports_made.saturating_add(1);
        if rare.reports_made >= wanted {
            rare.is_over = true;
            if rare.paused.is_none() {
                self.pause(now, reading);
            }
        }
    }

    fn numbered(&mut self, trigger: UsageReportTrigger) -> UsageReport {
        let ur_seqn = pfcp::UrSeqn(self.sequence);
        self.sequence = self.sequence.wrapping_add(1);
        UsageReport {
            urr_id: pfcp::UrrId(self.id.0),
            ur_seqn,
            usage_report_trigger: trigger,
            ..Default::default()
        }
    }

    /// Reports a part: before QoS enforcement, too, if that is measured.
    fn report_part(
        &mut self,
        trigger: UsageReportTrigger,
        information: UsageInformation,
        part: &Part,
        reports: &mut Vec<UsageReport>,
    ) {
        type I = UsageInformation;
        let volume = self.wanted.method.contains(MeasurementMethod::VOLUM);
        let both = volume && self.wanted.has(MeasurementInformation::MBQE);
        let enforced = if both { I::UAE } else { I::empty() };
        let kinds = [
            Some((information | enforced, part.used.volume)),
            both.then_some((information | I::UBE, part.used.before)),
        ];
        for (information, used) in kinds.into_iter().flatten() {
            let mut report = self.numbered(trigger);
            report.start_time = Some(pfcp::StartTime(part.since.ntp_s));
            report.end_time = Some(pfcp::EndTime(part.until.ntp_s));
            report.usage_information = Some(information).filter(|there| !there.is_empty());
            if volume {
                report.volume_measurement = Some(measurement(&used));
            }
            if self.wanted.method.contains(MeasurementMethod::DURAT) {
                report.duration_measurement = Some(pfcp::DurationMeasurement(part.seconds));
            }
            if part.used.volume.total_packets() > 0 {
                report.time_of_last_packet = Some(pfcp::TimeOfLastPacket(part.last_ntp_s()));
            }
            reports.push(report);
        }
    }

    /// Ends a part at a Monitoring Time. Thresholds go on with what remains of them.
    pub(super) fn split(&mut self, now: Now, reading: &Reading) {
        let part = self.close(UsageReportTrigger::MONIT, now, reading);
        if let Some(rare) = &mut self.rare {
            rare.parts.push(part);
        }
    }

    /// Ends what is measured here; the next measurement begins.
    fn close(&mut self, trigger: UsageReportTrigger, now: Now, reading: &Reading) -> Part {
        let measured = self.measured(reading);
        let mut used = measured;
        used.volume = measured.volume.since(&self.base);
        if let Some(rare) = &mut self.rare {
            used.before = measured.before.since(&rare.base.before);
            rare.base.before = measured.before;
        }
        let time_ms = self.clock.measured_ms(now.elapsed_ms);
        let part = Part {
            since: self.since,
            until: now,
            used,
            seconds: self.whole_seconds(time_ms),
        };
        self.start_over(trigger, &used.volume, time_ms);
        self.since = now;
        // A packet that was taken back meanwhile is not to be reported twice.
        self.base = self.base.plus(&used.volume);
        self.clock.begin_anew(now.elapsed_ms);
        part
    }

    /// A time as a report tells it; the fraction of a second is told with a later one.
    fn whole_seconds(&mut self, time_ms: u64) -> u32 {
        let all_ms = time_ms.saturating_add(self.untold_ms.into());
        self.untold_ms = u16::try_from(all_ms % 1000).unwrap_or(0);
        u32::try_from(all_ms / 1000).unwrap_or(u32::MAX)
    }

    /// What remains of thresholds and quotas after a report: "re-apply all the thresholds if it was
    /// triggered due to one of them being reached".
    fn start_over(&mut self, trigger: UsageReportTrigger, used: &Volume, passed_ms: u64) {
        type T = UsageReportTrigger;
        let reached = trigger.intersects(T::VOLTH | T::TIMTH);
        let full = self.wanted.volume_threshold;
        self.threshold_left = if reached {
            full
        } else {
            self.threshold_left.less(used).refilled(full)
        };
        self.quota_left = self.quota_left.map(|quota| quota.less(used));
        let full = self.wanted.time_threshold_s.map(ms);
        let left = self
            .time_threshold_left_ms
            .map(|left| left.saturating_sub(passed_ms));
        self.time_threshold_left_ms = if reached || left == Some(0) {
            full
        } else {
            left
        };
        self.time_quota_left_ms = self
            .time_quota_left_ms
            .map(|left| left.saturating_sub(passed_ms));
    }

    /// Whether nothing was used since the last report.
    pub(crate) fn is_null(&self, reading: &Reading) -> bool {
        let measured = self.measured(reading);
        let rare = self.rare.as_deref();
        let before = rare.map_or_else(Volume::default, |rare| {
            measured.before.since(&rare.base.before)
        });
        measured.volume.since(&self.base) == Volume::default()
            && before == Volume::default()
            && rare.is_none_or(|rare| rare.parts.is_empty())
            && !self.clock.has_begun()
    }
}

impl Part {
    fn last_ntp_s(&self) -> u32 {
        let ago_ms = self.until.elapsed_ms.saturating_sub(self.used.last_ms);
        let ago_s = u32::try_from(ago_ms / 1000).unwrap_or(u32::MAX);
        self.until.ntp_s.wrapping_sub(ago_s)
    }
}

/// Octets and packets, as Open5GS and free5GC read them: all six fields.
fn measurement(used: &Volume) -> pfcp::VolumeMeasurement {
    let octets = [
        used.total_octets(),
        used.uplink_octets,
        used.downlink_octets,
    ];
    let packets = [
        used.total_packets(),
        used.uplink_packets,
        used.downlink_packets,
    ];
    pfcp::VolumeMeasurement::of_all(octets, packets)
}
