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
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

use std::fmt::Write as _;
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

pub const SERVER4: &str = "10.10.6.1";
pub const SERVER6: &str = "2001:db8:6::1";
pub const UE4: &str = "10.45.0.2";
pub const UE6: &str = "2001:db8:cafe:1::2";
pub const GNB: &str = "10.10.3.101";
pub const GNB6: &str = "2001:db8:3::101";
pub const OTHER_GNB: &str = "10.10.3.102";
pub const DOWNLINK_TEID: u32 = 0x55;

/// How N6 leaves the UPF.
#[derive(Clone, Copy, PartialEq)]
pub enum N6 {
    /// A packet socket on a cable to the data network.
    AfPacket,
    /// A TAP interface; the kernel routes between it and the data network.
    Tap,
}

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
        Tunnel {
            address: self.gnb().parse().unwrap(),
            teid: DOWNLINK_TEID,
        }
    }
}

/// Two cores: one UPF at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that there is. Processes end before their namespaces.
pub struct Network {
    pub smf: Smf,
    pub gnb: Option<Process>,
    capture: Option<Process>,
    pub upf: Process,
    pub ran: Namespace,
    pub core: Namespace,
    _middle: Namespace,
    pub folder: Folder,
    _turn: MutexGuard<'static, ()>,
}

fn configuration(n6: N6, n3_mtu: u16) -> String {
    let mut text = String::from(
        r"
node:
  id: 10.10.4.7
pfcp:
  address: 10.10.4.7
memory:
  hugepages: none
log:
  level: warn
ports:
",
    );
    writeln!(
        text,
        "  - {{ name: ran, device: \"af_packet:n3\", mtu: {n3_mtu} }}"
    )
    .unwrap();
    text += match n6 {
        N6::AfPacket => "  - { name: core, device: \"af_packet:n6\" }\n",
        N6::Tap => "  - { name: core, device: \"tap:upf0\" }\n",
    };
    text += r#"
interfaces:
  - name: n3
    role: n3
    port: ran
    addresses: [10.10.3.7/24, "2001:db8:3::7/64"]
  - name: n6
    role: n6
    port: core
"#;
    text += match n6 {
        N6::AfPacket => "    addresses: [10.10.6.7/24, \"2001:db8:6::7/64\"]\n",
        N6::Tap => {
            r#"    addresses: [10.10.7.7/24, "2001:db8:7::7/64"]
    routes:
      - { to: 0.0.0.0/0, via: 10.10.7.1 }
      - { to: "::/0", via: "2001:db8:7::1" }
    kernel:
      addresses: [10.10.7.1/24, "2001:db8:7::1/64"]
"#
        }
    };
    writeln!(
        text,
        "networks:\n  - {{ name: internet, interface: n6, ue_pools: [10.45.0.0/16, \"2001:db8:cafe::/48\"], mtu: 1400 }}"
    )
    .unwrap();
    text
}

/// The namespaces of gNBs, data network and UPF, with cables, addresses and routes.
fn cabled(n6: N6) -> [Namespace; 3] {
    let [ran, core, middle] = ["ran", "core", "upf"].map(|label| Namespace::new(label).unwrap());
    middle.cable("n3", &ran, "ran0").unwrap();
    middle.cable("n6", &core, "core0").unwrap();
    middle.hands_off("n3").unwrap();
    for address in [GNB, OTHER_GNB] {
        ran.address("ran0", &format!("{address}/24")).unwrap();
    }
    ran.address("ran0", &format!("{GNB6}/64")).unwrap();
    core.address("core0", "10.10.6.1/24").unwrap();
    core.address("core0", "2001:db8:6::1/64").unwrap();
    for address in ["10.10.4.7/32", "10.10.4.2/32"] {
        middle.address("lo", address).unwrap();
    }
    let (via4, via6) = ("10.10.6.7", "2001:db8:6::7");
    match n6 {
        N6::AfPacket => middle.hands_off("n6").unwrap(),
        // The kernel in the middle has the addresses that the UPF has otherwise.
        N6::Tap => {
            middle.address("n6", "10.10.6.7/24").unwrap();
            middle.address("n6", "2001:db8:6::7/64").unwrap();
            let forward = [
                "-qw",
                "net.ipv4.ip_forward=1",
                "net.ipv6.conf.all.forwarding=1",
            ];
            middle.run("sysctl", &forward).unwrap();
        }
    }
    core.ip(&["route", "add", "10.45.0.0/16", "via", via4])
        .unwrap();
    core.ip(&["-6", "route", "add", "2001:db8:cafe::/48", "via", via6])
        .unwrap();
    [ran, core, middle]
}

impl Network {
    pub fn start(n6: N6) -> Self {
        Self::with_mtu(n6, 1600)
    }

