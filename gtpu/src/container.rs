//! The PDU session container (TS 38.415, 5.5).

use arrayvec::ArrayVec;
use nom::bytes::complete::take;
use nom::combinator::cond;
use nom::number::complete::{be_u8, be_u24, be_u32, be_u64};
use nom::{IResult, Parser};
use thiserror::Error;

use crate::Flow;

/// Octets of the longest container that is written here, with length and next type.
pub(crate) const CONTAINER_LENGTH_MAX: usize = 48;

/// Which of the two frames a container holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PduType {
    /// From a UPF towards the RAN.
    Dl,
    /// From the RAN towards the data network.
    Ul,
}

/// Why a container cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ContainerError {
    /// Its flags promise more fields than it has octets.
    #[error("the PDU session container is cut")]
    Cut,
    /// Neither DL nor UL PDU session information.
    #[error("unknown PDU type {0} in the PDU session container")]
    PduType(u8),
}

/// The content of a PDU session container. What later releases add at the end is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PduSessionContainer {
    /// DL PDU SESSION INFORMATION.
    Dl(DlPduSessionInformation),
    /// UL PDU SESSION INFORMATION.
    Ul(UlPduSessionInformation),
}

/// DL PDU SESSION INFORMATION (TS 38.415, 5.5.2.1).
///
/// ```text
///  PDU type = 0      | QMP | SNP | MSNP | spare |
///  PPP | RQI | QFI                              |
///  PPI | spare                                  |  1 octet if PPP
///  DL Sending Time Stamp                        |  8 octets if QMP
///  DL QFI Sequence Number                       |  3 octets if SNP
///  DL MBS QFI Sequence Number                   |  4 octets if MSNP
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DlPduSessionInformation {
    /// QoS Flow Identifier, 0 to 63.
    pub qfi: u8,
    /// Reflective QoS Indicator.
    pub rqi: bool,
    /// Paging Policy Indicator, 0 to 7.
    pub ppi: Option<u8>,
    /// DL Sending Time Stamp, as NTP writes time: 32 bits of seconds, 32 of their fraction.
    pub sending_time_stamp: Option<u64>,
    /// DL QFI Sequence Number, 24 bits.
    pub qfi_sequence_number: Option<u32>,
    /// DL MBS QFI Sequence Number.
    pub mbs_qfi_sequence_number: Option<u32>,
}

/// UL PDU SESSION INFORMATION (TS 38.415, 5.5.2.2).
///
/// ```text
///  PDU type = 1 | QMP | DL Delay Ind | UL Delay Ind | SNP |
///  N3/N9 Delay Ind | New IE Flag | QFI                    |
///  three time stamps                                      |  24 octets if QMP
///  DL Delay Result                                        |  4 octets if DL Delay Ind
///  UL Delay Result                                        |  4 octets if UL Delay Ind
///  UL QFI Sequence Number                                 |  3 octets if SNP
///  N3/N9 Delay Result                                     |  4 octets if N3/N9 Delay Ind
///  New IE Flags                                           |  1 octet if New IE Flag
///  D1 UL PDCP Delay Result Ind                            |  1 octet if bit 1 of New IE Flags
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UlPduSessionInformation {
    /// QoS Flow Identifier, 0 to 63.
    pub qfi: u8,
    /// The times of a delay measurement.
    pub time_stamps: Option<UlTimeStamps>,
    /// DL Delay Result: what the RAN adds to the delay.
    pub dl_delay_result: Option<u32>,
    /// UL Delay Result: what the RAN adds to the delay.
    pub ul_delay_result: Option<u32>,
    /// UL QFI Sequence Number, 24 bits.
    pub qfi_sequence_number: Option<u32>,
    /// N3/N9 Delay Result: the sum over the hops so far.
    pub n3_n9_delay_result: Option<u32>,
    /// D1 UL PDCP Delay Result Ind (R16): whether the UL Delay Result contains the delay D1.
    pub d1_ul_pdcp_delay_included: Option<bool>,
}

