//! Work that is too much for one call: done in slices, one with each tick, so that heartbeats are
//! answered meanwhile.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::Range;
use std::vec;

use pfcp::{
    AssociationSetupResponse, Cause, NodeId, PfdPartialFailureInformation,
    SessionRetentionInformation,
};
use rustc_hash::FxHashSet;
use session::{Epoch, SessionIndex};

use crate::association::PeerId;
use crate::node::{Asked, Node};
use crate::procedure::pfd::PfdChange;
use crate::refusal::Refusal;
use crate::sets::Which;

/// How many sessions have their turn in one slice: about half a millisecond.
const SESSIONS_PER_SLICE: usize = 512;

/// Something to be done to each of many sessions.
#[derive(Debug)]
pub(crate) struct Job {
    /// Whose sessions have their turn, and who that is; `None`: everybody's. What is to be done for
    /// one node is done in order, and so is what is done to everybody's sessions.
    pub(crate) peer: Option<PeerId>,
    pub(crate) node_id: Option<NodeId>,
    pub(crate) sessions: Members,
    /// Of those, the ones that are among these, if it says so.
    pub(crate) only: Option<Which>,
    pub(crate) fate: Fate,
    /// The answer that is due when all have had their turn.
    pub(crate) owed: Option<Owed>,
    /// When all workers have seen what was done last.
    pub(crate) last: Option<Epoch>,
}

/// What becomes of a session.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It ends, if it is not one to keep.
    End {
        keep: Option<Keep>,
        /// How many were kept.
        kept: usize,
    },
    /// The first change that it is among says which SMF its reports go to from now on.
    Redirect(Vec<(Which, IpAddr)>),
    /// If it names one of these applications, it is compiled anew. Once one cannot be, the change
    /// is taken back for all.
    Recompile(PfdChange),
}

/// So many sessions can be copied and sorted at once; of more, each place has its turn.
const SORTED_AT_ONCE: usize = 8_192;

/// Which sessions have their turn; some may be gone when it comes. They have it in the order in
/// which they came, which is roughly that of their memory: with a million of them, any other order
/// waits for memory most of the time.
#[derive(Debug)]
pub(crate) enum Members {
    These(vec::IntoIter<SessionIndex>),
    All(Range<u32>),
}

impl Members {
    pub(crate) const fn none() -> Self {
        Self::All(0..0)
    }

    /// At most so many sessions, some perhaps more than once; or all that have a place, if it is
    /// not worth while to pick them out.
    pub(crate) fn these(
        sessions: impl Iterator<Item = SessionIndex>,
        most: usize,
        places: u32,
    ) -> Self {
        if most > SORTED_AT_ONCE {
            return Self::all(places);
        }
        let mut sessions: Vec<SessionIndex> = sessions.collect();
        sessions.sort_unstable();
        sessions.dedup();
        Self::These(sessions.into_iter())
    }

    /// The sessions of a job's peer, which has these of so many places.
    pub(crate) fn of_peer(sessions: &FxHashSet<SessionIndex>, places: u32) -> Self {
        Self::these(sessions.iter().copied(), sessions.len(), places)
    }

    /// All that have an index below this.
    pub(crate) const fn all(places: u32) -> Self {
        Self::All(0..places)
    }

    fn next(&mut self) -> Option<SessionIndex> {
        match self {
            Self::These(these) => these.next(),
            Self::All(places) => places.next().map(SessionIndex),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::These(these) => these.len() == 0,
            Self::All(places) => places.is_empty(),
        }
    }
}

/// Sessions to keep, and whose they are then.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    pub(crate) peer: PeerId,
    pub(crate) wish: SessionRetentionInformation,
}

/// An answer that is due when sessions have had their turn.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) asked: Asked,
    pub(crate) answer: OwedAnswer,
}

#[derive(Debug)]
pub(crate) enum OwedAnswer {
    Setup(Box<AssociationSetupResponse>),
    Release,
    SetDeletion,
    SetModification,
    Pfds(Vec<PfdPartialFailureInformation>),
}

