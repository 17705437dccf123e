//! Which device a port is, and what its driver is told.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::check;
use crate::{Error, PortConfig};

/// An Ethernet address; prints as `02:00:00:00:00:01`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let colon = if index > 0 { ":" } else { "" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

/// Which side of a memif connection makes the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemifRole {
    /// Makes it and waits.
    Server,
    /// Connects to it.
    Client,
}

/// Which end of a ring port pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingSide {
    /// One.
    A,
    /// The other.
    B,
}

impl RingSide {
    pub(super) const fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }
}

/// Which device a port is. Prints as the configuration writes it, `af_packet:n3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSpec {
    /// A PCI device bound to a driver of DPDK; it must be in [`crate::EalConfig::pci`].
    Pci {
        /// `0000:81:00.1`.
        address: String,
    },
    /// A kernel interface through a packet socket. Needs `CAP_NET_RAW`, and is looked up in the
    /// network namespace of the thread that opens it. The kernel sees the packets too: give the
    /// interface no address. Frames longer than the ring's slots are cut or dropped, so turn off
    /// segmentation offloads of what sends to it.
    AfPacket {
        /// Its name.
        interface: String,
    },
    /// A kernel interface through an XDP socket. Needs `CAP_NET_RAW`, `CAP_NET_ADMIN`, `CAP_BPF`,
    /// and a kernel and driver that can: where it fails to open, [`PortSpec::AfPacket`] is the way.
    AfXdp {
        /// Its name.
        interface: String,
        /// The first of its queues to use.
        queue: u16,
        /// Copy packets though the driver could do without.
        force_copy: bool,
    },
    /// An interface made for us: the kernel's end has this name. Needs `CAP_NET_ADMIN`.
    Tap {
        /// Its name.
        name: String,
        /// The kernel's Ethernet address for it; any when none.
        mac: Option<MacAddress>,
    },
    /// Shared memory with another process.
    Memif {
        /// The socket by which both sides meet.
        socket: PathBuf,
        /// Which connection of that socket.
        id: u32,
        /// Which side makes it.
        role: MemifRole,
    },
    /// The host side of a vhost-user connection.
    VhostUser {
        /// The socket.
        path: PathBuf,
        /// Connect to the socket, instead of making it.
        client: bool,
    },
    /// The guest side of a vhost-user connection.
    VirtioUser {
        /// The socket.
        path: PathBuf,
        /// Make the socket, instead of connecting to it.
        server: bool,
        /// Its Ethernet address; any when none.
        mac: Option<MacAddress>,
    },
    /// Capture files, with one queue each way. What is sent without a file to go to is dropped.
    Pcap {
        /// What to receive.
        rx: Option<PathBuf>,
        /// Where to write what is sent.
        tx: Option<PathBuf>,
    },
    /// One end of a pair joined back to back in memory; the other end is opened by the same name.
    /// The two sides may differ in their numbers of queues.
    Ring {
        /// Name of the pair; at most 16 octets.
        name: String,
        /// Which end.
        side: RingSide,
        /// Packets that fit in each queue.
        size: u32,
    },
    /// Receives empty packets without end and drops what is sent.
    Null {
        /// Octets of each.
        size: u16,
        /// Copy the octets, as a card would touch them.
        copy: bool,
    },
    /// Receives nothing and drops what is sent.
    Silent,
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci { address } => write!(f, "pci:{address}"),
            Self::AfPacket { interface } => write!(f, "af_packet:{interface}"),
            Self::AfXdp { interface, .. } => write!(f, "af_xdp:{interface}"),
            Self::Tap { name, .. } => write!(f, "tap:{name}"),
            Self::Memif { socket, id, .. } => write!(f, "memif:{}#{id}", socket.display()),
            Self::VhostUser { path, .. } => write!(f, "vhost:{}", path.display()),
            Self::VirtioUser { path, .. } => write!(f, "virtio_user:{}", path.display()),
            Self::Pcap { rx, tx } => {
                let name = |path: &Option<PathBuf>| {
                    path.as_deref()
                        .unwrap_or(Path::new(""))
                        .display()
                        .to_string()
                };
                write!(f, "pcap:{},{}", name(rx), name(tx))
            }
            Self::Ring { name, side, .. } => write!(f, "ring:{name}/{}", side.letter()),
            Self::Null { .. } | Self::Silent => f.write_str("null:"),
        }
    }
}

