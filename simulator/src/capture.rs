//! Capture files: pcap and pcapng in, pcapng with comments out.

mod link;

use std::io::{self, Write};
use std::time::Duration;

/// Link type Ethernet.
pub const ETHERNET: u16 = 1;
/// Link type of IP packets without a link header.
pub const RAW_IP: u16 = 101;
/// Link type Linux cooked, version 1.
pub const LINUX_SLL: u16 = 113;
/// Link type Linux cooked, version 2.
pub const LINUX_SLL2: u16 = 276;
/// Link type of a BSD loopback: the family in the byte order of who captured.
pub const NULL: u16 = 0;
/// Link type of a loopback of `OpenBSD`: the family in network byte order.
pub const LOOP: u16 = 108;

const PCAP_MICROSECONDS: u32 = 0xa1b2_c3d4;
const PCAP_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_DROPPED: u16 = 5;
const OPTION_FLAGS: u16 = 2;
const OPTION_INTERFACE_NAME: u16 = 2;
const OPTION_RESOLUTION: u16 = 9;
const NANOSECONDS: u8 = 9;

/// A packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When, since 1970.
    pub time: Duration,
    /// The link type of the interface.
    pub link_type: u16,
    /// Which interface of a pcapng file.
    pub interface: u32,
    /// What was captured.
    pub octets: Vec<u8>,
    /// How long the packet was on the wire.
    pub original_octets: u32,
}

impl Packet {
    /// Whether all of the packet was captured.
    pub fn is_whole(&self) -> bool {
        u32::try_from(self.octets.len()).is_ok_and(|octets| octets >= self.original_octets)
    }

    /// The IP packet behind the link header and its tags, and nothing if it is another protocol.
    pub fn ip(&self) -> Option<&[u8]> {
        link::ip(self.link_type, &self.octets)
    }

    /// Whether the link type is one whose packets can be looked into.
    pub const fn is_link_known(&self) -> bool {
        link::is_known(self.link_type)
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// The packets, up to a fault if there is one.
    pub packets: Vec<Packet>,
    /// Why what is behind them could not be read.
    pub fault: Option<CaptureError>,
}

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// Neither pcap nor pcapng.
    #[error("not a capture file: it starts with {0:#010x}")]
    Magic(u32),
    /// The file ends in the middle of a record or block: the capture was killed, or the file cut.
    #[error("cut short: what starts at octet {at} is not all there")]
    Cut {
        /// Where the record or block starts.
        at: usize,
    },
    /// A record or block is too short for what it is.
    #[error("malformed at octet {at}")]
    Malformed {
        /// Where the record or block starts.
        at: usize,
    },
    /// A packet names an interface that was not described.
    #[error("interface {0} is not described")]
    Interface(u32),
}

/// A reader over all octets of a file, in the byte order of the file.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    octets: &'a [u8],
    at: usize,
    is_little: bool,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.octets.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }
    fn u32(&mut self) -> Option<u32> {
        let octets = *self.take(4)?.first_chunk()?;
        Some(if self.is_little {
            u32::from_le_bytes(octets)
        } else {
            u32::from_be_bytes(octets)
        })
    }
    fn u16(&mut self) -> Option<u16> {
        let octets = *self.take(2)?.first_chunk()?;
        Some(if self.is_little {
            u16::from_le_bytes(octets)
        } else {
            u16::from_be_bytes(octets)
        })
    }
    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }
    const fn is_at_end(&self) -> bool {
        self.at >= self.octets.len()
    }
}

/// Reads all packets of a pcap or pcapng file.
///
/// # Errors
/// When it is neither, or malformed. A last record that is cut short (a capture that was killed)
/// is left out without an error.
pub fn read(file: &[u8]) -> Result<Vec<Packet>, CaptureError> {
    let capture = scan(file)?;
    match capture.fault {
        None | Some(CaptureError::Cut { .. }) => Ok(capture.packets),
        Some(fault) => Err(fault),
    }
}

