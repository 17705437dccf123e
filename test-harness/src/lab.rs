//! A UPF on the bench: gNBs and a data network at the ends of its wires, an SMF on N4, and a
//! record of every frame.

use std::fs::File;
use std::io::BufWriter;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use simulator::capture::{Way, Writer};
use simulator::gtp::{self, Container, Gtp};
use simulator::net::{self, Ethernet, PROTOCOL_UDP, Udp};
use simulator::{Smf, Station};

use crate::wire::{self, Side, Wire, now};

const GNB_MAC: net::Mac = [2, 0, 0, 0, 3, 0x65];
const NETWORK_MAC: net::Mac = [2, 0, 0, 0, 6, 1];

/// The addresses that the gNBs' side answers for.
const GNB_SIDE: [&str; 2] = ["10.10.3.0/24", "2001:db8:3::/64"];
/// The addresses that the data network's side answers for.
const NETWORK_SIDE: [&str; 2] = ["10.10.6.0/24", "2001:db8:6::/64"];

/// How often a neighbour is asked for.
const QUESTIONS_MAX: usize = 20;

/// The UPF, and everything around it.
#[derive(Debug)]
pub struct Lab {
    wire: Wire,
    n3: Station,
    n6: Station,
    recorder: Option<Writer<BufWriter<File>>>,
    started: Instant,
}

/// A packet that came out of the UPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emitted {
    /// A GTP-U message, on N3.
    Gtp {
        /// To which gNB, or other node.
        to: IpAddr,
        /// The message type.
        message_type: u8,
        /// The tunnel.
        teid: u32,
        /// The container.
        container: Option<Container>,
        /// What it carries.
        payload: Vec<u8>,
    },
    /// A plain packet.
    Plain {
        /// Where it came out.
        side: Side,
        /// The packet.
        packet: Vec<u8>,
    },
}

