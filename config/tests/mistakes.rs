//! Every kind of mistake is found, with its place, its key and what to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use config::{EXAMPLE, Mistake, Origin, Overrides, Problem};
use proptest::prelude::*;

/// Lines are counted in the cases below.
const GOOD: &str = "\
pfcp:
  address: 10.10.4.7
ports:
  - name: ran
    device: af_packet:eth1
  - name: core
    device: tap:upf0
interfaces:
  - name: n3
    role: n3
    port: ran
    addresses: [10.10.3.7/24]
    routes: [{ to: 0.0.0.0/0, via: 10.10.3.1 }]
  - name: n6
    role: n6
    port: core
    addresses: [10.10.6.7/24]
networks:
  - name: internet
    interface: n6
    ue_pools: [10.45.0.0/16, 2001:db8:cafe::/48]
  - name: ims
    interface: n6
    ue_pools: [10.46.0.0/16]
log:
  level: info
";

fn mistakes(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Vec<Mistake> {
    let environment: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let overrides = Overrides {
        environment: &environment,
        flags: &flags,
    };
    config::load(text, &overrides).err().unwrap_or_default()
}

/// Replaces `from` with `to` in the good file and expects exactly one mistake.
#[track_caller]
fn one(from: &str, to: &str, line: u64, key: &str, says: &str) {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    let found = mistakes(&text, &[], &[]);
    assert_eq!(found.len(), 1, "{to}: {found:#?}");
    let mistake = &found[0];
    let message = mistake.to_string();
    assert_eq!(mistake.key, key, "{message}");
    assert_eq!(
        mistake.line_and_column().map(|(line, _)| line),
        Some(line),
        "{message}"
    );
    assert!(message.contains(says), "{message}");
}

#[test]
fn the_file_is_good_before_it_is_spoilt() {
    assert_eq!(mistakes(GOOD, &[], &[]), []);
}

// ===== shapes =====

#[test]
fn text_that_is_not_yaml() {
    one("[10.10.3.7/24]", "[10.10.3.7/24", 13, "", "not valid YAML");
    let found = mistakes("pfcp:\n\taddress: 1.2.3.4\n", &[], &[]);
    assert!(matches!(found[0].problem, Problem::Syntax { .. }));
    assert_eq!(found[0].line_and_column().unwrap().0, 2);
    let found = mistakes("a: 1\n---\nb: 2\n", &[], &[]);
    assert!(matches!(found[0].problem, Problem::Syntax { .. }));
}

#[test]
fn an_unknown_key() {
    one(
        "level: info",
        "levle: info",
        26,
        "log.levle",
        "did you mean \"level\"?",
    );
    one("log:", "logs:", 25, "logs", "did you mean \"log\"?");
    one(
        "port: core",
        "port: core\n    colour: red",
        17,
        "interfaces.1.colour",
        "no such key",
    );
}

#[test]
fn a_repeated_key() {
    let says = "given twice, first at line 26, column 3";
    one(
        "level: info",
        "level: info\n  level: warn",
        27,
        "log.level",
        says,
    );
}

#[test]
fn a_missing_key() {
    let says = "missing, expected an IPv4 or IPv6 address; add it";
    one(
        "  address: 10.10.4.7",
        "  port: 8805",
        2,
        "pfcp.address",
        says,
    );
    one(
        "    device: af_packet:eth1\n",
        "",
        4,
        "ports.0.device",
        "missing, expected a device",
    );
    one(
        "address: 10.10.4.7",
        "address: ~",
        2,
        "pfcp.address",
        "missing",
    );
    let found = mistakes("", &[], &[]);
    let keys: Vec<&str> = found.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["pfcp", "ports", "interfaces"]);
}

#[test]
fn a_value_of_the_wrong_shape() {
    let says = "found a list, expected an IPv4 or IPv6 address";
    one(
        "address: 10.10.4.7",
        "address: [10.10.4.7]",
        2,
        "pfcp.address",
        says,
    );
    let says = "found a single value, expected a list in brackets";
    one(
        "[10.10.6.7/24]",
        "10.10.6.7/24",
        17,
        "interfaces.1.addresses",
        says,
    );
    one(
        "log:\n  level: info",
        "log: info",
        25,
        "log",
        "expected a section of keys",
    );
    let says = "found a section of keys";
    one("level: info", "level: { a: b }", 26, "log.level", says);
}

