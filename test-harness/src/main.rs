//! The command line of the test harness.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use simulator::capture;
use test_harness::gnb::{self, GnbConfig};
use test_harness::lab::Lab;
use test_harness::load::{self, Load, Phase, PhaseSummary, Shape};
use test_harness::replay;

/// Drives a UPF from outside.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay a GTP-U capture through `upf run` in a network namespace. Needs root.
    Replay(ReplayArguments),
    /// Many sessions come, change and go: rates, answer times, memory.
    N4Load(LoadArguments),
    /// Be a gNB whose UE is a TUN interface of the kernel. Needs root.
    Gnb(GnbArguments),
}

#[derive(Debug, Args)]
struct ReplayArguments {
    /// The capture: pcap or pcapng.
    file: PathBuf,
    /// Write all frames of the replay there, as pcapng.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Only say what would be done.
    #[arg(long)]
    plan: bool,
}

#[derive(Debug, Args)]
struct LoadArguments {
    /// The UPF's N4 address.
    #[arg(long)]
    target: IpAddr,
    /// The SMF's address, which the UPF can send to.
    #[arg(long)]
    local: IpAddr,
    /// The UPF's port.
    #[arg(long, default_value_t = 8805)]
    target_port: u16,
    /// The SMF's port; most UPFs send their own requests to 8805.
    #[arg(long, default_value_t = 8805)]
    local_port: u16,
    /// What to do, in order: establish, modify, delete (as fast as possible, or @RATE a second, or
    /// @SHARE% of the rate that the same had before), hold=SECONDS, drop (the association).
    #[arg(long, value_delimiter = ',', default_value = "establish,modify,delete")]
    phases: Vec<Phase>,
    /// How often to do that.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Sessions that the phases work on.
    #[arg(long, default_value_t = 10_000)]
    sessions: u32,
    /// Sessions that are there besides, from the beginning to the end.
    #[arg(long, default_value_t = 0)]
    held: u32,
    /// Requests in flight, at most.
    #[arg(long, default_value_t = 256)]
    window: usize,
    /// PDRs of a session.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pdrs: u16,
    /// FARs of a session.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    fars: u32,
    /// QERs of a session.
    #[arg(long, default_value_t = 1)]
    qers: u32,
    /// URRs of a session.
    #[arg(long, default_value_t = 1)]
    urrs: u32,
    /// The data network.
    #[arg(long, default_value = "internet")]
    network_instance: String,
    /// The first UE address; the others follow.
    #[arg(long, default_value = "10.64.0.1")]
    first_ue: Ipv4Addr,
    /// The UPF's N3 address: the SMF gives the F-TEIDs. Otherwise the UPF chooses them.
    #[arg(long)]
    given_f_teids: Option<Ipv4Addr>,
    /// The gNB's address.
    #[arg(long, default_value = "10.10.3.101")]
    gnb: IpAddr,
    /// How long to wait for an answer before a request is sent again, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    t1_ms: u64,
    /// How often a request is sent in all.
    #[arg(long, default_value_t = 3)]
    n1: u32,
    /// How long a phase may take, in seconds.
    #[arg(long, default_value_t = 120)]
    limit_s: u64,
    /// The UPF's process, to look at its CPU time and memory, if it runs on this machine.
    #[arg(long)]
    pid: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl From<&LoadArguments> for Load {
    fn from(arguments: &LoadArguments) -> Self {
        Self {
            local: SocketAddr::new(arguments.local, arguments.local_port),
            target: SocketAddr::new(arguments.target, arguments.target_port),
            shape: Shape {
                pdrs: arguments.pdrs,
                fars: arguments.fars,
                qers: arguments.qers,
                urrs: arguments.urrs,
                network_instance: arguments.network_instance.clone(),
                given_f_teids: arguments.given_f_teids,
                first_ue: arguments.first_ue,
                gnb: arguments.gnb,
            },
            held: arguments.held,
            sessions: arguments.sessions,
            window: arguments.window,
            phases: arguments.phases.clone(),
            rounds: arguments.rounds,
            t1: Duration::from_millis(arguments.t1_ms),
            n1: arguments.n1,
            limit: Duration::from_secs(arguments.limit_s),
            pid: arguments.pid,
        }
    }
}

#[derive(Debug, Args)]
struct GnbArguments {
    /// The gNB's N3 address.
    #[arg(long)]
    local: IpAddr,
    /// The UPF's N3 address.
    #[arg(long)]
    upf: IpAddr,
    /// The UPF's TEID.
    #[arg(long)]
    uplink_teid: u32,
    /// The gNB's TEID.
    #[arg(long)]
    downlink_teid: u32,
    /// The QoS flow.
    #[arg(long, default_value_t = 1)]
    qfi: u8,
    /// The name of the UE's interface.
    #[arg(long, default_value = "ue0")]
    interface: String,
    /// The UE sends and receives Ethernet frames, and its interface has this MAC address.
    #[arg(long, value_parser = mac)]
    mac: Option<[u8; 6]>,
}

/// Reads `02:00:00:00:00:01`.
fn mac(text: &str) -> Result<[u8; 6], String> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    let octets: Result<Vec<u8>, _> = octets.collect();
    let octets = octets.ok().and_then(|octets| octets.try_into().ok());
    octets.ok_or_else(|| "six octets such as 02:00:00:00:00:01 were expected".to_owned())
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Replay(arguments) => replay(&arguments),
        Command::N4Load(arguments) => n4_load(&arguments),
        Command::Gnb(arguments) => {
            let config = GnbConfig {
                local: arguments.local,
                upf: arguments.upf,
                uplink_teid: arguments.uplink_teid,
                downlink_teid: arguments.downlink_teid,
                qfi: arguments.qfi,
                interface: arguments.interface,
                mac: arguments.mac,
            };
            gnb::run(&config, std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn replay(arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let file = &arguments.file;
    let octets = std::fs::read(file).with_context(|| file.display().to_string())?;
    let plan = replay::plan(&capture::read(&octets)?);
    if arguments.plan {
        println!(
            "{} packets, {} sessions",
            plan.fates.len(),
            plan.sessions.len()
        );
        for (fate, count) in plan.count() {
            println!("{count:>8} {fate:?}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (mut lab, mut smf) = Lab::start(arguments.record.as_deref())?;
    smf.associate()?;
    let report = replay::run(&plan, &mut lab, &mut smf)?;
    lab.finish_record()?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn n4_load(arguments: &LoadArguments) -> anyhow::Result<ExitCode> {
    let report = load::run(&arguments.into())?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.phases.iter().all(PhaseSummary::is_clean) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
