//! Replays the corpus of the fuzz target.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../fuzz/fuzz_targets/gtpu_check.rs"]
mod gtpu_check;

#[test]
fn the_corpus_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/gtpu_datagram");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect(folder) {
        let path = file.expect(folder).path();
        gtpu_check::datagram(&std::fs::read(&path).expect("a corpus file"));
        count += 1;
    }
    assert!(count > 20, "{count}");
}
