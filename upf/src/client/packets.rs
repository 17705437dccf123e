//! `upf explain`, `upf trace` and `upf capture`: packets of a UPF that runs.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use api::model::{Explanation, Packet, Packets, Traced, Watch};
use clap::Args;
use simulator::capture;
use upf_dp::Reason;

use super::{Ask, Asked};
use crate::decode::input;

/// Packets of one question.
const PACKETS_MAX: usize = 32;
/// Hexadecimal digits of one question.
const DIGITS_MAX: usize = 48_000;
/// Packets that are asked about at most.
const ASKED_MAX: usize = 1_000;

/// What is asked about packets.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    ask: Ask,
    /// Hexadecimal octets of a packet; a file, or `-` for standard input: a pcap or pcapng capture, or
    /// one packet a line in hexadecimal.
    #[arg(required_unless_present = "reason")]
    input: Option<String>,
    /// Where the packets come in: an interface, `n3`, `n6`, `n9`, or a port. Unless said, where their
    /// destination is.
    #[arg(long, value_name = "WHERE")]
    at: Option<String>,
    /// The octets begin with the IP header; or: never mind the Ethernet headers of the capture.
    #[arg(long)]
    ip: bool,
    /// Tell of the packet of that number alone, 1 being the first.
    #[arg(long, value_name = "NUMBER")]
    packet: Option<usize>,
    /// Say instead what it means that packets are dropped for that reason, and what to do; `all` for
    /// every reason.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["input", "at", "ip", "packet"])]
    reason: Option<String>,
}

/// Which packets are watched: those that have all of what is given.
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    ask: Ask,
    /// Of that session, by our SEID in hexadecimal.
    #[arg(long)]
    seid: Option<String>,
    /// Of the sessions that this subscriber has now: a SUPI, or the digits of an IMSI.
    #[arg(long, value_name = "SUPI")]
    user: Option<String>,
    /// From or to that user address, or network, whether or not a session has it.
    #[arg(long, value_name = "ADDRESS")]
    ue: Option<String>,
    /// Of a tunnel with that TEID, at either end, in hexadecimal, whether or not it is known.
    #[arg(long)]
    teid: Option<String>,
    /// Received on that port.
    #[arg(long)]
    port: Option<String>,
    /// Dropped ones alone.
    #[arg(long)]
    dropped: bool,
    /// Those alone that were dropped for that reason, by its name in `upf drops`.
    #[arg(long, value_name = "NAME")]
    reason: Option<String>,
    /// Ends after so many seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

/// A trace.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    #[command(flatten)]
    which: Which,
    /// Ends after so many packets.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    packets: u32,
}

/// A capture.
#[derive(Debug, Args)]
pub(crate) struct Capture {
    #[command(flatten)]
    which: Which,
    /// Ends after so many packets.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    packets: u32,
    /// Ends after so many octets.
    #[arg(long, default_value_t = 64 << 20, value_parser = clap::value_parser!(u64).range(1..))]
    octets: u64,
    /// The pcapng file that is written; `-` is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    write: PathBuf,
}

impl Which {
    fn watch(&self, packets: u32, octets: Option<u64>) -> Watch {
        Watch {
            seid: self.seid.clone(),
            user: self.user.clone(),
            ue: self.ue.clone(),
            teid: self.teid.clone(),
            port: self.port.clone(),
            dropped: self.dropped,
            reason: self.reason.clone(),
            packets: Some(packets),
            seconds: Some(self.seconds),
            octets,
        }
    }
}

// ===== what would happen =====

pub(crate) fn explain(arguments: &Explain) -> Result<ExitCode> {
    if let Some(name) = &arguments.reason {
        return reason(name, arguments.ask.json);
    }
    let input = arguments.input.as_deref().unwrap_or("-");
    let packets = packets(input, arguments)?;
    arguments.ask.run(async |asked| {
        let mut told = Vec::new();
        for part in parts(&packets) {
            let body = Packets {
                packets: part.to_vec(),
            };
            let some: Vec<Explanation> = asked.client.put("POST", "/v1/explain", &body).await?;
            told.extend(some);
        }
        asked.print(&told, |told| told.iter().map(text).collect())
    })
}

/// The packets of the input.
fn packets(input: &str, arguments: &Explain) -> Result<Vec<Packet>> {
    let mut packets = all_packets(input, arguments)?;
    if let Some(number) = arguments.packet {
        let count = packets.len();
        let at = number.checked_sub(1).filter(|at| *at < count);
        let at = at.with_context(|| format!("--packet {number}: there are {count} packets"))?;
        packets = vec![packets.swap_remove(at)];
    }
    ensure!(
        packets.len() <= ASKED_MAX,
        "{input}: {} packets, more than {ASKED_MAX}; choose one by --packet",
        packets.len()
    );
    Ok(packets)
}

fn all_packets(input: &str, arguments: &Explain) -> Result<Vec<Packet>> {
    let packet = |octets: &[u8], ip: bool, after: Duration| Packet {
        octets: hex(octets),
        at: arguments.at.clone(),
        ip,
        after_ns: u64::try_from(after.as_nanos()).unwrap_or(u64::MAX),
    };
    let given = |octets: &[u8]| packet(octets, arguments.ip, Duration::ZERO);
    if input != "-" && !Path::new(input).is_file() {
        let octets = input::octets(input)
            .with_context(|| format!("{input:?} is neither a file nor hexadecimal octets"))?;
        return Ok(vec![given(&octets)]);
    }
    let content = input::content(input)?;
    let captured = match capture::read(&content) {
        Ok(captured) => captured,
        Err(capture::CaptureError::Magic(_)) => {
            let lines = lines(&content)
                .with_context(|| format!("{input} is neither a capture nor hexadecimal octets"))?;
            return Ok(lines.iter().map(|octets| given(octets)).collect());
        }
        Err(error) => return Err(error).with_context(|| format!("{input} cannot be read")),
    };
    let start = captured.first().map_or(Duration::ZERO, |first| first.time);
    let packets = captured.iter().enumerate().map(|(at, one)| {
        let after = one.time.saturating_sub(start);
        if one.link_type == capture::ETHERNET && !arguments.ip {
            return Ok(packet(&one.octets, false, after));
        }
        let ip = one.ip();
        let ip = ip.with_context(|| format!("{input}: packet {} is no IP packet", at + 1))?;
        Ok(packet(ip, true, after))
    });
    packets.collect()
}

