//! `upf run` between real hosts: a UE with the kernel's TCP/IP behind a gNB, and a data network,
//! each in a namespace of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pfcp::UpFunctionFeatures;
use serde_json::Value;
use simulator::{Event, Flavour, SessionSpec, Smf, SmfConfig, Tunnel};
use test_harness::folder::Folder;
use test_harness::namespace::Namespace;
use test_harness::process::{Process, run_upf};
use test_harness::wire::now;
use test_harness::{skip, tshark};

const SERVER4: &str = "10.10.6.1";
const SERVER6: &str = "2001:db8:6::1";
const UE4: &str = "10.45.0.2";
const UE6: &str = "2001:db8:cafe:1::2";
const GNB: &str = "10.10.3.101";
const OTHER_GNB: &str = "10.10.3.102";
const DOWNLINK_TEID: u32 = 0x55;

/// How N6 leaves the UPF.
#[derive(Clone, Copy, PartialEq)]
enum N6 {
    /// A packet socket on a cable to the data network.
    AfPacket,
    /// A TAP interface; the kernel routes between it and the data network.
    Tap,
}

/// Two cores: one UPF at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that there is. Processes end before their namespaces.
struct Network {
    smf: Smf,
    gnb: Option<Process>,
    capture: Option<Process>,
    upf: Process,
    ran: Namespace,
    core: Namespace,
    _middle: Namespace,
    folder: Folder,
    _turn: MutexGuard<'static, ()>,
}

