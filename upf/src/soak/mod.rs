//! `upf soak`: a whole UPF under load for as long as one likes, while everything around it changes.
//!
//! Packets go in both directions as fast as they come out again, while an SMF creates, modifies and
//! deletes sessions, hands UEs over from gNB to gNB and asks for usage. By a schedule drawn from a
//! seed buffers run low, a gNB falls silent or forgets its tunnels, and a second SMF comes, restarts,
//! dies and leaves. Some sessions stay throughout: they lose no packet, whatever becomes of their
//! rules. At the end of each slice the load stops, and all books are compared (`check.rs`).

mod check;
mod core;
mod guest;
mod report;
mod schedule;
mod usage;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use config::Overrides;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use simulator::{Direction, Procedure};
use tokio::runtime::Runtime;
use upf::{Instance, logging};
use upf_dp::Reason;

use self::check::{Books, LinkBooks};
use self::core::{Core, SILENT_GNB};
use self::guest::Guest;
use self::report::{Report, Slice};
use self::schedule::{Incident, Schedule};
use crate::lab::{self, Handle, Lab, now};

/// Sessions that stay, and lose no packet.
const CERTAIN: u32 = 64;
/// Sessions of the second SMF at most.
const GUESTS: u32 = 200;
/// How many of them are set up at once.
const GUESTS_AT_ONCE: usize = 32;
/// UE addresses, in seconds of new sessions: each rests until its slice has ended.
const PLACES_S: u32 = 30;
/// UE addresses at most.
const PLACES_MAX: u32 = 60_000;
/// How long a slice is.
const SLICE: Duration = Duration::from_secs(5);
/// How often sessions are changed.
const TICK: Duration = Duration::from_millis(50);
/// How long what is under way may take to arrive when the load has stopped.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);
/// How long the sessions of an SMF that is gone may last: heartbeats have to fail first.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(30);

/// Why packets of sessions that come and go may be dropped.
const ALLOWED: &[Reason] = &[
    Reason::UnknownTeid,
    Reason::UnknownUe,
    Reason::FarDrop,
    Reason::NoTunnel,
    Reason::NeighbourUnresolved,
    Reason::HoldSessionFull,
    Reason::HoldSmfFull,
    Reason::HoldFull,
    Reason::HoldPoolLow,
    Reason::HoldDiscarded,
    Reason::HoldSessionGone,
];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Seconds of load; when the end of an SMF has to be waited for, it goes on as long as that.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(5..))]
    seconds: u64,
    /// Sessions that are created, modified and deleted a second, where the machine can.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Sessions that come and go, at a time.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    sessions: u32,
    /// Workers, each on a CPU of its own as far as there are any.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// UDP payload of each user packet, in octets.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(24..=1400))]
    payload: u16,
    /// What the schedule is drawn from; at random, and printed, if there is none.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what was seen as JSON.
    #[arg(long)]
    json: bool,
}

/// Soaks the UPF; an error when something was not as it has to be.
pub(crate) fn soak(arguments: &Arguments) -> Result<()> {
    let seed = arguments
        .seed
        .unwrap_or_else(|| rand::random_range(0..=u64::from(u32::MAX)));
    let [upf, smf, guest] = lab::loopback()?;
    let cpus = upf::usable_cpus();
    let workers = usize::from(arguments.workers).min(cpus.len());
    let lcores = cpus.get(cpus.len() - workers..).unwrap_or_default();
    let loaded = config::load(
        &configuration(arguments, upf, lcores),
        &Overrides::default(),
    )
    .map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))?;
    logging::start(&loaded.config.log);
    if !arguments.json {
        println!("seed {seed}, {workers} workers, {} s …", arguments.seconds);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no asynchronous runtime")?;
    let instance = runtime.block_on(Instance::start(&loaded.config))?;
    let lab = Handle::start(instance.eal(), instance.pool(), None)?;
    let whole = Whole {
        arguments,
        instance: &instance,
        runtime: &runtime,
        lab: &lab,
    };
    let mut report = Report::new(seed, workers);
    let outcome = whole.run([upf, smf, guest], seed, &mut report);
    report.drops = instance.counts().drops_by_reason().into_iter().collect();
    lab.finish()?;
    let ended = runtime.block_on(instance.stop());
    report
        .faults
        .extend(outcome.err().map(|error| format!("{error:#}")));
    if !ended.is_conserved() {
        report.faults.push(format!("in the end: {ended}"));
    }
    report.good = report.faults.is_empty();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    ensure!(
        report.good,
        "the soak failed; the same schedule again: --seed {seed}"
    );
    Ok(())
}

