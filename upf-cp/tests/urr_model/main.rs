//! URRs against a naive model of them, in virtual time: whatever an SMF asks for, whatever packets come
//! and however it changes its mind, the node reports what the model says, packet by packet and tenth of
//! a second by tenth of a second; and all reports together tell what was counted, to the octet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests"
)]

mod model;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use model::{Asked, Change, Limit, Measured, Model, Monitoring, Told, Urr};
use pfcp::{
    Cause, MeasurementInformation, MeasurementMethod, Message, ReportingTriggers as T,
    SessionModificationRequest, SessionReportResponse, Update, UsageReport,
    UsageReportTrigger as Why, Volumes,
};
use session::rule::Direction;
use session::usage::Moment;
use session::{Ledger, UrrId};
use support::dice::Dice;
use support::*;
use upf_cp::{NodeConfig, Now, WorkerReport};

/// What happens.
#[derive(Clone, Debug)]
enum Event {
    Packets {
        uplink: bool,
        octets: u16,
        count: u32,
    },
    /// So many ticks of the run.
    Time(u64),
    Update {
        urr: u32,
        change: Change,
    },
    Query(Option<u32>),
    Remove(u32),
}

// ===== what is asked for =====

fn limit(dice: &mut Dice, most: u32) -> Limit {
    let mut some = || dice.percent(50).then(|| u64::from(dice.roll(most) + 1));
    match [some(), some(), some()] {
        [None, None, None] => [Some(u64::from(most / 2)), None, None],
        limit => limit,
    }
}

fn maybe<T>(dice: &mut Dice, percent: u32, value: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    dice.percent(percent).then(|| value(dice))
}

fn seconds(dice: &mut Dice) -> u32 {
    1 + dice.roll(20)
}

fn change(dice: &mut Dice, duration: bool) -> Change {
    Change {
        threshold: maybe(dice, 50, |dice| limit(dice, 6_000)),
        quota: maybe(dice, 40, |dice| limit(dice, 12_000)),
        time_threshold_s: maybe(dice, 40, seconds).filter(|_| duration),
        time_quota_s: maybe(dice, 30, |dice| seconds(dice) * 3).filter(|_| duration),
        period_s: maybe(dice, 30, seconds),
        validity_s: maybe(dice, 20, |dice| seconds(dice) * 2),
    }
}

/// A URR that reports all that it can.
fn asked(dice: &mut Dice, id: u32, urrs: u32, tick_ms: u64, ntp_s: u32) -> Asked {
    let duration = dice.percent(50);
    let first = change(dice, duration);
    let mut triggers = T::VOLTH | T::TIMTH | T::VOLQU | T::TIMQU | T::QUVTI | T::PERIO;
    if dice.percent(30) {
        triggers |= T::START;
    }
    let linked = maybe(dice, 30, |dice| 1 + dice.roll(urrs)).filter(|other| *other != id);
    if linked.is_some() {
        triggers |= T::LIUSA;
    }
    // The time of day is told in whole seconds.
    let monitoring = maybe(dice, 40, |dice| Monitoring {
        at_ntp_s: ntp_s + seconds(dice),
        threshold: maybe(dice, 50, |dice| limit(dice, 6_000)),
        quota: maybe(dice, 50, |dice| limit(dice, 12_000)),
    });
    Asked {
        id,
        triggers,
        duration,
        at_once: duration && dice.percent(30),
        threshold: first.threshold,
        quota: first.quota,
        time_threshold_s: first.time_threshold_s,
        time_quota_s: first.time_quota_s,
        period_s: first.period_s,
        validity_s: first.validity_s.filter(|_| first.quota.is_some()),
        monitoring: monitoring.filter(|_| tick_ms == 1_000),
        linked: linked.into_iter().collect(),
    }
}

fn volumes([total, uplink, downlink]: Limit) -> Volumes {
    Volumes {
        total,
        uplink,
        downlink,
    }
}

