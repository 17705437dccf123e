//! The control side's half of the tables: what it reserves, publishes, withdraws and reclaims.

mod find;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::keys::{Route, ipv4_key, ipv6_key, station_key, tunnel_key};
use super::lengths::LengthCounts;
use super::members::Places;
use super::{EntryId, Epoch, Handle, Key, PublishError, Tables};
use crate::id::{SessionIndex, Teid, WorkerId};
use crate::plan::{Keys, Plan};
use crate::publish::{Filled, Vacancies, Vacant};
use crate::table::{Freed, InsertError};
use crate::teid::TeidAllocator;
use crate::usage::Moment;

/// How many retired things go in one call: more than a session leaves behind, so that they do not
/// pile up, and few enough that nobody waits long for the call.
const RECLAIMED_AT_ONCE: usize = 4_096;

/// Something that can be used again after a grace period.
#[derive(Debug)]
enum Retired {
    Plan(Filled),
    Session(SessionIndex),
    Chosen(Teid),
    Given(Freed),
    Ipv4(Freed),
    Ipv6(Freed),
    Route(Freed),
    Station(Freed),
}

/// The control side's access to the tables. There is one.
#[derive(Debug)]
pub struct Publisher {
    tables: Arc<Tables>,
    vacancies: Vacancies,
    teids: TeidAllocator,
    workers: u8,
    /// TEIDs that SMFs gave, on how many interfaces: not to be chosen.
    given: FxHashMap<Teid, u8>,
    ipv6_lengths: LengthCounts,
    /// Networks behind UEs, in order, so that one within another is found.
    routes: BTreeMap<Route, SessionIndex>,
    route_lengths: LengthCounts,
    /// Where the Ethernet sessions are.
    members: Places,
    /// The lowest session index that was never used.
    fresh: u32,
    free: VecDeque<SessionIndex>,
    sessions: u32,
    capacity: u32,
    retired: VecDeque<(Epoch, Retired)>,
}

impl Publisher {
    pub(super) fn new(
        tables: Arc<Tables>,
        vacancies: Vacancies,
        workers: u8,
        capacity: u32,
    ) -> Self {
        Self {
            teids: TeidAllocator::new(&tables.chosen),
            tables,
            vacancies,
            workers: workers.max(1),
            given: FxHashMap::default(),
            ipv6_lengths: LengthCounts::default(),
            routes: BTreeMap::new(),
            route_lengths: LengthCounts::default(),
            members: Places::default(),
            fresh: 1,
            free: VecDeque::new(),
            sessions: 0,
            capacity,
            retired: VecDeque::new(),
        }
    }

    /// The tables, for whoever has to wait for an [`Epoch`].
    pub const fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Tells the workers the time.
    pub fn tell_time(&self, now: Moment) {
        let clock = &self.tables.clock;
        // The workers read it: it is written when it changes alone.
        if clock.load(Relaxed) != now.0 {
            clock.store(now.0, Relaxed);
        }
    }

    /// Sessions that are reserved or published now.
    pub const fn sessions(&self) -> u32 {
        self.sessions
    }

    /// Reserves a place for a session, and says which worker will own it; `None` when full.
    /// Given back by [`withdraw`](Self::withdraw).
    pub fn reserve(&mut self) -> Option<(SessionIndex, WorkerId)> {
        self.reclaim();
        let session = if self.fresh <= self.capacity {
            self.fresh += 1;
            SessionIndex(self.fresh - 1)
        } else {
            while self.free.is_empty() && self.reclaim() {}
            self.free.pop_front()?
        };
        self.sessions += 1;
        let worker = session.0 % u32::from(self.workers);
        Some((session, WorkerId(u8::try_from(worker).unwrap_or(0))))
    }

    /// Chooses a TEID for a session of `worker`; `None` when there are no more. It leads nowhere
    /// until it is published; given back by [`return_teid`](Self::return_teid), or with its key.
    pub fn choose_teid(&mut self, worker: WorkerId) -> Option<Teid> {
        let mut more = true;
        loop {
            let Some(teid) = self.teids.allocate(worker) else {
                if !std::mem::take(&mut more) {
                    return None;
                }
                more = self.reclaim();
                continue;
            };
            // Zero is no TEID; one that an SMF gave is taken: it would be ambiguous. Both are left
            // out for good, which costs one position per TEID that SMFs ever gave.
            if teid != Teid(0) && !self.given.contains_key(&teid) {
                return Some(teid);
            }
        }
    }

