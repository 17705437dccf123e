//! Cycles per packet of the whole path, without port I/O: QER with a rate, URR.
//!
//! `cargo bench -p upf-dp --bench path [-- SESSIONS… OPTION=VALUE…]`.
//! Packets are DPDK's own buffers, filled outside the measured time; every burst has other
//! sessions and other PDRs, at random. Every 64th burst is checked packet by packet. Printed are
//! the best, the middle and the 90th percentile of many rounds, beside what a loop of fixed work took
//! before and after them (the longer): it shows whether the machine was quiet.
//!
//! | option | what |
//! |---|---|
//! | `rounds` | bursts that are measured |
//! | `octets` | of the user packet, or `imix`: 28 of 64, 16 of 570 and 4 of 1 400 octets |
//! | `pdrs` | of a session each way; each but the last has an SDF filter of its own |
//! | `inner`, `outer` | the version of the user packet, and of the tunnel: 4 or 6 |
//! | `mbr`, `urr` | 0: the QER has no rate and names the QFI alone; PDRs have no URR |
//! | `spread` | `uniform`, or `zipf`: the session of rank n gets a share in proportion to 1/n |
//! | `way` | `uplink`, `downlink` or `both` |
//! | `print` | `json`: an object a line, for `cargo xtask bench` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::struct_excessive_bools,
    clippy::indexing_slicing,
    clippy::wildcard_imports,
    missing_docs,
    reason = "a benchmark prints"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use dpdk::{Burst, Eal, EalConfig, Mbuf, Pool, PoolConfig};
use session::meter::Now;
use session::neighbour::{Neighbours, NextHop};
use session::plan::Installed;
use session::report::{WorkerEnd, queues};
use session::rule::{OuterHeaderCreation, OuterHeaderRemoval, UeAddress, ue_prefix};
use session::sdf::{FlowDescription, SdfFilter};
use session::{
    Context, NextHopId, PdrId, Precedence, Publisher, Reader, Rules, Sizes, Tables, Teid, WorkerId,
};
use upf_dp::testbed::*;
use upf_dp::{
    BURST, Bound, HeldLimits, Links, Meta, Metas, Outlet, Path, PathConfig, PortLink, SlowConfig,
    Turn, WhenFull, WorkerCells,
};

/// What packets touch lies on huge pages where the system has them, as in `upf`.
#[global_allocator]
static HEAP: dpdk::Heap = dpdk::Heap::new();

/// Every which burst is checked.
const CHECKED: usize = 64;

/// Takes what is sent, as a port's queue does.
struct Sink(Burst<BURST>);

impl Outlet<Mbuf> for Sink {
    #[inline]
    fn send(&mut self, _: u16, packet: Mbuf) {
        drop(self.0.push(packet));
    }
    fn hand_over(&mut self, _: WorkerId, _: u16, packet: Mbuf) -> Result<(), Mbuf> {
        Err(packet)
    }
    fn buffer(&mut self) -> Option<Mbuf> {
        None
    }
    fn is_short(&self) -> bool {
        false
    }
    fn flush(&mut self) {}
}

/// What is measured.
struct Case {
    rounds: usize,
    /// Of user packets; every packet has one of these at random.
    octets: Vec<usize>,
    pdrs: u16,
    v6: bool,
    outer_v6: bool,
    mbr: bool,
    urr: bool,
    zipf: bool,
    ways: &'static [bool],
    json: bool,
}

/// The value of option `name`, which ends in `=`.
fn option(name: &str) -> Option<String> {
    std::env::args().find_map(|text| Some(text.strip_prefix(name)?.to_owned()))
}

impl Case {
    fn from_arguments() -> Self {
        let number = |name, otherwise| option(name).map_or(otherwise, |text| text.parse().unwrap());
        let imix = [(28, 64), (16, 570), (4, 1400)];
        Self {
            rounds: number("rounds=", 4000),
            octets: if option("octets=").as_deref() == Some("imix") {
                let all = |(count, octets)| std::iter::repeat_n(octets, count);
                imix.into_iter().flat_map(all).collect()
            } else {
                vec![number("octets=", 64)]
            },
            pdrs: number("pdrs=", 1) as u16,
            v6: number("inner=", 4) == 6,
            outer_v6: number("outer=", 4) == 6,
            mbr: number("mbr=", 1) != 0,
            urr: number("urr=", 1) != 0,
            zipf: option("spread=").as_deref() == Some("zipf"),
            ways: match option("way=").as_deref() {
                Some("uplink") => &[true],
                Some("downlink") => &[false],
                _ => &[true, false],
            },
            json: option("print=").as_deref() == Some("json"),
        }
    }

