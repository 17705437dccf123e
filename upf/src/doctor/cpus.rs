//! The processors of the workers, and the clock they go by.

use config::schema::Config;
use config::{Device, Lcores};

use super::{Area, Facts, Finding};
use crate::cpus::workers;

pub(super) fn examine(facts: &Facts, config: Option<&Config>, findings: &mut Vec<Finding>) {
    let chosen = config.map(|config| workers(config, &facts.cpus.allowed));
    let pinned: Vec<u32> = chosen.iter().flatten().filter_map(|cpu| *cpu).collect();
    if let (Some(config), Some(chosen)) = (config, &chosen) {
        usable(facts, config, chosen.len(), &pinned, findings);
        nodes(facts, config, &pinned, findings);
    }
    // Poll-mode ports of real NICs are what isolation is for.
    let physical = config.is_some_and(|config| {
        let mut devices = config.ports.iter().map(|port| &port.device);
        devices.any(|device| matches!(device, Device::Pci(_)))
    });
    isolation(facts, &pinned, physical, findings);
    governors(facts, &pinned, findings);
    threads(facts, &pinned, findings);
    quota(facts, findings);
    clock(facts, findings);
}

fn usable(
    facts: &Facts,
    config: &Config,
    workers: usize,
    pinned: &[u32],
    findings: &mut Vec<Finding>,
) {
    const ID: &str = "cpus.usable";
    let online = facts.cpus.online.len();
    let missing: Vec<&u32> = pinned
        .iter()
        .filter(|cpu| !facts.cpus.allowed.contains(cpu))
        .collect();
    let finding = if !missing.is_empty() {
        let what = format!(
            "workers.lcores names {missing:?}, and this process may run on {:?} only",
            facts.cpus.allowed
        );
        Finding::problem(ID, Area::Processors, what)
            .why("a worker that cannot be pinned shares its processor with whatever else runs")
            .remedy(
                "name processors that are allowed in workers.lcores, or write auto; in a container \
                 let the CPU manager (policy static) grant whole processors",
            )
    } else if config.workers.lcores == Lcores::Auto && facts.cpus.allowed.len() < 2 {
        let what = "one processor for the workers and for N4";
        Finding::warning(ID, Area::Processors, what)
            .why("a polling worker and N4 take turns: packets are lost in bursts")
            .remedy("give the process two processors or more")
    } else {
        let what = format!("{workers} workers on {pinned:?} of {online} processors");
        Finding::good(ID, Area::Processors, what)
    };
    findings.push(finding);
}

fn nodes(facts: &Facts, config: &Config, pinned: &[u32], findings: &mut Vec<Finding>) {
    const ID: &str = "cpus.numa";
    if facts.cpus.nodes.len() < 2 {
        return;
    }
    for port in &config.ports {
        let Device::Pci(address) = port.device else {
            continue;
        };
        let address = address.to_string();
        let device = facts.pci.iter().find(|device| device.address == address);
        let Some(node) = device.and_then(|device| device.node) else {
            continue;
        };
        let far: Vec<u32> = pinned
            .iter()
            .copied()
            .filter(|cpu| facts.node_of(*cpu).is_some_and(|of| of != node))
            .collect();
        let near = facts.cpus.nodes.iter().find(|(of, _)| *of == node);
        let near = near.map(|(_, cpus)| cpus.as_slice()).unwrap_or_default();
        findings.push(if far.is_empty() {
            let what = format!("port {}: workers and device are on node {node}", port.name);
            Finding::good(ID, Area::Processors, what)
        } else {
            let what = format!(
                "port {} ({address}) is on node {node}, workers {far:?} are not",
                port.name
            );
            Finding::warning(ID, Area::Processors, what)
                .why("every packet crosses the link between the sockets, twice")
                .remedy(format!("workers.lcores: some of {near:?}"))
        });
    }
}

