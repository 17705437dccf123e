//! How packets find their session, and how the control side changes what they find.
//!
//! [`Tables`] is shared by all; each worker has a [`Reader`], the control side the one
//! [`Publisher`]. A reader takes a [`Snapshot`] once per burst: that is its quiescent point.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::Ipv6Net;
use rustc_hash::FxHashMap;

use Ordering::{Acquire, Relaxed, Release};

use crate::id::{InterfaceId, SessionIndex, Teid, WorkerId, index};
use crate::plan::Plan;
use crate::publish::{Cell, Guard, Qsbr, Slot, Unpublished, prefetch};
use crate::rule::LocalFTeid;
use crate::table::{Freed, InsertError, Table};
use crate::teid::{CHOSEN_MAX, ChosenTeids, TeidAllocator};

pub use crate::publish::Epoch;

/// How much the tables hold; fixed at start.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sessions, at most 2²⁴ − 2.
    pub sessions: u32,
    /// Local F-TEIDs, of the UPF's choice and of SMFs' choice each.
    pub tunnels: u32,
    /// Workers, each of which gets one [`Reader`].
    pub workers: u8,
    /// Keys the TEIDs' scrambling and the hash tables; take it from the system's random source.
    pub seed: u64,
}

/// The most sessions that [`Sizes`] may ask for.
pub const SESSIONS_MAX: u32 = (1 << 24) - 2;

/// The number of an entrance of a session: 0 is the core side (UE addresses), the others are its
/// tunnels, in the order of [`Layout`](crate::plan::Layout).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryId(pub u8);

/// Where a packet's key leads: a session and the entrance it came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(u32);

impl Handle {
    fn new(session: SessionIndex, entry: EntryId) -> Self {
        Self(session.0 << 8 | u32::from(entry.0))
    }
    /// The session.
    #[inline]
    pub const fn session(self) -> SessionIndex {
        SessionIndex(self.0 >> 8)
    }
    /// The entrance.
    #[inline]
    pub const fn entry(self) -> EntryId {
        let [.., entry] = self.0.to_be_bytes();
        EntryId(entry)
    }
}

/// What a packet is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Uplink and N9: a local F-TEID.
    Tunnel(LocalFTeid),
    /// Downlink: the UE's IPv4 address in a VRF.
    Ipv4(InterfaceId, Ipv4Addr),
    /// Downlink: the UE's IPv6 prefix in a VRF.
    Ipv6(InterfaceId, Ipv6Net),
}

/// Why nothing was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The key belongs to another session.
    #[error("{0:?} belongs to another session")]
    Taken(Key),
    /// A table is full.
    #[error("no room for {0:?}")]
    Full(Key),
}

/// Everything that packets look up. Shared; readers take no lock.
#[derive(Debug)]
pub struct Tables {
    chosen: ChosenTeids,
    given: Table<1, 5>,
    ipv4: Table<1, 5>,
    ipv6: Table<3, 2>,
    /// Which IPv6 prefix lengths are in use: bit `length % 64` of word `length / 64`.
    ipv6_lengths: [AtomicU64; 3],
    plans: Box<[Cell]>,
    qsbr: Arc<Qsbr>,
    /// Plans whose publisher ended before their epoch did; they go with the tables.
    graveyard: Mutex<Vec<Unpublished>>,
}