    fn user(&self, source: u32, destination: u32, octets: usize) -> Vec<u8> {
        if self.v6 {
            let payload = octets.saturating_sub(48);
            user_v6(address_v6(source), address_v6(destination), payload)
        } else {
            let (source, destination) = (source.into(), destination.into());
            user_v4(source, destination, octets.saturating_sub(28))
        }
    }

    /// The gNB's frame with a user packet.
    fn uplink(&self, teid: Teid, user: &[u8]) -> Vec<u8> {
        if self.outer_v6 {
            let message = gpdu(teid, Some(9), user);
            let packet = datagram_v6(GNB_V6, N3_ADDRESS_V6, &message);
            frame(MAC_N3, MAC_GNB, None, &packet)
        } else {
            uplink(teid, user)
        }
    }

    /// The gNB's address and ours.
    fn tunnel_ends(&self) -> [IpAddr; 2] {
        if self.outer_v6 {
            [GNB_V6.into(), N3_ADDRESS_V6.into()]
        } else {
            [GNB.into(), N3_ADDRESS.into()]
        }
    }
}

/// UE `number`; as an IPv4 address.
const fn ue(number: u32) -> u32 {
    0x0a00_0002 + (1 << 22) + number
}

/// The server that PDR `number` is for: in 198.51.0.0/16.
const fn server(number: u32) -> u32 {
    0xc633_0007 + (number << 8)
}

/// The IPv6 address that stands for an IPv4 address here: it is in the /64.
fn address_v6(v4: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(v4) << 64 | 7)
}

/// The best of some loops of fixed work: 10 000 multiplications that wait for each other.
fn calibration() -> u64 {
    (0..20).map(|_| fixed_work()).min().unwrap()
}

fn fixed_work() -> u64 {
    let start = dpdk::cycles();
    let mut value = std::hint::black_box(3_u64);
    for _ in 0..10_000 {
        value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 1;
    }
    std::hint::black_box(value);
    dpdk::cycles() - start
}

fn main() {
    let wanted: Vec<u32> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    let wanted = if wanted.is_empty() {
        vec![1, 1000, 10_000, 100_000, 1_000_000]
    } else {
        wanted
    };
    let case = Case::from_arguments();
    let eal = Eal::start(EalConfig {
        telemetry: false,
        ..EalConfig::default()
    })
    .unwrap();
    let pool = Pool::create(eal, &PoolConfig::named("packets")).unwrap();
    let _lcore = dpdk::Lcore::register(eal).unwrap();
    for sessions in wanted {
        let mut bench = Bench::new(sessions, &case);
        for uplink in case.ways {
            bench.measure(pool, &case, *uplink);
        }
    }
}

/// A path, and sessions in its tables.
struct Bench {
    sessions: u32,
    teids: Vec<Teid>,
    path: Path<Mbuf>,
    reader: Reader,
    end: WorkerEnd,
    random: u64,
}

impl Bench {
    fn new(sessions: u32, case: &Case) -> Self {
        let (mut publisher, mut readers) = Tables::create(Sizes {
            sessions,
            tunnels: sessions + 8,
            workers: 1,
            seed: 7,
        });
        let neighbours = Arc::new(Neighbours::default());
        let link = |mac| PortLink {
            mac,
            kernel_mac: None,
            mtu: 1600,
        };
        let ports = [link(MAC_N3), link(MAC_N6)];
        let links = Links::new(&topology(), &ports, &[N4_ADDRESS.into()], &neighbours);
        let hop = |interface, address| NextHop { interface, address };
        let [address, _] = case.tunnel_ends();
        let gnb = neighbours.id(hop(N3, address)).unwrap();
        neighbours.fix(hop(N3, address), MAC_GNB);
        for gateway in ["10.0.6.254", "2001:db8:6::fe"] {
            neighbours.fix(hop(N6, gateway.parse().unwrap()), MAC_GATEWAY);
        }
        let teids = (0..sessions)
            .map(|number| install(&mut publisher, number, gnb, case))
            .collect();
        let config = PathConfig {
            worker: WorkerId(0),
            workers: 1,
            hz: HZ,
            held: HeldLimits {
                total: Bound {
                    packets: 64,
                    octets: u64::MAX,
                },
                per_smf: Bound::NONE,
                smfs: 1,
                session_octets: u64::MAX,
                when_full: WhenFull::Newest,
                expiry_cycles: HZ,
            },
            slow: SlowConfig::default(),
        };
        let cells = Arc::new(WorkerCells::new(2));
        let (end, _control) = queues(64);
        Self {
            sessions,
            teids,
            path: Path::new(&config, Arc::new(links), neighbours, cells),
            reader: readers.pop().unwrap(),
            end,
            random: 1,
        }
    }

