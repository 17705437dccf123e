//! The device behind a port: `kind:details`.

use std::fmt;

use thiserror::Error;

use crate::Problem;
use crate::reader::{Environment, Scalar};

/// What a DPDK port is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Device {
    /// `pci:0000:03:02.0`, a NIC or a virtual function; also from `env:PCIDEVICE_…`.
    Pci(PciAddress),
    /// `af_xdp:IF`, a kernel interface by `AF_XDP`.
    AfXdp(LinkName),
    /// `af_packet:IF`, a kernel interface by packet socket.
    AfPacket(LinkName),
    /// `tap:NAME`, a kernel TAP interface that is made at start.
    Tap(LinkName),
    /// `memif:SOCKET[,id=N][,role=client|server]`, shared memory with another process.
    Memif {
        /// Path of the socket.
        socket: String,
        /// Which interface of the socket.
        id: u32,
        /// Who listens.
        role: MemifRole,
    },
    /// `vhost:PATH`, the backend of a virtual machine's or container's virtio device.
    Vhost {
        /// Path of the socket.
        path: String,
    },
    /// `pcap:RX[,TX]`, packets from one capture file and into another.
    Pcap {
        /// File that is received from.
        rx: String,
        /// File that is sent to; without one, what is sent is dropped.
        tx: Option<String>,
    },
    /// `ring:NAME`, a ring of memory: what is sent is received again.
    Ring(LinkName),
    /// `null:`, receives nothing and swallows all.
    Null,
}

/// The address of a PCI device: `domain:bus:device.function`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// PCI domain.
    pub domain: u16,
    /// Bus.
    pub bus: u8,
    /// Device (slot), 0–31.
    pub device: u8,
    /// Function, 0–7.
    pub function: u8,
}

/// The name of a network interface of the kernel, 1 to 15 characters; also of a ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

/// Which end of a memif listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemifRole {
    /// Connects to the socket.
    Client,
    /// Makes the socket.
    Server,
}

/// Why a device cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceProblem {
    /// No such kind.
    #[error("expected a kind of device before a colon, one of {}", KINDS.join(", "))]
    Kind,
    /// Not a PCI address.
    #[error("expected a PCI address such as 0000:03:02.0 in \"{found}\"")]
    Pci {
        /// What is there.
        found: String,
    },
    /// Not a name of an interface.
    #[error("expected an interface name of 1 to 15 characters without spaces, commas or slashes")]
    LinkName,
    /// Not a path that DPDK accepts.
    #[error("expected a path of 1 to 100 characters without spaces or commas")]
    Path,
    /// An option that the kind does not have.
    #[error("unknown option \"{option}\", expected {expected}")]
    Option {
        /// The option.
        option: String,
        /// What there is.
        expected: &'static str,
    },
    /// Something after `null:`.
    #[error("expected nothing after \"null:\"")]
    NullDetails,
    /// The variable is not in the environment.
    #[error("the environment has no variable {variable}")]
    VariableUnset {
        /// Its name.
        variable: String,
    },
    /// The variable describes devices as JSON, and does not list them.
    #[error("the variable {variable} holds a description, not an address")]
    VariableDescribes {
        /// Its name.
        variable: String,
    },
    /// The variable holds several addresses, and none was chosen.
    #[error("the variable {variable} holds {count} addresses")]
    VariableAmbiguous {
        /// Its name.
        variable: String,
        /// How many.
        count: usize,
    },
    /// The variable holds fewer addresses than asked for.
    #[error("the variable {variable} has no address with index {index}, it holds {count}")]
    VariableIndex {
        /// Its name.
        variable: String,
        /// Which was asked for, from 0.
        index: usize,
        /// How many it has.
        count: usize,
    },
}

const KINDS: [&str; 10] = [
    "pci:",
    "env:",
    "af_xdp:",
    "af_packet:",
    "tap:",
    "memif:",
    "vhost:",
    "pcap:",
    "ring:",
    "null:",
];

/// Longest path of a UNIX socket, with room for the final zero.
const PATH_LENGTH_MAX: usize = 100;

impl DeviceProblem {
    /// What to do.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Kind => "write for example af_packet:eth1 or pci:0000:03:02.0",
            Self::Pci { .. } => "see `upf doctor` or `lspci -D` for the addresses",
            Self::VariableUnset { .. } => {
                "the SR-IOV device plugin sets it when the container asks for the resource"
            }
            Self::VariableDescribes { .. } => {
                "name the variable without _INFO: the device plugin sets both"
            }
            Self::VariableAmbiguous { .. } => "choose one with `,index=0`, `,index=1`, …",
            Self::VariableIndex { .. } => "ask for more devices, or choose a lower index",
            _ => return None,
        })
    }
}

// ===== impl Device =====

impl Scalar for Device {
    const EXPECTED: &'static str = "a device: pci:, env:, af_xdp:, af_packet:, tap:, memif:, \
                                    vhost:, pcap:, ring: or null:";

