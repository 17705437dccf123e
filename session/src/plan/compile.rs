//! From [`Rules`] to [`Plan`].

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use smallvec::SmallVec;

use super::filter::{Filter, framed_sets, values_and_masks};
use super::frames::{FrameFilter, Frames};
use super::ids::check_ids;
use super::layout::{Keys, Layout};
use super::{
    CompileError, Door, Entry, FirstMatches, Matcher, Plan, Sieve, Step, Steps, Ue, UeFamily,
    UeMatch,
};
use crate::id::{QerId, SessionIndex, UrrId, WorkerId};
use crate::ledger::Ledger;
use crate::limit::{Limited, Limits};
use crate::meter::Burst;
use crate::rule::{
    Bar, Far, FramedRoutes, LocalFTeid, Pdn, Pdr, Rules, SourceInterface, UeAddress,
};
use crate::sdf::value_and_mask;
use crate::tables::{EntryId, Key, KeyChange, NewKey};
use crate::usage::Usage;

/// The most PDRs a session may have.
pub(super) const PDRS_MAX: usize = 255;

/// What a compilation needs to know besides the rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Where the session lives.
    pub session: SessionIndex,
    /// Who owns it.
    pub owner: WorkerId,
    /// TSC cycles per second, for meters.
    pub hz: u64,
    /// How much of its rate a policer lets through at once.
    pub burst: Burst,
    /// How many packets a session may hold when no BAR says otherwise.
    pub buffer_packets: u16,
    /// The number of its SMF, among those whose sessions have bounds together.
    pub smf: u16,
}

/// What the control side keeps of a session that is in force.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    /// The rules.
    pub rules: Rules,
    layout: Layout,
    pub(super) meters: Meters,
    pub(super) usages: Usages,
    /// The counter of PDRs without a URR, while the session is watched.
    pub(super) watch: Option<Arc<Ledger>>,
    pub(super) limited: Option<Box<Limited>>,
}

/// Where the policers are, of QERs that have a rate.
type Meters = SmallVec<[(QerId, Arc<Ledger>); 1]>;
/// Where the counters of URRs are.
type Usages = SmallVec<[(UrrId, Arc<Ledger>); 1]>;

/// The outcome of a compilation: hand `plan` and `keys` to the publisher and, when that succeeds,
/// keep `installed`.
#[derive(Debug, Default)]
pub struct Compiled {
    /// For the control side.
    pub installed: Installed,
    /// For the packet path.
    pub plan: Plan,
    /// What the session is to be found by.
    pub keys: KeyChange,
}

impl Installed {
    /// Nothing yet, of a session that has these limits.
    pub fn limited(limits: Option<Arc<Limits>>) -> Self {
        Self {
            limited: limits.map(|limits| Box::new(Limited::new(limits))),
            ..Self::default()
        }
    }

    /// Nothing but the keys, for another session that comes in this one's place and has these limits.
    #[must_use]
    pub fn vacated(&self, limits: Option<Arc<Limits>>) -> Self {
        Self {
            layout: self.layout.clone(),
            ..Self::limited(limits)
        }
    }

    /// Compiles `rules` in place of those in force. Meters and counters of rules that stay go on
    /// where they are. `is_chosen` tells which local F-TEIDs the UPF chose.
    ///
    /// # Errors
    /// When the rules contradict each other or cannot be carried out; nothing has changed then.
    pub fn compile(
        &self,
        rules: Rules,
        context: &Context,
        is_chosen: impl Fn(&LocalFTeid) -> bool,
    ) -> Result<Compiled, CompileError> {
        let mut compiled = Compiled::default();
        self.compile_into(rules, context, is_chosen, &mut compiled)?;
        Ok(compiled)
    }

