//! What the files of a machine say: `/sys`, `/proc` and `/dev`, below any root.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::net::{self, Route};
use crate::cpus;

/// What is known of the machine and of this process.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Huge pages by size and NUMA node.
    pub hugepages: Vec<HugepagePool>,
    /// The word in brackets of `transparent_hugepage/enabled`.
    pub transparent_hugepages: Option<String>,
    /// The processors.
    pub cpus: Cpus,
    /// What this process may do.
    pub process: Process,
    /// How many IOMMU groups there are; none without an IOMMU that is switched on.
    pub iommu_groups: usize,
    /// Whether VFIO may be used without an IOMMU.
    pub vfio_without_iommu: bool,
    /// Names in `/dev/vfio`, and whether this process may open them.
    pub vfio_nodes: Vec<(String, bool)>,
    /// PCI devices that are network controllers, or bound to a driver for user space.
    pub pci: Vec<PciDevice>,
    /// The kernel's interfaces.
    pub links: Vec<Link>,
    /// Whether there is `/dev/net/tun`.
    pub tun: bool,
    /// Whether packets are forwarded between interfaces: IPv4, IPv6.
    pub forwarding: (Option<bool>, Option<bool>),
    /// The kernel's routes.
    pub routes: Vec<Route>,
    /// Neighbours that the kernel looked for in vain.
    pub silent_neighbours: Vec<std::net::IpAddr>,
    /// Neighbours that the kernel knows.
    pub known_neighbours: Vec<std::net::IpAddr>,
    /// The clock that the kernel counts by.
    pub clock_source: Option<String>,
    /// Whether the processor's counter runs at one rate, in sleep as well.
    pub invariant_tsc: bool,
    /// What keeps the time in step with the world's, where that can be seen.
    pub time_daemon: Option<String>,
}

/// Huge pages of one size on one NUMA node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HugepagePool {
    /// Size of a page.
    pub page_kib: u64,
    /// NUMA node.
    pub node: u32,
    /// Pages that there are.
    pub total: u64,
    /// Pages that nobody has.
    pub free: u64,
}

/// The processors of the machine, and those for this process.
#[derive(Clone, Debug, Default)]
pub struct Cpus {
    /// Those that are switched on.
    pub online: Vec<u32>,
    /// Those that this process may run on.
    pub allowed: Vec<u32>,
    /// Those that the scheduler leaves alone (`isolcpus=`).
    pub isolated: Vec<u32>,
    /// Those without a tick while one task runs (`nohz_full=`).
    pub tickless: Vec<u32>,
    /// NUMA node of each.
    pub nodes: Vec<(u32, Vec<u32>)>,
    /// Hardware threads of one core, where a core has several.
    pub siblings: Vec<Vec<u32>>,
    /// Frequency governors.
    pub governors: Vec<(u32, String)>,
    /// The share that the control group has of a period: microseconds of microseconds.
    pub quota: Option<(u64, u64)>,
}

/// What this process may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Effective capabilities, a bit each.
    pub capabilities: u64,
    /// Effective user and group, where they are known.
    pub identity: Option<(u32, u32)>,
    /// Octets that may be locked in memory; `None` for no limit.
    pub locked_memory: Option<u64>,
}

/// A PCI device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PciDevice {
    /// `0000:03:02.0`
    pub address: String,
    /// Vendor and device.
    pub id: (u16, u16),
    /// The driver it is bound to.
    pub driver: Option<String>,
    /// NUMA node.
    pub node: Option<u32>,
    /// IOMMU group.
    pub group: Option<String>,
    /// The physical function, for a virtual one.
    pub physical: Option<String>,
    /// Virtual functions: those that are, those that could be.
    pub virtual_functions: (u32, u32),
    /// Names of its interfaces in the kernel.
    pub links: Vec<String>,
}

/// An interface of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Name.
    pub name: String,
    /// `up`, `down`, `unknown`, …
    pub state: String,
    /// Whether there is a signal; `None` while it is switched off.
    pub carrier: Option<bool>,
    /// Longest packet.
    pub mtu: u32,
    /// Receive queues.
    pub rx_queues: usize,
    /// Whether it is a TUN or TAP device.
    pub tun: bool,
}

