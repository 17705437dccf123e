//! Which addresses are ours.

use std::net::IpAddr;

/// Our own addresses, which no user packet may go to. Nearly every packet is told apart by one bit.
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses {
    low_bits: u64,
    v4: Vec<u32>,
    v6: Vec<u128>,
}

impl OwnAddresses {
    pub(super) fn new(addresses: impl Iterator<Item = IpAddr>) -> Self {
        let mut own = Self::default();
        for address in addresses {
            match address {
                IpAddr::V4(address) => {
                    own.low_bits |= 1 << (address.to_bits() & 63);
                    own.v4.push(address.to_bits());
                }
                IpAddr::V6(address) => {
                    own.low_bits |= 1 << (address.to_bits() & 63);
                    own.v6.push(address.to_bits());
                }
            }
        }
        own
    }

    /// Whether the address is ours.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.has_v4(address.to_bits()),
            IpAddr::V6(address) => self.has_v6(address.to_bits()),
        }
    }

    /// Whether the IPv4 address may be ours: told by one bit.
    #[inline]
    pub const fn may_have_v4(&self, address: u32) -> bool {
        self.low_bits >> (address & 63) & 1 == 1
    }

    /// Whether the IPv4 address is ours.
    pub fn has_v4(&self, address: u32) -> bool {
        self.may_have_v4(address) && self.v4.contains(&address)
    }

    /// Whether the IPv6 address is ours.
    #[inline]
    pub fn has_v6(&self, address: u128) -> bool {
        self.low_bits >> (address & 63) & 1 == 1 && self.v6.contains(&address)
    }
}
