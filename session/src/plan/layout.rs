//! Which keys lead into a session, and by which entrance.

use smallvec::SmallVec;

use super::CompileError;
use crate::ethernet::Stations;
use crate::id::SessionIndex;
use crate::rule::{LocalFTeid, Pdr, Rules, SourceInterface};
use crate::tables::{EntryId, Key};

/// The most tunnels a session may have: entrance 0 is the core side.
const TUNNELS_MAX: usize = 254;

/// Keys of a session: most have a tunnel and an address or two.
pub type Keys = SmallVec<[Key; 4]>;

/// Which keys lead into a session, and to which entrance: numbers stay with their tunnel for the
/// session's life, so that a modification never moves a packet in flight to other rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Tunnels by entrance number − 1.
    tunnels: SmallVec<[Option<LocalFTeid>; 2]>,
    /// UE addresses and networks behind them, stations and data networks of frames, all of which
    /// lead to entrance 0.
    ues: SmallVec<[Key; 1]>,
}

impl Layout {
    /// The tunnel that an entrance number stands for.
    pub(super) fn tunnel(&self, number: usize) -> Option<LocalFTeid> {
        self.tunnels.get(number.checked_sub(1)?).copied().flatten()
    }

    /// How many entrances there are, the core side included.
    pub(super) fn entrances(&self) -> usize {
        self.tunnels.len() + 1
    }

    /// The layout that `rules` need, keeping the numbers of `self`. PDRs that are dormant keep what
    /// they will be found by.
    pub(super) fn next(&self, rules: &Rules, session: SessionIndex) -> Result<Self, CompileError> {
        let wanted = |tunnel: &LocalFTeid| {
            rules.held().contains(tunnel)
                || rules
                    .pdrs
                    .iter()
                    .any(|pdr| pdr.pdi.local_f_teid.as_ref() == Some(tunnel))
        };
        let mut next = Self {
            tunnels: self
                .tunnels
                .iter()
                .map(|slot| slot.filter(wanted))
                .collect(),
            ues: SmallVec::new(),
        };
        for pdr in &rules.pdrs {
            match pdr.pdi.local_f_teid {
                Some(tunnel) if self.place(&mut next, tunnel) => {}
                Some(_) => return Err(CompileError::TooMany(pdr.id)),
                None => match rules.pdn.stations() {
                    None => next.add_ue_keys(pdr, rules)?,
                    Some(stations) => next.add_stations(pdr, stations, session)?,
                },
            }
        }
        for tunnel in rules.held() {
            if !self.place(&mut next, *tunnel) {
                return Err(CompileError::TooManyTunnels);
            }
        }
        Ok(next)
    }

    /// Gives a tunnel a number in the layout that comes after this one; `false` if there is none.
    fn place(&self, next: &mut Self, tunnel: LocalFTeid) -> bool {
        if next.tunnels.contains(&Some(tunnel)) {
            return true;
        }
        // A number that falls free here may still be on its way in a packet: it rests.
        let mut rested = self.tunnels.iter().zip(&mut next.tunnels);
        if let Some((_, free)) = rested.find(|(was, is)| was.is_none() && is.is_none()) {
            *free = Some(tunnel);
            return true;
        }
        let room = next.tunnels.len() < TUNNELS_MAX;
        if room {
            next.tunnels.push(Some(tunnel));
        }
        room
    }

    /// Keys of a PDR of the core side, in its VRF: its UE address or else the session's, and the
    /// networks behind it.
    fn add_ue_keys(&mut self, pdr: &Pdr, rules: &Rules) -> Result<(), CompileError> {
        let framed = pdr.pdi.framed.as_deref();
        let ue = pdr.pdi.ue.unwrap_or(rules.ue);
        let nowhere = ue.is_empty() && framed.is_none();
        let (true, false, Some(vrf)) = (comes_from_core(pdr), nowhere, pdr.pdi.vrf) else {
            return Err(CompileError::NoKey(pdr.id));
        };
        let keys = ue
            .ipv4
            .map(|address| Key::Ipv4(vrf, address))
            .into_iter()
            .chain(ue.ipv6.map(|prefix| Key::Ipv6(vrf, prefix)))
            .chain(
                framed
                    .into_iter()
                    .flat_map(|framed| &framed.0)
                    .map(|route| Key::Route(vrf, *route)),
            );
        keys.for_each(|key| self.add(key));
        Ok(())
    }

    /// Keys of a PDR of the core side in an Ethernet session: its stations, and the data network's
    /// frames to nobody in particular.
    fn add_stations(
        &mut self,
        pdr: &Pdr,
        stations: &Stations,
        session: SessionIndex,
    ) -> Result<(), CompileError> {
        let (true, Some(vrf)) = (comes_from_core(pdr), pdr.pdi.vrf) else {
            return Err(CompileError::NoKey(pdr.id));
        };
        self.add(Key::Member(vrf, session));
        for learned in &stations.learned {
            self.add(Key::Station(vrf, learned.station));
        }
        Ok(())
    }

    fn add(&mut self, key: Key) {
        if !self.ues.contains(&key) {
            self.ues.push(key);
        }
    }

    /// Every key of the session.
    pub fn keys(&self) -> Keys {
        self.numbered().map(|(key, _)| key).collect()
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (Key, EntryId)> {
        let tunnels = self.tunnels.iter().zip(1_u8..);
        tunnels
            .filter_map(|(slot, number)| slot.map(|tunnel| (Key::Tunnel(tunnel), EntryId(number))))
            .chain(self.ues.iter().map(|key| (*key, EntryId(0))))
    }

    /// Whether the key is there, with that number.
    pub(super) fn has(&self, numbered: &(Key, EntryId)) -> bool {
        self.numbered().any(|own| own == *numbered)
    }

    pub(super) fn entrance(&self, pdr: &Pdr) -> usize {
        let tunnel = pdr.pdi.local_f_teid;
        let position = tunnel.and_then(|_| self.tunnels.iter().position(|slot| *slot == tunnel));
        position.map_or(0, |position| position + 1)
    }
}

const fn comes_from_core(pdr: &Pdr) -> bool {
    matches!(
        pdr.pdi.source_interface,
        SourceInterface::Core | SourceInterface::SgiLan
    )
}
