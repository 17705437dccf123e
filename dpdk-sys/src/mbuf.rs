//! The packet buffer, laid out by hand.
//!
//! Its fields are read per packet, so they are read in Rust and not through calls. Releases of
//! DPDK wrap them in different anonymous unions, which bindgen shows; where they lie has stayed.
//! The assertions below are what keeps this true: they fail the build, not the packet.

use core::ffi::c_void;
use core::mem::offset_of;

use crate::bindings as c;

/// `struct rte_mbuf`, as far as it is looked into.
///
/// ```text
///  0 buf_addr   8 (iova, or next)   16 data_off  18 refcnt  20 nb_segs  22 port  24 ol_flags
/// 32 packet_type  36 pkt_len  40 data_len  42 vlan_tci  44 rss  54 buf_len  56 pool
/// 64 (next)  72 tx_offload
/// ```
#[allow(non_camel_case_types, reason = "the name of C")]
#[derive(Debug)]
#[repr(C, align(64))]
pub struct rte_mbuf {
    /// Start of the buffer; the headroom lies there.
    pub buf_addr: *mut c_void,
    iova: u64,
    /// Where the packet begins, counted from `buf_addr`.
    pub data_off: u16,
    /// How many hold the buffer.
    pub refcnt: u16,
    /// How many segments the packet has.
    pub nb_segs: u16,
    /// The port it came from.
    pub port: u16,
    /// Offload flags.
    pub ol_flags: u64,
    /// What the driver took the packet for.
    pub packet_type: u32,
    /// Length of all segments.
    pub pkt_len: u32,
    /// Length of this segment.
    pub data_len: u16,
    /// VLAN tag, where `ol_flags` say so.
    pub vlan_tci: u16,
    /// RSS hash, where `ol_flags` say so.
    pub rss: u32,
    hash_rest: u32,
    vlan_tci_outer: u16,
    /// Length of the buffer.
    pub buf_len: u16,
    /// The pool it returns to.
    pub pool: *mut c::rte_mempool,
    next: u64,
    /// Header lengths for checksum offload: 7 bits of L2, then 9 of L3, then 8 of L4.
    pub tx_offload: u64,
    rest: [u64; 6],
}

macro_rules! same_place {
    ($($field:ident = $offset:ident),* $(,)?) => {
        $(const _: () = assert!(
            offset_of!(rte_mbuf, $field) == c::$offset,
            concat!("struct rte_mbuf of the installed DPDK differs in ", stringify!($field)),
        );)*
    };
}
same_place! {
    buf_addr = SHIM_MBUF_BUF_ADDR, data_off = SHIM_MBUF_DATA_OFF, refcnt = SHIM_MBUF_REFCNT,
    nb_segs = SHIM_MBUF_NB_SEGS, port = SHIM_MBUF_PORT, ol_flags = SHIM_MBUF_OL_FLAGS,
    packet_type = SHIM_MBUF_PACKET_TYPE, pkt_len = SHIM_MBUF_PKT_LEN,
    data_len = SHIM_MBUF_DATA_LEN, vlan_tci = SHIM_MBUF_VLAN_TCI, rss = SHIM_MBUF_RSS,
    buf_len = SHIM_MBUF_BUF_LEN, pool = SHIM_MBUF_POOL, tx_offload = SHIM_MBUF_TX_OFFLOAD,
}
#[allow(
    clippy::as_conversions,
    reason = "a constant that both sides know is 128"
)]
const _: () = assert!(size_of::<rte_mbuf>() == c::SHIM_MBUF_SIZE as usize);
