//! UDP datagrams in batches: one system call takes many from a socket, another sends many.
//!
//! A datagram on its own costs more in the kernel's entry and exit than in all that N4 does with
//! it. [`Inbox`] receives up to [`BATCH`] at once; [`Outbox`] gathers what is to go and sends it
//! together, runs of equal length to one receiver as a single packet that the kernel or the NIC
//! cuts up (UDP segmentation offload).
#![forbid(unsafe_code)]

mod inbox;
mod outbox;

pub use inbox::Inbox;
pub use outbox::Outbox;

/// How many datagrams a system call takes at most.
pub const BATCH: usize = 64;