    fn shape() -> serde_json::Value {
        let kinds: Vec<&str> = KINDS
            .iter()
            .map(|kind| kind.trim_end_matches(':'))
            .collect();
        crate::json_schema::pattern(&format!("^({}):", kinds.join("|")))
    }

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        device(text, environment).map_err(|problem| Problem::Device {
            found: text.to_owned(),
            problem,
        })
    }
}

fn device(text: &str, environment: Environment<'_>) -> Result<Device, DeviceProblem> {
    let (kind, details) = text.split_once(':').ok_or(DeviceProblem::Kind)?;
    Ok(match kind {
        "pci" => Device::Pci(pci(details)?),
        "env" => Device::Pci(from_environment(details, environment)?),
        "af_xdp" => Device::AfXdp(LinkName::parse(details)?),
        "af_packet" => Device::AfPacket(LinkName::parse(details)?),
        "tap" => Device::Tap(LinkName::parse(details)?),
        "memif" => memif(details)?,
        "vhost" => Device::Vhost {
            path: path(details)?,
        },
        "pcap" => match details.split_once(',') {
            Some((rx, tx)) => Device::Pcap {
                rx: path(rx)?,
                tx: Some(path(tx)?),
            },
            None => Device::Pcap {
                rx: path(details)?,
                tx: None,
            },
        },
        "ring" => Device::Ring(LinkName::parse(details)?),
        "null" if details.is_empty() => Device::Null,
        "null" => return Err(DeviceProblem::NullDetails),
        _ => return Err(DeviceProblem::Kind),
    })
}

fn memif(details: &str) -> Result<Device, DeviceProblem> {
    const OPTIONS: &str = "id=NUMBER or role=client|server";
    let mut parts = details.split(',');
    let socket = path(parts.next().unwrap_or_default())?;
    let (mut id, mut role) = (0, MemifRole::Client);
    for option in parts {
        let unknown = || DeviceProblem::Option {
            option: option.to_owned(),
            expected: OPTIONS,
        };
        match option.split_once('=').ok_or_else(unknown)? {
            ("id", number) => id = number.parse().map_err(|_| unknown())?,
            ("role", "client") => role = MemifRole::Client,
            ("role", "server") => role = MemifRole::Server,
            _ => return Err(unknown()),
        }
    }
    Ok(Device::Memif { socket, id, role })
}

/// `VARIABLE[,index=N]`: the SR-IOV device plugin lists the PCI addresses that it granted.
fn from_environment(
    details: &str,
    environment: Environment<'_>,
) -> Result<PciAddress, DeviceProblem> {
    let (variable, index) = match details.split_once(',') {
        None => (details, None),
        Some((variable, option)) => {
            let unknown = || DeviceProblem::Option {
                option: option.to_owned(),
                expected: "index=NUMBER",
            };
            let index = option.strip_prefix("index=").ok_or_else(unknown)?;
            (
                variable,
                Some(index.parse::<usize>().map_err(|_| unknown())?),
            )
        }
    };
    let named = || variable.to_owned();
    let (_, value) = environment
        .iter()
        .find(|(name, _)| name == variable)
        .ok_or_else(|| DeviceProblem::VariableUnset { variable: named() })?;
    if value.trim_start().starts_with('{') {
        return Err(DeviceProblem::VariableDescribes { variable: named() });
    }
    let addresses: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty())
        .collect();
    let count = addresses.len();
    if index.is_none() && count > 1 {
        return Err(DeviceProblem::VariableAmbiguous {
            variable: named(),
            count,
        });
    }
    let index = index.unwrap_or_default();
    let address = addresses
        .get(index)
        .ok_or_else(|| DeviceProblem::VariableIndex {
            variable: named(),
            index,
            count,
        })?;
    pci(address)
}

fn pci(text: &str) -> Result<PciAddress, DeviceProblem> {
    pci_parts(text).ok_or_else(|| DeviceProblem::Pci {
        found: text.to_owned(),
    })
}

/// `[domain:]bus:device.function`, hexadecimal.
fn pci_parts(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let hex = |text: &str, digits: usize| {
        let well_formed = (1..=digits).contains(&text.len())
            && text.chars().all(|character| character.is_ascii_hexdigit());
        if well_formed {
            u16::from_str_radix(text, 16).ok()
        } else {
            None
        }
    };
    let address = PciAddress {
        domain: hex(domain, 4)?,
        bus: hex(bus, 2)?.try_into().ok()?,
        device: hex(device, 2)?.try_into().ok()?,
        function: hex(function, 1)?.try_into().ok()?,
    };
    (address.device < 32 && address.function < 8).then_some(address)
}

fn path(text: &str) -> Result<String, DeviceProblem> {
    let good = |character: char| !character.is_whitespace() && !matches!(character, ',' | '\0');
    if (1..=PATH_LENGTH_MAX).contains(&text.len()) && text.chars().all(good) {
        Ok(text.to_owned())
    } else {
        Err(DeviceProblem::Path)
    }
}