fn configuration(arguments: &Arguments, upf: Ipv4Addr, lcores: &[u32]) -> String {
    format!(
        "\
pfcp:
  address: {upf}
  allow: [127.0.0.0/8]
  retransmission: {{ t1_ms: 1000, n1: 3 }}
  heartbeat: {{ interval_s: 1, delete_silent_after_s: 2 }}
{ends}workers: {{ lcores: {lcores:?} }}
limits: {{ sessions: {sessions} }}
log: {{ level: error }}
",
        ends = lab::configuration(),
        // No more than there are at a time: a place that is lost is missed at once.
        sessions = CERTAIN + arguments.sessions + GUESTS,
    )
}

/// All that takes part.
#[derive(Clone, Copy)]
struct Whole<'a> {
    arguments: &'a Arguments,
    instance: &'a Instance,
    runtime: &'a Runtime,
    lab: &'a Handle,
}

/// What changes from slice to slice.
struct State<'a> {
    core: Core<'a>,
    guest: Guest<'a>,
    schedule: Schedule,
    /// Sessions that had been created by then at the rate asked for.
    due: (Instant, f64),
}

impl Whole<'_> {
    fn run(self, [upf, smf, guest]: [Ipv4Addr; 3], seed: u64, report: &mut Report) -> Result<()> {
        let arguments = self.arguments;
        ensure!(
            self.lab.run(Lab::find_upf)?,
            "the UPF answers neither ARP nor neighbour solicitations"
        );
        let places = arguments.sessions + GUESTS + arguments.rate * PLACES_S;
        self.lab.run(|lab| lab.uncertain_from = CERTAIN)?;
        let mut state = State {
            core: Core::start(
                self.lab,
                [smf, upf],
                StdRng::seed_from_u64(seed),
                (CERTAIN, arguments.sessions),
                places.min(PLACES_MAX),
            )?,
            guest: Guest::new(self.lab, [guest, upf]),
            schedule: Schedule::new(seed),
            due: (now(), 0.0),
        };
        let payload = arguments.payload;
        self.lab.run(move |lab| lab.warm_up(payload))?;
        let mut left = Duration::from_secs(arguments.seconds);
        let mut before = Totals::default();
        while left > Duration::ZERO && report.faults.is_empty() {
            let number = u32::try_from(report.slices.len())? + 1;
            let length = left.min(SLICE);
            left -= length;
            let slice = self.slice(number, length, &mut state, &mut before)?;
            if !arguments.json {
                println!("{slice}");
            }
            report.slices.push(slice);
            report.faults.append(&mut state.core.faults);
        }
        report.faults.extend(check::trends(&report.slices));
        if report.faults.is_empty() {
            self.end(&mut state)?;
            report.faults.append(&mut state.core.faults);
        }
        Ok(())
    }

    /// Load and changes for a while; then all stands still and is looked at.
    fn slice(
        self,
        number: u32,
        length: Duration,
        state: &mut State<'_>,
        before: &mut Totals,
    ) -> Result<Slice> {
        let incidents = state.schedule.slice();
        let mut slice = Slice {
            number,
            incidents: incidents.iter().map(ToString::to_string).collect(),
            ..Slice::default()
        };
        let payload = self.arguments.payload;
        self.lab.run(move |lab| lab.start_load(payload))?;
        let begun = now();
        state.due = (begun, 0.0);
        let parts = u32::try_from(incidents.len())? + 1;
        let mut coming = incidents.into_iter();
        for part in 1..=parts {
            let until = begun + length * part / parts;
            while now() < until {
                self.tick(state)?;
            }
            if let Some(incident) = coming.next() {
                self.incident(incident, state)
                    .with_context(|| incident.to_string())?;
            }
        }
        slice.load = begun.elapsed();
        let latency = self.lab.run(|lab| {
            lab.give_back();
            lab.fall_silent(None);
            lab.stop_load(SETTLES_WITHIN);
            lab.latency()
        })?;
        (slice.packet_median, slice.packet_p99) = latency;
        let books = self.look(state)?;
        state.core.faults.extend(books.faults(ALLOWED));
        state.core.places.rest();
        fill(&mut slice, &books, before, &mut state.core);
        Ok(slice)
    }

    /// A few changes, and whatever the UPF asks.
    fn tick(self, state: &mut State<'_>) -> Result<()> {
        let until = now() + TICK;
        let (since, created) = &mut state.due;
        let due = since.elapsed().as_secs_f64() * f64::from(self.arguments.rate) - *created;
        // Who is late does not catch up with all of it.
        let most = f64::from(self.arguments.rate) * TICK.as_secs_f64() * 2.0;
        let count = due.clamp(0.0, most.max(1.0)).floor();
        *created += due.floor();
        #[allow(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small whole number"
        )]
        state.core.tick(count as usize)?;
        state.core.serve(until.saturating_duration_since(now()))?;
        state.guest.serve(Duration::ZERO)
    }

    fn incident(self, incident: Incident, state: &mut State<'_>) -> Result<()> {
        let State { core, guest, .. } = state;
        match incident {
            Incident::PoolLow { percent_left } => {
                self.lab.run(move |lab| lab.hoard(percent_left))?;
            }
            Incident::GnbForgets { sessions } => core.disown(sessions.into())?,
            Incident::GnbFallsSilent => self.lab.run(|lab| lab.fall_silent(Some(SILENT_GNB)))?,
            Incident::GuestComes { sessions } => {
                guest.start()?;
                self.establish_guests(sessions.into(), state)?;
            }
            Incident::GuestRestarts => {
                let sessions = guest.sessions();
                guest.start()?;
                self.until_forgotten(state)?;
                self.establish_guests(sessions, state)?;
            }
            Incident::GuestDies => {
                guest.die();
                self.until_forgotten(state)?;
            }
            Incident::GuestLeaves => {
                guest.leave()?;
                self.until_forgotten(state)?;
            }
        }
        Ok(())
    }

    /// The second SMF sets sessions up, a few at a time: nobody is to fall silent meanwhile.
    fn establish_guests(self, count: usize, state: &mut State<'_>) -> Result<()> {
        while state.guest.sessions() < count {
            let some = GUESTS_AT_ONCE.min(count - state.guest.sessions());
            if state.guest.establish(some, &mut state.core.places)? == 0 {
                break;
            }
            self.tick(state)?;
        }
        Ok(())
    }

    /// Goes on until the UPF has ended the sessions of the second SMF.
    fn until_forgotten(self, state: &mut State<'_>) -> Result<()> {
        let begun = now();
        while self.sessions()? > state.core.sessions() {
            if begun.elapsed() > FORGOTTEN_WITHIN {
                bail!("its sessions are still there after {FORGOTTEN_WITHIN:?}");
            }
            self.tick(state)?;
        }
        state.guest.forgotten(&mut state.core.places)
    }

    /// Sessions by the control side.
    fn sessions(self) -> Result<usize> {
        let count = self.instance.node().asker().session_count();
        Ok(self.runtime.block_on(count)?)
    }

    /// The books, once nothing is under way.
    fn look(self, state: &mut State<'_>) -> Result<Books> {
        let begun = now();
        loop {
            let books = self.books(state)?;
            if books.is_settled() || begun.elapsed() > SETTLES_WITHIN {
                let due = std::mem::take(&mut state.core.left_tunnels);
                let came = self
                    .lab
                    .run(|lab| std::mem::take(&mut lab.seen).end_markers)?;
                let end_markers = [came, due];
                return Ok(Books {
                    end_markers,
                    ..books
                });
            }
            state.core.serve(Duration::from_millis(10))?;
            state.guest.serve(Duration::ZERO)?;
        }
    }

    fn books(self, state: &State<'_>) -> Result<Books> {
        let see = |lab: &mut Lab| (lab.carried(), lab.tally.clone(), lab.beside.clone());
        let (carried, certain, beside) = self.lab.run(see)?;
        let counts = self.instance.counts();
        let links = ["n3", "n6"].into_iter().zip(carried).enumerate();
        let links = links.map(|(number, (name, carried))| LinkBooks {
            name,
            given: carried.into_upf,
            received: counts
                .of_port(number)
                .map(|port| port.received_packets)
                .sum(),
            sent: counts.of_port(number).map(|port| port.sent_packets).sum(),
            got: carried.out_of_upf,
        });
        let buffers = self
            .instance
            .pools()
            .iter()
            .map(|pool| u64::from(pool.in_use()));
        Ok(Books {
            links: links.collect(),
            missing: counts.missing(),
            held: counts.held(),
            buffers: buffers.sum(),
            drops: counts.drops_by_reason().into_iter().collect(),
            certain,
            beside,
            sessions: [
                self.sessions()?,
                state.core.sessions() + state.guest.sessions(),
            ],
            end_markers: Default::default(),
        })
    }

    /// Everything ends, and nothing is left.
    fn end(self, state: &mut State<'_>) -> Result<()> {
        state.guest.leave()?;
        self.until_forgotten(state)?;
        state.core.end()?;
        // What it held goes with its sessions, when the workers have heard of it.
        let begun = now();
        while self.instance.counts().held() > 0 && begun.elapsed() < SETTLES_WITHIN {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut books = self.look(state)?;
        let held = books.held;
        ensure!(held == 0, "{held} packets are held for nobody");
        books.end_markers = Default::default();
        state.core.faults.extend(books.faults(ALLOWED));
        Ok(())
    }
}

