//! A UPF between two wires whose far ends are held here: every frame in, every frame out, with no
//! kernel in between.
//!
//! The wires are TAP interfaces in a namespace; `upf run` has its N3 and N6 on them by packet
//! socket. N4 is the loopback interface of the namespace.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use simulator::{Smf, SmfConfig};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::folder::Folder;
use crate::namespace::Namespace;
use crate::process::{Process, run_upf};

/// Which wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Towards the gNBs.
    N3,
    /// Towards the data network.
    N6,
}

/// The SMF's address on N4.
pub const SMF: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 10, 4, 2));
/// The UPF's address on N4.
pub const N4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 10, 4, 7));
/// The UPF's address on N3.
pub const N3: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 10, 3, 7));

/// The configuration of a UPF on the interfaces `n3` and `n6` of its namespace, with the addresses
/// of the recordings.
pub const CONFIGURATION: &str = r#"
node:
  id: 10.10.4.7
pfcp:
  address: 10.10.4.7
ports:
  - { name: ran, device: "af_packet:n3", mtu: 1600 }
  - { name: core, device: "af_packet:n6", mtu: 1600 }
interfaces:
  - name: n3
    role: n3
    port: ran
    addresses: [10.10.3.7/24, "2001:db8:3::7/64"]
    routes:
      - { to: 0.0.0.0/0, via: 10.10.3.1 }
      - { to: "::/0", via: "2001:db8:3::1" }
  - name: n6
    role: n6
    port: core
    addresses: [10.10.6.7/24, "2001:db8:6::7/64"]
    routes:
      - { to: 0.0.0.0/0, via: 10.10.6.1 }
      - { to: "::/0", via: "2001:db8:6::1" }
networks:
  - { name: "*", interface: n6, ue_pools: [10.45.0.0/16, "2001:db8:cafe::/48"], mtu: 1500 }
# The UPF of the recordings does not supervise its peers.
gtpu:
  echo: { interval_s: 0 }
memory:
  hugepages: none
  buffers: 16384
log:
  level: warn
"#;

/// How many heartbeats a UPF that starts may leave unanswered.
const HEARTBEATS_MAX: usize = 100;

/// A UPF and the far ends of its wires.
pub struct Wire {
    // In the order in which they have to go: process, devices, namespace, files.
    process: Process,
    n3: SyncDevice,
    n6: SyncDevice,
    namespace: Namespace,
    folder: Folder,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire")
            .field("process", &self.process)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Wire {
    /// Starts a UPF. Needs root.
    ///
    /// # Errors
    /// When the namespace, the wires or the process cannot be made.
    pub fn start() -> anyhow::Result<Self> {
        let folder = Folder::new("wire")?;
        let namespace = Namespace::new("wire")?;
        let n3 = tap(&namespace, "n3")?;
        let n6 = tap(&namespace, "n6")?;
        for address in ["10.10.4.7/32", "10.10.4.2/32"] {
            namespace.address("lo", address)?;
        }
        let process = run_upf(&namespace, folder.path(), CONFIGURATION)?;
        Ok(Self {
            process,
            n3,
            n6,
            namespace,
            folder,
            buffer: vec![0; 65_536],
        })
    }

    /// An SMF on N4; waits until the UPF answers it.
    ///
    /// # Errors
    /// When the UPF ends, or does not answer.
    pub fn smf(&mut self) -> anyhow::Result<Smf> {
        let mut config = SmfConfig::new(SMF, N4);
        config.t1 = Duration::from_millis(200);
        config.n1 = 0;
        let socket = self.namespace.udp("10.10.4.2:8805")?;
        let mut smf = Smf::on(socket, config)?;
        for _ in 0..HEARTBEATS_MAX {
            if smf.heartbeat().is_ok() {
                smf.set_retransmission(Duration::from_secs(2), 2);
                return Ok(smf);
            }
            if !self.process.is_running() {
                break;
            }
        }
        bail!(
            "no heartbeat from the UPF, whose log is:\n{}",
            self.process.log()
        )
    }

    /// The namespace.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The UPF.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The folder of its files.
    pub const fn folder(&mut self) -> &mut Folder {
        &mut self.folder
    }

    /// Sends a frame into the UPF.
    ///
    /// # Errors
    /// When the device refuses it.
    pub fn send(&self, side: Side, frame: &[u8]) -> anyhow::Result<()> {
        self.device(side)
            .send(frame)
            .with_context(|| format!("{side:?}"))?;
        Ok(())
    }

    /// The next frame that comes out of the UPF, within this time.
    ///
    /// # Errors
    /// When a device fails.
    pub fn receive(&mut self, within: Duration) -> anyhow::Result<Option<(Side, Vec<u8>)>> {
        let mut fds = [
            PollFd::new(&self.n3, PollFlags::IN),
            PollFd::new(&self.n6, PollFlags::IN),
        ];
        let timeout = Timespec {
            tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: within.subsec_nanos().into(),
        };
        if poll(&mut fds, Some(&timeout))? == 0 {
            return Ok(None);
        }
        let is_n3 = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        let side = if is_n3 { Side::N3 } else { Side::N6 };
        let device = if is_n3 { &self.n3 } else { &self.n6 };
        let length = device.recv(&mut self.buffer)?;
        let frame = self.buffer.get(..length).unwrap_or_default().to_vec();
        Ok(Some((side, frame)))
    }

    fn device(&self, side: Side) -> &SyncDevice {
        match side {
            Side::N3 => &self.n3,
            Side::N6 => &self.n6,
        }
    }
}

fn tap(namespace: &Namespace, name: &str) -> anyhow::Result<SyncDevice> {
    let device = namespace
        .enter(|| {
            DeviceBuilder::new()
                .name(name)
                .layer(Layer::L2)
                .mtu(9000)
                .build_sync()
        })?
        .context("/dev/net/tun")?;
    namespace.hands_off(name)?;
    namespace.up(name)?;
    Ok(device)
}

/// The time, for tests that have to wait for a process.
#[allow(
    clippy::disallowed_methods,
    reason = "the peer is a process, which lives in real time"
)]
pub fn now() -> Instant {
    Instant::now()
}
