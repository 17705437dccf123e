//! What `upf pfcp decode` is given: octets in hexadecimal, or a capture of any common kind.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use etherparse::defrag::IpDefragPool;
use etherparse::{
    IpNumber, Ipv6ExtensionSlice, LaxNetSlice, LaxSlicedPacket, NetSlice, SlicedPacket,
    TransportSlice, UdpSlice,
};
use simulator::capture;

/// So many fragments may lie between two of one packet. A packet that misses some for longer is given
/// up: each holds up to 65,535 octets, whatever little of it came, and its identification comes again.
const FRAGMENTS_APART: usize = 1024;

/// The most that is read: it is held whole.
const INPUT_OCTETS_MAX: u64 = 256 << 20;

/// A datagram to decode, with a word on where it came from.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) label: String,
    pub(super) octets: Vec<u8>,
}

/// What there is to decode.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) datagrams: Vec<Datagram>,
    /// What has to be said of the rest, each a line.
    pub(super) faults: Vec<String>,
    /// Of a capture: what became of its packets.
    pub(super) tally: Option<Tally>,
}

/// What became of the packets of a capture.
#[derive(Debug, Default)]
pub(super) struct Tally {
    packets: usize,
    pfcp: usize,
    not_pfcp: usize,
    fragments: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            packets,
            pfcp,
            not_pfcp,
            fragments,
        } = self;
        write!(
            f,
            "{packets} packets: {pfcp} datagrams of PFCP, {not_pfcp} packets that are not PFCP, \
             {fragments} fragments"
        )
    }
}

/// Reads what there is to decode.
pub(super) fn read(input: &str, port: u16) -> Result<Input> {
    // A pipe (`<(zcat FILE)`) is read like a file.
    if input != "-" && !Path::new(input).exists() {
        let octets = octets(input)
            .with_context(|| format!("{input:?} is neither a file nor hexadecimal octets"))?;
        return Ok(Input {
            datagrams: vec![Datagram {
                label: String::new(),
                octets,
            }],
            ..Input::default()
        });
    }
    let content = content(input)?;
    match capture::scan(&content) {
        Ok(capture) => of_capture(&capture, port)
            .with_context(|| format!("{input} holds no UDP to or from port {port}")),
        Err(_) if content.starts_with(&[0x1f, 0x8b]) => {
            bail!("{input} is compressed with gzip: decompress it first, such as by `zcat`")
        }
        // No capture: hexadecimal digits would look like no magic number of one.
        Err(_) => of_lines(&content)
            .with_context(|| format!("{input} is neither a capture nor hexadecimal octets")),
    }
}

/// All of a file, or of standard input; an error if that is without end.
pub(crate) fn content(input: &str) -> Result<Vec<u8>> {
    if input == "-" {
        return whole(std::io::stdin(), "standard input");
    }
    let file = File::open(input).with_context(|| format!("cannot read {input}"))?;
    whole(file, input)
}

fn whole(source: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    source
        .take(INPUT_OCTETS_MAX + 1)
        .read_to_end(&mut content)
        .with_context(|| format!("cannot read {name}"))?;
    ensure!(
        u64::try_from(content.len()).is_ok_and(|octets| octets <= INPUT_OCTETS_MAX),
        "{name} has more than {} MiB, the most that is read: take PFCP out of it first, such as by \
         `tcpdump -r FILE -w PART udp port 8805`, or parts, by `editcap -c 100000 FILE PART`",
        INPUT_OCTETS_MAX >> 20
    );
    Ok(content)
}

/// The PFCP datagrams of a capture, put together where they came in fragments.
fn of_capture(capture: &capture::Capture, port: u16) -> Result<Input> {
    let mut sorter = Sorter {
        port,
        ..Sorter::default()
    };
    for (number, packet) in (1..).zip(&capture.packets) {
        sorter.sort(number, packet);
    }
    let left = sorter.given_up + sorter.missing.len();
    let Sorter {
        mut input,
        mut tally,
        unknown_links,
        ..
    } = sorter;
    if left > 0 {
        input.faults.push(format!(
            "{left} packets came in fragments of which not all are here: what they carry is not \
             read"
        ));
    }
    if !unknown_links.is_empty() {
        input
            .faults
            .push(format!("link types {unknown_links:?} are not known here"));
    }
    if let Some(fault) = &capture.fault {
        input.faults.push(format!(
            "the capture: {fault}; nothing from there on is read"
        ));
    }
    tally.packets = capture.packets.len();
    tally.pfcp = input.datagrams.len();
    if input.datagrams.is_empty() {
        input.faults.insert(0, tally.to_string());
        bail!("{}", input.faults.join("; "));
    }
    input.tally = Some(tally);
    Ok(input)
}

/// What the fragments of one packet have in common: its ends, its identification and its protocol.
type Whole = (IpAddr, IpAddr, u32, u8);

