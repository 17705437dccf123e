//! What went wrong, in which call, and what the operator may do.

use std::ffi::CString;
use std::fmt;

use dpdk_sys as sys;

/// Why something of DPDK could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The EAL starts once per process.
    #[error(
        "the EAL starts once per process, and was started before; Eal::get() has it if it is up"
    )]
    AlreadyStarted,
    /// A call of DPDK refused.
    #[error("{call} refused {subject}: {errno}{}", Advice(call, *errno))]
    Call {
        /// The function of DPDK.
        call: &'static str,
        /// What it was to make or change.
        subject: String,
        /// Its answer.
        errno: Errno,
    },
    /// A value that cannot be handed to DPDK as it is.
    #[error("{what} {value:?} cannot be used: {rule}")]
    Argument {
        /// Which value.
        what: &'static str,
        /// What it was.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// More queues than the port has.
    #[error(
        "{port} has at most {rx_max} receive and {tx_max} transmit queues, {rx} and {tx} were \
         asked for; run fewer lcores on it, or hand packets over by rings"
    )]
    Queues {
        /// The port.
        port: String,
        /// Receive queues asked for.
        rx: u16,
        /// Transmit queues asked for.
        tx: u16,
        /// Receive queues there are.
        rx_max: u16,
        /// Transmit queues there are.
        tx_max: u16,
    },
    /// Buffers too small for the largest frame.
    #[error(
        "{port} may receive {need} octets, the buffers of its pool hold {have}; raise the pool's data_room or lower the MTU"
    )]
    BufferTooSmall {
        /// The port.
        port: String,
        /// Largest frame, in octets.
        need: u32,
        /// Room of a buffer, in octets.
        have: u32,
    },
    /// Huge pages were demanded and cannot be had.
    #[error(
        "huge pages: {need_mib} MiB are needed, {free_mib} MiB are free; raise /sys/kernel/mm/hugepages/*/nr_hugepages or allow ordinary pages"
    )]
    HugePages {
        /// Needed, in MiB.
        need_mib: u64,
        /// Free and usable, in MiB.
        free_mib: u64,
    },
    /// No lcore has this number.
    #[error("there is no lcore {0}; name it in EalConfig::lcores")]
    NoLcore(u32),
    /// The lcore runs something else.
    #[error("lcore {0} is busy")]
    LcoreBusy(u32),
    /// A port was to be stopped with other queues than its own.
    #[error(
        "{port} can be stopped only with all of its queues and no others: {missing} are missing"
    )]
    QueuesOut {
        /// The port.
        port: String,
        /// How many are missing.
        missing: usize,
    },
    /// The device is a port already.
    #[error("{port} is already open")]
    Open {
        /// The port.
        port: String,
    },
    /// The port is started already, or still.
    #[error("{port} is started")]
    Started {
        /// The port.
        port: String,
    },
    /// The operating system gave no thread.
    #[error("no thread for {name}: {source}")]
    Thread {
        /// Its name.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn call(call: &'static str, subject: impl Into<String>, errno: Errno) -> Self {
        Self::Call {
            call,
            subject: subject.into(),
            errno,
        }
    }

    /// The error number, where there is one.
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Call { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// Turns what most calls return (0 or more, or a negative error number) into a result.
pub(crate) fn check(call: &'static str, subject: &str, answer: i32) -> Result<u32, Error> {
    u32::try_from(answer).map_err(|_| Error::call(call, subject, Errno(answer.saturating_neg())))
}

/// A string for C.
pub(crate) fn c_string(what: &'static str, value: &str) -> Result<CString, Error> {
    CString::new(value).map_err(|_| Error::Argument {
        what,
        value: value.to_owned(),
        rule: "it holds a NUL octet",
    })
}

/// An error number of DPDK or of the system; prints as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The `rte_errno` of this thread, as the last failed call left it.
    pub(crate) fn last() -> Self {
        // SAFETY: Reads a thread-local integer.
        Self(unsafe { sys::shim_errno() })
    }

    /// The constant's name, as `EBUSY`.
    pub const fn name(self) -> Option<&'static str> {
        macro_rules! names {
            ($($name:ident)*) => {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    // From rte_errno.h, beyond the system's.
                    1000 => Some("RTE_MIN_ERRNO"),
                    1001 => Some("E_RTE_SECONDARY"),
                    1002 => Some("E_RTE_NO_CONFIG"),
                    _ => None,
                }
            };
        }
        names! {
            EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES
            EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY
            EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS
            ELOOP ENODATA ETIME EPROTO EOVERFLOW EBADMSG EUSERS ENOTSOCK EMSGSIZE EPROTONOSUPPORT
            EOPNOTSUPP EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENOBUFS EISCONN
            ENOTCONN ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ECANCELED
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: Takes any number, returns a thread-local or static string.
        let text = unsafe { sys::rte_strerror(self.0) };
        // SAFETY: As above: never null, ends in NUL, ours until this thread's next call.
        let text = unsafe { std::ffi::CStr::from_ptr(text) };
        match self.name() {
            Some(name) => write!(f, "{name} ({})", text.to_string_lossy()),
            None => write!(f, "error {} ({})", self.0, text.to_string_lossy()),
        }
    }
}

/// What the operator may do, where that is known.
struct Advice<'a>(&'a &'static str, Errno);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(call, Errno(number)) = *self;
        f.write_str(match (*call, number) {
            ("rte_eal_init", libc::ENOMEM) => {
                "; free huge pages, or allow ordinary pages (Memory::Ordinary)"
            }
            ("rte_eal_init", libc::EACCES | libc::EPERM) => {
                "; the runtime directory or a device is not ours: use in_memory, or run with the right owner"
            }
            ("rte_pktmbuf_pool_create", libc::ENOMEM) => {
                "; raise EalConfig::memory_mib or the number of huge pages, or ask for fewer buffers"
            }
            ("rte_pktmbuf_pool_create" | "rte_ring_create" | "rte_eth_from_rings", libc::EEXIST) => {
                "; the name is taken"
            }
            ("rte_eal_hotplug_add", libc::EPERM | libc::EACCES) => {
                "; CAP_NET_RAW (af_packet), CAP_NET_ADMIN (tap) or CAP_BPF (af_xdp) is missing"
            }
            ("rte_eal_hotplug_add" | "rte_eth_dev_configure", libc::EEXIST | libc::EBUSY) => "; it is open already",
            ("rte_eal_hotplug_add" | "rte_dev_probe", libc::ENODEV | libc::ENOENT) => {
                "; is the device there, bound to a driver of DPDK, and the driver's plug-in installed?"
            }
            ("rte_eal_hotplug_add", _) => {
                "; the driver's own message is in the log: mostly a missing interface, file, \
                 plug-in or privilege"
            }
            ("rte_eth_rx_queue_setup", libc::ENOMEM | libc::EINVAL) => {
                "; the pool's buffers may be too small for the frames of this driver, or too few"
            }
            ("ioctl SIOCGIFMTU", libc::ENODEV | libc::ENXIO) => {
                "; no such interface in this network namespace"
            }
            ("ioctl SIOCSIFMTU", libc::EPERM) => {
                "; CAP_NET_ADMIN is missing: set the interface's MTU beforehand"
            }
            ("rte_thread_register", _) => "; all lcore numbers are in use",
            _ => "",
        })
    }
}
