//! Ports joined back to back: what one sends, the other receives.
//!
//! ```text
//!  side A  tx queue q --- ring upf_<name>_ab<q> --> rx queue q  side B
//!          rx queue q <-- ring upf_<name>_ba<q> --- tx queue q
//! ```
//! Whoever opens first fixes how many rings lead one way, and the other adapts: a sender with more
//! queues than rings shares them out (so rings take many producers), a receiver with fewer queues
//! polls several rings through each. Whatever the order and the numbers, nothing goes unread.

use std::ffi::CString;

use dpdk_sys as sys;

use super::{Port, PortConfig, PortSpec, RingSide};
use crate::error::{c_string, check};
use crate::{Eal, Errno, Error};

/// Opens both ends of a pair, each set up as `config` says, with `size` packets to a queue. The
/// first is [`RingSide::A`]. Either may also be opened by itself, through [`PortSpec::Ring`].
///
/// # Errors
/// When the name is too long or taken, or there is no memory.
pub fn ring_pair(
    eal: Eal,
    name: &str,
    size: u32,
    config: &PortConfig,
) -> Result<(Port, Port), Error> {
    let end = |side| PortSpec::Ring {
        name: name.to_owned(),
        side,
        size,
    };
    let a = Port::open(eal, &end(RingSide::A), config)?;
    match Port::open(eal, &end(RingSide::B), config) {
        Ok(b) => Ok((a, b)),
        Err(error) => {
            a.close()?;
            Err(error)
        }
    }
}

/// One end, as it was made.
pub(super) struct Opened {
    pub(super) port: u16,
    pub(super) device: CString,
    pub(super) rx_queues: u16,
}

/// Makes one end, and those rings that are not there.
pub(super) fn open(
    _: Eal,
    name: &str,
    side: RingSide,
    size: u32,
    config: &PortConfig,
) -> Result<Opened, Error> {
    if name.len() > 16
        || name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        return Err(Error::Argument {
            what: "ring port",
            value: name.to_owned(),
            rule: "1 to 16 letters, digits, '-' or '_'",
        });
    }
    let (receive, send) = match side {
        RingSide::A => ("ba", "ab"),
        RingSide::B => ("ab", "ba"),
    };
    let ring_name = |way: &str, queue: u16| format!("upf_{name}_{way}{queue}");
    let rings = |way: &str| -> Result<Vec<*mut sys::rte_ring>, Error> {
        let names = (0..u16::MAX).map(|queue| ring_name(way, queue));
        names
            .map(|name| find(&name))
            .take_while(|ring| !matches!(ring, Ok(None)))
            .filter_map(Result::transpose)
            .collect()
    };
    // Every ring that leads here, and as many as asked for.
    let mut rx = rings(receive)?;
    for queue in (0..config.rx_queues).skip(rx.len()) {
        rx.push(make(&ring_name(receive, queue), size)?);
    }
    // The rings that the other side reads; when it is not there yet, as many as asked for.
    let mut out = rings(send)?;
    if out.is_empty() {
        for queue in 0..config.tx_queues {
            out.push(make(&ring_name(send, queue), size)?);
        }
    }
    let tx: Vec<_> = out
        .iter()
        .copied()
        .cycle()
        .take(config.tx_queues.into())
        .collect();
    let rx_queues = u16::try_from(rx.len()).unwrap_or(u16::MAX);
    let port_name = format!("upf_{name}_{}", side.letter());
    let c_name = c_string("ring port", &port_name)?;
    // SAFETY: The EAL is up; both lists are as long as said, of rings that are never freed.
    let answer = unsafe {
        sys::rte_eth_from_rings(
            c_name.as_ptr(),
            rx.as_ptr(),
            rx_queues.into(),
            tx.as_ptr(),
            config.tx_queues.into(),
            // Any node.
            u32::MAX,
        )
    };
    if answer < 0 {
        return Err(Error::call("rte_eth_from_rings", port_name, Errno::last()));
    }
    let port = check("rte_eth_from_rings", &port_name, answer)?;
    let port = u16::try_from(port)
        .map_err(|_| Error::call("rte_eth_from_rings", port_name.clone(), Errno(libc::ERANGE)))?;
    let device = c_string("device", &format!("net_ring_{port_name}"))?;
    Ok(Opened {
        port,
        device,
        rx_queues,
    })
}

fn find(name: &str) -> Result<Option<*mut sys::rte_ring>, Error> {
    let c_name = c_string("ring", name)?;
    // SAFETY: The EAL is up; the name ends in NUL.
    let ring = unsafe { sys::rte_ring_lookup(c_name.as_ptr()) };
    Ok((!ring.is_null()).then_some(ring))
}

fn make(name: &str, size: u32) -> Result<*mut sys::rte_ring, Error> {
    let c_name = c_string("ring", name)?;
    let size = size.clamp(2, 1 << 20).next_power_of_two();
    // SAFETY: The EAL is up; the name ends in NUL and is copied.
    let ring = unsafe { sys::rte_ring_create(c_name.as_ptr(), size, -1, sys::SHIM_RING_MPSC) };
    if ring.is_null() {
        let what = format!("{name} of {size}");
        return Err(Error::call("rte_ring_create", what, Errno::last()));
    }
    Ok(ring)
}