impl Tables {
    /// Tables of that size, their publisher, and a reader per worker.
    pub fn create(sizes: Sizes) -> (Publisher, Vec<Reader>) {
        let sessions = sizes.sessions.clamp(1, SESSIONS_MAX);
        let mut seed = sizes.seed;
        let mut next = || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ (mixed >> 27)
        };
        let mut key = || u32::try_from(next() >> 32).unwrap_or_default();
        let teid_key = [key(), key(), key()];
        let chosen = ChosenTeids::new(sizes.tunnels.min(CHOSEN_MAX), sizes.workers, teid_key);
        let qsbr = Arc::new(Qsbr::new(usize::from(sizes.workers)));
        let tables = Arc::new(Self {
            given: Table::new(index(sizes.tunnels), next()),
            ipv4: Table::new(index(sessions), next()),
            ipv6: Table::new(index(sessions), next()),
            ipv6_lengths: Default::default(),
            plans: (0..=sessions).map(|_| Cell::default()).collect(),
            qsbr: Arc::clone(&qsbr),
            graveyard: Mutex::default(),
            chosen,
        });
        let readers = Slot::all(&qsbr)
            .map(|slot| Reader {
                tables: Arc::clone(&tables),
                slot,
            })
            .collect();
        let publisher = Publisher {
            teids: TeidAllocator::new(&tables.chosen),
            tables,
            workers: sizes.workers.max(1),
            given: FxHashMap::default(),
            ipv6_lengths: [0; 129],
            fresh: 1,
            free: VecDeque::new(),
            sessions: 0,
            capacity: sessions,
            retired: VecDeque::new(),
        };
        (publisher, readers)
    }

    /// Whether all workers have seen everything that was published up to `epoch`.
    pub fn is_past(&self, epoch: Epoch) -> bool {
        self.qsbr.is_past(epoch)
    }

    fn ipv6_key(vrf: InterfaceId, prefix: Ipv6Net) -> [u64; 3] {
        let [high, low] = halves(prefix.network().to_bits());
        [
            high,
            low,
            u64::from(vrf.0) << 8 | u64::from(prefix.prefix_len()),
        ]
    }

    fn insert(&self, key: Key, handle: Handle) -> Result<(), InsertError> {
        match key {
            Key::Tunnel(tunnel) => self.given.insert(&tunnel_key(tunnel), handle.0),
            Key::Ipv4(vrf, address) => self.ipv4.insert(&ipv4_key(vrf, address), handle.0),
            Key::Ipv6(vrf, prefix) => self.ipv6.insert(&Self::ipv6_key(vrf, prefix), handle.0),
        }
    }
}

fn halves(bits: u128) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    [half(bits >> 64), half(bits)]
}

fn tunnel_key(tunnel: LocalFTeid) -> [u64; 1] {
    [u64::from(tunnel.interface.0) << 32 | u64::from(tunnel.teid.0)]
}

fn ipv4_key(vrf: InterfaceId, address: Ipv4Addr) -> [u64; 1] {
    [u64::from(vrf.0) << 32 | u64::from(address.to_bits())]
}

/// A worker's access to the tables.
#[derive(Debug)]
pub struct Reader {
    tables: Arc<Tables>,
    slot: Slot,
}

impl Reader {
    /// A quiescent point, and a view that holds until the next one. Once per burst.
    #[inline]
    pub fn snapshot(&mut self) -> Snapshot<'_> {
        Snapshot {
            guard: self.slot.enter(),
            tables: &self.tables,
        }
    }

    /// Stops taking part until the next [`snapshot`](Self::snapshot): before a sleep.
    pub fn offline(&mut self) {
        self.slot.offline();
    }
}

/// The tables as one burst sees them.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    guard: Guard<'a>,
    tables: &'a Tables,
}

impl<'a> Snapshot<'a> {
    /// First pass over a burst: starts loading what [`tunnel`](Self::tunnel) will read.
    #[inline]
    pub fn prefetch_tunnel(&self, tunnel: LocalFTeid) {
        self.tables.chosen.prefetch(tunnel.teid);
    }

    /// Second pass: the session that a local F-TEID belongs to. The caller has to compare the
    /// interface with that of the plan's entry, see [`Plan::entry`].
    #[inline]
    pub fn tunnel(&self, tunnel: LocalFTeid) -> Option<Handle> {
        let chosen = self.tables.chosen.get(tunnel.teid);
        chosen
            .or_else(|| self.tables.given.get(&tunnel_key(tunnel)))
            .map(Handle)
    }

    /// First pass: starts loading what [`ipv4`](Self::ipv4) will read.
    #[inline]
    pub fn prefetch_ipv4(&self, vrf: InterfaceId, address: Ipv4Addr) {
        self.tables.ipv4.prefetch(&ipv4_key(vrf, address));
    }

    /// Second pass: the session of a UE's IPv4 address.
    #[inline]
    pub fn ipv4(&self, vrf: InterfaceId, address: Ipv4Addr) -> Option<Handle> {
        self.tables.ipv4.get(&ipv4_key(vrf, address)).map(Handle)
    }

    /// First pass: starts loading what [`ipv6`](Self::ipv6) will read (for a /64).
    #[inline]
    pub fn prefetch_ipv6(&self, vrf: InterfaceId, address: Ipv6Addr) {
        let [high, _] = halves(address.to_bits());
        self.tables
            .ipv6
            .prefetch(&[high, 0, u64::from(vrf.0) << 8 | 64]);
    }

