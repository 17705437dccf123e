//! RCU-style publication of plans, and the only `unsafe` code of this crate.
//!
//! Readers (workers) dereference plans without lock or count. The tables' entries hold the number of
//! the place where a plan lies, so that a packet comes from its key to its plan without a pointer in
//! between. The writer puts a new plan in another place, changes the entries, and clears the old
//! place once every reader has passed a *quiescent point*, a moment at which it holds no reference
//! (quiescent-state-based reclamation). The rules that make it sound: a `&Plan` is only ever given
//! out with the lifetime of a [`Guard`], a guard borrows its [`Slot`] mutably, the slot announces
//! quiescence only when no guard exists; a number is read from an entry under the guard that it is
//! used with; and a place that an entry still leads to is never cleared.
#![allow(
    unsafe_code,
    reason = "the one place where readers and the writer share plans"
)]

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use crate::id::{SessionIndex, index};
use crate::plan::Plan;
use crate::zeroed::zeroed;

/// What a slot shows while its reader is not reading at all.
const OFFLINE: u64 = u64::MAX;

/// A moment in the writer's history: what was unpublished before it is unreachable once every
/// reader has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

/// One cache line of its own, so that readers do not disturb each other.
#[derive(Debug)]
#[repr(align(64))]
struct Seen(AtomicU64);

/// Quiescent-state-based reclamation for a fixed number of readers.
#[derive(Debug)]
pub(crate) struct Qsbr {
    now: AtomicU64,
    seen: Box<[Seen]>,
}

impl Qsbr {
    pub(crate) fn new(readers: usize) -> Self {
        Self {
            now: AtomicU64::new(1),
            seen: (0..readers)
                .map(|_| Seen(AtomicU64::new(OFFLINE)))
                .collect(),
        }
    }

    /// Ends an epoch: all that was unpublished before this call belongs to it.
    pub(crate) fn advance(&self) -> Epoch {
        Epoch(self.now.fetch_add(1, AcqRel) + 1)
    }

    /// The epoch that [`advance`](Self::advance) has ended last. For the one writer.
    pub(crate) fn last(&self) -> Epoch {
        Epoch(self.now.load(Relaxed))
    }

    /// The epoch that [`advance`](Self::advance) will end next. For the one writer.
    pub(crate) fn next(&self) -> Epoch {
        Epoch(self.now.load(Relaxed) + 1)
    }

    /// Whether every reader has been quiescent since `epoch`.
    pub(crate) fn is_past(&self, epoch: Epoch) -> bool {
        epoch <= self.passed()
    }

    /// The last epoch that every reader has been quiescent since: that and all before are past.
    pub(crate) fn passed(&self) -> Epoch {
        fence(SeqCst);
        let seen = self.seen.iter().map(|seen| seen.0.load(Acquire));
        Epoch(seen.min().unwrap_or(OFFLINE))
    }
}

/// One reader's place in the [`Qsbr`]. Not `Clone`: one thread announces for it.
#[derive(Debug)]
pub(crate) struct Slot {
    qsbr: Arc<Qsbr>,
    index: usize,
}

impl Slot {
    /// The places of all readers; to be called once per [`Qsbr`].
    pub(crate) fn all(qsbr: &Arc<Qsbr>) -> impl Iterator<Item = Self> + use<> {
        let qsbr = Arc::clone(qsbr);
        (0..qsbr.seen.len()).map(move |index| Self {
            qsbr: Arc::clone(&qsbr),
            index,
        })
    }

    /// A quiescent point, and the right to read until the guard goes.
    #[inline]
    pub(crate) fn enter(&mut self) -> Guard<'_> {
        if let Some(seen) = self.qsbr.seen.get(self.index) {
            let was = seen.0.load(Relaxed);
            // Acquire: what was unpublished before that epoch is not seen any more.
            // Release: all reads under the last guard come before.
            seen.0.store(self.qsbr.now.load(Acquire), Release);
            if was == OFFLINE {
                // The writer must see this reader before the reader sees any plan.
                fence(SeqCst);
            }
        }
        Guard(PhantomData)
    }

    /// Stops taking part until the next [`enter`](Self::enter): for a worker that sleeps or ends.
    pub(crate) fn offline(&mut self) {
        if let Some(seen) = self.qsbr.seen.get(self.index) {
            seen.0.store(OFFLINE, Release);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.offline();
    }
}

/// Proof that a reader takes part: what it reads lives as long as this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guard<'a>(PhantomData<&'a mut Slot>);

/// Room for one plan.
type Room = UnsafeCell<MaybeUninit<Plan>>;

/// All plans, each in a place of its own, and which one is in force for each session.
pub(crate) struct Plans {
    rooms: Box<[Room]>,
    /// The number of a session's place; 0 is none.
    current: Box<[AtomicU32]>,
    /// Places that were out of force when their publisher went.
    left: Mutex<Vec<Filled>>,
}

// SAFETY: What is in a room is written by whoever holds its only `Vacant`, before any reader has
// its number, and is not changed until all readers are done with it.
unsafe impl Sync for Plans {}
// SAFETY: Plans are shared between threads in any case.
unsafe impl Send for Plans {}

/// The places that hold no plan. There is one of these for [`Plans`], the writer's.
#[derive(Debug)]
pub(crate) struct Vacancies {
    /// The lowest number that was never used.
    fresh: u32,
    free: Vec<Vacant>,
    places: u32,
}

/// A place without a plan.
#[derive(Debug)]
pub(crate) struct Vacant(u32);

/// A place with a plan. It is to be cleared when its plan is out of force, and no reader can still
/// be looking at it.
#[derive(Debug)]
pub(crate) struct Filled(u32);

