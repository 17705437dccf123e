//! The command line of the test harness.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use simulator::{Flavour, capture};
use test_harness::gnb::{self, GnbConfig};
use test_harness::lab::Lab;
use test_harness::load::{self, Load};
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
    /// Set sessions up, modify and delete them: rates and latencies.
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FlavourArgument {
    Simple,
    Open5gs,
    Free5gc,
    SdCore,
    Oai,
}

impl From<FlavourArgument> for Flavour {
    fn from(flavour: FlavourArgument) -> Self {
        match flavour {
            FlavourArgument::Simple => Self::Simple,
            FlavourArgument::Open5gs => Self::Open5gs,
            FlavourArgument::Free5gc => Self::Free5gc,
            FlavourArgument::SdCore => Self::SdCore,
            FlavourArgument::Oai => Self::Oai,
        }
    }
}

#[derive(Debug, Args)]
struct LoadArguments {
    /// The UPF's N4 address.
    #[arg(long)]
    target: IpAddr,
    /// The SMF's address; its port is 8805.
    #[arg(long)]
    local: IpAddr,
    /// Whose habits the SMF has.
    #[arg(long, value_enum, default_value = "simple")]
    flavour: FlavourArgument,
    /// How many sessions.
    #[arg(long, default_value_t = 1000)]
    sessions: u32,
    /// How many requests in flight.
    #[arg(long, default_value_t = 32)]
    window: usize,
    /// How many modifications of each session.
    #[arg(long, default_value_t = 2)]
    modifications: u32,
    /// The first UE address.
    #[arg(long, default_value = "10.45.0.1")]
    first_ue: Ipv4Addr,
    /// The UPF's N3 address, for SMFs that choose TEIDs themselves.
    #[arg(long, default_value = "10.10.3.7")]
    n3: Ipv4Addr,
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
    /// The name of the TUN interface.
    #[arg(long, default_value = "ue0")]
    interface: String,
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
    let report = load::run(&Load {
        local: arguments.local,
        target: arguments.target,
        flavour: arguments.flavour.into(),
        sessions: arguments.sessions,
        window: arguments.window,
        modifications: arguments.modifications,
        first_ue: arguments.first_ue,
        n3: arguments.n3,
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    let is_clean = report.phases.iter().all(|phase| phase.failed == 0);
    Ok(if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