    /// Second pass: the session whose IPv6 prefix holds the address; the longest prefix wins.
    #[inline]
    pub fn ipv6(&self, vrf: InterfaceId, address: Ipv6Addr) -> Option<Handle> {
        for (word, lengths) in [2_u8, 1, 0]
            .into_iter()
            .zip(self.tables.ipv6_lengths.iter().rev())
        {
            let mut lengths = lengths.load(Acquire);
            while let Some(bit) = lengths.checked_ilog2() {
                lengths &= !(1 << bit);
                let length = word * 64 + u8::try_from(bit).unwrap_or_default();
                let Ok(prefix) = Ipv6Net::new(address, length) else {
                    continue;
                };
                if let Some(handle) = self.tables.ipv6.get(&Tables::ipv6_key(vrf, prefix)) {
                    return Some(Handle(handle));
                }
            }
        }
        None
    }

    /// Starts loading the pointer that [`plan`](Self::plan) will read.
    #[inline]
    pub fn prefetch_plan(&self, handle: Handle) {
        if let Some(cell) = self.tables.plans.get(index(handle.session().0)) {
            prefetch(cell);
        }
    }

    /// Third pass: the plan of a session; starts loading it. `None` while the session goes.
    #[inline]
    pub fn plan(&self, handle: Handle) -> Option<&'a Plan> {
        self.session(handle.session())
    }

    /// The plan of a session, by its index.
    #[inline]
    pub fn session(&self, session: SessionIndex) -> Option<&'a Plan> {
        let plan = self.tables.plans.get(index(session.0))?.read(self.guard)?;
        prefetch(plan);
        Some(plan)
    }

    /// The worker that owns the session of a TEID, if the UPF chose that TEID; found without a
    /// look at any table.
    #[inline]
    pub fn owner_of_chosen(&self, teid: Teid) -> WorkerId {
        self.tables.chosen.owner(teid)
    }
}

/// Something that can be used again after a grace period.
#[derive(Debug)]
enum Retired {
    /// Freed by being dropped.
    Plan(#[allow(dead_code, reason = "held for its drop")] Unpublished),
    Session(SessionIndex),
    Chosen(Teid),
    Given(Freed),
    Ipv4(Freed),
    Ipv6(Freed),
}

/// The control side's access to the tables. There is one.
#[derive(Debug)]
pub struct Publisher {
    tables: Arc<Tables>,
    teids: TeidAllocator,
    workers: u8,
    /// TEIDs that SMFs gave, on how many interfaces: not to be chosen.
    given: FxHashMap<Teid, u8>,
    /// How many keys there are of each IPv6 prefix length.
    ipv6_lengths: [u32; 129],
    /// The lowest session index that was never used.
    fresh: u32,
    free: VecDeque<SessionIndex>,
    sessions: u32,
    capacity: u32,
    retired: VecDeque<(Epoch, Retired)>,
}

impl Publisher {
    /// The tables, for whoever has to wait for an [`Epoch`].
    pub const fn tables(&self) -> &Arc<Tables> {
        &self.tables
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
            self.free.pop_front()?
        };
        self.sessions += 1;
        let worker = session.0 % u32::from(self.workers);
        Some((session, WorkerId(u8::try_from(worker).unwrap_or(0))))
    }

