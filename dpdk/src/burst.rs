//! Buffers side by side, the unit in which packets move.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::slice;

use dpdk_sys as sys;

use crate::Mbuf;

/// Up to `N` owned buffers, in order. Reads as a slice of [`Mbuf`]; dropping it frees them.
///
/// Made once and used again and again: nothing on the path allocates.
///
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<dpdk::Burst<32>>();
/// ```
/// ```compile_fail
/// fn needs_send<T: Send>() {}
/// needs_send::<dpdk::Burst<32>>();
/// ```
//
// Invariant: the first `len` slots are initialised and owned; `len <= N`.
pub struct Burst<const N: usize = 64> {
    slots: [MaybeUninit<Mbuf>; N],
    len: usize,
}

impl<const N: usize> Burst<N> {
    /// A burst of nothing.
    #[inline]
    pub const fn new() -> Self {
        const { assert!(N > 0 && N <= 512, "a burst fits the stack") }
        Self {
            slots: [const { MaybeUninit::uninit() }; N],
            len: 0,
        }
    }

    /// How many it can hold.
    #[inline]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// How many more it can hold.
    #[inline]
    pub const fn room(&self) -> usize {
        N.saturating_sub(self.len)
    }

    /// Whether it can hold no more.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.len == N
    }

    /// Adds a buffer at the end.
    ///
    /// # Errors
    /// Gives the buffer back when the burst is full.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        match self.slots.get_mut(self.len) {
            Some(slot) => {
                slot.write(mbuf);
                self.len = self.len.wrapping_add(1);
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Takes the last buffer out.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.len = self.len.checked_sub(1)?;
        let slot = self.slots.get(self.len)?;
        // SAFETY: It was below `len` until now, so it is initialised, and it is ours to move out.
        Some(unsafe { slot.assume_init_read() })
    }

    /// Takes buffer `index` out; those behind it move up.
    pub fn take(&mut self, index: usize) -> Option<Mbuf> {
        let behind = self.get_mut(index..)?;
        if behind.is_empty() {
            return None;
        }
        behind.rotate_left(1);
        self.pop()
    }

    /// Takes buffer `index` out; the last one takes its place. Cheaper than [`Self::take`].
    #[inline]
    pub fn swap_take(&mut self, index: usize) -> Option<Mbuf> {
        let last = self.len.checked_sub(1)?;
        if index > last {
            return None;
        }
        self.swap(index, last);
        self.pop()
    }

    /// Takes every buffer out, in order. What is left when the iterator is dropped is freed.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_, N> {
        let end = self.len;
        self.len = 0;
        Drain {
            burst: self,
            next: 0,
            end,
        }
    }

    /// Keeps those for which `keep` says so, in order, and frees the others; returns how many were
    /// freed.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Mbuf) -> bool) -> usize {
        let mut freed = Self::new();
        let mut kept = 0_usize;
        for index in 0..self.len {
            let Some(mbuf) = self.get_mut(index) else {
                break;
            };
            if keep(mbuf) {
                self.swap(kept, index);
                kept = kept.wrapping_add(1);
            }
        }
        // Swapping keeps the order of what is kept; the rest has gathered behind.
        while self.len > kept {
            let Some(mbuf) = self.pop() else { break };
            if let Err(mbuf) = freed.push(mbuf) {
                drop(mbuf);
            }
        }
        freed.len
    }

    /// Moves buffers from the front of `other` behind these, as many as fit; returns how many.
    #[inline]
    pub fn append<const M: usize>(&mut self, other: &mut Burst<M>) -> usize {
        let count = self.room().min(other.len);
        let (from, to) = (other.slots.as_ptr(), self.slots.as_mut_ptr());
        // SAFETY: `len <= N`, so this is within the array or its end.
        let to = unsafe { to.add(self.len) };
        // SAFETY: `count` slots are initialised there and free here, and two bursts do not overlap.
        unsafe { to.copy_from_nonoverlapping(from, count) };
        self.len = self.len.wrapping_add(count);
        other.forget_front(count);
        count
    }

    /// Frees all that it holds.
    #[inline]
    pub fn clear(&mut self) {
        if self.len == 0 {
            return;
        }
        let count = u32::try_from(self.len).unwrap_or(u32::MAX);
        self.len = 0;
        // SAFETY: The first `count` slots held buffers that we own, and are void from here on.
        unsafe { sys::rte_pktmbuf_free_bulk(self.slots.as_mut_ptr().cast(), count) }
    }

    /// Lets `write` put buffers behind those that are here; it is given the free slots and returns
    /// how many of them, from the first, it filled.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        write: impl FnOnce(*mut *mut sys::rte_mbuf, u16) -> u16,
    ) -> usize {
        let room = u16::try_from(self.room()).unwrap_or(u16::MAX);
        // SAFETY: `len <= N`, so this is within the array or its end.
        let free = unsafe { self.slots.as_mut_ptr().add(self.len) };
        let count = usize::from(write(free.cast(), room));
        debug_assert!(count <= self.room(), "DPDK wrote past the burst");
        self.len = self.len.wrapping_add(count).min(N);
        count
    }

    /// Lets `take` have buffers from the front; it returns how many are no longer ours.
    #[inline]
    pub(crate) fn give(&mut self, take: impl FnOnce(*mut *mut sys::rte_mbuf, u16) -> u16) -> usize {
        let offered = u16::try_from(self.len).unwrap_or(u16::MAX);
        let count = usize::from(take(self.slots.as_mut_ptr().cast(), offered));
        debug_assert!(count <= self.len, "DPDK took more than there was");
        self.forget_front(count);
        count
    }

    /// Drops `count` buffers from the front without freeing them: their owner is another now.
    #[inline]
    pub(crate) fn forget_front(&mut self, count: usize) {
        let rest = self.len.saturating_sub(count);
        if rest > 0 && count > 0 {
            let start = self.slots.as_mut_ptr();
            // SAFETY: `count < len <= N`.
            let left = unsafe { start.add(count) };
            // SAFETY: Both ranges lie within the array; `copy` allows them to overlap.
            unsafe { start.copy_from(left, rest) };
        }
        self.len = rest;
    }
}

