//! The messages (TS 29.244, 7.3 to 7.5).

use std::fmt;

use crate::catalogue::MessageEntry;
use crate::error::{Breach, EncodeError, IeError};
use crate::group::{Group, Row};
use crate::in_place::Members;
use crate::rules::Ruled;

mod node;
mod session;

pub use node::*;
pub use session::*;

/// A message without its header.
pub trait Body: Group + Into<Message> {
    /// The message type (TS 29.244, table 7.3-1).
    const TYPE: u8;
    /// Its name in the specification.
    const NAME: &'static str;
    /// Whether it concerns a session: then its header has a SEID.
    const SESSION: bool;
}

/// A message that wants an answer.
pub trait Request: Body {
    /// The answer.
    type Response: Body;
}

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Either side.
    Either,
    /// The control plane function.
    ControlToUser,
    /// The user plane function.
    UserToControl,
}

/// Anything that can be sent: one message type, or [`Message`] for any.
pub trait Encode {
    /// The message type.
    fn message_type(&self) -> u8;
    /// Whether the header has a SEID.
    fn is_session(&self) -> bool;
    /// Whether it may be sent.
    ///
    /// # Errors
    /// When an IE is missing that another asks for, or a rule is broken.
    fn check_body(&self) -> Result<(), EncodeError>;
    /// Appends the IEs.
    fn encode_body(&self, out: &mut Vec<u8>);
}

impl<T: Body> Encode for T {
    fn message_type(&self) -> u8 {
        T::TYPE
    }
    fn is_session(&self) -> bool {
        T::SESSION
    }
    fn check_body(&self) -> Result<(), EncodeError> {
        self.check_members().map_err(EncodeError::Incomplete)?;
        Ok(Ruled::check(self)?)
    }
    fn encode_body(&self, out: &mut Vec<u8>) {
        self.encode_members(out);
    }
}

/// Declares the messages: `type Name form direction ["clause", "Name in the specification"]`, and
/// for a request `-> Response`.
macro_rules! messages {
    ($( $no:literal $name:ident $form:ident $direction:ident [$clause:literal, $text:literal] $(-> $response:ident)?; )*) => {
        /// Any message.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[allow(missing_docs, reason = "each variant is documented by its type")]
        #[allow(clippy::large_enum_variant, reason = "made once per datagram and taken apart at once; a box would cost an allocation")]
        pub enum Message { $($name($name),)* }

        /// Every message: for dumps, and for the coverage page of the documentation.
        pub const MESSAGES: &[MessageEntry] = &[$(
            MessageEntry { r#type: $no, name: $text, clause: $clause, session: messages!(@session $form), rows: <$name as Group>::ROWS },
        )*];

        impl Message {
            /// The name of the message in the specification.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $text,)* }
            }
            /// Who sends it.
            pub const fn direction(&self) -> Direction {
                match self { $(Self::$name(_) => Direction::$direction,)* }
            }
            /// The rows of its table.
            pub const fn rows(&self) -> &'static [Row] {
                match self { $(Self::$name(_) => <$name>::ROWS,)* }
            }
            /// Whether it wants an answer.
            pub const fn is_request(&self) -> bool {
                match self { $(Self::$name(_) => messages!(@request $($response)?),)* }
            }

            /// Whether it keeps all rules of the specification, so that it may be sent.
            ///
            /// # Errors
            /// The first that it breaks.
            pub fn check(&self) -> Result<(), Breach> {
                match self { $(Self::$name(body) => Ruled::check(body),)* }
            }

            /// Whether the header of this message type has a SEID; `None` if there is no such type.
            pub(crate) const fn form(message_type: u8) -> Option<bool> {
                match message_type { $($no => Some(messages!(@session $form)),)* _ => None }
            }
            /// The name of this message type in the specification.
            pub const fn name_of(message_type: u8) -> &'static str {
                match message_type { $($no => $text,)* _ => "unknown message" }
            }
            /// Whether this message type is that of a request.
            pub const fn is_request_type(message_type: u8) -> bool {
                match message_type { $($no => messages!(@request $($response)?),)* _ => false }
            }

            /// What `known` makes of a blank message of a type, to be read over, or `unknown` if
            /// there is no such type.
            #[inline]
            pub(crate) fn blank<T>(message_type: u8, known: impl Fn(Self) -> T, unknown: T) -> T {
                match message_type {
                    $($no => known(Self::$name($name::blank_members())),)*
                    _ => unknown,
                }
            }

            /// Reads the IEs of a message of its type over a blank one.
            pub(crate) fn decode_body_into(&mut self, octets: &[u8]) -> Result<(), IeError> {
                match self { $(Self::$name(body) => body.decode_members_into(octets),)* }
            }
        }

        impl Encode for Message {
            fn message_type(&self) -> u8 {
                match self { $(Self::$name(_) => $no,)* }
            }
            fn is_session(&self) -> bool {
                match self { $(Self::$name(_) => messages!(@session $form),)* }
            }
            fn check_body(&self) -> Result<(), EncodeError> {
                match self { $(Self::$name(body) => body.check_body(),)* }
            }
            fn encode_body(&self, out: &mut Vec<u8>) {
                match self { $(Self::$name(body) => body.encode_members(out),)* }
            }
        }

        /// The name, and below it the tree of IEs.
        impl fmt::Display for Message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                writeln!(f, "{}", self.name())?;
                match self { $(Self::$name(body) => body.show_members(f, 1),)* }
            }
        }

        $(
            impl Body for $name {
                const TYPE: u8 = $no;
                const NAME: &'static str = $text;
                const SESSION: bool = messages!(@session $form);
            }
            impl From<$name> for Message {
                fn from(body: $name) -> Self { Self::$name(body) }
            }
            $(
                impl Request for $name {
                    type Response = $response;
                }
            )?
        )*

        #[cfg(feature = "generate")]
        impl crate::generate::Generate for Message {
            fn generate(source: &mut crate::generate::Source<'_>) -> Self {
                let at = usize::from(source.octet()) % MESSAGES.len();
                let r#type = MESSAGES.get(at).map_or(1, |entry| entry.r#type);
                match r#type {
                    $($no => Self::$name(crate::generate::Generate::generate(source)),)*
                    _ => Self::HeartbeatRequest(HeartbeatRequest::default()),
                }
            }
        }
    };

    (@session node) => { false };
    (@session session) => { true };
    (@request) => { false };
    (@request $response:ident) => { true };
}

