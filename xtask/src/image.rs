//! The image's root file system, assembled and exercised without a container engine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use crate::run::{cargo, target_directory};
use crate::setup;

/// Drivers that must be in it: the virtual ones, and those of the NICs that are met most.
const DRIVERS: &[&str] = &[
    "af_packet",
    "af_xdp",
    "ena",
    "gve",
    "i40e",
    "iavf",
    "ice",
    "ixgbe",
    "memif",
    "mlx5",
    "null",
    "pcap",
    "ring",
    "tap",
    "vhost",
    "virtio",
    "vmxnet3",
];

/// The user of the image.
const USER: &str = "65532";

/// What `--cap-drop ALL --cap-add NET_RAW` drops, of those that the binary can use.
const ALL_BUT_NET_RAW: &str = "cap_net_admin,cap_ipc_lock,cap_bpf,cap_sys_admin";

/// A configuration that needs the kernel.
const CONFIG: &str = "\
pfcp: { address: 127.0.0.1, allow: [127.0.0.0/8] }
ports: [{ name: ran, device: \"af_packet:lo\" }]
interfaces: [{ name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }]
";

/// With the binary that was built for the tests, if this is root.
pub(crate) fn test() -> Result<()> {
    if setup::is_root() {
        let binary = target_directory().join("debug/upf");
        return image(binary.to_str());
    }
    let required = std::env::var("UPF_REQUIRE_ROOT").is_ok_and(|value| value == "1");
    ensure!(
        !required,
        "the image needs root, and UPF_REQUIRE_ROOT=1 forbids skipping"
    );
    println!("SKIPPED: the image needs root (set UPF_REQUIRE_ROOT=1 to make that a failure)");
    Ok(())
}

/// Assembles the tree with the binary at `binary`, or with one built now, and runs it.
pub(crate) fn image(binary: Option<&str>) -> Result<()> {
    // For setcap, and capsh.
    setup::require("libcap2-bin")?;
    let binary = if let Some(binary) = binary {
        PathBuf::from(binary)
    } else {
        cargo(&["build", "--package", "upf"])?;
        target_directory().join("debug/upf")
    };
    dockerfile()?;
    let root = std::path::absolute(target_directory().join("image/rootfs"))?;
    if root.exists() {
        std::fs::remove_dir_all(&root).with_context(|| root.display().to_string())?;
    }
    std::fs::create_dir_all(&root)?;
    let status = Command::new("sh")
        .arg("deploy/image/rootfs.sh")
        .args([&binary, &root])
        .status()
        .context("could not start sh")?;
    ensure!(
        status.success(),
        "the root file system was not assembled: {status}"
    );
    drivers(&root)?;
    starts(&root)?;
    demonstrates(&root)?;
    is_granted(&root)?;
    println!(
        "image: {} is whole, and packets cross it without privileges",
        root.display()
    );
    Ok(())
}

/// The Dockerfile installs what `setup` does, and assembles by the same script.
fn dockerfile() -> Result<()> {
    let text = std::fs::read_to_string("deploy/image/Dockerfile")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let missing: Vec<_> = setup::BUILD
        .iter()
        .filter(|name| !words.contains(name))
        .collect();
    ensure!(missing.is_empty(), "the Dockerfile installs no {missing:?}");
    ensure!(
        words.contains(&"deploy/image/rootfs.sh"),
        "the Dockerfile has a script of its own"
    );
    Ok(())
}

/// Every driver is there, and finds its libraries inside.
fn drivers(root: &Path) -> Result<()> {
    let libraries = root.join("usr/lib");
    let mut found = Vec::new();
    for entry in walk(&libraries)? {
        let name = entry
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let Some(rest) = name.strip_prefix("librte_") else {
            continue;
        };
        if !entry.to_string_lossy().contains("/dpdk/pmds") {
            continue;
        }
        if let Some(driver) = rest.strip_prefix("net_") {
            found.extend(driver.split_once(".so").map(|(name, _)| name.to_owned()));
        }
        let inside = Path::new("/").join(entry.strip_prefix(root)?);
        let listed = output(
            Command::new("chroot")
                .arg(root)
                .arg("/lib64/ld-linux-x86-64.so.2")
                .arg("--list")
                .arg(&inside),
        )?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        ensure!(
            listed.status.success() && !text.contains("not found"),
            "{} lacks a library: {text}{}",
            inside.display(),
            String::from_utf8_lossy(&listed.stderr)
        );
    }
    let missing: Vec<_> = DRIVERS
        .iter()
        .filter(|name| !found.iter().any(|one| one == *name))
        .collect();
    ensure!(missing.is_empty(), "drivers are missing: {missing:?}");
    Ok(())
}

fn walk(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files.extend(walk(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// The example is good; what is not there is said.
fn starts(root: &Path) -> Result<()> {
    std::fs::copy("upf.example.yaml", root.join("etc/upf/upf.yaml"))?;
    let checked = output(&mut inside(root, "all", true, "check"))?;
    std::fs::remove_file(root.join("etc/upf/upf.yaml"))?;
    told(&checked, "upf check")?;
    Ok(())
}

/// `docker run IMAGE demo`: no capability, no new privilege, not root.
fn demonstrates(root: &Path) -> Result<()> {
    let words = "demo --json --sessions 8 --seconds 1";
    let shown = output(&mut inside(root, "all", true, words))?;
    let text = told(&shown, words)?;
    ensure!(
        text.contains("\"good\": true") || text.contains("\"good\":true"),
        "{words}: {text}"
    );
    Ok(())
}

/// `docker run --cap-add NET_RAW IMAGE`: the user has what the engine grants, and no more.
fn is_granted(root: &Path) -> Result<()> {
    std::fs::write(root.join("etc/upf/upf.yaml"), CONFIG)?;
    let granted = output(&mut inside(root, ALL_BUT_NET_RAW, false, "doctor --json"))?;
    let refused = output(&mut inside(root, "all", false, "doctor --json"))?;
    std::fs::remove_file(root.join("etc/upf/upf.yaml"))?;
    let (granted, refused) = (
        String::from_utf8_lossy(&granted.stdout).into_owned(),
        String::from_utf8_lossy(&refused.stdout).into_owned(),
    );
    let lacks = "CAP_NET_RAW is not granted";
    ensure!(
        granted.contains("all that it needs is granted") && !granted.contains(lacks),
        "with NET_RAW granted: {granted}"
    );
    ensure!(refused.contains(lacks), "with nothing granted: {refused}");
    Ok(())
}

fn told(output: &Output, what: &str) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{what} failed inside: {}\n{text}{errors}",
        output.status
    );
    Ok(text)
}

/// A command as an engine would run it: namespaces of its own, the image's root and user, `/proc`,
/// `/sys` and a few devices; of root's capabilities only those that are not dropped can be had.
fn inside(root: &Path, dropped: &str, no_new_privileges: bool, words: &str) -> Command {
    let root = root.display();
    let locked = if no_new_privileges {
        "--no-new-privs"
    } else {
        ""
    };
    let script = format!(
        "set -e
         ip link set lo up
         mount --bind {root} {root}
         mount -t proc proc {root}/proc
         mount -t sysfs -o ro sys {root}/sys
         mount -t tmpfs tmpfs {root}/dev
         mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
         for name in null zero full random urandom; do
             touch {root}/dev/$name
             mount --bind /dev/$name {root}/dev/$name
         done
         mount -o remount,bind,ro {root}
         exec capsh --chroot={root} --drop={dropped} {locked} --groups={USER} --gid={USER} \\
             --uid={USER} --shell=/usr/bin/upf -- {words}"
    );
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount", "--pid", "--fork", "--net", "--ipc", "--uts", "sh", "-c", &script,
        ])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn output(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("{command:?}"))
}
