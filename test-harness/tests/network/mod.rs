//! `upf run` between real hosts: a UE with the kernel's TCP/IP behind a gNB, and a data network,
//! each in a namespace of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod ran;
mod services;
mod setup;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pfcp::UpFunctionFeatures;
use serde_json::Value;
use simulator::{Flavour, SessionSpec, Smf, SmfConfig, Tunnel};
use test_harness::folder::Folder;
use test_harness::namespace::Namespace;
use test_harness::process::{Process, run_upf};
use test_harness::wire::now;
use test_harness::{skip, tshark};

pub use ran::{Ran, tunnel};
pub use services::{fetch, serve};
pub use setup::{COMMON, N6, Setup, is_data_network, is_router};

pub const SERVER4: &str = "10.10.6.1";
pub const SERVER6: &str = "2001:db8:6::1";
pub const UE4: &str = "10.45.0.2";
pub const UE6: &str = "2001:db8:cafe:1::2";
pub const GNB: &str = "10.10.3.101";
pub const GNB6: &str = "2001:db8:3::101";
pub const OTHER_GNB: &str = "10.10.3.102";
/// The UE of the second radio access network.
pub const SECOND_UE4: &str = "10.45.0.3";
pub const SECOND_UE6: &str = "2001:db8:cafe:2::2";
pub const SECOND_GNB: &str = "10.10.3.103";
pub const DOWNLINK_TEID: u32 = 0x55;

/// What the tunnel of N3 is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outer {
    V4,
    V6,
}

impl Outer {
    pub const fn gnb(self) -> &'static str {
        match self {
            Self::V4 => GNB,
            Self::V6 => GNB6,
        }
    }

    pub const fn upf(self) -> &'static str {
        match self {
            Self::V4 => "10.10.3.7",
            Self::V6 => "2001:db8:3::7",
        }
    }

    /// The gNB's end of the tunnel.
    pub fn tunnel(self) -> Tunnel {
        tunnel(self.gnb())
    }
}

/// Two cores: one UPF at a time.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that there is. Processes end before their namespaces.
pub struct Network {
    pub smf: Smf,
    capture: Option<Capture>,
    pub upf: Process,
    pub ran: Ran,
    /// Another radio access network on the same LAN.
    pub second: Ran,
    pub core: Namespace,
    /// The data network with the addresses of the first.
    pub ims: Option<Namespace>,
    _middle: Namespace,
    _lan: Namespace,
    pub folder: Folder,
    /// What the SMF allows sessions.
    pub ambr_downlink_kbps: u64,
    _turn: MutexGuard<'static, ()>,
}

impl Network {
    pub fn start(n6: N6) -> Self {
        Self::with(Setup {
            n6,
            ..Setup::default()
        })
    }

    /// The same with that MTU on N3.
    pub fn with_mtu(n6: N6, n3_mtu: u16) -> Self {
        Self::with(Setup {
            n6,
            n3_mtu,
            ..Setup::default()
        })
    }

    pub fn with(setup: Setup) -> Self {
        let turn = turn();
        let folder = Folder::new("namespaces").unwrap();
        let cabled = setup.cable();
        let middle = cabled.middle;
        let mut upf = run_upf(&middle, folder.path(), &setup.configuration(folder.path())).unwrap();
        let smf = associated(&middle, &mut upf);
        if setup.n6 == N6::Tap {
            for (family, to, via) in [
                ("-4", "10.45.0.0/16", "10.10.7.7"),
                ("-6", "2001:db8:cafe::/48", "2001:db8:7::7"),
            ] {
                middle
                    .ip(&[family, "route", "add", to, "via", via])
                    .unwrap();
            }
        }
        Self {
            smf,
            capture: Capture::start(&cabled.ran, "ran0", folder.path().join("n3.pcap")),
            upf,
            ran: Ran::new(cabled.ran),
            second: Ran::new(cabled.second),
            core: cabled.core,
            ims: cabled.ims,
            _middle: middle,
            _lan: cabled.lan,
            folder,
            ambr_downlink_kbps: SessionSpec::default().ambr_downlink_kbps,
            _turn: turn,
        }
    }

    /// Sets a session up and puts its UE into the RAN's namespace.
    pub fn attach(&mut self, flavour: Flavour) -> u32 {
        self.attach_over(flavour, Outer::V4)
    }

    /// The same, the tunnel being over that family.
    pub fn attach_over(&mut self, flavour: Flavour, outer: Outer) -> u32 {
        let spec = SessionSpec {
            flavour,
            ue_ipv4: Some(UE4.parse().unwrap()),
            ue_ipv6: matches!(flavour, Flavour::Simple | Flavour::Open5gs)
                .then(|| UE6.parse().unwrap()),
            n3_address: "10.10.3.7".parse().unwrap(),
            ambr_downlink_kbps: self.ambr_downlink_kbps,
            ..Default::default()
        };
        let number = self.smf.establish(spec).unwrap();
        self.smf.activate(number, outer.tunnel()).unwrap();
        self.camp_on(number, outer);
        number
    }

    /// A session whose UE has no address but what it makes of its router's advertisements.
    pub fn attach_unaware(&mut self, flavour: Flavour) -> u32 {
        let spec = SessionSpec {
            flavour,
            ue_ipv6: Some(UE6.parse().unwrap()),
            ..Default::default()
        };
        let number = self.smf.establish(spec).unwrap();
        self.smf.activate(number, Outer::V4.tunnel()).unwrap();
        let uplink = self.smf.sessions().get(number).unwrap().uplink;
        let folder = self.folder.path();
        self.ran.start(GNB, Outer::V4.upf(), uplink.teid, folder);
        self.ran.up("ue0").unwrap();
        number
    }

