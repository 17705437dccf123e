//! Files that hold together: defaults, overrides, origins, warnings, and the example.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;

use config::schema::{Format, Hugepages, Level, Role};
use config::{
    Config, EXAMPLE, Host, Lcores, Loaded, NodeId, Origin, Overrides, Warning, reference,
};

const SMALL: &str = "\
pfcp:
  address: 10.10.4.7
ports:
  - name: ran
    device: af_packet:eth1
interfaces:
  - name: n3
    role: n3
    port: ran
    addresses: [10.10.3.7/24]
";

fn load_with(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Loaded {
    let environment: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let overrides = Overrides {
        environment: &environment,
        flags: &flags,
    };
    config::load(text, &overrides).unwrap_or_else(|mistakes| {
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        panic!("{}", told.join("\n"))
    })
}

fn load(text: &str) -> Loaded {
    load_with(text, &[], &[])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn origin_of(loaded: &Loaded, key: &str) -> Origin {
    loaded
        .origins
        .iter()
        .find(|setting| setting.key == key)
        .unwrap()
        .origin
        .clone()
}

#[test]
fn a_small_file_has_all_defaults() {
    let config = load(SMALL).config;
    assert_eq!(config.node_id(), NodeId::from(ip("10.10.4.7")));
    assert_eq!(config.pfcp.advertised(), ip("10.10.4.7"));
    assert_eq!(config.pfcp.port, 8805);
    assert_eq!(
        (
            config.pfcp.retransmission.t1_ms,
            config.pfcp.retransmission.n1
        ),
        (3000, 3)
    );
    assert_eq!(config.pfcp.heartbeat.interval_s, 10);
    assert_eq!(config.pfcp.response_hold_s, 15);
    assert!(config.pfcp.allows(ip("192.0.2.1")));
    let port = &config.ports[0];
    assert_eq!(
        (port.mtu.get(), port.rx_queues, port.promiscuous),
        (1500, 1, false)
    );
    let interface = &config.interfaces[0];
    assert_eq!((interface.role, interface.vlan), (Role::N3, None));
    assert_eq!(interface.addresses[0].address(), ip("10.10.3.7"));
    assert!(interface.routes.is_empty() && interface.kernel.is_none());
    assert!(config.networks.is_empty());
    assert_eq!(config.gtpu.port, 2152);
    assert_eq!(config.gtpu.error_indication_rate_pps, 100);
    assert_eq!(config.workers.lcores, Lcores::Auto);
    assert_eq!(
        (config.memory.hugepages, config.memory.buffers),
        (Hugepages::Auto, config::Buffers::Auto)
    );
    assert_eq!((config.limits.sessions, config.limits.peers), (65536, 64));
    assert_eq!(config.buffering.packets_per_session, 64);
    assert_eq!(
        (config.log.level, config.log.format),
        (Level::Info, Format::Text)
    );
}

#[test]
fn values_keep_the_text_of_the_file() {
    let text = SMALL
        .replace("name: n3", "name: 1.10")
        .replace("name: ran", "name: 0x1");
    let text = text.replace("port: ran", "port: \"0x1\"");
    let config = load(&text).config;
    assert_eq!(config.interfaces[0].name.as_str(), "1.10");
    assert_eq!(config.ports[0].name.as_str(), "0x1");
}

#[test]
fn an_empty_value_is_the_default() {
    let text = SMALL.replace("pfcp:\n", "log:\npfcp:\n  port:\n  allow: ~\n");
    let config = load(&text).config;
    assert_eq!(config.pfcp.port, 8805);
    assert_eq!(config.log.level, Level::Info);
}

#[test]
fn anchors_and_merges_work() {
    let text = format!(
        "{SMALL}  - &n9 {{ name: n9, role: n9, port: ran, vlan: 9, addresses: [10.10.9.7/24] }}
  - {{ <<: *n9, name: n9b, vlan: 10, addresses: [10.10.10.7/24] }}
"
    );
    let config = load(&text).config;
    assert_eq!(config.interfaces[2].name.as_str(), "n9b");
    assert_eq!(config.interfaces[2].role, Role::N9);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let environment = [
        ("UPF_PFCP__PORT", "8806"),
        ("UPF_PFCP_RETRANSMISSION_N1", "5"),
        ("UPF_PORTS__0__DEVICE", "tap:upf0"),
        ("UPF_PORTS__0__MTU", "9000"),
        ("HOME", "/root"),
    ];
    let flags = [
        "ports.0.device=ring:r",
        "networks.0={name: internet, interface: n6, ue_pools: [10.45.0.0/16]}",
        "interfaces.1.name=n6",
        "interfaces.1.role=n6",
        "interfaces.1.port=ran",
        "log.level=debug",
        "pfcp.smf=[10.0.0.1, 'smf.example:8806', \"[2001:db8::1]:8807\", \"2001:db8::2\"]",
    ];
    let loaded = load_with(SMALL, &environment, &flags);
    let config = &loaded.config;
    assert_eq!(config.pfcp.port, 8806);
    assert_eq!(config.pfcp.retransmission.n1, 5);
    assert_eq!(config.ports[0].device.to_string(), "ring:r");
    assert_eq!(config.ports[0].mtu.get(), 9000);
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.network("Internet").unwrap().interface.as_str(), "n6");
    let smf: Vec<String> = config.pfcp.smf.iter().map(ToString::to_string).collect();
    assert_eq!(
        smf,
        [
            "10.0.0.1:8805",
            "smf.example:8806",
            "[2001:db8::1]:8807",
            "[2001:db8::2]:8805"
        ]
    );
    assert!(matches!(config.pfcp.smf[1].host, Host::Name(_)));
    assert_eq!(
        origin_of(&loaded, "pfcp.port"),
        Origin::Environment {
            variable: "UPF_PFCP__PORT".to_owned()
        }
    );
    assert_eq!(
        origin_of(&loaded, "ports.0.device"),
        Origin::Flag {
            text: "ports.0.device=ring:r".to_owned()
        }
    );
    assert_eq!(
        origin_of(&loaded, "pfcp.address"),
        Origin::File {
            line: 2,
            column: 12
        }
    );
    assert_eq!(origin_of(&loaded, "workers.lcores"), Origin::Default);
}

#[test]
fn a_file_may_be_empty_when_all_comes_from_outside() {
    let flags = [
        "pfcp.address=::1",
        "ports=[{name: p, device: \"null:\"}]",
        "interfaces=[{name: n3, role: n3, port: p, addresses: [10.0.0.1/32]}]",
    ];
    for text in ["", "# nothing\n", "---\n"] {
        let loaded = load_with(text, &[], &flags);
        assert_eq!(loaded.config.pfcp.address, ip("::1"));
        assert_eq!(loaded.config.ports[0].device, config::Device::Null);
    }
}

#[test]
fn the_device_plugin_names_the_device() {
    let text = SMALL.replace("af_packet:eth1", "env:PCIDEVICE_INTEL_COM_SRIOV_N3");
    let loaded = load_with(
        &text,
        &[("PCIDEVICE_INTEL_COM_SRIOV_N3", "0000:3b:02.3")],
        &[],
    );
    assert_eq!(
        loaded.config.ports[0].device.to_string(),
        "pci:0000:3b:02.3"
    );
}

#[test]
fn every_value_in_effect_has_an_origin() {
    // The example names no certificate, so that it runs as it stands.
    let flags = ["api.tls.certificate=/c", "api.tls.key=/k"].map(str::to_owned);
    let overrides = Overrides {
        flags: &flags,
        ..Overrides::default()
    };
    let loaded = config::load(EXAMPLE, &overrides).unwrap();
    let leaves: BTreeSet<String> = {
        let keys = reference::keys();
        let leaf = |key: &&reference::Key| !key.is_section(&keys);
        keys.iter()
            .filter(leaf)
            .map(|key| key.path.clone())
            .collect()
    };
    let number = |part: &str| part.parse::<usize>().is_ok();
    let general = |key: &str| -> String {
        let parts: Vec<&str> = key
            .split('.')
            .map(|part| if number(part) { "N" } else { part })
            .collect();
        parts.join(".")
    };
    let told: BTreeSet<String> = loaded
        .origins
        .iter()
        .map(|setting| general(&setting.key))
        .collect();
    let missing: Vec<_> = leaves.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_example_shows_every_key() {
    let loaded = load(EXAMPLE);
    let config: &Config = &loaded.config;
    assert_eq!(config.networks[0].mtu.unwrap().get(), 1400);
    assert_eq!(loaded.warnings, []);
    for key in reference::keys() {
        let word = key.path.rsplit('.').next().unwrap();
        let shown = EXAMPLE.lines().any(|line| {
            let line = line
                .trim_start()
                .trim_start_matches("- ")
                .trim_start_matches("{ ");
            line.starts_with(&format!("{word}:")) || line.contains(&format!(" {word}: "))
        });
        assert!(shown, "{} is not in upf.example.yaml", key.path);
    }
}

/// What the example says is a default is the default.
#[test]
fn the_example_names_the_true_defaults() {
    let (example, small) = (load(EXAMPLE).config, load(SMALL).config);
    assert_eq!(example.limits, small.limits);
    assert_eq!(example.buffering, small.buffering);
    assert_eq!(example.memory, small.memory);
    assert_eq!(example.workers, small.workers);
    assert_eq!(example.gtpu, small.gtpu);
    assert_eq!(example.log, small.log);
}

#[test]
fn there_are_enough_buffers_for_any_number_of_workers() {
    let config = load(SMALL).config;
    assert_eq!(config.buffers(1), 16_384);
    // A receive queue of 1024 descriptors, and of each worker a transmit queue and a burst; held packets.
    let wanted = 1024 + 8 * (1024 + 64) + 8192;
    let buffers = usize::try_from(config.buffers(8)).unwrap();
    assert!(
        (wanted + wanted / 4..wanted + wanted / 2).contains(&buffers),
        "{buffers}"
    );
    let config = load_with(SMALL, &[], &["memory.buffers=20000"]).config;
    assert_eq!(config.buffers(8), 20_000);
}

#[test]
fn the_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let current = reference::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == current,
        "run `UPDATE_DOCS=1 cargo test -p config`"
    );
}

