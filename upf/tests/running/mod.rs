//! `upf run` as a child process, without privileges.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

const UPF: &str = env!("CARGO_BIN_EXE_upf");

/// A UPF that runs, with its configuration and what it says.
pub struct Running {
    pub folder: PathBuf,
    upf: Child,
    log: Receiver<String>,
}

impl Running {
    /// Starts one that listens for PFCP and HTTP on `port`, with `more` at the end of its configuration.
    pub fn start(name: &str, port: u16, more: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("upf-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("upf.yaml");
        let text = format!(
            "
pfcp: {{ address: 127.0.0.1, port: {port}, allow: [127.0.0.0/8] }}
memory: {{ hugepages: none, buffers: 16384 }}
api: {{ socket: {}, listen: 127.0.0.1:{port}, tokens: {} }}
ports: [{{ name: ran, device: \"null:\" }}]
interfaces: [{{ name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }}]
log: {{ level: info }}
{more}",
            folder.join("api.sock").display(),
            folder.join("tokens").display(),
        );
        std::fs::write(&file, text).unwrap();
        tokens(&folder.join("tokens"), "read eye 0123456789abcdef");
        let mut upf = Command::new(UPF)
            .arg("run")
            .arg(&file)
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(upf.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(line)));
        });
        let running = Self { folder, upf, log };
        running.says(" ready ");
        running
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join("upf.yaml")
    }

    /// Replaces something in the configuration.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(self.file(), text.replace(from, to)).unwrap();
    }

    /// Waits until it has said so.
    pub fn says(&self, what: &str) -> String {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("it does not say {what}"));
            if line.contains(what) {
                return line;
            }
        }
    }

    pub fn ask(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let socket = self.folder.join("api.sock");
        let asked = Command::new(UPF)
            .args(arguments)
            .arg("--socket")
            .arg(socket)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&asked.stdout).into_owned();
        let text = text + &String::from_utf8_lossy(&asked.stderr);
        (text, asked.status.code())
    }

    pub fn reload(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let (text, code) = self.ask(&[&["reload", "--json"], arguments].concat());
        (serde_json::from_str(&text).unwrap(), code)
    }

    /// Whether that token opens HTTP.
    pub fn opens(&self, port: u16, token: &str) -> bool {
        let file = self.folder.join("token");
        std::fs::write(&file, token).unwrap();
        let asked = Command::new(UPF)
            .args(["peers", "--url", &format!("http://127.0.0.1:{port}")])
            .arg("--token-file")
            .arg(&file)
            .output()
            .unwrap();
        asked.status.success()
    }

    pub fn hang_up(&self) {
        let pid = self.upf.id().to_string();
        let status = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.upf.kill();
        let _ = self.upf.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Writes a file of tokens.
pub fn tokens(file: &std::path::Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}
