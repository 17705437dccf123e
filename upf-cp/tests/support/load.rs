//! Sessions as load tests have them: 2 PDR, 2 FAR, 1 QER, 1 URR, any number of them.

use super::{
    ApplyAction, DestinationInterface, Ipv4Addr, SessionEstablishmentRequest, activate,
    downlink_pdi, encode, far, open5gs, pdr, to, ue_ip, uplink_pdi,
};

/// The address of a UE, by its number.
pub fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a2d_0100 + n)
}

pub fn establishment(n: u32) -> SessionEstablishmentRequest {
    let mut uplink = uplink_pdi();
    uplink.qfis = vec![];
    uplink.ue_ip_addresses = vec![ue_ip(address(n), false)];
    let mut downlink = downlink_pdi(1);
    downlink.ue_ip_addresses = vec![ue_ip(address(n), true)];
    let mut pdrs = [pdr(1, 100, 1, uplink), pdr(2, 100, 2, downlink)];
    for pdr in &mut pdrs {
        pdr.qer_ids = vec![1.into()];
        pdr.urr_ids = vec![1.into()];
    }
    let mut request = open5gs(1);
    request.cp_f_seid.seid = u64::from(n) + 1;
    request.create_pdrs = pdrs.into();
    let core = to(DestinationInterface::CORE, None);
    request.create_fars = [
        far(1, ApplyAction::FORW, Some(core)),
        far(2, ApplyAction::BUFF | ApplyAction::NOCP, None),
    ]
    .into();
    request.create_bar = None;
    request
}

/// The gNB's tunnel, encoded: in round 0 activation, then handovers.
pub fn tunnel(n: u32, seid: u64, round: u32) -> Vec<u8> {
    let mut request = activate(n * 2 + round + 1, "10.10.3.101");
    request.update_fars[0].far_id = 2.into();
    encode(Some(seid), 100_000 * (round + 1) + n, &request)
}

/// The end of a session, encoded.
pub fn deletion(n: u32, seid: u64) -> Vec<u8> {
    encode(
        Some(seid),
        900_000 + n,
        &pfcp::SessionDeletionRequest::default(),
    )
}
