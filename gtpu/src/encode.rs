//! Headers to put before packets. The control side makes one per tunnel; the packet path copies
//! it and fills in the length.

use arrayvec::ArrayVec;

use crate::container::CONTAINER_LENGTH_MAX;
use crate::header::{FLAG_EXTENSION, VERSION_1};
use crate::{DlPduSessionInformation, ExtensionType, MessageType, PduSessionContainer, TooLong};

/// Octets of the longest header of a G-PDU that is written here.
pub const GPDU_HEADER_LENGTH_MAX: usize = 12 + CONTAINER_LENGTH_MAX;

/// The header of a G-PDU, with a length field for an empty T-PDU.
pub type GpduHeader = ArrayVec<u8, GPDU_HEADER_LENGTH_MAX>;

/// The header of a G-PDU without a container.
#[inline]
pub fn gpdu_header_plain(teid: u32) -> [u8; 8] {
    let [t1, t2, t3, t4] = teid.to_be_bytes();
    [VERSION_1, MessageType::G_PDU.0, 0, 0, t1, t2, t3, t4]
}

/// The header of a downlink G-PDU whose container says QFI and RQI: what nearly all downlink
/// packets get.
#[inline]
pub fn gpdu_header_dl(teid: u32, qfi: u8, rqi: bool) -> [u8; 16] {
    let [t1, t2, t3, t4] = teid.to_be_bytes();
    let marks = u8::from(rqi) << 6 | qfi & 0x3f;
    let (flags, container) = (
        VERSION_1 | FLAG_EXTENSION,
        ExtensionType::PDU_SESSION_CONTAINER.0,
    );
    [
        flags,
        MessageType::G_PDU.0,
        0,
        8,
        t1,
        t2,
        t3,
        t4,
        0,
        0,
        0,
        container,
        1,
        0,
        marks,
        0,
    ]
}

/// The header of a G-PDU, with a container or without.
pub fn gpdu_header(teid: u32, container: Option<&PduSessionContainer>) -> GpduHeader {
    tunnel_header(MessageType::G_PDU, teid, container)
}

/// A header with no optional field but, perhaps, a container; its length is right for no payload.
pub(crate) fn tunnel_header(
    kind: MessageType,
    teid: u32,
    container: Option<&PduSessionContainer>,
) -> GpduHeader {
    let mut header = GpduHeader::new();
    let flags = if container.is_some() {
        VERSION_1 | FLAG_EXTENSION
    } else {
        VERSION_1
    };
    let mut put = |octets: &[u8]| {
        let fits = header.try_extend_from_slice(octets).is_ok();
        debug_assert!(fits, "a header outgrew its bound");
    };
    put(&[flags, kind.0, 0, 0]);
    put(&teid.to_be_bytes());
    if let Some(container) = container {
        put(&[0, 0, 0, ExtensionType::PDU_SESSION_CONTAINER.0]);
        put(&container.encode(ExtensionType::NONE.0));
    }
    let set = set_length(&mut header, 0);
    debug_assert!(set.is_ok(), "a header is shorter than 64 kB");
    header
}

/// Writes the length field of a header that is followed by `payload_length` octets.
///
/// # Errors
///
/// Header and payload are longer than the field can say, or `header` is none.
#[inline]
pub fn set_length(header: &mut [u8], payload_length: usize) -> Result<(), TooLong> {
    let total = header
        .len()
        .checked_add(payload_length)
        .and_then(|total| total.checked_sub(8));
    let length = total
        .and_then(|length| u16::try_from(length).ok())
        .ok_or(TooLong)?;
    let field = header.get_mut(2..4).ok_or(TooLong)?;
    field.copy_from_slice(&length.to_be_bytes());
    Ok(())
}

impl From<DlPduSessionInformation> for PduSessionContainer {
    fn from(dl: DlPduSessionInformation) -> Self {
        Self::Dl(dl)
    }
}