    /// [`compile`](Self::compile) into a [`Compiled::default`]: it is too large to be moved about.
    ///
    /// # Errors
    /// As of [`compile`](Self::compile); what stands in `compiled` then is of no use.
    pub fn compile_into(
        &self,
        rules: Rules,
        context: &Context,
        is_chosen: impl Fn(&LocalFTeid) -> bool,
        compiled: &mut Compiled,
    ) -> Result<(), CompileError> {
        check_ids(&rules)?;
        let layout = self.layout.next(&rules, context.session)?;
        let (meters, usages) = self.ledgers_for(&rules);
        let watch = rules
            .watched
            .then(|| self.watch.clone().unwrap_or_default());
        let limited = self.limited.as_ref();
        let limited = limited.map(|limited| Box::new(limited.with_rules(&rules)));
        let Compiled {
            installed,
            plan,
            keys,
        } = compiled;
        *installed = Self {
            rules,
            layout,
            meters,
            usages,
            watch,
            limited,
        };
        installed.plan(context, plan)?;
        let (old, new) = (&self.layout, &installed.layout);
        for (key, entry) in new.numbered() {
            if old.has(&(key, entry)) {
                keys.keep.push((key, entry));
            } else {
                let chosen = matches!(&key, Key::Tunnel(tunnel) if is_chosen(tunnel));
                keys.add.push(NewKey { key, entry, chosen });
            }
        }
        let gone = old.numbered().filter(|numbered| !new.has(numbered));
        keys.remove.extend(gone.map(|(key, _)| key));
        Ok(())
    }

    /// Every key that leads into the session.
    pub fn keys(&self) -> Keys {
        self.layout.keys()
    }

    /// The counters of a URR.
    pub fn usage(&self, urr: UrrId) -> Option<&Usage> {
        self.ledger(urr).map(|ledger| ledger.usage())
    }

    /// What the counters of a URR lie in: it stays when the URR goes.
    pub fn ledger(&self, urr: UrrId) -> Option<&Arc<Ledger>> {
        of(&self.usages, urr)
    }

    /// Packets that have been counted by the URRs there are and, in a session that is watched, for
    /// PDRs without one. It is another number whenever packets have passed.
    pub fn packets(&self) -> u64 {
        let ledgers = self.usages.iter().map(|(_, ledger)| ledger);
        let counted = ledgers.chain(&self.watch);
        let packets = counted.map(|ledger| ledger.usage().volume().total_packets());
        packets.fold(0, u64::wrapping_add)
    }

    /// The ledgers that are there go on; a policer and a counter that are new together share one.
    fn ledgers_for(&self, rules: &Rules) -> (Meters, Usages) {
        let or_new = |old: Option<&Arc<Ledger>>| old.map_or_else(Arc::default, Arc::clone);
        let metered = rules.qers.iter().filter(|qer| qer.mbr.is_some());
        let meters: Meters = metered
            .map(|qer| (qer.id, or_new(of(&self.meters, qer.id))))
            .collect();
        let is_new = |(qer, _): &&(QerId, _)| of(&self.meters, *qer).is_none();
        let mut shared = meters.iter().filter(is_new).map(|(_, ledger)| ledger);
        let mut ledger = |urr| or_new(of(&self.usages, urr).or_else(|| shared.next()));
        let urrs = rules.urrs.iter().map(|urr| urr.id);
        let usages = urrs.map(|urr| (urr, ledger(urr))).collect();
        (meters, usages)
    }