messages! {
    1  HeartbeatRequest              node    Either        ["7.4.2.1", "Heartbeat Request"] -> HeartbeatResponse;
    2  HeartbeatResponse             node    Either        ["7.4.2.2", "Heartbeat Response"];
    3  PfdManagementRequest          node    ControlToUser ["7.4.3.1", "PFD Management Request"] -> PfdManagementResponse;
    4  PfdManagementResponse         node    UserToControl ["7.4.3.2", "PFD Management Response"];
    5  AssociationSetupRequest       node    Either        ["7.4.4.1", "Association Setup Request"] -> AssociationSetupResponse;
    6  AssociationSetupResponse      node    Either        ["7.4.4.2", "Association Setup Response"];
    7  AssociationUpdateRequest      node    Either        ["7.4.4.3", "Association Update Request"] -> AssociationUpdateResponse;
    8  AssociationUpdateResponse     node    Either        ["7.4.4.4", "Association Update Response"];
    9  AssociationReleaseRequest     node    ControlToUser ["7.4.4.5", "Association Release Request"] -> AssociationReleaseResponse;
    10 AssociationReleaseResponse    node    UserToControl ["7.4.4.6", "Association Release Response"];
    11 VersionNotSupportedResponse   node    Either        ["7.4.4.7", "Version Not Supported Response"];
    12 NodeReportRequest             node    UserToControl ["7.4.5.1", "Node Report Request"] -> NodeReportResponse;
    13 NodeReportResponse            node    ControlToUser ["7.4.5.2", "Node Report Response"];
    14 SessionSetDeletionRequest     node    Either        ["7.4.6.1", "Session Set Deletion Request"] -> SessionSetDeletionResponse;
    15 SessionSetDeletionResponse    node    Either        ["7.4.6.2", "Session Set Deletion Response"];
    16 SessionSetModificationRequest node    ControlToUser ["7.4.7.1", "Session Set Modification Request"] -> SessionSetModificationResponse;
    17 SessionSetModificationResponse node   UserToControl ["7.4.7.2", "Session Set Modification Response"];
    50 SessionEstablishmentRequest   session ControlToUser ["7.5.2", "Session Establishment Request"] -> SessionEstablishmentResponse;
    51 SessionEstablishmentResponse  session UserToControl ["7.5.3", "Session Establishment Response"];
    52 SessionModificationRequest    session ControlToUser ["7.5.4", "Session Modification Request"] -> SessionModificationResponse;
    53 SessionModificationResponse   session UserToControl ["7.5.5", "Session Modification Response"];
    54 SessionDeletionRequest        session ControlToUser ["7.5.6", "Session Deletion Request"] -> SessionDeletionResponse;
    55 SessionDeletionResponse       session UserToControl ["7.5.7", "Session Deletion Response"];
    56 SessionReportRequest          session UserToControl ["7.5.8", "Session Report Request"] -> SessionReportResponse;
    57 SessionReportResponse         session ControlToUser ["7.5.9", "Session Report Response"];
}
