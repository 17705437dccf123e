//! The SMF over loopback, against a UPF of a few lines that answers as a UPF must.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pfcp::{
    ApplyAction, AssociationSetupResponse, Cause, CreatedPdr, DownlinkDataReport, FSeid, FTeid,
    Header, HeartbeatResponse, Message, NodeId, PdrId, RecoveryTimeStamp, ReportType,
    SessionDeletionResponse, SessionEstablishmentRequest, SessionEstablishmentResponse,
    SessionModificationResponse, SessionReportRequest, UeIpAddress, UpFunctionFeatures, Update,
};
use simulator::{
    AnswerFault, Event, Flavour, Job, Procedure, SessionSpec, Smf, SmfConfig, SmfError, Tunnel,
};

const N3: Ipv4Addr = Ipv4Addr::new(10, 10, 3, 7);

/// How the small UPF misbehaves.
#[derive(Clone, Copy, Default, PartialEq)]
enum Habit {
    #[default]
    Good,
    /// Loses every other request.
    Deaf,
    /// Refuses sessions.
    Full,
    /// Says nothing of the F-TEIDs that it chose.
    Secretive,
}

struct SmallUpf {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Message>>>,
}

impl SmallUpf {
    fn start(habit: Habit) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || serve(&socket, habit, &flag));
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// Stops, and gives all requests that came.
    fn requests(mut self) -> Vec<Message> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for SmallUpf {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(socket: &UdpSocket, habit: Habit, stop: &AtomicBool) -> Vec<Message> {
    let mut cp_seids = BTreeMap::new();
    let mut requests = Vec::new();
    let mut buffer = [0; 4096];
    let mut heard = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let decoded = pfcp::decode(&buffer[..length]).expect("the SMF sends sound messages");
        heard += 1;
        if habit == Habit::Deaf && heard % 2 == 1 {
            continue;
        }
        let (seid, answer) = answer(&decoded.header, &decoded.message, habit, &mut cp_seids);
        let is_idle = matches!(&decoded.message, Message::SessionModificationRequest(body)
            if body.update_fars.iter().any(|far| far.apply_action.is_some_and(|action| action.contains(ApplyAction::NOCP))));
        requests.push(decoded.message);
        let Some(answer) = answer else { continue };
        let mut octets = Vec::new();
        pfcp::encode(&decoded.header.answer(seid), &answer, &mut octets).unwrap();
        socket.send_to(&octets, from).unwrap();
        if is_idle {
            let report = SessionReportRequest {
                report_type: ReportType::DLDR,
                downlink_data_report: Some(DownlinkDataReport {
                    pdr_ids: [PdrId(1)].into(),
                    ..Default::default()
                }),
                ..Default::default()
            };
            let mut octets = Vec::new();
            pfcp::encode(&Header::session(seid.unwrap(), 77), &report, &mut octets).unwrap();
            socket.send_to(&octets, from).unwrap();
        }
    }
    requests
}

fn answer(
    header: &Header,
    message: &Message,
    habit: Habit,
    cp_seids: &mut BTreeMap<u64, u64>,
) -> (Option<u64>, Option<Message>) {
    let cause = if habit == Habit::Full {
        Cause::NO_RESOURCES_AVAILABLE
    } else {
        Cause::REQUEST_ACCEPTED
    };
    let seid = header.seid.unwrap_or(0);
    match message {
        Message::HeartbeatRequest(_) => {
            let recovery_time_stamp = RecoveryTimeStamp(4711);
            (
                None,
                Some(
                    HeartbeatResponse {
                        recovery_time_stamp,
                        ..Default::default()
                    }
                    .into(),
                ),
            )
        }
        Message::AssociationSetupRequest(_) => {
            let response = AssociationSetupResponse {
                node_id: NodeId::Ipv4(Ipv4Addr::LOCALHOST),
                cause: Cause::REQUEST_ACCEPTED,
                recovery_time_stamp: Some(RecoveryTimeStamp(4711)),
                up_function_features: Some(UpFunctionFeatures::FTUP),
                ..Default::default()
            };
            (None, Some(response.into()))
        }
        Message::SessionEstablishmentRequest(request) => {
            let up_seid = 0x1000 + request.cp_f_seid.seid;
            cp_seids.insert(up_seid, request.cp_f_seid.seid);
            let response = SessionEstablishmentResponse {
                node_id: NodeId::Ipv4(Ipv4Addr::LOCALHOST),
                cause,
                up_f_seid: Some(FSeid::new(up_seid, Ipv4Addr::LOCALHOST.into())),
                created_pdrs: if habit == Habit::Secretive {
                    Vec::new()
                } else {
                    created(request)
                },
                ..Default::default()
            };
            (Some(request.cp_f_seid.seid), Some(response.into()))
        }
        Message::SessionModificationRequest(_) => {
            let response = SessionModificationResponse {
                cause,
                ..Default::default()
            };
            (cp_seids.get(&seid).copied(), Some(response.into()))
        }
        Message::SessionDeletionRequest(_) => {
            let response = SessionDeletionResponse {
                cause,
                ..Default::default()
            };
            (cp_seids.remove(&seid), Some(response.into()))
        }
        _ => (None, None),
    }
}

