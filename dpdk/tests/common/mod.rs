//! One EAL for all tests of a process, on whatever pages there are; no privilege needed.

use std::sync::OnceLock;

use dpdk::{Eal, EalConfig, LcoreCpus, Pool, PoolConfig};

pub fn eal() -> Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    *EAL.get_or_init(|| {
        let cpus = allowed_cpus();
        let lcores = (0..2)
            .map(|lcore| LcoreCpus {
                lcore,
                cpus: cpus.clone(),
            })
            .collect();
        let config = EalConfig {
            lcores,
            memory_mib: 256,
            ..EalConfig::default()
        };
        Eal::start(config).expect("the EAL starts")
    })
}

pub fn pool(name: &str, mbufs: u32) -> &'static Pool {
    let config = PoolConfig {
        mbufs,
        cache: 32,
        ..PoolConfig::named(name)
    };
    Pool::create(eal(), &config).expect("a pool")
}

/// The CPUs this process may use, from the system's own account.
pub fn allowed_cpus() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .expect("an affinity");
    list.trim()
        .split(',')
        .flat_map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            from.parse::<u32>().expect("a CPU")..=to.parse::<u32>().expect("a CPU")
        })
        .collect()
}
