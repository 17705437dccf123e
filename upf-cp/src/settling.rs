//! What waits until no worker counts by old rules any more.
//!
//! A worker that is in the midst of a burst goes on to count by the plan that it began with. What a
//! session or a URR has used in all is therefore known only when every worker has passed the change
//! that ended it: until then its last report waits here, and with it the answer that carries it.
//! That takes the time of a burst.

use std::collections::VecDeque;
use std::sync::Arc;

use pfcp::SessionModificationResponse;
use rustc_hash::{FxHashMap, FxHashSet};
use session::{Epoch, Ledger, Seid, SessionIndex, UrrId};

use crate::association::PeerId;
use crate::event::{Now, Output};
use crate::node::{Asked, Node};
use crate::sessions::Session;
use crate::usage::UrrControl;

/// How many reports are made in one call; the rest waits for the next one.
const SETTLED_AT_ONCE: usize = 1_024;

/// Something that ends with a last report.
#[derive(Debug)]
pub(crate) enum Unsettled {
    /// A session that the CP function has deleted.
    Deletion(Asked, Box<Session>),
    /// A modification that URRs go with.
    Modification(Box<Modification>),
    /// A session that ends before its association does (EPFAR).
    Ended(Box<Session>),
}

/// A modification that is in force, but for the last reports in its answer.
#[derive(Debug)]
pub(crate) struct Modification {
    pub(crate) asked: Asked,
    pub(crate) session: SessionIndex,
    pub(crate) seid: Seid,
    /// The CP function's SEID.
    pub(crate) cp_seid: u64,
    pub(crate) answer: SessionModificationResponse,
    pub(crate) leaving: Leaving,
}

/// URRs that count no more by the new rules.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// Those that are removed, with their counters.
    pub(crate) removed: Vec<(UrrControl, Arc<Ledger>)>,
    /// Those that stay, without a PDR.
    pub(crate) lost: Vec<UrrId>,
}

impl Leaving {
    pub(crate) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.lost.is_empty()
    }
}

/// All that waits, in the order of its epochs.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    waiting: VecDeque<(Epoch, Unsettled)>,
    /// The digests of requests whose answers are still to come.
    owed: FxHashSet<u64>,
    /// Sessions with such a modification: later answers about them are not to overtake it.
    modified: FxHashMap<SessionIndex, Epoch>,
}

impl Settling {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the answer to this request is still to come.
    pub(crate) fn owes(&self, asked: &Asked) -> bool {
        self.owed.contains(&asked.digest)
    }

    /// How many sessions of that peer have ended in good order, and are still to be reported.
    pub(crate) fn ending(&self, peer: PeerId) -> usize {
        let ending = |(_, what): &&(Epoch, Unsettled)| matches!(what, Unsettled::Ended(session) if session.peer == peer);
        self.waiting.iter().filter(ending).count()
    }

    /// When the last answer about the session that waits here may go.
    pub(crate) fn last_of(&self, session: SessionIndex) -> Option<Epoch> {
        self.modified.get(&session).copied()
    }

    /// Has it wait for an epoch, which is not before those of the others.
    pub(crate) fn push(&mut self, epoch: Epoch, what: Unsettled) {
        match &what {
            Unsettled::Deletion(asked, _) => _ = self.owed.insert(asked.digest),
            Unsettled::Modification(change) => {
                self.owed.insert(change.asked.digest);
                self.modified.insert(change.session, epoch);
            }
            Unsettled::Ended(_) => {}
        }
        self.waiting.push_back((epoch, what));
    }

    /// The next one whose epoch has passed.
    fn pop(&mut self, passed: Epoch) -> Option<Unsettled> {
        let (epoch, what) = self.waiting.pop_front_if(|(epoch, _)| *epoch <= passed)?;
        match &what {
            Unsettled::Deletion(asked, _) => _ = self.owed.remove(&asked.digest),
            Unsettled::Modification(change) => {
                self.owed.remove(&change.asked.digest);
                if self.last_of(change.session) == Some(epoch) {
                    self.modified.remove(&change.session);
                }
            }
            Unsettled::Ended(_) => {}
        }
        Some(what)
    }
}

impl Node {
    /// How many last reports wait for workers; [`settle`](Self::settle) is to be called when those
    /// have gone on.
    pub fn unsettled(&self) -> usize {
        self.settling.len()
    }

    /// Makes the last reports that no worker can add to any more, and says what to do about them.
    pub fn settle(&mut self, now: Now) -> Vec<Output> {
        self.begin_call(now);
        self.settle_past();
        self.outputs()
    }

    pub(crate) fn settle_past(&mut self) {
        if self.settling.len() == 0 {
            return;
        }
        let passed = self.publisher.tables().passed();
        for _ in 0..SETTLED_AT_ONCE {
            match self.settling.pop(passed) {
                Some(Unsettled::Deletion(asked, session)) => self.deleted(&asked, session),
                Some(Unsettled::Modification(change)) => self.modified(*change),
                Some(Unsettled::Ended(session)) => self.ended(session),
                None => return,
            }
        }
    }
}
