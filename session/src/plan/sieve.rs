//! Which of many PDRs a packet may match, found eight at a time.
//!
//! A PDR's SDF filters demand something of a few fields of the packet; what *all* of them demand,
//! bit by bit, is a value under a mask. A packet that differs there matches none of them, and most
//! PDRs are told apart by that; the others are asked properly. So a sieve never decides, it only
//! leaves out.

use super::filter::Filter;
use super::{Entry, Matcher};
use crate::inner::{Inner, Transport};

/// How many PDRs are looked at together.
pub(super) const LANES: usize = 8;

/// With so many PDRs or fewer an entrance has no sieve.
const SIEVE_MIN: u8 = 3;

/// What a packet is, as far as a sieve looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    /// IPv4: the address at one end. IPv6: bits 32 to 63 of it.
    address: u32,
    /// The port at that end (16 bits), the protocol (8), whether it is IPv6 (1).
    rest: u32,
}

/// Marks IPv6 in [`Traits::rest`].
const V6: u32 = 1 << 24;
const PROTOCOL: u32 = 0xff << 16;

/// What is demanded of [`Traits`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    value: Traits,
    mask: Traits,
}

/// The demands of eight PDRs.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Sieve {
    addresses: [u32; LANES],
    address_masks: [u32; LANES],
    rests: [u32; LANES],
    rest_masks: [u32; LANES],
}

impl Traits {
    /// Of a packet, at the end that it comes from or that it goes to.
    #[inline]
    pub(super) fn of(inner: &Inner<'_>, transport: Transport, at_source: bool) -> Self {
        let (bits, port) = if at_source {
            (inner.source_bits(), transport.ports.map(|ports| ports.0))
        } else {
            (
                inner.destination_bits(),
                transport.ports.map(|ports| ports.1),
            )
        };
        Self {
            address: address_word(bits, inner.is_v6()),
            rest: u32::from(port.unwrap_or(0))
                | u32::from(transport.protocol) << 16
                | if inner.is_v6() { V6 } else { 0 },
        }
    }
}

/// The part of an address that a sieve looks at.
const fn address_word(bits: u128, v6: bool) -> u32 {
    let [.., a, b, c, d] = if v6 { bits >> 64 } else { bits }.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// What does not demand anything.
const NOTHING: Demand = Demand {
    value: Traits {
        address: 0,
        rest: 0,
    },
    mask: Traits {
        address: 0,
        rest: 0,
    },
};

impl Demand {
    /// What all filters of a PDR demand.
    fn of(filters: &[Filter], at_source: bool) -> Self {
        let each = filters.iter().map(|filter| Self::of_one(filter, at_source));
        each.reduce(Self::common).unwrap_or(NOTHING)
    }

    fn of_one(filter: &Filter, at_source: bool) -> Self {
        let side = filter.side(at_source);
        let addresses = side.addresses.iter().map(|(value, mask)| {
            // A network of IPv4 lies in the mapped range, whose prefix its mask covers.
            let v6 = !(value >> 32 == 0xffff && mask >> 32 == u128::MAX >> 32);
            Self {
                value: Traits {
                    address: address_word(*value, v6),
                    rest: if v6 { V6 } else { 0 },
                },
                mask: Traits {
                    address: address_word(*mask, v6),
                    rest: V6,
                },
            }
        });
        let ports = side.ports.iter().map(|range| {
            // What the first and the last have in common, from the left.
            let differs = range.first ^ range.last;
            let mask = u16::MAX.checked_shl(u16::BITS - differs.leading_zeros());
            let mask = u32::from(mask.unwrap_or(0));
            Self {
                value: Traits {
                    address: 0,
                    rest: u32::from(range.first) & mask,
                },
                mask: Traits {
                    address: 0,
                    rest: mask,
                },
            }
        });
        let addresses = addresses.reduce(Self::common).unwrap_or(NOTHING);
        let ports = ports.reduce(Self::common).unwrap_or(NOTHING);
        let protocol = filter.protocol.map(|protocol| u32::from(protocol) << 16);
        Self {
            value: Traits {
                address: addresses.value.address,
                rest: addresses.value.rest | ports.value.rest | protocol.unwrap_or(0),
            },
            mask: Traits {
                address: addresses.mask.address,
                rest: addresses.mask.rest | ports.mask.rest | protocol.map_or(0, |_| PROTOCOL),
            },
        }
    }

    /// What both demand.
    const fn common(self, other: Self) -> Self {
        let address =
            self.mask.address & other.mask.address & !(self.value.address ^ other.value.address);
        let rest = self.mask.rest & other.mask.rest & !(self.value.rest ^ other.value.rest);
        Self {
            value: Traits {
                address: self.value.address & address,
                rest: self.value.rest & rest,
            },
            mask: Traits { address, rest },
        }
    }
}

impl Sieve {
    /// The sieves of all entrances that are worth them, which are told of theirs.
    pub(super) fn of(
        entries: &mut [Entry],
        matchers: &[Matcher],
        filters: &[Filter],
    ) -> Box<[Self]> {
        let mut sieves = Vec::new();
        for entry in entries.iter_mut().filter(|entry| entry.count > SIEVE_MIN) {
            let first = usize::from(entry.first);
            let own = matchers.get(first..first + usize::from(entry.count));
            // A session has at most 255 PDRs, and such an entrance four or more: it fits.
            entry.sieve = u8::try_from(sieves.len() + 1).unwrap_or(0);
            let own = own.unwrap_or_default();
            sieves.extend(Self::of_entrance(own, filters, entry.at_source));
        }
        sieves.into()
    }

    /// The sieves of an entrance's PDRs, in their order.
    fn of_entrance(
        matchers: &[Matcher],
        filters: &[Filter],
        at_source: bool,
    ) -> impl Iterator<Item = Self> {
        matchers.chunks(LANES).map(move |matchers| {
            // A lane without a PDR demands what nothing is.
            let mut sieve = Self {
                addresses: [1; LANES],
                address_masks: [0; LANES],
                rests: [0; LANES],
                rest_masks: [0; LANES],
            };
            for (lane, matcher) in matchers.iter().enumerate() {
                let own = filters.get(matcher.filter_range()).unwrap_or_default();
                sieve.set(lane, Demand::of(own, at_source));
            }
            sieve
        })
    }

    fn set(&mut self, lane: usize, demand: Demand) {
        let words = [
            (&mut self.addresses, demand.value.address),
            (&mut self.address_masks, demand.mask.address),
            (&mut self.rests, demand.value.rest),
            (&mut self.rest_masks, demand.mask.rest),
        ];
        for (to, word) in words {
            if let Some(to) = to.get_mut(lane) {
                *to = word;
            }
        }
    }

    /// The PDRs that the packet may match: a bit each.
    #[inline]
    pub(super) fn candidates(&self, traits: Traits) -> u32 {
        let addresses = self.addresses.iter().zip(&self.address_masks);
        let rests = self.rests.iter().zip(&self.rest_masks);
        let lanes = addresses.zip(rests).zip(0..);
        lanes.fold(0, |found, (((address, mask), (rest, rest_mask)), lane)| {
            let differs = ((traits.address & mask) ^ address) | ((traits.rest & rest_mask) ^ rest);
            found | u32::from(differs == 0) << lane
        })
    }
}
