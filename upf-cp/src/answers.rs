//! Answers that are kept for requests that come again (TS 29.244, 6.4).
//!
//! A million of them are few allocations: octets stand one behind the other in a ring, and an index
//! leads from the digest of a request to the place of its answer. The oldest make room for new ones.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use foldhash::quality::SeedableRandomState;
use rustc_hash::FxHashMap;
use session::Epoch;

use crate::config::Limits;
use crate::index::Secret;

/// The FO flag of a header (TS 29.244, 7.2.2.1).
pub(crate) const FLAG_FOLLOW_ON: u8 = 4;

/// What may be kept for one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) answers: usize,
    pub(crate) octets: usize,
}

impl Room {
    pub(crate) const fn of(limits: &Limits) -> Self {
        Self {
            answers: limits.held_answers_per_peer,
            octets: limits.held_answer_octets_per_peer,
        }
    }
}

/// The answers that are kept, by peer.
#[derive(Debug)]
pub(crate) struct Incoming {
    peers: FxHashMap<IpAddr, Answers>,
    /// Keys the digests, so that they cannot be steered.
    digests: SeedableRandomState,
    hold_ms: u64,
    room: Room,
}

/// The answers to one peer, oldest first.
#[derive(Debug, Default)]
struct Answers {
    entries: VecDeque<Entry>,
    /// The number of the first entry; numbers wrap around.
    first: u32,
    /// All answers, one behind the other.
    octets: VecDeque<u8>,
    /// How many octets there were before those; wraps around.
    passed: u32,
    /// Numbers of entries.
    by_digest: FxHashMap<u64, u32>,
}

#[derive(Debug)]
struct Entry {
    /// Of the whole request: a peer that restarted uses its numbers again, and only what is the
    /// same octets is the same request.
    digest: u64,
    until_ms: u64,
    after: Option<Epoch>,
    /// Where it begins, counted from the first octet that ever was.
    start: u32,
    length: u32,
}

impl Incoming {
    pub(crate) fn new(secret: Secret, hold_ms: u64, room: Room) -> Self {
        Self {
            peers: FxHashMap::default(),
            digests: secret.hashes(),
            hold_ms,
            room,
        }
    }

    /// Keeps answers for another time, and others of them: those that are too many go with the next
    /// housekeeping.
    pub(crate) const fn adjust(&mut self, hold_ms: u64, room: Room) {
        self.hold_ms = hold_ms;
        self.room = room;
    }

    /// What tells requests apart: the port they come from, and all that they say. (A request that
    /// was bundled may be repeated by itself: whether another one follows does not count.)
    pub(crate) fn digest(&self, from: SocketAddr, request: &[u8]) -> u64 {
        let mut hasher = self.digests.build_hasher();
        hasher.write_u16(from.port());
        if let [flags, rest @ ..] = request {
            hasher.write_u8(flags & !FLAG_FOLLOW_ON);
            hasher.write(rest);
        }
        hasher.finish()
    }

    /// The answer that this very request has had.
    pub(crate) fn find(&self, from: IpAddr, digest: u64) -> Option<(Arc<[u8]>, Option<Epoch>)> {
        self.peers.get(&from)?.find(digest)
    }

    /// Keeps an answer, if it is not longer than all that may be kept.
    pub(crate) fn hold(
        &mut self,
        from: IpAddr,
        digest: u64,
        (octets, after): (&[u8], Option<Epoch>),
        now_ms: u64,
    ) {
        if octets.len() > self.room.octets || self.room.answers == 0 {
            return;
        }
        let answers = self.peers.entry(from).or_default();
        let room = Room {
            answers: self.room.answers - 1,
            octets: self.room.octets - octets.len(),
        };
        answers.forget(now_ms, room);
        answers.push(digest, octets, after, now_ms + self.hold_ms);
    }

    /// Forgets all answers to a peer: it restarted.
    pub(crate) fn clear(&mut self, peer: IpAddr) {
        self.peers.remove(&peer);
    }

