//! `upf demo`: the whole UPF at work in one process, with a simulated world around it.
//!
//! A simulated SMF sets sessions up over a real UDP socket on loopback; simulated gNBs and a data
//! network push packets through DPDK ring ports; every packet that comes out is checked octet by
//! octet. Without a NIC, hugepages or privileges.

mod report;
mod scenes;

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use config::Overrides;
use upf::Instance;

use crate::lab;
use crate::lab::exhibits::Exhibits;
use report::Report;
use upf::logging;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Sessions to set up.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(4..=50_000))]
    sessions: u32,
    /// Seconds of traffic in both directions.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// UDP payload of each user packet, in octets.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(24..=1400))]
    payload: u16,
    /// Where a packet of every kind is written to, as pcapng.
    #[arg(long, default_value = "upf-demo.pcapng")]
    capture: PathBuf,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows the UPF at work; an error when a packet was lost or wrong, or nothing came through.
pub(crate) fn demo(arguments: &Arguments) -> Result<()> {
    let [upf, smf] = lab::loopback()?;
    let text = configuration(upf, arguments.sessions);
    let loaded = config::load(&text, &Overrides::default())
        .map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))?;
    logging::start(&loaded.config.log);
    say(
        arguments,
        "Starting the UPF: two DPDK ring ports, N4 on loopback …",
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no asynchronous runtime")?;
    let instance = runtime.block_on(Instance::start(&loaded.config))?;
    let shown = show(arguments, &instance, upf, smf);
    let ended = runtime.block_on(instance.stop());
    let (mut report, exhibits) = shown?;
    report.conserved = ended.is_conserved();
    report.capture = keep(&exhibits, &arguments.capture)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        print!("{report}");
    }
    let faults = report.faults();
    ensure!(
        faults.is_empty(),
        "the demonstration failed: {}",
        faults.join("; ")
    );
    Ok(())
}

/// Plays all scenes; what was seen.
fn show(
    arguments: &Arguments,
    instance: &Instance,
    upf: Ipv4Addr,
    smf: Ipv4Addr,
) -> Result<(Report, Exhibits)> {
    let exhibits = Exhibits::default();
    let lab = lab::Handle::start(instance.eal(), instance.pool(), Some(exhibits.clone()))?;
    let played = scenes::play(arguments, instance, &lab, [upf, smf], exhibits.clone());
    lab.finish()?;
    Ok((played?, exhibits))
}

/// Writes the exhibits; somewhere else when the place asked for is not writable.
fn keep(exhibits: &Exhibits, wanted: &PathBuf) -> Result<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "the capture bears today's date")]
    let epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let (file, path) = if let Ok(file) = std::fs::File::create(wanted) {
        (file, wanted.clone())
    } else {
        let other = std::env::temp_dir().join("upf-demo.pcapng");
        let file = std::fs::File::create(&other);
        (
            file.with_context(|| format!("cannot write {}", other.display()))?,
            other,
        )
    };
    exhibits.write(std::io::BufWriter::new(file), epoch)?;
    Ok(path)
}

fn configuration(upf: Ipv4Addr, sessions: u32) -> String {
    format!(
        "\
pfcp: {{ address: {upf}, allow: [127.0.0.0/8] }}
{ends}limits: {{ sessions: {limit} }}
log: {{ level: warn }}
",
        ends = lab::configuration(),
        limit = sessions.max(1024),
    )
}

/// Progress, for whoever watches.
fn say(arguments: &Arguments, text: &str) {
    if !arguments.json {
        println!("{text}");
    }
}

/// A line that the next one overwrites, on a terminal; nothing elsewhere.
fn progress(arguments: &Arguments, text: &str) {
    use std::io::Write as _;
    if !arguments.json && std::io::stdout().is_terminal() {
        print!("\r\x1b[K{text}");
        // A terminal that is gone is no reason to stop.
        let _gone = std::io::stdout().flush();
    }
}

/// A loopback address as an SMF has it.
const fn address(address: Ipv4Addr) -> IpAddr {
    IpAddr::V4(address)
}
