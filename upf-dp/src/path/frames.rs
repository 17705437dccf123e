//! Frames of Ethernet sessions: where they are in a packet, and which rule they match.

use session::ethernet::Frame;
use session::plan::{Entrance, FrameArrival};

use super::meta::Meta;
use crate::packet::Packet;
use crate::reason::Reason;

/// The frame of an Ethernet session. On N6 a tag of the network may lie between its addresses and
/// the rest, until [`unite`] has brought them together.
#[inline]
pub(super) fn frame<'p>(octets: &'p [u8], meta: &Meta<'_>) -> Option<Frame<'p>> {
    if !meta.key.is_frame() {
        return Frame::parse(meta.user(octets));
    }
    let rest = octets.get(usize::from(meta.user_at) + 12..)?;
    Frame::behind(octets.first_chunk()?, rest)
}

/// For the third stage: which rule?
#[cold]
#[inline(never)]
pub(super) fn classify_frame<'a>(
    entrance: Entrance<'a>,
    octets: &[u8],
    meta: &mut Meta<'a>,
) -> Result<(), Reason> {
    let frame = frame(octets, meta).ok_or(Reason::UserPacket)?;
    let qfi = meta.qfi;
    let step = entrance.classify_frame(&FrameArrival { frame, qfi });
    meta.step = Some(step.ok_or(Reason::NoPdr)?);
    meta.source_port = entropy(&frame);
    Ok(())
}

/// A UDP source port that is the same for all frames of a flow: 49152 to 65535.
fn entropy(frame: &Frame<'_>) -> u16 {
    if let Some(inner) = frame.ip() {
        return super::classify::entropy(&inner);
    }
    let hash = frame.sender().bits() ^ frame.receiver().bits().rotate_left(23);
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    0xc000 | u16::from_be_bytes([mixed[0], mixed[1]])
}

/// Behind the stages that may keep a packet as it came: takes the tag of the network out of frames.
#[inline(never)]
pub(super) fn unite<P: Packet>(packets: &mut [P], metas: &[Meta<'_>]) {
    for (packet, meta) in packets.iter_mut().zip(metas) {
        let at = usize::from(meta.user_at);
        if meta.is_pending() && meta.key.is_frame() && at > 0 {
            let octets = packet.data_mut();
            if octets.len() >= at + 12 {
                octets.copy_within(..12, at);
            }
        }
    }
}
