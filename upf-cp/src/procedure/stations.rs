//! Stations behind the UEs of Ethernet sessions (TS 29.244, 5.13.5): learned when workers hear them,
//! moved when they are heard elsewhere, forgotten when they are silent; and SMFs told of all that.

use std::sync::Arc;

use pfcp::{
    EthernetTrafficInformation, MacAddressesDetected, MacAddressesRemoved, MacList, ReportType,
    ReportingTriggers, SessionReportRequest, UsageReportTrigger, VlanTag,
};
use session::ethernet::{Learned, Station, Stations, Tags};
use session::rule::Pdn;
use session::topology::EthernetNetwork;
use session::usage::Moment;
use session::{InterfaceId, Key, Seid, SessionIndex};

use super::usage::{REPORTS_PER_DATAGRAM, reading};
use crate::node::Node;
use crate::sessions::Session;
use crate::timer::{Deadline, Timer};
use crate::translate::Draft;

/// What is told of stations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Detected,
    Removed,
}

impl Node {
    /// A worker heard a station where it is not known to be. Much may have changed meanwhile.
    pub(crate) fn station_heard(
        &mut self,
        index: SessionIndex,
        (station, tags): (Station, Tags),
        outside: bool,
    ) {
        let network = self.sessions.get(index).and_then(network_of);
        let Some(network) = network else {
            self.counters.reports_stale += 1;
            return;
        };
        let holder = self.publisher.owner(Key::Station(network, station));
        if let Some(holder) = holder {
            let elsewhere = outside == (holder == index);
            if !elsewhere || !self.may_leave(holder, network, station) {
                self.counters.reports_stale += 1;
                return;
            }
            self.lose(holder, &|learned| learned.station == station);
        }
        if !outside {
            self.learn(index, station, tags);
        }
    }

    /// Whether a station has been silent for long enough where it is known to be.
    fn may_leave(&self, holder: SessionIndex, network: InterfaceId, station: Station) -> bool {
        let now_ms = self.now.elapsed_ms;
        let heard = self.sessions.get(holder).and_then(|session| {
            let stations = session.installed.rules.pdn.stations()?;
            let mut learned = stations.learned.iter();
            let learned = learned.find(|learned| learned.station == station)?;
            Some(learned.heard().to_ms(now_ms))
        });
        let network = self.topology.ethernet(network).copied();
        let pause_ms = u64::from(network.unwrap_or_default().move_after_s) * 1000;
        heard.is_none_or(|heard_ms| now_ms - heard_ms >= pause_ms)
    }

    fn learn(&mut self, index: SessionIndex, station: Station, tags: Tags) {
        let now = Moment::of_ms(self.now.elapsed_ms);
        let learned = Arc::new(Learned::new(station, tags, now));
        let most = self.stations_most(index);
        let new = Arc::clone(&learned);
        let is_in_force = self.change_stations(index, move |stations| {
            if stations.learned.len() < most {
                stations.learned.push(new);
            }
            stations.full = stations.learned.len() >= most;
        });
        if is_in_force {
            self.tell_of(index, &[learned], Told::Detected);
        }
    }

    /// Takes stations out of a session.
    fn lose(&mut self, index: SessionIndex, is_lost: &dyn Fn(&Learned) -> bool) {
        let session = self.sessions.get(index);
        let stations = session.and_then(|session| session.installed.rules.pdn.stations());
        let learned = stations.into_iter().flat_map(|stations| &stations.learned);
        let lost = learned.filter(|learned| is_lost(learned)).cloned();
        let lost: Vec<_> = lost.collect();
        if lost.is_empty() {
            return;
        }
        let is_in_force = self.change_stations(index, |stations| {
            stations.learned.retain(|learned| !lost.contains(learned));
            stations.full = false;
        });
        if is_in_force {
            self.tell_of(index, &lost, Told::Removed);
        }
    }

    /// Puts other stations of a session in force; whether that went well.
    fn change_stations(&mut self, index: SessionIndex, change: impl FnOnce(&mut Stations)) -> bool {
        let Some(session) = self.sessions.get(index) else {
            return false;
        };
        let seid = session.seid;
        let mut draft = Draft {
            rules: session.installed.rules.clone(),
            details: session.details.clone(),
            ..Draft::default()
        };
        if let Pdn::Ethernet(stations) = &mut draft.rules.pdn {
            change(stations);
        }
        match self.put_in_force(index, &mut draft) {
            Ok(()) => {
                let is_in_force = draft.published.is_some();
                self.commit(index, None, &mut draft, false);
                is_in_force
            }
            Err(refusal) => {
                self.give_up(&mut draft);
                self.counters.stations_refused += 1;
                if self.may_log() {
                    tracing::warn!(%seid, %refusal, "a station finds no room");
                }
                false
            }
        }
    }

