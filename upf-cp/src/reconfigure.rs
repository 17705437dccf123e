//! Another configuration, put in force while everything goes on.

use crate::answers::Room;
use crate::association::PeerId;
use crate::config::NodeConfig;
use crate::event::{Now, Output};
use crate::node::Node;
use crate::paths::Paths;
use crate::transaction::{Bucket, Purpose};

impl Node {
    /// Puts `config` in force. What it says of the node's name and addresses, of UE pools, networks,
    /// slices, applications and predefined rules, and of the number of sessions and peers, has to be
    /// what it was: that is settled when a node begins.
    ///
    /// Sessions stay as they are, and timers that are set run out as they were set. Associations
    /// with SMFs that may not associate any more end as they do when an operator
    /// [releases](crate::Operator::Release) them. It is no [`Input`](crate::Input): a run that is
    /// recorded is played again with one configuration.
    pub fn reconfigure(&mut self, now: Now, config: NodeConfig) -> Vec<Output> {
        self.begin_call(now);
        let old = std::mem::replace(&mut self.config, config);
        self.adjust_rates(&old);
        let room = Room::of(&self.config.limits);
        self.incoming.adjust(self.config.response_hold_ms, room);
        self.ue_pools.bound(self.config.ue_bounds.clone());
        if self.config.echo.interval_ms == 0 {
            // Nobody is supervised; should that change, all begin anew.
            self.paths = Paths::default();
        }
        let peers: Vec<PeerId> = self.peers.iter().map(|(id, _)| id).collect();
        for peer in peers {
            if !self.admits(peer) {
                self.end_with(peer);
            } else if old.heartbeat_interval_ms == 0 {
                self.heartbeat_later(peer);
            }
        }
        if old.smf != self.config.smf {
            self.associate_with_others(old.smf.len());
        }
        self.outputs()
    }

    /// Whether a peer may still associate.
    fn admits(&self, peer: PeerId) -> bool {
        let peer = self.peers.get(peer);
        peer.is_none_or(|peer| {
            self.config.allows(peer.address) && self.config.allows_node(&peer.node_id)
        })
    }

    fn adjust_rates(&mut self, old: &NodeConfig) {
        let (limits, now_ms) = (self.config.limits, self.now.elapsed_ms);
        if old.limits.messages_per_second != limits.messages_per_second {
            self.load.adjust(limits.messages_per_second, now_ms);
        }
        let rate = limits.messages_per_second_per_peer;
        if old.limits.messages_per_second_per_peer != rate {
            for peer in self.peers.iter_mut() {
                peer.bucket = Bucket::new(rate, now_ms);
            }
        }
        self.strangers.adjust(&self.config.smf, &limits, now_ms);
        let next_hops = &mut self.sessions.gtpu_peers.next_hops;
        next_hops.adjust(limits.next_hops_per_peer);
    }

    /// The SMFs with which we start the association are others: places have another meaning.
    fn associate_with_others(&mut self, places_before: usize) {
        for place in 0..places_before {
            self.outgoing.cancel(Purpose::Associate(place));
        }
        self.failed_associations.clear();
        (0..self.config.smf.len()).for_each(|place| self.associate(place));
    }
}
