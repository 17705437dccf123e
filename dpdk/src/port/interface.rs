//! The MTU of a kernel interface.
//!
//! The packet-socket driver of DPDK 22.11 believes that no frame is longer than 1518 octets and
//! refuses any larger MTU, though its ring takes them. So the kernel is asked directly.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::{Errno, Error};

/// A kernel interface, in the network namespace of the thread that looked it up.
#[derive(Debug)]
pub(super) struct Interface {
    socket: OwnedFd,
    name: String,
}

impl Interface {
    pub(super) fn new(name: &str) -> Result<Self, Error> {
        // SAFETY: Makes a descriptor or answers -1.
        let raw = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if raw < 0 {
            return Err(last("socket", name));
        }
        // SAFETY: Fresh, and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self {
            socket,
            name: name.to_owned(),
        })
    }

    /// Largest IP packet.
    pub(super) fn mtu(&self) -> Result<u16, Error> {
        let mut request = self.request()?;
        // SAFETY: The request is whole and names an interface; the answer lies within it.
        let answer =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) };
        if answer < 0 {
            return Err(last("ioctl SIOCGIFMTU", &self.name));
        }
        // SAFETY: The kernel wrote this member.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        // The loopback interface has 65536, which no frame of ours reaches.
        Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
    }

    /// Sets the largest IP packet, for all who use the interface.
    pub(super) fn set_mtu(&self, mtu: u16) -> Result<(), Error> {
        if self.mtu()? == mtu {
            return Ok(());
        }
        let mut request = self.request()?;
        request.ifr_ifru.ifru_mtu = mtu.into();
        // SAFETY: The request is whole and names an interface.
        let answer =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCSIFMTU, &raw mut request) };
        if answer < 0 {
            Err(last("ioctl SIOCSIFMTU", &self.name))
        } else {
            Ok(())
        }
    }

    fn request(&self) -> Result<libc::ifreq, Error> {
        // SAFETY: All-zero is a value of this struct of integers.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let too_long = || {
            Error::call(
                "ioctl SIOCGIFMTU",
                self.name.clone(),
                Errno(libc::ENAMETOOLONG),
            )
        };
        if self.name.len() >= request.ifr_name.len() {
            return Err(too_long());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(self.name.bytes()) {
            *to = from.cast_signed();
        }
        Ok(request)
    }
}

fn last(call: &'static str, name: &str) -> Error {
    let errno = io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO);
    Error::call(call, format!("af_packet:{name}"), Errno(errno))
}