/// What is to be done: a slice for one node, then one for the next.
#[derive(Debug, Default)]
pub(crate) struct WorkQueue {
    /// Never without a job.
    lines: VecDeque<Line>,
    /// The digests of requests whose answers are owed.
    owed: FxHashSet<u64>,
}

/// What is to be done for one node, or to everybody's sessions, in order.
#[derive(Debug)]
struct Line {
    node_id: Option<NodeId>,
    jobs: VecDeque<Job>,
}

impl WorkQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether the answer to this request is still to come.
    pub(crate) fn owes(&self, asked: &Asked) -> bool {
        self.owed.contains(&asked.digest)
    }

    fn line(&mut self, node: Option<&NodeId>) -> Option<&mut Line> {
        let mut lines = self.lines.iter_mut();
        lines.find(|line| line.node_id.as_ref() == node)
    }

    /// How much is still to be done for a node.
    pub(crate) fn waiting(&self, node: &NodeId) -> usize {
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.node_id.as_ref() == Some(node));
        line.map_or(0, |line| line.jobs.len())
    }

    /// How much is still to be done to everybody's sessions that was asked for from there.
    pub(crate) fn waiting_for_all(&self, from: IpAddr) -> usize {
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.node_id.is_none());
        let jobs = line.into_iter().flat_map(|line| &line.jobs);
        let owed = jobs.filter_map(|job| job.owed.as_ref());
        owed.filter(|owed| owed.asked.from.ip() == from).count()
    }

    /// Adds a job, for which it is next to do a slice; `false` if others are to be done before.
    fn push(&mut self, job: Job) -> bool {
        self.owed
            .extend(job.owed.as_ref().map(|owed| owed.asked.digest));
        if let Some(line) = self.line(job.node_id.as_ref()) {
            line.jobs.push_back(job);
            return false;
        }
        self.lines.push_front(Line {
            node_id: job.node_id.clone(),
            jobs: VecDeque::from([job]),
        });
        true
    }

    /// The node begins anew: what it was owed before is of no use to it, and what it keeps goes to
    /// the newest association.
    pub(crate) fn begin_anew(&mut self, node: &NodeId, newest: Option<&Keep>) {
        let mut of_no_use = Vec::new();
        for job in self
            .line(Some(node))
            .into_iter()
            .flat_map(|line| &mut line.jobs)
        {
            of_no_use.extend(job.owed.take());
            if let Fate::End { keep, .. } = &mut job.fate {
                *keep = keep.as_ref().and(newest.cloned());
            }
        }
        for owed in of_no_use {
            self.owed.remove(&owed.asked.digest);
        }
    }

    /// Has an answer wait for the last job of a node; gives it back if there is none.
    pub(crate) fn answer_last(&mut self, node: &NodeId, owed: Owed) -> Option<Owed> {
        let Some(last) = self.line(Some(node)).and_then(|line| line.jobs.back_mut()) else {
            return Some(owed);
        };
        let digest = owed.asked.digest;
        last.owed = Some(owed);
        self.owed.insert(digest);
        None
    }

    /// How many sessions a job has kept is told with the answer to the last one of its node.
    fn hand_on(&mut self, node: Option<&NodeId>, more: usize) {
        let next = self.line(node).and_then(|line| line.jobs.front_mut());
        if let Some(Fate::End { kept, .. }) = next.map(|job| &mut job.fate) {
            *kept += more;
        }
    }
}

impl Node {
    /// Begins a job: it is done at once if its sessions are few and nothing else is to be done for
    /// that node.
    pub(crate) fn begin(&mut self, job: Job) {
        if self.work.push(job) {
            self.go_on();
        }
    }

    /// Does one slice of what there is to do.
    pub(crate) fn go_on(&mut self) {
        let Some(mut line) = self.work.lines.pop_front() else {
            return;
        };
        let Some(mut job) = line.jobs.pop_front() else {
            return;
        };
        let is_done = self.do_slice(&mut job);
        let mut done = None;
        if is_done {
            done = Some(job);
        } else {
            line.jobs.push_front(job);
        }
        if !line.jobs.is_empty() {
            self.work.lines.push_back(line);
        }
        if let Some(job) = done {
            self.pay(job);
        }
        self.publisher.reclaim();
    }