    fn plan(&self, context: &Context, plan: &mut Plan) -> Result<(), CompileError> {
        let rules = &self.rules;
        // Those that are asleep count: all may be awake at once.
        if let Some(over) = rules.pdrs.get(PDRS_MAX) {
            return Err(CompileError::TooMany(over.id));
        }
        let active = rules.pdrs.iter().filter(|pdr| !pdr.dormant);
        let mut order: SmallVec<[&Pdr; 8]> = active.collect();
        let place = |pdr: &Pdr| (self.layout.entrance(pdr), pdr.precedence, pdr.id, pdr.part);
        order.sort_by_key(|pdr| place(pdr));
        let framed = framed_sets(rules);
        let mut filters = Filters::default();
        let mut matchers = Vec::with_capacity(order.len());
        let mut steps = SmallVec::<[Step; 2]>::with_capacity(order.len());
        for pdr in &order {
            matchers.push(self.matcher(pdr, &framed, &mut filters)?);
            steps.push(self.step(pdr, context)?);
        }
        // What is asleep must be able to wake.
        let mut dormant = rules.pdrs.iter().filter(|pdr| pdr.dormant);
        dormant.try_for_each(|pdr| {
            self.matcher(pdr, &framed, &mut Filters::default())?;
            self.step(pdr, context).map(drop)
        })?;
        let (ue_v6, ue_v6_mask) = rules
            .ue
            .ipv6
            .map_or((0, 0), |prefix| value_and_mask(prefix.into()));
        let mut entries: SmallVec<[Entry; 4]> = self.entries(&order).collect();
        let frames = Frames::new(rules, filters.frames);
        let framed = framed.iter().map(|set| values_and_masks(set));
        let framed: Box<[_]> = framed.collect();
        let ue = Ue {
            address: &rules.ue,
            framed: &framed,
        };
        let sieves = match frames {
            None => Sieve::of(&mut entries, &mut matchers, &filters.sdf, ue),
            Some(_) => Box::default(),
        };
        self.open_doors(&mut steps, (&entries, &matchers), context.owner);
        let steps = Steps::new(steps, &mut entries);
        let mut entries = entries.into_iter();
        *plan = Plan {
            session: context.session,
            steps,
            buffer_packets: self.buffer_packets(context),
            entries_here: AtomicU32::new(0),
            ue_v4: rules.ue.ipv4.map_or(0, Ipv4Addr::to_bits),
            ue_v6,
            ue_v6_mask,
            entries: std::array::from_fn(|_| entries.next().unwrap_or_default()),
            more_entries: entries.collect(),
            framed,
            matchers: matchers.into(),
            filters: filters.sdf.into(),
            sieves,
            frames,
            seid: rules.seid,
            smf: context.smf,
            hold_s: self.hold_s(),
        };
        Ok(())
    }

    /// Gives the first step of each entrance what is asked there first.
    fn open_doors(
        &self,
        steps: &mut [Step],
        (entries, matchers): (&[Entry], &[Matcher]),
        owner: WorkerId,
    ) {
        let rules = &self.rules;
        let ue_v4 = rules.ue.ipv4.map_or(0, Ipv4Addr::to_bits);
        for (number, entry) in (0..).zip(entries) {
            let first = usize::from(entry.first);
            if let (Some(step), Some(matcher)) = (steps.get_mut(first), matchers.get(first))
                && entry.count > 0
            {
                step.door = Door {
                    ue_v4: ue_v4.to_ne_bytes(),
                    interface: self
                        .layout
                        .tunnel(usize::from(number))
                        .map(|tunnel| tunnel.interface),
                    owner,
                    number: EntryId(number),
                    first_matches: match rules.pdn {
                        Pdn::Ip => matcher.at_a_glance(&rules.ue),
                        Pdn::Ethernet(_) => FirstMatches::Frames,
                    },
                    has_framed: rules.framed().next().is_some(),
                };
            }
        }
    }

    fn entries(&self, order: &[&Pdr]) -> impl Iterator<Item = Entry> {
        (0..self.layout.entrances()).map(move |number| {
            let of = |pdr: &&&Pdr| self.layout.entrance(pdr) == number;
            let first = order.iter().take_while(|pdr| !of(pdr)).count();
            let count = order.iter().filter(of).count();
            Entry {
                first: u8::try_from(first).unwrap_or(u8::MAX),
                count: u8::try_from(count).unwrap_or(u8::MAX),
                second: 0,
                sieve: 0,
                at_source: order
                    .get(first)
                    .is_some_and(|pdr| pdr.pdi.source_interface != SourceInterface::Access),
            }
        })
    }