impl<const N: usize> Deref for Burst<N> {
    type Target = [Mbuf];
    #[inline]
    fn deref(&self) -> &[Mbuf] {
        // SAFETY: The first `len` slots are initialised.
        unsafe { slice::from_raw_parts(self.slots.as_ptr().cast(), self.len) }
    }
}

impl<const N: usize> DerefMut for Burst<N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Mbuf] {
        // SAFETY: The first `len` slots are initialised.
        unsafe { slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast(), self.len) }
    }
}

impl<'a, const N: usize> IntoIterator for &'a Burst<N> {
    type Item = &'a Mbuf;
    type IntoIter = slice::Iter<'a, Mbuf>;
    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, const N: usize> IntoIterator for &'a mut Burst<N> {
    type Item = &'a mut Mbuf;
    type IntoIter = slice::IterMut<'a, Mbuf>;
    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<const N: usize> Default for Burst<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for Burst<N> {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl<const N: usize> std::fmt::Debug for Burst<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Burst")
            .field("len", &self.len)
            .field("capacity", &N)
            .finish_non_exhaustive()
    }
}

/// What [`Burst::drain`] gives: the buffers, one by one.
//
// Invariant: slots `next..end` are initialised and ours; the burst's `len` is 0 meanwhile.
#[derive(Debug)]
pub struct Drain<'a, const N: usize> {
    burst: &'a mut Burst<N>,
    next: usize,
    end: usize,
}

impl<const N: usize> Iterator for Drain<'_, N> {
    type Item = Mbuf;
    #[inline]
    fn next(&mut self) -> Option<Mbuf> {
        if self.next == self.end {
            return None;
        }
        let slot = self.burst.slots.get(self.next)?;
        self.next = self.next.wrapping_add(1);
        // SAFETY: By the invariant; `next` has moved on, so it is read once.
        Some(unsafe { slot.assume_init_read() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<const N: usize> ExactSizeIterator for Drain<'_, N> {}

impl<const N: usize> Drop for Drain<'_, N> {
    #[inline]
    fn drop(&mut self) {
        self.burst.len = self.end;
        self.burst.forget_front(self.next);
        self.burst.clear();
    }
}