// ===== values =====

#[test]
fn a_word_that_is_none_of_the_choices() {
    let says = "found \"n33\", expected one of n3, n9, n6; did you mean \"n3\"?";
    one("role: n3", "role: n33", 10, "interfaces.0.role", says);
    one(
        "level: info",
        "level: loud",
        26,
        "log.level",
        "expected one of error, warn, info",
    );
}

#[test]
fn a_truth_value_in_other_words() {
    let says = "did you mean \"true\"?";
    one(
        "name: ran",
        "name: ran\n    promiscuous: yes",
        5,
        "ports.0.promiscuous",
        says,
    );
}

#[test]
fn a_number_out_of_range() {
    let key = "pfcp.port";
    let says = "found 65536, expected a number from 1 to 65535";
    one(
        "address: 10.10.4.7",
        "address: 10.10.4.7\n  port: 65536",
        3,
        key,
        says,
    );
    one(
        "address: 10.10.4.7",
        "address: 10.10.4.7\n  port: -1",
        3,
        key,
        "expected a number",
    );
    one(
        "address: 10.10.4.7",
        "address: 10.10.4.7\n  port: 0x10",
        3,
        key,
        "expected a number",
    );
    let says = "expected a number from 576 to 9600";
    one(
        "name: ran",
        "name: ran\n    mtu: 100",
        5,
        "ports.0.mtu",
        says,
    );
    let key = "interfaces.0.vlan";
    one(
        "role: n3",
        "role: n3\n    vlan: 4095",
        11,
        key,
        "expected a number from 1 to 4094",
    );
}

#[test]
fn an_address_that_is_none() {
    let says = "found \"10.10.4\", expected an IPv4 or IPv6 address";
    one("10.10.4.7", "10.10.4", 2, "pfcp.address", says);
    one("10.10.4.7", "0.0.0.0", 2, "pfcp.address", "wildcard");
    one("10.10.4.7", "224.0.0.1", 2, "pfcp.address", "multicast");
    let key = "interfaces.0.addresses.0";
    one(
        "10.10.3.7/24",
        "10.10.3.7",
        12,
        key,
        "expected an address with its prefix length",
    );
    one(
        "10.10.3.7/24",
        "10.10.3.0/24",
        12,
        key,
        "is the network address",
    );
    one(
        "10.10.3.7/24",
        "10.10.3.255/24",
        12,
        key,
        "is the broadcast address",
    );
}

#[test]
fn a_network_with_bits_after_its_prefix() {
    let says = "expected the network 10.45.0.0/16";
    one(
        "10.45.0.0/16",
        "10.45.0.1/16",
        21,
        "networks.0.ue_pools.0",
        says,
    );
    one(
        "10.45.0.0/16",
        "10.45.0.0/33",
        21,
        "networks.0.ue_pools.0",
        "expected a network",
    );
}

#[test]
fn a_peer_or_node_that_is_none() {
    for peer in [
        "smf:port",
        "smf:0",
        "-smf",
        "10.0.0.256",
        "'[10.0.0.1]:1'",
        "'[::1'",
        "a..b",
    ] {
        let to = format!("address: 10.10.4.7\n  smf: [{peer}]");
        one(
            "address: 10.10.4.7",
            &to,
            3,
            "pfcp.smf.0",
            "expected an address or domain name",
        );
    }
    one(
        "log:",
        "node:\n  id: upf_1\nlog:",
        26,
        "node.id",
        "or a domain name",
    );
}

#[test]
fn a_name_that_is_none() {
    one(
        "name: ran",
        "name: the ran",
        4,
        "ports.0.name",
        "letters, digits",
    );
    one(
        "name: internet",
        "name: \"\"",
        19,
        "networks.0.name",
        "visible characters",
    );
}

#[test]
fn a_device_that_is_none() {
    let key = "ports.0.device";
    one(
        "af_packet:eth1",
        "eth1",
        5,
        key,
        "write for example af_packet:eth1",
    );
    one(
        "af_packet:eth1",
        "pci:eth1",
        5,
        key,
        "expected a PCI address",
    );
    let says = "no variable PCIDEVICE_X; the SR-IOV device plugin sets it";
    one("af_packet:eth1", "env:PCIDEVICE_X", 5, key, says);
}

