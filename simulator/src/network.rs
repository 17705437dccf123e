//! A data network behind N6: its hosts, as one station.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::mismatch::{Mismatch, compare};
use crate::net::{Ethernet, Mac};
use crate::session::{Session, Sessions};
use crate::station::Station;
use crate::tag::{Direction, Ports, Tag};

/// A data network.
#[derive(Clone, Debug)]
pub struct DataNetwork {
    station: Station,
    /// The UPF's address on N6, for each family.
    upf: Vec<IpAddr>,
    servers: Vec<IpAddr>,
}

/// What came out of the UPF on N6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromUpf {
    /// A right packet of a UE.
    Uplink(Tag),
    /// A wrong one.
    Wrong(Mismatch),
    /// Something that wants this frame as an answer.
    Answer(Vec<u8>),
    /// Nothing to do with UEs.
    Other,
}

impl DataNetwork {
    /// A network with these servers, reached by the UPF directly, and by us through the UPF's
    /// addresses on N6. `hosts` are all addresses to answer ARP and ND for; the servers are.
    pub fn new(
        mac: Mac,
        vlan: Option<u16>,
        servers: Vec<IpAddr>,
        hosts: Vec<IpNet>,
        upf: Vec<IpAddr>,
    ) -> Self {
        let mut addresses = hosts;
        addresses.extend(servers.iter().copied().map(IpNet::from));
        Self {
            station: Station::new(mac, vlan, addresses),
            upf,
            servers,
        }
    }

    /// Its link.
    pub fn station(&mut self) -> &mut Station {
        &mut self.station
    }

    /// The questions for the UPF's MAC address. Frames go to all stations until the answer came.
    pub fn find_upf(&self) -> Vec<Vec<u8>> {
        let ask = |upf: &IpAddr| {
            let from = self
                .servers
                .iter()
                .find(|server| server.is_ipv4() == upf.is_ipv4())?;
            Some(self.station.who_has(*from, *upf))
        };
        self.upf.iter().filter_map(ask).collect()
    }

    /// Whether the UPF's MAC address is known, for all families.
    pub fn knows_upf(&self) -> bool {
        self.upf
            .iter()
            .all(|upf| self.station.neighbour(*upf).is_some())
    }

    /// A downlink packet of a session's usual flow: the `sequence`th, with this much UDP payload.
    /// `None` if the session has no address of a server's family.
    pub fn downlink(
        &self,
        session: &Session,
        payload_octets: u16,
        sequence: u64,
    ) -> Option<Vec<u8>> {
        let server = self
            .servers
            .iter()
            .copied()
            .find(|server| session.ue_address(*server).is_some())?;
        self.downlink_from(
            session,
            server,
            Ports::of(session),
            payload_octets,
            sequence,
        )
    }

    /// A downlink packet of any flow.
    pub fn downlink_from(
        &self,
        session: &Session,
        server: IpAddr,
        ports: Ports,
        payload_octets: u16,
        sequence: u64,
    ) -> Option<Vec<u8>> {
        let tag = Tag {
            direction: Direction::Downlink,
            session: session.number,
            sequence,
            ports,
            payload_octets: payload_octets.max(Tag::OCTETS),
        };
        Some(self.frame(&tag.inner(session, server)?))
    }

    /// The frame of any packet to a UE.
    pub fn frame(&self, packet: &[u8]) -> Vec<u8> {
        let is_ipv4 = packet.first().is_some_and(|first| first >> 4 == 4);
        let by_family = self.upf.iter().find(|upf| upf.is_ipv4() == is_ipv4);
        let upf = by_family
            .or(self.upf.first())
            .copied()
            .unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.station.frame_to(upf, packet)
    }

    /// The answer to a frame that wants one (ARP, ND, ping).
    pub fn on_frame(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        self.station.on_frame(frame)
    }

    /// Looks at a frame that came out of the UPF.
    pub fn receive(&mut self, frame: &[u8], sessions: &Sessions) -> FromUpf {
        if let Some(answer) = self.on_frame(frame) {
            return FromUpf::Answer(answer);
        }
        let inner = Ethernet::parse(frame).and_then(|ethernet| ethernet.ip());
        let Some(inner) = inner else {
            return FromUpf::Other;
        };
        if Tag::read(inner.packet).is_none() {
            return FromUpf::Other;
        }
        match self.check_uplink(frame, sessions) {
            Ok(tag) => FromUpf::Uplink(tag),
            Err(mismatch) => FromUpf::Wrong(mismatch),
        }
    }

    /// Checks an uplink packet as it leaves the UPF: link, and every octet of the packet.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_uplink(&self, frame: &[u8], sessions: &Sessions) -> Result<Tag, Mismatch> {
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
        let ip = ethernet.ip().ok_or(not_ip)?;
        let tag = Tag::read(ip.packet).ok_or(Mismatch::Untagged)?;
        if tag.direction != Direction::Uplink {
            return Err(Mismatch::Direction);
        }
        let session = sessions
            .get(tag.session)
            .ok_or(Mismatch::Session(tag.session))?;
        let known = self
            .servers
            .iter()
            .copied()
            .find(|server| *server == ip.destination);
        let want = known.and_then(|server| tag.inner_behind_upf(session, server));
        compare(ip.packet, &want.ok_or(Mismatch::Untagged)?)?;
        Ok(tag)
    }
}
