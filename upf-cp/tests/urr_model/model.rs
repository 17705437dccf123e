//! URRs as the specification has them (TS 29.244, 5.2.2), as naively as can be: every packet that was
//! counted is kept, and what was used since some moment is added up anew each time.

use std::ops::Range;

use pfcp::{ReportingTriggers as T, UsageInformation, UsageReportTrigger as Why};
use upf_cp::Now;

/// In total, uplink, downlink.
pub type Limit = [Option<u64>; 3];

/// What an SMF asks a URR for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub id: u32,
    pub triggers: T,
    /// Duration is measured besides volume …
    pub duration: bool,
    /// … from the beginning, not from the first packet (ISTM).
    pub at_once: bool,
    pub threshold: Option<Limit>,
    pub quota: Option<Limit>,
    pub time_threshold_s: Option<u32>,
    pub time_quota_s: Option<u32>,
    pub period_s: Option<u32>,
    pub validity_s: Option<u32>,
    pub monitoring: Option<Monitoring>,
    pub linked: Vec<u32>,
}

/// A Monitoring Time, and what holds from then on.
#[derive(Clone, Debug)]
pub struct Monitoring {
    pub at_ntp_s: u32,
    pub threshold: Option<Limit>,
    pub quota: Option<Limit>,
}

/// What an Update URR brings.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub threshold: Option<Limit>,
    pub quota: Option<Limit>,
    pub time_threshold_s: Option<u32>,
    pub time_quota_s: Option<u32>,
    pub period_s: Option<u32>,
    pub validity_s: Option<u32>,
}

/// A usage report, as far as it is told here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub urr: u32,
    pub sequence: u32,
    pub trigger: Why,
    pub measured: Option<Measured>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub information: UsageInformation,
    pub start_ntp_s: u32,
    pub end_ntp_s: u32,
    /// Octets, then packets: in total, uplink, downlink.
    pub volume: [u64; 6],
    pub seconds: Option<u32>,
}

/// A URR as it goes on.
#[derive(Clone, Debug)]
pub struct Urr {
    pub asked: Asked,
    /// All packets that were counted: whether uplink, and how long.
    packets: Vec<(bool, u16)>,
    sequence: u32,
    /// The first packet that is in no report, and when the last report was.
    reported: usize,
    reported_at: Now,
    /// From which packet on threshold and quota count.
    threshold_from: usize,
    quota_from: usize,
    /// When the time that is measured began.
    clock_ms: Option<u64>,
    /// From when on the time threshold and quota count.
    time_threshold_from_ms: u64,
    time_quota_from_ms: u64,
    told_s: u64,
    period_at_ms: Option<u64>,
    validity_at_ms: Option<u64>,
    /// A quota is used up, or void.
    spent: bool,
    void: [bool; 2],
    has_started: bool,
    /// Of before a Monitoring Time.
    part: Option<Measured>,
}

fn ms(seconds: u32) -> u64 {
    u64::from(seconds) * 1000
}

fn reached(limit: Option<Limit>, used: [u64; 3]) -> bool {
    let mut both = limit.into_iter().flatten().zip(used);
    both.any(|(limit, used)| limit.is_some_and(|limit| used >= limit))
}

impl Urr {
    pub fn new(asked: Asked, now: Now) -> Self {
        let at = |seconds: Option<u32>| seconds.map(|seconds| now.elapsed_ms + ms(seconds));
        let mut urr = Self {
            packets: vec![],
            sequence: 0,
            reported: 0,
            reported_at: now,
            threshold_from: 0,
            quota_from: 0,
            clock_ms: asked.at_once.then_some(now.elapsed_ms),
            time_threshold_from_ms: now.elapsed_ms,
            time_quota_from_ms: now.elapsed_ms,
            told_s: 0,
            period_at_ms: at(asked.period_s),
            validity_at_ms: at(asked.validity_s),
            spent: false,
            void: [false; 2],
            has_started: false,
            part: None,
            asked,
        };
        urr.spent = urr.is_spent(now);
        urr
    }

    fn on(&self, trigger: T) -> bool {
        self.asked.triggers.contains(trigger)
    }

    // ===== what was used =====

    fn volume(&self, packets: Range<usize>) -> [u64; 6] {
        let mut volume = [0; 6];
        for (uplink, octets) in &self.packets[packets] {
            let direction = if *uplink { 1 } else { 2 };
            for place in [0, direction] {
                volume[place] += u64::from(*octets);
                volume[3 + place] += 1;
            }
        }
        volume
    }

    fn octets_from(&self, first: usize) -> [u64; 3] {
        let [total, uplink, downlink, ..] = self.volume(first..self.packets.len());
        [total, uplink, downlink]
    }

