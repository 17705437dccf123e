//! URRs: what is measured, and when it is reported.

use pfcp::{
    Cause, FailedRuleId, MeasurementInformation, MeasurementMethod, ReportingTriggers, Update,
};
use session::rule::Urr;
use session::{FarId, UrrId, Usage};

use super::{Draft, Translator, unsupported};
use crate::counters::Limit;
use crate::refusal::Refusal;
use crate::usage::{Dropped, Granted, Monitoring, Octets, RarelyWanted, UrrControl, Wanted};

/// The triggers that are carried out here.
fn supported() -> ReportingTriggers {
    type T = ReportingTriggers;
    let thresholds = T::VOLTH | T::TIMTH | T::DROTH;
    let quotas = T::VOLQU | T::TIMQU | T::QUVTI | T::QUHTI;
    thresholds | quotas | T::PERIO | T::START | T::LIUSA | T::ENVCL | T::UPINT | T::MACAR
}

/// What a URR cannot ask for. There are no events to count; charging is not paused by other nodes
/// (SSPOC, ASPOC, CIAM); and an envelope ends after an Inactivity Detection Time alone.
fn check(rule: FailedRuleId, wanted: &Wanted, linked_max: usize) -> Result<(), Refusal> {
    type M = MeasurementInformation;
    if wanted.method.contains(MeasurementMethod::EVENT) {
        return Err(Refusal::rule::<MeasurementMethod>(rule));
    }
    let envelopes = wanted.reports_on(ReportingTriggers::ENVCL);
    let endless = envelopes && wanted.rare().is_none_or(|rare| rare.inactivity_s.is_none());
    if endless || !wanted.triggers.without(supported()).is_empty() {
        return Err(Refusal::rule::<ReportingTriggers>(rule));
    }
    if wanted.information.intersects(M::SSPOC | M::ASPOC | M::CIAM) {
        return Err(Refusal::rule::<MeasurementInformation>(rule));
    }
    if wanted
        .rare()
        .is_some_and(|rare| rare.linked.len() > linked_max)
    {
        return Err(Refusal {
            limit: Some(Limit::Rules),
            ..Refusal::rule::<pfcp::LinkedUrrId>(rule).cause(Cause::NO_RESOURCES_AVAILABLE)
        });
    }
    Ok(())
}

/// A period or threshold of zero would report without end: there is none.
fn positive(value: u32) -> Option<u32> {
    (value > 0).then_some(value)
}

/// What neither Create URR nor Update URR may ask for.
macro_rules! refuse_unsupported {
    ($rule:ident, $ie:ident) => {
        unsupported!($rule,
            $ie.event_threshold => pfcp::EventThreshold,
            $ie.event_quota => pfcp::EventQuota,
            $ie.subsequent_event_threshold => pfcp::SubsequentEventThreshold,
            $ie.subsequent_event_quota => pfcp::SubsequentEventQuota,
            $ie.time_quota_mechanism => pfcp::TimeQuotaMechanism,
            $ie.aggregated_urrs => pfcp::AggregatedUrrs,
            $ie.exempted_application_ids => pfcp::ApplicationId,
            $ie.exempted_sdf_filters => pfcp::SdfFilter,
        )
    };
}

