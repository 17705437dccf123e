//! The API, served by its server and asked by its client, over sockets, HTTP and HTTPS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod fake;

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use api::client::{At, Client, ClientError};
use api::model::{
    Explanation, Health, Level, LogLevels, Outcome, Packet, Packets, Peer, Reload, SessionDetail,
    Sessions, TraceEnd, Traced, Version, Watch,
};
use api::{Doors, Gate, Server, StartError, Terms, TlsError, TlsFiles, Tokens, Told, Upf};
use fake::Fake;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// A directory that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("upf-api-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn by_socket(folder: &Folder) -> (Doors, Client) {
    let path = folder.0.join("below").join("api.sock");
    let doors = Doors {
        socket: Some(path.clone()),
        socket_mode: 0o600,
        ..Doors::default()
    };
    (doors, client(At::Socket(path)))
}

const fn client(at: At) -> Client {
    Client {
        at,
        token: None,
        roots: None,
    }
}

/// HTTP on a port of the system's choice.
fn by_http() -> Doors {
    Doors {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        ..Doors::default()
    }
}

fn with_terms(terms: Terms) -> Doors {
    Doors {
        gate: Gate::new(terms),
        ..by_http()
    }
}

fn start(doors: &Doors) -> Server {
    Server::start(doors, Arc::new(Fake::default())).unwrap()
}

