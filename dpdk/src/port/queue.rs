//! Queues: polled by one lcore each.

use std::cell::Cell;
use std::marker::PhantomData;

use dpdk_sys as sys;

use crate::Burst;

/// One receive queue. `Send`, so that it can be handed to its lcore; not `Sync`, and received
/// from through `&mut`, so that two lcores cannot poll it at once.
///
/// ```compile_fail
/// fn needs_sync<T: Sync>() {}
/// needs_sync::<dpdk::Rx>();
/// ```
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<dpdk::Rx>();
/// ```
/// ```
/// fn needs_send<T: Send>() {}
/// needs_send::<dpdk::Rx>();
/// ```
#[derive(Debug)]
pub struct Rx {
    pub(super) port: u16,
    pub(super) queue: u16,
    pub(super) alone: PhantomData<Cell<()>>,
}

/// One transmit queue; shared no more than [`Rx`].
///
/// ```compile_fail
/// fn needs_sync<T: Sync>() {}
/// needs_sync::<dpdk::Tx>();
/// ```
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<dpdk::Tx>();
/// ```
#[derive(Debug)]
pub struct Tx {
    pub(super) port: u16,
    pub(super) queue: u16,
    pub(super) alone: PhantomData<Cell<()>>,
}

impl Rx {
    /// Receives as much as is there and fits behind what `burst` holds. Returns how many.
    ///
    /// Leave room for 32 or more: some drivers give nothing to a shorter wish.
    #[inline]
    pub fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        // SAFETY: The queue was set up and started, and by `&mut` nobody else polls it; `slots`
        // has room for `count`.
        burst
            .fill(|slots, count| unsafe { sys::shim_rx_burst(self.port, self.queue, slots, count) })
    }

    /// Number of its port, as packets bear it.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Which queue of the port.
    pub const fn queue(&self) -> u16 {
        self.queue
    }
}

impl Tx {
    /// Sends what the queue will take, from the front; the rest stays in `burst`, for the caller to
    /// keep, or to drop and count. Returns how many are no longer there.
    #[inline]
    pub fn send<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        if burst.is_empty() {
            return 0;
        }
        // SAFETY: The queue was set up and started, and by `&mut` nobody else feeds it; `slots`
        // holds `count` buffers, and those it takes are forgotten here.
        burst
            .give(|slots, count| unsafe { sys::shim_tx_burst(self.port, self.queue, slots, count) })
    }

    /// Number of its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Which queue of the port.
    pub const fn queue(&self) -> u16 {
        self.queue
    }
}
