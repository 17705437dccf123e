//! Wireshark's opinion of what the UPF sends.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

/// The severity of Wireshark's expert information from which on it counts: errors.
const ERROR: i64 = 0x0080_0000;

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Into the packets of tunnels, too.
    All,
    /// Not into the packets of tunnels: they are whoever's.
    Tunnels,
}

/// What tshark found wrong in a capture: message, and how often.
///
/// # Errors
/// When tshark cannot read the file.
pub fn complaints(file: &Path, depth: Depth) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut command = Command::new("tshark");
    if depth == Depth::Tunnels {
        command.args(["-o", "gtp.dissect_tpdu_as:none"]);
    }
    command
        .arg("-r")
        .arg(file)
        .args(["-T", "json", "-Y", "_ws.expert || _ws.malformed"]);
    let output = crate::namespace::run(&mut command)?;
    let packets: Value = serde_json::from_str(&output).context("what tshark printed")?;
    let mut found = BTreeMap::new();
    for packet in packets.as_array().into_iter().flatten() {
        search(packet, &mut found);
    }
    Ok(found)
}

/// Looks for `_ws.expert` and `_ws.malformed`, however deep.
fn search(value: &Value, found: &mut BTreeMap<String, usize>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name.starts_with("_ws.malformed") {
                    *found.entry(format!("malformed: {field}")).or_default() += 1;
                } else if name.starts_with("_ws.expert") {
                    expert(field, found);
                } else {
                    search(field, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| search(item, found)),
        _ => {}
    }
}

fn expert(value: &Value, found: &mut BTreeMap<String, usize>) {
    for item in value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice)
    {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let severity = text("_ws.expert.severity").parse().unwrap_or(ERROR);
        if severity >= ERROR {
            *found
                .entry(text("_ws.expert.message").to_owned())
                .or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use simulator::capture::{Way, Writer};
    use simulator::{gtp, net};
    use std::time::Duration;

    #[test]
    fn a_malformed_message_is_complained_about_and_a_sound_one_is_not() {
        if !crate::skip::has_tshark() {
            return;
        }
        let folder = crate::folder::Folder::new("tshark").unwrap();
        let addresses = ("10.10.3.7".parse().unwrap(), "10.10.3.101".parse().unwrap());
        let sound = gtp::error_indication(7, addresses.0);
        let mut cut = sound.clone();
        cut.truncate(20);
        for (name, message, is_sound) in [("sound", sound, true), ("cut", cut, false)] {
            let file = folder.path().join(name);
            let packet = net::udp((addresses.0, 2152), (addresses.1, 2152), &message);
            let frame = net::ethernet_ip([2; 6], [4; 6], None, &packet);
            let mut writer = Writer::new(std::fs::File::create(&file).unwrap(), &["n3"]).unwrap();
            writer
                .frame(0, Duration::from_secs(1), Way::Out, &frame, name)
                .unwrap();
            writer.finish().unwrap();
            for depth in [Depth::All, Depth::Tunnels] {
                let complaints = complaints(&file, depth).unwrap();
                assert_eq!(complaints.is_empty(), is_sound, "{name}: {complaints:?}");
            }
        }
    }
}
