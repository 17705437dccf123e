//! `upf reload` and SIGHUP, with a UPF that runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
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
struct Running {
    folder: PathBuf,
    upf: Child,
    log: Receiver<String>,
}

impl Running {
    fn start(name: &str, port: u16) -> Self {
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
",
            folder.join("api.sock").display(),
            folder.join("tokens").display(),
        );
        std::fs::write(&file, text).unwrap();
        let running = |upf, log| Self { folder, upf, log };
        tokens(&file.with_file_name("tokens"), "read eye 0123456789abcdef");
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
        let running = running(upf, log);
        running.says(" ready ");
        running
    }

    fn file(&self) -> PathBuf {
        self.folder.join("upf.yaml")
    }

    /// Replaces something in the configuration.
    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(self.file(), text.replace(from, to)).unwrap();
    }

    /// Waits until it has said so.
    fn says(&self, what: &str) -> String {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("it does not say {what}"));
            if line.contains(what) {
                return line;
            }
        }
    }

    fn ask(&self, arguments: &[&str]) -> (String, Option<i32>) {
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

    fn reload(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let (text, code) = self.ask(&[&["reload", "--json"], arguments].concat());
        (serde_json::from_str(&text).unwrap(), code)
    }

    /// Whether that token opens HTTP.
    fn opens(&self, port: u16, token: &str) -> bool {
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

    fn hang_up(&self) {
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

fn tokens(file: &std::path::Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_is_live_changes_and_nothing_does_by_half() {
    let upf = Running::start("reload", 18811);
    let (told, code) = upf.reload(&[]);
    assert_eq!(
        (&told["outcome"], code),
        (&Value::from("unchanged"), Some(0))
    );

    // A dry run says what would change, and changes nothing.
    upf.edit("allow: [127.0.0.0/8]", "allow: [127.0.0.1/32]");
    for _ in 0..2 {
        let (told, code) = upf.reload(&["--dry-run"]);
        assert_eq!(
            (&told["outcome"], code),
            (&Value::from("possible"), Some(0))
        );
        let change = &told["changes"][0];
        assert_eq!(change["key"], "pfcp.allow");
        assert_eq!(
            (&change["from"], &change["live"]),
            (&"[127.0.0.0/8]".into(), &true.into())
        );
    }
    // Something that needs a restart beside it: nothing changes, unless it is wanted so.
    upf.edit("buffers: 16384", "buffers: 32768");
    let (text, code) = upf.ask(&["reload"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("at a restart") && text.contains("--partial"),
        "{text}"
    );
    let (told, code) = upf.reload(&["--partial"]);
    assert_eq!((&told["outcome"], code), (&Value::from("partial"), Some(0)));
    let (told, _) = upf.reload(&["--dry-run", "--partial"]);
    assert_eq!(told["changes"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["changes"][0]["key"], "memory.buffers");
    upf.edit("buffers: 32768", "buffers: 16384");

    // A mistake: nothing changes, and it is told where it is.
    upf.edit("level: info", "level: debug, format: xml");
    let (told, code) = upf.reload(&[]);
    assert_eq!(
        (&told["outcome"], code),
        (&Value::from("mistaken"), Some(1))
    );
    let mistake = &told["mistakes"][0];
    assert_eq!(mistake["key"], "log.format");
    assert!(
        mistake["origin"].as_str().unwrap().contains("line"),
        "{told}"
    );
    let (text, _) = upf.ask(&["reload"]);
    assert!(
        text.contains("log.format: \"xml\"") || text.contains("xml"),
        "{text}"
    );
    std::fs::rename(upf.file(), upf.file().with_extension("gone")).unwrap();
    let (text, code) = upf.ask(&["reload"]);
    assert!(code == Some(1) && text.contains("cannot read"), "{text}");
    std::fs::rename(upf.file().with_extension("gone"), upf.file()).unwrap();

    upf.edit(", format: xml", "");
    let (told, code) = upf.reload(&[]);
    assert_eq!((&told["outcome"], code), (&Value::from("applied"), Some(0)));
    let (text, _) = upf.ask(&["reload"]);
    assert!(text.contains("is what is in force"), "{text}");
}

#[test]
fn a_signal_has_it_read_again_with_the_files_that_it_names() {
    let upf = Running::start("signal", 18813);
    let (old, new) = ("0123456789abcdef", "fedcba9876543210");
    assert!(upf.opens(18813, old) && !upf.opens(18813, new));
    tokens(&upf.folder.join("tokens"), &format!("read eye {new}"));
    upf.edit("level: info", "level: debug");
    upf.hang_up();
    let line = upf.says("changed");
    assert!(line.contains("log.level"), "{line}");
    upf.says("the configuration is in force");
    assert!(!upf.opens(18813, old) && upf.opens(18813, new));
    // A file of tokens that is of no use changes nothing.
    tokens(&upf.folder.join("tokens"), "nonsense");
    upf.edit("level: debug", "level: info");
    upf.hang_up();
    let line = upf.says("api.tokens");
    assert!(line.contains("line 1") && !line.contains(new), "{line}");
    assert!(upf.opens(18813, new));
    // What it is told to write stays; it still stops in order.
    upf.hang_up();
    upf.says("nothing is changed");
}
