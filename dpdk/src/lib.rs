//! DPDK with its rules written as types.
//!
//! With `dpdk-sys` this is the only crate that may hold `unsafe`. What DPDK asks of its callers in
//! prose is a type error to break here:
//!
//! * [`Eal`] is proof that the environment is up. Pools, ports and rings are made at start and live
//!   as long as the process: nothing on the packet path carries a lifetime or a count.
//! * [`Mbuf`] is one owned packet buffer: no `Clone`, no `Send`. Copying is named ([`Mbuf::copy`]);
//!   crossing lcores is done by [`ring::spsc`], where its cost is seen.
//! * [`Burst`] is an owned array of buffers, the unit in which packets move. It reads as a slice of
//!   [`Mbuf`]. What a queue did not take stays in it: keeping or dropping is the caller's.
//! * [`Rx`] and [`Tx`] are handed out once per queue and used through `&mut`: `Send`, not `Sync`.
//! * [`Lcore`] is proof that the code runs on an lcore: neither `Send` nor `Sync`.
//!
//! ```no_run
//! use dpdk::{Burst, Eal, EalConfig, Pool, PoolConfig, Port, PortConfig, PortSpec};
//!
//! # fn main() -> Result<(), dpdk::Error> {
//! let eal = Eal::start(EalConfig::default())?;
//! let pool = Pool::create(eal, &PoolConfig { mbufs: 8191, ..PoolConfig::named("n3") })?;
//! let spec = PortSpec::AfPacket { interface: "n3".into() };
//! let mut port = Port::open(eal, &spec, &PortConfig::new(pool))?;
//! let mut queues = port.start()?;
//! let (mut rx, mut tx) = (queues.rx.remove(0), queues.tx.remove(0));
//! let worker = eal.spawn("worker", Some(1), move |_lcore| {
//!     let mut burst = Burst::<64>::new();
//!     loop {
//!         rx.receive(&mut burst);
//!         for packet in &mut *burst {
//!             packet.data_mut().reverse();
//!         }
//!         tx.send(&mut burst);
//!         burst.clear(); // drops what was not sent
//!     }
//! })?;
//! # drop(worker); Ok(()) }
//! ```
//!
//! | part | what |
//! |---|---|
//! | [`Eal`], [`EalConfig`], [`Memory`], [`Pages`] | start the environment; pages by what is there |
//! | [`Lcore`], [`Eal::launch`], [`Eal::spawn`], [`Worker`] | code on lcores |
//! | [`Pool`], [`PoolConfig`], [`Mbuf`], [`Burst`] | buffers |
//! | [`Port`], [`PortSpec`], [`PortConfig`], [`PortInfo`], [`Queues`], [`Rx`], [`Tx`] | ports and queues |
//! | [`ring_pair`], [`PortSpec::Ring`] | two ports joined back to back in memory |
//! | [`ring`] | hand packets (and a note about each) from one lcore to another |
//! | [`qsbr`] | who may still be reading |
//! | [`cycles`], [`cycles_hz`] | the time stamp counter |
//! | [`Rest`] | pauses and sleeps |
#![allow(unsafe_code, reason = "the one safe boundary around DPDK")]

mod burst;
mod eal;
mod error;
mod heap;
mod lcore;
mod mbuf;
mod memory;
mod pool;
mod port;
pub mod qsbr;
mod rest;
pub mod ring;
mod time;

pub use burst::{Burst, Drain};
pub use eal::{Eal, EalConfig, LcoreCpus, LogLevel};
pub use error::{Errno, Error};
pub use heap::Heap;
pub use lcore::{Lcore, Worker};
pub use mbuf::{Checksum, ChecksumRequest, Layer4, Mbuf};
pub use memory::{Memory, Pages};
pub use pool::{HEADROOM, Pool, PoolConfig};
pub use port::{
    Link, MacAddress, MemifRole, Port, PortConfig, PortInfo, PortSpec, PortStats, PortView, Queues,
    RingSide, Rss, Rx, RxOffloads, Tx, TxOffloads, ring_pair,
};
pub use rest::Rest;
pub use time::{cycles, cycles_hz};

/// The release of DPDK that runs, as it names itself.
pub fn version() -> String {
    // SAFETY: Returns a pointer to a static string, at any time.
    let text = unsafe { dpdk_sys::rte_version() };
    // SAFETY: As above: never null, ends in NUL, never freed.
    let text = unsafe { std::ffi::CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}
