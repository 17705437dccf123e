//! The loop that keeps requests under way.

use std::io;
use std::time::{Duration, Instant};

use pfcp::{
    AssociationReleaseRequest, AssociationSetupRequest, Cause, CpFunctionFeatures, Encode, Header,
    NodeId,
};

use super::answer::Answer;
use super::flight::{Flight, Request};
use super::link::{Heartbeats, Link, STARTED};
use super::outcome::{Outcome, float};
use super::plan::{Kind, Load};
use super::process::{Observed, spent};
use super::shape::{Template, Templates, Variables, cp_seid};
use crate::wire::now;

/// How many requests are queued before answers are looked at again.
const BURST: usize = 64;
/// The pause before a session is asked for again that is refused while old ones go.
const AGAIN: Duration = Duration::from_millis(10);

/// Why a load ended early.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The socket fails.
    #[error("the SMF's socket: {0}")]
    Socket(#[from] io::Error),
    /// A message of that shape is too long.
    #[error("a message of that shape is too long: {0}")]
    Encode(#[from] pfcp::EncodeError),
    /// The UPF does not answer a node message.
    #[error("the UPF does not answer a request of type {0}")]
    NoAnswer(u8),
    /// The UPF refuses the association.
    #[error("the UPF refuses the association with cause {0}")]
    Refused(u8),
    /// Session addresses would run over.
    #[error("there are not that many addresses from {0} on")]
    Addresses(std::net::Ipv4Addr),
}

/// An SMF under whose hands sessions come and go.
#[derive(Debug)]
pub(super) struct Engine {
    load: Load,
    link: Link,
    templates: Templates,
    node_sequence: u32,
    /// The sequence number of the last session message.
    last: u32,
    /// Raised with every round of modifications, so that each changes something.
    moves: u32,
    upf: Option<Observed>,
    own: Observed,
}

/// How an association with sessions was dropped.
#[derive(Debug)]
pub(super) struct Dropped {
    /// Until the release was answered.
    pub(super) answered_after: Duration,
    /// Until a session with an address of one that was dropped could be established.
    pub(super) usable_after: Duration,
    pub(super) heartbeats: Heartbeats,
}

impl Engine {
    pub(super) fn new(load: Load) -> Result<Self, LoadError> {
        let all = u64::from(load.held) + u64::from(load.sessions);
        let first = load.shape.first_ue;
        if u64::from(first.to_bits()) + all > u64::from(u32::MAX) {
            return Err(LoadError::Addresses(first));
        }
        let sessions = usize::try_from(all).unwrap_or(usize::MAX);
        let mut engine = Self {
            link: Link::new(load.local, load.target, sessions)?,
            templates: Templates::new(&load.shape, load.local.ip())?,
            node_sequence: 0x00e0_0000,
            last: 0,
            moves: 0,
            upf: load.pid.map(Observed::new),
            own: Observed::new(std::process::id()),
            load,
        };
        engine.associate()?;
        Ok(engine)
    }

    /// The UPF's resident memory.
    pub(super) fn resident_octets(&self) -> Option<u64> {
        self.upf.as_ref().and_then(Observed::resident_octets)
    }

    /// Requests that the UPF sent, besides heartbeats.
    pub(super) const fn reports(&self) -> u64 {
        self.link.reports
    }

    // ===== node messages =====

    fn associate(&mut self) -> Result<(), LoadError> {
        let request = AssociationSetupRequest {
            node_id: NodeId::from(self.load.local.ip()),
            recovery_time_stamp: STARTED,
            cp_function_features: Some(CpFunctionFeatures::empty()),
            ..Default::default()
        };
        match self.ask(&request)? {
            1 => Ok(()),
            cause => Err(LoadError::Refused(cause)),
        }
    }

    /// Asks until there is an answer, and gives its cause.
    fn ask(&mut self, request: &impl Encode) -> Result<u8, LoadError> {
        self.node_sequence += 1;
        let sequence = self.node_sequence;
        let wanted = request.message_type() + 1;
        for _ in 0..self.load.n1.max(1) {
            self.link.push_message(&Header::node(sequence), request);
            let until = now() + self.load.t1;
            let mut cause = None;
            while cause.is_none() && now() < until {
                self.link.turn(until, |_, answer| {
                    if answer.message_type == wanted && answer.sequence == sequence {
                        cause = answer.cause;
                    }
                })?;
            }
            if let Some(cause) = cause {
                return Ok(cause);
            }
        }
        Err(LoadError::NoAnswer(request.message_type()))
    }

    /// Nothing but heartbeats.
    pub(super) fn hold(&mut self, time: Duration) -> Result<Heartbeats, LoadError> {
        self.link.start_heartbeats();
        let until = now() + time;
        while now() < until {
            self.link.turn(until, |_, _| {})?;
        }
        Ok(self.link.stop_heartbeats()?)
    }

    /// Releases the association with all its sessions while heartbeats go on, and sets it up again.
    pub(super) fn drop_association(&mut self) -> Result<Dropped, LoadError> {
        self.link.start_heartbeats();
        let started = now();
        let request = AssociationReleaseRequest {
            node_id: NodeId::from(self.load.local.ip()),
            ..Default::default()
        };
        let established = self.link.seids.iter().rposition(|seid| *seid != 0);
        let patience = std::mem::replace(&mut self.load.t1, self.load.limit);
        let answered = self.ask(&request);
        self.load.t1 = patience;
        answered?;
        let answered_after = now() - started;
        self.link.seids.fill(0);
        self.associate()?;
        if let Some(last) = established.and_then(|last| u32::try_from(last).ok()) {
            while now() - started < self.load.limit {
                let outcome = self.requests(Kind::Establish, last..last + 1, None)?;
                if outcome.accepted == 1 {
                    break;
                }
                let until = now() + AGAIN;
                while now() < until {
                    self.link.turn(until, |_, _| {})?;
                }
            }
        }
        Ok(Dropped {
            answered_after,
            usable_after: now() - started,
            heartbeats: self.link.stop_heartbeats()?,
        })
    }

    // ===== session messages =====

    /// One request for each session of the range that can have it; `per_second` is their pace, if
    /// they have one.
    pub(super) fn requests(
        &mut self,
        kind: Kind,
        range: std::ops::Range<u32>,
        per_second: Option<f64>,
    ) -> Result<Outcome, LoadError> {
        let there = |session: &u32| {
            let place = usize::try_from(*session).unwrap_or(usize::MAX);
            self.link.seids.get(place).is_some_and(|seid| *seid != 0)
        };
        let wanted = |session: &u32| there(session) != (kind == Kind::Establish);
        let sessions: Vec<u32> = range.filter(wanted).collect();
        self.moves += u32::from(kind == Kind::Modify);
        let before = (
            self.upf.as_ref().map(Observed::cpu_times),
            self.own.cpu_times(),
        );
        let mut run = Run {
            template: match kind {
                Kind::Establish => self.templates.establish.clone(),
                Kind::Modify => self.templates.modify.clone(),
                Kind::Delete => self.templates.delete.clone(),
            },
            kind,
            flight: Flight::new(self.load.window, self.last),
            outcome: Outcome::default(),
            t1: self.load.t1,
            n1: self.load.n1,
            moves: self.moves,
        };
        run.all(&mut self.link, &self.load, &sessions, per_second)?;
        self.last = run.flight.last();
        let mut outcome = run.outcome;
        let (upf, own) = before;
        if let (Some(upf), Some(before)) = (&self.upf, upf) {
            outcome.cpu = spent(&before, &upf.cpu_times());
        }
        outcome.own_cpu_ns = spent(&own, &self.own.cpu_times()).values().sum();
        Ok(outcome)
    }
}

/// The requests of one phase.
#[derive(Debug)]
struct Run {
    kind: Kind,
    template: Template,
    flight: Flight,
    outcome: Outcome,
    t1: Duration,
    n1: u32,
    moves: u32,
}

impl Run {
    fn all(
        &mut self,
        link: &mut Link,
        load: &Load,
        sessions: &[u32],
        per_second: Option<f64>,
    ) -> Result<(), LoadError> {
        let started = now();
        let latest = started + load.limit;
        // A pace leaves it to the UPF how many are under way, up to what the table can tell apart.
        let window = load.window;
        let due = |place: usize| {
            let place = u64::try_from(place).unwrap_or(u64::MAX);
            per_second.map(|rate| started + Duration::from_secs_f64(float(place) / rate))
        };
        let mut next = 0;
        loop {
            let mut time = now();
            let mut burst = 0;
            while burst < BURST
                && self.flight.len() < window
                && time < latest
                && let Some(session) = sessions.get(next)
            {
                let due = due(next).unwrap_or(time);
                if due > time {
                    break;
                }
                self.send(link, *session, due, time);
                next += 1;
                burst += 1;
            }
            let ended = next == sessions.len() || time >= latest;
            if ended && self.flight.len() == 0 {
                break;
            }
            let until = match due(next) {
                Some(due) if !ended && self.flight.len() < window => due,
                _ => time + self.t1 / 4,
            };
            let full = !ended && burst == BURST;
            self.receive(link, if full { time } else { until })?;
            time = now();
            self.repeat(link, time);
        }
        self.outcome.elapsed = now() - started;
        Ok(())
    }

    fn send(&mut self, link: &mut Link, session: u32, due: Instant, time: Instant) {
        let request = Request {
            sequence: self.flight.sequence(),
            session,
            downlink_teid: session
                .wrapping_mul(64)
                .wrapping_add(self.moves % 64)
                .max(1),
            due,
            sent: 1,
        };
        self.outcome.requests += 1;
        self.outcome
            .sent_after
            .record(time.saturating_duration_since(due));
        self.push(link, &request);
        self.flight.insert(request, time + self.t1);
    }

    fn push(&mut self, link: &mut Link, request: &Request) {
        let place = usize::try_from(request.session).unwrap_or(usize::MAX);
        let variables = Variables {
            session: request.session,
            seid: link.seids.get(place).copied().unwrap_or(0),
            sequence: request.sequence,
            downlink_teid: request.downlink_teid,
        };
        link.push(self.template.fill(&variables));
    }

    fn receive(&mut self, link: &mut Link, until: Instant) -> io::Result<()> {
        let wanted = self.template.response_type;
        let (kind, flight, outcome) = (self.kind, &mut self.flight, &mut self.outcome);
        let mut received = None;
        link.turn(until, |seids, answer| {
            let received = *received.get_or_insert_with(now);
            let request = (answer.message_type == wanted).then(|| flight.take(answer.sequence));
            let Some(request) = request.flatten() else {
                outcome.strays += 1;
                return;
            };
            let time = received.saturating_duration_since(request.due);
            outcome.answered_after.record(time);
            settle(kind, &request, answer, seids, outcome);
        })?;
        Ok(())
    }

    /// Sends again what has waited too long, or gives it up.
    fn repeat(&mut self, link: &mut Link, time: Instant) {
        while let Some(mut request) = self.flight.expired(time) {
            if request.sent < self.n1 {
                request.sent += 1;
                self.outcome.retransmissions += 1;
                self.push(link, &request);
                self.flight.insert(request, time + self.t1);
            } else {
                self.outcome.lost += 1;
            }
        }
    }
}

/// Counts an answer, and notes what the session is now.
fn settle(kind: Kind, request: &Request, answer: &Answer, seids: &mut [u64], out: &mut Outcome) {
    let cause = answer.cause.unwrap_or(0);
    if cause != Cause::REQUEST_ACCEPTED.get() {
        *out.refused.entry(cause).or_default() += 1;
        return;
    }
    let place = usize::try_from(request.session).unwrap_or(usize::MAX);
    let Some(seid) = seids.get_mut(place) else {
        return;
    };
    if answer.seid != Some(cp_seid(request.session)) {
        out.strays += 1;
    }
    out.accepted += 1;
    match kind {
        Kind::Establish => *seid = answer.up_seid.unwrap_or(0),
        Kind::Modify => {}
        Kind::Delete => *seid = 0,
    }
}
