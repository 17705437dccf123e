//! Pools of packet buffers.

use std::ptr::NonNull;

use dpdk_sys as sys;

use crate::error::c_string;
use crate::{Burst, Eal, Errno, Error, Mbuf};

/// Free octets before the data of a fresh buffer.
pub const HEADROOM: u16 = {
    assert!(sys::SHIM_HEADROOM <= 1024);
    #[allow(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "a constant, bounded in the line above"
    )]
    {
        sys::SHIM_HEADROOM as u16
    }
};

/// What a pool shall be.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Unique in the process; at most 25 octets.
    pub name: String,
    /// How many buffers; a power of two less one wastes no memory.
    pub mbufs: u32,
    /// How many each lcore keeps for itself; at most 512, and two thirds of `mbufs`.
    pub cache: u32,
    /// Octets of a buffer behind the headroom. At least the largest frame of its ports.
    pub data_room: u16,
    /// The NUMA node it shall lie on; any when none.
    pub socket: Option<u32>,
}

impl PoolConfig {
    /// 8191 buffers of 2048 octets on any node, 256 of them with each lcore.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mbufs: 8191,
            cache: 256,
            data_room: 2048,
            socket: None,
        }
    }
}

/// A pool of packet buffers: made at start, never gone. Any thread may take from it and give back;
/// only lcores do so without touching what all share.
#[derive(Debug)]
pub struct Pool {
    raw: NonNull<sys::rte_mempool>,
    name: String,
    size: u32,
    data_room: u16,
    socket: Option<u32>,
}

// SAFETY: A mempool is made to be used by all threads at once; the other fields do not change.
unsafe impl Send for Pool {}
// SAFETY: As above.
unsafe impl Sync for Pool {}

impl Pool {
    /// Makes a pool.
    ///
    /// # Errors
    /// When the memory is not there, the name is taken or too long, or the sizes do not fit.
    pub fn create(_: Eal, config: &PoolConfig) -> Result<&'static Self, Error> {
        let subject = format!(
            "pool {} of {} buffers, {} octets each",
            config.name, config.mbufs, config.data_room
        );
        let name = c_string("pool name", &config.name)?;
        let Some(room) = config.data_room.checked_add(HEADROOM) else {
            return Err(Error::Argument {
                what: "data_room",
                value: config.data_room.to_string(),
                rule: "with the headroom at most 65535",
            });
        };
        let socket = config.socket.map_or(Ok(-1), |node| {
            i32::try_from(node).map_err(|_| Error::Argument {
                what: "socket",
                value: node.to_string(),
                rule: "a NUMA node's number",
            })
        })?;
        // SAFETY: The EAL is up; the name ends in NUL and is copied.
        let raw = unsafe {
            sys::rte_pktmbuf_pool_create(name.as_ptr(), config.mbufs, config.cache, 0, room, socket)
        };
        let raw = NonNull::new(raw)
            .ok_or_else(|| Error::call("rte_pktmbuf_pool_create", subject, Errno::last()))?;
        Ok(Box::leak(Box::new(Self {
            raw,
            name: config.name.clone(),
            size: config.mbufs,
            data_room: config.data_room,
            socket: config.socket,
        })))
    }

    /// Takes an empty buffer, if there is one.
    #[inline]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: The pool lives as long as the process.
        let raw = NonNull::new(unsafe { sys::shim_alloc(self.raw()) })?;
        // SAFETY: Fresh from the pool, ours alone.
        Some(unsafe { Mbuf::from_raw(raw) })
    }

    /// Takes a buffer and copies `octets` into it; None when there is none or they do not fit.
    pub fn packet(&self, octets: &[u8]) -> Option<Mbuf> {
        let mut mbuf = self.alloc()?;
        mbuf.extend_from_slice(octets).then_some(mbuf)
    }

    /// Takes `count` empty buffers into `burst`, behind those that are there: all or none.
    #[inline]
    #[must_use = "nothing was taken when false"]
    pub fn fill<const N: usize>(&self, burst: &mut Burst<N>, count: usize) -> bool {
        let Ok(count) = u16::try_from(count) else {
            return false;
        };
        let filled = burst.fill(|slots, room| {
            if count > room {
                return 0;
            }
            // SAFETY: `slots` has room for `count`; the pool lives as long as the process.
            let answer = unsafe { sys::shim_alloc_bulk(self.raw(), slots, count.into()) };
            if answer == 0 { count } else { 0 }
        });
        filled == usize::from(count)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many buffers it has in all.
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Octets of a buffer behind the headroom.
    pub const fn data_room(&self) -> u16 {
        self.data_room
    }

    /// The NUMA node it was asked to lie on.
    pub const fn socket(&self) -> Option<u32> {
        self.socket
    }

    /// Buffers out of the pool. Counts all lcores' caches: not for every packet.
    pub fn in_use(&self) -> u32 {
        // SAFETY: The pool lives as long as the process; the count is of atomics and a snapshot.
        unsafe { sys::rte_mempool_in_use_count(self.raw()) }
    }

    /// Buffers in the pool. Counts all lcores' caches: not for every packet.
    pub fn available(&self) -> u32 {
        // SAFETY: As in `in_use`.
        unsafe { sys::rte_mempool_avail_count(self.raw()) }
    }

    #[inline]
    pub(crate) const fn raw(&self) -> *mut sys::rte_mempool {
        self.raw.as_ptr()
    }
}
