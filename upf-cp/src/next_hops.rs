//! Where tunnels lead to first: which next hops are named, by whom, and for how long.
//!
//! A next hop is named while a rule is translated that needs one, and stays so for as long as a
//! session sends there. After that, packets and commands may be on their way that name it still.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::quality::SeedableRandomState;
use hashbrown::HashMap;
use rustc_hash::FxHashMap;
use session::neighbour::{Neighbours, NextHop, PASSING};
use session::{Epoch, NextHopId};

use crate::association::PeerId;
use crate::index::Secret;

/// For how long packets wait for an Ethernet address, and commands for their worker, at the most.
const LINGER_MS: u64 = 10_000;

/// The next hops of tunnels.
#[derive(Debug)]
pub(crate) struct NextHops {
    neighbours: Arc<Neighbours>,
    named: HashMap<NextHop, Named, SeedableRandomState>,
    /// How many each peer has had named.
    by_peer: FxHashMap<PeerId, usize>,
    /// How many one may have named.
    most_per_peer: usize,
    /// Places that nobody has, besides those from `unused` on.
    free: Vec<u16>,
    unused: u16,
    /// Those that nobody uses any more, with the time and epoch from which on.
    leaving: VecDeque<(NextHop, Option<(u64, Epoch)>)>,
}

#[derive(Debug)]
struct Named {
    id: NextHopId,
    place: u16,
    /// Who had it named.
    peer: PeerId,
    users: u32,
    /// A plan may have come in force that names it.
    published: bool,
    leaving: Leaving,
}

/// Whether it is among those that nobody uses any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    Yes,
    /// It was in use again meanwhile: its time begins anew.
    Again,
}

impl NextHops {
    pub(crate) fn new(neighbours: Arc<Neighbours>, most_per_peer: usize, secret: Secret) -> Self {
        Self {
            neighbours,
            named: HashMap::with_hasher(secret.hashes()),
            by_peer: FxHashMap::default(),
            most_per_peer,
            free: Vec::new(),
            unused: 0,
            leaving: VecDeque::new(),
        }
    }

    /// One peer may have so many named from now on.
    pub(crate) const fn adjust(&mut self, most_per_peer: usize) {
        self.most_per_peer = most_per_peer;
    }

    /// The id of a next hop that is in use.
    pub(crate) fn find(&self, hop: NextHop) -> Option<NextHopId> {
        let named = self.named.get(&hop).map(|named| named.id);
        named.or_else(|| self.neighbours.find(hop))
    }

    /// Uses a next hop for a peer until it is [released](Self::release); `None` when there is no room.
    pub(crate) fn take(&mut self, hop: NextHop, peer: PeerId) -> Option<NextHopId> {
        if let Some(named) = self.named.get_mut(&hop) {
            named.users += 1;
            return Some(named.id);
        }
        // What is configured, and what workers have named, stays.
        if let Some(lasting) = self.neighbours.find(hop) {
            return Some(lasting);
        }
        let has = self.by_peer.get(&peer).copied().unwrap_or_default();
        if has >= self.most_per_peer {
            return None;
        }
        let place = self.free.pop().or_else(|| {
            let next = (self.unused < PASSING).then_some(self.unused)?;
            self.unused += 1;
            Some(next)
        })?;
        let id = self.neighbours.name(place, hop)?;
        self.by_peer.insert(peer, has + 1);
        let named = Named {
            id,
            place,
            peer,
            users: 1,
            published: false,
            leaving: Leaving::No,
        };
        self.named.insert(hop, named);
        Some(id)
    }

    /// The same for what is in force.
    pub(crate) fn publish(&mut self, hop: NextHop) {
        if let Some(named) = self.named.get_mut(&hop) {
            named.users += 1;
            named.published = true;
        }
    }

    /// One use less. A next hop that nobody uses goes: at once if no worker has heard of it, else
    /// [later](Self::let_go).
    pub(crate) fn release(&mut self, hop: NextHop) {
        let Some(named) = self.named.get_mut(&hop) else {
            return;
        };
        named.users = named.users.saturating_sub(1);
        if named.users > 0 {
            return;
        }
        match named.leaving {
            Leaving::No if !named.published => self.unname(hop),
            Leaving::No => {
                named.leaving = Leaving::Yes;
                self.leaving.push_back((hop, None));
            }
            Leaving::Yes | Leaving::Again => named.leaving = Leaving::Again,
        }
    }

    /// From time to time: lets go of what nobody has used for a while and no worker can name.
    pub(crate) fn let_go(&mut self, now_ms: u64, epoch: Epoch, is_past: impl Fn(Epoch) -> bool) {
        for (_, since) in self.leaving.iter_mut().rev() {
            if since.is_some() {
                break;
            }
            *since = Some((now_ms, epoch));
        }
        let is_over = |since: u64, epoch| since + LINGER_MS <= now_ms && is_past(epoch);
        while let Some((hop, Some((since, epoch)))) = self.leaving.front().copied()
            && is_over(since, epoch)
        {
            self.leaving.pop_front();
            let Some(named) = self.named.get_mut(&hop) else {
                continue;
            };
            match std::mem::replace(&mut named.leaving, Leaving::No) {
                _ if named.users > 0 => {}
                Leaving::Again => {
                    named.leaving = Leaving::Yes;
                    self.leaving.push_back((hop, Some((now_ms, epoch))));
                }
                Leaving::Yes | Leaving::No => self.unname(hop),
            }
        }
    }

    fn unname(&mut self, hop: NextHop) {
        let Some(named) = self.named.remove(&hop) else {
            return;
        };
        self.neighbours.unname(named.place);
        self.free.push(named.place);
        if let Some(has) = self.by_peer.get_mut(&named.peer) {
            *has -= 1;
            if *has == 0 {
                self.by_peer.remove(&named.peer);
            }
        }
    }
}