impl Translator<'_> {
    /// Create URR (TS 29.244, 7.5.2.4).
    pub(crate) fn create_urr(&mut self, ie: &pfcp::CreateUrr) -> Result<(), Refusal> {
        let id = UrrId(ie.urr_id.0);
        let rule = FailedRuleId::Urr(ie.urr_id);
        refuse_unsupported!(rule, ie);
        if self.draft.rules.urrs.iter().any(|urr| urr.id == id) {
            return Err(Refusal::rule::<pfcp::UrrId>(rule));
        }
        if ie.measurement_method.is_empty() {
            let refuse = Refusal::rule::<MeasurementMethod>(rule);
            return Err(refuse.cause(Cause::MANDATORY_IE_INCORRECT));
        }
        let mut wanted = Wanted {
            method: ie.measurement_method,
            triggers: ie.reporting_triggers,
            information: ie.measurement_information.unwrap_or_default(),
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
            ..Wanted::default()
        };
        *wanted.rare_mut() = rarely(rule, ie)?;
        wanted.tidy();
        check(rule, &wanted, self.urrs_max)?;
        let now = self.now;
        self.draft.rules.urrs.push(measured(id, &wanted));
        self.draft
            .details
            .urrs
            .push(UrrControl::new(id, wanted, now));
        Ok(())
    }

    /// Update URR (TS 29.244, 7.5.4.4): what is absent stays.
    pub(crate) fn update_urr(&mut self, ie: &pfcp::UpdateUrr) -> Result<(), Refusal> {
        let rule = FailedRuleId::Urr(ie.urr_id);
        refuse_unsupported!(rule, ie);
        let (now, urrs_max) = (self.now, self.urrs_max);
        let Draft {
            rules,
            details,
            readings,
            releases,
            ..
        } = &mut *self.draft;
        let absent = Refusal::rule::<pfcp::UrrId>(rule);
        let urr = details.urrs.iter_mut().find(|urr| urr.id.0 == ie.urr_id.0);
        let urr = urr.ok_or(absent)?;
        let there = rules.urrs.iter_mut().find(|there| there.id == urr.id);
        let wanted = updated(rule, &urr.wanted, ie)?;
        check(rule, &wanted, urrs_max)?;
        *there.ok_or(absent)? = measured(urr.id, &wanted);
        let reading = readings.iter().find(|(id, _)| *id == urr.id);
        let reading = reading.map(|(_, reading)| *reading).unwrap_or_default();
        urr.provision(wanted, now, &reading);
        let quota = Granted {
            volume: !ie.volume_quota.is_keep(),
            time: !ie.time_quota.is_keep(),
        };
        if quota.volume || quota.time {
            urr.quota_granted(quota, now);
            *releases |= urr.wanted.quota_far().is_some();
        }
        urr.threshold_granted(Granted {
            volume: !ie.volume_threshold.is_keep(),
            time: !ie.time_threshold.is_keep(),
        });
        if !ie.quota_validity_time.is_keep() {
            urr.validity_granted(now);
        }
        if !ie.number_of_reports.is_keep() {
            urr.reports_granted(now, &reading);
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

/// What the packet path has to know of a URR.
fn measured(id: UrrId, wanted: &Wanted) -> Urr {
    let rare = wanted.rare();
    Urr {
        id,
        before: wanted.has(MeasurementInformation::MBQE),
        dropped: rare.is_some_and(|rare| rare.dropped.is_some()),
        quota_far: wanted.quota_far(),
    }
}

/// What few SMFs ask for in a Create URR.
fn rarely(rule: FailedRuleId, ie: &pfcp::CreateUrr) -> Result<RarelyWanted, Refusal> {
    let first = ie.monitoring_time.map(|time| Monitoring {
        at_ntp_s: time.0,
        volume_threshold: ie.subsequent_volume_threshold.as_ref().map(later_threshold),
        volume_quota: ie.subsequent_volume_quota.as_ref().map(later_quota),
        time_threshold_s: ie
            .subsequent_time_threshold
            .and_then(|time| positive(time.0)),
        time_quota_s: ie.subsequent_time_quota.map(|time| time.0),
    });
    let mut monitoring: Vec<Monitoring> = first.into_iter().collect();
    monitoring.extend(additional(rule, &ie.additional_monitoring_times)?);
    Ok(RarelyWanted {
        holding_s: ie.quota_holding_time.and_then(|time| positive(time.0)),
        inactivity_s: ie
            .inactivity_detection_time
            .and_then(|time| positive(time.0)),
        idle_s: ie
            .user_plane_inactivity_timer
            .and_then(|time| positive(time.0)),
        stations_s: ie
            .ethernet_inactivity_timer
            .and_then(|time| positive(time.0)),
        dropped: ie.dropped_dl_traffic_threshold.as_ref().and_then(dropped),
        monitoring: in_order(monitoring),
        linked: linked(&ie.linked_urr_ids),
        reports: ie.number_of_reports.map(|number| number.0),
        quota_far: ie.quota_action_far_id.map(|far| FarId(far.0)),
    })
}

fn updated(rule: FailedRuleId, old: &Wanted, ie: &pfcp::UpdateUrr) -> Result<Wanted, Refusal> {
    let mut wanted = old.clone();
    if let Some(method) = ie.measurement_method {
        wanted.method = method;
    }
    if let Some(triggers) = ie.reporting_triggers {
        wanted.triggers = triggers;
    }
    match &ie.measurement_information {
        Update::Keep => {}
        Update::Remove => wanted.information = MeasurementInformation::empty(),
        Update::Set(information) => wanted.information = *information,
    }
    match &ie.volume_threshold {
        Update::Keep => {}
        Update::Remove => wanted.volume_threshold = Octets::default(),
        Update::Set(volume) => wanted.volume_threshold = threshold(volume),
    }
    map(&ie.volume_quota, quota).apply(&mut wanted.volume_quota);
    map(&ie.time_threshold, |time| time.0).apply(&mut wanted.time_threshold_s);
    map(&ie.time_quota, |time| time.0).apply(&mut wanted.time_quota_s);
    map(&ie.measurement_period, |time| time.0).apply(&mut wanted.period_s);
    map(&ie.quota_validity_time, |time| time.0).apply(&mut wanted.quota_validity_s);
    wanted.time_threshold_s = wanted.time_threshold_s.and_then(positive);
    wanted.period_s = wanted.period_s.and_then(positive);
    update_rare(rule, wanted.rare_mut(), ie)?;
    wanted.tidy();
    Ok(wanted)
}

fn update_rare(
    rule: FailedRuleId,
    rare: &mut RarelyWanted,
    ie: &pfcp::UpdateUrr,
) -> Result<(), Refusal> {
    map(&ie.quota_holding_time, |time| time.0).apply(&mut rare.holding_s);
    map(&ie.inactivity_detection_time, |time| time.0).apply(&mut rare.inactivity_s);
    map(&ie.user_plane_inactivity_timer, |time| time.0).apply(&mut rare.idle_s);
    map(&ie.ethernet_inactivity_timer, |time| time.0).apply(&mut rare.stations_s);
    for seconds in [
        &mut rare.holding_s,
        &mut rare.inactivity_s,
        &mut rare.idle_s,
        &mut rare.stations_s,
    ] {
        *seconds = seconds.and_then(positive);
    }
    match &ie.dropped_dl_traffic_threshold {
        Update::Keep => {}
        Update::Remove => rare.dropped = None,
        Update::Set(threshold) => rare.dropped = dropped(threshold),
    }
    match &ie.linked_urr_ids {
        Update::Keep => {}
        Update::Remove => rare.linked.clear(),
        Update::Set(urrs) => rare.linked = linked(urrs),
    }
    map(&ie.number_of_reports, |number| number.0).apply(&mut rare.reports);
    map(&ie.quota_action_far_id, |far| FarId(far.0)).apply(&mut rare.quota_far);
    update_monitoring(rule, &mut rare.monitoring, ie)
}

/// New Monitoring Times take the place of those that were to come. Subsequent values without a time
/// are those of the next one.
fn update_monitoring(
    rule: FailedRuleId,
    monitoring: &mut Vec<Monitoring>,
    ie: &pfcp::UpdateUrr,
) -> Result<(), Refusal> {
    match &ie.monitoring_time {
        Update::Keep => {}
        Update::Remove => monitoring.clear(),
        Update::Set(time) => {
            *monitoring = vec![Monitoring {
                at_ntp_s: time.0,
                ..Monitoring::default()
            }];
        }
    }
    if let Some(next) = monitoring.first_mut() {
        map(&ie.subsequent_volume_threshold, later_threshold).apply(&mut next.volume_threshold);
        map(&ie.subsequent_volume_quota, later_quota).apply(&mut next.volume_quota);
        map(&ie.subsequent_time_threshold, |time| time.0).apply(&mut next.time_threshold_s);
        map(&ie.subsequent_time_quota, |time| time.0).apply(&mut next.time_quota_s);
        next.time_threshold_s = next.time_threshold_s.and_then(positive);
    }
    match &ie.additional_monitoring_times {
        Update::Keep => {}
        Update::Remove => monitoring.truncate(1),
        Update::Set(times) => {
            monitoring.truncate(1);
            monitoring.extend(additional(rule, times)?);
        }
    }
    *monitoring = in_order(std::mem::take(monitoring));
    Ok(())
}

/// The most Monitoring Times of a URR: each may have reports of its own waiting.
const MONITORING_TIMES_MAX: usize = 32;

fn additional(
    rule: FailedRuleId,
    times: &[pfcp::AdditionalMonitoringTime],
) -> Result<impl Iterator<Item = Monitoring>, Refusal> {
    if times.len() >= MONITORING_TIMES_MAX {
        return Err(Refusal::rule::<pfcp::AdditionalMonitoringTime>(rule));
    }
    for time in times {
        unsupported!(rule,
            time.event_threshold => pfcp::EventThreshold,
            time.event_quota => pfcp::EventQuota,
            time.subsequent_event_threshold => pfcp::SubsequentEventThreshold,
            time.subsequent_event_quota => pfcp::SubsequentEventQuota,
        );
    }
    Ok(times.iter().map(|time| Monitoring {
        at_ntp_s: time.monitoring_time.0,
        volume_threshold: time
            .subsequent_volume_threshold
            .as_ref()
            .map(later_threshold),
        volume_quota: time.subsequent_volume_quota.as_ref().map(later_quota),
        time_threshold_s: time
            .subsequent_time_threshold
            .and_then(|time| positive(time.0)),
        time_quota_s: time.subsequent_time_quota.map(|time| time.0),
    }))
}

fn in_order(mut monitoring: Vec<Monitoring>) -> Vec<Monitoring> {
    if let Some(first) = monitoring.first().map(|first| first.at_ntp_s) {
        // Times are told modulo 2³², and lie closer together than that.
        monitoring.sort_by_key(|next| next.seconds_from(first));
    }
    monitoring
}

/// In order, each once.
fn linked(urrs: &[pfcp::LinkedUrrId]) -> Vec<UrrId> {
    let mut linked: Vec<UrrId> = urrs.iter().map(|urr| UrrId(urr.0)).collect();
    linked.sort_unstable();
    linked.dedup();
    linked
}

fn dropped(ie: &pfcp::DroppedDlTrafficThreshold) -> Option<Dropped> {
    let positive = |value: Option<u64>| value.filter(|value| *value > 0);
    let (octets, packets) = (positive(ie.octets), positive(ie.packets));
    (octets.is_some() || packets.is_some()).then_some(Dropped { octets, packets })
}

fn map<T, U>(ie: &Update<T>, value: impl Fn(&T) -> U) -> Update<U> {
    match ie {
        Update::Keep => Update::Keep,
        Update::Remove => Update::Remove,
        Update::Set(new) => Update::Set(value(new)),
    }
}

fn thresholds(values: [Option<u64>; 3]) -> Octets {
    let [total, uplink, downlink] = values.map(|value| value.filter(|value| *value > 0));
    Octets::new(total, uplink, downlink)
}

fn threshold(ie: &pfcp::VolumeThreshold) -> Octets {
    thresholds([ie.total, ie.uplink, ie.downlink])
}

fn later_threshold(ie: &pfcp::SubsequentVolumeThreshold) -> Octets {
    thresholds([ie.total, ie.uplink, ie.downlink])
}

fn quota(ie: &pfcp::VolumeQuota) -> Octets {
    Octets::new(ie.total, ie.uplink, ie.downlink)
}

fn later_quota(ie: &pfcp::SubsequentVolumeQuota) -> Octets {
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