    fn matcher(
        &self,
        pdr: &Pdr,
        framed: &[&FramedRoutes],
        filters: &mut Filters,
    ) -> Result<Matcher, CompileError> {
        let too_many = CompileError::TooMany(pdr.id);
        let range = filters.add(pdr, &self.rules);
        let first_filter = u16::try_from(range.start).map_err(|_| too_many)?;
        let set = pdr.pdi.framed.as_deref();
        let position = set.and_then(|set| framed.iter().position(|known| *known == set));
        let family = pdr.pdi.ue.as_ref().and_then(UeFamily::of);
        Ok(Matcher {
            qfis: pdr
                .pdi
                .qfis
                .iter()
                .fold(0, |bits, qfi| bits | 1 << qfi.get()),
            any_qfi: pdr.pdi.qfis.is_empty(),
            first_filter,
            filters: u8::try_from(range.len()).map_err(|_| too_many)?,
            is_sieved: false,
            ue: match family {
                None => None,
                Some(family) => Some(UeMatch {
                    is_source: pdr.pdi.source_interface == SourceInterface::Access,
                    family,
                    framed: position
                        .map_or(Ok(0), |at| u8::try_from(at + 1).map_err(|_| too_many))?,
                }),
            },
        })
    }

    /// The BAR of a FAR.
    pub(super) fn bar(&self, far: &Far) -> Option<&Bar> {
        self.rules.bars.iter().find(|bar| Some(bar.id) == far.bar)
    }

    /// What extended buffering or a BAR suggests, at most, else the default.
    fn buffer_packets(&self, context: &Context) -> u16 {
        let suggested = |bar: &Bar| {
            let extended = bar.extended.and_then(|extended| extended.packets);
            extended.or(bar.suggested_packets.map(u16::from))
        };
        let suggested = self.rules.bars.iter().filter_map(suggested).max();
        suggested.map_or(context.buffer_packets, |packets| packets.max(1))
    }

    /// How long packets are kept, if not for the usual time.
    fn hold_s(&self) -> u32 {
        let extended = self.rules.bars.iter().filter_map(|bar| bar.extended);
        extended.map(|extended| extended.seconds).max().unwrap_or(0)
    }
}

/// The filters of all PDRs: of one kind or the other, as the session carries packets or frames.
#[derive(Default)]
struct Filters {
    sdf: Vec<Filter>,
    frames: Vec<FrameFilter>,
}

impl Filters {
    /// Adds those of a PDR; where they are.
    fn add(&mut self, pdr: &Pdr, rules: &Rules) -> Range<usize> {
        let swap = pdr.pdi.source_interface == SourceInterface::Access;
        let first = match rules.pdn {
            Pdn::Ip => self.sdf.len(),
            Pdn::Ethernet(_) => self.frames.len(),
        };
        let sdf = pdr.pdi.sdf_filters.iter();
        self.sdf
            .extend(sdf.map(|filter| Filter::new(filter, rules, swap)));
        let frames = pdr.pdi.ethernet_filters().iter();
        self.frames
            .extend(frames.map(|filter| FrameFilter::new(filter, rules, swap)));
        match rules.pdn {
            Pdn::Ip => first..self.sdf.len(),
            Pdn::Ethernet(_) => first..self.frames.len(),
        }
    }
}

impl Matcher {
    /// How little it takes to know that it matches, in a session with these UE addresses.
    fn at_a_glance(&self, all: &UeAddress) -> FirstMatches {
        match self.ue {
            _ if !self.any_qfi || self.filters > 0 => FirstMatches::Asked,
            None => FirstMatches::Always,
            Some(ue) if Some(ue.family) != UeFamily::of(all) => FirstMatches::Asked,
            Some(UeMatch {
                is_source: true, ..
            }) => FirstMatches::FromUe,
            Some(_) => FirstMatches::ToUe,
        }
    }
}

/// The ledger of the rule with that id.
pub(super) fn of<I: Copy + PartialEq>(ledgers: &[(I, Arc<Ledger>)], id: I) -> Option<&Arc<Ledger>> {
    let mut ledgers = ledgers.iter();
    ledgers.find(|(of, _)| *of == id).map(|(_, ledger)| ledger)
}

/// The UE addresses that all PDIs of a session name, taken together.
pub fn ue_of(pdrs: &[Pdr]) -> UeAddress {
    let addresses = || pdrs.iter().filter_map(|pdr| pdr.pdi.ue);
    UeAddress {
        ipv4: addresses().find_map(|ue| ue.ipv4),
        ipv6: addresses().find_map(|ue| ue.ipv6),
    }
}
