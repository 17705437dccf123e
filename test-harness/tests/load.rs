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

use std::net::Ipv4Addr;

use simulator::Flavour;
use test_harness::load::{self, Load};
use test_harness::skip;
use test_harness::wire::{N4, SMF, Wire};

#[test]
fn every_flavour_has_many_requests_in_flight() {
    if !skip::is_root() {
        return;
    }
    let mut wire = Wire::start().unwrap();
    let mut smf = wire.smf().unwrap();
    for flavour in Flavour::ALL {
        smf.associate().unwrap();
        let load = Load {
            local: SMF,
            target: N4,
            flavour,
            sessions: 300,
            window: 32,
            modifications: 3,
            first_ue: Ipv4Addr::new(10, 45, 1, 0),
            n3: Ipv4Addr::new(10, 10, 3, 7),
        };
        let report = load::drive(&load, &mut smf).unwrap();
        for phase in &report.phases {
            assert_eq!(
                (phase.accepted, phase.failed),
                (300, 0),
                "{flavour:?} {phase:?}"
            );
            eprintln!("{flavour:?} {}: {:.0}/s", phase.name, phase.per_second);
        }
        assert!(smf.sessions().is_empty());
    }
    for figures in smf.timings().summary() {
        eprintln!("{figures:?}");
    }
    drop(smf);
    wire.process().stop().unwrap();
}
