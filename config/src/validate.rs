//! How the values fit together.

mod api;
mod ethernet;
mod policies;
mod pools;
mod rules;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::buffers::Wanted;
use crate::reader::{Places, join};
use crate::schema::{Config, Interface, Network, Port, Role, UeToUe};
use crate::{Buffers, Device, Host, Lcores, Mistake, Problem, similar};

/// How many name servers UEs are told of.
const NAME_SERVERS_MAX: usize = 8;

/// What is allowed, but seldom meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// `pfcp.allow` is empty.
    EverybodyMayAssociate,
    /// A variable `UPF_…` that no key corresponds to.
    UnknownVariable {
        /// Its name.
        variable: String,
        /// The variable that was probably meant.
        similar: Option<String>,
    },
    /// A port that no interface lives on.
    UnusedPort {
        /// Its name.
        port: String,
    },
    /// An N6 interface that no network lies behind.
    UnusedInterface {
        /// Its name.
        interface: String,
    },
    /// No data network: sessions can only be forwarded to other UPFs.
    NoNetwork,
    /// A network without a pool: its downlink is known from sessions alone.
    NoPool {
        /// Its name.
        network: String,
    },
    /// An interface has the address that the kernel listens for PFCP on.
    SharedWithKernel {
        /// Key of the interface's address.
        key: String,
        /// The address.
        address: IpAddr,
    },
    /// An SMF of `pfcp.smf` that `pfcp.allow` keeps out.
    SmfNotAllowed {
        /// Its address.
        smf: IpAddr,
    },
    /// GTP-U or PFCP on another port than peers send to.
    UnusualPort {
        /// The key.
        key: &'static str,
        /// Its value.
        port: u16,
        /// What peers expect.
        standard: u16,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EverybodyMayAssociate => f.write_str(
                "pfcp.allow is empty: whoever reaches N4 can set sessions up; list the SMFs' networks",
            ),
            Self::UnknownVariable { variable, similar } => {
                write!(f, "the variable {variable} sets no key")?;
                similar.as_ref().map_or(Ok(()), |similar| write!(f, "; did you mean {similar}?"))
            }
            Self::UnusedPort { port } => write!(f, "no interface lives on port \"{port}\""),
            Self::UnusedInterface { interface } => {
                write!(f, "no network lies behind the N6 interface \"{interface}\"")
            }
            Self::NoNetwork => f.write_str(
                "no networks: sessions can be forwarded between N3 and N9 only",
            ),
            Self::NoPool { network } => write!(
                f,
                "network \"{network}\" has no ue_pools: the UPF will not answer ARP or neighbour \
                 discovery for its UEs"
            ),
            Self::SharedWithKernel { key, address } => write!(
                f,
                "{key}: {address} is also pfcp.address, which the kernel holds; it may answer GTP-U \
                 with ICMP errors"
            ),
            Self::SmfNotAllowed { smf } => {
                write!(f, "pfcp.smf lists {smf}, which pfcp.allow does not admit")
            }
            Self::UnusualPort { key, port, standard } => {
                write!(f, "{key} is {port}, where peers expect {standard}")
            }
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) warnings: Vec<Warning>,
}

/// Checks a configuration of which every value is right by itself.
pub(crate) fn check(config: &Config, places: &Places) -> Checked {
    let mut check = Check {
        config,
        places,
        found: Checked::default(),
    };
    check.names();
    check.devices();
    check.roles();
    for (index, interface) in config.interfaces.iter().enumerate() {
        check.interface(&format!("interfaces.{index}"), interface);
    }
    check.addresses();
    for (index, network) in config.networks.iter().enumerate() {
        check.network(&format!("networks.{index}"), network);
    }
    check.policies();
    check.pools();
    check.rules();
    check.slices();
    check.api();
    check.sizes();
    check.unused();
    check.found
}

struct Check<'a> {
    config: &'a Config,
    places: &'a Places,
    found: Checked,
}

impl<'a> Check<'a> {
    fn mistake(&mut self, key: &str, problem: Problem) {
        let origin = self.places.of(key);
        self.found.mistakes.push(Mistake {
            origin,
            key: key.to_owned(),
            problem,
        });
    }

    fn warn(&mut self, warning: Warning) {
        self.found.warnings.push(warning);
    }

    /// Ports, interfaces and networks are told apart by name.
    fn names(&mut self) {
        let ports = self.config.ports.iter().map(|port| port.name.as_str());
        self.unique("port", "ports", ports.map(str::to_owned).collect());
        let interfaces = self
            .config
            .interfaces
            .iter()
            .map(|interface| interface.name.as_str());
        self.unique(
            "interface",
            "interfaces",
            interfaces.map(str::to_owned).collect(),
        );
        let networks = self
            .config
            .networks
            .iter()
            .map(|network| network.name.as_str());
        // A DNN is compared regardless of case (TS 23.003, 9A).
        self.unique(
            "network",
            "networks",
            networks.map(str::to_ascii_lowercase).collect(),
        );
    }