/// Counts at the end of the slice before.
#[derive(Debug, Default)]
struct Totals {
    packets: u64,
    dropped: u64,
}

fn fill(slice: &mut Slice, books: &Books, before: &mut Totals, core: &mut Core<'_>) {
    let received = |direction| {
        let counts = [&books.certain, &books.beside].map(|tally| tally.counts(direction).received);
        counts.iter().sum::<u64>()
    };
    let packets = received(Direction::Uplink) + received(Direction::Downlink);
    let dropped = books.drops.values().sum();
    slice.packets = packets - before.packets;
    slice.dropped = dropped - before.dropped;
    *before = Totals { packets, dropped };
    slice.held = books.held;
    let work = std::mem::take(&mut core.work);
    (slice.created, slice.modified, slice.deleted) = (work.created, work.modified, work.deleted);
    (slice.usage_reports, slice.pages) = (work.reports, work.pages);
    let timings: BTreeMap<_, _> = core
        .take_timings()
        .summary()
        .into_iter()
        .map(|of| (of.procedure, of))
        .collect();
    if let Some(of) = timings.get(&Procedure::Activate) {
        slice.modification_median = Duration::from_secs_f64(of.median_us * 1e-6);
        slice.modification_p99 = Duration::from_secs_f64(of.p99_us * 1e-6);
    }
    slice.resident_kib = resident_kib().unwrap_or(0);
}

/// Memory of this process that is resident.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
