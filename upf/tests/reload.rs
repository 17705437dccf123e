//! `upf reload` and SIGHUP, with a UPF that runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod running;

use running::{Running, tokens};
use serde_json::Value;

#[test]
fn what_is_live_changes_and_nothing_does_by_half() {
    let upf = Running::start("reload", 18811, "");
    let (told, code) = upf.reload(&[]);
    assert_eq!(
        (&told["outcome"], code),
        (&Value::from("unchanged"), Some(0))
    );

    // A dry run says what would change, and changes nothing.
    upf.edit("allow: [127.0.0.0/8]", "allow: [127.0.0.1/32]");
    for _ in 0..2 {
        let (told, code) = upf.reload(&["--dry-run"]);
        assert_eq!(
            (&told["outcome"], code),
            (&Value::from("possible"), Some(0))
        );
        let change = &told["changes"][0];
        assert_eq!(change["key"], "pfcp.allow");
        assert_eq!(
            (&change["from"], &change["live"]),
            (&"[127.0.0.0/8]".into(), &true.into())
        );
    }
    // Something that needs a restart beside it: nothing changes, unless it is wanted so.
    upf.edit("buffers: 16384", "buffers: 32768");
    let (text, code) = upf.ask(&["reload"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("at a restart") && text.contains("--partial"),
        "{text}"
    );
    let (told, code) = upf.reload(&["--partial"]);
    assert_eq!((&told["outcome"], code), (&Value::from("partial"), Some(0)));
    let (told, _) = upf.reload(&["--dry-run", "--partial"]);
    assert_eq!(told["changes"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["changes"][0]["key"], "memory.buffers");
    upf.edit("buffers: 32768", "buffers: 16384");

    // A mistake: nothing changes, and it is told where it is.
    upf.edit("level: info", "level: debug, format: xml");
    let (told, code) = upf.reload(&[]);
    assert_eq!(
        (&told["outcome"], code),
        (&Value::from("mistaken"), Some(1))
    );
    let mistake = &told["mistakes"][0];
    assert_eq!(mistake["key"], "log.format");
    assert!(
        mistake["origin"].as_str().unwrap().contains("line"),
        "{told}"
    );
    let (text, _) = upf.ask(&["reload"]);
    assert!(
        text.contains("log.format: \"xml\"") || text.contains("xml"),
        "{text}"
    );
    std::fs::rename(upf.file(), upf.file().with_extension("gone")).unwrap();
    let (text, code) = upf.ask(&["reload"]);
    assert!(code == Some(1) && text.contains("cannot read"), "{text}");
    std::fs::rename(upf.file().with_extension("gone"), upf.file()).unwrap();

    upf.edit(", format: xml", "");
    let (told, code) = upf.reload(&[]);
    assert_eq!((&told["outcome"], code), (&Value::from("applied"), Some(0)));
    let (text, _) = upf.ask(&["reload"]);
    assert!(text.contains("is what is in force"), "{text}");
}

#[test]
fn a_signal_has_it_read_again_with_the_files_that_it_names() {
    let upf = Running::start("signal", 18813, "");
    let (old, new) = ("0123456789abcdef", "fedcba9876543210");
    assert!(upf.opens(18813, old) && !upf.opens(18813, new));
    tokens(&upf.folder.join("tokens"), &format!("read eye {new}"));
    upf.edit("level: info", "level: debug");
    upf.hang_up();
    let line = upf.says("changed");
    assert!(line.contains("log.level"), "{line}");
    upf.says("the configuration is in force");
    assert!(!upf.opens(18813, old) && upf.opens(18813, new));
    let line = upf.says("not let in");
    assert!(
        line.contains("status=401") && line.contains("127.0.0.1"),
        "{line}"
    );
    assert!(!line.contains(old), "{line}");
    // A file of tokens that is of no use changes nothing.
    tokens(&upf.folder.join("tokens"), "nonsense");
    upf.edit("level: debug", "level: info");
    upf.hang_up();
    let line = upf.says("api.tokens");
    assert!(line.contains("line 1") && !line.contains(new), "{line}");
    assert!(upf.opens(18813, new));
    // What it is told to write stays; it still stops in order.
    upf.hang_up();
    upf.says("nothing is changed");
}