    fn any(&mut self, below: u32) -> u32 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.random >> 33) % u64::from(below)) as u32
    }

    /// A session; those that get most packets are not neighbours.
    fn any_session(&mut self, case: &Case) -> u32 {
        if !case.zipf {
            return self.any(self.sessions);
        }
        let sessions = f64::from(self.sessions);
        let share = f64::from(self.any(1 << 24)) / f64::from(1 << 24);
        // The sum of 1/n up to a rank grows as its logarithm.
        let rank = ((sessions + 1.0).ln() * share).exp() as u64 - 1;
        (rank * 0x9e37_79b1 % u64::from(self.sessions)) as u32
    }

    /// A frame, and the user packet in it.
    fn frame(&mut self, case: &Case, is_uplink: bool) -> (u32, Vec<u8>, Vec<u8>) {
        let number = self.any_session(case);
        let far_end = server(self.any(case.pdrs.into()));
        let octets = case.octets[self.any(case.octets.len() as u32) as usize];
        if is_uplink {
            let user = case.user(ue(number), far_end, octets);
            let frame = case.uplink(self.teids[number as usize], &user);
            (number, frame, user)
        } else {
            let user = case.user(far_end, ue(number), octets);
            (number, downlink(&user), user)
        }
    }

    fn measure(&mut self, pool: &Pool, case: &Case, is_uplink: bool) {
        let port = u16::from(!is_uplink);
        let mut rounds = Vec::new();
        let calm = calibration();
        for round in 0..case.rounds {
            let mut batch = Burst::<BURST>::new();
            assert!(pool.fill(&mut batch, BURST), "the pool is empty");
            let mut expected = Vec::with_capacity(BURST);
            for packet in &mut *batch {
                let (number, frame, user) = self.frame(case, is_uplink);
                assert!(packet.extend_from_slice(&frame), "a buffer holds a frame");
                expected.push((number, user));
            }
            let mut out = Sink(Burst::new());
            let start = dpdk::cycles();
            let mut metas = Metas::new();
            for _ in 0..BURST {
                metas.push(Meta::received(port));
            }
            let mut turn = Turn {
                view: self.reader.snapshot(),
                // A meter's time in nanoseconds is as good as any.
                now: Now(start),
                out: &mut out,
                end: &mut self.end,
            };
            self.path.run(&mut batch, &mut metas, &mut turn);
            rounds.push(dpdk::cycles() - start);
            assert_eq!(out.0.len(), BURST, "not all were forwarded");
            if round % CHECKED == 0 {
                for (packet, (number, user)) in out.0.iter().zip(&expected) {
                    check(packet.data(), is_uplink, case.outer_v6, *number, user);
                }
            }
        }
        let calm = calm.max(calibration());
        rounds.sort_unstable();
        self.print(case, is_uplink, &rounds, calm);
    }

    fn print(&self, case: &Case, is_uplink: bool, rounds: &[u64], calm: u64) {
        let at = |share: usize| rounds[(rounds.len() * share / 100).min(rounds.len() - 1)];
        let [best, middle, high] = [0, 50, 90].map(|share| at(share) as f64 / BURST as f64);
        let (sessions, way) = (self.sessions, if is_uplink { "uplink" } else { "downlink" });
        if case.json {
            println!(
                "{{\"sessions\":{sessions},\"way\":\"{way}\",\"best\":{best:.1},\"middle\":{middle:.1},\"p90\":{high:.1},\"calibration\":{calm}}}"
            );
        } else {
            println!(
                "{sessions:>8} sessions, {way:<8}: {best:>6.1} cycles per packet at best, {middle:>6.1} in the middle, {high:>6.1} at the 90th percentile; {calm} for the fixed loop"
            );
        }
    }
}

