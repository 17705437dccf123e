//! A run: steps, each of which lets something happen and then looks whether all is right.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pfcp::{DecodeError, Decoded, Message};
use rustc_hash::FxHashSet;
use session::neighbour::Neighbours;
use session::tables::Handle;
use session::{Epoch, Key, Reader, Seid, SessionIndex, Sizes, Snapshot, Tables};
use simulator::Flavour;
use upf_cp::{Counters, Dropped, Input, Node, NodeConfig, Now, Operator, Output, WorkerReport};

use crate::model::Content;
use crate::network::{Flight, Network, Weather, harm};
use crate::smf::Smf;
use crate::support;
use crate::support::dice::Dice;
use crate::truth::{Scarce, Truth};

const UPF: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 10, 4, 7)), 8805);

/// Places for sessions: few, so that they run out.
const SESSIONS: u32 = 24;
/// Positions for TEIDs, of all workers.
const TUNNELS: u32 = 96;
const WORKERS: u8 = 2;

/// How many lines of what happened a failure shows.
const TRACE: usize = 40;

/// What a datagram did to the node, in numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    received: u64,
    causes: u64,
    dropped: u64,
    rate: u64,
    duplicates: u64,
    /// Established less ended.
    sessions: u64,
}

impl Tally {
    fn of(counters: &Counters) -> Self {
        let rate = [Dropped::PeerRate, Dropped::StrangerRate];
        Self {
            received: counters.by_type().map(|(_, received, _)| received).sum(),
            causes: counters.by_cause().map(|(_, count)| count).sum(),
            dropped: Dropped::ALL.iter().map(|why| counters.dropped(*why)).sum(),
            rate: rate.iter().map(|why| counters.dropped(*why)).sum(),
            duplicates: counters.duplicates,
            sessions: counters.established.wrapping_sub(counters.ended),
        }
    }
    const fn since(self, old: Self) -> Self {
        Self {
            received: self.received - old.received,
            causes: self.causes - old.causes,
            dropped: self.dropped - old.dropped,
            rate: self.rate - old.rate,
            duplicates: self.duplicates - old.duplicates,
            sessions: self.sessions.wrapping_sub(old.sessions),
        }
    }
}

/// How much a run did, so that a test can tell that it did enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    pub steps: u64,
    pub datagrams: u64,
    pub damaged: u64,
    pub bundles: u64,
    pub established: u64,
    pub accepted: u64,
    pub refused: u64,
    pub duplicates: u64,
    pub reports: u64,
    pub upf_restarts: u64,
    pub smf_restarts: u64,
}

pub struct Run {
    seed: u64,
    now: Now,
    node: Node,
    readers: Vec<Reader>,
    /// The second worker is busy and passes no quiescent point.
    stalled: bool,
    network: Network,
    smfs: Vec<Smf>,
    truth: Truth,
    dice: Dice,
    /// Answers that wait for the workers.
    waiting: Vec<(Epoch, Flight)>,
    /// Sessions that went without their SMF's doing; it may be told of one of them yet.
    gone: BTreeSet<u64>,
    /// Every key that any session ever had.
    keys: FxHashSet<Key>,
    trace: VecDeque<String>,
    pub done: Done,
}

fn config() -> NodeConfig {
    let mut config = NodeConfig::new(UPF.ip());
    config.limits.sessions = SESSIONS;
    config.limits.outstanding_requests_per_peer = 4;
    config.limits.waiting_reports_per_peer = 8;
    config
}