    /// Gives back a chosen TEID that was never published.
    pub fn return_teid(&mut self, teid: Teid) {
        self.teids.release(teid);
    }

    /// Puts `plan` in force for `session`, with the keys of `change`. All or nothing; a packet sees
    /// the old rules or the new, never a mix.
    ///
    /// # Errors
    /// When a key belongs to another session or finds no room; then nothing has changed.
    pub fn publish(
        &mut self,
        session: SessionIndex,
        plan: Plan,
        change: &KeyChange,
    ) -> Result<Epoch, PublishError> {
        let place = self.place().ok_or(PublishError::Busy)?;
        let plan = self.tables.plans.fill(place, plan);
        for (done, new) in change.add.iter().enumerate() {
            if let Err(error) = self.add(session, plan.number(), *new) {
                let added = change.add.get(..done).unwrap_or_default();
                for new in added {
                    self.remove(new.key, Some(session));
                }
                // A packet may have come by one of these keys.
                self.retire(Retired::Plan(plan));
                self.end_epoch();
                return Err(match error {
                    InsertError::Taken => PublishError::Taken(new.key),
                    InsertError::Full => PublishError::Full(new.key),
                });
            }
        }
        for (key, entry) in &change.keep {
            self.lead(*key, Handle::word(plan.number(), *entry));
        }
        self.swap(session, Some(plan));
        for key in &change.remove {
            self.remove(*key, None);
        }
        Ok(self.end_epoch())
    }

    /// A place for a plan; before there is none, all that can go goes.
    fn place(&mut self) -> Option<Vacant> {
        loop {
            if let Some(place) = self.vacancies.take() {
                return Some(place);
            }
            let before = self.retired.len();
            self.reclaim();
            if self.retired.len() == before {
                return None;
            }
        }
    }

    /// Makes a key that the session has lead to another place.
    fn lead(&self, key: Key, handle: u32) {
        let tables = &self.tables;
        let was = match key {
            Key::Tunnel(tunnel) if tables.chosen.get(tunnel.teid).is_some() => {
                tables.chosen.set(tunnel.teid, handle)
            }
            Key::Tunnel(tunnel) => tables.given.replace(&tunnel_key(tunnel), handle),
            Key::Ipv4(vrf, address) => tables.ipv4.replace(&ipv4_key(vrf, address), handle),
            Key::Ipv6(vrf, prefix) => tables.ipv6.replace(&ipv6_key(vrf, prefix), handle),
            Key::Route(vrf, net) => tables.routes.replace(&Route::new(vrf, net).key(), handle),
            Key::Station(vrf, station) => {
                tables.stations.replace(&station_key(vrf, station), handle)
            }
            Key::Member(vrf, member) => self.members.lead(&tables.members, (vrf, member), handle),
        };
        if was != 0 {
            self.leads_no_more(was);
            tables.plans.count_entry(handle >> 8, true);
        }
    }

    /// An entry has lost this handle.
    fn leads_no_more(&self, handle: u32) {
        self.tables.plans.count_entry(handle >> 8, false);
    }

    /// Takes a session out of force with all its keys; its place is free after the returned epoch.
    pub fn withdraw(&mut self, session: SessionIndex, keys: &[Key]) -> Epoch {
        for key in keys {
            self.remove(*key, None);
        }
        self.swap(session, None);
        self.retire(Retired::Session(session));
        self.sessions = self.sessions.saturating_sub(1);
        self.end_epoch()
    }