/// Reads what can be read of a pcap or pcapng file.
///
/// # Errors
/// When it is neither.
pub fn scan(file: &[u8]) -> Result<Capture, CaptureError> {
    let mut cursor = Cursor {
        octets: file,
        at: 0,
        is_little: true,
    };
    let magic = cursor.u32().ok_or(CaptureError::Malformed { at: 0 })?;
    if magic == SECTION_HEADER {
        let mut all = Ng::default();
        let fault = all.read(Cursor { at: 0, ..cursor }).err();
        return Ok(Capture {
            packets: all.packets,
            fault,
        });
    }
    for (magic, is_little) in [(magic, true), (magic.swap_bytes(), false)] {
        let units_per_second = match magic {
            PCAP_MICROSECONDS => 1_000_000,
            PCAP_NANOSECONDS => 1_000_000_000,
            _ => continue,
        };
        let cursor = Cursor {
            is_little,
            ..cursor
        };
        return Ok(read_classic(cursor, units_per_second));
    }
    Err(CaptureError::Magic(magic))
}

fn read_classic(mut cursor: Cursor<'_>, units_per_second: u64) -> Capture {
    const HEADER_REST: usize = 16;
    let mut all = Capture::default();
    let (Some(_), Some(link_type)) = (cursor.take(HEADER_REST), cursor.u32()) else {
        all.fault = Some(CaptureError::Cut { at: 0 });
        return all;
    };
    let [_, _, high, low] = link_type.to_be_bytes();
    let link_type = u16::from_be_bytes([high, low]);
    while !cursor.is_at_end() {
        let at = cursor.at;
        let Some(packet) = read_record(&mut cursor, units_per_second, link_type) else {
            all.fault = Some(CaptureError::Cut { at });
            break;
        };
        all.packets.push(packet);
    }
    all
}

fn read_record(cursor: &mut Cursor<'_>, units_per_second: u64, link_type: u16) -> Option<Packet> {
    let seconds = cursor.u32()?;
    let units = cursor.u32()?;
    let octets = cursor.length()?;
    let original_octets = cursor.u32()?;
    let octets = cursor.take(octets)?.to_vec();
    let time = time_of(
        u64::from(seconds) * units_per_second + u64::from(units),
        units_per_second,
    );
    Some(Packet {
        time,
        link_type,
        interface: 0,
        octets,
        original_octets,
    })
}

fn time_of(units: u64, units_per_second: u64) -> Duration {
    let nanoseconds =
        u128::from(units % units_per_second) * 1_000_000_000 / u128::from(units_per_second);
    Duration::new(
        units / units_per_second,
        u32::try_from(nanoseconds).unwrap_or(0),
    )
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    snap_octets: u32,
    units_per_second: u64,
}

#[derive(Debug, Default)]
struct Ng {
    interfaces: Vec<Interface>,
    packets: Vec<Packet>,
}

impl Ng {
    fn read(&mut self, mut cursor: Cursor<'_>) -> Result<(), CaptureError> {
        while !cursor.is_at_end() {
            let malformed = CaptureError::Malformed { at: cursor.at };
            let cut = CaptureError::Cut { at: cursor.at };
            let kind = cursor.u32().ok_or(cut)?;
            if kind == SECTION_HEADER {
                let mut peek = Cursor {
                    at: cursor.at + 4,
                    is_little: true,
                    ..cursor
                };
                cursor.is_little = match peek.u32().ok_or(cut)? {
                    BYTE_ORDER_MAGIC => true,
                    magic if magic.swap_bytes() == BYTE_ORDER_MAGIC => false,
                    _ => return Err(malformed),
                };
                self.interfaces.clear();
            }
            let total = cursor.length().ok_or(cut)?;
            // Of whole words, and the same behind the block as in front of it.
            let body = total.checked_sub(12).filter(|_| total.is_multiple_of(4));
            let body = cursor.take(body.ok_or(malformed)?).ok_or(cut)?;
            if cursor.length().ok_or(cut)? != total {
                return Err(malformed);
            }
            let body = Cursor {
                octets: body,
                at: 0,
                is_little: cursor.is_little,
            };
            self.block(kind, body, malformed)?;
        }
        Ok(())
    }

