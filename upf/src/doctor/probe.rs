//! What only trying shows: sockets, addresses, NAT. Bounded: a second for each SMF.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use config::{Config, Device, Host, PeerAddress};
use pfcp::{Header, HeartbeatRequest, Message, RecoveryTimeStamp};

use super::Addressed;

/// How long an SMF is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is asked.
const ATTEMPTS: u32 = 2;

/// What was tried, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    /// The N4 socket.
    pub n4: N4Socket,
    /// The SMFs of `pfcp.smf`, as they stand there.
    pub smfs: Vec<(String, Heartbeat)>,
    /// Addresses of the kernel.
    pub addresses: Vec<Addressed>,
    /// Interfaces of ports whose driver or kernel joins packets before they are received, and the
    /// features that do it.
    pub joins_packets: Vec<(String, Vec<&'static str>)>,
    /// Gateways that were asked for their Ethernet address, and whether they answered.
    pub gateways: Vec<(IpAddr, bool)>,
    /// Whether there is a rule for source NAT; `None` if that cannot be seen.
    pub masquerades: Option<bool>,
}

/// What came of the attempt to listen on N4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum N4Socket {
    /// No configuration says where.
    #[default]
    NotTried,
    /// It can be had.
    Free,
    /// A PFCP node has it, and answers.
    Answers,
    /// It cannot be had.
    Failed(ErrorKind),
}

/// What came of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// It was answered.
    Answered,
    /// Nothing came.
    Silent,
    /// The host says that nobody listens.
    Refused,
    /// There is no way.
    Unreachable(String),
    /// The name has no address.
    NoAddress,
}

impl Probes {
    /// Tries everything that `config` names.
    pub fn make(config: Option<&Config>) -> Self {
        let mut probes = Self {
            addresses: addresses(),
            ..Self::default()
        };
        if let Some(config) = config {
            probes.masquerades = masquerades();
            probes.joins_packets = joins_packets(config);
            probes.gateways = gateways(config);
            probes.ask(config);
        }
        probes
    }

    /// SMFs are asked from the N4 socket, and only if no UPF has it: an SMF that is associated
    /// with a UPF at work would take a heartbeat of this process for that UPF's restart.
    fn ask(&mut self, config: &Config) {
        let here = SocketAddr::new(config.pfcp.address, config.pfcp.port);
        let socket = match UdpSocket::bind(here) {
            Ok(socket) => socket,
            Err(error) => {
                self.n4 = N4Socket::Failed(error.kind());
                if error.kind() == ErrorKind::AddrInUse && answers(here) {
                    self.n4 = N4Socket::Answers;
                }
                return;
            }
        };
        self.n4 = N4Socket::Free;
        let smfs = config.pfcp.smf.iter();
        self.smfs = smfs
            .map(|smf| (smf.to_string(), greet(&socket, smf)))
            .collect();
    }
}

fn answers(node: SocketAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(node.ip(), 0))
        .is_ok_and(|socket| matches!(heartbeat(&socket, node), Heartbeat::Answered))
}

fn greet(socket: &UdpSocket, smf: &PeerAddress) -> Heartbeat {
    let found = match &smf.host {
        Host::Address(address) => Some(SocketAddr::new(*address, smf.port)),
        Host::Name(name) => (name.as_str(), smf.port)
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next()),
    };
    found.map_or(Heartbeat::NoAddress, |smf| heartbeat(socket, smf))
}

