//! What the answers of the UPF mean, and what the SMF keeps of them.

use pfcp::{Cause, Decoded, Header, Message, PdrId};

use super::Smf;
use super::error::{AnswerFault, SmfError, malformed};
use super::job::{Done, Pending};
use crate::flavour::{self, SessionSpec};
use crate::session::{Session, UplinkTunnel};
use crate::summary::Procedure;

impl Smf {
    /// Does what an answer means.
    pub(super) fn conclude(&mut self, pending: Pending, answer: Decoded) -> Result<Done, SmfError> {
        let procedure = pending.procedure();
        let session = match (pending, &answer.message) {
            (
                Pending::Establish {
                    number,
                    cp_seid,
                    spec,
                },
                Message::SessionEstablishmentResponse(response),
            ) => {
                refuse(
                    procedure,
                    response.cause,
                    response.offending_ie,
                    response.failed_rule_id,
                )?;
                check_seid(procedure, &answer.header, cp_seid)?;
                let session = session_of(number, cp_seid, *spec, response)
                    .map_err(|fault| malformed(procedure, fault))?;
                self.sessions.insert(session);
                number
            }
            (
                Pending::Tunnel {
                    session, tunnel, ..
                },
                Message::SessionModificationResponse(response),
            ) => {
                refuse(
                    procedure,
                    response.cause,
                    response.offending_ie,
                    response.failed_rule_id,
                )?;
                if let Some(known) = self.sessions.get_mut(session) {
                    check_seid(procedure, &answer.header, known.cp_seid)?;
                    known.gnb = tunnel;
                    known.generation += u32::from(procedure == Procedure::Idle);
                }
                session
            }
            (Pending::Delete { session }, Message::SessionDeletionResponse(response)) => {
                refuse(procedure, response.cause, response.offending_ie, None)?;
                self.sessions.remove(session);
                session
            }
            (Pending::Node(Procedure::Associate), Message::AssociationSetupResponse(response)) => {
                refuse(procedure, response.cause, None, None)?;
                0
            }
            (Pending::Node(Procedure::Release), Message::AssociationReleaseResponse(response)) => {
                refuse(procedure, response.cause, None, None)?;
                0
            }
            (Pending::Node(Procedure::Heartbeat), Message::HeartbeatResponse(_)) => 0,
            _ => return Err(malformed(procedure, AnswerFault::MessageType)),
        };
        Ok(Done {
            session,
            answer: Box::new(answer),
        })
    }
}

fn refuse(
    procedure: Procedure,
    cause: Cause,
    offending_ie: Option<pfcp::OffendingIe>,
    failed_rule: Option<pfcp::FailedRuleId>,
) -> Result<(), SmfError> {
    if cause == Cause::REQUEST_ACCEPTED {
        return Ok(());
    }
    Err(SmfError::Refused {
        procedure,
        cause,
        offending_ie: offending_ie.map(|ie| ie.0),
        failed_rule,
    })
}

fn check_seid(procedure: Procedure, header: &Header, cp_seid: u64) -> Result<(), SmfError> {
    match header.seid {
        Some(seid) if seid != cp_seid => Err(malformed(procedure, AnswerFault::Seid(seid))),
        _ => Ok(()),
    }
}

/// What the SMF keeps of a session that the UPF accepted.
fn session_of(
    number: u32,
    cp_seid: u64,
    spec: SessionSpec,
    response: &pfcp::SessionEstablishmentResponse,
) -> Result<Session, AnswerFault> {
    let chosen = |id: PdrId| {
        let created = response
            .created_pdrs
            .iter()
            .find(|created| created.pdr_id == id);
        created
            .and_then(|created| created.local_f_teids.first())
            .and_then(tunnel_of)
    };
    let own = flavour::own_f_teid(spec.flavour, number, spec.n3_address);
    let uplink_pdr = spec.flavour.uplink_pdr();
    let uplink = match own.as_ref().and_then(tunnel_of) {
        Some(own) => own,
        None => chosen(uplink_pdr).ok_or(AnswerFault::NoFTeid(uplink_pdr.0))?,
    };
    let cp_tunnel = match spec.flavour.cp_pdr() {
        Some(pdr) => Some(chosen(pdr).ok_or(AnswerFault::NoFTeid(pdr.0))?),
        None => None,
    };
    let core_tunnel = match spec.anchor {
        Some(_) => {
            let pdr = flavour::DOWNLINK_PDR;
            Some(chosen(pdr).ok_or(AnswerFault::NoFTeid(pdr.0))?)
        }
        None => None,
    };
    let mut addresses = response
        .created_pdrs
        .iter()
        .flat_map(|created| &created.ue_ip_addresses);
    let chosen_ipv4 = addresses.find_map(pfcp::UeIpAddress::given_ipv4);
    let ue_ipv4 = chosen_ipv4.or(spec.ue_ipv4);
    if ue_ipv4.is_none() && spec.ue_ipv6.is_none() && !spec.ethernet {
        return Err(AnswerFault::NoUeAddress);
    }
    Ok(Session {
        number,
        cp_seid,
        up_seid: response
            .up_f_seid
            .as_ref()
            .ok_or(AnswerFault::NoFSeid)?
            .seid,
        uplink,
        cp_tunnel,
        core_tunnel,
        gnb: spec.gnb,
        ue_ipv4,
        ue_ipv6: spec.ue_ipv6,
        qfi: spec.qfi,
        downlink_qfi: spec.flavour.marks_downlink().then_some(spec.qfi),
        generation: 0,
        flavour: spec.flavour,
        dnn: spec.dnn,
    })
}

fn tunnel_of(f_teid: &pfcp::FTeid) -> Option<UplinkTunnel> {
    match *f_teid {
        pfcp::FTeid::Given { teid, addresses } => Some(UplinkTunnel {
            teid,
            ipv4: addresses.ipv4(),
            ipv6: addresses.ipv6(),
        }),
        pfcp::FTeid::Choose { .. } => None,
    }
}