/// The times of a delay measurement, as NTP writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UlTimeStamps {
    /// DL Sending Time Stamp Repeated: what the UPF sent.
    pub dl_sending_repeated: u64,
    /// DL Received Time Stamp.
    pub dl_received: u64,
    /// UL Sending Time Stamp.
    pub ul_sending: u64,
}

const QFI_MASK: u8 = 0x3f;
const SEQUENCE_MASK: u32 = 0x00ff_ffff;

/// Direction and QoS flow from the first two octets of a container's content.
#[inline]
pub(crate) const fn flow_of(content: [u8; 2]) -> Option<Flow> {
    let [first, second] = content;
    let qfi = second & QFI_MASK;
    match first >> 4 {
        0 => Some(Flow {
            pdu_type: PduType::Dl,
            qfi,
            rqi: second & 0x40 != 0,
        }),
        1 => Some(Flow {
            pdu_type: PduType::Ul,
            qfi,
            rqi: false,
        }),
        _ => None,
    }
}

// ===== impl PduSessionContainer =====

impl PduSessionContainer {
    /// Reads the content of an extension header of the type 0x85.
    ///
    /// # Errors
    ///
    /// The container is cut, or has an unknown PDU type.
    pub fn decode(content: &[u8]) -> Result<Self, ContainerError> {
        let &first = content.first().ok_or(ContainerError::Cut)?;
        let decoded = match first >> 4 {
            0 => dl(content).map(|(_, dl)| Self::Dl(dl)),
            1 => ul(content).map(|(_, ul)| Self::Ul(ul)),
            unknown => return Err(ContainerError::PduType(unknown)),
        };
        decoded.map_err(|_| ContainerError::Cut)
    }

    /// The QoS Flow Identifier.
    pub fn qfi(&self) -> u8 {
        match self {
            Self::Dl(dl) => dl.qfi,
            Self::Ul(ul) => ul.qfi,
        }
    }

    /// The extension header: length, content, padding, and `next` as the type of the next one.
    /// Bits of a value beyond its field are left out.
    pub(crate) fn encode(&self, next: u8) -> ArrayVec<u8, CONTAINER_LENGTH_MAX> {
        let mut out = Octets(ArrayVec::new());
        out.u8(0); // the length, when it is known
        match self {
            Self::Dl(dl) => dl.write(&mut out),
            Self::Ul(ul) => ul.write(&mut out),
        }
        while out.0.len() % 4 != 3 {
            out.u8(0);
        }
        out.u8(next);
        let units = u8::try_from(out.0.len() / 4).unwrap_or(u8::MAX);
        if let Some(length) = out.0.first_mut() {
            *length = units;
        }
        out.0
    }
}

fn dl(input: &[u8]) -> IResult<&[u8], DlPduSessionInformation> {
    let (input, (flags, marks)) = (be_u8, be_u8).parse(input)?;
    let (input, ppi) = cond(marks & 0x80 != 0, be_u8).parse(input)?;
    let (input, sending_time_stamp) = cond(flags & 0x08 != 0, be_u64).parse(input)?;
    let (input, qfi_sequence_number) = cond(flags & 0x04 != 0, be_u24).parse(input)?;
    let (input, mbs_qfi_sequence_number) = cond(flags & 0x02 != 0, be_u32).parse(input)?;
    let information = DlPduSessionInformation {
        qfi: marks & QFI_MASK,
        rqi: marks & 0x40 != 0,
        ppi: ppi.map(|octet| octet >> 5),
        sending_time_stamp,
        qfi_sequence_number,
        mbs_qfi_sequence_number,
    };
    Ok((input, information))
}

