//! Router Advertisements (RFC 4861, 4.2), all but the prefix written once.
//!
//! ```text
//!  0: 134 | 1: 0 | 2: checksum | 4: hop limit | 5: flags | 6: lifetime | 8: 0, 0
//! 16: 3 | 4 | 64 | flags | valid for ever | preferred for ever | 0 | 32: prefix
//! 48: 5 | 1 | 0 | MTU        and        25 | 1 + 2n | 0 | lifetime | n name servers
//! ```

use ipnet::Ipv6Net;
use session::InterfaceId;
use session::topology::{Network, RouterAdvertisements, Topology};

use crate::wire;

/// Where the prefix is in the message.
const PREFIX_AT: usize = 32;
/// UEs make addresses of their prefix. It is not on-link: all goes to the UPF (TS 29.061, 11.2.1.3).
const AUTONOMOUS: u8 = 0x40;
const FOR_EVER: [u8; 4] = [0xff; 4];
/// The hop limit that UEs use.
const HOP_LIMIT: u8 = 64;

/// What UEs of a network are told of their router.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    network: Network,
    message: Vec<u8>,
}

impl Router {
    pub(super) fn all(topology: &Topology) -> Box<[Self]> {
        let networks = topology.networks.iter();
        networks
            .filter_map(|network| Some(Self::new(network, network.router.as_ref()?)))
            .collect()
    }

    fn new(network: &Network, router: &RouterAdvertisements) -> Self {
        let mut message = vec![134, 0, 0, 0, HOP_LIMIT, 0];
        message.extend(router.lifetime_s.to_be_bytes());
        message.extend([0; 8]);
        message.extend([3, 4, 64, AUTONOMOUS]);
        message.extend([FOR_EVER, FOR_EVER, [0; 4]].as_flattened());
        message.extend([0; 16]);
        if let Some(mtu) = router.mtu.or(network.mtu) {
            message.extend([5, 1, 0, 0, 0, 0]);
            message.extend(mtu.to_be_bytes());
        }
        let servers = u8::try_from(router.dns.len()).unwrap_or(0);
        if servers > 0 {
            message.extend([25, servers.saturating_mul(2).saturating_add(1), 0, 0]);
            message.extend(FOR_EVER);
            message.extend(router.dns.iter().flat_map(std::net::Ipv6Addr::octets));
        }
        Self {
            network: network.clone(),
            message,
        }
    }

    pub(super) fn serves(&self, vrf: InterfaceId, prefix: Ipv6Net) -> bool {
        self.network.advertises(vrf, prefix)
    }

    /// How long the message is.
    pub(crate) const fn length(&self) -> usize {
        self.message.len()
    }

    /// Writes it for a UE with that prefix.
    pub(crate) fn put(&self, message: &mut [u8], prefix: Ipv6Net) -> Option<()> {
        message
            .get_mut(..self.message.len())?
            .copy_from_slice(&self.message);
        wire::put(message, PREFIX_AT, prefix.network().octets())
    }
}
