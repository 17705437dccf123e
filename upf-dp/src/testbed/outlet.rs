//! Where packets of a [`Testbed`](super::Testbed) go.

use std::sync::Arc;

use session::WorkerId;

use crate::counters::WorkerCells;
use crate::outlet::Outlet;
use crate::packet::{Packet, PlainPacket};

/// What took packets from a worker's path.
#[derive(Debug)]
pub struct TestOutlet {
    /// Frames sent, and by which port.
    pub sent: Vec<(u16, PlainPacket)>,
    /// Packets handed over: to whom, received on which port.
    pub handed_over: Vec<(WorkerId, u16, PlainPacket)>,
    /// How many packets the ring to other workers takes.
    pub ring_room: usize,
    /// Buffers are short.
    pub is_short: bool,
    /// How many buffers are left.
    pub buffers: usize,
    cells: Arc<WorkerCells>,
}

impl TestOutlet {
    pub(super) const fn new(cells: Arc<WorkerCells>) -> Self {
        Self {
            sent: Vec::new(),
            handed_over: Vec::new(),
            ring_room: 1024,
            is_short: false,
            buffers: usize::MAX,
            cells,
        }
    }
}

impl Outlet<PlainPacket> for TestOutlet {
    fn send(&mut self, port: u16, packet: PlainPacket) {
        let cells = self.cells.port(port);
        cells.sent_packets.add(1);
        cells.sent_octets.add(packet.data().len() as u64);
        self.sent.push((port, packet));
    }
    fn hand_over(
        &mut self,
        to: WorkerId,
        port: u16,
        packet: PlainPacket,
    ) -> Result<(), PlainPacket> {
        if self.handed_over.len() >= self.ring_room {
            return Err(packet);
        }
        self.handed_over.push((to, port, packet));
        Ok(())
    }
    fn buffer(&mut self) -> Option<PlainPacket> {
        self.buffers = self.buffers.checked_sub(1)?;
        Some(PlainPacket::new(&[]))
    }
    fn is_short(&self) -> bool {
        self.is_short
    }
    fn flush(&mut self) {}
}
