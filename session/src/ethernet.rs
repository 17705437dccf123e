//! Ethernet PDU sessions (TS 23.501, 5.6.10.2): frames, the filters that match them, and the stations
//! that were heard behind a UE.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::inner::Inner;
use crate::sdf::SdfFilter;
use crate::usage::Moment;

/// A MAC address.
pub type Mac = [u8; 6];

/// TPID of a C-TAG (IEEE 802.1Q, 9.5).
pub const C_TAG: u16 = 0x8100;
/// TPID of an S-TAG.
pub const S_TAG: u16 = 0x88a8;
/// Ethertype of IPv4.
const IPV4: u16 = 0x0800;
/// Ethertype of IPv6.
const IPV6: u16 = 0x86dd;

/// What a station is known by: "MAC address and VLAN are unique in a data network" (TS 23.501,
/// 5.6.10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station {
    /// Of the outer tag, in network order; 0 without one.
    vlan: [u8; 2],
    mac: Mac,
}

impl Station {
    /// The station of that address in the VLAN of its frames' outer tag, 0 being none.
    pub const fn new(vlan: u16, mac: Mac) -> Self {
        Self {
            vlan: (vlan & 0xfff).to_be_bytes(),
            mac,
        }
    }

    /// Its MAC address.
    pub const fn mac(self) -> Mac {
        self.mac
    }

    /// The VLAN, 0 being none.
    pub const fn vlan(self) -> u16 {
        u16::from_be_bytes(self.vlan)
    }

    /// Both as a number.
    pub const fn bits(self) -> u64 {
        let [v, w] = self.vlan;
        let [a, b, c, d, e, f] = self.mac;
        u64::from_be_bytes([v, w, a, b, c, d, e, f])
    }
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.mac;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")?;
        match self.vlan() {
            0 => Ok(()),
            vlan => write!(f, " in VLAN {vlan}"),
        }
    }
}

/// The VLAN tags of a frame as they were: tag control information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags {
    /// Of the S-TAG.
    pub s_tag: Option<u16>,
    /// Of the C-TAG.
    pub c_tag: Option<u16>,
}

impl Tags {
    /// The VLAN of the outer tag, 0 being none: a tag may tell a priority alone.
    pub fn vlan(self) -> u16 {
        self.s_tag.or(self.c_tag).unwrap_or(0) & 0xfff
    }
}

/// A station that was heard behind the UE of a session.
#[derive(Debug)]
pub struct Learned {
    /// Who.
    pub station: Station,
    /// The tags of the frame that it was learned from.
    pub tags: Tags,
    /// When it was heard last, a [`Moment`]. The worker that owns the session writes it.
    heard: AtomicU32,
}

impl Learned {
    /// One that was just heard.
    pub const fn new(station: Station, tags: Tags, now: Moment) -> Self {
        Self {
            station,
            tags,
            heard: AtomicU32::new(now.0),
        }
    }

    /// Notes that it was heard.
    #[inline]
    pub fn hear(&self, now: Moment) {
        // Others read it: it is written when it changes alone.
        if self.heard.load(Relaxed) != now.0 {
            self.heard.store(now.0, Relaxed);
        }
    }

    /// When it was heard last.
    pub fn heard(&self) -> Moment {
        Moment(self.heard.load(Relaxed))
    }
}

impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        (self.station, self.tags) == (other.station, other.tags)
    }
}

impl Eq for Learned {}

/// The stations behind the UE of an Ethernet session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stations {
    /// Those that are known, by their addresses.
    pub learned: Vec<Arc<Learned>>,
    /// There may be no more.
    pub full: bool,
}

impl Stations {
    /// The same, heard when they were so far, and from now on apart from these.
    #[must_use]
    pub fn apart(&self) -> Self {
        let apart = |learned: &Arc<Learned>| {
            let Learned { station, tags, .. } = **learned;
            Arc::new(Learned::new(station, tags, learned.heard()))
        };
        Self {
            learned: self.learned.iter().map(apart).collect(),
            full: self.full,
        }
    }
}

