//! How packets find their session, and how the control side changes what they find.
//!
//! [`Tables`] is shared by all; each worker has a [`Reader`], the control side the one
//! [`Publisher`]. A reader takes a [`Snapshot`] once per burst: that is its quiescent point.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use ipnet::{IpNet, Ipv6Net};

use crate::ethernet::Station;
use crate::id::{InterfaceId, SessionIndex, Teid, WorkerId, index};
use crate::plan::{Entrance, Plan};
use crate::publish::{Guard, Plans, Qsbr, Slot};
use crate::rule::LocalFTeid;
use crate::table::{InsertError, Table};
use crate::teid::{CHOSEN_MAX, ChosenTeids};
use crate::usage::Moment;

mod keys;
mod lengths;
mod members;
mod publisher;

pub use publisher::{KeyChange, NewKey, Publisher};

pub use crate::publish::Epoch;

use keys::{Route, USUAL_PREFIX, ipv4_key, ipv6_key, prefix_key, station_key, tunnel_key};
use lengths::Lengths;
use members::Members;

/// How much the tables hold; fixed at start.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sessions, at most [`SESSIONS_MAX`].
    pub sessions: u32,
    /// Local F-TEIDs, of the UPF's choice and of SMFs' choice each.
    pub tunnels: u32,
    /// Workers, each of which gets one [`Reader`].
    pub workers: u8,
    /// Keys the TEIDs' scrambling and the hash tables; take it from the system's random source.
    pub seed: u64,
}

/// Room for networks and stations behind UEs: as many of each as sessions, but not less than this …
const BEHIND_MIN: u32 = 1 << 10;
/// … nor more than this.
const BEHIND_MAX: u32 = 1 << 16;

/// The most Ethernet sessions.
pub const MEMBERS_MAX: u32 = 1 << 12;

/// The most sessions that [`Sizes`] may ask for.
pub const SESSIONS_MAX: u32 = (1 << 24) - 2 - SPARE_PLANS_MIN;

/// Places for plans that are out of force, but may still be looked at: many more than change
/// between two quiescent points of a worker.
const SPARE_PLANS_MIN: u32 = 1 << 15;

/// One in eight, as far as a number of 24 bits reaches. What is never used of it takes no memory.
fn spare_plans(sessions: u32) -> u32 {
    let most = (1 << 24) - 2 - sessions;
    (sessions / 8).max(SPARE_PLANS_MIN).min(most)
}

/// The number of an entrance of a session: 0 is the core side (UE addresses), the others are its
/// tunnels, in the order of [`Layout`](crate::plan::Layout).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryId(pub u8);

/// Where a packet's key leads: a session and the entrance it came in by.
#[derive(Clone, Copy, Debug)]
pub struct Handle<'a> {
    plan: &'a Plan,
    entry: EntryId,
}

impl PartialEq for Handle<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.plan, other.plan) && self.entry == other.entry
    }
}

impl<'a> Handle<'a> {
    /// A handle as the tables hold it; never 0, since no plan has that number.
    fn word(plan: u32, entry: EntryId) -> u32 {
        plan << 8 | u32::from(entry.0)
    }
    /// The session's rules.
    #[inline]
    pub const fn plan(self) -> &'a Plan {
        self.plan
    }
    /// The session.
    #[inline]
    pub const fn session(self) -> SessionIndex {
        self.plan.session
    }
    /// The number of the entrance.
    #[inline]
    pub const fn entry(self) -> EntryId {
        self.entry
    }
    /// The entrance, if it has a PDR.
    #[inline]
    pub fn entrance(self) -> Option<Entrance<'a>> {
        self.plan.entrance(self.entry)
    }
    /// Starts loading what a packet will likely read of the session.
    #[inline]
    pub fn prefetch(self) {
        self.plan.prefetch_lines(self.entry);
    }
}

/// Where in its table a key belongs: what the first pass over a burst worked out for the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    /// Before it was worked out.
    pub const NONE: Self = Self(0);
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
    /// Downlink: a network behind the UE (a framed route) in a VRF.
    Route(InterfaceId, IpNet),
    /// Downlink: a station behind the UE in an Ethernet network.
    Station(InterfaceId, Station),
    /// Downlink: frames of an Ethernet network that go to all its sessions; a session has one of
    /// these.
    Member(InterfaceId, SessionIndex),
}

/// What the session of a packet is looked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sought {
    /// The tunnel that the packet came in.
    Tunnel(LocalFTeid),
    /// The address that it goes to, of a UE or behind one, in a VRF.
    Ue(InterfaceId, IpAddr),
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
    /// There is no place for another plan before a worker has let go of old ones.
    #[error("too many changes are under way")]
    Busy,
}

