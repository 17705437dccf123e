//! What an SMF asks a URR for.

use pfcp::{MeasurementInformation, MeasurementMethod, ReportingTriggers};
use session::{FarId, UrrId};

use super::Octets;

/// What the SMF asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) method: MeasurementMethod,
    pub(crate) triggers: ReportingTriggers,
    pub(crate) information: MeasurementInformation,
    pub(crate) volume_threshold: Octets,
    pub(crate) volume_quota: Option<Octets>,
    pub(crate) time_threshold_s: Option<u32>,
    pub(crate) time_quota_s: Option<u32>,
    pub(crate) period_s: Option<u32>,
    pub(crate) quota_validity_s: Option<u32>,
    pub(crate) rare: Option<Box<RarelyWanted>>,
}

/// What few SMFs ask for: it costs the others a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RarelyWanted {
    /// Quota Holding Time.
    pub(crate) holding_s: Option<u32>,
    /// Inactivity Detection Time.
    pub(crate) inactivity_s: Option<u32>,
    /// User Plane Inactivity Timer.
    pub(crate) idle_s: Option<u32>,
    /// Ethernet Inactivity Timer.
    pub(crate) stations_s: Option<u32>,
    /// Dropped DL Traffic Threshold.
    pub(crate) dropped: Option<Dropped>,
    /// Monitoring Time and Additional Monitoring Times to come, soonest first.
    pub(crate) monitoring: Vec<Monitoring>,
    /// Linked URR IDs: a report of one of these is one of this, too.
    pub(crate) linked: Vec<UrrId>,
    /// Number of Reports.
    pub(crate) reports: Option<u16>,
    /// FAR ID for Quota Action.
    pub(crate) quota_far: Option<FarId>,
}

/// Dropped DL Traffic Threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) octets: Option<u64>,
    pub(crate) packets: Option<u64>,
}

/// A Monitoring Time, and what holds from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Monitoring {
    /// When: seconds since 1900, modulo 2³².
    pub(crate) at_ntp_s: u32,
    pub(crate) volume_threshold: Option<Octets>,
    pub(crate) volume_quota: Option<Octets>,
    pub(crate) time_threshold_s: Option<u32>,
    pub(crate) time_quota_s: Option<u32>,
}

impl Monitoring {
    /// How many seconds from that moment it is; negative if it has passed.
    pub(crate) fn seconds_from(&self, ntp_s: u32) -> i32 {
        self.at_ntp_s.wrapping_sub(ntp_s).cast_signed()
    }
}

impl Wanted {
    pub(crate) fn rare(&self) -> Option<&RarelyWanted> {
        self.rare.as_deref()
    }

    /// To change what few SMFs ask for.
    pub(crate) fn rare_mut(&mut self) -> &mut RarelyWanted {
        self.rare.get_or_insert_default()
    }

    /// What asks for nothing needs no room.
    pub(crate) fn tidy(&mut self) {
        self.rare = self
            .rare
            .take()
            .filter(|rare| **rare != RarelyWanted::default());
    }

    pub(crate) fn has(&self, information: MeasurementInformation) -> bool {
        self.information.contains(information)
    }

    pub(crate) fn reports_on(&self, trigger: ReportingTriggers) -> bool {
        self.triggers.contains(trigger)
    }

    pub(crate) fn quota_far(&self) -> Option<FarId> {
        self.rare().and_then(|rare| rare.quota_far)
    }

    pub(crate) fn has_quota(&self) -> bool {
        self.volume_quota.is_some() || self.time_quota_s.is_some()
    }

    pub(super) fn measures_time(&self) -> bool {
        self.method.contains(MeasurementMethod::DURAT)
            || self.time_threshold_s.is_some()
            || self.time_quota_s.is_some()
    }
}
