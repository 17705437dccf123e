//! Many N4 requests in flight against `upf run`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use simulator::{Flavour, Job, SessionSpec, Smf, SmfConfig, SmfError, Tunnel};
use test_harness::folder::Folder;
use test_harness::load::{self, Load, Phase, Report, Shape};
use test_harness::process::{Process, upf_program};
use test_harness::skip;
use test_harness::wire::Wire;

// ===== the load generator, against a UPF whose ports lead nowhere =====

/// Sessions that the UPF under load can hold.
const SESSIONS: u32 = 2_000;

struct Upf {
    process: Process,
    address: IpAddr,
    // After the process, which writes into it.
    _folder: Folder,
}

fn upf(test: u8) -> Upf {
    upf_for(test, SESSIONS)
}

/// `upf run` on two `null:` ports, with N4 at 127.8.`test`.7, for so many sessions.
fn upf_for(test: u8, sessions: u32) -> Upf {
    let folder = Folder::new("load").unwrap();
    let address = Ipv4Addr::new(127, 8, test, 7);
    let configuration = format!(
        r#"
pfcp: {{ address: {address} }}
ports: [{{ name: ran, device: "null:" }}, {{ name: core, device: "null:" }}]
interfaces:
  - {{ name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }}
  - {{ name: n6, role: n6, port: core, addresses: [10.10.6.7/24] }}
networks: [{{ name: internet, interface: n6, ue_pools: [10.64.0.0/10] }}]
memory: {{ hugepages: none, buffers: 16384 }}
limits: {{ sessions: {sessions}, messages_per_second_per_peer: 1000000 }}
log: {{ level: warn }}
"#
    );
    let file = folder.path().join("upf.yaml");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(upf_program().unwrap());
    command.arg("run").arg(&file).env("NO_COLOR", "1");
    for variable in ["UPF_BIN", "UPF_REQUIRE_ROOT", "UPF_REQUIRE_TSHARK"] {
        command.env_remove(variable);
    }
    let process = Process::start(&mut command, &folder.path().join("upf.log")).unwrap();
    let mut upf = Upf {
        process,
        address: address.into(),
        _folder: folder,
    };
    let mut config = SmfConfig::new(Ipv4Addr::new(127, 8, test, 3).into(), upf.address);
    config.t1 = Duration::from_millis(200);
    config.n1 = 0;
    let mut smf = Smf::bind(config).unwrap();
    while smf.heartbeat().is_err() {
        assert!(upf.process.is_running(), "{}", upf.process.log());
    }
    upf
}

impl Upf {
    fn load(&self, phases: &str) -> Load {
        let IpAddr::V4(address) = self.address else {
            panic!()
        };
        let [a, b, c, _] = address.octets();
        Load {
            local: (Ipv4Addr::new(a, b, c, 2), 8805).into(),
            target: (address, 8805).into(),
            shape: Shape::default(),
            held: 0,
            sessions: SESSIONS,
            window: 64,
            phases: phases
                .split(',')
                .map(|phase| phase.parse().unwrap())
                .collect::<Vec<Phase>>(),
            rounds: 1,
            t1: Duration::from_secs(2),
            n1: 3,
            limit: Duration::from_mins(1),
            pid: None,
        }
    }
}

fn counts(report: &Report) -> Vec<(&str, u64, u64)> {
    let phases = report.phases.iter();
    phases
        .map(|phase| (phase.name.as_str(), phase.requests, phase.accepted))
        .collect()
}

#[test]
fn every_request_of_a_load_is_accounted_for() {
    let mut upf = upf(1);
    let mut load = upf.load("establish,modify,modify,hold=1,delete");
    (load.held, load.sessions, load.rounds) = (500, 1_000, 2);
    let report = load::run(&load).unwrap();
    eprintln!("{report}");
    let expected = [
        ("fill", 500, 500),
        ("establish", 2_000, 2_000),
        ("modify", 4_000, 4_000),
        ("delete", 2_000, 2_000),
        ("empty", 500, 500),
    ];
    assert_eq!(counts(&report), expected);
    for phase in &report.phases {
        assert!(phase.is_clean(), "{phase:?}");
        assert_eq!(phase.answered_after.count, phase.requests);
    }
    assert!(
        report.events[0].heartbeats.count > 50,
        "{:?}",
        report.events
    );
    upf.process.stop().unwrap();
}

