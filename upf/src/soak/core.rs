//! The SMF that stays: it creates, modifies and deletes sessions under load, and keeps the books.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pfcp::{Message, QerId, QueryUrr, SessionModificationRequest, UpdateQer, UrrId};
use rand::RngExt as _;
use rand::rngs::StdRng;
use simulator::{Done, Event, Flavour, Job, Session, SessionSpec, Smf, SmfConfig, Timings, Tunnel};

use super::usage::Usage;
use crate::lab::{self, Handle, UPF_N3, flavour, tunnel};

/// Requests in flight.
pub(super) const WINDOW: usize = 32;
/// Octets after which sessions are reported.
const THRESHOLD: u64 = 200_000;
/// The gNB that may fall silent: no session moves from it or to it.
pub(super) const SILENT_GNB: usize = 2;

/// Places for UEs: an address belongs to one at a time, and rests between two.
#[derive(Debug)]
pub(super) struct Places {
    free: VecDeque<u32>,
    left: Vec<u32>,
}

impl Places {
    pub(super) fn new(first: u32, count: u32) -> Self {
        Self {
            free: (first..first + count).collect(),
            left: Vec::new(),
        }
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        self.free.pop_front()
    }

    pub(super) fn leave(&mut self, place: u32) {
        self.left.push(place);
    }

    /// Nothing is under way any more: addresses may be used again.
    pub(super) fn rest(&mut self) {
        self.free.extend(self.left.drain(..));
    }
}

/// What was done, since it was asked for last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) created: u32,
    pub(super) modified: u32,
    pub(super) deleted: u32,
    pub(super) reports: u64,
    pub(super) pages: u32,
}

/// The SMF.
pub(super) struct Core<'a> {
    lab: &'a Handle,
    smf: Smf,
    random: StdRng,
    usage: Usage,
    /// Sessions up to this number stay until the end, and lose no packet.
    certain: u32,
    /// The others that are up: the place of each.
    beside: BTreeMap<u32, u32>,
    /// How many of them there are to be.
    wanted: usize,
    pub(super) places: Places,
    /// Tunnels that End Markers have to come in.
    pub(super) left_tunnels: Vec<Tunnel>,
    /// Sessions whose gNB was reported not to know them.
    disowned: BTreeSet<u32>,
    pub(super) work: Work,
    /// What was found to be wrong.
    pub(super) faults: Vec<String>,
}

/// A session as an SMF wants it, at a place.
pub(super) fn spec(place: u32, flavour: Flavour) -> SessionSpec {
    let (ue_ipv4, ue_ipv6) = lab::ue_addresses(place);
    SessionSpec {
        flavour,
        ue_ipv4,
        ue_ipv6,
        n3_address: UPF_N3,
        volume_threshold: (flavour == Flavour::Simple).then_some(THRESHOLD),
        ..SessionSpec::default()
    }
}

/// As an SMF is set up.
pub(super) fn smf_config(local: Ipv4Addr, upf: Ipv4Addr) -> SmfConfig {
    SmfConfig::new(IpAddr::V4(local), IpAddr::V4(upf))
}

/// From one gNB to the other.
fn handover(session: u32, at: Tunnel) -> Job {
    let tunnel = [0, 1]
        .map(|gnb| tunnel(session, gnb))
        .into_iter()
        .find(|other| *other != at)
        .unwrap_or(at);
    Job::PathSwitch {
        session,
        tunnel,
        end_marker: true,
    }
}

impl<'a> Core<'a> {
    /// Associates, and sets `certain` sessions up that stay.
    pub(super) fn start(
        lab: &'a Handle,
        [local, upf]: [Ipv4Addr; 2],
        random: StdRng,
        (certain, beside): (u32, u32),
        places: u32,
    ) -> Result<Self> {
        let mut smf = Smf::bind(smf_config(local, upf))?;
        smf.associate().context("no association")?;
        let mut core = Self {
            lab,
            smf,
            random,
            usage: Usage::default(),
            certain,
            beside: BTreeMap::new(),
            wanted: usize::try_from(beside)?,
            places: Places::new(certain, places),
            left_tunnels: Vec::new(),
            disowned: BTreeSet::new(),
            work: Work::default(),
            faults: Vec::new(),
        };
        let specs = (0..certain).map(|place| spec(place, Flavour::Simple));
        let mut activations = Vec::new();
        for done in core.smf.establish_many(specs, WINDOW) {
            let session = done.context("a session was refused")?.session;
            let gnb = usize::try_from(session % 2)?;
            activations.push(Job::Activate {
                session,
                tunnel: tunnel(session, gnb),
            });
        }
        core.modify(activations)?;
        Ok(core)
    }