    /// What was used and is in no report yet.
    pub fn unreported(&self) -> [u64; 3] {
        self.octets_from(self.reported)
    }

    /// For how long there has been no report.
    pub const fn unreported_s(&self, now: Now) -> u32 {
        ((now.elapsed_ms - self.reported_at.elapsed_ms) / 1000) as u32
    }

    /// All that was counted.
    pub fn counted(&self) -> [u64; 6] {
        self.volume(0..self.packets.len())
    }

    /// Time that was measured since then, in milliseconds.
    fn time_from(&self, from_ms: u64, now: Now) -> u64 {
        self.clock_ms
            .map_or(0, |clock_ms| now.elapsed_ms - from_ms.max(clock_ms))
    }

    fn is_spent(&self, now: Now) -> bool {
        let time = |quota_s: u32| self.time_from(self.time_quota_from_ms, now) >= ms(quota_s);
        self.void != [false; 2]
            || reached(self.asked.quota, self.octets_from(self.quota_from))
            || self.asked.time_quota_s.is_some_and(time)
    }

    // ===== what happens =====

    /// Whether packets stop here.
    pub const fn stops(&self) -> bool {
        self.spent
    }

    pub fn count(&mut self, uplink: bool, octets: u16, now: Now) {
        self.packets.push((uplink, octets));
        if self.asked.duration {
            self.clock_ms.get_or_insert(now.elapsed_ms);
        }
    }

    /// A packet came that a used up quota stopped.
    pub fn knocked(&mut self) -> Why {
        if self.spent && self.on(T::START) && !self.has_started {
            self.has_started = true;
            return Why::START;
        }
        Why::empty()
    }

    /// Why there is to be a report, now that packets were counted or time has passed.
    pub fn due(&mut self, now: Now) -> Why {
        let mut due = Why::empty();
        if let Some(monitoring) = self.asked.monitoring.take_if(|it| it.at_ntp_s <= now.ntp_s) {
            let before = self.close(Why::MONIT, now);
            self.part = Some(Measured {
                information: UsageInformation::BEF,
                ..before
            });
            due |= Why::MONIT;
            self.change(
                &Change {
                    threshold: monitoring.threshold,
                    quota: monitoring.quota,
                    ..Change::default()
                },
                now,
            );
        }
        if !self.has_started && !self.packets.is_empty() && !self.spent {
            self.has_started = true;
            if self.on(T::START) {
                due |= Why::START;
            }
        }
        if self.on(T::VOLTH) && reached(self.asked.threshold, self.octets_from(self.threshold_from))
        {
            due |= Why::VOLTH;
        }
        let time = |limit_s: Option<u32>, from_ms| {
            limit_s.is_some_and(|limit_s| self.time_from(from_ms, now) >= ms(limit_s))
        };
        let running = self.clock_ms.is_some() && !self.spent;
        if running && time(self.asked.time_threshold_s, self.time_threshold_from_ms) {
            due |= Why::TIMTH;
        }
        if running && time(self.asked.time_quota_s, self.time_quota_from_ms) {
            due |= Why::TIMQU;
        }
        let octets = self.octets_from(self.quota_from);
        if !self.spent && reached(self.asked.quota, octets) {
            due |= Why::VOLQU;
        }
        self.spent |= due.intersects(Why::TIMQU | Why::VOLQU);
        due | self.due_by_timers(now)
    }

