//! Rates and answer times of N4, against any UPF: an SMF that keeps many requests in flight, or
//! sends at a fixed pace whatever the answers do.
//!
//! Requests are templates into which only what differs is written, datagrams go and come in
//! batches, and every answer is matched by its sequence number, so that the UPF is what is
//! measured. Times count from when a request was due, not from when it could be sent: a UPF that
//! stands still for a while is not forgiven the requests that had to wait.

mod answer;
mod engine;
mod flight;
mod link;
mod outcome;
mod plan;
mod process;
mod shape;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use engine::{Dropped, Engine};
use link::Heartbeats;
use outcome::Outcome;

pub use engine::LoadError;
pub use outcome::{PhaseSummary, TimesSummary};
pub use plan::{BadPhase, Kind, Load, Pace, Phase};
pub use shape::Shape;

/// What a load amounts to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What a session was made of.
    pub shape: Shape,
    /// Sessions that were there throughout.
    pub held: u32,
    /// Sessions that the phases worked on.
    pub sessions: u32,
    /// Requests in flight, at most.
    pub window: usize,
    /// Requests by kind and pace, over all rounds. The held sessions come as `fill` and `empty`.
    pub phases: Vec<PhaseSummary>,
    /// Times of pure holding, and of dropping the association, in order.
    pub events: Vec<Event>,
    /// Requests of the UPF besides heartbeats.
    pub requests_of_the_upf: u64,
    /// Resident memory of the observed process: before, with the held sessions, with all of the
    /// first establishment, at the end.
    pub resident_octets: BTreeMap<&'static str, u64>,
}

/// Something that is not one request for each session.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// `hold` or `drop`.
    pub name: &'static str,
    /// How long it took: for `drop`, until a session with an address of one that was dropped could
    /// be established.
    pub seconds: f64,
    /// For `drop`: until the release was answered.
    pub answered_after_seconds: Option<f64>,
    /// Answer times of heartbeats meanwhile.
    pub heartbeats: TimesSummary,
    /// Heartbeats that had no answer when it ended.
    pub heartbeats_unanswered: u64,
}

/// Associates, and does what the load says.
///
/// # Errors
/// When the UPF does not associate, or the socket fails. What it does with sessions is in the
/// report.
pub fn run(load: &Load) -> Result<Report, LoadError> {
    let mut recorder = Recorder {
        engine: Engine::new(load.clone())?,
        outcomes: Vec::new(),
        events: Vec::new(),
        resident: BTreeMap::new(),
    };
    let range = load.held..load.held + load.sessions;
    recorder.note("start");
    recorder.requests("fill", Kind::Establish, 0..load.held, None)?;
    recorder.note("held");
    for _ in 0..load.rounds {
        for phase in &load.phases {
            recorder.phase(*phase, &range)?;
        }
    }
    recorder.requests("empty", Kind::Delete, 0..load.held, None)?;
    recorder.note("end");
    let summary =
        |(name, paced, outcome): &(String, bool, Outcome)| outcome.summary(name.clone(), *paced);
    Ok(Report {
        shape: load.shape.clone(),
        held: load.held,
        sessions: load.sessions,
        window: load.window,
        phases: recorder.outcomes.iter().map(summary).collect(),
        requests_of_the_upf: recorder.engine.reports(),
        events: recorder.events,
        resident_octets: recorder.resident,
    })
}

/// Does the phases, and adds up what comes of them.
#[derive(Debug)]
struct Recorder {
    engine: Engine,
    /// Name, whether it kept a pace, and what came of it.
    outcomes: Vec<(String, bool, Outcome)>,
    events: Vec<Event>,
    resident: BTreeMap<&'static str, u64>,
}

impl Recorder {
    fn phase(&mut self, phase: Phase, range: &std::ops::Range<u32>) -> Result<(), LoadError> {
        match phase {
            Phase::Requests(kind, pace) => {
                let (name, rate) = match pace {
                    Pace::Closed => (kind.name().to_owned(), None),
                    Pace::PerSecond(rate) => (format!("{}@{rate}", kind.name()), Some(rate)),
                    Pace::Share(share) => (
                        format!("{}@{}%", kind.name(), share * 100.0),
                        Some(share * self.closed_rate(kind)),
                    ),
                };
                self.requests(&name, kind, range.clone(), rate)?;
                if kind == Kind::Establish {
                    self.note("established");
                }
            }
            Phase::Hold(time) => {
                let heartbeats = self.engine.hold(time)?;
                self.events
                    .push(Event::new("hold", time, None, &heartbeats));
            }
            Phase::Drop => {
                let Dropped {
                    answered_after,
                    usable_after,
                    heartbeats,
                } = self.engine.drop_association()?;
                let event = Event::new("drop", usable_after, Some(answered_after), &heartbeats);
                self.events.push(event);
            }
        }
        Ok(())
    }

    /// The rate that a kind last had as fast as possible; one a second if it had none.
    fn closed_rate(&self, kind: Kind) -> f64 {
        let fastest = self.outcomes.iter().find(|(name, ..)| name == kind.name());
        fastest.map_or(1.0, |(.., outcome)| outcome.accepted_per_second().max(1.0))
    }

    fn requests(
        &mut self,
        name: &str,
        kind: Kind,
        range: std::ops::Range<u32>,
        per_second: Option<f64>,
    ) -> Result<(), LoadError> {
        if range.is_empty() {
            return Ok(());
        }
        let outcome = self.engine.requests(kind, range, per_second)?;
        match self.outcomes.iter_mut().find(|(there, ..)| there == name) {
            Some((.., sum)) => sum.add(&outcome),
            None => {
                self.outcomes
                    .push((name.to_owned(), per_second.is_some(), outcome));
            }
        }
        Ok(())
    }

    /// Notes how much memory the UPF has, the first time.
    fn note(&mut self, moment: &'static str) {
        if let Some(octets) = self.engine.resident_octets() {
            self.resident.entry(moment).or_insert(octets);
        }
    }
}

impl Event {
    fn new(
        name: &'static str,
        time: Duration,
        answered_after: Option<Duration>,
        heartbeats: &Heartbeats,
    ) -> Self {
        Self {
            name,
            seconds: time.as_secs_f64(),
            answered_after_seconds: answered_after.map(|time| time.as_secs_f64()),
            heartbeats: heartbeats.times.summary(),
            heartbeats_unanswered: heartbeats.unanswered,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16} {:.3} s", self.name, self.seconds)?;
        if let Some(answered) = self.answered_after_seconds {
            write!(f, ", answered after {answered:.3} s")?;
        }
        let times = &self.heartbeats;
        write!(
            f,
            ", {} heartbeats: p50 {:.0} p99 {:.0} max {:.0} µs, {} unanswered",
            times.count, times.p50_us, times.p99_us, times.max_us, self.heartbeats_unanswered
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; {} sessions held, {} worked on, {} in flight",
            self.shape, self.held, self.sessions, self.window
        )?;
        for phase in &self.phases {
            writeln!(f, "{phase}")?;
        }
        for event in &self.events {
            writeln!(f, "{event}")?;
        }
        for (moment, octets) in &self.resident_octets {
            writeln!(f, "resident at {moment}: {} KiB", octets / 1024)?;
        }
        if self.requests_of_the_upf > 0 {
            writeln!(f, "{} requests of the UPF", self.requests_of_the_upf)?;
        }
        Ok(())
    }
}
