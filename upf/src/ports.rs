//! Opens the configured ports.

use anyhow::{Context, Result, bail};
use config::Device;
use config::schema::{Config, Hugepages};
use dpdk::{Eal, EalConfig, MemifRole, Memory, Pool, PoolConfig, Port, PortConfig, PortSpec};
use tracing::{info, warn};

/// Octets that a buffer takes in memory, all told.
const BUFFER_OCTETS: u64 = 2_560;

/// What rings, queues and DPDK itself take, in MiB.
const OTHER_MIB: u64 = 128;

/// The memory that buffers, rings and queues take on a NUMA node, in MiB.
pub(crate) fn memory_mib(buffers: u32) -> u64 {
    u64::from(buffers) * BUFFER_OCTETS / (1 << 20) + OTHER_MIB
}

/// Starts DPDK's environment as `config` asks.
///
/// # Errors
/// When DPDK refuses; its reason is on standard error.
pub(crate) fn start_eal(config: &Config, buffers: u32) -> Result<Eal> {
    if let Some(eal) = Eal::get() {
        return Ok(eal);
    }
    let pci = config.ports.iter().filter_map(|port| match port.device {
        Device::Pci(address) => Some(address.to_string()),
        _ => None,
    });
    let eal = Eal::start(EalConfig {
        memory: match config.memory.hugepages {
            Hugepages::Auto => Memory::Auto,
            Hugepages::OneGigabyte | Hugepages::TwoMegabytes => Memory::Huge,
            Hugepages::None => Memory::Ordinary,
        },
        memory_mib: u32::try_from(memory_mib(buffers)).unwrap_or(u32::MAX),
        pci: pci.collect(),
        ..EalConfig::default()
    })
    .context("DPDK did not start")?;
    info!(pages = %eal.pages(), "DPDK started");
    Ok(eal)
}

/// The pools that packets live in: one for each NUMA node that has a port.
#[derive(Debug)]
pub(crate) struct Pools(Vec<(Option<u32>, &'static Pool)>);

impl Pools {
    /// Makes them.
    ///
    /// # Errors
    /// When there is not enough memory for the configured number of buffers.
    pub(crate) fn create(eal: Eal, config: &Config, buffers: u32) -> Result<Self> {
        let mut nodes: Vec<Option<u32>> = config
            .ports
            .iter()
            .map(|port| numa_node(&port.device))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        let pools = nodes
            .into_iter()
            .map(|node| Ok((node, pool(eal, config, (node, buffers))?)));
        Ok(Self(pools.collect::<Result<_>>()?))
    }

    /// The pool for a port's packets.
    pub(crate) fn of(&self, device: &Device) -> Result<&'static Pool> {
        let node = numa_node(device);
        let found = self.0.iter().find(|(of, _)| *of == node);
        found
            .map(|(_, pool)| *pool)
            .context("a port without a pool")
    }

    /// The pool for packets of the UPF's own making.
    pub(crate) fn own(&self) -> Result<&'static Pool> {
        self.0
            .first()
            .map(|(_, pool)| *pool)
            .context("no port is configured")
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<&'static Pool> {
        self.0.iter().map(|(_, pool)| *pool).collect()
    }

    /// All but that one.
    pub(crate) fn others(&self, than: &'static Pool) -> Vec<&'static Pool> {
        let pools = self.0.iter().map(|(_, pool)| *pool);
        pools.filter(|pool| !std::ptr::eq(*pool, than)).collect()
    }
}

fn pool(eal: Eal, config: &Config, (node, buffers): (Option<u32>, u32)) -> Result<&'static Pool> {
    let largest = config
        .ports
        .iter()
        .map(|port| port.mtu.get())
        .max()
        .unwrap_or(1500);
    // A frame with its Ethernet header and two tags, behind the headroom. Packet sockets want more
    // once a frame is longer than a small buffer.
    let data_room = if largest > 1900 {
        largest.saturating_add(1100)
    } else {
        2048
    };
    let name = node.map_or_else(|| "packets".to_owned(), |node| format!("packets_{node}"));
    let pool = PoolConfig {
        mbufs: buffers,
        data_room,
        socket: node,
        ..PoolConfig::named(name)
    };
    Pool::create(eal, &pool)
        .with_context(|| format!("no memory for {buffers} buffers (key memory.buffers)"))
}

/// The NUMA node that a device hangs on; virtual ones hang on none.
fn numa_node(device: &Device) -> Option<u32> {
    let Device::Pci(address) = device else {
        return None;
    };
    let file = format!("/sys/bus/pci/devices/{address}/numa_node");
    // Reads -1 where the machine has but one.
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Opens one port with a queue pair for each worker, as far as the device has them; `promiscuous`
/// to receive frames for other MAC addresses, too.
///
/// # Errors
/// When the device is not there or not ours to use.
pub(crate) fn open(
    eal: Eal,
    port: &config::schema::Port,
    promiscuous: bool,
    pools: &Pools,
    workers: u16,
) -> Result<Port> {
    let pool = pools.of(&port.device)?;
    let settings = PortConfig {
        rx_queues: port.rx_queues,
        tx_queues: workers.max(port.rx_queues),
        rx_descriptors: port.rx_descriptors,
        tx_descriptors: port.tx_descriptors,
        mtu: Some(port.mtu.get()),
        promiscuous,
        ..PortConfig::new(pool)
    };
    let spec = spec(&port.device)?;
    let opened = Port::open(eal, &spec, &settings).or_else(|error| match &spec {
        PortSpec::AfXdp { interface, .. } => {
            warn!(port = %port.name, %error, "no AF_XDP here: going on with AF_PACKET");
            Port::open(
                eal,
                &PortSpec::AfPacket {
                    interface: interface.clone(),
                },
                &settings,
            )
        }
        _ => Err(error),
    });
    opened.with_context(|| format!("port {} ({}) did not open", port.name, port.device))
}

fn spec(device: &Device) -> Result<PortSpec> {
    Ok(match device {
        Device::Pci(address) => PortSpec::Pci {
            address: address.to_string(),
        },
        Device::AfXdp(link) => PortSpec::AfXdp {
            interface: link.to_string(),
            queue: 0,
            force_copy: false,
        },
        Device::AfPacket(link) => PortSpec::AfPacket {
            interface: link.to_string(),
        },
        Device::Tap(link) => PortSpec::Tap {
            name: link.to_string(),
            mac: None,
        },
        Device::Memif { socket, id, role } => PortSpec::Memif {
            socket: socket.into(),
            id: *id,
            role: match role {
                config::MemifRole::Client => MemifRole::Client,
                config::MemifRole::Server => MemifRole::Server,
            },
        },
        Device::Vhost { path } => PortSpec::VhostUser {
            path: path.into(),
            client: false,
        },
        Device::Pcap { rx, tx } => PortSpec::Pcap {
            rx: Some(rx.into()),
            tx: tx.as_ref().map(Into::into),
        },
        Device::Ring(name) => PortSpec::Ring {
            name: name.to_string(),
            side: dpdk::RingSide::A,
            size: RING_SIZE,
        },
        Device::Null => PortSpec::Silent,
        other => bail!("{other} is a kind of device that this program does not know"),
    })
}

/// Packets that fit in a ring port.
pub const RING_SIZE: u32 = 4096;
