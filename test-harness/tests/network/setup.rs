//! What the UPF is given, and what its cables lead to.

use std::fmt::Write as _;
use std::path::Path;

use test_harness::namespace::Namespace;

use super::{GNB, GNB6, OTHER_GNB, SECOND_GNB};

/// How N6 leaves the UPF.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum N6 {
    /// A packet socket on a cable to the data network.
    AfPacket,
    /// A TAP interface; the kernel routes between it and the data network.
    Tap,
    /// A packet socket on a cable to an Ethernet network.
    Ethernet,
}

/// What differs from test to test.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub n6: N6,
    /// The MTU of the N3 port.
    pub n3_mtu: u16,
    /// `networks[].ue_to_ue`, and all else that is said of the first network.
    pub network: &'static str,
    /// Routes of N6 besides the default ones by the data network.
    pub n6_routes: &'static str,
    /// A second data network in a VRF and on a port of its own, with the addresses of the first.
    pub overlapping: bool,
    /// The API, on a socket in the folder.
    pub api: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            n6: N6::AfPacket,
            n3_mtu: 1600,
            network: "",
            n6_routes: "",
            overlapping: false,
            api: false,
        }
    }
}

/// What every configuration here begins with.
pub const COMMON: &str = r"
memory:
  hugepages: none
log:
  level: warn
api: { socket: none }
";

/// The port of the second data network.
const IMS_PORT: &str = "  - { name: ims, device: \"af_packet:ims\" }\n";

impl Setup {
    fn common(&self, folder: &Path) -> String {
        let socket = format!("socket: {}", folder.join("api.sock").display());
        if self.api {
            COMMON.replace("socket: none", &socket)
        } else {
            COMMON.to_owned()
        }
    }

    pub fn configuration(&self, folder: &Path) -> String {
        let mut text = String::from("node: { id: 10.10.4.7 }\npfcp: { address: 10.10.4.7 }");
        text += &self.common(folder);
        let n6_device = match self.n6 {
            N6::AfPacket | N6::Ethernet => "af_packet:n6",
            N6::Tap => "tap:upf0",
        };
        let n6_addresses = self.n6_addresses();
        let pools = match self.n6 {
            N6::Ethernet => "",
            _ => r#"ue_pools: [10.45.0.0/16, "2001:db8:cafe::/48"]"#,
        };
        write!(
            text,
            r#"ports:
  - {{ name: ran, device: "af_packet:n3", mtu: {} }}
  - {{ name: core, device: "{n6_device}" }}
{}networks:
  - name: internet
    interface: n6
    {pools}
    mtu: 1400
{}"#,
            self.n3_mtu,
            if self.overlapping { IMS_PORT } else { "" },
            self.network
        )
        .unwrap();
        if self.overlapping {
            text += r#"
  - name: ims
    interface: ims
    ue_pools: [10.45.0.0/16, "2001:db8:cafe::/48"]"#;
        }
        write!(
            text,
            r#"
interfaces:
  - name: n3
    role: n3
    port: ran
    addresses: [10.10.3.7/24, "2001:db8:3::7/64"]
    routes: [{{ to: 10.10.4.2/32, via: {GNB} }}]
  - name: n6
    role: n6
    port: core
    {n6_addresses}
{}"#,
            self.n6_routes
        )
        .unwrap();
        if self.overlapping {
            text += r#"  - name: ims
    role: n6
    port: ims
    addresses: [10.10.6.7/24, "2001:db8:6::7/64"]
"#;
        }
        text
    }

    const fn n6_addresses(&self) -> &'static str {
        match self.n6 {
            N6::AfPacket => {
                r#"addresses: [10.10.6.7/24, "2001:db8:6::7/64"]
    routes:
      - { to: 0.0.0.0/0, via: 10.10.6.1 }
      - { to: "::/0", via: "2001:db8:6::1" }"#
            }
            N6::Tap => {
                r#"addresses: [10.10.7.7/24, "2001:db8:7::7/64"]
    routes:
      - { to: 0.0.0.0/0, via: 10.10.7.1 }
      - { to: "::/0", via: "2001:db8:7::1" }
    kernel: { addresses: [10.10.7.1/24, "2001:db8:7::1/64"] }"#
            }
            N6::Ethernet => "",
        }
    }

    /// The namespaces with cables, addresses and routes.
    pub fn cable(&self) -> Cabled {
        let [ran, second, lan, core, middle] =
            ["ran", "ran2", "lan", "core", "upf"].map(|label| Namespace::new(label).unwrap());
        middle.cable("n3", &lan, "upf").unwrap();
        ran.cable("ran0", &lan, "ran").unwrap();
        second.cable("ran0", &lan, "ran2").unwrap();
        lan.bridge("lan", &["upf", "ran", "ran2"]).unwrap();
        middle.cable("n6", &core, "core0").unwrap();
        middle.hands_off("n3").unwrap();
        for address in [GNB, OTHER_GNB] {
            ran.address("ran0", &format!("{address}/24")).unwrap();
        }
        ran.address("ran0", &format!("{GNB6}/64")).unwrap();
        second.address("ran0", &format!("{SECOND_GNB}/24")).unwrap();
        for address in ["10.10.4.7/32", "10.10.4.2/32"] {
            middle.address("lo", address).unwrap();
        }
        is_data_network(&core, "core0");
        match self.n6 {
            N6::AfPacket | N6::Ethernet => middle.hands_off("n6").unwrap(),
            // The kernel in the middle has the addresses that the UPF has otherwise.
            N6::Tap => {
                middle.address("n6", "10.10.6.7/24").unwrap();
                middle.address("n6", "2001:db8:6::7/64").unwrap();
                is_router(&middle);
            }
        }
        let ims = self.overlapping.then(|| {
            let ims = Namespace::new("ims").unwrap();
            middle.cable("ims", &ims, "core0").unwrap();
            middle.hands_off("ims").unwrap();
            is_data_network(&ims, "core0");
            ims
        });
        Cabled {
            ran,
            second,
            core,
            ims,
            middle,
            lan,
        }
    }
}

/// Has a host pass packets on.
pub fn is_router(host: &Namespace) {
    let forward = [
        "-qw",
        "net.ipv4.ip_forward=1",
        "net.ipv6.conf.all.forwarding=1",
    ];
    host.run("sysctl", &forward).unwrap();
}

/// Gives a host the addresses of the data network, and the way to UEs.
pub fn is_data_network(host: &Namespace, interface: &str) {
    host.address(interface, "10.10.6.1/24").unwrap();
    host.address(interface, "2001:db8:6::1/64").unwrap();
    host.ip(&["route", "add", "10.45.0.0/16", "via", "10.10.6.7"])
        .unwrap();
    let via = "2001:db8:6::7";
    host.ip(&["-6", "route", "add", "2001:db8:cafe::/48", "via", via])
        .unwrap();
}

pub struct Cabled {
    pub ran: Namespace,
    pub second: Namespace,
    pub core: Namespace,
    pub ims: Option<Namespace>,
    pub middle: Namespace,
    pub lan: Namespace,
}
