//! What the stages know of a packet.

use arrayvec::ArrayVec;
use session::inner::Inner;
use session::plan::{Entrance, Plan, Step};
use session::tables::Place;
use session::{InterfaceId, NextHopId, Qfi, SessionIndex, Teid, WorkerId};

use super::frames::frame;
use crate::packet::BURST;
use crate::reason::Reason;

/// The packets of a burst, in order.
pub type Metas<'a> = ArrayVec<Meta<'a>, BURST>;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not decided yet: the next stage goes on with it.
    Pending,
    /// Sent by this port.
    Send(u16),
    /// Sent once this neighbour's Ethernet address is known.
    Await(NextHopId),
    /// Held for its session.
    Hold,
    /// Given to the worker that owns its session.
    HandOver(WorkerId),
    /// From one UE to another: it comes in again, as if from the data network on this port.
    TurnBack(u16),
    /// A frame for the Ethernet network on this interface.
    Bridge(InterfaceId),
    /// A frame for all sessions of the Ethernet network on this interface.
    Flood(InterfaceId),
    /// For the slow path.
    Punt(Punt),
    /// Dropped.
    Drop(Reason),
}

/// How a packet has come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// From a port.
    In,
    /// From another worker, which has it from a port.
    Over,
    /// It waited for its UE and is on its way again.
    Released,
    /// From a UE, for another one: as if from the data network.
    Back,
}

impl Came {
    /// What is written for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Over => "over",
            Self::Released => "released",
            Self::Back => "back",
        }
    }
}

/// What the slow path is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punt {
    /// ARP.
    Arp,
    /// ICMP to one of our addresses.
    Icmp,
    /// ICMPv6 to one of our addresses or to the neighbours.
    Icmpv6,
    /// A GTP-U message other than a G-PDU.
    Gtpu,
    /// A G-PDU with an extension header that has to be understood, and is not.
    UnknownExtension,
    /// A message of another version of GTP.
    OtherVersion,
    /// A fragment of a packet to one of our GTP-U addresses.
    Fragment,
    /// A G-PDU of no session.
    UnknownTeid,
    /// A UE asks for its router. If it is not answered, it is dropped for that reason.
    RouterSolicitation(Reason),
}

/// What a packet is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Nothing: it is for the UPF itself.
    None,
    /// The tunnel it came in.
    Tunnel(Teid),
    /// The UE's IPv4 address.
    Ipv4(u32),
    /// The UE's IPv6 address, which is the destination of the user packet.
    Ipv6,
    /// The station that the frame goes to, in the Ethernet network on its interface.
    Station,
    /// The session that the frame is for.
    Session(SessionIndex),
}

impl Key {
    /// Whether it is a frame of an Ethernet network.
    #[inline]
    pub const fn is_frame(self) -> bool {
        matches!(self, Self::Station | Self::Session(_))
    }
}

/// What the stages know of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    /// What becomes of it.
    pub fate: Fate,
    /// What it is looked up by.
    pub key: Key,
    /// The port it was received on.
    pub port: u16,
    /// The interface it came in by.
    pub interface: InterfaceId,
    /// Where its outer IP (or ARP) header starts.
    pub network_at: u8,
    /// How it has come here.
    pub came: Came,
    /// The session has to release what it holds, this packet included.
    pub releases: bool,
    /// The UPF is a router for it, so that its hop limit goes down.
    pub routed: bool,
    /// The QFI of its PDU session container.
    pub qfi: Option<Qfi>,
    /// Where its GTP-U header starts.
    pub tunnel_at: u16,
    /// Where the user packet starts.
    pub user_at: u16,
    /// How long the user packet is.
    pub user_length: u16,
    /// UDP source port of the tunnel that it goes into.
    pub source_port: u16,
    /// Where its key is looked for.
    pub place: Place,
    /// Its session, by the entrance it came in by.
    pub session: Option<Entrance<'a>>,
    /// What is done with it.
    pub step: Option<&'a Step>,
    /// The one session that it is for, if it is a copy of a frame to many; else 0.
    pub to: SessionIndex,
}

// All that is known of a packet is one cache line.
const _: () = assert!(size_of::<Meta<'_>>() <= 64);

impl<'a> Meta<'a> {
    /// A packet that was just received.
    #[inline]
    pub const fn received(port: u16) -> Self {
        Self {
            fate: Fate::Pending,
            key: Key::None,
            port,
            interface: InterfaceId(0),
            network_at: 0,
            came: Came::In,
            releases: false,
            routed: false,
            qfi: None,
            tunnel_at: 0,
            user_at: 0,
            user_length: 0,
            source_port: 0,
            place: Place::NONE,
            session: None,
            step: None,
            to: SessionIndex(0),
        }
    }

    /// A packet that another worker had received.
    #[inline]
    pub const fn taken_over(port: u16) -> Self {
        Self {
            came: Came::Over,
            ..Self::received(port)
        }
    }

    /// Whether the next stage goes on with it.
    #[inline]
    pub fn is_pending(&self) -> bool {
        matches!(self.fate, Fate::Pending)
    }

    /// Its rule and its session, if a rule was found and the next stage goes on with it.
    #[inline]
    pub fn goes_on(&self) -> Option<(&'a Step, &'a Plan)> {
        match (self.fate, self.step, self.session) {
            (Fate::Pending, Some(step), Some(entrance)) => Some((step, entrance.plan())),
            _ => None,
        }
    }

    /// Whether the user packet is an Ethernet frame.
    pub fn is_frame(&self) -> bool {
        self.session.is_some_and(Entrance::takes_frames)
    }

    /// The user's IP packet, which may lie in a frame.
    pub(crate) fn ip<'p>(&self, octets: &'p [u8]) -> Option<Inner<'p>> {
        if self.key.is_frame() || self.is_frame() {
            return frame(octets, self)?.ip();
        }
        Inner::parse(self.user(octets)).ok()
    }

    /// The user packet.
    #[inline]
    pub fn user<'p>(&self, frame: &'p [u8]) -> &'p [u8] {
        let at = usize::from(self.user_at);
        frame
            .get(at..at + usize::from(self.user_length))
            .unwrap_or_default()
    }
}