fn configuration(n6: N6) -> String {
    let mut text = String::from(
        r#"
node:
  id: 10.10.4.7
pfcp:
  address: 10.10.4.7
memory:
  hugepages: none
log:
  level: warn
ports:
  - { name: ran, device: "af_packet:n3", mtu: 1600 }
"#,
    );
    text += match n6 {
        N6::AfPacket => "  - { name: core, device: \"af_packet:n6\" }\n",
        N6::Tap => "  - { name: core, device: \"tap:upf0\" }\n",
    };
    text += r"
interfaces:
  - name: n3
    role: n3
    port: ran
    addresses: [10.10.3.7/24]
  - name: n6
    role: n6
    port: core
";
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
    fn start(n6: N6) -> Self {
        let turn = turn();
        let folder = Folder::new("namespaces").unwrap();
        let [ran, core, middle] = cabled(n6);
        let mut upf = run_upf(&middle, folder.path(), &configuration(n6)).unwrap();
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
    fn attach(&mut self, flavour: Flavour) -> u32 {
        let spec = SessionSpec {
            flavour,
            ue_ipv4: Some(UE4.parse().unwrap()),
            ue_ipv6: matches!(flavour, Flavour::Simple | Flavour::Open5gs)
                .then(|| UE6.parse().unwrap()),
            n3_address: "10.10.3.7".parse().unwrap(),
            ..Default::default()
        };
        let number = self.smf.establish(spec).unwrap();
        let tunnel = Tunnel {
            address: GNB.parse().unwrap(),
            teid: DOWNLINK_TEID,
        };
        self.smf.activate(number, tunnel).unwrap();
        let teid = self.smf.sessions().get(number).unwrap().uplink.teid;
        let mut command = self.ran.command(env!("CARGO_BIN_EXE_test-harness"));
        command.args([
            "gnb",
            "--local",
            GNB,
            "--upf",
            "10.10.3.7",
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
        self.ran.up("ue0").unwrap();
        self.ran.address("ue0", &format!("{UE4}/32")).unwrap();
        self.ran.address("ue0", &format!("{UE6}/128")).unwrap();
        self.ran
            .ip(&["route", "add", "10.10.6.0/24", "dev", "ue0"])
            .unwrap();
        self.ran
            .ip(&["-6", "route", "add", "2001:db8:6::/64", "dev", "ue0"])
            .unwrap();
        number
    }

    fn gnb_log(&self) -> String {
        self.gnb.as_ref().map(Process::log).unwrap_or_default()
    }

    fn wait(&self, what: &str, mut is_there: impl FnMut(&Self) -> bool) {
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
    fn ping(&self, from: &str, to: &str, count: u32, extra: &[&str]) -> u32 {
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

    /// Ends all in order; the UPF must end well, and Wireshark must like what it sent.
    fn finish(mut self) {
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

fn iperf3(network: &Network, extra: &[&str]) -> Value {
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
    let mut arguments = vec!["20", "iperf3", "-J", "-t", "2", "-B", UE4, "-c", SERVER4];
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

fn number(report: &Value, pointer: &str) -> f64 {
    report
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{pointer}: {report}"))
}

/// What a session must carry, whatever N6 is made of.
fn carries_traffic(n6: N6) {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(n6);
    let session = network.attach(Flavour::Open5gs);
    // The first packet may wait for a neighbour.
    network.ping(UE4, SERVER4, 2, &[]);
    network.ping(UE6, SERVER6, 2, &[]);
    assert_eq!(
        network.ping(UE4, SERVER4, 20, &[]),
        20,
        "{}",
        network.upf.log()
    );
    assert_eq!(
        network.ping(UE6, SERVER6, 20, &[]),
        20,
        "{}",
        network.upf.log()
    );
    assert_eq!(network.ping(UE4, SERVER4, 5, &["-s", "1300"]), 5);

    if skip::has_iperf3() {
        for (name, extra) in [("uplink", &[][..]), ("downlink", &["-R"])] {
            let report = iperf3(&network, extra);
            let rate = number(&report, "/end/sum_received/bits_per_second");
            eprintln!("TCP {name}: {:.1} Mbit/s", rate / 1e6);
            assert!(rate > 1e6, "TCP {name}: {rate} bit/s");
        }
        let report = iperf3(&network, &["-u", "-b", "10M", "-l", "1200"]);
        let lost = number(&report, "/end/sum/lost_percent");
        eprintln!("UDP: {lost} % lost at 10 Mbit/s");
        assert!(lost < 5.0, "{lost} % of UDP lost");
    }
    network.smf.delete(session).unwrap();
    assert_eq!(
        network.ping(UE4, SERVER4, 3, &[]),
        0,
        "a session that is gone carries nothing"
    );
    network.wait("error indication", |network| {
        network.gnb_log().contains("message 26")
    });
    network.finish();
}

#[test]
fn a_session_carries_traffic_over_packet_sockets() {
    carries_traffic(N6::AfPacket);
}

#[test]
fn a_session_carries_traffic_through_the_kernel() {
    carries_traffic(N6::Tap);
}

#[test]
fn an_idle_ue_is_paged_and_goes_on() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    let session = network.attach(Flavour::Open5gs);
    network.ping(UE4, SERVER4, 2, &[]);
    assert_eq!(network.ping(UE4, SERVER4, 5, &[]), 5);
    network.smf.idle(session).unwrap();
    // The data network pings the UE, which has to be found first.
    let mut command = network.core.command("ping");
    command.args(["-n", "-c", "4", "-i", "0.2", "-W", "5", UE4]);
    let mut ping = Process::start(&mut command, &network.folder.path().join("ping.log")).unwrap();
    let event = network.smf.wait_event(Duration::from_secs(5)).unwrap();
    assert!(
        matches!(event, Some(Event::DownlinkData { session: paged, .. }) if paged == session),
        "{event:?}\n{}",
        network.upf.log()
    );
    let tunnel = Tunnel {
        address: GNB.parse().unwrap(),
        teid: DOWNLINK_TEID,
    };
    network.smf.activate(session, tunnel).unwrap();
    network.wait("end of ping", |_| !ping.is_running());
    let text = ping.log();
    assert!(
        text.contains("4 packets transmitted, 4 received"),
        "held packets are lost: {text}"
    );
    network.finish();
}

#[test]
fn the_old_gnb_gets_an_end_marker() {
    if !skip::is_root() {
        return;
    }
    let mut network = Network::start(N6::AfPacket);
    let session = network.attach(Flavour::Open5gs);
    network.ping(UE4, SERVER4, 2, &[]);
    let other = network.ran.udp(&format!("{OTHER_GNB}:2152")).unwrap();
    other
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let tunnel = Tunnel {
        address: OTHER_GNB.parse().unwrap(),
        teid: 0x66,
    };
    network.smf.path_switch(session, tunnel).unwrap();
    let marker = format!("message 254 teid {DOWNLINK_TEID:#x}");
    network.wait("end marker", |network| network.gnb_log().contains(&marker));
    // And downlink packets come to the new one.
    network
        .core
        .command("ping")
        .args(["-c", "1", "-W", "1", UE4])
        .output()
        .unwrap();
    let mut buffer = vec![0; 2048];
    let length = other.recv(&mut buffer).unwrap();
    let gtp = simulator::gtp::Gtp::parse(&buffer[..length]).unwrap();
    assert_eq!((gtp.message_type, gtp.teid), (simulator::gtp::G_PDU, 0x66));
    network.finish();
}

#[test]
fn every_smf_gets_its_ue_through() {
    if !skip::is_root() {
        return;
    }
    for flavour in [
        Flavour::Simple,
        Flavour::Free5gc,
        Flavour::SdCore,
        Flavour::Oai,
    ] {
        let mut network = Network::start(N6::AfPacket);
        let session = network.attach(flavour);
        network.ping(UE4, SERVER4, 2, &[]);
        assert_eq!(
            network.ping(UE4, SERVER4, 5, &[]),
            5,
            "{flavour:?}: {}",
            network.upf.log()
        );
        network.smf.idle(session).unwrap();
        let tunnel = Tunnel {
            address: GNB.parse().unwrap(),
            teid: DOWNLINK_TEID,
        };
        network.smf.activate(session, tunnel).unwrap();
        assert_eq!(
            network.ping(UE4, SERVER4, 5, &[]),
            5,
            "{flavour:?}: {}",
            network.upf.log()
        );
        network.smf.delete(session).unwrap();
        network.finish();
    }
}

/// Where the program under test is; here so that a missing one is found before all else.
#[test]
fn the_program_is_there() {
    let program: PathBuf = test_harness::process::upf_program().unwrap();
    assert!(program.exists());
}
