//! The topology compiled for packets: which interface a frame belongs to, which addresses are ours,
//! where a destination lies. Made at start, then only read.

mod bridge;
mod own;
mod router;
mod routes;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use session::InterfaceId;
use session::neighbour::Neighbours;
use session::topology::{Interface, Network, Role, Topology};

use crate::path::Mss;
use crate::wire;

pub(crate) use bridge::{Bridge, Way};
pub use own::OwnAddresses;
pub(crate) use router::Router;
pub(crate) use routes::{Routes, Target};

/// Octets of a tunnel's headers with a PDU session container: IP, UDP, GTP-U and its extension.
const HEADERS_V4: u16 = 20 + 8 + 8 + 8;
const HEADERS_V6: u16 = 40 + 8 + 8 + 8;

/// What a port needs to be known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLink {
    /// Our Ethernet address.
    pub mac: [u8; 6],
    /// The Ethernet address of the kernel's end, when the port is a TAP: every packet goes there.
    pub kernel_mac: Option<[u8; 6]>,
    /// The largest IP packet that may be sent.
    pub mtu: u16,
}

/// Everything that packets ask about the topology.
#[derive(Clone, Debug)]
pub struct Links {
    ports: Box<[CompiledPort]>,
    interfaces: Box<[InterfaceLink]>,
    own: OwnAddresses,
    clamps_mss: bool,
    /// What UEs are told of their router: by VRF and pools, and as octets.
    routers: Box<[Router]>,
    /// Ethernet networks.
    bridges: Box<[(InterfaceId, Bridge)]>,
}

#[derive(Clone, Debug)]
pub(crate) struct CompiledPort {
    link: PortLink,
    /// Our Ethernet address as a number.
    mac_bits: u64,
    untagged: Option<Segment>,
    tagged: Box<[(u16, Segment)]>,
    /// Interfaces of Ethernet networks, and their VLANs.
    bridges: Box<[(Option<u16>, InterfaceId)]>,
}

/// What lies in one VLAN of one port (or in none).
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    v4: Vec<(u32, Local)>,
    v6: Vec<(u128, Local)>,
    /// The interface that takes user packets without a tunnel.
    pub(crate) n6: Option<InterfaceId>,
    pub(crate) interfaces: Vec<InterfaceId>,
}

/// One of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) interface: InterfaceId,
    /// GTP-U is spoken there, on this UDP port.
    pub(crate) gtpu_port: Option<u16>,
    /// It faces the radio side alone.
    pub(crate) n3: bool,
}

/// One interface.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceLink {
    pub(crate) port: u16,
    /// The Ethernet header towards it, the destination left open.
    pub(crate) ethernet: EthernetHeader,
    pub(crate) mtu: u16,
    /// The largest TCP segments to and from it, where they are bounded.
    pub(crate) mss: Option<Mss>,
    /// Our addresses, for asking neighbours.
    pub(crate) addresses: Vec<IpNet>,
    /// UE addresses to answer ARP and neighbour solicitations for.
    pub(crate) ue_pools: Vec<IpNet>,
    /// Where destinations are.
    pub(crate) routes: Routes,
}

/// An Ethernet header without its EtherType: source, and tag if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthernetHeader {
    pub(crate) source: [u8; 6],
    pub(crate) vlan: Option<u16>,
}

impl Links {
    /// Compiles `topology` for those ports; `further` are addresses of the UPF that the topology
    /// does not have, such as that of N4. Gateways get their [`NextHopId`] here.
    pub fn new(
        topology: &Topology,
        ports: &[PortLink],
        further: &[IpAddr],
        neighbours: &Neighbours,
    ) -> Self {
        let configured = || {
            topology
                .interfaces
                .iter()
                .flat_map(|interface| &interface.addresses)
        };
        let own = OwnAddresses::new(configured().map(IpNet::addr).chain(further.iter().copied()));
        let interfaces = topology
            .interfaces
            .iter()
            .map(|interface| {
                let port = ports.get(usize::from(interface.port)).copied();
                let mut link = InterfaceLink::new(topology, interface, port, neighbours);
                let home = home(topology, interface);
                let on_it = |network: &&Network| network.interface == home;
                let mut networks = topology.networks.iter().filter(on_it);
                if networks.any(|network| network.clamp_mss) {
                    link.mss = Some(Mss::of_mtu(link.mtu.min(room_in_tunnels(topology, ports))));
                }
                link
            })
            .collect::<Box<[_]>>();
        let bridges = Bridge::all(topology, &interfaces);
        let ports = (0_u16..)
            .zip(ports)
            .map(|(number, link)| CompiledPort::new(topology, number, *link))
            .collect();
        Self {
            ports,
            clamps_mss: interfaces.iter().any(|link| link.mss.is_some()),
            interfaces,
            own,
            routers: Router::all(topology),
            bridges,
        }
    }

