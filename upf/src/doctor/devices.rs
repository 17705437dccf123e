//! PCI devices: present, bound to the right driver, reachable through VFIO, with enough queues.

use config::Device;
use config::schema::{Config, Port};

use super::facts::USER_SPACE;
use super::{Area, Facts, Finding, PciDevice};

/// Mellanox/NVIDIA: driven from user space beside the kernel's driver.
const BIFURCATED: u16 = 0x15b3;

/// Virtual functions with few queues: vendor and device, queues that DPDK gets, name.
const QUEUES: &[((u16, u16), u16, &str)] = &[
    ((0x8086, 0x10ed), 4, "82599 VF"),
    ((0x8086, 0x1515), 4, "X540 VF"),
    ((0x8086, 0x15c5), 4, "X553 VF"),
    ((0x8086, 0x1565), 4, "X550 VF"),
    ((0x8086, 0x154c), 16, "X710 VF"),
    ((0x8086, 0x37cd), 16, "X722 VF"),
    ((0x8086, 0x1889), 16, "Adaptive VF (E810, X710)"),
];

pub(super) fn examine(facts: &Facts, config: Option<&Config>, findings: &mut Vec<Finding>) {
    let Some(config) = config else {
        inventory(facts, findings);
        return;
    };
    let mut any = false;
    for port in &config.ports {
        if let Device::Pci(address) = port.device {
            any = true;
            let address = address.to_string();
            match facts.pci.iter().find(|device| device.address == address) {
                Some(device) => examine_device(facts, config, port, device, findings),
                None => findings.push(absent(facts, port, &address)),
            }
        }
    }
    if any {
        iommu(facts, findings);
    }
}

/// What there is, where no port is configured.
fn inventory(facts: &Facts, findings: &mut Vec<Finding>) {
    for device in &facts.pci {
        let what = describe(device);
        findings.push(Finding::good("devices.pci", Area::Devices, what));
    }
    if facts.pci.is_empty() {
        let what =
            "no network controllers on PCI; virtual ports (af_packet, af_xdp, tap, …) remain";
        findings.push(Finding::note("devices.pci", Area::Devices, what));
        return;
    }
    iommu(facts, findings);
}

