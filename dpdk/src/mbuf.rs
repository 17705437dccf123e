//! One packet buffer, owned.

use std::ptr::NonNull;
use std::slice;

use dpdk_sys as sys;

use crate::Pool;

/// One packet buffer, owned: dropping it gives it back to its pool.
///
/// ```text
///  buffer  |<--- headroom --->|<------- data() ------->|<--- tailroom --->|
/// ```
///
/// Not `Clone` (DPDK counts references; the type does not) and not `Send`: buffers cross lcores
/// through a [`ring`](crate::ring) only, which is where the cost is paid and seen.
///
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<dpdk::Mbuf>();
/// ```
/// ```compile_fail
/// fn needs_send<T: Send>() {}
/// needs_send::<dpdk::Mbuf>();
/// ```
/// ```compile_fail
/// fn twice(mbuf: dpdk::Mbuf) { drop(mbuf); drop(mbuf); }
/// ```
//
// Invariant: the pointer comes from a pool or a queue of DPDK, nobody else holds the buffer, and
// `data_off + data_len <= buf_len`. Whoever gives the pointer away forgets the `Mbuf`.
#[derive(Debug)]
#[repr(transparent)]
pub struct Mbuf(NonNull<sys::rte_mbuf>);

const _: () = assert!(size_of::<Option<Mbuf>>() == size_of::<*mut sys::rte_mbuf>());

/// What the port found out about a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing: it is to be computed.
    Unknown,
    /// It is right.
    Good,
    /// It is wrong.
    Bad,
    /// It is not there to be checked, yet the data are known to be whole (same host).
    NotThere,
}

/// Which transport checksum the port shall fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer4 {
    /// None.
    None,
    /// UDP; the field holds the pseudo-header's sum.
    Udp,
    /// TCP; the field holds the pseudo-header's sum.
    Tcp,
}

/// What the port shall compute while it sends; only what [`crate::PortInfo::tx_offloads`] granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumRequest {
    /// Octets before the IP header; at most 127.
    pub l2_len: u8,
    /// Octets of the IP header; at most 511.
    pub l3_len: u16,
    /// Whether that header is of IPv4, whose own checksum is then filled in (the field holds 0).
    pub ipv4: bool,
    /// What follows.
    pub layer4: Layer4,
}

// ===== the data =====
impl Mbuf {
    /// The packet: what its first segment holds, which is all unless a port scatters
    /// (see [`Self::is_contiguous`]).
    #[inline]
    pub fn data(&self) -> &[u8] {
        let raw = self.raw();
        // SAFETY: The data lie in the buffer, by the invariant; its memory was zeroed once.
        unsafe { slice::from_raw_parts(self.start(), raw.data_len.into()) }
    }