fn created(request: &SessionEstablishmentRequest) -> Vec<CreatedPdr> {
    let chosen = |pdr: &pfcp::CreatePdr| {
        let choose_address = pdr.pdi.ue_ip_addresses.iter().any(UeIpAddress::is_choose);
        let choose_teid = matches!(pdr.pdi.local_f_teid, Some(FTeid::Choose { .. }));
        let teid = 0x700 + u32::from(pdr.pdr_id.0);
        (choose_address || choose_teid).then(|| CreatedPdr {
            pdr_id: pdr.pdr_id,
            local_f_teids: if choose_teid {
                vec![FTeid::given(teid, N3.into())]
            } else {
                Vec::new()
            },
            ue_ip_addresses: if choose_address {
                vec![UeIpAddress::source([10, 99, 0, 1].into())]
            } else {
                Vec::new()
            },
            ..Default::default()
        })
    };
    request.create_pdrs.iter().filter_map(chosen).collect()
}

fn smf(upf: &SmallUpf) -> Smf {
    let mut config = SmfConfig::new(IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 1]));
    config.local.set_port(0);
    config.upf = upf.address;
    config.t1 = Duration::from_millis(100);
    Smf::bind(config).unwrap()
}

fn spec(flavour: Flavour, host: u8) -> SessionSpec {
    SessionSpec {
        flavour,
        ue_ipv4: Some(Ipv4Addr::new(10, 45, 0, host)),
        n3_address: N3,
        volume_threshold: Some(1 << 20),
        ..Default::default()
    }
}

const GNB: Tunnel = Tunnel {
    address: IpAddr::V4(Ipv4Addr::new(10, 10, 3, 101)),
    teid: 0x55,
};

#[test]
fn every_flavour_lives_through_every_procedure() {
    for flavour in Flavour::ALL {
        let upf = SmallUpf::start(Habit::Good);
        let mut smf = smf(&upf);
        smf.associate().unwrap();
        assert!(smf.features().contains(UpFunctionFeatures::FTUP));
        assert_eq!(smf.heartbeat().unwrap(), 4711);

        let number = smf.establish(spec(flavour, 2)).unwrap();
        let session = smf.sessions().get(number).unwrap();
        assert_eq!(session.up_seid, 0x1001);
        let teid = if flavour == Flavour::Free5gc {
            1
        } else {
            0x700 + if flavour == Flavour::Open5gs { 2 } else { 1 }
        };
        assert_eq!(
            (session.uplink.teid, session.uplink.ipv4),
            (teid, Some(N3)),
            "{flavour:?}"
        );
        assert_eq!(session.gnb, None);

        smf.activate(number, GNB).unwrap();
        assert_eq!(smf.sessions().get(number).unwrap().gnb, Some(GNB));
        smf.idle(number).unwrap();
        assert_eq!(smf.sessions().get(number).unwrap().gnb, None);
        if flavour != Flavour::Oai {
            let event = smf.wait_event(Duration::from_secs(2)).unwrap();
            assert_eq!(
                event,
                Some(Event::DownlinkData {
                    session: number,
                    pdrs: vec![PdrId(1)]
                })
            );
        }
        smf.activate(number, GNB).unwrap();
        smf.path_switch(number, Tunnel { teid: 0x66, ..GNB })
            .unwrap();
        smf.delete(number).unwrap();
        assert!(smf.sessions().is_empty());
        let procedures: Vec<_> = smf
            .timings()
            .summary()
            .iter()
            .map(|p| (p.procedure, p.count))
            .collect();
        assert!(
            procedures.contains(&(Procedure::Activate, 2)),
            "{procedures:?}"
        );
        check_requests(flavour, &upf.requests());
    }
}