/// Everything that packets look up. Shared; readers take no lock.
#[derive(Debug)]
pub struct Tables {
    chosen: ChosenTeids,
    given: Table<1, 5>,
    ipv4: Table<1, 5>,
    ipv6: Table<3, 2>,
    /// Which IPv6 prefix lengths are in use.
    ipv6_lengths: Lengths,
    /// Networks behind UEs, of both families; IPv4 in the IPv4-mapped range.
    routes: Table<3, 2>,
    /// Which lengths of those are in use.
    route_lengths: Lengths,
    /// Stations behind UEs.
    stations: Table<2, 3>,
    /// Ethernet sessions.
    members: Members,
    plans: Plans,
    qsbr: Arc<Qsbr>,
    /// The time, as the control side last said it.
    clock: AtomicU32,
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
        let (plans, vacancies) = Plans::new(sessions, spare_plans(sessions));
        let behind = index(sessions.clamp(BEHIND_MIN, BEHIND_MAX));
        let tables = Arc::new(Self {
            given: Table::new(index(sizes.tunnels), next()),
            ipv4: Table::new(index(sessions), next()),
            ipv6: Table::new(index(sessions), next()),
            ipv6_lengths: Lengths::default(),
            routes: Table::new(behind, next()),
            route_lengths: Lengths::default(),
            stations: Table::new(behind, next()),
            members: Members::new(sessions.min(MEMBERS_MAX)),
            plans,
            qsbr: Arc::clone(&qsbr),
            clock: AtomicU32::new(0),
            chosen,
        });
        let readers = Slot::all(&qsbr)
            .map(|slot| Reader {
                tables: Arc::clone(&tables),
                slot,
            })
            .collect();
        let publisher = Publisher::new(tables, vacancies, sizes.workers, sessions);
        (publisher, readers)
    }

    /// Whether all workers have seen everything that was published up to `epoch`.
    pub fn is_past(&self, epoch: Epoch) -> bool {
        self.qsbr.is_past(epoch)
    }

    /// The last epoch that all workers have seen the end of; those before it are past, too.
    pub fn passed(&self) -> Epoch {
        self.qsbr.passed()
    }

    fn insert(&self, key: Key, handle: u32) -> Result<(), InsertError> {
        match key {
            Key::Tunnel(tunnel) => self.given.insert(&tunnel_key(tunnel), handle),
            Key::Ipv4(vrf, address) => self.ipv4.insert(&ipv4_key(vrf, address), handle),
            Key::Ipv6(vrf, prefix) => self.ipv6.insert(&ipv6_key(vrf, prefix), handle),
            Key::Route(vrf, route) => self.routes.insert(&Route::new(vrf, route).key(), handle),
            Key::Station(vrf, station) => self.stations.insert(&station_key(vrf, station), handle),
            // Whoever publishes it knows which place is free.
            Key::Member(..) => Err(InsertError::Full),
        }
    }
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
    /// The time, for counters to note; as exact as the control side is often called.
    #[inline]
    pub fn moment(&self) -> Moment {
        Moment(self.tables.clock.load(Relaxed))
    }

    /// First pass over a burst: where [`tunnel_at`](Self::tunnel_at) will look. Starts loading it.
    #[inline]
    pub fn place_of_tunnel(&self, tunnel: LocalFTeid) -> Place {
        let position = self.tables.chosen.position(tunnel.teid);
        if !self.tables.chosen.prefetch(position) {
            // Too high to be one of ours: an SMF's choice.
            self.tables
                .given
                .prefetch(self.tables.given.home(&tunnel_key(tunnel)));
        }
        Place(position)
    }

    /// Second pass: the session that a local F-TEID belongs to. The caller has to compare the
    /// interface with that of the [`Entrance`].
    #[inline]
    pub fn tunnel_at(&self, place: Place, tunnel: LocalFTeid) -> Option<Handle<'a>> {
        let chosen = self.tables.chosen.get_at(place.0, tunnel.teid);
        self.handle(chosen.or_else(|| self.tables.given.get(&tunnel_key(tunnel)))?)
    }

    /// What an entry of a table says.
    #[inline]
    fn handle(self, word: NonZeroU32) -> Option<Handle<'a>> {
        let [.., entry] = word.get().to_be_bytes();
        let plan = self.tables.plans.read(word.get() >> 8, self.guard)?;
        Some(Handle {
            plan,
            entry: EntryId(entry),
        })
    }

    /// Both passes for a single tunnel.
    pub fn tunnel(&self, tunnel: LocalFTeid) -> Option<Handle<'a>> {
        self.tunnel_at(self.place_of_tunnel(tunnel), tunnel)
    }

    /// First pass: where [`ipv4_at`](Self::ipv4_at) will look. Starts loading it.
    #[inline]
    pub fn place_of_ipv4(&self, vrf: InterfaceId, address: Ipv4Addr) -> Place {
        let home = self.tables.ipv4.home(&ipv4_key(vrf, address));
        self.tables.ipv4.prefetch(home);
        Place(home)
    }

    /// Second pass: the session of a UE's IPv4 address, or of the longest network behind a UE that
    /// holds the address.
    #[inline]
    pub fn ipv4_at(&self, place: Place, vrf: InterfaceId, address: Ipv4Addr) -> Option<Handle<'a>> {
        let key = ipv4_key(vrf, address);
        match self.tables.ipv4.get_at(place.0, &key) {
            Some(handle) => self.handle(handle),
            None => self.route(vrf, address.into()),
        }
    }

    /// Both passes for a single address.
    pub fn ipv4(&self, vrf: InterfaceId, address: Ipv4Addr) -> Option<Handle<'a>> {
        self.ipv4_at(self.place_of_ipv4(vrf, address), vrf, address)
    }

    #[inline]
    fn route(self, vrf: InterfaceId, address: IpAddr) -> Option<Handle<'a>> {
        if self.tables.route_lengths.is_empty() {
            return None;
        }
        self.longest_route(vrf, address)
    }

    #[inline(never)]
    fn longest_route(self, vrf: InterfaceId, address: IpAddr) -> Option<Handle<'a>> {
        let lengths = self.tables.route_lengths.longest_first();
        let found = lengths
            .map(|length| Route::around(vrf, address, length))
            .find_map(|route| self.tables.routes.get(&route.key()));
        self.handle(found?)
    }

    /// First pass: where [`ipv6_at`](Self::ipv6_at) will look for a prefix of the usual length. Starts
    /// loading it.
    #[inline]
    pub fn place_of_ipv6(&self, vrf: InterfaceId, address: Ipv6Addr) -> Place {
        let key = prefix_key(vrf, address.to_bits(), USUAL_PREFIX);
        let home = self.tables.ipv6.home(&key);
        self.tables.ipv6.prefetch(home);
        Place(home)
    }

    /// Second pass: the session whose IPv6 prefix holds the address, the longest prefix first; or
    /// else that of the longest network behind a UE.
    #[inline]
    pub fn ipv6_at(&self, place: Place, vrf: InterfaceId, address: Ipv6Addr) -> Option<Handle<'a>> {
        if !self.tables.ipv6_lengths.has_longer_than(USUAL_PREFIX) {
            let key = prefix_key(vrf, address.to_bits(), USUAL_PREFIX);
            if let Some(handle) = self.tables.ipv6.get_at(place.0, &key) {
                return self.handle(handle);
            }
        }
        self.longest_ipv6(vrf, address)
    }

    #[inline(never)]
    fn longest_ipv6(self, vrf: InterfaceId, address: Ipv6Addr) -> Option<Handle<'a>> {
        let lengths = self.tables.ipv6_lengths.longest_first();
        let found = lengths
            .map(|length| prefix_key(vrf, address.to_bits(), length))
            .find_map(|key| self.tables.ipv6.get(&key));
        match found {
            Some(handle) => self.handle(handle),
            None => self.route(vrf, address.into()),
        }
    }

    /// Both passes for a single address.
    pub fn ipv6(&self, vrf: InterfaceId, address: Ipv6Addr) -> Option<Handle<'a>> {
        self.ipv6_at(self.place_of_ipv6(vrf, address), vrf, address)
    }

    /// The session that a station of an Ethernet network is behind.
    pub fn station(&self, vrf: InterfaceId, station: Station) -> Option<Handle<'a>> {
        self.handle(self.tables.stations.get(&station_key(vrf, station))?)
    }

    /// The core side of a session.
    pub fn core_of(&self, session: SessionIndex) -> Option<Handle<'a>> {
        let plan = self.session(session)?;
        let entry = EntryId(0);
        Some(Handle { plan, entry })
    }

    /// All sessions of an Ethernet network.
    pub fn members(&self, vrf: InterfaceId) -> impl Iterator<Item = Handle<'a>> {
        let view = *self;
        let members = view.tables.members.of(vrf);
        members.filter_map(move |word| view.handle(word))
    }

    /// The plan of a session, by its index.
    #[inline]
    pub fn session(&self, session: SessionIndex) -> Option<&'a Plan> {
        self.tables.plans.of(session, self.guard)
    }

    /// The worker that owns the session of a TEID, if the UPF chose that TEID; found without a
    /// look at any table.
    #[inline]
    pub fn owner_of_chosen(&self, teid: Teid) -> WorkerId {
        self.tables.chosen.owner(teid)
    }
}