/// A device's driver and what it is told.
#[derive(Debug)]
pub(super) struct Virtual {
    /// Its number is appended to make a name.
    pub(super) driver: &'static str,
    pub(super) arguments: String,
}

/// Largest frame around an IP packet: addresses, type, two VLAN headers.
const FRAME_OVERHEAD: u32 = 14 + 2 * 4;

impl PortSpec {
    /// Whether the other side spreads packets over all queue pairs, so that each must be read,
    /// and each must be whole.
    pub(super) const fn spreads_over_pairs(&self) -> bool {
        matches!(
            self,
            Self::AfPacket { .. }
                | Self::AfXdp { .. }
                | Self::Tap { .. }
                | Self::Memif { .. }
                | Self::VhostUser { .. }
                | Self::VirtioUser { .. }
        )
    }

    /// Octets that a buffer must hold for this driver, where that is more than a frame.
    pub(super) fn buffer_need(&self, config: &PortConfig) -> Option<u32> {
        // The driver wants room for a whole slot, less TPACKET2_HDRLEN.
        matches!(self, Self::AfPacket { .. }).then(|| slot(config).saturating_sub(52))
    }

    /// The virtual device to make; none for those that are there, or made otherwise.
    pub(super) fn as_virtual(&self, config: &PortConfig) -> Result<Option<Virtual>, Error> {
        let queues = config.rx_queues.max(config.tx_queues);
        let (driver, arguments) = match self {
            Self::Pci { .. } | Self::Ring { .. } => return Ok(None),
            Self::AfPacket { interface } => (
                "net_af_packet",
                af_packet(argument("interface", interface)?, config, queues),
            ),
            Self::AfXdp {
                interface,
                queue,
                force_copy,
            } => (
                "net_af_xdp",
                format!(
                    "iface={},start_queue={queue},queue_count={queues}{}",
                    argument("interface", interface)?,
                    if *force_copy { ",force_copy=1" } else { "" }
                ),
            ),
            Self::Tap { name, mac } => {
                let mac = mac.map(|mac| format!(",mac={mac}")).unwrap_or_default();
                (
                    "net_tap",
                    format!("iface={}{mac}", argument("interface", name)?),
                )
            }
            Self::Memif { socket, id, role } => {
                let role = if *role == MemifRole::Server {
                    "server"
                } else {
                    "client"
                };
                let socket = path("memif socket", socket)?;
                (
                    "net_memif",
                    format!("role={role},id={id},socket={socket},socket-abstract=no"),
                )
            }
            Self::VhostUser {
                path: socket,
                client,
            } => (
                "net_vhost",
                format!(
                    "iface={},queues={queues},client={}",
                    path("socket", socket)?,
                    u8::from(*client)
                ),
            ),
            Self::VirtioUser {
                path: socket,
                server,
                mac,
            } => {
                let mac = mac.map(|mac| format!(",mac={mac}")).unwrap_or_default();
                let socket = path("socket", socket)?;
                (
                    "net_virtio_user",
                    format!(
                        "path={socket},queues={queues},server={}{mac}",
                        u8::from(*server)
                    ),
                )
            }
            Self::Pcap { rx, tx } => ("net_pcap", pcap(rx.as_deref(), tx.as_deref())?),
            Self::Null { size, copy } => ("net_null", endless(*size, *copy)),
            Self::Silent => ("net_null", "no-rx=1".to_owned()),
        };
        Ok(Some(Virtual { driver, arguments }))
    }
}

/// What the kernel puts before the frame in a slot of the packet ring, at most.
const SLOT_HEADER: u32 = 80;
/// Slots to a block. A block is a multiple of the page, which is 65536 octets at most.
const SLOTS_PER_BLOCK: u32 = 64;

/// Octets of a slot that a whole frame fits.
fn slot(config: &PortConfig) -> u32 {
    let frame = u32::from(config.mtu.unwrap_or(1500)) + FRAME_OVERHEAD + SLOT_HEADER;
    frame.next_multiple_of(1024).max(2048)
}