fn create(asked: &Asked) -> pfcp::CreateUrr {
    let mut method = MeasurementMethod::VOLUM;
    if asked.duration {
        method |= MeasurementMethod::DURAT;
    }
    let monitoring = asked.monitoring.as_ref();
    pfcp::CreateUrr {
        measurement_method: method,
        measurement_information: asked.at_once.then_some(MeasurementInformation::ISTM),
        volume_threshold: asked
            .threshold
            .and_then(|it| pfcp::VolumeThreshold::new(volumes(it))),
        volume_quota: asked
            .quota
            .and_then(|it| pfcp::VolumeQuota::new(volumes(it))),
        time_threshold: asked.time_threshold_s.map(pfcp::TimeThreshold),
        time_quota: asked.time_quota_s.map(pfcp::TimeQuota),
        measurement_period: asked.period_s.map(pfcp::MeasurementPeriod),
        quota_validity_time: asked.validity_s.map(pfcp::QuotaValidityTime),
        monitoring_time: monitoring.map(|it| pfcp::MonitoringTime(it.at_ntp_s)),
        subsequent_volume_threshold: monitoring
            .and_then(|it| pfcp::SubsequentVolumeThreshold::new(volumes(it.threshold?))),
        subsequent_volume_quota: monitoring
            .and_then(|it| pfcp::SubsequentVolumeQuota::new(volumes(it.quota?))),
        linked_urr_ids: asked
            .linked
            .iter()
            .map(|id| pfcp::LinkedUrrId(*id))
            .collect(),
        ..urr(asked.id, asked.triggers)
    }
}

fn update(urr: u32, change: &Change) -> pfcp::UpdateUrr {
    fn set<T>(value: Option<T>) -> Update<T> {
        value.map_or(Update::Keep, Update::Set)
    }
    pfcp::UpdateUrr {
        urr_id: pfcp::UrrId(urr),
        volume_threshold: set(change
            .threshold
            .and_then(|it| pfcp::VolumeThreshold::new(volumes(it)))),
        volume_quota: set(change
            .quota
            .and_then(|it| pfcp::VolumeQuota::new(volumes(it)))),
        time_threshold: set(change.time_threshold_s.map(pfcp::TimeThreshold)),
        time_quota: set(change.time_quota_s.map(pfcp::TimeQuota)),
        measurement_period: set(change.period_s.map(pfcp::MeasurementPeriod)),
        quota_validity_time: set(change.validity_s.map(pfcp::QuotaValidityTime)),
        ..Default::default()
    }
}

// ===== a run =====