    /// The Ethernet network on an interface.
    pub(crate) fn bridge(&self, interface: InterfaceId) -> Option<&Bridge> {
        let mut bridges = self.bridges.iter();
        let found = bridges.find(|(own, _)| *own == interface);
        found.map(|(_, bridge)| bridge)
    }

    /// All Ethernet networks.
    #[inline]
    pub(crate) const fn bridges(&self) -> &[(InterfaceId, Bridge)] {
        &self.bridges
    }

    /// What UEs with that prefix in that VRF are told of their router.
    pub(crate) fn router(&self, vrf: InterfaceId, prefix: Ipv6Net) -> Option<&Router> {
        let mut routers = self.routers.iter();
        routers.find(|router| router.serves(vrf, prefix))
    }

    /// Whether any network tells its UEs of their router.
    pub(crate) const fn has_routers(&self) -> bool {
        !self.routers.is_empty()
    }

    /// Whether any network wants TCP segments bounded.
    #[inline]
    pub(crate) const fn clamps_mss(&self) -> bool {
        self.clamps_mss
    }

    /// How many ports there are.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    /// A port.
    #[inline]
    pub fn port(&self, port: u16) -> Option<&PortLink> {
        self.ports.get(usize::from(port)).map(|port| &port.link)
    }

    /// Our own addresses.
    #[inline]
    pub const fn own(&self) -> &OwnAddresses {
        &self.own
    }

    /// A port as compiled.
    #[inline]
    pub(crate) fn compiled(&self, port: u16) -> Option<&CompiledPort> {
        self.ports.get(usize::from(port))
    }

    /// What lies in a VLAN of a port.
    pub(crate) fn segment(&self, port: u16, vlan: Option<u16>) -> Option<&Segment> {
        let port = self.ports.get(usize::from(port))?;
        let Some(vlan) = vlan else {
            return port.untagged.as_ref();
        };
        let tagged = port.tagged.iter().find(|(tag, _)| *tag == vlan);
        tagged.map(|(_, segment)| segment)
    }

    /// An interface.
    #[inline]
    pub(crate) fn interface(&self, id: InterfaceId) -> Option<&InterfaceLink> {
        self.interfaces.get(usize::from(id.0))
    }

    /// All interfaces.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, &InterfaceLink)> {
        (0..).map(InterfaceId).zip(&self.interfaces)
    }
}

/// The interface that networks name, for one that differs from it in its routes alone.
fn home(topology: &Topology, interface: &Interface) -> InterfaceId {
    let mut interfaces = topology.interfaces.iter();
    let same = |one: &&Interface| {
        (one.role, one.port, one.vlan) == (interface.role, interface.port, interface.vlan)
    };
    interfaces.find(same).map_or(interface.id, |one| one.id)
}

/// The largest user packet that fits into a tunnel on every N3 and N9 interface.
fn room_in_tunnels(topology: &Topology, ports: &[PortLink]) -> u16 {
    let tunnels = topology
        .interfaces
        .iter()
        .filter(|interface| interface.role != Role::N6);
    let room = tunnels.filter_map(|interface| {
        let port = ports.get(usize::from(interface.port))?;
        let v6 = interface.addresses.iter().any(|net| net.addr().is_ipv6());
        let headers = if v6 { HEADERS_V6 } else { HEADERS_V4 };
        Some(port.mtu.saturating_sub(headers))
    });
    room.min().unwrap_or(u16::MAX)
}

impl CompiledPort {
    /// Our Ethernet address.
    pub(crate) const fn mac(&self) -> [u8; 6] {
        self.link.mac
    }

    /// Whether a frame that begins so is for us.
    #[inline]
    pub(crate) const fn is_addressed(&self, start: [u8; 8]) -> bool {
        u64::from_be_bytes(start) >> 16 == self.mac_bits
    }

    /// What lies on it without a tag.
    #[inline]
    pub(crate) const fn untagged(&self) -> Option<&Segment> {
        self.untagged.as_ref()
    }

    /// The interface of the Ethernet network that a frame in that VLAN is of, and whether the tag is
    /// the network's. Where none has the VLAN, it is of the one without a tag.
    pub(crate) fn bridge(&self, vlan: Option<u16>) -> Option<(InterfaceId, bool)> {
        let in_vlan = |wanted: Option<u16>| {
            let mut bridges = self.bridges.iter();
            let found = bridges.find(|(vlan, _)| *vlan == wanted);
            found.map(|(_, interface)| (*interface, wanted.is_some()))
        };
        in_vlan(vlan).or_else(|| in_vlan(None))
    }

