//! What is known of a PDU session on the side of the simulators.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use crate::flavour::Flavour;

/// One end of a GTP-U tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Tunnel {
    /// Where its packets are sent to.
    pub address: IpAddr,
    /// The TEID they carry.
    pub teid: u32,
}

/// The UPF's end of a tunnel: one TEID, reachable by one or both families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UplinkTunnel {
    /// The TEID.
    pub teid: u32,
    /// The UPF's IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// The UPF's IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
}

impl UplinkTunnel {
    /// The address that a gNB of this family sends to; the other one if there is no such.
    pub fn address(&self, like: IpAddr) -> Option<IpAddr> {
        let ipv4 = self.ipv4.map(IpAddr::from);
        let ipv6 = self.ipv6.map(IpAddr::from);
        if like.is_ipv4() {
            ipv4.or(ipv6)
        } else {
            ipv6.or(ipv4)
        }
    }
}

/// What the N4 session of a PDU session amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Which one: counts from zero, never used twice.
    pub number: u32,
    /// Whose habits its SMF has.
    pub flavour: Flavour,
    /// Its DNN.
    pub dnn: String,
    /// The SMF's SEID.
    pub cp_seid: u64,
    /// The UPF's SEID.
    pub up_seid: u64,
    /// Where uplink packets go.
    pub uplink: UplinkTunnel,
    /// Where the SMF sends what it has for the UE, if the UPF gave it a tunnel for that.
    pub cp_tunnel: Option<UplinkTunnel>,
    /// Where the next UPF sends downlink packets, at an intermediate UPF.
    pub core_tunnel: Option<UplinkTunnel>,
    /// Where downlink packets go; `None` while the UE is idle.
    pub gnb: Option<Tunnel>,
    /// The UE's IPv4 address.
    pub ue_ipv4: Option<Ipv4Addr>,
    /// The UE's IPv6 address.
    pub ue_ipv6: Option<Ipv6Addr>,
    /// The QoS flow of uplink packets.
    pub qfi: u8,
    /// The QoS flow that downlink packets are marked with; `None` if nothing tells the UPF one.
    pub downlink_qfi: Option<u8>,
    /// How often the UE became idle; OAI adds it to the precedence of rules that it makes anew.
    pub generation: u32,
}

impl Session {
    /// A session of which no more than its number and the UPF's tunnel are known: QFI 1 both ways.
    pub fn new(number: u32, flavour: Flavour, uplink: UplinkTunnel) -> Self {
        Self {
            number,
            flavour,
            dnn: String::new(),
            cp_seid: u64::from(number) + 1,
            up_seid: 0,
            uplink,
            cp_tunnel: None,
            core_tunnel: None,
            gnb: None,
            ue_ipv4: None,
            ue_ipv6: None,
            qfi: 1,
            downlink_qfi: flavour.marks_downlink().then_some(1),
            generation: 0,
        }
    }

    /// The UE's address of the family of `like`.
    pub fn ue_address(&self, like: IpAddr) -> Option<IpAddr> {
        if like.is_ipv4() {
            self.ue_ipv4.map(IpAddr::from)
        } else {
            self.ue_ipv6.map(IpAddr::from)
        }
    }

    /// Any address of the UE, IPv4 first.
    pub fn any_ue_address(&self) -> Option<IpAddr> {
        self.ue_ipv4
            .map(IpAddr::from)
            .or(self.ue_ipv6.map(IpAddr::from))
    }
}

/// All sessions, by number.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    by_number: BTreeMap<u32, Session>,
}

impl Sessions {
    /// The session of this number.
    pub fn get(&self, number: u32) -> Option<&Session> {
        self.by_number.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Session> {
        self.by_number.get_mut(&number)
    }

    /// The session whose SEID on the SMF's side is this.
    pub fn by_cp_seid(&self, cp_seid: u64) -> Option<&Session> {
        // SEIDs are given out in the order of the numbers, see `Smf`.
        let number = u32::try_from(cp_seid.checked_sub(1)?).ok()?;
        self.by_number
            .get(&number)
            .filter(|session| session.cp_seid == cp_seid)
    }

    /// Adds a session, or replaces the one of its number.
    pub fn insert(&mut self, session: Session) {
        self.by_number.insert(session.number, session);
    }

    /// Takes a session out.
    pub fn remove(&mut self, number: u32) -> Option<Session> {
        self.by_number.remove(&number)
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_number.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.by_number.clear();
    }
}
