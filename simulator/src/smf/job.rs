//! The procedures of a session: from a [`Job`] to the request that starts it.

use pfcp::{Decoded, Header, Message, NodeId, Priority, SessionModificationRequest};

use super::Smf;
use super::error::SmfError;
use super::wire::Air;
use crate::flavour::{self, Outline, Sender, SessionSpec};
use crate::session::{Session, Tunnel};
use crate::summary::Procedure;

/// A procedure to run.
#[derive(Clone, Debug)]
pub enum Job {
    /// Set a session up.
    Establish(SessionSpec),
    /// Open the way to the gNB.
    Activate {
        /// Which session.
        session: u32,
        /// The gNB's end.
        tunnel: Tunnel,
    },
    /// The UE becomes idle: buffer and report.
    Idle {
        /// Which session.
        session: u32,
    },
    /// Move to another gNB.
    PathSwitch {
        /// Which session.
        session: u32,
        /// The new gNB's end.
        tunnel: Tunnel,
        /// Whether the old one is to get an end marker.
        end_marker: bool,
    },
    /// Any modification.
    Modify {
        /// Which session.
        session: u32,
        /// How.
        body: Box<SessionModificationRequest>,
    },
    /// Take the session down.
    Delete {
        /// Which session.
        session: u32,
    },
}

/// What a procedure gave.
#[derive(Clone, Debug)]
pub struct Done {
    /// The session's number.
    pub session: u32,
    /// The answer.
    pub answer: Box<Decoded>,
}

/// What to do with the answer.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    Establish {
        number: u32,
        cp_seid: u64,
        spec: Box<SessionSpec>,
    },
    Tunnel {
        procedure: Procedure,
        session: u32,
        tunnel: Option<Tunnel>,
    },
    Delete {
        session: u32,
    },
    Node(Procedure),
}

impl Pending {
    pub(super) const fn procedure(&self) -> Procedure {
        match self {
            Self::Establish { .. } => Procedure::Establish,
            Self::Tunnel { procedure, .. } | Self::Node(procedure) => *procedure,
            Self::Delete { .. } => Procedure::Delete,
        }
    }
}

impl Smf {
    /// Runs procedures, up to `window` in flight; what each came to, in their order. Two jobs of
    /// one session must not be in the same run.
    pub fn run(
        &mut self,
        jobs: impl IntoIterator<Item = Job>,
        window: usize,
    ) -> Vec<Result<Done, SmfError>> {
        let mut jobs = jobs.into_iter();
        let mut results: Vec<Option<Result<Done, SmfError>>> = Vec::new();
        let mut air = Air::default();
        loop {
            while air.flights.len() < window.max(1) {
                let Some(job) = jobs.next() else { break };
                let index = results.len();
                results.push(None);
                let launched = self.prepare(job).and_then(|(pending, header, message)| {
                    self.launch(&mut air, index, pending, header, &message)
                });
                if let (Err(error), Some(slot)) = (launched, results.get_mut(index)) {
                    *slot = Some(Err(error));
                }
            }
            if air.flights.is_empty() {
                break;
            }
            for (job, result) in self.wait(&mut air) {
                if let Some(slot) = results.get_mut(job) {
                    *slot = Some(result);
                }
            }
        }
        let unanswered = || {
            Err(SmfError::NoAnswer {
                procedure: Procedure::Modify,
            })
        };
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(unanswered))
            .collect()
    }

    pub(super) fn one(&mut self, job: Job) -> Result<Done, SmfError> {
        let lost = SmfError::NoAnswer {
            procedure: procedure_of(&job),
        };
        self.run([job], 1).pop().unwrap_or(Err(lost))
    }

    fn sender(&self) -> Sender<'_> {
        let address = match &self.node_id {
            NodeId::Ipv4(address) => (*address).into(),
            NodeId::Ipv6(address) => (*address).into(),
            NodeId::Fqdn(_) => self.config.local.ip(),
        };
        Sender {
            node_id: &self.node_id,
            address,
            features: self.features,
        }
    }

    fn prepare(&mut self, job: Job) -> Result<(Pending, Header, Message), SmfError> {
        match job {
            Job::Establish(spec) => {
                let number = self.next_number;
                self.next_number = self.next_number.wrapping_add(1);
                // `Sessions::by_cp_seid` relies on this.
                let cp_seid = u64::from(number) + 1;
                let outline = flavour::establishment(&spec, number, cp_seid, &self.sender());
                let pending = Pending::Establish {
                    number,
                    cp_seid,
                    spec: Box::new(spec),
                };
                Ok(addressed(pending, outline))
            }
            Job::Activate { session, tunnel } => {
                let known = self.known(session)?;
                let outline = flavour::modification(
                    known,
                    &self.sender(),
                    flavour::activation(known, tunnel),
                );
                Ok(addressed(
                    tunnel_pending(Procedure::Activate, session, Some(tunnel)),
                    outline,
                ))
            }
            Job::Idle { session } => {
                let known = self.known(session)?;
                let outline = flavour::modification(known, &self.sender(), flavour::idle(known));
                Ok(addressed(
                    tunnel_pending(Procedure::Idle, session, None),
                    outline,
                ))
            }
            Job::PathSwitch {
                session,
                tunnel,
                end_marker,
            } => {
                let known = self.known(session)?;
                let body = flavour::path_switch(known, tunnel, end_marker);
                let outline = flavour::modification(known, &self.sender(), body);
                Ok(addressed(
                    tunnel_pending(Procedure::PathSwitch, session, Some(tunnel)),
                    outline,
                ))
            }
            Job::Modify { session, body } => {
                let known = self.known(session)?;
                let outline = flavour::modification(known, &self.sender(), *body);
                Ok(addressed(
                    tunnel_pending(Procedure::Modify, session, known.gnb),
                    outline,
                ))
            }
            Job::Delete { session } => {
                let outline = flavour::deletion(self.known(session)?, &self.sender());
                Ok(addressed(Pending::Delete { session }, outline))
            }
        }
    }

    fn known(&self, session: u32) -> Result<&Session, SmfError> {
        self.sessions
            .get(session)
            .ok_or(SmfError::NoSession(session))
    }
}

const fn tunnel_pending(procedure: Procedure, session: u32, tunnel: Option<Tunnel>) -> Pending {
    Pending::Tunnel {
        procedure,
        session,
        tunnel,
    }
}

fn addressed<T: Into<Message>>(
    pending: Pending,
    outline: Outline<T>,
) -> (Pending, Header, Message) {
    let header = Header {
        priority: outline.priority.and_then(Priority::new),
        ..Header::session(outline.seid, 0)
    };
    (pending, header, outline.body.into())
}

const fn procedure_of(job: &Job) -> Procedure {
    match job {
        Job::Establish(_) => Procedure::Establish,
        Job::Activate { .. } => Procedure::Activate,
        Job::Idle { .. } => Procedure::Idle,
        Job::PathSwitch { .. } => Procedure::PathSwitch,
        Job::Modify { .. } => Procedure::Modify,
        Job::Delete { .. } => Procedure::Delete,
    }
}
