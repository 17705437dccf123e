//! Sessions, and where to find them.

use hashbrown::HashSet;
use std::net::IpAddr;

use foldhash::quality::SeedableRandomState;
use session::plan::Installed;
use session::rule::Action;
use session::{Seid, SessionIndex, Teid, WorkerId};
use smallvec::SmallVec;

use crate::association::PeerId;
use crate::gtpu_peers::GtpuPeers;
use crate::index::{Index, Rings, Secret};
use crate::labels::Labels;
use crate::translate::Details;

/// How the CP function names a session (its F-SEID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CpFSeid {
    pub(crate) seid: u64,
    pub(crate) address: IpAddr,
}

/// A session that is in force.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) index: SessionIndex,
    pub(crate) worker: WorkerId,
    /// Its usage is to be reported when its peer takes reports again.
    pub(crate) postponed: bool,
    /// Usage reports that its peer has not acknowledged.
    pub(crate) unacknowledged: u16,
    pub(crate) seid: Seid,
    pub(crate) cp: CpFSeid,
    pub(crate) peer: PeerId,
    /// Rules as they were compiled, with counters and meters.
    pub(crate) installed: Installed,
    pub(crate) details: Details,
    /// The deadline that is set for its URRs.
    pub(crate) timer_ms: Option<u64>,
    /// What people know it by.
    pub(crate) labels: Labels,
}

/// How many sessions are told of at most by one Error Indication: the next says the same, and has
/// the next told.
const TOLD_AT_ONCE: usize = 64;

/// Index bits of a SEID; the rest is random.
const INDEX_BITS: u32 = 24;

/// All sessions. A SEID carries the session's index, so that finding one is a look at one place,
/// and 40 random bits, so that nobody guesses one and none is used again soon.
#[derive(Debug)]
pub(crate) struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    /// By association and the CP function's F-SEID.
    by_cp: Index,
    /// Who sends into a tunnel: for Error Indications.
    by_remote: Rings,
    pub(crate) gtpu_peers: GtpuPeers,
    /// Tunnels of sessions whose peers do not know them, and whose CP functions were told so: once
    /// until the session changes.
    errors_told: HashSet<(SessionIndex, IpAddr, Teid), SeedableRandomState>,
    count: usize,
}

fn place(index: SessionIndex) -> usize {
    usize::try_from(index.0).unwrap_or(usize::MAX)
}

/// The peer's end of a tunnel.
type Remote = (IpAddr, Teid);

/// What a session is found by.
struct Found {
    peer: PeerId,
    cp: CpFSeid,
    remotes: SmallVec<[Remote; 2]>,
}

impl Found {
    fn of(session: &Session) -> Self {
        Self {
            peer: session.peer,
            cp: session.cp,
            remotes: remotes(session).collect(),
        }
    }
}

/// The peer's ends of a session's tunnels.
fn remotes(session: &Session) -> impl Iterator<Item = Remote> + '_ {
    session.installed.rules.fars.iter().filter_map(|far| {
        let creation = far.forwarding?.outer_header_creation?;
        Some((creation.peer, creation.teid))
    })
}

/// Whether a FAR of the session forwards into that tunnel: one that only keeps it in mind while it
/// holds packets sends nothing.
fn sends_to(session: &Session, remote: Remote) -> bool {
    let fars = &session.installed.rules.fars;
    fars.iter().any(|far| {
        let creation = far.forwarding.and_then(|to| to.outer_header_creation);
        far.action == Action::Forward && creation.is_some_and(|to| (to.peer, to.teid) == remote)
    })
}

impl Sessions {
    pub(crate) fn new(gtpu_peers: GtpuPeers, secret: Secret) -> Self {
        Self {
            slots: Vec::new(),
            by_cp: Index::new(secret),
            by_remote: Rings::new(secret),
            gtpu_peers,
            errors_told: HashSet::with_hasher(secret.hashes()),
            count: 0,
        }
    }

    /// A SEID for the session of that index.
    pub(crate) fn seid(index: SessionIndex, random: u64) -> Seid {
        let random = random << INDEX_BITS;
        // Never zero, which means "not known".
        Seid(random | u64::from(index.0))
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// One more than the highest index of a session.
    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().flatten().map(Box::as_ref)
    }

    pub(crate) fn get(&self, index: SessionIndex) -> Option<&Session> {
        self.slots.get(place(index))?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, index: SessionIndex) -> Option<&mut Session> {
        self.slots.get_mut(place(index))?.as_deref_mut()
    }