fn heartbeat(socket: &UdpSocket, node: SocketAddr) -> Heartbeat {
    // Older than any start, so that it never looks like one.
    let request = HeartbeatRequest {
        recovery_time_stamp: RecoveryTimeStamp(1),
        ..HeartbeatRequest::default()
    };
    for sequence in 1..=ATTEMPTS {
        let mut octets = Vec::new();
        let sent = pfcp::encode(&Header::node(sequence), &request, &mut octets).is_ok()
            && socket.connect(node).is_ok()
            && socket.set_read_timeout(Some(PATIENCE)).is_ok();
        if !sent {
            return Heartbeat::Unreachable("no route".to_owned());
        }
        if let Err(error) = socket.send(&octets) {
            match error.kind() {
                // The answer to an earlier datagram.
                ErrorKind::ConnectionRefused => return Heartbeat::Refused,
                _ => return Heartbeat::Unreachable(error.to_string()),
            }
        }
        let mut room = [0; 2048];
        match socket.recv(&mut room) {
            Ok(length) if is_answer(room.get(..length).unwrap_or_default()) => {
                return Heartbeat::Answered;
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Heartbeat::Refused;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Heartbeat::Unreachable(error.to_string()),
        }
    }
    Heartbeat::Silent
}

fn is_answer(octets: &[u8]) -> bool {
    pfcp::decode(octets)
        .is_ok_and(|decoded| matches!(decoded.message, Message::HeartbeatResponse(_)))
}

fn addresses() -> Vec<Addressed> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    interfaces
        .filter_map(|interface| {
            let storage = interface.address?;
            let four = storage
                .as_sockaddr_in()
                .map(|address| IpAddr::V4(address.ip()));
            let six = storage
                .as_sockaddr_in6()
                .map(|address| IpAddr::V6(address.ip()));
            let address = four.or(six)?;
            (!address.is_loopback()).then_some(Addressed {
                link: interface.interface_name,
                address,
            })
        })
        .collect()
}

/// How many gateways are asked, a second each at most.
const GATEWAYS_MAX: usize = 4;

/// Asks the IPv4 gateways behind interfaces of the kernel, as if for an address of our own
/// (RFC 5227): that needs no address, and changes no neighbour's table.
fn gateways(config: &Config) -> Vec<(IpAddr, bool)> {
    let routes = config.interfaces.iter().flat_map(|interface| {
        let device = config.port(&interface.port).map(|port| &port.device);
        let link = match device {
            Some(Device::AfPacket(link) | Device::AfXdp(link)) if interface.vlan.is_none() => {
                Some(link.as_str())
            }
            _ => None,
        };
        let routes = interface.routes.iter();
        routes.filter_map(move |route| Some((link?, route.via)))
    });
    let asked = routes.filter(|(_, via)| via.is_ipv4()).take(GATEWAYS_MAX);
    asked
        .filter_map(|(link, via)| {
            let mut command = Command::new("arping");
            let command = command.args(["-D", "-q", "-c", "1", "-w", "1", "-I", link]);
            let output = command
                .arg(via.to_string())
                .stdin(Stdio::null())
                .output()
                .ok()?;
            // Somebody who has the address is what duplicate detection calls a failure; what it
            // could not do, it complains about.
            let answered = output.status.code()? == 1;
            output.stderr.is_empty().then_some((via, answered))
        })
        .collect()
}

/// Features of `ethtool -k` that join packets, with their short names for `-K`.
const JOINERS: [(&str, &str); 3] = [
    ("generic-receive-offload: on", "gro"),
    ("large-receive-offload: on", "lro"),
    ("rx-gro-hw: on", "rx-gro-hw"),
];

fn joins_packets(config: &Config) -> Vec<(String, Vec<&'static str>)> {
    let ports = config.ports.iter();
    let links = ports.filter_map(|port| match &port.device {
        Device::AfPacket(link) => Some(link.as_str()),
        _ => None,
    });
    links
        .filter_map(|link| {
            let listed = output("ethtool", &["-k", link])?;
            let has = |feature: &str| listed.lines().any(|line| line.trim().starts_with(feature));
            let joiners = JOINERS.iter().filter(|(feature, _)| has(feature));
            Some((link.to_owned(), joiners.map(|(_, short)| *short).collect()))
        })
        .collect()
}

/// Whether nftables or iptables has a rule for source NAT. Both want `CAP_NET_ADMIN`.
fn masquerades() -> Option<bool> {
    let lists = [
        output("nft", &["list", "ruleset"]),
        output("iptables-save", &["-t", "nat"]),
    ];
    let words = ["masquerade", "MASQUERADE", "snat to", "-j SNAT"];
    let mut known = lists.iter().flatten().peekable();
    known.peek()?;
    Some(known.any(|list| words.iter().any(|word| list.contains(word))))
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let listed = output.status.success();
    listed.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
