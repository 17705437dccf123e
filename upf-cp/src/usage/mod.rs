//! URRs (TS 29.244, 5.2.2): when to report, and what.
//!
//! The packet path counts into [`Usage`], which only grows. What was counted at the last report is
//! remembered here; thresholds and quotas are what is left of them since then. A [`Reading`] is what
//! the counters stand at; all the rest is a function of readings and of the time.

mod check;
mod clock;
mod octets;
mod report;
mod wanted;

use pfcp::{MeasurementInformation, ReportingTriggers, UsageReportTrigger};
use session::usage::{Alarm, Volume};
use session::{UrrId, Usage};

use crate::event::Now;
use clock::Clock;
pub(crate) use octets::Octets;
use report::Part;
pub(crate) use wanted::{Dropped, Monitoring, RarelyWanted, Wanted};

/// What the counters of a URR stand at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) volume: Volume,
    /// Before QoS enforcement.
    pub(crate) before: Volume,
    /// Downlink packets that were dropped.
    pub(crate) dropped: Volume,
    /// When the last packet was counted.
    pub(crate) last_ms: u64,
    /// Nobody has come to the shut gate yet.
    pub(crate) guarded: bool,
}

impl Reading {
    pub(crate) fn of(usage: &Usage, now: Now) -> Self {
        Self {
            volume: usage.volume(),
            before: usage.volume_before(),
            dropped: usage.volume_dropped(),
            last_ms: usage.last().to_ms(now.elapsed_ms),
            guarded: usage.is_guarded(),
        }
    }

    /// What was counted since `earlier`.
    fn since(&self, earlier: &Self) -> Self {
        Self {
            volume: self.volume.since(&earlier.volume),
            before: self.before.since(&earlier.before),
            dropped: self.dropped.since(&earlier.dropped),
            ..*self
        }
    }
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
    /// What is to be reported.
    due: UsageReportTrigger,
    /// No packet yet: START, and time that counts from the first packet, wait for it.
    idle: bool,
    /// The quota is used up.
    exhausted: bool,
    clock: Clock,
    /// Of the time in reports before, what was no whole second.
    untold_ms: u16,
    /// Time that is left, as of the last report.
    time_threshold_left_ms: Option<u64>,
    time_quota_left_ms: Option<u64>,
    period_at_ms: Option<u64>,
    validity_at_ms: Option<u64>,
    rare: Option<Box<Rare>>,
}

/// The state that few URRs have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
    /// What was counted when the current report began, besides the volume.
    base: Reading,
    /// What was counted when the time stopped, or nothing had happened for long.
    seen: u64,
    /// When the last packet came, as far as is known.
    last_ms: u64,
    /// No holding time ends before it has passed since then.
    held_from_ms: u64,
    /// It was told that nothing happens.
    told_idle: bool,
    /// What was counted when measuring was paused (INAM), or enough reports were made (NORP).
    paused: Option<Reading>,
    /// The last of the wanted number of reports was made.
    is_over: bool,
    reports_made: u16,
    /// Before Monitoring Times that have passed since the last report.
    parts: Vec<Part>,
}

