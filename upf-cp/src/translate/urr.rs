//! URRs: what is measured, and when it is reported.

use pfcp::{
    Cause, FailedRuleId, MeasurementInformation, MeasurementMethod, ReportingTriggers, Update,
};
use session::rule::Urr;
use session::{UrrId, Usage};

use super::{Translator, unsupported};
use crate::refusal::Refusal;
use crate::usage::{Octets, UrrControl, Wanted};

/// The triggers that are carried out here.
fn supported() -> ReportingTriggers {
    type T = ReportingTriggers;
    T::PERIO | T::VOLTH | T::TIMTH | T::START | T::VOLQU | T::TIMQU | T::QUVTI
}

fn check(
    rule: FailedRuleId,
    method: MeasurementMethod,
    triggers: ReportingTriggers,
) -> Result<(), Refusal> {
    if method.contains(MeasurementMethod::EVENT) {
        return Err(Refusal::rule::<MeasurementMethod>(rule));
    }
    if !triggers.without(supported()).is_empty() {
        return Err(Refusal::rule::<ReportingTriggers>(rule));
    }
    Ok(())
}

/// Pausing is not done, of one measurement (INAM) or of charging (SSPOC, ASPOC, CIAM). Usage before QoS enforcement (MBQE) is counted after
/// it: free5GC asks for both, and cannot do without an answer.
fn check_information(rule: FailedRuleId, ie: MeasurementInformation) -> Result<(), Refusal> {
    type M = MeasurementInformation;
    if ie.intersects(M::INAM | M::SSPOC | M::ASPOC | M::CIAM) {
        return Err(Refusal::rule::<MeasurementInformation>(rule));
    }
    Ok(())
}

/// A period or threshold of zero would report without end: there is none.
fn positive(value: u32) -> Option<u32> {
    (value > 0).then_some(value)
}

/// What neither Create URR nor Update URR may ask for yet.
macro_rules! refuse_unsupported {
    ($rule:ident, $ie:ident) => {
        unsupported!($rule,
            $ie.event_threshold => pfcp::EventThreshold,
            $ie.event_quota => pfcp::EventQuota,
            $ie.quota_holding_time => pfcp::QuotaHoldingTime,
            $ie.dropped_dl_traffic_threshold => pfcp::DroppedDlTrafficThreshold,
            $ie.monitoring_time => pfcp::MonitoringTime,
            $ie.inactivity_detection_time => pfcp::InactivityDetectionTime,
            $ie.linked_urr_ids => pfcp::LinkedUrrId,
            $ie.time_quota_mechanism => pfcp::TimeQuotaMechanism,
            $ie.aggregated_urrs => pfcp::AggregatedUrrs,
            $ie.quota_action_far_id => pfcp::FarId,
            $ie.ethernet_inactivity_timer => pfcp::EthernetInactivityTimer,
            $ie.additional_monitoring_times => pfcp::AdditionalMonitoringTime,
            $ie.number_of_reports => pfcp::NumberOfReports,
            $ie.exempted_application_ids => pfcp::ApplicationId,
            $ie.exempted_sdf_filters => pfcp::SdfFilter,
            $ie.user_plane_inactivity_timer => pfcp::UserPlaneInactivityTimer,
        )
    };
}