    /// Frees what no worker can be looking at any more, up to a bounded number of things; `true`
    /// if there is more of it. Called by [`reserve`](Self::reserve); call it from time to time
    /// besides.
    pub fn reclaim(&mut self) -> bool {
        let passed = self.tables.passed();
        for _ in 0..RECLAIMED_AT_ONCE {
            let Some((_, retired)) = self.retired.pop_front_if(|(epoch, _)| *epoch <= passed)
            else {
                return false;
            };
            match retired {
                Retired::Plan(plan) => {
                    let place = self.tables.plans.clear(plan);
                    debug_assert!(place.is_some(), "a key still leads to a plan out of force");
                    if let Some(place) = place {
                        self.vacancies.give(place);
                    }
                }
                Retired::Session(session) => self.free.push_back(session),
                Retired::Chosen(teid) => self.teids.release(teid),
                Retired::Given(freed) => self.tables.given.free(freed),
                Retired::Ipv4(freed) => self.tables.ipv4.free(freed),
                Retired::Ipv6(freed) => self.tables.ipv6.free(freed),
                Retired::Route(freed) => self.tables.routes.free(freed),
                Retired::Station(freed) => self.tables.stations.free(freed),
            }
        }
        let next = self.retired.front();
        next.is_some_and(|(epoch, _)| *epoch <= passed)
    }

    /// What waits for a grace period.
    pub fn retired(&self) -> usize {
        self.retired.len()
    }

    fn add(&mut self, session: SessionIndex, plan: u32, new: NewKey) -> Result<(), InsertError> {
        let handle = Handle::word(plan, new.entry);
        match new.key {
            Key::Tunnel(tunnel) if new.chosen => {
                self.tables.chosen.set(tunnel.teid, handle);
            }
            Key::Tunnel(tunnel) => {
                if self.tables.chosen.get(tunnel.teid).is_some() {
                    return Err(InsertError::Taken);
                }
                self.insert(new.key, handle)?;
                *self.given.entry(tunnel.teid).or_default() += 1;
            }
            Key::Ipv4(..) | Key::Station(..) => self.insert(new.key, handle)?,
            Key::Member(vrf, member) => {
                let members = &self.tables.members;
                if !self.members.add(members, (vrf, member), handle) {
                    return Err(InsertError::Full);
                }
            }
            Key::Ipv6(_, prefix) => {
                self.insert(new.key, handle)?;
                let lengths = &self.tables.ipv6_lengths;
                self.ipv6_lengths.count(lengths, prefix.prefix_len(), true);
            }
            Key::Route(vrf, net) => {
                let route = Route::new(vrf, net);
                if self.overlaps_another(route, session) {
                    return Err(InsertError::Taken);
                }
                self.insert(new.key, handle)?;
                self.routes.insert(route, session);
                let lengths = &self.tables.route_lengths;
                self.route_lengths.count(lengths, route.length, true);
            }
        }
        self.tables.plans.count_entry(plan, true);
        Ok(())
    }

    /// A slot that rests is none that is taken: before a table is full, all that can go goes.
    fn insert(&mut self, key: Key, handle: u32) -> Result<(), InsertError> {
        let inserted = self.tables.insert(key, handle);
        if !matches!(inserted, Err(InsertError::Full)) {
            return inserted;
        }
        while self.reclaim() {}
        self.tables.insert(key, handle)
    }

    /// Whether another session has a route within this one, or around it: "PDRs of different
    /// sessions must not overlap" (TS 29.244, 5.2.1). A UE's own address is no route, and is found
    /// before any.
    fn overlaps_another(&self, route: Route, session: SessionIndex) -> bool {
        let mask = u128::MAX.checked_shr(route.length.into()).unwrap_or(0);
        let last = Route {
            first: route.first | mask,
            length: u8::MAX,
            ..route
        };
        let first = Route { length: 0, ..route };
        let mut within = self.routes.range(first..=last);
        let around = || {
            let lengths = self.tables.route_lengths.longest_first();
            let shorter = lengths.filter(|length| *length < route.length);
            let shorter = shorter.map(|length| Route {
                first: route.first & !u128::MAX.checked_shr(length.into()).unwrap_or(0),
                length,
                ..route
            });
            shorter.filter_map(|shorter| self.routes.get(&shorter))
        };
        within.any(|(_, owner)| *owner != session) || around().any(|owner| *owner != session)
    }

