//! What it costs to find tunnel, flow and payload, and to make a header.
#![allow(
    missing_docs,
    reason = "criterion's macros make items without documentation"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gtpu::{gpdu_header_dl, gpdu_header_plain, parse_gpdu, set_length};

fn parse(criterion: &mut Criterion) {
    let t_pdu = [0x45; 100];
    let mut plain = gpdu_header_plain(7);
    let mut marked = gpdu_header_dl(7, 9, false);
    for header in [plain.as_mut_slice(), marked.as_mut_slice()] {
        assert!(set_length(header, t_pdu.len()).is_ok());
    }
    let plain = [plain.as_slice(), &t_pdu].concat();
    let marked = [marked.as_slice(), &t_pdu].concat();
    let mut numbered = vec![0x32, 0xff, 0, 104, 0, 0, 0, 7, 0, 1, 0, 0];
    numbered.extend(t_pdu);
    for (name, datagram) in [
        ("plain", plain),
        ("container", marked),
        ("sequence number", numbered),
    ] {
        assert!(parse_gpdu(&datagram).is_ok());
        criterion.bench_function(&format!("parse {name}"), |bencher| {
            bencher.iter(|| parse_gpdu(black_box(&datagram)));
        });
    }
}

fn write(criterion: &mut Criterion) {
    criterion.bench_function("write a downlink header", |bencher| {
        bencher.iter(|| {
            let mut header = gpdu_header_dl(black_box(7), black_box(9), false);
            set_length(&mut header, black_box(1400)).map(|()| header)
        });
    });
}

criterion_group!(benches, parse, write);
criterion_main!(benches);