impl Translator<'_> {
    /// Create URR (TS 29.244, 7.5.2.4).
    pub(crate) fn create_urr(&mut self, ie: &pfcp::CreateUrr) -> Result<(), Refusal> {
        let id = UrrId(ie.urr_id.0);
        let rule = FailedRuleId::Urr(ie.urr_id);
        refuse_unsupported!(rule, ie);
        check(rule, ie.measurement_method, ie.reporting_triggers)?;
        let information = ie.measurement_information.unwrap_or_default();
        check_information(rule, information)?;
        if self.draft.rules.urrs.iter().any(|urr| urr.id == id) {
            return Err(Refusal::rule::<pfcp::UrrId>(rule));
        }
        if ie.measurement_method.is_empty() {
            let refuse = Refusal::rule::<MeasurementMethod>(rule);
            return Err(refuse.cause(Cause::MANDATORY_IE_INCORRECT));
        }
        let wanted = Wanted {
            method: ie.measurement_method,
            triggers: ie.reporting_triggers,
            immediate: information.contains(MeasurementInformation::ISTM),
            volume_threshold: ie
                .volume_threshold
                .as_ref()
                .map(threshold)
                .unwrap_or_default(),
            volume_quota: ie.volume_quota.as_ref().map(quota),
            time_threshold_s: ie.time_threshold.and_then(|time| positive(time.0)),
            time_quota_s: ie.time_quota.map(|time| time.0),
            period_s: ie.measurement_period.and_then(|period| positive(period.0)),
            quota_validity_s: ie.quota_validity_time.map(|time| time.0),
        };
        self.draft.rules.urrs.push(Urr { id });
        self.draft
            .details
            .urrs
            .push(UrrControl::new(id, wanted, self.now));
        Ok(())
    }

    /// Update URR (TS 29.244, 7.5.4.4): what is absent stays.
    pub(crate) fn update_urr(&mut self, ie: &pfcp::UpdateUrr) -> Result<(), Refusal> {
        let rule = FailedRuleId::Urr(ie.urr_id);
        refuse_unsupported!(rule, ie);
        let now = self.now;
        let urrs = &mut self.draft.details.urrs;
        let urr = urrs.iter_mut().find(|urr| urr.id.0 == ie.urr_id.0);
        let urr = urr.ok_or(Refusal::rule::<pfcp::UrrId>(rule))?;
        let wanted = updated(rule, &urr.wanted, ie)?;
        urr.provision(wanted, now);
        if !ie.volume_quota.is_keep() || !ie.time_quota.is_keep() {
            urr.quota_granted();
        }
        if !ie.volume_threshold.is_keep() || !ie.time_threshold.is_keep() {
            urr.threshold_granted();
        }
        if !ie.quota_validity_time.is_keep() {
            urr.validity_granted(now);
        }
        Ok(())
    }

    /// Remove URR (TS 29.244, 7.5.4.8), and with it what refers to it; the control state is given
    /// back, for the last report.
    pub(crate) fn remove_urr(&mut self, id: pfcp::UrrId) -> Result<UrrControl, Refusal> {
        let absent = Refusal::rule::<pfcp::UrrId>(FailedRuleId::Urr(id));
        let rules = &mut self.draft.rules;
        let there = rules
            .urrs
            .iter()
            .position(|urr| urr.id.0 == id.0)
            .ok_or(absent)?;
        let gone = rules.urrs.swap_remove(there).id;
        self.draft
            .pdrs_mut()
            .for_each(|pdr| pdr.urrs.retain(|urr| *urr != gone));
        let urrs = &mut self.draft.details.urrs;
        let there = urrs.iter().position(|urr| urr.id == gone).ok_or(absent)?;
        Ok(urrs.swap_remove(there))
    }
}

fn updated(rule: FailedRuleId, old: &Wanted, ie: &pfcp::UpdateUrr) -> Result<Wanted, Refusal> {
    let mut wanted = old.clone();
    if let Some(method) = ie.measurement_method {
        wanted.method = method;
    }
    if let Some(triggers) = ie.reporting_triggers {
        wanted.triggers = triggers;
    }
    check(rule, wanted.method, wanted.triggers)?;
    if let Some(information) = ie.measurement_information.set() {
        check_information(rule, *information)?;
        wanted.immediate = information.contains(MeasurementInformation::ISTM);
    }
    match &ie.volume_threshold {
        Update::Keep => {}
        Update::Remove => wanted.volume_threshold = Octets::default(),
        Update::Set(volume) => wanted.volume_threshold = threshold(volume),
    }
    match &ie.volume_quota {
        Update::Keep => {}
        Update::Remove => wanted.volume_quota = None,
        Update::Set(volume) => wanted.volume_quota = Some(quota(volume)),
    }
    let seconds = |slot: &mut Option<u32>, new: Update<u32>| new.apply(slot);
    seconds(
        &mut wanted.time_threshold_s,
        map(&ie.time_threshold, |time| time.0),
    );
    seconds(&mut wanted.time_quota_s, map(&ie.time_quota, |time| time.0));
    seconds(
        &mut wanted.period_s,
        map(&ie.measurement_period, |time| time.0),
    );
    seconds(
        &mut wanted.quota_validity_s,
        map(&ie.quota_validity_time, |time| time.0),
    );
    wanted.time_threshold_s = wanted.time_threshold_s.and_then(positive);
    wanted.period_s = wanted.period_s.and_then(positive);
    Ok(wanted)
}

fn map<T, U>(ie: &Update<T>, value: impl Fn(&T) -> U) -> Update<U> {
    match ie {
        Update::Keep => Update::Keep,
        Update::Remove => Update::Remove,
        Update::Set(new) => Update::Set(value(new)),
    }
}

fn threshold(ie: &pfcp::VolumeThreshold) -> Octets {
    let positive = |value: Option<u64>| value.filter(|value| *value > 0);
    Octets::new(
        positive(ie.total),
        positive(ie.uplink),
        positive(ie.downlink),
    )
}

fn quota(ie: &pfcp::VolumeQuota) -> Octets {
    Octets::new(ie.total, ie.uplink, ie.downlink)
}

/// Arms the counters of all URRs of a session.
pub(crate) fn arm<'a>(urrs: &[UrrControl], usage: impl Fn(UrrId) -> Option<&'a Usage>) {
    for urr in urrs {
        if let Some(usage) = usage(urr.id) {
            urr.arm(usage);
        }
    }
}