    /// Moves the UE to the gNB of that family.
    pub fn move_to(&mut self, session: u32, outer: Outer) {
        self.ran.stop();
        self.smf.path_switch(session, outer.tunnel()).unwrap();
        self.camp_on(session, outer);
    }

    fn camp_on(&mut self, session: u32, outer: Outer) {
        let uplink = self.smf.sessions().get(session).unwrap().uplink;
        let folder = self.folder.path();
        self.ran
            .start(outer.gnb(), outer.upf(), uplink.teid, folder);
        self.ran.connect(&[UE4, UE6]);
    }

    /// Sets another session up, with its UE in the second radio access network.
    pub fn attach_second(&mut self, dnn: &str, ipv4: &str, ipv6: &str) -> u32 {
        let spec = SessionSpec {
            dnn: dnn.to_owned(),
            ue_ipv4: Some(ipv4.parse().unwrap()),
            ue_ipv6: Some(ipv6.parse().unwrap()),
            ..Default::default()
        };
        let number = self.smf.establish(spec).unwrap();
        self.smf.activate(number, tunnel(SECOND_GNB)).unwrap();
        let uplink = self.smf.sessions().get(number).unwrap().uplink;
        let folder = self.folder.path();
        self.second
            .start(SECOND_GNB, "10.10.3.7", uplink.teid, folder);
        self.second.connect(&[ipv4, ipv6]);
        number
    }

    /// The API's socket, where there is one.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    /// What Prometheus would be told.
    pub fn metrics(&self) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        body.to_owned()
    }

    pub fn gnb_log(&self) -> String {
        self.ran.log()
    }

    pub fn wait(&self, what: &str, mut is_there: impl FnMut(&Self) -> bool) {
        let log = || format!("{} {}", self.gnb_log(), self.upf.log());
        wait(what, log, || is_there(self));
    }

    /// Pings from the UE; how many of `count` were answered.
    pub fn ping(&self, from: &str, to: &str, count: u32, extra: &[&str]) -> u32 {
        self.ran.ping(from, to, count, extra)
    }

    /// What one ping from a namespace says.
    pub fn ask(from: &Namespace, arguments: &[&str]) -> String {
        let mut command = from.command("ping");
        command.args(["-n", "-c", "1", "-W", "1"]).args(arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text + &String::from_utf8_lossy(&output.stderr)
    }

    /// Ends all in order; the UPF must end well, and Wireshark must like what it sent.
    pub fn finish(mut self) {
        self.ran.stop();
        self.second.stop();
        self.upf.stop().unwrap();
        if let Some(capture) = self.capture.take() {
            capture.check();
        }
    }
}

/// GTP-U on an interface, for Wireshark to look at.
pub struct Capture {
    tshark: Process,
    file: PathBuf,
}

impl Capture {
    /// Starts it if there is tshark.
    pub fn start(at: &Namespace, interface: &str, file: PathBuf) -> Option<Self> {
        if !skip::has_tshark() {
            return None;
        }
        let mut command = at.command("tshark");
        let filter = ["-f", "udp port 2152", "-c", "4000", "-w"];
        command
            .args(["-q", "-i", interface])
            .args(filter)
            .arg(&file);
        let tshark = Process::start(&mut command, &file.with_extension("log")).unwrap();
        wait("capture", || tshark.log(), || file.exists());
        Some(Self { tshark, file })
    }

    /// Wireshark must have no complaint.
    pub fn check(mut self) {
        // It says how many packets it has, and that is all right.
        let _ = self.tshark.stop();
        let complaints = tshark::complaints(&self.file, tshark::Depth::Tunnels).unwrap();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

/// Waits for something, ten seconds at most.
pub fn wait(what: &str, log: impl Fn() -> String, mut is_there: impl FnMut() -> bool) {
    let end = now() + Duration::from_secs(10);
    while !is_there() {
        assert!(now() < end, "no {what}: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An SMF in the namespace of a UPF at 10.10.4.7, associated with it.
pub fn associated(middle: &Namespace, upf: &mut Process) -> Smf {
    let mut config = SmfConfig::new("10.10.4.2".parse().unwrap(), "10.10.4.7".parse().unwrap());
    config.t1 = Duration::from_millis(500);
    let socket = middle.udp("10.10.4.2:8805").unwrap();
    let mut smf = Smf::on(socket, config).unwrap();
    for _ in 0..10 {
        if smf.associate().is_ok() {
            assert!(smf.features().contains(UpFunctionFeatures::FTUP));
            return smf;
        }
        assert!(upf.is_running(), "{}", upf.log());
    }
    panic!("no association: {}", upf.log());
}

/// Measures from the UE (`-R`: to it) between those addresses.
pub fn iperf3(network: &Network, (from, to): (&str, &str), extra: &[&str]) -> Value {
    let log = network.folder.path().join("iperf3.log");
    let mut server = Process::start(
        network
            .core
            .command("iperf3")
            .args(["-s", "-1", "--forceflush"]),
        &log,
    )
    .unwrap();
    network.wait("iperf3 server", |_| {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .contains("listening")
    });
    let mut arguments = vec!["20", "iperf3", "-J", "-t", "2", "-B", from, "-c", to];
    arguments.extend_from_slice(extra);
    let output = network
        .ran
        .command("timeout")
        .args(&arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "iperf3 {extra:?}: {text}");
    let _ = server.stop();
    serde_json::from_str(&text).unwrap()
}

pub fn number(report: &Value, pointer: &str) -> f64 {
    report
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{pointer}: {report}"))
}
