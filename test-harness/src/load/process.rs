//! What a process of this machine uses: CPU time by thread, and memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A local process, by its id.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    folder: PathBuf,
}

/// CPU time in nanoseconds, by the name of the thread.
pub(super) type CpuTimes = BTreeMap<String, u64>;

impl Observed {
    pub(super) fn new(pid: u32) -> Self {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        Self { folder }
    }

    /// The CPU time of its threads so far.
    pub(super) fn cpu_times(&self) -> CpuTimes {
        let mut times = CpuTimes::new();
        let threads = fs::read_dir(self.folder.join("task"));
        for thread in threads.into_iter().flatten().flatten() {
            let read = |file: &str| fs::read_to_string(thread.path().join(file)).ok();
            let spent: Option<u64> =
                read("schedstat").and_then(|text| text.split(' ').next()?.parse().ok());
            let (Some(name), Some(spent)) = (read("comm"), spent) else {
                continue;
            };
            *times.entry(name.trim().to_owned()).or_default() += spent;
        }
        times
    }

    /// Its resident memory, in octets.
    pub(super) fn resident_octets(&self) -> Option<u64> {
        let status = fs::read_to_string(self.folder.join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }
}

/// What was spent between two looks.
pub(super) fn spent(before: &CpuTimes, after: &CpuTimes) -> CpuTimes {
    let difference = |(name, time): (&String, &u64)| {
        let spent = time.saturating_sub(before.get(name).copied().unwrap_or_default());
        (spent > 0).then(|| (name.clone(), spent))
    };
    after.iter().filter_map(difference).collect()
}
