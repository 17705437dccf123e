//! A device with DPDK: found or made, and removed again.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dpdk_sys as sys;

use super::{PortConfig, PortSpec, ring, spec};
use crate::error::c_string;
use crate::{Eal, Errno, Error};

/// A device with DPDK. Dropped before it is kept, it is closed and removed.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) port: u16,
    /// Receive queues to set up, where that is more than was asked for.
    pub(super) rx_queues: u16,
    bus: &'static CStr,
    name: CString,
    kept: bool,
}

impl Device {
    pub(super) fn find(eal: Eal, spec: &PortSpec, config: &PortConfig) -> Result<Self, Error> {
        match spec {
            PortSpec::Pci { address } => Self::pci(spec, address),
            PortSpec::Ring { name, side, size } => {
                let opened = ring::open(eal, name, *side, *size, config)?;
                let mut device = Self::claim(spec, c"vdev", opened.device, opened.port)?;
                device.rx_queues = opened.rx_queues;
                Ok(device)
            }
            _ => Self::make(spec, config),
        }
    }

    /// Makes a virtual device.
    fn make(spec: &PortSpec, config: &PortConfig) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Some(device) = spec.as_virtual(config)? else {
            return Err(Error::call(
                "rte_eal_hotplug_add",
                spec.to_string(),
                Errno(libc::EINVAL),
            ));
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = c_string("device", &format!("{}{number}", device.driver))?;
        let arguments = c_string("driver arguments", &device.arguments)?;
        // SAFETY: The EAL is up; all strings end in NUL and are copied.
        let answer = unsafe {
            sys::rte_eal_hotplug_add(c"vdev".as_ptr(), name.as_ptr(), arguments.as_ptr())
        };
        spec::found("rte_eal_hotplug_add", spec, answer)?;
        let port = by_name(spec, &name)?;
        Self::claim(spec, c"vdev", name, port)
    }

    /// Finds a PCI device, which the EAL has probed at start if it was in its list.
    fn pci(spec: &PortSpec, address: &str) -> Result<Self, Error> {
        let name = c_string("PCI address", address)?;
        let port = by_name(spec, &name).or_else(|_| {
            // SAFETY: The EAL is up; the string ends in NUL and is copied.
            let answer = unsafe { sys::rte_dev_probe(name.as_ptr()) };
            spec::found("rte_dev_probe", spec, answer)?;
            by_name(spec, &name)
        })?;
        Self::claim(spec, c"pci", name, port)
    }

    /// Takes the one claim to a port.
    fn claim(spec: &PortSpec, bus: &'static CStr, name: CString, port: u16) -> Result<Self, Error> {
        if !open_ports().insert(port) {
            return Err(Error::Open {
                port: spec.to_string(),
            });
        }
        Ok(Self {
            port,
            rx_queues: 0,
            bus,
            name,
            kept: false,
        })
    }

    pub(super) const fn keep(mut self) -> Self {
        self.kept = true;
        self
    }

    pub(super) fn remove(&mut self) {
        self.kept = true;
        // SAFETY: The port is open and not started: nobody has queues of it.
        unsafe { sys::rte_eth_dev_close(self.port) };
        // Closing has done what matters; a bus that cannot remove says so in the log.
        // SAFETY: All strings end in NUL.
        unsafe { sys::rte_eal_hotplug_remove(self.bus.as_ptr(), self.name.as_ptr()) };
        open_ports().remove(&self.port);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if !self.kept {
            self.remove();
        }
    }
}

fn by_name(spec: &PortSpec, name: &CStr) -> Result<u16, Error> {
    let mut port = 0;
    // SAFETY: The EAL is up; the name ends in NUL; the number is ours to change.
    let answer = unsafe { sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) };
    spec::found("rte_eth_dev_get_port_by_name", spec, answer)?;
    Ok(port)
}

/// The ports that are open: a second `Port` of one would give its queues out again.
fn open_ports() -> MutexGuard<'static, BTreeSet<u16>> {
    static OPEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