/// An Ethernet frame without preamble and frame check sequence (TS 23.501, 5.6.10.2).
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    destination: Mac,
    source: Mac,
    tags: Tags,
    ether_type: u16,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A view over a frame; `None` if its header is cut. An S-TAG may come before a C-TAG; what lies
    /// behind is payload.
    #[inline]
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        let (addresses, rest) = octets.split_first_chunk()?;
        Self::behind(addresses, rest)
    }

    /// The same of a frame whose `rest` lies apart from its addresses, since there is a tag between
    /// them that is none of it.
    #[inline]
    pub fn behind(addresses: &[u8; 12], rest: &'a [u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *addresses;
        let word = |octets: &'a [u8]| {
            let (word, rest) = octets.split_first_chunk()?;
            Some((u16::from_be_bytes(*word), rest))
        };
        let (ether_type, payload) = word(rest)?;
        let mut frame = Self {
            destination: [a, b, c, d, e, f],
            source: [g, h, i, j, k, l],
            tags: Tags::default(),
            ether_type,
            payload,
        };
        for (tpid, tag) in [
            (S_TAG, &mut frame.tags.s_tag),
            (C_TAG, &mut frame.tags.c_tag),
        ] {
            if frame.ether_type == tpid {
                let (tci, rest) = word(frame.payload)?;
                *tag = Some(tci);
                (frame.ether_type, frame.payload) = word(rest)?;
            }
        }
        Some(frame)
    }

    /// To whom.
    pub const fn destination(&self) -> Mac {
        self.destination
    }

    /// From whom.
    pub const fn source(&self) -> Mac {
        self.source
    }

    /// Its VLAN tags.
    pub const fn tags(&self) -> Tags {
        self.tags
    }

    /// Its Ethertype behind all tags, or the length that stands there (IEEE 802.3, 3.2.6).
    pub const fn ether_type(&self) -> u16 {
        self.ether_type
    }

    /// What lies behind the Ethertype.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The IP packet in it, if its Ethertype says that it has one, and it is whole.
    pub fn ip(&self) -> Option<Inner<'a>> {
        let inner = Inner::parse(self.payload()).ok()?;
        let own = if inner.is_v6() { IPV6 } else { IPV4 };
        (self.ether_type == own).then_some(inner)
    }

    /// The station that it comes from.
    pub fn sender(&self) -> Station {
        Station::new(self.tags.vlan(), self.source())
    }

    /// The station that it goes to, which is none if it goes to a group.
    pub fn receiver(&self) -> Station {
        Station::new(self.tags.vlan(), self.destination())
    }
}

/// Whether an address is that of a group of stations, the broadcast among them.
pub const fn is_group(mac: Mac) -> bool {
    mac[0] & 1 == 1
}

/// Whether an address stands for one station.
pub fn is_station(mac: Mac) -> bool {
    !is_group(mac) && mac != [0; 6]
}

/// Whether bridges keep frames to that address to themselves: spanning tree, pause, link
/// aggregation, LLDP (IEEE 802.1Q, 8.6.3).
pub const fn is_reserved(mac: Mac) -> bool {
    matches!(mac, [0x01, 0x80, 0xc2, 0, 0, 0..=0x0f])
}

/// Ethernet Packet Filter (TS 29.244, 7.5.2.2-3). All that is present is ANDed. MAC addresses and SDF
/// filters are written for downlink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EthernetFilter {
    /// Its Ethernet Filter ID: filters of a session with one id are one filter.
    pub id: Option<u32>,
    /// One of these has to match, if there are any.
    pub macs: Vec<MacFilter>,
    /// The Ethertype behind all tags.
    pub ether_type: Option<u16>,
    /// There has to be such a C-TAG.
    pub c_tag: Option<TagFilter>,
    /// There has to be such an S-TAG.
    pub s_tag: Option<TagFilter>,
    /// There has to be an IP packet that one of these matches, if there are any.
    pub sdf_filters: Vec<SdfFilter>,
}

/// MAC address (TS 29.244, 8.2.93): all that is present is ANDed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MacFilter {
    /// Source addresses.
    pub source: Option<MacRange>,
    /// Destination addresses.
    pub destination: Option<MacRange>,
}

impl MacFilter {
    /// The same for the other direction.
    pub(crate) const fn turned(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
        }
    }
}

/// Addresses from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacRange {
    /// The lowest.
    pub first: Mac,
    /// The highest.
    pub last: Mac,
}

impl MacRange {
    /// Whether an address lies in it.
    #[inline]
    pub fn contains(&self, mac: Mac) -> bool {
        // Octets of equal number are ordered as the numbers that they are.
        self.first <= mac && mac <= self.last
    }
}

