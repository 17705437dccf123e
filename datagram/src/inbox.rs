//! Receiving.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

use crate::BATCH;

/// Room for the longest datagram there is. The stride is no power of two, so that the beginnings
/// of datagrams do not all compete for the same lines of a cache.
const STRIDE: usize = 65_536 + 9 * 64;

/// Takes datagrams from a socket and holds them until the next batch.
///
/// Not `Send`: it stays with the thread that made it.
#[derive(Debug)]
pub struct Inbox {
    octets: Box<[u8]>,
    headers: MultiHeaders<SockaddrStorage>,
    /// Of each datagram: who sent it, and its length.
    received: Vec<(Option<SocketAddr>, usize)>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            octets: vec![0; STRIDE * BATCH].into(),
            headers: MultiHeaders::preallocate(BATCH, None),
            received: Vec::with_capacity(BATCH),
        }
    }
}

impl Inbox {
    /// Takes what has come, up to [`BATCH`] datagrams, and forgets those of the last time. Does
    /// not wait. Gives how many there are.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing has come; otherwise what the socket
    /// says, such as an ICMP error for something sent before.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        self.received.clear();
        let mut places = self.octets.chunks_exact_mut(STRIDE);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
        let fd = socket.as_fd().as_raw_fd();
        let (headers, flags) = (&mut self.headers, MsgFlags::MSG_DONTWAIT);
        for message in recvmmsg(fd, headers, slices.iter_mut(), flags, None)? {
            let from = message.address.as_ref().and_then(socket_address);
            self.received.push((from, message.bytes));
        }
        Ok(self.received.len())
    }

    /// What [`receive`](Self::receive) took, in order.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let places = self.octets.chunks_exact(STRIDE);
        self.received
            .iter()
            .zip(places)
            .filter_map(|((from, length), place)| Some(((*from)?, place.get(..*length)?)))
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6((*v6).into()))
    })
}
