//! What comes out of the UPF: looked at, octet by octet, and entered in the books.

use std::net::{IpAddr, Ipv4Addr};

use dpdk::Burst;
use simulator::{Gnb, N3, N6, Session, Tag, Tunnel};

use super::exhibits::Link;
use super::{FIRST_TEID, Lab, SEEN_MAX, TAGS_MAX, inner_octets};

impl Lab {
    /// Looks at everything that came out of the UPF; how many frames that was.
    pub(super) fn collect(&mut self) -> usize {
        let mut received = Burst::<64>::new();
        let on_n3 = self.n3.receive(&mut received);
        for packet in received.drain() {
            self.on_n3(packet.data());
        }
        let on_n6 = self.n6.receive(&mut received);
        for packet in received.drain() {
            self.on_n6(packet.data());
        }
        on_n3 + on_n6
    }

    fn on_n3(&mut self, frame: &[u8]) {
        // All gNBs share the wire: the one the frame is for looks at it.
        let of = self.gnbs.iter_mut().position(|gnb| is_for(frame, gnb));
        let Some(gnb) = of.and_then(|number| self.gnbs.get_mut(number)) else {
            return;
        };
        let mut looked = gnb.receive(frame, &self.sessions);
        if matches!(looked, N3::Wrong(_))
            && let N3::Downlink(tag) = gnb.receive(frame, &self.changing)
        {
            looked = N3::Downlink(tag);
        }
        let what = match looked {
            N3::Downlink(tag) => {
                self.received(&tag);
                self.seen.downlink_tags.push((tag.session, tag.sequence));
                self.seen.downlink_tags.truncate(TAGS_MAX);
                "downlink packet in its tunnel"
            }
            N3::Wrong(mismatch) => {
                self.tally.wrong(mismatch);
                "wrong packet"
            }
            N3::EndMarker(tunnel) => {
                self.end_marker(tunnel);
                "End Marker in the old tunnel"
            }
            N3::ErrorIndication(tunnel) => {
                self.seen.error_indications.push(tunnel);
                self.seen.error_indications.truncate(SEEN_MAX);
                "Error Indication: nobody knows that tunnel"
            }
            N3::EchoResponse { .. } => {
                self.seen.echo_responses += 1;
                "Echo Response"
            }
            N3::Answer(_) if self.silent == of => return,
            N3::Answer(answer) => {
                self.show(Link::N3, false, frame, "question to a gNB");
                self.send_n3(&answer, "a gNB's answer");
                return;
            }
            N3::Other => "something else",
        };
        self.show(Link::N3, false, frame, what);
    }

    /// No packet comes by a tunnel that has ended (TS 29.281, 7.3.2).
    fn end_marker(&mut self, tunnel: Tunnel) {
        self.seen.end_markers.push(tunnel);
        self.seen.end_markers.truncate(SEEN_MAX);
        let number = tunnel.teid.wrapping_sub(FIRST_TEID);
        let is_old = |session: &Session| session.gnb == Some(tunnel);
        if self.sessions.get(number).is_some_and(is_old)
            && let Some(session) = self.changing.remove(number)
        {
            self.sessions.insert(session);
        }
    }

    fn received(&mut self, tag: &Tag) {
        let session = self.sessions.get(tag.session);
        let octets = session.map_or(0, |session| inner_octets(session, tag.payload_octets));
        self.tally_of(tag.session).received(tag, octets);
        *self.came_out.entry(tag.session).or_default() += u64::try_from(octets).unwrap_or(0);
        self.stopwatch.received(tag);
    }

    fn on_n6(&mut self, frame: &[u8]) {
        let what = match self.network.receive(frame, &self.sessions) {
            N6::Uplink(tag) => {
                self.received(&tag);
                "uplink packet on its way to the server"
            }
            N6::Wrong(mismatch) => {
                self.tally.wrong(mismatch);
                "wrong packet"
            }
            N6::Answer(answer) => {
                self.show(Link::N6, false, frame, "question to the data network");
                self.send_n6(&answer, "the data network's answer");
                return;
            }
            N6::Other => "something else",
        };
        self.show(Link::N6, false, frame, what);
    }
}

/// Whether a frame is for a gNB's Ethernet address, or asks for it.
fn is_for(frame: &[u8], gnb: &mut Gnb) -> bool {
    let asks = || match gnb.address() {
        IpAddr::V4(address) => asks_for(frame, address),
        IpAddr::V6(_) => false,
    };
    asks() || frame.get(..6) == Some(&gnb.station().mac())
}

/// Whether an ARP request asks for `address`.
fn asks_for(frame: &[u8], address: Ipv4Addr) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06]) && frame.get(38..42) == Some(&address.octets())
}
