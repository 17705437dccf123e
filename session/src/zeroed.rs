//! Tables that are made for millions of sessions at start, and may never have as many.

use std::alloc::{Layout, handle_alloc_error};

use zerocopy::{FromZeros, KnownLayout};

/// So many values of zeros, in memory that is asked for as zeros: with an allocator that takes
/// large blocks straight from the system (as the UPF's does), what is never used of it takes
/// address space and nothing else.
pub(crate) fn zeroed<T: FromZeros + KnownLayout>(count: usize) -> Box<[T]> {
    let layout = || Layout::array::<T>(count).unwrap_or(Layout::new::<T>());
    <[T]>::new_box_zeroed_with_elems(count).unwrap_or_else(|_| handle_alloc_error(layout()))
}
