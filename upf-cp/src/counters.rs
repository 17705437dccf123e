//! What the node has done, in numbers.

use std::fmt;

/// Why a datagram or message was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Too short for a header.
    Short,
    /// No such message type.
    MessageType,
    /// The S flag is not that of the message type.
    SeidFlag,
    /// Malformed, and its type has no answer with a cause.
    Malformed,
    /// A message that only a UP function sends.
    WrongDirection,
    /// An answer to nothing that is outstanding.
    Unmatched,
    /// More messages in a second than one peer may send.
    PeerRate,
    /// More messages in a second than one stranger, or all strangers together, may send.
    StrangerRate,
    /// What is behind the last message that one datagram may bundle.
    BundleTooLong,
    /// From where no SMF may be.
    NotAllowed,
}

/// A bound that a request ran into: answered with "no resources available".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Associations.
    Peers,
    /// Sessions.
    Sessions,
    /// Rules of one kind in a session.
    Rules,
    /// Applications, or flow descriptions of one.
    Applications,
    /// Next hops on the way to GTP-U peers.
    NextHops,
}

/// How many kinds of [`Limit`] there are.
const LIMITS: usize = 5;

/// How many kinds of [`Dropped`] there are.
const DROPPED: usize = 10;

/// How many message types are counted one by one.
const TYPES: usize = 64;

/// How many causes are counted one by one.
const CAUSES: usize = 96;

/// Counters; all only grow.
#[derive(Clone, Debug)]
pub struct Counters {
    received: [u64; TYPES],
    sent: [u64; TYPES],
    causes: [u64; CAUSES],
    dropped: [u64; DROPPED],
    limits: [u64; LIMITS],
    /// Requests that came again and got the stored answer.
    pub duplicates: u64,
    /// Our requests that were sent again.
    pub retransmissions: u64,
    /// Our requests that nobody answered.
    pub timeouts: u64,
    /// Sessions that were established.
    pub established: u64,
    /// Sessions that ended, for whatever reason.
    pub ended: u64,
    /// Peers that restarted.
    pub peer_restarts: u64,
    /// Peers that were silent for so long that their sessions were ended.
    pub peers_given_up: u64,
    /// Set-ups of a Node ID that is associated from another address, and may not move.
    pub takeovers_refused: u64,
    /// Requests that were refused because more came than there is time for.
    pub messages_shed: u64,
    /// Requests about many sessions that were refused because too many of the same peer waited.
    pub long_requests_refused: u64,
    /// Sessions that could not go back to the PFDs they had, when a change to them was refused.
    pub recompiles_failed: u64,
    /// Reports that found too many others waiting for the same peer.
    pub reports_shed: u64,
    /// Reports from workers about sessions or rules that are gone.
    pub reports_stale: u64,
    /// Stations behind UEs that found no room in the tables.
    pub stations_refused: u64,
    /// Messages of ours that are longer than PFCP can say: not sent.
    pub too_long: u64,
    /// Messages of ours that break a rule of PFCP: not sent.
    pub illegal: u64,
    /// Paths to GTP-U peers that failed.
    pub paths_failed: u64,
    /// Paths to GTP-U peers that came back.
    pub paths_recovered: u64,
    /// GTP-U peers found without room to supervise them, each time they were looked for.
    pub paths_unsupervised: u64,
    /// Node reports that a peer refused.
    pub node_reports_refused: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: [0; TYPES],
            sent: [0; TYPES],
            causes: [0; CAUSES],
            dropped: [0; DROPPED],
            limits: [0; LIMITS],
            messages_shed: 0,
            long_requests_refused: 0,
            recompiles_failed: 0,
            duplicates: 0,
            retransmissions: 0,
            timeouts: 0,
            established: 0,
            ended: 0,
            peer_restarts: 0,
            peers_given_up: 0,
            takeovers_refused: 0,
            reports_shed: 0,
            reports_stale: 0,
            stations_refused: 0,
            too_long: 0,
            illegal: 0,
            paths_failed: 0,
            paths_recovered: 0,
            paths_unsupervised: 0,
            node_reports_refused: 0,
        }
    }
}

