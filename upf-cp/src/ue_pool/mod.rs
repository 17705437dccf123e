//! UE addresses that are given here (TS 29.244, 5.21.3).

mod space;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use pfcp::U24;
use pfcp::wire::Long;
use pfcp::{NetworkInstance, Octets, SNssai, UeIpAddressPoolIdentity, UeIpAddressPoolInformation};
use session::InterfaceId;
use session::topology::{Role, Topology};

use crate::config::{NodeConfig, Slice, UeBounds, UePool};
use crate::status::UePoolStatus;
use space::{Run, Space};

/// The Slice Differentiator that is none.
const SD_NONE: u32 = 0xff_ffff;

/// Bits of an IPv6 prefix that tell UEs apart: each has a /64 of its own, whatever it asks for.
const IPV6_UNIT_BITS: u8 = 64;

/// An address that a session has from a pool, or that lies in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) vrf: InterfaceId,
    pub(crate) net: IpNet,
    /// It was chosen here.
    pub(crate) chosen: bool,
}

/// What is wanted of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) vrf: InterfaceId,
    /// The name of the network, if it was named.
    pub(crate) network: Option<&'a str>,
    /// The slice of the session.
    pub(crate) slice: Option<Slice>,
    /// Any of these, or any pool if there are none.
    pub(crate) identities: &'a [UeIpAddressPoolIdentity],
    /// The length of an IPv6 prefix; `None` for an IPv4 address.
    pub(crate) ipv6_length: Option<u8>,
}

/// Why no address can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// No pool is for that.
    NoPool,
    /// All addresses are in use.
    Exhausted,
}

#[derive(Debug)]
struct Pool {
    config: UePool,
    ipv4: Space,
    ipv6: Space,
}

/// All pools, with what is in use.
#[derive(Debug, Default)]
pub(crate) struct UePools {
    pools: Vec<Pool>,
    /// Addresses that are no UE's, each with the N6 interface in whose world it is; `None`: in all.
    taken: Vec<(Option<InterfaceId>, IpAddr)>,
    bounds: Vec<UeBounds>,
}

impl Slice {
    /// The slice of a session. A Slice Differentiator of all ones is none (TS 23.003, 28.4.2).
    pub(crate) fn new(ie: &SNssai) -> Self {
        let sd = ie.sd.get();
        Self {
            sst: ie.sst,
            sd: (sd != SD_NONE).then_some(sd),
        }
    }
}

impl From<Slice> for SNssai {
    fn from(slice: Slice) -> Self {
        Self {
            sst: slice.sst,
            sd: U24::of_lower(slice.sd.unwrap_or(SD_NONE)),
        }
    }
}

impl UePools {
    /// The pools, without what no UE may be given: our own addresses, gateways, those that are
    /// `reserved`, and the first and the last address of each IPv4 network.
    pub(crate) fn new(config: &NodeConfig, topology: &Topology) -> Self {
        let (configured, reserved) = (&config.ue_pools, &config.ue_reserved);
        let mut pools = Self {
            pools: configured.iter().cloned().map(Pool::new).collect(),
            taken: taken(config, topology),
            bounds: config.ue_bounds.clone(),
        };
        let interfaces = topology.interfaces.iter();
        let own = interfaces.flat_map(|interface| {
            let addresses = interface.addresses.iter().map(IpNet::addr);
            addresses.chain(interface.routes.iter().map(|route| route.via))
        });
        let own: Vec<IpNet> = own.map(IpNet::from).collect();
        let ranges = configured.iter().flat_map(|pool| &pool.ranges);
        let networks = topology
            .networks
            .iter()
            .flat_map(|network| &network.ue_pools);
        let all = ranges.chain(networks).chain(reserved);
        let ends = all.filter(|net| net.addr().is_ipv4() && net.prefix_len() < 31);
        let ends = ends.flat_map(|net| [net.network().into(), net.broadcast().into()]);
        let reserved = reserved.iter().map(|net| net.addr().into());
        for net in own.into_iter().chain(reserved).chain(ends) {
            pools.pools.iter_mut().for_each(|pool| pool.hold(net));
        }
        pools
    }

    /// Bounds, from now on, the addresses that SMFs may give.
    pub(crate) fn bound(&mut self, bounds: Vec<UeBounds>) {
        self.bounds = bounds;
    }

