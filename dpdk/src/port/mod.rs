//! Ports: opened, started once, and asked how they fare.

mod offload;
mod queue;
mod ring;
mod spec;

use std::ffi::CString;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use dpdk_sys as sys;

use crate::eal::control;
use crate::error::{c_string, check};
use crate::{Eal, Error, Pool};

pub use offload::{Rss, RxOffloads, TxOffloads};
pub use queue::{Rx, Tx};
pub use ring::ring_pair;
pub use spec::{MacAddress, MemifRole, PortSpec, RingSide};

/// How a port shall be set up.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues; mostly one for each lcore that sends.
    pub tx_queues: u16,
    /// Packets that wait in a receive queue, rounded to what the driver takes.
    pub rx_descriptors: u16,
    /// Packets that wait in a transmit queue, rounded to what the driver takes.
    pub tx_descriptors: u16,
    /// Largest IP packet; when none, the device is left as it is. Setting it changes a kernel
    /// interface for all who use it.
    pub mtu: Option<u16>,
    /// Where received packets go, queue by queue, starting over when there are more queues.
    pub pools: Vec<&'static Pool>,
    /// Wished for on the way in; [`PortInfo::rx_offloads`] says what was granted.
    pub rx_offloads: RxOffloads,
    /// Wished for on the way out; [`PortInfo::tx_offloads`] says what was granted.
    pub tx_offloads: TxOffloads,
    /// Which fields choose the receive queue when there are several, as far as the port can.
    pub rss: Rss,
    /// Receive what is not addressed to it.
    pub promiscuous: bool,
}

impl PortConfig {
    /// One queue each way with 1024 descriptors, no wishes but spreading.
    pub fn new(pool: &'static Pool) -> Self {
        Self {
            pools: vec![pool],
            ..Self::without_pool()
        }
    }

    pub(crate) const fn without_pool() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: None,
            pools: Vec::new(),
            rx_offloads: RxOffloads::NONE,
            tx_offloads: TxOffloads::NONE,
            rss: Rss::IP.with(Rss::UDP).with(Rss::TCP).with(Rss::GTPU),
            promiscuous: false,
        }
    }
}

/// What a port turned out to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PortInfo {
    /// Its number with DPDK, as packets bear it.
    pub port: u16,
    /// The driver.
    pub driver: String,
    /// Its address.
    pub mac: MacAddress,
    /// The NUMA node it hangs on; unknown to most virtual ones.
    pub socket: Option<u32>,
    /// Granted on the way in.
    pub rx_offloads: RxOffloads,
    /// Granted on the way out.
    pub tx_offloads: TxOffloads,
    /// Fields that choose the receive queue.
    pub rss: Rss,
    /// Receive queues it could have.
    pub rx_queues_max: u16,
    /// Transmit queues it could have.
    pub tx_queues_max: u16,
    /// Packets that wait in a receive queue.
    pub rx_descriptors: u16,
    /// Packets that wait in a transmit queue.
    pub tx_descriptors: u16,
    /// Largest IP packet, as the driver says; many virtual ones do not mind.
    pub mtu: u16,
    /// Whether it receives what is not addressed to it.
    pub promiscuous: bool,
}

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether it is up.
    pub up: bool,
    /// Its speed in Mb/s, where known.
    pub speed_mbps: Option<u32>,
    /// Whether both ways at once.
    pub full_duplex: bool,
}

/// What a port has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Packets received.
    pub ipackets: u64,
    /// Packets sent.
    pub opackets: u64,
    /// Octets received.
    pub ibytes: u64,
    /// Octets sent.
    pub obytes: u64,
    /// Packets that the port dropped because nobody fetched them in time.
    pub imissed: u64,
    /// Packets received in error.
    pub ierrors: u64,
    /// Packets that could not be sent.
    pub oerrors: u64,
    /// Packets dropped because the pool was empty.
    pub rx_nombuf: u64,
}

/// All queues of a port: handed out once, and wanted back to stop it.
#[derive(Debug)]
pub struct Queues {
    /// To receive from, in order.
    pub rx: Vec<Rx>,
    /// To send to, in order.
    pub tx: Vec<Tx>,
}

impl Queues {
    /// Receive and transmit queues two by two; those left over are lost.
    pub fn into_pairs(self) -> Vec<(Rx, Tx)> {
        self.rx.into_iter().zip(self.tx).collect()
    }
}

