//! Association update (TS 29.244, 6.2.7), by either side.

use std::net::SocketAddr;

use pfcp::{
    AssociationReleaseIndication, AssociationUpdateRequest, AssociationUpdateResponse, Cause,
    CpFunctionFeatures, GracefulReleasePeriod, PfcpAuReqFlags, TimerValue,
};

use crate::association::{PeerId, Releasing};
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::transaction::{Purpose, Step};

impl Node {
    pub(crate) fn association_update(&mut self, asked: Asked, request: &AssociationUpdateRequest) {
        match self.take_update(&asked, request) {
            Ok((peer, reports)) => {
                let cp = self.peers.get(peer).map(|peer| peer.features);
                let answer = AssociationUpdateResponse {
                    node_id: self.config.node_id.clone(),
                    cause: Cause::REQUEST_ACCEPTED,
                    up_function_features: Some(self.features_for(cp.unwrap_or_default())),
                    ..Default::default()
                };
                self.answer(&asked, None, answer.cause, &answer, None);
                if reports {
                    self.report_all(peer);
                }
            }
            Err(refusal) => self.refuse(&asked, &request.clone().into(), refusal),
        }
    }

    /// Takes what the peer says of itself; gives who it is, and whether it wants a last report of
    /// each session (PARPS).
    fn take_update(
        &mut self,
        asked: &Asked,
        request: &AssociationUpdateRequest,
    ) -> Result<(PeerId, bool), Refusal> {
        let known = self.peers.of(&request.node_id, asked.from.ip());
        let nobody = Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION);
        let id = known.ok_or(nobody)?;
        let peer = self.peers.get_mut(id).ok_or(nobody)?;
        let features = request.cp_function_features.unwrap_or(peer.features);
        let flags = request.flags.unwrap_or_default();
        let reports = flags.contains(PfcpAuReqFlags::PARPS);
        if reports && !features.contains(CpFunctionFeatures::EPFAR) {
            return Err(Refusal::ie::<PfcpAuReqFlags>(Cause::SERVICE_NOT_SUPPORTED));
        }
        peer.features = features;
        Ok((id, reports))
    }

    /// Tells a peer how far the release of its association is.
    pub(crate) fn send_update(&mut self, id: PeerId, step: Step) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let to = SocketAddr::new(peer.address, self.config.peer_port);
        let grace_s = u32::try_from(self.config.release_grace_ms / 1000).unwrap_or(u32::MAX);
        let grace = (grace_s > 0 && step != Step::AllReported)
            .then(|| GracefulReleasePeriod(TimerValue::from_seconds(grace_s)));
        let indication = match step {
            Step::Ask | Step::AskWithReports => AssociationReleaseIndication::SARR,
            Step::AllReported => AssociationReleaseIndication::URSS,
        };
        let request = AssociationUpdateRequest {
            node_id: self.config.node_id.clone(),
            association_release: Some(indication),
            graceful_release_period: grace,
            flags: (step == Step::AskWithReports).then_some(PfcpAuReqFlags::PARPS),
            ..Default::default()
        };
        self.request(to, None, &request, Purpose::Update(id, step));
    }

    pub(crate) fn update_answered(&mut self, id: PeerId, step: Step, cause: Cause) {
        match step {
            Step::AskWithReports if cause.is_accepted() => self.report_all(id),
            // It releases in its own time, or the time for it ends.
            Step::Ask | Step::AllReported if cause.is_accepted() => {}
            Step::Ask | Step::AskWithReports | Step::AllReported => self.forget_peer(id),
        }
    }

    /// Open5GS answers no update at all: it cannot be asked to release.
    pub(crate) fn update_unanswered(&mut self, id: PeerId, step: Step) {
        let peer = self.peers.get(id);
        if let Some(node) = peer.map(|peer| peer.node_id.clone())
            && self.may_log()
        {
            tracing::warn!(peer = %node, ?step, "association updates are not answered");
        }
        self.update_answered(id, step, Cause::REQUEST_REJECTED);
    }

    /// Whether the release of the association is under way.
    pub(crate) fn is_releasing(&self, id: PeerId) -> bool {
        let peer = self.peers.get(id);
        peer.is_some_and(|peer| !matches!(peer.releasing, Releasing::No))
    }
}
