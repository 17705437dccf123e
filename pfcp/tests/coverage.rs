//! The coverage page in the documentation is that of the code.
#![allow(clippy::expect_used, reason = "tests")]

#[test]
fn the_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pfcp-coverage.md");
    let page = std::fs::read_to_string(path).expect(path);
    assert!(
        page == pfcp::catalogue::coverage(),
        "run: cargo run -p pfcp --example coverage > docs/pfcp-coverage.md"
    );
}
