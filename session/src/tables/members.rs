//! The sessions of Ethernet networks, for frames that go to all of them: a list that readers walk
//! through.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustc_hash::FxHashMap;

use Ordering::{AcqRel, Acquire, Release};

use crate::id::{InterfaceId, SessionIndex, index};
use crate::zeroed::zeroed;

/// Handles of sessions, each with its network; 0 where there is none.
#[derive(Debug)]
pub(super) struct Members {
    places: Box<[AtomicU64]>,
    /// Those beyond have never been used.
    used: AtomicU32,
}

/// The control side's knowledge of which places are whose.
#[derive(Debug, Default)]
pub(super) struct Places {
    of: FxHashMap<Member, usize>,
    free: Vec<usize>,
}

/// A session in a network.
type Member = (InterfaceId, SessionIndex);

impl Members {
    pub(super) fn new(most: u32) -> Self {
        Self {
            places: zeroed(index(most)),
            used: AtomicU32::new(0),
        }
    }

    /// What leads to the sessions of a network.
    pub(super) fn of(&self, vrf: InterfaceId) -> impl Iterator<Item = NonZeroU32> + '_ {
        let used = index(self.used.load(Acquire));
        let words = self.places.iter().take(used);
        words.filter_map(move |word| {
            let [_, _, _, network, handle @ ..] = word.load(Acquire).to_be_bytes();
            let handle = NonZeroU32::new(u32::from_be_bytes(handle))?;
            (network == vrf.0).then_some(handle)
        })
    }

    /// Writes a handle, 0 for none; the one that was there.
    fn set(&self, place: usize, vrf: InterfaceId, handle: u32) -> u32 {
        let word = match handle {
            0 => 0,
            handle => u64::from(vrf.0) << 32 | u64::from(handle),
        };
        // Release: the plan is there before what leads to it.
        let was = self.places.get(place).map(|old| old.swap(word, AcqRel));
        let [_, _, _, _, handle @ ..] = was.unwrap_or(0).to_be_bytes();
        u32::from_be_bytes(handle)
    }
}

impl Places {
    /// A place for a session; `false` when there is none.
    pub(super) fn add(&mut self, members: &Members, member: Member, handle: u32) -> bool {
        let place = self.free.pop().or_else(|| {
            let used = members.used.load(Acquire);
            let fresh = index(used);
            (fresh < members.places.len()).then(|| {
                members.used.store(used + 1, Release);
                fresh
            })
        });
        let Some(place) = place else { return false };
        members.set(place, member.0, handle);
        self.of.insert(member, place);
        true
    }

    /// Makes a session's place lead elsewhere; where it led.
    pub(super) fn lead(&self, members: &Members, member: Member, handle: u32) -> u32 {
        let place = self.of.get(&member);
        place.map_or(0, |place| members.set(*place, member.0, handle))
    }

    /// Takes a session out; where its place led.
    pub(super) fn remove(&mut self, members: &Members, member: Member) -> u32 {
        let Some(place) = self.of.remove(&member) else {
            return 0;
        };
        self.free.push(place);
        members.set(place, member.0, 0)
    }
}
