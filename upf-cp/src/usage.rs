//! URRs (TS 29.244, 5.2.2): when to report, and what.
//!
//! The packet path counts into [`Usage`], which only grows. What was counted at the last report is
//! remembered here; thresholds and quotas are what is left of them since then.

use pfcp::{MeasurementMethod, ReportingTriggers, UsageReport, UsageReportTrigger};
use session::usage::{Alarm, Volume};
use session::{UrrId, Usage};

use crate::event::Now;

/// Volumes, each of which may be absent. There are several in each session, so an absent one is
/// [`ABSENT`], which no counter reaches, and not an `Option` of twice the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Octets {
    total: u64,
    uplink: u64,
    downlink: u64,
}

const ABSENT: u64 = u64::MAX;

impl Default for Octets {
    fn default() -> Self {
        Self::new(None, None, None)
    }
}

impl Octets {
    pub(crate) const fn new(
        total: Option<u64>,
        uplink: Option<u64>,
        downlink: Option<u64>,
    ) -> Self {
        const fn word(value: Option<u64>) -> u64 {
            match value {
                Some(value) => value,
                None => ABSENT,
            }
        }
        Self {
            total: word(total),
            uplink: word(uplink),
            downlink: word(downlink),
        }
    }
    fn total(self) -> Option<u64> {
        Some(self.total).filter(|total| *total != ABSENT)
    }
    fn uplink(self) -> Option<u64> {
        Some(self.uplink).filter(|uplink| *uplink != ABSENT)
    }
    fn downlink(self) -> Option<u64> {
        Some(self.downlink).filter(|downlink| *downlink != ABSENT)
    }
    fn each(self, other: Self, merge: impl Fn(Option<u64>, Option<u64>) -> Option<u64>) -> Self {
        Self::new(
            merge(self.total(), other.total()),
            merge(self.uplink(), other.uplink()),
            merge(self.downlink(), other.downlink()),
        )
    }
    const fn of(volume: &Volume) -> Self {
        Self {
            total: volume.total_octets(),
            uplink: volume.uplink_octets,
            downlink: volume.downlink_octets,
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    /// Whether `used` reaches one of these.
    const fn is_reached(self, used: &Volume) -> bool {
        used.total_octets() >= self.total
            || used.uplink_octets >= self.uplink
            || used.downlink_octets >= self.downlink
    }
    /// What is left after `used`.
    fn less(self, used: &Volume) -> Self {
        self.each(Self::of(used), |left, used| {
            Some(left?.saturating_sub(used?))
        })
    }
    /// What is used up becomes the full value again.
    fn refilled(self, full: Self) -> Self {
        self.each(full, |left, full| if left == Some(0) { full } else { left })
    }
}

/// What the SMF asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) method: MeasurementMethod,
    pub(crate) triggers: ReportingTriggers,
    /// Time counts from the start, not from the first packet (ISTM).
    pub(crate) immediate: bool,
    pub(crate) volume_threshold: Octets,
    pub(crate) volume_quota: Option<Octets>,
    pub(crate) time_threshold_s: Option<u32>,
    pub(crate) time_quota_s: Option<u32>,
    pub(crate) period_s: Option<u32>,
    pub(crate) quota_validity_s: Option<u32>,
}

/// A URR with its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrrControl {
    pub(crate) id: UrrId,
    pub(crate) wanted: Wanted,
    /// UR-SEQN of the next report.
    sequence: u32,
    /// When the current report began.
    since: Now,
    /// What was counted then.
    base: Volume,
    threshold_left: Octets,
    quota_left: Option<Octets>,
    /// No packet yet: START, and time that counts from the first packet, wait for it.
    idle: bool,
    /// When measuring time began, in this report.
    time_since_ms: Option<u64>,
    /// Time that is left, as of `time_since_ms`.
    time_threshold_left_ms: Option<u64>,
    time_quota_left_ms: Option<u64>,
    period_at_ms: Option<u64>,
    validity_at_ms: Option<u64>,
    /// The quota is used up.
    exhausted: bool,
}

fn ms(seconds: u32) -> u64 {
    u64::from(seconds) * 1000
}

impl UrrControl {
    pub(crate) fn new(id: UrrId, wanted: Wanted, now: Now) -> Self {
        let mut urr = Self {
            id,
            wanted: Wanted::default(),
            sequence: 0,
            since: now,
            base: Volume::default(),
            threshold_left: Octets::default(),
            quota_left: None,
            idle: true,
            time_since_ms: None,
            time_threshold_left_ms: None,
            time_quota_left_ms: None,
            period_at_ms: None,
            validity_at_ms: None,
            exhausted: false,
        };
        urr.provision(wanted, now);
        urr
    }

