//! A radio access network: a gNB, and a UE with the kernel's TCP/IP behind it.

use std::ops::Deref;
use std::path::Path;

use simulator::Tunnel;
use test_harness::namespace::Namespace;
use test_harness::process::Process;

use super::{DOWNLINK_TEID, wait};

/// A namespace in which a gNB runs.
pub struct Ran {
    gnb: Option<Process>,
    namespace: Namespace,
}

impl Deref for Ran {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Ran {
    pub const fn new(namespace: Namespace) -> Self {
        Self {
            gnb: None,
            namespace,
        }
    }

    /// Starts the gNB: its own address, the UPF's, and the UPF's TEID.
    pub fn start(&mut self, gnb: &str, upf: &str, teid: u32, folder: &Path) {
        self.start_with((gnb, upf), teid, folder, &[]);
    }

    /// Starts the gNB of a device that sends Ethernet frames from that MAC address, and gives the
    /// device its address.
    pub fn start_device(
        &mut self,
        ends: (&str, &str),
        teid: u32,
        folder: &Path,
        (mac, address): (&str, &str),
    ) {
        self.start_with(ends, teid, folder, &["--mac", mac]);
        self.up("ue0").unwrap();
        self.address("ue0", address).unwrap();
    }

    fn start_with(&mut self, (gnb, upf): (&str, &str), teid: u32, folder: &Path, extra: &[&str]) {
        drop(self.gnb.take());
        let mut command = self.command(env!("CARGO_BIN_EXE_test-harness"));
        command.args(["gnb", "--local", gnb, "--upf", upf, "--interface", "ue0"]);
        command.args(["--uplink-teid", &teid.to_string()]);
        command.args(["--downlink-teid", &DOWNLINK_TEID.to_string()]);
        command.args(extra);
        let log = folder.join(format!("{}.log", self.name()));
        self.gnb = Some(Process::start(&mut command, &log).unwrap());
        wait("the gNB", || self.log(), || self.log().contains("ready"));
    }

    /// Gives the UE its addresses, and routes to the data network and to other UEs.
    pub fn connect(&self, addresses: &[&str]) {
        self.up("ue0").unwrap();
        for address in addresses {
            let v6 = address.contains(':');
            let host = format!("{address}/{}", if v6 { 128 } else { 32 });
            self.address("ue0", &host).unwrap();
        }
        for to in ["10.10.6.0/24", "10.45.0.0/16"] {
            self.ip(&["route", "add", to, "dev", "ue0"]).unwrap();
        }
        for to in ["2001:db8:6::/64", "2001:db8:cafe::/48"] {
            self.ip(&["-6", "route", "add", to, "dev", "ue0"]).unwrap();
        }
    }

    /// What the gNB has seen.
    pub fn log(&self) -> String {
        self.gnb.as_ref().map(Process::log).unwrap_or_default()
    }

    pub fn stop(&mut self) {
        drop(self.gnb.take());
    }

    /// Pings from the UE; how many of `count` were answered.
    pub fn ping(&self, from: &str, to: &str, count: u32, extra: &[&str]) -> u32 {
        let count_text = count.to_string();
        let mut arguments = vec!["-n", "-i", "0.05", "-W", "1", "-c", &count_text, "-I", from];
        arguments.extend_from_slice(extra);
        arguments.push(to);
        let output = self.command("ping").args(&arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let received = text.lines().find_map(|line| {
            let (_, rest) = line.split_once("transmitted, ")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        received.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// The gNB's end of a tunnel.
pub fn tunnel(address: &str) -> Tunnel {
    Tunnel {
        address: address.parse().unwrap(),
        teid: DOWNLINK_TEID,
    }
}