    /// The packet, to be changed.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let length = self.raw().data_len.into();
        // SAFETY: As in `data`; and `&mut self` is the only way to it.
        unsafe { slice::from_raw_parts_mut(self.start(), length) }
    }

    /// Octets of [`Self::data`].
    #[inline]
    pub fn len(&self) -> usize {
        self.raw().data_len.into()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.raw().data_len == 0
    }

    /// Octets of all segments.
    #[inline]
    pub fn total_len(&self) -> u32 {
        self.raw().pkt_len
    }

    /// Free octets before the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        self.raw().data_off.into()
    }

    /// Free octets after the data.
    #[inline]
    pub fn tailroom(&self) -> usize {
        let raw = self.raw();
        usize::from(raw.buf_len)
            .saturating_sub(usize::from(raw.data_off))
            .saturating_sub(usize::from(raw.data_len))
    }

    /// Makes room for `octets` in front and gives them out to be written; they hold what was there
    /// before. None when the headroom is too small.
    #[inline]
    pub fn prepend(&mut self, octets: usize) -> Option<&mut [u8]> {
        let raw = self.raw_mut();
        let count = u16::try_from(octets).ok()?;
        let data_len = raw.data_len.checked_add(count)?;
        raw.data_off = raw.data_off.checked_sub(count)?;
        raw.data_len = data_len;
        raw.pkt_len = raw.pkt_len.wrapping_add(count.into());
        self.data_mut().get_mut(..octets)
    }

    /// [`Self::prepend`] of a length known when compiled.
    #[inline]
    pub fn prepend_array<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.prepend(N)?.first_chunk_mut()
    }

    /// Makes room for `octets` at the end and gives them out to be written; they hold what was
    /// there before. None when the tailroom is too small or there are several segments.
    #[inline]
    pub fn append(&mut self, octets: usize) -> Option<&mut [u8]> {
        if octets > self.tailroom() || !self.is_contiguous() {
            return None;
        }
        let raw = self.raw_mut();
        let count = u16::try_from(octets).ok()?;
        let old = raw.data_len;
        raw.data_len = old.checked_add(count)?;
        raw.pkt_len = raw.pkt_len.wrapping_add(count.into());
        self.data_mut().get_mut(old.into()..)
    }

    /// Appends a copy of `octets`; false, and nothing done, when they do not fit.
    #[inline]
    pub fn extend_from_slice(&mut self, octets: &[u8]) -> bool {
        self.append(octets.len())
            .map(|room| room.copy_from_slice(octets))
            .is_some()
    }

    /// Cuts `octets` off the front; false, and nothing done, when there are fewer.
    #[inline]
    #[must_use = "nothing was cut when false"]
    pub fn trim_front(&mut self, octets: usize) -> bool {
        let raw = self.raw_mut();
        let Ok(count) = u16::try_from(octets) else {
            return false;
        };
        let Some(rest) = raw.data_len.checked_sub(count) else {
            return false;
        };
        raw.data_len = rest;
        raw.data_off = raw.data_off.wrapping_add(count);
        raw.pkt_len = raw.pkt_len.wrapping_sub(count.into());
        true
    }

    /// Cuts `octets` off the end; false, and nothing done, when there are fewer or several segments.
    #[inline]
    #[must_use = "nothing was cut when false"]
    pub fn trim_back(&mut self, octets: usize) -> bool {
        if !self.is_contiguous() {
            return false;
        }
        let raw = self.raw_mut();
        let Ok(count) = u16::try_from(octets) else {
            return false;
        };
        let Some(rest) = raw.data_len.checked_sub(count) else {
            return false;
        };
        raw.data_len = rest;
        raw.pkt_len = raw.pkt_len.wrapping_sub(count.into());
        true
    }

    /// Makes the data begin `front` octets later, or earlier when negative, and be `length` octets
    /// long; octets that are new hold what was there before. False, and nothing done, when the
    /// buffer does not reach that far or there are several segments.
    #[inline]
    #[must_use = "nothing was moved when false"]
    pub fn reframe(&mut self, front: i32, length: u16) -> bool {
        if !self.is_contiguous() {
            return false;
        }
        let raw = self.raw_mut();
        let Ok(start) = u16::try_from(i32::from(raw.data_off).saturating_add(front)) else {
            return false;
        };
        if u32::from(start).wrapping_add(length.into()) > raw.buf_len.into() {
            return false;
        }
        raw.data_off = start;
        raw.data_len = length;
        raw.pkt_len = length.into();
        true
    }

    /// Whether the packet lies in one segment.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.raw().nb_segs == 1
    }

    /// Brings all segments into one; false, and nothing done, when the tailroom is too small.
    #[must_use = "nothing was joined when false"]
    pub fn linearize(&mut self) -> bool {
        // SAFETY: We own the buffer and its chain.
        self.is_contiguous() || unsafe { sys::shim_linearize(self.0.as_ptr()) } == 0
    }

    /// A copy of the whole packet, flags included, in a buffer of `pool`; None when it has none.
    pub fn copy(&self, pool: &Pool) -> Option<Self> {
        // SAFETY: We own the source; the pool lives as long as the process.
        let raw = unsafe { sys::rte_pktmbuf_copy(self.0.as_ptr(), pool.raw(), 0, u32::MAX) };
        NonNull::new(raw).map(Self)
    }

    /// Asks for the cache line of the buffer's fields, to be read soon.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.0.as_ptr().cast_const().cast());
    }

    /// Asks for the first cache line of the data, to be read soon.
    #[inline]
    pub fn prefetch_data(&self) {
        prefetch(self.start().cast_const());
    }
}

// ===== what the port says of it, and is told =====
impl Mbuf {
    /// The port it was received on. Ring ports leave what the other side wrote: ask the queue.
    #[inline]
    pub fn port(&self) -> u16 {
        self.raw().port
    }

    /// The hash by which the port chose the queue.
    #[inline]
    pub fn rss_hash(&self) -> Option<u32> {
        let raw = self.raw();
        (raw.ol_flags & sys::SHIM_RX_RSS_HASH != 0).then_some(raw.rss)
    }