/// Takes packets of a capture apart.
#[derive(Default)]
struct Sorter {
    port: u16,
    input: Input,
    tally: Tally,
    /// The fragments of packets of which others are missing, with the number of the last of each.
    pool: IpDefragPool<usize>,
    /// The packets in there, likewise; and those whose first fragment was that of no PFCP.
    missing: BTreeMap<Whole, usize>,
    others: BTreeMap<Whole, usize>,
    given_up: usize,
    unknown_links: Vec<u16>,
}

impl Sorter {
    fn sort(&mut self, number: usize, packet: &capture::Packet) {
        if !packet.is_link_known() && !self.unknown_links.contains(&packet.link_type) {
            self.unknown_links.push(packet.link_type);
        }
        let Some(ip) = packet.ip() else {
            self.tally.not_pfcp += 1;
            return;
        };
        let Ok(sliced) = SlicedPacket::from_ip(ip) else {
            self.incomplete(number, packet, ip);
            return;
        };
        let ends = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) => (
                IpAddr::from(ip.header().source_addr()),
                IpAddr::from(ip.header().destination_addr()),
            ),
            Some(NetSlice::Ipv6(ip)) => (
                IpAddr::from(ip.header().source_addr()),
                IpAddr::from(ip.header().destination_addr()),
            ),
            _ => return self.tally.not_pfcp += 1,
        };
        if sliced.is_ip_payload_fragmented() {
            self.fragment(number, ends, &sliced);
            return;
        }
        match &sliced.transport {
            Some(TransportSlice::Udp(udp)) => self.udp(number, ends, udp),
            _ => self.tally.not_pfcp += 1,
        }
    }

    fn is_pfcp(&self, udp: &UdpSlice<'_>) -> bool {
        udp.source_port() == self.port || udp.destination_port() == self.port
    }

    fn udp(&mut self, number: usize, (source, destination): (IpAddr, IpAddr), udp: &UdpSlice<'_>) {
        if !self.is_pfcp(udp) {
            self.tally.not_pfcp += 1;
            return;
        }
        self.input.datagrams.push(Datagram {
            label: format!("{number}: {source} > {destination}: "),
            octets: udp.payload().to_vec(),
        });
    }

    /// A datagram is read with the last of its fragments. Those of what is no PFCP are not waited for.
    fn fragment(&mut self, number: usize, ends: (IpAddr, IpAddr), sliced: &SlicedPacket<'_>) {
        self.tally.fragments += 1;
        let now = self.tally.fragments;
        if now.is_multiple_of(FRAGMENTS_APART) {
            self.give_up();
        }
        let Some(part) = Part::of(ends, sliced) else {
            return self.tally.not_pfcp += 1;
        };
        if part.is_first && !self.is_of_pfcp(part.whole.3, part.payload) {
            self.missing.remove(&part.whole);
            self.others.insert(part.whole, now);
            return self.tally.not_pfcp += 1;
        }
        if part.is_first {
            self.others.remove(&part.whole);
        } else if let Some(last) = self.others.get_mut(&part.whole) {
            *last = now;
            return;
        }
        match self.pool.process_sliced_packet(sliced, now, ()) {
            Ok(None) => {
                self.missing.insert(part.whole, now);
            }
            Ok(Some(whole)) => {
                self.missing.remove(&part.whole);
                match UdpSlice::from_slice(&whole.payload) {
                    Ok(udp) if whole.ip_number == IpNumber::UDP => self.udp(number, ends, &udp),
                    _ => self.tally.not_pfcp += 1,
                }
            }
            Err(error) => self.input.faults.push(format!(
                "packet {number}: a fragment that fits no packet: {error}"
            )),
        }
    }

    /// Whether what begins like this is UDP to or from the port of PFCP.
    fn is_of_pfcp(&self, protocol: u8, payload: &[u8]) -> bool {
        // The ports are the first that UDP says.
        let ports = payload.first_chunk::<4>();
        protocol == IpNumber::UDP.0
            && ports.is_some_and(|[s1, s2, d1, d2]| {
                [[*s1, *s2], [*d1, *d2]].contains(&self.port.to_be_bytes())
            })
    }

    /// Gives up the packets whose last fragment was too long ago.
    fn give_up(&mut self) {
        let before = self.missing.len();
        let now = self.tally.fragments;
        let is_near = |last: &usize| now - last < FRAGMENTS_APART;
        self.pool.retain(is_near);
        self.missing.retain(|_, last| is_near(last));
        self.others.retain(|_, last| is_near(last));
        self.given_up += before - self.missing.len();
    }

    /// A packet of which not all was captured, or that says that it is longer than it is.
    fn incomplete(&mut self, number: usize, packet: &capture::Packet, ip: &[u8]) {
        let Ok(sliced) = LaxSlicedPacket::from_ip(ip) else {
            self.tally.not_pfcp += 1;
            return;
        };
        let payload = match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => Some(ip.payload()),
            Some(LaxNetSlice::Ipv6(ip)) => Some(ip.payload()),
            _ => None,
        };
        let is_pfcp =
            payload.is_some_and(|payload| self.is_of_pfcp(payload.ip_number.0, payload.payload));
        if !is_pfcp {
            self.tally.not_pfcp += 1;
            return;
        }
        let (there, all) = (packet.octets.len(), packet.original_octets);
        self.input.faults.push(if packet.is_whole() {
            format!("packet {number}: IP or UDP says that it is longer than its {there} octets")
        } else {
            format!(
                "packet {number}: {there} of its {all} octets were captured (snap length): not read"
            )
        });
    }
}