impl Counters {
    /// Messages received of a type.
    pub fn received(&self, message_type: u8) -> u64 {
        get(&self.received, message_type)
    }
    /// Messages sent of a type, without retransmissions.
    pub fn sent(&self, message_type: u8) -> u64 {
        get(&self.sent, message_type)
    }
    /// Answers given with a cause.
    pub fn cause(&self, cause: u8) -> u64 {
        get(&self.causes, cause)
    }
    /// Messages dropped for a reason.
    pub fn dropped(&self, why: Dropped) -> u64 {
        get(&self.dropped, why.number())
    }
    /// Requests refused because a bound was reached.
    pub fn limit(&self, limit: Limit) -> u64 {
        get(&self.limits, limit.number())
    }
    /// Every message type that was received or sent, with both numbers.
    pub fn by_type(&self) -> impl Iterator<Item = (u8, u64, u64)> + '_ {
        let both = self.received.iter().zip(&self.sent).zip(0_u8..);
        both.map(|((received, sent), r#type)| (r#type, *received, *sent))
            .filter(|(_, received, sent)| received + sent > 0)
    }
    /// Every cause that was given, with its number.
    pub fn by_cause(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        (0_u8..)
            .zip(&self.causes)
            .map(|(cause, count)| (cause, *count))
            .filter(|(_, count)| *count > 0)
    }

    pub(crate) fn count_received(&mut self, message_type: u8) {
        count(&mut self.received, message_type);
    }
    pub(crate) fn count_sent(&mut self, message_type: u8) {
        count(&mut self.sent, message_type);
    }
    pub(crate) fn count_cause(&mut self, cause: u8) {
        count(&mut self.causes, cause);
    }
    pub(crate) fn count_limit(&mut self, limit: Limit) {
        count(&mut self.limits, limit.number());
    }
    pub(crate) fn count_dropped(&mut self, why: Dropped) {
        count(&mut self.dropped, why.number());
    }
}

/// What is out of range is counted with the last.
fn slot(length: usize, number: u8) -> usize {
    usize::from(number).min(length.saturating_sub(1))
}

fn get(counters: &[u64], number: u8) -> u64 {
    counters
        .get(slot(counters.len(), number))
        .copied()
        .unwrap_or(0)
}

fn count(counters: &mut [u64], number: u8) {
    let slot = slot(counters.len(), number);
    if let Some(counter) = counters.get_mut(slot) {
        *counter += 1;
    }
}

impl Limit {
    /// All bounds, in the order of their numbers.
    pub const ALL: [Self; LIMITS] = [
        Self::Peers,
        Self::Sessions,
        Self::Rules,
        Self::Applications,
        Self::NextHops,
    ];

    const fn number(self) -> u8 {
        match self {
            Self::Peers => 0,
            Self::Sessions => 1,
            Self::Rules => 2,
            Self::Applications => 3,
            Self::NextHops => 4,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peers => "peers",
            Self::Sessions => "sessions",
            Self::Rules => "rules",
            Self::Applications => "applications",
            Self::NextHops => "next_hops",
        })
    }
}

impl Dropped {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; DROPPED] = [
        Self::Short,
        Self::MessageType,
        Self::SeidFlag,
        Self::Malformed,
        Self::WrongDirection,
        Self::Unmatched,
        Self::PeerRate,
        Self::StrangerRate,
        Self::BundleTooLong,
        Self::NotAllowed,
    ];

    const fn number(self) -> u8 {
        match self {
            Self::Short => 0,
            Self::MessageType => 1,
            Self::SeidFlag => 2,
            Self::Malformed => 3,
            Self::WrongDirection => 4,
            Self::Unmatched => 5,
            Self::PeerRate => 6,
            Self::StrangerRate => 7,
            Self::BundleTooLong => 8,
            Self::NotAllowed => 9,
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "short",
            Self::MessageType => "message_type",
            Self::SeidFlag => "seid_flag",
            Self::Malformed => "malformed",
            Self::WrongDirection => "wrong_direction",
            Self::Unmatched => "unmatched",
            Self::PeerRate => "peer_rate",
            Self::StrangerRate => "stranger_rate",
            Self::BundleTooLong => "bundle_too_long",
            Self::NotAllowed => "not_allowed",
        })
    }
}
