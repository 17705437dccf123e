//! What the UPF is connected to: interfaces, data networks, routes. Made from the configuration,
//! read by both sides.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use crate::id::InterfaceId;

/// The part a 3GPP interface plays (TS 23.501, 4.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// GTP-U to the radio access network.
    N3,
    /// GTP-U to other UPFs.
    N9,
    /// Plain IP to a data network.
    N6,
}

/// One 3GPP interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number: its place in [`Topology::interfaces`].
    pub id: InterfaceId,
    /// Its name in the configuration.
    pub name: String,
    /// Its part.
    pub role: Role,
    /// The port it is on: an index into the configured ports.
    pub port: u16,
    /// The VLAN it is in.
    pub vlan: Option<u16>,
    /// Our addresses on it, with their on-link networks.
    pub addresses: Vec<IpNet>,
    /// Routes, most specific first.
    pub routes: Vec<Route>,
    /// Network Instances that select it (N3 and N9); empty means any.
    pub network_instances: Vec<String>,
    /// The port is a TAP whose other end is the kernel, with these addresses: every packet goes to
    /// the kernel, and ARP and neighbour solicitations for UE addresses are answered.
    pub kernel: Option<Vec<IpAddr>>,
}

/// A route of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: IpNet,
    /// By which neighbour.
    pub via: IpAddr,
}

/// A data network: a Network Instance or DNN with its VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The name that Network Instance and APN/DNN IEs are compared with; `*` matches all others.
    pub name: String,
    /// Its N6 interface, which is its VRF.
    pub interface: InterfaceId,
    /// The addresses of its UEs.
    pub ue_pools: Vec<IpNet>,
    /// The largest packet towards it; `None` for what the port takes. The smallest of all networks
    /// behind an interface counts.
    pub mtu: Option<u16>,
    /// TCP connections to and from it are kept to segments that fit through the tunnels. One
    /// network that wants it decides for its interface.
    pub clamp_mss: bool,
    /// What becomes of packets from one of its UEs to an address of its UE pools.
    pub ue_to_ue: UeToUe,
    /// Its UEs are told their prefix by the UPF, not by the SMF.
    pub router: Option<RouterAdvertisements>,
    /// It carries Ethernet frames, and is alone on its interface.
    pub ethernet: Option<EthernetNetwork>,
}

/// How an Ethernet network finds its stations. Each is where it was heard first, until it has been
/// silent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetNetwork {
    /// Seconds after which a station that is silent is forgotten.
    pub aging_s: u32,
    /// Seconds of silence after which a station may be heard elsewhere.
    pub move_after_s: u32,
    /// The most stations of a session.
    pub stations_per_session: u16,
    /// Copies of frames to all sessions that a worker makes in a second.
    pub copies_per_second: u32,
}

impl Default for EthernetNetwork {
    fn default() -> Self {
        Self {
            aging_s: 300,
            move_after_s: 5,
            stations_per_session: 16,
            copies_per_second: 100_000,
        }
    }
}

/// What UEs learn from their router (RFC 4861, 4.2) besides their prefix, which lasts for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterAdvertisements {
    /// For how many seconds it is their router.
    pub lifetime_s: u16,
    /// The largest packet that they may send.
    pub mtu: Option<u16>,
    /// Name servers (RFC 8106).
    pub dns: Vec<Ipv6Addr>,
    /// Seconds between two unasked ones; 0 for one at the start alone.
    pub interval_s: u32,
}

/// The way from UE to UE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UeToUe {
    /// By N6, like the way to everywhere: the data network sends them back, or not.
    #[default]
    N6,
    /// Inside the UPF, by the rules of both UEs' sessions.
    Local,
    /// None.
    Drop,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The UDP port that GTP-U is received on; peers are always sent to at 2152.
    pub gtpu_port: u16,
    /// Interfaces, each at the place of its id.
    pub interfaces: Vec<Interface>,
    /// Data networks.
    pub networks: Vec<Network>,
    /// Forwarding policies.
    pub policies: Vec<ForwardingPolicy>,
}

/// What an SMF may name in a Forwarding Policy (TS 29.244, 8.2.23).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardingPolicy {
    /// Its identifier.
    pub name: String,
    /// Where packets leave: an N6 interface, or one like it with gateways of its own.
    pub interface: InterfaceId,
}