struct Run {
    world: World,
    seid: u64,
    model: Model,
    tick_ms: u64,
    /// By URR: the sum of all that was reported.
    sums: BTreeMap<u32, [u64; 6]>,
    told: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, u64::MAX);
        let mut config = NodeConfig::new(ip(UPF));
        config.heartbeat_interval_ms = 0;
        let mut world = World::with(config);
        world.associate();
        let tick_ms = if dice.percent(50) { 1_000 } else { 100 };
        let urrs = 1 + dice.roll(3);
        let all = 1..=urrs;
        let asked: Vec<Asked> = all
            .map(|id| asked(&mut dice, id, urrs, tick_ms, world.now.ntp_s))
            .collect();
        let mut request = load::establishment(1);
        request.create_urrs = asked.iter().map(create).collect();
        for pdr in &mut request.create_pdrs {
            pdr.urr_ids = asked.iter().map(|asked| pfcp::UrrId(asked.id)).collect();
        }
        let (seid, _) = world.establish(&request);
        let now = world.now;
        Self {
            world,
            seid,
            model: Model(
                asked
                    .into_iter()
                    .map(|asked| Urr::new(asked, now))
                    .collect(),
            ),
            tick_ms,
            sums: BTreeMap::new(),
            told: 0,
        }
    }

    fn event(&self, dice: &mut Dice) -> Event {
        let urr = 1 + dice.roll(3);
        let there = self.model.0.iter().find(|it| it.asked.id == urr);
        match dice.roll(20) {
            0..9 => Event::Packets {
                uplink: dice.percent(50),
                octets: 1 + dice.roll(1_500) as u16,
                count: 1 + dice.roll(4),
            },
            9..16 => Event::Time(1 + u64::from(dice.roll(40))),
            16 | 17 if there.is_some() => Event::Update {
                urr,
                change: ahead(
                    change(dice, there.unwrap().asked.duration),
                    there.unwrap(),
                    self.world.now,
                ),
            },
            18 => Event::Query(maybe(dice, 60, |_| urr).filter(|_| there.is_some())),
            19 if there.is_some() && dice.percent(20) => Event::Remove(urr),
            _ => Event::Time(1),
        }
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Packets {
                uplink,
                octets,
                count,
            } => (0..*count).for_each(|_| self.packet(*uplink, *octets)),
            Event::Time(ticks) => (0..*ticks).for_each(|_| {
                self.world.pass(self.tick_ms);
                let expected = self.model.look(self.world.now);
                let told = self.reported();
                self.compare(&told, &expected);
            }),
            Event::Update { urr, change } => {
                let request = SessionModificationRequest {
                    update_urrs: vec![update(*urr, change)],
                    ..Default::default()
                };
                let urrs = &mut self.model.0;
                let there = urrs.iter_mut().find(|it| it.asked.id == *urr).unwrap();
                there.change(change, self.world.now);
                self.modify(&request, &[]);
            }
            Event::Query(urr) => {
                let all = urr.is_none().then_some(pfcp::PfcpSmReqFlags::QAURR);
                let query = |id: u32| pfcp::QueryUrr {
                    urr_id: id.into(),
                    ..Default::default()
                };
                let request = SessionModificationRequest {
                    query_urrs: urr.map(query).into_iter().collect(),
                    flags: all,
                    ..Default::default()
                };
                let due = self.model.0.iter().map(|it| {
                    let is_asked = urr.is_none_or(|id| it.asked.id == id);
                    if is_asked { Why::IMMER } else { Why::empty() }
                });
                let due = due.collect();
                let expected = self.model.report(due, self.world.now);
                self.modify(&request, &expected);
            }
            Event::Remove(urr) => self.remove(*urr),
        }
    }

    /// A rule goes, with what it used; so do those that are linked to it.
    fn remove(&mut self, urr: u32) {
        let now = self.world.now;
        let at = self.model.0.iter().position(|it| it.asked.id == urr);
        let mut gone = self.model.0.remove(at.unwrap());
        let mut expected = vec![];
        if !gone.is_null() {
            expected = gone.report(Why::TERMR, now);
            loop {
                let reported: Vec<u32> = expected.iter().map(|told| told.urr).collect();
                let is_next = |it: &&mut Urr| {
                    let mut linked = it.asked.linked.iter();
                    !reported.contains(&it.asked.id) && linked.any(|id| reported.contains(id))
                };
                let Some(next) = self.model.0.iter_mut().find(is_next) else {
                    break;
                };
                expected.extend(next.report(Why::LIUSA, now));
            }
        }
        let request = SessionModificationRequest {
            remove_urrs: vec![pfcp::RemoveUrr {
                urr_id: urr.into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        self.modify(&request, &expected);
        self.check_sum(&gone);
    }

    fn modify(&mut self, request: &SessionModificationRequest, expected: &[Told]) {
        let answer = self.world.modify(self.seid, request);
        assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{request}\n{answer}");
        let told = answer.usage_reports.iter().map(told).collect::<Vec<_>>();
        self.compare(&told, expected);
        // Time that passed while a quota was used up may be told of at once.
        let expected = self.model.look(self.world.now);
        let told = self.reported();
        self.compare(&told, &expected);
    }

    /// A packet comes to a worker, which does with it what workers do.
    fn packet(&mut self, uplink: bool, octets: u16) {
        let now = self.world.now;
        let direction = [Direction::Downlink, Direction::Uplink][usize::from(uplink)];
        let ledgers = self.ledgers(direction);
        let stops = ledgers
            .iter()
            .any(|(_, ledger)| ledger.usage().is_exhausted());
        let is_stopped = self.model.0.iter().any(Urr::stops);
        assert_eq!(stops, is_stopped, "whether a packet is stopped, at {now:?}");
        if stops {
            let guarded = ledgers.iter().filter(|(_, ledger)| ledger.usage().knock());
            let guarded: Vec<_> = guarded.map(|(urr, _)| *urr).collect();
            for urr in guarded {
                self.tell(urr);
            }
        } else {
            let at = Moment::of_ms(now.elapsed_ms);
            let mut due = false;
            for (_, ledger) in &ledgers {
                due |= ledger.usage().count(direction, octets, at);
            }
            let those = ledgers
                .iter()
                .filter(|(_, ledger)| due && ledger.usage().is_due());
            let those: Vec<_> = those.collect();
            for (_, ledger) in &those {
                ledger.usage().disarm();
            }
            for (urr, _) in those {
                self.tell(*urr);
            }
        }
        let expected = self.model.packet(uplink, octets, now);
        let told = self.reported();
        self.compare(&told, &expected);
    }

    fn ledgers(&mut self, direction: Direction) -> Vec<(UrrId, Arc<Ledger>)> {
        let index = self.world.node.sessions().next().unwrap().0;
        let plan = self.world.readers[0].snapshot().session(index).unwrap();
        let step = plan.steps().find(|step| step.direction == direction);
        let ledgers = step.unwrap().ledgers();
        ledgers
            .map(|(urr, ledger)| (urr, Arc::clone(ledger)))
            .collect()
    }

    fn tell(&mut self, urr: UrrId) {
        let session = self.world.node.sessions().next().unwrap().0.0;
        self.world.report(WorkerReport::Usage {
            session,
            urr: urr.0,
        });
    }

    /// What the node reports by itself; it is answered.
    fn reported(&mut self) -> Vec<Told> {
        let mut all = vec![];
        while let Some(request) = self.world.requests.first() {
            let Message::SessionReportRequest(report) = &request.message else {
                panic!("{request}");
            };
            all.extend(report.usage_reports.iter().map(told));
            let accepted = SessionReportResponse {
                cause: Cause::REQUEST_ACCEPTED,
                ..Default::default()
            };
            self.world.reply(&accepted, None);
        }
        all
    }

    /// The reports of each URR, in their order.
    fn compare(&mut self, told: &[Told], expected: &[Told]) {
        let by_urr = |all: &[Told]| {
            let mut all = all.to_vec();
            all.sort_by_key(|told| (told.urr, told.sequence));
            all
        };
        let (told, expected) = (by_urr(told), by_urr(expected));
        assert_eq!(told, expected, "at {:?}", self.world.now);
        self.told += told.len();
        for told in &told {
            let sum = self.sums.entry(told.urr).or_default();
            let volume = told.measured.iter().flat_map(|measured| measured.volume);
            sum.iter_mut()
                .zip(volume)
                .for_each(|(sum, more)| *sum += more);
        }
    }

    fn check_sum(&self, urr: &Urr) {
        let sum = self.sums.get(&urr.asked.id).copied().unwrap_or_default();
        assert_eq!(
            sum,
            urr.counted(),
            "the sum of all reports of {:?}",
            urr.asked
        );
    }

    /// The session ends, and everything has been told.
    fn end(&mut self) {
        let now = self.world.now;
        let urrs = self.model.0.iter_mut();
        let expected: Vec<Told> = urrs.flat_map(|urr| urr.report(Why::TERMR, now)).collect();
        let answer = self.world.delete(self.seid);
        let told = answer.usage_reports.iter().map(told).collect::<Vec<_>>();
        self.compare(&told, &expected);
        self.model.0.iter().for_each(|urr| self.check_sum(urr));
    }
}

/// New thresholds and quotas lie ahead: what is passed at once is found with the next packet or timer,
/// whichever comes first.
fn ahead(mut change: Change, urr: &Urr, now: Now) -> Change {
    let used = urr.unreported();
    let volumes = [&mut change.threshold, &mut change.quota];
    for limit in volumes.into_iter().flatten() {
        for (limit, used) in limit.iter_mut().zip(used) {
            *limit = limit.map(|limit| limit + used);
        }
    }
    let passed_s = urr.unreported_s(now);
    let times = [&mut change.time_threshold_s, &mut change.time_quota_s];
    for seconds in times.into_iter().flatten() {
        *seconds += passed_s;
    }
    change
}

fn told(report: &UsageReport) -> Told {
    let volume = report.volume_measurement.as_ref();
    Told {
        urr: report.urr_id.0,
        sequence: report.ur_seqn.0,
        trigger: report.usage_report_trigger,
        measured: volume.map(|volume| Measured {
            information: report.usage_information.unwrap_or_default(),
            start_ntp_s: report.start_time.unwrap().0,
            end_ntp_s: report.end_time.unwrap().0,
            volume: [
                volume.total,
                volume.uplink,
                volume.downlink,
                volume.total_packets,
                volume.uplink_packets,
                volume.downlink_packets,
            ]
            .map(Option::unwrap),
            seconds: report.duration_measurement.map(|duration| duration.0),
        }),
    }
}

// ===== many runs =====

/// Plays these steps of a seed's run; how many reports there were, or what went wrong after which
/// step.
fn play(seed: u64, steps: &[u64]) -> Result<usize, (usize, String)> {
    let mut done = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut run = Run::new(seed);
        for step in steps {
            done += 1;
            let event = run.event(&mut Dice::new(seed, *step));
            run.play(&event);
        }
        run.end();
        run.told
    }));
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        (done, text.unwrap_or_default())
    })
}

