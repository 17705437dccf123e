//! Quiescent-state based reclamation: who may still be reading what was taken out of sight.
//!
//! A writer replaces something, [`Qsbr::start`]s a grace period, and frees the old one when
//! [`Qsbr::check`] says that every reader has since said [`Reader::quiescent`].

use std::alloc::{Layout, alloc_zeroed};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use dpdk_sys as sys;

use crate::error::check;
use crate::{Eal, Errno, Error};

/// One set of readers. Lives as long as the process.
#[derive(Debug)]
pub struct Qsbr {
    raw: NonNull<sys::rte_rcu_qsbr>,
    taken: Mutex<Vec<bool>>,
}

// SAFETY: What lies behind the pointer is atomics, made for all threads at once.
unsafe impl Send for Qsbr {}
// SAFETY: As above.
unsafe impl Sync for Qsbr {}

/// One reader. `Send`, to be handed to its lcore; not `Sync`.
///
/// ```compile_fail
/// fn needs_sync<T: Sync>() {}
/// needs_sync::<dpdk::qsbr::Reader>();
/// ```
#[derive(Debug)]
pub struct Reader {
    set: &'static Qsbr,
    id: u32,
    alone: PhantomData<Cell<()>>,
}

/// A grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(u64);

impl Qsbr {
    /// Makes a set for at most `readers_max` readers.
    ///
    /// # Errors
    /// When the number is 0 or beyond reason, or there is no memory.
    pub fn create(_: Eal, readers_max: u32) -> Result<&'static Self, Error> {
        let refuse = |errno| {
            Error::call(
                "rte_rcu_qsbr_init",
                format!("{readers_max} readers"),
                Errno(errno),
            )
        };
        let count = usize::try_from(readers_max)
            .ok()
            .filter(|count| (1..=1024).contains(count));
        let count = count.ok_or_else(|| refuse(libc::EINVAL))?;
        // SAFETY: Computes a size.
        let octets = unsafe { sys::rte_rcu_qsbr_get_memsize(readers_max) };
        // 128: the largest cache line DPDK knows.
        let layout = Layout::from_size_align(octets, 128).map_err(|_| refuse(libc::EINVAL))?;
        if layout.size() <= 1 {
            return Err(refuse(libc::EINVAL));
        }
        // SAFETY: The size is not zero.
        let raw = unsafe { alloc_zeroed(layout) };
        let raw = NonNull::new(raw.cast()).ok_or_else(|| refuse(libc::ENOMEM))?;
        // SAFETY: The memory is of the size asked for, aligned, and never given back.
        let answer = unsafe { sys::rte_rcu_qsbr_init(raw.as_ptr(), readers_max) };
        check("rte_rcu_qsbr_init", "readers", answer)?;
        Ok(Box::leak(Box::new(Self {
            raw,
            taken: Mutex::new(vec![false; count]),
        })))
    }

    /// Adds a reader, offline at first. None when there are as many as there may be.
    pub fn reader(&'static self) -> Option<Reader> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = taken.iter().position(|&taken| !taken)?;
        let id = u32::try_from(free).ok()?;
        // SAFETY: The set is initialised, `id` is below its size and not registered.
        if unsafe { sys::rte_rcu_qsbr_thread_register(self.raw.as_ptr(), id) } != 0 {
            return None;
        }
        *taken.get_mut(free)? = true;
        Some(Reader {
            set: self,
            id,
            alone: PhantomData,
        })
    }

    /// Starts a grace period: what was unlinked before this call is free to go once it has passed.
    pub fn start(&self) -> Token {
        // SAFETY: The set is initialised.
        Token(unsafe { sys::shim_qsbr_start(self.raw.as_ptr()) })
    }

    /// Whether every reader that is online has been quiescent since `token`.
    pub fn check(&self, token: Token) -> bool {
        // SAFETY: The set is initialised; it does not wait.
        unsafe { sys::shim_qsbr_check(self.raw.as_ptr(), token.0, 0) == 1 }
    }
}

impl Reader {
    /// From here on grace periods wait for this reader.
    pub fn online(&mut self) {
        // SAFETY: Registered until dropped.
        unsafe { sys::shim_qsbr_online(self.set.raw.as_ptr(), self.id) }
    }

    /// Says that it holds nothing that was published; grace periods no longer wait for it.
    pub fn offline(&mut self) {
        // SAFETY: Registered until dropped.
        unsafe { sys::shim_qsbr_offline(self.set.raw.as_ptr(), self.id) }
    }

    /// Says that it holds nothing that was published. Once per burst.
    #[inline]
    pub fn quiescent(&mut self) {
        // SAFETY: Registered until dropped.
        unsafe { sys::shim_qsbr_quiescent(self.set.raw.as_ptr(), self.id) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.offline();
        // SAFETY: It was registered, by `reader`.
        unsafe { sys::rte_rcu_qsbr_thread_unregister(self.set.raw.as_ptr(), self.id) };
        let mut taken = self
            .set
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = usize::try_from(self.id)
            .ok()
            .and_then(|id| taken.get_mut(id))
        {
            *slot = false;
        }
    }
}
