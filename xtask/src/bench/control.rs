//! N4: a UPF of its own process, whose ports lead nowhere, and an SMF over loopback.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Depth, build_programs};

const CONFIGURATION: &str = "test-harness/n4-load.yaml";
/// The address in it.
const UPF: &str = "127.9.0.7:8805";
const SMF: &str = "127.9.0.2";

/// Clock ticks of a second in `/proc/PID/stat`, on every Linux that this runs on.
const TICKS: f64 = 100.0;

/// A UPF that is ended when it goes out of scope.
struct Upf(Child);

impl Drop for Upf {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Time to start, CPU use without work, rates and answer times with few and with many sessions.
pub(super) fn measure(depth: Depth) -> Result<Value> {
    let programs = build_programs(&["upf", "test-harness"])?;
    let (sessions, rounds, held): (_, _, &[u32]) = match depth {
        Depth::Quick => (5_000, 1, &[1000]),
        Depth::Usual => (20_000, 4, &[1000, 100_000]),
        Depth::Full => (20_000, 4, &[1000, 1_000_000]),
    };
    let started = Instant::now();
    let mut upf = Upf(start(&programs)?);
    wait_for_answer(&mut upf, started)?;
    let start_ms = started.elapsed().as_secs_f64() * 1000.0;
    // What it has to do at first is done.
    std::thread::sleep(Duration::from_secs(1));
    let idle_percent = cpu_percent(upf.0.id(), Duration::from_secs(3))?;
    println!("answers after {start_ms:.0} ms; {idle_percent:.1} % of a CPU without work");
    let mut loads = Vec::new();
    for held in held {
        loads.push(load(&programs, &upf, sessions, rounds, *held)?);
    }
    Ok(json!({ "start_ms": start_ms, "idle_cpu_percent": idle_percent, "loads": loads }))
}

fn start(programs: &Path) -> Result<Child> {
    Command::new(programs.join("upf"))
        .args(["run", CONFIGURATION, "--set", "limits.sessions=1100000"])
        .stdout(Stdio::null())
        .spawn()
        .context("could not start upf")
}

/// Asks with heartbeats (TS 29.244, 7.4.2) until one is answered, or the UPF has ended.
fn wait_for_answer(upf: &mut Upf, started: Instant) -> Result<()> {
    let heartbeat = [0x20, 1, 0, 12, 0, 0, 1, 0, 0, 96, 0, 4, 0xe0, 0, 0, 1];
    let socket = UdpSocket::bind((SMF, 0)).context("an address of loopback")?;
    socket.set_read_timeout(Some(Duration::from_millis(1)))?;
    while started.elapsed() < Duration::from_secs(20) {
        // Until the UPF listens, the system may refuse on its behalf.
        let _ = socket.send_to(&heartbeat, UPF);
        if matches!(socket.recv(&mut [0; 64]), Ok(length) if length > 0) {
            return Ok(());
        }
        if let Some(status) = upf.0.try_wait().context("upf cannot be waited for")? {
            bail!("upf ended before it answered: {status}");
        }
    }
    bail!("upf (process {}) did not answer within 20 s", upf.0.id())
}

fn cpu_ticks(process: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).context("upf has ended")?;
    // The name, in brackets, may have blanks in it.
    let (_, rest) = text.rsplit_once(')').context("an unknown /proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|word| word.parse::<f64>().ok());
    ticks(11)
        .zip(ticks(12))
        .map(|(user, system)| user + system)
        .context("an unknown /proc/PID/stat")
}

fn cpu_percent(process: u32, time: Duration) -> Result<f64> {
    let (before, since) = (cpu_ticks(process)?, Instant::now());
    std::thread::sleep(time);
    let ticks = cpu_ticks(process)? - before;
    Ok(ticks / TICKS / since.elapsed().as_secs_f64() * 100.0)
}

fn load(programs: &Path, upf: &Upf, sessions: u32, rounds: u32, held: u32) -> Result<Value> {
    let (target, _) = UPF.split_once(':').context("address and port")?;
    let output = Command::new(programs.join("test-harness"))
        .args(["n4-load", "--json", "--target", target, "--local", SMF])
        .args(["--pid", &upf.0.id().to_string()])
        .args(["--held", &held.to_string()])
        .args(["--sessions", &sessions.to_string()])
        .args(["--rounds", &rounds.to_string()])
        .args(["--phases"])
        .arg("establish,modify,delete,establish@50%,modify@50%,delete@50%")
        .stderr(Stdio::inherit())
        .output()
        .context("could not start test-harness")?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "with {held} held: {text}");
    let report: Value = serde_json::from_str(&text)?;
    for phase in report["phases"].as_array().into_iter().flatten() {
        println!(
            "{held:>8} held: {:<16} {:>9.0}/s, p99 {:.0} µs",
            phase["name"].as_str().unwrap_or_default(),
            phase["accepted_per_second"].as_f64().unwrap_or_default(),
            phase["answered_after"]["p99_us"]
                .as_f64()
                .unwrap_or_default(),
        );
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_upf_that_has_ended_is_not_waited_for() -> Result<()> {
        let mut upf = Upf(Command::new("false").spawn()?);
        let started = Instant::now();
        let said = wait_for_answer(&mut upf, started).map_err(|error| error.to_string());
        assert!(said.is_err_and(|text| text.contains("ended before it answered")));
        assert!(started.elapsed() < Duration::from_secs(10));
        Ok(())
    }
}