fn ul(input: &[u8]) -> IResult<&[u8], UlPduSessionInformation> {
    let (input, (flags, marks)) = (be_u8, be_u8).parse(input)?;
    let (input, time_stamps) = cond(flags & 0x08 != 0, time_stamps).parse(input)?;
    let (input, dl_delay_result) = cond(flags & 0x04 != 0, be_u32).parse(input)?;
    let (input, ul_delay_result) = cond(flags & 0x02 != 0, be_u32).parse(input)?;
    let (input, qfi_sequence_number) = cond(flags & 0x01 != 0, be_u24).parse(input)?;
    let (input, n3_n9_delay_result) = cond(marks & 0x80 != 0, be_u32).parse(input)?;
    let (input, new_flags) = cond(marks & 0x40 != 0, be_u8).parse(input)?;
    let new_flags = new_flags.unwrap_or_default();
    // "further flags octet follows" (R18): it stands before the fields that bits 1 to 7 announce.
    let (input, _) = cond(new_flags & 0x80 != 0, take(1_usize)).parse(input)?;
    let (input, d1) = cond(new_flags & 0x01 != 0, be_u8).parse(input)?;
    let information = UlPduSessionInformation {
        qfi: marks & QFI_MASK,
        time_stamps,
        dl_delay_result,
        ul_delay_result,
        qfi_sequence_number,
        n3_n9_delay_result,
        d1_ul_pdcp_delay_included: d1.map(|octet| octet & 0x01 != 0),
    };
    Ok((input, information))
}

fn time_stamps(input: &[u8]) -> IResult<&[u8], UlTimeStamps> {
    let (input, (dl_sending_repeated, dl_received, ul_sending)) =
        (be_u64, be_u64, be_u64).parse(input)?;
    Ok((
        input,
        UlTimeStamps {
            dl_sending_repeated,
            dl_received,
            ul_sending,
        },
    ))
}

// ===== writing =====

/// Octets of one container. The fields of each kind add up to less than the capacity.
struct Octets(ArrayVec<u8, CONTAINER_LENGTH_MAX>);

impl Octets {
    fn u8(&mut self, octet: u8) {
        self.all(&[octet]);
    }

    fn u24(&mut self, value: Option<u32>) {
        if let Some(value) = value {
            let [_, octets @ ..] = (value & SEQUENCE_MASK).to_be_bytes();
            self.all(&octets);
        }
    }

    fn u32(&mut self, value: Option<u32>) {
        if let Some(value) = value {
            self.all(&value.to_be_bytes());
        }
    }

    fn u64(&mut self, value: u64) {
        self.all(&value.to_be_bytes());
    }

    fn all(&mut self, octets: &[u8]) {
        let fits = self.0.try_extend_from_slice(octets).is_ok();
        debug_assert!(fits, "a container outgrew its bound");
    }
}

fn bit(present: bool, position: u8) -> u8 {
    u8::from(present) << position
}

impl DlPduSessionInformation {
    fn write(&self, out: &mut Octets) {
        let (qmp, snp) = (
            self.sending_time_stamp.is_some(),
            self.qfi_sequence_number.is_some(),
        );
        out.u8(bit(qmp, 3) | bit(snp, 2) | bit(self.mbs_qfi_sequence_number.is_some(), 1));
        out.u8(bit(self.ppi.is_some(), 7) | bit(self.rqi, 6) | self.qfi & QFI_MASK);
        if let Some(ppi) = self.ppi {
            out.u8(ppi << 5);
        }
        if let Some(time) = self.sending_time_stamp {
            out.u64(time);
        }
        out.u24(self.qfi_sequence_number);
        out.u32(self.mbs_qfi_sequence_number);
    }
}

impl UlPduSessionInformation {
    fn write(&self, out: &mut Octets) {
        out.u8(0x10
            | bit(self.time_stamps.is_some(), 3)
            | bit(self.dl_delay_result.is_some(), 2)
            | bit(self.ul_delay_result.is_some(), 1)
            | bit(self.qfi_sequence_number.is_some(), 0));
        let new_flag = self.d1_ul_pdcp_delay_included.is_some();
        out.u8(bit(self.n3_n9_delay_result.is_some(), 7) | bit(new_flag, 6) | self.qfi & QFI_MASK);
        if let Some(times) = self.time_stamps {
            out.u64(times.dl_sending_repeated);
            out.u64(times.dl_received);
            out.u64(times.ul_sending);
        }
        out.u32(self.dl_delay_result);
        out.u32(self.ul_delay_result);
        out.u24(self.qfi_sequence_number);
        out.u32(self.n3_n9_delay_result);
        if let Some(included) = self.d1_ul_pdcp_delay_included {
            out.u8(0x01);
            out.u8(bit(included, 0));
        }
    }
}