    fn new(topology: &Topology, number: u16, link: PortLink) -> Self {
        let (bridges, others): (Vec<&Interface>, Vec<_>) = topology
            .interfaces
            .iter()
            .filter(|interface| interface.port == number)
            .partition(|interface| topology.ethernet(interface.id).is_some());
        let on_port = || others.iter().copied();
        let mut tags: Vec<u16> = on_port().filter_map(|interface| interface.vlan).collect();
        tags.sort_unstable();
        tags.dedup();
        let segment = |vlan| {
            let here: Vec<_> = on_port()
                .filter(|interface| interface.vlan == vlan)
                .collect();
            Segment::new(&here, topology.gtpu_port)
        };
        Self {
            link,
            mac_bits: wire::mac_bits(link.mac),
            untagged: on_port()
                .any(|interface| interface.vlan.is_none())
                .then(|| segment(None)),
            tagged: tags
                .into_iter()
                .map(|tag| (tag, segment(Some(tag))))
                .collect(),
            bridges: bridges
                .iter()
                .map(|interface| (interface.vlan, interface.id))
                .collect(),
        }
    }
}

impl Segment {
    fn new(interfaces: &[&Interface], gtpu_port: u16) -> Self {
        let mut segment = Self::default();
        for interface in interfaces {
            segment.interfaces.push(interface.id);
            if interface.role == Role::N6 {
                segment.n6 = segment.n6.or(Some(interface.id));
            }
            let local = Local {
                interface: interface.id,
                gtpu_port: (interface.role != Role::N6).then_some(gtpu_port),
                n3: interface.role == Role::N3,
            };
            for net in &interface.addresses {
                match net.addr() {
                    IpAddr::V4(address) => segment.v4.push((address.to_bits(), local)),
                    IpAddr::V6(address) => segment.v6.push((address.to_bits(), local)),
                }
            }
        }
        segment
    }

    #[inline]
    pub(crate) fn local_v4(&self, address: u32) -> Option<&Local> {
        self.v4
            .iter()
            .find(|(own, _)| *own == address)
            .map(|(_, local)| local)
    }

    #[inline]
    pub(crate) fn local_v6(&self, address: u128) -> Option<&Local> {
        self.v6
            .iter()
            .find(|(own, _)| *own == address)
            .map(|(_, local)| local)
    }

    pub(crate) fn local(&self, address: IpAddr) -> Option<&Local> {
        match address {
            IpAddr::V4(address) => self.local_v4(address.to_bits()),
            IpAddr::V6(address) => self.local_v6(address.to_bits()),
        }
    }
}

impl InterfaceLink {
    fn new(
        topology: &Topology,
        interface: &Interface,
        port: Option<PortLink>,
        neighbours: &Neighbours,
    ) -> Self {
        let mut link = Self {
            port: interface.port,
            ethernet: EthernetHeader {
                source: port.map_or([0; 6], |port| port.mac),
                vlan: interface.vlan,
            },
            mtu: port.map_or(0, |port| port.mtu),
            mss: None,
            addresses: interface.addresses.clone(),
            ue_pools: Vec::new(),
            routes: Routes::default(),
        };
        let networks = topology
            .networks
            .iter()
            .filter(|network| network.interface == home(topology, interface));
        link.mtu = networks
            .clone()
            .filter_map(|network| network.mtu)
            .fold(link.mtu, u16::min);
        link.ue_pools
            .extend(networks.flat_map(|network| network.ue_pools.iter().copied()));
        let kernel_mac = port.and_then(|port| port.kernel_mac);
        link.routes = Routes::new(topology, interface, kernel_mac, neighbours);
        link
    }

    /// Our address from which a neighbour is asked.
    pub(crate) fn address_towards(&self, peer: IpAddr) -> Option<IpAddr> {
        let same = || {
            self.addresses
                .iter()
                .filter(|net| net.addr().is_ipv4() == peer.is_ipv4())
        };
        let on_link = same().find(|net| net.contains(&peer));
        on_link.or_else(|| same().next()).map(IpNet::addr)
    }
}

impl EthernetHeader {
    /// All of it behind the destination, if it has no tag.
    #[inline]
    pub(crate) fn usual(self, v6: bool) -> Option<[u8; 8]> {
        let [a, b, c, d, e, f] = self.source;
        let [y, z] = if v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
        self.vlan.is_none().then_some([a, b, c, d, e, f, y, z])
    }

    /// How long it is, EtherType included.
    #[inline]
    pub(crate) const fn length(self) -> u16 {
        if self.vlan.is_some() { 18 } else { 14 }
    }

    /// Writes it in front of a frame that has room for it.
    #[inline]
    pub(crate) fn write(self, frame: &mut [u8], to: [u8; 6], ether_type: u16) -> Option<()> {
        let header: &mut [u8; 14] = frame.first_chunk_mut()?;
        header[..6].copy_from_slice(&to);
        header[6..12].copy_from_slice(&self.source);
        let Some(vlan) = self.vlan else {
            header[12..].copy_from_slice(&ether_type.to_be_bytes());
            return Some(());
        };
        header[12..].copy_from_slice(&wire::VLAN.to_be_bytes());
        let ([v, w], [x, y]) = (vlan.to_be_bytes(), ether_type.to_be_bytes());
        wire::put(frame, 14, [v, w, x, y])
    }
}
