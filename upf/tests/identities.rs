//! Who subscribers are is told as far as the configuration says: in the log, and by the API.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod running;

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use pfcp::wire::Short;
use pfcp::{
    ApplyAction, AssociationSetupRequest, Cause, CreateFar, CreatePdr, Encode, FSeid, FTeid,
    Header, Message, Pdi, SessionEstablishmentRequest, SourceInterface, UserId,
};
use running::Running;
use serde_json::Value;

const SMF: Ipv4Addr = Ipv4Addr::LOCALHOST;
const FULL: &str = "imsi-001010000000001";
const MASKED: &str = "imsi-00101********01";

/// An SMF that knows who its subscribers are.
struct Smf {
    socket: UdpSocket,
    sequence: u32,
}

impl Smf {
    fn new(port: u16) -> Self {
        let socket = UdpSocket::bind((SMF, 0)).unwrap();
        socket.connect((SMF, port)).unwrap();
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).unwrap();
        let mut smf = Self {
            socket,
            sequence: 0,
        };
        let association = AssociationSetupRequest {
            node_id: std::net::IpAddr::from(SMF).into(),
            ..Default::default()
        };
        let answer = smf.ask(None, &association);
        assert!(matches!(answer, Message::AssociationSetupResponse(_)));
        smf
    }

    fn ask(&mut self, seid: Option<u64>, request: &impl Encode) -> Message {
        self.sequence += 1;
        let header = Header {
            seid,
            sequence: pfcp::Sequence::new(self.sequence),
            ..Header::default()
        };
        let mut octets = vec![];
        pfcp::encode(&header, request, &mut octets).unwrap();
        self.socket.send(&octets).unwrap();
        let mut room = [0; 2048];
        let length = self.socket.recv(&mut room).unwrap();
        pfcp::decode(&room[..length]).unwrap().message
    }

    /// Establishes a session whose PDR has the FAR of that number, and gives the cause.
    fn establish(&mut self, far: u32) -> Cause {
        let imsi = [0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0xf1];
        let request = SessionEstablishmentRequest {
            node_id: std::net::IpAddr::from(SMF).into(),
            cp_f_seid: FSeid::new(u64::from(far), SMF.into()),
            create_pdrs: [CreatePdr {
                pdr_id: 1.into(),
                precedence: 1.into(),
                pdi: Pdi {
                    source_interface: SourceInterface::ACCESS,
                    local_f_teid: Some(FTeid::Choose {
                        ipv4: true,
                        ipv6: false,
                        choose_id: None,
                    }),
                    ..Default::default()
                },
                far_id: Some(far.into()),
                ..Default::default()
            }]
            .into(),
            create_fars: [CreateFar {
                far_id: 1.into(),
                apply_action: ApplyAction::DROP,
                ..Default::default()
            }]
            .into(),
            user_id: Some(UserId {
                imsi: Short::new(imsi.as_slice()),
                ..Default::default()
            }),
            ..Default::default()
        };
        match self.ask(Some(0), &request) {
            Message::SessionEstablishmentResponse(answer) => answer.cause,
            other => panic!("{other}"),
        }
    }
}

fn users(upf: &Running, arguments: &[&str]) -> Vec<String> {
    let (text, code) = upf.ask(&[&["sessions", "--json"], arguments].concat());
    assert_eq!(code, Some(0), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let sessions = told["sessions"].as_array().unwrap().iter();
    let user = |session: &Value| session["user"].as_str().unwrap().to_owned();
    sessions.map(user).collect()
}

#[test]
fn subscribers_are_masked_unless_it_is_wanted_otherwise() {
    let upf = Running::start("identities", 18815, "");
    let mut smf = Smf::new(18815);
    upf.says("associated");
    let (text, code) = upf.ask(&["log", "upf_cp=debug"]);
    assert_eq!((text.as_str(), code), ("info\nupf_cp=debug\n", Some(0)));
    assert_eq!(smf.establish(1), Cause::REQUEST_ACCEPTED);
    let line = upf.says("established");
    assert!(line.contains(MASKED) && line.contains("seid=0x"), "{line}");
    // A FAR that is not there.
    assert_ne!(smf.establish(7), Cause::REQUEST_ACCEPTED);
    let line = upf.says("refused a request");
    assert!(line.contains(MASKED) && !line.contains(FULL), "{line}");

    // Who may do everything is told in full, and finds the subscriber.
    assert_eq!(users(&upf, &[]), [FULL]);
    assert_eq!(users(&upf, &["--user", FULL]), [FULL]);
    upf.edit(
        "log: { level: info }",
        "log: { level: info, identities: full }",
    );
    upf.edit("api: {", "api: { identities: none,");
    let (told, code) = upf.reload(&[]);
    assert_eq!(
        (&told["outcome"], code),
        (&"applied".into(), Some(0)),
        "{told}"
    );
    assert_eq!(users(&upf, &[]), [MASKED]);
    assert_ne!(smf.establish(7), Cause::REQUEST_ACCEPTED);
    let line = upf.says("refused a request");
    assert!(line.contains(FULL), "{line}");
    upf.edit("identities: full", "identities: none");
    assert_eq!(upf.reload(&[]).1, Some(0));
    assert_ne!(smf.establish(7), Cause::REQUEST_ACCEPTED);
    let line = upf.says("refused a request");
    assert!(!line.contains("imsi"), "{line}");

    let (text, code) = upf.ask(&["log", "--reset", "warn"]);
    assert_eq!((text.as_str(), code), ("warn\n", Some(0)));
    let (text, code) = upf.ask(&["log", "loud"]);
    assert!(code == Some(1) && text.contains("expected off"), "{text}");
}
