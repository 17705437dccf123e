//! A configuration brought to life: DPDK, ports, packet path, N4; stopped in the opposite order.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use config::Device;
use config::schema::Config;
use dpdk::{Eal, Pool, Port};
use session::neighbour::Neighbours;
use session::topology::Topology;
use session::{Sizes, Tables, report};
use tracing::info;
use upf_cp::{Parts, Shell};
use upf_dp::{
    Bound, DataPath, DataPathConfig, Fragmentation, HoldConfig, Idle, Rates, ReassemblyLimits,
    SlowConfig, WhenFull,
};

use crate::counts::Counts;
use crate::ports::Pools;
use crate::topology::topology;
use crate::{cpus, kernel, node, ports};

/// Reports and commands that wait between a worker and the control side.
const QUEUE: usize = 65_536;
/// Local F-TEIDs for each session: Open5GS takes two, a handover one more.
const TUNNELS_PER_SESSION: u32 = 4;
/// Packets in the ring from one worker to another.
const RING_PACKETS: usize = 2_048;

/// A UPF at work.
#[derive(Debug)]
pub struct Instance {
    eal: Eal,
    pool: &'static Pool,
    pools: Vec<&'static Pool>,
    cpus: Vec<Option<u32>>,
    topology: Arc<Topology>,
    neighbours: Arc<Neighbours>,
    data_path: DataPath,
    node: upf_cp::Handle,
}

/// How an instance ended.
#[derive(Debug)]
pub struct Ended {
    counts: Counts,
    problems: Vec<String>,
}

impl Instance {
    /// Starts everything that `config` describes; on an error nothing is left running that takes
    /// packets or PFCP.
    ///
    /// # Errors
    /// When DPDK, a port or the N4 socket cannot be had; the error names the key to look at.
    pub async fn start(config: &Config) -> Result<Self> {
        let cpus = cpus::of_workers(config);
        let buffers = config.buffers(cpus.len());
        let eal = ports::start_eal(config, buffers)?;
        let pools = Pools::create(eal, config, buffers)?;
        let pool = pools.own()?;
        let ports = open_ports(eal, config, &pools, cpus.len())?;
        set_up_kernel(config).await?;
        let topology = Arc::new(topology(config));
        let node_config = node::config(config, eal, &topology)?;
        let neighbours = Arc::new(Neighbours::default());
        let (publisher, readers) = Tables::create(Sizes {
            sessions: config.limits.sessions,
            tunnels: config.limits.sessions.saturating_mul(TUNNELS_PER_SESSION),
            workers: u8::try_from(cpus.len()).unwrap_or(u8::MAX),
            seed: rand::random(),
        });
        let (worker_ends, control_ends) = cpus.iter().map(|_| report::queues(QUEUE)).unzip();
        let data_path = DataPath::start(
            eal,
            DataPathConfig {
                ports,
                pool,
                topology: Arc::clone(&topology),
                neighbours: Arc::clone(&neighbours),
                own_addresses: vec![config.pfcp.address],
                workers: cpus.clone(),
                more_pools: pools.others(pool),
                hold: hold_config(config),
                slow: slow_config(config),
                idle: idle(config),
                ring_packets: RING_PACKETS,
            },
            readers,
            worker_ends,
        )
        .context("the packet path did not start")?;
        let parts = Parts {
            publisher,
            topology: Arc::clone(&topology),
            neighbours: Arc::clone(&neighbours),
            workers: control_ends,
            seed: rand::random(),
            record: None,
        };
        let node = match Shell::spawn(node_config, parts) {
            Ok(node) => node,
            Err(error) => {
                stop_data_path(data_path);
                return Err(error).with_context(|| {
                    let address = SocketAddr::new(config.pfcp.address, config.pfcp.port);
                    format!("cannot listen for PFCP on {address} (key pfcp.address)")
                });
            }
        };
        Ok(Self {
            eal,
            pool,
            pools: pools.all(),
            cpus,
            topology,
            neighbours,
            data_path,
            node,
        })
    }

    /// Where N4 listens.
    pub const fn n4_address(&self) -> SocketAddr {
        self.node.local_address()
    }

    /// The environment that DPDK runs in.
    pub const fn eal(&self) -> Eal {
        self.eal
    }

    /// The pool that packets of the UPF's own making live in.
    pub const fn pool(&self) -> &'static Pool {
        self.pool
    }

    /// All pools that packets live in.
    pub fn pools(&self) -> &[&'static Pool] {
        &self.pools
    }

    /// The CPU of each worker that is pinned to one.
    pub fn cpus(&self) -> &[Option<u32>] {
        &self.cpus
    }

    /// Interfaces, networks and routes.
    pub const fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Next hops.
    pub const fn neighbours(&self) -> &Arc<Neighbours> {
        &self.neighbours
    }

    /// The packet path: its ports, links and counters.
    pub const fn data_path(&self) -> &DataPath {
        &self.data_path
    }

    /// What the workers have counted so far.
    pub fn counts(&self) -> Counts {
        Counts::new(self.data_path.counters().read())
    }

    /// The control side, to be asked for peers, sessions and counters.
    pub const fn node(&self) -> &upf_cp::Handle {
        &self.node
    }

    /// Stops N4, then the workers, then the ports.
    pub async fn stop(self) -> Ended {
        self.node.shutdown().await;
        let (counts, problems) = stop_data_path(self.data_path);
        Ended { counts, problems }
    }
}

