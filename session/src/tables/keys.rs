//! Keys as the hash tables have them: a few words each.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv6Net};

use crate::ethernet::Station;
use crate::id::InterfaceId;
use crate::rule::LocalFTeid;

/// How long the IPv6 prefixes of UEs usually are (TS 23.501, 5.8.2.2.3).
pub(super) const USUAL_PREFIX: u8 = 64;

/// The key of a prefix.
pub(super) fn ipv6_key(vrf: InterfaceId, prefix: Ipv6Net) -> [u64; 3] {
    prefix_key(vrf, prefix.network().to_bits(), prefix.prefix_len())
}

/// The key of the prefix of that length that an address lies in.
#[inline]
pub(super) fn prefix_key(vrf: InterfaceId, address: u128, length: u8) -> [u64; 3] {
    let [high, low] = halves(address & mask(length));
    [high, low, u64::from(vrf.0) << 8 | u64::from(length)]
}

/// The mask of a prefix of that length, in bits of 128.
#[inline]
pub(super) fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

#[inline]
pub(super) fn halves(bits: u128) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    [half(bits >> 64), half(bits)]
}

pub(super) fn tunnel_key(tunnel: LocalFTeid) -> [u64; 1] {
    [u64::from(tunnel.interface.0) << 32 | u64::from(tunnel.teid.0)]
}

/// A network behind a UE, as it is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) vrf: InterfaceId,
    pub(super) is_v6: bool,
    /// The first address; IPv4 in the IPv4-mapped range.
    pub(super) first: u128,
    /// Of the prefix, in bits of 128.
    pub(super) length: u8,
}

impl Route {
    pub(super) fn new(vrf: InterfaceId, net: IpNet) -> Self {
        let length = match net {
            IpNet::V4(net) => 96 + net.prefix_len(),
            IpNet::V6(net) => net.prefix_len(),
        };
        Self::around(vrf, net.addr(), length)
    }

    /// The route of that length (in bits of 128) that an address lies in.
    pub(super) fn around(vrf: InterfaceId, address: IpAddr, length: u8) -> Self {
        Self {
            vrf,
            is_v6: address.is_ipv6(),
            first: crate::sdf::bits(address) & mask(length),
            length,
        }
    }

    pub(super) fn key(self) -> [u64; 3] {
        let [high, low] = halves(self.first);
        let kind = u64::from(self.is_v6) << 8 | u64::from(self.length);
        [high, low, u64::from(self.vrf.0) << 16 | kind]
    }
}

pub(super) fn ipv4_key(vrf: InterfaceId, address: Ipv4Addr) -> [u64; 1] {
    [u64::from(vrf.0) << 32 | u64::from(address.to_bits())]
}

pub(super) fn station_key(vrf: InterfaceId, station: Station) -> [u64; 2] {
    [station.bits(), vrf.0.into()]
}