/// Of what there is a new threshold or quota: what is left of the other stays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) volume: bool,
    pub(crate) time: bool,
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
            due: UsageReportTrigger::empty(),
            idle: true,
            exhausted: false,
            clock: Clock::default(),
            untold_ms: 0,
            time_threshold_left_ms: None,
            time_quota_left_ms: None,
            period_at_ms: None,
            validity_at_ms: None,
            rare: None,
        };
        urr.provision(wanted, now, &Reading::default());
        urr
    }

    /// Takes new instructions. A new threshold or quota counts from the last report (TS 29.244,
    /// 5.2.2.2); what stays as it was goes on with what is left of it.
    pub(crate) fn provision(&mut self, mut wanted: Wanted, now: Now, reading: &Reading) {
        wanted.tidy();
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
        let validity = new.quota_validity_s != old.quota_validity_s;
        let volume = new.volume_quota != old.volume_quota;
        let time = new.time_quota_s != old.time_quota_s;
        if volume || time {
            self.quota_granted(Granted { volume, time }, now);
        }
        if validity {
            self.validity_granted(now);
        }
        self.provision_rare(&old, now, reading);
        if self.wanted.has(MeasurementInformation::ISTM) && !self.is_paused() {
            self.clock.start(now.elapsed_ms);
        }
    }

    fn provision_rare(&mut self, old: &Wanted, now: Now, reading: &Reading) {
        let needs_it = self.wanted.rare.is_some()
            || self.wanted.has(MeasurementInformation::MBQE)
            || self.wanted.has(MeasurementInformation::INAM);
        if needs_it && self.rare.is_none() {
            // Of what is counted from now on.
            let base = Reading {
                volume: self.base,
                ..*reading
            };
            self.rare = Some(Box::new(Rare {
                base,
                last_ms: now.elapsed_ms,
                held_from_ms: now.elapsed_ms,
                ..Rare::default()
            }));
        }
        let holding = |wanted: &Wanted| wanted.rare().and_then(|rare| rare.holding_s);
        let idle = |wanted: &Wanted| wanted.rare().and_then(|rare| rare.idle_s);
        let begins_anew = holding(&self.wanted) != holding(old) || idle(&self.wanted) != idle(old);
        if let Some(rare) = &mut self.rare
            && begins_anew
        {
            rare.held_from_ms = now.elapsed_ms;
            rare.told_idle = false;
        }
        let is_paused = self.wanted.has(MeasurementInformation::INAM);
        match (is_paused, self.is_paused()) {
            (true, false) => self.pause(now, reading),
            (false, true) if !self.is_over() => self.resume(now, reading),
            _ => {}
        }
    }

    /// A Number of Reports came, or was taken away: the measurement goes on.
    pub(crate) fn reports_granted(&mut self, now: Now, reading: &Reading) {
        let Some(rare) = &mut self.rare else { return };
        rare.reports_made = 0;
        if std::mem::take(&mut rare.is_over) && !self.wanted.has(MeasurementInformation::INAM) {
            self.resume(now, reading);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.is_over)
    }

    fn is_paused(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.paused.is_some())
    }

    /// Stops measuring; what was counted since the last report is kept.
    fn pause(&mut self, now: Now, reading: &Reading) {
        self.clock.stop(now.elapsed_ms);
        if let Some(rare) = &mut self.rare {
            rare.paused = Some(*reading);
        }
    }

    /// Goes on measuring: what was counted meanwhile is not used.
    fn resume(&mut self, now: Now, reading: &Reading) {
        let Some(rare) = &mut self.rare else { return };
        let Some(paused) = rare.paused.take() else {
            return;
        };
        let meanwhile = reading.since(&paused);
        let later = |base: &mut Volume, more: &Volume| *base = base.plus(more);
        later(&mut self.base, &meanwhile.volume);
        later(&mut rare.base.before, &meanwhile.before);
        later(&mut rare.base.dropped, &meanwhile.dropped);
        if !self.idle || self.wanted.has(MeasurementInformation::ISTM) {
            self.clock.start(now.elapsed_ms);
        }
    }

    /// What the counters say, if measuring has not been paused.
    fn measured(&self, reading: &Reading) -> Reading {
        let paused = self.rare.as_ref().and_then(|rare| rare.paused);
        paused.map_or(*reading, |paused| Reading {
            last_ms: reading.last_ms,
            guarded: reading.guarded,
            ..paused
        })
    }

    /// Whether packets go by another FAR, for want of quota.
    pub(crate) fn diverts(&self) -> bool {
        self.exhausted && self.wanted.quota_far().is_some()
    }

    /// A quota came, maybe the same as before: packets may pass again, unless the other one is used
    /// up.
    pub(crate) fn quota_granted(&mut self, granted: Granted, now: Now) {
        if granted.volume {
            self.quota_left = self.wanted.volume_quota;
        }
        if granted.time {
            self.time_quota_left_ms = self.wanted.time_quota_s.map(ms);
        }
        let nothing = Volume::default();
        self.exhausted = self
            .quota_left
            .is_some_and(|quota| quota.is_reached(&nothing))
            || self.time_quota_left_ms == Some(0);
        if let Some(rare) = &mut self.rare {
            rare.held_from_ms = now.elapsed_ms;
        }
    }

    /// The last PDR has gone, and what was used is reported: "reset counts and quota".
    pub(crate) fn begin_anew(&mut self, now: Now) {
        let all = Granted {
            volume: true,
            time: true,
        };
        self.threshold_granted(all);
        self.quota_granted(all, now);
        self.idle = true;
        if !self.wanted.has(MeasurementInformation::ISTM) {
            self.clock.stop(now.elapsed_ms);
        }
    }

    /// A threshold came, maybe the same as before.
    pub(crate) fn threshold_granted(&mut self, granted: Granted) {
        if granted.volume {
            self.threshold_left = self.wanted.volume_threshold;
        }
        if granted.time {
            self.time_threshold_left_ms = self.wanted.time_threshold_s.map(ms);
        }
    }

    /// The validity of a quota was set, maybe to the same as before.
    pub(crate) fn validity_granted(&mut self, now: Now) {
        self.validity_at_ms = self.wanted.quota_validity_s.map(|s| now.elapsed_ms + ms(s));
    }

    /// Whether the next packet has to be told, though no total is reached.
    fn waits_for_packet(&self) -> bool {
        if self.is_paused() {
            return false;
        }
        let time = self.wanted.measures_time() && !self.clock.runs();
        let start = self.idle && self.wanted.reports_on(ReportingTriggers::START);
        time || start || self.rare.as_ref().is_some_and(|rare| rare.told_idle)
    }

    /// Tells the packet path when to report. Safe to repeat: a report that comes twice finds
    /// nothing to say the second time.
    pub(crate) fn arm(&self, usage: &Usage) {
        if let Some((rare, wanted)) = self.rare.as_deref().zip(self.wanted.rare()) {
            let wanted = wanted.dropped.filter(|_| rare.paused.is_none());
            let base = &rare.base.dropped;
            let at = |left: Option<u64>, base: u64| Some(left?.saturating_add(base));
            usage.arm_dropped(
                wanted.and_then(|wanted| at(wanted.octets, base.total_octets())),
                wanted.and_then(|wanted| at(wanted.packets, base.total_packets())),
            );
        }
        if self.exhausted {
            // "START to generate a new usage report upon any subsequent packets."
            let guarded = self.idle && self.wanted.reports_on(ReportingTriggers::START);
            usage.exhaust(guarded);
            return;
        }
        if self.is_paused() {
            usage.arm(Alarm::default());
            return;
        }
        // A threshold that is not to be reported, or about to be, would have each packet tell of it.
        let is_awaited = self.wanted.reports_on(ReportingTriggers::VOLTH)
            && !self.due.contains(UsageReportTrigger::VOLTH);
        let threshold = if is_awaited {
            self.threshold_left
        } else {
            Octets::default()
        };
        let mut report_at = threshold.from(&self.base);
        if self.waits_for_packet() {
            report_at.total = Some(self.base.total_octets().saturating_add(1));
        }
        let stop_at = self.quota_left.unwrap_or_default().from(&self.base);
        usage.arm(Alarm { report_at, stop_at });
    }

    /// The next moment at which something is to be done.
    pub(crate) fn deadline_ms(&self, now: Now) -> Option<u64> {
        let time = |left: Option<u64>| self.clock.reaches_at(left?);
        let running = !self.exhausted;
        // One that is not to be reported, or about to be, would be due for ever.
        let threshold = running
            && self.wanted.reports_on(ReportingTriggers::TIMTH)
            && !self.due.contains(UsageReportTrigger::TIMTH);
        let times = [
            self.period_at_ms,
            self.validity_at_ms,
            time(self.time_threshold_left_ms).filter(|_| threshold),
            time(self.time_quota_left_ms).filter(|_| running),
            self.rare_deadline_ms(now),
        ];
        times.into_iter().flatten().min()
    }

    fn rare_deadline_ms(&self, now: Now) -> Option<u64> {
        let (rare, wanted) = self.rare.as_deref().zip(self.wanted.rare())?;
        let monitoring = wanted.monitoring.first().map(|next| {
            let seconds = u32::try_from(next.seconds_from(now.ntp_s)).unwrap_or(0);
            now.elapsed_ms + ms(seconds)
        });
        let quiet = |seconds: u32| rare.last_ms.max(rare.held_from_ms) + ms(seconds);
        let holding = wanted.holding_s.filter(|_| self.holds()).map(quiet);
        let idle = wanted.idle_s.filter(|_| !rare.told_idle).map(quiet);
        let inactivity = wanted
            .inactivity_s
            .and_then(|seconds| self.clock.stands_still_at(rare.last_ms, ms(seconds)));
        let times = [monitoring, holding, idle, inactivity];
        times.into_iter().flatten().min()
    }

    /// Whether a quota can be held for too long.
    fn holds(&self) -> bool {
        self.wanted.has_quota() && !self.exhausted
    }
}
