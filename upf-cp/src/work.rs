//! Work that is too much for one call: done in slices, one with each tick, so that heartbeats are
//! answered meanwhile.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::Range;
use std::vec;

use pfcp::{
    AssociationSetupResponse, NodeId, PfdPartialFailureInformation, SessionRetentionInformation,
};
use rustc_hash::FxHashSet;
use session::{Epoch, SessionIndex};

use crate::association::PeerId;
use crate::node::{Asked, Node};
use crate::procedure::pfd::PfdChange;
use crate::sets::Which;

/// How many sessions have their turn in one slice: about half a millisecond.
const SESSIONS_PER_SLICE: usize = 512;

/// Something to be done to each of many sessions.
#[derive(Debug)]
pub(crate) struct Job {
    /// Whose sessions have their turn, and who that is; `None`: everybody's.
    pub(crate) peer: Option<PeerId>,
    pub(crate) node_id: Option<NodeId>,
    pub(crate) sessions: Members,
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

/// Of how many places one must be a peer's, so that a look at all of them finds its sessions as fast
/// as sorting them.
const PLACES_PER_SESSION: usize = 8;

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

    pub(crate) fn these(sessions: FxHashSet<SessionIndex>) -> Self {
        let mut sessions: Vec<SessionIndex> = sessions.into_iter().collect();
        sessions.sort_unstable();
        Self::These(sessions.into_iter())
    }

    /// The sessions of a job's peer, which has these of so many places.
    pub(crate) fn of_peer(sessions: FxHashSet<SessionIndex>, places: u32) -> Self {
        let looked_at = u32::try_from(sessions.len() * PLACES_PER_SESSION).unwrap_or(u32::MAX);
        if sessions.len() <= SESSIONS_PER_SLICE || looked_at < places {
            Self::these(sessions)
        } else {
            Self::all(places)
        }
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

/// What is to be done, in order.
#[derive(Debug, Default)]
pub(crate) struct WorkQueue {
    jobs: VecDeque<Job>,
}

impl WorkQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether the answer to this request is still to come.
    pub(crate) fn owes(&self, asked: &Asked) -> bool {
        let mut owed = self.jobs.iter().filter_map(|job| job.owed.as_ref());
        owed.any(|owed| owed.asked.digest == asked.digest)
    }

    /// The node begins anew: what it was owed before is of no use to it, and what it keeps goes to
    /// the newest association. Gives the owed answer back if nothing of that node is left to do.
    pub(crate) fn begin_anew(
        &mut self,
        node: &NodeId,
        newest: Option<&Keep>,
        owed: Owed,
    ) -> Option<Owed> {
        let mut last = None;
        for job in self
            .jobs
            .iter_mut()
            .filter(|job| job.node_id.as_ref() == Some(node))
        {
            job.owed = None;
            if let Fate::End { keep, .. } = &mut job.fate {
                *keep = keep.as_ref().and(newest.cloned());
            }
            last = Some(job);
        }
        match last {
            Some(job) => {
                job.owed = Some(owed);
                None
            }
            None => Some(owed),
        }
    }
}

impl Node {
    /// Begins a job: it is done at once if its sessions are few.
    pub(crate) fn begin(&mut self, job: Job) {
        self.work.jobs.push_back(job);
        if self.work.jobs.len() == 1 {
            self.go_on();
        }
    }

    /// Does one slice of what there is to do.
    pub(crate) fn go_on(&mut self) {
        let Some(mut job) = self.work.jobs.pop_front() else {
            return;
        };
        if self.do_slice(&mut job) {
            self.pay(job);
        } else {
            self.work.jobs.push_front(job);
        }
        self.publisher.reclaim();
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
            (session.cp, session.postponed.then_some(session.seid))
        });
        let (cp, postponed) = changed.unzip();
        if let Some(peer) = self.peers.get_mut(to) {
            peer.sessions.insert(index);
            let postponed = postponed.flatten().map(|seid| (index, seid));
            peer.postponed.extend(postponed);
        }
        if let Some(cp) = cp {
            self.learn_address(to, cp);
        }
    }

    fn pay(&mut self, job: Job) {
        let Some(Owed { asked, answer }) = job.owed else {
            return;
        };
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
