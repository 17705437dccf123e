//! Prints the coverage page: `cargo run -p pfcp --example coverage > docs/pfcp-coverage.md`.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

fn main() {
    print!("{}", pfcp::catalogue::coverage());
}