    /// The sessions that are up.
    pub(super) fn sessions(&self) -> usize {
        self.smf.sessions().len()
    }

    /// How long procedures took since this was asked for last.
    pub(super) fn take_timings(&mut self) -> Timings {
        self.smf.take_timings()
    }

    /// Serves what the UPF asks.
    pub(super) fn serve(&mut self, how_long: Duration) -> Result<()> {
        self.smf.serve(how_long)?;
        self.events();
        Ok(())
    }

    /// Creates that many sessions, modifies as many and more, and deletes as many.
    pub(super) fn tick(&mut self, count: usize) -> Result<()> {
        let surplus = (self.beside.len() + count).saturating_sub(self.wanted);
        let leaving = self.some(surplus);
        self.delete(leaving)?;
        let fresh = self.create(count)?;
        let jobs = self.changes(fresh, count);
        self.modify(jobs)
    }

    /// Some sessions of those that may lose packets.
    fn some(&mut self, count: usize) -> Vec<u32> {
        let mut all: Vec<u32> = self.beside.keys().copied().collect();
        let mut some = Vec::new();
        while some.len() < count && !all.is_empty() {
            let at = self.random.random_range(0..all.len());
            some.push(all.swap_remove(at));
        }
        some
    }

    fn create(&mut self, count: usize) -> Result<Vec<u32>> {
        let places: Vec<u32> = (0..count).map_while(|_| self.places.take()).collect();
        let specs = places.iter().map(|place| spec(*place, flavour(*place)));
        let results = self.smf.establish_many(specs, WINDOW);
        let mut fresh = Vec::new();
        for (place, result) in places.into_iter().zip(results) {
            let session = result.context("a session was refused")?.session;
            self.beside.insert(session, place);
            fresh.push(session);
        }
        self.work.created += u32::try_from(fresh.len())?;
        self.settled(&fresh, &[])?;
        Ok(fresh)
    }

    /// Fresh sessions become active, others idle or active, or move; some of those that stay, too.
    fn changes(&mut self, fresh: Vec<u32>, count: usize) -> Vec<Job> {
        let mut jobs: BTreeMap<u32, Job> = BTreeMap::new();
        for session in fresh {
            jobs.insert(session, self.activation(session));
        }
        for session in self.some(count) {
            let gnb = self.smf.sessions().get(session).and_then(|of| of.gnb);
            let job = match gnb {
                None => self.activation(session),
                Some(at) if at == tunnel(session, SILENT_GNB) => Job::Idle { session },
                Some(at) if self.random.random_bool(0.5) => handover(session, at),
                Some(_) => Job::Idle { session },
            };
            jobs.entry(session).or_insert(job);
        }
        for _ in 0..count.div_ceil(4) {
            let session = self.random.random_range(0..self.certain.max(1));
            let gnb = self.smf.sessions().get(session).and_then(|of| of.gnb);
            let job = match gnb {
                Some(at) if self.random.random_bool(0.5) => handover(session, at),
                _ => self.query(session),
            };
            jobs.entry(session).or_insert(job);
        }
        jobs.into_values().collect()
    }

    fn activation(&mut self, session: u32) -> Job {
        let gnb = self.random.random_range(0..=SILENT_GNB);
        let tunnel = tunnel(session, gnb);
        Job::Activate { session, tunnel }
    }

    /// Another bit rate, and how much was used.
    fn query(&mut self, session: u32) -> Job {
        let kbps = pfcp::Kbps::saturating(self.random.random_range(50_000_000..100_000_000));
        let qer = UpdateQer {
            qer_id: QerId(1),
            maximum_bitrate: pfcp::Update::Set(pfcp::Mbr {
                uplink: kbps,
                downlink: kbps,
            }),
            ..Default::default()
        };
        let query = QueryUrr {
            urr_id: UrrId(1),
            ..Default::default()
        };
        let body = SessionModificationRequest {
            update_qers: vec![qer],
            query_urrs: vec![query],
            ..Default::default()
        };
        Job::Modify {
            session,
            body: Box::new(body),
        }
    }