    /// The most stations that a session may have.
    fn stations_most(&self, index: SessionIndex) -> usize {
        let network = self.sessions.get(index).and_then(network_of);
        let network = network.and_then(|network| self.topology.ethernet(network));
        network.map_or(0, |network| network.stations_per_session.into())
    }

    /// After how long a station of a session is forgotten, in milliseconds: its network says so, or
    /// an Ethernet Inactivity Timer that is shorter.
    fn aging_ms(&self, session: &Session) -> u64 {
        let network = network_of(session).and_then(|network| self.topology.ethernet(network));
        let aging_s = network.map_or(EthernetNetwork::default().aging_s, |network| {
            network.aging_s
        });
        let urrs = session.details.urrs.iter();
        let timers = urrs.filter_map(|urr| urr.wanted.rare()?.stations_s);
        let seconds = timers.chain([aging_s]).min();
        u64::from(seconds.unwrap_or(aging_s)) * 1000
    }

    /// Sets the timer for the station of a session that has been silent for longest.
    pub(crate) fn arm_stations(&mut self, index: SessionIndex) {
        let now_ms = self.now.elapsed_ms;
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let stations = session.installed.rules.pdn.stations();
        let learned = stations.into_iter().flat_map(|stations| &stations.learned);
        let heard = learned.map(|learned| learned.heard().to_ms(now_ms)).min();
        let Some(heard_ms) = heard else { return };
        let at_ms = (heard_ms + self.aging_ms(session)).max(now_ms + 1);
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if session.details.stations_wait_until(at_ms) {
            self.timers.set(
                at_ms,
                Timer::Session(index, session.seid, Deadline::Stations),
            );
        }
    }

    /// Forgets the stations of a session that have been silent.
    pub(crate) fn stations_due(&mut self, index: SessionIndex, seid: Seid) {
        let session = self.sessions.get_mut(index);
        let Some(session) = session.filter(|session| session.seid == seid) else {
            return;
        };
        session.details.stations_waited();
        let now_ms = self.now.elapsed_ms;
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let aging_ms = self.aging_ms(session);
        let is_silent = move |learned: &Learned| now_ms - learned.heard().to_ms(now_ms) >= aging_ms;
        self.lose(index, &is_silent);
        self.arm_stations(index);
    }

    /// Tells the SMF of stations, by those of the session's URRs that want it.
    fn tell_of(&mut self, index: SessionIndex, learned: &[Arc<Learned>], told: Told) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let installed = &session.installed;
        let mut usage_reports = Vec::new();
        let urrs = session.details.urrs.iter_mut();
        for urr in urrs.filter(|urr| urr.wanted.reports_on(ReportingTriggers::MACAR)) {
            if urr.is_over() {
                continue;
            }
            let reading = reading(installed, urr.id, now);
            let before = usage_reports.len();
            urr.report(UsageReportTrigger::MACAR, now, &reading, &mut usage_reports);
            for report in usage_reports.iter_mut().skip(before) {
                report.ethernet_traffic_information = Some(information(learned, told));
            }
        }
        for usage_reports in usage_reports.chunks(REPORTS_PER_DATAGRAM) {
            self.report(
                index,
                SessionReportRequest {
                    report_type: ReportType::USAR,
                    usage_reports: usage_reports.to_vec(),
                    ..Default::default()
                },
            );
        }
    }
}

/// The Ethernet network of a session, if it takes frames from one.
fn network_of(session: &Session) -> Option<InterfaceId> {
    session
        .installed
        .keys()
        .into_iter()
        .find_map(|key| match key {
            Key::Member(network, _) => Some(network),
            _ => None,
        })
}

/// Stations with the same tags go together.
fn information(learned: &[Arc<Learned>], told: Told) -> EthernetTrafficInformation {
    let mut lists: Vec<(Tags, Vec<pfcp::Mac>)> = Vec::new();
    for learned in learned {
        let mac = pfcp::Mac(learned.station.mac());
        match lists.iter_mut().find(|(tags, _)| *tags == learned.tags) {
            Some((_, macs)) => macs.push(mac),
            None => lists.push((learned.tags, vec![mac])),
        }
    }
    let mut information = EthernetTrafficInformation::default();
    for (tags, macs) in lists {
        // A session has no more than one octet counts.
        let list = MacList {
            addresses: pfcp::Several::new(macs).unwrap_or_default(),
            c_tag: tags.c_tag.map(vlan_tag),
            s_tag: tags.s_tag.map(vlan_tag),
        };
        match told {
            Told::Detected => information
                .mac_addresses_detecteds
                .push(MacAddressesDetected(list)),
            Told::Removed => information
                .mac_addresses_removeds
                .push(MacAddressesRemoved(list)),
        }
    }
    information
}

/// The VLAN of a tag: the rest of it is not the station's.
fn vlan_tag(tci: u16) -> VlanTag {
    VlanTag {
        vid: Some(pfcp::Bits16::of_lower(tci)),
        ..VlanTag::default()
    }
}
