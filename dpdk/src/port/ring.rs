//! Ports joined back to back: what one sends, the other receives.
//!
//! ```text
//!  side A  tx queue q --- ring upf_<name>_ab<q> --> rx queue q  side B
//!          rx queue q <-- ring upf_<name>_ba<q> --- tx queue q
//! ```
//! The rings are single-producer, single-consumer; that each queue has one owner makes it true.

use std::ffi::CString;

use dpdk_sys as sys;

use super::{Port, PortConfig, PortSpec, RingSide};
use crate::error::{c_string, check};
use crate::{Eal, Errno, Error};

/// Opens both ends of a pair, each set up as `config` says, with `size` packets to a queue. The
/// first is [`RingSide::A`]. Either may also be opened by itself, through [`PortSpec::Ring`].
///
/// # Errors
/// When the name is too long or taken, the queues differ in number, or there is no memory.
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

/// Makes one end; the rings are made by whichever end comes first. Returns the port and its
/// device's name.
pub(super) fn open(
    _: Eal,
    name: &str,
    side: RingSide,
    size: u32,
    config: &PortConfig,
) -> Result<(u16, CString), Error> {
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
    let rings = |way: &str, queues: u16| -> Result<Vec<*mut sys::rte_ring>, Error> {
        (0..queues)
            .map(|queue| ring(&format!("upf_{name}_{way}{queue}"), size))
            .collect()
    };
    let rx = rings(receive, config.rx_queues)?;
    let tx = rings(send, config.tx_queues)?;
    let port_name = format!("upf_{name}_{}", side.letter());
    let c_name = c_string("ring port", &port_name)?;
    // SAFETY: The EAL is up; both lists are as long as said, of rings that are never freed.
    let answer = unsafe {
        sys::rte_eth_from_rings(
            c_name.as_ptr(),
            rx.as_ptr(),
            config.rx_queues.into(),
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
    Ok((port, c_string("device", &format!("net_ring_{port_name}"))?))
}

/// Finds or makes a ring.
fn ring(name: &str, size: u32) -> Result<*mut sys::rte_ring, Error> {
    let c_name = c_string("ring", name)?;
    // SAFETY: The EAL is up; the name ends in NUL.
    let found = unsafe { sys::rte_ring_lookup(c_name.as_ptr()) };
    if !found.is_null() {
        return Ok(found);
    }
    let size = size.clamp(2, 1 << 20).next_power_of_two();
    // SAFETY: The EAL is up; the name ends in NUL and is copied.
    let made = unsafe { sys::rte_ring_create(c_name.as_ptr(), size, -1, sys::SHIM_RING_SPSC) };
    if made.is_null() {
        return Err(Error::call(
            "rte_ring_create",
            format!("{name} of {size}"),
            Errno::last(),
        ));
    }
    Ok(made)
}
