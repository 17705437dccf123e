//! BARs: how many packets wait, and for how long.

use pfcp::{FailedRuleId, Update};
use session::BarId;
use session::rule::{Action, Bar, ExtendedBuffering, Far};

use super::qer::update;
use super::{Translator, unsupported};
use crate::config::ExtendedMost;
use crate::refusal::Refusal;

impl Translator<'_> {
    /// Create BAR (TS 29.244, 7.5.2.6).
    pub(crate) fn create_bar(&mut self, ie: &pfcp::CreateBar) -> Result<(), Refusal> {
        let rule = FailedRuleId::Bar(ie.bar_id);
        unsupported!(rule,
            ie.dl_buffering_duration => pfcp::DlBufferingDuration,
            ie.dl_buffering_suggested_packet_count => pfcp::DlBufferingSuggestedPacketCount,
        );
        let bars = &mut self.draft.rules.bars;
        // "At most one BAR per session."
        if !bars.is_empty() {
            return Err(Refusal::rule::<pfcp::BarId>(rule));
        }
        let suggested_packets = ie.suggested_buffering_packets_count.map(|count| count.0);
        bars.push(Bar {
            id: BarId(ie.bar_id.0),
            suggested_packets,
            notification_delay_ms: ie.downlink_data_notification_delay.map_or(0, delay_ms),
            extended: None,
        });
        Ok(())
    }

    /// Update BAR (TS 29.244, 7.5.4.11).
    pub(crate) fn update_bar(&mut self, ie: &pfcp::UpdateBar) -> Result<(), Refusal> {
        let rule = FailedRuleId::Bar(ie.bar_id);
        unsupported!(rule,
            ie.dl_buffering_duration => pfcp::DlBufferingDuration,
            ie.dl_buffering_suggested_packet_count => pfcp::DlBufferingSuggestedPacketCount,
        );
        self.change_bar(ie)?;
        Ok(())
    }

    /// Update BAR in a Session Report Response (TS 29.244, 7.5.9.2): may begin extended buffering,
    /// or end it by a duration of zero.
    pub(crate) fn update_bar_of_answer(
        &mut self,
        ie: &pfcp::UpdateBar,
        most: ExtendedMost,
    ) -> Result<(), Refusal> {
        let now_ms = self.now.elapsed_ms;
        let bar = self.change_bar(ie)?;
        let packets = match &ie.dl_buffering_suggested_packet_count {
            Update::Keep => bar.extended.and_then(|extended| extended.packets),
            Update::Remove => None,
            Update::Set(count) => Some(count.0.min(most.packets)),
        };
        match &ie.dl_buffering_duration {
            Update::Keep => {
                if let Some(extended) = &mut bar.extended {
                    extended.packets = packets;
                }
            }
            Update::Remove => bar.extended = None,
            Update::Set(duration) => {
                let seconds = duration.0.seconds().unwrap_or(u32::MAX).min(most.seconds);
                bar.extended = (seconds > 0).then(|| ExtendedBuffering {
                    seconds,
                    packets,
                    until_ms: now_ms + u64::from(seconds) * 1000,
                });
            }
        }
        Ok(())
    }

    fn change_bar(&mut self, ie: &pfcp::UpdateBar) -> Result<&mut Bar, Refusal> {
        let bars = &mut self.draft.rules.bars;
        let bar = bars.iter_mut().find(|bar| bar.id.0 == ie.bar_id.0);
        let bar = bar.ok_or(Refusal::rule::<pfcp::BarId>(FailedRuleId::Bar(ie.bar_id)))?;
        let count = &ie.suggested_buffering_packets_count;
        update(count, &mut bar.suggested_packets, |count| Some(count.0));
        match &ie.downlink_data_notification_delay {
            Update::Keep => {}
            Update::Remove => bar.notification_delay_ms = 0,
            Update::Set(delay) => bar.notification_delay_ms = delay_ms(*delay),
        }
        Ok(bar)
    }

    /// Ends extended buffering.
    pub(crate) fn end_extended(&mut self) {
        for bar in &mut self.draft.rules.bars {
            bar.extended = None;
        }
    }

    /// Extended buffering lasts until the FARs that buffer do so no longer.
    pub(super) fn settle_bars(&mut self) {
        let rules = &mut self.draft.rules;
        for bar in rules.bars.iter_mut().filter(|bar| bar.extended.is_some()) {
            let holds =
                |far: &Far| far.bar == Some(bar.id) && matches!(far.action, Action::Buffer { .. });
            if !rules.fars.iter().any(holds) {
                bar.extended = None;
            }
        }
    }

    /// Remove BAR (TS 29.244, 7.5.4.12), and with it what refers to it.
    pub(crate) fn remove_bar(&mut self, id: pfcp::BarId) -> Result<(), Refusal> {
        let rules = &mut self.draft.rules;
        let there = rules.bars.iter().position(|bar| bar.id.0 == id.0);
        let there = there.ok_or(Refusal::rule::<pfcp::BarId>(FailedRuleId::Bar(id)))?;
        let gone = rules.bars.swap_remove(there).id;
        for far in rules.fars.iter_mut().filter(|far| far.bar == Some(gone)) {
            far.bar = None;
        }
        Ok(())
    }
}

/// It is given in units of 50 ms (TS 29.244, 8.2.28).
fn delay_ms(ie: pfcp::DownlinkDataNotificationDelay) -> u16 {
    u16::from(ie.0) * 50
}
