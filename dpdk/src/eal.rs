//! The environment abstraction layer: started once, never stopped.

use std::ffi::{CString, c_char};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use dpdk_sys as sys;

use crate::error::c_string;
use crate::lcore::Job;
use crate::{Errno, Error, Memory, Pages, memory};

/// Proof that the EAL is up. There is one, and it never goes away.
#[derive(Clone, Copy, Debug)]
pub struct Eal(());

/// An lcore and the CPUs it may run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LcoreCpus {
    /// Number of the lcore.
    pub lcore: u32,
    /// The CPUs; one pins it.
    pub cpus: Vec<u32>,
}

/// How much DPDK says on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors.
    Error,
    /// And warnings.
    #[default]
    Warning,
    /// And notices.
    Notice,
    /// And what it does.
    Info,
    /// And everything else.
    Debug,
}

/// How the EAL shall start. The default needs neither privilege nor preparation.
#[derive(Clone, Debug)]
pub struct EalConfig {
    /// The lcores for [`Eal::launch`], the first being the main one. When empty: lcore 0, on every
    /// CPU that this process may use; [`Eal::spawn`] needs none of them.
    pub lcores: Vec<LcoreCpus>,
    /// Which pages.
    pub memory: Memory,
    /// What pools and rings need. Of ordinary pages this much is reserved, and no more can be had.
    pub memory_mib: u32,
    /// Tells instances on one machine apart; `upf-<pid>` when none.
    pub file_prefix: Option<String>,
    /// Leave nothing in the file system. False lets other processes (`dpdk-proc-info`) attach,
    /// which asks for a mount of hugetlbfs.
    pub in_memory: bool,
    /// How much DPDK says.
    pub log_level: LogLevel,
    /// Addresses of the PCI devices to use; when empty the bus is not looked at.
    pub pci: Vec<String>,
    /// Serve DPDK's telemetry socket.
    pub telemetry: bool,
    /// Drivers (files or directories) beside those that DPDK finds by itself.
    pub plugins: Vec<PathBuf>,
    /// Further arguments, as DPDK has them.
    pub extra: Vec<String>,
}

impl Default for EalConfig {
    fn default() -> Self {
        Self {
            lcores: Vec::new(),
            memory: Memory::Auto,
            memory_mib: 512,
            file_prefix: None,
            in_memory: true,
            log_level: LogLevel::default(),
            pci: Vec::new(),
            telemetry: true,
            plugins: Vec::new(),
            extra: Vec::new(),
        }
    }
}

/// What is known once it is up.
#[derive(Debug)]
struct Up {
    pages: Pages,
    main: MainLcore,
    runtime_directory: PathBuf,
}

/// The thread that started the EAL and now waits for work.
#[derive(Debug)]
pub(crate) struct MainLcore {
    pub(crate) lcore: u32,
    pub(crate) jobs: SyncSender<Job>,
}

static UP: OnceLock<Up> = OnceLock::new();

impl Eal {
    /// Starts the EAL. The caller's thread stays what it was: the main lcore is a thread of its own,
    /// so that no other thread inherits its CPUs.
    ///
    /// # Errors
    /// When it is already up, or refuses; DPDK's reason is then on standard error.
    pub fn start(config: EalConfig) -> Result<Self, Error> {
        static STARTED: AtomicBool = AtomicBool::new(false);
        let pages = memory::choose(config.memory, config.memory_mib)?;
        let arguments = arguments(config, pages)?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(Error::AlreadyStarted);
        }
        let (jobs, work) = sync_channel(0);
        let (report, started) = sync_channel(1);
        thread::Builder::new()
            .name("dpdk-main".into())
            .spawn(move || main_lcore(arguments, &report, &work))
            .map_err(|source| Error::Thread {
                name: "dpdk-main".into(),
                source,
            })?;
        // The thread reports or has panicked; a panic there is a refusal.
        let lcore = started
            .recv()
            .unwrap_or(Err(Errno(libc::ECANCELED)))
            .map_err(|errno| Error::call("rte_eal_init", "to start", errno))?;
        let main = MainLcore { lcore, jobs };
        UP.get_or_init(|| Up {
            pages,
            main,
            runtime_directory: runtime_directory(),
        });
        Ok(Self(()))
    }

    /// The EAL, when it is up.
    pub fn get() -> Option<Self> {
        UP.get().map(|_| Self(()))
    }

    /// Which pages it runs on.
    pub fn pages(self) -> Pages {
        self.up().pages
    }

    /// Where its sockets lie; the telemetry socket is `dpdk_telemetry.v2` in it.
    pub fn runtime_directory(self) -> PathBuf {
        self.up().runtime_directory.clone()
    }

    /// The lcores of [`EalConfig::lcores`], the main one first.
    pub fn lcores(self) -> Vec<u32> {
        let main = self.main().lcore;
        let others = (0..sys::SHIM_MAX_LCORE).filter(|&lcore| lcore != main && self.has(lcore));
        std::iter::once(main).chain(others).collect()
    }

    /// The NUMA node of an lcore.
    pub fn socket_of(self, lcore: u32) -> Option<u32> {
        // SAFETY: The EAL is up; an lcore that is not one was sorted out.
        self.has(lcore)
            .then(|| unsafe { sys::rte_lcore_to_socket_id(lcore) })
    }

    #[allow(clippy::unused_self, reason = "the token is what says that it is up")]
    pub(crate) fn has(self, lcore: u32) -> bool {
        // SAFETY: The EAL is up; it takes any number.
        unsafe { sys::rte_lcore_is_enabled(lcore) != 0 }
    }

    pub(crate) fn main(self) -> &'static MainLcore {
        &self.up().main
    }

    #[allow(clippy::unused_self, reason = "the token is what says that it is up")]
    #[allow(clippy::expect_used, reason = "an Eal is made only after UP is set")]
    fn up(self) -> &'static Up {
        UP.get().expect("an Eal exists only when it is up")
    }
}