    /// The same with that MTU on N3.
    pub fn with_mtu(n6: N6, n3_mtu: u16) -> Self {
        let turn = turn();
        let folder = Folder::new("namespaces").unwrap();
        let [ran, core, middle] = cabled(n6);
        let mut upf = run_upf(&middle, folder.path(), &configuration(n6, n3_mtu)).unwrap();
        let smf = associated(&middle, &mut upf);
        if n6 == N6::Tap {
            middle
                .ip(&["route", "add", "10.45.0.0/16", "via", "10.10.7.7"])
                .unwrap();
            middle
                .ip(&[
                    "-6",
                    "route",
                    "add",
                    "2001:db8:cafe::/48",
                    "via",
                    "2001:db8:7::7",
                ])
                .unwrap();
        }
        let file = folder.path().join("n3.pcap");
        let capture = skip::has_tshark().then(|| {
            let mut command = ran.command("tshark");
            command
                .args([
                    "-q",
                    "-i",
                    "ran0",
                    "-f",
                    "udp port 2152",
                    "-c",
                    "4000",
                    "-w",
                ])
                .arg(&file);
            Process::start(&mut command, &folder.path().join("tshark.log")).unwrap()
        });
        let network = Self {
            smf,
            gnb: None,
            capture,
            upf,
            ran,
            core,
            _middle: middle,
            folder,
            _turn: turn,
        };
        if network.capture.is_some() {
            network.wait("capture", |_| file.exists());
        }
        network
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
            ..Default::default()
        };
        let number = self.smf.establish(spec).unwrap();
        self.smf.activate(number, outer.tunnel()).unwrap();
        let uplink = self.smf.sessions().get(number).unwrap().uplink;
        self.start_gnb(uplink.teid, outer);
        self.connect_ue();
        number
    }

    /// Moves the UE to the gNB of that family.
    pub fn move_to(&mut self, session: u32, outer: Outer) {
        drop(self.gnb.take());
        self.smf.path_switch(session, outer.tunnel()).unwrap();
        let uplink = self.smf.sessions().get(session).unwrap().uplink;
        self.start_gnb(uplink.teid, outer);
        self.connect_ue();
    }

    /// Gives the UE its addresses and routes.
    fn connect_ue(&self) {
        self.ran.up("ue0").unwrap();
        self.ran.address("ue0", &format!("{UE4}/32")).unwrap();
        self.ran.address("ue0", &format!("{UE6}/128")).unwrap();
        self.ran
            .ip(&["route", "add", "10.10.6.0/24", "dev", "ue0"])
            .unwrap();
        self.ran
            .ip(&["-6", "route", "add", "2001:db8:6::/64", "dev", "ue0"])
            .unwrap();
    }

    fn start_gnb(&mut self, teid: u32, outer: Outer) {
        let mut command = self.ran.command(env!("CARGO_BIN_EXE_test-harness"));
        command.args([
            "gnb",
            "--local",
            outer.gnb(),
            "--upf",
            outer.upf(),
            "--interface",
            "ue0",
        ]);
        command.args([
            "--uplink-teid",
            &teid.to_string(),
            "--downlink-teid",
            &DOWNLINK_TEID.to_string(),
        ]);
        let log = self.folder.path().join("gnb.log");
        self.gnb = Some(Process::start(&mut command, &log).unwrap());
        self.wait("the gNB", |network| network.gnb_log().contains("ready"));
    }

    pub fn gnb_log(&self) -> String {
        self.gnb.as_ref().map(Process::log).unwrap_or_default()
    }

    pub fn wait(&self, what: &str, mut is_there: impl FnMut(&Self) -> bool) {
        let end = now() + Duration::from_secs(10);
        while !is_there(self) {
            assert!(
                now() < end,
                "no {what}: {} {}",
                self.gnb_log(),
                self.upf.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Pings from the UE; how many of `count` were answered.
    pub fn ping(&self, from: &str, to: &str, count: u32, extra: &[&str]) -> u32 {
        let count_text = count.to_string();
        let mut arguments = vec!["-n", "-i", "0.05", "-W", "1", "-c", &count_text, "-I", from];
        arguments.extend_from_slice(extra);
        arguments.push(to);
        let output = self.ran.command("ping").args(&arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let received = text.lines().find_map(|line| {
            let (_, rest) = line.split_once("transmitted, ")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        received.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
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
        drop(self.gnb.take());
        self.upf.stop().unwrap();
        if let Some(mut capture) = self.capture.take() {
            // It says how many packets it has, and that is all right.
            let _ = capture.stop();
            let file = self.folder.path().join("n3.pcap");
            let complaints = tshark::complaints(&file, tshark::Depth::Tunnels).unwrap();
            assert!(complaints.is_empty(), "{complaints:#?}");
        }
    }
}

fn associated(middle: &Namespace, upf: &mut Process) -> Smf {
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
