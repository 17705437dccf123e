//! A gNB with UEs behind it: sends into N3 and checks what comes out there.

use std::net::IpAddr;

use crate::gtp::{self, Container, Gtp, GtpError};
use crate::mismatch::{Mismatch, compare};
use crate::net::{self, Ethernet, Ip, Mac, PROTOCOL_UDP, Udp};
use crate::session::{Session, Sessions, Tunnel};
use crate::station::Station;
use crate::tag::{Direction, Ports, Tag};

/// A gNB.
#[derive(Clone, Debug)]
pub struct Gnb {
    station: Station,
    address: IpAddr,
    upf: IpAddr,
    /// The host in the data network that its UEs talk to, for each family.
    servers: Vec<IpAddr>,
}

/// What came out of the UPF on N3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromUpf {
    /// A right packet for a UE.
    Downlink(Tag),
    /// A wrong one.
    Wrong(Mismatch),
    /// The end of an old tunnel.
    EndMarker(Tunnel),
    /// The UPF does not know the tunnel of one of our packets.
    ErrorIndication(Tunnel),
    /// The answer to an Echo Request.
    EchoResponse {
        /// Its sequence number.
        sequence: Option<u16>,
    },
    /// Something that wants this frame as an answer.
    Answer(Vec<u8>),
    /// Nothing to do with N3.
    Other,
}

impl Gnb {
    /// A gNB at `address` that sends to the UPF at `upf`. Its UEs talk to the first of `servers`
    /// that is of their family.
    pub fn new(
        mac: Mac,
        vlan: Option<u16>,
        address: IpAddr,
        upf: IpAddr,
        servers: Vec<IpAddr>,
    ) -> Self {
        Self {
            station: Station::new(mac, vlan, vec![address.into()]),
            address,
            upf,
            servers,
        }
    }

    /// Its N3 address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Its link.
    pub fn station(&mut self) -> &mut Station {
        &mut self.station
    }

    /// The question for the UPF's MAC address. Frames go to all stations until the answer came.
    pub fn find_upf(&self) -> Vec<u8> {
        self.station.who_has(self.address, self.upf)
    }

    /// Whether the UPF's MAC address is known.
    pub fn knows_upf(&self) -> bool {
        self.station.neighbour(self.upf).is_some()
    }

    /// An uplink packet of a session's usual flow: the `sequence`th, with this much UDP payload.
    /// `None` if the session has no address or no tunnel.
    pub fn uplink(&self, session: &Session, payload_octets: u16, sequence: u64) -> Option<Vec<u8>> {
        let server = self.server_for(session)?;
        self.uplink_to(
            session,
            server,
            Ports::of(session),
            payload_octets,
            sequence,
        )
    }

    /// An uplink packet of any flow.
    pub fn uplink_to(
        &self,
        session: &Session,
        server: IpAddr,
        ports: Ports,
        payload_octets: u16,
        sequence: u64,
    ) -> Option<Vec<u8>> {
        let tag = Tag {
            direction: Direction::Uplink,
            session: session.number,
            sequence,
            ports,
            payload_octets: payload_octets.max(Tag::OCTETS),
        };
        self.tunnel(session, &tag.inner(session, server)?)
    }

    /// Sends any packet of the UE through the session's tunnel.
    pub fn tunnel(&self, session: &Session, inner: &[u8]) -> Option<Vec<u8>> {
        let container = Some(Container::uplink(session.qfi));
        let message = gtp::message(gtp::G_PDU, session.uplink.teid, container, inner);
        let to = session.uplink.address(self.address)?;
        Some(self.datagram(to, &message))
    }

    /// The frame of a GTP-U message to the UPF.
    pub fn datagram(&self, to: IpAddr, message: &[u8]) -> Vec<u8> {
        let packet = net::udp((self.address, gtp::PORT), (to, gtp::PORT), message);
        self.station.frame_to(to, &packet)
    }

    fn server_for(&self, session: &Session) -> Option<IpAddr> {
        self.servers
            .iter()
            .copied()
            .find(|server| session.ue_address(*server).is_some())
    }