    fn due_by_timers(&mut self, now: Now) -> Why {
        let mut due = Why::empty();
        let passed = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now.elapsed_ms);
        if passed(self.period_at_ms) {
            self.period_at_ms = self
                .period_at_ms
                .zip(self.asked.period_s)
                .map(|(at, s)| at + ms(s));
            due |= Why::PERIO;
        }
        if passed(self.validity_at_ms) {
            self.validity_at_ms = None;
            self.void = [
                self.asked.quota.is_some(),
                self.asked.time_quota_s.is_some(),
            ];
            self.spent = self.is_spent(now);
            due |= Why::QUVTI;
        }
        due
    }

    /// A new threshold or quota counts from the last report.
    pub fn change(&mut self, change: &Change, now: Now) {
        if let Some(threshold) = change.threshold {
            self.asked.threshold = Some(threshold);
            self.threshold_from = self.reported;
        }
        if let Some(seconds) = change.time_threshold_s {
            self.asked.time_threshold_s = Some(seconds);
            self.time_threshold_from_ms = self.reported_at.elapsed_ms;
        }
        if let Some(quota) = change.quota {
            self.asked.quota = Some(quota);
            self.quota_from = self.reported;
            self.void[0] = false;
        }
        if let Some(seconds) = change.time_quota_s {
            self.asked.time_quota_s = Some(seconds);
            self.time_quota_from_ms = self.reported_at.elapsed_ms;
            self.void[1] = false;
        }
        if change.quota.is_some() || change.time_quota_s.is_some() {
            self.spent = false;
            self.spent = self.is_spent_as_told(now);
        }
        if let Some(seconds) = change.period_s.filter(|s| Some(*s) != self.asked.period_s) {
            self.asked.period_s = Some(seconds);
            self.period_at_ms = Some(now.elapsed_ms + ms(seconds));
        }
        if let Some(seconds) = change.validity_s {
            self.validity_at_ms = Some(now.elapsed_ms + ms(seconds));
        }
    }

    /// Whether a quota is used up by what has been reported. That more has been used is found out with
    /// the next packet, or in time.
    fn is_spent_as_told(&self, now: Now) -> bool {
        let mut told = self.clone();
        told.packets.truncate(self.reported);
        let until = Now {
            elapsed_ms: self.reported_at.elapsed_ms,
            ..now
        };
        let began = |clock_ms: &u64| *clock_ms <= until.elapsed_ms;
        told.clock_ms = told.clock_ms.filter(began);
        told.is_spent(until)
    }

    // ===== reports =====

    fn close(&mut self, trigger: Why, now: Now) -> Measured {
        let seconds = self.asked.duration.then(|| {
            let all_s = self.time_from(0, now) / 1000;
            (all_s - std::mem::replace(&mut self.told_s, all_s)) as u32
        });
        let all = self.packets.len();
        let measured = Measured {
            information: UsageInformation::empty(),
            start_ntp_s: self.reported_at.ntp_s,
            end_ntp_s: now.ntp_s,
            volume: self.volume(self.reported..all),
            seconds,
        };
        (self.reported, self.reported_at) = (all, now);
        // "Re-apply all the thresholds if it was triggered due to one of them being reached"; one that
        // was passed while nothing could be reported begins anew as well.
        let again = trigger.intersects(Why::VOLTH | Why::TIMTH);
        let passed_ms = self.time_from(self.time_threshold_from_ms, now);
        if again {
            self.threshold_from = all;
        }
        if again
            || self
                .asked
                .time_threshold_s
                .is_some_and(|s| passed_ms >= ms(s))
        {
            self.time_threshold_from_ms = now.elapsed_ms;
        }
        measured
    }

    pub fn report(&mut self, trigger: Why, now: Now) -> Vec<Told> {
        if trigger == Why::START {
            return vec![self.numbered(trigger, None)];
        }
        let part = self.part.take();
        let mut last = self.close(trigger, now);
        if part.is_some() {
            last.information = UsageInformation::AFT;
        }
        let part = part.map(|part| self.numbered(Why::MONIT, Some(part)));
        let last = self.numbered(trigger, Some(last));
        part.into_iter().chain([last]).collect()
    }

    fn numbered(&mut self, trigger: Why, measured: Option<Measured>) -> Told {
        self.sequence += 1;
        Told {
            urr: self.asked.id,
            sequence: self.sequence - 1,
            trigger,
            measured,
        }
    }

    /// Whether there is nothing to tell.
    pub const fn is_null(&self) -> bool {
        self.reported == self.packets.len() && self.clock_ms.is_none()
    }
}

/// The URRs of a session, all of which count all packets, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Model(pub Vec<Urr>);

impl Model {
    /// A packet comes; what is reported with it.
    pub fn packet(&mut self, uplink: bool, octets: u16, now: Now) -> Vec<Told> {
        if self.0.iter().any(Urr::stops) {
            let knocked = self.0.iter_mut().map(Urr::knocked).collect();
            return self.report(knocked, now);
        }
        for urr in &mut self.0 {
            urr.count(uplink, octets, now);
        }
        self.look(now)
    }

    /// What is due now is reported.
    pub fn look(&mut self, now: Now) -> Vec<Told> {
        let due = self.0.iter_mut().map(|urr| urr.due(now)).collect();
        self.report(due, now)
    }

    /// Reports those for which there is a reason, and those that are linked to them.
    pub fn report(&mut self, mut due: Vec<Why>, now: Now) -> Vec<Told> {
        for _ in 0..self.0.len() {
            let reported = self.0.iter().zip(&due).filter(|(_, due)| !due.is_empty());
            let reported: Vec<u32> = reported.map(|(urr, _)| urr.asked.id).collect();
            for (urr, due) in self.0.iter().zip(&mut due) {
                let linked = urr.asked.linked.iter().any(|id| reported.contains(id));
                if due.is_empty() && urr.on(T::LIUSA) && linked {
                    *due = Why::LIUSA;
                }
            }
        }
        let due = self.0.iter_mut().zip(due);
        due.filter(|(_, due)| !due.is_empty())
            .flat_map(|(urr, due)| urr.report(due, now))
            .collect()
    }
}