#[test]
fn lcores_that_are_none() {
    let one = |value: &str, says: &str| {
        let to = format!("log:\n  level: info\nworkers:\n  lcores: {value}");
        one("log:\n  level: info", &to, 28, "workers.lcores", says);
    };
    one("all", "expected auto, or numbers of processors");
    one("[1, x]", "expected auto, or numbers of processors");
    one("[1, 1]", "stands in the list twice");
    one("1-3,2", "stands in the list twice");
    one("[]", "expected at least one lcore");
    one("3-1", "expected a range from a lower to a higher number");
    one("[5000]", "expected a number from 0 to 1023");
    one("0-18446744073709551615", "expected a number from 0 to 1023");
}

// ===== how values fit together =====

#[test]
fn a_name_that_nothing_has() {
    let says = "no port named \"rna\", expected one of ran, core; did you mean \"ran\"?";
    one("port: ran", "port: rna", 11, "interfaces.0.port", says);
    let says = "no interface named \"n7\", expected one of n6";
    one(
        "interface: n6",
        "interface: n7",
        20,
        "networks.0.interface",
        says,
    );
    let says = "has the role n3, expected one with the role n6";
    one(
        "interface: n6",
        "interface: n3",
        20,
        "networks.0.interface",
        says,
    );
}

#[test]
fn a_name_that_two_have() {
    let text = GOOD
        .replace("name: core", "name: ran")
        .replace("port: core", "port: ran");
    let found = mistakes(&text, &[], &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].key, "ports.1.name");
    assert!(
        matches!(&found[0].problem, Problem::RepeatedName { first, .. } if first == "ports.0.name")
    );
    let spare = "    addresses: [10.10.6.7/24]
  - { name: n3, role: n6, port: core }";
    one(
        "    addresses: [10.10.6.7/24]",
        spare,
        18,
        "interfaces.2.name",
        "interfaces.0.name",
    );
    one(
        "name: ims",
        "name: Internet",
        22,
        "networks.1.name",
        "networks.0.name",
    );
}

#[test]
fn a_device_that_two_have() {
    one(
        "tap:upf0",
        "af_packet:eth1",
        7,
        "ports.1.device",
        "already used by ports.0.device",
    );
}

#[test]
fn no_interface_for_tunnels() {
    one(
        "role: n3",
        "role: n6",
        9,
        "interfaces",
        "add an interface with `role: n3`",
    );
    let lines: Vec<&str> = GOOD.lines().collect();
    let without = format!("{}\n{}\n", lines[11], lines[12]);
    one(
        &without,
        "",
        9,
        "interfaces.0.addresses",
        "role n3 has no address",
    );
}

#[test]
fn an_address_that_two_have() {
    let says = "already used by interfaces.0.addresses.0";
    one(
        "10.10.6.7/24",
        "10.10.3.7/24",
        17,
        "interfaces.1.addresses.0",
        says,
    );
    let to = "[10.10.6.7/24]\n    kernel: { addresses: [10.10.6.7/24] }";
    let key = "interfaces.1.kernel.addresses.0";
    one(
        "[10.10.6.7/24]",
        to,
        18,
        key,
        "already used by interfaces.1.addresses.0",
    );
}

/// N6 interfaces on different links are different worlds.
#[test]
fn an_address_may_repeat_behind_another_n6() {
    let text = GOOD.replace(
        "networks:",
        "  - { name: n6b, role: n6, port: core, vlan: 7, addresses: [10.10.6.7/24] }\nnetworks:",
    );
    assert_eq!(mistakes(&text, &[], &[]), []);
    let ims = "name: ims\n    interface: n6";
    let text = text
        .replace(ims, "name: ims\n    interface: n6b")
        .replace("10.46", "10.45");
    assert_eq!(mistakes(&text, &[], &[]), []);
}

