//! Replays the corpora of the fuzz targets.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;

#[path = "../../fuzz/fuzz_targets/pfcp_check.rs"]
mod pfcp_check;

/// Each file of a target's corpus.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).expect(target).collect();
    assert!(files.len() > 50, "{target}: {}", files.len());
    for file in files {
        let path = file.expect(target).path();
        check(&std::fs::read(&path).expect("a corpus file"));
    }
}

#[test]
fn datagrams() {
    replay("pfcp_message", pfcp_check::datagram);
}

#[test]
fn generated_messages() {
    replay("pfcp_generated", pfcp_check::generated);
}

#[test]
fn json() {
    replay("pfcp_json", pfcp_check::json);
}