/// Held through every call that sets something up or asks for state: DPDK allows one at a time.
pub(crate) fn control() -> MutexGuard<'static, ()> {
    static CONTROL: Mutex<()> = Mutex::new(());
    CONTROL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Life of the main lcore: start the EAL, say how it went, then do what comes.
fn main_lcore(
    arguments: Vec<CString>,
    report: &SyncSender<Result<u32, Errno>>,
    work: &Receiver<Job>,
) {
    // DPDK keeps pointers into its arguments.
    let arguments: &'static [CString] = arguments.leak();
    let mut pointers: Vec<*mut c_char> = arguments
        .iter()
        .map(|argument| argument.as_ptr().cast_mut())
        .collect();
    let count = i32::try_from(pointers.len()).unwrap_or(i32::MAX);
    pointers.push(std::ptr::null_mut());
    let pointers = pointers.leak();
    // Before the EAL's own handlers, so that it runs after them.
    // SAFETY: The handler may run whenever the process ends.
    unsafe { libc::atexit(remove_runtime_directory) };
    // SAFETY: `count` strings that live on, ended by null; called once, behind STARTED. It reorders
    // the pointers and does not write to the strings.
    let answer = unsafe { sys::rte_eal_init(count, pointers.as_mut_ptr()) };
    if answer < 0 {
        // Nobody waits for this any more only when the caller is gone.
        let _ = report.send(Err(Errno::last()));
        return;
    }
    // SAFETY: The EAL is up.
    let lcore = unsafe { sys::rte_get_main_lcore() };
    let _ = report.send(Ok(lcore));
    while let Ok(job) = work.recv() {
        job();
    }
}

/// Removes what DPDK leaves behind at the end: its directory, once its sockets are gone from it.
extern "C" fn remove_runtime_directory() {
    if let Some(up) = UP.get() {
        // Not empty when other processes may attach; they need it.
        let _ = std::fs::remove_dir(&up.runtime_directory);
    }
}

fn runtime_directory() -> PathBuf {
    // SAFETY: The EAL is up; returns a static string.
    let text = unsafe { sys::rte_eal_get_runtime_dir() };
    // SAFETY: As above: never null, ends in NUL, never changed again.
    let text = unsafe { std::ffi::CStr::from_ptr(text) };
    PathBuf::from(text.to_string_lossy().into_owned())
}

// ===== the command line =====

fn arguments(config: EalConfig, pages: Pages) -> Result<Vec<CString>, Error> {
    let mut line: Vec<String> = vec![
        "upf".into(),
        format!("--log-level={}", level(config.log_level)),
    ];
    line.push(format!("--lcores={}", lcores(&config.lcores)?));
    if let Some(main) = config.lcores.first() {
        line.push(format!("--main-lcore={}", main.lcore));
    }
    match pages {
        Pages::Huge { .. } if config.in_memory => line.push("--in-memory".into()),
        Pages::Huge { .. } => {}
        Pages::Ordinary { reserved_mib } => {
            // Without `-m` it would be 64 MiB.
            line.extend(["--no-huge".into(), "-m".into(), reserved_mib.to_string()]);
            if config.in_memory {
                line.push("--no-shconf".into());
            }
        }
    }
    let prefix = config.file_prefix;
    line.push(format!(
        "--file-prefix={}",
        prefix.unwrap_or_else(|| format!("upf-{}", std::process::id()))
    ));
    if config.pci.is_empty() {
        line.push("--no-pci".into());
    }
    for address in config.pci {
        line.extend(["-a".into(), address]);
    }
    if !config.telemetry {
        line.push("--no-telemetry".into());
    }
    for plugin in &config.plugins {
        line.extend(["-d".into(), plugin.display().to_string()]);
    }
    line.extend(config.extra);
    line.iter()
        .map(|word| c_string("EAL argument", word))
        .collect()
}

const fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warning => "warning",
        LogLevel::Notice => "notice",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

/// `0@(0,1),1@(1)`.
fn lcores(lcores: &[LcoreCpus]) -> Result<String, Error> {
    if lcores.is_empty() {
        return Ok(format!("0@({})", join(&allowed_cpus())));
    }
    if let Some(empty) = lcores.iter().find(|entry| entry.cpus.is_empty()) {
        return Err(Error::Argument {
            what: "lcore",
            value: empty.lcore.to_string(),
            rule: "it needs at least one CPU",
        });
    }
    let words: Vec<String> = lcores
        .iter()
        .map(|entry| format!("{}@({})", entry.lcore, join(&entry.cpus)))
        .collect();
    Ok(words.join(","))
}

fn join(numbers: &[u32]) -> String {
    numbers
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

/// The CPUs that this thread may run on.
fn allowed_cpus() -> Vec<u32> {
    // SAFETY: An all-zero set is a set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: Writes at most the size given, to a set of that size.
    let answer = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if answer != 0 {
        return vec![0];
    }
    (0..1024_u32)
        .filter(|&cpu| {
            // SAFETY: The set has 1024 bits.
            usize::try_from(cpu).is_ok_and(|cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
        })
        .collect()
}
