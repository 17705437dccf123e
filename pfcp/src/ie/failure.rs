//! What failed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BarId, FarId, MarId, PdrId, QerId, SrrId, UrrId};
use crate::wire::{Ie as _, Parsed, Wire};

/// Failed Rule ID (TS 29.244, 8.2.80).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailedRuleId {
    /// A PDR.
    Pdr(PdrId),
    /// A FAR.
    Far(FarId),
    /// A QER.
    Qer(QerId),
    /// A URR.
    Urr(UrrId),
    /// A BAR.
    Bar(BarId),
    /// A MAR.
    Mar(MarId),
    /// An SRR.
    Srr(SrrId),
}

impl FailedRuleId {
    /// The type of the IE that is the rule's ID.
    pub const fn ie_type(&self) -> u16 {
        match self {
            Self::Pdr(_) => PdrId::TYPE,
            Self::Far(_) => FarId::TYPE,
            Self::Qer(_) => QerId::TYPE,
            Self::Urr(_) => UrrId::TYPE,
            Self::Bar(_) => BarId::TYPE,
            Self::Mar(_) => MarId::TYPE,
            Self::Srr(_) => SrrId::TYPE,
        }
    }
}

impl Default for FailedRuleId {
    fn default() -> Self {
        Self::Pdr(PdrId(0))
    }
}

impl Wire for FailedRuleId {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, r#type) = u8::parse(input)?;
        Ok(match r#type & 0x1f {
            0 => PdrId::parse(rest).map(|(rest, id)| (rest, Self::Pdr(id)))?,
            2 => QerId::parse(rest).map(|(rest, id)| (rest, Self::Qer(id)))?,
            3 => UrrId::parse(rest).map(|(rest, id)| (rest, Self::Urr(id)))?,
            4 => BarId::parse(rest).map(|(rest, id)| (rest, Self::Bar(id)))?,
            5 => MarId::parse(rest).map(|(rest, id)| (rest, Self::Mar(id)))?,
            6 => SrrId::parse(rest).map(|(rest, id)| (rest, Self::Srr(id)))?,
            // "7 to 31: spare; interpreted as the value 1."
            _ => FarId::parse(rest).map(|(rest, id)| (rest, Self::Far(id)))?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Pdr(id) => put(0, id, out),
            Self::Far(id) => put(1, id, out),
            Self::Qer(id) => put(2, id, out),
            Self::Urr(id) => put(3, id, out),
            Self::Bar(id) => put(4, id, out),
            Self::Mar(id) => put(5, id, out),
            Self::Srr(id) => put(6, id, out),
        }
    }
}

fn put(r#type: u8, id: &impl Wire, out: &mut Vec<u8>) {
    out.push(r#type);
    id.emit(out);
}

impl fmt::Display for FailedRuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pdr(id) => write!(f, "PDR {id}"),
            Self::Far(id) => write!(f, "FAR {id}"),
            Self::Qer(id) => write!(f, "QER {id}"),
            Self::Urr(id) => write!(f, "URR {id}"),
            Self::Bar(id) => write!(f, "BAR {id}"),
            Self::Mar(id) => write!(f, "MAR {id}"),
            Self::Srr(id) => write!(f, "SRR {id}"),
        }
    }
}

#[cfg(feature = "generate")]
impl crate::generate::Generate for FailedRuleId {
    fn generate(source: &mut crate::generate::Source<'_>) -> Self {
        match source.octet() % 7 {
            0 => Self::Pdr(PdrId::generate(source)),
            1 => Self::Far(FarId::generate(source)),
            2 => Self::Qer(QerId::generate(source)),
            3 => Self::Urr(UrrId::generate(source)),
            4 => Self::Bar(BarId::generate(source)),
            5 => Self::Mar(MarId::generate(source)),
            _ => Self::Srr(SrrId::generate(source)),
        }
    }
}
