//! RCU-style publication of plans, and the only `unsafe` code of this crate.
//!
//! Readers (workers) dereference plans without lock or count. The writer swaps a pointer, and
//! frees what was there once every reader has passed a *quiescent point*, a moment at which it
//! holds no reference (quiescent-state-based reclamation). The rule that makes it sound: a `&Plan`
//! is only ever given out with the lifetime of a [`Guard`], a guard borrows its [`Slot`] mutably,
//! and the slot announces quiescence only when no guard exists.
#![allow(
    unsafe_code,
    reason = "the one place where readers and the writer share plans"
)]

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use zerocopy::{FromZeros, KnownLayout};

use crate::plan::Plan;

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

/// One published plan, or none.
#[derive(Debug, Default, FromZeros, KnownLayout)]
pub(crate) struct Cell(AtomicPtr<Plan>);

/// A plan that is no longer published, but may still be read until its epoch is past.
#[derive(Debug)]
pub(crate) struct Unpublished(AtomicPtr<Plan>);

impl Cell {
    /// Reads what is published.
    #[inline]
    pub(crate) fn read<'a>(&self, _: Guard<'a>) -> Option<&'a Plan> {
        // SAFETY: The pointer came from `Box::into_raw` in `swap`; what it points to is freed only
        // after every slot has announced quiescence, which this one does not before `'a` ends.
        unsafe { self.0.load(Acquire).as_ref() }
    }

    /// Publishes `plan` (or nothing) in place of what was there. For the one writer.
    pub(crate) fn swap(&self, plan: Option<Box<Plan>>) -> Option<Unpublished> {
        let new = plan.map_or(std::ptr::null_mut(), Box::into_raw);
        let old = self.0.swap(new, AcqRel);
        (!old.is_null()).then(|| Unpublished(AtomicPtr::new(old)))
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // Readers hold the tables, and with them this cell, by `Arc`: none is left.
        drop(self.swap(None));
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        let plan = *self.0.get_mut();
        // SAFETY: From `Box::into_raw` in `swap`, which gave it to this value alone; the writer
        // drops this value only when its epoch is past, so no reader holds a reference.
        drop(unsafe { Box::from_raw(plan) });
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
