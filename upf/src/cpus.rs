//! Which CPUs the workers run on.

use config::Lcores;
use config::schema::Config;
use tracing::warn;

/// The CPUs of the workers, as [`workers`] has it; a warning for each that cannot be had.
pub(crate) fn of_workers(config: &Config) -> Vec<Option<u32>> {
    let allowed = usable();
    let workers = workers(config, &allowed);
    for lcore in workers.iter().flatten() {
        if !allowed.contains(lcore) {
            warn!(
                lcore,
                ?allowed,
                "workers.lcores names a CPU that this process may not use"
            );
        }
    }
    workers
}

/// The CPUs of the workers, one worker each. With `auto`: the CPUs that this process may use, but
/// the first, which is left to the control side, and no more of them than a port has queues to deal
/// out. On a single CPU one worker that is not pinned.
pub(crate) fn workers(config: &Config, allowed: &[u32]) -> Vec<Option<u32>> {
    match &config.workers.lcores {
        Lcores::List(lcores) => lcores.iter().map(|lcore| Some(u32::from(*lcore))).collect(),
        Lcores::Auto => {
            let queues = config
                .ports
                .iter()
                .map(|port| usize::from(port.rx_queues))
                .max();
            let spare = allowed.get(1..).unwrap_or_default();
            let workers: Vec<_> = spare
                .iter()
                .take(queues.unwrap_or(1))
                .map(|cpu| Some(*cpu))
                .collect();
            if workers.is_empty() {
                vec![None]
            } else {
                workers
            }
        }
    }
}

/// The CPUs that this process may use.
pub fn usable() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    allowed(&status)
}

/// The CPUs in the line `Cpus_allowed_list: 0-1,4` of `/proc/self/status`.
pub(crate) fn allowed(status: &str) -> Vec<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list(line.unwrap_or_default())
}

/// The CPUs of a list such as `0-1,4`.
pub(crate) fn list(text: &str) -> Vec<u32> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_cpus() {
        assert_eq!(
            allowed("Name:\tupf\nCpus_allowed_list:\t0-2,5\n"),
            [0, 1, 2, 5]
        );
        assert_eq!(allowed("Cpus_allowed_list:\t3\n"), [3]);
        assert!(allowed("nothing").is_empty());
    }
}
