//! PFD management (TS 29.244, 6.2.5): what applications look like. All or nothing; a change is
//! answered when the sessions that use it have been compiled anew, and taken back if one of them
//! cannot be.

use pfcp::{
    Cause, CpFunctionFeatures, PfdManagementRequest, PfdManagementResponse,
    PfdPartialFailureInformation, SessionModificationRequest,
};
use session::{Epoch, SessionIndex};

use crate::applications::{Change, Changed, change};
use crate::counters::Limit;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::translate::Draft;
use crate::work::{Fate, Job, Members, Owed, OwedAnswer};

/// The message type of the request.
const PFD_MANAGEMENT: u8 = 3;

/// A change of PFDs, from its first turn among what there is to do to its answer. One ends before
/// the next begins: what is taken back is that change's alone.
#[derive(Debug)]
pub(crate) struct PfdChange {
    /// What is wanted, until its first turn.
    wanted: Option<Vec<Change>>,
    /// What came of it.
    changed: Vec<Changed>,
    /// Why it was taken back.
    pub(crate) failed: Option<Refusal>,
}

impl Node {
    pub(crate) fn pfd_management(&mut self, asked: Asked, request: &PfdManagementRequest) {
        let waiting = self.work.waiting_for_all(asked.from.ip());
        let read = self.read_pfds(&asked, request);
        let read = read.and_then(|read| self.may_wait(waiting).map(|()| read));
        let (changes, failures) = match read {
            Ok(read) => read,
            Err(refusal) => {
                self.refuse(&asked, &request.clone().into(), refusal);
                return;
            }
        };
        let answer = OwedAnswer::Pfds(failures);
        self.begin(Job {
            peer: None,
            node_id: None,
            sessions: Members::none(),
            only: None,
            fate: Fate::Recompile(PfdChange {
                wanted: Some(changes),
                changed: Vec::new(),
                failed: None,
            }),
            owed: Some(Owed { asked, answer }),
            last: None,
        });
    }

    /// Puts a change in force for what comes from now on, at its first turn. Gives the sessions
    /// that it may be about.
    pub(crate) fn begin_pfds(&mut self, change: &mut PfdChange) -> Option<Members> {
        let wanted = change.wanted.take()?;
        match self.applications.apply(wanted, &self.config.limits) {
            Ok(changed) => change.changed = changed,
            Err(refusal) => change.failed = Some(refusal),
        }
        tracing::info!(applications = change.changed.len(), "PFDs change");
        Some(if change.changed.is_empty() {
            Members::none()
        } else {
            Members::all(self.sessions.places())
        })
    }

    /// What becomes of applications, and which of them cannot be taken, for who may be told so
    /// (PAPFD). None at all: all are removed.
    fn read_pfds(
        &self,
        asked: &Asked,
        request: &PfdManagementRequest,
    ) -> Result<(Vec<Change>, Vec<PfdPartialFailureInformation>), Refusal> {
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
        Ok((changes, failures))
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

    /// Refuses a change that has been taken back: what stood against it is a session's, and nothing
    /// that the request names.
    pub(crate) fn refuse_pfds(&mut self, asked: &Asked, refusal: Refusal) {
        let refusal = match refusal.cause {
            Cause::NO_RESOURCES_AVAILABLE => Refusal::limit(Limit::Applications),
            _ => Refusal::new(Cause::REQUEST_REJECTED),
        };
        self.refuse_type(asked, PFD_MANAGEMENT, refusal);
    }

    /// Compiles a session anew, if it names an application that has changed. If it cannot be, the
    /// change is taken back; then these sessions have their turn again.
    pub(crate) fn recompile(
        &mut self,
        index: SessionIndex,
        change: &mut PfdChange,
    ) -> Result<Option<Epoch>, Members> {
        let session = self.sessions.get(index);
        if !session.is_some_and(|session| session.details.names_any(&change.changed)) {
            return Ok(None);
        }
        // A modification that asks for nothing brings everything up to date.
        let (mut request, mut draft) = (SessionModificationRequest::default(), Draft::default());
        match self.try_modify(index, &mut request, &mut draft) {
            Ok(_) => Ok(draft.published),
            Err(refusal) if change.failed.is_none() => {
                self.applications.revert(&change.changed);
                change.failed = Some(refusal);
                Err(Members::all(self.sessions.places()))
            }
            Err(refusal) => {
                self.counters.recompiles_failed += 1;
                if self.may_log() {
                    tracing::error!(%refusal, "a session keeps PFDs that were taken back");
                }
                Ok(None)
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
