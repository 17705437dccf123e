//! UE addresses: those that SMFs give, and those that they leave to us (TS 29.244, 5.21).

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use pfcp::{Cause, Prefix, UeIpAddress, UeIpAddressPoolIdentity};
use session::InterfaceId;
use session::rule::{UeAddress, ue_prefix};

use super::Translator;
use super::place::Owner;
use crate::refusal::Refusal;
use crate::ue_pool::{Lease, Nothing, Wanted};

/// For whom an address is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chooser<'a> {
    pub(super) owner: Owner,
    pub(super) vrf: Option<InterfaceId>,
    pub(super) network_instance: Option<&'a str>,
    pub(super) identities: &'a [UeIpAddressPoolIdentity],
}

/// What is to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Ipv4,
    /// An IPv6 prefix of our length.
    Ipv6,
    /// An IPv6 prefix of that length.
    Prefix(u8),
}

impl Choice {
    /// Whether an address that was chosen is of the family.
    const fn is_of(self, net: &IpNet) -> bool {
        matches!(
            (self, net),
            (Self::Ipv4, IpNet::V4(_)) | (Self::Ipv6 | Self::Prefix(_), IpNet::V6(_))
        )
    }
}

impl Translator<'_> {
    /// UE IP Address (TS 29.244, 8.2.62), up to one of each family: given, or to be chosen.
    pub(super) fn ue_address(
        &mut self,
        chooser: &Chooser<'_>,
        ies: &[UeIpAddress],
    ) -> Result<Option<UeAddress>, Refusal> {
        let refuse = chooser.owner.refuse::<UeIpAddress>();
        let bad = refuse.cause(Cause::MANDATORY_IE_INCORRECT);
        let mut ue = UeAddress::default();
        for ie in ies {
            let given = given_ipv4(ie).map_err(|Unusable| bad)?;
            let net = given.map(|address| IpNet::from(IpAddr::V4(address)));
            self.check_given(chooser, net)?;
            let ipv4 = match given {
                None if ie.ipv4.is_some() => ipv4(self.chosen(chooser, Choice::Ipv4)?),
                given => given,
            };
            let given = given_ipv6(ie).map_err(|Unusable| bad)?;
            self.check_given(chooser, given.map(IpNet::V6))?;
            let ipv6 = match given {
                None if ie.ipv6.is_some() => {
                    let choice = choice_of_ipv6(ie).map_err(|Unusable| bad)?;
                    ipv6(self.chosen(chooser, choice)?)
                }
                given => given,
            };
            let twice = |old: bool, same: bool| old && !same;
            if twice(ue.ipv4.is_some() && ipv4.is_some(), ue.ipv4 == ipv4)
                || twice(ue.ipv6.is_some() && ipv6.is_some(), ue.ipv6 == ipv6)
            {
                return Err(refuse);
            }
            ue.ipv4 = ipv4.or(ue.ipv4);
            ue.ipv6 = ipv6.or(ue.ipv6);
            if ie.is_choose() {
                self.answer_address(chooser.owner, ie, (ipv4, ipv6));
            }
        }
        Ok(Some(ue).filter(|ue| !ue.is_empty()))
    }

    /// Whether an SMF may give that address, if it gives one.
    fn check_given(&self, chooser: &Chooser<'_>, net: Option<IpNet>) -> Result<(), Refusal> {
        if net.is_none_or(|net| self.ue_pools.may_be_given(chooser.vrf, net)) {
            Ok(())
        } else {
            Err(chooser.owner.refuse::<UeIpAddress>())
        }
    }

    /// The address that was chosen for the session before, or one that is free.
    fn chosen(&mut self, chooser: &Chooser<'_>, choice: Choice) -> Result<IpNet, Refusal> {
        let refuse = chooser.owner.refuse::<UeIpAddress>();
        if self.ue_pools.is_empty() {
            // Then UEIP is not announced.
            return Err(refuse.cause(Cause::SERVICE_NOT_SUPPORTED));
        }
        let mut leases = self.draft.details.leases().iter();
        let known = leases.find(|lease| lease.chosen && choice.is_of(&lease.net));
        if let Some(lease) = known {
            let length = lease.net.prefix_len();
            let differs = matches!(choice, Choice::Prefix(wanted) if wanted != length);
            return if differs { Err(refuse) } else { Ok(lease.net) };
        }
        let network = chooser.network_instance;
        let network = network.and_then(|name| self.topology.network(name));
        let vrf = chooser.vrf.ok_or(refuse)?;
        let wanted = Wanted {
            vrf,
            network: network
                .filter(|network| network.interface == vrf)
                .map(|network| network.name.as_str()),
            slice: self.draft.details.slice(),
            identities: chooser.identities,
            ipv6_length: match choice {
                Choice::Ipv4 => None,
                Choice::Ipv6 => Some(64),
                Choice::Prefix(length) => Some(length),
            },
        };
        let lease = self
            .ue_pools
            .take(wanted)
            .map_err(|nothing| match nothing {
                Nothing::NoPool => refuse,
                Nothing::Exhausted => refuse.cause(Cause::ALL_DYNAMIC_ADDRESSES_ARE_OCCUPIED),
            })?;
        self.keep(lease);
        Ok(lease.net)
    }

    fn keep(&mut self, lease: Lease) {
        self.draft.leased.push(lease);
        self.draft.details.rare().leases.push(lease);
    }

    /// Tells what was chosen, in the form in which it was asked for.
    fn answer_address(
        &mut self,
        owner: Owner,
        ie: &UeIpAddress,
        (ipv4, ipv6): (Option<std::net::Ipv4Addr>, Option<Ipv6Net>),
    ) {
        let was_left = |wish: Option<bool>| wish == Some(true);
        let ipv4 = ipv4.filter(|_| was_left(ie.ipv4.map(pfcp::Wanted::is_choose)));
        let prefix = ie.prefix.zip(ipv6).map(|(asked, net)| match asked {
            Prefix::Length(_) => Prefix::Length(net.prefix_len()),
            Prefix::Delegation(_) => Prefix::Delegation(64_u8.saturating_sub(net.prefix_len())),
        });
        let ipv6 = ipv6.filter(|_| was_left(ie.ipv6.map(pfcp::Wanted::is_choose)));
        let answer = UeIpAddress {
            destination: ie.destination,
            ipv4: ipv4.map(pfcp::Wanted::Given),
            ipv6: ipv6.map(|net| pfcp::Wanted::Given(net.addr())),
            prefix,
        };
        self.created(owner).ue_ip_addresses.push(answer);
    }

    /// What the session has of pools from now on: what was chosen for it and is used, and what its
    /// SMF gave out of a pool.
    pub(super) fn settle_leases(&mut self) {
        if self.ue_pools.is_empty() {
            return;
        }
        let wanted = self.addresses();
        let draft = &mut *self.draft;
        if let Some(rare) = draft.details.rare.as_deref_mut() {
            rare.leases.retain(|lease| {
                let used = wanted.iter().any(|(_, net)| *net == lease.net);
                if !used {
                    draft.let_go.push(*lease);
                }
                used
            });
        }
        for (vrf, net) in wanted {
            let leases = self.draft.details.leases();
            if leases.iter().any(|lease| lease.net == net) {
                continue;
            }
            if let Some(lease) = self.ue_pools.hold(vrf, net) {
                self.keep(lease);
            }
        }
        let details = &mut self.draft.details;
        details.rare.take_if(|rare| rare.is_empty());
    }

    /// The addresses of PDRs and traffic endpoints, each with where they belong.
    fn addresses(&self) -> Vec<(InterfaceId, IpNet)> {
        let pdrs = self.draft.rules.pdrs.iter();
        let pdrs = pdrs.map(|pdr| (pdr.pdi.vrf, pdr.pdi.ue));
        let rare = self.draft.details.rare.as_deref();
        let endpoints = rare.into_iter().flat_map(|rare| &rare.endpoints);
        let endpoints = endpoints.map(|endpoint| (endpoint.vrf, endpoint.ue));
        let default = self.draft.details.network;
        let default = default.or_else(|| self.draft.rules.pdrs.iter().find_map(|pdr| pdr.pdi.vrf));
        let mut addresses: Vec<(InterfaceId, IpNet)> = vec![];
        for (vrf, ue) in pdrs.chain(endpoints) {
            let (Some(vrf), Some(ue)) = (vrf.or(default), ue) else {
                continue;
            };
            let ipv4 = ue.ipv4.map(|address| IpNet::from(IpAddr::V4(address)));
            for net in ipv4.into_iter().chain(ue.ipv6.map(IpNet::V6)) {
                if !addresses.iter().any(|(_, there)| *there == net) {
                    addresses.push((vrf, net));
                }
            }
        }
        addresses
    }
}