#[test]
fn pools_that_overlap() {
    let says = "overlaps 10.45.0.0/16 of networks.0.ue_pools.0";
    one(
        "10.46.0.0/16",
        "10.45.128.0/24",
        24,
        "networks.1.ue_pools.0",
        says,
    );
    let says = "overlaps 2001:db8:cafe::/48";
    one(
        "10.46.0.0/16",
        "\"2001:db8::/32\"",
        24,
        "networks.1.ue_pools.0",
        says,
    );
    let says = "overlaps 10.46.0.0/16 of networks.1.ue_pools.0";
    one(
        "[10.46.0.0/16]",
        "[10.46.0.0/16, 10.46.7.0/24]",
        24,
        "networks.1.ue_pools.1",
        says,
    );
}

#[test]
fn addresses_that_cannot_be_given() {
    let pool = "ue_pools: [10.46.0.0/16]";
    let with = |ranges: &str| format!("{pool}\n    ue_allocation: [{{ ranges: [{ranges}] }}]");
    for (ranges, at, says) in [
        (
            "10.45.0.0/24",
            0,
            "10.45.0.0/24 does not lie in the network's ue_pools",
        ),
        (
            "10.0.0.0/8",
            0,
            "10.0.0.0/8 does not lie in the network's ue_pools",
        ),
        (
            "10.46.0.0/17, 10.46.9.0/24",
            1,
            "10.46.9.0/24 overlaps 10.46.0.0/17 of networks.1.ue_allocation.0.ranges.0",
        ),
    ] {
        let key = format!("networks.1.ue_allocation.0.ranges.{at}");
        one(pool, &with(ranges), 25, &key, says);
    }
    let pool = "ue_pools: [10.45.0.0/16, 2001:db8:cafe::/48]";
    let small = format!("{pool}\n    ue_allocation: [{{ ranges: [\"2001:db8:cafe::/80\"] }}]");
    let key = "networks.0.ue_allocation.0.ranges.0";
    one(pool, &small, 22, key, "is smaller than a /64");
    let good = format!(
        "{pool}\n    ue_allocation: [{{ ranges: [10.45.1.0/24, \"2001:db8:cafe:8000::/49\"], identity: gold }}]"
    );
    assert_eq!(mistakes(&GOOD.replace(pool, &good), &[], &[]), []);
}

#[test]
fn an_address_of_the_upf_in_a_pool() {
    let says = "lies in the UE pool 10.45.0.0/16 of networks.0.ue_pools.0";
    one(
        "address: 10.10.4.7",
        "address: 10.45.0.7",
        2,
        "pfcp.address",
        says,
    );
    one(
        "10.10.6.7/24",
        "10.45.6.7/24",
        17,
        "interfaces.1.addresses.0",
        says,
    );
}

#[test]
fn a_kernel_side_without_tap() {
    let to = "port: ran\n    kernel: { addresses: [10.45.0.1/16] }";
    one(
        "port: ran",
        to,
        12,
        "interfaces.0.kernel",
        "port \"ran\" is af_packet:eth1",
    );
    let text = GOOD.replace(
        "port: core",
        "port: core\n    kernel: { addresses: [10.45.0.1/16] }",
    );
    assert_eq!(mistakes(&text, &[], &[]), []);
}

#[test]
fn a_next_hop_out_of_reach() {
    let key = "interfaces.0.routes.0.via";
    one(
        "via: 10.10.3.1",
        "via: 10.10.4.1",
        13,
        key,
        "lies in no subnet of the interface",
    );
    one(
        "via: 10.10.3.1",
        "via: \"2001:db8::1\"",
        13,
        key,
        "not of the address family",
    );
    let text = GOOD.replace(
        "to: 0.0.0.0/0, via: 10.10.3.1",
        "to: \"::/0\", via: \"fe80::1\"",
    );
    assert_eq!(mistakes(&text, &[], &[]), []);
}

#[test]
fn sizes_that_do_not_fit() {
    let says = "is larger than the 1500 of port \"core\"";
    one(
        "name: ims",
        "name: ims\n    mtu: 1501",
        23,
        "networks.1.mtu",
        says,
    );
    let says = "expected at least 12352: queues 4096, held packets 8192, bursts 64";
    one(
        "log:",
        "memory: { buffers: 12351 }\nlog:",
        25,
        "memory.buffers",
        says,
    );
    let text = GOOD.replace("log:", "memory: { buffers: 12352 }\nlog:");
    assert_eq!(mistakes(&text, &[], &[]), []);
    // With `auto` there are as many workers as a port has queues, and always enough buffers for them.
    let text = text.replace("12352 }", "12352 }\nworkers: { lcores: 2-5 }");
    assert_eq!(mistakes(&text, &[], &[]).len(), 1);
    let text = text.replace("buffers: 12352", "buffers: auto");
    assert_eq!(mistakes(&text, &[], &[]), []);
    let to = "buffering: { packets_total: 10 }\nlog:";
    let says = "expected at most the 10 of buffering.packets_total";
    one("log:", to, 25, "buffering.packets_per_session", says);
}

