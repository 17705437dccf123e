//! What can go wrong between an SMF and its UPF.

use std::io;

use pfcp::Cause;

use crate::summary::Procedure;

/// Why a procedure failed.
#[derive(Debug, thiserror::Error)]
pub enum SmfError {
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The UPF did not answer, however often it was asked.
    #[error("{procedure}: no answer")]
    NoAnswer {
        /// To what.
        procedure: Procedure,
    },
    /// The UPF refused.
    #[error("{procedure}: cause {cause} ({}), offending IE {offending_ie:?}, {failed_rule:?}", cause.get())]
    Refused {
        /// What.
        procedure: Procedure,
        /// Why.
        cause: Cause,
        /// Because of which IE.
        offending_ie: Option<u16>,
        /// Because of which rule.
        failed_rule: Option<pfcp::FailedRuleId>,
    },
    /// The answer is malformed, or lacks what it must have.
    #[error("{procedure}: malformed answer: {fault}")]
    Malformed {
        /// To what.
        procedure: Procedure,
        /// What is wrong with it.
        fault: AnswerFault,
    },
    /// The session is not known, or not in a state for this.
    #[error("no session {0}")]
    NoSession(u32),
    /// The request cannot be encoded.
    #[error(transparent)]
    Encode(#[from] pfcp::EncodeError),
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It cannot be decoded.
    #[error(transparent)]
    Decode(pfcp::DecodeError),
    /// It is the answer to another kind of request.
    #[error("another message type")]
    MessageType,
    /// It has no UP F-SEID.
    #[error("no UP F-SEID")]
    NoFSeid,
    /// It does not say which F-TEID was chosen for a PDR.
    #[error("no F-TEID of PDR {0}")]
    NoFTeid(u16),
    /// It does not say which UE address was chosen.
    #[error("no UE IP Address")]
    NoUeAddress,
    /// Its header has another SEID than the SMF's.
    #[error("SEID {0:#x} in the header")]
    Seid(u64),
}

pub(super) const fn malformed(procedure: Procedure, fault: AnswerFault) -> SmfError {
    SmfError::Malformed { procedure, fault }
}
