//! A gNB whose UE is a TUN or TAP interface: what the kernel sends there goes through the tunnel,
//! and back. So any program can be the UE's.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::Context as _;
use simulator::gtp::{self, Container, Gtp};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// How a gNB is set up.
#[derive(Clone, Debug)]
pub struct GnbConfig {
    /// Its N3 address.
    pub local: IpAddr,
    /// The UPF's N3 address.
    pub upf: IpAddr,
    /// The UPF's TEID.
    pub uplink_teid: u32,
    /// The gNB's own TEID: packets of others are not the UE's.
    pub downlink_teid: u32,
    /// The QoS flow.
    pub qfi: u8,
    /// The name of the interface.
    pub interface: String,
    /// The UE sends and receives Ethernet frames, and its interface has this MAC address.
    pub mac: Option<[u8; 6]>,
}

/// Carries packets between the interface and the tunnel until one of them fails. End markers,
/// Error Indications and packets of other tunnels are told to `events`, a line each.
///
/// # Errors
/// When the socket or the interface cannot be opened.
pub fn run(config: &GnbConfig, mut events: impl Write + Send) -> anyhow::Result<()> {
    let socket = UdpSocket::bind(SocketAddr::new(config.local, gtp::PORT))
        .with_context(|| config.local.to_string())?;
    let device = DeviceBuilder::new().name(&config.interface).mtu(1400);
    let device = match config.mac {
        None => device.layer(Layer::L3),
        Some(mac) => device.layer(Layer::L2).mac_addr(mac),
    };
    let device = device.build_sync().context("/dev/net/tun")?;
    let device = Arc::new(device);
    writeln!(events, "ready")?;
    events.flush()?;
    std::thread::scope(|scope| {
        let uplink = scope.spawn(|| uplink(config, &socket, &device));
        downlink(config, &socket, &device, events)?;
        uplink.join().unwrap_or(Ok(()))
    })
}

fn uplink(config: &GnbConfig, socket: &UdpSocket, device: &SyncDevice) -> anyhow::Result<()> {
    let mut buffer = vec![0; 65_536];
    let upf = SocketAddr::new(config.upf, gtp::PORT);
    loop {
        let length = device.recv(&mut buffer)?;
        let inner = buffer.get(..length).unwrap_or_default();
        let container = Some(Container::uplink(config.qfi));
        let message = gtp::message(gtp::G_PDU, config.uplink_teid, container, inner);
        // A full socket loses packets, as the air does.
        let _ = socket.send_to(&message, upf);
    }
}

fn downlink(
    config: &GnbConfig,
    socket: &UdpSocket,
    device: &SyncDevice,
    mut events: impl Write,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let Ok(gtp) = Gtp::parse(buffer.get(..length).unwrap_or_default()) else {
            continue;
        };
        match gtp.message_type {
            gtp::G_PDU if gtp.teid == config.downlink_teid => {
                let _ = device.send(gtp.payload);
            }
            gtp::ECHO_REQUEST => {
                let answer = gtp::echo(gtp::ECHO_RESPONSE, gtp.sequence.unwrap_or(0));
                let _ = socket.send_to(&answer, from);
            }
            other => {
                writeln!(events, "message {other} teid {:#x}", gtp.teid)?;
                events.flush()?;
            }
        }
    }
}