fn isolation(facts: &Facts, pinned: &[u32], physical: bool, findings: &mut Vec<Finding>) {
    const ID: &str = "cpus.isolated";
    let cpus = &facts.cpus;
    let exposed: Vec<u32> = pinned
        .iter()
        .copied()
        .filter(|cpu| !cpus.isolated.contains(cpu))
        .collect();
    if pinned.is_empty() {
        let what = format!("isolated processors: {:?}", cpus.isolated);
        findings.push(Finding::good(ID, Area::Processors, what));
    } else if exposed.is_empty() {
        let ticking: Vec<&u32> = pinned
            .iter()
            .filter(|cpu| !cpus.tickless.contains(cpu))
            .collect();
        findings.push(if ticking.is_empty() {
            Finding::good(
                ID,
                Area::Processors,
                format!("{pinned:?} are isolated and tickless"),
            )
        } else {
            Finding::note(
                ID,
                Area::Processors,
                format!("{pinned:?} are isolated; {ticking:?} tick"),
            )
            .why("the timer tick takes a few microseconds, up to a thousand times a second")
            .remedy(kernel_command_line(pinned))
        });
    } else {
        let what = format!("workers on {exposed:?}, which the scheduler uses for others, too");
        let finding = if physical {
            Finding::warning(ID, Area::Processors, what)
        } else {
            Finding::note(ID, Area::Processors, what)
        };
        let finding = finding
            .why(
                "whoever takes a worker's turn makes its queues run over: at 10 Gbit/s, 1024 \
                  descriptors last less than a millisecond",
            )
            .remedy(kernel_command_line(pinned));
        findings.push(finding);
    }
}

fn kernel_command_line(pinned: &[u32]) -> String {
    let list: Vec<String> = pinned.iter().map(ToString::to_string).collect();
    let list = list.join(",");
    format!("on the kernel's command line: isolcpus={list} nohz_full={list} rcu_nocbs={list}")
}

fn governors(facts: &Facts, pinned: &[u32], findings: &mut Vec<Finding>) {
    const ID: &str = "cpus.governor";
    let concerned: Vec<&(u32, String)> = facts
        .cpus
        .governors
        .iter()
        .filter(|(cpu, _)| pinned.is_empty() || pinned.contains(cpu))
        .collect();
    let slow = concerned
        .iter()
        .find(|(_, governor)| governor != "performance");
    let finding = match slow {
        // A virtual machine: the host governs.
        None if concerned.is_empty() => return,
        None => Finding::good(ID, Area::Processors, "frequency governor: performance"),
        Some((cpu, governor)) => {
            let what = format!("frequency governor of processor {cpu}: {governor}");
            Finding::warning(ID, Area::Processors, what)
                .why("the clock follows the load late: bursts meet a slow processor")
                .remedy("cpupower frequency-set --governor performance")
        }
    };
    findings.push(finding);
}

fn threads(facts: &Facts, pinned: &[u32], findings: &mut Vec<Finding>) {
    const ID: &str = "cpus.hyperthreads";
    let shared = facts.cpus.siblings.iter().find(|threads| {
        let both = threads.iter().filter(|cpu| pinned.contains(cpu));
        both.count() > 1
    });
    if let Some(threads) = shared {
        let what = format!("workers on {threads:?}, which are threads of one core");
        let finding = Finding::warning(ID, Area::Processors, what)
            .why("two workers on one core share its caches and units: neither is as fast as alone")
            .remedy("one worker for each core in workers.lcores, and its other thread left idle");
        findings.push(finding);
    }
}

fn quota(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some((quota, period)) = facts.cpus.quota {
        let what = format!("the control group grants {quota} of each {period} microseconds");
        let finding = Finding::warning("cpus.quota", Area::Processors, what)
            .why(
                "a worker polls all the time; once the quota is used up it stands still until the \
                  next period, and its queues run over",
            )
            .remedy(
                "in Kubernetes: requests equal to limits, whole processors, kubelet with \
                     --cpu-manager-policy=static; with systemd: no CPUQuota=",
            );
        findings.push(finding);
    }
}

fn clock(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some(source) = &facts.clock_source {
        let steady = matches!(
            source.as_str(),
            "tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page"
        );
        findings.push(if steady {
            Finding::good("time.source", Area::Time, format!("clock source: {source}"))
        } else {
            Finding::warning("time.source", Area::Time, format!("clock source: {source}"))
                .why("every reading of the clock is slow; timers of N4 and usage reports read it often")
                .remedy("echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")
        });
    }
    if cfg!(target_arch = "x86_64") && !facts.invariant_tsc {
        let what = "the processor's counter (TSC) changes its rate";
        let finding = Finding::warning("time.tsc", Area::Time, what)
            .why("policers measure time by it: rates are off by as much")
            .remedy("in a virtual machine pass the host's processor through (-cpu host,+invtsc)");
        findings.push(finding);
    }
    findings.push(match &facts.time_daemon {
        Some(name) => Finding::good(
            "time.sync",
            Area::Time,
            format!("the time is kept by {name}"),
        ),
        None => Finding::note("time.sync", Area::Time, "nothing seen that keeps the time")
            .why(
                "usage reports carry times of day; the Recovery Time Stamp must grow from start to \
                  start (in a container the host may do it, which cannot be seen here)",
            )
            .remedy("apt install chrony"),
    });
}
