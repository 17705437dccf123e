//! `upf doctor` on machines made of files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use config::{Config, Overrides};
use upf::doctor::{Addressed, Facts, Finding, Heartbeat, Level, N4Socket, Probes, Report, examine};

/// A machine: files below a directory that goes when the test ends.
struct Machine(PathBuf);

impl Machine {
    /// Two sockets of two cores, 64 pages of 2 MB free on node 0, all capabilities.
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("upf-doctor-{}-{name}", std::process::id()));
        let machine = Self(root);
        machine
            .file(
                "proc/self/status",
                "Name:\tupf\nCapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-3\n",
            )
            .file(
                "proc/self/limits",
                "Max locked memory         unlimited            unlimited            bytes\n",
            )
            .file("proc/cpuinfo", "flags\t\t: fpu constant_tsc nonstop_tsc\n")
            .file("proc/1/comm", "chronyd\n")
            .file("proc/net/route", "Iface\tDestination\tGateway\tFlags\n")
            .file("proc/sys/net/ipv4/ip_forward", "1\n")
            .file("proc/sys/net/ipv6/conf/all/forwarding", "1\n")
            .file("dev/net/tun", "")
            .file("sys/devices/system/cpu/online", "0-3\n")
            .file("sys/devices/system/cpu/isolated", "1-3\n")
            .file("sys/devices/system/cpu/nohz_full", "1-3\n")
            .file("sys/devices/system/node/node0/cpulist", "0-1\n")
            .file("sys/devices/system/node/node1/cpulist", "2-3\n")
            .file(
                "sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            )
            .file(
                "sys/devices/system/clocksource/clocksource0/current_clocksource",
                "tsc\n",
            )
            .file("sys/kernel/iommu_groups/7/type", "DMA\n")
            .file("dev/vfio/7", "");
        for cpu in 0..4 {
            let place = format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
            machine.file(&place, "performance\n");
        }
        machine.hugepages(0, 512).hugepages(1, 512);
        machine
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn without(&self, path: &str) -> &Self {
        std::fs::remove_file(self.0.join(path)).unwrap();
        self
    }

    fn hugepages(&self, node: u32, free: u32) -> &Self {
        let place = format!("sys/devices/system/node/node{node}/hugepages/hugepages-2048kB");
        self.file(&format!("{place}/nr_hugepages"), &free.to_string())
            .file(&format!("{place}/free_hugepages"), &free.to_string())
    }

    fn link(&self, name: &str, mtu: u32, state: &str) -> &Self {
        let place = format!("sys/class/net/{name}");
        self.file(&format!("{place}/mtu"), &mtu.to_string())
            .file(&format!("{place}/operstate"), state)
            .file(
                &format!("{place}/carrier"),
                if state == "up" { "1" } else { "0" },
            )
    }

    /// An adaptive virtual function on node 1, in IOMMU group 7.
    fn function(&self, address: &str, driver: &str) -> &Self {
        let place = format!("sys/bus/pci/devices/{address}");
        self.file(&format!("{place}/class"), "0x020000\n")
            .file(&format!("{place}/vendor"), "0x8086\n")
            .file(&format!("{place}/device"), "0x1889\n")
            .file(&format!("{place}/numa_node"), "1\n");
        for (name, target) in [
            ("driver", format!("../../../bus/pci/drivers/{driver}")),
            ("iommu_group", "../../../kernel/iommu_groups/7".to_owned()),
            ("physfn", "../0000:03:00.0".to_owned()),
        ] {
            symlink(target, self.0.join(&place).join(name)).unwrap();
        }
        self
    }

    fn examine(&self, probes: &Probes, yaml: &str) -> Report {
        examine(&Facts::gather(&self.0), probes, Some(&config(yaml)))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn config(yaml: &str) -> Config {
    config::load(yaml, &Overrides::default()).unwrap().config
}

/// The only finding of that name.
fn one<'a>(report: &'a Report, id: &'a str) -> &'a Finding {
    let found: Vec<&Finding> = report.of(id).collect();
    assert_eq!(found.len(), 1, "{id} in:\n{report}");
    found[0]
}

/// What a finding of a bad machine must have.
fn told(finding: &Finding, level: Level, what: &str, remedy: &str) {
    assert_eq!(finding.level, level, "{finding:?}");
    assert!(finding.what.contains(what), "{what:?} not in {finding:?}");
    let given = finding.remedy.as_deref().unwrap_or_default();
    assert!(given.contains(remedy), "{remedy:?} not in {finding:?}");
    assert!(
        level < Level::Warning || !finding.why.is_empty(),
        "{finding:?}"
    );
}

const KERNEL: &str = "
pfcp: { address: 10.10.4.7, allow: [10.10.4.0/24] }
ports:
  - { name: ran, device: af_packet:eth1, mtu: 1600 }
  - { name: core, device: tap:upf0 }
interfaces:
  - { name: n3, role: n3, port: ran, addresses: [10.10.3.7/24], routes: [{ to: 0.0.0.0/0, via: 10.10.3.1 }] }
  - { name: n6, role: n6, port: core, kernel: { addresses: [10.45.0.1/16] } }
networks:
  - { name: internet, interface: n6, ue_pools: [10.45.0.0/16] }
";

const VIRTUAL_FUNCTION: &str = "
pfcp: { address: 10.10.4.7, allow: [10.10.4.0/24] }
workers: { lcores: [2, 3] }
ports: [{ name: all, device: pci:0000:03:02.0, rx_queues: 2, mtu: 9000 }]
interfaces:
  - { name: n3, role: n3, port: all, addresses: [10.10.3.7/24] }
  - { name: n6, role: n6, port: all, vlan: 6, addresses: [10.10.6.7/24], routes: [{ to: 0.0.0.0/0, via: 10.10.6.1 }] }
networks:
  - { name: internet, interface: n6, ue_pools: [10.45.0.0/16], mtu: 1500 }
";

fn kernel(name: &str) -> Machine {
    let machine = Machine::new(name);
    machine
        .link("lo", 65536, "unknown")
        .link("eth1", 1600, "up");
    machine
}

#[test]
fn a_machine_that_is_ready_has_no_problem_and_no_warning() {
    let machine = kernel("ready");
    machine.file(
        "proc/net/arp",
        "IP HW Flags\n10.10.3.1 0x1 0x2 02:00:00:00:00:01 * eth1\n",
    );
    let probes = Probes {
        n4: N4Socket::Free,
        masquerades: Some(true),
        ..Probes::default()
    };
    let report = machine.examine(&probes, KERNEL);
    let bad = report
        .findings
        .iter()
        .filter(|finding| finding.level >= Level::Warning);
    assert_eq!(bad.count(), 0, "{report}");
    assert!(report.is_well());
    assert!(
        one(&report, "links.tunnel_mtu")
            .what
            .contains("1500 octets fit through n3 (1556)")
    );
    assert!(one(&report, "n6.gateway").what.contains("answers"));
}

#[test]
fn virtual_functions_that_are_ready() {
    let machine = Machine::new("vf-ready");
    machine.function("0000:03:02.0", "vfio-pci");
    let report = machine.examine(&Probes::default(), VIRTUAL_FUNCTION);
    let bad = report
        .findings
        .iter()
        .filter(|finding| finding.level >= Level::Warning);
    assert_eq!(bad.count(), 0, "{report}");
    for id in [
        "devices.driver",
        "devices.iommu",
        "devices.vfio_group",
        "cpus.numa",
        "cpus.isolated",
    ] {
        assert_eq!(one(&report, id).level, Level::Good, "{report}");
    }
    // What cannot be seen is said, with the command for the router.
    told(
        one(&report, "n6.return_route"),
        Level::Note,
        "10.45.0.0/16",
        "ip route add 10.45.0.0/16 via 10.10.6.7",
    );
    told(
        one(&report, "devices.trust"),
        Level::Note,
        "vlan",
        "trust on",
    );
}

#[test]
fn memory_that_is_missing() {
    let machine = Machine::new("memory");
    machine.function("0000:03:02.0", "vfio-pci").hugepages(1, 8);
    machine.file(
        "sys/kernel/mm/transparent_hugepage/enabled",
        "always madvise [never]\n",
    );
    let report = machine.examine(&Probes::default(), VIRTUAL_FUNCTION);
    told(
        one(&report, "memory.hugepages"),
        Level::Warning,
        "node 1: 16 MB of hugepages free, 168 MB needed",
        "echo 84 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
    );
    told(
        one(&report, "memory.transparent_hugepages"),
        Level::Warning,
        "switched off",
        "madvise",
    );
    let named = format!("{VIRTUAL_FUNCTION}\nmemory: {{ hugepages: 1g }}\n");
    let report = machine.examine(&Probes::default(), &named);
    told(
        one(&report, "memory.hugepages"),
        Level::Problem,
        "0 MB",
        "echo 1 > ",
    );
}

#[test]
fn devices_that_are_not_ready() {
    let machine = Machine::new("devices");
    machine
        .function("0000:03:02.0", "iavf")
        .function("0000:03:02.1", "vfio-pci");
    let report = machine.examine(&Probes::default(), VIRTUAL_FUNCTION);
    told(
        one(&report, "devices.driver"),
        Level::Problem,
        "kernel's driver iavf",
        "dpdk-devbind.py --bind=vfio-pci 0000:03:02.0",
    );
    let elsewhere = VIRTUAL_FUNCTION.replace("03:02.0", "03:02.7");
    let report = machine.examine(&Probes::default(), &elsewhere);
    told(
        one(&report, "devices.present"),
        Level::Problem,
        "0000:03:02.7",
        "0000:03:02.0, 0000:03:02.1",
    );
    // Its group has a device that the kernel drives; the node is not mounted.
    machine.without("dev/vfio/7");
    let report = machine.examine(
        &Probes::default(),
        &VIRTUAL_FUNCTION.replace("03:02.0", "03:02.1"),
    );
    let groups: Vec<&Finding> = report.of("devices.vfio_group").collect();
    told(
        groups[0],
        Level::Problem,
        "no /dev/vfio/7",
        "--device /dev/vfio/7",
    );
    told(
        groups[1],
        Level::Problem,
        "0000:03:02.0 share",
        "--bind=vfio-pci 0000:03:02.0",
    );
    let many =
        VIRTUAL_FUNCTION.replace("rx_queues: 2", "rx_queues: 32") + "memory: { buffers: 65536 }\n";
    let report = machine.examine(&Probes::default(), &many);
    told(
        one(&report, "devices.queues"),
        Level::Problem,
        "has 16",
        "rx_queues: 16",
    );
}

#[test]
fn a_device_that_belongs_to_root() {
    use std::os::unix::fs::MetadataExt as _;
    let machine = Machine::new("vfio-owner");
    machine.function("0000:03:02.0", "vfio-pci");
    let node = machine.0.join("dev/vfio/7");
    let owner = std::fs::metadata(&node).unwrap().uid();
    let as_user = |user: u32| {
        let status = format!(
            "Uid:\t{user}\t{user}\t{user}\t{user}\nGid:\t{user}\t{user}\t{user}\t{user}\n\
             CapEff:\t0000000000000000\nCpus_allowed_list:\t0-3\n"
        );
        machine.file("proc/self/status", &status);
        machine.examine(&Probes::default(), VIRTUAL_FUNCTION)
    };
    let report = as_user(owner);
    assert_eq!(
        one(&report, "devices.vfio_group").level,
        Level::Good,
        "{report}"
    );
    let report = as_user(owner + 65_532);
    told(
        one(&report, "devices.vfio_group"),
        Level::Problem,
        "not ours to open",
        "chown upf /dev/vfio/7",
    );
}

#[test]
fn an_iommu_that_is_off() {
    let machine = Machine::new("iommu");
    machine.function("0000:03:02.0", "vfio-pci");
    std::fs::remove_dir_all(machine.0.join("sys/kernel/iommu_groups")).unwrap();
    let report = machine.examine(&Probes::default(), VIRTUAL_FUNCTION);
    told(
        one(&report, "devices.iommu"),
        Level::Problem,
        "no IOMMU",
        "intel_iommu=on",
    );
    machine.file(
        "sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
        "Y\n",
    );
    let report = machine.examine(&Probes::default(), VIRTUAL_FUNCTION);
    assert_eq!(one(&report, "devices.iommu").level, Level::Warning);
}

#[test]
fn processors_that_are_not_for_workers() {
    let machine = Machine::new("cpus");
    machine.function("0000:03:02.0", "vfio-pci");
    machine
        .file("sys/devices/system/cpu/isolated", "\n")
        .file(
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
            "powersave\n",
        )
        .file(
            "sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
            "0-1\n",
        )
        .file(
            "sys/devices/system/cpu/cpu1/topology/thread_siblings_list",
            "0-1\n",
        )
        .file("sys/fs/cgroup/cpu.max", "150000 100000\n")
        .file(
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            "hpet\n",
        );
    let here = VIRTUAL_FUNCTION.replace("[2, 3]", "[0, 1]");
    let report = machine.examine(&Probes::default(), &here);
    told(
        one(&report, "cpus.numa"),
        Level::Warning,
        "is on node 1, workers [0, 1] are not",
        "[2, 3]",
    );
    told(
        one(&report, "cpus.isolated"),
        Level::Warning,
        "[0, 1]",
        "isolcpus=0,1 nohz_full=0,1",
    );
    told(
        one(&report, "cpus.governor"),
        Level::Warning,
        "powersave",
        "cpupower",
    );
    told(
        one(&report, "cpus.hyperthreads"),
        Level::Warning,
        "[0, 1]",
        "one worker for each core",
    );
    told(
        one(&report, "cpus.quota"),
        Level::Warning,
        "150000 of each 100000",
        "static",
    );
    told(one(&report, "time.source"), Level::Warning, "hpet", "tsc");
    let beyond = VIRTUAL_FUNCTION.replace("[2, 3]", "[3, 4]");
    let report = machine.examine(&Probes::default(), &beyond);
    told(one(&report, "cpus.usable"), Level::Problem, "[4]", "auto");
}

#[test]
fn links_that_carry_nothing_or_too_little() {
    let machine = kernel("links");
    machine.link("eth1", 1500, "down").link("upf0", 1500, "up");
    let probes = Probes {
        addresses: vec![Addressed {
            link: "eth1".to_owned(),
            address: "10.10.3.7".parse().unwrap(),
        }],
        joins_packets: vec![("eth1".to_owned(), vec!["gro", "lro"])],
        ..Probes::default()
    };
    let report = machine.examine(&probes, KERNEL);
    told(one(&report, "links.state"), Level::Problem, "eth1", "eth1");
    told(
        one(&report, "links.mtu"),
        Level::Problem,
        "eth1 takes 1500",
        "ip link set eth1 mtu 1600",
    );
    told(
        one(&report, "links.kernel_address"),
        Level::Problem,
        "10.10.3.7",
        "ip address flush dev eth1",
    );
    told(
        one(&report, "links.joined"),
        Level::Warning,
        "(gro, lro)",
        "ethtool -K eth1 gro off lro off",
    );
    told(
        one(&report, "links.tun"),
        Level::Problem,
        "no TAP",
        "another name",
    );
    let report = machine.examine(&probes, &KERNEL.replace("eth1", "eth9"));
    told(
        one(&report, "links.present"),
        Level::Problem,
        "no interface eth9",
        "eth1, lo, upf0",
    );
}

#[test]
fn what_n6_lets_in_and_n3_cannot_carry() {
    let machine = kernel("mtu");
    let narrow = KERNEL.replace("mtu: 1600", "mtu: 1500");
    let report = machine.examine(&Probes::default(), &narrow);
    // 20 + 8 + 16 octets of IPv4, UDP and GTP-U.
    let finding = one(&report, "links.tunnel_mtu");
    told(
        finding,
        Level::Warning,
        "1456 fit",
        "mtu 1544 for the port ran",
    );
    let six = narrow.replace("10.10.3.7/24]", "10.10.3.7/24, \"2001:db8:3::7/64\"]");
    let report = machine.examine(&Probes::default(), &six);
    told(
        one(&report, "links.tunnel_mtu"),
        Level::Warning,
        "1436 fit",
        "mtu 1564",
    );
    let bounded = narrow.replace("[10.45.0.0/16] }", "[10.45.0.0/16], mtu: 1400 }");
    let report = machine.examine(&Probes::default(), &bounded);
    assert_eq!(one(&report, "links.tunnel_mtu").level, Level::Good);
}

#[test]
fn privileges_that_are_not_granted() {
    let machine = kernel("privileges");
    machine.file(
        "proc/self/status",
        "CapEff:\t0000000000000000\nCpus_allowed_list:\t0-3\n",
    );
    let report = machine.examine(&Probes::default(), KERNEL);
    let capabilities: Vec<&Finding> = report.of("privileges.capabilities").collect();
    told(
        capabilities[0],
        Level::Problem,
        "CAP_NET_RAW",
        "--cap-add NET_RAW",
    );
    told(
        capabilities[1],
        Level::Problem,
        "CAP_NET_ADMIN",
        "AmbientCapabilities=CAP_NET_ADMIN",
    );
    machine.function("0000:03:02.0", "vfio-pci");
    machine.file(
        "proc/self/limits",
        "Max locked memory         8388608              8388608              bytes\n",
    );
    let report = machine.examine(&Probes::default(), VIRTUAL_FUNCTION);
    told(
        one(&report, "privileges.memlock"),
        Level::Problem,
        "8 MB",
        "LimitMEMLOCK=infinity",
    );
}

#[test]
fn n4_that_does_not_come_up() {
    let machine = kernel("n4");
    let with = |n4| Probes {
        n4,
        ..Probes::default()
    };
    let report = machine.examine(&with(N4Socket::Failed(ErrorKind::AddrInUse)), KERNEL);
    told(
        one(&report, "n4.socket"),
        Level::Problem,
        "is taken",
        "ss -lunp",
    );
    let report = machine.examine(&with(N4Socket::Failed(ErrorKind::AddrNotAvailable)), KERNEL);
    told(
        one(&report, "n4.socket"),
        Level::Problem,
        "no address 10.10.4.7",
        "ip address add 10.10.4.7",
    );
    let probes = Probes {
        n4: N4Socket::Free,
        smfs: vec![
            ("10.10.4.1:8805".to_owned(), Heartbeat::Refused),
            ("10.10.4.2:8805".to_owned(), Heartbeat::Silent),
            ("10.10.4.3:8805".to_owned(), Heartbeat::Answered),
        ],
        ..Probes::default()
    };
    let report = machine.examine(
        &probes,
        &KERNEL.replace("allow: [10.10.4.0/24]", "smf: [10.10.4.1]"),
    );
    let smfs: Vec<&Finding> = report.of("n4.smf").collect();
    told(smfs[0], Level::Problem, "nobody listens", "start the SMF");
    told(smfs[1], Level::Warning, "does not answer", "tcpdump");
    assert_eq!(smfs[2].level, Level::Good);
    told(
        one(&report, "n4.allow"),
        Level::Warning,
        "empty",
        "pfcp.allow",
    );
}

#[test]
fn pools_that_others_have_and_hosts_that_do_not_forward() {
    let machine = kernel("n6");
    machine
        .file(
            "proc/net/route",
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nogstun\t00002D0A\t00000000\t0001\t0\t0\t0\t0000FFFF\n",
        )
        .file("proc/sys/net/ipv4/ip_forward", "0\n")
        .file("proc/net/arp", "IP HW Flags\n10.10.3.1 0x1 0x0 00:00:00:00:00:00 * eth1\n");
    let report = machine.examine(&Probes::default(), KERNEL);
    told(
        one(&report, "n6.pool"),
        Level::Problem,
        "10.45.0.0/16 on ogstun",
        "ip link delete ogstun",
    );
    told(
        one(&report, "n6.forwarding"),
        Level::Problem,
        "net.ipv4.ip_forward = 0",
        "sysctl -w net.ipv4.ip_forward=1",
    );
    told(
        one(&report, "n6.nat"),
        Level::Note,
        "cannot be seen",
        "masquerade",
    );
    told(
        one(&report, "n6.gateway"),
        Level::Warning,
        "10.10.3.1 answered no ARP",
        "tcpdump -eni eth1 arp",
    );
    let report = machine.examine(
        &Probes::default(),
        &KERNEL.replace("10.45.0.1/16", "10.46.0.1/16"),
    );
    told(
        one(&report, "n6.return_route"),
        Level::Problem,
        "no route for 10.45.0.0/16",
        "ip route add 10.45.0.0/16 dev upf0",
    );
}

fn upf(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_upf"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        output.status.code(),
        text + &String::from_utf8_lossy(&output.stderr),
    )
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn exit_codes_tell_well_from_ill_from_asked_wrongly() {
    let machine = kernel("codes");
    let root = path(&machine.0);
    let file = machine.0.join("upf.yaml");
    std::fs::write(&file, KERNEL).unwrap();
    let (code, out) = upf(&["doctor", "--root", root, "--json", path(&file)]);
    assert_eq!(code, Some(0), "{out}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["well"], true);
    assert!(json["findings"].as_array().unwrap().len() > 10, "{out}");

    machine.link("eth1", 1500, "up");
    let (code, out) = upf(&["doctor", "--root", root, "--quiet", path(&file)]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("PROBLEM  port ran: mtu is 1600, and eth1 takes 1500"),
        "{out}"
    );
    assert!(out.contains("mend: ip link set eth1 mtu 1600"), "{out}");
    assert!(!out.contains("\n  ok"), "{out}");
    let sum = out.lines().last().unwrap();
    assert!(
        sum.starts_with("1 problems, 0 warnings") && !sum.ends_with(" 0 in order"),
        "{sum}"
    );

    std::fs::write(&file, KERNEL.replace("role: n3", "role: n7")).unwrap();
    let (code, out) = upf(&["doctor", "--root", root, path(&file)]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("interfaces.0.role") && out.contains("Memory"),
        "{out}"
    );
    let (code, _) = upf(&["doctor", "--nonsense"]);
    assert_eq!(code, Some(2));
}

#[test]
fn without_a_configuration_the_machine_is_looked_at() {
    let machine = Machine::new("bare");
    machine.function("0000:03:02.0", "iavf");
    let report = examine(&Facts::gather(&machine.0), &Probes::default(), None);
    assert!(report.is_well(), "{report}");
    assert!(
        one(&report, "devices.pci")
            .what
            .contains("driver iavf, node 1, virtual function"),
        "{report}"
    );
    assert!(
        one(&report, "privileges.capabilities")
            .what
            .contains("CAP_NET_RAW")
    );
    // This very machine, whatever it is.
    let (code, out) = upf(&["doctor", "/nowhere/upf.yaml"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("cannot read the configuration /nowhere/upf.yaml")
            && out.contains("Processors")
    );
}
