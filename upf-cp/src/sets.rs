//! Sets of sessions: those that fail together (FQ-CSID) and those that are restored together (Group
//! Id), and where the reports of those go that another SMF takes over (TS 29.244, 5.22, 7.4.6, 7.4.7).
//!
//! Few sessions have any of it: it is kept beside them.

use std::net::IpAddr;

use pfcp::{CsidNode, FqCsid, GroupId};
use rustc_hash::{FxHashMap, FxHashSet};
use session::SessionIndex;
use smallvec::SmallVec;

/// How many CSIDs a session may have: one for each kind of node. "The first count."
const CSIDS_PER_SESSION: usize = 8;

/// A connection set identifier, and the node that it fails with.
type Csid = (CsidNode, u16);

/// What sessions are in which sets.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    tags: FxHashMap<SessionIndex, Tags>,
    by_csid: FxHashMap<Csid, FxHashSet<SessionIndex>>,
}

/// What a session has of it.
#[derive(Debug, Default)]
struct Tags {
    csids: SmallVec<[Csid; 1]>,
    group: Option<GroupId>,
    /// The SMF that takes it over, until it has said how it calls the session.
    redirect: Option<IpAddr>,
}

/// Which sessions: those of any of these sets, or of these CP functions.
#[derive(Debug)]
pub(crate) struct Which {
    csids: FxHashSet<Csid>,
    groups: FxHashSet<GroupId>,
    addresses: FxHashSet<IpAddr>,
}

fn csids(ies: &[FqCsid]) -> impl Iterator<Item = Csid> + '_ {
    ies.iter()
        .flat_map(|ie| ie.csids.iter().map(|csid| (ie.node, *csid)))
}

impl Which {
    pub(crate) fn new(change: &pfcp::SessionChangeInfo) -> Self {
        let addresses = change.cp_ip_addresses.iter().flat_map(|address| {
            let ipv4 = address.ipv4.map(IpAddr::V4);
            ipv4.into_iter().chain(address.ipv6.map(IpAddr::V6))
        });
        Self {
            csids: csids(&change.pgw_c_smf_fq_csids).collect(),
            groups: change.group_ids.iter().cloned().collect(),
            addresses: addresses.collect(),
        }
    }

    /// The sessions of any of these sets.
    pub(crate) fn of(fq_csids: &[FqCsid]) -> Self {
        Self {
            csids: csids(fq_csids).collect(),
            groups: FxHashSet::default(),
            addresses: FxHashSet::default(),
        }
    }

    /// How many sets and CP functions it names.
    pub(crate) fn len(&self) -> usize {
        self.csids.len() + self.groups.len() + self.addresses.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Sets {
    /// The FQ-CSIDs of a session are these now.
    pub(crate) fn set_csids(&mut self, index: SessionIndex, ies: &[FqCsid]) {
        self.clear_csids(index);
        let new: SmallVec<[Csid; 1]> = csids(ies).take(CSIDS_PER_SESSION).collect();
        if new.is_empty() {
            return;
        }
        for csid in &new {
            self.by_csid.entry(*csid).or_default().insert(index);
        }
        self.tags.entry(index).or_default().csids = new;
    }

    /// The Group Id of a session is this now.
    pub(crate) fn set_group(&mut self, index: SessionIndex, group: &GroupId) {
        self.tags.entry(index).or_default().group = Some(group.clone());
    }

    /// Where the reports of a session go instead of to its CP F-SEID.
    pub(crate) fn redirected(&self, index: SessionIndex) -> Option<IpAddr> {
        self.tags.get(&index)?.redirect
    }

    pub(crate) fn redirect(&mut self, index: SessionIndex, to: IpAddr) {
        self.tags.entry(index).or_default().redirect = Some(to);
    }

    /// The SMF that took the session over has said how it calls it.
    pub(crate) fn arrived(&mut self, index: SessionIndex) {
        if let Some(tags) = self.tags.get_mut(&index) {
            tags.redirect = None;
        }
    }

    /// The session is no more.
    pub(crate) fn forget(&mut self, index: SessionIndex) {
        if !self.tags.is_empty() {
            self.clear_csids(index);
            self.tags.remove(&index);
        }
    }

    /// The sessions that have any of these CSIDs, of all CP functions; those of several as often.
    /// And how many that are.
    pub(crate) fn members(
        &self,
        which: &Which,
    ) -> (impl Iterator<Item = SessionIndex> + Clone, usize) {
        let csids = which.csids.iter();
        let sets = csids.filter_map(|csid| self.by_csid.get(csid));
        let sessions = sets.clone().flatten().copied();
        (sessions, sets.map(FxHashSet::len).sum())
    }

    /// Whether a session of the CP function at `cp` is one of these.
    pub(crate) fn is_among(&self, index: SessionIndex, cp: IpAddr, which: &Which) -> bool {
        if which.addresses.contains(&cp) {
            return true;
        }
        self.tags.get(&index).is_some_and(|tags| {
            let group = tags.group.as_ref();
            tags.csids.iter().any(|csid| which.csids.contains(csid))
                || group.is_some_and(|group| which.groups.contains(group))
        })
    }

    fn clear_csids(&mut self, index: SessionIndex) {
        let Some(tags) = self.tags.get_mut(&index) else {
            return;
        };
        for csid in std::mem::take(&mut tags.csids) {
            if let Some(there) = self.by_csid.get_mut(&csid) {
                there.remove(&index);
                if there.is_empty() {
                    self.by_csid.remove(&csid);
                }
            }
        }
    }
}
