//! What a test needs of its surroundings, and what to do without.

use std::process::{Command, Stdio};

/// Whether a test can run. If not it says so loudly; with `variable` set to 1 that is a failure.
///
/// # Panics
/// When the need is not met and `variable` forbids skipping.
#[allow(clippy::panic, clippy::print_stderr, reason = "it is for tests alone")]
fn met(is_met: bool, need: &str, variable: &str) -> bool {
    if !is_met {
        assert!(
            std::env::var(variable).as_deref() != Ok("1"),
            "needs {need}, and {variable}=1 forbids skipping"
        );
        eprintln!("SKIPPED: needs {need} (set {variable}=1 to make that a failure)");
    }
    is_met
}

/// Whether this is root with `ip`, for network namespaces.
pub fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root() && has("ip", &["-V"]);
    met(is_root, "root, for network namespaces", "UPF_REQUIRE_ROOT")
}

/// Whether there is tshark.
pub fn has_tshark() -> bool {
    met(
        has("tshark", &["--version"]),
        "tshark",
        "UPF_REQUIRE_TSHARK",
    )
}

/// Whether there is iperf3.
pub fn has_iperf3() -> bool {
    met(has("iperf3", &["--version"]), "iperf3", "UPF_REQUIRE_ROOT")
}

fn has(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
