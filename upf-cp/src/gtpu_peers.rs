//! The nodes that tunnels lead to: whose sessions send there, and by which next hop.

use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::quality::SeedableRandomState;
use session::neighbour::NextHop;
use session::topology::Topology;
use smallvec::SmallVec;

use crate::association::PeerId;
use crate::index::Secret;
use crate::next_hops::NextHops;

/// The nodes that tunnels lead to.
#[derive(Debug)]
pub(crate) struct GtpuPeers {
    owners: HashMap<IpAddr, Owners, SeedableRandomState>,
    /// Grows whenever a peer comes or goes.
    generation: u64,
    topology: Arc<Topology>,
    pub(crate) next_hops: NextHops,
}

/// CP functions in order, each with the number of its tunnels.
type Owners = SmallVec<[(PeerId, u32); 1]>;

impl GtpuPeers {
    pub(crate) fn new(topology: Arc<Topology>, next_hops: NextHops, secret: Secret) -> Self {
        Self {
            owners: HashMap::with_hasher(secret.hashes()),
            generation: 0,
            topology,
            next_hops,
        }
    }

    /// A session of that owner has one more tunnel there.
    pub(crate) fn add(&mut self, peer: IpAddr, owner: PeerId) {
        let owners = self.owners.entry(peer).or_default();
        let is_new = owners.is_empty();
        let at = owners.partition_point(|(there, _)| *there < owner);
        match owners.get_mut(at) {
            Some((there, tunnels)) if *there == owner => *tunnels += 1,
            _ => owners.insert(at, (owner, 1)),
        }
        if is_new {
            self.generation += 1;
            if let Some(hop) = self.next_hop(peer) {
                self.next_hops.publish(hop);
            }
        }
    }

    /// A session of that owner has one tunnel less there.
    pub(crate) fn remove(&mut self, peer: IpAddr, owner: PeerId) {
        let Some(owners) = self.owners.get_mut(&peer) else {
            return;
        };
        owners.retain(|(there, tunnels)| {
            *tunnels -= u32::from(*there == owner);
            *tunnels > 0
        });
        if owners.is_empty() {
            self.owners.remove(&peer);
            self.generation += 1;
            if let Some(hop) = self.next_hop(peer) {
                self.next_hops.release(hop);
            }
        }
    }

    /// The first hop on the way there.
    pub(crate) fn next_hop(&self, peer: IpAddr) -> Option<NextHop> {
        let (interface, address) = self.topology.towards_peer(peer)?;
        Some(NextHop {
            interface: interface.id,
            address,
        })
    }

    /// Grows whenever a peer comes or goes.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a tunnel leads there.
    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        self.owners.contains_key(&peer)
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.owners.keys().copied()
    }

    /// The CP functions whose sessions send there.
    pub(crate) fn owners(&self, peer: IpAddr) -> impl Iterator<Item = PeerId> + '_ {
        let owners = self.owners.get(&peer);
        owners.into_iter().flatten().map(|(owner, _)| *owner)
    }
}
