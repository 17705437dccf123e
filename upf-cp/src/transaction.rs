//! Reliable delivery (TS 29.244, 6.4): requests of ours until they are answered; and how many
//! messages may come.

use std::net::SocketAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use session::{Seid, SessionIndex};

use crate::association::PeerId;

// ===== requests of ours =====

/// Sequence numbers have 24 bits.
const SEQUENCE_MASK: u32 = 0x00ff_ffff;

/// What a request of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A heartbeat.
    Heartbeat(PeerId),
    /// To associate with the configured SMF of that place.
    Associate(usize),
    /// To tell a peer about our association with it.
    Update(PeerId, Step),
    /// A session report.
    Report(About),
    /// A node report.
    NodeReport(PeerId),
}

/// The step of a release that an association update is (TS 29.244, 5.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To ask for a release.
    Ask,
    /// To ask for a release after reports of what was used.
    AskWithReports,
    /// To tell that all was reported.
    AllReported,
}

/// The session that a report is about, and whose it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) peer: PeerId,
    pub(crate) session: SessionIndex,
    pub(crate) seid: Seid,
    /// It says what was used: that must not get lost.
    pub(crate) usage: bool,
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) to: SocketAddr,
    pub(crate) octets: Arc<[u8]>,
    /// The type of the answer.
    pub(crate) response_type: u8,
    /// How often it may still be sent.
    pub(crate) left: u32,
    /// N1 was reached, but the answer may come late: it is kept until the peer is heard of.
    pub(crate) parked: bool,
    pub(crate) purpose: Purpose,
}

/// All requests that wait, by sequence number.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    last: u32,
    pending: FxHashMap<u32, Pending>,
}

impl Outgoing {
    /// Begins with any number: SMFs keep the answers to those that a UPF used before it restarted.
    pub(crate) fn new(random: u32) -> Self {
        Self {
            last: random & SEQUENCE_MASK,
            pending: FxHashMap::default(),
        }
    }

    /// A sequence number that no request waits under.
    pub(crate) fn sequence(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1) & SEQUENCE_MASK;
            if self.last != 0 && !self.pending.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    pub(crate) fn insert(&mut self, sequence: u32, pending: Pending) {
        self.pending.insert(sequence, pending);
    }

    /// The request that an answer belongs to: same number, same peer, right type.
    pub(crate) fn answered(
        &mut self,
        from: SocketAddr,
        sequence: u32,
        r#type: u8,
    ) -> Option<Pending> {
        let pending = self.pending.get(&sequence)?;
        if pending.to != from || pending.response_type != r#type {
            return None;
        }
        self.pending.remove(&sequence)
    }

    /// T1 is over: the request to send once more, or the one that nobody answered.
    pub(crate) fn expired(&mut self, sequence: u32) -> Option<Expired> {
        let pending = self.pending.get_mut(&sequence)?;
        if pending.parked {
            return None;
        }
        if pending.left == 0 {
            return self.pending.remove(&sequence).map(Expired::GivenUp);
        }
        pending.left -= 1;
        Some(Expired::Again(pending.to, Arc::clone(&pending.octets)))
    }

    /// A request that was parked, to be sent as if it were new.
    pub(crate) fn unpark(&mut self, sequence: u32, n1: u32) -> Option<(SocketAddr, Arc<[u8]>)> {
        let pending = self.pending.get_mut(&sequence)?;
        pending.parked = false;
        pending.left = n1.saturating_sub(1);
        Some((pending.to, Arc::clone(&pending.octets)))
    }

    /// Reports to one peer are another's now.
    pub(crate) fn hand_over(&mut self, from: PeerId, to: PeerId) {
        for pending in self.pending.values_mut() {
            if let Purpose::Report(about) = &mut pending.purpose
                && about.peer == from
            {
                about.peer = to;
            }
        }
    }

    /// Gives up the requests that are for this.
    pub(crate) fn cancel(&mut self, purpose: Purpose) -> bool {
        let before = self.pending.len();
        self.pending.retain(|_, pending| pending.purpose != purpose);
        self.pending.len() < before
    }

    /// Forgets what is of no use any more.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Purpose) -> bool) {
        self.pending.retain(|_, pending| keep(&pending.purpose));
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// What all the requests are for.
    pub(crate) fn purposes(&self) -> impl Iterator<Item = &Purpose> {
        self.pending.values().map(|pending| &pending.purpose)
    }
}

/// What is due when T1 is over.
#[derive(Debug)]
pub(crate) enum Expired {
    /// Send these octets again.
    Again(SocketAddr, Arc<[u8]>),
    /// N1 is reached.
    GivenUp(Pending),
}

// ===== rates =====

/// A token bucket of messages: one second's worth at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// In thousandths of a message.
    tokens: u64,
    per_second: u64,
    at_ms: u64,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, now_ms: u64) -> Self {
        let per_second = u64::from(per_second.max(1));
        Self {
            tokens: per_second * 1000,
            per_second,
            at_ms: now_ms,
        }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now_ms: u64) -> bool {
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        self.at_ms = now_ms;
        let most = self.per_second * 1000;
        self.tokens = self
            .tokens
            .saturating_add(passed_ms.saturating_mul(self.per_second))
            .min(most);
        let enough = self.tokens >= 1000;
        if enough {
            self.tokens -= 1000;
        }
        enough
    }

    pub(crate) const fn per_second(&self) -> u64 {
        self.per_second
    }

    /// How much is left of what may come at once.
    pub(crate) fn percent_left(&self) -> u32 {
        u32::try_from(self.tokens / (self.per_second * 10)).unwrap_or(100)
    }
}