impl Facts {
    /// Reads the files below `root`, which is `/` for the machine itself.
    pub fn gather(root: &Path) -> Self {
        let files = Files(root.to_owned());
        let status = files.text("proc/self/status").unwrap_or_default();
        let cpuinfo = files.text("proc/cpuinfo").unwrap_or_default();
        let process = Process {
            capabilities: field(&status, "CapEff:")
                .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                .unwrap_or_default(),
            identity: effective(&status, "Uid:").zip(effective(&status, "Gid:")),
            locked_memory: locked_memory(&files.text("proc/self/limits").unwrap_or_default()),
        };
        let (known_neighbours, silent_neighbours) = net::neighbours(&files);
        Self {
            hugepages: hugepages(&files),
            transparent_hugepages: files
                .text("sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())),
            cpus: processors(&files, &status),
            process,
            iommu_groups: files.names("sys/kernel/iommu_groups").len(),
            vfio_without_iommu: files
                .text("sys/module/vfio/parameters/enable_unsafe_noiommu_mode")
                .is_some_and(|text| matches!(text.as_str(), "Y" | "1")),
            vfio_nodes: files
                .names("dev/vfio")
                .into_iter()
                .map(|name| {
                    let may = files.may_open(&format!("dev/vfio/{name}"), process);
                    (name, may)
                })
                .collect(),
            pci: pci(&files),
            links: links(&files),
            tun: files.exists("dev/net/tun"),
            forwarding: (
                switch(&files, "proc/sys/net/ipv4/ip_forward"),
                switch(&files, "proc/sys/net/ipv6/conf/all/forwarding"),
            ),
            routes: net::routes(&files),
            known_neighbours,
            silent_neighbours,
            clock_source: files
                .text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            invariant_tsc: field(&cpuinfo, "flags").is_some_and(|flags| {
                ["constant_tsc", "nonstop_tsc"]
                    .iter()
                    .all(|flag| flags.split_whitespace().any(|one| one == *flag))
            }),
            time_daemon: time_daemon(&files),
        }
    }

    /// The interface of that name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The NUMA node of a processor.
    pub fn node_of(&self, cpu: u32) -> Option<u32> {
        let mut nodes = self.cpus.nodes.iter();
        nodes
            .find(|(_, cpus)| cpus.contains(&cpu))
            .map(|(node, _)| *node)
    }
}

/// Files below a root.
#[derive(Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// The text of a file without blanks around it.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let octets = fs::read(self.0.join(path)).ok()?;
        Some(String::from_utf8_lossy(&octets).trim().to_owned())
    }

    fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// The sorted names in a directory.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(path)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Whether a process may read and write a file, by owner, group and mode.
    fn may_open(&self, path: &str, process: Process) -> bool {
        const DAC_OVERRIDE: u64 = 1 << 1;
        let Some((user, group)) = process.identity else {
            return true;
        };
        fs::metadata(self.0.join(path)).is_ok_and(|file| {
            let needed = if file.uid() == user {
                0o600
            } else if file.gid() == group {
                0o060
            } else {
                0o006
            };
            process.capabilities & DAC_OVERRIDE != 0 || file.mode() & needed == needed
        })
    }

    fn exists(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    /// The last part of where a link leads.
    fn target(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.0.join(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().trim_start_matches(':').trim())
}

/// The second of the identities in a line of `/proc/self/status`: the effective one.
fn effective(status: &str, name: &str) -> Option<u32> {
    field(status, name)?.split_whitespace().nth(1)?.parse().ok()
}

fn switch(files: &Files, path: &str) -> Option<bool> {
    files.text(path).map(|text| text != "0")
}

fn hugepages(files: &Files) -> Vec<HugepagePool> {
    let mut pools = Vec::new();
    let nodes = files.names("sys/devices/system/node");
    let mut places: Vec<(u32, String)> = nodes
        .iter()
        .filter_map(|name| {
            let place = format!("sys/devices/system/node/{name}/hugepages");
            Some((name.strip_prefix("node")?.parse().ok()?, place))
        })
        .collect();
    if places.is_empty() {
        places.push((0, "sys/kernel/mm/hugepages".to_owned()));
    }
    for (node, place) in places {
        for name in files.names(&place) {
            let size = name.strip_prefix("hugepages-");
            let size = size.and_then(|rest| rest.strip_suffix("kB")?.parse().ok());
            let count = |which: &str| files.number(&format!("{place}/{name}/{which}"));
            if let Some(page_kib) = size {
                pools.push(HugepagePool {
                    page_kib,
                    node,
                    total: count("nr_hugepages").unwrap_or_default(),
                    free: count("free_hugepages").unwrap_or_default(),
                });
            }
        }
    }
    pools
}

fn processors(files: &Files, status: &str) -> Cpus {
    let list = |path: &str| cpus::list(&files.text(path).unwrap_or_default());
    let online = list("sys/devices/system/cpu/online");
    let of_cpu =
        |cpu: u32, path: &str| files.text(&format!("sys/devices/system/cpu/cpu{cpu}/{path}"));
    let mut siblings: Vec<Vec<u32>> = online
        .iter()
        .filter_map(|cpu| of_cpu(*cpu, "topology/thread_siblings_list"))
        .map(|text| cpus::list(&text))
        .filter(|threads| threads.len() > 1)
        .collect();
    siblings.sort();
    siblings.dedup();
    let nodes = files.names("sys/devices/system/node");
    let quota = files.text("sys/fs/cgroup/cpu.max");
    Cpus {
        allowed: cpus::allowed(status),
        isolated: list("sys/devices/system/cpu/isolated"),
        tickless: list("sys/devices/system/cpu/nohz_full"),
        nodes: nodes
            .iter()
            .filter_map(|name| {
                let node = name.strip_prefix("node")?.parse().ok()?;
                Some((
                    node,
                    list(&format!("sys/devices/system/node/{name}/cpulist")),
                ))
            })
            .collect(),
        siblings,
        governors: online
            .iter()
            .filter_map(|cpu| Some((*cpu, of_cpu(*cpu, "cpufreq/scaling_governor")?)))
            .collect(),
        quota: quota.and_then(|text| {
            let (quota, period) = text.split_once(' ')?;
            Some((quota.parse().ok()?, period.parse().ok()?))
        }),
        online,
    }
}

fn locked_memory(limits: &str) -> Option<u64> {
    let words = field(limits, "Max locked memory").unwrap_or("0");
    words.split_whitespace().next()?.parse().ok()
}

/// Drivers that hand a device to user space.
pub(crate) const USER_SPACE: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

fn pci(files: &Files) -> Vec<PciDevice> {
    const PLACE: &str = "sys/bus/pci/devices";
    let hex = |path: &str| {
        let text = files.text(path)?;
        u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    let device = |address: &String| {
        let place = format!("{PLACE}/{address}");
        let at = |name: &str| format!("{place}/{name}");
        let driver = files.target(&at("driver"));
        let network = hex(&at("class"))? >> 16 == 2;
        let user_space = driver
            .as_deref()
            .is_some_and(|driver| USER_SPACE.contains(&driver));
        if !network && !user_space {
            return None;
        }
        let half = |name: &str| hex(&at(name)).and_then(|id| u16::try_from(id).ok());
        Some(PciDevice {
            address: address.clone(),
            id: (half("vendor")?, half("device")?),
            driver,
            node: files
                .number::<i64>(&at("numa_node"))
                .and_then(|node| u32::try_from(node).ok()),
            group: files.target(&at("iommu_group")),
            physical: files.target(&at("physfn")),
            virtual_functions: (
                files.number(&at("sriov_numvfs")).unwrap_or_default(),
                files.number(&at("sriov_totalvfs")).unwrap_or_default(),
            ),
            links: files.names(&at("net")),
        })
    };
    files.names(PLACE).iter().filter_map(device).collect()
}

fn links(files: &Files) -> Vec<Link> {
    let link = |name: String| {
        let at = |path: &str| format!("sys/class/net/{name}/{path}");
        let queues = files.names(&at("queues"));
        Some(Link {
            state: files.text(&at("operstate"))?,
            carrier: files.text(&at("carrier")).map(|text| text == "1"),
            mtu: files.number(&at("mtu"))?,
            rx_queues: queues
                .iter()
                .filter(|queue| queue.starts_with("rx-"))
                .count(),
            tun: files.exists(&at("tun_flags")),
            name,
        })
    };
    files
        .names("sys/class/net")
        .into_iter()
        .filter_map(link)
        .collect()
}

/// The process that sets the clock, or the mark that systemd's leaves.
fn time_daemon(files: &Files) -> Option<String> {
    const DAEMONS: [&str; 6] = [
        "chronyd",
        "ntpd",
        "systemd-timesyn",
        "ptp4l",
        "phc2sys",
        "openntpd",
    ];
    if files.exists("run/systemd/timesync/synchronized") {
        return Some("systemd-timesyncd".to_owned());
    }
    let processes = files.names("proc").into_iter();
    let mut names = processes
        .filter(|name| name.bytes().all(|octet| octet.is_ascii_digit()))
        .filter_map(|id| files.text(&format!("proc/{id}/comm")));
    names.find(|name| DAEMONS.contains(&name.as_str()))
}