    /// Chooses a TEID for a session of `worker`; `None` when there are no more. It leads nowhere
    /// until it is published; given back by [`return_teid`](Self::return_teid), or with its key.
    pub fn choose_teid(&mut self, worker: WorkerId) -> Option<Teid> {
        loop {
            let teid = self.teids.allocate(worker)?;
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

    /// Puts `plan` in force for `session`, with new keys (and the entrances they lead to) and
    /// without some old ones. All or nothing.
    ///
    /// A [`Key::Tunnel`] whose TEID came from [`choose_teid`](Self::choose_teid) says so by
    /// `chosen`; any other is the SMF's choice.
    ///
    /// # Errors
    /// When a key belongs to another session or finds no room; then nothing has changed.
    pub fn publish(
        &mut self,
        session: SessionIndex,
        plan: Plan,
        add: &[NewKey],
        remove: &[Key],
    ) -> Result<Epoch, PublishError> {
        for (done, new) in add.iter().enumerate() {
            if let Err(error) = self.add(session, *new) {
                let added = add.get(..done).unwrap_or_default();
                for new in added {
                    self.remove(new.key, Some(session));
                }
                self.end_epoch();
                return Err(match error {
                    InsertError::Taken => PublishError::Taken(new.key),
                    InsertError::Full => PublishError::Full(new.key),
                });
            }
        }
        self.swap(session, Some(Box::new(plan)));
        for key in remove {
            self.remove(*key, None);
        }
        Ok(self.end_epoch())
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

    /// Frees what no worker can be looking at any more. Called by [`reserve`](Self::reserve); call
    /// it from time to time besides.
    pub fn reclaim(&mut self) {
        while let Some((epoch, _)) = self.retired.front()
            && self.tables.is_past(*epoch)
            && let Some((_, retired)) = self.retired.pop_front()
        {
            match retired {
                Retired::Plan(_) => {}
                Retired::Session(session) => self.free.push_back(session),
                Retired::Chosen(teid) => self.teids.release(teid),
                Retired::Given(freed) => self.tables.given.free(freed),
                Retired::Ipv4(freed) => self.tables.ipv4.free(freed),
                Retired::Ipv6(freed) => self.tables.ipv6.free(freed),
            }
        }
    }

    /// What waits for a grace period.
    pub fn retired(&self) -> usize {
        self.retired.len()
    }

    fn add(&mut self, session: SessionIndex, new: NewKey) -> Result<(), InsertError> {
        let handle = Handle::new(session, new.entry);
        match new.key {
            Key::Tunnel(tunnel) if new.chosen => self.tables.chosen.set(tunnel.teid, handle.0),
            Key::Tunnel(tunnel) => {
                if self.tables.chosen.get(tunnel.teid).is_some() {
                    return Err(InsertError::Taken);
                }
                self.tables.insert(new.key, handle)?;
                *self.given.entry(tunnel.teid).or_default() += 1;
            }
            Key::Ipv4(..) => self.tables.insert(new.key, handle)?,
            Key::Ipv6(_, prefix) => {
                self.tables.insert(new.key, handle)?;
                self.count_ipv6_length(prefix.prefix_len(), true);
            }
        }
        Ok(())
    }

    /// Removes a key. `keep_teid_of` is the session that goes on holding a chosen TEID.
    fn remove(&mut self, key: Key, keep_teid_of: Option<SessionIndex>) {
        match key {
            Key::Tunnel(tunnel) if self.tables.chosen.get(tunnel.teid).is_some() => {
                self.tables.chosen.set(tunnel.teid, 0);
                if keep_teid_of.is_none() {
                    self.retire(Retired::Chosen(tunnel.teid));
                }
            }
            Key::Tunnel(tunnel) => {
                if let Some(freed) = self.tables.given.remove(&tunnel_key(tunnel)) {
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
                if let Some(freed) = freed {
                    self.retire(Retired::Ipv4(freed));
                }
            }
            Key::Ipv6(vrf, prefix) => {
                if let Some(freed) = self.tables.ipv6.remove(&Tables::ipv6_key(vrf, prefix)) {
                    self.retire(Retired::Ipv6(freed));
                    self.count_ipv6_length(prefix.prefix_len(), false);
                }
            }
        }
    }

    fn count_ipv6_length(&mut self, length: u8, more: bool) {
        let Some(count) = self.ipv6_lengths.get_mut(usize::from(length)) else {
            return;
        };
        *count = if more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        if let Some(word) = self.tables.ipv6_lengths.get(usize::from(length / 64)) {
            let bit = 1 << (length % 64);
            let bits = word.load(Relaxed);
            word.store(if *count > 0 { bits | bit } else { bits & !bit }, Release);
        }
    }

    fn swap(&mut self, session: SessionIndex, plan: Option<Box<Plan>>) {
        let cell = self.tables.plans.get(index(session.0));
        if let Some(old) = cell.and_then(|cell| cell.swap(plan)) {
            self.retire(Retired::Plan(old));
        }
    }

    /// Belongs to the epoch that ends next.
    fn retire(&mut self, retired: Retired) {
        self.retired.push_back((self.tables.qsbr.next(), retired));
    }

    fn end_epoch(&mut self) -> Epoch {
        self.tables.qsbr.advance()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let plans = self
            .retired
            .drain(..)
            .filter_map(|(_, retired)| match retired {
                Retired::Plan(plan) => Some(plan),
                _ => None,
            });
        let mut graveyard = self
            .tables
            .graveyard
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        graveyard.extend(plans);
    }
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