    /// Whether an SMF may give a UE that address or prefix.
    pub(crate) fn may_be_given(&self, vrf: Option<InterfaceId>, net: IpNet) -> bool {
        let is_taken = |(of, address): &(Option<InterfaceId>, IpAddr)| {
            let here = of.is_none() || vrf.is_none() || *of == vrf;
            here && net.contains(address)
        };
        let mut bounds = self.bounds.iter().filter(|bounds| Some(bounds.vrf) == vrf);
        !self.taken.iter().any(is_taken)
            && bounds.all(|bounds| bounds.networks.iter().any(|within| within.contains(&net)))
    }

    /// Whether there are pools of some slices alone.
    pub(crate) fn are_sliced(&self) -> bool {
        self.pools.iter().any(|pool| !pool.config.slices.is_empty())
    }

    /// Whether any address can be given at all.
    pub(crate) const fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    /// An address or prefix that is free.
    pub(crate) fn take(&mut self, wanted: Wanted<'_>) -> Result<Lease, Nothing> {
        let is_meant = |pool: &&mut Pool| {
            let config = &pool.config;
            let named = wanted.network.is_none_or(|name| config.network == name);
            let identity = config.identity.as_deref();
            let mut asked = wanted.identities.iter();
            let slices = &config.slices;
            let sliced = wanted.slice.is_some_and(|slice| slices.contains(&slice));
            config.vrf == wanted.vrf
                && named
                && (slices.is_empty() || sliced)
                && (wanted.identities.is_empty()
                    || asked.any(|asked| identity.is_some_and(|own| asked.0.as_str() == Some(own))))
                && pool.serves(wanted.ipv6_length)
        };
        let mut reason = Nothing::NoPool;
        for pool in self.pools.iter_mut().filter(is_meant) {
            if let Some(net) = pool.take(wanted.ipv6_length) {
                return Ok(Lease {
                    vrf: wanted.vrf,
                    net,
                    chosen: true,
                });
            }
            reason = Nothing::Exhausted;
        }
        Err(reason)
    }

    /// Keeps addresses that an SMF gave from being given here; `None` if they lie in no pool.
    pub(crate) fn hold(&mut self, vrf: InterfaceId, net: IpNet) -> Option<Lease> {
        let mut held = false;
        for pool in self.of(vrf).filter(|pool| pool.contains(net)) {
            pool.hold(net);
            held = true;
        }
        held.then_some(Lease {
            vrf,
            net,
            chosen: false,
        })
    }

    /// Gives an address back.
    pub(crate) fn release(&mut self, lease: Lease) {
        let run = run(lease.net);
        for pool in self.of(lease.vrf) {
            pool.space(lease.net.addr().is_ipv4()).release(run);
        }
    }

    fn of(&mut self, vrf: InterfaceId) -> impl Iterator<Item = &mut Pool> {
        self.pools
            .iter_mut()
            .filter(move |pool| pool.config.vrf == vrf)
    }

    /// How many addresses and prefixes are in use, with those that nobody is given.
    pub(crate) fn held(&self) -> usize {
        let held = |pool: &Pool| pool.ipv4.held() + pool.ipv6.held();
        self.pools.iter().map(held).sum()
    }

    /// What is in use of each pool.
    pub(crate) fn statuses(&self) -> Vec<UePoolStatus> {
        let count = |space: &Space| u64::try_from(space.held()).unwrap_or(u64::MAX);
        let status = |pool: &Pool| UePoolStatus {
            pool: pool.config.clone(),
            ipv4_in_use: count(&pool.ipv4),
            ipv4_size: pool.units(true),
            ipv6_in_use: count(&pool.ipv6),
            ipv6_size: pool.units(false),
        };
        self.pools.iter().map(status).collect()
    }

    /// The pools that can be asked for by name, as peers are told of them.
    pub(crate) fn information(&self) -> Vec<UeIpAddressPoolInformation> {
        let named = self.pools.iter().filter_map(|pool| {
            let identity = pool.config.identity.as_ref()?;
            let network = &pool.config.network;
            Some(UeIpAddressPoolInformation {
                pool_identities: [UeIpAddressPoolIdentity(Long::new(identity.as_str())?)].into(),
                s_nssais: pool
                    .config
                    .slices
                    .iter()
                    .copied()
                    .map(SNssai::from)
                    .collect(),
                network_instance: (network != "*")
                    .then(|| NetworkInstance(Octets::from(network.as_bytes()))),
                ..Default::default()
            })
        });
        named.collect()
    }
}

