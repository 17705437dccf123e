//! The whole of N4 over real loopback UDP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pfcp::{Cause, Decoded, Encode, Message};
use session::neighbour::Neighbours;
use session::report::{Command, Report, WorkerEnd, queues};
use session::{FarId, PdrId, Qfi, Reader, SessionIndex, Sizes, Tables};
use support::*;
use tokio::net::UdpSocket;
use upf_cp::{Handle, NodeConfig, Parts, Shell};

struct Smf {
    socket: UdpSocket,
    upf: SocketAddr,
    sequence: u32,
}

impl Smf {
    async fn receive(&self) -> Decoded {
        let mut buffer = [0; 4096];
        let received =
            tokio::time::timeout(Duration::from_secs(5), self.socket.recv_from(&mut buffer));
        let (length, _) = received.await.expect("an answer in time").unwrap();
        pfcp::decode(&buffer[..length]).unwrap()
    }
    async fn send(&mut self, seid: Option<u64>, request: &impl Encode) {
        self.sequence += 1;
        let octets = encode(seid, self.sequence, request);
        self.socket.send_to(&octets, self.upf).await.unwrap();
    }
    async fn ask(&mut self, seid: Option<u64>, request: &impl Encode) -> Message {
        self.send(seid, request).await;
        let answer = self.receive().await;
        assert_eq!(answer.header.sequence, self.sequence);
        answer.message
    }
}

/// What a node with one worker is made of, and the worker's ends.
fn parts() -> (Parts, Reader, WorkerEnd) {
    let sizes = Sizes {
        sessions: 16,
        tunnels: 64,
        workers: 1,
        seed: 7,
    };
    let (publisher, mut readers) = Tables::create(sizes);
    let (worker, control) = queues(64);
    let parts = Parts {
        publisher,
        topology: Arc::new(topology()),
        neighbours: Arc::new(Neighbours::default()),
        workers: vec![control],
        seed: [3; 32],
        record: None,
    };
    (parts, readers.remove(0), worker)
}

/// A node on loopback with one worker that the test plays, and an SMF at another port.
async fn start() -> (Handle, Smf, Reader, WorkerEnd) {
    let (parts, reader, worker) = parts();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut config = NodeConfig::new(ip("127.0.0.1"));
    config.port = 0;
    config.peer_port = socket.local_addr().unwrap().port();
    config.heartbeat_interval_ms = 0;
    let handle = Shell::spawn(config, parts).unwrap();
    let smf = Smf {
        socket,
        upf: handle.local_address(),
        sequence: 0,
    };
    (handle, smf, reader, worker)
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut config = NodeConfig::new(ip("127.0.0.1"));
    config.port = taken.local_addr().unwrap().port();
    let (parts, ..) = parts();
    let error = Shell::spawn(config, parts).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn an_answer_waits_for_the_workers_and_nothing_else_does() {
    let (handle, mut smf, mut reader, mut worker) = start().await;
    let Message::AssociationSetupResponse(answer) = smf.ask(None, &association()).await else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    // The worker is busy with a burst that began before.
    let _ = reader.snapshot();
    let mut request = open5gs(9);
    request.cp_f_seid = pfcp::FSeid::new(0x77, ip("127.0.0.1"));
    smf.send(Some(0), &request).await;
    let establishment = smf.sequence;
    // The node is not held up: heartbeats are answered, and the session is there.
    let answer = smf.ask(None, &pfcp::HeartbeatRequest::default()).await;
    assert!(matches!(answer, Message::HeartbeatResponse(_)), "{answer}");
    assert_eq!(handle.asker().session_count().await.unwrap(), 1);
    let mut buffer = [0; 4096];
    let none =
        tokio::time::timeout(Duration::from_millis(50), smf.socket.recv_from(&mut buffer)).await;
    assert!(none.is_err(), "answered before the worker saw the rules");
    // Its next burst sees the rules; then the answer leaves.
    let index = {
        let snapshot = reader.snapshot();
        snapshot
            .ipv4(session::InterfaceId(2), ue(9))
            .expect("in force")
            .session()
    };
    let answer = smf.receive().await;
    assert_eq!(answer.header.sequence, establishment);
    let Message::SessionEstablishmentResponse(answer) = answer.message else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);

    // A worker's report reaches the SMF, a command reaches the worker.
    reader.offline();
    let report = Report::DownlinkData {
        session: index,
        pdr: PdrId(1),
        far: FarId(1),
        qfi: Qfi::new(1),
        tos: 0,
    };
    assert!(worker.report(report));
    let report = smf.receive().await;
    assert_eq!(report.header.seid, Some(0x77));
    assert!(matches!(report.message, Message::SessionReportRequest(_)));
    let seid = answer.up_f_seid.unwrap().seid;
    let answer = smf.ask(Some(seid), &activate(0x101, "10.10.3.101")).await;
    let Message::SessionModificationResponse(answer) = answer else {
        panic!()
    };
    assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED);
    assert_eq!(worker.command(), Some(Command::Release { session: index }));

    assert_eq!(handle.asker().peers().await.unwrap()[0].sessions, 1);
    assert_eq!(handle.asker().counters().await.unwrap().established, 1);
    handle.shutdown().await;
    // It held nothing any more.
    assert_eq!(worker.command(), None);
    assert!(reader.snapshot().session(SessionIndex(index.0)).is_none());
}
