//! What can be wrong with octets, and what to answer.

use std::fmt;

use crate::header::{Header, Sequence};
use crate::ie::Cause;

/// What is wrong with one IE, or with the list of IEs around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A value ends before its layout does, or a length runs past what holds it.
    Length,
    /// A reserved value, or a combination that the specification rules out.
    Value,
    /// A mandatory IE of this type is absent.
    Missing(u16),
    /// A conditional IE of this type is absent although its condition holds.
    ConditionalMissing(u16),
}

impl Fault {
    /// The cause to answer with (TS 29.244, 8.2.1).
    pub const fn cause(self) -> Cause {
        match self {
            Self::Missing(_) => Cause::MANDATORY_IE_MISSING,
            Self::ConditionalMissing(_) => Cause::CONDITIONAL_IE_MISSING,
            Self::Length => Cause::INVALID_LENGTH,
            Self::Value => Cause::MANDATORY_IE_INCORRECT,
        }
    }
}

impl<I> nom::error::ParseError<I> for Fault {
    fn from_error_kind(_: I, _: nom::error::ErrorKind) -> Self {
        Self::Length
    }
    fn append(_: I, _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// How deep IEs can nest. The deepest of TS 29.244 is five (Session Report Request down to a
/// tunnel's F-TEID).
const DEPTH_MAX: usize = 8;

/// The types of the IEs that enclose a fault, outermost first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Path {
    /// Innermost first; what is deeper than fits is not kept.
    types: [u16; DEPTH_MAX],
    depth: u8,
}

impl Path {
    /// Adds the IE that encloses all those already there.
    fn enclose(&mut self, r#type: u16) {
        if let Some(slot) = self.types.get_mut(usize::from(self.depth)) {
            *slot = r#type;
            self.depth += 1;
        }
    }

    /// The types, outermost first.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.types
            .iter()
            .take(usize::from(self.depth))
            .rev()
            .copied()
    }

    /// The type of the IE that is itself at fault.
    pub fn innermost(&self) -> Option<u16> {
        self.types.first().copied().filter(|_| self.depth > 0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The name of an IE type, and its number.
struct Named(u16);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = crate::catalogue::entry(self.0);
        let name = entry.map_or("unknown IE", |entry| entry.name);
        write!(f, "{name} ({})", self.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("ends too early, or claims more octets than there are"),
            Self::Value => f.write_str("has a value that is reserved or ruled out"),
            Self::Missing(r#type) => write!(f, "lacks the mandatory {}", Named(*r#type)),
            Self::ConditionalMissing(r#type) => {
                write!(f, "lacks {}, whose condition holds", Named(*r#type))
            }
        }
    }
}

/// By name, with a colon for what is said of it: `Create PDR (1) > PDI (2): `.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, r#type) in self.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { " > " }, Named(r#type))?;
        }
        f.write_str(if self.depth > 0 { ": " } else { "" })
    }
}

/// The way to the fault from outside: `Create PDR (1) > PDI (2): has a value …`.
impl fmt::Display for IeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, self.fault)
    }
}

/// Why the IEs of a message were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct IeError {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub path: Path,
}

impl IeError {
    /// The same fault, seen from outside an IE of this type.
    #[must_use]
    pub(crate) fn within(mut self, r#type: u16) -> Self {
        self.path.enclose(r#type);
        self
    }

    /// The cause to answer with.
    pub const fn cause(&self) -> Cause {
        self.fault.cause()
    }

    /// The type for the Offending IE of the answer, if it can be named.
    pub fn offending_ie(&self) -> Option<u16> {
        match self.fault {
            Fault::Missing(r#type) | Fault::ConditionalMissing(r#type) => Some(r#type),
            Fault::Length | Fault::Value => self.path.innermost(),
        }
    }
}

impl From<Fault> for IeError {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            path: Path::default(),
        }
    }
}

impl From<nom::Err<Fault>> for IeError {
    fn from(error: nom::Err<Fault>) -> Self {
        match error {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => fault.into(),
            nom::Err::Incomplete(_) => Fault::Length.into(),
        }
    }
}

/// Why a datagram gave no message (TS 29.244, 7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing to answer: drop it.
    #[error("{0}")]
    Discard(Discard),
    /// Answer with a Version Not Supported Response of this sequence number.
    #[error("version {version} is not supported")]
    Version {
        /// The version that the peer speaks.
        version: u8,
        /// The sequence number to answer with.
        sequence: Sequence,
    },
    /// The header is sound, the rest is not. If it is a request: answer with a cause.
    #[error("{}: {error}", crate::message::Message::name_of(*message_type))]
    Message {
        /// The message type.
        message_type: u8,
        /// The header, to answer by.
        header: Header,
        /// What is wrong.
        error: IeError,
    },
}

/// Why a datagram is discarded without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Discard {
    /// Too short for a header.
    #[error("too short for a header of 8 octets, or of 16 with a SEID")]
    Short,
    /// No such message type.
    #[error("no message has type {0}")]
    MessageType(u8),
    /// A response of another version: to answer it might never end.
    #[error("a response of version {0}")]
    Version(u8),
    /// The S flag is not the one of this message type.
    #[error("{}: its header is of the other form (S flag)", crate::message::Message::name_of(*.0))]
    SeidFlag(u8),
}

impl DecodeError {
    /// The header, if it could be read.
    pub const fn header(&self) -> Option<&Header> {
        match self {
            Self::Message { header, .. } => Some(header),
            Self::Discard(_) | Self::Version { .. } => None,
        }
    }

    /// The cause to answer with, if there is an answer with a cause.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Message { error, .. } => Some(error.cause()),
            Self::Discard(_) | Self::Version { .. } => None,
        }
    }

    /// The type for the Offending IE of the answer, if it can be named.
    pub fn offending_ie(&self) -> Option<u16> {
        match self {
            Self::Message { error, .. } => error.offending_ie(),
            Self::Discard(_) | Self::Version { .. } => None,
        }
    }
}

/// What PFCP has no octets for, or rules out: the text is what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct Illegal(pub &'static str);

/// A rule that a message breaks, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}{rule}")]
pub struct Breach {
    /// What was expected.
    pub rule: Illegal,
    /// Where.
    pub path: Path,
}

impl Breach {
    /// The same, seen from outside an IE of this type.
    #[must_use]
    pub(crate) fn within(mut self, r#type: u16) -> Self {
        self.path.enclose(r#type);
        self
    }
}

impl From<Illegal> for Breach {
    fn from(rule: Illegal) -> Self {
        Self {
            rule,
            path: Path::default(),
        }
    }
}

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It does not fit the 16 bits of its length.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// It lacks an IE that another asks for; one like it would be refused.
    #[error("the message {0}")]
    Incomplete(IeError),
    /// It says what the specification rules out.
    #[error(transparent)]
    Illegal(#[from] Breach),
}

/// A message, or an IE by itself, does not fit the 16 bits of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{octets} octets are more than the length of a message or an IE can say")]
pub struct TooLong {
    /// How many octets it has.
    pub octets: usize,
}
