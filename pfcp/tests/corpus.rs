//! Replays the corpus of the fuzz target.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../fuzz/fuzz_targets/pfcp_check.rs"]
mod pfcp_check;

#[test]
fn the_corpus_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/pfcp_message");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect(folder) {
        let path = file.expect(folder).path();
        pfcp_check::check(&std::fs::read(&path).expect("a corpus file"));
        count += 1;
    }
    assert!(count > 50, "{count}");
}
