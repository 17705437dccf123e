//! What is noted of one packet.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use session::meter::Now;
use session::plan::{Act, Step};
use session::rule::{Direction, OuterHeaderRemoval};
use session::{FarId, InterfaceId, NextHopId, PdrId, Qfi, Seid, SessionIndex, Teid, WorkerId};

use crate::path::{Came, Fate, Key, Meta, Punt};
use crate::reason::Reason;

/// How many frames that a packet brought on are kept.
const FRAMES_MAX: usize = 4;

/// What the stages found out about a packet, and what became of it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When, in time stamp cycles.
    pub at: Now,
    /// Whose packet it was.
    pub worker: WorkerId,
    /// How it came.
    pub came: Came,
    /// The port it was received on.
    pub port: u16,
    /// The interface it came in by; of a meaning once it is known what it is looked up by.
    pub interface: InterfaceId,
    /// What it was looked up by.
    pub key: Key,
    /// The QFI of its PDU session container.
    pub qfi: Option<Qfi>,
    /// Where its outer IP header starts; 0 when it was not read so far.
    pub network_at: u8,
    /// Where its GTP-U header starts; 0 without one.
    pub tunnel_at: u16,
    /// Where the user packet starts, and how long it is; 0 without one.
    pub user: (u16, u16),
    /// Its session.
    pub session: Option<(SessionIndex, Seid)>,
    /// The rule that it matched.
    pub rule: Option<Rule>,
    /// The UPF is a router for it: its hop limit goes down.
    pub routed: bool,
    /// What the stages decided.
    pub fate: Fate,
    /// Why it was dropped in the end.
    pub dropped: Option<Reason>,
    /// Its first octets, and then those of the frames.
    octets: Vec<u8>,
    /// How many of these are its own, and how many it had.
    received: (usize, usize),
    frames: ArrayVec<Place, FRAMES_MAX>,
}

/// The rule that a packet matched, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The PDR.
    pub pdr: PdrId,
    /// Its FAR, or that of a URR whose quota is used up.
    pub far: FarId,
    /// What is done.
    pub act: Act,
    /// Which way it goes.
    pub direction: Direction,
    /// The source address has to be the UE's.
    pub check_source: bool,
    /// The QFI that is written into the tunnel's header.
    pub qfi: Option<Qfi>,
    /// The outer header that goes.
    pub removal: Option<OuterHeaderRemoval>,
    /// The tunnel that the packet is put into.
    pub tunnel: Option<(Teid, IpAddr)>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was given to its port.
    Sent,
    /// It was sent in pieces.
    SentInPieces,
    /// It waits for the Ethernet address of its next hop.
    Waits(NextHopId),
    /// It is held for its UE.
    Held,
    /// The worker that owns its session has it.
    HandedOver(WorkerId),
    /// It came in once more, as if from the data network.
    TurnedBack,
    /// It went to all sessions of its Ethernet network in copies.
    Copied,
    /// It was for the UPF itself, which has answered.
    Answered(Punt),
    /// It was for the UPF itself.
    Consumed(Punt),
    /// It is a fragment that waits for the others, or was the last of them.
    Gathered,
    /// It was dropped.
    Dropped(Reason),
}

impl Outcome {
    /// What is written for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::SentInPieces => "sent_in_pieces",
            Self::Waits(_) => "waits",
            Self::Held => "held",
            Self::HandedOver(_) => "handed_over",
            Self::TurnedBack => "turned_back",
            Self::Copied => "copied",
            Self::Answered(_) => "answered",
            Self::Consumed(_) => "consumed",
            Self::Gathered => "gathered",
            Self::Dropped(_) => "dropped",
        }
    }
}

/// A frame that was sent because of a packet: the packet itself, its pieces, an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The port it left by.
    pub port: u16,
    /// Its first octets.
    pub octets: &'a [u8],
    /// How long it was.
    pub length: usize,
    /// It has left; otherwise it waits for the Ethernet address of its next hop.
    pub left: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    port: u16,
    start: usize,
    end: usize,
    length: usize,
    left: bool,
}

impl Rule {
    fn of(step: &Step) -> Self {
        Self {
            pdr: step.pdr,
            far: step.far,
            act: step.act,
            direction: step.direction,
            check_source: step.check_source,
            qfi: step.qfi,
            removal: step.removal,
            tunnel: step.tunnel(),
        }
    }
}

