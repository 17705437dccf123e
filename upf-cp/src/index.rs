//! Sessions by something that they have.
//!
//! A map would keep that something a second time, which with millions of sessions is most of its
//! size. An index keeps a hash of it, and who asks compares with the session itself. Peers choose
//! what is hashed: a secret keeps them from choosing what has one hash, and what many sessions share
//! costs no more than what one has.

use std::hash::{BuildHasher as _, Hash};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use session::SessionIndex;

/// What keys the hashes of what peers choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secret(pub(crate) u64);

impl Secret {
    /// Hashes that only who knows the secret can foresee.
    pub(crate) fn hashes(self) -> SeedableRandomState {
        SeedableRandomState::with_seed(self.0, SharedSeed::global_fixed())
    }
}

fn short(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// The table wants all 64 bits to be of use.
const fn spread(word: u64) -> u64 {
    let word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word ^ word >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn of_key(key: u32) -> u64 {
    spread(key.into())
}

/// Sessions by a key that hardly two of them share.
#[derive(Debug)]
pub(crate) struct Index {
    table: HashTable<Entry>,
    hashes: SeedableRandomState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    key: u32,
    session: SessionIndex,
}

impl Index {
    pub(crate) fn new(secret: Secret) -> Self {
        Self {
            table: HashTable::new(),
            hashes: secret.hashes(),
        }
    }

    fn entry(&self, key: &impl Hash, session: SessionIndex) -> Entry {
        Entry {
            key: short(self.hashes.hash_one(key)),
            session,
        }
    }

    /// Adds a session under a key that it has not been added under.
    pub(crate) fn add(&mut self, key: &impl Hash, session: SessionIndex) {
        let entry = self.entry(key, session);
        self.table
            .insert_unique(of_key(entry.key), entry, |entry| of_key(entry.key));
    }

    /// Takes a session out; `false` if it is not there under that key.
    pub(crate) fn remove(&mut self, key: &impl Hash, session: SessionIndex) -> bool {
        let entry = self.entry(key, session);
        let found = self
            .table
            .find_entry(of_key(entry.key), |there| *there == entry);
        found.is_ok_and(|found| {
            found.remove();
            true
        })
    }

    /// The sessions that may have that key, and few others.
    pub(crate) fn candidates<K: Hash>(&self, key: &K) -> impl Iterator<Item = SessionIndex> {
        let Entry { key, .. } = self.entry(key, SessionIndex(0));
        let same = self.table.iter_hash(of_key(key));
        same.filter(move |there| there.key == key)
            .map(|there| there.session)
    }
}

/// Sessions by a key that any number of them may share: those of one key form a ring.
#[derive(Debug)]
pub(crate) struct Rings {
    /// Some session of each key.
    firsts: HashTable<Entry>,
    /// All sessions of keys that several have: most have a key for themselves.
    links: HashTable<Link>,
    hashes: SeedableRandomState,
}

/// A session in the ring of a key, between two others or twice the same.
#[derive(Clone, Copy, Debug)]
struct Link {
    entry: Entry,
    before: SessionIndex,
    after: SessionIndex,
}

fn of_entry(entry: Entry) -> u64 {
    spread(u64::from(entry.key) << 32 | u64::from(entry.session.0))
}

impl Rings {
    pub(crate) fn new(secret: Secret) -> Self {
        Self {
            firsts: HashTable::new(),
            links: HashTable::new(),
            hashes: secret.hashes(),
        }
    }

    fn key(&self, key: &impl Hash) -> u32 {
        short(self.hashes.hash_one(key))
    }

    fn first(&mut self, key: u32) -> Option<&mut SessionIndex> {
        let first = self.firsts.find_mut(of_key(key), |there| there.key == key);
        first.map(|first| &mut first.session)
    }

    fn link(&mut self, key: u32, session: SessionIndex) -> Option<&mut Link> {
        let entry = Entry { key, session };
        self.links
            .find_mut(of_entry(entry), |there| there.entry == entry)
    }

    fn insert_link(&mut self, key: u32, [before, session, after]: [SessionIndex; 3]) {
        let entry = Entry { key, session };
        let link = Link {
            entry,
            before,
            after,
        };
        self.links
            .insert_unique(of_entry(entry), link, |link| of_entry(link.entry));
    }

    /// Adds a session under a key; `false` if it is there already.
    pub(crate) fn add(&mut self, key: &impl Hash, session: SessionIndex) -> bool {
        let key = self.key(key);
        let Some(first) = self.first(key).copied() else {
            let entry = Entry { key, session };
            self.firsts
                .insert_unique(of_key(key), entry, |there| of_key(there.key));
            return true;
        };
        if first == session || self.link(key, session).is_some() {
            return false;
        }
        let Some(link) = self.link(key, first) else {
            self.insert_link(key, [session, first, session]);
            self.insert_link(key, [first, session, first]);
            return true;
        };
        let before = std::mem::replace(&mut link.before, session);
        if let Some(link) = self.link(key, before) {
            link.after = session;
        }
        self.insert_link(key, [before, session, first]);
        true
    }

    /// Takes a session out; `false` if it is not there under that key.
    pub(crate) fn remove(&mut self, key: &impl Hash, session: SessionIndex) -> bool {
        let key = self.key(key);
        let next = self.unlink(key, session);
        let first = self
            .firsts
            .find_entry(of_key(key), |there| there.key == key);
        let Ok(mut first) = first else {
            return false;
        };
        match next {
            _ if first.get().session != session => next.is_some(),
            Some(next) => {
                first.get_mut().session = next;
                true
            }
            None => {
                first.remove();
                true
            }
        }
    }

    /// Takes a session out of its ring, if it is in one; gives the one after it.
    fn unlink(&mut self, key: u32, session: SessionIndex) -> Option<SessionIndex> {
        let entry = Entry { key, session };
        let found = self
            .links
            .find_entry(of_entry(entry), |there| there.entry == entry);
        let (Link { before, after, .. }, _) = found.ok()?.remove();
        if before == after {
            // The other one has the key for itself.
            let entry = Entry {
                key,
                session: after,
            };
            let other = self
                .links
                .find_entry(of_entry(entry), |there| there.entry == entry);
            other.ok().map(hashbrown::hash_table::OccupiedEntry::remove);
            return Some(after);
        }
        if let Some(link) = self.link(key, before) {
            link.after = after;
        }
        if let Some(link) = self.link(key, after) {
            link.before = before;
        }
        Some(after)
    }

    /// The next sessions that may have that key, and few others: at most so many (one at least), and
    /// the next time those that follow, over and over.
    pub(crate) fn turn(&mut self, key: &impl Hash, most: usize) -> Vec<SessionIndex> {
        let key = self.key(key);
        let Some(first) = self.first(key).copied() else {
            return Vec::new();
        };
        let (mut found, mut next) = (vec![first], first);
        while let Some(link) = self.link(key, next) {
            next = link.after;
            if next == first || found.len() >= most {
                break;
            }
            found.push(next);
        }
        if let Some(first) = self.first(key) {
            *first = next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn finds_what_was_added_and_not_what_was_removed() {
        let mut index = Index::new(Secret(1));
        for n in 0..10_000 {
            index.add(&(n / 3), SessionIndex(n));
        }
        for n in (0..10_000).step_by(2) {
            assert!(index.remove(&(n / 3), SessionIndex(n)));
            assert!(!index.remove(&(n / 3), SessionIndex(n)));
        }
        for key in 0..3_333_u32 {
            let expected: BTreeSet<u32> = (key * 3..key * 3 + 3).filter(|n| n % 2 == 1).collect();
            let found: BTreeSet<u32> = index.candidates(&key).map(|found| found.0).collect();
            assert!(found.is_superset(&expected), "{key}: {found:?}");
        }
    }

    #[test]
    fn a_ring_has_each_session_of_its_key_once() {
        let mut rings = Rings::new(Secret(1));
        for n in 0..10_000 {
            assert!(rings.add(&(n % 7), SessionIndex(n)));
            assert!(!rings.add(&(n % 7), SessionIndex(n)));
        }
        for n in (0..10_000).filter(|n| n % 3 != 0) {
            assert!(rings.remove(&(n % 7), SessionIndex(n)));
            assert!(!rings.remove(&(n % 7), SessionIndex(n)));
        }
        for key in 0..7_u32 {
            let all = (0..10_000).filter(|n| n % 3 == 0 && n % 7 == key);
            let all: BTreeSet<SessionIndex> = all.map(SessionIndex).collect();
            assert_eq!(
                rings
                    .turn(&key, 10_000)
                    .into_iter()
                    .collect::<BTreeSet<_>>(),
                all
            );
            // In parts, all have their turn, too.
            let mut parts = BTreeSet::new();
            for _ in 0..all.len().div_ceil(64) {
                parts.extend(rings.turn(&key, 64));
            }
            assert_eq!(parts, all);
            for session in all {
                assert!(rings.remove(&key, session));
            }
            assert!(rings.turn(&key, 1).is_empty());
        }
        assert_eq!((rings.firsts.len(), rings.links.len()), (0, 0));
    }

    /// Nothing of what there is to do grows with the number of sessions that share a key: ten times
    /// as many, ten times as long, and not a hundred times.
    #[test]
    fn a_key_that_all_sessions_share_costs_no_more_than_others() {
        let mut rings = Rings::new(Secret(1));
        for n in 0..500_000 {
            rings.add(&"all", SessionIndex(n));
        }
        for n in 0..500_000 {
            assert!(rings.remove(&"all", SessionIndex(n)));
        }
    }
}