impl LinkName {
    fn parse(text: &str) -> Result<Self, DeviceProblem> {
        let good = |character: char| {
            character.is_ascii_graphic() && !matches!(character, ',' | '/' | ':' | '%')
        };
        let reserved = matches!(text, "." | "..");
        if (1..=15).contains(&text.len()) && text.chars().all(good) && !reserved {
            Ok(Self(text.to_owned()))
        } else {
            Err(DeviceProblem::LinkName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

impl fmt::Display for MemifRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => write!(f, "pci:{address}"),
            Self::AfXdp(name) => write!(f, "af_xdp:{name}"),
            Self::AfPacket(name) => write!(f, "af_packet:{name}"),
            Self::Tap(name) => write!(f, "tap:{name}"),
            Self::Memif { socket, id, role } => write!(f, "memif:{socket},id={id},role={role}"),
            Self::Vhost { path } => write!(f, "vhost:{path}"),
            Self::Pcap { rx, tx: Some(tx) } => write!(f, "pcap:{rx},{tx}"),
            Self::Pcap { rx, tx: None } => write!(f, "pcap:{rx}"),
            Self::Ring(name) => write!(f, "ring:{name}"),
            Self::Null => f.write_str("null:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Device, DeviceProblem> {
        let environment = [
            ("PCIDEVICE_ONE".to_owned(), "0000:03:02.0".to_owned()),
            (
                "PCIDEVICE_TWO".to_owned(),
                "0000:03:02.1,0000:03:02.2".to_owned(),
            ),
            ("PCIDEVICE_BAD".to_owned(), "eth0".to_owned()),
            (
                "PCIDEVICE_ONE_INFO".to_owned(),
                r#"{"0000:03:02.0":{"generic":{"deviceID":"0000:03:02.0"}}}"#.to_owned(),
            ),
        ];
        device(text, &environment)
    }

    #[test]
    fn every_kind_reads_back_what_it_prints() {
        for text in [
            "pci:0000:03:02.0",
            "af_xdp:eth0",
            "af_packet:veth-ran",
            "tap:upf0",
            "memif:/run/memif.sock,id=3,role=server",
            "vhost:/run/vhost.sock",
            "pcap:in.pcap",
            "pcap:in.pcap,out.pcap",
            "ring:r0",
            "null:",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn pci_address_may_leave_the_domain_out() {
        assert_eq!(parse("pci:3:1f.7").unwrap().to_string(), "pci:0000:03:1f.7");
    }

    #[test]
    fn pci_address_of_the_device_plugin() {
        assert_eq!(
            parse("env:PCIDEVICE_ONE").unwrap().to_string(),
            "pci:0000:03:02.0"
        );
        assert_eq!(
            parse("env:PCIDEVICE_TWO,index=1").unwrap().to_string(),
            "pci:0000:03:02.2"
        );
        let variable = "PCIDEVICE_TWO".to_owned();
        assert_eq!(
            parse("env:PCIDEVICE_TWO"),
            Err(DeviceProblem::VariableAmbiguous {
                variable: variable.clone(),
                count: 2
            })
        );
        assert_eq!(
            parse("env:PCIDEVICE_TWO,index=2"),
            Err(DeviceProblem::VariableIndex {
                variable,
                index: 2,
                count: 2
            })
        );
        assert_eq!(
            parse("env:PCIDEVICE_NONE"),
            Err(DeviceProblem::VariableUnset {
                variable: "PCIDEVICE_NONE".to_owned()
            })
        );
        let described = parse("env:PCIDEVICE_ONE_INFO").unwrap_err();
        let variable = "PCIDEVICE_ONE_INFO".to_owned();
        assert_eq!(described, DeviceProblem::VariableDescribes { variable });
        assert!(described.advice().unwrap().contains("without _INFO"));
        assert_eq!(
            parse("env:PCIDEVICE_BAD"),
            Err(DeviceProblem::Pci {
                found: "eth0".to_owned()
            })
        );
    }

    #[test]
    fn what_is_no_device_is_refused() {
        use DeviceProblem as P;
        let option = |option: &str, expected| P::Option {
            option: option.to_owned(),
            expected,
        };
        let memif = "id=NUMBER or role=client|server";
        for (text, problem) in [
            ("eth0", P::Kind),
            ("dpdk:eth0", P::Kind),
            (
                "pci:0000:03:20.0",
                P::Pci {
                    found: "0000:03:20.0".to_owned(),
                },
            ),
            (
                "pci:+3:02.0",
                P::Pci {
                    found: "+3:02.0".to_owned(),
                },
            ),
            ("tap:", P::LinkName),
            ("tap:a-name-that-is-too-long", P::LinkName),
            ("tap:a,iface=b", P::LinkName),
            ("vhost:/a b", P::Path),
            ("memif:/a,id=x", option("id=x", memif)),
            ("memif:/a,mac=1", option("mac=1", memif)),
            ("pcap:a,b,c", P::Path),
            ("null:x", P::NullDetails),
            ("env:X,0", option("0", "index=NUMBER")),
        ] {
            assert_eq!(parse(text), Err(problem), "{text}");
        }
    }
}