impl Sample {
    /// An empty one with room for so many octets.
    pub(super) fn with_room(octets: usize) -> Self {
        Self {
            at: Now(0),
            worker: WorkerId(0),
            came: Came::In,
            port: 0,
            interface: InterfaceId(0),
            key: Key::None,
            qfi: None,
            network_at: 0,
            tunnel_at: 0,
            user: (0, 0),
            session: None,
            rule: None,
            routed: false,
            fate: Fate::Pending,
            dropped: None,
            octets: Vec::with_capacity(octets),
            received: (0, 0),
            frames: ArrayVec::new(),
        }
    }

    /// Notes a packet as it was received.
    pub(super) fn begin(&mut self, worker: WorkerId, now: Now, frame: &[u8], meta: &Meta<'_>) {
        self.at = now;
        self.worker = worker;
        self.came = meta.came;
        self.port = meta.port;
        self.interface = meta.interface;
        self.key = meta.key;
        self.qfi = meta.qfi;
        self.network_at = meta.network_at;
        self.tunnel_at = meta.tunnel_at;
        self.user = (meta.user_at, meta.user_length);
        self.session = meta.session.map(|entrance| {
            let plan = entrance.plan();
            (plan.session, plan.seid)
        });
        self.fate = meta.fate;
        self.dropped = None;
        self.frames.clear();
        self.octets.clear();
        // Half of the room is for what is sent.
        let most = self.octets.capacity() / 2;
        let (start, end) = self.keep(frame, most);
        self.received = (end - start, frame.len());
    }

    /// Notes what the stages have decided.
    pub(super) fn decide(&mut self, meta: &Meta<'_>) {
        self.rule = meta.step.map(Rule::of);
        self.routed = meta.routed;
        self.fate = meta.fate;
    }

    /// Notes a frame that is sent.
    pub(super) fn add(&mut self, port: u16, frame: &[u8], left: bool) {
        if self.frames.is_full() {
            return;
        }
        let (start, end) = self.keep(frame, frame.len());
        self.frames.push(Place {
            port,
            start,
            end,
            length: frame.len(),
            left,
        });
    }

    /// Keeps as much as there is room for, without asking for more.
    fn keep(&mut self, frame: &[u8], most: usize) -> (usize, usize) {
        let start = self.octets.len();
        let room = (self.octets.capacity() - start).min(most);
        let kept = frame.get(..room).unwrap_or(frame);
        self.octets.extend_from_slice(kept);
        (start, self.octets.len())
    }

    /// The first octets of the packet as it was received, with its Ethernet header.
    pub fn received(&self) -> &[u8] {
        self.octets.get(..self.received.0).unwrap_or_default()
    }

    /// How long it was.
    pub const fn received_length(&self) -> usize {
        self.received.1
    }

    /// The user packet, as far as its octets were kept.
    pub fn user_packet(&self) -> &[u8] {
        let (at, length) = (usize::from(self.user.0), usize::from(self.user.1));
        let received = self.received();
        let end = received.len().min(at + length);
        received.get(at..end).unwrap_or_default()
    }

    /// The frames that were sent because of it.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().map(|place| Frame {
            port: place.port,
            octets: self.octets.get(place.start..place.end).unwrap_or_default(),
            length: place.length,
            left: place.left,
        })
    }

    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        if let Some(reason) = self.dropped {
            return Outcome::Dropped(reason);
        }
        match self.fate {
            Fate::Send(_) | Fate::Bridge(_) => Outcome::Sent,
            Fate::Await(hop) => Outcome::Waits(hop),
            Fate::Hold => Outcome::Held,
            Fate::HandOver(worker) => Outcome::HandedOver(worker),
            Fate::TurnBack(_) => Outcome::TurnedBack,
            Fate::Flood(_) => Outcome::Copied,
            Fate::Punt(Punt::Fragment) => Outcome::Gathered,
            Fate::Punt(punt) if self.frames.is_empty() => Outcome::Consumed(punt),
            Fate::Punt(punt) => Outcome::Answered(punt),
            Fate::Drop(Reason::TooBig) => Outcome::SentInPieces,
            Fate::Drop(reason) => Outcome::Dropped(reason),
            Fate::Pending => Outcome::Dropped(Reason::Undecided),
        }
    }
}
