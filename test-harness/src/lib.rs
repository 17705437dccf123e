//! Replay, load and namespace tests that drive a UPF from outside.
//!
//! * [`namespace`], [`process`], [`wire`], [`lab`]: a real `upf run` in a network namespace of its
//!   own, with the far ends of its wires held here.
//! * [`replay`]: any GTP-U capture through a UPF, every packet accounted for.
//! * [`conversation`]: recorded N4 conversations, rewritten to what this UPF answers.
//! * [`load`]: rates and latencies of N4.
//! * [`gnb`]: a gNB whose UE is a TUN interface of the kernel.
//! * [`tshark`]: Wireshark's opinion of what the UPF sends.
#![forbid(unsafe_code)]

pub mod conversation;
pub mod folder;
pub mod gnb;
pub mod lab;
pub mod load;
pub mod namespace;
pub mod process;
pub mod replay;
pub mod skip;
pub mod tshark;
pub mod wire;