impl Pool {
    fn new(config: UePool) -> Self {
        let of = |ipv4: bool| {
            let ranges = config.ranges.iter();
            let ranges = ranges.filter(|net| net.addr().is_ipv4() == ipv4);
            Space::new(ranges.map(|net| run(*net)).collect())
        };
        Self {
            ipv4: of(true),
            ipv6: of(false),
            config,
        }
    }

    /// Addresses or /64s of one family.
    fn units(&self, ipv4: bool) -> u64 {
        let unit_bits = if ipv4 { 32 } else { IPV6_UNIT_BITS };
        let ranges = self.config.ranges.iter();
        let ranges = ranges.filter(|net| net.addr().is_ipv4() == ipv4);
        let units =
            ranges.map(|net| 1_u64.checked_shl(unit_bits.saturating_sub(net.prefix_len()).into()));
        units.fold(0, |sum, units| {
            sum.saturating_add(units.unwrap_or(u64::MAX))
        })
    }

    const fn space(&mut self, ipv4: bool) -> &mut Space {
        if ipv4 { &mut self.ipv4 } else { &mut self.ipv6 }
    }

    fn contains(&self, net: IpNet) -> bool {
        let mut ranges = self.config.ranges.iter();
        ranges.any(|range| range.contains(&net) || net.contains(range))
    }

    fn hold(&mut self, net: IpNet) {
        self.space(net.addr().is_ipv4()).hold(run(net));
    }

    fn serves(&self, ipv6_length: Option<u8>) -> bool {
        match ipv6_length {
            None => !self.ipv4.is_empty(),
            Some(length) => self.ipv6.fits(bits(length)),
        }
    }

    fn take(&mut self, ipv6_length: Option<u8>) -> Option<IpNet> {
        let Some(length) = ipv6_length else {
            let unit = self.ipv4.take(0)?.first;
            return Some(IpNet::from(IpAddr::V4(Ipv4Addr::from_bits(
                u32::try_from(unit).ok()?,
            ))));
        };
        let unit = self.ipv6.take(bits(length))?.first;
        let prefix = u128::from(unit) << IPV6_UNIT_BITS;
        // The first address of a prefix is all its routers' (RFC 4291, 2.6.1).
        let address = Ipv6Addr::from_bits(prefix | u128::from(length == 128));
        Some(IpNet::V6(Ipv6Net::new(address, length).ok()?))
    }
}

/// The addresses that are no UE's: ours, gateways, and those that are reserved. What is on one N6
/// interface is of no concern behind another.
fn taken(config: &NodeConfig, topology: &Topology) -> Vec<(Option<InterfaceId>, IpAddr)> {
    let on_interfaces = topology.interfaces.iter().flat_map(|interface| {
        let world = (interface.role == Role::N6).then_some(interface.id);
        let own = interface.addresses.iter().map(IpNet::addr);
        let all = own.chain(interface.routes.iter().map(|route| route.via));
        all.map(move |address| (world, address))
    });
    let reserved = config.ue_reserved.iter().map(IpNet::addr);
    let n4 = reserved.chain([config.address]);
    on_interfaces
        .chain(n4.map(|address| (None, address)))
        .collect()
}

/// Of how many units a prefix is, as a power of two.
fn bits(ipv6_length: u8) -> u32 {
    u32::from(IPV6_UNIT_BITS.saturating_sub(ipv6_length))
}

fn run(net: IpNet) -> Run {
    match net {
        IpNet::V4(net) => run_of_ipv4(net),
        IpNet::V6(net) => {
            let unit = net.addr().to_bits() >> IPV6_UNIT_BITS;
            Run::around(
                u64::try_from(unit).unwrap_or(u64::MAX),
                bits(net.prefix_len()),
            )
        }
    }
}

fn run_of_ipv4(net: Ipv4Net) -> Run {
    let unit = u64::from(net.addr().to_bits());
    Run::around(unit, u32::from(32 - net.prefix_len()))
}