impl Vacancies {
    /// A place; `None` when all are taken.
    pub(crate) fn take(&mut self) -> Option<Vacant> {
        // What was used last is likeliest to be in the cache.
        self.free.pop().or_else(|| {
            let fresh = self.fresh;
            (fresh < self.places).then(|| {
                self.fresh += 1;
                Vacant(fresh)
            })
        })
    }

    /// Takes a place back.
    pub(crate) fn give(&mut self, vacant: Vacant) {
        self.free.push(vacant);
    }
}

impl Filled {
    /// What entries of the tables hold of it; never 0.
    pub(crate) const fn number(&self) -> u32 {
        self.0
    }
}

impl Plans {
    /// Room for the plans of so many sessions and for so many that are out of force.
    pub(crate) fn new(sessions: u32, spare: u32) -> (Self, Vacancies) {
        let places = sessions.saturating_add(spare).saturating_add(1);
        let rooms = Box::<[Room]>::new_zeroed_slice(index(places));
        let plans = Self {
            // SAFETY: A room may hold anything.
            rooms: unsafe { rooms.assume_init() },
            current: zeroed(index(sessions) + 1),
            left: Mutex::default(),
        };
        let vacancies = Vacancies {
            fresh: 1,
            free: Vec::new(),
            places,
        };
        (plans, vacancies)
    }

    fn room(&self, number: u32) -> Option<*mut Plan> {
        self.rooms.get(index(number)).map(|room| room.get().cast())
    }

    /// The plan in the place of that number, which was read from an entry under this guard.
    #[inline]
    pub(crate) fn read<'a>(&'a self, number: u32, _: Guard<'a>) -> Option<&'a Plan> {
        let plan = self.room(number)?;
        // SAFETY: An entry of the tables holds the number of a filled place, which is cleared only
        // after every slot has announced quiescence since the entry was changed, and this one does
        // not before `'a` ends.
        Some(unsafe { &*plan })
    }

    /// The plan that is in force for a session.
    #[inline]
    pub(crate) fn of<'a>(&'a self, session: SessionIndex, guard: Guard<'a>) -> Option<&'a Plan> {
        match self.current.get(index(session.0))?.load(Acquire) {
            0 => None,
            number => self.read(number, guard),
        }
    }

    /// Whose plan is in the place of that number. For the one writer.
    pub(crate) fn session_of(&self, number: u32) -> Option<SessionIndex> {
        let plan = self.room(number)?;
        // SAFETY: The writer has not cleared what it still has an entry for.
        let plan = unsafe { &*plan };
        Some(plan.session)
    }

    /// Puts a plan into a place. For the one writer.
    pub(crate) fn fill(&self, Vacant(number): Vacant, plan: Plan) -> Filled {
        if let Some(room) = self.room(number) {
            // SAFETY: Nobody has the number of a vacant place.
            unsafe { room.write(plan) };
        }
        Filled(number)
    }

    /// Puts a plan (or none) in force for a session, in place of the one that was. For the one
    /// writer.
    pub(crate) fn swap(&self, session: SessionIndex, plan: Option<Filled>) -> Option<Filled> {
        let number = plan.map_or(0, |Filled(number)| number);
        let current = self.current.get(index(session.0))?;
        match current.swap(number, AcqRel) {
            0 => None,
            old => Some(Filled(old)),
        }
    }

    /// One entry more, or one less, leads to the place of that number. For the one writer.
    pub(crate) fn count_entry(&self, number: u32, more: bool) {
        let Some(plan) = self.room(number) else {
            return;
        };
        // SAFETY: A place that an entry leads to, or that is about to have one, has a plan.
        let entries = unsafe { &(*plan).entries_here };
        let count = entries.load(Relaxed);
        let count = if more {
            count + 1
        } else {
            count.saturating_sub(1)
        };
        entries.store(count, Relaxed);
    }

    /// Drops a plan that no reader can still be looking at. For the one writer. `None` when there
    /// are entries that still lead to it: their session forgot them, and the place is lost.
    pub(crate) fn clear(&self, Filled(number): Filled) -> Option<Vacant> {
        let plan = self.room(number)?;
        // SAFETY: A filled place has a plan.
        let entries = unsafe { &(*plan).entries_here };
        if entries.load(Relaxed) > 0 {
            return None;
        }
        // SAFETY: The writer clears it only when its epoch is past, so no reader holds a reference;
        // and none will find it, since no entry leads to it.
        unsafe { plan.drop_in_place() };
        Some(Vacant(number))
    }

    /// Keeps places that are out of force, but may still be looked at, until all plans go.
    pub(crate) fn leave(&self, places: impl Iterator<Item = Filled>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.extend(places);
    }
}

impl Drop for Plans {
    fn drop(&mut self) {
        // Readers hold the tables, and with them these plans, by `Arc`: none is left.
        let left = self.left.get_mut().unwrap_or_else(PoisonError::into_inner);
        let left = std::mem::take(left).into_iter();
        let current = self.current.iter().map(|number| number.load(Relaxed));
        let filled = left.map(|Filled(number)| number).chain(current);
        let filled = filled.filter(|number| *number != 0);
        for plan in filled.filter_map(|number| self.room(number)) {
            // SAFETY: A filled place has a plan, and each is here once.
            unsafe { plan.drop_in_place() };
        }
    }
}

impl std::fmt::Debug for Plans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plans")
            .field("places", &self.rooms.len())
            .finish_non_exhaustive()
    }
}

/// Brings the line of `target` into the cache, without waiting for it.
#[inline]
pub(crate) fn prefetch<T>(target: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: A prefetch of a valid reference; it has no effect but on the cache.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(target).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}
