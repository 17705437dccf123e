//! What of another configuration can be put in force while the UPF runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use config::{Adopted, Change, EXAMPLE, Loaded, Overrides, reference};

fn load(text: &str) -> Loaded {
    config::load(text, &Overrides::default()).unwrap()
}

/// What becomes of `text` when each of those pieces is replaced.
fn adopt(text: &str, replaced: &[(&str, &str)]) -> (Loaded, Loaded, Adopted) {
    let mut other = text.to_owned();
    for (from, to) in replaced {
        assert!(other.contains(from), "{from}");
        other = other.replacen(from, to, 1);
    }
    let (old, new) = (load(text), load(&other));
    let adopted = old.adopt(&new);
    (old, new, adopted)
}

fn told(change: &Change) -> (&str, Option<&str>, Option<&str>, bool) {
    let (from, to) = (change.from.as_deref(), change.to.as_deref());
    (change.key.as_str(), from, to, change.is_live)
}

const TEXT: &str = "
pfcp: { address: 10.10.4.7, allow: [10.10.4.0/24], heartbeat: { interval_s: 7 } }
ports: [{ name: ran, device: \"null:\" }, { name: core, device: \"null:\" }]
interfaces:
  - { name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }
  - { name: n6, role: n6, port: core, addresses: [10.10.6.7/24] }
networks:
  - { name: internet, interface: n6, ue_pools: [10.45.0.0/16] }
  - { name: ims, interface: n6, ue_pools: [10.46.0.0/16], ue_outside_pools: false }
";

#[test]
fn the_same_changes_nothing() {
    for text in [TEXT, EXAMPLE] {
        let (old, _, adopted) = adopt(text, &[]);
        assert_eq!(adopted.changes, []);
        assert_eq!(adopted.loaded.config, old.config);
        assert_eq!(adopted.loaded.origins, old.origins);
    }
}

#[test]
fn live_keys_change_and_say_from_what_to_what() {
    let replaced = [
        ("interval_s: 7", "interval_s: 3"),
        ("allow: [10.10.4.0/24]", "allow: []"),
        ("ue_outside_pools: false", "ue_outside_pools: true"),
    ];
    let (_, new, adopted) = adopt(TEXT, &replaced);
    let changes: Vec<_> = adopted.changes.iter().map(told).collect();
    assert_eq!(
        changes,
        [
            ("pfcp.allow", Some("[10.10.4.0/24]"), Some("[]"), true),
            ("pfcp.heartbeat.interval_s", Some("7"), Some("3"), true),
            (
                "networks.1.ue_outside_pools",
                Some("false"),
                Some("true"),
                true
            ),
        ]
    );
    assert_eq!(adopted.loaded.config, new.config);
    assert_eq!(adopted.loaded.origins, new.origins);
}

#[test]
fn what_needs_a_restart_stays_as_it_is_and_the_rest_changes() {
    let replaced = [
        ("interval_s: 7", "interval_s: 3"),
        ("10.10.4.7,", "10.10.4.8,"),
    ];
    let (old, new, adopted) = adopt(TEXT, &replaced);
    let waits: Vec<_> = adopted.for_a_restart().map(told).collect();
    let address = ("pfcp.address", Some("10.10.4.7"), Some("10.10.4.8"), false);
    assert_eq!(waits, [address]);
    let config = &adopted.loaded.config;
    assert_eq!(config.pfcp.address, old.config.pfcp.address);
    assert_eq!(config.pfcp.heartbeat, new.config.pfcp.heartbeat);
    // What is in force is what the next one is compared with.
    let again = adopted.loaded.adopt(&new);
    assert_eq!(
        again.changes.iter().map(told).collect::<Vec<_>>(),
        [address]
    );
    assert_eq!(adopted.loaded.adopt(&old).changes.len(), 1);
}

#[test]
fn an_element_that_becomes_another_waits_as_a_whole() {
    // The networks change places: what is live of one is not given to the other.
    let (first, second) = (
        "name: internet, interface: n6, ue_pools: [10.45.0.0/16]",
        "name: ims, interface: n6, ue_pools: [10.46.0.0/16], ue_outside_pools: false",
    );
    let (old, _, adopted) = adopt(TEXT, &[(first, "?"), (second, first), ("?", second)]);
    assert_eq!(adopted.changes.len(), 6);
    assert!(adopted.changes.iter().all(|change| !change.is_live));
    assert_eq!(adopted.loaded.config, old.config);
    // One that comes or goes waits, too.
    for to in [
        "",
        "  - { name: lan, interface: n6, ue_outside_pools: false }\n",
    ] {
        let line = format!("  - {{ {second} }}\n");
        let other = if to.is_empty() {
            String::new()
        } else {
            line.clone() + to
        };
        let (old, new, adopted) = adopt(TEXT, &[(&line, &other)]);
        assert!(adopted.changes.len() > 4, "{:?}", adopted.changes);
        assert!(adopted.changes.iter().all(|change| !change.is_live));
        assert_eq!(adopted.loaded.config, old.config);
        assert_ne!(adopted.loaded.config, new.config);
        let mut settings = adopted.loaded.origins.clone();
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        let mut before = old.origins.clone();
        before.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(settings, before);
    }
}

#[test]
fn a_section_may_come_where_it_is_live() {
    let replaced = [("pfcp:", "api: { tls: { certificate: /a, key: /b } }\npfcp:")];
    let (_, new, adopted) = adopt(TEXT, &replaced);
    assert!(!adopted.changes.is_empty());
    assert!(adopted.changes.iter().all(|change| change.is_live));
    assert_eq!(adopted.loaded.config, new.config);
    assert_eq!(adopted.loaded.origins.len(), new.origins.len());
}

#[test]
fn the_reference_says_of_each_key_whether_it_is_live() {
    let keys = reference::keys();
    let is_live = |path: &str| keys.iter().find(|key| key.path == path).unwrap().is_live;
    for path in ["pfcp.allow", "log.level", "api.tls.key", "gtpu.echo.n3"] {
        assert!(is_live(path), "{path}");
    }
    for path in [
        "pfcp.address",
        "ports.N.device",
        "limits.sessions",
        "api.socket",
    ] {
        assert!(!is_live(path), "{path}");
    }
}
