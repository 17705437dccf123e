//! Ethernet frames: filters compiled for one direction, and whom they come from.

use std::sync::Arc;

use super::filter::Filter;
use super::{Entrance, Entry, Matcher, Plan, Step};
use crate::ethernet::{EthernetFilter, Frame, Learned, MacFilter, MacRange, Station};
use crate::id::Qfi;
use crate::rule::Rules;

/// What a plan has for frames.
#[derive(Debug)]
pub(super) struct Frames {
    /// Those of all PDRs, which matchers point to.
    filters: Box<[FrameFilter]>,
    /// In the order of their numbers.
    learned: Box<[Arc<Learned>]>,
    full: bool,
}

/// One Ethernet packet filter, source and destination already the right way round.
#[derive(Clone, Debug)]
pub(super) struct FrameFilter {
    macs: Box<[MacFilter]>,
    ether_type: Option<u16>,
    /// Values and masks.
    c_tag: Option<(u16, u16)>,
    s_tag: Option<(u16, u16)>,
    sdf: Box<[Filter]>,
}

/// A frame as the plan sees it.
#[derive(Clone, Copy, Debug)]
pub struct FrameArrival<'a> {
    /// The frame.
    pub frame: Frame<'a>,
    /// The QFI of its PDU session container, if it came with one.
    pub qfi: Option<Qfi>,
}

/// What a session knows of a station behind its UE.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// It is one of its own.
    Own(&'a Learned),
    /// It is none that the session knows.
    New,
    /// It is none that the session knows, and there may be no more.
    TooMany,
}

impl Frames {
    /// Of the session's stations, with these filters.
    pub(super) fn new(rules: &Rules, filters: Vec<FrameFilter>) -> Option<Box<Self>> {
        let stations = rules.pdn.stations()?;
        let mut learned: Box<[_]> = stations.learned.iter().cloned().collect();
        learned.sort_unstable_by_key(|learned| learned.station);
        Some(Box::new(Self {
            filters: filters.into(),
            learned,
            full: stations.full,
        }))
    }
}

impl FrameFilter {
    /// Compiles a filter; `swap` for frames from Access, since filters are written for downlink.
    pub(super) fn new(filter: &EthernetFilter, rules: &Rules, swap: bool) -> Self {
        let macs = filter.macs.iter();
        let sdf = filter.sdf_filters.iter();
        Self {
            macs: macs
                .map(|mac| if swap { mac.turned() } else { *mac })
                .collect(),
            ether_type: filter.ether_type,
            c_tag: filter.c_tag.map(|tag| tag.value_and_mask()),
            s_tag: filter.s_tag.map(|tag| tag.value_and_mask()),
            sdf: sdf.map(|sdf| Filter::new(sdf, rules, swap)).collect(),
        }
    }

    fn matches(&self, frame: &Frame<'_>) -> bool {
        let lies_in = |range: Option<MacRange>, mac| range.is_none_or(|range| range.contains(mac));
        let is_between = |mac: &MacFilter| {
            lies_in(mac.source, frame.source()) && lies_in(mac.destination, frame.destination())
        };
        let has = |wanted: Option<(u16, u16)>, tag: Option<u16>| {
            wanted.is_none_or(|(value, mask)| tag.is_some_and(|tag| tag & mask == value))
        };
        (self.macs.is_empty() || self.macs.iter().any(is_between))
            && self.ether_type.is_none_or(|own| own == frame.ether_type())
            && has(self.c_tag, frame.tags().c_tag)
            && has(self.s_tag, frame.tags().s_tag)
            && (self.sdf.is_empty() || self.sdf_matches(frame))
    }

    fn sdf_matches(&self, frame: &Frame<'_>) -> bool {
        frame.ip().is_some_and(|inner| {
            let transport = inner.transport();
            self.sdf.iter().any(|sdf| sdf.matches(&inner, transport))
        })
    }
}

impl Plan {
    /// Whether the session carries Ethernet frames.
    pub const fn is_ethernet(&self) -> bool {
        self.frames.is_some()
    }

    /// What is known of a station that a frame of the UE comes from.
    pub fn heard(&self, station: Station) -> Heard<'_> {
        let Some(frames) = &self.frames else {
            return Heard::TooMany;
        };
        let place = frames
            .learned
            .binary_search_by_key(&station, |learned| learned.station);
        match place.ok().and_then(|place| frames.learned.get(place)) {
            Some(learned) => Heard::Own(learned),
            None if frames.full => Heard::TooMany,
            None => Heard::New,
        }
    }

    /// Asks one PDR of an entrance after the other.
    fn search_frame(&self, entry: Entry, arrival: &FrameArrival<'_>) -> Option<usize> {
        let frames = self.frames.as_deref()?;
        let first = usize::from(entry.first);
        let matchers = self.matchers.get(first..)?;
        let matchers = matchers.get(..usize::from(entry.count))?;
        matchers.iter().position(|matcher: &Matcher| {
            let filters = frames.filters.get(matcher.filter_range());
            let mut filters = filters.unwrap_or_default().iter();
            matcher.takes(arrival.qfi)
                && (matcher.filters == 0 || filters.any(|filter| filter.matches(&arrival.frame)))
        })
    }
}

impl<'a> Entrance<'a> {
    /// The first PDR of the entrance, by precedence, that a frame matches.
    pub fn classify_frame(self, arrival: &FrameArrival<'_>) -> Option<&'a Step> {
        let entry = self.plan.entry(self.first.door.number)?;
        let place = self.plan.search_frame(*entry, arrival)?;
        self.step(*entry, place)
    }
}
