//! What simulated packets carry: a tag that says which one of which session it is, and a pattern.
//!
//! From tag and session the whole inner packet can be built again, so that what comes out of the
//! UPF is compared octet by octet without a record of what went in.

use std::net::IpAddr;

use crate::net::{self, length16, read_u16, read_u32};
use crate::session::Session;

const MAGIC: [u8; 4] = *b"5gup";

/// The port of simulated servers.
const SERVER_PORT: u16 = 9000;
/// The first port of simulated clients.
const CLIENT_PORT: u16 = 40_000;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the UE to the data network.
    Uplink,
    /// From the data network to the UE.
    Downlink,
}

/// The ports of a flow: those of the UE and of the data network's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// The UE's.
    pub ue: u16,
    /// The other host's.
    pub server: u16,
}

impl Ports {
    /// Those of a session's usual flow.
    pub fn of(session: &Session) -> Self {
        let [.., high, low] = session.number.to_be_bytes();
        Self {
            ue: CLIENT_PORT + u16::from_be_bytes([high & 0x1f, low]),
            server: SERVER_PORT,
        }
    }
}

/// What names a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Which way it goes.
    pub direction: Direction,
    /// The session's number.
    pub session: u32,
    /// Which packet of its session and direction.
    pub sequence: u64,
    /// The ports.
    pub ports: Ports,
    /// The length of the UDP payload, the tag included.
    pub payload_octets: u16,
}

impl Tag {
    /// How long a tag is, and so the shortest payload.
    pub const OCTETS: u16 = 24;

    /// The UDP payload: tag and pattern.
    pub fn payload(&self) -> Vec<u8> {
        let octets = usize::from(self.payload_octets.max(Self::OCTETS));
        let mut payload = Vec::with_capacity(octets);
        payload.extend_from_slice(&MAGIC);
        payload.extend_from_slice(&u16::from(self.direction == Direction::Downlink).to_be_bytes());
        payload.extend_from_slice(&length16(octets).to_be_bytes());
        payload.extend_from_slice(&self.session.to_be_bytes());
        payload.extend_from_slice(&self.sequence.to_be_bytes());
        payload.extend_from_slice(&self.ports.ue.to_be_bytes());
        payload.extend_from_slice(&self.ports.server.to_be_bytes());
        let [.., seed] = self.sequence.to_be_bytes();
        let mut filler = seed;
        payload.resize_with(octets, || {
            filler = filler.wrapping_mul(5).wrapping_add(1);
            filler
        });
        payload
    }

    /// Reads the tag of an inner packet; `None` if there is none.
    pub fn read(inner: &[u8]) -> Option<Self> {
        let ip = net::Ip::parse(inner)?;
        if ip.protocol != net::PROTOCOL_UDP || ip.is_fragment {
            return None;
        }
        let payload = net::Udp::parse(ip.payload)?.payload;
        if !payload.starts_with(&MAGIC) {
            return None;
        }
        let direction = match read_u16(payload, 4)? {
            0 => Direction::Uplink,
            _ => Direction::Downlink,
        };
        Some(Self {
            direction,
            payload_octets: read_u16(payload, 6)?,
            session: read_u32(payload, 8)?,
            sequence: u64::from(read_u32(payload, 12)?) << 32 | u64::from(read_u32(payload, 16)?),
            ports: Ports {
                ue: read_u16(payload, 20)?,
                server: read_u16(payload, 22)?,
            },
        })
    }

    /// The inner packet as its sender makes it. `None` if the session has no address of the
    /// server's family.
    pub fn inner(&self, session: &Session, server: IpAddr) -> Option<Vec<u8>> {
        let ue = (session.ue_address(server)?, self.ports.ue);
        let server = (server, self.ports.server);
        let payload = self.payload();
        Some(match self.direction {
            Direction::Uplink => net::udp(ue, server, &payload),
            Direction::Downlink => net::udp(server, ue, &payload),
        })
    }

    /// The inner packet as it leaves the UPF: one hop further.
    pub fn inner_behind_upf(&self, session: &Session, server: IpAddr) -> Option<Vec<u8>> {
        let mut packet = self.inner(session, server)?;
        net::take_hop(&mut packet);
        Some(packet)
    }
}
