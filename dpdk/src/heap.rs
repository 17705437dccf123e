//! A global allocator that puts what packets touch on huge pages.
//!
//! With a million sessions every packet finds its session in memory that no cache holds, and on
//! ordinary pages not even the address translation is at hand: that costs as much as the data. So
//! what is *aligned to a cache line* comes from slabs of huge pages, one for each size, and *large*
//! blocks get pages of their own; the system is asked to back both with huge ones
//! (`MADV_HUGEPAGE`; transparent huge pages have to be `always` or `madvise`). Where it has none,
//! they are ordinary pages. All else is left to the system's allocator.
//!
//! Slabs only grow: a freed block is used again for one of its size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

/// What marks a block as touched by packets.
const LINE: usize = 64;
/// Sizes of blocks from slabs: one to that many lines.
const CLASSES: usize = 16;
/// A huge page, on every machine that DPDK knows of transparent ones.
const HUGE: usize = 2 << 20;
/// What a slab grows by.
const SLAB: usize = 16 * HUGE;

/// The allocator: `#[global_allocator] static HEAP: dpdk::Heap = dpdk::Heap::new();`.
#[derive(Debug)]
pub struct Heap {
    slabs: [Mutex<Slab>; CLASSES],
}

/// Blocks of one size.
#[derive(Debug)]
struct Slab {
    /// Blocks that were freed; each begins with the address of the next.
    free: Option<NonNull<Free>>,
    /// Where the next fresh block starts.
    fresh: *mut u8,
    /// Octets from there to the end.
    left: usize,
}

#[derive(Debug)]
struct Free {
    next: Option<NonNull<Free>>,
}

// SAFETY: The blocks that a slab points to are nobody's else, on whichever thread.
unsafe impl Send for Slab {}

/// Who a block comes from, and goes back to.
enum Source {
    /// The slab of that number.
    Slab(usize),
    /// Pages of its own.
    Pages,
    System,
}

impl Source {
    const fn of(layout: Layout) -> Self {
        let (size, align) = (layout.size(), layout.align());
        if size >= HUGE && align <= HUGE {
            Self::Pages
        } else if align == LINE && size > 0 && size <= CLASSES * LINE {
            Self::Slab(size.div_ceil(LINE) - 1)
        } else {
            Self::System
        }
    }
}

impl Heap {
    /// An allocator that has taken nothing yet.
    pub const fn new() -> Self {
        Self {
            slabs: [const {
                Mutex::new(Slab {
                    free: None,
                    fresh: ptr::null_mut(),
                    left: 0,
                })
            }; CLASSES],
        }
    }

    /// Has the system's allocator put freed blocks together as they come back. The C library would
    /// keep small ones aside, and put them together some time later: after a million sessions that
    /// is seconds of work, in whatever call it happens to come. For the start of a program.
    pub fn spread_work() {
        #[cfg(target_env = "gnu")]
        // SAFETY: Sets a threshold of the allocator; it may be called at any time.
        unsafe {
            libc::mallopt(libc::M_MXFAST, 0);
        }
    }

