//! Network namespaces for tests: made, filled, and gone again even when a test panics.

use std::fs::File;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace. Its name holds the process and a number, so that runs do not meet.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with its loopback interface up. Needs root.
    ///
    /// # Errors
    /// When `ip` says so.
    pub fn new(label: &str) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("upf-{}-{number}-{label}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A program to run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a program inside to its end; what it printed.
    ///
    /// # Errors
    /// When it fails, with what it complained about.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        run(self.command(program).args(arguments))
    }

    /// Runs `ip` on this namespace.
    ///
    /// # Errors
    /// When it fails.
    pub fn ip(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// Runs code on a thread inside. Sockets and devices that it makes stay inside.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn enter<T: Send>(&self, code: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        let file = File::open(PathBuf::from("/run/netns").join(&self.name))?;
        let inside = || {
            use std::os::fd::AsFd as _;
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(code())
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// A UDP socket inside.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn udp(&self, address: &str) -> anyhow::Result<UdpSocket> {
        self.enter(|| UdpSocket::bind(address))?
            .with_context(|| address.to_owned())
    }

    /// Puts a cable between an interface here and one in another namespace. Checksums and
    /// segments are finished by the senders, as on a real wire.
    ///
    /// # Errors
    /// When `ip` or `ethtool` says so.
    pub fn cable(&self, here: &str, other: &Self, there: &str) -> anyhow::Result<()> {
        self.ip(&[
            "link",
            "add",
            here,
            "type",
            "veth",
            "peer",
            "name",
            there,
            "netns",
            &other.name,
        ])?;
        for (namespace, interface) in [(self, here), (other, there)] {
            let off = ["rx", "tx", "tso", "gso", "gro"]
                .into_iter()
                .flat_map(|name| [name, "off"]);
            let arguments: Vec<&str> = ["-K", interface].into_iter().chain(off).collect();
            namespace.run("ethtool", &arguments)?;
            namespace.up(interface)?;
        }
        Ok(())
    }

    /// Makes a switch of interfaces here.
    ///
    /// # Errors
    /// When `ip` says so.
    pub fn bridge(&self, name: &str, ports: &[&str]) -> anyhow::Result<()> {
        self.ip(&["link", "add", name, "type", "bridge", "mcast_snooping", "0"])?;
        for port in ports {
            self.ip(&["link", "set", port, "master", name])?;
        }
        self.up(name)
    }

    /// Has programs inside ask this server for names.
    ///
    /// # Errors
    /// When the file that says so cannot be written.
    pub fn resolve_by(&self, server: &str) -> anyhow::Result<()> {
        let folder = self.own_files();
        std::fs::create_dir_all(&folder)?;
        let text = format!("nameserver {server}\noptions timeout:1 attempts:3\n");
        Ok(std::fs::write(folder.join("resolv.conf"), text)?)
    }

    /// What `ip netns exec` puts in place of files of `/etc`.
    fn own_files(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }

    /// Brings an interface up.
    ///
    /// # Errors
    /// When `ip` says so.
    pub fn up(&self, interface: &str) -> anyhow::Result<()> {
        self.ip(&["link", "set", interface, "up"]).map(drop)
    }

    /// Keeps the kernel from using an interface for itself: no IPv6, so no address of its own.
    ///
    /// # Errors
    /// When `sysctl` says so.
    pub fn hands_off(&self, interface: &str) -> anyhow::Result<()> {
        let setting = format!("net.ipv6.conf.{interface}.disable_ipv6=1");
        self.run("sysctl", &["-qw", &setting]).map(drop)
    }

    /// Gives an interface an address.
    ///
    /// # Errors
    /// When `ip` says so.
    pub fn address(&self, interface: &str, address: &str) -> anyhow::Result<()> {
        // Duplicate detection would keep an IPv6 address unusable for a second.
        let nodad: &[&str] = if address.contains(':') {
            &["nodad"]
        } else {
            &[]
        };
        let arguments: Vec<&str> = ["address", "add", address, "dev", interface]
            .iter()
            .chain(nodad)
            .copied()
            .collect();
        self.ip(&arguments).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the next run uses other names.
        let _ = std::fs::remove_dir_all(self.own_files());
        let _ = run(Command::new("ip").args(["netns", "delete", &self.name]));
    }
}

/// Runs a command to its end; what it printed.
///
/// # Errors
/// When it fails, with what it complained about.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