    /// Forgets what is too old.
    pub(crate) fn housekeeping(&mut self, now_ms: u64) {
        let room = self.room;
        self.peers.retain(|_, answers| {
            answers.forget(now_ms, room);
            !answers.entries.is_empty()
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.values().map(|held| held.entries.len()).sum()
    }
}

fn place(distance: u32) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

impl Answers {
    fn find(&self, digest: u64) -> Option<(Arc<[u8]>, Option<Epoch>)> {
        let number = *self.by_digest.get(&digest)?;
        let entry = self.entries.get(place(number.wrapping_sub(self.first)))?;
        let start = place(entry.start.wrapping_sub(self.passed));
        let octets = self.octets.range(start..start + place(entry.length));
        Some((octets.copied().collect(), entry.after))
    }

    fn push(&mut self, digest: u64, octets: &[u8], after: Option<Epoch>, until_ms: u64) {
        // Both are far below 2³²: the room for them is.
        let short = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let number = self.first.wrapping_add(short(self.entries.len()));
        self.by_digest.insert(digest, number);
        self.entries.push_back(Entry {
            digest,
            until_ms,
            after,
            start: self.passed.wrapping_add(short(self.octets.len())),
            length: short(octets.len()),
        });
        self.octets.extend(octets);
    }

    /// Forgets what is too old, and what is too much.
    fn forget(&mut self, now_ms: u64, room: Room) {
        while let Some(oldest) = self.entries.front()
            && (oldest.until_ms <= now_ms
                || self.entries.len() > room.answers
                || self.octets.len() > room.octets)
        {
            // Kept twice, it is the later number that counts.
            if self.by_digest.get(&oldest.digest) == Some(&self.first) {
                self.by_digest.remove(&oldest.digest);
            }
            self.octets.drain(..place(oldest.length));
            self.passed = self.passed.wrapping_add(oldest.length);
            self.first = self.first.wrapping_add(1);
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        answers: 8,
        octets: 64,
    };

    fn from() -> IpAddr {
        IpAddr::from([10, 0, 0, 1])
    }

    fn answer(n: u8) -> Vec<u8> {
        vec![n; usize::from(n % 16)]
    }

    #[test]
    fn the_latest_are_found_within_the_room_whatever_wraps() {
        let mut incoming = Incoming::new(Secret(1), 1_000, ROOM);
        // Close to where both counts wrap.
        incoming.peers.insert(
            from(),
            Answers {
                first: u32::MAX - 20,
                passed: u32::MAX - 100,
                ..Answers::default()
            },
        );
        for n in 0..=255_u8 {
            incoming.hold(from(), n.into(), (&answer(n), None), 0);
            let held = &incoming.peers[&from()];
            assert!(held.entries.len() <= ROOM.answers && held.octets.len() <= ROOM.octets);
            assert_eq!(held.by_digest.len(), held.entries.len());
            let kept = u8::try_from(held.entries.len()).unwrap();
            for old in 0..=n {
                let found = incoming.find(from(), old.into());
                let expected = (n - old < kept).then(|| answer(old));
                assert_eq!(found.map(|(octets, _)| octets.to_vec()), expected);
            }
        }
        assert!(incoming.find(IpAddr::from([10, 0, 0, 2]), 255).is_none());
    }

    #[test]
    fn what_is_too_old_or_too_long_is_not_kept() {
        let mut incoming = Incoming::new(Secret(1), 1_000, ROOM);
        incoming.hold(from(), 1, (&[1; 65], None), 0);
        assert_eq!(incoming.len(), 0);
        incoming.hold(from(), 2, (&[2; 64], None), 0);
        incoming.housekeeping(999);
        assert_eq!(incoming.len(), 1);
        incoming.housekeeping(1_000);
        assert_eq!((incoming.len(), incoming.peers.len()), (0, 0));
    }

    #[test]
    fn ports_and_octets_make_a_request_and_a_follower_does_not() {
        let incoming = Incoming::new(Secret(1), 1_000, ROOM);
        let (a, b) = (SocketAddr::new(from(), 1), SocketAddr::new(from(), 2));
        assert_ne!(
            incoming.digest(a, &[0x21, 50]),
            incoming.digest(b, &[0x21, 50])
        );
        assert_ne!(
            incoming.digest(a, &[0x21, 50]),
            incoming.digest(a, &[0x21, 52])
        );
        assert_eq!(
            incoming.digest(a, &[0x21, 50]),
            incoming.digest(a, &[0x25, 50])
        );
    }
}
