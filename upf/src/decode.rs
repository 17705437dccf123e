//! `upf pfcp decode` and `upf pfcp encode`: messages as a tree or as JSON, and back.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use pfcp::Decoded;
use simulator::capture;
use simulator::net::{Ip, PROTOCOL_UDP, Udp};

/// UDP port of PFCP.
const PFCP_PORT: u16 = 8805;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print messages as a tree.
    Decode {
        /// Hexadecimal octets of a datagram; a file, or `-` for standard input: a pcap or pcapng
        /// capture, or one datagram a line in hexadecimal, as `encode` prints them.
        input: String,
        /// Print JSON, one message a line, as `encode` reads it.
        #[arg(long)]
        json: bool,
    },
    /// Print the octets of messages given as JSON, in hexadecimal.
    Encode {
        /// A file with one JSON message a line, or `-` for standard input.
        #[arg(default_value = "-")]
        input: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Decode { input, json } => decode(input, *json),
        Command::Encode { input } => encode(input),
    }
}

fn decode(input: &str, json: bool) -> Result<()> {
    let mut refused = 0_u32;
    for (label, datagram) in datagrams(input)? {
        for message in pfcp::messages(&datagram) {
            match message {
                Ok(message) if json => println!("{}", serde_json::to_string(&message)?),
                Ok(message) => print!("{label}{message}"),
                Err(error) => {
                    refused += 1;
                    eprintln!("{label}{error}");
                }
            }
        }
    }
    ensure!(refused == 0, "{refused} messages could not be read");
    Ok(())
}

/// What to decode, each with a word on where it came from.
fn datagrams(input: &str) -> Result<Vec<(String, Vec<u8>)>> {
    if input != "-" && !Path::new(input).is_file() {
        let octets = octets(input)
            .with_context(|| format!("{input:?} is neither a file nor hexadecimal octets"))?;
        return Ok(vec![(String::new(), octets)]);
    }
    let content = content(input)?;
    match capture::read(&content) {
        Ok(packets) => of_packets(&packets)
            .with_context(|| format!("{input} holds no UDP to or from port {PFCP_PORT}")),
        // No capture: hexadecimal digits would look like no magic number of one.
        Err(capture::CaptureError::Magic(_)) => of_lines(&content)
            .with_context(|| format!("{input} is neither a capture nor hexadecimal octets")),
        Err(error) => Err(error).with_context(|| format!("{input} cannot be read")),
    }
}

/// The PFCP datagrams among packets.
fn of_packets(packets: &[capture::Packet]) -> Option<Vec<(String, Vec<u8>)>> {
    let found: Vec<_> = (1..)
        .zip(packets)
        .filter_map(|(number, packet)| {
            let ip = Ip::parse(packet.ip()?).filter(|ip| ip.protocol == PROTOCOL_UDP)?;
            let udp = Udp::parse(ip.payload)?;
            let is_pfcp = udp.source == PFCP_PORT || udp.destination == PFCP_PORT;
            let label = format!("{number}: {} > {}: ", ip.source, ip.destination);
            is_pfcp.then(|| (label, udp.payload.to_vec()))
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

/// A datagram from each line of hexadecimal digits.
fn of_lines(content: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let lines = std::str::from_utf8(content)?.lines();
    let found = lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| Ok((String::new(), octets(line)?)))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!found.is_empty(), "no octets");
    Ok(found)
}

/// Hexadecimal octets; blanks, colons and a leading `0x` are left aside.
fn octets(text: &str) -> Result<Vec<u8>> {
    let text = text.trim().trim_start_matches("0x");
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .map(|c| {
            c.to_digit(16)
                .with_context(|| format!("{c:?} is no hexadecimal digit"))
        })
        .collect::<Result<_>>()?;
    let (pairs, odd) = digits.as_chunks::<2>();
    ensure!(odd.is_empty(), "an odd number of hexadecimal digits");
    ensure!(!pairs.is_empty(), "no octets");
    Ok(pairs
        .iter()
        .filter_map(|[high, low]| u8::try_from(high << 4 | low).ok())
        .collect())
}

fn encode(input: &str) -> Result<()> {
    let content = content(input)?;
    let stream = serde_json::Deserializer::from_slice(&content).into_iter::<Decoded>();
    let mut any = false;
    for message in stream {
        let message =
            message.context("not a PFCP message as `upf pfcp decode --json` prints it")?;
        let mut octets = Vec::new();
        pfcp::encode(&message.header, &message.message, &mut octets)?;
        for octet in octets {
            print!("{octet:02x}");
        }
        println!();
        any = true;
    }
    if !any {
        bail!("no message to encode");
    }
    Ok(())
}

fn content(input: &str) -> Result<Vec<u8>> {
    if input == "-" {
        let mut content = Vec::new();
        std::io::stdin()
            .read_to_end(&mut content)
            .context("cannot read standard input")?;
        return Ok(content);
    }
    std::fs::read(input).with_context(|| format!("cannot read {input}"))
}
