//! What consumers ask of values, beyond the values themselves.

use super::{ApnDnn, Cause, FarId, GateStatus, NetworkInstance, QerId, UrrId};
use crate::name::Name;
use crate::wire::Octets;

impl Cause {
    /// Whether the request was accepted, in part or in full. Spare values up to 63 count as 1.
    pub const fn is_accepted(self) -> bool {
        self.0 < 64
    }
}

impl GateStatus {
    /// Both gates open.
    pub const OPEN: Self = Self(0);

    /// Gates as given; `true` is open.
    pub const fn of(uplink_open: bool, downlink_open: bool) -> Self {
        let uplink = if uplink_open { 0 } else { 1 << 2 };
        Self(uplink | if downlink_open { 0 } else { 1 })
    }

    /// Whether uplink packets may pass. Values 2 and 3 count as closed.
    pub const fn uplink_open(self) -> bool {
        matches!(self.0 & 0x0c, 0)
    }

    /// Whether downlink packets may pass.
    pub const fn downlink_open(self) -> bool {
        matches!(self.0 & 0x03, 0)
    }
}

impl NetworkInstance {
    /// The name, whether it came as plain text or as DNS labels; `None` if empty or neither.
    pub fn name(&self) -> Option<Name> {
        name(&self.0)
    }
}

impl ApnDnn {
    /// The name, whether it came as DNS labels or as plain text; `None` if empty or neither.
    pub fn name(&self) -> Option<Name> {
        name(&self.0)
    }
}

fn name(octets: &Octets) -> Option<Name> {
    octets.from_labels().or_else(|| {
        let text = octets.as_str()?;
        (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.into())
    })
}

macro_rules! predefined {
    ($($name:ident)*) => {$(
        impl $name {
            /// Whether the rule is one that the UP function knows by itself.
            pub const fn is_predefined(self) -> bool {
                self.0 >= 1 << 31
            }
        }
    )*};
}
predefined! { FarId QerId UrrId }
