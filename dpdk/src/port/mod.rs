//! Ports: opened, started once, and asked how they fare.

mod device;
mod interface;
mod offload;
mod queue;
mod ring;
mod setup;
mod spec;
mod view;

use std::marker::PhantomData;

use dpdk_sys as sys;

use crate::eal::control;
use crate::error::check;
use crate::{Eal, Error, Pool};

use device::Device;
use interface::Interface;

pub use offload::{Rss, RxOffloads, TxOffloads};
pub use queue::{Rx, Tx};
pub use ring::ring_pair;
pub use spec::{MacAddress, MemifRole, PortSpec, RingSide};
pub use view::PortView;

/// How a port shall be set up.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Receive queues to be given out. Where the device has to have more, because its other side
    /// spreads packets over as many pairs as there are transmit queues, each polls several of them.
    pub rx_queues: u16,
    /// Transmit queues to be given out; mostly one for each lcore that sends.
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
    /// Where MTUs are the kernel's to say.
    interface: Option<Interface>,
    name: String,
    info: PortInfo,
    /// Receive queues of the device, shared out among those that are given out.
    rx_polled: u16,
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
        let interface = kernel_interface(spec)?;
        let asked = config;
        let mut config = asked.clone();
        if let Some(interface) = &interface {
            // Slots and buffers must fit what the interface already carries.
            config.mtu = Some(config.mtu.map_or_else(|| interface.mtu(), Ok)?);
        }
        if spec.spreads_over_pairs() {
            config.rx_queues = config.rx_queues.max(config.tx_queues);
            config.tx_queues = config.rx_queues;
        }
        let _one_at_a_time = control();
        // From here on, dropping the device closes it.
        let device = Device::find(eal, spec, &config)?;
        config.rx_queues = config.rx_queues.max(device.rx_queues);
        config.pools = pools(&config, asked);
        let info = setup::set_up(device.port, spec, &config, interface.as_ref())?;
        Ok(Self {
            device: device.keep(),
            interface,
            name,
            info,
            rx_polled: config.rx_queues,
            rx_queues: asked.rx_queues,
            tx_queues: asked.tx_queues,
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
                .map(|queue| Rx::new(port, queue, self.rx_queues, self.rx_polled))
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

    /// Stops it. That all its queues come back, and no others, is what proves that nobody polls it.
    ///
    /// # Errors
    /// When queues are missing or of another port, or the device refuses: the queues are given back,
    /// and it runs on.
    pub fn stop(&mut self, queues: Queues) -> Result<(), (Queues, Error)> {
        let port = self.device.port;
        let foreign = queues.rx.iter().any(|queue| queue.port() != port)
            || queues.tx.iter().any(|queue| queue.port() != port);
        let all = usize::from(self.rx_queues).saturating_add(self.tx_queues.into());
        let missing = all.saturating_sub(queues.rx.len().saturating_add(queues.tx.len()));
        if foreign || missing > 0 {
            let port = self.name.clone();
            return Err((queues, Error::QueuesOut { port, missing }));
        }
        let _one_at_a_time = control();
        // SAFETY: The port is started, and every queue of it was handed in.
        let answer = unsafe { sys::rte_eth_dev_stop(port) };
        if let Err(error) = check("rte_eth_dev_stop", &self.name, answer) {
            return Err((queues, error));
        }
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
        setup::mtu(self.device.port, &self.name, self.interface.as_ref())
    }

    /// Sets the largest IP packet.
    ///
    /// # Errors
    /// When the device cannot, or not while it is started.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<(), Error> {
        let _one_at_a_time = control();
        setup::set_mtu(self.device.port, &self.name, mtu, self.interface.as_ref())?;
        self.info.mtu = mtu;
        Ok(())
    }

    /// Who looks at it while it is in use.
    pub fn view(&self) -> PortView {
        PortView::new(self.device.port, &self.name)
    }

    /// The state of its link.
    ///
    /// # Errors
    /// When the device does not say.
    pub fn link(&self) -> Result<Link, Error> {
        self.view().link()
    }

    /// What it has counted. Queues may be in use meanwhile.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn stats(&self) -> Result<PortStats, Error> {
        self.view().stats()
    }

    /// The driver's own counters, by the names it gives them. Queues may be in use meanwhile.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn counters(&self) -> Result<Vec<(String, u64)>, Error> {
        // Far more than any driver has.
        const ROOM: u32 = 4096;
        let _one_at_a_time = control();
        let mut raw: Vec<sys::shim_counter> = Vec::new();
        // SAFETY: The port is open; no counter is asked for.
        let count = unsafe { sys::shim_port_counters(self.device.port, raw.as_mut_ptr(), 0) };
        let count = check("rte_eth_xstats_get", &self.name, count)?.min(ROOM);
        raw.resize_with(usize::try_from(count).unwrap_or(0), || sys::shim_counter {
            name: [0; 64],
            value: 0,
        });
        // SAFETY: The port is open; there is room for `count`.
        let answer = unsafe { sys::shim_port_counters(self.device.port, raw.as_mut_ptr(), count) };
        check("rte_eth_xstats_get", &self.name, answer)?;
        Ok(raw
            .iter()
            .map(|counter| (setup::text(&counter.name), counter.value))
            .collect())
    }
}

/// The kernel's own account of the interface, where DPDK's is of no use.
fn kernel_interface(spec: &PortSpec) -> Result<Option<Interface>, Error> {
    match spec {
        PortSpec::AfPacket { interface } => Interface::new(interface).map(Some),
        _ => Ok(None),
    }
}

/// The pools of all queues of the device, so that each goes to the pool of the queue that polls it.
fn pools(config: &PortConfig, asked: &PortConfig) -> Vec<&'static Pool> {
    let one_round: Vec<_> = asked
        .pools
        .iter()
        .copied()
        .cycle()
        .take(asked.rx_queues.into())
        .collect();
    one_round
        .iter()
        .copied()
        .cycle()
        .take(config.rx_queues.into())
        .collect()
}
