//! Which packets somebody wants to see.

use ipnet::IpNet;
use session::inner::Inner;
use session::plan::{Entrance, Step};
use session::{Seid, Teid};

use super::{Outcome, Sample};
use crate::path::{Key, Meta};
use crate::reason::Reason;

/// Which packets are watched: those that have all of what is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one of these sessions, by our SEIDs; empty: of any, or of none.
    pub seids: Vec<Seid>,
    /// Of a tunnel with that TEID, at our end or at the peer's.
    pub teid: Option<Teid>,
    /// From or to one of these user addresses, whether or not they are a session's.
    pub address: Option<IpNet>,
    /// Received on that port.
    pub port: Option<u16>,
    /// What became of them.
    pub kind: Kind,
}

/// Packets by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// All.
    #[default]
    Any,
    /// Those that were dropped.
    Dropped,
    /// Those that were dropped for that reason.
    DroppedFor(Reason),
}

impl Filter {
    /// Whether such a packet is to be watched, as far as look-up and classification tell.
    pub(super) fn admits(&self, frame: &[u8], meta: &Meta<'_>) -> bool {
        self.port.is_none_or(|port| port == meta.port)
            && self.teid.is_none_or(|teid| is_of_tunnel(teid, meta))
            && (self.seids.is_empty() || {
                let plan = meta.session.map(Entrance::plan);
                plan.is_some_and(|plan| self.seids.contains(&plan.seid))
            })
            && self.address.is_none_or(|net| {
                let has = |inner: Inner<'_>| {
                    net.contains(&inner.source()) || net.contains(&inner.destination())
                };
                meta.ip(frame).is_some_and(has)
            })
    }

    /// Whether a packet is still wanted now that it is known what became of it.
    pub(super) fn wants(&self, sample: &Sample) -> bool {
        match (self.kind, sample.outcome()) {
            (Kind::Any, _) | (Kind::Dropped, Outcome::Dropped(_)) => true,
            (Kind::DroppedFor(reason), Outcome::Dropped(why)) => reason == why,
            _ => false,
        }
    }
}

fn is_of_tunnel(teid: Teid, meta: &Meta<'_>) -> bool {
    let peer = meta.step.and_then(Step::tunnel);
    meta.key == Key::Tunnel(teid) || peer.is_some_and(|(peer, _)| peer == teid)
}
