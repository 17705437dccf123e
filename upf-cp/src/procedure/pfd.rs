//! PFD management (TS 29.244, 6.2.5): what applications look like. All or nothing; a change is
//! answered when the sessions that use it have been compiled anew.

use pfcp::{
    Cause, CpFunctionFeatures, Octets, PfdManagementRequest, PfdManagementResponse,
    PfdPartialFailureInformation, SessionModificationRequest,
};
use session::{Epoch, SessionIndex};

use crate::applications::{Change, change};
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::work::{Fate, Job, Members, Owed, OwedAnswer};

impl Node {
    pub(crate) fn pfd_management(&mut self, asked: Asked, request: &PfdManagementRequest) {
        let taken = self.take_pfds(&asked, request);
        let (changed, failures) = match taken {
            Ok(taken) => taken,
            Err(refusal) => {
                self.refuse(&asked, &request.clone().into(), refusal);
                return;
            }
        };
        tracing::info!(from = %asked.from, applications = changed.len(), "PFDs have changed");
        let answer = OwedAnswer::Pfds(failures);
        let owed = Some(Owed { asked, answer });
        self.begin(Job {
            peer: None,
            node_id: None,
            sessions: if changed.is_empty() {
                Members::none()
            } else {
                Members::all(self.sessions.places())
            },
            fate: Fate::Recompile(changed),
            owed,
            last: None,
        });
    }

    /// Takes PFDs over; gives the applications that have changed, and those that could not be taken
    /// by whom that may be said to (PAPFD).
    fn take_pfds(
        &mut self,
        asked: &Asked,
        request: &PfdManagementRequest,
    ) -> Result<(Vec<Octets>, Vec<PfdPartialFailureInformation>), Refusal> {
        let from = asked.from.ip();
        let peer = match &request.node_id {
            Some(node) => self.peers.of(node, from),
            None => self.peers.at(from).first().copied(),
        };
        let peer = peer.and_then(|id| self.peers.get(id));
        let peer = peer.ok_or(Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION))?;
        let partly = peer.features.contains(CpFunctionFeatures::PAPFD);
        let limits = self.config.limits;
        let mut changes: Vec<Change> = Vec::new();
        let mut failures = Vec::new();
        for ie in &request.applications {
            match change(ie, &limits) {
                Ok(change) => changes.push(change),
                Err(refusal) if partly => failures.push(PfdPartialFailureInformation {
                    application_id: ie.application_id.clone(),
                    failure_cause: partial_cause(&refusal),
                    ..Default::default()
                }),
                Err(refusal) => return Err(refusal),
            }
        }
        if changes.is_empty() && !failures.is_empty() {
            return Err(Refusal::new(Cause::REQUEST_REJECTED));
        }
        // "No application in the request: wipe all."
        if request.applications.is_empty() {
            changes = self.applications.all_removed();
        }
        let changed = self.applications.apply(changes, &limits)?;
        Ok((changed, failures))
    }

    pub(crate) fn answer_pfds(
        &mut self,
        asked: &Asked,
        failures: Vec<PfdPartialFailureInformation>,
        after: Option<Epoch>,
    ) {
        let answer = PfdManagementResponse {
            cause: if failures.is_empty() {
                Cause::REQUEST_ACCEPTED
            } else {
                Cause::REQUEST_PARTIALLY_ACCEPTED
            },
            node_id: Some(self.config.node_id.clone()),
            pfd_partial_failure_informations: failures,
            ..Default::default()
        };
        self.answer(asked, None, answer.cause, &answer, after);
    }

    /// Compiles a session anew, if it names one of these applications.
    pub(crate) fn recompile(&mut self, index: SessionIndex, changed: &[Octets]) -> Option<Epoch> {
        let session = self.sessions.get(index)?;
        if !session.details.names_any(changed) {
            return None;
        }
        // A modification that asks for nothing brings everything up to date.
        match self.try_modify(index, &mut SessionModificationRequest::default()) {
            Ok((_, _, after)) => after,
            Err(refusal) => {
                self.counters.recompiles_failed += 1;
                if self.may_log() {
                    tracing::error!(%refusal, "a session keeps the old PFDs");
                }
                None
            }
        }
    }
}

/// Why one of several applications could not be taken.
const fn partial_cause(refusal: &Refusal) -> Cause {
    match refusal.cause {
        Cause::MANDATORY_IE_INCORRECT => Cause::PFD_SYNTAX_ERROR,
        Cause::SERVICE_NOT_SUPPORTED => Cause::PFD_SEMANTIC_ERROR,
        other => other,
    }
}
