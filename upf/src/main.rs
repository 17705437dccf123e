//! The command line of the UPF.
#![allow(clippy::print_stdout, reason = "a command line tool")]

mod check;
mod client;
mod decode;
mod demo;
mod examine;
mod lab;
mod pages;
mod privileges;
mod run;
mod soak;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

/// What packets touch lies on huge pages where the system has them.
#[global_allocator]
static HEAP: dpdk::Heap = dpdk::Heap::new();

/// A 5G User Plane Function: PFCP (N4) in, GTP-U (N3, N9) to IP (N6) at line rate.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the UPF.
    Run(ConfigArguments),
    /// Check a configuration: names the line and key of every mistake.
    Check(CheckArguments),
    /// Look at this machine: what stands in the way, why it matters, and what mends it.
    ///
    /// With a configuration: whether its ports, processors, memory, N4 and routes are as it wants
    /// them. Exits with 0 if nothing is in the way, 1 if something is, 2 if asked wrongly.
    Doctor(examine::Arguments),
    /// Show the sessions of a UPF that runs.
    Sessions(client::Sessions),
    /// Show a session of a UPF that runs: its rules, and what they count.
    Session(client::Session),
    /// Show the SMFs of a UPF that runs.
    Peers(client::Ask),
    /// Show the ports of a UPF that runs.
    Ports(client::Ask),
    /// Show why a UPF that runs drops packets, and what to do.
    Drops(client::Ask),
    /// Have a UPF that runs read its configuration again, and say what changes.
    ///
    /// All of it is put in force while packets flow, or, if there is a mistake in it or some of it
    /// needs a restart, nothing. Exits with 1 then.
    Reload(client::Reload),
    /// Show what a UPF that runs writes to its log, or change that until it ends.
    Log(client::Log),
    /// Say what would happen to a packet in a UPF that runs, and why; it is not sent.
    ///
    /// It goes through the stages of the packet path, with the rules of its session as these are now.
    /// With `--reason`: say what it means that packets are dropped for a reason, and what to do.
    Explain(client::Explain),
    /// Follow the next packets of a session, or of a filter: what each stage looked up and decided.
    Trace(client::Trace),
    /// Capture packets of a session, or of a filter, on both sides: with drop reasons as comments.
    ///
    /// Wireshark reads along: `upf capture --seid SEID | wireshark -k -i -`.
    Capture(client::Capture),
    /// Show the UPF at work in this process: no NIC, no hugepages, no privileges.
    Demo(demo::Arguments),
    /// Put the UPF under load in this process for as long as you like, while sessions, gNBs and SMFs
    /// come and go and buffers run low; every packet, octet and buffer is accounted for.
    ///
    /// Exits with 1 if something was not as it has to be, and says how to repeat it. Without a NIC,
    /// hugepages or privileges.
    Soak(soak::Arguments),
    /// Work with PFCP messages.
    Pfcp {
        #[command(subcommand)]
        command: decode::Command,
    },
    /// Work with configurations.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print what completes this command line in a shell: `source <(upf completions bash)`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages: one for each command.
    Man {
        /// The directory that they are written to.
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print a commented example.
    Example,
    /// Print the JSON Schema, for editors and other tools.
    Schema,
}

/// Where the configuration is, unless said otherwise.
const CONFIG_FILE: &str = "/etc/upf/upf.yaml";

/// Where the configuration comes from. The file gives way to the environment (`UPF_PFCP__ADDRESS`
/// sets `pfcp.address`), the environment to `--set`.
#[derive(Debug, Args)]
struct ConfigArguments {
    /// The configuration file.
    #[arg(env = "UPF_CONFIG", default_value = CONFIG_FILE)]
    file: PathBuf,
    /// Set a key, such as `pfcp.address=10.10.4.7` or `ports.0.device=af_packet:eth1`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Args)]
struct CheckArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Print what is in force, or every mistake, as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    // Before there are other threads: each has capabilities of its own.
    privileges::raise();
    dpdk::Heap::spread_work();
    let outcome = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments.file, &arguments.set),
        Command::Check(CheckArguments { config, json: true }) => {
            return finish(check::check_json(&config.file, &config.set));
        }
        Command::Check(CheckArguments { config, .. }) => check::check(&config.file, &config.set),
        Command::Doctor(arguments) => return finish(examine::doctor(&arguments)),
        Command::Sessions(arguments) => return finish(client::sessions(&arguments)),
        Command::Session(arguments) => return finish(client::session(&arguments)),
        Command::Peers(ask) => return finish(client::peers(&ask)),
        Command::Ports(ask) => return finish(client::ports(&ask)),
        Command::Drops(ask) => return finish(client::drops(&ask)),
        Command::Reload(arguments) => return finish(client::reload(&arguments)),
        Command::Log(arguments) => return finish(client::log(&arguments)),
        Command::Explain(arguments) => return finish(client::explain(&arguments)),
        Command::Trace(arguments) => return finish(client::trace(&arguments)),
        Command::Capture(arguments) => return finish(client::capture(&arguments)),
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Soak(arguments) => soak::soak(&arguments),
        Command::Pfcp { command } => return finish(decode::run(&command)),
        Command::Config {
            command: ConfigCommand::Example,
        } => show(include_str!("../../upf.example.yaml")).map_err(Into::into),
        Command::Config {
            command: ConfigCommand::Schema,
        } => show(format_args!("{:#}\n", config::json_schema())).map_err(Into::into),
        Command::Completions { shell } => {
            pages::completions(shell, Cli::command());
            Ok(())
        }
        Command::Man { directory } => pages::man(Cli::command(), &directory),
    };
    finish(outcome.map(|()| ExitCode::SUCCESS))
}

fn finish(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        say(format_args!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// Shows something on standard output. Who has closed that has seen enough.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
fn show(words: impl Display) -> io::Result<()> {
    match write!(io::stdout(), "{words}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Says something on standard error; who has closed that has heard enough.
fn say(words: impl Display) {
    let _ = writeln!(io::stderr(), "{words}");
}