/// What each line of hexadecimal digits says.
fn lines(content: &[u8]) -> Result<Vec<Vec<u8>>> {
    let lines = std::str::from_utf8(content)?.lines();
    let lines = lines.filter(|line| !line.trim().is_empty());
    lines.map(input::octets).collect()
}

/// As many at a time as one question may have.
fn parts(packets: &[Packet]) -> Vec<&[Packet]> {
    let (mut parts, mut rest) = (Vec::new(), packets);
    while !rest.is_empty() {
        let mut digits = 0;
        let fits = |packet: &&Packet| {
            digits += packet.octets.len();
            digits <= DIGITS_MAX
        };
        let count = rest.iter().take(PACKETS_MAX).take_while(fits).count();
        let (part, others) = rest.split_at(count.max(1));
        parts.push(part);
        rest = others;
    }
    parts
}

/// What is said of a packet, for people.
fn text(told: &Explanation) -> String {
    let mut text = String::new();
    for stage in &told.stages {
        for (at, line) in stage.lines.iter().enumerate() {
            let name = if at == 0 { stage.name.as_str() } else { "" };
            let _ = writeln!(text, "{name:<9} {line}");
        }
    }
    text.push('\n');
    text
}

/// Says what a reason means.
fn reason(name: &str, json: bool) -> Result<ExitCode> {
    let wanted: Vec<Reason> = Reason::ALL
        .iter()
        .filter(|reason| name == "all" || reason.name() == name)
        .copied()
        .collect();
    if wanted.is_empty() {
        let names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        bail!(
            "--reason: there is no {name:?}; there are {}",
            names.join(", ")
        );
    }
    if json {
        let said = wanted.iter().map(|reason| {
            serde_json::json!({
                "reason": reason.name(),
                "meaning": reason.description(),
                "cause": reason.cause(),
                "remedy": reason.remedy(),
            })
        });
        crate::show(serde_json::to_string_pretty(&said.collect::<Vec<_>>())? + "\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    for reason in wanted {
        crate::show(format_args!(
            "{reason}\n  {}\n  likely cause: {}\n  remedy: {}\n",
            reason.description(),
            reason.cause(),
            reason.remedy()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

// ===== what happens =====

pub(crate) fn trace(arguments: &Trace) -> Result<ExitCode> {
    let which = &arguments.which;
    which.ask.run(async |asked| {
        let body = which.watch(arguments.packets, None);
        let (mut rest, mut failed) = (Vec::new(), None);
        let take = |piece: &[u8]| {
            rest.extend_from_slice(piece);
            match tell(asked, &mut rest) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        asked.client.stream("/v1/trace", &body, take).await?;
        failed.map_or(Ok(()), Err)
    })
}

/// Prints the lines that are whole.
fn tell(asked: &Asked<'_>, octets: &mut Vec<u8>) -> Result<()> {
    while let Some(end) = octets.iter().position(|octet| *octet == b'\n') {
        let line: Vec<u8> = octets.drain(..=end).collect();
        if asked.ask.json {
            io::stdout().write_all(&line)?;
            continue;
        }
        match serde_json::from_slice(&line).context("the UPF told something strange")? {
            Traced::Packet(told) => print!("{}{}", time(told.time_ns), text(&told)),
            Traced::End(end) => {
                let missed = match end.missed {
                    0 => String::new(),
                    missed => format!("; {missed} more came too fast to be told of"),
                };
                println!("{} packets{missed}", end.packets);
            }
        }
    }
    io::stdout().flush()?;
    Ok(())
}

/// The time of day, in UTC.
fn time(ns: Option<u64>) -> String {
    let Some(ns) = ns else { return String::new() };
    let (s, us) = (ns / 1_000_000_000 % 86_400, ns / 1_000 % 1_000_000);
    format!(
        "time      {:02}:{:02}:{:02}.{us:06} UTC\n",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

pub(crate) fn capture(arguments: &Capture) -> Result<ExitCode> {
    let which = &arguments.which;
    let mut out: Box<dyn Write> = if arguments.write == Path::new("-") {
        let stdout = io::stdout();
        ensure!(
            !stdout.is_terminal(),
            "a capture is no text: write it to a file (--write FILE) or a program (| wireshark -k -i -)"
        );
        Box::new(stdout)
    } else {
        let file = std::fs::File::create(&arguments.write);
        Box::new(file.with_context(|| format!("--write {}", arguments.write.display()))?)
    };
    which.ask.run(async |asked| {
        let body = which.watch(arguments.packets, Some(arguments.octets));
        let mut failed = None;
        let take = |piece: &[u8]| match out.write_all(piece).and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                // Whoever read it has seen enough.
                failed = (error.kind() != io::ErrorKind::BrokenPipe).then_some(error);
                ControlFlow::Break(())
            }
        };
        asked.client.stream("/v1/capture", &body, take).await?;
        failed.map_or(Ok(()), |error| {
            Err(error).context("the capture cannot be written")
        })
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