    /// Removes a key. `keep_teid_of` is the session that goes on holding a chosen TEID.
    fn remove(&mut self, key: Key, keep_teid_of: Option<SessionIndex>) {
        match key {
            Key::Tunnel(tunnel) if self.tables.chosen.get(tunnel.teid).is_some() => {
                let was = self.tables.chosen.set(tunnel.teid, 0);
                self.leads_no_more(was);
                if keep_teid_of.is_none() {
                    self.retire(Retired::Chosen(tunnel.teid));
                }
            }
            Key::Tunnel(tunnel) => {
                if let Some((freed, was)) = self.tables.given.remove(&tunnel_key(tunnel)) {
                    self.leads_no_more(was);
                    self.retire(Retired::Given(freed));
                    if let Some(count) = self.given.get_mut(&tunnel.teid) {
                        *count -= 1;
                        if *count == 0 {
                            self.given.remove(&tunnel.teid);
                        }
                    }
                }
            }
            Key::Ipv4(vrf, address) => {
                let freed = self.tables.ipv4.remove(&ipv4_key(vrf, address));
                if let Some((freed, was)) = freed {
                    self.leads_no_more(was);
                    self.retire(Retired::Ipv4(freed));
                }
            }
            Key::Ipv6(vrf, prefix) => {
                let freed = self.tables.ipv6.remove(&ipv6_key(vrf, prefix));
                if let Some((freed, was)) = freed {
                    self.leads_no_more(was);
                    self.retire(Retired::Ipv6(freed));
                    let lengths = &self.tables.ipv6_lengths;
                    self.ipv6_lengths.count(lengths, prefix.prefix_len(), false);
                }
            }
            Key::Station(vrf, station) => {
                let freed = self.tables.stations.remove(&station_key(vrf, station));
                if let Some((freed, was)) = freed {
                    self.leads_no_more(was);
                    self.retire(Retired::Station(freed));
                }
            }
            Key::Member(vrf, member) => {
                let was = self.members.remove(&self.tables.members, (vrf, member));
                if was != 0 {
                    self.leads_no_more(was);
                }
            }
            Key::Route(vrf, net) => {
                let route = Route::new(vrf, net);
                if let Some((freed, was)) = self.tables.routes.remove(&route.key()) {
                    self.leads_no_more(was);
                    self.retire(Retired::Route(freed));
                    self.routes.remove(&route);
                    let lengths = &self.tables.route_lengths;
                    self.route_lengths.count(lengths, route.length, false);
                }
            }
        }
    }

    fn swap(&mut self, session: SessionIndex, plan: Option<Filled>) {
        if let Some(old) = self.tables.plans.swap(session, plan) {
            self.retire(Retired::Plan(old));
        }
    }

    /// Belongs to the epoch that ends next.
    fn retire(&mut self, retired: Retired) {
        self.retired.push_back((self.tables.qsbr.next(), retired));
    }

    /// The epoch that ended last: what was unpublished before now belongs to it or to one before.
    pub fn epoch(&self) -> Epoch {
        self.tables.qsbr.last()
    }

    fn end_epoch(&mut self) -> Epoch {
        self.tables.qsbr.advance()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let retired = self.retired.drain(..).map(|(_, retired)| retired);
        let plans = retired.filter_map(|retired| match retired {
            Retired::Plan(plan) => Some(plan),
            _ => None,
        });
        self.tables.plans.leave(plans);
    }
}

/// How the keys of a session change with its plan.
///
/// A [`Key::Tunnel`] whose TEID came from [`choose_teid`](Publisher::choose_teid) says so by
/// `chosen`; any other is the SMF's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// Keys that the session has not had.
    pub add: SmallVec<[NewKey; 4]>,
    /// Keys that stay, and the entrances they lead to.
    pub keep: SmallVec<[(Key, EntryId); 4]>,
    /// Keys that it has no longer.
    pub remove: Keys,
}

/// A key to add: where it leads and who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The key.
    pub key: Key,
    /// The entrance it leads to.
    pub entry: EntryId,
    /// For tunnels: the TEID came from [`Publisher::choose_teid`].
    pub chosen: bool,
}
