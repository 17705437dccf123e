//! N4: an address to listen on, and SMFs that answer.

use std::io::ErrorKind;

use config::Config;

use super::{Area, Finding, Heartbeat, N4Socket, Probes};

pub(super) fn examine(probes: &Probes, config: &Config, findings: &mut Vec<Finding>) {
    socket(probes, config, findings);
    for (smf, outcome) in &probes.smfs {
        findings.push(heartbeat(smf, outcome));
    }
    if probes.smfs.is_empty() && !config.pfcp.smf.is_empty() && probes.n4 == N4Socket::Answers {
        let what = "a UPF is at work here: its SMFs are not asked beside it";
        let finding = Finding::note("n4.smf", Area::N4, what)
            .why("a second heartbeat from the same address would look like a restart");
        findings.push(finding);
    }
    if config.pfcp.smf.is_empty() {
        let what = "pfcp.smf is empty: the SMFs have to start the association";
        let finding = Finding::note("n4.smf", Area::N4, what).remedy(format!(
            "on the SMF's side: name {} as this UPF's N4 address",
            config.pfcp.advertised()
        ));
        findings.push(finding);
    }
    if config.pfcp.allow.is_empty() {
        let what = "pfcp.allow is empty";
        let finding = Finding::warning("n4.allow", Area::N4, what)
            .why("whoever reaches N4 can set sessions up and see users' packets")
            .remedy("pfcp.allow: the networks of the SMFs");
        findings.push(finding);
    }
}

fn socket(probes: &Probes, config: &Config, findings: &mut Vec<Finding>) {
    const ID: &str = "n4.socket";
    let address = std::net::SocketAddr::new(config.pfcp.address, config.pfcp.port);
    findings.push(match &probes.n4 {
        N4Socket::NotTried => return,
        N4Socket::Free => Finding::good(ID, Area::N4, format!("{address} is here and free")),
        N4Socket::Answers => {
            let what = format!("a PFCP node answers on {address}: a UPF is at work");
            Finding::good(ID, Area::N4, what)
        }
        N4Socket::Failed(ErrorKind::AddrInUse) => {
            let what = format!("{address} is taken, and who has it does not answer PFCP");
            Finding::problem(ID, Area::N4, what)
                .why("the UPF does not start without its N4 socket")
                .remedy(format!("ss -lunp 'sport = :{}'", config.pfcp.port))
        }
        N4Socket::Failed(ErrorKind::AddrNotAvailable) => {
            let what = format!("this host has no address {}", config.pfcp.address);
            Finding::problem(ID, Area::N4, what)
                .why("the UPF does not start without its N4 socket")
                .remedy(format!(
                    "ip address add {} dev INTERFACE, or set pfcp.address to one of `ip -br address`",
                    config.pfcp.address
                ))
        }
        N4Socket::Failed(kind) => {
            let what = format!("cannot listen on {address}: {kind}");
            Finding::problem(ID, Area::N4, what).why("the UPF does not start without its N4 socket")
        }
    });
}

fn heartbeat(smf: &str, outcome: &Heartbeat) -> Finding {
    const ID: &str = "n4.smf";
    match outcome {
        Heartbeat::Answered => Finding::good(ID, Area::N4, format!("{smf} answers heartbeats")),
        Heartbeat::Silent => {
            Finding::warning(ID, Area::N4, format!("{smf} does not answer a heartbeat"))
                .why("it may be down or filtered; some SMFs answer only nodes that are associated")
                .remedy(format!(
                    "ping {0}; tcpdump -ni any udp port 8805 and host {0}",
                    host(smf)
                ))
        }
        Heartbeat::Refused => {
            Finding::problem(ID, Area::N4, format!("{smf}: nobody listens there"))
                .why("its host answered \"port unreachable\": no association can be set up")
                .remedy("start the SMF, or correct pfcp.smf")
        }
        Heartbeat::Unreachable(reason) => {
            Finding::problem(ID, Area::N4, format!("{smf} cannot be reached: {reason}"))
                .why("no association can be set up")
                .remedy(format!("ip route get {}", host(smf)))
        }
        Heartbeat::NoAddress => Finding::problem(ID, Area::N4, format!("{smf} has no address"))
            .why("names are resolved once, at start; this SMF would have to come to us")
            .remedy(format!("getent hosts {}", host(smf))),
    }
}

/// Host of `host:port`.
fn host(smf: &str) -> &str {
    smf.rsplit_once(':').map_or(smf, |(host, _)| host)
}
