//! Why a request is refused, as the answer says it (TS 29.244, 7.6 and 8.2.1).

use pfcp::wire::Ie;
use pfcp::{Cause, FailedRuleId, TrafficEndpointId};
use session::Key;
use session::plan::CompileError;

use crate::counters::Limit;

/// Cause, Offending IE and Failed Rule ID of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cause {cause}, offending IE {offending:?}, failed rule {rule:?}")]
pub(crate) struct Refusal {
    /// The cause.
    pub(crate) cause: Cause,
    /// The type of the IE at fault.
    pub(crate) offending: Option<u16>,
    /// The first rule that failed.
    pub(crate) rule: Option<FailedRuleId>,
    /// The traffic endpoint that failed; it is no rule.
    pub(crate) endpoint: Option<TrafficEndpointId>,
    /// The bound that was reached.
    pub(crate) limit: Option<Limit>,
}

impl Refusal {
    /// A cause alone.
    pub(crate) const fn new(cause: Cause) -> Self {
        Self {
            cause,
            offending: None,
            rule: None,
            endpoint: None,
            limit: None,
        }
    }

    /// A bound was reached.
    pub(crate) const fn limit(limit: Limit) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(Cause::NO_RESOURCES_AVAILABLE)
        }
    }

    /// A cause and the IE at fault.
    pub(crate) const fn ie<T: Ie>(cause: Cause) -> Self {
        Self {
            offending: Some(T::TYPE),
            ..Self::new(cause)
        }
    }

    /// A rule that cannot be carried out, because of an IE of it.
    pub(crate) const fn rule<T: Ie>(rule: FailedRuleId) -> Self {
        Self::rule_ie(rule, T::TYPE)
    }

    /// A traffic endpoint that cannot be, because of an IE of it.
    pub(crate) const fn endpoint<T: Ie>(id: TrafficEndpointId) -> Self {
        Self {
            endpoint: Some(id),
            ..Self::ie::<T>(Cause::RULE_CREATION_MODIFICATION_FAILURE)
        }
    }

    /// A rule that cannot be carried out, because of an IE of that type.
    pub(crate) const fn rule_ie(rule: FailedRuleId, r#type: u16) -> Self {
        Self {
            offending: Some(r#type),
            rule: Some(rule),
            ..Self::new(Cause::RULE_CREATION_MODIFICATION_FAILURE)
        }
    }

    /// The same with another cause.
    pub(crate) const fn cause(self, cause: Cause) -> Self {
        Self { cause, ..self }
    }

    /// The cause for a request that is refused as a whole: some causes only say of one rule among
    /// others why it failed (TS 29.244, 8.2.1).
    pub(crate) const fn cause_of_all(&self) -> Cause {
        match self.cause {
            Cause::UNKNOWN_APPLICATION_ID | Cause::UNKNOWN_PRE_DEFINED_RULE => {
                Cause::RULE_CREATION_MODIFICATION_FAILURE
            }
            cause => cause,
        }
    }

    /// What the rules' compiler objects to.
    pub(crate) fn compile(error: CompileError) -> Self {
        use CompileError as E;
        use pfcp::FailedRuleId as F;
        match error {
            E::DuplicatePdr(id) => Self::rule::<pfcp::PdrId>(F::Pdr(id.0.into())),
            E::DuplicateFar(id) => Self::rule::<pfcp::FarId>(F::Far(id.0.into())),
            E::DuplicateQer(id) => Self::rule::<pfcp::QerId>(F::Qer(id.0.into())),
            E::DuplicateUrr(id) => Self::rule::<pfcp::UrrId>(F::Urr(id.0.into())),
            E::DuplicateBar(id) => Self::rule::<pfcp::BarId>(F::Bar(id.0.into())),
            E::NoFar(id, _) => Self::rule::<pfcp::FarId>(F::Pdr(id.0.into())),
            E::NoQer(id, _) => Self::rule::<pfcp::QerId>(F::Pdr(id.0.into())),
            E::NoUrr(id, _) => Self::rule::<pfcp::UrrId>(F::Pdr(id.0.into())),
            E::NoBar(id, _) => Self::rule::<pfcp::BarId>(F::Far(id.0.into())),
            E::NoKey(id) => Self::rule::<pfcp::UeIpAddress>(F::Pdr(id.0.into())),
            E::NoVrf(id) => Self::rule::<pfcp::NetworkInstance>(F::Far(id.0.into())),
            E::TooManyTunnels => Self::ie::<pfcp::FTeid>(Cause::NO_RESOURCES_AVAILABLE),
            E::TooMany(id) => {
                Self::rule::<pfcp::PdrId>(F::Pdr(id.0.into())).cause(Cause::NO_RESOURCES_AVAILABLE)
            }
        }
    }

    /// The tables object to a key, which that rule needs.
    pub(crate) fn key(cause: Cause, key: Key, rule: Option<FailedRuleId>) -> Self {
        let offending = match key {
            Key::Tunnel(_) => <pfcp::FTeid as Ie>::TYPE,
            Key::Ipv4(..) | Key::Ipv6(..) => <pfcp::UeIpAddress as Ie>::TYPE,
            Key::Route(_, route) if route.addr().is_ipv4() => <pfcp::FramedRoute as Ie>::TYPE,
            Key::Route(..) => <pfcp::FramedIpv6Route as Ie>::TYPE,
            Key::Station(..) | Key::Member(..) => <pfcp::PdnType as Ie>::TYPE,
        };
        Self {
            offending: Some(offending),
            rule,
            ..Self::new(cause)
        }
    }
}
