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
///
/// Where the device has more queues than were asked for, it stands for every `step`th of them.
#[derive(Debug)]
pub struct Rx {
    port: u16,
    queue: u16,
    step: u16,
    /// Queues of the device.
    end: u16,
    /// Which to poll next.
    next: u16,
    alone: PhantomData<Cell<()>>,
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
    /// Queue `queue` of `step`, of a device that has `end`.
    pub(super) const fn new(port: u16, queue: u16, step: u16, end: u16) -> Self {
        Self {
            port,
            queue,
            step,
            end,
            next: queue,
            alone: PhantomData,
        }
    }

    /// Receives as much as is there and fits behind what `burst` holds. Returns how many.
    ///
    /// Leave room for 32 or more: some drivers give nothing to a shorter wish.
    #[inline]
    pub fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        if self.step == self.end {
            return self.poll(self.queue, burst);
        }
        let mut count = 0_usize;
        // Once around at most, going on where it stopped: no queue starves another.
        for _ in (self.queue..self.end).step_by(self.step.into()) {
            if burst.is_full() {
                break;
            }
            count = count.saturating_add(self.poll(self.next, burst));
            let next = self.next.saturating_add(self.step);
            self.next = if next < self.end { next } else { self.queue };
        }
        count
    }

    #[inline]
    fn poll<const N: usize>(&mut self, queue: u16, burst: &mut Burst<N>) -> usize {
        // SAFETY: The queue was set up and started, and by `&mut` nobody else polls it, since no
        // two `Rx` have the same remainder; `slots` has room for `count`.
        burst.fill(|slots, count| unsafe { sys::shim_rx_burst(self.port, queue, slots, count) })
    }

    /// Number of its port, as packets bear it.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Which queue of those given out.
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