    /// Refuses to begin what would wait behind too much that a peer has asked for already.
    pub(crate) fn may_wait(&mut self, waiting: usize) -> Result<(), Refusal> {
        if waiting < self.config.limits.long_requests_per_peer {
            return Ok(());
        }
        self.counters.long_requests_refused += 1;
        Err(Refusal::new(Cause::ENTITY_IN_CONGESTION))
    }

    /// Whether all have had their turn.
    fn do_slice(&mut self, job: &mut Job) -> bool {
        if let Fate::Recompile(change) = &mut job.fate
            && let Some(sessions) = self.begin_pfds(change)
        {
            job.sessions = sessions;
        }
        for _ in 0..SESSIONS_PER_SLICE {
            let Some(index) = job.sessions.next() else {
                return true;
            };
            let session = self.sessions.get(index);
            let Some(session) =
                session.filter(|session| job.peer.is_none_or(|peer| session.peer == peer))
            else {
                continue;
            };
            let cp = session.cp.address;
            let only = job.only.as_ref();
            if only.is_some_and(|which| !self.sets.is_among(index, cp, which)) {
                continue;
            }
            match &mut job.fate {
                Fate::End { keep, kept } => {
                    let keeper = keep.as_ref().filter(|keep| keep.wants(cp));
                    if let Some(keep) = keeper.filter(|keep| self.peers.get(keep.peer).is_some()) {
                        let keeper = keep.peer;
                        self.hand_over(index, keeper);
                        *kept += 1;
                    } else if let Some((_, epoch)) = self.end_session(index) {
                        job.last = Some(epoch);
                    }
                }
                Fate::Redirect(changes) => {
                    let mut changes = changes.iter();
                    let change = changes.find(|(which, _)| self.sets.is_among(index, cp, which));
                    if let Some((_, to)) = change {
                        self.redirect(index, *to);
                    }
                }
                Fate::Recompile(change) => match self.recompile(index, change) {
                    Ok(after) => job.last = after.or(job.last),
                    Err(again) => job.sessions = again,
                },
            }
        }
        job.sessions.is_empty()
    }

    /// Gives a session to another association.
    pub(crate) fn hand_over(&mut self, index: SessionIndex, to: PeerId) {
        let was = self.sessions.get(index).map(|session| session.peer);
        if let Some(peer) = was.and_then(|was| self.peers.get_mut(was)) {
            peer.sessions.remove(&index);
        }
        let changed = self.sessions.change(index, |session| {
            session.peer = to;
            let postponed = session.postponed.then_some(session.seid);
            let untold = session.details.is_untold().then_some(session.seid);
            (session.cp, (postponed, untold))
        });
        let (cp, waiting) = changed.unzip();
        let (postponed, untold) = waiting.unwrap_or_default();
        if let Some(peer) = self.peers.get_mut(to) {
            peer.sessions.insert(index);
            let this = |seid| (index, seid);
            peer.postponed.extend(postponed.map(this));
            peer.untold.extend(untold.map(this));
        }
        if let Some(cp) = cp {
            self.learn_address(to, cp);
        }
    }

    fn pay(&mut self, job: Job) {
        let Some(Owed { asked, answer }) = job.owed else {
            if let Fate::End {
                kept: kept @ 1.., ..
            } = job.fate
            {
                self.work.hand_on(job.node_id.as_ref(), kept);
            }
            return;
        };
        self.work.owed.remove(&asked.digest);
        let retained = matches!(job.fate, Fate::End { kept: 1.., .. });
        match answer {
            OwedAnswer::Setup(answer) => self.answer_setup(&asked, *answer, retained, job.last),
            OwedAnswer::Release => self.answer_release(&asked, job.last),
            OwedAnswer::SetDeletion => self.answer_set_deletion(&asked, job.last),
            OwedAnswer::SetModification => self.answer_set_modification(&asked),
            OwedAnswer::Pfds(failures) => match job.fate {
                Fate::Recompile(PfdChange {
                    failed: Some(refusal),
                    ..
                }) => self.refuse_pfds(&asked, refusal),
                _ => self.answer_pfds(&asked, failures, job.last),
            },
        }
    }
}
