//! Work that is too much for one call: done in slices, one with each tick, so that heartbeats are
//! answered meanwhile.

use std::collections::{VecDeque, hash_set};

use pfcp::{AssociationSetupResponse, NodeId, SessionRetentionInformation};
use session::{Epoch, SessionIndex};

use crate::association::PeerId;
use crate::node::{Asked, Node};

/// How many sessions are ended in one slice: about half a millisecond.
const SESSIONS_PER_SLICE: usize = 512;

/// Sessions of an association that is no more.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) peer: PeerId,
    pub(crate) node_id: NodeId,
    pub(crate) sessions: hash_set::IntoIter<SessionIndex>,
    /// Which of them go over to a new association.
    pub(crate) keep: Option<Keep>,
    /// How many did.
    pub(crate) kept: usize,
    /// The answer that is due when all have ended.
    pub(crate) owed: Option<Owed>,
    /// When all workers have seen the last one go.
    pub(crate) last: Option<Epoch>,
}

/// Sessions to keep, and whose they are then.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    pub(crate) peer: PeerId,
    pub(crate) wish: SessionRetentionInformation,
}

/// An answer that is due when sessions have ended.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) asked: Asked,
    pub(crate) answer: OwedAnswer,
}

#[derive(Debug)]
pub(crate) enum OwedAnswer {
    Setup(Box<AssociationSetupResponse>),
    Release,
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub(crate) struct WorkQueue {
    leaving: VecDeque<Leaving>,
}

impl WorkQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.leaving.is_empty()
    }

    /// Whether the answer to this request is still to come.
    pub(crate) fn owes(&self, asked: &Asked) -> bool {
        let owed = self.leaving.iter().filter_map(|left| left.owed.as_ref());
        owed.into_iter()
            .any(|owed| owed.asked.digest == asked.digest)
    }

    /// The node begins anew: what it was owed before is of no use to it, and what it keeps goes to
    /// the newest association. Gives the owed answer back if nothing of that node is left to end.
    pub(crate) fn begin_anew(
        &mut self,
        node: &NodeId,
        keep: Option<&Keep>,
        owed: Owed,
    ) -> Option<Owed> {
        let mut last = None;
        for leaving in self.leaving.iter_mut().filter(|left| left.node_id == *node) {
            leaving.owed = None;
            leaving.keep = leaving.keep.as_ref().and(keep.cloned());
            last = Some(leaving);
        }
        match last {
            Some(leaving) => {
                leaving.owed = Some(owed);
                None
            }
            None => Some(owed),
        }
    }
}

impl Node {
    /// Ends the sessions of an association that is no more: at once if they are few.
    pub(crate) fn leave(&mut self, leaving: Leaving) {
        self.work.leaving.push_back(leaving);
        if self.work.leaving.len() == 1 {
            self.go_on();
        }
    }

    /// Does one slice of what there is to do.
    pub(crate) fn go_on(&mut self) {
        let Some(mut leaving) = self.work.leaving.pop_front() else {
            return;
        };
        if self.end_slice(&mut leaving) {
            self.pay(leaving);
        } else {
            self.work.leaving.push_front(leaving);
        }
        self.publisher.reclaim();
    }

    /// Whether all have ended.
    fn end_slice(&mut self, leaving: &mut Leaving) -> bool {
        for _ in 0..SESSIONS_PER_SLICE {
            let Some(index) = leaving.sessions.next() else {
                return true;
            };
            let session = self.sessions.get(index);
            let Some(session) = session.filter(|session| session.peer == leaving.peer) else {
                continue;
            };
            let cp = session.cp.address;
            let keeper = leaving.keep.as_ref().filter(|keep| keep.wants(cp));
            if let Some(keep) = keeper.filter(|keep| self.peers.get(keep.peer).is_some()) {
                self.hand_over(index, keep.peer);
                leaving.kept += 1;
            } else if let Some((_, epoch)) = self.end_session(index) {
                leaving.last = Some(epoch);
            }
        }
        leaving.sessions.len() == 0
    }

    /// Gives a session to another association.
    fn hand_over(&mut self, index: SessionIndex, to: PeerId) {
        let cp = self.sessions.change(index, |session| {
            session.peer = to;
            session.cp
        });
        if let Some(peer) = self.peers.get_mut(to) {
            peer.sessions.insert(index);
        }
        if let Some(cp) = cp {
            self.learn_address(to, cp);
        }
    }

    fn pay(&mut self, leaving: Leaving) {
        let Some(owed) = leaving.owed else { return };
        match owed.answer {
            OwedAnswer::Setup(answer) => {
                self.answer_setup(&owed.asked, *answer, leaving.kept > 0, leaving.last);
            }
            OwedAnswer::Release => self.answer_release(&owed.asked, leaving.last),
        }
    }
}