#[test]
fn every_key_is_documented() {
    let keys = reference::keys();
    assert!(keys.len() > 60, "{}", keys.len());
    let paths: BTreeSet<_> = keys.iter().map(|key| &key.path).collect();
    assert_eq!(paths.len(), keys.len());
    for key in &keys {
        assert!(key.help.ends_with('.'), "{}: {}", key.path, key.help);
    }
}

#[test]
fn warnings_tell_what_is_seldom_meant() {
    let text = SMALL.replace("ports:", "  port: 8806\ngtpu: { port: 2153 }\nports:").replace(
        "interfaces:",
        "  - { name: spare, device: \"null:\" }\ninterfaces:\n  - { name: n6, role: n6, port: ran }",
    );
    let text = text.replace("address: 10.10.4.7", "address: 10.10.3.7");
    let environment = [
        ("UPF_PFPC_ADDRESS", "10.0.0.1"),
        ("UPF_SERVICE_HOST", "10.96.0.1"),
        ("UPF_PORT", "udp://10.96.0.1:8805"),
        ("UPF_PORT_8805_UDP_ADDR", "10.96.0.1"),
    ];
    let warnings = load_with(&text, &environment, &[]).warnings;
    assert_eq!(
        warnings,
        [
            Warning::UnknownVariable {
                variable: "UPF_PFPC_ADDRESS".to_owned(),
                similar: Some("UPF_PFCP__ADDRESS".to_owned())
            },
            Warning::SharedWithKernel {
                key: "interfaces.1.addresses.0".to_owned(),
                address: ip("10.10.3.7")
            },
            Warning::EverybodyMayAssociate,
            Warning::UnusualPort {
                key: "gtpu.port",
                port: 2153,
                standard: 2152
            },
            Warning::UnusualPort {
                key: "pfcp.port",
                port: 8806,
                standard: 8805
            },
            Warning::NoNetwork,
            Warning::UnusedPort {
                port: "spare".to_owned()
            },
            Warning::UnusedInterface {
                interface: "n6".to_owned()
            },
        ]
    );
    assert!(
        warnings
            .iter()
            .all(|warning| !warning.to_string().is_empty())
    );
}

