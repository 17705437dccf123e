//! Which of many PDRs a packet may match, found eight at a time.
//!
//! A PDR's SDF filters demand something of a few fields of the packet; what *all* of them demand,
//! bit by bit, is a value under a mask. A packet that differs there matches none of them, and most
//! PDRs are told apart by that. Where a PDR's one filter wants no more than that, besides the UE at
//! the other end, the sieve decides ([`Matcher::is_sieved`]); the other PDRs are asked properly.

use super::filter::{Filter, Side};
use super::{Entry, Matcher, Networks, UeMatch};
use crate::inner::{Inner, Transport};
use crate::rule::UeAddress;
use crate::sdf::{PortRange, bits, value_and_mask};

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
struct Demand {
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

/// Whether a network is of IPv4: it lies in the mapped range, whose prefix its mask covers.
const fn is_v4(value: u128, mask: u128) -> bool {
    value >> 32 == 0xffff && mask >> 32 == u128::MAX >> 32
}

/// What all ports of a range have in common, from the left.
fn ports_in_common(range: PortRange) -> (u16, u16) {
    let differs = range.first ^ range.last;
    let mask = u16::MAX.checked_shl(u16::BITS - differs.leading_zeros());
    let mask = mask.unwrap_or(0);
    (range.first & mask, mask)
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
            let v6 = !is_v4(*value, *mask);
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
            let (value, mask) = ports_in_common(*range);
            Self {
                value: Traits {
                    address: 0,
                    rest: value.into(),
                },
                mask: Traits {
                    address: 0,
                    rest: mask.into(),
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
    /// The sieves of all entrances that are worth them, which are told of theirs, and their matchers
    /// of what the sieve decides.
    pub(super) fn of(
        entries: &mut [Entry],
        matchers: &mut [Matcher],
        filters: &[Filter],
        ue: Ue<'_>,
    ) -> Box<[Self]> {
        let mut sieves = Vec::new();
        for entry in entries.iter_mut().filter(|entry| entry.count > SIEVE_MIN) {
            let first = usize::from(entry.first);
            let own = matchers.get_mut(first..first + usize::from(entry.count));
            // A session has at most 255 PDRs, and such an entrance four or more: it fits.
            entry.sieve = u8::try_from(sieves.len() + 1).unwrap_or(0);
            let own = own.unwrap_or_default();
            for matcher in &mut *own {
                let wanted = filters.get(matcher.filter_range()).unwrap_or_default();
                matcher.is_sieved = match wanted {
                    [] => true,
                    [filter] => decides(filter, entry.at_source, matcher.ue, ue),
                    _ => false,
                };
            }
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

    /// The first of some sieves that leaves any of its PDRs, and which: a bit each. A loop of its own,
    /// which needs few registers.
    #[inline(never)]
    pub(super) fn first_that_leaves(sieves: &[Self], traits: Traits) -> Option<(usize, u32)> {
        // What the compiler cannot see it does not turn into shifts, lane by lane.
        let bits = std::hint::black_box(LANE_BITS);
        let left = sieves.iter().map(|sieve| sieve.leaves(traits, &bits));
        left.enumerate().find(|(_, left)| *left != 0)
    }

    /// The PDRs that the packet may match. All lanes are looked at in the same way, without a stop, so
    /// that this becomes a few vector instructions.
    #[inline]
    #[allow(clippy::indexing_slicing, reason = "all arrays are as long")]
    fn leaves(&self, traits: Traits, bits: &[u32; LANES]) -> u32 {
        let lanes = std::array::from_fn::<_, LANES, _>(|lane| {
            let address = (traits.address & self.address_masks[lane]) ^ self.addresses[lane];
            let rest = (traits.rest & self.rest_masks[lane]) ^ self.rests[lane];
            if address | rest == 0 { bits[lane] } else { 0 }
        });
        lanes.iter().fold(0, |all, bit| all | bit)
    }
}

/// The bit of each lane.
const LANE_BITS: [u32; LANES] = [1, 2, 4, 8, 16, 32, 64, 128];

/// What a session's UE is reached by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ue<'a> {
    pub(super) address: &'a UeAddress,
    /// The sets of networks behind it, as the plan has them.
    pub(super) framed: &'a [Networks],
}

/// Whether a filter wants nothing that is not in its [`Demand`] at the end where the sieve looks, or
/// follows from what the PDR wants of the UE's address.
fn decides(filter: &Filter, at_source: bool, asked: Option<UeMatch>, ue: Ue<'_>) -> bool {
    let side = filter.side(at_source);
    let address = match &*side.addresses {
        [] => true,
        [(value, mask)] => is_v4(*value, *mask),
        _ => false,
    };
    let port = match &*side.ports {
        [] => true,
        // Port 0 stands for packets without ports.
        [range] => {
            let (value, mask) = ports_in_common(*range);
            range.first > 0 && (range.first, range.last) == (value, value | !mask)
        }
        _ => false,
    };
    let other = filter.side(!at_source);
    let of_ue = |asked: UeMatch| asked.is_source != at_source && ue.is_within(asked, other);
    let other = other.ports.is_empty() && (other.addresses.is_empty() || asked.is_some_and(of_ue));
    address && port && other && filter.wants_headers_alone()
}

impl Ue<'_> {
    /// Whether all addresses that a PDI asks for are among those of a side.
    fn is_within(self, asked: UeMatch, side: &Side) -> bool {
        let v4 = self.address.ipv4.filter(|_| asked.family.has_v4());
        let v6 = self.address.ipv6.filter(|_| asked.family.has_v6());
        let v4 = v4.map(|address| (bits(address.into()), u128::MAX));
        let v6 = v6.map(|prefix| value_and_mask(prefix.into()));
        let framed = usize::from(asked.framed).checked_sub(1);
        let framed = framed.and_then(|set| self.framed.get(set));
        let framed = framed.into_iter().flatten().copied();
        let mut all = v4.into_iter().chain(v6).chain(framed);
        all.all(|network| side.addresses.contains(&network))
    }
}
