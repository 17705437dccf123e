//! Sending.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd as _, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sendmsg,
};

use crate::BATCH;

/// From how many datagrams on a run is sent as one packet.
const RUN_MIN: usize = 3;
/// The longest datagram of a run: one that no path cuts (the least MTU of IPv6, less headers).
const RUN_LENGTH_MAX: usize = 1280 - 48;
/// The most octets of a run: what the length fields of UDP and IP can say.
const RUN_OCTETS_MAX: usize = 65_000;

/// Gathers datagrams, and sends them together.
///
/// Not `Send`: it stays with the thread that made it.
#[derive(Debug)]
pub struct Outbox {
    octets: Vec<u8>,
    datagrams: Vec<Datagram>,
    headers: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
    /// Whether the kernel cuts up runs; not all do on all devices.
    segmentation: bool,
}

#[derive(Debug)]
struct Datagram {
    to: SocketAddr,
    octets: Range<usize>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            octets: Vec::new(),
            datagrams: Vec::with_capacity(BATCH),
            headers: MultiHeaders::preallocate(BATCH, None),
            addresses: Vec::with_capacity(BATCH),
            segmentation: true,
        }
    }
}

impl Outbox {
    /// Adds a datagram.
    pub fn push(&mut self, to: SocketAddr, octets: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        let octets = start..self.octets.len();
        self.datagrams.push(Datagram { to, octets });
    }

    /// How many datagrams wait.
    pub const fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Sends all that waits, in order. Gives how many datagrams the kernel refused: they are lost,
    /// as on the way.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the socket takes no more now; the rest goes
    /// with the next call.
    pub fn flush(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let fd = socket.as_fd().as_raw_fd();
        let (mut done, mut refused) = (0, 0);
        let mut outcome = Ok(());
        while done < self.datagrams.len() {
            match self.send_some(fd, done) {
                Ok(sent) => done += sent,
                Err(Errno::EAGAIN) => {
                    outcome = Err(io::ErrorKind::WouldBlock.into());
                    break;
                }
                Err(Errno::EINTR) => {}
                Err(_) => {
                    done += 1;
                    refused += 1;
                }
            }
        }
        self.datagrams.drain(..done);
        if self.datagrams.is_empty() {
            self.octets.clear();
        }
        outcome.map(|()| refused)
    }

    /// Sends the datagrams from `first` on, as many as one call can.
    fn send_some(&mut self, fd: RawFd, first: usize) -> nix::Result<usize> {
        let waiting = self.datagrams.get(first..).unwrap_or_default();
        let run = self.run_length(waiting);
        if run >= RUN_MIN {
            match self.send_run(fd, waiting.get(..run).unwrap_or_default()) {
                // The device's or the kernel's no to segmentation, or the peer's to the last one.
                Err(Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::EOPNOTSUPP) => {
                    self.segmentation = false;
                }
                sent => return sent.map(|()| run),
            }
        }
        self.send_each(fd, first)
    }

    /// How many datagrams at the front are of one length and go to one receiver.
    fn run_length(&self, waiting: &[Datagram]) -> usize {
        let Some(first) = waiting.first().filter(|_| self.segmentation) else {
            return 0;
        };
        let length = first.octets.len();
        if length == 0 || length > RUN_LENGTH_MAX {
            return 0;
        }
        let same = |other: &&Datagram| other.to == first.to && other.octets.len() == length;
        waiting
            .iter()
            .take(BATCH.min(RUN_OCTETS_MAX / length))
            .take_while(same)
            .count()
    }

    fn send_run(&self, fd: RawFd, run: &[Datagram]) -> nix::Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(());
        };
        let octets = self.octets.get(first.octets.start..last.octets.end);
        let slices = [IoSlice::new(octets.unwrap_or_default())];
        let length = u16::try_from(first.octets.len()).unwrap_or(u16::MAX);
        let control = [ControlMessage::UdpGsoSegments(&length)];
        let to = SockaddrStorage::from(first.to);
        sendmsg(fd, &slices, &control, MsgFlags::MSG_DONTWAIT, Some(&to)).map(drop)
    }

    fn send_each(&mut self, fd: RawFd, first: usize) -> nix::Result<usize> {
        let waiting = self.datagrams.get(first..).unwrap_or_default();
        let count = waiting.len().min(BATCH);
        self.addresses.clear();
        let addresses = waiting
            .iter()
            .take(count)
            .map(|datagram| Some(datagram.to.into()));
        self.addresses.extend(addresses);
        let mut octets = waiting
            .iter()
            .map(|datagram| self.octets.get(datagram.octets.clone()));
        let slices: [[IoSlice<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSlice::new(octets.next().flatten().unwrap_or_default())]);
        let (slices, flags) = (slices.iter().take(count), MsgFlags::MSG_DONTWAIT);
        let sent = sendmmsg(fd, &mut self.headers, slices, &self.addresses, [], flags)?;
        Ok(sent.count())
    }
}