/// A fragment.
struct Part<'a> {
    whole: Whole,
    is_first: bool,
    payload: &'a [u8],
}

impl<'a> Part<'a> {
    fn of((source, destination): (IpAddr, IpAddr), sliced: &SlicedPacket<'a>) -> Option<Self> {
        let (identification, offset, payload) = match sliced.net.as_ref()? {
            NetSlice::Ipv4(ip) => {
                let header = ip.header();
                let offset = header.fragments_offset().value();
                (u32::from(header.identification()), offset, ip.payload())
            }
            NetSlice::Ipv6(ip) => {
                let fragment =
                    ip.extensions()
                        .clone()
                        .into_iter()
                        .find_map(|header| match header {
                            Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment.to_header()),
                            _ => None,
                        })?;
                let offset = fragment.fragment_offset.value();
                (fragment.identification, offset, ip.payload())
            }
            NetSlice::Arp(_) => return None,
        };
        Some(Self {
            whole: (source, destination, identification, payload.ip_number.0),
            is_first: offset == 0,
            payload: payload.payload,
        })
    }
}

/// A datagram from each line of hexadecimal digits.
fn of_lines(content: &[u8]) -> Result<Input> {
    let text = std::str::from_utf8(content).context("it is no text")?;
    let mut datagrams = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        datagrams.push(Datagram {
            label: String::new(),
            octets: octets(line).with_context(|| format!("line {number}"))?,
        });
    }
    ensure!(!datagrams.is_empty(), "no octets");
    Ok(Input {
        datagrams,
        ..Input::default()
    })
}

/// Hexadecimal octets; blanks, colons and a leading `0x` are left aside.
pub(crate) fn octets(text: &str) -> Result<Vec<u8>> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits: Vec<u32> = (1..)
        .zip(text.chars())
        .filter(|(_, c)| !c.is_whitespace() && *c != ':')
        .map(|(at, c)| {
            c.to_digit(16)
                .with_context(|| format!("{c:?}, character {at}, is no hexadecimal digit"))
        })
        .collect::<Result<_>>()?;
    let (pairs, odd) = digits.as_chunks::<2>();
    ensure!(
        odd.is_empty(),
        "{} hexadecimal digits: an odd number makes no octets",
        digits.len()
    );
    ensure!(!pairs.is_empty(), "no octets");
    Ok(pairs
        .iter()
        .filter_map(|[high, low]| u8::try_from(high << 4 | low).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fragment of a UDP datagram between the ports of PFCP.
    fn fragment(identification: u16, offset: u16, more: bool, payload: &[u8]) -> capture::Packet {
        let length = 20 + u16::try_from(payload.len()).unwrap_or(0);
        let [l1, l2] = length.to_be_bytes();
        let [i1, i2] = identification.to_be_bytes();
        let [o1, o2] = ((offset / 8) | if more { 0x2000 } else { 0 }).to_be_bytes();
        let head = [
            0x45, 0, l1, l2, i1, i2, o1, o2, 64, 17, 0, 0, 10, 10, 4, 2, 10, 10, 4, 7,
        ];
        let octets = [&head, payload].concat();
        capture::Packet {
            time: std::time::Duration::ZERO,
            link_type: capture::RAW_IP,
            interface: 0,
            original_octets: u32::from(length),
            octets,
        }
    }

    /// A few octets at the end of a packet that never comes ask for all of its room.
    #[test]
    fn fragments_without_end_hold_only_so_much() {
        let mut sorter = Sorter {
            port: 8805,
            ..Sorter::default()
        };
        let count = 10 * FRAGMENTS_APART;
        for (number, identification) in (1..=count).zip(0..) {
            sorter.sort(number, &fragment(identification, 65_504, true, &[0; 8]));
            assert!(sorter.missing.len() < 2 * FRAGMENTS_APART, "{number}");
        }
        assert_eq!(sorter.given_up + sorter.missing.len(), count);
    }

    /// Not put together with the rest of one that had the same identification long ago.
    #[test]
    fn a_late_fragment_is_of_another_packet() {
        let [first, second] = [[0x22, 0x65, 0x22, 0x65, 0, 16, 0, 0], [7; 8]];
        for (between, read) in [(FRAGMENTS_APART - 2, 1), (2 * FRAGMENTS_APART, 0)] {
            let mut sorter = Sorter {
                port: 8805,
                ..Sorter::default()
            };
            sorter.sort(1, &fragment(0, 0, true, &first));
            for identification in (1..).take(between) {
                sorter.sort(2, &fragment(identification, 8, false, &second));
            }
            sorter.sort(3, &fragment(0, 8, false, &second));
            assert_eq!(sorter.input.datagrams.len(), read, "{between}");
        }
    }
}
