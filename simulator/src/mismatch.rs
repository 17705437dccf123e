//! How a packet differs from the one that should have come.

use std::net::IpAddr;

use crate::gtp::GtpError;
use crate::net::Mac;

/// What is wrong with a frame that left the UPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Not a whole Ethernet frame.
    #[error("cut short")]
    Short,
    /// For another station, or on another VLAN.
    #[error("for {destination:02x?}, VLAN {vlan:?}")]
    Link {
        /// To whom the frame is.
        destination: Mac,
        /// On which VLAN.
        vlan: Option<u16>,
    },
    /// Not a whole IP packet, a fragment, or of a false header checksum.
    #[error("not a sound IP packet (ethertype {ethertype:#06x})")]
    Ip {
        /// What the frame says it is.
        ethertype: u16,
    },
    /// The outer addresses are not those of the tunnel.
    #[error("tunnelled from {from} to {to}")]
    OuterAddress {
        /// Source.
        from: IpAddr,
        /// Destination.
        to: IpAddr,
    },
    /// Not UDP to the port of GTP-U, or of a false checksum.
    #[error("not sound UDP to port 2152")]
    OuterUdp,
    /// Not a GTP-U message.
    #[error("not GTP-U: {0}")]
    Gtp(#[from] GtpError),
    /// Another message than a G-PDU.
    #[error("GTP-U message type {0}")]
    MessageType(u8),
    /// Another tunnel.
    #[error("TEID {got:#x} instead of {want:#x}")]
    Teid {
        /// What came.
        got: u32,
        /// What should have.
        want: u32,
    },
    /// Another QoS flow, or a container where there should be none, or none.
    #[error("QFI {got:?} instead of {want:?}")]
    Qfi {
        /// What came.
        got: Option<u8>,
        /// What should have.
        want: Option<u8>,
    },
    /// No tag: not a packet of ours.
    #[error("no tag")]
    Untagged,
    /// The tag says it goes the other way.
    #[error("a packet of the other direction")]
    Direction,
    /// The session is gone or never was.
    #[error("session {0} is not known")]
    Session(u32),
    /// The session is idle: nothing should come.
    #[error("session {0} has no tunnel to a gNB")]
    Idle(u32),
    /// The inner packet is not the one that the tag names.
    #[error("inner packet differs at octet {at}: {got:?} instead of {want:?}")]
    Inner {
        /// The first octet that differs.
        at: usize,
        /// What came there.
        got: Option<u8>,
        /// What should have.
        want: Option<u8>,
    },
}

impl Mismatch {
    /// A short name of its kind, to count by.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Link { .. } => "link",
            Self::Ip { .. } => "ip",
            Self::OuterAddress { .. } => "outer_address",
            Self::OuterUdp => "outer_udp",
            Self::Gtp(_) => "gtp",
            Self::MessageType(_) => "message_type",
            Self::Teid { .. } => "teid",
            Self::Qfi { .. } => "qfi",
            Self::Untagged => "untagged",
            Self::Direction => "direction",
            Self::Session(_) => "session",
            Self::Idle(_) => "idle",
            Self::Inner { .. } => "inner",
        }
    }
}

/// Compares two packets octet by octet.
///
/// # Errors
/// The first difference.
pub fn compare(got: &[u8], want: &[u8]) -> Result<(), Mismatch> {
    if got == want {
        return Ok(());
    }
    let same = got
        .iter()
        .zip(want)
        .take_while(|(got, want)| got == want)
        .count();
    Err(Mismatch::Inner {
        at: same,
        got: got.get(same).copied(),
        want: want.get(same).copied(),
    })
}