    /// What the driver took the packet for (`RTE_PTYPE_*`); 0 when it did not look.
    #[inline]
    pub fn packet_type(&self) -> u32 {
        self.raw().packet_type
    }

    /// The flags as they are (`RTE_MBUF_F_*`).
    #[inline]
    pub fn flags(&self) -> u64 {
        self.raw().ol_flags
    }

    /// The tag control information of a VLAN header that the port took off.
    #[inline]
    pub fn stripped_vlan(&self) -> Option<u16> {
        let raw = self.raw();
        (raw.ol_flags & sys::SHIM_RX_VLAN_STRIPPED != 0).then_some(raw.vlan_tci)
    }

    /// What the port says of the IPv4 header's checksum.
    #[inline]
    pub fn ip_checksum(&self) -> Checksum {
        match self.raw().ol_flags & sys::SHIM_RX_IP_CKSUM_MASK {
            sys::SHIM_RX_IP_CKSUM_GOOD => Checksum::Good,
            sys::SHIM_RX_IP_CKSUM_BAD => Checksum::Bad,
            sys::SHIM_RX_IP_CKSUM_NONE => Checksum::NotThere,
            _ => Checksum::Unknown,
        }
    }

    /// What the port says of the transport checksum.
    #[inline]
    pub fn l4_checksum(&self) -> Checksum {
        match self.raw().ol_flags & sys::SHIM_RX_L4_CKSUM_MASK {
            sys::SHIM_RX_L4_CKSUM_GOOD => Checksum::Good,
            sys::SHIM_RX_L4_CKSUM_BAD => Checksum::Bad,
            sys::SHIM_RX_L4_CKSUM_NONE => Checksum::NotThere,
            _ => Checksum::Unknown,
        }
    }

    /// Forgets what any port said of it or was told: a packet changed on its way says nothing true.
    #[inline]
    pub fn clear_flags(&mut self) {
        let raw = self.raw_mut();
        // `tx_offload` means nothing without its flags, and lies in another cache line.
        raw.ol_flags = 0;
        raw.packet_type = 0;
    }

    /// Has the port compute checksums while it sends.
    #[inline]
    pub fn request_checksums(&mut self, request: ChecksumRequest) {
        let raw = self.raw_mut();
        let (l2, l3) = (
            u64::from(request.l2_len) & 0x7f,
            u64::from(request.l3_len) & 0x1ff,
        );
        raw.tx_offload = l2 | l3 << 7;
        raw.ol_flags &=
            !(sys::SHIM_TX_L4_MASK | sys::SHIM_TX_IPV4 | sys::SHIM_TX_IPV6 | sys::SHIM_TX_IP_CKSUM);
        raw.ol_flags |= if request.ipv4 {
            sys::SHIM_TX_IPV4 | sys::SHIM_TX_IP_CKSUM
        } else {
            sys::SHIM_TX_IPV6
        };
        raw.ol_flags |= match request.layer4 {
            Layer4::None => 0,
            Layer4::Udp => sys::SHIM_TX_UDP_CKSUM,
            Layer4::Tcp => sys::SHIM_TX_TCP_CKSUM,
        };
    }

    /// Has the port put a VLAN header in while it sends.
    #[inline]
    pub fn request_vlan(&mut self, tag_control: u16) {
        let raw = self.raw_mut();
        raw.vlan_tci = tag_control;
        raw.ol_flags |= sys::SHIM_TX_VLAN;
    }
}

// ===== ownership =====
impl Mbuf {
    /// Takes ownership of what DPDK gave out.
    ///
    /// # Safety
    /// The caller got the buffer from DPDK and hands on its only claim.
    #[inline]
    pub(crate) const unsafe fn from_raw(raw: NonNull<sys::rte_mbuf>) -> Self {
        Self(raw)
    }

    #[inline]
    fn raw(&self) -> &sys::rte_mbuf {
        // SAFETY: Owned, hence alive and changed by nobody else.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn raw_mut(&mut self) -> &mut sys::rte_mbuf {
        // SAFETY: Owned, hence alive and seen by nobody else.
        unsafe { self.0.as_mut() }
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        let raw = self.raw();
        // SAFETY: `data_off` lies in the buffer, by the invariant.
        unsafe { raw.buf_addr.cast::<u8>().add(raw.data_off.into()) }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Owned, hence freed once.
        unsafe { sys::shim_free(self.0.as_ptr()) }
    }
}

#[inline]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: A hint: it faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: A hint: it faults on no address.
        unsafe {
            core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly))
        };
    }
}
