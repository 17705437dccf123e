//! How a port fares, for those who do not own it.

use std::sync::Arc;

use dpdk_sys as sys;

use super::{Link, PortStats};
use crate::Error;
use crate::eal::control;
use crate::error::check;

/// A look at a port, from anywhere. It does not keep the port open: once that is closed, what is
/// asked is an error.
#[derive(Clone, Debug)]
pub struct PortView {
    port: u16,
    name: Arc<str>,
}

impl PortView {
    pub(super) fn new(port: u16, name: &str) -> Self {
        Self {
            port,
            name: name.into(),
        }
    }

    /// The state of its link.
    ///
    /// # Errors
    /// When the device does not say.
    pub fn link(&self) -> Result<Link, Error> {
        let _one_at_a_time = control();
        let mut link = sys::shim_link {
            speed_mbps: 0,
            up: 0,
            full_duplex: 0,
        };
        // SAFETY: DPDK knows a number without a port for one; the struct is written whole.
        let answer = unsafe { sys::shim_port_link(self.port, &raw mut link) };
        check("rte_eth_link_get_nowait", &self.name, answer)?;
        Ok(Link {
            up: link.up != 0,
            speed_mbps: Some(link.speed_mbps).filter(|&speed| speed != 0 && speed != u32::MAX),
            full_duplex: link.full_duplex != 0,
        })
    }

    /// What it has counted. Queues may be in use meanwhile.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn stats(&self) -> Result<PortStats, Error> {
        let _one_at_a_time = control();
        let mut raw = sys::shim_stats {
            ipackets: 0,
            opackets: 0,
            ibytes: 0,
            obytes: 0,
            imissed: 0,
            ierrors: 0,
            oerrors: 0,
            rx_nombuf: 0,
        };
        // SAFETY: DPDK knows a number without a port for one; the struct is written whole.
        let answer = unsafe { sys::shim_port_stats(self.port, &raw mut raw) };
        check("rte_eth_stats_get", &self.name, answer)?;
        let sys::shim_stats {
            ipackets,
            opackets,
            ibytes,
            obytes,
            imissed,
            ierrors,
            oerrors,
            rx_nombuf,
        } = raw;
        Ok(PortStats {
            ipackets,
            opackets,
            ibytes,
            obytes,
            imissed,
            ierrors,
            oerrors,
            rx_nombuf,
        })
    }
}