impl Lab {
    /// Starts everything. What passes is written to `record`.
    ///
    /// # Errors
    /// When something cannot be started.
    pub fn start(record: Option<&Path>) -> anyhow::Result<(Self, Smf)> {
        let mut wire = Wire::start()?;
        let smf = wire.smf()?;
        let recorder = match record {
            Some(path) => {
                let file = File::create(path).with_context(|| path.display().to_string())?;
                Some(Writer::new(BufWriter::new(file), &["n3", "n6"])?)
            }
            None => None,
        };
        let nets = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.parse())
                .collect::<Result<Vec<_>, _>>()
        };
        let mut lab = Self {
            wire,
            n3: Station::new(GNB_MAC, None, nets(&GNB_SIDE)?),
            n6: Station::new(NETWORK_MAC, None, nets(&NETWORK_SIDE)?),
            recorder,
            started: now(),
        };
        lab.meet()?;
        Ok((lab, smf))
    }

    /// The UPF and its wires.
    pub const fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Makes both sides and the UPF know each other.
    fn meet(&mut self) -> anyhow::Result<()> {
        let pairs = [
            (Side::N3, "10.10.3.101", "10.10.3.7"),
            (Side::N3, "10.10.3.1", "10.10.3.7"),
            (Side::N3, "2001:db8:3::101", "2001:db8:3::7"),
            (Side::N6, "10.10.6.1", "10.10.6.7"),
            (Side::N6, "2001:db8:6::1", "2001:db8:6::7"),
        ];
        for (side, from, upf) in pairs {
            let (from, upf): (IpAddr, IpAddr) = (from.parse()?, upf.parse()?);
            for _ in 0..QUESTIONS_MAX {
                if self.station(side).neighbour(upf).is_some() {
                    break;
                }
                let question = self.station(side).who_has(from, upf);
                self.send_frame(side, &question)?;
                self.next(Duration::from_millis(100))?;
            }
            let is_known = self.station(side).neighbour(upf).is_some();
            ensure!(
                is_known,
                "{upf} does not answer ARP or ND:\n{}",
                self.wire.process().log()
            );
        }
        Ok(())
    }

    const fn station(&mut self, side: Side) -> &mut Station {
        match side {
            Side::N3 => &mut self.n3,
            Side::N6 => &mut self.n6,
        }
    }

    fn send_frame(&mut self, side: Side, frame: &[u8]) -> anyhow::Result<()> {
        self.record(side, Way::In, frame)?;
        self.wire.send(side, frame)
    }

    fn record(&mut self, side: Side, way: Way, frame: &[u8]) -> anyhow::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            let interface = u32::from(side == Side::N6);
            recorder.frame(interface, now() - self.started, way, frame, "")?;
        }
        Ok(())
    }

    /// Sends a GTP-U message of a gNB, or of another node on that side.
    ///
    /// # Errors
    /// When the wire refuses it.
    pub fn send_gtp(&mut self, from: IpAddr, message: &[u8]) -> anyhow::Result<()> {
        let to = if from.is_ipv4() {
            wire::N3
        } else {
            "2001:db8:3::7".parse()?
        };
        let packet = net::udp((from, gtp::PORT), (to, gtp::PORT), message);
        let frame = self.n3.frame_to(to, &packet);
        self.send_frame(Side::N3, &frame)
    }

    /// Sends an IP packet of the data network.
    ///
    /// # Errors
    /// When the wire refuses it.
    pub fn send_downlink(&mut self, packet: &[u8]) -> anyhow::Result<()> {
        let is_ipv4 = packet.first().is_some_and(|first| first >> 4 == 4);
        let upf = if is_ipv4 {
            "10.10.6.7"
        } else {
            "2001:db8:6::7"
        };
        let frame = self.n6.frame_to(upf.parse()?, packet);
        self.send_frame(Side::N6, &frame)
    }

    /// The next packet out of the UPF. Who asks for neighbours, or pings, is answered meanwhile.
    ///
    /// # Errors
    /// When a wire fails.
    pub fn next(&mut self, within: Duration) -> anyhow::Result<Option<Emitted>> {
        let end = now() + within;
        loop {
            let left = end.saturating_duration_since(now());
            let Some((side, frame)) = self.wire.receive(left)? else {
                return Ok(None);
            };
            self.record(side, Way::Out, &frame)?;
            if let Some(answer) = self.station(side).on_frame(&frame) {
                self.send_frame(side, &answer)?;
                continue;
            }
            if let Some(emitted) = read(side, &frame) {
                return Ok(Some(emitted));
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// All that comes out until nothing comes for as long as `quiet`.
    ///
    /// # Errors
    /// When a wire fails.
    pub fn all(&mut self, quiet: Duration) -> anyhow::Result<Vec<Emitted>> {
        let mut all = Vec::new();
        while let Some(emitted) = self.next(quiet)? {
            all.push(emitted);
        }
        Ok(all)
    }

    /// Ends the record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish_record(&mut self) -> anyhow::Result<()> {
        if let Some(recorder) = self.recorder.take() {
            recorder.finish()?;
        }
        Ok(())
    }
}

/// Reads a frame of the UPF's; `None` for what is neither traffic nor GTP-U.
fn read(side: Side, frame: &[u8]) -> Option<Emitted> {
    let ip = Ethernet::parse(frame)?.ip()?;
    let is_neighbour =
        ip.protocol == net::PROTOCOL_ICMPV6 && matches!(ip.payload.first(), Some(133..=137 | 143));
    if is_neighbour {
        return None;
    }
    let udp = Some(ip).filter(|ip| side == Side::N3 && ip.protocol == PROTOCOL_UDP);
    let gtp = udp
        .and_then(|ip| Udp::parse(ip.payload))
        .and_then(|udp| Gtp::parse(udp.payload).ok());
    Some(match gtp {
        Some(gtp) => Emitted::Gtp {
            to: ip.destination,
            message_type: gtp.message_type,
            teid: gtp.teid,
            container: gtp.container,
            payload: gtp.payload.to_vec(),
        },
        None => Emitted::Plain {
            side,
            packet: ip.packet.to_vec(),
        },
    })
}
