//! Decoding and encoding of a session establishment as an Open5GS SMF sends it, beside rs-pfcp.
//!
//! rs-pfcp leaves grouped IEs as octets: "top level" is what its message parser does; "all" also
//! reads every rule into its typed form, as ours always does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pfcp::{Encode as _, Message};
use rs_pfcp::ie;
use rs_pfcp::message::Message as _;
use rs_pfcp::message::session_establishment_request::SessionEstablishmentRequest as Theirs;

fn establishment() -> Vec<u8> {
    let messages = include_str!("../tests/golden/messages.txt");
    let line = messages
        .lines()
        .find(|line| line.starts_with("open5gs/est_ipv4 "))
        .unwrap();
    let mut all = messages
        .lines()
        .filter(|line| line.starts_with("open5gs/est_ipv4 "));
    let digits = all
        .find_map(|line| {
            line.rsplit(' ')
                .next()
                .filter(|digits| digits.starts_with("2132"))
        })
        .unwrap_or(line);
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// The rules as rs-pfcp types them.
struct Rules {
    pdrs: Vec<ie::create_pdr::CreatePdr>,
    fars: Vec<ie::create_far::CreateFar>,
    urrs: Vec<ie::create_urr::CreateUrr>,
    qers: Vec<ie::create_qer::CreateQer>,
    bars: Vec<ie::create_bar::CreateBar>,
    node_id: ie::node_id::NodeId,
    f_seid: ie::fseid::Fseid,
}

fn rules(message: &Theirs) -> Rules {
    let pdr = ie::create_pdr::CreatePdr::unmarshal;
    let far = ie::create_far::CreateFar::unmarshal;
    let urr = ie::create_urr::CreateUrr::unmarshal;
    let qer = ie::create_qer::CreateQer::unmarshal;
    let bar = ie::create_bar::CreateBar::unmarshal;
    Rules {
        pdrs: message
            .create_pdrs
            .iter()
            .map(|ie| pdr(&ie.payload).unwrap())
            .collect(),
        fars: message
            .create_fars
            .iter()
            .map(|ie| far(&ie.payload).unwrap())
            .collect(),
        urrs: message
            .create_urrs
            .iter()
            .map(|ie| urr(&ie.payload).unwrap())
            .collect(),
        qers: message
            .create_qers
            .iter()
            .map(|ie| qer(&ie.payload).unwrap())
            .collect(),
        bars: message
            .create_bars
            .iter()
            .map(|ie| bar(&ie.payload).unwrap())
            .collect(),
        node_id: ie::node_id::NodeId::unmarshal(&message.node_id.payload).unwrap(),
        f_seid: ie::fseid::Fseid::unmarshal(&message.fseid.payload).unwrap(),
    }
}

fn decode(c: &mut Criterion) {
    let octets = establishment();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(octets.len().try_into().unwrap()));
    group.bench_function("pfcp (all)", |b| {
        b.iter(|| pfcp::decode(black_box(&octets)));
    });
    group.bench_function("rs-pfcp (top level)", |b| {
        b.iter(|| Theirs::unmarshal(black_box(&octets)).unwrap());
    });
    group.bench_function("rs-pfcp (all)", |b| {
        b.iter(|| {
            let message = Theirs::unmarshal(black_box(&octets)).unwrap();
            let rules = rules(&message);
            (message, rules)
        });
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let octets = establishment();
    let decoded = pfcp::decode(&octets).unwrap();
    let mut out = Vec::with_capacity(2048);
    pfcp::encode(&decoded.header, &decoded.message, &mut out).unwrap();
    assert_eq!(out, octets);
    assert!(matches!(
        decoded.message,
        Message::SessionEstablishmentRequest(_)
    ));
    assert!(decoded.message.is_session());
    let theirs = Theirs::unmarshal(&octets).unwrap();
    let rules = rules(&theirs);

    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Bytes(octets.len().try_into().unwrap()));
    group.bench_function("pfcp (all)", |b| {
        b.iter(|| {
            out.clear();
            pfcp::encode(&decoded.header, black_box(&decoded.message), &mut out).unwrap();
        });
    });
    let mut buffer = Vec::with_capacity(2048);
    group.bench_function("rs-pfcp (top level)", |b| {
        b.iter(|| {
            buffer.clear();
            black_box(&theirs).marshal_into(&mut buffer);
        });
    });
    let mut message = theirs.clone();
    group.bench_function("rs-pfcp (all)", |b| {
        b.iter(|| {
            let rules = black_box(&rules);
            message.create_pdrs = rules
                .pdrs
                .iter()
                .map(ie::create_pdr::CreatePdr::to_ie)
                .collect();
            message.create_fars = rules
                .fars
                .iter()
                .map(ie::create_far::CreateFar::to_ie)
                .collect();
            message.create_urrs = rules
                .urrs
                .iter()
                .map(ie::create_urr::CreateUrr::to_ie)
                .collect();
            message.create_qers = rules
                .qers
                .iter()
                .map(ie::create_qer::CreateQer::to_ie)
                .collect();
            message.create_bars = rules
                .bars
                .iter()
                .map(ie::create_bar::CreateBar::to_ie)
                .collect();
            message.node_id = rules.node_id.to_ie();
            message.fseid = ie::Ie::new(ie::IeType::Fseid, rules.f_seid.marshal());
            buffer.clear();
            message.marshal_into(&mut buffer);
        });
    });
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