fn refused(error: ClientError) -> u16 {
    match error {
        ClientError::Refused(problem) => problem.status,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_socket_answers_and_goes_with_the_server() {
    let folder = Folder::new("socket");
    let (doors, client) = by_socket(&folder);
    let path = doors.socket.clone().unwrap();
    let server = start(&doors);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let version: Version = client.get("/version").await.unwrap();
    assert_eq!(version.version, "1.2.3");
    let live: Health = client.get("/health/live").await.unwrap();
    assert!(live.healthy);
    // A second UPF does not take the first one's place.
    let second = Server::start(&doors, Arc::new(Fake::default())).unwrap_err();
    assert!(matches!(second, StartError::Taken { .. }), "{second}");
    server.stop().await;
    assert!(!path.exists());
    let gone = client.get::<Version>("/version").await.unwrap_err();
    assert!(matches!(gone, ClientError::Nobody { .. }), "{gone}");
    // What a UPF left that did not end well is no hindrance.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    start(&doors).stop().await;
}

#[tokio::test]
async fn sessions_come_in_pages_and_a_search_ends() {
    let folder = Folder::new("pages");
    let (doors, client) = by_socket(&folder);
    let server = start(&doors);
    let (mut found, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        let page: Sessions = client
            .get(&format!("/v1/sessions?from={from}&limit=7"))
            .await
            .unwrap();
        assert!(page.sessions.len() <= 7);
        assert_eq!(page.total, fake::SESSIONS);
        found.extend(page.sessions.into_iter().map(|session| session.seid));
        next = page.next;
    }
    found.dedup();
    assert_eq!(u64::try_from(found.len()).unwrap(), fake::SESSIONS);
    // Over IPv6, with what a URL has to hide.
    let one: Sessions = client.get("/v1/sessions?ue=10.45.0.9").await.unwrap();
    assert_eq!(one.sessions.len(), 1);
    let by_teid: Sessions = client.get("/v1/sessions?teid=0x9").await.unwrap();
    assert_eq!(by_teid.sessions, one.sessions);
    let none: Sessions = client.get("/v1/sessions?ue=2001:db8::1").await.unwrap();
    assert_eq!((none.sessions.len(), none.next), (0, None));
    let detail: SessionDetail = client.get("/v1/sessions/9").await.unwrap();
    assert_eq!(detail.session, one.sessions[0]);
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_a_problem_that_says_what() {
    let folder = Folder::new("problems");
    let (doors, client) = by_socket(&folder);
    let server = start(&doors);
    for (path, status, says) in [
        ("/v1/sessions?limit=0", 400, "limit"),
        ("/v1/sessions?limit=1001", 400, "1000"),
        ("/v1/sessions?ue=nonsense", 400, "ue"),
        ("/v1/sessions?teid=123456789", 400, "8 hexadecimal digits"),
        ("/v1/sessions?colour=red", 400, "colour"),
        ("/v1/sessions/xyz", 400, "hexadecimal"),
        ("/v1/sessions/0", 404, "no session"),
        ("/v1/nothing", 404, "no such path"),
        ("/v1/log/", 404, "no such path"),
    ] {
        let error = client.get::<Value>(path).await.unwrap_err();
        assert!(error.to_string().contains(says), "{path}: {error}");
        assert_eq!(refused(error), status, "{path}");
    }
    let strange: Value = serde_json::json!({ "level": "loud" });
    let error = client.put::<Value>("PUT", "/v1/log", &strange).await;
    assert_eq!(refused(error.unwrap_err()), 422);
    for targets in ["", "a b", "upf=info,other"] {
        let levels = serde_json::json!({ "level": "info", "targets": { targets: "info" } });
        let error = client.put::<Value>("PUT", "/v1/log", &levels).await;
        assert_eq!(refused(error.unwrap_err()), 400, "{targets:?}");
    }
    let error = client.put::<Value>("DELETE", "/v1/log", &strange).await;
    assert_eq!(refused(error.unwrap_err()), 405);
    let huge = "x".repeat(100_000);
    let error = client.put::<Value>("PUT", "/v1/log", &huge).await;
    assert_eq!(refused(error.unwrap_err()), 413);
    server.stop().await;
}

#[tokio::test]
async fn levels_of_the_log_change_at_run_time() {
    let folder = Folder::new("log");
    let (doors, client) = by_socket(&folder);
    let server = start(&doors);
    let mut levels: LogLevels = client.get("/v1/log").await.unwrap();
    assert_eq!(levels, LogLevels::default());
    levels.level = Level::Warn;
    levels
        .targets
        .insert("upf_cp::node".to_owned(), Level::Trace);
    let set: LogLevels = client.put("PUT", "/v1/log", &levels).await.unwrap();
    assert_eq!(set, levels);
    assert_eq!(client.get::<LogLevels>("/v1/log").await.unwrap(), levels);
    server.stop().await;
}

#[tokio::test]
async fn packets_are_explained_in_order_and_not_too_many() {
    let folder = Folder::new("packets");
    let (doors, client) = by_socket(&folder);
    let server = start(&doors);
    let packet = |octets: &str| Packet {
        octets: octets.to_owned(),
        ..Packet::default()
    };
    let asked = Packets {
        packets: vec![packet("00ff"), packet("11")],
    };
    let told: Vec<Explanation> = client.put("POST", "/v1/explain", &asked).await.unwrap();
    let octets: Vec<_> = told.iter().map(|told| told.received.as_str()).collect();
    assert_eq!(octets, ["00ff", "11"]);
    for count in [0, 33] {
        let asked = Packets {
            packets: vec![packet("00"); count],
        };
        let error = client.put::<Value>("POST", "/v1/explain", &asked).await;
        assert_eq!(refused(error.unwrap_err()), 400);
    }
    server.stop().await;
}

#[tokio::test]
async fn packets_are_followed_until_they_end_or_nobody_reads() {
    let folder = Folder::new("followed");
    let (doors, client) = by_socket(&folder);
    let fake = Arc::new(Fake::default());
    let upf: Arc<dyn Upf> = fake.clone();
    let server = Server::start(&doors, upf).unwrap();
    // Line by line, to the last.
    let mut which = Watch {
        packets: Some(500),
        ..Watch::default()
    };
    let mut text = Vec::new();
    let read = client.stream("/v1/trace", &which, |piece| {
        text.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    read.await.unwrap();
    let lines = text
        .split(|octet| *octet == b'\n')
        .filter(|line| !line.is_empty());
    let lines: Vec<Traced> = lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 501);
    let end = TraceEnd {
        packets: 500,
        missed: 0,
    };
    assert_eq!(lines.last(), Some(&Traced::End(end)));
    // One that does not end by itself.
    let mut octets = 0;
    let read = client.stream("/v1/capture", &which, |piece| {
        octets += piece.len();
        if octets < 10_000 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    read.await.unwrap();
    for _ in 0..500 {
        if fake.captures.load(Relaxed) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        fake.captures.load(Relaxed),
        0,
        "it went on, with nobody there"
    );
    // What is wrong is said before anything is.
    let none = |_: &[u8]| panic!("nothing is told");
    for (packets, seconds) in [(0, 1), (1_000_001, 1), (1, 0), (1, 3_601)] {
        (which.packets, which.seconds) = (Some(packets), Some(seconds));
        let error = client.stream("/v1/trace", &which, none).await;
        assert_eq!(refused(error.unwrap_err()), 400);
    }
    let which = Watch {
        user: Some("imsi-1".to_owned()),
        ..Watch::default()
    };
    let error = client.stream("/v1/trace", &which, none).await;
    assert_eq!(refused(error.unwrap_err()), 429);
    server.stop().await;
}

#[tokio::test]
async fn a_upf_that_has_ended_is_not_ready() {
    let folder = Folder::new("ended");
    let (doors, client) = by_socket(&folder);
    let server = Server::start(
        &doors,
        Arc::new(Fake {
            ended: true,
            ..Fake::default()
        }),
    )
    .unwrap();
    assert!(client.get::<Health>("/health/live").await.unwrap().healthy);
    for path in ["/health/ready", "/v1/peers", "/v1/sessions", "/metrics"] {
        let error = client.get::<Value>(path).await.unwrap_err();
        let status = match error {
            ClientError::Refused(problem) => problem.status,
            // Readiness answers with its reasons, not with a problem.
            ClientError::Strange { detail, .. } if detail.contains("503") => 503,
            other => panic!("{path}: {other}"),
        };
        assert_eq!(status, 503, "{path}");
    }
    server.stop().await;
}

/// HTTP that two tokens open, on those terms, and a client of each: one that looks, one that changes.
fn by_tokens(folder: &Folder) -> (Server, Doors, Terms, [Client; 2]) {
    let text = "# who\nread eye 0123456789abcdef\n\nadmin hand fedcba9876543210\n";
    let terms = Terms {
        tokens: Some(Tokens::load(&folder.file("tokens", text, 0o600)).unwrap()),
        ..Terms::default()
    };
    let doors = with_terms(terms.clone());
    let server = start(&doors);
    let at = At::Http(server.address().unwrap().to_string());
    let with = |token: &str| Client {
        token: Some(token.to_owned()),
        ..client(at.clone())
    };
    let clients = [with("0123456789abcdef"), with("fedcba9876543210")];
    (server, doors, terms, clients)
}

#[tokio::test]
async fn who_subscribers_are_is_told_in_full_to_whom_the_terms_say() {
    let folder = Folder::new("identities");
    let (server, doors, terms, [eye, hand]) = by_tokens(&folder);
    let users = async |who: &Client| {
        let all: Sessions = who.get("/v1/sessions?limit=1").await.unwrap();
        let one: SessionDetail = who.get("/v1/sessions/1").await.unwrap();
        assert_eq!(all.sessions[0].user, one.session.user);
        one.session.user.unwrap()
    };
    let (full, masked) = ("imsi-001010000000001", "imsi-***");
    assert_eq!(
        (users(&eye).await, users(&hand).await),
        (masked.into(), full.into())
    );
    for (identities, told) in [(Told::All, [full; 2]), (Told::Nobody, [masked; 2])] {
        doors.gate.change(Terms {
            identities,
            ..terms.clone()
        });
        assert_eq!([users(&eye).await, users(&hand).await], told);
    }
    server.stop().await;
}

#[tokio::test]
async fn http_is_opened_by_tokens_and_each_role_has_its_bounds() {
    let folder = Folder::new("tokens");
    let (server, doors, terms, [eye, hand]) = by_tokens(&folder);
    let with = |token: Option<&str>| Client {
        token: token.map(str::to_owned),
        ..eye.clone()
    };
    let nobody = with(None);
    // What tells nothing of anybody is open.
    assert!(nobody.get::<Health>("/health/ready").await.unwrap().healthy);
    for path in ["/version", "/v1/sessions", "/metrics", "/v1/log"] {
        for stranger in [&nobody, &with(Some("0123456789abcdee"))] {
            let error = stranger.get::<Value>(path).await.unwrap_err();
            assert_eq!(refused(error), 401, "{path}");
        }
    }
    let levels = LogLevels::default();
    for (who, status) in [(&nobody, 401), (&eye, 403)] {
        let error = who.put::<Value>("PUT", "/v1/log", &levels).await;
        assert_eq!(refused(error.unwrap_err()), status);
    }
    assert_eq!(eye.get::<Vec<Peer>>("/v1/peers").await.unwrap().len(), 1);
    hand.put::<LogLevels>("PUT", "/v1/log", &levels)
        .await
        .unwrap();

    // Other terms count from the next request on, of a connection that is there, too.
    let mut kept = TcpStream::connect(server.address().unwrap()).await.unwrap();
    let head = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n";
    let mut status = async || {
        let request = format!("GET /version {head}");
        kept.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let count = kept.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[9..count.min(12)]).into_owned()
    };
    assert_eq!(status().await, "200");
    let text = "admin hand fedcba9876543210\n";
    doors.gate.change(Terms {
        tokens: Some(Tokens::load(&folder.file("tokens", text, 0o600)).unwrap()),
        open_metrics: true,
        ..terms
    });
    assert_eq!(status().await, "401");
    assert!(nobody.text("/metrics").await.unwrap().ends_with("# EOF\n"));
    assert_eq!(
        refused(nobody.get::<Value>("/version").await.unwrap_err()),
        401
    );
    server.stop().await;
}

#[test]
fn files_of_tokens_are_looked_at() {
    let folder = Folder::new("files");
    for (name, text, mode, says) in [
        ("open", "read a 0123456789abcdef", 0o604, "chmod"),
        ("empty", "# nothing\n", 0o600, "no token"),
        (
            "short",
            "read a 0123456789abcdef\nadmin b short",
            0o600,
            "line 2",
        ),
    ] {
        let error = Tokens::load(&folder.file(name, text, mode))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("0123456789"), "a secret: {error}");
    }
    assert!(Tokens::load(&folder.0.join("none")).is_err());
}

#[tokio::test]
async fn what_comes_of_a_configuration_is_told_and_a_refusal_is_a_conflict() {
    let folder = Folder::new("reload");
    let (doors, client) = by_socket(&folder);
    let server = start(&doors);
    for (query, outcome) in [
        ("?dry_run=true", Outcome::Possible),
        ("?partial=true", Outcome::Partial),
        ("", Outcome::NeedsRestart),
    ] {
        let path = format!("/v1/reload{query}");
        let reload: Reload = client.act(&path).await.unwrap();
        assert_eq!(reload.outcome, outcome);
        let plain = client.put::<Value>("POST", &path, &()).await;
        if outcome.is_refused() {
            let detail = plain.unwrap_err().to_string();
            assert!(detail.contains("409"), "{detail}");
        } else {
            plain.unwrap();
        }
    }
    let wrong = client.act::<Value>("/v1/reload?dryrun=1").await;
    assert_eq!(refused(wrong.unwrap_err()), 400);
    server.stop().await;
}

#[tokio::test]
async fn without_tokens_everybody_of_the_host_looks_and_changes_nothing() {
    let server = start(&by_http());
    let address = server.address().unwrap();
    let client = client(At::Http(address.to_string()));
    client.get::<Version>("/version").await.unwrap();
    let levels = LogLevels::default();
    let error = client.put::<Value>("PUT", "/v1/log", &levels).await;
    assert_eq!(refused(error.unwrap_err()), 403);
    for (request, host, status) in [
        // A page of another site, whose name points here.
        ("GET /v1/sessions", "evil.example", 403),
        ("TRACE /v1/sessions", "localhost", 405),
        ("OPTIONS /v1/log", "localhost", 405),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let wanted = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&wanted), "{request}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn https_is_spoken_with_those_who_trust_the_certificate() {
    let folder = Folder::new("tls");
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = folder.file("api.pem", &made.cert.pem(), 0o644);
    let key = folder.file("api.key", &made.signing_key.serialize_pem(), 0o600);
    let files = TlsFiles {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    let doors = with_terms(Terms {
        tls: Some(files.read().unwrap()),
        ..Terms::default()
    });
    let server = start(&doors);
    let address = server.address().unwrap().to_string();
    let mut client = client(At::Https(address.clone()));
    let error = client.get::<Version>("/version").await.unwrap_err();
    assert!(matches!(error, ClientError::NoRoots), "{error}");
    client.roots = Some(certificate.clone());
    client.get::<Version>("/version").await.unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    client.roots = Some(folder.file("other.pem", &other.cert.pem(), 0o644));
    let error = client.get::<Version>("/version").await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    // Who speaks plain HTTP gets nothing.
    client.at = At::Http(address);
    assert!(client.get::<Version>("/version").await.is_err());
    server.stop().await;
    // The key of another certificate.
    let wrong = folder.file("wrong.key", &other.signing_key.serialize_pem(), 0o600);
    let files = TlsFiles {
        certificate,
        key: wrong,
    };
    assert!(matches!(files.read(), Err(TlsError::Rustls { .. })));
}

/// More clients than there are connections stand still: they wait for each other, and nobody else.
/// Once they go, or their time is over, all is as before.
#[tokio::test]
async fn clients_that_stand_still_are_no_burden_for_long() {
    let folder = Folder::new("still");
    let (doors, client) = by_socket(&folder);
    let server = start(&doors);
    let path = doors.socket.clone().unwrap();
    let mut still = Vec::new();
    for _ in 0..80 {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /v1/sess").await.unwrap();
        still.push(stream);
    }
    let late = tokio::time::timeout(
        Duration::from_millis(200),
        client.get::<Version>("/version"),
    );
    assert!(late.await.is_err(), "there is room for all of them");
    drop(still);
    client.get::<Version>("/version").await.unwrap();
    // And at the end none of them is waited for.
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /v1/sess").await.unwrap();
    tokio::time::timeout(Duration::from_secs(8), server.stop())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_description_is_whole() {
    let folder = Folder::new("openapi");
    let (doors, client) = by_socket(&folder);
    let server = start(&doors);
    let description: Value = client.get("/openapi.json").await.unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "{:?}", paths.keys());
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let is_open = path.starts_with("/health");
            let is_guarded = operation["responses"]["401"].is_object();
            assert_ne!(is_open, is_guarded, "{method} {path}");
            // What is described is there.
            let asked = path.replace("{seid}", "1");
            if method == "get" {
                client.text(&asked).await.unwrap();
            }
        }
    }
    // Places have 32 bits without a sign, which OpenAPI has no format for.
    let parameters = paths["/v1/sessions"]["get"]["parameters"]
        .as_array()
        .unwrap();
    let from = parameters.iter().find(|one| one["name"] == "from").unwrap();
    assert_eq!(from["schema"]["maximum"], u32::MAX);
    assert_eq!(from["schema"]["format"], "int64");
    // Every schema that is named exists.
    let text = description.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(
            description["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
    assert!(client.text("/").await.unwrap().contains("openapi.json"));
    server.stop().await;
}