    fn with<T>(&self, class: usize, work: impl FnOnce(&mut Slab) -> T) -> Option<T> {
        let slab = self.slabs.get(class)?;
        // Nothing panics while it is held.
        Some(work(
            &mut slab.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl Slab {
    /// A block of `size` octets; null when there is no memory.
    fn take(&mut self, size: usize) -> *mut u8 {
        if let Some(block) = self.free {
            // SAFETY: `give` wrote it, and nobody has had the block since.
            self.free = unsafe { block.as_ref() }.next;
            return block.as_ptr().cast();
        }
        if self.left < size {
            let fresh = map(SLAB);
            if fresh.is_null() {
                return fresh;
            }
            (self.fresh, self.left) = (fresh, SLAB);
        }
        let block = self.fresh;
        self.fresh = block.wrapping_add(size);
        self.left = self.left.wrapping_sub(size);
        block
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It came from `take`, and nobody uses it any more.
    unsafe fn give(&mut self, block: NonNull<Free>) {
        // SAFETY: It is ours, aligned to a line and at least that long.
        unsafe { block.write(Free { next: self.free }) };
        self.free = Some(block);
    }
}

/// Fresh pages, all 0, aligned to a huge page; null when there are none. `octets` is a multiple of
/// a huge page.
fn map(octets: usize) -> *mut u8 {
    let Some(more) = octets.checked_add(HUGE) else {
        return ptr::null_mut();
    };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: Maps fresh memory wherever the system likes.
    let start = unsafe { libc::mmap(ptr::null_mut(), more, access, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    let start = start.cast::<u8>();
    let before = start.align_offset(HUGE);
    let block = start.wrapping_add(before);
    unmap(start, before);
    unmap(block.wrapping_add(octets), HUGE.wrapping_sub(before));
    // SAFETY: The range lies in the mapping; huge pages are a wish, and change nothing else.
    unsafe { libc::madvise(block.cast(), octets, libc::MADV_HUGEPAGE) };
    block
}

/// Gives pages back that nobody uses.
fn unmap(start: *mut u8, octets: usize) {
    if octets > 0 {
        // SAFETY: Callers own the range, which is of whole pages of a mapping.
        unsafe { libc::munmap(start.cast(), octets) };
    }
}

const fn whole_pages(size: usize) -> usize {
    size.next_multiple_of(HUGE)
}

// SAFETY: Blocks are as long and as aligned as asked for (a class is at least as long, pages are
// aligned to `HUGE`), belong to one caller until they come back, and go back to where `Source`,
// which sees the same layout, says that they came from. Nothing here unwinds or allocates.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Source::of(layout) {
            Source::Slab(class) => {
                let size = (class + 1) * LINE;
                self.with(class, |slab| slab.take(size))
                    .unwrap_or(ptr::null_mut())
            }
            Source::Pages => map(whole_pages(layout.size())),
            // SAFETY: The caller's promise, passed on.
            Source::System => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match (Source::of(layout), NonNull::new(block)) {
            (Source::Slab(class), Some(block)) => {
                // SAFETY: By the caller's promise it came from this slab, and is used no more.
                self.with(class, |slab| unsafe { slab.give(block.cast()) });
            }
            (Source::Pages, _) => unmap(block, whole_pages(layout.size())),
            // SAFETY: The caller's promise, passed on.
            (_, _) => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        let sources = (Source::of(layout), Source::of(wanted));
        if let (Source::System, Source::System) = sources {
            // SAFETY: The caller's promise, passed on.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: The size is not 0, by the caller's promise.
        let new = unsafe { self.alloc(wanted) };
        if !new.is_null() {
            // SAFETY: Both are at least that long, and `new` was just given out.
            unsafe { ptr::copy_nonoverlapping(block, new, layout.size().min(size)) };
            // SAFETY: The caller's promise, passed on.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match Source::of(layout) {
            // Not to be touched before they are used.
            Source::Pages => map(whole_pages(layout.size())),
            // SAFETY: The caller's promise, passed on.
            Source::System => unsafe { System.alloc_zeroed(layout) },
            Source::Slab(_) => {
                // SAFETY: The caller's promise, passed on.
                let block = unsafe { self.alloc(layout) };
                if !block.is_null() {
                    // SAFETY: So much was just given out.
                    unsafe { block.write_bytes(0, layout.size()) };
                }
                block
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of the heap, filled with one octet.
    struct Block<'a> {
        heap: &'a Heap,
        at: *mut u8,
        layout: Layout,
        octet: u8,
    }

    impl<'a> Block<'a> {
        fn new(heap: &'a Heap, layout: Layout, octet: u8) -> Self {
            // SAFETY: Its size is not 0.
            let at = unsafe { heap.alloc(layout) };
            assert!(!at.is_null() && at.align_offset(layout.align()) == 0);
            // SAFETY: So much was given out.
            unsafe { at.write_bytes(octet, layout.size()) };
            Self {
                heap,
                at,
                layout,
                octet,
            }
        }

        fn is_whole(&self) -> bool {
            // SAFETY: It is ours, and was filled.
            let octets = unsafe { std::slice::from_raw_parts(self.at, self.layout.size()) };
            octets.iter().all(|octet| *octet == self.octet)
        }
    }

    impl Drop for Block<'_> {
        fn drop(&mut self) {
            // SAFETY: It came from there.
            unsafe { self.heap.dealloc(self.at, self.layout) };
        }
    }

    #[test]
    fn blocks_keep_what_is_written_to_them() {
        let heap = Heap::new();
        let sizes = [1, 63, 64, 65, 384, 1024, 1025, HUGE - 1, HUGE, 5 * HUGE + 1];
        let mut blocks: Vec<Block<'_>> = Vec::new();
        for round in 0..200_u8 {
            let size = sizes[usize::from(round) % sizes.len()];
            let align = [64, 8, 64, 128][usize::from(round) % 4];
            let layout = Layout::from_size_align(size, align).unwrap();
            blocks.push(Block::new(&heap, layout, round));
            if round % 3 == 0 {
                let block = blocks.swap_remove(usize::from(round) * 7 % blocks.len());
                assert!(block.is_whole());
            }
        }
        assert!(blocks.iter().all(Block::is_whole));
    }

    #[test]
    fn a_freed_block_is_the_next_one_of_its_size() {
        let heap = Heap::new();
        let layout = Layout::from_size_align(128, 64).unwrap();
        let first = Block::new(&heap, layout, 1);
        let second = Block::new(&heap, layout, 2);
        let was = first.at;
        drop(first);
        let third = Block::new(&heap, Layout::from_size_align(100, 64).unwrap(), 3);
        assert_eq!(third.at, was);
        assert!(second.is_whole() && third.is_whole());
    }

    #[test]
    fn what_shall_be_zero_is_zero_even_when_used_again() {
        let heap = Heap::new();
        let layout = Layout::from_size_align(256, 64).unwrap();
        drop(Block::new(&heap, layout, 0xff));
        // SAFETY: Its size is not 0.
        let at = unsafe { heap.alloc_zeroed(layout) };
        // SAFETY: So much was given out.
        let octets = unsafe { std::slice::from_raw_parts(at, layout.size()) };
        assert!(octets.iter().all(|octet| *octet == 0));
        // SAFETY: It came from there.
        unsafe { heap.dealloc(at, layout) };
    }
}