#[test]
fn slices_are_listed_once() {
    let slices = |list: &str| GOOD.replace("log:", &format!("slices: {list}\nlog:"));
    let good = slices("[{ slice: 1 }, { slice: 1-00000a }, { slice: 2-00000A }]");
    assert_eq!(mistakes(&good, &[], &[]), []);
    let found = mistakes(
        &slices("[{ slice: 1-00000a }, { slice: 1-00000A }]"),
        &[],
        &[],
    );
    assert_eq!(found.len(), 1, "{found:#?}");
    let message = found[0].to_string();
    assert_eq!(found[0].key, "slices.1", "{message}");
    assert!(
        message.contains("1-00000a stands in the list twice"),
        "{message}"
    );
}

// ===== from outside =====

#[test]
fn overrides_that_fit_nowhere() {
    let one = |environment: &[(&str, &str)], flags: &[&str], key: &str, says: &str| {
        let found = mistakes(GOOD, environment, flags);
        assert_eq!(found.len(), 1, "{found:#?}");
        let message = found[0].to_string();
        assert_eq!(found[0].key, key, "{message}");
        assert_eq!(found[0].line_and_column(), None);
        assert!(message.contains(says), "{message}");
    };
    one(
        &[],
        &["pfcp.address"],
        "",
        "flag --set pfcp.address: found \"pfcp.address\"",
    );
    one(&[], &["=1"], "", "expected key=value");
    one(&[], &["pfcp.prot=1"], "pfcp.prot", "did you mean \"port\"?");
    one(
        &[("UPF_PFCP__PROT", "1")],
        &[],
        "pfcp.prot",
        "environment UPF_PFCP__PROT: pfcp.prot",
    );
    one(&[], &["pfcp.port=x"], "pfcp.port", "expected a number");
    one(
        &[],
        &["ports.7.name=x"],
        "ports.7.name",
        "expected an index from 0 to 2",
    );
    one(
        &[],
        &["ports.name=x"],
        "ports.name",
        "expected an index from 0 to 2",
    );
    one(&[], &["log.0=x"], "log.0", "expected the name of a key");
    one(
        &[],
        &["log.level.x=y"],
        "log.level.x",
        "expected nothing below a single value",
    );
    one(&[], &["pfcp.smf=[1"], "pfcp.smf", "not valid YAML");
    let deep = vec!["a"; 20_000].join(".");
    one(
        &[],
        &[&format!("{deep}=1")],
        &deep,
        "a path of at most 8 parts",
    );
    let whole = mistakes(GOOD, &[], &["pfcp=1"]);
    assert_eq!(
        whole[0].origin,
        Origin::Flag {
            text: "pfcp=1".to_owned()
        }
    );
}

// ===== all at once =====