#[test]
fn a_pace_is_kept_and_every_shape_is_taken() {
    let mut upf = upf(2);
    let mut load = upf.load("establish@4000,modify@4000,delete@4000");
    load.shape = Shape {
        pdrs: 6,
        fars: 3,
        qers: 2,
        urrs: 2,
        given_f_teids: Some(Ipv4Addr::new(10, 10, 3, 7)),
        ..Shape::default()
    };
    let report = load::run(&load).unwrap();
    eprintln!("{report}");
    for phase in &report.phases {
        assert_eq!((phase.accepted, phase.lost), (2_000, 0), "{phase:?}");
        assert!((0.49..5.0).contains(&phase.seconds), "{phase:?}");
        assert_eq!(phase.sent_after.unwrap().count, 2_000);
    }
    upf.process.stop().unwrap();
}

#[test]
fn what_is_too_much_is_refused_and_what_goes_makes_room() {
    let mut upf = upf(3);
    let mut load = upf.load("establish,delete,establish,drop,delete,establish,delete");
    load.sessions = SESSIONS + 100;
    let report = load::run(&load).unwrap();
    eprintln!("{report}");
    let establish = &report.phases[0];
    assert_eq!(establish.name, "establish");
    assert_eq!(establish.accepted, u64::from(SESSIONS) * 3);
    // "No resources available", for those that go over the limit and only for them.
    assert_eq!(Vec::from_iter(&establish.refused), [(&75, &300)]);
    assert_eq!(report.events[0].name, "drop");
    upf.process.stop().unwrap();
}

#[test]
fn heartbeats_are_answered_while_many_sessions_end() {
    const MANY: u32 = 20_000;
    let mut upf = upf_for(4, MANY);
    let mut load = upf.load("establish,drop");
    load.sessions = MANY;
    let report = load::run(&load).unwrap();
    eprintln!("{report}");
    assert_eq!(report.phases[0].accepted, u64::from(MANY));
    let dropped = &report.events[0];
    let beats = &dropped.heartbeats;
    // One is sent every 5 ms, if the machine lets us; a tenth of that must be answered on any.
    let sent = 20.0 * dropped.seconds;
    let answered = f64::from(u32::try_from(beats.count).unwrap());
    assert!(answered >= sent.max(1.0), "{dropped:?}");
    assert!(beats.max_us < 1e6, "{dropped:?}");
    assert_eq!(dropped.heartbeats_unanswered, 0, "{dropped:?}");
    upf.process.stop().unwrap();
}

// ===== SMFs as there are =====

#[test]
fn every_flavour_has_many_requests_in_flight() {
    if !skip::is_root() {
        return;
    }
    let mut wire = Wire::start().unwrap();
    let mut smf = wire.smf().unwrap();
    for flavour in Flavour::ALL {
        smf.associate().unwrap();
        let establish = |number: u32| {
            Job::Establish(SessionSpec {
                flavour,
                ue_ipv4: Some(Ipv4Addr::from_bits(0x0a2d_0100 + number)),
                n3_address: Ipv4Addr::new(10, 10, 3, 7),
                ..SessionSpec::default()
            })
        };
        all_done(flavour, smf.run((0..300).map(establish), 32));
        let numbers: Vec<u32> = smf.sessions().iter().map(|s| s.number).collect();
        let activate = |session| Job::Activate {
            session,
            tunnel: Tunnel {
                address: Ipv4Addr::new(10, 10, 3, 101).into(),
                teid: session + 1,
            },
        };
        let idle = |session| Job::Idle { session };
        let delete = |session| Job::Delete { session };
        let steps: [&dyn Fn(u32) -> Job; 4] = [&activate, &idle, &activate, &delete];
        for step in steps {
            all_done(flavour, smf.run(numbers.iter().copied().map(step), 32));
        }
        assert!(smf.sessions().is_empty());
    }
    for figures in smf.timings().summary() {
        eprintln!("{figures:?}");
    }
    drop(smf);
    wire.process().stop().unwrap();
}

fn all_done<T: std::fmt::Debug>(flavour: Flavour, results: Vec<Result<T, SmfError>>) {
    assert_eq!(results.len(), 300);
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{flavour:?}: {failed:?}");
}