    /// Takes new instructions. A new threshold or quota counts from the last report (TS 29.244,
    /// 5.2.2.2); what stays as it was goes on with what is left of it.
    pub(crate) fn provision(&mut self, wanted: Wanted, now: Now) {
        let old = std::mem::replace(&mut self.wanted, wanted);
        let new = &self.wanted;
        if new.volume_threshold != old.volume_threshold {
            self.threshold_left = new.volume_threshold;
        }
        if new.time_threshold_s != old.time_threshold_s {
            self.time_threshold_left_ms = new.time_threshold_s.map(ms);
        }
        if new.period_s != old.period_s {
            self.period_at_ms = new.period_s.map(|period| now.elapsed_ms + ms(period));
        }
        if new.immediate && self.time_since_ms.is_none() {
            self.time_since_ms = Some(now.elapsed_ms);
        }
        let validity = new.quota_validity_s != old.quota_validity_s;
        if new.volume_quota != old.volume_quota || new.time_quota_s != old.time_quota_s {
            self.quota_granted();
        }
        if validity {
            self.validity_granted(now);
        }
    }

    /// A quota came, maybe the same as before: packets may pass again.
    pub(crate) fn quota_granted(&mut self) {
        self.quota_left = self.wanted.volume_quota;
        self.time_quota_left_ms = self.wanted.time_quota_s.map(ms);
        let nothing = Volume::default();
        self.exhausted = self
            .quota_left
            .is_some_and(|quota| quota.is_reached(&nothing))
            || self.time_quota_left_ms == Some(0);
    }

    /// A threshold came, maybe the same as before.
    pub(crate) fn threshold_granted(&mut self) {
        self.threshold_left = self.wanted.volume_threshold;
        self.time_threshold_left_ms = self.wanted.time_threshold_s.map(ms);
    }

    /// The validity of a quota was set, maybe to the same as before.
    pub(crate) fn validity_granted(&mut self, now: Now) {
        self.validity_at_ms = self.wanted.quota_validity_s.map(|s| now.elapsed_ms + ms(s));
    }

    fn measures_time(&self) -> bool {
        self.wanted.method.contains(MeasurementMethod::DURAT)
            || self.wanted.time_threshold_s.is_some()
            || self.wanted.time_quota_s.is_some()
    }

    /// Whether the first packet has to be told.
    fn waits_for_packet(&self) -> bool {
        let time = self.measures_time() && self.time_since_ms.is_none();
        self.idle && (time || self.wanted.triggers.contains(ReportingTriggers::START))
    }

    /// Tells the packet path when to report. Safe to repeat: a report that comes twice finds
    /// nothing to say the second time.
    pub(crate) fn arm(&self, usage: &Usage) {
        if self.exhausted {
            usage.exhaust();
            return;
        }
        let quota = self.quota_left.unwrap_or_default();
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let mut totals = self.threshold_left.each(quota, least);
        let mut is_quota = self.quota_left.is_some() && totals == quota;
        if self.waits_for_packet() {
            totals.total = 1;
            is_quota = false;
        }
        let absolute = totals.each(Octets::of(&self.base), |left, base| {
            Some(left?.saturating_add(base?))
        });
        usage.arm(Alarm {
            total_octets: absolute.total(),
            uplink_octets: absolute.uplink(),
            downlink_octets: absolute.downlink(),
            is_quota,
        });
    }

