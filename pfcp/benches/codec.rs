//! What the codec costs on the messages of an Open5GS session, beside rs-pfcp.
//!
//! `cargo bench -p pfcp --bench codec [-- rounds=N]` prints, for each message, the time of both and
//! their ratio. Both take turns of a few microseconds in one run and the ratio is that of the
//! middle turn, so that a busy machine slows both alike. The run fails if a ratio is below what
//! [`RATIOS`] asks for.
//!
//! `-- only=NAME count=N` does one thing N times and nothing else: for callgrind and the like, which
//! collects in `codec::measured`. Dashes in the name stand for blanks.
//!
//! rs-pfcp leaves grouped IEs as octets; here it also reads or writes each of them in its typed
//! form, as ours always does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and looks at the clock"
)]

use std::hint::black_box;
use std::time::Instant;

use rs_pfcp::ie;
use rs_pfcp::message::Message as _;
use rs_pfcp::message::session_establishment_request::SessionEstablishmentRequest;

/// How many times as fast as rs-pfcp the codec must be at least.
const RATIOS: &[(&str, f64)] = &[
    ("decode establishment request", 3.5),
    ("encode establishment request", 5.0),
];

/// Repetitions in one turn.
const TURN: u32 = 20;

/// The first message of this type in a conversation of Open5GS.
fn message(conversation: &str, r#type: u8) -> Vec<u8> {
    let start = format!("{conversation} ");
    let mut lines = include_str!("../tests/golden/messages.txt")
        .lines()
        .filter(|line| line.starts_with(&start));
    let digits = lines
        .find_map(|line| {
            let digits = line.rsplit(' ').next().unwrap();
            (digits[2..4] == format!("{type:02x}")).then_some(digits)
        })
        .unwrap();
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// One thing to measure: what does it here, and what does it there.
struct Case {
    name: String,
    octets: usize,
    ours: Work,
    theirs: Option<Work>,
}

type Work = Box<dyn FnMut()>;

fn work(work: impl FnMut() + 'static) -> Work {
    Box::new(work)
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, conversation, r#type) in [
        ("establishment request", "open5gs/est_ipv4", 50),
        ("establishment response", "open5gs/est_ipv4", 51),
        ("modification request", "open5gs/est_ipv4", 52),
        ("modification response", "open5gs/est_ipv4", 53),
        ("deletion request", "open5gs/error_indication", 54),
        ("deletion response", "open5gs/error_indication", 55),
    ] {
        let message = message(conversation, r#type);
        let octets = message.len();
        let beside = r#type == 50;
        cases.push(Case {
            name: format!("decode {name}"),
            octets,
            ours: work(our_decoding(message.clone())),
            theirs: beside.then(|| work(their_decoding(message.clone()))),
        });
        cases.push(Case {
            name: format!("encode {name}"),
            octets,
            ours: work(our_encoding(&message)),
            theirs: beside.then(|| work(their_encoding(&message))),
        });
    }
    cases
}

fn our_decoding(octets: Vec<u8>) -> impl FnMut() {
    move || drop(black_box(pfcp::decode(black_box(&octets)).unwrap()))
}

fn our_encoding(octets: &[u8]) -> impl FnMut() + use<> {
    let decoded = pfcp::decode(octets).unwrap();
    let mut out = Vec::with_capacity(2048);
    move || {
        out.clear();
        pfcp::encode(&decoded.header, black_box(&decoded.message), &mut out).unwrap();
        black_box(&out);
    }
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

/// Each of these IEs by this function.
fn each<I, T>(ies: &[I], read: impl Fn(&I) -> T) -> Vec<T> {
    ies.iter().map(read).collect()
}

impl Rules {
    fn of(message: &SessionEstablishmentRequest) -> Self {
        let pdr = ie::create_pdr::CreatePdr::unmarshal;
        let far = ie::create_far::CreateFar::unmarshal;
        let urr = ie::create_urr::CreateUrr::unmarshal;
        let qer = ie::create_qer::CreateQer::unmarshal;
        let bar = ie::create_bar::CreateBar::unmarshal;
        Self {
            pdrs: each(&message.create_pdrs, |ie| pdr(&ie.payload).unwrap()),
            fars: each(&message.create_fars, |ie| far(&ie.payload).unwrap()),
            urrs: each(&message.create_urrs, |ie| urr(&ie.payload).unwrap()),
            qers: each(&message.create_qers, |ie| qer(&ie.payload).unwrap()),
            bars: each(&message.create_bars, |ie| bar(&ie.payload).unwrap()),
            node_id: ie::node_id::NodeId::unmarshal(&message.node_id.payload).unwrap(),
            f_seid: ie::fseid::Fseid::unmarshal(&message.fseid.payload).unwrap(),
        }
    }
}

fn their_decoding(octets: Vec<u8>) -> impl FnMut() {
    move || {
        let message = SessionEstablishmentRequest::unmarshal(black_box(&octets)).unwrap();
        let rules = Rules::of(&message);
        drop(black_box((message, rules)));
    }
}

fn their_encoding(octets: &[u8]) -> impl FnMut() + use<> {
    let mut message = SessionEstablishmentRequest::unmarshal(octets).unwrap();
    let rules = Rules::of(&message);
    let mut out = Vec::with_capacity(2048);
    move || {
        let rules = black_box(&rules);
        message.create_pdrs = each(&rules.pdrs, ie::create_pdr::CreatePdr::to_ie);
        message.create_fars = each(&rules.fars, ie::create_far::CreateFar::to_ie);
        message.create_urrs = each(&rules.urrs, ie::create_urr::CreateUrr::to_ie);
        message.create_qers = each(&rules.qers, ie::create_qer::CreateQer::to_ie);
        message.create_bars = each(&rules.bars, ie::create_bar::CreateBar::to_ie);
        message.node_id = rules.node_id.to_ie();
        message.fseid = ie::Ie::new(ie::IeType::Fseid, rules.f_seid.marshal());
        out.clear();
        message.marshal_into(&mut out);
        black_box(&out);
    }
}

/// Nanoseconds of one repetition.
fn turn(work: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..TURN {
        work();
    }
    start.elapsed().as_nanos() as f64 / f64::from(TURN)
}

/// The least and the middle.
fn summary(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

fn measure(case: &mut Case, rounds: usize) -> Option<f64> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let our = turn(&mut *case.ours);
        ours.push(our);
        if let Some(work) = &mut case.theirs {
            let their = turn(&mut **work);
            theirs.push(their);
            ratios.push(their / our);
        }
    }
    let (best, middle) = summary(&mut ours);
    print!(
        "{:31} {:4} octets  {best:6.0} {middle:6.0} ns",
        case.name, case.octets
    );
    if ratios.is_empty() {
        println!();
        return None;
    }
    let (their_best, their_middle) = summary(&mut theirs);
    let (_, ratio) = summary(&mut ratios);
    println!("   rs-pfcp {their_best:6.0} {their_middle:6.0} ns   ratio {ratio:.2}");
    Some(ratio)
}

/// What callgrind counts.
#[inline(never)]
fn measured(work: &mut Work, count: u32) {
    for _ in 0..count {
        work();
    }
}

fn main() {
    let argument = |key: &str| {
        std::env::args().find_map(|argument| {
            let (name, value) = argument.split_once('=')?;
            (name == key).then(|| value.to_owned())
        })
    };
    let mut cases = cases();
    if let Some(only) = argument("only") {
        let only = only.replace("rs-pfcp-", "rs-pfcp ");
        let (name, ours) = match only.strip_prefix("rs-pfcp ") {
            Some(name) => (name, false),
            None => (&*only, true),
        };
        let name = name.replace('-', " ");
        let case = cases.iter_mut().find(|case| case.name == name);
        let case = case.unwrap_or_else(|| panic!("there is no case {name:?}"));
        let count: u32 = argument("count").map_or(1, |count| count.parse().unwrap());
        let work = if ours {
            Some(&mut case.ours)
        } else {
            case.theirs.as_mut()
        };
        let work = work.unwrap_or_else(|| panic!("rs-pfcp does not do {name:?}"));
        // What is made at the first time only does not count.
        work();
        measured(work, count);
        return;
    }
    let rounds = argument("rounds").map_or(2_000, |rounds| rounds.parse().unwrap());
    println!("{:44} best  middle", "");
    let mut slow = Vec::new();
    for case in &mut cases {
        let ratio = measure(case, rounds);
        let wanted = RATIOS.iter().find(|(name, _)| *name == case.name);
        if let (Some(ratio), Some((name, wanted))) = (ratio, wanted)
            && ratio < *wanted
        {
            slow.push(format!(
                "{name}: {ratio:.2} times as fast as rs-pfcp, not {wanted}"
            ));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("; "));
}