impl Ended {
    /// Whether every packet that came in is accounted for, and nothing failed on the way down.
    pub fn is_conserved(&self) -> bool {
        self.problems.is_empty() && self.counts.missing() == 0
    }

    /// The last counts.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.counts)?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "; {problem}"))
    }
}

/// How much is held for idle UEs.
fn hold_config(config: &Config) -> HoldConfig {
    let buffering = &config.buffering;
    let bound = |packets, octets: u32| Bound {
        packets,
        octets: octets.into(),
    };
    let percent = |share| u8::try_from(share).unwrap_or(u8::MAX);
    HoldConfig {
        total: bound(buffering.packets_total, buffering.octets_total),
        per_smf: bound(buffering.packets_per_smf, buffering.octets_per_smf),
        smfs: u16::try_from(config.limits.peers).unwrap_or(u16::MAX),
        session_octets: buffering.octets_per_session.into(),
        when_full: match buffering.when_full {
            config::schema::WhenFull::Newest => WhenFull::Newest,
            config::schema::WhenFull::Oldest => WhenFull::Oldest,
        },
        expiry_s: buffering.expiry_s,
        pool_share: percent(buffering.pool_share_percent),
        pool_reserve: percent(buffering.pool_reserve_percent),
    }
}

/// What workers do when nothing comes in.
const fn idle(config: &Config) -> Idle {
    Idle {
        spin_us: config.workers.idle.spin_us,
        sleep_us: config.workers.idle.sleep_us,
    }
}

/// What workers answer, and what they do with packets that do not fit.
fn slow_config(config: &Config) -> SlowConfig {
    SlowConfig {
        rates: Rates {
            error_indication_received_pps: config.gtpu.error_indication_received_rate_pps,
            error_indication_pps: config.gtpu.error_indication_rate_pps,
            echo_pps: config.gtpu.echo_rate_pps,
            icmp_error_pps: config.limits.icmp_errors_per_second,
            ..Rates::default()
        },
        fragmentation: match config.gtpu.fragmentation {
            config::schema::Fragmentation::Inner => Fragmentation::Inner,
            config::schema::Fragmentation::Outer => Fragmentation::Outer,
            config::schema::Fragmentation::Never => Fragmentation::Never,
        },
        reassembly: ReassemblyLimits {
            packets: usize::try_from(config.gtpu.reassembly.packets).unwrap_or(usize::MAX),
            octets: usize::try_from(config.gtpu.reassembly.octets).unwrap_or(usize::MAX),
            timeout_ms: config.gtpu.reassembly.timeout_ms.into(),
        },
    }
}

fn stop_data_path(data_path: DataPath) -> (Counts, Vec<String>) {
    let last = Counts::new(data_path.counters().read());
    match data_path.stop() {
        Ok(stopped) => {
            let closed = stopped.ports.into_iter().map(Port::close);
            let problems = closed.filter_map(|closed| closed.err().map(|error| error.to_string()));
            (Counts::new(stopped.counts), problems.collect())
        }
        Err(error) => (last, vec![error.to_string()]),
    }
}

fn open_ports(eal: Eal, config: &Config, pools: &Pools, workers: usize) -> Result<Vec<Port>> {
    let workers = u16::try_from(workers).unwrap_or(u16::MAX);
    let mut opened: Vec<Port> = Vec::new();
    for port in &config.ports {
        match ports::open(eal, port, config.hears_all(port), pools, workers) {
            Ok(port) => opened.push(port),
            Err(error) => {
                // What is open already goes back to the system, best effort: the error says why.
                for port in opened {
                    drop(port.close());
                }
                return Err(error);
            }
        }
        if let Some(port) = opened.last() {
            let info = port.info();
            info!(port = port.name(), driver = %info.driver, mac = %info.mac, "opened");
        }
    }
    Ok(opened)
}

/// The kernel's ends of TAP ports.
async fn set_up_kernel(config: &Config) -> Result<()> {
    for interface in &config.interfaces {
        let Some(kernel) = &interface.kernel else {
            continue;
        };
        let Some(Device::Tap(link)) = config.port(&interface.port).map(|port| &port.device) else {
            continue;
        };
        let net =
            |address: &config::InterfaceAddress| (address.address(), address.net().prefix_len());
        let addresses: Vec<(IpAddr, u8)> = kernel.addresses.iter().map(net).collect();
        kernel::set_up(&link.to_string(), &addresses).await?;
    }
    Ok(())
}