    /// The session of a SEID of ours.
    pub(crate) fn by_seid(&self, seid: Seid) -> Option<&Session> {
        let index = seid.0 & ((1 << INDEX_BITS) - 1);
        let session = self.get(SessionIndex(u32::try_from(index).ok()?))?;
        (session.seid == seid).then_some(session)
    }

    /// The session that the CP function knows by that F-SEID.
    pub(crate) fn by_cp(&self, peer: PeerId, cp: CpFSeid) -> Option<SessionIndex> {
        self.by_cp.candidates(&(peer, cp)).find(|index| {
            let session = self.get(*index);
            session.is_some_and(|session| (session.peer, session.cp) == (peer, cp))
        })
    }

    /// The sessions that send into a tunnel now and whose CP functions have not been told yet that
    /// its peer does not know it; by now they are.
    pub(crate) fn tell_error(&mut self, peer: IpAddr, teid: Teid) -> Vec<SessionIndex> {
        let mut sessions = self.by_remote.turn(&(peer, teid), TOLD_AT_ONCE);
        sessions.retain(|index| {
            self.get(*index)
                .is_some_and(|session| sends_to(session, (peer, teid)))
                && self.errors_told.insert((*index, peer, teid))
        });
        sessions
    }

    /// The CP function has not heard after all that a peer does not know that tunnel.
    pub(crate) fn forget_error(&mut self, index: SessionIndex, tunnel: &pfcp::FTeid) {
        if let pfcp::FTeid::Given { teid, addresses } = tunnel {
            for address in addresses.iter() {
                self.errors_told.remove(&(index, address, Teid(*teid)));
            }
        }
    }

    pub(crate) fn insert(&mut self, session: Session) {
        let index = session.index;
        let at = place(index);
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        if let Some(slot) = self.slots.get_mut(at)
            && slot.replace(Box::new(session)).is_none()
        {
            self.count += 1;
        }
        self.index(index);
    }

    pub(crate) fn remove(&mut self, index: SessionIndex) -> Option<Box<Session>> {
        self.unindex(index);
        let session = self.slots.get_mut(place(index))?.take()?;
        self.count -= 1;
        Some(session)
    }

    /// Changes a session, and what it is found by.
    pub(crate) fn change<T>(
        &mut self,
        index: SessionIndex,
        change: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        let session = self.get_mut(index)?;
        let old = Found::of(session);
        let result = change(session);
        let new = Found::of(session);
        self.forget_errors(index, &old);
        if (old.peer, old.cp) != (new.peer, new.cp) {
            self.by_cp.remove(&(old.peer, old.cp), index);
            self.index_cp(index, new.peer, new.cp);
        }
        let stays = |remote| old.peer == new.peer && new.remotes.contains(remote);
        for remote in old.remotes.iter().filter(|remote| !stays(*remote)) {
            self.unindex_remote((index, old.peer), *remote);
        }
        for remote in new.remotes {
            self.index_remote((index, new.peer), remote);
        }
        Some(result)
    }

    fn index(&mut self, index: SessionIndex) {
        let Some(found) = self.get(index).map(Found::of) else {
            return;
        };
        self.index_cp(index, found.peer, found.cp);
        for remote in found.remotes {
            self.index_remote((index, found.peer), remote);
        }
    }

    fn index_cp(&mut self, index: SessionIndex, peer: PeerId, cp: CpFSeid) {
        // The one that has it now is who is meant from now on.
        if let Some(other) = self.by_cp(peer, cp) {
            self.by_cp.remove(&(peer, cp), other);
        }
        self.by_cp.add(&(peer, cp), index);
    }

    fn index_remote(&mut self, (index, owner): (SessionIndex, PeerId), remote: Remote) {
        if self.by_remote.add(&remote, index) {
            self.gtpu_peers.add(remote.0, owner);
        }
    }

    fn unindex(&mut self, index: SessionIndex) {
        let Some(found) = self.get(index).map(Found::of) else {
            return;
        };
        self.forget_errors(index, &found);
        self.by_cp.remove(&(found.peer, found.cp), index);
        for remote in found.remotes {
            self.unindex_remote((index, found.peer), remote);
        }
    }

    fn unindex_remote(&mut self, (index, owner): (SessionIndex, PeerId), remote: Remote) {
        if self.by_remote.remove(&remote, index) {
            self.gtpu_peers.remove(remote.0, owner);
        }
    }

    /// What is told of the session's tunnels from now on is new.
    fn forget_errors(&mut self, index: SessionIndex, found: &Found) {
        if self.errors_told.is_empty() {
            return;
        }
        for (address, teid) in &found.remotes {
            self.errors_told.remove(&(index, *address, *teid));
        }
    }
}
