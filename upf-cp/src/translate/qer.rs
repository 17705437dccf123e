//! QERs: gates, rates and marks.

use pfcp::{FailedRuleId, Update};
use session::rule::{BitRate, Gate, Qer};
use session::{QerId, Qfi};

use super::{Translator, unsupported};
use crate::refusal::Refusal;

impl Translator<'_> {
    /// Create QER (TS 29.244, 7.5.2.5).
    pub(crate) fn create_qer(&mut self, ie: &pfcp::CreateQer) -> Result<(), Refusal> {
        let rule = FailedRuleId::Qer(ie.qer_id);
        unsupported!(rule,
            ie.packet_rate => pfcp::PacketRate,
            ie.packet_rate_status => pfcp::PacketRateStatus,
            ie.dl_flow_level_marking => pfcp::DlFlowLevelMarking,
            ie.qer_indications => pfcp::QerIndications,
        );
        let qers = &mut self.draft.rules.qers;
        if qers.iter().any(|qer| qer.id.0 == ie.qer_id.0) {
            return Err(Refusal::rule::<pfcp::QerId>(rule));
        }
        qers.push(Qer {
            id: QerId(ie.qer_id.0),
            uplink_gate: gate(ie.gate_status.uplink_open()),
            downlink_gate: gate(ie.gate_status.downlink_open()),
            mbr: ie
                .maximum_bitrate
                .as_ref()
                .map(|rate| rates(rate.uplink, rate.downlink)),
            gbr: ie
                .guaranteed_bitrate
                .as_ref()
                .map(|rate| rates(rate.uplink, rate.downlink)),
            averaging_window_ms: ie.averaging_window.map(|window| window.0),
            qfi: ie.qfi.and_then(|qfi| Qfi::new(qfi.get())),
            rqi: ie.reflective_qos.is_some_and(|rqi| rqi.get() == 1),
            ppi: ie
                .paging_policy_indicator
                .map(pfcp::PagingPolicyIndicator::get),
        });
        Ok(())
    }

    /// Update QER (TS 29.244, 7.5.4.5): what is absent stays.
    pub(crate) fn update_qer(&mut self, ie: &pfcp::UpdateQer) -> Result<(), Refusal> {
        let rule = FailedRuleId::Qer(ie.qer_id);
        unsupported!(rule,
            ie.packet_rate => pfcp::PacketRate,
            ie.dl_flow_level_marking => pfcp::DlFlowLevelMarking,
            ie.qer_indications => pfcp::QerIndications,
        );
        let qer = self
            .draft
            .rules
            .qers
            .iter_mut()
            .find(|qer| qer.id.0 == ie.qer_id.0);
        let qer = qer.ok_or(Refusal::rule::<pfcp::QerId>(rule))?;
        if let Some(status) = ie.gate_status {
            qer.uplink_gate = gate(status.uplink_open());
            qer.downlink_gate = gate(status.downlink_open());
        }
        update(&ie.maximum_bitrate, &mut qer.mbr, |rate| {
            Some(rates(rate.uplink, rate.downlink))
        });
        update(&ie.guaranteed_bitrate, &mut qer.gbr, |rate| {
            Some(rates(rate.uplink, rate.downlink))
        });
        update(&ie.qfi, &mut qer.qfi, |qfi| Qfi::new(qfi.get()));
        update(&ie.paging_policy_indicator, &mut qer.ppi, |ppi| {
            Some(ppi.get())
        });
        update(
            &ie.averaging_window,
            &mut qer.averaging_window_ms,
            |window| Some(window.0),
        );
        match &ie.reflective_qos {
            Update::Keep => {}
            Update::Remove => qer.rqi = false,
            Update::Set(rqi) => qer.rqi = rqi.get() == 1,
        }
        Ok(())
    }

    /// Remove QER (TS 29.244, 7.5.4.9), and with it what refers to it.
    pub(crate) fn remove_qer(&mut self, id: pfcp::QerId) -> Result<(), Refusal> {
        let qers = &mut self.draft.rules.qers;
        let there = qers.iter().position(|qer| qer.id.0 == id.0);
        let there = there.ok_or(Refusal::rule::<pfcp::QerId>(FailedRuleId::Qer(id)))?;
        let gone = qers.swap_remove(there).id;
        self.draft
            .pdrs_mut()
            .for_each(|pdr| pdr.qers.retain(|qer| *qer != gone));
        Ok(())
    }
}

/// Does to a value what the message says.
pub(super) fn update<T, U>(
    ie: &Update<T>,
    value: &mut Option<U>,
    translate: impl Fn(&T) -> Option<U>,
) {
    match ie {
        Update::Keep => {}
        Update::Remove => *value = None,
        Update::Set(new) => *value = translate(new),
    }
}

const fn gate(open: bool) -> Gate {
    if open { Gate::Open } else { Gate::Closed }
}

const fn rates(uplink: pfcp::Kbps, downlink: pfcp::Kbps) -> BitRate {
    BitRate {
        uplink_kbps: uplink.get(),
        downlink_kbps: downlink.get(),
    }
}