/// A port. Dropping it leaves it as it is: it goes with the process, or by [`Port::close`].
#[derive(Debug)]
pub struct Port {
    device: Device,
    name: String,
    info: PortInfo,
    rx_queues: u16,
    tx_queues: u16,
    /// Queues are out.
    started: bool,
}

impl Port {
    /// Opens a device and sets it up.
    ///
    /// # Errors
    /// When it is not there, not ours to use, or cannot be as `config` says; nothing is left behind.
    pub fn open(eal: Eal, spec: &PortSpec, config: &PortConfig) -> Result<Self, Error> {
        let name = spec.to_string();
        if config.pools.is_empty() || config.rx_queues == 0 || config.tx_queues == 0 {
            return Err(Error::Argument {
                what: "configuration of port",
                value: name,
                rule: "it needs a pool and a queue each way",
            });
        }
        let _one_at_a_time = control();
        // From here on, dropping the device closes it.
        let device = Device::find(eal, spec, config)?;
        let info = set_up(device.port, &name, config)?;
        Ok(Self {
            device: device.keep(),
            name,
            info,
            rx_queues: config.rx_queues,
            tx_queues: config.tx_queues,
            started: false,
        })
    }

    /// Starts it and gives its queues out.
    ///
    /// # Errors
    /// When it is started already, or the device refuses.
    pub fn start(&mut self) -> Result<Queues, Error> {
        let _one_at_a_time = control();
        if self.started {
            return Err(Error::Started {
                port: self.name.clone(),
            });
        }
        // SAFETY: The port is set up and not started.
        let answer = unsafe { sys::rte_eth_dev_start(self.device.port) };
        check("rte_eth_dev_start", &self.name, answer)?;
        self.started = true;
        let port = self.device.port;
        Ok(Queues {
            rx: (0..self.rx_queues)
                .map(|queue| Rx {
                    port,
                    queue,
                    alone: PhantomData,
                })
                .collect(),
            tx: (0..self.tx_queues)
                .map(|queue| Tx {
                    port,
                    queue,
                    alone: PhantomData,
                })
                .collect(),
        })
    }

    /// Stops it. That all its queues come back is what proves that nobody polls it.
    ///
    /// # Errors
    /// When queues are missing (those given are lost, and it runs on), or the device refuses.
    pub fn stop(&mut self, queues: &Queues) -> Result<(), Error> {
        let ours = |port: u16| port == self.device.port;
        let rx = queues.rx.iter().filter(|queue| ours(queue.port)).count();
        let tx = queues.tx.iter().filter(|queue| ours(queue.port)).count();
        let all = usize::from(self.rx_queues).saturating_add(self.tx_queues.into());
        let missing = all.saturating_sub(rx.saturating_add(tx));
        if missing > 0 {
            return Err(Error::QueuesOut {
                port: self.name.clone(),
                missing,
            });
        }
        let _one_at_a_time = control();
        // SAFETY: The port is started, and every queue of it was handed in.
        let answer = unsafe { sys::rte_eth_dev_stop(self.device.port) };
        check("rte_eth_dev_stop", &self.name, answer)?;
        self.started = false;
        Ok(())
    }

    /// Closes it: an interface made for it goes, a program attached to it is taken off.
    ///
    /// # Errors
    /// When it is started.
    pub fn close(mut self) -> Result<(), Error> {
        if self.started {
            return Err(Error::Started { port: self.name });
        }
        let _one_at_a_time = control();
        self.device.remove();
        Ok(())
    }

    /// What it turned out to be.
    pub const fn info(&self) -> &PortInfo {
        &self.info
    }

    /// Its name, as the configuration writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number with DPDK, as packets bear it.
    pub const fn id(&self) -> u16 {
        self.device.port
    }

