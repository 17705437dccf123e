//! How an lcore passes the time when there is nothing to do.

use std::marker::PhantomData;
use std::thread;
use std::time::Duration;

use dpdk_sys as sys;

use crate::Lcore;

/// What this thread can do besides polling. It stays on its thread.
#[derive(Debug)]
pub struct Rest {
    can_pause: bool,
    here: PhantomData<*const ()>,
}

impl Rest {
    /// Has the sleeps of this lcore's thread end when they are due: by itself, Linux lets them take up
    /// to 50 µs longer.
    pub fn new(_: &Lcore) -> Self {
        // SAFETY: Concerns this thread alone. Where it is refused, sleeps just take longer.
        let _refused = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
        Self {
            // SAFETY: Asks what the CPU can do.
            can_pause: unsafe { sys::shim_can_pause() } != 0,
            here: PhantomData,
        }
    }

    /// Waits until the time stamp counter is at `until` at the latest, without a system call: in a
    /// state that saves power and leaves the core to its other hardware thread where the CPU has one
    /// (TPAUSE), else for a moment.
    #[inline]
    pub fn pause(&self, until: u64) {
        if self.can_pause {
            // SAFETY: The CPU can, as was asked.
            unsafe { sys::shim_pause(until) };
        } else {
            std::hint::spin_loop();
        }
    }

    /// Gives the CPU away for as long.
    pub fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}