    fn block(
        &mut self,
        kind: u32,
        mut body: Cursor<'_>,
        malformed: CaptureError,
    ) -> Result<(), CaptureError> {
        match kind {
            INTERFACE_DESCRIPTION => {
                let interface = describe(&mut body).ok_or(malformed)?;
                self.interfaces.push(interface);
            }
            ENHANCED_PACKET | OBSOLETE_PACKET => {
                // The obsolete one has a count of drops in the second half.
                let id = if kind == ENHANCED_PACKET {
                    body.u32()
                } else {
                    body.u16().zip(body.u16()).map(|(id, _)| id.into())
                };
                let id = id.ok_or(malformed)?;
                let at = usize::try_from(id).map_err(|_| malformed)?;
                let interface = *self.interfaces.get(at).ok_or(CaptureError::Interface(id))?;
                self.packets
                    .push(enhanced(&mut body, id, interface).ok_or(malformed)?);
            }
            SIMPLE_PACKET => {
                let interface = *self.interfaces.first().ok_or(CaptureError::Interface(0))?;
                self.packets
                    .push(simple(&mut body, interface).ok_or(malformed)?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn describe(body: &mut Cursor<'_>) -> Option<Interface> {
    let link_type = body.u16()?;
    body.u16()?;
    let snap_octets = body.u32()?;
    let mut units_per_second = 1_000_000;
    while !body.is_at_end() {
        let (option, octets) = (body.u16()?, body.u16()?);
        if option == OPTION_END {
            break;
        }
        let value = body.take(usize::from(octets).next_multiple_of(4))?;
        if option == OPTION_RESOLUTION {
            // One octet, and three that fill the word.
            let resolution = value.first().filter(|_| octets == 1)?;
            let exponent = u32::from(resolution & 0x7f);
            let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
            units_per_second = base.checked_pow(exponent)?;
        }
    }
    Some(Interface {
        link_type,
        snap_octets,
        units_per_second,
    })
}

fn enhanced(body: &mut Cursor<'_>, id: u32, interface: Interface) -> Option<Packet> {
    let units = u64::from(body.u32()?) << 32 | u64::from(body.u32()?);
    let octets = body.length()?;
    let original_octets = body.u32()?;
    Some(Packet {
        time: time_of(units, interface.units_per_second),
        link_type: interface.link_type,
        interface: id,
        octets: body.take(octets)?.to_vec(),
        original_octets,
    })
}

fn simple(body: &mut Cursor<'_>, interface: Interface) -> Option<Packet> {
    let original_octets = body.u32()?;
    let captured = match interface.snap_octets {
        0 => original_octets,
        snap_octets => original_octets.min(snap_octets),
    };
    Some(Packet {
        time: Duration::ZERO,
        link_type: interface.link_type,
        interface: 0,
        octets: body.take(usize::try_from(captured).ok()?)?.to_vec(),
        original_octets,
    })
}

/// Writes pcapng: Ethernet interfaces, times in nanoseconds, a comment per packet.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
}

/// Which way a captured frame went, seen from the UPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into the UPF.
    In,
    /// Out of it.
    Out,
}

impl<W: Write> Writer<W> {
    /// Starts a file with one interface per name.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(out: W, interfaces: &[&str]) -> io::Result<Self> {
        let mut writer = Self { out };
        let mut section = BYTE_ORDER_MAGIC.to_le_bytes().to_vec();
        section.extend_from_slice(&[1, 0, 0, 0]);
        section.extend_from_slice(&[0xff; 8]);
        writer.block(SECTION_HEADER, &section)?;
        for name in interfaces {
            let mut body = ETHERNET.to_le_bytes().to_vec();
            body.extend_from_slice(&[0; 6]);
            option(&mut body, OPTION_INTERFACE_NAME, name.as_bytes());
            option(&mut body, OPTION_RESOLUTION, &[NANOSECONDS]);
            option(&mut body, OPTION_END, &[]);
            writer.block(INTERFACE_DESCRIPTION, &body)?;
        }
        Ok(writer)
    }

    /// Writes a frame. An empty comment is left out.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn frame(
        &mut self,
        interface: u32,
        time: Duration,
        way: Way,
        frame: &[u8],
        comment: &str,
    ) -> io::Result<()> {
        let units = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let [h1, h2, h3, h4, l1, l2, l3, l4] = units.to_be_bytes();
        let (high, low) = (
            u32::from_be_bytes([h1, h2, h3, h4]),
            u32::from_be_bytes([l1, l2, l3, l4]),
        );
        let mut body = Vec::with_capacity(48 + frame.len() + comment.len());
        for field in [interface, high, low, length, length] {
            body.extend_from_slice(&field.to_le_bytes());
        }
        body.extend_from_slice(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        if !comment.is_empty() {
            option(&mut body, OPTION_COMMENT, comment.as_bytes());
        }
        let direction: u32 = if way == Way::In { 1 } else { 2 };
        option(&mut body, OPTION_FLAGS, &direction.to_le_bytes());
        option(&mut body, OPTION_END, &[]);
        self.block(ENHANCED_PACKET, &body)
    }

    /// Says how many packets of an interface are not in the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn statistics(&mut self, interface: u32, dropped: u64) -> io::Result<()> {
        let mut body = interface.to_le_bytes().to_vec();
        // When that was is not said.
        body.extend_from_slice(&[0; 8]);
        option(&mut body, OPTION_DROPPED, &dropped.to_le_bytes());
        option(&mut body, OPTION_END, &[]);
        self.block(INTERFACE_STATISTICS, &body)
    }

    /// Takes what was written since: for a file that goes out piece by piece.
    pub fn take(&mut self) -> W
    where
        W: Default,
    {
        std::mem::take(&mut self.out)
    }

    /// Gives the file back, flushed.
    ///
    /// # Errors
    /// When what is buffered cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let total = u32::try_from(body.len() + 12)
            .unwrap_or(u32::MAX)
            .to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total)?;
        self.out.write_all(body)?;
        self.out.write_all(&total)
    }
}

