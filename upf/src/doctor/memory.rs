//! Huge pages and packet buffers.

use config::schema::Hugepages;
use config::{Config, Device};

use super::{Area, Facts, Finding};
use crate::cpus::workers;
use crate::ports;

const WHY_PAGES: &str = "packet buffers and tables on small pages cost a TLB miss with most \
                         packets; NICs that are driven from user space want their buffers pinned";

pub(super) fn examine(facts: &Facts, config: Option<&Config>, findings: &mut Vec<Finding>) {
    match config {
        None => pools(facts, findings),
        Some(config) => needed(facts, config, findings),
    }
    transparent(facts, findings);
}

/// What there is, where nothing is known of what is needed.
fn pools(facts: &Facts, findings: &mut Vec<Finding>) {
    let there: Vec<String> = facts
        .hugepages
        .iter()
        .filter(|pool| pool.total > 0)
        .map(|pool| {
            let (size, node) = (page(pool.page_kib), pool.node);
            format!(
                "node {node}: {} of {} pages of {size} free",
                pool.free, pool.total
            )
        })
        .collect();
    let finding = if there.is_empty() {
        let what = "no hugepages are reserved; DPDK will use ordinary memory";
        Finding::note("memory.hugepages", Area::Memory, what)
            .why(WHY_PAGES)
            .remedy(reserve(2048, 0, 512))
    } else {
        Finding::good("memory.hugepages", Area::Memory, there.join("; "))
    };
    findings.push(finding);
}

fn needed(facts: &Facts, config: &Config, findings: &mut Vec<Finding>) {
    if config.memory.hugepages == Hugepages::None {
        let what = "memory.hugepages is none: ordinary memory";
        findings.push(Finding::good("memory.hugepages", Area::Memory, what));
        return;
    }
    let sizes: &[u64] = match config.memory.hugepages {
        Hugepages::OneGigabyte => &[1 << 20],
        Hugepages::TwoMegabytes => &[2 << 10],
        Hugepages::Auto | Hugepages::None => &[1 << 20, 2 << 10],
    };
    let buffers = config.buffers(workers(config, &facts.cpus.allowed).len());
    let need_mib = ports::memory_mib(buffers);
    for node in nodes(facts, config) {
        let on_node = facts.hugepages.iter().filter(|pool| pool.node == node);
        let on_node = on_node.filter(|pool| sizes.contains(&pool.page_kib));
        let free_mib: u64 = on_node.map(|pool| pool.free * pool.page_kib / 1024).sum();
        let what = format!(
            "node {node}: {free_mib} MB of hugepages free, {need_mib} MB needed for {buffers} \
             buffers (memory.buffers)"
        );
        if free_mib >= need_mib {
            findings.push(Finding::good("memory.hugepages", Area::Memory, what));
            continue;
        }
        let physical = config
            .ports
            .iter()
            .any(|port| matches!(port.device, Device::Pci(_)));
        let named = config.memory.hugepages != Hugepages::Auto;
        let finding = match (named, physical) {
            (true, _) => Finding::problem("memory.hugepages", Area::Memory, what),
            (false, true) => Finding::warning("memory.hugepages", Area::Memory, what),
            (false, false) => Finding::note("memory.hugepages", Area::Memory, what),
        };
        let page_kib = sizes.last().copied().unwrap_or(2048);
        let pages = (need_mib * 1024).div_ceil(page_kib);
        findings.push(
            finding
                .why(WHY_PAGES)
                .remedy(reserve(page_kib, node, pages)),
        );
    }
}

/// The NUMA nodes that buffers lie on: those of the ports, or the first.
fn nodes(facts: &Facts, config: &Config) -> Vec<u32> {
    let of_device = |device: &Device| {
        let Device::Pci(address) = device else {
            return None;
        };
        let address = address.to_string();
        facts.pci.iter().find(|pci| pci.address == address)?.node
    };
    let mut nodes: Vec<u32> = config
        .ports
        .iter()
        .map(|port| of_device(&port.device).unwrap_or_default())
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn page(kib: u64) -> String {
    if kib >= 1 << 20 {
        format!("{} GB", kib >> 20)
    } else {
        format!("{} MB", kib >> 10)
    }
}

fn reserve(page_kib: u64, node: u32, pages: u64) -> String {
    format!(
        "echo {pages} > /sys/devices/system/node/node{node}/hugepages/hugepages-{page_kib}kB/\
         nr_hugepages\n(to last: hugepagesz={} hugepages={pages} on the kernel's command line)",
        if page_kib >= 1 << 20 { "1G" } else { "2M" }
    )
}

fn transparent(facts: &Facts, findings: &mut Vec<Finding>) {
    const ID: &str = "memory.transparent_hugepages";
    let finding = match facts.transparent_hugepages.as_deref() {
        Some("never") => Finding::warning(
            ID,
            Area::Memory,
            "transparent hugepages are switched off",
        )
        .why("sessions and tables lie on small pages then: look-ups among many sessions are slower")
        .remedy("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"),
        Some(word) => Finding::good(ID, Area::Memory, format!("transparent hugepages: {word}")),
        None => return,
    };
    findings.push(finding);
}
