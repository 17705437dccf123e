//! Sessions by something that they have.
//!
//! A map would keep that something a second time, which with millions of sessions is most of its
//! size. An index keeps a hash of it, and who asks compares with the session itself.

use std::hash::{BuildHasher as _, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use session::SessionIndex;

/// Sessions by the hash of a key; each at most once under a key.
#[derive(Debug, Default)]
pub(crate) struct Index(HashTable<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    key: u32,
    session: SessionIndex,
}

impl Entry {
    fn new(key: &impl Hash, session: SessionIndex) -> Self {
        let hash = FxBuildHasher.hash_one(key);
        let key = u32::try_from(hash >> 32).unwrap_or_default();
        Self { key, session }
    }

    /// The table wants all 64 bits to be of use.
    fn spread(self) -> u64 {
        u64::from(self.key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Index {
    /// Adds a session under a key that it has not been added under.
    pub(crate) fn add(&mut self, key: &impl Hash, session: SessionIndex) {
        let entry = Entry::new(key, session);
        self.0
            .insert_unique(entry.spread(), entry, |entry| entry.spread());
    }

    /// Takes a session out; `false` if it is not there under that key.
    pub(crate) fn remove(&mut self, key: &impl Hash, session: SessionIndex) -> bool {
        let entry = Entry::new(key, session);
        let found = self.0.find_entry(entry.spread(), |there| *there == entry);
        found.is_ok_and(|found| {
            found.remove();
            true
        })
    }

    /// Whether a session is there under a key.
    pub(crate) fn contains(&self, key: &impl Hash, session: SessionIndex) -> bool {
        let entry = Entry::new(key, session);
        self.0
            .find(entry.spread(), |there| *there == entry)
            .is_some()
    }

    /// The sessions that may have that key, and few others.
    pub(crate) fn candidates<'a, K: Hash>(
        &'a self,
        key: &K,
    ) -> impl Iterator<Item = SessionIndex> + use<'a, K> {
        let entry = Entry::new(key, SessionIndex(0));
        let same = self.0.iter_hash(entry.spread());
        same.filter(move |there| there.key == entry.key)
            .map(|there| there.session)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn finds_what_was_added_and_not_what_was_removed() {
        let mut index = Index::default();
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
            for n in expected {
                assert!(index.contains(&key, SessionIndex(n)));
            }
        }
    }
}
