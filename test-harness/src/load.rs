//! Rates and latencies of N4, against any UPF.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::Serialize;
use simulator::{
    Done, Flavour, Job, ProcedureSummary, SessionSpec, Smf, SmfConfig, SmfError, Tunnel,
};

use crate::wire::now;

/// What to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// The SMF's address. It has to be one that the UPF can send to.
    pub local: IpAddr,
    /// The UPF.
    pub target: IpAddr,
    /// Whose habits the SMF has.
    pub flavour: Flavour,
    /// How many sessions.
    pub sessions: u32,
    /// How many requests in flight.
    pub window: usize,
    /// How many modifications of each session.
    pub modifications: u32,
    /// The first UE address; the others follow.
    pub first_ue: Ipv4Addr,
    /// The UPF's N3 address, for SMFs that choose TEIDs themselves.
    pub n3: Ipv4Addr,
}

/// One kind of request.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Which.
    pub name: &'static str,
    /// How many were accepted.
    pub accepted: usize,
    /// How many were not, or got no answer.
    pub failed: usize,
    /// How long all took.
    pub seconds: f64,
    /// Accepted ones a second.
    pub per_second: f64,
    /// The first failure in words.
    pub first_failure: Option<String>,
}

/// What a load amounts to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Establishment, modification, deletion.
    pub phases: Vec<Phase>,
    /// Latencies.
    pub procedures: Vec<ProcedureSummary>,
    /// Requests that were sent again.
    pub retransmissions: u64,
}

/// Associates, sets sessions up, modifies and deletes them.
///
/// # Errors
/// When the UPF does not associate. What it does with sessions is in the report.
pub fn run(load: &Load) -> Result<Report, SmfError> {
    let mut config = SmfConfig::new(load.local, load.target);
    config.t1 = Duration::from_secs(1);
    let mut smf = Smf::bind(config)?;
    smf.associate()?;
    drive(load, &mut smf)
}

/// The same with an SMF that is associated.
///
/// # Errors
/// When the association cannot be released.
pub fn drive(load: &Load, smf: &mut Smf) -> Result<Report, SmfError> {
    let first_ue = u32::from(load.first_ue);
    let specs = (0..load.sessions).map(|index| {
        Job::Establish(SessionSpec {
            flavour: load.flavour,
            ue_ipv4: Some(Ipv4Addr::from(first_ue.wrapping_add(index))),
            n3_address: load.n3,
            ..SessionSpec::default()
        })
    });
    let mut phases = vec![phase("establish", smf, specs, load.window)];
    let numbers: Vec<u32> = smf
        .sessions()
        .iter()
        .map(|session| session.number)
        .collect();
    for round in 0..load.modifications {
        let jobs = numbers.iter().map(|session| match round % 2 {
            0 => {
                let address = IpAddr::V4(Ipv4Addr::new(10, 10, 3, 101));
                Job::Activate {
                    session: *session,
                    tunnel: Tunnel {
                        address,
                        teid: session + 1,
                    },
                }
            }
            _ => Job::Idle { session: *session },
        });
        let jobs: Vec<_> = jobs.collect();
        let name = if round % 2 == 0 { "activate" } else { "idle" };
        phases.push(phase(name, smf, jobs, load.window));
    }
    let jobs = numbers
        .iter()
        .map(|session| Job::Delete { session: *session });
    phases.push(phase("delete", smf, jobs, load.window));
    Ok(Report {
        phases,
        procedures: smf.timings().summary(),
        retransmissions: smf.retransmissions(),
    })
}

fn phase(
    name: &'static str,
    smf: &mut Smf,
    jobs: impl IntoIterator<Item = Job>,
    window: usize,
) -> Phase {
    let started = now();
    let results = smf.run(jobs, window);
    let seconds = (now() - started).as_secs_f64();
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    let failure = |result: &Result<Done, SmfError>| result.as_ref().err().map(ToString::to_string);
    let count = u32::try_from(accepted).unwrap_or(u32::MAX);
    Phase {
        name,
        accepted,
        failed: results.len() - accepted,
        seconds,
        per_second: f64::from(count) / seconds.max(f64::MIN_POSITIVE),
        first_failure: results.iter().find_map(failure),
    }
}