const fn ipv4(net: IpNet) -> Option<std::net::Ipv4Addr> {
    match net {
        IpNet::V4(net) => Some(net.addr()),
        IpNet::V6(_) => None,
    }
}

const fn ipv6(net: IpNet) -> Option<Ipv6Net> {
    match net {
        IpNet::V6(net) => Some(net),
        IpNet::V4(_) => None,
    }
}

/// An address or length that no UE can have.
struct Unusable;

fn given_ipv4(ie: &UeIpAddress) -> Result<Option<std::net::Ipv4Addr>, Unusable> {
    let given = ie.given_ipv4();
    let unusable = given.is_some_and(|address| {
        address.is_unspecified()
            || address.is_multicast()
            || address.is_loopback()
            || address.is_broadcast()
    });
    if unusable { Err(Unusable) } else { Ok(given) }
}

fn given_ipv6(ie: &UeIpAddress) -> Result<Option<Ipv6Net>, Unusable> {
    let Some(address) = ie.given_ipv6() else {
        return Ok(None);
    };
    let prefix = ipv6_prefix(address, ie.prefix);
    prefix.map(Some).ok_or(Unusable)
}

/// "IPv6 default is a /64"; delegation bits make it shorter, a prefix length says it outright.
fn ipv6_prefix(address: Ipv6Addr, prefix: Option<Prefix>) -> Option<Ipv6Net> {
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return None;
    }
    let length = match prefix {
        None => return Some(ue_prefix(address)),
        Some(Prefix::Length(length @ 1..=128)) => length,
        Some(Prefix::Delegation(bits @ 1..=63)) => 64 - bits,
        Some(_) => return None,
    };
    Ipv6Net::new(address, length).ok().map(|net| net.trunc())
}

/// The prefix that is to be chosen: a length of zero leaves it to us, as silence does.
const fn choice_of_ipv6(ie: &UeIpAddress) -> Result<Choice, Unusable> {
    match ie.prefix {
        None | Some(Prefix::Length(0) | Prefix::Delegation(0)) => Ok(Choice::Ipv6),
        Some(Prefix::Length(length @ 1..=128)) => Ok(Choice::Prefix(length)),
        Some(Prefix::Delegation(bits @ 1..=63)) => Ok(Choice::Prefix(64 - bits)),
        Some(_) => Err(Unusable),
    }
}