    fn unique(&mut self, what: &'static str, list: &str, names: Vec<String>) {
        self.unique_at(what, list, "name", names);
    }

    fn unique_at(&mut self, what: &'static str, list: &str, key: &str, names: Vec<String>) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (index, name) in names.into_iter().enumerate() {
            let key = format!("{list}.{index}.{key}");
            match seen.get(&name).cloned() {
                Some(first) => self.mistake(&key, Problem::RepeatedName { what, name, first }),
                None => _ = seen.insert(name, key),
            }
        }
    }

    fn devices(&mut self) {
        let mut seen: BTreeMap<&Device, String> = BTreeMap::new();
        for (index, Port { device, .. }) in self.config.ports.iter().enumerate() {
            let key = format!("ports.{index}.device");
            match seen.get(device).cloned() {
                Some(_) if *device == Device::Null => {}
                Some(first) => {
                    let device = device.to_string();
                    self.mistake(&key, Problem::RepeatedDevice { device, first });
                }
                None => _ = seen.insert(device, key),
            }
        }
    }

    fn roles(&mut self) {
        let access = |interface: &Interface| matches!(interface.role, Role::N3 | Role::N9);
        if !self.config.interfaces.iter().any(access) {
            self.mistake("interfaces", Problem::NoAccess);
        }
    }

    fn interface(&mut self, key: &str, interface: &Interface) {
        match self.config.port(&interface.port) {
            None => {
                let known = self
                    .config
                    .ports
                    .iter()
                    .map(|port| port.name.as_str())
                    .collect();
                self.no_such(&join(key, "port"), "port", interface.port.as_str(), known);
            }
            Some(port) => {
                if interface.kernel.is_some() && !matches!(port.device, Device::Tap(_)) {
                    let (name, device) = (port.name.to_string(), port.device.to_string());
                    let problem = Problem::KernelNeedsTap { port: name, device };
                    self.mistake(&join(key, "kernel"), problem);
                }
            }
        }
        if matches!(interface.role, Role::N3 | Role::N9) && interface.addresses.is_empty() {
            let role = interface.role.word();
            self.mistake(&join(key, "addresses"), Problem::NoAddress { role });
        }
        for (index, route) in interface.routes.iter().enumerate() {
            let via_key = format!("{key}.routes.{index}.via");
            if route.to.net().addr().is_ipv4() != route.via.is_ipv4() {
                let problem = Problem::MixedFamilies {
                    to: route.to,
                    via: route.via,
                };
                self.mistake(&via_key, problem);
                continue;
            }
            // The kernel's side of a TAP is a neighbour, too.
            let kernel = interface.kernel.iter().flat_map(|kernel| &kernel.addresses);
            let mut subnets = interface.addresses.iter().chain(kernel);
            let reachable = subnets.any(|address| address.subnet().contains(route.via));
            if !reachable && !is_link_local(route.via) {
                self.mistake(&via_key, Problem::UnreachableNextHop { via: route.via });
            }
        }
    }

    /// The names of all N6 interfaces.
    fn n6_names(&self) -> Vec<&'a str> {
        let interfaces = self.config.interfaces.iter();
        let n6 = interfaces.filter(|interface| interface.role == Role::N6);
        n6.map(|interface| interface.name.as_str()).collect()
    }

    fn no_such(&mut self, key: &str, what: &'static str, name: &str, known: Vec<&str>) {
        let problem = Problem::NoSuch {
            what,
            name: name.to_owned(),
            similar: similar::nearest(name, known.iter().copied()).map(str::to_owned),
            known: known.into_iter().map(str::to_owned).collect(),
        };
        self.mistake(key, problem);
    }

    /// Every address has one owner. Only N6 interfaces, each in a routing world of its own, may
    /// repeat what another N6 interface on another link has.
    fn addresses(&mut self) {
        let mut seen: Vec<(IpAddr, &'a Interface, String)> = Vec::new();
        for (index, interface) in self.config.interfaces.iter().enumerate() {
            let own = interface
                .addresses
                .iter()
                .map(|address| ("addresses", address));
            let kernel = interface.kernel.iter().flat_map(|kernel| &kernel.addresses);
            let kernel = kernel.map(|address| ("kernel.addresses", address));
            let mut of_list = BTreeMap::new();
            for (list, address) in own.chain(kernel) {
                let position: &mut usize = of_list.entry(list).or_default();
                let key = format!("interfaces.{index}.{list}.{position}");
                *position += 1;
                let address = address.address();
                let first = seen.iter().find(|(other, holder, _)| {
                    let apart = interface.role == Role::N6
                        && holder.role == Role::N6
                        && (&interface.port, interface.vlan) != (&holder.port, holder.vlan);
                    *other == address && !apart
                });
                if let Some((_, _, first)) = first {
                    let first = first.clone();
                    self.mistake(&key, Problem::RepeatedAddress { address, first });
                } else {
                    if address == self.config.pfcp.address && list == "addresses" {
                        self.warn(Warning::SharedWithKernel {
                            key: key.clone(),
                            address,
                        });
                    }
                    seen.push((address, interface, key));
                }
            }
        }
    }

    fn network(&mut self, key: &str, network: &Network) {
        let name_key = join(key, "interface");
        let Some(interface) = self.config.interface(&network.interface) else {
            let n6 = self.n6_names();
            self.no_such(&name_key, "interface", network.interface.as_str(), n6);
            return;
        };
        if interface.role != Role::N6 {
            let (name, role) = (interface.name.to_string(), interface.role.word());
            self.mistake(&name_key, Problem::NotN6 { name, role });
        }
        if let (Some(mtu), Some(port)) = (network.mtu, self.config.port(&interface.port))
            && mtu > port.mtu
        {
            let (mtu, port_mtu) = (mtu.get(), port.mtu.get());
            let problem = Problem::MtuTooLarge {
                mtu,
                port_mtu,
                port: port.name.to_string(),
            };
            self.mistake(&join(key, "mtu"), problem);
        }
        self.allocations(key, network);
        if network.ethernet.is_some() {
            self.ethernet(key, network, interface);
            return;
        }
        if network.ue_to_ue != UeToUe::N6 && network.ue_pools.is_empty() {
            let problem = Problem::UeToUeWithoutPools(network.ue_to_ue.word());
            self.mistake(&join(key, "ue_to_ue"), problem);
        }
        let advertised = network.router_advertisements.iter();
        let servers = advertised.flat_map(|router| &router.dns);
        for (index, server) in servers.enumerate() {
            if server.is_ipv4() || index >= NAME_SERVERS_MAX {
                let key = format!("{key}.router_advertisements.dns.{index}");
                self.mistake(&key, Problem::NameServer(*server));
            }
        }
        if network.ue_pools.is_empty() {
            self.warn(Warning::NoPool {
                network: network.name.to_string(),
            });
        }
    }

    /// A slice has one set of limits.
    fn slices(&mut self) {
        let slices = &self.config.slices;
        for (index, slice) in slices.iter().enumerate() {
            let mut earlier = slices.iter().take(index);
            if earlier.any(|other| other.slice == slice.slice) {
                let value = slice.slice.to_string();
                self.mistake(&format!("slices.{index}"), Problem::RepeatedValue { value });
            }
        }
    }

    /// Numbers that must not outgrow each other.
    fn sizes(&mut self) {
        let config = self.config;
        if let Buffers::Number(number) = config.memory.buffers {
            let workers = match &config.workers.lcores {
                // As many as a port has queues to deal out, where there are as many processors.
                Lcores::Auto => config.ports.iter().map(|port| port.rx_queues.into()).max(),
                Lcores::List(lcores) => u64::try_from(lcores.len()).ok(),
            };
            let wanted = Wanted::of(config, workers.unwrap_or(1));
            let (found, needed) = (u64::from(number), wanted.sum());
            if found < needed {
                let problem = Problem::TooFewBuffers {
                    found,
                    needed,
                    queues: wanted.queues,
                    held: wanted.held,
                    bursts: wanted.bursts,
                };
                self.mistake("memory.buffers", problem);
            }
        }
        let buffering = &config.buffering;
        if buffering.packets_per_session > buffering.packets_total {
            let found = u64::from(buffering.packets_per_session);
            let limit = u64::from(buffering.packets_total);
            let key = "buffering.packets_total";
            self.mistake(
                "buffering.packets_per_session",
                Problem::Exceeds { found, limit, key },
            );
        }
    }

    fn unused(&mut self) {
        let config = self.config;
        if config.pfcp.allow.is_empty() {
            self.warn(Warning::EverybodyMayAssociate);
        }
        for peer in &config.pfcp.smf {
            if let Host::Address(smf) = peer.host
                && !config.pfcp.allows(smf)
            {
                self.warn(Warning::SmfNotAllowed { smf });
            }
        }
        for (key, port, standard) in [
            ("gtpu.port", config.gtpu.port, 2152),
            ("pfcp.port", config.pfcp.port, 8805),
        ] {
            if port != standard {
                self.warn(Warning::UnusualPort {
                    key,
                    port,
                    standard,
                });
            }
        }
        if config.networks.is_empty() {
            self.warn(Warning::NoNetwork);
        }
        for port in &config.ports {
            if !config
                .interfaces
                .iter()
                .any(|interface| interface.port == port.name)
            {
                self.warn(Warning::UnusedPort {
                    port: port.name.to_string(),
                });
            }
        }
        for interface in &config.interfaces {
            let unused = !config
                .networks
                .iter()
                .any(|network| network.interface == interface.name);
            if interface.role == Role::N6 && unused {
                self.warn(Warning::UnusedInterface {
                    interface: interface.name.to_string(),
                });
            }
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => Ipv6Addr::is_unicast_link_local(&address),
    }
}
