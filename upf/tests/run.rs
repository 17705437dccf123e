//! `upf run` under a service manager.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use config::Overrides;

/// Ports of memory: no privileges are needed.
const CONFIG: &str = "
pfcp: { address: 127.0.0.1, port: 18805, allow: [127.0.0.0/8] }
memory: { hugepages: none, buffers: 16384 }
api: { socket: none }
ports: [{ name: ran, device: \"null:\" }]
interfaces: [{ name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }]
";

#[test]
fn the_service_manager_is_told_of_start_and_stop() {
    config::load(CONFIG, &Overrides::default()).unwrap();
    let folder = std::env::temp_dir().join(format!("upf-run-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, socket) = (folder.join("upf.yaml"), folder.join("notify"));
    std::fs::write(&file, CONFIG).unwrap();
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let told = || {
        let mut room = [0; 256];
        let length = manager.recv(&mut room).unwrap();
        String::from_utf8_lossy(&room[..length]).trim().to_owned()
    };

    let mut upf = Command::new(env!("CARGO_BIN_EXE_upf"))
        .arg("run")
        .arg(&file)
        .env("NOTIFY_SOCKET", &socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(told(), "READY=1");
    // N4 is listened on by then.
    let taken = std::net::UdpSocket::bind("127.0.0.1:18805").unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);

    let term = Command::new("kill")
        .args(["-TERM", &upf.id().to_string()])
        .status()
        .unwrap();
    assert!(term.success());
    assert_eq!(told(), "STOPPING=1");
    assert!(upf.wait().unwrap().success());
    std::fs::remove_dir_all(folder).unwrap();
}
