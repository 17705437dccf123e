//! That a message says one thing of each rule.

use pfcp::{Cause, FailedRuleId, SessionModificationRequest};
use session::repeated;

use crate::refusal::Refusal;

/// "One message must not contain two operations on the same rule."
pub(super) fn check_one_operation_each(
    request: &SessionModificationRequest,
) -> Result<(), Refusal> {
    use FailedRuleId as F;
    let r = request;
    let pdrs = r.remove_pdrs.iter().map(|ie| ie.pdr_id);
    let pdrs = pdrs.chain(r.create_pdrs.iter().map(|ie| ie.pdr_id));
    let pdrs = repeated(pdrs.chain(r.update_pdrs.iter().map(|ie| ie.pdr_id))).map(F::Pdr);
    let fars = r.remove_fars.iter().map(|ie| ie.far_id);
    let fars = fars.chain(r.create_fars.iter().map(|ie| ie.far_id));
    let fars = repeated(fars.chain(r.update_fars.iter().map(|ie| ie.far_id))).map(F::Far);
    let qers = r.remove_qers.iter().map(|ie| ie.qer_id);
    let qers = qers.chain(r.create_qers.iter().map(|ie| ie.qer_id));
    let qers = repeated(qers.chain(r.update_qers.iter().map(|ie| ie.qer_id))).map(F::Qer);
    let urrs = r.remove_urrs.iter().map(|ie| ie.urr_id);
    let urrs = urrs.chain(r.create_urrs.iter().map(|ie| ie.urr_id));
    let urrs = repeated(urrs.chain(r.update_urrs.iter().map(|ie| ie.urr_id))).map(F::Urr);
    let endpoints = r.remove_traffic_endpoints.iter();
    let endpoints = endpoints.map(|ie| ie.traffic_endpoint_id);
    let created = r.create_traffic_endpoints.iter();
    let endpoints = endpoints.chain(created.map(|ie| ie.traffic_endpoint_id));
    let updated = r.update_traffic_endpoints.iter();
    if repeated(endpoints.chain(updated.map(|ie| ie.traffic_endpoint_id))).is_some() {
        let cause = Cause::RULE_CREATION_MODIFICATION_FAILURE;
        return Err(Refusal::ie::<pfcp::TrafficEndpointId>(cause));
    }
    let bars = r.remove_bar.iter().map(|ie| ie.bar_id);
    let bars = bars.chain(r.create_bar.iter().map(|ie| ie.bar_id));
    let bars = repeated(bars.chain(r.update_bar.iter().map(|ie| ie.bar_id))).map(F::Bar);
    match pdrs.or(fars).or(qers).or(urrs).or(bars) {
        None => Ok(()),
        Some(rule @ F::Pdr(_)) => Err(Refusal::rule::<pfcp::PdrId>(rule)),
        Some(rule @ F::Far(_)) => Err(Refusal::rule::<pfcp::FarId>(rule)),
        Some(rule @ F::Qer(_)) => Err(Refusal::rule::<pfcp::QerId>(rule)),
        Some(rule @ F::Bar(_)) => Err(Refusal::rule::<pfcp::BarId>(rule)),
        Some(rule) => Err(Refusal::rule::<pfcp::UrrId>(rule)),
    }
}
