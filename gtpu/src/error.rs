//! Why a datagram is not GTP-U, and other errors.

use thiserror::Error;

/// Why the header of a datagram cannot be used. Each is a reason to drop the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum ParseError {
    /// Fewer than the eight octets that every header has.
    #[error("shorter than a GTP-U header")]
    TooShort,
    /// The version is not 1.
    #[error("the version is not 1")]
    Version,
    /// PT is 0: the packet is GTP', the charging protocol.
    #[error("GTP' instead of GTP")]
    ProtocolType,
    /// The length field promises more octets than there are.
    #[error("the length is beyond the end of the datagram")]
    LengthBeyondEnd,
    /// E, S or PN is set, and the four octets that then follow are not all there.
    #[error("the optional fields are cut")]
    OptionalFieldsCut,
    /// An extension header is not all there.
    #[error("an extension header is cut")]
    ExtensionCut,
    /// An extension header of length 0.
    #[error("an extension header has the length 0")]
    ExtensionLengthZero,
    /// More extension headers than anyone has a use for.
    #[error("too many extension headers")]
    ExtensionsTooMany,
    /// An extension header that must be understood, and is not (TS 29.281, 5.2.1). The sender is
    /// owed a Supported Extension Headers Notification.
    #[error("an unknown extension header that must be understood")]
    ExtensionUnknown,
    /// The message is not a G-PDU: for signalling, not the packet path.
    #[error("not a G-PDU")]
    NotGpdu,
}

/// More octets than the 16 bits of a length can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("longer than a GTP-U message can be")]
pub struct TooLong;