impl Network {
    /// Whether it lies behind `vrf`, and tells UEs with that prefix of their router itself.
    pub fn advertises(&self, vrf: InterfaceId, prefix: Ipv6Net) -> bool {
        let within = |pool: &IpNet| pool.contains(&IpNet::V6(prefix));
        let is_its_own = self.ue_pools.is_empty() || self.ue_pools.iter().any(within);
        self.router.is_some() && self.interface == vrf && is_its_own
    }
}

impl Interface {
    /// Our address on this interface of the family of `peer`: on its own network if there is one.
    pub fn address_towards(&self, peer: IpAddr) -> Option<IpAddr> {
        let same_family = || {
            self.addresses
                .iter()
                .filter(|net| net.addr().is_ipv4() == peer.is_ipv4())
        };
        let on_link = same_family().find(|net| net.contains(&peer));
        on_link.or_else(|| same_family().next()).map(IpNet::addr)
    }

    /// The neighbour by which `destination` is reached: itself when it is on-link, else the
    /// gateway of the most specific route.
    pub fn next_hop(&self, destination: IpAddr) -> Option<(IpAddr, u8)> {
        let on_link = self
            .addresses
            .iter()
            .filter(|net| net.contains(&destination));
        let on_link = on_link.map(|net| (destination, net.prefix_len()));
        let routes = self
            .routes
            .iter()
            .filter(|route| route.to.contains(&destination));
        let routes = routes.map(|route| (route.via, route.to.prefix_len()));
        on_link.chain(routes).max_by_key(|(_, length)| *length)
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            gtpu_port: 2152,
            interfaces: Vec::new(),
            networks: Vec::new(),
            policies: Vec::new(),
        }
    }
}

impl Topology {
    /// The interface of that number.
    pub fn interface(&self, id: InterfaceId) -> Option<&Interface> {
        self.interfaces.get(usize::from(id.0))
    }

    /// The data network of that name, or the catch-all `*`. Names are compared without case, as
    /// DNNs are (TS 23.003, 9A).
    pub fn network(&self, name: &str) -> Option<&Network> {
        let named = self
            .networks
            .iter()
            .find(|network| network.name.eq_ignore_ascii_case(name));
        named.or_else(|| self.networks.iter().find(|network| network.name == "*"))
    }

    /// The network behind `vrf` that tells UEs with that prefix of their router itself, if so.
    pub fn advertises(&self, vrf: InterfaceId, prefix: Ipv6Net) -> Option<&Network> {
        let mut networks = self.networks.iter();
        networks.find(|network| network.advertises(vrf, prefix))
    }

    /// The Ethernet network behind `vrf`, if it is one.
    pub fn ethernet(&self, vrf: InterfaceId) -> Option<&EthernetNetwork> {
        let mut networks = self.networks.iter();
        let network = networks.find(|network| network.interface == vrf)?;
        network.ethernet.as_ref()
    }

    /// Where packets leave by the forwarding policy of that identifier.
    pub fn policy(&self, name: &str) -> Option<InterfaceId> {
        let mut policies = self.policies.iter();
        let policy = policies.find(|policy| policy.name == name)?;
        Some(policy.interface)
    }

    /// The interface with GTP-U by which a tunnel's peer is reached, and the neighbour on the way:
    /// the most specific route of all N3 and N9 interfaces.
    pub fn towards_peer(&self, peer: IpAddr) -> Option<(&Interface, IpAddr)> {
        let tunnels = self
            .interfaces
            .iter()
            .filter(|interface| interface.role != Role::N6);
        let reached = tunnels.filter_map(|interface| {
            let (via, length) = interface.next_hop(peer)?;
            Some((length, interface, via))
        });
        reached
            .max_by_key(|(length, ..)| *length)
            .map(|(_, interface, via)| (interface, via))
    }

    /// The N3 or N9 interface at which a local F-TEID for a Network Instance is to be: one that
    /// names it, else one that names none.
    pub fn tunnel_interface(&self, network_instance: Option<&str>) -> Option<&Interface> {
        let tunnels = || {
            self.interfaces
                .iter()
                .filter(|interface| interface.role != Role::N6)
        };
        let named = network_instance.and_then(|name| {
            tunnels().find(|interface| {
                interface
                    .network_instances
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(name))
            })
        });
        named.or_else(|| tunnels().find(|interface| interface.network_instances.is_empty()))
    }

    /// The N3 or N9 interface that has `address`.
    pub fn tunnel_interface_at(&self, address: IpAddr) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| {
            interface.role != Role::N6
                && interface.addresses.iter().any(|net| net.addr() == address)
        })
    }
}