    /// The answer to a frame that wants one (ARP, ND, ping, Echo Request).
    pub fn on_frame(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        match self.receive(frame, &Sessions::default()) {
            FromUpf::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// Looks at a frame that came out of the UPF.
    pub fn receive(&mut self, frame: &[u8], sessions: &Sessions) -> FromUpf {
        if let Some(answer) = self.station.on_frame(frame) {
            return FromUpf::Answer(answer);
        }
        let Some((source, message)) = self.gtp_of(frame) else {
            return FromUpf::Other;
        };
        let gtp = match Gtp::parse(message) {
            Ok(gtp) => gtp,
            Err(error) => return FromUpf::Wrong(error.into()),
        };
        match gtp.message_type {
            gtp::G_PDU => match self.check_downlink(frame, sessions) {
                Ok(tag) => FromUpf::Downlink(tag),
                Err(mismatch) => FromUpf::Wrong(mismatch),
            },
            gtp::END_MARKER => FromUpf::EndMarker(Tunnel {
                address: self.address,
                teid: gtp.teid,
            }),
            gtp::ECHO_RESPONSE => FromUpf::EchoResponse {
                sequence: gtp.sequence,
            },
            gtp::ECHO_REQUEST => {
                let answer = gtp::echo(gtp::ECHO_RESPONSE, gtp.sequence.unwrap_or(0));
                let packet = net::udp((self.address, gtp::PORT), source, &answer);
                FromUpf::Answer(self.station.frame_to(source.0, &packet))
            }
            gtp::ERROR_INDICATION => match gtp::read_error_indication(&gtp) {
                Some((teid, address)) => FromUpf::ErrorIndication(Tunnel { address, teid }),
                None => FromUpf::Wrong(GtpError::Short.into()),
            },
            other => FromUpf::Wrong(Mismatch::MessageType(other)),
        }
    }

    /// The GTP-U message of a frame to us, and who sent it.
    fn gtp_of<'a>(&self, frame: &'a [u8]) -> Option<(net::Endpoint, &'a [u8])> {
        let ip = Ethernet::parse(frame)?.ip()?;
        if ip.destination != self.address || ip.protocol != PROTOCOL_UDP {
            return None;
        }
        let udp = Udp::parse(ip.payload)?;
        (udp.destination == gtp::PORT || udp.source == gtp::PORT)
            .then_some(((ip.source, udp.source), udp.payload))
    }

    /// Checks a downlink packet: link, outer addresses, UDP, TEID, QFI, and all of the inner
    /// packet. The UDP source port is free (TS 29.281, 4.4.2.3).
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_downlink(&self, frame: &[u8], sessions: &Sessions) -> Result<Tag, Mismatch> {
        let ethernet = Ethernet::parse(frame).ok_or(Mismatch::Short)?;
        if ethernet.destination != self.station.mac() || ethernet.vlan != self.station.vlan() {
            return Err(Mismatch::Link {
                destination: ethernet.destination,
                vlan: ethernet.vlan,
            });
        }
        let not_ip = Mismatch::Ip {
            ethertype: ethernet.ethertype,
        };
        let outer = ethernet.ip().ok_or(not_ip)?;
        if outer.is_fragment || !outer.has_valid_checksum() {
            return Err(not_ip);
        }
        let udp = Udp::parse(outer.payload).ok_or(Mismatch::OuterUdp)?;
        if outer.protocol != PROTOCOL_UDP
            || udp.destination != gtp::PORT
            || !net::has_valid_udp_checksum(&outer)
        {
            return Err(Mismatch::OuterUdp);
        }
        let gtp = Gtp::parse(udp.payload)?;
        if gtp.message_type != gtp::G_PDU {
            return Err(Mismatch::MessageType(gtp.message_type));
        }
        let tag = Tag::read(gtp.payload).ok_or(Mismatch::Untagged)?;
        let session = sessions
            .get(tag.session)
            .ok_or(Mismatch::Session(tag.session))?;
        check_tunnel(session, &outer, &gtp)?;
        self.check_inner(gtp.payload, tag, session)?;
        Ok(tag)
    }

    fn check_inner(&self, inner: &[u8], tag: Tag, session: &Session) -> Result<(), Mismatch> {
        if tag.direction != Direction::Downlink {
            return Err(Mismatch::Direction);
        }
        let server = Ip::parse(inner).ok_or(Mismatch::Untagged)?.source;
        let known = self.servers.iter().copied().find(|known| *known == server);
        let want = known.and_then(|server| tag.inner_behind_upf(session, server));
        compare(inner, &want.ok_or(Mismatch::Untagged)?)
    }
}

fn check_tunnel(session: &Session, outer: &Ip<'_>, gtp: &Gtp<'_>) -> Result<(), Mismatch> {
    let tunnel = session.gnb.ok_or(Mismatch::Idle(session.number))?;
    let from = session.uplink.address(outer.source);
    if outer.destination != tunnel.address || from != Some(outer.source) {
        return Err(Mismatch::OuterAddress {
            from: outer.source,
            to: outer.destination,
        });
    }
    if gtp.teid != tunnel.teid {
        return Err(Mismatch::Teid {
            got: gtp.teid,
            want: tunnel.teid,
        });
    }
    let want = session.downlink_qfi;
    if gtp.container != want.map(Container::downlink) {
        return Err(Mismatch::Qfi {
            got: gtp.container.map(|container| container.qfi),
            want,
        });
    }
    Ok(())
}