fn start(seed: u64, now: Now) -> (Node, Vec<Reader>) {
    let sizes = Sizes {
        sessions: SESSIONS,
        tunnels: TUNNELS,
        workers: WORKERS,
        seed,
    };
    let (publisher, readers) = Tables::create(sizes);
    let [a, b, ..] = seed.to_be_bytes();
    let topology = Arc::new(support::topology());
    let neighbours = Arc::new(Neighbours::default());
    let mut key = [a ^ b; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    (
        Node::new(config(), publisher, topology, neighbours, key, now),
        readers,
    )
}

impl Run {
    pub fn new(seed: u64) -> Self {
        let now = Now {
            elapsed_ms: 1_000,
            ntp_s: 3_900_000_000,
        };
        let (node, readers) = start(seed, now);
        let flavours = Flavour::ALL.iter().cycle().take(6);
        Self {
            seed,
            now,
            node,
            readers,
            stalled: false,
            network: Network::new(),
            smfs: (0..)
                .zip(flavours)
                .map(|(place, flavour)| Smf::new(place, *flavour))
                .collect(),
            truth: Truth::default(),
            dice: Dice::new(seed, u64::MAX),
            waiting: vec![],
            gone: BTreeSet::new(),
            keys: FxHashSet::default(),
            trace: VecDeque::new(),
            done: Done::default(),
        }
    }

    /// What happened last.
    pub fn trace(&self) -> impl Iterator<Item = &String> {
        self.trace.iter()
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        let line = format!("{:>9} ms  {}", self.now.elapsed_ms, line());
        self.trace.push_back(line);
    }

    /// One step of the run.
    pub fn step(&mut self, number: u64) -> Result<(), String> {
        self.dice = Dice::new(self.seed, number);
        self.done.steps += 1;
        match self.dice.roll(100) {
            0..72 => self.smf_acts(),
            72..80 => self.worker_tells()?,
            80..84 => self.stranger_sends(),
            84..88 => self.garbage(),
            88 | 89 => self.smf_restarts(),
            90 if self.dice.percent(50) => self.upf_restarts()?,
            90..94 => {
                self.network.weather = Weather::any(&mut self.dice);
                let weather = self.network.weather;
                self.note(|| format!("{weather:?}"));
            }
            94 | 95 => self.stalled = !self.stalled,
            _ => {}
        }
        let pause = [0, 0, 1, 20, 200, 1_000, 3_000];
        let ms = self.dice.pick(&pause).copied().unwrap_or(0);
        self.pass(ms)?;
        self.check_tables()
    }

    // ===== what happens =====

    fn smf_acts(&mut self) {
        let at = self.dice.roll(self.smfs.len() as u32) as usize;
        let times = if self.dice.percent(15) { 4 } else { 1 };
        for _ in 0..times {
            self.smfs[at].act(self.now.elapsed_ms, self.now.ntp_s, &mut self.dice);
        }
        self.post(at);
    }

    /// What an SMF has to send goes out.
    fn post(&mut self, at: usize) {
        let smf = &mut self.smfs[at];
        let from = smf.address;
        let mut out = std::mem::take(&mut smf.out);
        if out.len() > 1 && self.dice.percent(70) {
            self.done.bundles += 1;
            out = bundle(out);
        }
        for octets in out {
            let flight = Flight {
                from,
                to: UPF,
                octets,
                damaged: false,
            };
            self.network
                .send(self.now.elapsed_ms, &mut self.dice, &flight);
        }
    }

    fn smf_restarts(&mut self) {
        let at = self.dice.roll(self.smfs.len() as u32) as usize;
        self.done.smf_restarts += 1;
        let (address, ntp_s) = (self.smfs[at].address, self.now.ntp_s);
        self.smfs[at].restart(&mut self.dice, ntp_s);
        self.network.forget(address);
        self.waiting.retain(|(_, flight)| flight.to != address);
        self.note(|| format!("{address} restarts"));
    }

    fn upf_restarts(&mut self) -> Result<(), String> {
        self.done.upf_restarts += 1;
        self.note(|| "the UPF restarts".to_owned());
        if self.dice.percent(50) {
            let outputs = self
                .node
                .handle(self.now, Input::Operator(Operator::Shutdown));
            self.sort(outputs)?;
            // Who takes last reports (as a damaged association may say) has so long to answer them.
            let most_ms = self.now.elapsed_ms + config().release_grace_ms;
            let mut now = self.now;
            while let Some(at) = self.node.deadline_ms().filter(|at| *at <= most_ms)
                && !self.node.is_ended()
            {
                now.elapsed_ms = now.elapsed_ms.max(at);
                self.node.handle(now, Input::Tick);
            }
            if self.node.session_count() > 0 || self.node.publisher().sessions() > 0 {
                return Err("sessions are left after a shutdown".to_owned());
            }
        }
        self.truth.restart();
        self.tell_doubts();
        self.waiting.clear();
        self.advance(self.now.elapsed_ms + 1_500);
        (self.node, self.readers) = start(self.seed ^ self.now.elapsed_ms, self.now);
        self.stalled = false;
        Ok(())
    }

    fn worker_tells(&mut self) -> Result<(), String> {
        let statuses = self.node.session_statuses();
        let index = match self.dice.pick(&statuses) {
            Some(status) if self.dice.percent(80) => status.index.0,
            _ => self.dice.roll(SESSIONS + 2),
        };
        let report = match self.dice.roll(3) {
            0 => WorkerReport::DownlinkData {
                session: index,
                pdr: 1 + self.dice.roll(3) as u16,
                far: 1 + self.dice.roll(3),
                qfi: Some(1),
                tos: 0,
            },
            1 => WorkerReport::Usage {
                session: index,
                urr: 1 + self.dice.roll(3),
            },
            _ => {
                let tunnels = statuses.iter().flat_map(|status| &status.rules.fars);
                let tunnels = tunnels.filter_map(|far| far.forwarding?.outer_header_creation);
                let tunnels: Vec<_> = tunnels.map(|to| (to.teid.0, to.peer)).collect();
                let known = self.dice.pick(&tunnels).copied();
                let (teid, peer) = known.unwrap_or((77, IpAddr::from([10, 10, 3, 99])));
                WorkerReport::ErrorIndication {
                    peer,
                    teid,
                    sender: peer,
                }
            }
        };
        let worker = self.dice.roll(WORKERS.into()) as u8;
        let outputs = self.node.handle(self.now, Input::Report { worker, report });
        let answers = self.sort(outputs)?;
        if !answers.is_empty() {
            return Err("a report from a worker was answered to a peer".to_owned());
        }
        self.check_sessions()
    }

    /// Somebody who guesses SEIDs, from an address of his own or with that of an SMF.
    fn stranger_sends(&mut self) {
        let smfs: Vec<SocketAddr> = self.smfs.iter().map(|smf| smf.address).collect();
        let smf = self.dice.pick(&smfs).copied();
        let from = match smf {
            Some(smf) if self.dice.percent(50) => smf,
            _ => SocketAddr::new(IpAddr::from([10, 10, 4, 200]), 8805),
        };
        let seids: Vec<u64> = self.truth.sessions.keys().copied().collect();
        let real = self.dice.pick(&seids).copied().unwrap_or(1);
        let owner = self.truth.sessions.get(&real).map(|session| session.cp.1);
        let seid = match self.dice.roll(5) {
            0 => 0,
            1 => real ^ 1 << self.dice.roll(24),
            2 => real ^ 1 << (24 + self.dice.roll(40)),
            // Somebody else's.
            3 if owner != Some(from.ip()) => real,
            _ => self.dice.next(),
        };
        let sequence = 0x00f0_0000 + self.dice.roll(0xffff);
        let octets = if self.dice.percent(50) {
            support::encode(
                Some(seid),
                sequence,
                &pfcp::SessionDeletionRequest::default(),
            )
        } else {
            let change = crate::changes::any(&Content::default(), &mut self.dice);
            support::encode(Some(seid), sequence, &change)
        };
        let flight = Flight {
            from,
            to: UPF,
            octets,
            damaged: false,
        };
        self.network
            .send(self.now.elapsed_ms, &mut self.dice, &flight);
    }

    /// A request of an SMF, damaged beyond what the weather does.
    fn garbage(&mut self) {
        let at = self.dice.roll(self.smfs.len() as u32) as usize;
        let mut smf = Smf::new(at as u32, self.smfs[at].flavour);
        smf.associated = true;
        smf.act(0, 0, &mut self.dice);
        let from = smf.address;
        let Some(mut octets) = smf.out.pop() else {
            return;
        };
        for _ in 0..=self.dice.roll(3) {
            harm(&mut self.dice, &mut octets);
        }
        let flight = Flight {
            from,
            to: UPF,
            octets,
            damaged: true,
        };
        self.network
            .send(self.now.elapsed_ms, &mut self.dice, &flight);
    }

    // ===== time =====

    fn advance(&mut self, to_ms: u64) {
        let seconds = to_ms / 1000 - self.now.elapsed_ms / 1000;
        self.now.elapsed_ms = to_ms;
        self.now.ntp_s = self.now.ntp_s.wrapping_add(seconds as u32);
    }

    /// Lets time pass, and all that is due in it happen in its order.
    pub fn pass(&mut self, ms: u64) -> Result<(), String> {
        let until = self.now.elapsed_ms + ms;
        loop {
            let smfs = self.smfs.iter().filter_map(Smf::next_ms);
            let next = smfs
                .chain(self.network.next_ms())
                .chain(self.node.deadline_ms())
                .min();
            let Some(at) = next.filter(|at| *at <= until) else {
                break;
            };
            self.advance(at.max(self.now.elapsed_ms));
            let now_ms = self.now.elapsed_ms;
            while let Some(flight) = self.network.due(now_ms) {
                self.arrive(&flight)?;
            }
            for place in 0..self.smfs.len() {
                self.smfs[place].tick(now_ms);
                self.post(place);
            }
            if self.node.deadline_ms().is_some_and(|at| at <= now_ms) {
                let outputs = self.node.handle(self.now, Input::Tick);
                if !self.sort(outputs)?.is_empty() {
                    return Err("time alone was answered".to_owned());
                }
                self.check_sessions()?;
            }
            self.release_answers();
        }
        self.advance(until);
        Ok(())
    }

    /// Answers leave when the workers have seen what they are about.
    fn release_answers(&mut self) {
        let active = if self.stalled { 1 } else { self.readers.len() };
        for reader in &mut self.readers[..active] {
            reader.snapshot();
        }
        let tables = Arc::clone(self.node.publisher().tables());
        let ready = self
            .waiting
            .extract_if(.., |(epoch, _)| tables.is_past(*epoch));
        for (_, flight) in ready {
            self.network
                .send(self.now.elapsed_ms, &mut self.dice, &flight);
        }
    }

    fn arrive(&mut self, flight: &Flight) -> Result<(), String> {
        if flight.to == UPF {
            return self.deliver(flight);
        }
        let Some(at) = self.smfs.iter().position(|smf| smf.address == flight.to) else {
            return Ok(());
        };
        // A damaged one fails the checksum of UDP.
        if !flight.damaged {
            let smf = &mut self.smfs[at];
            smf.receive(self.now.elapsed_ms, &mut self.dice, &flight.octets)?;
            self.post(at);
        }
        Ok(())
    }

    // ===== what the node makes of it =====

    /// Has the node take something; where it has to say what was used, no worker stands still.
    fn handle(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = self.node.handle(self.now, input);
        if self.node.unsettled() > 0 {
            for reader in &mut self.readers {
                reader.snapshot();
            }
            outputs.extend(self.node.settle(self.now));
        }
        outputs
    }

    fn deliver(&mut self, flight: &Flight) -> Result<(), String> {
        self.done.datagrams += 1;
        self.done.damaged += u64::from(flight.damaged);
        if flight.damaged
            && let Some(smf) = self.smfs.iter_mut().find(|smf| smf.address == flight.from)
        {
            // Its answer may be taken for that to the request that it was.
            smf.doubt_busy();
        }
        let messages: Vec<_> = pfcp::messages(&flight.octets).collect();
        let before = Tally::of(self.node.counters());
        let from = flight.from;
        let stranger = !self.truth.is_known(from.ip());
        // In a bundle, one request may take what the next one needs.
        let scarce = Scarce {
            resources: self.is_scarce() || messages.len() > 1,
        };
        let input = Input::Datagram {
            from,
            octets: flight.octets.clone(),
        };
        let outputs = self.handle(input);
        let answers = self.sort(outputs)?;
        let tally = Tally::of(self.node.counters()).since(before);
        self.note(|| describe(flight, &messages, &answers));
        conserve(&messages, answers.len() as u64, tally)?;
        self.done.duplicates += tally.duplicates;
        if flight.damaged
            && let Some(smf) = self.smfs.iter_mut().find(|smf| smf.address == from)
        {
            let numbers = answers
                .iter()
                .map(|(answer, _)| answer.header.sequence.get());
            numbers.for_each(|sequence| smf.misread(sequence));
        }
        self.compare(flight, &messages, answers, tally, scarce)?;
        if stranger && tally.sessions != 0 {
            return Err("a stranger changed which sessions there are".to_owned());
        }
        self.check_sessions()
    }

    /// Holds the answers to a datagram against what was asked.
    fn compare(
        &mut self,
        flight: &Flight,
        messages: &[Result<Decoded, DecodeError>],
        mut answers: Vec<(Decoded, Vec<u8>)>,
        tally: Tally,
        scarce: Scarce,
    ) -> Result<(), String> {
        let (from, alone) = (flight.from, messages.len() == 1);
        let stranger = !self.truth.is_known(from.ip());
        for (message, (own, whole)) in messages.iter().zip(pieces(&flight.octets)) {
            let header = match message {
                Ok(request) if request.message.is_request() => request.header,
                Ok(response) => {
                    self.response(from.ip(), response);
                    continue;
                }
                Err(DecodeError::Message { header, .. }) => *header,
                Err(_) => continue,
            };
            let right = |(answer, _): &(Decoded, Vec<u8>)| {
                alone || answer.header.sequence == header.sequence
            };
            let Some(answer) = answers.iter().position(right) else {
                continue;
            };
            let answer = answers.remove(answer);
            if let Ok(request) = message {
                let flight = Flight {
                    octets: own,
                    ..flight.clone()
                };
                self.answered(&flight, request, &answer, tally, alone, scarce)?;
                continue;
            }
            // "The header is sound, the rest is not."
            if !stranger && tally.duplicates == 0 {
                let now_ms = self.now.elapsed_ms;
                self.truth.answered(from, &whole, &answer.1, now_ms);
            }
            if answer.0.header.sequence != header.sequence {
                return Err("an answer under another number".to_owned());
            }
        }
        // What is of another version is told so.
        let version = |answer: &Message| matches!(answer, Message::VersionNotSupportedResponse(_));
        if answers.iter().all(|(answer, _)| version(&answer.message)) {
            return Ok(());
        }
        Err("an answer to nothing".to_owned())
    }

    /// Whether there may be too little of something right now.
    fn is_scarce(&self) -> bool {
        let publisher = self.node.publisher();
        publisher.retired() > 0
            || publisher.sessions() >= SESSIONS
            || self
                .truth
                .sessions
                .values()
                .map(|s| s.model.teids().len())
                .sum::<usize>()
                >= (TUNNELS / 2 - 16) as usize
    }

    fn answered(
        &mut self,
        flight: &Flight,
        request: &Decoded,
        (answer, octets): &(Decoded, Vec<u8>),
        tally: Tally,
        alone: bool,
        scarce: Scarce,
    ) -> Result<(), String> {
        let (from, sequence, now_ms) = (flight.from, request.header.sequence, self.now.elapsed_ms);
        if answer.header.sequence != sequence {
            return Err("an answer under another number".to_owned());
        }
        if answer.header.priority != request.header.priority {
            return Err("an answer of another priority".to_owned());
        }
        let hold_ms = config().response_hold_ms;
        if alone && !matches!(request.message, Message::HeartbeatRequest(_)) {
            let again = self.truth.repeated(from, &flight.octets, now_ms, hold_ms);
            match (again, tally.duplicates) {
                (Some(given), 1) if given == octets => return Ok(()),
                (Some(_), 1) => return Err("a repeated request got another answer".to_owned()),
                (Some(_), _) => return Err("a repeated request was carried out again".to_owned()),
                (None, 1) => return Err("a new request was taken for a repeated one".to_owned()),
                (None, _) => {}
            }
        } else if let Some(given) = self.truth.repeated(from, &flight.octets, now_ms, hold_ms) {
            // In a bundle, where others are new.
            let is_beat = matches!(request.message, Message::HeartbeatRequest(_));
            if given == octets {
                return Ok(());
            } else if !is_beat {
                return Err("a repeated request got another answer".to_owned());
            }
        }
        let ids: BTreeSet<u64> = self
            .node
            .sessions()
            .map(|(_, rules)| rules.seid.0)
            .collect();
        let known = self.truth.is_known(from.ip());
        self.truth
            .apply(from, request, answer, flight.damaged, scarce)
            .map_err(|why| {
                format!(
                    "{why}
{request}
{answer}"
                )
            })?;
        // Strangers' requests change nothing, and are not held against them.
        if known || self.truth.is_known(from.ip()) {
            self.truth.answered(from, &flight.octets, octets, now_ms);
        }
        let smf = self.smfs.iter().find(|smf| smf.address == from);
        // OAI stamps each request anew, which says nothing.
        let steady = smf.is_none_or(|smf| smf.flavour != Flavour::Oai);
        if matches!(request.message, Message::HeartbeatRequest(_)) && steady {
            self.may_have_restarted(from.ip(), &ids);
        }
        let cause = support::cause(&answer.message);
        let is_new = matches!(request.message, Message::SessionEstablishmentRequest(_));
        self.done.established += u64::from(is_new && cause == Some(1));
        self.done.accepted += u64::from(cause == Some(1));
        self.done.refused += u64::from(cause.is_some_and(|cause| cause != 1));
        Ok(())
    }

    fn response(&mut self, from: IpAddr, response: &Decoded) {
        let ids: BTreeSet<u64> = self
            .node
            .sessions()
            .map(|(_, rules)| rules.seid.0)
            .collect();
        match &response.message {
            Message::HeartbeatResponse(_) => self.may_have_restarted(from, &ids),
            Message::SessionReportResponse(answer)
                if answer.cause == pfcp::Cause::SESSION_CONTEXT_NOT_FOUND =>
            {
                // The request told the SMF's SEID only; so any session of that SMF.
                let sessions = self.truth.sessions.iter();
                let of_peer = sessions.filter(|(_, session)| session.cp.1 == from);
                let gone: Vec<u64> = of_peer.map(|(seid, _)| *seid).collect();
                let missing = gone.iter().filter(|seid| !ids.contains(seid)).count();
                if missing == 1 {
                    for seid in gone {
                        self.truth.may_lose(seid, &ids);
                    }
                }
            }
            _ => {}
        }
    }

    /// A peer whose stamp stood still and then rose has restarted.
    fn may_have_restarted(&mut self, from: IpAddr, ids: &BTreeSet<u64>) {
        let statuses = self.node.peer_statuses();
        let peers = statuses
            .iter()
            .map(|peer| peer.node_id.to_string())
            .collect();
        self.truth.may_forget(from, ids, &peers);
    }

    /// Sends what the node has to send; gives its answers.
    fn sort(&mut self, outputs: Vec<Output>) -> Result<Vec<(Decoded, Vec<u8>)>, String> {
        let mut answers = vec![];
        for output in outputs {
            let Output::Send { to, octets, after } = output else {
                continue;
            };
            let flight = Flight {
                from: UPF,
                to,
                octets: octets.to_vec(),
                damaged: false,
            };
            match after {
                Some(epoch) => self.waiting.push((epoch, flight)),
                None => self
                    .network
                    .send(self.now.elapsed_ms, &mut self.dice, &flight),
            }
            let apart = apart(&octets);
            // An SMF may have taken on bundles by a bit that the network changed.
            for (decoded, octets) in pfcp::messages(&octets).zip(apart) {
                let decoded = decoded.map_err(|error| format!("the node sends {error}"))?;
                if let Message::SessionReportRequest(_) = decoded.message {
                    self.done.reports += 1;
                    self.check_report(to, &decoded)?;
                }
                if !decoded.message.is_request() {
                    answers.push((decoded, octets));
                }
            }
        }
        Ok(answers)
    }

    /// A report names a session of the one that it goes to; one that is sent again may come late.
    fn check_report(&self, to: SocketAddr, report: &Decoded) -> Result<(), String> {
        let cp_seid = report.header.seid.unwrap_or(0);
        let is = self
            .truth
            .sessions
            .values()
            .any(|session| session.cp == (cp_seid, to.ip()));
        let again = self.node.counters().retransmissions > 0;
        if is || again {
            return Ok(());
        }
        Err(format!(
            "a report about SEID {cp_seid:#x} goes to {to}, who has no such session"
        ))
    }

    fn tell_doubts(&mut self) {
        for seid in self.truth.gone() {
            self.smfs.iter_mut().for_each(|smf| smf.doubt(seid));
            self.gone.insert(seid);
        }
    }

    // ===== whether all is right =====

    /// Sessions of the node = sessions that have to be there, with the rules that were accepted.
    fn check_sessions(&mut self) -> Result<(), String> {
        let there: BTreeMap<u64, Content> = self
            .node
            .sessions()
            .map(|(_, rules)| (rules.seid.0, Content::of(rules)))
            .collect();
        for (seid, session) in &mut self.truth.sessions {
            let Some(content) = there.get(seid) else {
                return Err(format!("session {seid:#x} of {} is gone", session.node));
            };
            if session.tainted {
                session.model.resync(content.clone());
            } else if session.model.resolved() != *content {
                let differences = content.differences(&session.model.resolved());
                return Err(format!(
                    "rules are not those that were accepted: session {seid:#x}\n{differences}"
                ));
            }
        }
        if let Some(seid) = there
            .keys()
            .find(|seid| !self.truth.sessions.contains_key(seid))
        {
            return Err(format!("session {seid:#x} should not be there"));
        }
        let counters = self.node.counters();
        let balance = counters.established - counters.ended;
        if balance != there.len() as u64 || self.node.session_count() != there.len() {
            return Err(format!(
                "{balance} sessions by the counters, {} in fact",
                there.len()
            ));
        }
        self.tell_doubts();
        self.check_smfs()
    }

    /// What SMFs were told is what is in force.
    fn check_smfs(&self) -> Result<(), String> {
        for smf in &self.smfs {
            let sure = smf.sessions.values();
            for seen in sure.filter(|seen| seen.established && !seen.busy && !seen.doubtful) {
                let truth = self.truth.sessions.get(&seen.is.up_seid);
                let Some(truth) = truth else {
                    if self.gone.contains(&seen.is.up_seid) {
                        continue;
                    }
                    return Err(format!(
                        "{} was told of {:#x}",
                        smf.address, seen.is.up_seid
                    ));
                };
                if !truth.tainted && truth.model.content != seen.model.content {
                    let differences = truth.model.content.differences(&seen.model.content);
                    let (smf, seid) = (smf.address, seen.is.up_seid);
                    return Err(format!(
                        "not what the SMF was told: {smf} of {seid:#x}\n{differences}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Every key of every session leads to it in every worker's eyes, and no other key anywhere.
    fn check_tables(&mut self) -> Result<(), String> {
        let counters = self.node.counters();
        if counters.illegal + counters.too_long > 0 {
            return Err("a message of the node could not be written".to_owned());
        }
        let sessions: Vec<_> = self
            .node
            .sessions()
            .map(|(at, rules)| (at, keys(rules), rules.seid, rules.pdrs.len()))
            .collect();
        if self.node.publisher().sessions() as usize != sessions.len() {
            return Err(format!(
                "{} places are taken by {} sessions",
                self.node.publisher().sessions(),
                sessions.len()
            ));
        }
        let mut owners = FxHashSet::default();
        for (_, keys, seid, _) in &sessions {
            for key in keys {
                if !owners.insert(*key) {
                    return Err(format!(
                        "{key:?} of {seid:?} belongs to another session, too"
                    ));
                }
            }
        }
        self.keys.extend(owners.iter().copied());
        let active = if self.stalled { 1 } else { self.readers.len() };
        for reader in &mut self.readers[..active] {
            let snapshot = reader.snapshot();
            for (at, keys, seid, pdrs) in &sessions {
                check_session(snapshot, *at, keys, *seid, *pdrs)?;
            }
            let stale = self.keys.iter().filter(|key| !owners.contains(key));
            for key in stale {
                if look_up(snapshot, key).is_some() {
                    return Err(format!("{key:?} still leads somewhere"));
                }
            }
        }
        self.release_answers();
        Ok(())
    }

    // ===== the end =====

    /// All is released: then nothing may be left.
    pub fn end(&mut self) -> Result<(), String> {
        self.network.weather = Weather::CALM;
        self.stalled = false;
        self.pass(30_000)?;
        // Who is associated releases; those whom only a damaged datagram knew, too.
        let peers: Vec<_> = self.truth.peers.values().cloned().collect();
        for smf in &mut self.smfs {
            smf.release(self.now.elapsed_ms);
            smf.out.clear();
        }
        for (sequence, (node_id, at)) in (0x00e0_0000..).zip(peers) {
            let request = pfcp::AssociationReleaseRequest {
                node_id,
                ..Default::default()
            };
            for address in at {
                let octets = support::encode(None, sequence, &request);
                let from = SocketAddr::new(address, 8805);
                self.deliver(&Flight {
                    from,
                    to: UPF,
                    octets,
                    damaged: false,
                })?;
            }
        }
        self.pass(60_000)?;
        self.check_tables()?;
        if !self.truth.peers.is_empty() || !self.node.peer_statuses().is_empty() {
            return Err("peers are left".to_owned());
        }
        if self.node.session_count() > 0 || self.node.publisher().retired() > 0 {
            return Err("sessions or plans are left".to_owned());
        }
        if self.node.transactions() != (0, 0) {
            return Err(format!(
                "transactions are left: {:?}",
                self.node.transactions()
            ));
        }
        self.exhaust()
    }

    /// Every place, address and TEID can be had again, and not one more.
    fn exhaust(&mut self) -> Result<(), String> {
        let mut world = Exhaust {
            run: self,
            sequence: 0x00d0_0000,
        };
        world.associate()?;
        for _ in 0..2 {
            let seids: Vec<u64> = (1..=SESSIONS)
                .map(|n| {
                    world
                        .establish(n as u8)?
                        .ok_or_else(|| format!("place {n} is lost"))
                })
                .collect::<Result<_, String>>()?;
            if world.establish(200)?.is_some() {
                return Err("one more session than there are places".to_owned());
            }
            for seid in seids {
                world.delete(seid)?;
            }
            world.settle();
        }
        world.fill_teids()
    }
}

/// An SMF that takes all there is.
struct Exhaust<'a> {
    run: &'a mut Run,
    sequence: u32,
}

impl Exhaust<'_> {
    fn ask(&mut self, seid: Option<u64>, request: &impl pfcp::Encode) -> Result<Message, String> {
        self.sequence += 1;
        let octets = support::encode(seid, self.sequence, request);
        let input = Input::Datagram {
            from: support::smf(),
            octets,
        };
        let outputs = self.run.handle(input);
        let mut answers = self.run.sort(outputs)?;
        self.run.waiting.clear();
        Ok(answers.pop().ok_or("no answer")?.0.message)
    }

    fn associate(&mut self) -> Result<(), String> {
        self.ask(None, &support::association()).map(|_| ())
    }

    /// Lets places come free.
    fn settle(&mut self) {
        for reader in &mut self.run.readers {
            reader.snapshot();
        }
        self.run.now.elapsed_ms += 2_000;
        self.run.node.handle(self.run.now, Input::Tick);
    }

    fn establish(&mut self, n: u8) -> Result<Option<u64>, String> {
        let answer = self.ask(Some(0), &support::open5gs(n))?;
        let Message::SessionEstablishmentResponse(answer) = answer else {
            return Err("another answer".to_owned());
        };
        Ok(answer.up_f_seid.map(|f_seid| f_seid.seid))
    }

    fn delete(&mut self, seid: u64) -> Result<(), String> {
        self.ask(Some(seid), &pfcp::SessionDeletionRequest::default())
            .map(|_| ())
    }

    /// Sessions of both workers take one TEID after the other.
    fn fill_teids(&mut self) -> Result<(), String> {
        let mut teids = 0;
        let mut seids = BTreeMap::new();
        for n in 1..=SESSIONS {
            let seid = self.establish(n as u8)?.ok_or("a place is lost")?;
            let statuses = self.run.node.session_statuses();
            let status = statuses.iter().find(|status| status.seid == Seid(seid));
            let worker = status.ok_or("no session")?.worker.0;
            let first = *seids.entry(worker).or_insert(seid);
            if first != seid {
                self.delete(seid)?;
                self.settle();
            }
        }
        for seid in seids.into_values() {
            let before = self.run.node.rules(Seid(seid)).map_or(0, tunnels);
            for id in 10.. {
                let pdi = pfcp::Pdi {
                    local_f_teid: Some(support::choose(None)),
                    ..support::uplink_pdi()
                };
                let request = pfcp::SessionModificationRequest {
                    create_pdrs: vec![support::pdr(id, 9, 2, pdi)],
                    ..Default::default()
                };
                let answer = self.ask(Some(seid), &request)?;
                if support::cause(&answer) != Some(1) {
                    break;
                }
                teids += 1;
            }
            teids += before;
        }
        if teids != TUNNELS as usize {
            return Err(format!("{teids} TEIDs can be had of {TUNNELS}"));
        }
        Ok(())
    }
}

fn tunnels(rules: &session::Rules) -> usize {
    let teids = rules.pdrs.iter().filter_map(|pdr| pdr.pdi.local_f_teid);
    teids
        .map(|tunnel| tunnel.teid.0)
        .collect::<BTreeSet<_>>()
        .len()
}

/// The keys that rules stand for.
fn keys(rules: &session::Rules) -> FxHashSet<Key> {
    let mut keys = FxHashSet::default();
    for pdr in &rules.pdrs {
        if let Some(tunnel) = pdr.pdi.local_f_teid {
            keys.insert(Key::Tunnel(tunnel));
            continue;
        }
        let (ue, Some(vrf)) = (pdr.pdi.ue.unwrap_or(rules.ue), pdr.pdi.vrf) else {
            continue;
        };
        keys.extend(ue.ipv4.map(|address| Key::Ipv4(vrf, address)));
        keys.extend(ue.ipv6.map(|prefix| Key::Ipv6(vrf, prefix)));
        let framed = pdr.pdi.framed.iter().flat_map(|framed| &framed.0);
        keys.extend(framed.map(|route| Key::Route(vrf, *route)));
    }
    keys
}

fn look_up<'a>(snapshot: Snapshot<'a>, key: &Key) -> Option<Handle<'a>> {
    match key {
        Key::Tunnel(tunnel) => snapshot.tunnel(*tunnel).filter(|handle| {
            // "The caller has to compare the interface with that of the plan's entry."
            let entrance = handle.entrance();
            entrance.is_none_or(|entrance| entrance.interface() == Some(tunnel.interface))
        }),
        Key::Ipv4(vrf, address) => snapshot.ipv4(*vrf, *address),
        Key::Ipv6(vrf, prefix) => snapshot.ipv6(*vrf, prefix.addr()),
        Key::Route(vrf, route) => match route.addr() {
            IpAddr::V4(address) => snapshot.ipv4(*vrf, address),
            IpAddr::V6(address) => snapshot.ipv6(*vrf, address),
        },
        Key::Station(vrf, station) => snapshot.station(*vrf, *station),
        Key::Member(vrf, session) => {
            let mut members = snapshot.members(*vrf);
            members.find(|member| member.session() == *session)
        }
    }
}

fn check_session(
    snapshot: Snapshot<'_>,
    at: SessionIndex,
    keys: &FxHashSet<Key>,
    seid: Seid,
    pdrs: usize,
) -> Result<(), String> {
    let plan = snapshot
        .session(at)
        .ok_or_else(|| format!("{seid:?} has no plan"))?;
    if plan.seid != seid || plan.steps().count() != pdrs {
        return Err(format!("the plan of {seid:?} is another's"));
    }
    for key in keys {
        let handle = look_up(snapshot, key).ok_or_else(|| format!("{key:?} leads nowhere"))?;
        let found = handle.plan().seid;
        if found != seid || handle.entrance().is_none() {
            return Err(format!("{key:?} of {seid:?} leads to {found:?}"));
        }
    }
    Ok(())
}

/// Each message that came was answered, taken, or dropped; and counted as what it was.
fn conserve(
    messages: &[Result<Decoded, DecodeError>],
    answers: u64,
    tally: Tally,
) -> Result<(), String> {
    if tally.rate > 0 {
        return Ok(());
    }
    let readable = |message: &&Result<Decoded, DecodeError>| {
        matches!(message, Ok(_) | Err(DecodeError::Message { .. }))
    };
    let received = messages.iter().filter(readable).count() as u64;
    let responses = messages.iter().filter(|message| {
        message
            .as_ref()
            .is_ok_and(|decoded| !decoded.message.is_request())
    });
    let responses = responses.count() as u64;
    let all = messages.len() as u64;
    let done = answers + tally.dropped;
    // A response that belonged to a request of the node was taken.
    if received != tally.received || done > all || done + responses < all {
        return Err(format!("{all} came: {answers} answered, {tally:?}"));
    }
    let caused = answers.saturating_sub(tally.duplicates);
    if tally.causes > caused {
        return Err(format!("{} causes for {caused} answers", tally.causes));
    }
    Ok(())
}

/// Messages in one datagram: all but the last say that another one follows (TS 29.244, 6.5). Those
/// without a SEID go by themselves.
fn bundle(out: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut together, mut alone): (Vec<_>, Vec<_>) =
        out.into_iter().partition(|octets| octets[0] & 1 == 1);
    if let Some((_, first)) = together.split_last_mut() {
        for octets in first {
            octets[0] |= 4;
        }
    }
    alone.extend((!together.is_empty()).then(|| together.concat()));
    alone
}

/// The messages of a sound datagram, each as if it had come alone.
fn apart(octets: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut apart) = (octets, Vec::new());
    while rest.len() >= 4 {
        let length = 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let (message, behind) = rest.split_at(length.min(rest.len()));
        let mut message = message.to_vec();
        message[0] &= !4;
        apart.push(message);
        rest = behind;
    }
    apart
}

/// What the node tells each message of a datagram by: itself, and with all that follows it; each as
/// if no other one followed.
fn pieces(mut octets: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let last = |octets: &[u8]| {
        let mut octets = octets.to_vec();
        if let Some(flags) = octets.first_mut() {
            *flags &= !4;
        }
        octets
    };
    let mut pieces = vec![];
    while let [flags, _, high, low, ..] = *octets
        && flags & 4 != 0
        && let Some((own, rest)) =
            octets.split_at_checked(4 + usize::from(u16::from_be_bytes([high, low])))
    {
        pieces.push((last(own), last(octets)));
        octets = rest;
    }
    pieces.push((last(octets), last(octets)));
    pieces
}

fn describe(
    flight: &Flight,
    messages: &[Result<Decoded, DecodeError>],
    answers: &[(Decoded, Vec<u8>)],
) -> String {
    let asked = messages.iter().map(|message| match message {
        Ok(decoded) => format!("{} {}", decoded.message.name(), decoded.header.sequence),
        Err(error) => error.to_string(),
    });
    let asked = asked.collect::<Vec<_>>().join(", ");
    let answers = answers.iter().map(|(answer, _)| {
        let cause = support::cause(&answer.message);
        format!("{} {cause:?}", answer.message.name())
    });
    let answers = answers.collect::<Vec<_>>().join(", ");
    let damaged = if flight.damaged { " (damaged)" } else { "" };
    format!("{}{damaged}: {asked} -> {answers}", flight.from)
}