/// Appends an option, cut to what its length can say, padded to four octets.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = crate::net::length16(value.len());
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&length.to_le_bytes());
    body.extend(value.iter().take(usize::from(length)));
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &["n3", "n6"]).unwrap();
        let time = Duration::new(1_786_000_000, 123_456_789);
        writer.frame(0, time, Way::In, b"first frame", "").unwrap();
        writer
            .frame(1, time, Way::Out, b"second", "what it is")
            .unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        let packets = read(&written()).unwrap();
        let seen: Vec<_> = packets
            .iter()
            .map(|p| (p.interface, p.octets.as_slice()))
            .collect();
        assert_eq!(seen, [(0, &b"first frame"[..]), (1, b"second")]);
        assert_eq!(packets[0].time, Duration::new(1_786_000_000, 123_456_789));
        assert!(
            packets
                .iter()
                .all(|packet| packet.link_type == ETHERNET && packet.is_whole())
        );
    }

    #[test]
    fn a_file_goes_out_piece_by_piece() {
        let mut writer = Writer::new(Vec::new(), &["n3"]).unwrap();
        let mut file = writer.take();
        for frame in [&b"one"[..], b"three"] {
            let time = Duration::from_secs(1);
            writer.frame(0, time, Way::In, frame, "").unwrap();
            file.extend(writer.take());
        }
        writer.statistics(0, 7).unwrap();
        file.extend(writer.take());
        assert_eq!(writer.take(), []);
        assert_eq!(read(&file).unwrap().len(), 2);
    }

    #[test]
    fn a_file_cut_anywhere_gives_what_is_whole_and_never_panics() {
        let file = written();
        for length in 4..file.len() {
            let packets = read(&file[..length]).map_or(0, |packets| packets.len());
            assert!(
                packets <= 1 || length >= file.len() - 3,
                "{packets} at {length}"
            );
        }
    }

    #[test]
    fn both_byte_orders_and_both_resolutions_of_pcap_are_read() {
        for (magic, nanoseconds) in [(PCAP_MICROSECONDS, 7_000), (PCAP_NANOSECONDS, 7)] {
            for is_little in [true, false] {
                let put = |value: u32| {
                    if is_little {
                        value.to_le_bytes()
                    } else {
                        value.to_be_bytes()
                    }
                };
                let mut file = Vec::new();
                for field in [magic, 0x0004_0002, 0, 0, 65_535, 101, 5, 7, 3, 9] {
                    file.extend_from_slice(&put(field));
                }
                file.extend_from_slice(b"abc");
                let packets = read(&file).unwrap();
                assert_eq!(packets.len(), 1);
                assert_eq!(packets[0].time, Duration::new(5, nanoseconds));
                assert_eq!(
                    (packets[0].link_type, packets[0].is_whole()),
                    (RAW_IP, false)
                );
            }
        }
    }

    #[test]
    fn ip_packets_are_found_behind_every_link_header() {
        let ip = [0x45, 1, 2, 3];
        let at = |link_type, head: &[u8]| Packet {
            time: Duration::ZERO,
            link_type,
            interface: 0,
            octets: [head, &ip].concat(),
            original_octets: 0,
        };
        let macs = [0; 12];
        let found = [
            at(ETHERNET, &[&macs[..], &[8, 0]].concat()),
            at(ETHERNET, &[&macs[..], &[0x81, 0, 0, 7, 8, 0]].concat()),
            at(
                ETHERNET,
                &[&macs[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x86, 0xdd]].concat(),
            ),
            at(LINUX_SLL, &[&[0; 14][..], &[8, 0]].concat()),
            at(LINUX_SLL2, &[&[8, 0][..], &[0; 18]].concat()),
            at(NULL, &[2, 0, 0, 0]),
            at(LOOP, &[0, 0, 0, 24]),
            at(RAW_IP, &[]),
            at(228, &[]),
        ];
        for packet in found {
            assert_eq!(packet.ip(), Some(&ip[..]), "{packet:?}");
            assert!(packet.is_link_known());
        }
        let others = [
            at(ETHERNET, &[&macs[..], &[8, 6]].concat()),
            at(LINUX_SLL, &[0; 16]),
            at(NULL, &[2, 0, 0, 0, 0x15]),
            at(105, &[]),
        ];
        for packet in others {
            assert_eq!(packet.ip(), None, "{packet:?}");
        }
    }

    #[test]
    fn a_fault_says_where_and_leaves_what_is_before_it() {
        let mut file = written();
        let whole = scan(&file).unwrap();
        assert_eq!((whole.packets.len(), whole.fault), (2, None));
        let cut = scan(&file[..file.len() - 1]).unwrap();
        assert_eq!(cut.packets, whole.packets[..1]);
        let Some(CaptureError::Cut { at }) = cut.fault else {
            panic!("{cut:?}")
        };
        // The length of the block that the second packet is in.
        file[at + 4] = 8;
        let malformed = scan(&file).unwrap();
        assert_eq!(malformed.packets, whole.packets[..1]);
        assert_eq!(malformed.fault, Some(CaptureError::Malformed { at }));
        assert_eq!(read(&file), Err(CaptureError::Malformed { at }));
    }

    /// An interface block with these options, and a packet of it.
    fn with_options(options: &[u8]) -> Result<Vec<Packet>, CaptureError> {
        let mut writer = Writer::new(Vec::new(), &[]).unwrap();
        let mut body = ETHERNET.to_le_bytes().to_vec();
        body.extend_from_slice(&[0; 6]);
        body.extend_from_slice(options);
        writer.block(INTERFACE_DESCRIPTION, &body).unwrap();
        let time = Duration::new(1, 0);
        writer.frame(0, time, Way::In, b"frame", "").unwrap();
        read(&writer.finish().unwrap())
    }

    #[test]
    fn options_and_blocks_are_read_strictly() {
        let seconds = |options| with_options(options).map(|packets| packets[0].time.as_secs());
        // In nanoseconds, as they are written; and read as microseconds where nothing is said.
        assert_eq!(seconds(&[9, 0, 1, 0, 9, 0, 0, 0]), Ok(1));
        assert_eq!(seconds(&[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]), Ok(1));
        assert_eq!(seconds(&[]), Ok(1_000));
        // What is behind the end of options is none.
        assert_eq!(seconds(&[0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0]), Ok(1_000));
        for options in [
            &[9, 0][..],
            &[9, 0, 1, 0],
            &[9, 0, 0, 0],
            &[9, 0, 2, 0, 9, 0, 0, 0],
            &[9, 0, 1, 0, 20, 0, 0, 0],
            &[2, 0, 0xff, 0xff, 0, 0, 0, 0],
        ] {
            assert!(
                matches!(seconds(options), Err(CaptureError::Malformed { .. })),
                "{options:?}"
            );
        }
        let file = written();
        let last = file.len() - 4;
        for (at, by) in [(last, 4), (last, 1), (28 + 4, 1)] {
            let mut lying = file.clone();
            lying[at] = lying[at].wrapping_add(by);
            let fault = scan(&lying).unwrap().fault;
            assert!(
                matches!(fault, Some(CaptureError::Malformed { .. })),
                "{at} {fault:?}"
            );
        }
    }

    #[test]
    fn another_file_says_so() {
        assert!(matches!(read(b"#!/bin/sh\n"), Err(CaptureError::Magic(_))));
    }
}