#[test]
fn an_smf_that_may_not_associate_is_seldom_meant() {
    let pfcp = "  smf: [10.10.4.2, 10.10.5.2, smf.example]\n  allow: [10.10.4.0/24]\nports:";
    let loaded = load(&SMALL.replace("ports:", pfcp));
    let smf = ip("10.10.5.2");
    assert_eq!(
        loaded.warnings,
        [Warning::SmfNotAllowed { smf }, Warning::NoNetwork]
    );
    assert!(loaded.config.pfcp.allows(ip("10.10.4.2")) && !loaded.config.pfcp.allows(smf));
}

#[test]
fn names_select_networks() {
    let networks = "networks: [{name: internet, interface: n6}, {name: \"*\", interface: n6}]\n";
    let text = format!("{SMALL}  - {{ name: n6, role: n6, port: ran }}\n{networks}");
    let config = load(&text).config;
    assert_eq!(
        config.network("INTERNET").unwrap().name.as_str(),
        "internet"
    );
    assert!(config.network("ims").unwrap().name.is_any());
}

/// The part of the JSON Schema that is about a key of the reference.
fn in_schema<'a>(schema: &'a serde_json::Value, key: &str) -> &'a serde_json::Value {
    key.split('.').fold(schema, |schema, part| match part {
        "N" => &schema["items"],
        part => &schema["properties"][part],
    })
}

#[test]
fn the_json_schema_has_every_key_and_no_other() {
    let schema = config::json_schema();
    for key in reference::keys() {
        let shape = in_schema(&schema, &key.path);
        assert_eq!(shape["description"], key.help.as_str(), "{}", key.path);
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        let section = if section.is_empty() {
            &schema
        } else {
            in_schema(&schema, section)
        };
        assert_eq!(section["additionalProperties"], false, "{section}");
        let required = section["required"].as_array();
        let required = required.is_some_and(|names| names.iter().any(|one| one == name));
        assert_eq!(required, key.default.is_none(), "{}", key.path);
    }
    let port = in_schema(&schema, "pfcp.port");
    assert_eq!(
        (&port["minimum"], &port["maximum"]),
        (&1.into(), &65535.into())
    );
    assert_eq!(port["default"], 8805);
    assert_eq!(port["type"], serde_json::json!(["integer", "null"]));
    let role = in_schema(&schema, "interfaces.N.role");
    assert_eq!(role["enum"], serde_json::json!(["n3", "n9", "n6"]));
    let device = in_schema(&schema, "ports.N.device")["pattern"]
        .as_str()
        .unwrap();
    assert!(device.contains("pci|env|af_xdp"), "{device}");
}
