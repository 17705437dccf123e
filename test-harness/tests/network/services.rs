//! What hosts of the data network offer: names and pages.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use test_harness::namespace::Namespace;

/// A DNS server that knows one address for every name, and an HTTP server that says who it is.
/// They serve until the test ends.
pub fn serve(host: &Namespace, addresses: &[&str], page: &'static str) {
    for address in addresses {
        let address: IpAddr = address.parse().unwrap();
        let dns = host.udp(&SocketAddr::new(address, 53).to_string()).unwrap();
        let bind = || TcpListener::bind(SocketAddr::new(address, 80));
        let http = host.enter(bind).unwrap().unwrap();
        std::thread::spawn(move || answer_names(&dns, address));
        std::thread::spawn(move || answer_pages(&http, page));
    }
}

/// Answers every question for an address of that family (RFC 1035, 4).
fn answer_names(socket: &UdpSocket, address: IpAddr) {
    let mut buffer = [0; 512];
    let wanted: u16 = if address.is_ipv4() { 1 } else { 28 };
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let Some(name) = buffer[12..length].iter().position(|octet| *octet == 0) else {
            continue;
        };
        let end = 12 + name + 5;
        let asked = u16::from_be_bytes([buffer[end - 4], buffer[end - 3]]);
        let mut answer = buffer[..end].to_vec();
        answer[2..4].copy_from_slice(&[0x85, 0x80]);
        answer[6..12].copy_from_slice(&[0, u8::from(asked == wanted), 0, 0, 0, 0]);
        if asked == wanted {
            answer.extend([0xc0, 12, 0, buffer[end - 3], 0, 1, 0, 0, 0, 60, 0]);
            match address {
                IpAddr::V4(address) => answer.extend([4].into_iter().chain(address.octets())),
                IpAddr::V6(address) => answer.extend([16].into_iter().chain(address.octets())),
            }
        }
        let _ = socket.send_to(&answer, from);
    }
}

fn answer_pages(listener: &TcpListener, page: &str) {
    while let Ok((mut stream, _)) = listener.accept() {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let length = page.len();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
        );
    }
}

/// What the UE's own resolver and a browser get of a name, from that address.
pub fn fetch(ue: &Namespace, resolver: &str, from: &str) -> String {
    ue.resolve_by(resolver).unwrap();
    let family = if from.contains(':') { "-6" } else { "-4" };
    let arguments = [
        "10",
        "curl",
        "-sS",
        family,
        "--interface",
        from,
        "http://www.example.test/",
    ];
    let output = ue.command("timeout").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text + &String::from_utf8_lossy(&output.stderr)
}