/// Which oddities each flavour has.
fn check_requests(flavour: Flavour, requests: &[Message]) {
    let establishment = requests
        .iter()
        .find_map(|request| match request {
            Message::SessionEstablishmentRequest(body) => Some(body),
            _ => None,
        })
        .unwrap();
    let modifications: Vec<_> = requests
        .iter()
        .filter_map(|request| match request {
            Message::SessionModificationRequest(body) => Some(body),
            _ => None,
        })
        .collect();
    let counts = (
        establishment.create_pdrs.len(),
        establishment.create_fars.len(),
        establishment.create_qers.len(),
    );
    let expected = match flavour {
        Flavour::Simple => (2, 2, 1),
        Flavour::Open5gs => (4, 3, 1),
        Flavour::Free5gc | Flavour::SdCore => (2, 2, 2),
        Flavour::Oai => (1, 1, 0),
    };
    assert_eq!(counts, expected, "{flavour:?}");
    assert_eq!(modifications.len(), 4);
    let has_f_seid = matches!(flavour, Flavour::Free5gc | Flavour::SdCore);
    assert!(
        modifications
            .iter()
            .all(|body| body.cp_f_seid.is_some() == has_f_seid),
        "{flavour:?}"
    );
    let end_marker = modifications[3].update_fars[0]
        .update_forwarding_parameters
        .as_ref()
        .unwrap();
    let is_asked = end_marker
        .flags
        .is_some_and(|flags| flags.contains(pfcp::PfcpSmReqFlags::SNDEM));
    assert_eq!(is_asked, flavour != Flavour::Oai);
    assert!(matches!(end_marker.outer_header_creation, Update::Set(_)));
}

#[test]
fn many_sessions_are_set_up_with_many_in_flight() {
    let upf = SmallUpf::start(Habit::Good);
    let mut smf = smf(&upf);
    let results = smf.establish_many((0..200).map(|host| spec(Flavour::Simple, host)), 32);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 200);
    assert_eq!(smf.sessions().len(), 200);
    let deletions: Vec<_> = (0..200).map(|session| Job::Delete { session }).collect();
    assert!(smf.run(deletions, 32).iter().all(Result::is_ok));
    assert!(smf.sessions().is_empty());
    assert_eq!(smf.retransmissions(), 0);
}

#[test]
fn a_request_is_sent_again_until_it_is_answered() {
    let upf = SmallUpf::start(Habit::Deaf);
    let mut smf = smf(&upf);
    smf.establish(spec(Flavour::Simple, 2)).unwrap();
    assert_eq!(smf.retransmissions(), 1);
}

#[test]
fn a_upf_that_is_not_there_is_given_up() {
    let upf = SmallUpf::start(Habit::Good);
    let mut config = SmfConfig::new(IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 1]));
    config.local.set_port(0);
    // Somebody who never reads.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    config.upf = silent.local_addr().unwrap();
    config.t1 = Duration::from_millis(10);
    let mut smf = Smf::bind(config).unwrap();
    let error = smf.establish(spec(Flavour::Simple, 2)).unwrap_err();
    assert!(matches!(
        error,
        SmfError::NoAnswer {
            procedure: Procedure::Establish
        }
    ));
    assert_eq!(smf.retransmissions(), 3);
    drop(upf);
}

#[test]
fn a_refusal_and_a_missing_tunnel_are_errors() {
    let upf = SmallUpf::start(Habit::Full);
    let error = smf(&upf).establish(spec(Flavour::Simple, 2)).unwrap_err();
    assert!(matches!(
        error,
        SmfError::Refused {
            cause: Cause::NO_RESOURCES_AVAILABLE,
            ..
        }
    ));
    let upf = SmallUpf::start(Habit::Secretive);
    let error = smf(&upf).establish(spec(Flavour::Simple, 2)).unwrap_err();
    assert!(matches!(
        error,
        SmfError::Malformed {
            fault: AnswerFault::NoFTeid(1),
            ..
        }
    ));
}

#[test]
fn an_address_that_the_upf_chose_is_the_sessions() {
    let upf = SmallUpf::start(Habit::Good);
    let mut smf = smf(&upf);
    let number = smf.establish(SessionSpec::default()).unwrap();
    let chosen = smf.sessions().get(number).unwrap().ue_ipv4;
    assert_eq!(chosen, Some(Ipv4Addr::new(10, 99, 0, 1)));
}