    fn modify(&mut self, jobs: Vec<Job>) -> Result<()> {
        let mut after = Vec::new();
        for job in &jobs {
            let (session, gnb) = match job {
                Job::Activate { session, tunnel } => (*session, Some(*tunnel)),
                Job::Idle { session } => (*session, None),
                Job::PathSwitch {
                    session, tunnel, ..
                } => {
                    let now = self.smf.sessions().get(*session);
                    self.left_tunnels
                        .extend(now.and_then(|session| session.gnb));
                    (*session, Some(*tunnel))
                }
                _ => continue,
            };
            let known = self.smf.sessions().get(session).cloned();
            after.extend(known.map(|known| Session { gnb, ..known }));
        }
        self.lab.run(move |lab| lab.expect(after))?;
        let mut changed = Vec::new();
        for result in self.smf.run(jobs, WINDOW) {
            let done = result.context("a modification failed")?;
            changed.push(done.session);
            self.enter(&done);
        }
        self.work.modified += u32::try_from(changed.len())?;
        self.settled(&changed, &[])?;
        Ok(())
    }

    fn delete(&mut self, sessions: Vec<u32>) -> Result<()> {
        let jobs = sessions.into_iter().map(|session| Job::Delete { session });
        let mut gone = Vec::new();
        for result in self.smf.run(jobs, WINDOW) {
            let done = result.context("a session was not deleted")?;
            gone.push(done.session);
            self.enter(&done);
        }
        self.events();
        self.work.deleted += u32::try_from(gone.len())?;
        for (session, came_out) in self.settled(&[], &gone)? {
            if self.is_accounted(session) {
                self.faults.extend(self.usage.close(session, came_out));
            }
            if let Some(place) = self.beside.remove(&session) {
                self.places.leave(place);
            }
        }
        Ok(())
    }

    /// The lab is told what the UPF has answered to.
    fn settled(&self, changed: &[u32], gone: &[u32]) -> Result<Vec<(u32, u64)>> {
        let known = |number: &u32| self.smf.sessions().get(*number).cloned();
        let now: Vec<Session> = changed.iter().filter_map(known).collect();
        let gone = gone.to_vec();
        self.lab.run(move |lab| lab.changed(now, &gone))
    }

    /// Whether a session has the one URR that is kept account of.
    fn is_accounted(&self, session: u32) -> bool {
        let place = self.beside.get(&session);
        session < self.certain || place.is_some_and(|place| flavour(*place) == Flavour::Simple)
    }

    /// The usage reports of an answer.
    fn enter(&mut self, done: &Done) {
        let reports = match &done.answer.message {
            Message::SessionModificationResponse(answer) => &answer.usage_reports,
            Message::SessionDeletionResponse(answer) => &answer.usage_reports,
            _ => return,
        };
        if self.is_accounted(done.session) {
            self.usage.enter(done.session, reports);
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.smf.next_event() {
            match event {
                Event::Usage { session, reports } => {
                    self.work.reports += 1;
                    if self.is_accounted(session) {
                        self.usage.enter(session, &reports);
                    }
                }
                Event::DownlinkData { .. } => self.work.pages += 1,
                Event::ErrorIndication { session } => {
                    self.disowned.insert(session);
                }
                _ => {}
            }
        }
    }

    /// A gNB forgets some sessions; the UPF has to tell of each.
    pub(super) fn disown(&mut self, count: usize) -> Result<()> {
        let active = |session: &u32| {
            let of = self.smf.sessions().get(*session);
            of.is_some_and(|session| session.gnb.is_some())
        };
        let active: Vec<u32> = self.beside.keys().copied().filter(active).collect();
        let some: Vec<u32> = active.into_iter().take(count).collect();
        self.disowned.clear();
        let of_lab = some.clone();
        self.lab.run(move |lab| lab.disown(&of_lab))?;
        for _ in 0..100 {
            if some.iter().all(|session| self.disowned.contains(session)) {
                return self.modify(
                    some.into_iter()
                        .map(|session| Job::Idle { session })
                        .collect(),
                );
            }
            self.serve(Duration::from_millis(20))?;
        }
        let (told, all) = (self.disowned.len(), some.len());
        self.faults
            .push(format!("{told} of {all} Error Indications were reported"));
        Ok(())
    }

    /// All sessions end, and the association.
    pub(super) fn end(&mut self) -> Result<()> {
        self.serve(Duration::from_millis(50))?;
        let all = self.smf.sessions().iter().map(|session| session.number);
        self.delete(all.collect())?;
        self.smf
            .release()
            .context("the association was not released")?;
        ensure!(self.smf.sessions().is_empty(), "sessions are left");
        Ok(())
    }
}