    /// Its address, which the kernel may have changed since it was opened.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mac(&self) -> Result<MacAddress, Error> {
        let _one_at_a_time = control();
        let mut mac = [0; 6];
        // SAFETY: The port is open; six octets are written.
        let answer = unsafe { sys::shim_port_mac(self.device.port, mac.as_mut_ptr()) };
        check("rte_eth_macaddr_get", &self.name, answer)?;
        Ok(MacAddress(mac))
    }

    /// Largest IP packet.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mtu(&self) -> Result<u16, Error> {
        let _one_at_a_time = control();
        mtu(self.device.port, &self.name)
    }

    /// Sets the largest IP packet.
    ///
    /// # Errors
    /// When the device cannot, or not while it is started.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<(), Error> {
        let _one_at_a_time = control();
        // SAFETY: The port is open.
        let answer = unsafe { sys::rte_eth_dev_set_mtu(self.device.port, mtu) };
        check("rte_eth_dev_set_mtu", &self.name, answer)?;
        self.info.mtu = mtu;
        Ok(())
    }

    /// The state of its link.
    ///
    /// # Errors
    /// When the device does not say.
    pub fn link(&self) -> Result<Link, Error> {
        let _one_at_a_time = control();
        let mut link = sys::shim_link {
            speed_mbps: 0,
            up: 0,
            full_duplex: 0,
        };
        // SAFETY: The port is open; the struct is written whole.
        let answer = unsafe { sys::shim_port_link(self.device.port, &raw mut link) };
        check("rte_eth_link_get_nowait", &self.name, answer)?;
        Ok(Link {
            up: link.up != 0,
            speed_mbps: Some(link.speed_mbps).filter(|&speed| speed != 0 && speed != u32::MAX),
            full_duplex: link.full_duplex != 0,
        })
    }

    /// What it has counted. Queues may be in use meanwhile.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn stats(&self) -> Result<PortStats, Error> {
        let _one_at_a_time = control();
        let mut raw = sys::shim_stats {
            ipackets: 0,
            opackets: 0,
            ibytes: 0,
            obytes: 0,
            imissed: 0,
            ierrors: 0,
            oerrors: 0,
            rx_nombuf: 0,
        };
        // SAFETY: The port is open; the struct is written whole.
        let answer = unsafe { sys::shim_port_stats(self.device.port, &raw mut raw) };
        check("rte_eth_stats_get", &self.name, answer)?;
        let sys::shim_stats {
            ipackets,
            opackets,
            ibytes,
            obytes,
            imissed,
            ierrors,
            oerrors,
            rx_nombuf,
        } = raw;
        Ok(PortStats {
            ipackets,
            opackets,
            ibytes,
            obytes,
            imissed,
            ierrors,
            oerrors,
            rx_nombuf,
        })
    }
}

// ===== setting up =====

