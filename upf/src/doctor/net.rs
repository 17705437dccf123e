//! The kernel's routes, neighbours and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::facts::Files;

/// A route of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub to: IpNet,
    /// By which interface.
    pub link: String,
    /// By which gateway; `None` for a network that is attached.
    pub via: Option<IpAddr>,
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// The interface.
    pub link: String,
    /// The address.
    pub address: IpAddr,
}

const GATEWAY: u32 = 0x2;

/// `/proc/net/route` and `/proc/net/ipv6_route`.
pub(crate) fn routes(files: &Files) -> Vec<Route> {
    let four = files.text("proc/net/route").unwrap_or_default();
    let six = files.text("proc/net/ipv6_route").unwrap_or_default();
    let four = four.lines().skip(1).filter_map(route4);
    four.chain(six.lines().filter_map(route6)).collect()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses as they lie in memory.
fn route4(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |index: usize| u32::from_str_radix(words.get(index)?, 16).ok();
    let address = |index: usize| word(index).map(|word| Ipv4Addr::from(word.to_ne_bytes()));
    let mask = address(7)?;
    let length = u8::try_from(u32::from(mask).count_ones()).ok()?;
    Some(Route {
        to: Ipv4Net::new(address(1)?, length).ok()?.into(),
        link: (*words.first()?).to_owned(),
        via: (word(3)? & GATEWAY != 0).then_some(address(2)?.into()),
    })
}

/// Destination, length, source, length, gateway, metric, count, use, flags, device.
fn route6(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |index: usize| {
        let hex = words.get(index)?;
        u128::from_str_radix(hex, 16).ok().map(Ipv6Addr::from)
    };
    let length = u8::from_str_radix(words.get(1)?, 16).ok()?;
    let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
    let link = (*words.get(9)?).to_owned();
    let net = Ipv6Net::new(address(0)?, length).ok()?;
    let of_the_kernel = net.addr().is_multicast() || link == "lo";
    (!of_the_kernel).then_some(Route {
        to: net.into(),
        link,
        via: (flags & GATEWAY != 0).then_some(address(4)?.into()),
    })
}

const COMPLETE: u32 = 0x2;

/// `/proc/net/arp`: those that answered, those that did not.
pub(crate) fn neighbours(files: &Files) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let text = files.text("proc/net/arp").unwrap_or_default();
    let entries = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        let flags = words.nth(1)?.trim_start_matches("0x");
        let flags = u32::from_str_radix(flags, 16).ok()?;
        Some((address, flags & COMPLETE != 0))
    });
    let (known, silent): (Vec<_>, Vec<_>) = entries.partition(|(_, complete)| *complete);
    let only = |entries: Vec<(IpAddr, bool)>| entries.into_iter().map(|(address, _)| address);
    (only(known).collect(), only(silent).collect())
}