/// As many slots as there are descriptors asked for, in whole blocks.
fn af_packet(interface: &str, config: &PortConfig, queues: u16) -> String {
    let slot = slot(config);
    let block = slot.saturating_mul(SLOTS_PER_BLOCK);
    let descriptors = u32::from(config.rx_descriptors.max(config.tx_descriptors).max(1));
    let slots = descriptors.next_multiple_of(SLOTS_PER_BLOCK);
    format!(
        "iface={interface},qpairs={queues},qdisc_bypass=1,blocksz={block},framesz={slot},framecnt={slots}"
    )
}

fn endless(size: u16, copy: bool) -> String {
    format!("size={size},copy={}", u8::from(copy))
}

fn pcap(rx: Option<&Path>, tx: Option<&Path>) -> Result<String, Error> {
    let mut words = Vec::new();
    if let Some(file) = rx {
        words.push(format!("rx_pcap={}", path("capture file", file)?));
    }
    if let Some(file) = tx {
        words.push(format!("tx_pcap={}", path("capture file", file)?));
    }
    if words.is_empty() {
        return Err(Error::Argument {
            what: "pcap port",
            value: String::new(),
            rule: "it needs a file to receive or a file to write",
        });
    }
    Ok(words.join(","))
}

fn path<'a>(what: &'static str, value: &'a Path) -> Result<&'a str, Error> {
    argument(what, value.to_str().unwrap_or_default())
}

/// A value inside a driver's argument list, which has no way to quote.
fn argument<'a>(what: &'static str, value: &'a str) -> Result<&'a str, Error> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !",=[]()\"'".contains(c);
    if value.is_empty() || !value.chars().all(plain) {
        return Err(Error::Argument {
            what,
            value: value.to_owned(),
            rule: "empty, not UTF-8, or holding a comma, bracket, quote, equals sign or blank",
        });
    }
    Ok(value)
}

/// The answer of a call that makes or finds a device.
pub(super) fn found(call: &'static str, spec: &PortSpec, answer: i32) -> Result<(), Error> {
    check(call, &spec.to_string(), answer).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(mtu: Option<u16>, descriptors: u16) -> String {
        let mut config = PortConfig::without_pool();
        config.mtu = mtu;
        config.rx_descriptors = descriptors;
        config.tx_descriptors = descriptors;
        let spec = PortSpec::AfPacket {
            interface: "n3".into(),
        };
        spec.as_virtual(&config).unwrap().unwrap().arguments
    }

    /// A whole frame fits a slot, slots fill blocks, and there are as many as descriptors.
    #[test]
    fn packet_ring_holds_whole_frames() {
        let ends = |mtu, descriptors, end| assert!(slots(mtu, descriptors).ends_with(end));
        ends(None, 1024, "blocksz=131072,framesz=2048,framecnt=1024");
        ends(
            Some(1946),
            1000,
            "blocksz=131072,framesz=2048,framecnt=1024",
        );
        ends(
            Some(1947),
            1024,
            "blocksz=196608,framesz=3072,framecnt=1024",
        );
        ends(Some(9000), 16, "blocksz=589824,framesz=9216,framecnt=64");
        ends(Some(65_535), 0, "blocksz=4259840,framesz=66560,framecnt=64");
    }

    /// Nothing that a configuration holds can add an argument of its own.
    #[test]
    fn arguments_cannot_be_smuggled() {
        let config = PortConfig::without_pool();
        for name in ["", "n3,qpairs=9", "a b", "a=b", "a\nb", "[x"] {
            let spec = PortSpec::AfPacket {
                interface: name.into(),
            };
            assert!(
                matches!(spec.as_virtual(&config), Err(Error::Argument { .. })),
                "{name:?}"
            );
        }
        let spec = PortSpec::Pcap { rx: None, tx: None };
        assert!(spec.as_virtual(&config).is_err());
    }

    #[test]
    fn names_read_as_configured() {
        let ring = PortSpec::Ring {
            name: "n3".into(),
            side: RingSide::B,
            size: 8,
        };
        assert_eq!(ring.to_string(), "ring:n3/b");
        assert_eq!(
            MacAddress([2, 0, 0, 0, 0, 0x1f]).to_string(),
            "02:00:00:00:00:1f"
        );
    }
}
