//! The rules of an everyday session.

use session::rule::{
    Action, BitRate, DestinationInterface, Forwarding, LocalFTeid, OuterHeaderCreation,
    OuterHeaderRemoval, Pdi, SourceInterface, UeAddress,
};
use session::{Far, FarId, Pdr, PdrId, Precedence, Qer, QerId, Qfi, Rules, Teid, Urr, UrrId};

use super::{HZ, N3, N6};
use crate::held::{Bound, HeldLimits, WhenFull};

/// One PDR each way, a QER with a rate and QFI 9, a URR.
pub fn usual_rules(teid: Teid, ue: UeAddress, tunnel: OuterHeaderCreation) -> Rules {
    let pdr = |id: u16, pdi, far, removal| Pdr {
        id: PdrId(id),
        precedence: Precedence(u32::from(id)),
        pdi,
        outer_header_removal: removal,
        far: FarId(far),
        qers: [QerId(1)].into_iter().collect(),
        urrs: [UrrId(1)].into_iter().collect(),
        ..Pdr::default()
    };
    let uplink = Pdi {
        source_interface: SourceInterface::Access,
        local_f_teid: Some(LocalFTeid {
            teid,
            interface: N3,
        }),
        ue: Some(ue),
        ..Pdi::default()
    };
    let downlink = Pdi {
        source_interface: SourceInterface::Core,
        vrf: Some(N6),
        ue: Some(ue),
        ..Pdi::default()
    };
    let far = |id, forwarding| Far {
        id: FarId(id),
        action: Action::Forward,
        forwarding: Some(forwarding),
        bar: None,
    };
    let to_core = Forwarding {
        destination: DestinationInterface::Core,
        vrf: Some(N6),
        ..Forwarding::default()
    };
    let to_access = Forwarding {
        destination: DestinationInterface::Access,
        outer_header_creation: Some(tunnel),
        ..Forwarding::default()
    };
    let rate = BitRate {
        uplink_kbps: 40_000_000,
        downlink_kbps: 40_000_000,
    };
    Rules {
        ue,
        pdrs: vec![
            pdr(1, uplink, 1, Some(OuterHeaderRemoval::GtpUdpIpv4)),
            pdr(2, downlink, 2, None),
        ],
        fars: vec![far(1, to_core), far(2, to_access)],
        qers: vec![Qer {
            id: QerId(1),
            mbr: Some(rate),
            qfi: Qfi::new(9),
            ..Qer::default()
        }],
        urrs: vec![Urr {
            id: UrrId(1),
            ..Urr::default()
        }],
        ..Rules::default()
    }
}

/// No bounds but on the packets in all.
pub(super) const fn held_limits(packets: u32) -> HeldLimits {
    HeldLimits {
        total: Bound {
            packets,
            octets: u64::MAX,
        },
        per_smf: Bound::NONE,
        smfs: 1,
        session_octets: u64::MAX,
        when_full: WhenFull::Newest,
        expiry_cycles: 60 * HZ,
    }
}
