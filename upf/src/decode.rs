//! `upf pfcp decode` and `upf pfcp encode`: messages as a tree or as JSON, and back.

pub(crate) mod input;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use pfcp::{Decoded, Header, Message};
use serde::{Deserialize, Serialize};

use crate::say;

/// Exit code where some of the input could be read, and some not.
const IN_PART: u8 = 3;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print messages as a tree.
    ///
    /// Captures may be pcap (either byte order, micro- or nanoseconds) or pcapng, of Ethernet (with
    /// VLAN tags), Linux cooked (SLL, SLL2), raw IP or a BSD loopback. Fragments are put together.
    /// What is no PFCP is skipped and counted. What cannot be read is told on standard error, with
    /// the octet where it is wrong; and what can be read, but breaks a rule of TS 29.244.
    ///
    /// Exits with 0 if all was read, 1 if nothing could be, 2 if asked wrongly, and 3 if some could
    /// not be read.
    Decode {
        /// Hexadecimal octets of a datagram; a file, or `-` for standard input: a pcap or pcapng
        /// capture, or one datagram a line in hexadecimal, as `encode` prints them.
        input: String,
        /// Print JSON, one message a line, as `encode` reads it.
        #[arg(long)]
        json: bool,
        /// The UDP port of PFCP, in captures.
        #[arg(long, default_value_t = 8805)]
        port: u16,
    },
    /// Print the octets of messages given as JSON, in hexadecimal.
    ///
    /// The JSON is that of `upf pfcp decode --json`. A message that was not written as this program
    /// writes it (its IEs in another order, spare bits set) also has its octets, `as_it_came`: they
    /// are printed, unless what the message says was changed.
    ///
    /// Exits with 0 if all was written, 1 if not, and 2 if asked wrongly.
    Encode {
        /// A file with one JSON message a line, or `-` for standard input.
        #[arg(default_value = "-")]
        input: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    let outcome = match command {
        Command::Decode { input, json, port } => decode(input, *json, *port),
        Command::Encode { input } => encode(input).map(|()| ExitCode::SUCCESS),
    };
    // Who reads may have seen enough: `upf pfcp decode FILE | head`.
    outcome.or_else(|error| match error.downcast_ref::<io::Error>() {
        Some(io) if io.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        _ => Err(error),
    })
}

/// A message in JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    header: Header,
    message: Message,
    /// Its octets, where they are not those that `encode` would write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_it_came: Option<String>,
}

fn decode(input: &str, json: bool, port: u16) -> Result<ExitCode> {
    let input = input::read(input, port)?;
    let mut out = io::stdout().lock();
    let (mut read, mut refused) = (0_usize, input.faults.len());
    for datagram in &input.datagrams {
        let label = &datagram.label;
        let mut bundle = pfcp::messages(&datagram.octets);
        loop {
            let rest = bundle.rest();
            let at = datagram.octets.len() - rest.len();
            match bundle.next() {
                None => {
                    if !rest.is_empty() {
                        refused += 1;
                        say(format_args!(
                            "{label}more than {} messages in one datagram: from octet {at} on \
                             nothing is read",
                            pfcp::BUNDLE_MAX
                        ));
                    }
                    break;
                }
                Some(Ok(decoded)) => {
                    read += 1;
                    if let Err(breach) = decoded.message.check() {
                        let name = decoded.message.name();
                        say(format_args!("{label}{name}, against the rules: {breach}"));
                    }
                    if json {
                        let (own, _) = pfcp::split_first(rest);
                        writeln!(out, "{}", serde_json::to_string(&line(decoded, own))?)?;
                    } else {
                        write!(out, "{label}{decoded}")?;
                    }
                }
                Some(Err(error)) => {
                    refused += 1;
                    say(format_args!("{label}{error}{}", place(at, rest, &error)));
                }
            }
        }
    }
    for fault in &input.faults {
        say(fault);
    }
    if let Some(tally) = &input.tally {
        say(tally);
    }
    if refused > 0 {
        say(format_args!(
            "{read} messages were read; {refused} could not be"
        ));
    }
    Ok(match (read, refused) {
        (_, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::FAILURE,
        _ => ExitCode::from(IN_PART),
    })
}

/// A message as JSON has it.
fn line(decoded: Decoded, octets: &[u8]) -> Line {
    let Decoded { header, message } = decoded;
    let mut ours = Vec::new();
    let written = pfcp::encode(&header, &message, &mut ours);
    let as_it_came = (written.is_err() || ours != octets).then(|| hex(octets));
    Line {
        header,
        message,
        as_it_came,
    }
}

fn hex(octets: &[u8]) -> String {
    pfcp::Octets::from(octets).hex().to_string()
}

/// Where an error is, in words; `at` is where its message starts in its datagram, `octets` are
/// those from there on.
fn place(at: usize, octets: &[u8], error: &pfcp::DecodeError) -> String {
    let message = if at == 0 {
        String::new()
    } else {
        format!(" of the message that starts at octet {at} of the datagram")
    };
    let Some(place) = pfcp::locate(octets, error) else {
        return message;
    };
    let pfcp::Place {
        at,
        octets,
        expected,
    } = place;
    let expected = match expected {
        Some(expected) if expected > octets => {
            format!(": {octets} octets, expected at least {expected}")
        }
        Some(expected) => format!(": {octets} octets, expected {expected}"),
        None => String::new(),
    };
    format!(" (at octet {at}{message}{expected})")
}

fn encode(input: &str) -> Result<()> {
    let content = input::content(input)?;
    let stream = serde_json::Deserializer::from_slice(&content).into_iter::<Line>();
    let mut out = io::stdout().lock();
    let mut any = false;
    for (number, line) in (1..).zip(stream) {
        let line = line.with_context(|| {
            format!("message {number} is none as `upf pfcp decode --json` prints it")
        })?;
        let octets = written(&line).with_context(|| format!("message {number}"))?;
        writeln!(out, "{}", hex(&octets))?;
        any = true;
    }
    ensure!(any, "no message to encode");
    Ok(())
}

/// The octets of a message: as it came, if it still says the same.
fn written(line: &Line) -> Result<Vec<u8>> {
    if let Some(came) = &line.as_it_came {
        let octets = input::octets(came).context("as_it_came")?;
        let says = pfcp::messages(&octets).next();
        if says.is_some_and(|says| {
            says.is_ok_and(|says| says.header == line.header && says.message == line.message)
        }) {
            return Ok(octets);
        }
    }
    let mut octets = Vec::new();
    pfcp::encode(&line.header, &line.message, &mut octets)?;
    Ok(octets)
}
