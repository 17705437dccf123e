//! Every public capture through `upf run`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

use std::path::Path;

use simulator::capture;
use test_harness::folder::Folder;
use test_harness::lab::Lab;
use test_harness::{replay, skip, tshark};

#[test]
fn every_public_capture_goes_through_the_upf() {
    if !skip::is_root() {
        return;
    }
    let record = Folder::new("replay").unwrap();
    let file = record.path().join("wire.pcapng");
    let (mut lab, mut smf) = Lab::start(Some(&file)).unwrap();
    smf.associate().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/public");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut wrong = Vec::new();
    for name in names {
        let plan = replay::plan(&capture::read(&std::fs::read(&name).unwrap()).unwrap());
        let report = replay::run(&plan, &mut lab, &mut smf).unwrap();
        eprintln!(
            "{}: {}",
            name.display(),
            serde_json::to_string(&report).unwrap()
        );
        assert!(report.is_complete(), "{}: {report:?}", name.display());
        if !report.is_clean() {
            wrong.push((name, report.mismatches));
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong:#?}\n{}",
        lab.wire().process().log()
    );
    lab.finish_record().unwrap();
    lab.wire().process().stop().unwrap();
    if skip::has_tshark() {
        let complaints = tshark::complaints(&file, tshark::Depth::Tunnels).unwrap();
        eprintln!("{complaints:?}");
        // N6 carries what the captures carry, and Wireshark complains about some of that.
        let is_tunnel = |message: &String| message.to_lowercase().contains("gtp");
        assert!(!complaints.keys().any(is_tunnel), "{complaints:#?}");
    }
}
