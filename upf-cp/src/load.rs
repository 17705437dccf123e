//! Load and overload control (TS 29.244, 6.2.3 and 6.2.4): what peers are told, and what is shed.
//!
//! The load is the greater of how full the session table is and how much of the message rate is
//! used. A peer that can read it is told once for each change, in the next session message to it.

use pfcp::wire::Ie;
use pfcp::{
    Cause, CpFunctionFeatures, LoadControlInformation, Message, Metric, OciFlags,
    OverloadControlInformation, Priority, SequenceNumber, Timer as Period, TimerValue,
};

use crate::association::PeerId;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::transaction::Bucket;

/// "Do not announce changes under about 5 points."
const POINTS: u8 = 5;

/// For how long a peer believes an overload that it was told of.
const VALIDITY_S: u32 = 30;

/// How many messages come, and what was told of it.
#[derive(Debug)]
pub(crate) struct Load {
    bucket: Bucket,
    /// Since the last look: messages that came, and those of them that were shed.
    received: u64,
    shed: u64,
    looked_ms: u64,
    current: Told,
    overload: Told,
    overload_told_ms: u64,
}

/// What was told, and the number of the telling.
#[derive(Clone, Copy, Debug)]
struct Told {
    sequence: u32,
    metric: u8,
}

impl Told {
    /// Takes a new value if it differs enough.
    const fn change(&mut self, metric: u8) -> bool {
        let ends = metric == 0 && self.metric > 0;
        let changed = ends || metric.abs_diff(self.metric) >= POINTS;
        if changed {
            self.metric = metric;
            self.sequence = self.sequence.wrapping_add(1);
        }
        changed
    }
}

fn percent(part: u64, whole: u64) -> u8 {
    u8::try_from(part.saturating_mul(100) / whole.max(1)).map_or(100, |percent| percent.min(100))
}

impl Load {
    /// Numbers begin where those of an earlier life of this node are long past.
    pub(crate) fn new(messages_per_second: u32, now_ms: u64, start_s: u32) -> Self {
        let told = Told {
            sequence: start_s,
            metric: 0,
        };
        Self {
            bucket: Bucket::new(messages_per_second, now_ms),
            received: 0,
            shed: 0,
            looked_ms: now_ms,
            current: told,
            overload: told,
            overload_told_ms: now_ms,
        }
    }

    /// There is time for another number of messages.
    pub(crate) fn adjust(&mut self, messages_per_second: u32, now_ms: u64) {
        self.bucket = Bucket::new(messages_per_second, now_ms);
    }

    pub(crate) fn count(&mut self, now_ms: u64) {
        self.received += 1;
        self.bucket.take(now_ms);
    }

    /// Whether a message of that priority is too much: the lower it is, the sooner.
    fn is_too_much(&self, priority: Priority) -> bool {
        let least = u32::from(priority.get() + 1) * 50 / 16;
        self.bucket.percent_left() < least
    }

    /// Looks at what has come since the last look.
    pub(crate) fn look(&mut self, now_ms: u64, occupancy: u8) {
        let passed_ms = now_ms.saturating_sub(self.looked_ms);
        let possible = self.bucket.per_second().saturating_mul(passed_ms) / 1000;
        let rate = percent(self.received, possible);
        self.current.change(rate.max(occupancy));
        let too_many = self.received.saturating_sub(possible).max(self.shed);
        let reduction = percent(too_many, self.received);
        let changed = self.overload.change(reduction);
        let expires = self.overload_told_ms + u64::from(VALIDITY_S) * 500;
        if !changed && self.overload.metric > 0 && expires <= now_ms {
            self.overload.sequence = self.overload.sequence.wrapping_add(1);
            self.overload_told_ms = now_ms;
        } else if changed {
            self.overload_told_ms = now_ms;
        }
        (self.received, self.shed, self.looked_ms) = (0, 0, now_ms);
    }
}

impl Node {
    /// Refuses what would make more work than there is time for. What ends or answers something
    /// makes room, and is never refused.
    pub(crate) fn sheds(&mut self, asked: &Asked, message: &Message) -> bool {
        let makes_work = matches!(
            message,
            Message::SessionEstablishmentRequest(_)
                | Message::SessionModificationRequest(_)
                | Message::SessionSetModificationRequest(_)
        );
        // A message without a priority has the lowest.
        let priority = asked.header.priority.unwrap_or(Priority::LOWEST);
        if !makes_work || !self.load.is_too_much(priority) {
            return false;
        }
        self.load.shed += 1;
        self.counters.messages_shed += 1;
        self.refuse(asked, message, Refusal::new(Cause::ENTITY_IN_CONGESTION));
        true
    }

    /// Looks at the load, about once a second.
    pub(crate) fn look_at_load(&mut self) {
        let most = u64::from(self.config.limits.sessions);
        let sessions = u64::try_from(self.sessions.len()).unwrap_or(u64::MAX);
        self.load.look(self.now.elapsed_ms, percent(sessions, most));
    }

    /// Adds to a session message what its peer has not been told yet.
    pub(crate) fn add_load(&mut self, id: PeerId, octets: &mut Vec<u8>) {
        let (load, overload) = (self.load.current, self.load.overload);
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let before = octets.len();
        let features = peer.features;
        if features.contains(CpFunctionFeatures::LOAD) && peer.told_load != Some(load.sequence) {
            peer.told_load = Some(load.sequence);
            let information = LoadControlInformation {
                sequence_number: SequenceNumber(load.sequence),
                metric: Metric(load.metric),
                ..Default::default()
            };
            append(&information, octets);
        }
        // Who was never told of an overload need not hear that there is none.
        let news = match peer.told_overload {
            None => overload.metric > 0,
            Some(told) => told != overload.sequence,
        };
        if features.contains(CpFunctionFeatures::OVRL) && news {
            peer.told_overload = Some(overload.sequence);
            let information = OverloadControlInformation {
                sequence_number: SequenceNumber(overload.sequence),
                reduction_metric: Metric(overload.metric),
                period_of_validity: Period(TimerValue::from_seconds(VALIDITY_S)),
                flags: Some(OciFlags::AOCI),
                ..Default::default()
            };
            append(&information, octets);
        }
        if octets.len() > before {
            set_length(octets);
        }
    }
}

/// Appends an IE to a message.
fn append<T: Ie>(ie: &T, octets: &mut Vec<u8>) {
    let mut value = Vec::new();
    ie.encode(&mut value);
    octets.extend(T::TYPE.to_be_bytes());
    octets.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    octets.extend(value);
}

/// Brings the length in a message's header up to date.
fn set_length(octets: &mut [u8]) {
    let length = u16::try_from(octets.len().saturating_sub(4)).unwrap_or(u16::MAX);
    if let Some(field) = octets.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
