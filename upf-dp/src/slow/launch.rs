//! Packets of our own making, on their way to a next hop.

use session::NextHopId;

use crate::outlet::Outlet;
use crate::packet::Packet;
use crate::path::{Path, Turn};
use crate::wire;

impl<P: Packet> Path<P> {
    /// Makes a packet, and sends it as soon as the next hop's Ethernet address is known. `write` is
    /// given the IP packet, `length` octets of anything, and an IPv4 identification. `None`, and
    /// nothing sent, without a buffer or a way.
    pub(crate) fn launch<O: Outlet<P>>(
        &mut self,
        next_hop: NextHopId,
        is_v6: bool,
        length: usize,
        write: impl FnOnce(&mut [u8], u16) -> Option<()>,
        turn: &mut Turn<'_, '_, O>,
    ) -> Option<()> {
        let identification = self.next_identification();
        let hop = self.neighbours.hop(next_hop)?;
        let link = self.links.interface(hop.interface)?;
        let mut packet = turn.out.buffer()?;
        let start = usize::from(link.ethernet.length());
        if !packet.resize(start + length) {
            return None;
        }
        let mac = self.neighbours.ethernet(next_hop);
        let frame = packet.data_mut();
        let ether_type = if is_v6 { wire::IPV6 } else { wire::IPV4 };
        link.ethernet
            .write(frame, mac.unwrap_or_default(), ether_type)?;
        write(frame.get_mut(start..)?, identification)?;
        let port = link.port;
        self.cells.port(port).made.add(1);
        if mac.is_some() {
            self.send(port, packet, turn);
        } else {
            self.wait(packet, (port, None), next_hop, turn);
        }
        Some(())
    }
}
