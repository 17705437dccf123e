//! What is in effect where the file leaves it open.

use std::net::IpAddr;

use crate::schema::{Config, Interface, Network, Pfcp, Port};
use crate::{Name, NodeId};

impl Config {
    /// The Node ID in effect.
    pub fn node_id(&self) -> NodeId {
        self.node
            .id
            .clone()
            .unwrap_or_else(|| self.pfcp.address.into())
    }

    /// The port of that name.
    pub fn port(&self, name: &Name) -> Option<&Port> {
        self.ports.iter().find(|port| port.name == *name)
    }

    /// Whether a port receives frames for other MAC addresses too: an Ethernet network wants all.
    pub fn hears_all(&self, port: &Port) -> bool {
        let mut networks = self.networks.iter();
        let is_ethernet = |network: &Network| {
            let interface = self.interface(&network.interface);
            network.ethernet.is_some() && interface.is_some_and(|it| it.port == port.name)
        };
        port.promiscuous || networks.any(is_ethernet)
    }

    /// The interface of that name.
    pub fn interface(&self, name: &Name) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|interface| interface.name == *name)
    }

    /// The data network that the SMF names: the one of that name, regardless of case, else the
    /// catch-all `*`.
    pub fn network(&self, name: &str) -> Option<&Network> {
        let named = self
            .networks
            .iter()
            .find(|network| network.name.as_str().eq_ignore_ascii_case(name));
        named.or_else(|| self.networks.iter().find(|network| network.name.is_any()))
    }
}

impl Pfcp {
    /// The address that F-SEIDs carry.
    pub fn advertised(&self) -> IpAddr {
        self.advertise.unwrap_or(self.address)
    }

    /// Whether an SMF at this address may associate.
    pub fn allows(&self, peer: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|prefix| prefix.contains(peer))
    }
}