#[test]
fn all_mistakes_are_told_in_the_order_of_the_file() {
    let text = GOOD
        .replace("10.10.4.7", "nowhere")
        .replace("af_packet:eth1", "eth1")
        .replace("role: n6", "rule: n6")
        .replace("10.46.0.0/16", "10.46.0.1/16")
        .replace("info", "loud");
    let found: Vec<(u64, String)> = mistakes(&text, &[], &[])
        .into_iter()
        .map(|mistake| (mistake.line_and_column().unwrap().0, mistake.key))
        .collect();
    let expected = [
        (2, "pfcp.address"),
        (5, "ports.0.device"),
        (14, "interfaces.1.role"),
        (15, "interfaces.1.rule"),
        (24, "networks.1.ue_pools.0"),
        (26, "log.level"),
    ];
    assert_eq!(found, expected.map(|(line, key)| (line, key.to_owned())));
    let text = GOOD
        .replace("port: ran", "port: rna")
        .replace("via: 10.10.3.1", "via: 10.9.9.9")
        .replace("10.46.0.0/16", "10.45.0.0/17")
        .replacen("interface: n6", "interface: n5", 1);
    let found: Vec<String> = mistakes(&text, &[], &[])
        .into_iter()
        .map(|mistake| mistake.key)
        .collect();
    let expected = [
        "interfaces.0.port",
        "interfaces.0.routes.0.via",
        "networks.0.interface",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_mistake_is_shown_with_its_line() {
    let text = GOOD.replace("level: info", "levle: info");
    let found = mistakes(&text, &[], &[]);
    let shown = found[0].render("upf.yaml", &text);
    assert_eq!(
        shown,
        "upf.yaml:26:3: log.levle: there is no such key, expected one of level, format, identities; did you \
         mean \"level\"?\n      levle: info\n      ^"
    );
}

// ===== whatever the text =====

#[test]
fn nesting_has_a_bound() {
    for text in [
        "[".repeat(50_000),
        "{a: ".repeat(50_000),
        "- ".repeat(50_000),
    ] {
        assert!(!mistakes(&text, &[], &[]).is_empty());
        assert!(!mistakes(GOOD, &[], &[&format!("pfcp.smf={text}")]).is_empty());
    }
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    assert!(!mistakes(bomb, &[], &[]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let shown = mistakes(&text, &[], &[]);
        for mistake in shown {
            prop_assert!(!mistake.render("x", &text).is_empty());
        }
    }

    #[test]
    fn yaml_like_text_is_read_or_refused(text in "([ \\-a-c0:\\[\\]{},&*!|>#\"'~?%@\n]|pfcp|ports){0,60}") {
        let _ = mistakes(&text, &[], &[]);
    }

    #[test]
    fn a_file_with_text_changed_is_read_or_refused(
        at: prop::sample::Index,
        length in 0_usize..20,
        with in "[ -~\n]{0,8}",
    ) {
        let characters: Vec<char> = EXAMPLE.chars().collect();
        let start = at.index(characters.len());
        let end = (start + length).min(characters.len());
        let text: String =
            characters[..start].iter().chain(&with.chars().collect::<Vec<_>>()).chain(&characters[end..]).collect();
        for mistake in mistakes(&text, &[], &[]) {
            prop_assert!(!mistake.render("x", &text).is_empty());
        }
    }

    #[test]
    fn any_override_is_read_or_refused(
        flag in "[a-z.0-9=\\[\\]{}: *&]{0,30}|(pfcp|ports|ports.0|log.level)(\\.[a-z0-9]{1,3})?=[ -~]{0,12}",
        variable in "UPF_[A-Z_0-9]{0,12}",
        value in any::<String>(),
    ) {
        let _ = mistakes(GOOD, &[(&variable, &value)], &[&flag]);
    }
}

#[test]
fn slices_are_an_sst_and_six_digits() {
    let pools = "    ue_pools: [10.46.0.0/16]\n";
    for bad in ["256", "1-a1b2", "1-00a1b2c", "a", "1-zzzzzz"] {
        one(
            pools,
            &format!(
                "    ue_pools: [10.46.0.0/16]\n    ue_allocation: [{{ ranges: [10.46.0.0/24], slices: \
                 [{bad}] }}]\n"
            ),
            25,
            "networks.1.ue_allocation.0.slices.0",
            "expected a slice such as 1 or 1-00a1b2",
        );
    }
}

// ===== predefined rules =====

/// Appends to the good file, whose log is left out, and expects exactly one mistake.
#[track_caller]
fn appended(text: &str, line: u64, key: &str, says: &str) {
    one("log:\n  level: info\n", text, line, key, says);
}

const APPLICATION: &str = "applications: [{ id: video, flows: [permit out ip from any to any] }]\n";

#[test]
fn predefined_rules_refer_to_what_is_there() {
    let at = |rest: &str| format!("{APPLICATION}predefined:\n{rest}");
    appended(
        &at("  rules:\n    - { name: a, application: vidoe }\n"),
        28,
        "predefined.rules.0.application",
        "no application named \"vidoe\", expected one of video; did you mean \"video\"?",
    );
    appended(
        &at("  rules: [{ name: a, far: 2 }]\n  fars: [{ id: 1 }]\n"),
        27,
        "predefined.rules.0.far",
        "no FAR named \"2\", expected one of 1",
    );
    appended(
        &at("  rules:\n    - { name: a, qers: [1, 7] }\n  qers: [{ id: 1 }]\n"),
        28,
        "predefined.rules.0.qers.1",
        "no QER named \"7\"",
    );
    appended(
        &at("  rules:\n    - { name: a, urrs: [3] }\n"),
        28,
        "predefined.rules.0.urrs.0",
        "no URR named \"3\", expected one of none",
    );
    appended(
        &at("  fars: [{ id: 1, network: intranet }]\n"),
        27,
        "predefined.fars.0.network",
        "no network named \"intranet\"",
    );
}

#[test]
fn predefined_rules_are_told_apart() {
    appended(
        "predefined:\n  rules: [{ name: a }, { name: a }]\n",
        26,
        "predefined.rules.1.name",
        "rename one of the two",
    );
    appended(
        "predefined:\n  qers: [{ id: 1 }, { id: 1 }]\n",
        26,
        "predefined.qers.1.id",
        "rename one of the two",
    );
    appended(
        "predefined:\n  qers: [{ id: 2147483648 }]\n",
        26,
        "predefined.qers.0.id",
        "found 2147483648, expected a number from 1 to 2147483647",
    );
}

#[test]
fn predefined_rules_match_by_one_thing() {
    appended(
        &format!(
            "{APPLICATION}predefined:\n  rules:\n    - {{ name: a, application: video, flows: \
             [permit out ip from any to any] }}\n"
        ),
        28,
        "predefined.rules.0.application",
        "flow descriptions and an application",
    );
    appended(
        "applications: [{ id: video, flows: [] }]\n",
        25,
        "applications.0.flows",
        "the list is empty, expected at least one flow description",
    );
    appended(
        "applications: [{ id: video, flows: [deny out ip from any to any] }]\n",
        25,
        "applications.0.flows.0",
        "expected a flow description such as \"permit out",
    );
}

#[test]
fn the_way_from_ue_to_ue_needs_to_know_the_ues() {
    let pools = GOOD.lines().find(|line| line.contains("ue_pools")).unwrap();
    let says = "found no ue_pools; list the network's UE addresses";
    let line = 1 + GOOD.lines().position(|line| line == pools).unwrap();
    let to = "    ue_to_ue: local";
    one(pools, to, line as u64, "networks.0.ue_to_ue", says);
    one(
        pools,
        "    ue_to_ue: n7",
        line as u64,
        "networks.0.ue_to_ue",
        "one of n6, local, drop",
    );
}

#[test]
fn router_advertisements_tell_of_ipv6_name_servers() {
    let pools = "ue_pools: [10.46.0.0/16]";
    let with = |dns: &str| format!("{pools}\n    router_advertisements: {{ dns: [{dns}] }}");
    let key = "networks.1.router_advertisements.dns.0";
    let says = "found 10.0.0.53 as well; leave it out";
    let line = 2 + GOOD.lines().position(|line| line.contains(pools)).unwrap();
    one(pools, &with("10.0.0.53"), line as u64, key, says);
    let nine = ["2001:db8::53"; 9]
        .map(|server| format!("\"{server}\""))
        .join(", ");
    let key = "networks.1.router_advertisements.dns.8";
    one(
        pools,
        &with(&nine),
        line as u64,
        key,
        "up to 8 name servers",
    );
}

#[test]
fn a_forwarding_policy_leads_out_on_n6() {
    let policy = |rest: &str| format!("forwarding_policies: [{{ name: a, {rest} }}]\n");
    let at = |rest: &str, key: &str, says: &str| {
        appended(
            &policy(rest),
            25,
            &format!("forwarding_policies.0.{key}"),
            says,
        );
    };
    at("interface: n7", "interface", "expected one of n6");
    at("interface: n3", "interface", "n3");
    at("interface: n6, via: [10.10.7.1]", "via.0", "10.10.7.1");
    let twice = format!(
        "{}\n",
        policy("interface: n6")
            .trim_end()
            .replace(" }]", " }, { name: a, interface: n6 }]")
    );
    appended(&twice, 25, "forwarding_policies.1.name", "\"a\"");
    let text = GOOD.replace(
        "addresses: [10.10.6.7/24]",
        "addresses: [10.10.6.7/24]\n    kernel: { addresses: [10.10.6.8/24] }",
    );
    let text = text + &policy("interface: n6, via: [10.10.6.1]");
    let found = mistakes(&text, &[], &[]);
    assert!(
        found[0].to_string().contains("leave `via` out"),
        "{found:?}"
    );
}

// ===== the API =====

#[test]
fn an_api_beyond_this_host_needs_tokens_and_tls() {
    let spoilt = |api: &str| {
        let text = format!("{GOOD}api: {api}\n");
        let found = mistakes(&text, &[], &[]);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for good in [
        "{ listen: 127.0.0.1:9090 }",
        "{ listen: \"[::1]:9090\", socket: none }",
        "{ listen: 0.0.0.0:9090, tokens: /t, plaintext: true }",
        "{ listen: 0.0.0.0:9090, tokens: /t, tls: { certificate: /c, key: /k } }",
    ] {
        assert_eq!(spoilt(good), [""; 0], "{good}");
    }
    for (bad, says) in [
        ("{ listen: 0.0.0.0:9090, plaintext: true }", "api.tokens"),
        ("{ listen: \"[2001:db8::1]:9090\", tokens: /t }", "api.tls"),
        ("{ listen: localhost }", "an address with a port"),
        ("{ socket: upf.sock }", "a path that begins with /"),
        ("{ tls: { certificate: /c } }", "api.tls.key"),
        ("{ tokens: secret }", "a path that begins with /"),
    ] {
        let found = spoilt(bad);
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].contains(says), "{bad}: {found:?}");
    }
    assert_eq!(spoilt("{ listen: 10.0.0.1:80 }").len(), 2);
}

#[test]
fn an_ethernet_network_is_alone_on_its_wire() {
    let lan = "  - name: lan\n    role: n6\n    port: core\n";
    let with = |interface: &str, network: &str| {
        let text = GOOD.replace("networks:\n", &format!("{interface}networks:\n"));
        text.replace(
            "log:\n",
            &format!("  - name: lan\n    interface: lan\n{network}log:\n"),
        )
    };
    let tagged = format!("{lan}    vlan: 9\n");
    assert_eq!(mistakes(&with(&tagged, "    ethernet: {}\n"), &[], &[]), []);
    // Stations are told apart without pools.
    let local = with(&tagged, "    ue_to_ue: local\n    ethernet: {}\n");
    assert_eq!(mistakes(&local, &[], &[]), []);
    for (interface, network, key, says) in [
        // Frames with any tag, and those without, are one network's.
        (
            lan.to_owned(),
            "    ethernet: {}\n",
            "interface",
            "to itself",
        ),
        (
            format!("{tagged}    addresses: [10.10.8.7/24]\n"),
            "    ethernet: {}\n",
            "interface",
            "without addresses",
        ),
        (
            format!(
                "{tagged}  - name: other\n    role: n9\n    port: core\n    vlan: 9\n    addresses: [10.10.9.7/24]\n"
            ),
            "    ethernet: {}\n",
            "interface",
            "in the same VLAN",
        ),
        (
            tagged.clone(),
            "    ethernet: {}\n  - name: more\n    interface: lan\n",
            "interface",
            "other networks",
        ),
        (
            tagged.clone(),
            "    ethernet: {}\n    ue_pools: [10.47.0.0/16]\n",
            "ue_pools",
            "about IP packets",
        ),
        (
            tagged.clone(),
            "    ethernet: {}\n    clamp_mss: true\n",
            "clamp_mss",
            "leave it out",
        ),
        (
            tagged.clone(),
            "    ethernet: { stations_per_session: 256 }\n",
            "ethernet.stations_per_session",
            "1 to 255",
        ),
    ] {
        let found = mistakes(&with(&interface, network), &[], &[]);
        let [mistake] = &found[..] else {
            panic!("{network}: {found:#?}");
        };
        let key = format!("networks.2.{key}");
        assert_eq!(mistake.key, key, "{mistake}");
        assert!(mistake.to_string().contains(says), "{mistake}");
    }
}