    /// The next moment at which something is to be done.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let time = |left: Option<u64>| Some(self.time_since_ms? + left?);
        let running = !self.exhausted;
        let times = [
            self.period_at_ms,
            self.validity_at_ms,
            time(self.time_threshold_left_ms).filter(|_| running),
            time(self.time_quota_left_ms).filter(|_| running),
        ];
        times.into_iter().flatten().min()
    }

    /// What there is to report, now that the counters stand at `volume`; `None` is nothing.
    pub(crate) fn check(&mut self, now: Now, volume: &Volume) -> UsageReportTrigger {
        type T = UsageReportTrigger;
        let mut due = T::empty();
        if self.idle && volume.total_packets() > self.base.total_packets() {
            if self.measures_time() && self.time_since_ms.is_none() {
                self.time_since_ms = Some(now.elapsed_ms);
            }
            self.idle = false;
            if self.wanted.triggers.contains(ReportingTriggers::START) {
                due |= T::START;
            }
        }
        let used = volume.since(&self.base);
        let triggers = self.wanted.triggers;
        if self.threshold_left.is_reached(&used) && triggers.contains(ReportingTriggers::VOLTH) {
            due |= T::VOLTH;
        }
        let passed = |at: Option<u64>| at.is_some_and(|at| at <= now.elapsed_ms);
        let since = self.time_since_ms;
        let time_is_over = |left: Option<u64>| passed(since.and_then(|since| Some(since + left?)));
        if !self.exhausted {
            if time_is_over(self.time_threshold_left_ms)
                && triggers.contains(ReportingTriggers::TIMTH)
            {
                due |= T::TIMTH;
            }
            due |= self.check_quota(&used, time_is_over(self.time_quota_left_ms));
        }
        if passed(self.period_at_ms) {
            self.next_period(now);
            if triggers.contains(ReportingTriggers::PERIO) {
                due |= T::PERIO;
            }
        }
        if passed(self.validity_at_ms) {
            self.validity_at_ms = None;
            // "The rest of the quota is void."
            self.exhausted |=
                self.wanted.volume_quota.is_some() || self.wanted.time_quota_s.is_some();
            if triggers.contains(ReportingTriggers::QUVTI) {
                due |= T::QUVTI;
            }
        }
        due
    }

    /// "Threshold trigger only: report at threshold, stop silently at quota. Both: report at each.
    /// Quota with no threshold: report at quota."
    fn check_quota(&mut self, used: &Volume, time_is_over: bool) -> UsageReportTrigger {
        type T = UsageReportTrigger;
        let mut due = T::empty();
        let triggers = self.wanted.triggers;
        if self.quota_left.is_some_and(|quota| quota.is_reached(used)) {
            self.exhausted = true;
            if triggers.contains(ReportingTriggers::VOLQU)
                || self.wanted.volume_threshold.is_empty()
            {
                due |= T::VOLQU;
            }
        }
        if time_is_over {
            self.exhausted = true;
            if triggers.contains(ReportingTriggers::TIMQU) || self.wanted.time_threshold_s.is_none()
            {
                due |= T::TIMQU;
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

    /// A report for `trigger`; the next one counts from here.
    pub(crate) fn report(
        &mut self,
        trigger: UsageReportTrigger,
        now: Now,
        volume: &Volume,
    ) -> UsageReport {
        type T = UsageReportTrigger;
        let mut report = UsageReport {
            urr_id: pfcp::UrrId(self.id.0),
            ur_seqn: pfcp::UrSeqn(self.sequence),
            usage_report_trigger: trigger,
            ..Default::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        // "No measurement inside: reports caused only by DROTH, START, …"
        if trigger == T::START {
            return report;
        }
        report.start_time = Some(pfcp::StartTime(self.since.ntp_s));
        report.end_time = Some(pfcp::EndTime(now.ntp_s));
        let used = volume.since(&self.base);
        if self.wanted.method.contains(MeasurementMethod::VOLUM) {
            report.volume_measurement = Some(measurement(&used));
        }
        let passed_ms = self
            .time_since_ms
            .map_or(0, |since| now.elapsed_ms.saturating_sub(since));
        if self.wanted.method.contains(MeasurementMethod::DURAT) {
            let seconds = u32::try_from(passed_ms / 1000).unwrap_or(u32::MAX);
            report.duration_measurement = Some(pfcp::DurationMeasurement(seconds));
        }
        self.start_over(trigger, &used, passed_ms);
        self.since = now;
        self.base = *volume;
        if self.time_since_ms.is_some() {
            self.time_since_ms = Some(now.elapsed_ms);
        }
        report
    }

    /// What remains of thresholds and quotas after a report.
    fn start_over(&mut self, trigger: UsageReportTrigger, used: &Volume, passed_ms: u64) {
        type T = UsageReportTrigger;
        let full = self.wanted.volume_threshold;
        self.threshold_left = if trigger.contains(T::VOLTH) {
            full
        } else {
            self.threshold_left.less(used).refilled(full)
        };
        self.quota_left = self.quota_left.map(|quota| quota.less(used));
        let full = self.wanted.time_threshold_s.map(ms);
        let left = self
            .time_threshold_left_ms
            .map(|left| left.saturating_sub(passed_ms));
        self.time_threshold_left_ms = if trigger.contains(T::TIMTH) || left == Some(0) {
            full
        } else {
            left
        };
        self.time_quota_left_ms = self
            .time_quota_left_ms
            .map(|left| left.saturating_sub(passed_ms));
    }

    /// Whether nothing was counted since the last report.
    pub(crate) fn is_null(&self, volume: &Volume) -> bool {
        volume.since(&self.base) == Volume::default() && self.time_since_ms.is_none()
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