/// Leaves out steps for as long as the run still fails, and tells what is left.
fn explain(seed: u64, mut steps: Vec<u64>, (failed_at, mut why): (usize, String)) -> String {
    steps.truncate(failed_at);
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        match play(seed, &fewer) {
            Err((failed_at, other)) => {
                fewer.truncate(failed_at);
                (steps, why) = (fewer, other);
            }
            Ok(_) => at += 1,
        }
    }
    let mut run = Run::new(seed);
    let mut lines = vec![format!("seed {seed}, {} ms a tick", run.tick_ms)];
    lines.extend(run.model.0.iter().map(|urr| format!("{:?}", urr.asked)));
    for step in steps {
        let event = run.event(&mut Dice::new(seed, step));
        lines.push(format!("{} ms: {event:?}", run.world.now.elapsed_ms));
        let _ = catch_unwind(AssertUnwindSafe(|| run.play(&event)));
    }
    lines.push(why);
    lines.join("\n")
}

#[test]
fn a_urr_is_what_the_naive_model_says() {
    let runs = std::env::var("URR_RUNS").map_or(300, |text| text.parse().unwrap());
    let random = std::collections::hash_map::RandomState::new();
    let random = std::hash::BuildHasher::hash_one(&random, 0) >> 16;
    let mut reports = 0;
    for seed in (1..=runs / 2).chain(random..random + runs / 2) {
        let steps: Vec<u64> = (0..60).collect();
        match play(seed, &steps) {
            Ok(told) => reports += told,
            Err(failure) => panic!("{}", explain(seed, steps, failure)),
        }
    }
    assert!(reports as u64 > runs * 5, "{reports} reports");
}