fn install(publisher: &mut Publisher, number: u32, gnb: NextHopId, case: &Case) -> Teid {
    let (session, owner) = publisher.reserve().unwrap();
    let teid = publisher.choose_teid(owner).unwrap();
    let [peer, source] = case.tunnel_ends();
    let tunnel = OuterHeaderCreation {
        teid: Teid(number),
        peer,
        interface: N3,
        source,
        next_hop: Some(gnb),
    };
    let ue = UeAddress {
        ipv4: Some(Ipv4Addr::from_bits(ue(number))),
        ipv6: case.v6.then(|| ue_prefix(address_v6(ue(number)))),
    };
    let mut rules = usual_rules(teid, ue, tunnel);
    for pdr in &mut rules.pdrs {
        if case.outer_v6 && pdr.outer_header_removal.is_some() {
            pdr.outer_header_removal = Some(OuterHeaderRemoval::GtpUdpIpv6);
        }
        if !case.urr {
            pdr.urrs.clear();
        }
    }
    if !case.mbr {
        for qer in &mut rules.qers {
            qer.mbr = None;
        }
    }
    with_filters(&mut rules, case);
    let context = Context {
        session,
        owner,
        hz: HZ,
        burst: session::meter::Burst::of_ms(100),
        buffer_packets: 8,
        ..Context::default()
    };
    let compiled = Installed::default()
        .compile(rules, &context, |_| true)
        .unwrap();
    publisher
        .publish(session, compiled.plan, &compiled.keys)
        .unwrap();
    // What only the control side keeps is not part of what is measured.
    drop(compiled.installed);
    teid
}

/// PDRs with filters in front of the two that match everything: half of them name a network of
/// servers, the others protocol and port as well.
fn with_filters(rules: &mut Rules, case: &Case) {
    let usual = rules.pdrs.clone();
    for number in 0..case.pdrs - 1 {
        let server = server(number.into());
        let net = if case.v6 {
            format!("{}/64", address_v6(server))
        } else {
            format!("{}/24", Ipv4Addr::from_bits(server))
        };
        let flow = if number % 2 == 0 {
            format!("permit out ip from {net} to assigned")
        } else {
            format!("permit out 17 from {net} to assigned")
        };
        let filter = SdfFilter {
            flow: Some(FlowDescription::parse(&flow).unwrap()),
            ..SdfFilter::default()
        };
        for (pdr, way) in usual.iter().zip(0..) {
            let mut pdr = pdr.clone();
            pdr.id = PdrId(1000 + 2 * number + way);
            pdr.precedence = Precedence(u32::from(number));
            pdr.pdi.sdf_filters = vec![filter.clone()];
            rules.pdrs.push(pdr);
        }
    }
    for pdr in rules.pdrs.iter_mut().take(usual.len()) {
        pdr.precedence = Precedence(u32::MAX);
    }
}

/// Every octet of what came out.
fn check(frame: &[u8], is_uplink: bool, outer_v6: bool, number: u32, user: &[u8]) {
    let mut expected = user.to_vec();
    if expected[0] >> 4 == 6 {
        expected[7] -= 1;
    } else {
        expected[8] -= 1;
        set_ipv4_checksum(&mut expected[..20]);
    }
    if is_uplink {
        assert_eq!(frame[..12], [MAC_GATEWAY, MAC_N6].concat());
        assert_eq!(frame[14..], expected);
        return;
    }
    assert_eq!(frame[..12], [MAC_GNB, MAC_N3].concat());
    let length = |octets: usize| (octets as u16).to_be_bytes();
    let udp = if outer_v6 {
        assert_eq!(frame[12..15], [0x86, 0xdd, 0x60]);
        assert_eq!(frame[18..20], length(24 + expected.len()));
        let ends = [N3_ADDRESS_V6.octets(), GNB_V6.octets()].concat();
        assert_eq!(frame[22..54], ends);
        assert_ne!(frame[60..62], [0, 0], "a checksum is a duty over IPv6");
        &frame[54..]
    } else {
        assert_eq!(frame[12..14], [8, 0]);
        let mut header: [u8; 20] = frame[14..34].try_into().unwrap();
        set_ipv4_checksum(&mut header);
        assert_eq!(frame[14..34], header);
        assert_eq!(header[2..4], length(44 + expected.len()));
        assert_eq!(header[12..], [N3_ADDRESS.octets(), GNB.octets()].concat());
        &frame[34..]
    };
    assert_eq!(udp[2..6], [[8, 0x68], length(24 + expected.len())].concat());
    assert_eq!(
        udp[8..12],
        [[0x34, 0xff], length(8 + expected.len())].concat()
    );
    assert_eq!(udp[12..16], number.to_be_bytes());
    assert_eq!(udp[16..24], [0, 0, 0, 0x85, 1, 0, 9, 0]);
    assert_eq!(udp[24..], expected);
}
