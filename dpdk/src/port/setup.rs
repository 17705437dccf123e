//! Setting a device up: queues, offloads as far as granted, MTU.

use std::ffi::c_char;

use dpdk_sys as sys;

use super::interface::Interface;
use super::{MacAddress, PortConfig, PortInfo, PortSpec, Rss, RxOffloads, TxOffloads};
use crate::error::check;
use crate::{Errno, Error};

/// Sets up an open device.
pub(super) fn set_up(
    port: u16,
    spec: &PortSpec,
    config: &PortConfig,
    interface: Option<&Interface>,
) -> Result<PortInfo, Error> {
    let name = &spec.to_string();
    let can = capabilities(port, name)?;
    if config.rx_queues > can.rx_queues_max || config.tx_queues > can.tx_queues_max {
        return Err(Error::Queues {
            port: name.to_owned(),
            rx: config.rx_queues,
            tx: config.tx_queues,
            rx_max: can.rx_queues_max,
            tx_max: can.tx_queues_max,
        });
    }
    let rss = if config.rx_queues > 1 {
        config.rss
    } else {
        Rss::NONE
    };
    let mut info = PortInfo {
        port,
        driver: text(&can.driver),
        mac: MacAddress(can.mac),
        socket: u32::try_from(can.socket).ok(),
        rx_offloads: config
            .rx_offloads
            .and(RxOffloads::from_bits(can.rx_offloads)),
        tx_offloads: config
            .tx_offloads
            .and(TxOffloads::from_bits(can.tx_offloads)),
        rss: rss.and(Rss::from_bits(can.rss)),
        rx_queues_max: can.rx_queues_max,
        tx_queues_max: can.tx_queues_max,
        rx_descriptors: config.rx_descriptors,
        tx_descriptors: config.tx_descriptors,
        mtu: 0,
        promiscuous: false,
    };
    frames_fit(spec, config, &can, info.rx_offloads)?;
    let setup = sys::shim_port_setup {
        rx_queues: config.rx_queues,
        tx_queues: config.tx_queues,
        mtu: config
            .mtu
            .filter(|mtu| interface.is_none() && (can.mtu_min..=can.mtu_max).contains(mtu))
            .unwrap_or(0),
        rx_offloads: info.rx_offloads.bits(),
        tx_offloads: info.tx_offloads.bits(),
        rss: info.rss.bits(),
    };
    // SAFETY: The port is open and not started; the struct is read whole.
    let answer = unsafe { sys::shim_port_setup(port, &raw const setup) };
    check("rte_eth_dev_configure", name, answer)?;
    if let Some(mtu) = config.mtu {
        match set_mtu(port, name, mtu, interface) {
            // Rings, files and the like have none, and carry any length that fits a buffer.
            Err(error) if error.errno() == Some(Errno(libc::ENOTSUP)) => {}
            answer => answer?,
        }
    }
    set_up_queues(name, config, &mut info)?;
    if config.promiscuous {
        // SAFETY: The port is set up.
        let answer = unsafe { sys::rte_eth_promiscuous_enable(port) };
        // Drivers without the call receive everything.
        if answer != -libc::ENOTSUP {
            check("rte_eth_promiscuous_enable", name, answer)?;
        }
        info.promiscuous = true;
    }
    info.mtu = config.mtu.map_or_else(|| mtu(port, name, interface), Ok)?;
    Ok(info)
}

fn capabilities(port: u16, name: &str) -> Result<sys::shim_port_info, Error> {
    // SAFETY: All-zero is a value of this struct of integers.
    let mut info: sys::shim_port_info = unsafe { std::mem::zeroed() };
    // SAFETY: The port is open; the struct is written whole.
    let answer = unsafe { sys::shim_port_info(port, &raw mut info) };
    check("rte_eth_dev_info_get", name, answer)?;
    Ok(info)
}

/// A string of C in an array.
pub(super) fn text(array: &[c_char]) -> String {
    let octets = array
        .iter()
        .map(|&c| c.to_ne_bytes()[0])
        .take_while(|&c| c != 0);
    String::from_utf8_lossy(&octets.collect::<Vec<_>>()).into_owned()
}

/// Refuses a pool whose buffers are smaller than the frames that may come.
fn frames_fit(
    spec: &PortSpec,
    config: &PortConfig,
    can: &sys::shim_port_info,
    granted: RxOffloads,
) -> Result<(), Error> {
    let Some(mtu) = config.mtu else { return Ok(()) };
    // Ethernet header and checksum at least, and what the driver adds for VLANs.
    let frame = u32::from(mtu).saturating_add(can.rx_len_overhead.clamp(18, 64));
    let need = spec.buffer_need(config).unwrap_or(frame);
    let rooms = config.pools.iter().map(|pool| u32::from(pool.data_room()));
    let small = rooms.min().filter(|&room| room < need);
    match small {
        Some(have) if !granted.has(RxOffloads::SCATTER) => Err(Error::BufferTooSmall {
            port: spec.to_string(),
            need,
            have,
        }),
        _ => Ok(()),
    }
}

fn set_up_queues(name: &str, config: &PortConfig, info: &mut PortInfo) -> Result<(), Error> {
    let port = info.port;
    let (rx, tx) = (&raw mut info.rx_descriptors, &raw mut info.tx_descriptors);
    // SAFETY: The port is set up; both numbers are ours to change.
    let answer = unsafe { sys::shim_port_descriptors(port, rx, tx) };
    check("rte_eth_dev_adjust_nb_rx_tx_desc", name, answer)?;
    // Any node, where the device does not say.
    let socket = info.socket.unwrap_or(u32::MAX);
    for (queue, pool) in (0..config.rx_queues).zip(config.pools.iter().cycle()) {
        // SAFETY: The port is set up with this queue; the pool lives as long as the process.
        let answer =
            unsafe { sys::shim_rx_queue(port, queue, info.rx_descriptors, socket, pool.raw()) };
        check("rte_eth_rx_queue_setup", name, answer)?;
    }
    for queue in 0..config.tx_queues {
        // SAFETY: The port is set up with this queue.
        let answer = unsafe { sys::shim_tx_queue(port, queue, info.tx_descriptors, socket) };
        check("rte_eth_tx_queue_setup", name, answer)?;
    }
    Ok(())
}

/// Largest IP packet, as the kernel or the driver has it.
pub(super) fn mtu(port: u16, name: &str, interface: Option<&Interface>) -> Result<u16, Error> {
    if let Some(interface) = interface {
        return interface.mtu();
    }
    let mut mtu = 0;
    // SAFETY: The port is open; the number is ours to change.
    let answer = unsafe { sys::rte_eth_dev_get_mtu(port, &raw mut mtu) };
    check("rte_eth_dev_get_mtu", name, answer)?;
    Ok(mtu)
}

/// Sets the largest IP packet with the kernel or the driver.
pub(super) fn set_mtu(
    port: u16,
    name: &str,
    mtu: u16,
    interface: Option<&Interface>,
) -> Result<(), Error> {
    if let Some(interface) = interface {
        return interface.set_mtu(mtu);
    }
    // SAFETY: The port is open.
    let answer = unsafe { sys::rte_eth_dev_set_mtu(port, mtu) };
    check("rte_eth_dev_set_mtu", name, answer).map(|_| ())
}