/// C-TAG and S-TAG (TS 29.244, 8.2.94 and 8.2.95): the parts that are flagged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagFilter {
    /// Priority code point.
    pub pcp: Option<u8>,
    /// Drop eligible indicator.
    pub dei: Option<bool>,
    /// VLAN identifier.
    pub vid: Option<u16>,
}

impl TagFilter {
    /// Value and mask of the tag control information that it wants.
    pub const fn value_and_mask(&self) -> (u16, u16) {
        let (mut value, mut mask) = (0, 0);
        if let Some(pcp) = self.pcp {
            // Lossless, and `From` is not const.
            value |= u16::from_be_bytes([pcp << 5, 0]);
            mask |= 0xe000;
        }
        if let Some(dei) = self.dei {
            value |= if dei { 0x1000 } else { 0 };
            mask |= 0x1000;
        }
        if let Some(vid) = self.vid {
            value |= vid & 0xfff;
            mask |= 0xfff;
        }
        (value, mask)
    }
}

/// The filters of a PDI, any of which has to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EthernetFilters(pub Vec<EthernetFilter>);

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Mac = [2, 0, 0, 0, 0, 1];
    const FROM: Mac = [2, 0, 0, 0, 0, 2];

    fn frame(tags: &[(u16, u16)], ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut octets = [TO, FROM].concat();
        for (tpid, tci) in tags {
            octets.extend(tpid.to_be_bytes());
            octets.extend(tci.to_be_bytes());
        }
        octets.extend(ether_type.to_be_bytes());
        octets.extend(payload);
        octets
    }

    #[test]
    fn tags_are_told_from_payload() {
        let both = Tags {
            s_tag: Some(0x2064),
            c_tag: Some(0x0005),
        };
        let one = |tag| Tags {
            c_tag: Some(tag),
            s_tag: None,
        };
        for (tags, expected, vlan, ether_type) in [
            (&[][..], Tags::default(), 0, 0x0806),
            (&[(C_TAG, 0xf009)], one(0xf009), 9, 0x0806),
            (&[(C_TAG, 0xe000)], one(0xe000), 0, 0x0806),
            (&[(S_TAG, 0x2064), (C_TAG, 5)], both, 0x64, 0x0806),
            // Two of a kind: the second belongs to others.
            (&[(C_TAG, 7), (C_TAG, 5)], one(7), 7, C_TAG),
        ] {
            let octets = frame(tags, 0x0806, &[1, 2, 3]);
            let parsed = Frame::parse(&octets).unwrap();
            assert_eq!((parsed.tags(), parsed.tags().vlan()), (expected, vlan));
            assert_eq!(parsed.ether_type(), ether_type);
            assert_eq!(parsed.destination(), TO);
            assert_eq!(parsed.sender(), Station::new(vlan, FROM));
            assert!(parsed.payload().ends_with(&[1, 2, 3]));
            // A cut tag is none.
            for length in 0..14 + 4 * tags.len().min(1) {
                assert!(Frame::parse(&octets[..length]).is_none());
            }
        }
    }

    #[test]
    fn the_parts_of_a_tag_that_are_flagged_are_asked_for() {
        let filter = TagFilter {
            pcp: Some(5),
            dei: Some(true),
            vid: Some(0x123),
        };
        assert_eq!(filter.value_and_mask(), (0xb123, 0xffff));
        let filter = TagFilter {
            dei: Some(false),
            ..TagFilter::default()
        };
        assert_eq!(filter.value_and_mask(), (0, 0x1000));
        assert_eq!(TagFilter::default().value_and_mask(), (0, 0));
    }

    #[test]
    fn groups_and_bridges_have_addresses_of_their_own() {
        assert!(is_group([0xff; 6]) && is_group([1, 0, 0x5e, 0, 0, 1]));
        assert!(is_station(TO) && !is_station([0; 6]) && !is_station([0xff; 6]));
        assert!(is_reserved([1, 0x80, 0xc2, 0, 0, 0xe]));
        assert!(!is_reserved([1, 0x80, 0xc2, 0, 0, 0x10]));
        let station = Station::new(9, TO);
        assert_eq!(station.to_string(), "02:00:00:00:00:01 in VLAN 9");
        assert_eq!(station.bits(), 0x0009_0200_0000_0001);
    }
}