fn describe(device: &PciDevice) -> String {
    let PciDevice { address, id, .. } = device;
    let (there, possible) = device.virtual_functions;
    let parts = [
        Some(format!("{address} [{:04x}:{:04x}]", id.0, id.1)),
        Some(match &device.driver {
            Some(driver) => format!("driver {driver}"),
            None => "no driver".to_owned(),
        }),
        device.node.map(|node| format!("node {node}")),
        device
            .physical
            .as_ref()
            .map(|physical| format!("virtual function of {physical}")),
        (possible > 0).then(|| format!("{there} of {possible} virtual functions")),
        (!device.links.is_empty()).then(|| format!("interface {}", device.links.join(" "))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn absent(facts: &Facts, port: &Port, address: &str) -> Finding {
    let there: Vec<&str> = facts
        .pci
        .iter()
        .map(|device| device.address.as_str())
        .collect();
    let what = format!(
        "port {}: there is no network controller {address}",
        port.name
    );
    let remedy = if there.is_empty() {
        "see `lspci -D | grep -i net`; a virtual function is made with \
         `echo 1 > /sys/class/net/PF/device/sriov_numvfs`"
            .to_owned()
    } else {
        format!("ports.N.device: pci: with one of {}", there.join(", "))
    };
    Finding::problem("devices.present", Area::Devices, what)
        .why("the port does not open, and the UPF does not start")
        .remedy(remedy)
}

fn examine_device(
    facts: &Facts,
    config: &Config,
    port: &Port,
    device: &PciDevice,
    findings: &mut Vec<Finding>,
) {
    driver(port, device, findings);
    if device.driver.as_deref() == Some("vfio-pci") {
        group(facts, port, device, findings);
    }
    queues(port, device, findings);
    trust(config, port, device, findings);
}

fn driver(port: &Port, device: &PciDevice, findings: &mut Vec<Finding>) {
    const ID: &str = "devices.driver";
    let address = &device.address;
    let bind = format!("modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {address}");
    let finding = match device.driver.as_deref() {
        Some("vfio-pci") => Finding::good(
            ID,
            Area::Devices,
            format!("port {}: {address} is bound to vfio-pci", port.name),
        ),
        Some("mlx5_core") if device.id.0 == BIFURCATED => {
            let what = format!("port {}: {address} stays with mlx5_core", port.name);
            Finding::good(ID, Area::Devices, what)
        }
        Some(driver) if USER_SPACE.contains(&driver) => {
            let what = format!("port {}: {address} is bound to {driver}", port.name);
            Finding::warning(ID, Area::Devices, what)
                .why(
                    "without an IOMMU between them, a fault of the device or of this process may \
                      write to any memory; it needs root, too",
                )
                .remedy(bind)
        }
        other => {
            let bound = other.map_or_else(
                || "no driver".to_owned(),
                |driver| format!("the kernel's driver {driver}"),
            );
            let what = format!("port {}: {address} is bound to {bound}", port.name);
            Finding::problem(ID, Area::Devices, what)
                .why(
                    "DPDK drives a device by VFIO; while the kernel's driver has it, the port does \
                      not open",
                )
                .remedy(bind)
        }
    };
    findings.push(finding);
}

fn iommu(facts: &Facts, findings: &mut Vec<Finding>) {
    const ID: &str = "devices.iommu";
    const COMMAND_LINE: &str = "on the kernel's command line: intel_iommu=on iommu=pt (AMD: \
                                iommu=pt); and switch VT-d or AMD-Vi on in the firmware";
    let bifurcated = |device: &PciDevice| device.id.0 == BIFURCATED;
    findings.push(if facts.iommu_groups > 0 {
        let what = format!("IOMMU is on ({} groups)", facts.iommu_groups);
        Finding::good(ID, Area::Devices, what)
    } else if facts.vfio_without_iommu {
        let what = "no IOMMU; VFIO is allowed to do without";
        Finding::warning(ID, Area::Devices, what)
            .why("the device can write to any memory, and only root may use it")
            .remedy(COMMAND_LINE)
    } else if facts.pci.iter().all(bifurcated) {
        Finding::note(ID, Area::Devices, "no IOMMU; mlx5 devices do without")
    } else {
        let what = "no IOMMU, or it is switched off";
        let vf = facts
            .pci
            .iter()
            .any(|device| device.driver.as_deref() == Some("vfio-pci"));
        let finding = if vf {
            Finding::problem(ID, Area::Devices, what)
        } else {
            Finding::note(ID, Area::Devices, what)
        };
        finding
            .why("VFIO opens no device without one")
            .remedy(format!(
                "{COMMAND_LINE}. In a virtual machine without one: \
                 echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
            ))
    });
}

/// The node in `/dev/vfio`, and who else is in the group.
fn group(facts: &Facts, port: &Port, device: &PciDevice, findings: &mut Vec<Finding>) {
    const ID: &str = "devices.vfio_group";
    let Some(group) = &device.group else {
        return;
    };
    let names = [group.clone(), format!("noiommu-{group}")];
    let there = facts
        .vfio_nodes
        .iter()
        .find(|(name, _)| names.contains(name));
    let node = if let Some((name, may)) = there {
        let what = format!("port {}: /dev/vfio/{name} is there", port.name);
        if *may {
            Finding::good(ID, Area::Devices, what)
        } else {
            let what = format!("{what}, and not ours to open");
            Finding::problem(ID, Area::Devices, what)
                .why("VFIO's files belong to root, and the port does not open without this one")
                .remedy(format!(
                    "chown upf /dev/vfio/{name} (to last, a udev rule: SUBSYSTEM==\"vfio\", \
                     OWNER=\"upf\"); in Kubernetes runAsUser: 0, or containerd with \
                     device_ownership_from_security_context = true"
                ))
        }
    } else {
        let what = format!("port {}: there is no /dev/vfio/{group}", port.name);
        Finding::problem(ID, Area::Devices, what)
            .why("that file is the way to the device")
            .remedy(format!(
                "docker run --device /dev/vfio/vfio --device /dev/vfio/{group}; in Kubernetes the \
                 device plugin mounts it; on a host: dpdk-devbind.py --bind=vfio-pci {}",
                device.address
            ))
    };
    findings.push(node);
    let others: Vec<&str> = facts
        .pci
        .iter()
        .filter(|other| other.group.as_ref() == Some(group) && other.address != device.address)
        .filter(|other| {
            other
                .driver
                .as_deref()
                .is_some_and(|driver| driver != "vfio-pci")
        })
        .map(|other| other.address.as_str())
        .collect();
    if !others.is_empty() {
        let what = format!(
            "port {}: {} share its IOMMU group",
            port.name,
            others.join(", ")
        );
        let finding = Finding::problem(ID, Area::Devices, what)
            .why(
                "VFIO gives a group as a whole: while the kernel drives one of its devices, none \
                  can be used",
            )
            .remedy(format!(
                "dpdk-devbind.py --bind=vfio-pci {}",
                others.join(" ")
            ));
        findings.push(finding);
    }
}

fn queues(port: &Port, device: &PciDevice, findings: &mut Vec<Finding>) {
    const ID: &str = "devices.queues";
    let known = QUEUES.iter().find(|(id, ..)| *id == device.id);
    if let Some((_, most, name)) = known
        && port.rx_queues > *most
    {
        let what = format!(
            "port {}: rx_queues is {}, and a {name} has {most}",
            port.name, port.rx_queues
        );
        let finding = Finding::problem(ID, Area::Devices, what)
            .why("the port does not open with more queues than the device has")
            .remedy(format!("ports.N.rx_queues: {most}"));
        findings.push(finding);
    } else if port.rx_queues > 1 {
        let what = format!(
            "port {}: {} queues, spread by addresses and UDP ports",
            port.name, port.rx_queues
        );
        let finding = Finding::note(ID, Area::Devices, what).why(
            "a gNB that sends from one UDP port keeps to one queue; workers hand packets over \
                  to each other then, which costs more than a spread by the NIC",
        );
        findings.push(finding);
    }
}

/// What a virtual function may do only if its physical function trusts it.
fn trust(config: &Config, port: &Port, device: &PciDevice, findings: &mut Vec<Finding>) {
    let Some(physical) = &device.physical else {
        return;
    };
    let tagged = config
        .interfaces
        .iter()
        .any(|interface| interface.port == port.name && interface.vlan.is_some());
    let needs = match (config.hears_all(port), tagged) {
        (true, _) if port.promiscuous => "promiscuous: true",
        (true, _) => "an Ethernet network",
        (false, true) => "an interface with a vlan",
        (false, false) => return,
    };
    let what = format!("port {}: a virtual function with {needs}", port.name);
    let finding = Finding::note("devices.trust", Area::Devices, what)
        .why("a physical function drops such frames of a virtual function that it does not trust")
        .remedy(format!(
            "ip link set PF vf N trust on (the PF is the interface of {physical}), and no `vlan` \
             there: the UPF tags by itself"
        ));
    findings.push(finding);
}
