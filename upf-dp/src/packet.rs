//! What the path asks of a packet buffer, so that the same code runs over DPDK's buffers and over
//! plain memory in tests, under Miri and in the fuzzer.

use arrayvec::ArrayVec;

/// How many packets a burst has at most.
pub const BURST: usize = 64;

/// A packet buffer: octets, with room in front.
pub trait Packet {
    /// The frame.
    fn data(&self) -> &[u8];
    /// The frame, to be changed.
    fn data_mut(&mut self) -> &mut [u8];
    /// Makes the frame longer at its front; the new octets hold anything. `false`, and nothing
    /// done, when there is no room.
    #[must_use = "nothing was done when false"]
    fn prepend(&mut self, octets: usize) -> bool;
    /// Makes the frame longer at its end; the new octets hold anything.
    #[must_use = "nothing was done when false"]
    fn append(&mut self, octets: usize) -> bool;
    /// Cuts octets off the end.
    #[must_use = "nothing was done when false"]
    fn trim_back(&mut self, octets: usize) -> bool;
    /// Makes the frame begin `front` octets later, or earlier when negative, and be `length` octets
    /// long; new octets hold anything.
    #[must_use = "nothing was done when false"]
    fn reframe(&mut self, front: i32, length: u16) -> bool;
    /// Whether [`data`](Self::data) is the whole frame.
    fn is_whole(&self) -> bool {
        true
    }
    /// The tag control information of a VLAN header that the port took off.
    fn stripped_vlan(&self) -> Option<u16> {
        None
    }
    /// Forgets what a port said of the packet, or was told to do with it.
    fn forget_offloads(&mut self) {}
    /// Starts loading the frame.
    fn prefetch(&self) {}

    /// Makes the frame `octets` long, at its end.
    #[must_use = "nothing was done when false"]
    fn resize(&mut self, octets: usize) -> bool {
        let now = self.data().len();
        if octets >= now {
            self.append(octets - now)
        } else {
            self.trim_back(now - octets)
        }
    }
}

impl Packet for dpdk::Mbuf {
    #[inline]
    fn data(&self) -> &[u8] {
        self.data()
    }
    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        self.data_mut()
    }
    #[inline]
    fn prepend(&mut self, octets: usize) -> bool {
        self.prepend(octets).is_some()
    }
    #[inline]
    fn append(&mut self, octets: usize) -> bool {
        self.append(octets).is_some()
    }
    #[inline]
    fn trim_back(&mut self, octets: usize) -> bool {
        self.trim_back(octets)
    }
    #[inline]
    fn reframe(&mut self, front: i32, length: u16) -> bool {
        self.reframe(front, length)
    }
    #[inline]
    fn is_whole(&self) -> bool {
        self.is_contiguous()
    }
    #[inline]
    fn stripped_vlan(&self) -> Option<u16> {
        self.stripped_vlan()
    }
    #[inline]
    fn forget_offloads(&mut self) {
        self.clear_flags();
    }
    #[inline]
    fn prefetch(&self) {
        self.prefetch_data();
    }
}

/// Packets that move together.
pub trait Batch<P> {
    /// The packets, in order; at most [`BURST`].
    fn packets(&mut self) -> &mut [P];
    /// Takes every packet out, in order.
    fn take_each(&mut self, take: impl FnMut(P));
}

impl Batch<dpdk::Mbuf> for dpdk::Burst<BURST> {
    #[inline]
    fn packets(&mut self) -> &mut [dpdk::Mbuf] {
        self
    }
    #[inline]
    fn take_each(&mut self, take: impl FnMut(dpdk::Mbuf)) {
        self.drain().for_each(take);
    }
}

impl<P> Batch<P> for ArrayVec<P, BURST> {
    #[inline]
    fn packets(&mut self) -> &mut [P] {
        self
    }
    #[inline]
    fn take_each(&mut self, take: impl FnMut(P)) {
        self.drain(..).for_each(take);
    }
}

/// A packet in plain memory: of what is explained, and of tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainPacket {
    buffer: Vec<u8>,
    start: usize,
    /// What [`Packet::stripped_vlan`] says.
    pub stripped_vlan: Option<u16>,
}

/// As much room in front as DPDK's buffers have.
const HEADROOM: usize = 128;
/// As long as one of DPDK's buffers.
const LENGTH_MAX: usize = HEADROOM + 2048;

impl PlainPacket {
    /// A packet with the usual headroom.
    pub fn new(frame: &[u8]) -> Self {
        let mut buffer = vec![0xa5; HEADROOM];
        buffer.extend_from_slice(frame);
        Self {
            buffer,
            start: HEADROOM,
            stripped_vlan: None,
        }
    }
}

impl Packet for PlainPacket {
    fn data(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
    fn data_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.start..).unwrap_or_default()
    }
    fn prepend(&mut self, octets: usize) -> bool {
        let start = self.start.checked_sub(octets);
        self.start = start.unwrap_or(self.start);
        start.is_some()
    }
    fn append(&mut self, octets: usize) -> bool {
        let length = self.buffer.len() + octets;
        if length > LENGTH_MAX {
            return false;
        }
        self.buffer.resize(length, 0xa5);
        true
    }
    fn trim_back(&mut self, octets: usize) -> bool {
        let fits = octets <= self.data().len();
        let length = self.buffer.len() - if fits { octets } else { 0 };
        self.buffer.truncate(length);
        fits
    }
    fn reframe(&mut self, front: i32, length: u16) -> bool {
        let start = i32::try_from(self.start)
            .ok()
            .and_then(|start| usize::try_from(start + front).ok());
        match start.map(|start| (start, start + usize::from(length))) {
            Some((start, end)) if end <= LENGTH_MAX => {
                self.buffer.resize(end, 0xa5);
                self.start = start;
                true
            }
            _ => false,
        }
    }
    fn stripped_vlan(&self) -> Option<u16> {
        self.stripped_vlan
    }
    fn forget_offloads(&mut self) {
        self.stripped_vlan = None;
    }
}