/// Sets up an open device: queues, offloads as far as granted, MTU.
fn set_up(port: u16, name: &str, config: &PortConfig) -> Result<PortInfo, Error> {
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
        driver: driver_name(&can),
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
    frames_fit(name, config, &can, info.rx_offloads)?;
    let setup = sys::shim_port_setup {
        rx_queues: config.rx_queues,
        tx_queues: config.tx_queues,
        mtu: config
            .mtu
            .filter(|mtu| (can.mtu_min..=can.mtu_max).contains(mtu))
            .unwrap_or(0),
        rx_offloads: info.rx_offloads.bits(),
        tx_offloads: info.tx_offloads.bits(),
        rss: info.rss.bits(),
    };
    // SAFETY: The port is open and not started; the struct is read whole.
    let answer = unsafe { sys::shim_port_setup(port, &raw const setup) };
    check("rte_eth_dev_configure", name, answer)?;
    set_up_mtu(port, name, config)?;
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
    info.mtu = config.mtu.map_or_else(|| mtu(port, name), Ok)?;
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

fn driver_name(info: &sys::shim_port_info) -> String {
    let octets = info
        .driver
        .iter()
        .map_while(|&c| u8::try_from(c).ok().filter(|&c| c != 0));
    String::from_utf8_lossy(&octets.collect::<Vec<_>>()).into_owned()
}

/// Refuses a pool whose buffers are smaller than the frames asked for.
fn frames_fit(
    name: &str,
    config: &PortConfig,
    can: &sys::shim_port_info,
    granted: RxOffloads,
) -> Result<(), Error> {
    let Some(mtu) = config.mtu else { return Ok(()) };
    // Ethernet header and checksum at least, and what the driver adds for VLANs.
    let need = u32::from(mtu).saturating_add(can.rx_len_overhead.clamp(18, 64));
    let small = config
        .pools
        .iter()
        .map(|pool| u32::from(pool.data_room()))
        .find(|&room| room < need);
    match small {
        Some(have) if !granted.has(RxOffloads::SCATTER) => Err(Error::BufferTooSmall {
            port: name.to_owned(),
            need,
            have,
        }),
        _ => Ok(()),
    }
}

fn set_up_mtu(port: u16, name: &str, config: &PortConfig) -> Result<(), Error> {
    let Some(mtu) = config.mtu else { return Ok(()) };
    // SAFETY: The port is set up and not started.
    let answer = unsafe { sys::rte_eth_dev_set_mtu(port, mtu) };
    // Rings, files and the like have none, and carry any length that fits a buffer.
    if answer == -libc::ENOTSUP {
        return Ok(());
    }
    check("rte_eth_dev_set_mtu", name, answer).map(|_| ())
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

fn mtu(port: u16, name: &str) -> Result<u16, Error> {
    let mut mtu = 0;
    // SAFETY: The port is open; the number is ours to change.
    let answer = unsafe { sys::rte_eth_dev_get_mtu(port, &raw mut mtu) };
    check("rte_eth_dev_get_mtu", name, answer)?;
    Ok(mtu)
}

// ===== the device =====

/// A device with DPDK. Dropped before it is kept, it is closed and removed.
#[derive(Debug)]
struct Device {
    port: u16,
    bus: &'static std::ffi::CStr,
    name: CString,
    kept: bool,
}

impl Device {
    fn find(eal: Eal, spec: &PortSpec, config: &PortConfig) -> Result<Self, Error> {
        match spec {
            PortSpec::Pci { address } => Self::pci(spec, address),
            PortSpec::Ring { name, side, size } => {
                let (port, name) = ring::open(eal, name, *side, *size, config)?;
                Ok(Self {
                    port,
                    bus: c"vdev",
                    name,
                    kept: false,
                })
            }
            _ => Self::make(spec, config),
        }
    }

    /// Makes a virtual device.
    fn make(spec: &PortSpec, config: &PortConfig) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Some(device) = spec.as_virtual(config)? else {
            return Err(Error::call(
                "rte_eal_hotplug_add",
                spec.to_string(),
                crate::Errno(libc::EINVAL),
            ));
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = c_string("device", &format!("{}{number}", device.driver))?;
        let arguments = c_string("driver arguments", &device.arguments)?;
        // SAFETY: The EAL is up; all strings end in NUL and are copied.
        let answer = unsafe {
            sys::rte_eal_hotplug_add(c"vdev".as_ptr(), name.as_ptr(), arguments.as_ptr())
        };
        spec::found("rte_eal_hotplug_add", spec, answer)?;
        Self::by_name(spec, c"vdev", name)
    }

    /// Finds a PCI device, which the EAL has probed at start if it was in its list.
    fn pci(spec: &PortSpec, address: &str) -> Result<Self, Error> {
        let name = c_string("PCI address", address)?;
        if let Ok(device) = Self::by_name(spec, c"pci", name.clone()) {
            return Ok(device);
        }
        // SAFETY: The EAL is up; the string ends in NUL and is copied.
        let answer = unsafe { sys::rte_dev_probe(name.as_ptr()) };
        spec::found("rte_dev_probe", spec, answer)?;
        Self::by_name(spec, c"pci", name)
    }

    fn by_name(
        spec: &PortSpec,
        bus: &'static std::ffi::CStr,
        name: CString,
    ) -> Result<Self, Error> {
        let mut port = 0;
        // SAFETY: The EAL is up; the name ends in NUL; the number is ours to change.
        let answer = unsafe { sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) };
        spec::found("rte_eth_dev_get_port_by_name", spec, answer)?;
        Ok(Self {
            port,
            bus,
            name,
            kept: false,
        })
    }

    const fn keep(mut self) -> Self {
        self.kept = true;
        self
    }

    fn remove(&mut self) {
        self.kept = true;
        // SAFETY: The port is open and not started: nobody has queues of it.
        unsafe { sys::rte_eth_dev_close(self.port) };
        // Closing has done what matters; a bus that cannot remove says so in the log.
        // SAFETY: All strings end in NUL.
        unsafe { sys::rte_eal_hotplug_remove(self.bus.as_ptr(), self.name.as_ptr()) };
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if !self.kept {
            self.remove();
        }
    }
}
