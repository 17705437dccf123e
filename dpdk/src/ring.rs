//! Rings from one lcore to one other: how packets, and notes about them, change hands.
//!
//! ```text
//!            +--------------------------------+
//!  Producer  |  | h | h+1 | ...... | t-1 |     |  Consumer
//!  writes at t  +-- head (Consumer) -- tail --+  reads at h
//!            +--------------------------------+
//! ```
//! Each end keeps the other's index and looks at the shared one only when the ring seems full, or
//! empty; so a burst costs one cache line each way, whatever its length.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Burst, Mbuf};

/// What may change lcores by way of a ring: packets, packets with a note, and whatever is `Send`
/// anyway when wrapped in [`Note`].
///
/// # Safety
/// The value may be used on another thread than it came from, once this one has let go of it.
pub unsafe trait Handover {}
// SAFETY: A buffer belongs to no thread; it is not `Send` only so that crossing is seen.
unsafe impl Handover for Mbuf {}
// SAFETY: As above, and `T` is `Send`.
unsafe impl<T: Send> Handover for (Mbuf, T) {}
// SAFETY: `T` is `Send`.
unsafe impl<T: Send> Handover for Note<T> {}

/// Something without a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note<T>(pub T);

/// Alone on its cache lines (two: they are fetched in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

// Invariant: slots `head..tail` (modulo the capacity) are initialised; the consumer owns these, the
// producer the others. `head` is written by the consumer alone, `tail` by the producer alone.
struct Shared<T> {
    head: Apart<AtomicUsize>,
    tail: Apart<AtomicUsize>,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
    mask: usize,
}

// SAFETY: Each slot has one owner at a time, by the invariant; it passes with Release and Acquire.
unsafe impl<T: Handover> Sync for Shared<T> {}
// SAFETY: As above.
unsafe impl<T: Handover> Send for Shared<T> {}

/// The end that gives. `Send`, not `Sync`, not `Clone`.
///
/// ```compile_fail
/// fn needs_sync<T: Sync>() {}
/// needs_sync::<dpdk::ring::Producer<dpdk::Mbuf>>();
/// ```
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<dpdk::ring::Producer<dpdk::Mbuf>>();
/// ```
/// ```
/// fn needs_send<T: Send>() {}
/// needs_send::<dpdk::ring::Producer<dpdk::Mbuf>>();
/// ```
pub struct Producer<T: Handover = Mbuf> {
    shared: Arc<Shared<T>>,
    tail: usize,
    head_seen: usize,
    alone: PhantomData<Cell<()>>,
}

/// The end that takes. `Send`, not `Sync`, not `Clone`.
///
/// ```compile_fail
/// fn needs_sync<T: Sync>() {}
/// needs_sync::<dpdk::ring::Consumer<dpdk::Mbuf>>();
/// ```
pub struct Consumer<T: Handover = Mbuf> {
    shared: Arc<Shared<T>>,
    head: usize,
    tail_seen: usize,
    alone: PhantomData<Cell<()>>,
}

/// A ring for at least `capacity` values (rounded up to a power of two; at most 2^24), which one
/// lcore fills and one empties. What is in it when both ends are gone is dropped.
pub fn spsc<T: Handover>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity.clamp(2, 1 << 24).next_power_of_two();
    let shared = Arc::new(Shared {
        head: Apart::default(),
        tail: Apart::default(),
        slots: (0..capacity)
            .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
            .collect(),
        mask: capacity.wrapping_sub(1),
    });
    (
        Producer {
            shared: Arc::clone(&shared),
            tail: 0,
            head_seen: 0,
            alone: PhantomData,
        },
        Consumer {
            shared,
            head: 0,
            tail_seen: 0,
            alone: PhantomData,
        },
    )
}

impl<T> Shared<T> {
    /// The slot of `index`. Whether it may be touched is the caller's to know.
    #[inline]
    fn slot(&self, index: usize) -> *mut MaybeUninit<T> {
        let slots = self.slots.as_ptr();
        // SAFETY: The mask keeps it within the slots, of which there is a power of two.
        UnsafeCell::raw_get(unsafe { slots.add(index & self.mask) })
    }
}

impl<T: Handover> Producer<T> {
    /// How many values fit now.
    #[inline]
    pub fn room(&mut self) -> usize {
        self.head_seen = self.shared.head.0.load(Ordering::Acquire);
        self.room_seen()
    }

    /// How many values it can hold.
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// Gives a value.
    ///
    /// # Errors
    /// Gives it back when the ring is full.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if self.room_seen() == 0 && self.room() == 0 {
            return Err(value);
        }
        // SAFETY: There is room, so the slot is ours and void.
        unsafe { self.shared.slot(self.tail).write(MaybeUninit::new(value)) };
        self.publish(1);
        Ok(())
    }

    #[inline]
    fn room_seen(&self) -> usize {
        self.shared
            .slots
            .len()
            .wrapping_sub(self.tail.wrapping_sub(self.head_seen))
    }

    #[inline]
    fn publish(&mut self, count: usize) {
        self.tail = self.tail.wrapping_add(count);
        self.shared.tail.0.store(self.tail, Ordering::Release);
    }
}

impl Producer<Mbuf> {
    /// Gives as much of `burst` as fits, from its front; the rest stays in it. Returns how many.
    #[inline]
    pub fn push_burst<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        let wanted = burst.len();
        let mut room = self.room_seen();
        if room < wanted {
            room = self.room();
        }
        let count = room.min(wanted);
        for (offset, mbuf) in burst.iter().take(count).enumerate() {
            let slot = self.shared.slot(self.tail.wrapping_add(offset));
            // SAFETY: Moved out bit by bit, and forgotten below before anything can drop it.
            let moved = unsafe { std::ptr::from_ref(mbuf).read() };
            // SAFETY: There is room, so the slot is ours and void.
            unsafe { slot.write(MaybeUninit::new(moved)) };
        }
        burst.forget_front(count);
        if count > 0 {
            self.publish(count);
        }
        count
    }
}

impl<T: Handover> Consumer<T> {
    /// Takes a value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.waiting_seen() == 0 && self.waiting() == 0 {
            return None;
        }
        let slot = self.shared.slot(self.head).cast_const();
        // SAFETY: There is one waiting, so the slot is ours and initialised.
        let value = unsafe { slot.read() };
        self.release(1);
        // SAFETY: As above.
        Some(unsafe { value.assume_init() })
    }

    /// How many values are waiting.
    #[inline]
    pub fn waiting(&mut self) -> usize {
        self.tail_seen = self.shared.tail.0.load(Ordering::Acquire);
        self.waiting_seen()
    }

    /// How many values it can hold.
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }

    /// Whether the producer is gone; what it gave may still be waiting, all of it visible.
    pub fn is_abandoned(&self) -> bool {
        let alone = Arc::strong_count(&self.shared) == 1;
        // Pairs with the release by which the producer let go.
        std::sync::atomic::fence(Ordering::Acquire);
        alone
    }

    #[inline]
    const fn waiting_seen(&self) -> usize {
        self.tail_seen.wrapping_sub(self.head)
    }

    #[inline]
    fn release(&mut self, count: usize) {
        self.head = self.head.wrapping_add(count);
        self.shared.head.0.store(self.head, Ordering::Release);
    }
}

impl Consumer<Mbuf> {
    /// Takes what is waiting and fits behind what `burst` holds. Returns how many.
    #[inline]
    pub fn pop_burst<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        let room = burst.room();
        let mut waiting = self.waiting_seen();
        if waiting < room {
            waiting = self.waiting();
        }
        let count = waiting.min(room);
        for offset in 0..count {
            let slot = self
                .shared
                .slot(self.head.wrapping_add(offset))
                .cast_const();
            // SAFETY: Waiting, so the slot is ours and initialised; read once, released below.
            let value = unsafe { slot.read() };
            // SAFETY: As above.
            let mbuf = unsafe { value.assume_init() };
            // There is room: `count <= room`.
            drop(burst.push(mbuf));
        }
        if count > 0 {
            self.release(count);
        }
        count
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let tail = *self.tail.0.get_mut();
        let mut head = *self.head.0.get_mut();
        while head != tail {
            // SAFETY: Both ends are gone, and `head..tail` is initialised: dropped here, once.
            unsafe { self.slot(head).cast::<T>().drop_in_place() };
            head = head.wrapping_add(1);
        }
    }
}

impl<T: Handover> std::fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl<T: Handover> std::fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
